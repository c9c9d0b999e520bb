"""Video files to 16-frame snippets and their crops (paper, section 3.1), and back for rendered videos and figures.

Everything streams: :func:`read_snippets` holds one decoded frame and at most two snippets of resized frames, whatever
the length of the video. At 256 x 341 pixels that is 8 MiB, plus what the decoder keeps for itself (some tens of
frames).

Frames are numbered from 0 and are uint8 (height, width, 3), RGB.
"""

import glob
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.errors import ConfigError, DataError, MissingFileError, OutputError
from vad_lib.files import atomic_path, inside, plain_name

_FIVE_CROPS = ("centre", "top_left", "top_right", "bottom_left", "bottom_right")
CROP_NAMES: dict[int, tuple[str, ...]] = {
    1: ("centre",),
    5: _FIVE_CROPS,
    10: (*_FIVE_CROPS, *(f"{name}_mirrored" for name in _FIVE_CROPS)),
}
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
CODEC_TAGS = {
    "h264": ("h264", "avc1", "avc3", "x264"),
    "hevc": ("hevc", "hev1", "hvc1", "h265"),
    "mpeg4": ("mp4v", "fmp4", "xvid", "divx", "dx50", "mpg4"),
    "jpeg": ("mjpg", "mjpa", "jpeg"),
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


# --- decoding -----------------------------------------------------------------------------------------
def find_video(folder: Path | str, name: str) -> Path:
    """The file of a video, ``name`` with one of :data:`VIDEO_SUFFIXES`, in the folder or in one of its sub-folders.

    Raises:
        MissingFileError: there is none.
        DataError: the name is no plain one, or the file is a link that leads out of the folder (:func:`vad_lib.files.inside`).
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
    """Decode a whole video and say what it holds; errors and warnings as in :func:`read_frames`."""
    count, shape = 0, (0, 0, 3)
    for frame in read_frames(path):
        count, shape = count + 1, frame.shape
    capture = _open(path)
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return VideoInfo(count, float(fps) if _plausible(fps) else 0.0, shape[1], shape[0])


def header_frames(path: Path | str) -> int:
    """Frames that the header promises, 0 if none; good for a progress bar only. Raises as :func:`read_frames`."""
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


# --- snippets and crops -------------------------------------------------------------------------------
def resized_size(height: int, width: int, short_side: int, crop_size: int) -> tuple[int, int]:
    """Height and width after resizing: shorter side to ``short_side``, aspect kept, no side below ``crop_size``.

    Example:
        >>> resized_size(240, 320, short_side=256, crop_size=224)
        (256, 341)
    """
    scale = short_side / min(height, width)
    return max(round(height * scale), crop_size), max(round(width * scale), crop_size)


def check_crop(short_side: int, crop_size: int) -> None:
    """Raise a :class:`ConfigError` if a crop of this size does not fit into the resized frame."""
    if crop_size > short_side:
        raise ConfigError(f"crop_size {crop_size} is larger than short_side {short_side}; the crop must fit into the frame.")


def resize_frame(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 (H, W, 3): pixel areas when shrinking, bilinear when enlarging."""
    if frame.shape[:2] == (height, width):
        return frame
    shrinking = height < frame.shape[0]
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)


def resize_bicubic(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 (H, W, 3) by cubic convolution, widened when shrinking: Pillow's, which CLIP was trained with, to 2 of 255."""
    if frame.shape[:2] == (height, width):
        return frame
    pixels = torch.from_numpy(frame).permute(2, 0, 1)[None]
    return F.interpolate(pixels, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0).contiguous().numpy()


def read_snippets(
    path: Path | str,
    short_side: int,
    crop_size: int,
    resize: Callable[[np.ndarray, int, int], np.ndarray] = resize_frame,
    places: Sequence[int] = range(FRAMES_PER_SNIPPET),
) -> Iterator[np.ndarray]:
    """Cut a video into snippets of 16 frames, stride 16; the last frame is repeated to fill the last one.

    Args:
        path: the video.
        short_side: pixels of the shorter side after resizing.
        crop_size: pixels of the crops to come, at most ``short_side``.
        resize: :func:`resize_frame` or :func:`resize_bicubic`.
        places: frames of each snippet to keep, from 0 up to 15, ascending; all by default.

    Yields:
        uint8 (len(places), H, W, 3), RGB, ceil(frames / 16) of them.

    Raises:
        ConfigError: ``crop_size`` is larger than ``short_side``.
        MissingFileError, DataError: as :func:`read_frames`.
    """
    check_crop(short_side, crop_size)
    frames: list[np.ndarray] = []
    place = 0
    for frame in read_frames(path):
        size = resized_size(*frame.shape[:2], short_side, crop_size)
        if place in places:
            frames.append(resize(frame, *size))
        place += 1
        if place == FRAMES_PER_SNIPPET:
            yield np.stack(frames)
            frames, place = [], 0
    if place:
        yield np.stack(frames + [resize(frame, *size)] * (len(places) - len(frames)))


def crop_views(snippet: np.ndarray, crop_size: int, num_crops: int) -> np.ndarray:
    """Cut crops out of a snippet.

    Args:
        snippet: uint8 (T, H, W, 3).
        crop_size: pixels S, at most H and W.
        num_crops: 1, 5 or 10, in the order of :data:`CROP_NAMES`.

    Returns:
        uint8 (num_crops, T, S, S, 3).
    """
    height, width = snippet.shape[1:3]
    bottom, right = height - crop_size, width - crop_size
    corners = {
        "centre": (bottom // 2, right // 2),
        "top_left": (0, 0),
        "top_right": (0, right),
        "bottom_left": (bottom, 0),
        "bottom_right": (bottom, right),
    }
    views = np.empty((num_crops, len(snippet), crop_size, crop_size, 3), dtype=np.uint8)
    for view, name in zip(views, CROP_NAMES[num_crops]):
        top, left = corners[name.removesuffix("_mirrored")]
        crop = snippet[:, top : top + crop_size, left : left + crop_size]
        view[:] = crop[:, :, ::-1] if name.endswith("_mirrored") else crop
    return views


def network_input(views: np.ndarray, device: str | torch.device = "cpu") -> Tensor:
    """Crops as a backbone takes them.

    Args:
        views: uint8 (B, T, S, S, 3).
        device: where the tensor goes.

    Returns:
        float32 (B, 3, T, S, S) in [-1, 1], channels last in memory, as frames are.
    """
    return torch.from_numpy(views).to(device).permute(0, 4, 1, 2, 3).float().div_(127.5).sub_(1)


# --- pictures and rendered videos ---------------------------------------------------------------------
def frame_strip(path: Path | str, frame_indices: Sequence[int], height: int) -> np.ndarray:
    """Some frames of a video, for the strip beneath a score curve.

    Args:
        path: the video.
        frame_indices: which frames, in any order.
        height: pixels of the pictures; the width follows.

    Returns:
        uint8 (len(frame_indices), height, width, 3), RGB, in the order asked for.

    Raises:
        DataError: an index outside the video; others as :func:`read_frames`.
    """
    wanted, found, count = set(frame_indices), {}, 0
    # Seeking lands on neighbours of the frame in many containers, so the video is read from its start.
    for index, frame in enumerate(read_frames(path)):
        count = index + 1
        if index in wanted:
            found[index] = resize_frame(frame, height, max(round(frame.shape[1] * height / frame.shape[0]), 1))
        if len(found) == len(wanted):
            break
    if missing := sorted(wanted - set(found)):
        raise DataError(f"{path}: has frames 0 to {count - 1}, asked for {', '.join(map(str, missing))}.")
    return np.stack([found[index] for index in frame_indices])


def write_video(path: Path | str, frames: Iterable[np.ndarray], fps: float) -> int:
    """Write an mp4 file (MPEG-4 part 2), atomically.

    Args:
        path: target, ending ``.mp4``.
        frames: uint8 (H, W, 3), RGB, all of one size, at least one.
        fps: frames per second.

    Returns:
        number of frames.

    Raises:
        DataError: no frames, or frames of another shape or type.
        OutputError: the file cannot be written.
    """
    count, shape, writer = 0, None, None
    with atomic_path(path) as temporary:
        try:
            for frame in frames:
                if writer is None:
                    shape = frame.shape
                    size = (shape[1], shape[0])
                    writer = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), fps, size)
                    if not writer.isOpened():
                        raise OutputError(
                            f"cannot write {path} as mp4 with {size[0]} x {size[1]} pixels at {fps} frames per second."
                        )
                if frame.shape != shape or frame.dtype != np.uint8 or frame.ndim != 3:
                    raise DataError(
                        f"{path}: frame {count}: expected uint8 {shape} like the first one, got {frame.dtype} {frame.shape}."
                    )
                writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
                count += 1
        finally:
            if writer is not None:
                writer.release()
        if count == 0:
            raise DataError(f"{path}: expected at least one frame to write, got none.")
    return count
