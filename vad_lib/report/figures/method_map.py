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
from vad_lib.report.figures.alternative_texts import composed
from vad_lib.report.figures.style import BLUE, GREEN, GREY, describe, style
from vad_lib.runs.experiments import COMPARED, VARIANTS

# question of a method's registry entry -> heading of its lane, and colour
LANES = {
    "selection": ("Which segments stand for a video?", BLUE),
    "context": ("What is normal, and what does a segment see?", GREEN),
    "language": ("What does language add?", "#B87A00"),
}
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 3.05, 1.2, 0.5, 0.24  # of the boxes and between them, in inches
_MARGIN = 0.4  # left and right of the lanes, where arrows pass
_TOP = 0.95  # above the boxes, for title and headings
_LETTERS = 40  # of a line in a box
_TITLE = "What each method adds to multiple-instance learning"


def method_map() -> tuple[Figure, pd.DataFrame]:
    """A map of one page: a box per compared method with its idea, a lane per question, arrows from what a method builds on.

    Returns:
        the figure, and (method, lane, builds_on, paper, idea) rows.
    """
    specs = {variant: registry.METHODS[VARIANTS[variant].method] for variant in COMPARED}
    titles, rows, corners = {variant: VARIANTS[variant].title for variant in COMPARED}, [], {}
    deepest = max(sum(spec.question == question for spec in specs.values()) for question in LANES)
    size = (2 * _MARGIN + 3 * _WIDTH + 2 * _GAP_X, deepest * (_HEIGHT + _GAP_Y) + _TOP)
    with style():
        fig = plt.figure(figsize=size, layout="none")
        axes = fig.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-_MARGIN, size[0] - _MARGIN), ylim=(_TOP - size[1], _TOP))
        axes.axis("off")
        for lane, (question, (words, colour)) in enumerate(LANES.items()):
            x = lane * (_WIDTH + _GAP_X)
            heading = "\n".join(wrap(words, 33))
            axes.text(x, 0.1, heading, va="bottom", fontsize=10.5, weight="bold", color=colour)
            theirs = [variant for variant, spec in specs.items() if spec.question == question]
            for row, variant in enumerate(theirs):
                corners[variant], spec = (x, -row * (_HEIGHT + _GAP_Y)), specs[variant]
                _draw_box(axes, corners[variant], titles[variant], spec, colour)
                parents = "; ".join(titles[parent] for parent in spec.builds_on)
                rows.append((titles[variant], words, parents, spec.paper, spec.idea))
        pairs = [(parent, variant, place > 0) for variant, spec in specs.items() for place, parent in enumerate(spec.builds_on)]
        for number, (parent, variant, dashed) in enumerate(pairs):
            _draw_arrow(axes, corners[parent], corners[variant], dashed=dashed, steps_out=0 if dashed else number % 4)
        axes.text(0, _TOP - 0.2, _TITLE, fontsize=13, va="center")
        _explain_arrows(axes, any(dashed for *_, dashed in pairs))
    said = [f"{method} builds on {parents.replace('; ', ' and ')}" if parents else method for method, _, parents, *_ in rows]
    lanes = "; ".join(words for words, _ in LANES.values())
    what = f"Map, {_TITLE}. {len(rows)} boxes in three lanes, {lanes.replace(';', ',')}"
    describe(fig, composed(what, said))
    return fig, pd.DataFrame(rows, columns=["method", "lane", "builds_on", "paper", "idea"])


def _explain_arrows(axes: Axes, dashed: bool) -> None:
    """What the arrows mean, in the lower right corner, which the two shorter lanes leave free."""
    kinds = [("-", "builds on it"), *([("--", "takes a second idea from it")] if dashed else [])]
    x, bottom = 2 * (_WIDTH + _GAP_X), axes.get_ylim()[0] + 0.3
    for place, (line, words) in enumerate(reversed(kinds)):
        y = bottom + 0.3 * place
        look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 11, "color": GREY, "lw": 1.2, "ls": line}
        axes.add_patch(FancyArrowPatch((x, y), (x + 0.6, y), shrinkA=0, shrinkB=0, **look))
        axes.text(x + 0.75, y, words, va="center", fontsize=9.5)


def _draw_box(axes: Axes, corner: tuple[float, float], title: str, spec: MethodSpec, colour: str) -> None:
    """A method's box, from its upper left corner."""
    x, y = corner
    shape = "round,pad=0.02,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((x, y - _HEIGHT), _WIDTH, _HEIGHT, boxstyle=shape, fc="white", ec=colour, lw=1.4))
    axes.text(x + 0.1, y - 0.17, title, fontsize=9.7, weight="bold", va="center")
    axes.text(x + 0.1, y - 0.39, spec.paper, fontsize=9, va="center", color="#555555")
    axes.text(x + 0.1, y - 0.53, "\n".join(wrap(spec.idea, _LETTERS)), fontsize=9.3, va="top", linespacing=1.15)


def _draw_arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False, steps_out: int = 0
) -> None:
    """From a box to the one that builds on it: straight to a neighbour, else around the boxes between, some steps out."""
    (x0, y0), (x1, y1) = start, end
    look: dict[str, Any] = {"color": GREY, "lw": 1.1, "ls": "--" if dashed else "-"}
    if x0 == x1 and (dashed or abs(y0 - y1) > 1.5 * _HEIGHT):
        edge, out = (x0 + _WIDTH, 1) if dashed else (x0, -1)
        side = edge + out * (0.12 + 0.08 * steps_out)
        apart = 0.06 * steps_out  # several arrows that leave or reach one box stay apart
        leaves, arrives = y0 - _HEIGHT / 2 + apart, y1 - _HEIGHT / 2 - apart
        axes.plot([edge, side, side], [leaves, leaves, arrives], **look)
        start, end = (side, arrives), (edge, arrives)
    elif x0 == x1:
        start, end = (x0 + 0.3, y0 - _HEIGHT), (x1 + 0.3, y1)
    else:
        start, end = (x0 + _WIDTH, y0 - _HEIGHT / 2), (x1, y1 - _HEIGHT / 2)
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=1, zorder=0, **look))
