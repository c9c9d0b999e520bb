"""Export, quantisation, pruning, distillation and streams, on small methods."""

import copy
import json
import shutil
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from vad_lib import config, registry
from vad_lib.config import TrainSettings
from vad_lib.data.batches import Batch
from vad_lib.data.dataset import load_dataset
from vad_lib.data.prompts import text_features
from vad_lib.deployment import distillation, onnx_export, pruning, streaming
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.evaluation import scoring
from vad_lib.methods.msf_dmu import MSFDMU, MSFDMUSettings
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings
from vad_lib.model import Proposed, ProposedSettings
from vad_lib.runs import trained_model, trainer
from vad_lib.storage.reading import read_json

TRAIN = TrainSettings(steps=6, eval_every=3, batch_size=4, num_segments=8, lr=2e-3, validation_fraction=0.3)


def stirred(method):
    """The method with all its parameters moved, so that nothing is zero, equal or closed."""
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return method.eval()


def make(name: str, dimension: int = 16, **options):
    sizes = {"feature_dim": dimension, "width": 32} | options
    if name == "ur-dmu":
        return stirred(URDMU(URDMUSettings(**sizes)))
    if name == "msf-dmu":
        return stirred(MSFDMU(MSFDMUSettings(**sizes)))
    return stirred(Proposed(ProposedSettings(**sizes), torch.randn(3, 6)))


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


@pytest.fixture(scope="module")
def text(dataset):
    return text_features("random", dataset.categories, seed=1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The proposed model and its file."""
    torch.manual_seed(0)
    method = make("proposed")
    path = tmp_path_factory.mktemp("onnx") / "proposed.onnx"
    return method, onnx_export.export_onnx(method, path, about={"categories": ["Normal", "Fighting", "Arson"]})


@pytest.fixture(scope="module")
def teacher_run(tmp_path_factory, dataset, text):
    settings = config.RunSettings(variant="proposed", method="proposed", title="Proposed", width=128, train=TRAIN)
    folder = tmp_path_factory.mktemp("runs") / "proposed" / "seed1"
    trainer.train_run(settings, dataset, text, folder, progress=False)
    return folder


# --- ONNX -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 65, 257, 600])
def test_file_scores_as_the_method(exported, length):
    method, path = exported
    scorer, features = onnx_export.OnnxScorer(path), torch.randn(2, 3, length, 16)
    with torch.inference_mode():
        expected, found = method.scores(method(features)), scorer.scores(scorer(features))
    assert list(found) == ["score", "visual", "semantic", "alignment"]
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_file_goes_through_the_usual_scoring(exported, dataset):
    method, path = exported
    records = dataset.videos.split("test")
    expected, found = (scoring.snippet_scores(m, dataset, records) for m in (method, onnx_export.OnnxScorer(path)))
    assert list(found) == list(expected)
    for name in expected:
        for key in expected[name]:
            np.testing.assert_allclose(found[name][key], expected[name][key], atol=1e-5)


@pytest.mark.slow
def test_file_needs_nothing_of_the_library(exported):
    _, path = exported
    assert [file.name for file in path.parent.iterdir()] == ["proposed.onnx"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    kept = session.get_modelmeta().custom_metadata_map
    assert json.loads(kept["about"])["categories"][1] == "Fighting"
    assert session.run(["score"], {"features": np.zeros((1, 4, 16), np.float32)})[0].shape == (1, 4)


@pytest.mark.slow
def test_scorer_knows_temperature_width_and_what_was_kept(exported):
    method, path = exported
    scorer = onnx_export.OnnxScorer(path)
    assert scorer.temperature.item() == pytest.approx(method.temperature.item())
    assert scorer.feature_dim == 16 and scorer.about["categories"][0] == "Normal"
    with pytest.raises(DataError, match="width 16, got 5"):
        scorer(torch.zeros(1, 1, 4, 5))
    with pytest.raises(ConfigError, match="cannot be trained"):
        scorer.loss(None, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ur-dmu", {}),
        ("msf-dmu", {"context": "causal", "lookback": 20}),
        pytest.param("msf-dmu", {"position": "raw"}, marks=pytest.mark.release),
        pytest.param("proposed", {"context": "causal"}, marks=pytest.mark.release),
        pytest.param("proposed", {"modulation": "off", "semantic_score": "sum"}, marks=pytest.mark.release),
    ],
)
def test_other_methods_and_options_can_be_exported(tmp_path, name, options):
    method = make(name, **options)
    scorer, features = onnx_export.OnnxScorer(onnx_export.export_onnx(method, tmp_path / "m.onnx")), torch.randn(1, 2, 400, 16)
    with torch.inference_mode():
        expected = method.scores(method(features))
    for key, value in scorer.scores(scorer(features)).items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-5)
    assert hasattr(scorer, "temperature") == (name == "proposed")


def test_export_leaves_the_method_as_it_was(tmp_path, monkeypatch):
    def refuse(module, *_, **__):
        assert not module.training and module.method is not method
        raise torch.onnx.OnnxExporterError("it is refused.")

    method = make("ur-dmu").train()
    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(ConfigError, match=r"URDMU: expected a method .*, but it is refused\."):
        onnx_export.export_onnx(method, tmp_path / "m.onnx")
    assert method.training and not list(tmp_path.iterdir())


class Fickle(URDMU):
    """Its scores depend on the numbers in a way that no graph can follow."""

    def encode(self, features):
        return super().encode(features * 2 if float(features.sum()) > 0 else features)


def test_method_that_cannot_be_exported(tmp_path):
    method = Fickle(URDMUSettings(feature_dim=16, width=32))
    with pytest.raises(ConfigError, match=r"Fickle: expected a method that torch\.export can follow"):
        onnx_export.export_onnx(method, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_file_that_scores_otherwise_does_not_take_its_place(tmp_path, exported, monkeypatch):
    method, path = exported
    target = tmp_path / "m.onnx"
    target.write_bytes(b"the earlier one")
    # the file of a method with other weights
    program = SimpleNamespace(model=SimpleNamespace(metadata_props={}), save=lambda to, **_: shutil.copy(path, to))
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: program)
    with pytest.raises(ConfigError, match=r"score of 1 sequences of 1 snippets differs by 0\.\d+ between"):
        onnx_export.export_onnx(stirred(copy.deepcopy(method)), target)
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"] and target.read_bytes() == b"the earlier one"


def test_wrong_files(tmp_path):
    with pytest.raises(MissingFileError, match="found none"):
        onnx_export.OnnxScorer(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x01broken")
    with pytest.raises(DataError, match="export the method again"):
        onnx_export.OnnxScorer(tmp_path / "broken.onnx")
    numbers = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "other", numbers[:1], numbers[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(DataError, match="got another one"):
        onnx_export.OnnxScorer(tmp_path / "other.onnx")


@pytest.mark.slow
def test_int8_is_small_and_near(tmp_path, exported):
    method, path = exported
    small = onnx_export.quantise(path, tmp_path / "int8.onnx")
    assert small.stat().st_size < 0.7 * path.stat().st_size
    scorer, features = onnx_export.OnnxScorer(small), torch.randn(4, 2, 50, 16)
    with torch.inference_mode():
        expected, found = method.scores(method(features))["score"], scorer.scores(scorer(features))["score"]
    assert 0 < (found - expected).abs().max() < 0.05
    assert scorer.about == onnx_export.OnnxScorer(path).about and scorer.temperature.item() > 0
    with pytest.raises(MissingFileError):
        onnx_export.quantise(tmp_path / "none.onnx", tmp_path / "x.onnx")


# --- pruning --------------------------------------------------------------------------------------------


def test_pruning_takes_the_smallest_weights_of_all_layers():
    method = make("proposed")
    small = pruning.pruned(method, 0.6)
    layers = [name for name, layer in method.named_modules() if isinstance(layer, nn.Linear | nn.Conv1d)]
    before, after = (torch.cat([m.get_submodule(name).weight.flatten() for name in layers]) for m in (method, small))
    assert (after == 0).float().mean().item() == pytest.approx(0.6, abs=1e-4)
    assert before[after == 0].abs().max() <= before[after != 0].abs().min()
    assert torch.equal(after[after != 0], before[after != 0])
    assert set(small.state_dict()) == set(method.state_dict()) and not small.training
    untouched = set(method.state_dict()) - {f"{name}.weight" for name in layers}
    assert all(torch.equal(small.state_dict()[name], method.state_dict()[name]) for name in untouched)


def test_pruned_method_scores_as_any_other(dataset):
    method, records = make("proposed"), dataset.videos.split("test")[:2]
    features = torch.randn(1, 1, 9, 16)
    assert torch.equal(pruning.pruned(method, 0.0)(features).fused_scores, method(features).fused_scores)
    assert list(scoring.snippet_scores(pruning.pruned(method, 0.5), dataset, records)) == [record.name for record in records]
    for share in (-0.1, 1.0):
        with pytest.raises(ConfigError, match="share of weights"):
            pruning.pruned(method, share)


# --- distillation ---------------------------------------------------------------------------------------


def batch(crops: int = 2) -> Batch:
    targets = torch.eye(3)[[0, 0, 1, 2]]
    mask = torch.arange(12) < torch.tensor([12, 7, 12, 9])[:, None]
    return Batch(torch.randn(4, crops, 12, 16), mask, torch.tensor([0.0, 0.0, 1.0, 1.0]), targets, tuple("abcd"))


def test_student_terms_by_hand():
    teacher = make("proposed")
    student = distillation.Student(
        teacher.settings, teacher.text_features, teacher, distillation.DistilSettings(alignment_weight=0.25)
    ).eval()
    data = batch()
    output = student(data.features, data.mask)
    terms = student.loss(output, data)
    assert set(terms) - set(Proposed.loss(student, output, data)) == {"distil_score", "distil_alignment"}
    assert (terms["distil_score"].weight, terms["distil_alignment"].weight) == (1.0, 0.25)
    wanted, scores, categories = teacher(data.features, data.mask), [], []
    for video in range(4):
        for crop in range(2):
            for t in range(int(data.mask[video].sum())):
                p, q = wanted.fused_scores[video, crop, t], output.fused_scores[video, crop, t]
                scores.append(p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log())
                of_teacher = (wanted.alignment[video, crop, t] / teacher.temperature).softmax(dim=0)
                of_student = (output.alignment[video, crop, t] / student.temperature).softmax(dim=0)
                categories.append((of_teacher * (of_teacher / of_student).log()).sum())
    torch.testing.assert_close(terms["distil_score"].value, torch.stack(scores).mean(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(terms["distil_alignment"].value, torch.stack(categories).mean(), rtol=1e-4, atol=1e-6)


def test_student_that_equals_its_teacher_has_nothing_to_learn():
    teacher = make("proposed")
    student = distillation.Student(teacher.settings, teacher.text_features, teacher, distillation.DistilSettings())
    student.load_state_dict(teacher.state_dict())
    data = batch()
    terms = student.eval().loss(student(data.features, data.mask), data)
    assert terms["distil_score"].value.item() == pytest.approx(0, abs=1e-6)
    assert terms["distil_alignment"].value.item() == pytest.approx(0, abs=1e-6)


def test_teacher_is_no_part_of_the_student():
    teacher = make("proposed")
    student = distillation.Student(teacher.settings, teacher.text_features, teacher, distillation.DistilSettings()).train()
    assert list(student.state_dict()) == list(teacher.state_dict())
    data = batch()
    sum(term.value for term in student.loss(student(data.features, data.mask), data).values()).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not teacher.training and student.project.weight.grad is not None


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_student_is_the_widest_that_fits(share):
    teacher = Proposed(ProposedSettings(feature_dim=16, width=256), torch.randn(3, 6))
    settings = distillation.student_settings(teacher, distillation.DistilSettings(share=share))
    counts = [
        pruning.parameter_count(Proposed(settings.replace(width=width), teacher.text_features))
        for width in (settings.width, settings.width + 8)
    ]
    assert counts[0] <= share * pruning.parameter_count(teacher) < counts[1]
    assert settings == teacher.settings.replace(width=settings.width)


def test_student_that_cannot_be_small_enough():
    teacher = make("proposed")
    with pytest.raises(ConfigError, match=r"10% of the teacher's\), but one of width 16 has"):
        distillation.student_settings(teacher, distillation.DistilSettings())
    with pytest.raises(ConfigError, match="one of width 24 has"):
        distillation.student_settings(teacher, distillation.DistilSettings(width=24))


@pytest.mark.slow
def test_distilled_run_is_a_run_like_any_other(tmp_path, dataset, text, teacher_run):
    folder = tmp_path / "proposed-student" / "seed1"
    assert distillation.distil(teacher_run, dataset, text, folder, progress=False)
    assert not distillation.distil(teacher_run, dataset, text, folder, progress=False)
    assert {path.name for path in folder.iterdir()} == {path.name for path in teacher_run.iterdir()}
    config, of_teacher = (read_json(place / "config.json") for place in (folder, teacher_run))
    assert config["origin"]["teacher"] == of_teacher["key"] and of_teacher["origin"] == {}
    assert config["parameters"] <= 0.1 * of_teacher["parameters"]
    assert config["train"] == of_teacher["train"]
    log = (folder / "log.csv").read_text().splitlines()[0].split(",")
    assert {"loss/distil_score", "weight/distil_alignment", "loss/main"} <= set(log)
    student, _ = trained_model.load_model(folder)
    assert type(student) is Proposed
    scores = scoring.snippet_scores(student, dataset, dataset.videos.split("test"))
    kept = np.load(folder / "scores.npz")["score"]
    np.testing.assert_allclose(np.concatenate([value["score"] for value in scores.values()]), kept, atol=1e-6)
    # other weights are another run
    assert distillation.distil(teacher_run, dataset, text, folder, distillation.DistilSettings(score_weight=0.5), progress=False)


@pytest.mark.slow
def test_a_student_comes_near_its_teacher(dataset, text, teacher_run, tmp_path):
    """With the teacher's terms the student's scores are nearer to the teacher's than without."""
    teacher, _ = trained_model.load_model(teacher_run)
    records, distances = dataset.videos.split("test"), []
    wanted = scoring.snippet_scores(teacher, dataset, records)
    for number, weight in enumerate((0.0, 30.0)):
        taught = distillation.DistilSettings(score_weight=weight, alignment_weight=0.0)
        distillation.distil(teacher_run, dataset, text, tmp_path / str(number), taught, progress=False)
        found = scoring.snippet_scores(trained_model.load_model(tmp_path / str(number))[0], dataset, records)
        distances.append(np.mean([np.abs(found[name]["score"] - wanted[name]["score"]).mean() for name in wanted]))
    assert distances[1] < distances[0]


def test_wrong_teachers(tmp_path, dataset, text, teacher_run):
    other = text_features("random", dataset.categories, seed=2)
    with pytest.raises(DataError, match="other features or text features"):
        distillation.distil(teacher_run, dataset, other, tmp_path / "a", progress=False)
    folder = tmp_path / "ur-dmu"
    settings = config.RunSettings(variant="ur-dmu", method="ur-dmu", title="UR-DMU", width=32, train=TRAIN)
    trainer.train_run(settings, dataset, None, folder, progress=False)
    with pytest.raises(ConfigError, match="got one of ur-dmu"):
        distillation.distil(folder, dataset, text, tmp_path / "a", progress=False)
    with pytest.raises(MissingFileError):
        distillation.distil(tmp_path / "none", dataset, text, tmp_path / "a", progress=False)


# --- streams --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["msf-dmu", "proposed"])
@pytest.mark.parametrize("lookback", [1, 30, 200])
def test_stream_is_the_whole_video(name, lookback):
    method, features = make(name, context="causal", lookback=lookback), torch.randn(500, 2, 16)
    with torch.inference_mode():
        whole = method.scores(method(features.transpose(0, 1)[None]))
    stream = streaming.StreamingScorer(method)
    pushed = [stream.push(features[t : t + 1]) for t in range(500)]
    for key, expected in whole.items():
        found = np.concatenate([scores[key] for scores in pushed])
        np.testing.assert_allclose(found, expected[0].numpy(), rtol=0, atol=1e-5)


def test_stream_in_pieces_of_any_length_and_again():
    method, features = make("proposed", context="causal", lookback=40), torch.randn(350, 1, 16)
    stream, runs = streaming.StreamingScorer(method), []
    for pieces in ([1] * 350, [300, 50], [7, 1, 342]):
        runs.append(np.concatenate([stream.push(piece)["score"] for piece in features.split(pieces)]))
        stream.reset()
    for other in runs[1:]:
        np.testing.assert_allclose(other, runs[0], rtol=0, atol=1e-5)


def test_memory_of_a_stream_is_constant():
    stream = streaming.StreamingScorer(make("proposed", context="causal", lookback=30))
    sizes = []
    for _ in range(100):
        stream.push(torch.randn(1, 1, 16))
        sizes.append(stream.state_bytes)
    assert sizes[0] < sizes[20] < sizes[40] and len(set(sizes[40:])) == 1


def test_streams_share_a_method_without_mixing():
    method, features = make("proposed", context="causal"), torch.randn(2, 30, 1, 16)
    alone = []
    for video in range(2):
        stream = streaming.StreamingScorer(method)
        alone.append([stream.push(features[video, t : t + 1])["score"].item() for t in range(30)])
    streams = [streaming.StreamingScorer(method) for _ in range(2)]
    for t in range(30):
        for video in range(2):
            assert streams[video].push(features[video, t : t + 1])["score"].item() == alone[video][t]
    # and offline the method has no past
    assert method(features[:1].transpose(1, 2)).fused_scores[0, 0, 0].item() == pytest.approx(alone[0][0], abs=1e-6)


def test_wrong_pushes_leave_the_stream_as_it_was():
    method, features = make("msf-dmu", context="causal"), torch.randn(6, 2, 16)
    stream, other = streaming.StreamingScorer(method), streaming.StreamingScorer(method)
    for scorer in (stream, other):
        scorer.push(features[:3])
    for wrong in (features[3:4, :1], features[0], features[:0]):
        with pytest.raises(DataError, match="expected features of shape"):
            stream.push(wrong)
    with pytest.raises(DataError, match="width 16, got 4"):
        stream.push(features[3:4, :, :4])
    with pytest.raises(DataError, match="NaN"):
        stream.push(torch.full((1, 2, 16), torch.nan))
    assert np.array_equal(stream.push(features[3:])["score"], other.push(features[3:])["score"])


def test_only_causal_methods_score_streams():
    assert {"msf-dmu", "proposed"} <= set(registry.ON_BAGS)
    for name in ("ur-dmu", "msf-dmu", "proposed"):
        with pytest.raises(ConfigError, match="context='causal'"):
            streaming.StreamingScorer(make(name))
