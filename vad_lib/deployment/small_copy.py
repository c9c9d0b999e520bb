"""The small copy of a video that its page shows, and frames for its curve, made while the video is decoded for its features.

Both are kept beside the features, so that another threshold needs neither anew. They are pictures: where pictures are switched off,
none are made, and those that are there are removed.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from vad_lib.data.snippets import resize_frame
from vad_lib.data.video import Frame
from vad_lib.data.video_opening import ASSUMED_FPS
from vad_lib.data.video_writing import write_video
from vad_lib.deployment.page import shrunk
from vad_lib.errors import VadError
from vad_lib.report.figures.strips import Strip
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays

STRIP_FRAMES, STRIP_HEIGHT = 8, 96

MOST_KEPT = 64  # frames that the strip is chosen from

AT_ONCE = 16  # frames that wait for the encoder


COPY_ENDING = ".copy"  # an mp4 file, but no name that is searched for as footage

STRIP_ENDING = ".strip.npz"


def remove_copies(folder: Path) -> None:
    """Remove all copies and strips of a folder, if there is one."""
    for path in [*folder.glob(f"*{COPY_ENDING}"), *folder.glob(f"*{STRIP_ENDING}")]:
        path.unlink(missing_ok=True)


class SmallCopy:
    """Takes the frames of a video one by one; an encoder works beside whoever decodes.

    Args:
        folder: gets the copy and the frames of the strip.
        name: of both files, without ending.

    Attributes:
        file: the copy.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.file, self._strip_file = folder / f"{name}{COPY_ENDING}", folder / f"{name}{STRIP_ENDING}"
        self._thread: threading.Thread | None = None
        self._waiting: queue.Queue[Frame | None] = queue.Queue(AT_ONCE)
        self._seconds: deque[float] = deque()
        self._failure: VadError | None = None
        self._wanted = True
        self._kept: dict[int, np.ndarray] = {}
        self._count, self._every = 0, 1

    def is_there(self) -> bool:
        """Whether copy and strip were made before."""
        return self.file.is_file() and self._strip_file.is_file()

    def strip(self) -> Strip:
        """Frames at about equal distances.

        Raises:
            MissingFileError, DataError: they are not there or damaged.
        """
        found = read_arrays(self._strip_file)
        return Strip(found["frames"], found["images"])

    def take(self, frame: Frame) -> None:
        """Take the next frame.

        Raises:
            OutputError: the copy cannot be written or the disk is full.
        """
        self._keep(frame.pixels)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="small copy", daemon=True)
            self._thread.start()
        self._waiting.put(Frame(shrunk(frame.pixels), frame.seconds))
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """All frames were taken: wait for the encoder, and write the strip.

        Raises:
            OutputError: a file cannot be written or the disk is full.
        """
        self._end()
        if self._failure is not None:
            raise self._failure
        kept = np.array(sorted(self._kept))
        wanted = np.linspace(0, self._count - 1, STRIP_FRAMES)
        chosen = np.unique(kept[np.abs(kept[:, None] - wanted).argmin(axis=0)])
        write_arrays(self._strip_file, {"frames": chosen, "images": np.stack([self._kept[place] for place in chosen.tolist()])})

    def abandon(self) -> None:
        """Stop without a copy; after :meth:`finish` nothing happens."""
        self._wanted = False
        self._end()

    def _end(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _keep(self, pixels: np.ndarray) -> None:
        """Keep every n-th frame for the strip, n growing with the video."""
        if self._count % self._every == 0:
            width = max(round(pixels.shape[1] * STRIP_HEIGHT / pixels.shape[0]), 1)
            self._kept[self._count] = resize_frame(pixels, STRIP_HEIGHT, width)
            if len(self._kept) > MOST_KEPT:
                self._every *= 2
                self._kept = {place: image for place, image in self._kept.items() if place % self._every == 0}
        self._count += 1

    def _write(self) -> None:
        frames = self._coming()
        with suppress(_Abandoned):
            try:
                write_video(self.file, frames, ASSUMED_FPS, seconds=self._times())
            except VadError as error:  # raised again by whoever gives the frames
                self._failure = error
                for _ in frames:  # it must not wait for ever
                    pass

    def _coming(self) -> Iterator[np.ndarray]:
        while (frame := self._waiting.get()) is not None:
            self._seconds.append(frame.seconds)
            yield frame.pixels
        if not self._wanted:
            raise _Abandoned

    def _times(self) -> Iterator[float]:
        while True:
            yield self._seconds.popleft()


class _Abandoned(Exception):
    """The copy is not wanted."""
