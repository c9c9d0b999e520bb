"""Figures 3 and 4 in numbers, worked by hand."""

import numpy as np
import pytest

from vad_lib.errors import ConfigError, DataError
from vad_lib.report import readings
from vad_lib.report.figures.run_scores import RunScores, VideoScores


def video(name, category, labels, scores):
    """A video of snippets of 16 frames: label and score of each."""
    frames = np.repeat(np.array(labels, dtype=np.uint8), 16)
    return VideoScores(name, (category,), frames, {"score": np.array(scores, dtype=np.float32)}, None)


def mapped(name, category, labels, cosines):
    """A video with an alignment map."""
    return VideoScores(name, (category,), labels, {"score": np.zeros(len(cosines))}, np.array(cosines))


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


def test_the_alignment_map_in_numbers():
    """Two videos of 2 and 3 snippets; rows are cosines with Normal, Arson, Fighting."""
    labels = np.repeat(np.array([0, 1], dtype=np.uint8), 16)
    short = np.append(np.repeat(np.array([1, 0], dtype=np.uint8), 16), np.ones(3, dtype=np.uint8))  # the last snippet has 3 frames
    fire = mapped("fire", "Arson", labels, [[0.9, 0.1, 0.3], [0.2, 0.8, 0.6]])
    fight = mapped("fight", "Fighting", short, [[0.1, 0.7, 0.5], [0.9, 0.0, 0.1], [0.1, 0.2, 0.4]])
    calm = mapped("calm", "Normal", np.zeros(16, dtype=np.uint8), np.ones((1, 3)))
    run = RunScores("Proposed", ("Normal", "Arson", "Fighting", "Riot"), {v.name: v for v in (fire, fight, calm)})
    table = readings.read_alignment(run).set_index("category")
    assert table.index.tolist() == ["Arson", "Fighting"]  # no video of Riot
    columns = ["in the event", "in normal time", "other categories, in the event", "own row highest %"]
    assert table.loc["Arson", columns].tolist() == pytest.approx([0.8, 0.1, 0.6, 100])
    assert table.loc["Fighting", columns].tolist() == pytest.approx([0.45, 0.1, 0.45, 50])


def test_one_abnormal_frame_makes_a_snippet_abnormal_and_the_last_one_may_extend():
    """37 frames and two snippets: the second stands for the frames from 16 on, of which one is abnormal."""
    labels = (np.arange(37) == 36).astype(np.uint8)
    fire = mapped("fire", "Arson", labels, [[0.9, 0.1], [0.2, 0.8]])
    row = readings.read_alignment(RunScores("Proposed", ("Normal", "Arson"), {"fire": fire}, "extend")).iloc[0]
    assert row[["in the event", "in normal time"]].tolist() == pytest.approx([0.8, 0.1])


def test_a_run_without_an_alignment_map_cannot_be_read(scores):
    with pytest.raises(DataError, match="Proposed has no alignment map"):
        readings.read_alignment(scores)
