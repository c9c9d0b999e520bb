"""VadCLIP's vision side against known answers of the official code (outputs only), with the settings of both data sets.

In place of CLIP's texts stand numbers by a formula. Positions behind the first video's 200 segments are checked too:
they belong to the chunk, which is always 256 long.
"""

import math

import numpy as np
import pytest
import torch
from both_forms import in_both_forms
from fillings import features, filling

from vad_lib.data.batches import Batch
from vad_lib.data.segments import make_segments
from vad_lib.methods import vadclip
from vad_lib.methods.vadclip import SPEC, XD_VIOLENCE, VadCLIP, VadCLIPSettings
from vad_lib.methods.vadclip_layers import distance_graph, similarity_graph
from vad_lib.storage.reading import read_arrays

FEED_FORWARD = ("up.weight", "up.bias", "down.weight", "down.bias")
LAYER = (
    *("project.weight", "project.bias", "merge.weight", "merge.bias", "attention_norm.weight", "attention_norm.bias"),
    *(f"feed_forward.{name}" for name in FEED_FORWARD),
    *("feed_forward_norm.weight", "feed_forward_norm.bias"),
)
GRAPH = ("0.weight", "0.residual.weight", "0.residual.bias", "1.weight")


def canonical(layers: int) -> list[str]:
    """Names in the canonical order of the parameters."""
    return [
        *(f"layers.{layer}.{name}" for layer in range(layers) for name in LAYER),
        *(f"{graph}.{name}" for graph in ("similar", "near") for name in GRAPH),
        *("unused", "merge.weight", "merge.bias"),
        *(f"{branch}.{name}" for branch in ("text_forward", "score_forward") for name in FEED_FORWARD),
        *("classifier.weight", "classifier.bias", "positions", "tokens"),
    ]


OPTIONS = {"ucf": {}, "xd": XD_VIOLENCE}
TARGETS = {"ucf": [[0], [3]], "xd": [[0], [3, 5]]}
COUNTS = {"ucf": (14, 47, 12_642_306), "xd": (7, 35, 9_489_922)}
LENGTHS = (200, 256)


def inputs(kind: str) -> torch.Tensor:
    values = features(kind, (2, 256, 512))
    values[0, 200:] = 0
    return torch.from_numpy(values.astype(np.float32))


def model(data: str, fill: str) -> VadCLIP:
    categories = COUNTS[data][0]
    method = VadCLIP(VadCLIPSettings(**OPTIONS[data]), torch.ones(categories, 512))
    named, names = dict(method.named_parameters()), canonical(method.settings.layers)
    assert set(named) == set(names) and len(names) == COUNTS[data][1]
    c, d = np.ogrid[:categories, :512]
    with torch.no_grad():
        for k, name in enumerate(names):
            named[name].copy_(filling(fill, k, tuple(named[name].shape), gain="norm.weight" in name, spread=0.5))
        method.encoded_text.copy_(torch.from_numpy(np.sin(0.21 * c + 0.017 * d + 0.5 * c * np.cos(0.3 * d))))
    return method.eval()


@pytest.fixture(scope="module")
def answers(shared):
    return read_arrays(shared / "oracles" / "vadclip_vision_forward.npz")


def check(ours: torch.Tensor, known: np.ndarray, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), known, rtol=1e-4, atol=atol)


CASES = [(data, fill, x) for data in OPTIONS for fill in "AB" for x in "AB"]


@pytest.mark.slow
@in_both_forms
@pytest.mark.parametrize(("data", "fill", "x"), CASES)
def test_as_the_official_code_computes_it(answers, data, fill, x, form):
    method, features = form(model(data, fill)), inputs(x)
    temperature, prefix = method.temperature, f"{data}_fill{fill}_in{x}_"
    with torch.no_grad():
        mask = torch.arange(256) < torch.tensor(LENGTHS)[:, None]
        chunks = method.windows(features, mask)
        visual = method.graphs(chunks, mask)
        logits, alignment = method.branches(visual, method.category_text())
        output = method(features[:, None], mask)
    targets = torch.zeros(2, COUNTS[data][0])
    for row, categories in zip(targets, TARGETS[data]):
        row[categories] = 1 / len(categories)
    terms = method.loss(output, Batch(features[:, None], mask, 1 - targets[:, 0], targets, ("a", "b")))
    found = {
        "temporal": chunks[:, ::8, ::32],
        "visual": visual[:, ::8, ::32],
        "logits1": logits,
        "logits2": (alignment / temperature)[:, ::4],
        "prob_class": logits.sigmoid(),
        "prob_align": 1 - (alignment / temperature).softmax(dim=-1)[..., 0],
        "loss_bce": terms["main"].value,
        "loss_align": terms["align"].value,
        "loss_text_unweighted": terms["contrast"].value,
    }
    assert set(found) == {name.removeprefix(prefix) for name in answers if name.startswith(prefix)}
    # fill A has two pairs of segments at the similarity threshold and nearly constant logits: known to 1e-4 only
    atol = {"A": 1e-4, "B": 1e-5}[fill]
    for name, value in found.items():
        check(value, answers[prefix + name], atol)
    # what evaluation sees is the same, cut to the segments
    kind = {"ucf": "prob_class", "xd": "prob_align"}[data]
    for row, length in enumerate(LENGTHS):
        check(method.scores(output)["score"][row, :length], answers[prefix + kind][row, :length], atol)


def test_graphs_segments_and_nothing_left(answers):
    x, real = torch.from_numpy(answers["sim_adj_in"])[None], (torch.arange(12) < 9)[None]
    check(similarity_graph(x, real)[0], answers["sim_adj_T12_len9"])
    check(distance_graph(12, math.e), answers["dist_adj_T12"])
    bins = make_segments(np.arange(300.0)[:, None], 256, SPEC.batches["segmenting"]).ravel()
    np.testing.assert_allclose(bins, answers["resample_300_to_256"], rtol=1e-6)
    prefixes = tuple(f"{data}_fill{fill}_in{x}_" for data, fill, x in CASES)
    left = {name for name in answers if not name.startswith(prefixes)}
    assert left == {"sim_adj_in", "sim_adj_T12_len9", "dist_adj_T12", "resample_300_to_256"}


@pytest.mark.parametrize("data", OPTIONS)
def test_parameter_count(data):
    method = VadCLIP(VadCLIPSettings(**OPTIONS[data]), torch.ones(COUNTS[data][0], 512))
    assert sum(parameter.numel() for parameter in method.parameters()) == COUNTS[data][2]


def test_the_answers_would_show_normalised_distances(answers, monkeypatch):
    """The paper's distance graph has rows that sum to 1; the official code's has not."""
    monkeypatch.setattr(vadclip, "distance_graph", lambda length, scale, kind: distance_graph(length, scale, "softmax"))
    method, features = model("ucf", "B"), inputs("B")[1:]
    logits = method(features[:, None]).logits[0, 0].detach().numpy()
    assert np.abs(logits - answers["ucf_fillB_inB_logits1"][1]).max() > 0.01
