"""``python -m vad_lib.site``: build the site. The exit status is 1 if it could not be built."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vad_lib.errors import command_line
from vad_lib.site.build import build
from vad_lib.storage.paths import PROJECT_ROOT


@command_line("an earlier site is whole; the same command begins again")
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.site", description="Static pages of the committed results.")
    parser.add_argument("--out", default=str(PROJECT_ROOT / "build" / "site"), help="folder of the site (default: build/site)")
    parser.add_argument("--strict", action="store_true", help="fail on a picture without alternative text")
    parser.add_argument("--repository", default="", help="address of the files, such as https://HOST/OWNER/NAME/blob/main")
    options = parser.parse_args(arguments)
    built = build(Path(options.out), strict=options.strict, repository=options.repository)
    for part in built.left_out:
        print(f"left out: {part}")
    if built.undescribed:
        print(f"{len(built.undescribed)} pictures of notebooks have no alternative text; --strict fails on them")
    print(f"{built.pages} pages: open {built.folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
