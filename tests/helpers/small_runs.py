"""Small runs on planted bags, widened to the features of a random I3D, so that they score small videos in no time."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from vad_lib import config
from vad_lib.config import TrainSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.prompts import text_features
from vad_lib.data.video_writing import write_video
from vad_lib.runs import trainer

FRAMES, FPS = 37, 10.0  # three snippets, the last one incomplete
TRAIN = TrainSettings(steps=2, eval_every=2, batch_size=2, num_segments=4, validation_fraction=0.3)


def write_runs(folder: Path, planted_folder: Path, contract: FeatureContract) -> None:
    """Train ``ur-dmu`` and ``proposed`` into folders of these names, on planted bags with features of this contract."""
    data = folder / planted_folder.name
    shutil.copytree(planted_folder, data)
    narrow = FeatureStore.open(planted_folder / "store")
    wide = ((name, np.pad(narrow.snippets(name)[:1], ((0, 0), (0, 0), (0, 1024 - narrow.dimension)))) for name in narrow.videos)
    FeatureStore.write(data / "store", contract, wide)
    dataset = load_dataset(data)
    for method in ("ur-dmu", "proposed"):
        settings = config.RunSettings(variant=method, method=method, title=method, width=16, train=TRAIN)
        text = text_features("random", dataset.categories) if method == "proposed" else None
        trainer.train_run(settings, dataset, text, folder / method, progress=False)


def write_noise(path: Path, frames: int = FRAMES, seed: int = 0) -> Path:
    """A video of noise, 66 x 48 pixels, ten frames a second."""
    rng = np.random.default_rng(seed)
    pictures = (cv2.resize(rng.integers(0, 255, (6, 9, 3), dtype=np.uint8), (66, 48)) for _ in range(frames))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures, FPS)
    return path
