"""What arguments mean, and the names of the folders of results."""

import os
import sys

import pytest

from vad_lib.data.finding import printable
from vad_lib.deployment.inputs import RECORD, Footage, find_inputs, folder_name, named, scored_records
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.writing import write_json


@pytest.fixture
def footage(tmp_path):
    """Nested folders; what is no footage lies there too."""
    names = (
        "a.mp4",
        "B.AVI",
        "cam1/x.mkv",
        "cam1/deep/er/y.mp4",
        "cam2/x.mp4",
        ".hidden.mp4",
        ".trash/z.mp4",
        "notes.txt",
        "a.jpg",
    )
    for name in names:
        path = tmp_path / "footage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "footage"


def found(*arguments):
    inputs = find_inputs(arguments)
    assert not inputs.failures
    assert all(path.is_absolute() for path in inputs.videos)
    return [path.name if path.parent.name == "footage" else f"{path.parent.name}/{path.name}" for path in inputs.videos]


def test_a_file_several_and_a_folder(footage):
    assert found(footage / "a.mp4") == ["a.mp4"]
    assert found(str(footage / "B.AVI"), footage / "a.mp4") == ["B.AVI", "a.mp4"]
    assert found(footage) == ["B.AVI", "a.mp4", "er/y.mp4", "cam1/x.mkv", "cam2/x.mp4"]
    assert found(footage / "a.mp4", footage, footage / "a.mp4")[0] == "a.mp4"
    assert len(found(footage / "a.mp4", footage)) == 5  # each once


def test_any_file_that_is_named_is_a_video(footage):
    assert found(footage / "a.jpg") == ["a.jpg"]  # whether it can be decoded shows later


def test_patterns(footage, monkeypatch):
    assert found(f"{footage}/*.mp4") == ["a.mp4"]
    assert found(f"{footage}/cam*/x.*") == ["cam1/x.mkv", "cam2/x.mp4"]
    assert found(f"{footage}/**/*.mp4") == ["a.mp4", "er/y.mp4", "cam2/x.mp4"]
    assert found(f"{footage}/cam*") == ["er/y.mp4", "cam1/x.mkv", "cam2/x.mp4"]  # folders are searched
    monkeypatch.chdir(footage)
    assert found("*.AVI") == ["B.AVI"]
    (footage / "[day] 1.mp4").write_bytes(b"")
    assert found("[day] 1.mp4") == ["[day] 1.mp4"]  # a file of that very name is no pattern


def test_a_list_counts_from_its_own_folder(footage, tmp_path):
    (tmp_path / "list.txt").write_bytes(
        b"\xef\xbb\xbf# cameras\r\nfootage/a.mp4\r\n\r\n  footage/cam1  \n"
        + os.fsencode(footage / "B.AVI")
        + b"\nfootage/none.mp4\n"
    )
    inputs = find_inputs([tmp_path / "list.txt"])
    assert [path.name for path in inputs.videos] == ["a.mp4", "y.mp4", "x.mkv", "B.AVI"]
    (failure,) = inputs.failures.items()
    assert failure[0] == f"{tmp_path}/list.txt, line 6"
    assert "none.mp4: no such file or folder" in failure[1]


def test_a_list_that_names_itself(footage, tmp_path):
    (tmp_path / "list.txt").write_text("list.txt\nfootage/a.mp4\nother.txt\n")
    (tmp_path / "other.txt").write_text("footage/B.AVI\nlist.txt\n")
    inputs = find_inputs([tmp_path / "list.txt"])
    assert [path.name for path in inputs.videos] == ["a.mp4", "B.AVI"]
    assert list(inputs.failures) == [f"{tmp_path}/list.txt, line 1", f"{tmp_path}/other.txt, line 2"]
    assert all("remove the line" in message for message in inputs.failures.values())


def test_a_folder_that_cannot_be_read_is_said(footage, monkeypatch):
    scan, closed = os.scandir, {str(footage / "cam1"), str(footage / ".trash")}

    def refused(path):
        if path in closed:
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    inputs = find_inputs([footage])
    assert [path.name for path in inputs.videos] == ["B.AVI", "a.mp4", "x.mp4"]
    assert list(inputs.failures) == [str(footage / "cam1")]
    assert "got 'Permission denied'; its videos are left out" in inputs.failures[str(footage / "cam1")]


def test_what_names_nothing(footage, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "bytes.txt").write_bytes(b"a\0b")
    cases = [
        (MissingFileError, tmp_path / "none.mp4", "no such file or folder"),
        (MissingFileError, f"{footage}/*.webm", "no video fits it as a pattern"),
        (MissingFileError, f"{footage}/*.jpg", "no video fits it as a pattern"),
        (MissingFileError, tmp_path / "empty", "expected at least one video, found none; endings looked for: .mp4"),
        (MissingFileError, tmp_path / "empty.txt", "found none"),
        (DataError, tmp_path / "bytes.txt", "NUL bytes"),
        (ConfigError, "rtsp://camera/1", "is a stream or a device; score it with .*live rtsp://camera/1"),
        (ConfigError, "/dev/null", "is a stream or a device"),
    ]
    for kind, argument, said in cases:
        with pytest.raises(kind, match=said):
            find_inputs([argument])
    with pytest.raises(ConfigError, match="got none"):
        find_inputs([])


def test_earlier_results_are_no_footage(footage):
    for folder in ("results/yard", "yard"):
        (footage / folder / "clips").mkdir(parents=True)
        (footage / folder / "clips" / "event_001.mp4").write_bytes(b"")
        (footage / folder / RECORD).write_text("{}")
    assert len(found(footage)) == 5
    assert len(found(f"{footage}/**/*")) == 5
    with pytest.raises(MissingFileError, match="no video fits it"):
        find_inputs([f"{footage}/*/clips/*.mp4"])
    clip = footage / "yard" / "clips" / "event_001.mp4"
    assert find_inputs([clip]).videos == find_inputs([clip.parent]).videos == (clip,)  # who names it means it


def test_links_that_lead_out_are_refused_one_by_one(footage, tmp_path, monkeypatch):
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"")
    (footage / "link.mp4").symlink_to(outside)
    inputs = find_inputs([footage])
    assert len(inputs.videos) == 5
    assert "leads out of" in inputs.failures[str(footage / "link.mp4")]
    monkeypatch.setenv("VAD_FOLLOW_LINKS", "1")
    assert len(find_inputs([footage]).videos) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="only here are names plain bytes")
def test_names_that_are_no_text(footage, tmp_path):
    odd = os.fsencode(footage) + b"/cam\xff:1.mp4"
    with open(odd, "wb"):
        pass
    (tmp_path / "list.txt").write_bytes(b"footage/cam\xff:1.mp4\n")
    for argument in (footage, tmp_path / "list.txt", os.fsdecode(odd), f"{footage}/cam*1.mp4"):
        videos = find_inputs([argument]).videos
        (name,) = [video.name for video in named(videos, tmp_path / "out") if "cam" in video.name]
        assert name == "cam__1"
        assert os.fsencode(next(path for path in videos if "cam\udcff" in path.name)) == odd
    assert printable(os.fsdecode(odd)).endswith("/cam\\xff:1.mp4")
    printable(os.fsdecode(odd)).encode()


# --- folder names -----------------------------------------------------------------------------------


def record(out, name, path, **more):
    write_json(out / name / RECORD, {"video": str(path), **more})


def names(videos, out):
    return [video.name for video in named(videos, out)]


def test_names_are_distinct_and_stay(tmp_path):
    out = tmp_path / "out"
    videos = [tmp_path / name for name in ("1/yard.mp4", "2/yard.mp4", "2/Yard.avi", "features.mp4", "index.html.mp4")]
    expected = ["yard", "yard-2", "Yard-3", "features-2", "index.html-2"]
    assert names(videos, out) == expected
    for name, video in zip(expected, videos):
        record(out, name, video)
    assert names(videos[::-1], out) == expected[::-1]
    assert names([tmp_path / "0" / "yard.mp4", *videos], out) == ["yard-4", *expected]


def test_folders_of_others_are_passed_over(tmp_path):
    (tmp_path / "yard").mkdir()  # perhaps with footage
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / RECORD).write_text("{")
    assert names([tmp_path / "yard.mp4", tmp_path / "broken.mp4"], tmp_path) == ["yard-2", "broken-2"]


def test_a_video_that_was_moved_keeps_its_folder(tmp_path):
    moved, other = tmp_path / "new" / "yard.mp4", tmp_path / "new2" / "yard.mp4"
    for path, content in ((moved, b"moved"), (other, b"other")):
        path.parent.mkdir()
        path.write_bytes(content)
    out = tmp_path / "out"
    record(out, "yard", tmp_path / "old" / "yard.mp4", sha256=file_sha256(moved))
    assert names([other, moved], out) == ["yard-2", "yard"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "yard.mp4").write_bytes(b"moved")  # a copy, not moved
    assert names([moved], out) == ["yard-2"]


def test_what_a_killed_process_left_holds_no_results(tmp_path):
    for name in (".yard.old", ".yard.partial"):
        record(tmp_path, name, tmp_path / "yard.mp4")
    assert scored_records(tmp_path) == [] and names([tmp_path / "yard.mp4"], tmp_path) == ["yard"]


def test_one_video_that_cannot_be_read_stops_no_other(tmp_path, monkeypatch):
    (tmp_path / "yard.mp4").write_bytes(b"")
    record(tmp_path, "yard", tmp_path / "gone" / "yard.mp4", sha256="1")

    def closed(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("vad_lib.deployment.inputs.file_sha256", closed)
    assert names([tmp_path / "yard.mp4"], tmp_path) == ["yard-2"]


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("a b", "a b"),
        ("cam:1", "cam_1"),
        ('a<b>"|?*', "a_b_____"),
        (" .. x. ", "x"),
        ("...", "video"),
        ("ü" * 80, "ü" * 50),
        ("a\nb", "a_b"),
    ],
)
def test_folder_names_are_plain_everywhere(tmp_path, stem, expected):
    assert folder_name(tmp_path / f"{stem}.mp4") == expected
    assert Footage(tmp_path / f"{stem}.mp4", expected).shown.startswith(str(tmp_path))
