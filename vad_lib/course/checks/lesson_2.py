"""Checks of lesson 2_memory; made by ``python -m vad_lib.course.build`` of its source."""

import torch

from vad_lib.course.checker import Hint, called, choice, exercise, numbers


@exercise("2.1")
def unlike_all(answer):
    hints = {
        "a": "What do the weights of a softmax sum to? Can all of them be near 0?",
        "c": "Calculate one weight of the sigmoid: 1 / (1 + e^4).",
        "d": "Divide two weights of a softmax: which part of the similarities is left? Or let Python calculate it.",
    }
    choice(answer, "b", hints)
    return "Only the sigmoid can say that a segment resembles nothing."


LARGEST_TURN = 70


@exercise("2.2")
def largest_turn(answer):
    try:
        turn = float(answer)
    except (TypeError, ValueError):
        raise Hint("Expected a number of degrees, such as 20.") from None
    if turn % 10 or not 0 <= turn <= 150:
        raise Hint("Expected whole tens of degrees, from 0 to 150: 0, 10, 20 and so on.")
    if turn > LARGEST_TURN:
        raise Hint("With this turn the negative is segment 3, the lamp. Turn less.")
    if turn < LARGEST_TURN:
        raise Hint("With this turn the event is chosen, but a larger turn does it too.")
    return "Beyond it, the bank lies nearer to the lamp than to the event."


@exercise("2.3")
def read(answer):
    points = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [0.0, 0.0]])
    bank = torch.tensor([[2.0, 0.0], [0.0, -1.0], [1.0, 1.0], [0.5, 2.0], [-1.0, 0.5]])
    log_variance = torch.linspace(0.4, 1.6, 6).view(3, 2)  # all different: each has a cloud of its own
    noise = torch.tensor([[0.5, -1.0], [2.0, 0.5], [-1.0, 1.0]])
    products = points @ bank.T
    mean = (products / 2**0.5).sigmoid() @ bank

    silent = called(answer, points, bank, log_variance, torch.zeros(3, 2))
    _tell(silent, (products / 2**0.5).softmax(dim=1) @ bank, "For each segment your weights sum to 1. Must those of a sigmoid?")
    _tell(silent, products.sigmoid() @ bank, "Something is missing before the sigmoid: products grow with the width W.")
    _tell(silent, (products / 2).sigmoid() @ bank, "You divided by W. Look at the sentence about attention again.")
    _tell(silent, (products / 3**0.5).sigmoid() @ bank, "W is the width of a point, not the number of points.")
    _tell(silent, (products / 5**0.5).sigmoid() @ bank, "W is the width of a point, not the number of prototypes.")
    zeros = "Try a point of zeros: all its weights are 1/2, so the mean is half of the sum of the prototypes."
    numbers(silent, mean.numpy(), f"Without noise your result should be the mean alone. {zeros}")

    noisy = called(answer, points, bank, log_variance, noise)
    _tell(noisy, mean, "The noise has no effect in your function.")
    _tell(noisy, mean + noise, "The noise is added as it is; where does the log-variance come in?")
    _tell(noisy, mean + noise * log_variance, "You multiplied the noise by the logarithm of the variance.")
    _tell(noisy, mean + noise * log_variance.exp(), "You multiplied the noise by the variance. What is the standard deviation?")
    _tell(noisy, mean + noise * (log_variance.mean() / 2).exp(), "Each segment and each number has its own log-variance; no mean.")
    numbers(noisy, mean + noise * (log_variance / 2).exp(), "The mean is right. Look at the factor of the noise again.")
    return "This is what normal videos read in training."


def _tell(value, wrong, hint):
    """Give the hint if the value is what a typical mistake gives."""
    if isinstance(value, torch.Tensor) and value.shape == wrong.shape and torch.allclose(value.float(), wrong, atol=1e-4):
        raise Hint(hint)
