"""Which videos a command means, and the folders that get their results."""

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vad_lib.data.finding import printable
from vad_lib.data.video_files import VIDEO_SUFFIXES, is_video_name, list_videos
from vad_lib.errors import ConfigError, DataError, MissingFileError, VadError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_json
from vad_lib.storage.safe_names import inside, links_allowed

RECORD = "scored.json"  # in the folder of each video's results; what lies beside it is ours and no footage

RESERVED = {"features", "index.html", "stage_times.json"}  # beside the folders of results

LONGEST_NAME = 100  # bytes; file systems allow 255, and temporary files have longer names


class Footage(NamedTuple):
    """One video to score.

    Attributes:
        path: of the file, absolute.
        name: of the folder of its results, plain on every system.
    """

    path: Path
    name: str

    @property
    def shown(self) -> str:
        """The path for people, even where its bytes are no text."""
        return printable(self.path)


class Inputs(NamedTuple):
    """What the arguments of a command mean.

    Attributes:
        videos: absolute paths, each once, in the order of the arguments.
        failures: path or line of a list -> what is wrong with it; the others can be scored.
    """

    videos: tuple[Path, ...]
    failures: dict[str, str]


def find_inputs(arguments: Iterable[Path | str]) -> Inputs:
    """The videos that arguments name.

    An argument is a video, a folder, which is searched to any depth, a pattern such as ``cam*/*.mp4``, or a list, a file that
    ends in ``.txt`` with one path in a line. Paths in a list count from its own folder; empty lines and those that begin with
    ``#`` count for nothing. In folders and patterns only names with the ending of a video count, and neither hidden folders
    nor earlier results of this command.

    Args:
        arguments: one or more.

    Raises:
        MissingFileError: an argument is no file, no folder and no pattern that a file fits, or a folder holds no video.
        ConfigError: an argument is a stream or a device, or there is none.
    """
    videos: dict[Path, None] = {}
    failures: dict[str, str] = {}
    arguments = list(arguments)
    if not arguments:
        raise ConfigError("expected at least one video, folder, pattern or list, got none.")
    for argument in arguments:
        found, wrong = _meant_by(argument)
        videos |= dict.fromkeys(found)
        failures |= wrong
    return Inputs(tuple(videos), failures)


def _meant_by(argument: Path | str, lists: tuple[Path, ...] = ()) -> tuple[list[Path], dict[str, str]]:
    """Videos and failures; ``lists`` are those that are being read, each named by the one before."""
    path, shown = Path(os.path.abspath(argument)), printable(argument)
    if re.match(r"[a-z][a-z0-9+.-]+://", shown, re.IGNORECASE) or path.is_char_device():
        raise ConfigError(f"{shown}: is a stream or a device; score it with `python -m vad_lib.deployment live {shown}`.")
    if path.is_dir():
        found, failures = _in_folder(path)
    elif path.is_file() and path.suffix.lower() == ".txt":
        if path.resolve() in lists:
            raise DataError(f"{shown}: is the list that this line stands in, or one that names it; remove the line.")
        found, failures = _in_list(path, (*lists, path.resolve()))
    elif path.is_file():
        found, failures = [path], {}
    else:
        found, failures = _by_pattern(str(argument))
        if not found and not failures:
            raise MissingFileError(f"{shown}: no such file or folder, and no video fits it as a pattern; correct the path.")
    if not found and not failures:
        raise MissingFileError(f"{shown}: expected at least one video, found none; endings looked for: {' '.join(VIDEO_SUFFIXES)}.")
    return found, failures


def _in_folder(folder: Path) -> tuple[list[Path], dict[str, str]]:
    found, failures = [], {}
    unread: list[OSError] = []
    for _ in os.walk(folder, onerror=unread.append, followlinks=links_allowed()):
        pass
    for wrong in unread:
        place = Path(wrong.filename or folder)
        if _is_footage(place / "any", folder):
            failures[printable(place)] = (
                f"expected a folder that can be read, got {wrong.strerror!r}; its videos are left out. Allow it, or move it away."
            )
    for path in sorted(path for paths in list_videos(folder).values() for path in paths):
        if _is_footage(path, folder):
            try:
                found.append(inside(path, folder))
            except DataError as error:
                failures[printable(path)] = printable(str(error))
    return found, failures


def _is_footage(path: Path, folder: Path) -> bool:
    """Whether a file below a folder is neither in a hidden folder nor among results of this command."""
    between = path.relative_to(folder).parts[:-1]
    places = [folder.joinpath(*between[:depth]) for depth in range(len(between) + 1)]
    return not any(part.startswith(".") for part in between) and not any(os.path.isfile(place / RECORD) for place in places)


def _by_pattern(pattern: str) -> tuple[list[Path], dict[str, str]]:
    found: list[Path] = []
    failures: dict[str, str] = {}
    for place in sorted(glob.glob(pattern, recursive=True)):
        path = Path(os.path.abspath(place))
        if path.is_dir() and "**" not in pattern:  # ** stands for the folders' content already
            inner, wrong = _in_folder(path)
            found, failures = found + inner, failures | wrong
        elif path.is_file() and is_video_name(path) and not any((place / RECORD).is_file() for place in path.parents):
            found.append(path)
    return found, failures


def _in_list(path: Path, lists: tuple[Path, ...]) -> tuple[list[Path], dict[str, str]]:
    found: list[Path] = []
    failures: dict[str, str] = {}
    content = path.read_bytes()
    if b"\0" in content:
        raise DataError(f"{printable(path)}: expected a list of paths, one in a line, but it holds NUL bytes; correct it.")
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        entry = os.fsdecode(line.strip())
        if not entry or entry.startswith("#"):
            continue
        try:
            inner, wrong = _meant_by(path.parent / entry if "://" not in entry else entry, lists)
            found, failures = found + inner, failures | wrong
        except VadError as error:
            failures[f"{printable(path)}, line {number}"] = str(error)
    return found, failures


# --- folders of results -----------------------------------------------------------------------------------


def named(videos: Sequence[Path], out: Path) -> tuple[Footage, ...]:
    """Give each video a folder name of its own, the same when the command runs again.

    A video keeps the folder of its results, also where it was moved. Names that anything else in ``out`` has are passed over:
    ``yard``, ``yard-2``, ``yard-3``.

    Args:
        videos: absolute paths, each once.
        out: folder of the results.
    """
    records = {record.parent.name: _record(record) for record in scored_records(out)}
    own = {record.get("video"): name for name, record in reversed(records.items())}
    taken = RESERVED | {path.name.casefold() for path in (out.iterdir() if out.is_dir() else ())}
    found = []
    for path in videos:
        stem = folder_name(path)
        mine = own.get(printable(path)) or _moved(path, stem, records)
        if mine is None:
            mine = next(name for name in _numbered(stem) if name.casefold() not in taken)
            taken.add(mine.casefold())
        records.pop(mine, None)
        found.append(Footage(path, mine))
    return tuple(found)


def scored_records(out: Path) -> list[Path]:
    """The records in a folder of results; hidden folders are what a killed process left while it replaced one."""
    return sorted(path for path in out.glob(f"*/{RECORD}") if not path.parent.name.startswith("."))


def footage_sha256(path: Path) -> str:
    """Hash of a video's content; empty if it cannot be read, which is said better by who opens the video."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _record(path: Path) -> dict[str, Any]:
    """What stands in the record of a scored video; empty if it cannot be read."""
    try:
        found = read_json(path)
    except VadError:
        return {}
    return found if isinstance(found, dict) else {}


def _moved(path: Path, stem: str, records: dict[str, dict[str, Any]]) -> str | None:
    """The folder that holds results of this very content, whose file is no longer where it was."""
    for name, record in records.items():
        like, gone = re.fullmatch(re.escape(stem) + r"(-\d+)?", name), not os.path.exists(str(record.get("video")))
        if like and gone and record.get("sha256") == footage_sha256(path):
            return name
    return None


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in itertools.count(2))


def folder_name(path: Path) -> str:
    """A video's name without ending, as a name that every system allows.

    Example:
        >>> folder_name(Path("footage/cam:1 <night>.mp4")), folder_name(Path(".mp4"))
        ('cam_1 _night_', 'mp4')
    """
    name = os.fsencode(path.stem).decode("utf-8", "replace")
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ufffd]', "_", name).encode()[:LONGEST_NAME].decode("utf-8", "ignore")
    return name.lstrip(". ").rstrip(". ") or "video"
