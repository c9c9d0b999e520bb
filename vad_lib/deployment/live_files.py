"""The files of a live run, whole at any moment: tables that grow by whole lines, and JSON that is replaced at once."""

import csv
import io
import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from vad_lib.deployment.events import COLUMNS, EVENT_FILES, Event, event_table, web_vtt
from vad_lib.errors import ConfigError, OutputError
from vad_lib.storage.writing import write_json, write_text

SUMMARY = "live.json"
MOST_EVENTS = 1000  # the latest, in events.json and events.vtt, which are written anew for each; events.csv has all
GAP_COLUMNS = ("start", "end", "seconds", "reason", "dropped_snippets")


class GrowingTable:
    """A CSV file to which lines are added. Whatever happens, it holds complete lines only.

    Args:
        path: target; must not exist.
        columns: names.

    Raises:
        OutputError: it exists already, or the folder cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise self._cannot(error) from error
        self._size = 0
        self.add(columns)

    def add(self, values: Iterable[Any]) -> None:
        """Add a line, complete or not at all; None is an empty cell.

        Raises:
            OutputError: the disk is full; the file is as it was before.
        """
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(values)
        self._append(text.getvalue())

    def close(self) -> None:
        """Close the file; nothing is left to be written."""
        os.close(self._file)

    def _append(self, text: str) -> None:
        content = text.encode()
        try:
            written = os.write(self._file, content)
            if written < len(content):  # the disk has become full, the next byte would say so
                os.write(self._file, content[written:])
                raise OSError("only a part of a line could be written")
        except OSError as error:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise self._cannot(error) from error
        self._size += len(content)

    def _cannot(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write {self._path}: {error.strerror or error}. What was there is whole. Free some space or choose another "
            "folder with --out, then run the command again."
        )


class LiveFiles:
    """``scores.csv``, ``gaps.csv``, ``events.csv``, ``events.json``, ``events.vtt`` and ``live.json`` of one run.

    Args:
        folder: gets the files; made if missing.
        score_columns: of ``scores.csv``.
        about: plain values that stand first in both JSON files: source, model and rule.

    Raises:
        ConfigError: the folder holds an earlier run.
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, score_columns: Sequence[str], about: dict[str, Any]) -> None:
        check_free(folder)
        self.folder, self._about = folder, about
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._scores = GrowingTable(folder / "scores.csv", score_columns)
        self._gaps = GrowingTable(folder / "gaps.csv", GAP_COLUMNS)
        self._event_rows = GrowingTable(folder / "events.csv", COLUMNS)
        self._write_events()

    def add_score(self, values: Iterable[Any]) -> None:
        """Add a line to ``scores.csv``."""
        self._scores.add(values)

    def add_gap(self, start: float, end: float, reason: str, dropped: int) -> None:
        """Add a line to ``gaps.csv``: seconds at which scores stop and go on, why, and the snippets dropped between."""
        self._gaps.add([f"{start:.3f}", f"{end:.3f}", f"{end - start:.3f}", reason, dropped])

    def add_event(self, event: Event) -> None:
        """Add an event to the three files of events."""
        row = event_table([event]).iloc[0].to_dict()
        row |= {name: f"{row[name]:.3f}" for name in ("start", "end", "peak", "seconds")}
        row |= {name: f"{row[name]:.4g}" for name in ("score", "confidence") if row[name] is not None}
        self._event_rows.add(row.values())
        self._events.append(event)
        self._write_events()

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Replace ``live.json``."""
        write_json(self.folder / SUMMARY, self._about | summary)

    def close(self) -> None:
        """Close the tables."""
        for table in (self._scores, self._gaps, self._event_rows):
            table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _write_events(self) -> None:
        write_json(self.folder / "events.json", self._about | {"events": [asdict(event) for event in self._events]})
        write_text(self.folder / "events.vtt", web_vtt(self._events))


def check_free(folder: Path) -> None:
    """Refuse a folder that holds an earlier run.

    Raises:
        ConfigError: it does.
    """
    for name in ("scores.csv", "gaps.csv", SUMMARY, *EVENT_FILES):
        if (folder / name).exists():
            raise ConfigError(
                f"{folder}: expected a folder for a new run, found {name} of an earlier one; choose another with --out."
            )


class Lags:
    """How late scores come, in memory that does not grow: counts in bins that are 1 % wide."""

    EDGES = np.geomspace(1e-4, 1e4, 1852)

    def __init__(self) -> None:
        self._counts = np.zeros(len(self.EDGES) + 1, dtype=np.int64)
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[int(np.searchsorted(self.EDGES, seconds))] += 1
        self.largest = max(self.largest, seconds)

    def quantile(self, share: float) -> float:
        """Seconds that this share of all stay within, to 1 %; 0 if there is none."""
        if not self._counts.any():
            return 0.0
        place = int(np.searchsorted(self._counts.cumsum(), share * self._counts.sum()))
        return float(min(self.EDGES[min(place, len(self.EDGES) - 1)], self.largest))

    def summary(self) -> dict[str, float]:
        """Median, 95th percentile and largest, in seconds."""
        return {
            "median": round(self.quantile(0.5), 4),
            "percentile_95": round(self.quantile(0.95), 4),
            "largest": round(self.largest, 4),
        }
