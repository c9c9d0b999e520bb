"""Scoring a stream, segment by segment."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vad_lib.errors import ConfigError, DataError
from vad_lib.methods.base import Method
from vad_lib.methods.causal import Causal


class StreamingScorer:
    """Scores of a stream as it comes, the same as those of the whole at once.

    Memory and time per snippet do not grow: attention keeps its last snippets (``lookback``), the convolutions their
    last eight, the context a mean. Several streams may share one method, each with a scorer of its own, but not from
    several threads at a time. After its weights have changed a stream must be reset. A trained model makes them:
    :meth:`vad_lib.deployment.scoring_model.ScoringModel.stream`.

    Args:
        method: MSF-DMU or the proposed model with ``context="causal"``; put into evaluation mode.

    Raises:
        ConfigError: the method sees what comes later.
    """

    def __init__(self, method: Method) -> None:
        self._layers = [module for module in method.modules() if isinstance(module, Causal)]
        if not self._layers:
            raise ConfigError(
                f"{type(method).__name__}: expected a method that sees nothing later, e.g. msf-dmu or proposed with "
                "context='causal'; train one with this option."
            )
        self._method = method.eval()
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the next snippet is the first of another one."""
        self._pasts: list[dict[str, Any]] = [{} for _ in self._layers]
        self._crops: int | None = None

    @property
    def state_bytes(self) -> int:
        """Size of what is kept of the stream; constant once the lookback is full."""
        kept = (value for past in self._pasts for value in past.values() if isinstance(value, Tensor))
        return sum(tensor.untyped_storage().nbytes() for tensor in kept)

    def push(self, features: np.ndarray | Tensor) -> dict[str, np.ndarray]:
        """Score the next snippets.

        Args:
            features: float (T, N, D); T is 1 if every snippet is to be scored at once. The first call decides N.

        Returns:
            the arrays that :func:`~vad_lib.evaluation.scoring.snippet_scores` gives for a video: ``score`` float32 (T,) and so on.

        Raises:
            DataError: another shape, or NaN or infinity; the stream is as it was before.
        """
        features = np.asarray(features)
        if features.ndim != 3 or not features.size or self._crops not in (None, features.shape[1]):
            raise DataError(
                f"stream: expected features of shape (snippets, {self._crops or 'crops'}, {self._method.feature_dim}), got "
                f"{features.shape}; reset() starts another stream."
            )
        bag = torch.from_numpy(crops_first(features)).to(next(self._method.parameters()).device)
        with torch.inference_mode():
            for layer, past in zip(self._layers, self._pasts):
                layer.past = past
            try:
                scores = self._method.scores(self._method(bag[None]))
            finally:
                for layer in self._layers:
                    layer.past = None
        self._crops = len(bag)
        return {name: value[0].cpu().numpy() for name, value in scores.items()}


def crops_first(features: np.ndarray) -> np.ndarray:
    """float (T, N, D) -> float32 (N, T, D)."""
    return np.ascontiguousarray(np.moveaxis(features, 0, 1), dtype=np.float32)
