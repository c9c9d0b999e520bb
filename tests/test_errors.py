"""Errors: a misspelt option is refused with the nearest known one, wherever it is a plain string."""

import numpy as np
import pytest
import torch

from vad_lib import losses, model
from vad_lib.data.segments import make_segments
from vad_lib.errors import ConfigError, command_line
from vad_lib.evaluation import detection, macro
from vad_lib.methods import layers, mil_losses

COSINES, REAL = torch.zeros(1, 2, 2), torch.ones(1, 2, dtype=torch.bool)
NO_EVENTS = detection.Detection(np.zeros((1, 2)), np.zeros((1, 2), dtype=int), np.zeros((1, 2), dtype=int))


@pytest.mark.parametrize(
    ("misspelt", "message"),
    [
        (lambda: macro.macro_auc({}, {}, "leave_out"), "one_class: .*got 'leave_out' .did you mean leave-out"),
        (lambda: model.semantic_score(COSINES, 0.07, "soft-max"), "semantic_score: .*did you mean softmax"),
        (
            lambda: losses.alignment_loss(COSINES, torch.eye(2)[:1], REAL, 0.07, reduction="per-frame"),
            "align_reduction: .*did you mean per_frame",
        ),
        (lambda: mil_losses.bag_ranking(torch.ones(1), torch.ones(1), "indexed"), "pairing: .*did you mean index"),
        (lambda: layers.local_decay(torch.ones(1, 1, 2, 1), torch.ones(1), "column"), "normalise: .*did you mean columns"),
        (lambda: make_segments(np.ones((2, 1)), 2, "mean"), "segmenting: .*did you mean means"),
        (lambda: detection.mean_ap(NO_EVENTS, "vadclip-code"), "convention: .*did you mean vadclip_code"),
        (lambda: detection._weighted_ap(None, np.ones((1, 1)), "abnormal"), "convention: .*did you mean abnormal_only"),
    ],
)
def test_a_misspelt_option_takes_no_other_branch(misspelt, message):
    with pytest.raises(ConfigError, match=message):
        misspelt()


def test_a_file_that_cannot_be_read_ends_a_command_with_one_line(tmp_path, capsys):
    for path, reason in ((tmp_path / ("n" * 300), "File name too long"), (tmp_path, "Is a directory")):
        assert command_line("call it again")(path.read_bytes)() == 1
        assert capsys.readouterr().err == f"error: {path}: {reason}; check the path, its permissions and the disk.\n"
