"""The generated parts of the README, and the page that has all tables and findings."""

import re
from contextlib import suppress
from pathlib import Path

from vad_lib.errors import DataError, MissingFileError
from vad_lib.report.answers import ANSWERS, read_answers
from vad_lib.report.figures.style import alternative_text
from vad_lib.report.tables.captions import made_by, made_words
from vad_lib.report.tables.methods import remarked_methods, short_methods_frame
from vad_lib.report.tables.table import markdown_grid, order_key
from vad_lib.runs.experiments import VARIANTS
from vad_lib.runs.finished_runs import find_runs
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_text
from vad_lib.storage.writing import write_text

_DATASETS = ("synth-crime", "synth-violence")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+\.png)\)")

# Beginnings of the questions of notebooks 06 and 10 whose answers are findings.
_FINDINGS = (
    "Does Proposed beat + PCL + DBAGF",
    "How many seeds would show",
    "What does choosing the step on the test set add",
    "What is the mean over crops worth in testing",
    "Are abnormal videos called by their name",
    "Does the language matter at all",
    "Is a category found that is described in words only",
)


def results_table_markdown(layout: Layout) -> str:
    """The short table of the README: the methods by the headline metric of each data set.

    Args:
        layout: where runs are read from.

    Returns:
        Markdown: the grid, and a sentence on what its cells are.

    Raises:
        DataError: runs that do not belong into one table.
    """
    grid = markdown_grid(short_methods_frame(layout, _DATASETS))
    remarks = "; ".join(f"{title}: {', '.join(names)}" for title, names in remarked_methods(layout, _DATASETS).items())
    trained = f" Not trained as they would need, see the notes of Tables 2 and 3: {remarks}." if remarks else ""
    return (
        f"{grid}\n\nMean over seeds, ± standard deviation, and 95 % interval over seeds and test videos; the step was chosen on "
        f"validation videos, among those of the last quarter of the training.{trained} Rendered videos stand in for the "
        "public ones: compare rows with each other, not with the paper. "
        f"*{VARIANTS['supervised'].title}* learned from true frame labels of test videos, out of fold, and is no competitor.\n"
    )


def findings_markdown(layout: Layout) -> str:
    """What notebooks 06 and 10 found, a line per answer, with links that hold from the results folder.

    Args:
        layout: whose tables of answers are read; the text says so if there are none.
    """
    answers = read_answers(layout.tables)
    if answers.empty:
        return "*not run*: `make reproduce` makes the tables of answers, `make questions` with all runs of notebook 06.\n"
    lines = [
        f"- **{row.data.partition(' (')[0]}. {row.question}** {row.answer} "
        f"([{row.cell}](executed/{row.notebook}.ipynb#cell-id={row.cell}))."
        for beginning in _FINDINGS
        for row in answers[answers["question"].str.startswith(beginning)].itertuples()
    ]
    all_of_them = " and ".join(f"[`{name}`](tables/{name})" for name in ANSWERS.values())
    about = f"Computed answers of notebooks 06 and 10, with their intervals; all of them are in {all_of_them}."
    return f"{about}\n\n" + "\n".join(lines) + "\n"


def results_page_markdown(layout: Layout, made: str) -> str:
    """All findings and all written tables as one page, with links that hold from the results folder.

    Args:
        layout: whose tables are read, as :func:`vad_lib.report.tables.all_tables.write_all_tables` wrote them.
        made: sentences on what made the runs.

    Raises:
        MissingFileError: no table was written yet.
    """
    tables = sorted(layout.tables.glob("*.md"), key=order_key)
    if not tables:
        raise MissingFileError(f"{layout.tables}: expected tables, found none; make them first with `make reproduce`.")
    parts = [
        f"# Results\n\nGenerated; all numbers come from the runs beside this page. {made}",
        f"## What we found\n\n{findings_markdown(layout).strip()}",
        "## Tables",
    ]
    parts += [f"{read_text(path).strip()}\n\nAs numbers: [`{path.stem}.csv`](tables/{path.stem}.csv)" for path in tables]
    return "\n\n".join(parts) + "\n"


def write_results_page(layout: Layout) -> Path:
    """Write the page of all findings and tables as ``README.md`` into the results folder of a layout.

    Returns:
        its path.

    Raises:
        MissingFileError: no table was written yet.
        OutputError: the folder cannot be written.
    """
    made = made_by(run for name in _DATASETS for row in VARIANTS for run in find_runs(layout, "runs", name, row))
    return write_text(layout.results / "README.md", results_page_markdown(layout, f"Tables are made of {made_words(made)}."))


def update_readme(path: Path, layout: Layout) -> Path:
    """Write the short table between the markers ``results`` of the README.

    Args:
        path: of the README.
        layout: where runs are read from.

    Raises:
        MissingFileError: there is no such page.
        DataError: the page lacks the markers, or runs do not belong into one table.
    """
    return update_section(path, "results", results_table_markdown(layout))


def update_section(path: Path, section: str, markdown: str) -> Path:
    """Replace what stands between ``<!-- SECTION:begin -->`` and ``<!-- SECTION:end -->`` in a page.

    Images of the whole page get the alternative texts of their files.

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
    page = f"{head}{begin}\n{markdown.strip()}\n{end}{rest.split(end)[1]}"
    return write_text(path, with_alternative_texts(page, path.parent))


def with_alternative_texts(markdown: str, folder: Path) -> str:
    """A page whose images have the alternative texts that their files carry.

    Args:
        markdown: the page.
        folder: that the links of its images start from.

    Returns:
        the page; an image whose file is missing or carries no text keeps its words.
    """

    def of_file(image: re.Match[str]) -> str:
        with suppress(DataError):
            return f"![{alternative_text(folder / image[1])}]({image[1]})"
        return image[0]

    return _IMAGE.sub(of_file, markdown)
