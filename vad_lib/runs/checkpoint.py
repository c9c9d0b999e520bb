"""Checkpoints of a run that is not finished: all that its next step depends on, in one file."""

import pickle
from pathlib import Path
from typing import Any

import torch

from vad_lib.storage.writing import atomic_path

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(folder: Path, key: str, device: torch.device, content: dict[str, Any]) -> None:
    """Write the checkpoint of a run; the one before it stays whole until then.

    Args:
        folder: where the run is built.
        key: of the run.
        device: whose random generator is saved beside the processor's.
        content: dictionaries, lists and tuples of tensors, numbers and strings.

    Raises:
        OutputError: the folder cannot be written.
    """
    random = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state(device)
    with atomic_path(folder / CHECKPOINT) as temporary:
        torch.save({"key": key, "random": random, **content}, temporary)


def load_checkpoint(folder: Path, key: str, device: torch.device) -> dict[str, Any] | None:
    """Content of the checkpoint of this very run, its random generators restored; None if there is none.

    Nothing but tensors and plain values is unpickled. A damaged file, which atomic writing makes impossible for our own, is
    not used.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, KeyError, EOFError, OSError):
        return None
    if not isinstance(content, dict) or content.get("key") != key:
        return None
    torch.set_rng_state(content["random"]["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(content["random"]["cuda"], device)
    return content
