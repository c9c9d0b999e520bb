"""What a person's folder holds: which videos, in which layout, and everything that is wrong with it.

The command ``python -m vad_lib.data.importing check|import --dataset ucf-crime --source DIR`` reads

* for ``ucf-crime`` and ``xd-violence``: the public text files, at most two levels deep, and the feature files at any
  depth, or the videos in ``videos/``;
* for any other name: ``videos.csv``, an optional ``dataset.json``, and ``features/`` or ``videos/``.

Feature files are ``.npy`` in one of four layouts, which are told apart by names and shapes (T snippets, N crops, D features):

* ``crop-files``: ``NAME__0.npy``, ``NAME__1.npy``, ..., each T x D (Wu et al., VadCLIP);
* ``t-n-d``: one file per video, T x N x D (RTFM);
* ``n-t-d``: one file per video, N x T x D;
* ``single``: one file per video, T x D.

``check`` reads everything and writes nothing. ``import`` writes ``dataset.json``, ``videos.csv`` and ``store/``, video by video,
and does nothing if neither the files nor the settings have changed since.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoList, VideoRecord, check_records
from vad_lib.data.backbones.i3d import FEATURE_DIM
from vad_lib.data.feature_store import ROWS_AT_ONCE
from vad_lib.data.importing.crop_check import CropComparison, check_crops
from vad_lib.data.importing.findings import Findings, dataset_info_of, features_of
from vad_lib.data.importing.layouts import FeatureFile, FeatureLayout, check_dimension, files_below, find_layout, walk, with_shape
from vad_lib.data.importing.lengths import fit_lengths, known_frame_counts, mask_rule_for, miscounted, wrong_totals
from vad_lib.data.importing.lists import find_lists, listing, reads_as, suggestion
from vad_lib.data.importing.public_sets import PUBLIC_SETS, PublicSet, video_key
from vad_lib.data.importing.settings import SPLIT_NAMES, ImportSettings
from vad_lib.data.video_files import VIDEO_SUFFIXES
from vad_lib.errors import DataError, MissingFileError, first_few


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
        DataError: lists or files from which nothing can be told ; the message says why.
    """
    found = find_source(Path(source), settings)
    if not read or found.layout is None or found.problems:
        return found
    problems: list[str] = []
    crops = CropComparison(found.crops)
    for video, features in features_of(found, progress=progress):
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


@dataclasses.dataclass(frozen=True)
class _Features:
    """What the feature files of a folder have in common; of a folder with videos only, nothing."""

    layout: FeatureLayout | None = None
    crops: tuple[str, ...] = ()
    lengths: dict[str, int] = dataclasses.field(default_factory=dict)
    dimension: int = FEATURE_DIM


def find_source(source: Path, settings: ImportSettings, out: Path | None = None) -> Findings:
    """Look through a folder by names, lists and the shapes of its arrays; what the arrays hold is not read.

    Args:
        source: the folder.
        settings: how to read it.
        out: where the data set will be; the source by default.

    Raises:
        MissingFileError: no folder, lists, features or videos; the message says what was found instead.
        DataError: lists or files from which nothing can be told.
    """
    known, out = PUBLIC_SETS.get(settings.dataset), out or source
    if not source.is_dir():
        raise MissingFileError(f"{source}: expected the folder of {settings.dataset}, found none; check --source.")
    raw = files_below(source / "videos", VIDEO_SUFFIXES)
    arrays = files_below(
        source if known else source / "features", (".npy",), skip=(source / "videos", source / "store", out / "store")
    )
    lists = find_lists(source, settings, arrays or raw)
    if not (arrays or raw):
        raise MissingFileError(
            f"{source}: expected feature files (.npy) {'anywhere below' if known else 'in features/'} or videos in videos/, "
            f"found {listing(source)}.{suggestion(source, _holds_arrays, '' if known else 'name that folder features')}"
        )
    records = _by_key(lists.videos, source)
    grouped, missing, surplus = _match(arrays or raw, records, lists.foreign, source)
    present = VideoList(lists.videos.categories, tuple(records[key] for key in grouped))
    problems, notes, test_complete = _completeness(known, lists.videos, present, missing, surplus, settings.partial, source)
    features = _Features(dimension=settings.dimension)
    if arrays:
        grouped = {key: [with_shape(file) for file in group] for key, group in grouped.items()}
        features, found = _features(source, settings, grouped, records)
        problems += found
    lengths = features.lengths
    rule = mask_rule_for(settings, known, features.layout, lists.content)
    counted, warnings = known_frame_counts(
        settings, known, present, raw, asked=not arrays or rule == "frames" or settings.align != "none"
    )
    if arrays:
        videos, fitted, found = fit_lengths(present, lengths, counted, rule, known, settings.align)
        problems += found
        if changed := sum(fitted[name] != lengths[name] for name in fitted):
            notes.append(f"features of {changed:,} videos aligned to their frames ({settings.align})")
        lengths = lengths | fitted
    else:
        counts = {record: counted.get(video_key(record.name), record.num_frames) for record in present.records}
        with_frames = tuple(dataclasses.replace(r, num_frames=frames, mask_rule=rule) for r, frames in counts.items())
        videos = dataclasses.replace(present, records=with_frames)
    if known and test_complete and not problems:
        text = wrong_totals(known, videos, rule, lengths)
        # Frames that were counted or aligned here are the person's own; released ones must give the public totals.
        (notes if settings.align != "none" or not arrays else problems).extend(text)
        if rule not in known.totals:
            warnings.append(f"mask rule {rule} is not in use with {known.title}, so its totals cannot be checked.")
    if not problems:
        check_records(videos.categories, videos.records, str(source))
        if not known and source.resolve() == out.resolve() and not reads_as(lists.paths[0], videos, rule):
            problems.append(
                f"the imported list would differ from {lists.paths[0]} (mask rule {rule}, {len(videos.records):,} videos) and take "
                "its place; give another folder with --out."
            )
    early = any(lengths[record.name] * FRAMES_PER_SNIPPET < record.num_frames for record in videos.records if lengths)
    kind = "features" if arrays else "videos"
    return Findings(
        info=dataset_info_of(settings, known, lists, rule, "extend" if early else "exact", notes, kind),
        videos=videos,
        files={records[key].name: tuple(file.path for file in group) for key, group in grouped.items()},
        lengths=lengths,
        layout=features.layout,
        crops=features.crops,
        dimension=features.dimension,
        dtype=settings.dtype,
        missing=missing,
        surplus=surplus,
        problems=tuple(problems),
        warnings=tuple(warnings),
        own_note=lists.content.get("note", ""),
    )


def _features(
    source: Path, settings: ImportSettings, grouped: dict[str, list[FeatureFile]], records: dict[str, VideoRecord]
) -> tuple[_Features, list[str]]:
    """Layout, crops, lengths and width of the files, and what is wrong with them."""
    files = [file for group in grouped.values() for file in group]
    layout = find_layout(source, files, settings.layout)
    dimension = check_dimension(source, files, settings.dimension)
    crops, problems = check_crops(grouped, layout, settings.crops)
    lengths = {records[key].name: group[0].shape[layout == "n-t-d"] for key, group in grouped.items()}
    return _Features(layout, crops, lengths, dimension), problems


def _completeness(
    known: PublicSet | None,
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
        problems.append(
            f"files of videos that no list names: {first_few(surplus)}; move them out of {source}, or add them to the lists."
        )
    if missing and not partial:
        problems.append(
            f"{len(missing):,} of {len(videos.records):,} listed videos have no file ({', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}); add them, or accept it with --partial."
        )
    totals = {split: sum(known.counts[split]) if known else len(videos.split(split)) for split in SPLIT_NAMES}
    there = {split: len(present.split(split)) for split in SPLIT_NAMES}
    if partial and there != totals:
        notes.append("partial: " + ", ".join(f"{there[s]:,} of {totals[s]:,} {name} videos" for s, name in SPLIT_NAMES.items()))
    elif known and not missing:
        problems += miscounted(known, present)
    return problems, notes, there["test"] == totals["test"]


def _by_key(videos: VideoList, source: Path) -> dict[str, VideoRecord]:
    records: dict[str, VideoRecord] = {}
    for record in videos.records:
        other = records.setdefault(video_key(record.name), record)
        if other is not record:
            raise DataError(f"{source}: the lists hold {other.name} and {record.name}, which are one video; remove one.")
    return records


def _match(
    files: list[FeatureFile], records: dict[str, VideoRecord], foreign: set[str], source: Path
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
    surplus = tuple(sorted((found.keys() - records.keys()) | foreign))
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


def _holds_arrays(folder: Path) -> bool:
    return any(name.lower().endswith(".npy") for _, names in walk(folder, 2) for name in names)
