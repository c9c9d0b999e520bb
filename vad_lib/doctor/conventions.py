"""The conventions of evaluation that are in use, each as one choice on one axis, and the number that a choice of them gives.

An axis is a step of the evaluation on which public codes differ, such as the mask rule or the treatment of ties. A
:class:`Protocol` names one choice on every axis. :data:`AXES` says in a sentence what each choice means and who uses it.
"""

from typing import NamedTuple

from vad_lib.doctor.case import Case, is_abnormal, list_order


class Protocol(NamedTuple):
    """One choice on every axis; the defaults are those of this library.

    Attributes:
        metric: ``auc``, ``ap`` (steps) or ``ap trapezoid``.
        rule: mask rule ``frames``, ``A``, ``B`` or ``C``, or ``file``: the person's own frame labels.
        annotation: ``intervals``, or the union of the events ``by category``, where there is a second annotation (XD-Violence).
        ends: frames that intervals end later than the mask rule says.
        tail: ``kept`` or ``dropped``: the last snippet of every video.
        shift: snippets that the scores come too late.
        crops: ``mean``, ``maximum`` or the number of one crop.
        smoothing: ``none``, or a kind and a window in snippets.
        scaling: ``none``, or ``per video``: minimum 0 and maximum 1 in every video.
        expansion: ``repeated``, ``interpolated``, or a snippet as the unit: ``any frame`` or ``most frames``.
        videos: ``all``, or ``abnormal``.
        marked: number of categories whose abnormal frames are marked, in the order of the set; 0 for all.
        order: ``own``: every video with its own mask; ``list`` or ``by name``: scores in
            the order of the released list, or of the names, masks in their own; ``masks by list``: the other way round.
        average: ``pooled`` frames of all videos; mean over videos: ``both classes`` only, ``padded``, or
            ``padded one-class``; ``growing`` subsets.
        ties: equal scores count ``half``, ``abnormal first`` or ``normal first``.
    """

    metric: str = "auc"
    rule: str = "frames"
    annotation: str = "intervals"
    ends: int = 0
    tail: str = "kept"
    shift: int = 0
    crops: str = "mean"
    smoothing: str = "none"
    scaling: str = "none"
    expansion: str = "repeated"
    videos: str = "all"
    marked: int = 0
    order: str = "own"
    average: str = "pooled"
    ties: str = "half"


_METRICS: dict[str | int, str] = {
    "auc": "the area under the ROC curve",
    "ap": "average precision, by steps (scikit-learn's; VadCLIP; equation 17)",
    "ap trapezoid": "the area under the straight-joined precision-recall curve, called AP by RTFM, UR-DMU and PEL4VAD",
}
_RULES: dict[str | int, str] = {
    "A": "mask rule A (PEL4VAD, UR-DMU): 16 frames for each snippet of Wu et al., interval ends left out",
    "B": "mask rule B (RTFM, CLIP-TSA): the last incomplete snippet counts, interval ends included",
    "C": "mask rule C (VadCLIP): 16 frames for each of its snippets, interval ends left out",
    "frames": "every frame of the video file, interval ends left out",
    "file": "your own file of frame labels",
}
AXES: dict[str, dict[str | int, str]] = {
    "metric": _METRICS,
    "rule": _RULES,
    "annotation": {"by category": "intervals of the annotation by category (annotations_multiclasses.txt)"},
    "ends": {1: "every interval ends one frame later", -1: "every interval ends one frame earlier"},
    "tail": {"dropped": "the last snippet of every video is left out"},
    "shift": {1: "scores come one snippet late", -1: "scores come one snippet early"},
    "crops": {"maximum": "the maximum over crops in place of the mean", "0": "crop 0 alone", "5": "crop 5 alone (VadCLIP)"},
    "smoothing": {
        "sliding 7": "smoothed by a sliding mean of 7 snippets (PEL4VAD on UCF-Crime)",
        "blocks 8": "smoothed in blocks of 8 snippets (PEL4VAD on XD-Violence)",
        "sliding 3": "smoothed by a sliding mean of 3 snippets",
        "centred 5": "smoothed by a centred mean of 5 snippets",
        "centred 11": "smoothed by a centred mean of 11 snippets",
    },
    "scaling": {"per video": "the scores of every video are stretched to 0 ... 1, which takes the level of a video away"},
    "expansion": {
        "interpolated": "frame scores lie on straight lines between the middles of the snippets",
        "any frame": "a snippet counts once, and is abnormal if one of its frames is",
        "most frames": "a snippet counts once, and is abnormal if more than half of its frames are",
    },
    "videos": {"abnormal": "abnormal videos alone (Ano-AUC)"},
    "marked": {},
    "order": {
        "list": "scores in the order of the released test list, masks in the order of the released arrays",
        "masks by list": "scores in the order of the released arrays, masks in the order of the released test list",
        "by name": "scores in the order of the names, as sorted files come, masks in the order of your list",
    },
    "average": {
        "both classes": "the mean over videos of the value of each video; videos of one class are left out",
        "padded": "the mean over videos of the value of each video; a normal frame of score 0 and an abnormal one of score 1 added",
        "padded one-class": (
            "the mean over videos of the value of each video; where a video has one class only, a normal frame of score 0 and an "
            "abnormal one of score 1 are added"
        ),
        "growing": "the mean over the first 1, 2, ... videos of the value so far, as codes give that evaluate inside the loop",
    },
    "ties": {
        "abnormal first": "equal scores are ordered with the abnormal frames first",
        "normal first": "equal scores are ordered with the normal frames first",
    },
}


def own_protocol(case: Case) -> Protocol:
    """What this library would do with the case."""
    return Protocol(metric=case.metric, rule=case.rule)


def says(axis: str, choice: str | int) -> str:
    """The sentence of a choice, without a full stop."""
    if axis == "marked":
        return f"abnormal frames of the first {choice} abnormal categories alone are marked, all others count as normal"
    return AXES[axis][choice]


def deviations(case: Case, own: Protocol) -> list[tuple[str, str | int]]:
    """Every choice, on every axis, that differs from a protocol and that the case allows.

    What the data do not hold is left out: crops of scores without crops, the mean over videos where videos are not known. Other
    measures are tried too, since a number may be called by a wrong name.
    """
    found: list[tuple[str, str | int]] = []
    for axis, choices in AXES.items():
        found += [(axis, choice) for choice in choices if choice != getattr(own, axis) and _allowed(case, own, axis, choice)]
    if case.divided and len(case.abnormal_categories) > 2:
        found += [("marked", number) for number in range(1, len(case.abnormal_categories))]
    return found


def _allowed(case: Case, own: Protocol, axis: str, choice: str | int) -> bool:
    crops = min(scores.shape[0] for scores in case.scores)
    abnormal = [is_abnormal(video) for video in case.videos]
    if axis == "crops":
        return crops > (1 if choice in ("maximum", "0") else 5)
    if axis == "rule":
        if choice == "file":
            return case.masks is not None
        known = case.known and choice in case.known.totals
        return bool(known) or (case.known is None and case.divided and all(v.num_frames for v in case.videos) and choice != "C")
    if axis == "annotation":
        return any(video.class_intervals for video in case.videos)
    if axis == "order":
        return (choice == "by name") == (case.known is None) and list_order(case.videos, case.known) is not None
    if axis == "videos":
        return case.divided and any(abnormal) and not all(abnormal)
    if axis in ("average", "tail", "scaling"):
        return case.divided and len(case.videos) > 1
    if choice == "interpolated":
        return case.per == "snippet"
    if axis in ("shift", "smoothing", "expansion"):
        return case.per != "segment"
    return True


def not_tried(case: Case) -> list[str]:
    """What cannot be tried on the case, though their evaluation may do it, and why; in words."""
    found = []
    if case.per == "segment":
        found.append("a shift, smoothing, lines between scores and snippets as units, since scores are of segments")
    elif case.per == "frame":
        found.append("lines between scores, since there is one score per frame")
    if not case.divided:
        found.append("what goes video by video, since nobody says where a video ends")
    elif not case.known and not all(video.num_frames for video in case.videos):
        found.append("other mask rules, since the frames of the videos are not known")
    return found
