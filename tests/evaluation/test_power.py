"""Seeds and test videos that a difference needs, worked by hand and by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from made_scores import made, planted
from scipy import stats

from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import bootstrap, comparisons, intervals, power
from vad_lib.report.tables import reported as tables_reported
from vad_lib.runs import experiments
from vad_lib.storage.paths import PROJECT_ROOT

MIXED = comparisons.Components(between_seeds=2e-5, between_videos=4e-3, together=6e-3, num_seeds=5, num_videos=290)

FEW = bootstrap.Bootstrap(num_draws=200)


def test_power_by_hand():
    videos_only = comparisons.Components(0.0, 4.0, 0.0, 5, 100)
    assert power.half_width(videos_only, 5, 400) == pytest.approx(1.959964 * 2 / 20)
    assert power.half_width(videos_only, 5, 400, level=0.9) == pytest.approx(1.644854 * 2 / 20)
    assert power.detectable(videos_only, 5, 400) == pytest.approx((1.959964 + 0.841621) * 2 / 20, rel=1e-6)
    together_only = comparisons.Components(0.0, 0.0, 9.0, 5, 100)
    assert power.half_width(together_only, 4, 25) == pytest.approx(stats.t.ppf(0.975, 3) * 3 / 10)
    error = np.sqrt(2e-5 / 40 + 4e-3 / 290 + 6e-3 / 290 / 40)
    assert power.half_width(MIXED, 40, 290) == pytest.approx(1.96 * error, rel=0.01)  # with many seeds t is the normal


def test_the_half_width_is_that_of_the_comparison():
    rng = np.random.default_rng(8)
    values = 0.5 + 0.03 * rng.normal(size=(4, 1)) + 0.1 * rng.normal(size=(1, 60)) + 0.05 * rng.normal(size=(4, 60))
    found = comparisons.compare(
        planted(np.full((4, 60), 0.5)), planted(np.clip(values, 0, 1)), "auc", bootstrap.Bootstrap(num_draws=1000)
    )
    expected = power.half_width(found.components, 4, found.num_videos)
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.06)


def test_more_seeds_and_more_videos_never_hurt():
    curves = power.power_curves(MIXED)
    for over, part in curves.groupby("over"):
        assert (part[["half_width", "detectable"]].diff().iloc[1:] < 0).all().all()
        assert part[over].is_monotonic_increasing and (part["detectable"] > part["half_width"]).all()
    assert set(curves[curves["over"] == "seeds"]["videos"]) == {290} and set(curves[curves["over"] == "videos"]["seeds"]) == {5}


def test_numbers_needed_are_the_least_that_suffice():
    seeds = power.seeds_needed(MIXED, 0.014)
    assert power.detectable(MIXED, seeds, 290) <= 0.014 < power.detectable(MIXED, seeds - 1, 290)
    videos = power.videos_needed(MIXED, 0.0085, seeds=10)
    assert power.detectable(MIXED, 10, videos) <= 0.0085 < power.detectable(MIXED, 10, videos - 1)
    assert power.seeds_needed(MIXED, 0.0011) is None  # 290 videos hide the step
    assert power.videos_needed(MIXED, 0.0011) is None  # and five seeds too
    assert power.seeds_needed(MIXED, 0.5) == 2
    assert power.seeds_needed(MIXED, 0.0011, videos=10**6) > 50


def test_each_step_is_sized_by_its_own_variance_and_level():
    def compared(row, components, level=0.95):
        names = {"first": "base", "second": row, "components": components}
        return comparisons.Comparison("auc", 0.0, 0.0, 0.0, 0.0, level, "", (1, 2), (0.0,), 290, **names)

    steady = replace(MIXED, between_seeds=0.0)
    cases = {"small": (MIXED,), "steady": (steady,), "stricter": (MIXED, 0.99), "one seed": (None,)}
    steps = {("base", row): 0.0011 if row == "small" else 0.014 for row in (*cases, "not run")}
    table = power.needed_for_steps({("base", row): compared(row, *case) for row, case in cases.items()}, steps)
    assert table["step"].tolist() == [f"{row} against base" for row in ("small", "steady", "stricter")]
    assert table["seeds"].isna().tolist() == [True, False, False]
    assert table["seeds"].tolist()[1:] == [power.seeds_needed(steady, 0.014), power.seeds_needed(MIXED, 0.014, level=0.99)]
    assert table["seeds"].tolist()[1] < power.seeds_needed(MIXED, 0.014) < table["seeds"].tolist()[2]


def test_four_of_five_true_differences_of_the_detectable_size_are_seen():
    rng, seen, runs = np.random.default_rng(9), 0, 120
    components = comparisons.Components(0.02**2, 0.1**2, 0.05**2, 5, 40)
    step = power.detectable(components, 5, 40)
    base = planted(np.full((5, 40), 0.4))
    for _ in range(runs):
        noise = 0.02 * rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(1, 40)) + 0.05 * rng.normal(size=(5, 40))
        seen += comparisons.compare(base, planted(np.clip(0.4 + step + noise, 0, 1)), "auc", FEW).verdict == "better"
    assert 0.7 < seen / runs < 0.9


def test_power_needs_a_spread():
    with pytest.raises(ConfigError, match="expected two seeds or more and one video or more, got 1 and 290"):
        power.half_width(MIXED, 1, 290)
    with pytest.raises(ConfigError, match="got 5 and 0"):
        power.detectable(MIXED, 5, 0)


@pytest.mark.parametrize("share", [0, 1, 95, -0.5, float("nan")])
def test_levels_and_powers_lie_between_0_and_1(share):
    for measure in (
        lambda: power.half_width(MIXED, 5, 290, level=share),
        lambda: power.detectable(MIXED, 5, 290, power=share),
        lambda: comparisons.compare([made(1)], [made(1)], "auc", FEW._replace(level=share)),
        lambda: bootstrap.values_on_draws(lambda places: 0.5, [5], FEW._replace(level=share)),
        lambda: intervals.interval([made(1), made(2)], "auc", FEW._replace(level=share)),
    ):
        with pytest.raises(ConfigError, match=f"expected a number between 0 and 1, got {share}"):
            measure()


@pytest.mark.parametrize("draws", [0, -1])
def test_there_is_a_draw(draws):
    with pytest.raises(ConfigError, match=f"num_draws: expected 1 or more, got {draws}"):
        intervals.interval([made(1)], "auc", FEW._replace(num_draws=draws))


def test_the_steps_of_the_paper():
    reported = tables_reported.read_reported(PROJECT_ROOT / "results" / "reported.csv")
    rows = experiments.ladder()
    assert power.paper_steps(reported, "UCF-Crime") == dict(zip(rows, (0.0011, 0.0053, 0.0048)))
    assert power.paper_steps(reported, "XD-Violence") == dict(zip(rows, (0.0016, 0.0031, 0.0041)))
    assert power.paper_steps(reported, "UCF-Crime", "table5") == dict(zip(rows[3:], (0.0016, 0.0028, 0.0004)))
    with pytest.raises(DataError, match="steps of the paper on Own: expected rows of table4, got 0"):
        power.paper_steps(reported, "Own")
