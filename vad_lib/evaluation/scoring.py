"""From a trained method to snippet scores and frame scores.

Testing uses a video's own snippets, whatever their number; only training makes segments. Scores are
averaged over crops after the sigmoid, repeated for the 16 frames of their snippet, and cut to the video.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.batches import video_batch
from vad_lib.data.dataset import Dataset
from vad_lib.errors import ConfigError, DataError
from vad_lib.methods.base import Method

Tail = Literal["exact", "extend"]
Smoothing = Literal["sliding", "blocks"]
FEWER_CROPS = (1, 5)  # that ten crops are compared with: the centre, and the corners too; see vad_lib.data.snippets.CROP_NAMES


def snippet_scores(
    method: Method,
    dataset: Dataset,
    records: Sequence[VideoRecord],
    device: str = "cpu",
    *,
    max_tokens: int = 2048,
    crop: int | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Score every snippet of some videos.

    Videos of equal length share a forward pass and a long video's crops are taken in chunks, so that memory
    is bounded by ``max_tokens`` or by one crop of the longest video, whichever is more.

    Args:
        method: a trained method on ``device``; scored in evaluation mode, its own mode is restored.
        dataset: loaded with its features.
        records: the videos to score.
        device: where the method is.
        max_tokens: snippets x crops in one forward pass.
        crop: place of the only crop to score; None for the mean over all crops.

    Returns:
        per video, in the order of ``records``, the arrays of :meth:`Method.scores`, crops averaged: ``score``
        float32 (T,) in [0, 1], and ``visual``, ``semantic`` (T,) and ``alignment`` (T, C) where the method
        has them.

    Raises:
        DataError: a video's features do not fit the method.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    was_training = method.training
    method.eval()
    try:
        with torch.inference_mode():
            for together in _equally_long(dataset, records, max_tokens):
                for record, scores in zip(together, _score_together(method, dataset, together, device, max_tokens, crop)):
                    found[record.name] = scores
    finally:
        method.train(was_training)
    return {record.name: found[record.name] for record in records}


def frame_scores(
    snippet_scores: np.ndarray,
    num_frames: int,
    frames_per_snippet: int = FRAMES_PER_SNIPPET,
    *,
    name: str = "",
    tail: Tail = "exact",
) -> np.ndarray:
    """Repeat each snippet's score for its frames and cut to the true length.

    Args:
        snippet_scores: (T,) or (T, C).
        num_frames: F, frames of the video.
        frames_per_snippet: frames that one score stands for.
        name: of the video, for the message.
        tail: ``extend`` lets the features end up to one snippet early; the last score then holds to the end.

    Returns:
        (F,) or (F, C), same type.

    Raises:
        DataError: T is not ceil(F / frames_per_snippet).

    Example: the second snippet of a video of five frames has one frame of its own.
        >>> frame_scores(np.array([0.25, 0.75]), num_frames=5, frames_per_snippet=4).tolist()
        [0.25, 0.25, 0.25, 0.25, 0.75]
    """
    return np.repeat(snippet_scores, snippet_frames(len(snippet_scores), num_frames, frames_per_snippet, name, tail), axis=0)


def snippet_frames(num_snippets: int, num_frames: int, frames_per_snippet: int, name: str, tail: Tail) -> np.ndarray:
    """How many frames each of a video's scores stands for, int64 (T,); they sum to F.

    Args:
        num_snippets: T, scores of the video.
        num_frames: F, frames of the video.
        frames_per_snippet: frames that one score stands for.
        name: of the video, for the message.
        tail: ``extend`` lets the features end up to one snippet early; the last score then holds to the end.

    Raises:
        DataError: T is not ceil(F / frames_per_snippet).

    Example:
        >>> snippet_frames(2, 20, 16, "", "exact").tolist(), snippet_frames(1, 20, 16, "", "extend").tolist()
        ([16, 4], [20])
    """
    expected = -(-num_frames // frames_per_snippet)
    if num_snippets != expected and not (tail == "extend" and num_snippets == expected - 1 > 0):
        raise DataError(
            f"video {name or '(unnamed)'}: {num_frames:,} frames need {expected:,} snippet scores of {frames_per_snippet} frames, "
            f"got {num_snippets:,}; check frames_per_snippet, or extract the features of this video again."
        )
    bounds = np.arange(num_snippets + 1) * frames_per_snippet
    bounds[-1] = num_frames
    return np.diff(bounds)


def interpolated(snippet_scores: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Frame scores on straight lines between the middles of the snippets, constant before the first and after the last.

    Args:
        snippet_scores: float (T,).
        frames: how many frames each score stands for, at least 1, int (T,); see :func:`snippet_frames`.

    Returns:
        float64 (F,).

    Raises:
        DataError: lengths differ.

    Example: two snippets of four frames; their middles are 1.5 and 5.5.
        >>> interpolated(np.array([0.0, 1.0]), np.array([4, 4])).tolist()
        [0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0]
    """
    if len(snippet_scores) != len(frames):
        raise DataError(f"interpolation: expected frames of each of {len(snippet_scores):,} scores, got {len(frames):,}.")
    ends = np.cumsum(frames)
    return np.interp(np.arange(ends[-1]), ends - (np.asarray(frames) + 1) / 2, snippet_scores)


def smoothed(snippet_scores: np.ndarray, kind: Smoothing, window: int) -> np.ndarray:
    """Smooth a video's scores in time as PEL4VAD's test script does; zeros follow the video's end.

    Args:
        snippet_scores: float (T,).
        kind: ``sliding`` takes the mean of a snippet and the ``window - 1`` after it (7 on UCF-Crime); ``blocks`` gives
            every block of ``window`` snippets its mean (8 on XD-Violence).
        window: snippets, at least 1.

    Returns:
        float64 (T,). Scores near the end shrink, as in the public code.

    Raises:
        ConfigError: unknown kind, or no window.

    Example: each score and the next one.
        >>> smoothed(np.array([0.2, 0.4, 0.8]), "sliding", 2).round(2).tolist()
        [0.3, 0.6, 0.4]
    """
    if kind not in ("sliding", "blocks") or window < 1:
        raise ConfigError(f"smoothing: expected sliding or blocks and a window of 1 snippet or more, got {kind!r} and {window}.")
    length = len(snippet_scores)
    if kind == "sliding":
        padded = np.pad(np.asarray(snippet_scores, dtype=np.float64), (0, window - 1))
        return np.lib.stride_tricks.sliding_window_view(padded, window).mean(axis=1)
    padded = np.pad(np.asarray(snippet_scores, dtype=np.float64), (0, -length % window))
    return padded.reshape(-1, window).mean(axis=1).repeat(window)[:length]


def _equally_long(dataset: Dataset, records: Sequence[VideoRecord], max_tokens: int) -> Iterator[list[VideoRecord]]:
    """Groups of videos with the same number of snippets, no group larger than the bound allows."""
    by_length: dict[int, list[VideoRecord]] = {}
    for record in records:
        by_length.setdefault(dataset.store.num_snippets(record.name), []).append(record)
    for length, group in by_length.items():
        size = max(1, max_tokens // (length * dataset.store.num_crops))
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _score_together(
    method: Method, dataset: Dataset, records: list[VideoRecord], device: str, max_tokens: int, crop: int | None
) -> list[dict[str, np.ndarray]]:
    """Scores of equally long videos; the mean over crops is put together from means over chunks of crops."""
    first, end = (0, dataset.store.num_crops) if crop is None else (crop, crop + 1)
    chunk = max(1, max_tokens // (len(records) * dataset.store.num_snippets(records[0].name)))
    sums: dict[str, torch.Tensor] = {}
    for start in range(first, end, chunk):
        crops = slice(start, min(start + chunk, end))
        features = torch.cat([video_batch(dataset, record, device, crops) for record in records])
        for key, value in method.scores(method(features)).items():
            part = value.float() * ((crops.stop - crops.start) / (end - first))
            sums[key] = sums[key] + part if key in sums else part
    return [{key: value[row].cpu().numpy() for key, value in sums.items()} for row in range(len(records))]
