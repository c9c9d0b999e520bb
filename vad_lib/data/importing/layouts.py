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

from vad_lib.data.finding import Finding, Tell, error_at, refuse
from vad_lib.data.importing.video_names import crop_suffix, video_key, video_stem
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


def files_below(folder: Path, suffixes: Sequence[str], skip: Iterable[Path] = (), tell: Tell = refuse) -> list[FeatureFile]:
    """Files with one of the endings, at any depth, in the order of their paths.

    Args:
        folder: where to look; it need not be there.
        suffixes: endings, lower case.
        skip: folders that are not entered.
        tell: gets folders and files that are links out of the folder, which are left out unless the environment variable
            ``VAD_FOLLOW_LINKS`` allows them.

    Raises:
        DataError: there is such a link, and nobody is told.
    """
    found = []
    for parent, names in walk(folder, DEEPEST, {path.resolve() for path in skip}, tell=tell):
        for name in names:
            path = parent / name
            if name.lower().endswith(tuple(suffixes)) and not (path.is_symlink() and _told_out(path, folder, tell)):
                stem, crop = crop_suffix(video_stem(name))
                found.append(FeatureFile(path, video_key(stem), video_stem(name), crop))
    return found


def walk(folder: Path, depth: int, skip: Iterable[Path] = (), *, tell: Tell | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Folders and the names of their files, sorted. Hidden folders, pipes, devices and dangling links are left out.

    Links are followed inside the folder, no folder is entered twice. A folder that lies elsewhere is left out; ``tell`` gets it.
    """
    seen = set(skip) | {folder.resolve()}
    for parent, folders, names in os.walk(folder, followlinks=True):
        path = Path(parent)
        entered = []
        for name in sorted(folders) if len(path.relative_to(folder).parts) < depth else ():
            real = (path / name).resolve()
            if name.startswith(".") or real in seen:
                continue
            if _told_out(path / name, folder, tell) if tell else leads_out(path / name, folder):
                continue
            seen.add(real)
            entered.append(name)
        folders[:] = entered
        yield path, sorted(name for name in names if not name.startswith(".") and (path / name).is_file())


def _told_out(path: Path, folder: Path, tell: Tell) -> bool:
    """Whether a link leads out of the folder, which is told."""
    try:
        inside(path, folder)
    except DataError as error:
        tell(error_at("link-out", path, error, ""))
        return True
    return False


def with_shape(file: FeatureFile) -> FeatureFile:
    """The file with the shape of its array filled in; a DataError if it holds no float numbers."""
    array = read_array(file.path, mmap=True)
    if array.dtype.kind != "f":
        raise DataError(f"{file.path}: expected features as float numbers, got {array.dtype}. Is it a feature file?")
    return dataclasses.replace(file, shape=array.shape)


def find_layout(source: Path, files: list[FeatureFile], stated: FeatureLayout | None, tell: Tell = refuse) -> FeatureLayout | None:
    """The layout that names and shapes allow; None where they allow none, which ``tell`` gets.

    Raises:
        DataError: nobody is told, and there are files of two layouts, shapes of none, shapes of two, or not the stated one.
    """
    kinds: dict[tuple[bool, int], FeatureFile] = {}
    for file in files:
        kinds.setdefault((file.crop is not None, len(file.shape)), file)

    def wrong(subject: Path, message: str, fix: str) -> None:
        tell(Finding("error", "feature-layout", str(subject), message, fix))

    if len(kinds) > 1:
        examples = " and ".join(f"{file.path.relative_to(source)} {file.shape}" for file in list(kinds.values())[:2])
        wrong(source, f"files of different layouts, such as {examples}; two releases are mixed", "keep one")
        return None
    (per_crop, axes), example = next(iter(kinds.items()))
    if axes not in (2, 3) or (per_crop and axes == 3):
        shapes = f"T x D{'' if per_crop else ', T x crops x D or crops x T x D'}"
        wrong(example.path, f"expected {shapes}, got {example.shape}", "save the features in one of these shapes")
        return None
    possible: list[FeatureLayout] = ["t-n-d", "n-t-d"] if axes == 3 else ["crop-files"] if per_crop else ["single"]
    if stated:
        if stated not in possible:
            wrong(source, f"--layout {stated} cannot be, {example.path.name} has shape {example.shape}", "leave it out")
            return None
        return stated
    if axes == 2:
        return possible[0]
    sizes = {"t-n-d": {file.shape[1] for file in files}, "n-t-d": {file.shape[0] for file in files}}
    fixed = [layout for layout in possible if len(sizes[layout]) == 1]
    usual = [layout for layout in fixed if sizes[layout] <= CROP_NAMES.keys()]
    if not fixed:
        both = f"{sizes_text(sizes['n-t-d'])}; {sizes_text(sizes['t-n-d'])}"
        message = f"neither of the first two axes has one size in all files ({both}), so none can be the crops"
        wrong(source, f"{message}; two releases or layouts are mixed", "keep one")
        return None
    if len(fixed) > 1 and len(usual) != 1:
        either = f"{example.path.name} {example.shape} could be snippets x crops or crops x snippets"
        wrong(source, f"{either}, and the other files do not tell", "state it with --layout t-n-d or --layout n-t-d")
        return None
    return fixed[0] if len(fixed) == 1 else usual[0]


def check_dimension(source: Path, files: list[FeatureFile], wanted: int, tell: Tell = refuse) -> int:
    """The width that all files have, or most of them; ``tell`` gets files of another width, and a width that is not wanted.

    Raises:
        DataError: nobody is told, and the width is not the wanted one in all files.
    """
    by_width: dict[int, list[FeatureFile]] = {}
    for file in files:
        by_width.setdefault(file.shape[-1], []).append(file)

    def wrong(message: str, fix: str) -> None:
        tell(Finding("error", "feature-width", str(source), message, fix))

    width = max(by_width, key=lambda found: len(by_width[found]))
    if len(by_width) > 1:
        rows = {file.shape[0] for file in files}
        if len(files[0].shape) == 2 and len(rows) == 1:
            wrong(f"all files have {rows.pop():,} rows and different widths; they seem to be D x T", "transpose them")
        else:
            examples = ", ".join(f"{w:,} in {found[0].path.relative_to(source)}" for w, found in sorted(by_width.items())[:3])
            wrong(f"features of different width ({examples}); two releases are mixed", "keep one")
    elif width != wanted:
        known = {1024: "I3D", 2048: "I3D with ResNet-50, as RTFM uses", 512: "CLIP ViT-B/16", 4096: "C3D"}.get(width)
        wrong(
            f"features are {width:,} wide{f' ({known})' if known else ''}, configured is {wanted:,}",
            f"pass --dimension {width} to use them, or give features of width {wanted:,}",
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
