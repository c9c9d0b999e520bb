"""The yardstick: learns what single snippets show, nothing from permuted labels, and never looks at intervals."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from planted_set import auc_on_test
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vad_lib.config import RunSettings, TrainSettings
from vad_lib.data.dataset import load_dataset, permute_labels
from vad_lib.errors import DataError
from vad_lib.methods.logistic_regression import (
    LogisticRegressionLearner,
    LogisticRegressionSettings,
    _chosen_penalty,
    training_snippets,
)


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


def fitted(dataset, records, seed=0, **options):
    """A learner after its one step."""
    train = TrainSettings(seed=seed)
    run = RunSettings(variant="lr", method="logistic-regression", title="LR", options=options, train=train)
    learner = LogisticRegressionLearner(run, dataset, records)
    assert learner.num_steps == 1 and 0 < learner.step(0)["loss"] < 1
    return learner


def scores_of(dataset, fit, records, seed=0, **options):
    return {name: value["score"] for name, value in fitted(dataset, fit, seed, **options).snippet_scores(records).items()}


def test_planted_shifts_are_found(dataset):
    fit, test = dataset.videos.split("train"), dataset.videos.split("test")
    scores = scores_of(dataset, fit, test)
    assert list(scores) == [record.name for record in test]
    for record in test:
        assert scores[record.name].shape == (dataset.store.num_snippets(record.name),)
        assert 0 <= scores[record.name].min() <= scores[record.name].max() <= 1
    assert auc_on_test(dataset, scores) > 0.9


def test_permuted_labels_teach_nothing(dataset):
    test = dataset.videos.split("test")
    permuted = [permute_labels(dataset, seed).videos.split("train") for seed in range(8)]
    found = [auc_on_test(dataset, scores_of(dataset, records, test)) for records in permuted]
    assert np.mean(found) == pytest.approx(0.5, abs=0.15)


def test_the_same_seed_gives_the_same_bytes_and_the_draw_follows_the_seed(dataset):
    fit, test = dataset.videos.split("train"), dataset.videos.split("test")[:1]

    def scores(seed, **bound):
        return scores_of(dataset, fit, test, seed, **bound)[test[0].name].tobytes()

    assert scores(1) == scores(1) == scores(2)
    assert scores(1, max_snippets=300) == scores(1, max_snippets=300)
    assert len({scores(1), scores(1, max_snippets=300), scores(2, max_snippets=300)}) == 3


def test_both_kinds_of_video_are_needed(dataset):
    normal = [record for record in dataset.videos.split("train") if not dataset.videos.is_abnormal(record)]
    with pytest.raises(DataError, match="logistic regression needs normal and abnormal videos"):
        fitted(dataset, normal)


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
    scores = scores_of(dataclasses.replace(dataset, store=store), fit, records)
    assert np.abs(scores["first"] - scores["second"]).max() > 0.01
    np.testing.assert_allclose(scores["both"], (scores["first"] + scores["second"]) / 2, atol=1e-6)


def test_a_crop_is_scored_by_itself(dataset):
    fit, records = dataset.videos.split("train"), dataset.videos.split("test")[:3]
    learner = fitted(dataset, fit)
    assert learner.num_crops == 2
    alone = [learner.snippet_scores(records, crop=crop) for crop in range(2)]
    for name, value in learner.snippet_scores(records).items():
        np.testing.assert_allclose(value["score"], (alone[0][name]["score"] + alone[1][name]["score"]) / 2, atol=1e-6)


def test_scores_are_those_of_scikit_learn(dataset):
    """The weights are kept as tensors and the formula is written out; a pipeline of scikit-learn gives the same bits."""
    fit, record = dataset.videos.split("train"), dataset.videos.split("test")[1]
    snippets, targets, _ = training_snippets(dataset, fit, 50_000, seed=0)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=1000)).fit(snippets, targets)
    of_crops = dataset.store.snippets(record.name).astype(np.float32)
    expected = np.mean([pipeline.predict_proba(crop)[:, 1] for crop in of_crops], axis=0)
    found = fitted(dataset, fit, inverse_penalties=(0.5,)).snippet_scores([record])[record.name]["score"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_the_penalty_is_chosen_on_videos_that_were_not_learned(dataset):
    """Forty numbers tell sixteen videos apart by their backdrops; only the first one tells what other videos share."""
    rng = np.random.default_rng(0)
    owners, abnormal = np.repeat(np.arange(16), 10), np.arange(16) % 2 == 1
    snippets = rng.normal(size=(16, 40))[owners] + 0.1 * rng.normal(size=(160, 40))
    snippets[:, 0] += abnormal[owners]
    penalties = (1e-4, 1e-2, 1.0)
    chosen = _chosen_penalty(penalties, snippets, abnormal[owners], owners)
    splits = list(StratifiedGroupKFold(5).split(snippets, abnormal[owners], owners))
    loss = [0.0] * 3
    for place, c in enumerate(penalties):
        for fit, held in splits:
            pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)).fit(
                snippets[fit], abnormal[owners][fit]
            )
            loss[place] += log_loss(abnormal[owners][held], pipeline.predict_proba(snippets[held]))
    assert chosen == penalties[int(np.argmin(loss))] < 1
    few = owners < 2  # a video of each class cannot be held out
    assert _chosen_penalty(penalties, snippets[few], abnormal[owners][few], owners[few]) == 1e-2
    assert (
        fitted(dataset, dataset.videos.split("train")).step(0)["inverse_penalty"] in LogisticRegressionSettings().inverse_penalties
    )


def test_weights_score_again(dataset):
    fit, records = dataset.videos.split("train"), dataset.videos.split("test")
    learner, other = fitted(dataset, fit), fitted(dataset, fit[:20])
    assert {name: tuple(weight.shape) for name, weight in learner.weights().items()} == {
        "mean": (16,), "scale": (16,), "weight": (1, 16), "bias": (1,),
    }  # fmt: skip
    other.load_state(learner.state())
    for name, value in learner.snippet_scores(records).items():
        assert np.array_equal(value["score"], other.snippet_scores(records)[name]["score"])
