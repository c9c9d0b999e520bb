"""PEL4VAD: prompt-enhanced context features (Pu, Wu, Yang and Wang, IEEE TIP 2024; arXiv 2306.14451).

One attention block compares segments once and uses the comparison twice, over the whole video and within a
window, so that a segment's feature knows its context at 1.2 million parameters. In training only, score-weighted
means of the context features, one for what looks abnormal and one for the rest, are drawn to the text feature of
their category. By the authors' public code; its start values, normalisation and head differ between the two data sets
and are UCF-Crime's here (:data:`XD_VIOLENCE` holds the other ones).

symbol       here                          shape
X            features                      (S, T, D)
q, k, v      query, key, value             (S, T, d)
G            prior                         (T, T), larger for neighbours
alpha        mixing                        scalar, sigmoid(alpha) is the global share
e            context                       (S, T, D_t), as wide as the text
s            scores, sigmoid of logits     (S, T)
f, f'        foreground, background        (R, D_t)
P            text                          (C, D_t), category 0 normal
theta        log_temperature               scalar, minus the logarithm of tau

S sequences (videos x crops, R rows in the losses), T segments, D feature width, d attention width, D_t text width,
C categories.

How it differs from the others: text is a teacher of the features and no part of the score; a bag's score is its
largest segment score if the video is normal and the mean of the k largest otherwise; the head looks back only.

The attention stands in :mod:`vad_lib.methods.pel4vad_layers`.

Another D needs nothing but D itself (the paper's is 1024). Scores are not smoothed here:
:func:`vad_lib.evaluation.scoring.smoothed` does what the authors' test script does after them.
"""

import math
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn

from vad_lib import losses
from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm
from vad_lib.methods.base import MethodSpec, check_categories, check_text_features
from vad_lib.methods.masked import MaskedMethod
from vad_lib.methods.pel4vad_layers import ContextAttention

# constants of the official code
SHARPNESS = 10.0  # of the weights that scores give to segments
AGREEMENT = 10.0  # logit of two pairs of the same category
SMALLEST_SUM = 1e-6  # of weights, own: one segment of score 0.1 has 1.7


class PEL4VADSettings(Settings):
    """Settings of PEL4VAD; the defaults are the official code's for UCF-Crime, ``saturated`` apart."""

    feature_dim: int = Field(1024, ge=1, description="D, width of the snippet features")
    attention_width: int = Field(128, ge=1, description="d, of the only head")
    hidden: int = Field(300, ge=1, description="width of the head's input")
    window: int = Field(9, ge=1, description="segments that local attention sees, odd")
    prior_scale: float = Field(0.6, description="w of the position prior at the start")
    prior_shift: float = Field(0.2, description="b of the position prior at the start")
    normalise: bool = Field(True, description="square root of the attended values, then unit norm over time per channel")
    kernel: int = Field(9, ge=1, description="segments that the head sees, the last one its own")
    temperature: float = Field(0.09, gt=0, description="tau at the start")
    dropout: float = Field(0.1, ge=0, lt=1)
    prompt_weight: float = Field(1.0, ge=0, description="lambda of the prompt term; 0 leaves it out")
    saturated: Literal["epsilon", "zero"] = Field(
        "epsilon", description="a video whose segments all have weight zero: kept by an epsilon, or the batch has no prompt term"
    )
    topk_divisor: int = Field(16, ge=2, description="the k = T // 16 + 1 best segments stand for an abnormal video")

    @field_validator("window")
    @classmethod
    def _has_a_middle(cls, window: int) -> int:
        if window % 2 == 0:
            raise ValueError("window must be odd")
        return window


# options for XD-Violence, as in the official code
XD_VIOLENCE: dict[str, Any] = {
    "prior_scale": 0.06,
    "prior_shift": 0.02,
    "normalise": False,
    "kernel": 3,
    "temperature": 0.05,
}


class PEL4VADOutput(NamedTuple):
    """Output of PEL4VAD; after ``forward`` every S is (B, N).

    Attributes:
        logits: float32 (S, T), unbounded.
        context: float32 (S, T, D_t), e.
    """

    logits: Tensor
    context: Tensor


class PEL4VAD(MaskedMethod):
    """PEL4VAD; the score needs no text, so the text features matter in training only.

    Args:
        settings: frozen settings.
        text: float32 (C, D_t), category 0 normal; kept with the weights, never trained, rows of any length.

    Raises:
        DataError: ``text`` is no finite matrix of two categories or more.
    """

    text: Tensor

    def __init__(self, settings: PEL4VADSettings, text: Tensor) -> None:
        super().__init__()
        check_text_features(text)
        self.settings = settings
        self.register_buffer("text", text.clone().float())
        self.attention = ContextAttention(
            settings.feature_dim,
            settings.attention_width,
            settings.window,
            settings.prior_scale,
            settings.prior_shift,
            settings.normalise,
        )
        self.norm = nn.LayerNorm(settings.feature_dim)
        self.to_context = nn.Linear(settings.feature_dim, text.shape[1])
        self.to_hidden = nn.Linear(text.shape[1], settings.hidden)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Conv1d(settings.hidden, 1, settings.kernel)
        self.log_temperature = nn.Parameter(torch.tensor(-math.log(settings.temperature)))
        for layer in (self.to_context, self.to_hidden, self.head):
            nn.init.xavier_uniform_(layer.weight)

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    def encode_real(self, features: Tensor, real: Tensor) -> PEL4VADOutput:
        """Encode sequences of which the first segments are real; only attention mixes segments both ways and needs the mask.

        Args:
            features: float32 (S, T, D).
            real: bool (S, T), True where a segment is real; those come first.

        Returns:
            the output; what stands at padding has no meaning.
        """
        encoded = self.norm(features + self.attention(features, real))  # (S, T, D)
        context = self.dropout(F.gelu(self.to_context(encoded)))  # (S, T, D_t)
        hidden = self.dropout(F.gelu(self.to_hidden(context)))  # (S, T, hidden)
        return PEL4VADOutput(self.look_back(hidden), context)

    def look_back(self, hidden: Tensor) -> Tensor:
        """The head: each segment and those before it, zeros before the first; (S, T, hidden) -> (S, T)."""
        padded = F.pad(hidden.mT, (self.settings.kernel - 1, 0))  # (S, hidden, kernel - 1 + T)
        return self.head(padded).squeeze(1)

    def loss(self, output: PEL4VADOutput, batch: Batch) -> dict[str, LossTerm]:
        """Bag cross-entropy and the prompt term. Every crop is a sample of its own.

        Raises:
            DataError: the batch has another number of categories than the text features.
        """
        check_categories(batch, self.text)
        crops = output.logits.shape[1]
        logits, labels = output.logits.flatten(0, 1), batch.video_labels.repeat_interleave(crops)
        mask = batch.mask.repeat_interleave(crops, 0)
        terms = {"main": LossTerm(bag_loss(logits.sigmoid(), labels, mask, self.settings.topk_divisor))}
        if self.settings.prompt_weight > 0:
            targets = batch.category_targets.repeat_interleave(crops, 0)
            means, categories = self.pairs(logits, output.context.flatten(0, 1), targets, labels, mask)
            value = prompt_loss(self.prompt_logits(means, categories), categories)
            if self.settings.saturated == "zero":
                value = torch.where(is_saturated(logits, labels, mask), 0.0, value)
            terms["prompt"] = LossTerm(value, self.settings.prompt_weight)
        return terms

    def pairs(self, logits: Tensor, context: Tensor, targets: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features and the categories they belong to: each video's foreground, then the abnormal videos' backgrounds.

        Args:
            logits: float32 (R, T).
            context: float32 (R, T, D_t), e.
            targets: float32 (R, C), rows sum to 1; the official code knows one category of a video, the first in its name.
            labels: float32 (R,), 1 abnormal, 0 normal.
            mask: bool (R, T); padding has no weight. (In the official code it has some.)

        Returns:
            features (P, D_t) and categories (P, C), whose rows sum to 1; P is R and the number of abnormal rows.
        """
        # sigmoid(-z) is 1 - sigmoid(z) without the rounding to zero
        scores = torch.stack([logits, -logits], dim=1).sigmoid()
        weights = torch.expm1(SHARPNESS * scores) * mask[:, None]
        means = (weights / (weights.sum(dim=-1, keepdim=True) + SMALLEST_SUM)) @ context  # (R, 2, D_t): f, f'
        normal = F.one_hot(torch.zeros_like(labels, dtype=torch.long), targets.shape[1]).to(targets)
        abnormal = labels == 1
        return torch.cat([means[:, 0], means[abnormal, 1]]), torch.cat([targets, normal[abnormal]])

    def prompt_logits(self, means: Tensor, categories: Tensor) -> Tensor:
        """Cosines of every pair's feature and every pair's text, divided by tau: (P, D_t), (P, C) -> (P, P)."""
        prompts = F.normalize(categories @ self.text, dim=-1)
        return self.log_temperature.exp() * F.normalize(means, dim=-1) @ prompts.T

    def scores(self, output: PEL4VADOutput) -> dict[str, Tensor]:
        return {"score": output.logits.sigmoid().mean(dim=1)}

    def monitored(self) -> dict[str, float]:
        """tau, the global share of the attention, and the position prior."""
        return {
            "tau": (-self.log_temperature).exp().item(),
            "global_share": self.attention.mixing.sigmoid().item(),
            "prior_scale": self.attention.prior_scale.item(),
            "prior_shift": self.attention.prior_shift.item(),
        }


def bag_loss(scores: Tensor, labels: Tensor, mask: Tensor, divisor: int = 16) -> Tensor:
    """Cross-entropy of each bag's label with its largest score (normal) or the mean of its k largest (abnormal).

    Args:
        scores: float32 (R, T) in [0, 1].
        labels: float32 (R,), 1 abnormal, 0 normal.
        mask: bool (R, T).
        divisor: k = T // divisor + 1.

    Returns:
        float32 scalar, nats per bag.

    Example: of 16 segments, one is undecided; k is 2.
        >>> scores, mask = torch.eye(16)[:1] / 2, torch.ones(1, 16, dtype=torch.bool)
        >>> bag_loss(scores, torch.zeros(1), mask), bag_loss(scores, torch.ones(1), mask)
        (tensor(0.6931), tensor(1.3863))
    """
    k = torch.where(labels == 1, losses.topk_count(mask, divisor), 1)
    top = losses.top_segments(scores, mask, k)
    bags = (scores.gather(1, top.indices) * top.weights).sum(dim=1)
    return losses.main_loss(bags, labels)


def prompt_loss(logits: Tensor, categories: Tensor) -> Tensor:
    """Divergence of the softmax over texts from the softmax of 10 times the categories' agreement, nats per pair.

    Args:
        logits: float32 (P, P), feature i with the text of pair j.
        categories: float32 (P, C), rows sum to 1. Two rows agree by the sum of their smaller entries: 1 if they are the
            same, 0 if they have no category in common, and nothing between if each has one category.

    Returns:
        float32 scalar, at least 0.

    Example: two pairs of one category; nothing tells them apart, and nothing should.
        >>> prompt_loss(torch.zeros(2, 2), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
        tensor(0.)
    """
    agreement = torch.minimum(categories[:, None], categories).sum(dim=-1)
    return F.kl_div(logits.log_softmax(dim=1), (AGREEMENT * agreement).softmax(dim=1), reduction="batchmean")


def is_saturated(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Whether the official code would divide zero by zero: some video's weights all round to nothing; bool scalar.

    Args:
        logits: float32 (R, T).
        labels: float32 (R,); the background of normal videos is not used.
        mask: bool (R, T).
    """
    scores = logits.sigmoid()
    # as in the official code: the subtractions round small scores away
    foreground = ((SHARPNESS * scores).exp() - 1).masked_fill(~mask, 0).sum(dim=1)
    background = ((SHARPNESS * (1 - scores)).exp() - 1).masked_fill(~mask, 0).sum(dim=1)
    return ((foreground == 0) | ((background == 0) & (labels == 1))).any()


# The authors draw 128 rows without balancing and their cosine, planned for 60 epochs, stops after 50: 126 steps each on
# UCF-Crime, 155 on XD-Violence.
SPEC = MethodSpec(
    name="pel4vad",
    title="PEL4VAD",
    paper="Pu, Wu, Yang and Wang, IEEE TIP 2024",
    idea="one similarity of segments for global and local attention, and features drawn to their category's text in training",
    settings=PEL4VADSettings,
    build=lambda settings, text: PEL4VAD(settings, torch.tensor(text.values)),
    needs_text=True,
    sizes=lambda feature_dim, width: {
        "feature_dim": feature_dim,
        "attention_width": max(1, width // 4),
        "hidden": max(1, round(300 * width / 512)),
    },
    question="language",
    presets={"XD-Violence": XD_VIOLENCE},
    batches={"segmenting": "picks_or_pad", "categories": "first"},
    published={
        "num_segments": 200,
        "batch_size": 64,
        "lr": 5e-4,
        "weight_decay": 0.0,
        "steps": 6300,
        "schedule": "cosine",
        "horizon": 1.2,
    },
    published_on={"XD-Violence": {"steps": 7750}},
)
