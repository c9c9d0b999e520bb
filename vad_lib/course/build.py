"""One source per lesson -> the student's notebook, the solutions, the checks and the lecturer's page.

``python -m vad_lib.course.build`` reads ``notebooks/course/sources`` and writes ``notebooks/course/*.ipynb``,
``notebooks/course/solutions/*.ipynb``, ``vad_lib/course/checks/lesson_N.py`` and ``notebooks/course/lecturer.md``;
``--compare`` only says what is out of date; ``--execute`` keeps the executed solutions in ``results/course``, and ``--slides
FOLDER`` makes slides of those.

A source is a notebook. Cells without a tag of ours go into both versions. The tags:

- ``exercise``, code: lines between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` are the solution; of them the student gets
  what follows ``### STUB ``, at the same place. A fold with the solution follows in the student's notebook.
- ``answer``, Markdown: belongs to the fold of the exercise before it.
- ``checks``, code: functions with :func:`vad_lib.course.checker.exercise`; they go to ``checks/lesson_N.py`` only.
- ``lecturer``, Markdown: goes to the lecturer's page only.
"""

import argparse
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from vad_lib.errors import DataError, command_line
from vad_lib.storage.paths import EXECUTED_LESSONS, LESSONS, PROJECT_ROOT
from vad_lib.storage.writing import write_text

SOURCES = LESSONS / "sources"
BEGIN, END, STUB = "### BEGIN SOLUTION", "### END SOLUTION", "### STUB "
TAGS = {"exercise": "code", "answer": "markdown", "checks": "code", "lecturer": "markdown"}  # tag -> kind of its cell
HERE = """# On your own machine this cell does nothing. Elsewhere it installs what is missing, and keeps PyTorch as it is.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("vad_lib") is None:
    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "{package}"])
    subprocess.check_call([sys.executable, "-m", "vad_lib.host"])"""
NOWHERE = """# This lesson needs the project's package, vad_lib.
import importlib.util

if importlib.util.find_spec("vad_lib") is None:
    raise ModuleNotFoundError(
        "vad_lib is not installed here. Get the project and start this notebook with `make lab`; or, in any "
        "environment with PyTorch, run `python -m pip install --no-deps FOLDER_OF_THE_PROJECT` and `python -m vad_lib.host`."
    )"""


class Lesson(NamedTuple):
    """A source and what is made of it.

    Attributes:
        name: of the file, without ending, such as ``1_bags_and_mil``.
        student, solution: notebooks as text.
        checks: Python as text.
        lecturer: Markdown.
    """

    name: str
    student: str
    solution: str
    checks: str
    lecturer: str


def read_lesson(path: Path, repository: str = "") -> Lesson:
    """Make everything of one source.

    Args:
        path: of the source notebook.
        repository: ``owner/name`` on GitHub, for the buttons and the first cell of hosted notebooks; empty if unknown.

    Raises:
        DataError: a cell is not what its tag says, or a solution has no end or no stub; the message names the cell.
    """
    source = nbformat.read(path, as_version=4)
    name = path.stem
    first = HERE.format(package=_package(repository)) if repository else NOWHERE
    start = [nbformat.v4.new_code_cell(first, id="host", metadata=_SKIPPED)]
    student: list[Any] = []
    solution: list[Any] = []
    checks: list[str] = []
    lecturer: list[str] = []
    for number, cell in enumerate(source.cells):
        tag = _tag(cell, f"{path.name}, cell {cell.get('id', number)}")
        if tag == "checks":
            checks.append(cell.source)
        elif tag == "lecturer":
            lecturer.append(cell.source)
        elif tag == "exercise":
            stub, solved = split_solution(cell.source, f"{path.name}, cell {cell.id}")
            student += [_copy(cell, stub), nbformat.v4.new_markdown_cell(_fold(solved), id=f"{cell.id}-fold", metadata=_SKIPPED)]
            solution.append(_copy(cell, solved, ["solution"]))
            lecturer.append(f"**Expected answer of `{cell.id}`**\n\n```python\n{solved}\n```")
        elif tag == "answer":
            if not student or not student[-1].id.endswith("-fold"):
                raise DataError(f"{path.name}, cell {cell.id}: an answer must follow its exercise; move it there.")
            student[-1].source = student[-1].source.replace("\n</details>", f"\n{cell.source}\n\n</details>")
            solution.append(_copy(cell, cell.source, ["solution"]))
            lecturer.append(cell.source)
        else:
            student.append(_copy(cell, cell.source))
            solution.append(_copy(cell, cell.source))
    title = student[0].source.splitlines()[0].lstrip("# ")
    if repository:
        student[0].source += f"\n\n{_buttons(repository, name)}"
    for cells in (student, solution):
        cells[1:1] = start
    return Lesson(
        name,
        _notebook(student, source.metadata),
        _notebook(solution, source.metadata),
        _CHECKS_HEAD.format(name=name) + "\n\n\n".join(checks).strip() + "\n",
        f"## {title}\n\n" + "\n\n".join(lecturer).strip() + "\n",
    )


_SKIPPED = {"slideshow": {"slide_type": "skip"}}
_CHECKS_HEAD = '"""Checks of lesson {name}; made by ``python -m vad_lib.course.build`` of its source."""\n\n'


def split_solution(text: str, where: str) -> tuple[str, str]:
    """The student's version of an exercise cell, and the solution.

    Args:
        text: source of the cell.
        where: it stands, for messages.

    Raises:
        DataError: no solution, or one without end or stub.

    Example:
        >>> split_solution("### BEGIN SOLUTION\\nk = 2\\n### STUB k = ...\\n### END SOLUTION\\ncheck('1.1', k)", "cell")
        ("k = ...\\ncheck('1.1', k)", "k = 2\\ncheck('1.1', k)")
    """
    stub: list[str] = []
    solved: list[str] = []
    inside, stubs = False, 0
    for line in text.splitlines():
        bare = line.strip()
        if bare in (BEGIN, END):
            if inside == (bare == BEGIN):
                raise DataError(f"{where}: expected {BEGIN} and {END} in turns; found {bare} at the wrong place.")
            inside = bare == BEGIN
        elif inside and bare.startswith(STUB.strip()):
            indent = line[: len(line) - len(line.lstrip())]
            stub.append(indent + bare.removeprefix(STUB.strip()).removeprefix(" "))
            stubs += 1
        elif inside:
            solved.append(line)
        else:
            stub.append(line)
            solved.append(line)
    if inside or not stubs:
        raise DataError(f"{where}: an exercise needs a solution between {BEGIN} and {END}, and a line {STUB}... in it.")
    return "\n".join(stub), "\n".join(solved)


def _tag(cell: Any, where: str) -> str:
    found = [tag for tag in cell.metadata.get("tags", ()) if tag in TAGS]
    if len(found) > 1 or (found and cell.cell_type != TAGS[found[0]]):
        raise DataError(
            f"{where}: expected one tag of {', '.join(TAGS)} on a cell of its kind; got {found} on a {cell.cell_type} cell."
        )
    return found[0] if found else ""


def _copy(cell: Any, text: str, tags: Sequence[str] = ()) -> Any:
    others = [tag for tag in cell.metadata.get("tags", ()) if tag not in TAGS]
    metadata = {name: value for name, value in cell.metadata.items() if name != "tags"}
    if both := [*others, *tags]:
        metadata["tags"] = both
    make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return make(text, id=cell.id, metadata=metadata)


def _fold(solved: str) -> str:
    return f"<details><summary>Solution (try first)</summary>\n\n```python\n{solved}\n```\n\n</details>"


def _notebook(cells: list[Any], metadata: Any) -> str:
    kept = {name: metadata[name] for name in ("kernelspec", "language_info") if name in metadata}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kept)
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n"


def _package(repository: str) -> str:
    return f"vad_lib @ https://github.com/{repository}/archive/refs/heads/main.zip"


def _buttons(repository: str, name: str) -> str:
    place = (LESSONS / f"{name}.ipynb").as_posix()
    colab = f"https://colab.research.google.com/github/{repository}/blob/main/{place}"
    binder = f"https://mybinder.org/v2/gh/{repository}/main?labpath={place}"
    return f"[Open in Colab]({colab}) · [Open in Binder]({binder})"


def repository_of(project: Path = PROJECT_ROOT) -> str:
    """``owner/name`` on GitHub, of the address that ``[project.urls]`` of pyproject.toml gives; empty if it gives none."""
    urls = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("urls", {})
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", urls.get("Repository", ""))
    return found.group(1) if found else ""


def made_files() -> Iterator[tuple[Path, str]]:
    """Every file that is made of the sources, with its text."""
    lessons = [read_lesson(path, repository_of(PROJECT_ROOT)) for path in sorted((PROJECT_ROOT / SOURCES).glob("*.ipynb"))]
    course = PROJECT_ROOT / LESSONS
    for lesson in lessons:
        yield course / f"{lesson.name}.ipynb", lesson.student
        yield course / "solutions" / f"{lesson.name}.ipynb", lesson.solution
        yield PROJECT_ROOT / "vad_lib" / "course" / "checks" / f"lesson_{lesson.name.partition('_')[0]}.py", lesson.checks
    page = (PROJECT_ROOT / SOURCES / "lecturer.md").read_text(encoding="utf-8").rstrip()
    yield course / "lecturer.md", page + "\n\n" + "\n".join(lesson.lecturer for lesson in lessons)


def execute_solutions() -> None:
    """Execute every solution notebook and keep it with its outputs in ``results/course``.

    Raises:
        DataError: an exercise is not right; the message names the lesson.
    """
    from nbclient import NotebookClient  # the extra "notebooks" has it

    for path in sorted((PROJECT_ROOT / LESSONS / "solutions").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(
                notebook,
                timeout=600,
                kernel_name="python3",
                resources={"metadata": {"path": folder}},
                coalesce_streams=True,  # what a cell prints comes in pieces, by the clock; together it is the same every time
            ).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times of day
        text = nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n"
        if "not yet." in text:
            raise DataError(f"{path.name}: the checker does not accept a solution; execute the notebook and look.")
        write_text(PROJECT_ROOT / EXECUTED_LESSONS / path.name, text)
        print(f"executed {path.name}", flush=True)


@command_line("correct what it says and call it again")
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.course.build", description=__doc__.splitlines()[0])
    parser.add_argument("--compare", action="store_true", help="write nothing; say which files are out of date")
    parser.add_argument("--slides", type=Path, help="folder for slides of the executed solutions in results/course")
    parser.add_argument("--execute", action="store_true", help="then execute the solutions; they are kept in results/course")
    options = parser.parse_args(arguments)
    if options.slides:
        from vad_lib.course.slides import write_slides  # the extra "site" has what it needs

        for path in write_slides(PROJECT_ROOT / EXECUTED_LESSONS, options.slides):
            print(f"written: {path}")
        return 0
    old = [path for path, text in made_files() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if options.compare:
        print("\n".join(f"out of date: {path}" for path in old) or "all files are those of the sources")
        return 1 if old else 0
    for path, text in made_files():
        write_text(path, text)
    print(f"{len(old)} files changed")
    if options.execute:
        execute_solutions()
    return 0


if __name__ == "__main__":
    sys.exit(main())
