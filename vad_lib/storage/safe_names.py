"""Names and paths from outside that may be used: plain names, and paths that stay inside a folder."""

import os
import re
from pathlib import Path, PureWindowsPath
from typing import Any

from vad_lib.errors import DataError

LINKS_VARIABLE = "VAD_FOLLOW_LINKS"


def plain_name(name: Any) -> bool:
    """True for the name of a file: a text that leads into no other folder on any system."""
    return (
        isinstance(name, str)
        and name.strip() not in ("", ".", "..")
        and not set(name) & {"/", "\\"}
        and not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name)
        and not PureWindowsPath(name).drive
    )


def inside(path: Path, folder: Path) -> Path:
    """The path itself, if it lies in the folder after all links are followed.

    Raises:
        DataError: it leads out, and the environment variable ``VAD_FOLLOW_LINKS`` does not allow it.
    """
    if not leads_out(path, folder):
        return path
    raise DataError(
        f"{path}: leads out of {folder} (to {os.path.realpath(path)}) and is not followed. Copy it, or set the environment "
        f"variable {LINKS_VARIABLE}=1 if such links are meant."
    )


def leads_out(path: Path, folder: Path) -> bool:
    """True if a path lies outside the folder after all links are followed; False if a person allowed such links."""
    if links_allowed():
        return False
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def links_allowed() -> bool:
    """True if the environment variable says that links may lead out of a folder."""
    return os.environ.get(LINKS_VARIABLE, "") not in ("", "0")
