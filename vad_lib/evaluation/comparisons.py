"""Paired comparisons of two rows, on the same seeds and test videos."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from vad_lib.errors import DataError
from vad_lib.evaluation import scoring
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, Draws, all_draws
from vad_lib.evaluation.intervals import (
    Interval,
    check_row,
    check_same_videos,
    draws_and_values,
    interval_of_values,
    seeds_of,
    values_on,
    variances_over_draws,
)
from vad_lib.evaluation.operating import recall_on_draws
from vad_lib.evaluation.scored_videos import Metric, ScoredVideos

Verdict = Literal["better", "worse", "cannot tell"]

SLIDING_WINDOWS, BLOCK_WINDOWS = (3, 7, 15), (4, 8, 16)  # snippets; 7 and 8 are PEL4VAD's, see scoring.smoothed


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
        components: of the variance; None for one seed, or one test video of a class.
    """

    first: str = ""
    second: str = ""
    components: Components | None = None

    @property
    def verdict(self) -> Verdict:
        """What may be said of the second row against the first: the interval excludes 0, or one cannot tell."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "cannot tell"

    @property
    def same(self) -> bool:
        """Whether the rows are equal in each of several seeds: then nothing is open, as *cannot tell* would say."""
        return self.num_seeds > 1 and not any((*self.values, self.low, self.high))

    @property
    def word(self) -> str:
        """The verdict in texts: ``the same``, or :attr:`verdict`."""
        return "the same" if self.same else self.verdict


def compare(
    first: Sequence[ScoredVideos], second: Sequence[ScoredVideos], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> Comparison:
    """Paired comparison of two rows: the second minus the first, seed by seed, on the same draws of the same videos.

    What both rows share (a hard video, the split and the batches of a seed) drops out of the difference. The interval adds
    both sources of chance, as :func:`vad_lib.evaluation.intervals.interval` does, for the differences; with one common seed it
    speaks of these two models only, not of their methods. It is for one comparison; of twenty between equal rows one will seem
    to differ. For m of them take the level 1 - 0.05 / m.

    Args:
        first: runs of a row; seeds that the other row lacks are left out.
        second: runs of another row, or of the same under another selection.
        metric: ``auc``, ``ap`` or a fine-grained one.
        bootstrap: level of the interval, number and seed of the draws.

    Raises:
        DataError: no run, a seed twice, no common seed, or runs on different test videos.
    """
    one, other = _on_common_seeds(first, second)
    draws = all_draws(first[0], bootstrap)
    values = values_on(draws, one, metric), values_on(draws, other, metric)
    return _compared(*values, draws, metric, seeds_of(one), (first[0].title, second[0].title))


def _on_common_seeds(
    first: Sequence[ScoredVideos], second: Sequence[ScoredVideos]
) -> tuple[list[ScoredVideos], list[ScoredVideos]]:
    """The runs of two rows with the seeds that both have, in the order of the seeds."""
    check_row(first)
    check_row(second)
    check_same_videos(first[0], second[0])
    common = sorted({*seeds_of(first)} & {*seeds_of(second)})
    if not common:
        raise DataError(
            f"{first[0].title} has seeds {', '.join(map(str, seeds_of(first)))} and {second[0].title} "
            f"{', '.join(map(str, seeds_of(second)))}: a paired comparison needs common ones; train both with the same seeds."
        )
    one, other = ([{run.seed: run for run in row}[seed] for seed in common] for row in (first, second))
    return one, other


def have_common_seeds(first: Sequence[ScoredVideos], second: Sequence[ScoredVideos]) -> bool:
    """Whether two rows can be compared, which needs a seed that both were run with."""
    return bool({*seeds_of(first)} & {*seeds_of(second)})


def _compared(
    first: np.ndarray, second: np.ndarray, draws: Draws, metric: str, seeds: tuple[int, ...], titles: tuple[str, str]
) -> Comparison:
    """The comparison of two rows whose values (S, 1 + J + B) were measured on the same draws."""
    found = interval_of_values(second - first, draws, metric, seeds)
    return Comparison(**vars(found), first=titles[0], second=titles[1], components=_components(second - first, draws))


def _components(values: np.ndarray, draws: Draws) -> Components | None:
    """Parts of the variance of the seeds' differences, (S, 1 + J + B); None for one seed, or too few videos."""
    if len(values) == 1 or not draws.enough:
        return None
    seeds, videos = len(values), draws.counts.shape[1]
    of_mean, together = variances_over_draws(values, draws)
    return Components(
        between_seeds=max(float(values[:, 0].var(ddof=1)) - together, 0.0),
        between_videos=videos * max(of_mean - together / seeds, 0.0),
        together=videos * together,
        num_seeds=seeds,
        num_videos=videos,
    )


def compare_recall(
    first: Sequence[ScoredVideos], second: Sequence[ScoredVideos], rate: float, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> Comparison:
    """As :func:`compare`, of the recall at a false alarm rate; each draw of the videos sets the threshold of each run anew.

    Args:
        first, second: as in :func:`compare`.
        rate: of the normal frames, a fraction in [0, 1).
        bootstrap: level of the interval, number and seed of the draws.

    Raises:
        DataError: no run, a seed twice, no common seed, or runs on different test videos.
        ConfigError: a rate outside [0, 1).
    """
    pair = _on_common_seeds(first, second)
    draws = all_draws(first[0], bootstrap)
    one, other = (np.stack([recall_on_draws(run, draws.counts, rate) for run in row]) for row in pair)
    metric = f"recall at {100 * rate:g} % false alarms"
    return _compared(one, other, draws, metric, seeds_of(pair[0]), (first[0].title, second[0].title))


def selection_gain(
    rows: Mapping[str, Sequence[ScoredVideos]], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[str, Comparison]:
    """What choosing the step on the test set is worth: ``best_on_test`` minus each honest selection, paired.

    The step stays the one that the full test set chose. Its gain is therefore what a reported number owes to the choice, and
    cannot be expected on new videos, whatever the interval says.

    Args:
        rows: the seeds of one row under each selection, as :func:`vad_lib.runs.scored_runs.scored_by_selection` gives them.
        metric: ``auc`` or ``ap``; the choice was made by the data set's headline metric.
        bootstrap: level of the interval, number and seed of the draws.

    Returns:
        ``best_on_validation`` and ``last`` -> gain over that selection.

    Raises:
        DataError: no run, a seed twice, or runs on different test videos.
    """
    chosen = rows["best_on_test"]
    draws, best = draws_and_values(chosen, metric, bootstrap)
    return {
        honest: _compared(values_on(draws, rows[honest], metric), best, draws, metric, seeds_of(chosen), (honest, "best_on_test"))
        for honest in ("best_on_validation", "last")
    }


class _Postprocessing(NamedTuple):
    setting: str
    kind: str
    window: int
    change: Callable[[ScoredVideos], ScoredVideos]


def _postprocessings() -> Iterator[_Postprocessing]:
    def smoothing(kind: scoring.Smoothing, window: int) -> Callable[[ScoredVideos], ScoredVideos]:
        return lambda run: run.with_scores(lambda scores: scoring.smoothed(scores, kind, window))

    for window in SLIDING_WINDOWS:
        yield _Postprocessing(f"sliding mean of {window} snippets", "sliding", window, smoothing("sliding", window))
    for window in BLOCK_WINDOWS:
        yield _Postprocessing(f"block means of {window} snippets", "blocks", window, smoothing("blocks", window))
    yield _Postprocessing("linear between snippets", "interpolated", 1, interpolated)


def postprocessing(
    runs: ScoredVideos | Sequence[ScoredVideos], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> pd.DataFrame:
    """The metric after smoothing the scores in time, against the scores as they are, paired.

    Args:
        runs: one run, or the seeds of one row.
        metric: ``auc`` or ``ap``.
        bootstrap: level of the intervals, shared among the settings; number and seed of the draws.

    Returns:
        one row per setting: ``setting``, ``kind`` (``none``, ``sliding``, ``blocks``, ``interpolated``), ``window`` in
        snippets, ``value`` (mean over seeds), ``change`` against the first row, its interval ``low`` to ``high``, and
        ``verdict``: better, worse, or cannot tell.
    """
    runs = [runs] if isinstance(runs, ScoredVideos) else runs
    settings = (_Postprocessing("as scored", "none", 1, lambda run: run), *_postprocessings())
    draws, plain = draws_and_values(runs, metric, bootstrap.shared(len(settings) - 1))
    rows = []
    for setting, kind, window, change in settings:
        values = plain if kind == "none" else values_on(draws, [change(run) for run in runs], metric)
        found = _compared(plain, values, draws, metric, seeds_of(runs), ("as scored", setting))
        rows.append((setting, kind, window, float(values[:, 0].mean()), found.mean, found.low, found.high, found.verdict))
    return pd.DataFrame(rows, columns=["setting", "kind", "window", "value", "change", "low", "high", "verdict"])


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
    score = np.concatenate(scores)
    return replace(scored, video=video, score=score, abnormal=abnormal, normal=1 - abnormal, fine_grained=None, crop_scores=None)


def crop_averaging(runs: Sequence[ScoredVideos], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> dict[str, Comparison]:
    """What the mean over more crops is worth in testing, against the first crop alone (the centre), paired.

    Args:
        runs: the seeds of one row, with scores of single crops.
        metric: ``auc`` or ``ap``.
        bootstrap: level of the intervals, shared among the answers; number and seed of the draws.

    Returns:
        ``5 crops`` (centre and corners) and ``10 crops`` (their mirror images too), or what there is ->
        comparison.

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
    shared = bootstrap.shared(len(counts))
    return {f"{count} crops": compare(first, [run.first_crops(count) for run in runs], metric, shared) for count in counts}


def points_of_percent(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign.

    Example:
        >>> points_of_percent(0.0297), points_of_percent(-0.0001)
        ('+3.0', '+0.0')
    """
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def end_text(end: float, digits: int = 1) -> str:
    """An end of an interval in points with some digits; with one more where it would look like 0 and is not.

    An interval that ends just below 0 says *worse*; printed as ``+0.0`` it would seem to hold 0.

    Example:
        >>> [end_text(end) for end in (-0.099, -0.0004, 0.00003, 0.0)]
        ['-9.9', '-0.04', 'just above 0', '+0.0']
    """
    for shown in (digits, digits + 1):
        text = f"{100 * end:+.{shown}f}"
        if float(text) or not end:
            return text
    return f"just {'above' if end > 0 else 'below'} 0"


def short_text(found: Comparison, unit: str = "") -> str:
    """Difference and interval in points with one digit, for a sentence.

    Args:
        found: the comparison.
        unit: word after the difference.

    Example:
        >>> short_text(Comparison("auc", -0.02, 0.01, -0.04, -0.0002, 0.95, "", (1, 2), (-0.02, -0.02), 290), "points")
        '-2.0 points, -4.0 to -0.02'
    """
    return f"{points_of_percent(found.mean)}{' ' * bool(unit)}{unit}, {end_text(found.low)} to {end_text(found.high)}"


def comparison_text(found: Comparison) -> str:
    """Cell of a table: difference and interval in percentage points, and what may be said.

    Example:
        >>> comparison_text(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        '+0.53 [-0.61, +1.72] cannot tell'
    """
    return f"{100 * found.mean:+.2f} [{end_text(found.low, 2)}, {end_text(found.high, 2)}] {found.verdict}"
