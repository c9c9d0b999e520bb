"""Videos laid end to end from the same clips: the clips are found again, and no fold tests on what it trains on."""

import itertools

import numpy as np
import pytest

from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureStore
from vad_lib.deployment.clip_folds import find_clips, make_folds
from vad_lib.errors import DataError
from vad_lib.storage.writing import write_json

# clip -> number of snippets; f and g are fights
LENGTHS = {"a": 3, "b": 2, "c": 1, "d": 2, "f": 2, "g": 3}
VIDEOS = {"n1": "ab", "n2": "bc", "n3": "cda", "f1": "afb", "f2": "gd", "f3": "fcg", "n4": "da", "t1": "ag"}


def content(clips: str) -> np.ndarray:
    """Features of a video: every snippet of a clip has a number of its own."""
    return np.concatenate([[10 * ord(clip) + place for place in range(LENGTHS[clip])] for clip in clips]).astype(np.float32)


@pytest.fixture
def dataset(planted_folder, tmp_path):
    """Videos of clips, with the contract of another data set."""
    planted = load_dataset(planted_folder)
    categories = ("Normal", "Fighting")
    contract = planted.store.contract.replace(dimension=1)
    records, features = [], {}
    for name, clips in VIDEOS.items():
        rows = content(clips)
        features[name] = np.repeat(rows[None, :, None], len(contract.crops), axis=0)
        kind = categories[any(clip in "fg" for clip in clips)]
        intervals = ((0, 16),) if name == "t1" else ()
        records.append(VideoRecord(name, "test" if name == "t1" else "train", (kind,), 16 * len(rows), intervals))
    info = planted.info.replace(name="clips", title="Clips", categories=categories)
    write_json(tmp_path / "clips" / "dataset.json", info.model_dump(mode="json"))
    write_video_csv(tmp_path / "clips" / "videos.csv", VideoList(categories, tuple(records)))
    FeatureStore.write(tmp_path / "clips" / "store", contract, features.items())
    return load_dataset(tmp_path / "clips")


def test_clips_are_found(dataset):
    clips = find_clips(dataset)
    for name in clips.of:
        lengths = [len(list(group)) for _, group in itertools.groupby(clips.of[name].tolist())]
        assert lengths == [LENGTHS[clip] for clip in VIDEOS[name]], name
    first = {clip: clips.of[name][0] for name, clip in (("n1", "a"), ("n2", "b"), ("n3", "c"), ("n4", "d"))}
    assert clips.normal == {int(number) for number in first.values()}
    assert "t1" not in clips.of


def test_no_fold_tests_on_what_it_trains_on(dataset, tmp_path):
    folds = make_folds(dataset, tmp_path, 2)
    tested = []
    for fold in folds:
        parts = {
            split: np.unique(np.concatenate([fold.store.snippets(record.name).ravel() for record in fold.videos.split(split)]))
            for split in ("train", "test")
        }
        assert not np.intersect1d(parts["train"], parts["test"]).size
        tested.append(parts["test"])
        for record in fold.videos.records:
            rows = fold.store.snippets(record.name)[0].ravel()
            fights = np.isin(rows // 10, [ord("f"), ord("g")])
            assert fold.videos.is_abnormal(record) == fights.any()  # a label stays only where its reason does
            if record.split == "test":
                assert np.array_equal(record.frame_labels()[::16].astype(bool), fights)
    assert np.array_equal(np.sort(np.concatenate(tested)), np.unique(content("abcdfg")))  # each once


def test_videos_that_share_nothing_are_held_back_whole(planted_folder, tmp_path):
    dataset = load_dataset(planted_folder)
    names = {record.name for record in dataset.videos.split("train")}
    held_out = []
    for fold in make_folds(dataset, tmp_path, 3):
        parts = {
            split: {record.name.removesuffix(f"-{split}") for record in fold.videos.split(split)} for split in ("train", "test")
        }
        assert parts["train"] | parts["test"] == names and not parts["train"] & parts["test"]
        held_out += parts["test"]
    assert sorted(held_out) == sorted(names)


def test_too_few_clips(dataset, tmp_path):
    with pytest.raises(DataError, match="3 folds need as many abnormal clips, got 2"):
        make_folds(dataset, tmp_path, 3)
