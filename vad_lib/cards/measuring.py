"""The measures of a card: metrics of a run or of a row's seeds, with intervals, and checked against the scores.

Legend: S seeds, V test videos, P pieces of equal score, B draws of the videos, J videos that can be left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np

from vad_lib.cards.card import Bounds, Measure
from vad_lib.config import SELECTIONS
from vad_lib.errors import DataError, UndefinedMetricError
from vad_lib.evaluation.bootstrap import Draws
from vad_lib.evaluation.intervals import interval_of_values, mean_sd_half_width
from vad_lib.evaluation.measures_of_today import measures_of_today
from vad_lib.evaluation.scored_videos import Metric, ScoredVideos, metric_on_draws
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_videos

THRESHOLD = 0.5  # of the rates, as in frame_level.evaluate
FINE_GRAINED = ("map_vadclip_code", "map_abnormal_only", "category_accuracy", "category_accuracy_abnormal_videos")
RATES = ("far_normal_videos", "far_all_normal_frames", "tpr")
_NOT_DEFINED = "not defined for every seed: no alarm, or no video with both classes"
OF_PROTOCOL = ("auc", "ap", "ap_trapezoid")  # that are kept of other settings of the protocol
# Metrics are recorded from the scores that are kept, so areas agree to rounding. The reference keeps the order of scores
# exactly and their values not quite (packed_runs), so rates at a threshold may be off there.
AREA_TOLERANCE, RATE_TOLERANCE = 1e-6, 0.01

Values = dict[str, np.ndarray]  # metric -> (1 + J + B,), on all test videos, all but one, and the draws


def values_on_draws(run: Run, scored: ScoredVideos, draws: Draws) -> Values:
    """Every metric that can be measured on draws of the test videos, for one run.

    Args:
        run: with its recorded metrics.
        scored: its scores, under the selection that it uses.
        draws: of the test videos.

    Returns:
        metric -> float64 (1 + J + B,), the first one the recorded value (an area to rounding).

    Raises:
        DataError: a recorded metric is not what the scores give.
    """
    recorded, found = _recorded(run, run.selection), Values()
    for metric in ("auc", "ap", "auc_abnormal_videos", *RATES, *FINE_GRAINED):
        said = recorded.get(metric)
        try:
            values = None if said is None else _on_draws(scored, draws.counts, metric)
        except UndefinedMetricError:  # on some draw
            values = None
        if said is None or values is None:
            continue
        if not abs(values[0] - said) <= (RATE_TOLERANCE if metric in RATES else AREA_TOLERANCE):
            raise DataError(
                f"{run.name}: {metric} is recorded as {said:.6f}, but the scores beside it give {values[0]:.6f}. One of the two "
                "was changed after training; train this run again."
            )
        found[metric] = values + (said - values[0]) if metric in RATES else values
    return found


def _on_draws(scored: ScoredVideos, counts: np.ndarray, metric: str) -> np.ndarray | None:
    """A metric on choices of the test videos, (B, V) counts; None where the run keeps no arrays for it."""
    if metric in RATES:
        frames = scored.abnormal if metric == "tpr" else scored.normal
        if metric == "far_normal_videos":
            frames = np.where(scored.abnormal_video[scored.video], 0, frames)
        videos = len(scored.videos)
        hits = np.bincount(scored.video, np.where(scored.score >= THRESHOLD, frames, 0), videos)
        total = counts @ np.bincount(scored.video, frames, videos)
        if not total.all():
            raise UndefinedMetricError(f"{metric} of {scored.title}: a choice of videos has no frames for it; add test videos.")
        return counts @ hits / total
    if metric == "auc_abnormal_videos":
        chosen = scored.abnormal_video
        return metric_on_draws(scored.of_videos(chosen), counts[:, chosen], "auc")
    if metric in FINE_GRAINED:
        kept = scored.fine_grained and (scored.fine_grained.matched or not metric.startswith("map_"))
        return metric_on_draws(scored, counts, cast(Metric, metric)) if kept else None
    return metric_on_draws(scored, counts, cast(Metric, metric))


def measures(runs: Sequence[Run], draws: Draws, values: Sequence[Values]) -> tuple[Measure, ...]:
    """All measures of a run, or of the seeds of a row.

    Args:
        runs: the seeds of one row, or one run.
        draws: of their test videos.
        values: of each run, :func:`values_on_draws`.

    Returns:
        first the metrics of the selection that the runs use, then those of the other selections, then other settings of
        the protocol. Intervals are those of the tables where a metric can be measured on draws of the videos; else, with
        several seeds, Student's t over seeds. Measures of today are among those of the selection that the runs use.
    """
    own = runs[0].selection
    found = []
    for selection in (own, *(name for name in SELECTIONS if name != own)):
        recorded = [_recorded(run, selection) for run in runs]
        for metric in recorded[0]:
            drawn = [v[metric] for v in values if metric in v] if selection == own else []
            undefined = next(filter(None, (run.undefined(metric, selection) for run in runs)), "")
            found.append(_measure(metric, selection, "", [of.get(metric) for of in recorded], runs, draws, drawn, undefined))
        if selection == own:
            today = [_of_today(run) for run in runs]
            found += [_measure(name, own, "", [of[name] for of in today], runs, draws, (), _NOT_DEFINED) for name in today[0]]
    settings = [dict(_settings(run)) for run in runs]
    for setting, metric in settings[0]:
        found.append(_measure(metric, own, setting, [of.get((setting, metric)) for of in settings], runs, draws))
    return tuple(found)


def _measure(
    metric: str,
    selection: str,
    setting: str,
    values: list[float | None],
    runs: Sequence[Run],
    draws: Draws,
    drawn: Sequence[np.ndarray] = (),
    undefined: str = "",
) -> Measure:
    known = np.array([value for value in values if value is not None])
    if len(known) < len(runs):
        reason = undefined or "some runs did not keep it"
        return Measure(metric=metric, selection=selection, setting=setting, values=tuple(values), undefined=reason)
    level = draws.bootstrap.level
    mean, sd, half = mean_sd_half_width(known, level)
    between = None
    # a rate that is 0 on every draw and seed would get an interval without width, as if no false alarm could ever come
    if len(drawn) == len(runs) and np.ptp(np.mean(drawn, axis=0)) > 0:
        found = interval_of_values(np.stack(drawn), draws, metric, tuple(run.seed for run in runs))
        between = (found.low, found.high, found.kind)
    elif sd:
        between = (mean - half, mean + half, "seeds, test videos fixed (Student's t)")
    bounds = None
    if between:
        low, high = np.clip(between[:2], 0, 1).tolist()
        bounds = Bounds(low=low, high=high, level=level, kind=between[2])
    return Measure(metric=metric, selection=selection, setting=setting, values=tuple(values), mean=mean, sd=sd, interval=bounds)


def recorded_measures(run: Run) -> dict[tuple[str, str, str], float | None]:
    """(metric, selection, setting) -> the recorded value, or for measures of today what the scores give: all that a card holds."""
    found = {(metric, rule, ""): value for rule in run.measured["selections"] for metric, value in _recorded(run, rule).items()}
    found |= {(name, run.selection, ""): value for name, value in _of_today(run).items()}
    return found | {(metric, run.selection, setting): value for (setting, metric), value in _settings(run)}


def _of_today(run: Run) -> dict[str, float | None]:
    """The measures of today that are fractions and are not recorded; None for one that is not defined."""
    try:
        found = measures_of_today(scored_videos(run), fps=None)
    except UndefinedMetricError:  # frames of one class only
        return {}
    return {name: None if np.isnan(value) else value for name, value in found.items() if name not in ("auc", "ap")}


def _recorded(run: Run, selection: str) -> dict[str, float | None]:
    """Recorded metrics by name; of the selection that the run uses also those of categories and of events."""
    metrics = run.measured["selections"][selection]["metrics"]
    found = {n: value for n, value in metrics.items() if not n.startswith("num_") and not isinstance(value, Mapping)}
    if selection != run.selection:
        return found
    found |= {f"auc_per_category/{name}": value for name, value in metrics.get("auc_per_category", {}).items()}
    fine = run.fine_grained(selection) or {}
    found |= {name: fine[name] for name in FINE_GRAINED if name in fine}
    for convention, detection in (fine.get("detection") or {}).items():
        for iou, value in detection["map"].items():
            found[f"map_{convention}" if iou == "average" else f"map_{convention}/IoU {iou}"] = value
    return found


def _settings(run: Run) -> Iterator[tuple[tuple[str, str], float | None]]:
    """(setting, metric) -> value, of the other settings of the protocol that the run was measured under."""
    protocol = run.measured.get("protocol", {})
    rules = {rule: found for rule, found in protocol.get("mask_rules", {}).items() if rule != mask_rule(run)}
    for words, of_settings in (
        ("mask rule {}", rules),
        ("crop {} alone", protocol.get("crops", {})),
        ("mean of the first {} crops", protocol.get("first_crops", {})),
    ):
        for name, metrics in of_settings.items():
            yield from (((words.format(name), metric), metrics[metric]) for metric in OF_PROTOCOL if metric in metrics)


def mask_rule(run: Run) -> str:
    return str(run.config.get("dataset_info", {}).get("mask_rule") or "frames")
