"""Metrics on draws of the test videos: exact with ties, refused where they are not defined."""

import numpy as np
import pytest
from made_scores import expanded, made, one_video

from vad_lib import metrics
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import bootstrap, scored_videos


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize(("metric", "definition"), [("auc", metrics.frame_roc_auc), ("ap", metrics.average_precision)])
def test_draws_equal_the_metric_on_their_frames(metric, definition, decimals, monkeypatch):
    monkeypatch.setattr(scored_videos, "_CHUNK", 100)  # several chunks
    for seed in range(5):
        scored = made(seed, decimals=decimals)
        counts, _ = bootstrap.draw_videos(scored, bootstrap.Bootstrap(num_draws=20, seed=seed, stratified=False))
        expected = [definition(*expanded(scored, row)) for row in counts]
        np.testing.assert_allclose(scored_videos.metric_on_draws(scored, counts, metric), expected, rtol=0, atol=1e-12)
        assert scored.value(metric) == pytest.approx(definition(*expanded(scored, np.ones(12))), abs=1e-12)


def test_a_constant_score_and_a_perfect_one():
    scored = made()
    constant = scored.with_scores(lambda scores: np.full(len(scores), 0.5))
    share = scored.abnormal.sum() / (scored.abnormal + scored.normal).sum()
    assert constant.value("auc") == 0.5 and constant.value("ap") == pytest.approx(share)
    perfect = one_video([0.9, 0.1], [16, 0], [0, 16], [(0, 0, 16)])
    assert perfect.value("auc") == perfect.value("ap") == 1


def test_metrics_that_are_not_defined():
    scored = made()
    with pytest.raises(ConfigError, match=r"expected one of auc, ap, map_vadclip_code.*, got 'f1'"):
        scored_videos.metric_on_draws(scored, np.ones((1, 12)), "f1")
    normal_only = np.eye(12)[[0]]
    with pytest.raises(DataError, match="AP of Row: not defined, it needs abnormal and normal frames"):
        scored_videos.metric_on_draws(scored, normal_only, "ap")
    with pytest.raises(DataError, match="category_accuracy of Row: needs an alignment map"):
        scored_videos.metric_on_draws(scored, np.ones((1, 12)), "category_accuracy")
