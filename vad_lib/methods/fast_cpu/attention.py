"""Fast forms of global-local attention: blocks of long sequences, bands of the decay, weights multiplied out first.

Shapes: S sequences (videos x crops), T segments, W encoder width, H heads, d = W / H, n of m segments.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.methods import layers
from vad_lib.methods.causal import CausalPositionAttention
from vad_lib.methods.fast_cpu.linear import segment_linear
from vad_lib.methods.layers import GlobalLocalLayer, PositionAttentionLayer

LONG = 512  # steps; from here on attention goes by blocks
ATTENTION_ROWS = 480  # query rows of one head at a time; from 512 on, and below 200, a block takes almost twice as long per row
DENSE_LENGTH = 256  # longest sequence for which the full decay matrix is cheaper than blocks of its band
CHUNK = 256  # segments whose causal attention is computed together; bounds the memory for long videos


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V, each (S, H, T, d) -> (S, T, H d), heads side by side.

    Scoring a long video on a CPU goes head by head through :func:`~vad_lib.methods.fast_cpu.linear.segment_linear`, in
    blocks of query rows, since convolutions are faster than products there; training, short sequences and other devices
    take torch's own kernel.
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


def local_decay(values: Tensor, temperature: Tensor, normalise: str) -> Tensor:
    """:func:`vad_lib.methods.layers.local_decay` in time linear in T: (S, H, T, d), same out.

    Args:
        values: float32 (S, H, T, d).
        temperature: float32 (H,), steps, positive.
        normalise: ``columns`` or ``rows``, which of them sum to 1.
    """
    # a graph of any length has no place for blocks
    if torch.compiler.is_exporting() or values.shape[2] <= DENSE_LENGTH:
        return layers.local_decay(values, temperature, normalise)
    return layers.banded_decay(values, temperature, normalise)


class FastGlobalLocalLayer(GlobalLocalLayer):
    """:class:`GlobalLocalLayer` whose local branch has one weight.

    The decay is the same for all heads, so U's map and its share of the output map are one W x W matrix.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, W)."""
        width = x.shape[-1]
        merge_global, merge_local = self.merge.weight.unflatten(1, (self.heads, 2, -1)).unbind(2)  # each (W, H, d)
        local_map = merge_local.flatten(1) @ self.project.weight[3 * width :]  # (W, W)
        weights = torch.cat([self.project.weight[: 3 * width], local_map])
        query, key, value, local = segment_linear(self.norm(x), weights).split(width, dim=-1)  # each (S, T, W)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        attended = attend(query, key, value)  # (S, T, W)
        temperature = x.new_full((1,), self.TEMPERATURE)
        local = local_decay(local[:, None], temperature, "columns").squeeze(1)  # (S, T, W)
        x = x + self.dropout(segment_linear(attended, merge_global.flatten(1), self.merge.bias) + local)
        return x + self.feed_forward(x)


class FastPositionAttentionLayer(PositionAttentionLayer):
    """:class:`PositionAttentionLayer` with long attention in blocks and the decay as a band."""

    def mix(self, packed: Tensor) -> Tensor:
        """Q, K, V, U (S, T, 4, H, d) -> (S, T, 2W)."""
        query, key, value, local = packed.permute(2, 0, 3, 1, 4)  # each (S, H, T, d)
        attended = attend(query, self.key_with_position(key), value).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        local = local_decay(local, self.log_temperature.exp(), "rows")
        return torch.cat([attended, local], dim=-1).transpose(1, 2).flatten(2)


class FastCausalPositionAttention(CausalPositionAttention):
    """:class:`CausalPositionAttention` in chunks of queries, each with the segments that it can see only."""

    def look_back(self, query: Tensor, seen: Tensor) -> Tensor:
        """The last n segments of m: (S, n, H, d), (S, m, 3, H, d) -> (S, n, 2W)."""
        if torch.compiler.is_exporting():  # a graph of any length has no place for chunks
            return super().look_back(query, seen)
        length, offset, chunks = query.shape[1], seen.shape[1] - query.shape[1], []
        for start in range(0, length, CHUNK):
            first, end = max(0, offset + start - self.lookback + 1), start + CHUNK
            chunks.append(super().look_back(query[:, start:end], seen[:, first : offset + end]))
        return torch.cat(chunks, dim=1)


FORMS: dict[type, type] = {
    GlobalLocalLayer: FastGlobalLocalLayer,
    PositionAttentionLayer: FastPositionAttentionLayer,
    CausalPositionAttention: FastCausalPositionAttention,
}
