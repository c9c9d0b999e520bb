"""Comparisons in plain words."""

from collections.abc import Mapping

import numpy as np

from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval


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


def chance_sentence(found: Interval) -> str:
    """What an AUC says of a control: its interval holds 0.5, or lies above or below.

    Example:
        >>> chance_sentence(Interval("auc", 0.48, None, 0.3, 0.66, 0.95, "", (1,), (0.48,), 40))
        'finds nothing: 48.0 % AUC (95 % interval 30.0 to 66.0)'
    """
    says = "finds nothing" if found.low <= 0.5 <= found.high else "finds something" if found.low > 0.5 else "is worse than chance"
    numbers = f"{100 * found.mean:.1f} % AUC ({100 * found.level:g} % interval {100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{says}: {numbers}"
