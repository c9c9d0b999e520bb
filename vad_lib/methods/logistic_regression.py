"""The yardstick that every method must beat: a linear classifier that ignores time.

Each snippet of a training video is said to be abnormal if its video is, which is wrong for most snippets of
an abnormal video. What a method gains over this comes from its treatment of weak labels and time.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from vad_lib.config import RunSettings, Settings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.batches import video_batch
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.methods.base import Learner, MethodSpec

_FOLDS = 5  # of the training videos


class LogisticRegressionSettings(Settings):
    """Settings of the yardstick."""

    max_snippets: int = Field(50_000, ge=1, description="training snippets kept, all crops counted; bounds memory")
    inverse_penalties: tuple[float, ...] = Field(
        (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        min_length=1,
        description="values of C of scikit-learn's LogisticRegression that are tried on folds of the training videos; of one value "
        "nothing is tried, and so where a class has a single video: then the middle one is taken",
    )


class LogisticRegressionLearner(Learner):
    """Fits all training snippets in its one step.

    Args:
        run: settings of the run; its seed decides which snippets are drawn if there are more than ``max_snippets``.
        dataset: with features.
        fit: videos to learn from; their intervals are not looked at.
    """

    num_steps = eval_every = 1

    def __init__(self, run: RunSettings, dataset: Dataset, fit: Sequence[VideoRecord]) -> None:
        self.settings, self.seed = LogisticRegressionSettings(**run.options), run.train.seed
        self.dataset, self.fit = dataset, fit
        self.num_crops = dataset.store.num_crops
        self._weights: dict[str, Tensor] = {}

    def step(self, index: int) -> dict[str, float]:
        """Choose the penalty, and fit.

        With weak labels and as many numbers to move as features, the penalty decides much: scikit-learn's default learns the
        training videos by heart. It is chosen by the cross-entropy of snippets of other training videos, so no label of a frame
        is looked at.

        Returns:
            ``loss``, the cross-entropy of the training snippets in nats, and ``inverse_penalty``, the chosen C.

        Raises:
            DataError: no normal or no abnormal video to learn from; NaN or infinity in the features.
        """
        self.videos = tuple(record.name for record in self.fit)
        snippets, targets, owners = training_snippets(self.dataset, self.fit, self.settings.max_snippets, self.seed)
        chosen = _chosen_penalty(self.settings.inverse_penalties, snippets, targets, owners)
        scaler, classifier = _classifier(chosen).fit(snippets, targets).named_steps.values()
        fitted = {"mean": scaler.mean_, "scale": scaler.scale_, "weight": classifier.coef_, "bias": classifier.intercept_}
        self._weights = {name: torch.from_numpy(value.astype(np.float32)) for name, value in fitted.items()}
        return {"loss": float(log_loss(targets, probabilities(self._weights, snippets))), "inverse_penalty": chosen}

    def snippet_scores(self, records: Sequence[VideoRecord], crop: int | None = None) -> dict[str, dict[str, np.ndarray]]:
        crops = slice(0, self.num_crops) if crop is None else slice(crop, crop + 1)
        scores = {}
        for record in records:
            of_crops = probabilities(self._weights, _rows(self.dataset, record, crops))  # (N T,)
            mean = of_crops.reshape(crops.stop - crops.start, -1).mean(axis=0)  # (T,)
            scores[record.name] = {"score": mean.astype(np.float32)}
        return scores

    def weights(self) -> dict[str, Tensor]:
        return self._weights

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = dict(weights)

    @property
    def parameter_count(self) -> int:
        return self.dataset.store.dimension + 1


def training_snippets(
    dataset: Dataset, records: Sequence[VideoRecord], max_snippets: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Snippets of all crops of some videos, each with the label of its video.

    Args:
        dataset: with features.
        records: the videos; their intervals are not looked at.
        max_snippets: about so many are drawn if there are more.
        seed: of the draw.

    Returns:
        float32 (n, D); bool (n,), True for snippets of abnormal videos; int64 (n,), the place of each snippet's video.

    Raises:
        DataError: no normal or no abnormal video; NaN or infinity in the features.
    """
    labels = {record.name: dataset.videos.is_abnormal(record) for record in records}
    if len(set(labels.values())) < 2:
        raise DataError(f"data set {dataset.name}: logistic regression needs normal and abnormal videos, got one kind; add some.")
    total = sum(dataset.store.num_snippets(name) for name in labels) * dataset.store.num_crops
    share = min(1, max_snippets / total)
    rng = np.random.default_rng(seed)
    rows, targets, owners = [], [], []
    for place, record in enumerate(records):
        snippets = _rows(dataset, record)
        kept = snippets if share == 1 else snippets[rng.random(len(snippets)) < share]
        rows.append(kept)
        targets.append(np.full(len(kept), labels[record.name]))
        owners.append(np.full(len(kept), place))
    return np.concatenate(rows), np.concatenate(targets), np.concatenate(owners)


def _classifier(inverse_penalty: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=1000))


def _chosen_penalty(penalties: Sequence[float], snippets: np.ndarray, targets: np.ndarray, owners: np.ndarray) -> float:
    """The C with the lowest cross-entropy over folds of whole videos."""
    fewest = min(len(np.unique(owners[targets == label])) for label in (False, True))
    if len(penalties) == 1 or fewest < 2:
        return penalties[len(penalties) // 2]
    folds = StratifiedGroupKFold(min(_FOLDS, fewest))
    grid = {"logisticregression__C": penalties}
    search = GridSearchCV(_classifier(1.0), grid, scoring="neg_log_loss", cv=folds, refit=False, error_score="raise")
    return float(search.fit(snippets, targets, groups=owners).best_params_["logisticregression__C"])


def probabilities(weights: Mapping[str, Tensor], snippets: np.ndarray) -> np.ndarray:
    """Probability that snippets are abnormal: float32 (n, D) -> float32 (n,), in [0, 1].

    Args:
        weights: ``mean`` and ``scale`` (D,) of the standardisation, ``weight`` (1, D), ``bias`` (1,).
        snippets: features as stored.
    """
    mean, scale, weight, bias = (weights[name].numpy() for name in ("mean", "scale", "weight", "bias"))
    return expit((snippets - mean) / scale @ weight.T + bias)[:, 0]


def _rows(dataset: Dataset, record: VideoRecord, crops: slice = slice(None)) -> np.ndarray:
    """All snippets of a video, float32 (N T, D), crop by crop."""
    return video_batch(dataset, record, crops=crops).flatten(0, 2).numpy()


SPEC = MethodSpec(
    name="logistic-regression",
    title="Logistic regression on snippets",
    paper="",
    idea="no bags and no time: every snippet is said to be what its video is",
    settings=LogisticRegressionSettings,
    learner=LogisticRegressionLearner,
)
