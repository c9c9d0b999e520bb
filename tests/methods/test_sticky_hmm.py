"""The sampler of scenes against posteriors worked out by enumeration, and what scenes are found in easy videos."""

import itertools
from itertools import islice

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import beta
from scipy.stats import t as student_t

from vad_lib.methods.sticky_hmm import (
    ScenePrior,
    draw_paths,
    first_path,
    gibbs,
    log_evidence,
    sticky_hdp_hmm,
    time_intervals,
)

PATHS = np.array(list(itertools.product(range(2), repeat=4)))


def three_scenes(rng: np.random.Generator) -> np.ndarray:
    """10, 12 and 10 segments around three centres some 16 standard deviations apart, (1, 32, 32)."""
    centres = 2 * rng.normal(size=(3, 32))
    return (centres.repeat([10, 12, 10], axis=0) + rng.normal(size=(32, 32)))[None]


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two ways of naming put the same segments together."""
    return np.array_equal(first[:, None] == first, second[:, None] == second)


@pytest.mark.parametrize("kappa", [1.0, 32.0, 256.0])
def test_three_scenes_are_recovered_up_to_their_names(kappa):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        path = sticky_hdp_hmm(three_scenes(rng), np.ones((1, 32), dtype=bool), ScenePrior(kappa=kappa), 10, rng)
        assert same_partition(path[0], np.repeat([0, 1, 2], [10, 12, 10])), seed


def test_videos_share_their_scenes_and_a_scene_may_come_back():
    rng = np.random.default_rng(3)
    truth = np.array([[0] * 6 + [1] * 6 + [0] * 6, [1] * 9 + [2] * 9])
    z = 2 * rng.normal(size=(3, 32))[truth] + rng.normal(size=(2, 18, 32))
    path = sticky_hdp_hmm(z, np.ones((2, 18), dtype=bool), ScenePrior(), 10, rng)
    assert same_partition(path.ravel(), truth.ravel())


def test_scale_and_place_of_a_feature_mean_nothing():
    z, mask = three_scenes(np.random.default_rng(0)), np.ones((1, 32), dtype=bool)
    paths = [sticky_hdp_hmm(w, mask, ScenePrior(), 10, np.random.default_rng(1)) for w in (z, 1e-3 * z + 50)]
    assert np.array_equal(*paths)


def test_the_evidence_of_one_segment_is_student_t():
    prior, z = ScenePrior(shape=1.5, scale=0.7, mean_strength=0.4), np.array([0.3, -2.0])
    expected = student_t.logpdf(z, df=3, scale=np.sqrt(0.7 / 1.5 * (1 + 1 / 0.4))) + np.log(2 * np.pi) / 2
    found = log_evidence(np.ones((2, 1)), z[:, None], np.square(z)[:, None], prior)
    np.testing.assert_allclose(found, expected)
    assert log_evidence(np.zeros((1, 1)), np.zeros((1, 3)), np.zeros((1, 3)), prior) == 0  # of nothing


def test_the_chain_starts_with_the_parts_of_a_scene_joined():
    z, mask = three_scenes(np.random.default_rng(0)), np.ones((1, 32), dtype=bool)
    z = (z - z.mean(axis=(0, 1))) / z.std(axis=(0, 1))
    path = first_path(z, mask, ScenePrior(), np.random.default_rng(1))
    assert same_partition(path[0], np.repeat([0, 1, 2], [10, 12, 10]))


def test_stickiness_makes_scenes_last():
    """Without features only the prior speaks: the share of steps that change the scene falls as kappa grows."""
    z, mask = np.empty((40, 30, 0)), np.ones((40, 30), dtype=bool)
    changes = []
    for kappa in (0.0, 3.0, 30.0):
        start = np.random.default_rng(0).integers(10, size=mask.shape)
        *_, path = islice(gibbs(z, mask, start, ScenePrior(kappa=kappa, concentration=3.0), np.random.default_rng(1)), 50)
        changes.append((path[:, 1:] != path[:, :-1]).mean())
    assert changes[0] > 2 * changes[1] > 4 * changes[2]


def test_same_seed_same_path_and_another_seed_another():
    z, mask = np.random.default_rng(0).normal(size=(3, 20, 2)), np.ones((3, 20), dtype=bool)
    first, again, other = (sticky_hdp_hmm(z, mask, ScenePrior(kappa=2), 10, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_padding_changes_nothing():
    z, lengths = np.random.default_rng(0).normal(size=(3, 9, 4)), np.array([9, 1, 5])
    mask = np.arange(9) < lengths[:, None]
    path = sticky_hdp_hmm(z, mask, ScenePrior(), 5, np.random.default_rng(1))
    junk = np.pad(np.where(mask[:, :, None], z, 1e6), ((0, 0), (0, 4), (0, 0)), constant_values=-1e6)
    longer = sticky_hdp_hmm(junk, np.pad(mask, ((0, 0), (0, 4))), ScenePrior(), 5, np.random.default_rng(1))
    assert np.array_equal(path, longer[:, :9]) and not longer[~np.pad(mask, ((0, 0), (0, 4)))].any()


@pytest.mark.parametrize("segments", [1, 2, 300])
def test_any_length_and_equal_segments(segments):
    path = sticky_hdp_hmm(np.ones((2, segments, 3)), np.ones((2, segments), dtype=bool), ScenePrior(), 3, np.random.default_rng(0))
    assert path.shape == (2, segments) and path.min() >= 0 and path.max() < 10


# --- against exact posteriors ---------------------------------------------------------------------------


def test_drawn_paths_have_the_frequencies_of_the_exact_posterior():
    """Two states, four segments, fixed parameters: all 16 paths written out."""
    start, transition = np.array([0.7, 0.3]), np.array([[0.8, 0.2], [0.4, 0.6]])
    log_likelihood = np.log([[0.5, 0.1], [0.2, 0.3], [0.1, 0.6], [0.4, 0.4]])
    steps = start[PATHS[:, 0]] * transition[PATHS[:, :-1], PATHS[:, 1:]].prod(axis=1)
    exact = steps * np.exp(log_likelihood[np.arange(4), PATHS].sum(axis=1))
    exact /= exact.sum()
    drawn = draw_paths(np.tile(log_likelihood, (40_000, 1, 1)), start, transition, np.random.default_rng(0))
    frequency = np.bincount(drawn @ [8, 4, 2, 1], minlength=16) / len(drawn)
    assert np.abs(frequency - exact).max() < 0.01  # four standard errors of the most frequent path
    # scoring the segment before, as the authors' code does, would be seen
    shifted = steps * np.exp(log_likelihood[np.arange(3), PATHS[:, 1:]].sum(axis=1))
    assert np.abs(shifted / shifted.sum() - exact).max() > 0.05


def test_far_apart_likelihoods_are_no_trouble():
    """The only likely path needs a step of probability 1e-280, between likelihoods e^-2000 apart."""
    log_likelihood = np.array([[[0.0, -2000.0], [-2000.0, 0.0], [0.0, -2000.0]]])
    transition = np.array([[1.0, 1e-280], [1e-280, 1.0]])
    path = draw_paths(log_likelihood, np.array([0.5, 0.5]), transition, np.random.default_rng(0))
    assert path.tolist() == [[0, 1, 0]]


def rising(base: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Logarithm of base (base + 1) ... (base + count - 1)."""
    return gammaln(base + count) - gammaln(base)


def exact_posterior(z: np.ndarray, prior: ScenePrior) -> np.ndarray:
    """Probability of each of the 16 paths of two states, with everything else integrated out.

    beta is (b, 1 - b) with b ~ Beta(gamma / 2, gamma / 2), taken at its quantiles; the rest is closed.

    Args:
        z: (V, T, d) with V T = 4.
        prior: with two states.
    """
    grid = beta.ppf((np.arange(4000) + 0.5) / 4000, prior.gamma / 2, prior.gamma / 2)
    shares = np.stack([grid, 1 - grid])  # (2, grid)
    logs = []
    for flat in PATHS:
        path = flat.reshape(z.shape[:2])
        of_grid = np.zeros(len(grid))
        for row in range(3):  # two states, then the start
            base = prior.concentration * shares + (prior.kappa * np.eye(3, 2)[row])[:, None]
            now, then = (path[:, :-1], path[:, 1:]) if row < 2 else (np.full(len(path), 2), path[:, 0])
            count = np.array([((now == row) & (then == state)).sum() for state in range(2)])
            of_grid += rising(base, count[:, None]).sum(axis=0) - rising(base.sum(axis=0), count.sum())
        evidence = 0.0
        for state in range(2):
            of_state = z[path == state]
            n, mean = len(of_state), of_state.sum(axis=0) / max(len(of_state), 1)
            strength, shape = prior.mean_strength + n, prior.shape + n / 2
            spread = np.square(of_state - mean).sum(axis=0) + prior.mean_strength * n / strength * np.square(mean)
            evidence += (
                gammaln(shape)
                - gammaln(prior.shape)
                + prior.shape * np.log(prior.scale)
                - shape * np.log(prior.scale + spread / 2)
                + np.log(prior.mean_strength / strength) / 2
            ).sum()
        logs.append(np.logaddexp.reduce(of_grid) + evidence)
    probabilities = np.exp(logs - np.max(logs))
    return probabilities / probabilities.sum()


def up_to_names(of_paths: np.ndarray) -> np.ndarray:
    """Sum over the two ways to name the states: of 16 paths, 8 partitions."""
    return (of_paths + of_paths[::-1])[:8]


def chain_frequencies(z: np.ndarray, prior: ScenePrior, sweeps: int) -> np.ndarray:
    chain = gibbs(z, np.ones(z.shape[:2], dtype=bool), np.zeros(z.shape[:2], dtype=np.int64), prior, np.random.default_rng(1))
    places = [int(path.ravel() @ [8, 4, 2, 1]) for path in islice(chain, sweeps)]
    return np.bincount(places[50:], minlength=16) / (sweeps - 50)


PRIOR = ScenePrior(states=2, kappa=1.5, concentration=2.0, gamma=2.0)
CASES = {
    "no features": (np.empty((1, 4, 0)), PRIOR._replace(concentration=4.0, kappa=2.0, gamma=1.0)),
    "no features, two videos, names wide apart": (np.empty((2, 2, 0)), PRIOR._replace(gamma=0.5)),
    "one video": (np.array([[[0.5, 1.0], [-0.2, 0.9], [-1.5, -1.0], [0.3, -1.2]]]), PRIOR),
    "two videos": (np.array([[[0.5], [-1.2]], [[1.4], [0.1]]]), PRIOR._replace(kappa=0.5, shape=1.5, scale=0.5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_chain_has_the_exact_posterior(case):
    """Wrong table counts, priors or orders of drawing move some partition by 0.02 and more."""
    z, prior = CASES[case]
    exact, found = up_to_names(exact_posterior(z, prior)), up_to_names(chain_frequencies(z, prior, 6000))
    assert np.abs(found - exact).max() < 0.015


# --- intervals ------------------------------------------------------------------------------------------


def test_intervals_are_the_scenes_of_an_easy_video_and_contiguous():
    z, mask = three_scenes(np.random.default_rng(0)), np.ones((1, 32), dtype=bool)
    assert same_partition(time_intervals(z, mask, 3)[0], np.repeat([0, 1, 2], [10, 12, 10]))
    noise = time_intervals(np.random.default_rng(0).normal(size=(2, 50, 3)), np.ones((2, 50), dtype=bool), 5)
    assert [len(set(row)) for row in noise] == [5, 5]
    assert ((noise[:, 1:] != noise[:, :-1]).sum(axis=1) == 4).all()


def test_short_videos_have_an_interval_for_each_segment():
    mask = np.arange(5) < np.array([1, 2, 3, 5])[:, None]
    path = time_intervals(np.random.default_rng(0).normal(size=(4, 5, 2)), mask, 3)
    assert path[:3].tolist() == [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 1, 2, 0, 0]] and set(path[3]) == {0, 1, 2}
