"""What a report page is made of, for a video with frames at uneven times."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numbered_videos import numbered

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.video import probe
from vad_lib.data.video_writing import write_video
from vad_lib.deployment.events import EventRule, find_events

CATEGORIES = ("Normal", "Fighting", "Car accident")
FRAMES = 100


def numbered_video(path: Path) -> Path:
    """Frames that show their numbers; later ones are shown for longer, and there is a pause."""
    seconds = [0.04 * i + 0.0004 * i * i + (1.5 if i > 60 else 0) for i in range(FRAMES)]
    write_video(path, (numbered(i, 180, 320) for i in range(FRAMES)), 15, seconds=seconds)
    return path


def example(video: Path, seed: int = 0) -> dict[str, Any]:
    """Arguments of ``write_page``: scores as a model gives them, and the events of a rule."""
    info, rng = probe(video), np.random.default_rng(seed)
    snippets = -(-info.num_frames // FRAMES_PER_SNIPPET)
    of_frame = np.arange(info.num_frames) // FRAMES_PER_SNIPPET
    score = np.array([0.1, 0.7, 0.55, 0.2, 0.9, 0.3, 0.65], dtype=np.float32)[np.arange(snippets) % 7]
    alignment = rng.uniform(-0.2, 0.6, (snippets, len(CATEGORIES))).astype(np.float32)
    odds = np.exp(alignment.astype(np.float64) / 0.1)
    probabilities = (odds / odds.sum(axis=1, keepdims=True))[of_frame]
    frames = pd.DataFrame({"frame": range(info.num_frames), "seconds": info.seconds, "score": score[of_frame]})
    frames["visual"], frames["semantic"] = (rng.random(snippets)[of_frame] for _ in range(2))
    rule, end = EventRule(threshold=0.6, shortest=0.5, gap=0.5), float(info.seconds[-1]) + 1 / info.fps
    return {
        "title": video.name,
        "video": video,
        "info": info,
        "frames": frames,
        "events": find_events(frames, rule, end=end, categories=CATEGORIES, probabilities=probabilities),
        "rule": rule,
        "categories": CATEGORIES,
        "alignment": alignment,
        "model_title": "The small model",
        "probabilities": probabilities,
        "end": end,
        "threshold_note": "calibrated on normal footage",
    }
