"""Tools of the lessons say what a hand says."""

import numpy as np
import pytest
import torch

from vad_lib.course import lesson_bags, lesson_runs
from vad_lib.course.tools import as_scored, dual_memory, frames_of, segments_reached, similarities, terms_of_a_bag, world_of_points
from vad_lib.evaluation.scored_videos import metric_on_draws
from vad_lib.metrics import frame_roc_auc


def test_a_similarity_is_the_highest_attention_of_a_small_bank():
    normal, abnormal = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 3.0]])
    points = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]])
    to_abnormal, to_normal = similarities(dual_memory(normal, abnormal), points)
    assert to_abnormal.detach().numpy() == pytest.approx(torch.sigmoid(torch.tensor([[6 / 2**0.5, 0.0]])).numpy())
    assert to_normal.detach().numpy() == pytest.approx(torch.sigmoid(torch.tensor([[2 / 2**0.5, 0.0]])).numpy())


@pytest.mark.parametrize("lamps", [0, 5])
def test_a_world_of_points_has_the_kinds_that_it_says(lamps):
    points, kinds = world_of_points(lamps, seed=1)
    assert points.shape == (20, 8, 2) and (kinds[10:] == 1).sum(axis=1).tolist() == [2] * 10
    assert (kinds == 2).sum(axis=1).tolist() == [1] * lamps + [0] * (10 - lamps) + [1] * 10
    assert not (kinds[:10] == 1).any()
    assert points[torch.tensor(kinds == 1)].mean(dim=0).numpy() == pytest.approx([-1.3, 2.7], abs=0.4)


def test_terms_reach_the_segments_that_a_hand_finds():
    logits = torch.tensor([[0.0, 2.0, 1.0, -1.0]])
    cosines = torch.tensor([[[0.4, 0.1, 0.0], [0.1, 0.5, 0.2], [0.2, 0.3, 0.4], [0.5, 0.0, 0.1]]])
    terms = terms_of_a_bag(logits, cosines, 1, 0.1)
    p = torch.softmax(cosines[0] / 0.1, dim=1)
    mixed = 0.5 * logits[0].sigmoid() + 0.5 * (1 - p[:, 0])
    assert terms["main"].item() == pytest.approx(-mixed.sort().values[-2:].mean().log().item())
    assert terms["align"].item() == pytest.approx(-p[1, 1].log().item(), rel=1e-5)
    assert segments_reached("con", logits, cosines, 1, 0.1)[0] == [1, 2]
    assert segments_reached("align", logits, cosines, 1, 0.1) == [[], [1]]
    assert segments_reached("suppression", logits, cosines, 1, 0.1) == [[], []]
    assert segments_reached("suppression", logits, cosines, 0, 0.1) == [[], [1, 2]]


def test_frames_of_an_event_lie_together():
    frames = frames_of(np.array([0.0, 0.25, 1.0, 0.5, 0.0]))
    assert np.flatnonzero(frames).tolist() == list(range(28, 56))


def test_a_scored_run_has_the_auc_of_its_frames():
    run, test = lesson_runs("proposed")[0], lesson_bags("test")
    labels = np.concatenate([frames_of(shares) for shares in test.snippet_labels])
    scored = as_scored(run, test)
    assert scored.abnormal.sum() == labels.sum() and (scored.abnormal + scored.normal == 16).all()
    once = np.ones((1, len(test.names)), dtype=int)
    expected = frame_roc_auc(labels, np.repeat(np.concatenate(run.scores), 16))
    assert metric_on_draws(scored, once, "auc")[0] == pytest.approx(expected)
