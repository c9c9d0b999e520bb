"""Metrics: what they refuse, and the dictionary of a whole test set."""

import json

import numpy as np
import pytest
import torch

from vad_lib import metrics
from vad_lib.errors import ConfigError, DataError, UndefinedMetricError
from vad_lib.evaluation import frame_level

LABELS = np.array([0, 1, 0, 1])
SCORES = np.array([0.1, 0.9, 0.4, 0.6])
RANKED = [
    metrics.frame_roc_auc,
    metrics.average_precision,
    metrics.pr_auc_trapezoid,
    metrics.roc_curve,
    metrics.pr_curve,
]
EVERY = [*RANKED, metrics.true_positive_rate, metrics.false_positive_rate, metrics.precision_recall]


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (LABELS, SCORES[:3], "4 frame labels but 3 frame scores"),
        (LABELS, [0.1, np.nan, 0.4, 0.6], r"scores must be numbers in \[0, 1\], got nan"),
        (LABELS, [0.1, 1.2, 0.4, 0.6], "got 0.1 to 1.2"),
        (LABELS, [-0.1, 0.2, 0.4, 0.6], "got -0.1 to 0.6"),
        ([0, 2, 0, 1], SCORES, r"labels must be 0 \(normal\) or 1"),
        ([], [], "expected at least one frame"),
        (["a", "b", "a", "b"], SCORES, "frames, labels: expected whole or real numbers, got <U1"),
        (LABELS, ["0.1", "0.2", "0.4", "0.6"], "frames, scores: expected whole or real numbers, got <U3"),
        (LABELS, [None, 0.2, 0.4, 0.6], "expected whole or real numbers, got object"),
        (LABELS, SCORES * 1j, "expected whole or real numbers, got complex128"),
        (LABELS.reshape(2, 2), SCORES.reshape(2, 2), "one label and one score per frame"),
    ],
)
def test_wrong_input_is_refused(metric, labels, scores, message):
    with pytest.raises(DataError, match=message):
        metric(np.array(labels), np.array(scores))


@pytest.mark.parametrize("metric", RANKED)
@pytest.mark.parametrize(("label", "name"), [(0, "normal"), (1, "abnormal")])
def test_one_class_is_an_error_not_one_half(metric, label, name):
    with pytest.raises(DataError, match=f"not defined, it needs abnormal and normal frames and all 4 frames are {name}"):
        metric(np.full(4, label), SCORES)


def test_rates_need_their_own_class_only():
    assert metrics.true_positive_rate(np.ones(4, int), SCORES) == 0.5
    assert metrics.false_positive_rate(np.zeros(4, int), SCORES) == 0.5
    with pytest.raises(DataError, match="true positive rate: not defined, it needs abnormal frames"):
        metrics.true_positive_rate(np.zeros(4, int), SCORES)
    with pytest.raises(DataError, match="false positive rate: not defined, it needs normal frames"):
        metrics.false_positive_rate(np.ones(4, int), SCORES)


def test_precision_without_an_alarm_is_not_defined():
    with pytest.raises(DataError, match=r"no score reaches the threshold 0\.95"):
        metrics.precision_recall(LABELS, SCORES, threshold=0.95)


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_are_numbers_too(metric, dtype):
    scores = torch.tensor(SCORES, dtype=dtype, requires_grad=True)
    np.testing.assert_equal(metric(torch.tensor(LABELS), scores), metric(LABELS, scores.detach().double().numpy()))


@pytest.mark.parametrize("threshold", [np.nan, -0.1, 1.1, -np.inf])
def test_a_threshold_is_in_the_range_of_scores(threshold):
    for rate in (metrics.true_positive_rate, metrics.false_positive_rate, metrics.precision_recall):
        with pytest.raises(ConfigError, match="threshold: expected a number in"):
            rate(LABELS, SCORES, threshold)
    with pytest.raises(ConfigError, match="threshold: expected a number in"):
        frame_level.evaluate(*small_test_set(), "Normal", threshold)
    assert metrics.true_positive_rate(LABELS, SCORES, np.inf) == 0


def test_the_last_digit_of_a_float32_mean_is_let_pass():
    scores = np.array([0, 1, 0.5, np.nextafter(np.float32(1), np.float32(2))], dtype=np.float32)
    assert metrics.frame_roc_auc(LABELS, scores) == 1


# --- a whole test set -------------------------------------------------------------------------------------


def small_test_set():
    labels = {
        "calm": np.array([0, 0, 0, 0], np.uint8),
        "fire": np.array([0, 1, 1, 0], np.uint8),
        "brawl": np.array([0, 0, 1], np.uint8),
    }
    scores = {
        "calm": np.array([0.1, 0.2, 0.3, 0.6], np.float32),
        "fire": np.array([0.4, 0.9, 0.8, 0.7], np.float32),
        "brawl": np.array([0.0, 0.5, 0.2], np.float32),
    }
    categories = {"calm": ("Normal",), "fire": ("Arson",), "brawl": ("Fighting", "Riot")}
    return labels, scores, categories


def test_evaluate_by_hand():
    result = frame_level.evaluate(*small_test_set(), "Normal")
    # Normal frames: 0 .1 .2 .3 .4 .5 .6 .7; abnormal: 0.9 and 0.8 beat all eight, 0.2 beats two, ties one.
    assert result["auc"] == pytest.approx((8 + 8 + 2.5) / 24)
    # inside abnormal videos the normal frames are 0 .4 .5 .7
    assert result["auc_abnormal_videos"] == pytest.approx((4 + 4 + 1) / 12)
    assert result["auc_per_category"] == {
        "Arson": 1.0,
        "Fighting": pytest.approx(2.5 / 6),  # 0.2 against .1 .2 .3 .6 of calm and 0 .5 of brawl
        "Riot": pytest.approx(2.5 / 6),
    }
    assert result["far_normal_videos"] == pytest.approx(1 / 4)
    assert result["far_all_normal_frames"] == pytest.approx(3 / 8)
    assert result["tpr"] == pytest.approx(2 / 3)
    assert (result["num_videos"], result["num_frames"], result["num_abnormal_frames"]) == (3, 11, 3)


def test_evaluate_agrees_with_the_single_metrics():
    labels, scores, categories = small_test_set()
    result = frame_level.evaluate(labels, scores, categories, "Normal")
    flat = np.concatenate(list(labels.values())), np.concatenate(list(scores.values()))
    assert result["auc"] == metrics.frame_roc_auc(*flat)
    assert result["ap"] == metrics.average_precision(*flat)
    assert result["ap_trapezoid"] == metrics.pr_auc_trapezoid(*flat)
    assert result["tpr"] == metrics.true_positive_rate(*flat)
    assert result["far_all_normal_frames"] == metrics.false_positive_rate(*flat)


def test_evaluate_gives_plain_numbers():
    result = frame_level.evaluate(*small_test_set(), "Normal")
    assert json.loads(json.dumps(result)) == result


def test_videos_must_be_those_of_the_test_list():
    labels, scores, categories = small_test_set()
    scores["stray"] = scores.pop("fire")
    with pytest.raises(DataError, match=r"scores: expected the 3 videos that have labels; missing: fire; surplus: stray"):
        frame_level.evaluate(labels, scores, categories, "Normal")
    labels, scores, categories = small_test_set()
    del categories["calm"]
    with pytest.raises(DataError, match=r"categories: .* missing: calm; surplus: none"):
        frame_level.evaluate(labels, scores, categories, "Normal")


def test_names_given_twice():
    frame_level.check_videos(["a", "b"], iter(["b", "a"]))
    with pytest.raises(DataError, match="the test list: expected every video once, got twice: a"):
        frame_level.check_videos(["a", "b", "a"], ["a", "b"])
    with pytest.raises(DataError, match="masks: expected every video once, got twice: a, b"):
        frame_level.check_videos(["a", "b"], ["b", "a", "b", "a"], "masks")


def test_categories_are_names_not_letters():
    labels, scores, categories = small_test_set()
    with pytest.raises(DataError, match=r"video fire: expected its category names, got the text 'Arson'.*\('Arson',\)"):
        frame_level.evaluate(labels, scores, categories | {"fire": "Arson"}, "Normal")


def test_many_missing_videos_are_counted():
    labels = {f"v{i}": np.array([0, 1]) for i in range(9)}
    with pytest.raises(DataError, match="missing: v0, v1, v2, v3, v4 and 4 more"):
        frame_level.evaluate(labels, {}, {}, "Normal")


@pytest.mark.parametrize(
    ("video", "scores", "message"),
    [
        ("fire", [0.1, 0.2], "video fire: 4 frame labels but 2 frame scores; check frames_per_snippet"),
        ("brawl", [0.1, np.nan, 0.2], "video brawl: scores must be numbers"),
    ],
)
def test_the_message_names_the_video(video, scores, message):
    labels, all_scores, categories = small_test_set()
    all_scores[video] = np.array(scores)
    with pytest.raises(DataError, match=message):
        frame_level.evaluate(labels, all_scores, categories, "Normal")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fire": 0, "brawl": 0}, "AUC: not defined, it needs abnormal and normal frames and all 11 frames are normal"),
        (
            {"fire": 1, "brawl": 1, "calm": None},
            "AUC: not defined, it needs .* all 7 frames are abnormal; check the intervals or add",
        ),
        ({"fire": None, "brawl": None, "calm": None}, "evaluation: not defined, there are no test videos"),
    ],
)
def test_without_frames_of_both_classes_nothing_is_measured(changed, message):
    labels, scores, categories = small_test_set()
    for video, value in changed.items():
        if value is None:
            del labels[video], scores[video], categories[video]
        else:
            labels[video][:] = value
    with pytest.raises(UndefinedMetricError, match=message):
        frame_level.evaluate(labels, scores, categories, "Normal")


def test_without_normal_videos_their_false_alarm_rate_is_not_defined():
    labels, scores, categories = small_test_set()
    whole = frame_level.evaluate(labels, scores, categories, "Normal")
    for part in (labels, scores, categories):
        del part["calm"]
    found = frame_level.evaluate(labels, scores, categories, "Normal")
    assert found["far_normal_videos"] is None
    reason = "FAR on normal videos: not defined, there are no normal test videos; add some."
    assert found["undefined"] == {"far_normal_videos": reason}
    assert found["auc"] == found["auc_abnormal_videos"] == whole["auc_abnormal_videos"]
    assert "undefined" not in whole


def test_a_normal_video_has_no_abnormal_frame():
    labels, scores, categories = small_test_set()
    labels["calm"][2] = 1
    with pytest.raises(DataError, match="video calm: category Normal but 1 abnormal frames"):
        frame_level.evaluate(labels, scores, categories, "Normal")


def test_within_wholly_abnormal_videos_the_auc_is_not_defined():
    labels, scores, categories = small_test_set()
    labels["fire"][:], labels["brawl"][:] = 1, 1
    found = frame_level.evaluate(labels, scores, categories, "Normal")
    assert found["auc_abnormal_videos"] is None
    assert list(found["undefined"]) == ["auc_abnormal_videos"]
    assert found["undefined"]["auc_abnormal_videos"].startswith("AUC on abnormal videos: not defined, it needs abnormal and normal")
    assert 0 <= found["auc"] <= 1 and all(0 <= value <= 1 for value in found["auc_per_category"].values())


def test_a_category_without_abnormal_frames_has_no_auc():
    labels, scores, categories = small_test_set()
    whole = frame_level.evaluate(labels, scores, categories, "Normal")
    name = categories["fire"][0]
    only = [video for video in categories if name in categories[video]]
    for video in only:
        labels[video][:] = 0  # as where features end before the event
    found = frame_level.evaluate(labels, scores, categories, "Normal")
    assert found["auc_per_category"][name] is None and whole["auc_per_category"][name] is not None
    assert found["undefined"][f"auc_per_category/{name}"].startswith(f"AUC of category {name}: not defined")
