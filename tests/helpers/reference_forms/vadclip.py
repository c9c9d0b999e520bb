"""VadCLIP, time first inside its transformer."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_forms.common import ReferenceForm, distances
from vad_lib.data.batches import Batch


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return quick_gelu(x)


def feed_forward_layers(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))


class ReferenceWindowLayer(nn.Module):
    """Torch's own attention over the whole chunk, time first, with a dense mask that leaves blocks."""

    def __init__(self, width: int, mask: Tensor) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 1)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_forward = feed_forward_layers(width)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(L, S, W), same out."""
        normed = self.attention_norm(x)
        x = x + self.attention(normed, normed, normed, need_weights=False, attn_mask=self.mask)[0]
        return x + self.feed_forward(self.feed_forward_norm(x))


class ReferenceGraphLayer(nn.Module):
    """phi(A x W + r(x))."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_width, out_width))
        self.residual = nn.Conv1d(in_width, out_width, 5, padding=2) if in_width != out_width else None

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        collected = adjacency.matmul(x.matmul(self.weight))
        residual = x if self.residual is None else self.residual(x.permute(0, 2, 1)).permute(0, 2, 1)
        return quick_gelu(collected + residual)


class ReferenceVadCLIP(ReferenceForm):
    """VadCLIP on one chunk with a learned offset on given text features; graphs and losses video by video."""

    def __init__(self, text: Tensor, width: int = 512, chunk: int = 256, window: int = 8) -> None:
        super().__init__()
        mask = torch.full((chunk, chunk), -1e9)
        for start in range(0, chunk, window):
            mask[start : start + window, start : start + window] = 0
        self.register_buffer("text", text.clone())
        self.offset = nn.Parameter(torch.zeros_like(text))
        self.positions = nn.Parameter(torch.empty(chunk, width))
        self.layers = nn.Sequential(*(ReferenceWindowLayer(width, mask) for _ in range(2)))
        self.similar = nn.ModuleList((ReferenceGraphLayer(width, width // 2), ReferenceGraphLayer(width // 2, width // 2)))
        self.near = nn.ModuleList((ReferenceGraphLayer(width, width // 2), ReferenceGraphLayer(width // 2, width // 2)))
        self.merge = nn.Linear(width, width)
        self.score_forward, self.text_forward = feed_forward_layers(width), feed_forward_layers(width)
        self.classifier = nn.Linear(width, 1)
        self.unused = nn.Parameter(torch.zeros(1), requires_grad=False)

    def unpacked(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        changes = {".project.weight": ".attention.in_proj_weight", ".project.bias": ".attention.in_proj_bias"}
        changes |= {"_forward.up.": "_forward.0.", "_forward.down.": "_forward.2."}
        moved = {}
        for name, value in state.items():
            for old, new in changes.items():
                name = name.replace(old, new)
            if name.startswith("layers."):
                name = name.replace(".merge.", ".attention.out_proj.")
            moved[name] = value
        return moved

    @staticmethod
    def similarity_graph(x: Tensor, lengths: list[int]) -> Tensor:
        norm = x.norm(p=2, dim=2, keepdim=True)
        cosines = x.matmul(x.permute(0, 2, 1)) / (norm.matmul(norm.permute(0, 2, 1)) + 1e-20)
        graph = torch.zeros_like(cosines)
        for row, length in enumerate(lengths):
            graph[row, :length, :length] = F.softmax(F.threshold(cosines[row, :length, :length], 0.7, 0), dim=-1)
        return graph

    def encode(self, features: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, L, W) -> logits (S, L), cosines (S, L, C), text (C, W)."""
        x = features.flatten(0, 1)
        x = self.layers((x + self.positions).permute(1, 0, 2)).permute(1, 0, 2)
        adjacency = self.similarity_graph(x, lengths)
        distance = torch.exp(-distances(x.shape[1]) / math.e).to(x.device).repeat(len(x), 1, 1)
        similar = self.similar[1](self.similar[0](x, adjacency), adjacency)
        near = self.near[1](self.near[0](x, distance), distance)
        x = self.merge(torch.cat([similar, near], dim=2))
        logits = self.classifier(x + self.score_forward(x))
        text = self.text + self.offset
        summary = torch.matmul(logits.permute(0, 2, 1), x)
        summary = summary / summary.norm(dim=-1, keepdim=True)
        of_video = text.expand(len(x), -1, -1) + summary.expand(-1, len(text), -1)
        of_video = of_video + self.text_forward(of_video)
        unit, unit_text = x / x.norm(dim=-1, keepdim=True), of_video / of_video.norm(dim=-1, keepdim=True)
        return logits.squeeze(2), torch.matmul(unit, unit_text.permute(0, 2, 1)), text

    def forward(self, features: Tensor) -> Tensor:
        videos, crops, length, _ = features.shape
        return torch.sigmoid(self.encode(features, videos * crops * [length])[0]).view(videos, crops, length).mean(dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """One crop per video, as its authors train it."""
        lengths = batch.mask.sum(dim=1).tolist()
        logits, cosines, text = self.encode(batch.features, lengths)
        bags, best = [], []
        for row, of_texts, length in zip(torch.sigmoid(logits), cosines / 0.07, lengths):
            k = length // 16 + 1
            bags.append(torch.topk(row[:length], k).values.mean())
            best.append(torch.topk(of_texts[:length], k, dim=0).values.mean(dim=0))
        align = -(batch.category_targets * F.log_softmax(torch.stack(best), dim=1)).sum(dim=1).mean()
        unit = text / text.norm(dim=-1, keepdim=True)
        contrast = sum(torch.abs(unit[0] @ other) for other in unit[1:]) / (len(unit) - 1)
        return F.binary_cross_entropy(torch.stack(bags).clamp(0, 1), batch.video_labels) + align + 0.1 * contrast
