"""I3D by OpenVINO: the network of PyTorch, its features nearly, never in one store with them, and no silent way round."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vad_lib.config import FeatureSettings
from vad_lib.data import extraction, video_writing
from vad_lib.data.backbones import i3d_openvino
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.extraction_workers import load_backbone
from vad_lib.data.feature_store import FeatureStore
from vad_lib.deployment.footage_features import feature_recipe, recipe_key
from vad_lib.errors import ConfigError
from vad_lib.storage.hashing import content_hash

BY_TORCH = FeatureSettings(short_side=40, crop_size=32, num_crops=5, batch_size=3, weights="random", dtype="float32")
BY_OPENVINO = BY_TORCH.replace(engine="openvino-bf16")


@pytest.fixture(scope="module")
def network() -> I3D:
    return load_i3d("random")


@pytest.fixture(scope="module")
def core():
    return pytest.importorskip("openvino", reason="openvino is not installed (an extra of its own)").Core()


@pytest.fixture(scope="module")
def in_bf16(core, network) -> i3d_openvino.I3DOpenVINO:
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bf16")
    return i3d_openvino.I3DOpenVINO(network)


@pytest.fixture
def videos(tmp_path) -> Path:
    generator = np.random.default_rng(0)
    for name, count in (("a", 37), ("b", 16)):
        frames = [np.kron(generator.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(count)]
        video_writing.write_video(tmp_path / "videos" / f"{name}.mp4", frames, fps=25)
    return tmp_path / "videos"


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


# --- the network --------------------------------------------------------------------------------------
def test_in_float32_it_is_the_network_of_torch(core, network):
    compiled = core.compile_model(i3d_openvino.openvino_model(network), "CPU", i3d_openvino.compiling("f32"))
    for shape in ((2, 3, 16, 64, 64), (1, 3, 17, 45, 38)):  # the second one has odd sizes at every pooling
        features = compiled([noise(*shape).numpy()])[0]
        np.testing.assert_allclose(features, network(noise(*shape)).numpy(), rtol=1e-4, atol=1e-5)


def test_in_bf16_features_are_nearly_those_of_torch(in_bf16, network):
    snippets = noise(3, 3, 16, 64, 64)
    features, expected = in_bf16.to("cpu")(snippets), network(snippets)
    assert (features.shape, features.dtype) == ((3, 1024), torch.float32)
    assert torch.cosine_similarity(features, expected).min() > 0.999
    assert not torch.allclose(features, expected, rtol=1e-4)  # bf16 has 8 bits, not 24
    assert in_bf16.logits(snippets).shape == (3, 400)
    assert (in_bf16.weights_sha256, in_bf16.weights_note) == (network.weights_sha256, "random I3D weights")
    assert in_bf16._compiled.get_property("INFERENCE_NUM_THREADS") == torch.get_num_threads()


def test_threads_may_share_a_network(in_bf16):
    snippets = [noise(1, 3, 16, 32, 32) * scale for scale in (0.25, 0.5, 0.75, 1.0)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(in_bf16, snippets))
    assert all(torch.equal(features, in_bf16(each)) for features, each in zip(together, snippets))


# --- stores -------------------------------------------------------------------------------------------
def test_stores_of_the_two_engines_never_mix(in_bf16, videos, tmp_path):
    by_torch = extraction.extract_dataset(videos, ["a"], tmp_path / "store", BY_TORCH, progress=False).store
    kept = {"a": by_torch.snippets("a").copy()}
    report = extraction.extract_dataset(videos, ["a", "b"], tmp_path / "store", BY_OPENVINO, progress=False)
    assert (report.done, report.store.contract.backbone) == (("a", "b"), "i3d-kinetics400-openvino-bf16")
    pairs = zip(report.store.snippets("a").reshape(-1, 1024), kept["a"].reshape(-1, 1024))
    assert min(one @ other / np.linalg.norm(one) / np.linalg.norm(other) for one, other in pairs) > 0.999
    again = extraction.extract_dataset(videos, ["a", "b"], tmp_path / "store", BY_OPENVINO, progress=False)
    assert (again.done, again.skipped) == ((), ("a", "b"))
    back = extraction.extract_dataset(videos, ["a"], tmp_path / "store", BY_TORCH, progress=False)
    assert back.done == ("a",) and (back.store.snippets("a") == kept["a"]).all()


@pytest.mark.slow
def test_processes_make_the_serial_store(in_bf16, videos, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    stores = [
        extraction.extract_dataset(videos, ["a", "b"], tmp_path / f"{jobs}", BY_OPENVINO, progress=False, jobs=jobs).store
        for jobs in (1, 2)
    ]
    assert stores[0].content_hash == stores[1].content_hash


def test_torch_s_contracts_are_what_they_were_before_there_was_a_choice():
    """Another hash would mean that every store and all kept features of footage are made again."""
    known = SimpleNamespace(backbone=I3D.backbone, dimension=1024, weights_sha256="0" * 64, weights_note="")
    assert content_hash(extraction._contract(known, BY_TORCH).model_dump(mode="json"))[:12] == "e4668ec27324"
    assert recipe_key(BY_TORCH, "0" * 64)[:12] == "023305e7c155"
    assert recipe_key(BY_OPENVINO, "0" * 64) != recipe_key(BY_TORCH, "0" * 64)


def test_a_model_trained_on_these_features_gets_them_of_footage_too(in_bf16):
    assert feature_recipe(extraction._contract(in_bf16, BY_OPENVINO), weights="random") == BY_OPENVINO.replace(batch_size=4)


# --- refusals -----------------------------------------------------------------------------------------
def test_openvino_is_not_installed(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r'needs the package openvino: pip install -e "\.\[openvino\]"'):
        i3d_openvino.I3DOpenVINO(network)


def test_a_processor_without_bf16(network, monkeypatch):
    fake = SimpleNamespace(get_property=lambda device, name: ["FP32", "INT8"])
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: fake))
    with pytest.raises(ConfigError, match=r"computes in bf16 .*this one offers FP32, INT8; choose the engine torch"):
        i3d_openvino.I3DOpenVINO(network)


def test_another_device_is_refused_before_anything_is_written(videos, tmp_path):
    with pytest.raises(ConfigError, match="openvino-bf16 runs on the device cpu, got 'cuda'"):
        extraction.extract_dataset(videos, ["a"], tmp_path / "store", BY_OPENVINO, "cuda", progress=False, jobs=2)
    assert not (tmp_path / "store").exists()
    with pytest.raises(ConfigError, match="got 'mps'"):
        load_backbone(BY_OPENVINO, "mps")


def test_the_command_line(planted_folder, monkeypatch, capsys):
    asked = []

    def extract(videos, names, store, settings, device, **_):
        asked.append((settings.engine, store, device))
        return extraction.ExtractionReport(FeatureStore.open(store), (), (), {})

    monkeypatch.setattr(extraction, "extract_dataset", extract)
    command = ["--dataset", planted_folder.name, "--data", str(planted_folder.parent), "--device", "cpu"]
    assert extraction.main(command) == extraction.main([*command, "--engine", "openvino-bf16"]) == 0
    assert asked == [(engine, planted_folder / "store", "cpu") for engine in ("torch", "openvino-bf16")]
    assert extraction.main([*command, "--engine", "openvino-bf16", "--backbone", "clip-vit-b-16"]) == 1
    assert "engine: " in (said := capsys.readouterr().err) and "CLIP runs on torch" in said
