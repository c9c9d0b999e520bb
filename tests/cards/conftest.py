"""Finished runs whose recorded metrics are those of their scores, and a card as a person writes it."""

import json

import numpy as np
import pytest

from vad_lib.evaluation import frame_level, scoring
from vad_lib.runs.run_folder import METRICS, SCORES
from vad_lib.storage.reading import read_arrays, read_json
from vad_lib.storage.writing import write_json


@pytest.fixture
def finished(made_up):
    """A function: write a made-up run and measure its scores; gives the run's folder."""

    def write(dataset="synth-crime", variant="proposed", seed=1, **config):
        folder = made_up.write(dataset, variant, seed, **config)
        arrays, content = read_arrays(folder / SCORES), read_json(folder / METRICS)
        names = arrays["videos"].tolist()
        labels = dict(zip(names, np.split(arrays["labels"], np.cumsum(arrays["num_frames"])[:-1])))
        snippets = dict(zip(names, np.split(arrays["score"], np.cumsum(arrays["num_snippets"])[:-1])))
        scores = {name: scoring.frame_scores(snippets[name], len(labels[name]), name=name) for name in names}
        categories = {name: text.split(";") for name, text in zip(names, arrays["video_categories"].tolist())}
        measured = frame_level.evaluate(labels, scores, categories, "Normal")
        for rule in content["selections"].values():
            rule["metrics"] = measured
        write_json(folder / METRICS, content)
        return folder

    return write


@pytest.fixture
def by_hand():
    """A card of somebody else's numbers: two seeds, 80 and 82 %."""
    return {
        "schema_version": 1,
        "kind": "external",
        "title": "Our method on UCF-Crime",
        "data": {
            "title": "UCF-Crime",
            "mask_rule": "A",
            "test": {"videos": 290, "abnormal_videos": 140, "frames": 1109680, "abnormal_frames": 84128},
            "test_videos_sha256": "a" * 64,
            "labels_sha256": "b" * 64,
        },
        "features": {"backbone": "i3d", "dimension": 1024},
        "method": {"name": "ours", "bibtex": "@misc{ours,\n}"},
        "selection": {"rule": "last"},
        "headline_metric": "auc",
        "seeds": [1, 2],
        "measures": [
            {
                "metric": "auc",
                "selection": "last",
                "values": [0.8, 0.82],
                "mean": 0.81,
                "sd": 0.0141,
                "interval": {"low": 0.79, "high": 0.83, "level": 0.95, "kind": "test videos"},
            }
        ],
    }


@pytest.fixture
def written(tmp_path):
    """A function: write a card's JSON as a person would."""

    def write(document, name="card.json"):
        path = tmp_path / name
        path.write_text(json.dumps(document))
        return path

    return write
