"""Known answers on the whole ground truth of UCF-Crime and XD-Violence, three public mask rules, to 1e-9.

The scores are a formula of video number, frame and label; the numbers were made with scikit-learn.
"""

import csv
from functools import cache

import numpy as np
import pytest

from vad_lib import metrics
from vad_lib.annotations import ground_truth_mask
from vad_lib.files import read_arrays

CASES = [
    ("ucf", "A", "ucf_crime", "len_A_i3d_rocng"),
    ("ucf", "B", "ucf_crime", "len_B_rtfm"),
    ("ucf", "C", "ucf_crime", "len_C_vadclip"),
    ("xd", "A", "xd_violence", "len_A_i3d"),
    ("xd", "C", "xd_violence", "len_C_vadclip"),
]
ABOVE_HALF = float(np.nextafter(0.5, 1))  # s >= this is s > 0.5


def rows(folder, name):
    with open(folder / "annotations" / name, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@cache
def masks(folder, data, rule, column):
    """Mask per video, in the stored order, and the abnormal counts that the table gives."""
    spans = {row["video"]: row["intervals"] for row in rows(folder, f"{data}_test.csv")}
    found, counts = {}, {}
    for row in rows(folder, f"{data}_gt_lengths.csv"):
        video = row["video"]
        intervals = [tuple(map(int, part.split("-"))) for part in spans[video].split(";") if part]
        found[video] = ground_truth_mask(intervals, int(row["n_frames"]), int(row[column]) // 16, rule)
        counts[video] = int(row[f"abn_{rule}"])
    return found, counts


def scored(mask, video, kind):
    """The formula of the known answers for one video; ``kind`` is frame, snippet or ties."""
    if kind == "frame":
        return 0.6 * (0.5 + 0.5 * np.sin(0.01 * np.arange(len(mask)) + 0.37 * video)) + 0.4 * mask
    snippets = mask.reshape(-1, 16).mean(axis=1)
    scores = 0.6 * (0.5 + 0.5 * np.sin(0.16 * np.arange(len(snippets)) + 0.37 * video)) + 0.4 * snippets
    return np.repeat(np.round(20 * scores) / 20 if kind == "ties" else scores, 16)


@pytest.mark.parametrize(("name", "rule", "data", "column"), CASES)
def test_masks_of_every_video(shared, name, rule, data, column):
    found, counts = masks(shared, data, rule, column)
    assert {video: int(mask.sum()) for video, mask in found.items()} == counts


@pytest.mark.parametrize(("data", "frames", "abnormal"), [("ucf_crime", 1_111_808, 84_182), ("xd_violence", 2_335_801, 538_324)])
def test_masks_of_true_length(shared, data, frames, abnormal):
    listed = rows(shared, f"{data}_test.csv")
    found = [
        ground_truth_mask([tuple(map(int, part.split("-"))) for part in row["intervals"].split(";") if part], int(row["n_frames"]))
        for row in listed
    ]
    assert (sum(map(len, found)), sum(int(mask.sum()) for mask in found)) == (frames, abnormal)


@pytest.mark.parametrize("kind", ["frame", "snippet", "ties"])
@pytest.mark.parametrize(("name", "rule", "data", "column"), CASES)
def test_metrics(shared, name, rule, data, column, kind):
    expected = read_arrays(shared / "oracles" / f"metrics_{name}.npz")
    labels, _ = masks(shared, data, rule, column)
    scores = {video: scored(mask, number, kind) for number, (video, mask) in enumerate(labels.items())}
    categories = {video: ("abnormal",) if mask.any() else ("normal",) for video, mask in labels.items()}
    found = metrics.evaluate(labels, scores, categories, "normal")
    strict = metrics.evaluate(labels, scores, categories, "normal", threshold=ABOVE_HALF)
    inside = [video for video, mask in labels.items() if mask.any()]
    inside_labels, inside_scores = (np.concatenate([part[video] for video in inside]) for part in (labels, scores))
    for number in (0, 7):
        first = scores[list(labels)[number]][:128:16]
        assert first == pytest.approx(expected[f"{rule}_{kind}_first_scores_video{number}"], abs=1e-12)
    for key, value in {
        "n_frames": found["num_frames"],
        "n_pos": found["num_abnormal_frames"],
        "auc": found["auc"],
        "auc_roc_auc_score": found["auc"],
        "ap_step": found["ap"],
        "ap_trapz": found["ap_trapezoid"],
        "ano_auc": found["auc_abnormal_videos"],
        "ano_ap_step": metrics.average_precision(inside_labels, inside_scores),
        "far_normal_videos_ge": found["far_normal_videos"],
        "far_normal_videos_gt": strict["far_normal_videos"],
        "far_all_normal_frames_ge": found["far_all_normal_frames"],
        "far_all_normal_frames_gt": strict["far_all_normal_frames"],
    }.items():
        assert value == pytest.approx(float(expected[f"{rule}_{kind}_{key}"]), abs=1e-9), key
