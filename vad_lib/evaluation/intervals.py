"""Can these numbers be trusted? Intervals of a row's metric: draw videos, measure on the draws, put seeds and videos together.

A metric of a table has two sources of chance: the seed that a model was trained with, and the videos that happen to
be in the test set. Seeds and videos are crossed, not nested: every seed is scored on the same videos, so more seeds
make the first source smaller and never the second.

All values are fractions; :func:`interval_text` makes percent of them. The same arguments give the same numbers.

Legend: S seeds, V test videos, B draws of the videos, J videos that can be left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import stdtr

from vad_lib.errors import DataError
from vad_lib.evaluation.bootstrap import (
    DEFAULT_BOOTSTRAP,
    FEWEST,
    Bootstrap,
    Draws,
    all_draws,
    bca_quantiles,
    check_share,
    small_sample,
)
from vad_lib.evaluation.scored_videos import Metric, ScoredVideos, metric_on_draws

# A confidence distribution as 601 of its levels with their probabilities: equally spaced for the normal, so that it has its tails.
_EDGES = np.linspace(-6, 6, 602)
GRID = stats.norm.cdf((_EDGES[1:] + _EDGES[:-1]) / 2)
_MASS = np.diff(stats.norm.cdf(_EDGES))
SHARES = _MASS / _MASS.sum()


@dataclass(frozen=True)
class Interval:
    """A row's metric with its uncertainty; fractions.

    Attributes:
        metric: one of :data:`vad_lib.evaluation.scored_videos.Metric`.
        mean: over seeds, on all test videos.
        sd: standard deviation over seeds, None for one seed.
        low, high: ends of the interval, cut at 0 and 1 for a metric.
        level: how often such intervals hold the true value.
        kind: what was taken to be chance, and how the interval was made.
        seeds: of the runs.
        values: of each seed.
        num_videos: test videos.
        num_draws: 0 where no videos were drawn.
        redrawn: draws with frames of one class only, made again.
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
    num_draws: int = 0
    redrawn: int = 0

    @property
    def num_seeds(self) -> int:
        return len(self.seeds)


def interval(runs: Sequence[ScoredVideos], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Interval:
    """Interval of the mean over seeds with both sources of chance: another seed and other test videos.

    The two confidence distributions are added: Student's t of the seeds and the BCa bootstrap of the videos, drawn once
    for all seeds because the seeds share their videos. Drawing seeds as well would do the same for many seeds, and understate few:
    five values have 126 different draws, whose variance is a fifth too small and whose tails are too short. What a seed does on
    single videos shows in both spreads; it is counted once, with the seeds. In simulations with 2 to 5 seeds, whichever source
    prevailed, a 95 % interval held the true mean 94 to 98 % of the time; with drawn seeds it was 84 % for five and 45 % for two
    where seeds alone differ. Few videos of a class are corrected for (:func:`vad_lib.evaluation.bootstrap.small_sample`): with 12
    normal and 6 abnormal ones it was 94 %, without the correction 90 %.

    If the seeds agree this is :func:`interval_over_videos`; if the videos do, Student's t of the seeds, mean ± t s / sqrt(S) with
    S - 1 degrees of freedom. With one seed it is the former, and ``kind`` says so.

    Args:
        runs: one run, or the seeds of one row.
        metric: ``auc``, ``ap`` or a fine-grained one.
        bootstrap: level of the interval, number and seed of the draws.

    Raises:
        DataError: no run, a seed twice, or runs on different test videos.
    """
    draws, values = draws_and_values(runs, metric, bootstrap)
    return _within_range(interval_of_values(values, draws, metric, seeds_of(runs)))


def interval_over_videos(runs: Sequence[ScoredVideos], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Interval:
    """Interval of the mean over seeds when only the test videos are chance: what other videos would do to these models.

    Test videos are drawn with replacement, normal and abnormal ones apart, the same ones for every seed. The ends are those of
    the bias-corrected and accelerated bootstrap (BCa), because a metric near 1 is skewed.

    Args:
        runs: one run, or the seeds of one row.
        metric: ``auc``, ``ap`` or a fine-grained one.
        bootstrap: level of the interval, number and seed of the draws.

    Raises:
        DataError: no run, a seed twice, or runs on different test videos.
    """
    draws, values = draws_and_values(runs, metric, bootstrap)
    return _within_range(interval_of_values(values, draws, metric, seeds_of(runs), videos_only=True))


def mean_sd_half_width(values: np.ndarray, level: float) -> tuple[float, float | None, float]:
    """Mean and standard deviation of the seeds' values (S,), and the half-width of Student's t interval of the mean.

    One value has no standard deviation, and an infinite half-width. A level outside (0, 1) is a ConfigError.

    Example: two values that differ by 2; t of one degree of freedom is 12.7.
        >>> tuple(round(number, 2) for number in mean_sd_half_width(np.array([0.0, 2.0]), 0.95))
        (1.0, 1.41, 12.71)
    """
    check_share("interval, level", level)
    if len(values) == 1:
        return float(values[0]), None, float("inf")
    sd = float(values.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * sd / np.sqrt(len(values))
    return float(values.mean()), sd, float(half)


def draws_and_values(runs: Sequence[ScoredVideos], metric: Metric, bootstrap: Bootstrap) -> tuple[Draws, np.ndarray]:
    """Draws of the test videos of a row, and the metric of every seed on each of them, float64 (S, 1 + J + B)."""
    check_row(runs)
    draws = all_draws(runs[0], bootstrap)
    return draws, values_on(draws, runs, metric)


def values_on(draws: Draws, runs: Sequence[ScoredVideos], metric: Metric) -> np.ndarray:
    """The metric of every run on all videos, all but one, and the draws; float64 (S, 1 + J + B).

    Tables ask the same of a run again and again, once for its interval and once for each row beside it: a run keeps the answer.

    Args:
        draws: from :func:`vad_lib.evaluation.bootstrap.all_draws`, of any run on the same test videos.
        runs: S of them.
        metric: one of :data:`vad_lib.evaluation.scored_videos.Metric`.
    """
    made_by = (metric, draws.bootstrap._replace(level=0.0))  # the level changes no draw
    for run in runs:
        if made_by not in run.on_draws:
            run.on_draws[made_by] = metric_on_draws(run, draws.counts, metric)
    return np.stack([run.on_draws[made_by] for run in runs])


def interval_of_values(
    values: np.ndarray, draws: Draws, metric: str, seeds: tuple[int, ...], *, videos_only: bool = False
) -> Interval:
    """Interval of the mean over seeds of any statistic that was measured on the draws, of a difference too.

    Fewer than four test videos of a class say too little of others: the interval is then -1 to 1, all that a difference of
    fractions can be, and its ``kind`` says why.

    Args:
        values: float64 (S, 1 + J + B), of each seed.
        draws: that the statistic was measured on.
        metric: its name.
        seeds: of the rows of ``values``; with one of them only the test videos are chance.
        videos_only: True if only the test videos are chance.
    """
    bootstrap, points, mean = draws.bootstrap, values[:, 0], values.mean(axis=0)
    tails = np.array([(1 - bootstrap.level) / 2, (1 + bootstrap.level) / 2])
    strata = "normal and abnormal apart" if bootstrap.stratified else "all together"
    left_out = [mean[rows] for rows in draws.left_out]
    if not draws.enough:
        low, high = -1.0, 1.0
        kind = f"none: fewer than {FEWEST} test videos of a class, so any value is possible; add test videos"
    elif videos_only or len(seeds) == 1:
        low, high = bca_quantiles(small_sample(left_out).levels(tails), draws.of_draws(mean), mean[0], left_out)
        kind = f"test videos, {len(seeds)} seed{'s' * (len(seeds) > 1)} fixed (BCa bootstrap, {strata})"
    else:
        levels = np.concatenate([tails, GRID])
        of_videos = bca_quantiles(small_sample(left_out).levels(levels), draws.of_draws(mean), mean[0], left_out) - mean[0]
        of_videos = of_videos * _share_of_videos(values, draws)
        error = float(points.std(ddof=1) / np.sqrt(len(seeds)))
        ends = [with_seeds(of_videos[2:], error, len(seeds) - 1, tail) for tail in tails] if error else of_videos[:2]
        low, high = mean[0] + np.array(ends)
        kind = f"seeds (Student's t) and test videos (BCa bootstrap, {strata})"
    return Interval(
        metric=metric,
        mean=float(mean[0]),
        sd=float(points.std(ddof=1)) if len(seeds) > 1 else None,
        low=float(low),
        high=float(high),
        level=bootstrap.level,
        kind=kind,
        seeds=seeds,
        values=tuple(points.tolist()),
        num_videos=draws.counts.shape[1],
        num_draws=bootstrap.num_draws,
        redrawn=draws.redrawn,
    )


def with_seeds(of_videos: np.ndarray, error: float, df: int, level: float) -> float:
    """A quantile of the sum of two independent parts: the videos', and Student's t of the seeds.

    Args:
        of_videos: (601,), quantiles of the first part at the levels :data:`GRID`, ascending.
        error: standard error of the seeds' mean, above 0.
        df: its degrees of freedom.
        level: of the quantile.

    Example: where videos do not matter it is Student's t.
        >>> round(with_seeds(np.zeros(601), 1.0, 4, 0.975), 3)
        2.776
    """
    t = float(stats.t.ppf(level, df)) * error
    # in each case of the videos the seeds must stay below what is left; the root lies between t plus their least and greatest
    low, high = t + float(of_videos.min()) - 1e-12, t + float(of_videos.max()) + 1e-12
    return float(brentq(lambda end: float(SHARES @ stdtr(df, (end - of_videos) / error)) - level, low, high, xtol=1e-10))


def variances_over_draws(values: np.ndarray, draws: Draws) -> tuple[float, float]:
    """Variances over new videos: of the mean over seeds; and of what a single seed does beyond that mean."""
    drawn = draws.of_draws(values)
    mean, seeds = drawn.mean(axis=0), len(values)
    factor = small_sample([values.mean(axis=0)[rows] for rows in draws.left_out]).factor ** 2
    return float(factor * mean.var(ddof=1)), float(factor * (drawn - mean).var(axis=1, ddof=1).mean() * seeds / (seeds - 1))


def _share_of_videos(values: np.ndarray, draws: Draws) -> float:
    """Factor on the videos' part: what seeds do on single videos shows in both parts and is counted with the seeds."""
    of_mean, together = variances_over_draws(values, draws)
    return float(np.sqrt(max(of_mean - together / len(values), 0) / of_mean)) if of_mean > 0 else 0.0


def _within_range(found: Interval) -> Interval:
    """The part of an interval that an area under a curve can take: [0, 1]. Student's t knows no such ends."""
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def seeds_of(runs: Sequence[ScoredVideos]) -> tuple[int, ...]:
    return tuple(run.seed for run in runs)


def check_row(runs: Sequence[ScoredVideos]) -> None:
    """Check that the runs are the seeds of one row, on the same test videos.

    Raises:
        DataError: no run, a seed twice, or runs on different test videos.
    """
    if not runs:
        raise DataError("interval: expected the runs of one row, got none; train this variant first.")
    if len(set(seeds_of(runs))) != len(runs):
        raise DataError(
            f"{runs[0].title}: expected every seed once, got {', '.join(map(str, seeds_of(runs)))}; give each run once."
        )
    for run in runs[1:]:
        check_same_videos(runs[0], run)


def check_same_videos(first: ScoredVideos, second: ScoredVideos) -> None:
    """Check that two runs were scored on the same test videos with the same labels.

    Raises:
        DataError: they were not; the message names both runs.
    """
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
