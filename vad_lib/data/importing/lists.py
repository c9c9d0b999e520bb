"""The lists of a folder to import: those of a public set, or a person's own ``videos.csv``; and hints where there are none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from vad_lib.data.annotations import (
    MaskRule,
    VideoList,
    VideoRecord,
    category_names,
    read_list,
    read_video_csv,
    record_findings,
    record_of,
)
from vad_lib.data.finding import Finding, Tell, error_at
from vad_lib.data.hand_made_lists import Row
from vad_lib.data.importing.import_record import own_note
from vad_lib.data.importing.layouts import FeatureFile, walk
from vad_lib.data.importing.public_sets import NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.video_names import video_key
from vad_lib.errors import DataError, VadError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_json
from vad_lib.storage.safe_names import inside


def find_lists(source: Path, settings: ImportSettings, files: list[FeatureFile], tell: Tell) -> FoundLists | None:
    """Read the lists of a folder.

    Args:
        source: the folder.
        settings: name of the data set, and what a person says about it.
        files: of features or videos; of XD-Violence, normal videos are listed by them alone.
        tell: gets what is wrong with the lists.

    Returns:
        what they say; None if there are none.
    """
    known = PUBLIC_SETS.get(settings.dataset)
    try:
        return _public_lists(source, known, files, tell) if known else _own_lists(source, settings, tell)
    except VadError as error:  # a list that cannot be read at all
        tell(error_at("list-unreadable", source, error, ""))
        return None


def _public_lists(source: Path, known: PublicSet, files: list[FeatureFile], tell: Tell) -> FoundLists | None:
    paths, truth = list_files(source, known), truth_files(source, known)
    lacking = [name for name in known.lists if name not in paths]
    if known.truth and not truth:
        lacking.append(f"a file per test video such as {known.truth_example}")
    if lacking:
        others = [other for other in PUBLIC_SETS.values() if other is not known and _has_lists(source, other)]
        hint = (
            f"these are the lists of {others[0].title}: use --dataset {others[0].name}"
            if others
            else suggestion(source, lambda folder: _has_lists(folder, known))
        )
        if not hint and (source / "videos.csv").is_file():
            hint = f"videos.csv is a list of your own: use a name of your own, such as --dataset {known.name}-own"
        wanted = ", ".join((*known.lists, *([known.truth_example] if known.truth else [])))
        message = (
            f"expected the lists of {known.title} ({wanted}) at most two levels deep, {', '.join(lacking)} missing; "
            f"found {listing(source)}"
        )
        tell(Finding("error", "list-missing", str(source), message, hint or "put them there"))
        return None
    for pitfall in known.pitfalls:
        tell(Finding("note", "pitfall", known.title, pitfall))
    return known.read(SetFolder(source, paths, truth, files, tell))


def _has_lists(source: Path, known: PublicSet) -> bool:
    """Whether a folder holds what a public set needs."""
    try:
        return known.lists != () and set(known.lists) <= set(list_files(source, known))
    except DataError:  # they are there, of two releases
        return False


def list_files(source: Path, known: PublicSet) -> dict[str, Path]:
    """Where the lists of a set lie, two levels deep at most, upper and lower case taken as the same."""
    wanted, found = known.list_names(), dict[str, Path]()
    for folder, files in walk(source, 2):
        for file in files:
            if name := wanted.get(file.lower()):
                _only_one(found, name, folder / file, source)
    return found


def truth_files(source: Path, known: PublicSet) -> dict[str, Path]:
    """Ground-truth files of single videos of a set, by video, four levels deep at most."""
    found: dict[str, Path] = {}
    for folder, files in walk(source, 4) if known.truth else ():
        for file in files:
            if video := known.truth_video(folder / file):
                _only_one(found, video, folder / file, source)
    return found


def _only_one(found: dict[str, Path], name: str, path: Path, source: Path) -> None:
    """Put a file down by its name; a DataError if it leads out of the source, or if there is another one."""
    inside(path, source)
    other = found.setdefault(name, path)
    if other != path and file_sha256(other) != file_sha256(path):
        raise DataError(f"{source}: {other} and {path} differ; two releases are mixed. Keep one of the lists.")


def _own_lists(source: Path, settings: ImportSettings, tell: Tell) -> FoundLists | None:
    path = source / "videos.csv"
    if not path.is_file():
        public = [known for known in PUBLIC_SETS.values() if list_files(source, known)]
        hint = f"it holds lists of {public[0].title}: use --dataset {public[0].name}" if public else ""
        hint = hint or suggestion(source, lambda folder: (folder / "videos.csv").is_file()) or "write it"
        tell(Finding("error", "list-missing", str(source), f"expected videos.csv, found {listing(source)}", hint))
        return None
    content = _described(source / "dataset.json", settings, tell)
    told: list[Finding] = []
    rows = read_list(path, told.append)
    for finding in told:
        tell(finding)
    if not rows:
        if not told:
            tell(Finding("error", "list-unreadable", str(path), "expected a line for each video, got none", "add the videos"))
        return None
    categories = settings.categories or tuple(content.get("categories", ())) or _row_categories(rows, path, tell)
    records, faulty = _listed(rows, categories, settings.rule or content.get("mask_rule", "frames"), path, tell)
    return FoundLists(VideoList(categories, records), [path], content | {"note": own_note(source, content)}, set(), faulty)


def _described(path: Path, settings: ImportSettings, tell: Tell) -> dict[str, Any]:
    """The content of a person's ``dataset.json``, without values that cannot be used, which are told."""
    try:
        content = read_json(path) if path.is_file() else {}
    except DataError as error:
        tell(error_at("dataset-json", path, error, ""))
        return {}

    def wrong(message: str, fix: str = "correct it") -> None:
        tell(Finding("error", "dataset-json", str(path), message, fix))

    if not isinstance(content, dict):
        wrong(f"expected named values, got a {type(content).__name__}", "see any built-in data set's")
        return {}
    if content.get("name", settings.dataset) != settings.dataset:
        wrong(f"its name is {content['name']!r}, asked for is {settings.dataset!r}", "change one of them")
    stated = content.get("categories", [])
    if not isinstance(stated, list) or not all(isinstance(category, str) for category in stated):
        wrong(f"categories: expected a list of names, the normal one first, got {stated!r}")
        content = {key: value for key, value in content.items() if key != "categories"}
    rule = content.get("mask_rule", "frames")
    if rule not in get_args(MaskRule):
        wrong(f"mask_rule: expected one of {', '.join(get_args(MaskRule))}, got {rule!r}")
        content = content | {"mask_rule": "frames"}
    return content


def _listed(
    rows: list[Row], categories: tuple[str, ...], rule: MaskRule, path: Path, tell: Tell
) -> tuple[tuple[VideoRecord, ...], set[str]]:
    """The videos whose lines are right, and the keys of the others, which are told."""
    records, faulty = [], set[str]()
    for row in rows:
        record = record_of(row, rule, tell)
        if record is None:
            faulty.add(video_key(row.cells["video"]))
        else:
            records.append(record)
    wrong = list(record_findings(categories, records, str(path)))
    subjects = {finding.subject for finding in wrong}
    for finding in wrong:
        tell(finding)
    good: dict[str, VideoRecord] = {}
    for record in records:
        key = video_key(record.name)
        if f"{path}: video {record.name or '(no name)'}" in subjects:
            faulty.add(key)
        elif good.setdefault(key, record) is not record:
            message = f"the lists hold {good[key].name} and {record.name}, which are one video"
            tell(Finding("error", "list-video", str(path), message, "remove one"))
    return tuple(good.values()), faulty


def _row_categories(rows: list[Row], path: Path, tell: Tell) -> tuple[str, ...]:
    """Categories of a list, the normal one first and the others by name."""
    found = {name for row in rows for name in category_names(row.cells["category"])}
    if found and NORMAL not in found:
        message = f"expected the category {NORMAL} among {', '.join(sorted(found))}"
        fix = "rename the normal one in the list, or give all with --categories, the normal one first"
        tell(Finding("error", "category-normal", str(path), message, fix))
    return (NORMAL, *sorted(found - {NORMAL}))


def listing(folder: Path) -> str:
    """What a folder holds, in a few words."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def suggestion(source: Path, fits: Callable[[Path], bool], advice: str = "") -> str:
    """A folder near by that fits: below, or the one above."""
    below = (folder for folder, _ in walk(source, 3) if folder != source)
    found = next((folder for folder in (*below, *([] if advice else [source.resolve().parent])) if fits(folder)), None)
    return f"{found} looks right: {advice or f'use --source {found}'}" if found else ""


def reads_as(path: Path, videos: VideoList, rule: MaskRule) -> bool:
    """True if a ``videos.csv`` holds these very videos."""
    try:
        return read_video_csv(path, videos.categories, rule) == videos
    except VadError:
        return False
