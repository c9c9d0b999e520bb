"""Kill the chain of notebooks at random moments and compare its results: ``python scripts/kill_chain.py --out FOLDER``.

The chain runs once undisturbed and once killed with SIGKILL, notebook kernels included, and started again each time; the
moments are drawn over the time that the undisturbed one took. In the end tables, metrics, logs, scores and weights must be
the same bytes, and nothing half-written may be left. What is measured in seconds is not compared. With the smoke profile
this takes three or four times as long as a smoke run; ``tests/reliability`` does the same with a smaller chain.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from vad_lib.config import PROFILES
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import TEMPORARY

RESULTS = ("metrics.json", "log.csv", "weights.safetensors", "scores.npz", "config.json")
MEASURED = ("cost-", "accuracy-against")
LITTER = (TEMPORARY, ".partial", ".old", ".lock", "parts-", ".attempts")


def command(folder: Path, options: argparse.Namespace) -> list[str]:
    where = ["--profile", options.profile, "--out", str(folder / "out"), "--data", str(folder / "data")]
    chosen = [word for name in ("only", "dataset") for value in getattr(options, name) for word in (f"--{name}", value)]
    return [sys.executable, "-m", "vad_lib.reproduce", *where, *chosen]


def begin(folder: Path, options: argparse.Namespace) -> tuple[subprocess.Popen, float]:
    """Start the chain; its process and the time at which its first notebook began."""
    process = subprocess.Popen(command(folder, options), stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()  # the runner says a line before each notebook
    print(f"  {line.rstrip() or 'nothing was said'}", flush=True)
    return process, time.perf_counter()


def descendants(process: int) -> list[int]:
    """Processes below one, whatever their groups and sessions: kernels have their own."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found, level = [], [process]
    while level := [child for child, parent in parents if parent in level]:
        found += level
    return found


def kill(process: subprocess.Popen) -> None:
    os.kill(process.pid, signal.SIGSTOP)  # so that it starts nothing while the others are looked for
    for number in [*descendants(process.pid), process.pid]:
        os.kill(number, signal.SIGKILL)
    process.communicate()


def finish(process: subprocess.Popen) -> None:
    for line in process.stdout:
        print(f"  {line.rstrip()}", flush=True)
    if process.wait():
        raise SystemExit(f"the chain failed with status {process.returncode}; its message stands above")


def results_of(folder: Path, profile: str) -> dict[str, Path]:
    layout = Layout.create(profile, folder / "out", folder / "data")
    chosen = [path for name in RESULTS for path in layout.results.rglob(name)]
    chosen += [path for place in (layout.tables, layout.figures) for ending in ("csv", "md") for path in place.glob(f"*.{ending}")]
    chosen += [path for path in layout.data.glob("*/store/*") if path.is_file()]
    return {str(path.relative_to(folder)): path for path in chosen if not path.name.startswith(MEASURED)}


def compare(whole: Path, killed: Path, profile: str) -> list[str]:
    one, other = results_of(whole, profile), results_of(killed, profile)
    found = [f"{name}: in one of the two only" for name in sorted(one.keys() ^ other.keys())]
    same = [name for name in sorted(one.keys() & other.keys()) if file_sha256(one[name]) == file_sha256(other[name])]
    found += [f"{name}: differs" for name in sorted((one.keys() & other.keys()) - set(same))]
    found += [f"{path}: left behind" for path in sorted(killed.rglob("*")) if any(part in path.name for part in LITTER)]
    print(f"{len(same)} files are the same bytes")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="an empty folder for both chains")
    add("--profile", default="smoke", choices=tuple(PROFILES), help="(default: smoke)")
    add("--only", action="append", default=[], help="a notebook or paper item, as in vad_lib.reproduce; may be repeated")
    add("--dataset", action="append", default=[], help="a data set, as in vad_lib.reproduce; may be repeated")
    add("--kills", type=int, default=10, help="(default: 10)")
    add("--seed", type=int, default=0, help="of the moments (default: 0)")
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        parser.error(f"{options.out} is not empty; finished work there would be skipped. Give another folder.")
    whole, killed = options.out / "whole", options.out / "killed"
    print("undisturbed", flush=True)
    process, begun = begin(whole, options)
    finish(process)
    seconds = time.perf_counter() - begun
    # lives that together take as long as the undisturbed chain; what a kill undoes comes on top
    moments = np.sort(np.random.default_rng(options.seed).uniform(0, seconds, options.kills))
    kills = 0
    for number, life in enumerate(np.diff(moments, prepend=0.0), start=1):
        print(f"life {number}, killed after {life:.1f} s", flush=True)
        process, _ = begin(killed, options)
        try:
            process.wait(timeout=life)
            break  # the chain was done
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
    print("the last life", flush=True)
    process, _ = begin(killed, options)
    finish(process)
    found = compare(whole, killed, options.profile)
    print("\n".join([*found, f"{kills} kills, {len(found)} differences"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
