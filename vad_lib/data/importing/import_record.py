"""What the last import wrote down about itself (``import.json``), and whether anything has changed since."""

import os
from pathlib import Path
from typing import Any, Literal

from vad_lib.config import Settings
from vad_lib.data.feature_store import FeatureStore
from vad_lib.data.importing.layouts import DEEPEST, walk
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.data.importing.settings import READ_ENDINGS, ImportSettings
from vad_lib.errors import VadError
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.reading import read_json

RECORD_FILE = "import.json"


class _Record(Settings):
    """Content of ``import.json``."""

    source: str
    settings: dict[str, Any]
    fingerprint: str
    described: str
    own_note: str
    store: str
    written: dict[Literal["dataset.json", "videos.csv"], str]


def read_import_record(folder: Path) -> dict[str, Any]:
    """What the last import wrote down; empty if there was none, or it cannot be used."""
    try:
        return _Record(**read_json(folder / RECORD_FILE)).model_dump()
    except (VadError, TypeError):
        return {}


def own_note(folder: Path, content: dict[str, Any]) -> str:
    """The note that a person wrote, without what an earlier import added to it."""
    record, path = read_import_record(folder), folder / "dataset.json"
    if record and path.is_file() and file_sha256(path) == record["written"].get("dataset.json"):
        return record["own_note"]
    return str(content.get("note", ""))


def videos_folder(folder: Path) -> Path:
    """Where the videos of a data set lie: in its own ``videos/``, or in that of the folder that it was imported from."""
    own, source = folder / "videos", read_import_record(folder).get("source", "")
    return Path(source) / "videos" if source and not own.is_dir() else own


def next_import(folder: Path, name: str, settings: ImportSettings | None = None) -> tuple[Path, ImportSettings]:
    """What the next import of a data set reads, and how: as given, else as the last import did, else the folder and the defaults.

    Raises:
        ConfigError: settings of the last import that are none today.
    """
    record = read_import_record(folder)
    if settings is None:
        settings = ImportSettings(**record["settings"]) if record else ImportSettings(dataset=name)
    return Path(record["source"] or folder) if record else folder, settings


def fingerprint_of(source: Path, out: Path, settings: ImportSettings) -> str:
    """A hash that changes with the settings and with name, size or time of any file that an import may read."""
    if not source.is_dir():
        return ""
    known = PUBLIC_SETS.get(settings.dataset)
    lists = set(known.list_names()) if known else {"videos.csv"}  # of the public sets videos.csv is written, not read
    read = [Path(settings.frames)] if Path(settings.frames).is_file() else []
    for folder, names in walk(source, DEEPEST, {path.resolve() for path in (source / "store", out / "store")}):
        for name in names:
            of_truth = known is not None and known.truth_video(folder / name)
            if name.lower().endswith(READ_ENDINGS) or (name.lower() if known else name) in lists or of_truth:
                read.append(folder / name)
    states = [(os.path.relpath(path, source), path.stat().st_size, path.stat().st_mtime_ns) for path in read]
    return content_hash([settings.model_dump(mode="json"), described_by_hand(source), sorted(states)])


def is_unchanged(out: Path, fingerprint: str) -> bool:
    """True if the last import had this fingerprint, and everything that it wrote is still as it was."""
    record = read_import_record(out)
    if record.get("fingerprint") != fingerprint:
        return False
    try:
        written = all(file_sha256(out / name) == digest for name, digest in record["written"].items())
        return written and (not record["store"] or FeatureStore.open(out / "store").content_hash == record["store"])
    except (OSError, VadError):
        return False


def described_by_hand(folder: Path) -> str:
    """Hash of the ``dataset.json`` that a person wrote; empty if there is none. What an import made of it does not count."""
    record, path = read_import_record(folder), folder / "dataset.json"
    found = file_sha256(path) if path.is_file() else ""
    return record["described"] if record and found == record["written"].get("dataset.json") else found
