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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from vad_lib.errors import DataError
from vad_lib.evaluation.scored_videos import Metric, ScoredVideos, resampled

GRID = 500  # levels that stand for a confidence distribution

_ROUNDS = 1000  # of drawing again before a test set counts as one that has one class only


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


class VideoChoices(NamedTuple):
    """Choices of test videos to measure on: all of them, all but one, and the resamples; one row of counts each."""

    counts: np.ndarray  # (1 + J + B, V)
    left_out: tuple[slice, ...]  # rows that leave out one video, per stratum
    how: Resampling
    redrawn: int


def plan_choices(scored: ScoredVideos, how: Resampling) -> VideoChoices:
    drawn, redrawn = draw_videos(scored, how)
    counts, left_out, row = [np.ones((1, len(scored.videos)))], [], 1
    for stratum in _strata(scored, how):
        without = 1 - np.eye(len(scored.videos))[stratum]
        # a video that alone has the frames of a class cannot be left out; the others give the acceleration
        without = without[(without @ scored.abnormal_frames > 0) & (without @ scored.normal_frames > 0)]
        counts.append(without)
        left_out.append(slice(row, row + len(without)))
        row += len(without)
    return VideoChoices(np.concatenate([*counts, drawn]), tuple(left_out), how, redrawn)


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


def interval_fields(
    values: np.ndarray, plan: VideoChoices, metric: str, seeds: tuple[int, ...], *, videos_only: bool = False
) -> dict[str, Any]:
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


def variance_parts(values: np.ndarray, plan: VideoChoices) -> tuple[float, float]:
    """Variances over resamples: of the mean over seeds; and of what a single seed does beyond that mean."""
    drawn = values[:, -plan.how.num_resamples :]
    mean = drawn.mean(axis=0)
    seeds = len(values)
    return float(mean.var(ddof=1)), float((drawn - mean).var(axis=1, ddof=1).mean() * seeds / (seeds - 1))


def _share_of_videos(values: np.ndarray, plan: VideoChoices) -> float:
    """Factor on the videos' part: what seeds do on single videos shows in both parts and is counted with the seeds."""
    of_mean, together = variance_parts(values, plan)
    return float(np.sqrt(max(of_mean - together / len(values), 0) / of_mean)) if of_mean > 0 else 0.0


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
    plan, values = measured_on(runs, metric, how)
    return _within_range(Interval(**interval_fields(values, plan, metric, seeds_of(runs), videos_only=True)))


def interval_over_seeds(runs: Sequence[ScoredVideos], metric: Metric, how: Resampling = DEFAULT) -> Interval:
    """Interval of the mean over seeds when only the seeds are chance: mean ± t s / sqrt(S), Student's t with S - 1 degrees.

    Not a bootstrap: five values have 126 different resamples, whose variance is a fifth too small and whose tails are too
    short, so that a 95 % percentile interval holds the true mean some 85 % of the time. Student's t is right if the
    seeds' values are normal, which five values can neither show nor refute. Five seeds give a rough spread (the
    standard deviation itself is known within a factor of 0.6 to 2.9) and a fair interval of the mean; they say nothing of rare
    bad seeds, and nothing of other test videos.

    Args and errors as in :func:`interval_over_videos`; also a DataError for a single seed.
    """
    check_row(runs)
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
        seeds_of(runs),
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
    plan, values = measured_on(runs, metric, how)
    return _within_range(Interval(**interval_fields(values, plan, metric, seeds_of(runs))))


def measured_on(runs: Sequence[ScoredVideos], metric: Metric, how: Resampling) -> tuple[VideoChoices, np.ndarray]:
    check_row(runs)
    plan = plan_choices(runs[0], how)
    return plan, values_on(runs, plan, metric)


def values_on(runs: Sequence[ScoredVideos], plan: VideoChoices, metric: Metric) -> np.ndarray:
    return np.stack([resampled(run, plan.counts, metric) for run in runs])


def seeds_of(runs: Sequence[ScoredVideos]) -> tuple[int, ...]:
    return tuple(run.seed for run in runs)


def check_row(runs: Sequence[ScoredVideos]) -> None:
    if not runs:
        raise DataError("interval: expected the runs of one row, got none; train this variant first.")
    if len(set(seeds_of(runs))) != len(runs):
        raise DataError(
            f"{runs[0].title}: expected every seed once, got {', '.join(map(str, seeds_of(runs)))}; give each run once."
        )
    for run in runs[1:]:
        check_same_test(runs[0], run)


def check_same_test(first: ScoredVideos, second: ScoredVideos) -> None:
    names = [f"{run.title} (seed {run.seed})" for run in (first, second)]
    if first.videos != second.videos:
        only = sorted({*first.videos} ^ {*second.videos})
        what = f"{len(only)} videos that one of them lacks, such as {only[0]}" if only else "their videos in another order"
        raise DataError(f"{names[1]} was scored on other test videos than {names[0]}: {what}. Run both again on one data set.")
    same = np.array_equal(first.normal_frames, second.normal_frames) and np.array_equal(first.events, second.events)
    if not same:
        raise DataError(f"{names[1]} has other frame labels than {names[0]} on the same videos; run both again on one data set.")


def interval_text(found: Interval) -> str:
    """Cell of a table: mean, standard deviation over seeds if there are several, and interval, in percent.

    Example:
        >>> interval_text(Interval("auc", 0.8431, 0.0052, 0.8310, 0.8544, 0.95, "", (1, 2), (0.8394, 0.8468), 290))
        '84.31 ± 0.52 [83.10, 85.44]'
    """
    spread = "" if found.sd is None else f" ± {100 * found.sd:.2f}"
    return f"{100 * found.mean:.2f}{spread} [{100 * found.low:.2f}, {100 * found.high:.2f}]"
