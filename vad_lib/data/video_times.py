"""Which frame is shown when, and which frames are lost.

Times are *stamps* here, whole ticks of the file's own clock, until :class:`Clock` turns them into seconds.
"""

import heapq
from dataclasses import dataclass, field

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# Containers that store no time of showing, only an order of decoding.
WITHOUT_TIMES = {"avi", "h264", "hevc", "m4v", "mpegvideo", "mjpeg", "obu"}

# Containers of a constant rate, in which a damaged frame vanishes without a trace but a gap.
CONSTANT_RATE = {"mpeg", "mpegts"}

WITH_HIDDEN_FRAMES = {"vp8"}  # other codecs pack a hidden frame with the next that is shown

APART = 0.75  # of the usual distance; nearer packets are parts of one frame

REGULAR = 8  # frames at one distance make a regular clock


@dataclass
class Packets:
    """What is known of the coded packets up to now: which frames must come, and whether the file is whole.

    A packet has a stamp, its time in ticks. In containers that store no time of showing, stamps are those of decoding; there the
    frames, which come in the order of showing, take the stamps one by one.
    """

    timed: bool
    hidden: bool  # some packets are not meant to be shown, so that a missing frame is lost only where there was an error
    step: int  # ticks between two frames, by the stated rate
    second: int  # ticks
    waiting: list[int] = field(default_factory=list)  # a heap: stamps of packets whose frames have not come
    count: int = 0
    errors: int = 0
    end: float = 0.0  # seconds at which the last packet of any kind ends
    untimed: int = 0
    last: int | None = None  # stamp of the last frame that came

    def note(self, packet: Packet, of_video: bool) -> None:
        """Take a packet into account."""
        if packet.pts is not None and packet.time_base is not None:
            self.end = max(self.end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if of_video and packet.size:
            self.errors += packet.is_corrupt
            stamp = packet.pts if self.timed else packet.dts
            if stamp is None or self.untimed:
                self.untimed += 1
                stamp = self.count * self.step
            if not packet.is_discard:
                heapq.heappush(self.waiting, stamp)
            self.count += 1

    def take(self, frame: VideoFrame) -> tuple[list[int], int | None]:
        """A frame came: the stamps of frames that must have come before it and are lost, and its own; None if it is too late."""
        lost: list[int] = []
        if self.timed and frame.pts is not None:
            own = frame.pts
            if self.errors and self.last is not None and 0 <= self.last - own < self.second:
                return [], None  # after damage frames can come in a wrong order; its place is filled already
            while self.waiting and self.waiting[0] <= own:
                lost.append(heapq.heappop(self.waiting))
            lost = [stamp for stamp in self._apart(lost) if own - stamp > APART * self.step] if self._can_tell() else []
        elif self.waiting:
            own = heapq.heappop(self.waiting)
        else:
            return [], None
        self.last = own
        return lost, own

    def miss(self) -> tuple[list[int], None]:
        """An error came in place of a frame: the stamp that is lost by it, where stamps are taken one by one."""
        return ([heapq.heappop(self.waiting)] if not self.timed and self.waiting else []), None

    def rest(self) -> list[int]:
        """The stamps of the frames that should come yet."""
        stamps = [heapq.heappop(self.waiting) for _ in range(len(self.waiting))]
        return self._apart(stamps)

    def _can_tell(self) -> bool:
        """Whether a packet without a frame is a loss: not before the first frame, where FFmpeg leaves out what has no beginning."""
        return self.errors > 0 or (self.last is not None and not self.hidden)

    def _apart(self, stamps: list[int]) -> list[int]:
        """Without those that are too near to another: packets that are parts of one frame, or not meant to be shown."""
        kept = [] if self.last is None else [self.last]
        begin = len(kept)
        for stamp in stamps:
            if not kept or stamp - kept[-1] > APART * self.step:
                kept.append(stamp)
        return kept[begin:]


@dataclass
class Gaps:
    """Frames that vanished from a stream whose clock was regular up to there; in ticks."""

    step: int
    last: int | None = None
    regular: int = 0  # frames in a row that came at the usual distance

    def missing(self, own: int) -> list[int]:
        """Stamps of the frames that should have come before this one."""
        steps = 0.0 if self.last is None else (own - self.last) / self.step
        count = round(steps)
        found: list[int] = []
        if abs(steps - count) > 0.1 or count < 1:
            self.regular = 0
        elif count == 1:
            self.regular += 1
        elif self.regular >= REGULAR and self.last is not None:
            found = [self.last + self.step * number for number in range(1, count)]
        self.last = own
        return found


class Clock:
    """Times of frames, from the start of the file, each later than the one before."""

    def __init__(self, container: InputContainer, stream: VideoStream, fps: float) -> None:
        self.base = float(stream.time_base or 1)
        self.origin = None if container.start_time is None else container.start_time / 1_000_000
        self.step = 1 / fps
        self.last: float | None = None
        self.count = 0
        self.backwards: list[int] = []  # numbers of frames whose times do not grow

    def seconds(self, stamp: int) -> float:
        """Time of the next frame, whose own time in ticks is ``stamp``."""
        if self.origin is None:
            self.origin = stamp * self.base
        time = max(stamp * self.base - self.origin, 0.0)
        if self.last is not None and time <= self.last:
            self.backwards.append(self.count)
            following = self.last + self.step
            if self.last - time > 1:  # a clock that was set anew: what follows keeps its distances
                self.origin -= following - time
            time = following
        self.last = time
        self.count += 1
        return time
