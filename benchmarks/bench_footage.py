"""From a video to events and a page: how many times faster than it plays, and where the time goes.

    python benchmarks/bench_footage.py                 # a drawn video of 640 x 360 pixels, half a minute
    python benchmarks/bench_footage.py --videos FILE ...

The command ``python -m vad_lib.deployment score`` runs as a user runs it, in a process of its own, so that loading of libraries
and weights counts in the wall time. It runs in one process and in two.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from common import machine, parser, report

from vad_lib.storage.reading import read_json

FPS, SIZE = 25.0, (360, 640)


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--videos", nargs="*", type=Path, help="files of your own in place of the drawn ones")
    options.add_argument("--seconds", type=float, default=30.0, help="of each of two drawn videos")
    given = options.parse_args()
    from numbered_videos import write_numbered  # of tests/helpers, which common puts on the path

    with tempfile.TemporaryDirectory() as scratch:
        frames = round(given.seconds * FPS)
        videos = given.videos or [write_numbered(Path(scratch, f"{name}.mp4"), frames, "libx264", size=SIZE) for name in "ab"]
        runs = {jobs: scored(videos, Path(scratch, f"out{jobs}"), jobs, given.threads) for jobs in (1, 2)}
    stages = [stage for stage, part in runs[1][1]["stages"].items() if part["seconds"]]
    table = pd.DataFrame(
        [{"stage": stage} | {f"share, {jobs} at a time": f"{run[1]['stages'][stage]['share']:.1%}" for jobs, run in runs.items()}
         for stage in stages]
    )  # fmt: skip
    notes = [
        f"{jobs} at a time: {timing['video_seconds']:.0f} s of video in {wall:.0f} s from the command to its end, "
        f"{timing['video_seconds'] / wall:.2f} times real time; {timing['times_real_time']:.2f} without starting Python and "
        "loading libraries."
        for jobs, (wall, timing) in runs.items()
    ]
    each = max(1, given.threads // 2)
    words = f"{each} torch thread{'s' * (each > 1)} each, {given.threads} for one alone"
    notes.append(f"Two videos at a time share the cores: {words}.")
    report("footage", "Own footage: from a video to events and a page", table, [*notes, machine()], keep=given.keep)
    return 0


def scored(videos: list[Path], out: Path, jobs: int, threads: int) -> tuple[float, dict]:
    """Wall seconds of the command, and its own account of them."""
    command = [sys.executable, "-m", "vad_lib.deployment", "score", *map(str, videos), "--out", str(out), "--jobs", str(jobs)]
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, threads // jobs))}
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, read_json(out / "stage_times.json")


if __name__ == "__main__":
    sys.exit(main())
