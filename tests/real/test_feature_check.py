"""The check of one's own features, on real clips and features that others extracted from them."""

import functools

import numpy as np
import pytest
import torch

from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.feature_comparison import compare_features
from vad_lib.data.snippets import crop_views, network_input, read_snippets
from vad_lib.errors import MissingFileError

CLIPS = ("fi037", "nofi001")
COLOURED = "nofi001"  # the other is grey, so that exchanged colours cannot show


@pytest.fixture(scope="module")
def extract(shared):
    """Clip and order of colours -> features made here, each once."""
    try:
        network = load_i3d("kinetics400")
    except MissingFileError as error:
        pytest.skip(str(error))

    @functools.cache
    def features(clip: str, colours: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
        snippets = read_snippets(shared / "real" / "clips" / f"{clip}.mp4", 256, 224)
        views = (crop_views(snippet[..., list(colours)], 224, 1) for snippet in snippets)
        return torch.cat([network(network_input(view)) for view in views]).numpy()[None]

    return features


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_features_by_others_are_recognised(extract, shared, clip):
    theirs = np.load(shared / "real" / "clips" / f"{clip}_i3d_center.npy", allow_pickle=False)
    found = compare_features(theirs, extract(clip), name=clip)
    assert found.same, found.verdict
    assert found.cosine[:, :4].min() > 0.999  # both clips have four complete snippets


@pytest.mark.slow
def test_exchanged_colours_are_named(extract):
    ours, swapped = extract(COLOURED), extract(COLOURED, (2, 1, 0))
    assert compare_features(swapped, ours).cause in ("pixels", "unknown")
    assert compare_features(swapped, ours, {"exchanging red and blue": swapped}).cause == "exchanging red and blue"


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_a_missing_first_snippet_is_named(extract, clip):
    assert compare_features(extract(clip)[0, 1:], extract(clip)).cause == "shift"


@pytest.mark.slow
def test_another_video_is_not_taken_for_this_one(extract):
    found = compare_features(*map(extract, CLIPS))
    assert found.cause == "unknown", found.verdict
