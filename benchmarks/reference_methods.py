"""RTFM, MGFN, PEL4VAD and VadCLIP in their plain form, the way public codes are written.

Channels first between layers, every convolution an ``nn.Conv1d``, videos or crops visited one by one in selections and
losses, dense T x T masks with -1e9 and distance matrices rebuilt at every call, nothing stacked, shared or multiplied out.
Of the settings only the official defaults are here, for sequences of equal length with the normal half of the batch
first. ``bench_methods.py`` and ``tests/reference/test_plain_forms.py`` compare the library with them.

Shapes: B videos, N crops, S = B x N sequences, T segments, D features, C categories.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vad_lib.data.batches import Batch

KEPT = 3  # segments that stand for a video in RTFM and MGFN
DROPPED = 0.7  # share of the magnitudes that count as 0 in their choice


class Plain(nn.Module):
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


# RTFM


class PlainRTFM(Plain):
    """RTFM: separate dilated convolutions, three more for the non-local block, the choice of segments video by video."""

    def __init__(self, feature_dim: int = 2048, dropout: float = 0.7) -> None:
        super().__init__()
        branch, inner = feature_dim // 4, feature_dim // 8
        self.pyramid = nn.ModuleList(nn.Conv1d(feature_dim, branch, 3, padding=step, dilation=step) for step in (1, 2, 4))
        self.pyramid_norms = nn.ModuleList(nn.BatchNorm1d(branch) for _ in self.pyramid)
        self.reduce = nn.Conv1d(feature_dim, branch, 1, bias=False)
        self.query, self.key, self.value = (nn.Conv1d(branch, inner, 1) for _ in range(3))
        self.merge, self.merge_norm = nn.Conv1d(inner, branch, 1), nn.BatchNorm1d(branch)
        self.fuse, self.fuse_norm = nn.Conv1d(feature_dim, feature_dim, 3, padding=1, bias=False), nn.BatchNorm1d(feature_dim)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Sequential(
            *(nn.Linear(feature_dim, 512), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(512, 128), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(128, 1),
        )

    def unpacked(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        width = state["temporal.fuse_norm.weight"].shape[0]
        taps, reduced = state.pop("temporal.spread.weight").split([9 * width // 4, width // 4])
        taps = taps.view(3, 3, width // 4, width)  # tap, dilation, out, in
        biases = state.pop("temporal.pyramid_bias").chunk(3)
        for i in range(3):
            state[f"pyramid.{i}.weight"], state[f"pyramid.{i}.bias"] = taps[:, i].permute(1, 2, 0), biases[i]
        for name in [name for name in state if name.startswith("temporal.pyramid_norm.")]:
            value = state.pop(name)
            for i, part in enumerate(value.chunk(3) if value.dim() else [value] * 3):
                state[f"pyramid_norms.{i}.{name.split('.')[-1]}"] = part
        state |= {"reduce.weight": reduced}
        state |= {"fuse.weight": state.pop("temporal.fuse.weight").view(3, width, width).permute(1, 2, 0)}
        for kind in ("weight", "bias"):
            for name, part in zip(("query", "key", "value"), state.pop(f"temporal.non_local.project.{kind}").chunk(3)):
                state[f"{name}.{kind}"] = part
        places = {"temporal.non_local.norm.": "merge_norm.", "temporal.non_local.": "", "temporal.": ""}
        for name in [name for name in state if name.startswith("temporal.")]:
            start = next(start for start in places if name.startswith(start))
            state[places[start] + name.removeprefix(start)] = state.pop(name)
        return state

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, T, D) -> scores (B, T) and dropped temporal features (S, T, D)."""
        videos, crops, length, width = features.shape
        x = features.view(videos * crops, length, width).permute(0, 2, 1)
        parts = [norm(F.relu(layer(x))) for layer, norm in zip(self.pyramid, self.pyramid_norms)]
        reduced = F.relu(self.reduce(x))
        query, key, value = self.query(reduced), self.key(reduced), self.value(reduced)
        affinity = torch.matmul(query.permute(0, 2, 1), key) / length
        mixed = torch.matmul(affinity, value.permute(0, 2, 1)).permute(0, 2, 1).contiguous()
        parts.append(self.merge_norm(self.merge(mixed)) + reduced)
        fused = self.fuse_norm(F.relu(self.fuse(torch.cat(parts, dim=1))))
        temporal = self.dropout((fused + x).permute(0, 2, 1))
        scores = torch.sigmoid(self.head(temporal)).view(videos, crops, length).mean(dim=1)
        return scores, temporal

    def forward(self, features: Tensor) -> Tensor:
        return self.encode(features)[0]

    def loss(self, batch: Batch) -> Tensor:
        scores, temporal = self.encode(batch.features)
        videos, crops, length, width = batch.features.shape
        temporal = temporal.reshape(videos, crops, length, width)
        indices = chosen_segments(temporal.norm(p=2, dim=3).mean(dim=1), self.training)
        norms = [rows.mean(dim=1).norm(p=2, dim=1) for rows in at_segments(temporal, indices)]
        pairs = videos // 2
        gaps = [(torch.abs(100 - of_crop[pairs:]) + of_crop[:pairs]) ** 2 for of_crop in norms]
        bags = [row[picked].mean() for row, picked in zip(scores, indices)]
        abnormal = scores[pairs:].reshape(-1)
        return (
            F.binary_cross_entropy(torch.stack(bags).clamp(0, 1), batch.video_labels)
            + 1e-4 * torch.cat(gaps).mean()
            + 8e-4 * ((abnormal[1:] - abnormal[:-1]) ** 2).sum()
            + 8e-3 * abnormal.norm(p=2)
        )


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


# MGFN


class PlainChannelNorm(nn.Module):
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


class PlainGlance(nn.Module):
    """Attention with an explicit softmax; heads of 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.norm = PlainChannelNorm(width)
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


class PlainFocus(nn.Module):
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


class PlainBlock(nn.Module):
    """Convolution, attention or its replacement, feed-forward layer; each added to its input."""

    def __init__(self, width: int, mixer: type[nn.Module]) -> None:
        super().__init__()
        self.shortcut = nn.Conv1d(width, width, 3, padding=1)
        self.mixer = mixer(width)
        self.feed_forward = nn.Sequential(
            PlainChannelNorm(width), nn.Conv1d(width, 4 * width, 1), nn.GELU(), nn.Conv1d(4 * width, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(S, W, T), same out."""
        x = self.shortcut(x) + x
        x = self.mixer(x) + x
        return self.feed_forward(x) + x


class PlainMGFN(Plain):
    """MGFN, channels first; the norm of the features is their last channel."""

    def __init__(
        self, feature_dim: int = 2048, widths: tuple[int, ...] = (64, 128, 1024), blocks: tuple[int, ...] = (3, 3, 2)
    ) -> None:
        super().__init__()
        self.embed = nn.Conv1d(feature_dim, widths[0], 3, padding=1)
        self.embed_norm = nn.Conv1d(1, widths[0], 3, padding=1)
        self.stages = nn.ModuleList()
        before = widths[0]
        for width, mixer, count in zip(widths, (PlainGlance, PlainFocus, PlainFocus), blocks):
            widen = [PlainChannelNorm(before), nn.Conv1d(before, width, 1)] if len(self.stages) else []
            self.stages.append(nn.Sequential(*widen, *(PlainBlock(width, mixer) for _ in range(count))))
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


# PEL4VAD


def window_mask(length: int, window: int, sequences: int) -> Tensor:
    """1 where a segment lies in another one's window, 0 elsewhere: (S, T, T), entry by entry."""
    mask = torch.zeros(length, length)
    for row in range(length):
        for offset in range(window):
            mask[row, min(max(row - window // 2 + offset, 0), length - 1)] = 1
    return mask.repeat(sequences, 1, 1)


def distances(length: int) -> Tensor:
    """|i - j|, float32 (T, T), by way of NumPy."""
    steps = np.arange(length).reshape(-1, 1)
    return torch.from_numpy(np.abs(steps - steps.T)).float()


class PlainPEL4VAD(Plain):
    """PEL4VAD: two dense attentions, convolutions with kernel 1, losses video by video, labels of pairs entry by entry."""

    def __init__(
        self, text: Tensor, feature_dim: int = 1024, attention_width: int = 128, hidden: int = 300, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.window, self.kernel = 9, 9
        self.register_buffer("text", text.clone())
        self.query, self.key, self.value = (nn.Linear(feature_dim, attention_width) for _ in range(3))
        self.merge = nn.Linear(attention_width, feature_dim)
        self.mixing = nn.Parameter(torch.tensor(0.0))
        self.prior_scale, self.prior_shift = nn.Parameter(torch.tensor([0.6])), nn.Parameter(torch.tensor([0.2]))
        self.norm = nn.LayerNorm(feature_dim)
        self.to_context = nn.Conv1d(feature_dim, text.shape[1], 1)
        self.to_hidden = nn.Conv1d(text.shape[1], hidden, 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv1d(hidden, 1, self.kernel)
        self.log_temperature = nn.Parameter(torch.tensor(-math.log(0.09)))

    def unpacked(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        state = {name.removeprefix("attention."): value for name, value in state.items()}
        for kind in ("weight", "bias"):
            for name, part in zip(("query", "key", "value"), state.pop(f"project.{kind}").chunk(3)):
                state[f"{name}.{kind}"] = part
        return state

    def attend(self, x: Tensor) -> Tensor:
        """(S, T, D), same out."""
        sequences, length, _ = x.shape
        query, key, value = self.query(x), self.key(x), self.value(x)
        mask = window_mask(length, self.window, sequences).to(x.device)
        prior = torch.exp(-torch.abs(self.prior_scale * distances(length).to(x.device) ** 2 - self.prior_shift))
        similarity = torch.matmul(query, key.permute(0, 2, 1)) / math.sqrt(key.shape[-1]) + prior.repeat(sequences, 1, 1)
        in_window = similarity.masked_fill(mask == 0, -1e9)
        everywhere = torch.matmul(torch.softmax(similarity, dim=-1), value)
        around = torch.matmul(torch.softmax(in_window, dim=-1), value)
        share = torch.sigmoid(self.mixing)
        mixed = share * everywhere + (1 - share) * around
        rooted = torch.sqrt(F.relu(mixed)) - torch.sqrt(F.relu(-mixed))
        return self.merge(F.normalize(rooted, dim=1))

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, T, D) -> scores (S, T) and context (S, T, D_t)."""
        x = features.flatten(0, 1)
        encoded = self.norm(x + self.attend(x)).permute(0, 2, 1)
        context = self.dropout(F.gelu(self.to_context(encoded)))
        hidden = self.dropout(F.gelu(self.to_hidden(context)))
        scores = torch.sigmoid(self.head(F.pad(hidden, (self.kernel - 1, 0))))
        return scores.squeeze(1), context.permute(0, 2, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.encode(features)[0].view(*features.shape[:3]).mean(dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """One crop per video, as its authors train it; the text term takes padding along, as their code does."""
        scores, context = self.encode(batch.features)
        bags = []
        for row, label, length in zip(scores, batch.video_labels, batch.mask.sum(dim=1).tolist()):
            k = 1 if label == 0 else length // 16 + 1
            bags.append(torch.topk(row[:length], k).values.mean())
        features, texts, kinds = [], [], []
        for row, values, target in zip(scores, context, batch.category_targets):
            category = int(target.argmax())
            of_row = [(torch.exp(10 * row) - 1, category)] + ([(torch.exp(10 * (1 - row)) - 1, 0)] if category else [])
            for weights, kind in of_row:
                features.append(torch.matmul((weights / weights.sum()).unsqueeze(0), values))
                texts.append(self.text[kind].unsqueeze(0))
                kinds.append(kind)
        seen = F.normalize(torch.cat(features), dim=-1)
        logits = self.log_temperature.exp() * torch.matmul(seen, F.normalize(torch.cat(texts), dim=-1).t())
        same = np.zeros((len(kinds), len(kinds)), dtype=np.float32)
        for i, kind in enumerate(kinds):
            for j, other in enumerate(kinds):
                if kind == other:
                    same[i, j] = 1
        wanted = F.softmax(10 * torch.from_numpy(same).to(logits.device), dim=1)
        mil = F.binary_cross_entropy(torch.stack(bags).clamp(0, 1), batch.video_labels)
        return mil + F.kl_div(F.log_softmax(logits, dim=1), wanted, reduction="batchmean")


# VadCLIP


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return quick_gelu(x)


def plain_feed_forward(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))


class PlainWindowLayer(nn.Module):
    """Torch's own attention over the whole chunk, time first, with a dense mask that leaves blocks."""

    def __init__(self, width: int, mask: Tensor) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 1)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_forward = plain_feed_forward(width)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(L, S, W), same out."""
        normed = self.attention_norm(x)
        x = x + self.attention(normed, normed, normed, need_weights=False, attn_mask=self.mask)[0]
        return x + self.feed_forward(self.feed_forward_norm(x))


class PlainGraphLayer(nn.Module):
    """phi(A x W + r(x))."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_width, out_width))
        self.residual = nn.Conv1d(in_width, out_width, 5, padding=2) if in_width != out_width else None

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        collected = adjacency.matmul(x.matmul(self.weight))
        residual = x if self.residual is None else self.residual(x.permute(0, 2, 1)).permute(0, 2, 1)
        return quick_gelu(collected + residual)


class PlainVadCLIP(Plain):
    """VadCLIP on one chunk with a learned offset on given text features; graphs and losses video by video."""

    def __init__(self, text: Tensor, width: int = 512, chunk: int = 256, window: int = 8) -> None:
        super().__init__()
        mask = torch.full((chunk, chunk), -1e9)
        for start in range(0, chunk, window):
            mask[start : start + window, start : start + window] = 0
        self.register_buffer("text", text.clone())
        self.offset = nn.Parameter(torch.zeros_like(text))
        self.positions = nn.Parameter(torch.empty(chunk, width))
        self.layers = nn.Sequential(*(PlainWindowLayer(width, mask) for _ in range(2)))
        self.similar = nn.ModuleList((PlainGraphLayer(width, width // 2), PlainGraphLayer(width // 2, width // 2)))
        self.near = nn.ModuleList((PlainGraphLayer(width, width // 2), PlainGraphLayer(width // 2, width // 2)))
        self.merge = nn.Linear(width, width)
        self.score_forward, self.text_forward = plain_feed_forward(width), plain_feed_forward(width)
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
