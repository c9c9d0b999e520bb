"""Time the training of a row's seeds: one after another by one process with all threads, and several at a time, a thread each.

    python benchmarks/bench_many_runs.py             # the study profile's sizes and steps, four seeds: a quarter of an hour
    python benchmarks/bench_many_runs.py --quick     # few steps, two seeds: a minute
    python benchmarks/bench_many_runs.py --jobs 4
    python benchmarks/bench_many_runs.py --keep      # also write results/benchmarks/many_runs.md

A run is all that ``run_variants`` does for it: steps, evaluations and its folder. Bags of random numbers stand for features, as
wide as I3D's. Processes are started before runs are timed, which a table of many runs pays for once; the script prints the
seconds of that too. Repeats are interleaved, so that whatever else the machine does slows both; medians are compared. Where
other programs take the cores, two threads wait for each other many times as long as they compute, and the ratio says more of
that than of this.

By several processes the weights are the same bytes as by one with one thread; the script ends with an error if they are not.
"""

import sys
import tempfile
from itertools import count
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from common import interleaved, machine, parser, report, seconds
from planted_set import write_planted_dataset

from vad_lib.config import Profile, get_profile
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.prepare import dataset_text
from vad_lib.runs import experiments
from vad_lib.runs.many_runs import Training, torch_threads, train_many

ROWS = ("proposed", "ur-dmu")


def trainings(row: str, profile: Profile, dataset: Dataset, seeds: int, folder: Path) -> list[Training]:
    text = dataset_text(profile, dataset) if row == "proposed" else None
    made = (experiments.run_settings(row, profile, seed) for seed in range(seeds))
    return [Training(settings, dataset, text, folder / f"seed{settings.train.seed}") for settings in made]


def one_after_another(tasks: list[Training]) -> None:
    for task in tasks:
        task.train()


def weights(tasks: list[Training]) -> list[bytes]:
    return [(task.folder / "weights.safetensors").read_bytes() for task in tasks]


def check(row: str, profile: Profile, dataset: Dataset, jobs: int, folder: Path) -> float:
    """Seconds until several processes have made two short runs, whose weights have to be those of this process."""
    short = profile.replace(train=profile.train.replace(steps=2, eval_every=2))
    several, alone = (trainings(row, short, dataset, 2, folder / row / name) for name in ("several", "alone"))
    taken = seconds(lambda: train_many(several, jobs, progress=False))
    with torch_threads(1):
        one_after_another(alone)
    if weights(several) != weights(alone):
        raise SystemExit(f"{row}: the weights depend on who trains; expected the same bytes")
    return taken


def compare(row: str, profile: Profile, dataset: Dataset, seeds: int, jobs: int, repeats: int, folder: Path) -> dict[str, object]:
    numbers = count()

    def fresh() -> list[Training]:
        return trainings(row, profile, dataset, seeds, folder / row / str(next(numbers)))

    works = {"before": lambda: one_after_another(fresh()), "after": lambda: train_many(fresh(), jobs, progress=False)}
    medians = interleaved(works, repeats)
    steps = profile.train.steps
    found = {"row": row, "seeds": seeds, "steps": steps, "processes": min(jobs, seeds)}
    for name, taken in medians.items():
        found |= {f"{name}, s per seed": taken / seeds, f"{name}, steps per s": seeds * steps / taken}
    found |= {"ratio": medians["before"] / medians["after"], "repeats": repeats}
    print(found, flush=True)
    return found


def main() -> int:
    options = parser(__doc__, threads=joblib.cpu_count())
    options.add_argument("--quick", action="store_true", help="few steps, two seeds")
    options.add_argument("--jobs", type=int, default=joblib.cpu_count(), help="processes (default: one per core)")
    options.add_argument("--seeds", type=int, help="runs of a row (default: 4; with --quick 2)")
    options.add_argument("--steps", type=int, help="of a run (default: the profile's; with --quick 20)")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    profile = get_profile("study")
    steps = given.steps or (20 if given.quick else profile.train.steps)
    profile = profile.replace(train=profile.train.replace(steps=steps))
    seeds, repeats = given.seeds or (2 if given.quick else 4), 1 if given.quick else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_planted_dataset(folder / "planted", np.random.default_rng(5), dimension=1024, crops=1)
        dataset = load_dataset(folder / "planted")
        start = max([check(row, profile, dataset, given.jobs, folder / "checked") for row in ROWS])
        table = pd.DataFrame([compare(row, profile, dataset, seeds, given.jobs, repeats, folder / "runs") for row in ROWS])
    notes = [
        machine(),
        f"Before: one run after another, by one process with {given.threads} threads. After: {given.jobs} processes of one thread.",
        "*Steps per s* are those of all seeds together; evaluations and writing take part of the time. Ratios are before / after.",
        f"Processes were there already; to start them and make two short runs took {start:.0f} s.",
        "The weights of a seed are the same bytes by whichever process.",
    ]
    report("many_runs", "Runs of a table's row, one after another and several at a time", table, notes, keep=given.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
