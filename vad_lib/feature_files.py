"""Feature files as people have them: where they lie, which layout they have, and whether their crops can be right.

The layouts are those of :mod:`vad_lib.adapters`. T snippets, N crops, D features.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from vad_lib.errors import ConfigError, DataError
from vad_lib.files import inside, leads_out, read_array
from vad_lib.official import crop_suffix, video_key, video_stem
from vad_lib.video import CROP_NAMES

FeatureLayout = Literal["crop-files", "t-n-d", "n-t-d", "single"]
DEEPEST = 6  # folders below the source that are searched
MOST_CROPS = 100  # the usual features have 10
SAMPLED_SNIPPETS = 64  # of each video, to compare its crops


@dataclass(frozen=True)
class FeatureFile:
    """One feature file or video."""

    path: Path
    key: str
    stem: str
    crop: int | None = None
    shape: tuple[int, ...] = ()


# --- finding files ----------------------------------------------------------------------------------
def files_below(folder: Path, suffixes: Sequence[str], skip: Iterable[Path] = ()) -> list[FeatureFile]:
    """Files with one of the endings, at any depth, in the order of their paths.

    Raises:
        DataError: a folder or such a file is a link that leads out of the folder; see :func:`vad_lib.files.inside`.
    """
    skip = {path.resolve() for path in skip}
    found = []
    for parent, names in walk(folder, DEEPEST, skip, strict=True):
        for name in names:
            if name.lower().endswith(tuple(suffixes)):
                path, (stem, crop) = parent / name, crop_suffix(video_stem(name))
                if path.is_symlink():
                    inside(path, folder)
                found.append(FeatureFile(path, video_key(stem), video_stem(name), crop))
    return found


def walk(folder: Path, depth: int, skip: Iterable[Path] = (), *, strict: bool = False) -> Iterator[tuple[Path, list[str]]]:
    """Folders and the names of their files, sorted. Hidden folders, pipes, devices and dangling links are left out.

    Links are followed inside the folder, no folder is entered twice. A folder that lies elsewhere is an error if
    ``strict``, else it is left out.
    """
    seen = set(skip) | {folder.resolve()}
    for parent, folders, names in os.walk(folder, followlinks=True):
        path = Path(parent)
        entered = []
        for name in sorted(folders) if len(path.relative_to(folder).parts) < depth else ():
            real = (path / name).resolve()
            if name.startswith(".") or real in seen:
                continue
            if strict:
                inside(path / name, folder)
            elif leads_out(path / name, folder):
                continue
            seen.add(real)
            entered.append(name)
        folders[:] = entered
        yield path, sorted(name for name in names if not name.startswith(".") and (path / name).is_file())


# --- layout, width, crops ---------------------------------------------------------------------------
def with_shape(file: FeatureFile) -> FeatureFile:
    array = read_array(file.path, mmap=True)
    if array.dtype.kind != "f":
        raise DataError(f"{file.path}: expected features as float numbers, got {array.dtype}; is it a feature file?")
    return dataclasses.replace(file, shape=array.shape)


def find_layout(source: Path, files: list[FeatureFile], stated: FeatureLayout | None) -> FeatureLayout:
    """The layout that names and shapes allow.

    Raises:
        DataError: files of two layouts, shapes of none, shapes of two, or not the stated one.
    """
    kinds: dict[tuple[bool, int], FeatureFile] = {}
    for file in files:
        kinds.setdefault((file.crop is not None, len(file.shape)), file)
    if len(kinds) > 1:
        examples = " and ".join(f"{file.path.relative_to(source)} {file.shape}" for file in list(kinds.values())[:2])
        raise DataError(f"{source}: files of different layouts, such as {examples}; two releases are mixed. Keep one.")
    (per_crop, axes), example = next(iter(kinds.items()))
    if axes not in (2, 3) or (per_crop and axes == 3):
        raise DataError(
            f"{example.path}: expected T x D{'' if per_crop else ', T x crops x D or crops x T x D'}, got {example.shape}; "
            "is it a feature file?"
        )
    possible: list[FeatureLayout] = ["t-n-d", "n-t-d"] if axes == 3 else ["crop-files"] if per_crop else ["single"]
    if stated:
        if stated not in possible:
            raise DataError(f"{source}: --layout {stated} cannot be, {example.path.name} has shape {example.shape}; leave it out.")
        return stated
    if axes == 2:
        return possible[0]
    sizes = {"t-n-d": {file.shape[1] for file in files}, "n-t-d": {file.shape[0] for file in files}}
    fixed = [layout for layout in possible if len(sizes[layout]) == 1]
    if not fixed:
        raise DataError(
            f"{source}: neither of the first two axes has one size in all files ({sizes_text(sizes['n-t-d'])}; "
            f"{sizes_text(sizes['t-n-d'])}), so none can be the crops; two releases or layouts are mixed. Keep one."
        )
    usual = [layout for layout in fixed if sizes[layout] <= CROP_NAMES.keys()]
    if len(fixed) > 1 and len(usual) != 1:
        raise DataError(
            f"{source}: {example.path.name} {example.shape} could be snippets x crops or crops x snippets, and the other files do "
            "not tell; state it with --layout t-n-d or --layout n-t-d."
        )
    return fixed[0] if len(fixed) == 1 else usual[0]


def check_dimension(source: Path, files: list[FeatureFile], wanted: int) -> int:
    """The width that all files have."""
    by_width: dict[int, FeatureFile] = {}
    for file in files:
        by_width.setdefault(file.shape[-1], file)
    if len(by_width) > 1:
        rows = {file.shape[0] for file in files}
        if len(files[0].shape) == 2 and len(rows) == 1:
            raise DataError(
                f"{source}: all files have {rows.pop():,} rows and different widths; they seem to be D x T. Transpose them."
            )
        examples = ", ".join(f"{width:,} in {file.path.relative_to(source)}" for width, file in sorted(by_width.items())[:3])
        raise DataError(f"{source}: features of different width ({examples}); two releases are mixed. Keep one.")
    width = next(iter(by_width))
    if width != wanted:
        known = {1024: "I3D", 2048: "I3D with ResNet-50, as RTFM uses", 512: "CLIP ViT-B/16", 4096: "C3D"}.get(width)
        raise DataError(
            f"{source}: features are {width:,} wide{f' ({known})' if known else ''}, configured is {wanted:,}; pass "
            f"--dimension {width} to use them, or give features of width {wanted:,}."
        )
    return width


def check_crops(
    grouped: dict[str, list[FeatureFile]], layout: FeatureLayout, stated: tuple[str, ...]
) -> tuple[tuple[str, ...], list[str]]:
    """Names of the crops in stored order, and what is wrong with them."""
    problems: list[str] = []
    if layout == "crop-files":
        indices = {file.crop for group in grouped.values() for file in group}
        whole = indices if len(indices) == 1 else set(range(max(indices) + 1))
        count = len(whole)
        broken = {key: sorted(whole - {file.crop for file in group}) for key, group in grouped.items() if len(group) < count}
        for key in list(broken)[:1]:
            problems.append(
                f"video {key}: crop {', '.join(map(str, broken[key]))} of 0 to {max(whole)} is missing"
                f"{f', and crops of {len(broken) - 1:,} other videos' if len(broken) > 1 else ''}; copy the files again, or "
                "keep one release if two are mixed."
            )
        for key, group in grouped.items():
            if len({file.shape[0] for file in group}) > 1:
                problems.append(
                    f"video {key}: its crops have {sizes_text({file.shape[0] for file in group})} snippets; files of two videos or "
                    "releases are mixed. Copy them again."
                )
    else:
        axis = {"single": None, "t-n-d": 1, "n-t-d": 0}[layout]
        counts = {1 if axis is None else group[0].shape[axis] for group in grouped.values()}
        if len(counts) > 1:
            problems.append(f"files have {sizes_text(counts)} crops; two releases are mixed, or --layout is wrong.")
        count = max(counts)
    if count > MOST_CROPS:
        raise DataError(f"{next(iter(grouped.values()))[0].path}: {count:,} crops cannot be, or --layout is wrong.")
    problems += [
        f"video {key}: its features have no snippets; extract them again." for key, group in grouped.items() if 0 in group[0].shape
    ]
    if stated and (len(stated) != count or len(set(stated)) != count):
        raise ConfigError(f"--crops: expected {count} different names, one per crop, got {', '.join(stated)}.")
    if layout == "crop-files" and count == 1 and max(indices) < 10:
        return stated or (CROP_NAMES[10][max(indices)],), problems
    return stated or CROP_NAMES.get(count) or tuple(f"crop_{index}" for index in range(count)), problems


def read_crops(paths: Sequence[Path], layout: FeatureLayout) -> list[np.ndarray]:
    """Crops of one video, N arrays (T, D), memory-mapped."""
    arrays = [read_array(path, mmap=True) for path in paths]
    if layout == "t-n-d":
        return list(arrays[0].swapaxes(0, 1))
    return list(arrays[0]) if layout == "n-t-d" else arrays


# --- likeness of crops ------------------------------------------------------------------------------
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

    def look(self, video: str, features: list[np.ndarray]) -> str:
        """Remember a video's table; returns a sentence if two crops are the same, else nothing."""
        length = len(features[0])
        rows = np.unique(np.linspace(0, length - 1, min(length, SAMPLED_SNIPPETS)).astype(int))
        sample = np.stack([np.asarray(crop[rows], dtype=np.float32) for crop in features])
        seen: dict[bytes, int] = {}
        for number, crop in enumerate(sample):
            other = seen.setdefault(crop.tobytes(), number)
            if other != number and np.array_equal(features[other], features[number]):
                return (
                    f"video {video}: crops {other} and {number} ({self._crops[other]}, {self._crops[number]}) are the same; a file "
                    "was copied under two names. Take the crop from the release again."
                )
        own = (sample - sample.mean(axis=0)).reshape(len(sample), -1)  # what a crop does not share with the others
        own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
        self._tables[video] = own @ own.T
        return ""

    def warnings(self) -> tuple[str, ...]:
        """A sentence on every video with crops that seem to be swapped."""
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
                pairs = [f"{i} and {j}" for (i, j), fit in fits.items() if fit[number] > best - self.TOO_CLOSE]
                found.append(
                    f"video {video}: crops {' or '.join(pairs)} seem to be swapped, judged by the other videos; compare them with "
                    "the release, and give the two files or slices each other's number."
                )
        return tuple(found)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1: the product of two is their correlation."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12)


def sizes_text(values: Iterable[int]) -> str:
    ordered = sorted(values)
    return ", ".join(f"{value:,}" for value in ordered[:4]) + (", ..." if len(ordered) > 4 else "")
