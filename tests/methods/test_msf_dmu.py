"""MSF-DMU: size, what it shares with UR-DMU, and which parameters escape weight decay."""

import pytest
import torch

from vad_lib.errors import ConfigError
from vad_lib.methods.msf_dmu import MSFDMU, MSFDMUSettings


def small(**options) -> MSFDMU:
    return MSFDMU(MSFDMUSettings(feature_dim=12, width=32, **options))


def test_parameter_count():
    assert sum(p.numel() for p in MSFDMU(MSFDMUSettings()).parameters()) == 7_939_988


def test_start_values():
    assert small().monitored() == pytest.approx(
        {"beta_layer1": 0.0998, "beta_layer2": 0.0998, "decay_steps_layer1": 2.7183, "decay_steps_layer2": 2.7183}, abs=1e-4
    )


def test_scalars_and_gate_biases_escape_weight_decay():
    method = small()
    decayed, bare = method.parameter_groups(0.1)
    assert (decayed["weight_decay"], bare["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    ends = ("position_logit", "log_temperature", "gate.reduce.bias", "gate.expand.bias")
    assert sorted(names[id(p)] for p in bare["params"]) == sorted(f"layers.{n}.{end}" for n in (0, 1) for end in ends)
    assert len(decayed["params"]) + len(bare["params"]) == len(names)


def test_scaled_positions_make_a_slowed_video_look_alike():
    """Attention sees where in the video it is, not how many snippets the video has."""
    raw, scaled = small(position="raw").eval(), small(position="scaled").eval()
    scaled.load_state_dict(raw.state_dict())
    at_training_length = torch.randn(1, 1, 200, 12)
    torch.testing.assert_close(raw(at_training_length).logits, scaled(at_training_length).logits)
    longer = torch.randn(1, 1, 400, 12)
    assert not torch.allclose(raw(longer).logits, scaled(longer).logits)


def test_unknown_setting():
    with pytest.raises(ConfigError, match="window"):
        MSFDMUSettings(window=3)
