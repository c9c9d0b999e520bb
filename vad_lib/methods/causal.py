"""MSF-DMU's blocks without look-ahead, for ``context="causal"``; this project's variant, no paper has it.

The output at a segment depends on this segment and earlier ones only. Convolutions take their three taps from the
present and the past; attention and distance decay look back over a fixed number of segments; the video-level
context of equation 2 is the mean so far. The parameters are those of the blocks in :mod:`vad_lib.methods.layers`.

For a stream each block can go on from what it has seen: give it an empty dictionary as its ``past`` and pass the
segments on in pieces of any length. What it keeps there has a fixed size, however long the stream is.

Shapes: S sequences (videos x crops), T segments, W encoder width, H heads, d = W / H, m segments in sight.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vad_lib.methods.layers import BAND, MultiScaleFusion, PositionAttentionLayer, TemporalConv, position_codes

CHUNK = 256  # segments whose attention is computed together; bounds the memory for long videos


class Causal:
    """Mixin of blocks that can go on from earlier calls.

    Attributes:
        past: None where every call is a whole video; else what earlier calls have left, at first an empty dictionary.
    """

    past: dict[str, Any] | None = None


class CausalConv(TemporalConv):
    """A :class:`TemporalConv` with taps at t - 2 dilation, t - dilation and t."""

    def combine(self, taps: Tensor) -> Tensor:
        """Sum the taps' products (S, T, 3W), each shifted to its place: (S, T, W)."""
        step, length = self.dilation[0], taps.shape[1]
        earliest, earlier, here = taps.chunk(3, dim=-1)
        return here + self.bias + F.pad(earlier, (0, 0, step, 0))[:, :length] + F.pad(earliest, (0, 0, 2 * step, 0))[:, :length]


class CausalFusion(Causal, MultiScaleFusion):
    """:class:`MultiScaleFusion` without look-ahead; keeps the products of its last eight inputs, and the stacked weights."""

    CONVOLUTION = CausalConv
    REACH = 2 * max(MultiScaleFusion.DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        if self.past is None:
            return super().forward(x)
        if not self.past:
            weights = self.stacked_taps()
            self.past.update(weights=weights, taps=x.new_zeros(len(x), self.REACH, len(weights)))
        taps = torch.cat([self.past["taps"], F.linear(x, self.past["weights"])], dim=1)
        self.past["taps"] = taps[:, -self.REACH :]
        return self.fuse(taps)[:, self.REACH :]


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
    """:class:`PositionAttentionLayer` that looks back over a fixed number of segments.

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

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        length = x.shape[1]
        packed = self.project(self.norm(x)).unflatten(-1, (4, self.heads, -1))  # (S, T, 4, H, d)
        query, seen = packed[:, :, 0], packed[:, :, 1:]
        offset = 0
        if self.past is not None:
            if self.past:
                offset = self.past["seen"].shape[1]
                seen = torch.cat([self.past["seen"], seen], dim=1)
            self.past["seen"] = seen[:, max(0, seen.shape[1] - self.lookback + 1) :]
        if torch.compiler.is_exporting():  # a graph of any length has no place for chunks
            both = self._look_back(query, seen)
        else:
            chunks = []
            for start in range(0, length, CHUNK):
                first, end = max(0, offset + start - self.lookback + 1), start + CHUNK
                chunks.append(self._look_back(query[:, start:end], seen[:, first : offset + end]))
            both = torch.cat(chunks, dim=1)
        x = x + self.dropout(self.merge(self.gate(both)))
        return x + self.feed_forward(x)

    def _look_back(self, query: Tensor, seen: Tensor) -> Tensor:
        """Attention and decay of the last n segments of m: (S, n, H, d), (S, m, 3, H, d) -> (S, n, 2W)."""
        query = query.transpose(1, 2)
        key, value, local = seen.permute(2, 0, 3, 1, 4)  # each (S, H, m, d)
        rows, columns, head_width = query.shape[2], key.shape[2], query.shape[3]
        segment = torch.arange(columns, device=query.device)
        distance = segment[columns - rows :, None] - segment  # (n, m)
        unseen = (distance < 0) | (distance >= self.lookback)

        beta = self.position_logit.sigmoid()[:, None, None]
        code = position_codes(segment.flip(0) * self.position_scale, head_width)  # of the distances m - 1, ..., 0
        bias = shifted_to_columns(query @ code.T) * (beta / math.sqrt(head_width))
        bias = bias.masked_fill(unseen, -math.inf)
        attended = F.scaled_dot_product_attention(query, (1 - beta) * key, value, attn_mask=bias)

        decay = torch.exp(-distance.clamp(min=0) / self.log_temperature.exp()[:, None, None])
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
