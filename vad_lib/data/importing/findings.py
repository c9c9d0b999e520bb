"""What was found in a folder to import, and the data set that it becomes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from tqdm import tqdm

from vad_lib.data.annotations import MaskRule, Split, VideoList, VideoRecord
from vad_lib.data.dataset import DatasetInfo
from vad_lib.data.finding import Finding, Level
from vad_lib.data.importing.layouts import FeatureLayout, read_crops
from vad_lib.data.importing.public_sets import FoundLists, PublicSet
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.errors import DataError, MissingFileError, first_few
from vad_lib.storage.reading import read_array

MOST_SHOWN = 12  # findings of one code that are printed; a report holds all


@dataclass(frozen=True)
class Findings:
    """What a folder holds.

    Attributes:
        name: of the data set.
        findings: all that is wrong or worth knowing; nothing is imported while there is an error.
        kind: what is there to import; empty if nothing, or there is no list of it.
        info: what becomes ``dataset.json``; None if there is too little to tell.
        videos: all listed videos that have features (or files, if only videos are there) and can be used.
        files: per video the files of its features in the order of the crops; empty if only videos are there.
        lengths: T of every video as stored in its files; empty if only videos are there.
        layout: of the features; None if only videos are there.
        crops: names in stored order.
        dtype: of the store.
        missing: listed videos without file.
        surplus: files of videos that no list names.
        own_note: the part of the note that a person wrote.
    """

    name: str
    findings: tuple[Finding, ...]
    kind: Literal["features", "videos", ""] = ""
    info: DatasetInfo | None = None
    videos: VideoList = field(default_factory=lambda: VideoList((), ()))
    files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    layout: FeatureLayout | None = None
    crops: tuple[str, ...] = ()
    dimension: int = 0
    dtype: str = ""
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    own_note: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each error."""
        return self._said("error")

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each warning, for a person to judge."""
        return self._said("warning")

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that is good to know."""
        return self._said("note")

    def _said(self, level: Level) -> tuple[str, ...]:
        return tuple(str(finding) for finding in self.findings if finding.level == level)

    def __str__(self) -> str:
        said = [f"{level}: {text}" for level in ("note", "warning", "error") for text in shown(self.findings, level)]
        return "\n".join((self._summary() if self.info else []) + said)

    def _summary(self) -> list[str]:
        assert self.info is not None
        if self.kind == "videos":
            kind = "videos, from which features are to be extracted"
        elif self.layout is None:
            kind = "features of a layout that cannot be told"
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
        return lines


def shown(findings: Iterable[Finding], level: Level) -> list[str]:
    """The findings of a level as sentences, and how many more there are of a code that has many."""
    by_code: dict[str, list[str]] = {}
    for finding in findings:
        if finding.level == level:
            by_code.setdefault(finding.code, []).append(str(finding))
    sentences = []
    for code, texts in by_code.items():
        sentences += texts[:MOST_SHOWN]
        if len(texts) > MOST_SHOWN:
            sentences.append(f"{len(texts) - MOST_SHOWN:,} more like these ({code}); --report FILE holds all.")
    return sentences


def refuse_errors(found: Findings) -> None:
    """Raise all errors as one.

    Raises:
        MissingFileError: all that is wrong is that lists or files are not there.
        DataError: something else is wrong.
    """
    errors = shown(found.findings, "error")
    if not errors:
        return
    count = sum(finding.level == "error" for finding in found.findings)
    missing = all(finding.code.endswith("-missing") for finding in found.findings if finding.level == "error")
    text = errors[0] if count == 1 else f"{count:,} things are wrong:" + "".join(f"\n  - {error}" for error in errors)
    raise (MissingFileError if missing else DataError)(f"{found.name}: {text}")


def num_test_frames(records: Iterable[VideoRecord]) -> tuple[int, int]:
    """Frames of the test videos, and how many of them are abnormal."""
    masks = (record.frame_labels() for record in records if record.split == "test")  # one at a time: they may be long
    counts = [(len(mask), int(mask.sum())) for mask in masks]
    return sum(frames for frames, _ in counts), sum(abnormal for _, abnormal in counts)


def features_of(found: Findings, *, progress: bool) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Name and crops (T, D) of every video, memory-mapped, cut or padded to the length that was decided on.

    Where the layout cannot be told, the arrays come as they are, as rows of D.
    """
    records = [record for record in found.videos.records if record.name in found.files]
    for record in tqdm(records, unit="video", disable=None if progress else True):
        if found.layout is None:
            arrays = [np.atleast_2d(read_array(path, mmap=True)) for path in found.files[record.name]]
            yield record.name, [array.reshape(-1, array.shape[-1]) for array in arrays]
            continue
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
