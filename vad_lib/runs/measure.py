"""Metrics of a data set from snippet scores, in validation and in testing."""

import dataclasses
from typing import Any

import numpy as np
import torch

from vad_lib import metrics
from vad_lib.data.annotations import MaskRule, VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError, UndefinedMetricError
from vad_lib.evaluation import fine_grained, frame_level, scoring
from vad_lib.losses import score_cross_entropy
from vad_lib.model import video_score


def validation_metrics(dataset: Dataset, scores: dict[str, np.ndarray], records: tuple[VideoRecord, ...]) -> dict[str, float]:
    """Video-level AUC and cross-entropy (nats) on weakly labelled videos: all that training may see."""
    labels = np.array([dataset.videos.is_abnormal(record) for record in records], dtype=np.uint8)
    values = np.array([video_score(torch.from_numpy(scores[record.name])[None]).item() for record in records])  # Eq. 8
    bce = score_cross_entropy(torch.from_numpy(values), torch.from_numpy(labels.astype(float)))
    return {"auc": float(metrics.frame_roc_auc(labels, values)), "bce": float(bce)}


def check_measurable(dataset: Dataset) -> None:
    """Check that the headline metric is defined on the test videos, before anything is trained.

    Raises:
        DataError: there are no test videos, or all their frames are normal, or all abnormal.
    """
    records = dataset.videos.split("test")
    if not records:
        raise DataError(f"data set {dataset.name}: training needs test videos to be measured on, got none; add some to videos.csv.")
    labels = np.concatenate([record.frame_labels() for record in records])
    metrics.check_classes(labels, f"data set {dataset.name}, {dataset.headline_metric.upper()} of its test videos")


def test_metrics(dataset: Dataset, scores: dict[str, np.ndarray]) -> dict[str, Any]:
    """All frame-level metrics on the test videos, from snippet scores (T,) per video.

    Returns:
        what :func:`vad_lib.evaluation.frame_level.evaluate` gives.

    Raises:
        DataError: videos missing, surplus or listed twice, and all that :func:`vad_lib.evaluation.frame_level.evaluate` refuses.
    """
    records = dataset.videos.split("test")
    frame_level.check_videos([record.name for record in records], scores)
    frames = {
        record.name: scoring.frame_scores(scores[record.name], record.num_frames, name=record.name, tail=dataset.info.tail)
        for record in records
    }
    return frame_level.evaluate(
        {record.name: record.frame_labels() for record in records},
        frames,
        categories={record.name: record.categories for record in records},
        normal_category=dataset.categories[0],
    )


test_metrics.__test__ = False  # type: ignore[attr-defined]  # a metric of the test split, not a test


def fine_grained_metrics(dataset: Dataset, alignment: dict[str, np.ndarray], temperature: float) -> dict[str, Any]:
    """Detection mAP and category accuracy on the test videos, from alignment maps (T, C) per video."""
    return fine_grained.fine_grained(
        alignment, temperature, dataset.videos.split("test"), dataset.categories, **detection_rules(dataset)
    )


def detection_rules(dataset: Dataset) -> dict[str, Any]:
    # normal events as in VadCLIP's files of the two sets
    return {"normal_ground_truth": dataset.counterpart == "XD-Violence", "tail": dataset.info.tail}


def mask_rule_metrics(dataset: Dataset, scores: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Metrics of the same snippet scores under each rule for frame masks; none where frames are counted exactly.

    A rule that leaves frames of one class only has the entry ``undefined`` alone, with the reason.
    """
    if dataset.info.mask_rule == "frames":
        return {}
    found: dict[str, dict[str, Any]] = {}
    in_use: set[MaskRule] = {"A", "B", "C"} if dataset.counterpart == "UCF-Crime" else {"A", "C", dataset.info.mask_rule}
    for rule in sorted(in_use):
        records = tuple(dataclasses.replace(record, mask_rule=rule) for record in dataset.videos.records)
        ruled = dataclasses.replace(dataset, videos=dataclasses.replace(dataset.videos, records=records))
        try:
            found[rule] = test_metrics(ruled, scores)
        except UndefinedMetricError as error:
            found[rule] = {"undefined": {dataset.headline_metric: str(error)}}
    return found
