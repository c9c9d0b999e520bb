"""The lists of a folder to import: those of a public set, or a person's own ``videos.csv``; and hints where there are none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from vad_lib.data.annotations import MaskRule, VideoList, read_video_csv
from vad_lib.data.importing.import_record import own_note
from vad_lib.data.importing.layouts import FeatureFile, walk
from vad_lib.data.importing.public_lists import read_names, read_ucf_crime, read_xd_violence
from vad_lib.data.importing.public_sets import ALIASES, NORMAL, PUBLIC_SETS, UCF_CRIME, XD_LABEL, PublicSet, video_key
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.errors import DataError, MissingFileError, VadError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_csv, read_json
from vad_lib.storage.safe_names import inside


@dataclass(frozen=True)
class FoundLists:
    """What the lists of a folder say.

    Attributes:
        videos: all that are listed.
        paths: files that were read.
        content: of the person's own ``dataset.json``; empty for the public sets.
        foreign: keys of files below the folder that cannot be of the data set.
    """

    videos: VideoList
    paths: list[Path]
    content: dict[str, Any]
    foreign: set[str]


def find_lists(source: Path, settings: ImportSettings, files: list[FeatureFile]) -> FoundLists:
    """Read the lists of a folder.

    Args:
        source: the folder.
        settings: name of the data set, and what a person says about it.
        files: of features or videos; of XD-Violence, normal videos are listed by them alone.

    Raises:
        MissingFileError: there are no such lists; the message says what is there instead.
        DataError: a list is damaged, or there are two releases of it.
    """
    known = PUBLIC_SETS.get(settings.dataset)
    return _public_lists(source, known, files) if known else _own_lists(source, settings)


def _public_lists(source: Path, known: PublicSet, files: list[FeatureFile]) -> FoundLists:
    paths = list_files(source, known.lists)
    lacking = [name for name in known.lists if name not in paths]
    if lacking:
        others = [
            other
            for other in PUBLIC_SETS.values()
            if other is not known and len(list_files(source, other.lists)) == len(other.lists)
        ]
        hint = (
            f" These are the lists of {others[0].title}: use --dataset {others[0].name}."
            if others
            else suggestion(source, lambda folder: len(list_files(folder, known.lists)) == len(known.lists))
        )
        raise MissingFileError(
            f"{source}: expected the lists of {known.title} ({', '.join(known.lists)}) at most two levels deep, "
            f"{', '.join(lacking)} missing; found {listing(source)}.{hint}"
        )
    ordered = [paths[name] for name in known.lists]
    if known is UCF_CRIME:
        return FoundLists(read_ucf_crime(*ordered), ordered, {}, set())
    named = _xd_split_lists(source)
    labelled = {file.key for file in files if XD_LABEL.search(file.key)}
    in_test = {file.key for file in files if any("test" in part.lower() for part in file.path.relative_to(source).parts[:-1])}
    annotated = {video_key(name) for name in read_names(ordered[0])}
    listed = {split: {video_key(name) for path in named[split] for name in read_names(path)} for split in named}
    test = listed["test"] or labelled & in_test
    train = listed["train"] or labelled - test - annotated
    videos = read_xd_violence(ordered[0], ordered[1], {"train": train, "test": test})
    return FoundLists(videos, [*ordered, *named["train"], *named["test"]], {}, {f.key for f in files} - labelled)


def list_files(source: Path, names: Sequence[str]) -> dict[str, Path]:
    """Where lists lie, two levels deep at most, upper and lower case taken as the same."""
    wanted = {alias.lower(): name for alias, name in (*((name, name) for name in names), *ALIASES.items()) if name in names}
    found: dict[str, Path] = {}
    for folder, files in walk(source, 2):
        for file in files:
            name = wanted.get(file.lower())
            path = folder / file
            if name:
                inside(path, source)
            if name in found and file_sha256(found[name]) != file_sha256(path):
                raise DataError(f"{source}: {found[name]} and {path} differ; two releases are mixed. Keep one of the lists.")
            if name:
                found.setdefault(name, path)
    return found


def _xd_split_lists(source: Path) -> dict[str, list[Path]]:
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


def _own_lists(source: Path, settings: ImportSettings) -> FoundLists:
    path, described = source / "videos.csv", source / "dataset.json"
    if not path.is_file():
        public = [known for known in PUBLIC_SETS.values() if list_files(source, known.lists)]
        hint = f" It holds lists of {public[0].title}: use --dataset {public[0].name}." if public else ""
        raise MissingFileError(
            f"{source}: expected videos.csv, found {listing(source)}."
            + (hint or suggestion(source, lambda folder: (folder / "videos.csv").is_file()))
        )
    content = read_json(described) if described.is_file() else {}
    if not isinstance(content, dict):
        raise DataError(f"{described}: expected named values, got a {type(content).__name__}; see any built-in data set's.")
    if content.get("name", settings.dataset) != settings.dataset:
        raise DataError(f"{described}: its name is {content['name']!r}, asked for is {settings.dataset!r}; change one of them.")
    stated = content.get("categories", [])
    if not isinstance(stated, list) or not all(isinstance(category, str) for category in stated):
        raise DataError(f"{described}: categories: expected a list of names, the normal one first, got {stated!r}; correct it.")
    categories = settings.categories or tuple(stated) or _csv_categories(path)
    rule = settings.rule or content.get("mask_rule", "frames")
    if rule not in get_args(MaskRule):
        raise DataError(f"{described}: mask_rule: expected one of {', '.join(get_args(MaskRule))}, got {rule!r}; correct it.")
    return FoundLists(read_video_csv(path, categories, rule), [path], content | {"note": own_note(source, content)}, set())


def _csv_categories(path: Path) -> tuple[str, ...]:
    """Categories of a list, the normal one first and the others by name."""
    cells = [row["category"] for _, row in read_csv(path, ("category",), "the list of videos")]
    found = {part.strip() for cell in cells for part in cell.split(";") if part.strip()}
    if found and NORMAL not in found:
        raise DataError(
            f"{path}: expected the category {NORMAL} among {', '.join(sorted(found))}; rename the normal one in the list, "
            "or give all with --categories, the normal one first."
        )
    return (NORMAL, *sorted(found - {NORMAL}))


def listing(folder: Path) -> str:
    """What a folder holds, in a few words."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def suggestion(source: Path, fits: Callable[[Path], bool], advice: str = "") -> str:
    """A folder near by that fits: below, or the one above."""
    below = (folder for folder, _ in walk(source, 3) if folder != source)
    found = next((folder for folder in (*below, *([] if advice else [source.resolve().parent])) if fits(folder)), None)
    return f" {found} looks right: {advice or f'use --source {found}'}." if found else ""


def reads_as(path: Path, videos: VideoList, rule: MaskRule) -> bool:
    """True if a ``videos.csv`` holds these very videos."""
    try:
        return read_video_csv(path, videos.categories, rule) == videos
    except VadError:
        return False
