"""The layers of MSF-DMU and of the proposed model without look-ahead, for ``context="causal"``; no paper has this form.

The output at a segment depends on this segment and earlier ones only. Convolutions take their three taps from the
present and the past; attention and distance decay look back over a fixed number of segments; the video-level
context of equation 2 is the mean so far. The parameters are those of the layers in :mod:`vad_lib.methods.layers`.

For a stream each layer can go on from what it has seen: give it an empty dictionary as its ``past`` and pass the
segments on in pieces of any length. What it keeps there has a fixed size, however long the stream is.

Shapes: S sequences (videos x crops), T segments, W encoder width, H heads, d = W / H, n of m segments, C categories.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vad_lib.methods.layers import BAND, MultiScaleFusion, PositionAttentionLayer, TemporalConv, position_codes


class Causal:
    """Mixin of layers that can go on from earlier calls.

    Attributes:
        past: None where every call is a whole video; else what earlier calls have left, at first an empty dictionary.
    """

    past: dict[str, Any] | None = None


class CausalConv(TemporalConv):
    """A :class:`~vad_lib.methods.layers.TemporalConv` with taps at t - 2 dilation, t - dilation and t."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        padded = F.pad(x.mT, (2 * self.dilation[0], 0))  # (S, D, 2 dilation + T)
        return F.conv1d(padded, self.weight, self.bias, dilation=self.dilation).mT


class CausalFusion(Causal, MultiScaleFusion):
    """:class:`~vad_lib.methods.layers.MultiScaleFusion` without look-ahead; keeps its last inputs, as many as its longest
    convolution reaches back."""

    CONVOLUTION = CausalConv

    @property
    def reach(self) -> int:
        """Earlier inputs that an output depends on."""
        return 2 * max(int(scale.dilation[0]) for scale in self.scales)  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        if self.past is None:
            return super().forward(x)
        earlier = self.past["inputs"] if self.past else x.new_zeros(len(x), self.reach, x.shape[-1])
        x = torch.cat([earlier, x], dim=1)  # (S, reach + T, D)
        self.past["inputs"] = x[:, -self.reach :]
        return super().forward(x)[:, self.reach :]


def shifted_to_columns(products: Tensor) -> Tensor:
    """Products with codes of distances, moved to the columns of the segments at these distances.

    Args:
        products: float32 (..., n, m); row r stands for segment m - n + r, column c for the distance m - 1 - c.

    Returns:
        float32 (..., n, m); column c stands for segment c; zero where it is later than the row's.

    Example: rows are segments 1 and 2, columns at first distances 2, 1, 0.
        >>> shifted_to_columns(torch.tensor([[12.0, 11.0, 10.0], [22.0, 21.0, 20.0]]))
        tensor([[11., 10.,  0.],
                [22., 21., 20.]])
    """
    rows, columns = products.shape[-2:]
    flat = F.pad(products, (0, rows)).flatten(-2)[..., rows - 1 : -1]
    return flat.unflatten(-1, (rows, rows + columns - 1))[..., :columns]


class CausalPositionAttention(Causal, PositionAttentionLayer):
    """:class:`~vad_lib.methods.layers.PositionAttentionLayer` that looks back over a fixed number of segments.

    Position codes are those of the distance back, since in a stream no segment knows how long the video is: of the
    distance itself (``raw``), or of the distance x 200 / lookback (``scaled``). The distance decay ends after 64
    segments, as in the full form, or with the lookback.

    Args:
        width: W.
        heads: H.
        dropout: probability.
        position: ``scaled`` or ``raw``.
        lookback: segments in sight, the present one included.
    """

    def __init__(self, width: int, heads: int, dropout: float, position: str, lookback: int) -> None:
        super().__init__(width, heads, dropout, position)
        self.lookback = lookback
        self.position_scale = self.scaled_to / lookback if self.scaled_to else 1.0

    def mix(self, packed: Tensor) -> Tensor:
        """Attention and distance decay without look-ahead: Q, K, V, U (S, T, 4, H, d) -> (S, T, 2W)."""
        query, seen = packed[:, :, 0], packed[:, :, 1:]  # (S, T, H, d), (S, T, 3, H, d)
        if self.past is not None:
            if self.past:
                seen = torch.cat([self.past["seen"], seen], dim=1)
            self.past["seen"] = seen[:, max(0, seen.shape[1] - self.lookback + 1) :]
        return self.look_back(query, seen)

    def look_back(self, query: Tensor, seen: Tensor) -> Tensor:
        """Attention and decay of the last n segments of m: (S, n, H, d), (S, m, 3, H, d) -> (S, n, 2W)."""
        query = query.transpose(1, 2)  # (S, H, n, d)
        key, value, local = seen.permute(2, 0, 3, 1, 4)  # each (S, H, m, d)
        rows, columns, head_width = query.shape[2], key.shape[2], query.shape[3]
        segment = torch.arange(columns, device=query.device)
        distance = segment[columns - rows :, None] - segment  # (n, m)
        unseen = (distance < 0) | (distance >= self.lookback)

        beta = self.position_logit.sigmoid()[:, None, None]
        code = position_codes(segment.flip(0) * self.position_scale, head_width)  # of the distances m - 1, ..., 0
        bias = shifted_to_columns(query @ code.T) * (beta / math.sqrt(head_width))  # (S, H, n, m)
        bias = bias.masked_fill(unseen, -math.inf)
        attended = F.scaled_dot_product_attention(query, (1 - beta) * key, value, attn_mask=bias)  # (S, H, n, d)

        decay = torch.exp(-distance.clamp(min=0) / self.log_temperature.exp()[:, None, None])  # (H, n, m)
        decay = decay.masked_fill(unseen | (distance > BAND), 0.0)
        both = torch.cat([attended, (decay / decay.sum(dim=2, keepdim=True)) @ local], dim=-1)
        return both.transpose(1, 2).flatten(2)


class RunningMean(Causal, nn.Module):
    """Mean over this segment and all earlier ones; keeps mean and count."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        mean, count = (self.past["mean"], self.past["count"]) if self.past else (0.0, 0)
        counts = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None] + count
        means = (x.cumsum(dim=1) + mean * count) / counts
        if self.past is not None:
            self.past.update(mean=means[:, -1:], count=count + x.shape[1])
        return means


class CausalAlignment(RunningMean):
    """Equations 2 and 3 where every segment has a context C_v of its own, the mean of F_c so far."""

    def forward(  # type: ignore[override]
        self,
        projected: Tensor,
        context_features: Tensor,
        learned: Tensor,
        delta_of: Callable[[Tensor], Tensor],
        scale: Tensor | float,
    ) -> Tensor:
        """The alignment map.

        Args:
            projected: float32 (S, T, D_t), V', unit vectors.
            context_features: float32 (S, T, 2W), F_c.
            learned: float32 (C, D_t), T~_c, unit vectors.
            delta_of: equation 2, (R, 2W) -> (R, D_t).
            scale: of delta in the modulated text.

        Returns:
            float32 (S, T, C), cosines.
        """
        context = super().forward(context_features)  # C_v, (S, T, 2W)
        delta = delta_of(context.flatten(0, 1)).view_as(projected)  # (S, T, D_t)
        return causal_alignment_map(projected, learned, delta, scale)


def causal_alignment_map(projected: Tensor, learned: Tensor, delta: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """A (equation 3) where every segment has a delta, and so a T^_c, of its own; the (S, T, C, D_t) texts are never built.

    Args:
        projected: float32 (S, T, D_t), V', unit vectors.
        learned: float32 (C, D_t), T~_c, unit vectors.
        delta: float32 (S, T, D_t).
        scale: T^_c is the unit vector along T~_c + scale * delta.

    Returns:
        float32 (S, T, C), cosines.
    """
    products = projected @ learned.T + scale * (projected * delta).sum(dim=-1, keepdim=True)
    squares = 1 + 2 * scale * (delta @ learned.T) + (scale * delta).square().sum(dim=-1, keepdim=True)
    return products * squares.clamp_min(1e-12).rsqrt()  # Eq. 3
