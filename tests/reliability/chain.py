"""A small chain, killed again and again: ``python -c "import chain; chain.main()" FOLDER KILLS SEED`` prints what came of it.

It renders a few videos, extracts their features, trains two methods and writes the tables, once undisturbed and once killed
with SIGKILL at seeded moments and started again each time. Every life is a fork of this process, which has imported
everything and does nothing else, so that a life takes a second or two. The moments are spread over the whole chain: it says
where it is whenever a file gets into its place and before every training step, and is killed at one of these
marks or a random time after it.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from vad_lib.config import FeatureSettings, Profile, SyntheticSettings, TrainSettings
from vad_lib.data import prepare
from vad_lib.data.feature_store import FeatureStore
from vad_lib.errors import VadError
from vad_lib.report.tables import all_tables
from vad_lib.runs import experiments
from vad_lib.runs.learner import BagLearner
from vad_lib.storage import provenance
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.locks import LOCK_FILE
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_array, read_arrays, read_json
from vad_lib.storage.writing import TEMPORARY

DATASET = "synth-violence"
METHODS = ("ur-dmu", "proposed")
PROFILE = Profile(
    name="smoke",
    features=FeatureSettings(short_side=32, crop_size=32, num_crops=1, weights="random"),
    synthetic=SyntheticSettings(
        train_per_category=1,
        test_per_category=1,
        normal_ratio=0.34,
        train_snippets=(3, 3),
        test_snippets=(3, 4),
        height=64,
        width=64,
    ),
    train=TrainSettings(steps=24, eval_every=8, batch_size=2, num_segments=4, validation_fraction=0.5, checkpoint_every=5, lr=1e-3),
    width=16,
    text_features="random",
)
LONGEST_PAUSE = 0.15  # seconds from a mark to the signal
# What is measured in seconds differs from run to run; the ledger of rendered videos grows on the way.
MEASURED = ("timing.json", "cost-")
ON_THE_WAY = (*MEASURED, "render.json")


def small_chain(layout: Layout) -> None:
    dataset = prepare.prepare_dataset(layout, PROFILE, DATASET, progress=False)
    experiments.run_variants(METHODS, dataset, layout, PROFILE, progress=False, jobs=1)  # other processes would say no marks
    all_tables.write_all_tables(layout, [dataset])


def layout_of(folder: Path) -> Layout:
    return Layout.create("smoke", folder / "out", folder / "data")


# --- one life -----------------------------------------------------------------------------------------
def begin(folder: Path) -> tuple[int, int]:
    """Fork a process that runs the chain; its id, which is that of its group too, and where it says its marks."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.setpgid(process, process)  # here too: it may be killed before its own call
        os.close(writing)
        return process, reading
    status = 1
    try:
        os.setpgid(0, 0)
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _say_where(writing)
        small_chain(layout_of(folder))
        time.sleep(2 * LONGEST_PAUSE)  # a signal on its way still finds the process
        status = 0
    except BaseException as error:  # whatever it was, this process must not go on as its parent
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _say_where(writing: int) -> None:
    replace, step = os.replace, BagLearner.step

    def said(source, target, **others):
        os.write(writing, f"before {Path(target).parent.name}/{Path(target).name}\n".encode())
        replace(source, target, **others)
        os.write(writing, f"after {Path(target).parent.name}/{Path(target).name}\n".encode())

    def stepped(self, index):
        os.write(writing, f"{type(self.model).__name__} {index}\n".encode())
        return step(self, index)

    os.replace, BagLearner.step = said, stepped


def live(folder: Path, seen: set[str], kill_after: int | None, pause: float = 0.0) -> int:
    """One life of the chain; it is killed some seconds after so many marks that no life reached before. Its exit status."""
    process, reading = begin(folder)
    new = 0
    with os.fdopen(reading) as marks:
        while kill_after is None or new < kill_after:
            mark = marks.readline()
            if not mark:
                break  # it has ended by itself
            new += mark not in seen
            seen.add(mark)
        if kill_after is not None:
            time.sleep(pause)
            os.killpg(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        seen.update(marks)  # said between the last look and the end
    return status


# --- what is there ------------------------------------------------------------------------------------
def files_of(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def is_result(name: str) -> bool:
    """False for what is being made: hidden files and folders, and what belongs to them."""
    return not any(part.startswith((".", "parts-")) or part == "snippets.partial" for part in Path(name).parts)


def problems_on_the_way(folder: Path, whole: Path) -> list[str]:
    """After a kill: results that are not what the undisturbed chain made, and files that cannot be read."""
    wanted, found = files_of(whole), []
    for name, path in files_of(folder).items():
        if not is_result(name):
            if path.suffix == ".npy" and TEMPORARY not in name:
                found += _unreadable(read_array, path)
        elif name not in wanted:
            found.append(f"{name}: the undisturbed chain has no such file")
        elif not any(part in name for part in ON_THE_WAY) and file_sha256(path) != file_sha256(wanted[name]):
            found.append(f"{name}: differs from the undisturbed chain's")
        else:
            reader = {".json": read_json, ".npz": read_arrays, ".npy": read_array}.get(path.suffix)
            found += _unreadable(reader, path) if reader else []
    for sidecar in folder.rglob("store.json"):
        found += _unreadable(lambda path: FeatureStore.open(path.parent, verify=True), sidecar)
    return found


def _unreadable(reader, path: Path) -> list[str]:
    try:
        reader(path)
    except VadError as error:
        return [str(error)]
    return []


def differences(folder: Path, whole: Path) -> list[str]:
    """At the end: everything in which two chains differ, but for measured seconds."""
    one, other = files_of(folder), files_of(whole)
    found = [f"{name}: in one of the two only" for name in sorted(one.keys() ^ other.keys())]
    for name in sorted(one.keys() & other.keys()):
        if not any(part in name for part in MEASURED) and file_sha256(one[name]) != file_sha256(other[name]):
            found.append(f"{name}: differs")
    litter = (TEMPORARY, ".partial", ".old", LOCK_FILE, "parts-", ".attempts")
    return found + [f"{name}: left behind" for name in one if any(part in name for part in litter)]


def killed_chain(folder: Path, kills: int, seed: int) -> dict:
    """Run the chain once undisturbed and once killed so many times; what was seen."""
    torch.set_num_threads(1)
    provenance.commit = lambda: "as it is"  # somebody may commit while the chain runs
    rng = np.random.default_rng(seed)
    marks: set[str] = set()
    started = time.perf_counter()
    assert live(folder / "whole", marks, None) == 0, "the undisturbed chain failed"
    whole_seconds = time.perf_counter() - started
    seen: set[str] = set()
    report = {"marks": len(marks), "killed_at": [], "problems": []}
    while len(report["killed_at"]) < kills:
        left = kills - len(report["killed_at"])
        remaining = len(marks - seen)
        after = int(rng.uniform(0, 1.6 * remaining / (left + 1)))  # what is said during the pause comes on top
        pause = rng.uniform(0, LONGEST_PAUSE) * rng.integers(2)  # at the mark itself half of the times
        status = live(folder / "killed", seen, after, pause)
        if status != -signal.SIGKILL:
            report["problems"].append(f"a life ended with status {status} before it was killed")
            break
        report["killed_at"].append(len(seen))
        report["problems"] += problems_on_the_way(folder / "killed", folder / "whole")
    status = live(folder / "killed", seen, None)
    if status:
        report["problems"].append(f"the last life failed with status {status}")
    report["differences"] = differences(folder / "killed", folder / "whole")
    report["compared"] = sorted(name for name in files_of(folder / "whole") if is_result(name))
    report["seconds"] = {"undisturbed": whole_seconds, "all": time.perf_counter() - started}
    return report


def main() -> None:
    """Not run as a file: each process that renders would read that again, with all that it imports."""
    print(json.dumps(killed_chain(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), indent=1))
