"""Comparisons in plain words."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vad_lib.evaluation.comparisons import Comparison, end_text, points_of_percent, short_text
from vad_lib.evaluation.intervals import Interval
from vad_lib.evaluation.power import detectable, needed_for_steps
from vad_lib.report.figures.alternative_texts import counted
from vad_lib.report.tables.table import METRIC_TITLES
from vad_lib.runs.run_folder import Run

WORDS = ("better", "worse", "cannot tell", "the same")
WIDE = 0.05  # half of an interval, a fraction, from which on the seeds are named


def comparison_sentence(found: Comparison | None, unit: str = "points") -> str:
    """A comparison as a plain answer, with its interval and what it rests on; ``not run`` for None.

    Rows that do not differ in any seed are *the same*: nothing is open there, as *cannot tell* would say.

    Example:
        >>> comparison_sentence(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        'cannot tell: +0.53 points, ± 1.17 (95 % interval -0.61 to +1.72; 2 seeds, 290 test videos)'
    """
    if found is None:
        return "not run"
    seeds = f"{found.num_seeds} seeds" if found.num_seeds > 1 else "one seed: of these two models, not of their methods"
    interval = f"{100 * found.level:.4g} % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}"
    half = f"± {50 * (found.high - found.low):.2f}"
    word = f"the same in all {found.num_seeds} seeds" if found.same else found.verdict
    return f"{word}: {100 * found.mean:+.2f} {unit}, {half} ({interval}; {seeds}, {found.num_videos} test videos)"


def short(found: Comparison) -> str:
    """A difference in points with half of its interval; says so if it is of one seed.

    Example:
        >>> short(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        '+0.5 ± 1.2'
    """
    half = 50 * (found.high - found.low)
    return f"{100 * found.mean:+.1f} ± {half:.1f}{', one seed' if found.num_seeds == 1 else ''}"


def question_verdict(found: Mapping[str, Comparison]) -> str:
    """One sentence for the answers to a question: which are better than the base, worse, or cannot be told from it.

    Behind each stands the difference in points and its interval.

    Example:
        >>> question_verdict({})
        'not run'
    """
    answers: dict[str, list[str]] = {word: [] for word in WORDS}
    most = max((c.num_seeds for c in found.values()), default=0)
    for answer, c in found.items():
        fewer = f"; {c.num_seeds} seeds" if c.num_seeds < most else ""
        answers[c.word].append(f"{answer} ({short_text(c)}{fewer}{seeds_apart(c)})")
    return "; ".join(f"{word}: {', '.join(these)}" for word, these in answers.items() if these) or "not run"


def seeds_apart(found: Comparison) -> str:
    """From the lowest to the highest seed, where an interval is wide: one or two failed seeds may be the reason.

    Example:
        >>> seeds_apart(Comparison("auc", -0.2, 0.3, -0.7, 0.3, 0.95, "", (1, 2, 3), (-0.7, 0.1, 0.0), 40))
        '; single seeds from -70 to +10 points'
    """
    if found.high - found.low < 2 * WIDE or found.num_seeds < 2:
        return ""
    lowest, highest = (f"{round(100 * end):+d}".replace("+0", "0") for end in (min(found.values), max(found.values)))
    return f"; single seeds from {lowest} to {highest} points"


def readings_sentence(found: Mapping[tuple[str, str], Comparison]) -> str:
    """How many readings of the paper are better or worse than a row or cannot be told from it, and the highest of them.

    Args:
        found: of :func:`vad_lib.open_questions.answers.readings_against`; without a reading the sentence is ``not run``.

    Example:
        >>> c = Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290)
        >>> readings_sentence({("gate", "fixed at 0.5"): c})
        'of 1 reading, better: 0, worse: 0, cannot tell: 1; the highest is gate, fixed at 0.5: cannot tell: +0.53 points, ± 1.17 \
(95 % interval -0.61 to +1.72; 2 seeds, 290 test videos)'
    """
    readings = {place: comparison for place, comparison in found.items() if place[0]}
    if not readings:
        return "not run"
    said = [comparison.word for comparison in readings.values()]
    counts = ", ".join(f"{word}: {said.count(word)}" for word in WORDS if word != "the same" or word in said)
    (question, answer), highest = max(readings.items(), key=lambda reading: reading[1].mean)
    number = "1 reading" if len(said) == 1 else f"{len(said)} readings"
    return f"of {number}, {counts}; the highest is {question}, {answer}: {comparison_sentence(highest)}"


def gate_sentence(runs: Mapping[str, Sequence[Run]]) -> str:
    """Where the gate of each answer ends that learns it; ``not run`` without one.

    Args:
        runs: of the question *gate*: answer -> its seeds.
    """
    ends = {answer: [run.monitored().get("w", np.nan) for run in made] for answer, made in runs.items() if _learns_gate(made)}
    told = [
        f"{answer}: w = {np.mean(found):.2f} at the last step ({min(found):.2f} to {max(found):.2f} over {len(found)} seeds)"
        for answer, found in ends.items()
        if np.isfinite(found).all()
    ]
    return "; ".join(told) or "not run"


def _learns_gate(runs: Sequence[Run]) -> bool:
    return all(run.config["options"].get("gate") != "fixed" for run in runs)


def chance_sentence(found: Interval, chance: float = 0.5) -> str:
    """Where a control's interval lies against chance; an interval that holds chance proves nothing.

    Args:
        found: of a control, which should be at chance.
        chance: what guessing gives, a fraction: 0.5 for AUC, the share of abnormal frames for average precision.

    Example:
        >>> chance_sentence(Interval("auc", 0.48, None, 0.3, 0.66, 0.95, "", (1,), (0.48,), 40))
        'cannot be told from chance (50.0 %): 48.0 % AUC (95 % interval 30.0 to 66.0)'
    """
    says = "is above" if found.low > chance else "is below" if found.high < chance else "cannot be told from"
    metric = METRIC_TITLES.get(found.metric, found.metric)
    numbers = (
        f"{100 * found.mean:.1f} % {metric} ({100 * found.level:g} % interval {100 * found.low:.1f} to {100 * found.high:.1f})"
    )
    return f"{says} chance ({100 * chance:.1f} %): {numbers}"


def needed_sentence(needed: pd.DataFrame) -> str:
    """How many seeds, or how many test videos, would show a difference, in sentences; equal needs share one.

    Args:
        needed: of :func:`vad_lib.evaluation.power.needed_for_steps`: ``step``, ``difference`` (fractions), ``seeds`` and
            ``videos``, missing where no number is enough.

    Example: the number of seeds is asked for with the test videos as they are, that of test videos with the seeds as they are.
        >>> steps = {"step": ["+ A", "+ B"], "difference": [0.02, 0.001]}
        >>> needed_sentence(pd.DataFrame({**steps, "seeds": [7, None], "videos": [40, None]}))
        '2.00 points (+ A): 7 seeds on these test videos, or 40 test videos with these seeds. 0.10 points (+ B): more seeds alone \
are never enough, and more test videos alone are not either'
    """
    needs: dict[str, list[str]] = {}
    for row in needed.itertuples():
        seeds, videos = (None if pd.isna(number) else f"{int(number):,}" for number in (row.seeds, row.videos))
        if seeds is None and videos is None:
            words = "more seeds alone are never enough, and more test videos alone are not either"
        else:
            of_seeds = f"{seeds} seeds on these test videos" if seeds else "more seeds alone are never enough"
            of_videos = f"{videos} test videos with these seeds" if videos else "more test videos alone are never enough"
            words = f"{of_seeds}, or {of_videos}" if seeds and videos else f"{of_seeds}; {of_videos}"
        needs.setdefault(words, []).append(f"{100 * row.difference:.2f} points ({row.step})")
    return ". ".join(f"{', '.join(steps)}: {words}" for words, steps in needs.items())


def power_sentence(
    pair: Comparison | None,
    compared: Mapping[tuple[str, str], Comparison],
    steps: Mapping[tuple[str, str], float],
    gain: float = 0.0,
    where: str = "",
) -> str:
    """What would show each of the paper's steps, what of the whole gain the runs at hand would show, and what was measured.

    Args:
        pair: the last row against the first one; None, or one seed, gives ``not run``.
        compared: (row, row below it) -> both compared here.
        steps: the same pairs -> difference to show, a fraction; none for a data set that the paper does not have.
        gain: the paper's own of the last row over the first one, a fraction.
        where: data set of the paper.
    """
    if pair is None or pair.components is None:
        return "not run"
    smallest = detectable(pair.components, pair.num_seeds, pair.num_videos)
    now = f"{pair.second} against {pair.first}: with the seeds and test videos here, a true difference of "
    now += f"{100 * smallest:.2f} points would be found in about 80 of 100 repetitions. Measured: {comparison_sentence(pair)}"
    if not steps:
        return now
    parts = [needed_sentence(needed_for_steps(compared, steps)), now, f"The paper: {paper_gain_sentence(pair, gain, where)}"]
    return ". ".join(filter(None, parts))


def paper_gain_sentence(found: Comparison, gain: float, where: str) -> str:
    """Where the paper's gain lies against the interval of the same difference here.

    Args:
        found: the last row against the first one.
        gain: a fraction, the sum of :func:`vad_lib.evaluation.power.paper_steps`.
        where: data set of the paper.

    Example:
        >>> c = Comparison("auc", -0.005, 0.01, -0.011, 0.002, 0.95, "", (1, 2), (-0.005, -0.005), 290)
        >>> paper_gain_sentence(c, 0.0064, "UCF-Crime")
        '+0.64 points on UCF-Crime are above the interval here, -1.10 to +0.20'
    """
    place = "above" if gain > found.high else "below" if gain < found.low else "inside"
    return f"{100 * gain:+.2f} points on {where} are {place} the interval here, {100 * found.low:+.2f} to {100 * found.high:+.2f}"


def selection_sentence(gains: Mapping[str, Mapping[str, Comparison]]) -> str:
    """What choosing the step on the test set adds: over the rows with true labels, for the control, and for the proposed model.

    The best of several values is never below one of them, so that there is no *better* here, only a size.

    Args:
        gains: title of each row -> what :func:`vad_lib.evaluation.comparisons.selection_gain` found.

    Example:
        >>> selection_sentence({})
        'not run'
    """
    if not gains:
        return "not run"
    over = {title: gain["best_on_validation"] for title, gain in gains.items()}
    # rows that learned from labels without meaning say so in their titles
    true, shuffled = ([100 * c.mean for title, c in over.items() if ("permuted" in title) == wanted] for wanted in (False, True))
    words = []
    if "Proposed" in over:
        words.append(f"Proposed {comparison_sentence(over['Proposed']).partition(': ')[2]}")
    if true:
        words.append(f"{np.mean(true):.2f} points on average over {counted(len(true), 'row')} with true labels")
    words += [f"{points:.2f} points with permuted labels" for points in shuffled]
    return f"adds: {'; '.join(words)}"


def smoothing_sentence(smoothed: pd.DataFrame) -> str:
    """Settings of smoothing under their verdicts, with changes in points and intervals.

    Args:
        smoothed: of :func:`vad_lib.evaluation.comparisons.postprocessing`, whose first row is the scores as they are, with which
            the others are compared; empty gives ``not run``.

    Example:
        >>> rows = [("as scored", 0.0, 0.0, 0.0, "cannot tell"), ("mean of 3", 0.006, 0.002, 0.011, "better")]
        >>> smoothing_sentence(pd.DataFrame(rows, columns=["setting", "change", "low", "high", "verdict"]))
        'better: mean of 3 (+0.6, +0.2 to +1.1)'
    """
    settings: dict[str, list[str]] = {}
    for row in smoothed.iloc[1:].itertuples():
        change = f"{points_of_percent(row.change)}, {end_text(row.low)} to {end_text(row.high)}"
        settings.setdefault(row.verdict, []).append(f"{row.setting} ({change})")
    return "; ".join(f"{verdict}: {', '.join(these)}" for verdict, these in settings.items()) or "not run"


def naming_sentence(found: Interval, yardstick: float) -> str:
    """How often abnormal videos are called by their name, against naming always the most frequent category.

    Args:
        found, yardstick: of :func:`vad_lib.open_questions.categories.naming_accuracy`.

    Example:
        >>> naming_sentence(Interval("accuracy", 0.45, None, 0.31, 0.58, 0.95, "", (1,), (0.45,), 40), 0.25)
        'better: 45.0 % of them, by the highest abnormal name (95 % interval 31.0 to 58.0; one seed); naming always the most \
frequent category gives 25.0 %'
    """
    word = "better" if found.low > yardstick else "worse" if found.high < yardstick else "cannot tell"
    seeds = "one seed" if found.num_seeds == 1 else f"{found.num_seeds} seeds"
    interval = f"95 % interval {100 * found.low:.1f} to {100 * found.high:.1f}"
    numbers = f"{100 * found.mean:.1f} % of them, by the highest abnormal name ({interval}; {seeds})"
    return f"{word}: {numbers}; naming always the most frequent category gives {100 * yardstick:.1f} %"


def unseen_sentence(found: pd.DataFrame) -> str:
    """How many categories are found that training never saw, which, and how often they are called by their name.

    Args:
        found: of :func:`vad_lib.open_questions.categories.zero_shot_results`; empty gives ``not run``.
    """
    if found.empty:
        return "not run"
    sure = found[found["found"]].itertuples()
    which = ", ".join(f"{r.category} {100 * r.unseen:.0f} % AUC [{100 * r.low:.0f}, {100 * r.high:.0f}]" for r in sure) or "none"
    unseen, seen = (100 * found[column].mean() for column in ("named_unseen", "named_seen"))
    named = f"called by its name, among abnormal names: {unseen:.0f} % unseen, {seen:.0f} % seen"
    return f"{found['found'].sum()} of {len(found)} ({100 * found['level'].iloc[0]:.4g} % intervals: {which}); {named}"


def verdict_lines(found: Mapping[str, Comparison], other: str) -> list[str]:
    """How many comparisons have each word; those that differ are named with difference and interval.

    Where one cannot tell, the half-widths say how large a difference could have stayed unseen.

    Args:
        found: what was compared -> comparison.
        other: what each was compared with.

    Example:
        >>> verdict_lines({}, "the row before")[0]
        '*better*: 0 comparisons with the row before.'
    """
    lines = []
    for word in WORDS:
        these = {what: c for what, c in found.items() if c.word == word}
        named = [f"{what} ({short_text(c, 'points')})" for what, c in these.items()]
        halves = [50 * (c.high - c.low) for c in these.values()]
        if word == "cannot tell" and these:
            behind = f"; half-width {np.median(halves):.1f} points in the median, {max(halves):.1f} at most"
        else:
            behind = f": {'; '.join(named)}" if named else ""
        if these or word != "the same":
            lines.append(f"*{word}*: {len(these)} comparison{'s' * (len(these) != 1)} with {other}{behind}.")
    return lines
