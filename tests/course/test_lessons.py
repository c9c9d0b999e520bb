"""Every lesson runs to its end, unsolved and solved; unsolved exercises are not right yet, solutions are."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

from vad_lib.storage.paths import PROJECT_ROOT

COURSE = PROJECT_ROOT / "notebooks" / "course"
LESSONS = [path.name for path in sorted(COURSE.glob("*.ipynb"))]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def undescribed(notebook):
    """Cells with a picture that has no alternative text."""
    outputs = [(cell.id, output) for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    pictures = [
        (cell, output.metadata.get(kind, {})) for cell, output in outputs for kind in output.data if kind.startswith("image/")
    ]
    assert len(pictures) > 1  # a drawing and at least one figure
    return [cell for cell, about in pictures if not about.get("alt")]


def verdicts(path, folder):
    """What the checker said in an executed lesson, by exercise; pictures without alternative text are not accepted."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    assert undescribed(notebook) == []
    said = [output.data.get("text/plain", "") for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    return dict(re.findall(r"Exercise (\d\.\d): (right|not yet)", "\n".join(said)))


@pytest.mark.parametrize("name", LESSONS)
def test_an_unsolved_lesson_runs_and_no_exercise_is_right(name, tmp_path):
    said = verdicts(COURSE / name, tmp_path)
    assert len(said) == 3 and set(said.values()) == {"not yet"}
    assert not list(tmp_path.iterdir()), "a lesson leaves nothing behind"


@pytest.mark.parametrize("name", LESSONS)
def test_every_solution_is_right(name, tmp_path):
    said = verdicts(COURSE / "solutions" / name, tmp_path)
    assert len(said) == 3 and set(said.values()) == {"right"}
