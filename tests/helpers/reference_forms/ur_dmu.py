"""UR-DMU: every formula computed where it stands, nothing shared.

Parameters have the names of :class:`vad_lib.methods.ur_dmu.URDMU`, so that weights load either way.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ReferenceLayer(nn.Module):
    """Global-local attention with an explicit softmax and a decay mask rebuilt at every call."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 4 * width, bias=False)
        self.merge = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        sequences, length, width = x.shape
        split = [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.project(self.norm(x)).chunk(4, dim=-1)]
        query, key, value, local = split
        attention = (query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)).softmax(dim=-1)
        step = torch.arange(length, dtype=x.dtype, device=x.device)
        decay = torch.exp(-(step[:, None] - step).abs() / math.e)
        decay = (decay / decay.sum(dim=0)).repeat(sequences, self.heads, 1, 1)
        both = torch.cat([attention @ value, decay @ local], dim=-1).transpose(1, 2).flatten(2)
        x = x + self.dropout(self.merge(both))
        return x + self.feed_forward(x)


class ReferenceMemory(nn.Module):
    """Memories, maps and head; parameters only, the formulas stand in :class:`ReferenceURDMU`."""

    def __init__(self, width: int, prototypes: int) -> None:
        super().__init__()
        self.abnormal = nn.Parameter(torch.empty(prototypes, width))
        self.normal = nn.Parameter(torch.empty(prototypes, width))
        self.mean_map = nn.Linear(width, width)
        self.log_variance_map = nn.Linear(width, width)
        self.head_in = nn.Linear(2 * width, width // 4)
        self.head_out = nn.Linear(width // 4, 1)


class ReferenceURDMU(nn.Module):
    """Scores and loss of UR-DMU, for sequences of equal length with the normal half of the batch first."""

    def __init__(self, feature_dim: int = 1024, width: int = 512, heads: int = 4, dropout: float = 0.5, noise: bool = True) -> None:
        super().__init__()
        self.noise = noise
        self.embed = nn.Sequential(nn.Conv1d(feature_dim, width, 3, padding=1), nn.ReLU())
        self.layers = nn.ModuleList(ReferenceLayer(width, heads, dropout) for _ in range(2))
        self.memory = ReferenceMemory(width, 60)

    def encode(self, features: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        encoded = self.embed(features.transpose(1, 2)).transpose(1, 2)
        for layer in self.layers:
            encoded = layer(encoded)
        return encoded

    def read(self, encoded: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Similarity (S, T) to a memory, and its read-out (S, T, W)."""
        attention = torch.sigmoid(encoded @ memory.T / math.sqrt(encoded.shape[-1]))
        return attention.topk(len(memory) // 16 + 1, dim=-1).values.mean(dim=-1), attention @ memory

    def head(self, encoded: Tensor, context: Tensor) -> Tensor:
        hidden = F.relu(self.memory.head_in(torch.cat([encoded, context], dim=-1)))
        return torch.sigmoid(self.memory.head_out(hidden)).squeeze(-1)

    def forward(self, features: Tensor) -> Tensor:
        """Scores in testing: (S, T, D) -> (S, T)."""
        encoded = self.encode(features)
        _, abnormal = self.read(encoded, self.memory.abnormal)
        _, normal = self.read(encoded, self.memory.normal)
        return self.head(encoded, self.memory.mean_map(abnormal) + self.memory.mean_map(normal))

    def loss(self, features: Tensor) -> Tensor:
        """Weighted sum of the eight terms: (2b, T, D), normal rows first."""
        memory, pairs, length = self.memory, len(features) // 2, features.shape[1]
        k = length // 16 + 1
        encoded = self.encode(features)
        normal, abnormal = encoded[:pairs], encoded[pairs:]
        similarity_nn, readout_nn = self.read(normal, memory.normal)
        similarity_na, readout_na = self.read(normal, memory.abnormal)
        similarity_aa, readout_aa = self.read(abnormal, memory.abnormal)
        similarity_an, readout_an = self.read(abnormal, memory.normal)

        mean = memory.mean_map(readout_nn)
        log_variance = memory.log_variance_map(readout_nn)
        sample = mean
        if self.training and self.noise:
            sample = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        mean_na, mean_aa, mean_an = memory.mean_map(readout_na), memory.mean_map(readout_aa), memory.mean_map(readout_an)
        scores = self.head(encoded, torch.cat([sample + mean_na, mean_aa + mean_an]))

        def at_top(values: Tensor, similarity: Tensor) -> Tensor:
            index = similarity.topk(k, dim=1).indices
            return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[-1])).mean(dim=1)

        labels = torch.cat([scores.new_zeros(pairs), scores.new_ones(pairs)])
        anchor, positive, negative = (
            at_top(values, by) for values, by in ((normal, similarity_nn), (abnormal, similarity_an), (abnormal, similarity_aa))
        )
        triplet = F.triplet_margin_loss(F.normalize(anchor, dim=1), F.normalize(positive, dim=1), F.normalize(negative, dim=1))
        kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(dim=1).mean()
        magnitude = F.relu(100 - at_top(mean_aa, similarity_aa).norm(dim=1) + at_top(sample, similarity_nn).norm(dim=1)).mean()
        ones = scores.new_ones(pairs)
        return (
            F.binary_cross_entropy(scores.topk(k, dim=1).values.mean(dim=1), labels)
            + 0.1 * F.binary_cross_entropy(similarity_aa.topk(k, dim=1).values.mean(dim=1), ones)
            + 0.1 * F.binary_cross_entropy((1 - similarity_an).topk(k, dim=1).values.mean(dim=1), ones)
            + 0.1 * F.binary_cross_entropy(similarity_nn, torch.ones_like(similarity_nn))
            + 0.1 * F.binary_cross_entropy(similarity_na, torch.zeros_like(similarity_na))
            + 0.1 * triplet
            + 0.001 * kl
            + 0.0001 * magnitude
        )
