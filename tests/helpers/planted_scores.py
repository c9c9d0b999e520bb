"""Scores with a known ground truth, for the doctor: a small set of made-up videos, or the test videos of a public set."""

from pathlib import Path

import numpy as np

from vad_lib.data.annotations import VideoRecord, ground_truth_mask
from vad_lib.doctor.case import Case, is_abnormal

NAMES = ("Normal", "Fire", "Flood", "Theft")


def made_scores(videos, snippets, rng, rule="frames", crops=1) -> dict[str, np.ndarray]:
    """Scores of snippets (crops, T), higher where a snippet is abnormal, rounded so that many are equal."""
    found = {}
    for video, count in zip(videos, snippets):
        mask = ground_truth_mask(video.intervals, video.num_frames, count, rule)
        share = np.add.reduceat(mask.astype(float), np.arange(0, len(mask), 16))[:count] / 16
        value = rng.normal(0, 0.9, (crops, count)) + 1.6 * share + 0.5 * is_abnormal(video) + rng.normal(0, 0.4) - 0.8
        found[video.name] = (64 / (1 + np.exp(-value))).round() / 64  # means over 2, 4, 8 crops are exact
    return found


def small_case(seed: int = 0, crops: int = 1) -> Case:
    """Eighteen videos of 3 to 12 snippets, a third of them normal; with a second annotation and a file of frame labels."""
    rng, videos, lengths = np.random.default_rng(seed), [], []
    for place in range(18):
        frames = int(rng.integers(40, 190))
        category = NAMES[place % 4] if place % 3 else NAMES[0]
        intervals: tuple[tuple[int, int], ...] = ()
        if category != "Normal":
            start = int(rng.integers(0, frames // 2))
            intervals = ((start, start + int(rng.integers(10, frames // 2))),)
        events = tuple((category, start, end - 3) for start, end in intervals)
        videos.append(VideoRecord(f"v{place:02d}", "test", (category,), frames, intervals, events))
        lengths.append(-(-frames // 16))
    scores = made_scores(videos, lengths, rng, crops=crops)
    masks = tuple(ground_truth_mask([(s + 5, e + 2) for s, e in v.intervals], v.num_frames) for v in videos)
    return Case(tuple(videos), tuple(scores[v.name] for v in videos), "snippet", "frames", None, "auc", masks)


def public_scores(truth, rule: str, seed: int = 0, crops: int = 1) -> dict[str, np.ndarray]:
    """Scores of the test videos of a public set, as many per video as its features have under a mask rule."""
    known = truth.known
    snippets = [known.expected_snippets(rule, video.name, video.num_frames) for video in truth.videos]
    return made_scores(truth.videos, snippets, np.random.default_rng(seed), rule, crops)


def saved(folder: Path, scores: dict[str, np.ndarray]) -> Path:
    """The scores as an ``.npz`` of one array per video."""
    path = folder / "scores.npz"
    np.savez(path, **scores)
    return path
