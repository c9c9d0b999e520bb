"""The reproduction report: one's own numbers beside the reference, value by value, and what differs in the making.

Every value that Tables 2 to 6 print is compared seed by seed: what you got with some seeds against what the reference
got with the same seeds. A value is *equal* if it prints the same in the tables; else it lies *within* or *outside* the
reference's 95 % interval, which is made of all its seeds.

Floating-point sums depend on the processor's instruction sets and on the number of threads, and training magnifies the
last digit. Other numbers on another kind of processor are therefore no mistake; the report says how far they are.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from vad_lib.config import SELECTIONS, get_profile
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import DataError, MissingFileError, command_line
from vad_lib.evaluation.intervals import interval
from vad_lib.evaluation.scored_videos import Metric
from vad_lib.report import yardsticks
from vad_lib.report.figures.alternative_texts import composed
from vad_lib.report.figures.style import BLUE, ORANGE, describe, save_figure, style
from vad_lib.report.tables.table import markdown_grid
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.runs.finished_runs import MAY_DIFFER, load_runs
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_text

NAME = "reproduction"
Verdict = Literal["equal", "within", "outside", "other settings", "not run"]
VERDICTS: dict[Verdict, str] = {
    "equal": "equal to the last printed digit",
    "within": "within the reference's interval",
    "outside": "outside the reference's interval",
    "other settings": "made with other settings, not compared",
    "not run": "not run here",
}
WITH_INTERVAL = ("auc", "ap")  # frame-level metrics that the tables give an interval of
FRAME_LEVEL = {
    "synth-crime": ("auc", "far_normal_videos", "far_all_normal_frames", "auc_abnormal_videos"),
    "synth-violence": ("ap", "far_normal_videos", "far_all_normal_frames", "ap_trapezoid"),
}
FINE_GRAINED = ("map_vadclip_code", "map_abnormal_only", "category_accuracy", "category_accuracy_abnormal_videos")


class Value(NamedTuple):
    """One number of the tables, yours beside the reference; fractions.

    Attributes:
        tables: names of the tables that print it.
        dataset: name of the data set.
        row: title of the table row.
        metric: its name in ``metrics.json``.
        selection: how the step was chosen.
        seeds: of the runs that are compared; empty if you have none that the reference has.
        yours, reference: means over these seeds; NaN where not run.
        low, high: the reference's 95 % interval over all its seeds, or their range where the tables give no interval.
        verdict: key of :data:`VERDICTS`.
    """

    tables: str
    dataset: str
    row: str
    metric: str
    selection: str
    seeds: str
    yours: float
    reference: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True)
class Reproduction:
    """What was found.

    Attributes:
        values: one row per :class:`Value`.
        making: what made both: columns ``what``, ``yours``, ``reference``; rows where they differ come first.
        data: per data set whether its list of videos is the reference's.
        yardsticks: whether every seed of the main rows beats logistic regression, in words.
    """

    values: pd.DataFrame
    making: pd.DataFrame
    data: dict[str, str]
    yardsticks: str

    def counts(self) -> dict[Verdict, int]:
        """Verdict -> number of values, in the order of :data:`VERDICTS`."""
        found = self.values["verdict"].value_counts()
        return {verdict: int(found.get(verdict, 0)) for verdict in VERDICTS}

    def sentence(self) -> str:
        """The result in one sentence."""
        counts = self.counts()
        compared = sum(counts[verdict] for verdict in ("equal", "within", "outside"))
        if not compared:
            return "No value could be compared: nothing was run here with the reference's settings and seeds."
        parts = [f"{counts[verdict]} {VERDICTS[verdict]}" for verdict in ("equal", "within", "outside")]
        return f"Of {compared} values {', '.join(parts)}."


def reproduce_values(layout: Layout, reference: Layout, datasets: Sequence[str]) -> Reproduction:
    """Compare one's own runs with those of the reference.

    Args:
        layout: one's own results.
        reference: the committed results, or any other results.
        datasets: names of data sets.

    Raises:
        DataError: runs of either side do not belong into one table; the reference has no run of any of the data sets.
    """
    values: list[Value] = []
    both: list[tuple[Run, Run]] = []
    for dataset in datasets:
        theirs = load_runs(reference, dataset, VARIANTS)
        mine = load_runs(layout, dataset, VARIANTS)
        for variant, runs in theirs.items():
            pairs = _same_seeds(mine.get(variant, []), runs)
            both += pairs
            values += _compared(dataset, variant, pairs, runs)
    if not values:
        raise DataError(
            f"reproduction: {reference.read_from} has no runs of {', '.join(datasets)}. Name a data set that was run there, or "
            "another folder; --against takes the folder above results/."
        )
    lists = {dataset: _lists(layout, reference, dataset) for dataset in datasets}
    simple = yardsticks.sentence(yardsticks.beside_yardstick(layout, datasets))
    return Reproduction(pd.DataFrame(values), _making(both), lists, simple)


def _same_seeds(mine: Iterable[Run], theirs: Iterable[Run]) -> list[tuple[Run, Run]]:
    by_seed = {run.seed: run for run in theirs}
    return [(run, by_seed[run.seed]) for run in mine if run.seed in by_seed]


def _compared(dataset: str, variant: str, pairs: list[tuple[Run, Run]], reference: list[Run]) -> Iterator[Value]:
    """All values of one table row."""
    tables = ", ".join(name for name, rows in TABLE_ROWS.items() if variant in rows and _belongs(name, dataset))
    alike = [(ours, theirs) for ours, theirs in pairs if _settings(ours) == _settings(theirs)]
    for metric, selection in _printed(dataset, reference[0]):
        low, high = _interval(reference, metric, selection, [_value(run, metric, selection) for run in reference])
        yours, theirs = ([_value(pair[side], metric, selection) for pair in alike] for side in (0, 1))
        verdict: Verdict = "not run" if not pairs else "other settings"
        if alike:
            verdict = _verdict(float(np.mean(yours)), float(np.mean(theirs)), low, high)
        seeds = " ".join(str(ours.seed) for ours, _ in alike)
        mine, other = (float(np.mean(side)) if side else float("nan") for side in (yours, theirs))
        yield Value(tables, dataset, VARIANTS[variant].title, metric, selection, seeds, mine, other, low, high, verdict)


def _belongs(table: str, dataset: str) -> bool:
    return {"table2": "synth-crime", "table3": "synth-violence"}.get(table, dataset) == dataset


def _printed(dataset: str, run: Run) -> list[tuple[str, str]]:
    """Metric and selection of every number that the tables print of a row."""
    headline, *others = FRAME_LEVEL.get(dataset, (run.config["headline_metric"], "far_normal_videos", "far_all_normal_frames"))
    others += FINE_GRAINED if run.fine_grained(run.selection) else ()
    return [(headline, selection) for selection in SELECTIONS] + [(metric, run.selection) for metric in others]


def _value(run: Run, metric: str, selection: str) -> float:
    """A number of the tables; NaN where it is not defined on the test videos."""
    if metric not in FINE_GRAINED:
        return float("nan") if run.undefined(metric, selection) else run.value(metric, selection)
    found = run.fine_grained(selection)
    if not found:
        return float("nan")
    if metric.startswith("map_"):
        detection = found["detection"]
        return detection[metric.removeprefix("map_")]["map"]["average"] if detection else float("nan")
    return found[metric]


def _interval(runs: list[Run], metric: str, selection: str, values: Sequence[float]) -> tuple[float, float]:
    """The reference's 95 % interval; the range of its seeds where the tables give none.

    Tables give it for the step that they use. Another step's has the same width around its own mean.
    """
    if metric in WITH_INTERVAL or (metric in FINE_GRAINED and not np.isnan(values).any()):
        found = interval(scored_rows(runs), cast(Metric, metric))
        moved = 0.0 if selection == runs[0].selection else float(np.mean(values)) - found.mean
        return found.low + moved, found.high + moved
    return float(np.min(values)), float(np.max(values))


def _verdict(yours: float, reference: float, low: float, high: float) -> Verdict:
    if np.isnan(yours) or np.isnan(reference):
        return "equal" if np.isnan(yours) and np.isnan(reference) else "outside"
    if f"{100 * yours:.2f}" == f"{100 * reference:.2f}":
        return "equal"
    return "within" if low <= yours <= high else "outside"


def _settings(run: Run) -> Any:
    """What must be the same for two runs to be compared: everything but what moves no number by intention."""
    train = {name: value for name, value in run.config["train"].items() if name not in (*MAY_DIFFER, "fast_cpu")}
    features = {n: v for n, v in run.config["features"].items() if n != "content_hash"}
    return train, run.config["options"], run.config["width"], run.config["categories"], features


def _lists(layout: Layout, reference: Layout, dataset: str) -> str:
    try:
        ours, theirs = (load_dataset(place.dataset(dataset), features=False).videos for place in (layout, reference))
    except (MissingFileError, DataError):
        return "not there"
    return "the same videos and intervals" if ours == theirs else "other videos or intervals"


def _making(pairs: Sequence[tuple[Run, Run]]) -> pd.DataFrame:
    """What made both sides, a row per thing; several values of one side are listed."""
    rows: dict[str, tuple[list[str], list[str]]] = {}
    for pair in pairs:
        for side, run in enumerate(pair):
            for what, value in _made_by(run).items():
                values = rows.setdefault(what, ([], []))[side]
                if value not in values:
                    values.append(value)
    shown = [(what, *("; ".join(sorted(side)) or "not recorded" for side in sides)) for what, sides in rows.items()]
    frame = pd.DataFrame(shown, columns=["what", "yours", "reference"])
    return frame.sort_values("what", key=lambda _: frame["yours"] == frame["reference"], kind="stable", ignore_index=True)


def _made_by(run: Run) -> dict[str, str]:
    record = run.provenance()
    found: dict[str, str] = {
        name: str(record[name]) for name in ("processor", "instructions", "threads", "device", "system", "commit") if name in record
    }
    found |= {f"version of {name}": version for name, version in record.get("versions", {}).items()}
    features = run.config["features"]["content_hash"][:12]
    return found | {f"features of {run.config['dataset']}": features}


# --- the report -------------------------------------------------------------------------------------------


def write_reproduction(layout: Layout, reference: Layout, datasets: Sequence[str]) -> Reproduction:
    """Compare, and write ``reproduction.md``, ``.csv`` and the picture into the results folder of ``layout``.

    Errors as in :func:`reproduce_values`.
    """
    found = reproduce_values(layout, reference, datasets)
    folder = layout.reproduction
    write_text(folder / f"{NAME}.csv", found.values.to_csv(index=False, lineterminator="\n"))
    write_text(folder / f"{NAME}.md", as_markdown(found))
    picture, points = beside_reference(found)
    if picture is not None:
        save_figure(picture, layout, NAME, points, {"profile": layout.profile})
    return found


def as_markdown(found: Reproduction) -> str:
    """The report as a page."""
    lines = ["# Your numbers beside the reference", "", found.sentence(), "", found.yardsticks, ""]
    lines += ["| verdict | values |", "| --- | ---: |"]
    lines += [f"| {VERDICTS[verdict]} | {count} |" for verdict, count in found.counts().items()]
    lines += ["", "*Equal* is what prints the same with two decimals of a percent. Yours and the reference's are means over the"]
    lines += ["same seeds. The interval is the reference's 95 % interval of the mean over all its seeds; where the tables give no"]
    lines += ["interval (false alarm rates), it is the range of its seeds. A single seed scatters more than a mean of five."]
    lines += ["", "## What differs in the making", ""]
    differs = found.making[found.making["yours"] != found.making["reference"]]
    if len(found.making) == 0:
        lines.append("Nothing was run here that the reference has too.")
    elif len(differs) == 0:
        lines.append("Nothing that is recorded: same processor, instruction sets, threads, versions and features.")
    else:
        lines += [
            markdown_grid(differs, align="left"),
            "",
            "Other instruction sets or threads round sums in another order. Features may then differ in their last",
        ]
        lines += ["digits, and training magnifies that: numbers may move although nothing is wrong."]
    lines += ["", *(f"- {dataset}: {said}." for dataset, said in found.data.items())]
    for (tables, dataset), part in found.values.groupby(["tables", "dataset"], sort=False):
        lines += ["", f"## {_heading(tables)}, {dataset}", "", markdown_grid(_printable(part), align="left")]
    return "\n".join(lines) + "\n"


def _heading(tables: str) -> str:
    return tables.replace("table", "Table ") or "In no table"


def _printable(part: pd.DataFrame) -> pd.DataFrame:
    def percent(value: float) -> str:
        return "" if np.isnan(value) else f"{100 * value:.2f}"

    return pd.DataFrame(
        {
            "row": part["row"],
            "value, %": part["metric"].str.replace("_", " ") + ", " + part["selection"].str.replace("_", " "),
            "seeds": part["seeds"],
            "yours": part["yours"].map(percent),
            "reference": part["reference"].map(percent),
            "interval": [
                "" if np.isnan(low) else f"[{percent(low)}, {percent(high)}]" for low, high in zip(part["low"], part["high"])
            ],
            "verdict": part["verdict"],
        }
    )


def beside_reference(found: Reproduction) -> tuple[plt.Figure | None, pd.DataFrame]:
    """A panel per data set: each row's headline metric, yours as a dot, the reference's interval as a bar.

    Returns:
        the figure, None if nothing was run; and its points: data set, row, yours, reference, low, high in percent.
    """
    values = found.values
    is_headline = values["metric"] == values["dataset"].map({dataset: metrics[0] for dataset, metrics in FRAME_LEVEL.items()})
    shown = values[is_headline & (values["selection"] == "best_on_validation") & values["yours"].notna()]
    points = shown[["dataset", "row", "yours", "reference", "low", "high", "verdict"]].copy()
    points[["yours", "reference", "low", "high"]] *= 100
    if points.empty:
        return None, points
    sets = list(points["dataset"].unique())
    with style():
        rows = points["dataset"].value_counts().max()
        figure, axes = plt.subplots(1, len(sets), figsize=(5 * len(sets), 1.2 + 0.3 * rows), squeeze=False, layout="constrained")
        for axis, dataset in zip(axes[0], sets):
            part = points[points["dataset"] == dataset].iloc[::-1]
            place = np.arange(len(part))
            axis.hlines(place, part["low"], part["high"], color="0.75", lw=6, label="reference, 95 % interval of all its seeds")
            axis.plot(part["reference"], place, "|", color=BLUE, ms=12, mew=2, label="reference, same seeds")
            axis.plot(part["yours"], place, "o", color=ORANGE, ms=5, label="yours")
            axis.set(yticks=place, yticklabels=part["row"], title=dataset, xlabel=f"{FRAME_LEVEL[dataset][0].upper()}, percent")
        figure.suptitle(textwrap.fill(found.sentence(), 60 * len(sets)), fontsize=9)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=1 if len(sets) == 1 else 3, fontsize=8)
    said = [f"{r.dataset}, {r.row} yours {r.yours:.1f}, reference {r.reference:.1f}" for r in points.itertuples()]
    describe(figure, composed("Your values beside the reference and its 95 % intervals, percent", said))
    return figure, points


@command_line("correct the command and call it again")
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``python -m vad_lib.report.reproduction``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.report.reproduction", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="quick", help="profile of your results (default: quick)")
    parser.add_argument("--out", default="", help="folder that holds your results/ (default: the project)")
    parser.add_argument("--data", default="", help="folder of your data sets (default: data/PROFILE in the project)")
    parser.add_argument("--dataset", action="append", default=[], help="a data set; may be repeated (default: the built-in two)")
    parser.add_argument("--against", default="", help="folder that holds other results/ to compare with (default: the reference)")
    options = parser.parse_args(arguments)
    get_profile(options.profile)
    layout = Layout.create(options.profile, options.out, options.data)
    reference = Layout.create(options.profile, options.against) if options.against else Layout.reference(options.profile)
    found = write_reproduction(layout, reference, options.dataset or list(FRAME_LEVEL))
    print(found.sentence(), found.yardsticks, f"The report: {layout.reproduction / f'{NAME}.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
