"""The video files of a folder to import: which belong to listed videos, and whether they can be decoded."""

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import av
from tqdm import tqdm

from vad_lib.data.finding import Finding, Level, Tell, error_at, is_text
from vad_lib.data.importing.layouts import DEEPEST, FeatureFile, walk
from vad_lib.data.importing.video_names import NO_TEXT, plain_form, video_key
from vad_lib.data.video import TRUNCATED_BELOW, VideoWarning, decode, header_frames, probe
from vad_lib.data.video_files import VIDEO_SUFFIXES, find_videos, is_video_name, list_videos
from vad_lib.data.video_opening import opened, stated_fps
from vad_lib.errors import VadError, first_few
from vad_lib.storage.hashing import file_sha256

Looking = Literal["open", "begin", "all"]  # only open a video; decode its first frames and look for its end; decode all of it

FIRST_FRAMES = 4  # that are decoded for a quick look

_LEFT_OUT = "leave it out with --partial"


@dataclass(frozen=True)
class VideoLook:
    """What a look at a video file showed.

    Attributes:
        frames: by its header, or counted; 0 if it cannot be read.
        counted: True if all frames were decoded, so that the number is exact.
        problem: what is wrong with it; None if nothing is.
        notes: a sentence for each thing that is special about it; only known if it was decoded.
    """

    frames: int
    counted: bool = False
    problem: VadError | None = None
    notes: tuple[str, ...] = ()


def look_at(path: Path, looking: Looking) -> VideoLook:
    """Look at a video file: quickly, or frame by frame. A broken one raises nothing: it has a ``problem``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VideoWarning)  # they come back as notes
            if looking == "all":
                info = probe(path)
                return VideoLook(info.num_frames, True, notes=info.notes)
            frames = header_frames(path)
            if looking == "begin":
                with closing(decode(path)) as begin:  # type: ignore[type-var]
                    for _ in islice(begin, FIRST_FRAMES):
                        pass
                if frames == 0 or not _reaches_its_end(path):
                    return look_at(path, "all")  # decoding has the last word
            return VideoLook(frames)
    except VadError as error:
        return VideoLook(0, problem=error)


def _reaches_its_end(path: Path) -> bool:
    """False if a file seems to be cut off: nothing is near the end that its header promises."""
    with opened(path) as (container, stream):
        # microseconds; of a file that was cut off FFmpeg may guess the duration, but not the number of frames
        promised = max(container.duration or 0, stream.frames / stated_fps(stream) * 1_000_000)
        wanted = (container.start_time or 0) + TRUNCATED_BELOW * promised
        try:
            container.seek(int(wanted))
            for packet in container.demux():
                base, begin = packet.time_base, packet.pts
                if base and begin is not None and (begin + (packet.duration or 0)) * base * 1_000_000 >= wanted:
                    return True
        except av.error.FFmpegError:
            pass
    return False


def raw_files(folder: Path) -> list[FeatureFile]:
    """The video files of a folder and below it, with the names by which they are known in all releases."""
    paths = sorted(path for found in list_videos(folder).values() for path in found)
    return [FeatureFile(path, video_key(path.stem), path.stem) for path in paths]


def match_videos(
    folder: Path, names: Sequence[str], tell: Tell, level: Level
) -> tuple[dict[str, Path], tuple[str, ...], tuple[str, ...]]:
    """The files of listed videos, found as extraction finds them.

    Args:
        folder: ``videos`` of the data set.
        names: as listed.
        tell: gets names that are ambiguous, and files that a person may have meant.
        level: of what is told.

    Returns:
        file by name; names without file and names of files that are not listed, without those told.
    """
    listed = list_videos(folder)
    paths, problems = find_videos(folder, names)
    for name, text in problems.items():
        if name in listed:
            tell(error_at("video-name", f"video {name}", VadError(text), _LEFT_OUT, level))
    missing = tuple(name for name in problems if name not in listed)
    meant = _near_files(folder, missing, set(paths)) if missing else {}
    surplus = set(listed) - set(names)
    for name, (found, message, fix) in meant.items():
        surplus.discard(Path(found).stem)
        tell(
            Finding(level, "video-name", f"video {name}", f"no file has this name, but {found} {message}", f"{fix}, or {_LEFT_OUT}")
        )
    for name in sorted(surplus):
        if not is_text(name):
            surplus.discard(name)
            tell(Finding("warning", "file-name", str(listed[name][0]), NO_TEXT, "rename it, or move it out of the folder"))
    return paths, tuple(name for name in missing if name not in meant), tuple(sorted(surplus))


def _near_files(folder: Path, names: Iterable[str], taken: Collection[str]) -> dict[str, tuple[str, str, str]]:
    """A file or folder that a person may have meant by each name, what is wrong with it, and what to do about it."""
    near: dict[str, tuple[str, str, str]] = {}
    endings = f"and endings of videos are {', '.join(VIDEO_SUFFIXES)}"
    for place, files in walk(folder, DEEPEST):
        for file in files:
            said = ("is there, written in another way", "rename one, so that extraction finds it")
            if not is_video_name(file):
                said = (f"is there, {endings}", "give it the ending of its kind, or write it again as H.264 in MP4")
            if Path(file).stem not in taken:
                near.setdefault(plain_form(Path(file).stem), (file, *said))
        if is_video_name(place.name):
            near.setdefault(plain_form(place.stem), (place.name, "is a folder", "put the file into its place"))
    found = {name: near[plain_form(name)] for name in names if plain_form(name) in near}
    with_ending = ("is there", "list it without its ending")
    return {name: (file, *with_ending) if file == name else (file, message, fix) for name, (file, message, fix) in found.items()}


def look_at_all(paths: dict[str, Path], looking: Looking, tell: Tell, level: Level, *, progress: bool) -> dict[str, VideoLook]:
    """Look at all videos; ``tell`` gets the broken ones, what is special about the others, and equal files.

    Returns:
        what was seen of the good ones, by name.
    """
    good: dict[str, VideoLook] = {}
    for name, path in tqdm(paths.items(), unit="video", disable=None if progress else True):
        look = look_at(path, looking)
        if look.problem is not None:
            tell(error_at("video-broken", path, look.problem, _LEFT_OUT, level))
        else:
            good[name] = look
            for note in look.notes:
                tell(Finding("warning", "video-special", str(path), note.rstrip("."), "get the video again if that is too much"))
    for group in _equal_files([paths[name] for name in good]):
        fix = "a video counts twice then; take out one, above all if one is for training and the other for testing"
        tell(Finding("warning", "video-twice", "", f"the same file under several names: {first_few(group)}", fix))
    return good


def _equal_files(paths: Iterable[Path]) -> Iterator[list[str]]:
    """Names of files that hold the same bytes; only files of one size are read."""
    by_size: dict[int, list[Path]] = {}
    for path in paths:
        by_size.setdefault(path.stat().st_size, []).append(path)
    for group in by_size.values():
        by_hash: dict[str, list[str]] = {}
        for path in group if len(group) > 1 else ():
            by_hash.setdefault(file_sha256(path), []).append(path.name)
        yield from (names for names in by_hash.values() if len(names) > 1)
