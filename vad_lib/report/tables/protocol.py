"""The protocol table: one trained model under different readings of the evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation import frame_level, scoring
from vad_lib.report.tables.captions import caption_text, empty_cells_text
from vad_lib.report.tables.cells import percent_cell
from vad_lib.report.tables.dataset_runs import DatasetRuns
from vad_lib.report.tables.table import NOT_RUN, Table
from vad_lib.runs.experiments import VARIANTS
from vad_lib.runs.run_folder import Run
from vad_lib.storage.paths import Layout

_METRICS = {
    "auc": "AUC %",
    "ap": "AP %: steps",
    "ap_trapezoid": "AP %: trapezoids",
    "far_normal_videos": "FAR %: normal videos",
    "far_all_normal_frames": "FAR %: all normal frames",
}
_SMOOTHING: tuple[tuple[Literal["sliding", "blocks"], int, str], ...] = (
    ("sliding", 7, "sliding mean of 7 snippets (PEL4VAD on UCF-Crime)"),
    ("blocks", 8, "means of blocks of 8 snippets (PEL4VAD on XD-Violence)"),
)

Metrics = Mapping[str, Any]


def protocol_table(
    layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence"), variant: str = "proposed"
) -> Table:
    """What the choices that the field leaves open are worth: metrics of one trained model under each of them.

    Columns hold the two readings of AP and the two false alarm rates. Rows change one thing against the first: smoothing of
    the scores, a single crop or the first five instead of the mean over all ten, and the mask rule where the data set has one.

    Args:
        layout: where runs are read from.
        datasets: loaded (``features=False`` will do), or names of their folders; each adds its rows.
        variant: the model; of its runs the one with the smallest seed.

    Raises:
        DataError: runs that do not belong into one table.
    """
    data = [DatasetRuns.load(layout, dataset, (variant,)) for dataset in datasets]
    first = [(each.dataset.title, next(iter(each.of(variant)), None)) for each in data]
    settings = [(title, _settings(run)) for title, run in first]
    rows = [_row(title, setting, found) for title, of_data in settings for setting, found in of_data]
    seeds = ", ".join(f"{run.seed} on {title}" for title, run in first if run)
    return Table(
        "protocol",
        f"Protocol. {VARIANTS[variant].title} on {' and '.join(each.dataset.marked_title for each in data)}, one trained model "
        "under different readings of the protocol",
        pd.DataFrame(rows),
        (False,) * len(rows),
        ("",) * len(rows),
        "Each row changes one thing against the first of its data set. Tables 2 to 6 use that first row, AP by steps. "
        + (f"Seed {seeds}. " if seeds else "")
        + caption_text(data)
        + "".join(empty_cells_text(title, _reasons(of_data)) for title, of_data in settings),
    )


def _reasons(settings: Sequence[tuple[str, Metrics]]) -> list[str]:
    """Why some metrics are not defined on the test videos, or under a mask rule."""
    return [
        f"{setting}, {reason}" if setting.startswith("mask rule") else reason
        for setting, measured in settings
        for metric, reason in measured.get("undefined", {}).items()
        if metric in _METRICS
    ]


def _row(title: str, setting: str, measured: Metrics) -> dict[str, str]:
    cells = {heading: _cell(measured, metric) for metric, heading in _METRICS.items()}
    return {"data set": title, "setting": setting, **cells}


def _cell(measured: Metrics, metric: str) -> str:
    if not measured:
        return NOT_RUN
    value = measured.get(metric)
    return "" if value is None else percent_cell([value])


def _settings(run: Run | None) -> list[tuple[str, Metrics]]:
    """Each setting of the protocol in words, and its metrics; empty ones where they were not measured."""
    if run is None:
        return [("default", {})]
    crops, measured = run.config["features"]["crops"], run.measured.get("protocol", {})
    own_mask_rule = run.config.get("dataset_info", {}).get("mask_rule", "frames")
    mean = f"mean of {len(crops)} crops" if len(crops) > 1 else "one crop"
    masks = "" if own_mask_rule == "frames" else f", mask rule {own_mask_rule}"
    default = run.measured["selections"][run.selection]["metrics"]
    settings: list[tuple[str, Metrics]] = [(f"default: {mean}, no smoothing{masks}", default)]
    settings += [(words, _smoothed_metrics(run, kind, window)) for kind, window, words in _SMOOTHING]
    if len(crops) > 1:
        settings += [(f"crop {crop} alone", measured.get("crops", {}).get(crop, {})) for crop in crops]
        settings += [(f"mean of the first {count} crops", found) for count, found in measured.get("first_crops", {}).items()]
    others = ((name, found) for name, found in measured.get("mask_rules", {}).items() if name != own_mask_rule)
    return settings + [(f"mask rule {name}", found) for name, found in others]


def _smoothed_metrics(run: Run, kind: Literal["sliding", "blocks"], window: int) -> Metrics:
    """Metrics of a run's stored scores after smoothing."""
    stored = run.scores()
    names = stored["videos"].tolist()
    snippets = np.split(stored["score"], np.cumsum(stored["num_snippets"])[:-1])
    labels = np.split(stored["labels"], np.cumsum(stored["num_frames"])[:-1])
    tail = run.config.get("dataset_info", {}).get("tail", "exact")
    scores = {
        name: scoring.frame_scores(scoring.smoothed(values, kind, window), len(theirs), name=name, tail=tail)
        for name, values, theirs in zip(names, snippets, labels, strict=True)
    }
    categories = {name: tuple(text.split(";")) for name, text in zip(names, stored["video_categories"].tolist(), strict=True)}
    return frame_level.evaluate(dict(zip(names, labels, strict=True)), scores, categories, str(stored["categories"][0]))
