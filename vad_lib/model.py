"""The proposed model: vision-language alignment and gated fusion on top of MSF-DMU (section 2 of the paper).

Zhao, Zhang, Wang and Kong, *A Multimodal Video Anomaly Detection Method Based on Vision-Language Alignment*.
The file follows section 2: prompts (PCL), alignment branch (equations 1 to 4), gated fusion (DBAGF, 5 to 8),
losses (9 to 13, in :mod:`vad_lib.losses`). Where the text leaves a choice open, the choice is a setting; the reasons
are in ``results/deviations.md``. The form without look-ahead, ``context="causal"``, is in :mod:`vad_lib.methods.causal`.

symbol     here                 shape        meaning
X_v        features             (S, T, D)    snippet features
F_c        context_features     (S, T, D_c)  visual features with temporal context; D_c = 2W
C_v        context              (S, D_c)     video-level context, time mean of F_c
T_c        text_features        (C, D_t)     mean over templates; fixed
Delta_c    prompt_offset        (C, D_t)     learned offset of each category
T~_c       learned_text         (C, D_t)     unit vectors
V'         projected            (S, T, D_t)  unit vectors
delta      delta                (S, D_t)     shift of all categories, from the video's context
T^_c       category_text        (S, C, D_t)  unit vectors
A          alignment            (S, T, C)    cosines
S_c        visual_scores        (S, T)       of the visual branch; the paper also writes S_c for equation 4
S_fine     category_scores      (S, C)       equation 4, category 0 is normal
S_a        semantic_scores      (S, T)       of the alignment branch
w          gate_weight          scalar       fusion weight in (0, 1), the sigmoid of g
g          gate_logit           scalar       learned
S_fused    fused_scores         (S, T)       equation 7
S_video    video_score          (S,)         equation 8
tau        temperature          scalar       of the cosines' softmax

S sequences (videos x crops), T segments, D feature width, W encoder width, D_t text width, C categories.
"""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from vad_lib import losses
from vad_lib.data.batches import Batch
from vad_lib.errors import one_of
from vad_lib.losses import LossTerm
from vad_lib.methods.base import Method, MethodSpec, check_categories, check_text_features
from vad_lib.methods.causal import CausalAlignment
from vad_lib.methods.msf_dmu import MSFDMU, OF_PROFILE, UNDECAYED, MSFDMUSettings
from vad_lib.methods.ur_dmu import decay_groups


class ProposedSettings(MSFDMUSettings):
    """Settings of the proposed model. The paper gives none of the values below; they are this project's reading."""

    modulation: Literal["scaled", "literal", "off"] = Field("scaled", description="T~ + learned scale * delta; T~ + delta; or T~")
    semantic_score: Literal["softmax", "sum"] = Field("softmax", description="equation 5 after a softmax over A, or literally")
    temperature: float = Field(0.07, gt=0, description="tau at the start")
    learn_temperature: bool = True
    gate: Literal["learnable", "fixed"] = Field("learnable", description="equation 6; fixed keeps w = sigmoid(gate_start)")
    gate_start: float = Field(0.0, description="g at the start")
    lambda_align: float = Field(0.0333, ge=0, description="lambda_1 of equation 9")
    lambda_cls: float = Field(0.1, ge=0, description="lambda_2 of equation 9")
    lambda_con: float = Field(0.05, ge=0, description="lambda_3 of equation 9")
    alpha: float = Field(1.0, ge=0, description="weight of equation 11")
    align_ratio: float = Field(1 / 16, gt=0, le=1, description="r of equation 12")
    align_reduction: Literal["mean_logits", "per_frame"] = "mean_logits"
    loss_weights: Literal["fixed", "adaptive"] = Field("fixed", description="adaptive: lambdas are learned (Kendall et al. 2018)")


# Prompt construction and learning (PCL) and the alignment branch, section 2.1


def learned_text(text_features: Tensor, prompt_offset: Tensor) -> Tensor:
    """T~_c = L2norm(T_c + Delta_c), unit vectors: two (C, D_t) -> (C, D_t)."""
    return F.normalize(text_features + prompt_offset, dim=-1)


def project_visual(context_features: Tensor, projection: nn.Linear) -> Tensor:
    """V' = L2norm(W_v F_c + b_v) (equation 1): F_c (S, T, D_c) -> unit vectors (S, T, D_t)."""
    return F.normalize(projection(context_features), dim=-1)  # Eq. 1


def modulation_vector(context: Tensor, linear: nn.Linear, norm: nn.LayerNorm) -> Tensor:
    """delta = LayerNorm(W_c C_v + b_c) (equation 2): C_v (S, D_c) -> (S, D_t)."""
    return norm(linear(context))  # Eq. 2


def category_text(learned: Tensor, delta: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """T^_c = L2norm(T~_c + scale * delta): T~_c (C, D_t) and delta (S, D_t) -> unit vectors (S, C, D_t).

    Differs from paper: ``scale``. A bare delta has a norm near sqrt(D_t), which drowns the unit vectors T~_c and makes
    all categories alike; scale 1 is the literal form.
    """
    return F.normalize(learned + scale * delta[:, None], dim=-1)


def alignment_map(projected: Tensor, category_text: Tensor) -> Tensor:
    """A, cosines of segments and categories (equation 3): unit vectors (S, T, D_t), (S, C, D_t) -> (S, T, C)."""
    return projected @ category_text.transpose(1, 2)  # Eq. 3; both sides have unit norm


def category_scores(alignment: Tensor, mask: Tensor, divisor: int = 16) -> Tensor:
    """S_fine, mean of each category's k = T // divisor + 1 largest cosines (equation 4): (B, T, C), mask (B, T) -> (B, C)."""
    return losses.topk_mean_by_category(alignment, mask, divisor)  # Eq. 4


# Dual-branch adaptive gated fusion (DBAGF), section 2.2


def semantic_score(alignment: Tensor, temperature: Tensor | float, form: str = "softmax") -> Tensor:
    """S_a, sum over the abnormal categories (equation 5): (..., T, C) -> (..., T).

    Args:
        alignment: cosines, category 0 normal.
        temperature: tau, positive; not used by ``sum``.
        form: ``softmax`` sums probabilities and stays in (0, 1); ``sum`` adds the bare cosines, as printed, and may leave it.

    Raises:
        ConfigError: unknown form.

    Example: three equal cosines, two of them abnormal.
        >>> semantic_score(torch.full((1, 3), 0.2), 0.07)
        tensor([0.6667])
    """
    one_of(form, ("softmax", "sum"), "semantic_score")
    terms = (alignment / temperature).softmax(dim=-1) if form == "softmax" else alignment
    return terms[..., 1:].sum(dim=-1)  # Eq. 5


def gate_weight(gate_logit: Tensor) -> Tensor:
    """w = sigmoid(g) (equation 6), the share of the visual branch in the fused score: any shape -> (0, 1)."""
    return gate_logit.sigmoid()  # Eq. 6


def fuse(visual_scores: Tensor, semantic_scores: Tensor, weight: Tensor | float) -> Tensor:
    """S_fused = w S_c + (1 - w) S_a (equation 7): two (..., T) -> (..., T); a DataError if their shapes differ."""
    losses.check_same_shape(visual_scores, semantic_scores, "fusion")
    return weight * visual_scores + (1 - weight) * semantic_scores  # Eq. 7


def video_score(fused_scores: Tensor, mask: Tensor | None = None, divisor: int = 16) -> Tensor:
    """S_video, mean of the k = T // divisor + 1 largest fused scores (equation 8): (B, T), mask (B, T) or None -> (B,)."""
    return losses.topk_mean(fused_scores, mask, divisor)  # Eq. 8


class ProposedOutput(NamedTuple):
    """Output of the proposed model; after ``forward`` every S is (B, N).

    Attributes:
        logits: float32 (S, T), visual branch, unbounded.
        hidden: float32 (S, T, W / 4), the score head before its ReLU, to which noise is added in training.
        encoded: float32 (S, T, W), encoder output h.
        attention: float32 (S, T, 2M) in (0, 1), likeness to each prototype, abnormal memory first.
        context_features: float32 (S, T, 2W), F_c.
        visual_scores: float32 (S, T), S_c in (0, 1).
        alignment: float32 (S, T, C), A, cosines.
        semantic_scores: float32 (S, T), S_a; in (0, 1) unless ``semantic_score`` is ``sum``.
        fused_scores: float32 (S, T), S_fused.
    """

    logits: Tensor
    hidden: Tensor
    encoded: Tensor
    attention: Tensor
    context_features: Tensor
    visual_scores: Tensor
    alignment: Tensor
    semantic_scores: Tensor
    fused_scores: Tensor


class Proposed(Method):
    """The whole model of Figure 1.

    Args:
        settings: frozen settings.
        text_features: float32 (C, D_t), T_c, category 0 normal; kept with the weights, never trained.

    Raises:
        DataError: ``text_features`` is no finite matrix of two categories or more.
    """

    scalars = ("gate_logit", "log_temperature", "modulation_scale")
    late = MSFDMU.late

    def __init__(self, settings: ProposedSettings, text_features: Tensor) -> None:
        super().__init__()
        check_text_features(text_features)
        self.settings = settings
        context_width, text_width = 2 * settings.width, text_features.shape[1]
        self.visual_branch = MSFDMU(settings)
        self.text_features: Tensor
        self.register_buffer("text_features", text_features.clone().float())
        self.prompt_offset = nn.Parameter(torch.zeros_like(self.text_features))
        self.project = nn.Linear(context_width, text_width)  # W_v, b_v
        if settings.modulation != "off":
            self.modulate = nn.Linear(context_width, text_width)  # W_c, b_c
            self.modulate_norm = nn.LayerNorm(text_width)
            if settings.context == "causal":
                self.causal_alignment = CausalAlignment()
        self.modulation_scale = nn.Parameter(torch.tensor(0.1 / math.sqrt(text_width))) if settings.modulation == "scaled" else 1.0
        self.log_temperature = nn.Parameter(torch.tensor(math.log(settings.temperature)), requires_grad=settings.learn_temperature)
        self.gate_logit = nn.Parameter(torch.tensor(settings.gate_start), requires_grad=settings.gate == "learnable")
        lambdas = {"align": settings.lambda_align, "cls": settings.lambda_cls, "con": settings.lambda_con}
        self.lambdas = losses.LossWeights(lambdas, learned=settings.loss_weights == "adaptive")

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    @property
    def temperature(self) -> Tensor:
        """tau, a positive scalar."""
        return self.log_temperature.exp()

    @property
    def learned_text(self) -> Tensor:
        """T~_c, unit vectors (C, D_t)."""
        return learned_text(self.text_features, self.prompt_offset)

    def category_text(self, context_features: Tensor) -> Tensor:
        """T^_c of each sequence: F_c (S, T, 2W) -> unit vectors (S, C, D_t)."""
        if self.settings.modulation == "off":
            return self.learned_text.expand(len(context_features), -1, -1)
        context = context_features.mean(dim=1)  # C_v, (S, 2W)
        return category_text(self.learned_text, self._delta(context), self.modulation_scale)

    def _delta(self, context: Tensor) -> Tensor:
        return modulation_vector(context, self.modulate, self.modulate_norm)  # Eq. 2

    def _align(self, context_features: Tensor) -> Tensor:
        """A: F_c (S, T, 2W) -> (S, T, C)."""
        projected = project_visual(context_features, self.project)  # Eq. 1
        if hasattr(self, "causal_alignment"):
            return self.causal_alignment(projected, context_features, self.learned_text, self._delta, self.modulation_scale)
        return alignment_map(projected, self.category_text(context_features))  # Eq. 3

    def encode(self, features: Tensor) -> ProposedOutput:
        visual = self.visual_branch.encode(features)
        context_features = self.visual_branch.context_features(visual)  # F_c, (S, T, 2W)
        alignment = self._align(context_features)  # Eq. 1, 2, 3
        visual_scores = visual.logits.sigmoid()
        semantic_scores = semantic_score(alignment, self.temperature, self.settings.semantic_score)  # Eq. 5
        fused_scores = fuse(visual_scores, semantic_scores, gate_weight(self.gate_logit))  # Eq. 6, 7
        return ProposedOutput(*visual, context_features, visual_scores, alignment, semantic_scores, fused_scores)

    def loss(self, output: ProposedOutput, batch: Batch) -> dict[str, LossTerm]:
        """Terms of equation 9; a lambda of 0 leaves its term out. Every crop is a sample of its own.

        Raises:
            DataError: the batch has another number of categories than the text features, or unpaired videos.
        """
        check_categories(batch, self.text_features)
        settings, crops = self.settings, output.logits.shape[1]
        # the visual score of normal videos is sampled in training, as in the baseline; alignment sees F_c unsampled
        view = self.visual_branch.training_view(output, batch)
        visual_scores, mask, divisor = view.logits.sigmoid(), view.mask, settings.topk_divisor
        targets = batch.category_targets.repeat_interleave(crops, 0)
        alignment, semantic_scores = output.alignment.flatten(0, 1), output.semantic_scores.flatten(0, 1)
        fused_scores = fuse(visual_scores, semantic_scores, gate_weight(self.gate_logit))
        terms = {"main": LossTerm(losses.main_loss(video_score(fused_scores, mask, divisor), view.labels))}  # Eq. 8
        if settings.losses == "full":
            terms |= self.visual_branch.memory_terms(output, view)
        values = {}
        if "align" in self.lambdas.start:
            values["align"] = losses.alignment_loss(
                alignment, targets, mask, self.temperature, settings.align_ratio, settings.align_reduction
            )  # Eq. 12
        if "cls" in self.lambdas.start:
            fine = category_scores(alignment, mask, divisor)  # Eq. 4
            suppression = losses.normal_suppression_loss(fine, view.labels)
            values["cls"] = losses.classification_loss(fine, targets, self.temperature) + settings.alpha * suppression  # Eq. 10, 11
        if "con" in self.lambdas.start:
            of_branches = (video_score(scores, mask, divisor) for scores in (visual_scores, semantic_scores))
            values["con"] = losses.consistency_loss(*of_branches)  # Eq. 13
        return terms | self.lambdas(values)

    def scores(self, output: ProposedOutput) -> dict[str, Tensor]:
        """Means over crops: ``score`` S_fused, ``visual`` S_c and ``semantic`` S_a (B, T) in [0, 1], ``alignment`` A (B, T, C)."""
        return {
            "score": output.fused_scores.clamp(0, 1).mean(dim=1),  # the literal sum of equation 5 can leave [0, 1]
            "visual": output.visual_scores.mean(dim=1),
            "semantic": output.semantic_scores.clamp(0, 1).mean(dim=1),
            "alignment": output.alignment.clamp(-1, 1).mean(dim=1),
        }

    def monitored(self) -> dict[str, float]:
        """w, tau, the modulation scale, learned lambdas, and what MSF-DMU logs."""
        values = {"w": gate_weight(self.gate_logit).item(), "tau": self.temperature.item()}
        if isinstance(self.modulation_scale, Tensor):
            values["modulation_scale"] = self.modulation_scale.item()
        return values | self.lambdas.monitored() | self.visual_branch.monitored()

    def parameter_groups(self, weight_decay: float) -> list[dict]:
        scalars = ("modulation_scale", "gate_logit", *(f"log_variances.{name}" for name in self.lambdas.start))
        return decay_groups(self, weight_decay, (*UNDECAYED, *scalars))


SPEC = MethodSpec(
    name="proposed",
    title="Proposed",
    paper="Zhao, Zhang, Wang and Kong",
    idea="a second score from the likeness of segments to sentences about the categories, and a learned gate between the two",
    settings=ProposedSettings,
    build=lambda settings, text: Proposed(settings, torch.tensor(text.values)),
    needs_text=True,
    question="language",
    builds_on=("msf-dmu", "vadclip"),
    of_profile=OF_PROFILE,
)
