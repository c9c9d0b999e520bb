"""Comparisons in plain words."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval
from vad_lib.report.tables.table import METRIC_TITLES


def comparison_sentence(found: Comparison | None, unit: str = "points") -> str:
    """A comparison as a plain answer, with its interval and what it rests on; ``not run`` for None.

    Example:
        >>> comparison_sentence(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        'cannot tell: +0.53 points, ± 1.17 (95 % interval -0.61 to +1.72; 2 seeds, 290 test videos)'
    """
    if found is None:
        return "not run"
    basis = [f"{found.num_seeds} seeds" if found.num_seeds > 1 else "one seed: of these two models, not of their methods"]
    basis += [f"{found.num_videos} test videos"] * (found.num_videos > 0)
    interval = f"{100 * found.level:.4g} % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}"
    if not np.isfinite(found.low):
        interval = "no interval"
    half = f", ± {50 * (found.high - found.low):.2f}" if np.isfinite(found.low) else ""
    return f"{found.verdict}: {100 * found.mean:+.2f} {unit}{half} ({interval}; {', '.join(basis)})"


def question_verdict(found: Mapping[str, Comparison]) -> str:
    """One sentence for the answers to a question: which are better than the base, worse, or cannot be told from it.

    Behind each stands the difference in points and its interval.

    Example:
        >>> question_verdict({})
        'not run'
    """
    answers: dict[str, list[str]] = {"better": [], "worse": [], "cannot tell": []}
    for answer, c in found.items():
        answers[c.verdict].append(f"{answer} ({100 * c.mean:+.1f}, {100 * c.low:+.1f} to {100 * c.high:+.1f})")
    return "; ".join(f"{verdict}: {', '.join(these)}" for verdict, these in answers.items() if these) or "not run"


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
        needed: of :func:`vad_lib.evaluation.power.needed_for_steps`: ``difference`` (fractions), ``seeds`` and ``videos``,
            missing where no number is enough.

    Example: the number of seeds is asked for with the test videos as they are, that of test videos with the seeds as they are.
        >>> needed_sentence(pd.DataFrame({"difference": [0.02, 0.001], "seeds": [7, None], "videos": [40, None]}))
        '2.00 points: 7 seeds on these test videos, or 40 test videos with these seeds. 0.10 points: more seeds alone are \
never enough, and more test videos alone are not either'
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
        needs.setdefault(words, []).append(f"{100 * row.difference:.2f}")
    return ". ".join(f"{', '.join(steps)} points: {words}" for words, steps in needs.items())
