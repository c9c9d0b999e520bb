"""A convention is planted in known scores and the doctor is told the number alone: it must name what was planted."""

import itertools

import numpy as np
import pytest
from planted_scores import small_case

from vad_lib.doctor.conventions import deviations, own_protocol, says
from vad_lib.doctor.explaining import claimed_number, explain, parse_protocol, steps
from vad_lib.doctor.measuring import Evaluator
from vad_lib.errors import ConfigError

CASE = small_case(crops=8)
EVALUATOR = Evaluator(CASE)
OWN = own_protocol(CASE)
CHANGES = deviations(CASE, OWN)


def claim(*changes) -> str:
    return f"{100 * EVALUATOR.value(OWN._replace(**dict(changes))):.6f}"


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_one_planted_convention_is_found(change):
    if claim(change) == claim():
        pytest.skip("this convention does not move the number of this case")
    found = explain(CASE, claim(change), EVALUATOR)
    assert change in [match.changes[0] for match in found.matches]
    assert all(len(match.changes) == 1 for match in found.matches)
    assert found.pairs == 0
    assert says(*change) in found.matches[[match.changes[0] for match in found.matches].index(change)].sentence()


@pytest.mark.parametrize(
    "pair",
    [
        (("metric", "ap trapezoid"), ("average", "both classes")),
        (("smoothing", "sliding 7"), ("scaling", "per video")),
        (("rule", "B"), ("shift", 1)),
        (("crops", "maximum"), ("videos", "abnormal")),
        (("ends", -1), ("expansion", "interpolated")),
        (("tail", "dropped"), ("ties", "abnormal first")),
    ],
    ids=str,
)
def test_two_planted_conventions_are_found(pair):
    found = explain(CASE, claim(*pair), EVALUATOR)
    assert set(pair) in [set(match.changes) for match in found.matches]
    assert found.pairs > 200
    assert found.chance < 1  # six digits are claimed


def test_without_any_convention_it_says_that_none_is_needed():
    found = explain(CASE, claim(), EVALUATOR)
    assert found.own_is_claimed
    assert found.pairs == 0


def test_a_number_that_no_evaluation_gives_is_not_explained():
    found = explain(CASE, "3.14159", EVALUATOR)
    assert not found.matches
    assert not found.own_is_claimed
    assert len(found.nearest) == 3
    every = [one.percent for one in (*found.singles, found.own)]
    every += [
        100 * EVALUATOR.value(OWN._replace(**dict(two))) for two in itertools.combinations(CHANGES, 2) if two[0][0] != two[1][0]
    ]
    assert found.nearest[0].percent - 3.14159 >= min(value for value in every if value is not None) - 3.14159


def test_a_rough_claim_is_hit_by_chance_and_it_says_so():
    found = explain(CASE, "93.", EVALUATOR)
    assert found.tolerance == 0.5
    exact = explain(CASE, "91.123456", EVALUATOR)
    assert exact.chance < 0.01


def test_the_steps_lead_from_their_number_to_ours():
    changes = (("smoothing", "sliding 7"), ("ties", "normal first"))
    way = steps(CASE, changes, EVALUATOR)
    assert [text for text, _ in way] == ["", *(says(*change) for change in changes)]
    assert way[0][1] == pytest.approx(float(claim(*changes)), abs=1e-5)
    assert way[1][1] == pytest.approx(float(claim(changes[1])), abs=1e-5)
    assert way[2][1] == pytest.approx(float(claim()), abs=1e-5)


def test_a_stated_protocol():
    assert parse_protocol(CASE, ["ties=normal first", "ends=1"]) == (("ties", "normal first"), ("ends", 1))
    with pytest.raises(ConfigError, match="abnormal first, ties=normal first"):
        parse_protocol(CASE, ["ties=random"])
    with pytest.raises(ConfigError, match="does not allow"):
        parse_protocol(CASE, ["order=list"])


@pytest.mark.parametrize("text", ["ninety", "-1", "100.5", "nan", ""])
def test_a_claim_that_is_no_number(text):
    with pytest.raises(ConfigError, match="--claimed"):
        claimed_number(text)


def test_effects_come_largest_first():
    singles = explain(CASE, evaluator=EVALUATOR).singles
    own = 100 * EVALUATOR.value(OWN)
    effects = [abs(one.percent - own) for one in singles]
    assert effects == sorted(effects, reverse=True)
    assert np.ptp(effects) > 1
