"""The small copy of a video that its page shows, and frames for its curve, made while the video is decoded for its features.

Both are kept beside the features, so that another threshold needs neither anew. They are pictures: where pictures are switched off,
none are made, and those that are there are removed.
"""

from pathlib import Path

import numpy as np

from vad_lib.data.snippets import resize_frame
from vad_lib.data.video import Frame
from vad_lib.data.video_opening import ASSUMED_FPS
from vad_lib.data.video_writing import VideoEncoder
from vad_lib.deployment.page import shrunk
from vad_lib.report.figures.strips import Strip
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays

STRIP_FRAMES, STRIP_HEIGHT = 8, 96

MOST_KEPT = 64  # frames that the strip is chosen from

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
        self._encoder: VideoEncoder | None = None
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
        if self._encoder is None:
            self._encoder = VideoEncoder(self.file, ASSUMED_FPS)
        self._encoder.add(shrunk(frame.pixels), frame.seconds)

    def finish(self) -> None:
        """All frames were taken: wait for the encoder, and write the strip.

        Raises:
            OutputError: a file cannot be written or the disk is full.
        """
        if self._encoder is not None:
            self._encoder.close()
        kept = np.array(sorted(self._kept))
        wanted = np.linspace(0, self._count - 1, STRIP_FRAMES)
        chosen = np.unique(kept[np.abs(kept[:, None] - wanted).argmin(axis=0)])
        write_arrays(self._strip_file, {"frames": chosen, "images": np.stack([self._kept[place] for place in chosen.tolist()])})

    def abandon(self) -> None:
        """Stop without a copy; after :meth:`finish` nothing happens."""
        if self._encoder is not None:
            self._encoder.abandon()

    def _keep(self, pixels: np.ndarray) -> None:
        """Keep every n-th frame for the strip, n growing with the video."""
        if self._count % self._every == 0:
            width = max(round(pixels.shape[1] * STRIP_HEIGHT / pixels.shape[0]), 1)
            self._kept[self._count] = resize_frame(pixels, STRIP_HEIGHT, width)
            if len(self._kept) > MOST_KEPT:
                self._every *= 2
                self._kept = {place: image for place, image in self._kept.items() if place % self._every == 0}
        self._count += 1
