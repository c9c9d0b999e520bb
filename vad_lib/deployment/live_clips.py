"""One picture and one clip, or several, of each event of a stream, written while it goes on.

A clip begins with the few snippets before the event, which are kept for it, and ends when the event can go on no further. Frames
go to the encoder as they come, so that memory does not grow with the event. An event that turns out too short leaves no file.
Names are numbers; nothing of what a stream sends stands in them.
"""

from collections import deque
from contextlib import suppress
from pathlib import Path

from vad_lib.data.video_writing import VideoEncoder
from vad_lib.deployment.clips import CLIPS, PICTURES
from vad_lib.deployment.live_reader import Snippet
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.storage.writing import atomic_path

BEFORE = 3  # snippets before an event that its clip shows


class EventClips:
    """Clips and pictures of events, one event after the other.

    Args:
        folder: gets ``clips/event_001.mp4``, ``clips/event_001_2.mp4`` and so on, and ``pictures/event_001.jpg``.
        settings: length of clips, and the hole that separates what comes before it from what comes after it.
    """

    def __init__(self, folder: Path, settings: LiveSettings) -> None:
        self._folder, self._settings = folder, settings
        self._before: deque[Snippet] = deque(maxlen=BEFORE)
        self._last_end = 0.0
        self._clip: VideoEncoder | None = None
        self._shape: tuple[int, ...] = ()  # of the clip's frames
        self._start = 0.0  # its first frame, in seconds of the stream
        self._forget()

    def _forget(self) -> None:
        self._number, self._parts, self._highest, self._picture = 0, 0, -1.0, b""

    def pass_by(self, snippet: Snippet) -> None:
        """Keep a snippet that is in no event; the oldest of those kept is let go."""
        self._mind_hole(snippet)
        if snippet.clip is not None:
            self._before.append(snippet)

    def add(self, number: int, snippet: Snippet, score: float) -> None:
        """Take a snippet of the event that goes on.

        Args:
            number: of the event, the same until it is finished or dropped.
            snippet: the next one.
            score: in [0, 1]; the picture is of the first snippet with the highest.

        Raises:
            OutputError: a clip cannot be written, or the disk is full.
        """
        self._mind_hole(snippet)
        if snippet.clip is None:
            return
        self._number = number
        while self._before:
            self._write(self._before.popleft())
        self._write(snippet)
        if score > self._highest:
            self._highest, self._picture = score, snippet.picture

    def finish(self) -> tuple[str, str]:
        """The event has ended: close its files.

        Returns:
            its first clip and its picture, relative to the folder; empty without pictures.

        Raises:
            OutputError: one cannot be written, or the disk is full.
        """
        if not self._number:
            return "", ""
        self._close()
        clip, picture = self._clip_name(1), f"{PICTURES}/event_{self._number:03}.jpg"
        with atomic_path(self._folder / picture) as temporary:
            temporary.write_bytes(self._picture)
        self._forget()
        return clip, picture

    def drop(self) -> None:
        """The event counts for nothing: remove its files."""
        if self._clip is not None:
            self._clip.abandon()
            self._clip = None
        for part in range(1, self._parts + 1):
            with suppress(OSError):
                (self._folder / self._clip_name(part)).unlink()
        self._forget()

    def _mind_hole(self, snippet: Snippet) -> None:
        if snippet.start - self._last_end > self._settings.reset_seconds:
            self._before.clear()
        self._last_end = snippet.end

    def _clip_name(self, part: int) -> str:
        return f"{CLIPS}/event_{self._number:03}{f'_{part}' if part > 1 else ''}.mp4"

    def _write(self, snippet: Snippet) -> None:
        assert snippet.clip is not None  # such snippets are not kept
        clip = self._clip
        if clip is None or self._shape != snippet.clip.shape or snippet.end - self._start > self._settings.clip_seconds:
            self._close()
            self._parts += 1
            self._shape, self._start = snippet.clip.shape, snippet.start
            fps = len(snippet.seconds) / (snippet.end - snippet.start)
            clip = self._clip = VideoEncoder(self._folder / self._clip_name(self._parts), fps)
        for pixels, seconds in zip(snippet.clip, snippet.seconds.tolist()):
            clip.add(pixels, seconds - self._start)

    def _close(self) -> None:
        if self._clip is not None:
            clip, self._clip = self._clip, None
            clip.close()
