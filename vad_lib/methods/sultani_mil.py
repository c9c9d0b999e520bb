"""Deep MIL ranking (Sultani, Chen and Shah, "Real-world Anomaly Detection in Surveillance Videos", CVPR 2018; arXiv 1801.04264).

A video is a bag of segments, and a perceptron of three layers scores every segment by itself. A hinge loss asks
the best segment of each abnormal video to score 1 more than the best segment of each normal video. Two small
constraints on abnormal videos say that anomalies are rare and that scores change slowly.

symbol        here                 shape
x             features             (S, T, D)
s             scores               (R, T), sigmoid of the logits
M             best                 (R,), largest score of a video
lambda_1      smoothness           weight, 8e-5
lambda_2      sparsity             weight, 8e-5

The ranking and M stand in :mod:`vad_lib.methods.mil_losses`.

S sequences (videos x crops), R rows of a batch (each crop a row), T segments, D feature width, W hidden width.

How it differs from the others: nothing in the network looks at time, so a segment's score does not depend on its
neighbours, and any D fits (the first layer alone has D inputs). There are no memories, no magnitudes, no
normalisation layers, and no cross-entropy: only the order of videos is learned. As in the authors' code, and not
in their paper, every abnormal video is compared with every normal one, and the second layer has no activation. The
squared norms of the weight matrices are part of the loss; the paper has a norm of the weights too.

Features: the authors normalise each segment's feature to length 1. For I3D features leaving them as they are is
usual, and the default here; ``normalise_features`` is the authors' form. Watch the scores where raw features meet
their learning rate of 0.01: all can become 0 or 1.

A widely used PyTorch port differs in all of these; :data:`PORT` holds the options that give its form.
"""

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm
from vad_lib.methods.base import Method, MethodSpec
from vad_lib.methods.mil_losses import Pairing, bag_ranking, best_scores, paired_rows


class SultaniMILSettings(Settings):
    """Settings of deep MIL ranking; the defaults are the official code's, raw features apart."""

    feature_dim: int = Field(1024, ge=1, description="D, width of the segment features")
    width: int = Field(512, ge=1, description="W, outputs of the first layer")
    bottleneck: int = Field(32, ge=1, description="outputs of the second layer")
    dropout: float = Field(0.6, ge=0, lt=1, description="after the first and the second layer")
    normalise_features: bool = Field(False, description="each segment's feature to length 1, as the official code does with C3D")
    bottleneck_relu: bool = Field(False, description="a ReLU after the second layer, which the paper names and the code lacks")
    score_dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the training scores, after the sigmoid (the port: 0.6)")
    start: Literal["normal", "uniform"] = Field("normal", description="distribution of Glorot's start values")
    pairing: Pairing = Field(
        "all",
        description="all: every abnormal with every normal video, summed over the abnormal ones; index: the i-th with the i-th "
        "(the paper), all terms averaged over pairs",
    )
    sparsity: float = Field(8e-5, ge=0, description="weight of the sum of abnormal videos' scores")
    smoothness: float = Field(8e-5, ge=0, description="weight of the squared steps of abnormal videos' scores")
    weight_norm: float = Field(1e-3, ge=0, description="weight of the squared norms of the weight matrices; 0 leaves them out")


# options of the port; its optimiser is Adam with rate and weight decay of 5e-5, lowered in steps, and batches of 32 + 32
PORT: dict[str, Any] = {
    "bottleneck_relu": True,
    "score_dropout": 0.6,
    "start": "uniform",
    "pairing": "index",
    "weight_norm": 0.0,
}


class SultaniMILOutput(NamedTuple):
    """Output of deep MIL ranking; after ``forward`` S is (B, N).

    Attributes:
        logits: float32 (S, T), unbounded.
    """

    logits: Tensor


class SultaniMIL(Method):
    """Deep MIL ranking.

    Args:
        settings: frozen settings.
    """

    def __init__(self, settings: SultaniMILSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = nn.Sequential(
            nn.Linear(settings.feature_dim, settings.width),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.width, settings.bottleneck),
            nn.ReLU() if settings.bottleneck_relu else nn.Identity(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.bottleneck, 1),
        )
        self.score_dropout = nn.Dropout(settings.score_dropout)
        start = nn.init.xavier_normal_ if settings.start == "normal" else nn.init.xavier_uniform_
        for layer in self.linear_layers():
            start(layer.weight)
            nn.init.zeros_(layer.bias)

    def linear_layers(self) -> list[nn.Linear]:
        """The three layers with weights, first to last."""
        return [layer for layer in self.network if isinstance(layer, nn.Linear)]

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    def encode(self, features: Tensor) -> SultaniMILOutput:
        if self.settings.normalise_features:
            features = F.normalize(features, dim=-1)
        return SultaniMILOutput(self.perceptron(features).squeeze(-1))

    def perceptron(self, features: Tensor) -> Tensor:
        """Logits of segments: (S, T, D) -> (S, T, 1)."""
        return self.network(features)

    def loss(self, output: SultaniMILOutput, batch: Batch) -> dict[str, LossTerm]:
        """The ranking of the bags, the two constraints and the weight norm.

        Every crop is a bag of its own. Sums over bags and segments grow with the batch, as in the official code.

        Raises:
            DataError: unequal numbers of normal and abnormal videos.
        """
        settings, crops = self.settings, output.logits.shape[1]
        mask = batch.mask.repeat_interleave(crops, 0)
        normal, abnormal = paired_rows(batch.video_labels.repeat_interleave(crops))
        scores = self.score_dropout(output.logits.flatten(0, 1).sigmoid())  # (R, T)
        best = best_scores(scores, mask)
        of_abnormal, real = scores[abnormal], mask[abnormal]
        pairs = len(abnormal) if settings.pairing == "index" else 1
        terms = {
            "main": LossTerm(bag_ranking(best[abnormal], best[normal], settings.pairing)),
            "sparsity": LossTerm((of_abnormal * real).sum() / pairs, settings.sparsity),
            # real segments come first: where the later of two neighbours is real, both are
            "smoothness": LossTerm((of_abnormal.diff(dim=1).square() * real[:, 1:]).sum() / pairs, settings.smoothness),
        }
        if settings.weight_norm:
            norm = torch.stack([layer.weight.square().sum() for layer in self.linear_layers()]).sum()
            terms["weight_norm"] = LossTerm(norm, settings.weight_norm)
        return terms

    def scores(self, output: SultaniMILOutput) -> dict[str, Tensor]:
        return {"score": output.logits.sigmoid().mean(dim=1)}


SPEC = MethodSpec(
    name="sultani-mil",
    title="Sultani MIL",
    paper="Sultani, Chen and Shah, CVPR 2018",
    idea="the best segment of an abnormal video must score higher than the best segment of a normal one",
    settings=SultaniMILSettings,
    build=lambda settings, _: SultaniMIL(settings),
    # dropout leaves four outputs in ten: narrower layers teach hardly more than its noise
    sizes=lambda feature_dim, width: {"feature_dim": feature_dim, "width": max(width, 128)},
    published={
        "num_segments": 32,
        "batch_size": 30,
        "lr": 0.01,
        "weight_decay": 0.0,  # it is a term of the loss
        "steps": 20_000,
        "optimiser": "adagrad",
        "schedule": "constant",
    },
)
