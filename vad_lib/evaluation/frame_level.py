"""All frame-level metrics of a test set, from scores and labels per video."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from vad_lib.errors import DataError, UndefinedMetricError, first_few
from vad_lib.metrics import (
    area_by_steps,
    area_by_trapezoids,
    area_under_roc,
    check_classes,
    check_threshold,
    checked_frames,
    counts_by_rank,
    ranked_scores,
)


def evaluate(
    labels: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    categories: Mapping[str, Sequence[str]],
    normal_category: str,
    threshold: float = 0.5,
) -> dict[str, Any]:
    """All metrics of one test set. The order of the videos changes nothing.

    Args:
        labels: per video uint8 (F_v,), 1 abnormal, 0 normal.
        scores: per video (F_v,), in [0, 1].
        categories: per video its category names.
        normal_category: the category of normal videos.
        threshold: for the rates; a frame is called abnormal if its score is at least this.

    Returns:
        plain numbers, None where one is not defined on this test set: ``auc``, ``ap``, ``ap_trapezoid``;
        ``auc_abnormal_videos``, the AUC over the frames of abnormal videos alone; ``far_normal_videos`` and
        ``far_all_normal_frames``, the false alarm rate over the frames of normal videos and over every normal frame; ``tpr``;
        ``auc_per_category``, for each category the AUC over its abnormal videos and all normal videos, a video of several
        categories counting in each; ``num_videos``, ``num_frames``, ``num_abnormal_frames``. Where one is None, ``undefined``
        says why: name, or ``auc_per_category/CATEGORY`` -> reason.

    Raises:
        UndefinedMetricError: all frames are normal, or all abnormal, so that ``auc`` and ``ap`` are not defined.
        DataError: videos missing or surplus in ``scores`` or ``categories``; categories given as text; lengths differ; NaN; a
            score outside [0, 1]; an abnormal frame in a normal video.
        ConfigError: a threshold outside [0, 1] that is not infinity.
    """
    check_threshold(threshold)
    for name, given in (("scores", scores), ("categories", categories)):
        check_videos(tuple(labels), given, name)
    if as_text := next((video for video in labels if isinstance(categories[video], str)), None):
        raise DataError(
            f"video {as_text}: expected its category names, got the text {categories[as_text]!r}, which would be read letter by "
            f"letter; give a tuple, ({categories[as_text]!r},)."
        )
    videos = list(labels)
    if not videos:
        raise UndefinedMetricError("evaluation: not defined, there are no test videos; add some to the list.")
    pairs = [checked_frames(labels[video], scores[video], f"video {video}") for video in videos]
    abnormal_video = np.array([normal_category not in categories[video] for video in videos], dtype=bool)
    _check_normal_videos(videos, pairs, abnormal_video, normal_category)
    label, score = (np.concatenate(part) for part in zip(*pairs))
    video = np.repeat(np.arange(len(videos)), [len(part) for part, _ in pairs])
    runs, undefined = _FrameRuns(label, score, video), dict[str, str]()
    everything = runs.counts(np.ones(len(videos), dtype=bool), "AUC")
    per_category = {}
    for name in sorted({name for place in np.flatnonzero(abnormal_video) for name in categories[videos[place]]}):
        chosen = ~abnormal_video | np.array([name in categories[video] for video in videos])
        measure = partial(runs.auc, chosen, f"AUC of category {name}")
        per_category[name] = _if_defined(measure, f"auc_per_category/{name}", undefined)
    auc_within, far = partial(runs.auc, abnormal_video, "AUC on abnormal videos"), partial(runs.far, ~abnormal_video, threshold)
    found = {
        "auc": area_under_roc(*everything),
        "ap": area_by_steps(*everything),
        "ap_trapezoid": area_by_trapezoids(*everything),
        "auc_abnormal_videos": _if_defined(auc_within, "auc_abnormal_videos", undefined),
        "far_normal_videos": _if_defined(far, "far_normal_videos", undefined),
        "far_all_normal_frames": float(np.mean(score[label == 0] >= threshold)),
        "tpr": float(np.mean(score[label == 1] >= threshold)),
        "auc_per_category": per_category,
        "num_videos": len(videos),
        "num_frames": len(label),
        "num_abnormal_frames": int(label.sum(dtype=np.int64)),
    }
    return found | ({"undefined": undefined} if undefined else {})


def _if_defined(measure: Callable[[], float], name: str, undefined: dict[str, str]) -> float | None:
    """The metric; None if it is not defined, and then the reason is kept under its name."""
    try:
        return measure()
    except UndefinedMetricError as error:
        undefined[name] = str(error)
        return None


class _FrameRuns:
    """Runs of successive frames of one video that share label and score; a sixteenth as many as there are frames."""

    def __init__(self, label: np.ndarray, score: np.ndarray, video: np.ndarray) -> None:
        change = (np.diff(score) != 0) | (np.diff(label) != 0) | (np.diff(video) != 0)
        starts = np.append(0, np.flatnonzero(change) + 1)
        self.lengths = np.diff(np.append(starts, len(label)))
        self.label, self.score, self.video = label[starts], score[starts], video[starts]
        _, self.rank = ranked_scores(self.score)

    def counts(self, chosen: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Abnormal and normal frames of the chosen videos, bool (V,), at each distinct score; int64 (G,)."""
        runs = chosen[self.video]
        check_classes(self.label[runs], metric, frames=int(self.lengths[runs].sum()))
        return counts_by_rank(self.rank[runs], self.label[runs], self.lengths[runs])

    def auc(self, chosen: np.ndarray, metric: str) -> float:
        """Area under the ROC curve over the frames of the chosen videos, bool (V,)."""
        return area_under_roc(*self.counts(chosen, metric))

    def far(self, normal_video: np.ndarray, threshold: float) -> float:
        """False alarm rate over the frames of the normal videos, bool (V,)."""
        if not normal_video.any():
            raise UndefinedMetricError("FAR on normal videos: not defined, there are no normal test videos; add some.")
        runs = normal_video[self.video]
        return float(self.lengths[runs & (self.score >= threshold)].sum() / self.lengths[runs].sum())


def _check_normal_videos(
    videos: Sequence[str], pairs: Sequence[tuple[np.ndarray, np.ndarray]], abnormal_video: np.ndarray, normal_category: str
) -> None:
    for video, (label, _), abnormal in zip(videos, pairs, abnormal_video):
        if label.any() and not abnormal:
            raise DataError(f"video {video}: category {normal_category} but {label.sum()} abnormal frames; correct the list.")


def check_videos(listed: Sequence[str], given: Iterable[str], name: str = "scores") -> None:
    """Check that something was given for exactly the listed videos, before any number is made of it.

    Args:
        listed: names of the videos of the test list.
        given: names of the videos that came.
        name: of what was given, for the message.

    Raises:
        DataError: a name stands twice in the list or among what was given, or videos are missing or surplus.
    """
    given = tuple(given)
    for what, names in (("the test list", listed), (name, given)):
        twice = sorted(video for video, times in Counter(names).items() if times > 1)
        if twice:
            raise DataError(f"{what}: expected every video once, got twice: {first_few(twice)}. Remove or rename one of each pair.")
    missing, surplus = sorted(set(listed) - set(given)), sorted(set(given) - set(listed))
    if missing or surplus:
        raise DataError(
            f"{name}: expected the {len(listed)} videos that have labels; missing: {first_few(missing)}; "
            f"surplus: {first_few(surplus)}. Score exactly the videos of the test list."
        )
