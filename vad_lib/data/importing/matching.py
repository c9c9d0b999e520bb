"""Feature files to listed videos, and what the files have in common: layout, crops, width, lengths."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.backbones.i3d import FEATURE_DIM
from vad_lib.data.finding import Finding, Level, Tell, error_at, is_text
from vad_lib.data.importing.crop_check import check_crops
from vad_lib.data.importing.layouts import FeatureFile, FeatureLayout, check_dimension, find_layout, with_shape
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.video_names import NO_TEXT, plain_form, video_key
from vad_lib.errors import VadError, first_few

_LEFT_OUT = "leave it out with --partial"


@dataclass(frozen=True)
class Arrays:
    """What the usable feature files of a folder have in common; of a folder with videos only, nothing.

    Attributes:
        files: by name of the video, in the order of the crops.
        lengths: T by name.
        layout, crops, dimension: of all of them; the layout is None if it cannot be told.
    """

    files: dict[str, list[FeatureFile]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    layout: FeatureLayout | None = None
    crops: tuple[str, ...] = ()
    dimension: int = FEATURE_DIM


def match_arrays(
    files: list[FeatureFile], records: dict[str, VideoRecord], source: Path, tell: Tell, level: Level
) -> tuple[dict[str, list[FeatureFile]], tuple[str, ...], tuple[str, ...]]:
    """The feature files of listed videos.

    Args:
        files: of the folder.
        records: by key.
        source: the folder, for messages.
        tell: gets files that are there twice, and files that a person may have meant.
        level: of what is told of a video that is left out.

    Returns:
        files by key, in the order of the list; names of videos without file and keys of files of unlisted videos, without
        those told.
    """
    found: dict[str, dict[int | None, FeatureFile]] = {}
    for file in files:
        if video_key(file.stem) in records:  # a name of one's own may end like a crop
            file = dataclasses.replace(file, key=video_key(file.stem), crop=None)
        other = found.setdefault(file.key, {}).setdefault(file.crop, file)
        if other is not file and file.key in records:
            both = f"{other.path.relative_to(source)} and {file.path.relative_to(source)}"
            message = f"{both} are files of the same video and crop; two releases are mixed, or a file is there twice"
            tell(Finding("error", "feature-twice", str(source), message, "keep one"))
    grouped = {
        key: [found[key][crop] for crop in sorted(found[key], key=lambda c: -1 if c is None else c)]
        for key in records
        if key in found
    }
    missing = {key: record.name for key, record in records.items() if key not in found}
    surplus = found.keys() - records.keys()
    for key in [key for key in surplus if not is_text(key)]:
        surplus.discard(key)
        path = next(iter(found[key].values())).path
        tell(Finding("warning", "file-name", str(path), NO_TEXT, "rename it, or move it out of the folder"))
    near: dict[str, list[str]] = {}
    for key in sorted(surplus):
        near.setdefault(plain_form(key), []).append(key)
    for key, name in list(missing.items()):
        if others := near.get(plain_form(key)):
            del missing[key]
            surplus.difference_update(others)
            there = next(iter(found[others[-1]].values())).path.name
            message = f"no file has this name, but {there} is there, written in another way"
            tell(Finding(level, "feature-name", f"video {name}", message, f"rename one, or {_LEFT_OUT}"))
    return grouped, tuple(missing.values()), tuple(sorted(surplus))


def tell_no_match(files: Sequence[str], listed: Sequence[str], source: Path, tell: Tell) -> None:
    """Tell that no file belongs to any listed video."""
    examples = f"files: {', '.join(files[:3])}; lists: {', '.join(listed[:3])}"
    message = f"none of the {len(files):,} videos with files is in the lists ({examples}); they are of another data set, or renamed"
    tell(Finding("error", "no-match", str(source), message, "check --dataset and --source"))


def settle_arrays(
    source: Path,
    settings: ImportSettings,
    grouped: dict[str, list[FeatureFile]],
    records: dict[str, VideoRecord],
    tell: Tell,
    level: Level,
) -> Arrays:
    """Layout, crops, lengths and width of the files; those that cannot be read or do not go with the others are left out.

    Args:
        source: the folder, for messages.
        settings: what a person stated.
        grouped: files by key.
        records: videos by key.
        tell: gets what is wrong.
        level: of a file that cannot be read.
    """
    shaped = {key: with_shapes(group, tell, level) for key, group in grouped.items()}
    kept = {key: shaped[key] for key, group in grouped.items() if len(shaped[key]) == len(group)}
    files = [file for group in kept.values() for file in group]
    if not files:
        return Arrays()
    layout = find_layout(source, files, settings.layout, tell)
    kinds = Counter((file.crop is not None, len(file.shape)) for file in files)
    if len(kinds) > 1:  # said already; the usual kind goes on
        usual = kinds.most_common(1)[0][0]
        kept = {key: group for key, group in kept.items() if {(f.crop is not None, len(f.shape)) for f in group} == {usual}}
        files = [file for group in kept.values() for file in group]
        layout = find_layout(source, files, settings.layout, tell) if files else None
    if layout is None:
        return Arrays({records[key].name: group for key, group in kept.items()})
    width = check_dimension(source, files, settings.dimension, tell)
    kept = {key: group for key, group in kept.items() if all(file.shape[-1] == width for file in group)}
    crops, broken = check_crops(kept, layout, settings.crops, tell)
    named = {records[key].name: group for key, group in kept.items() if key not in broken}
    lengths = {name: group[0].shape[layout == "n-t-d"] for name, group in named.items()}
    return Arrays(named, lengths, layout, crops, width)


def with_shapes(files: list[FeatureFile], tell: Tell, level: Level) -> list[FeatureFile]:
    """The files that can be read, with their shapes; ``tell`` gets the others."""
    shaped = []
    for file in files:
        try:
            shaped.append(with_shape(file))
        except VadError as error:
            tell(error_at("feature-broken", file.path, error, _LEFT_OUT, level))
    return shaped


def tell_unmatched(missing: Sequence[str], surplus: Sequence[str], listed: int, source: Path, partial: bool, tell: Tell) -> None:
    """Tell of files that no list names, and of listed videos without file."""
    if surplus:
        message = f"files of videos that no list names: {first_few(surplus)}"
        tell(Finding("error", "surplus", "", message, f"move them out of {source}, or add them to the lists"))
    if missing and not partial:
        names = f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}"
        message = f"{len(missing):,} of {listed:,} listed videos have no file ({names})"
        tell(Finding("error", "no-file", "", message, "add them, or accept it with --partial"))
