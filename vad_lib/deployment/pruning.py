"""Smaller methods: weights set to zero."""

import copy

from torch import nn
from torch.nn.utils import prune

from vad_lib.errors import ConfigError
from vad_lib.methods.base import Method


def pruned(method: Method, share: float) -> Method:
    """A copy whose smallest weights are zero, chosen over all linear layers and convolutions together.

    Biases, normalisations, memories and text stay. Zeros make nothing faster in dense products; they pack well.

    Args:
        method: trained.
        share: of the weights to set to zero, in [0, 1).

    Returns:
        the copy, in evaluation mode; the zeros are part of its weights.

    Raises:
        ConfigError: ``share`` is out of range.
    """
    if not 0 <= share < 1:
        raise ConfigError(f"share of weights to prune: expected a number in [0, 1), got {share}.")
    copied = copy.deepcopy(method).eval()
    weights = [(layer, "weight") for layer in copied.modules() if isinstance(layer, nn.Linear | nn.Conv1d)]
    prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=float(share))
    for layer, name in weights:
        prune.remove(layer, name)
    return copied


def parameter_count(method: Method) -> int:
    """Numbers that training may move."""
    return sum(parameter.numel() for parameter in method.parameters())
