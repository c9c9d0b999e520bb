"""Temporal building blocks that several methods share.

Global-local attention, multi-scale fusion and dual memory. Weight products that do not depend on the
sequence are multiplied out first, which changes rounding only; ``benchmarks/bench_ur_dmu.py`` measures it.

Shapes: S sequences (videos x crops), T segments, D input width, W encoder width, H heads, d = W / H,
M prototypes of one memory.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BAND = 64  # steps; at temperature e the decay is below 1e-10 there, and what is left would be denormal numbers
DENSE_LENGTH = 256  # longest sequence for which the full decay matrix is cheaper than blocks of its band
BLOCK = 128  # rows of one block of the band


class Dropout(nn.Module):
    """Dropout that spends one random byte per element instead of one float.

    The probability is rounded to a multiple of 1/256; the survivors are scaled by the rounded one.

    Args:
        probability: in [0, 1).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.dropped = round(probability * 256)  # byte values 0..255 below this one are dropped

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.dropped == 0:
            return x
        count = x.numel()
        words = torch.empty((count + 7) // 8, dtype=torch.int64, device=x.device).random_(-(2**63), None)
        kept = words.view(torch.uint8)[:count].view(x.shape) >= self.dropped
        return x * kept.to(x.dtype).mul_(256 / (256 - self.dropped))


LARGEST_WEIGHT = 2**20  # elements of one convolution; gradients of larger ones take up to twice as long per element
WEIGHT_ROWS = 512  # of one block of a larger weight


def segment_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` for sequences: (S, T, D) -> (S, T, W), up to rounding the same numbers.

    On a CPU it runs as a convolution with kernel 1, whose library uses all of the processor's vector units where the
    matrix product's does not: measured on AMD, half the time from a hundred rows on. Nothing is copied for it, but
    what the blocks of a large weight make is put together.
    """
    if x.device.type != "cpu" or x.dim() != 3 or torch.compiler.is_exporting():
        return F.linear(x, weight, bias)
    whole = weight.numel() <= LARGEST_WEIGHT or len(weight) <= WEIGHT_ROWS or not torch.is_grad_enabled()
    if whole:
        return _as_sequences(F.conv2d(_as_image(x), weight[..., None, None], bias))
    weights = weight.split(WEIGHT_ROWS)
    biases = [None] * len(weights) if bias is None else bias.split(WEIGHT_ROWS)
    return torch.cat([segment_linear(x, *block) for block in zip(weights, biases)], dim=-1)


def _as_image(x: Tensor) -> Tensor:
    """(S, T, D) as images of height 1 whose channels lie last in memory, (S, D, 1, T)."""
    return x.transpose(1, 2)[:, :, None]


def _as_sequences(image: Tensor) -> Tensor:
    return image.squeeze(2).transpose(1, 2)


class SegmentLinear(nn.Linear):
    """``nn.Linear`` by :func:`segment_linear`: same parameters, start values and, up to rounding, numbers."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        return segment_linear(x, self.weight, self.bias)


class SegmentConv(nn.Conv1d):
    """``nn.Conv1d`` over segments that stay where they are in memory; same parameters, start values and, up to rounding, numbers.

    Args:
        in_width: D.
        out_width: W.
        kernel: odd; the ends are padded with zeros.
    """

    def __init__(self, in_width: int, out_width: int, kernel: int) -> None:
        super().__init__(in_width, out_width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        return _as_sequences(F.conv2d(_as_image(x), self.weight[:, :, None], self.bias, padding=(0, self.padding[0])))


LONG = 512  # steps; from here on attention goes by blocks
ATTENTION_ROWS = 480  # query rows of one head at a time; from 512 on, and below 200, a block takes almost twice as long per row


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V, each (S, H, T, d) -> (S, T, H d), heads side by side.

    Scoring a long video on a CPU goes head by head through :func:`segment_linear`, in blocks of query rows, for the same
    reason as there; training, short sequences and other devices take torch's own kernel.
    """
    sequences, heads, length, width = query.shape
    by_blocks = length >= LONG and query.device.type == "cpu" and not torch.is_grad_enabled()
    if not by_blocks or torch.compiler.is_exporting() or torch.compiler.is_compiling():
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(sequences, length, heads * width)
    attended = query.new_empty(sequences, length, heads * width)
    query = query / math.sqrt(width)
    block = math.ceil(length / math.ceil(length / ATTENTION_ROWS))  # of equal size: a short last one would be slow
    for sequence in range(sequences):
        for head in range(heads):
            keys, values = key[sequence, head].contiguous(), value[sequence, head].t().contiguous()
            columns = slice(head * width, (head + 1) * width)
            for start in range(0, length, block):
                rows = slice(start, start + block)
                shares = segment_linear(query[sequence : sequence + 1, head, rows], keys).softmax(dim=-1)
                attended[sequence, rows, columns] = segment_linear(shares, values)[0]
    return attended


class TemporalConv(nn.Conv1d):
    """Convolution over time with kernel 3 as one matrix product, followed by two shifted sums.

    Same parameters, start values and numbers as ``nn.Conv1d`` with padding = dilation.

    Args:
        in_width: D.
        out_width: W.
        dilation: steps between taps.
    """

    def __init__(self, in_width: int, out_width: int, dilation: int = 1) -> None:
        super().__init__(in_width, out_width, kernel_size=3, padding=dilation, dilation=dilation)

    def stacked_taps(self) -> Tensor:
        """Weights of the three taps, one below the other: (3W, D)."""
        return self.weight.permute(2, 0, 1).reshape(-1, self.in_channels)

    def combine(self, taps: Tensor) -> Tensor:
        """Sum the taps' products (S, T, 3W), each shifted to its place: (S, T, W)."""
        step, length = self.dilation[0], taps.shape[1]
        before, here, after = taps.chunk(3, dim=-1)
        shifted = F.pad(before, (0, 0, step, 0))[:, :length] + F.pad(after, (0, 0, 0, step))[:, step:]
        return here + self.bias + shifted

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        return self.combine(segment_linear(x, self.stacked_taps()))


class MultiScaleFusion(nn.Module):
    """MSTF of MSF-DMU: three dilated convolutions, merged with weights of their own for every time step.

    Reconstruction; the authors' abstract names the parts only. The weights start equal.

    Args:
        in_width: D.
        width: W, even.
    """

    DILATIONS = (1, 2, 4)
    CONVOLUTION = TemporalConv

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(self.CONVOLUTION(in_width, width // 2, dilation) for dilation in self.DILATIONS)
        merged = len(self.DILATIONS) * (width // 2)
        self.scale_logits = nn.Linear(merged, len(self.DILATIONS))
        nn.init.zeros_(self.scale_logits.weight)
        nn.init.zeros_(self.scale_logits.bias)
        self.merge = SegmentLinear(merged, width)

    def stacked_taps(self) -> Tensor:
        """Weights of the taps of all scales, one below the other."""
        return torch.cat([scale.stacked_taps() for scale in self.scales])

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        return self.fuse(segment_linear(x, self.stacked_taps()))

    def fuse(self, taps: Tensor) -> Tensor:
        """Merge the taps' products (S, T, 9W / 2): (S, T, W)."""
        scales = [scale.combine(part).relu() for scale, part in zip(self.scales, taps.chunk(len(self.scales), dim=-1))]
        weights = self.scale_logits(torch.cat(scales, dim=-1)).softmax(dim=-1) * len(scales)
        weighted = [scale * weight for scale, weight in zip(scales, weights.split(1, dim=-1))]
        return self.merge(torch.cat(weighted, dim=-1)).relu()


def _decay(rows: int, columns: int, offset: int, temperature: Tensor) -> Tensor:
    """e^{-|i - j| / temperature} for column j at position j - offset, zero beyond the band: (H, rows, columns)."""
    row = torch.arange(rows, device=temperature.device)
    column = torch.arange(columns, device=temperature.device) - offset
    distance = (row[:, None] - column).abs()
    decay = torch.exp(-distance / temperature[:, None, None])
    return decay.masked_fill(distance > BAND, 0.0)


def _band_product(values: Tensor, temperature: Tensor) -> Tensor:
    """Decay matrix times values (S, H, T, d), in blocks of the band: linear in T.

    The matrix is the same along every diagonal, so one block of it serves all rows.
    """
    length = values.shape[2]
    blocks = math.ceil(length / BLOCK)
    block = _decay(BLOCK, BLOCK + 2 * BAND, BAND, temperature)
    padded = F.pad(values, (0, 0, BAND, blocks * BLOCK - length + BAND))
    windows = padded.unfold(2, BLOCK + 2 * BAND, BLOCK)  # (S, H, blocks, d, window)
    product = windows @ block[None, :, None].transpose(-1, -2)
    return product.transpose(-1, -2).reshape(*values.shape[:2], blocks * BLOCK, -1)[:, :, :length]


def local_decay(values: Tensor, temperature: Tensor, normalise: str) -> Tensor:
    """Average over neighbours with weights that fall off with distance: M V, M_ij proportional to e^{-|i - j| / temperature}.

    Args:
        values: float32 (S, H, T, d).
        temperature: float32 (H,), steps, positive.
        normalise: ``columns`` makes the columns of M sum to 1 (UR-DMU's code), ``rows`` its rows (MSF-DMU).

    Returns:
        float32 (S, H, T, d).

    Differs from paper: weights beyond 64 steps are exactly zero.

    Example: rows that sum to 1 leave a constant unchanged.
        >>> local_decay(torch.ones(1, 1, 4, 1), torch.tensor([2.0]), "rows").flatten()
        tensor([1., 1., 1., 1.])
    """
    length = values.shape[2]
    # a graph of any length has no place for blocks
    if torch.compiler.is_exporting() or length <= DENSE_LENGTH:
        decay = _decay(length, length, 0, temperature)
        return (decay / decay.sum(dim=1 if normalise == "columns" else 2, keepdim=True)) @ values
    total = _band_product(values.new_ones(1, len(temperature), length, 1), temperature)
    if normalise == "columns":
        return _band_product(values / total, temperature)
    return _band_product(values, temperature) / total


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
    """The codes of :func:`positions` for any positions: (T,) -> (T, width)."""
    frequency = 10_000.0 ** (-torch.arange(0, width, 2, device=step.device) / width)
    phase = step[:, None] * frequency
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)


class FeedForward(nn.Sequential):
    """LayerNorm, W -> W, exact GELU, dropout, W -> W, dropout; the residual is the caller's."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            SegmentLinear(width, width),
            nn.GELU(),
            Dropout(dropout),
            SegmentLinear(width, width),
            Dropout(dropout),
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
        self.dropout = Dropout(dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        width = x.shape[-1]
        merge_global, merge_local = self.merge.weight.unflatten(1, (self.heads, 2, -1)).unbind(2)
        # M is the same for all heads, so U's map and its share of the output map are one W x W matrix
        local_map = merge_local.flatten(1) @ self.project.weight[3 * width :]
        weights = torch.cat([self.project.weight[: 3 * width], local_map])
        query, key, value, local = segment_linear(self.norm(x), weights).split(width, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        attended = attend(query, key, value)
        temperature = x.new_full((1,), self.TEMPERATURE)
        local = local_decay(local[:, None], temperature, "columns").squeeze(1)
        x = x + self.dropout(segment_linear(attended, merge_global.flatten(1), self.merge.bias) + local)
        return x + self.feed_forward(x)


class ChannelGate(nn.Module):
    """A sigmoid gate on every channel, from the channels of the same time step; starts nearly open.

    Args:
        channels: gated channels.
        hidden: width of the layer between.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = SegmentLinear(channels, hidden)
        self.expand = SegmentLinear(hidden, channels)
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
        position: ``scaled`` (see :func:`positions`) or ``raw``.
    """

    PHASES = 200  # segments of a training video in the paper

    def __init__(self, width: int, heads: int, dropout: float, position: str) -> None:
        super().__init__()
        self.heads = heads
        self.scaled_to = self.PHASES if position == "scaled" else None
        self.norm = nn.LayerNorm(width)
        self.project = SegmentLinear(width, 4 * width, bias=False)  # Q, K, V, U
        self.position_logit = nn.Parameter(torch.full((heads,), -2.2))  # b_h: beta starts near 0.1
        self.log_temperature = nn.Parameter(torch.ones(heads))  # c_h: tau starts at e, UR-DMU's value
        self.gate = ChannelGate(2 * width, width // 8)
        self.merge = SegmentLinear(2 * width, width)
        self.dropout = Dropout(dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        _, length, width = x.shape
        packed = self.project(self.norm(x)).unflatten(-1, (4, self.heads, -1))
        query, key, value, local = packed.permute(2, 0, 3, 1, 4)  # each (S, H, T, d)
        beta = self.position_logit.sigmoid()[:, None, None]
        code = positions(length, width // self.heads, self.scaled_to, x.device)
        # (1 - beta) q.k + beta q.p is one product of q with the mixed key
        attended = attend(query, (1 - beta) * key + beta * code, value).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        local = local_decay(local, self.log_temperature.exp(), "rows")
        both = torch.cat([attended, local], dim=-1).transpose(1, 2).flatten(2)
        x = x + self.dropout(self.merge(self.gate(both)))
        return x + self.feed_forward(x)


class DualMemory(nn.Module):
    """Two learned memories, the maps of their read-outs, and the score head (UR-DMU).

    A read-out is W^T a, and the maps that follow are linear, so map and memory are multiplied first: the
    sequence meets matrices of M rows only.

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
        memories = torch.cat([self.abnormal, self.normal])
        return segment_linear(encoded, memories / math.sqrt(encoded.shape[-1])).sigmoid()

    def similarity(self, attention: Tensor) -> Tensor:
        """Similarity to a whole memory, the mean of the largest M // 16 + 1: (..., M) -> (...)."""
        return attention.topk(self.nearest, dim=-1).values.mean(dim=-1)

    def _mapped_memories(self) -> Tensor:
        return self.mean_map.weight @ torch.cat([self.abnormal, self.normal]).T

    def context(self, attention: Tensor) -> Tensor:
        """Sum of both memories' mapped read-outs: (S, T, 2M) -> (S, T, W)."""
        return segment_linear(attention, self._mapped_memories(), 2 * self.mean_map.bias)

    def mapped(self, attention: Tensor, memory: Tensor) -> Tensor:
        """Mapped read-out of one memory: (..., M) -> (..., W)."""
        return F.linear(attention, self.mean_map.weight @ memory.T, self.mean_map.bias)

    def log_variance(self, attention: Tensor) -> Tensor:
        """Log-variance of the normal read-out: (..., M) -> (..., W)."""
        return F.linear(attention, self.log_variance_map.weight @ self.normal.T, self.log_variance_map.bias)

    def hidden(self, encoded: Tensor, attention: Tensor) -> Tensor:
        """Head before its ReLU, on F_c without building it: (S, T, W), (S, T, 2M) -> (S, T, W / 4)."""
        of_encoded, of_context = self.head_in.weight.split(encoded.shape[-1], dim=1)
        bias = F.linear(2 * self.mean_map.bias, of_context, self.head_in.bias)
        return segment_linear(encoded, of_encoded, bias) + segment_linear(attention, of_context @ self._mapped_memories())

    def hidden_noise(self, noise: Tensor) -> Tensor:
        """What noise on the context adds to :meth:`hidden`: (S, T, W) -> (S, T, W / 4)."""
        return F.linear(noise, self.head_in.weight[:, noise.shape[-1] :])

    def logits(self, hidden: Tensor) -> Tensor:
        """(S, T, W / 4) -> (S, T)."""
        return self.head_out(hidden.relu()).squeeze(-1)


# The multi-scale temporal network of RTFM, which CLIP-TSA uses too (Tian et al., ICCV 2021).


def xavier_start(module: nn.Module) -> None:
    """Start values of RTFM's code for every linear layer inside: Xavier uniform weights, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _xavier_(weight: Tensor, fan_out: int, fan_in: int) -> None:
    """Xavier uniform for a block of a stacked weight, with the fans of the layer that the block is."""
    bound = math.sqrt(6 / (fan_out + fan_in))
    nn.init.uniform_(weight, -bound, bound)


class _SumOfTaps(torch.autograd.Function):
    """Sum of three taps' products, each shifted to its place, for channels in blocks of different dilation.

    Written with its gradient because autograd's, for six slices and paddings per dilation, takes longer than the
    products themselves at small widths.
    """

    @staticmethod
    def _shifts(taps: Tensor, whole: Tensor, dilations: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs of views of equal shape: what a tap holds, and where it belongs in the sum (S, T, W)."""
        length, width = whole.shape[1], whole.shape[2] // len(dilations)
        before, _, after = taps.chunk(3, dim=-1)
        for i, dilation in enumerate(dilations):
            step, block = min(dilation, length), slice(i * width, (i + 1) * width)
            yield before[:, : length - step, block], whole[:, step:, block]
            yield after[:, step:, block], whole[:, : length - step, block]

    @staticmethod
    def forward(ctx: Any, taps: Tensor, dilations: tuple[int, ...]) -> Tensor:
        """Products (S, T, 3W), the taps before, here and after -> (S, T, W)."""
        ctx.dilations = dilations
        total = taps.chunk(3, dim=-1)[1].clone(memory_format=torch.contiguous_format)
        for tap, place in _SumOfTaps._shifts(taps, total, dilations):
            place += tap
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        gradient = upstream.new_zeros(*upstream.shape[:2], 3 * upstream.shape[2])
        gradient.chunk(3, dim=-1)[1].copy_(upstream)
        for tap, place in _SumOfTaps._shifts(gradient, upstream, ctx.dilations):
            tap.copy_(place)
        return gradient, None


class SegmentNorm(nn.BatchNorm2d):
    """Batch normalisation over all segments of all sequences: (S, T, W), same out.

    A lone segment has no variance: in training it is normalised with the running statistics, as in testing.
    """

    def forward(self, x: Tensor) -> Tensor:
        image = _as_image(x)  # torch normalises channels that lie last in memory fast in images only
        if self.training and x.shape[0] * x.shape[1] == 1:
            normed = F.batch_norm(image, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
            normed = _as_sequences(normed)
        else:
            normed = _as_sequences(super().forward(image))
        if normed.requires_grad and not torch.compiler.is_compiling():
            # the gradient of a concatenated part has gaps, for which torch takes a path several times slower
            normed.register_hook(Tensor.contiguous)
        return normed


class NonLocalBlock(nn.Module):
    """x + BN(W_o (Q K^T / T) V): every segment receives a sum over all others, without a softmax.

    The last normalisation starts with gain and shift 0, so the block starts as the identity.

    Args:
        width: W; queries, keys and values have half of it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(width // 2, 1)
        self.project = SegmentLinear(width, 3 * inner)  # query, key, value
        self.merge = SegmentLinear(inner, width)
        self.norm = SegmentNorm(width)
        xavier_start(self)
        _xavier_(self.project.weight, inner, width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        length = x.shape[1]
        query, key, value = self.project(x).chunk(3, dim=-1)
        if length > query.shape[-1]:  # without a softmax the order of the products is free: no T x T matrix
            mixed = query @ (key.mT @ value / length)
        else:
            mixed = (query @ key.mT / length) @ value
        return x + self.norm(self.merge(mixed))


class MultiScaleTemporalNetwork(nn.Module):
    """RTFM's temporal network: a pyramid of dilated convolutions beside a non-local block, fused, plus the input.

    A convolution with kernel 3 is one matrix product and two shifted sums; the pyramid's nine products and the
    reduction are a single one. The weights are stored as these products need them: the rows of ``spread.weight``
    are the taps before of all dilations (W / 4 rows each), the taps here, the taps after, and the reduction; those
    of ``fuse.weight`` the three taps (W rows each).

    Args:
        width: W, of input and output; a multiple of 4.
    """

    DILATIONS = (1, 2, 4)

    def __init__(self, width: int) -> None:
        super().__init__()
        branch = width // 4
        self.widths = (9 * branch, branch)
        self.spread = SegmentLinear(width, sum(self.widths), bias=False)
        self.pyramid_bias = nn.Parameter(torch.zeros(3 * branch))
        self.pyramid_norm = SegmentNorm(3 * branch)
        self.non_local = NonLocalBlock(branch)
        self.fuse = SegmentLinear(width, 3 * width, bias=False)
        self.fuse_norm = SegmentNorm(width)
        _xavier_(self.spread.weight[: 9 * branch], 3 * branch, 3 * width)
        _xavier_(self.spread.weight[9 * branch :], branch, width)
        _xavier_(self.fuse.weight, 3 * width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        taps, reduced = self.spread(x).split(self.widths, dim=-1)
        pyramid = (_SumOfTaps.apply(taps, self.DILATIONS) + self.pyramid_bias).relu()  # (S, T, 3W / 4)
        both = torch.cat([self.pyramid_norm(pyramid), self.non_local(reduced.relu())], dim=-1)
        fused = _SumOfTaps.apply(self.fuse(both), (1,)).relu()
        return x + self.fuse_norm(fused)
