"""What was found in a folder to import, and the data set that it becomes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from tqdm import tqdm

from vad_lib.data.annotations import MaskRule, Split, VideoList, VideoRecord
from vad_lib.data.dataset import DatasetInfo
from vad_lib.data.importing.layouts import FeatureLayout, read_crops
from vad_lib.data.importing.lists import FoundLists
from vad_lib.data.importing.public_sets import PublicSet
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.errors import first_few


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


def num_test_frames(records: Iterable[VideoRecord]) -> tuple[int, int]:
    """Frames of the test videos, and how many of them are abnormal."""
    masks = (record.frame_labels() for record in records if record.split == "test")  # one at a time: they may be long
    counts = [(len(mask), int(mask.sum())) for mask in masks]
    return sum(frames for frames, _ in counts), sum(abnormal for _, abnormal in counts)


def features_of(found: Findings, *, progress: bool) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Name and crops (T, D) of every video, memory-mapped, cut or padded to the length that was decided on."""
    assert found.layout is not None  # of a folder with videos only there is nothing to read
    for record in tqdm(found.videos.records, unit="video", disable=None if progress else True):
        arrays = read_crops(found.files[record.name], found.layout)
        length = found.lengths[record.name]
        more = length - len(arrays[0])
        if more > 0:
            arrays = [np.concatenate([array, np.repeat(array[-1:], more, axis=0)]) for array in arrays]
        yield record.name, [array[:length] for array in arrays]


def dataset_info_of(
    settings: ImportSettings,
    known: PublicSet | None,
    lists: FoundLists,
    rule: MaskRule,
    tail: Literal["exact", "extend"],
    notes: list[str],
    kind: str,
) -> DatasetInfo:
    """What becomes ``dataset.json``.

    Args:
        settings: name, and what a person stated.
        known: the public set, if it is one.
        lists: with the content of a person's own ``dataset.json``.
        rule: the mask rule.
        tail: whether the last score holds on to the end of a video whose features end early.
        notes: of this import; they follow a person's own note.
        kind: ``features`` or ``videos``, for the line on the source.
    """
    if known:
        own = {
            "title": known.title,
            "headline_metric": known.headline_metric,
            "counterpart": known.title,
            "source": f"public lists of {known.title} and {kind} in the form they were provided",
            "fps": known.fps,
        }
    else:
        own = {"title": settings.dataset, "headline_metric": "auc", "source": f"own list and {kind}", "fps": 30.0} | {
            key: value for key, value in lists.content.items() if key not in ("mask_rule", "tail", "categories", "note")
        }
        stated = {"title": settings.title, "headline_metric": settings.metric, "fps": settings.fps}
        own |= {key: value for key, value in stated.items() if value}
        notes = [text for text in (lists.content["note"],) if text] + notes
    fixed = {
        "name": settings.dataset,
        "categories": lists.videos.categories,
        "mask_rule": rule,
        "tail": tail,
        "note": "; ".join(notes),
    }
    return DatasetInfo(**{"synthetic": False, **own, **fixed})
