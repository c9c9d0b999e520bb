"""Generated parts of pages: the short table of the README, findings, the page of all results, markers."""

import re

import matplotlib.pyplot as plt
import pytest
from made_up_results import table2

from vad_lib.errors import DataError, MissingFileError
from vad_lib.report import pages
from vad_lib.report.figures import style
from vad_lib.report.tables import ablation, cost
from vad_lib.report.tables.table import write_table
from vad_lib.runs import experiments
from vad_lib.storage.paths import PROJECT_ROOT


def test_readme_gets_the_short_table_between_its_markers(made_up, tmp_path):
    for seed, auc in ((1, 0.80), (2, 0.84)):
        made_up.write("synth-crime", "proposed", seed, auc=auc)
    page = tmp_path / "README.md"
    page.write_text("# Title\n<!-- results:begin -->\nstale words\n<!-- results:end -->\nrest\n")
    pages.update_readme(page, made_up.layout)
    once = page.read_text()
    assert once.startswith(
        "# Title\n<!-- results:begin -->\n| method | SynthCrime (rendered), AUC % | SynthViolence (rendered), AP % |"
    )
    assert once.endswith("<!-- results:end -->\nrest\n") and "stale" not in once
    row = next(line for line in once.splitlines() if line.startswith("| Proposed |"))
    assert re.fullmatch(r"\| Proposed \| 82\.00 ± 2\.83 \[\d+\.\d\d, \d+\.\d\d\] \| not run \|", row)
    assert sum(line.startswith("| ") for line in once.splitlines()) == 2 + len(experiments.TABLE_ROWS["table2"])
    assert once.count("*Supervised, for comparison* learned from true frame labels of test videos") == 1
    pages.update_readme(page, made_up.layout)
    assert page.read_text() == once


def test_the_results_page_has_all_tables_and_findings_with_relative_links(made_up):
    with pytest.raises(MissingFileError, match=r"expected tables, found none; make them first with `make reproduce`"):
        pages.write_results_page(made_up.layout)
    made_up.write("synth-crime", "proposed")
    for table in (cost.cost_table(made_up.layout, "synth-crime"), table2(made_up.layout), ablation.table4(made_up.layout)):
        write_table(made_up.layout, table)
    page = pages.write_results_page(made_up.layout)
    assert page == made_up.layout.results / "README.md"
    text = page.read_text()
    places = [text.index(words) for words in ("*not run*", "**Table 2.", "**Table 4.", "**What the methods cost")]
    assert places == sorted(places) and table2(made_up.layout).markdown().strip() in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) == 3 and all((page.parent / link).is_file() for link in links)


def test_findings_are_the_answers_of_notebook_06(made_up):
    answers = (
        "data,question,answer,cell\n"
        "SynthCrime (rendered videos),Does Proposed beat + PCL + DBAGF?,cannot tell: +1.00,cell-12\n"
        "other,Else?,no,cell-14\n"
    )
    made_up.layout.tables.mkdir(parents=True)
    (made_up.layout.tables / "open_questions.csv").write_text(answers)
    text = pages.findings_markdown(made_up.layout)
    assert "- **SynthCrime. Does Proposed beat + PCL + DBAGF?** cannot tell: +1.00 ([cell-12](" in text and "Else?" not in text


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "<!-- x:begin -->",
        "<!-- x:end --> <!-- x:begin -->",
        2 * "<!-- x:begin --><!-- x:end -->",
    ],
)
def test_a_page_without_its_two_markers(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(DataError, match=r"expected <!-- x:begin --> once"):
        pages.update_section(page, "x", "new")
    assert page.read_text() == text


def test_images_of_a_page_get_the_words_of_their_files(tmp_path):
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    style.describe(figure, "A line [from 1] to 2.")
    for name, text in (("told", {style.TEXT_KEY: style.described(figure)}), ("mute", {})):
        figure.savefig(tmp_path / f"{name}.png", metadata=text)
    plt.close(figure)
    page = tmp_path / "page.md"
    page.write_text("![old](told.png) ![kept](mute.png) ![gone](none.png)\n<!-- x:begin --><!-- x:end -->")
    pages.update_section(page, "x", "![new](told.png)")
    told = "![A line (from 1) to 2.](told.png)"
    assert page.read_text().split("\n")[0] == f"{told} ![kept](mute.png) ![gone](none.png)" and page.read_text().count(told) == 2


def test_a_page_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match="found no such file"):
        pages.update_section(tmp_path / "page.md", "x", "new")


def test_deviations_are_numbered_without_gaps():
    text = (PROJECT_ROOT / "results" / "deviations.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"(?m)^(\d+)\. ", text)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 20
