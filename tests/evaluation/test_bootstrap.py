"""Drawing test videos in strata, and the ends of the BCa bootstrap beside scipy's."""

import numpy as np
import pytest
from made_scores import made, one_video
from scipy import stats

from vad_lib.errors import DataError
from vad_lib.evaluation import bootstrap, intervals

FEW = bootstrap.Bootstrap(num_draws=200)


def test_strata_keep_their_sizes():
    counts, redrawn = bootstrap.draw_videos(made(), FEW)
    assert counts.shape == (200, 12) and redrawn == 0
    assert (counts[:, ::3].sum(axis=1) == 4).all() and (counts.sum(axis=1) == 12).all()
    assert np.array_equal(counts, bootstrap.draw_videos(made(5), FEW)[0])  # whatever the scores
    assert not np.array_equal(counts, bootstrap.draw_videos(made(), FEW._replace(seed=1))[0])
    together, _ = bootstrap.draw_videos(made(), FEW._replace(stratified=False))
    assert (together.sum(axis=1) == 12).all() and together[:, ::3].sum(axis=1).std() > 0


def test_draws_of_one_class_are_drawn_again_and_counted():
    scored = one_video([0.2, 0.8], [0, 16], [16, 0], [(1, 0, 16)], 2, [0, 1])
    counts, redrawn = bootstrap.draw_videos(scored, bootstrap.Bootstrap(num_draws=400, stratified=False))
    assert counts.tolist() == [[1, 1]] * 400
    assert 300 < redrawn < 520  # each draw fails with probability 1/2
    found = intervals.interval_over_videos([scored], "auc", bootstrap.Bootstrap(num_draws=400, stratified=False))
    assert found.redrawn == redrawn and found.kind.startswith("none: ")


def test_a_test_set_of_one_class_cannot_be_drawn():
    with pytest.raises(DataError, match="the 1 test videos do not give both; add videos of the other class"):
        bootstrap.draw_videos(one_video([0.5], [0], [16], []), FEW)


@pytest.mark.parametrize("samples", [1, 2])
def test_bca_is_that_of_scipy(samples):
    """The same draws and the same jackknife, so the same ends to the last digits; one and two strata."""
    rng = np.random.default_rng(3)
    data = [rng.exponential(size=n) for n in (15, 22)[:samples]]

    def statistic(*parts, axis=-1):
        return sum(np.mean(part**2, axis=axis) for part in parts)

    theirs = stats.bootstrap(tuple(data), statistic, n_resamples=999, method="BCa", rng=rng)
    left_out = [
        np.array([statistic(*data[:k], np.delete(part, i), *data[k + 1 :]) for i in range(len(part))])
        for k, part in enumerate(data)
    ]
    ours = bootstrap.bca_quantiles(np.array([0.025, 0.975]), theirs.bootstrap_distribution, statistic(*data), left_out)
    np.testing.assert_allclose(ours, theirs.confidence_interval, rtol=1e-9)
    plain = np.quantile(theirs.bootstrap_distribution, [0.025, 0.975])
    assert (ours > plain).all()  # a mean of squares is skewed to the right


def test_bca_without_skew_and_bias_is_the_percentiles():
    drawn = np.linspace(-1, 1, 2001)
    levels = np.array([0.025, 0.5, 0.975])
    np.testing.assert_allclose(
        bootstrap.bca_quantiles(levels, drawn, 0.0, [np.array([-1.0, 0.0, 1.0])]), [-0.95, 0, 0.95], atol=1e-12
    )
    assert bootstrap.bca_quantiles(levels, drawn, 5.0, []).tolist() == pytest.approx([-0.95, 0, 0.95])  # all on one side


def test_few_videos_of_a_mean_are_corrected_as_student_s_t_is():
    """Of the mean of n numbers: the factor makes s / sqrt(n) of the draws' s sqrt(n - 1) / n, with n - 1 degrees of freedom."""
    values = np.random.default_rng(0).normal(size=6)
    left_out = np.array([np.delete(values, i).mean() for i in range(6)])
    found = bootstrap.small_sample([left_out])
    assert found == pytest.approx((np.sqrt(6 / 5), 5))
    of_draws = values.std() / np.sqrt(6)
    ends = of_draws * stats.norm.ppf(found.levels(np.array([0.025, 0.975])))
    assert ends == pytest.approx(stats.t.ppf([0.025, 0.975], 5) * stats.sem(values))
    assert bootstrap.small_sample([np.ones(3), np.ones(5)]) == (1.0, np.inf)  # nothing varies
    two = bootstrap.small_sample([left_out, left_out])  # two strata: one variance of both, with the degrees of freedom of both
    assert two == pytest.approx((np.sqrt(6 / 5), 10))
