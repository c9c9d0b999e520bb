"""UR-DMU against known answers of the official code (outputs only; both ways of filling the parameters).

The plain fill has near ties in the choice of top segments (gaps down to 2e-7), and barely lets the scores
vary; the spread fill is the one that would show a wrong port. Closest choice there: 1.8e-5.
"""

from itertools import product

import numpy as np
import pytest
import torch

from vad_lib.data.batches import Batch
from vad_lib.losses import total_loss
from vad_lib.methods.fast_cpu import use_fast_forms, use_plain_forms
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings
from vad_lib.storage.reading import read_arrays

LAYER = (
    ("norm.weight", 1.0),
    ("norm.bias", 0.2),
    ("project.weight", None),
    ("merge.weight", None),
    ("merge.bias", 0.1),
    ("feed_forward.0.weight", 1.0),
    ("feed_forward.0.bias", 0.2),
    ("feed_forward.1.weight", None),
    ("feed_forward.1.bias", 0.1),
    ("feed_forward.4.weight", None),
    ("feed_forward.4.bias", 0.1),
)
# canonical order of the parameters; a scale, or None for 1.5 / sqrt(fan in)
CANONICAL = (
    ("embed.0.weight", None),
    ("embed.0.bias", 0.1),
    *((f"layers.{layer}.{name}", scale) for layer in (0, 1) for name, scale in LAYER),
    ("memory.abnormal", 1.0),
    ("memory.normal", 1.0),
    ("memory.mean_map.weight", None),
    ("memory.mean_map.bias", 0.1),
    ("memory.log_variance_map.weight", 0.3 / 512**0.5),
    ("memory.log_variance_map.bias", 0.1),
    ("memory.head_in.weight", 3.0 / 1024**0.5),
    ("memory.head_in.bias", 0.1),
    ("memory.head_out.weight", 3.0 / 128**0.5),
    ("memory.head_out.bias", 0.1),
)
LOSS_TERMS = {
    "main": "loss_cls",
    "abnormal_video_abnormal_memory": "loss_mem_abnvid_abnmem",
    "abnormal_video_normal_memory": "loss_mem_abnvid_normem",
    "normal_video_normal_memory": "loss_mem_norvid_normem",
    "normal_video_abnormal_memory": "loss_mem_norvid_abnmem",
    "triplet": "loss_triplet",
    "kl": "loss_kl",
    "magnitude": "loss_magnitude",
}


def inputs(videos: int, segments: int) -> torch.Tensor:
    b, t, d = np.ogrid[:videos, :segments, :1024]
    return torch.from_numpy(np.sin(0.11 * t + 0.013 * d + 0.7 * b).astype(np.float32))[:, None]


def fill(method: URDMU, kind: str) -> None:
    state = method.state_dict()
    assert sorted(state) == sorted(name for name, _ in CANONICAL)
    for k, (name, scale) in enumerate(CANONICAL):
        shape = state[name].shape
        j = np.arange(state[name].numel(), dtype=np.float64)
        if kind == "plain":
            values = 0.05 * np.cos(0.37 * j + 1.3 * k)
        else:
            scale = scale or 1.5 / np.sqrt(np.prod(shape[1:]))
            values = scale * np.cos(0.37 * j + 1e-5 * j**2 + 1.3 * k)
        state[name] = torch.from_numpy(values.astype(np.float32)).reshape(shape)
    method.load_state_dict(state)


@pytest.fixture(scope="module", params=list(product(["plain", "spread"], [use_plain_forms, use_fast_forms])))
def case(request, shared):
    """Filled model, its output on the four rows, and the known answers of this fill."""
    filling, form = request.param
    method = form(URDMU(URDMUSettings())).eval()
    fill(method, filling)
    arrays = read_arrays(shared / "oracles" / "ur_dmu.npz")
    prefix = filling + "__"
    answers = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    with torch.no_grad():
        output = method(inputs(4, 32))
    return method, output, answers


def check(ours: torch.Tensor, known: np.ndarray) -> None:
    np.testing.assert_allclose(ours.detach().squeeze().numpy(), np.squeeze(known), rtol=1e-4, atol=1e-5)


def test_parameter_count():
    assert sum(p.numel() for p in URDMU(URDMUSettings()).parameters()) == 6_492_929


def test_forward(case):
    method, output, answers = case
    memory = method.memory
    with torch.no_grad():
        embedded = method.embed(inputs(4, 32)[:, 0])
    encoded = output.encoded[:, 0]
    to_abnormal, to_normal = output.attention[:, 0].split(60, dim=-1)
    similarity_abnormal, similarity_normal = memory.similarity(to_abnormal), memory.similarity(to_normal)
    found = {
        "eval_score": method.scores(output)["score"],
        "eval_embed_first8": embedded[..., :8],
        "eval_embed_l2": embedded.norm(dim=-1),
        "eval_encoded_first8": encoded[..., :8],
        "eval_encoded_l2": encoded.norm(dim=-1),
        "eval_att_abn_memory": similarity_abnormal,
        "eval_att_nor_memory": similarity_normal,
        "eval_read_abn_memory_first8": (to_abnormal @ memory.abnormal)[..., :8],
        "eval_read_nor_memory_first8": (to_normal @ memory.normal)[..., :8],
        "train_att_abnvid_abnmem": similarity_abnormal[2:],
        "train_att_abnvid_normem": similarity_normal[2:],
        "train_att_norvid_normem": similarity_normal[:2],
        "train_att_norvid_abnmem": similarity_abnormal[:2],
    }
    for name, value in found.items():
        check(value, answers[name])
    with torch.no_grad():
        check(method.scores(method(inputs(1, 200)))["score"], answers["eval_score_T200"])
    unchecked = set(answers) - set(found) - set(LOSS_TERMS.values()) - {"loss_total", "eval_score_T200"}
    assert not unchecked


def test_every_loss_term(case):
    method, output, answers = case
    batch = Batch(
        inputs(4, 32),
        torch.ones(4, 32, dtype=torch.bool),
        torch.tensor([0.0, 0.0, 1.0, 1.0]),
        torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
        ("n0", "n1", "a0", "a1"),
    )
    terms = method.loss(output, batch)
    assert set(terms) == set(LOSS_TERMS)
    for name, known in LOSS_TERMS.items():
        check(terms[name].value, answers[known])
    check(total_loss(terms), answers["loss_total"])


def test_training_mode_without_noise_and_dropout_equals_evaluation(case):
    method, _output, answers = case
    quiet = URDMU(URDMUSettings(dropout=0.0, reparameterise=False)).train()
    quiet.load_state_dict(method.state_dict())
    check(quiet.scores(quiet(inputs(4, 32)))["score"], answers["eval_score"])


def test_the_spread_answers_would_show_a_wrong_mask(shared, monkeypatch):
    """Rows instead of columns normalised: the slip that the official code makes must be kept."""
    from vad_lib.methods import layers

    right = layers.local_decay
    monkeypatch.setattr(layers, "local_decay", lambda values, temperature, normalise: right(values, temperature, "rows"))
    method = URDMU(URDMUSettings()).eval()
    fill(method, "spread")
    with torch.no_grad():
        score = method.scores(method(inputs(4, 32)))["score"].numpy()
    known = read_arrays(shared / "oracles" / "ur_dmu.npz")["spread__eval_score"]
    assert np.abs(score - known).max() > 0.05
