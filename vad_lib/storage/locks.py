"""One writer at a time, by locks that the operating system lets go when a process ends, however it ends.

:func:`sole_writer` keeps a second process out of a folder. The lock is a small file that its holder keeps locked; what
stands in it, who the holder is and since when, is for messages only. A file that a killed process left behind is free.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout, UnixFileLock

from vad_lib.errors import BusyError, OutputError

LOCK_FILE = ".lock"
WAIT_VARIABLE = "VAD_WAIT"
_SECONDS = 0.3  # until a lock counts as held: longer than it takes to let one go, or to write into it who holds it


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
    file = Path(file or Path(folder) / LOCK_FILE)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=_SECONDS)
        except Timeout:
            if os.environ.get(WAIT_VARIABLE, "") in ("", "0"):
                raise BusyError(_refusal(folder, file, lock)) from None
            print(f"{folder}: waiting for {_holder(file).rstrip(',')}", file=sys.stderr, flush=True)
            lock.acquire()
        _say_who(file, lock)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}. Choose another folder with --out / --data.") from error
    try:
        yield
    finally:
        _let_go(file, lock)


def remove_free_lock(file: Path) -> None:
    """Remove a lock's file that a killed process left behind, where there is nothing to do that would take the lock."""
    if file.is_file() and os.access(file.parent, os.W_OK):
        lock = FileLock(file)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            _let_go(file, lock)


def _let_go(file: Path, lock: FileLock) -> None:
    # Removed while it is locked: whoever opened it meanwhile sees that it is no longer in its place. Other systems do not
    # allow that, and there filelock removes it.
    if isinstance(lock, UnixFileLock):
        file.unlink(missing_ok=True)
    lock.release()


def _say_who(file: Path, lock: FileLock) -> None:
    if isinstance(lock, SoftFileLock):  # what stands in its file is filelock's
        return
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
    said = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
    said["started"] = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    with suppress(OSError), open(file, "r+b") as stream:
        stream.seek(1)  # Windows lets nobody touch the first byte of a locked file
        stream.write(json.dumps(said).encode() + b"\n")


def _holder(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            stream.seek(1)
            said = json.loads(stream.readline(4096))
        return f"process {said['pid']} on {said['host']} ({said['command']}), which began at {said['started']},"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"


def _refusal(folder: Path | str, file: Path, lock: FileLock) -> str:
    text = (
        f"{folder}: {_holder(file)} is writing here. Run the command again when it has finished, let it wait by --wait (in "
        f"a notebook by the environment variable {WAIT_VARIABLE}=1), or choose another folder with --out / --data."
    )
    return f"{text} If that process is no more, delete {file}." if isinstance(lock, SoftFileLock) else text
