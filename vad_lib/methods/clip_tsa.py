"""CLIP-TSA: temporal self-attention over CLIP features (Joo, Vo, Yamazaki and Le, ICIP 2023; arXiv 2212.05136).

RTFM behind a differentiable choice of segments: every segment is scored, the scores are disturbed a hundred times, and
the segment's feature is multiplied by how often it was among the best. The result goes through RTFM's multi-scale
temporal network, score head and losses. By the authors' public code.

symbol        here                       shape
x             features, after reduction  (S, T, W), W = 512
s             choice                     (S, T) in (0, 1), scores of the chooser
eps           noise                      (1, n, T) or (S, n, T), n = 100 draws
r             inclusion                  (S, T) in [0, 1], share of the draws in which a segment is among the best m
F             features (output)          (S, T, W), after dropout
p             logits, before sigmoid     (S, T)
top k         top                        (B, k), k = 3, by the norms of F
a, n          norms                      (B, N), norm of the mean of F over the top k

S sequences (B videos x N crops), T segments, W encoder width; m = floor(T kappa).

How it differs from the others. Nothing is cut out: r_t x_t keeps its place, so the choice is a soft mask, and with
kappa = 0.95 few segments are ever left out. The choice is hard inside a draw and learned all the same: the gradient
of r comes from how the draws' noise goes together with it. The public code draws this noise in testing too; here a
test always meets the same draws, so that scores do not change from run to run.
"""

from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm
from vad_lib.methods import mil_losses
from vad_lib.methods.base import Method, MethodSpec
from vad_lib.methods.rtfm import SMOOTHNESS_WEIGHT, SPARSITY_WEIGHT, magnitude_terms
from vad_lib.methods.temporal_network import MultiScaleTemporalNetwork, ScoreHead, score_layers, xavier_start

# official code
CLIP_WIDTH = 512
HEAD_WIDTHS = (128, 32)


class CLIPTSASettings(Settings):
    """Settings of CLIP-TSA; the defaults are the official code's for UCF-Crime."""

    feature_dim: int = Field(CLIP_WIDTH, ge=1, description="D, width of the snippet features")
    width: int = Field(CLIP_WIDTH, ge=4, description="W, a multiple of 4; features of another width are reduced to it")
    kappa: float = Field(0.95, gt=0, le=1, description="share of the segments chosen per draw (UCF-Crime 0.95, XD-Violence 0.9)")
    attention: Literal["perturbed", "none"] = Field("perturbed", description="none: every segment is kept as it is")
    draws: int = Field(100, ge=1, description="n, noisy copies of the scores")
    noise_scale: float = Field(0.05, gt=0, description="sigma, standard deviation of the noise")
    most_chosen: int = Field(1000, ge=1, description="m stops here, however long the video")
    gradient: Literal["released", "usual"] = Field("released", description="estimator; equal in the mean, see PerturbedTopK")
    test_seed: int = Field(0, ge=0, description="of the noise in testing")
    unused_reduction: bool = Field(True, description="build the reduction, as the code does, where it is not used (D = W)")
    selected: int = Field(3, ge=1, description="k, segments that stand for a video")
    margin: float = Field(
        100.0, gt=0, description="norm that abnormal features should reach; absolute, so it fits one feature source"
    )
    dropout: float = Field(0.7, ge=0, lt=1, description="of the temporal features and inside the score head")
    selection_dropout: float = Field(0.7, ge=0, lt=1, description="share of the norms that count as 0 in the choice, in training")

    @model_validator(mode="after")
    def _branches_divide(self) -> "CLIPTSASettings":
        if self.width % 4:
            raise ValueError(f"width must be a multiple of 4, got {self.width}")
        return self


class PerturbedTopK(torch.autograd.Function):
    """Share of the draws in which each segment is among the m best, with a gradient (Cordonnier et al. 2021).

    Draw n of a row puts a 1 at the m largest of s + sigma eps_n: the mask z_n (T,). The result is their mean. With
    respect to s its gradient is, for a gradient h of the result,

    usual:     1 / (sigma n) sum_n eps_n (z_n . h)
    released:  1 / (sigma n) sum_n z_n (eps_n . h)

    The mean of the matrix z eps^T is symmetric, so both are right in the mean. Memory is that of one mask of
    (S, draws, T), whatever m is; the usual form with one-hot vectors for each of the m places has m times as much.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, noise: Tensor, m: int, sigma: float, released: bool) -> Tensor:
        """Scores (S, T) and noise (S or 1, draws, T) -> (S, T)."""
        disturbed = scores[:, None] + sigma * noise
        few = min(m, scores.shape[1] - m)  # look for the fewer: those inside or those outside
        places = disturbed.topk(few, dim=-1, largest=few == m, sorted=False).indices
        chosen = torch.full_like(disturbed, few != m, dtype=torch.bool).scatter_(-1, places, few == m)
        ctx.save_for_backward(chosen, noise)
        ctx.sigma, ctx.released = sigma, released
        return chosen.sum(dim=1) / noise.shape[1]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        chosen, noise = ctx.saved_tensors
        outer, inner = (chosen.to(noise.dtype), noise) if ctx.released else (noise, chosen.to(noise.dtype))
        weights = inner @ upstream[:, :, None]  # (S, draws, 1)
        gradient = (weights.mT @ outer).squeeze(1) / (ctx.sigma * noise.shape[1])
        return gradient, None, None, None, None


class CLIPTSAOutput(NamedTuple):
    """Output of CLIP-TSA; after ``forward`` every S is (B, N).

    Attributes:
        logits: float32 (S, T), unbounded.
        features: float32 (S, T, W), F; in training after dropout, as the norms and the head see it.
        choice: float32 (S, T) in (0, 1), s.
        inclusion: float32 (S, T) in [0, 1], r.
    """

    logits: Tensor
    features: Tensor
    choice: Tensor
    inclusion: Tensor


class CLIPTSA(Method):
    """CLIP-TSA. Features of another width than W pass a two-layer reduction with a sigmoid, as I3D does in the code.

    Chooser, reduction and temporal network scale with W; the head keeps its widths.

    Args:
        settings: frozen settings.
    """

    def __init__(self, settings: CLIPTSASettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.reduced = settings.feature_dim != width
        if self.reduced or settings.unused_reduction:
            self.reduction = nn.Sequential(
                nn.Linear(settings.feature_dim, 2 * width), nn.ReLU(), nn.Linear(2 * width, width), nn.Sigmoid()
            )  # PyTorch's own start values, unlike everything else
            self.reduction.requires_grad_(self.reduced)
        self.chooser = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), ScoreHead(width // 2), nn.Sigmoid())
        self.chooser.requires_grad_(settings.attention == "perturbed")
        self.temporal = MultiScaleTemporalNetwork(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = score_layers(width, HEAD_WIDTHS, settings.dropout)
        xavier_start(self.chooser)
        xavier_start(self.head)

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    def noise(self, sequences: int, length: int, device: torch.device) -> Tensor:
        """Standard normal draws: (S, draws, T) from torch's generator in training, one (1, draws, T) for all in testing.

        The test draws depend on T alone: not on other videos, the device or the order of scoring.
        """
        if self.training:
            return torch.randn(sequences, self.settings.draws, length, device=device)
        generator = torch.Generator().manual_seed(self.settings.test_seed)
        return torch.randn(1, self.settings.draws, length, generator=generator).to(device)

    def include(self, choice: Tensor) -> Tensor:
        """r for scores s, (S, T) -> (S, T).

        The code limits m to 1,000 where a batch holds one video only, as in testing; here the limit holds always,
        so that a score does not depend on what else is scored.
        """
        sequences, length = choice.shape
        if self.settings.attention == "none":
            return torch.ones_like(choice)
        m = min(max(1, int(length * self.settings.kappa)), self.settings.most_chosen)
        noise = self.noise(sequences, length, choice.device)
        return PerturbedTopK.apply(choice.float(), noise, m, self.settings.noise_scale, self.settings.gradient == "released")

    def encode(self, features: Tensor) -> CLIPTSAOutput:
        if self.reduced:
            features = self.reduction(features)  # (S, T, W)
        choice = self.chooser(features)  # (S, T)
        inclusion = self.include(choice)
        temporal = self.dropout(self.temporal(inclusion[:, :, None] * features))  # (S, T, W)
        return CLIPTSAOutput(self.head(temporal), temporal, choice, inclusion)

    def loss(self, output: CLIPTSAOutput, batch: Batch) -> dict[str, LossTerm]:
        """RTFM's four terms: classification, gap of magnitudes, and smooth and sparse abnormal scores.

        Raises:
            DataError: unequal numbers of normal and abnormal videos.
        """
        settings, scores = self.settings, self.scores(output)["score"]  # (B, T)
        dropped = settings.selection_dropout if self.training else 0.0
        terms = magnitude_terms(scores, output.features, batch, settings.selected, dropped, settings.margin)
        abnormal = batch.video_labels == 1
        laid_end_to_end = scores[abnormal][batch.mask[abnormal]]  # differences cross the borders of videos, as in the code
        return terms | {
            "smoothness": LossTerm(mil_losses.smoothness(laid_end_to_end), SMOOTHNESS_WEIGHT),
            "sparsity": LossTerm(laid_end_to_end.norm(), SPARSITY_WEIGHT),
        }

    def scores(self, output: CLIPTSAOutput) -> dict[str, Tensor]:
        return {"score": output.logits.sigmoid().mean(dim=1)}


def _sizes(feature_dim: int, width: int) -> dict[str, int]:
    """CLIP features enter as they are; others are reduced to the profile's width."""
    return {"feature_dim": feature_dim, "width": CLIP_WIDTH if feature_dim == CLIP_WIDTH else width}


SPEC = MethodSpec(
    name="clip-tsa",
    title="CLIP-TSA",
    paper="Joo et al., ICIP 2023",
    idea="a learned soft mask, how often a segment is among the best of its noisily scored video, in front of RTFM",
    settings=CLIPTSASettings,
    build=lambda settings, _: CLIPTSA(settings),
    builds_on=("rtfm",),
    sizes=_sizes,
    presets={"XD-Violence": {"kappa": 0.9}},
    published={"num_segments": 32, "batch_size": 16, "lr": 1e-3, "weight_decay": 5e-3, "steps": 4000, "schedule": "constant"},
)
