"""Are a person's own features of a video what this pipeline extracts from it, and if not, what is the likely cause?

Models never say that features changed: scores only become worse. So before a model is trained on features of unknown
making, or used on them, extract one video here and compare (notebook 01). Known mistakes are undone one by one (crops in
another order, rows shifted, another stride, axes exchanged), and the one that makes the features agree is named.

Shapes: N crops, T snippets, D features; own features have N', T' of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from vad_lib.data.snippets import CROP_NAMES
from vad_lib.errors import DataError

SAME = 0.999  # cosine: decoders and float16 stay above it, see tests/real
MADE_ALIKE = 0.95  # same weights, but pixels prepared otherwise
LARGEST_SHIFT = 3  # snippets
STRIDES = (2, 4, 8, 16)  # snippets that overlap by a half or more
SCALE_TOLERANCE = 0.02  # of the length of a feature vector


@dataclass(frozen=True)
class FeatureComparison:
    """Own features against those extracted here.

    Attributes:
        cosine: float32 (N', min(T', T)), of every own snippet and ours at the same place; crops paired as stored.
        snippets: T' and T.
        cause: ``none``, ``padding`` (of the last snippet), ``crop order``, ``shift``, ``stride``, ``scale``, ``pixels``, the name
            of a variant, or ``unknown``.
        explained: mean cosine once the cause is undone.
        verdict: a sentence with the numbers and what to do.
    """

    cosine: np.ndarray
    snippets: tuple[int, int]
    cause: str
    explained: float
    verdict: str

    @property
    def same(self) -> bool:
        """True if the features can be used in place of ours."""
        return self.cause in ("none", "padding")


class _Reading(NamedTuple):
    """One way to read the own features: which of their rows stand for which of ours."""

    cause: str
    own: np.ndarray
    ours: np.ndarray
    advice: str


def compare_features(
    own: np.ndarray, ours: np.ndarray, variants: Mapping[str, np.ndarray] | None = None, *, name: str = "video"
) -> FeatureComparison:
    """Compare features of one video, snippet by snippet, and name the likely cause of a difference.

    Args:
        own: float (T', D), one crop, or (N', T', D).
        ours: float (N, T, D), extracted here from the same video, crops as :data:`vad_lib.data.snippets.CROP_NAMES`.
        variants: name of a mistake -> features (N, T, D) extracted here with that very mistake, such as exchanged
            colours; what features alone cannot tell is found this way.
        name: of the video, for messages.

    Returns:
        cosines, cause and verdict. The snippets that only one side has are left out of the comparison.

    Raises:
        DataError: not features of a video, axes in another order, another width, more crops than ours, NaN or a snippet
            of zeros; the message says which.

    Example: the same features, crops exchanged.
        >>> ours = np.random.default_rng(0).random((5, 4, 8))
        >>> compare_features(ours[[1, 0, 2, 3, 4]], ours).cause
        'crop order'
    """
    own, ours = _checked(own, f"{name}: own features"), _checked(ours, f"{name}: our features")
    _check_fit(own, ours, name)
    snippets = (own.shape[1], ours.shape[1])
    cosine = _cosine(*_paired(own, ours))
    direct = float(cosine.mean())

    def compared(cause: str, explained: float, verdict: str) -> FeatureComparison:
        lengths = f"{snippets[0]} snippets, ours {snippets[1]}{_length_cause(*snippets)}"
        return FeatureComparison(
            cosine,
            snippets,
            cause,
            explained,
            f"{name}: mean cosine {direct:.4f}, lowest {cosine.min():.4f} ({lengths}): {verdict}",
        )

    if cosine.min() >= SAME:
        ratio = float(np.median(np.divide(*(np.linalg.norm(part, axis=-1) for part in _paired(own, ours)))))
        if abs(ratio - 1) > SCALE_TOLERANCE:
            return compared(
                "scale", direct, f"same directions, but {ratio:.3g} times as long; undo the normalisation, or sum in place of mean."
            )
        return compared("none", direct, "the features are the same; they can be used here.")
    if cosine.shape[1] > 1 and cosine[:, :-1].min() >= SAME:
        return compared(
            "padding", direct, "all but the last snippet are the same; it was filled up in another way. They can be used."
        )
    readings = [(float(_cosine(*_paired(r.own, r.ours)).mean()), r) for r in _readings(own, ours, variants or {})]
    explained, best = max(readings, key=lambda pair: pair[0], default=(direct, None))
    if best and explained >= SAME and explained > direct:
        return compared(best.cause, explained, f"{best.advice} With this undone the mean cosine is {explained:.4f}.")
    if direct >= MADE_ALIKE:
        return compared(
            "pixels", direct, "same weights, but the pixels were prepared otherwise; compare short side, crop size, interpolation "
            "and decoder with the feature contract, and train on one kind only.",
        )  # fmt: skip
    return compared(
        "unknown", direct, "no order of crops, shift or stride explains it; probably other weights, another input scale or "
        "colour order, or another video. Extract the features here.",
    )  # fmt: skip


def _readings(own: np.ndarray, ours: np.ndarray, variants: Mapping[str, np.ndarray]) -> Iterator[_Reading]:
    # every own crop with every crop of ours
    table = np.array([[_cosine(*_paired(mine[None], theirs[None])).mean() for theirs in ours] for mine in own])
    order = linear_sum_assignment(table, maximize=True)[1]
    if (order != np.arange(len(own))).any():
        names = CROP_NAMES.get(len(ours), tuple(map(str, range(len(ours)))))
        found = ", ".join(names[place] for place in order)
        yield _Reading("crop order", own, ours[order], f"the crops stand in another order: {found}; put them in ours.")
    for shift in (s for s in range(-LARGEST_SHIFT, LARGEST_SHIFT + 1) if s):
        late, early = own[:, max(shift, 0) :], ours[:, max(-shift, 0) :]
        if late.shape[1] and early.shape[1]:
            if shift < 0:
                advice = f"the features begin {-shift} too late, rows are missing at the start; extract them again from frame 0."
            else:
                advice = f"the first {shift} rows belong to no snippet of the video; drop them, or extract again from frame 0."
            yield _Reading("shift", late, early, advice)
    for factor in STRIDES:
        if own.shape[1] >= factor:
            advice = f"the snippets are {16 // factor} frames apart, not 16; keep rows 0, {factor}, {2 * factor} and so on."
            yield _Reading("stride", own[:, ::factor], ours, advice)
        if ours.shape[1] >= factor:
            advice = f"the snippets are {16 * factor} frames apart, not 16; extract them again with stride 16."
            yield _Reading("stride", own, ours[:, ::factor], advice)
    for cause, made in variants.items():
        made = _checked(made, f"variant {cause}")
        if made.shape == ours.shape:
            yield _Reading(cause, own, made, f"this is what {cause} gives; extract again without it.")
        else:
            raise DataError(f"variant {cause}: expected shape {ours.shape}, as our features, got {made.shape}; extract it alike.")


def _checked(features: np.ndarray, what: str) -> np.ndarray:
    features = np.asarray(features)
    if features.ndim == 2:
        features = features[None]
    if features.ndim != 3 or features.dtype.kind != "f" or 0 in features.shape:
        raise DataError(
            f"{what}: expected floats of shape (snippets, width) or (crops, snippets, width), got {features.dtype} "
            f"{features.shape}; give the features of one video."
        )
    features = features.astype(np.float32)
    norms = np.linalg.norm(features, axis=-1)
    if not np.isfinite(norms).all() or not norms.all():
        raise DataError(f"{what}: expected finite features, no snippet all zero, got NaN, infinity or zeros; extract them again.")
    return features


def _check_fit(own: np.ndarray, ours: np.ndarray, name: str) -> None:
    if own.shape[2] != ours.shape[2]:
        raise DataError(
            f"{name}: own features are {own.shape[2]:,} wide, ours {ours.shape[2]:,}; another backbone made them (I3D gives 1,024, "
            "two streams or a ResNet 2,048, CLIP's ViT-B 512), so they cannot be compared: train a model on them alone."
        )
    if own.shape[0] > len(ours) and own.shape[1] == len(ours):
        raise DataError(
            f"{name}: own features have the axes (snippets, crops, width), got {own.shape} where ours have {len(ours)} crops; "
            "exchange the first two axes."
        )
    if own.shape[0] > len(ours):
        raise DataError(f"{name}: {own.shape[0]} crops cannot be compared with {len(ours)}; extract as many crops here.")


def _paired(own: np.ndarray, ours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = min(own.shape[1], ours.shape[1])
    return own[:, :length], ours[: len(own), :length]


def _cosine(own: np.ndarray, ours: np.ndarray) -> np.ndarray:
    return (own * ours).sum(axis=-1) / (np.linalg.norm(own, axis=-1) * np.linalg.norm(ours, axis=-1))


def _length_cause(own: int, ours: int) -> str:
    if own == ours:
        return ""
    if own == ours - 1:
        return ", one fewer: if the others agree, the last one, incomplete, was dropped"
    return ", padded at the end, or another stride" if own > ours else ", cut short, or another stride"
