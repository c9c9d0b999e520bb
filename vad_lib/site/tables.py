"""The tables of the reference as pages: sortable, with what they were made with and the notes of their rows."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from vad_lib.errors import MissingFileError
from vad_lib.report.tables.table import OWNER, order_key
from vad_lib.site.links import Links
from vad_lib.site.markdown import Text, to_html
from vad_lib.site.page import Page, filled, relative
from vad_lib.storage.reading import read_text

ABOUT = ("in the paper", "note", "made with")  # columns of a table's CSV that are no columns of the table
_NUMBER = re.compile(r"^\[?[+-]?[\d,]*\.?\d+([\s,]|$)")


class Cell(NamedTuple):
    """A cell of a table: its text, and whether it begins with a number."""

    text: str
    is_number: bool


class Row(NamedTuple):
    """A row of a table: its cells, and whether the paper's table has it too."""

    cells: tuple[Cell, ...]
    in_paper: bool


class Span(NamedTuple):
    """A heading above some columns; empty above a column of its own."""

    title: str
    width: int


def spans_and_names(columns: Sequence[str]) -> tuple[list[Span], list[str]]:
    """Columns as two rows of headings: whose numbers they are and on which data, and the rest of the name.

    Example:
        >>> spans_and_names(["method", "here (A) AUC %: last step", "here (A) seeds"])
        ([Span(title='', width=1), Span(title='here (A)', width=2)], ['method', 'AUC %: last step', 'seeds'])
    """
    spans: list[Span] = []
    names = []
    for column in columns:
        owner = found[0] if (found := OWNER.match(column)) else ""
        names.append(column.removeprefix(f"{owner} "))
        if owner and spans and spans[-1].title == owner:
            spans[-1] = Span(owner, spans[-1].width + 1)
        else:
            spans.append(Span(owner, 1))
    return spans, names


def table_pages(links: Links, folder: Path) -> list[Page]:
    """A page for each table, and the page that lists them.

    Args:
        links: of the site; the CSV files that are offered are noted there.
        folder: of the tables, ``NAME.csv`` with ``NAME.md`` beside it.

    Raises:
        MissingFileError: there is no table.
        DataError: a file is damaged.
    """
    found = sorted((path for path in folder.glob("*.csv") if path.with_suffix(".md").is_file()), key=order_key)
    if not found:
        raise MissingFileError(f"{folder}: expected tables, found none; `make reference` writes them.")
    made = [_table_page(links, path) for path in found]
    listed = [(relative(page.path, "tables.html"), page.title, rows) for page, rows in made]
    return [Page("tables.html", "Tables", filled("tables.html.j2", listed=listed), "tables"), *(page for page, _ in made)]


def _table_page(links: Links, path: Path) -> tuple[Page, int]:
    """The page of a table, and how many rows it has."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    source = path.relative_to(links.root).as_posix()
    place = f"tables/{path.stem}.html"
    markdown = read_text(path.with_suffix(".md"))
    title = re.search(r"\*\*(.+?)\*\*", markdown)
    text = Text(links, place, source, (path.parent.relative_to(links.root).as_posix(),))
    shown = frame.drop(columns=[name for name in ABOUT if name in frame])
    in_paper = frame["in the paper"].eq("yes") if "in the paper" in frame else pd.Series(True, index=frame.index)
    if not in_paper.any():
        in_paper[:] = True
    rows = [
        Row(tuple(Cell(cell, bool(_NUMBER.match(cell))) for cell in cells), bool(ours))
        for cells, ours in zip(shown.itertuples(index=False), in_paper)
    ]
    spans, names = spans_and_names(list(shown.columns))
    notes = [(cells.iloc[0], cells["note"]) for _, cells in frame.iterrows() if cells.get("note")]
    made_with = to_html(frame["made with"].iloc[0], text) if "made with" in frame and len(frame) else ""
    name = title[1] if title else path.stem
    download = links.copied.setdefault(source, f"tables/{path.name}")
    body = filled(
        "table.html.j2",
        title=name,
        spans=spans if any(span.title for span in spans) else [],
        names=names,
        rows=rows,
        notes=notes,
        made_with=made_with,
        download=relative(download, place),
        all_in_paper=bool(in_paper.all()),
    )
    return Page(place, name, body, "tables"), len(rows)
