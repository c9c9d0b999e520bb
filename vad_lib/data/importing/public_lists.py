"""What the readers of public sets have in common: lines of lists, pairs of frame numbers, names that come twice, frame masks."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vad_lib.data.annotations import MOST_FRAMES, VideoRecord, mask_intervals
from vad_lib.data.finding import Finding, Tell, error_at, refuse
from vad_lib.data.importing.public_sets import ABNORMAL, NORMAL, SetFolder
from vad_lib.data.importing.video_names import crop_suffix, video_key, video_stem
from vad_lib.errors import DataError, MissingFileError, first_few
from vad_lib.storage.reading import read_array, read_text

RELEASED = "use files of one release"
Spans = tuple[tuple[int, int], ...]


def read_names(path: Path | str, tell: Tell = refuse) -> tuple[str, ...]:
    """Videos of a list with one name, or path of a feature file, per line (``rgb.list``); crops and suffixes are put aside.

    Raises:
        MissingFileError: there is no such file.
        DataError: if nobody is told: not a text file, an unsafe path or no name at all.
    """
    found = {crop_suffix(video_stem(re.split(r"[,\s]", line)[0]))[0]: None for _, line in list_lines(Path(path), tell)}
    return tuple(found)


def list_lines(path: Path, tell: Tell) -> Iterator[tuple[str, str]]:
    """Place (file and line number) and content of the lines that are not blank."""
    try:
        text = read_text(path, "a public list", "")
    except MissingFileError:
        raise
    except DataError as error:
        tell(error_at("list-unreadable", path, error, "download it again"))
        return
    lines = [(f"{path}, line {number}", line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        tell(Finding("error", "list-unreadable", str(path), "expected a list of videos, got an empty file", "download it again"))
    for place, line in lines:
        if ".." in line.split()[0].replace("\\", "/").split("/"):
            message = f"a path that leaves the folder is not followed, got {line!r}"
            tell(Finding("error", "list-line", place, message, "remove '..'"))
        else:
            yield place, line


def frame_pairs(numbers: Sequence[str], place: str, line: str, tell: Tell) -> Spans | None:
    """Pairs of numbers, of which -1 -1 is no interval; None where there is something else, which is told."""
    if len(numbers) % 2 or not all(re.fullmatch("-1|[0-9]{1,9}", number) for number in numbers):
        tell(Finding("error", "list-line", place, f"expected pairs of frame numbers, got {line!r}", "correct the line"))
        return None
    values = [int(number) for number in numbers]
    spans = [(start, end) for start, end in zip(values[::2], values[1::2]) if (start, end) != (-1, -1)]
    for start, end in spans:
        if not 0 <= start < end:
            message = f"interval {start} {end} is empty or negative in {line!r}"
            tell(Finding("error", "list-line", place, message, "correct the line"))
            return None
    return tuple(spans)


def wrong_line(place: str, wanted: str, line: str, tell: Tell, faulty: set[str], fix: str = "correct the line") -> None:
    """Tell of a line that cannot be understood, and keep the video that it names."""
    faulty.add(video_key(re.split(r"[\s,;]", line)[0]))
    tell(Finding("error", "list-line", place, f"expected {wanted}, got {line!r}", fix))


def listed_once(found: dict, name: str, place: str, tell: Tell) -> bool:
    """Whether a name is there for the first time."""
    if video_key(name) in found:
        tell(Finding("error", "list-video", place, f"video {name} is listed twice", "remove one of the lines"))
        return False
    return True


def in_both(train: Path | str, trained: Iterable[str], test: Path | str, tested: Iterable[str], tell: Tell) -> set[str]:
    """Keys of videos that are listed for training and for testing, which is told."""
    both = set(trained) & set(tested)
    if both:
        message = f"videos that {train} lists too: {first_few(sorted(both))}; a video is for training or for testing"
        tell(Finding("error", "list-overlap", str(test), message, "use the released files"))
    return both


def same_videos(
    first: Path | str, first_keys: Iterable[str], second: Path | str, second_keys: Iterable[str], tell: Tell, faulty: set[str]
) -> None:
    """Tell of videos that one of two lists lacks."""
    differing = sorted((set(first_keys) ^ set(second_keys)) - faulty)
    if differing:
        message = f"expected the videos of {first}, but these are in one only: {first_few(differing)}"
        tell(Finding("error", "list-videos", str(second), message, RELEASED))


def normal_training(folder: SetFolder, names: Sequence[str]) -> list[VideoRecord]:
    """Normal training videos that no list names: all of them where there are features or videos of any, else none."""
    there = not {file.key for file in folder.files}.isdisjoint(names)
    return [VideoRecord(name, "train", (NORMAL,), 0) for name in names] if there else []


def stored_order(records: Iterable[VideoRecord]) -> list[VideoRecord]:
    """Abnormal videos by name, then normal ones by name."""
    return sorted(records, key=lambda record: (record.categories == (NORMAL,), record.name))


def read_frame_mask(path: Path) -> np.ndarray:
    """Read a frame mask from a ``.npy`` file.

    Args:
        path: of an array (F,), (1, F) or (F, 1) of 0 and 1.

    Returns:
        uint8 (F,), 1 abnormal.

    Raises:
        MissingFileError: there is no such file.
        DataError: another shape, no frames or too many, or values other than 0 and 1.
    """
    array = read_array(path, mmap=True)
    frames = array.size
    if array.dtype.kind not in "buif" or max(array.shape, default=0) != frames or not 1 <= frames <= MOST_FRAMES:
        raise DataError(
            f"{path}: expected a frame mask, an array of 1 to {MOST_FRAMES:,} numbers, got {array.shape} {array.dtype}. Use the "
            "released file."
        )
    values = np.asarray(array).reshape(-1)
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"{path}: expected a frame mask of 0 (normal) and 1 (abnormal), got other values. Use the released file.")
    return values.astype(np.uint8)


def masked_record(name: str, mask: np.ndarray) -> VideoRecord:
    """A test video of a set that says which frames are abnormal, and nothing of their kind.

    Args:
        name: of the video.
        mask: uint8 (F,), 1 abnormal.

    Example: two of four frames.
        >>> record = masked_record("01_0014", np.array([0, 1, 1, 0]))
        >>> record.categories, record.num_frames, record.intervals
        (('Abnormal',), 4, ((1, 3),))
    """
    return VideoRecord(name, "test", (ABNORMAL if mask.any() else NORMAL,), len(mask), tuple(mask_intervals(mask)))
