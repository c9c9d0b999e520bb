"""Bags to batches: as many normal as abnormal videos in every step.

Each crop of a training video is a sample of its own, or all its crops are one sample. A batch is a pure
function of seed and step, so training that is stopped and resumed sees exactly the batches it would have seen.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError


class Batch(NamedTuple):
    """What a training step sees.

    Attributes:
        features: float32 (B, N, T, D).
        mask: bool (B, T), True where a segment is real; real segments come first.
        video_labels: float32 (B,), 1 abnormal, 0 normal.
        category_targets: float32 (B, C), rows sum to 1; column 0 is the normal category.
        videos: names, for error messages.
    """

    features: Tensor
    mask: Tensor
    video_labels: Tensor
    category_targets: Tensor
    videos: tuple[str, ...]


class BalancedBatches:
    """Training batches: as many normal as abnormal samples, a sample being one crop of one video or all of them.

    Either class is gone through in an order shuffled anew for each epoch of that class, so every sample is
    used equally often; the smaller class wraps earlier.

    Args:
        dataset: loaded with its features.
        records: videos to train on.
        num_segments: N, segments per video.
        batch_size: samples of one class.
        seed: same seed and step, same batch.
        device: where the batch is put.
        segmenting: how videos become segments: ``means``, ``means_or_pad`` or ``picks_or_pad``, as the training settings say.
        crops: ``apart``, each crop of a video a sample; or ``together``.
        categories: ``all`` of a video in equal parts, or the ``first`` one of its list alone.

    Raises:
        DataError: no normal or no abnormal video.
    """

    def __init__(
        self,
        dataset: Dataset,
        records: Sequence[VideoRecord],
        num_segments: int,
        batch_size: int,
        seed: int,
        device: str = "cpu",
        *,
        segmenting: str = "means",
        crops: str = "apart",
        categories: str = "all",
    ) -> None:
        self._names = tuple(record.name for record in records)
        taken = slice(1) if categories == "first" else slice(None)
        self._targets = np.stack([dataset.videos.category_target(record.categories[taken]) for record in records])
        segments = dataset.store.segments(num_segments, segmenting)
        # One row per sample: gathering along one axis is faster than along two.
        rows = segments if crops == "together" else segments.reshape(-1, 1, *segments.shape[2:])
        self._lengths = np.full(len(records), num_segments)
        if segmenting != "means":
            self._lengths = np.array([min(dataset.store.num_snippets(name), num_segments) for name in self._names])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # and nothing writes to it
            self._segments = torch.from_numpy(rows)
        # Kept from batch to batch: getting as much new memory from the system takes several times as long as filling it.
        # A GPU gets the stored type and widens it there.
        dtype = torch.float32 if torch.device(device).type == "cpu" else self._segments.dtype
        self._gathered = torch.empty((2 * batch_size, *rows.shape[1:]), dtype=dtype)
        place = {video: i for i, video in enumerate(dataset.store.videos)}
        self._place = np.array([place[name] for name in self._names])
        self._batch_size, self._seed, self._device = batch_size, seed, device
        abnormal = np.array([dataset.videos.is_abnormal(record) for record in records])
        self._num_rows = len(rows) // len(segments)  # per video
        self._samples = []
        for kind, chosen in (("normal", ~abnormal), ("abnormal", abnormal)):
            if not chosen.any():
                raise DataError(f"data set {dataset.name}: training needs {kind} videos, got none of {len(records)}; add some.")
            rows, columns = np.meshgrid(np.flatnonzero(chosen), np.arange(self._num_rows), indexing="ij")
            self._samples.append(np.stack([rows.ravel(), columns.ravel()], axis=1))

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0: ``batch_size`` normal rows, then ``batch_size`` abnormal rows.

        Returns:
            features float32 (2 batch_size, 1 or all crops, N, D); on a CPU they are overwritten by the next call. Every
            segment is real, unless short videos are padded.

        Raises:
            DataError: NaN or infinity in the features; names the videos.
        """
        video, part = np.concatenate([self._draw(kind, step) for kind in range(2)]).T
        for row, place in enumerate(self._place[video] * self._num_rows + part):
            self._gathered[row] = self._segments[place]
        names = tuple(self._names[i] for i in video)
        features = _finite(self._gathered.to(self._device).float(), names)
        return Batch(
            features=features,
            mask=torch.from_numpy(np.arange(features.shape[2]) < self._lengths[video, None]).to(self._device),
            video_labels=torch.from_numpy((self._targets[video, 0] == 0).astype(np.float32)).to(self._device),
            category_targets=torch.from_numpy(self._targets[video]).to(self._device),
            videos=names,
        )

    def _draw(self, kind: int, step: int) -> np.ndarray:
        """(batch_size, 2) numbers of video and crop (0 where all are taken) of one class (0 normal, 1 abnormal)."""
        samples = self._samples[kind]
        epochs, places = np.divmod(np.arange(step * self._batch_size, (step + 1) * self._batch_size), len(samples))
        drawn = np.empty((self._batch_size, 2), dtype=np.int64)
        for epoch in np.unique(epochs):
            order = np.random.default_rng([self._seed, kind, int(epoch)]).permutation(len(samples))
            drawn[epochs == epoch] = samples[order[places[epochs == epoch]]]
        return drawn


def video_batch(dataset: Dataset, record: VideoRecord, device: str = "cpu", crops: slice = slice(None)) -> Tensor:
    """One video's own snippets for testing, float32 (1, N, T, D); ``crops`` takes some of its crops.

    Raises:
        DataError: NaN or infinity in the features; names the video.
    """
    snippets = np.array(dataset.store.snippets(record.name)[crops], dtype=np.float32)
    return _finite(torch.from_numpy(snippets)[None].to(device), (record.name,))


def _finite(features: Tensor, videos: tuple[str, ...]) -> Tensor:
    # One sum per video is enough: NaN and infinity survive it, and backbone features are far from overflowing it.
    broken = ~features.flatten(1).sum(dim=1).isfinite()
    if bool(broken.any()):
        names = sorted({name for name, bad in zip(videos, broken.tolist()) if bad})
        raise DataError(f"video {', '.join(names)}: expected finite features, got NaN or infinity; extract them again.")
    return features
