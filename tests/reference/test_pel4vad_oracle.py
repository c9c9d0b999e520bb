"""PEL4VAD against known answers of the official code (outputs only), with the settings of both data sets.

The official code lets padding take part: in the attention and in the weights of the prompt term, not in the bag
scores. So ``encode`` gets the padded features here, and the prompt term a mask without padding.
"""

import numpy as np
import pytest
import torch
from both_forms import in_both_forms
from fillings import features, filling

from vad_lib.data.batches import Batch
from vad_lib.data.segments import make_segments
from vad_lib.evaluation.scoring import smoothed
from vad_lib.methods import pel4vad_layers
from vad_lib.methods.pel4vad import PEL4VAD, SPEC, XD_VIOLENCE, PEL4VADSettings
from vad_lib.storage.reading import read_array, read_arrays

# canonical order of the parameters; a third of the packed ones is a parameter of its own
CANONICAL = (
    ("log_temperature", None),
    ("attention.mixing", None),
    *((f"attention.project.{kind}", third) for third in range(3) for kind in ("weight", "bias")),
    *((name, None) for name in ("attention.merge.weight", "attention.merge.bias", "to_context.weight", "to_context.bias")),
    *((name, None) for name in ("to_hidden.weight", "to_hidden.bias", "norm.weight", "norm.bias")),
    *((name, None) for name in ("attention.prior_scale", "attention.prior_shift", "head.weight", "head.bias")),
)
SCALARS = ("log_temperature", "attention.mixing", "attention.prior_scale", "attention.prior_shift")
CATEGORIES = {"ucf": [0, 3, 0, 7], "xd": [0, 3, 0, 5]}
OPTIONS = {"ucf": {}, "xd": XD_VIOLENCE}


def inputs(kind: str) -> torch.Tensor:
    values = features(kind, (4, 20, 1024))
    values[2, 15:] = 0
    return torch.from_numpy(values.astype(np.float32))


def model(data: str, fill: str, scalars: str, text: torch.Tensor) -> PEL4VAD:
    method = PEL4VAD(PEL4VADSettings(**OPTIONS[data]), text).eval()
    named = dict(method.named_parameters())
    assert set(named) == {name for name, _ in CANONICAL}
    with torch.no_grad():
        for k, (name, third) in enumerate(CANONICAL):
            if scalars == "cfgscalars" and name in SCALARS:
                continue
            place = named[name] if third is None else named[name].chunk(3)[third]
            place.copy_(filling(fill, k, tuple(place.shape), gain=name == "norm.weight"))
    return method


@pytest.fixture(scope="module")
def answers(shared):
    return read_arrays(shared / "oracles" / "pel4vad_forward.npz")


@pytest.fixture(scope="module")
def text(shared):
    return {data: torch.from_numpy(read_array(shared / "annotations" / f"{data}-prompt.npy")).float() for data in OPTIONS}


def check(ours: torch.Tensor, known: np.ndarray) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), known, rtol=1e-4, atol=1e-5)


CASES = [(data, fill, x, scalars) for data in OPTIONS for fill in "AB" for x in "AB" for scalars in ("all", "cfgscalars")]


@in_both_forms
@pytest.mark.parametrize(("data", "fill", "x", "scalars"), CASES)
def test_as_the_official_code_computes_it(answers, text, data, fill, x, scalars, form):
    method, features = form(model(data, fill, scalars, text[data])), inputs(x)
    output = method.encode(features)
    prefix = f"{data}_fill{fill}_in{x}_{scalars}_"
    checked = {"scores", "mid"}
    check(output.logits.sigmoid(), answers[prefix + "scores"])
    check(output.context[..., ::64].transpose(1, 2), answers[prefix + "mid"])
    if scalars == "cfgscalars":
        checked |= {"loss_mil", "loss_pel", "align_logits", "align_labels"}
        targets = torch.eye(len(text[data]))[CATEGORIES[data]]
        everything, mask = torch.ones(4, 20, dtype=torch.bool), torch.ones(4, 20, dtype=torch.bool)
        mask[2, 15:] = False
        batch = Batch(features[:, None], mask, 1 - targets[:, 0], targets, tuple("abcd"))
        crops = type(output)(*(field[:, None] for field in output))
        check(method.loss(crops, batch)["main"].value, answers[prefix + "loss_mil"])
        term = method.loss(crops, batch._replace(mask=everything))["prompt"]
        check(term.value, answers[prefix + "loss_pel"])
        assert term.weight == 1
        means, categories = method.pairs(output.logits, output.context, targets, batch.video_labels, everything)
        # theirs: video by video; ours: foregrounds, then the backgrounds of videos 1 and 3
        order = [0, 1, 4, 2, 3, 5]
        check(method.prompt_logits(means, categories)[order][:, order], answers[prefix + "align_logits"])
        check(categories[order].argmax(dim=1), answers[prefix + "align_labels"])
    assert checked == {name.removeprefix(prefix) for name in answers if name.startswith(prefix)}


def test_smoothing_segments_and_nothing_left(answers):
    for key, kind, window in (("smooth_slide7", "sliding", 7), ("smooth_slide3", "sliding", 3), ("smooth_fixed8", "blocks", 8)):
        np.testing.assert_allclose(smoothed(answers["smooth_in"], kind, window), answers[key], atol=1e-6)
    picks = make_segments(np.arange(523.0)[:, None], 200, SPEC.batches["segmenting"])
    np.testing.assert_array_equal(picks.ravel(), answers["resample_idx_523_to_200"])
    prefixes = tuple(f"{data}_fill{fill}_in{x}_{scalars}_" for data, fill, x, scalars in CASES)
    left = {name for name in answers if not name.startswith(prefixes)}
    assert left == {"smooth_in", "smooth_slide7", "smooth_slide3", "smooth_fixed8", "resample_idx_523_to_200"}


@pytest.mark.parametrize(("data", "count"), [("ucf", 1_209_149), ("xd", 1_207_349)])
def test_parameter_count(text, data, count):
    method = PEL4VAD(PEL4VADSettings(**OPTIONS[data]), text[data])
    assert sum(parameter.numel() for parameter in method.parameters()) == count


def test_the_answers_would_show_a_norm_over_channels(answers, text, monkeypatch):
    """Unit norm over channels would be the usual choice; the official code takes the time axis."""
    monkeypatch.setattr(pel4vad_layers, "root_over_time", lambda x: torch.nn.functional.normalize(x.sign() * x.abs().sqrt(), dim=2))
    output = model("ucf", "B", "all", text["ucf"]).encode(inputs("B"))
    known = answers["ucf_fillB_inB_all_scores"]
    assert np.abs(output.logits.sigmoid().detach().numpy() - known).max() > 0.01
