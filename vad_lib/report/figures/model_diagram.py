"""Figures 1 and 2: diagrams of the proposed model, read from an instance.

Names, shapes and parameter counts come from a forward pass and from the modules themselves, so a diagram cannot
drift from the code.
"""

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as MplPath

from vad_lib.model import Proposed, category_scores, gate_weight, learned_text, project_visual, video_score
from vad_lib.report.figures.style import BLUE, GREEN, VERMILION, style


class Part(NamedTuple):
    """One part of a model: where it is, what comes out, what it learns.

    Attributes:
        module: names of the parameters' owners in the instance; "" for a function without parameters.
        shape: of its output for one video, without the batch axis.
        parameters: trained and stored numbers.
    """

    module: str
    shape: tuple[int, ...]
    parameters: int


def model_parts(model: Proposed, num_segments: int = 200) -> dict[str, Part]:
    """What figures 1 and 2 say of a model, read from a forward pass and from its parameters.

    Args:
        model: the proposed model, of any width and any settings.
        num_segments: T of the forward pass.

    Returns:
        name -> part; every parameter of the model belongs to exactly one part.
    """
    owners = {
        "embed": ("visual.embed",),
        "layers": ("visual.layers",),
        "memory": ("visual.memory.abnormal", "visual.memory.normal", "visual.memory.mean_map", "visual.memory.log_variance_map"),
        "head": ("visual.memory.head_in", "visual.memory.head_out"),
        "offset": ("prompt_offset",),
        "project": ("project",),
        "modulate": ("modulate", "modulate_norm", "modulation_scale"),
        "temperature": ("log_temperature",),
        "gate": ("gate_logit",),
        "loss_weights": ("log_variances",),
    }
    shapes: dict[str, tuple[int, ...]] = {"temperature": (1,), "gate": (1,), "text": tuple(model.text.shape)}
    noted = {"embed": model.visual.embed, "layers": model.visual.layers[-1]}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: shapes.update({name: tuple(output.shape[1:])}))
        for name, module in noted.items()
    ]
    features = torch.zeros(1, num_segments, model.feature_dim, device=model.text.device)
    was_training = model.training
    try:
        with torch.inference_mode():
            output = model.eval().encode(features)
            category_text = model.category_text(output.features)
            projected = project_visual(output.features, model.project.weight, model.project.bias)
            mask = torch.ones(output.fused.shape, dtype=torch.bool, device=features.device)
            divisor = model.settings.topk_divisor
            tensors = {
                "features": features,
                "memory": output.features,
                "head": output.visual,
                "context": output.features.mean(dim=1),
                "offset": learned_text(model.text, model.prompt_offset)[None],
                "delta": category_text[:, 0],
                "modulate": category_text,
                "project": projected,
                "alignment": output.alignment,
                "fine": category_scores(output.alignment, mask, divisor),
                "semantic": output.semantic,
                "fused": output.fused,
                "video": video_score(output.fused, mask, divisor)[..., None],
            }
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    shapes |= {name: tuple(tensor.shape[1:]) for name, tensor in tensors.items()}
    shapes["loss_weights"] = (len(model.lambdas),)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    parts = {}
    for name, shape in shapes.items():
        theirs = owners.get(name, ())
        mine = {key: size for key, size in sizes.items() if any(key == owner or key.startswith(f"{owner}.") for owner in theirs)}
        present = [owner for owner in theirs if any(key == owner or key.startswith(f"{owner}.") for key in mine)]
        parts[name] = Part(", ".join(present), shape, sum(mine.values()))
    return parts


class _Box(NamedTuple):
    x: float  # centre, inches
    y: float
    title: str
    lines: tuple[str, ...]
    kind: str
    width: float = 1.36
    height: float = 0.92


_LOSS_EQUATIONS = {"align": "eq. 12", "cls": "eq. 10, 11", "con": "eq. 13"}
_KINDS = {
    "given": ("#EEEEEE", "#777777"),
    "visual": ("#D6E8F5", BLUE),
    "text": ("#FBEBC8", "#B87A00"),
    "alignment": ("#D3EFE5", GREEN),
    "fusion": ("#F7D9C6", VERMILION),
}


def _lines(part: Part, *, module: str | None = None) -> tuple[str, ...]:
    """Module name, output shape and parameter count of a part, as a box prints them."""
    shape = " x ".join(str(size) for size in part.shape)
    name = part.module if module is None else module
    return tuple(line for line in (name, shape, f"{part.parameters:,} parameters" if part.parameters else "") if line)


def _diagram(boxes: dict[str, _Box], arrows: Sequence[tuple[str, str, str]], size: tuple[float, float], title: str) -> Figure:
    """Boxes and arrows; an arrow is (from, to, sides), sides such as ``rl``: leaves right, arrives left."""
    fig = plt.figure(figsize=size, layout="none")
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
    axes.axis("off")
    axes.text(size[0] / 2, size[1] - 0.22, title, ha="center", va="center", fontsize=11.5)
    for box in boxes.values():
        face, edge = _KINDS[box.kind]
        corner = (box.x - box.width / 2, box.y - box.height / 2)
        axes.add_patch(FancyBboxPatch(corner, box.width, box.height, "round,pad=0,rounding_size=0.08", fc=face, ec=edge, lw=1.2))
        step = min(0.17, box.height / (len(box.lines) + 1.9))
        top = box.y + step * len(box.lines) / 2
        axes.text(box.x, top, box.title, ha="center", va="center", fontsize=9, fontweight="bold")
        for i, line in enumerate(box.lines, start=1):
            axes.text(box.x, top - i * step, line, ha="center", va="center", fontsize=7.8)
    side = {"l": (-0.5, 0), "r": (0.5, 0), "t": (0, 0.5), "b": (0, -0.5)}
    for start, end, sides in arrows:
        ends = [
            (box.x + side[s][0] * box.width, box.y + side[s][1] * box.height)
            for box, s in zip((boxes[start], boxes[end]), sides, strict=True)
        ]
        look = {"arrowstyle": "-|>", "mutation_scale": 10, "lw": 1.1, "color": "#444444", "shrinkA": 1, "shrinkB": 1}
        axes.add_patch(FancyArrowPatch(path=MplPath(_corners(*ends, sides)), **look))
    return fig


def _corners(start: tuple[float, float], end: tuple[float, float], sides: str) -> list[tuple[float, float]]:
    """Way between two boxes in horizontal and vertical pieces: straight, one corner, or two corners half way."""
    (x1, y1), (x2, y2) = start, end
    if x1 == x2 or y1 == y2:
        return [start, end]
    if {*sides} <= {*"lr"}:
        return [start, ((x1 + x2) / 2, y1), ((x1 + x2) / 2, y2), end]
    if {*sides} <= {*"tb"}:
        return [start, (x1, (y1 + y2) / 2), (x2, (y1 + y2) / 2), end]
    return [start, (x2, y1) if sides[0] in "lr" else (x1, y2), end]


def _part_points(parts: dict[str, Part]) -> pd.DataFrame:
    rows = [(name, part.module, " x ".join(map(str, part.shape)), part.parameters) for name, part in parts.items()]
    return pd.DataFrame(rows, columns=["part", "module", "output", "parameters"])


def model_diagram(model: Proposed, text_source: str, num_segments: int = 200) -> tuple[Figure, pd.DataFrame]:
    """Figure 1: the whole model, with module names, output shapes and parameter counts of this instance.

    Args:
        model: the proposed model.
        text_source: what its text features come from, such as ``clip ViT-B/32``.
        num_segments: T.

    Returns:
        the figure, and one row per part.
    """
    p = model_parts(model, num_segments)
    layers = model.visual.layers
    total = sum(parameter.numel() for parameter in model.parameters())
    weight = gate_weight(model.gate_logit).item()
    c = [0.82, 2.38, 3.94, 5.50, 7.06, 8.62, 10.18]
    top, middle, bottom = 3.85, 2.42, 0.95
    boxes = {
        "video": _Box(c[0], top, "Video", ("16-frame snippets", "1, 5 or 10 crops"), "given"),
        "i3d": _Box(c[1], top, r"I3D features $X_v$", (*_lines(p["features"]), "not trained here"), "given"),
        "embed": _Box(c[2], top, "MSTF", _lines(p["embed"]), "visual"),
        "layers": _Box(c[3], top, "DPAM encoder", _lines(p["layers"], module=f"visual.layers ({len(layers)})"), "visual"),
        "memory": _Box(c[4], top, r"Dual memories: $F_c$", _lines(p["memory"], module="visual.memory"), "visual"),
        "head": _Box(c[5], top, r"Visual score $S_c$", _lines(p["head"], module="visual.memory.head_*"), "visual"),
        "context": _Box(c[3], middle, r"Context $C_v$", ("time mean", *_lines(p["context"])), "visual", height=0.72),
        "project": _Box(c[4], middle, r"Projection $V'$", _lines(p["project"]), "alignment", height=0.84),
        "names": _Box(c[0], bottom, "Prompts", (f"{p['text'].shape[0]} categories", "filled into templates"), "given"),
        "text": _Box(
            c[1],
            bottom,
            r"Text features $T_c$",
            (*_lines(p["text"]), *wrap(text_source, 22, break_on_hyphens=False), "not trained"),
            "given",
        ),
        "offset": _Box(c[2], bottom, r"PCL: $\tilde{T}_c$", _lines(p["offset"]), "text"),
        "modulate": _Box(c[3], bottom, r"Modulated text $\hat{T}_c$", _lines(p["modulate"], module="modulate"), "text"),
        "alignment": _Box(c[4], bottom, r"Alignment map $A$", ("cosines", *_lines(p["alignment"])), "alignment"),
        "semantic": _Box(c[5], bottom, r"Semantic score $S_a$", _lines(p["semantic"]), "alignment"),
        "gate": _Box(c[6], top, "Gate", (f"gate_logit: w = {weight:.3f}", "1 parameter"), "fusion"),
        "fused": _Box(c[6], middle, "Fused score", (r"$w S_c + (1 - w) S_a$", *_lines(p["fused"])), "fusion", height=0.84),
        "video_score": _Box(c[6], bottom, r"Video score", ("mean of the top k", r"BCE with the label"), "fusion"),
    }
    arrows = [
        ("video", "i3d", "rl"),
        ("i3d", "embed", "rl"),
        ("embed", "layers", "rl"),
        ("layers", "memory", "rl"),
        ("memory", "head", "rl"),
        ("memory", "project", "bt"),
        ("memory", "context", "bt"),
        ("context", "modulate", "bt"),
        ("project", "alignment", "bt"),
        ("names", "text", "rl"),
        ("text", "offset", "rl"),
        ("offset", "modulate", "rl"),
        ("modulate", "alignment", "rl"),
        ("alignment", "semantic", "rl"),
        ("head", "fused", "bl"),
        ("semantic", "fused", "tl"),
        ("gate", "fused", "bt"),
        ("fused", "video_score", "bt"),
    ]
    title = f"Figure 1. The proposed model as built: T = {num_segments}, width {model.settings.width}, {total:,} parameters"
    with style():
        return _diagram(boxes, arrows, (11.0, 4.9), title), _part_points(p)


def alignment_diagram(model: Proposed, text_source: str, num_segments: int = 200) -> tuple[Figure, pd.DataFrame]:
    """Figure 2: alignment branch and gated fusion in detail, with the equations and the values of this instance.

    Args:
        model: the proposed model.
        text_source: what its text features come from.
        num_segments: T.

    Returns:
        the figure, and one row per part.
    """
    p, settings = model_parts(model, num_segments), model.settings
    weight, tau = gate_weight(model.gate_logit).item(), model.temperature.item()
    scale = {"off": "off", "literal": "times 1"}.get(settings.modulation)
    scale = scale or f"times {model.modulation_scale.item():.2g}"
    weights = {name: f"x {value:g}" for name, value in model.lambdas.items()}
    if settings.loss_weights == "adaptive":
        weights = dict.fromkeys(weights, "learned weight")
    lambdas = [f"L_{name} ({equation}) {weights.get(name, 'not used')}" for name, equation in _LOSS_EQUATIONS.items()]
    rule = f"softmax of A / {tau:.3g}" if settings.semantic_score == "softmax" else "bare cosines"
    c = [0.88, 2.48, 4.08, 5.68, 7.28, 8.88]
    top, middle, bottom = 3.95, 2.50, 1.0
    boxes = {
        "features": _Box(c[0], top, r"$F_c$", ("encoder, memories", *_lines(p["memory"], module="")[:1]), "visual"),
        "context": _Box(c[0], middle, r"$C_v$", ("time mean of $F_c$", *_lines(p["context"])), "visual"),
        "text": _Box(
            c[0], bottom, r"$T_c$", (*_lines(p["text"]), *wrap(text_source, 22, break_on_hyphens=False), "not trained"), "given"
        ),
        "project": _Box(c[1], top, r"$V'$ (eq. 1)", _lines(p["project"]), "alignment"),
        "delta": _Box(
            c[1], middle, r"$\delta$ (eq. 2)", ("modulate", scale, *_lines(p["delta"]), *_lines(p["modulate"])[2:]), "text"
        ),
        "learned": _Box(c[1], bottom, r"$\tilde{T}_c = T_c + \Delta_c$", _lines(p["offset"]), "text"),
        "modulated": _Box(
            c[2], middle, r"$\hat{T}_c = \tilde{T}_c + \delta$", ("unit vectors", *_lines(p["modulate"], module="")[:1]), "text"
        ),
        "alignment": _Box(c[2], top, r"$A$ (eq. 3)", ("cosines", *_lines(p["alignment"])), "alignment"),
        "fine": _Box(c[3], top, r"$S_{fine}$ (eq. 4)", ("mean of the top k", *_lines(p["fine"])), "alignment"),
        "semantic": _Box(c[3], middle, r"$S_a$ (eq. 5)", (rule, "abnormal categories", *_lines(p["semantic"])), "alignment"),
        "visual": _Box(c[3], bottom, r"$S_c$", ("visual branch", *_lines(p["head"], module="")[:1]), "visual"),
        "fused": _Box(c[4], middle, r"$S_{fused}$ (eq. 7)", (r"$w S_c + (1 - w) S_a$", *_lines(p["fused"])), "fusion"),
        "gate": _Box(c[4], bottom, r"$w = \sigma(g)$ (eq. 6)", (f"gate_logit ({settings.gate})", f"w = {weight:.3f}"), "fusion"),
        "video": _Box(c[5], middle, r"$S_{video}$ (eq. 8)", ("mean of the top k",), "fusion"),
        "losses": _Box((c[4] + c[5]) / 2, top, r"$L_{total}$ (eq. 9)", ("L_m x 1", *lambdas), "given", width=2.2),
    }
    arrows = [
        ("features", "project", "rl"),
        ("features", "context", "bt"),
        ("context", "delta", "rl"),
        ("text", "learned", "rl"),
        ("project", "alignment", "rl"),
        ("delta", "modulated", "rl"),
        ("learned", "modulated", "rb"),
        ("modulated", "alignment", "tb"),
        ("alignment", "fine", "rl"),
        ("alignment", "semantic", "rl"),
        ("fine", "losses", "rl"),
        ("semantic", "fused", "rl"),
        ("visual", "fused", "rl"),
        ("gate", "fused", "tb"),
        ("fused", "video", "rl"),
        ("video", "losses", "tb"),
    ]
    title = f"Figure 2. Alignment branch and gated fusion as built: T = {num_segments}, {p['text'].shape[0]} categories"
    with style():
        return _diagram(boxes, arrows, (9.8, 4.9), title), _part_points(p)
