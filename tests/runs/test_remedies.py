"""Options of the training that the paper does not have: each does what its name says, and a stopped run goes on with it."""

import pytest
import torch

from vad_lib import config
from vad_lib.config import TrainSettings
from vad_lib.data.dataset import load_dataset, validation_split
from vad_lib.data.prompts import text_features
from vad_lib.runs.learner import learner_maker
from vad_lib.runs.trainer import Trainer

TRAIN = TrainSettings(steps=8, eval_every=4, batch_size=4, num_segments=8, lr=2e-3, validation_fraction=0.3)


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


def settings(method="proposed", **changes):
    return config.RunSettings(variant=method, method=method, title=method, width=32, train=TRAIN.replace(**changes))


def learner(dataset, method="proposed", **changes):
    run = settings(method, **changes)
    fit, _ = validation_split(dataset, run.train.validation_fraction, run.train.seed)
    torch.manual_seed(0)
    return learner_maker(run, text_features("random", dataset.categories, seed=1))(run, dataset, fit)


def weights(made):
    return {name: value.clone() for name, value in made.model.state_dict().items()}


def test_averaged_weights_are_the_running_mean(dataset):
    made, decay = learner(dataset, averaging=0.75), 0.75
    made.step(0)
    mean = weights(made)  # the first step is where the mean starts
    for index in range(1, 4):
        made.step(index)
        now = weights(made)
        mean = {n: decay * v + (1 - decay) * now[n] if v.is_floating_point() else now[n] for n, v in mean.items()}
    scored = made.weights()
    assert set(scored) == set(mean)
    for name, value in mean.items():
        torch.testing.assert_close(scored[name], value, rtol=1e-5, atol=1e-6)
    assert not torch.equal(scored["gate_logit"], made.model.state_dict()["gate_logit"])


def test_without_averaging_the_present_weights_are_scored(dataset):
    made = learner(dataset)
    made.step(0)
    assert made.scored is made.model


def test_averaged_weights_are_scored_by_a_method_of_their_own_where_it_is_compiled(dataset, monkeypatch):
    monkeypatch.setattr("vad_lib.runs.learner.check_compiler", lambda device: None)
    monkeypatch.setattr(torch, "compile", lambda function: lambda *given: function(*given))
    made = learner(dataset, averaging=0.75, compile=True)
    for index in range(3):
        made.step(index)
    records = dataset.videos.split("test")[:2]
    of_mean = [value["score"].tolist() for value in made.snippet_scores(records).values()]
    made.load_weights(made.model.state_dict())  # now the present ones
    assert of_mean != [value["score"].tolist() for value in made.snippet_scores(records).values()]


def test_scalars_have_a_rate_of_their_own(dataset):
    start, moved = {}, {}
    for rate in (1.0, 10.0):
        made = learner(dataset, scalar_rate=rate)
        start[rate] = made.model.gate_logit.item()
        made.step(0)
        moved[rate] = made.model.gate_logit.item() - start[rate]
        groups = made.optimiser.param_groups
        assert sum(len(group["params"]) for group in groups) == sum(p.requires_grad for p in made.model.parameters())
    # Adam's first step is as long as its rate
    assert moved[10.0] == pytest.approx(10 * moved[1.0], rel=1e-3)


def test_the_rate_rises_in_the_warm_up_and_is_whole_afterwards(dataset):
    plain, warm = learner(dataset, averaging=0.0), learner(dataset, warmup=4)
    before = plain.model.gate_logit.item()
    plain.step(0)
    first = warm.step(0)
    moved = [made.model.gate_logit.item() - before for made in (plain, warm)]
    assert moved[1] == pytest.approx(moved[0] / 4, rel=1e-3)
    assert [group["lr"] for group in warm.optimiser.param_groups] == [TRAIN.lr] * len(warm.optimiser.param_groups)
    # and the log says the rate of each step
    assert [row["lr"] / TRAIN.lr for row in (first, *map(warm.step, range(1, 4)))] == pytest.approx([0.25, 0.5, 0.75, 1], rel=1e-2)


@pytest.mark.parametrize("method", ["ur-dmu", "msf-dmu", "proposed"])
def test_late_terms_rise_to_their_weights_and_the_others_have_theirs_from_the_start(dataset, method):
    plain, late = learner(dataset, method), learner(dataset, method, late_warmup=4)
    whole = {name: value for name, value in plain.step(0).items() if name.startswith("weight/")}
    rows = [late.step(index) for index in range(6)]
    assert [row["weight/triplet"] / whole["weight/triplet"] for row in rows] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])
    assert {n: v for n, v in rows[0].items() if n in whole and n != "weight/triplet"} == {
        n: v for n, v in whole.items() if n != "weight/triplet"
    }
    assert rows[0]["loss"] == pytest.approx(sum(rows[0][f"loss/{n[7:]}"] * rows[0][n] for n in whole), rel=1e-4)


def test_clipped_gradients_have_the_norm_that_was_asked_for(dataset):
    made = learner(dataset, clip_norm=0.01)
    row = made.step(0)
    norm = torch.stack([p.grad.norm() for p in made.model.parameters() if p.grad is not None]).norm()
    assert row["gradient/all"] > 0.01
    assert norm.item() == pytest.approx(0.01, rel=1e-3)


def test_dropped_channels_are_zero_in_the_whole_video(dataset, monkeypatch):
    made, seen = learner(dataset, feature_dropout=0.5), []
    forward = type(made.model).forward

    def watch(model, features, mask=None):
        seen.append(features)
        return forward(model, features, mask)

    monkeypatch.setattr(type(made.model), "forward", watch)
    made.step(0)
    gone = (seen[0] == 0).all(dim=2)  # (B, N, D)
    assert 0.4 < gone.float().mean() < 0.6
    assert not torch.equal(gone[0], gone[1])


def test_every_term_has_a_gradient_norm_at_evaluations(dataset):
    made = learner(dataset, log_gradients=True)
    rows = [made.step(index) for index in range(4)]
    terms = {name.removeprefix("loss/") for name in rows[3] if name.startswith("loss/")}
    assert {f"gradient/{name}" for name in terms} <= set(rows[3])
    assert "gradient/main" not in rows[0]
    assert rows[3]["gradient/main"] > 0
    assert "gradient/gate_logit" in rows[0]  # scalars in every step


@pytest.mark.parametrize(("choose_by", "chosen"), [("auc", 4), ("bce", 8)])
def test_the_step_is_chosen_by_what_was_asked_for(dataset, tmp_path, monkeypatch, choose_by, chosen):
    run = settings("ur-dmu", choose_by=choose_by)
    measured = iter([{"auc": 0.9, "bce": 0.8}, {"auc": 0.8, "bce": 0.4}])
    monkeypatch.setattr("vad_lib.runs.trainer.validation_metrics", lambda *_: next(measured))
    outcome = Trainer(run, dataset, learner_maker(run), tmp_path, "key").run()
    assert outcome.selections["best_on_validation"]["step"] == chosen


def test_no_step_is_chosen_before_its_time(dataset, tmp_path, monkeypatch):
    run = settings("ur-dmu", choose_after=0.75)
    measured = iter([{"auc": 0.9, "bce": 0.4}, {"auc": 0.8, "bce": 0.8}])
    monkeypatch.setattr("vad_lib.runs.trainer.validation_metrics", lambda *_: next(measured))
    outcome = Trainer(run, dataset, learner_maker(run), tmp_path, "key").run()
    assert outcome.selections["best_on_validation"]["step"] == 8


def test_a_stopped_run_goes_on_to_the_same_weights(dataset, tmp_path, monkeypatch):
    run = settings("ur-dmu", averaging=0.9, warmup=6, late_warmup=7, clip_norm=1.0, feature_dropout=0.2, checkpoint_every=3)
    whole = Trainer(run, dataset, learner_maker(run), tmp_path / "whole", "key").run()
    stopped = Trainer(run, dataset, learner_maker(run), tmp_path / "stopped", "key")
    step = stopped.learner.step

    def stop(index):
        if index == 5:
            raise KeyboardInterrupt
        return step(index)

    monkeypatch.setattr(stopped.learner, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = Trainer(run, dataset, learner_maker(run), tmp_path / "stopped", "key")
    resumed = again.run()
    assert {name: value.tolist() for name, value in resumed.weights.items()} == {
        name: value.tolist() for name, value in whole.weights.items()
    }
