"""The site is built from committed results, is whole, and says what it leaves out."""

import json
import re
import sys

import pytest

from vad_lib.errors import ConfigError, DataError
from vad_lib.open_questions.findings import QUESTIONS
from vad_lib.registry import METHODS
from vad_lib.report.equations import EQUATIONS
from vad_lib.site import check
from vad_lib.site.__main__ import main
from vad_lib.site.build import INDEX, build
from vad_lib.storage.paths import PROJECT_ROOT, Layout

pytestmark = pytest.mark.slow


def pages(site):
    return {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}


def ours(site):
    """Pages in the frame; the explorer's own page is somebody else's."""
    return {name: text for name, text in pages(site).items() if not name.startswith("viewer/")}


def test_no_link_and_no_anchor_leads_nowhere(site):
    assert check.problems(site) == []


def test_the_check_of_links_sees_what_is_broken(tmp_path):
    text = '<a href="b.html#x">1</a><a href="c.html">2</a><a href="#y">3</a><img src="../d.png"><p id="z"></p><p id="z"></p>'
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    (tmp_path / "b.html").write_text("<p>", encoding="utf-8")
    assert len(check.problems(tmp_path)) == 6


def test_every_page_has_a_title_a_language_one_heading_and_landmarks(site):
    for name, text in ours(site).items():
        assert '<html lang="en">' in text and re.search(r"<title>[^<]+</title>", text), name
        assert len(re.findall(r"<h1[ >]", text)) == 1, name
        for landmark in ("<header>", "<main ", "<footer>", 'aria-label="Site"', 'class="skip"'):
            assert text.count(landmark) == 1, (name, landmark)


def test_every_page_of_the_navigation_marks_itself(site):
    for name in ("notebooks.html", "findings.html", "tables.html", "methods.html", "run.html"):
        assert f'<a href="{name}" aria-current="page">' in pages(site)[name]
    assert 'aria-current="true">Read' in pages(site)["notebooks/00_start_here.html"]


def test_no_latex_is_left_as_text(site):
    for name, text in ours(site).items():
        if name.startswith(("notebooks/", "lessons/", "documents/")):
            prose = re.sub(r"<(pre|code|math)\b.*?</\1>", "", text, flags=re.DOTALL)
            assert not re.search(r"\$[^$\n]+\$|\\(frac|hat|lambda|text|mathrm|sum|cdot)\b", prose), name


def test_every_executed_notebook_and_every_table_has_a_page(site):
    layout, found = Layout.reference(), pages(site)
    for path in layout.executed.glob("*.ipynb"):
        assert f"notebooks/{path.stem}.html" in found
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert [c["id"] for c in cells if f'id="cell-id={c["id"]}"' not in found[f"notebooks/{path.stem}.html"]] == []
    for path in layout.tables.glob("*.md"):
        rows = path.with_suffix(".csv").read_text(encoding="utf-8")
        assert f"tables/{path.stem}.html" in found and (site / f"tables/{path.stem}.csv").read_text(encoding="utf-8") == rows


def test_links_of_the_readme_to_cells_lead_to_cells(site):
    links = re.findall(r"executed/([\w-]+)\.ipynb#(cell-id=[\w-]+)", (PROJECT_ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    for notebook, cell in links:
        assert f'href="notebooks/{notebook}.html#{cell}"' in pages(site)["run.html"]


def test_every_question_method_and_equation_is_there(site):
    found = pages(site)
    for question in QUESTIONS:
        assert question.asked.rstrip(":") in found["findings.html"]
    for spec in METHODS.values():
        assert f'<h2 id="{spec.name}">' in found["methods.html"]
    assert found["equations.html"].count('<th scope="row">') == len(EQUATIONS)
    for name in re.findall(r'href="source/([\w/.]+)\.html#L(\d+)"', found["equations.html"]):
        line = (PROJECT_ROOT / name[0]).read_text(encoding="utf-8").splitlines()[int(name[1]) - 1]
        assert line.startswith(("def ", "class ")), name


def test_the_first_page_says_which_data_the_results_come_from(site):
    text = pages(site)["index.html"]
    for title in ("SynthCrime", "SynthViolence", "profile", "UCF-Crime"):
        assert title in text
    for button in ("notebooks.html", "run.html", "lessons.html"):
        assert f'<a class="button" href="{button}">' in text
    assert '<a href="why.html">' in text


def test_nothing_of_this_machine_is_in_a_page(site):
    # one's own home may be in the output of a notebook only if it was committed there; the builder adds nothing
    for name, text in ours(site).items():
        assert str(site) not in text and str(PROJECT_ROOT) + "/" not in text, name


def test_strict_fails_on_a_picture_without_words_and_leaves_the_earlier_site(built, tmp_path):
    if not built.undescribed:
        pytest.skip("every picture of the executed notebooks has alternative text")
    (tmp_path / INDEX).write_text("earlier", encoding="utf-8")
    with pytest.raises(DataError, match=r"alternative text.*\.ipynb, cell"):
        build(tmp_path, strict=True)
    assert (tmp_path / INDEX).read_text(encoding="utf-8") == "earlier"


def test_a_folder_of_other_files_is_refused(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="other files"):
        build(tmp_path)
    assert main(["--out", str(tmp_path)]) == 1 and "other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_parts_that_are_not_there_are_named(built):
    there = any((PROJECT_ROOT / "results/explorer").glob("*.json"))
    assert any("explorer" in part for part in built.left_out) != there
    assert (built.folder / "explorer.html").is_file() == there


def test_the_room_needs_no_notebook_server():
    assert "jupyterlab" not in sys.modules
