"""Detection mAP and category accuracy: two videos and two classes by hand, a plain-loop version, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from vad_lib.data.annotations import VideoRecord
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import detection, event_matching, fine_grained

CLASSES = ("Normal", "Fire")
FIRE = VideoRecord("fire", "test", ("Fire",), 64, ((20, 60),))
CALM = VideoRecord("calm", "test", ("Normal",), 32)
RECORDS = (FIRE, CALM)


def two(fire):
    """Probabilities of two classes from that of the second."""
    fire = np.array(fire)
    return np.stack([1 - fire, fire], axis=1)


PROBABILITIES = {"fire": two([0.1, 0.9, 0.5, 0.1]), "calm": two([0.2, 1.0])}


def found(convention="vadclip_code", records=RECORDS, probabilities=PROBABILITIES, **options):
    return detection.class_ap(event_matching.matched_segments(probabilities, records, CLASSES, **options), convention)


def test_segments_by_hand():
    segments = event_matching.predicted_segments(PROBABILITIES["fire"], np.full(4, 16))
    # thresholds 0.9 - 0.6 * 0.8 = 0.42 for both; the video's score is the mean of the 4 highest of 64 frames: 0.9
    assert segments.category.tolist() == [0, 0, 1]
    assert segments.start.tolist() == [0, 32, 16]
    assert segments.end.tolist() == [16, 64, 48]
    assert segments.score == pytest.approx([0.9 + 0.63] * 3)


def test_the_video_score_counts_frames():
    # 40 frames, the last snippet has 8: the 40 // 16 = 2 highest are of it
    segments = event_matching.predicted_segments(two([0.2, 0.4, 0.8]), np.array([16, 16, 8]))
    assert segments.score[segments.category == 1] == pytest.approx(0.8 + 0.7 * 0.8)
    # 256 frames: the mean of 16 takes 8 frames of 0.8 and 8 of 0.4
    segments = event_matching.predicted_segments(two([0.4] + [0.0] * 14 + [0.8]), np.array([16] * 14 + [24, 8]))
    assert segments.score[segments.category == 1] == pytest.approx([0.4 + 0.7 * 0.6, 0.8 + 0.7 * 0.6])


def test_ap_by_hand():
    # Fire: the false segment of calm comes first (1 + 0.7), then the hit of fire, IoU 28 / 44: precision 1/2
    result = found()
    assert result.num_segments.tolist() == [3, 2] and result.num_events.tolist() == [0, 1]
    assert result.ap[:, 1] == pytest.approx([0.5] * 5)
    assert detection.mean_ap(result) == pytest.approx([0.25] * 5)
    assert detection.mean_ap(result, "abnormal_only") == pytest.approx([0.5] * 5)


def test_abnormal_videos_only_by_hand():
    result = found("abnormal_only")
    assert result.num_segments.tolist() == [2, 1]
    assert detection.mean_ap(result, "abnormal_only") == pytest.approx([1] * 5)


def test_normal_ground_truth_by_hand():
    # Normal: two segments of fire (1.53) before the one of calm, [0, 16) against [0, 32): IoU 0.5, precision 1/3
    result = found(normal_ground_truth=True, ious=(0.5, 0.51))
    assert result.num_events.tolist() == [1, 1]
    assert result.ap == pytest.approx(np.array([[1 / 3, 1 / 2], [0, 1 / 2]]))
    assert detection.mean_ap(result) == pytest.approx([5 / 12, 1 / 4])


def test_an_event_is_found_once():
    record = VideoRecord("fire", "test", ("Fire",), 64, ((0, 48),))
    curve = {"fire": two([0.9, 0.1, 0.8, 0.1]), "calm": two([0.0, 0.1])}
    result = found(records=(record, CALM), probabilities=curve, ious=(0.3, 0.4))
    # both segments overlap the event by a third; the second one is a false alarm
    assert result.ap[:, 1].tolist() == [1, 0]


def test_the_event_of_largest_overlap_is_taken():
    record = VideoRecord("fire", "test", ("Fire",), 64, ((0, 12), (8, 32)))
    curve = {"fire": two([0.9, 0.9, 0.1, 0.1]), "calm": two([0.0, 0.1])}
    # [0, 32) overlaps [0, 12) by 12/32 and [8, 32) by 24/32
    assert found(records=(record, CALM), probabilities=curve, ious=(0.1, 0.7, 0.8)).ap[:, 1].tolist() == [0.5, 0.5, 0]


def test_a_class_without_segments_makes_the_code_s_map_zero():
    flat = {"fire": np.column_stack([np.full(4, 0.1), [0.1, 0.9, 0.9, 0.1]]), "calm": np.full((2, 2), 0.5)}
    result = found(probabilities=flat)
    assert result.num_segments.tolist() == [0, 1]
    assert detection.mean_ap(result).tolist() == [0] * 5
    assert detection.mean_ap(result, "abnormal_only") == pytest.approx([1, 1, 1, 1, 1])


def test_segments_of_one_frame_are_dropped():
    record = VideoRecord("fire", "test", ("Fire",), 5, ((0, 2),))
    frames = {"fire": two([0.9, 0.1, 0.1, 0.8, 0.9])}
    result = found("abnormal_only", (record,), frames, frames_per_snippet=1)
    assert result.num_segments.tolist() == [1, 1]
    assert result.ap.max() == 0


def test_events_are_not_cut_to_the_video():
    long = dataclasses.replace(FIRE, intervals=((20, 116),))
    # 28 common frames of 16 to 116
    assert found("abnormal_only", (long, CALM), ious=(0.28, 0.281)).ap[:, 1].tolist() == [1, 0]


def test_early_end_of_features():
    longer = dataclasses.replace(FIRE, num_frames=70)
    result = found("abnormal_only", (longer, CALM), tail="extend")
    assert result.num_segments.tolist() == [2, 1]
    with pytest.raises(DataError, match="video fire: 70 frames need 5 snippet scores"):
        found(records=(longer, CALM))


# --- against plain loops ----------------------------------------------------------------------------------


def slow_ap(probabilities, records, category, column, iou):
    """AP of one class from sets of frames."""
    predicted = []
    for record in records:
        curve = np.repeat(probabilities[record.name][:, column], 16)
        highest = max(curve)
        threshold = highest - 0.6 * (highest - min(curve))
        g = np.mean(sorted(curve, reverse=True)[: len(curve) // 16])
        run = []
        for frame in range(len(curve) + 1):
            if frame < len(curve) and curve[frame] > threshold:
                run.append(frame)
            elif run:
                predicted.append((curve[run].max() + 0.7 * g, record.name, set(run)))
                run = []
    free = {r.name: [set(range(a, b)) for c, a, b in r.events() if c == category] for r in records}
    events, hits, total = sum(map(len, free.values())), 0, 0.0
    for rank, (_, video, frames) in enumerate(sorted(predicted, key=lambda item: -item[0]), start=1):
        overlaps = [len(frames & event) / len(frames | event) for event in free[video]]
        if overlaps and max(overlaps) >= iou:
            del free[video][overlaps.index(max(overlaps))]
            hits += 1
            total += hits / rank
    return total / events


def test_against_plain_loops():
    rng = np.random.default_rng(3)
    categories = ("Normal", "Fire", "Brawl")
    records, probabilities = [], {}
    for video in range(12):
        length = int(rng.integers(20, 60))
        starts = rng.integers(0, 16 * length - 100, 3)
        events = tuple((categories[1 + i % 2], int(s), int(s + rng.integers(20, 160))) for i, s in enumerate(starts))
        spans = tuple(event[1:] for event in events)
        abnormal = video % 3 > 0
        names = ("Fire", "Brawl") if abnormal else ("Normal",)
        records.append(VideoRecord(str(video), "test", names, 16 * length, spans * abnormal, events * abnormal))
        scores = rng.normal(size=(length, 3))
        for category, start, end in events * abnormal:
            scores[start // 16 : end // 16, categories.index(category)] += 2
        probabilities[str(video)] = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    result = detection.class_ap(event_matching.matched_segments(probabilities, records, categories))
    for i, iou in enumerate(event_matching.IOUS):
        for column in (1, 2):
            expected = slow_ap(probabilities, records, categories[column], column, iou)
            assert result.ap[i, column] == pytest.approx(expected, abs=1e-12)
    assert 0 < result.ap[:, 1:].min() < result.ap[:, 1:].max() < 1
    backwards = detection.class_ap(event_matching.matched_segments(probabilities, records[::-1], categories))
    np.testing.assert_array_equal(backwards.ap, result.ap)


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("video", "values", "message"),
    [
        ("fire", two([0.1, 0.9, 0.5]), "video fire: 64 frames need 4 snippet scores of 16 frames, got 3"),
        ("calm", np.full((2, 3), 0.1), r"video calm: expected class probabilities of shape \(snippets, 2\), got \(2, 3\)"),
        ("calm", np.full(2, 0.1), r"got \(2,\)"),
        ("calm", np.empty((0, 2)), r"got \(0, 2\)"),
        ("calm", two([0.1, np.nan]), r"video calm: class probabilities must be numbers in \[0, 1\], got nan"),
        ("calm", two([0.1, 1.5]), "got -0.5 to 1.5; apply the softmax"),
    ],
)
def test_wrong_probabilities(video, values, message):
    with pytest.raises(DataError, match=message):
        found(probabilities=PROBABILITIES | {video: values})


def test_videos_must_be_those_of_the_list():
    with pytest.raises(
        DataError, match="class probabilities: expected the 2 videos that have labels; missing: calm; surplus: none"
    ):
        found(probabilities={"fire": PROBABILITIES["fire"]})
    with pytest.raises(DataError, match="missing: none; surplus: stray"):
        found(probabilities=PROBABILITIES | {"stray": PROBABILITIES["calm"]})
    with pytest.raises(DataError, match="the test list: expected every video once, got twice: fire"):
        found(records=(*RECORDS, FIRE))


def test_events_are_needed():
    both = VideoRecord("fire", "test", ("Fire", "Riot"), 64, ((20, 60),))
    with pytest.raises(DataError, match=r"video fire: no events of Fire and Riot are annotated.*add class_intervals"):
        found(records=(both, CALM))
    with pytest.raises(DataError, match="expected annotated events, got none"):
        found(records=(CALM,), probabilities={"calm": PROBABILITIES["calm"]})
    only_normal = found(records=(CALM,), probabilities={"calm": PROBABILITIES["calm"]}, normal_ground_truth=True)
    with pytest.raises(DataError, match="events of abnormal categories, got none"):
        detection.mean_ap(only_normal, "abnormal_only")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"convention": "honest"}, "convention: expected one of vadclip_code, abnormal_only, got 'honest'"),
        ({"ious": (0.0, 0.5)}, r"expected IoUs in \(0, 1\], got \(0.0, 0.5\)"),
        ({"ious": (0.5, 1.1)}, r"expected IoUs in \(0, 1\]"),
    ],
)
def test_unknown_settings(options, message):
    with pytest.raises(ConfigError, match=message):
        found(**options)


# --- fine-grained results ---------------------------------------------------------------------------------

CATEGORIES = ("Normal", "Fire", "Riot")
COSINES = {
    # k = 4 // 16 + 1 = 1: the highest cosine of each category
    "fire": np.array([[0.5, 0.1, 0.2], [0.1, 0.4, 0.0], [0.2, 0.3, 0.1], [0.5, 0.1, 0.1]]),
    "calm": np.array([[0.6, 0.1, 0.2], [0.5, 0.2, 0.7]]),
    "riot": np.array([[0.1, 0.2, 0.9]]),
}
RIOT = VideoRecord("riot", "test", ("Fire", "Riot"), 16, ((0, 16),), (("Riot", 0, 16),))


def fine(records=(*RECORDS, RIOT), cosines=COSINES, **options):
    return fine_grained.fine_grained(cosines, 0.1, records, CATEGORIES, **options)


def test_category_accuracy_by_hand():
    result = fine()
    # fire: Normal 0.5 before Fire 0.4, wrong; calm: Riot 0.7, wrong; riot: Riot, one of its two
    assert result["category_accuracy"] == pytest.approx(1 / 3)
    # among the abnormal categories: Fire, and Riot
    assert result["category_accuracy_abnormal_videos"] == 1
    assert result["num_events"] == {"Fire": 1, "Riot": 1}
    assert json.loads(json.dumps(result)) == result


def test_fine_grained_detection_is_that_of_the_softmax():
    powers = {video: np.exp(values / 0.1) for video, values in COSINES.items()}
    probabilities = {video: values / values.sum(axis=1, keepdims=True) for video, values in powers.items()}
    result = fine(normal_ground_truth=True)["detection"]
    matched = event_matching.matched_segments(probabilities, (*RECORDS, RIOT), CATEGORIES, normal_ground_truth=True)
    for convention in detection.CONVENTIONS:
        expected = detection.class_ap(matched, convention)
        found = result[convention]["map"]
        assert [found[f"{iou:.1f}"] for iou in event_matching.IOUS] == pytest.approx(detection.mean_ap(expected, convention))
        assert found["average"] == pytest.approx(detection.mean_ap(expected, convention).mean())
        assert result[convention]["ap_per_category"]["Fire"]["0.3"] == pytest.approx(expected.ap[2, 1])
    assert list(result["vadclip_code"]["ap_per_category"]) == ["Normal", "Fire", "Riot"]
    assert list(result["abnormal_only"]["ap_per_category"]) == ["Fire", "Riot"]


def test_without_events_of_every_abnormal_video_there_is_no_detection():
    result = fine((*RECORDS, dataclasses.replace(RIOT, class_intervals=())))
    assert result["detection"] is None
    assert result["category_accuracy_abnormal_videos"] == 1


@pytest.mark.parametrize("normal_ground_truth", [True, False])
def test_without_abnormal_videos_only_the_accuracy_of_all_is_defined(normal_ground_truth):
    result = fine((CALM,), {"calm": COSINES["calm"]}, normal_ground_truth=normal_ground_truth)
    assert result["category_accuracy"] == 0 and result["category_accuracy_abnormal_videos"] is None
    assert result["detection"] is None and result["num_events"] == {"Fire": 0, "Riot": 0}
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    arrays = fine_grained.fine_grained_arrays({"calm": COSINES["calm"]}, 0.1, (CALM,), CATEGORIES)
    assert sorted(arrays) == ["abnormal_category_named", "category_named"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((2, 2), 0.1), r"video calm: expected cosines of shape \(snippets, 3\) in \[-1, 1\], got shape \(2, 2\)"),
        (np.full((2, 3), np.nan), "got shape .*, nan to nan; score the video again"),
        (np.full((2, 3), 1.2), "1.2 to 1.2"),
    ],
)
def test_wrong_alignment_maps(values, message):
    with pytest.raises(DataError, match=message):
        fine(cosines=COSINES | {"calm": values})


def test_alignment_maps_of_other_videos():
    with pytest.raises(DataError, match=r"alignment maps: .* missing: riot; surplus: none"):
        fine(cosines={name: COSINES[name] for name in ("fire", "calm")})


# --- draws of the test videos -------------------------------------------------------------------------


def random_videos(rng, count):
    names = [f"v{i}" for i in range(count)]
    records = []
    for i, name in enumerate(names):
        category = CATEGORIES[i % 3]
        start = int(rng.integers(0, 60))
        intervals = ((start, start + 40),) if i % 3 else ()
        records.append(VideoRecord(name, "test", (category,), 160, intervals=intervals))
    return records, {name: rng.dirichlet(np.ones(3), size=10) for name in names}


@pytest.mark.parametrize("convention", detection.CONVENTIONS)
def test_a_draw_is_the_test_set_with_its_copies(convention):
    rng = np.random.default_rng(3)
    records, probabilities = random_videos(rng, 12)
    matched = event_matching.matched_segments(probabilities, records, CATEGORIES)
    once = detection.map_on_draws(matched, np.ones((1, 12)), convention)
    assert once[0] == pytest.approx(detection.mean_ap(detection.class_ap(matched, convention), convention).mean())
    # leaving videos out is exact; a copy shares the rank of its original, so that its precision counts once for both
    for left_out in (0, 1, 5):
        kept = [record for i, record in enumerate(records) if i != left_out]
        fewer = event_matching.matched_segments({r.name: probabilities[r.name] for r in kept}, kept, CATEGORIES)
        counts = np.ones((2, 12))
        counts[:, left_out] = 0
        expected = pytest.approx(detection.mean_ap(detection.class_ap(fewer, convention), convention).mean())
        assert detection.map_on_draws(matched, counts, convention)[0] == expected
        # the same copies of every video change nothing
        assert detection.map_on_draws(matched, 3 * counts, convention)[1] == expected


def test_a_class_without_events_in_a_draw_is_left_out_of_the_honest_mean():
    records, probabilities = random_videos(np.random.default_rng(4), 6)
    matched = event_matching.matched_segments(probabilities, records, CATEGORIES)
    only_fire = np.array([[1, 1, 0, 1, 1, 0]])
    kept = (records[1], records[4])
    fewer = event_matching.matched_segments({r.name: probabilities[r.name] for r in kept}, kept, CATEGORIES)
    found = detection.class_ap(fewer, "abnormal_only")
    assert detection.map_on_draws(matched, only_fire, "abnormal_only")[0] == pytest.approx(found.ap[:, 1].mean())
