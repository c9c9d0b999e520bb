"""PEL4VAD, one crop per video in its losses."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_forms.common import ReferenceForm, distances
from vad_lib.data.batches import Batch


def window_mask(length: int, window: int, sequences: int) -> Tensor:
    """1 where a segment lies in another one's window, 0 elsewhere: (S, T, T), entry by entry."""
    mask = torch.zeros(length, length)
    for row in range(length):
        for offset in range(window):
            mask[row, min(max(row - window // 2 + offset, 0), length - 1)] = 1
    return mask.repeat(sequences, 1, 1)


class ReferencePEL4VAD(ReferenceForm):
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
