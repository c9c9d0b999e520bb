"""Rows of Tables 2 to 5 with several seeds on real footage: ``python scripts/real_footage.py --source FOLDER --name NAME``.

The folder is one that ``python -m vad_lib.data.importing check`` accepts: lists, and features or videos. It is imported, features
are extracted if there are only videos, every row is trained with every seed, and tables, intervals and a figure go to
``results/real_footage/NAME``; numbers and a plot only, no frames. ``results/real_footage/README.md`` lists all sets. Finished runs
are kept in ``--work``, so a report that was stopped goes on.

The settings are the quick profile's with 32 segments, the field's usual number, and with them the library's own learning rate;
width and steps are what a CPU does in a quarter of a minute. Weights are chosen on validation videos. Videos give the features of
the fight bags: shorter side 256 pixels, one central crop of 224.
"""

import argparse
import shutil
import sys
from pathlib import Path

import pandas as pd
import torch

from vad_lib.config import Profile, get_profile
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.importing import __main__ as importing_main
from vad_lib.data.prepare import prepare_dataset
from vad_lib.evaluation import comparisons
from vad_lib.evaluation import intervals as evaluation_intervals
from vad_lib.report.figures import intervals as figures_intervals
from vad_lib.report.figures import style
from vad_lib.report.tables import ablation, methods
from vad_lib.report.tables import table as tables_table
from vad_lib.runs import experiments, finished_runs, scored_runs
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.writing import write_text

ROWS = ("logistic-regression", "ur-dmu", "msf-dmu", "pcl", "pcl-dbagf", "fine", "fine-align", "proposed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, help="folder with the lists and features of the data set")
    parser.add_argument("--name", required=True, help="of the data set in folders and tables, e.g. fight-bags")
    parser.add_argument("--title", help="of the data set in tables; its name by default")
    parser.add_argument("--about", default="", help="a sentence on the footage and its source, for the page")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=PROJECT_ROOT / "build" / "real_footage", help="imported set and run folders")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "results" / "real_footage")
    options = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order on every machine; for models this small a second thread gains little
    layout, quick = Layout.create("quick", options.work, options.work / "data"), get_profile("quick")
    features = quick.features.replace(short_side=256, crop_size=224, num_crops=1)
    train = quick.train.replace(num_segments=32, lr=2e-4, steps=200)
    profile = quick.replace(width=128, train=train, features=features)
    dataset = imported(Path(options.source), options.name, options.title or options.name, layout, profile)
    out = options.out / options.name
    seeds = range(profile.train.seed, profile.train.seed + options.seeds)
    experiments.run_variants(ROWS, dataset, layout, profile, seeds=seeds)

    runs = finished_runs.load_runs(layout, dataset.name, ROWS)
    scored = {row: scored_runs.scored_rows(found) for row, found in runs.items()}
    parts = [f"# {dataset.title}: {options.seeds} seeds a row", *filter(None, [options.about])]
    tables = (methods.methods_table(layout, dataset, ""), *(make(layout, [dataset]) for make in (ablation.table4, ablation.table5)))
    for table in tables:
        parts += [f"## {table.title}", tables_table.markdown_grid(table.frame[table.frame["status"] == "run"])]
    parts.append(tables[-1].made_with)
    rows = []
    for metric in ("auc", "ap"):
        intervals = {experiments.VARIANTS[row].title: evaluation_intervals.interval(found, metric) for row, found in scored.items()}
        title = f"{dataset.title}: {metric.upper()}, {options.seeds} seeds"
        figure, points = figures_intervals.forest_plot(intervals, title)
        rows.append(points.assign(metric=metric))
        if metric == dataset.headline_metric:
            saved = style.save_figure(figure, layout, f"rows-{metric}", points, {"dataset": dataset.name, "seeds": list(seeds)})
            shutil.copy(saved["png"], out / "rows.png")
            parts.append(f"![{title}: interval of every row](rows.png)")
    write_text(out / "rows.csv", pd.concat(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    parts.append("The same as numbers, seed by seed, and AP beside AUC: [`rows.csv`](rows.csv).")
    compared = {
        f"{experiments.VARIANTS[after].title}\nagainst {experiments.VARIANTS[before].title}": comparisons.compare(
            scored[before], scored[after], dataset.headline_metric
        )
        for before, after in (("logistic-regression", "ur-dmu"), ("ur-dmu", "msf-dmu"), ("msf-dmu", "proposed"))
    }
    parts.append("## In words\n")
    parts.append("\n".join(f"- {' '.join(pair.split())}: {comparisons.comparison_text(found)}" for pair, found in compared.items()))
    write_text(out / "README.md", "\n\n".join(parts) + "\n")
    write_index(options.out)
    print(out / "README.md")
    return 0


def imported(source: Path, name: str, title: str, layout: Layout, profile: Profile) -> Dataset:
    """The data set of a folder, with features."""
    target = layout.dataset(name)
    command = ["import", "--dataset", name, "--title", title]
    if not (source / "videos").is_dir():
        if importing_main.main([*command, "--source", str(source), "--out", str(target)]):
            raise SystemExit(1)
        return load_dataset(target)
    shutil.copytree(source, target, dirs_exist_ok=True)  # features are kept beside the videos
    if importing_main.main([*command, "--source", str(target)]):
        raise SystemExit(1)
    return prepare_dataset(layout, profile, name)


def write_index(folder: Path) -> None:
    """A page that lists the sets, with the methods of each."""
    parts = ["# Real footage", "Every set has a page with its tables, intervals and how they were made."]
    for page in sorted(folder.glob("*/README.md")):
        blocks = page.read_text(encoding="utf-8").split("\n\n")
        methods_table = next(block for block in blocks if block.startswith("|"))
        parts += [f"## [{blocks[0].removeprefix('# ')}]({page.parent.name}/README.md)", methods_table]
    write_text(folder / "README.md", "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    sys.exit(main())
