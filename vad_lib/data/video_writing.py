"""Frames to a video file."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from vad_lib.errors import DataError, OutputError
from vad_lib.storage.writing import atomic_path

MPEG4 = cv2.VideoWriter.fourcc(*"mp4v")  # every OpenCV of the package index can write it

CODEC_TAGS = {
    "h264": ("h264", "avc1", "avc3", "x264"),
    "hevc": ("hevc", "hev1", "hvc1", "h265"),
    "mpeg4": ("mp4v", "fmp4", "xvid", "divx", "dx50", "mpg4"),
    "jpeg": ("mjpg", "mjpa", "jpeg"),
}


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
                    writer = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, MPEG4, fps, size)
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
