"""Runs and a video that several tests share."""

from pathlib import Path

import pytest
from small_runs import write_noise, write_runs

from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.feature_store import FeatureContract


@pytest.fixture(scope="session")
def small_contract() -> FeatureContract:
    random = load_i3d("random")
    return FeatureContract(weights_sha256=random.weights_sha256, weights_note=random.weights_note, short_side=40, crop_size=32)


@pytest.fixture(scope="session")
def small_runs(planted_folder, small_contract, tmp_path_factory) -> Path:
    """Run folders ``ur-dmu`` and ``proposed``, whose features a random I3D makes of small videos."""
    folder = tmp_path_factory.mktemp("own")
    write_runs(folder, planted_folder, small_contract)
    return folder


@pytest.fixture(scope="session")
def small_video(tmp_path_factory) -> Path:
    """37 frames of noise, ten a second."""
    return write_noise(tmp_path_factory.mktemp("video") / "yard.mp4")
