"""Snippets of a video to a fixed number of segments."""

from itertools import pairwise

import numpy as np

from vad_lib.errors import DataError, one_of


def segment_means(snippets: np.ndarray, num_segments: int) -> np.ndarray:
    """Cut a video into a fixed number of segments, each the mean of its snippets.

    Segment i covers the rows from trunc(i T / n) to trunc((i + 1) T / n), the end excluded; where that is none, it is
    the row at its start. The bounds are those of numpy's ``linspace``, rounding included, as in the public codes: for some
    lengths (58 or 70 snippets into 200 segments) a bound is one below that of whole numbers. UR-DMU and the methods before
    it cut videos like this.

    Args:
        snippets: float (..., T, D), T at least 1.
        num_segments: n, at least 1.

    Returns:
        float32 (..., n, D).

    Example: three snippets become two segments, the first one snippet and the second the mean of two.
        >>> segment_means(np.array([[1.0], [2.0], [4.0]]), 2).ravel().tolist()
        [1.0, 3.0]
    """
    length = snippets.shape[-2]
    if length < 1 or num_segments < 1:
        raise DataError(f"segments: expected at least 1 snippet and 1 segment, got {length} and {num_segments}.")
    bounds = np.linspace(0, length, num_segments + 1).astype(int)
    segments = np.empty((*snippets.shape[:-2], num_segments, snippets.shape[-1]), dtype=np.float32)
    for i, (start, end) in enumerate(pairwise(bounds)):
        segments[..., i, :] = snippets[..., start : max(end, start + 1), :].mean(axis=-2, dtype=np.float32)
    return segments


def evenly_spaced(snippets: np.ndarray, num_segments: int) -> np.ndarray:
    """Pick snippets of a video as its segments: numbers trunc(linspace(0, T - 1, n)), the first and the last included (PEL4VAD).

    Args:
        snippets: float (..., T, D), T at least 1.
        num_segments: n, at least 1.

    Returns:
        float32 (..., n, D).

    Example:
        >>> evenly_spaced(np.arange(5.0)[:, None], 3).ravel().tolist()
        [0.0, 2.0, 4.0]
    """
    length = snippets.shape[-2]
    if length < 1 or num_segments < 1:
        raise DataError(f"segments: expected at least 1 snippet and 1 segment, got {length} and {num_segments}.")
    return snippets[..., np.linspace(0, length - 1, num_segments).astype(int), :].astype(np.float32)


def make_segments(snippets: np.ndarray, num_segments: int, segmenting: str = "means") -> np.ndarray:
    """Turn the snippets of a training video into a fixed number of segments.

    Args:
        snippets: float (..., T, D).
        num_segments: n.
        segmenting: how. ``means``: :func:`segment_means`. ``means_or_pad`` and ``picks_or_pad``: a video of n snippets or fewer
            keeps its snippets, with zeros behind them; a longer one is cut by :func:`segment_means` or :func:`evenly_spaced`.

    Returns:
        float32 (..., n, D).

    Raises:
        ConfigError: unknown ``segmenting``.
    """
    one_of(segmenting, ("means", "means_or_pad", "picks_or_pad"), "segmenting")
    length = snippets.shape[-2]
    if segmenting != "means" and length <= num_segments:
        padded = np.zeros((*snippets.shape[:-2], num_segments, snippets.shape[-1]), dtype=np.float32)
        padded[..., :length, :] = snippets
        return padded
    return evenly_spaced(snippets, num_segments) if segmenting == "picks_or_pad" else segment_means(snippets, num_segments)
