"""Several annotators of the same test videos: simulated ones, and what they do to metrics and to ranks of methods.

An annotator is an int64 array (E, 3) of events: place of the video, first abnormal frame, and the frame after the last.
:func:`vad_lib.evaluation.score_arrays.events_of` makes it of frame masks. Frames are never expanded.

Source: Liu et al., Rethinking metrics and benchmarks of video anomaly detection, arXiv 2505.19022. Its first version averages
AUC and AP over rounds of annotation, as ``mean`` of :func:`ranks_under_annotators` does with the same weight for every annotator.
Its second version names probabilistic ones, Prob-AUC and Prob-AP, whose equations were not at hand; :func:`shared_labels` is a
measure of this kind and has its own name for that reason.

Legend: A annotators, E events, P pieces (snippets).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from vad_lib.config import Settings
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation.intervals import check_row, check_same_videos
from vad_lib.evaluation.scored_videos import ScoredVideos

Area = Literal["auc", "ap"]

_MOST = 0.4  # of an event that is cut at one end; at least a fifth of it stays


class AnnotatorSettings(Settings):
    """How simulated annotators err; see :func:`simulated_annotators`."""

    late_seconds: float = Field(1.0, ge=0, description="mean delay of starts, over annotators and events")
    early_seconds: float = Field(1.0, ge=0, description="mean time by which ends come too early")
    miss: float = Field(0.05, ge=0, lt=0.5, description="part of the events that is missed, over annotators")


def simulated_annotators(
    events: np.ndarray, fps: float, count: int = 4, seed: int = 0, settings: AnnotatorSettings | None = None
) -> tuple[np.ndarray, ...]:
    """Annotators who see the true events late, let them end early, and miss some.

    The model: each annotator has a habit h, uniform in [0, 2], from careful to hasty. Independently for each event, the annotator
    misses it with probability h * miss; starts it later by a time that is exponential with mean h * late_seconds; and ends it
    earlier by one with mean h * early_seconds. Neither cut takes more than 0.4 of an event, rounded down to frames. Who would miss
    all events keeps the longest. Nobody marks what is no event, so annotators only take away from the truth. The model is this
    project's own; it is fitted to no people.

    Args:
        events: int64 (E, 3), the true ones: place of the video, first frame, and the frame after the last.
        fps: frames per second of the videos.
        count: A, annotators.
        seed: of all draws; the first annotators are the same for every count.
        settings: how they err; None for the defaults.

    Returns:
        A arrays int64 (up to E, 3), in the order of the true events.

    Raises:
        ConfigError: fps not above 0, or no annotator.
    """
    if not fps > 0 or count < 1:
        raise ConfigError(f"simulated annotators: expected fps above 0 and one annotator or more, got {fps} and {count}.")
    chosen = settings or AnnotatorSettings()
    length = events[:, 2] - events[:, 1]
    annotators = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        habit = rng.uniform(0, 2)
        means = (chosen.late_seconds, chosen.early_seconds)
        late, early = (
            np.minimum(rng.exponential(habit * mean * fps, len(events)), _MOST * length).astype(np.int64) for mean in means
        )
        kept = rng.random(len(events)) >= habit * chosen.miss
        if len(events) and not kept.any():
            kept[length.argmax()] = True
        annotators.append(np.column_stack([events[:, 0], events[:, 1] + late, events[:, 2] - early])[kept])
    return tuple(annotators)


def relabelled(scored: ScoredVideos, events: np.ndarray) -> ScoredVideos:
    """The same scores judged by other events; which videos are abnormal stays as the data set says.

    Args:
        scored: scores of a run.
        events: int64 (E, 3): place of the video, first abnormal frame, and the frame after the last.

    Raises:
        DataError: an event that is empty, outside its video, or overlaps another one.
    """
    events = events[np.lexsort((events[:, 1], events[:, 0]))]
    frames = scored.abnormal_frames + scored.normal_frames
    video, start, end = events.T
    inside = (video >= 0) & (video < len(frames)) & (start >= 0) & (start < end)
    inside[inside] &= end[inside] <= frames[video[inside]]
    if not inside.all():
        raise DataError(
            f"{scored.title}: expected events within their videos, got video {video[~inside][0]} of {len(frames)}, frames "
            f"{start[~inside][0]} to {end[~inside][0]}; give the annotations of these test videos."
        )
    offset = scored.first_frames[video]
    bounds = np.column_stack([offset + start, offset + end]).ravel()
    if (np.diff(bounds) < 0).any():
        raise DataError(f"{scored.title}: expected events of one annotator that do not overlap; join those that do.")
    # abnormal frames before a frame: grows within events, else stays
    before = np.repeat(np.append(0, np.cumsum(end - start)), 2)[1:-1]
    lengths = scored.abnormal + scored.normal
    edges = np.append(0, np.cumsum(lengths))
    counted = np.interp(edges, bounds, before) if len(events) else np.zeros(len(edges))
    abnormal = np.diff(counted).round().astype(np.int64)
    return replace(scored, abnormal=abnormal, normal=lengths - abnormal, events=events, fine_grained=None)


def shared_labels(scored: ScoredVideos, annotators: Sequence[np.ndarray], metric: Area) -> float:
    """Frame AUC or AP when a frame is abnormal to the part p of the annotators who say so, and normal to the part 1 - p.

    AUC = sum over frames i, j of p_i (1 - p_j) [s_i > s_j, ties one half] / (sum p)(sum 1 - p): the chance that an abnormal frame
    outscores a normal one, each drawn with an annotator. AP likewise counts p for a frame found and 1 - p for a false one. It
    equals the metric on all annotators' copies of the frames together. Prob-AUC and Prob-AP of arXiv 2505.19022, second version,
    may be defined otherwise.

    A method cannot reach 1 where annotators disagree: such a frame stands on both sides.

    Args:
        scored: scores of a run.
        annotators: A arrays of events, as :func:`relabelled` takes them.
        metric: ``auc`` or ``ap``.

    Raises:
        DataError: no annotator, or events that do not fit the videos.
        UndefinedMetricError: all annotators together mark nothing or everything.
    """
    _check_annotators(annotators)
    abnormal = np.sum([relabelled(scored, events).abnormal for events in annotators], axis=0)
    normal = len(annotators) * (scored.abnormal + scored.normal) - abnormal
    # without events: frames of the copies have no place in time
    together = replace(scored, abnormal=abnormal, normal=normal, events=scored.events[:0], fine_grained=None)
    return together.value(metric)


def ranks_under_annotators(
    rows: Mapping[str, Sequence[ScoredVideos]], annotators: Sequence[np.ndarray], metric: Area
) -> pd.DataFrame:
    """Metric and rank of each method under the data set's own labels, under each annotator, and over all of them.

    Args:
        rows: name of a method -> its seeds, one or more, all on the same test videos.
        annotators: A arrays of events, as :func:`relabelled` takes them.
        metric: ``auc`` or ``ap``.

    Returns:
        a row per annotator and method: ``annotator`` (``own labels``, ``1`` to ``A``, their ``mean``, ``shares``
        of :func:`shared_labels`), ``method``, ``value`` (mean over seeds, a fraction) and ``rank`` (1 is best, ties share the
        better rank).

    Raises:
        DataError: no method, no annotator, runs on different test videos, or events that do not fit them.
        UndefinedMetricError: an annotator marks nothing or everything.
    """
    _check_annotators(annotators)
    for runs in rows.values():
        check_row(runs)
        check_same_videos(next(iter(rows.values()))[0], runs[0])
    found = []
    for method, runs in rows.items():
        values = {"own labels": np.mean([run.value(metric) for run in runs])}
        for number, events in enumerate(annotators, start=1):
            values[str(number)] = np.mean([relabelled(run, events).value(metric) for run in runs])
        values["mean"] = np.mean([values[str(number)] for number in range(1, len(annotators) + 1)])
        values["shares"] = np.mean([shared_labels(run, annotators, metric) for run in runs])
        found += [(annotator, method, float(value)) for annotator, value in values.items()]
    if not found:
        raise DataError("ranks under annotators: expected the runs of one method or more, got none; train them first.")
    table = pd.DataFrame(found, columns=["annotator", "method", "value"])
    ranks = table.groupby("annotator")["value"].rank(ascending=False, method="min").astype(int)
    return table.assign(rank=ranks).sort_values(
        "annotator", key=lambda names: pd.factorize(names)[0], kind="stable", ignore_index=True
    )


def _check_annotators(annotators: Sequence[np.ndarray]) -> None:
    if not len(annotators):
        raise DataError("several annotators: expected the events of one annotator or more, got none.")
