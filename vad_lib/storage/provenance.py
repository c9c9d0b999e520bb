"""What made a result: commit, versions, device, seed, hashes of inputs and of code."""

import platform
import random
import subprocess
from importlib import metadata
from typing import Any

import numpy as np
import torch

from vad_lib.storage.paths import PROJECT_ROOT

_PACKAGES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "opencv-python-headless",
    "safetensors",
)


def commit() -> str:
    """Commit of the working tree, with ``+changes`` if library or notebooks differ from it; ``unknown`` outside git."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=20
        )
        # results and figures are what a run writes: they do not make its code another code
        status = subprocess.run(
            ["git", "status", "--porcelain", "--", "vad_lib", "notebooks", "pyproject.toml", "requirements.lock"],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    if head.returncode:
        return "unknown"
    return head.stdout.strip() + ("+changes" if status.stdout.strip() else "")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def provenance(seed: int | None = None, device: str = "cpu", inputs: dict[str, str] | None = None) -> dict[str, Any]:
    """Record for a run folder. No date: two equal runs give equal records."""
    return {
        "commit": commit(),
        "versions": versions(),
        "machine": platform.machine(),
        "device": device,
        "threads": torch.get_num_threads(),
        "seed": seed,
        "inputs": inputs or {},
    }


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch (all devices) and ask torch for deterministic algorithms."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
