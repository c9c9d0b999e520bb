"""Files that come with the project, which its users only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vad_lib.errors import DataError


@contextmanager
def of_project(path: Path, what: str, advice: str = "") -> Iterator[None]:
    """Around the reading of a file that comes with the project: a damaged one is to be restored.

    The advice of the readers in :mod:`vad_lib.storage.reading` is for files that people make.

    Args:
        path: of the file.
        what: it is, such as ``file of the reference``.
        advice: what to do; empty says how to restore the file.

    Raises:
        DataError: the block raised one; the message has its reason and the advice.
    """
    try:
        yield
    except DataError as error:
        reason = error.__cause__ or "it is no text"
        restore = f"Restore it with `git checkout -- {path}`, or install the library again."
        raise DataError(f"{path}: this {what} is damaged ({reason}). {advice or restore}") from error
