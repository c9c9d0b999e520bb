"""Known answers of I3D with the real weights on real footage."""

import cv2
import numpy as np
import pytest
import torch

from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.snippets import crop_views, network_input, read_snippets
from vad_lib.data.video import probe, read_frames
from vad_lib.errors import MissingFileError

CLIPS = ("fi001", "fi037", "fi104", "nofi001", "nofi040", "nofi120")


@pytest.fixture(scope="module")
def network() -> I3D:
    try:
        return load_i3d("kinetics400")
    except MissingFileError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_cricket_is_playing_cricket(network, shared):
    capture = cv2.VideoCapture(str(shared / "real" / "v_CricketShot_g04_c01_rgb.gif"))
    frames = []
    while (frame := capture.read()[1]) is not None:
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    assert len(frames) == 79
    probabilities = network.logits(network_input(np.stack(frames)[None])).softmax(dim=1)[0]
    labels = (shared / "real" / "kinetics400_labels.txt").read_text().splitlines()
    assert labels[int(probabilities.argmax())] == "playing cricket"
    assert float(probabilities.max()) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_features_of_a_real_clip(network, shared, name):
    path = shared / "real" / "clips" / f"{name}.mp4"
    expected = np.load(path.with_name(f"{name}_i3d_center.npy"), allow_pickle=False)
    # the known answers treat the tail of a video by another rule
    complete = probe(path).num_frames // 16
    snippets = [crop_views(snippet, 224, 1) for _, snippet in zip(range(complete), read_snippets(path, 256, 224))]
    features = torch.cat([network(network_input(views)) for views in snippets]).numpy()
    expected = expected[:complete]
    cosine = (features * expected).sum(axis=1) / np.linalg.norm(features, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.999
    assert np.abs(features - expected).max() < 1e-3


def test_clips_decode_whole(shared):
    for name in CLIPS:
        path = shared / "real" / "clips" / f"{name}.mp4"
        info = probe(path)
        assert info.num_frames == sum(1 for _ in read_frames(path)) >= 48
        assert info.fps > 20
