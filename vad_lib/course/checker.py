"""The checker of exercises: offline, in words, and without the solution in it.

``check("1.2", answer)`` says *right*, or *not yet* with a hint. What an answer must be stands in ``vad_lib/course/checks``, a
module for each lesson, which :mod:`vad_lib.course.build` takes out of the lesson's source. A check is a function that returns
nothing if the answer is right and raises :class:`Hint` if it is not; :func:`number`, :func:`numbers`, :func:`choice` and
:func:`called` are what most of them are made of.

otter-grader was tried first: it brings 25 packages, and its log of answers is a pickle.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from vad_lib.errors import ConfigError, did_you_mean

UNSOLVED = "There is still a `...` to replace with your answer."


class Hint(Exception):
    """An answer is not right yet; the text helps one step further and does not say the answer."""


@dataclass(frozen=True)
class Verdict:
    """What the checker says.

    Attributes:
        exercise: number of the exercise, such as ``1.2``.
        right: whether the answer is right.
        words: a hint if it is not; a remark, or nothing, if it is.
    """

    exercise: str
    right: bool
    words: str = ""

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"Exercise {self.exercise}: {'right' if self.right else 'not yet'}.{' ' + self.words if self.words else ''}"

    def _repr_markdown_(self) -> str:
        return f"**Exercise {self.exercise}: {'right' if self.right else 'not yet'}.** {self.words}"


_EXERCISES: dict[str, Callable[[Any], str | None]] = {}


def exercise(number: str) -> Callable[[Callable[[Any], str | None]], Callable[[Any], str | None]]:
    """Decorator of a check: its argument is the answer; it raises :class:`Hint`, or returns a remark or nothing."""

    def registered(function: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
        _EXERCISES[number] = function
        return function

    return registered


def check(exercise: str, answer: Any) -> Verdict:
    """Judge an answer.

    Args:
        exercise: its number, such as ``"1.2"``.
        answer: what the exercise asks for: a number, an array, a letter, or a function.

    Raises:
        ConfigError: no such exercise.
    """
    known = _exercises_of(exercise.partition(".")[0]) if isinstance(exercise, str) else {}
    if exercise not in known:
        there = sorted(number for lesson in _lessons() for number in _exercises_of(lesson))
        raise ConfigError(f"no exercise {exercise!r}{did_you_mean(str(exercise), there)}; there are: {', '.join(there)}.")
    if unsolved(answer):
        return Verdict(exercise, False, UNSOLVED)
    try:
        remark = known[exercise](answer)
    except Hint as hint:
        return Verdict(exercise, False, str(hint))
    except Exception as error:  # an answer of a kind that the check did not think of
        return Verdict(
            exercise, False, f"Your answer could not be judged ({type(error).__name__}: {error}). Is it of the right kind?"
        )
    return Verdict(exercise, True, remark or "")


CHECKS = "vad_lib.course.checks"  # by name: its modules import this one


def _lessons() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module(CHECKS).__path__)]
    return [name.removeprefix("lesson_") for name in names]


@cache
def _exercises_of(lesson: str) -> dict[str, Callable[[Any], str | None]]:
    """Checks of one lesson; none for a lesson that is not there."""
    if lesson not in _lessons():
        return {}
    importlib.import_module(f"{CHECKS}.lesson_{lesson}")
    return {number: check for number, check in _EXERCISES.items() if number.startswith(f"{lesson}.")}


def unsolved(answer: Any) -> bool:
    """Whether an answer, or a part of it, is still the ``...`` of the exercise."""
    if isinstance(answer, (list, tuple)):
        return any(unsolved(part) for part in answer)
    if isinstance(answer, dict):
        return any(unsolved(part) for part in answer.values())
    return answer is ... or (isinstance(answer, np.ndarray) and answer.dtype == object)


def one_number(answer: Any) -> float:
    """An answer as a number; a tensor or array of one element counts as one.

    Raises:
        Hint: it is no number.
    """
    try:
        return float(answer.item() if isinstance(answer, (np.ndarray, torch.Tensor)) else answer)
    except (TypeError, ValueError, RuntimeError):
        raise Hint(f"Expected one number, got {_kind(answer)}.") from None


def number(answer: Any, expected: float, hint: str, tolerance: float = 1e-3) -> None:
    """Expect one number.

    Args:
        answer: of the student, see :func:`one_number`.
        expected: the right one.
        hint: what to say of another number.
        tolerance: largest difference that is still right.

    Raises:
        Hint: it is no number, or another one.
    """
    if not abs(one_number(answer) - expected) <= tolerance:
        raise Hint(hint)


def numbers(answer: Any, expected: Sequence[float] | np.ndarray | torch.Tensor | float, hint: str, tolerance: float = 1e-3) -> None:
    """Expect an array of numbers; as :func:`number`, element by element."""
    wanted = np.asarray(expected, dtype=float)
    try:
        values = np.asarray(answer.detach() if isinstance(answer, torch.Tensor) else answer, dtype=float)
    except (TypeError, ValueError):
        raise Hint(f"Expected numbers of shape {wanted.shape}, got {_kind(answer)}.") from None
    if values.shape != wanted.shape:
        raise Hint(f"Expected the shape {wanted.shape}, got {values.shape}.")
    if not np.allclose(values, wanted, rtol=0, atol=tolerance):
        raise Hint(hint)


def choice(answer: Any, right: str, hints: dict[str, str]) -> None:
    """Expect one of some letters.

    Args:
        answer: of the student; case and blanks do not matter.
        right: the right letter.
        hints: letter -> what to say to it, for every wrong one.

    Raises:
        Hint: no such letter, or a wrong one.
    """
    letter = answer.strip().lower() if isinstance(answer, str) else answer
    letters = sorted({right, *hints})
    if letter not in letters:
        raise Hint(f"Expected one of the letters {', '.join(letters)}, in quotation marks; got {_kind(answer)}.")
    if letter != right:
        raise Hint(hints[letter])


def called(answer: Any, *arguments: Any) -> Any:
    """What the student's function returns for some arguments.

    It gets copies, so it may change them in place; gradients reach the tensors that they are copies of.

    Raises:
        Hint: it is no function, it raises an error, or it still returns ``...`` or nothing.
    """
    if not callable(answer):
        raise Hint(f"Expected a function, got {_kind(answer)}. Give its name without brackets: check(..., my_function).")
    try:
        value = answer(*(_copied(argument) for argument in arguments))
    except Exception as error:  # whatever a student's function does
        raise Hint(f"Your function stopped with {type(error).__name__}: {error}.") from None
    if unsolved(value):
        raise Hint(UNSOLVED)
    if value is None:
        raise Hint("Your function returned nothing; does it end with `return`?")
    return value


def _copied(argument: Any) -> Any:
    if isinstance(argument, torch.Tensor):
        return argument.clone()
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def _kind(answer: Any) -> str:
    shape = getattr(answer, "shape", None)
    return f"{type(answer).__name__} of shape {tuple(shape)}" if shape is not None else f"{type(answer).__name__} {answer!r:.60}"
