"""What made a result: commit, versions, device, seed, hashes of inputs and of code."""

import os
import platform
import random
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
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
    "av",
    "safetensors",
)
_EXTRAS = ("openvino",)  # packages that are named only where they are installed


def commit() -> str:
    """Commit of the working tree, with ``+changes`` if library or notebooks differ from it; ``unknown`` outside git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    # results and figures are what a run writes: they do not make its code another code
    changed = _git("status", "--porcelain", "--", "vad_lib", "notebooks", "pyproject.toml", "requirements.lock")
    return "unknown" if head is None or changed is None else head + "+changes" * bool(changed)


def commit_date(name: str) -> str:
    """Day of a commit as :func:`commit` names it, such as ``2026-01-31``; ``unknown`` where git does not know it."""
    return _git("show", "-s", "--format=%cs", name.removesuffix("+changes"), "--") or "unknown"


def _git(*words: str) -> str | None:
    """What git says of the project; None where it fails."""
    try:
        said = subprocess.run(["git", *words], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return None if said.returncode else said.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in (*_PACKAGES, *_EXTRAS):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name in _PACKAGES:
                found[name] = "not installed"
    return found


@cache
def processor() -> str:
    """Name of the processor as the system tells it; its architecture where it tells none."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # no Linux
        pass
    return platform.processor() or platform.machine()


def instructions() -> str:
    """Widest instruction set that torch uses, and the limit set for oneDNN if there is one: both decide how sums are rounded."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return torch.backends.cpu.get_cpu_capability() + (f", oneDNN up to {limit}" if limit else "")


def provenance(seed: int | None = None, device: str = "cpu", inputs: dict[str, str] | None = None) -> dict[str, Any]:
    """Record for a run folder. No date: two equal runs give equal records."""
    return {
        "commit": commit(),
        "versions": versions(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": processor(),
        "instructions": instructions(),
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
