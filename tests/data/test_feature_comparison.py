"""Each mistake that people make with features is planted, and must be named."""

import numpy as np
import pytest

from vad_lib.data.feature_comparison import compare_features
from vad_lib.errors import DataError


@pytest.fixture
def ours():
    """Five crops of one video: alike, as crops of one scene are."""
    rng = np.random.default_rng(0)
    return (rng.random((1, 20, 64)) + 0.3 + 0.3 * rng.random((5, 20, 64))).astype(np.float32)


def with_other_tail(features):
    changed = features.copy()
    changed[:, -1] = np.random.default_rng(1).random(features[:, -1].shape)
    return changed


@pytest.mark.parametrize(
    ("mistake", "cause", "words"),
    [
        (lambda x: x.astype(np.float16), "none", "can be used"),
        (lambda x: x[0], "none", "20 snippets, ours 20"),
        (lambda x: x[:, :-1], "none", "incomplete, was dropped"),
        (lambda x: np.concatenate([x, x[:, -1:]], axis=1), "none", "padded at the end"),
        (with_other_tail, "padding", "filled up in another way"),
        (lambda x: x[[1, 0, 2, 3, 4]], "crop order", "top_left, centre, top_right"),
        (lambda x: x[3], "crop order", "bottom_left"),
        (lambda x: x[:, 1:], "shift", "1 too late"),
        (lambda x: np.concatenate([x[:, ::-1][:, :2], x], axis=1), "shift", "first 2 rows"),
        (lambda x: np.repeat(x, 2, axis=1), "stride", "8 frames apart"),
        (lambda x: x[:, ::2], "stride", "32 frames apart"),
        (lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True), "scale", "normalisation"),
        (lambda x: x + 0.4 * np.random.default_rng(2).random(x.shape), "pixels", "prepared otherwise"),
        (lambda x: np.random.default_rng(3).random(x.shape), "unknown", "other weights"),
    ],
)
def test_a_planted_mistake_is_named(ours, mistake, cause, words):
    found = compare_features(mistake(ours), ours, name="street")
    assert found.cause == cause
    assert found.verdict.startswith("street: mean cosine")
    assert words in found.verdict
    assert found.same == (cause in ("none", "padding"))


def test_numbers(ours):
    found = compare_features(ours[:2, 1:], ours)
    assert found.cosine.shape == (2, 19)
    assert found.snippets == (19, 20)
    by_hand = ours[1, 5] @ ours[1, 4] / np.linalg.norm(ours[1, 5]) / np.linalg.norm(ours[1, 4])
    assert found.cosine[1, 4] == pytest.approx(by_hand, abs=1e-6)
    assert found.cosine.mean() < found.explained == pytest.approx(1, abs=1e-6)


def test_a_mistake_that_only_pixels_show_is_found_by_a_variant(ours):
    swapped = ours**2
    found = compare_features(swapped[:, :-1], ours, {"exchanging red and blue": swapped})
    assert found.cause == "exchanging red and blue"
    assert "without it" in found.verdict


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (np.ones((20, 2048)), "2,048 wide, ours 64"),
        (np.ones((20, 5, 64)), "exchange the first two axes"),
        (np.ones((10, 20, 64)), "10 crops cannot be compared with 5"),
        (np.ones(64), "give the features of one video"),
        (np.ones((20, 64), dtype=int), "got int64"),
        (np.ones((0, 64)), "give the features of one video"),
        (np.full((20, 64), np.nan), "NaN"),
        (np.zeros((20, 64)), "zeros"),
    ],
)
def test_what_cannot_be_compared_is_refused(ours, own, words):
    with pytest.raises(DataError, match=words):
        compare_features(own, ours)


def test_a_variant_of_another_shape_is_refused(ours):
    with pytest.raises(DataError, match="variant BGR"):
        compare_features(ours[:, 1:] ** 3, ours, {"BGR": ours[:, 1:]})
