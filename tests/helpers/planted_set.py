"""A data set folder of bags with a shift planted in the abnormal spans."""

from pathlib import Path

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.evaluation.scoring import frame_scores
from vad_lib.metrics import frame_roc_auc
from vad_lib.storage.writing import write_json


def write_planted_dataset(folder: Path, rng: np.random.Generator, dimension: int = 16, crops: int = 2) -> None:
    """20 training and 6 test videos of each class; the shift points another way for each of two abnormal categories."""
    categories = ("Normal", "Fighting", "Arson")
    records, arrays = [], {}
    for split, per_class in (("train", 20), ("test", 6)):
        for index in range(2 * per_class):
            abnormal = index % 2 == 1
            snippets = int(rng.integers(6, 14))
            frames = snippets * FRAMES_PER_SNIPPET - int(rng.integers(0, FRAMES_PER_SNIPPET))
            category = categories[1 + index // 2 % 2] if abnormal else "Normal"
            values = rng.normal(size=(crops, snippets, dimension))
            spans, name = (), f"{split}_{category}_{index:02d}"
            if abnormal:
                start = int(rng.integers(1, snippets - 3))
                values[:, start : start + 3, categories.index(category)] += 4
                span = (start * FRAMES_PER_SNIPPET, min((start + 3) * FRAMES_PER_SNIPPET, frames))
                spans = (span,) if split == "test" else ()
            arrays[name] = values.astype(np.float16)
            records.append(VideoRecord(name, split, (category,), frames, spans))
    write_json(
        folder / "dataset.json",
        {
            "name": folder.name,
            "title": "Planted bags",
            "categories": list(categories),
            "headline_metric": "auc",
            "counterpart": "",
            "source": "numbers planted by the tests",
            "synthetic": True,
            "fps": 25.0,
        },
    )
    write_video_csv(folder / "videos.csv", VideoList(categories, tuple(records)))
    contract = FeatureContract(
        backbone="planted", weights_sha256="", weights_note="no network", dimension=dimension, short_side=32, crop_size=32,
        crops=("centre", "top-left", *(f"crop-{n}" for n in range(2, 10)))[:crops], dtype="float16", source="tests",
    )  # fmt: skip
    FeatureStore.write(folder / "store", contract, arrays.items())


def auc_on_test(dataset, scores) -> float:
    """Frame AUC of scores of snippets, name of a test video -> float (T,)."""
    records = dataset.videos.split("test")
    frames = [frame_scores(scores[record.name], record.num_frames) for record in records]
    return frame_roc_auc(np.concatenate([record.frame_labels() for record in records]), np.concatenate(frames))
