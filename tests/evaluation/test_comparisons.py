"""Paired comparisons: better, worse or cannot tell; parts of the variance; smoothing and crops."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_scores import expanded, made, one_video, planted

from vad_lib import metrics
from vad_lib.errors import DataError
from vad_lib.evaluation import bootstrap, comparisons, intervals, operating, scoring

FEW = bootstrap.Bootstrap(num_draws=200)


def test_a_comparison_is_paired_by_seed_and_video():
    first = [made(seed, title="Base") for seed in (1, 2, 3)]
    second = [made(seed, lift=0.8, title="More") for seed in (3, 2, 4)]
    found = comparisons.compare(first, second, "auc", FEW)
    assert (found.first, found.second, found.seeds) == ("Base", "More", (2, 3))
    expected = [made(s, lift=0.8).value("auc") - made(s).value("auc") for s in (2, 3)]
    assert found.values == pytest.approx(expected) and found.mean == pytest.approx(np.mean(expected))
    back = comparisons.compare(second, first, "auc", FEW)
    assert back.mean == pytest.approx(-found.mean)
    assert back.components.between_videos == pytest.approx(found.components.between_videos)


def test_the_verdicts():
    rng = np.random.default_rng(4)
    values = np.clip(0.5 + 0.1 * rng.normal(size=(1, 40)) + 0.01 * rng.normal(size=(3, 40)), 0.1, 0.8)
    base, better = planted(values), planted(values + 0.05 + 0.01 * rng.normal(size=(3, 40)))
    assert comparisons.compare(base, better, "auc", FEW).verdict == "better"
    assert comparisons.compare(better, base, "auc", FEW).verdict == "worse"
    same = comparisons.compare(base, base, "auc", FEW)
    assert same.verdict == "cannot tell" and (same.mean, same.low, same.high) == (0, 0, 0)
    noisy = planted(np.clip(values + 0.01 + 0.2 * rng.normal(size=(3, 40)), 0, 1))
    assert comparisons.compare(base, noisy, "auc", FEW).verdict == "cannot tell"


def test_pairing_takes_the_hard_videos_out():
    rng = np.random.default_rng(5)
    hard = 0.5 + 0.15 * rng.normal(size=(1, 40))
    rows = [planted(np.clip(hard + 0.01 * rng.normal(size=(3, 40)), 0, 1)) for _ in range(2)]
    paired, alone = comparisons.compare(*rows, "auc", FEW), intervals.interval(rows[0], "auc", FEW)
    assert paired.high - paired.low < 0.3 * (alone.high - alone.low)


def test_one_common_seed_speaks_of_two_models():
    found = comparisons.compare([made(1), made(2)], [made(2, lift=0.9), made(3)], "ap", FEW)
    assert found.kind.startswith("test videos, 1 seed fixed") and found.components is None and found.sd is None


def test_rows_that_cannot_be_compared():
    with pytest.raises(DataError, match="Base has seeds 1, 2 and Row 3: a paired comparison needs common ones; train both"):
        comparisons.compare([made(1, title="Base"), made(2, title="Base")], [made(3)], "auc")
    with pytest.raises(DataError, match="scored on other test videos"):
        comparisons.compare([made(1)], [made(1, videos=9)], "auc")
    with pytest.raises(DataError, match="got none"):
        comparisons.compare([made(1)], [], "auc")


def test_recall_is_compared_over_seeds_and_videos():
    first, second = ([made(seed, videos=30, lift=lift) for seed in (1, 2, 3)] for lift in (0.4, 0.5))
    found = comparisons.compare_recall(first, second[1:], 0.1, FEW)
    by_hand = [operating.recall_at(b, 0.1) - operating.recall_at(a, 0.1) for a, b in zip(first[1:], second[1:])]
    assert found.seeds == (2, 3) and found.values == pytest.approx(by_hand) and found.mean == pytest.approx(np.mean(by_hand))
    assert found.kind.startswith("seeds (Student's t) and test videos") and found.num_videos == 30
    drawn = bootstrap.draw_videos(first[0], FEW)[0]
    differences = operating.recall_on_draws(second[1], drawn, 0.1) - operating.recall_on_draws(first[1], drawn, 0.1)
    alone = comparisons.compare_recall(first[1:2], second[1:2], 0.1, FEW)  # one seed: the videos alone are chance
    assert differences.min() <= alone.low < alone.mean < alone.high <= differences.max()
    same = comparisons.compare_recall(first, first, 0.1, FEW)
    assert same.verdict == "cannot tell" and (same.mean, same.low, same.high) == (0, 0, 0)
    with pytest.raises(DataError, match="needs common ones"):
        comparisons.compare_recall(first[:1], second[1:], 0.1, FEW)


def test_components_find_what_was_planted():
    rng, found = np.random.default_rng(6), []
    for _ in range(40):
        values = 0.5 + 0.02 * rng.normal(size=(4, 1)) + 0.1 * rng.normal(size=(1, 40)) + 0.08 * rng.normal(size=(4, 40))
        base = planted(np.full((4, 40), 0.5))
        found.append(comparisons.compare(base, planted(np.clip(values, 0, 1)), "auc", FEW).components)
    # per abnormal video; the set has two normal videos beside the 40, and drawing gives (n - 1) / n of a variance
    assert np.mean([c.between_seeds for c in found]) == pytest.approx(0.02**2, rel=0.35)
    assert np.mean([c.between_videos for c in found]) == pytest.approx(0.1**2, rel=0.15)
    assert np.mean([c.together for c in found]) == pytest.approx(0.08**2, rel=0.15)
    assert {(c.num_seeds, c.num_videos) for c in found} == {(4, 44)}


def test_postprocessing_is_measured_on_the_frames():
    runs = [made(seed, decimals=6) for seed in (1, 2)]
    found = comparisons.postprocessing(runs, "ap", FEW).set_index("setting")
    assert found["kind"].tolist() == ["none", *["sliding"] * 3, *["blocks"] * 3, "interpolated"]
    assert found.loc["as scored", ["change", "low", "high", "verdict"]].tolist() == [0, 0, 0, "cannot tell"]
    smooth = [run.with_scores(lambda scores: scoring.smoothed(scores, "sliding", 7)) for run in runs]
    row = found.loc["sliding mean of 7 snippets"]
    assert row["value"] == pytest.approx(np.mean([run.value("ap") for run in smooth]))
    paired = comparisons.compare(runs, smooth, "ap", FEW._replace(level=1 - 0.05 / 7))
    assert row[["change", "low", "high", "verdict"]].tolist() == [paired.mean, paired.low, paired.high, paired.verdict]
    assert comparisons.postprocessing(runs[0], "auc", FEW)["value"].iloc[0] == runs[0].value("auc")


def test_the_mean_over_crops_is_compared_with_the_first_one():
    rng = np.random.default_rng(3)
    plain = [made(seed, decimals=6) for seed in (1, 2)]
    crops = [np.clip(run.score + rng.normal(0, 0.1, (10, len(run.score))), 0, 1) for run in plain]
    runs = [replace(run, crop_scores=of_crops, score=of_crops.mean(axis=0)) for run, of_crops in zip(plain, crops)]
    found = comparisons.crop_averaging(runs, "auc", FEW)
    assert list(found) == ["5 crops", "10 crops"]
    by_hand = [replace(run, score=of_crops[:5].mean(axis=0)).value("auc") for run, of_crops in zip(plain, crops)]
    centre = [replace(run, score=of_crops[0]).value("auc") for run, of_crops in zip(plain, crops)]
    assert found["5 crops"].values == pytest.approx(np.subtract(by_hand, centre))
    assert found["10 crops"] == comparisons.compare([run.first_crops(1) for run in runs], runs, "auc", FEW._replace(level=0.975))
    assert runs[0].first_crops(5).crop_scores is None
    of_five = [replace(run, crop_scores=run.crop_scores[:5]) for run in runs]
    assert list(comparisons.crop_averaging(of_five, "ap", FEW)) == ["5 crops"]
    with pytest.raises(DataError, match=r"expected runs of as many crops, got 5 and 10; train them on the same features"):
        comparisons.crop_averaging([of_five[0], runs[1]], "auc", FEW)
    with pytest.raises(DataError, match="Row, seed 1: expected scores of 1 single crops, got 0; train on features of several"):
        comparisons.crop_averaging(plain, "auc", FEW)
    assert runs[0].with_scores(lambda scores: scores).crop_scores is None and comparisons.interpolated(runs[0]).crop_scores is None


def test_interpolated_scores_keep_every_frame_and_its_label():
    scored = one_video([0.2, 0.6, 0.5, 0.1], [0, 3, 0, 2], [4, 1, 2, 2], [(0, 5, 8), (1, 2, 4)], 2, [0, 0, 1, 1])
    found = comparisons.interpolated(scored)
    assert found.score[:8] == pytest.approx([0.2, 0.2, 0.25, 0.35, 0.45, 0.55, 0.6, 0.6])
    assert found.abnormal.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0] and (found.abnormal + found.normal == 1).all()
    assert found.video.tolist() == [0] * 8 + [1] * 6
    assert found.score[8] == 0.5 and found.score[-1] == 0.1  # nothing flows from one video to the next
    labels, scores = expanded(found, np.ones(2))
    assert found.value("auc") == pytest.approx(metrics.frame_roc_auc(labels, scores))
    with pytest.raises(DataError, match="expected frames of each of 2 scores, got 3"):
        scoring.interpolated(np.zeros(2), np.ones(3, dtype=int))


def test_cells_are_percent_with_their_interval():
    one_seed = intervals.Interval("auc", 0.5, None, 0.25, 0.75, 0.95, "", (1,), (0.5,), 10)
    assert intervals.interval_text(one_seed) == "50.00 [25.00, 75.00]"
    worse = comparisons.Comparison("ap", -0.02, 0.001, -0.03, -0.01, 0.95, "", (1, 2), (-0.02, -0.02), 10)
    assert comparisons.comparison_text(worse) == "-2.00 [-3.00, -1.00] worse"
    near = replace(worse, high=-0.00002)  # would print as -0.00, as if the interval held 0
    assert comparisons.comparison_text(near) == "-2.00 [-3.00, -0.002] worse"


def test_numbers_do_not_change_from_call_to_call():
    runs = [made(seed) for seed in (1, 2, 3)]
    assert intervals.interval(runs, "ap", FEW) == intervals.interval(runs, "ap", FEW)
    assert intervals.interval(runs, "ap", FEW) != intervals.interval(runs, "ap", FEW._replace(seed=1))
    pd.testing.assert_frame_equal(comparisons.postprocessing(runs, "auc", FEW), comparisons.postprocessing(runs, "auc", FEW))
