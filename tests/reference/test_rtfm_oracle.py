"""RTFM against known answers of the official code (outputs only; both ways of filling the parameters).

With the plain fill every matrix has rank 2 and the scores vary by 2e-4 only; the spread fill is the one that would
show a wrong port. Dropout is off everywhere, so the three segments are those of largest norm.
"""

import numpy as np
import pytest
import torch
from both_forms import in_both_forms
from reference_forms import temporal_network as reference

from vad_lib.data.batches import Batch
from vad_lib.losses import total_loss
from vad_lib.methods import mil_losses
from vad_lib.methods.rtfm import RTFM, RTFMSettings
from vad_lib.methods.temporal_network import NonLocalBlock
from vad_lib.storage.reading import read_arrays

# scales of the spread fill; a weight that is not named has 1.5 / sqrt(fan in)
SCALES = {"gain": 1.0, "shift": 0.2, "bias": 0.1}
HEAD = {"head.0": (512, 2048), "head.3": (128, 512), "head.6": (1, 128)}
CASES = {"infer10": (1, 10, 32), "infer1T50": (1, 1, 50), "pair": (4, 10, 32)}
PAIR_ONLY = (
    *("score_abn", "score_nor", "feat_abn_meanl2", "feat_nor_meanl2"),
    *("loss_cls", "loss_magnitude", "loss_smooth", "loss_sparsity", "loss_total"),
)


def inputs(videos: int, crops: int, segments: int) -> torch.Tensor:
    b, t, d = np.ogrid[: videos * crops, :segments, :2048]
    x = np.sin(0.11 * t + 0.013 * d + 0.7 * b).astype(np.float32)
    return torch.from_numpy(x).view(videos, crops, segments, 2048)


def fill(method: RTFM, kind: str) -> None:
    shapes = reference.shapes(2048)
    for name, shape in HEAD.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    tensors = {}
    for k, (name, shape) in enumerate(shapes.items()):
        j = np.arange(np.prod(shape), dtype=np.float64)
        if kind == "plain":
            values = 0.05 * np.cos(0.37 * j + 1.3 * k)
        else:
            scale = SCALES.get(name.split(".")[-1]) or (6.0 if name == "head.6.weight" else 1.5) / np.sqrt(np.prod(shape[1:]))
            values = scale * np.cos(0.37 * j + 1e-5 * j**2 + 1.3 * k)
        tensors[name] = torch.from_numpy(values.astype(np.float32)).view(shape)
    state = {f"temporal.{name}": value for name, value in reference.library_layout(tensors).items()}
    state |= {name: value for name, value in tensors.items() if name.startswith("head")}
    assert set(state) == {name for name, _ in method.named_parameters()}
    method.load_state_dict(state, strict=False)  # the running statistics keep their start values


@pytest.fixture(scope="module", params=["plain", "spread"])
def case(request, shared):
    """Filled model and the known answers of this fill."""
    method = RTFM(RTFMSettings()).eval()
    fill(method, request.param)
    arrays = read_arrays(shared / "oracles" / "rtfm.npz")
    prefix = request.param + "__"
    return method, {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def check(ours: torch.Tensor, known: np.ndarray) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), known, rtol=1e-4, atol=1e-5)


def test_parameter_count():
    assert sum(p.numel() for p in RTFM(RTFMSettings()).parameters()) == 24_718_849


@pytest.mark.slow
@in_both_forms
def test_forward_and_every_loss_term(case, form):
    method, answers = form(case[0]), case[1]
    checked = set()
    for name, shape in CASES.items():
        with torch.no_grad():
            output = method(inputs(*shape))
        magnitudes = output.features.norm(dim=-1).mean(dim=1)
        top = mil_losses.largest_magnitudes(magnitudes, torch.ones_like(magnitudes, dtype=torch.bool), k=3)
        scores = method.scores(output)["score"]
        found = {
            "score": scores,
            "magnitude": magnitudes,
            "fused_first8": output.features[:, :1, :, :8],
            "top3_by_magnitude": top.indices,
        }
        if name == "pair":
            batch = Batch(
                inputs(*shape),
                torch.ones(4, 32, dtype=torch.bool),
                torch.tensor([0.0, 0.0, 1.0, 1.0]),
                torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
                ("n0", "n1", "a0", "a1"),
            )
            terms = method.loss(output, batch)
            bags = scores.gather(1, top.indices).mean(dim=1)
            norms = mil_losses.selected_norms(output.features, top)
            found |= {
                "score_nor": bags[:2],
                "score_abn": bags[2:],
                "feat_nor_meanl2": norms[:2].T.flatten(),  # crop by crop
                "feat_abn_meanl2": norms[2:].T.flatten(),
                "loss_cls": terms["main"].value,
                "loss_magnitude": terms["magnitude"].value,
                "loss_smooth": terms["smoothness"].value * terms["smoothness"].weight,
                "loss_sparsity": terms["sparsity"].value * terms["sparsity"].weight,
                "loss_total": total_loss(terms),
            }
            assert set(PAIR_ONLY) < set(found) and len(terms) == 4
        for key, value in found.items():
            check(value, answers[f"{name}__{key}"])
            checked.add(f"{name}__{key}")
    assert checked == set(answers)


def test_the_spread_answers_would_show_a_softmax(shared, monkeypatch):
    def with_softmax(self, query, key, value):
        return (query @ key.mT).softmax(dim=-1) @ value

    monkeypatch.setattr(NonLocalBlock, "mix", with_softmax)
    method = RTFM(RTFMSettings()).eval()
    fill(method, "spread")
    with torch.no_grad():
        score = method.scores(method(inputs(1, 1, 50)))["score"].numpy()
    known = read_arrays(shared / "oracles" / "rtfm.npz")["spread__infer1T50__score"]
    assert np.abs(score - known).max() > 0.05
