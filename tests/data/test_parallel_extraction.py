"""Extraction by several processes: the serial store, byte for byte, whoever dies on the way."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from distributed import Client, LocalCluster

from vad_lib.config import FeatureSettings
from vad_lib.data import extraction, extraction_workers, video_writing
from vad_lib.data.extraction import extract_dataset
from vad_lib.data.feature_store import FeatureStore
from vad_lib.errors import ConfigError, ExtractionError

SETTINGS = FeatureSettings(short_side=40, crop_size=32, num_crops=5, batch_size=3, weights="random", dtype="float32")
LENGTHS = {"a": 37, "b": 16, "c": 40, "d": 20, "e": 33}


@pytest.fixture(autouse=True)
def one_thread():
    """As many threads as workers give torch, so that sums come out the same to the last digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for seed, (name, count) in enumerate(LENGTHS.items()):
        generator = np.random.default_rng(seed)
        frames = [np.kron(generator.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(count)]
        video_writing.write_video(folder / f"{name}.mp4", frames, fps=25)
    (folder / "bad.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def serial(videos, tmp_path_factory) -> FeatureStore:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    store = extract_dataset(videos, list(LENGTHS), tmp_path_factory.mktemp("serial"), SETTINGS, progress=False).store
    torch.set_num_threads(threads)
    return store


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as started:
        yield started.scheduler_address


def same_bytes(one: FeatureStore, other: FeatureStore) -> bool:
    files = {path.name: path.read_bytes() for path in one.folder.iterdir()}
    return files == {path.name: path.read_bytes() for path in other.folder.iterdir()}


def dying_at(name: str, survives: Path | None):
    """Stands for the work on a video: kills its process after the first snippet of ``name``, once if ``survives`` is given."""

    def work(video_name, *rest, **settings):
        from vad_lib.data import extraction_workers

        if video_name == name and not (survives and survives.exists()):
            if survives:
                survives.touch()
            read = extraction_workers.read_snippets

            def cut_off(*sizes):
                yield next(read(*sizes))
                os.kill(os.getpid(), signal.SIGKILL)

            extraction_workers.read_snippets = cut_off
        return extraction_workers.work(video_name, *rest, **settings)

    return work


@pytest.mark.slow
def test_processes_make_the_serial_store(videos, serial, tmp_path):
    names = [*LENGTHS, "bad", "gone"]
    report = extract_dataset(videos, names, tmp_path / "store", SETTINGS, progress=False, jobs=2)
    assert same_bytes(report.store, serial)
    assert (report.done, report.skipped) == (tuple(LENGTHS), ())
    alone = extract_dataset(videos, names, tmp_path / "alone", SETTINGS, progress=False)
    assert (list(report.failures.items()), str(report)) == (list(alone.failures.items()), str(alone))
    again = extract_dataset(videos, names, tmp_path / "store", SETTINGS, progress=False, jobs=2)
    assert (again.done, again.skipped) == ((), tuple(LENGTHS))


@pytest.mark.slow
def test_a_killed_process_is_an_error_that_keeps_what_is_finished(videos, serial, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction_workers, "work", dying_at("b", None))  # the shortest, so the last to begin
    with pytest.raises(ExtractionError, match=r"one of 2 processes was killed.*run the same command again"):
        extract_dataset(videos, list(LENGTHS), tmp_path / "store", SETTINGS, progress=False, jobs=2)
    finished = {path.name[0] for path in (tmp_path / "store").glob("parts-*/[a-z]*.npy")}
    assert finished and "b" not in finished
    monkeypatch.undo()
    report = extract_dataset(videos, list(LENGTHS), tmp_path / "store", SETTINGS, progress=False)
    assert set(report.skipped) == finished
    assert same_bytes(report.store, serial)


@pytest.mark.slow
def test_a_cluster_goes_on_when_a_worker_is_killed(videos, serial, tmp_path, cluster, monkeypatch):
    killed = tmp_path / "killed"
    monkeypatch.setattr(extraction_workers, "work", dying_at("d", killed))
    report = extract_dataset(
        videos, [*LENGTHS, "bad"], tmp_path / "store", SETTINGS, progress=False, backend="dask", scheduler=cluster
    )
    assert killed.exists()
    assert same_bytes(report.store, serial)
    assert (report.done, list(report.failures)) == (tuple(LENGTHS), ["bad"])


@pytest.mark.slow
def test_a_video_that_kills_every_worker_is_a_failure(videos, serial, tmp_path, cluster, monkeypatch):
    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)  # one of another test's may still be starting again
    monkeypatch.setattr(extraction_workers, "work", dying_at("b", None))
    report = extract_dataset(videos, list(LENGTHS), tmp_path / "store", SETTINGS, progress=False, backend="dask", scheduler=cluster)
    assert list(report.failures) == ["b"] and "2 workers died" in report.failures["b"]
    assert report.store.videos == ("a", "c", "d", "e")
    monkeypatch.undo()
    again = extract_dataset(videos, list(LENGTHS), tmp_path / "store", SETTINGS, progress=False)
    assert again.done == ("b",)
    assert same_bytes(again.store, serial)


def test_other_weights_of_a_worker_are_refused(videos, tmp_path, monkeypatch):
    class Other:
        weights_sha256 = "0" * 64

    monkeypatch.setattr(extraction_workers, "backbone", lambda weights, device: Other())
    with pytest.raises(ExtractionError, match="this worker's weights 'random' have the hash 000000000000, expected abc"):
        extraction_workers.work("a", videos / "a.mp4", tmp_path / "a.npy", SETTINGS, "cpu", "abc", counted=False)


def test_wrong_requests(videos, tmp_path, monkeypatch):
    for wrong in ({"jobs": 0}, {"backend": "dask"}, {"scheduler": "tcp://127.0.0.1:1"}, {"backend": "threads"}):
        with pytest.raises(ConfigError, match="expected jobs of 1 or more"):
            extract_dataset(videos, ["a"], tmp_path / "store", SETTINGS, progress=False, **wrong)
    monkeypatch.setattr(extraction_workers, "CONNECT_SECONDS", 1)
    with pytest.raises(ExtractionError, match=r"expected a Dask scheduler at tcp://127.0.0.1:1, none answers"):
        extract_dataset(videos, ["a"], tmp_path / "store", SETTINGS, progress=False, backend="dask", scheduler="tcp://127.0.0.1:1")


def test_the_command_line(planted_folder, tmp_path, monkeypatch, capsys):
    assert extraction.main(["--dataset", "none", "--data", str(tmp_path), "--jobs", "2"]) == 1
    assert "error: data set" in capsys.readouterr().err
    asked = {}

    def extract(*positional, **keywords):
        asked.update(keywords, names=positional[1])
        return extraction.ExtractionReport(None, (), (), {"x": "no such video"})

    monkeypatch.setattr(extraction, "extract_dataset", extract)
    data = ["--dataset", planted_folder.name, "--data", str(planted_folder.parent)]
    assert extraction.main([*data, "--backend", "dask", "--scheduler", "tcp://host:8786"]) == 1  # a video failed
    assert (asked["jobs"], asked["backend"], asked["scheduler"], len(asked["names"])) == (1, "dask", "tcp://host:8786", 52)
