"""Some frames of a long video, without decoding what lies before them."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from vad_lib.data.video import Noticed, Painter, VideoInfo
from vad_lib.data.video_opening import opened
from vad_lib.errors import DataError

SEEKABLE = {"mov", "matroska"}  # containers that state the time of each frame, and where to begin for it

REORDERED = 16  # frames; a frame is shown at most so many before a key frame that is stored ahead of it

SAME = 1e-6  # seconds; times are computed alike, so that they are equal but for rounding


def can_seek(path: Path, info: VideoInfo) -> bool:
    """Whether :func:`seek_frames` can be tried: nothing is special about the file, and its container is made for it.

    Raises:
        MissingFileError, DataError: there is no such video.
    """
    if info.lost or info.notes:
        return False
    with opened(path) as (container, _):
        return bool(SEEKABLE & set(container.format.name.split(",")))


def seek_frames(path: Path, info: VideoInfo, start: int, behind: int) -> Iterator[np.ndarray]:
    """Frames ``start`` to ``behind - 1``, the same as :func:`vad_lib.data.video.read_frames` gives.

    Decoding begins at the last key frame before. Each frame's time must be the one that it is known to have; so no frame is taken
    for another, and where FFmpeg lands beside the place that it was asked for, an error says so.

    Args:
        path: the video.
        info: of it.
        start: first frame.
        behind: the frame after the last one, above ``start``.

    Yields:
        uint8 (H, W, 3), RGB.

    Raises:
        MissingFileError: there is no such video.
        DataError: a frame is not where it should be, or damaged: decode from the start.
    """
    noticed, wanted = Noticed(), start
    painter = Painter(noticed)
    with opened(path) as (container, stream):
        base, origin = float(stream.time_base or 1), (container.start_time or 0) / 1_000_000
        try:
            before = info.seconds[max(start - REORDERED, 0)]
            container.seek(round((before + origin) / base), stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.pts is None:
                    break
                seconds = max(frame.pts * base - origin, 0.0)
                if seconds < info.seconds[wanted] - SAME:
                    if wanted > start:
                        break
                    continue
                pixels = painter.pixels(frame)
                # sizes that change half way are noted in the info, and then nobody seeks
                if seconds > info.seconds[wanted] + SAME or noticed.damaged or pixels.shape[:2] != (info.height, info.width):
                    break
                yield pixels
                wanted += 1
                if wanted == behind:
                    return
        except av.error.FFmpegError as error:
            raise DataError(
                f"{path}: frame {wanted} cannot be found by seeking ({error.strerror}); decode from the start."
            ) from error
    raise DataError(f"{path}: frame {wanted} cannot be found by seeking; decode from the start.")
