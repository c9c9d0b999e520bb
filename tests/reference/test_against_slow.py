"""The library's metrics against plain loops and scikit-learn, on random scores with many ties."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from vad_lib import metrics

slow = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("slow.py"))))

# Decimals of the scores: 0 leaves two distinct values, 1 eleven, 12 next to no ties.
CASES = [(seed, decimals) for seed in range(4) for decimals in (0, 1, 2, 12)]


def frames(seed, decimals, size=120):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(size) < rng.integers(1, size)).astype(np.uint8)
    return labels, np.clip(0.3 * labels + 0.8 * rng.random(size), 0, 1).round(decimals)


@pytest.mark.parametrize(("seed", "decimals"), CASES)
@pytest.mark.parametrize(
    ("fast", "plain"),
    [
        (metrics.frame_roc_auc, slow.roc_auc),
        (metrics.average_precision, slow.average_precision),
        (metrics.pr_auc_trapezoid, slow.pr_auc_trapezoid),
        (metrics.true_positive_rate, slow.true_positive_rate),
        (metrics.false_positive_rate, slow.false_positive_rate),
    ],
)
def test_plain_loops(fast, plain, seed, decimals):
    labels, scores = frames(seed, decimals)
    assert fast(labels, scores) == pytest.approx(plain(labels.tolist(), scores.tolist()), abs=1e-12)


@pytest.mark.parametrize(("seed", "decimals"), CASES)
def test_scikit_learn(seed, decimals):
    labels, scores = frames(seed, decimals, size=5000)
    assert metrics.frame_roc_auc(labels, scores) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert metrics.average_precision(labels, scores) == pytest.approx(
        sklearn_metrics.average_precision_score(labels, scores), abs=1e-12
    )
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, scores)
    assert metrics.pr_auc_trapezoid(labels, scores) == pytest.approx(sklearn_metrics.auc(recall, precision), abs=1e-12)
    curve = metrics.pr_curve(labels, scores)
    assert curve.precision == pytest.approx(precision[::-1])
    assert curve.recall == pytest.approx(recall[::-1])
    false_rate, true_rate, thresholds = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    curve = metrics.roc_curve(labels, scores)
    assert curve.false_positive_rate == pytest.approx(false_rate)
    assert curve.true_positive_rate == pytest.approx(true_rate)
    assert curve.thresholds == pytest.approx(thresholds)
    alarms = scores >= 0.5
    precision, recall = metrics.precision_recall(labels, scores)
    assert precision == pytest.approx(sklearn_metrics.precision_score(labels, alarms))
    assert recall == pytest.approx(sklearn_metrics.recall_score(labels, alarms))
