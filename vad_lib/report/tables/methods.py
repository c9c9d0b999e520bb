"""Tables 2 and 3 of the paper: the methods on one data set; and the same rows in short, for the README."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.report.tables.captions import caption_text, empty_cells_text
from vad_lib.report.tables.cells import INTERVAL_COLUMN, interval_cell, mean_metric_cell, reported_cell
from vad_lib.report.tables.convergence import remark
from vad_lib.report.tables.dataset_runs import DatasetRuns
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import METRIC_TITLES, NOT_RUN, SELECTION_TITLES, Table
from vad_lib.runs.experiments import CEILINGS, TABLE_ROWS, VARIANTS
from vad_lib.storage.paths import Layout

# the paper's data set -> name of its table, headline metric
_PAPER_TABLES: dict[str, tuple[str, Literal["auc", "ap"]]] = {"UCF-Crime": ("table2", "auc"), "XD-Violence": ("table3", "ap")}
# headline metric -> the metric that stands behind it, and its heading
_SECOND_METRICS = {"auc": ("auc_abnormal_videos", "AUC % within abnormal videos"), "ap": ("ap_trapezoid", "AP % by trapezoids")}

_FALSE_ALARM_RATES = {"far_normal_videos": "normal videos", "far_all_normal_frames": "all normal frames"}

_CEILING_NOTE = (
    "no competitor: trained with the true frame labels of test videos, out of fold, which weakly supervised methods never see; it "
    "bounds what a linear classifier of single snippets of these features can give"
)


def methods_table(layout: Layout, dataset: Dataset | str, counterpart: str | None = None) -> Table:
    """Methods on a data set: table 2 beside UCF-Crime, table 3 beside XD-Violence, else ``methods-DATASET`` with ours alone.

    Args:
        layout: where runs are read from.
        dataset: loaded (``features=False`` will do), or the name of its folder.
        counterpart: data set of the paper whose numbers stand beside ours; "" for none. By default the one that a loaded data
            set names, and none for a data set that is given by its name.

    Raises:
        DataError: runs that do not belong into one table.
    """
    if counterpart is None:
        counterpart = dataset.counterpart if isinstance(dataset, Dataset) else ""
    counterpart = counterpart if counterpart in _PAPER_TABLES else ""
    folder = dataset.name if isinstance(dataset, Dataset) else dataset
    name = _PAPER_TABLES[counterpart][0] if counterpart else f"methods-{folder}"
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == name]
    in_paper = list(reported[reported["origin"] == "paper"]["method"].unique())
    methods = list(dict.fromkeys((*in_paper, *reported["method"], *TABLE_ROWS.get(name, TABLE_ROWS["table2"]))))
    data = DatasetRuns.load(layout, dataset, methods)
    metric = _PAPER_TABLES[counterpart][1] if counterpart else data.dataset.metric
    theirs = {method: reported[reported["method"] == method] for method in methods}
    where = f" {counterpart} (paper, authors) and on {data.dataset.marked_title} (here)" if counterpart else ""
    frame = pd.DataFrame(
        [
            {"method": _title(method, theirs[method])}
            | _reported_columns(theirs[method], counterpart, metric)
            | _measured_columns(data, method, metric)
            for method in methods
        ]
    )
    return Table(
        name,
        f"Table {name[-1]}. Methods on{where}" if counterpart else f"Methods on {data.dataset.marked_title}",
        frame,
        tuple(method in in_paper for method in methods),
        tuple(_note(method, theirs[method], data, metric) for method in methods),
        caption_text([data]) + empty_cells_text(data.dataset.title, _reasons(data, metric)),
        _blocks(frame) if counterpart else (),
    )


def _blocks(frame: pd.DataFrame) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The reported numbers, then ours: together they are too wide for a page."""
    reported = [column for column in frame.columns[1:] if column.startswith(("paper", "authors"))]
    ours = [column for column in frame.columns[1:] if column not in reported]
    return ("Reported:", ("method", *reported)), ("", ("method", *ours))


def _reasons(data: DatasetRuns, metric: Literal["auc", "ap"]) -> list[str]:
    """Why some of our numbers are not defined on the test videos."""
    secondary = (*_FALSE_ALARM_RATES, _SECOND_METRICS[metric][0])
    return [run.undefined(name, data.selection) for name in secondary for run in data.all]


def _title(method: str, reported: pd.DataFrame) -> str:
    return VARIANTS[method].title if method in VARIANTS else reported["title"].iloc[0]


def _note(method: str, reported: pd.DataFrame, data: DatasetRuns, metric: str) -> str:
    """What to know of a row: of its reported numbers, of a training too short or too long, of a row that competes with none."""
    notes = [f"{row.origin}, {row.metric}: {row.note}" for row in reported.itertuples() if row.note]
    if said := remark(data.of(method), metric):
        notes.append(said.text)
    if method in CEILINGS:
        notes.append(_CEILING_NOTE)
    return "; ".join(notes)


def _reported_columns(reported: pd.DataFrame, counterpart: str, metric: str) -> dict[str, str]:
    """Numbers of the paper and of a method's authors."""
    return {
        f"{origin} ({counterpart}) {heading} %": reported_cell(reported, origin, key)
        for origin in (("paper", "authors") if counterpart else ())
        for key, heading in ((metric, METRIC_TITLES[metric]), ("far", "FAR"))
    }


def _measured_columns(data: DatasetRuns, method: str, metric: Literal["auc", "ap"]) -> dict[str, str]:
    """Our numbers of a method: under every selection, then those of the selection in use."""
    here, runs = f"here ({data.dataset.title})", data.of(method)
    headline = f"{here} {METRIC_TITLES[metric]} %"
    second, second_heading = _SECOND_METRICS[metric]
    row = {f"{headline}: {title}": mean_metric_cell(runs, metric, each) for each, title in SELECTION_TITLES.items()}
    return row | {
        f"{headline}: {INTERVAL_COLUMN}": interval_cell(runs, metric),
        **{f"{here} FAR %: {words}": mean_metric_cell(runs, far, data.selection) for far, words in _FALSE_ALARM_RATES.items()},
        f"{here} {second_heading}": mean_metric_cell(runs, second, data.selection),
        f"{here} parameters": f"{runs[0].config['parameters']:,}" if runs else NOT_RUN,
        "seeds": str(len(runs)),
        "status": "run" if runs else NOT_RUN,
    }


def short_methods_frame(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> pd.DataFrame:
    """Headline metric of every method, a column per data set: mean, standard deviation and 95 % interval, in percent.

    Args:
        layout: where runs are read from.
        datasets: loaded, or names of their folders.
    """
    rows = {method: {"method": VARIANTS[method].title} for method in TABLE_ROWS["table2"]}
    for each in datasets:
        data = DatasetRuns.load(layout, each, list(rows))
        metric, rendered = data.dataset.metric, " (rendered)" if data.dataset.synthetic else ""
        for method, row in rows.items():
            runs = data.of(method)
            cell = f"{mean_metric_cell(runs, metric, data.selection)} {interval_cell(runs, metric)}" if runs else NOT_RUN
            row[f"{data.dataset.title}{rendered}, {METRIC_TITLES[metric]} %"] = cell
    return pd.DataFrame(rows.values())


def remarked_methods(layout: Layout, datasets: Sequence[Dataset | str]) -> dict[str, list[str]]:
    """Title of a data set -> its methods with a remark on their training, each with the kind, such as ``MGFN (over-trained)``.

    Args:
        layout: where runs are read from.
        datasets: loaded, or names of their folders.
    """
    found: dict[str, list[str]] = {}
    for each in datasets:
        data = DatasetRuns.load(layout, each, TABLE_ROWS["table2"])
        for method in TABLE_ROWS["table2"]:
            if said := remark(data.of(method), data.dataset.metric):
                found.setdefault(data.dataset.title, []).append(f"{VARIANTS[method].title} ({said.kind})")
    return found
