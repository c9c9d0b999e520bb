"""Where the video files of a folder are."""

import os
from collections.abc import Iterable
from pathlib import Path

from vad_lib.errors import DataError, MissingFileError, first_few
from vad_lib.storage.safe_names import inside, links_allowed, plain_name

VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".flv"),
    *(".3gp", ".ogv", ".h264", ".264", ".hevc", ".265", ".mjpeg", ".mjpg", ".gif"),
)


def is_video_name(path: Path | str) -> bool:
    """Whether the ending, in capitals or not, is one of :data:`VIDEO_SUFFIXES`."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def list_videos(folder: Path | str) -> dict[str, list[Path]]:
    """All files of a folder and its sub-folders that have the ending of a video, however deep; hidden ones apart.

    Returns:
        name without folder and ending -> the files of that name, sorted. More than one makes the name ambiguous.
    """
    found: dict[str, list[Path]] = {}
    for place, folders, files in os.walk(folder, followlinks=links_allowed()):
        folders.sort()
        for file in sorted(files):
            if is_video_name(file) and not file.startswith("."):  # macOS keeps notes in files named ._NAME
                found.setdefault(Path(file).stem, []).append(Path(place, file))
    return found


def find_videos(folder: Path | str, names: Iterable[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The files of several videos; the folder is read once.

    Returns:
        name -> file; name -> what is wrong, as :func:`find_video` says it.
    """
    listed = list_videos(folder)
    paths, problems = {}, {}
    for name in names:
        try:
            paths[name] = _the_one(Path(folder), name, listed.get(name, []))
        except (DataError, MissingFileError) as error:
            problems[name] = str(error)
    return paths, problems


def find_video(folder: Path | str, name: str) -> Path:
    """The file of a video, ``name`` with one of :data:`VIDEO_SUFFIXES`, in the folder or below it.

    Raises:
        MissingFileError: there is none.
        DataError: the name is no plain one, several files have it, or the file is a link that leads out of the folder and the
            environment variable ``VAD_FOLLOW_LINKS`` does not allow it.
    """
    direct = [Path(folder) / f"{name}{suffix}" for suffix in VIDEO_SUFFIXES] if plain_name(name) else []
    found = [path for path in direct if path.is_file()]
    return _the_one(Path(folder), name, found or list_videos(folder).get(name, []))


def _the_one(folder: Path, name: str, found: list[Path]) -> Path:
    if not plain_name(name):
        raise DataError(f"video name {name!r}: expected a file name without folder and ending; correct the list.")
    if not found:
        endings = ", ".join(VIDEO_SUFFIXES)
        raise MissingFileError(f"{folder / name}: no such video; looked in the folder and below it for the endings {endings}.")
    if len(found) > 1:
        places = first_few([str(path.relative_to(folder)) for path in found])
        raise DataError(f"{folder / name}: several videos have this name ({places}); rename all but one.")
    return inside(found[0], folder)
