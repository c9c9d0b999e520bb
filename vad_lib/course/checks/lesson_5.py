"""Checks of lesson 5_evaluation_traps; made by ``python -m vad_lib.course.build`` of its source."""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_dilation

from vad_lib.course.checker import Hint, exercise, number, one_number
from vad_lib.course.material import lesson_bags, lesson_runs
from vad_lib.course.tools import as_scored, frames_of
from vad_lib.evaluation import comparisons
from vad_lib.evaluation.scored_videos import metric_on_draws
from vad_lib.evaluation.scoring import smoothed
from vad_lib.metrics import frame_roc_auc


@exercise("5.1")
def auc_by_hand(answer):
    value, two_digits = one_number(answer), 6e-3  # a result that was rounded to two digits is right too
    close = {0.5: "A tie is no pair in order, but it is not lost either.", 4 / 6: "A tie is not a whole pair in order."}
    for wrong, hint in close.items():
        if abs(value - wrong) < two_digits:
            raise Hint(hint)
    if value > 1:
        raise Hint("Expected a share between 0 and 1: divide by the number of pairs.")
    number(value, 3.5 / 6, "There are 2 x 3 pairs. Write 1, 0 or one half beside each of them.", two_digits)


def _scored(method):
    return [as_scored(run, lesson_bags("test")) for run in lesson_runs(method)]


@cache
def _chance_to_see(times):
    abnormal, rng = lesson_bags("test").labels > 0, np.random.default_rng(0)
    counts = np.zeros((1000, len(abnormal)), dtype=int)
    for part in (abnormal, ~abnormal):
        counts[:, part] = rng.multinomial(times * part.sum(), np.full(part.sum(), 1 / part.sum()), size=1000)
    one, other = (metric_on_draws(_scored(name)[0], counts, "auc") for name in ("msf-dmu", "proposed"))
    error = (other - one) - (other - one).mean()
    half_width = (np.quantile(error, 0.975) - np.quantile(error, 0.025)) / 2
    return np.mean(0.02 + error > half_width)


@exercise("5.2")
def smallest_times(answer):
    if not isinstance(answer, (int, np.integer)) or isinstance(answer, bool) or answer < 1:
        raise Hint("Expected a whole number, 1 or more.")
    if answer >= 42 and any(_chance_to_see(times) >= 0.8 for times in range(1, 42)):
        raise Hint("Expected how many times as many videos, not the number of videos.")
    if _chance_to_see(int(answer)) < 0.8:
        raise Hint(f"chance_to_see({answer}) is still below 0.8.")
    if any(_chance_to_see(times) >= 0.8 for times in range(1, answer)):
        raise Hint("That is enough, but a smaller number is enough too.")
    n = answer * len(lesson_bags("test").names)
    return f"That is {n} test videos, for a difference of 2 points between these two runs and by the luck of videos alone."


class ReportedMethod(NamedTuple):
    """Of a made-up report: scores by snippets (run, video), labels by frames of each video, and the AUC in percent."""

    runs: tuple[tuple[np.ndarray, ...], ...]
    labels: tuple[np.ndarray, ...]
    auc: float


def _reported(runs, labels):
    values = [frame_roc_auc(np.concatenate(labels), np.repeat(np.concatenate(scores), 16)) for scores in runs]
    return ReportedMethod(tuple(runs), tuple(labels), float(100 * np.mean(values)))


def published_report():
    """The case of exercise 5.3: name -> files. What was done to them is for the student to find."""
    truth = [frames_of(shares) for shares in lesson_bags("test").snippet_labels]
    wider = [binary_dilation(mask, iterations=16) for mask in truth]
    ours = max((_reported([run.scores], truth) for run in lesson_runs("proposed")), key=lambda method: method.auc)
    changed = [tuple(smoothed(scores, "sliding", 3) for scores in run.scores) for run in lesson_runs("ur-dmu")]
    return {"ours": ours, "baseline": _reported(changed, wider)}


@exercise("5.3")
def traps(answer):
    try:
        letters = {letter for letter in "".join(answer).lower() if letter.isalpha()}
    except TypeError:
        raise Hint('Expected letters in quotation marks, such as "bd".') from None
    hints = {
        "a": "Compare how many runs each method brings, and which ones.",
        "c": "Compare the scores with those of the lesson's runs. If they differ, which change of trap 3 gives them?",
        "e": "Compare the labels of both methods with truth.",
        "b": "Compare them with `scores` of every seed, whose step validation videos chose; they may be changed too.",
        "d": "A stretched video has 0 as its lowest and 1 as its highest score. Is that so in the files?",
        "f": "Calculate the AUC of each method from its own files, with auc(scores, labels). Is it the number of the report?",
    }
    if not letters or letters - set(hints):
        raise Hint("Expected some of the letters a to f.")
    if surplus := sorted(letters - set("ace")):
        raise Hint(f"The files do not show {surplus[0]}. {hints[surplus[0]]}")
    if missing := sorted(set("ace") - letters):
        raise Hint(f"What you found is there, and there is more. {hints[missing[0]]}")
    honest = comparisons.compare(_scored("ur-dmu"), _scored("proposed"), "auc")
    claimed = np.subtract(*(method.auc for method in published_report().values()))
    return (
        f"The report claims {claimed:+.1f} points. All seeds of both methods, the annotated masks and unchanged scores give "
        f"{comparisons.comparison_text(honest)} (points; 95 % interval over seeds and test videos)."
    )
