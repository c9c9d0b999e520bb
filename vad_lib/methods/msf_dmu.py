"""MSF-DMU: multi-scale fusion and dual memory units (Zhang, Zhao, Kong and Wang 2026), the paper's baseline.

DOI 10.20165/j.cnki.ISSN1673-629X.2025.0286. Only the abstract is public: the parts are the authors', their
inside is a reconstruction on the ground of UR-DMU, chosen so that every part can be switched back to it.

symbol        here                       shape
X             features                   (S, T, D)
h             encoded                    (S, T, W)
beta          position_logit, a sigmoid  (H,), share of the position codes in the keys
tau           log_temperature, its exp   (H,), steps, of the distance decay
a             attention                  (S, T, 2M), abnormal memory first

S sequences (videos x crops), T segments, D feature width, W encoder width, H heads, M prototypes.

How it differs from the others. It is UR-DMU with another encoder:

- MSTF, dilated convolutions (three by default) with weights per time step, in place of UR-DMU's single convolution;
- DPAM, attention with position codes and a learnable distance decay, in place of UR-DMU's layer;
- a channel gate where DPAM's two branches are merged;
- memories, uncertainty, head and losses as in UR-DMU.

With ``context="causal"`` (:mod:`vad_lib.methods.causal`; no paper has this form) no segment sees a later one.
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from vad_lib.methods.base import MethodSpec
from vad_lib.methods.causal import CausalFusion, CausalPositionAttention
from vad_lib.methods.layers import MultiScaleFusion, PositionAttentionLayer
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings, decay_groups

# weight decay would pull beta to 1/2, the decay temperature to 1 and the gates half shut
UNDECAYED = ("position_logit", "log_temperature", "gate.reduce.bias", "gate.expand.bias")


class MSFDMUSettings(URDMUSettings):
    """Settings of MSF-DMU; the paper gives none beyond those of UR-DMU."""

    dilations: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 2, 4), min_length=1, description="of MSTF's convolutions, segments from one of three taps to the next"
    )
    position: Literal["scaled", "raw"] = Field("scaled", description="position codes of j * 200 / T, or of j")
    context: Literal["full", "causal"] = Field("full", description="segments see the whole video, or none that comes later")
    lookback: int = Field(200, ge=1, description="segments that causal attention sees: the present one and those before it")


class MSFDMU(URDMU):
    """MSF-DMU as reconstructed.

    Args:
        settings: frozen settings.
    """

    settings: MSFDMUSettings

    def _build_embedding(self) -> nn.Module:
        fusion = CausalFusion if self.settings.context == "causal" else MultiScaleFusion
        return fusion(self.settings.feature_dim, self.settings.width, self.settings.dilations)

    def _build_layer(self) -> nn.Module:
        settings = self.settings
        sizes = (settings.width, settings.heads, settings.dropout, settings.position)
        if settings.context == "causal":
            return CausalPositionAttention(*sizes, settings.lookback)
        return PositionAttentionLayer(*sizes)

    def monitored(self) -> dict[str, float]:
        """Mean over heads of each layer's position share beta and decay temperature (steps)."""
        values = {}
        for number, layer in enumerate(self.layers, start=1):
            values[f"beta_layer{number}"] = layer.get_parameter("position_logit").sigmoid().mean().item()
            values[f"decay_steps_layer{number}"] = layer.get_parameter("log_temperature").exp().mean().item()
        return values

    def parameter_groups(self, weight_decay: float) -> list[dict]:
        return decay_groups(self, weight_decay, UNDECAYED)


# A dilation of 4 reaches over 9 segments: 9 of 200 in the paper, but more than half of a video that is cut into 16.
SIXTEEN_SEGMENTS = {"dilations": [1, 1, 1]}
OF_PROFILE = {"quick": SIXTEEN_SEGMENTS, "study": SIXTEEN_SEGMENTS}

# its authors' training settings are not known; the paper's stand in the profile
SPEC = MethodSpec(
    name="msf-dmu",
    title="MSF-DMU",
    paper="Zhang, Zhao, Kong and Wang, 2026",
    idea="several time scales before and inside the encoder of UR-DMU, mixed step by step",
    settings=MSFDMUSettings,
    build=lambda settings, _: MSFDMU(settings),
    question="context",
    builds_on=("ur-dmu",),
    of_profile=OF_PROFILE,
)
