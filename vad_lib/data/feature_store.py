"""Features of snippets: their store on disk and the segments made of them.

A store is a folder of three files. ``store.json`` holds the contract (what the features are), hashes and the names of
the other two; ``snippets-HASH.npy`` holds all features as rows; ``index-HASH.csv`` says which rows belong to which video
and crop. ``store.json`` is written last, so that a store is the old one or the new one, never half of each.

Shapes: N crops, T snippets of one video, D features.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from vad_lib.config import FRAMES_PER_SNIPPET, Settings
from vad_lib.data.backbones.i3d import FEATURE_DIM
from vad_lib.data.feature_store_files import Entry, checked_length, finite_rows, growing_array, index_text, read_index
from vad_lib.data.segments import make_segments
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.errors import ConfigError, DataError, MissingFileError, OutputError
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.reading import read_array, read_json
from vad_lib.storage.safe_names import inside
from vad_lib.storage.writing import atomic_path, write_json, write_text

STORE_FILE = "store.json"

STORE_FORMAT = 1

ROWS_AT_ONCE = 4096  # rows held in memory while features are copied, checked or averaged


class FeatureContract(Settings):
    """What the features of a store are; two stores can be mixed only if their contracts agree."""

    backbone: str = "i3d-kinetics400"
    weights_sha256: str = Field("", description="hash of the backbone's weights; empty if unknown")
    weights_note: str = Field("", description="what a reader must know of the weights; empty for the real ones")
    dimension: int = Field(FEATURE_DIM, ge=1)
    frames_per_snippet: int = Field(FRAMES_PER_SNIPPET, ge=1)
    stride: int = Field(FRAMES_PER_SNIPPET, ge=1, description="frames from one snippet's start to the next")
    short_side: int | None = Field(None, ge=1, description="pixels; None if unknown")
    crop_size: int | None = Field(None, ge=1, description="pixels; None if unknown")
    crops: tuple[str, ...] = Field(CROP_NAMES[1], min_length=1, description="names in stored order")
    padding_rule: str = "repeat last frame"
    dtype: Literal["float16", "float32"] = "float16"
    source: str = Field("", description="where the features come from")


class FeatureStore:
    """Features of the videos of one data set, memory-mapped. Made by :meth:`open` and :meth:`write`.

    Attributes:
        folder: where it lies.
        contract: what the features are.
        videos: names in stored order.
        content_hash: identifies contract, index and features.
    """

    def __init__(
        self,
        folder: Path,
        contract: FeatureContract,
        entries: dict[str, Entry],
        rows: np.ndarray,
        digest: str,
        files: tuple[Path, ...],
    ) -> None:
        self.folder = folder
        self.contract = contract
        self.videos = tuple(entries)
        self.content_hash = digest
        self._entries = entries
        self._rows = rows
        self._files = files

    @classmethod
    def open(cls, folder: Path | str, expect: dict[str, Any] | None = None, *, verify: bool = False) -> "FeatureStore":
        """Open a store and check it.

        Args:
            folder: where it lies.
            expect: fields of the contract that must have these values.
            verify: True to read all bytes and compare their hashes too.

        Raises:
            MissingFileError: there is no store, or one of its files is missing.
            DataError: a file is damaged, or the contract differs from what is expected; the message names file or
                field and both values.
            ConfigError: ``expect`` names a field that contracts do not have.
        """
        folder = Path(folder)
        path = folder / STORE_FILE
        if not path.is_file():
            raise MissingFileError(f"{folder}: no feature store here ({STORE_FILE} is missing); extract the features first.")
        sidecar = read_json(path)
        try:
            if sidecar["format"] != STORE_FORMAT:
                raise DataError(f"{path}: expected store format {STORE_FORMAT}, got {sidecar['format']}; extract again.")
            contract = FeatureContract(**sidecar["contract"])
            data, index = (inside(folder / sidecar[part]["file"], folder) for part in ("data", "index"))
            hashes = {data: sidecar["data"]["sha256"], index: sidecar["index"]["sha256"]}
        except (KeyError, TypeError, ConfigError) as error:
            raise DataError(f"{path}: not the sidecar of a feature store ({error}); extract the features again.") from error
        for name, wanted in (expect or {}).items():
            if name not in FeatureContract.model_fields:
                raise ConfigError(
                    f"expect: unknown field {name!r} of a feature contract; known: {', '.join(contract.model_dump())}."
                )
            found = getattr(contract, name)
            if found != (tuple(wanted) if isinstance(found, tuple) else wanted):
                raise DataError(f"{folder}: {name} of the features is {found!r}, expected {wanted!r}; extract them again.")
        for file, digest in hashes.items():
            if not file.is_file():
                raise MissingFileError(f"{file}: a file of the feature store is missing; extract the features again.")
            # the index is small, so its hash is always checked
            if (verify or file == index) and file_sha256(file) != digest:
                raise DataError(f"{file}: its bytes are not those that were written; extract the features again.")
        rows = read_array(data, mmap=True)
        entries = read_index(index, contract.crops)
        expected = (sum(entry.length for entry in entries.values()) * len(contract.crops), contract.dimension)
        if rows.shape != expected or rows.dtype != contract.dtype:
            raise DataError(
                f"{data}: expected {contract.dtype} {expected} by contract and index, got {rows.dtype} {rows.shape}; extract again."
            )
        return cls(folder, contract, entries, rows, _store_hash(contract, hashes[data], hashes[index]), (data, index))

    @classmethod
    def write(
        cls,
        folder: Path | str,
        contract: FeatureContract,
        items: Iterable[tuple[str, np.ndarray | Sequence[np.ndarray]]],
        sources: dict[str, str] | None = None,
    ) -> "FeatureStore":
        """Write a store, in place of any that is there; memory does not grow with the number or length of videos.

        Args:
            folder: where; made if missing.
            contract: what the features are.
            items: video names and their features, float (N, T, D), or N arrays (T, D), also memory-mapped.
            sources: hash of the file that a video's features were made from, if known.

        Raises:
            DataError: a video has no snippets, another number of crops or features than the contract says, NaN or
                infinity (also after rounding to the contract's dtype), or a name that came before.
            OutputError: the folder cannot be written or the disk is full. In all cases the old store stays as it was.
        """
        folder = Path(folder)
        entries: dict[str, Entry] = {}
        rows = 0
        staged = folder / "snippets.partial"
        with atomic_path(staged) as temporary, growing_array(temporary, (contract.dimension,), contract.dtype) as append:
            for video, features in items:
                length = checked_length(video, features, contract.crops, contract.dimension)
                if video in entries:
                    raise DataError(f"video {video}: features came twice; names must be unique.")
                for crop in features:
                    for start in range(0, len(crop), ROWS_AT_ONCE):
                        append(finite_rows(video, crop[start : start + ROWS_AT_ONCE], contract.dtype))
                entries[video] = Entry(rows, length, (sources or {}).get(video, ""))
                rows += len(features) * length
            if not entries:
                raise DataError(f"{folder}: expected features of at least one video, got none.")
        listed = index_text(entries, contract.crops)
        data_sha256, index_sha256 = file_sha256(staged), hashlib.sha256(listed.encode()).hexdigest()
        data, index = folder / f"snippets-{data_sha256[:12]}.npy", folder / f"index-{index_sha256[:12]}.csv"
        try:
            staged.replace(data)
        except OSError as error:
            staged.unlink(missing_ok=True)
            raise OutputError(f"cannot write {data}: {error.strerror or error}. The old store was not changed.") from error
        write_text(index, listed)
        sidecar = {
            "format": STORE_FORMAT,
            "contract": contract.model_dump(mode="json"),
            "videos": len(entries),
            "snippets": sum(entry.length for entry in entries.values()),
            "data": {"file": data.name, "sha256": data_sha256, "bytes": data.stat().st_size},
            "index": {"file": index.name, "sha256": index_sha256},
        }
        write_json(folder / STORE_FILE, sidecar)
        store = cls.open(folder)
        store.remove_others()
        return store

    def others(self) -> set[Path]:
        """Files of earlier stores in this folder, which a writer that was killed did not come to remove."""
        own = {*self.folder.glob(f"segments-*-{self.content_hash[:12]}.npy"), *self._files}
        patterns = ("snippets-*.npy", "index-*.csv", "segments-*.npy", "snippets.partial")
        return {path for pattern in patterns for path in self.folder.glob(pattern)} - own

    def remove_others(self) -> None:
        """Remove :meth:`others`; for the one process that writes this folder."""
        for path in self.others():
            path.unlink(missing_ok=True)

    @property
    def num_crops(self) -> int:
        return len(self.contract.crops)

    @property
    def dimension(self) -> int:
        return self.contract.dimension

    def source_sha256(self, video: str) -> str:
        """Hash of the file that the video's features were made from; empty if unknown."""
        return self._entry(video).source_sha256

    def num_snippets(self, video: str) -> int:
        """T of a video; an unknown name is a :class:`DataError`."""
        return self._entry(video).length

    def snippets(self, video: str) -> np.ndarray:
        """Features of a video, float (N, T, D) in the stored dtype, a read-only view of the file."""
        entry = self._entry(video)
        rows = self._rows[entry.offset : entry.offset + self.num_crops * entry.length]
        return rows.reshape(self.num_crops, entry.length, self.dimension)

    def segments(self, num_segments: int, segmenting: str = "means") -> np.ndarray:
        """Segments of all videos, made once by :func:`~vad_lib.data.segments.make_segments` and kept beside the store.

        Returns:
            float (videos, N, num_segments, D) in the stored dtype, videos in stored order, a read-only view of the file.

        Raises:
            OutputError: the folder cannot be written, or the disk is full.
        """
        kind = "" if segmenting == "means" else f"{segmenting}-"
        path = self.folder / f"segments-{kind}{num_segments}-{self.content_hash[:12]}.npy"
        if not path.is_file():
            shape = (self.num_crops, num_segments, self.dimension)
            with atomic_path(path) as temporary, growing_array(temporary, shape, self.contract.dtype) as append:
                for video in self.videos:
                    append(make_segments(self.snippets(video), num_segments, segmenting)[None])
        return read_array(path, mmap=True)

    def _entry(self, video: str) -> Entry:
        try:
            return self._entries[video]
        except KeyError:
            raise DataError(f"{self.folder}: no features of video {video!r}; extract them, or correct the list.") from None


def _store_hash(contract: FeatureContract, data_sha256: str, index_sha256: str) -> str:
    return content_hash([contract.model_dump(mode="json"), data_sha256, index_sha256])
