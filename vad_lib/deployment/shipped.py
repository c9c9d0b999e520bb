"""Trained models that come with the library: their names, their weights and their cards.

A model ``NAME`` is three files in ``vad_lib/deployment/models``: ``NAME.safetensors``, weights in half precision;
``NAME.json``, settings, hash of the weights and everything that was measured; and ``NAME.md``, the card, made of the former.
``python -m vad_lib.deployment.train_shipped`` makes them again.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from vad_lib.deployment.model_card_page import card_page
from vad_lib.errors import DataError, MissingFileError
from vad_lib.methods.base import Method
from vad_lib.runs.trained_model import method_of
from vad_lib.storage.project_files import of_project
from vad_lib.storage.reading import damaged_as_data_error, read_json
from vad_lib.storage.writing import atomic_path, write_json, write_text

FOLDER = Path(__file__).resolve().parent / "models"

_AGAIN = "restore it (git checkout, or install the library again)"


def names() -> tuple[str, ...]:
    """Names of the shipped models, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def about(name: str) -> dict[str, Any]:
    """Content of a model's ``NAME.json``.

    Args:
        name: one of :func:`names`.

    Returns:
        ``config``, settings as in a run's ``config.json`` and a suggested threshold; ``causal``; ``weights``, with file name, bytes
        and SHA-256; ``measured``, ``choice`` and ``made_with``, the numbers of the card.

    Raises:
        MissingFileError: no such model; the message lists those that there are.
        DataError: the file is damaged.
    """
    if name not in names():
        raise MissingFileError(f"model {name!r}: expected one of the shipped models ({', '.join(names())}); correct the name.")
    path = FOLDER / f"{name}.json"
    with of_project(path, "file of a shipped model"):
        return read_json(path)


def is_causal(name: str) -> bool:
    """True if no score of a shipped model depends on what comes later."""
    return about(name)["causal"]


def load(name: str, *, fast_cpu: bool = True) -> tuple[Method, dict[str, Any]]:
    """A shipped model on the CPU and in evaluation mode, its weights in single precision.

    Args:
        name: one of :func:`names`.
        fast_cpu: swap modules for fast forms of the same weights; switch it off before the model is exported or goes to a GPU.

    Returns:
        the method, and its settings as in a run's ``config.json``.

    Raises:
        MissingFileError: no such model, or its weights are missing.
        DataError: the weights are not those that the model was shipped with, or another file is damaged.
    """
    content, path = about(name), FOLDER / f"{name}.safetensors"
    with damaged_as_data_error(FOLDER / f"{name}.json", "the settings of a shipped model"):
        config, expected = content["config"], content["weights"]["sha256"]
    return method_of(config, lambda: _weights(path, expected), str(path), fast_cpu=fast_cpu), config


def _weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """Tensors of a file with this hash, float32."""
    if not path.is_file():
        raise MissingFileError(f"{path}: expected the weights of a shipped model, found no such file; {_AGAIN}.")
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(
            f"{path}: expected the weights that came with the library (sha256 {sha256[:12]}), got a changed or damaged file "
            f"({found[:12]}); {_AGAIN}."
        )
    try:
        return in_single_precision(load_tensors(content))
    except SafetensorError as error:
        raise DataError(f"{path}: expected weights as safetensors ({error}); {_AGAIN}.") from error


def in_half_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights rounded to float16; whole numbers stay as they are."""
    return {key: value.to(torch.float16) if value.is_floating_point() else value for key, value in weights.items()}


def in_single_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as float32; whole numbers stay as they are."""
    return {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}


def write(name: str, weights: Mapping[str, Tensor], content: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write the three files of a model; the settings, which make it a shipped model, come last.

    Args:
        name: of the model.
        weights: in half precision.
        content: of ``NAME.json``, without ``weights``.
        folder: of the models; the library's own by default.

    Returns:
        the card.

    Raises:
        OutputError: the folder cannot be written.
    """
    folder = FOLDER if folder is None else folder
    packed = save_tensors({key: value.contiguous() for key, value in weights.items()})
    path = folder / f"{name}.safetensors"
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed)
    about_weights = {"file": path.name, "dtype": "float16", "bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    whole = {**content, "weights": about_weights}
    card = write_text(folder / f"{name}.md", card_page(name, whole))
    write_json(folder / f"{name}.json", whole)
    return card
