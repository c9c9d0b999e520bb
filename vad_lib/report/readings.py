"""Figures in numbers: which events a threshold finds, how late, what it finds beside them; which category the map names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vad_lib.errors import ConfigError, DataError
from vad_lib.report.figures.run_scores import RunScores
from vad_lib.report.figures.score_curves import abnormal_snippets
from vad_lib.report.figures.strips import figure_videos


def read_video(scores: RunScores, video: str, fps: float, threshold: float = 0.5) -> dict[str, Any]:
    """What a threshold does on one abnormal test video.

    Args:
        scores: of a run.
        video: name of a video with abnormal frames.
        fps: frames per second.
        threshold: of the alarm, in (0, 1); frames that reach it are alarms, as in the false alarm rate (equation 15).

    Returns:
        ``video``; ``event seconds``; ``found %`` of the abnormal frames; ``delay seconds`` from the first abnormal frame to the
        first alarm among abnormal frames, NaN without one; ``false alarm seconds`` among the normal frames; ``reading``:
        ``hit`` if half of the abnormal frames are alarms, ``partly found`` if fewer are, ``missed`` if none is.

    Raises:
        ConfigError: a threshold outside (0, 1), or a video without abnormal frames.
    """
    if not 0 < threshold < 1:
        raise ConfigError(f"threshold: expected a number between 0 and 1, got {threshold}.")
    labels, frames = scores.frames(video)
    if not labels.any():
        raise ConfigError(f"{video}: expected abnormal frames, found none; choose an abnormal test video.")
    alarms = frames >= threshold
    found = float(alarms[labels == 1].mean())
    hits = np.flatnonzero(alarms & (labels == 1))
    return {
        "video": video,
        "event seconds": labels.sum() / fps,
        "found %": 100 * found,
        "delay seconds": (hits[0] - np.flatnonzero(labels)[0]) / fps if len(hits) else float("nan"),
        "false alarm seconds": (alarms & (labels == 0)).sum() / fps,
        "reading": "hit" if found >= 0.5 else "partly found" if found > 0 else "missed",
    }


def read_panels(scores: RunScores, categories: Sequence[str], fps: float) -> pd.DataFrame:
    """The panels of a score figure in numbers, beside what the same threshold, 0.5, does on all test videos of their category.

    Args:
        scores: of the run that the figure shows.
        categories: of its panels.
        fps: see :func:`read_video`.

    Returns:
        one row per panel: :func:`read_video` of the video shown, and ``hits in the category``, such as ``30 of 36``.
    """
    chosen = figure_videos([(v.name, v.categories) for v in scores.videos.values()], categories)
    rows = []
    for category, shown in chosen.items():
        theirs = [v.name for v in scores.videos.values() if category in v.categories and v.labels.any()]
        hits = sum(read_video(scores, name, fps)["reading"] == "hit" for name in theirs)
        row = {"category": category, **read_video(scores, shown, fps)}
        rows.append({**row, "hits in the category": f"{hits} of {len(theirs)}"})
    return pd.DataFrame(rows)


def read_alignment(scores: RunScores) -> pd.DataFrame:
    """The alignment map in numbers: does the row of the true category stand out while something abnormal happens?

    A snippet is abnormal if one of its frames is, as in the figure of the map. Means are over the snippets of all test videos of a
    category that have abnormal and normal snippets; a video of several categories counts for each.

    Args:
        scores: of a run whose method has an alignment map.

    Returns:
        one row per abnormal category with such videos: ``category``; ``videos``, their number; the mean cosine with the
        category's own text ``in the event`` and ``in normal time`` of the same videos; ``other categories, in the event``, the
        mean cosine with all other abnormal categories; and ``own row highest %``, of the abnormal snippets, among the rows of
        all abnormal categories.

    Raises:
        DataError: the method has no alignment map.
    """
    rows = []
    for column, category in list(enumerate(scores.categories))[1:]:
        in_event, in_normal = [], []
        for video in scores.videos.values():
            if category not in video.categories:
                continue
            if video.alignment is None:
                raise DataError(f"{scores.title} has no alignment map; only methods with an alignment branch have one.")
            abnormal = abnormal_snippets(video)
            if abnormal.any() and not abnormal.all():
                in_event.append(video.alignment[abnormal])
                in_normal.append(video.alignment[~abnormal])
        if not in_event:
            continue
        event, calm = np.concatenate(in_event), np.concatenate(in_normal)
        others = np.delete(event[:, 1:], column - 1, axis=1)
        rows.append(
            {
                "category": category,
                "videos": len(in_event),
                "in the event": event[:, column].mean(),
                "in normal time": calm[:, column].mean(),
                "other categories, in the event": others.mean() if others.size else float("nan"),
                "own row highest %": 100 * (event[:, 1:].argmax(axis=1) == column - 1).mean(),
            }
        )
    return pd.DataFrame(rows)
