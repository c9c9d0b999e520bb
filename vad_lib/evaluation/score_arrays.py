"""Arrays of a run's test scores -> :class:`~vad_lib.evaluation.scored_videos.ScoredVideos`, checked to fit each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET, SELECTIONS
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import event_matching, scoring
from vad_lib.evaluation.scored_videos import FineGrained, ScoredVideos
from vad_lib.storage.reading import damaged_as_data_error


def scored_records(
    scores: Mapping[str, Mapping[str, np.ndarray]], dataset: Dataset, records: Sequence[VideoRecord], title: str, seed: int = 0
) -> ScoredVideos:
    """Scores of annotated videos in the form that intervals and alarm statistics take.

    Args:
        scores: video -> ``score``, one per snippet, float (T,), in [0, 1].
        dataset: that the videos belong to; features are not needed.
        records: the videos, in the order of the result.
        title: of what scored them.
        seed: of its run.

    Raises:
        DataError: scores and frames do not fit each other.
    """
    arrays = described_videos(scores, dataset, records)
    arrays["score"] = np.concatenate([scores[record.name]["score"] for record in records])
    return scored_videos_of(arrays, {"title": title, "seed": seed, "dataset_info": {"tail": dataset.info.tail}})


def described_videos(
    scores: Mapping[str, Mapping[str, np.ndarray]], dataset: Dataset, records: Sequence[VideoRecord]
) -> dict[str, np.ndarray]:
    """What is known of scored videos beside their scores: the arrays of :func:`scored_videos_of` up to ``labels``.

    Args:
        scores: video -> ``score``, one per snippet, float (T,).
        dataset: that the videos belong to; features are not needed.
        records: the videos, V of them, in the order of the result.

    Returns:
        ``videos`` and ``video_categories`` (joined by ``;``), text (V,); ``categories``, text (K,); ``num_snippets`` and
        ``num_frames``, int64 (V,); ``labels`` of all frames, one video after the other.
    """
    return {
        "videos": np.array([record.name for record in records]),
        "categories": np.array(dataset.categories),
        "video_categories": np.array([";".join(record.categories) for record in records]),
        "num_snippets": np.array([len(scores[record.name]["score"]) for record in records], dtype=np.int64),
        "num_frames": np.array([record.num_frames for record in records], dtype=np.int64),
        "labels": np.concatenate([record.frame_labels() for record in records]),
    }


def scored_videos_of(
    arrays: Mapping[str, np.ndarray], config: Mapping[str, Any], selection: str | None = None, name: str = "scores"
) -> ScoredVideos:
    """Test scores of a run in pieces, from what the run keeps.

    Args:
        arrays: test videos one after the other: ``videos``, ``video_categories`` (joined by ``;``), ``num_snippets`` and
            ``num_frames`` (V,), ``labels`` of frames, ``score`` and ``score_SELECTION`` of snippets, ``categories``; where the
            method has them ``crop_scores`` and the arrays of :func:`vad_lib.evaluation.fine_grained.fine_grained_arrays`.
        config: settings of the run; ``title``, ``seed`` and ``dataset_info`` are used.
        selection: ``last``, ``best_on_validation`` or ``best_on_test``; None for the one that the run uses.
        name: of the run, for messages.

    Raises:
        ConfigError: unknown selection.
        DataError: an array is missing, or scores and frames do not fit each other.
    """
    if selection not in (None, *SELECTIONS):
        raise ConfigError(f"selection: expected {', '.join(SELECTIONS)}, got {selection!r}.")
    key = f"score_{selection}" if selection else "score"
    needed = ("videos", "categories", "video_categories", "num_snippets", "num_frames", "labels", key)
    if missing := [each for each in needed if each not in arrays]:
        raise DataError(f"{name}: array {', '.join(missing)} is missing; run the training of this variant again.")
    with damaged_as_data_error(name, "a finished run"):
        videos, score = tuple(arrays["videos"].tolist()), arrays[key]
        lengths = _piece_lengths(arrays, videos, config.get("dataset_info", {}).get("tail", "exact"))
        if len(score) != len(lengths):
            raise DataError(
                f"{name}: expected {len(lengths):,} scores and {lengths.sum():,} labels, got {len(score):,} and "
                f"{len(arrays['labels']):,}; run the training of this variant again."
            )
        abnormal = np.add.reduceat(arrays["labels"].astype(np.int64), np.cumsum(lengths) - lengths)
        normal_category = str(arrays["categories"][0])
        return ScoredVideos(
            title=config["title"],
            seed=config["seed"],
            videos=videos,
            abnormal_video=np.array([normal_category not in text.split(";") for text in arrays["video_categories"].tolist()]),
            video=np.repeat(np.arange(len(videos)), arrays["num_snippets"]),
            score=score,
            abnormal=abnormal,
            normal=lengths - abnormal,
            events=events_of(arrays["labels"], arrays["num_frames"]),
            fine_grained=None if selection else _fine_grained(arrays),
            crop_scores=None if selection else _crop_scores(arrays),
        )


def _piece_lengths(arrays: Mapping[str, np.ndarray], videos: tuple[str, ...], tail: scoring.Tail) -> np.ndarray:
    """Frames that each snippet score stands for, int64 (P,).

    Raises:
        ValueError: frames and labels do not fit each other.
        DataError: a video's snippets and frames do not.
    """
    num_frames = arrays["num_frames"]
    # before memory is taken for as many frames as somebody wrote down
    if min(num_frames) < 1 or sum(num_frames.tolist()) != len(arrays["labels"]):
        raise ValueError(f"{len(arrays['labels']):,} labels of {sum(num_frames.tolist()):,} frames")
    return np.concatenate(
        [
            scoring.snippet_frames(int(snippets), int(length), FRAMES_PER_SNIPPET, video, tail)
            for video, snippets, length in zip(videos, arrays["num_snippets"], num_frames, strict=True)
        ]
    )


def events_of(labels: np.ndarray, num_frames: np.ndarray) -> np.ndarray:
    """Runs of abnormal frames within each video.

    Args:
        labels: (F,), 1 abnormal, of videos one after the other.
        num_frames: int (V,), of each video.

    Returns:
        int64 (E, 3): place of the video, first abnormal frame in it, and the frame after the last.

    Example: the last frame of one video and the first of the next are two events.
        >>> events_of(np.array([0, 1, 1, 0]), np.array([2, 2])).tolist()
        [[0, 1, 2], [1, 0, 1]]
    """
    first = np.cumsum(num_frames) - num_frames
    before, after = np.append(0, labels[:-1]), np.append(labels[1:], 0)
    before[first] = 0
    after[first[1:] - 1] = 0
    starts, ends = np.flatnonzero((labels == 1) & (before == 0)), np.flatnonzero((labels == 1) & (after == 0)) + 1
    video = np.searchsorted(first, starts, side="right") - 1
    return np.stack([video, starts - first[video], ends - first[video]], axis=1).astype(np.int64)


def _crop_scores(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Scores of single crops, (N, P); None where they are not.

    Raises:
        ValueError: they do not fit the scores.
    """
    if "crop_scores" not in arrays:
        return None
    found, pieces = arrays["crop_scores"], len(arrays["score"])
    if found.ndim != 2 or found.shape[1] != pieces or len(found) < 2 or found.dtype.kind != "f":
        raise ValueError(f"crop_scores: floats (crops, {pieces}) of two crops or more expected, {found.dtype} {found.shape} found")
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("crop_scores: a score that is not in [0, 1]")
    return found


def _fine_grained(arrays: Mapping[str, np.ndarray]) -> FineGrained | None:
    """The arrays of :func:`vad_lib.evaluation.fine_grained.fine_grained_arrays`, None where there are none.

    Raises:
        ValueError: they do not fit each other.
    """
    fields = {name: f"detection_{name}" for name in event_matching.Matched._fields}
    if not {"category_named", "abnormal_category_named", *fields.values()} & {*arrays}:
        return None
    videos, categories = len(arrays["videos"]), len(arrays["categories"])
    named, abnormal_named = arrays["category_named"], arrays["abnormal_category_named"]
    expected: dict[str, tuple[tuple[int, ...], str]] = dict.fromkeys(
        ("category_named", "abnormal_category_named"), ((videos,), "b")
    )
    matched = None
    if {*fields.values()} & {*arrays}:
        matched = event_matching.Matched(**{name: arrays[key] for name, key in fields.items()})
        segments = len(matched.video)
        per_segment, hits = (segments,), (segments, len(event_matching.IOUS))
        shapes: tuple[tuple[int, ...], ...] = (per_segment, per_segment, per_segment, hits, (videos, categories), (videos,))
        expected |= dict(zip(fields.values(), zip(shapes, "iifbib")))
    for name, (shape, kind) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind != kind:
            raise ValueError(
                f"{name}: shape {shape} and kind {kind!r} expected, {arrays[name].shape}, {arrays[name].dtype.kind!r} found"
            )
    if matched and not (
        np.isin(matched.video, np.arange(videos)).all()
        and np.isin(matched.category, np.arange(categories)).all()
        and np.isfinite(matched.score).all()
        and (matched.events >= 0).all()
    ):
        raise ValueError("segments of videos or categories that the run has not, or without a finite score")
    return FineGrained(named, abnormal_named, matched)
