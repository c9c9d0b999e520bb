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
from vad_lib.data.finding import Finding, Tell, error_at, refuse
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
from vad_lib.errors import DataError, MissingFileError, first_few
from vad_lib.storage.reading import read_text

_RELEASED = "use files of one release"
_Spans = tuple[tuple[int, int], ...]


# --- UCF-Crime ------------------------------------------------------------------------------------
def read_ucf_crime(
    train: Path | str, test: Path | str, annotation: Path | str, tell: Tell = refuse, faulty: set[str] | None = None
) -> VideoList:
    """Read the three lists of UCF-Crime.

    Args:
        train: ``Anomaly_Train.txt``.
        test: ``Anomaly_Test.txt``.
        annotation: ``Temporal_Anomaly_Annotation.txt``.
        tell: gets what is wrong with a line or a list; such lines are left out.
        faulty: gets the keys of the videos whose lines are left out.

    Returns:
        training videos in the order of their list, then test videos in the order of the public arrays. ``num_frames`` is
        0, because no list gives it: put in what the features or the videos say.

    Raises:
        MissingFileError: a file is not there.
        DataError: if nobody is told: a line is malformed, a name comes twice or in both splits, or the test list and the
            annotation name different videos; the message names file and line.
    """
    faulty = set() if faulty is None else faulty
    train_lines, test_lines = (_read_ucf_list(Path(path), tell, faulty) for path in (train, test))
    both = sorted(train_lines.keys() & test_lines.keys())
    if both:
        message = f"videos that {train} lists too: {first_few(both)}; a video is for training or for testing"
        tell(Finding("error", "list-overlap", str(test), message, "use the released files"))
    spans = _read_ucf_annotation(Path(annotation), tell, faulty)
    _same_videos(test, test_lines, annotation, spans, tell, faulty)
    records = [VideoRecord(name, "train", (category,), 0) for key, (name, category) in train_lines.items() if key not in both]
    tested = []
    for key, (name, category) in test_lines.items():
        annotated, intervals = spans.get(key, (category, ()))
        if annotated != category:
            message = f"video {name} is {annotated}, but {category} in {test}"
            tell(Finding("error", "list-category", str(annotation), message, _RELEASED))
        if key in spans:
            tested.append(VideoRecord(name, "test", (category,), 0, intervals))
        else:
            faulty.add(key)
    return VideoList(UCF_CATEGORIES, (*records, *_stored_order(tested)))


def _read_ucf_list(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[str, str]]:
    """Name and category by key."""
    found: dict[str, tuple[str, str]] = {}
    for place, line in _lines(path, tell):
        stem, folder = video_stem(line), PurePosixPath(line.replace("\\", "/")).parent.name
        category, wanted = re.split("[^A-Za-z]", stem, maxsplit=1)[0], "'Category/CategoryNNN_x264.mp4'"
        message = ""
        if category not in UCF_CATEGORIES or (folder and (NORMAL if NORMAL in folder else folder) != category):
            message, fix = f"expected {wanted}, got {line!r}", "correct the line"
        elif not re.fullmatch(r"\w+", stem):
            message, fix = f"expected {wanted} and nothing else, got {line!r}", "remove what stands behind the name"
        if message:
            faulty.add(video_key(re.split(r"[\s,;]", line)[0]))
            tell(Finding("error", "list-line", place, message, fix))
        elif _once(found, stem, place, tell):
            found[video_key(stem)] = stem, category
    return found


def _read_ucf_annotation(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[str, _Spans]]:
    """Category and intervals by key."""
    spans: dict[str, tuple[str, _Spans]] = {}
    for place, line in _lines(path, tell):
        name, category, *numbers = [*line.split(), ""]
        key, found = video_key(name), None
        if len(numbers) != 5 or category not in UCF_CATEGORIES:
            message = f"expected 'name category start end start end' (-1 -1 for none), got {line!r}"
            tell(Finding("error", "list-line", place, message, "correct it"))
        else:
            found = _intervals(numbers[:-1], place, line, tell)
            if found is not None and (category == NORMAL) != (not found):
                message = f"a video of category {category} with {len(found)} intervals cannot be"
                tell(Finding("error", "list-line", place, message, f"correct the line {line!r}"))
                found = None
        if found is None:
            faulty.add(key)
        elif _once(spans, name, place, tell):
            spans[key] = category, found
    return spans


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


def _told_categories(name: str, tell: Tell, faulty: set[str]) -> tuple[str, ...]:
    """As :func:`xd_categories`; nothing for a name that carries none, which is told."""
    try:
        return xd_categories(name)
    except DataError as error:
        faulty.add(video_key(name))
        message, _, fix = str(error).removeprefix(f"video {name}: ").rstrip(".").rpartition("; ")
        tell(Finding("error", "list-video", f"video {name}", message, fix))
        return ()


def read_xd_violence(
    binary: Path | str,
    multiclass: Path | str,
    names: dict[Split, Iterable[str]],
    tell: Tell = refuse,
    faulty: set[str] | None = None,
) -> VideoList:
    """Read the two annotation files of XD-Violence.

    Args:
        binary: ``annotations.txt``; its intervals give the frame masks.
        multiclass: ``annotations_multiclasses.txt``; its intervals give the events.
        names: videos per split, from lists or from the names of feature files: all training videos, and at least the
            normal test videos (violent test videos are in the annotation). Suffixes, folders and repetitions do not matter.
        tell: gets what is wrong with a line, a list or a name; such videos are left out.
        faulty: gets the keys of the videos that are left out.

    Returns:
        training videos by name, then test videos in the order of the public arrays; ``num_frames`` is 0, as no list gives it.

    Raises:
        MissingFileError: a file is not there.
        DataError: if nobody is told: a line is malformed, a name comes twice, a video is in both splits, a violent test
            video has no annotation, or the two files name different videos.
    """
    faulty = set() if faulty is None else faulty
    spans = _read_xd_binary(Path(binary), tell, faulty)
    events = _read_xd_multiclass(Path(multiclass), tell, faulty)
    _same_videos(binary, spans, multiclass, events, tell, faulty)
    stems = {split: [crop_suffix(video_stem(name))[0] for name in names.get(split, ())] for split in ("train", "test")}
    splits = {split: {video_key(stem): stem.removesuffix("_i3d") for stem in found} for split, found in stems.items()}
    splits["test"] = {key: name for key, (name, _) in spans.items()} | splits["test"]
    both = sorted(splits["train"].keys() & splits["test"].keys())
    if both:
        message = f"videos that are listed for training and for testing: {first_few(both)}"
        fix = "test videos belong in the list or folder of test videos only"
        tell(Finding("error", "list-overlap", "XD-Violence", message, fix))
    tested = []
    for key, name in splits["test"].items():
        categories = _told_categories(key, tell, faulty)
        if categories and (NORMAL in categories) == (key in spans):
            message, fix = f"no intervals of the violent test video {name}", "use the complete file, or take it away"
            faulty.add(key)
            tell(Finding("error", "list-video", str(binary), message, fix))
        elif categories:
            intervals = spans[key][1] if key in spans else ()
            tested.append(VideoRecord(name, "test", categories, 0, intervals, events.get(key, ())))
    trained = [
        VideoRecord(name, "train", categories, 0)
        for key, name in splits["train"].items()
        if key not in both and (categories := _told_categories(key, tell, faulty))
    ]
    return VideoList(XD_VIOLENCE.categories, (*sorted(trained, key=lambda record: record.name), *_stored_order(tested)))


def _read_xd_binary(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[str, _Spans]]:
    """Name and intervals of the violent test videos, by key."""
    spans: dict[str, tuple[str, _Spans]] = {}
    for place, line in _lines(path, tell):
        name, *numbers = line.split()
        found = _intervals(numbers, place, line, tell)
        categories = _told_categories(name, tell, faulty)
        if found is not None and categories and (not found or NORMAL in categories):
            message = f"expected a violent video and its intervals 'start end ...', got {line!r}"
            tell(Finding("error", "list-line", place, message, "correct it"))
            found = None
        if not found or not categories:
            faulty.add(video_key(name))
        elif _once(spans, name, place, tell):
            spans[video_key(name)] = video_stem(name), found
    return spans


def _read_xd_multiclass(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[tuple[str, int, int], ...]]:
    """Events of the violent test videos, by key."""
    events: dict[str, tuple[tuple[str, int, int], ...]] = {}
    for place, line in _lines(path, tell):
        name, *parts = line.split()
        codes, found = parts[::3], None
        if not codes or len(parts) % 3 or set(codes) - (set(XD_CODES) - {"A"}):
            message = f"expected a name and 'code start end' per event (B1 to G), got {line!r}"
            tell(Finding("error", "list-line", place, message, "correct it"))
        else:
            found = _intervals([part for number, part in enumerate(parts) if number % 3], place, line, tell)
        if found is None:
            faulty.add(video_key(name))
        elif _once(events, name, place, tell):
            events[video_key(name)] = tuple((XD_CODES[code], *span) for code, span in zip(codes, found))
    return events


def read_names(path: Path | str, tell: Tell = refuse) -> tuple[str, ...]:
    """Videos of a list with one name, or path of a feature file, per line (``rgb.list``); crops and suffixes are put aside.

    Raises:
        MissingFileError: there is no such file.
        DataError: if nobody is told: not a text file, an unsafe path or no name at all.
    """
    found = {crop_suffix(video_stem(re.split(r"[,\s]", line)[0]))[0]: None for _, line in _lines(Path(path), tell)}
    return tuple(found)


# --- text files -----------------------------------------------------------------------------------
def _lines(path: Path, tell: Tell) -> Iterator[tuple[str, str]]:
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


def _intervals(numbers: Sequence[str], place: str, line: str, tell: Tell) -> _Spans | None:
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


def _once(found: dict, name: str, place: str, tell: Tell) -> bool:
    """Whether a name is there for the first time."""
    if video_key(name) in found:
        tell(Finding("error", "list-video", place, f"video {name} is listed twice", "remove one of the lines"))
        return False
    return True


def _same_videos(
    first: Path | str, first_keys: Iterable[str], second: Path | str, second_keys: Iterable[str], tell: Tell, faulty: set[str]
) -> None:
    differing = sorted((set(first_keys) ^ set(second_keys)) - faulty)
    if differing:
        message = f"expected the videos of {first}, but these are in one only: {first_few(differing)}"
        tell(Finding("error", "list-videos", str(second), message, _RELEASED))


def _stored_order(records: Iterable[VideoRecord]) -> list[VideoRecord]:
    return sorted(records, key=lambda record: (record.categories == (NORMAL,), record.name))
