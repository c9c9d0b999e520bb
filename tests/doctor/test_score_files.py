"""Files of scores as people write them: crops in short videos, tables with other columns, a single array."""

import json

import numpy as np
import pytest
from planted_scores import saved, small_case

from vad_lib.doctor.fitting import fit
from vad_lib.doctor.reading import GivenTruth, read_scores, read_truth
from vad_lib.errors import DataError

CASE = small_case()
SCORES = {video.name: part[0] for video, part in zip(CASE.videos, CASE.scores)}


@pytest.mark.parametrize("crops_last", [True, False])
@pytest.mark.parametrize("lengths", [(6, 30, 1), (6, 4, 8), (6, 30)])
def test_short_videos_keep_their_ten_crops(tmp_path, crops_last, lengths):
    """Videos of fewer snippets than crops; one file has one way to lay them."""
    arrays = {f"v{place}": np.random.default_rng(place).random((10, count)) for place, count in enumerate(lengths)}
    found = read_scores(saved(tmp_path, {name: array.T if crops_last else array for name, array in arrays.items()}))
    for name, array in arrays.items():
        assert (found.by_video[name] == array).all()


def table(folder, lines, name="s.csv"):
    (folder / name).write_text("\n".join(lines) + "\n")
    return read_scores(folder / name)


@pytest.mark.parametrize(
    "lines",
    [
        ["name,Score", "a,0.5", "a,0.25", "b,1"],
        ["Video,prob", "a,0.5", "a,0.25", "b,1"],
        ["video;score", "a;0.5", "a;0.25", "b;1"],
        ["a,0.5", "a,0.25", "b,1"],
        ["video,frame,score", "a,1,0.5", "b,1,1", "a,2,0.25"],
    ],
)
@pytest.mark.parametrize("name", ["s.csv", "S.CSV"])
def test_tables_as_people_write_them(tmp_path, lines, name):
    found = table(tmp_path, lines, name)
    assert {video: part.tolist() for video, part in found.by_video.items()} == {"a": [[0.5, 0.25]], "b": [[1.0]]}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["video,frame,score", "a,2,0.5", "a,1,0.25"], r"line 3: expected frame to rise within a video, got 1 after 2; sort"),
        (["video,value", "a,1"], "expected a column 'score', and 'video' if there are several, got video, value; rename"),
        (["video,score", "a,"], r"line 2: expected a number as score, got ''"),
        (["video,score"], "expected scores, found none"),
        (["video,score", "a,0,375"], "line 2: expected 2 cells, got 3: a, 0, 375; write numbers with a point"),
        (["video,score,Score", "a,0.5,1"], "a column stands there twice: video, score, score"),
        ([""], "got an empty file; save the scores again"),
    ],
)
def test_tables_that_are_none(tmp_path, lines, words):
    with pytest.raises(DataError, match=words):
        table(tmp_path, lines)


def test_a_single_array_is_of_the_video_of_its_name(tmp_path):
    truth = GivenTruth(CASE.videos)
    fitted = fit(read_scores(saved(tmp_path, {"v05": SCORES["v05"]})), truth)
    assert [video.name for video in fitted.case.videos] == ["v05"]
    whole = np.concatenate(list(SCORES.values()))
    said = fit(read_scores(saved(tmp_path, {"zzz": whole})), truth).sentences
    assert said[0] == "The one array is called zzz, which is no test video; it is taken as the scores of all videos."
    assert "called" not in " ".join(fit(read_scores(saved(tmp_path, {"arr_0": whole})), truth).sentences)


def test_an_order_beside_named_scores_is_said_to_be_unused(tmp_path):
    said = " ".join(fit(read_scores(saved(tmp_path, SCORES)), GivenTruth(CASE.videos), tuple(SCORES)).sentences)
    assert "--order is not used: the scores come by name." in said


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.array([1 + 1j]), "values of type complex128"), (np.array(["2020-01-01"], "datetime64[D]"), "values of type datetime64")],
)
def test_numbers_of_another_kind(tmp_path, array, words):
    np.save(tmp_path / "s.npy", array)
    with pytest.raises(DataError, match=words):
        read_scores(tmp_path / "s.npy")


@pytest.mark.parametrize("values", [None, [None, 0.5], {"b": 1}, "high"])
def test_null_and_texts_in_json(tmp_path, values):
    (tmp_path / "s.json").write_text(json.dumps({"a": values, "c": [0.5]}))
    with pytest.raises(DataError, match="expected an array of numbers, got other values, such as null"):
        read_scores(tmp_path / "s.json")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0, 255]), "got the values 0, 255; save them as 0 and 1"),
        (np.array([0, 1, np.nan]), "got the values 0.0, 1.0, nan"),
        (np.array(["0", "1"]), "got the values 0, 1;"),
        (np.zeros((4, 5)), r"in one row, got shape \(4, 5\)"),
    ],
)
def test_frame_labels_with_other_values(tmp_path, labels, words):
    np.save(tmp_path / "gt.npy", labels)
    with pytest.raises(DataError, match=words):
        read_truth([tmp_path / "gt.npy"])


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("crops_last", [True, False])
def test_class_probabilities_are_no_crops(tmp_path, classes, crops_last):
    rng = np.random.default_rng(0)
    arrays = {name: rng.dirichlet(np.ones(classes), len(part)).astype(np.float32) for name, part in SCORES.items()}
    with pytest.raises(DataError, match="got class probabilities, which add up to 1 in every snippet"):
        read_scores(saved(tmp_path, {name: part if crops_last else part.T for name, part in arrays.items()}))


def test_a_long_cell_is_not_said_in_full(tmp_path):
    with pytest.raises(DataError) as error:
        table(tmp_path, ["video,score", f'a,"{list(range(500))}"'])
    assert len(str(error.value)) < 300
