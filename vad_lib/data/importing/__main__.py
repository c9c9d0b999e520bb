"""Command line: ``python -m vad_lib.data.importing check`` and ``import``."""

import argparse
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from vad_lib.data.importing.discover import check_source
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.errors import command_line
from vad_lib.storage.locks import waiting


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


@command_line("what was there before is unchanged")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.data.importing", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("command", choices=("check", "import"), help="check: print what is found; import: make the data set")
    add("--source", required=True, type=Path, help="folder with lists and features or videos")
    add("--out", type=Path, help="folder of the data set (default: the source)")
    add("--headers", action="store_true", help="check names and shapes only, without reading all features")
    add("--wait", action="store_true", help="import: wait while another process imports into the same folder")
    for name, field in ImportSettings.model_fields.items():
        option: dict[str, Any] = {"help": field.description, "default": None, "required": field.is_required()}
        choices = [str(choice) for part in (field.annotation, *get_args(field.annotation)) for choice in _choices(part)]
        if name == "partial":
            option = {"help": field.description, "action": "store_true"}
        elif choices:
            option |= {"choices": choices}
        elif name in ("crops", "categories"):
            option |= {"type": lambda text: tuple(part.strip() for part in text.split(","))}
        add(f"--{name}", **option)
    options = vars(parser.parse_args(arguments))
    command, source, out, headers, wait = (options.pop(name) for name in ("command", "source", "out", "headers", "wait"))
    settings = ImportSettings(**{name: value for name, value in options.items() if value is not None})
    if command == "check":
        found = check_source(source, settings, read=not headers)
        print(found)
        return 1 if found.problems else 0
    with waiting(wait):
        result = import_dataset(source, out, settings)
    print(f"{out or source}: " + ("written" if result.changed else "nothing has changed since the last import"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
