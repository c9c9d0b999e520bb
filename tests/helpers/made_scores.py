"""Test scores of runs that never were, random or given by hand."""

from dataclasses import replace

import numpy as np

from vad_lib.evaluation import score_arrays, scored_videos


def made(
    seed: int = 0, *, videos: int = 12, decimals: int = 1, lift: float = 0.4, title: str = "Row"
) -> scored_videos.ScoredVideos:
    """Random test scores with many ties; labels are the same for every seed, every third video is normal."""
    shared, rng = np.random.default_rng(7), np.random.default_rng([seed, 1])
    lengths = shared.integers(3, 9, videos)
    video = np.repeat(np.arange(videos), lengths)
    frames = shared.integers(1, 17, len(video))
    abnormal = np.where(video % 3 == 0, 0, shared.integers(0, frames + 1))
    labels = np.concatenate([np.repeat([1, 0], [a, f - a]) for a, f in zip(abnormal, frames)])
    score = np.clip(rng.random(len(video)) * 0.6 + lift * abnormal / frames, 0, 1).round(decimals)
    return scored_videos.ScoredVideos(
        title=title,
        seed=seed,
        videos=tuple(f"v{i:02d}" for i in range(videos)),
        abnormal_video=np.arange(videos) % 3 != 0,
        video=video,
        score=score,
        abnormal=abnormal,
        normal=frames - abnormal,
        events=score_arrays.events_of(labels, np.bincount(video, frames).astype(int)),
    )


def one_video(score, abnormal, normal, events, videos=1, video=None) -> scored_videos.ScoredVideos:
    """Pieces given by hand, all in one video unless ``video`` says otherwise."""
    video = np.zeros(len(score), dtype=int) if video is None else np.array(video)
    has_event = np.isin(np.arange(videos), [event[0] for event in events])
    names = tuple(f"v{i}" for i in range(videos))
    arrays = [np.array(part) for part in (score, abnormal, normal)]
    return scored_videos.ScoredVideos("Row", 0, names, has_event, video, *arrays, np.array(events, dtype=int).reshape(-1, 3))


def planted(values: np.ndarray) -> list[scored_videos.ScoredVideos]:
    """Runs whose AUC is the mean of ``values`` (S, V) over abnormal videos: each outscores this part of the normal frames.

    The four normal videos are alike, so that drawing them adds nothing to an interval.
    """
    steps = 200
    normal = np.tile((np.arange(steps) + 0.5) / steps, 4)
    abnormal_videos = np.arange(4, values.shape[1] + 4)
    video = np.concatenate([np.repeat(np.arange(4), steps), abnormal_videos])
    events, of_normal = [(v, 0, 16) for v in abnormal_videos], video < 4
    scores = [np.concatenate([normal, row]) for row in values]
    runs = one_video(scores[0], 16 * ~of_normal, 16 * of_normal, events, values.shape[1] + 4, video)
    return [replace(runs, seed=s, score=score) for s, score in enumerate(scores)]


def expanded(scored: scored_videos.ScoredVideos, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of every frame of the drawn videos."""
    labels, scores = [], []
    for place, times in enumerate(counts):
        for _ in range(int(times)):
            mine = scored.video == place
            for score, abnormal, normal in zip(scored.score[mine], scored.abnormal[mine], scored.normal[mine]):
                labels += [1] * int(abnormal) + [0] * int(normal)
                scores += [score] * int(abnormal + normal)
    return np.array(labels), np.array(scores)
