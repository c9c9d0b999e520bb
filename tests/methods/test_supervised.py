"""The ceiling: finds what frame labels show, sees no label of the videos that it scores, and says where it cannot be had."""

import dataclasses
import runpy
from types import SimpleNamespace

import gap_sets
import numpy as np
import pytest
from planted_set import auc_on_test
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from vad_lib.config import RunSettings, TrainSettings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import ConfigError, DataError
from vad_lib.methods.supervised import SupervisedLearner, abnormal_shares, snippet_features, too_few_videos, video_folds
from vad_lib.metrics import frame_roc_auc
from vad_lib.storage.paths import PROJECT_ROOT

HALF = ((0, gap_sets.FRAMES // 2),)


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


def learner_of(dataset, seed=0, **options):
    run = RunSettings(variant="s", method="supervised", title="S", options=options, train=TrainSettings(seed=seed))
    return SupervisedLearner(run, dataset, dataset.videos.split("train"))


def fitted(dataset, seed=0, **options):
    """A learner after its one step."""
    learner = learner_of(dataset, seed, **options)
    assert learner.num_steps == 1 and 0 < learner.step(0)["loss"] < 2
    return learner


def scores_of(learner, records):
    return {name: value["score"] for name, value in learner.snippet_scores(records).items()}


def with_test_videos(dataset, changed):
    """The data set with test videos that a function changed; None leaves one out."""
    records = tuple(changed(record) if record.split == "test" else record for record in dataset.videos.records)
    records = tuple(record for record in records if record)
    return dataclasses.replace(dataset, videos=dataclasses.replace(dataset.videos, records=records))


def eight_frames_later(record):
    """Events that begin and end in the middle of a snippet."""
    later = [(start + 8, min(end + 8, record.num_frames)) for start, end in record.intervals]
    return dataclasses.replace(record, intervals=tuple(later))


# --- what it learns, and from whom --------------------------------------------------------------------
def test_planted_shifts_are_found(dataset):
    test = dataset.videos.split("test")
    scores = scores_of(fitted(dataset), test)
    assert list(scores) == [record.name for record in test]
    for record in test:
        assert scores[record.name].shape == (dataset.store.num_snippets(record.name),)
        assert scores[record.name].dtype == np.float32
        assert 0 <= scores[record.name].min() <= scores[record.name].max() <= 1
    assert auc_on_test(dataset, scores) > 0.9


def test_labels_that_mean_nothing_give_chance_out_of_fold(tmp_path):
    """Noise of so many numbers is learned by heart: a copy of a test video under another name is told right, itself not."""
    records = [*gap_sets.training(), *gap_sets.videos("test", "Normal", 8), *gap_sets.videos("test", "Arson", 8, intervals=HALF)]
    dataset, rng = gap_sets.write_set(tmp_path / "gaps", records), np.random.default_rng(0)
    arrays = {record.name: rng.normal(size=(1, 20, 200)).astype(np.float16) for record in records}
    arrays |= {f"copy-{name}": values for name, values in arrays.items()}
    dataset = dataclasses.replace(dataset, store=SimpleNamespace(num_crops=1, dimension=200, snippets=arrays.__getitem__))
    test = dataset.videos.split("test")
    itself, copied = [], []
    for seed in range(4):
        learner = fitted(dataset, seed, inverse_penalty=0.1)
        itself.append(auc_on_test(dataset, scores_of(learner, test)))
        copies = scores_of(learner, [dataclasses.replace(record, name=f"copy-{record.name}") for record in test])
        copied.append(auc_on_test(dataset, {record.name: copies[f"copy-{record.name}"] for record in test}))
    assert np.mean(itself) == pytest.approx(0.5, abs=0.1)
    assert min(copied) > 0.9


def test_its_own_label_does_not_move_a_score(dataset):
    name = next(record.name for record in dataset.videos.split("test") if record.intervals)
    moved = with_test_videos(dataset, lambda r: dataclasses.replace(r, intervals=((0, 16),)) if r.name == name else r)
    before, after = (scores_of(fitted(each), each.videos.split("test")) for each in (dataset, moved))
    assert np.array_equal(before[name], after[name])
    assert sum(not np.array_equal(before[other], after[other]) for other in before) >= len(before) // 2


def test_scores_are_those_of_scikit_learn_on_two_weighted_copies_of_every_row(dataset):
    dataset = with_test_videos(dataset, eight_frames_later)
    test, folds = dataset.videos.split("test"), video_folds(dataset, 5, seed=0)
    place = next(place for place, record in enumerate(test) if record.intervals)
    others = [record for record, fold in zip(test, folds) if fold != folds[place]]
    snippets = [dataset.store.snippets(record.name).astype(np.float32).mean(axis=0) for record in others]
    shares = np.concatenate([abnormal_shares(record, len(rows)) for record, rows in zip(others, snippets)])
    assert {0.0, 0.5, 1.0} <= set(shares)
    scaler = StandardScaler().fit(np.concatenate(snippets))
    rows, targets = np.tile(scaler.transform(np.concatenate(snippets)), (2, 1)), np.repeat([1, 0], len(shares))
    classifier = LogisticRegression(C=0.01, tol=1e-6).fit(rows, targets, sample_weight=np.append(shares, 1 - shares))
    own = snippet_features(dataset, test[place])
    found = scores_of(fitted(dataset), [test[place]])[test[place].name]
    np.testing.assert_allclose(found, classifier.predict_proba(scaler.transform(own))[:, 1], rtol=0, atol=1e-4)


def test_other_videos_are_scored_by_the_mean_over_folds(dataset):
    learner, record = fitted(dataset), dataset.videos.split("train")[1]
    folds = dict(zip(learner.videos, learner.weights()["folds"].tolist()))
    of_fold = {}
    for name, fold in folds.items():  # the features of the training video, under the name of a test video of each fold
        store = SimpleNamespace(snippets=lambda _: dataset.store.snippets(record.name))
        learner.dataset = dataclasses.replace(dataset, store=store)
        of_fold[fold] = scores_of(learner, [dataclasses.replace(record, name=name)])[name]
    assert len(of_fold) == 5
    np.testing.assert_allclose(scores_of(learner, [record])[record.name], np.mean([*of_fold.values()], axis=0), atol=1e-6)


def test_features_are_means_over_crops_and_no_crop_is_scored_alone(dataset):
    record = dataset.videos.split("test")[1]
    assert dataset.store.num_crops == 2 and learner_of(dataset).num_crops == 1
    expected = dataset.store.snippets(record.name).astype(np.float32).mean(axis=0)
    np.testing.assert_allclose(snippet_features(dataset, record), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("num_frames", "snippets", "interval", "shares"),
    [
        (40, 3, (20, 36), [0, 0.75, 0.5]),  # the last snippet has eight frames
        (40, 2, (20, 40), [0, 20 / 24]),  # features end early: the last one stands for 24 frames
        (16, 1, (0, 16), [1]),
        (32, 2, (20, 99), [0, 0.75]),
    ],
)
def test_shares_by_hand(num_frames, snippets, interval, shares):
    record = VideoRecord("v", "test", ("Arson",), num_frames, (interval,))
    assert abnormal_shares(record, snippets).tolist() == pytest.approx(shares)


# --- folds --------------------------------------------------------------------------------------------
def test_every_fold_has_an_event_and_its_share_of_every_category(dataset):
    test = dataset.videos.split("test")
    for seed in range(5):
        folds = video_folds(dataset, 3, seed)
        counts = {
            category: np.bincount([fold for fold, r in zip(folds, test) if r.categories == (category,)], minlength=3)
            for category in dataset.categories
        }
        assert all(found.max() - found.min() <= 1 for found in counts.values())
        assert (counts["Fighting"] + counts["Arson"] == 2).all() and (counts["Normal"] == 2).all()
    assert len({video_folds(dataset, 3, seed).tobytes() for seed in range(5)}) == 5


@pytest.mark.parametrize(("abnormal", "folds"), [(9, 5), (5, 5), (4, 4), (2, 2)])
def test_fewer_folds_where_fewer_videos_are_abnormal(tmp_path, abnormal, folds):
    records = [*gap_sets.training(), *gap_sets.videos("test", "Normal", 3)]
    dataset = gap_sets.write_set(tmp_path / "gaps", [*records, *gap_sets.videos("test", "Arson", abnormal, intervals=HALF)])
    learner = fitted(dataset, inverse_penalty=1.0)
    assert learner.weights()["weight"].shape == (folds, 1, 8)
    assert set(learner.weights()["folds"].tolist()) == set(range(folds))
    assert auc_on_test(dataset, scores_of(learner, dataset.videos.split("test"))) > 0.8


@pytest.mark.parametrize(("abnormal", "normal"), [(1, 5), (0, 5), (5, 1), (5, 0)])
def test_two_videos_of_either_kind_are_needed(tmp_path, abnormal, normal):
    records = [*gap_sets.training(), *gap_sets.videos("test", "Normal", normal)]
    dataset = gap_sets.write_set(tmp_path / "gaps", [*records, *gap_sets.videos("test", "Arson", abnormal, intervals=HALF)])
    said = f"it needs 2 abnormal and 2 normal test videos, got {abnormal} and {normal}"
    assert too_few_videos(dataset) == said
    with pytest.raises(DataError, match=f"data set gaps: no supervised ceiling, {said}; add videos"):
        learner_of(dataset).step(0)


def test_what_it_takes(dataset):
    assert too_few_videos(dataset) == ""
    for options in ({"inverse_penalty": 0}, {"num_folds": 1}, {"c": 1}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            learner_of(dataset, **options)


# --- weights ------------------------------------------------------------------------------------------
def test_saved_weights_score_again(dataset, tmp_path):
    records, learner, other = dataset.videos.records, fitted(dataset), learner_of(dataset, seed=1)
    assert {name: tuple(weight.shape) for name, weight in learner.weights().items()} == {
        "mean": (5, 16), "scale": (5, 16), "weight": (5, 1, 16), "bias": (5, 1), "folds": (12,),
    }  # fmt: skip
    save_file(learner.weights(), tmp_path / "weights.safetensors")
    other.load_weights(load_file(tmp_path / "weights.safetensors"))
    expected, found = scores_of(learner, records), scores_of(other, records)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_the_same_seed_gives_the_same_bytes_and_the_folds_follow_the_seed(dataset):
    def scores(seed):
        return np.concatenate([*scores_of(fitted(dataset, seed), dataset.videos.split("test")).values()]).tobytes()

    assert scores(1) == scores(1) != scores(2)


def test_weights_of_other_test_videos_are_refused(dataset):
    left_out = dataset.videos.split("test")[0].name
    fewer = with_test_videos(dataset, lambda record: None if record.name == left_out else record)
    with pytest.raises(DataError, match="these weights have folds of 12 test videos, the data set has 11; load them with"):
        learner_of(fewer).load_weights(fitted(dataset).weights())


# --- the script ---------------------------------------------------------------------------------------
def test_the_script_measures_all_categories_and_whole_snippets(dataset):
    dataset = with_test_videos(dataset, eight_frames_later)
    measured = runpy.run_path(str(PROJECT_ROOT / "scripts" / "ceiling.py"))["measured"]
    learner = learner_of(dataset, inverse_penalty=1.0)
    rows = {row["frames of"]: row for row in measured(dataset, learner)}
    assert list(rows) == ["all", "Arson", "Fighting", "whole snippets"]
    test = dataset.videos.split("test")
    snippets = sum(dataset.store.num_snippets(record.name) for record in test)
    assert (rows["all"]["videos"], rows["all"]["snippets"]) == (12, snippets)
    assert rows["Arson"]["videos"] == rows["Fighting"]["videos"] == 9
    assert snippets > rows["whole snippets"]["snippets"] >= snippets - 12
    scores = scores_of(learner, test)
    assert rows["all"]["AUC %"] == pytest.approx(100 * auc_on_test(dataset, scores))
    shares = np.concatenate([abnormal_shares(record, len(scores[record.name])) for record in test])
    whole = (shares == 0) | (shares == 1)
    by_hand = frame_roc_auc(shares[whole], np.concatenate([*scores.values()])[whole])
    assert rows["whole snippets"]["AUC %"] == pytest.approx(100 * by_hand)
    assert by_hand > 0.8
