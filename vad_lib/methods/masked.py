"""Base of methods that encode videos of different lengths at once and are told which segments are padding.

Shapes: B videos, N crops, S = B N sequences, T segments, D features.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from vad_lib.methods.base import Method


class MaskedMethod(Method):
    """A method that leaves padding out of account by a mask, where others encode videos of each length by themselves."""

    @abstractmethod
    def encode_real(self, features: Tensor, real: Tensor) -> NamedTuple:
        """Encode sequences of which the first segments are real.

        Args:
            features: float32 (S, T, D).
            real: bool (S, T), True where a segment is real; those come first, and there is at least one in a sequence.

        Returns:
            a named tuple of tensors, each with S first; those with a time axis have it second. What stands at padding
            has no meaning.
        """

    def encode(self, features: Tensor) -> NamedTuple:
        return self.encode_real(features, torch.ones(features.shape[:2], dtype=torch.bool, device=features.device))

    def encode_uneven(self, features: Tensor, mask: Tensor) -> NamedTuple:
        """Encode videos of different lengths, all at once.

        Args:
            features: float32 (B, N, T, D).
            mask: bool (B, T), real segments first, at least one in every video.

        Returns:
            the named tuple of :meth:`encode_real`, its tensors shaped (B, N, ...), with zeros at padding.
        """
        videos, crops = features.shape[:2]
        output = self.encode_real(features.flatten(0, 1), mask.repeat_interleave(crops, 0))
        fields = self._unfold(output, videos, crops)._asdict()  # each (B, N, ...)
        timed = [name for name in fields if name not in self.without_time]
        for name in timed:
            fields[name] = fields[name] * mask.view(videos, 1, -1, *[1] * (fields[name].dim() - 3))
        return output._replace(**fields)
