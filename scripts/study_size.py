"""How many seeds and test videos make the intervals narrow enough: ``python scripts/study_size.py``.

From the runs of the reference (or, with ``--profile``, one's own), the variance of each paired difference of Tables 4 and 5
(wanted: a half-width of 1.5 points) and the half-width of each row of Tables 2 and 3 (wanted: 2 points). For the differences
the variance is split between seeds and videos, so the half-width of other sizes can be computed; the size of the profile
``study`` was chosen by this table.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from vad_lib.data import synthetic
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import MissingFileError, command_line
from vad_lib.evaluation.comparisons import compare
from vad_lib.evaluation.intervals import Interval, interval
from vad_lib.evaluation.power import half_width
from vad_lib.open_questions.findings import WANTED_HALF_WIDTH
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS, ladder
from vad_lib.runs.finished_runs import load_runs
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_text

WANTED = {"difference": 100 * WANTED_HALF_WIDTH, "row": 2.0}  # points
SEEDS = (5, 10, 20, 40)
VIDEOS = (250, 500, 1000)


def sizes(layout: Layout, name: str) -> pd.DataFrame:
    """A line per row and per difference of a data set: measured half-width, and that of other sizes, in points."""
    runs = load_runs(layout, name, VARIANTS)
    metric = load_dataset(layout.dataset(name), features=False).headline_metric
    scored = {row: scored_rows(found) for row, found in runs.items()}
    lines: list[tuple[object, ...]] = []
    unknown = [float("nan")] * len(SEEDS) * len(VIDEOS)
    for row, found in scored.items():
        if row in TABLE_ROWS["table2"]:
            measured = interval(found, metric)
            lines.append((name, "row", VARIANTS[row].title, measured.num_seeds, measured.num_videos, _half(measured), *unknown))
    for first, second in ladder():
        if first in scored and second in scored:
            step = compare(scored[first], scored[second], metric)
            title = f"{VARIANTS[second].title} minus {VARIANTS[first].title}"
            line = (name, "difference", title, step.num_seeds, step.num_videos, _half(step))
            others = [100 * half_width(step.components, s, v) for s in SEEDS for v in VIDEOS] if step.components else unknown
            lines.append((*line, *others))
    columns = ["data set", "kind", "what", "seeds", "videos", "half-width"]
    columns += [f"{s} seeds, {v} videos" for s in SEEDS for v in VIDEOS]
    return pd.DataFrame(lines, columns=columns)


def _half(found: Interval) -> float:
    return 100 * (found.high - found.low) / 2


@command_line("correct what it says and call it again")
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="", help="whose runs are read; those of the reference by default")
    parser.add_argument("--data", default="", help="with --profile: folder of the data sets; data/PROFILE by default")
    parser.add_argument("--out", type=Path, default=None, help="CSV; study_size.csv in results, or in results/PROFILE, by default")
    options = parser.parse_args()
    layout = Layout.create(options.profile, data=options.data) if options.profile else Layout.reference()
    table = pd.concat([sizes(layout, name) for name in synthetic.DATASETS], ignore_index=True)
    if table.empty:
        raise MissingFileError(f"{layout.read_from}: expected finished runs of table rows, found none; `make study` trains them.")
    path = options.out or (layout.results if options.profile else layout.results.parent) / "study_size.csv"
    write_text(path, table.to_csv(index=False, float_format="%.3g", lineterminator="\n"))
    print(table.round(2).to_string(index=False))
    for kind, wanted in WANTED.items():
        theirs = table[table["kind"] == kind]
        narrow = int((theirs["half-width"] <= wanted).sum())
        print(f"{narrow} of {len(theirs)} {kind}s have a half-width of {wanted} points or less. {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
