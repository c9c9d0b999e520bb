"""Settings of methods that are refused, with the name of the setting in the message."""

import pytest

from vad_lib.errors import ConfigError
from vad_lib.methods.bn_svp import BNSVPSettings
from vad_lib.methods.clip_tsa import CLIPTSASettings
from vad_lib.methods.mgfn import MGFNSettings
from vad_lib.methods.pel4vad import PEL4VADSettings
from vad_lib.methods.rtfm import RTFMSettings
from vad_lib.methods.sultani_mil import SultaniMILSettings
from vad_lib.methods.ur_dmu import URDMUSettings
from vad_lib.methods.vadclip import VadCLIPSettings
from vad_lib.model import ProposedSettings

WRONG = {
    BNSVPSettings: [
        {"partition": "hmm"},
        {"choice": "top"},
        {"percentile": 101.0},
        {"across": 1.5},
        {"length_scale": 0.0},
        {"scenes": 0},
        {"sweeps": 0},
        {"stickiness": -1.0},
    ],
    CLIPTSASettings: [
        {"width": 18},
        {"kappa": 0.0},
        {"kappa": 1.1},
        {"draws": 0},
        {"noise_scale": 0.0},
        {"gradient": "own"},
        {"most_chosen": 0},
    ],
    MGFNSettings: [
        {"widths": (64, 100, 1024)},
        {"widths": (0, 128, 1024)},
        {"widths": (64, 128)},
        {"blocks": (3, 0, 2)},
        {"kept": 0},
        {"dropped": 1.0},
        {"contrast": "both"},
        {"feature_dim": 0},
    ],
    PEL4VADSettings: [
        {"window": 8},
        {"kernel": 0},
        {"dropout": 1.0},
        {"temperature": 0.0},
        {"labels": "second"},
        {"saturated": "nan"},
        {"prompt_weight": -1.0},
    ],
    RTFMSettings: [{"feature_dim": 10}, {"feature_dim": 2}, {"selected": 0}, {"margin": 0.0}, {"dropout": 1.0}, {"sparsity": "l1"}],
    SultaniMILSettings: [{"dropout": 1.0}, {"pairing": "some"}, {"sparsity": -1.0}, {"start": "zeros"}, {"bottleneck": 0}],
    URDMUSettings: [{"width": 36}, {"width": 24, "heads": 8}, {"dropout": 1.0}, {"losses": "some"}, {"topk_divisor": 1}],
    VadCLIPSettings: [
        {"width": 9},
        {"chunk": 100},
        {"prompts": "words"},
        {"score": "both"},
        {"temperature": 0.0},
        {"distance_graph": "rows"},
        {"distance_scale": 0.0},
        {"summary": "mean"},
        {"similarity_threshold": 1.5},
        {"contrast_weight": -0.1},
    ],
    ProposedSettings: [{"temperature": 0.0}, {"align_ratio": 0.0}, {"lambda_cls": -1.0}, {"modulation": "some"}],
}


@pytest.mark.parametrize(("settings", "wrong"), [(settings, wrong) for settings in WRONG for wrong in WRONG[settings]])
def test_wrong_settings(settings, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        settings(**wrong)
