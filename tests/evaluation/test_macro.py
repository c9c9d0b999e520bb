"""Macro AUC by hand under each convention for videos of one class."""

import numpy as np
import pytest
from made_scores import made
from sklearn.metrics import roc_auc_score

from vad_lib.errors import DataError, UndefinedMetricError
from vad_lib.evaluation.macro import macro_auc, macro_auc_of, video_aucs
from vad_lib.metrics import frame_roc_auc

# "both": of the four pairs of an abnormal and a normal frame three are in order. "abnormal": padded, its abnormal frames score
# 0.5, 0 and 1, its normal one 0: two pairs in order and a tie, 2.5 of 3. "normal": padded, 0.3 and 0 against 1, all in order.
LABELS = {"both": np.array([0, 0, 1, 1]), "abnormal": np.array([1, 1]), "normal": np.array([0])}
SCORES = {"both": np.array([0.1, 0.4, 0.35, 0.8]), "abnormal": np.array([0.5, 0.0]), "normal": np.array([0.3])}


def test_videos_of_one_class_are_padded():
    assert video_aucs(LABELS, SCORES) == pytest.approx({"both": 3 / 4, "abnormal": 2.5 / 3, "normal": 1.0})
    assert macro_auc(LABELS, SCORES) == pytest.approx((3 / 4 + 2.5 / 3 + 1) / 3)


def test_videos_of_one_class_are_left_out():
    assert video_aucs(LABELS, SCORES, "leave-out") == {"both": 0.75}
    assert macro_auc(LABELS, SCORES, "leave-out") == 0.75


def test_all_videos_are_padded():
    """Of "both", abnormal 0.35, 0.8, 1 and normal 0, 0.1, 0.4: eight of nine pairs are in order."""
    assert macro_auc(LABELS, SCORES, "pad-all") == pytest.approx((8 / 9 + 2.5 / 3 + 1) / 3)


def test_scores_in_order_within_each_video_are_not_in_order_among_all():
    labels = {"a": np.array([0, 1]), "b": np.array([0, 1])}
    scores = {"a": np.array([0.1, 0.2]), "b": np.array([0.8, 0.9])}
    assert macro_auc(labels, scores) == 1.0
    joined = (np.concatenate(list(part.values())) for part in (labels, scores))
    assert frame_roc_auc(*joined) == 0.75  # 0.2 is below 0.8


def test_it_is_the_mean_of_scikit_learn():
    rng = np.random.default_rng(3)
    labels = {str(n): np.r_[0, rng.integers(0, 2, 30), 1] for n in range(7)}
    scores = {name: np.round(rng.random(32), 1) for name in labels}
    expected = np.mean([roc_auc_score(labels[name], scores[name]) for name in labels])
    assert macro_auc(labels, scores) == pytest.approx(expected, abs=1e-12)
    padded = np.mean([roc_auc_score(np.r_[0, labels[n], 1], np.r_[0, scores[n], 1]) for n in labels])
    assert macro_auc(labels, scores, "pad-all") == pytest.approx(padded, abs=1e-12)
    assert macro_auc(dict(reversed(labels.items())), scores) == pytest.approx(expected, abs=1e-12)


def test_it_is_an_error_where_it_is_not_defined():
    with pytest.raises(UndefinedMetricError, match="no video has both normal and abnormal frames"):
        macro_auc({"a": np.array([0, 0])}, {"a": np.array([0.1, 0.2])}, "leave-out")
    with pytest.raises(UndefinedMetricError, match="macro AUC: not defined"):
        macro_auc({}, {})
    with pytest.raises(DataError, match="b"):
        macro_auc({"a": np.array([0, 1]), "b": np.array([0, 1])}, {"a": np.array([0.1, 0.2])})
    with pytest.raises(DataError, match="video a"):
        macro_auc({"a": np.array([0, 1])}, {"a": np.array([0.1, 0.2, 0.3])})


def test_macro_auc_of_a_run_is_that_of_its_frames():
    run = made(3)
    labels, scores = {}, {}
    for place, video in enumerate(run.videos):
        mine = run.video == place
        pieces = list(zip(run.score[mine], run.abnormal[mine], run.normal[mine]))
        labels[video] = np.concatenate([[1] * a + [0] * n for _, a, n in pieces])
        scores[video] = np.concatenate([[score] * (a + n) for score, a, n in pieces])
    for one_class in ("pad", "pad-all", "leave-out"):
        assert macro_auc_of(run, one_class) == pytest.approx(macro_auc(labels, scores, one_class), abs=1e-12)
