"""Imports go down the floors that ``[tool.importlinter]`` in pyproject.toml lists, are written in full, and form no circles."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "vad_lib"
FLOORS = "rooms import only from the floors below theirs"
CIRCLES = "no circles of imports, within rooms either"


def broken_contracts(folder: Path) -> tuple[set[str], str]:
    """Contracts of pyproject.toml that a folder's ``vad_lib`` breaks, and all that was said."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"]
    options = ["--no-cache", "--no-logo", str(ROOT / "pyproject.toml")]
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    broken = {name for name in (FLOORS, CIRCLES) if f"{name} BROKEN" in done.stdout}
    kept = {name for name in (FLOORS, CIRCLES) if f"{name} KEPT" in done.stdout}
    assert broken | kept == {FLOORS, CIRCLES} and bool(done.returncode) == bool(broken), done.stdout + done.stderr
    return broken, done.stdout


def skeleton(folder: Path, **imports: str) -> Path:
    """The package's files with nothing in them, but for what ``room__module="import ..."`` says."""
    for path in PACKAGE.rglob("*.py"):
        empty = folder / path.relative_to(ROOT)
        empty.parent.mkdir(parents=True, exist_ok=True)
        empty.touch()
    for name, line in imports.items():
        (folder / "vad_lib" / name.replace("__", "/")).with_suffix(".py").write_text(line, encoding="utf-8")
    return folder


def test_imports_go_down_the_floors_and_form_no_circles():
    broken, said = broken_contracts(ROOT)
    assert not broken, said


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({}, set()),
        ({"runs__trainer": "from vad_lib.data.dataset import load_dataset"}, set()),
        ({"data__dataset": "from vad_lib.runs.trainer import fit"}, {FLOORS}),
        ({"metrics": "from vad_lib import losses"}, {FLOORS}),
        ({"errors": "def f():\n    import vad_lib.model"}, {FLOORS}),
        ({"model": "import vad_lib.losses", "losses": "import vad_lib.model"}, {FLOORS, CIRCLES}),
        ({"storage__paths": "from vad_lib.storage import writing", "storage__writing": "import vad_lib.storage.paths"}, {CIRCLES}),
        ({"a_new_room": ""}, {FLOORS}),
    ],
    ids=["nothing", "down", "up", "same-floor", "in-a-function", "both", "circle-in-a-room", "no-floor"],
)
def test_the_contracts_see_what_they_forbid(tmp_path, imports, expected):
    broken, said = broken_contracts(skeleton(tmp_path, **imports))
    assert broken == expected, said


def relative_imports(tree: ast.AST) -> list[int]:
    """Lines of a syntax tree with an import from ``.``."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


def test_imports_are_written_in_full():
    found = {path: relative_imports(ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))}
    assert [f"{path.relative_to(ROOT)}, line {line}" for path, lines in found.items() for line in lines] == []
    assert relative_imports(ast.parse("import os\nfrom .files import write_json\nfrom os import path")) == [2]


def test_the_package_itself_imports_nothing():
    """An ``__init__`` that imports would tie all modules together."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
