"""Figures of the first two notebooks: their points, and the words that a reader hears who does not see them."""

import numpy as np
import pytest
from figure_words import texts

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.video_writing import write_video
from vad_lib.errors import MissingFileError
from vad_lib.report.figures import first_steps, style


def test_pushed_scores_mark_the_top_segments():
    bags = np.array([[0.1, 0.3, 0.2], [0.9, 0.1, 0.4]])
    figure, points = first_steps.pushed_scores(bags, np.array([[0, -0.5, -0.5], [0.5, 0, 0.5]]), 2)
    assert points["top"].tolist() == [False, True, True, True, False, True]
    assert points.loc[points["push"] < 0, "bag"].unique().tolist() == ["normal bag"]
    assert "scores, normal bag 0.1, 0.3, 0.2" in style.described(figure)
    assert "push, abnormal bag 0.5, 0, 0.5" in style.described(figure)


def test_the_map_names_its_highest_and_lowest_cells():
    segments, categories = np.radians([0, 90]), np.radians([0, 60])
    cosines = np.cos(segments[:, None] - categories)
    figure, points = first_steps.circle_and_map(segments, categories, cosines, ["Normal", "Arson"])
    cells = points.set_index(["category", "segment"])["cosine"]
    assert cells["Normal", 0] == pytest.approx(1) and cells["Arson", 1] == pytest.approx(np.sqrt(3) / 2)
    assert style.described(figure).startswith("2 segments as dots and 2 categories as arrows")
    assert "Normal, segment 0 1;" in style.described(figure)


def test_mixed_scores_name_the_top_segments_in_the_title():
    visual, semantic = np.array([0.1, 0.9, 0.8]), np.array([0.9, 0.9, 0.0])
    figure, points = first_steps.mixed_scores(visual, semantic, (visual + semantic) / 2, range(1, 3), 2)
    assert "top 2 segments: 1, 2 by the visual score alone, 0, 1 by the fused score" in texts(figure)
    assert points["fused"].tolist() == pytest.approx([0.5, 0.9, 0.4])
    assert "segments 1 to 2 are abnormal" in style.described(figure)


def test_example_frames_say_which_are_abnormal(tmp_path):
    records = {"Arson": VideoRecord("a", "test", ("Arson",), 40, ((10, 30),)), "Normal": VideoRecord("n", "test", ("Normal",), 41)}
    for record in records.values():
        frames = (np.full((48, 64, 3), 6 * number, dtype=np.uint8) for number in range(record.num_frames))
        write_video(tmp_path / f"{record.name}.mp4", frames, 25.0)
    figure, points = first_steps.example_frames(tmp_path, records, "Small set", count=5, height=24)
    shown = points.groupby("row")["frame"].agg(list)
    assert shown["Arson"] == [5, 14, 19, 24, 34] and shown["Normal"] == [0, 10, 20, 30, 40]
    assert points.loc[points["abnormal"], "frame"].tolist() == [14, 19, 24]
    assert "Arson (a) abnormal 10 to 30; Normal (n) abnormal nowhere" in style.described(figure)
    red = [text.get_text() for text in figure.findobj(lambda each: getattr(each, "get_color", str)() == style.VERMILION)]
    assert red == ["14", "19", "24"]
    with pytest.raises(MissingFileError):
        first_steps.example_frames(tmp_path, {"Riot": VideoRecord("r", "test", ("Riot",), 40)}, "Small set")


def test_ten_crops_draw_five_squares():
    corners = [(2, 3), (0, 0), (0, 6), (4, 0), (4, 6)]
    figure, points = first_steps.ten_crops(np.zeros((12, 14, 3), np.uint8), corners, np.zeros((10, 8, 8, 3), np.uint8))
    assert points[["top", "left"]].to_numpy().tolist() == [list(corner) for corner in corners]
    assert set(points["size"]) == {8} and len(figure.axes) == 11
    assert "five squares of 8 pixels" in style.described(figure)


@pytest.mark.parametrize("abnormal", [[False, False, True], [False, False, False]])
def test_the_plane_tells_the_centres_of_both_kinds(abnormal):
    where = np.array([[0.0, 0.0], [2.0, 4.0], [5.0, 5.0]])
    figure, points = first_steps.snippet_plane(where, np.array([0.5, 0.25]), np.array(abnormal), np.array([0, 0, 1]))
    assert points["video"].tolist() == [0, 0, 1]
    centres = "centre of the normal snippets at 1, 2; centre of the abnormal snippets at 5, 5"
    assert (centres in style.described(figure)) == abnormal[2]
    assert "3 snippets of 2 videos" in style.described(figure)
    assert "component 2 (25 % of variance)" in texts(figure)
