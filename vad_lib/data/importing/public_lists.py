"""The public lists of UCF-Crime and XD-Violence, read as they are released.

UCF-Crime (Sultani et al., CVPR 2018): ``Anomaly_Train.txt`` and ``Anomaly_Test.txt`` name the videos by category folder,
``Temporal_Anomaly_Annotation.txt`` gives up to two abnormal intervals of every test video.

XD-Violence (Wu et al., ECCV 2020): a video's name carries its labels (``..._label_B1-0-0``). ``annotations.txt`` gives the
violent intervals of the 500 violent test videos, on which AUC and AP are computed; ``annotations_multiclasses.txt`` gives
them again with the kind of violence, on which detection is measured. The two differ in five videos, so both are read.
Which of the normal videos are for testing stands in neither: it follows from a list or from the folders of the features.

Videos come in the order of the public ground-truth arrays: abnormal test videos by name, then normal ones by name (the
order of ``Anomaly_Test.txt`` is another one).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from vad_lib.data.annotations import Split, VideoList, VideoRecord
from vad_lib.data.importing.public_sets import (
    NORMAL,
    UCF_CATEGORIES,
    XD_CODES,
    XD_LABEL,
    XD_VIOLENCE,
    crop_suffix,
    video_key,
    video_stem,
)
from vad_lib.errors import DataError, first_few
from vad_lib.storage.reading import read_text


# --- UCF-Crime ------------------------------------------------------------------------------------
def read_ucf_crime(train: Path | str, test: Path | str, annotation: Path | str) -> VideoList:
    """Read the three lists of UCF-Crime.

    Args:
        train: ``Anomaly_Train.txt``.
        test: ``Anomaly_Test.txt``.
        annotation: ``Temporal_Anomaly_Annotation.txt``.

    Returns:
        training videos in the order of their list, then test videos in the order of the public arrays. ``num_frames`` is
        0, because no list gives it: put in what the features or the videos say.

    Raises:
        MissingFileError: a file is not there.
        DataError: a line is malformed, a name comes twice or in both splits, or the test list and the annotation name
            different videos; the message names file and line.
    """
    train_lines, test_lines = _read_ucf_list(Path(train)), _read_ucf_list(Path(test))
    _no_overlap(train, train_lines, test, test_lines)
    spans: dict[str, tuple[str, tuple[tuple[int, int], ...]]] = {}
    for place, line in _lines(Path(annotation)):
        parts = line.split()
        if len(parts) != 6 or parts[1] not in UCF_CATEGORIES:
            raise DataError(f"{place}: expected 'name category start end start end' (-1 -1 for none), got {line!r}; correct it.")
        name, category, *numbers = parts
        found = _intervals(numbers, place, line)
        if (category == NORMAL) != (not found):
            raise DataError(
                f"{place}: a video of category {category} with {len(found)} intervals cannot be; correct the line {line!r}."
            )
        _once(spans, name, place)
        spans[video_key(name)] = category, found
    _same_videos(test, test_lines, annotation, spans)
    records = [VideoRecord(name, "train", (category,), 0) for name, category in train_lines.values()]
    tested = []
    for key, (name, category) in test_lines.items():
        annotated, intervals = spans[key]
        if annotated != category:
            raise DataError(f"{annotation}: video {name} is {annotated}, but {category} in {test}; use files of one release.")
        tested.append(VideoRecord(name, "test", (category,), 0, intervals))
    return VideoList(UCF_CATEGORIES, (*records, *_stored_order(tested)))


def _read_ucf_list(path: Path) -> dict[str, tuple[str, str]]:
    """Name and category by key."""
    found: dict[str, tuple[str, str]] = {}
    for place, line in _lines(path):
        stem, folder = video_stem(line), PurePosixPath(line.replace("\\", "/")).parent.name
        category = re.split("[^A-Za-z]", stem, maxsplit=1)[0]
        if category not in UCF_CATEGORIES or (folder and (NORMAL if NORMAL in folder else folder) != category):
            raise DataError(f"{place}: expected 'Category/CategoryNNN_x264.mp4', got {line!r}; correct the line.")
        _once(found, stem, place)
        found[video_key(stem)] = stem, category
    return found


# --- XD-Violence ----------------------------------------------------------------------------------
def xd_categories(name: str) -> tuple[str, ...]:
    """Categories that a name of XD-Violence carries, in its order.

    Raises:
        DataError: no ``_label_`` with known codes at the end of the name.

    Example:
        >>> xd_categories("Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6.mp4")
        ('Explosion', 'Shooting', 'CarAccident')
    """
    found = XD_LABEL.search(video_key(name))
    codes = [code for code in found.group(1).split("-") if code != "0"] if found else []
    if not codes or set(codes) - set(XD_CODES) or len(set(codes)) < len(codes) or ("A" in codes and len(codes) > 1):
        raise DataError(
            f"video {name}: expected a name that ends in '_label_' and codes of {', '.join(XD_CODES)}, "
            "such as _label_B1-0-0; rename it as in the release, or take it away."
        )
    return tuple(XD_CODES[code] for code in codes)


def read_xd_violence(binary: Path | str, multiclass: Path | str, names: dict[Split, Iterable[str]]) -> VideoList:
    """Read the two annotation files of XD-Violence.

    Args:
        binary: ``annotations.txt``; its intervals give the frame masks.
        multiclass: ``annotations_multiclasses.txt``; its intervals give the events.
        names: videos per split, from lists or from the names of feature files: all training videos, and at least the
            normal test videos (violent test videos are in the annotation). Suffixes, folders and repetitions do not matter.

    Returns:
        training videos by name, then test videos in the order of the public arrays; ``num_frames`` is 0, as in
        :func:`read_ucf_crime`.

    Raises:
        MissingFileError: a file is not there.
        DataError: a line is malformed, a name comes twice, a video is in both splits, a violent test video has no
            annotation, or the two files name different videos.
    """
    spans: dict[str, tuple[str, tuple[tuple[int, int], ...]]] = {}
    for place, line in _lines(Path(binary)):
        name, *numbers = line.split()
        found = _intervals(numbers, place, line)
        if not found or NORMAL in xd_categories(name):
            raise DataError(f"{place}: expected a violent video and its intervals 'start end ...', got {line!r}; correct it.")
        _once(spans, name, place)
        spans[video_key(name)] = video_stem(name), found
    events: dict[str, tuple[tuple[str, int, int], ...]] = {}
    for place, line in _lines(Path(multiclass)):
        name, *parts = line.split()
        codes, numbers = parts[::3], [part for i, part in enumerate(parts) if i % 3]
        if not codes or len(parts) % 3 or set(codes) - (set(XD_CODES) - {"A"}):
            raise DataError(f"{place}: expected a name and 'code start end' per event (B1 to G), got {line!r}; correct it.")
        _once(events, name, place)
        events[video_key(name)] = tuple((XD_CODES[code], *span) for code, span in zip(codes, _intervals(numbers, place, line)))
    _same_videos(binary, spans, multiclass, events)

    stems = {split: [crop_suffix(video_stem(name))[0] for name in names.get(split, ())] for split in ("train", "test")}
    splits = {split: {video_key(stem): stem.removesuffix("_i3d") for stem in found} for split, found in stems.items()}
    splits["test"] = {key: name for key, (name, _) in spans.items()} | splits["test"]
    both = sorted(splits["train"].keys() & splits["test"].keys())
    if both:
        raise DataError(
            f"XD-Violence: videos that are listed for training and for testing: {first_few(both)}; test videos belong in the list "
            "or folder of test videos only."
        )
    tested = []
    for key, name in splits["test"].items():
        categories = xd_categories(key)
        if (NORMAL in categories) == (key in spans):
            raise DataError(f"{binary}: no intervals of the violent test video {name}; use the complete file, or take it away.")
        intervals = spans[key][1] if key in spans else ()
        tested.append(VideoRecord(name, "test", categories, 0, intervals, events.get(key, ())))
    trained = [VideoRecord(name, "train", xd_categories(key), 0) for key, name in splits["train"].items()]
    return VideoList(XD_VIOLENCE.categories, (*sorted(trained, key=lambda record: record.name), *_stored_order(tested)))


def read_names(path: Path | str) -> tuple[str, ...]:
    """Videos of a list with one name, or path of a feature file, per line (``rgb.list``); crops and suffixes are put aside.

    Raises:
        MissingFileError: there is no such file.
        DataError: not a text file, an unsafe path or no name at all.
    """
    found = {crop_suffix(video_stem(re.split(r"[,\s]", line)[0]))[0]: None for _, line in _lines(Path(path))}
    return tuple(found)


# --- text files -----------------------------------------------------------------------------------
def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Place (file and line number) and content of the lines that are not blank."""
    text = read_text(path, "a public list", "Download it again.")
    lines = [(f"{path}, line {number}", line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise DataError(f"{path}: expected a list of videos, got an empty file; download it again.")
    for place, line in lines:
        if ".." in line.split()[0].replace("\\", "/").split("/"):
            raise DataError(f"{place}: a path that leaves the folder is not followed, got {line!r}; remove '..'.")
        yield place, line


def _intervals(numbers: Sequence[str], place: str, line: str) -> tuple[tuple[int, int], ...]:
    """Pairs of numbers; -1 -1 is no interval."""
    if len(numbers) % 2 or not all(re.fullmatch("-1|[0-9]{1,9}", number) for number in numbers):
        raise DataError(f"{place}: expected pairs of frame numbers, got {line!r}; correct the line.")
    values = [int(number) for number in numbers]
    spans = [(start, end) for start, end in zip(values[::2], values[1::2]) if (start, end) != (-1, -1)]
    for start, end in spans:
        if not 0 <= start < end:
            raise DataError(f"{place}: interval {start} {end} is empty or negative in {line!r}; correct the line.")
    return tuple(spans)


def _once(found: dict, name: str, place: str) -> None:
    if video_key(name) in found:
        raise DataError(f"{place}: video {name} is listed twice; remove one of the lines.")


def _no_overlap(train: Path | str, train_keys: Iterable[str], test: Path | str, test_keys: Iterable[str]) -> None:
    both = sorted(set(train_keys) & set(test_keys))
    if both:
        raise DataError(
            f"{test}: videos that {train} lists too: {first_few(both)}; a video is for training or for testing. "
            "Use the released files."
        )


def _same_videos(first: Path | str, first_keys: Iterable[str], second: Path | str, second_keys: Iterable[str]) -> None:
    differing = sorted(set(first_keys) ^ set(second_keys))
    if differing:
        raise DataError(
            f"{second}: expected the videos of {first}, but these are in one only: {first_few(differing)}; "
            "use files of one release."
        )


def _stored_order(records: Iterable[VideoRecord]) -> list[VideoRecord]:
    return sorted(records, key=lambda record: (record.categories == (NORMAL,), record.name))
