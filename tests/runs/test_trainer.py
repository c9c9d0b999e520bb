"""Training: selections, resume, controls, failures. All on planted bags, no video."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch

from vad_lib import config, registry
from vad_lib.config import TrainSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureStore
from vad_lib.data.prompts import text_features
from vad_lib.errors import ConfigError, DataError, OutputError, TrainingError
from vad_lib.evaluation.scoring import snippet_scores
from vad_lib.losses import LossTerm
from vad_lib.runs import measure, run_folder, trained_model, trainer
from vad_lib.runs.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from vad_lib.runs.learner import BagLearner, learner_maker
from vad_lib.runs.many_runs import Training, train_each
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_arrays, read_json

TRAIN = TrainSettings(
    steps=12, eval_every=4, batch_size=4, num_segments=8, lr=2e-3, checkpoint_every=5, validation_fraction=0.3, plateau_patience=0
)


def settings(method="ur-dmu", variant="", train=TRAIN, **options):
    return config.RunSettings(variant=variant or method, method=method, title=method, width=32, train=train, options=options)


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


@pytest.fixture(scope="module")
def text(dataset):
    return text_features("random", dataset.categories, seed=1)


def run(tmp_path, dataset, text, method="ur-dmu", train=TRAIN, **options):
    folder, text = tmp_path / "seed", text if method in registry.METHODS and registry.METHODS[method].needs_text else None
    trained = trainer.train_run(settings(method, train=train, **options), dataset, text, folder, progress=False)
    return folder, trained


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name, spec in registry.METHODS.items() if not spec.pixels])
def test_run_folder_is_complete_and_not_repeated(tmp_path, dataset, text, method):
    folder, trained = run(tmp_path, dataset, text, method)
    assert trained
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json",
        "metrics.json",
        "log.csv",
        "scores.npz",
        "weights.safetensors",
        "provenance.json",
        "timing.json",
    }
    measured = read_json(folder / "metrics.json")
    assert set(measured["selections"]) == set(config.SELECTIONS)
    assert 0 <= measured["selections"]["last"]["metrics"]["auc"] <= 1
    scores = read_arrays(folder / "scores.npz")
    assert scores["score"].shape == (scores["num_snippets"].sum(),)
    assert scores["labels"].shape == (scores["num_frames"].sum(),)
    assert run(tmp_path, dataset, text, method)[1] is False
    # whatever the method, its weights score again as they did
    same, needed = settings(method), text if registry.METHODS[method].needs_text else None
    learner = learner_maker(same, needed)(same, dataset, ())
    learner.load_weights(run_folder.RunInFolder(folder).weights())
    again = learner.snippet_scores(dataset.videos.split("test"))
    assert np.array_equal(scores["score"], np.concatenate([value["score"] for value in again.values()]))


def test_fast_forms_are_a_setting_and_move_the_last_digits_only(tmp_path, dataset, text):
    fast, _ = run(tmp_path / "fast", dataset, text, "proposed", train=TRAIN.replace(steps=4))
    plain, _ = run(tmp_path / "plain", dataset, text, "proposed", train=TRAIN.replace(steps=4, fast_cpu=False))
    assert read_json(fast / "config.json")["key"] != read_json(plain / "config.json")["key"]
    models = [trained_model.load_model(fast, fast_cpu=fast_cpu)[0] for fast_cpu in (True, False)]
    kinds = [{type(module) for module in model.modules()} for model in models]
    assert kinds[0] != kinds[1]
    records = dataset.videos.split("test")
    scores = [np.concatenate([v["score"] for v in snippet_scores(model, dataset, records).values()]) for model in models]
    np.testing.assert_allclose(scores[0], scores[1], rtol=0, atol=1e-5)


def test_same_seed_same_bytes(tmp_path, dataset, text):
    first, _ = run(tmp_path / "a", dataset, text, "proposed")
    second, _ = run(tmp_path / "b", dataset, text, "proposed")
    for name in ("metrics.json", "log.csv", "config.json", "weights.safetensors"):
        assert file_sha256(first / name) == file_sha256(second / name), name
    other, _ = run(tmp_path / "c", dataset, text, "proposed", train=TRAIN.replace(seed=3))
    assert file_sha256(first / "weights.safetensors") != file_sha256(other / "weights.safetensors")


def test_every_loss_term_is_logged(tmp_path, dataset, text):
    folder, _ = run(tmp_path, dataset, text, "proposed")
    header = (folder / "log.csv").read_text().splitlines()[0].split(",")
    assert {"step", "lr", "loss", "monitor/w", "validation/auc", "test/auc"} <= set(header)
    terms = [name for name in header if name.startswith("loss/")]
    assert len(terms) >= 4
    assert {name.replace("loss/", "weight/") for name in terms} <= set(header)


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [1, 6, 11])
def test_stopped_run_resumes_to_the_same_weights(tmp_path, dataset, text, stop_after, monkeypatch):
    whole, _ = run(tmp_path / "whole", dataset, text, "proposed")
    calls = 0
    original = BagLearner.step

    def interrupting(self, index):
        nonlocal calls
        calls += 1
        if calls == stop_after:
            os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C in the middle of a step
        return original(self, index)

    monkeypatch.setattr(BagLearner, "step", interrupting)
    with pytest.raises(KeyboardInterrupt, match=f"stopped after step {stop_after}"):
        run(tmp_path / "cut", dataset, text, "proposed")
    assert not (tmp_path / "cut" / "seed").exists()
    monkeypatch.setattr(BagLearner, "step", original)
    cut, _ = run(tmp_path / "cut", dataset, text, "proposed")
    for name in ("weights.safetensors", "metrics.json", "log.csv"):
        assert file_sha256(cut / name) == file_sha256(whole / name), name


@pytest.mark.slow
def test_killed_run_resumes_to_the_same_weights(tmp_path, dataset, text, planted_folder):
    whole, _ = run(tmp_path / "whole", dataset, text)
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        import torch
        torch.set_num_threads(int(sys.argv[4]))
        from vad_lib.config import RunSettings
        from vad_lib.data.dataset import load_dataset
        from vad_lib.runs import trainer
        from vad_lib.runs.learner import BagLearner
        settings = RunSettings(**RunSettings.model_validate_json(sys.argv[3]).model_dump())
        original, calls = BagLearner.step, [0]
        def killing(self, index):
            calls[0] += 1
            if calls[0] == 8:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, index)
        BagLearner.step = killing
        trainer.train_run(settings, load_dataset(Path(sys.argv[1])), None, Path(sys.argv[2]), progress=False)
        """
    )
    target = tmp_path / "cut" / "seed"
    arguments = [str(planted_folder), str(target), settings().model_dump_json(), str(torch.get_num_threads())]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=240)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (target.with_name(".seed.partial") / CHECKPOINT).is_file()
    trainer.train_run(settings(), dataset, None, target, progress=False)
    assert file_sha256(target / "weights.safetensors") == file_sha256(whole / "weights.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimiser", "schedule"), [("adamw", "cosine"), ("adagrad", "constant"), ("sgd", "milestones"), ("adam", "plateau")]
)
def test_every_optimiser_and_schedule_resumes(tmp_path, dataset, text, optimiser, schedule, monkeypatch):
    train = TRAIN.replace(optimiser=optimiser, schedule=schedule)
    whole, _ = run(tmp_path / "whole", dataset, text, train=train)
    monkeypatch.setattr(trainer.Trainer, "_outcome", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", dataset, text, train=train)  # its last checkpoint is that of step 10
    monkeypatch.undo()
    cut, _ = run(tmp_path / "cut", dataset, text, train=train)
    for name in ("weights.safetensors", "metrics.json", "log.csv"):
        assert file_sha256(cut / name) == file_sha256(whole / name), name
    rates = pd.read_csv(whole / "log.csv")["lr"] / train.lr
    expected = {"constant": [1, 1], "cosine": [1, 0.017], "milestones": [1, 0.01], "plateau": [1, rates.iloc[-1]]}[schedule]
    np.testing.assert_allclose(rates.iloc[[0, -1]], expected, atol=2e-3)
    assert rates.is_monotonic_decreasing


def test_a_step_is_scored_on_the_test_videos_once(tmp_path, dataset, text, monkeypatch):
    calls, original = [], trainer.Trainer._test_scores

    def counted(self):
        calls.append(self.step)
        return original(self)

    monkeypatch.setattr(trainer.Trainer, "_test_scores", counted)
    folder, _ = run(tmp_path, dataset, text)
    assert calls == [4, 8, 12]
    # and the scores that were kept are those of the weights that were kept
    model, _ = trained_model.load_model(folder)
    again = snippet_scores(model, dataset, dataset.videos.split("test"))
    assert np.array_equal(read_arrays(folder / "scores.npz")["score"], np.concatenate([s["score"] for s in again.values()]))


def test_checkpoint_of_another_run_is_not_used(tmp_path, dataset, text, monkeypatch):
    monkeypatch.setattr(trainer.Trainer, "_outcome", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, dataset, text)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="it is of other settings, data or code"):
        folder, _ = run(tmp_path, dataset, text, train=TRAIN.replace(lr=1e-4))
    assert read_json(folder / "config.json")["train"]["lr"] == 1e-4
    fresh, _ = run(tmp_path / "fresh", dataset, text, train=TRAIN.replace(lr=1e-4))
    assert file_sha256(folder / "weights.safetensors") == file_sha256(fresh / "weights.safetensors")


def test_nan_loss_stops_with_step_term_and_videos(tmp_path, dataset, text, monkeypatch):
    kind = type(registry.build_method("ur-dmu", feature_dim=16, categories=dataset.categories, text=None, width=32, options={}))
    original = kind.loss
    steps = []

    def poisoned(self, output, batch):
        terms = original(self, output, batch)
        steps.append(batch.videos)
        if len(steps) == 3:
            terms["triplet"] = LossTerm(torch.tensor(float("nan")), 0.1)
        return terms

    monkeypatch.setattr(kind, "loss", poisoned)
    with pytest.raises(TrainingError, match="step 3: loss/triplet is nan") as caught:
        run(tmp_path, dataset, text)
    assert steps[2][0] in str(caught.value)
    assert not (tmp_path / "seed").exists()


@pytest.mark.parametrize("eval_every", [1, 4], ids=["in the evaluation", "in the next loss"])
@pytest.mark.parametrize("method", registry.ON_BAGS)
def test_weights_that_break_down_stop_the_run(tmp_path, dataset, text, method, eval_every):
    broken = TRAIN.replace(lr=1e30, warmup=0, eval_every=eval_every)
    where = "step 1: expected finite scores" if eval_every == 1 else r"step \d: \S+ is (nan|-?inf)"
    with pytest.raises(TrainingError, match=where):
        run(tmp_path, dataset, text, method, train=broken)


def test_saturated_validation_scores_have_a_cross_entropy(dataset):
    records = dataset.videos.split("train")[:4]
    scores = {record.name: np.full(150, float(dataset.videos.is_abnormal(record)), np.float32) for record in records}
    assert measure.validation_metrics(dataset, scores, records) == {"auc": 1.0, "bce": 0.0}


def test_a_finished_run_survives_a_failed_repetition(tmp_path, dataset, text, monkeypatch):
    folder, _ = run(tmp_path, dataset, text)
    before = file_sha256(folder / "metrics.json")

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder, "save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        run(tmp_path, dataset, text, train=TRAIN.replace(lr=1e-4))
    assert file_sha256(folder / "metrics.json") == before


@pytest.mark.slow
def test_planted_anomaly_is_found_and_permuted_labels_are_not(tmp_path, dataset, text):
    longer = TRAIN.replace(steps=120, eval_every=40, num_segments=12, batch_size=8)
    found, _ = run(tmp_path / "found", dataset, text, "proposed", train=longer)
    control, _ = run(tmp_path / "control", dataset, text, "proposed", train=longer.replace(permute_labels=True))
    aucs = [read_json(folder / "metrics.json")["selections"]["last"]["metrics"]["auc"] for folder in (found, control)]
    assert aucs[0] > 0.85
    assert aucs[1] < 0.75


# one without a memory, one with, one with text; the others take minutes
PERMUTED_HERE = ("sultani-mil", "ur-dmu", "pel4vad")


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [name if name in PERMUTED_HERE else pytest.param(name, marks=pytest.mark.release) for name in registry.ON_BAGS]
)
def test_permuted_labels_give_chance(tmp_path, dataset, text, method):
    """One permutation may point anywhere, so several are averaged; labels that leaked would lift them all."""
    short = TRAIN.replace(steps=40, eval_every=40, batch_size=8, lr=1e-3, permute_labels=True)
    folders = [run(tmp_path / str(seed), dataset, text, method, train=short.replace(seed=seed))[0] for seed in range(2022, 2028)]
    aucs = [read_json(folder / "metrics.json")["selections"]["last"]["metrics"]["auc"] for folder in folders]
    assert 0.25 < np.mean(aucs) < 0.7, aucs


@pytest.mark.parametrize("method", registry.ON_BAGS)
def test_a_float16_store_gives_the_scores_of_a_float32_one(tmp_path, dataset, text, method):
    folder = tmp_path / "planted"
    shutil.copytree(dataset.folder, folder, ignore=shutil.ignore_patterns("store"))
    rng = np.random.default_rng(0)
    full = {r.name: dataset.store.snippets(r.name).astype(np.float32) + rng.uniform(-1e-3, 1e-3) for r in dataset.videos.records}
    scores, kept = {}, {}
    for dtype in ("float16", "float32"):
        contract = dataset.store.contract.replace(dtype=dtype)
        FeatureStore.write(folder / "store", contract, ((name, values.astype(dtype)) for name, values in full.items()))
        stored = load_dataset(folder)
        needed = text if registry.METHODS[method].needs_text else None
        torch.manual_seed(0)
        model = registry.build_method(method, feature_dim=16, categories=stored.categories, text=needed, width=32, options={})
        found = snippet_scores(model.eval(), stored, stored.videos.split("test"))
        scores[dtype] = np.concatenate([found[name]["score"] for name in sorted(found)])
        kept[dtype] = np.concatenate([stored.store.snippets(name).ravel() for name in sorted(found)]).astype(np.float32)
    assert (kept["float16"] != kept["float32"]).mean() > 0.5
    assert np.abs(scores["float16"] - scores["float32"]).max() < 1e-2


def test_the_selection_decides_which_scores_are_kept(tmp_path, dataset, text):
    folder, _ = run(tmp_path, dataset, text, train=TRAIN.replace(selection="best_on_test"))
    scores = read_arrays(folder / "scores.npz")
    assert np.array_equal(scores["score"], scores["score_best_on_test"])
    selections = read_json(folder / "metrics.json")["selections"]
    assert selections["best_on_test"]["metrics"]["auc"] >= selections["last"]["metrics"]["auc"]


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there(tmp_path, dataset, text, device):
    with pytest.raises(ConfigError, match=f"device: expected one of cpu.*, got '{device}'"):
        run(tmp_path, dataset, text, train=TRAIN.replace(device=device))
    task = Training(settings(train=TRAIN.replace(device=device)), dataset, None, tmp_path / "seed")
    (outcome,) = train_each([task], 2, progress=False)
    assert type(outcome.error) is ConfigError


@pytest.mark.parametrize("content", [b"junk", b"", b"PK\x03\x04", pickle.dumps({"key": "other"})])
def test_a_damaged_checkpoint_is_dropped_aloud(tmp_path, content):
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{CHECKPOINT}: dropped, .*starts from its first step"):
        assert load_checkpoint(tmp_path, "key", torch.device("cpu")) is None


def test_the_checkpoint_of_another_run_is_dropped_aloud(tmp_path):
    save_checkpoint(tmp_path, "other", torch.device("cpu"), {})
    with pytest.warns(UserWarning, match="it is of other settings, data or code"):
        assert load_checkpoint(tmp_path, "key", torch.device("cpu")) is None


def test_a_checkpoint_that_cannot_be_read_is_not_lost(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, "key", torch.device("cpu"), {})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(PermissionError):
        load_checkpoint(tmp_path, "key", torch.device("cpu"))


def test_a_data_set_without_features_is_refused(tmp_path, dataset, text):
    with pytest.raises(DataError, match="a run needs features, and it was loaded with features=False"):
        run(tmp_path, load_dataset(dataset.folder, features=False), text)


def test_unknown_method_and_option_are_errors(tmp_path, dataset, text):
    with pytest.raises(ConfigError, match="unknown method 'rtfn'"):
        run(tmp_path, dataset, text, "rtfn")
    with pytest.raises(ConfigError, match="no_such_option"):
        run(tmp_path, dataset, text, "ur-dmu", no_such_option=1)
