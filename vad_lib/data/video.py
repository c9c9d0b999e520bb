"""Video files to frames, one at a time, each with its time; and what is wrong with a file.

FFmpeg's libraries decode, through PyAV. Frames are numbered from 0, in the order in which a player shows them, and are uint8
(height, width, 3), RGB. What is special about a file is met by these rules:

times                   Each frame has its own time, whatever the frame rate does. Seconds count from the start of the file.
files without times     One frame follows the other at the rate that the file states, 25 a second if it states none.
damage                  A frame that does not decode is *lost*: the frame before it is shown again, at the time of the lost one,
                        so that nothing later moves. At the start, where none is before it, the first that decodes is shown.
interlaced frames       Both fields are kept, line by line as stored. Nothing is deinterlaced.
change of resolution    Later frames are scaled to the size of the first.
rotation                A turn that the file asks for is done.
"""

import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vad_lib.data.video_opening import ASSUMED_FPS, opened, stated_fps
from vad_lib.data.video_times import CONSTANT_RATE, WITH_HIDDEN_FRAMES, WITHOUT_TIMES, Clock, Gaps, Packets
from vad_lib.errors import DataError, first_few

TRUNCATED_BELOW = 0.9  # of the packets or the duration that the header promises
DECODED_AT_LEAST = 0.5  # of the frames; with fewer, copies would be most of a video

# Containers whose header states a duration. For others FFmpeg divides the size by a bit rate, which is a guess.
_STATE_DURATION = {"matroska", "mov", "avi", "flv", "asf"}


class VideoWarning(UserWarning):
    """A video has lost frames, no times, or changes half way; the message says what was done about it."""


class Frame(NamedTuple):
    """One frame as it is shown.

    Attributes:
        pixels: uint8 (H, W, 3), RGB.
        seconds: when it is shown, from the start of the file; each later than the one before.
        lost: True if the file's own frame did not decode and these pixels are the neighbour's.
    """

    pixels: np.ndarray
    seconds: float
    lost: bool = False


@dataclass(frozen=True)
class VideoInfo:
    """What a video file really holds.

    Attributes:
        num_frames: frames that are shown, lost ones included.
        fps: frames per second, on average.
        width, height: pixels, after rotation.
        seconds: float64 (num_frames,), when each frame is shown.
        lost: numbers of the frames that did not decode.
        notes: a sentence for each thing that is special about the file.
    """

    num_frames: int
    fps: float
    width: int
    height: int
    seconds: np.ndarray = field(compare=False, repr=False)
    lost: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last, which is shown as long as the average one."""
        return float(self.seconds[-1] - self.seconds[0]) + 1 / self.fps


def read_frames(path: Path | str) -> Iterator[np.ndarray]:
    """Decode a video frame by frame: the pixels of :func:`decode`.

    Yields:
        uint8 (H, W, 3), RGB.

    Raises and warns: as :func:`decode`.
    """
    return (frame.pixels for frame in decode(path))


def decode(path: Path | str) -> Iterator[Frame]:
    """Decode a video frame by frame, with times, by the rules at the top of this module.

    Memory does not grow with the length of the video.

    Yields:
        the frames, in the order in which they are shown.

    Raises:
        MissingFileError: there is no such file.
        DataError: not a video that can be decoded, no frames, cut off before its end, or most frames are damaged. The last two
            can only show after frames were given out: drop those.

    Warns:
        VideoWarning: frames are lost, the last ones are missing, times are missing or run backwards, or the resolution changes.
    """
    noticed = Noticed()
    yield from _decode(Path(path), noticed)
    for note in noticed.sentences():
        warnings.warn(f"{path}: {note}", VideoWarning, stacklevel=2)


def probe(path: Path | str) -> VideoInfo:
    """Decode a whole video and say what it holds.

    Raises and warns: as :func:`decode`.
    """
    reading = Reading(path)
    for _ in reading:
        pass
    for note in reading.info.notes:
        warnings.warn(f"{path}: {note}", VideoWarning, stacklevel=2)
    return reading.info


class Reading:
    """One pass over a video that gives frames and says at its end what the file holds, so that it is decoded only once.

    Args:
        path: the video.

    Attributes:
        info: what the video holds; there when all frames have been given out.
    """

    info: VideoInfo

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __iter__(self) -> Iterator[Frame]:
        """The frames of :func:`decode`, by the same rules; what would be a warning there stands in the notes of ``info``.

        Raises:
            MissingFileError, DataError: as :func:`decode`.
        """
        noticed, seconds, lost, shape = Noticed(), [], [], (0, 0, 3)
        for number, frame in enumerate(_decode(self.path, noticed)):
            seconds.append(frame.seconds)
            shape = frame.pixels.shape
            if frame.lost:
                lost.append(number)
            yield frame
        times, notes = np.array(seconds), tuple(noticed.sentences())
        self.info = VideoInfo(len(times), _average_fps(times, noticed.stated_fps), shape[1], shape[0], times, tuple(lost), notes)


def header_frames(path: Path | str) -> int:
    """Frames that the header promises, 0 if none. Often an estimate, so good for progress bars and plausibility only.

    Raises:
        MissingFileError: there is no such file.
        DataError: not a video that can be decoded.
    """
    with opened(Path(path)) as (container, stream):
        if stream.frames > 0:
            return stream.frames
        return round((container.duration or 0) / 1_000_000 * stated_fps(stream))


def _average_fps(seconds: np.ndarray, stated: float) -> float:
    """The rate by the frames' times; as stated where that is the same but for rounding."""
    if len(seconds) < 2:
        return stated
    measured = (len(seconds) - 1) / (seconds[-1] - seconds[0])
    # containers round times to a millisecond
    return stated if abs(measured / stated - 1) < 1e-3 else float(measured)


# --- decoding ---------------------------------------------------------------------------------------------


@dataclass
class Noticed:
    """What decoding a file brought to light."""

    stated_fps: float = ASSUMED_FPS
    shown: int = 0
    lost: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    untimed: int = 0
    backwards: list[int] = field(default_factory=list)
    resized: list[int] = field(default_factory=list)
    interlaced: int = 0
    ends_early: str = ""

    def sentences(self) -> Iterator[str]:
        """What a person should know, a sentence each."""
        if self.lost:
            yield (
                f"{len(self.lost):,} of {self.shown:,} frames are damaged and do not decode ({_numbers(self.lost)}); each shows "
                "its neighbour's picture, and all others keep their times."
            )
        if self.damaged:
            yield f"{len(self.damaged):,} frames are damaged in part and shown as FFmpeg repairs them ({_numbers(self.damaged)})."
        if self.ends_early:
            yield f"the end is missing: {self.ends_early}; the frames that are there count."
        if self.untimed:
            yield f"{self.untimed:,} frames have no time; they follow the others at {self.stated_fps:g} frames per second."
        if self.backwards:
            yield f"times do not grow at {_numbers(self.backwards)}; such frames follow the one before at the usual distance."
        if self.interlaced:
            yield f"{self.interlaced:,} frames are interlaced; both fields are kept, line by line as stored."
        if self.resized:
            yield f"the resolution changes at frame {self.resized[0]}; frames of another size were scaled to the first one's."


def _numbers(frames: list[int]) -> str:
    return f"frame{'s' * (len(frames) > 1)} {first_few([str(number) for number in frames])}"


class Painter:
    """Coded frames to pixels: RGB, all of the first one's size, turned as the file asks."""

    def __init__(self, noticed: Noticed) -> None:
        self.size: tuple[int, int] | None = None
        self.noticed = noticed
        self._graphs: dict[tuple[int, int, str], Graph] = {}
        self._to_rgb = VideoReformatter()  # kept, since each one sets up its tables anew

    def pixels(self, frame: VideoFrame) -> np.ndarray:
        """uint8 (H, W, 3)."""
        turns = round(frame.rotation / 90) % 4
        if self.size is None:
            self.size, self.turns = (frame.width, frame.height), turns
        elif (frame.width, frame.height) != self.size:
            self.noticed.resized.append(self.noticed.shown)
        if frame.is_corrupt:
            self.noticed.damaged.append(self.noticed.shown)
        if frame.interlaced_frame:
            self.noticed.interlaced += 1
            frame = self._as_progressive(frame)
        # one thread: more of them cost more than they gain on frames this small
        pixels = self._to_rgb.reformat(frame, width=self.size[0], height=self.size[1], format="rgb24", threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(pixels, self.turns)) if self.turns else pixels

    def _as_progressive(self, frame: VideoFrame) -> VideoFrame:
        """The same frame without its mark, which would make FFmpeg read the colours of each field apart."""
        key = (frame.width, frame.height, frame.format.name)
        if key not in self._graphs:
            self._graphs.clear()
            graph = self._graphs[key] = Graph()
            source = graph.add_buffer(width=key[0], height=key[1], format=frame.format, time_base=Fraction(1, 1000))
            graph.link_nodes(source, graph.add("setfield", "prog"), graph.add("buffersink")).configure()
        self._graphs[key].push(frame)
        return cast(VideoFrame, self._graphs[key].pull())


def _decode(path: Path, noticed: Noticed) -> Iterator[Frame]:
    """The frames; ``noticed`` is filled on the way and complete at the end."""
    with opened(path) as (container, stream):
        names = set(container.format.name.split(","))
        fps = noticed.stated_fps = stated_fps(stream)
        clock, painter = Clock(container, stream, fps), Painter(noticed)
        packets = Packets(
            timed=not names & WITHOUT_TIMES,
            hidden=stream.codec_context.codec.canonical_name in WITH_HIDDEN_FRAMES,
            step=max(1, round(1 / fps / clock.base)),
            second=round(1 / clock.base),
        )
        gaps = Gaps(packets.step) if names & CONSTANT_RATE else None
        pixels: np.ndarray | None = None
        early: list[int] = []

        def show(stamp: int, lost: bool) -> Frame:
            seconds = clock.seconds(stamp)
            if lost:
                noticed.lost.append(noticed.shown)
            noticed.shown += 1
            return Frame(cast(np.ndarray, pixels), seconds, lost)

        for frame in _coded_frames(path, container, stream, packets):
            lost, own = packets.miss() if frame is None else packets.take(frame)
            if gaps is not None and own is not None:
                lost = gaps.missing(own)
            if pixels is None:
                early += lost
            else:
                yield from (show(stamp, True) for stamp in lost)
            if frame is not None and own is not None:
                pixels = painter.pixels(frame)
                yield from (show(stamp, True) for stamp in early)  # the first that decodes stands for those before it
                early = []
                yield show(own, False)
        if pixels is None:
            raise DataError(f"{path}: expected at least one frame, none can be decoded. Get or render the video again.")
        yield from (show(stamp, True) for stamp in packets.rest())
        noticed.untimed, noticed.backwards = packets.untimed, clock.backwards
        _check_whole(path, container, stream, packets, noticed)


def _coded_frames(path: Path, container: InputContainer, stream: VideoStream, packets: Packets) -> Iterator[VideoFrame | None]:
    """What decodes, in the order in which it is shown; None in place of a frame that does not."""
    given = 0
    for frame in _one_pass(container, stream, packets):
        given += frame is not None
        yield frame
    if packets.waiting:
        # several threads can lose whole frames at the end when one is damaged; a single one does not
        unthreaded = Packets(packets.timed, packets.hidden, packets.step, packets.second)
        with opened(path, threads=1) as (container, stream):
            for number, frame in enumerate(filter(None, _one_pass(container, stream, unthreaded))):
                late = frame.pts in packets.waiting if packets.timed else number >= given
                if late:
                    yield frame
        if not packets.timed:  # now all errors are known; packets that are parts of one frame are none
            del packets.waiting[unthreaded.errors :]


def _one_pass(container: InputContainer, stream: VideoStream, packets: Packets) -> Iterator[VideoFrame | None]:
    coded = container.demux()
    while True:
        try:
            packet = next(coded)
        except StopIteration:
            return
        except av.error.FFmpegError:  # the file cannot be read any further
            packets.errors += 1
            with suppress(av.error.FFmpegError):
                yield from stream.decode(None)
            return
        of_video = packet.stream_index == stream.index
        packets.note(packet, of_video)
        if of_video:
            try:
                frames = stream.decode(packet)
            except EOFError:
                continue
            except av.error.FFmpegError:
                packets.errors += 1
                yield None
                continue
            yield from frames


def _check_whole(path: Path, container: InputContainer, stream: VideoStream, packets: Packets, noticed: Noticed) -> None:
    """Refuse a video that was cut off, or of which little is left; note it where only the last frames are missing."""
    again = "Get or render it again"
    if packets.count < TRUNCATED_BELOW * stream.frames:
        raise DataError(f"{path}: truncated: the header promises {stream.frames} frames, {packets.count} are there. {again}.")
    if packets.count < stream.frames:
        noticed.ends_early = f"the header promises {stream.frames} frames, {packets.count} are there"
    promised = (container.duration or 0) / 1_000_000
    ends = packets.end - (container.start_time or 0) / 1_000_000
    if _STATE_DURATION & set(container.format.name.split(",")) and ends < TRUNCATED_BELOW * promised:
        raise DataError(
            f"{path}: truncated: the header promises {promised:.1f} seconds, the file ends after {ends:.1f}. {again}; if the "
            "header is what is wrong, write it again (for example: ffmpeg -i IN -c copy OUT)."
        )
    if len(noticed.lost) > (1 - DECODED_AT_LEAST) * noticed.shown:
        raise DataError(f"{path}: {len(noticed.lost)} of {noticed.shown} frames are damaged and do not decode. {again}.")
