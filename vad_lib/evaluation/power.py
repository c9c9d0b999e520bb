"""How many seeds and test videos it takes to see a difference, from the measured variance of a paired comparison.

All values are fractions. Legend: S seeds, V test videos.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation.bootstrap import check_share
from vad_lib.evaluation.comparisons import Comparison, Components
from vad_lib.evaluation.intervals import GRID, with_seeds

MOST = 1_000_000  # seeds or videos that are looked at


def half_width(components: Components, seeds: int, videos: int, level: float = 0.95) -> float:
    """Half the width of the interval that a comparison would have with these numbers of seeds and test videos.

    Args:
        components: measured by :func:`vad_lib.evaluation.comparisons.compare`.
        seeds: S, at least 2.
        videos: V, at least 1.
        level: of the interval.

    Returns:
        fraction.

    Raises:
        ConfigError: fewer than two seeds, no video, or a level or power outside (0, 1).

    Example: seeds alone give Student's t, videos alone the normal distribution.
        >>> round(half_width(Components(1.0, 0.0, 0.0, 5, 290), seeds=5, videos=290), 2)  # 2.776 / sqrt(5)
        1.24
        >>> round(half_width(Components(0.0, 1.0, 0.0, 5, 290), seeds=5, videos=100), 3)  # 1.96 / sqrt(100)
        0.196
    """
    if seeds < 2 or videos < 1:
        raise ConfigError(f"power: expected two seeds or more and one video or more, got {seeds} and {videos}.")
    check_share("power, level", level)
    of_seeds, of_videos = components.standard_errors(seeds, videos)
    tail = (1 + level) / 2
    if not of_seeds or not of_videos:  # the closed form, exact
        return float(of_seeds * stats.t.ppf(tail, seeds - 1) + of_videos * stats.norm.ppf(tail))
    return with_seeds(of_videos * stats.norm.ppf(GRID), of_seeds, seeds - 1, tail)


def detectable(components: Components, seeds: int, videos: int, *, level: float = 0.95, power: float = 0.8) -> float:
    """The true difference that a paired comparison calls better or worse with about the probability ``power``; a fraction.

    The half-width of the interval plus what chance takes away in the other cases, ``power``'s normal quantile of the
    standard error. With few seeds the half-width is itself uncertain, and the probability is lower: where seeds alone vary,
    77 % in place of 80 % with five seeds, 71 % with two.

    Args:
        components: measured by :func:`vad_lib.evaluation.comparisons.compare`.
        seeds: S, at least 2.
        videos: V, at least 1.
        level: of the interval.
        power: chance of seeing the difference, in (0, 1).

    Raises:
        ConfigError: fewer than two seeds, no video, or a level or power outside (0, 1).

    Example: 1.96 and 0.84 standard errors.
        >>> round(detectable(Components(0.0, 1.0, 0.0, 5, 290), seeds=5, videos=100), 3)
        0.28
    """
    check_share("power", power)
    half = half_width(components, seeds, videos, level)
    return half + float(stats.norm.ppf(power) * np.hypot(*components.standard_errors(seeds, videos)))


def seeds_needed(components: Components, step: float, videos: int | None = None, *, level: float = 0.95) -> int | None:
    """The fewest seeds with which a true difference of ``step`` is seen with probability 0.8.

    Args:
        components: measured by :func:`vad_lib.evaluation.comparisons.compare`.
        step: fraction, such as 0.0011 for 0.11 points.
        videos: V; None for as many as were measured.
        level: of the interval.

    Returns:
        at least 2; None if no number suffices, because the test videos alone hide the step, or more than a million.
    """
    videos = videos or components.num_videos
    return _fewest(lambda seeds: detectable(components, seeds, videos, level=level) <= step, 2)


def videos_needed(components: Components, step: float, seeds: int | None = None, *, level: float = 0.95) -> int | None:
    """The fewest test videos, of the same kind, with which a true difference of ``step`` is seen with probability 0.8.

    Args:
        components: measured by :func:`vad_lib.evaluation.comparisons.compare`.
        step: fraction, such as 0.0011 for 0.11 points.
        seeds: S; None for as many as were measured.
        level: of the interval.

    Returns:
        at least 1; None if no number suffices, because the seeds alone hide the step, or more than a million.
    """
    seeds = seeds or components.num_seeds
    return _fewest(lambda videos: detectable(components, seeds, videos, level=level) <= step, 1)


def _fewest(suffices: Callable[[int], bool], least: int) -> int | None:
    """The smallest number that suffices, None if not even :data:`MOST` does; more never suffice less."""
    found = bisect_left(range(least, MOST + 1), True, key=suffices) + least
    return found if found <= MOST else None


def needed_for_steps(compared: Mapping[tuple[str, str], Comparison], steps: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Seeds and test videos that would show each step, by its own measured variance and at the level of its interval.

    Args:
        compared: (row, row below it) -> both compared here; without a second seed there is no variance, and the step is left out.
        steps: the same pairs -> difference to show, a fraction; :func:`paper_steps` gives the paper's.

    Returns:
        ``step``, ``difference``, ``seeds`` (with the measured number of test videos) and ``videos`` (with the measured number
        of seeds), missing where no number suffices.
    """
    rows = []
    for pair, step in steps.items():
        found = compared.get(pair)
        if found and found.components:
            needed = (count(found.components, step, level=found.level) for count in (seeds_needed, videos_needed))
            rows.append((f"{found.second} against {found.first}", step, *needed))
    frame = pd.DataFrame(rows, columns=["step", "difference", "seeds", "videos"])
    return frame.astype({"seeds": "Int64", "videos": "Int64"})


def power_curves(components: Components) -> pd.DataFrame:
    """Half-width and detectable difference over the number of seeds, and over the number of test videos.

    Args:
        components: measured by :func:`vad_lib.evaluation.comparisons.compare`.

    Returns:
        rows of ``over`` (``seeds``, 2 to 50 of them, or ``videos``, a quarter to sixty-four times as many; the other number as
        measured), ``seeds``, ``videos``, ``half_width`` and ``detectable`` (fractions).
    """
    seeds = (*range(2, 11), 12, 14, 16, 20, 25, 30, 40, 50)
    videos = np.unique(np.geomspace(max(components.num_videos / 4, 1), 64 * components.num_videos, 25).astype(int)).tolist()
    pairs = [("seeds", number, components.num_videos) for number in seeds]
    pairs += [("videos", components.num_seeds, number) for number in videos]
    rows = [(*pair, half_width(components, *pair[1:]), detectable(components, *pair[1:])) for pair in pairs]
    return pd.DataFrame(rows, columns=["over", "seeds", "videos", "half_width", "detectable"])


def paper_steps(reported: pd.DataFrame, dataset: str, table: str = "table4") -> dict[tuple[str, str], float]:
    """The paper's own steps: a row of its Table 4 or 5 and the row below it -> the gain, on UCF-Crime 0.11, 0.53 and 0.48 points.

    Args:
        reported: of :func:`vad_lib.report.tables.reported.read_reported`.
        dataset: ``UCF-Crime`` or ``XD-Violence``.
        table: ``table4`` or ``table5``.

    Returns:
        (row, row below it) -> fraction, rounded to the digits that the paper prints.

    Raises:
        DataError: fewer than two rows of the table.
    """
    chosen = (reported["item"] == table) & (reported["origin"] == "paper") & (reported["dataset"] == dataset)
    rows = reported[chosen]
    if len(rows) < 2:
        raise DataError(
            f"steps of the paper on {dataset}: expected rows of {table}, got {len(rows)}; name UCF-Crime or XD-Violence."
        )
    changes = rows["value"].diff().iloc[1:]
    return {step: round(float(change) / 100, 6) for step, change in zip(pairwise(rows["method"]), changes, strict=True)}
