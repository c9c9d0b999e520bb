"""Table 6, which the paper does not have: which category, and when."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation.event_matching import IOUS
from vad_lib.evaluation.scored_videos import Metric
from vad_lib.report.tables.captions import caption_text, steps_text
from vad_lib.report.tables.cells import (
    AGAINST_COLUMN,
    INTERVAL_COLUMN,
    interval_cell,
    joined_notes,
    paired_difference_cell,
    percent_cell,
    reported_cell,
    status_cell,
)
from vad_lib.report.tables.dataset_runs import DatasetRuns
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import NOT_RUN, SELECTION_TITLES, Table
from vad_lib.runs.experiments import NAMING, TABLE_ROWS, VARIANTS
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_videos
from vad_lib.storage.paths import Layout

NOT_ANNOTATED = "no events annotated"

# kind of detection -> its metric, and words
_KINDS: dict[str, tuple[Metric, str]] = {
    "vadclip_code": ("map_vadclip_code", "VadCLIP's code"),
    "abnormal_only": ("map_abnormal_only", "abnormal only"),
}
_THRESHOLDS = {**{f"{iou:.1f}": f"mAP@{iou:.1f}" for iou in IOUS}, "average": "mAP AVG"}
_ACCURACIES: dict[Metric, str] = {"category_accuracy": "all videos", "category_accuracy_abnormal_videos": "abnormal videos"}
_MEANING = (
    "A detection is a span of time with a category and a score. It is right if it overlaps an annotated event of its category "
    "enough: IoU is the time that both share, divided by the time that either covers. mAP@IoU is the average precision of the "
    "detections that need so much overlap, mean over categories; mAP AVG is the mean over IoU 0.1 to 0.5. *VadCLIP's code*: "
    "detections in all videos, mean over all categories, the normal one included. *Abnormal only*: detections in abnormal videos, "
    "mean over abnormal categories. AP per category is of the second kind, mean over IoU 0.1 to 0.5. Category accuracy is the part "
    "of videos one of whose categories scores highest by equation 4: of all videos among all categories, and of abnormal videos "
    "among abnormal categories."
)

Cells = dict[str, str]  # column -> cell


def table6(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 6: fine-grained results of the models that have an alignment map; the paper reports none.

    Mean average precision of detected segments at IoU 0.1 to 0.5, computed as VadCLIP's code does and on abnormal videos only;
    the accuracy of the category of a video; and the average precision of every category. A model that was run before these
    were measured counts as not run.

    Args:
        layout: where runs are read from.
        datasets: loaded (``features=False`` will do), or names of their folders.

    Raises:
        DataError: runs that do not belong into one table.
    """
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == "table6"]
    variants = list(dict.fromkeys((*reported["method"], *TABLE_ROWS["table6"])))
    data = [DatasetRuns.load(layout, dataset, variants) for dataset in datasets]
    blocks: dict[str, Cells] = {"": dict.fromkeys(("row", "paper", "status"), "")}
    rows: list[Cells] = []
    for variant in variants:
        theirs = reported[reported["method"] == variant]
        row = {"row": VARIANTS[variant].title if variant in VARIANTS else theirs["title"].iloc[0], "paper": "not reported"}
        for each in data:
            on_counterpart = theirs[theirs["dataset"] == each.dataset.counterpart]
            for heading, cells in _blocks_of_row(each, variant, on_counterpart).items():
                blocks[heading] = {"row": "", **blocks.get(heading, {}), **cells}
                row |= cells
        was_run = {each.dataset.title: bool(_measured(each, variant)) for each in data}
        rows.append(row | {"status": status_cell(was_run)})
    return Table(
        "table6",
        f"Table 6. Fine-grained results on {' and '.join(each.dataset.marked_title for each in data)}; the paper reports none",
        pd.DataFrame(rows).fillna(""),
        (False,) * len(rows),
        tuple(joined_notes(reported[reported["method"] == variant]) for variant in variants),
        f"{_MEANING} {steps_text(f'The {len(NAMING) - 1} steps of a column', len(NAMING) - 1)} All values are of the step "
        f"{SELECTION_TITLES[data[0].selection]}. {caption_text(data)}",
        tuple((heading, tuple(cells)) for heading, cells in blocks.items()),
    )


def _measured(data: DatasetRuns, variant: str) -> list[dict[str, Any]]:
    """Fine-grained results of the runs of a variant that have them."""
    return [found for run in data.of(variant) if (found := run.fine_grained(data.selection))]


def _blocks_of_row(data: DatasetRuns, variant: str, reported: pd.DataFrame) -> dict[str, Cells]:
    """Heading of each block on a data set -> the cells of a row in it."""
    title, here, measured = data.dataset.title, f"here ({data.dataset.title})", _measured(data, variant)
    blocks: dict[str, Cells] = {}
    for kind, (metric, shown) in _KINDS.items():
        cells: Cells = {}
        if kind == "vadclip_code" and len(reported):
            for iou, heading in _THRESHOLDS.items():
                cells[f"authors ({data.dataset.counterpart}) {heading} %"] = reported_cell(reported, "authors", f"map_{iou}")
        for iou, heading in _THRESHOLDS.items():
            cells[f"{here} {heading} %, {shown}"] = _mean_cell(measured, "detection", kind, "map", iou)
        average = f"{here} {_THRESHOLDS['average']} %, {shown}"
        blocks[f"Detection on {title}, {shown}:"] = cells | _certainty(data, variant, metric, average, cells[average])
    accuracies: Cells = {}
    for metric, shown in _ACCURACIES.items():
        heading, cell = f"{here} category accuracy %: {shown}", _mean_cell(measured, metric)
        accuracies |= {heading: cell} | _certainty(data, variant, metric, heading, cell)
    blocks[f"Categories of whole videos on {title}:"] = accuracies
    categories = data.all[0].config["categories"][1:] if data.all else ()
    blocks[f"Average precision per category on {title}:"] = {
        f"{here} AP % {name}": _mean_cell(measured, "detection", "abnormal_only", "ap_per_category", name, "average")
        for name in categories
    }
    return blocks


def _mean_cell(measured: Sequence[Mapping[str, Any]], *keys: str) -> str:
    """Mean over seeds of the number at the end of some keys."""
    values: list[Any] = list(measured)
    for key in keys:
        values = [value.get(key) if value else None for value in values]
    return NOT_ANNOTATED if None in values else percent_cell(values)


def _certainty(data: DatasetRuns, variant: str, metric: Metric, heading: str, cell: str) -> Cells:
    """Interval of a column, and the row against the one above; empty where the column itself has no number."""
    interval, against = f"{heading}: {INTERVAL_COLUMN}", f"{heading}: {AGAINST_COLUMN}"
    if cell in (NOT_RUN, NOT_ANNOTATED):
        return {interval: "", against: ""}
    above = next((one for one, other in pairwise(NAMING) if other == variant), None)
    runs, before = _with_segments(data.of(variant)), _with_segments(data.of(above))
    return {
        interval: interval_cell(runs, metric),
        against: paired_difference_cell(before, runs, metric, len(NAMING) - 1) if above else "",
    }


def _with_segments(runs: Sequence[Run]) -> list[Run]:
    """Runs that kept their predicted segments, of which intervals are computed."""
    return [run for run in runs if scored_videos(run).fine_grained]
