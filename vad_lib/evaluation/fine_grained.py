"""Detection mAP and category accuracy of an alignment map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from vad_lib.data.annotations import VideoRecord
from vad_lib.errors import DataError
from vad_lib.evaluation.detection import CONVENTIONS, class_ap, mean_ap
from vad_lib.evaluation.event_matching import IOUS, Matched, matched_segments
from vad_lib.evaluation.frame_level import check_videos
from vad_lib.evaluation.scoring import Tail
from vad_lib.model import category_scores


def fine_grained(
    alignment: Mapping[str, np.ndarray],
    temperature: float,
    records: Sequence[VideoRecord],
    categories: Sequence[str],
    *,
    normal_ground_truth: bool = False,
    tail: Tail = "exact",
) -> dict[str, Any]:
    """Fine-grained results of a model with an alignment map. The paper names the ability and reports none.

    Class probabilities are the softmax over categories of the crop-averaged cosines divided by the temperature. The
    category of a video is the one with the largest S_fine, the mean of its k = T // 16 + 1 largest cosines (equation 4).

    Args:
        alignment: per video float (T, C), cosines in [-1, 1].
        temperature: tau of the model, positive.
        records: the test videos.
        categories: names, the normal one first.
        normal_ground_truth: True if the whole of each normal video counts as one event of the normal class, as in VadCLIP's
            files of XD-Violence; False if normal videos have no event, as in those of UCF-Crime.
        tail: ``extend`` lets the features end up to one snippet early; the last row then holds to the end.

    Returns:
        plain numbers, all fractions: ``temperature``; ``normal_ground_truth``; ``detection``, for each convention ``map`` (IoU
        -> mAP, and ``average``) and ``ap_per_category`` (category -> the same of its AP; categories without events are
        left out), or None if an abnormal video's events are not annotated or there is no abnormal video; ``num_events`` per
        category;
        ``category_accuracy``, the part of all videos whose category is the one among all that scores highest, and
        ``category_accuracy_abnormal_videos``, the same among abnormal videos and abnormal categories, None if there is no
        abnormal video. One hit among a video's several categories is a hit.

    Raises:
        DataError: videos missing, surplus or listed twice; another number of snippets or categories than expected; cosines that
            are NaN or outside [-1, 1].
    """
    check_videos([record.name for record in records], alignment, "alignment maps")
    for record in records:
        _check_cosines(record, np.asarray(alignment[record.name]), categories)
    best = {record.name: top_categories(alignment[record.name], categories) for record in records}
    abnormal, matched = [record for record in records if categories[0] not in record.categories], None
    if abnormal and all(record.events() for record in abnormal):
        matched = _matched_alignment(alignment, temperature, records, categories, normal_ground_truth, tail)
    named_abnormal = [best[r.name][1] in r.categories for r in abnormal]
    return {
        "temperature": float(temperature),
        "normal_ground_truth": normal_ground_truth,
        "category_accuracy": float(np.mean([best[r.name][0] in r.categories for r in records])),
        "category_accuracy_abnormal_videos": float(np.mean(named_abnormal)) if abnormal else None,
        "num_events": {c: sum(event[0] == c for r in abnormal for event in r.events()) for c in categories[1:]},
        "detection": _detection(matched, categories) if matched else None,
    }


def _check_cosines(record: VideoRecord, values: np.ndarray, categories: Sequence[str]) -> None:
    # NaN fails both comparisons
    if values.ndim != 2 or values.shape[1] != len(categories) or not (values.min() >= -1.001 and values.max() <= 1.001):
        raise DataError(
            f"video {record.name}: expected cosines of shape (snippets, {len(categories)}) in [-1, 1], got shape "
            f"{values.shape}{f', {values.min()} to {values.max()}' if values.size else ''}; score the video again."
        )


def _detection(matched: Matched, categories: Sequence[str]) -> dict[str, dict[str, Any]]:
    """mAP and AP of every class with events, under each convention."""
    results: dict[str, dict[str, Any]] = {}
    for convention in CONVENTIONS:
        found = class_ap(matched, convention)
        shown = [c for c in np.flatnonzero(found.num_events).tolist() if c or convention == "vadclip_code"]
        results[convention] = {
            "map": _by_iou(mean_ap(found, convention)),
            "ap_per_category": {categories[c]: _by_iou(found.ap[:, c]) for c in shown},
        }
    return results


def fine_grained_arrays(
    alignment: Mapping[str, np.ndarray],
    temperature: float,
    records: Sequence[VideoRecord],
    categories: Sequence[str],
    *,
    normal_ground_truth: bool = False,
    tail: Tail = "exact",
) -> dict[str, np.ndarray]:
    """What :func:`fine_grained`, whose arguments these are, averages: video by video, for intervals; kept with a run's scores.

    Returns:
        ``category_named`` and ``abnormal_category_named``, bool (V,) over the test videos, whether the highest of all categories,
        or of the abnormal ones, is one of the video's; and, where the events of all abnormal videos are annotated, the fields of
        :class:`vad_lib.evaluation.event_matching.Matched` as ``detection_FIELD``.
    """
    best = [(record.categories, top_categories(alignment[record.name], categories)) for record in records]
    arrays = {
        "category_named": np.array([named in its for its, (named, _) in best]),
        "abnormal_category_named": np.array([named in its for its, (_, named) in best]),
    }
    abnormal = [record for record in records if categories[0] not in record.categories]
    if not abnormal or not all(record.events() for record in abnormal):
        return arrays
    matched = _matched_alignment(alignment, temperature, records, categories, normal_ground_truth, tail)
    return arrays | {f"detection_{name}": array for name, array in matched._asdict().items()}


def _matched_alignment(
    alignment: Mapping[str, np.ndarray],
    temperature: float,
    records: Sequence[VideoRecord],
    categories: Sequence[str],
    normal_ground_truth: bool,
    tail: Tail,
) -> Matched:
    probabilities = {
        video: torch.softmax(torch.from_numpy(np.asarray(cosines, dtype=np.float64)) / temperature, dim=1).numpy()
        for video, cosines in alignment.items()
    }
    return matched_segments(probabilities, records, categories, normal_ground_truth=normal_ground_truth, tail=tail)


def _by_iou(values: np.ndarray) -> dict[str, float]:
    """IoU -> value, and their mean as ``average``."""
    return {f"{iou:.1f}": float(value) for iou, value in zip(IOUS, values)} | {"average": float(values.mean())}


def top_categories(alignment: np.ndarray, categories: Sequence[str]) -> tuple[str, str]:
    """The category of a video by equation 4: the highest of all, and the highest of the abnormal ones.

    Args:
        alignment: float (T, C), cosines.
        categories: names, the normal one first.
    """
    cosines = torch.from_numpy(np.asarray(alignment, dtype=np.float64))[None]
    fine = category_scores(cosines, torch.ones(cosines.shape[:2], dtype=torch.bool))[0]
    return categories[int(fine.argmax())], categories[1 + int(fine[1:].argmax())]
