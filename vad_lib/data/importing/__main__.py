"""Command line: ``python -m vad_lib.data.importing check`` and ``import``."""

import argparse
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from vad_lib.data.finding import Finding, printable
from vad_lib.data.importing.discover import check_source
from vad_lib.data.importing.findings import Findings
from vad_lib.data.importing.report import write_report
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.errors import VadError, command_line
from vad_lib.storage.locks import waiting

_ABOUT = """Read a folder of features or videos with their lists.

check goes through the whole folder, says all that is wrong and how to put it right, and writes nothing; its exit status is 1 if
there are errors. Of every video it decodes the first frames and looks whether the end is there. import makes the data set, or says
the same and leaves everything as it is."""


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vad_lib.data.importing", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("command", choices=("check", "import"), help="check: print what is found; import: make the data set")
    add("--source", required=True, type=Path, help="folder with lists and features or videos")
    add("--out", type=Path, help="folder of the data set (default: the source)")
    add("--report", type=Path, help="file that gets all that is found as JSON, for programs")
    add("--decode", action="store_true", help="check: decode all videos whole, to find every damage and count frames exactly")
    add("--headers", action="store_true", help="check names, lists and shapes only: no features are read, no frames decoded")
    add("--wait", action="store_true", help="import: wait while another process imports into the same folder")
    for name, field in ImportSettings.model_fields.items():
        option: dict[str, Any] = {"help": field.description, "default": None, "required": field.is_required()}
        choices = [str(choice) for part in (field.annotation, *get_args(field.annotation)) for choice in _choices(part)]
        if name == "partial":
            option = {"help": field.description, "action": "store_true"}
        elif choices:
            option |= {"choices": choices}
        elif name == "frames":  # the settings are kept, and used again in other folders
            option |= {"type": lambda text: str(Path(text).expanduser().resolve()) if text else ""}
        elif name in ("crops", "categories"):
            option |= {"type": lambda text: tuple(part.strip() for part in text.split(","))}
        add(f"--{name}", **option)
    return parser


@command_line("what was there before is unchanged")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    own = ("command", "source", "out", "report", "decode", "headers", "wait")
    command, source, out, report, decode, headers, wait = (options.pop(name) for name in own)
    if decode and headers:
        parser.error("--decode and --headers exclude each other")
    settings = ImportSettings(**{name: value for name, value in options.items() if value is not None})
    told: list[Finding] = []
    found: Findings | None = None
    unchanged = False
    try:
        if command == "check":
            found = check_source(source, settings, out, read=not headers, decode=decode)
            told += found.findings
            print(found)
            return 1 if found.problems else 0
        with waiting(wait):
            result = import_dataset(source, out, settings, tell=told.append)
        found, unchanged = result.findings, not result.changed
    except VadError as error:
        if not any(finding.level == "error" for finding in told):
            told.append(Finding("error", "folder", str(source), str(error)))
        raise
    finally:
        if report:
            write_report(report, settings.dataset, source, found, told, unchanged)
    print(printable(f"{out or source}: ") + ("nothing has changed since the last import" if unchanged else "written"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
