"""What is said of a claimed number: that none is needed, that it is too rough, what was tried and what was not."""

import re
from dataclasses import replace

import numpy as np
import pytest
from planted_scores import small_case

from vad_lib.doctor.conventions import own_protocol
from vad_lib.doctor.diagnosis import diagnose
from vad_lib.doctor.explaining import explain
from vad_lib.doctor.fitting import Fitted
from vad_lib.doctor.measuring import Evaluator

CASE = small_case()
EVALUATOR = Evaluator(CASE)
OWN = own_protocol(CASE)


def verdict(claimed, case=CASE):
    return " ".join(diagnose(Fitted(case, []), claimed).verdict)


@pytest.mark.parametrize("digits", [4, 2, 1, 0])
def test_the_own_number_needs_no_convention(digits):
    own = f"{100 * EVALUATOR.value(OWN):.{digits}f}"
    found = diagnose(Fitted(CASE, []), own)
    said = " ".join(found.verdict)
    assert (
        f"{'is' if digits else 'may be'} this library's number; no convention is needed" in said and "is explained by" not in said
    )
    assert found.steps == () and found.explanation.matches == () and found.explanation.pairs == 0
    assert ("Give more of them" in said) == (digits == 0)


def test_a_constant_score_is_half_and_nothing_explains_it():
    case = replace(CASE, scores=tuple(np.full_like(part, 0.5) for part in CASE.scores))
    said = verdict("50.00", case)
    assert "no convention is needed" in said and "explained" not in said


def test_a_convention_within_the_rounding_of_the_claim_explains_nothing():
    own = 100 * EVALUATOR.value(OWN)
    moved = 100 * EVALUATOR.value(OWN._replace(ends=1))
    claimed = f"{moved:.4f}"
    assert ("ends", 1) in [match.changes[0] for match in explain(CASE, claimed, EVALUATOR).matches]
    near = round(own + (0.06 if moved > own else -0.06), 1)  # not the own number, in its next rounding
    assert all(abs(one.percent - own) > 0.05 for one in explain(CASE, f"{near:.1f}", EVALUATOR).matches)


def test_a_rough_claim_asks_for_digits_in_place_of_a_list():
    found = diagnose(Fitted(CASE, []), "88")
    said = " ".join(found.verdict)
    assert "Give more of them, such as 86.97" in said and "explained by one" not in said and not found.steps


@pytest.mark.parametrize("pair", [{"average": "both classes", "smoothing": "sliding 7"}, {"average": "padded", "rule": "B"}])
def test_the_mean_over_videos_is_tried_together_with_others(pair):
    found = explain(CASE, f"{100 * EVALUATOR.value(OWN._replace(**pair)):.6f}", EVALUATOR)
    assert set(pair.items()) in [set(match.changes) for match in found.matches]


def test_what_was_not_tried_is_said():
    assert "pairs in which only some categories count as abnormal" in verdict("3.14159")
    segments = replace(CASE, per="segment")
    assert "Not tried: a shift, smoothing, lines between scores" in verdict("3.14159", segments)
    assert "As far as it was tried, the evaluation does not explain it" in verdict("3.14159", segments)


def test_scores_of_frames_are_smoothed_over_as_many_frames():
    case = replace(CASE, per="frame", scores=tuple(np.repeat(part, 16, axis=1) for part in CASE.scores))
    for change in ({"smoothing": "blocks 8"}, {"shift": 1}):
        repeated, once = (Evaluator(each).value(OWN._replace(**change)) for each in (case, CASE))
        assert repeated == pytest.approx(once, abs=1e-12)


def test_padding_frames_stand_at_the_true_0_and_1():
    """By hand: normal frames of score 0 and abnormal ones of score 1 tie with the two that are added."""
    video = replace(CASE.videos[1], name="a", num_frames=32, intervals=((16, 32),), class_intervals=())
    case = replace(CASE, videos=(video, replace(video, name="b")), scores=(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])))
    value = Evaluator(case).value(OWN._replace(average="padded"))
    # b: 17 abnormal, 16 of score 0 and one of 1; 17 normal, 16 of score 1 and one of 0
    assert value == pytest.approx((1 + (16 * 0.5 + 16 * 0.5 + 1) / 17**2) / 2)


def test_a_change_smaller_than_the_last_digit_does_not_explain_but_is_not_nothing(monkeypatch):
    """Whole points are claimed, and the only change moves the number over an edge of rounding, by less than half a point."""
    monkeypatch.setattr("vad_lib.doctor.explaining.deviations", lambda case, own: [("ends", 1)])
    for seed in range(60):
        own, moved = (100 * Evaluator(small_case(seed)).value(OWN._replace(ends=end)) for end in (0, 1))
        if round(own) != round(moved) and abs(moved - own) < 0.5:
            break
    found = diagnose(Fitted(small_case(seed), []), f"{moved:.0f}")
    said = " ".join(found.verdict)
    assert "is at most one in the last digit off this library's" in said
    assert "give it too (single conventions: 1), such as: every interval ends one frame later." in said
    assert "explained by" not in said and "No single convention" not in said and not found.steps
    assert [one["changes"] for one in found.as_json()["within_rounding"]] == [{"ends": 1}]


def test_all_digits_of_a_claim_are_said():
    said = verdict("88.1234567")
    assert "give the claimed 88.1234567." in said
    assert not re.search(r"\(0\.0+ points away\)", verdict(f"{100 * EVALUATOR.value(OWN) + 0.0004:.4f}"))


def test_a_centred_mean_of_equal_scores_is_equal():
    """By hand: 0 after a run of others stays 0, so that normal frames of score 0 tie in every video."""
    scores = tuple(np.where(part > 0.5, part / 3, 0.0) for part in CASE.scores)
    case = replace(CASE, scores=scores)
    for window in (5, 11):
        found = Evaluator(case).frames(OWN._replace(smoothing=f"centred {window}"))[1]
        own = [np.convolve(np.pad(part[0], window // 2, mode="edge"), np.ones(window), "valid") for part in scores]
        assert all(((values == 0) == (np.repeat(sums, 16)[: len(values)] == 0)).all() for values, sums in zip(found, own))
