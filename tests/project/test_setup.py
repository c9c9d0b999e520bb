"""The set-up without make: what it runs, what it keeps, and what it says. Nothing is installed here."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "setup.py"
SETUP = runpy.run_path(str(SCRIPT))


class Recorder:
    """Stands for ``subprocess.check_call``: keeps the command lines, makes the environment's folder, fails when told to."""

    def __init__(self, folder: Path, failing: str = ""):
        self.folder, self.failing, self.lines = folder, failing, []

    def __call__(self, command: list[str], cwd: Path) -> None:
        assert (cwd / "requirements.lock").is_file()
        line = " ".join(command)
        self.lines.append(line)
        self.folder.mkdir(exist_ok=True)
        if self.failing and self.failing in line:
            raise subprocess.CalledProcessError(1, command)

    def ran(self, word: str) -> bool:
        return any(word in line for line in self.lines)


def set_up(folder: Path, *options: str, failing: str = "") -> tuple[int, Recorder]:
    run = Recorder(folder, failing)
    return SETUP["main"](["--venv", str(folder), *options], run), run


def test_two_lines_set_up_and_then_nothing_is_left_to_do(tmp_path):
    status, run = set_up(tmp_path / "env")
    assert status == 0
    create, pinned, project, weights = run.lines
    assert create.startswith(f"{sys.executable} -m venv --clear")
    assert pinned.endswith("install -r requirements.lock")
    assert project.endswith("install --no-deps --no-build-isolation -e .")
    assert weights.endswith("-m vad_lib.data.backbones.i3d_weights --fetch")
    assert all(line.startswith(str(SETUP["python_of"](tmp_path / "env"))) for line in (pinned, project, weights))
    status, run = set_up(tmp_path / "env", "--no-weights")
    assert (status, run.lines) == (0, [])


def test_the_readme_has_the_two_lines():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^python scripts/setup\.py\n\.venv\\Scripts\\python -m vad_lib\.reproduce\b", readme, re.MULTILINE)
    assert ".venv/bin/python" in readme


def test_after_a_change_of_pins_a_complete_environment_is_updated(tmp_path):
    set_up(tmp_path / "env", "--no-weights")
    (tmp_path / "env" / SETUP["STAMP"]).write_text("other pins")
    _, run = set_up(tmp_path / "env", "--no-weights")
    assert run.ran("-r requirements.lock") and not run.ran("-m venv")


@pytest.mark.parametrize("failing", ["-m venv", "-r requirements.lock", "--no-deps"])
def test_what_was_stopped_half_way_is_made_from_nothing(tmp_path, capsys, failing):
    set_up(tmp_path / "env", "--no-weights")
    (tmp_path / "env" / SETUP["STAMP"]).unlink()
    status, run = set_up(tmp_path / "env", "--no-weights", failing=failing)
    assert status == 1 and failing in run.lines[-1]
    assert "start this script again" in capsys.readouterr().err
    assert not (tmp_path / "env" / SETUP["STAMP"]).exists()
    status, run = set_up(tmp_path / "env", "--no-weights")
    assert status == 0 and run.ran("-m venv --clear")


def test_a_failed_update_leaves_no_environment_that_looks_complete(tmp_path):
    set_up(tmp_path / "env", "--no-weights")
    (tmp_path / "env" / SETUP["STAMP"]).write_text("other pins")
    set_up(tmp_path / "env", "--no-weights", failing="-r requirements.lock")
    assert not (tmp_path / "env" / SETUP["STAMP"]).exists()


@pytest.mark.parametrize("version", [(3, 10, 4), (3, 14, 0), (2, 7, 18)])
def test_an_unsupported_python_is_told_which_ones_are(version):
    refusal = SETUP["refusal"](version)
    assert refusal.startswith(f"expected Python 3.11, 3.12, 3.13; this is {version[0]}.{version[1]}.")
    assert SETUP["refusal"]((3, 13, 1)) == ""


def test_the_interpreter_lies_where_each_system_has_it(tmp_path):
    python_of = SETUP["python_of"]
    assert python_of(tmp_path, windows=True) == tmp_path / "Scripts" / "python.exe"
    assert python_of(tmp_path, windows=False) == tmp_path / "bin" / "python"


def test_the_script_needs_nothing_but_python():
    """Without site-packages, from another folder, it can say whether this Python will do."""
    done = subprocess.run([sys.executable, "-I", "-S", str(SCRIPT), "--check"], cwd=ROOT.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (0, "", "")
