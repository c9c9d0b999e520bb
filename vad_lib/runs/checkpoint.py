"""Checkpoints of a run that is not finished: all that its next step depends on, in one file."""

import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import torch

from vad_lib.storage.writing import atomic_path

CHECKPOINT = "checkpoint.pt"

# what torch and pickle raise on bytes that are no checkpoint
_DAMAGED = (pickle.UnpicklingError, struct.error, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError)


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

    Nothing but tensors and plain values is unpickled. A damaged file, which atomic writing makes impossible for our own, and
    one of another run are not used: a warning says so.

    Raises:
        OSError: the file is there and cannot be read; what it holds is not lost.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        # torch's own words advise to unpickle whatever it is
        _warn_dropped(path, f"it is damaged ({type(error).__name__})")
        return None
    if not isinstance(content, dict) or content.get("key") != key:
        _warn_dropped(path, "it is of other settings, data or code")
        return None
    torch.set_rng_state(content["random"]["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(content["random"]["cuda"], device)
    return content


def _warn_dropped(path: Path, reason: str) -> None:
    warnings.warn(f"{path}: dropped, {reason}; the run starts from its first step.", stacklevel=3)
