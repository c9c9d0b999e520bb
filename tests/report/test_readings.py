"""Figures 3 and 4 in numbers, worked by hand."""

import numpy as np
import pytest

from vad_lib.errors import ConfigError
from vad_lib.report import readings
from vad_lib.report.figures.run_scores import RunScores, VideoScores


def video(name, category, labels, scores):
    """A video of snippets of 16 frames: label and score of each."""
    frames = np.repeat(np.array(labels, dtype=np.uint8), 16)
    return VideoScores(name, (category,), frames, {"score": np.array(scores, dtype=np.float32)}, None)


@pytest.fixture
def scores():
    videos = (
        video("fire", "Arson", [0, 1, 1, 0], [0.1, 0.4, 0.9, 0.9]),  # half of the event, a snippet late, one false snippet
        video("fire2", "Arson", [0, 1, 1, 1], [0.1, 0.9, 0.2, 0.2]),  # a third of it
        video("fight", "Fighting", [1, 0, 0, 0], [0.49, 0.2, 0.1, 0.5]),  # at the threshold is an alarm
        video("still", "Normal", [0, 0], [0.9, 0.1]),
    )
    return RunScores("Proposed", ("Normal", "Arson", "Fighting"), {v.name: v for v in videos})


def test_the_panels_in_numbers(scores):
    table = readings.read_panels(scores, ["Arson", "Fighting"], fps=16)
    assert table["video"].tolist() == ["fire", "fight"]
    assert table["reading"].tolist() == ["hit", "missed"]
    assert table["event seconds"].tolist() == [2, 1]
    assert table["found %"].tolist() == [50, 0]
    assert table["delay seconds"].iloc[0] == 1 and np.isnan(table["delay seconds"].iloc[1])
    assert table["false alarm seconds"].tolist() == [1, 1]
    assert table["hits in the category"].tolist() == ["1 of 2", "0 of 1"]
    assert readings.read_video(scores, "fire2", 16)["reading"] == "partly found"


def test_a_wrong_threshold_or_a_normal_video_is_refused(scores):
    with pytest.raises(ConfigError, match="expected a number between 0 and 1, got 50"):
        readings.read_video(scores, "fire", 16, threshold=50)
    with pytest.raises(ConfigError, match="still: expected abnormal frames"):
        readings.read_video(scores, "still", 16)
