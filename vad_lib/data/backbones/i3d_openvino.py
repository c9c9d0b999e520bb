"""I3D in bf16 by OpenVINO, for processors that compute in bf16: about half the time of PyTorch's float32.

The network is built of OpenVINO's own operations, whose padding has the rule of TensorFlow's SAME as an option, from the
folded weights of :class:`~vad_lib.data.backbones.i3d.I3D`. The package is an extra: ``pip install -e ".[openvino]"``.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vad_lib.data.backbones.i3d import I3D, POOLS_BEFORE, Mixed, Unit
from vad_lib.errors import ConfigError

if TYPE_CHECKING:
    import openvino

BACKBONE = "i3d-kinetics400-openvino-bf16"


class I3DOpenVINO(I3D):
    """The features of an :class:`I3D` on the CPU, with products of bf16 numbers summed in float32.

    Takes as many threads as torch has in this process when it is made. Several threads may call one network.

    Attributes:
        backbone: its name in feature contracts, another than that of float32 features.
    """

    backbone: ClassVar = BACKBONE

    def __init__(self, network: I3D) -> None:
        """Build and compile the network.

        Args:
            network: with weights, on the CPU; it is left as it is.

        Raises:
            ConfigError: OpenVINO is not installed, or this processor has no bf16.
        """
        torch.nn.Module.__init__(self)  # without a second set of weights
        self.classifier, self.weights_sha256, self.weights_note = network.classifier, network.weights_sha256, network.weights_note
        try:  # here, because few need it
            import openvino
        except ImportError as error:
            raise ConfigError(
                'the engine openvino-bf16 needs the package openvino: pip install -e ".[openvino]", or choose the engine torch.'
            ) from error
        core = openvino.Core()
        offered = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "BF16" not in offered:
            raise ConfigError(
                "the engine openvino-bf16 needs a processor that computes in bf16 (avx512_bf16 or amx_bf16), this one offers "
                f"{', '.join(offered)}; choose the engine torch."
            )
        self._compiled = core.compile_model(openvino_model(network), "CPU", compiling("bf16"))

    @torch.inference_mode()
    def forward(self, snippets: Tensor) -> Tensor:
        """Features of snippets.

        Args:
            snippets: float32 (B, 3, T, H, W) on the CPU, RGB in [-1, 1]; T, H, W from 16, 32, 32 up.

        Returns:
            float32 (B, 1024), not negative.
        """
        # a request of its own for each call: two threads cannot share one
        return torch.from_numpy(self._compiled.infer_new_request([snippets.numpy()])[0])


def compiling(precision: str) -> dict[str, Any]:
    """Properties that a network is compiled with, for ``bf16`` or ``f32``."""
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # pinned threads of several processes would all wait for the same first cores
        "ENABLE_CPU_PINNING": False,
    }


def openvino_model(network: I3D) -> "openvino.Model":
    """A network as OpenVINO's operations: float32 (B, 3, T, H, W) in [-1, 1], any B, T, H and W, to features (B, 1024)."""
    import openvino
    from openvino import opset1 as ops

    def unit(x: Any, layer: Unit) -> Any:
        kernel, bias = (ops.constant(value.numpy()) for value in (layer.weight.contiguous(), layer.bias.view(-1, 1, 1, 1)))
        # where the padding is SAME the explicit one, of zeros here, is not used
        return ops.relu(ops.convolution(x, kernel, [layer.stride] * 3, [0] * 3, [0] * 3, [1] * 3, "same_upper") + bias)

    def max_pool(x: Any, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Any:
        return ops.max_pool(x, [*stride], [0] * 3, [0] * 3, [*kernel], auto_pad="same_upper")

    def mixed(x: Any, block: Mixed) -> Any:
        branches = [unit(x, block.b0), unit(unit(x, block.b1a), block.b1b), unit(unit(x, block.b2a), block.b2b)]
        return ops.concat([*branches, unit(max_pool(x, (3, 3, 3), (1, 1, 1)), block.b3b)], 1)

    snippets = x = ops.parameter([-1, 3, -1, -1, -1], np.float32)
    for name, layer in network.trunk.items():
        if name in POOLS_BEFORE:
            x = max_pool(x, *POOLS_BEFORE[name])
        if isinstance(layer, Unit):
            x = unit(x, layer)
        elif isinstance(layer, Mixed):
            x = mixed(x, layer)
    return openvino.Model([ops.reduce_mean(x, [2, 3, 4])], [snippets], "i3d")
