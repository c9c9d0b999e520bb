"""Figures of training: every term, the gate, the selections."""

import numpy as np
import pandas as pd
import pytest
from figure_words import texts

from vad_lib.errors import DataError
from vad_lib.report.figures import style, training_curves
from vad_lib.runs import finished_runs
from vad_lib.runs.run_folder import RunInFolder


def test_training_curves_have_every_term_with_its_weight(made_up):
    log = RunInFolder(made_up.write("synth-crime", "proposed")).log()
    log["weight/con"] = np.linspace(0.05, 0.2, len(log))
    fig, points = training_curves.training_curves(log, "Loss terms")
    titles = {axes.get_title() for axes in fig.axes if axes.get_visible()}
    assert {
        "weighted sum",
        "main x 1\nthe video's label",
        "align x 0.1\nsegments, eq. 12",
        "memory terms x 0.1\neach class in its memory",
        "con x 0.05 to 0.2\nbranches agree, eq. 13",
        "evaluations",
    } <= titles
    memories = [column for column in log.columns if column.startswith("loss/") and column.endswith("memory")]
    assert len(memories) == 4  # in one panel
    assert len(titles) == 3 + sum(column.startswith("loss/") for column in log.columns) - len(memories)
    kl = points[points["series"] == "loss/kl"]
    assert np.array_equal(kl["value"], log["loss/kl"]) and np.array_equal(kl["step"], log["step"])
    assert points[points["series"] == "validation/auc"]["step"].tolist() == [10, 20, 30, 40, 50, 60]
    drawn = next(axes for axes in fig.axes if axes.get_title().startswith("kl x 0.001")).lines[0]
    assert np.array_equal(drawn.get_ydata(), log["loss/kl"])


def test_gate_path_has_one_line_per_run(made_up):
    logs = {name: RunInFolder(made_up.write(name, "proposed")).log() for name in ("synth-crime", "synth-violence")}
    fig, points = training_curves.gate_path(logs, "Gate")
    assert set(points["run"]) == set(logs) and len(points) == 12
    assert "w, share of the\nvisual score" in texts(fig)
    with pytest.raises(DataError, match="UR-DMU: the log has no monitor/w"):
        training_curves.gate_path({"UR-DMU": RunInFolder(made_up.write("synth-crime", "ur-dmu")).log()}, "Gate")


def test_selection_dots_are_the_metrics_of_the_runs(made_up):
    for seed, auc in ((1, 0.8), (2, 0.9)):
        made_up.write("synth-crime", "proposed", seed=seed, auc=auc)
    made_up.write("synth-crime", "ur-dmu", auc=0.7)
    fig, points = training_curves.selection_dots(
        finished_runs.load_runs(made_up.layout, "synth-crime", ["ur-dmu", "proposed"]), "auc", "Rules"
    )
    last = points[points["selection"] == "last"]
    assert list(last["row"]) == ["UR-DMU", "Proposed", "Proposed"]
    assert np.allclose(last["value"], [0.68, 0.78, 0.88])
    drawn = {line.get_label(): line.get_xdata() for line in fig.axes[0].lines}
    assert np.allclose(drawn["chosen on validation"], [70, 80, 90])
    ends = {tuple(line.get_xdata().round(6)) for line in fig.axes[0].lines if line.get_label().startswith("_")}
    assert ends == {
        tuple(100 * seed["value"].round(8)) for _, seed in points.groupby(["row", "seed"])
    }  # in the order of the legend


def test_selections_of_one_step_share_a_line():
    log = made_up_log(1)
    fig, points = training_curves.selected_steps(log, {"last": 20, "best_on_validation": 10, "best_on_test": 20}, "auc", "Which?")
    marked = {line.get_label(): line.get_xdata()[0] for line in fig.axes[0].lines if line.get_label().startswith("step")}
    assert marked == {"step 10: chosen on validation": 10, "step 20: last step, best on test": 20}
    assert points[points["series"] == "test/auc"]["value"].tolist() == [0.9] * 4
    text = style.described(fig)
    assert "chosen on validation: step 10" in text and "AUC 90 to 90" in text and "2 different steps" in texts(fig)


def made_up_log(seed, gradients=True):
    steps = np.arange(1, 21)
    rng = np.random.default_rng(seed)
    log = pd.DataFrame({"step": steps, "loss/main": np.exp(-steps / 5), "loss/kl": steps / 10})
    evaluated = steps % 5 == 0
    log["validation/bce"] = np.where(evaluated, 0.7 + rng.uniform(0, 0.1, 20), np.nan)
    log["validation/auc"] = np.where(evaluated, 0.8, np.nan)
    log["test/auc"] = np.where(evaluated, 0.9, np.nan)
    if gradients:
        log["gradient/main"] = np.where(evaluated, 2.0, np.nan)
        log["gradient/kl"] = np.where(evaluated, 0.1, np.nan)
        log["gradient/gate_logit"] = rng.normal(size=20)
    return log


def test_seeds_stand_side_by_side_and_the_marked_one_has_a_name():
    logs = {"seed 1": made_up_log(1), "seed 2": made_up_log(2)}
    fig, points = training_curves.seeds_together(logs, "Seeds", ["seed 2"])
    assert set(points["run"]) == set(logs)
    assert set(points["series"]) == {"loss/main", "validation/bce", "validation/auc", "test/auc"}
    assert "seed 2" in texts(fig) and "seed 1" not in texts(fig)


def test_gradient_norms_are_those_of_terms_and_not_of_scalars():
    _, points = training_curves.gradient_norms({"seed 1": made_up_log(1)}, "Gradients")
    assert points.groupby("series")["value"].mean().to_dict() == pytest.approx({"gradient/kl": 0.1, "gradient/main": 2.0})
    dying = made_up_log(1)
    dying.loc[dying.index[-1], "gradient/kl"] = 0
    fig, points = training_curves.gradient_norms({"seed 1": dying}, "Gradients")
    assert points["value"].min() == 0 and all(line.get_ydata()[~np.isnan(line.get_ydata())].min() > 0 for line in fig.axes[0].lines)
    assert "kl (zeros left out)" in texts(fig) and "main" in texts(fig)
    with pytest.raises(DataError, match="log_gradients"):
        training_curves.gradient_norms({"seed 1": made_up_log(1, gradients=False)}, "Gradients")


def test_the_seed_whose_score_depends_most_on_the_place_is_marked():
    logs = {f"seed {seed}": made_up_log(seed).assign(**{"loss/triplet": 1.0}) for seed in (1, 2)}
    over_time = {"seed 1": np.array([0.3, 0.3, 0.2, 0.3]), "seed 2": np.array([0.1, 0.6, 0.1, 0.1])}
    fig, points = training_curves.failed_seeds(logs, over_time, "MSF-DMU")
    assert "seed 2" in texts(fig) and "seed 1" not in texts(fig)
    assert set(points["series"]) == {"loss/main", "loss/triplet", "score over time"}
    drawn = points[(points["series"] == "score over time") & (points["run"] == "seed 2")]
    assert drawn["step"].tolist() == [0.125, 0.375, 0.625, 0.875] and drawn["value"].tolist() == [0.1, 0.6, 0.1, 0.1]
