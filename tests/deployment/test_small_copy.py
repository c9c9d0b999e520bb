"""The small copy is made beside the features, of every frame at its own time; whatever fails, nobody waits for ever."""

import threading

import pytest
from numbered_videos import number, write_numbered

from vad_lib.data import video_writing
from vad_lib.data.video import Reading, probe, read_frames
from vad_lib.deployment import small_copy
from vad_lib.deployment.small_copy import SmallCopy, remove_copies
from vad_lib.errors import MissingFileError, OutputError


def made(video, folder) -> SmallCopy:
    copy = SmallCopy(folder, "a")
    for frame in Reading(video):
        copy.take(frame)
    copy.finish()
    return copy


@pytest.mark.parametrize("count", [1, 5, 200])
def test_every_frame_at_its_own_time(tmp_path, count):
    ticks = [40 * index + (1000 if index > 3 else 0) for index in range(count)]
    video = write_numbered(tmp_path / "a.mkv", count, "mpeg4", ticks=ticks, qmin="2", qmax="2")
    copy = made(video, tmp_path)
    assert copy.is_there()
    assert [number(frame) for frame in read_frames(copy.file)] == list(range(count))
    assert probe(copy.file).seconds == pytest.approx(probe(video).seconds, abs=1e-3)
    strip = copy.strip()
    assert [number(image) for image in strip.images] == strip.frame_indices.tolist()
    assert strip.frame_indices[0] == 0
    assert len(strip.frame_indices) == min(count, 8)
    assert count - 1 - strip.frame_indices[-1] < max(count / 32, 1)
    assert strip.images.shape[1:] == (96, 160, 3)


def test_large_frames_are_made_small(tmp_path):
    copy = made(write_numbered(tmp_path / "large.mp4", 3, size=(720, 1000)), tmp_path)
    info = probe(copy.file)
    assert (info.width, info.height) == (500, 360)


def test_no_more_frames_are_kept_for_the_strip_than_stated(tmp_path):
    copy = SmallCopy(tmp_path, "a")
    pixels = next(read_frames(write_numbered(tmp_path / "a.mp4", 1)))
    for _ in range(1000):
        copy._keep(pixels)
        assert len(copy._kept) <= small_copy.MOST_KEPT
    assert sorted(copy._kept) == list(range(0, 1000, 16))


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "video encoder"]


@pytest.mark.parametrize("failure", [OutputError("the disk is full"), ValueError("the disk is full")])
@pytest.mark.parametrize("taken", [1, 100])  # by the encoder before it fails: some, or all
def test_a_failure_of_any_kind_reaches_who_gives_the_frames(tmp_path, monkeypatch, failure, taken):
    def full(path, frames, *_, **__):
        for _ in zip(range(taken), frames):
            pass
        raise failure

    video = write_numbered(tmp_path / "a.mp4", 100)
    monkeypatch.setattr(video_writing, "write_video", full)
    copy = SmallCopy(tmp_path, "a")
    with pytest.raises(type(failure), match="the disk is full"):
        for frame in Reading(video):
            copy.take(frame)
        copy.finish()
    copy.abandon()
    assert not threads()
    assert not copy.is_there()
    with pytest.raises(MissingFileError):
        copy.strip()
    few = SmallCopy(tmp_path, "few")  # so few that the failure comes at the end
    few.take(next(iter(Reading(video))))
    with pytest.raises(type(failure), match="the disk is full"):
        few.finish()


def test_a_build_without_the_encoder_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(video_writing.ENCODERS, "h264", "libnone")
    copy = SmallCopy(tmp_path, "a")
    with pytest.raises(OutputError, match=r"a\.copy: expected PyAV with the encoder libnone, got a build without it\. Install"):
        for frame in Reading(write_numbered(tmp_path / "a.mp4", 100, "mpeg4")):
            copy.take(frame)
    copy.abandon()


def test_abandoned_copies_leave_nothing(tmp_path):
    video = write_numbered(tmp_path / "a.mp4", 40)
    copy = SmallCopy(tmp_path / "out", "a")
    for _, frame in zip(range(20), Reading(video)):
        copy.take(frame)
    copy.abandon()
    assert not threads()
    assert not list((tmp_path / "out").iterdir())
    whole = made(video, tmp_path / "out")
    whole.abandon()  # after the end nothing happens
    assert whole.is_there()
    remove_copies(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    remove_copies(tmp_path / "none")
