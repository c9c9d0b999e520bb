"""A notebook becomes a page: formulas, pictures with words, solutions in folds, anchors at cells."""

import base64
import io

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from vad_lib.errors import DataError
from vad_lib.site.links import Links
from vad_lib.site.notebooks import NO_ALTERNATIVE, Source, notebook_page


def picture() -> str:
    stream = io.BytesIO()
    Image.new("RGB", (40, 20)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def made(folder, *cells):
    for place, cell in enumerate(cells):
        cell.id = f"c{place}"
    nbformat.write(new_notebook(cells=[*cells]), folder / "a.ipynb")
    return notebook_page(Links(folder), Source("a.ipynb", "notebooks/a.html", ("",)), "read")


def image_cell(**metadata):
    return new_code_cell("plot()", outputs=[new_output("display_data", {"image/png": picture()}, metadata=metadata)])


def test_text_formulas_and_anchors(tmp_path):
    page = made(
        tmp_path,
        new_markdown_cell("# Title $x^2$\n\nText\n\n## First"),
        new_markdown_cell("# Part\n\n## Second\n\n$$\\frac{a}{b}$$"),
        new_code_cell("1 + 1", outputs=[new_output("display_data", {"text/markdown": "**$S_c$** is\n\n# loud"})]),
    ).page
    assert page.body.count("<h1") == 1 and "$" not in page.body and page.body.count("<math") == 3
    assert '<h2 id="first">' in page.body and '<h2 id="part">' in page.body and '<h3 id="second">' in page.body
    assert '<h3 id="loud">' in page.body  # headings of outputs stay below those of the notebook
    assert 'id="cell-id=c1"' in page.body and page.title == "Title x 2"


def test_headings_of_the_same_words_have_anchors_of_their_own(tmp_path):
    body = made(tmp_path, new_markdown_cell("# T\n\n## Checks\n\n## Checks")).page.body
    assert 'id="checks"' in body and 'id="checks-1"' in body


def test_a_formula_that_cannot_be_drawn_names_notebook_and_cell(tmp_path):
    with pytest.raises(DataError, match=r"a\.ipynb, cell c1: .*nonsense"):
        made(tmp_path, new_markdown_cell("# T"), new_markdown_cell(r"so $\nonsense x$"))


def test_pictures_are_files_with_their_words_and_sizes(tmp_path):
    cells = [new_markdown_cell("# T"), image_cell(**{"image/png": {"alt": 'a "curve"'}}), image_cell(alt="whole"), image_cell()]
    found = made(tmp_path, *cells)
    assert len(found.files) == 3 and "base64" not in found.page.body
    assert "alt='a \"curve\"'" in found.page.body and 'alt="whole"' in found.page.body and NO_ALTERNATIVE in found.page.body
    assert found.page.body.count('width="40" height="20"') == 3
    assert found.undescribed == ["a.ipynb, cell c3"]


def test_solutions_stand_behind_a_fold_and_long_code_is_closed(tmp_path):
    solution = new_code_cell("answer = 42", metadata={"tags": ["solution"]})
    body = made(
        tmp_path, new_markdown_cell("# T"), new_code_cell("a = 1"), new_code_cell("\n".join(["b = 2"] * 30)), solution
    ).page.body
    before, _, inside = body.partition('<details class="solution">')
    assert "42" not in before and "42" in inside
    assert before.count('<details class="code" open="">') == 1 and before.count('<details class="code">') == 1


def test_html_of_outputs_brings_no_scripts_and_no_styles(tmp_path):
    table = '<style scoped>a {}</style><script>alert(1)</script><table border="1"><tr><th></th><td>1</td></tr></table>'
    body = made(
        tmp_path, new_markdown_cell("# T"), new_code_cell("x", outputs=[new_output("display_data", {"text/html": table})])
    ).page.body
    assert "<script" not in body and "<style" not in body and '<div class="scroll"><table>' in body


def test_a_notebook_without_a_title_is_an_error(tmp_path):
    with pytest.raises(DataError, match="expected a heading"):
        made(tmp_path, new_markdown_cell("no heading"))


def test_a_damaged_notebook_is_an_error(tmp_path):
    (tmp_path / "a.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="notebook"):
        notebook_page(Links(tmp_path), Source("a.ipynb", "notebooks/a.html", ("",)), "read")
