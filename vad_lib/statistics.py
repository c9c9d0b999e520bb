"""Can these numbers be trusted? Intervals, paired comparisons, and what the protocol is worth.

A metric of a table has two sources of chance: the seed that a model was trained with, and the videos that happen to
be in the test set. Seeds and videos are crossed, not nested: every seed is scored on the same videos, so more seeds
make the first source smaller and never the second.

Everything starts from :class:`ScoredVideos`, the test scores of one run in pieces of equal score. Frames are never
expanded and scores are sorted once; a resample of the test videos is a row of counts, how often each was drawn.

All values are fractions; :func:`interval_text` and :func:`comparison_text` make percent of them. The same arguments
give the same numbers.

Legend: S seeds, V test videos, B resamples, P pieces (snippets), K distinct scores that abnormal frames have, E events.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import pandas as pd
from scipy import sparse, stats

from vad_lib import detection, scoring
from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.errors import ConfigError, DataError
from vad_lib.files import read_arrays, read_json, understood
from vad_lib.training import RULES

Metric = Literal["auc", "ap", "map_vadclip_code", "map_abnormal_only", "category_accuracy", "category_accuracy_abnormal_videos"]
Word = Literal["better", "worse", "cannot tell"]

_CHUNK = 2_000_000  # numbers held at once: some 16 MB an array, which stays near the processor
GRID = 500  # levels that stand for a confidence distribution
_ROUNDS = 1000  # of drawing again before a test set counts as one that has one class only
SLIDING_WINDOWS, BLOCK_WINDOWS = (3, 7, 15), (4, 8, 16)  # snippets; 7 and 8 are PEL4VAD's, see scoring.smoothed


class HasFolder(Protocol):
    """A finished run, such as :class:`vad_lib.tables.Run`."""

    @property
    def folder(self) -> Path: ...


class FineGrained(NamedTuple):
    """What the alignment map of a run says of the categories of the V test videos; see :mod:`vad_lib.detection`.

    Attributes:
        named: bool (V,), whether the highest of all categories is one of the video's.
        abnormal_named: bool (V,), the same of the abnormal categories.
        matched: segments and events, None where events are not annotated.
    """

    named: np.ndarray
    abnormal_named: np.ndarray
    matched: detection.Matched | None


class Resampling(NamedTuple):
    """How test videos are drawn.

    Attributes:
        level: of the intervals.
        num_resamples: B; 2,000 leave the ends of a 95 % interval a random error of some 3 % of its half-width.
        seed: of the draws; two rows with the same seed are compared on the same draws.
        stratified: draw normal and abnormal videos apart, each as many as there are. The makers of a test set chose how
            many of each it has, so their share is no chance; and average precision begins at the share of abnormal
            frames, so that letting it vary would widen its intervals for a reason that no method answers for.
    """

    level: float = 0.95
    num_resamples: int = 2000
    seed: int = 0
    stratified: bool = True

    def shared(self, answers: int) -> "Resampling":
        """The level shared among the answers to one question (Bonferroni): of many equal ones, one would seem better by chance.

        Example:
            >>> Resampling().shared(2).level
            0.975
        """
        return self._replace(level=1 - (1 - self.level) / max(answers, 1))


DEFAULT = Resampling()


# --- scores of a run --------------------------------------------------------------------------------------


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
        """The metric on all videos; equals :func:`vad_lib.metrics.evaluate`."""
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
                "several crops (`python -m vad_lib.extraction --crops 10`)."
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
    """The arrays of :func:`vad_lib.detection.fine_grained_arrays`, None where there are none.

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


# --- a metric on many resamples ---------------------------------------------------------------------------


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
    resample, a video drawn twice standing there twice. Fine-grained metrics are those of :func:`vad_lib.detection.fine_grained`,
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


def draw_videos(scored: ScoredVideos, how: Resampling = DEFAULT) -> tuple[np.ndarray, int]:
    """Draw test videos with replacement.

    Args:
        scored: of any run on the test set; its scores play no part.
        how: see :class:`Resampling`.

    Returns:
        how often each video was drawn, int64 (B, V); and how many resamples had frames of one class only and were drawn
        again. That is none for a stratified test set of normal videos and abnormal ones with abnormal frames.

    Raises:
        DataError: the videos have frames of one class only.
    """
    rng = np.random.default_rng(how.seed)
    counts = np.zeros((how.num_resamples, len(scored.videos)), dtype=np.int64)
    todo, redrawn = np.arange(how.num_resamples), 0
    for _ in range(_ROUNDS):
        for stratum in _strata(scored, how):
            counts[np.ix_(todo, stratum)] = rng.multinomial(len(stratum), np.full(len(stratum), 1 / len(stratum)), size=len(todo))
        one_class = (counts[todo] @ scored.abnormal_frames == 0) | (counts[todo] @ scored.normal_frames == 0)
        todo = todo[one_class]
        if not len(todo):
            return counts, redrawn
        redrawn += len(todo)
    raise DataError(
        f"{scored.title}: resampling needs abnormal and normal frames, and the {len(scored.videos)} test videos do not give both; "
        "add videos of the other class."
    )


def _strata(scored: ScoredVideos, how: Resampling) -> list[np.ndarray]:
    """Places of the videos that are drawn from each other, one array per stratum."""
    if not how.stratified:
        return [np.arange(len(scored.videos))]
    parts = (np.flatnonzero(~scored.abnormal_video), np.flatnonzero(scored.abnormal_video))
    return [part for part in parts if len(part)]


# --- intervals --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A row's metric with its uncertainty; fractions.

    Attributes:
        metric: one of :data:`Metric`.
        mean: over seeds, on all test videos.
        sd: standard deviation over seeds, None for one seed.
        low, high: ends of the interval, cut at 0 and 1 for a metric.
        level: how often such intervals hold the true value.
        kind: what was taken to be chance, and how the interval was made.
        seeds: of the runs.
        values: of each seed.
        num_videos: test videos.
        num_resamples: 0 where no videos were drawn.
        redrawn: resamples with frames of one class only, drawn again.
    """

    metric: str
    mean: float
    sd: float | None
    low: float
    high: float
    level: float
    kind: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    num_videos: int
    num_resamples: int = 0
    redrawn: int = 0

    @property
    def num_seeds(self) -> int:
        return len(self.seeds)


@dataclass(frozen=True)
class Components:
    """Where the chance of a paired difference comes from: ``between_seeds / S + between_videos / V + together / (S V)``.

    This is the variance of the difference of two rows, both trained with the same S seeds and scored on the same V test
    videos. ``together`` is what a seed does on single videos: it shrinks with both numbers. The model takes seeds and
    videos as independent draws, further ones as alike those that were measured (the same mix of videos), and the metric
    as nearly a mean over videos, as AUC and average precision of a hundred videos or more are.

    Attributes:
        between_seeds, between_videos, together: variances, fractions squared; at least 0.
        num_seeds, num_videos: that they were measured on.
    """

    between_seeds: float
    between_videos: float
    together: float
    num_seeds: int
    num_videos: int

    def standard_errors(self, seeds: int, videos: int) -> tuple[float, float]:
        """What ``seeds`` and ``videos`` leave of the part that more seeds make smaller, and of the other; fractions."""
        ours = self.between_seeds / seeds + self.together / (seeds * videos)
        return float(np.sqrt(ours)), float(np.sqrt(self.between_videos / videos))


@dataclass(frozen=True)
class Comparison(Interval):
    """The paired difference of two rows, the second minus the first; ``mean`` is the mean difference.

    Attributes:
        first, second: titles of the rows.
        components: of the variance; None for one seed.
    """

    first: str = ""
    second: str = ""
    components: Components | None = None

    @property
    def word(self) -> Word:
        """What may be said of the second row against the first: the interval excludes 0, or one cannot tell."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "cannot tell"


class _Plan(NamedTuple):
    """Choices of test videos to measure on: all of them, all but one, and the resamples; one row of counts each."""

    counts: np.ndarray  # (1 + J + B, V)
    left_out: tuple[slice, ...]  # rows that leave out one video, per stratum
    how: Resampling
    redrawn: int


def _plan(scored: ScoredVideos, how: Resampling) -> _Plan:
    drawn, redrawn = draw_videos(scored, how)
    counts, left_out, row = [np.ones((1, len(scored.videos)))], [], 1
    for stratum in _strata(scored, how):
        without = 1 - np.eye(len(scored.videos))[stratum]
        # a video that alone has the frames of a class cannot be left out; the others give the acceleration
        without = without[(without @ scored.abnormal_frames > 0) & (without @ scored.normal_frames > 0)]
        counts.append(without)
        left_out.append(slice(row, row + len(without)))
        row += len(without)
    return _Plan(np.concatenate([*counts, drawn]), tuple(left_out), how, redrawn)


def bca_quantiles(levels: np.ndarray, drawn: np.ndarray, point: float, left_out: Sequence[np.ndarray]) -> np.ndarray:
    """Quantiles of the confidence distribution by the bias-corrected and accelerated bootstrap, BCa (Efron 1987).

    Chosen over plain percentiles because a metric near 1 is skewed and, as a ratio of sums, slightly biased: BCa corrects
    for both to second order. Ends of a 95 % interval are the levels 0.025 and 0.975.

    Args:
        levels: (L,), in (0, 1).
        drawn: (B,), the statistic on the resamples.
        point: the statistic on all videos.
        left_out: per stratum, the statistic with one of its videos left out each.

    Returns:
        float64 (L,). Plain quantiles where all resamples lie on one side of ``point``.
    """
    below = (np.mean(drawn < point) + np.mean(drawn <= point)) / 2
    bias = stats.norm.ppf(below) if 0 < below < 1 else 0.0
    influence = [(len(part) - 1) * (part.mean() - part) for part in left_out if len(part)]
    squares = sum((part**2).sum() / len(part) ** 2 for part in influence)
    cubes = sum((part**3).sum() / len(part) ** 3 for part in influence)
    acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0
    moved = bias + stats.norm.ppf(levels)
    # |acceleration| < 1/6, so the denominator vanishes far beyond the levels in use only; the limit is the last resample
    return np.quantile(drawn, stats.norm.cdf(bias + moved / np.maximum(1 - acceleration * moved, 1e-9)))


def _summary(values: np.ndarray, plan: _Plan, metric: str, seeds: tuple[int, ...], *, videos_only: bool = False) -> dict[str, Any]:
    """Fields of an :class:`Interval` from the values of every seed on every choice of the plan, (S, 1 + J + B)."""
    how, points, mean = plan.how, values[:, 0], values.mean(axis=0)
    tails = np.array([(1 - how.level) / 2, (1 + how.level) / 2])
    drawn = mean[-how.num_resamples :]
    left_out = [mean[rows] for rows in plan.left_out]
    videos_only = videos_only or len(seeds) == 1
    strata = "normal and abnormal apart" if how.stratified else "all together"
    if videos_only:
        low, high = bca_quantiles(tails, drawn, mean[0], left_out)
        kind = f"test videos, {len(seeds)} seed{'s' * (len(seeds) > 1)} fixed (BCa bootstrap, {strata})"
    else:
        grid = (np.arange(GRID) + 0.5) / GRID
        of_videos = bca_quantiles(grid, drawn, mean[0], left_out) - mean[0]
        of_seeds = stats.t.ppf(grid, len(seeds) - 1) * points.std(ddof=1) / np.sqrt(len(seeds))
        sums = np.add.outer(_share_of_videos(values, plan) * of_videos, of_seeds)
        low, high = mean[0] + np.quantile(sums, tails)
        kind = f"seeds (Student's t) and test videos (BCa bootstrap, {strata})"
    return {
        "metric": metric,
        "mean": float(mean[0]),
        "sd": float(points.std(ddof=1)) if len(seeds) > 1 else None,
        "low": float(low),
        "high": float(high),
        "level": how.level,
        "kind": kind,
        "seeds": seeds,
        "values": tuple(points.tolist()),
        "num_videos": plan.counts.shape[1],
        "num_resamples": how.num_resamples,
        "redrawn": plan.redrawn,
    }


def _variances(values: np.ndarray, plan: _Plan) -> tuple[float, float]:
    """Variances over resamples: of the mean over seeds; and of what a single seed does beyond that mean."""
    drawn = values[:, -plan.how.num_resamples :]
    mean = drawn.mean(axis=0)
    seeds = len(values)
    return float(mean.var(ddof=1)), float((drawn - mean).var(axis=1, ddof=1).mean() * seeds / (seeds - 1))


def _share_of_videos(values: np.ndarray, plan: _Plan) -> float:
    """Factor on the videos' part: what seeds do on single videos shows in both parts and is counted with the seeds."""
    of_mean, together = _variances(values, plan)
    return float(np.sqrt(max(of_mean - together / len(values), 0) / of_mean)) if of_mean > 0 else 0.0


def _components(values: np.ndarray, plan: _Plan) -> Components | None:
    if len(values) == 1:
        return None
    seeds, videos = len(values), plan.counts.shape[1]
    of_mean, together = _variances(values, plan)
    return Components(
        max(float(values[:, 0].var(ddof=1)) - together, 0.0),
        videos * max(of_mean - together / seeds, 0.0),
        videos * together,
        seeds,
        videos,
    )


def interval_over_videos(runs: Sequence[ScoredVideos], metric: Metric, how: Resampling = DEFAULT) -> Interval:
    """Interval of the mean over seeds when only the test videos are chance: what other videos would do to these models.

    Test videos are drawn with replacement, normal and abnormal ones apart (:class:`Resampling` says why), the same ones
    for every seed; the ends are those of :func:`bca_quantiles`, which says why.

    Args:
        runs: one run, or the seeds of one row.
        metric: ``auc`` or ``ap``.
        how: level, number and seed of the resamples.

    Raises:
        DataError: no run, a seed twice, or runs on different test videos.
    """
    plan, values = _measured(runs, metric, how)
    return _within_range(Interval(**_summary(values, plan, metric, _seeds(runs), videos_only=True)))


def interval_over_seeds(runs: Sequence[ScoredVideos], metric: Metric, how: Resampling = DEFAULT) -> Interval:
    """Interval of the mean over seeds when only the seeds are chance: mean ± t s / sqrt(S), Student's t with S - 1 degrees.

    Not a bootstrap: five values have 126 different resamples, whose variance is a fifth too small and whose tails are too
    short, so that a 95 % percentile interval holds the true mean some 85 % of the time. Student's t is right if the
    seeds' values are normal, which five values can neither show nor refute. Five seeds give a rough spread (the
    standard deviation itself is known within a factor of 0.6 to 2.9) and a fair interval of the mean; they say nothing of rare
    bad seeds, and nothing of other test videos.

    Args and errors as in :func:`interval_over_videos`; also a DataError for a single seed.
    """
    _check_row(runs)
    if len(runs) < 2:
        raise DataError(f"{runs[0].title}: an interval over seeds needs two seeds or more, got one; train further seeds.")
    values = np.array([run.value(metric) for run in runs])
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(stats.t.ppf((1 + how.level) / 2, len(runs) - 1)) * sd / np.sqrt(len(runs))
    found = Interval(
        metric,
        mean,
        sd,
        float(mean - half),
        float(mean + half),
        how.level,
        "seeds, test videos fixed (Student's t)",
        _seeds(runs),
        tuple(values.tolist()),
        len(runs[0].videos),
    )
    return _within_range(found)


def _within_range(found: Interval) -> Interval:
    """The part of an interval that an area under a curve can take: [0, 1]. Student's t knows no such ends."""
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def interval(runs: Sequence[ScoredVideos], metric: Metric, how: Resampling = DEFAULT) -> Interval:
    """Interval of the mean over seeds with both sources of chance: another seed and other test videos.

    The two confidence distributions are added: Student's t of the seeds and the BCa bootstrap of the videos, drawn once
    for all seeds because the seeds share their videos. Drawing seeds as well would do the same for many seeds, and
    understate few (see :func:`interval_over_seeds`). What a seed does on single videos shows in both spreads; it is counted
    once, with the seeds. In simulations with 2 to 5 seeds, whichever source prevailed, a 95 % interval held the true mean
    94 to 98 % of the time; with drawn seeds it was 84 % for five and 45 % for two where seeds alone differ.

    If the seeds agree this is :func:`interval_over_videos`; if the videos do, :func:`interval_over_seeds`. With one seed it
    is the former, and ``kind`` says so.

    Args and errors as in :func:`interval_over_videos`.
    """
    plan, values = _measured(runs, metric, how)
    return _within_range(Interval(**_summary(values, plan, metric, _seeds(runs))))


def _measured(runs: Sequence[ScoredVideos], metric: Metric, how: Resampling) -> tuple[_Plan, np.ndarray]:
    _check_row(runs)
    plan = _plan(runs[0], how)
    return plan, _values(runs, plan, metric)


def _values(runs: Sequence[ScoredVideos], plan: _Plan, metric: Metric) -> np.ndarray:
    return np.stack([resampled(run, plan.counts, metric) for run in runs])


def _seeds(runs: Sequence[ScoredVideos]) -> tuple[int, ...]:
    return tuple(run.seed for run in runs)


def _check_row(runs: Sequence[ScoredVideos]) -> None:
    if not runs:
        raise DataError("interval: expected the runs of one row, got none; train this variant first.")
    if len(set(_seeds(runs))) != len(runs):
        raise DataError(f"{runs[0].title}: expected every seed once, got {', '.join(map(str, _seeds(runs)))}; give each run once.")
    for run in runs[1:]:
        _check_same_test(runs[0], run)


def _check_same_test(first: ScoredVideos, second: ScoredVideos) -> None:
    names = [f"{run.title} (seed {run.seed})" for run in (first, second)]
    if first.videos != second.videos:
        only = sorted({*first.videos} ^ {*second.videos})
        what = f"{len(only)} videos that one of them lacks, such as {only[0]}" if only else "their videos in another order"
        raise DataError(f"{names[1]} was scored on other test videos than {names[0]}: {what}. Run both again on one data set.")
    same = np.array_equal(first.normal_frames, second.normal_frames) and np.array_equal(first.events, second.events)
    if not same:
        raise DataError(f"{names[1]} has other frame labels than {names[0]} on the same videos; run both again on one data set.")


# --- comparisons ------------------------------------------------------------------------------------------


def compare(first: Sequence[ScoredVideos], second: Sequence[ScoredVideos], metric: Metric, how: Resampling = DEFAULT) -> Comparison:
    """Paired comparison of two rows: the second minus the first, seed by seed, on the same resamples of the same videos.

    What both rows share (a hard video, the split and the batches of a seed) drops out of the difference. The interval is
    that of :func:`interval`, of the differences: with one common seed it speaks of these two models only, not of their methods.
    It is for one comparison; of twenty between equal rows one will seem to differ. For m of them take the level 1 - 0.05 / m.

    Args:
        first: runs of a row; seeds that the other row lacks are left out.
        second: runs of another row, or of the same under another selection rule.
        metric: ``auc`` or ``ap``.
        how: level, number and seed of the resamples.

    Raises:
        DataError: no run, a seed twice, no common seed, or runs on different test videos.
    """
    _check_row(first)
    _check_row(second)
    _check_same_test(first[0], second[0])
    common = sorted({*_seeds(first)} & {*_seeds(second)})
    if not common:
        raise DataError(
            f"{first[0].title} has seeds {', '.join(map(str, _seeds(first)))} and {second[0].title} "
            f"{', '.join(map(str, _seeds(second)))}: a paired comparison needs common ones; train both with the same seeds."
        )
    chosen = [[{run.seed: run for run in row}[seed] for seed in common] for row in (first, second)]
    plan = _plan(first[0], how)
    return _compared(*(_values(row, plan, metric) for row in chosen), plan, metric, tuple(common), first[0].title, second[0].title)


def _compared(
    first: np.ndarray, second: np.ndarray, plan: _Plan, metric: str, seeds: tuple[int, ...], title: str, other: str
) -> Comparison:
    values = second - first
    return Comparison(**_summary(values, plan, metric, seeds), first=title, second=other, components=_components(values, plan))


def selection_gain(runs: Sequence[HasFolder | Path], metric: Metric, how: Resampling = DEFAULT) -> dict[str, Comparison]:
    """What choosing the step on the test set is worth: ``best_on_test`` minus each honest rule, paired.

    The step stays the one that the full test set chose. Its gain is therefore what a reported number owes to the choice, and
    cannot be expected on new videos, whatever the interval says.

    Args:
        runs: finished runs of one row (or their folders), every seed.
        metric: ``auc`` or ``ap``; the choice was made by the data set's headline metric.
        how: level, number and seed of the resamples.

    Returns:
        ``best_on_validation`` and ``last`` -> gain over that rule.
    """
    by_rule = {rule: load_all(runs, rule) for rule in RULES}
    chosen = by_rule["best_on_test"]
    plan, best = _measured(chosen, metric, how)
    return {
        rule: _compared(_values(by_rule[rule], plan, metric), best, plan, metric, _seeds(chosen), rule, "best_on_test")
        for rule in ("best_on_validation", "last")
    }


def postprocessing(runs: ScoredVideos | Sequence[ScoredVideos], metric: Metric, how: Resampling = DEFAULT) -> pd.DataFrame:
    """The metric after smoothing the scores in time, against the scores as they are, paired.

    Args:
        runs: one run, or the seeds of one row.
        metric: ``auc`` or ``ap``.
        how: level, number and seed of the resamples.

    Returns:
        one row per setting: ``setting``, ``rule`` (``none``, ``sliding``, ``blocks``, ``interpolated``), ``window`` in
        snippets, ``value`` (mean over seeds), ``change`` against the first row with the interval ``low`` to ``high`` (as in
        :func:`compare`, the level shared among the settings), and ``word``.
    """
    runs = [runs] if isinstance(runs, ScoredVideos) else runs
    settings: list[tuple[str, str, int, Callable[[ScoredVideos], ScoredVideos]]] = [("as scored", "none", 1, lambda run: run)]
    for rule, windows, text in (("sliding", SLIDING_WINDOWS, "sliding mean"), ("blocks", BLOCK_WINDOWS, "block means")):
        for window in windows:

            def smooth(run: ScoredVideos, rule: str = rule, window: int = window) -> ScoredVideos:
                return run.with_scores(lambda scores: scoring.smoothed(scores, rule, window))

            settings.append((f"{text} of {window} snippets", rule, window, smooth))
    settings.append(("linear between snippets", "interpolated", 1, interpolated))
    plan, plain = _measured(runs, metric, how.shared(len(settings) - 1))
    rows = []
    for setting, rule, window, change in settings:
        values = plain if rule == "none" else _values([change(run) for run in runs], plan, metric)
        found = _compared(plain, values, plan, metric, _seeds(runs), "as scored", setting)
        rows.append((setting, rule, window, float(values[:, 0].mean()), found.mean, found.low, found.high, found.word))
    return pd.DataFrame(rows, columns=["setting", "rule", "window", "value", "change", "low", "high", "word"])


def interpolated(scored: ScoredVideos) -> ScoredVideos:
    """Frame scores on straight lines between the snippets' middles instead of steps; every frame becomes a piece."""
    frames = scored.abnormal + scored.normal
    video = np.repeat(scored.video, frames)
    abnormal = np.zeros(len(video), dtype=np.int64)
    for place, start, end in scored.events:
        abnormal[scored.first_frames[place] + start : scored.first_frames[place] + end] = 1
    cuts = np.flatnonzero(np.diff(scored.video)) + 1
    scores = [
        scoring.interpolated(part, lengths)
        for part, lengths in zip(np.split(scored.score, cuts), np.split(frames, cuts), strict=True)
    ]
    frames_alone = {"abnormal": abnormal, "normal": 1 - abnormal, "fine_grained": None, "crop_scores": None}
    return replace(scored, video=video, score=np.concatenate(scores), **frames_alone)


def crop_averaging(runs: Sequence[ScoredVideos], metric: Metric, how: Resampling = DEFAULT) -> dict[str, Comparison]:
    """What the mean over more crops is worth in testing, against the first crop alone (the centre), paired.

    Args:
        runs: the seeds of one row, with scores of single crops.
        metric: ``auc`` or ``ap``.
        how: level, number and seed of the resamples.

    Returns:
        ``5 crops`` (centre and corners) and ``10 crops`` (their mirror images too), or what there is -> comparison; the level
        is shared among them.

    Raises:
        DataError: no scores of single crops, or not of as many in every run.
    """
    first = [run.first_crops(1) for run in runs]
    numbers = sorted({0 if run.crop_scores is None else len(run.crop_scores) for run in runs})
    if len(numbers) > 1:
        raise DataError(
            f"{runs[0].title}: expected runs of as many crops, got {' and '.join(map(str, numbers))}; train them on the same "
            "features."
        )
    counts = sorted({count for count in (*scoring.FEWER_CROPS, *numbers) if 1 < count <= numbers[0]})
    shared = how.shared(len(counts))
    return {f"{count} crops": compare(first, [run.first_crops(count) for run in runs], metric, shared) for count in counts}


# --- cells of tables --------------------------------------------------------------------------------------


def interval_text(found: Interval) -> str:
    """Cell of a table: mean, standard deviation over seeds if there are several, and interval, in percent.

    Example:
        >>> interval_text(Interval("auc", 0.8431, 0.0052, 0.8310, 0.8544, 0.95, "", (1, 2), (0.8394, 0.8468), 290))
        '84.31 ± 0.52 [83.10, 85.44]'
    """
    spread = "" if found.sd is None else f" ± {100 * found.sd:.2f}"
    return f"{100 * found.mean:.2f}{spread} [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def comparison_text(found: Comparison) -> str:
    """Cell of a table: difference and interval in percentage points, and what may be said.

    Example:
        >>> comparison_text(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        '+0.53 [-0.61, +1.72] cannot tell'
    """
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}] {found.word}"
