"""All that the doctor finds, as sentences, as a table and as JSON."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.doctor.case import Case
from vad_lib.doctor.conventions import not_tried, own_protocol
from vad_lib.doctor.explaining import Explanation, Tried, explain, parse_protocol, steps
from vad_lib.doctor.fitting import Fitted
from vad_lib.doctor.measuring import Evaluator
from vad_lib.doctor.picture import effects, shown, signed, waterfall
from vad_lib.doctor.rates import THRESHOLD, false_alarm_rates, measured_claim, met, rates_by_convention
from vad_lib.errors import DataError, OutputError
from vad_lib.storage.writing import atomic_path, write_json, write_text

TITLES = {"auc": "AUC", "ap": "AP", "ap trapezoid": "AP"}


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found.

    Attributes:
        inputs: sentences on what the files are.
        explanation: of the number; see :class:`~vad_lib.doctor.explaining.Explanation`.
        verdict: sentences that answer the claimed number, or say what moves the number most.
        steps: from their number to ours; empty without an explanation.
        rates: false alarm rates by convention, in percent; empty for scores outside [0, 1].
        further: sentences on a log, features or class probabilities.
        metric: title of the measure.
    """

    inputs: tuple[str, ...]
    explanation: Explanation
    verdict: tuple[str, ...]
    steps: tuple[tuple[str, float], ...]
    rates: dict[str, float]
    further: tuple[str, ...]
    metric: str

    def table(self) -> pd.DataFrame:
        """A row per convention: ``convention``, the number and the ``points`` that it adds, largest first."""
        own = self.explanation.own.percent or 0.0
        singles = [one for one in self.explanation.singles if one.percent is not None and shown(one.changes[0], self.metric)]
        rows = [(one.sentence(), one.percent, round((one.percent or 0.0) - own, 2) + 0.0) for one in singles]  # none is minus zero
        return pd.DataFrame(rows, columns=["convention", self.metric, "points"])

    def text(self) -> str:
        """All sentences, and the table, in Markdown."""
        lines = ["# Why is my number different?", "", "## What came", "", *(f"- {each}" for each in self.inputs), ""]
        lines += ["## Answer", "", *(f"- {each}" for each in self.verdict), ""]
        own, table = self.explanation.own.percent, self.table()
        number = "not defined" if own is None else f"{own:.2f}"
        lines += [f"## The number under every convention ({self.metric}, this library's: {number})", ""]
        lines += ["| convention, alone | number | points |", "| --- | ---: | ---: |"]
        lines += [f"| {text} | {value:.2f} | {signed(points)} |" for text, value, points in table.itertuples(index=False)]
        if self.rates:
            lines += ["", f"## False alarm rates at {THRESHOLD}", "", "| frames, alarm if | percent |", "| --- | ---: |"]
            lines += [f"| {name} | {value:.3f} |" for name, value in self.rates.items()]
        if self.further:
            lines += ["", "## Further files", "", *(f"- {each}" for each in self.further)]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        found = self.explanation

        def plain(one: Tried) -> dict[str, Any]:
            return {"changes": dict(one.changes), "says": one.sentence(), "percent": one.percent}

        return {
            "metric": self.metric,
            "inputs": list(self.inputs),
            "verdict": list(self.verdict),
            "own": plain(found.own),
            "claimed": found.claimed,
            "tolerance": found.tolerance,
            "matches": [plain(one) for one in found.matches],
            "within_rounding": [plain(one) for one in found.within],
            "nearest": [plain(one) for one in found.nearest],
            "singles": [plain(one) for one in found.singles],
            "pairs_tried": found.pairs,
            "pairs_by_chance": found.chance,
            "steps": [{"taken_back": text, "percent": value} for text, value in self.steps],
            "false_alarm_rates": self.rates,
            "further": list(self.further),
        }

    def figure(self) -> tuple[Figure, pd.DataFrame]:
        """The way from their number to ours where one is known, else the effects of all conventions."""
        return waterfall(self.steps, self.metric) if self.steps else effects(self.explanation, self.metric)

    def write(self, folder: Path) -> list[Path]:
        """Write ``doctor.md``, ``doctor.json`` and ``doctor.png`` into a folder, and return their paths."""
        writable(folder)
        fig, _ = self.figure()
        with atomic_path(folder / "doctor.png") as temporary:
            fig.savefig(temporary, dpi=150)
        return [
            write_text(folder / "doctor.md", self.text()),
            write_json(folder / "doctor.json", self.as_json()),
            folder / "doctor.png",
        ]


def writable(folder: Path) -> None:
    """Make a folder for results, before anything is measured for them.

    Raises:
        OutputError: it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        what = "found a file" if folder.is_file() else f"it cannot be written ({error.strerror or error})"
        raise OutputError(f"{folder}: expected a folder for the results, {what}; name another with --out.") from error


def diagnose(
    fitted: Fitted,
    claimed: str = "",
    theirs: Sequence[str] = (),
    further: Sequence[str] = (),
    evaluator: Evaluator | None = None,
    measure: str = "",
    maps: Mapping[str, float] | None = None,
) -> Diagnosis:
    """Measure a case under every convention and say what makes the difference.

    Args:
        fitted: scores and ground truth that fit each other.
        claimed: the number to be explained, as it is written; empty for none.
        theirs: their protocol as ``AXIS=CHOICE``, if it is known.
        further: sentences on other files.
        evaluator: of the case, to go on with what it has computed.
        measure: ``far`` or ``map`` if the claimed number is a false alarm rate in percent, or a detection mAP.
        maps: detection mAP by convention, in points.

    Raises:
        ConfigError: no number is claimed, or a choice that the case does not allow.
        DataError: all frames are of one class.
    """
    case, evaluator = fitted.case, evaluator or Evaluator(fitted.case)
    stated = parse_protocol(case, theirs)
    _check_classes(evaluator)
    found = explain(case, "" if measure else claimed, evaluator)
    rates = false_alarm_rates(evaluator)
    changes = stated or (found.matches[0].changes if found.matches and not found.few_digits else ())
    way = tuple(steps(case, changes, evaluator)) if changes else ()
    metric = TITLES[own_protocol(case).metric]
    verdict = [*_on_scores(case), *_on_own(found, metric)]
    if claimed and measure:
        verdict += measured_claim(claimed, measure, rates_by_convention(evaluator), maps or {})
    elif claimed:
        verdict += _on_claim(found, case, met(claimed, rates, maps or {}), metric)
    else:
        verdict += _on_effects(found, metric)
    if stated:
        path = [f"{value:.2f} without {text}" for text, value in way[1:]]
        verdict.append(f"Under the protocol that you state the number is {way[0][1]:.2f}; then {', '.join(path)}.")
    return Diagnosis(tuple(fitted.sentences), found, tuple(verdict), way, rates, tuple(further), metric)


def _check_classes(evaluator: Evaluator) -> None:
    labels = evaluator.frames(own_protocol(evaluator.case))[0]
    frames, abnormal = sum(map(len, labels)), int(sum(mask.sum() for mask in labels))
    if abnormal in (0, frames):
        raise DataError(
            f"ground truth: expected abnormal and normal frames, got {frames:,} frames (videos: {len(labels)}), {abnormal:,} of "
            "them abnormal. No measure is defined there; give scores and annotations of the whole test set."
        )


def _on_scores(case: Case) -> list[str]:
    """What stands out among the scores; of equal ones in a row of frames, one counts."""
    rows = [row for part in case.scores for row in part]
    every = np.concatenate([row[np.append(True, np.diff(row) != 0)] if case.per == "frame" else row for row in rows])
    distinct, counts = np.unique(every, return_counts=True)
    said = []
    if every.min() < 0 or every.max() > 1:
        said.append(
            f"Scores reach from {every.min():.3g} to {every.max():.3g}: they are no probabilities. AUC and AP know their order "
            "alone and stay the same under a sigmoid; thresholds do not, and means over crops or smoothing do not either."
        )
    if counts.max() > max(1, 0.05 * len(every)):
        said.append(
            f"{counts.max() / len(every):.0%} of the scores are {distinct[counts.argmax()]:g}. So many equal scores make the "
            "number depend on how ties are treated; look for a saturated sigmoid or rounding."
        )
    return said


def _on_own(found: Explanation, metric: str) -> list[str]:
    return [f"This library's {metric} is {found.own.percent or 0.0:.2f}."]


def _on_effects(found: Explanation, metric: str) -> list[str]:
    own = found.own.percent or 0.0
    largest = [one for one in found.singles if one.percent is not None and shown(one.changes[0], metric)][:3]
    told = ", ".join(
        f"{place}) {one.sentence()} ({signed((one.percent or 0) - own)} points)" for place, one in enumerate(largest, start=1)
    )
    return [f"The single conventions that move it most are {told}."] if told else []


def _on_claim(found: Explanation, case: Case, others: Sequence[str], metric: str) -> list[str]:
    """Sentences on a claimed number; ``others`` are rates and mAP numbers that are as large."""
    own, claimed = found.own.percent or 0.0, found.claimed or 0.0
    low, high = max(0.0, claimed - found.tolerance), min(100.0, claimed + found.tolerance)
    few = f"It has few digits: every number from {low:.2f} to {high:.2f} is written so. Give more of them, such as 86.97."
    if found.own_is_claimed:
        word = "may be" if found.few_digits else "is"
        said = [f"The claimed {claimed:.9g} {word} this library's number; no convention is needed."]
        return said + [few] * found.few_digits
    one = [each for each in found.matches if len(each.changes) == 1]
    two = [each for each in found.matches if len(each.changes) == 2]
    if found.matches and found.few_digits:
        many = "s" * (len(one or two) > 1)
        kind = f"{len(one)} single convention{many}" if one else f"{len(two)} pair{many} of conventions"
        return [f"The claimed {claimed:.9g} can be explained by {kind}. {few}"]
    said = []
    if found.within:
        kind = "single conventions" if len(found.within[0].changes) == 1 else "pairs of conventions"
        said.append(
            f"The claimed {claimed:.9g} is at most one in the last digit off this library's {own:.{found.decimals + 1}f}. Changes "
            f"that move the number by less give it too ({kind}: {len(found.within)}), such as: {found.within[0].sentence()}. Give "
            "more digits to tell what it is."
        )
    for match in one:
        said.append(
            f"The claimed {claimed:.9g} is explained by one convention: {match.sentence()} ({signed((match.percent or 0) - own)} "
            "points)."
        )
    for match in two[:5]:
        said.append(
            f"The claimed {claimed:.9g} is explained by two conventions together: {match.sentence()} "
            f"({signed((match.percent or 0) - own)} points)."
        )
    if two:
        said.append(
            f"{found.pairs} pairs were tried, and {len(two)} hit; {found.chance:.1f} would be expected to hit by chance. Look in "
            "the other code for these very steps before you believe it."
        )
    said += [f"The claimed number is {each}. Was it called {metric} by mistake?" for each in others]
    return said or _unexplained(found, case)


def _unexplained(found: Explanation, case: Case) -> list[str]:
    claimed = found.claimed or 0.0
    said = [
        f"No single convention and no two of them ({len(found.singles)} and {found.pairs} tried) give the claimed {claimed:.9g}."
    ]
    open_ = [*not_tried(case), *[f"{found.untried} pairs in which only some categories count as abnormal"] * bool(found.untried)]
    if open_:
        said[0] += f" Not tried: {'; '.join(open_)}."
    said[0] += (
        f" {'As far as it was tried, the' if open_ else 'The'} evaluation does not explain it: other scores do, of another "
        "checkpoint, seed, number of crops, features or training."
    )
    for word, near in zip(("The nearest is", "Then comes", "Then comes"), found.nearest):
        away = abs((near.percent or 0) - claimed)
        said.append(f"{word}: {near.sentence()}, {near.percent:.{found.decimals}f} ({away:.{found.decimals}f} points away).")
    return said
