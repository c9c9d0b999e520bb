"""Frames found by seeking are those of decoding from the start, to the last bit, or an error says that they are not."""

import numpy as np
import pytest
from numbered_videos import damage, number, write_numbered

from vad_lib.data.video import VideoInfo, probe, read_frames
from vad_lib.data.video_seeking import can_seek, seek_frames
from vad_lib.errors import DataError, MissingFileError

FORMATS = {
    "h264.mp4": ("libx264", {"g": "20", "bf": "3"}),
    "open.mp4": ("libx264", {"g": "20", "bf": "3", "x264-params": "open-gop=1"}),
    "refresh.mkv": ("libx264", {"g": "20", "x264-params": "intra-refresh=1"}),
    "one-key.mp4": ("libx264", {"g": "1000"}),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=20:open-gop=1:log-level=error"}),
    "vp9.webm": ("libvpx-vp9", {"g": "20", "deadline": "realtime"}),
    "mpeg4.mkv": ("mpeg4", {"g": "12", "bf": "2"}),
    "mpeg2.mkv": ("mpeg2video", {"g": "12", "bf": "2"}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_frames(tmp_path, name):
    codec, options = FORMATS[name]
    path = write_numbered(tmp_path / name, 70, codec, **options)
    info, frames = probe(path), list(read_frames(path))
    assert can_seek(path, info)
    for start, behind in ((0, 3), (1, 2), (19, 24), (20, 21), (33, 41), (57, 70), (69, 70), (0, 70)):
        try:
            found = list(seek_frames(path, info, start, behind))
        except DataError:
            assert name == "refresh.mkv"  # its pictures are whole only some frames after the place that can be sought
            continue
        assert len(found) == behind - start
        assert all((one == other).all() for one, other in zip(found, frames[start:behind]))


def test_variable_rate(tmp_path):
    ticks = [100 * index for index in range(30)] + [3000 + 33 * index for index in range(40)]
    path = write_numbered(tmp_path / "variable.mkv", 70, ticks=ticks, g="10")
    info = probe(path)
    assert [number(frame) for frame in seek_frames(path, info, 28, 45)] == list(range(28, 45))


def test_places_where_nobody_should_seek(tmp_path):
    whole = write_numbered(tmp_path / "whole.mp4", 60, g="15")
    damaged = damage(whole, [30], tmp_path / "damaged.mp4")
    raw = write_numbered(tmp_path / "raw.h264", 30)
    stream = write_numbered(tmp_path / "stream.ts", 30)
    for path in (damaged, raw, stream):
        with np.errstate(all="ignore"), pytest.warns() if path is not stream else np.errstate():
            assert not can_seek(path, probe(path))
    with pytest.raises(MissingFileError):
        can_seek(tmp_path / "none.mp4", probe(whole))


def test_frames_that_are_not_where_they_should_be(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", 40, g="10")
    info = probe(path)
    for shift in (-0.01, 0.01):
        wrong = VideoInfo(**{**vars(info), "seconds": info.seconds + shift})
        with pytest.raises(DataError, match=r"frame 20 cannot be found by seeking; decode from the start"):
            list(seek_frames(path, wrong, 20, 25))
    longer = VideoInfo(**{**vars(info), "num_frames": 45, "seconds": np.append(info.seconds, info.seconds[-1] + np.arange(1, 6))})
    with pytest.raises(DataError, match="frame 40"):
        list(seek_frames(path, longer, 38, 45))
    with pytest.raises(DataError, match="frame 5 "):
        list(seek_frames(path, VideoInfo(**{**vars(info), "width": 320}), 5, 6))
