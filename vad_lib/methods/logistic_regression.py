"""The yardstick that every method must beat: a linear classifier that ignores time.

Each snippet of a training video is said to be abnormal if its video is, which is wrong for most snippets of
an abnormal video. What a method gains over this comes from its treatment of weak labels and time.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.batches import video_batch
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError


def snippet_logistic_regression(
    dataset: Dataset,
    fit_records: Sequence[VideoRecord],
    records: Sequence[VideoRecord],
    seed: int,
    *,
    max_snippets: int = 50_000,
) -> dict[str, np.ndarray]:
    """Fit logistic regression on snippets that inherit their video's label; score snippets of other videos.

    Args:
        dataset: loaded with its features.
        fit_records: videos to learn from; their intervals are not looked at.
        records: videos to score.
        seed: of the draw, if there are more training snippets than ``max_snippets``.
        max_snippets: training snippets, all crops counted, kept at most; bounds memory on large data sets.

    Returns:
        per video of ``records`` float32 (T,), in [0, 1], the mean of the crops' probabilities.

    Raises:
        DataError: no normal or no abnormal video to learn from; NaN or infinity in the features.
    """
    labels = {record.name: dataset.videos.is_abnormal(record) for record in fit_records}
    if len(set(labels.values())) < 2:
        raise DataError(f"data set {dataset.name}: logistic regression needs normal and abnormal videos, got one kind; add some.")
    total = sum(dataset.store.num_snippets(name) for name in labels) * dataset.store.num_crops
    share = min(1, max_snippets / total)
    rng = np.random.default_rng(seed)
    rows, targets = [], []
    for record in fit_records:
        snippets = _rows(dataset, record)
        kept = snippets if share == 1 else snippets[rng.random(len(snippets)) < share]
        rows.append(kept)
        targets.append(np.full(len(kept), labels[record.name]))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(np.concatenate(rows), np.concatenate(targets))
    scores = {}
    for record in records:
        probability = classifier.predict_proba(_rows(dataset, record))[:, 1]
        scores[record.name] = probability.reshape(dataset.store.num_crops, -1).mean(axis=0).astype(np.float32)
    return scores


def _rows(dataset: Dataset, record: VideoRecord) -> np.ndarray:
    """All snippets of all crops, float32 (N T, D), crop by crop."""
    return video_batch(dataset, record).flatten(0, 2).numpy()
