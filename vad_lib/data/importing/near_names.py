"""Names that a person takes for the same and a program does not: capitals, spaces, endings, two ways to write an umlaut."""

import re
import unicodedata
from collections.abc import Iterable

from vad_lib.data.importing.video_names import video_key

NO_TEXT = "the name is no UTF-8 text, so no list can name it"

SHORTEST = 5  # letters of a word that can be told from its misspelling


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
