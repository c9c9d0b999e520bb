"""How the features of snippets vary: between videos, and between the normal and the abnormal snippets of one video."""

from typing import NamedTuple

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.dataset import Dataset


class LabelledSnippets(NamedTuple):
    """Snippets of the test videos.

    Attributes:
        vectors: float32 (S, D), features of the first crop.
        abnormal: bool (S,), half of a snippet's frames or more are abnormal.
        video: int64 (S,), number of its video.
    """

    vectors: np.ndarray
    abnormal: np.ndarray
    video: np.ndarray


class VarianceShares(NamedTuple):
    """Parts of the variance of all snippets, fractions.

    Attributes:
        between_videos: between the means of the videos; the rest lies within videos.
        between_labels: within videos, between the means of normal and of abnormal snippets.
        by_chance: what labels at random would give for ``between_labels``, on average.
    """

    between_videos: float
    between_labels: float
    by_chance: float


def labelled_snippets(dataset: Dataset) -> LabelledSnippets:
    """All snippets of the test videos with the labels of their frames.

    Args:
        dataset: with features.
    """
    records = dataset.videos.split("test")
    vectors = [dataset.store.snippets(record.name)[0].astype(np.float32) for record in records]
    abnormal = []
    for record, theirs in zip(records, vectors):
        starts = np.arange(0, FRAMES_PER_SNIPPET * len(theirs), FRAMES_PER_SNIPPET)
        frames = np.diff([*starts, record.num_frames])
        abnormal.append(np.add.reduceat(record.frame_labels().astype(float), starts) >= frames / 2)
    video = np.repeat(np.arange(len(records)), [len(theirs) for theirs in vectors])
    return LabelledSnippets(np.concatenate(vectors), np.concatenate(abnormal), video)


def variance_shares(snippets: LabelledSnippets) -> VarianceShares:
    """Where the variance of the snippets lies (sums of squared distances from means, analysis of variance).

    Args:
        snippets: with a variance above 0.
    """
    within = by_label = by_chance = 0.0
    for number in np.unique(snippets.video):
        chosen = snippets.video == number
        values, labels = snippets.vectors[chosen], snippets.abnormal[chosen]
        within += _squares(values)
        if 0 < labels.sum() < len(labels):
            by_label += _squares(values) - _squares(values[labels]) - _squares(values[~labels])
            by_chance += _squares(values) / (len(values) - 1)  # one of n - 1 directions that n snippets can differ in
    total = _squares(snippets.vectors)
    return VarianceShares(1 - within / total, by_label / total, by_chance / total)


def _squares(values: np.ndarray) -> float:
    """Sum of squared distances from the mean."""
    return float(((values - values.mean(axis=0)) ** 2).sum())
