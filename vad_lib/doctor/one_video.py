"""Features of one video against those extracted here, with the mistakes that leave no trace in shapes."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from vad_lib.config import FeatureSettings
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.feature_comparison import FeatureComparison, compare_features
from vad_lib.data.snippets import CROP_NAMES, crop_views, network_input, read_snippets
from vad_lib.errors import DataError
from vad_lib.storage.reading import read_array

MOST_SNIPPETS = 6  # of the beginning; enough to tell causes apart, and minutes shorter than a whole video

# how views uint8 (B, T, S, S, 3) become the input of the network, where somebody has made a mistake
_MISTAKES: dict[str, Callable[[np.ndarray], torch.Tensor]] = {
    "exchanging red and blue": lambda views: network_input(np.ascontiguousarray(views[..., ::-1])),
    "pixels from 0 to 1 in place of -1 to 1": lambda views: (network_input(views) + 1) / 2,
    "pixels from 0 to 255 in place of -1 to 1": lambda views: (network_input(views) + 1) * 127.5,
}


def compare_video(
    video: Path | str, features: Path | str, settings: FeatureSettings | None = None, weights: str = "kinetics400"
) -> FeatureComparison:
    """Extract the beginning of a video here and say what was done otherwise in a file of its features.

    Args:
        video: its file.
        features: ``.npy`` of I3D features: (T, D), (N, T, D) or (T, N, D) with N of 1, 5 or 10 crops.
        settings: size of frames and crops; those of the paper by default.
        weights: of I3D, see :func:`vad_lib.data.backbones.i3d_weights.load_i3d`.

    Raises:
        MissingFileError: a file or the weights are not there.
        DataError: no video, or no features of one.
    """
    settings = settings or FeatureSettings()
    own = _crops_first(read_array(features), str(features))
    read = read_snippets(video, settings.short_side, settings.crop_size)
    snippets = list(itertools.islice(read, MOST_SNIPPETS))
    views = [crop_views(snippet, settings.crop_size, len(own)) for snippet in snippets]
    network = load_i3d(weights)
    ours = _features(network, views, network_input)
    variants = {name: _features(network, views, change) for name, change in _MISTAKES.items()}
    return compare_features(own[:, : len(snippets)], ours, variants, name=Path(features).name)


def _crops_first(array: np.ndarray, name: str) -> np.ndarray:
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3 and array.shape[0] not in CROP_NAMES and array.shape[1] in CROP_NAMES:
        array = array.swapaxes(0, 1)
    if array.ndim != 3 or array.shape[0] not in CROP_NAMES:
        raise DataError(
            f"{name}: expected features (snippets, width), or with 1, 5 or 10 crops (crops, snippets, width), got {array.shape}."
        )
    return np.asarray(array, dtype=np.float32)


def _features(network: I3D, views: list[np.ndarray], change: Callable[[np.ndarray], torch.Tensor]) -> np.ndarray:
    """Features (N, T, D) of views of every snippet, uint8 (N, 16, S, S, 3) each."""
    with torch.inference_mode():
        return np.stack([network(change(view)).numpy() for view in views], axis=1)
