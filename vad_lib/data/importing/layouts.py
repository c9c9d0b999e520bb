"""Feature files as people have them: where they lie, and which layout they have.

Shapes: T snippets, N crops, D features.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vad_lib.data.importing.public_sets import crop_suffix, video_key, video_stem
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.errors import DataError
from vad_lib.storage.reading import read_array
from vad_lib.storage.safe_names import inside, leads_out

FeatureLayout = Literal["crop-files", "t-n-d", "n-t-d", "single"]

DEEPEST = 6  # folders below the source that are searched

MOST_CROPS = 100  # the usual features have 10


@dataclass(frozen=True)
class FeatureFile:
    """One feature file or video.

    Attributes:
        path: where it lies.
        key: what its video is known by in all releases, such as ``Abuse028``.
        stem: name without folder and ending.
        crop: number of the crop, of files that hold one crop each.
        shape: of the array; empty as long as it was not looked at.
    """

    path: Path
    key: str
    stem: str
    crop: int | None = None
    shape: tuple[int, ...] = ()


def files_below(folder: Path, suffixes: Sequence[str], skip: Iterable[Path] = ()) -> list[FeatureFile]:
    """Files with one of the endings, at any depth, in the order of their paths.

    Raises:
        DataError: a folder or such a file is a link that leads out of the folder, and the environment variable
            ``VAD_FOLLOW_LINKS`` does not allow it.
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


def with_shape(file: FeatureFile) -> FeatureFile:
    """The file with the shape of its array filled in; a DataError if it holds no float numbers."""
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


def read_crops(paths: Sequence[Path], layout: FeatureLayout) -> list[np.ndarray]:
    """Crops of one video, N arrays (T, D), memory-mapped."""
    arrays = [read_array(path, mmap=True) for path in paths]
    if layout == "t-n-d":
        return list(arrays[0].swapaxes(0, 1))
    return list(arrays[0]) if layout == "n-t-d" else arrays


def sizes_text(values: Iterable[int]) -> str:
    """The smallest four numbers, for a message."""
    ordered = sorted(values)
    return ", ".join(f"{value:,}" for value in ordered[:4]) + (", ..." if len(ordered) > 4 else "")
