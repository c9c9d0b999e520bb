"""Every convention against a slow computation of its own, with scikit-learn where it has one."""

from dataclasses import replace

import numpy as np
import pytest
from planted_scores import small_case
from scipy.ndimage import uniform_filter1d
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from vad_lib.data.annotations import ground_truth_mask
from vad_lib.doctor.case import is_abnormal
from vad_lib.doctor.conventions import AXES, Protocol, deviations, own_protocol
from vad_lib.doctor.measuring import Evaluator


def frames(case, mask=None, change=lambda scores: scores) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Labels and repeated scores of every video, cut to the video."""
    labels, scores = [], []
    for video, own in zip(case.videos, case.scores):
        label = mask(video, own) if mask else ground_truth_mask(video.intervals, video.num_frames)
        score = np.repeat(change(own.mean(axis=0)), 16)
        labels.append(label)
        scores.append(np.append(score, np.full(max(0, len(label) - len(score)), score[-1]))[: len(label)])
    return labels, scores


def pooled(labels, scores, measure=roc_auc_score) -> float:
    return measure(np.concatenate(labels), np.concatenate(scores))


def trapezoids(label, score) -> float:
    precision, recall, _ = precision_recall_curve(label, score)
    return auc(recall, precision)


def ordered(label, score, first, measure) -> float:
    """Scores without ties: of equal ones, those of one class come first, and each frame stands for itself."""
    shift = np.where(label == 1, 1, -1) * (1e-6 if first == "abnormal" else -1e-6)
    return measure(label, score + shift + np.linspace(0, 1e-8, len(score)))


def of_each(labels, scores, padded="") -> list[float]:
    found = []
    for label, score in zip(labels, scores):
        if padded == "padded" or (padded and label.min() == label.max()):
            label, score = np.append(label, [0, 1]), np.append(score, [0, 1])
        if 0 < label.sum() < len(label):
            found.append(roc_auc_score(label, score))
    return found


def padding(choice):
    return lambda labels, scores: of_each(labels, scores, choice)


def growing(labels, scores) -> list[float]:
    return [
        value
        for count in range(1, len(labels) + 1)
        for value in of_each([np.concatenate(labels[:count])], [np.concatenate(scores[:count])])
    ]


def expected(case, axis: str, choice) -> float:
    """The number under one change, by plain means."""
    labels, scores = frames(case)
    abnormal = [place for place, video in enumerate(case.videos) if is_abnormal(video)]
    if axis == "metric":
        return pooled(labels, scores, {"auc": roc_auc_score, "ap": average_precision_score, "ap trapezoid": trapezoids}[choice])
    if axis == "ties":
        return ordered(np.concatenate(labels), np.concatenate(scores), choice.split()[0], roc_auc_score)
    if axis == "average":
        return np.mean({"both classes": of_each, "growing": growing}.get(choice, padding(choice))(labels, scores))
    if axis == "videos":
        return pooled([labels[p] for p in abnormal], [scores[p] for p in abnormal])
    if axis == "tail":
        keep = [(len(label) - 1) // 16 * 16 for label in labels]
        return pooled([a[:k] for a, k in zip(labels, keep)], [b[:k] for b, k in zip(scores, keep)])
    if axis == "marked":
        names = list(dict.fromkeys(video.categories[0] for video in case.videos if is_abnormal(video)))[:choice]
        return pooled([a * (v.categories[0] in names) for a, v in zip(labels, case.videos)], scores)
    if axis == "expansion" and choice != "interpolated":
        share = [np.array([part.mean() for part in np.split(a, range(16, len(a), 16))]) for a in labels]
        units = [(part > (0 if choice == "any frame" else 0.5)).astype(int) for part in share]
        return pooled(units, [part[::16] for part in scores])
    if axis == "expansion":
        middles = [np.arange(len(own[0])) * 16 + 7.5 for own in case.scores]
        lines = [np.interp(np.arange(len(a)), m, own.mean(axis=0)) for a, m, own in zip(labels, middles, case.scores)]
        return pooled(labels, lines)
    if axis == "rule" and choice == "file":
        return pooled(list(case.masks), scores)
    masks = {
        ("rule", "A"): lambda v, own: ground_truth_mask(v.intervals, 0, v.num_frames // 16, "A"),
        ("rule", "B"): lambda v, own: ground_truth_mask(v.intervals, 0, -(-v.num_frames // 16), "B"),
        ("annotation", "by category"): lambda v, own: ground_truth_mask([e[1:] for e in v.class_intervals], v.num_frames),
        ("ends", 1): lambda v, own: ground_truth_mask([(s, e + 1) for s, e in v.intervals], v.num_frames),
        ("ends", -1): lambda v, own: ground_truth_mask([(s, e - 1) for s, e in v.intervals], v.num_frames),
    }
    if (axis, choice) in masks:
        return pooled(*frames(case, masks[axis, choice]))
    if axis == "crops":
        one = {"maximum": lambda own: own.max(axis=0), "0": lambda own: own[0], "5": lambda own: own[5]}[choice]
        return pooled(*frames(replace(case, scores=tuple(one(own)[None] for own in case.scores))))
    changes = {
        ("shift", 1): lambda s: np.append(s[:1], s[:-1]),
        ("shift", -1): lambda s: np.append(s[1:], s[-1:]),
        ("scaling", "per video"): lambda s: (s - s.min()) / (s.max() - s.min()),
        ("smoothing", "sliding 7"): lambda s: np.array([np.append(s, np.zeros(6))[i : i + 7].mean() for i in range(len(s))]),
        ("smoothing", "sliding 3"): lambda s: np.array([np.append(s, np.zeros(2))[i : i + 3].mean() for i in range(len(s))]),
        ("smoothing", "blocks 8"): lambda s: np.array([np.append(s, np.zeros(8))[i // 8 * 8 :][:8].mean() for i in range(len(s))]),
        ("smoothing", "centred 5"): lambda s: uniform_filter1d(s, 5, mode="nearest"),
        ("smoothing", "centred 11"): lambda s: uniform_filter1d(s, 11, mode="nearest"),
    }
    return pooled(*frames(case, change=changes[axis, choice]))


CASE = small_case(crops=8)
CHANGES = deviations(CASE, own_protocol(CASE))


@pytest.mark.parametrize(("axis", "choice"), CHANGES, ids=[f"{axis}={choice}" for axis, choice in CHANGES])
def test_each_convention_alone(axis, choice):
    found = Evaluator(CASE).value(own_protocol(CASE)._replace(**{axis: choice}))
    assert found == pytest.approx(expected(CASE, axis, choice), abs=1e-9)


def test_the_own_protocol_is_the_exact_area():
    assert Evaluator(CASE).value(own_protocol(CASE)) == pytest.approx(pooled(*frames(CASE)), abs=1e-12)


@pytest.mark.parametrize("first", ["abnormal", "normal"])
def test_ordered_ties_of_average_precision(first):
    labels, scores = map(np.concatenate, frames(CASE))
    found = Evaluator(CASE).value(Protocol(metric="ap", ties=f"{first} first"))
    assert found == pytest.approx(ordered(labels, scores, first, average_precision_score), abs=1e-9)


def test_every_axis_but_the_order_can_be_tried_here():
    """The order of the released list is known of public sets alone: see test_public_sets."""
    assert {axis for axis, _ in CHANGES} == {*AXES} - {"order"}
    assert {*AXES} == {*Protocol._fields}


def test_a_case_allows_what_its_data_hold():
    allowed = {axis for axis, _ in deviations(small_case(), own_protocol(CASE))}
    assert "crops" not in allowed
    whole = replace(CASE.of_videos(np.arange(18) == 1), divided=False, masks=None)
    assert {"average", "videos", "scaling", "marked"}.isdisjoint(axis for axis, _ in deviations(whole, own_protocol(whole)))


def test_one_class_has_no_number():
    normal = CASE.of_videos(np.array([not is_abnormal(video) for video in CASE.videos]))
    assert Evaluator(normal).value(own_protocol(normal)) is None
