"""The generated parts of the README."""

from pathlib import Path

import pandas as pd

from vad_lib.errors import DataError, MissingFileError
from vad_lib.report.tables.ablation import table4, table5
from vad_lib.report.tables.cells import INTERVAL_COLUMN
from vad_lib.report.tables.paper import SECOND_METRICS, table2, table3
from vad_lib.report.tables.table import RULE_TITLES, markdown_grid
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_text


def results_table_markdown(layout: Layout) -> str:
    """The short results for the README: methods on both sets, then the ablations; FAR and the like stay in the files."""
    parts = []
    for table in (table2(layout), table3(layout)):
        left_out = ("FAR", "seeds", "parameters", *(title for _, title in SECOND_METRICS.values()))
        columns = [column for column in table.frame.columns if not any(word in column for word in left_out)]
        parts += [f"**{table.title}**", markdown_grid(table.frame[columns], table.in_paper)]
    for table in (table4(layout), table5(layout)):
        left_out = (RULE_TITLES["last"], RULE_TITLES["best_on_test"], "seeds", INTERVAL_COLUMN)
        columns = [column for column in table.frame.columns if not any(word in column for word in left_out)]
        # the paired difference says what the bare change says, and how sure it is
        columns = [column for column in columns if not (column.startswith("here") and column.endswith(": change"))]
        parts += [f"**{table.title}**", markdown_grid(table.frame[columns], table.in_paper)]
    parts.append(table.made_with)
    return "\n\n".join(parts) + "\n"


def update_section(path: Path, section: str, markdown: str) -> Path:
    """Replace what stands between ``<!-- SECTION:begin -->`` and ``<!-- SECTION:end -->`` in a page.

    Raises:
        MissingFileError: there is no such page.
        DataError: the page lacks the two markers, or has them twice or in the wrong order.
    """
    begin, end = f"<!-- {section}:begin -->", f"<!-- {section}:end -->"
    if not path.is_file():
        raise MissingFileError(f"{path}: expected a page with the markers {begin} and {end}, found no such file.")
    text = path.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise DataError(f"{path}: expected {begin} once and then {end} once; add the two lines where the generated part belongs.")
    head, rest = text.split(begin)
    return write_text(path, f"{head}{begin}\n{markdown.strip()}\n{end}{rest.split(end)[1]}")


# Beginnings of the questions of notebook 06 whose answers the README tells, with the sections that answer them.
_FINDINGS = (
    "Does Proposed beat + PCL + DBAGF",
    "How many seeds would show",
    "What does choosing the step on the test set give away",
    "What is the mean over crops worth in testing",
    "Are abnormal videos called by their name",
    "Does the language matter at all",
    "Is a category found that is described in words only",
)


def findings_markdown(layout: Layout) -> str:
    """What notebook 06 found, a line per answer, read from ``beyond.csv``; says so if that has not been made."""
    path = layout.tables / "beyond.csv"
    if not path.is_file():
        return "*not run*: `make reproduce` makes `beyond.csv`, `make beyond` with all its runs.\n"
    notebook = "results/quick/executed/06_beyond_the_paper.ipynb"
    lines = [
        f"Computed answers of [notebook 06]({notebook}), with their intervals; all of them are in [`beyond.csv`]("
        "results/quick/tables/beyond.csv)."
    ]
    said = pd.read_csv(path, keep_default_na=False)
    for start in _FINDINGS:
        for row in said[said["question"].str.startswith(start)].itertuples():
            lines.append(f"- **{row.data.partition(' (')[0]}. {row.question}** {row.answer} ([cell {row.cell}]({notebook})).")
    return lines[0] + "\n\n" + "\n".join(lines[1:]) + "\n"


def update_readme(path: Path, layout: Layout) -> Path:
    """Write the short results and the findings between the markers ``results`` and ``findings`` of the README."""
    update_section(path, "findings", findings_markdown(layout))
    return update_section(path, "results", results_table_markdown(layout))
