"""Extraction: the right numbers, nothing twice, and a bad video or a full disk harms nothing that is there."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from vad_lib.config import FeatureSettings
from vad_lib.data import extraction_workers, video_writing
from vad_lib.data import snippets as data_snippets
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.extraction import extract_dataset
from vad_lib.data.feature_store import FeatureStore
from vad_lib.errors import ConfigError, MissingFileError, OutputError

SETTINGS = FeatureSettings(short_side=40, crop_size=32, num_crops=5, batch_size=3, weights="random", dtype="float32")


@pytest.fixture(scope="module")
def network():
    return load_i3d("random")


@pytest.fixture
def loaded(network, monkeypatch):
    """The network, loaded once for all tests; counts the snippets that it sees."""
    seen = []

    class Counting(I3D):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.weights_sha256, self.weights_note = network.weights_sha256, network.weights_note

        def forward(self, snippets):
            seen.append(len(snippets))
            return network(snippets)

    monkeypatch.setattr(extraction_workers, "load_i3d", lambda weights: Counting())
    return seen


def noise_frames(count: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [np.kron(generator.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(count)]


@pytest.fixture
def videos(tmp_path) -> Path:
    folder = tmp_path / "videos"
    for name, count in (("a", 37), ("b", 16), ("c", 20)):
        video_writing.write_video(folder / f"{name}.mp4", noise_frames(count, ord(name)), fps=25)
    return folder


def test_extraction_is_crop_by_crop_what_i3d_says(videos, tmp_path, network, loaded, capsys):
    report = extract_dataset(videos, ["b", "a"], tmp_path / "store", SETTINGS)
    store = report.store
    assert store.videos == report.done == ("b", "a")
    assert (report.skipped, report.failures) == ((), {})
    assert store.contract.crops == data_snippets.CROP_NAMES[5]
    assert store.contract.weights_note == "random I3D weights"
    assert store.contract.weights_sha256 == network.weights_sha256
    assert [store.num_snippets(name) for name in ("b", "a")] == [1, 3]  # ceil(frames / 16)
    for position, snippet in enumerate(data_snippets.read_snippets(videos / "a.mp4", 40, 32)):
        expected = network(data_snippets.network_input(data_snippets.crop_views(snippet, 32, 5))).numpy()
        np.testing.assert_allclose(store.snippets("a")[:, position], expected, rtol=1e-3, atol=1e-4)
    assert sum(loaded) == 20  # four snippets of five crops
    assert max(loaded) == SETTINGS.batch_size
    assert "2 videos extracted, 0 were there already, 0 failed" in capsys.readouterr().out


def test_nothing_is_repeated_and_changes_are_noticed(videos, tmp_path, loaded):
    first = extract_dataset(videos, ["a", "b"], tmp_path / "store", SETTINGS, progress=False).store
    loaded.clear()
    again = extract_dataset(videos, ["a", "b"], tmp_path / "store", SETTINGS, progress=False)
    assert (again.done, again.skipped, loaded) == ((), ("a", "b"), [])
    assert again.store.content_hash == first.content_hash

    more = extract_dataset(videos, ["c", "b"], tmp_path / "store", SETTINGS, progress=False)
    assert (more.done, more.skipped, more.store.videos) == (("c",), ("b",), ("c", "b"))
    assert (more.store.snippets("b") == first.snippets("b")).all()

    video_writing.write_video(videos / "b.mp4", noise_frames(16, 99), fps=25)
    changed = extract_dataset(videos, ["c", "b"], tmp_path / "store", SETTINGS, progress=False)
    assert (changed.done, changed.skipped) == (("b",), ("c",))
    assert not np.allclose(changed.store.snippets("b"), first.snippets("b"))

    other = extract_dataset(videos, ["c", "b"], tmp_path / "store", SETTINGS.replace(dtype="float16"), progress=False)
    assert other.done == ("c", "b")
    assert other.store.contract.dtype == "float16"


def test_an_interrupted_extraction_goes_on_where_it_was(videos, tmp_path, loaded, monkeypatch):
    whole = extract_dataset(videos, ["a", "b", "c"], tmp_path / "whole", SETTINGS, progress=False).store

    def interrupted(path, *sizes):
        if path.name == "c.mp4":
            raise KeyboardInterrupt
        return data_snippets.read_snippets(path, *sizes)

    monkeypatch.setattr(extraction_workers, "read_snippets", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract_dataset(videos, ["a", "b", "c"], tmp_path / "store", SETTINGS, progress=False)
    monkeypatch.setattr(extraction_workers, "read_snippets", data_snippets.read_snippets)
    loaded.clear()
    report = extract_dataset(videos, ["a", "b", "c"], tmp_path / "store", SETTINGS, progress=False)
    assert (report.done, report.skipped, sum(loaded)) == (("c",), ("a", "b"), 10)
    assert report.store.content_hash == whole.content_hash
    assert not list((tmp_path / "store").glob("parts-*"))


def test_one_bad_video_does_not_stop_the_others(videos, tmp_path, loaded, capsys):
    (videos / "bad.mp4").write_text("no video")
    report = extract_dataset(videos, ["bad", "a", "gone", "b"], tmp_path / "store", SETTINGS)
    assert report.store.videos == report.done == ("a", "b")
    assert list(report.failures) == ["gone", "bad"]
    assert "bad.mp4: expected a video" in report.failures["bad"]
    assert "gone: no such video" in report.failures["gone"]
    assert "2 failed\n  gone: " in capsys.readouterr().out.replace(str(videos) + "/", "")

    none = extract_dataset(videos, ["bad"], tmp_path / "store", SETTINGS, progress=False)
    assert none.store is None
    assert FeatureStore.open(tmp_path / "store").videos == ("a", "b")


def test_the_longest_names_that_a_file_can_have(videos, tmp_path, loaded):
    long = ["x" * 250 + "1", "x" * 250 + "2"]
    for video, name in zip("ab", long):
        (videos / f"{video}.mp4").rename(videos / f"{name}.mp4")
    report = extract_dataset(videos, long, tmp_path / "store", SETTINGS, progress=False)
    assert report.done == tuple(long) and [report.store.num_snippets(name) for name in long] == [3, 1]


def test_a_full_disk_stops_the_extraction(videos, tmp_path, loaded, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        extract_dataset(videos, ["a", "b"], tmp_path / "store", SETTINGS, progress=False)
    monkeypatch.undo()
    assert extract_dataset(videos, ["a", "b"], tmp_path / "store", SETTINGS, progress=False).store.videos == ("a", "b")


def test_wrong_requests(videos, tmp_path, loaded):
    with pytest.raises(ConfigError, match="listed twice"):
        extract_dataset(videos, ["a", "a"], tmp_path / "store", SETTINGS)
    with pytest.raises(ConfigError, match="crop_size 64 is larger than short_side 40"):
        extract_dataset(videos, ["a"], tmp_path / "store", SETTINGS.replace(crop_size=64))


def test_missing_weights_stop_before_anything_is_written(videos, tmp_path, monkeypatch):
    monkeypatch.setenv("VAD_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MissingFileError, match="--fetch"):
        extract_dataset(videos, ["a"], tmp_path / "store", SETTINGS.replace(weights="kinetics400"))
    assert not (tmp_path / "store").exists()
