"""BN-SVP (Sapkota and Yu, "Bayesian Nonparametric Submodular Video Partition for Robust Anomaly Detection", CVPR 2022).

arXiv 2203.12840. Each abnormal video is cut into scenes without supervision, and a varied subset of its segments,
about one for each scene, stands for it in the ranking of bags. An outlier, or one of several kinds of anomaly,
then cannot be all that the video teaches. The segments are scored by two graph layers, a recurrent network and a
sigmoid.

symbol        here                 shape
X             features             (S, T, D)
A             similarity           (S, T, T) by feature, (T, T) by time
ell           length_scales        (D,)
z             states               (S, T, H)
s             scores               (R, T), sigmoid of the logits
c             scenes               (b, T), which scene a segment is in
S_v           bags                 (b,), score of an abnormal video

S sequences (videos x crops), R rows of a batch (each crop a row), b abnormal rows, T segments, D feature width,
G width of a graph layer, H width of the recurrent network.

How it differs from the others: the segments that train the network are chosen to be different, not to be the k
largest. The choice (:mod:`vad_lib.methods.segment_choice`) needs scores and scenes only and would fit any method here.
How scenes are found stands in :mod:`vad_lib.methods.sticky_hmm`.

Departures from the authors' code, which is one script for one data set: its batch normalisation takes the segments
for channels, and so demands T = H = 32; here the H features are normalised, and any T will do. Its sampler does not
follow the model that is stated; here that model is sampled. Length-scales that start near 1, as kernel libraries have
them, leave no edge in the graph of I3D features (neighbours would be less alike than e^-5); here they start at a share
of sqrt(D), whatever D. Batch normalisation wants equally long videos in training (``segmenting="means"``).
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm
from vad_lib.methods.base import Method, MethodSpec
from vad_lib.methods.mil_losses import bag_ranking, best_scores, paired_rows
from vad_lib.methods.segment_choice import bag_scores, graded_similarity
from vad_lib.methods.sticky_hmm import ScenePrior, sticky_hdp_hmm, time_intervals
from vad_lib.methods.temporal_network import SegmentNorm


class BNSVPSettings(Settings):
    """Settings of BN-SVP; the defaults are the official code's where it has the setting."""

    feature_dim: int = Field(1024, ge=1, description="D, width of the segment features")
    graph_width: int = Field(128, ge=1, description="G, outputs of a graph layer")
    state_width: int = Field(32, ge=1, description="H, of the recurrent network")
    layers: int = Field(5, ge=1, description="of the recurrent network")
    dropout: float = Field(0.6, ge=0, lt=1, description="after the graph layers")
    length_scale: float = Field(0.15, gt=0, description="start value of the length-scales, in units of sqrt(D)")
    partition: Literal["sticky-hdp-hmm", "segments"] = Field(
        "sticky-hdp-hmm",
        description="scenes drawn from their posterior; or the stand-in without chance, intervals of time by clustering, which is "
        "the faster of the two for long sequences",
    )
    scenes: int = Field(10, ge=1, description="L, most scenes of a batch")
    sweeps: int = Field(10, ge=1, description="of the sampler, in each step")
    stickiness: float = Field(1.0, ge=0, description="kappa of the sampler, for each real segment of the batch")
    intervals: int = Field(4, ge=1, description="scenes of a video with partition='segments'")
    choice: Literal["state-max", "facility-location"] = Field(
        "state-max", description="best segment of each scene (code); or a greedy choice by graded similarity (paper)"
    )
    across: float = Field(0.5, ge=0, le=1, description="share of their similarity that segments of different scenes keep")
    percentile: float = Field(35.0, ge=0, le=100, description="of a video's scores; segments below it are not chosen")


class BNSVPOutput(NamedTuple):
    """Output of BN-SVP; after ``forward`` S is (B, N).

    Attributes:
        logits: float32 (S, T), unbounded.
        states: float32 (S, T, H), what scenes are found in.
    """

    logits: Tensor
    states: Tensor


class GraphLayers(nn.Module):
    """Two graph layers side by side, one along similar features and one along time; their outputs are added.

    Args:
        feature_dim: D.
        width: G.
        length_scale: start value of the length-scales, in units of sqrt(D).
    """

    def __init__(self, feature_dim: int, width: int, length_scale: float) -> None:
        super().__init__()
        self.maps = nn.Linear(feature_dim, 2 * width)  # of the graph of features, then of the graph of time
        # logarithm of ell over its start value: weight decay pulls there
        self.log_length_scales = nn.Parameter(torch.zeros(feature_dim))
        self.start = length_scale * math.sqrt(feature_dim)

    def length_scales(self) -> Tensor:
        """ell, positive, (D,)."""
        return self.start * self.log_length_scales.exp()

    def similarity(self, features: Tensor) -> Tensor:
        """A_ij = exp(-1/2 sum_d (x_id - x_jd)^2 / ell_d^2): (S, T, D) -> (S, T, T), in (0, 1].

        By |a|^2 + |b|^2 - 2 a.b, since (S, T, T, D) differences would not fit in memory; centred first, which
        changes no difference and keeps the three terms small.
        """
        scaled = (features - features.mean(dim=1, keepdim=True)) / self.length_scales()
        products = (scaled @ scaled.mT).float()  # (S, T, T)
        squares = products.diagonal(dim1=1, dim2=2)  # from the same products: a segment's distance to itself is 0
        distances = squares[:, :, None] + squares[:, None] - 2 * products
        return torch.exp(distances.clamp(min=0) / -2)

    def forward(self, features: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, G)."""
        along_feature, along_time = self.maps(features).chunk(2, dim=-1)  # each (S, T, G)
        step = torch.arange(features.shape[1], device=features.device, dtype=torch.float32)
        near = torch.exp(-(step[:, None] - step).abs())  # (T, T)
        return propagate(self.similarity(features), along_feature) + propagate(near, along_time)


def propagate(similarity: Tensor, values: Tensor) -> Tensor:
    """Delta^{-1/2} (A + I) Delta^{-1/2} values, Delta the row sums of A + I.

    Args:
        similarity: A, float32 (S, T, T) or (T, T), symmetric.
        values: float32 (S, T, G).

    Returns:
        float32 (S, T, G).

    Example: two segments that are alike are averaged, each counting itself once more.
        >>> propagate(torch.ones(2, 2), torch.tensor([[[0.0], [3.0]]])).flatten().round(decimals=4)
        tensor([1., 2.])
    """
    root = (similarity.sum(dim=-1, keepdim=True) + 1).rsqrt()  # (S, T, 1) or (T, 1)
    weighted = root * values
    return root * (similarity @ weighted + weighted)


class BNSVP(Method):
    """BN-SVP.

    Args:
        settings: frozen settings.
    """

    def __init__(self, settings: BNSVPSettings) -> None:
        super().__init__()
        self.settings = settings
        self.graph = GraphLayers(settings.feature_dim, settings.graph_width, settings.length_scale)
        self.dropout = nn.Dropout(settings.dropout)
        self.recurrent = nn.LSTM(settings.graph_width, settings.state_width, settings.layers, batch_first=True)
        self.norm = SegmentNorm(settings.state_width)
        self.head = nn.Linear(settings.state_width, 1)

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    def encode(self, features: Tensor) -> BNSVPOutput:
        hidden, _ = self.recurrent(self.dropout(self.graph(features).relu()))  # (S, T, H)
        states = self.norm(hidden)
        return BNSVPOutput(self.head(states).squeeze(-1), states)

    def loss(self, output: BNSVPOutput, batch: Batch) -> dict[str, LossTerm]:
        """The ranking of the bags alone; gradients pass through the chosen scores.

        Every crop is a bag of its own.

        Raises:
            DataError: unequal numbers of normal and abnormal videos.
        """
        settings, crops = self.settings, output.logits.shape[1]
        mask = batch.mask.repeat_interleave(crops, 0)
        normal, abnormal = paired_rows(batch.video_labels.repeat_interleave(crops))
        scores = output.logits.flatten(0, 1).sigmoid()
        real, of_abnormal = mask[abnormal], scores[abnormal]
        states = output.states.detach().flatten(0, 1)[abnormal]
        if not bool(states.isfinite().all()):  # no scenes can be found; training stops with an error that names the step
            return {"main": LossTerm(output.states.sum())}
        scenes = self.find_scenes(states, real)
        similarity = graded_similarity(states, scenes, settings.across) if settings.choice == "facility-location" else None
        bags = bag_scores(of_abnormal, scenes, real, settings.percentile / 100, similarity)
        return {"main": LossTerm(bag_ranking(bags, best_scores(scores[normal], mask[normal])))}

    @torch.no_grad()
    def find_scenes(self, states: Tensor, mask: Tensor) -> Tensor:
        """Which scene each segment is in, found in all videos jointly.

        Chance comes from torch's global generator in training, which checkpoints hold; evaluation always draws alike.

        Args:
            states: float32 (b, T, H).
            mask: bool (b, T), real segments first.

        Returns:
            int64 (b, T), from 0 on.
        """
        settings = self.settings
        points, real = states.cpu().numpy(), mask.cpu().numpy()
        if settings.partition == "segments":
            found = time_intervals(points, real, settings.intervals)
        else:
            seed = int(torch.randint(2**62, ())) if self.training else 0
            prior = ScenePrior(settings.scenes, kappa=settings.stickiness * int(real.sum()))
            found = sticky_hdp_hmm(points, real, prior, settings.sweeps, np.random.default_rng(seed))
        return torch.from_numpy(found).to(states.device)

    def scores(self, output: BNSVPOutput) -> dict[str, Tensor]:
        return {"score": output.logits.sigmoid().mean(dim=1)}

    def monitored(self) -> dict[str, float]:
        """Mean length-scale, as a multiple of its start value."""
        return {"length_scale": (self.graph.length_scales().mean() / self.graph.start).item()}


SPEC = MethodSpec(
    name="bn-svp",
    title="BN-SVP",
    paper="Sapkota and Yu, CVPR 2022",
    idea="an abnormal video is represented by one good segment of each of its scenes, found without labels",
    settings=BNSVPSettings,
    build=lambda settings, _: BNSVP(settings),
    builds_on=("sultani-mil",),
    # 128 and 32 at the published width; scenes cannot be told apart in a handful of features, and five stacked
    # recurrent layers do not start to learn within the few steps of the small profiles
    sizes=lambda feature_dim, width: {
        "feature_dim": feature_dim,
        "graph_width": max(width // 4, 32),
        "state_width": max(width // 16, 16),
        "layers": 5 if width >= 512 else 1,
    },
    published={
        "num_segments": 32,
        "batch_size": 8,
        "lr": 0.01,
        "weight_decay": 1e-4,
        "steps": 50_000,
        "optimiser": "sgd",
        "schedule": "constant",
    },
)
