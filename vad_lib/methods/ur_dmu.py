"""UR-DMU: dual memory units with uncertainty regulation (Zhou, Yu and Yang, AAAI 2023; arXiv 2302.05160).

Every segment is compared with two memories of learned prototypes, one normal and one abnormal; what is read
from them joins the segment's own feature before it is scored. The normal part is a Gaussian during training.
By the authors' public code where it differs from their paper (see ``results/deviations.md``).

symbol        here                       shape
X             features                   (S, T, D)
h             encoder output             (S, T, W)
a             attention                  (S, T, 2M), abnormal memory first
mu, lambda    mean, log_variance         (b, T, W)
F_c           context_features           (S, T, 2W), h beside what was read

S sequences (videos x crops), b of them normal, T segments, D feature width, W encoder width, M prototypes.

How it differs from the others. A segment is judged by what it resembles: the k best of it train two memories, and not only
the score. Attention looks at the whole video and, by a fixed decay, at the neighbours. What is normal is a distribution, so
that normal segments which training has not seen still lie near it.
"""

from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from vad_lib import losses
from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm
from vad_lib.methods import mil_losses
from vad_lib.methods.base import Method, MethodSpec
from vad_lib.methods.layers import DualMemory, GlobalLocalLayer, TemporalConv

# weights of the official code
MEMORY_WEIGHT = 0.1
TRIPLET_WEIGHT = 0.1
KL_WEIGHT = 0.001
MAGNITUDE_WEIGHT = 0.0001


class URDMUSettings(Settings):
    """Settings of UR-DMU; the defaults are the official code's."""

    feature_dim: int = Field(1024, ge=1, description="D, width of the snippet features")
    width: int = Field(512, ge=16, description="W, encoder width; other widths follow from it")
    heads: int = Field(4, ge=1)
    layers: int = Field(2, ge=1)
    prototypes: int = Field(60, ge=1, description="M, of each memory")
    dropout: float = Field(0.5, ge=0, lt=1)
    losses: Literal["full", "bce_only"] = Field("full", description="bce_only: the cross-entropy term alone")
    reparameterise: bool = Field(True, description="sample the normal read-out of normal videos in training")
    topk_divisor: int = Field(16, ge=2, description="the k = T // topk_divisor + 1 best segments stand for a video")

    @model_validator(mode="after")
    def _widths_divide(self) -> "URDMUSettings":
        if self.width % 8 or self.width % (2 * self.heads):
            raise ValueError(f"width must be a multiple of 8 and of twice the heads ({self.heads})")
        return self


class DualMemoryOutput(NamedTuple):
    """Output of UR-DMU and MSF-DMU; after ``forward`` every S is (B, N).

    Attributes:
        logits: float32 (S, T), unbounded.
        hidden: float32 (S, T, W / 4), the head before its ReLU, to which noise is added in training.
        encoded: float32 (S, T, W), h.
        attention: float32 (S, T, 2M) in (0, 1), abnormal memory first.
    """

    logits: Tensor
    hidden: Tensor
    encoded: Tensor
    attention: Tensor


class TrainingView(NamedTuple):
    """A batch as the losses see it: every crop a sample of its own (R rows), normal read-outs sampled.

    Attributes:
        logits: float32 (R, T).
        labels: float32 (R,).
        mask: bool (R, T).
        mean: float32 (b, T, W), of the normal rows.
        log_variance: float32 (b, T, W).
        sample: float32 (b, T, W), mean plus noise in training, the mean itself otherwise.
    """

    logits: Tensor
    labels: Tensor
    mask: Tensor
    mean: Tensor
    log_variance: Tensor
    sample: Tensor


class URDMU(Method):
    """UR-DMU; :class:`~vad_lib.methods.msf_dmu.MSFDMU` changes embedding and layers only.

    Args:
        settings: frozen settings.
    """

    late = ("triplet",)

    def __init__(self, settings: URDMUSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embed = self._build_embedding()
        self.layers = nn.ModuleList(self._build_layer() for _ in range(settings.layers))
        self.memory = DualMemory(settings.width, settings.prototypes)

    def _build_embedding(self) -> nn.Module:
        return nn.Sequential(TemporalConv(self.settings.feature_dim, self.settings.width), nn.ReLU())

    def _build_layer(self) -> nn.Module:
        return GlobalLocalLayer(self.settings.width, self.settings.heads, self.settings.dropout)

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    def encode(self, features: Tensor) -> DualMemoryOutput:
        encoded = self.embed(features)
        for layer in self.layers:
            encoded = layer(encoded)
        attention = self.memory.attend(encoded)
        hidden = self.memory.hidden(encoded, attention)
        return DualMemoryOutput(self.memory.logits(hidden), hidden, encoded, attention)

    def context_features(self, output: DualMemoryOutput) -> Tensor:
        """F_c: encoder output beside the sum of the memories' mapped read-outs, (S, T, 2W).

        The head needs it as two products only; the proposed model takes it as a whole.
        """
        return torch.cat([output.encoded, self.memory.context(output.attention)], dim=-1)

    def training_view(self, output: Any, batch: Batch) -> TrainingView:
        """Flatten crops into rows and, in training, sample the normal read-out of the normal videos.

        Labels are known here and not in ``forward``; testing never samples.

        Args:
            output: of ``forward``, tensors (B, N, ...).
            batch: the videos that it was computed from.
        """
        crops = output.logits.shape[1]
        labels = batch.video_labels.repeat_interleave(crops)
        normal = (labels == 0).nonzero().squeeze(1)
        logits = output.logits.flatten(0, 1)
        attention = output.attention.flatten(0, 1).index_select(0, normal)[..., self.settings.prototypes :]
        mean = self.memory.mapped(attention, self.memory.normal)
        log_variance = self.memory.log_variance(attention)
        sample = mean
        if self.training and self.settings.reparameterise:
            noise = torch.randn_like(mean) * (log_variance / 2).exp()
            sample = mean + noise
            hidden = output.hidden.flatten(0, 1).index_select(0, normal) + self.memory.hidden_noise(noise)
            logits = logits.index_copy(0, normal, self.memory.logits(hidden))
        return TrainingView(logits, labels, batch.mask.repeat_interleave(crops, 0), mean, log_variance, sample)

    def loss(self, output: DualMemoryOutput, batch: Batch) -> dict[str, LossTerm]:
        """Cross-entropy of the video scores and, unless ``losses`` is ``bce_only``, the seven terms of the memories.

        Every crop is a sample of its own.

        Raises:
            DataError: the memories' terms need as many normal as abnormal videos.
        """
        view = self.training_view(output, batch)
        video_scores = losses.topk_mean(view.logits.sigmoid(), view.mask, self.settings.topk_divisor)
        terms = {"main": LossTerm(losses.main_loss(video_scores, view.labels))}
        if self.settings.losses == "full":
            terms |= self.memory_terms(output, view)
        return terms

    def memory_terms(self, output: Any, view: TrainingView) -> dict[str, LossTerm]:
        """The seven terms that make one memory normal and the other abnormal.

        Raises:
            DataError: unequal numbers of normal and abnormal videos.
        """
        divisor = self.settings.topk_divisor
        normal, abnormal = mil_losses.paired_rows(view.labels)
        attention = output.attention.flatten(0, 1)
        to_abnormal, to_normal = self.memory.similarity(attention.unflatten(-1, (2, -1))).unbind(-1)
        normal_mask, abnormal_mask = view.mask[normal], view.mask[abnormal]
        k_normal, k_abnormal = losses.topk_count(normal_mask, divisor), losses.topk_count(abnormal_mask, divisor)

        most_normal = losses.top_segments(to_normal[normal], normal_mask, k_normal)
        most_normal_of_abnormal = losses.top_segments(to_normal[abnormal], abnormal_mask, k_abnormal)
        most_abnormal = losses.top_segments(to_abnormal[abnormal], abnormal_mask, k_abnormal)

        # index_select: the backward pass of plain indexing is a slow scatter
        encoded = output.encoded.flatten(0, 1)
        encoded_abnormal = encoded.index_select(0, abnormal)
        # the mean map is linear: the mean read-out may be mapped instead of every segment's
        abnormal_attention = attention.index_select(0, abnormal)[..., : self.settings.prototypes]
        abnormal_readout = self.memory.mapped(losses.mean_at(abnormal_attention, most_abnormal), self.memory.abnormal)
        return {
            "abnormal_video_abnormal_memory": LossTerm(
                mil_losses.abnormal_in_abnormal_memory(to_abnormal[abnormal], abnormal_mask, divisor), MEMORY_WEIGHT
            ),
            "abnormal_video_normal_memory": LossTerm(
                mil_losses.abnormal_outside_normal_memory(to_normal[abnormal], abnormal_mask, divisor), MEMORY_WEIGHT
            ),
            "normal_video_normal_memory": LossTerm(
                mil_losses.normal_memory_loss(to_normal[normal], normal_mask, 1.0), MEMORY_WEIGHT
            ),
            "normal_video_abnormal_memory": LossTerm(
                mil_losses.normal_memory_loss(to_abnormal[normal], normal_mask, 0.0), MEMORY_WEIGHT
            ),
            "triplet": LossTerm(
                mil_losses.triplet_loss(
                    losses.mean_at(encoded.index_select(0, normal), most_normal),
                    losses.mean_at(encoded_abnormal, most_normal_of_abnormal),
                    losses.mean_at(encoded_abnormal, most_abnormal),
                ),
                TRIPLET_WEIGHT,
            ),
            "kl": LossTerm(mil_losses.kl_loss(view.mean, view.log_variance, normal_mask), KL_WEIGHT),
            "magnitude": LossTerm(
                mil_losses.magnitude_loss(abnormal_readout, losses.mean_at(view.sample, most_normal)), MAGNITUDE_WEIGHT
            ),
        }

    def scores(self, output: DualMemoryOutput) -> dict[str, Tensor]:
        """``score``, float32 (B, T) in (0, 1), mean over crops."""
        return {"score": output.logits.sigmoid().mean(dim=1)}


def decay_groups(module: nn.Module, weight_decay: float, undecayed: tuple[str, ...]) -> list[dict]:
    """Two parameter groups: those whose name ends in one of ``undecayed`` get no weight decay.

    Args:
        module: whose trainable parameters are split.
        weight_decay: of the others.
        undecayed: ends of parameter names.
    """
    groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[name.endswith(undecayed)].append(parameter)
    return [{"params": groups[0], "weight_decay": weight_decay}, {"params": groups[1], "weight_decay": 0.0}]


SPEC = MethodSpec(
    name="ur-dmu",
    title="UR-DMU",
    paper="Zhou, Yu and Yang, AAAI 2023",
    idea="two memories of prototypes, one normal and one abnormal, and noise on what normal videos read from theirs",
    settings=URDMUSettings,
    build=lambda settings, _: URDMU(settings),
    question="context",
    builds_on=("rtfm",),
    published={"num_segments": 200, "batch_size": 64, "lr": 1e-4, "weight_decay": 5e-5, "steps": 3000, "schedule": "constant"},
)
