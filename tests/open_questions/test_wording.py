"""Answers in words, worked by hand."""

import pandas as pd
import pytest

from vad_lib.evaluation.comparisons import Comparison, Components
from vad_lib.open_questions import told, wording


def compared(mean: float, half: float, **changes) -> Comparison:
    known = {"first": "MSF-DMU", "second": "Proposed", **changes}
    return Comparison("auc", mean, 0.01, mean - half, mean + half, 0.95, "", (1, 2), (mean, mean), 40, **known)


def test_power_needs_two_seeds():
    row = ("msf-dmu", "proposed")
    steps = {row: 0.02}
    assert wording.power_sentence(None, {}, steps) == "not run"
    assert wording.power_sentence(compared(0.01, 0.02), {}, steps) == "not run"
    pair = compared(0.01, 0.02, components=Components(1e-4, 1e-3, 1e-3, 2, 40))
    measured = f"Measured: {wording.comparison_sentence(pair)}"
    words = wording.power_sentence(pair, {row: pair}, steps, 0.03, "UCF-Crime")
    assert words.startswith("2.00 points (Proposed against MSF-DMU): ")
    assert words.endswith(f"{measured}. The paper: {wording.paper_gain_sentence(pair, 0.03, 'UCF-Crime')}")
    assert wording.power_sentence(pair, {}, {}).endswith(measured)  # a data set that the paper does not have
    not_run = wording.power_sentence(pair, {}, steps, 0.03, "UCF-Crime")
    assert not_run.startswith("Proposed against MSF-DMU: with")


def test_rows_without_a_difference_in_any_seed_are_the_same():
    assert wording.comparison_sentence(compared(0.0, 0.0)).startswith("the same in all 2 seeds: +0.00 points, ± 0.00 (95 %")
    other = Comparison("auc", 0.0, 0.02, -0.03, 0.03, 0.95, "", (1, 2), (0.01, -0.01), 40)
    assert wording.comparison_sentence(other).startswith("cannot tell: ") and compared(0.0, 0.0).verdict == "cannot tell"


def test_choosing_on_the_test_set_says_how_much_and_keeps_the_control_apart():
    found = {"Proposed": 0.01, "RTFM": 0.03, "Proposed, training labels permuted": 0.08}
    gains = {title: {"best_on_validation": compared(mean, 0.005)} for title, mean in found.items()}
    words = wording.selection_sentence(gains)
    assert words.startswith("adds: Proposed +1.00 points, ± 0.50 (95 % interval +0.50 to +1.50; ")
    assert words.endswith("; 2.00 points on average over 2 rows with true labels; 8.00 points with permuted labels")
    assert wording.selection_sentence({"RTFM": gains["RTFM"]}) == "adds: 3.00 points on average over 1 row with true labels"


@pytest.mark.parametrize(("mean", "place"), [(-0.01, "above"), (0.01, "inside"), (0.03, "below")])
def test_the_paper_s_gain_lies_above_inside_or_below_an_interval(mean, place):
    said = wording.paper_gain_sentence(compared(mean, 0.01), 0.012, "UCF-Crime")
    assert said.startswith(f"+1.20 points on UCF-Crime are {place} the interval here, ")


def test_smoothing_has_its_change_and_interval_under_its_verdict():
    rows = [("as scored", 0.0, 0.0, 0.0, "cannot tell"), ("mean of 3", 0.006, 0.0001, 0.011, "better")]
    rows += [("linear", -0.02, -0.03, -0.01, "worse"), ("mean of 7", 0.012, 0.004, 0.02, "better")]
    smoothed = pd.DataFrame(rows, columns=["setting", "change", "low", "high", "verdict"])
    assert wording.smoothing_sentence(smoothed) == (
        "better: mean of 3 (+0.6, +0.01 to +1.1), mean of 7 (+1.2, +0.4 to +2.0); worse: linear (-2.0, -3.0 to -1.0)"
    )
    assert wording.smoothing_sentence(smoothed[:1]) == wording.smoothing_sentence(pd.DataFrame()) == "not run"


def test_unseen_categories():
    rows = [("Arson", 0.9, 0.7, 1.0, 0.975, True, 0.5, 0.25), ("Riot", 0.6, 0.4, 0.8, 0.975, False, 1.0, 0.75)]
    found = pd.DataFrame(rows, columns=["category", "unseen", "low", "high", "level", "found", "named_seen", "named_unseen"])
    named = "called by its name, among abnormal names: 50 % unseen, 75 % seen"
    assert wording.unseen_sentence(found) == f"1 of 2 (97.5 % intervals: Arson 90 % AUC [70, 100]); {named}"
    assert wording.unseen_sentence(found[1:]).startswith("0 of 1 (97.5 % intervals: none); ")
    assert wording.unseen_sentence(found[:0]) == "not run"


def test_verdicts_name_what_differs():
    found = {"a": compared(0.02, 0.01), "b": compared(0.001, 0.01), "c": compared(-0.02, 0.01), "d": compared(0, 0)}
    lines = wording.verdict_lines(found, "the base")
    said = "comparison with the base"
    assert lines == [
        f"*better*: 1 {said}: a (+2.0 points, +1.0 to +3.0).",
        f"*worse*: 1 {said}: c (-2.0 points, -3.0 to -1.0).",
        f"*cannot tell*: 1 {said}; half-width 1.0 points in the median, 1.0 at most.",
        f"*the same*: 1 {said}: d (+0.0 points, +0.0 to +0.0).",
    ]


def test_answers_are_told_once_and_kept_with_their_cell():
    answers = told.Answers({"a": "Set A", "b": "Set B"})
    answers.add("b", "Is it so?", "better: +1.0.", Comparison("auc", 0.01, 0.01, 0.002, 0.02, 0.95, "", (1, 2), (0.01, 0.01), 9))
    assert answers.untold == 1 and answers.table().empty
    assert answers.tell("cell-1") == "- **Set B: Is it so?** Better: +1.0."
    answers.add("a", "Control, noise:", "not run")
    answers.add("a", "Why?", "")
    assert answers.tell("cell-2") == "- *Set A, not run:* Control, noise; Why."
    assert answers.tell("cell-3") == "" and answers.untold == 0
    assert answers.table().to_numpy().tolist() == [
        ["Set B", "Is it so?", "better: +1.0", "better", "1.0000", "0.2000", "2.0000", "cell-1"],
        ["Set A", "Control, noise:", "not run", *[""] * 4, "cell-2"],
        ["Set A", "Why?", "not run", *[""] * 4, "cell-2"],
    ]


@pytest.mark.parametrize(("low", "high", "word"), [(0.3, 0.6, "better"), (0.1, 0.2, "worse"), (0.2, 0.3, "cannot tell")])
def test_naming_is_judged_by_the_most_frequent_category(low, high, word):
    found = wording.Interval("accuracy", 0.25, None, low, high, 0.95, "", (1, 2), (0.2, 0.3), 40)
    assert wording.naming_sentence(found, 0.25).startswith(f"{word}: 25.0 % of them")
    assert "; 2 seeds)" in wording.naming_sentence(found, 0.25)
