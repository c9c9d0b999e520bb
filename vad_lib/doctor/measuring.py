"""The number that a protocol gives on a case, step by step: scores -> smoothing -> frames -> counts at each score -> a number.

Legend: V videos, F frames (or snippets, where a snippet is the unit), G distinct scores, P scores of a video.
"""

import itertools
from typing import NamedTuple

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.doctor.case import Case, is_abnormal, list_order
from vad_lib.doctor.conventions import Protocol
from vad_lib.errors import ConfigError
from vad_lib.evaluation.scoring import interpolated, smoothed
from vad_lib.metrics import area_by_steps, area_by_trapezoids, area_under_roc, counts_by_rank, ranked_scores


class _Frames(NamedTuple):
    """Runs of frames that share video, label and score: label, score, number of frames, and place of the video."""

    label: np.ndarray
    score: np.ndarray
    length: np.ndarray
    video: np.ndarray


class Evaluator:
    """Numbers of one case under any protocol; what protocols share is computed once.

    Args:
        case: scores and ground truth.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self._labels: dict[tuple[object, ...], list[np.ndarray]] = {}
        self._scores: dict[tuple[object, ...], list[np.ndarray]] = {}
        self._values: dict[Protocol, float | None] = {}

    def value(self, protocol: Protocol) -> float | None:
        """The number under a protocol, a fraction; None where it is not defined, such as with frames of one class only."""
        if protocol not in self._values:
            self._values[protocol] = self._measured(protocol)
        return self._values[protocol]

    # --- frames -----------------------------------------------------------------------------------
    def _measured(self, protocol: Protocol) -> float | None:
        labels, scores = self.frames(protocol)
        if protocol.order != "own":
            labels, scores = self._crossed(labels, scores, protocol.order)
        if protocol.videos == "abnormal":
            kept = [place for place, video in enumerate(self.case.videos) if is_abnormal(video)]
            labels, scores = [labels[place] for place in kept], [scores[place] for place in kept]
        return _value(_runs(labels, scores), protocol)

    def frames(self, protocol: Protocol) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Labels and scores of the frames of every video, uint8 and float64 (L,) each, before videos are left out or crossed."""
        found = []
        for mask, changed in zip(self._masks(protocol), self._changed(protocol)):
            scores = _frame_scores(changed, len(mask), self.case.per, protocol.expansion)
            if protocol.expansion in ("any frame", "most frames"):
                mask, scores = _by_snippet(mask, scores, protocol.expansion)
            if protocol.tail == "dropped":
                unit = 1 if protocol.expansion in ("any frame", "most frames") else FRAMES_PER_SNIPPET
                end = max(unit, (len(mask) - 1) // unit * unit)
                mask, scores = mask[:end], scores[:end]
            found.append((mask, scores))
        return [mask for mask, _ in found], [scores for _, scores in found]

    def _masks(self, protocol: Protocol) -> list[np.ndarray]:
        key = protocol.rule, protocol.ends, protocol.marked, protocol.annotation
        if key not in self._labels:
            rule, ends, marked, annotation = key
            if rule == "file":
                masks = list(self.case.masks or ())
            else:
                by_category = annotation == "by category"
                places = range(len(self.case.videos))
                masks = [self.case.mask(place, rule, ends, by_category) for place in places]  # type: ignore[arg-type]
            if marked:
                kept = set(self.case.abnormal_categories[:marked])
                masks = [
                    mask if kept & set(video.categories) else np.zeros_like(mask) for mask, video in zip(masks, self.case.videos)
                ]
            self._labels[key] = masks
        return self._labels[key]

    def _changed(self, protocol: Protocol) -> list[np.ndarray]:
        """Scores of every video after crops, shift, smoothing and scaling; where one of them alone is changed, they are kept."""
        key = protocol.crops, protocol.shift, protocol.smoothing, protocol.scaling
        if key in self._scores:
            return self._scores[key]
        found = [_changed(scores, protocol, FRAMES_PER_SNIPPET if self.case.per == "frame" else 1) for scores in self.case.scores]
        if sum(one != other for one, other in zip(key, ("mean", 0, "none", "none"))) < 2:
            self._scores[key] = found
        return found

    def _crossed(self, labels: list[np.ndarray], scores: list[np.ndarray], order: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Scores in one order of the videos, cut anew where the masks in another order end; masks as they are."""
        listed = list_order(self.case.videos, self.case.known)
        if listed is None:
            return labels, scores
        own = np.arange(len(labels))
        of_scores, of_masks = (own, listed) if order == "masks by list" else (listed, own)
        laid = np.concatenate([scores[place] for place in of_scores])
        parts = np.split(laid, np.cumsum([len(labels[place]) for place in of_masks])[:-1])
        return labels, [parts[place] for place in np.argsort(of_masks)]


def _changed(scores: np.ndarray, protocol: Protocol, each: int) -> np.ndarray:
    """Scores (N, P) of a video, ``each`` of them for a snippet, after crops, shift, smoothing and scaling, float64 (P,)."""
    if protocol.crops == "mean":
        found = scores.mean(axis=0)
    elif protocol.crops == "maximum":
        found = scores.max(axis=0)
    else:
        found = scores[int(protocol.crops)]
    if protocol.shift:
        places = np.clip(np.arange(len(found)) - each * protocol.shift, 0, len(found) - 1)
        found = found[places]
    if protocol.smoothing != "none":
        kind, _, snippets = protocol.smoothing.partition(" ")
        window = each * int(snippets)
        if kind == "centred":  # window by window: a running sum leaves rests, which order scores that are equal
            padded = np.pad(found, (window // 2, (window - 1) // 2), mode="edge")
            found = np.lib.stride_tricks.sliding_window_view(padded, window).mean(axis=1)
        else:
            found = smoothed(found, kind, window)  # type: ignore[arg-type]
    if protocol.scaling == "per video":
        low, high = found.min(), found.max()
        found = (found - low) / (high - low) if high > low else np.zeros_like(found)
    return found


def _frame_scores(scores: np.ndarray, length: int, per: str, expansion: str) -> np.ndarray:
    """Scores of the frames of a mask, float64 (L,): the last one holds to the end, surplus ones are cut off."""
    if per == "segment":
        edges = np.linspace(0, length, len(scores) + 1).round().astype(int)
        return np.repeat(scores, np.diff(edges))
    if per == "snippet":
        frames = np.full(len(scores), FRAMES_PER_SNIPPET)
        scores = interpolated(scores, frames) if expansion == "interpolated" else np.repeat(scores, frames)
    return np.pad(scores[:length], (0, max(0, length - len(scores))), mode="edge")


def _by_snippet(mask: np.ndarray, scores: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray]:
    starts = np.arange(0, len(mask), FRAMES_PER_SNIPPET)
    share = np.add.reduceat(mask.astype(np.int64), starts) / np.diff(np.append(starts, len(mask)))
    return (share > (0 if unit == "any frame" else 0.5)).astype(np.uint8), scores[starts]


def _runs(labels: list[np.ndarray], scores: list[np.ndarray]) -> _Frames:
    video = np.repeat(np.arange(len(labels)), [len(mask) for mask in labels])
    label, score = np.concatenate(labels), np.concatenate(scores)
    change = (np.diff(score) != 0) | (np.diff(label) != 0) | (np.diff(video) != 0)
    starts = np.append(0, np.flatnonzero(change) + 1)
    return _Frames(label[starts], score[starts], np.diff(np.append(starts, len(label))), video[starts])


# --- numbers --------------------------------------------------------------------------------------
def _value(frames: _Frames, protocol: Protocol) -> float | None:
    distinct, ranks = ranked_scores(np.append(frames.score, (0.0, 1.0)))  # the two are those of padding frames
    rank, (bottom, top) = ranks[:-2], ranks[-2:]
    if protocol.average == "pooled":
        return _area(*counts_by_rank(rank, frames.label, frames.length), protocol)
    edges = np.searchsorted(frames.video, np.arange(frames.video[-1] + 2))
    values = []
    so_far = np.zeros((2, len(distinct)), dtype=np.int64)
    for start, end in itertools.pairwise(edges):
        own = np.zeros((2, len(distinct)), dtype=np.int64)
        np.add.at(own, (1 - frames.label[start:end], rank[start:end]), frames.length[start:end])
        if protocol.average == "growing":
            so_far += own
            values.append(_area(so_far[0], so_far[1], protocol))
            continue
        if protocol.average == "padded" or (protocol.average == "padded one-class" and not own.any(axis=1).all()):
            own[1, bottom] += 1
            own[0, top] += 1
        values.append(_area(own[0], own[1], protocol))
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _area(abnormal: np.ndarray, normal: np.ndarray, protocol: Protocol) -> float | None:
    """The area from abnormal and normal frames at each distinct score, int64 (G,), highest first; None with one class only."""
    if not (abnormal.any() and normal.any()):
        return None
    if protocol.ties != "half":
        return _area_by_order(abnormal, normal, protocol)
    areas = {"auc": area_under_roc, "ap": area_by_steps, "ap trapezoid": area_by_trapezoids}
    if protocol.metric not in areas:
        raise ConfigError(f"protocol: expected a metric of {', '.join(areas)}, got {protocol.metric!r}.")
    there = abnormal + normal > 0  # the highest scores of all videos may have no frame of this one
    return areas[protocol.metric](abnormal[there], normal[there])


def _area_by_order(abnormal: np.ndarray, normal: np.ndarray, protocol: Protocol) -> float:
    """The area if equal scores have an order, as codes give that sort frames and do not group them."""
    first = protocol.ties == "abnormal first"
    found, false = np.cumsum(abnormal) - abnormal, np.cumsum(normal) - normal
    if protocol.metric == "auc":
        return float((normal * (found + first * abnormal)).sum() / (int(abnormal.sum()) * int(normal.sum())))
    # precision at every abnormal frame; steps and trapezoids agree, since every frame is a point of the curve
    within = np.arange(abnormal.sum()) - np.repeat(found, abnormal) + 1
    hits = np.repeat(found, abnormal) + within
    alarms = hits + np.repeat(false + (0 if first else normal), abnormal)
    return float((hits / alarms).mean())
