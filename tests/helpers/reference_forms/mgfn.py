"""MGFN, channels first."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_forms.common import ReferenceForm, at_segments, chosen_segments
from vad_lib.data.batches import Batch


class ReferenceChannelNorm(nn.Module):
    """Over the channels, with the stabiliser beside the deviation, step by step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, width, 1))
        self.shift = nn.Parameter(torch.zeros(1, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(S, W, T), same out."""
        mean = torch.mean(x, dim=1, keepdim=True)
        deviation = torch.var(x, dim=1, unbiased=False, keepdim=True).sqrt()
        return (x - mean) / (deviation + 1e-5) * self.gain + self.shift


class ReferenceGlance(nn.Module):
    """Attention with an explicit softmax; heads of 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.norm = ReferenceChannelNorm(width)
        self.project = nn.Conv1d(width, 3 * width, 1, bias=False)
        self.merge = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(S, W, T), same out."""
        sequences, width, length = x.shape
        parts = self.project(self.norm(x)).chunk(3, dim=1)
        query, key, value = (part.reshape(sequences, self.heads, 64, length).permute(0, 1, 3, 2) for part in parts)
        attention = torch.matmul(query * 64**-0.5, key.transpose(-1, -2)).softmax(dim=-1)
        attended = torch.matmul(attention, value).permute(0, 1, 3, 2).reshape(sequences, width, length)
        return self.merge(attended)


class ReferenceFocus(nn.Module):
    """A grouped convolution over T for every slice of as many channels as there are heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.norm = nn.BatchNorm1d(width)
        self.value = nn.Conv1d(width, width, 1, bias=False)
        self.filters = nn.Conv1d(self.heads, self.heads, 5, padding=2, groups=self.heads)
        self.merge = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(S, W, T), same out."""
        sequences, width, length = x.shape
        value = self.value(self.norm(x)).reshape(sequences * width // self.heads, self.heads, length)
        return self.merge(self.filters(value).reshape(sequences, width, length))


class ReferenceBlock(nn.Module):
    """Convolution, attention or its replacement, feed-forward layer; each added to its input."""

    def __init__(self, width: int, mixer: type[nn.Module]) -> None:
        super().__init__()
        self.shortcut = nn.Conv1d(width, width, 3, padding=1)
        self.mixer = mixer(width)
        self.feed_forward = nn.Sequential(
            ReferenceChannelNorm(width), nn.Conv1d(width, 4 * width, 1), nn.GELU(), nn.Conv1d(4 * width, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(S, W, T), same out."""
        x = self.shortcut(x) + x
        x = self.mixer(x) + x
        return self.feed_forward(x) + x


class ReferenceMGFN(ReferenceForm):
    """MGFN, channels first; the norm of the features is their last channel."""

    def __init__(
        self, feature_dim: int = 2048, widths: tuple[int, ...] = (64, 128, 1024), blocks: tuple[int, ...] = (3, 3, 2)
    ) -> None:
        super().__init__()
        self.embed = nn.Conv1d(feature_dim, widths[0], 3, padding=1)
        self.embed_norm = nn.Conv1d(1, widths[0], 3, padding=1)
        self.stages = nn.ModuleList()
        before = widths[0]
        for width, mixer, count in zip(widths, (ReferenceGlance, ReferenceFocus, ReferenceFocus), blocks):
            widen = [ReferenceChannelNorm(before), nn.Conv1d(before, width, 1)] if len(self.stages) else []
            self.stages.append(nn.Sequential(*widen, *(ReferenceBlock(width, mixer) for _ in range(count))))
            before = width
        self.norm = nn.LayerNorm(before)
        self.head = nn.Linear(before, 1)

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, T, D) -> scores (B, T) and final features (S, T, W)."""
        videos, crops, length, width = features.shape
        with_norm = torch.cat([features, features.norm(p=2, dim=3, keepdim=True)], dim=3)
        x = with_norm.view(videos * crops, length, width + 1).permute(0, 2, 1)
        x = self.embed(x[:, :width]) + 0.1 * self.embed_norm(x[:, width:])
        for stage in self.stages:
            x = stage(x)
        x = self.norm(x.permute(0, 2, 1))
        return torch.sigmoid(self.head(x)).view(videos, crops, length).mean(dim=1), x

    def forward(self, features: Tensor) -> Tensor:
        return self.encode(features)[0]

    def loss(self, batch: Batch) -> Tensor:
        scores, final = self.encode(batch.features)
        videos, crops, length, _ = batch.features.shape
        pairs = videos // 2
        final = final.view(videos, crops, length, -1)
        indices = chosen_segments(final.norm(p=2, dim=3).mean(dim=1), self.training)
        normal, abnormal = [], []
        for of_crop in at_segments(final, indices):
            norms = of_crop.norm(p=1, dim=2)
            normal.append(norms[:pairs])
            abnormal.append(norms[pairs:])
        normal, abnormal = torch.cat(normal), torch.cat(abnormal)
        half = len(normal) // 2
        between = F.relu(200 - F.pairwise_distance(abnormal, normal)) ** 2
        within = [(F.pairwise_distance(kind[half : 2 * half], kind[:half]) ** 2).mean() for kind in (normal, abnormal)]
        bags = torch.stack([row[picked].mean() for row, picked in zip(scores, indices)])
        smooth = sum(((row[1:] - row[:-1]) ** 2).sum() for row in scores)
        return (
            F.binary_cross_entropy(bags.clamp(0, 1), batch.video_labels)
            + 1e-6 * between.mean()
            + 1e-3 * (within[0] + within[1])
            + 8e-4 * smooth
            + 8e-3 * scores[:pairs].reshape(-1).norm(p=2)
        )
