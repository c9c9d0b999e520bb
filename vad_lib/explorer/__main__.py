"""Make what the explorer shows, or write it as a page.

python -m vad_lib.explorer --make [--profile PROFILE]
python -m vad_lib.explorer --page DIR
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vad_lib.config import get_profile
from vad_lib.errors import command_line
from vad_lib.explorer.making import make
from vad_lib.explorer.page import write_page
from vad_lib.storage.paths import EXPLORER, Layout


@command_line("nothing was changed; run the same command again")
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser("python -m vad_lib.explorer", description="The explorer of scored test videos.")
    parser.add_argument("--make", action="store_true", help="make its folder anew from finished runs and rendered videos")
    parser.add_argument("--page", type=Path, metavar="DIR", help="write explorer.html and its videos into this folder")
    parser.add_argument("--profile", default="study", help="whose runs and videos --make takes (default: study)")
    parser.add_argument("--out", default="", help="with --make: folder that has results/ (default: the project)")
    parser.add_argument("--data", default="", help="with --make: folder of the data sets (default: data/PROFILE of the project)")
    parser.add_argument("--folder", type=Path, default=EXPLORER, help="the explorer's folder (default: results/explorer)")
    options = parser.parse_args(arguments)
    if not options.make and not options.page:
        parser.error("expected --make, --page DIR, or both")
    if options.make:
        get_profile(options.profile)
        for sentence in make(Layout.create(options.profile, options.out, options.data), options.folder):
            print(sentence)
        print(f"made {options.folder}")
    if options.page:
        print(f"wrote {write_page(options.folder, options.page)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
