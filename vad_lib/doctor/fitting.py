"""Scores and ground truth -> a :class:`~vad_lib.doctor.case.Case`, and in sentences what both are."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule, VideoRecord, mask_intervals
from vad_lib.data.importing.public_sets import NORMAL
from vad_lib.data.importing.video_names import video_key
from vad_lib.doctor.case import Case, Per, is_abnormal, list_order
from vad_lib.doctor.conventions import Protocol
from vad_lib.doctor.masks import with_mask
from vad_lib.doctor.measuring import Evaluator
from vad_lib.doctor.reading import GivenScores, GivenTruth
from vad_lib.errors import DataError, first_few

SEGMENTS = (16, 32, 64, 100, 128, 200, 256)  # fixed lengths that codes bring every video to
CLEARLY = 0.005  # AUC by which one order of the videos must beat another


class Fitted(NamedTuple):
    """A case and what was found on the way.

    Attributes:
        case: scores and ground truth that fit each other.
        sentences: what the inputs are, and what is wrong with them.
    """

    case: Case
    sentences: list[str]


def fit(scores: GivenScores, truth: GivenTruth, order: Sequence[str] = (), metric: str = "") -> Fitted:
    """Lay scores and ground truth beside each other.

    Args:
        scores: as a file gives them.
        truth: as files give it.
        order: names of the videos in the order in which one array of scores holds them; the order of the public masks if empty.
        metric: ``auc`` or ``ap``; the headline of the public set, else ``auc``.

    Raises:
        DataError: they cannot be laid beside each other; the message says by how much they differ, and the likely cause.
    """
    said: list[str] = []
    videos = truth.videos
    if not videos:
        raise DataError("ground truth: expected annotations, a videos.csv or a .npy of frame labels; give it with --truth.")
    if truth.known:
        said.append(f"The ground truth is that of {truth.known.title}: {len(videos)} test videos.")
    said += truth.sentences
    divided = bool(truth.known) or len(videos) > 1 or truth.mask is None
    if not divided and scores.whole is None:
        truth = _joined(scores, truth, said)
        videos, divided = truth.videos, True
    scores = _named(scores, videos, said)
    if scores.whole is None:
        if order:
            said.append("--order is not used: the scores come by name.")
        videos, parts = _by_name(scores, videos, said)
        per, rule, parts = _unit_of_parts(videos, parts, truth, said)
    else:
        per, rule, lengths = _whole_unit(scores, truth, videos, said)
        videos, parts = _divided(scores.whole, truth, videos, lengths, order, (per, rule), said)
        if per == "frame" and (snippets := _without_repetition(videos, parts)):
            per, parts = "snippet", snippets
            said.append(_REPEATED)
    chosen = metric or (truth.known.headline_metric if truth.known else "auc")
    case = Case(tuple(videos), tuple(parts), per, rule, truth.known, chosen, None, divided)  # type: ignore[arg-type]
    if truth.mask is not None:
        case = with_mask(case, truth, _rules(truth), said)
    crops = {part.shape[0] for part in parts}
    if crops != {1}:
        said.append(f"There are scores of {', '.join(map(str, sorted(crops)))} crops; this library takes their mean.")
    return Fitted(case, said)


# --- one array per video --------------------------------------------------------------------------
_REPEATED = "Every score stands there 16 times, once per frame: they are scores of snippets, and are taken as such."


def _named(scores: GivenScores, videos: tuple[VideoRecord, ...], said: list[str]) -> GivenScores:
    """A single array that has the name of a video is of this video; another name is said."""
    if scores.whole is None or not scores.name:
        return scores
    if video_key(scores.name) in {video_key(video.name) for video in videos}:
        return GivenScores(scores.path, {video_key(scores.name): scores.whole})
    if not re.match("arr_|score|pred", scores.name.lower()):
        said.append(f"The one array is called {scores.name}, which is no test video; it is taken as the scores of all videos.")
    return scores


def _joined(scores: GivenScores, truth: GivenTruth, said: list[str]) -> GivenTruth:
    """Frame labels alone, cut where arrays of scores in the order of their file end."""
    assert truth.mask is not None
    lengths = np.array([part.shape[1] for part in scores.by_video.values()])
    for each in (1, FRAMES_PER_SNIPPET):
        if each * lengths.sum() == len(truth.mask):
            said.append(
                f"Nothing says which videos {truth.mask_path} is of. It has as many frames as the {len(lengths)} arrays of scores "
                "together, so they are laid beside it in the order of their file. If that is not the order of the labels, the "
                "number is wrong: give a videos.csv with --truth to be sure."
            )
            parts = np.split(truth.mask, np.cumsum(each * lengths)[:-1])
            videos = tuple(
                VideoRecord(name, "test", ("Abnormal" if part.any() else NORMAL,), len(part), tuple(mask_intervals(part)))
                for name, part in zip(scores.by_video, parts)
            )
            return replace(truth, videos=videos, mask=None)
    raise DataError(
        f"{scores.path}: {len(lengths)} arrays with {lengths.sum():,} scores do not fit the {len(truth.mask):,} frame labels of "
        f"{truth.mask_path}, which do not say where a video ends. Give a videos.csv with --truth (columns video, split, category, "
        "n_frames, intervals), or one array of scores in the order of the labels."
    )


def _unit_of_parts(
    videos: Sequence[VideoRecord], parts: list[np.ndarray], truth: GivenTruth, said: list[str]
) -> tuple[Per, MaskRule, list[np.ndarray]]:
    """What one score stands for, the mask rule, and the scores, each of them once."""
    snippets = _without_repetition(videos, parts)
    if snippets is None:
        return *_unit(videos, [part.shape[1] for part in parts], truth, said), parts
    said.append(_REPEATED)
    frames, found = np.array([video.num_frames for video in videos]), np.array([part.shape[1] for part in parts])
    for rule in _rules(truth)[: None if truth.known else 2]:  # the number of frames tells rules with the same snippets apart
        if not len(_misfits(found, _expected(videos, rule, truth), frames, "frame", rule)):
            said.append(f"The numbers of frames are those of mask rule {rule} in all videos.")
            return "snippet", rule, snippets
    return *_unit(videos, [part.shape[1] for part in snippets], truth, said), snippets


def _without_repetition(videos: Sequence[VideoRecord], parts: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """Every sixteenth score, if scores of frames are constant in between; else None."""
    frames, count = sum(video.num_frames for video in videos), sum(part.shape[1] for part in parts)
    if 4 * count < frames or all(np.ptp(part, axis=1).max() == 0 for part in parts):
        return None
    found = [part[:, ::FRAMES_PER_SNIPPET] for part in parts]
    whole = (np.repeat(own, FRAMES_PER_SNIPPET, axis=1)[:, : part.shape[1]] for own, part in zip(found, parts))
    return found if all(np.array_equal(again, part) for again, part in zip(whole, parts)) else None


def _by_name(
    scores: GivenScores, videos: tuple[VideoRecord, ...], said: list[str]
) -> tuple[tuple[VideoRecord, ...], list[np.ndarray]]:
    keys = [video_key(video.name) for video in videos]
    missing = [video.name for video, key in zip(videos, keys) if key not in scores.by_video]
    surplus = sorted(set(scores.by_video) - set(keys))
    kept = tuple(video for video, key in zip(videos, keys) if key in scores.by_video)
    if not kept:
        raise DataError(
            f"{scores.path}: expected scores of {first_few([video.name for video in videos])}; got {first_few(surplus)}. Name the "
            "arrays as the videos."
        )
    if missing:
        normal = sum(not is_abnormal(video) for video in videos if video.name in set(missing))
        said.append(
            f"Scores of {len(missing)} of {len(videos)} test videos are missing ({normal} normal ones): {first_few(missing)}. "
            "Numbers below are of the others, and cannot be compared with published ones."
        )
    if surplus:
        said.append(f"{len(surplus)} videos have scores but are no test videos, and are left out: {first_few(surplus)}.")
    parts = [scores.by_video[key] for key in keys if key in scores.by_video]
    ends = [(max(end for _, end in video.intervals), part.shape[1]) for video, part in zip(kept, parts) if video.intervals]
    if ends and not all(video.num_frames for video in kept) and all(end <= count for end, count in ends):
        said.append("The frames of some videos are not known. No interval ends behind the scores, so there is one per frame.")
        kept = tuple(replace(video, num_frames=video.num_frames or part.shape[1]) for video, part in zip(kept, parts))
    return kept, parts


def _unit(videos: Sequence[VideoRecord], lengths: list[int], truth: GivenTruth, said: list[str]) -> tuple[Per, MaskRule]:
    """What one score stands for, and the mask rule that the numbers of scores fit."""
    frames = np.array([video.num_frames for video in videos])
    if len(lengths) > 3 and len(set(lengths)) == 1 and len(set(frames.tolist())) > 1:
        said.append(
            f"Every video has {lengths[0]} scores, whatever its length: they are of segments, into which each video was divided, "
            "not of snippets. Here each stands for its share of the video."
        )
        return "segment", _usual_rule(truth)
    if not frames.all():
        said.append("The frames of the videos are not known; each score is taken as one snippet of 16 frames.")
        return "snippet", "frames"
    found = np.array(lengths)
    by_rule = {rule: _expected(videos, rule, truth) for rule in _rules(truth)}
    wrong = {(per, rule): _misfits(found, expected, frames, per, rule) for rule, expected in by_rule.items() for per in _PER}
    (per, rule), bad = min(wrong.items(), key=lambda pair: len(pair[1]))
    if not len(bad):
        said.append(f"One score per {_UNIT[per]}; the numbers of scores are those of mask rule {rule} in all videos.")
        return per, _by_list(rule, truth)
    stride = _stride(found, frames)
    if stride == 1:
        off = found - frames
        said.append(
            f"One score per frame, but {np.count_nonzero(off)} of {len(videos)} videos have another number of scores than frames "
            f"({off.min():+,} to {off.max():+,}). Here the last score holds to the end, and surplus ones are cut off."
        )
        return "frame", "frames"
    if stride:
        said.append(
            f"One score per {stride} frames, not per {FRAMES_PER_SNIPPET}: the stride of the snippets differs. Here each score "
            "stands for its share of the video."
        )
        return "segment", _usual_rule(truth)
    names = first_few([videos[place].name for place in bad])
    off = found[bad] - (by_rule[rule][bad] if per == "snippet" else _frames_of(by_rule[rule], frames, rule)[bad])
    said.append(
        f"One score per {_UNIT[per]}. Mask rule {rule} fits best, but {len(bad)} of {len(videos)} videos have another number of "
        f"scores than it says ({off.min():+,} to {off.max():+,}): {names}. Here the last score holds to the end, and surplus ones "
        "are cut off."
    )
    return per, _by_list(rule, truth)


_PER: tuple[Per, ...] = ("snippet", "frame")
_UNIT = {"snippet": "snippet of 16 frames", "frame": "frame", "segment": "segment"}


def _rules(truth: GivenTruth) -> tuple[MaskRule, ...]:
    return tuple(truth.known.totals) if truth.known else ("frames", "A", "B")


def _by_list(rule: MaskRule, truth: GivenTruth) -> MaskRule:
    """Scores of an own list may be padded to whole snippets; its intervals are no others for that."""
    return rule if truth.known or rule != "B" else "frames"


def _usual_rule(truth: GivenTruth) -> MaskRule:
    return "A" if truth.known else "frames"


def _expected(videos: Sequence[VideoRecord], rule: MaskRule, truth: GivenTruth) -> np.ndarray:
    """Snippets of every video under a mask rule, int64 (V,); at least one, as the masks of a case have."""
    if truth.known and rule in truth.known.snippets:
        return np.array([truth.known.expected_snippets(rule, video.name, video.num_frames) for video in videos])
    frames = np.array([video.num_frames for video in videos])
    return np.maximum(1, frames // FRAMES_PER_SNIPPET if rule == "A" else -(-frames // FRAMES_PER_SNIPPET))


def _frames_of(snippets: np.ndarray, frames: np.ndarray, rule: MaskRule) -> np.ndarray:
    return frames if rule == "frames" else FRAMES_PER_SNIPPET * snippets


def _misfits(found: np.ndarray, snippets: np.ndarray, frames: np.ndarray, per: Per, rule: MaskRule) -> np.ndarray:
    return np.flatnonzero(found != (snippets if per == "snippet" else _frames_of(snippets, frames, rule)))


def _stride(found: np.ndarray, frames: np.ndarray) -> int:
    """Frames from one score to the next, if all videos have as many scores as another stride than 16 gives; else 0."""
    usual = (8, 32, 4, 64, 1, 2, 24, 12, 10, 30)  # come first: of short videos several fit
    near = np.abs(found - frames / FRAMES_PER_SNIPPET).max() < 2  # 16 frames, with the last snippet treated otherwise
    strides = np.array(usual if near else (*usual, *range(3, 1000)))[:, None]
    off = np.minimum(np.abs(found - frames // strides), np.abs(found - -(-frames // strides)))  # without and with the last one
    best = int(off.sum(axis=1).argmin())
    return int(strides[best, 0]) if off[best].max() <= 1 else 0


# --- one array for all videos ---------------------------------------------------------------------
def _whole_unit(
    scores: GivenScores, truth: GivenTruth, videos: tuple[VideoRecord, ...], said: list[str]
) -> tuple[Per, MaskRule, np.ndarray]:
    """What one score stands for, the mask rule, and the number of scores of every video, int64 (V,)."""
    assert scores.whole is not None
    count, total = scores.whole.shape[1], sum(video.num_frames for video in videos)
    frames = np.array([video.num_frames for video in videos])
    for rule in _rules(truth):
        snippets = _expected(videos, rule, truth)
        for per, lengths in (("snippet", snippets), ("frame", _frames_of(snippets, frames, rule))):
            if lengths.sum() == count:
                rest = "" if len(videos) == 1 else f", as mask rule {rule} gives {len(videos)} videos"
                said.append(f"{count:,} scores, one per {_UNIT[per]}{rest}.")
                return per, _by_list(rule, truth), lengths  # type: ignore[return-value]
    if count % len(videos) == 0 and count // len(videos) in SEGMENTS and len(videos) > 1:
        size = count // len(videos)
        said.append(
            f"{count:,} scores are {size} for each of {len(videos)} videos: they are of segments, into which each video was "
            "divided, not of snippets. Here each stands for its share of the video."
        )
        return "segment", _usual_rule(truth), np.full(len(videos), size)
    raise DataError(
        f"{scores.path}: {count:,} scores do not fit {len(videos)} videos of {total:,} frames. {_diagnosis(count, truth, videos)}"
    )


def _diagnosis(count: int, truth: GivenTruth, videos: tuple[VideoRecord, ...]) -> str:
    """The likely cause of a number of scores that fits no mask rule."""
    told, near, nearest = [], "", 2 * len(videos) * FRAMES_PER_SNIPPET
    for rule in _rules(truth):
        snippets = _expected(videos, rule, truth)
        frames = _frames_of(snippets, np.array([video.num_frames for video in videos]), rule)
        told.append(f"mask rule {rule}: {int(snippets.sum()):,} snippets, {int(frames.sum()):,} frames")
        for unit, total, each in (("snippets", int(snippets.sum()), FRAMES_PER_SNIPPET), ("frames", int(frames.sum()), 1)):
            if abs(count - total) * each < nearest:
                nearest = abs(count - total) * each
                near = (
                    f"It is {abs(count - total):,} {'more' if count > total else 'fewer'} than the {total:,} {unit} of rule "
                    f"{rule}: some videos are missing, double or cut, or their last snippet was treated otherwise. "
                )
    for frames_each in (1, FRAMES_PER_SNIPPET):
        for size in SEGMENTS:
            number, left = divmod(count, size * frames_each)
            if not left and not near and abs(number - len(videos)) <= 20:
                per = "" if frames_each == 1 else ", each repeated for 16 frames"
                near = (
                    f"It is {size} for each of {number} videos{per}: they are scores of segments, not of snippets. Score the "
                    "snippets of each video as they are, without bringing videos to one "
                    f"length{'' if number == len(videos) else f', and score the {len(videos)} test videos'}. "
                )
    return f"{near}Expected are: {'; '.join(told)}. Give the scores by name (.npz, one array per video) to see which differ."


def _divided(
    whole: np.ndarray,
    truth: GivenTruth,
    videos: tuple[VideoRecord, ...],
    lengths: np.ndarray,
    order: Sequence[str],
    unit: tuple[Per, MaskRule],
    said: list[str],
) -> tuple[tuple[VideoRecord, ...], list[np.ndarray]]:
    """One array cut into videos: in a stated order, or in that of the two usual ones under which the scores tell more."""
    if len(videos) == 1:
        return videos, [whole]
    own = "of the released masks, abnormal videos first" if truth.known else "of your list"
    orders = {own: np.arange(len(videos))}
    released = list_order(videos, truth.known)
    if order:
        known = {video_key(video.name): place for place, video in enumerate(videos)}
        keys = [video_key(name) for name in order]
        if sorted(keys) != sorted(known):
            raise DataError(
                f"--order: expected the {len(videos)} test videos, each once, got {len(keys)} names; missing: "
                f"{first_few(sorted(set(known) - set(keys)))}; unknown: {first_few(sorted(set(keys) - set(known)))}."
            )
        orders = {"that you gave": np.array([known[key] for key in keys])}
    elif released is not None:
        orders["of the released list, by name" if truth.known else "of the names"] = released
    found = {}
    for name, places in orders.items():
        parts = np.split(whole, np.cumsum(lengths[places])[:-1], axis=1)
        found[name] = [parts[place] for place in np.argsort(places)]
    value = {
        name: Evaluator(Case(videos, tuple(parts), *unit, truth.known, "auc")).value(Protocol(rule=unit[1])) or 0.0
        for name, parts in found.items()
    }
    best = max(value, key=lambda name: value[name])
    first = next(iter(found))
    chosen = best if value[best] > value[first] + CLEARLY else first
    other = [f"{value[name]:.2%} in the order {name}" for name in value if name != chosen]
    said.append(f"Videos are taken in the order {chosen}: AUC {value[chosen]:.2%}{f', but {other[0]}' if other else ''}.")
    return videos, found[chosen]
