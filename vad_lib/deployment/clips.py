"""Pictures of own footage: a clip and a picture of each event, and the annotated video."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from vad_lib.data.video import Reading, VideoInfo
from vad_lib.data.video_seeking import can_seek, seek_frames
from vad_lib.data.video_writing import write_video
from vad_lib.deployment.events import Event
from vad_lib.errors import DataError
from vad_lib.report.figures import style
from vad_lib.storage.writing import atomic_path

CLIPS, PICTURES = "clips", "pictures"

MARGIN = 1.0  # seconds before and after an event that its clip shows

NARROWEST = 320  # pixels; smaller videos are enlarged so that the words beneath are legible


def clip_spans(events: Sequence[Event], seconds: np.ndarray) -> list[tuple[int, int]]:
    """First frame of each event's clip, and the frame after its last one.

    A clip shows a second more at both ends, less where the neighbour's clip begins: clips never share a frame.

    Args:
        events: of one video, in the order of time.
        seconds: float (F,), when each frame is shown.
    """
    spans = []
    for place, event in enumerate(events):
        start = int(np.searchsorted(seconds, event.start - MARGIN))
        behind = int(np.searchsorted(seconds, event.end + MARGIN))
        if place:
            start = max(start, (events[place - 1].end_frame + event.start_frame + 1) // 2)
        if place + 1 < len(events):
            behind = min(behind, (event.end_frame + events[place + 1].start_frame + 1) // 2)
        spans.append((start, behind))
    return spans


def write_pictures(video: Path, info: VideoInfo, events: Sequence[Event], folder: Path) -> list[Event]:
    """Write a clip (H.264) and a picture (JPEG) of each event.

    Where the file allows it only what is shown is decoded, else all up to the last event, once.

    Args:
        video: the file.
        info: of it.
        events: that were found in it.
        folder: gets ``clips`` and ``pictures``.

    Returns:
        the events, each with the names of its clip and picture.

    Raises:
        MissingFileError, DataError: the video is gone or has changed.
        OutputError: a file cannot be written, or the disk is full.
    """
    if events and can_seek(video, info):
        with suppress(DataError):  # which says that frames are not where they should be
            return _written(events, info, folder, lambda start, behind: seek_frames(video, info, start, behind))
    return _written(events, info, folder, _FromStart(video).between)


def _written(
    events: Sequence[Event], info: VideoInfo, folder: Path, between: Callable[[int, int], Iterator[np.ndarray]]
) -> list[Event]:
    named = []
    for event, (start, behind) in zip(events, clip_spans(events, info.seconds), strict=True):
        clip, picture = f"{CLIPS}/event_{event.number:03}.mp4", f"{PICTURES}/event_{event.number:03}.jpg"
        frames = _with_picture(between(start, behind), event.peak_frame - start, folder / picture)
        write_video(folder / clip, frames, info.fps, seconds=info.seconds[start:behind] - info.seconds[start])
        named.append(replace(event, clip=clip, picture=picture))
    return named


def _with_picture(frames: Iterator[np.ndarray], place: int, file: Path) -> Iterator[np.ndarray]:
    """The frames; the one at a place is written as a picture when it passes by."""
    for number, frame in enumerate(frames):
        if number == place:
            with atomic_path(file) as temporary:
                temporary.write_bytes(jpeg(frame))
        yield frame


class _FromStart:
    """Frames of a video, decoded once from its start."""

    def __init__(self, video: Path) -> None:
        self._frames, self._video, self._place = iter(Reading(video)), video, 0

    def between(self, start: int, behind: int) -> Iterator[np.ndarray]:
        """Frames ``start`` to ``behind - 1``, which come later than those that were asked for before."""
        while self._place < behind:
            frame = next(self._frames, None)
            if frame is None:
                raise DataError(f"{self._video}: has {self._place:,} frames now, more were there before; score it again.")
            self._place += 1
            if self._place > start:
                yield frame.pixels


def jpeg(frame: np.ndarray) -> bytes:
    """A frame, uint8 (H, W, 3), RGB, as JPEG."""
    return cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


# --- the annotated video ----------------------------------------------------------------------------------


def annotated_frames(video: Path | str, frames: pd.DataFrame) -> Iterator[np.ndarray]:
    """The frames of a video, each with its score as a bar, the number, the time and, if known, the category beneath.

    Args:
        video: the file.
        frames: a row per frame with ``score``, ``seconds`` and perhaps ``category``, as ``scores.csv`` has them.

    Yields:
        uint8 (height, width, 3), RGB, sides even, width at least 320; one frame held at a time.
    """
    colour = tuple(round(255 * part) for part in to_rgb(style.VERMILION))
    for (frame, *_), row in zip(Reading(video), frames.itertuples(index=False), strict=True):
        height, width = frame.shape[:2]
        scale = max(1.0, NARROWEST / width)
        # players want even sides
        height, width = (2 * round(side * scale / 2) for side in (height, width))
        line = max(24, height // 12)
        picture = np.full((height + 2 * line, width, 3), 24, dtype=np.uint8)
        picture[:height] = frame if scale == 1 and frame.shape[:2] == (height, width) else cv2.resize(frame, (width, height))
        words = f"score {row.score:.2f}" + (f"  {row.category}" if "category" in frames else "")
        _write_words(picture, words, 8, height + line, line)
        _write_words(picture, f"{int(row.seconds // 60)}:{row.seconds % 60:04.1f}", width - 3 * line, height + line, line)
        top, bottom, right = height + line + line // 4, height + 2 * line - line // 4, width - 8
        cv2.rectangle(picture, (8, top), (right, bottom), (90, 90, 90), 1)
        cv2.rectangle(picture, (8, top), (8 + round(row.score * (right - 8)), bottom), colour, cv2.FILLED)
        yield picture


def _write_words(picture: np.ndarray, words: str, left: int, bottom: int, line: int) -> None:
    cv2.putText(picture, words, (left, bottom - line // 4), cv2.FONT_HERSHEY_SIMPLEX, line / 44, (240, 240, 240), 1, cv2.LINE_AA)
