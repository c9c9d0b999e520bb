"""Known answers of detection mAP on the annotations of UCF-Crime and XD-Violence, made with VadCLIP's own function.

The probabilities are a formula of video number, snippet and annotation.
"""

import csv

import numpy as np
import pytest

from vad_lib.data.annotations import VideoRecord
from vad_lib.evaluation import detection
from vad_lib.evaluation.event_matching import matched_segments
from vad_lib.storage.reading import read_arrays

SETS = {"ucf": "ucf_crime", "xd": "xd_violence"}


def rows(folder, name):
    with open(folder / "annotations" / name, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def spans(text):
    return tuple(tuple(map(int, part.split("-"))) for part in text.split(";") if part)


def test_records(folder, data):
    """Test videos in stored order, 16 frames for each snippet of VadCLIP's features."""
    frames = {row["video"]: int(row["len_C_vadclip"]) for row in rows(folder, f"{data}_gt_lengths.csv")}
    found = []
    for row in rows(folder, f"{data}_test.csv"):
        if data == "ucf_crime":
            categories, events = (row["category"],), ()
        else:
            categories = tuple(code for code in row["label_codes"].split("-") if code != "0")
            parts = [part.split(":") for part in row["class_intervals"].split(";") if part]
            events = tuple((code, *spans(span)[0]) for code, span in parts)
        found.append(
            VideoRecord(row["video"], "test", categories, frames[row["video"]], spans(row["intervals"]), events, mask_rule="C")
        )
    return found


test_records.__test__ = False  # records of the test split, not a test


def formula(record, video, categories):
    """Class probabilities of the known answers, float64 (T, C)."""
    t, c = np.arange(record.num_frames // 16)[:, None], np.arange(len(categories))
    middle, active = 16 * t[:, 0] + 8, np.zeros((len(t), len(c)))
    for category, start, end in record.events():
        if category != categories[0]:
            active[(start <= middle) & (middle < end), categories.index(category)] = 1
    active[active.sum(axis=1) == 0, 0] = 1
    logits = 1.5 * np.sin(0.09 * t * (1 + 0.07 * c) + 0.9 * c + 0.37 * video) + 2.5 * active
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module", params=SETS)
def case(request, shared):
    expected = read_arrays(shared / "oracles" / f"detection_map_{request.param}.npz")
    records, categories = test_records(shared, SETS[request.param]), expected["class_order"].tolist()
    probabilities = {record.name: formula(record, number, categories) for number, record in enumerate(records)}
    return request.param, expected, records, categories, probabilities


def test_the_formula_is_the_known_one(case):
    _, expected, records, _, probabilities = case
    for key, record in (("video0", records[0]), ("lastvideo", records[-1])):
        assert probabilities[record.name][:3] == pytest.approx(expected[f"probs_{key}_first3snippets"], abs=1e-12)


def test_as_vadclip_s_code_computes_it(case):
    name, expected, records, categories, probabilities = case
    found = detection.class_ap(matched_segments(probabilities, records, categories, normal_ground_truth=name == "xd"))
    assert found.num_segments.tolist() == expected["n_segments_excl0"].tolist()
    assert found.num_events.tolist() == expected["n_gt_per_class"].tolist()
    assert found.ap == pytest.approx(expected["perclass_ap_excl0"], abs=1e-9)
    assert 100 * detection.mean_ap(found) == pytest.approx(expected["official_excl0"], abs=1e-9)
    assert 100 * detection.mean_ap(found, "abnormal_only") == pytest.approx(expected["map_abnormal_classes_only_excl0"], abs=1e-9)


def test_abnormal_videos_and_categories_only(case):
    _, expected, records, categories, probabilities = case
    found = detection.class_ap(matched_segments(probabilities, records, categories), "abnormal_only")
    assert found.num_segments.tolist() == expected["n_segments_excl1"].tolist()
    assert found.ap[:, 1:] == pytest.approx(expected["perclass_ap_excl1"][:, 1:], abs=1e-9)
    assert 100 * detection.mean_ap(found, "abnormal_only") == pytest.approx(expected["map_abnormal_classes_only_excl1"], abs=1e-9)


@pytest.mark.parametrize(("name", "lowest", "highest"), [("ucf", 92.86, 92.86), ("xd", 82.25, 82.45)])
def test_what_perfect_scores_reach(shared, name, lowest, highest):
    """The normal class has no ground truth in UCF-Crime and no segment in a constantly normal video of XD-Violence."""
    records = test_records(shared, SETS[name])
    categories = read_arrays(shared / "oracles" / f"detection_map_{name}.npz")["class_order"].tolist()
    perfect = {}
    for record in records:
        frames = np.zeros((record.num_frames, len(categories)))
        for category, start, end in record.events():
            frames[start:end, categories.index(category)] = 1
        frames[frames[:, 1:].sum(axis=1) == 0, 0] = 1
        perfect[record.name] = frames
    matched = matched_segments(perfect, records, categories, normal_ground_truth=name == "xd", frames_per_snippet=1)
    values = 100 * detection.mean_ap(detection.class_ap(matched))
    assert (values.min(), values.max()) == pytest.approx((lowest, highest), abs=0.005)
