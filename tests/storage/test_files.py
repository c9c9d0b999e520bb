"""Files: complete or not there at all; never unpickled; hashes."""

import errno
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from vad_lib.errors import DataError, MissingFileError, OutputError
from vad_lib.storage import hashing, reading, writing


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- writing ----------------------------------------------------------------------------------------------


def test_content_arrives_folders_are_made_and_nothing_else_is_left(tmp_path):
    target = writing.write_text(tmp_path / "new" / "folder" / "a.txt", "grün\n")
    assert target.read_bytes() == "grün\n".encode()
    assert names(target.parent) == ["a.txt"]
    writing.write_text(target, "again\n")
    assert target.read_text() == "again\n"


def test_the_temporary_file_keeps_the_suffix(tmp_path):
    with writing.atomic_path(tmp_path / "figure.png") as temporary:
        assert (temporary.suffix, temporary.parent) == (".png", tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks on files that are renamed")
def test_a_file_written_within_a_block_is_not_taken_for_an_abandoned_one(tmp_path):
    with writing.atomic_path(tmp_path / "video.mp4") as temporary:
        writing.write_text(temporary, "frames")  # as a writer does that is atomic itself
        writing.remove_abandoned(tmp_path)  # as every other process that writes into this folder does
        assert temporary.read_text() == "frames"
    assert (names(tmp_path), (tmp_path / "video.mp4").read_text()) == (["video.mp4"], "frames")


def test_a_file_that_another_process_is_about_to_remove_is_not_written(tmp_path, monkeypatch):
    """It has locked the new file first, because nobody had yet; it is still there for a moment."""
    answers = [False, True]
    monkeypatch.setattr(writing, "_lock", lambda handle: answers.pop(0))
    with writing.atomic_path(tmp_path / "a.txt") as temporary:
        (other,) = [path for path in tmp_path.iterdir() if path != temporary]
        other.unlink()
        temporary.write_text("x")
    assert (names(tmp_path), answers) == (["a.txt"], [])


def test_others_may_read_what_was_written(tmp_path):
    before = os.umask(0o022)
    try:
        target = writing.write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_whole(tmp_path, error):
    target = writing.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(error), writing.atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert (target.read_text(), names(tmp_path)) == ("old", ["a.txt"])


@pytest.mark.parametrize(
    ("write", "patched"),
    [
        (lambda path: writing.write_array(path, np.zeros(3)), "numpy.save"),
        (lambda path: writing.write_arrays(path, {"a": np.zeros(3)}), "numpy.savez_compressed"),
        (lambda path: writing.write_text(path, "new"), "pathlib.Path.write_text"),
        (lambda path: writing.write_json(path, {"a": 1}), "os.replace"),
    ],
)
def test_a_full_disk_is_an_output_error_and_changes_nothing(tmp_path, monkeypatch, write, patched):
    target = tmp_path / "result"
    target.write_bytes(b"old")
    monkeypatch.setattr(patched, full_disk)
    with pytest.raises(OutputError, match=r"cannot write .*result: No space left on device. Nothing was changed"):
        write(target)
    assert (target.read_bytes(), names(tmp_path)) == (b"old", ["result"])


def test_a_read_only_folder_is_an_output_error(tmp_path, monkeypatch):
    # Permissions do not stop root, so the refusal itself is simulated.
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(OutputError, match=r"cannot write .*a\.txt: Permission denied"):
        writing.write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path):
    (tmp_path / "results").write_text("I am a file")
    with pytest.raises(OutputError, match="choose another folder with --out"):
        writing.write_json(tmp_path / "results" / "metrics.json", {})
    assert (tmp_path / "results").read_text() == "I am a file"


def test_json_refuses_nan_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        writing.write_json(tmp_path / "metrics.json", {"auc": float("nan")})
    assert names(tmp_path) == []


def test_arrays_of_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        writing.write_array(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        writing.write_arrays(tmp_path / "a.npz", {"a": np.array([{}], dtype=object)})
    assert names(tmp_path) == []


# --- whole folders ----------------------------------------------------------------------------------------


def test_a_folder_takes_the_place_of_another(tmp_path):
    target = tmp_path / "seed1"
    target.mkdir()
    (target / "old").touch()
    partial = writing.partial_folder(target)
    partial.mkdir()
    (partial / "new").touch()
    writing.replace_folder(partial, target)
    assert (names(tmp_path), names(target)) == (["seed1"], ["new"])


def test_a_folder_that_cannot_be_moved_is_an_output_error(tmp_path, monkeypatch):
    partial = writing.partial_folder(tmp_path / "seed1")
    partial.mkdir()
    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OutputError, match=r"cannot put .*seed1\.partial in the place of"):
        writing.replace_folder(partial, tmp_path / "seed1")
    assert partial.is_dir()


def test_if_the_new_folder_cannot_move_in_the_old_one_comes_back(tmp_path):
    target = tmp_path / "seed1"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OutputError, match="in the place of"):
        writing.replace_folder(tmp_path / "never made", target)
    assert names(target) == ["old"]


# --- reading ----------------------------------------------------------------------------------------------


def test_arrays_come_back_as_they_were(tmp_path):
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    path = writing.write_array(tmp_path / "a.npy", array)
    assert np.array_equal(reading.read_array(path), array)
    mapped = reading.read_array(path, mmap=True)
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    path = writing.write_arrays(tmp_path / "a.npz", {"scores": array, "videos": np.array(["a", "b"])})
    back = reading.read_arrays(path)
    assert np.array_equal(back["scores"], array)
    assert back["videos"].tolist() == ["a", "b"]


def test_json_comes_back_as_it_was(tmp_path):
    value = {"b": [1, 0.1], "a": "ö"}
    assert list(reading.read_json(writing.write_json(tmp_path / "a.json", value)).items()) == list(value.items())


@pytest.mark.parametrize(
    ("read", "name"), [(reading.read_json, "a.json"), (reading.read_array, "a.npy"), (reading.read_arrays, "a.npz")]
)
def test_a_missing_file_is_named(tmp_path, read, name):
    with pytest.raises(MissingFileError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("content", [b'{"a": ', b"\xff\xfe\x00", b""])
def test_broken_json(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json: expected (JSON, but it does not parse|UTF-8 text)"):
        reading.read_json(tmp_path / "a.json")


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("kept", [0, 5, 60, 200])
def test_a_truncated_array(tmp_path, kept, mmap):
    path = writing.write_array(tmp_path / "a.npy", np.arange(100.0))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a\.npy: expected a plain \.npy array"):
        reading.read_array(path, mmap=mmap)


@pytest.mark.parametrize("kept", [0, 5, 60, 0.5, -10])
def test_a_truncated_archive(tmp_path, kept):
    path = writing.write_arrays(tmp_path / "a.npz", {"a": np.random.default_rng(0).random(100)})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(DataError, match=r"a\.npz: expected a plain \.npz file"):
        reading.read_arrays(path)


def test_a_damaged_byte_in_an_archive(tmp_path):
    path = writing.write_arrays(tmp_path / "a.npz", {"a": np.random.default_rng(0).random(100)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz"):
        reading.read_arrays(path)


class Trap:
    """Unpickling an instance would call :func:`os.mkdir`."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_pickled_array_is_refused_and_never_run(tmp_path):
    sprung = tmp_path / "sprung"
    array = np.array([Trap(sprung)], dtype=object)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=array)
    for mmap in (False, True):
        with pytest.raises(DataError, match="cannot be read"):
            reading.read_array(tmp_path / "a.npy", mmap=mmap)
    with pytest.raises(DataError, match=r"a\.npz"):
        reading.read_arrays(tmp_path / "a.npz")
    array.dump(tmp_path / "bare.npy")
    with pytest.raises(DataError, match=r"bare\.npy"):
        reading.read_array(tmp_path / "bare.npy")
    assert not sprung.exists()


def test_one_format_in_place_of_the_other(tmp_path):
    writing.write_array(tmp_path / "a.npy", np.zeros(3)).rename(tmp_path / "array.npz")
    writing.write_arrays(tmp_path / "a.npz", {"a": np.zeros(3)}).rename(tmp_path / "archive.npy")
    with pytest.raises(DataError, match=r"array\.npz"):
        reading.read_arrays(tmp_path / "array.npz")
    with pytest.raises(DataError, match=r"archive\.npy"):
        reading.read_array(tmp_path / "archive.npy")


# --- hashes -----------------------------------------------------------------------------------------------


def test_file_hash_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert hashing.file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_content_hash_ignores_the_order_of_keys_only():
    assert hashing.content_hash({"a": 1, "b": [1, 2]}) == hashing.content_hash({"b": [1, 2], "a": 1})
    assert hashing.content_hash([1, 2]) != hashing.content_hash([2, 1])
    assert hashing.content_hash({"a": 1}) != hashing.content_hash({"a": 1.5})


@pytest.mark.parametrize("value", [np.zeros(3000), Path("a"), {1, 2}, np.float32(1)])
def test_content_hash_takes_what_json_can_hold_only(value):
    with pytest.raises(TypeError, match="not JSON serializable"):
        hashing.content_hash({"x": value})
