"""Tables as people and their programs write them: other separators, capitals, numbers with a point, empty columns at the end.

What has one plain meaning is read; all else is refused by line and column.

=================  ======================================================  ==========================================
what               read                                                    refused
=================  ======================================================  ==========================================
text               UTF-8, or UTF-16 with a byte order mark                 other encodings
line ends          of Unix, Windows and old Macs                           quotes that are not closed
separator          the one of ``, ; | TAB`` with which the header is       cells that hold it without quotes
                   complete; a line ``sep=;`` before it
header             capitals, spaces, ``-`` and ``_`` make no difference    a column that is missing or there twice
empty cells        at the end of lines; lines of nothing else
whole numbers      ``8096``, ``8096.0``, ``8096,00``                       ``8.096``, ``8,096``, ``8 096``, ``1e4``
intervals          ``300-400``, any dash, joined by ``;``, ``,`` or ``|``  times, fractions, seconds, one number
splits             ``train`` and ``test``, ``training`` and ``testing``    all others
=================  ======================================================  ==========================================
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vad_lib.data.finding import Finding, Tell, refuse
from vad_lib.storage.reading import read_text

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
NOTHING = {"", "-", "nan", "none", "null", "n/a", "na", "[]"}  # what programs write in a cell for which they have no value

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")
# three zeros behind the point could be thousands, unless what is before is too long for that
_WHOLE = r"(?:[0-9]{1,18}|[0-9]{1,18}[.,](?:0{1,2}|0{4,9})|[0-9]{4,18}[.,]000)"
_SPAN = rf"{_WHOLE}\s*-\s*{_WHOLE}"
_SPANS = re.compile(rf"{_SPAN}(?:(?:\s*[;,|]\s*|\s+){_SPAN})*")
_DECIMALS = re.compile(r"[0-9]*[.,][0-9]+")


@dataclass(frozen=True)
class Row:
    """A line of a table: where it stands, for messages, and its cells by the name of the column, without spaces around."""

    place: str
    cells: dict[str, str]


def read_rows(
    path: Path | str, columns: Sequence[str], what: str, *, optional: Sequence[str] = (), tell: Tell = refuse
) -> list[Row]:
    """Read a table with a header; the module says what is understood.

    Args:
        path: the file.
        columns: names that must be there.
        what: is expected, for messages.
        optional: names that may be there. Cells of a column that is not there are empty, other columns are left alone.
        tell: gets what is wrong with the header or a line; such a line is left out.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is no text; or, if nobody is told, what is wrong first.
    """
    text = read_text(path, what, "Save it as UTF-8.")
    lines = text.splitlines(keepends=True)
    skipped = 0
    while skipped < len(lines) and (not lines[skipped].strip() or re.fullmatch(r'"?sep=.?"?', lines[skipped].strip(), re.I)):
        skipped += 1
    separator, names = _header(lines[skipped] if skipped < len(lines) else "", (*columns, *optional))
    place = f"{path}, line {skipped + 1}"
    if not _usable(names, columns, str(path), place, tell):
        return []
    rows: list[Row] = []
    reader = csv.reader(io.StringIO("".join(lines[skipped + 1 :])), delimiter=separator, strict=True)
    try:
        for fields in reader:
            place = f"{path}, line {reader.line_num + skipped + 1}"
            nameless = (field for number, field in enumerate(fields) if number >= len(names) or not names[number])
            surplus = [field for field in nameless if field.strip()]
            if surplus:
                message = f"more fields than columns, {surplus[0]!r} is one too many"
                fix = f"put fields that hold a {SEPARATORS[separator]} in quotes"
                tell(Finding("error", "list-line", place, message, fix))
            elif any(field.strip() for field in fields):
                cells = dict.fromkeys((*columns, *optional), "")
                rows.append(Row(place, cells | {name: field.strip() for name, field in zip(names, fields) if name in cells}))
    except csv.Error as error:
        place = f"{path}, line {reader.line_num + skipped + 1}"
        tell(Finding("error", "list-line", place, f"expected fields and separators ({error})", "close the quotes of the line"))
    return rows


def _header(line: str, known: Sequence[str]) -> tuple[str, list[str]]:
    """The separator with which a line has most of the known names, and the names that it then has."""
    plain = {_plain(name): name for name in known}
    found = []
    for separator in SEPARATORS:
        try:
            fields = next(csv.reader([line], delimiter=separator), [])
        except csv.Error:
            fields = []
        found.append((separator, [plain.get(_plain(field), field.strip()) for field in fields]))
    return max(found, key=lambda pair: len(set(pair[1]) & set(known)))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _usable(names: list[str], columns: Sequence[str], path: str, place: str, tell: Tell) -> bool:
    """Whether a header has every column, and none twice."""
    missing = [column for column in columns if column not in names]
    if missing:
        message = f"column {', '.join(missing)} is missing; expected {', '.join(columns)}, got {[name for name in names if name]}"
        close = get_close_matches(missing[0], [name.lower() for name in names], 1, 0.5)
        fix = f"rename {close[0]} to {missing[0]} if that is meant" if close else "add it, separated by commas"
        tell(Finding("error", "list-header", path, message, fix))
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        tell(Finding("error", "list-header", place, f"column {', '.join(twice)} stands there twice", "remove or rename one"))
    return not (missing or twice)


# --- cells: a ValueError says what was expected and what to do ------------------------------------------------


def whole_number(text: str) -> int:
    """A count of frames.

    Raises:
        ValueError: it is none, or could be two.

    Example:
        >>> whole_number("8096.0"), whole_number("8096,00")
        (8096, 8096)
    """
    if re.fullmatch(rf"-?{_WHOLE}", text):
        return int(re.split("[.,]", text)[0])
    if re.fullmatch(r"[0-9]{1,3}([., '’\u00a0\u202f][0-9]{3})+", text):
        raise ValueError(f"expected a whole number, {text!r} could be a fraction or have marks for thousands; write digits only")
    raise ValueError(f"expected a whole number, got {text!r}; write digits only")


def frame_intervals(text: str, joined: str = ";") -> tuple[tuple[int, int], ...]:
    """Spans of frames; none for an empty cell.

    Args:
        text: of the cell.
        joined: what stands between two spans, for messages.

    Raises:
        ValueError: it is something else; the message says what is expected.

    Example:
        >>> frame_intervals("300 – 400; 512.0-600.0")
        ((300, 400), (512, 600))
    """
    dashed = text.translate(_DASHES).strip(" ;,|")
    if dashed.lower() in NOTHING:
        return ()
    if _SPANS.fullmatch(dashed):
        numbers = [whole_number(number) for span in re.findall(_SPAN, dashed) for number in re.split(r"\s*-\s*", span)]
        return tuple(zip(numbers[::2], numbers[1::2]))
    expected = f"expected start-end in frames{f', several joined by {joined!r}' if joined else ''}"
    decimals = [float(number.replace(",", ".")) for number in _DECIMALS.findall(dashed)]
    if re.search("[0-9]:[0-9]", dashed):
        raise ValueError(f"{expected}, got times, {text!r}; multiply seconds by the frames per second")
    if decimals and max(decimals) <= 1:
        raise ValueError(f"{expected}, got fractions of the video, {text!r}; multiply them by its n_frames")
    if decimals:
        raise ValueError(f"{expected}, got {text!r}; if these are seconds, multiply them by the frames per second")
    raise ValueError(f"{expected}, got {text!r}; correct the cell, or leave it empty where there is none")


def split_name(text: str) -> str:
    """``train`` or ``test``.

    Raises:
        ValueError: it is another word.

    Example:
        >>> split_name("Training")
        'train'
    """
    found = {"train": "train", "training": "train", "test": "test", "testing": "test"}.get(text.lower())
    if found:
        return found
    held_out = text.lower().startswith(("val", "dev"))
    advice = "write train: validation videos are drawn from those" if held_out else "write one of them"
    raise ValueError(f"expected train or test, got {text!r}; {advice}")
