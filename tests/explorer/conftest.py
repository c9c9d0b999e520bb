"""A small folder as the explorer shows it: two data sets, videos of numbered frames, scores that are drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
from numbered_videos import numbered

from vad_lib.data.video_writing import write_video

SNIPPET, FPS = 16, 25.0


def write_folder(folder: Path) -> Path:
    """``first`` has methods with one branch and with both, ``second`` has one method; the last snippet has four frames."""
    rng = np.random.default_rng(3)
    for name, categories, methods in (
        ("first", ("Normal", "Fire", "Crash & run"), ("plain", "both")),
        ("second", ("Normal", "Fight"), ("both",)),
    ):
        videos = []
        for category in categories[1:]:
            for i, abnormal in enumerate((True, False)):
                frames = 100 if abnormal else 84
                title = f"test_{category.split()[0]}_{i:03d}"
                events = [{"start": 30 + i, "end": 61, "category": category}] if abnormal else []
                videos.append({"name": title, "category": category, "abnormal": abnormal, "frames": frames, "events": events})
                (folder / name).mkdir(parents=True, exist_ok=True)
                write_video(folder / name / f"{title}.mp4", (numbered(n, 96, 128) for n in range(frames)), FPS)
        data = {"name": name, "title": name.title(), "profile": "smoke", "fps": FPS, "frames_per_snippet": SNIPPET}
        data |= {"categories": categories, "videos": videos, "methods": [_method(rng, m, videos, len(categories)) for m in methods]}
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


def _method(rng: np.random.Generator, name: str, videos: list[dict], categories: int) -> dict:
    runs = []
    for seed in (1, 2) if name == "plain" else (2, 3):
        curves, w = {}, None if name == "plain" else 0.3
        for video in videos:
            snippets = -(-video["frames"] // SNIPPET)
            visual, semantic = rng.uniform(0, 1, (2, snippets)).round(3)
            curves[video["name"]] = {"score": visual.tolist()}
            if w is not None:
                both = {"score": w * visual + (1 - w) * semantic, "visual": visual, "semantic": semantic}
                curves[video["name"]] = {curve: values.round(3).tolist() for curve, values in both.items()}
                curves[video["name"]]["alignment"] = rng.uniform(-0.5, 0.5, (snippets, categories)).round(2).tolist()
        runs.append({"seed": seed, "w": w, "videos": curves})
    return {"name": name, "title": f"Method {name}", "runs": runs}


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("explorer"))
