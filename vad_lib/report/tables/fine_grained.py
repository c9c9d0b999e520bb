"""Table 6: which category, and when."""

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation import detection, scored_videos
from vad_lib.report.tables.captions import Subject, made_with_text, selection_of, subjects_and_runs
from vad_lib.report.tables.cells import (
    AGAINST_COLUMN,
    INTERVAL_COLUMN,
    interval_cell,
    paired_cell,
    percent_cell,
    reported_cell,
    run_status,
)
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import NOT_ANNOTATED, NOT_RUN, RULE_TITLES, Table
from vad_lib.runs.comparable import Run
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.storage.paths import Layout


def table6(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 6: fine-grained results of the models that have an alignment map; the paper reports none.

    Detection mAP at IoU 0.1 to 0.5 in both variants of :mod:`vad_lib.evaluation.detection`, the category accuracy of videos, and the
    AP of every category. A model that was run before these were measured counts as not run.
    """
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == "table6"]
    variants = list(dict.fromkeys((*reported["method"], *TABLE_ROWS["table6"])))
    data = subjects_and_runs(layout, datasets, variants)
    blocks: dict[str, tuple[str, ...]] = {}
    rows: list[dict[str, str]] = []
    for variant in variants:
        mine = reported[reported["method"] == variant]
        row = {"row": VARIANTS[variant].title if variant in VARIANTS else mine["title"].iloc[0], "paper": "not reported"}
        for subject, runs in data:
            parts = _fine_grained_cells(subject, runs, variant, mine[mine["dataset"] == subject.counterpart])
            for heading, cells in parts.items():
                blocks[heading] = tuple(dict.fromkeys(("row", *blocks.get(heading, ()), *cells)))
                row |= cells
        rows.append(row | {"status": run_status(data, variant, fine_grained=True)})
    blocks = {"": ("row", "paper", "status")} | blocks
    return Table(
        "table6",
        f"Table 6. Fine-grained results on {' and '.join(subject.long_title for subject, _ in data)}; the paper reports none",
        pd.DataFrame(rows).fillna(""),
        (False,) * len(rows),
        tuple("; ".join(dict.fromkeys(note for note in reported[reported["method"] == v]["note"] if note)) for v in variants),
        "mAP@IoU is the mean over categories of the average precision of predicted segments. *VadCLIP's code*: "
        "segments of all videos, mean over all categories, the normal one included. *Abnormal only*: segments of abnormal "
        "videos, mean over abnormal categories. AP per category is of the second kind, mean over IoU 0.1 to 0.5. Category "
        "accuracy is the part of videos one of whose categories scores highest by equation 4: of all videos among all "
        "categories, and of abnormal videos among abnormal categories. All values are of the step "
        f"{RULE_TITLES[selection_of(data[0][1])]}. {made_with_text([(s, s.counterpart, runs) for s, runs in data])}",
        tuple(blocks.items()),
    )


_FINE_GRAINED_STEPS = ("pcl", "pcl-dbagf", "fine", "fine-align", "proposed")  # Tables 4 and 5 in one ladder


def _fine_grained_cells(
    subject: Subject, runs: dict[str, list[Run]], variant: str, reported: pd.DataFrame
) -> dict[str, dict[str, str]]:
    """Heading -> column -> cell of one row and data set of table 6."""
    rule = selection_of(runs)
    found = [part for run in runs.get(variant, []) if (part := run.fine_grained(rule))]
    here = f"here ({subject.title})"

    def cell(*keys: str) -> str:
        values = []
        for part in found:
            for key in keys:
                part = part.get(key) if part else None
            values.append(part)
        return NOT_ANNOTATED if None in values else percent_cell(values)

    before = next((one for one, other in pairwise(_FINE_GRAINED_STEPS) if other == variant), None)

    def trust(metric: scored_videos.Metric, *keys: str) -> dict[str, str]:
        """Interval of the column before, and the row against the one above."""
        known = [[run for run in runs.get(each, []) if scored_videos.load_scored(run).fine_grained] for each in (before, variant)]
        cells = {"": cell(*keys), f": {INTERVAL_COLUMN}": "", f": {AGAINST_COLUMN}": ""}
        if cells[""] not in (NOT_RUN, NOT_ANNOTATED):
            cells[f": {INTERVAL_COLUMN}"] = interval_cell(known[1], metric)
            cells[f": {AGAINST_COLUMN}"] = paired_cell(*known, metric) if before else ""
        return cells

    parts: dict[str, dict[str, str]] = {}
    thresholds = (*(f"{iou:.1f}" for iou in detection.IOUS), "average")
    for kind, shown in (("vadclip_code", "VadCLIP's code"), ("abnormal_only", "abnormal only")):
        cells = {}
        if kind == "vadclip_code" and len(reported):
            for iou in thresholds:
                head = f"authors ({subject.counterpart}) {_map_title(iou)} %"
                cells[head] = reported_cell(reported, "authors", f"map_{iou}")
        cells |= {f"{here} {_map_title(iou)} %, {shown}": cell("detection", kind, "map", iou) for iou in thresholds}
        head = f"{here} {_map_title('average')} %, {shown}"
        cells |= {head + part: text for part, text in trust(f"map_{kind}", "detection", kind, "map", "average").items()}
        parts[f"Detection on {subject.title}, {shown}:"] = cells
    categories = next((run.config["categories"][1:] for done in runs.values() for run in done), ())
    cells = {}
    for metric, shown in (("category_accuracy", "all videos"), ("category_accuracy_abnormal_videos", "abnormal videos")):
        cells |= {f"{here} category accuracy %: {shown}{part}": text for part, text in trust(metric, metric).items()}
    parts[f"Categories of whole videos on {subject.title}:"] = cells
    parts[f"Average precision per category on {subject.title}:"] = {
        f"{here} AP % {name}": cell("detection", "abnormal_only", "ap_per_category", name, "average") for name in categories
    }
    return parts


def _map_title(iou: str) -> str:
    return "mAP AVG" if iou == "average" else f"mAP@{iou}"
