"""The compared methods, plain and fast, against their reference forms: same scores, losses and gradients."""

import pytest
import torch
from both_forms import in_both_forms
from reference_forms import common
from reference_forms.mgfn import ReferenceMGFN
from reference_forms.pel4vad import ReferencePEL4VAD
from reference_forms.rtfm import ReferenceRTFM
from reference_forms.vadclip import ReferenceVadCLIP

from vad_lib.data.batches import Batch
from vad_lib.losses import total_loss
from vad_lib.methods.mgfn import MGFN, MGFNSettings
from vad_lib.methods.pel4vad import PEL4VAD, PEL4VADSettings
from vad_lib.methods.rtfm import RTFM, RTFMSettings
from vad_lib.methods.vadclip import VadCLIP, VadCLIPSettings

CATEGORIES = 4


def rtfm(_text):
    options = {"dropout": 0.0, "selection_dropout": 0.0}
    return RTFM(RTFMSettings(feature_dim=32, **options)), ReferenceRTFM(32, dropout=0.0), (2, 20)


def mgfn(_text):
    settings = MGFNSettings(feature_dim=32, widths=(64, 128, 256), dropped=0.0)
    return MGFN(settings), ReferenceMGFN(32, (64, 128, 256)), (2, 20)


def pel4vad(text):
    return (
        PEL4VAD(PEL4VADSettings(feature_dim=32, attention_width=8, hidden=12, dropout=0.0), text),
        ReferencePEL4VAD(text, 32, attention_width=8, hidden=12, dropout=0.0),
        (1, 20),
    )


def vadclip(text):
    settings = VadCLIPSettings(feature_dim=32, width=32, chunk=40, prompts="offset")
    return VadCLIP(settings, text), ReferenceVadCLIP(text, 32, chunk=40), (1, 40)


@pytest.mark.parametrize("build", [rtfm, mgfn, pel4vad, vadclip])
@pytest.mark.parametrize("training", [True, False])
@in_both_forms
def test_same_scores_losses_and_gradients(build, training, form, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(common, "DROPPED", 0.0)  # otherwise each form draws its own
    ours, theirs, (crops, segments) = build(torch.randn(CATEGORIES, 32))
    with torch.no_grad():  # start values of 0 and 1 would hide errors
        for parameter in ours.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    theirs.load_library(ours.state_dict())
    form(ours).train(training), theirs.train(training)

    labels = torch.tensor([0.0, 0.0, 1.0, 1.0])
    targets = torch.eye(CATEGORIES)[[0, 0, 1, 3]]
    features = torch.randn(4, crops, 1, 32) + 0.5 * torch.randn(4, crops, segments, 32)
    batch = Batch(features, torch.ones(4, segments, dtype=torch.bool), labels, targets, tuple("abcd"))
    output = ours(batch.features, batch.mask)
    torch.testing.assert_close(ours.scores(output)["score"], theirs(batch.features), rtol=1e-4, atol=1e-5)
    our_loss, their_loss = total_loss(ours.loss(output, batch)), theirs.loss(batch)
    torch.testing.assert_close(our_loss, their_loss, rtol=1e-4, atol=1e-5)
    our_loss.backward(), their_loss.backward()
    gradients = {name: value.grad for name, value in ours.named_parameters() if value.grad is not None}
    moved = theirs.from_library(ours.state_dict() | gradients)
    compared = {name: value.grad for name, value in theirs.named_parameters() if value.grad is not None}
    assert len(compared) >= len(gradients)
    for name, value in compared.items():
        atol = 1e-4 * value.abs().max().item() + 1e-8
        torch.testing.assert_close(moved[name], value, rtol=1e-3, atol=atol, msg=lambda m, name=name: f"{name}: {m}")
