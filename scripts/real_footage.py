"""Rows of Tables 2 to 5 with several seeds on real footage: ``python scripts/real_footage.py --source FOLDER --name NAME``.

The folder is one that ``python -m vad_lib.data.importing check`` accepts: lists, and features or videos. It is imported, features
are extracted if there are only videos, every row is trained with every seed, and tables, intervals and a figure go to
``results/real_footage/NAME``; numbers and a plot only, no frames. ``results/real_footage/README.md`` lists all sets. Finished runs
are kept in ``--work``, so a report that was stopped goes on, and more seeds add to those that are there. The project's own sets are
``fight-bags``, ``pets2009`` and ``ped2``; ``vad_lib/report/real_footage.py`` holds what is known of them, and the settings.
"""

import argparse
import sys
from pathlib import Path

import torch

from vad_lib.errors import command_line
from vad_lib.report import real_footage, real_footage_page
from vad_lib.storage.paths import PROJECT_ROOT


@command_line("run the same command again to go on from here")
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, type=Path, help="folder with the lists and features of the data set")
    parser.add_argument("--name", required=True, help="of the data set in folders and tables, e.g. fight-bags")
    parser.add_argument("--title", default="", help="of the data set in tables; what is known of it, or its name, by default")
    parser.add_argument("--about", default="", help="sentences on the footage and its source, for the page")
    parser.add_argument("--seeds", type=int, default=real_footage.NUM_SEEDS)
    parser.add_argument("--work", type=Path, default=PROJECT_ROOT / "build" / "real_footage", help="imported set and run folders")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "results" / "real_footage")
    options = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order on every machine; for models this small a second thread gains little
    profile = real_footage.profile_of("quick")
    layout = real_footage.work_layout(profile, options.work)
    dataset = real_footage.train(options.source, options.name, layout, profile, title=options.title, seeds=options.seeds)
    real_footage_page.write_page(dataset, layout, options.out / options.name, options.about)
    real_footage_page.write_index(options.out)
    print(options.out / options.name / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
