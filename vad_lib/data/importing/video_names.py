"""How videos of data sets are named: without folder and ending, and without what releases add."""

import re
from pathlib import PurePosixPath

from vad_lib.data.video_files import VIDEO_SUFFIXES

_ENDING = re.compile("|".join(rf"\.{suffix[1:]}$" for suffix in (".npy", *VIDEO_SUFFIXES)), re.IGNORECASE)


def video_stem(name: str) -> str:
    """Name of a video without folder and ending; Windows separators count as folders too.

    Example:
        >>> video_stem("Abuse/Abuse028_x264.mp4")
        'Abuse028_x264'
    """
    return _ENDING.sub("", PurePosixPath(name.replace("\\", "/")).name)


def crop_suffix(stem: str) -> tuple[str, int | None]:
    """Divide ``NAME__3`` into name and crop; the crop is None if there is no such suffix. Longer numbers are dates or counts.

    Example:
        >>> crop_suffix("Abuse028_x264__3"), crop_suffix("yard__20240229")
        (('Abuse028_x264', 3), ('yard__20240229', None))
    """
    head, _, tail = stem.rpartition("__")
    return (head, int(tail)) if head and re.fullmatch("[0-9]{1,2}", tail) else (stem, None)


def video_key(name: str) -> str:
    """What a video is known by in all releases: no folder, no ending, no ``_i3d`` and no ``_x264``.

    Example:
        >>> video_key("Arson011_x264_i3d.npy")
        'Arson011'
    """
    return video_stem(name).removesuffix("_i3d").removesuffix("_x264")
