"""XD-Violence (Wu et al., ECCV 2020): its facts and its two annotation files.

A video's name carries its labels (``..._label_B1-0-0``). ``annotations.txt`` gives the violent intervals of the 500 violent test
videos, on which AUC and AP are computed; ``annotations_multiclasses.txt`` gives them again with the kind of violence, on which
detection is measured. The two differ in five videos, so both are read. Which of the normal videos are for testing stands in
neither: it follows from a list or from the folders of the features. Test videos come in the order of the public ground-truth
arrays: violent ones by name, then normal ones by name.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from vad_lib.data.annotations import Split, VideoList, VideoRecord
from vad_lib.data.finding import Finding, Tell, refuse
from vad_lib.data.importing.layouts import walk
from vad_lib.data.importing.public_lists import Spans, frame_pairs, list_lines, listed_once, read_names, same_videos, stored_order
from vad_lib.data.importing.public_sets import NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.data.importing.video_names import crop_suffix, video_key, video_stem
from vad_lib.errors import DataError, first_few
from vad_lib.storage.safe_names import inside

# label code in the names of XD-Violence -> category, in the field's order
XD_CODES = {
    "A": NORMAL,
    "B1": "Fighting",
    "B2": "Shooting",
    "B4": "Riot",
    "B5": "Abuse",
    "B6": "CarAccident",
    "G": "Explosion",
}
XD_BINARY, XD_MULTICLASS = "annotations.txt", "annotations_multiclasses.txt"
_LABEL = re.compile(r"_label_([A-Z0-9]+(?:-[A-Z0-9]+)*)$")


def xd_categories(name: str) -> tuple[str, ...]:
    """Categories that a name of XD-Violence carries, in its order.

    Raises:
        DataError: no ``_label_`` with known codes at the end of the name.

    Example:
        >>> xd_categories("Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6.mp4")
        ('Explosion', 'Shooting', 'CarAccident')
    """
    found = _LABEL.search(video_key(name))
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
    spans = read_xd_binary(Path(binary), tell, faulty)
    events = read_xd_multiclass(Path(multiclass), tell, faulty)
    same_videos(binary, spans, multiclass, events, tell, faulty)
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
    return VideoList(XD_VIOLENCE.categories, (*sorted(trained, key=lambda record: record.name), *stored_order(tested)))


def read_xd_binary(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[str, Spans]]:
    """Name and intervals of the violent test videos, by key."""
    spans: dict[str, tuple[str, Spans]] = {}
    for place, line in list_lines(path, tell):
        name, *numbers = line.split()
        found = frame_pairs(numbers, place, line, tell)
        categories = _told_categories(name, tell, faulty)
        if found is not None and categories and (not found or NORMAL in categories):
            message = f"expected a violent video and its intervals 'start end ...', got {line!r}"
            tell(Finding("error", "list-line", place, message, "correct it"))
            found = None
        if not found or not categories:
            faulty.add(video_key(name))
        elif listed_once(spans, name, place, tell):
            spans[video_key(name)] = video_stem(name), found
    return spans


def read_xd_multiclass(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[tuple[str, int, int], ...]]:
    """Events of the violent test videos, by key."""
    events: dict[str, tuple[tuple[str, int, int], ...]] = {}
    for place, line in list_lines(path, tell):
        name, *parts = line.split()
        codes, found = parts[::3], None
        if not codes or len(parts) % 3 or set(codes) - (set(XD_CODES) - {"A"}):
            message = f"expected a name and 'code start end' per event (B1 to G), got {line!r}"
            tell(Finding("error", "list-line", place, message, "correct it"))
        else:
            found = frame_pairs([part for number, part in enumerate(parts) if number % 3], place, line, tell)
        if found is None:
            faulty.add(video_key(name))
        elif listed_once(events, name, place, tell):
            events[video_key(name)] = tuple((XD_CODES[code], *span) for code, span in zip(codes, found))
    return events


def _read(folder: SetFolder) -> FoundLists:
    """The lists, with the normal test videos and the training videos that split lists or names of files give."""
    binary, multiclass = (folder.paths[name] for name in XD_VIOLENCE.lists)
    named = _split_lists(folder.source)
    listed = {split: {video_key(name) for path in named[split] for name in read_names(path, folder.tell)} for split in named}
    labelled = {file.key for file in folder.files if _LABEL.search(file.key)}
    in_test = {
        file.key for file in folder.files if any("test" in part.lower() for part in file.path.relative_to(folder.source).parts[:-1])
    }
    annotated = {video_key(name) for name in read_names(binary, lambda finding: None)}
    test = listed["test"] or labelled & in_test
    train = listed["train"] or labelled - test - annotated
    _tell_unknown_split(folder.source, labelled, test, listed["train"], folder.tell)
    names: dict[Split, Iterable[str]] = {"train": sorted(train), "test": sorted(test)}
    videos = read_xd_violence(binary, multiclass, names, folder.tell, folder.faulty)
    foreign = {file.key for file in folder.files} - labelled
    return FoundLists(videos, [binary, multiclass, *named["train"], *named["test"]], foreign=foreign, faulty=folder.faulty)


def _tell_unknown_split(source: Path, labelled: set[str], test: set[str], train: set[str], tell: Tell) -> None:
    """Tell of normal videos for which neither lists nor folders say whether they are for training or for testing."""
    normal = sorted(key for key in labelled if key.endswith("_label_A"))
    unknown = [key for key in normal if key not in train] if train else normal
    if unknown and not any(key.endswith("_label_A") for key in test):
        message = (
            f"{len(unknown):,} normal videos could be for training or for testing, such as {unknown[0]}: "
            "no list names the normal test videos, and no folder has 'test' in its name"
        )
        fix = (
            "put the released list of test videos (rgbtest.list, or a text file with 'test' in its name and a video per line) "
            "beside annotations.txt, or the test videos into a folder RGBTest"
        )
        tell(Finding("error", "split-unknown", str(source), message, fix))


def _split_lists(source: Path) -> dict[str, list[Path]]:
    """Optional lists of the videos of a split, such as Wu et al.'s ``rgb.list`` and ``rgbtest.list``."""
    found: dict[str, list[Path]] = {"train": [], "test": []}
    for folder, files in walk(source, 2):
        for file in files:
            stem, _, ending = file.lower().rpartition(".")
            if ending not in ("list", "txt") or any(other in stem for other in ("audio", "flow", "annotation", "anomaly")):
                continue
            if "test" in stem or "train" in stem or stem == "rgb":
                found["test" if "test" in stem else "train"].append(inside(folder / file, source))
    return found


XD_VIOLENCE = PublicSet(
    name="xd-violence",
    title="XD-Violence",
    categories=tuple(XD_CODES.values()),
    headline_metric="ap",
    fps=24.0,
    lists=(XD_BINARY, XD_MULTICLASS),
    counts={"train": (1905, 2049), "test": (500, 300)},
    totals={"A": (2_330_384, 537_805), "C": (2_331_296, 537_882), "frames": (2_335_801, 538_324)},
    snippets={"A": "floor-1", "C": "floor"},
    exceptions={"C": (1, frozenset(f"v={code}__#1_label_A" for code in ("KERh4R2BbS0", "vHnAmx0UYbM", "wQrV75N2BrI")))},
    read=_read,
    count_hint=" (normal test videos are known by a folder with 'test' in its name, or a list such as rgbtest.list)",
    measures=("ap", "auc"),
    pitfalls=(
        "the two annotation files differ in five videos",
        "neither annotation file names the normal test videos",
        "AP is a step-wise sum in some codes and an area by trapezoids in others",
    ),
    source="Wu et al., ECCV 2020, and the released annotation files",
)
