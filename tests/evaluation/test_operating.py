"""Recall at few false alarms, partial AUC and best F1, by hand and against scikit-learn."""

import numpy as np
import pytest
from made_scores import expanded, made, one_video
from sklearn.metrics import precision_recall_curve, roc_auc_score

from vad_lib.errors import ConfigError, UndefinedMetricError
from vad_lib.evaluation import operating


@pytest.fixture
def scored():
    """100 normal and 16 abnormal frames; the ROC curve is (0, 0), (.01, .5), (.05, .5), (.1, 1), (1, 1)."""
    return one_video([0.9, 0.8, 0.5, 0.2], [8, 0, 8, 0], [1, 4, 5, 90], [(0, 0, 8), (0, 13, 21)])


def test_recall_at_a_rate_by_hand(scored):
    assert operating.recall_at(scored, 0.001) == 0
    assert operating.recall_at(scored, 0.01) == operating.recall_at(scored, 0.09) == 0.5
    assert operating.recall_at(scored, 0.1) == 1
    with pytest.raises(ConfigError, match="got 1"):
        operating.recall_at(scored, 1)


def test_recall_on_draws_sets_the_threshold_anew():
    # 100 normal frames in each of two videos, 2 of them above the lower score of the events; 16 abnormal ones in each of two
    piece = {"score": [0.7, 0.1, 0.1, 0.8, 0.6, 0.6], "video": [0, 0, 1, 2, 2, 3]}
    scored = one_video(
        abnormal=[0, 0, 0, 8, 8, 16], normal=[2, 98, 100, 0, 0, 0], events=[(2, 0, 16), (3, 0, 16)], videos=4, **piece
    )
    counts = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [2, 1, 1, 1], [1, 0, 2, 1], [1, 0, 0, 2], [0, 1, 1, 3]])
    assert operating.recall_on_draws(scored, counts, 0.01).tolist() == pytest.approx([1, 8 / 32, 8 / 32, 16 / 48, 0, 1])
    assert operating.recall_on_draws(scored, counts, 0).tolist() == pytest.approx([8 / 32, 8 / 32, 8 / 32, 16 / 48, 0, 1])
    with pytest.raises(ConfigError, match="got 1"):
        operating.recall_on_draws(scored, counts, 1)
    with pytest.raises(UndefinedMetricError, match="recall of Row: not defined"):
        operating.recall_on_draws(scored, np.array([[1, 1, 0, 0]]), 0.01)


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_recall_on_draws_equals_recall_on_their_frames(monkeypatch, block):
    monkeypatch.setattr(operating, "_BLOCK", block)
    scored = made(decimals=2)
    counts = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=20) + 1
    for rate in (0.01, 0.1, 0.4):
        found = operating.recall_on_draws(scored, np.concatenate([np.ones((1, 12)), counts]), rate)
        assert found[0] == operating.recall_at(scored, rate)
        for times, recall in zip(counts, found[1:]):
            labels, scores = expanded(scored, times)
            allowed = [t for t in np.unique(scores) if (scores[labels == 0] >= t).mean() <= rate]
            assert recall == pytest.approx((scores[labels == 1] >= min(allowed, default=np.inf)).mean())


def test_partial_auc_by_hand(scored):
    assert operating.partial_auc(scored, 0.03, standardised=False) == pytest.approx(0.0025 + 0.02 * 0.5)
    assert operating.partial_auc(scored, 0.05, standardised=False) == pytest.approx(0.0025 + 0.04 * 0.5)
    assert operating.partial_auc(scored, 0.1, standardised=False) == pytest.approx(0.06)
    assert operating.partial_auc(scored) == pytest.approx((1 + (0.06 - 0.005) / 0.095) / 2)
    for standardised in (True, False):
        assert operating.partial_auc(scored, 1, standardised=standardised) == pytest.approx(scored.value("auc"))
    assert operating.partial_auc(scored.with_scores(lambda scores: np.full(len(scores), 0.5))) == pytest.approx(0.5)
    with pytest.raises(ConfigError, match=r"\(0, 1\], got 0"):
        operating.partial_auc(scored, 0)


def test_best_f1_by_hand(scored):
    # thresholds .9: 16 / 25; .8: 16 / 29; .5: 32 / 42; .2: 32 / 132
    assert operating.best_f1(scored) == (pytest.approx(32 / 42), 0.5)
    # of equal values the highest threshold: 2 / (1 + 0 + 3) and 4 / (2 + 3 + 3)
    assert operating.best_f1(one_video([0.9, 0.8, 0.1], [1, 1, 1], [0, 3, 10], [(0, 0, 2)])) == (0.5, 0.9)


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_they_equal_scikit_learn(decimals):
    for seed in range(3):
        scored = made(seed, decimals=decimals)
        labels, scores = expanded(scored, np.ones(12))
        for rate in (0.01, 0.1, 0.37):
            assert operating.partial_auc(scored, rate) == pytest.approx(roc_auc_score(labels, scores, max_fpr=rate), abs=1e-12)
        precision, recall, _ = precision_recall_curve(labels, scores)
        expected = max(2 * p * r / (p + r) for p, r in zip(precision, recall) if p + r)
        assert operating.best_f1(scored).f1 == pytest.approx(expected, abs=1e-12)


def test_one_class_is_refused():
    normal = one_video([0.5, 0.4], [0, 0], [16, 16], [])
    for measure in (operating.partial_auc, operating.best_f1, lambda run: operating.recall_at(run, 0.01)):
        with pytest.raises(UndefinedMetricError, match="of Row: not defined, it needs abnormal and normal frames"):
            measure(normal)
