"""Test scores of one run, in pieces that metrics on resampled videos can be computed of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from scipy import sparse

from vad_lib.config import FRAMES_PER_SNIPPET, RULES
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import detection, scoring
from vad_lib.storage.reading import read_arrays, read_json, understood

Metric = Literal["auc", "ap", "map_vadclip_code", "map_abnormal_only", "category_accuracy", "category_accuracy_abnormal_videos"]

_CHUNK = 2_000_000  # numbers held at once: some 16 MB an array, which stays near the processor


class HasFolder(Protocol):
    """A finished run, such as :class:`vad_lib.runs.comparable.Run`."""

    @property
    def folder(self) -> Path: ...


class FineGrained(NamedTuple):
    """What the alignment map of a run says of the categories of the V test videos; see :mod:`vad_lib.evaluation.detection`.

    Attributes:
        named: bool (V,), whether the highest of all categories is one of the video's.
        abnormal_named: bool (V,), the same of the abnormal categories.
        matched: segments and events, None where events are not annotated.
    """

    named: np.ndarray
    abnormal_named: np.ndarray
    matched: detection.Matched | None


@dataclass(frozen=True, eq=False)
class ScoredVideos:
    """Test scores of one run in pieces: frames of one video, one after the other, that share a score.

    Attributes:
        title: of the row.
        seed: of the run.
        videos: names, V of them, in the order of the pieces.
        abnormal_video: bool (V,).
        video: int64 (P,), place of the piece's video; increasing, and time increases within a video.
        score: float (P,), in [0, 1].
        abnormal: int64 (P,), abnormal frames of the piece.
        normal: int64 (P,), normal frames of the piece.
        events: int64 (E, 3): place of the video, first abnormal frame, and the frame after the last; runs of abnormal frames.
        fine_grained: of a run with an alignment map, scored by the rule that it was made with; else None.
        crop_scores: float (N, P), of each crop by itself, of a run with several crops, by the same rule; else None.
    """

    title: str
    seed: int
    videos: tuple[str, ...]
    abnormal_video: np.ndarray
    video: np.ndarray
    score: np.ndarray
    abnormal: np.ndarray
    normal: np.ndarray
    events: np.ndarray
    fine_grained: FineGrained | None = None
    crop_scores: np.ndarray | None = None

    @cached_property
    def abnormal_frames(self) -> np.ndarray:
        """Of each video, int64 (V,)."""
        return np.bincount(self.video, self.abnormal, minlength=len(self.videos)).astype(np.int64)

    @cached_property
    def normal_frames(self) -> np.ndarray:
        """Of each video, int64 (V,)."""
        return np.bincount(self.video, self.normal, minlength=len(self.videos)).astype(np.int64)

    @cached_property
    def first_frames(self) -> np.ndarray:
        """Of each video when all stand one after the other, int64 (V,)."""
        lengths = self.abnormal_frames + self.normal_frames
        return np.cumsum(lengths) - lengths

    @cached_property
    def _ranking(self) -> "_Ranking":
        return _ranked(self)

    def value(self, metric: Metric) -> float:
        """The metric on all videos; equals :func:`vad_lib.evaluation.frame_level.evaluate`."""
        return float(resampled(self, np.ones((1, len(self.videos))), metric)[0])

    def with_scores(self, change: Callable[[np.ndarray], np.ndarray]) -> "ScoredVideos":
        """The same pieces with other scores: ``change`` takes those of one video, (T,), and gives as many back."""
        parts = np.split(self.score, np.flatnonzero(np.diff(self.video)) + 1)
        return replace(self, score=np.concatenate([change(part) for part in parts]), fine_grained=None, crop_scores=None)

    def first_crops(self, count: int) -> "ScoredVideos":
        """The same pieces with the mean of the first crops as their score.

        Raises:
            DataError: the run has no scores of so many single crops.
        """
        if self.crop_scores is None or not 1 <= count <= len(self.crop_scores):
            there = 0 if self.crop_scores is None else len(self.crop_scores)
            raise DataError(
                f"{self.title}, seed {self.seed}: expected scores of {count} single crops, got {there}; train on features of "
                "several crops (`python -m vad_lib.data.extraction --crops 10`)."
            )
        return replace(self, score=self.crop_scores[:count].mean(axis=0), fine_grained=None, crop_scores=None)


def load_scored(run: HasFolder | Path, rule: str | None = None) -> ScoredVideos:
    """Read the test scores of a finished run.

    Args:
        run: the run or its folder.
        rule: ``last``, ``best_on_validation`` or ``best_on_test``; None for the rule that the run was made with.

    Raises:
        ConfigError: unknown rule.
        MissingFileError: no run there.
        DataError: an array is missing, or scores and frames do not fit each other.
    """
    folder = Path(getattr(run, "folder", run))
    if rule not in (None, *RULES):
        raise ConfigError(f"selection rule: expected {', '.join(RULES)}, got {rule!r}.")
    key = f"score_{rule}" if rule else "score"
    arrays, config = read_arrays(folder / "scores.npz"), read_json(folder / "config.json")
    needed = ("videos", "categories", "video_categories", "num_snippets", "num_frames", "labels", key)
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise DataError(f"{folder / 'scores.npz'}: array {', '.join(missing)} is missing; run the training of this variant again.")
    with understood(folder, "a finished run"):
        names, num_frames = tuple(arrays["videos"].tolist()), arrays["num_frames"]
        # before memory is taken for as many frames as somebody wrote down
        if min(num_frames) < 1 or sum(num_frames.tolist()) != len(arrays["labels"]):
            raise ValueError(f"{len(arrays['labels']):,} labels of {sum(num_frames.tolist()):,} frames")
        tail = config.get("dataset_info", {}).get("tail", "exact")
        frames = [
            scoring.snippet_frames(int(snippets), int(length), FRAMES_PER_SNIPPET, name, tail)
            for name, snippets, length in zip(names, arrays["num_snippets"], num_frames, strict=True)
        ]
        lengths, labels, score = np.concatenate(frames), arrays["labels"], arrays[key]
        if len(labels) != lengths.sum() or len(score) != len(lengths):
            raise DataError(
                f"{folder / 'scores.npz'}: expected {len(lengths):,} scores and {lengths.sum():,} labels, got {len(score):,} and "
                f"{len(labels):,}; run the training of this variant again."
            )
        abnormal = np.add.reduceat(labels.astype(np.int64), np.cumsum(lengths) - lengths)
        normal_category = str(arrays["categories"][0])
        return ScoredVideos(
            title=config["title"],
            seed=config["seed"],
            videos=names,
            abnormal_video=np.array([normal_category not in text.split(";") for text in arrays["video_categories"].tolist()]),
            video=np.repeat(np.arange(len(names)), arrays["num_snippets"]),
            score=score,
            abnormal=abnormal,
            normal=lengths - abnormal,
            events=_events(labels, num_frames),
            fine_grained=None if rule else _fine_grained(arrays),
            crop_scores=None if rule else _crop_scores(arrays),
        )


def _crop_scores(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Scores of single crops, (N, P); None where they are not.

    Raises:
        ValueError: they do not fit the scores.
    """
    if "crop_scores" not in arrays:
        return None
    found, pieces = arrays["crop_scores"], len(arrays["score"])
    if found.ndim != 2 or found.shape[1] != pieces or len(found) < 2 or found.dtype.kind != "f":
        raise ValueError(f"crop_scores: floats (crops, {pieces}) of two crops or more expected, {found.dtype} {found.shape} found")
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("crop_scores: a score that is not in [0, 1]")
    return found


def _fine_grained(arrays: Mapping[str, np.ndarray]) -> FineGrained | None:
    """The arrays of :func:`vad_lib.evaluation.fine_grained.fine_grained_arrays`, None where there are none.

    Raises:
        ValueError: they do not fit each other.
    """
    fields = {name: f"detection_{name}" for name in detection.Matched._fields}
    if not {"category_named", "abnormal_category_named", *fields.values()} & {*arrays}:
        return None
    videos, categories = len(arrays["videos"]), len(arrays["categories"])
    named, abnormal_named = arrays["category_named"], arrays["abnormal_category_named"]
    expected = {"category_named": ((videos,), "b"), "abnormal_category_named": ((videos,), "b")}
    matched = None
    if {*fields.values()} & {*arrays}:
        matched = detection.Matched(**{name: arrays[key] for name, key in fields.items()})
        segments = len(matched.video)
        shapes = ((segments,), (segments,), (segments,), (segments, len(detection.IOUS)), (videos, categories), (videos,))
        expected |= dict(zip(fields.values(), zip(shapes, "iifbib")))
    for name, (shape, kind) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind != kind:
            raise ValueError(
                f"{name}: shape {shape} and kind {kind!r} expected, {arrays[name].shape}, {arrays[name].dtype.kind!r} found"
            )
    if matched and not (
        np.isin(matched.video, np.arange(videos)).all()
        and np.isin(matched.category, np.arange(categories)).all()
        and np.isfinite(matched.score).all()
        and (matched.events >= 0).all()
    ):
        raise ValueError("segments of videos or categories that the run has not, or without a finite score")
    return FineGrained(named, abnormal_named, matched)


def load_all(runs: Sequence[HasFolder | Path], rule: str | None = None) -> tuple[ScoredVideos, ...]:
    """:func:`load_scored` of several runs, such as the seeds of one row."""
    return tuple(load_scored(run, rule) for run in runs)


def _events(labels: np.ndarray, num_frames: np.ndarray) -> np.ndarray:
    """Runs of abnormal frames within each video, int64 (E, 3)."""
    first = np.cumsum(num_frames) - num_frames
    before, after = np.append(0, labels[:-1]), np.append(labels[1:], 0)
    before[first] = 0
    after[first[1:] - 1] = 0
    starts, ends = np.flatnonzero((labels == 1) & (before == 0)), np.flatnonzero((labels == 1) & (after == 0)) + 1
    video = np.searchsorted(first, starts, side="right") - 1
    return np.stack([video, starts - first[video], ends - first[video]], axis=1).astype(np.int64)


class _Ranking(NamedTuple):
    """Frames of each video at the K scores that abnormal frames have, in decreasing order; sparse, float64 (K, V) each.

    Only at these scores do the ROC curve rise and the precision count, so normal frames between two of them stand together.
    """

    abnormal: sparse.csr_array
    tied: sparse.csr_array  # normal frames with this very score
    between: sparse.csr_array  # normal frames below the score before and above this one


def _ranked(scored: ScoredVideos) -> _Ranking:
    values, rank = np.unique(-scored.score, return_inverse=True)
    has_abnormal = np.bincount(rank, scored.abnormal, minlength=len(values)) > 0
    # for each piece the place of the first such score that is not above its own; K for those below all
    place = (np.cumsum(has_abnormal) - has_abnormal)[rank]
    shape = (int(has_abnormal.sum()), len(scored.videos))

    def matrix(frames: np.ndarray, chosen: np.ndarray) -> sparse.csr_array:
        chosen = chosen & (frames > 0) & (place < shape[0])
        return sparse.csr_array((frames[chosen].astype(np.float64), (place[chosen], scored.video[chosen])), shape=shape)

    tied = has_abnormal[rank]
    return _Ranking(
        matrix(scored.abnormal, np.ones(len(rank), dtype=bool)), matrix(scored.normal, tied), matrix(scored.normal, ~tied)
    )


def resampled(scored: ScoredVideos, counts: np.ndarray, metric: Metric) -> np.ndarray:
    """A metric on many resamples of the test videos, frame AUC and step-wise average precision exact with ties.

    Equals :func:`vad_lib.metrics.frame_roc_auc` and :func:`vad_lib.metrics.average_precision` on the frames of each
    resample, a video drawn twice standing there twice. Fine-grained metrics are those of :func:`vad_lib.evaluation.fine_grained.fine_grained`,
    mAP as the mean over IoUs.

    Args:
        scored: scores of a run.
        counts: (B, V), how often each video was drawn.
        metric: one of :data:`Metric`.

    Returns:
        float64 (B,), fractions.

    Raises:
        ConfigError: another metric.
        DataError: a resample has frames of one class only, or a fine-grained metric of a run that has none.
    """
    if metric not in get_args(Metric):
        raise ConfigError(f"metric: expected one of {', '.join(get_args(Metric))}, got {metric!r}.")
    counts = np.asarray(counts, dtype=np.float64)
    if metric not in ("auc", "ap"):
        return _resampled_fine_grained(scored, counts, metric)
    num_abnormal, num_normal = counts @ scored.abnormal_frames, counts @ scored.normal_frames
    if not (num_abnormal.all() and num_normal.all()):
        raise DataError(
            f"{metric.upper()} of {scored.title}: not defined, it needs abnormal and normal frames and a choice of videos has one "
            "class only; add test videos of the other class."
        )
    ranking, values = scored._ranking, np.empty(len(counts))
    step = max(1, _CHUNK // ranking.abnormal.shape[0])
    for start in range(0, len(counts), step):
        chosen = slice(start, start + step)
        drawn = np.ascontiguousarray(counts[chosen].T)
        abnormal, tied = ranking.abnormal @ drawn, ranking.tied @ drawn  # (K, b) frames at each score
        false = ranking.between @ drawn + tied
        np.cumsum(false, axis=0, out=false)  # normal frames with this score or a higher one
        if metric == "auc":
            outscored = num_normal[chosen] - false + tied / 2  # eq. 16, ties one half
            values[chosen] = np.einsum("kb,kb->b", abnormal, outscored) / num_normal[chosen]
        else:
            found = np.cumsum(abnormal, axis=0)
            # eq. 17; where nothing was drawn yet, nothing is added either
            values[chosen] = np.einsum("kb,kb->b", abnormal, found / np.maximum(found + false, 1))
    return values / num_abnormal


def _resampled_fine_grained(scored: ScoredVideos, counts: np.ndarray, metric: str) -> np.ndarray:
    fine = scored.fine_grained
    if fine and metric == "category_accuracy":
        return counts @ fine.named / counts.sum(axis=1)
    if fine and metric == "category_accuracy_abnormal_videos":
        return counts @ (fine.abnormal_named & scored.abnormal_video) / np.maximum(counts @ scored.abnormal_video, 1)
    if fine and fine.matched:
        variant: detection.Variant = "vadclip_code" if metric == "map_vadclip_code" else "abnormal_only"
        return detection.resampled_map(fine.matched, counts, variant)
    raise DataError(
        f"{metric} of {scored.title}: needs an alignment map and annotated events, and the run has none for this selection rule; "
        "choose a method with text features, or train it again with this version of the library."
    )
