"""Which conventions move the number, and which one or which two explain a claimed one."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vad_lib.doctor.case import Case
from vad_lib.doctor.conventions import Protocol, deviations, own_protocol, says
from vad_lib.doctor.measuring import Evaluator
from vad_lib.errors import ConfigError

ALONE = "marked"  # an axis of many choices: tried alone, and with a change of the measure
FEW_DIGITS = 0.1  # points; a claim that leaves more than this open is met by many conventions


class Tried(NamedTuple):
    """A protocol that was tried.

    Attributes:
        changes: (axis, choice) that differ from this library's protocol; one, two, or none.
        percent: the number, in points of 0 to 100; None where it is not defined.
    """

    changes: tuple[tuple[str, str | int], ...]
    percent: float | None

    def sentence(self) -> str:
        """The changes in words."""
        return " and ".join(says(axis, choice) for axis, choice in self.changes) or "this library's protocol"


class Explanation(NamedTuple):
    """What was tried for a claimed number, and what gives it.

    Attributes:
        own: this library's number.
        singles: every single change, largest effect first.
        claimed: the claimed number in points; None if none was claimed.
        tolerance: points; half a unit of the last digit of the claim.
        matches: singles, or if there is none pairs, that give the claimed number.
        nearest: the nearest that do not, three at most.
        pairs: number of pairs that were tried.
        untried: number of pairs that were not, since there are too many categories.
        chance: pairs that would hit a number of this size by chance, from how dense their numbers lie around it.
        within: where there are no matches: changes that give the claimed number too, but move this library's by less than the
            last digit of the claim shows.
    """

    own: Tried
    singles: tuple[Tried, ...]
    claimed: float | None = None
    tolerance: float = 0.0
    matches: tuple[Tried, ...] = ()
    nearest: tuple[Tried, ...] = ()
    pairs: int = 0
    chance: float = 0.0
    untried: int = 0
    within: tuple[Tried, ...] = ()

    @property
    def own_is_claimed(self) -> bool:
        """True if no convention is needed."""
        return self.claimed is not None and _hits(self.own, self.claimed, self.tolerance)

    @property
    def few_digits(self) -> bool:
        """True if the claim is too rough to tell conventions apart."""
        return self.tolerance > FEW_DIGITS

    @property
    def decimals(self) -> int:
        """Digits behind the point in which a number that misses the claim differs from it; at least two."""
        return max(2, round(-np.log10(2 * self.tolerance))) if self.tolerance else 2


def claimed_number(text: str, fractions: bool = True) -> tuple[float, float]:
    """A claimed number in points and the half of its last digit.

    Args:
        text: such as ``86.97`` or ``0.8697``; a number of 1 or less is a fraction.
        fractions: False for a rate in percent, which may well be below 1.

    Raises:
        ConfigError: no number between 0 and 100.

    Example:
        >>> claimed_number("86.97"), claimed_number("0.867")
        ((86.97, 0.005), (86.7, 0.05))
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise ConfigError(f"--claimed: expected a number of 0 to 100 points or a fraction, such as 86.97 or 0.8697, got {text!r}.")
    decimals = len(text.strip().partition(".")[2])
    scale = 100 if fractions and value <= 1 else 1
    return round(value * scale, 9), round(scale * 0.5 * 10.0**-decimals, 9)


def explain(case: Case, claimed: str = "", evaluator: Evaluator | None = None) -> Explanation:
    """Try every single convention, and every two where neither this library's protocol nor a single one gives a claimed number.

    Args:
        case: scores and ground truth.
        claimed: the number to be explained, as it is written; empty for none.
        evaluator: of the case, to go on with what it has computed.

    Raises:
        ConfigError: no number is claimed.
    """
    evaluator, own = evaluator or Evaluator(case), own_protocol(case)
    changes = deviations(case, own)

    def tried(*chosen: tuple[str, str | int]) -> Tried:
        value = evaluator.value(own._replace(**dict(chosen)))  # type: ignore[arg-type]
        return Tried(chosen, None if value is None else 100 * value)

    start = tried()
    singles = [tried(change) for change in changes]
    singles.sort(key=lambda one: -abs((one.percent or 0) - (start.percent or 0)))
    if not claimed:
        return Explanation(start, tuple(singles))
    number, tolerance = claimed_number(claimed)
    if _hits(start, number, tolerance):
        return Explanation(start, tuple(singles), number, tolerance)

    def explains(one: Tried) -> bool:
        """A change within the rounding of the claim explains nothing."""
        return abs((one.percent or 0) - (start.percent or 0)) > tolerance

    hits = [one for one in singles if _hits(one, number, tolerance)]
    pairs: list[Tried] = []
    possible = [] if hits else [two for two in itertools.combinations(changes, 2) if _possible(*two)]
    worth = [two for two in possible if ALONE not in (axes := {axis for axis, _ in two}) or "metric" in axes]
    if not hits:
        pairs = [tried(*two) for two in worth]
        hits = [pair for pair in pairs if _hits(pair, number, tolerance)]
    matches = [one for one in hits if explains(one)]
    within = () if matches else tuple(hits)
    others = [one for one in (start, *singles, *pairs) if one.percent is not None and one not in hits]
    nearest = sorted(others, key=lambda one: (abs((one.percent or 0) - number), len(one.changes)))[:3]
    chance = _chance([pair.percent for pair in pairs if pair.percent is not None], number, tolerance)
    untried = len(possible) - len(worth)
    tried_pairs = len(pairs), chance, untried
    return Explanation(start, tuple(singles), number, tolerance, tuple(matches), tuple(nearest), *tried_pairs, within)


def steps(case: Case, changes: Sequence[tuple[str, str | int]], evaluator: Evaluator) -> list[tuple[str, float]]:
    """From their number to ours, one convention taken back at a time.

    Args:
        case: scores and ground truth.
        changes: what their protocol does otherwise.
        evaluator: of the case.

    Returns:
        what was taken back (empty for their number itself) and the number then, in points.
    """
    protocol = own_protocol(case)._replace(**dict(changes))  # type: ignore[arg-type]
    found = [("", evaluator.value(protocol))]
    for axis, choice in changes:
        protocol = protocol._replace(**{axis: getattr(own_protocol(case), axis)})
        found.append((says(axis, choice), evaluator.value(protocol)))
    return [(text, 100 * value) for text, value in found if value is not None]


def parse_protocol(case: Case, parts: Sequence[str]) -> tuple[tuple[str, str | int], ...]:
    """Changes that a person states, such as ``metric=ap trapezoid``.

    Raises:
        ConfigError: an axis or a choice that there is not, or that the case does not allow; the message lists what there is.
    """
    allowed = deviations(case, own_protocol(case))
    found = []
    for part in parts:
        axis, _, text = part.partition("=")
        match = [(name, choice) for name, choice in allowed if name == axis and str(choice) == text]
        if not match:
            there = ", ".join(f"{name}={choice}" for name, choice in allowed if axis not in Protocol._fields or name == axis)
            expected = f"one of {there}" if there else "no change of this axis, which the case does not allow"
            raise ConfigError(f"--theirs {part!r}: expected {expected}.")
        found.append(match[0])
    axes = [axis for axis, _ in found]
    if twice := [axis for axis in dict.fromkeys(axes) if axes.count(axis) > 1]:
        raise ConfigError(f"--theirs: expected each axis once, got {', '.join(twice)} twice; keep one choice of it.")
    return tuple(found)


def _hits(one: Tried, claimed: float, tolerance: float) -> bool:
    return one.percent is not None and abs(one.percent - claimed) <= tolerance + 1e-9


def _possible(one: tuple[str, str | int], other: tuple[str, str | int]) -> bool:
    """Whether two changes can be made at once; a file of frame labels has its own intervals."""
    axes = {one[0], other[0]}
    return len(axes) > 1 and not (("rule", "file") in (one, other) and axes & {"ends", "order", "annotation"})


def _chance(values: list[float], claimed: float, tolerance: float) -> float:
    """Hits to expect if the numbers around the claim lay where they do, but the claim fell anywhere among them."""
    if not values:
        return 0.0
    reach = max(1.0, 20 * tolerance)  # points on either side
    return float((np.abs(np.array(values) - claimed) <= reach).sum() * tolerance / reach)
