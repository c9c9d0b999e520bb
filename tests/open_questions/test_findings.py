"""The README's findings: what they are computed of, and how they read."""

import re
import shutil

import numpy as np
import pytest
from small_grid import FEW

from vad_lib.data.dataset import load_dataset
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.open_questions import answers, findings, questions
from vad_lib.storage.paths import PROJECT_ROOT, Layout


def comparison(mean, half, seeds=(1, 2)):
    values = tuple(np.full(len(seeds), mean))
    return Comparison("auc", mean, 0.01, mean - half, mean + half, 0.95, "", seeds, values, 40)


def test_one_answer_stands_alone_and_several_have_names():
    assert findings.answer_text({"Proposed": comparison(0.031, 0.01)}) == "better: +3.1 [+2.1, +4.1]"
    several = {"a": comparison(-0.031, 0.01), "b": comparison(0.001, 0.01)}
    assert findings.answer_text(several) == "a: worse: -3.1 [-4.1, -2.1]<br>b: cannot tell: +0.1 ± 1.0 [-0.9, +1.1]"


def test_another_word_and_another_number_of_seeds():
    found = {"a": comparison(0.031, 0.01), "b": comparison(0.001, 0.01, (1, 2, 3))}
    assert findings.answer_text(found, "adds", 3) == "a: adds: +3.1 [+2.1, +4.1]; 2 seeds<br>b: adds: +0.1 [-0.9, +1.1]"


def test_many_comparisons_are_counted_after_the_first():
    found = {"all": comparison(0.031, 0.01), "a": comparison(0.001, 0.01), "b": comparison(-0.03, 0.01), "c": comparison(0, 0)}
    said = "3 parts: 1 worse, 1 cannot tell (± 1.0 in the median), 1 the same"
    assert findings.answer_text(found, counted="parts") == f"all: better: +3.1 [+2.1, +4.1]<br>{said}"


def test_grouped_comparisons_stand_under_their_words():
    found = {"a": comparison(0.031, 0.01), "b": comparison(0.001, 0.01), "c": comparison(0.02, 0.01, (1,))}
    assert findings.answer_text(found, grouped=True) == "better: a +3.1 ± 1.0, c +2.0 ± 1.0, one seed<br>cannot tell: b +0.1 ± 1.0"


@pytest.fixture
def table(made_up):
    rows = ("logistic-regression", "msf-dmu", "pcl", "pcl-dbagf", "fine", "fine-align", "proposed")
    for row in rows:
        for seed in (1, 2):
            made_up.write("synth-crime", row, seed, auc=0.6 if row == "logistic-regression" else 0.9)
    reference = Layout.reference()
    datasets = [load_dataset(reference.dataset("synth-crime"), features=False)]  # its title and categories; runs are made up
    answers = findings.answered(made_up.layout, datasets, FEW)
    return findings.findings_table(answers, made_up.layout, datasets, "results/x/executed", FEW)


def test_every_question_has_a_row_and_what_was_not_run_says_so(table):
    lines = table.splitlines()
    assert lines[0] == "| question | SynthCrime (rendered), AUC points |"
    rows = {question.asked: line for question, line in zip(findings.QUESTIONS, lines[2:])}
    for question, line in rows.items():
        assert line.startswith(f"| {question} | ")
    assert rows[findings.QUESTIONS[0].asked].count("[computed here]") == 1
    ladder = rows["Which part helps, each against the row above it?"]
    assert (
        ladder.count("<br>") == 6 and "Proposed against + fine + align: " in ladder and "Proposed against + PCL + DBAGF: " in ladder
    )
    language = rows["Does the language matter? In place of sentences about the categories:"]
    assert language.endswith("| not run |") and "computed here" not in language
    assert lines[-5].endswith(" test videos, 2 seeds where an answer names no other number.")
    assert lines[-3].startswith(
        "The paper's own gain over MSF-DMU, on other data, beside our intervals. SynthCrime: +1.12 points on"
    )
    assert lines[-1].startswith("Steps of Tables 4 and 5, each by itself at 95 %")
    assert "half-width of 1.5 points or less: SynthCrime: " in lines[-1]
    assert re.search(r"of 6; the widest has [\d.]+, and would have [\d.]+ with 4 seeds, [\d.]+ with \d+ test videos\.$", lines[-1])


def test_links_name_cells_that_there_are(table):
    links = re.findall(r"\(results/x/executed/([\w-]+)\.ipynb#cell-id=([\w-]+)\)", table)
    assert links
    for notebook, cell in links:
        text = (PROJECT_ROOT / "notebooks" / f"{notebook.removesuffix('-synth-crime')}.ipynb").read_text(encoding="utf-8")
        assert f'"id": "{cell}"' in text


def test_other_readings_stand_below_the_table_with_a_link(place, dataset):
    answers = findings.answered(place, [dataset], FEW)
    lines = findings.findings_table(answers, place, [dataset], "results/x/executed", FEW).splitlines()
    (said,) = [line for line in lines if line.startswith("Other readings of the paper against MSF-DMU")]
    assert "of 5 readings, better: " in said and "06_beyond_the_paper.ipynb#cell-id=cell-20-readings" in said


def test_rows_without_a_common_seed_are_left_out_of_an_answer(made_up):
    made_up.write("synth-crime", "msf-dmu", 1)
    made_up.write("synth-crime", "proposed", 2)
    dataset = load_dataset(Layout.reference().dataset("synth-crime"), features=False)
    assert findings.answered(made_up.layout, [dataset], FEW)["language", "synth-crime"] == {}


def test_an_answer_is_compared_with_runs_of_one_size(made_up):
    """Seed 2 of the base was trained at another width, as after a stopped retraining: it is no base of the answer's seed 2."""
    dataset = load_dataset(Layout.reference().dataset("synth-crime"), features=False)
    place = made_up.layout.results.joinpath(*questions.answer_place("synth-crime", "modulation", "off"))
    for seed in (1, 2):
        folder = made_up.write("synth-crime", "proposed", seed)
        shutil.copytree(folder, place / f"seed{seed}")
    made_up.change(folder, width=32)
    found = answers.answer_runs(made_up.layout, dataset, "modulation")
    assert {name: [run.seed for run in runs] for name, runs in found.items()} == {questions.BASE: [1], "off": [1, 2]}
