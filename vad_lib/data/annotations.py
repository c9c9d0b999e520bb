"""Lists of videos with labels, and frame masks from annotated intervals.

One CSV describes a data set (``videos.csv``): a row per video with the columns

* ``video``: name without ending; ``split``: ``train`` or ``test``;
* ``category``: one category, or several joined by ``;`` (XD-Violence); the normal category stands alone;
* ``n_frames``: frames of the video;
* ``intervals``: test videos only, ``start-end;start-end`` in frames, end exclusive;
* ``class_intervals`` (optional): ``category:start-end;category:start-end``, what is seen when, for fine-grained
  detection. Where it is empty and the video has one category, every interval is of that one.

Which frames the intervals stand for is the data set's mask rule (:func:`ground_truth_mask`).
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.finding import Finding, Tell, refuse
from vad_lib.data.hand_made_lists import NOTHING, Row, frame_intervals, read_rows, split_name, whole_number
from vad_lib.errors import DataError
from vad_lib.storage.safe_names import plain_name
from vad_lib.storage.writing import write_text

Split = Literal["train", "test"]
MaskRule = Literal["frames", "A", "B", "C"]
MOST_FRAMES = 10**8  # of a video, 38 days at 30 frames a second; a mask takes a byte for each
COLUMNS = ("video", "split", "category", "n_frames", "intervals", "class_intervals")


@dataclass(frozen=True)
class VideoRecord:
    """One video and what is known of it.

    Attributes:
        name: unique name without ending.
        split: ``train`` or ``test``.
        categories: one or more category names, in the order in which the list has them.
        num_frames: frames that are evaluated, at least 1: those of the video, or 16 for each snippet (mask rules A, B, C).
        intervals: abnormal spans ``[start, end)`` in frames; empty for normal and for training videos
            (weak labels are all that training may see).
        class_intervals: (category, start, end) of every single event, or empty; events may overlap.
        mask_rule: how intervals become a frame mask, see :func:`ground_truth_mask`.
    """

    name: str
    split: Split
    categories: tuple[str, ...]
    num_frames: int
    intervals: tuple[tuple[int, int], ...] = ()
    class_intervals: tuple[tuple[str, int, int], ...] = ()
    mask_rule: MaskRule = "frames"

    def frame_labels(self) -> np.ndarray:
        """Frame mask, uint8 (num_frames,), 1 abnormal; intervals are clipped to the video."""
        return ground_truth_mask(self.intervals, self.num_frames, self.num_frames // FRAMES_PER_SNIPPET, self.mask_rule)

    def events(self) -> tuple[tuple[str, int, int], ...]:
        """(category, start, end) of every event: ``class_intervals``, or the intervals of a video of one category."""
        if self.class_intervals or len(self.categories) > 1:
            return self.class_intervals
        return tuple((self.categories[0], start, end) for start, end in self.intervals)


@dataclass(frozen=True)
class VideoList:
    """The videos of a data set.

    Attributes:
        categories: names, the normal one first (index 0).
        records: all videos, training and test.
    """

    categories: tuple[str, ...]
    records: tuple[VideoRecord, ...]

    def split(self, split: Split) -> tuple[VideoRecord, ...]:
        """The training or the test videos, in the order of the list."""
        return tuple(record for record in self.records if record.split == split)

    def is_abnormal(self, record: VideoRecord) -> bool:
        """True unless the video's category is the normal one."""
        return record.categories != (self.categories[0],)

    def category_target(self, categories: Sequence[str]) -> np.ndarray:
        """float32 (C,), uniform over a video's categories, sums to 1 (equation 10, several labels)."""
        target = np.zeros(len(self.categories), dtype=np.float32)
        for category in categories:
            target[self.categories.index(category)] = 1 / len(categories)
        return target


def ground_truth_mask(
    intervals: Sequence[tuple[int, int]], num_frames: int, num_snippets: int = 0, rule: MaskRule = "frames"
) -> np.ndarray:
    """Frame mask of a video under one of the mask rules in use.

    Public codes disagree on the length of the mask and on the last frame of an interval:

    * ``frames``: every frame of the video, ``[start, end)``. The mask rule of all data sets extracted here.
    * ``A`` (features of Wu et al.: PEL4VAD, UR-DMU) and ``C`` (VadCLIP): the 16 x num_snippets frames that have
      features, ``[start, end)``. The two differ in the number of snippets that the features have.
    * ``B`` (RTFM, CLIP-TSA on UCF-Crime): the same frames, ``[start, end]`` with ``end`` included, and everything behind
      the latest interval is abnormal if it ends inside the last snippet.

    Args:
        intervals: annotated spans in frames, as written in the annotation; parts outside the mask are cut off.
        num_frames: frames of the video; used by ``frames``.
        num_snippets: snippets of the feature file; used by ``A``, ``B`` and ``C``.
        rule: ``frames``, ``A``, ``B`` or ``C``.

    Returns:
        uint8 (num_frames,) or (16 num_snippets,), 1 abnormal.

    Raises:
        DataError: unknown mask rule, or no snippets with one that counts them.

    Example: an interval of two frames.
        >>> ground_truth_mask([(1, 3)], num_frames=5).tolist()
        [0, 1, 1, 0, 0]
    """
    if rule not in get_args(MaskRule):
        raise DataError(f"mask rule: expected one of {', '.join(get_args(MaskRule))}, got {rule!r}.")
    if rule != "frames" and num_snippets < 1:
        raise DataError(f"mask rule {rule}: needs the number of snippets of the feature file, got {num_snippets}.")
    length = num_frames if rule == "frames" else FRAMES_PER_SNIPPET * num_snippets
    mask = np.zeros(length, dtype=np.uint8)
    for start, end in intervals:
        mask[max(start, 0) : max(end + (rule == "B"), 0)] = 1
    latest = max((end for _, end in intervals), default=0)
    if rule == "B" and intervals and length - latest < FRAMES_PER_SNIPPET:
        mask[latest:] = 1
    return mask


def mask_intervals(mask: np.ndarray) -> list[tuple[int, int]]:
    """Where a mask is 1: the inverse of :func:`ground_truth_mask`.

    Args:
        mask: (P,), 0 or 1, of frames or snippets.

    Returns:
        ``[start, end)`` of each run of ones, in order.

    Example:
        >>> mask_intervals(np.array([0, 1, 1, 0, 1]))
        [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask, [0])).astype(np.int8)))
    return [(start, end) for start, end in edges.reshape(-1, 2).tolist()]


def check_records(categories: tuple[str, ...], records: tuple[VideoRecord, ...], where: str) -> None:
    """Check a list of videos as a whole.

    Raises:
        DataError: unusable or duplicated name, unknown category, normal beside another category, an interval that is
            empty, outside the video, or in a normal or training video; the message names the video, and how many more are wrong.
    """
    found = list(record_findings(categories, records, where))
    if found:
        raise DataError(str(found[0]) + (f" {len(found) - 1:,} more lines are wrong." if len(found) > 1 else ""))


def record_findings(categories: tuple[str, ...], records: Sequence[VideoRecord], where: str) -> Iterator[Finding]:
    """What is wrong with each video of a list, at most one error a video, in the order of the list."""
    seen: set[str] = set()
    for record in records:
        wrong = _wrong_with(categories, record)
        if record.name in seen:
            wrong = "it is listed twice; names must be unique", "remove one line"
        seen.add(record.name)
        if wrong:
            yield Finding("error", "list-video", f"{where}: video {record.name or '(no name)'}", *wrong)


def _wrong_with(categories: tuple[str, ...], record: VideoRecord) -> tuple[str, str] | None:
    """What is wrong with a video, and what to do about it."""
    if not plain_name(record.name):
        return f"the name {record.name!r} must be a file name without folder and ending", "correct it"
    if record.name != record.name.strip():
        return f"the name {record.name!r} begins or ends with a blank, which a list does not keep", "rename the video"
    if record.split not in get_args(Split):
        return f"split must be train or test, got {record.split!r}", "correct it"
    if not 1 <= record.num_frames <= MOST_FRAMES:
        return f"expected 1 to {MOST_FRAMES:,} frames, got {record.num_frames:,}", "correct n_frames, or remove the video"
    named = (*record.categories, *(event[0] for event in record.class_intervals))
    unknown = [category for category in named if category not in categories]
    if unknown or not record.categories:
        return (
            f"unknown category {', '.join(unknown) or '(none)'}; known: {', '.join(categories)}",
            "correct the list, or add the category to the data set's dataset.json",
        )
    if unreadable := [category for category in named if not readable_category(category)]:
        return f"a list cannot hold the category {unreadable[0]!r}: ';' divides categories, blanks around are dropped", "rename it"
    if len(set(record.categories)) != len(record.categories):
        return f"a category is given twice: {';'.join(record.categories)}", "remove one"
    normal = categories[0] in record.categories
    if normal and len(record.categories) > 1:
        return f"{categories[0]} cannot stand beside another category, got {';'.join(record.categories)}", "remove one"
    spans = (*record.intervals, *(event[1:] for event in record.class_intervals))
    if spans and (normal or record.split == "train"):
        kind = "normal" if normal else "training"
        return f"a {kind} video has no abnormal intervals, got {spans}", "remove them, or correct its category or split"
    if not normal and record.split == "test" and not record.intervals:
        return "an abnormal test video needs at least one interval", "add 'start-end' in frames"
    for start, end in spans:
        # mask rules A, B and C evaluate the frames that have features; an event may lie in the lost tail
        if not 0 <= start < end <= 2 * MOST_FRAMES or (start >= record.num_frames and record.mask_rule == "frames"):
            return f"interval {start}-{end} is empty or outside the video's {record.num_frames} frames", "correct it, or n_frames"
    return None


def read_video_csv(path: Path | str, categories: tuple[str, ...], mask_rule: MaskRule = "frames") -> VideoList:
    """Read ``videos.csv``, a row per video with the columns ``video,split,category,n_frames,intervals`` and ``class_intervals``.

    Several categories are joined by ``;``; intervals are ``start-end;start-end`` in frames, end exclusive. Other separators and
    forms of numbers are read as :mod:`vad_lib.data.hand_made_lists` says.

    Args:
        path: the file.
        categories: known names, the normal one first.
        mask_rule: given to every record.

    Raises:
        MissingFileError: there is no such file.
        DataError: a column is missing or a row cannot be understood; the message names file, line and column.
    """
    records = tuple(record for row in read_list(path) if (record := record_of(row, mask_rule)))
    check_records(categories, records, str(path))
    return VideoList(categories, records)


def read_list(path: Path | str, tell: Tell = refuse) -> list[Row]:
    """The rows of a ``videos.csv``, their cells as they are written; ``tell`` gets what is wrong with a line.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is no text; or, if nobody is told, what is wrong first.
    """
    return read_rows(path, COLUMNS[:5], "the list of videos", optional=COLUMNS[5:], tell=tell)


def record_of(row: Row, mask_rule: MaskRule = "frames", tell: Tell = refuse) -> VideoRecord | None:
    """A row as a video; None if a cell cannot be understood, which ``tell`` gets.

    Raises:
        DataError: nobody is told, and a cell cannot be understood.
    """
    cells, wrong = row.cells, False

    def cell(column: str, reader: Callable[[str], Any], default: Any) -> Any:
        nonlocal wrong
        try:
            return reader(cells[column])
        except ValueError as error:
            wrong = True
            message, _, fix = str(error).rpartition("; ")
            tell(Finding("error", "list-cell", f"{row.place}, column {column}", message, fix))
            return default

    record = VideoRecord(
        name=cells["video"],
        split=cell("split", split_name, ""),
        categories=category_names(cells["category"]),
        num_frames=cell("n_frames", whole_number, 0),
        intervals=cell("intervals", frame_intervals, ()),
        class_intervals=cell("class_intervals", _events, ()),
        mask_rule=mask_rule,
    )
    return None if wrong else record


def readable_category(name: str) -> bool:
    """Whether ``videos.csv`` gives a category back as it was written."""
    return category_names(name) == (name,)


def category_names(text: str) -> tuple[str, ...]:
    """The categories of a cell: names joined by ``;``."""
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _events(text: str) -> tuple[tuple[str, int, int], ...]:
    found = []
    for part in text.split(";") if text.lower() not in NOTHING else ():
        category, _, span = part.rpartition(":")
        spans = frame_intervals(span, joined="")
        if part.strip() and not (category.strip() and spans):
            raise ValueError(f"expected category:start-end, joined by ';', got {part!r}; correct the cell")
        found += [(category.strip(), *frames) for frames in spans]
    return tuple(found)


def write_video_csv(path: Path | str, videos: VideoList) -> Path:
    """Write ``videos.csv`` atomically after checking it."""
    check_records(videos.categories, videos.records, str(path))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in videos.records:
        spans = ";".join(f"{start}-{end}" for start, end in record.intervals)
        events = ";".join(f"{category}:{start}-{end}" for category, start, end in record.class_intervals)
        writer.writerow([record.name, record.split, ";".join(record.categories), record.num_frames, spans, events])
    return write_text(path, stream.getvalue())
