"""From a score per frame to events: when each starts and ends, when it peaks, and what it most likely is.

The rule, in this order:

1. An event starts at a frame whose score is at least the threshold, and ends before the first frame whose score is below the
   lower threshold, a share of the first (hysteresis).
2. Events with less than ``gap`` seconds between them are joined.
3. Events of less than ``shortest`` seconds are dropped.

A frame lasts until the next one is shown, whatever the frame rate does; the last one lasts until the end of the video. A higher
threshold never makes more time covered by events; their number can grow, since one event can become two.
"""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from vad_lib.config import Settings
from vad_lib.errors import DataError
from vad_lib.storage.reading import damaged_as_data_error, read_json
from vad_lib.storage.writing import write_json, write_text

EVENT_FILES = ("events.csv", "events.json", "events.vtt")

COLUMNS = (
    *("event", "start", "end", "peak", "seconds", "score", "category", "confidence", "start_frame", "end_frame"),
    *("peak_frame", "clip", "picture"),
)

ROUNDING = 1e-6  # seconds; nearer times count as equal, so that 25 frames of 1/25 s last a second


class EventRule(Settings):
    """How scores become events; see the top of this module."""

    threshold: float = Field(gt=0, le=1, description="score at which an event starts")
    lower_share: float = Field(0.8, gt=0, le=1, description="part of the threshold below which an event ends")
    shortest: float = Field(1.0, ge=0, description="seconds; shorter events are dropped")
    gap: float = Field(1.0, ge=0, description="seconds; events with less between them are joined")

    @property
    def lower(self) -> float:
        """Score below which an event ends."""
        return self.threshold * self.lower_share


@dataclass(frozen=True)
class Event:
    """One event of a video; seconds count from the start of the file.

    Attributes:
        number: from 1, in the order of time.
        start, end: seconds; the end is when the first frame after the event is shown, or the video ends.
        peak: seconds; the middle of the first stretch of the event's highest score.
        start_frame, end_frame: first frame, and the frame after the last one.
        peak_frame: that is shown at the peak.
        score: the highest, in [0, 1].
        category: the abnormal one that is most likely; None where the method knows no categories.
        confidence: mean over the event's frames of the category's probability among all categories, the normal one included,
            in [0, 1]; None without category. It is low where the method holds the event for normal by its category.
        clip, picture: files, relative to the folder of the video's results; empty if not written.
    """

    number: int
    start: float
    end: float
    peak: float
    start_frame: int
    end_frame: int
    peak_frame: int
    score: float
    category: str | None = None
    confidence: float | None = None
    clip: str = ""
    picture: str = ""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end - self.start


def event_spans(edges: np.ndarray, score: np.ndarray, rule: EventRule) -> np.ndarray:
    """Events of pieces of time that follow one another, frames or snippets.

    Args:
        edges: float (P + 1,), seconds; piece i lasts from ``edges[i]`` to ``edges[i + 1]``.
        score: float (P,), in [0, 1].
        rule: how scores become events.

    Returns:
        int64 (E, 2): the first piece of each event, and the piece after its last one; disjoint, in the order of time.

    Example: one piece a second; 0.5 keeps the event going but could not start one, and a gap of one second is not joined.
        >>> rule = EventRule(threshold=0.6, lower_share=0.75, shortest=2, gap=1)
        >>> event_spans(np.arange(8.0), np.array([0.5, 0.7, 0.5, 0.1, 0.9, 0.2, 0.5]), rule).tolist()
        [[1, 3]]
    """
    high = np.flatnonzero(score >= rule.threshold)
    change = np.diff(np.concatenate(([False], score >= rule.lower, [False])).astype(np.int8))
    begin, behind = np.flatnonzero(change == 1), np.flatnonzero(change == -1)  # of runs above the lower threshold
    first = np.append(high, len(score))[np.searchsorted(high, begin)]  # the first piece from there on that can start an event
    spans = np.column_stack((first, behind))[first < behind]
    if len(spans):
        apart = edges[spans[1:, 0]] - edges[spans[:-1, 1]] >= rule.gap - ROUNDING
        spans = np.column_stack((spans[np.append(True, apart), 0], spans[np.append(apart, True), 1]))
    return spans[edges[spans[:, 1]] - edges[spans[:, 0]] >= rule.shortest - ROUNDING]


def find_events(
    frames: pd.DataFrame,
    rule: EventRule,
    *,
    end: float,
    categories: Sequence[str] = (),
    probabilities: np.ndarray | None = None,
) -> list[Event]:
    """The events of a video.

    Args:
        frames: a row per frame: ``seconds``, growing, and ``score`` in [0, 1].
        rule: how scores become events.
        end: seconds at which the last frame ends.
        categories: K names, the normal one first; empty where the method knows none.
        probabilities: float (F, K) in [0, 1], of each category at each frame; None without categories.

    Raises:
        DataError: no frames, times that do not grow, an end before the last frame, or probabilities of another shape.
    """
    seconds, score = (frames[name].to_numpy(dtype=np.float64) for name in ("seconds", "score"))
    if not len(seconds) or (np.diff(seconds) <= 0).any() or not end > seconds[-1]:
        raise DataError("events: expected at least one frame, times that grow, and an end behind the last one.")
    if probabilities is not None and probabilities.shape != (len(seconds), len(categories)):
        raise DataError(
            f"events: expected probabilities of shape {(len(seconds), len(categories))}, one row per frame and one column per "
            f"category, got {probabilities.shape}."
        )
    edges = np.append(seconds, end)
    found = []
    for number, (start, behind) in enumerate(event_spans(edges, score, rule).tolist(), 1):
        peak = _peak(score, start, behind)
        means = None if probabilities is None else probabilities[start:behind].mean(axis=0, dtype=np.float64)
        category, confidence = likeliest(means, categories)
        times = (float(edges[start]), float(edges[behind]), float(edges[peak]))
        found.append(Event(number, *times, start, behind, peak, float(score[peak]), category, confidence))
    return found


def _peak(score: np.ndarray, start: int, behind: int) -> int:
    """The middle frame of the first stretch of the highest score."""
    highest = score[start:behind] == score[start:behind].max()
    first = int(highest.argmax())
    length = int(np.append(~highest[first:], True).argmax())
    return start + first + (length - 1) // 2


def likeliest(means: np.ndarray | None, categories: Sequence[str]) -> tuple[str, float] | tuple[None, None]:
    """The abnormal category of the largest mean probability, float (K,), and that mean; nothing without categories."""
    if means is None or len(categories) < 2:
        return None, None
    best = 1 + int(means[1:].argmax())
    return categories[best], float(means[best])


# --- files ------------------------------------------------------------------------------------------------


def event_table(events: Sequence[Event]) -> pd.DataFrame:
    """Events as ``events.csv`` has them, a row each; times in seconds."""
    rows = [asdict(event) | {"event": event.number, "seconds": event.seconds} for event in events]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_events(folder: Path | str, events: Sequence[Event], about: dict[str, Any]) -> None:
    """Write ``events.csv``, ``events.json`` and ``events.vtt``, captions that players show while an event lasts.

    Args:
        folder: that gets the files; made if missing.
        events: of one video.
        about: plain values that stand in the JSON file before the events, such as video, model and rule.

    Raises:
        OutputError: a file cannot be written, or the disk is full; what was there is whole.
    """
    table, text = event_table(events), io.StringIO()
    for name in ("start", "end", "peak", "seconds"):
        table[name] = [f"{value:.3f}" for value in table[name]]
    table.to_csv(text, index=False, float_format="%.4g", lineterminator="\n")
    write_text(Path(folder) / "events.csv", text.getvalue())
    write_json(Path(folder) / "events.json", about | {"events": [asdict(event) for event in events]})
    write_text(Path(folder) / "events.vtt", web_vtt(events))


def read_events(folder: Path | str) -> list[Event]:
    """The events that :func:`write_events` wrote, from ``events.json``.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is damaged.
    """
    path = Path(folder) / "events.json"
    with damaged_as_data_error(path, "events as `score` writes them"):
        return [Event(**values) for values in read_json(path)["events"]]


def web_vtt(events: Sequence[Event]) -> str:
    """Events as WebVTT, one cue each.

    Example:
        >>> event = Event(1, start=3.2, end=4.0, peak=3.6, start_frame=80, end_frame=100, peak_frame=90, score=0.9)
        >>> print(web_vtt([event]))
        WEBVTT
        <BLANKLINE>
        1
        00:00:03.200 --> 00:00:04.000
        event 1, score 0.90
        <BLANKLINE>
    """
    cues = ["WEBVTT\n"]
    for event in events:
        start = round(event.start * 1000)
        end = max(round(event.end * 1000), start + 1)  # a cue must last
        words = f"event {event.number}" if event.category is None else f"{event.category} ({event.confidence:.2f})"
        # in a cue these characters would begin markup, and an empty line would end it
        words = " ".join(words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
        cues.append(f"{event.number}\n{_clock(start)} --> {_clock(end)}\n{words}, score {event.score:.2f}\n")
    return "\n".join(cues)


def _clock(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"
