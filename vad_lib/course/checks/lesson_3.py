"""Checks of lesson 3_text_alignment; made by ``python -m vad_lib.course.build`` of its source."""

import numpy as np

from vad_lib.course.checker import Hint, called, exercise, number, numbers, one_number


@exercise("3.1")
def category_scores(answer):
    alignment = np.cos(np.radians([25, 10, 80, 115, 50, 160])[:, None] - np.radians([20, 100, 160])[None, :])
    values = np.asarray(answer, dtype=float)
    if values.shape == (6,):
        raise Hint("You have one number for each segment. Equation 4 wants one for each category: go over the segments, axis 0.")
    if values.shape == (3,):
        for wrong, hint in {
            "mean": "This is the mean over all segments. Keep the 2 highest cosines of each category only.",
            "max": "This is the highest cosine of each category, k = 1. Here k is 2.",
        }.items():
            if np.allclose(values, getattr(alignment, wrong)(axis=0), atol=8e-3):
                raise Hint(hint)
        if np.allclose(values, np.sort(alignment, axis=0)[:2].mean(axis=0), atol=8e-3):
            raise Hint("These are the 2 lowest cosines of each category. np.sort puts the lowest first.")
        if np.allclose(values, alignment[-2:].mean(axis=0), atol=8e-3):
            raise Hint("This is the mean of the last two segments. Sort the cosines of each category first.")
    expected = np.sort(alignment, axis=0)[-2:].mean(axis=0)
    numbers(values, expected, "For each of the 3 categories: its 2 highest cosines, then their mean.", 8e-3)
    return "One segment alone no longer decides the category."


@exercise("3.2")
def largest_tau(answer):
    temperatures = [1.0, 0.5, 0.2, 0.1, 0.05]
    try:
        value = float(answer)
    except (TypeError, ValueError):
        raise Hint("Expected one number of the list temperatures.") from None
    if not any(abs(value - tau) < 1e-6 for tau in temperatures):
        raise Hint(f"Expected a number of the list {temperatures}, got {value:g}.")
    if value > 0.15:
        raise Hint(f"With tau = {value:g} the score is not below 0.05. Print it, then go on to smaller temperatures.")
    number(value, 0.1, "With this one the score is below 0.05, but a larger temperature of the list does it too.")
    return "Seven small probabilities add up; a small temperature keeps their sum small."


@exercise("3.3")
def abnormal_category(answer):
    first = np.array([[0.9, 0.1, 0.2], [0.8, 0.9, 0.6], [0.9, 0.0, 0.7]])
    value = one_number(called(answer, first, 2))
    if value == 0:
        raise Hint("You returned 0. Either Normal took part, which is to stay out, or you counted the abnormal categories from 0.")
    if value == 1:
        raise Hint(
            "For [[0.9, 0.1, 0.2], [0.8, 0.9, 0.6], [0.9, 0.0, 0.7]] and k = 2 the scores of the categories 1 and 2 are 0.5 and "
            "0.65. Did you take the mean of the k highest cosines over time, and count the categories with Normal as 0?"
        )
    number(value, 2, "With 3 categories the answer is 1 or 2.")
    hint = "For the same map and k = 1 the scores of the categories 1 and 2 are 0.9 and 0.7. Does your function use k?"
    number(called(answer, first, 1), 1, hint)
    second = np.array([[0.0, 0.5, 0.4, 0.1], [0.0, 0.1, 0.2, 0.4], [0.0, 0.5, 0.3, 0.4], [0.0, -0.9, 0.3, 0.4]])
    hint = "For another map, of 4 snippets and 4 categories, k = 3, another category is the highest. Is k used, or a fixed number?"
    number(called(answer, second, 3), 3, hint)
    third = np.array([[0.0, 0.9, 0.4], [0.0, 0.1, 0.3]])
    number(called(answer, third, 2), 1, "Take the mean of the k highest cosines, not the k-th highest alone.")
    fourth = np.array([[0.0, -0.9, -0.7], [0.0, -0.1, -0.6]])
    hint = (
        "Cosines can be negative, and the mean goes over the snippets (axis 0): for [[0, -0.9, -0.7], [0, -0.1, -0.6]], k = 2, "
        "the scores are -0.5 and -0.65."
    )
    number(called(answer, fourth, 2), 1, hint)
    return "This is how the library names a video, too: top_categories in vad_lib.evaluation.fine_grained."
