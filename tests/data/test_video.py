"""Video files to snippets and crops: order, padding, bounded memory, and files that are not what they should be."""

import tracemalloc
import warnings

import cv2
import numpy as np
import pytest

from vad_lib.data import snippets as data_snippets
from vad_lib.data import video, video_writing
from vad_lib.data.video import VideoWarning
from vad_lib.errors import ConfigError, DataError, MissingFileError, OutputError
from vad_lib.report.figures import strips


def grey_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Plain frames whose brightness tells their number, up to 40."""
    return [np.full((height, width, 3), 6 * index + 4, dtype=np.uint8) for index in range(count)]


def numbers(frames: np.ndarray) -> list[int]:
    """Which of :func:`grey_frames` these are; decoding darkens them a little."""
    return np.round((frames.mean(axis=(-3, -2, -1)) - 2) / 6).astype(int).tolist()


def write_with(path, codec: str, fps: float, frames: list[np.ndarray]):
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), fps, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def packets(path) -> bytes:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    parts = []
    while (packet := capture.read()[1]) is not None:
        parts.append(packet.tobytes())
    return b"".join(parts)


@pytest.fixture
def clip(tmp_path):
    """37 frames, two whole snippets and five frames."""
    path = tmp_path / "clip.mp4"
    assert video_writing.write_video(path, grey_frames(37), fps=25) == 37
    return path


# --- decoding -----------------------------------------------------------------------------------------
def test_what_is_written_comes_back(clip):
    assert video.probe(clip) == video.VideoInfo(num_frames=37, fps=25.0, width=64, height=48)
    assert video.header_frames(clip) == 37
    assert numbers(np.stack(list(video.read_frames(clip)))) == list(range(37))


def test_frames_are_rgb(tmp_path):
    red = np.zeros((48, 64, 3), dtype=np.uint8)
    red[..., 0] = 250
    video_writing.write_video(tmp_path / "red.mp4", [red], fps=25)
    frame = next(video.read_frames(tmp_path / "red.mp4"))
    assert frame[..., 0].min() > 200
    assert frame[..., 1:].max() < 50


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        video_writing.write_video(tmp_path / name, grey_frames(20), fps=25)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_find_video(clip):
    assert video.find_video(clip.parent, "clip") == clip
    with pytest.raises(MissingFileError, match=r"other: no such video.*\.mp4, \.avi"):
        video.find_video(clip.parent, "other")


def test_missing_unreadable_and_truncated_files_are_named(clip, tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.mp4: no such video"):
        video.probe(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all")
    content = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: content.index(b"moov")])  # its table of contents stands at the end
    for name in ("empty", "text", "cut"):
        with pytest.raises(DataError, match=rf"{name}\.mp4: expected a video, but it cannot be opened"):
            video.probe(tmp_path / f"{name}.mp4")


def test_a_file_cut_in_the_middle_is_truncated(tmp_path):
    whole = write_with(tmp_path / "whole.avi", "MJPG", 25, grey_frames(40))
    (tmp_path / "cut.avi").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames = video.read_frames(tmp_path / "cut.avi")
    with pytest.raises(DataError, match=r"cut\.avi: truncated: the header promises 40 frames, \d+ can be decoded"):
        list(frames)


def test_zero_frames(clip, tmp_path):
    content = clip.read_bytes()
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    (tmp_path / "zero.mp4").write_bytes(content[:start] + bytes(end - start) + content[end:])
    with pytest.raises(DataError, match=r"zero\.mp4: expected at least one frame"):
        list(video.read_frames(tmp_path / "zero.mp4"))


def test_a_slightly_wrong_frame_count_is_a_warning(tmp_path):
    whole = write_with(tmp_path / "whole.avi", "MJPG", 25, grey_frames(40))
    (tmp_path / "cut.avi").write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.93)])
    with pytest.warns(VideoWarning, match=r"cut\.avi: the header promises 40 frames, 3\d decode"):
        count = len(list(video.read_frames(tmp_path / "cut.avi")))
    assert 36 <= count < 40


@pytest.mark.parametrize("fps", [0.5, 1000])
def test_an_impossible_frame_rate_is_a_warning(tmp_path, fps):
    path = write_with(tmp_path / "fps.mp4", "mp4v", fps, grey_frames(5))
    with pytest.warns(VideoWarning, match=r"fps\.mp4: the header's frame rate.*cannot be true"):
        assert video.probe(path).fps == 0


@pytest.mark.parametrize("codec", ["MJPG", "XVID"])
def test_a_resolution_that_changes_half_way_is_a_warning(tmp_path, codec):
    small = packets(write_with(tmp_path / "small.avi", codec, 25, grey_frames(10)))
    large = packets(write_with(tmp_path / "large.avi", codec, 25, grey_frames(10, 96, 128)))
    for name, content in (("same.m4v", small + small), ("changed.m4v", small + large)):
        (tmp_path / name).write_bytes(content)
    with pytest.warns(VideoWarning, match=r"changed\.m4v: the encoding changes at frame 10"):
        frames = list(video.read_frames(tmp_path / "changed.m4v"))
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(video.read_frames(tmp_path / "same.m4v"))) == 20


def test_sequence_headers_of_h264_and_hevc():
    parameters, picture = b"\x64\x08\x15\xac\xd9\x00\x00\x03\x01", b"\x00\x00\x01\x65\x88\x84"
    assert video.sequence_header(b"\x00\x00\x00\x01\x67" + parameters + b"\x00" + picture, "h264") == parameters
    assert video.sequence_header(picture, "h264") is None
    assert video.sequence_header(b"\x00\x00\x01\x42\x01" + parameters, "hevc") == parameters


# --- snippets and crops -------------------------------------------------------------------------------
def test_the_last_frame_is_repeated(clip):
    snippets = list(data_snippets.read_snippets(clip, short_side=48, crop_size=48))
    assert [snippet.shape for snippet in snippets] == [(16, 48, 64, 3)] * 3
    assert numbers(np.concatenate(snippets)) == [min(index, 36) for index in range(48)]
    assert (snippets[2][4:] == snippets[2][4]).all()


@pytest.mark.parametrize(
    ("height", "width", "short", "crop", "expected"),
    [
        (240, 320, 256, 224, (256, 341)),
        (720, 1280, 256, 224, (256, 455)),
        (320, 240, 128, 112, (171, 128)),
        (48, 64, 48, 48, (48, 64)),
    ],
)
def test_resized_size(height, width, short, crop, expected):
    assert data_snippets.resized_size(height, width, short, crop) == expected


def test_shrinking_averages_and_enlarging_interpolates():
    stripes = np.zeros((4, 4, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    assert (data_snippets.resize_frame(stripes, 2, 2) == 100).all()
    step = np.zeros((1, 2, 3), dtype=np.uint8)
    step[:, 1] = 100
    assert data_snippets.resize_frame(step, 2, 4)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_bicubic_by_hand():
    """Cubic convolution with a = -1/2, as Pillow has it."""
    step = np.zeros((1, 4, 3), dtype=np.uint8)
    step[:, 2:] = 100
    assert data_snippets.resize_bicubic(step, 1, 4) is step
    # a quarter of a pixel beside the second of four pixels their weights are -9/128, 111/128, 29/128, -3/128
    wide = data_snippets.resize_bicubic(step, 1, 8)
    assert wide.shape == (1, 8, 3)
    assert abs(int(wide[0, 3, 0]) - 100 * (29 - 3) / 128) <= 1 and abs(int(wide[0, 4, 0]) - 100 * (111 - 9) / 128) <= 1
    # shrinking looks at all pixels: without that, a pixel of the result would be 0 or 200
    stripes = np.zeros((8, 8, 3), dtype=np.uint8)
    stripes[:, ::4] = 200
    small = data_snippets.resize_bicubic(stripes, 2, 2)
    assert (small > 30).all() and (small < 70).all()


def test_some_frames_of_each_snippet_only(clip):
    whole = [snippet[[0, 8, 15]] for snippet in data_snippets.read_snippets(clip, 48, 48)]
    some = list(data_snippets.read_snippets(clip, 48, 48, places=(0, 8, 15)))
    assert len(whole) == len(some) == 3  # of 37 frames: the last snippet has 5
    assert all((one == other).all() for one, other in zip(whole, some))
    calls = []

    def counting(frame, height, width):
        calls.append((height, width))
        return data_snippets.resize_bicubic(frame, height, width)

    assert numbers(np.concatenate(list(data_snippets.read_snippets(clip, 48, 48, counting, (8,))))) == [8, 24, 36]
    assert calls == [(48, 64)] * 3  # no other frame was resized


def test_crops_and_their_order():
    rows, columns = np.mgrid[:6, :8]
    snippet = np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)[None].repeat(16, axis=0)
    views = data_snippets.crop_views(snippet, crop_size=4, num_crops=10)
    assert views.shape == (10, 16, 4, 4, 3)
    # (row, column) of the pixel at the top left; in mirrored crops that is the crop's top right one
    corners = [tuple(view[0, 0, 0, :2].tolist()) for view in views]
    assert corners[:5] == [(1, 2), (0, 0), (0, 4), (2, 0), (2, 4)]
    assert corners[5:] == [(1, 5), (0, 3), (0, 7), (2, 3), (2, 7)]
    assert (views[5:] == views[:5, :, :, ::-1]).all()
    for num_crops in (1, 5):
        assert (data_snippets.crop_views(snippet, 4, num_crops) == views[:num_crops]).all()
        assert data_snippets.CROP_NAMES[num_crops] == data_snippets.CROP_NAMES[10][:num_crops]
    assert data_snippets.CROP_NAMES[10][5:] == tuple(f"{name}_mirrored" for name in data_snippets.CROP_NAMES[5])


def test_network_input_range_and_layout():
    views = np.zeros((1, 16, 2, 2, 3), dtype=np.uint8)
    views[0, 3, 1, 0] = (255, 51, 0)
    tensor = data_snippets.network_input(views)
    assert tensor.shape == (1, 3, 16, 2, 2)
    assert tensor[0, :, 3, 1, 0].tolist() == pytest.approx([1.0, -0.6, -1.0])
    assert tensor.min() == -1


def test_a_crop_larger_than_the_frame_is_refused(clip):
    with pytest.raises(ConfigError, match="crop_size 64 is larger than short_side 48"):
        next(data_snippets.read_snippets(clip, short_side=48, crop_size=64))


def test_memory_does_not_grow_with_the_length(tmp_path):
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.mp4"
        frame = grey_frames(1)[0]
        video_writing.write_video(path, (frame for _ in range(count)), fps=25)
        tracemalloc.start()  # counts numpy's and OpenCV's arrays
        assert sum(1 for _ in data_snippets.read_snippets(path, 48, 48)) == -(-count // 16)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    short, long = peak(64), peak(3000)
    frame_bytes = 48 * 64 * 3
    assert long < short + 10_000
    # one decoded frame in two colour orders, the waiting frames, and two stacked snippets: the one given out and the next
    assert long < (2 + 3 * 16) * frame_bytes + 100_000


# --- pictures and rendered videos ---------------------------------------------------------------------
def test_frame_strip(clip):
    strip = strips.frame_strip(clip, [30, 0, 30], height=24)
    assert strip.shape == (3, 24, 32, 3)
    assert numbers(strip) == [30, 0, 30]
    with pytest.raises(DataError, match="has frames 0 to 36, asked for 37, 99"):
        strips.frame_strip(clip, [99, 1, 37], height=24)


def test_write_video_refuses_and_keeps_what_was_there(clip):
    before = clip.read_bytes()
    frames = grey_frames(3)
    with pytest.raises(DataError, match="at least one frame to write"):
        video_writing.write_video(clip, [], fps=25)
    with pytest.raises(DataError, match=r"frame 1: expected uint8 \(48, 64, 3\) like the first one, got uint8 \(24, 64, 3\)"):
        video_writing.write_video(clip, [frames[0], frames[1][:24]], fps=25)
    with pytest.raises(OutputError, match="cannot write"):
        video_writing.write_video(clip.with_suffix(".unknown"), frames, fps=25)
    assert clip.read_bytes() == before
    assert list(clip.parent.iterdir()) == [clip]
