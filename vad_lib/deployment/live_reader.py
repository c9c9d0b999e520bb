"""A thread that reads a camera, a stream or a file into snippets, and the few snippets that may wait for their scores.

A snippet holds 16 frames that came one after the other. The frames of a snippet that a lost connection or a hole cuts short are
left out, and so are the last ones of a file that do not fill a snippet. Of a camera that always sends few frames, distances of
up to twice the usual one are no hole. Where scoring is slower than the frames come, the
oldest waiting snippet is dropped whole for each new one, so that what is scored is recent and memory stays the same.
"""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET, FeatureSettings
from vad_lib.data.backbones.clip_image import ClipImage
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.snippets import resize_frame, resized_size
from vad_lib.deployment.clips import jpeg
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.deployment.live_source import Arrived, Source, StreamLost, arriving
from vad_lib.errors import DataError

PEAK = (FRAMES_PER_SNIPPET - 1) // 2  # the middle frame of a snippet
JUMP = 10.0  # seconds; a stream's clock that runs further ahead than this of the time that passes was set anew
TICK = 0.001  # seconds between frames whose clock stands still


@dataclass(frozen=True, eq=False)
class Snippet:
    """Sixteen frames that came one after the other, as they are scored and shown.

    Attributes:
        number: from 0; snippets that are dropped count.
        connection: from 0; another one means that the stream was lost between.
        first_frame: number of its first frame among all that came.
        seconds: float64 (16,), when each frame was taken, from the first frame of the run.
        arrived: seconds of ``time.monotonic`` at which the last frame was there.
        time: when the first frame came, UTC.
        late: seconds that the last frame came later, by the stream's own clock, than the quickest one of this connection.
        frames: uint8 (P, H, W, 3), RGB, what the network sees: P of the 16 frames, resized.
        clip: uint8 (16, h, w, 3), RGB, for clips; None without pictures.
        picture: the middle frame, at its full size, as JPEG; empty without pictures.
    """

    number: int
    connection: int
    first_frame: int
    seconds: np.ndarray
    arrived: float
    time: datetime
    late: float
    frames: np.ndarray
    clip: np.ndarray | None
    picture: bytes

    @property
    def start(self) -> float:
        """Seconds at which it starts."""
        return float(self.seconds[0])

    @property
    def end(self) -> float:
        """Seconds at which it ends: its last frame is shown as long as the average one."""
        return float(self.seconds[-1] + (self.seconds[-1] - self.seconds[0]) / (len(self.seconds) - 1))


class Waiting:
    """Snippets that wait for their scores, a stated number of them; the oldest makes room for one more.

    Args:
        most: snippets.

    Attributes:
        dropped: snippets that were dropped.
    """

    def __init__(self, most: int) -> None:
        self._snippets: deque[Snippet] = deque()
        self._most = most
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, snippet: Snippet) -> None:
        """Add the newest; never waits."""
        with self._changed:
            if len(self._snippets) == self._most:
                self._snippets.popleft()
                self.dropped += 1
            self._snippets.append(snippet)
            self._changed.notify()

    def get(self, seconds: float) -> Snippet | None:
        """The oldest; None if none comes within this time."""
        with self._changed:
            self._changed.wait_for(lambda: self._snippets or self._closed, seconds)
            return self._snippets.popleft() if self._snippets else None

    def close(self) -> None:
        """No more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    @property
    def over(self) -> bool:
        """True if none waits and no more will come."""
        with self._changed:
            return self._closed and not self._snippets


class StreamClock:
    """Times of frames, from the first frame of the run, each later than the one before.

    Within a connection the distances are those of the stream's own clock; from one connection to the next, and where the
    stream has no clock or sets it anew, those at which the frames came.

    Attributes:
        late: seconds that the last frame came later than the quickest one of this connection.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._last = -TICK
        self.restart()

    def restart(self) -> None:
        """Another connection begins."""
        self._shift: float | None = None
        self._before = (0.0, 0.0)  # stamp and arrival of the frame before
        self._earliest = self.late = 0.0

    def now(self) -> float:
        """Seconds since the first frame of the run; 0 before it."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def seconds(self, stamp: float | None, at: float) -> float:
        """Time of the next frame.

        Args:
            stamp: seconds by the stream's own clock, None if it has none.
            at: seconds of ``time.monotonic`` at which it came.
        """
        if self._began is None:
            self._began = at
        own = now = at - self._began
        if stamp is not None:
            passed = at - self._before[1]
            if self._shift is None or not 0 <= stamp - self._before[0] <= passed + JUMP:
                self._shift = max(now, self._last + TICK) - stamp
                self._earliest = now - stamp - self._shift
            own = stamp + self._shift
            self._before = (stamp, at)
            self._earliest = min(self._earliest, now - own)
            self.late = now - own - self._earliest
        self._last = max(own, self._last + TICK)
        return self._last


class Reader(threading.Thread):
    """Reads until it is stopped, the file ends, or the stream cannot be opened at the start; a lost one is tried again.

    Args:
        source: what to read.
        recipe: sizes of what the network sees.
        network: that will see it.
        settings: pauses, sizes and the number of snippets that wait.
        say: shows a line to a person.

    Attributes:
        waiting: where the snippets go.
        frames: that came.
        snippets: that were complete.
        connections: that were made.
        cut: seconds between two frames from which they are no neighbours; more than the settings have where frames are rare.
        lost: True while the stream is lost.
        clock: of the frames.
        failure: why it ended, if that is an error.
    """

    def __init__(
        self, source: Source, recipe: FeatureSettings, network: I3D | ClipImage, settings: LiveSettings, say: Callable[[str], None]
    ) -> None:
        super().__init__(name="live reader", daemon=True)
        self._source, self._recipe, self._network, self._settings, self._say = source, recipe, network, settings, say
        self._stopped = threading.Event()
        self._pause = settings.first_pause
        self._begun: list[tuple[np.ndarray | None, np.ndarray | None, float]] = []  # of the snippet: frame, clip's, seconds
        self._distances: deque[float] = deque(maxlen=FRAMES_PER_SNIPPET)  # of the last frames, in seconds
        self.cut = settings.cut_seconds
        self.waiting = Waiting(settings.waiting)
        self.clock = StreamClock()
        self.frames = self.snippets = self.connections = 0
        self.lost = False
        self.failure: Exception | None = None

    def stop(self) -> None:
        """End at the next frame or time-out."""
        self._stopped.set()

    def run(self) -> None:
        """Read; the thread's own work."""
        try:
            self._read()
        except Exception as error:  # shown by the thread that scores
            self.failure = error
        finally:
            self.waiting.close()

    def _read(self) -> None:
        while not self._stopped.is_set():
            frames_before = self.frames
            try:
                for arrived in arriving(self._source, self._settings, self._stopped):
                    if self.frames == frames_before:
                        self._connect()
                    self._take(arrived)
                return
            except StreamLost as lost:
                if not self.frames:
                    raise DataError(
                        f"{self._source.shown}: expected a stream of video, but {lost}. Check the address and the password, and "
                        "that the camera or server is on and can be reached from here."
                    ) from None
                if self._stopped.is_set():
                    return
                self.lost = True
                self._say(f"the stream is lost ({lost}); it is tried again in {self._pause:g} s")
            self._stopped.wait(self._pause)
            self._pause = min(2 * self._pause, self._settings.longest_pause)

    def _connect(self) -> None:
        """The first frame of a connection is there."""
        if self.connections:
            self._say("the stream is back")
        self.connections += 1
        self.lost = False
        self.clock.restart()
        self._begun = []

    def _take(self, arrived: Arrived) -> None:
        seconds = self.clock.seconds(arrived.stamp, arrived.at)
        if self._begun:
            self._distances.append(seconds - self._begun[-1][2])
            if len(self._distances) == FRAMES_PER_SNIPPET:
                self.cut = max(self._settings.cut_seconds, 2 * statistics.median(self._distances))
            if self._distances[-1] > self.cut:
                self._begun = []
        place = len(self._begun)
        if place == 0:
            self._time = datetime.now(UTC)
        if place == PEAK:
            self._picture = jpeg(arrived.pixels) if self._settings.pictures else b""
        self._begun.append((self._for_network(arrived.pixels, place), self._for_clip(arrived.pixels), seconds))
        self.frames += 1
        if len(self._begun) == FRAMES_PER_SNIPPET:
            self._finish(arrived.at)
        if self._source.kind == "stream" and self.clock.late > self._settings.late_seconds:
            raise StreamLost(f"its frames come {self.clock.late:.0f} s late, the connection or this machine is too slow for it")

    def _finish(self, at: float) -> None:
        frames, clips, seconds = zip(*self._begun)
        snippet = Snippet(
            number=self.snippets,
            connection=self.connections - 1,
            first_frame=self.frames - FRAMES_PER_SNIPPET,
            seconds=np.array(seconds),
            arrived=at,
            time=self._time,
            late=self.clock.late,
            frames=np.stack([frame for frame in frames if frame is not None]),
            clip=None if clips[0] is None else np.stack(clips),
            picture=self._picture,
        )
        self.snippets += 1
        self._begun = []
        self._pause = self._settings.first_pause
        self.waiting.put(snippet)

    def _for_network(self, pixels: np.ndarray, place: int) -> np.ndarray | None:
        if place not in self._network.places:
            return None
        size = resized_size(pixels.shape[0], pixels.shape[1], self._recipe.short_side, self._recipe.crop_size)
        return self._network.resize(pixels, *size)

    def _for_clip(self, pixels: np.ndarray) -> np.ndarray | None:
        if not self._settings.pictures:
            return None
        scale = min(1.0, self._settings.clip_height / min(pixels.shape[:2]))
        return resize_frame(pixels, *(2 * max(round(side * scale / 2), 1) for side in pixels.shape[:2]))
