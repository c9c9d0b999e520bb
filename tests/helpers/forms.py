"""Both forms of a module: plain, and fast for processors."""

import copy

import pytest
import torch
from torch import Tensor, nn

from vad_lib.methods.fast_cpu import use_fast_forms, use_plain_forms

in_both_forms = pytest.mark.parametrize("form", [use_plain_forms, use_fast_forms], ids=["plain", "fast"])


def assert_fast_is_plain(module: nn.Module, x: Tensor, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Both forms return the same, have the same gradients and change their buffers alike, in training and in evaluation mode."""
    assert type(use_fast_forms(copy.deepcopy(module))) is not type(module), f"{type(module).__name__} has no fast form"
    for training in (True, False):
        found = []
        for form in (use_plain_forms, use_fast_forms):
            model, inputs = form(copy.deepcopy(module)).train(training), x.clone().requires_grad_()
            out = model(inputs)
            names, parameters = zip(*model.named_parameters())
            upstream = torch.linspace(-1, 2, out.numel()).view(out.shape)
            gradients = torch.autograd.grad(out, [inputs, *parameters], upstream)
            named = zip(("x", *names), gradients)
            found.append({"output": out, **dict(model.named_buffers()), **{f"gradient of {name}": value for name, value in named}})
        plain, fast = found
        assert plain.keys() == fast.keys()
        for name, value in plain.items():
            torch.testing.assert_close(fast[name], value, rtol=rtol, atol=atol, msg=lambda m, name=name: f"{name}: {m}")
