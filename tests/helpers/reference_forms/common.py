"""What the reference forms share: the base class, the choice of segments by magnitude, and distances in time."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

KEPT = 3  # segments that stand for a video in RTFM and MGFN
DROPPED = 0.7  # share of the magnitudes that count as 0 in their choice


class ReferenceForm(nn.Module):
    """Base: ``forward`` gives the scores (B, T) of features (B, N, T, D), ``loss`` the weighted sum of a batch's terms."""

    def load_library(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of the library's form of the method."""
        self.load_state_dict(self.from_library(state))

    def from_library(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors named and shaped as here, from those of the library; values (or gradients) only change places."""
        moved = self.unpacked(dict(state))
        return {name: moved.pop(name).reshape(value.shape) for name, value in self.state_dict().items()} | moved

    def unpacked(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same, in any shape with the right order of elements."""
        return state


def chosen_segments(magnitudes: Tensor, training: bool) -> Tensor:
    """Each video's segments of largest magnitude, some left out by chance in training: (B, T) -> (B, 3)."""
    found = []
    for row in magnitudes:
        kept = F.dropout(torch.ones_like(row), DROPPED, training)
        found.append(torch.topk(row * kept, KEPT).indices)
    return torch.stack(found)


def at_segments(features: Tensor, indices: Tensor) -> list[Tensor]:
    """Features (B, N, T, W) at each video's segments (B, 3), crop by crop: N tensors (B, 3, W)."""
    places = indices.unsqueeze(2).expand(-1, -1, features.shape[-1])
    return [torch.gather(of_crop, 1, places) for of_crop in features.permute(1, 0, 2, 3)]


def distances(length: int) -> Tensor:
    """|i - j|, float32 (T, T), by way of NumPy."""
    steps = np.arange(length).reshape(-1, 1)
    return torch.from_numpy(np.abs(steps - steps.T)).float()
