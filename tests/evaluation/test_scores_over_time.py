"""Mean scores over the relative time of normal videos."""

import numpy as np
import pytest

from vad_lib.errors import DataError
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.evaluation.scores_over_time import mean_score_by_part


def videos(abnormal=(False, False, True)):
    """Three videos of 32, 64 and 32 frames in pieces of 16; the third is abnormal and has other scores."""
    video = np.array([0, 0, 1, 1, 1, 1, 2, 2])
    frames = np.full(8, 16)
    score = np.array([0.0, 1.0, 0.0, 0.0, 0.5, 0.5, 0.9, 0.9])
    events = np.zeros((0, 3), dtype=np.int64)
    return ScoredVideos("row", 1, ("a", "b", "c"), np.array(abnormal), video, score, 0 * frames, frames, events)


def test_every_normal_video_counts_the_same_whatever_its_length():
    assert mean_score_by_part(videos(), 2) == pytest.approx([0.0, 0.75])
    assert mean_score_by_part(videos(), 4) == pytest.approx([0.0, 0.0, 0.75, 0.75])


def test_parts_that_cut_a_piece_get_its_score_in_both():
    assert mean_score_by_part(videos((False, True, True)), 4) == pytest.approx([0, 0, 1, 1])


def test_a_video_with_fewer_frames_than_parts_leaves_some_out():
    scored = ScoredVideos(
        "row", 1, ("a", "b"), np.array([False, False]), np.array([0, 1]), np.array([0.2, 0.4]),
        np.zeros(2, dtype=np.int64), np.array([2, 8]), np.zeros((0, 3), dtype=np.int64),
    )  # fmt: skip
    assert mean_score_by_part(scored, 4) == pytest.approx([0.4, 0.3, 0.4, 0.3])


def test_without_normal_videos_it_says_so():
    with pytest.raises(DataError, match="normal test videos"):
        mean_score_by_part(videos((True, True, True)))
