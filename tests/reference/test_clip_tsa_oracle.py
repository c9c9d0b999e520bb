"""CLIP-TSA against known answers of the official code (outputs only; two ways of filling the parameters, A and B).

Fill A has matrices of rank 2 and scores with a spread of 1e-3; fill B is the one that would show a wrong port. A near
tie may flip one draw of a segment, so inclusion rates may differ by 0.02. Dropout is off everywhere.
"""

import numpy as np
import pytest
import torch
from both_forms import in_both_forms
from reference_forms import temporal_network as reference

from vad_lib import losses
from vad_lib.data.batches import Batch
from vad_lib.data.segments import segment_means
from vad_lib.losses import total_loss
from vad_lib.methods import mil_losses
from vad_lib.methods.clip_tsa import CLIPTSA, CLIPTSASettings, PerturbedTopK
from vad_lib.methods.temporal_network import SegmentNorm
from vad_lib.storage.reading import read_arrays

KAPPA = {"ucf": 0.95, "xd": 0.90}
PYRAMID = tuple(f"pyramid.{i}.{name}" for i in range(3) for name in ("weight", "bias", "gain", "shift"))
# canonical order of the network's tensors: the non-local value comes before its query and key
TEMPORAL = (
    *(*PYRAMID, "reduce.weight", "fuse.weight", "fuse.gain", "fuse.shift", "value.weight", "value.bias"),
    *("merge.weight", "merge.bias", "merge.gain", "merge.shift", "query.weight", "query.bias", "key.weight", "key.bias"),
)
DENSE = {
    "chooser.0": (256, 512),
    "chooser.2": (1, 256),
    "head.0": (128, 512),
    "head.3": (32, 128),
    "head.6": (1, 32),
    "reduction.0": (1024, 512),
    "reduction.2": (512, 1024),
}


def uniform(j: np.ndarray, k: int) -> np.ndarray:
    """2 u(j, k) - 1, the pseudo-random numbers of the answers' page."""
    z = 43758.5453 * np.sin(12.9898 * (j + 1) + 78.233 * (k + 1))
    return 2 * (z - np.floor(z)) - 1


def inputs(kind: str, sequences: int, segments: int) -> torch.Tensor:
    if kind == "A":
        b, t, d = np.ogrid[:sequences, :segments, :512]
        x = np.sin(0.11 * t + 0.013 * d + 0.7 * b)
    else:
        x = uniform(np.arange(sequences * segments * 512, dtype=np.float64), 1000).reshape(sequences, segments, 512)
    return torch.from_numpy(x.astype(np.float32))


def known_noise(draws: int, segments: int) -> torch.Tensor:
    eps = np.sqrt(3) * uniform(np.arange(draws * segments, dtype=np.float64), 77)
    return torch.from_numpy(eps.astype(np.float32)).view(1, draws, segments)


def fill(method: CLIPTSA, kind: str) -> None:
    dense = {f"{n}.{part}": s if part == "weight" else s[:1] for n, s in DENSE.items() for part in ("weight", "bias")}
    temporal = reference.shapes(512)
    order = [n for n in dense if n.startswith("chooser")] + [*TEMPORAL] + [n for n in dense if not n.startswith("chooser")]
    assert len(order) == 40 == len(dense) + len(temporal)
    tensors = {}
    for k, name in enumerate(order):
        shape = (dense | temporal)[name]
        j, gain = np.arange(np.prod(shape), dtype=np.float64), name.endswith("gain")
        if kind == "A":
            values = gain + 0.05 * np.cos(0.37 * j + 1.3 * k)
        else:
            scale = np.sqrt(3 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
            values = gain + scale * uniform(j, k)
        tensors[name] = torch.from_numpy(values.astype(np.float32)).view(shape)
    state = {f"temporal.{name}": value for name, value in reference.library_layout(tensors).items()}
    state |= {name: tensors[name] for name in dense}
    assert set(state) == {name for name, _ in method.named_parameters()}
    method.load_state_dict(state, strict=False)  # the running statistics keep their start values


def build(kind: str, kappa: float, noise: str) -> CLIPTSA:
    """A filled model with known draws: ``zero``, ``det``, or ``noTSA`` for none and no choice."""
    method = CLIPTSA(CLIPTSASettings(kappa=kappa, attention="none" if noise == "noTSA" else "perturbed")).eval()
    fill(method, kind)
    factor = 0.0 if noise == "zero" else 1.0
    method.noise = lambda sequences, length, device: factor * known_noise(100, length)
    return method


@pytest.fixture(scope="module")
def answers(shared):
    return read_arrays(shared / "oracles" / "clip_tsa_forward.npz")


def check(ours: torch.Tensor, known: np.ndarray) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), known, rtol=1e-4, atol=1e-5)


def test_every_answer_has_a_test(answers):
    starts = ("ucf_fillA", "ucf_fillB", "xd_fillA", "xd_fillB", "train_c1_", "train_c3_", "ptk_", "segments32_from")
    assert not [name for name in answers if not name.startswith(starts)]


def test_parameter_count():
    """Of the whole and of what is trained; and with I3D features, which do need the reduction."""
    parameters = list(CLIPTSA(CLIPTSASettings()).parameters())
    assert sum(p.numel() for p in parameters) == 2_728_834
    assert sum(p.numel() for p in parameters if p.requires_grad) == 2_728_834 - 1_050_112
    for dimension, count in ((1024, 3_253_122), (2048, 4_301_698)):
        parameters = list(CLIPTSA(CLIPTSASettings(feature_dim=dimension)).parameters())
        assert sum(p.numel() for p in parameters if p.requires_grad) == count


@pytest.mark.parametrize("noise", ["zero", "det", "noTSA"])
@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("dataset", KAPPA)
@in_both_forms
def test_forward(answers, dataset, kind, noise, form):
    method = form(build(kind, KAPPA[dataset], noise))
    unchecked = {name for name in answers if name.startswith(f"{dataset}_fill{kind}") and f"_{noise}_" in name}
    for x in ("A", "B"):
        with torch.no_grad():
            output = method(inputs(x, 1, 40)[None])
        found = {"scores": method.scores(output)["score"][0], "mags": output.features[0, 0].norm(dim=-1)}
        if noise != "noTSA":
            found["scorer"] = output.choice[0, 0]
            np.testing.assert_allclose(
                output.inclusion[0, 0], answers[f"{dataset}_fill{kind}_in{x}_{noise}_inclusion"], rtol=0, atol=0.02
            )
            unchecked.remove(f"{dataset}_fill{kind}_in{x}_{noise}_inclusion")
        for name, value in found.items():
            check(value, answers[f"{dataset}_fill{kind}_in{x}_{noise}_{name}"])
            unchecked.remove(f"{dataset}_fill{kind}_in{x}_{noise}_{name}")
    assert not unchecked


@pytest.mark.parametrize("crops", [1, 3])
@in_both_forms
def test_every_loss_term(answers, crops, form):
    method = form(build("B", 0.95, "det"))
    features = inputs("B", 4 * crops, 32).view(4, crops, 32, 512)
    batch = Batch(
        features,
        torch.ones(4, 32, dtype=torch.bool),
        torch.tensor([0.0, 0.0, 1.0, 1.0]),
        torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
        ("n0", "n1", "a0", "a1"),
    )
    output = method(features)
    terms = method.loss(output, batch)
    scores, magnitudes = method.scores(output)["score"], output.features.norm(dim=-1).mean(dim=1)
    bags = losses.mean_at(scores[..., None], mil_losses.largest_magnitudes(magnitudes, batch.mask, k=3))
    weighted = {name: term.value * term.weight for name, term in terms.items()}
    found = {
        "scores": scores,
        "mags": magnitudes,
        "bagscore_nor": bags[:2],
        "bagscore_abn": bags[2:],
        "loss_bce": terms["main"].value,
        "loss_magnitude": terms["magnitude"].value,
        "loss_bce_plus_mag": weighted["main"] + weighted["magnitude"],
        "loss_sparsity_weighted": weighted["sparsity"],
        "loss_smooth_weighted": weighted["smoothness"],
    }
    for name, value in found.items():
        check(value, answers[f"train_c{crops}_{name}"])
    assert {f"train_c{crops}_{name}" for name in found} == {name for name in answers if name.startswith(f"train_c{crops}_")}
    torch.testing.assert_close(total_loss(terms), sum(weighted.values()))


def test_perturbed_topk_and_its_gradient(answers):
    scores, noise = torch.from_numpy(answers["ptk_in"]).requires_grad_(), known_noise(7, 12)
    inclusion = PerturbedTopK.apply(scores, noise, 6, 0.05, True)
    inclusion.backward(torch.from_numpy(answers["ptk_upstream"]))
    check(inclusion, answers["ptk_inclusion"])
    check(scores.grad, answers["ptk_grad"])
    usual = torch.from_numpy(answers["ptk_in"]).requires_grad_()
    PerturbedTopK.apply(usual, noise, 6, 0.05, False).backward(torch.from_numpy(answers["ptk_upstream"]))
    assert (usual.grad - scores.grad).abs().max() > 0.1 * scores.grad.abs().max()


@pytest.mark.parametrize("length", [100, 20])
def test_cutting_into_32_segments(answers, length):
    segments = segment_means(np.arange(length, dtype=np.float64)[:, None], 32)[:, 0]
    np.testing.assert_allclose(segments, answers[f"segments32_from{length}"], rtol=1e-6)


def test_the_answers_would_show_a_missing_choice_and_a_norm_before_the_relu(answers, monkeypatch):
    known = answers["xd_fillB_inB_det_scores"]
    x = inputs("B", 1, 40)[None]
    with torch.no_grad():
        bypassed = build("B", 0.90, "noTSA")
        assert np.abs(bypassed.scores(bypassed(x))["score"][0].numpy() - known).max() > 1e-3
        right = SegmentNorm.forward
        monkeypatch.setattr(SegmentNorm, "forward", lambda self, values: right(self, values).relu())
        method = build("B", 0.90, "det")
        assert np.abs(method.scores(method(x))["score"][0].numpy() - known).max() > 1e-2
