"""A person's file of frame labels against the annotation: which mask rule it is, and what was done otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule
from vad_lib.doctor.case import Case, is_abnormal, list_order
from vad_lib.doctor.conventions import says
from vad_lib.doctor.reading import GivenTruth
from vad_lib.errors import first_few

SHIFTS = (0, 1, -1, FRAMES_PER_SNIPPET, -FRAMES_PER_SNIPPET)  # frames: numbers that begin at 1, a snippet too many or too few


class _Fit(NamedTuple):
    """A way to make a file of the same length: the rule, its masks, the file cut at them, and what is done otherwise."""

    rule: MaskRule
    masks: list[np.ndarray]
    parts: list[np.ndarray]
    otherwise: list[str]

    @property
    def differ(self) -> list[int]:
        return [place for place, (part, own) in enumerate(zip(self.parts, self.masks)) if (part != own).any()]


def with_mask(case: Case, truth: GivenTruth, rules: Sequence[MaskRule], said: list[str]) -> Case:
    """Compare a person's frame labels with every mask rule; keep them where their number fits the videos.

    Args:
        case: scores and annotation that fit each other.
        truth: with the frame labels.
        rules: to compare with.
        said: gets sentences on what the file is, and on why it is not used.
    """
    mask = truth.mask
    assert mask is not None
    text = f"{truth.mask_path}: {len(mask):,} frames, {int(mask.sum()):,} abnormal"
    if not case.divided:
        said.append(f"{text}. Which videos they are of is not known, so conventions that go video by video are not tried.")
        return case
    if len(case.videos) != len(truth.videos):
        said.append(f"{text}. It is not used: scores of some of its videos are missing, and the annotation is used in its place.")
        return case
    fits = list(_fits(case, mask, rules))
    if not fits:
        totals = {rule: sum(len(case.mask(place, rule)) for place in range(len(case.videos))) for rule in rules}
        there = ", ".join(f"{rule} {total:,}" for rule, total in totals.items())
        whose = case.known.title if case.known else "your list"
        said.append(f"{text}. No mask rule of {whose} has so many frames ({there}); the annotation is used in its place.")
        return case
    exact = next((fit for fit in fits if not fit.differ), None)
    if exact and not exact.otherwise:
        said.append(f"{text}: this is mask rule {exact.rule}, frame by frame.")
        return case
    # as it stands, beside the videos in their own order: that is how a script reads it
    plain = min((fit for fit in fits if not fit.otherwise), key=lambda fit: len(fit.differ))
    if exact:
        said.append(f"{text}: this is mask rule {exact.rule}, frame by frame, but {' and '.join(exact.otherwise)}.")
    else:
        said.append(f"{text}: {_differs(case, plain)}")
    return replace(case, masks=tuple(plain.parts))


def _fits(case: Case, mask: np.ndarray, rules: Sequence[MaskRule]) -> Iterator[_Fit]:
    """The ways to make a file of this length, the usual ones first."""
    places = range(len(case.videos))
    listed = list_order(case.videos, case.known)
    orders = {"": np.arange(len(places))}
    if listed is not None:
        whose = "of the released list, not of the released masks" if case.known else "of their names, not of your list"
        orders[f"its videos stand in the order {whose}"] = listed
    for words, order in orders.items():
        for rule in rules:
            lengths = np.array([len(case.mask(place, rule)) for place in places])
            if lengths.sum() != len(mask):
                continue
            laid = np.split(mask, np.cumsum(lengths[order])[:-1])
            parts = [laid[place] for place in np.argsort(order)]
            for ends in (0, 1, -1):
                masks = [case.mask(place, rule, ends) for place in places]
                for shift in SHIFTS:
                    late = f"everything comes {abs(shift)} frame{'s' * (abs(shift) > 1)} {'late' if shift > 0 else 'early'}"
                    otherwise = [words, says("ends", ends) if ends else "", late if shift else ""]
                    yield _Fit(rule, [_shifted(each, shift) for each in masks], parts, [each for each in otherwise if each])


def _shifted(mask: np.ndarray, frames: int) -> np.ndarray:
    found = np.zeros_like(mask)
    kept = max(0, len(mask) - abs(frames))
    found[max(0, frames) :][:kept] = mask[max(0, -frames) :][:kept]
    return found


def _differs(case: Case, fit: _Fit) -> str:
    differ = fit.differ
    frames = sum(int((part != own).sum()) for part, own in zip(fit.parts, fit.masks))
    empty = [case.videos[place] for place in differ if is_abnormal(case.videos[place]) and not fit.parts[place].any()]
    marked = [case.videos[place].name for place in differ if not is_abnormal(case.videos[place])]
    rest = ""
    if empty:
        names = sorted({name for video in empty for name in video.categories})
        rest = f" {len(empty)} abnormal videos have no abnormal frame in it, of {', '.join(names)}: they count as normal."
    if marked:
        rest += (
            f" {len(marked)} normal videos have abnormal frames in it: {first_few(marked)}. Its videos probably stand in another "
            "order; lay labels and scores side by side by name."
        )
    return (
        f"as long as mask rule {fit.rule}, but it differs in {frames:,} frames of {len(differ)} videos: "
        f"{first_few([case.videos[place].name for place in differ])}. Rule {fit.rule} has "
        f"{int(sum(part.sum() for part in fit.masks)):,} abnormal frames.{rest}"
    )
