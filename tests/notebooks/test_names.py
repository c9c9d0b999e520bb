"""Notebooks as they stand: names that they take from the library exist (the type checker sees it), and they stay short."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
CHAIN = sorted((ROOT / "notebooks").glob("0*.ipynb"))
LESSONS = sorted((ROOT / "notebooks" / "course").glob("[0-9]*.ipynb"))
LESSONS += sorted((ROOT / "notebooks" / "course" / "solutions").glob("[0-9]*.ipynb"))
MOST_CELLS, MEDIAN_LINES = 35, 8  # of a notebook, and of its code cells
MISSING = ("no attribute", "Cannot find implementation", "Unexpected keyword argument", "is not defined")
OF_THE_LIBRARY = re.compile(r'[Mm]odule (named )?("vad_lib|has)|Unexpected|Name "\w+\.')

# Of other packages only pydantic is read, whose plugin knows the arguments of settings: reading all takes a minute.
SETTINGS = """
[mypy]
plugins = pydantic.mypy
check_untyped_defs = True
follow_imports = skip
[mypy-vad_lib.*,pydantic.*]
follow_imports = normal
[mypy-numpy.*]
follow_imports_for_stubs = True
"""


def missing_names(folder: Path, **notebooks: str) -> list[str]:
    """What the code of each notebook names and the library lacks, with the line of the code."""
    for name, code in notebooks.items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    (folder / "mypy.ini").write_text(SETTINGS, encoding="utf-8")
    options = ["--config-file", str(folder / "mypy.ini"), "--cache-dir", str(folder.parent / "cache"), "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options]
    files = [str(folder / f"{name}.py") for name in notebooks]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = []
    for line in done.stdout.splitlines():
        path, _, rest = line.partition(".py:")  # a path of an earlier run, if the checker remembers the same code
        if Path(path).name in notebooks and any(words in rest for words in MISSING) and OF_THE_LIBRARY.search(rest):
            found.append(f"{Path(path).name}:{rest}")
    return found


def code_of(path: Path) -> str:
    """Code of a notebook's cells, each on its own, so that its lines can be found again."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(f"# cell {number}\n{cell.source}" for number, cell in enumerate(cells) if cell.cell_type == "code")


def test_every_name_that_a_notebook_takes_from_the_library_exists(tmp_path):
    notebooks = {f"notebook_{path.stem}": code_of(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    found = missing_names(tmp_path, **notebooks)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", ["scripts", "benchmarks"])
def test_every_name_that_a_script_takes_from_the_library_exists(tmp_path, folder):
    """No test runs a benchmark; this much can be said of it without."""
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).glob("*.py"))}
    found = missing_names(tmp_path, **scripts)
    assert not found, "\n".join(found)


def test_missing_names_and_arguments_are_seen(tmp_path):
    good = "from vad_lib import metrics\nmetrics.frame_roc_auc([0, 1], [0.1, 0.2])\n"
    bad = "from vad_lib import errors\nfrom vad_lib.nowhere import x\nerrors.no_such_name\nerrors.command_line('again', advice=1)\n"
    bad += "from vad_lib.config import TrainSettings\nTrainSettings(learning_rate=1)\n"
    found = missing_names(tmp_path, good=good, bad=bad)
    assert [line.split(":")[:2] for line in found] == [["bad", "2"], ["bad", "3"], ["bad", "4"], ["bad", "6"]], found


# --- short notebooks ------------------------------------------------------------------------------
def long_parts(notebook: nbformat.NotebookNode) -> list[str]:
    """Too many cells, and code cells of too many lines; empty lines do not count."""
    code = [sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in notebook.cells if cell.cell_type == "code"]
    found = [f"{len(notebook.cells)} cells, expected {MOST_CELLS} at most"] * (len(notebook.cells) > MOST_CELLS)
    if (median := statistics.median(code)) > MEDIAN_LINES:
        found.append(f"median code cell of {median:g} lines, expected {MEDIAN_LINES} at most: move code into the library")
    return found


def mixed_parts(notebook: nbformat.NotebookNode) -> list[str]:
    """Questions beside answers."""
    return [
        f"{cell.id}: a prediction beside the reading of another figure; give it a cell of its own"
        for cell in notebook.cells
        if cell.cell_type == "markdown" and "**Read.**" in cell.source and "**Predict" in cell.source
    ]


@pytest.mark.parametrize("path", CHAIN, ids=[path.stem for path in CHAIN])
def test_a_notebook_of_the_chain_is_short_and_asks_before_it_answers(path):
    notebook = nbformat.read(path, as_version=4)
    assert long_parts(notebook) + mixed_parts(notebook) == []


@pytest.mark.parametrize("path", LESSONS, ids=[f"{path.parent.name}-{path.stem}" for path in LESSONS])
def test_a_lesson_is_short(path):
    assert long_parts(nbformat.read(path, as_version=4)) == []


def test_the_lessons_are_found():
    assert len(LESSONS) == 10  # five, and their solutions


def test_long_notebooks_are_seen():
    code, text = new_code_cell("a = 1\n\nb = 2"), [new_markdown_cell("text") for _ in range(MOST_CELLS)]
    assert long_parts(new_notebook(cells=[code, *text[1:]])) == []
    assert "36 cells" in long_parts(new_notebook(cells=[code, *text]))[0]
    assert "median code cell of 9 lines" in long_parts(new_notebook(cells=[new_code_cell("a = 1\n" * 9)]))[0]
    mixed = new_markdown_cell("**Read.** So it is.\n\n**Predict.** And now?")
    assert mixed_parts(new_notebook(cells=[code, mixed])) == [
        f"{mixed.id}: a prediction beside the reading of another figure; give it a cell of its own"
    ]
