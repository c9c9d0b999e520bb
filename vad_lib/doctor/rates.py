"""False alarm rates under each convention, and claims that are met by one of them, or by a detection mAP."""

from collections.abc import Mapping

import numpy as np

from vad_lib.doctor.case import is_abnormal
from vad_lib.doctor.conventions import Protocol, deviations, own_protocol, says
from vad_lib.doctor.explaining import claimed_number
from vad_lib.doctor.measuring import Evaluator
from vad_lib.metrics import false_positive_rate

THRESHOLD = 0.5  # of the false alarm rates that the field reports
_AXES = ("rule", "ends", "tail", "shift", "crops", "smoothing", "expansion")  # that move rates and keep scores in [0, 1]


def false_alarm_rates(evaluator: Evaluator, protocol: Protocol | None = None) -> dict[str, float]:
    """False alarm rates at 0.5 by convention, in percent; empty where scores leave [0, 1] or no frame is normal."""
    case = evaluator.case
    scores = [part.mean(axis=0) for part in case.scores]
    if min(part.min() for part in scores) < 0 or max(part.max() for part in scores) > 1:
        return {}
    labels, values = evaluator.frames(protocol or own_protocol(case))
    found = {}
    normal = [place for place, video in enumerate(case.videos) if not is_abnormal(video)]
    for name, places in (("normal frames of all videos", range(len(labels))), ("frames of normal videos", normal)):
        if not places:
            continue
        mask, score = np.concatenate([labels[p] for p in places]), np.concatenate([values[p] for p in places])
        if not (mask == 0).any():
            continue
        above = np.nextafter(THRESHOLD, 1)  # "> 0.5" as ">= the next number"
        found[f"{name}, score >= {THRESHOLD}"] = 100 * false_positive_rate(mask, score, THRESHOLD)
        found[f"{name}, score > {THRESHOLD}"] = 100 * false_positive_rate(mask, score, above)
    return found


def rates_by_convention(evaluator: Evaluator) -> dict[str, float]:
    """The rates of :func:`false_alarm_rates`, and those under every single change of labels or scores."""
    own = own_protocol(evaluator.case)
    found = false_alarm_rates(evaluator)
    for axis, choice in deviations(evaluator.case, own) if found else ():
        if axis in _AXES:
            changed = false_alarm_rates(evaluator, own._replace(**{axis: choice}))  # type: ignore[arg-type]
            found |= {f"{name}, {says(axis, choice)}": value for name, value in changed.items()}
    return found


def met(claimed: str, rates: Mapping[str, float], maps: Mapping[str, float]) -> list[str]:
    """Names of the rates and of the mAP numbers that are a claimed number, in words."""
    in_percent, in_points = claimed_number(claimed, fractions=False), claimed_number(claimed)
    found = [f"the false alarm rate in percent ({name})" for name, value in rates.items() if _is(value, *in_percent)]
    return found + [f"mAP@IoU ({name})" for name, value in maps.items() if _is(value, *in_points)]


def measured_claim(claimed: str, metric: str, rates: Mapping[str, float], maps: Mapping[str, float]) -> list[str]:
    """Sentences on a claimed false alarm rate (``far``) or mAP (``map``), for which no pairs of conventions are tried."""
    numbers, title = (rates, "false alarm rate") if metric == "far" else (maps, "mAP")
    if not numbers:
        return [
            "No false alarm rate is measured: scores leave 0 ... 1, where a threshold of 0.5 means nothing, or no frame is normal."
        ]
    number, tolerance = claimed_number(claimed, fractions=metric != "far")
    if hits := [name for name, value in numbers.items() if _is(value, number, tolerance)]:
        return [f"The claimed {number:.9g} is the {title} of: {name}." for name in hits[:5]]
    name, value = min(numbers.items(), key=lambda pair: abs(pair[1] - number))
    return [
        f"None of the {len(numbers)} numbers of this kind that were measured is {number:.9g}. The nearest, {value:.3f}, is the "
        f"{title} of: {name}. Two changes together were not tried."
    ]


def _is(value: float, number: float, tolerance: float) -> bool:
    return abs(value - number) <= tolerance + 1e-9
