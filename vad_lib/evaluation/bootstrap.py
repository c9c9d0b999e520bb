"""Drawing the test videos with replacement, and the confidence distribution that follows: the bootstrap.

A draw of the test videos is a row of counts, how often each was drawn. Metrics on many draws are computed from such rows
(:func:`vad_lib.evaluation.scored_videos.metric_on_draws`), without drawing a single frame.

Legend: V test videos, B draws, J videos that can be left out.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from vad_lib.errors import ConfigError, UndefinedMetricError
from vad_lib.evaluation.scored_videos import ScoredVideos

FEWEST = 4  # videos of a stratum: fewer give too few different draws for the ends of an interval
_ROUNDS = 1000  # of drawing again before a test set counts as one that has one class only


class Bootstrap(NamedTuple):
    """How test videos are drawn.

    Attributes:
        level: of the intervals.
        num_draws: B; 2,000 leave the ends of a 95 % interval a random error of some 3 % of its half-width.
        seed: of the draws; two rows with the same seed are compared on the same draws.
        stratified: draw normal and abnormal videos apart, each as many as there are. The makers of a test set chose how
            many of each it has, so their share is no chance; and average precision begins at the share of abnormal
            frames, so that letting it vary would widen its intervals for a reason that no method answers for.
    """

    level: float = 0.95
    num_draws: int = 2000
    seed: int = 0
    stratified: bool = True

    def shared(self, answers: int) -> "Bootstrap":
        """The level shared among the answers to one question (Bonferroni): of many equal ones, one would seem better by chance.

        Example:
            >>> Bootstrap().shared(2).level
            0.975
        """
        return self._replace(level=1 - (1 - self.level) / max(answers, 1))

    def check(self) -> None:
        """A ConfigError unless intervals can be made so: a level between 0 and 1, and one draw or more."""
        check_share("bootstrap, level", self.level)
        if self.num_draws < 1:
            raise ConfigError(f"bootstrap, num_draws: expected 1 or more, got {self.num_draws}; 2,000 serve a 95 % interval.")


def check_share(what: str, value: float) -> None:
    """A ConfigError unless a level or a power lies between 0 and 1; NaN does not."""
    if not 0 < value < 1:
        raise ConfigError(f"{what}: expected a number between 0 and 1, got {value}; 95 % is 0.95.")


DEFAULT_BOOTSTRAP = Bootstrap()


def draw_videos(scored: ScoredVideos, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> tuple[np.ndarray, int]:
    """Draw test videos with replacement.

    Args:
        scored: of any run on the test set; its scores play no part.
        bootstrap: number, seed and strata of the draws.

    Returns:
        how often each video was drawn, int64 (B, V); and how many draws had frames of one class only and were made again.
        That is none for a stratified test set of normal videos and abnormal ones with abnormal frames.

    Raises:
        UndefinedMetricError: the videos have frames of one class only.
        ConfigError: a level outside (0, 1), or no draw.
    """
    bootstrap.check()
    rng = np.random.default_rng(bootstrap.seed)
    counts = np.zeros((bootstrap.num_draws, len(scored.videos)), dtype=np.int64)
    todo, redrawn = np.arange(bootstrap.num_draws), 0
    for _ in range(_ROUNDS):
        for stratum in _strata(scored, bootstrap):
            counts[np.ix_(todo, stratum)] = rng.multinomial(len(stratum), np.full(len(stratum), 1 / len(stratum)), size=len(todo))
        one_class = (counts[todo] @ scored.abnormal_frames == 0) | (counts[todo] @ scored.normal_frames == 0)
        todo = todo[one_class]
        if not len(todo):
            return counts, redrawn
        redrawn += len(todo)
    raise UndefinedMetricError(
        f"{scored.title}: the bootstrap needs abnormal and normal frames, and the {len(scored.videos)} test videos do not give "
        "both; add videos of the other class."
    )


def _strata(scored: ScoredVideos, bootstrap: Bootstrap) -> list[np.ndarray]:
    """Places of the videos that are drawn from each other, one array per stratum."""
    if not bootstrap.stratified:
        return [np.arange(len(scored.videos))]
    parts = (np.flatnonzero(~scored.abnormal_video), np.flatnonzero(scored.abnormal_video))
    return [part for part in parts if len(part)]


class Draws(NamedTuple):
    """The choices of test videos that a metric is measured on for an interval: all, all but one, and the draws.

    Attributes:
        counts: float64 (1 + J + B, V), how often each video stands in each choice.
        left_out: rows of ``counts`` that leave out one video, per stratum.
        bootstrap: that the draws were made by.
        redrawn: draws with frames of one class only, made again.
        fewest: videos of the smallest stratum.
    """

    counts: np.ndarray
    left_out: tuple[slice, ...]
    bootstrap: Bootstrap
    redrawn: int
    fewest: int

    @property
    def enough(self) -> bool:
        """Whether every stratum has :data:`FEWEST` videos: one drawn from itself never varies, and two or three hardly do."""
        return self.fewest >= FEWEST

    def of_draws(self, values: np.ndarray) -> np.ndarray:
        """Of values on all choices, (..., 1 + J + B), those on the draws, (..., B)."""
        return values[..., -self.bootstrap.num_draws :]


def all_draws(scored: ScoredVideos, bootstrap: Bootstrap) -> Draws:
    """Draw the test videos for an interval.

    Args:
        scored: of any run on the test set; its scores play no part.
        bootstrap: number, seed and strata of the draws.

    Raises:
        UndefinedMetricError: the videos have frames of one class only.
        ConfigError: a level outside (0, 1), or no draw.
    """
    drawn, redrawn = draw_videos(scored, bootstrap)
    counts, left_out, row, strata = [np.ones((1, len(scored.videos)))], [], 1, _strata(scored, bootstrap)
    for stratum in strata:
        without = 1 - np.eye(len(scored.videos))[stratum]
        # a video that alone has the frames of a class cannot be left out; the others give the acceleration
        without = without[(without @ scored.abnormal_frames > 0) & (without @ scored.normal_frames > 0)]
        counts.append(without)
        left_out.append(slice(row, row + len(without)))
        row += len(without)
    return Draws(np.concatenate([*counts, drawn]), tuple(left_out), bootstrap, redrawn, min(map(len, strata)))


def values_on_draws(statistic: Callable[..., float], sizes: Sequence[int], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> np.ndarray:
    """Any statistic on draws of one or several samples, for intervals of percentiles.

    Args:
        statistic: takes the drawn places in each sample, int64 (N_i,) each.
        sizes: N_i, of the samples.
        bootstrap: number and seed of the draws.

    Returns:
        float64 (B,).

    Raises:
        ConfigError: a level outside (0, 1), or no draw.

    Example: the mean of a sample of equal numbers does not depend on the draw.
        >>> values_on_draws(lambda places: np.full(5, 0.25)[places].mean(), [5], Bootstrap(num_draws=3)).tolist()
        [0.25, 0.25, 0.25]
    """
    bootstrap.check()
    rng = np.random.default_rng(bootstrap.seed)
    places = [rng.integers(0, size, (bootstrap.num_draws, size)) for size in sizes]
    return np.array([statistic(*drawn) for drawn in zip(*places)])


class SmallSample(NamedTuple):
    """How much wider an interval must be than its draws: n videos drawn from themselves vary too little, with too short tails.

    Attributes:
        factor: on the standard error: draws have (n - 1) / n of the variance of new videos, per stratum.
        df: degrees of freedom of that variance (Welch and Satterthwaite), for Student's t in place of the normal.
    """

    factor: float
    df: float

    def levels(self, levels: np.ndarray) -> np.ndarray:
        """Levels of the draws whose quantiles are those of new videos at ``levels``: expanded percentiles (Hesterberg 2015).

        Example: with many videos nothing changes; with few, the ends of a 95 % interval lie farther out.
            >>> SmallSample(1.0, np.inf).levels(np.array([0.025])).round(4), SmallSample(1.1, 5).levels(np.array([0.025])).round(4)
            (array([0.025]), array([0.0023]))
        """
        return np.clip(stats.norm.cdf(self.factor * stats.t.ppf(levels, self.df)), 1e-12, 1 - 1e-12)


def small_sample(left_out: Sequence[np.ndarray]) -> SmallSample:
    """The correction for few videos, from the jackknife.

    Args:
        left_out: per stratum of n videos, (n,), the statistic with one of its videos left out each.
    """
    parts = [part for part in left_out if len(part) > 1]
    sizes = np.array([len(part) for part in parts])
    of_new = np.array([(len(part) - 1) / len(part) * ((part - part.mean()) ** 2).sum() for part in parts])
    if not of_new.sum() > 0:
        return SmallSample(1.0, np.inf)
    of_draws = of_new * (sizes - 1) / sizes
    return SmallSample(float(np.sqrt(of_new.sum() / of_draws.sum())), float(of_new.sum() ** 2 / (of_new**2 / (sizes - 1)).sum()))


def bca_quantiles(levels: np.ndarray, drawn: np.ndarray, point: float, left_out: Sequence[np.ndarray]) -> np.ndarray:
    """Quantiles of the confidence distribution by the bias-corrected and accelerated bootstrap, BCa (Efron 1987).

    Chosen over plain percentiles because a metric near 1 is skewed and, as a ratio of sums, slightly biased: BCa corrects
    for both to second order. Ends of a 95 % interval are the levels 0.025 and 0.975, expanded by :func:`small_sample`.

    Args:
        levels: (L,), in (0, 1).
        drawn: (B,), the statistic on the draws.
        point: the statistic on all videos.
        left_out: per stratum, the statistic with one of its videos left out each.

    Returns:
        float64 (L,). Plain quantiles where all draws lie on one side of ``point``.
    """
    below = (np.mean(drawn < point) + np.mean(drawn <= point)) / 2
    bias = stats.norm.ppf(below) if 0 < below < 1 else 0.0
    influence = [(len(part) - 1) * (part.mean() - part) for part in left_out if len(part)]
    squares = sum((part**2).sum() / len(part) ** 2 for part in influence)
    cubes = sum((part**3).sum() / len(part) ** 3 for part in influence)
    acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0
    moved = bias + stats.norm.ppf(levels)
    # |acceleration| < 1/6, so the denominator vanishes far beyond the levels in use only; the limit is the last draw
    return np.quantile(drawn, stats.norm.cdf(bias + moved / np.maximum(1 - acceleration * moved, 1e-9)))
