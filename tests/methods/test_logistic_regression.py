"""The yardstick: learns what single snippets show, nothing from permuted labels, and never looks at intervals."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from vad_lib.data.dataset import load_dataset, permute_labels
from vad_lib.errors import DataError
from vad_lib.evaluation.scoring import frame_scores
from vad_lib.methods.logistic_regression import snippet_logistic_regression
from vad_lib.metrics import frame_roc_auc


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


def auc_on_test(dataset, scores):
    records = dataset.videos.split("test")
    frames = [frame_scores(scores[record.name], record.num_frames) for record in records]
    return frame_roc_auc(np.concatenate([record.frame_labels() for record in records]), np.concatenate(frames))


def test_planted_shifts_are_found(dataset):
    fit, test = dataset.videos.split("train"), dataset.videos.split("test")
    scores = snippet_logistic_regression(dataset, fit, test, seed=0)
    assert list(scores) == [record.name for record in test]
    for record in test:
        assert scores[record.name].shape == (dataset.store.num_snippets(record.name),)
        assert 0 <= scores[record.name].min() <= scores[record.name].max() <= 1
    assert auc_on_test(dataset, scores) > 0.9


def test_permuted_labels_teach_nothing(dataset):
    test = dataset.videos.split("test")
    permuted = [permute_labels(dataset, seed).videos.split("train") for seed in range(8)]
    found = [auc_on_test(dataset, snippet_logistic_regression(dataset, records, test, seed=0)) for records in permuted]
    assert np.mean(found) == pytest.approx(0.5, abs=0.15)


def test_the_same_seed_gives_the_same_bytes_and_the_draw_follows_the_seed(dataset):
    fit, test = dataset.videos.split("train"), dataset.videos.split("test")[:1]

    def scores(seed, **bound):
        return snippet_logistic_regression(dataset, fit, test, seed, **bound)[test[0].name].tobytes()

    assert scores(1) == scores(1) == scores(2)
    assert scores(1, max_snippets=300) == scores(1, max_snippets=300)
    assert len({scores(1), scores(1, max_snippets=300), scores(2, max_snippets=300)}) == 3


def test_both_kinds_of_video_are_needed(dataset):
    normal = [record for record in dataset.videos.split("train") if not dataset.videos.is_abnormal(record)]
    with pytest.raises(DataError, match="logistic regression needs normal and abnormal videos"):
        snippet_logistic_regression(dataset, normal, normal, seed=0)


def test_scores_are_the_mean_over_crops(dataset):
    """Three views of one test video: both crops, and either one standing in for both."""
    fit, record = dataset.videos.split("train"), dataset.videos.split("test")[1]
    own = dataset.store.snippets(record.name)
    views = {"both": own, "first": own[[0, 0]], "second": own[[1, 1]]}
    store = SimpleNamespace(
        num_crops=2,
        num_snippets=dataset.store.num_snippets,
        snippets=lambda name: views[name] if name in views else dataset.store.snippets(name),
    )
    records = [dataclasses.replace(record, name=name) for name in views]
    scores = snippet_logistic_regression(dataclasses.replace(dataset, store=store), fit, records, seed=0)
    assert np.abs(scores["first"] - scores["second"]).max() > 0.01
    np.testing.assert_allclose(scores["both"], (scores["first"] + scores["second"]) / 2, atol=1e-6)
