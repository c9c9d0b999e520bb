"""Checks of lesson 4_gate_and_loss; made by ``python -m vad_lib.course.build`` of its source."""

import numpy as np
import torch

from vad_lib.course.checker import Hint, called, exercise, number


@exercise("4.1")
def fused_score(answer):
    value = float(answer) if isinstance(answer, (int, float, np.number)) else np.nan
    known = {
        -0.5: "You took g itself for w. w must lie between 0 and 1: equation 6 makes it from g.",
        0.4: "This is the fused score for w = 0.5, so for g = 0.",
        0.5387: "Which score does w multiply in equation 7? Or has g lost its minus?",
    }
    other = "First w = 1 / (1 + exp(-g)). Then w times the visual score of segment 6, plus (1 - w) times candidate 1."
    hint = next((hint for wrong, hint in known.items() if abs(value - wrong) < 2e-3), other)
    number(answer, 0.26136, hint, 2e-3)


@exercise("4.2")
def smallest_factor(answer):
    factors = (1, 2, 5, 10, 20, 50, 100)
    if not isinstance(answer, (int, float, np.integer, np.floating)) or answer not in factors:
        raise Hint(f"Expected one of the factors {', '.join(map(str, factors))}, not a rate and not a list.")
    if answer < 20:
        raise Hint("With this factor w does not reach 0.8. How far must g travel for that, and how far does it get in 240 steps?")
    if answer > 20:
        raise Hint("With this factor w passes 0.8, but so it does with a smaller one.")


@exercise("4.3")
def adaptive_loss(answer):
    plain = called(answer, torch.tensor([0.5, 2.0]), torch.zeros(2))
    if not isinstance(plain, torch.Tensor) or plain.dim():
        raise Hint("Expected one tensor without dimensions: take the sum over the terms, and do not use .item() or float().")
    number(plain, 2.5, "With s = 0 all weights are exp(0) = 1, and the loss is the plain sum of the terms.")
    s = torch.tensor([1.0, 2.0])
    values = torch.tensor([0.5, 2.0])
    result = float(called(answer, values, s))
    if abs(result - float((s.exp() * values + s / 2).sum())) < 1e-3:
        raise Hint("The weight is exp(-s), so a larger s must give a smaller weight. Look at the sign.")
    if abs(result - float(((-s).exp() * values + s).sum())) < 1e-3 or abs(result - float(((-s).exp() * values).sum())) < 1e-3:
        raise Hint("The weights are right. What keeps s from growing without end? Look at the second part of the sum.")
    number(result, float(((-s).exp() * values + s / 2).sum()), "Two parts for each term: exp(-s) times the term, and half of s.")
    single = called(answer, torch.tensor([3.0]), torch.tensor([1.0]))
    number(single, 3 * float(np.exp(-1)) + 0.5, "It must work for any number of terms; try one term alone.")
    s = torch.tensor([0.0, float(np.log(4.0))], requires_grad=True)
    values = torch.tensor([0.5, 2.0], requires_grad=True)
    value = called(answer, values, s)
    reached = torch.autograd.grad(value, (s, values), allow_unused=True) if value.requires_grad else (None, None)
    gradient, of_values = reached
    if gradient is None:
        raise Hint("The gradient does not reach s. Use tensors all the way: no numpy, no .item(), no .detach().")
    if of_values is None:
        raise Hint("The gradient does not reach the terms. Do not detach them.")
    if gradient.abs().max() > 1e-4:
        raise Hint("For the terms 0.5 and 2 the gradient with respect to s must be 0 at s = [0, ln 4].")
