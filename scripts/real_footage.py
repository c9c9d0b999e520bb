"""Rows of Tables 2 to 5 with several seeds on a data set of one's own: ``python scripts/real_footage.py --source FOLDER``.

The folder is one that ``python -m vad_lib.data.importing check`` accepts (lists and features). It is imported, every row is trained
with every seed, and tables, intervals and figures go to ``results/real_footage``; numbers and plots only, no frames. Finished
runs are kept in ``--work``, so a report that was stopped goes on.

The settings are the quick profile's with 32 segments, the field's usual number, and with them the library's own learning rate;
width and steps are what a CPU does in a quarter of a minute. Weights are chosen on validation videos.
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch

from vad_lib.config import get_profile
from vad_lib.data.dataset import load_dataset
from vad_lib.data.importing import __main__ as importing_main
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
    parser.add_argument("--name", default="fight-bags", help="of the data set in folders and tables")
    parser.add_argument("--title", default="Fight bags")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=PROJECT_ROOT / "build" / "real_footage", help="imported set and run folders")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "results" / "real_footage")
    options = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order on every machine; for models this small a second thread gains little
    layout, quick = Layout.create("quick", options.work, options.work / "data"), get_profile("quick")
    profile = quick.replace(width=128, train=quick.train.replace(num_segments=32, lr=2e-4, steps=200))
    target = layout.dataset(options.name)
    command = ["import", "--dataset", options.name, "--source", options.source, "--out", str(target), "--title", options.title]
    if importing_main.main(command):
        return 1
    dataset = load_dataset(target)
    seeds = range(profile.train.seed, profile.train.seed + options.seeds)
    experiments.run_variants(ROWS, dataset, layout, profile, seeds=seeds)

    runs = finished_runs.load_runs(layout, dataset.name, ROWS)
    scored = {row: scored_runs.scored_rows(found) for row, found in runs.items()}
    parts = [f"# {dataset.title}: real footage, {options.seeds} seeds a row"]
    tables = (methods.methods_table(layout, dataset, ""), *(make(layout, [dataset]) for make in (ablation.table4, ablation.table5)))
    for table in tables:
        frame = table.frame[table.frame["status"] == "run"]
        parts += [f"## {table.title}", tables_table.markdown_grid(frame)]
        write_text(options.out / f"{table.name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    parts.append(table.made_with)
    for metric in ("auc", "ap"):
        intervals = {experiments.VARIANTS[row].title: evaluation_intervals.interval(found, metric) for row, found in scored.items()}
        title = f"{dataset.title}: {metric.upper()}, {options.seeds} seeds"
        figure, points = figures_intervals.forest_plot(intervals, title)
        stamp = {"dataset": dataset.name, "seeds": list(seeds)}
        for path in style.save_figure(figure, layout, f"rows-{metric}", points, stamp).values():
            shutil.copy(path, options.out / path.name)
    compared = {
        f"{experiments.VARIANTS[after].title}\nagainst {experiments.VARIANTS[before].title}": comparisons.compare(
            scored[before], scored[after], dataset.headline_metric
        )
        for before, after in (("logistic-regression", "ur-dmu"), ("ur-dmu", "msf-dmu"), ("msf-dmu", "proposed"))
    }
    parts.append("## In words\n")
    parts.append("\n".join(f"- {' '.join(pair.split())}: {comparisons.comparison_text(found)}" for pair, found in compared.items()))
    write_text(options.out / "README.md", "\n\n".join(parts) + "\n")
    print(options.out / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
