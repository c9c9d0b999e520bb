"""Figures 1 and 2: diagrams of the proposed model, read from an instance.

Names, shapes and parameter counts come from a forward pass and from the modules themselves, so a diagram cannot
drift from the code. A model with fresh weights will do, see :func:`vad_lib.report.figures.model_parts.untrained_model`.
"""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as MplPath

from vad_lib.model import Proposed, gate_weight
from vad_lib.report.figures.alternative_texts import composed
from vad_lib.report.figures.model_parts import Part, model_parts, part_rows
from vad_lib.report.figures.style import FUSED, GREY, PURPLE, VISUAL, describe, style


class _Box(NamedTuple):
    x: float  # centre, inches
    y: float
    title: str
    lines: tuple[str, ...]
    kind: str
    width: float = 1.42
    height: float = 0.92


_LINE = "#444444"  # of arrows
_LOSS_EQUATIONS = {"align": "eq. 12", "cls": "eq. 10, 11", "con": "eq. 13"}
# kind of a box -> face, edge; visual, semantic and fused as in the curves of scores
_KINDS = {
    "given": ("#EEEEEE", GREY),
    "visual": ("#D3EFE5", VISUAL),
    "text": ("#F6E3EE", PURPLE),
    "alignment": ("#FBEBC8", "#B87A00"),
    "fusion": ("#D6E8F5", FUSED),
}


class _Arrow(NamedTuple):
    """From one box to another.

    ``sides`` such as ``rl``: leaves right, arrives left. ``leave`` and ``arrive`` move its ends along their sides, in inches, so
    that two arrows of a side stay apart; ``bend`` is where the middle piece runs. Dashed arrows feed the losses only.
    """

    start: str
    end: str
    sides: str
    leave: float = 0.0
    arrive: float = 0.0
    bend: float | None = None
    dashed: bool = False


_MODEL_ARROWS = (
    _Arrow("video", "i3d", "rl"),
    _Arrow("i3d", "embed", "rl"),
    _Arrow("embed", "layers", "rl"),
    _Arrow("layers", "memory", "rl"),
    _Arrow("memory", "head", "rl"),
    _Arrow("memory", "project", "bt"),
    _Arrow("memory", "context", "bt", leave=-0.35),
    _Arrow("context", "modulate", "bt"),
    _Arrow("project", "alignment", "bt"),
    _Arrow("names", "text", "rl"),
    _Arrow("text", "offset", "rl"),
    _Arrow("offset", "modulate", "rl"),
    _Arrow("modulate", "alignment", "rl"),
    _Arrow("alignment", "semantic", "rl"),
    _Arrow("head", "fused", "bl", arrive=0.22),
    _Arrow("semantic", "fused", "tl", arrive=-0.22),
    _Arrow("gate", "fused", "bt"),
    _Arrow("fused", "video_score", "bt"),
)
_LOSS_BENDS = (6.57, 6.72, 6.87)  # between the columns of S_a and S_fused, inches
_ALIGNMENT_ARROWS = (
    _Arrow("features", "project", "rl"),
    _Arrow("features", "context", "bt"),
    _Arrow("context", "delta", "rl"),
    _Arrow("text", "learned", "rl"),
    _Arrow("project", "alignment", "rl"),
    _Arrow("delta", "modulated", "rl"),
    _Arrow("learned", "modulated", "rb"),
    _Arrow("modulated", "alignment", "tb"),
    _Arrow("alignment", "fine", "rl"),
    _Arrow("alignment", "semantic", "rl", leave=-0.28),
    _Arrow("semantic", "fused", "rl"),
    _Arrow("visual", "fused", "rl", leave=-0.2, arrive=-0.25, bend=_LOSS_BENDS[2]),
    _Arrow("gate", "fused", "tb"),
    _Arrow("fused", "video", "rl"),
    _Arrow("alignment", "losses", "tt", bend=4.62, dashed=True),
    _Arrow("fine", "losses", "rl", leave=-0.156, arrive=-0.156, dashed=True),
    _Arrow("semantic", "losses", "rl", leave=0.28, arrive=-0.27, bend=_LOSS_BENDS[0], dashed=True),
    _Arrow("visual", "losses", "rl", leave=0.2, arrive=-0.38, bend=_LOSS_BENDS[1], dashed=True),
    _Arrow("video", "losses", "tb", arrive=0.4, dashed=True),
)


def model_diagram(model: Proposed, text_source: str, num_segments: int = 200) -> tuple[Figure, pd.DataFrame]:
    """Figure 1: the whole model, with module names, output shapes and parameter counts of this instance.

    Args:
        model: the proposed model; fresh weights will do.
        text_source: what its text features come from, such as ``clip ViT-B/32``.
        num_segments: T.

    Returns:
        the figure, and one row per part: ``part``, ``module``, ``output``, ``parameters``.
    """
    parts = model_parts(model, num_segments)
    total = sum(parameter.numel() for parameter in model.parameters())
    title = f"Figure 1. The proposed model as built: T = {num_segments}, width {model.settings.width}, {total:,} parameters"
    with style():
        fig = _diagram(_model_boxes(model, parts, text_source), _MODEL_ARROWS, (11.0, 4.5), title)
    what = f"Diagram of boxes and arrows. {title}. Visual branch above, language below, gate on the right. Parts with parameters"
    describe(
        fig, composed(what, _counts(parts), "The gate mixes visual and semantic score; the video score is the mean of the top k.")
    )
    return fig, part_rows(parts)


def _counts(parts: dict[str, Part]) -> list[str]:
    """Each part that learns something, with the size of its output and its parameters."""
    shapes = {name: " x ".join(map(str, part.shape)) for name, part in parts.items()}
    return [f"{name} {shapes[name]}, {part.parameters:,}" for name, part in parts.items() if part.parameters]


def _model_boxes(model: Proposed, p: dict[str, Part], text_source: str) -> dict[str, _Box]:
    weight, layers = gate_weight(model.gate_logit).item(), f"visual_branch.layers ({len(model.visual_branch.layers)})"
    c = [0.82, 2.38, 3.94, 5.50, 7.06, 8.62, 10.18]
    top, middle, bottom = 3.55, 2.12, 0.65
    return {
        "video": _Box(c[0], top, "Video", ("16-frame snippets", "1, 5 or 10 crops"), "given"),
        "i3d": _Box(c[1], top, r"I3D features $X_v$", (*_lines(p["features"]), "not trained here"), "given"),
        "embed": _Box(c[2], top, "MSTF", _lines(p["embed"]), "visual"),
        "layers": _Box(c[3], top, "DPAM encoder", _lines(p["layers"], module=layers), "visual"),
        "memory": _Box(c[4], top, r"Dual memories: $F_c$", _lines(p["memory"], module="visual_branch.memory"), "visual"),
        "head": _Box(c[5], top, r"Visual score $S_c$", _lines(p["head"], module="memory.head_in, _out"), "visual"),
        "context": _Box(c[3], middle, r"Context $C_v$", ("time mean", *_lines(p["context"])), "visual", height=0.72),
        "project": _Box(c[4], middle, r"Projection $V'$", _lines(p["project"]), "alignment", height=0.84),
        "names": _Box(c[0], bottom, "Prompts", (f"{p['text'].shape[0]} categories", "filled into templates"), "given"),
        "text": _Box(c[1], bottom, r"Text features $T_c$", (*_lines(p["text"]), *_source_lines(text_source)), "given"),
        "offset": _Box(c[2], bottom, r"PCL: $\tilde{T}_c$", _lines(p["offset"]), "text"),
        "modulate": _Box(c[3], bottom, r"Modulated text $\hat{T}_c$", _lines(p["modulate"], module="modulate"), "text"),
        "alignment": _Box(c[4], bottom, r"Alignment map $A$", ("cosines", *_lines(p["alignment"])), "alignment"),
        "semantic": _Box(c[5], bottom, r"Semantic score $S_a$", _lines(p["semantic"]), "alignment"),
        "gate": _Box(c[6], top, "Gate", (f"gate_logit: w = {weight:.3f}", "1 parameter"), "fusion"),
        "fused": _Box(c[6], middle, "Fused score", (r"$w S_c + (1 - w) S_a$", *_lines(p["fused"])), "fusion", height=0.84),
        "video_score": _Box(c[6], bottom, r"Video score", ("mean of the top k", r"BCE with the label"), "fusion"),
    }


def alignment_diagram(model: Proposed, text_source: str, num_segments: int = 200) -> tuple[Figure, pd.DataFrame]:
    """Figure 2: alignment branch and gated fusion in detail, with the equations and the values of this instance.

    Arguments and what is returned are those of :func:`model_diagram`.
    """
    parts = model_parts(model, num_segments)
    title = f"Figure 2. Alignment branch and gated fusion as built: T = {num_segments}, {parts['text'].shape[0]} categories"
    with style():
        fig = _diagram(_alignment_boxes(model, parts, text_source), _ALIGNMENT_ARROWS, (10.6, 5.15), title)
        axes = fig.axes[0]
        axes.plot([0.25, 0.75], [0.18, 0.18], color=_LINE, lw=1.1, ls="--")
        fig.text(0.085, 0.036, "used by the losses in training, not for scores", va="center", fontsize=9)
    what = f"Diagram of boxes and arrows. {title}. Gate weight {gate_weight(model.gate_logit).item():.3f}. Loss terms"
    lead = "The alignment map feeds L_align, its mean of the top k L_cls, both branches L_con, the fused video score L_m."
    describe(fig, composed(what, _loss_lines(model), lead))
    return fig, part_rows(parts)


def _alignment_boxes(model: Proposed, p: dict[str, Part], text_source: str) -> dict[str, _Box]:
    settings, weight, tau = model.settings, gate_weight(model.gate_logit).item(), model.temperature.item()
    scale = "off" if settings.modulation == "off" else f"times {torch.as_tensor(model.modulation_scale).item():.2g}"
    delta = ("modulate", scale, *_lines(p["delta"]), *_lines(p["modulate"])[2:])
    semantic = f"softmax of A / {tau:.3g}" if settings.semantic_score == "softmax" else "bare cosines"
    c = [0.88, 2.48, 4.08, 5.68, 7.90, 9.60]
    top, middle, bottom = 3.95, 2.50, 1.05
    return {
        "features": _Box(c[0], top, r"$F_c$", ("encoder, memories", *_lines(p["memory"], module="")[:1]), "visual"),
        "context": _Box(c[0], middle, r"$C_v$", ("time mean of $F_c$", *_lines(p["context"])), "visual"),
        "text": _Box(c[0], bottom, r"$T_c$", (*_lines(p["text"]), *_source_lines(text_source)), "given"),
        "project": _Box(c[1], top, r"$V'$ (eq. 1)", _lines(p["project"]), "alignment"),
        "delta": _Box(c[1], middle, r"$\delta$ (eq. 2)", delta, "text"),
        "learned": _Box(c[1], bottom, r"$\tilde{T}_c = T_c + \Delta_c$", _lines(p["offset"]), "text"),
        "modulated": _Box(
            c[2], middle, r"$\hat{T}_c = \tilde{T}_c + \delta$", ("unit vectors", *_lines(p["modulate"], module="")[:1]), "text"
        ),
        "alignment": _Box(c[2], top, r"$A$ (eq. 3)", ("cosines", *_lines(p["alignment"])), "alignment"),
        "fine": _Box(c[3], top, r"$S_{fine}$ (eq. 4)", ("mean of the top k", *_lines(p["fine"])), "alignment"),
        "semantic": _Box(c[3], middle, r"$S_a$ (eq. 5)", (semantic, "abnormal categories", *_lines(p["semantic"])), "alignment"),
        "visual": _Box(c[3], bottom, r"$S_c$", ("visual branch", *_lines(p["head"], module="")[:1]), "visual"),
        "fused": _Box(c[4], middle, r"$S_{fused}$ (eq. 7)", (r"$w S_c + (1 - w) S_a$", *_lines(p["fused"])), "fusion"),
        "gate": _Box(c[4], bottom, r"$w = \sigma(g)$ (eq. 6)", (f"gate_logit ({settings.gate})", f"w = {weight:.3f}"), "fusion"),
        "video": _Box(c[5], middle, r"$S_{video}$ (eq. 8)", ("mean of the top k",), "fusion"),
        "losses": _Box((c[4] + c[5]) / 2, top, r"$L_{total}$ (eq. 9)", ("L_m x 1", *_loss_lines(model)), "given", width=2.6),
    }


def _loss_lines(model: Proposed) -> list[str]:
    """The auxiliary terms of equation 9 with their weights."""
    learned = model.settings.loss_weights == "adaptive"
    weights = {name: "learned weight" if learned else f"x {value:g}" for name, value in model.lambdas.start.items()}
    return [f"L_{name} ({equation}) {weights.get(name, 'not used')}" for name, equation in _LOSS_EQUATIONS.items()]


def _lines(part: Part, *, module: str | None = None) -> tuple[str, ...]:
    """Module name, output shape and parameter count of a part, as a box prints them."""
    shape = " x ".join(str(size) for size in part.shape)
    name = part.module if module is None else module
    return tuple(line for line in (name, shape, f"{part.parameters:,} parameters" if part.parameters else "") if line)


def _source_lines(text_source: str) -> tuple[str, ...]:
    return (*wrap(text_source, 22, break_on_hyphens=False), "not trained")


def _diagram(boxes: dict[str, _Box], arrows: Sequence[_Arrow], size: tuple[float, float], title: str) -> Figure:
    """Boxes, and arrows between them."""
    fig = plt.figure(figsize=size, layout="none")
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
    axes.axis("off")
    axes.text(size[0] / 2, size[1] - 0.22, title, ha="center", va="center", fontsize=11.5)
    for box in boxes.values():
        _draw_box(axes, box)
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 10, "lw": 1.1, "color": _LINE, "shrinkA": 1, "shrinkB": 1}
    for arrow in arrows:
        leaves = _side(boxes[arrow.start], arrow.sides[0], arrow.leave)
        arrives = _side(boxes[arrow.end], arrow.sides[1], arrow.arrive)
        path = MplPath(_corners(leaves, arrives, arrow.sides, arrow.bend))
        axes.add_patch(FancyArrowPatch(path=path, ls="--" if arrow.dashed else "-", **look))
    return fig


def _draw_box(axes: Axes, box: _Box) -> None:
    face, edge = _KINDS[box.kind]
    corner = (box.x - box.width / 2, box.y - box.height / 2)
    axes.add_patch(FancyBboxPatch(corner, box.width, box.height, "round,pad=0,rounding_size=0.08", fc=face, ec=edge, lw=1.2))
    step = min(0.17, box.height / (len(box.lines) + 1.9))
    top = box.y + step * len(box.lines) / 2
    axes.text(box.x, top, box.title, ha="center", va="center", fontsize=9.3, fontweight="bold")
    for i, line in enumerate(box.lines, start=1):
        axes.text(box.x, top - i * step, line, ha="center", va="center", fontsize=7.9)


def _side(box: _Box, side: str, along: float = 0.0) -> tuple[float, float]:
    """Middle of the left, right, top or bottom side of a box, or a place some inches along it."""
    x, y = {"l": (-0.5, 0), "r": (0.5, 0), "t": (0, 0.5), "b": (0, -0.5)}[side]
    return box.x + x * box.width + along * (side in "tb"), box.y + y * box.height + along * (side in "lr")


def _corners(
    start: tuple[float, float], end: tuple[float, float], sides: str, bend: float | None = None
) -> list[tuple[float, float]]:
    """Way between two boxes in horizontal and vertical pieces: straight, one corner, or two corners, half way or at ``bend``."""
    (x1, y1), (x2, y2) = start, end
    if bend is None and (x1 == x2 or y1 == y2):
        return [start, end]
    if {*sides} <= {*"lr"}:
        middle = (x1 + x2) / 2 if bend is None else bend
        return [start, (middle, y1), (middle, y2), end]
    if {*sides} <= {*"tb"}:
        middle = (y1 + y2) / 2 if bend is None else bend
        return [start, (x1, middle), (x2, middle), end]
    return [start, (x2, y1) if sides[0] in "lr" else (x1, y2), end]
