"""The checker: right, not yet with a hint, and never an error."""

import numpy as np
import pytest
import torch

from vad_lib.course import check
from vad_lib.course.checker import UNSOLVED, Hint, called, choice, number, numbers, unsolved
from vad_lib.errors import ConfigError


def test_an_unsolved_exercise_is_said_to_be_unsolved():
    assert check("1.1", ...).words == UNSOLVED
    assert not check("1.1", [3, ...])
    assert not check("1.3", lambda abnormal, normal: ...)


def test_right_and_wrong_answers():
    assert check("1.1", (6, 3))
    wrong = check("1.1", [3, 4])
    assert not wrong and "event" in wrong.words and "not yet" in repr(wrong)
    assert "right" in repr(check("1.2", 2))


def test_an_answer_of_another_kind_gets_a_hint_and_no_error():
    for answer in (None, 7, "x", {"a": 1}, torch.ones(2, 2), object()):
        assert not check("1.1", answer)
        assert not check("1.3", answer)


def test_an_unknown_exercise_names_those_that_are_there():
    with pytest.raises(ConfigError, match=r"1\.1"):
        check("9.9", 1)


def test_numbers_are_compared_with_their_shape():
    number(torch.tensor([0.5]), 0.5, "no")
    numbers(torch.tensor([1.0, 2.0], requires_grad=True), [1, 2], "no")
    with pytest.raises(Hint, match="no"):
        number(0.6, 0.5, "no")
    with pytest.raises(Hint, match="no"):
        number(float("nan"), 0.5, "no")
    with pytest.raises(Hint, match=r"\(2,\)"):
        numbers([1, 2, 3], [1, 2], "no")
    with pytest.raises(Hint, match="str"):
        number("a", 1, "no")


def test_a_letter_may_be_written_in_any_case():
    choice(" B ", "b", {"a": "not a"})
    with pytest.raises(Hint, match="not a"):
        choice("a", "b", {"a": "not a"})
    with pytest.raises(Hint, match="letters a, b"):
        choice("c", "b", {"a": "not a"})


def test_a_function_of_a_student_may_fail_in_every_way():
    def fails(_):
        raise ZeroDivisionError("by zero")

    assert called(lambda x: x + 1, 1) == 2
    for function, words in {fails: "ZeroDivisionError", lambda x: None: "return", lambda x: ...: "replace"}.items():
        with pytest.raises(Hint, match=words):
            called(function, 1)
    with pytest.raises(Hint, match="without brackets"):
        called(3, 1)


def test_what_counts_as_unsolved():
    assert unsolved(...) and unsolved([1, ...]) and unsolved({"a": ...}) and unsolved(np.array([1, ...], dtype=object))
    assert not unsolved(0) and not unsolved([]) and not unsolved(np.zeros(2))
