"""PEL4VAD worked by hand and against loops over segments. Known answers: ``tests/reference``."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from bags import assert_crops_are_samples
from both_forms import assert_forms_agree

from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.methods.base import Method
from vad_lib.methods.pel4vad import PEL4VAD, XD_VIOLENCE, PEL4VADSettings, bag_loss, is_saturated, prompt_loss
from vad_lib.methods.pel4vad_layers import ContextAttention, root_over_time

TEXT = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 1.0]])


def small(text: torch.Tensor = TEXT, **options) -> PEL4VAD:
    return PEL4VAD(PEL4VADSettings(**{"feature_dim": 6, "attention_width": 4, "hidden": 5, **options}), text)


def batch(segments: int = 12, crops: int = 1, categories: tuple[int, ...] = (0, 0, 1, 2)) -> Batch:
    targets = torch.eye(3)[list(categories)]
    return Batch(
        torch.randn(len(categories), crops, segments, 6),
        torch.ones(len(categories), segments, dtype=torch.bool),
        1 - targets[:, 0],
        targets,
        tuple(f"v{i}" for i in range(len(categories))),
    )


# --- attention --------------------------------------------------------------------------------------
@torch.no_grad()
def by_loops(method: PEL4VAD, x: torch.Tensor) -> torch.Tensor:
    """Logits of one sequence (T, D), each segment's attention written out."""
    attention, settings = method.attention, method.settings
    query, key, value = attention.project(x).chunk(3, dim=-1)
    w, b = attention.prior_scale.item(), attention.prior_shift.item()
    share, rows = attention.mixing.sigmoid(), []
    for i in range(len(x)):
        logits = torch.tensor(
            [
                (query[i] @ key[j]).item() / math.sqrt(settings.attention_width) + math.exp(-abs(w * (i - j) ** 2 - b))
                for j in range(len(x))
            ]
        )
        near = [j for j in range(len(x)) if abs(i - j) <= settings.window // 2]
        rows.append(share * logits.softmax(0) @ value + (1 - share) * logits[near].softmax(0) @ value[near])
    attended = torch.stack(rows)
    if settings.normalise:
        attended = attended.sign() * attended.abs().sqrt()
        attended = attended / attended.norm(dim=0)
    context = F.gelu(method.to_context(method.norm(x + attention.merge(attended))))
    hidden = torch.cat([torch.zeros(settings.kernel - 1, settings.hidden), F.gelu(method.to_hidden(context))])
    taps = method.head.weight[0].T  # (kernel, hidden)
    return torch.stack([(taps * hidden[t : t + settings.kernel]).sum() for t in range(len(x))]) + method.head.bias


@pytest.mark.parametrize("options", [{}, XD_VIOLENCE, {"window": 1}])
@pytest.mark.parametrize("segments", [1, 3, 20])
def test_segment_by_segment(options, segments):
    method = small(**options).eval()
    with torch.no_grad():
        method.attention.mixing.fill_(0.7)
    x = torch.randn(2, segments, 6)
    for row, logits in zip(x, method.encode(x).logits):
        torch.testing.assert_close(logits, by_loops(method, row))


def test_attention_mixes_the_whole_video_with_the_window():
    attention = small(window=3).attention
    with torch.no_grad():
        attention.mixing.fill_(math.log(3))  # share 3/4
    weights = attention.weights(torch.zeros(1, 6, 6))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 6))
    # the first segment's window has two segments, the others' three
    assert weights[0, 0].tolist() == pytest.approx([3 / 24 + 1 / 8] * 2 + [3 / 24] * 4)
    assert weights[0, 3].tolist() == pytest.approx([3 / 24] * 2 + [3 / 24 + 1 / 12] * 3 + [3 / 24])


@pytest.mark.parametrize("window", [1, 3, 9])
@pytest.mark.parametrize("segments", [1, 3, 20])
def test_fast_attention(window, segments):
    attention = ContextAttention(12, 8, window, prior_scale=0.6, prior_shift=0.2)
    with torch.no_grad():
        attention.mixing.fill_(0.7)
    real = torch.arange(segments) < torch.tensor([[segments], [1]])
    assert_forms_agree(attention, lambda module, x: module(x, real), torch.randn(2, segments, 12).double())


@pytest.mark.parametrize("options", [{}, XD_VIOLENCE])
def test_videos_of_different_lengths_together_are_the_same_as_apart(options):
    """Padding that is no zero, and segments whose whole window is padding; gradients too."""
    method, mask = small(**options).eval(), torch.arange(30) < torch.tensor([30, 1, 7, 12])[:, None]
    features = torch.randn(4, 2, 30, 6)
    found = []
    for encode in (method.encode_uneven, partial(Method.encode_uneven, method)):
        method.zero_grad()
        output = encode(features, mask)
        sum(field.square().sum() for field in output).backward()
        gradients = (parameter.grad for parameter in method.parameters())
        found.append([*output, *(gradient for gradient in gradients if gradient is not None)])
    for together, apart in zip(*found, strict=True):
        torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, XD_VIOLENCE])
@pytest.mark.parametrize("lengths", [(30, 1, 7, 12), (5, 5, 5, 5)])
def test_fast_pel4vad(options, lengths):
    """Padding that is no zero, windows of padding alone, and no padding."""
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    features = torch.randn(4, 2, max(lengths), 6)
    assert_forms_agree(small(**options).eval(), lambda form, x: form(x, mask), features.double())


def test_root_and_norm_run_over_time():
    x = torch.tensor([[[4.0, 1.0], [-9.0, 1.0]]])
    expected = torch.tensor([[[2 / math.sqrt(13), math.sqrt(0.5)], [-3 / math.sqrt(13), math.sqrt(0.5)]]])
    torch.testing.assert_close(root_over_time(x), expected)
    still = torch.zeros(1, 3, 2, requires_grad=True)
    root_over_time(still + torch.tensor([0.0, 1.0])).sum().backward()
    assert still.grad.isfinite().all()


def test_the_head_looks_back_only_as_far_as_its_kernel():
    method = small(kernel=3).eval()
    with torch.no_grad():
        method.attention.merge.weight.zero_()  # no context: what is left is the head's
    x = torch.randn(1, 10, 6)
    changed = x.clone()
    changed[:, 4] = torch.randn(6)
    difference = (method.encode(x).logits != method.encode(changed).logits)[0]
    assert difference.nonzero().flatten().tolist() == [4, 5, 6]


def test_text_is_no_part_of_the_score():
    method, other = small().eval(), small(TEXT.flip(0)).eval()
    other.load_state_dict(method.state_dict() | {"text": other.text})
    x = torch.randn(2, 1, 7, 6)
    assert torch.equal(method.scores(method(x))["score"], other.scores(other(x))["score"])


# --- losses -----------------------------------------------------------------------------------------
def test_bags_by_hand():
    scores = torch.tensor([[0.1, 0.3, 0.2, 0.9], [0.5, 0.7, 0.2, 0.9]])
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    # the normal bag's largest real score; the two largest of the abnormal one (4 // 4 + 1)
    expected = -(math.log(1 - 0.3) + math.log((0.9 + 0.7) / 2)) / 2
    assert bag_loss(scores, torch.tensor([0.0, 1.0]), mask, divisor=4).item() == pytest.approx(expected)


def test_prompt_loss_by_hand():
    categories = torch.eye(2)
    wanted = torch.tensor([10.0, 0.0]).softmax(0)
    uniform = (wanted * (wanted.log() + math.log(2))).sum().item()
    assert prompt_loss(torch.zeros(2, 2), categories).item() == pytest.approx(uniform)
    assert prompt_loss(10 * torch.eye(2), categories).item() == pytest.approx(0, abs=1e-6)
    # half a category in common counts half
    half = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    assert prompt_loss(torch.tensor([[10.0, 5.0], [5.0, 10.0]]), half).item() == pytest.approx(0, abs=1e-6)


def test_foreground_and_background_are_weighted_by_the_scores():
    method = small()
    context = torch.eye(3)[None].repeat(2, 1, 1)  # a mean shows its weights
    logits = torch.tensor([[0.0, -1.0, 2.0], [1.0, 0.0, 3.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    means, categories = method.pairs(logits, context, torch.eye(3)[[0, 2]], torch.tensor([0.0, 1.0]), mask)
    assert means.shape == (3, 3) and categories.argmax(dim=1).tolist() == [0, 2, 0]

    def share(scores: list[float]) -> list[float]:
        weights = [math.exp(10 * s) - 1 for s in scores]
        return [weight / sum(weights) for weight in weights]

    s = logits.sigmoid().tolist()
    assert means[0].tolist() == pytest.approx([*share(s[0][:2]), 0], rel=1e-4)
    assert means[1].tolist() == pytest.approx(share(s[1]), rel=1e-4)
    assert means[2].tolist() == pytest.approx(share([1 - score for score in s[1]]), rel=1e-4)


def test_a_video_of_several_categories():
    targets, labels = torch.tensor([[0.0, 0.5, 0.5]]), torch.ones(1)
    arguments = torch.zeros(1, 2), torch.randn(1, 2, 3), targets, labels, torch.ones(1, 2, dtype=torch.bool)
    method = small()
    means, categories = method.pairs(*arguments)
    assert categories.tolist() == [[0, 0.5, 0.5], [1, 0, 0]]
    # the text of both is the mean of their rows
    prompt = F.normalize((TEXT[1] + TEXT[2]) / 2, dim=0)
    expected = F.normalize(means[0], dim=0) @ prompt / 0.09
    assert method.prompt_logits(means, categories)[0, 0].item() == pytest.approx(expected.item(), rel=1e-5)


def test_only_the_direction_of_the_text_matters_and_sharper_temperatures_spread_the_logits():
    method, longer, sharp = small().eval(), small(5 * TEXT).eval(), small(temperature=0.01).eval()
    means, categories = torch.randn(4, 3), torch.eye(3)[[0, 1, 2, 0]]
    torch.testing.assert_close(method.prompt_logits(means, categories), longer.prompt_logits(means, categories))
    torch.testing.assert_close(sharp.prompt_logits(means, categories), 9 * method.prompt_logits(means, categories))
    assert method.monitored() == pytest.approx({"tau": 0.09, "global_share": 0.5, "prior_scale": 0.6, "prior_shift": 0.2})


@pytest.mark.parametrize(
    ("level", "which", "saturated"),
    [(0.0, 2, False), (-40.0, 0, True), (-40.0, 2, True), (40.0, 2, True), (40.0, 0, False), (-200.0, 0, True)],
)
def test_saturated_scores(level, which, saturated):
    """Rows 0 and 1 are normal: their background, empty at large scores, is not used."""
    keeping, dropping, data = small(), small(saturated="zero"), batch()
    logits = torch.zeros(4, 1, 12)
    logits[which] = level
    logits.requires_grad_(True)
    assert is_saturated(logits.detach()[:, 0], data.video_labels, data.mask).item() is saturated
    output = keeping(data.features)._replace(logits=logits)
    kept, dropped = keeping.loss(output, data)["prompt"].value, dropping.loss(output, data)["prompt"].value
    assert kept.isfinite() and kept > 0
    assert dropped.item() == (0 if saturated else pytest.approx(kept.item()))
    for value in (kept, dropped):
        (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
        assert gradient.isfinite().all() and gradient.abs().max() < 100


def test_the_terms_and_their_weights():
    data = batch()
    method = small(prompt_weight=0.3)
    terms = method.loss(method(data.features), data)
    assert {name: term.weight for name, term in terms.items()} == {"main": 1.0, "prompt": 0.3}
    alone = small(prompt_weight=0.0)
    assert set(alone.loss(alone(data.features), data)) == {"main"}


def test_crops_are_samples_of_their_own_and_order_does_not_matter():
    assert_crops_are_samples(small().eval(), batch(crops=2))


def test_the_prompt_term_draws_the_foreground_to_its_text():
    method, data = small(dropout=0.0), batch()
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)

    def likeness() -> float:
        output = method(data.features)
        means, categories = method.pairs(
            output.logits[:, 0], output.context[:, 0], data.category_targets, data.video_labels, data.mask
        )
        return F.cosine_similarity(means, categories @ method.text).mean().item()

    before = likeness()
    for _ in range(30):
        optimiser.zero_grad()
        method.loss(method(data.features), data)["prompt"].value.backward()
        optimiser.step()
    assert likeness() > before + 0.1


# --- errors -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [torch.ones(3), torch.ones(1, 3), torch.tensor([[1.0], [math.nan]])])
def test_wrong_text(text):
    with pytest.raises(DataError, match="two categories or more"):
        small(text)


def test_other_categories_than_the_text_has():
    method, data = small(), batch()
    with pytest.raises(DataError, match="text features of 3 categories, the batch has 2"):
        method.loss(method(data.features), data._replace(category_targets=torch.eye(2)[[0, 0, 1, 1]]))
