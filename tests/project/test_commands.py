"""Command lines in the Makefile, texts, workflows and docstrings name modules, scripts and targets that exist."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = re.compile(r"-m (vad_lib[\w.]*)")
SCRIPT = re.compile(r"\b(?:scripts|benchmarks)[/\\]\w+\.py")
TARGET = re.compile(r"`(?:\.\./)?make ([a-z][a-z-]*)|^ *make ([a-z][a-z-]*)(?= +#| *$| +[A-Z]+=)", re.MULTILINE)
TEXTS = [
    *(ROOT / name for name in ("Makefile", "README.md", "CONTRIBUTING.md", ".ci/run", "environment.yml")),
    *sorted((ROOT / ".github/workflows").glob("*.yml")),
    *sorted((ROOT / "results").glob("*.md")),
    *(path for folder in ("vad_lib", "scripts", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def runs_as_module(name: str) -> bool:
    """Whether ``python -m name`` does something."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except ModuleNotFoundError:
        return False
    return spec is not None and ("__main__" in Path(spec.origin).read_text(encoding="utf-8") or spec.name.endswith("__main__"))


def wrong_commands(text: str) -> list[str]:
    """Modules, scripts and targets in a text that do not exist."""
    found = [f"-m {name.rstrip('.')}" for name in MODULE.findall(text) if not runs_as_module(name.rstrip("."))]
    found += [name for name in SCRIPT.findall(text) if not (ROOT / name.replace("\\", "/")).is_file()]
    return found + [f"make {name}" for pair in TARGET.findall(text) if (name := "".join(pair)) not in TARGETS]


def test_every_command_line_names_what_exists():
    found = {path.relative_to(ROOT).as_posix(): wrong_commands(path.read_text(encoding="utf-8")) for path in TEXTS if path.exists()}
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run `make reproduce` or\n    make test # now", []),
        ("python -m vad_lib.reproduce; python scripts/setup.py; we make tables", []),
        ("run `make nothing`", ["make nothing"]),
        ("python -m vad_lib.nowhere", ["-m vad_lib.nowhere"]),
        ("python -m vad_lib.losses", ["-m vad_lib.losses"]),
        ("py -3.11 scripts\\nothing.py", ["scripts\\nothing.py"]),
    ],
)
def test_wrong_commands_are_seen(text, expected):
    assert wrong_commands(text) == expected


def test_help_lists_every_target_and_each_recipe_can_be_read():
    if shutil.which("make") is None:
        pytest.skip("make is not installed; scripts/setup.py does without")
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in said.splitlines()} == TARGETS
    for target in sorted(TARGETS):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, f"make -n {target}: {done.stderr}"
