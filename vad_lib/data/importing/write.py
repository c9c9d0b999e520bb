"""From a person's folder to a data set of this library: ``dataset.json``, ``videos.csv`` and ``store/``."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vad_lib.data.annotations import write_video_csv
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.finding import Finding, Tell
from vad_lib.data.importing.discover import broken_level, check_folder, find_source
from vad_lib.data.importing.feature_checks import checked_features
from vad_lib.data.importing.findings import Findings, features_of, refuse_errors, shown
from vad_lib.data.importing.import_record import (
    RECORD_FILE,
    described_by_hand,
    fingerprint_of,
    is_unchanged,
    next_import,
    read_import_record,
)
from vad_lib.data.importing.lists import list_files, reads_as, truth_files
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.locks import LOCK_FILE, remove_free_lock, sole_writer
from vad_lib.storage.writing import write_json


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


def import_dataset(
    source: Path | str,
    out: Path | str | None,
    settings: ImportSettings,
    *,
    progress: bool = True,
    tell: Tell = lambda finding: None,
) -> ImportResult:
    """Make ``dataset.json``, ``videos.csv`` and, if there are features, ``store/``.

    Args:
        source: the folder with lists and features or videos.
        out: folder of the data set; the source itself if None.
        settings: how to read the source.
        progress: True for a bar on a terminal, and a summary.
        tell: gets all that is found, before anything is raised.

    Returns:
        what was done; nothing, if neither the source nor the settings have changed since the last time.

    Raises:
        MissingFileError: no folder, lists, features or videos.
        DataError: something is wrong with the folder; the message says all of it. ``out`` stays as it was.
        OutputError: ``out`` cannot be written or the disk is full.
        BusyError: another process imports into ``out``.
    """
    source = Path(source)
    out = source if out is None else Path(out)
    if not is_unchanged(out, fingerprint_of(source, out, settings)):
        check_folder(source, settings)  # before it is made for the lock
        with sole_writer(out):
            return _import(source, out, settings, progress, tell)
    remove_free_lock(out / LOCK_FILE)
    return ImportResult(None, False, bool(read_import_record(out)["store"]))


def _import(source: Path, out: Path, settings: ImportSettings, progress: bool, tell: Tell) -> ImportResult:
    fingerprint, described = fingerprint_of(source, out, settings), described_by_hand(source)
    if is_unchanged(out, fingerprint):  # another process has done it meanwhile
        return ImportResult(None, False, bool(read_import_record(out)["store"]))
    found = _find_usable(source, out, settings, progress)
    told = list(found.findings)
    try:
        store_hash = _write_store(out, settings, found, told, progress)
    finally:
        for finding in told:
            tell(finding)
    if progress:
        for text in shown(told[len(found.findings) :], "warning"):
            print(f"warning: {text}")
    found = dataclasses.replace(found, findings=tuple(told))
    assert found.info is not None  # else there was an error
    listed = out / "videos.csv"
    if not (listed.is_file() and reads_as(listed, found.videos, found.info.mask_rule)):
        write_video_csv(listed, found.videos)
    write_json(out / "dataset.json", found.info.model_dump(mode="json"))
    write_json(
        out / RECORD_FILE,
        {
            "source": "" if source.resolve() == out.resolve() else str(source.resolve()),
            "settings": settings.model_dump(mode="json"),
            "fingerprint": fingerprint,
            "described": described,
            "own_note": found.own_note,
            "store": store_hash,
            "written": {name: file_sha256(out / name) for name in ("dataset.json", "videos.csv")},
        },
    )
    return ImportResult(found, True, found.layout is not None)


def _find_usable(source: Path, out: Path, settings: ImportSettings, progress: bool) -> Findings:
    """What is in the folder. If a part of a data set is asked for, without the videos whose features are broken."""
    found = find_source(source, settings, out, progress=progress)
    if not settings.partial:
        return found
    told: list[Finding] = []
    usable = {name for name, _ in checked_features(found, told.append, broken_level(settings), progress=progress)}
    broken = found.files.keys() - usable
    if broken:
        found = find_source(source, settings, out, unusable=broken)
    return dataclasses.replace(found, findings=(*found.findings, *told))


def _write_store(out: Path, settings: ImportSettings, found: Findings, told: list[Finding], progress: bool) -> str:
    """The hash of the feature store, empty if there are videos only; or all that is wrong, raised at the end of one reading."""
    reading = checked_features(found, told.append, broken_level(settings), progress=progress)
    if settings.partial:
        reading = features_of(found, progress=progress)  # they have been checked
    if any(finding.level == "error" for finding in told):
        for _ in reading:
            pass
    refuse_errors(dataclasses.replace(found, findings=tuple(told)))
    if progress:
        print(found)
    if found.layout is None:
        return ""

    def items() -> Iterator[tuple[str, list[np.ndarray]]]:
        yield from reading
        refuse_errors(dataclasses.replace(found, findings=tuple(told)))

    return FeatureStore.write(out / "store", _contract(found), items()).content_hash


def prepare_folder(folder: Path | str, name: str, settings: ImportSettings | None = None, *, progress: bool = True) -> bool:
    """Import a data set's own folder if it holds something to import.

    Args:
        folder: the data set's folder.
        name: of the data set.
        settings: how to read it; None for those of the last import, or the defaults.
        progress: True for a bar on a terminal, and a summary.

    Returns:
        True if the features are ready, False if they are to be extracted from videos.

    Raises:
        MissingFileError: no folder, lists, features or videos.
        DataError: something is wrong with the folder; the message says all of it.
        OutputError: the folder cannot be written or the disk is full.
        BusyError: another process imports into the folder.
    """
    folder = Path(folder)
    source, settings = next_import(folder, name, settings)
    if known := PUBLIC_SETS.get(name):
        there = source.is_dir() and bool(list_files(source, known) or truth_files(source, known))
    else:
        there = (source / "features").is_dir() or ((source / "videos.csv").is_file() and not (source / "dataset.json").is_file())
    if there:
        return import_dataset(source, folder, settings, progress=progress).features
    return bool(read_import_record(folder).get("store"))  # the store outlives the files that it was made from


def _contract(found: Findings) -> FeatureContract:
    assert found.info is not None
    return FeatureContract(
        backbone="as imported",
        dimension=found.dimension,
        crops=found.crops,
        padding_rule="as imported",
        dtype=found.dtype,
        source=f"feature files of layout {found.layout}, imported for {found.info.title}",
    )
