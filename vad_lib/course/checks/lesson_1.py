"""Checks of lesson 1_bags_and_mil; made by ``python -m vad_lib.course.build`` of its source."""

import numpy as np
import torch

from vad_lib.course.checker import Hint, called, exercise, numbers


@exercise("1.1")
def segments_with_gradient(answer):
    try:
        found = sorted(int(number) for number in answer)
    except (TypeError, ValueError):
        raise Hint("Expected a list of segment numbers, such as [0, 5].") from None
    if len(found) != 2:
        raise Hint(f"The top-2 mean has two segments in it; you named {len(found)}.")
    if found == [3, 4]:
        raise Hint("These are the segments of the event. The loss does not know the event; it knows the scores only.")
    if found != [3, 6]:
        raise Hint("Which two scores of the abnormal bag are the highest? Segments are counted from 0.")
    return "The lamp is pushed up, and half of the event learns nothing."


@exercise("1.2")
def smallest_k(answer):
    if not isinstance(answer, (int, np.integer)) or answer < 1:
        raise Hint("Expected a whole number, 1 or more, such as 3.")
    if answer == 1:
        raise Hint("k = 1 is the run of the right panel above. Its AUC is low.")
    if answer != 2:
        raise Hint("A smaller k does it too. Try them from 1 upwards and print learn([0, 1], k)[2].")
    return "One place more than there are lamps is enough."


@exercise("1.3")
def ranking_loss(answer):
    first = called(answer, torch.tensor([[0.1, 0.9], [0.6, 0.2]]), torch.tensor([[0.3, 0.2], [0.1, 0.8]]))
    pairs = "For the scores [[0.1, 0.9], [0.6, 0.2]] and [[0.3, 0.2], [0.1, 0.8]]"
    numbers(first, 0.8, f"{pairs} the pairs lack 0.4 and 1.2; the loss is their mean.")
    second = called(answer, torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
    numbers(second, 0.0, "If the abnormal bag is ahead by more than 1, the loss is 0, never negative.")
    third = called(answer, torch.tensor([[3.0, 0.0], [0.5, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    hint = "Cut each pair at 0 before you take the mean: one pair that is far ahead must not pay for another."
    numbers(third, 0.25, f"{hint} Compare each abnormal bag with the normal bag of its own pair only.")
