"""Modules in their plain form and in their fast form for processors: same outputs and gradients, up to rounding."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vad_lib.methods.fast_cpu import FAST, use_fast_forms, use_plain_forms

in_both_forms = pytest.mark.parametrize("form", [use_plain_forms, use_fast_forms], ids=["plain", "fast"])


def assert_forms_agree(module: nn.Module, call: Callable[[Any, Tensor], Tensor | tuple], inputs: Tensor) -> None:
    """Outputs, buffers and all gradients agree; the class itself has a fast form of the same state dict.

    Args:
        module: plain, in evaluation mode where chance plays a part.
        call: what to do with the module and the inputs.
        inputs: float64, where rounding is far below any error, or float32; the module is moved to their type.
    """
    module = copy.deepcopy(module).to(inputs.dtype)
    fast = use_fast_forms(copy.deepcopy(module))
    assert type(fast) is FAST[type(module)] and type(fast) is not type(module)
    assert list(fast.state_dict()) == list(module.state_dict())
    found = []
    for form in (module, fast):
        form.zero_grad()
        x = inputs.clone().requires_grad_()
        outputs = call(form, x)
        outputs = tuple(outputs) if isinstance(outputs, tuple) else (outputs,)
        weights = torch.Generator().manual_seed(0)
        sum((output * torch.randn(output.shape, generator=weights)).sum() for output in outputs).backward()
        gradients = {name: parameter.grad for name, parameter in form.named_parameters() if parameter.grad is not None}
        numbered = {f"output {i}": output.detach() for i, output in enumerate(outputs)}
        found.append({**numbered, "inputs": x.grad, **gradients, **dict(form.named_buffers())})
    assert list(found[0]) == list(found[1])
    rtol, atol = (1e-7, 1e-9) if inputs.dtype == torch.float64 else (1e-4, 1e-5)
    for name, plain in found[0].items():
        scale = max(1.0, plain.abs().max().item())
        torch.testing.assert_close(found[1][name], plain, rtol=rtol, atol=atol * scale, msg=lambda m, name=name: f"{name}: {m}")
