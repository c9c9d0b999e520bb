"""Video files to frames, one at a time, and what is wrong with a file.

Frames are numbered from 0 and are uint8 (height, width, 3), RGB.
"""

import glob
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vad_lib.data.video_writing import CODEC_TAGS
from vad_lib.errors import DataError, MissingFileError
from vad_lib.storage.safe_names import inside, plain_name

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")

PLAUSIBLE_FPS = (1.0, 240.0)

MOST_PIXELS = 2**26  # of a frame, 16 times 4K

# The decoder also takes pictures, and texts that are lists of what to play: it would then read what they name, anywhere.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,h264,hevc,m4v,mjpeg,gif"

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # the only way to FFmpeg's options; read at every opening

if "format_whitelist" not in os.environ.get(_OPTIONS, ""):
    os.environ[_OPTIONS] = "|".join(filter(None, (os.environ.get(_OPTIONS), f"format_whitelist;{CONTAINERS}")))

# A container's own count is often an estimate; far fewer frames than that mean that the file was cut off.
TRUNCATED_BELOW = 0.9

# What follows each codec's marker up to the next one: profile, level and picture size.
SEQUENCE_HEADERS = {
    "h264": re.compile(rb"\x00\x00\x01[\x27\x47\x67](.+?)(?=\x00\x00[\x00\x01]|\Z)", re.DOTALL),
    "hevc": re.compile(rb"\x00\x00\x01\x42\x01(.+?)(?=\x00\x00[\x00\x01]|\Z)", re.DOTALL),
    "mpeg4": re.compile(rb"\x00\x00\x01[\x20-\x2f](.+?)(?=\x00\x00[\x00\x01]|\Z)", re.DOTALL),
    "jpeg": re.compile(rb"\xff[\xc0-\xc2](.{7})", re.DOTALL),
}


class VideoWarning(UserWarning):
    """A video's header does not agree with its frames, or cannot be true."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file really holds.

    Attributes:
        num_frames: frames that decode.
        fps: frames per second as the header says; 0 if it says nothing plausible.
        width, height: pixels.
    """

    num_frames: int
    fps: float
    width: int
    height: int


def find_video(folder: Path | str, name: str) -> Path:
    """The file of a video, ``name`` with one of :data:`VIDEO_SUFFIXES`, in the folder or in one of its sub-folders.

    Raises:
        MissingFileError: there is none.
        DataError: the name is no plain one, or the file is a link that leads out of the folder and the environment variable
            ``VAD_FOLLOW_LINKS`` does not allow it.
    """
    if not plain_name(name):
        raise DataError(f"video name {name!r}: expected a file name without folder and ending; correct the list.")
    for suffix in VIDEO_SUFFIXES:
        path = Path(folder) / f"{name}{suffix}"
        if path.is_file():
            return inside(path, Path(folder))
    for suffix in VIDEO_SUFFIXES:  # UCF-Crime's own videos lie in one folder per category
        if found := next(Path(folder).glob(f"*/{glob.escape(name)}{suffix}"), None):
            return inside(found, Path(folder))
    raise MissingFileError(f"{Path(folder) / name}: no such video; looked for the endings {', '.join(VIDEO_SUFFIXES)}.")


def read_frames(path: Path | str) -> Iterator[np.ndarray]:
    """Decode a video frame by frame.

    Yields:
        uint8 (H, W, 3), RGB.

    Raises:
        MissingFileError: there is no such file.
        DataError: not a video, no frames, or far fewer frames than the header says. The last can only show after frames
            were given out: drop those.

    Warns:
        VideoWarning: the header's frame count or frame rate is wrong, where the decoded frames are what counts; or the
            resolution changes half way, where OpenCV scales later frames to the first size.
    """
    capture = _open(path)
    try:
        count = 0
        while True:
            read, frame = capture.read()
            if not read:
                break
            count += 1
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        _check_header(path, capture, count)
    except cv2.error as error:
        raise DataError(f"{path}: frame {count} cannot be decoded ({error}). Get or render the video again.") from error
    finally:
        capture.release()


def probe(path: Path | str) -> VideoInfo:
    """Decode a whole video and say what it holds.

    Raises:
        MissingFileError: there is no such file.
        DataError: not a video, no frames, or far fewer frames than the header says.

    Warns:
        VideoWarning: the header's frame count or frame rate is wrong, or the resolution changes half way.
    """
    count, shape = 0, (0, 0, 3)
    for frame in read_frames(path):
        count, shape = count + 1, frame.shape
    capture = _open(path)
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return VideoInfo(count, float(fps) if _plausible(fps) else 0.0, shape[1], shape[0])


def header_frames(path: Path | str) -> int:
    """Frames that the header promises, 0 if none. Often an estimate, so good for progress bars and plausibility only.

    Raises:
        MissingFileError: there is no such file.
        DataError: not a video.
    """
    capture = _open(path)
    count = _whole(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return count


def _open(path: Path | str) -> cv2.VideoCapture:
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such video.")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise DataError(f"{path}: expected a video, but it cannot be opened; it is truncated or no video. Get or render it again.")
    width, height = (_whole(capture.get(prop)) for prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > MOST_PIXELS:
        capture.release()
        raise DataError(f"{path}: frames of {width:,} x {height:,} pixels cannot be. Get or render it again.")
    return capture


def _whole(value: float) -> int:
    """A number of a header as an integer of at least 0, whatever the header says."""
    return int(value) if 0 < value < 2**62 else 0


def _plausible(fps: float) -> bool:
    return PLAUSIBLE_FPS[0] <= fps <= PLAUSIBLE_FPS[1]  # False for NaN


def _check_header(path: Path | str, capture: cv2.VideoCapture, decoded: int) -> None:
    promised, fps = _whole(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
    if decoded == 0:
        raise DataError(f"{path}: expected at least one frame, none can be decoded. Get or render the video again.")
    if decoded < TRUNCATED_BELOW * promised:
        raise DataError(
            f"{path}: truncated: the header promises {promised} frames, {decoded} can be decoded. Get or render it again; if the "
            "header is what is wrong, write it again (for example: ffmpeg -i IN -c copy OUT)."
        )
    if promised > 0 and decoded != promised:
        message = f"{path}: the header promises {promised} frames, {decoded} decode; the decoded frames count."
        warnings.warn(message, VideoWarning, stacklevel=3)
    if not _plausible(fps):
        message = f"{path}: the header's frame rate, {fps:g} per second, cannot be true; only times in seconds depend on it."
        warnings.warn(message, VideoWarning, stacklevel=3)
    changed_at = parameters_change_at(path)
    if changed_at is not None:
        message = (
            f"{path}: the encoding changes at frame {changed_at}, as it does with another resolution; frames from there on were "
            "scaled to the first size. Encode the video again at one resolution if that is not wanted."
        )
        warnings.warn(message, VideoWarning, stacklevel=3)


def sequence_header(packet: bytes, codec: str) -> bytes | None:
    """The part of a coded packet that holds the picture size, or None if this packet has none.

    Args:
        packet: as the container holds it; H.264 and HEVC with start codes.
        codec: a key of :data:`SEQUENCE_HEADERS`.
    """
    found = SEQUENCE_HEADERS[codec].search(packet)
    return found.group(1) if found else None


def parameters_change_at(path: Path | str) -> int | None:
    """First packet whose sequence header differs from the first one's, or None.

    Decoded frames cannot tell: OpenCV scales them all to the first size. So the coded packets are read once more, not
    decoded. Known are H.264, HEVC, MPEG-4 and JPEG; other codecs give None.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    tag = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1").lower()
    codec = next((codec for codec, tags in CODEC_TAGS.items() if tag in tags), None)
    first, index = None, 0
    try:
        while codec and (packet := capture.read()[1]) is not None:
            header = sequence_header(packet.tobytes(), codec)
            first = first or header
            if header and header != first:
                return index
            index += 1
    finally:
        capture.release()
    return None
