"""Figures of lesson 2: segments and prototypes as points, clouds, and the terms of one run."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vad_lib.course.tools import turned
from vad_lib.methods.layers import DualMemory
from vad_lib.report.figures.alternative_texts import composed, course
from vad_lib.report.figures.style import BLUE, GREEN, GREY, ORANGE, SKY, VERMILION, describe, style

_BAG_COLOURS = (SKY, ORANGE)  # of the normal and the abnormal bag
_KINDS = ((GREY, "normal"), (GREEN, "event"), (ORANGE, "lamp"))  # of segments, by number
_ROLES = {"anchor": (6, 3), "positive": (-14, -15), "negative": (-14, -15)}  # of the triplet -> where the word stands, in points


def banks_and_bags(banks: Sequence[Tensor], bags: Sequence[Tensor]) -> Figure:
    """Segments and prototypes as points of two numbers; segments have their numbers beside them.

    Args:
        banks: float (M, 2), prototypes of the normal and of the abnormal bank.
        bags: float (T, 2), segments of the normal and of the abnormal bag.
    """
    with style():
        fig, axes = plt.subplots(figsize=(6.4, 3.6))
        _draw_banks(axes, *banks)
        for bag, colour, name in zip(bags, _BAG_COLOURS, ("normal bag", "abnormal bag")):
            axes.scatter(*bag.T, color=colour, label=name)
            _name_segments(axes, bag, {number: str(number) for number in range(len(bag))})
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    groups = zip(("normal bag", "abnormal bag", "normal bank", "abnormal bank"), [*bags, *banks])
    said = [f"{name} {', '.join(f'({x:.1f}, {y:.1f})' for x, y in points.tolist())}" for name, points in groups]
    describe(fig, composed("Segments and prototypes as points with two numbers", said))
    return fig


def pushes_of_the_triplet(
    turns: Mapping[float, tuple[tuple[int, int, int], tuple[float, float], Tensor]],
    banks: Sequence[Tensor],
    bags: Sequence[Tensor],
    shown: Mapping[int, str],
) -> Figure:
    """The pushes of the triplet term on all segments as arrows, a panel for each turn of the abnormal bank.

    Args:
        turns: degrees -> numbers of anchor, positive and negative; loss of the library and by hand; pushes, float (2, T, 2), minus
            the gradient for each segment.
        banks: float (M, 2), the normal bank, and the abnormal bank before it is turned.
        bags: float (T, 2), segments of the normal and of the abnormal bag.
        shown: number of a segment of the abnormal bag -> word for what it shows, such as ``event``; of those that are special.
    """
    said = []
    with style():
        fig, row = plt.subplots(1, len(turns), figsize=(9, 4), sharey=True)
        for axes, (degrees, (chosen, (library, by_hand), pushes)) in zip(row, turns.items()):
            _draw_banks(axes, banks[0], turned(banks[1], degrees))
            for bag, of_bag, colour in zip(bags, pushes, _BAG_COLOURS):
                axes.scatter(*bag.T, color=colour)
                axes.quiver(*bag.T, *of_bag.T, angles="xy", scale_units="xy", scale=0.25, width=0.008, minlength=0)
            _name_segments(axes, bags[1], {number: f"{number} {word}" for number, word in shown.items()})
            for number, bag, (word, place) in zip(chosen, (bags[0], bags[1], bags[1]), _ROLES.items()):
                axes.annotate(f"{word} ({number})", bag[number].tolist(), xytext=place, textcoords="offset points")
            axes.set_title(f"turned by {degrees}°: loss {library:.2f}, by hand {by_hand:.2f}")
            x, y = pushes[1, chosen[2]].tolist()
            said.append(
                "turned by {}°, anchor {}, positive {}, negative {}, ".format(degrees, *chosen)
                + f"loss {library:.2f}, the negative is pushed by ({x:.2f}, {y:.2f})"
            )
    describe(fig, composed(f"Segments, banks, and the pushes as arrows, for {len(turns)} turns of the abnormal bank", said))
    return fig


def clouds(points: Mapping[float, Tensor], mean: Tensor) -> Figure:
    """Random points around one mean, a panel for each log-variance.

    Args:
        points: log-variance -> float (points, 2).
        mean: float (2,).
    """
    said, count = [], 0
    with style():
        fig, row = plt.subplots(1, len(points), figsize=(9, 3), sharex=True, sharey=True)
        for axes, (log_variance, cloud) in zip(row, points.items()):
            count = len(cloud)
            axes.scatter(*cloud.T, s=8, color=SKY)
            axes.scatter(*mean, marker="*", s=120, color=BLUE)
            axes.set_title(f"log-variance {log_variance:g}: deviation {np.exp(log_variance / 2):.2f}")
            axes.set(aspect="equal", xlabel="first number")
            said.append(f"log-variance {log_variance:g}, measured deviation {(cloud - mean).square().mean().sqrt():.2f}")
        row[0].set_ylabel("second number")
    describe(fig, composed(f"{len(points)} clouds of {count} random points around the same mean, a star", said))
    return fig


def trained_banks(runs: Mapping[str, tuple[DualMemory, Tensor, np.ndarray, float, int]]) -> Figure:
    """Encoded segments by kind, and both banks, a panel for each run.

    Args:
        runs: name -> memory; encoded segments, float (bags, T, 2); their kinds, int (bags, T), 0 normal, 1 event, 2 lamp; loss at
            the end; in how many abnormal bags, the second half, the abnormal bank finds the event first.
    """
    said = []
    with style():
        fig, row = plt.subplots(1, len(runs), figsize=(11, 4.4))
        for axes, (name, (memory, points, kinds, loss, found)) in zip(row, runs.items()):
            for kind, (colour, word) in enumerate(_KINDS):
                axes.scatter(*points[kinds == kind].T, s=6, color=colour, label=f"segment: {word}")
            abnormal_bank = memory.abnormal.detach()
            _draw_banks(axes, memory.normal.detach(), abnormal_bank)
            far = 1.1 * float(points.abs().max())  # training moves the segments outwards
            axes.set(title=f"{name}: loss {loss:.2f}, event {found} of {len(kinds) // 2}", xlim=(-far, far), ylim=(-far, far))
            groups = {"abnormal bank": abnormal_bank, "event": points[kinds == 1], "lamp": points[kinds == 2]}
            places = [f"{word} at ({group[:, 0].mean():.1f}, {group[:, 1].mean():.1f})" for word, group in groups.items()]
            said.append(f"{name}, event {found} of {len(kinds) // 2}, {', '.join(places)}")
        fig.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    describe(fig, composed("Segments and both banks as points; the middle of each group", said))
    return fig


def triplet_and_parts(log: pd.DataFrame, parts: pd.Series) -> Figure:
    """The triplet term of one run over the steps, and the parts of its loss at the last step.

    Args:
        log: of :func:`vad_lib.course.lesson_log`.
        parts: name of the part -> weight times value at the last step.
    """
    weight, value = log["weight/triplet"] / log["weight/triplet"].max(), log["loss/triplet"]
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 2.8))
        left.plot(log["step"], weight, color=ORANGE, label="weight (share)")
        left.plot(log["step"], value, color=BLUE, label="value")
        left.set(title=f"triplet term: {value.iloc[0]:.2f} at first, {value.iloc[-1]:.2f} at the end", xlabel="step")
        left.legend()
        right.barh(parts.index[::-1], parts[::-1], color=GREY)
        right.set(title=f"largest at the last step:\n{parts.idxmax()}", xlabel="weight × value")
    said = [course("share of the weight", log["step"], weight), course("value", log["step"], value, "step")]
    said += [f"{name} {part:.2f}" for name, part in parts.items()]
    describe(fig, composed(f"Triplet term over the steps, and the {len(parts)} parts of the loss at the last step", said))
    return fig


def _name_segments(axes: Axes, bag: Tensor, words: Mapping[int, str]) -> None:
    """Words beside some segments, by their numbers; to the left of a dot that has another one close to its right."""
    points = bag.tolist()
    for number, word in words.items():
        x, y = points[number]
        crowded = any(0 < right - x < 0.5 and abs(up - y) < 0.25 for right, up in points)
        place: dict[str, Any] = {"xytext": (-5, 5), "ha": "right"} if crowded else {"xytext": (5, 3)}
        axes.annotate(word, (x, y), textcoords="offset points", **place)


def _draw_banks(axes: Axes, normal: Tensor, abnormal: Tensor) -> None:
    """Prototypes of both banks: squares are normal, triangles abnormal."""
    edges: dict[str, Any] = {"edgecolor": "black", "zorder": 3}
    axes.scatter(normal[:, 0], normal[:, 1], s=50, marker="s", color=BLUE, label="normal prototype", **edges)
    axes.scatter(abnormal[:, 0], abnormal[:, 1], s=60, marker="^", color=VERMILION, label="abnormal prototype", **edges)
    axes.set(aspect="equal", xlim=(-4, 4), ylim=(-4, 4), xlabel="first number", ylabel="second number")
