"""Paired comparisons of two rows, on the same seeds and test videos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from vad_lib.config import RULES
from vad_lib.errors import DataError
from vad_lib.evaluation import scoring
from vad_lib.evaluation.intervals import (
    DEFAULT,
    Interval,
    Resampling,
    VideoChoices,
    check_row,
    check_same_test,
    interval_fields,
    measured_on,
    plan_choices,
    seeds_of,
    values_on,
    variance_parts,
)
from vad_lib.evaluation.scored_videos import HasFolder, Metric, ScoredVideos, load_all

Word = Literal["better", "worse", "cannot tell"]

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
        components: of the variance; None for one seed.
    """

    first: str = ""
    second: str = ""
    components: Components | None = None

    @property
    def word(self) -> Word:
        """What may be said of the second row against the first: the interval excludes 0, or one cannot tell."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "cannot tell"


def _components(values: np.ndarray, plan: VideoChoices) -> Components | None:
    if len(values) == 1:
        return None
    seeds, videos = len(values), plan.counts.shape[1]
    of_mean, together = variance_parts(values, plan)
    return Components(
        max(float(values[:, 0].var(ddof=1)) - together, 0.0),
        videos * max(of_mean - together / seeds, 0.0),
        videos * together,
        seeds,
        videos,
    )


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
    check_row(first)
    check_row(second)
    check_same_test(first[0], second[0])
    common = sorted({*seeds_of(first)} & {*seeds_of(second)})
    if not common:
        raise DataError(
            f"{first[0].title} has seeds {', '.join(map(str, seeds_of(first)))} and {second[0].title} "
            f"{', '.join(map(str, seeds_of(second)))}: a paired comparison needs common ones; train both with the same seeds."
        )
    chosen = [[{run.seed: run for run in row}[seed] for seed in common] for row in (first, second)]
    plan = plan_choices(first[0], how)
    return _compared(
        *(values_on(row, plan, metric) for row in chosen), plan, metric, tuple(common), first[0].title, second[0].title
    )


def _compared(
    first: np.ndarray, second: np.ndarray, plan: VideoChoices, metric: str, seeds: tuple[int, ...], title: str, other: str
) -> Comparison:
    values = second - first
    return Comparison(
        **interval_fields(values, plan, metric, seeds), first=title, second=other, components=_components(values, plan)
    )


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
    plan, best = measured_on(chosen, metric, how)
    return {
        rule: _compared(values_on(by_rule[rule], plan, metric), best, plan, metric, seeds_of(chosen), rule, "best_on_test")
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
    plan, plain = measured_on(runs, metric, how.shared(len(settings) - 1))
    rows = []
    for setting, rule, window, change in settings:
        values = plain if rule == "none" else values_on([change(run) for run in runs], plan, metric)
        found = _compared(plain, values, plan, metric, seeds_of(runs), "as scored", setting)
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


def comparison_text(found: Comparison) -> str:
    """Cell of a table: difference and interval in percentage points, and what may be said.

    Example:
        >>> comparison_text(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        '+0.53 [-0.61, +1.72] cannot tell'
    """
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}] {found.word}"
