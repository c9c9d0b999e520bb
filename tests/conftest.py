"""Shared fixtures: seeds, the optional shared folder, no network."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from vad_lib.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.files import write_json
from vad_lib.provenance import seed_everything

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeded():
    seed_everything(0)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Only connections within the machine are allowed (Jupyter kernels need those)."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address}; tests need no network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of known answers and real clips; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("VAD_SHARED") or ROOT.parent / "shared")
    if not (folder / "oracles").is_dir():
        pytest.skip(f"known answers not found at {folder}; set VAD_SHARED to the folder that holds oracles/")
    return folder


def pytest_configure(config):
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def planted_folder(tmp_path_factory) -> Path:
    """A data set folder of synthetic bags: 40 training and 12 test videos, 16-d noise, a mean shift planted in abnormal spans.

    The shift points another way for each category. Small enough to train on in seconds, easy enough to find.
    """
    folder = tmp_path_factory.mktemp("planted") / "planted"
    write_planted_dataset(folder, np.random.default_rng(5))
    return folder


def write_planted_dataset(folder: Path, rng: np.random.Generator, dimension: int = 16, crops: int = 2) -> None:
    from vad_lib.features import FeatureContract, FeatureStore

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
        crops=("centre", "top-left")[:crops], dtype="float16", source="tests",
    )  # fmt: skip
    FeatureStore.write(folder / "store", contract, arrays.items())
