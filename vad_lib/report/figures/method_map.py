"""A map of the compared methods: what each adds to multiple-instance learning, and on which it builds."""

from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from vad_lib import registry
from vad_lib.methods.base import MethodSpec
from vad_lib.report.figures.style import BLUE, GREEN, GREY, style
from vad_lib.runs.experiments import COMPARED, VARIANTS

# a lane of the map each: its heading and colour
_QUESTIONS = {
    "selection": ("Which segments stand for a video?", BLUE),
    "context": ("What is normal, and what does a segment see?", GREEN),
    "language": ("What does language add?", "#B87A00"),
}
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 3.3, 1.0, 0.75, 0.28  # of the boxes and between them, in units of the axes


def method_map(title: str = "What each method adds to multiple-instance learning") -> tuple[Figure, pd.DataFrame]:
    """A map of one page: a box per compared method with its idea, a lane per question, arrows from what a method builds on.

    Returns:
        the figure, and (method, lane, builds_on, paper, idea) rows.
    """
    specs = {variant: registry.METHODS[VARIANTS[variant].method] for variant in COMPARED}
    titles, rows, corners = {variant: VARIANTS[variant].title for variant in COMPARED}, [], {}
    deepest = max(sum(spec.question == question for spec in specs.values()) for question in _QUESTIONS)
    with style():
        fig, axes = plt.subplots(figsize=(12, 1.28 * deepest + 1.0))
        for lane, (question, (words, colour)) in enumerate(_QUESTIONS.items()):
            x = lane * (_WIDTH + _GAP_X)
            axes.text(x + _WIDTH / 2, 0.3, words, ha="center", fontsize=11, weight="bold", color=colour)
            theirs = [variant for variant, spec in specs.items() if spec.question == question]
            for row, variant in enumerate(theirs):
                corners[variant], spec = (x, -row * (_HEIGHT + _GAP_Y)), specs[variant]
                _draw_box(axes, corners[variant], titles[variant], spec, colour)
                parents = "; ".join(titles[parent] for parent in spec.builds_on)
                rows.append((titles[variant], words, parents, spec.paper, spec.idea))
        pairs = [(parent, variant, place > 0) for variant, spec in specs.items() for place, parent in enumerate(spec.builds_on)]
        for number, (parent, variant, dashed) in enumerate(pairs):
            _draw_arrow(axes, corners[parent], corners[variant], dashed=dashed, steps_out=0 if dashed else number % 4)
        axes.set_title(title, loc="left", fontsize=13)
        axes.set(xlim=(-0.6, 3 * _WIDTH + 2 * _GAP_X + 0.4), ylim=(-deepest * (_HEIGHT + _GAP_Y) + 0.1, 0.55))
        axes.set_aspect("equal")
        axes.axis("off")
    return fig, pd.DataFrame(rows, columns=["method", "lane", "builds_on", "paper", "idea"])


def _draw_box(axes: Axes, corner: tuple[float, float], title: str, spec: MethodSpec, colour: str) -> None:
    """A method's box, from its upper left corner."""
    x, y = corner
    shape = "round,pad=0.02,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((x, y - _HEIGHT), _WIDTH, _HEIGHT, boxstyle=shape, fc="white", ec=colour, lw=1.4))
    axes.text(x + 0.1, y - 0.14, title, fontsize=9.5, weight="bold", va="center")
    axes.text(x + 0.1, y - 0.34, spec.paper, fontsize=7, va="center", color="#555555")
    axes.text(x + 0.1, y - 0.46, "\n".join(wrap(spec.idea, 54)), fontsize=7.4, va="top", linespacing=1.15)


def _draw_arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False, steps_out: int = 0
) -> None:
    """From a box to the one that builds on it: straight to a neighbour, else around the boxes between, some steps out."""
    (x0, y0), (x1, y1) = start, end
    look: dict[str, Any] = {"color": GREY, "lw": 1.1, "ls": "--" if dashed else "-"}
    if x0 == x1 and (dashed or abs(y0 - y1) > 1.5 * _HEIGHT):
        edge, out = (x0 + _WIDTH, 1) if dashed else (x0, -1)
        side = edge + out * (0.14 + 0.11 * steps_out)
        apart = 0.06 * steps_out  # several arrows that leave or reach one box stay apart
        leaves, arrives = y0 - _HEIGHT / 2 + apart, y1 - _HEIGHT / 2 - apart
        axes.plot([edge, side, side], [leaves, leaves, arrives], **look)
        start, end = (side, arrives), (edge, arrives)
    elif x0 == x1:
        start, end = (x0 + 0.3, y0 - _HEIGHT), (x1 + 0.3, y1)
    else:
        start, end = (x0 + _WIDTH, y0 - _HEIGHT / 2), (x1, y1 - _HEIGHT / 2)
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=1, zorder=0, **look))
