"""Frames of videos as one picture, a row per video: ``python scripts/contact_sheet.py VIDEO... --out sheet.png``."""

import argparse
from pathlib import Path

import cv2
import numpy as np


def contact_sheet(videos: list[Path], columns: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """uint8 (height, width, 3) BGR: ``columns`` frames of every video, evenly spaced between two frames."""
    rows = []
    for path in videos:
        reader = cv2.VideoCapture(str(path))
        frames = []
        while (read := reader.read())[0]:
            frames.append(read[1])
        reader.release()
        if not frames[start:stop]:
            raise SystemExit(f"{path}: expected a video with frames after frame {start}, found {len(frames)} frames.")
        chosen = np.linspace(start, min(stop or len(frames), len(frames)) - 1, columns).round().astype(int)
        rows.append(np.hstack([cv2.copyMakeBorder(frames[i], 1, 1, 1, 1, cv2.BORDER_CONSTANT) for i in chosen]))
        cv2.putText(rows[-1], f"{path.stem}  {chosen[0]}..{chosen[-1]}", (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
    width = max(row.shape[1] for row in rows)
    return np.vstack([cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT) for row in rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--start", type=int, default=0, help="first frame")
    parser.add_argument("--stop", type=int, default=None, help="frame after the last one")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    cv2.imwrite(str(options.out), contact_sheet(options.videos, options.columns, options.start, options.stop))
