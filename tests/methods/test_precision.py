"""bf16 and torch.compile: settings of a run that change its speed and its last digits, and nothing else."""

import numpy as np
import pytest
import torch

from vad_lib import config
from vad_lib.config import TrainSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.data.prompts import text_features
from vad_lib.errors import ConfigError, TrainingError
from vad_lib.losses import LossTerm
from vad_lib.runs import record
from vad_lib.runs import trainer as runs_trainer
from vad_lib.runs.learner import BagLearner, check_compiler, learner_maker
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_arrays, read_json

TRAIN = TrainSettings(steps=30, eval_every=10, batch_size=8, num_segments=8, lr=2e-3, checkpoint_every=4, validation_fraction=0.3)
BF16 = TRAIN.replace(precision="bf16")


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


@pytest.fixture
def run(dataset, tmp_path):
    """Trains in a folder of its own name and returns it."""
    text = text_features("random", dataset.categories, seed=1)

    def trained(name: str, train: TrainSettings, method: str = "proposed"):
        settings = config.RunSettings(variant=method, method=method, title=method, width=32, train=train)
        runs_trainer.train_run(settings, dataset, text if method == "proposed" else None, tmp_path / name, progress=False)
        return tmp_path / name

    return trained


@pytest.fixture
def traced(monkeypatch):
    """``torch.compile`` without its slow last stage, in which a C++ compiler builds the kernels."""
    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: whole(function, backend="aot_eager"))
    yield
    torch._dynamo.reset()


def auc(folder) -> float:
    return read_json(folder / "metrics.json")["selections"]["last"]["metrics"]["auc"]


def score_change(one, other) -> float:
    return float(np.abs(read_arrays(one / "scores.npz")["score_last"] - read_arrays(other / "scores.npz")["score_last"]).max())


def test_the_defaults_are_float32_without_compilation():
    assert (TrainSettings().precision, TrainSettings().compile) == ("float32", False)
    with pytest.raises(ConfigError, match="precision"):
        TrainSettings(precision="float16")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ur-dmu", pytest.param("msf-dmu", marks=pytest.mark.release), "proposed"])
def test_bf16_finds_the_planted_spans_too(run, method):
    whole, half = run("float32", TRAIN, method), run("bf16", BF16, method)
    assert min(auc(whole), auc(half)) > 0.75
    assert score_change(whole, half) > 0  # it was really another precision
    weights = read_json(half / "config.json")["train"]
    assert (weights["precision"], weights["compile"]) == ("bf16", False)


def test_weights_and_losses_stay_float32(dataset, tmp_path):
    settings = config.RunSettings(variant="m", method="msf-dmu", title="m", width=32, train=BF16)
    learner = learner_maker(settings)(settings, dataset, dataset.videos.split("train"))
    seen, loss = {}, learner.model.loss

    def spy(output, batch):
        terms = loss(output, batch)
        seen.update(terms=terms, output=output)
        return terms

    encoded, encode = [], learner.model.encode
    learner.model.encode = lambda features: encoded.append(encode(features)) or encoded[-1]
    learner.model.loss = spy
    learner.step(0)
    assert any(field.dtype == torch.bfloat16 for field in encoded[0])
    assert all(field.dtype == torch.float32 for field in seen["output"])
    assert all(term.value.dtype == torch.float32 for term in seen["terms"].values())
    assert all(parameter.dtype == parameter.grad.dtype == torch.float32 for parameter in learner.model.parameters())


def test_a_nan_is_named_in_bf16_too(dataset, tmp_path):
    settings = config.RunSettings(variant="m", method="msf-dmu", title="m", width=32, train=BF16)
    trainer = runs_trainer.Trainer(settings, dataset, learner_maker(settings), tmp_path, "key")
    trainer.learner.model.loss = lambda output, batch: {"main": LossTerm(output.logits.sum() * float("nan"))}
    with pytest.raises(TrainingError, match=r"step 1: loss/main is nan"):
        trainer.run()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "compile"),
    [("proposed", False), ("sultani-mil", True), pytest.param("proposed", True, marks=pytest.mark.release)],
)
def test_a_stopped_run_resumes_to_the_same_weights(run, traced, monkeypatch, method, compile):
    train = BF16.replace(compile=compile, steps=12, eval_every=5)
    whole, calls, original = run("whole", train, method), [0], BagLearner.step

    def stopping(self, index):
        calls[0] += 1
        if calls[0] == 7:
            raise KeyboardInterrupt
        return original(self, index)

    monkeypatch.setattr(BagLearner, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        run("cut", train, method)
    calls[0] = 100
    cut = run("cut", train, method)
    assert calls[0] == 108  # from the checkpoint after step 4
    for name in ("weights.safetensors", "metrics.json", "log.csv"):
        assert file_sha256(cut / name) == file_sha256(whole / name), name


def test_precision_and_compilation_are_part_of_the_key(dataset):
    def key(**changes):
        settings = config.RunSettings(variant="u", method="ur-dmu", title="u", train=TRAIN.replace(**changes))
        return record.run_key(settings, dataset, None)

    assert len({key(), key(precision="bf16"), key(compile=True)}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sultani-mil", pytest.param("ur-dmu", marks=pytest.mark.release)])
def test_a_compiled_run_gives_the_scores_of_an_eager_one(run, method):
    train = TRAIN.replace(steps=6, eval_every=3)
    try:
        compiled = run("compiled", train.replace(compile=True), method)
    except ConfigError as error:
        pytest.skip(f"no compiler here: {error}")
    assert score_change(run("eager", train, method), compiled) < 1e-3


def test_a_missing_compiler_is_named(monkeypatch):
    def compiled(function):
        raise RuntimeError("InvalidCxxCompiler: no-such-compiler")  # what torch raises is one

    monkeypatch.setattr(torch, "compile", compiled)
    with pytest.raises(ConfigError, match=r"a compiler that torch\.compile can use on cpu.*no-such-compiler.*set compile to False"):
        check_compiler(torch.device("cpu"))
