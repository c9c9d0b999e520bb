"""Which segments stand for a video: best of every scene and greedy choice, by hand and against all subsets."""

import itertools

import numpy as np
import pytest
import torch

from vad_lib.methods.segment_choice import bag_scores, facility_location, graded_similarity

SCORES = torch.tensor([[0.1, 0.9, 0.3, 0.8, 0.5, 0.2]])
REAL = torch.ones(1, 6, dtype=torch.bool)


def test_best_of_every_scene_worked_by_hand():
    """35th percentile of six: place 1.75, 0.2 + 0.75 x 0.1 = 0.275; left are 0.9, 0.3, 0.8 and 0.5."""
    scenes = torch.tensor([[0, 0, 1, 2, 2, 3]])
    assert bag_scores(SCORES, scenes, REAL, 0.35).item() == pytest.approx((0.9 + 0.3 + 0.8) / 3)  # scene 3 has no segment left
    assert bag_scores(SCORES, scenes, REAL, 0.0).item() == pytest.approx((0.9 + 0.3 + 0.8 + 0.2) / 4)


def test_one_scene_gives_the_maximum():
    scores = torch.rand(5, 20)
    torch.testing.assert_close(bag_scores(scores, torch.zeros(5, 20).long(), torch.ones(5, 20).bool(), 0.35), scores.amax(dim=1))


def test_a_scene_for_each_segment_gives_the_mean_of_the_better_ones():
    scores = torch.rand(5, 20)
    scenes = torch.arange(20).expand(5, 20)
    found = bag_scores(scores, scenes, torch.ones(5, 20).bool(), 0.35).numpy()
    expected = [row[row >= np.percentile(row, 35)].mean() for row in scores.numpy()]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.35, 0.5, 1.0])
@pytest.mark.parametrize("length", [1, 2, 20, 21, 41])
def test_every_percentile_leaves_a_scene(share, length):
    scores, scenes = torch.rand(50, length), torch.randint(10, (50, length))
    found = bag_scores(scores, scenes, torch.ones(50, length).bool(), share)
    assert found.isfinite().all() and (found <= scores.amax(dim=1) + 1e-6).all()
    assert bag_scores(torch.full((2, length), 0.1), scenes[:2], torch.ones(2, length).bool(), share).tolist() == pytest.approx(
        [0.1, 0.1]
    )


def test_a_higher_percentile_gives_a_higher_score_when_all_scenes_differ():
    scores, scenes, real = torch.rand(1, 20), torch.arange(20)[None], torch.ones(1, 20).bool()
    values = [bag_scores(scores, scenes, real, share).item() for share in (0.0, 0.35, 0.7, 1.0)]
    assert values == sorted(values) and values[0] < values[-1] == scores.max().item()


@pytest.mark.parametrize("greedy", [False, True])
def test_padding_is_never_chosen(greedy):
    scenes = torch.tensor([[0, 0, 1, 2, 2, 3]])
    similarity = torch.rand(1, 8, 8) if greedy else None
    padded = torch.nn.functional.pad(SCORES, (0, 2), value=0.99)
    real = torch.arange(8)[None] < 6
    found = bag_scores(padded, torch.nn.functional.pad(scenes, (0, 2), value=7), real, 0.35, similarity)
    expected = bag_scores(SCORES, scenes, REAL, 0.35, similarity[:, :6, :6] if greedy else None)
    torch.testing.assert_close(found, expected)


def test_the_outlier_that_rules_the_maximum_is_one_voice_among_scenes():
    """An outlier of 0.99 in a scene of its own, beside three scenes at 0.3: the bag is not called abnormal for it."""
    scores = torch.tensor([[0.3, 0.3, 0.99, 0.3, 0.3]])
    scenes = torch.tensor([[0, 0, 1, 2, 3]])
    found = bag_scores(scores, scenes, torch.ones(1, 5).bool(), 0.35).item()
    assert found == pytest.approx((3 * 0.3 + 0.99) / 4) and found < 0.5


def test_gradients_pass_through_the_chosen_scores_only():
    scores = SCORES.clone().requires_grad_()
    bag_scores(scores, torch.tensor([[0, 0, 1, 2, 2, 3]]), REAL, 0.35).sum().backward()
    torch.testing.assert_close(scores.grad, torch.tensor([[0, 1, 1, 1, 0, 0]]) / 3)


def test_blocks_make_both_choices_equal():
    scores, scenes, real = torch.rand(20, 15), torch.randint(5, (20, 15)), torch.ones(20, 15).bool()
    blocks = (scenes[:, :, None] == scenes[:, None]).float()
    torch.testing.assert_close(bag_scores(scores, scenes, real, 0.35, blocks), bag_scores(scores, scenes, real, 0.35))


def test_the_greedy_choice_may_take_two_of_a_varied_scene():
    """Scene 0 has two distant groups, scene 1 repeats one of them: the graded choice serves the groups."""
    states = torch.tensor([[[0.0], [0.0], [9.0], [9.0], [0.0]]])
    scores = torch.tensor([[0.6, 0.5, 0.6, 0.5, 0.1]])
    scenes, real = torch.tensor([[0, 0, 0, 0, 1]]), torch.ones(1, 5).bool()
    assert bag_scores(scores, scenes, real, 0.0).item() == pytest.approx((0.6 + 0.1) / 2)
    assert bag_scores(scores, scenes, real, 0.0, graded_similarity(states, scenes, 0.5)).item() == pytest.approx(0.6)


def test_graded_similarity_worked_by_hand():
    """Squared distances of 0, 4 and 4 over two features: e^{-1} apart, halved across scenes."""
    states, scenes = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]]]), torch.tensor([[0, 0, 1]])
    e = float(np.exp(-1))
    expected = torch.tensor([[[1, e, 0.5], [e, 1, e / 2], [0.5, e / 2, 1]]])
    torch.testing.assert_close(graded_similarity(states, scenes, 0.5), expected)
    blocks = torch.tensor([[[1, e, 0], [e, 1, 0], [0, 0, 1]]])
    torch.testing.assert_close(graded_similarity(states, scenes, 0.0), blocks)


# --- the greedy choice ---------------------------------------------------------------------------------


def value(worth: torch.Tensor, chosen: tuple[int, ...]) -> float:
    return worth[:, list(chosen)].amax(dim=1).sum().item()


@pytest.mark.parametrize("budget", [1, 2, 3, 4])
def test_the_greedy_choice_reaches_its_guarantee(budget):
    """Against all subsets of 40 sets of seven; at least 1 - 1/e of the best, and the best value with a budget of 1."""
    worth = torch.rand(40, 7, 7) ** 4
    chosen = facility_location(worth, torch.ones(40, 7, dtype=torch.bool), torch.full((40,), budget))
    ratios = []
    for row in range(40):
        best = max(value(worth[row], subset) for subset in itertools.combinations(range(7), budget))
        ratios.append(value(worth[row], tuple(chosen[row].tolist())) / best)
        assert len(set(chosen[row].tolist())) == budget
    assert min(ratios) >= 1 - 1 / np.e and max(ratios) <= 1 + 1e-6
    assert min(ratios) > 0.999 or budget > 1


def test_with_blocks_the_greedy_choice_is_the_best_of_every_block():
    scenes, scores = torch.randint(4, (20, 12)), torch.rand(20, 12)
    worth = (scenes[:, :, None] == scenes[:, None]) * scores[:, None]
    budget = torch.tensor([len(set(row.tolist())) for row in scenes])
    chosen = facility_location(worth, torch.ones(20, 12, dtype=torch.bool), budget)
    for row, count in enumerate(budget.tolist()):
        expected = {int(torch.where(scenes[row] == k, scores[row], -1).argmax()) for k in set(scenes[row].tolist())}
        assert set(chosen[row, :count].tolist()) == expected
        best = max(value(worth[row], subset) for subset in itertools.combinations(range(12), count))
        assert value(worth[row], tuple(chosen[row, :count].tolist())) == pytest.approx(best)


def test_only_candidates_are_chosen_and_only_they_are_served():
    worth = torch.tensor([[[0.1, 0.9, 0.2], [0.0, 0.9, 0.3], [0.0, 0.9, 0.3]]])
    candidates = torch.tensor([[True, False, True]])
    assert facility_location(worth, candidates, torch.tensor([1])).tolist() == [[2]]
    assert facility_location(worth, candidates, torch.tensor([2])).tolist() == [[2, 0]]
    assert facility_location(torch.zeros(1, 3, 3), candidates, torch.tensor([2])).tolist() == [[0, 2]]
