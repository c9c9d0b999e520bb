"""Slides: what stands on which one, that all of them fit, and that they need no network."""

import re

import nbformat
import pytest
from browser import browser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vad_lib.course import build
from vad_lib.course.slides import ROWS, parts, write_slides
from vad_lib.errors import DataError, MissingFileError

TEXT = new_output("display_data", {"text/markdown": "**Read.** It falls."})
FIGURE = new_output("display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": 'a "curve"'}})


def slide(make, source, kind="fragment", tags=(), **more):
    return make(source, metadata={"slideshow": {"slide_type": kind}, "tags": [*tags]}, **more)


def seen(cell):
    """Of each part: where it stands, its source, how many outputs it has."""
    return [(part.metadata["slideshow"]["slide_type"], part.source, len(part.get("outputs", ()))) for part in parts(cell)]


def test_short_code_stays_with_what_it_shows_and_long_code_does_not():
    printed = new_output("stream", text="1\n2\n")
    assert seen(slide(new_code_cell, "print(1)\nprint(2)", outputs=[printed])) == [("fragment", "print(1)\nprint(2)", 1)]
    long = "\n".join(["a = 1"] * (ROWS - 1))
    assert seen(slide(new_code_cell, long, outputs=[printed])) == [("fragment", long, 0), ("subslide", "", 1)]
    assert [kind for kind, *_ in seen(slide(new_code_cell, "a = 1\n" * 4 + "plot()", outputs=[FIGURE]))] == ["fragment", "subslide"]


def test_code_that_only_writes_a_text_is_left_out():
    assert seen(slide(new_code_cell, "text = 'x'\ndisplay(Markdown(text))", outputs=[TEXT])) == [("fragment", "", 1)]


def test_a_task_comes_before_its_solution_and_its_answers_begin_lines():
    source = "a = 1\n\n# Exercise 1.1 (recall). Which is <\n# right?\n#   a: one   b: two\nletter = 'b'\ncheck('1.1', letter)"
    assert seen(slide(new_code_cell, source, "subslide", ["solution"], outputs=[TEXT])) == [
        ("subslide", "a = 1", 0),
        ("subslide", '<p class="task">Exercise 1.1 (recall). Which is &lt; right?\na: one\nb: two</p>', 0),
        ("subslide", "letter = 'b'\ncheck('1.1', letter)", 1),
    ]


def test_a_heading_begins_a_slide():
    text = "**Read.** So it is.\n\n## Part 2\n\nText"
    assert seen(slide(new_markdown_cell, text)) == [("fragment", "**Read.** So it is.\n", 0), ("subslide", "## Part 2\n\nText", 0)]


def test_further_reading_is_no_slide():
    text = "## What we learned\n\n1. Much.\n\n## Further reading\n\n- A book."
    assert [kind for kind, *_ in seen(slide(new_markdown_cell, text, "slide"))] == ["slide", "skip"]


def test_a_file_is_whole_and_describes_its_pictures(tmp_path):
    cells = [
        slide(new_markdown_cell, "# Title $x^2$\n\n\\begin{align}y\\end{align}", "slide"),
        slide(new_code_cell, "secret", "skip"),
        slide(new_code_cell, "plot()", outputs=[FIGURE]),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "1_small.ipynb")
    (file,) = write_slides(tmp_path, tmp_path / "out")
    text = file.read_text(encoding="utf-8")
    assert text.count("<section>") == 1 and text.count("<math") == 2 and "begin{" not in text and "secret" not in text
    assert "alt='a \"curve\"'" in text and re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []


def test_no_lessons_and_a_bad_formula_are_errors(tmp_path):
    with pytest.raises(MissingFileError, match="make course"):
        write_slides(tmp_path, tmp_path)
    nbformat.write(new_notebook(cells=[slide(new_markdown_cell, r"so $\nonsense x$", "slide")]), tmp_path / "1_small.ipynb")
    with pytest.raises(DataError, match=r"1_small\.ipynb.*nonsense"):
        write_slides(tmp_path, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no browser with the DevTools protocol on this machine")
def test_every_slide_of_every_lesson_fits_and_keys_go_through_all(tmp_path, tab):
    measured = "show(number, true), [parseFloat(slide.style.fontSize), slide.scrollHeight - slide.clientHeight]"
    files = write_slides(build.PROJECT_ROOT / build.EXECUTED_LESSONS, tmp_path)
    assert len(files) == 5
    for file in files:
        tab.open(file, width=1280, height=720)
        sizes = tab.value(f"slides.map((slide, number) => ({measured}))")
        too_full = [number + 1 for number, (size, hidden) in enumerate(sizes) if size < 0.8 or hidden > 0]
        assert len(sizes) > 20 and too_full == [], file.name
        tab.press("Home")
        fragments = tab.value("slides.slice(0, 3).map((slide) => slide.querySelectorAll('.fragment').length)")
        assert sum(fragments) > 0 and tab.value("document.querySelectorAll('.current .later').length") == fragments[0]
        for _ in range(3 + sum(fragments)):
            tab.press("ArrowRight")
        assert tab.value("location.hash") == "#4", file.name
        tab.press("ArrowLeft")
        assert tab.value("[number, document.querySelectorAll('.current .later').length]") == [2, 0], file.name
        assert tab.grave_faults() == [] and tab.complaints == [], file.name
        assert [url[:40] for url in tab.requests if not url.startswith("data:")][1:] == [], file.name  # the first is the file
