"""Live scoring of an hour of looped video: memory over time, lag, and what is dropped where the machine is too slow.

    python benchmarks/bench_live.py --minutes 60 --speed 15
    python benchmarks/bench_live.py --minutes 5 --speed 1

FFmpeg's libraries serve the video on the loopback address, from a process of their own, ``--speed`` times as fast as it plays.
With a model for full size (I3D, 224 pixels) a high speed makes most snippets be dropped; with one for small frames few. The
threshold is one that the scores of the video cross again and again, so that clips and pictures are written all the time.

Ends with an error if memory grows by more than 5 % after the first quarter, or a snippet is neither scored nor dropped.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import machine, parser, report
from numbered_videos import numbered
from real_clips import join_clips
from stream_servers import ffmpeg_loops, free_port, wait_until_listening

from vad_lib.data.video import probe
from vad_lib.data.video_writing import write_video
from vad_lib.deployment.live import score_live, shipped_model
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.deployment.model_choice import ModelChoice, choose_model
from vad_lib.storage.paths import PROJECT_ROOT

GROWTH = 1.05
CLIPS = PROJECT_ROOT.parent / "shared" / "real" / "clips"
SIZE = (240, 320)  # pixels, height and width


def memory() -> tuple[float, float]:
    """MB of this process now, and at most so far."""
    listing = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(listing[name].split()[0]) / 1000 for name in ("VmRSS", "VmHWM"))


def joined(target: Path, clips: list[Path]) -> Path:
    """The clips one after the other, 25 frames a second; numbered frames where there are none."""
    if clips:
        join_clips(target, clips, SIZE, 25.0)
    else:
        write_video(target, (numbered(index, *SIZE) for index in range(750)), 25.0)
    return target


def threshold_of(video: Path, model: ModelChoice, out: Path) -> float:
    """A score that the video crosses again and again."""
    settings = LiveSettings(pictures=False, waiting=10_000, speed=1000)
    score_live(str(video), model, out, threshold=1, settings=settings, say=lambda line: None)
    return float(pd.read_csv(out / "scores.csv")["score"].median())


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=60.0, help="of video")
    options.add_argument("--speed", type=float, default=15.0, help="as a multiple of the video's own")
    options.add_argument("--model", help="one that sees nothing later (default: the shipped one)")
    options.add_argument("--weights", default="", help="of the backbone, for a model trained on features of others")
    options.add_argument("--samples", type=int, default=12, help="rows of the table")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    model, rows, ended = choose_model(given.model or shipped_model(), weights=given.weights), [], threading.Event()
    wall = 60 * given.minutes / given.speed

    with tempfile.TemporaryDirectory() as scratch:
        video = joined(Path(scratch, "video.mp4"), sorted(CLIPS.glob("*.mp4")))
        info = probe(video)
        threshold = threshold_of(video, model, Path(scratch, "once"))
        out, address = Path(scratch, "out"), f"tcp://127.0.0.1:{free_port()}"
        began = time.monotonic()

        def sample(line: str) -> None:
            if "the stream is lost" in line:  # all is sent
                ended.set()
            elif " | " in line:
                (now, most), (place, snippets, lag, _) = memory(), line.split(" | ")
                minute = (time.monotonic() - began) / 60
                rows.append(
                    {
                        "wall minute": minute,
                        "RSS MB": now,
                        "peak RSS MB": most,
                        "video time": place.split()[0],
                        "snippets": snippets,
                        "lag since the last row": lag.removeprefix("lag "),
                    }
                )

        with ffmpeg_loops(f"{address}?listen=1", video, 60 * given.minutes, given.speed):
            wait_until_listening(int(address.rpartition(":")[2]))
            summary = score_live(
                address,
                model,
                out,
                threshold=threshold,
                lower_share=1,
                shortest=0,
                gap=0,
                stop=ended,
                settings=LiveSettings(report_seconds=wall / given.samples),
                say=sample,
            )
        scores, gaps, events = (pd.read_csv(out / f"{name}.csv") for name in ("scores", "gaps", "events"))
        clips = sum(path.stat().st_size for path in (out / "clips").glob("*"))

    table = pd.DataFrame(rows)
    lags = np.quantile(scores["lag_seconds"], [0.5, 0.95, 0.99])
    settled = table["RSS MB"][len(table) // 4]
    grown = table["RSS MB"].max() / settled
    complete = int(gaps["dropped_snippets"].sum()) + len(scores)
    notes = [
        f"{summary['model']}; {info.width} x {info.height} pixels, {info.duration:.0f} s of video over and over, "
        f"{summary['seconds'] / 60:.1f} minutes of it at {given.speed:g} times its speed.",
        f"{summary['snippets']:,} snippets scored, {summary['dropped_snippets']:,} dropped; {len(events):,} events, "
        f"{clips / 1e6:.1f} MB of clips.",
        f"Lag: median {lags[0]:.3f} s, 95 % {lags[1]:.3f} s, 99 % {lags[2]:.3f} s, largest {scores['lag_seconds'].max():.3f} s.",
        f"Memory after the first quarter {settled:.0f} MB, later at most {grown - 1:+.1%}.",
        machine(),
    ]
    report("live", "Live scoring", table, notes, keep=given.keep)
    left = 2 * LiveSettings().waiting  # wait at the end, or are half read
    promises = {"memory": grown <= GROWTH, "counts": complete + left >= summary["frames"] // 16}
    failed = [name for name, kept in promises.items() if not kept]
    if failed:
        print(f"not as promised: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
