"""MGFN: magnitude-contrastive glance-and-focus network (Chen et al., AAAI 2023; arXiv 2211.15098).

A narrow transformer glances at the whole video, then wider blocks of short convolutions focus on each segment's neighbours;
the features enter together with their own norm. A contrastive loss works on the magnitudes of the segments that stand for a
video: those of normal and abnormal videos move apart, those of one class together, and no scene is forced to one absolute
magnitude. By the authors' public code where it differs from their paper.

symbol        here                       shape
x             features                   (S, T, D)
f             final features             (S, T, W3), layer-normed
m             magnitudes                 (S, T), L2 norm of f
|f|_1         l1_norms                   (S, T), L1 norm of f
s             score                      (B, T), mean of the crops' sigmoids
u             rows of L1 norms           (R, K), of the segments that stand for a video, largest m first

S sequences (B videos x N crops), T segments, D feature width, W1, W2, W3 widths of the stages, K segments kept (3),
R rows of one class (b videos x N crops, crop-major: row = crop * b + video).

How it differs from the others: segments are chosen by the magnitude of their features, as in RTFM, not by their score, and
magnitudes of two videos are compared with each other, not with a constant. Width grows with depth, so that attention over
all segments is paid for at 64 channels only. There are no memories and no text. One choice of segments serves all crops of a
video, which therefore stay together in a sample.

Other data: D enters the first convolution only. The last stage is twice as wide as the profile's W, rounded up to whole
heads of 64; the others keep 64 and 128 channels.
"""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from vad_lib import losses
from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm
from vad_lib.methods import mil_losses
from vad_lib.methods.base import Method, MethodSpec
from vad_lib.methods.layers import TemporalConv
from vad_lib.methods.temporal_network import ScoreHead, SegmentNorm

HEAD_WIDTH = 64
EXPANSION = 4  # of the feed-forward layers

# of the official code
NORM_CHANNEL = 0.1  # share of the norm channel in the embedding
MARGIN = 200.0  # between the L1 norms of two classes
DISTANCE_OFFSET = 1e-6  # added to every difference, as in torch's pairwise distance
BETWEEN_WEIGHT = 1e-6
WITHIN_WEIGHT = 1e-3
SMOOTHNESS_WEIGHT = 8e-4
SPARSITY_WEIGHT = 8e-3


class MGFNSettings(Settings):
    """Settings of MGFN; the defaults are the official code's."""

    feature_dim: int = Field(2048, ge=1, description="D, width of the snippet features; their norm is added inside")
    widths: tuple[int, int, int] = Field((64, 128, 1024), description="of the glance stage and the focus stages, multiples of 64")
    blocks: tuple[int, int, int] = Field((3, 3, 2), description="per stage")
    kept: int = Field(3, ge=1, description="K, segments of largest magnitude that stand for a video")
    dropped: float = Field(0.7, ge=0, lt=1, description="share of the segments that the choice passes over in training")
    contrast: Literal["code", "paper"] = Field(
        "code",
        description="pairs of the contrastive loss; code: row i with row i, and the first half of a class with the second; "
        "paper: all pairs of the batch",
    )

    @model_validator(mode="after")
    def _whole_heads(self) -> "MGFNSettings":
        if any(width < HEAD_WIDTH or width % HEAD_WIDTH for width in self.widths):
            raise ValueError(f"widths must be multiples of {HEAD_WIDTH}, the width of a head")
        if min(self.blocks) < 1:
            raise ValueError("blocks must be at least 1 in every stage")
        return self


class MGFNOutput(NamedTuple):
    """Output of MGFN; after ``forward`` every S is (B, N).

    Attributes:
        logits: float32 (S, T), unbounded.
        magnitudes: float32 (S, T), at least 0, without gradient: they only choose segments.
        l1_norms: float32 (S, T), at least 0.
    """

    logits: Tensor
    magnitudes: Tensor
    l1_norms: Tensor


class ChannelNorm(nn.Module):
    """(x - mean) / (std + 1e-5) over the channels of a segment, then gain and shift.

    Args:
        width: W.
    """

    STABILISER = 1e-5  # beside the deviation; layer norm has it under the root
    TINY = 1e-20  # only keeps gradients finite where all channels are equal

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        mean, variance = x.mean(dim=-1, keepdim=True), x.var(dim=-1, correction=0, keepdim=True)  # (S, T, 1)
        std = (variance + self.TINY).sqrt()
        return (x - mean) / (std + self.STABILISER) * self.gain + self.shift


class Glance(nn.Module):
    """Self-attention over the whole sequence, without position codes; width W in whole heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.project = nn.Linear(width, 3 * width, bias=False)  # Q, K, V, each head by head
        self.merge = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        packed = self.project(self.norm(x)).unflatten(-1, (3, -1, HEAD_WIDTH))  # (S, T, 3, heads, 64)
        query, key, value = packed.permute(2, 0, 3, 1, 4)  # each (S, heads, T, 64)
        attended = F.scaled_dot_product_attention(query, key, value)  # (S, heads, T, 64)
        return self.merge(attended.transpose(1, 2).flatten(2))  # (S, T, W)


class HeadFilters(nn.Conv1d):
    """One temporal filter per head; heads are interleaved, so channel c passes through filter c mod heads."""

    TAPS = 5
    bias: Tensor

    def __init__(self, heads: int) -> None:
        super().__init__(heads, heads, self.TAPS, padding=self.TAPS // 2, groups=heads)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        heads = x.mT.unflatten(1, (-1, self.groups))  # (S, W / heads, heads, T)
        filtered = super().forward(heads.flatten(0, 1))  # (S W / heads, heads, T)
        return filtered.view_as(heads).flatten(1, 2).mT  # (S, T, W)


class Focus(nn.Module):
    """The attention's place taken by a short convolution: what a segment takes from another depends on their offset only.

    Differs from paper: there the filters are made from the feature map; the public code learns fixed ones.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = SegmentNorm(width)
        self.value = nn.Linear(width, width, bias=False)
        self.filters = HeadFilters(width // HEAD_WIDTH)
        self.merge = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        return self.merge(self.filters(self.value(self.norm(x))))


class Block(nn.Module):
    """Convolution, attention (or its replacement) and feed-forward layer, each added to its input.

    Args:
        width: W.
        mixer: :class:`Glance` or :class:`Focus`.
    """

    def __init__(self, width: int, mixer: type[nn.Module]) -> None:
        super().__init__()
        self.shortcut = TemporalConv(width, width)
        self.mixer = mixer(width)
        self.feed_forward = nn.Sequential(
            ChannelNorm(width), nn.Linear(width, EXPANSION * width), nn.GELU(), nn.Linear(EXPANSION * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        x = x + self.shortcut(x)
        x = x + self.mixer(x)
        return x + self.feed_forward(x)


class MGFN(Method):
    """MGFN.

    Args:
        settings: frozen settings.
    """

    def __init__(self, settings: MGFNSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embed = TemporalConv(settings.feature_dim, settings.widths[0])
        self.embed_norm = TemporalConv(1, settings.widths[0])
        self.stages = nn.ModuleList()
        before = settings.widths[0]
        for width, mixer, blocks in zip(settings.widths, (Glance, Focus, Focus), settings.blocks):
            widen = [ChannelNorm(before), nn.Linear(before, width)] if len(self.stages) else []
            self.stages.append(nn.Sequential(*widen, *(Block(width, mixer) for _ in range(blocks))))
            before = width
        self.norm = nn.LayerNorm(before)
        self.head = ScoreHead(before)

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    def encode(self, features: Tensor) -> MGFNOutput:
        # after segmenting in training and per snippet in testing, since both have happened before
        norm = features.norm(dim=-1, keepdim=True)
        x = self.embed(features) + NORM_CHANNEL * self.embed_norm(norm)  # (S, T, W1)
        for stage in self.stages:
            x = stage(x)
        x = self.norm(x)  # (S, T, W3)
        return MGFNOutput(self.head(x), x.detach().norm(dim=-1), x.abs().sum(dim=-1))

    def loss(self, output: MGFNOutput, batch: Batch) -> dict[str, LossTerm]:
        """Classification of the chosen segments, contrast of their magnitudes, and constraints on the scores.

        Raises:
            DataError: unequal numbers of normal and abnormal videos.
        """
        scores = self.scores(output)["score"]
        dropped = self.settings.dropped if self.training else 0.0
        top = mil_losses.largest_magnitudes(output.magnitudes.mean(dim=1), batch.mask, self.settings.kept, dropped)
        video_scores = losses.mean_at(scores[..., None], top).squeeze(-1)  # (B,)
        last = scores.gather(1, batch.mask.sum(dim=1, keepdim=True) - 1)
        steady = scores.where(batch.mask, last)  # padding repeats the last score, which adds no step
        normal = batch.mask & (batch.video_labels == 0)[:, None]
        return {
            "main": LossTerm(losses.main_loss(video_scores, batch.video_labels)),
            **self.contrast_terms(output.l1_norms, top, batch.video_labels),
            "smoothness": LossTerm(mil_losses.smoothness(steady), SMOOTHNESS_WEIGHT),
            "sparsity": LossTerm(scores[normal].norm(), SPARSITY_WEIGHT),
        }

    def contrast_terms(self, l1_norms: Tensor, top: losses.TopSegments, video_labels: Tensor) -> dict[str, LossTerm]:
        """Rows of L1 norms: different classes at least the margin apart, one class close together.

        ``code`` compares row r of a class with row r of the other, and row r of a class' first half with row r of its second
        half; an odd last row is left out of the latter, and a single row has no partner. As rows are crop-major, an even
        number of crops makes the halves two sets of crops of the same videos; with one crop they are different videos.
        ``paper`` compares all rows of the two classes and all pairs of rows of one class.

        Args:
            l1_norms: float32 (B, N, T).
            top: the segments that stand for each video; one with fewer than K repeats its last.
            video_labels: float32 (B,), as many normal as abnormal.
        """
        present = (top.weights > 0).sum(dim=1, keepdim=True)
        position = torch.arange(top.indices.shape[1], device=present.device).minimum(present - 1)
        indices = top.indices.gather(1, position)[:, None].expand(-1, l1_norms.shape[1], -1)
        chosen = l1_norms.gather(2, indices)  # (B, N, K)
        normal, abnormal = (
            chosen.index_select(0, videos).transpose(0, 1).flatten(0, 1) for videos in mil_losses.paired_rows(video_labels)
        )  # each (R, K)
        if self.settings.contrast == "code":
            half = len(normal) // 2
            between = _distances(abnormal, normal)
            within = [_distances(rows[half : 2 * half], rows[:half]) for rows in (normal, abnormal)]
        else:
            between = _distances(abnormal[:, None], normal)  # (R, R)
            pairs = torch.ones_like(between, dtype=torch.bool).triu(diagonal=1)
            within = [_distances(rows, rows[:, None])[pairs] for rows in (normal, abnormal)]
        within_normal, within_abnormal = (distance.square().sum() / max(len(distance), 1) for distance in within)
        return {
            "between": LossTerm((MARGIN - between).clamp(min=0).square().mean(), BETWEEN_WEIGHT),
            "within_normal": LossTerm(within_normal, WITHIN_WEIGHT),
            "within_abnormal": LossTerm(within_abnormal, WITHIN_WEIGHT),
        }

    def scores(self, output: MGFNOutput) -> dict[str, Tensor]:
        return {"score": output.logits.sigmoid().mean(dim=1)}


def _distances(rows: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances of rows of K numbers, broadcast: (..., K), (..., K) -> (...)."""
    return (rows - others + DISTANCE_OFFSET).norm(dim=-1)


SPEC = MethodSpec(
    name="mgfn",
    title="MGFN",
    paper="Chen et al., AAAI 2023",
    idea="a glance at the whole video before a closer look at each segment, and magnitudes of features contrasted between videos",
    settings=MGFNSettings,
    build=lambda settings, _: MGFN(settings),
    builds_on=("rtfm",),
    # the last stage holds nearly all parameters
    sizes=lambda feature_dim, width: {
        "feature_dim": feature_dim,
        "widths": (64, 128, HEAD_WIDTH * math.ceil(2 * width / HEAD_WIDTH)),
    },
    batches={"crops": "together"},
    published={"num_segments": 32, "batch_size": 16, "lr": 1e-3, "weight_decay": 5e-4, "steps": 50_000, "schedule": "constant"},
)
