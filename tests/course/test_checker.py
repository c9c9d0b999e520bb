"""The checker: right, not yet with a hint, and never an error."""

import numpy as np
import pytest
import torch

from vad_lib.course import check, lesson_bags, lesson_runs
from vad_lib.course.checker import UNSOLVED, Hint, called, choice, number, numbers, unsolved
from vad_lib.course.tools import as_scored
from vad_lib.errors import ConfigError
from vad_lib.evaluation.scored_videos import metric_on_draws


def test_an_unsolved_exercise_is_said_to_be_unsolved():
    assert check("1.1", ...).words == UNSOLVED
    assert not check("1.1", [3, ...])
    assert not check("1.3", lambda abnormal, normal: ...)


def test_right_and_wrong_answers():
    assert check("1.1", (6, 3))
    wrong = check("1.1", [3, 4])
    assert not wrong and "event" in wrong.words and "not yet" in repr(wrong)
    assert "right" in repr(check("1.2", 2))


def test_an_answer_of_another_kind_gets_a_hint_and_no_error():
    for answer in (None, 7, "x", {"a": 1}, torch.ones(2, 2), object()):
        assert not check("1.1", answer)
        assert not check("1.3", answer)


def test_an_unknown_exercise_names_those_that_are_there():
    with pytest.raises(ConfigError, match=r"1\.1"):
        check("9.9", 1)


def test_numbers_are_compared_with_their_shape():
    for half in (torch.tensor([0.5]), torch.tensor(0.5), np.array([[0.5]]), np.float32(0.5)):
        number(half, 0.5, "no")
    numbers(torch.tensor([1.0, 2.0], requires_grad=True), [1, 2], "no")
    with pytest.raises(Hint, match="no"):
        number(0.6, 0.5, "no")
    with pytest.raises(Hint, match="no"):
        number(float("nan"), 0.5, "no")
    with pytest.raises(Hint, match=r"\(2,\)"):
        numbers([1, 2, 3], [1, 2], "no")
    with pytest.raises(Hint, match="str"):
        number("a", 1, "no")


def test_a_letter_may_be_written_in_any_case():
    choice(" B ", "b", {"a": "not a"})
    with pytest.raises(Hint, match="not a"):
        choice("a", "b", {"a": "not a"})
    with pytest.raises(Hint, match="letters a, b"):
        choice("c", "b", {"a": "not a"})


def test_a_function_of_a_student_may_fail_in_every_way():
    def fails(_):
        raise ZeroDivisionError("by zero")

    assert called(lambda x: x + 1, 1) == 2
    for function, words in {fails: "ZeroDivisionError", lambda x: None: "return", lambda x: ...: "replace"}.items():
        with pytest.raises(Hint, match=words):
            called(function, 1)
    with pytest.raises(Hint, match="without brackets"):
        called(3, 1)


def test_what_counts_as_unsolved():
    assert unsolved(...) and unsolved([1, ...]) and unsolved({"a": ...}) and unsolved(np.array([1, ...], dtype=object))
    assert not unsolved(0) and not unsolved([]) and not unsolved(np.zeros(2))


def test_a_function_may_change_its_arguments_in_place():
    def changes(tensor, array):
        array *= 2
        return tensor.mul_(3) + torch.tensor(array)

    tensor, array = torch.ones(2, requires_grad=True), np.ones(2)
    value = called(changes, tensor, array)
    assert value.tolist() == [5, 5] and tensor.tolist() == [1, 1] and array.tolist() == [1, 1]
    assert torch.autograd.grad(value.sum(), tensor)[0].tolist() == [3, 3]


# --- answers of students ---------------------------------------------------------------------------
def hinge(abnormal, normal):
    """Exercise 1.3: what each pair lacks."""
    return 1 - abnormal.max(dim=1).values + normal.max(dim=1).values


def test_a_number_of_places_below_1_is_no_k():
    for answer in (0, -1, 2.0):
        assert "1 or more" in check("1.2", answer).words
    assert check("1.2", np.int64(2)) and "smaller k" in check("1.2", 3).words and "right panel" in check("1.2", 1).words


def test_each_pair_of_the_ranking_loss_is_cut_at_0():
    assert check("1.3", lambda abnormal, normal: hinge(abnormal, normal).clamp(min=0).mean())
    assert check("1.3", lambda abnormal, normal: torch.relu(hinge(abnormal, normal)).mean())
    assert "before you take the mean" in check("1.3", lambda abnormal, normal: hinge(abnormal, normal).mean().clamp(min=0)).words
    assert "lack 0.4 and 1.2" in check("1.3", lambda abnormal, normal: hinge(abnormal, normal).clamp(0, 1).mean()).words


def test_an_abnormal_bag_is_compared_with_the_normal_bag_of_its_own_pair():
    def all_pairs(abnormal, normal):
        return (1 - abnormal.max(dim=1).values[:, None] + normal.max(dim=1).values[None, :]).clamp(min=0).mean()

    assert "its own pair" in check("1.3", all_pairs).words


def read(points, bank):
    """Exercise 2.3: the mean."""
    return (points @ bank.T / points.shape[1] ** 0.5).sigmoid() @ bank


def test_every_number_has_the_deviation_of_its_own_log_variance():
    assert check("2.3", lambda points, bank, spread, noise: read(points, bank) + noise * (spread / 2).exp())
    assert check("2.3", lambda points, bank, spread, noise: read(points, bank) + noise.mul_(spread.div_(2).exp_()))  # in place
    one = check("2.3", lambda points, bank, spread, noise: read(points, bank) + noise * (spread.mean() / 2).exp())
    assert not one and "its own log-variance" in one.words


def test_category_scores_may_be_rounded_to_two_digits():
    cosines = np.cos(np.radians([25, 10, 80, 115, 50, 160])[:, None] - np.radians([20, 100, 160])[None, :])
    ordered = np.sort(cosines, axis=0)
    assert check("3.1", ordered[-2:].mean(axis=0))
    assert check("3.1", [0.99, 0.95, 0.85]) and check("3.1", [0.99, 0.96, 0.86])  # of cosines that were rounded before
    mistakes = {"lowest": ordered[:2], "last two": cosines[-2:], "all segments": cosines, "k = 1": ordered[-1:]}
    for word, kept in mistakes.items():
        assert word in check("3.1", kept.mean(axis=0).round(2)).words


def test_a_temperature_may_be_of_any_kind_of_number():
    for tau in (0.1, np.float32(0.1), torch.tensor(0.1)):
        assert check("3.2", tau)
    for tau, word in {0.05: "a larger temperature", 0.2: "not below 0.05", 0.11: "of the list"}.items():
        assert word in check("3.2", tau).words


def test_the_category_is_that_of_the_highest_mean():
    def by_numpy(alignment, k):
        return 1 + np.sort(alignment, axis=0)[-k:].mean(axis=0)[1:].argmax()

    def by_torch(alignment, k):
        return torch.tensor(alignment).topk(k, dim=0).values.mean(dim=0)[1:].argmax() + 1

    assert check("3.3", by_numpy) and check("3.3", by_torch)
    assert "not the k-th highest" in check("3.3", lambda alignment, k: 1 + np.sort(alignment, axis=0)[-k][1:].argmax()).words
    assert "one number" in check("3.3", lambda alignment, k: alignment).words


def test_a_category_score_is_a_mean_over_snippets_and_may_be_negative():
    def wrong_axis(alignment, k):
        return 1 + np.sort(alignment, axis=1)[-k:].mean(axis=0)[1:].argmax()

    def zero_for_normal(alignment, k):
        scores = np.sort(alignment, axis=0)[-k:].mean(axis=0)
        scores[0] = 0
        return scores.argmax()

    for function in (wrong_axis, zero_for_normal):
        assert not check("3.3", function)
    assert "can be negative" in check("3.3", zero_for_normal).words


def test_a_loss_may_change_its_terms_in_place():
    def in_place(values, s):
        values *= (-s).exp()
        return (values + s / 2).sum()

    assert check("4.3", in_place) and check("4.3", lambda values, s: ((-s).exp() * values + s / 2).sum())


def test_the_gradient_reaches_the_terms_and_their_weights():
    detached = check("4.3", lambda values, s: ((-s).exp() * values.detach() + s / 2).sum())
    assert "reach the terms" in detached.words
    assert "reach s" in check("4.3", lambda values, s: ((-s).exp() * values + s / 2).sum().detach()).words
    assert "reach s" in check("4.3", lambda values, s: ((-s.detach()).exp() * values + s.detach() / 2).sum()).words
    assert "must be 0" in check("4.3", lambda values, s: ((-s).exp().detach() * values + s / 2).sum()).words


def test_an_auc_by_hand_may_be_rounded_to_two_digits():
    assert check("5.1", 3.5 / 6) and check("5.1", 0.58) and check("5.1", np.float32(0.583))
    assert "not lost" in check("5.1", 0.5).words
    assert "whole pair" in check("5.1", 0.67).words
    assert "divide" in check("5.1", 3.5).words


def test_enough_videos_are_enough_for_two_runs():
    right = check("5.2", 2)
    assert right and "84 test videos" in right.words and "these two runs" in right.words and "videos alone" in right.words
    assert "below 0.8" in check("5.2", 1).words and "smaller" in check("5.2", 3).words


def test_what_the_answer_of_5_2_says_of_other_seeds_and_methods():
    test = lesson_bags("test")
    runs = {name: [as_scored(run, test) for run in lesson_runs(name)] for name in ("logistic-regression", "msf-dmu", "proposed")}

    def draws(times):
        rng, counts = np.random.default_rng(0), np.zeros((500, len(test.names)), dtype=int)
        for part in (test.labels > 0, ~(test.labels > 0)):
            counts[:, part] = rng.multinomial(times * part.sum(), np.full(part.sum(), 1 / part.sum()), size=500)
        return {name: [metric_on_draws(run, counts, "auc") for run in of_method] for name, of_method in runs.items()}

    def half_width(differences):
        return (np.quantile(differences, 0.975) - np.quantile(differences, 0.025)) / 2

    def chances(one, other):
        errors = [b - a - (b - a).mean() for a in one for b in other]
        return np.array([np.mean(0.02 + error > half_width(error)) for error in errors])

    usual = draws(1)
    lowest, highest = np.quantile(chances(usual["msf-dmu"], usual["proposed"]), [0, 1])
    assert 0.05 < lowest < 0.15 and highest > 0.95
    large = draws(6)
    assert np.mean(chances(large["logistic-regression"], large["proposed"]) >= 0.8) < 0.3
    four = draws(4)
    for name, low, high in (("msf-dmu", 0.4, 0.6), ("proposed", 0.25, 0.4)):
        pairs = [a - b for number, a in enumerate(four[name]) for b in four[name][:number]]
        assert low < np.mean([abs(pair.mean()) > half_width(pair) for pair in pairs]) < high
