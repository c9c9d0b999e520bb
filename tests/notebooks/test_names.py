"""Names that notebooks take from the library exist: seen by the type checker, without executing anything."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
MISSING = ("no attribute", "Cannot find implementation", "Unexpected keyword argument")
OF_THE_LIBRARY = re.compile(r'[Mm]odule (named )?("vad_lib|has)|Unexpected')

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


def test_missing_names_and_arguments_are_seen(tmp_path):
    good = "from vad_lib import metrics\nmetrics.frame_roc_auc([0, 1], [0.1, 0.2])\n"
    bad = "from vad_lib import errors\nfrom vad_lib.nowhere import x\nerrors.no_such_name\nerrors.command_line('again', advice=1)\n"
    bad += "from vad_lib.config import TrainSettings\nTrainSettings(learning_rate=1)\n"
    found = missing_names(tmp_path, good=good, bad=bad)
    assert [line.split(":")[:2] for line in found] == [["bad", "2"], ["bad", "3"], ["bad", "4"], ["bad", "6"]], found
