"""What the tests of live runs share: quick settings, the lines of their tables, and waiting."""

import csv
from pathlib import Path

from vad_lib.deployment.live_settings import LiveSettings

QUICK = LiveSettings(open_seconds=3, read_seconds=1, first_pause=0.1, longest_pause=0.4, reset_seconds=0.5, report_seconds=0.5)


def rows(path: Path) -> list[dict[str, str]]:
    """The lines of a table, each of which must be whole."""
    content = path.read_text()
    assert content.endswith("\n")
    with open(path, newline="") as stream:
        found = list(csv.DictReader(stream))
    assert all(None not in row and None not in row.values() for row in found)
    return found


def nothing_half_done(folder: Path) -> bool:
    """Whether no file was left in the middle of being written."""
    return not [path for path in folder.rglob("*") if ".vad.tmp" in path.name]
