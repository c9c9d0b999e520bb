"""One source per lesson: what students, lecturers and the checker get of it."""

import json

import nbformat
import pytest

from vad_lib.course import build
from vad_lib.errors import DataError
from vad_lib.storage.paths import PROJECT_ROOT

SOURCES = sorted((PROJECT_ROOT / build.SOURCES).glob("*.ipynb"))
EXERCISE = f"{build.BEGIN}\n{build.STUB}answer = ...\nanswer = 42\n{build.END}\ncheck('1.1', answer)"


def source(tmp_path, *cells):
    """A source notebook: (kind, id, tag, text) cells."""
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    made = [make[kind](text, id=name, metadata={"tags": [tag] if tag else []}) for kind, name, tag, text in cells]
    path = tmp_path / "1_small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


def lesson(tmp_path, repository=""):
    return build.read_lesson(
        source(
            tmp_path,
            ("markdown", "title", "", "# Lesson 1"),
            ("code", "exercise-1", "exercise", EXERCISE),
            ("markdown", "answer-1", "answer", "Because it is."),
            ("code", "checks-1", "checks", "HIDDEN = 42"),
            ("markdown", "plan", "lecturer", "Ten minutes."),
        ),
        repository,
    )


def texts(notebook):
    return {cell.id: cell.source for cell in nbformat.reads(notebook, as_version=4).cells}


def test_the_student_gets_the_stub_and_a_fold(tmp_path):
    student = texts(lesson(tmp_path).student)
    assert student["exercise-1"] == "answer = ...\ncheck('1.1', answer)"
    assert "answer = 42" in student["exercise-1-fold"] and "Because it is." in student["exercise-1-fold"]
    assert student["exercise-1-fold"].startswith("<details>") and student["exercise-1-fold"].endswith("</details>")
    assert "HIDDEN" not in lesson(tmp_path).student and "Ten minutes" not in lesson(tmp_path).student


def test_the_solution_has_no_marks_and_is_tagged(tmp_path):
    solution = nbformat.reads(lesson(tmp_path).solution, as_version=4)
    cell = next(cell for cell in solution.cells if cell.id == "exercise-1")
    assert cell.source == "answer = 42\ncheck('1.1', answer)" and cell.metadata.tags == ["solution"]
    assert "HIDDEN" not in lesson(tmp_path).solution


def test_checks_and_plan_go_where_they_belong(tmp_path):
    made = lesson(tmp_path)
    assert "HIDDEN = 42" in made.checks
    assert "Ten minutes." in made.lecturer and "answer = 42" in made.lecturer


def test_buttons_only_where_the_address_is_known(tmp_path):
    assert "colab" not in lesson(tmp_path).student
    hosted = texts(lesson(tmp_path, "owner/name").student)
    assert "colab.research.google.com/github/owner/name/blob/main/notebooks/course/1_small.ipynb" in hosted["title"]
    assert "--no-deps" in hosted["host"] and "owner/name" in hosted["host"]


@pytest.mark.parametrize(
    "text",
    ["answer = 42", f"{build.BEGIN}\nanswer = 42\n{build.END}", f"{build.BEGIN}\n{build.STUB}a = ...", f"{build.END}\na = 1"],
)
def test_an_exercise_without_solution_end_or_stub_is_refused(tmp_path, text):
    with pytest.raises(DataError, match="exercise-1"):
        build.read_lesson(source(tmp_path, ("markdown", "title", "", "# L"), ("code", "exercise-1", "exercise", text)))


def test_a_tag_on_the_wrong_kind_of_cell_is_refused(tmp_path):
    with pytest.raises(DataError, match="answer"):
        build.read_lesson(source(tmp_path, ("markdown", "title", "", "# L"), ("code", "x", "answer", "a = 1")))


def test_what_is_committed_is_what_the_sources_say():
    assert SOURCES
    old = [str(path) for path, text in build.made_files() if path.read_text(encoding="utf-8") != text]
    assert not old, "out of date; call make course"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_executed_solution_is_that_of_the_source_and_describes_its_pictures(path):
    executed = nbformat.read(build.PROJECT_ROOT / "results" / "course" / path.name, as_version=4).cells
    solution = nbformat.reads(build.read_lesson(path, build.repository_of()).solution, as_version=4).cells
    assert [cell.source for cell in executed] == [cell.source for cell in solution], "call make course"
    outputs = [(cell.id, output) for cell in executed for output in cell.get("outputs", ()) if "data" in output]
    pictures = [
        (cell, output.metadata.get(kind, {})) for cell, output in outputs for kind in output.data if kind.startswith("image/")
    ]
    assert len(pictures) > 1 and [cell for cell, about in pictures if not about.get("alt")] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_lesson_has_the_shape_that_the_course_promises(path):
    cells = nbformat.reads(build.read_lesson(path).student, as_version=4).cells
    number = path.stem.partition("_")[0]
    # tests/notebooks/test_names.py holds the number of cells and the median of their lines
    assert max(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code") <= 25
    whole = json.dumps(cells)
    assert all(f'check(\\"{number}.{exercise}\\"' in whole for exercise in (1, 2, 3))
    assert "plt.show" not in whole, "style.show(fig, text) shows a figure with its alternative text"
    assert "drawing(" in whole and "Predict." in whole and "## What we learned" in whole and "## Further reading" in whole


def test_the_repository_is_read_from_the_project(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[project.urls]\nRepository = "https://github.com/owner/na-me"\n'
    )
    assert build.repository_of(tmp_path) == "owner/na-me"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert build.repository_of(tmp_path) == ""
