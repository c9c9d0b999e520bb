"""Statistics: exact resamples, intervals that hold what they promise, paired words, power, calibration and delays by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_scores import expanded, made, one_video, planted
from scipy import stats

from vad_lib import metrics
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.evaluation import comparisons, detection, intervals, scored_videos, scoring
from vad_lib.runs import finished_runs
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays

FEW = intervals.Resampling(num_resamples=200)


# --- exact values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize(("metric", "definition"), [("auc", metrics.frame_roc_auc), ("ap", metrics.average_precision)])
def test_resamples_equal_the_metric_on_their_frames(metric, definition, decimals, monkeypatch):
    monkeypatch.setattr(scored_videos, "_CHUNK", 100)  # several chunks
    for seed in range(5):
        scored = made(seed, decimals=decimals)
        counts, _ = intervals.draw_videos(scored, intervals.Resampling(num_resamples=20, seed=seed, stratified=False))
        expected = [definition(*expanded(scored, row)) for row in counts]
        np.testing.assert_allclose(scored_videos.resampled(scored, counts, metric), expected, rtol=0, atol=1e-12)
        assert scored.value(metric) == pytest.approx(definition(*expanded(scored, np.ones(12))), abs=1e-12)


def test_a_constant_score_and_a_perfect_one():
    scored = made()
    constant = scored.with_scores(lambda scores: np.full(len(scores), 0.5))
    share = scored.abnormal.sum() / (scored.abnormal + scored.normal).sum()
    assert constant.value("auc") == 0.5 and constant.value("ap") == pytest.approx(share)
    perfect = one_video([0.9, 0.1], [16, 0], [0, 16], [(0, 0, 16)])
    assert perfect.value("auc") == perfect.value("ap") == 1


def test_metrics_that_are_not_defined():
    scored = made()
    with pytest.raises(ConfigError, match=r"expected one of auc, ap, map_vadclip_code.*, got 'f1'"):
        scored_videos.resampled(scored, np.ones((1, 12)), "f1")
    normal_only = np.eye(12)[[0]]
    with pytest.raises(DataError, match="AP of Row: not defined, it needs abnormal and normal frames"):
        scored_videos.resampled(scored, normal_only, "ap")
    with pytest.raises(DataError, match="category_accuracy of Row: needs an alignment map"):
        scored_videos.resampled(scored, np.ones((1, 12)), "category_accuracy")


# --- run folders ------------------------------------------------------------------------------------------


def with_rules(folder: Path) -> dict[str, np.ndarray]:
    """Give a made-up run the scores of each selection rule."""
    arrays = read_arrays(folder / "scores.npz")
    rng = np.random.default_rng(int(folder.name[4:]))
    for noise, rule in ((0.3, "last"), (0.2, "best_on_validation"), (0.05, "best_on_test")):
        noisy = arrays["score"] + rng.normal(0, noise, len(arrays["score"]))
        arrays[f"score_{rule}"] = np.clip(noisy, 0, 1).astype(np.float32)
    write_arrays(folder / "scores.npz", arrays)
    return arrays


@pytest.mark.parametrize("rule", [None, "last", "best_on_validation", "best_on_test"])
def test_a_run_is_read_in_pieces_with_the_value_of_its_frames(made_up, rule):
    folder = made_up.write("synth-crime", "ur-dmu", seed=3)
    arrays = with_rules(folder)
    scored = scored_videos.load_scored(folder, rule)
    score = arrays[f"score_{rule}" if rule else "score"]
    parts = np.split(score, np.cumsum(arrays["num_snippets"])[:-1])
    frames = np.concatenate([scoring.frame_scores(part, int(n)) for part, n in zip(parts, arrays["num_frames"])])
    assert scored.value("auc") == pytest.approx(metrics.frame_roc_auc(arrays["labels"], frames), abs=1e-12)
    assert scored.value("ap") == pytest.approx(metrics.average_precision(arrays["labels"], frames), abs=1e-12)
    assert (scored.seed, scored.title) == (3, "UR-DMU") and scored.videos == tuple(arrays["videos"].tolist())
    assert scored.abnormal_video.tolist() == [name.split("_")[0] != "Normal" for name in scored.videos]
    assert len(scored.score) == arrays["num_snippets"].sum() and scored.score.dtype == np.float32


def test_events_are_the_runs_of_abnormal_frames(made_up):
    labels = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1])
    # three videos of 3, 3 and 3 frames: an event ends and begins at a video's border
    assert scored_videos._events(labels, np.array([3, 3, 3])).tolist() == [[0, 0, 2], [1, 0, 3], [2, 2, 3]]
    assert scored_videos._events(np.ones(4, dtype=int), np.array([2, 2])).tolist() == [[0, 0, 2], [1, 0, 2]]
    folder = made_up.write("synth-crime", "ur-dmu")
    arrays, scored = read_arrays(folder / "scores.npz"), scored_videos.load_scored(folder)
    drawn = np.zeros_like(arrays["labels"])
    first = np.cumsum(arrays["num_frames"]) - arrays["num_frames"]
    for video, start, end in scored.events:
        drawn[first[video] + start : first[video] + end] = 1
    assert np.array_equal(drawn, arrays["labels"])


def test_a_last_score_may_hold_to_the_end(made_up):
    folder = made_up.write("synth-crime", "ur-dmu")
    arrays = read_arrays(folder / "scores.npz")
    last = np.cumsum(arrays["num_snippets"])[0] - 1
    arrays["num_snippets"][0] -= 1
    write_arrays(folder / "scores.npz", arrays | {"score": np.delete(arrays["score"], last)})
    with pytest.raises(DataError, match="frames need"):
        scored_videos.load_scored(folder)
    made_up.change(folder, dataset_info={"tail": "extend"})
    scored = scored_videos.load_scored(folder)
    assert (scored.abnormal + scored.normal)[last - 1] == arrays["num_frames"][0] - 16 * (last - 1)


def test_runs_that_cannot_be_read(made_up):
    folder = made_up.write("synth-crime", "ur-dmu")
    with pytest.raises(ConfigError, match="expected last, best_on_validation, best_on_test, got 'best'"):
        scored_videos.load_scored(folder, "best")
    with pytest.raises(DataError, match="array score_last is missing; run the training of this variant again"):
        scored_videos.load_scored(folder, "last")
    arrays = read_arrays(folder / "scores.npz")
    write_arrays(folder / "scores.npz", arrays | {"score": arrays["score"][:-1]})
    with pytest.raises(DataError, match=r"expected [\d,]+ scores and [\d,]+ labels, got"):
        scored_videos.load_scored(folder)
    with pytest.raises(MissingFileError):
        scored_videos.load_scored(folder.parent / "seed99")


def with_fine_grained(folder: Path) -> dict[str, np.ndarray]:
    """Give a made-up run one segment and one event per video of an abnormal category."""
    arrays = read_arrays(folder / "scores.npz")
    count, categories = len(arrays["videos"]), len(arrays["categories"])
    abnormal = np.array(["Normal" not in text.split(";") for text in arrays["video_categories"].tolist()])
    place = np.flatnonzero(abnormal)
    category = 1 + place % (categories - 1)
    events = np.zeros((count, categories), dtype=np.int64)
    events[place, category] = 1
    hits = np.repeat((place % 2 == 0)[:, None], len(detection.IOUS), axis=1)
    matched = detection.Matched(place, category, np.linspace(1, 0.5, len(place)), hits, events, abnormal)
    named = np.arange(count) % 2 == 0
    arrays |= {"category_named": named, "abnormal_category_named": named}
    return arrays | {f"detection_{name}": array for name, array in matched._asdict().items()}


def test_fine_grained_metrics_are_read_and_resampled(made_up):
    folder = made_up.write("synth-crime", "proposed")
    arrays = with_fine_grained(folder)
    write_arrays(folder / "scores.npz", arrays)
    scored = scored_videos.load_scored(folder)
    assert scored.value("category_accuracy") == arrays["category_named"].mean()
    assert scored.value("map_abnormal_only") == pytest.approx(
        detection.mean_ap(detection.class_ap(scored.fine_grained.matched, "abnormal_only"), "abnormal_only").mean()
    )
    # without the named videos nothing is named
    none_named = (~arrays["category_named"]).astype(float)[None]
    assert scored_videos.resampled(scored, none_named, "category_accuracy")[0] == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("category_named", lambda array: array[:-1]),
        ("abnormal_category_named", None),
        ("detection_video", lambda array: array + 1000),
        ("detection_category", lambda array: -array - 1),
        ("detection_score", lambda array: array * np.nan),
        ("detection_hits", lambda array: array[:, :2]),
        ("detection_events", lambda array: array[:, :-1]),
        ("detection_events", lambda array: array.astype(np.float32)),
        ("detection_abnormal_video", None),
        ("detection_video", None),
    ],
)
def test_fine_grained_arrays_that_do_not_fit(made_up, name, change):
    folder = made_up.write("synth-crime", "proposed")
    arrays = with_fine_grained(folder)
    array = arrays.pop(name)
    write_arrays(folder / "scores.npz", arrays if change is None else arrays | {name: change(array)})
    with pytest.raises(DataError, match="expected a finished run, but its parts do not fit together"):
        scored_videos.load_scored(folder)


# --- drawing ----------------------------------------------------------------------------------------------


def test_strata_keep_their_sizes():
    counts, redrawn = intervals.draw_videos(made(), FEW)
    assert counts.shape == (200, 12) and redrawn == 0
    assert (counts[:, ::3].sum(axis=1) == 4).all() and (counts.sum(axis=1) == 12).all()
    assert np.array_equal(counts, intervals.draw_videos(made(5), FEW)[0])  # whatever the scores
    assert not np.array_equal(counts, intervals.draw_videos(made(), FEW._replace(seed=1))[0])
    together, _ = intervals.draw_videos(made(), FEW._replace(stratified=False))
    assert (together.sum(axis=1) == 12).all() and together[:, ::3].sum(axis=1).std() > 0


def test_resamples_of_one_class_are_drawn_again_and_counted():
    scored = one_video([0.2, 0.8], [0, 16], [16, 0], [(1, 0, 16)], 2, [0, 1])
    counts, redrawn = intervals.draw_videos(scored, intervals.Resampling(num_resamples=400, stratified=False))
    assert counts.tolist() == [[1, 1]] * 400
    assert 300 < redrawn < 520  # each draw fails with probability 1/2
    found = intervals.interval_over_videos([scored], "auc", intervals.Resampling(num_resamples=400, stratified=False))
    assert found.redrawn == redrawn and (found.low, found.high) == (1, 1)


def test_a_test_set_of_one_class_cannot_be_drawn():
    with pytest.raises(DataError, match="the 1 test videos do not give both; add videos of the other class"):
        intervals.draw_videos(one_video([0.5], [0], [16], []), FEW)


# --- intervals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 2])
def test_bca_is_that_of_scipy(samples):
    """The same resamples and the same jackknife, so the same ends to the last digits; one and two strata."""
    rng = np.random.default_rng(3)
    data = [rng.exponential(size=n) for n in (15, 22)[:samples]]

    def statistic(*parts, axis=-1):
        return sum(np.mean(part**2, axis=axis) for part in parts)

    theirs = stats.bootstrap(tuple(data), statistic, n_resamples=999, method="BCa", rng=rng)
    left_out = [
        np.array([statistic(*data[:k], np.delete(part, i), *data[k + 1 :]) for i in range(len(part))])
        for k, part in enumerate(data)
    ]
    ours = intervals.bca_quantiles(np.array([0.025, 0.975]), theirs.bootstrap_distribution, statistic(*data), left_out)
    np.testing.assert_allclose(ours, theirs.confidence_interval, rtol=1e-9)
    plain = np.quantile(theirs.bootstrap_distribution, [0.025, 0.975])
    assert (ours > plain).all()  # a mean of squares is skewed to the right


def test_bca_without_skew_and_bias_is_the_percentiles():
    drawn = np.linspace(-1, 1, 2001)
    levels = np.array([0.025, 0.5, 0.975])
    np.testing.assert_allclose(
        intervals.bca_quantiles(levels, drawn, 0.0, [np.array([-1.0, 0.0, 1.0])]), [-0.95, 0, 0.95], atol=1e-12
    )
    assert intervals.bca_quantiles(levels, drawn, 5.0, []).tolist() == pytest.approx([-0.95, 0, 0.95])  # all on one side


def test_an_interval_over_videos_is_that_of_its_resamples():
    runs = [made(seed) for seed in (1, 2)]
    found = intervals.interval_over_videos(runs, "ap", FEW)
    assert found.mean == pytest.approx(np.mean([run.value("ap") for run in runs]))
    assert found.values == tuple(run.value("ap") for run in runs) and found.sd == pytest.approx(np.std(found.values, ddof=1))
    assert (found.num_seeds, found.seeds, found.num_videos, found.num_resamples, found.level) == (2, (1, 2), 12, 200, 0.95)
    assert found.kind == "test videos, 2 seeds fixed (BCa bootstrap, normal and abnormal apart)"
    assert found.low < found.mean < found.high
    drawn = np.mean([scored_videos.resampled(run, intervals.draw_videos(run, FEW)[0], "ap") for run in runs], axis=0)
    assert drawn.min() < found.low < np.median(drawn) < found.high < drawn.max()
    assert found == intervals.interval_over_videos(runs, "ap", FEW)
    wider = intervals.interval_over_videos(runs, "ap", FEW._replace(level=0.99))
    assert wider.low < found.low and found.high < wider.high
    together = intervals.interval_over_videos(runs, "ap", intervals.Resampling(num_resamples=2000, stratified=False))
    apart = intervals.interval_over_videos(runs, "ap", intervals.Resampling(num_resamples=2000))
    assert together.kind.endswith("all together)") and together.high - together.low > apart.high - apart.low


def test_an_interval_over_seeds_is_students():
    runs = [made(seed) for seed in range(5)]
    found = intervals.interval_over_seeds(runs, "auc")
    values = [run.value("auc") for run in runs]
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected) and found.num_resamples == 0
    with pytest.raises(DataError, match="needs two seeds or more, got one; train further seeds"):
        intervals.interval_over_seeds(runs[:1], "auc")


def test_an_interval_of_a_metric_stays_between_0_and_1():
    """Two far seeds: Student's t with one degree of freedom would leave the range by far; a difference may."""
    runs = [made(0, lift=0.9), made(1, lift=0.0)]
    for make in (intervals.interval_over_seeds, intervals.interval):
        found = make(runs, "auc")
        assert (found.low, found.high) == (0.0, 1.0) and found.low <= found.mean <= found.high
    difference = comparisons.compare(runs, [made(0, lift=0.0), made(1, lift=0.9)], "auc")
    assert difference.low < -1 and difference.high > 1


def test_both_sources_have_the_single_ones_as_limits():
    rng, how = np.random.default_rng(0), intervals.Resampling(num_resamples=1000)
    of_videos = np.clip(0.5 + 0.1 * rng.normal(size=(1, 30)), 0, 1)
    same_seeds = planted(np.repeat(of_videos, 3, axis=0))
    both, videos = intervals.interval(same_seeds, "auc", how), intervals.interval_over_videos(same_seeds, "auc", how)
    assert (both.low, both.high) == pytest.approx((videos.low, videos.high), abs=5e-4) and both.sd == 0
    same_videos = planted(np.repeat(0.5 + 0.05 * rng.normal(size=(4, 1)), 30, axis=1))
    both, seeds = intervals.interval(same_videos, "auc", how), intervals.interval_over_seeds(same_videos, "auc")
    assert both.high - both.low == pytest.approx(seeds.high - seeds.low, rel=0.01)
    assert both.kind == "seeds (Student's t) and test videos (BCa bootstrap, normal and abnormal apart)"
    one = intervals.interval(same_videos[:1], "auc", how)
    assert one.kind.startswith("test videos, 1 seed fixed") and one.sd is None


def test_both_sources_agree_with_drawing_seeds_and_videos_if_there_are_many_seeds():
    rng = np.random.default_rng(1)
    values = 0.5 + 0.06 * rng.normal(size=(40, 1)) + 0.06 * rng.normal(size=(1, 40)) + 0.1 * rng.normal(size=(40, 40))
    runs = planted(np.clip(values, 0, 1))
    found = intervals.interval(runs, "auc", FEW._replace(num_resamples=1000))
    counts, _ = intervals.draw_videos(runs[0], FEW._replace(num_resamples=1000))
    on_videos = np.stack([scored_videos.resampled(run, counts, "auc") for run in runs])
    drawn = [on_videos[rng.integers(0, 40, 40), column].mean() for column in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low, rel=0.12)


@pytest.mark.parametrize(("seeds", "videos", "together"), [(0.02, 0, 0), (0, 0.15, 0), (0, 0, 0.15), (0.02, 0.1, 0.1)], ids=str)
def test_nine_of_ten_intervals_at_level_ninety_hold_the_true_mean(seeds, videos, together):
    """Whichever source prevails, with three seeds."""
    rng, hits, runs = np.random.default_rng(2), 0, 120
    for _ in range(runs):
        values = 0.5 + seeds * rng.normal(size=(3, 1)) + videos * rng.normal(size=(1, 30)) + together * rng.normal(size=(3, 30))
        found = intervals.interval(planted(np.clip(values, 0, 1)), "auc", intervals.Resampling(level=0.9, num_resamples=200))
        hits += found.low <= 0.5 <= found.high
    assert 0.82 < hits / runs <= 0.98


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
        intervals.interval_over_seeds([made(1), relabelled], "auc")


# --- comparisons ------------------------------------------------------------------------------------------


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


def test_the_words():
    rng = np.random.default_rng(4)
    values = np.clip(0.5 + 0.1 * rng.normal(size=(1, 40)) + 0.01 * rng.normal(size=(3, 40)), 0.1, 0.8)
    base, better = planted(values), planted(values + 0.05 + 0.01 * rng.normal(size=(3, 40)))
    assert comparisons.compare(base, better, "auc", FEW).word == "better"
    assert comparisons.compare(better, base, "auc", FEW).word == "worse"
    same = comparisons.compare(base, base, "auc", FEW)
    assert same.word == "cannot tell" and (same.mean, same.low, same.high) == (0, 0, 0)
    noisy = planted(np.clip(values + 0.01 + 0.2 * rng.normal(size=(3, 40)), 0, 1))
    assert comparisons.compare(base, noisy, "auc", FEW).word == "cannot tell"


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


def test_components_find_what_was_planted():
    rng, found = np.random.default_rng(6), []
    for _ in range(40):
        values = 0.5 + 0.02 * rng.normal(size=(4, 1)) + 0.1 * rng.normal(size=(1, 40)) + 0.08 * rng.normal(size=(4, 40))
        base = planted(np.full((4, 40), 0.5))
        found.append(comparisons.compare(base, planted(np.clip(values, 0, 1)), "auc", FEW).components)
    # per abnormal video; the set has one normal video beside the 40, and drawing gives (n - 1) / n of a variance
    assert np.mean([c.between_seeds for c in found]) == pytest.approx(0.02**2, rel=0.35)
    assert np.mean([c.between_videos for c in found]) == pytest.approx(0.1**2, rel=0.15)
    assert np.mean([c.together for c in found]) == pytest.approx(0.08**2, rel=0.15)
    assert {(c.num_seeds, c.num_videos) for c in found} == {(4, 41)}


def test_the_gain_of_choosing_on_test(made_up):
    folders = [made_up.write("synth-crime", "ur-dmu", seed=seed) for seed in (1, 2, 3)]
    for folder in folders:
        with_rules(folder)
    gains = comparisons.selection_gain(folders, "auc", FEW)
    assert list(gains) == ["best_on_validation", "last"]
    for rule, found in gains.items():
        values = [
            scored_videos.load_scored(f, "best_on_test").value("auc") - scored_videos.load_scored(f, rule).value("auc")
            for f in folders
        ]
        assert found.values == pytest.approx(values) and (found.first, found.second) == (rule, "best_on_test")
    assert gains["last"].mean > gains["best_on_validation"].mean > 0
    runs = [finished_runs.Run(folder, {}, {}) for folder in folders]
    assert comparisons.selection_gain(runs, "auc", FEW) == gains


def test_postprocessing_is_measured_on_the_frames():
    runs = [made(seed, decimals=6) for seed in (1, 2)]
    found = comparisons.postprocessing(runs, "ap", FEW).set_index("setting")
    assert found["rule"].tolist() == ["none", *["sliding"] * 3, *["blocks"] * 3, "interpolated"]
    assert found.loc["as scored", ["change", "low", "high", "word"]].tolist() == [0, 0, 0, "cannot tell"]
    smooth = [run.with_scores(lambda scores: scoring.smoothed(scores, "sliding", 7)) for run in runs]
    row = found.loc["sliding mean of 7 snippets"]
    assert row["value"] == pytest.approx(np.mean([run.value("ap") for run in smooth]))
    paired = comparisons.compare(runs, smooth, "ap", FEW._replace(level=1 - 0.05 / 7))
    assert row[["change", "low", "high", "word"]].tolist() == [paired.mean, paired.low, paired.high, paired.word]
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


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (lambda score: score[None], "two crops or more expected"),
        (lambda score: np.stack([score, score])[:, 1:], "two crops or more expected"),
        (lambda score: np.stack([score, score]).astype(int), "two crops or more expected"),
        (lambda score: np.stack([score, score - 2]), r"a score that is not in \[0, 1\]"),
        (lambda score: np.stack([score, score * np.nan]), r"a score that is not in \[0, 1\]"),
    ],
)
def test_scores_of_crops_that_do_not_fit_are_refused(made_up, crops, message):
    folder = made_up.write("synth-crime", "ur-dmu")
    arrays = read_arrays(folder / "scores.npz")
    write_arrays(folder / "scores.npz", arrays | {"crop_scores": np.stack([arrays["score"]] * 3)})
    assert scored_videos.load_scored(folder).crop_scores.shape == (3, len(arrays["score"]))
    write_arrays(folder / "scores.npz", arrays | {"crop_scores": crops(arrays["score"])})
    with pytest.raises(DataError, match=message):
        scored_videos.load_scored(folder)


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


# --- cells ------------------------------------------------------------------------------------------------


def test_cells_are_percent_with_their_interval():
    one_seed = intervals.Interval("auc", 0.5, None, 0.25, 0.75, 0.95, "", (1,), (0.5,), 10)
    assert intervals.interval_text(one_seed) == "50.00 [25.00, 75.00]"
    worse = comparisons.Comparison("ap", -0.02, 0.001, -0.03, -0.01, 0.95, "", (1, 2), (-0.02, -0.02), 10)
    assert comparisons.comparison_text(worse) == "-2.00 [-3.00, -1.00] worse"


def test_numbers_do_not_change_from_call_to_call():
    runs = [made(seed) for seed in (1, 2, 3)]
    assert intervals.interval(runs, "ap", FEW) == intervals.interval(runs, "ap", FEW)
    assert intervals.interval(runs, "ap", FEW) != intervals.interval(runs, "ap", FEW._replace(seed=1))
    pd.testing.assert_frame_equal(comparisons.postprocessing(runs, "auc", FEW), comparisons.postprocessing(runs, "auc", FEW))
