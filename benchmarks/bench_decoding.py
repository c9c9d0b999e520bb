"""How fast videos are decoded beside OpenCV, whether the pixels are the same, and whether memory stays flat.

    python benchmarks/bench_decoding.py                       # a noisy drawn video of 640 x 360 in several codecs
    python benchmarks/bench_decoding.py --videos FILE ... --keep

Both decode with as many threads as they choose and hand out RGB arrays, which is what the library needs; OpenCV hands out BGR,
so that its frames are turned. Runs take turns.

Ends with an error if the library is slower than OpenCV by more than a tenth, if a pixel differs by more than 1 of 255, or if
the second half of a long video needs 32 MiB more than the first.
"""

import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from common import interleaved, machine, parser, report

from vad_lib.data.video import read_frames

CODECS = {
    "h264.mp4": ("libx264", {"preset": "veryfast"}),
    "mpeg4.avi": ("mpeg4", {}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "mjpeg.avi": ("mjpeg", {"pixel_format": "yuvj420p"}),
}
FRAMES, LONG, SIZE = 300, 3000, (360, 640)
SLOWER, LARGEST, GROWTH_MIB = 1.1, 1, 32.0


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--videos", nargs="*", type=Path, help="files of your own in place of the drawn ones")
    options.add_argument("--repeats", type=int, default=7)
    given = options.parse_args()
    from numbered_videos import write_numbered  # of tests/helpers, which common puts on the path

    with tempfile.TemporaryDirectory() as folder:
        made = {name: write_numbered(Path(folder) / name, FRAMES, codec, size=SIZE, **how) for name, (codec, how) in CODECS.items()}
        videos = {path.name: path for path in given.videos} if given.videos else made
        rows = [row(name, path, given.repeats) for name, path in videos.items()]
        growth = grown_mib(write_numbered(Path(folder) / "long.mp4", LONG, "libx264", preset="ultrafast"))
    table = pd.DataFrame(rows)
    notes = [
        machine(),
        f"Memory grew by {growth:.1f} MiB from the middle to the end of a video of {LONG:,} frames.",
        "ratio: seconds of OpenCV by seconds of the library; above 1 the library is faster.",
    ]
    report("decoding", "Decoding beside OpenCV", table, notes, keep=given.keep)
    failed = (table["ratio"] < 1 / SLOWER).any() or (table["largest difference"] > LARGEST).any() or growth > GROWTH_MIB
    return int(failed)


def row(name: str, path: Path, repeats: int) -> dict[str, object]:
    ours = lambda: count(read_frames(path))  # noqa: E731
    theirs = lambda: count(opencv_frames(path))  # noqa: E731
    times = interleaved({"library": ours, "OpenCV": theirs}, repeats)
    pairs = zip(read_frames(path), opencv_frames(path), strict=True)
    largest = max(int(np.abs(one.astype(int) - other).max()) for one, other in pairs)
    frames = ours()
    return {
        "video": name,
        "frames": frames,
        "library, frames/s": frames / times["library"],
        "OpenCV, frames/s": frames / times["OpenCV"],
        "ratio": times["OpenCV"] / times["library"],
        "largest difference": largest,
    }


def count(frames: Iterator[np.ndarray]) -> int:
    return sum(1 for _ in frames)


def opencv_frames(path: Path) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
    capture.release()


def grown_mib(path: Path) -> float:
    """Growth of the largest memory of this process, in MiB, from the middle of the video to its end."""
    middle = 0.0
    for number, _ in enumerate(read_frames(path)):
        if number == LONG // 2:
            middle = peak_mib()
    return peak_mib() - middle


def peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
