"""What a person's folder holds: which videos, in which layout, and everything that is wrong with it.

The command ``python -m vad_lib.data.importing check|import --dataset ucf-crime --source DIR`` reads

* for a set of :mod:`~vad_lib.data.importing.registry`: the released lists, at most two levels deep, and the feature files, at most
  six, or the videos in ``videos/``;
* for any other name: ``videos.csv``, an optional ``dataset.json``, and ``features/`` or ``videos/``.

Feature files are ``.npy`` in one of four layouts, which are told apart by names and shapes (T snippets, N crops, D features):

* ``crop-files``: ``NAME__0.npy``, ``NAME__1.npy``, ..., each T x D (Wu et al., VadCLIP);
* ``t-n-d``: one file per video, T x N x D (RTFM);
* ``n-t-d``: one file per video, N x T x D;
* ``single``: one file per video, T x D.

``check`` reads everything and writes nothing. ``import`` writes ``dataset.json``, ``videos.csv`` and ``store/``, video by video,
and does nothing if neither the files nor the settings have changed since. Both go through the whole folder and say all that is
wrong, and how to put it right; a broken file does not keep them from looking at the others.
"""

import dataclasses
from collections.abc import Collection, Container
from pathlib import Path
from typing import Literal

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule, VideoList, record_findings
from vad_lib.data.dataset import DatasetInfo
from vad_lib.data.finding import Finding, Level, error_at
from vad_lib.data.importing.counting import compare_frames, differ_by_headers, end_counting, late_intervals, snippet_counting
from vad_lib.data.importing.feature_checks import checked_features
from vad_lib.data.importing.findings import Findings, dataset_info_of
from vad_lib.data.importing.layouts import files_below, walk
from vad_lib.data.importing.lengths import fit_lengths, known_frame_counts, mask_rule_for, miscounted, wrong_totals
from vad_lib.data.importing.lists import find_lists, listing, reads_as, suggestion
from vad_lib.data.importing.matching import match_arrays, settle_arrays, tell_no_match, tell_unmatched, with_shapes
from vad_lib.data.importing.public_sets import FoundLists, PublicSet
from vad_lib.data.importing.raw_videos import Looking, look_at, look_at_all, match_videos, raw_files
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.data.importing.set_checks import category_findings, name_findings, split_findings
from vad_lib.data.importing.settings import SPLIT_NAMES, ImportSettings
from vad_lib.data.importing.video_names import video_key
from vad_lib.errors import ConfigError, MissingFileError


def check_source(
    source: Path | str,
    settings: ImportSettings,
    out: Path | None = None,
    *,
    read: bool = True,
    decode: bool = False,
    progress: bool = True,
) -> Findings:
    """Look through a folder and find everything that is wrong; nothing is written.

    Args:
        source: the folder.
        settings: how to read it.
        out: where the data set would be; the source by default.
        read: True to read all features too (NaN, crops that are the same) and to decode the first frames of every video and look
            for its end; False for names, lists and shapes, and to open the videos only.
        decode: True to decode all videos whole, which finds every damage and counts frames exactly.
        progress: True for a bar on a terminal.

    Returns:
        what was found, ``problems`` included.

    Raises:
        MissingFileError: there is no such folder.
        ConfigError: settings that cannot be, such as names of crops that are not as many as the crops.
    """
    looking: Looking = "all" if decode else "begin" if read else "open"
    found = find_source(Path(source), settings, out, looking=looking, progress=progress)
    told = list(found.findings)
    if read:
        for _ in checked_features(found, told.append, broken_level(settings), progress=progress):
            pass
    return dataclasses.replace(found, findings=tuple(told))


def check_folder(source: Path, settings: ImportSettings) -> None:
    """Raise a MissingFileError if there is no such folder."""
    if not source.is_dir():
        raise MissingFileError(f"{source}: expected the folder of {settings.dataset}, found none; check --source.")


def broken_level(settings: ImportSettings) -> Level:
    """How bad a video is that cannot be used: a part of a data set may be imported if a person says so."""
    return "warning" if settings.partial else "error"


def find_source(
    source: Path,
    settings: ImportSettings,
    out: Path | None = None,
    *,
    unusable: Collection[str] = (),
    looking: Looking = "begin",
    progress: bool = False,
) -> Findings:
    """Look through a folder by names, lists, the shapes of its arrays and a look at its videos; no array is read whole.

    Args:
        source: the folder.
        settings: how to read it.
        out: where the data set will be; the source by default.
        unusable: names of videos that are to be left out.
        looking: how closely to look at videos.
        progress: True for a bar on a terminal.

    Raises:
        MissingFileError: there is no such folder.
        ConfigError: settings that cannot be.
    """
    check_folder(source, settings)
    return _Search(source, settings, out or source, unusable, looking, progress).findings()


class _Search:
    """One look through a folder; what it brings to light collects in ``told``."""

    def __init__(
        self, source: Path, settings: ImportSettings, out: Path, unusable: Collection[str], looking: Looking, progress: bool
    ) -> None:
        self.source, self.settings, self.out = source, settings, out
        self.unusable, self.looking, self.progress = unusable, looking, progress
        self.known = PUBLIC_SETS.get(settings.dataset)
        self.level = broken_level(settings)
        self.told: list[Finding] = []
        self.tell = self.told.append
        skip = (source / "videos", source / "store", out / "store")
        found = files_below(source if self.known else source / "features", (".npy",), skip, self.tell)
        self.files = [file for file in found if not (self.known and self.known.truth_video(file.path))]
        self.raw = raw_files(source / "videos")

    def findings(self) -> Findings:
        """All that is found."""
        lists = find_lists(self.source, self.settings, self.files or self.raw, self.tell)
        if not (self.files or self.raw):
            place = "anywhere below" if self.known else "in features/"
            message = f"expected feature files (.npy) {place} or videos in videos/, found {listing(self.source)}"
            fix = suggestion(self.source, _holds_arrays, "" if self.known else "name that folder features")
            self.tell(Finding("error", "data-missing", str(self.source), message, fix or "put them there"))
        if lists is None or not (self.files or self.raw):
            self._look_without_lists()
            return Findings(self.settings.dataset, tuple(self.told))
        self._tell_list(lists)
        return self._with_arrays(lists) if self.files else self._with_videos(lists)

    def _look_without_lists(self) -> None:
        if self.files:
            with_shapes(self.files, self.tell, self.level)
        else:
            paths = {str(file.path): file.path for file in self.raw}
            look_at_all(paths, self.looking, self.tell, self.level, progress=self.progress)

    def _tell_list(self, lists: FoundLists) -> None:
        """What is wrong with a person's own list as a whole."""
        if not self.known:
            found = [*category_findings(lists.videos.categories), *name_findings(lists.videos.records)]
            if not self.settings.partial:
                found += split_findings(lists.videos, unread=len(lists.faulty))
            self.told += found

    def _with_arrays(self, lists: FoundLists) -> Findings:
        records = {video_key(record.name): record for record in lists.videos.records}
        grouped, missing, surplus = match_arrays(self.files, records, self.source, self.tell, self.level)
        surplus = self._unmatched(lists, bool(grouped), missing, surplus)
        if not grouped:
            return Findings(self.settings.dataset, tuple(self.told), missing=missing, surplus=surplus)
        arrays = settle_arrays(self.source, self.settings, grouped, records, self.tell, self.level)
        present = self._usable(lists, arrays.files)
        rule = mask_rule_for(self.settings, self.known, arrays.layout, lists.content)
        looks = {}
        if rule == "frames" or self.settings.align != "none":
            looks = self._header_frames(present)
        counted = known_frame_counts(self.settings, self.known, present, looks, self.tell)
        videos, lengths, notes = present, arrays.lengths, []
        if arrays.layout is not None:
            videos, fitted = fit_lengths(present, lengths, counted, rule, self.known, self.settings.align, self.tell)
            if changed := sum(fitted[name] != lengths[name] for name in fitted):
                notes.append(f"features of {changed:,} videos aligned to their frames ({self.settings.align})")
            snippet_counting(lengths, counted, rule, self.tell)
            lengths = lengths | fitted
        if looks:
            differ_by_headers(counted, looks, self.tell)
        end_counting(present.records, counted, rule, self.tell)
        late_intervals(videos.records, counted, self.tell)
        early = any(lengths[record.name] * FRAMES_PER_SNIPPET < record.num_frames for record in videos.records if lengths)
        info = self._whole(lists, videos, rule, "extend" if early else "exact", notes, lengths, missing)
        return Findings(
            name=self.settings.dataset,
            findings=tuple(self.told),
            info=info,
            videos=videos,
            files={name: tuple(file.path for file in arrays.files[name]) for name in arrays.files},
            kind="features",
            lengths=lengths,
            layout=arrays.layout,
            crops=arrays.crops,
            dimension=arrays.dimension,
            dtype=self.settings.dtype,
            missing=missing,
            surplus=surplus,
            own_note=lists.content.get("note", ""),
        )

    def _with_videos(self, lists: FoundLists) -> Findings:
        names = [record.name for record in lists.videos.records]
        paths, missing, surplus = match_videos(self.source / "videos", names, self.tell, self.level)
        surplus = self._unmatched(lists, bool(paths), missing, surplus)
        if not paths:
            return Findings(self.settings.dataset, tuple(self.told), missing=missing, surplus=surplus)
        looks = look_at_all(paths, self.looking, self.tell, self.level, progress=self.progress)
        present = self._usable(lists, looks)
        rule = mask_rule_for(self.settings, self.known, None, lists.content)
        if not self.known or self.settings.frames:
            listed = known_frame_counts(self.settings, self.known, present, {}, self.tell)
            looks = compare_frames(listed, looks, paths, rule, self.looking, self.tell)
        headers = {name: look.frames for name, look in looks.items()}
        counted = known_frame_counts(self.settings, self.known, present, headers, lambda finding: None)
        counts = {r.name: counted.get(r.name) or headers.get(r.name, r.num_frames) for r in present.records}
        with_frames = tuple(dataclasses.replace(r, num_frames=counts[r.name], mask_rule=rule) for r in present.records)
        videos = dataclasses.replace(present, records=with_frames)
        end_counting(videos.records, counts, rule, self.tell)
        late_intervals(videos.records, counts, self.tell)
        info = self._whole(lists, videos, rule, "exact", [], {}, missing)
        return Findings(
            name=self.settings.dataset,
            findings=tuple(self.told),
            info=info,
            videos=videos,
            kind="videos",
            dimension=self.settings.dimension,
            dtype=self.settings.dtype,
            missing=missing,
            surplus=surplus,
            own_note=lists.content.get("note", ""),
        )

    def _unmatched(
        self, lists: FoundLists, any_matched: bool, missing: tuple[str, ...], surplus: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Tell of videos without file and of files without video; the latter, as they are shown."""
        explained = lists.faulty | lists.unused
        without_line = tuple(sorted({name for name in surplus if video_key(name) not in explained} | lists.foreign))
        if not any_matched and without_line:
            tell_no_match(without_line, [record.name for record in lists.videos.records], self.source, self.tell)
        else:
            tell_unmatched(missing, without_line, len(lists.videos.records), self.source, self.settings.partial, self.tell)
        return without_line

    def _usable(self, lists: FoundLists, names: Container[str]) -> VideoList:
        """The listed videos that can be used."""
        kept = tuple(r for r in lists.videos.records if r.name in names and r.name not in self.unusable)
        return VideoList(lists.videos.categories, kept)

    def _header_frames(self, present: VideoList) -> dict[str, int]:
        """Frames by the headers of the video files that lie beside features; one that cannot be opened is told."""
        by_key, looks = {file.key: file.path for file in self.raw}, {}
        for record in present.records:
            if path := by_key.get(video_key(record.name)):
                look = look_at(path, "open")
                if look.problem is None:
                    looks[record.name] = look.frames
                else:
                    self.tell(error_at("video-broken", path, look.problem, "leave it: its features are used", "warning"))
        return looks

    def _whole(
        self,
        lists: FoundLists,
        videos: VideoList,
        rule: MaskRule,
        tail: Literal["exact", "extend"],
        notes: list[str],
        lengths: dict[str, int],
        missing: tuple[str, ...],
    ) -> DatasetInfo | None:
        """What is wrong with the set as a whole; and what becomes ``dataset.json``."""
        settings, known = self.settings, self.known
        if not videos.records:
            self.tell(Finding("error", "no-video", "", "no listed video can be used", "put right what is said above"))
        totals = {split: sum(known.counts[split]) if known else len(lists.videos.split(split)) for split in SPLIT_NAMES}
        there = {split: len(videos.split(split)) for split in SPLIT_NAMES}
        if settings.partial and there != totals:
            parts = ", ".join(f"{there[s]:,} of {totals[s]:,} {name} videos" for s, name in SPLIT_NAMES.items())
            notes.insert(0, f"partial: {parts}")
        elif known and not missing and not self._has_errors():
            miscounted(known, videos, self.tell)
        if known and there["test"] == totals["test"] and not self._has_errors():
            notes += self._tell_totals(known, videos, rule, lengths)
        if settings.partial:
            self.told += split_findings(videos, self.level)
        if not self._has_errors():
            self.told += record_findings(videos.categories, videos.records, str(self.source))
        in_place = not known and self.source.resolve() == self.out.resolve()
        if in_place and not self._has_errors() and not reads_as(lists.paths[0], videos, rule):
            message = (
                f"the imported list would differ from {lists.paths[0]} (mask rule {rule}, {len(videos.records):,} videos) and take "
                "its place"
            )
            self.tell(Finding("error", "list-replaced", "", message, "give another folder with --out"))
        return self._info(lists, rule, tail, notes)

    def _tell_totals(self, known: PublicSet, videos: VideoList, rule: MaskRule, lengths: dict[str, int]) -> list[str]:
        """Tell of totals that are not the public ones; or what every table must say of them."""
        if rule not in known.totals:
            message = f"mask rule {rule} is not in use with {known.title}, so its totals cannot be checked"
            fix = f"use one of {', '.join(known.totals)} to compare with others"
            self.tell(Finding("warning", "public-totals", "", message, fix))
        elif known.totals[rule] is None:
            message = f"no public source gives the totals under mask rule {rule}, so they are not checked"
            self.tell(Finding("note", "public-totals", known.title, message))
        wrong = wrong_totals(known, videos, rule, lengths)
        # Frames that were counted or aligned here are the person's own; released ones must give the public totals.
        if wrong and (self.settings.align != "none" or not lengths):
            return [str(wrong)]
        self.told += [wrong] if wrong else []
        return []

    def _info(self, lists: FoundLists, rule: MaskRule, tail: Literal["exact", "extend"], notes: list[str]) -> DatasetInfo | None:
        if len(lists.videos.categories) < 2:
            message = f"one category only, {', '.join(lists.videos.categories)}; expected the normal one and at least another"
            self.tell(Finding("error", "category-one", "", message, "add videos of another category, or name it with --categories"))
            return None
        try:
            kind = "features" if self.files else "videos"
            return dataset_info_of(self.settings, self.known, lists, rule, tail, notes, kind)
        except ConfigError as error:
            self.tell(Finding("error", "dataset-json", str(self.source / "dataset.json"), str(error).rstrip("."), "correct it"))
            return None

    def _has_errors(self) -> bool:
        return any(finding.level == "error" for finding in self.told)


def _holds_arrays(folder: Path) -> bool:
    return any(name.lower().endswith(".npy") for _, names in walk(folder, 2) for name in names)
