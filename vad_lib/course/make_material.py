"""The maintainer's command: the small files of the course, from finished runs: ``python -m vad_lib.course.make_material``.

Takes features and runs of the profile ``study`` (or another one, ``--profile``) on SynthCrime, and writes
``vad_lib/course/resources``. The videos are the first three training and test videos of each abnormal category, and as many
normal ones at equal distances in the list, so that look-alikes of all categories are among them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from vad_lib.course.material import BAGS, LOG, RUNS
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.errors import DataError, command_line
from vad_lib.methods.supervised import abnormal_shares
from vad_lib.runs.finished_runs import find_runs
from vad_lib.runs.run_folder import Run
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.writing import write_arrays, write_text

Split = Literal["train", "test"]
DATASET = "synth-crime"
PER_CATEGORY = 3
METHODS = ("logistic-regression", "ur-dmu", "msf-dmu", "proposed")
PER_SNIPPET = {"score": "score", "last": "score_last", "best_on_test": "score_best_on_test"}
OF_BRANCHES = ("visual", "semantic", "alignment")
TARGET = PROJECT_ROOT / "vad_lib" / "course" / "resources"


def chosen_videos(dataset: Dataset, split: Split) -> list[VideoRecord]:
    """The videos of the course, abnormal ones by category and then normal ones."""
    records = dataset.videos.split(split)
    chosen: list[VideoRecord] = []
    for category in dataset.categories[1:]:
        chosen += [record for record in records if record.categories == (category,)][:PER_CATEGORY]
    normal = [record for record in records if not dataset.videos.is_abnormal(record)]
    places = np.linspace(0, len(normal) - 1, len(chosen)).round().astype(int)
    return chosen + [normal[place] for place in places]


def write_bags(dataset: Dataset, target: Path) -> None:
    """Features, and for test videos the share of abnormal frames of each snippet."""
    arrays: dict[str, np.ndarray] = {}
    for split in get_args(Split):
        records = chosen_videos(dataset, split)
        features = [dataset.store.snippets(record.name)[0] for record in records]
        arrays[f"{split}/names"] = np.array([record.name for record in records])
        arrays[f"{split}/categories"] = np.array([record.categories[0] for record in records])
        arrays[f"{split}/num_snippets"] = np.array([len(of_video) for of_video in features])
        arrays[f"{split}/features"] = np.concatenate(features).astype(np.float16)
        if split == "test":
            shares = [abnormal_shares(record, len(of_video)) for record, of_video in zip(records, features)]
            arrays["test/snippet_labels"] = np.concatenate(shares).astype(np.float32)
    write_arrays(target / BAGS, arrays)


def write_runs(dataset: Dataset, runs: dict[str, list[Run]], target: Path) -> None:
    """Scores of all seeds on the test videos of the course, and of the first run with branches its branches and its map."""
    records = chosen_videos(dataset, "test")
    arrays: dict[str, np.ndarray] = {}
    for method, seeds in runs.items():
        arrays[f"{method}/seeds"] = np.array([run.seed for run in seeds])
        for run in seeds:
            scores = run.scores()
            names = scores["videos"].tolist()
            starts = np.concatenate([[0], np.cumsum(scores["num_snippets"])])
            rows = [np.arange(starts[place], starts[place + 1]) for place in (names.index(record.name) for record in records)]
            arrays["num_snippets"] = np.array([len(of_video) for of_video in rows])
            chosen = np.concatenate(rows)
            found = {name: scores.get(key, scores["score"]) for name, key in PER_SNIPPET.items()}
            for name, values in (found | {name: scores[name] for name in OF_BRANCHES if name in scores}).items():
                kept = values[chosen].astype(np.float32 if values.ndim == 1 else np.float16)[None]
                before = arrays.get(f"{method}/{name}")
                arrays[f"{method}/{name}"] = kept if before is None else np.concatenate([before, kept])
    write_arrays(target / RUNS, arrays)


@command_line("train what is missing and call it again")
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.course.make_material", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="study", help="whose features and runs are taken (default: study)")
    parser.add_argument("--out", type=Path, default=TARGET, help="folder for the files (default: that of the package)")
    options = parser.parse_args(arguments)
    layout = Layout.create(options.profile)
    dataset = load_dataset(layout.dataset(DATASET))
    runs = {method: find_runs(layout, "runs", DATASET, method) for method in METHODS}
    if missing := [method for method, found in runs.items() if not found]:
        raise DataError(f"{DATASET}, {layout.profile}: no finished runs of {', '.join(missing)}. `make study` trains them.")
    write_bags(dataset, options.out)
    write_runs(dataset, runs, options.out)
    text = runs["proposed"][0].log().to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_text(options.out / LOG, text)
    print(*(f"{options.out / name}: {(options.out / name).stat().st_size / 1e6:.1f} MB" for name in (BAGS, RUNS, LOG)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
