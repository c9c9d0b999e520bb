"""What is wrong with the numbers in feature files: seen while they are read, once, for a check or an import."""

import hashlib
from collections.abc import Iterator

import numpy as np

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.feature_store import ROWS_AT_ONCE
from vad_lib.data.finding import Finding, Level, Tell
from vad_lib.data.importing.crop_check import CropComparison
from vad_lib.data.importing.findings import Findings, features_of
from vad_lib.errors import first_few

FEWEST_ALIKE = 3  # videos of a set for which it says something that all are alike


def checked_features(found: Findings, tell: Tell, level: Level, *, progress: bool) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The features of the usable videos one by one; what is wrong with the others is told, and at the end with all together.

    Args:
        found: which files are of which video.
        tell: gets what is wrong.
        level: of a video that is left out.
        progress: True for a bar on a terminal.

    Yields:
        name and crops, N arrays (T, D).
    """
    crops = CropComparison(found.crops)
    records = {record.name: record for record in found.videos.records}
    digests: dict[str, str] = {}
    constant = []
    for video, features in features_of(found, progress=progress):
        wrong, still, digests[video] = _look(features, found.dtype)
        if wrong is None:
            wrong = crops.look(video, features)
        if wrong is not None:
            kept = level if wrong.code in ("features-not-finite", "features-zero") else "error"
            tell(Finding(kept, wrong.code, f"video {video}", wrong.message, wrong.fix))
            del digests[video]
            continue
        if still:
            constant.append(video)
        if not digests[video]:
            del digests[video]
        yield video, features
    for warning in crops.warnings():
        tell(warning)
    _tell_alike(records, digests, constant, tell)


def _look(features: list[np.ndarray], dtype: str) -> tuple[Finding | None, bool, str]:
    """What is wrong with the features of a video, whether all its snippets are the same, and a hash of its numbers."""
    digest = hashlib.blake2b(digest_size=16)
    finite, largest, still = True, 0.0, sum(map(len, features)) > len(features)
    for crop in features:
        for start in range(0, len(crop), ROWS_AT_ONCE):
            block = np.ascontiguousarray(crop[start : start + ROWS_AT_ONCE])
            digest.update(block.data)
            peak = float(np.abs(block).max(initial=0))
            finite = finite and np.isfinite(peak)
            largest = max(largest, peak)
            still = still and bool((block == crop[0]).all())
    if not any(map(len, features)):  # said where the shapes were read
        return None, False, ""
    if not finite:
        fix = "copy or extract them again"
        return Finding("error", "features-not-finite", "", "its features hold NaN or infinity", fix), still, ""
    if largest == 0:
        return Finding("error", "features-zero", "", "its features are all zero", "extract them again"), still, ""
    with np.errstate(over="ignore"):
        rounded = np.float64(largest).astype(dtype)
    if not np.isfinite(rounded):
        message = f"its features reach {largest:.4g}, too large for {dtype}"
        return Finding("error", "features-too-large", "", message, "store them with --dtype float32 if that is right"), still, ""
    return None, still, digest.hexdigest()


def _tell_alike(records: dict[str, VideoRecord], digests: dict[str, str], constant: list[str], tell: Tell) -> None:
    """Tell which videos have the same features, and which have the same features in all their snippets."""
    again = "extract them again"
    if len(digests) >= FEWEST_ALIKE and len(constant) == len(digests):
        tell(Finding("error", "features-constant", "", "in every video, the features of all snippets are the same", again))
    elif constant:
        message = f"videos in which the features of all snippets are the same: {first_few(constant)}"
        tell(Finding("warning", "features-constant", "", message, f"{again}, unless nothing moves in them"))
    groups: dict[str, list[str]] = {}
    for video, digest in digests.items():
        groups.setdefault(digest, []).append(video)
    if len(digests) >= FEWEST_ALIKE and len(groups) == 1:
        tell(Finding("error", "features-same", "", "all videos have the same features", again))
        return
    alike = [[records[video] for video in group] for group in groups.values() if len(group) > 1]
    across = [group for group in alike if len({record.split for record in group}) > 1]
    unlike = [group for group in alike if len({record.categories for record in group}) > 1]
    within = [group for group in alike if group not in across and group not in unlike]
    one_of_each = "a file was copied under two names; take out one of each"
    if across:
        message = f"the same features for training and for testing, so the test is too easy: {_equations(across)}"
        tell(Finding("warning", "features-same", "", message, one_of_each))
    if unlike:
        message = f"the same features with different categories: {_equations(unlike)}"
        tell(Finding("warning", "features-same", "", message, f"one label is wrong, or {one_of_each}"))
    if within:
        message = f"videos of one split with the same features: {_equations(within)}"
        tell(Finding("note", "features-same", "", message))


def _equations(groups: list[list[VideoRecord]]) -> str:
    return first_few([" = ".join(record.name for record in group[:3]) for group in groups])
