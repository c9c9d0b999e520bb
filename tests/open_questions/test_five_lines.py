"""The README's five lines: each difference is one of the findings, and what was not run says so."""

import re

import numpy as np
import pytest
from small_grid import FEW

from vad_lib.data.dataset import load_dataset
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.open_questions import findings
from vad_lib.open_questions.five_lines import LINES, five_lines
from vad_lib.open_questions.questions import QUESTIONS
from vad_lib.report.rendered_and_real import FootageSet
from vad_lib.runner.manifest import read_manifest
from vad_lib.runs.experiments import VARIANTS
from vad_lib.storage.paths import Layout


def comparison(mean, half):
    return Comparison("auc", mean, 0.01, mean - half, mean + half, 0.95, "", (1, 2, 3), tuple(np.full(3, mean)), 40)


STREET = FootageSet("Street", "real", {("msf-dmu", "proposed", "auc"): comparison(-0.03, 0.01)})
CAMPUS = FootageSet(
    "Campus",
    "real",
    {("msf-dmu", "proposed", "auc"): comparison(0.02, 0.01), ("logistic-regression", "proposed", "auc"): comparison(0.01, 0.03)},
    "frames of one day in both halves",
    "no texts",
)


@pytest.fixture
def crime():
    return load_dataset(Layout.reference().dataset("synth-crime"), features=False)


@pytest.fixture
def lines(made_up, crime):
    for row, auc in (("logistic-regression", 0.6), ("msf-dmu", 0.9), ("proposed", 0.9)):
        for seed in (1, 2):
            made_up.write("synth-crime", row, seed, auc=auc)
    answers = findings.answered(made_up.layout, [crime], FEW)
    return five_lines(answers, made_up.layout, [crime], [STREET, CAMPUS]).splitlines()


def test_five_lines_with_an_answer_or_not_run(lines):
    assert lines[0] == "| question | SynthCrime (rendered), AUC points | real footage, AUC points | notebook |"
    inherited, _, *others, empty, note = lines[2:]
    assert re.search(r"\| (better|worse|cannot tell): [+-]\d", inherited)
    assert "| Street: not run<br>Campus: cannot tell: +1.0 ± 3.0 [-2.0, +4.0] |" in inherited
    assert [each.count("| not run | not run |") for each in others] == [1, 1, 1] and not empty
    assert "SynthCrime: 2 seeds, " in note and "Street: 3 seeds, 40 test videos" in note


def test_a_set_without_text_is_left_out_where_language_is_asked_about(lines):
    language = lines[3]
    assert "Street: worse: -3.0 [-4.0, -2.0] |" in language and "Campus" not in language
    assert lines[-1].count("Campus: frames of one day in both halves.") == 1
    assert "Not asked about language, because their category has no text: Campus." in lines[-1]


def test_each_line_is_a_comparison_that_there_can_be_and_a_notebook_of_the_chain():
    names = {question.name: question for question in findings.QUESTIONS}
    assert len(names) == len(findings.QUESTIONS)
    answers = {*(row.title for row in VARIANTS.values()), *(a for q in QUESTIONS.values() for a in q.answers)}
    notebooks = read_manifest(Layout.create("smoke").manifest).entries
    for line in LINES:
        question, comparison_name = line.finding
        assert question in names and comparison_name in answers and line.notebook in notebooks
        assert names[question].where[0].startswith(line.notebook)
