"""The protocol table: one trained model under different readings of the evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.errors import UndefinedMetricError
from vad_lib.evaluation import frame_level, scoring
from vad_lib.evaluation.measures_of_today import measures_of_today
from vad_lib.evaluation.score_arrays import scored_videos_of
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.report.tables.captions import caption_text, empty_cells_text
from vad_lib.report.tables.cells import percent_cell
from vad_lib.report.tables.dataset_runs import DatasetRuns
from vad_lib.report.tables.measures_of_today import BLOCKS
from vad_lib.report.tables.table import NOT_RUN, Table
from vad_lib.runs.experiments import VARIANTS
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_videos
from vad_lib.storage.paths import Layout

_METRICS = {
    "auc": "AUC %",
    "ap": "AP %: steps",
    "ap_trapezoid": "AP %: trapezoids",
    "far_normal_videos": "FAR %: normal videos",
    "far_all_normal_frames": "FAR %: all normal frames",
}
_NAMES = ("data set", "setting")
# in the first block, or no share of anything; and of events the strictest overlap, IoU 0.5, is enough
_LEFT_OUT = {"auc", "ap", "best_f1_threshold", "median_delay_seconds"}
_LEFT_OUT |= {f"event_{part}_{iou}" for part in ("precision", "recall") for iou in (0.1, 0.3)}
_TODAY = {key: heading for block in BLOCKS.values() for key, heading in block.items() if key not in _LEFT_OUT}
_SMOOTHING: tuple[tuple[Literal["sliding", "blocks"], int, str], ...] = (
    ("sliding", 7, "sliding mean of 7 snippets (PEL4VAD on UCF-Crime)"),
    ("blocks", 8, "means of blocks of 8 snippets (PEL4VAD on XD-Violence)"),
)

Metrics = Mapping[str, Any]


class _Setting(NamedTuple):
    """A reading of the protocol in words, the metrics of frames under it, and its scores; without a run the last two are empty.

    Scores are None where the run does not keep what they need: the labels under another mask rule, or scores of single crops.
    """

    words: str
    metrics: Metrics
    scored: ScoredVideos | None = None


def protocol_table(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """What the choices that the field leaves open are worth: metrics of one trained model under each of them.

    The model is the proposed one; of its runs the one with the smallest seed.

    Columns hold the two readings of AP, the two false alarm rates, and in a second block the measures of today. Rows change
    one thing against the first: smoothing of the scores, a single crop or the first five instead of the mean over all ten, and
    the mask rule where the data set has one.

    Args:
        layout: where runs are read from.
        datasets: loaded (``features=False`` will do), or names of their folders; each adds its rows.

    Raises:
        DataError: runs that do not belong into one table.
    """
    data = [DatasetRuns.load(layout, dataset, ("proposed",)) for dataset in datasets]
    first = [(each.dataset.title, next(iter(each.of("proposed")), None)) for each in data]
    settings = [(title, _settings(run)) for title, run in first]
    rows = [_row(title, setting) for title, of_data in settings for setting in of_data]
    seeds = ", ".join(f"{run.seed} on {title}" for title, run in first if run)
    return Table(
        "protocol",
        f"Protocol. {VARIANTS['proposed'].title} on {' and '.join(each.dataset.marked_title for each in data)}, one trained model "
        "under different readings of the protocol",
        pd.DataFrame(rows),
        (False,) * len(rows),
        ("",) * len(rows),
        "Each row changes one thing against the first of its data set. Tables 2 to 6 use that first row, AP by steps. Measures "
        "of today are those of the tables *Measures of today*, which explain them; their thresholds are chosen on the test "
        "frames. "
        + (f"Seed {seeds}. " if seeds else "")
        + caption_text(data)
        + "".join(empty_cells_text(title, _reasons(of_data)) for title, of_data in settings),
        (("Frames:", (*_NAMES, *_METRICS.values())), ("Measures of today:", (*_NAMES, *_TODAY.values()))),
    )


def _reasons(settings: Sequence[_Setting]) -> list[str]:
    """Why some metrics are not defined on the test videos, or under a mask rule, and why others were not measured."""
    undefined = [
        f"{words}, {reason}" if words.startswith("mask rule") else reason
        for words, measured, _ in settings
        for metric, reason in measured.get("undefined", {}).items()
        if metric in _METRICS
    ]
    if not_kept := [words for words, measured, scored in settings if measured and scored is None]:
        undefined.append(f"measures of today need scores and labels that the run does not keep: {', '.join(not_kept)}")
    return undefined


def _row(title: str, setting: _Setting) -> dict[str, str]:
    cells = {heading: _cell(setting.metrics, metric) for metric, heading in _METRICS.items()}
    today = _today(setting.scored) if setting.scored else {}
    for metric, heading in _TODAY.items():
        cells[heading] = _cell({metric: today.get(metric)} if setting.metrics else {}, metric)
    return dict(zip(_NAMES, (title, setting.words))) | cells


def _today(scored: ScoredVideos) -> Metrics:
    """Measures of today; none where frames are of one class only, as the frame metrics beside them say."""
    try:
        return measures_of_today(scored, fps=None)
    except UndefinedMetricError:
        return {}


def _cell(measured: Metrics, metric: str) -> str:
    if not measured:
        return NOT_RUN
    value = measured.get(metric)
    return "" if value is None or np.isnan(value) else percent_cell([value])


def _settings(run: Run | None) -> list[_Setting]:
    """Each setting of the protocol."""
    if run is None:
        return [_Setting("default", {})]
    crops, measured = run.config["features"]["crops"], run.measured.get("protocol", {})
    own_mask_rule = run.config.get("dataset_info", {}).get("mask_rule", "frames")
    mean = f"mean of {len(crops)} crops" if len(crops) > 1 else "one crop"
    masks = "" if own_mask_rule == "frames" else f", mask rule {own_mask_rule}"
    scored = scored_videos(run)
    settings = [
        _Setting(f"default: {mean}, no smoothing{masks}", run.measured["selections"][run.selection]["metrics"], scored),
        *(_smoothed(run, kind, window, words) for kind, window, words in _SMOOTHING),
    ]
    if len(crops) > 1:
        alone = scored.crop_scores
        for place, crop in enumerate(crops):
            theirs = None if alone is None else replace(scored, score=alone[place], fine_grained=None, crop_scores=None)
            settings.append(_Setting(f"crop {crop} alone", measured.get("crops", {}).get(crop, {}), theirs))
        for count, found in measured.get("first_crops", {}).items():
            theirs = None if alone is None else scored.first_crops(int(count))
            settings.append(_Setting(f"mean of the first {count} crops", found, theirs))
    others = ((name, found) for name, found in measured.get("mask_rules", {}).items() if name != own_mask_rule)
    return settings + [_Setting(f"mask rule {name}", found) for name, found in others]


def _smoothed(run: Run, kind: Literal["sliding", "blocks"], window: int, words: str) -> _Setting:
    """A run's stored scores after smoothing."""
    stored = run.scores()
    names = stored["videos"].tolist()
    parts = np.split(stored["score"], np.cumsum(stored["num_snippets"])[:-1])
    snippets = [scoring.smoothed(values, kind, window) for values in parts]
    labels = np.split(stored["labels"], np.cumsum(stored["num_frames"])[:-1])
    tail = run.config.get("dataset_info", {}).get("tail", "exact")
    scores = {
        name: scoring.frame_scores(values, len(theirs), name=name, tail=tail)
        for name, values, theirs in zip(names, snippets, labels, strict=True)
    }
    categories = {name: tuple(text.split(";")) for name, text in zip(names, stored["video_categories"].tolist(), strict=True)}
    metrics = frame_level.evaluate(dict(zip(names, labels, strict=True)), scores, categories, str(stored["categories"][0]))
    return _Setting(words, metrics, scored_videos_of({**stored, "score": np.concatenate(snippets)}, run.config, name=run.name))
