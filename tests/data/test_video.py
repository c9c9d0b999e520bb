"""Video files to snippets and crops: order, padding, bounded memory, and files that are not what they should be."""

import shutil
import tracemalloc

import numpy as np
import pytest
from numbered_videos import damage, write_numbered, write_sound

from vad_lib.data import snippets as data_snippets
from vad_lib.data import video, video_files, video_writing
from vad_lib.data.video import VideoWarning
from vad_lib.errors import ConfigError, DataError, MissingFileError, OutputError
from vad_lib.report.figures import strips


def grey_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Plain frames whose brightness tells their number, up to 40."""
    return [np.full((height, width, 3), 6 * index + 4, dtype=np.uint8) for index in range(count)]


def numbers(frames: np.ndarray) -> list[int]:
    """Which of :func:`grey_frames` these are; decoding darkens them a little."""
    return np.round((frames.mean(axis=(-3, -2, -1)) - 2) / 6).astype(int).tolist()


@pytest.fixture
def clip(tmp_path):
    """37 frames, two whole snippets and five frames."""
    path = tmp_path / "clip.mp4"
    assert video_writing.write_video(path, grey_frames(37), fps=25) == 37
    return path


# --- decoding -----------------------------------------------------------------------------------------
def test_what_is_written_comes_back(clip):
    info = video.probe(clip)
    assert info == video.VideoInfo(num_frames=37, fps=25.0, width=64, height=48, seconds=info.seconds)
    assert info.seconds.tolist() == pytest.approx([frame / 25 for frame in range(37)])
    assert info.duration == pytest.approx(37 / 25)
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
    assert video_files.find_video(clip.parent, "clip") == clip
    with pytest.raises(MissingFileError, match=r"other: no such video.*\.mp4, \.avi"):
        video_files.find_video(clip.parent, "other")
    deep = clip.parent / "site" / "camera 1" / "monday"
    deep.mkdir(parents=True)
    shutil.copy(clip, deep / "GATE.MP4")
    shutil.copy(clip, deep / "._GATE.MP4")
    assert video_files.find_video(clip.parent, "GATE") == deep / "GATE.MP4"
    assert video_files.find_videos(clip.parent, ["clip", "GATE", "other"])[0] == {"clip": clip, "GATE": deep / "GATE.MP4"}
    shutil.copy(clip, deep / "clip.avi")
    paths, problems = video_files.find_videos(clip.parent, ["clip"])
    assert not paths and "several videos have this name (clip.mp4, site/camera 1/monday/clip.avi)" in problems["clip"]


def test_missing_unreadable_and_truncated_files_are_named(clip, tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.mp4: no such video"):
        video.probe(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "folder.mp4").mkdir()
    content = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: content.index(b"moov") + 30])  # in the middle of its table of contents
    write_sound(tmp_path / "sound.mp4")
    for name, said in {
        "empty": r"the file is empty \(0 bytes\)",
        "text": "it cannot be opened",
        "cut": "the file names nothing that plays; it is truncated",
        "folder": "got a folder",
        "sound": "the file holds only audio",
    }.items():
        with pytest.raises(DataError, match=rf"{name}\.mp4: expected a video, {said}".replace("it cannot", "but it cannot")):
            video.probe(tmp_path / f"{name}.mp4")


def test_a_file_cut_in_the_middle_is_truncated(tmp_path):
    whole = write_numbered(tmp_path / "whole.avi", 40, "mjpeg", pixel_format="yuvj420p")
    (tmp_path / "cut.avi").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames = video.read_frames(tmp_path / "cut.avi")
    with pytest.raises(DataError, match=r"cut\.avi: truncated: the header promises 40 frames, \d+ are there"):
        list(frames)


def test_a_matroska_file_cut_in_the_middle_is_truncated(tmp_path):
    whole = write_numbered(tmp_path / "whole.mkv", 100)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DataError, match=r"cut\.mkv: truncated: the header promises 4\.0 seconds, the file ends after [12]\.\d"):
        video.probe(tmp_path / "cut.mkv")


def test_zero_frames(clip, tmp_path):
    damage(clip, range(37), tmp_path / "zero.mp4")
    with pytest.raises(DataError, match=r"zero\.mp4: expected at least one frame"):
        list(video.read_frames(tmp_path / "zero.mp4"))


def test_a_slightly_wrong_frame_count_is_a_warning(tmp_path):
    whole = write_numbered(tmp_path / "whole.avi", 40, "mjpeg", pixel_format="yuvj420p")
    (tmp_path / "cut.avi").write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.93)])
    with pytest.warns(VideoWarning, match=r"cut\.avi: the end is missing: the header promises 40 frames, 3\d are there"):
        count = len(list(video.read_frames(tmp_path / "cut.avi")))
    assert 36 <= count < 40


@pytest.mark.parametrize("fps", [0.5, 12.5, 240])
def test_any_frame_rate(tmp_path, fps):
    video_writing.write_video(tmp_path / "fps.mp4", grey_frames(5), fps)
    info = video.probe(tmp_path / "fps.mp4")
    assert info.fps == pytest.approx(fps)
    assert info.seconds.tolist() == pytest.approx([frame / fps for frame in range(5)], abs=1e-4)


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
        video_writing.write_video(clip / "folder.mp4", frames, fps=25)
    assert clip.read_bytes() == before
    assert list(clip.parent.iterdir()) == [clip]
