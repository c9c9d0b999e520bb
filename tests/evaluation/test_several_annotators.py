"""Simulated annotators, metrics over several of them, and ranks that they change."""

from dataclasses import replace

import numpy as np
import pytest
from made_scores import made, one_video
from sklearn.metrics import average_precision_score, roc_auc_score

from vad_lib.errors import ConfigError, DataError, UndefinedMetricError
from vad_lib.evaluation import several_annotators

AnnotatorSettings = several_annotators.AnnotatorSettings


def pieces(scores, title="Row"):
    """Four pieces of ten frames; the second and the third are abnormal."""
    return replace(one_video(scores, [0, 10, 10, 0], [10, 0, 0, 10], [(0, 10, 30)]), title=title)


def test_own_events_give_the_same_frames_and_others_are_counted():
    scored = made()
    again = several_annotators.relabelled(scored, scored.events[::-1])  # in any order
    assert np.array_equal(again.abnormal, scored.abnormal) and np.array_equal(again.normal, scored.normal)
    assert np.array_equal(again.events, scored.events)
    other = several_annotators.relabelled(pieces([0.1, 0.2, 0.3, 0.4]), np.array([(0, 5, 12), (0, 12, 13), (0, 39, 40)]))
    assert other.abnormal.tolist() == [5, 3, 0, 1] and other.normal.tolist() == [5, 7, 10, 9]
    nothing = several_annotators.relabelled(scored, scored.events[:0])
    assert not nothing.abnormal.any() and np.array_equal(nothing.normal, scored.abnormal + scored.normal)


@pytest.mark.parametrize("event", [(1, 0, 5), (-1, 0, 5), (0, -1, 5), (0, 5, 5), (0, 30, 41)])
def test_events_outside_their_video_are_refused(event):
    with pytest.raises(DataError, match="expected events within their videos, got video"):
        several_annotators.relabelled(pieces([0.1, 0.2, 0.3, 0.4]), np.array([event, (0, 6, 7)]))


def test_events_that_overlap_are_refused():
    with pytest.raises(DataError, match="do not overlap"):
        several_annotators.relabelled(pieces([0.1, 0.2, 0.3, 0.4]), np.array([(0, 5, 12), (0, 11, 20)]))


def test_simulated_annotators_follow_their_model():
    truth = np.column_stack([np.arange(4000), np.full(4000, 100), np.full(4000, 5100)])
    settings = AnnotatorSettings(late_seconds=2.0, early_seconds=4.0, miss=0.1)
    annotators = several_annotators.simulated_annotators(truth, 10.0, 3, 5, settings)
    for number, events in enumerate(annotators):
        habit = np.random.default_rng([5, number]).uniform(0, 2)
        assert (events[:, 1] - 100).mean() == pytest.approx(20 * habit, rel=0.1, abs=0.6)
        assert (5100 - events[:, 2]).mean() == pytest.approx(40 * habit, rel=0.1, abs=0.6)
        assert 1 - len(events) / 4000 == pytest.approx(0.1 * habit, abs=0.02)
    again = several_annotators.simulated_annotators(truth, 10.0, 2, 5, settings)
    assert all(np.array_equal(one, other) for one, other in zip(again, annotators))
    other = several_annotators.simulated_annotators(truth, 10.0, 1, 6, settings)
    assert not np.array_equal(other[0], annotators[0])


def test_simulated_annotators_only_take_away():
    scored = made(videos=30)
    hasty = AnnotatorSettings(late_seconds=60.0, early_seconds=60.0, miss=0.49)
    of = {(video, start): end for video, start, end in scored.events.tolist()}
    for events in several_annotators.simulated_annotators(scored.events, 25.0, 20, 0, hasty):
        assert (several_annotators.relabelled(scored, events).abnormal <= scored.abnormal).all()
        for video, start, end in events.tolist():
            true_start = max(s for v, s in of if v == video and s <= start)
            length = of[video, true_start] - true_start
            assert (
                start - true_start <= 0.4 * length and of[video, true_start] - end <= 0.4 * length and end - start >= 0.2 * length
            )
    single = np.array([(0, 0, 1)])
    assert all(len(events) == 1 for events in several_annotators.simulated_annotators(single, 25.0, 50, 0, hasty))
    exact = AnnotatorSettings(late_seconds=0, early_seconds=0, miss=0)
    assert all(np.array_equal(scored.events, e) for e in several_annotators.simulated_annotators(scored.events, 25.0, 3, 0, exact))
    with pytest.raises(ConfigError, match=r"fps above 0 and one annotator or more, got 25\.0 and 0"):
        several_annotators.simulated_annotators(single, 25.0, 0)
    with pytest.raises(ConfigError, match="miss"):
        AnnotatorSettings(miss=0.5)


def test_shares_by_hand():
    scored = pieces([0.1, 0.9, 0.4, 0.5])
    annotators = [np.array([(0, 10, 30)]), np.array([(0, 10, 20)])]
    # parts of the annotators: 1 for .9, a half for .4; normal: 1 for .1 and .5, a half for .4
    in_order = 1 * (1 + 1 + 0.5) + 0.5 * (1 + 0 + 0.5 / 2)
    assert several_annotators.shared_labels(scored, annotators, "auc") == pytest.approx(in_order / (1.5 * 2.5))
    assert several_annotators.shared_labels(scored, annotators, "ap") == pytest.approx((1 * 1 + 0.5 * 1.5 / 3) / 1.5)
    with pytest.raises(DataError, match="one annotator or more, got none"):
        several_annotators.shared_labels(scored, [], "auc")
    with pytest.raises(UndefinedMetricError, match="AP of Row"):
        several_annotators.shared_labels(scored, [scored.events[:0]], "ap")


def test_shares_equal_weights_in_scikit_learn():
    scored = made(2, decimals=2)
    annotators = several_annotators.simulated_annotators(scored.events, 1.0, 3, 0, AnnotatorSettings(late_seconds=3, miss=0.3))
    abnormal = np.mean([several_annotators.relabelled(scored, events).abnormal for events in annotators], axis=0)
    weights = np.concatenate([abnormal, scored.abnormal + scored.normal - abnormal])
    labels, scores = np.repeat([1, 0], len(abnormal)), np.tile(scored.score, 2)
    for metric, reference in (("auc", roc_auc_score), ("ap", average_precision_score)):
        expected = reference(labels, scores, sample_weight=weights)
        assert several_annotators.shared_labels(scored, annotators, metric) == pytest.approx(expected, abs=1e-12)


def test_an_annotator_can_turn_the_order_of_methods():
    rows = {"A": [pieces([0.1, 0.9, 0.4, 0.5], "A")], "B": [pieces([0.1, 0.3, 0.9, 0.2], "B")]}
    found = several_annotators.ranks_under_annotators(rows, [np.array([(0, 10, 20)]), np.array([(0, 10, 30)])], "auc")
    assert found["annotator"].tolist() == [name for name in ("own labels", "1", "2", "mean", "shares") for _ in "AB"]
    table = found.pivot(index="method", columns="annotator", values=["value", "rank"])
    assert table["value"].loc["A", ["own labels", "1", "2", "mean"]].tolist() == pytest.approx([0.75, 1, 0.75, 0.875])
    assert table["value"].loc["B", ["own labels", "1", "2", "mean"]].tolist() == pytest.approx([1, 2 / 3, 1, 5 / 6])
    assert table["rank"].loc["A", ["own labels", "1", "2", "mean"]].tolist() == [2, 1, 2, 1]
    assert table["rank"].loc["B", ["own labels", "1", "2", "mean"]].tolist() == [1, 2, 1, 2]
    same = several_annotators.ranks_under_annotators({"A": rows["A"], "twin": rows["A"]}, [np.array([(0, 10, 20)])], "ap")
    assert set(same["rank"]) == {1}
    elsewhere = one_video([0.5, 0.4], [16, 0], [0, 16], [(0, 0, 16)])
    with pytest.raises(DataError, match="other frame labels"):
        several_annotators.ranks_under_annotators({**rows, "C": [elsewhere]}, [np.array([(0, 10, 20)])], "auc")
    with pytest.raises(DataError, match="one method or more, got none"):
        several_annotators.ranks_under_annotators({}, [np.array([(0, 10, 20)])], "auc")
