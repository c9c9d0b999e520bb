"""Scenes of videos, found without labels (for BN-SVP, Sapkota and Yu, CVPR 2022).

Two ways. The sticky HDP-HMM (Fox et al. 2011) says that a video walks through a few scenes, stays in each for a
while, and may come back; several videos share the scenes. :func:`sticky_hdp_hmm` draws a partition from its
posterior by blocked Gibbs sampling; as in BN-SVP's code a scene is one Gaussian, where the paper has a mixture.
:func:`time_intervals` is the stand-in without chance: each video is cut into a fixed number of intervals. It is
the faster of the two for long sequences only.

symbol           here                      shape or value
z                features                  (V, T, d)
c                path                      (V, T), in 0..L-1
L                states                    of the weak-limit approximation
beta             shares                    (L,), how common each state is
pi_0, pi         start, transition         (L,), (L, L), rows sum to 1
mu, sigma^2      means, variances          (L, d)
alpha, gamma     concentration, gamma      of pi's rows around beta; of beta
kappa            kappa                     extra weight of staying, in segments
nu, a, b         mean_strength, shape, scale   mu ~ N(0, sigma^2 / nu), sigma^2 ~ inverse gamma (a, b)

V videos, T segments, d features. Sampling is in numpy, float64: the draws are many and small, and must not depend
on a device.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.special import gammaln
from sklearn.cluster import AgglomerativeClustering, kmeans_plusplus

TINY = 1e-300  # a probability that has become 0 in float64 keeps a logarithm


class ScenePrior(NamedTuple):
    """What is assumed of scenes before seeing any; the defaults are those of BN-SVP's code.

    Attributes:
        states: L, most scenes that the videos share.
        kappa: extra weight of staying, at least 0; a state lasts about 1 + kappa / concentration segments.
        concentration: alpha, positive; the larger, the closer a state's transitions are to the shares of all states.
        gamma: positive; the larger, the more even the shares.
        mean_strength: nu; the mean of a state has the variance sigma^2 / nu.
        shape: a of the inverse gamma distribution of sigma^2.
        scale: b of the inverse gamma distribution of sigma^2.
    """

    states: int = 10
    kappa: float = 256.0
    concentration: float = 1.0
    gamma: float = 1.0
    mean_strength: float = 2.0
    shape: float = 2.0
    scale: float = 2.0


def sticky_hdp_hmm(features: np.ndarray, mask: np.ndarray, prior: ScenePrior, sweeps: int, rng: np.random.Generator) -> np.ndarray:
    """One draw of the scenes of some videos, which share them, after some sweeps of blocked Gibbs sampling.

    Every feature is brought to mean 0 and variance 1 first, the scale that the prior of the emissions is made for.

    Args:
        features: (V, T, d), finite.
        mask: bool (V, T), real segments first; what stands behind them changes nothing.
        prior: what is assumed of states, transitions and emissions.
        sweeps: at least 1.
        rng: source of all chance.

    Returns:
        int64 (V, T) in 0..L-1; names mean nothing. Padding is 0.
    """
    longest = int(mask.sum(axis=1).max())
    real = mask[:, :longest]
    z = features[:, :longest].astype(np.float64)
    z = np.where(real[:, :, None], z - z[real].mean(axis=0), 0.0)
    z /= np.maximum(z[real].std(axis=0), 1e-12)
    *_, path = islice(gibbs(z, real, first_path(z, real, prior, rng), prior, rng), sweeps)
    return np.pad(np.where(real, path, 0), ((0, 0), (0, mask.shape[1] - longest)))


def first_path(z: np.ndarray, mask: np.ndarray, prior: ScenePrior, rng: np.random.Generator) -> np.ndarray:
    """Where the chain starts, (V, T): scenes without their order in time.

    Each segment goes to the nearest of L far-apart segments; then states are joined, the best pair first, as long as that
    makes the features more likely. The chain alone joins parts of a scene slowly: it moves one boundary at a time.

    Args:
        z: float64 (V, T, d).
        mask: bool (V, T), True where a segment is real.
        prior: what is assumed of states and emissions.
        rng: source of all chance.

    Returns:
        int64 (V, T) in 0..L-1; padding is 0.
    """
    points, states = z[mask], prior.states
    seed = np.random.RandomState(rng.integers(2**32))  # scikit-learn takes the older kind of generator
    seeds, _ = kmeans_plusplus(points, min(states, len(points)), random_state=seed)
    nearest = (np.square(seeds).sum(axis=1) / 2 - points @ seeds.T).argmin(axis=1)
    count, total, squares = sums(points, nearest, states)
    for _ in range(states - 1):
        pair = log_evidence(count[:, None] + count, total[:, None] + total, squares[:, None] + squares, prior)
        alone = log_evidence(count, total, squares, prior)
        gain = np.triu(pair - alone[:, None] - alone, k=1)
        kept, joined = np.unravel_index(gain.argmax(), gain.shape)
        if gain[kept, joined] <= 0:
            break
        nearest[nearest == joined] = kept
        count, total, squares = sums(points, nearest, states)
    path = np.zeros(mask.shape, dtype=np.int64)
    path[mask] = nearest
    return path


def sums(z: np.ndarray, path: np.ndarray, states: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per state the number of segments (L, 1), and the sums of their features and of the squares (L, d)."""
    members = sparse.csc_array((np.ones(len(path)), path, np.arange(len(path) + 1)), shape=(states, len(path)))
    return np.bincount(path, minlength=states)[:, None], members @ z, members @ np.square(z)


def log_evidence(count: np.ndarray, total: np.ndarray, squares: np.ndarray, prior: ScenePrior) -> np.ndarray:
    """Log-density of the segments of one state, mu and sigma^2 integrated out, without the constant: (..., d) -> (...)."""
    strength, shape = prior.mean_strength + count, prior.shape + count / 2
    scale = prior.scale + (squares - np.square(total) / strength) / 2
    ratio = gammaln(shape) - gammaln(prior.shape) + np.log(prior.mean_strength / strength) / 2
    return (ratio + prior.shape * np.log(prior.scale) - shape * np.log(scale)).sum(axis=-1)


def gibbs(z: np.ndarray, mask: np.ndarray, path: np.ndarray, prior: ScenePrior, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The chain whose limit is the posterior of the path; yields the path after every sweep, without end.

    A sweep draws everything else given the path, and then all paths at once given everything else.

    Args:
        z: float64 (V, T, d); d may be 0, and the chain then draws from the prior.
        mask: bool (V, T), real segments first.
        path: int64 (V, T), where the chain starts.
        prior: what is assumed of states, transitions and emissions.
        rng: source of all chance.
    """
    shares = np.full(prior.states, 1 / prior.states)
    while True:
        shares, start, transition = draw_transitions(path, mask, shares, prior, rng)
        means, variances = draw_emissions(z[mask], path[mask], prior, rng)
        path = draw_paths(log_densities(z, means, variances) * mask[:, :, None], start, transition, rng)
        yield path


def draw_transitions(
    path: np.ndarray, mask: np.ndarray, shares: np.ndarray, prior: ScenePrior, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """beta, pi_0 and pi given the path and the last beta.

    The restaurants of Fox et al.: each row of pi seats its transitions at tables, a table serves one state, and
    beta counts tables. Tables of a self-transition that kappa ordered, and not beta, are not counted.

    Args:
        path: int64 (V, T) in 0..L-1.
        mask: bool (V, T), real segments first.
        shares: (L,), the last beta.
        prior: what is assumed of transitions.
        rng: source of all chance.

    Returns:
        shares (L,), start (L,), transition (L, L).
    """
    states = prior.states
    counts = np.zeros((states + 1, states), dtype=np.int64)  # the last row is pi_0, which has no kappa
    np.add.at(counts, (path[:, :-1][mask[:, 1:]], path[:, 1:][mask[:, 1:]]), 1)
    counts[-1] = np.bincount(path[:, 0], minlength=states)
    sticky = np.vstack([prior.kappa * np.eye(states), np.zeros(states)])

    weights = prior.concentration * shares + sticky
    # the n-th guest of a dish opens a table with probability w / (n - 1 + w)
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    seated = np.arange(len(cells)) - np.repeat(np.cumsum(counts.ravel()) - counts.ravel(), counts.ravel())
    opens = rng.random(len(cells)) * (seated + weights.ravel()[cells]) < weights.ravel()[cells]
    tables = np.bincount(cells[opens], minlength=counts.size).reshape(counts.shape)
    own = np.diagonal(weights)
    by_kappa = rng.binomial(np.diagonal(tables), np.divide(prior.kappa, own, out=np.zeros(states), where=own > 0))
    ordered = tables.sum(axis=0) - by_kappa

    shares = dirichlet(prior.gamma / states + ordered, rng)
    rows = dirichlet(prior.concentration * shares + sticky + counts, rng)
    return shares, rows[-1], rows[:-1]


def dirichlet(concentrations: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws of Dirichlet distributions along the last axis; each needs one concentration that is not tiny."""
    drawn = np.maximum(rng.standard_gamma(concentrations), TINY)
    return drawn / drawn.sum(axis=-1, keepdims=True)


def draw_emissions(z: np.ndarray, path: np.ndarray, prior: ScenePrior, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """mu and sigma^2 given the path, from their conjugate posteriors; states without a segment draw from the prior.

    Args:
        z: float64 (n, d), real segments only.
        path: int64 (n,) in 0..L-1.
        prior: what is assumed of emissions.
        rng: source of all chance.

    Returns:
        means (L, d), variances (L, d).
    """
    count, total, squares = sums(z, path, prior.states)
    strength = prior.mean_strength + count
    centre = total / strength
    scale = prior.scale + (squares - strength * np.square(centre)) / 2
    variances = scale / rng.standard_gamma(np.broadcast_to(prior.shape + count / 2, scale.shape))
    means = centre + rng.standard_normal(centre.shape) * np.sqrt(variances / strength)
    return means, variances


def log_densities(z: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Log-density of every segment in every state, without the constant: (V, T, d) -> (V, T, L)."""
    constant = (np.square(means) / variances + np.log(variances)).sum(axis=1)
    return z @ (means / variances).T - (np.square(z) @ (1 / variances).T + constant) / 2


def draw_paths(log_likelihood: np.ndarray, start: np.ndarray, transition: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw whole paths from their posterior: messages backwards in time, then states forwards.

    Args:
        log_likelihood: (V, T, L); 0 for padding.
        start: (L,), pi_0.
        transition: (L, L), pi.
        rng: source of all chance.

    Returns:
        int64 (V, T).
    """
    videos, segments, _ = log_likelihood.shape
    log_transition = np.log(np.maximum(transition, TINY))
    # ahead[:, t, k]: log-probability of everything from segment t on in state k at t, up to a constant of its own
    ahead = log_likelihood.copy()
    for t in range(segments - 2, -1, -1):
        following = ahead[:, t + 1]
        best = following.max(axis=1, keepdims=True)
        ahead[:, t] += np.log(np.maximum(np.exp(following - best) @ transition.T, TINY))
    path = np.empty((videos, segments), dtype=np.int64)
    chance = rng.random((segments, videos, 1))
    behind = np.log(np.maximum(start, TINY))
    for t in range(segments):
        weights = behind + ahead[:, t]
        cumulative = np.exp(weights - weights.max(axis=1, keepdims=True)).cumsum(axis=1)
        path[:, t] = (cumulative <= chance[t] * cumulative[:, -1:]).sum(axis=1)
        behind = log_transition[path[:, t]]
    return path


def time_intervals(features: np.ndarray, mask: np.ndarray, scenes: int) -> np.ndarray:
    """Each video cut into intervals of similar segments: neighbours are merged (Ward) until so many are left.

    Args:
        features: (V, T, d), finite.
        mask: bool (V, T), real segments first.
        scenes: intervals of a video; a video with fewer segments has one for each.

    Returns:
        int64 (V, T) in 0..scenes-1; a name means something within its video only. Padding is 0.
    """
    path = np.zeros(mask.shape, dtype=np.int64)
    for video, length in enumerate(mask.sum(axis=1)):  # each has a graph of its own
        if length > scenes:
            neighbours = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(length, length))
            path[video, :length] = AgglomerativeClustering(scenes, connectivity=neighbours).fit_predict(features[video, :length])
        else:
            path[video, :length] = np.arange(length)
    return path
