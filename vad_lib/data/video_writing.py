"""Frames to a video file, through FFmpeg's libraries (PyAV)."""

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.stream import VideoStream

from vad_lib.errors import DataError, OutputError
from vad_lib.storage.writing import atomic_path

Codec = Literal["h264", "mpeg4"]

TICKS = 90_000  # a second; times are rounded to these

AT_ONCE = 32  # frames that wait for a :class:`VideoEncoder`

ENCODERS = {"h264": "libx264", "mpeg4": "mpeg4"}
# Without B-frames ("bf"): an mp4 file counts its length in the order of decoding; at uneven times players would cut the end off.
OPTIONS = {"h264": {"crf": "20", "preset": "veryfast", "g": "50", "bf": "0"}, "mpeg4": {"qmin": "3"}}


def write_video(
    path: Path | str, frames: Iterable[np.ndarray], fps: float, *, seconds: Iterable[float] | None = None, codec: Codec = "h264"
) -> int:
    """Write an mp4 file, atomically: H.264 that every browser plays, its table of contents at the start.

    Args:
        path: target, ending ``.mp4``.
        frames: uint8 (H, W, 3), RGB, all of one size, at least one. Of a side that is odd the last line is doubled, since
            players want even sides.
        fps: frames per second.
        seconds: when each frame is shown, growing, the first at 0 or later; by default ``fps`` tells.
        codec: ``mpeg4`` is MPEG-4 part 2, which the rendered videos have; its frames have even sides already.

    Returns:
        number of frames.

    Raises:
        DataError: no frames, or frames of another shape or type.
        OutputError: the file cannot be written, the disk is full, or PyAV has no such encoder. What was there is whole.
    """
    times = iter(seconds) if seconds is not None else None
    count, shape, stream = 0, None, None
    with atomic_path(path) as temporary:
        try:
            options = {"movflags": "+faststart"} if codec == "h264" else {}
            with av.open(str(temporary), "w", format="mp4", options=options) as container:
                for frame in frames:
                    if stream is None:
                        shape = frame.shape
                        stream = _add_stream(container, shape, fps, codec)
                    if frame.shape != shape or frame.dtype != np.uint8 or frame.ndim != 3:
                        raise DataError(
                            f"{path}: frame {count}: expected uint8 {shape} like the first one, got {frame.dtype} {frame.shape}."
                        )
                    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(_even(frame)[..., ::-1]), format="bgr24")
                    picture.time_base = Fraction(1, TICKS)
                    picture.pts = round((count / fps if times is None else next(times)) * TICKS)
                    container.mux(stream.encode(picture))
                    count += 1
                if stream is not None:
                    container.mux(stream.encode())
        except UnknownCodecError as error:
            raise OutputError(
                f"cannot write {path}: expected PyAV with the encoder {ENCODERS[codec]}, got a build without it. Install PyAV's "
                "own package (pip install --force-reinstall --only-binary av av), then run the command again."
            ) from error
        except av.error.FFmpegError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}. Nothing was changed. Free some space or choose another folder, then run "
                "the command again."
            ) from error
        if count == 0:
            raise DataError(f"{path}: expected at least one frame to write, got none.")
        _check_written(path, temporary, count)
    return count


class VideoEncoder:
    """Writes a video while its frames are made: a thread runs :func:`write_video`, which waits for each of them.

    Args:
        path: target, as for :func:`write_video`.
        fps: frames per second that the file states.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._coming: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue(AT_ONCE)
        self._times: deque[float] = deque()
        self._abandoned = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="video encoder", daemon=True)
        self._thread.start()

    def add(self, pixels: np.ndarray, seconds: float) -> None:
        """Write one more frame; waits while the encoder is busy.

        Args:
            pixels: uint8 (H, W, 3), RGB, of the first frame's size.
            seconds: when it is shown, growing, the first at 0 or later.

        Raises:
            VadError: an earlier frame could not be written, as :func:`write_video` says it.
        """
        if self._failure is not None:
            raise self._failure
        self._coming.put((pixels, seconds))

    def close(self) -> None:
        """No more frames: the file is complete when this returns.

        Raises:
            VadError: it could not be written, as :func:`write_video` says it.
        """
        self._end()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        """No file is wanted; after :meth:`close` nothing happens."""
        self._abandoned = True
        self._end()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._coming.put(None)
            self._thread.join()

    def _run(self) -> None:
        frames = self._frames()
        try:
            # write_video takes a time right after each frame
            write_video(self._path, frames, self._fps, seconds=iter(self._times.popleft, None))
        except _Abandoned:
            pass
        except Exception as error:  # of any kind: raised again by whoever gives the frames, who must not wait for ever
            self._failure = error
            for _ in frames:
                pass

    def _frames(self) -> Iterator[np.ndarray]:
        while (item := self._coming.get()) is not None:
            self._times.append(item[1])
            yield item[0]
        if self._abandoned and self._failure is None:
            raise _Abandoned


class _Abandoned(Exception):
    """The file is not wanted."""


def _add_stream(container: OutputContainer, shape: tuple[int, ...], fps: float, codec: Codec) -> VideoStream:
    rate = Fraction(fps).limit_denominator(1000)
    stream = cast(VideoStream, container.add_stream(ENCODERS[codec], rate=rate, options=OPTIONS[codec]))
    stream.height, stream.width = (side + side % 2 for side in shape[:2])
    stream.pix_fmt = "yuv420p"
    if codec == "h264":
        stream.codec_context.time_base = Fraction(1, TICKS)
    else:  # as OpenCV's writer has it, so that rendered videos are what they were when it wrote them
        stream.bit_rate = min(round(64 * fps * stream.height * stream.width), 2**30)
        stream.gop_size = 12
        stream.codec_context.thread_count = 1
    return stream


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") if height % 2 or width % 2 else frame


def _check_written(target: Path | str, written: Path, frames: int) -> None:
    """Read the file once more: when a disk is full, the last bytes can be lost without an error."""
    found = 0
    with suppress(av.error.FFmpegError), av.open(str(written)) as container:
        found = sum(packet.size > 0 for packet in container.demux(video=0))
    if found != frames:
        raise OutputError(
            f"cannot write {target}: {frames} frames were written but the file holds {found}; the disk may be full. Nothing was "
            "changed. Free some space or choose another folder, then run the command again."
        )
