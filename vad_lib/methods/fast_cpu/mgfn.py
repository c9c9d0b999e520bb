"""Fast forms of MGFN's normalisation over channels and of its filters over time.

Shapes: S sequences (videos x crops), T segments, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.methods.fast_cpu.linear import as_image, as_sequences
from vad_lib.methods.mgfn import ChannelNorm, HeadFilters


class FastChannelNorm(ChannelNorm):
    """:class:`ChannelNorm` by torch's layer norm, which is one pass over the numbers.

    Layer norm divides by std; the factor std / (std + 1e-5) is put in afterwards. It is within 1e-5 of 1 at unit std, and
    its gradient is left out.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        scaled, _, inverse_std = torch.native_layer_norm(x, self.gain.shape, self.gain, None, self.TINY)
        return torch.addcmul(self.shift, scaled, 1 / (1 + self.STABILISER * inverse_std.detach()))


class FastHeadFilters(HeadFilters):
    """:class:`HeadFilters` with each head's filter repeated for its channels: torch is fast with one filter per channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        width = x.shape[-1]
        channels = width // self.groups
        weight, bias = self.weight.repeat(channels, 1, 1).unsqueeze(2), self.bias.repeat(channels)  # (W, 1, 1, taps), (W,)
        return as_sequences(F.conv2d(as_image(x), weight, bias, padding=(0, self.TAPS // 2), groups=width))


FORMS: dict[type, type] = {ChannelNorm: FastChannelNorm, HeadFilters: FastHeadFilters}
