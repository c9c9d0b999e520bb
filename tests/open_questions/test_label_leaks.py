"""Controls: near chance on the built-in sets, and able to tell when a set leaks."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from vad_lib.config import SyntheticSettings
from vad_lib.data.annotations import VideoList, VideoRecord, read_video_csv, write_video_csv
from vad_lib.data.dataset import load_dataset
from vad_lib.data.synthetic import DATASETS, render_dataset
from vad_lib.errors import DataError, MissingFileError
from vad_lib.evaluation.bootstrap import Bootstrap
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.open_questions import label_leaks
from vad_lib.open_questions.label_leaks import label_guess_aucs, label_leak_intervals
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_json

LARGE = SyntheticSettings(
    train_per_category=8, test_per_category=5, train_snippets=(5, 8), test_snippets=(5, 8), height=64, width=86
)
SMALL = LARGE.replace(train_per_category=4, test_per_category=3)


@pytest.fixture(
    scope="module", params=[pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.release)]
)
def size(request):
    return request.param


@pytest.fixture(scope="module", params=sorted(DATASETS))
def rendered(request, size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("controls") / request.param
    render_dataset(request.param, folder, size, workers=2, progress=False)
    return folder


@pytest.fixture
def crime(tmp_path):
    """A set of its own, small enough to be changed."""
    settings = SMALL.replace(train_per_category=1, test_per_category=1, train_snippets=(3, 3), test_snippets=(3, 3))
    render_dataset("synth-crime", tmp_path / "set", settings, workers=1, progress=False)
    return tmp_path / "set"


@pytest.mark.slow
def test_label_cannot_be_guessed_without_watching(rendered):
    result = label_guess_aucs(load_dataset(rendered, features=False))
    for name in ("first_frame", "file_size"):
        assert result[f"{name}_low"] < 0.5 < result[f"{name}_high"], result
        assert result[f"{name}_low"] <= result[f"{name}_auc"] <= result[f"{name}_high"]


def test_controls_are_deterministic(crime):
    dataset = load_dataset(crime, features=False)
    assert label_guess_aucs(dataset) == label_guess_aucs(dataset)


def test_without_videos_only_the_lengths_are_left(crime):
    shutil.rmtree(crime / "videos")
    assert sorted(label_guess_aucs(load_dataset(crime, features=False))) == ["length_auc", "length_high", "length_low"]


def test_a_tint_and_a_larger_file_are_found(crime):
    """The checks can fail: abnormal videos get a red first frame and more bytes."""
    dataset = load_dataset(crime, features=False)
    for record in dataset.videos.records:
        if dataset.videos.is_abnormal(record):
            path = crime / "videos" / f"{record.name}.mp4"
            reader = cv2.VideoCapture(str(path))
            frame = reader.read()[1]
            reader.release()
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 25, frame.shape[1::-1])
            for _ in range(3):
                writer.write(cv2.add(frame, (0, 0, 90, 0)))
            writer.release()
            with open(path, "ab") as stream:
                stream.write(bytes(200_000))
    result = label_guess_aucs(dataset)
    assert result["first_frame_low"] > 0.5 and result["file_size_low"] > 0.5


def without_abnormal_videos(crime, split):
    categories = DATASETS["synth-crime"].categories
    videos = read_video_csv(crime / "videos.csv", categories)
    kept = tuple(record for record in videos.records if record.split != split or not videos.is_abnormal(record))
    write_video_csv(crime / "videos.csv", VideoList(categories, kept))
    return load_dataset(crime, features=False)


def test_training_videos_of_one_class_are_an_error(crime):
    with pytest.raises(DataError, match="normal and abnormal train videos, got 7 normal and 0 abnormal"):
        label_guess_aucs(without_abnormal_videos(crime, "train"))


def test_test_videos_of_one_class_have_no_order_to_guess(crime):
    assert label_guess_aucs(without_abnormal_videos(crime, "test")) == {}


def test_videos_of_another_kind_and_in_folders_are_found(crime):
    dataset, videos = load_dataset(crime, features=False), crime / "videos"
    before = label_guess_aucs(dataset)
    (videos / "day 1").mkdir()
    for path in sorted(videos.glob("*.mp4")):
        path.rename(videos / "day 1" / path.with_suffix(".mkv").name)
    assert label_guess_aucs(dataset) == before


def test_a_missing_video_is_named(crime):
    (crime / "videos" / "test_Arson_000.mp4").unlink()
    with pytest.raises(MissingFileError, match="test_Arson_000"):
        label_guess_aucs(load_dataset(crime, features=False))


def test_a_part_of_the_videos_beside_imported_features_leaves_only_the_lengths(crime):
    for path in (crime / "videos").glob("train_*"):
        path.unlink()
    empty = dict.fromkeys(("source", "fingerprint", "described", "own_note"), "")
    write_json(crime / "import.json", empty | {"settings": {}, "store": "a hash", "written": {}})
    assert sorted(label_guess_aucs(load_dataset(crime, features=False))) == ["length_auc", "length_high", "length_low"]


def test_a_video_that_cannot_be_decoded_is_named(crime):
    shutil.copy(crime / "videos.csv", crime / "videos" / "test_Arson_000.mp4")
    with pytest.raises(DataError, match="cannot be opened"):
        label_guess_aucs(load_dataset(crime, features=False))


def test_ties_count_half():
    auc, low, high = label_leaks._video_auc(np.array([1.0, 2.0]), np.array([1.0, 0.0]), Bootstrap())
    assert auc == (0.5 + 1 + 1 + 1) / 4 and (low, high) == (0.5, 1)


def test_place_only_by_hand(crime):
    """Two videos of four snippets: the event fills the two middle ones of the first, and is never nearer to an end."""
    records = tuple(
        VideoRecord(name, "test", categories, 64, spans)
        for name, categories, spans in (("a", ("Arson",), ((16, 48),)), ("n", ("Normal",), ()))
    )
    dataset = load_dataset(crime, features=False)
    dataset = replace(dataset, videos=VideoList(dataset.categories, records))
    scored = label_leak_intervals(Layout.create("smoke", crime), dataset, Bootstrap(num_draws=20))["place only"]
    # 32 abnormal frames at 3/8; of 96 normal ones 32 tie with them, in the middle of the other video, and 64 lie below
    assert scored.mean == pytest.approx((64 + 32 / 2) / 96)


def test_what_a_model_on_noise_finds_is_taken_apart_by_hand():
    """Ten snippets of a normal video that rise, and ten of an abnormal one that fall: places are those of the normal one."""
    rising, frames, video = np.arange(10) / 10, np.full(20, 16), np.repeat([0, 1], 10)
    score, events = np.concatenate([rising, rising[::-1]]), np.zeros((0, 3), dtype=np.int64)
    scored = ScoredVideos("noise", 1, ("n", "a"), np.array([False, True]), video, score, 0 * frames, frames, events)
    assert label_leaks._by_place(scored).score == pytest.approx(np.tile(rising, 2))
    assert label_leaks._by_video(scored).score == pytest.approx(np.full(20, 0.45))
