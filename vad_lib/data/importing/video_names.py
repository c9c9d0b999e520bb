"""Names of videos: without folder, ending and what releases add; and names that differ in writing only, such as by capitals."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from vad_lib.data.video_files import VIDEO_SUFFIXES

NO_TEXT = "the name is no UTF-8 text, so no list can name it"

SHORTEST = 5  # letters of a word that can be told from its misspelling

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


def plain_form(name: str) -> str:
    """A name without capitals, spaces, marks between words, ending and suffixes; accents in one way of writing.

    Example:
        >>> plain_form("Street 1.MP4") == plain_form("street-1")
        True
    """
    composed = unicodedata.normalize("NFKC", video_key(name.strip()))
    return re.sub(r"[\s_\-.]", "", composed).casefold() or composed


def same_but_for_writing(names: Iterable[str]) -> list[list[str]]:
    """Groups of different names that have one plain form, in the order of the names."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(plain_form(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def may_be_misspelled(first: str, second: str) -> bool:
    """Whether one category name may be the other with a letter too many, a letter missing, or two letters in the wrong order.

    A letter exchanged for another makes too many real words (walking, talking) and numbers, and does not count.

    Example:
        >>> may_be_misspelled("Fighting", "Figthing"), may_be_misspelled("Walking", "Talking")
        (True, False)
    """
    long, short = sorted((plain_form(first), plain_form(second)), key=len, reverse=True)
    if len(short) < SHORTEST:
        return False
    at = next((place for place, (one, other) in enumerate(zip(long, short)) if one != other), len(short))
    if len(long) == len(short) + 1:
        return not long[at].isdigit() and long[at + 1 :] == short[at:]
    swapped = long[:at] + long[at + 1 : at + 2] + long[at : at + 1] + long[at + 2 :]
    return at < len(short) and swapped == short
