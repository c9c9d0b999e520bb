"""Rehearse the paper's training run at its true size, and show what bf16 and torch.compile are worth.

    python benchmarks/bench_paper_scale.py                  # 3,000 steps on a GPU, 50 on CPU
    python benchmarks/bench_paper_scale.py --steps 20 --compared 4
    python benchmarks/bench_paper_scale.py --keep           # also write results/benchmarks/paper_scale.md

The proposed model with the paper's settings: 32 normal and 32 abnormal videos a step, 200 segments, 1,024 features,
width 512. The four settings take their steps in turns, from the same weights, with the same batches and random numbers,
so that scores can be compared and other load on the machine meets all. On CPU they are compared over a few steps, then
float32 goes on alone. A second, small table trains all four to the end on an easy planted data set and compares what a
user would see: the scores and the AUC.

Ends with an error if a loss is not finite, if the planted AUC of any setting falls below 0.85, or if it differs from the
AUC of float32 by more than 0.05.
"""

import dataclasses
import resource
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import machine, parser, report, seconds

from vad_lib import config
from vad_lib.config import FRAMES_PER_SNIPPET, TrainSettings
from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.batches import Batch
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.prompts import TextFeatures, text_features
from vad_lib.runs import measure
from vad_lib.runs import trainer as runs_trainer
from vad_lib.runs.learner import learner_maker
from vad_lib.storage.writing import write_json

SETTINGS = {
    "float32": {},
    "bf16": {"precision": "bf16"},
    "float32, compiled": {"compile": True},
    "bf16, compiled": {"precision": "bf16", "compile": True},
}
PAPER_STEPS, SMALL_STEPS = 3000, 200
LOWEST_AUC, LARGEST_CHANGE = 0.85, 0.05
CATEGORIES = ("Normal", *(f"Abnormal{i:02d}" for i in range(1, 14)))  # as many as UCF-Crime has


@dataclasses.dataclass(frozen=True)
class Scale:
    """Size of a data set and of a run on it."""

    title: str
    train: TrainSettings
    width: int
    dimension: int
    videos: int  # of each class, training
    tests: int  # of each class
    snippets: tuple[int, int]
    shift: float  # of the planted snippets, in standard deviations


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, help="of float32 (default: 3,000 on a GPU, 50 on CPU)")
    options.add_argument("--compared", type=int, help="of every setting (default: as many as of float32 on a GPU, 6 on CPU)")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    steps = given.steps or (PAPER_STEPS if device == "cuda" else 50)
    compared = min(steps, given.compared or (steps if device == "cuda" else 6))
    paper = Scale("paper", TrainSettings(device=device), 512, 1024, 96, 8, (100, 400), 1.0)
    small = TrainSettings(batch_size=8, num_segments=16, lr=5e-4, device=device)
    planted = Scale("planted", small, 64, 64, 80, 20, (8, 24), 3.0)

    rows = rehearse(paper, steps, compared) + rehearse(planted, SMALL_STEPS, SMALL_STEPS)
    table = pd.DataFrame(rows)
    measured = table[(table.run == "paper") & (table.setting == "float32")].iloc[0]
    hours = PAPER_STEPS / measured["steps/s"] / 3600
    done = "measured" if steps >= PAPER_STEPS else f"extrapolated from {steps} steps"
    notes = [
        machine(device),
        f"3,000 steps of float32 at the paper's size: {hours:.2f} hours without evaluations, {done}, on {device}.",
        "paper: 32 + 32 videos, 200 segments, 1,024 features, width 512; planted: 8 + 8, 16, 64, 64. All features are made up: "
        "noise with a planted shift. Steps/s is the median of all single steps of a row, the first two left out; the first step "
        "holds the compilation. The speed-up is over the steps compared alone, so it is not the ratio of two numbers of steps/s.",
        f"Largest resident memory of the whole process, all four settings in it: {process_gib():.1f} GiB. Step GiB (on a GPU "
        "only) is what a step takes beside all weights and optimiser states.",
        "Score changes are against float32 after the same steps (those compared), on test videos, all scored in float32.",
    ]
    report("paper_scale", "A training run at the paper's size", table, notes, keep=given.keep)
    small_rows = table[table.run == "planted"]
    good = bool(np.isfinite(table["loss"]).all()) and bool((small_rows["AUC"] >= LOWEST_AUC).all())
    good &= bool((small_rows["AUC"] - small_rows["AUC"].iloc[0]).abs().max() <= LARGEST_CHANGE)
    print("as promised" if good else "NOT as promised: a loss is not finite, or the planted AUC is too low or moves too far")
    return 0 if good else 1


def process_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20


def rehearse(scale: Scale, steps: int, compared: int) -> list[dict[str, object]]:
    """One row per setting; only the first goes on after the compared steps."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_planted(Path(folder) / scale.title, scale)
        text = text_features("random", CATEGORIES, seed=1)
        turns = {name: Turn(name, scale, dataset, text, Path(folder), changes) for name, changes in SETTINGS.items()}
        for step in range(compared):
            for turn in turns.values():
                turn.step(step)
            print(f"{scale.title}: step {step + 1} of {compared}, all settings", end="\r", flush=True)
        scores = {name: turn.scores() for name, turn in turns.items()}
        reference = scores["float32"]
        rows = []
        for name, turn in turns.items():
            auc = measure.test_metrics(dataset, scores[name])["auc"]
            change = np.concatenate([np.abs(scores[name][video] - reference[video]) for video in reference])
            rows.append({"change": change, "auc": auc, "loss": turn.loss})
        for step in range(compared, steps):
            turns["float32"].step(step)
            print(f"{scale.title}: step {step + 1} of {steps}, float32", end="\r", flush=True)
        print()
        base = turns["float32"].seconds_per_step(compared)
        return [
            {
                "run": scale.title,
                "setting": name,
                "steps": len(turn.times),
                "first step s": turn.times[0],
                "steps/s": 1 / turn.seconds_per_step(),
                "speed-up": base / turn.seconds_per_step(compared),
                "step GiB": turn.step_gib,
                "loss": row["loss"],
                "steps compared": compared,
                "largest score change": float(row["change"].max()),
                "mean score change": float(row["change"].mean()),
                "AUC": row["auc"],
            }
            for (name, turn), row in zip(turns.items(), rows)
        ]


class Turn:
    """One setting's trainer, with random numbers of its own."""

    def __init__(
        self, name: str, scale: Scale, dataset: Dataset, text: TextFeatures, folder: Path, changes: dict[str, object]
    ) -> None:
        train = scale.train.replace(**changes)
        settings = config.RunSettings(variant=name, method="proposed", title=name, width=scale.width, train=train)
        self.records = dataset.videos.split("test")
        self.learner = runs_trainer.Trainer(settings, dataset, learner_maker(settings, text), folder / name, key=name).learner
        self.random = self._random_state()
        self.times: list[float] = []
        self.loss = float("nan")
        self.step_gib = float("nan")

    def _random_state(self) -> list[torch.Tensor]:
        cuda = [torch.cuda.get_rng_state()] if self.learner.device.type == "cuda" else []
        return [torch.get_rng_state(), *cuda]

    def step(self, step: int) -> None:
        batch = self.learner.batches.batch(step)
        torch.set_rng_state(self.random[0])
        on_gpu = self.learner.device.type == "cuda"
        if on_gpu:
            torch.cuda.set_rng_state(self.random[1])
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        self.times.append(seconds(lambda: self._one(batch)))
        if on_gpu:
            self.step_gib = (torch.cuda.max_memory_allocated() - before) / 2**30
        self.random = self._random_state()

    def _one(self, batch: Batch) -> None:
        self.loss = self.learner.learn(batch)["loss"]
        if self.learner.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds_per_step(self, first: int | None = None) -> float:
        """Median over the first steps (or all), without those that warm up."""
        return statistics.median(self.times[:first][min(2, len(self.times) - 1) :])

    def scores(self) -> dict[str, np.ndarray]:
        return {video: arrays["score"] for video, arrays in self.learner.snippet_scores(self.records).items()}


def write_planted(folder: Path, scale: Scale) -> Dataset:
    """Noise with a span of shifted snippets in each abnormal video; the direction of the shift is its category's."""
    rng = np.random.default_rng(11)
    directions = rng.choice([-1.0, 1.0], size=(len(CATEGORIES), scale.dimension)).astype(np.float32)
    records: list[VideoRecord] = []

    def features():
        for split, count in (("train", scale.videos), ("test", scale.tests)):
            for index in range(2 * count):
                category = CATEGORIES[1 + index // 2 % (len(CATEGORIES) - 1)] if index % 2 else CATEGORIES[0]
                length = int(rng.integers(*scale.snippets, endpoint=True))
                values = rng.standard_normal((1, length, scale.dimension), dtype=np.float32)
                spans = ()
                if index % 2:
                    start, size = int(rng.integers(1, length // 2)), max(length // 5, 2)
                    values[:, start : start + size] += scale.shift * directions[CATEGORIES.index(category)]
                    spans = ((start * FRAMES_PER_SNIPPET, (start + size) * FRAMES_PER_SNIPPET),) if split == "test" else ()
                name = f"{split}_{category}_{index:03d}"
                records.append(VideoRecord(name, split, (category,), length * FRAMES_PER_SNIPPET, spans))
                yield name, values

    contract = FeatureContract(
        backbone="planted numbers", dimension=scale.dimension, crops=("centre",), source="benchmarks/bench_paper_scale.py"
    )
    FeatureStore.write(folder / "store", contract, features())
    info = {
        "name": scale.title,
        "title": "Planted numbers",
        "categories": list(CATEGORIES),
        "headline_metric": "auc",
        "source": contract.source,
        "synthetic": True,
        "fps": 30.0,
    }
    write_json(folder / "dataset.json", info)
    write_video_csv(folder / "videos.csv", VideoList(CATEGORIES, tuple(records)))
    return load_dataset(folder)


if __name__ == "__main__":
    sys.exit(main())
