"""What a finished table is, and how it becomes CSV and Markdown.

In every table a column names whose number it is (the paper's, the method's authors', ours) and on which data, so that
numbers of different data sets never share a heading. A row that was not run says so and stays. Fractions become percent
in tables and nowhere else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_text

NOT_RUN = "not run"
SELECTION_TITLES = {"last": "last step", "best_on_validation": "chosen on validation", "best_on_test": "best on test"}
METRIC_TITLES = {"auc": "AUC", "ap": "AP"}
OWNER = re.compile(r"(?:paper|authors|here) \([^)]*\)(?= )")  # beginning of a column's name: whose number, and on which data
PAPER_DATASETS = ("UCF-Crime", "XD-Violence")  # in the order of the paper's tables


@dataclass(frozen=True)
class Table:
    """A finished table; all cells are text.

    Attributes:
        name: ``table1`` to ``table6``, ``protocol``, or ``methods``, ``cost``, ``measures`` or ``annotators`` with
            ``-DATASET``; also the file name.
        title: one line.
        frame: rows and columns as they are printed; the first column names the rows.
        in_paper: bool per row, False for rows that the paper's table does not have.
        notes: per row, what to know of it or of its reported numbers; "" for nothing.
        made_with: the caption: data, features, training and selection behind our numbers, in sentences.
        blocks: for Markdown, (heading, columns) of each part; empty for one part with all columns.
    """

    name: str
    title: str
    frame: pd.DataFrame
    in_paper: tuple[bool, ...]
    notes: tuple[str, ...]
    made_with: str
    blocks: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def csv(self) -> str:
        """The rows as CSV, with three more columns: whether the paper has the row, its note, and the caption."""
        in_paper = ["yes" if yes else "no" for yes in self.in_paper]
        more = {"in the paper": in_paper, "note": self.notes, "made with": self.made_with}
        return self.frame.assign(**more).to_csv(index=False, lineterminator="\n")

    def markdown(self) -> str:
        """The table as Markdown: title, a grid per block, the caption, and the notes of the rows."""
        parts = [f"**{self.title}**"]
        for heading, columns in self.blocks or (("", tuple(self.frame.columns)),):
            said, names = _owner_once(heading, columns)
            parts += [said] if said else []
            parts.append(markdown_grid(self.frame[list(columns)].set_axis(names, axis=1), self.in_paper))
        parts.append(self.made_with)
        names = self.frame.iloc[:, 0]
        notes = [f"- {name}: {note}." for name, note in zip(names, self.notes, strict=True) if note]
        if notes:
            parts.append("Notes:\n\n" + "\n".join(notes))
        return "\n\n".join(parts) + "\n"


def order_key(path: Path) -> tuple[int, str]:
    """Where a table stands in a list of tables: those of the paper and table 6 first, then real footage, protocol, methods, costs.

    Args:
        path: of one of its files.
    """
    beginnings = ("table", "forest", "protocol", "methods", "cost")
    return next((i for i, beginning in enumerate(beginnings) if path.name.startswith(beginning)), len(beginnings)), path.name


def _owner_once(heading: str, columns: Sequence[str]) -> tuple[str, list[str]]:
    """Heading and columns of a block; where all numbers have one owner, the heading names it instead of every column.

    Example:
        >>> _owner_once("Frames:", ["row", "here (SynthCrime) AUC %", "here (SynthCrime) AP %", "seeds (SynthCrime)"])
        ('Frames, here (SynthCrime):', ['row', 'AUC %', 'AP %', 'seeds'])
    """
    owners = {found[0] for column in columns if (found := OWNER.match(column))}
    if len(owners) != 1:
        return heading, list(columns)
    (owner,) = owners
    data = owner[owner.index("(") :]
    names = [column.removeprefix(f"{owner} ").removesuffix(f" {data}") for column in columns]
    if data.strip("()") in heading:
        return heading, names
    return f"{heading.rstrip(':')}, {owner}:" if heading else f"{owner[0].upper()}{owner[1:]}:", names


def markdown_grid(frame: pd.DataFrame, in_paper: Sequence[bool] = (), *, align: Literal["left", "right"] = "right") -> str:
    """A Markdown table without padding.

    Args:
        frame: text cells; the first column is aligned left.
        in_paper: bool per row; from the first row that the paper does not have, rows stand below a separating line. Empty, or
            all False, for no such line.
        align: of the other columns.
    """
    others = " --- |" if align == "left" else " ---: |"
    lines = ["| " + " | ".join(frame.columns) + " |", "| --- |" + others * (len(frame.columns) - 1)]
    separated = not any(in_paper)
    for position, row in enumerate(frame.itertuples(index=False)):
        if not separated and not in_paper[position]:
            lines.append("| *not in the paper's table* |" + " |" * (len(frame.columns) - 1))
            separated = True
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def write_table(layout: Layout, table: Table) -> tuple[Path, Path]:
    """Write a table as ``NAME.csv`` and ``NAME.md`` into the table folder of a layout.

    Returns:
        both paths.

    Raises:
        OutputError: the folder cannot be written; what was there stays.
    """
    return (
        write_text(layout.tables / f"{table.name}.csv", table.csv()),
        write_text(layout.tables / f"{table.name}.md", table.markdown()),
    )
