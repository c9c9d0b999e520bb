"""Tables 4 and 5 of the paper: modules, and loss terms, added one by one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.report.tables.captions import caption_text, steps_text
from vad_lib.report.tables.cells import (
    AGAINST_COLUMN,
    INTERVAL_COLUMN,
    interval_cell,
    joined_notes,
    mean_metric_cell,
    paired_difference_cell,
    status_cell,
)
from vad_lib.report.tables.dataset_runs import DatasetRuns, TableDataset
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import METRIC_TITLES, PAPER_DATASETS, SELECTION_TITLES, Table
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS, ladder
from vad_lib.storage.paths import Layout


def table4(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 4: the modules added one by one to the baseline; the paper's numbers, and ours on the data sets at hand.

    Args:
        layout: where runs are read from.
        datasets: loaded (``features=False`` will do), or names of their folders.

    Raises:
        DataError: runs that do not belong into one table.
    """
    return _ablation_table(layout, "table4", "Modules", ("PCL", "DBAGF", "L_total"), datasets)


def table5(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 5: the loss terms added one by one; the paper's numbers, and ours on the data sets at hand.

    Args:
        layout: where runs are read from.
        datasets: loaded (``features=False`` will do), or names of their folders.

    Raises:
        DataError: runs that do not belong into one table.
    """
    return _ablation_table(layout, "table5", "Loss terms", ("fine", "align", "cons"), datasets)


class _Row(NamedTuple):
    """A row: its variant, and the variant of the row above; None for the first row and for rows beside the ladder."""

    variant: str
    above: str | None


def _ablation_table(layout: Layout, name: str, what: str, parts: Sequence[str], datasets: Sequence[Dataset | str]) -> Table:
    """Row k of the ladder has the first k parts."""
    reported = read_reported(layout.reported)
    reported = reported[(reported["item"] == name) & (reported["origin"] == "paper")]
    in_paper = list(reported["method"].unique())
    variants = list(dict.fromkeys((*in_paper, *TABLE_ROWS[name])))
    above = dict(zip(in_paper[1:], in_paper))
    data = [DatasetRuns.load(layout, dataset, variants) for dataset in datasets]
    paper = {
        each.dataset: dict(reported[reported["dataset"] == each.dataset.counterpart][["method", "value"]].values)
        for each in data
        if each.dataset.counterpart in PAPER_DATASETS
    }
    rows = []
    for position, variant in enumerate(variants):
        row, theirs = _Row(variant, above.get(variant)), reported[reported["method"] == variant]
        cells = {"row": theirs["title"].iloc[0] if len(theirs) else VARIANTS[variant].title}
        cells |= {part: "yes" if variant in in_paper and position > place else "" for place, part in enumerate(parts)}
        for dataset, values in paper.items():
            cells |= _paper_columns(dataset, values, row)
        for each in data:
            cells |= _measured_columns(each, row)
        rows.append(cells | {"status": status_cell({each.dataset.title: bool(each.of(variant)) for each in data})})
    frame = pd.DataFrame(rows)
    return Table(
        name,
        f"Table {name[-1]}. {what} added one by one, {_places(data)}",
        frame,
        tuple(variant in in_paper for variant in variants),
        tuple(joined_notes(reported[reported["method"] == variant]) for variant in variants),
        "Changes are to the row above, in percentage points; ours are those of the values "
        f"{SELECTION_TITLES[data[0].selection]}. {_seeds_left_out(data, above)}"
        f"{steps_text(f'The {len(ladder())} steps of Tables 4 and 5', len(ladder()))} {caption_text(data)}",
        _blocks(frame, parts, data),
    )


def _paper_columns(dataset: TableDataset, values: Mapping[str, float], row: _Row) -> dict[str, str]:
    """The paper's number of a row on the counterpart of a data set, and its change."""
    head = f"paper ({dataset.counterpart}) {METRIC_TITLES[dataset.metric]} %"
    return {
        head: f"{values[row.variant]:.2f}" if row.variant in values else "",
        f"{head}: change": f"{values[row.variant] - values[row.above]:+.2f}" if row.above else "",
    }


def _measured_columns(data: DatasetRuns, row: _Row) -> dict[str, str]:
    """Our numbers of a row on a data set under every selection, the change on the seeds of both rows, and how sure both are."""
    head, metric = data.dataset.metric_heading, data.dataset.metric
    runs, before = data.of(row.variant), data.of(row.above)
    cells = {}
    for selection, title in SELECTION_TITLES.items():
        cells[f"{head}: {title}"] = mean_metric_cell(runs, metric, selection)
        if selection == data.selection:
            one, other = ({run.seed: run.value(metric, selection) for run in each} for each in (before, runs))
            changes = [other[seed] - one[seed] for seed in one.keys() & other.keys()]
            cells[f"{head}: change"] = f"{100 * np.mean(changes):+.2f}" if changes else ""
    return cells | {
        f"{head}: {INTERVAL_COLUMN}": interval_cell(runs, metric),
        f"{head}: {AGAINST_COLUMN}": paired_difference_cell(before, runs, metric, len(ladder())) if row.above else "",
        f"seeds ({data.dataset.title})": str(len(runs)),
    }


def _seeds_left_out(data: Sequence[DatasetRuns], above: Mapping[str, str]) -> str:
    """What a change is over, where a row has seeds that the row above lacks, or the other way round; with a space at its end."""
    pairs = [[{run.seed for run in each.of(row)} for row in step] for each in data for step in above.items()]
    counts = sorted({(len(one & other), len(one | other)) for one, other in pairs if one & other and one != other})
    if not counts:
        return ""
    said = ", ".join(f"{both} of {all_}" for both, all_ in counts)
    return f"A change is over the seeds that both rows have ({said} here), so it is not the difference of the two means. "


def _places(data: Sequence[DatasetRuns]) -> str:
    ours = " and ".join(each.dataset.marked_title for each in data)
    counterparts = (each.dataset.counterpart for each in data)
    paper = " and ".join(dict.fromkeys(name for name in counterparts if name in PAPER_DATASETS))
    return f"on {paper} (paper) and on {ours} (here)" if paper else f"on {ours}"


def _blocks(frame: pd.DataFrame, parts: Sequence[str], data: Sequence[DatasetRuns]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The parts of a row with the paper's numbers, then ours on each data set: together they are too wide for a page."""
    paper = [column for column in frame.columns if column.startswith("paper")]
    blocks = [("The paper's numbers:" if paper else "The rows:", ("row", *parts, *paper))]
    for title in (f"({each.dataset.title})" for each in data):
        ours = [column for column in frame.columns if column.startswith((f"here {title}", f"seeds {title}"))]
        blocks.append(("", ("row", *ours, "status")))
    return tuple(blocks)
