"""Opening a video file, safely: only containers of video, only this file, no giant frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vad_lib.errors import DataError, MissingFileError

MOST_PIXELS = 2**26  # of a frame, 16 times 4K

# FFmpeg also reads pictures, and texts that are lists of what to play: it would then read what they name, anywhere.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,h264,hevc,m4v,mjpeg,gif,dv,mxf,ivf,obu,nut"
)

ASSUMED_FPS = 25.0  # where a file states no rate
PLAUSIBLE_FPS = (0.001, 1000.0)


@contextmanager
def opened(path: Path, threads: int = 0) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file for the block.

    Args:
        path: the file.
        threads: number that decode, 0 for one per processor.

    Yields:
        the file and the video in it.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is no video that FFmpeg can decode.
    """
    if path.is_dir():
        raise DataError(f"{path}: expected a video, got a folder.")
    if not path.is_file():
        raise MissingFileError(f"{path}: no such video.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: expected a video, the file is empty (0 bytes). Get or render it again.")
    try:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        # the prefix: FFmpeg would take a name like cam:1.mp4 for an address
        container = av.open(f"file:{path}", container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: expected a video, but it cannot be opened ({_reason(error)}); it is truncated or no video. Get or render it "
            "again."
        ) from error
    with container:
        stream = _video_stream(path, container)
        context = stream.codec_context
        if context.width * context.height > MOST_PIXELS:
            raise DataError(
                f"{path}: frames of {context.width:,} x {context.height:,} pixels cannot be. Get or render the video again."
            )
        context.options = {"max_pixels": str(MOST_PIXELS)}
        context.thread_type, context.thread_count = "AUTO", threads
        yield container, stream


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The video of a file, ready to be decoded."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams} - {"video"})
        only = f"holds only {' and '.join(kinds)}" if kinds else "names nothing that plays; it is truncated. Get or render it again"
        raise DataError(f"{path}: expected a video, the file {only}.")
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise DataError(f"{path}: its codec is not known to FFmpeg {av.ffmpeg_version_info}. Write the video again as H.264.")
    return stream


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def stated_fps(stream: VideoStream) -> float:
    """Frames per second as the header has it, :data:`ASSUMED_FPS` where it has nothing plausible."""
    for rate in (stream.guessed_rate, stream.average_rate):
        if rate and PLAUSIBLE_FPS[0] <= rate <= PLAUSIBLE_FPS[1]:
            return float(rate)
    return ASSUMED_FPS
