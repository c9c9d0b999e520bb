"""The multi-scale temporal network of RTFM as functions of named tensors, and these tensors in the library's layout."""

import torch
import torch.nn.functional as F
from torch import Tensor

DILATIONS = (1, 2, 4)
NAMES = (
    *(f"pyramid.{i}.{name}" for i in range(len(DILATIONS)) for name in ("weight", "bias", "gain", "shift")),
    "reduce.weight",
    *(f"{name}.{kind}" for name in ("query", "key", "value", "merge") for kind in ("weight", "bias")),
    *("merge.gain", "merge.shift", "fuse.weight", "fuse.gain", "fuse.shift"),
)


def shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor for an input of width W; convolutions are out x in x taps."""
    branch = width // 4
    inner = max(branch // 2, 1)
    found: dict[str, tuple[int, ...]] = {}
    for i in range(len(DILATIONS)):
        found[f"pyramid.{i}.weight"] = (branch, width, 3)
        found |= {f"pyramid.{i}.{name}": (branch,) for name in ("bias", "gain", "shift")}
    for name in ("query", "key", "value"):
        found |= {f"{name}.weight": (inner, branch, 1), f"{name}.bias": (inner,)}
    found |= {"reduce.weight": (branch, width, 1), "merge.weight": (branch, inner, 1), "fuse.weight": (width, width, 3)}
    found |= {f"merge.{name}": (branch,) for name in ("bias", "gain", "shift")}
    return {name: (found | {"fuse.gain": (width,), "fuse.shift": (width,)})[name] for name in NAMES}


def library_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same values under the parameter names of the library's ``MultiScaleTemporalNetwork``."""
    moved = {name: tensors[name] for name in ("reduce.weight", "fuse.weight")}
    for i in range(len(DILATIONS)):
        moved |= {f"pyramid.{i}.{kind}": tensors[f"pyramid.{i}.{kind}"] for kind in ("weight", "bias")}
    for ours, kind in (("weight", "gain"), ("bias", "shift")):
        moved[f"pyramid_norm.{ours}"] = torch.cat([tensors[f"pyramid.{i}.{kind}"] for i in range(len(DILATIONS))])
        moved[f"non_local.norm.{ours}"] = tensors[f"merge.{kind}"]
        moved[f"fuse_norm.{ours}"] = tensors[f"fuse.{kind}"]
        projections = [tensors[f"{name}.{ours}"] for name in ("query", "key", "value")]
        moved[f"non_local.project.{ours}"] = torch.cat(projections).squeeze(-1)
    return moved | {"non_local.merge.weight": tensors["merge.weight"][:, :, 0], "non_local.merge.bias": tensors["merge.bias"]}


def forward(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """(S, T, W) -> (S, T, W), batch statistics as in training."""

    def norm(values: Tensor, name: str) -> Tensor:
        return F.batch_norm(values, None, None, tensors[f"{name}.gain"], tensors[f"{name}.shift"], training=True)

    def point(values: Tensor, name: str) -> Tensor:
        return F.conv1d(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    first = x.transpose(1, 2)
    parts = []
    for i, step in enumerate(DILATIONS):
        weight, bias = tensors[f"pyramid.{i}.weight"], tensors[f"pyramid.{i}.bias"]
        parts.append(norm(F.conv1d(first, weight, bias, padding=step, dilation=step).relu(), f"pyramid.{i}"))
    reduced = F.conv1d(first, tensors["reduce.weight"]).relu()
    query, key, value = (point(reduced, name) for name in ("query", "key", "value"))
    affinity = query.transpose(1, 2) @ key / x.shape[1]  # no softmax
    attended = (affinity @ value.transpose(1, 2)).transpose(1, 2)
    parts.append(reduced + norm(point(attended, "merge"), "merge"))
    fused = F.conv1d(torch.cat(parts, dim=1), tensors["fuse.weight"], padding=1)
    return x + norm(fused.relu(), "fuse").transpose(1, 2)
