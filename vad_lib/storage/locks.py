"""One writer at a time: locks that the operating system lets go when a process ends, however it ends.

A lock is a small file that its holder keeps open and locked (``flock``). What it says, who holds it and since when, is for
messages only: a file that a killed process left behind is free. :func:`sole_writer` keeps a second process out of a folder;
:mod:`vad_lib.storage.writing` holds the same kind of lock on every file that is being written.

Where there is no ``flock`` (Windows, some network file systems) the file itself is the lock. A killed process then leaves it
behind and it has to be deleted by hand; the message says so.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from vad_lib.errors import BusyError, OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK_FILE = ".lock"
WAIT_VARIABLE = "VAD_WAIT"
_POLL_SECONDS = 0.2
_SAID_BYTES = 4096


def lock_open_file(handle: int) -> bool | None:
    """Lock an open file for this process alone, without waiting.

    Returns:
        True if it is locked now, False if another process has it, None where such locks do not exist.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


@contextmanager
def waiting(wait: bool) -> Iterator[None]:
    """Let :func:`sole_writer` wait inside the block, in processes that are started there too; False changes nothing."""
    before = os.environ.get(WAIT_VARIABLE)
    if wait:
        os.environ[WAIT_VARIABLE] = "1"
    try:
        yield
    finally:
        if wait:
            os.environ.pop(WAIT_VARIABLE)
            if before is not None:
                os.environ[WAIT_VARIABLE] = before


@contextmanager
def sole_writer(folder: Path | str, file: Path | str | None = None) -> Iterator[None]:
    """Keep other processes that ask for the same folder out while the block runs.

    Reading needs no lock. A process cannot enter twice.

    Args:
        folder: what is written, for the message.
        file: the lock's own file, removed at the end; ``.lock`` in the folder by default. Folders are made if missing.

    Raises:
        BusyError: another process is inside; names folder, process and its start. With the environment variable
            ``VAD_WAIT`` (``--wait``) the call waits instead, and says so on stderr.
        OutputError: the folder cannot be written.
    """
    folder = Path(folder)
    file = Path(file or folder / LOCK_FILE)
    told = False
    try:
        while (handle := _take(file)) is None:
            holder = _read_holder(file) or (time.sleep(_POLL_SECONDS) or _read_holder(file))  # it may be about to say it
            if os.environ.get(WAIT_VARIABLE, "") in ("", "0"):
                raise BusyError(_refusal(folder, file, holder))
            if not told:
                print(f"{folder}: waiting for {_described(holder).rstrip(',')}", file=sys.stderr, flush=True)
                told = True
            time.sleep(_POLL_SECONDS)
    except BusyError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}. Choose another folder with --out / --data.") from error
    try:
        yield
    finally:
        if fcntl is None:  # an open file cannot be removed there
            os.close(handle)
            file.unlink(missing_ok=True)
        else:  # removed while it is locked: whoever opened it meanwhile sees that it is no longer in its place
            file.unlink(missing_ok=True)
            os.close(handle)


def remove_free_lock(file: Path) -> None:
    """Remove a lock's file that a killed process left behind, where there is nothing to do that would take the lock."""
    if fcntl and file.is_file() and os.access(file.parent, os.W_OK) and (handle := _take(file)) is not None:
        file.unlink(missing_ok=True)
        os.close(handle)


def _take(file: Path) -> int | None:
    """The open and locked file, or None if another process has it."""
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle, made = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            try:
                handle, made = os.open(file, os.O_RDWR), False
            except FileNotFoundError:  # removed since
                continue
        locked = lock_open_file(handle)
        if not (made if locked is None else locked):
            os.close(handle)
            return None
        try:
            in_place = os.path.samestat(os.fstat(handle), os.stat(file))
        except FileNotFoundError:
            in_place = False
        if in_place:
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(_holder()).encode())
            return handle
        os.close(handle)  # the holder before removed it between opening and locking


def _holder() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
    }


def _read_holder(file: Path) -> dict[str, Any]:
    """What a lock file says; empty if it says nothing (yet)."""
    try:
        with open(file, "rb") as stream:
            said = json.loads(stream.read(_SAID_BYTES))
        return said if said.keys() >= {"pid", "host", "started", "command"} else {}
    except (OSError, ValueError, AttributeError):
        return {}


def _described(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    return f"process {holder['pid']} on {holder['host']} ({holder['command']}), which began at {holder['started']},"


def _refusal(folder: Path, file: Path, holder: dict[str, Any]) -> str:
    text = (
        f"{folder}: {_described(holder)} is writing here. Run the command again when it has finished, let it wait by --wait (in "
        f"a notebook by the environment variable {WAIT_VARIABLE}=1), or choose another folder with --out / --data."
    )
    return f"{text} If that process is no more, delete {file}." if _stays_behind(file) else text


def _stays_behind(file: Path) -> bool:
    """True where the file itself is the lock."""
    try:
        with open(file, "rb") as stream:
            return lock_open_file(stream.fileno()) is None
    except OSError:
        return False
