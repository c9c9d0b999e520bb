"""A ceiling for the features: a linear classifier of single snippets that learns from the true frame labels of test videos.

It is no competitor of the compared methods, which never see a frame label. The test videos are dealt into folds, and the
snippets of each fold are scored by a classifier that learned from the other folds. How far a method stays below it is the
price of weak labels; what a method has above it comes from more than one snippet.

Legend: V test videos, K folds, T snippets, D features.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from vad_lib.config import FRAMES_PER_SNIPPET, RunSettings, Settings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.batches import video_batch
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.losses import score_cross_entropy
from vad_lib.methods.base import Learner, MethodSpec
from vad_lib.methods.logistic_regression import probabilities

_FOLDS = "folds"  # among the weights: the fold of every test video


class SupervisedSettings(Settings):
    """Settings of the ceiling."""

    inverse_penalty: float = Field(0.01, gt=0, description="C of scikit-learn's LogisticRegression; found by trying 1e-4 to 1e-2")
    num_folds: int = Field(5, ge=2, description="of the test videos; fewer where fewer of them are abnormal")


class SupervisedLearner(Learner):
    """Fits the classifiers of all folds in its one step.

    A snippet's feature is the mean over its crops, so there is no score of a single crop.

    Args:
        run: settings of the run; its seed deals the test videos into folds.
        dataset: with features.
        fit: training videos; they are not looked at.
    """

    num_steps = eval_every = 1

    def __init__(self, run: RunSettings, dataset: Dataset, fit: Sequence[VideoRecord]) -> None:
        self.settings, self.seed = SupervisedSettings(**run.options), run.train.seed
        self.dataset = dataset
        self._weights: dict[str, Tensor] = {}

    def step(self, index: int) -> dict[str, float]:
        """Fit; the loss is the cross-entropy of the snippets out of fold, nats.

        Raises:
            DataError: too few abnormal or normal test videos; NaN or infinity in the features.
        """
        records = self.dataset.videos.split("test")
        folds = video_folds(self.dataset, self.settings.num_folds, self.seed)
        self.videos = tuple(record.name for record in records)
        snippets = [snippet_features(self.dataset, record) for record in records]
        shares = [abnormal_shares(record, len(rows)) for record, rows in zip(records, snippets)]
        fitted = []
        for fold in range(folds.max() + 1):
            others = np.flatnonzero(folds != fold)
            rows, targets = (np.concatenate([of_video[place] for place in others]) for of_video in (snippets, shares))
            fitted.append(_fitted(rows, targets, self.settings.inverse_penalty))
        self._weights = {name: torch.stack([weights[name] for weights in fitted]) for name in fitted[0]}
        self._weights[_FOLDS] = torch.from_numpy(folds)
        scores = np.concatenate([value["score"] for value in self.snippet_scores(records).values()])
        targets = np.concatenate(shares).astype(np.float32)
        return {"loss": score_cross_entropy(torch.from_numpy(scores), torch.from_numpy(targets)).item()}

    def snippet_scores(self, records: Sequence[VideoRecord], crop: int | None = None) -> dict[str, dict[str, np.ndarray]]:
        """Score every snippet: of a test video out of fold, of any other video by the mean over the folds' classifiers."""
        folds = dict(zip((record.name for record in self.dataset.videos.split("test")), self._weights[_FOLDS].tolist()))
        classifiers = [
            {name: weights[fold] for name, weights in self._weights.items() if name != _FOLDS}
            for fold in range(len(self._weights["bias"]))
        ]
        scores = {}
        for record in records:
            snippets = snippet_features(self.dataset, record)
            chosen = [classifiers[folds[record.name]]] if record.name in folds else classifiers
            mean = np.mean([probabilities(weights, snippets) for weights in chosen], axis=0)  # (T,)
            scores[record.name] = {"score": mean.astype(np.float32)}
        return scores

    def weights(self) -> dict[str, Tensor]:
        return self._weights

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights that :meth:`weights` gave.

        Raises:
            DataError: they were fitted on another number of test videos, so the fold of each is not known.
        """
        expected, found = len(weights[_FOLDS]), len(self.dataset.videos.split("test"))
        if expected != found:
            raise DataError(
                f"data set {self.dataset.name}: these weights have folds of {expected:,} test videos, the data set has {found:,}; "
                "load them with the data set that they were fitted on."
            )
        self._weights = dict(weights)

    @property
    def parameter_count(self) -> int:
        """Of one fold's classifier: a test video is scored by one."""
        return self.dataset.store.dimension + 1


def too_few_videos(dataset: Dataset) -> str:
    """Why the ceiling of a data set cannot be had, in words that follow "not run,"; empty if it can.

    Args:
        dataset: its features are not needed. A video counts as abnormal if one of its frames does.
    """
    abnormal = [_has_event(record) for record in dataset.videos.split("test")]
    counts = sum(abnormal), len(abnormal) - sum(abnormal)
    return "" if min(counts) >= 2 else "it needs 2 abnormal and 2 normal test videos, got {} and {}".format(*counts)


def video_folds(dataset: Dataset, num_folds: int, seed: int) -> np.ndarray:
    """Deal the test videos into folds, stratified by their first category.

    Abnormal and normal videos are dealt separately: shuffled, sorted by category, and handed out to one fold after the other.
    Every fold then has an abnormal video, and no fold more than one video of a category above another.

    Args:
        dataset: its features are not needed.
        num_folds: K; there are fewer, at least 2, where fewer videos have an abnormal frame.
        seed: same seed, same folds.

    Returns:
        int64 (V,), the fold of each test video in the order of the list, from 0.

    Raises:
        DataError: fewer than two abnormal or two normal test videos.
    """
    if reason := too_few_videos(dataset):
        raise DataError(f"data set {dataset.name}: no supervised ceiling, {reason}; add videos, or leave this row out.")
    records = dataset.videos.split("test")
    abnormal = np.array([_has_event(record) for record in records])
    num_folds = min(num_folds, int(abnormal.sum()))
    rng = np.random.default_rng(seed)
    folds = np.empty(len(records), dtype=np.int64)
    for places in (np.flatnonzero(abnormal), np.flatnonzero(~abnormal)):
        ordered = sorted(rng.permutation(places), key=lambda place: records[place].categories[0])
        folds[ordered] = rng.permutation(num_folds)[np.arange(len(ordered)) % num_folds]
    return folds


def abnormal_shares(record: VideoRecord, num_snippets: int) -> np.ndarray:
    """Share of abnormal frames in each snippet of a test video.

    Args:
        record: of the video.
        num_snippets: T; the last snippet has all frames that are left.

    Returns:
        float64 (T,), in [0, 1].

    Example: an event from frame 8 to the end of a video of 20 frames, which has a snippet of 16 and one of 4.
        >>> abnormal_shares(VideoRecord("v", "test", ("Arson",), 20, ((8, 20),)), 2).tolist()
        [0.5, 1.0]
    """
    starts = FRAMES_PER_SNIPPET * np.arange(num_snippets)
    frames = np.diff(np.append(starts, record.num_frames))
    return np.add.reduceat(record.frame_labels().astype(np.float64), starts) / frames


def snippet_features(dataset: Dataset, record: VideoRecord) -> np.ndarray:
    """Features of a video's snippets, float32 (T, D), the mean over their crops; a DataError if they hold NaN or infinity."""
    return video_batch(dataset, record)[0].mean(dim=0).numpy()


def _has_event(record: VideoRecord) -> bool:
    """Whether a frame of a test video is abnormal; an interval may lie behind the last frame that has features."""
    return bool(record.frame_labels().any())


def _fitted(snippets: np.ndarray, shares: np.ndarray, inverse_penalty: float) -> dict[str, Tensor]:
    """Standardisation and classifier as :func:`vad_lib.methods.logistic_regression.probabilities` takes them.

    Args:
        snippets: float32 (n, D).
        shares: float64 (n,), in [0, 1], soft labels.
        inverse_penalty: C of scikit-learn.
    """
    scaler, classifier = StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=1000)
    rows = scaler.fit_transform(snippets)
    # A soft label is two copies of its row, one of either class; most snippets lie inside or outside of an event and have one.
    abnormal, normal = np.flatnonzero(shares > 0), np.flatnonzero(shares < 1)
    copies, targets = np.append(abnormal, normal), np.repeat([1, 0], [len(abnormal), len(normal)])
    classifier.fit(rows[copies], targets, sample_weight=np.append(shares[abnormal], 1 - shares[normal]))
    fitted = {"mean": scaler.mean_, "scale": scaler.scale_, "weight": classifier.coef_, "bias": classifier.intercept_}
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in fitted.items()}


SPEC = MethodSpec(
    name="supervised",
    title="Supervised, for comparison",
    paper="",
    idea="no bags and no time: single snippets with their true frame labels, which weakly supervised methods never see",
    settings=SupervisedSettings,
    learner=SupervisedLearner,
)
