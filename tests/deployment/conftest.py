"""Runs and a video that several tests share."""

from pathlib import Path

import pytest
from numbered_videos import numbered
from small_runs import write_noise, write_runs
from stream_servers import encoded

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


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """FFmpeg would ask a proxy even for the loopback address."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def transport_stream() -> bytes:
    """Frames 0 to 47, which show their numbers."""
    return encoded([numbered(index) for index in range(48)])
