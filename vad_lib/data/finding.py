"""What is wrong with a person's files, or worth knowing of them: one thing each, told in the same form everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vad_lib.errors import DataError, VadError

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        level: ``error``: nothing is imported while there is one; ``warning``: a person must judge; ``note``: good to know.
        code: a word that stays the same, for programs.
        subject: file, line, video or category; empty for the data set as a whole.
        message: what was expected and what came.
        fix: what to do about it; empty for a note that asks for nothing.
    """

    level: Level
    code: str
    subject: str
    message: str
    fix: str = ""

    def __post_init__(self) -> None:
        for part in ("subject", "message", "fix"):
            object.__setattr__(self, part, printable(getattr(self, part)))

    def __str__(self) -> str:
        said = f"{self.subject}: {self.message}" if self.subject else self.message
        return f"{said}; {self.fix}." if self.fix else f"{said}."


def printable(text: Path | str) -> str:
    """A text with the name of a file in it, which may hold bytes that are no text and could not be printed.

    Example:
        >>> printable("videos/caf\\udce9.mp4")
        'videos/caf\\\\xe9.mp4'
    """
    text = str(text)
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # halves of characters that stand for no byte
        return text.encode("utf-8", "backslashreplace").decode()


def is_text(name: str) -> bool:
    """Whether the name of a file is text, so that a list can name it."""
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


Tell = Callable[[Finding], None]  # what a reader does with what it finds: collect it, or raise


def refuse(finding: Finding) -> None:
    """A reader's default: the first error is raised, all else is passed over.

    Raises:
        DataError: the finding is an error.
    """
    if finding.level == "error":
        raise DataError(str(finding))


def error_at(code: str, subject: Path | str, error: VadError, otherwise: str, level: Level = "error") -> Finding:
    """An error that was raised, as a finding.

    Args:
        code: of the finding.
        subject: file or video; the error's text need not name it twice.
        error: its last sentence says what to do.
        otherwise: what else can be done.
        level: of the finding.
    """
    text = str(error).removeprefix(f"{subject}: ").rstrip(" .")
    message, _, advice = text.rpartition(". ")
    if not message:
        return Finding(level, code, str(subject), text, otherwise)
    also = f", or {otherwise}" if otherwise else ""
    return Finding(level, code, str(subject), message, f"{advice[0].lower()}{advice[1:]}{also}")
