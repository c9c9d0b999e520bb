"""Comparisons in plain words."""

from collections.abc import Mapping

import numpy as np

from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval


def in_words(found: Comparison | None, unit: str = "points") -> str:
    """A comparison as a plain answer, with its interval and what it rests on.

    Example:
        >>> in_words(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        'cannot tell: +0.53 points (95 % interval -0.61 to +1.72; 2 seeds, 290 test videos)'
    """
    if found is None:
        return "not run"
    basis = [f"{found.num_seeds} seeds" if found.num_seeds > 1 else "one seed: of these two models, not of their methods"]
    basis += [f"{found.num_videos} test videos"] * (found.num_videos > 0)
    interval = f"{100 * found.level:.4g} % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}"
    if not np.isfinite(found.low):
        interval = "no interval"
    return f"{found.word}: {100 * found.mean:+.2f} {unit} ({interval}; {', '.join(basis)})"


def verdict(found: Mapping[str, Comparison]) -> str:
    """One sentence for the answers to a question: which are better than the base, worse, or cannot be told from it.

    Behind each the difference in points and its interval.

    Example:
        >>> verdict({})
        'not run'
    """
    words: dict[str, list[str]] = {"better": [], "worse": [], "cannot tell": []}
    for answer, c in found.items():
        words[c.word].append(f"{answer} ({100 * c.mean:+.1f}, {100 * c.low:+.1f} to {100 * c.high:+.1f})")
    said = [f"{word}: {', '.join(answers)}" for word, answers in words.items() if answers]
    return "; ".join(said) or "not run"


def holds_chance(found: Interval) -> str:
    """Words for a control: its interval holds 0.5, or lies above or below.

    Example:
        >>> holds_chance(Interval("auc", 0.48, None, 0.3, 0.66, 0.95, "", (1,), (0.48,), 40))
        'finds nothing: 48.0 % AUC (95 % interval 30.0 to 66.0)'
    """
    word = "finds nothing" if found.low <= 0.5 <= found.high else "finds something" if found.low > 0.5 else "is worse than chance"
    numbers = f"{100 * found.mean:.1f} % AUC ({100 * found.level:g} % interval {100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{word}: {numbers}"
