"""Whether the crops of somebody's feature files can be crops of the same videos."""

from collections import Counter
from itertools import combinations

import numpy as np

from vad_lib.data.finding import Finding, Tell, refuse
from vad_lib.data.importing.layouts import MOST_CROPS, FeatureFile, FeatureLayout, sizes_text
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.errors import ConfigError

SAMPLED_SNIPPETS = 64  # of each video, to compare its crops


def check_crops(
    grouped: dict[str, list[FeatureFile]], layout: FeatureLayout, stated: tuple[str, ...], tell: Tell = refuse
) -> tuple[tuple[str, ...], set[str]]:
    """Names of the crops in stored order, and the keys of the videos whose crops cannot be read, which ``tell`` gets.

    Raises:
        DataError: nobody is told, and a video lacks a crop, has crops of different length or no snippets.
        ConfigError: the stated names are not one per crop.
    """
    if layout == "crop-files":
        indices = {file.crop or 0 for group in grouped.values() for file in group}  # files of this layout have a crop
        count = 1 if len(indices) == 1 else max(indices) + 1
    else:
        axis = {"single": None, "t-n-d": 1, "n-t-d": 0}[layout]
        counts = Counter(1 if axis is None else group[0].shape[axis] for group in grouped.values())
        count = counts.most_common(1)[0][0]
        if len(counts) > 1:
            message = f"files have {sizes_text(counts)} crops; two releases are mixed, or --layout is wrong"
            tell(Finding("error", "feature-crops", "", message, "keep one release"))
    if count > MOST_CROPS:
        message = f"{count:,} crops cannot be, or --layout is wrong"
        subject = str(next(iter(grouped.values()))[0].path)
        tell(Finding("error", "feature-crops", subject, message, "save the features in one of the usual layouts"))
        return (), set(grouped)
    whole = indices if layout == "crop-files" and count == 1 else set(range(count))
    broken = set()
    for key, group in grouped.items():
        message, fix = _broken_crops(group, layout, whole, count)
        if message:
            broken.add(key)
            tell(Finding("error", "feature-crops", f"video {key}", message, fix))
    if stated and (len(stated) != count or len(set(stated)) != count):
        raise ConfigError(f"--crops: expected {count} different names, one per crop, got {', '.join(stated)}.")
    if layout == "crop-files" and count == 1 and max(indices) < 10:
        return stated or (CROP_NAMES[10][max(indices)],), broken
    return stated or CROP_NAMES.get(count) or tuple(f"crop_{index}" for index in range(count)), broken


def _broken_crops(group: list[FeatureFile], layout: FeatureLayout, whole: set[int], count: int) -> tuple[str, str]:
    """What is wrong with the crops of a video, and what to do about it; nothing if all are there."""
    if any(0 in file.shape for file in group):
        return "its features have no snippets", "extract them again"
    if layout == "crop-files":
        missing = sorted(whole - {file.crop or 0 for file in group})
        lengths = {file.shape[0] for file in group}
        if missing:
            return (
                f"crop {', '.join(map(str, missing))} of 0 to {max(whole)} is missing",
                "copy the files again, or keep one release if two are mixed",
            )
        if len(lengths) > 1:
            message = f"its crops have {sizes_text(lengths)} snippets; files of two videos or releases are mixed"
            return message, "copy them again"
    elif layout != "single" and group[0].shape[layout == "t-n-d"] != count:
        return f"it has {group[0].shape[layout == 't-n-d']:,} crops, the others {count:,}", "take it from the release of the others"
    return "", ""


class CropComparison:
    """Compares the crops of each video with one another, and their likeness with that in the other videos.

    Two crops of a video are alike to a degree that is much the same in all videos: mirror images most, opposite corners
    least. A video whose table of likeness fits that of the others only after two crops change places has them swapped.
    """

    CLEAR = 0.15  # correlation that a change of places must gain
    FITTING = 0.7  # correlation that it must reach
    TOO_CLOSE = 0.05  # changes of places that differ by less in correlation are not told apart

    def __init__(self, crops: tuple[str, ...]) -> None:
        self._crops = crops
        self._tables: dict[str, np.ndarray] = {}

    def look(self, video: str, features: list[np.ndarray]) -> Finding | None:
        """Remember a video's table; returns what is wrong if two crops are the same.

        Args:
            video: its name.
            features: N crops, float (T, D), T at least 1.
        """
        length = len(features[0])
        rows = np.unique(np.linspace(0, length - 1, min(length, SAMPLED_SNIPPETS)).astype(int))
        sample = np.stack([np.asarray(crop[rows], dtype=np.float32) for crop in features])
        seen: dict[bytes, int] = {}
        for number, crop in enumerate(sample):
            other = seen.setdefault(crop.tobytes(), number)
            if other != number and np.array_equal(features[other], features[number]):
                pair = f"crops {other} and {number} ({self._crops[other]}, {self._crops[number]})"
                message = f"{pair} are the same; a file was copied under two names"
                return Finding("error", "features-same-crop", f"video {video}", message, "take the crop from the release again")
        own = (sample - sample.mean(axis=0)).reshape(len(sample), -1)  # what a crop does not share with the others
        own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
        self._tables[video] = own @ own.T
        return None

    def warnings(self) -> tuple[Finding, ...]:
        """A finding for every video with crops that seem to be swapped."""
        count = len(self._crops)
        if count < 4 or len(self._tables) < 8:
            return ()
        tables = np.stack(list(self._tables.values()))
        usual = np.median(tables, axis=0)
        pairs = np.triu_indices(count, 1)
        target = _standardised(usual[pairs])
        as_it_is = _standardised(tables[:, *pairs]) @ target
        if np.median(as_it_is) < self.FITTING:
            return ()  # the videos have nothing in common to be judged by
        fits = {}  # of the tables to the usual one after two crops have changed places
        for i, j in combinations(range(count), 2):
            order = np.arange(count)
            order[[i, j]] = j, i
            fits[i, j] = _standardised(tables[:, order[pairs[0]], order[pairs[1]]]) @ target
        found = []
        for number, video in enumerate(self._tables):
            best = max(fit[number] for fit in fits.values())
            if best > self.FITTING and best - as_it_is[number] > self.CLEAR:
                # places that mirror each other cannot be told apart, so there may be several
                swapped = [f"{i} and {j}" for (i, j), fit in fits.items() if fit[number] > best - self.TOO_CLOSE]
                message = f"crops {' or '.join(swapped)} seem to be swapped, judged by the other videos"
                fix = "compare them with the release, and give the two files or slices each other's number"
                found.append(Finding("warning", "features-swapped-crops", f"video {video}", message, fix))
        return tuple(found)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1: the product of two is their correlation."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12)
