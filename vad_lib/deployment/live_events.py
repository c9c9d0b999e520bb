"""Events of a stream as they end: the rule of :mod:`vad_lib.deployment.events`, piece by piece.

On pieces that follow one another the events are those that :func:`~vad_lib.deployment.events.find_events` gives, but each is
known as soon as no later piece can change it: when ``gap`` seconds have passed after its end. A piece lasts until the next one
begins, as a frame does there. A hole between pieces of more than a stated length ends an event; nothing joins events across it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vad_lib.deployment.events import ROUNDING, Event, EventRule, likeliest


class Piece(NamedTuple):
    """A stretch of time that has one score: a snippet.

    Attributes:
        start, end: seconds.
        peak: seconds of its middle frame.
        start_frame, end_frame, peak_frame: the first frame, the one after the last, and the middle one.
        score: in [0, 1].
        probabilities: float (K,), of each category, the normal one first; None without categories.
    """

    start: float
    end: float
    peak: float
    start_frame: int
    end_frame: int
    peak_frame: int
    score: float
    probabilities: np.ndarray | None = None


@dataclass
class _Growing:
    """An event that has begun; ``end`` is None while its score is high enough."""

    first: Piece
    peak: Piece
    sums: np.ndarray | float  # of probabilities x frames, up to the end
    frames: int
    later: np.ndarray | float = 0.0  # the same of what came after the end, and counts if the event goes on
    later_frames: int = 0
    end: tuple[float, int] | None = None  # seconds, frame


class OnlineEvents:
    """Find events while the scores come.

    Args:
        rule: how scores become events.
        hole_seconds: a longer time without a score ends an event.
        categories: K names, the normal one first; empty where the model knows none.

    Attributes:
        count: events that were given out.
    """

    def __init__(self, rule: EventRule, hole_seconds: float, categories: tuple[str, ...] = ()) -> None:
        self._rule, self._hole, self._categories = rule, hole_seconds, categories
        self._growing: _Growing | None = None
        self._last: Piece | None = None
        self._begun = self.count = 0

    @property
    def current(self) -> int | None:
        """Which event goes on, or could still go on: a number of its own, whether it will be long enough or not; None for none."""
        return None if self._growing is None else self._begun

    def push(self, piece: Piece) -> list[Event]:
        """Take the next piece.

        Returns:
            the event that cannot change any more, if there is one; at most one.
        """
        found: list[Event] = []
        if self._last is not None and piece.start - self._last.end > self._hole:
            found = self.finish()
        growing, high = self._growing, piece.score >= self._rule.threshold
        if growing is not None and growing.end is None and piece.score < self._rule.lower:
            growing.end = (piece.start, piece.start_frame)
        if growing is not None and growing.end is not None:
            starts = piece.start if high else piece.end  # an event that could be joined starts here or later
            if starts - growing.end[0] >= self._rule.gap - ROUNDING:
                found, growing, self._growing = self._close(growing), None, None
        if growing is not None:
            self._add(growing, piece, high)
        elif high:
            self._growing, self._begun = _Growing(piece, piece, *_weighted(piece)), self._begun + 1
        self._last = piece
        return found

    def finish(self) -> list[Event]:
        """The stream has ended, or has a hole: the event that goes on, if it is long enough; at most one."""
        growing, self._growing = self._growing, None
        if growing is None:
            return []
        if growing.end is None:
            assert self._last is not None  # an event has a piece
            growing.end = (self._last.end, self._last.end_frame)
        return self._close(growing)

    def _add(self, growing: _Growing, piece: Piece, high: bool) -> None:
        sums, frames = _weighted(piece)
        if growing.end is None or high:
            growing.sums, growing.frames = growing.sums + growing.later + sums, growing.frames + growing.later_frames + frames
            growing.later, growing.later_frames, growing.end = 0.0, 0, None
            if piece.score > growing.peak.score:
                growing.peak = piece
        else:
            growing.later, growing.later_frames = growing.later + sums, growing.later_frames + frames

    def _close(self, growing: _Growing) -> list[Event]:
        assert growing.end is not None  # whoever closes has set it
        first, peak, (end, end_frame) = growing.first, growing.peak, growing.end
        if end - first.start < self._rule.shortest - ROUNDING:
            return []
        self.count += 1
        means = growing.sums / growing.frames if isinstance(growing.sums, np.ndarray) else None
        category, confidence = likeliest(means, self._categories)
        times = (first.start, end, peak.peak, first.start_frame, end_frame, peak.peak_frame)
        return [Event(self.count, *times, peak.score, category, confidence)]


def _weighted(piece: Piece) -> tuple[np.ndarray | float, int]:
    """Probabilities x frames, and frames."""
    frames = piece.end_frame - piece.start_frame
    return 0.0 if piece.probabilities is None else piece.probabilities.astype(np.float64) * frames, frames
