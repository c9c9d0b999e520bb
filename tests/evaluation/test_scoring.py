"""Scoring: crops averaged on scores, memory bounded, modes restored, frames cut to the video."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vad_lib.data.dataset import load_dataset
from vad_lib.errors import DataError
from vad_lib.evaluation.scoring import frame_scores, snippet_scores
from vad_lib.methods.base import Method


class Scores(NamedTuple):
    scores: Tensor
    alignment: Tensor


class Recorder(Method):
    """Scores that need the whole sequence, dropout that only training may use, and a note of every call."""

    feature_dim = 16

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.GRU(16, 4, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.calls = []

    def encode(self, features):
        self.calls.append((tuple(features.shape[:2]), self.training, torch.is_inference_mode_enabled()))
        hidden = self.dropout(self.rnn(features)[0])
        return Scores(hidden.sum(-1).sigmoid(), hidden[..., :3].tanh())

    def loss(self, output, batch):
        return {}

    def scores(self, output):
        return {"score": output.scores.mean(dim=1), "alignment": output.alignment.mean(dim=1)}


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


def one_crop_at_a_time(method, dataset, record):
    """The definition: each crop by itself, then the mean of the scores."""
    method.eval()
    with torch.no_grad():
        crops = [
            method.scores(method(torch.from_numpy(crop.astype(np.float32))[None, None]))
            for crop in dataset.store.snippets(record.name)
        ]
    return {key: np.mean([crop[key][0].numpy() for crop in crops], axis=0) for key in crops[0]}


@pytest.mark.parametrize("max_tokens", [1, 8, 30, 2048])
def test_scores_are_the_mean_over_crops_whatever_the_chunks(dataset, max_tokens):
    method, records = Recorder(), dataset.videos.split("test")
    found = snippet_scores(method, dataset, records, max_tokens=max_tokens)
    assert list(found) == [record.name for record in records]
    for record in records:
        expected = one_crop_at_a_time(method, dataset, record)
        assert found[record.name]["score"].shape == (dataset.store.num_snippets(record.name),)
        assert found[record.name]["score"].dtype == np.float32
        for key in ("score", "alignment"):
            np.testing.assert_allclose(found[record.name][key], expected[key], atol=1e-6)


@pytest.mark.parametrize("max_tokens", [1, 30, 100])
def test_memory_is_bounded_by_the_tokens_or_one_crop(dataset, max_tokens):
    method = Recorder()
    snippet_scores(method, dataset, dataset.videos.split("test"), max_tokens=max_tokens)
    assert all(sequences == 1 or sequences * length <= max_tokens for (sequences, length), _, _ in method.calls)
    sequences = sum(sequences for (sequences, _), _, _ in method.calls)
    assert sequences == 12 * 2  # every crop of every video once


def test_equally_long_videos_share_a_pass(dataset):
    method, records = Recorder(), dataset.videos.split("test")
    snippet_scores(method, dataset, records)
    assert len(method.calls) == len({dataset.store.num_snippets(record.name) for record in records}) < len(records)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_mode_inside_and_the_own_mode_afterwards(dataset, training):
    method = Recorder().train(training)
    snippet_scores(method, dataset, dataset.videos.split("test")[:2])
    assert all(not in_training and inference for _, in_training, inference in method.calls)
    assert method.training == method.dropout.training == training


def test_the_mode_is_restored_after_a_failure(dataset):
    class Failing(Recorder):
        def encode(self, features):
            raise RuntimeError("out of memory")

    method = Failing().train()
    with pytest.raises(RuntimeError, match="out of memory"):
        snippet_scores(method, dataset, dataset.videos.split("test")[:1])
    assert method.training


def test_a_method_of_another_width_is_refused(dataset):
    class Wide(Recorder):
        feature_dim = 32

    with pytest.raises(DataError, match="built for width 32, got 16"):
        snippet_scores(Wide(), dataset, dataset.videos.split("test")[:1])


# --- frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_frames", "last"), [(33, 1), (48, 16), (47, 15)])
def test_each_score_counts_for_its_sixteen_frames(num_frames, last):
    frames = frame_scores(np.array([0.1, 0.2, 0.3], np.float32), num_frames)
    assert frames.dtype == np.float32
    assert frames.tolist() == np.repeat(np.float32([0.1, 0.2, 0.3]), [16, 16, last]).tolist()


def test_maps_over_categories_are_repeated_along_time():
    frames = frame_scores(np.arange(6).reshape(3, 2), 5, frames_per_snippet=2)
    assert frames.tolist() == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5]]


@pytest.mark.parametrize("num_frames", [32, 49, 1412])
def test_a_length_that_does_not_fit_names_the_video_and_both_numbers(num_frames):
    needed = f"{num_frames:,} frames need {-(-num_frames // 16):,} snippet scores"
    with pytest.raises(DataError, match=f"video Abuse028: {needed} of 16 frames, got 3; check frames_per_snippet"):
        frame_scores(np.zeros(3), num_frames, name="Abuse028")
