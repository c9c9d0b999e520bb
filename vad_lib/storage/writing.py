"""Writing that never leaves half a file behind.

Everything this project writes goes through :func:`atomic_path`: the content is written to a temporary
neighbour first and renamed over the target only when it is complete. A full disk, a read-only folder or
Ctrl-C therefore never damages what was there. What a killed process left behind is removed by the next one
that writes into the same folder.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import lock_descriptor

from vad_lib.errors import OutputError, VadError

TEMPORARY = ".vad.tmp"  # in the names of files that are being written


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``target``; rename it over ``target`` if the block succeeds.

    The temporary name keeps the suffix of the target, because numpy, OpenCV and matplotlib choose the
    format by it. Inside another such block, for its temporary path, that path is given as it is.

    Raises:
        OutputError: the folder cannot be written or the disk is full; ``target`` is unchanged.
    """
    target = Path(target)
    if TEMPORARY in target.name:  # a second file renamed over it would lack its lock, and another process would remove it
        yield target
        return
    temporary: Path | None = None
    held: int | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target.parent)
        temporary, held = _temporary(target)
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
        if held is not None:
            os.close(held)


def _temporary(target: Path) -> tuple[Path, int | None]:
    """A new temporary file, and its handle, locked as long as it is open: so others see that it is in use."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=f"{TEMPORARY}{target.suffix}", dir=target.parent)
        locked = _lock(handle)
        if locked is None:
            os.close(handle)
            return Path(name), None
        if locked and Path(name).exists():
            return Path(name), handle
        os.close(handle)  # another process took it for an abandoned one before it was locked, and removes it


def _lock(handle: int) -> bool | None:
    """Lock an open file: True if it is locked now, False if another process has it, None where that cannot be done."""
    if sys.platform == "win32":  # an open file could not be renamed there
        return None
    try:
        return lock_descriptor(handle, blocking=False)
    except OSError:  # a file system without locks
        return None


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files that no process is writing any more; where there are no file locks, none can be told."""
    for path in [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(".") and TEMPORARY in entry.name]:
        with suppress(OSError):  # gone meanwhile, or another user's
            handle = os.open(path, os.O_RDWR)
            try:
                if _lock(handle):
                    path.unlink(missing_ok=True)
            finally:
                os.close(handle)


def partial_folder(target: Path) -> Path:
    """Where a folder is built before it takes its place: a hidden neighbour of ``target``."""
    return target.with_name(f".{target.name}.partial")


def clear_folder(folder: Path, keep: str = "") -> None:
    """Empty a folder that is about to be filled, one file apart; nothing happens if there is none."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != keep:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def replace_folder(partial: Path, target: Path) -> None:
    """Put a complete folder in its place; a folder that was there is whole until this moment.

    Raises:
        OutputError: the folder cannot be moved.
    """
    old = _replaced(target)
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


def remove_replaced(target: Path) -> None:
    """Remove what :func:`replace_folder` had put aside when it was killed; only where the new folder is in its place."""
    if target.exists():
        shutil.rmtree(_replaced(target), ignore_errors=True)


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def write_text(target: Path | str, text: str) -> Path:
    """Write UTF-8 text atomically, with Unix line ends."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(target)


def write_json(target: Path | str, value: Any) -> Path:
    """Write JSON atomically: keys in the order given, two spaces, floats with full precision, no NaN."""
    return write_text(target, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_array(target: Path | str, array: np.ndarray) -> Path:
    """Write one array as ``.npy`` atomically, without pickling."""
    with atomic_path(target) as temporary:
        np.save(temporary, array, allow_pickle=False)
    return Path(target)


def write_arrays(target: Path | str, arrays: dict[str, np.ndarray]) -> Path:
    """Write named arrays as a compressed ``.npz`` atomically, without pickling. Names become names of files in the archive."""
    with atomic_path(target) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
    return Path(target)
