"""Fast forms of the layers for training and scoring on a processor: the same models, the same weights, less time.

What is swapped. The models of :mod:`vad_lib.methods` are written plainly. :func:`use_fast_forms` goes over the modules of a
model and changes the class of those that have a fast form: a subclass of the plain module that overrides ``forward`` or
single methods. Parameters, their names, their start values and the state dict stay as they are.

Why the numbers agree. Every fast form computes the same formula in another order, or by another routine of torch, so
results differ in the last digits only; a test per form compares outputs and gradients. Dropout is the exception: it
draws other random numbers, with a probability rounded to a multiple of 1/256.

How to switch it off. Set ``fast_cpu=False`` in the training settings, or leave the call out. Models on a GPU keep their
plain forms.

Each submodule has a table ``FORMS`` of plain classes and their fast ones; here they are put together.
"""

from typing import TypeVar

from torch import nn

from vad_lib.methods.fast_cpu import (
    attention,
    convolution,
    dual_memory,
    linear,
    mgfn,
    pel4vad,
    sultani_mil,
    temporal_network,
    vadclip,
)

Model = TypeVar("Model", bound=nn.Module)
_MODULES = (attention, convolution, dual_memory, linear, mgfn, pel4vad, sultani_mil, temporal_network, vadclip)
FAST: dict[type, type] = {plain: fast for module in _MODULES for plain, fast in module.FORMS.items()}


def use_fast_forms(model: Model) -> Model:
    """Swap every module that has a fast form; the model itself is changed.

    Args:
        model: any module on a CPU, before or after loading weights.

    Returns:
        ``model``.
    """
    for module in model.modules():
        module.__class__ = FAST.get(type(module), type(module))
    return model


def use_plain_forms(model: Model) -> Model:
    """Undo :func:`use_fast_forms`, for example before a graph is exported or the model goes to a GPU.

    Args:
        model: any module.

    Returns:
        ``model``.
    """
    plain = {fast: slow for slow, fast in FAST.items()}
    for module in model.modules():
        module.__class__ = plain.get(type(module), type(module))
    return model
