"""RTFM: robust temporal feature magnitude learning (Tian, Pang, Chen, Singh, Verjans and Carneiro, ICCV 2021; arXiv 2101.10030).

A multi-scale temporal network turns each segment's feature into one that knows its surroundings. Training makes
the norms of these features large in abnormal videos and small in normal ones. The three segments of largest norm,
not those of largest score, stand for a video when its scores are compared with its label.
By the authors' public code where it differs from their paper.

symbol        here                       shape
X             features (argument)        (S, T, D)
F             features (output)          (S, T, D), after dropout
s             logits, before sigmoid     (S, T)
m             magnitudes                 (B, T), norms of F, mean over crops
top k         top                        (B, k), k = 3, by m
a, n          norms                      (B, N), norm of the mean of F over the top k, one for each crop

S sequences (B videos x N crops), T segments, D feature width; b pairs of a normal and an abnormal video.

How it differs from the others. Which segments count is decided by feature norms instead of scores, and 70 % of the
norms are left out by chance in training, so that the choice does not settle too early. The ten crops of a video stay
together: they share the chosen segments, while each keeps a magnitude term of its own. Test videos may have any
length; the non-local part divides by T instead of using a softmax, so T is the number of snippets there.
"""

from typing import Literal, NamedTuple

from pydantic import Field, model_validator
from torch import Tensor, nn

from vad_lib import losses
from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm
from vad_lib.methods import mil_losses
from vad_lib.methods.base import Method, MethodSpec
from vad_lib.methods.temporal_network import MultiScaleTemporalNetwork, score_layers, xavier_start

# official code
HEAD_WIDTHS = (512, 128)
MAGNITUDE_WEIGHT = 1e-4
SMOOTHNESS_WEIGHT = 8e-4
SPARSITY_WEIGHT = 8e-3


class RTFMSettings(Settings):
    """Settings of RTFM; the defaults are the official code's."""

    feature_dim: int = Field(2048, ge=4, description="D, width of the snippet features, a multiple of 4: each branch has D / 4")
    selected: int = Field(3, ge=1, description="k, segments that stand for a video")
    margin: float = Field(
        100.0, gt=0, description="norm that abnormal features should reach; absolute, so it fits one feature source"
    )
    dropout: float = Field(0.7, ge=0, lt=1, description="of the temporal features and inside the score head")
    selection_dropout: float = Field(0.7, ge=0, lt=1, description="share of the norms that count as 0 in the choice, in training")
    smoothness: Literal["across_videos", "within_videos"] = Field(
        "across_videos", description="neighbours: in all abnormal videos laid end to end (code), or in each video (paper)"
    )
    sparsity: Literal["norm", "sum"] = Field(
        "norm", description="of all abnormal scores: their L2 norm (code) or their sum (paper)"
    )

    @model_validator(mode="after")
    def _branches_divide(self) -> "RTFMSettings":
        if self.feature_dim % 4:
            raise ValueError(f"feature_dim must be a multiple of 4, got {self.feature_dim}")
        return self


class RTFMOutput(NamedTuple):
    """Output of RTFM; after ``forward`` every S is (B, N).

    Attributes:
        logits: float32 (S, T), unbounded.
        features: float32 (S, T, D), F; in training after dropout, as the norms and the head see it.
    """

    logits: Tensor
    features: Tensor


class RTFM(Method):
    """RTFM. With features of another width D the branches have D / 4 and the fusion D; the head keeps its widths.

    Args:
        settings: frozen settings.
    """

    def __init__(self, settings: RTFMSettings) -> None:
        super().__init__()
        self.settings = settings
        self.temporal = MultiScaleTemporalNetwork(settings.feature_dim)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = score_layers(settings.feature_dim, HEAD_WIDTHS, settings.dropout)
        xavier_start(self.head)

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    def encode(self, features: Tensor) -> RTFMOutput:
        temporal = self.dropout(self.temporal(features))  # (S, T, D)
        return RTFMOutput(self.head(temporal), temporal)

    def loss(self, output: RTFMOutput, batch: Batch) -> dict[str, LossTerm]:
        """Classification of the chosen segments, gap of their magnitudes, and constraints on the abnormal scores.

        Raises:
            DataError: unequal numbers of normal and abnormal videos.
        """
        settings, scores = self.settings, self.scores(output)["score"]  # (B, T)
        dropped = settings.selection_dropout if self.training else 0.0
        terms = magnitude_terms(scores, output.features, batch, settings.selected, dropped, settings.margin)
        abnormal = batch.video_labels == 1
        scores, mask = scores[abnormal], batch.mask[abnormal]  # (b, T)
        return terms | {
            "smoothness": LossTerm(self._smoothness(scores, mask), SMOOTHNESS_WEIGHT),
            "sparsity": LossTerm(self._sparsity(scores[mask]), SPARSITY_WEIGHT),
        }

    def _smoothness(self, scores: Tensor, mask: Tensor) -> Tensor:
        """Scores and mask (b, T) -> scalar."""
        if self.settings.smoothness == "across_videos":
            return mil_losses.smoothness(scores[mask])
        last = scores.gather(1, mask.sum(dim=1, keepdim=True) - 1)
        return mil_losses.smoothness(scores.where(mask, last))  # padding repeats the last score: no difference

    def _sparsity(self, scores: Tensor) -> Tensor:
        return scores.norm() if self.settings.sparsity == "norm" else scores.sum()

    def scores(self, output: RTFMOutput) -> dict[str, Tensor]:
        return {"score": output.logits.sigmoid().mean(dim=1)}


def magnitude_terms(
    scores: Tensor, features: Tensor, batch: Batch, selected: int, dropped: float, margin: float
) -> dict[str, LossTerm]:
    """The two terms of RTFM that look at the segments of largest magnitude only, ``main`` and ``magnitude``.

    Args:
        scores: float32 (B, T) in [0, 1].
        features: float32 (B, N, T, W), F; their norms are the magnitudes.
        batch: as many normal as abnormal videos.
        selected: k, segments that stand for a video.
        dropped: share of the norms that count as 0 in the choice, in [0, 1); 0 in testing.
        margin: norm that abnormal features should reach.

    Raises:
        DataError: unequal numbers of normal and abnormal videos.
    """
    normal, abnormal = mil_losses.paired_rows(batch.video_labels)
    magnitudes = features.detach().norm(dim=-1).mean(dim=1)  # (B, T)
    top = mil_losses.largest_magnitudes(magnitudes, batch.mask, selected, dropped)
    video_scores = losses.mean_at(scores[..., None], top).squeeze(-1)  # (B,)
    norms = mil_losses.selected_norms(features, top)  # (B, N)
    return {
        "main": LossTerm(losses.main_loss(video_scores, batch.video_labels)),
        "magnitude": LossTerm(mil_losses.magnitude_gap_loss(norms[abnormal], norms[normal], margin), MAGNITUDE_WEIGHT),
    }


SPEC = MethodSpec(
    name="rtfm",
    title="RTFM",
    paper="Tian et al., ICCV 2021",
    idea="the segments with the largest feature norms stand for a video, and training drives the norms of the two classes apart",
    settings=RTFMSettings,
    build=lambda settings, _: RTFM(settings),
    builds_on=("sultani-mil",),
    sizes=lambda feature_dim, _: {"feature_dim": feature_dim},
    batches={"crops": "together"},
    published={"num_segments": 32, "batch_size": 32, "lr": 1e-3, "weight_decay": 5e-3, "steps": 15_000, "schedule": "constant"},
)
