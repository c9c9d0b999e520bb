"""Videos as they really are: the inputs on which other programs failed, and more of each kind made here."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from numbered_videos import damage, number, numbered, packets_of, write_numbered

from vad_lib.data import video
from vad_lib.data.video import VideoWarning
from vad_lib.data.video_writing import write_video
from vad_lib.errors import DataError

CASES = Path(__file__).resolve().parent.parent / "cases"


def shown(path: Path) -> tuple[list[int], np.ndarray, list[int]]:
    """Numbers that the frames show, their seconds, and which are lost; warnings aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideoWarning)
        frames = list(video.decode(path))
    numbers = [number(frame.pixels) for frame in frames]
    return numbers, np.array([frame.seconds for frame in frames]), [i for i, frame in enumerate(frames) if frame.lost]


def quiet(path: Path) -> video.VideoInfo:
    """What :func:`video.probe` says, which must be said without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return video.probe(path)


# --- the cases ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "frames", "duration"),
    [
        ("vfr_mp4/vfr2.mp4", 120, 6.0),
        ("vfr_mkv_webm/vfr3.mkv", 120, 6.0),
        ("vfr_mkv_webm/drop.mkv", 34, 2.0),
        ("vfr_mkv_webm/screen2.webm", 72, 3.9),
        ("editlist_trim/edit.mp4", 87, 3.48),
        ("av1/av1.mp4", 25, 1.0),
        ("upper_case_ext/UP.MP4", 25, 1.0),
    ],
)
def test_frames_of_the_cases(name, frames, duration):
    info = quiet(CASES / name)
    assert info.num_frames == frames
    assert info.duration == pytest.approx(duration, abs=0.06)
    assert info.lost == ()


def test_times_of_a_variable_rate():
    expected = np.loadtxt(CASES / "vfr_mp4/expected_seconds.txt")
    assert quiet(CASES / "vfr_mp4/vfr2.mp4").seconds == pytest.approx(expected, abs=1e-6)
    assert quiet(CASES / "vfr_mkv_webm/vfr3.mkv").seconds == pytest.approx(expected, abs=1e-3)  # it stores milliseconds


def test_interlaced_frames_are_kept_and_the_same_in_two_runs():
    path = CASES / "interlaced/inter2.mp4"
    with pytest.warns(VideoWarning, match="25 frames are interlaced; both fields are kept"):
        first = list(video.read_frames(path))
    expected = cv2.cvtColor(cv2.imread(str(CASES / "interlaced/expected_frame0.png")), cv2.COLOR_BGR2RGB)
    assert (first[0] == expected).all()
    with pytest.warns(VideoWarning):
        assert all((one == other).all() for one, other in zip(first, video.read_frames(path), strict=True))


@pytest.mark.parametrize(("name", "lost"), [("bad_p", [43]), ("bad_gop", list(range(40, 50)))])
def test_damage_in_the_middle_moves_nothing(name, lost):
    path = CASES / f"corrupt_one_frame/{name}.mp4"
    with pytest.warns(VideoWarning, match=f"{len(lost)} of 100 frames are damaged and do not decode"):
        info = video.probe(path)
    assert info.lost == tuple(lost)
    assert info.seconds == pytest.approx(np.arange(100) / 25)
    with pytest.warns(VideoWarning):
        frames = list(video.read_frames(path))
    assert all((frames[index] == frames[lost[0] - 1]).all() for index in lost)  # the frame before, again


# --- more codecs and containers ---------------------------------------------------------------------------
KINDS = {
    "h264.mp4": ("libx264", {"g": 12}),
    "h264.mkv": ("libx264", {"bf": 2, "g": 24}),
    "h264.ts": ("libx264", {"bf": 2, "g": 24}),
    "h264.avi": ("libx264", {"bf": 2, "g": 12}),
    "hevc.mp4": ("libx265", {"g": 12, "x265-params": "log-level=none"}),
    "mpeg2.mpg": ("mpeg2video", {"bf": 2}),
    "mpeg2.ts": ("mpeg2video", {"bf": 2}),
    "mpeg4.avi": ("mpeg4", {}),
    "mpeg4b.avi": ("mpeg4", {"bf": 2}),
    "vp8.webm": ("libvpx", {"auto-alt-ref": 1, "lag-in-frames": 16, "g": 24}),
    "vp9.webm": ("libvpx-vp9", {"g": 12}),
    "mjpeg.avi": ("mjpeg", {"pixel_format": "yuvj420p"}),
    "mjpeg.mov": ("mjpeg", {"pixel_format": "yuvj420p"}),
    "prores.mov": ("prores", {"pixel_format": "yuv422p10le"}),
    "ffv1.mkv": ("ffv1", {}),
    "flv.flv": ("flv", {}),
    "wmv.wmv": ("wmv2", {}),
    "gif.gif": ("gif", {"pixel_format": "rgb8"}),
    "dnxhd.mxf": ("dnxhd", {"pixel_format": "yuv422p", "size": (720, 1280), "b": "60M"}),
    "ten_bit.mp4": ("libx264", {"pixel_format": "yuv420p10le"}),
    "full_colour.mkv": ("libx264", {"pixel_format": "yuv444p"}),
    "alpha.mov": ("qtrle", {"pixel_format": "argb"}),
    "odd.mkv": ("ffv1", {"size": (95, 161)}),
    "fields.mpg": ("mpeg2video", {"flags": "+ildct+ilme"}),
    "fragments.mp4": ("libx264", {"container": {"movflags": "frag_keyframe+empty_moov"}, "g": 12}),
}
RAW = {"raw.h264": ("libx264", {"bf": 2}), "raw.hevc": ("libx265", {"x265-params": "log-level=none"}), "raw.mjpeg": ("mjpeg", {})}


@pytest.mark.parametrize("name", KINDS)
def test_right_frames_and_times(name, tmp_path):
    codec, options = KINDS[name]
    numbers, seconds, lost = shown(write_numbered(tmp_path / name, 40, codec, **options))
    assert numbers == list(range(40))
    assert seconds - seconds[0] == pytest.approx(np.arange(40) / 25, abs=1.01e-3)
    assert not lost


@pytest.mark.parametrize("name", RAW)
def test_a_file_without_times(name, tmp_path):
    codec, options = RAW[name]
    if codec == "mjpeg":
        options = {"pixel_format": "yuvj420p"}
    numbers, seconds, _ = shown(write_numbered(tmp_path / name, 40, codec, **options))
    assert numbers == list(range(40))
    assert seconds == pytest.approx(np.arange(40) / 25)


def test_frames_without_times_are_said(tmp_path):
    with pytest.warns(VideoWarning, match="40 frames have no time; they follow the others at 25 frames per second"):
        video.probe(write_numbered(tmp_path / "raw.h264", 40))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "ts", "mov", "flv"])
def test_any_distances_of_frames(suffix, tmp_path):
    ticks = np.cumsum(np.random.default_rng(3).integers(20, 400, 40))
    ticks -= ticks[0]
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    numbers, seconds, lost = shown(write_numbered(tmp_path / f"any.{suffix}", 40, codec, ticks=ticks.tolist(), g="12"))
    assert numbers == list(range(40))
    assert seconds - seconds[0] == pytest.approx(ticks / 1000, abs=1.5e-3)
    assert not lost


# --- damage ---------------------------------------------------------------------------------------------
WHOLE_PACKETS = [
    *("h264.mp4", "h264.mkv", "hevc.mp4", "mpeg4.avi", "vp8.webm", "vp9.webm", "mjpeg.avi", "mjpeg.mov", "prores.mov", "flv.flv")
]


@pytest.mark.parametrize("where", [[20], [20, 21, 22, 23, 24], [-1], [-3, -2, -1]], ids=str)
@pytest.mark.parametrize("name", WHOLE_PACKETS)
def test_damage_is_named_and_moves_nothing(name, where, tmp_path):
    codec, options = KINDS[name]
    path = write_numbered(tmp_path / name, 48, codec, **options)
    numbers, seconds, lost = shown(damage(path, where))
    assert len(numbers) == 48
    assert seconds == pytest.approx(seconds[0] + np.arange(48) / 25, abs=1.01e-3)
    assert lost
    # what comes after the next key frame is in its place
    assert numbers[:16] == list(range(16))
    if where[0] > 0 and name not in ("h264.mkv", "vp8.webm"):  # theirs comes later
        assert numbers[36:] == list(range(36, 48))
    assert shown(path)[0] == numbers  # the same in two runs


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "mjpeg.mov", "prores.mov"])
def test_damage_at_the_start(name, tmp_path):
    codec, options = KINDS[name]
    numbers, seconds, lost = shown(damage(write_numbered(tmp_path / name, 48, codec, **options), [0]))
    assert len(numbers) == 48
    assert lost and lost[0] == 0
    first = len(lost)
    assert numbers == [first] * first + list(range(first, 48))
    assert seconds == pytest.approx(np.arange(48) / 25, abs=1.01e-3)


@pytest.mark.parametrize("name", ["h264.ts", "mpeg2.ts", "mpeg2.mpg"])
def test_a_gap_in_a_regular_clock_is_filled(name, tmp_path):
    codec, options = KINDS[name]
    numbers, seconds, lost = shown(damage(write_numbered(tmp_path / name, 48, codec, **options), [20]))
    assert len(numbers) == 48
    assert len(lost) == 1 or name == "mpeg2.mpg"  # there FFmpeg shows something in its place
    assert seconds == pytest.approx(seconds[0] + np.arange(48) / 25, abs=1.01e-3)
    assert numbers[36:] == list(range(36, 48))


def test_a_video_of_which_little_is_left_is_refused(tmp_path):
    path = damage(write_numbered(tmp_path / "little.mov", 48, "mjpeg", pixel_format="yuvj420p"), range(10, 40))
    with pytest.raises(DataError, match=r"little\.mov: 30 of 48 frames are damaged"):
        video.probe(path)


def test_frames_that_a_recorder_dropped_are_not_filled(tmp_path):
    ticks = [40 * index for index in range(60) if not 20 <= index < 31]
    numbers, seconds, lost = shown(write_numbered(tmp_path / "dropped.mkv", 49, ticks=ticks))
    assert numbers == list(range(49))
    assert seconds == pytest.approx(np.array(ticks) / 1000)
    assert not lost


# --- changes half way -----------------------------------------------------------------------------------
def joined(first: Path, second: Path, out: Path) -> Path:
    """One elementary stream after the other."""
    out.write_bytes(first.read_bytes() + second.read_bytes())
    return out


@pytest.mark.parametrize(("suffix", "codec"), [("h264", "libx264"), ("m4v", "mpeg4"), ("mjpeg", "mjpeg"), ("hevc", "libx265")])
def test_another_resolution_is_scaled(suffix, codec, tmp_path):
    options = {"mjpeg": {"pixel_format": "yuvj420p"}, "libx265": {"x265-params": "log-level=none"}, "mpeg4": {"format": "m4v"}}
    options = options.get(codec, {})
    first = write_numbered(tmp_path / f"first.{suffix}", 10, codec, **options)
    second = write_numbered(tmp_path / f"second.{suffix}", 10, codec, size=(192, 320), first=10, **options)
    path = joined(first, second, tmp_path / f"joined.{suffix}")
    with pytest.warns(VideoWarning, match="the resolution changes at frame 10; frames of another size were scaled"):
        frames = list(video.read_frames(path))
    assert {frame.shape for frame in frames} == {(96, 160, 3)}
    assert [number(frame) for frame in frames] == list(range(20))


def test_a_video_that_turns_interlaced(tmp_path):
    plain = write_numbered(tmp_path / "plain.h264", 10, bf="0")
    fields = write_numbered(tmp_path / "fields.h264", 10, first=10, bf="0", flags="+ildct+ilme")
    path = joined(plain, fields, tmp_path / "turns.h264")
    with pytest.warns(VideoWarning, match="10 frames are interlaced"):
        first = list(video.read_frames(path))
    assert [number(frame) for frame in first] == list(range(20))
    with pytest.warns(VideoWarning):
        assert all((one == other).all() for one, other in zip(first, video.read_frames(path), strict=True))


def test_times_that_run_backwards(tmp_path):
    """Two transport streams, one after the other: the second starts its clock anew."""
    first = write_numbered(tmp_path / "first.ts", 40, bf="0")
    second = write_numbered(tmp_path / "second.ts", 40, bf="0", first=40)
    numbers, seconds, _ = shown(joined(first, second, tmp_path / "joined.ts"))
    assert numbers == list(range(80))
    assert (np.diff(seconds) > 0.9 / 25).all() and (np.diff(seconds) < 1.1 / 25).all()


# --- as a player shows it -------------------------------------------------------------------------------
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation(turn, tmp_path):
    """A phone stores a turned picture and says how to turn it back."""
    upright = np.zeros((96, 160, 3), dtype=np.uint8)
    upright[:48, :80] = 220  # the top left is bright
    stored = np.rot90(upright, -turn // 90)
    path = tmp_path / "phone.mp4"
    write_rotated(path, [stored] * 10, turn)
    frame = list(video.read_frames(path))[5]
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).mean() < 4


def write_rotated(path: Path, frames: list[np.ndarray], degrees: int) -> None:
    """Write a video, then set the turn in its track header: mp4 has a matrix of nine numbers there."""
    write_video(path, frames, 25)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    cosine, sine = round(np.cos(np.radians(degrees))), round(np.sin(np.radians(degrees)))
    for place, value in zip((0, 1, 3, 4), (cosine, -sine, sine, cosine)):
        content[matrix + 4 * place : matrix + 4 * place + 4] = (value * 2**16 & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(bytes(content))


def test_names_that_look_like_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_numbered(tmp_path / "x.mp4", 5).rename(tmp_path / "cam:1.mp4")
    assert quiet(Path("cam:1.mp4")).num_frames == 5
    strange = Path("caf\udce9 \U0001f3a5.mp4")  # a byte that is no UTF-8
    try:
        (tmp_path / "cam:1.mp4").rename(tmp_path / strange)
    except OSError:
        pytest.skip("this disk takes only names in UTF-8")
    assert quiet(strange).num_frames == 5


def test_pixels_equal_opencv_s(tmp_path):
    for name in ("h264.mp4", "mpeg4.avi", "vp9.webm", "mjpeg.avi"):
        codec, options = KINDS[name]
        path = write_numbered(tmp_path / name, 20, codec, **options)
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        ours = list(video.read_frames(path))
        for frame in ours:
            read, theirs = capture.read()
            assert read
            assert np.abs(cv2.cvtColor(theirs, cv2.COLOR_BGR2RGB).astype(int) - frame).max() <= 1
        assert len(ours) == 20 and not capture.read()[0]


def test_the_helper_reads_what_it_writes(tmp_path):
    assert [number(numbered(index)) for index in (0, 1, 37, 1023)] == [0, 1, 37, 1023]
    assert len(packets_of(write_numbered(tmp_path / "x.mp4", 7))) == 7
