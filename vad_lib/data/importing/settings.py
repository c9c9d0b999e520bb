"""What a person may say about a folder to import, and what was found in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field

from vad_lib.config import Settings
from vad_lib.data.annotations import MaskRule, Split, VideoList, VideoRecord
from vad_lib.data.backbones.i3d import FEATURE_DIM
from vad_lib.data.dataset import DatasetInfo
from vad_lib.data.importing.layouts import FeatureLayout
from vad_lib.data.video import VIDEO_SUFFIXES

# Rule that belongs to the public features of a layout; RTFM's followers use the features of rule A on XD-Violence.
LAYOUT_RULES: dict[FeatureLayout, MaskRule] = {"crop-files": "A", "t-n-d": "B", "n-t-d": "B", "single": "C"}


class ImportSettings(Settings):
    """How a folder is to be read; what is left empty is found out or has the stated default."""

    dataset: str = Field(min_length=1, pattern=r"^[^/\\]+$", description="ucf-crime, xd-violence, or a name of one's own")
    layout: FeatureLayout | None = Field(None, description="of the feature files; found out by names and shapes")
    rule: MaskRule | None = Field(None, description="how intervals become frame masks; for the public sets by layout, else frames")
    frames: str = Field("", description="CSV with video,n_frames: raw frame counts")
    partial: bool = Field(False, description="accept missing videos, and say so in every table")
    align: Literal["none", "cut", "pad", "both"] = Field(
        "none",
        description="lengths that do not fit the frame counts: cut surplus snippets at the end, repeat the last one, or both",
    )
    dimension: int = Field(FEATURE_DIM, ge=1, description="width that the features must have")
    crops: tuple[str, ...] = Field((), description="names of the crops in stored order; the field's usual order")
    dtype: Literal["float16", "float32"] = Field("float16", description="of the store")
    title: str = Field("", description="name in tables, own sets only")
    metric: Literal["auc", "ap"] | None = Field(None, description="headline metric, own sets only; auc")
    fps: float | None = Field(None, gt=0, description="frames per second, own sets only; 30")
    categories: tuple[str, ...] = Field((), description="the normal one first, own sets only; from videos.csv")


@dataclass(frozen=True)
class Findings:
    """What a folder holds.

    Attributes:
        info: what becomes ``dataset.json``.
        videos: all listed videos that have features (or files, if only videos are there).
        files: per video the files of its features in the order of the crops, or its video file.
        lengths: T of every video as stored in its files; empty if only videos are there.
        layout: of the features; None if only videos are there.
        crops: names in stored order.
        dtype: of the store.
        missing: listed videos without file.
        surplus: files of videos that no list names.
        problems: one sentence each; nothing is imported while there is one.
        warnings: one sentence each, for a person to judge.
        own_note: the part of the note that a person wrote.
    """

    info: DatasetInfo
    videos: VideoList
    files: dict[str, tuple[Path, ...]]
    lengths: dict[str, int]
    layout: FeatureLayout | None
    crops: tuple[str, ...]
    dimension: int
    dtype: str
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    own_note: str

    def __str__(self) -> str:
        if self.layout is None:
            kind = "videos, from which features are to be extracted"
        else:
            crops = f"{len(self.crops)} crop{'s' * (len(self.crops) > 1)} ({', '.join(self.crops)})"
            kind = f"features, layout {self.layout}, {crops}, {self.dimension:,} wide"
        lines = [f"{self.info.title}: {kind}; mask rule {self.info.mask_rule}", f"{'':<16}{'train':>8}{'test':>8}"]
        splits = [self.videos.split(split) for split in get_args(Split)]
        for category in self.videos.categories:
            counts = [sum(category in record.categories for record in records) for records in splits]
            lines.append(f"{category:<16}" + "".join(f"{count:>8,}" for count in counts))
        lines.append(f"{'videos':<16}" + "".join(f"{len(records):>8,}" for records in splits))
        for split, records in zip(get_args(Split), splits):
            lengths = [self.lengths[record.name] for record in records] if self.lengths else []
            if lengths:
                lines.append(f"{split}: {min(lengths):,} to {max(lengths):,} snippets, mean {np.mean(lengths):,.0f}")
        frames, abnormal = num_test_frames(splits[1])
        lines.append(f"test frames: {frames:,}, of which {abnormal:,} abnormal")
        lines.append(f"missing: {first_few(self.missing)}; surplus: {first_few(self.surplus)}; duplicates: none")
        if self.info.note:
            lines.append(f"note for every table: {self.info.note}")
        lines += [f"warning: {text}" for text in self.warnings] + [f"error: {text}" for text in self.problems]
        return "\n".join(lines)


@dataclass(frozen=True)
class FoundLists:
    """What the lists say: videos, the files read, the content of a ``dataset.json``, and files that cannot be of the set."""

    videos: VideoList
    paths: list[Path]
    content: dict[str, Any]
    foreign: set[str]


def num_test_frames(records: Iterable[VideoRecord]) -> tuple[int, int]:
    masks = (record.frame_labels() for record in records if record.split == "test")  # one at a time: they may be long
    counts = [(len(mask), int(mask.sum())) for mask in masks]
    return sum(frames for frames, _ in counts), sum(abnormal for _, abnormal in counts)


READ_OPTIONS = (".npy", ".txt", ".list", *VIDEO_SUFFIXES)

SPLIT_NAMES: dict[Split, str] = {"test": "test", "train": "training"}


def first_few(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return f"{len(names):,} video{'s' if len(names) > 1 else ''} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
