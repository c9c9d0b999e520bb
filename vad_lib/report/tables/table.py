"""Run folders and reported numbers -> tables as CSV and Markdown, and the generated parts of the README.

Tables 1 to 5 are the paper's. Table 6 holds the fine-grained results that the paper names and does not report; the
protocol table what choices of the evaluation are worth; and a data set that stands for none of the paper's has its methods
in ``methods-NAME``. :func:`write_all_tables` writes every table that applies to some data sets.

A table never puts numbers of different data sets under one heading: each column names whose number it is
(the paper's, the method's authors', ours) and on which data. A row that was not run says so and stays.
Fractions become percent here and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_text

NOT_RUN = "not run"

NOT_ANNOTATED = "no events annotated"

RULE_TITLES = {"last": "last step", "best_on_validation": "chosen on validation", "best_on_test": "best on test"}

METRIC_TITLES = {"auc": "AUC", "ap": "AP"}

PAPER_SETS = ("UCF-Crime", "XD-Violence")  # in the order of the paper's tables


@dataclass(frozen=True)
class Table:
    """A finished table; all cells are text.

    Attributes:
        name: ``table1`` to ``table6``, ``protocol`` or ``methods-NAME``; also the file name.
        title: one line.
        frame: rows and columns as they are printed.
        blocks: for Markdown, (heading, columns) of each part; one part without heading if empty.
        in_paper: bool per row, False for rows that the paper's table does not have.
        notes: per row, what to know of its reported numbers; "" for nothing.
        made_with: data, features, training and selection behind our numbers, in sentences.
    """

    name: str
    title: str
    frame: pd.DataFrame
    in_paper: tuple[bool, ...]
    notes: tuple[str, ...]
    made_with: str
    blocks: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def csv(self) -> str:
        """The rows, with three more columns: whether the paper has the row, its note, and how ours was made."""
        extra = {"in the paper": ["yes" if yes else "no" for yes in self.in_paper], "note": self.notes, "made with": self.made_with}
        return self.frame.assign(**extra).to_csv(index=False, lineterminator="\n")

    def markdown(self) -> str:
        """Title, one grid per block, the caption, and the notes of the rows."""
        parts = [f"**{self.title}**"]
        for heading, columns in self.blocks or (("", tuple(self.frame.columns)),):
            parts += [heading] if heading else []
            parts.append(markdown_grid(self.frame[list(columns)], self.in_paper))
        parts.append(self.made_with)
        notes = [f"- {row.iloc[0]}: {note}." for (_, row), note in zip(self.frame.iterrows(), self.notes, strict=True) if note]
        if notes:
            parts.append("Notes on reported numbers:\n\n" + "\n".join(notes))
        return "\n\n".join(parts) + "\n"


def markdown_grid(frame: pd.DataFrame, in_paper: Sequence[bool] = (), *, align: Literal["left", "right"] = "right") -> str:
    """A Markdown table; if some rows are the paper's, those from the first other one on stand below a separating row."""
    rule = " --- |" if align == "left" else " ---: |"
    lines = ["| " + " | ".join(frame.columns) + " |", "| --- |" + rule * (len(frame.columns) - 1)]
    separated = False
    for position, row in enumerate(frame.itertuples(index=False)):
        if not separated and any(in_paper) and not in_paper[position]:
            lines.append("| *not in the paper's table* |" + " |" * (len(frame.columns) - 1))
            separated = True
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def write_table(layout: Layout, table: Table) -> tuple[Path, Path]:
    """Write ``NAME.csv`` and ``NAME.md`` atomically into the profile's table folder."""
    return (
        write_text(layout.tables / f"{table.name}.csv", table.csv()),
        write_text(layout.tables / f"{table.name}.md", table.markdown()),
    )
