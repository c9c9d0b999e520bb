"""What the grid found: compared at a shared level, in words that follow from intervals, in figures."""

import shutil
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from small_grid import ASKED, FEW, SEEDS, proposed_rows

from vad_lib.errors import DataError
from vad_lib.evaluation import alarms
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval
from vad_lib.open_questions import answers, categories, figures, grid, label_leaks, questions, wording
from vad_lib.runs.finished_runs import find_runs
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

pytestmark = pytest.mark.slow  # small runs are trained first


def answer_place(answer: str) -> tuple[str, ...]:
    return questions.answer_place("planted", "gate", answer)


def comparison(low: float, high: float, answer: str = "") -> Comparison:
    return Comparison("auc", (low + high) / 2, 0.01, low, high, 0.95, "", SEEDS, (low, high), 12, second=answer)


@pytest.mark.slow
def test_results_have_the_base_in_every_question(place, dataset):
    found = answers.grid_results(place, [dataset], (*ASKED, "alpha"))
    counts = found.groupby(["question", "answer"]).size()
    assert set(counts) == {2}
    assert counts["gate"].index.tolist().count(questions.BASE) == 1
    assert counts["alpha"].to_dict() == {questions.BASE: 2}
    assert found["best_on_test"].ge(found["last"]).all()
    base = found[(found["question"] == "gate") & (found["answer"] == questions.BASE)].iloc[0]
    measured = read_json(place.run("planted", "proposed", 1) / "metrics.json")["selections"]["last"]["metrics"]["auc"]
    assert base["last"] == measured


@pytest.mark.slow
def test_answers_are_compared_with_the_base_at_a_shared_level(place, dataset):
    found = answers.compare_answers(place, dataset, "gate", FEW)
    assert list(found) == list(questions.QUESTIONS["gate"].answers)
    one = found["fixed at 0.9"]
    assert one.level == pytest.approx(1 - 0.05 / 5)
    base, other = (
        scored_rows(find_runs(place, *questions.answer_place("planted", "gate", answer)))
        for answer in (questions.BASE, "fixed at 0.9")
    )
    assert one.mean == pytest.approx(np.mean([b.value("auc") - a.value("auc") for a, b in zip(base, other)]))
    assert answers.compare_answers(place, dataset, "alpha", FEW) == {}


def test_every_reading_is_compared_with_the_visual_branch_by_itself(place, dataset):
    found = answers.readings_against(place, dataset, bootstrap=FEW)
    assert list(found) == [("", questions.BASE), *(("gate", answer) for answer in questions.QUESTIONS["gate"].answers)]
    one = found["gate", "fixed at 0.9"]
    assert (one.level, one.first) == (FEW.level, "MSF-DMU (reconstruction)")
    rows = (scored_rows(find_runs(place, *where)) for where in (("runs", "planted", "msf-dmu"), answer_place("fixed at 0.9")))
    visual, other = rows
    assert one.mean == pytest.approx(np.mean([b.value("auc") - a.value("auc") for a, b in zip(visual, other)]))
    highest = answers.highest_answers(found)
    base, gate = highest
    assert base == questions.BASE and gate.startswith("gate: ")
    assert highest[gate].mean == max(c.mean for (question, _), c in found.items() if question)
    assert answers.readings_against(place, dataset, "ur-dmu", FEW) == {}


def test_where_a_learned_gate_ends(place, dataset):
    runs = answers.answer_runs(place, dataset, "gate")
    ends = [run.log()["monitor/w"].dropna().iloc[-1] for run in runs["starts at 0.9"]]
    assert [run.monitored()["w"] for run in runs["starts at 0.9"]] == ends
    said = wording.gate_sentence(runs).split("; ")
    assert [one.partition(":")[0] for one in said] == [questions.BASE, "starts at 0.9", "starts at 0.1"]
    assert said[1] == (
        f"starts at 0.9: w = {np.mean(ends):.2f} at the last step ({min(ends):.2f} to {max(ends):.2f} over {len(SEEDS)} seeds)"
    )
    assert wording.gate_sentence({}) == "not run"


def test_readings_in_words():
    base = {("", questions.BASE): comparison(0.1, 0.2)}
    said = wording.readings_sentence(base | {("gate", "a"): comparison(0.01, 0.03), ("text", "b"): comparison(-0.02, 0.01)})
    assert said.startswith("of 2 readings, better: 1, worse: 0, cannot tell: 1; the highest is gate, a: better: +2.00 points")
    assert wording.readings_sentence(base) == "not run"


def test_runs_of_other_steps_are_not_compared(place, dataset, tmp_path):
    layout = Layout.create("smoke", tmp_path, place.data)
    shutil.copytree(place.results, layout.results)
    path = grid.Task("planted", "gate", "starts at 0.9", 1).folder(layout) / "config.json"
    config = read_json(path)
    write_json(path, config | {"train": config["train"] | {"steps": 99}})
    assert len(answers.answer_runs(layout, dataset, "gate")["starts at 0.9"]) == 1
    shutil.rmtree(layout.run("planted", "proposed", 1).parent)
    assert answers.answer_runs(layout, dataset, "gate") == {}
    assert answers.compare_answers(layout, dataset, "gate") == {}


def test_words():
    found = {"a": comparison(0.01, 0.03), "b": comparison(-0.03, -0.01), "c": comparison(-0.01, 0.01), "d": comparison(0.01, 0.02)}
    assert wording.question_verdict(found) == (
        "better: a (+2.0, +1.0 to +3.0), d (+1.5, +1.0 to +2.0); worse: b (-2.0, -3.0 to -1.0); cannot tell: c (+0.0, -1.0 to +1.0)"
    )
    sentence = wording.comparison_sentence
    assert sentence(found["a"]) == "better: +2.00 points, ± 1.00 (95 % interval +1.00 to +3.00; 2 seeds, 12 test videos)"
    assert sentence(None) == "not run"
    alone = replace(found["a"], seeds=(1,), values=(0.02,))
    assert sentence(alone).endswith("; one seed: of these two models, not of their methods, 12 test videos)")
    chance = Interval("auc", 0.7, None, 0.6, 0.8, 0.95, "", (1,), (0.7,), 12)
    assert wording.chance_sentence(chance).startswith("is above chance (50.0 %): 70.0 % AUC")
    assert wording.chance_sentence(chance, 0.85).startswith("is below chance (85.0 %)")
    assert wording.chance_sentence(chance, 0.7).startswith("cannot be told from chance (70.0 %)")


def test_what_is_needed_in_sentences():
    columns = {"seeds": [7, 1300, 1300, None], "videos": [40, None, None, None]}
    columns = {"step": ["a", "b", "c", "d"], "difference": [0.02, 0.01, 0.011, 0.001], **columns}
    assert wording.needed_sentence(pd.DataFrame(columns)) == (
        "2.00 points (a): 7 seeds on these test videos, or 40 test videos with these seeds. "
        "1.00 points (b), 1.10 points (c): 1,300 seeds on these test videos; more test videos alone are never enough. "
        "0.10 points (d): more seeds alone are never enough, and more test videos alone are not either"
    )


def test_operating_points_of_every_seed(place):
    found = alarms.operating_points_of_runs(proposed_rows(place), 25.0)
    assert found[["seed", "rate"]].to_numpy().tolist() == [[1, 0.01], [1, 0.001], [2, 0.01], [2, 0.001]]
    assert found["calibration_error"].between(0, 1).all()


def test_controls_that_are_there(place, dataset):
    there = ["training labels permuted", "noise for features", "noise, by place", "noise, by video", "place only"]
    assert list(label_leaks.label_leak_intervals(place, dataset, FEW)) == there
    path = write_json(
        place.controls("planted"), {f"first_frame_{part}": v for part, v in (("auc", 0.5), ("low", 0.4), ("high", 0.6))}
    )
    found = label_leaks.label_leak_intervals(place, dataset, FEW)
    path.unlink()
    assert (found["first frame only"].mean, found["first frame only"].high) == (0.5, 0.6)
    assert "length and file size only" not in found


def test_figures_show_what_was_found(place, dataset):
    plt.switch_backend("Agg")
    results = answers.grid_results(place, [dataset], (*ASKED, "alpha"))
    compared = {question: answers.compare_answers(place, dataset, question, FEW) for question in ASKED}
    fig, points = figures.question_panels(results, compared, "Planted")
    assert set(points["question"]) == set(ASKED)
    assert len(points) == 2 * (6 + 2 + 3)
    assert set(points.loc[points["answer"] != questions.BASE, "verdict"]) <= {"better", "worse", "cannot tell"}
    assert sum(axes.get_visible() for axes in fig.axes) == 3
    with pytest.raises(DataError, match="make questions"):
        figures.question_panels(results[results["question"] == "alpha"], {}, "Planted")
    failed = results.copy()
    base = failed["answer"] == questions.BASE
    failed["best_on_validation"] = np.where(base, 0.9, np.where(failed["answer"] == "starts at 0.9", 0.22, 0.8))
    fig, _ = figures.question_panels(failed, compared, "Planted")
    assert fig.axes[0].get_xlim()[0] == pytest.approx(90 - 100 * figures.FARTHEST)
    assert [text.get_text() for axes in fig.axes for text in axes.texts] == ["22, 22"]
    shares = pd.DataFrame([[0.75, 0.25], [0.5, 0.5]], index=["Normal", "Arson"], columns=["Normal", "Arson"])
    _, points = figures.confusion_matrix(shares, "Planted")
    assert points.loc[(points["category"] == "Arson") & (points["named"] == "Normal"), "share"].tolist() == [0.5]
    found = categories.zero_shot_results(place, dataset, FEW)
    assert figures.unseen_categories(found, "Planted")[1] is found
    fig, points = figures.beside_chance(label_leaks.label_leak_intervals(place, dataset, FEW), "Planted")
    noise = {"noise for features", "noise, by place", "noise, by video"}
    assert set(points["row"]) == {"training labels permuted", *noise, "place only"}
    assert fig.axes[0].get_xlim()[0] <= 45
    plt.close("all")
