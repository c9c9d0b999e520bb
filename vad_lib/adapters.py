"""People's data folders -> a data set of this library: UCF-Crime, XD-Violence, and anybody's own features or videos.

``python -m vad_lib.adapters check|import --dataset ucf-crime --source DIR`` reads

* for ``ucf-crime`` and ``xd-violence``: the official text files (:mod:`vad_lib.official`), at most two levels deep, and the
  feature files at any depth, or the videos in ``videos/``;
* for any other name: ``videos.csv`` (:mod:`vad_lib.annotations`), an optional ``dataset.json``, and ``features/`` or ``videos/``.

Feature files are ``.npy`` in one of four layouts, which are told apart by names and shapes:

* ``crop-files``: ``NAME__0.npy``, ``NAME__1.npy``, ..., each T x D (Wu et al., VadCLIP);
* ``t-n-d``: one file per video, T x N x D (RTFM);
* ``n-t-d``: one file per video, N x T x D;
* ``single``: one file per video, T x D.

``check`` reads everything and writes nothing. ``import`` writes ``dataset.json``, ``videos.csv`` and ``store/``, video by video,
and does nothing if neither the files nor the settings have changed since. T snippets, N crops, D features.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
from pydantic import Field
from tqdm import tqdm

from vad_lib.annotations import MOST_FRAMES, MaskRule, Split, VideoList, VideoRecord, check_records, read_video_csv, write_video_csv
from vad_lib.config import FRAMES_PER_SNIPPET, Settings
from vad_lib.datasets import DatasetInfo
from vad_lib.errors import DataError, MissingFileError, VadError, command_line
from vad_lib.feature_files import (
    DEEPEST,
    CropComparison,
    FeatureFile,
    FeatureLayout,
    check_crops,
    check_dimension,
    files_below,
    find_layout,
    read_crops,
    walk,
    with_shape,
)
from vad_lib.features import ROWS_AT_ONCE, FeatureContract, FeatureStore
from vad_lib.files import content_hash, file_sha256, inside, read_csv, read_json, write_json
from vad_lib.i3d import FEATURE_DIM
from vad_lib.locks import LOCK_FILE, remove_free_lock, sole_writer, waiting
from vad_lib.official import (
    ALIASES,
    NORMAL,
    OFFICIAL,
    UCF_CRIME,
    XD_LABEL,
    OfficialSet,
    read_names,
    read_ucf_crime,
    read_xd_violence,
    video_key,
)
from vad_lib.video import VIDEO_SUFFIXES, header_frames

RECORD_FILE = "import.json"

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
        frames, abnormal = _test_frames(splits[1])
        lines.append(f"test frames: {frames:,}, of which {abnormal:,} abnormal")
        lines.append(f"missing: {_some(self.missing)}; surplus: {_some(self.surplus)}; duplicates: none")
        if self.info.note:
            lines.append(f"note for every table: {self.info.note}")
        lines += [f"warning: {text}" for text in self.warnings] + [f"error: {text}" for text in self.problems]
        return "\n".join(lines)


@dataclass(frozen=True)
class ImportResult:
    """What an import did.

    Attributes:
        findings: what the folder holds; None if nothing had changed.
        changed: False if nothing was written.
        features: True if there is a feature store now, False if features are still to be extracted from videos.
    """

    findings: Findings | None
    changed: bool
    features: bool


# --- the two commands -------------------------------------------------------------------------------
def check_source(source: Path | str, settings: ImportSettings, *, read: bool = True, progress: bool = True) -> Findings:
    """Look through a folder and find everything that is wrong; nothing is written.

    Args:
        source: the folder.
        settings: how to read it.
        read: True to read all features too (NaN, crops that are the same), False for names and shapes only.
        progress: True for a bar on a terminal.

    Returns:
        what was found, its ``problems`` included.

    Raises:
        MissingFileError: no folder, lists, features or videos; the message says what was found instead.
        DataError: lists or files from which nothing can be told (see :mod:`vad_lib.official`).
    """
    found = _find(Path(source), settings)
    if not read or found.layout is None or found.problems:
        return found
    problems: list[str] = []
    crops = CropComparison(found.crops)
    for video, features in _features(found, progress=progress):
        broken = not all(
            np.isfinite(crop[start : start + ROWS_AT_ONCE]).all()
            for crop in features
            for start in range(0, len(crop), ROWS_AT_ONCE)
        )
        if broken:
            problems.append(f"video {video}: its features hold NaN or infinity; copy or extract them again.")
        elif error := crops.look(video, features):
            problems.append(error)
    return dataclasses.replace(found, problems=tuple(problems), warnings=(*found.warnings, *crops.warnings()))


def import_dataset(source: Path | str, out: Path | str | None, settings: ImportSettings, *, progress: bool = True) -> ImportResult:
    """Make ``dataset.json``, ``videos.csv`` and, if there are features, ``store/``.

    Args:
        source: the folder with lists and features or videos.
        out: folder of the data set; the source itself if None.
        settings: how to read the source.
        progress: True for a bar on a terminal, and a summary.

    Returns:
        what was done; nothing, if neither the source nor the settings have changed since the last time.

    Raises:
        MissingFileError, DataError: as :func:`check_source`, and for every problem found; what ``out`` held stays as it was.
        OutputError: ``out`` cannot be written or the disk is full.
        BusyError: another process imports into ``out``.
    """
    source = Path(source)
    out = source if out is None else Path(out)
    if not _unchanged(out, _fingerprint(source, out, settings)):
        with sole_writer(out):
            return _import(source, out, settings, progress=progress)
    remove_free_lock(out / LOCK_FILE)
    return ImportResult(None, False, bool(_record(out)["store"]))


def _import(source: Path, out: Path, settings: ImportSettings, *, progress: bool) -> ImportResult:
    fingerprint, described = _fingerprint(source, out, settings), _described(source)
    if _unchanged(out, fingerprint):  # another process has done it meanwhile
        return ImportResult(None, False, bool(_record(out)["store"]))
    found = _find(source, settings, out)
    _refuse(found)
    if progress:
        print(found)
    store_hash = ""
    if found.layout is not None:
        crops = CropComparison(found.crops)
        store_hash = FeatureStore.write(
            out / "store", _contract(found), _checked(_features(found, progress=progress), crops)
        ).content_hash
        found = dataclasses.replace(found, warnings=(*found.warnings, *crops.warnings()))
        if progress:
            for text in crops.warnings():
                print(f"warning: {text}")
    listed = out / "videos.csv"
    if not (listed.is_file() and _reads_as(listed, found.videos, found.info.mask_rule)):
        write_video_csv(listed, found.videos)
    write_json(out / "dataset.json", found.info.model_dump(mode="json"))
    write_json(
        out / RECORD_FILE,
        {
            "source": "" if _same(source, out) else str(source.resolve()),
            "settings": settings.model_dump(mode="json"),
            "fingerprint": fingerprint,
            "described": described,
            "own_note": found.own_note,
            "store": store_hash,
            "written": {name: file_sha256(out / name) for name in ("dataset.json", "videos.csv")},
        },
    )
    return ImportResult(found, True, found.layout is not None)


def prepare_folder(folder: Path | str, name: str, settings: ImportSettings | None = None, *, progress: bool = True) -> bool:
    """Import a data set's own folder if it holds something to import.

    Args:
        folder: the data set's folder.
        name: of the data set.
        settings: how to read it; None for those of the last import, or the defaults.
        progress: True for a bar on a terminal, and a summary.

    Returns:
        True if the features are ready, False if they are to be extracted from videos. Errors as :func:`import_dataset`.
    """
    folder = Path(folder)
    record = _record(folder)
    if settings is None:
        settings = ImportSettings(**record["settings"]) if record else ImportSettings(dataset=name)
    source = Path(record["source"] or folder) if record else folder
    if name in OFFICIAL:
        there = source.is_dir() and bool(_list_files(source, OFFICIAL[name].lists))
    else:
        there = (source / "features").is_dir() or ((source / "videos.csv").is_file() and not (source / "dataset.json").is_file())
    if there:
        return import_dataset(source, folder, settings, progress=progress).features
    return bool(record.get("store"))  # the store outlives the files that it was made from


def _refuse(found: Findings) -> None:
    if found.problems:
        first = found.problems[0]
        more = f" (and {len(found.problems) - 1} more: run `python -m vad_lib.adapters check`)" if len(found.problems) > 1 else ""
        raise DataError(f"{found.info.name}: {first}{more}")


# --- reading a folder -------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Lists:
    """What the lists say: videos, the files read, the content of a ``dataset.json``, and files that cannot be of the set."""

    videos: VideoList
    paths: list[Path]
    content: dict[str, Any]
    foreign: set[str]


def _find(source: Path, settings: ImportSettings, out: Path | None = None) -> Findings:
    known, out = OFFICIAL.get(settings.dataset), out or source
    if not source.is_dir():
        raise MissingFileError(f"{source}: expected the folder of {settings.dataset}, found none; check --source.")
    raw = files_below(source / "videos", VIDEO_SUFFIXES)
    arrays = files_below(
        source if known else source / "features", (".npy",), skip=(source / "videos", source / "store", out / "store")
    )
    files = arrays or raw
    lists = _official_lists(source, known, files) if known else _own_lists(source, settings)
    if not files:
        raise MissingFileError(
            f"{source}: expected feature files (.npy) {'anywhere below' if known else 'in features/'} or videos in videos/, "
            f"found {_listing(source)}.{_suggestion(source, _holds_arrays, '' if known else 'name that folder features')}"
        )
    records = _by_key(lists.videos, source)
    grouped, missing, surplus = _match(files, records, lists, source)
    present = VideoList(lists.videos.categories, tuple(records[key] for key in grouped))
    problems, notes, test_complete = _completeness(known, lists.videos, present, missing, surplus, settings.partial, source)
    layout, crops, lengths, dimension = None, (), {}, settings.dimension
    if arrays:
        grouped = {key: [with_shape(file) for file in group] for key, group in grouped.items()}
        flat = [file for group in grouped.values() for file in group]
        layout = find_layout(source, flat, settings.layout)
        dimension = check_dimension(source, flat, settings.dimension)
        crops, found = check_crops(grouped, layout, settings.crops)
        problems += found
        lengths = {records[key].name: group[0].shape[layout == "n-t-d"] for key, group in grouped.items()}
    rule = _rule(settings, known, layout, lists.content)
    counted, warnings = _frame_counts(
        settings, known, present, raw, asked=not arrays or rule == "frames" or settings.align != "none"
    )
    if arrays:
        videos, fitted, found = _fit(present, lengths, counted, rule, known, settings.align)
        problems += found
        if changed := sum(fitted[name] != lengths[name] for name in fitted):
            notes.append(f"features of {changed:,} videos aligned to their frames ({settings.align})")
        lengths |= fitted
    else:
        counts = {record: counted.get(video_key(record.name), record.num_frames) for record in present.records}
        with_frames = tuple(dataclasses.replace(r, num_frames=frames, mask_rule=rule) for r, frames in counts.items())
        videos = dataclasses.replace(present, records=with_frames)
    if known and test_complete and not problems:
        text = _wrong_totals(known, videos, rule, lengths)
        # Frames that were counted or aligned here are the person's own; released ones must give the public totals.
        (notes if settings.align != "none" or not arrays else problems).extend(text)
        if rule not in known.totals:
            warnings.append(f"rule {rule} is not in use with {known.title}, so its totals cannot be checked.")
    if not problems:
        check_records(videos.categories, videos.records, str(source))
        if not known and _same(source, out) and not _reads_as(lists.paths[0], videos, rule):
            problems.append(
                f"the imported list would differ from {lists.paths[0]} (rule {rule}, {len(videos.records):,} videos) and take its "
                "place; give another folder with --out."
            )
    early = any(lengths[record.name] * FRAMES_PER_SNIPPET < record.num_frames for record in videos.records if lengths)
    return Findings(
        info=_info(settings, known, lists, rule, "extend" if early else "exact", notes, "features" if arrays else "videos"),
        videos=videos,
        files={records[key].name: tuple(file.path for file in group) for key, group in grouped.items()},
        lengths=lengths,
        layout=layout,
        crops=crops,
        dimension=dimension,
        dtype=settings.dtype,
        missing=missing,
        surplus=surplus,
        problems=tuple(problems),
        warnings=tuple(warnings),
        own_note=lists.content.get("note", ""),
    )


def _completeness(
    known: OfficialSet | None,
    videos: VideoList,
    present: VideoList,
    missing: Sequence[str],
    surplus: Sequence[str],
    partial: bool,
    source: Path,
) -> tuple[list[str], list[str], bool]:
    """Problems with missing and surplus videos, the note on a partial set, and whether all test videos are there."""
    problems, notes = [], []
    if surplus:
        problems.append(f"files of {_some(surplus)} in no list; move them out of {source}, or add them to the lists.")
    if missing and not partial:
        problems.append(
            f"{len(missing):,} of {len(videos.records):,} listed videos have no file ({', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}); add them, or accept it with --partial."
        )
    totals = {split: sum(known.counts[split]) if known else len(videos.split(split)) for split in _SPLIT_NAMES}
    there = {split: len(present.split(split)) for split in _SPLIT_NAMES}
    if partial and there != totals:
        notes.append("partial: " + ", ".join(f"{there[s]:,} of {totals[s]:,} {name} videos" for s, name in _SPLIT_NAMES.items()))
    elif known and not missing:
        problems += _miscounted(known, present)
    return problems, notes, there["test"] == totals["test"]


def _by_key(videos: VideoList, source: Path) -> dict[str, VideoRecord]:
    records: dict[str, VideoRecord] = {}
    for record in videos.records:
        other = records.setdefault(video_key(record.name), record)
        if other is not record:
            raise DataError(f"{source}: the lists hold {other.name} and {record.name}, which are one video; remove one.")
    return records


def _match(
    files: list[FeatureFile], records: dict[str, VideoRecord], lists: _Lists, source: Path
) -> tuple[dict[str, list[FeatureFile]], tuple[str, ...], tuple[str, ...]]:
    """Files of the listed videos in the order of the list, listed videos without file, and files of unlisted ones."""
    found: dict[str, dict[int | None, FeatureFile]] = {}
    for file in files:
        if video_key(file.stem) in records:  # a name of one's own may end like a crop
            file = dataclasses.replace(file, key=video_key(file.stem), crop=None)
        other = found.setdefault(file.key, {}).setdefault(file.crop, file)
        if other is not file and file.key in records:
            raise DataError(
                f"{source}: {other.path.relative_to(source)} and {file.path.relative_to(source)} are files of the same video "
                "and crop; two releases are mixed, or a file is there twice. Keep one."
            )
    surplus = tuple(sorted((found.keys() - records.keys()) | lists.foreign))
    if not found.keys() & records.keys():
        raise DataError(
            f"{source}: none of the {len(found):,} videos with files is in the lists (files: {', '.join(sorted(found)[:3])}; "
            f"lists: {', '.join(sorted(records)[:3])}); they are of another data set, or renamed. Check --dataset and --source."
        )
    grouped = {
        key: [found[key][crop] for crop in sorted(found[key], key=lambda c: -1 if c is None else c)]
        for key in records
        if key in found
    }
    return grouped, tuple(record.name for key, record in records.items() if key not in found), surplus


# --- lists ------------------------------------------------------------------------------------------
def _official_lists(source: Path, known: OfficialSet, files: list[FeatureFile]) -> _Lists:
    paths = _list_files(source, known.lists)
    lacking = [name for name in known.lists if name not in paths]
    if lacking:
        others = [
            other for other in OFFICIAL.values() if other is not known and len(_list_files(source, other.lists)) == len(other.lists)
        ]
        hint = (
            f" These are the lists of {others[0].title}: use --dataset {others[0].name}."
            if others
            else _suggestion(source, lambda folder: len(_list_files(folder, known.lists)) == len(known.lists))
        )
        raise MissingFileError(
            f"{source}: expected the lists of {known.title} ({', '.join(known.lists)}) at most two levels deep, "
            f"{', '.join(lacking)} missing; found {_listing(source)}.{hint}"
        )
    ordered = [paths[name] for name in known.lists]
    if known is UCF_CRIME:
        return _Lists(read_ucf_crime(*ordered), ordered, {}, set())
    named = _xd_split_lists(source)
    labelled = {file.key for file in files if XD_LABEL.search(file.key)}
    in_test = {file.key for file in files if any("test" in part.lower() for part in file.path.relative_to(source).parts[:-1])}
    annotated = {video_key(name) for name in read_names(ordered[0])}
    listed = {split: {video_key(name) for path in named[split] for name in read_names(path)} for split in named}
    test = listed["test"] or labelled & in_test
    train = listed["train"] or labelled - test - annotated
    videos = read_xd_violence(*ordered, {"train": train, "test": test})
    return _Lists(videos, [*ordered, *named["train"], *named["test"]], {}, {f.key for f in files} - labelled)


def _list_files(source: Path, names: Sequence[str]) -> dict[str, Path]:
    """Where lists lie, two levels deep at most, upper and lower case taken as the same."""
    wanted = {alias.lower(): name for alias, name in (*((name, name) for name in names), *ALIASES.items()) if name in names}
    found: dict[str, Path] = {}
    for folder, files in walk(source, 2):
        for file in files:
            name = wanted.get(file.lower())
            path = folder / file
            if name:
                inside(path, source)
            if name in found and file_sha256(found[name]) != file_sha256(path):
                raise DataError(f"{source}: {found[name]} and {path} differ; two releases are mixed. Keep one of the lists.")
            if name:
                found.setdefault(name, path)
    return found


def _xd_split_lists(source: Path) -> dict[str, list[Path]]:
    """Optional lists of the videos of a split, such as Wu et al.'s ``rgb.list`` and ``rgbtest.list``."""
    found: dict[str, list[Path]] = {"train": [], "test": []}
    for folder, files in walk(source, 2):
        for file in files:
            stem, _, ending = file.lower().rpartition(".")
            if ending not in ("list", "txt") or any(other in stem for other in ("audio", "flow", "annotation", "anomaly")):
                continue
            if "test" in stem or "train" in stem or stem == "rgb":
                found["test" if "test" in stem else "train"].append(inside(folder / file, source))
    return found


def _own_lists(source: Path, settings: ImportSettings) -> _Lists:
    path, described = source / "videos.csv", source / "dataset.json"
    if not path.is_file():
        official = [known for known in OFFICIAL.values() if _list_files(source, known.lists)]
        hint = f" It holds lists of {official[0].title}: use --dataset {official[0].name}." if official else ""
        raise MissingFileError(
            f"{source}: expected videos.csv, found {_listing(source)}."
            + (hint or _suggestion(source, lambda folder: (folder / "videos.csv").is_file()))
        )
    content = read_json(described) if described.is_file() else {}
    if not isinstance(content, dict):
        raise DataError(f"{described}: expected named values, got a {type(content).__name__}; see any built-in data set's.")
    if content.get("name", settings.dataset) != settings.dataset:
        raise DataError(f"{described}: its name is {content['name']!r}, asked for is {settings.dataset!r}; change one of them.")
    stated = content.get("categories", [])
    if not isinstance(stated, list) or not all(isinstance(category, str) for category in stated):
        raise DataError(f"{described}: categories: expected a list of names, the normal one first, got {stated!r}; correct it.")
    categories = settings.categories or tuple(stated) or _csv_categories(path)
    rule = settings.rule or content.get("mask_rule", "frames")
    if rule not in get_args(MaskRule):
        raise DataError(f"{described}: mask_rule: expected one of {', '.join(get_args(MaskRule))}, got {rule!r}; correct it.")
    return _Lists(read_video_csv(path, categories, rule), [path], content | {"note": _own_note(source, content)}, set())


def _csv_categories(path: Path) -> tuple[str, ...]:
    """Categories of a list, the normal one first and the others by name."""
    cells = [row["category"] for _, row in read_csv(path, ("category",), "the list of videos")]
    found = {part.strip() for cell in cells for part in cell.split(";") if part.strip()}
    if found and NORMAL not in found:
        raise DataError(
            f"{path}: expected the category {NORMAL} among {', '.join(sorted(found))}; rename the normal one in the list, "
            "or give all with --categories, the normal one first."
        )
    return (NORMAL, *sorted(found - {NORMAL}))


def _frame_counts(
    settings: ImportSettings, known: OfficialSet | None, videos: VideoList, raw: list[FeatureFile], *, asked: bool
) -> tuple[dict[str, int], list[str]]:
    """Raw frames by key as far as they are known, and where the headers of the videos say otherwise."""
    headers = {file.key: header_frames(file.path) for file in raw} if asked else {}
    listed = {} if known else {video_key(record.name): record.num_frames for record in videos.records}
    counted = _read_frame_counts(Path(settings.frames)) if settings.frames else listed
    differing = [key for key, frames in headers.items() if abs(counted.get(key, frames) - frames) > FRAMES_PER_SNIPPET]
    warnings = [f"by their headers, {_some(differing)} of other length than listed; correct n_frames if so."] if differing else []
    return counted or headers, warnings


def _read_frame_counts(path: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line, row in read_csv(path, ("video", "n_frames"), "a CSV with the columns video and n_frames"):
        try:
            key, frames = video_key(row["video"].strip()), int(row["n_frames"])
        except ValueError:
            raise DataError(f"{path}, line {line}: expected columns video and n_frames with a number, got {row}.") from None
        if not 1 <= frames <= MOST_FRAMES or counts.setdefault(key, frames) != frames:
            raise DataError(f"{path}, line {line}: {frames:,} frames of {row['video']} cannot be, or contradict another line.")
    if not counts:
        raise DataError(f"{path}: expected columns video and n_frames and a line per video, got none.")
    return counts


# --- lengths ----------------------------------------------------------------------------------------
def _rule(settings: ImportSettings, known: OfficialSet | None, layout: FeatureLayout | None, content: dict[str, Any]) -> MaskRule:
    if settings.rule or not known:
        return settings.rule or content.get("mask_rule", "frames")
    usual = LAYOUT_RULES[layout] if layout else "frames"
    return usual if usual in known.totals else "A"


def _fit(
    videos: VideoList,
    lengths: dict[str, int],
    counted: dict[str, int],
    rule: MaskRule,
    known: OfficialSet | None,
    align: str,
) -> tuple[VideoList, dict[str, int], list[str]]:
    """Videos with their frames, lengths that differ from the files' own, and what does not fit."""
    fitted: dict[str, int] = {}
    problems: list[str] = []
    resampled = len(lengths) > 3 and len(set(lengths.values())) == 1
    done = []
    if align != "none" and not counted:
        problems.append(f"--align {align} needs the frames of the videos; give them with --frames.")
    for record in videos.records:
        length, frames = lengths[record.name], counted.get(video_key(record.name))
        if frames is not None:
            low, high = _expected(record, frames, rule, known)
            wanted = min(max(length, low), high)
            if (wanted < length and align in ("cut", "both")) or (wanted > length and align in ("pad", "both")):
                fitted[record.name] = length = wanted
            elif wanted != length:
                problems.append(
                    f"video {record.name}: {frames:,} frames hold {wanted:,} snippets of {FRAMES_PER_SNIPPET} under rule {rule}, "
                    f"its features have {length:,}; likely {_cause(length, wanted, resampled)}. Use features and "
                    "lists of one release, or --align."
                )
        elif rule == "frames" and record.split == "test":
            problems.append(f"video {record.name}: rule frames needs its raw frames; give a CSV with video,n_frames by --frames.")
        end = max((end for _, end in record.intervals), default=0)
        # the public features lose at most one snippet, and annotations pass the end by a few frames at most
        if known and frames is None and end > (length + 1) * FRAMES_PER_SNIPPET:
            problems.append(
                f"video {record.name}: an annotated interval ends at frame {end:,}, its features have {length:,} snippets, "
                f"{length * FRAMES_PER_SNIPPET:,} frames; likely {_cause(length, end // FRAMES_PER_SNIPPET, resampled)}."
            )
        raw = rule == "frames" and frames is not None
        done.append(dataclasses.replace(record, num_frames=frames if raw else FRAMES_PER_SNIPPET * length, mask_rule=rule))
    return dataclasses.replace(videos, records=tuple(done)), fitted, problems


def _expected(record: VideoRecord, frames: int, rule: MaskRule, known: OfficialSet | None) -> tuple[int, int]:
    """Fewest and most snippets that features of a video may have."""
    whole = -(-frames // FRAMES_PER_SNIPPET)
    if rule == "frames":
        return max(whole - 1, 1), whole
    if known:
        expected = known.expected_snippets(rule, record.name, frames)
        slack = 0 if record.split == "test" else 1  # the exceptions among the training videos are not published
    else:
        expected, slack = (whole if rule == "B" else frames // FRAMES_PER_SNIPPET), 1
    return max(expected - slack, 1), max(expected + slack, 1)


def _cause(found: int, expected: int, resampled: bool) -> str:
    ratio = found / max(expected, 1)
    if resampled:
        return f"resampled or padded to {found} segments, where snippets are needed"
    for stride in (1, 2, 4, 8, 10, 12, 24, 32, 64):
        if abs(found - expected) > 2 and abs(ratio * stride / FRAMES_PER_SNIPPET - 1) < 0.05:
            return f"another stride, one snippet per {stride} frames"
    if abs(found - expected) == 1:
        return "another padding of the last snippet, as under another --rule"
    return "padding, or another release" if found > expected else "another release, or a copy that was cut off"


def _test_frames(records: Iterable[VideoRecord]) -> tuple[int, int]:
    masks = (record.frame_labels() for record in records if record.split == "test")  # one at a time: they may be long
    counts = [(len(mask), int(mask.sum())) for mask in masks]
    return sum(frames for frames, _ in counts), sum(abnormal for _, abnormal in counts)


def _wrong_totals(known: OfficialSet, videos: VideoList, rule: MaskRule, lengths: dict[str, int]) -> list[str]:
    """Nothing, or one sentence on the totals of a complete test set that are not the public ones."""
    found, expected = _test_frames(videos.records), known.totals.get(rule)
    if expected in (None, found):
        return []
    fits = [other for other, (frames, _) in known.totals.items() if other != "frames" and frames == found[0]]
    tested = [lengths[record.name] for record in videos.split("test") if record.name in lengths]
    likely = (
        f"they are features of rule {fits[0]}: use --rule {fits[0]}"
        if fits
        else f"likely {_cause(sum(tested), expected[0] // FRAMES_PER_SNIPPET, len(set(tested)) == 1)}; to see which videos differ, "
        "give their raw frames with --frames"
    )
    return [
        f"{found[0]:,} test frames, {found[1]:,} abnormal, where rule {rule} of the public ground truth has {expected[0]:,} and "
        f"{expected[1]:,}; {likely}."
    ]


def _miscounted(known: OfficialSet, videos: VideoList) -> list[str]:
    """What is wrong with the number of videos of a set that should be complete."""
    problems = []
    for split, name in _SPLIT_NAMES.items():
        records = videos.split(split)
        abnormal = sum(videos.is_abnormal(record) for record in records)
        found = abnormal, len(records) - abnormal
        if found != known.counts[split]:
            hint = " (normal test videos are known by a folder with 'test' in its name, or a list such as rgbtest.list)"
            problems.append(
                f"{known.title}: {found[0]:,} abnormal and {found[1]:,} normal {name} videos, released are "
                f"{known.counts[split][0]:,} and {known.counts[split][1]:,}{'' if known is UCF_CRIME else hint}; "
                "complete the lists and files, or accept it with --partial."
            )
    return problems


# --- the features themselves ------------------------------------------------------------------------
def _features(found: Findings, *, progress: bool) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Name and crops (T, D) of every video, memory-mapped, cut or padded to the length that was decided on."""
    for record in tqdm(found.videos.records, unit="video", disable=None if progress else True):
        arrays = read_crops(found.files[record.name], found.layout)
        length = found.lengths[record.name]
        more = length - len(arrays[0])
        if more > 0:
            arrays = [np.concatenate([array, np.repeat(array[-1:], more, axis=0)]) for array in arrays]
        yield record.name, [array[:length] for array in arrays]


def _checked(items: Iterable[tuple[str, list[np.ndarray]]], crops: CropComparison) -> Iterator[tuple[str, list[np.ndarray]]]:
    for video, features in items:
        if problem := crops.look(video, features):
            raise DataError(problem)
        yield video, features


# --- what is written --------------------------------------------------------------------------------
def _info(
    settings: ImportSettings,
    known: OfficialSet | None,
    lists: _Lists,
    rule: MaskRule,
    tail: Literal["exact", "extend"],
    notes: list[str],
    kind: str,
) -> DatasetInfo:
    if known:
        own = {
            "title": known.title,
            "headline_metric": known.headline_metric,
            "counterpart": known.title,
            "source": f"official lists of {known.title} and {kind} in the form they were provided",
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


def _contract(found: Findings) -> FeatureContract:
    return FeatureContract(
        backbone="as imported",
        dimension=found.dimension,
        crops=found.crops,
        padding_rule="as imported",
        dtype=found.dtype,
        source=f"feature files of layout {found.layout}, imported for {found.info.title}",
    )


class _Record(Settings):
    """Content of ``import.json``."""

    source: str
    settings: dict[str, Any]
    fingerprint: str
    described: str
    own_note: str
    store: str
    written: dict[Literal["dataset.json", "videos.csv"], str]


def _record(folder: Path) -> dict[str, Any]:
    """What the last import wrote down; empty if there was none, or it cannot be used."""
    try:
        return _Record(**read_json(folder / RECORD_FILE)).model_dump()
    except (VadError, TypeError):
        return {}


def _described(folder: Path) -> str:
    """Hash of the ``dataset.json`` that a person wrote; empty if there is none. What an import made of it does not count."""
    record, path = _record(folder), folder / "dataset.json"
    found = file_sha256(path) if path.is_file() else ""
    return record["described"] if record and found == record["written"].get("dataset.json") else found


def _own_note(folder: Path, content: dict[str, Any]) -> str:
    """The note that a person wrote, without what an earlier import added to it."""
    record, path = _record(folder), folder / "dataset.json"
    if record and path.is_file() and file_sha256(path) == record["written"].get("dataset.json"):
        return record["own_note"]
    return str(content.get("note", ""))


def _unchanged(out: Path, fingerprint: str) -> bool:
    record = _record(out)
    if record.get("fingerprint") != fingerprint:
        return False
    try:
        written = all(file_sha256(out / name) == digest for name, digest in record["written"].items())
        return written and (not record["store"] or FeatureStore.open(out / "store").content_hash == record["store"])
    except (OSError, VadError):
        return False


def _fingerprint(source: Path, out: Path, settings: ImportSettings) -> str:
    """Changes with the settings and with name, size or time of any file that an import may read."""
    if not source.is_dir():
        return ""
    lists = {"videos.csv"} if settings.dataset not in OFFICIAL else set()  # of the public sets it is written, not read
    read = [Path(settings.frames)] if Path(settings.frames).is_file() else []
    for folder, names in walk(source, DEEPEST, {path.resolve() for path in (source / "store", out / "store")}):
        read += [folder / name for name in names if name.lower().endswith(_READ) or name in lists]
    states = [(os.path.relpath(path, source), path.stat().st_size, path.stat().st_mtime_ns) for path in read]
    return content_hash([settings.model_dump(mode="json"), _described(source), sorted(states)])


def _reads_as(path: Path, videos: VideoList, rule: MaskRule) -> bool:
    try:
        return read_video_csv(path, videos.categories, rule) == videos
    except VadError:
        return False


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


# --- words ------------------------------------------------------------------------------------------
_READ = (".npy", ".txt", ".list", *VIDEO_SUFFIXES)
_SPLIT_NAMES: dict[Split, str] = {"test": "test", "train": "training"}


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return f"{len(names):,} video{'s' if len(names) > 1 else ''} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"


def _listing(folder: Path) -> str:
    """What a folder holds, in a few words."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def _suggestion(source: Path, fits: Callable[[Path], bool], advice: str = "") -> str:
    """A folder near by that fits: below, or the one above."""
    below = (folder for folder, _ in walk(source, 3) if folder != source)
    found = next((folder for folder in (*below, *([] if advice else [source.resolve().parent])) if fits(folder)), None)
    return f" {found} looks right: {advice or f'use --source {found}'}." if found else ""


def _holds_arrays(folder: Path) -> bool:
    return any(name.lower().endswith(".npy") for _, names in walk(folder, 2) for name in names)


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


# --- command line -----------------------------------------------------------------------------------
@command_line("what was there before is unchanged")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.adapters", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("command", choices=("check", "import"), help="check: print what is found; import: make the data set")
    add("--source", required=True, type=Path, help="folder with lists and features or videos")
    add("--out", type=Path, help="folder of the data set (default: the source)")
    add("--headers", action="store_true", help="check names and shapes only, without reading all features")
    add("--wait", action="store_true", help="import: wait while another process imports into the same folder")
    for name, field in ImportSettings.model_fields.items():
        option: dict[str, Any] = {"help": field.description, "default": None, "required": field.is_required()}
        choices = [str(choice) for part in (field.annotation, *get_args(field.annotation)) for choice in _choices(part)]
        if name == "partial":
            option = {"help": field.description, "action": "store_true"}
        elif choices:
            option |= {"choices": choices}
        elif name in ("crops", "categories"):
            option |= {"type": lambda text: tuple(part.strip() for part in text.split(","))}
        add(f"--{name}", **option)
    options = vars(parser.parse_args(arguments))
    command, source, out, headers, wait = (options.pop(name) for name in ("command", "source", "out", "headers", "wait"))
    settings = ImportSettings(**{name: value for name, value in options.items() if value is not None})
    if command == "check":
        found = check_source(source, settings, read=not headers)
        print(found)
        return 1 if found.problems else 0
    with waiting(wait):
        result = import_dataset(source, out, settings)
    print(f"{out or source}: " + ("written" if result.changed else "nothing has changed since the last import"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
