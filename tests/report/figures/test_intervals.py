"""Figures of trust: what is drawn is what the records say, in percent, and every mark is named."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from vad_lib.errors import DataError
from vad_lib.evaluation.alarms import Calibration, Delays
from vad_lib.evaluation.comparisons import Comparison, Components
from vad_lib.evaluation.intervals import Interval
from vad_lib.evaluation.power import power_curves
from vad_lib.report.figures import intervals, power_and_alarms, style

COMPONENTS = Components(between_seeds=4e-6, between_videos=3e-3, together=2e-3, num_seeds=5, num_videos=290)
STEPS = {"+ PCL": 0.0011, "+ DBAGF": 0.0053, "+ L_total": 0.0048}


def interval(mean: float, metric: str = "auc", seeds: int = 3) -> Interval:
    values = tuple(mean + 0.01 * (np.arange(seeds) - (seeds - 1) / 2))
    return Interval(metric, mean, 0.01 if seeds > 1 else None, mean - 0.03, mean + 0.02, 0.95, "", tuple(range(seeds)), values, 290)


def comparison(mean: float, half: float = 0.01, metric: str = "auc") -> Comparison:
    return Comparison(
        metric, mean, 0.01, mean - half, mean + half, 0.95, "", (1, 2), (mean - 0.002, mean + 0.002), 290, first="a", second="b"
    )


def texts(fig) -> list[str]:
    return [text.get_text() for text in fig.findobj(plt.Text) if text.get_text()]


def drawn(axes, label: str):
    return next(line for line in axes.lines if line.get_label().startswith(label))


def marks(axes, marker: str) -> list[tuple[float, float]]:
    """Places of the single marks of a kind; the legend's own have none."""
    found = [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata()) == 1]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in found]


def overlapping(fig) -> list[tuple[str, str]]:
    """Pairs of words that lie on each other."""
    fig.canvas.draw()
    unseen = set()  # ticks beyond the ends of an axis keep their words and are not drawn
    for axis in (axis for axes in fig.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            unseen |= {tick.label1, tick.label2} if not low <= tick.get_loc() <= high else set()
    shown = [text for text in fig.findobj(plt.Text) if text.get_text() and text.get_visible() and text not in unseen]
    boxes = [text.get_window_extent().shrunk(0.9, 0.75) for text in shown]
    return [
        (shown[i].get_text(), shown[j].get_text())
        for i in range(len(shown))
        for j in range(i)
        if boxes[i].overlaps(boxes[j]) and boxes[i].width and boxes[j].width
    ]


def test_words_on_each_other_are_seen():
    fig, axes = plt.subplots()
    axes.text(0.5, 0.5, "one")
    axes.text(0.51, 0.5, "other")
    assert overlapping(fig) == [("other", "one")]


def test_a_forest_has_mean_interval_and_seeds_of_every_row():
    rows = {"+ PCL": interval(0.8), "MSF-DMU": interval(0.81), "Regression": interval(0.7, seeds=1)}
    fig, points = intervals.forest_plot(rows, "On SynthCrime")
    axes = fig.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["MSF-DMU", "+ PCL", "Regression"]  # the highest first
    means = [place for place in marks(axes, "o") if place[1] == int(place[1])]
    assert means == [(pytest.approx(81), 0), (pytest.approx(80), 1), (pytest.approx(70), 2)]
    ends = [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert ends == [pytest.approx([78, 83]), pytest.approx([77, 82]), pytest.approx([67, 72])]
    seeds = [line for line in axes.lines if line.get_alpha() and len(line.get_xdata())]
    assert [len(line.get_xdata()) for line in seeds] == [3, 3, 1] and list(seeds[1].get_xdata()) == pytest.approx([79, 80, 81])
    assert points["values"].tolist() == ["0.8 0.81 0.82", "0.79 0.8 0.81", "0.7"]
    said = texts(fig)
    for text in ("80.00 ± 1.00 [77.00, 82.00]", "70.00 [67.00, 72.00]", "AUC %", "mean and 95 % interval", "one seed"):
        assert text in said
    assert axes.yaxis_inverted()
    assert "AP %" in texts(intervals.forest_plot({"a": interval(0.5, "ap")}, "t")[0])


def test_paired_differences_carry_their_word():
    rows = {"+ PCL": comparison(0.001), "+ DBAGF": comparison(0.02), "Proposed": comparison(-0.02)}
    fig, points = intervals.paired_differences(rows, "Against the row above", {"+ DBAGF": 0.0053})
    assert points["verdict"].tolist() == ["cannot tell", "better", "worse"] and points["step"].tolist()[1] == 0.0053
    axes = fig.axes[0]
    means = [place for place in marks(axes, "o") if place[1] == int(place[1])]
    assert means == [(pytest.approx(0.1), 0), (pytest.approx(2), 1), (pytest.approx(-2), 2)]
    assert [place for place in marks(axes, "D") if np.isfinite(place[0])] == [(pytest.approx(0.53), pytest.approx(0.75))]
    said = texts(fig)
    for text in ("+0.10 [-0.90, +1.10] cannot tell", "-2.00 [-3.00, -1.00] worse", "difference, AUC points", "the paper's step"):
        assert text in said
    colours = {text.get_text(): text.get_color() for text in fig.findobj(plt.Text)}
    assert colours["+2.00 [+1.00, +3.00] better"] == intervals.WORD_COLOURS["better"]
    assert "worse" not in texts(intervals.paired_differences({"a": comparison(0.02)}, "t")[0])


def test_one_row_far_away_does_not_stretch_the_axis_of_differences():
    near, failed = comparison(0.01), dataclasses.replace(comparison(-0.1), low=-0.45, values=(0.0, -0.4))
    fig, points = intervals.paired_differences({"near": near, "failed": failed}, "Far", None, "of 1 row: 1 near")
    (axes,) = fig.axes
    assert axes.get_xlim()[0] == pytest.approx(-100 * intervals.FARTHEST) and axes.get_xlim()[1] < 10
    assert marks(axes, "<") == [(pytest.approx(-25), 1)] and not marks(axes, ">") and "-40" in texts(fig)
    assert points["low"].min() == -0.45 and fig.get_suptitle() == "Far\nof 1 row: 1 near"
    whole = intervals.paired_differences({"near": near}, "Near")[0].axes[0]
    assert not marks(whole, "<") and whole.get_xlim()[0] > -5
    far = intervals.paired_differences({"far": dataclasses.replace(failed, mean=-0.4)}, "Far")[0].axes[0]
    assert far.get_xlim()[0] == pytest.approx(-42) and marks(far, "<") == [(pytest.approx(-42), 0)]


def test_power_panels_show_seeds_and_videos_with_the_steps():
    fig, points = power_and_alarms.power_panels(COMPONENTS, "Power", STEPS)
    pd.testing.assert_frame_equal(points, power_curves(COMPONENTS))
    for axes, over, measured in zip(fig.axes, ("seeds", "videos"), (5, 290)):
        line, mine = drawn(axes, "difference seen with 80 % probability"), points[points["over"] == over]
        assert np.array_equal(line.get_xdata(), mine[over]) and np.allclose(line.get_ydata(), 100 * mine["detectable"])
        assert drawn(axes, "measured").get_xdata()[0] == measured
        levels = [line.get_ydata()[0] for line in axes.lines if line.get_color() == style.ORANGE]
        assert sorted(levels) == pytest.approx([0.11, 0.48, 0.53])
    assert fig.axes[0].get_xlabel() == "seeds, with 290 test videos" and fig.axes[1].get_xlabel() == "test videos, with 5 seeds"
    assert {"0.11 (+ PCL)", "0.53 (+ DBAGF)", "difference, percentage points"} <= {*texts(fig)}


def test_selection_gains_show_both_rules_of_every_row():
    gains = {name: {"best_on_validation": comparison(0.02), "last": comparison(0.03)} for name in ("UR-DMU", "Proposed")}
    fig, points = intervals.selection_gains(gains, "Gain")
    assert points["selection"].tolist() == ["best_on_validation", "last"] * 2 and points["gain"].tolist() == [0.02, 0.03] * 2
    assert marks(fig.axes[0], "D") == [(2, pytest.approx(-0.14)), (2, pytest.approx(0.86))]
    assert marks(fig.axes[0], "o") == [(3, pytest.approx(0.14)), (3, pytest.approx(1.14))]
    assert {"over the step chosen on validation", "over the step taken last"} <= {*texts(fig)}


def calibrated(shift: float) -> Calibration:
    low = np.array([0, 0.5])
    bins = pd.DataFrame(
        {"low": low, "high": low + 0.5, "frames": [300, 100], "mean_score": [0.2, 0.8], "abnormal_share": [0.2, 0.8]}
    )
    bins["abnormal_share"] -= shift
    return Calibration(bins, shift, 0.1)


def test_reliability_shows_the_bins_and_how_full_they_are():
    empty = calibrated(0.1)
    empty.bins.loc[1, ["frames", "mean_score", "abnormal_share"]] = (0, np.nan, np.nan)
    fig, points = power_and_alarms.reliability_diagram({"Proposed": calibrated(0.05), "UR-DMU": empty}, "Reliability")
    axes, below = fig.axes
    line = drawn(axes, "Proposed (calibration error 5.0 %, Brier score 0.100)")
    assert list(line.get_xdata()) == [20, 80] and list(line.get_ydata()) == pytest.approx([15, 75])
    assert list(drawn(axes, "UR-DMU").get_xdata()) == [20]  # an empty bin has no share
    assert list(below.patches[0].get_data().values) == [75, 25]
    assert points["row"].tolist() == ["Proposed"] * 2 + ["UR-DMU"] * 2 and points.columns[0] == "row"
    assert {"score of the frames, %", "frames, %", "abnormal frames among them, %"} <= {*texts(fig)}


def delays(*seconds: float) -> Delays:
    events = pd.DataFrame({"video": "v", "start": 0, "end": 9, "delay_seconds": seconds})
    return Delays(events, int(np.isnan(seconds).sum()), 0.5)


def test_delays_end_at_the_share_that_is_seen():
    fig, points = power_and_alarms.delay_recall({"At 1 %": delays(2, 0, np.nan, 5), "At 0.1 %": delays(np.nan, np.nan)}, "Delays")
    axes = fig.axes[0]
    line = drawn(axes, "At 1 % (3 of 4 events seen, median 2.0 s)")
    assert list(line.get_xdata()) == pytest.approx([0, 0, 2, 5, 5.2]) and list(line.get_ydata()) == [0, 25, 50, 75, 75]
    assert set(drawn(axes, "At 0.1 % (0 of 2 events seen)").get_ydata()) == {0}
    assert points[points["row"] == "At 1 %"]["share"].tolist() == [0, 0.25, 0.5, 0.75]
    assert {"seconds after the start of the event", "events seen by then, %"} <= {*texts(fig)}
    assert power_and_alarms.delay_recall({"a": delays(np.nan)}, "t")[0].axes[0].get_xlim()[1] > 0
    with pytest.raises(DataError, match="a: delays need events, got none; add test videos with abnormal frames"):
        power_and_alarms.delay_recall({"a": delays()}, "t")


@pytest.mark.parametrize("draw", [intervals.forest_plot, intervals.paired_differences])
def test_rows_of_different_metrics_do_not_share_an_axis(draw):
    with pytest.raises(DataError, match="expected rows of one metric, got ap, auc; draw a figure for each"):
        draw({"a": comparison(0.1), "b": comparison(0.1, metric="ap")}, "t")
    with pytest.raises(DataError, match="expected rows of one metric, got no row"):
        draw({}, "t")


def every_figure():
    long = ("MSF-DMU (reconstruction)", "+ PCL", "+ DBAGF", "FusionNet+LSTM+GAN (our stand-in)", "Logistic regression on snippets")
    title = "Rows of Table 4 on SynthCrime (rendered videos)"
    yield "forest", intervals.forest_plot({name: interval(0.8 + 0.01 * i) for i, name in enumerate(long)}, title)
    yield (
        "paired",
        intervals.paired_differences({name: comparison(0.005 * (i - 2), 0.004) for i, name in enumerate(long)}, title, STEPS),
    )
    yield "power", power_and_alarms.power_panels(COMPONENTS, title, STEPS)
    yield (
        "gain",
        intervals.selection_gains({n: {"best_on_validation": comparison(0.1), "last": comparison(0.2)} for n in long}, title),
    )
    yield "reliability", power_and_alarms.reliability_diagram({name: calibrated(0.1) for name in long}, title)
    yield (
        "delays",
        power_and_alarms.delay_recall({f"{name}, 0.1 % of normal frames": delays(1, 2, 30, np.nan) for name in long}, title),
    )


@pytest.mark.slow
def test_no_words_lie_on_each_other_and_the_points_are_saved(made_up):
    for name, (fig, points) in every_figure():
        assert overlapping(fig) == [], name
        paths = style.save_figure(fig, made_up.layout, name, points, {})
        assert imread(paths["png"]).shape[1] in (8 * style.DPI, 10 * style.DPI)
        assert len(pd.read_csv(paths["csv"])) == len(points) > 0
