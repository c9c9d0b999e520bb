"""Temporal building blocks that several methods share: convolution, global-local attention, fusion, dual memory.

Written plainly; :mod:`vad_lib.methods.fast_cpu` has forms of the same layers that take less time on a processor.

Shapes: S sequences (videos x crops), T segments, D input width, W encoder width, H heads, d = W / H,
M prototypes of one memory.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vad_lib.errors import one_of

BAND = 64  # steps; at temperature e the decay is below 1e-10 there, and what is left would be denormal numbers
BLOCK = 128  # rows of one block of the band
MOST_DENSE = 2048  # steps; the whole matrix of 61,032, UCF-Crime's longest video, takes 155 GB with four heads


class TemporalConv(nn.Conv1d):
    """``nn.Conv1d`` with kernel 3 over the segments of sequences; the ends are padded with zeros, so that the length stays.

    Args:
        in_width: D.
        out_width: W.
        dilation: steps between taps.
    """

    bias: Tensor

    def __init__(self, in_width: int, out_width: int, dilation: int = 1) -> None:
        super().__init__(in_width, out_width, kernel_size=3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        return super().forward(x.mT).mT  # torch's convolutions want (S, D, T)


class MultiScaleFusion(nn.Module):
    """MSTF of MSF-DMU: dilated convolutions, merged with weights of their own for every time step.

    Reconstruction; the authors' abstract names the parts only. The weights start equal.

    Args:
        in_width: D.
        width: W, even.
        dilations: of the convolutions, segments from one tap to the next; each has three taps.
    """

    CONVOLUTION = TemporalConv

    def __init__(self, in_width: int, width: int, dilations: Sequence[int] = (1, 2, 4)) -> None:
        super().__init__()
        self.scales = nn.ModuleList(self.CONVOLUTION(in_width, width // 2, dilation) for dilation in dilations)
        merged = len(dilations) * (width // 2)
        self.scale_logits = nn.Linear(merged, len(dilations))
        nn.init.zeros_(self.scale_logits.weight)
        nn.init.zeros_(self.scale_logits.bias)
        self.merge = nn.Linear(merged, width)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        return self.fuse([scale(x) for scale in self.scales])

    def fuse(self, scales: list[Tensor]) -> Tensor:
        """Weigh the outputs of the convolutions, each (S, T, W / 2), and merge them: (S, T, W)."""
        scales = [scale.relu() for scale in scales]
        weights = self.scale_logits(torch.cat(scales, dim=-1)).softmax(dim=-1) * len(scales)  # (S, T, 3), mean 1
        weighted = [scale * weight for scale, weight in zip(scales, weights.split(1, dim=-1))]
        return self.merge(torch.cat(weighted, dim=-1)).relu()  # (S, T, 3W / 2) -> (S, T, W)


def decay_matrix(rows: int, columns: int, offset: int, temperature: Tensor) -> Tensor:
    """Weights that fall off with distance, e^{-|i - j| / temperature}, and are zero beyond 64 steps.

    Args:
        rows: number of positions i, the first one 0.
        columns: number of positions j, the first one ``-offset``.
        offset: column of position 0.
        temperature: float32 (H,), steps, positive.

    Returns:
        float32 (H, rows, columns) in [0, 1].
    """
    row = torch.arange(rows, device=temperature.device)
    column = torch.arange(columns, device=temperature.device) - offset
    distance = (row[:, None] - column).abs()
    decay = torch.exp(-distance / temperature[:, None, None])
    return decay.masked_fill(distance > BAND, 0.0)


def local_decay(values: Tensor, temperature: Tensor, normalise: str) -> Tensor:
    """Average over neighbours with weights that fall off with distance: M V, M_ij proportional to e^{-|i - j| / temperature}.

    Args:
        values: float32 (S, H, T, d).
        temperature: float32 (H,), steps, positive.
        normalise: ``columns`` makes the columns of M sum to 1 (UR-DMU's code), ``rows`` its rows (MSF-DMU).

    Returns:
        float32 (S, H, T, d).

    Raises:
        ConfigError: unknown ``normalise``.

    Differs from paper: weights beyond 64 steps are exactly zero.

    Example: rows that sum to 1 leave a constant unchanged.
        >>> local_decay(torch.ones(1, 1, 4, 1), torch.tensor([2.0]), "rows").flatten()
        tensor([1., 1., 1., 1.])
    """
    one_of(normalise, ("columns", "rows"), "local decay, normalise")
    length = values.shape[2]
    # scoring a long video, where memory for T x T would be missing; a graph of any length has no place for blocks
    if not torch.compiler.is_exporting() and length > MOST_DENSE and not torch.is_grad_enabled():
        return banded_decay(values, temperature, normalise)
    decay = decay_matrix(length, length, 0, temperature)  # (H, T, T)
    return (decay / decay.sum(dim=1 if normalise == "columns" else 2, keepdim=True)) @ values


def banded_decay(values: Tensor, temperature: Tensor, normalise: str) -> Tensor:
    """:func:`local_decay` in time and memory linear in T, the same up to rounding: (S, H, T, d), same out."""
    total = _band_product(values.new_ones(1, len(temperature), values.shape[2], 1), temperature)
    if normalise == "columns":
        return _band_product(values / total, temperature)
    return _band_product(values, temperature) / total


def _band_product(values: Tensor, temperature: Tensor) -> Tensor:
    """Decay matrix times values (S, H, T, d), in blocks of the band.

    The matrix is the same along every diagonal, so one block of it serves all rows.
    """
    length = values.shape[2]
    blocks = math.ceil(length / BLOCK)
    block = decay_matrix(BLOCK, BLOCK + 2 * BAND, BAND, temperature)  # (H, rows, window)
    padded = F.pad(values, (0, 0, BAND, blocks * BLOCK - length + BAND))
    windows = padded.unfold(2, BLOCK + 2 * BAND, BLOCK)  # (S, H, blocks, d, window)
    product = windows @ block[None, :, None].transpose(-1, -2)  # (S, H, blocks, d, rows)
    return product.transpose(-1, -2).reshape(*values.shape[:2], blocks * BLOCK, -1)[:, :, :length]


def positions(length: int, width: int, scaled_to: int | None, device: torch.device) -> Tensor:
    """Sine and cosine position codes, interleaved, base 10,000.

    Args:
        length: T.
        width: d, even.
        scaled_to: position of step j is ``j * scaled_to / length``, so that long test videos see the phases met
            in training; None for the raw index j.
        device: where.

    Returns:
        float32 (T, d) in [-1, 1].
    """
    step = torch.arange(length, device=device, dtype=torch.float32) * (scaled_to / length if scaled_to else 1.0)
    return position_codes(step, width)


def position_codes(step: Tensor, width: int) -> Tensor:
    """Sine and cosine codes of any positions, interleaved, base 10,000: (T,) -> (T, width) in [-1, 1]; ``width`` is even."""
    frequency = 10_000.0 ** (-torch.arange(0, width, 2, device=step.device) / width)
    phase = step[:, None] * frequency  # (T, width / 2)
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)


class FeedForward(nn.Sequential):
    """LayerNorm, W -> W, exact GELU, dropout, W -> W, dropout; the residual is the caller's."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )


class GlobalLocalLayer(nn.Module):
    """Transformer layer of UR-DMU: softmax attention beside a fixed distance decay, per head.

    Args:
        width: W.
        heads: H, divides W.
        dropout: probability.
    """

    TEMPERATURE = math.e  # steps, fixed

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 4 * width, bias=False)  # Q, K, V, U
        self.merge = nn.Linear(2 * width, width)  # per head: global part, then local part
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        packed = self.project(self.norm(x)).unflatten(-1, (4, self.heads, -1))  # (S, T, 4, H, d)
        query, key, value, local = packed.permute(2, 0, 3, 1, 4)  # each (S, H, T, d)
        attended = F.scaled_dot_product_attention(query, key, value)
        local = local_decay(local, x.new_full((1,), self.TEMPERATURE), "columns")
        both = torch.cat([attended, local], dim=-1).transpose(1, 2).flatten(2)  # (S, T, 2W)
        x = x + self.dropout(self.merge(both))
        return x + self.feed_forward(x)


class ChannelGate(nn.Module):
    """A sigmoid gate on every channel, from the channels of the same time step; starts nearly open.

    Args:
        channels: gated channels.
        hidden: width of the layer between.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)
        nn.init.constant_(self.expand.bias, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, channels), same out."""
        return x * self.expand(self.reduce(x).relu()).sigmoid()


class PositionAttentionLayer(nn.Module):
    """DPAM of MSF-DMU: UR-DMU's layer with position codes, learnable decay and a channel gate.

    Reconstruction; the authors' abstract names the parts only.

    Args:
        width: W.
        heads: H.
        dropout: probability.
        position: ``scaled``, segment j of T has the code of j * 200 / T; ``raw``, the code of j.
    """

    PHASES = 200  # segments of a training video in the paper

    def __init__(self, width: int, heads: int, dropout: float, position: str) -> None:
        super().__init__()
        self.heads = heads
        self.scaled_to = self.PHASES if position == "scaled" else None
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 4 * width, bias=False)  # Q, K, V, U
        self.position_logit = nn.Parameter(torch.full((heads,), -2.2))  # b_h: beta starts near 0.1
        self.log_temperature = nn.Parameter(torch.ones(heads))  # c_h: tau starts at e, UR-DMU's value
        self.gate = ChannelGate(2 * width, width // 8)
        self.merge = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        packed = self.project(self.norm(x)).unflatten(-1, (4, self.heads, -1))  # (S, T, 4, H, d)
        x = x + self.dropout(self.merge(self.gate(self.mix(packed))))
        return x + self.feed_forward(x)

    def mix(self, packed: Tensor) -> Tensor:
        """Attention with position codes beside the distance decay: Q, K, V, U (S, T, 4, H, d) -> (S, T, 2W)."""
        query, key, value, local = packed.permute(2, 0, 3, 1, 4)  # each (S, H, T, d)
        attended = F.scaled_dot_product_attention(query, self.key_with_position(key), value)
        local = local_decay(local, self.log_temperature.exp(), "rows")
        return torch.cat([attended, local], dim=-1).transpose(1, 2).flatten(2)

    def key_with_position(self, key: Tensor) -> Tensor:
        """(1 - beta) k + beta p, whose product with q is (1 - beta) q.k + beta q.p: (S, H, T, d), same out."""
        beta = self.position_logit.sigmoid()[:, None, None]  # (H, 1, 1)
        length, head_width = key.shape[-2:]
        code = positions(length, head_width, self.scaled_to, key.device)  # p, (T, d)
        return (1 - beta) * key + beta * code


class DualMemory(nn.Module):
    """Two learned memories, the maps of their read-outs, and the score head (UR-DMU).

    Args:
        width: W.
        prototypes: M of each memory.
    """

    def __init__(self, width: int, prototypes: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)
        self.abnormal = nn.Parameter(torch.empty(prototypes, width).uniform_(-bound, bound))
        self.normal = nn.Parameter(torch.empty(prototypes, width).uniform_(-bound, bound))
        self.mean_map = nn.Linear(width, width)
        self.log_variance_map = nn.Linear(width, width)
        self.head_in = nn.Linear(2 * width, width // 4)
        self.head_out = nn.Linear(width // 4, 1)
        self.nearest = prototypes // 16 + 1

    def attend(self, encoded: Tensor) -> Tensor:
        """Sigmoid similarity of each segment to each prototype: (S, T, W) -> (S, T, 2M), abnormal memory first."""
        memories = torch.cat([self.abnormal, self.normal])  # (2M, W)
        return (encoded @ memories.T / math.sqrt(encoded.shape[-1])).sigmoid()

    def similarity(self, attention: Tensor) -> Tensor:
        """Similarity to a whole memory, the mean of the largest M // 16 + 1: (..., M) -> (...)."""
        return attention.topk(self.nearest, dim=-1).values.mean(dim=-1)

    def context(self, attention: Tensor) -> Tensor:
        """Sum of both memories' mapped read-outs: (S, T, 2M) -> (S, T, W)."""
        to_abnormal, to_normal = attention.chunk(2, dim=-1)  # each (S, T, M)
        return self.mapped(to_abnormal, self.abnormal) + self.mapped(to_normal, self.normal)

    def mapped(self, attention: Tensor, memory: Tensor) -> Tensor:
        """Mapped read-out of one memory: (..., M) -> (..., W)."""
        return self.mean_map(attention @ memory)

    def log_variance(self, attention: Tensor) -> Tensor:
        """Log-variance of the normal read-out: (..., M) -> (..., W)."""
        return self.log_variance_map(attention @ self.normal)

    def hidden(self, encoded: Tensor, attention: Tensor) -> Tensor:
        """Head before its ReLU, on F_c: (S, T, W), (S, T, 2M) -> (S, T, W / 4)."""
        return self.head_in(torch.cat([encoded, self.context(attention)], dim=-1))

    def hidden_noise(self, noise: Tensor) -> Tensor:
        """What noise on the context adds to :meth:`hidden`, which is linear in it: (S, T, W) -> (S, T, W / 4)."""
        return F.linear(noise, self.head_in.weight[:, noise.shape[-1] :])

    def logits(self, hidden: Tensor) -> Tensor:
        """(S, T, W / 4) -> (S, T)."""
        return self.head_out(hidden.relu()).squeeze(-1)
