"""One picture and one clip, or several, of each event of a stream, written while it goes on.

A clip begins with the few snippets before the event, which are kept for it, and ends when the event can go on no further. Frames
go to the encoder as they come, so that memory does not grow with the event. An event that turns out too short leaves no file.
Names are numbers; nothing of what a stream sends stands in them.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from vad_lib.data.video_writing import write_video
from vad_lib.deployment.clips import CLIPS, PICTURES
from vad_lib.deployment.live_reader import Snippet
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.storage.writing import atomic_path

BEFORE = 3  # snippets before an event that its clip shows
AT_ONCE = 32  # frames that wait for the encoder


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
        self._clip: _Clip | None = None
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
        if clip is None or clip.shape != snippet.clip.shape or snippet.end - clip.start > self._settings.clip_seconds:
            self._close()
            self._parts += 1
            clip = self._clip = _Clip(self._folder / self._clip_name(self._parts), snippet)
        for pixels, seconds in zip(snippet.clip, snippet.seconds.tolist()):
            clip.add(pixels, seconds - clip.start)

    def _close(self) -> None:
        if self._clip is not None:
            clip, self._clip = self._clip, None
            clip.close()


class _Clip:
    """One clip: a thread runs :func:`~vad_lib.data.video_writing.write_video`, which asks for frames where a stream brings them."""

    def __init__(self, path: Path, first: Snippet) -> None:
        assert first.clip is not None  # as in _write
        self.shape, self.start = first.clip.shape, first.start
        self._path, self._fps = path, len(first.seconds) / (first.end - first.start)
        self._coming: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue(AT_ONCE)
        self._abandoned = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="live clip", daemon=True)
        self._thread.start()

    def add(self, pixels: np.ndarray, seconds: float) -> None:
        """Write one more frame; waits while the encoder is busy."""
        if self._failure is not None:
            raise self._failure
        self._coming.put((pixels, seconds))

    def close(self) -> None:
        """No more frames: the file is complete when this returns."""
        self._coming.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        """No file is wanted."""
        self._abandoned = True
        self._coming.put(None)
        self._thread.join()

    def _run(self) -> None:
        times: deque[float] = deque()

        def frames() -> Iterator[np.ndarray]:
            while (item := self._coming.get()) is not None:
                times.append(item[1])
                yield item[0]
            if self._abandoned:
                raise _Abandoned

        try:
            # write_video takes a time right after each frame
            write_video(self._path, frames(), self._fps, seconds=iter(times.popleft, None))
        except _Abandoned:
            pass
        except Exception as error:  # raised again by the thread that gives the frames, which must not wait for ever
            self._failure = error
            while self._coming.get() is not None:
                pass


class _Abandoned(Exception):
    """A clip is not wanted."""
