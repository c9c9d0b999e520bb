"""Small tools that lessons use and do not teach: small worlds, the library's own way of a step that a lesson does by hand.

Legend: T segments or snippets of a video, C categories, M prototypes of a bank.
"""

import warnings

import numpy as np
import torch
from torch import Tensor

from vad_lib import losses, model
from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.course.material import LessonBags, LessonRun
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.methods.layers import DualMemory

CENTRES = torch.tensor([[3.0, 0.0], [-1.3, 2.7], [-1.3, -2.7]])  # lesson 2: of normal segments, event and lamp


# --- lesson 2 --------------------------------------------------------------------------------------
def dual_memory(normal: Tensor, abnormal: Tensor) -> DualMemory:
    """The library's two banks with given prototypes.

    Args:
        normal, abnormal: float (M, 2).
    """
    with warnings.catch_warnings(action="ignore"):  # at width 2 the library's score head is empty; lessons do not use it
        memory = DualMemory(width=2, prototypes=len(normal))
    memory.normal.data, memory.abnormal.data = normal.clone(), abnormal.clone()
    return memory


def similarities(memory: DualMemory, points: Tensor) -> tuple[Tensor, Tensor]:
    """How similar each point is to both banks.

    Args:
        memory: of :func:`dual_memory`.
        points: float (bags, T, 2).

    Returns:
        similarities to the abnormal and to the normal bank, each float (bags, T) in (0, 1).
    """
    to_abnormal, to_normal = memory.similarity(memory.attend(points).unflatten(-1, (2, -1))).unbind(-1)
    return to_abnormal, to_normal


def turned(bank: Tensor, degrees: float) -> Tensor:
    """Prototypes, turned about the origin, counter-clockwise.

    Args:
        bank: float (M, 2).
        degrees: of the turn.

    Example:
        >>> turned(torch.tensor([[1.0, 0.0]]), 90).round(decimals=3).abs().tolist()
        [[0.0, 1.0]]
    """
    x, y = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return bank @ torch.tensor([[x, y], [-y, x]], dtype=torch.float32)


def world_of_points(lamps: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Ten normal and ten abnormal bags of eight points around the centres of their kinds.

    Every abnormal bag has two neighbouring segments with the event and one with the lamp.

    Args:
        lamps: normal bags that have a lamp too, 0 to 10.
        seed: of the random numbers.

    Returns:
        points, float (20, 8, 2), normal bags first; kinds, int (20, 8), 0 normal, 1 event, 2 lamp.
    """
    rng = np.random.default_rng(seed)
    kinds = np.zeros((20, 8), dtype=int)
    for bag in range(20):
        if bag >= 10:  # abnormal
            start = rng.integers(0, 6)
            kinds[bag, start : start + 2] = 1
        if bag >= 10 or bag < lamps:
            kinds[bag, rng.choice(np.flatnonzero(kinds[bag] == 0))] = 2
    noise = torch.tensor(rng.normal(0, 0.4, (20, 8, 2)), dtype=torch.float32)
    return CENTRES[torch.tensor(kinds)] + noise, kinds


# --- lesson 4 --------------------------------------------------------------------------------------
def terms_of_a_bag(logits: Tensor, cosines: Tensor, category: int, tau: float) -> dict[str, Tensor]:
    """The terms of the loss for one bag, by the library; both branches have the same weight, w = 0.5, and k is T // T + 1 = 2.

    Args:
        logits: float (1, T), of the visual branch.
        cosines: float (1, T, C), alignment map, *Normal* first.
        category: number of the video's category, 0 for a normal video.
        tau: temperature.

    Returns:
        ``main``, ``align``, ``cls``, ``suppression`` and ``con`` -> float scalar.
    """
    length, categories = cosines.shape[1:]
    mask, label = torch.ones(1, length, dtype=torch.bool), torch.tensor([float(category > 0)])
    target = torch.eye(categories)[[category]]
    s_c, s_a = logits.sigmoid(), model.semantic_score(cosines, tau)
    fine = model.category_scores(cosines, mask, divisor=length)
    return {
        "main": losses.main_loss(model.video_score(model.fuse(s_c, s_a, 0.5), mask, length), label),
        "align": losses.alignment_loss(cosines, target, mask, tau),
        "cls": losses.classification_loss(fine, target, tau),
        "suppression": losses.normal_suppression_loss(fine, label),
        "con": losses.consistency_loss(model.video_score(s_c, mask, length), model.video_score(s_a, mask, length)),
    }


def segments_reached(term: str, logits: Tensor, cosines: Tensor, category: int, tau: float) -> list[list[int]]:
    """Which segments get a gradient from one term of the loss.

    Args:
        term: name, one of :func:`terms_of_a_bag`, whose arguments the others are.

    Returns:
        numbers of the segments with a gradient on their visual logit; and of those with one on any of their cosines.
    """
    inputs = logits.clone().requires_grad_(), cosines.clone().requires_grad_()
    unused = 0 * (inputs[0].sum() + inputs[1].sum())  # a term that does not use an input then has the gradient 0 there
    value = terms_of_a_bag(*inputs, category, tau)[term] + unused
    of_logits, of_cosines = (gradient[0] != 0 for gradient in torch.autograd.grad(value, inputs))
    return [torch.nonzero(part).ravel().tolist() for part in (of_logits, of_cosines.any(dim=1))]


# --- lesson 5 --------------------------------------------------------------------------------------
def frames_of(shares: np.ndarray) -> np.ndarray:
    """Labels of the frames of one video, of the share of abnormal frames in each of its snippets.

    Where an event begins, its frames come last in their snippet; elsewhere they come first.

    Args:
        shares: float (T,), in [0, 1].

    Returns:
        bool (16 T,), True for abnormal frames.

    Example:
        >>> frames_of(np.array([0.0, 0.25, 1.0, 0.5])).nonzero()[0][[0, -1]].tolist()
        [28, 55]
    """
    count = np.round(FRAMES_PER_SNIPPET * shares)[:, None]
    rises = (np.append(shares[1:], 0) > np.append(0, shares[:-1]))[:, None]
    places = np.arange(FRAMES_PER_SNIPPET)
    return np.where(rises, places >= FRAMES_PER_SNIPPET - count, places < count).ravel()


def as_scored(run: LessonRun, test: LessonBags) -> ScoredVideos:
    """A run in the form that the library's bootstrap reads; all snippets count as full, 16 frames.

    Args:
        run: of :func:`vad_lib.course.lesson_runs`.
        test: bags of the test videos.
    """
    abnormal = np.concatenate([np.round(FRAMES_PER_SNIPPET * shares).astype(int) for shares in test.snippet_labels])
    video = np.repeat(np.arange(len(test.names)), [len(shares) for shares in test.snippet_labels])
    frames, no_events = (abnormal, FRAMES_PER_SNIPPET - abnormal), np.zeros((0, 3), dtype=int)
    return ScoredVideos(run.method, run.seed, test.names, test.labels > 0, video, np.concatenate(run.scores), *frames, no_events)
