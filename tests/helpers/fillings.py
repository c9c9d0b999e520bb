"""Parameters and inputs of the known answers of PEL4VAD and VadCLIP, by formula: kind A are waves, kind B is even noise."""

import math

import numpy as np
import torch


def noise(j: np.ndarray, k: int) -> np.ndarray:
    """Numbers in [0, 1) that depend on the place j and the array k only."""
    value = 43758.5453 * np.sin(12.9898 * (j + 1) + 78.233 * (k + 1))
    return value - np.floor(value)


def filling(kind: str, k: int, shape: tuple[int, ...], gain: bool, spread: float = 1.0) -> torch.Tensor:
    """The k-th parameter; a ``gain`` lies about 1, ``spread`` scales the noise of matrices."""
    j = np.arange(math.prod(shape), dtype=np.float64)
    if kind == "A":
        values = 0.05 * np.cos(0.37 * j + 1.3 * k) + gain
    elif len(shape) > 1:
        values = spread * np.sqrt(3 / math.prod(shape[1:])) * (2 * noise(j, k) - 1)
    else:
        values = 0.1 * (2 * noise(j, k) - 1) + gain
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def features(kind: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Features of b videos, t segments and d numbers, float64; nothing is padded yet."""
    b, t, d = (np.arange(n).reshape(-1, *(1,) * (2 - axis)) for axis, n in enumerate(shape))
    if kind == "A":
        return np.sin(0.11 * t + 0.013 * d + 0.7 * b)
    return 2 * noise(np.arange(math.prod(shape), dtype=np.float64), 1000).reshape(shape) - 1
