"""RTFM, channels first."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_forms.common import ReferenceForm, at_segments, chosen_segments
from vad_lib.data.batches import Batch


class ReferenceRTFM(ReferenceForm):
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
        moved = {}
        for name, value in state.items():
            layer, _, kind = name.rpartition(".")
            if layer == "temporal.pyramid_norm":
                parts = value.chunk(3) if value.dim() else [value] * 3
                moved |= {f"pyramid_norms.{i}.{kind}": part for i, part in enumerate(parts)}
            elif layer == "temporal.non_local.project":
                moved |= {f"{part}.{kind}": piece for part, piece in zip(("query", "key", "value"), value.chunk(3))}
            else:
                name = name.replace("temporal.non_local.norm.", "merge_norm.")
                moved[name.removeprefix("temporal.").removeprefix("non_local.")] = value
        return moved

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
