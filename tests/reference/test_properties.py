"""What must not change a number: order of videos, order of crops, a strictly increasing map of the scores, padding."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vad_lib import metrics
from vad_lib.data.annotations import VideoRecord
from vad_lib.evaluation import frame_level
from vad_lib.evaluation.scoring import frame_scores, snippet_scores
from vad_lib.methods.base import Method

BOUNDED = settings(max_examples=40, deadline=None, derandomize=True)
RANKED = (metrics.frame_roc_auc, metrics.average_precision, metrics.pr_auc_trapezoid)


@st.composite
def scored_frames(draw):
    """Labels of both classes, and scores with many ties."""
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=2, max_size=60)))
    assume(0 < labels.sum() < len(labels))
    grid = draw(st.sampled_from([2, 10, 1000]))
    levels = draw(st.lists(st.integers(0, grid), min_size=len(labels), max_size=len(labels)))
    return labels, np.array(levels) / grid


@st.composite
def scored_videos(draw):
    """A test set with at least one normal and two abnormal videos that hold frames of both classes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels, categories = {}, {}
    for index in range(draw(st.integers(3, 8))):
        mask = np.zeros(int(rng.integers(4, 30)), dtype=np.uint8)
        if index:
            mask[1 : int(rng.integers(2, len(mask)))] = 1
        labels[f"v{index}"] = mask
        categories[f"v{index}"] = ("Normal",) if not index else (("Fire",), ("Riot",), ("Fire", "Riot"))[index % 3]
    scores = {video: rng.integers(0, 12, len(mask)) / 12 for video, mask in labels.items()}
    return labels, scores, categories


@BOUNDED
@given(scored_frames(), st.sampled_from([np.square, np.sqrt, lambda s: 0.2 + s / 3, lambda s: np.expm1(s) / 2]))
def test_a_strictly_increasing_map_keeps_every_ranked_metric(frames, increasing):
    labels, scores = frames
    for metric in RANKED:
        assert metric(labels, increasing(scores)) == metric(labels, scores)


@BOUNDED
@given(scored_frames())
def test_the_mirrored_task_has_the_same_auc_and_a_reversed_score_its_complement(frames):
    labels, scores = frames
    auc = metrics.frame_roc_auc(labels, scores)
    assert metrics.frame_roc_auc(1 - labels, 1 - scores) == pytest.approx(auc, abs=1e-12)
    assert metrics.frame_roc_auc(labels, 1 - scores) == pytest.approx(1 - auc, abs=1e-12)


@BOUNDED
@given(scored_frames(), st.integers(2, 16))
def test_repeating_every_frame_changes_nothing(frames, times):
    labels, scores = frames
    for metric in RANKED:
        repeated = metric(np.repeat(labels, times), np.repeat(scores, times))
        assert repeated == pytest.approx(metric(labels, scores), abs=1e-12)


@BOUNDED
@given(scored_frames())
def test_curves_rise_and_metrics_are_fractions(frames):
    labels, scores = frames
    roc, pr = metrics.roc_curve(labels, scores), metrics.pr_curve(labels, scores)
    assert np.all(np.diff(roc.false_positive_rate) >= 0)
    assert np.all(np.diff(roc.true_positive_rate) >= 0)
    assert np.all(np.diff(pr.recall) >= 0)
    assert (roc.false_positive_rate[-1], roc.true_positive_rate[-1], pr.recall[-1]) == (1, 1, 1)
    assert all(0 <= metric(labels, scores) <= 1 for metric in RANKED)


@BOUNDED
@given(scored_videos(), st.randoms(use_true_random=False))
def test_the_order_of_videos_changes_not_one_bit(test_set, random):
    labels, scores, categories = test_set
    order = random.sample(list(labels), len(labels))
    shuffled = ({video: part[video] for video in order} for part in (labels, scores, categories))
    assert frame_level.evaluate(*shuffled, "Normal") == frame_level.evaluate(labels, scores, categories, "Normal")


@BOUNDED
@given(st.integers(1, 400), st.integers(1, 32))
def test_frame_scores_have_one_value_per_frame_and_keep_their_order(num_frames, frames_per_snippet):
    snippets = np.arange(-(-num_frames // frames_per_snippet))
    frames = frame_scores(snippets, num_frames, frames_per_snippet)
    assert np.array_equal(frames, np.arange(num_frames) // frames_per_snippet)


# --- crops and padding, through a method --------------------------------------------------------------------


class Output(NamedTuple):
    scores: Tensor


class SmallMethod(Method):
    feature_dim = 4

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.GRU(4, 3, bidirectional=True, batch_first=True)

    def encode(self, features):
        return Output(self.rnn(features)[0].sum(-1).sigmoid())

    def loss(self, output, batch):
        return {}

    def scores(self, output):
        return {"score": output.scores.mean(dim=1)}


METHOD = SmallMethod()


def in_memory(snippets):
    """A data set of one video, (crops, T, D)."""
    store = SimpleNamespace(num_crops=len(snippets), num_snippets=lambda _: snippets.shape[1], snippets=lambda _: snippets)
    return SimpleNamespace(store=store)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(2, 10), st.integers(1, 12), st.integers(1, 40))
def test_the_order_of_crops_changes_no_score(seed, crops, length, max_tokens):
    rng = np.random.default_rng(seed)
    snippets = rng.normal(size=(crops, length, 4)).astype(np.float32)
    record = VideoRecord("v", "test", ("Normal",), 16 * length)
    first = snippet_scores(METHOD, in_memory(snippets), [record], max_tokens=max_tokens)["v"]["score"]
    mixed = snippet_scores(METHOD, in_memory(snippets[rng.permutation(crops)]), [record], max_tokens=2048)["v"]["score"]
    np.testing.assert_allclose(mixed, first, atol=1e-6)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_padding_changes_no_score(lengths, extra, seed):
    features = torch.randn(len(lengths), 2, max(lengths) + extra, 4, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(features.shape[2]) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        padded = METHOD.scores(METHOD(features, mask))["score"]
        for row, length in enumerate(lengths):
            alone = METHOD.scores(METHOD(features[row : row + 1, :, :length]))["score"][0]
            torch.testing.assert_close(padded[row, :length], alone, atol=1e-6, rtol=0)
