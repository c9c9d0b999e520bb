"""Reading and writing that cannot leave half a file behind, and hashes of what was read.

Everything this project writes goes through :func:`atomic_path`: the content is written to a temporary
neighbour first and renamed over the target only when it is complete. A full disk, a read-only folder or
Ctrl-C therefore never damages what was there.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vad_lib.errors import DataError, MissingFileError, OutputError, VadError


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``target``; rename it over ``target`` if the block succeeds.

    The temporary name keeps the suffix of the target, because numpy, OpenCV and matplotlib choose the
    format by it.

    Raises:
        OutputError: the folder cannot be written or the disk is full; ``target`` is unchanged.
    """
    target = Path(target)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=f".tmp{target.suffix}", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes files private; results are meant to be read by others.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except VadError:  # among them MissingFileError, an OSError of what was read inside the block
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write {target}: {error.strerror or error}. Nothing was changed. "
            "Free some space or choose another folder with --out / --data, then run the command again."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def partial_folder(target: Path) -> Path:
    """Where a folder is built before it takes its place: a hidden neighbour of ``target``."""
    return target.with_name(f".{target.name}.partial")


def replace_folder(partial: Path, target: Path) -> None:
    """Put a complete folder in its place; a folder that was there is whole until this moment.

    Raises:
        OutputError: the folder cannot be moved.
    """
    old = target.with_name(f".{target.name}.old")
    try:
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(partial, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"cannot put {partial} in the place of {target}: {error.strerror or error}. Check its permissions."
        ) from error


def write_text(target: Path | str, text: str) -> Path:
    """Write UTF-8 text atomically, with Unix line ends."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(target)


def write_json(target: Path | str, value: Any) -> Path:
    """Write JSON atomically: keys in the order given, two spaces, floats with full precision, no NaN."""
    return write_text(target, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected a JSON file, found none.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: expected JSON, but it does not parse ({error}). Delete it and make it again.") from error


def write_array(target: Path | str, array: np.ndarray) -> Path:
    """Write one array as ``.npy`` atomically, without pickling."""
    with atomic_path(target) as temporary:
        np.save(temporary, array, allow_pickle=False)
    return Path(target)


def write_arrays(target: Path | str, arrays: dict[str, np.ndarray]) -> Path:
    """Write named arrays as a compressed ``.npz`` atomically; names must be free of ``/``-problems of zip."""
    with atomic_path(target) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
    return Path(target)


def read_array(path: Path | str, *, mmap: bool = False) -> np.ndarray:
    """Read one ``.npy`` array; never unpickles.

    Args:
        path: the file.
        mmap: True for a read-only memory map.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is truncated, no ``.npy`` file, or holds pickled objects.
    """
    path = Path(path)
    try:
        array = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            array.close()
            raise ValueError("an .npz archive")
        return array
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected a .npy array, found no such file.") from None
    except (ValueError, EOFError, OSError) as error:
        raise DataError(
            f"{path}: expected a plain .npy array, but it cannot be read ({error}). It may be truncated, of "
            "another format, or hold pickled objects, which are never loaded: save it again as a plain array."
        ) from error


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file; never unpickles. Errors as in :func:`read_array`."""
    path = Path(path)
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("a single .npy array")
        with archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected an .npz file, found no such file.") from None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: expected a plain .npz file, but it cannot be read ({error}). Make it again.") from error


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def content_hash(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of dictionary keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
