"""What is measured of a shipped model and must be known of it, as numbers (``NAME.json``) and as a page (``NAME.md``).

All numbers of test videos are those of the weights as shipped, in half precision.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.deployment.scoring_model import ScoringModel
from vad_lib.evaluation import alarms
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, all_draws
from vad_lib.evaluation.intervals import interval_of_values, interval_over_videos
from vad_lib.evaluation.operating import recall_on_draws
from vad_lib.evaluation.score_arrays import scored_records
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.methods.base import Method
from vad_lib.runs.measure import fine_grained_metrics
from vad_lib.storage.provenance import instructions, processor, versions

RATE = 0.01  # of normal frames that are called abnormal

Scores = dict[str, dict[str, np.ndarray]]  # video -> kind -> (T,) or (T, K)


class Measured(NamedTuple):
    """A number with the ends of its 95 % interval over the test videos; fractions."""

    value: float
    low: float
    high: float


def scores_of(model: ScoringModel, dataset: Dataset, records: Sequence[VideoRecord]) -> Scores:
    """Score videos of a data set with an opened model.

    Args:
        model: takes such features.
        dataset: with features.
        records: the videos.

    Returns:
        per video the arrays of :meth:`ScoringModel.scores`.
    """
    return {record.name: model.scores(np.moveaxis(dataset.store.snippets(record.name), 0, 1)) for record in records}


def recall_at(scored: ScoredVideos, rate: float = RATE, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Measured:
    """Share of the abnormal frames that are found where at most a given share of the normal frames is called abnormal.

    The threshold is set on the frames that it is judged on, and anew for every draw of the videos, so this is an upper bound.

    Args:
        scored: test scores.
        rate: fraction of the normal frames, those of abnormal videos included.
        bootstrap: how the test videos are drawn; ends of the interval are BCa's, or 0 and 1 with fewer than four videos
            of a class.
    """
    draws = all_draws(scored, bootstrap)
    found = interval_of_values(recall_on_draws(scored, draws.counts, rate)[None], draws, "recall", (scored.seed,))
    return Measured(found.mean, max(found.low, 0.0), min(found.high, 1.0))


def measured(scored: ScoredVideos, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> dict[str, Any]:
    """AUC, AP and recall at 1 % false alarms on test videos, with 95 % intervals over the videos.

    Args:
        scored: test scores.
        bootstrap: how the test videos are drawn.

    Returns:
        plain numbers: ``auc``, ``ap`` and ``recall_at_1_percent``, each with ``value``, ``low`` and ``high``; ``videos``,
        ``abnormal_videos``, ``frames`` and ``abnormal_share``, which is what AP is by chance.
    """
    frames = scored.abnormal.sum() + scored.normal.sum()
    found: dict[str, Any] = {}
    for metric in ("auc", "ap"):
        of_videos = interval_over_videos([scored], metric, bootstrap)
        found[metric] = Measured(of_videos.mean, of_videos.low, of_videos.high)._asdict()
    return found | {
        "recall_at_1_percent": recall_at(scored, RATE, bootstrap)._asdict(),
        "videos": len(scored.videos),
        "abnormal_videos": int(scored.abnormal_video.sum()),
        "frames": int(frames),
        "abnormal_share": float(scored.abnormal.sum() / frames),
    }


def threshold_of(model: ScoringModel, dataset: Dataset) -> float:
    """The lowest score that at most 1 % of the frames of normal training videos reach.

    The model has learned from these videos, so more frames of new normal footage will reach it.

    Args:
        model: trained on the data set.
        dataset: with features.

    Returns:
        the score; the next number above all scores where even the highest is too common.
    """
    normal = [record for record in dataset.videos.split("train") if not dataset.videos.is_abnormal(record)]
    scored = scored_records(scores_of(model, dataset, normal), dataset, normal, model.title)
    return min(alarms.threshold_at(scored, RATE), float(np.nextafter(scored.score.max(), np.float32(2))))


def events_found(scored: ScoredVideos, fps: float, rate: float = 0.05) -> float:
    """Share of the events of which a frame reaches the lowest score that at most a given share of the normal frames reaches.

    Args:
        scored: with events.
        fps: frames per second.
        rate: fraction of the normal frames.
    """
    found = alarms.detection_delays(scored, alarms.threshold_at(scored, rate), fps)
    return 1 - found.missed / len(found.events)


def at_threshold(scored: ScoredVideos, threshold: float, fps: float) -> dict[str, Any]:
    """What a fixed threshold does on test videos: plain numbers, shares as fractions."""
    alarm, delays = scored.score >= threshold, alarms.detection_delays(scored, threshold, fps)
    return {
        "threshold": threshold,
        "recall": float(scored.abnormal[alarm].sum() / scored.abnormal.sum()),
        "false_alarm_rate": float(scored.normal[alarm].sum() / scored.normal.sum()),
        "false_alarms_per_hour": alarms.false_alarms_per_hour(scored, threshold, fps),
        "events": len(delays.events),
        "missed": delays.missed,
    }


def largest_differences(first: Scores, second: Scores) -> dict[str, float]:
    """Largest difference of each array over all videos."""
    kinds = next(iter(first.values()))
    return {kind: max(float(np.abs(first[video][kind] - second[video][kind]).max()) for video in first) for kind in kinds}


def measured_model(
    half: Method, full: Method, config: Mapping[str, Any], dataset: Dataset, parts: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure a trained model as it will be shipped, on the test videos.

    Args:
        half: with its weights rounded to half precision.
        full: with its weights as trained.
        config: settings of its run.
        dataset: that it was trained on.
        parts: beginnings of the names of test videos that are measured apart too.

    Returns:
        plain numbers for ``NAME.json``; the suggested threshold is one of ``at_threshold``.
    """
    model, before = (ScoringModel(method, config, str(config["title"])) for method in (half, full))
    records, threshold = dataset.videos.split("test"), threshold_of(model, dataset)
    scores = scores_of(model, dataset, records)
    scored = scored_records(scores, dataset, records, model.title, config["seed"])
    numbers = {
        "test": measured(scored),
        "at_threshold": at_threshold(scored, threshold, dataset.fps),
        "half_precision": largest_differences(scores, scores_of(before, dataset, records)),
    }
    if parts:
        chosen = {part: np.array([name.startswith(part) for name in scored.videos]) for part in parts}
        numbers["parts"] = {part: measured(scored.of_videos(which)) for part, which in chosen.items()}
    if model.temperature is not None and len(model.categories) > 2:
        maps = {name: arrays["alignment"] for name, arrays in scores.items()}
        fine = fine_grained_metrics(dataset, maps, model.temperature)
        numbers["category_accuracy_abnormal_videos"] = fine["category_accuracy_abnormal_videos"]
    return numbers


def choice(runs: pd.DataFrame, candidate: str) -> dict[str, Any]:
    """What was chosen and from what.

    Args:
        runs: a row per run: ``candidate``, ``fold``, ``parameters``, and ``events``, ``auc`` and ``bce`` on held-out videos.
        candidate: the chosen one.

    Returns:
        plain values: ``candidate``; ``candidates``, a row each, the best first: means over folds, and ``NAME_sd``, the standard
        deviation.
    """
    columns = ["events", "auc", "bce"]
    by = runs.groupby("candidate")
    table = by[["parameters"]].first().join(by[columns].mean()).join(by[columns].std(ddof=1).add_suffix("_sd")).reset_index()
    table = table.sort_values("events", ascending=False, kind="stable")
    return {
        "candidate": candidate,
        "candidates": [{str(key): value for key, value in row.items()} for row in table.to_dict("records")],
    }


def made_with() -> dict[str, Any]:
    """Versions and processor that decide the bytes of the weights."""
    return {"versions": versions(), "processor": processor(), "instructions": instructions(), "threads": 1}
