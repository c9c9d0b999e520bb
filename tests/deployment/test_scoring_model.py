"""Models from run folders, exported files and the library itself score features alike."""

import sys

import numpy as np
import pytest
import torch

from vad_lib.config import RunSettings, TrainSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.data.prompts import text_features
from vad_lib.deployment import scoring_model, shipped
from vad_lib.deployment.scoring_model import ScoringModel, open_model
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.evaluation import scoring
from vad_lib.methods.base import Method
from vad_lib.runs import trainer
from vad_lib.runs.trained_model import load_model
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

TRAIN = TrainSettings(steps=2, eval_every=2, batch_size=4, num_segments=8, lr=2e-3, validation_fraction=0.3)
WIDTH = 16  # of the planted features
ARRAYS = {"causal": ["score", "visual", "semantic", "alignment"], "whole": ["score"]}


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory):
    """Run folders: ``causal``, a proposed model without look-ahead, and ``whole``, an MSF-DMU."""
    folder, text = tmp_path_factory.mktemp("runs"), text_features("random", dataset.categories)
    for name, method, options in (("causal", "proposed", {"context": "causal", "lookback": 7}), ("whole", "msf-dmu", {})):
        settings = RunSettings(variant=name, method=method, title=f"A {name} one", options=options, width=16, train=TRAIN)
        trainer.train_run(settings, dataset, text if method == "proposed" else None, folder / name, progress=False)
    return folder


@pytest.fixture
def features():
    """Of one video: 50 snippets, 2 crops."""
    return np.random.default_rng(1).normal(size=(50, 2, WIDTH)).astype(np.float16)


def equal_arrays(found, expected, tolerance=1e-5):
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=tolerance)


# --- run folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["causal", "whole"])
def test_a_run_scores_videos_as_the_evaluation_does(runs, dataset, name):
    model, records = open_model(runs / name), dataset.videos.split("test")[:3]
    expected = scoring.snippet_scores(load_model(runs / name)[0], dataset, records)
    for record in records:
        found = model.scores(np.moveaxis(dataset.store.snippets(record.name), 0, 1))
        assert list(found) == ARRAYS[name]
        equal_arrays(found, expected[record.name])


@pytest.mark.parametrize("name", ["causal", "whole"])
def test_a_run_says_what_it_is(runs, dataset, name):
    model = open_model(str(runs / name))
    assert (model.title, model.categories) == (f"A {name} one", ("Normal", "Fighting", "Arson"))
    assert model.contract == dataset.store.contract
    assert model.causal == (name == "causal")
    assert (model.temperature is not None) == (name == "causal")
    assert model.threshold is None


@pytest.mark.parametrize("name", ["causal", "whole"])
def test_videos_of_any_length(runs, name):
    model, rng = open_model(runs / name), np.random.default_rng(0)
    for length in (1, 2, 3, 40):
        found = model.scores(rng.normal(size=(length, 1, WIDTH)))
        assert all(len(array) == length and np.isfinite(array).all() for array in found.values())
        assert ((found["score"] >= 0) & (found["score"] <= 1)).all()


def test_a_causal_model_scores_a_long_video_in_pieces(runs, features, monkeypatch):
    model = open_model(runs / "causal")
    expected, seen = model.scores(features), []
    monkeypatch.setattr(scoring_model, "TOKENS", 14)
    encode = model._method.encode
    monkeypatch.setattr(model._method, "encode", lambda given: seen.append(given.shape[:2].numel()) or encode(given))
    equal_arrays(model.scores(features), expected)
    assert max(seen) == 14 and sum(seen) == features.shape[0] * features.shape[1]


def test_a_long_video_goes_crop_by_crop(runs, features, monkeypatch):
    model = open_model(runs / "whole")
    expected, seen = model.scores(features), []
    monkeypatch.setattr(scoring_model, "TOKENS", 50)
    encode = model._method.encode
    monkeypatch.setattr(model._method, "encode", lambda given: seen.append(tuple(given.shape[:2])) or encode(given))
    equal_arrays(model.scores(features), expected)
    assert seen == [(1, 50), (1, 50)]


def test_scores_leave_no_trace(runs, features):
    model = open_model(runs / "causal")
    first = model.scores(features)
    model.scores(features[::-1])
    equal_arrays(model.scores(features), first, tolerance=0)


# --- streams -------------------------------------------------------------------------------------------


def test_a_stream_scores_what_the_whole_video_scores(runs, features):
    model = open_model(runs / "causal")
    stream, expected = model.stream(), model.scores(features)
    pushed = [stream.push(features[t : t + 1]) for t in range(len(features))]
    equal_arrays({name: np.concatenate([part[name] for part in pushed]) for name in expected}, expected)
    size = stream.state_bytes
    stream.push(features[:1])
    assert stream.state_bytes == size > 0
    stream.reset()
    equal_arrays(stream.push(features), expected)


def test_streams_and_scores_of_one_model_do_not_mix(runs, features):
    model = open_model(runs / "causal")
    stream, other, expected = model.stream(), model.stream(), model.scores(features)
    found = []
    for t in range(10):
        found.append(stream.push(features[t : t + 1])["score"])
        other.push(-features[t : t + 1])
        model.scores(features[:3])
    np.testing.assert_allclose(np.concatenate(found), expected["score"][:10], atol=1e-5)


def test_a_model_that_looks_ahead_has_no_stream(runs):
    with pytest.raises(ConfigError, match="context='causal'"):
        open_model(runs / "whole").stream()


def test_a_wrong_push_leaves_the_stream_as_it_was(runs, features):
    model = open_model(runs / "causal")
    stream = model.stream()
    stream.push(features[:5])
    for wrong in (features[5], features[5:6, :1], np.full_like(features[:1], np.nan)):
        with pytest.raises(DataError):
            stream.push(wrong)
    np.testing.assert_allclose(stream.push(features[5:])["score"], model.scores(features)["score"][5:], atol=1e-5)


# --- exported files ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["causal", "whole"])
def test_an_exported_file_scores_as_its_run(runs, features, tmp_path, name):
    pytest.importorskip("onnxruntime")
    from vad_lib.deployment.onnx_export import export_onnx

    method, config = load_model(runs / name, fast_cpu=False)
    path = export_onnx(method, tmp_path / "model.onnx", about=config)
    model, run = open_model(path), open_model(runs / name)
    assert (model.title, model.categories, model.contract) == (run.title, run.categories, run.contract)
    assert model.temperature == pytest.approx(run.temperature) and not model.causal
    equal_arrays(model.scores(features), run.scores(features), tolerance=1e-4)
    with pytest.raises(ConfigError, match="Exported files score whole videos only"):
        model.stream()


@pytest.mark.slow
def test_an_exported_file_without_settings(runs, tmp_path):
    pytest.importorskip("onnxruntime")
    from vad_lib.deployment.onnx_export import export_onnx

    path = export_onnx(load_model(runs / "whole", fast_cpu=False)[0], tmp_path / "bare.onnx")
    with pytest.raises(DataError, match=r"bare\.onnx.*title.*'about'"):
        open_model(path)


def test_an_exported_file_without_onnxruntime(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "vad_lib.deployment.onnx_export", raising=False)
    with pytest.raises(ConfigError, match=r"model\.onnx.*onnxruntime.*vad_lib\[deploy\]"):
        open_model(tmp_path / "model.onnx")


# --- what cannot be opened or scored -------------------------------------------------------------------


@pytest.mark.parametrize("source", ["figths", "no/such/run", "fights.safetensors"])
def test_an_unknown_model_lists_those_that_there_are(source):
    with pytest.raises(MissingFileError) as error:
        open_model(source)
    assert source in str(error.value) and all(name in str(error.value) for name in shipped.names())


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(MissingFileError, match="folder of a finished run"):
        open_model(tmp_path)


def test_a_name_is_the_shipped_model_and_a_path_the_folder(runs, tmp_path, monkeypatch):
    (tmp_path / "fights").symlink_to(runs / "whole")
    monkeypatch.chdir(tmp_path)
    assert open_model("fights").source == "fights"
    assert open_model("./fights").title == "A whole one"


def test_settings_of_another_model(runs, tmp_path):
    folder = tmp_path / "seed1"
    folder.symlink_to(runs / "whole")
    method, config = load_model(runs / "whole")
    for broken in ({**config, "features": {**config["features"], "dimension": 7}}, {"title": "none"}, {**config, "features": None}):
        with pytest.raises(DataError, match="here"):
            ScoringModel(method, broken, "here")
    write_json(tmp_path / "own" / "config.json", {**read_json(folder / "config.json"), "width": 24})
    for name in ("metrics.json", "weights.safetensors"):
        (tmp_path / "own" / name).symlink_to(folder / name)
    with pytest.raises(DataError, match="one run"):
        open_model(tmp_path / "own")


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, 1, WIDTH), np.float32),
        np.zeros((3, 0, WIDTH), np.float32),
        np.zeros((3, 1, WIDTH + 1), np.float32),
        np.zeros((3, WIDTH), np.float32),
        np.zeros((3, 1, WIDTH), np.int64),
        np.full((3, 1, WIDTH), np.inf, np.float32),
    ],
)
@pytest.mark.parametrize("name", ["causal", "whole"])
def test_wrong_features_are_refused(runs, name, wrong):
    with pytest.raises(DataError):
        open_model(runs / name).scores(wrong)


def test_a_device_that_is_not_there(runs):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="device 'cuda'"):
        open_model(runs / "whole", device="cuda")


def test_models_are_in_evaluation_mode(runs):
    for source in (runs / "causal", runs / "whole", *shipped.names()):
        method = open_model(source)._method
        assert isinstance(method, Method) and not any(module.training for module in method.modules())
