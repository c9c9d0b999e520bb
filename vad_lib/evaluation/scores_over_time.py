"""Scores over the relative time of a video: in normal videos, a score that knows nothing of the place is flat."""

import numpy as np

from vad_lib.errors import DataError
from vad_lib.evaluation.scored_videos import ScoredVideos

PARTS = 10


def mean_score_by_part(scored: ScoredVideos, parts: int = PARTS) -> np.ndarray:
    """Mean score of normal test videos in equal parts of their time, every video counting the same.

    Args:
        scored: test scores of one run.
        parts: of each video.

    Returns:
        float64 (parts,), in [0, 1]; a frame belongs to the part that its middle lies in. Parts without a frame, of videos
        that are shorter than ``parts`` frames, are left out of the means.

    Raises:
        DataError: no normal test video.

    Example: ten frames of 0.2, then ten of 0.6.
        >>> ten = np.array([10, 10])
        >>> video = ScoredVideos("row", 1, ("a",), np.array([False]), np.array([0, 0]), np.array([0.2, 0.6]), 0 * ten, ten, ten)
        >>> mean_score_by_part(video, 4)
        array([0.2, 0.2, 0.6, 0.6])
    """
    of_videos = []
    for video in np.flatnonzero(~scored.abnormal_video):
        pieces = scored.video == video
        frames = np.repeat(scored.score[pieces], (scored.normal + scored.abnormal)[pieces])
        part = ((np.arange(len(frames)) + 0.5) * parts / len(frames)).astype(int)
        counts = np.bincount(part, minlength=parts)
        sums = np.bincount(part, frames, minlength=parts)
        of_videos.append(np.divide(sums, counts, out=np.full(parts, np.nan), where=counts > 0))
    if not of_videos:
        raise DataError(f"{scored.title}: expected normal test videos, found none; a score over time is read in those.")
    return np.nanmean(of_videos, axis=0)
