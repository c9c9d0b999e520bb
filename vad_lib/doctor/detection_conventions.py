"""Detection mAP of class probabilities under each convention: whose segments count, and whether the normal class is averaged."""

from pathlib import Path

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.importing.sets.xd_violence import XD_VIOLENCE
from vad_lib.data.importing.video_names import video_key
from vad_lib.doctor.reading import GivenTruth
from vad_lib.errors import DataError, first_few
from vad_lib.evaluation.detection import CONVENTIONS, class_ap
from vad_lib.evaluation.event_matching import matched_segments
from vad_lib.storage.reading import read_arrays

_VIDEOS = {"vadclip_code": "segments of all videos", "abnormal_only": "segments of abnormal videos alone"}


def detection_numbers(path: Path | str, truth: GivenTruth) -> dict[str, float]:
    """mAP, the mean over IoU 0.1 to 0.5, under every convention, in points.

    Args:
        path: ``.npz`` of one array (T, C) per test video, the normal class first.
        truth: of a public set; of XD-Violence the events are those of the multi-class file where it lies beside the other.

    Raises:
        DataError: the ground truth is no public set, or videos, snippets or classes do not fit.
    """
    known = truth.known
    if known is None:
        raise DataError(
            "--probabilities: expected the ground truth of a public set, whose classes are known; give it with --truth."
        )
    arrays = {video_key(name): array for name, array in read_arrays(path).items()}
    lacking = [video.name for video in truth.videos if video_key(video.name) not in arrays]
    if lacking:
        raise DataError(f"{path}: expected class probabilities of every test video, missing: {first_few(lacking)}.")
    given, records = {}, []
    for video in truth.videos:
        array = arrays[video_key(video.name)]
        if array.ndim != 2 or array.shape[1] != len(known.categories):
            raise DataError(f"{path}, {video.name}: expected shape (snippets, {len(known.categories)}), got {array.shape}.")
        if video.num_frames and abs(len(array) - video.num_frames / FRAMES_PER_SNIPPET) > 2:  # the rules differ by one snippet
            raise DataError(
                f"{path}, {video.name}: expected a row per snippet of 16 frames, about {video.num_frames // FRAMES_PER_SNIPPET:,}, "
                f"got {len(array):,}; save one row of each snippet."
            )
        if array.dtype.kind not in "fiub":
            raise DataError(f"{path}, {video.name}: expected class probabilities, got values of type {array.dtype}; save numbers.")
        given[video.name] = np.asarray(array, dtype=np.float64)
        frames = FRAMES_PER_SNIPPET * len(array)
        records.append(VideoRecord(video.name, "test", video.categories, frames, video.intervals, video.class_intervals, "A"))
    found, matched = {}, matched_segments(given, records, known.categories, normal_ground_truth=known is XD_VIOLENCE)
    for convention in CONVENTIONS:
        detection = class_ap(matched, convention)
        per_class = 100 * detection.ap.mean(axis=0)
        all_predict = bool(detection.num_segments.all())
        there = np.flatnonzero(detection.num_events[1:]) + 1
        found[f"{_VIDEOS[convention]}, mean with the normal class"] = float(per_class.mean()) * all_predict
        found[f"{_VIDEOS[convention]}, mean without the normal class"] = float(per_class[there].mean())
    return found


def detection_sentences(numbers: dict[str, float], truth: GivenTruth, claimed: float | None, tolerance: float) -> list[str]:
    """The numbers of :func:`detection_numbers` as sentences, and which of them is claimed."""
    said = _ceiling(truth)
    said += [f"mAP@IoU (mean of 0.1 to 0.5), {name}: {value:.2f}." for name, value in numbers.items()]
    hits = [name for name, value in numbers.items() if claimed is not None and abs(value - claimed) <= tolerance]
    if claimed is not None:
        said.append(
            f"The claimed {claimed:.9g} is that with {', and with '.join(hits)}." if hits else f"None of them is {claimed:.9g}."
        )
    return said


def _ceiling(truth: GivenTruth) -> list[str]:
    """Where the normal class has no event, its average precision is 0 whatever a method does."""
    known = truth.known
    if known is None or known is XD_VIOLENCE:
        return []
    number = len(known.categories)
    return [
        f"Normal videos of {known.title} are no events of the normal class (their code is none of the class list), so its average "
        f"precision is 0: the mean over all {number} classes is at most {100 * (number - 1) / number:.2f}."
    ]
