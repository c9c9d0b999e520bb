"""Lists of videos: reading, writing, every refusal; frame masks under each rule."""

import dataclasses

import numpy as np
import pytest

from vad_lib.data.annotations import VideoList, VideoRecord, check_records, ground_truth_mask, read_video_csv, write_video_csv
from vad_lib.errors import DataError, MissingFileError, OutputError

CATEGORIES = ("Normal", "Fighting", "Riot")
NORMAL = VideoRecord("street", "train", ("Normal",), 40)
WEAK = VideoRecord("crowd", "train", ("Fighting", "Riot"), 33)
TEST = VideoRecord("brawl", "test", ("Fighting",), 20, ((4, 8), (15, 30)), (("Fighting", 4, 8), ("Fighting", 15, 30)))
RECORDS = (NORMAL, WEAK, TEST)


def csv_file(tmp_path, *lines, header="video,split,category,n_frames,intervals"):
    path = tmp_path / "videos.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def test_a_list_survives_writing_and_reading(tmp_path):
    videos = VideoList(CATEGORIES, RECORDS)
    path = write_video_csv(tmp_path / "videos.csv", videos)
    assert read_video_csv(path, CATEGORIES) == videos
    assert path.read_text().splitlines()[3] == "brawl,test,Fighting,20,4-8;15-30,Fighting:4-8;Fighting:15-30"


def test_reading_forgives_spaces_a_byte_order_mark_and_the_optional_column(tmp_path):
    path = csv_file(tmp_path, " brawl , test , Fighting ; Riot , 20 , 4-8 ; 9-12 ")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_video_csv(path, CATEGORIES).records == (VideoRecord("brawl", "test", ("Fighting", "Riot"), 20, ((4, 8), (9, 12))),)


def test_splits_labels_and_targets():
    videos = VideoList(CATEGORIES, RECORDS)
    assert videos.split("train") == (NORMAL, WEAK)
    assert videos.split("test") == (TEST,)
    assert [videos.is_abnormal(record) for record in RECORDS] == [False, True, True]
    assert videos.category_target(NORMAL.categories).tolist() == [1, 0, 0]
    assert videos.category_target(WEAK.categories).tolist() == [0, 0.5, 0.5]


def test_frame_labels_are_cut_to_the_video():
    labels = TEST.frame_labels()
    assert (labels.dtype, labels.shape) == (np.uint8, (20,))
    assert np.flatnonzero(labels).tolist() == [4, 5, 6, 7, 15, 16, 17, 18, 19]
    assert not NORMAL.frame_labels().any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "street"}, "video street: it is listed twice"),
        ({"name": ""}, "must be a file name"),
        ({"name": "../brawl"}, "must be a file name"),
        ({"name": " brawl"}, "begins or ends with a blank"),
        ({"split": "validation"}, "video brawl: split must be train or test, got 'validation'"),
        ({"num_frames": 0}, "video brawl: expected 1 to 100,000,000 frames, got 0"),
        ({"categories": ("Dancing",)}, "video brawl: unknown category Dancing; known: Normal, Fighting, Riot"),
        ({"categories": ()}, r"unknown category \(none\)"),
        ({"class_intervals": (("Dancing", 4, 8),)}, "video brawl: unknown category Dancing"),
        ({"categories": ("Riot", "Riot")}, "a category is given twice: Riot;Riot"),
        ({"categories": ("Normal", "Riot")}, "Normal cannot stand beside another category"),
        ({"categories": ("Normal",)}, "a normal video has no abnormal intervals"),
        ({"split": "train"}, "a training video has no abnormal intervals"),
        ({"class_intervals": (("Riot", 9, 9),)}, "interval 9-9 is empty or outside"),
        ({"intervals": ()}, "an abnormal test video needs at least one interval"),
        ({"intervals": ((4, 8), (9, 9))}, "interval 9-9 is empty or outside the video's 20 frames"),
        ({"intervals": ((4, 8), (20, 30))}, "interval 20-30 is empty or outside"),
        ({"intervals": ((-1, 8), (9, 10))}, "interval -1-8 is empty or outside"),
    ],
)
def test_a_wrong_record_is_refused_and_named(tmp_path, change, message):
    records = (NORMAL, WEAK, dataclasses.replace(TEST, **change))
    with pytest.raises(DataError, match=message):
        check_records(CATEGORIES, records, "list")
    with pytest.raises(DataError, match=message):
        write_video_csv(tmp_path / "videos.csv", VideoList(CATEGORIES, records))
    assert not (tmp_path / "videos.csv").exists()


@pytest.mark.parametrize("category", ["Fire; Riot", " Fire", "Fire ", ""])
def test_what_a_list_would_not_give_back_is_not_written(tmp_path, category):
    videos = VideoList(("Normal", category), (VideoRecord("a", "train", (category,), 40),))
    with pytest.raises(DataError, match="video a: a list cannot hold the category"):
        write_video_csv(tmp_path / "videos.csv", videos)


@pytest.mark.parametrize(
    ("line", "column"),
    [("brawl,test,Fighting,many,4-8", "n_frames"), ("brawl,test,Fighting,20,4 to 8", "intervals"),
     ("brawl,test,Fighting,20,-4-8", "intervals"), ("brawl,test", "n_frames"), ("brawl", "split")],
)  # fmt: skip
def test_a_row_that_cannot_be_understood_is_named(tmp_path, line, column):
    with pytest.raises(DataError, match=rf"videos\.csv, line 3, column {column}: expected"):
        read_video_csv(csv_file(tmp_path, "street,train,Normal,40,", line), CATEGORIES)


def test_an_unknown_category_in_the_file(tmp_path):
    with pytest.raises(DataError, match=r"videos\.csv: video street: unknown category Dancing"):
        read_video_csv(csv_file(tmp_path, "street,train,Dancing,40,"), CATEGORIES)


def test_a_missing_column(tmp_path):
    path = csv_file(tmp_path, "brawl,test,Fighting,20", header="video,split,category,n_frames")
    with pytest.raises(DataError, match="column intervals is missing"):
        read_video_csv(path, CATEGORIES)
    path.write_text("")
    with pytest.raises(DataError, match="column video, split, category, n_frames, intervals is missing"):
        read_video_csv(path, CATEGORIES)


def test_a_missing_file_and_a_file_that_is_no_text(tmp_path):
    with pytest.raises(MissingFileError, match="expected the list of videos"):
        read_video_csv(tmp_path / "videos.csv", CATEGORIES)
    (tmp_path / "videos.csv").write_bytes(b"video\n\xfc\x80")
    with pytest.raises(DataError, match="expected UTF-8 text"):
        read_video_csv(tmp_path / "videos.csv", CATEGORIES)


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "set").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot write"):
        write_video_csv(tmp_path / "set" / "videos.csv", VideoList(CATEGORIES, RECORDS))


# --- mask rules -----------------------------------------------------------------------------------


def test_rule_frames_keeps_the_true_length():
    assert ground_truth_mask([(2, 4), (8, 99)], num_frames=10).tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("rule", ["A", "C"])
def test_rules_a_and_c_count_snippets(rule):
    # 35 frames, two snippets: the interval loses what lies behind frame 31
    mask = ground_truth_mask([(30, 34)], num_frames=35, num_snippets=2, rule=rule)
    assert (len(mask), np.flatnonzero(mask).tolist()) == (32, [30, 31])


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(3, 5)], [3, 4, 5]),  # the end is included; more than a snippet from the end, so no tail
        ([(20, 30)], list(range(20, 32))),  # ends inside the last snippet: so does the mask
        ([(3, 16)], list(range(3, 17))),  # exactly 16 frames left: no tail
        ([(3, 17)], list(range(3, 32))),  # 15 left: tail
        ([(20, 32)], list(range(20, 32))),  # ends with the mask
        ([(20, 30), (2, 3)], [2, 3, *range(20, 32)]),  # the tail rule looks at the latest interval, in whatever order
        ([], []),
    ],
)
def test_rule_b_includes_the_end_and_may_fill_the_tail(intervals, expected):
    mask = ground_truth_mask(intervals, num_frames=32, num_snippets=2, rule="B")
    assert np.flatnonzero(mask).tolist() == expected


def test_unknown_rule_and_missing_snippets():
    with pytest.raises(DataError, match="expected one of frames, A, B, C, got 'D'"):
        ground_truth_mask([], num_frames=4, rule="D")
    with pytest.raises(DataError, match="rule A: needs the number of snippets"):
        ground_truth_mask([], num_frames=4, rule="A")
