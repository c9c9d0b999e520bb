"""Small data sets of features whose test videos leave a metric undefined, and runs on them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET, FeatureSettings, Profile, SyntheticSettings, TrainSettings
from vad_lib.data.annotations import VideoList, VideoRecord, read_video_csv, write_video_csv
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.runs.experiments import run_variants
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_json

CATEGORIES = ("Normal", "Fighting", "Arson")
CASES = Path(__file__).resolve().parents[1] / "cases"
PROFILE = Profile(
    name="smoke",
    features=FeatureSettings(weights="random"),
    synthetic=SyntheticSettings(),
    train=TrainSettings(steps=4, eval_every=2, batch_size=2, num_segments=4, validation_fraction=0.4, lr=1e-3),
    width=16,
    text_features="random",
)
FRAMES = 20 * FRAMES_PER_SNIPPET


def videos(split: str, category: str, count: int, *, intervals: tuple[tuple[int, int], ...] = (), **more) -> list[VideoRecord]:
    """Some videos of one kind; ``category`` may be several joined by ``;``."""
    name = f"{split}-{category.replace(';', '-')}"
    return [VideoRecord(f"{name}-{i}", split, tuple(category.split(";")), FRAMES, intervals, **more) for i in range(count)]


def training(normal: int = 5, abnormal: int = 5) -> list[VideoRecord]:
    return [*videos("train", "Normal", normal), *videos("train", "Fighting", abnormal)]


def wholly_abnormal_clips() -> list[VideoRecord]:
    """The case of that name."""
    return list(read_video_csv(CASES / "clips_all_abnormal" / "videos.csv", CATEGORIES[:2]).records)


def write_set(
    folder: Path,
    records: Sequence[VideoRecord],
    *,
    categories: Sequence[str] = CATEGORIES,
    metric: str = "auc",
    mask_rule: str = "frames",
    counterpart: str = "",
) -> Dataset:
    """Write a data set of one crop and 8 numbers a snippet, abnormal snippets shifted, and load it."""
    rng = np.random.default_rng(3)
    records = [dataclasses.replace(record, mask_rule=mask_rule) for record in records]
    about = {"name": folder.name, "title": "Gaps", "categories": list(categories), "headline_metric": metric}
    about |= {"counterpart": counterpart, "source": "tests", "synthetic": False, "fps": 25.0, "mask_rule": mask_rule}
    write_json(folder / "dataset.json", about)
    write_video_csv(folder / "videos.csv", VideoList(tuple(categories), tuple(records)))
    arrays = {}
    for record in records:
        values = rng.normal(size=(1, -(-record.num_frames // FRAMES_PER_SNIPPET), 8))
        spans = record.intervals or ((0, FRAMES // 2),) * (record.categories != (categories[0],))
        for start, end in spans:
            values[:, start // FRAMES_PER_SNIPPET : end // FRAMES_PER_SNIPPET] += 1.5
        arrays[record.name] = values.astype(np.float16)
    contract = FeatureContract(
        backbone="planted", weights_sha256="", weights_note="no network", dimension=8, short_side=32, crop_size=32,
        crops=("centre",), dtype="float16", source="tests",
    )  # fmt: skip
    FeatureStore.write(folder / "store", contract, arrays.items())
    return load_dataset(folder)


def train(dataset: Dataset, layout: Layout, variants: Sequence[str] = ("ur-dmu", "proposed")) -> None:
    run_variants(variants, dataset, layout, PROFILE, progress=False)
