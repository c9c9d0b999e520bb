"""The two large files of a feature store: an array that grows row by row, and the index of its rows."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vad_lib.errors import DataError
from vad_lib.storage.reading import read_csv

INDEX_COLUMNS = ("video", "crop", "offset", "length", "source_sha256")


@dataclass(frozen=True)
class Entry:
    """Where a video lies: rows ``offset`` to ``offset + crops * length``, crop after crop."""

    offset: int
    length: int
    source_sha256: str


@contextmanager
def growing_array(path: Path, row_shape: tuple[int, ...], dtype: str) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a ``.npy`` file row by row when the number of rows is not known beforehand.

    Args:
        path: target; not atomic by itself.
        row_shape: shape of one row.
        dtype: what rows are rounded to.

    Yields:
        a function that appends rows, (n, *row_shape).
    """
    rows = 0

    def header() -> dict[str, Any]:
        # numpy leaves room in the header for the first axis to grow
        return {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (rows, *row_shape)}

    with open(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header())

        def append(values: np.ndarray) -> None:
            nonlocal rows
            stream.write(np.ascontiguousarray(values, dtype=dtype).data)
            rows += len(values)

        yield append
        stream.seek(0)
        np.lib.format.write_array_header_1_0(stream, header())


def finite_rows(video: str, rows: np.ndarray, dtype: str) -> np.ndarray:
    """Round features to the type that is stored; a DataError names the video if they are not finite then."""
    with np.errstate(over="ignore"):
        stored = rows.astype(dtype)
    if not np.isfinite(stored).all():
        what = "too large for " + dtype if np.isfinite(rows).all() else "NaN or infinite"
        raise DataError(f"video {video}: a feature is {what}; extract it again, or store it as float32 if it is right.")
    return stored


def checked_length(video: str, features: np.ndarray | Sequence[np.ndarray], crops: Sequence[str], dimension: int) -> int:
    """Number of snippets of a video's features; a DataError unless they are floats (crops, snippets, dimension)."""
    whole = isinstance(features, np.ndarray)
    arrays: Sequence[np.ndarray] = [features] if isinstance(features, np.ndarray) else features
    plain = all(isinstance(array, np.ndarray) for array in arrays)
    shapes = {array.shape for array in arrays} if plain else set()
    shape = (*(() if whole else (len(arrays),)), *shapes.pop()) if len(shapes) == 1 else ()
    if len(shape) != 3 or any(array.dtype.kind != "f" for array in arrays):
        what = ", ".join(f"{array.dtype} {array.shape}" for array in arrays) if plain else type(features).__name__
        raise DataError(f"video {video}: expected float features (crops, snippets, width), got {what}.")
    found, length, width = shape
    if found != len(crops):
        raise DataError(f"video {video}: {len(crops)} crops are declared ({', '.join(crops)}), got {found}.")
    if width != dimension:
        raise DataError(f"video {video}: expected features of width {dimension}, got {width}; was another backbone used?")
    if length == 0:
        raise DataError(f"video {video}: expected at least one snippet, got none; extract it again or remove it from the list.")
    return length


def index_text(entries: dict[str, Entry], crops: tuple[str, ...]) -> str:
    """The index as CSV: a row for each crop of each video, in the order of the array."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(INDEX_COLUMNS)
    for video, entry in entries.items():
        for position, crop in enumerate(crops):
            writer.writerow([video, crop, entry.offset + position * entry.length, entry.length, entry.source_sha256])
    return stream.getvalue()


def read_index(path: Path, crops: tuple[str, ...]) -> dict[str, Entry]:
    """Where the videos lie; as they were written, one after the other and crop after crop, or a DataError."""
    entries: dict[str, Entry] = {}
    rows, position = 0, 0
    for line, row in read_csv(path, INDEX_COLUMNS, "the index of a feature store"):
        try:
            video, found = row["video"], (row["crop"], int(row["offset"]), int(row["length"]))
        except ValueError as error:
            raise DataError(f"{path}, line {line}: cannot be understood ({error}); extract the features again.") from error
        if position == 0 and video not in entries:
            entries[video] = Entry(rows, found[2], row["source_sha256"])
        wanted = (crops[position], rows, next(reversed(entries.values())).length) if entries else ()
        if found != wanted or found[2] < 1 or video != next(reversed(entries)):
            raise DataError(
                f"{path}, line {line}: expected the rows of {len(crops)} crops, video after video, got {row}; extract the features "
                "again."
            )
        rows, position = rows + found[2], (position + 1) % len(crops)
    if position:
        raise DataError(f"{path}: ends before the last crop of a video; extract the features again.")
    return entries
