"""Intervals that hold what they promise: limits, simulations, rows that make none."""

from dataclasses import replace

import numpy as np
import pytest
from made_scores import made, planted
from scipy import stats

from vad_lib.deployment import model_cards
from vad_lib.errors import DataError
from vad_lib.evaluation import bootstrap, comparisons, intervals, scored_videos

FEW = bootstrap.Bootstrap(num_draws=200)
LONE = np.array([True, True, False])  # of three videos, a normal and an abnormal one


def test_an_interval_over_videos_is_that_of_its_draws():
    runs = [made(seed) for seed in (1, 2)]
    found = intervals.interval_over_videos(runs, "ap", FEW)
    assert found.mean == pytest.approx(np.mean([run.value("ap") for run in runs]))
    assert found.values == tuple(run.value("ap") for run in runs) and found.sd == pytest.approx(np.std(found.values, ddof=1))
    assert (found.num_seeds, found.seeds, found.num_videos, found.num_draws, found.level) == (2, (1, 2), 12, 200, 0.95)
    assert found.kind == "test videos, 2 seeds fixed (BCa bootstrap, normal and abnormal apart)"
    assert found.low < found.mean < found.high
    drawn = np.mean([scored_videos.metric_on_draws(run, bootstrap.draw_videos(run, FEW)[0], "ap") for run in runs], axis=0)
    assert drawn.min() < found.low < np.median(drawn) < found.high < drawn.max()
    assert found == intervals.interval_over_videos(runs, "ap", FEW)
    wider = intervals.interval_over_videos(runs, "ap", FEW._replace(level=0.99))
    assert wider.low < found.low and found.high < wider.high
    together = intervals.interval_over_videos(runs, "ap", bootstrap.Bootstrap(num_draws=2000, stratified=False))
    apart = intervals.interval_over_videos(runs, "ap", bootstrap.Bootstrap(num_draws=2000))
    assert together.kind.endswith("all together)") and together.high - together.low > apart.high - apart.low


def test_an_interval_of_a_metric_stays_between_0_and_1():
    """Two far seeds: Student's t with one degree of freedom would leave the range by far; a difference may."""
    runs = [made(0, lift=0.9), made(1, lift=0.0)]
    found = intervals.interval(runs, "auc")
    assert (found.low, found.high) == (0.0, 1.0) and found.low <= found.mean <= found.high
    difference = comparisons.compare(runs, [made(0, lift=0.0), made(1, lift=0.9)], "auc")
    assert difference.low < -1 and difference.high > 1


def test_both_sources_have_the_single_ones_as_limits():
    rng, how = np.random.default_rng(0), bootstrap.Bootstrap(num_draws=1000)
    of_videos = np.clip(0.5 + 0.1 * rng.normal(size=(1, 30)), 0, 1)
    same_seeds = planted(np.repeat(of_videos, 3, axis=0))
    both, videos = intervals.interval(same_seeds, "auc", how), intervals.interval_over_videos(same_seeds, "auc", how)
    assert (both.low, both.high) == pytest.approx((videos.low, videos.high), abs=5e-4) and both.sd == 0
    same_videos = planted(np.repeat(0.5 + 0.05 * rng.normal(size=(4, 1)), 30, axis=1))
    both, values = intervals.interval(same_videos, "auc", how), [run.value("auc") for run in same_videos]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert both.high - both.low == pytest.approx(high - low, rel=0.01)
    assert both.kind == "seeds (Student's t) and test videos (BCa bootstrap, normal and abnormal apart)"
    one = intervals.interval(same_videos[:1], "auc", how)
    assert one.kind.startswith("test videos, 1 seed fixed") and one.sd is None


def test_both_sources_agree_with_drawing_seeds_and_videos_if_there_are_many_seeds():
    rng = np.random.default_rng(1)
    values = 0.5 + 0.06 * rng.normal(size=(40, 1)) + 0.06 * rng.normal(size=(1, 40)) + 0.1 * rng.normal(size=(40, 40))
    runs = planted(np.clip(values, 0, 1))
    found = intervals.interval(runs, "auc", FEW._replace(num_draws=1000))
    counts, _ = bootstrap.draw_videos(runs[0], FEW._replace(num_draws=1000))
    on_videos = np.stack([scored_videos.metric_on_draws(run, counts, "auc") for run in runs])
    drawn = [on_videos[rng.integers(0, 40, 40), column].mean() for column in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low, rel=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "videos", "together"), [(0.02, 0, 0), (0, 0.15, 0), (0, 0, 0.15), (0.02, 0.1, 0.1)], ids=str)
def test_nine_of_ten_intervals_at_level_ninety_hold_the_true_mean(seeds, videos, together):
    """Whichever source prevails, with three seeds."""
    rng, hits, runs = np.random.default_rng(2), 0, 120
    for _ in range(runs):
        values = 0.5 + seeds * rng.normal(size=(3, 1)) + videos * rng.normal(size=(1, 30)) + together * rng.normal(size=(3, 30))
        found = intervals.interval(planted(np.clip(values, 0, 1)), "auc", bootstrap.Bootstrap(level=0.9, num_draws=200))
        hits += found.low <= 0.5 <= found.high
    assert 0.82 < hits / runs <= 0.98


@pytest.mark.parametrize("answers", [1, 3, 14, 50])
@pytest.mark.parametrize("seeds", [2, 5])
def test_where_videos_agree_a_shared_level_is_student_s_t_to_its_tails(seeds, answers):
    level = bootstrap.Bootstrap(num_draws=200).shared(answers)
    same_videos = planted(np.repeat(0.5 + 0.01 * np.arange(seeds)[:, None], 30, axis=1))
    found = comparisons.compare(planted(np.full((seeds, 30), 0.5)), same_videos, "auc", level)
    half = stats.t.ppf((1 + level.level) / 2, seeds - 1) * stats.sem(found.values)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=2e-3)


@pytest.mark.slow
def test_with_few_videos_nineteen_of_twenty_intervals_hold_the_true_mean():
    """Six abnormal videos; without the correction for few videos it is nine of ten."""
    rng, hits, runs = np.random.default_rng(8), 0, 300
    for _ in range(runs):
        values = 0.5 + 0.001 * rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(1, 6))
        found = intervals.interval(planted(np.clip(values, 0, 1)), "auc", bootstrap.Bootstrap(num_draws=400))
        hits += found.low <= 0.5 <= found.high
    assert 0.9 < hits / runs < 0.98


def test_rows_that_make_no_interval():
    with pytest.raises(DataError, match="expected the runs of one row, got none"):
        intervals.interval([], "auc")
    with pytest.raises(DataError, match="expected every seed once, got 1, 1"):
        intervals.interval_over_videos([made(1), made(1)], "auc")
    fewer = made(2, videos=9)
    with pytest.raises(DataError, match=r"Row \(seed 2\) was scored on other test videos than Row \(seed 1\): 3 videos"):
        intervals.interval([made(1), fewer], "auc")
    turned = replace(made(2), videos=made(2).videos[::-1])
    with pytest.raises(DataError, match="their videos in another order"):
        intervals.interval([made(1), turned], "auc")
    relabelled = replace(made(2), normal=made(2).normal + 1)
    with pytest.raises(DataError, match="other frame labels than"):
        intervals.interval([made(1), relabelled], "auc")


def test_a_run_is_measured_on_the_same_draws_once(monkeypatch):
    (run,), few, measured = planted(np.array([[0.2, 0.5, 0.9]])), bootstrap.Bootstrap(num_draws=20), []
    of_draws = scored_videos.metric_on_draws
    monkeypatch.setattr(intervals, "metric_on_draws", lambda *given: measured.append(given) or of_draws(*given))
    one = intervals.draws_and_values([run], "auc", few)[1]
    assert np.array_equal(intervals.draws_and_values([run], "auc", few._replace(level=0.5))[1], one) and len(measured) == 1
    other = intervals.draws_and_values([run], "auc", few._replace(seed=1))[1]
    assert len(measured) == 2 and not np.array_equal(other, one)
    assert not np.array_equal(intervals.draws_and_values([run], "ap", few)[1], one) and len(measured) == 3


@pytest.mark.parametrize("seeds", [1, 3])
def test_fewer_than_four_test_videos_of_a_class_give_no_interval(seeds):
    """One drawn from itself never varies; an interval without width would give a verdict on one video."""
    one, other = ([made(seed, videos=3, lift=lift).of_videos(LONE) for seed in range(seeds)] for lift in (0.0, 0.9))
    for found in (intervals.interval(one, "auc", FEW), intervals.interval_over_videos(one, "auc", FEW)):
        assert (found.low, found.high) == (0.0, 1.0) and found.kind.startswith("none: fewer than 4 test videos of a class")
    difference = comparisons.compare(one, other, "auc", FEW)
    assert difference.mean > 0 and (difference.low, difference.high) == (-1.0, 1.0)
    assert difference.verdict == "cannot tell" and difference.components is None
    assert model_cards.recall_at(one[0], bootstrap=FEW)[1:] == (0.0, 1.0)
