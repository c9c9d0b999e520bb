"""Segments and the feature store; every wrong input is named and never harms the store that is there."""

import errno
import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from vad_lib.data import snippets as data_snippets
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.segments import make_segments, segment_means
from vad_lib.errors import ConfigError, DataError, MissingFileError, OutputError

CONTRACT = FeatureContract(dimension=8, crops=data_snippets.CROP_NAMES[5], dtype="float32", weights_sha256="abc", source="made up")


def made_up(lengths=(3, 1, 7), contract: FeatureContract = CONTRACT) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shape = (len(contract.crops), 0, contract.dimension)
    return {f"v{i}": generator.random((shape[0], length, shape[2]), dtype=np.float32) for i, length in enumerate(lengths)}


def same_files(folder: Path, before: dict[str, bytes]) -> bool:
    return {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore.write(tmp_path / "features", CONTRACT, made_up().items())


# --- segments -----------------------------------------------------------------------------------------
def test_segments_by_hand():
    rows = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]], dtype=np.float16)
    # five rows into two: boundaries 0, trunc(2.5), 5
    assert segment_means(rows, 2).tolist() == [[0.5], [5.0]]
    # two rows into five: boundaries 0, 0, 0, 1, 1, 2; an empty span is the row at its start
    assert segment_means(rows[3:], 5).ravel().tolist() == [3.0, 3.0, 3.0, 10.0, 10.0]
    assert segment_means(rows, 5).dtype == np.float32
    crops = np.stack([rows, rows + 1])
    assert segment_means(crops, 1).ravel().tolist() == pytest.approx([3.2, 4.2])
    for wrong in (lambda: segment_means(rows[:0], 2), lambda: segment_means(rows, 0)):
        with pytest.raises(DataError, match="at least 1 snippet and 1 segment"):
            wrong()


@pytest.mark.parametrize(("length", "bound", "found"), [(58, 100, 28), (70, 180, 62), (116, 100, 57)])
def test_bounds_of_segments_are_rounded_as_in_the_public_codes(length, bound, found):
    """One below those of whole numbers, where the public codes are: numpy's linspace has 28.999... for 100 * 58 / 200."""
    rows = np.arange(float(length))[:, None]
    assert segment_means(rows, 200)[bound, 0] == found == bound * length // 200 - 1


def test_segments_against_known_answers(shared):
    with np.load(shared / "oracles" / "resample.npz", allow_pickle=False) as answers:
        for key in answers.files:
            length, count = map(int, key[1:].split("_N"))
            rows = np.sin(0.11 * np.arange(length)[:, None] + 0.7 * np.arange(4)).astype(np.float32)
            np.testing.assert_allclose(segment_means(rows, count), answers[key], rtol=1e-6, atol=1e-6)


# --- the store ----------------------------------------------------------------------------------------
def test_what_is_written_comes_back(store):
    again = FeatureStore.open(store.folder, expect={"dimension": 8, "crops": list(CONTRACT.crops)}, verify=True)
    assert again.videos == ("v0", "v1", "v2")
    assert (again.num_crops, again.dimension, again.contract) == (5, 8, CONTRACT)
    for name, values in made_up().items():
        assert again.num_snippets(name) == values.shape[1]
        assert (again.snippets(name) == values).all()
    with pytest.raises(ValueError, match="read-only"):
        again.snippets("v0")[:] = 0
    with pytest.raises(DataError, match="no features of video 'v9'"):
        again.snippets("v9")
    index = next(store.folder.glob("index-*.csv")).read_text().splitlines()
    assert index[:3] == ["video,crop,offset,length,source_sha256", "v0,centre,0,3,", "v0,top_left,3,3,"]


def test_half_precision_rounds(tmp_path):
    contract = CONTRACT.replace(dtype="float16")
    store = FeatureStore.write(tmp_path, contract, made_up().items())
    assert store.snippets("v2").dtype == np.float16
    assert (store.snippets("v2") == made_up()["v2"].astype(np.float16)).all()


def test_content_hash_identifies_features(store, tmp_path):
    same = FeatureStore.write(tmp_path / "same", CONTRACT, made_up().items())
    assert same.content_hash == store.content_hash
    changed = made_up()
    changed["v1"][0, 0, 0] += 1
    others = [
        FeatureStore.write(tmp_path / "changed", CONTRACT, changed.items()),
        FeatureStore.write(tmp_path / "order", CONTRACT, list(made_up().items())[::-1]),
        FeatureStore.write(tmp_path / "note", CONTRACT.replace(weights_note="random"), made_up().items()),
    ]
    assert len({store.content_hash, *(other.content_hash for other in others)}) == 4


def test_three_ways_of_segmenting(store):
    snippets = np.arange(6.0)[:, None]
    assert make_segments(snippets, 3, "means").ravel().tolist() == [0.5, 2.5, 4.5]
    assert make_segments(snippets, 3, "means_or_pad").ravel().tolist() == [0.5, 2.5, 4.5]
    assert make_segments(snippets, 3, "picks_or_pad").ravel().tolist() == [0, 2, 5]
    assert make_segments(snippets, 8, "means").ravel().tolist() == [0, 0, 1, 2, 3, 3, 4, 5]
    for segmenting in ("means_or_pad", "picks_or_pad"):
        assert make_segments(snippets, 8, segmenting).ravel().tolist() == [0, 1, 2, 3, 4, 5, 0, 0]
        assert (store.segments(4, segmenting) != store.segments(4)).any()


def test_segments_are_made_once_and_go_with_their_store(store):
    segments = store.segments(4)
    assert segments.shape == (3, 5, 4, 8)
    for row, values in zip(segments, made_up().values()):
        np.testing.assert_allclose(row, segment_means(values, 4))
    file = next(store.folder.glob("segments-4-*.npy"))
    made = file.stat().st_mtime_ns
    assert (FeatureStore.open(store.folder).segments(4) == segments).all()
    assert file.stat().st_mtime_ns == made

    new = FeatureStore.write(store.folder, CONTRACT, made_up((2, 2)).items())
    assert not file.exists()
    assert new.segments(4).shape == (2, 5, 4, 8)
    assert len(list(store.folder.iterdir())) == 4  # three of the store, one of segments
    # a store that was opened before goes on reading its own bytes
    assert (store.snippets("v2") == made_up()["v2"]).all()


def test_memory_does_not_grow_with_videos(tmp_path):
    values = np.ones((5, 64, 128), np.float32)  # 160 KiB

    def peak(count: int) -> int:
        tracemalloc.start()
        FeatureStore.write(tmp_path / str(count), CONTRACT.replace(dimension=128), ((f"v{i}", values) for i in range(count)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # 240 videos more are 38 MiB more on disk; in memory only the index grows
    assert peak(250) - peak(10) < 1 << 20


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((5, 3, 9), np.float32), "video bad: expected features of width 8, got 9"),
        (np.ones((10, 3, 8), np.float32), r"video bad: 5 crops are declared \(centre, .*\), got 10"),
        (np.ones((5, 0, 8), np.float32), "video bad: expected at least one snippet, got none"),
        (np.full((5, 3, 8), np.nan, np.float32), "video bad: a feature is NaN or infinite"),
        (np.full((5, 3, 8), -np.inf, np.float32), "video bad: a feature is NaN or infinite"),
        (np.full((5, 3, 8), 1e39), "video bad: a feature is too large for float32"),
        (np.ones((3, 8), np.float32), r"video bad: expected float features .*got float32 \(3, 8\)"),
        (np.ones((5, 3, 8), int), "video bad: expected float features.*got int64"),
        (np.full((5, 3, 8), None), "video bad: expected float features.*got object"),
        ([1.0], "video bad: expected float features.*got list"),
    ],
)
def test_wrong_features_are_named_and_the_old_store_stays(store, values, message):
    before = {path.name: path.read_bytes() for path in store.folder.iterdir()}
    with pytest.raises(DataError, match=message):
        FeatureStore.write(store.folder, CONTRACT, [("good", made_up()["v0"]), ("bad", values)])
    assert same_files(store.folder, before)


def test_a_name_twice_and_no_video_at_all(store):
    with pytest.raises(DataError, match="video v0: features came twice"):
        FeatureStore.write(store.folder, CONTRACT, [("v0", made_up()["v0"])] * 2)
    with pytest.raises(DataError, match="at least one video"):
        FeatureStore.write(store.folder, CONTRACT, [])
    assert FeatureStore.open(store.folder, verify=True).videos == store.videos


@pytest.mark.parametrize("fail_at", [0, 1, 2, 3])
def test_a_full_disk_leaves_the_old_store(store, monkeypatch, fail_at):
    """Every rename of a write fails once: the staged features, their last name, the index, the sidecar."""
    before = {path.name: path.read_bytes() for path in store.folder.iterdir()}
    calls = []

    def full(source, target):
        calls.append(target)
        if len(calls) == fail_at + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(source, target)

    rename = os.rename
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        FeatureStore.write(store.folder, CONTRACT, made_up((2, 2)).items())
    monkeypatch.undo()
    assert len(calls) == fail_at + 1
    assert {name: (store.folder / name).read_bytes() for name in before} == before
    assert FeatureStore.open(store.folder, verify=True).content_hash == store.content_hash


def test_a_disk_that_fills_while_features_stream(store):
    before = {path.name: path.read_bytes() for path in store.folder.iterdir()}

    def items():
        yield "v0", made_up()["v0"]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"No space left.*Nothing was changed"):
        FeatureStore.write(store.folder, CONTRACT, items())
    assert same_files(store.folder, before)


def test_a_source_that_is_missing_is_not_called_a_full_disk(store):
    def items():
        yield "v0", made_up()["v0"]
        raise MissingFileError("gone.npy: no such file")

    with pytest.raises(MissingFileError, match=r"gone\.npy"):
        FeatureStore.write(store.folder, CONTRACT, items())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        FeatureStore.write(tmp_path / "file" / "features", CONTRACT, made_up().items())


def test_a_read_only_folder(store, monkeypatch):
    def refused(**_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # simulated, because the superuser may write into read-only folders
    monkeypatch.setattr("tempfile.mkstemp", refused)
    with pytest.raises(OutputError, match="Permission denied"):
        store.segments(4)
    with pytest.raises(OutputError, match="Permission denied"):
        FeatureStore.write(store.folder, CONTRACT, made_up((2,)).items())
    assert FeatureStore.open(store.folder, verify=True).videos == store.videos


def test_a_missing_store_or_file(store, tmp_path):
    with pytest.raises(MissingFileError, match=r"no feature store here \(store.json is missing\)"):
        FeatureStore.open(tmp_path / "nothing")
    for pattern in ("snippets-*.npy", "index-*.csv"):
        file = next(store.folder.glob(pattern))
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(MissingFileError, match=rf"{file.name}: a file of the feature store is missing"):
            FeatureStore.open(store.folder)
        file.write_bytes(content)


def test_the_contract_is_checked(store):
    with pytest.raises(DataError, match="dimension of the features is 8, expected 1024"):
        FeatureStore.open(store.folder, expect={"dimension": 1024})
    with pytest.raises(DataError, match=r"crops of the features is \('centre', .*expected \('centre',\)"):
        FeatureStore.open(store.folder, expect={"crops": ("centre",)})
    with pytest.raises(ConfigError, match="unknown field 'width'"):
        FeatureStore.open(store.folder, expect={"width": 8})


def test_damaged_files(store):
    data, index, sidecar = (next(store.folder.glob(p)) for p in ("snippets-*.npy", "index-*.csv", "store.json"))
    good = data.read_bytes()

    data.write_bytes(good[:-100])
    with pytest.raises(DataError, match=rf"{data.name}: expected a plain .npy array.*truncated"):
        FeatureStore.open(store.folder)

    data.write_bytes(good[:-4] + b"\0\0\0\0")
    FeatureStore.open(store.folder)  # by size it is right
    with pytest.raises(DataError, match=rf"{data.name}: its bytes are not those that were written"):
        FeatureStore.open(store.folder, verify=True)

    np.save(data, np.array([None]), allow_pickle=True)
    with pytest.raises(DataError, match="pickled objects, which are never loaded"):
        FeatureStore.open(store.folder)

    np.save(data, np.zeros((5, 8), np.float32))
    with pytest.raises(DataError, match=r"expected float32 \(55, 8\) by contract and index, got float32 \(5, 8\)"):
        FeatureStore.open(store.folder)
    data.write_bytes(good)

    text = index.read_text()
    index.write_text(text.replace("v1", "vX"))
    with pytest.raises(DataError, match=rf"{index.name}: its bytes are not"):
        FeatureStore.open(store.folder)
    index.write_text(text)

    content = json.loads(sidecar.read_text())
    for change, message in [
        ({"format": 99}, "expected store format 1, got 99"),
        ({"contract": {"width": 3}}, "not the sidecar of a feature store"),
        ({"data": {}}, "not the sidecar of a feature store"),
    ]:
        sidecar.write_text(json.dumps(content | change))
        with pytest.raises(DataError, match=message):
            FeatureStore.open(store.folder)
    sidecar.write_text("{")
    with pytest.raises(DataError, match="expected JSON"):
        FeatureStore.open(store.folder)
