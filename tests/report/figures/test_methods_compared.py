"""Figures that set methods side by side: every method has its panel, dot and box, and no name covers another."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_words import texts
from matplotlib.patches import FancyBboxPatch
from scipy.stats import spearmanr

from vad_lib.errors import DataError
from vad_lib.report.figures import method_map, methods_compared, run_scores, style
from vad_lib.runs import experiments, finished_runs
from vad_lib.runs.run_folder import RunInFolder


def overlapping(fig, words: list[plt.Text]) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes meet."""
    renderer = fig.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in words if text.get_text() and text.get_visible()]
    return [(a, b) for i, (a, first) in enumerate(boxes) for b, second in boxes[i + 1 :] if first.overlaps(second)]


@pytest.fixture
def runs(made_up) -> list[run_scores.RunScores]:
    variants = ("ur-dmu", "msf-dmu", "proposed", "rtfm")
    return [run_scores.load_scores(RunInFolder(made_up.write("synth-crime", variant))) for variant in variants]


def test_a_panel_per_method_with_the_same_shade(runs):
    video = next(v for v in runs[0].videos.values() if v.labels.any())
    fig, points = methods_compared.method_curves(runs, video.name, "one video")
    shown = [axes for axes in fig.axes if axes.get_visible()]
    assert len(shown) == 4 and len(fig.axes) == 6
    assert points["method"].unique().tolist() == [run.title for run in runs]
    theirs = points[points["method"] == runs[2].title]
    np.testing.assert_array_equal(theirs["score"], runs[2].videos[video.name].curves["score"])
    assert theirs["first_frame"].tolist() == [16 * t for t in range(len(theirs))]
    start = int(np.flatnonzero(video.labels)[0])
    for axes in shown:
        assert min(patch.get_x() for patch in axes.patches if hasattr(patch, "get_x")) == start
        assert "AUC" in axes.get_title()


def test_a_normal_video_has_no_auc_inside_it(runs):
    video = next(v for v in runs[0].videos.values() if not v.labels.any())
    fig, _ = methods_compared.method_curves(runs[:1], video.name, "one video")
    assert "AUC" not in fig.axes[0].get_title()


def test_an_unknown_video_is_refused(runs):
    with pytest.raises(DataError, match="UR-DMU has no scores of no-such-video"):
        methods_compared.method_curves(runs, "no-such-video", "")


def test_every_dot_has_its_look_and_its_name(made_up):
    variants = ("ur-dmu", "msf-dmu", "proposed", "logistic-regression")
    for place, variant in enumerate(variants):
        timing = {} if variant == "logistic-regression" else {"test_milliseconds_per_video_minute": 3.0}
        made_up.write("synth-crime", variant, auc=0.8 + 1e-4 * place, parameters=1000 * 10**place, timing=timing)
    done = finished_runs.load_runs(made_up.layout, "synth-crime", variants)
    points = methods_compared.method_points(done, "auc", "best_on_validation")
    assert points["value"].round(2).tolist() == [80.0, 80.01, 80.02, 80.03]
    assert points["milliseconds"].isna().tolist() == [False, False, False, True] and not points["pixels"].any()
    fig, _ = methods_compared.accuracy_against(points, "auc", "title")
    best = "Logistic regression on snippets, AUC 80.0 %, 1,000,000 parameters"
    assert fig.get_suptitle() == f"title\nhighest mean over seeds: {best}"
    one = points.assign(pixels=points["method"] == "Proposed")
    right = methods_compared.accuracy_against(one, "auc", "title")[0].axes[1]
    assert right.get_xlabel() == "testing, ms per minute of video; features given,\nProposed from pixels"
    fig.canvas.draw()
    left, right = fig.axes
    assert [len(axes.lines) for axes in (left, right)] == [4, 3]
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert named == [*points.sort_values("value", ascending=False)["method"]]
    markers = {line.get_label(): (line.get_color(), line.get_marker()) for line in left.lines}
    assert markers["Proposed"] == (style.BLUE, style.METHOD_LOOKS["proposed"].marker)
    assert not overlapping(fig, fig.legends[0].get_texts())


def test_agreement_is_the_rank_correlation_of_the_scores(runs):
    fig, points = methods_compared.rank_agreement(runs[:2], "Ranks")
    assert fig.get_suptitle().startswith("Ranks, seed 1: rank correlation of frame scores\n")
    first, second = (run.frames()[1] for run in runs[:2])
    wanted = spearmanr(first, second).statistic
    assert points.loc[0, runs[1].title] == pytest.approx(wanted) and f"{wanted:.2f}" in texts(fig)
    assert f"{runs[0].title} and {runs[1].title} {wanted:.2f}" in style.described(fig)


def test_the_map_has_a_box_for_every_compared_method():
    fig, points = method_map.method_map()
    fig.canvas.draw()
    assert len(points) == len(experiments.COMPARED) == len(fig.findobj(FancyBboxPatch))
    assert (points["idea"].str.len() > 20).all() and (points["paper"] != "").all()
    assert "our stand-in" in texts(fig)
    assert not overlapping(fig, list(fig.axes[0].texts))
    boxes = {(round(b.get_x(), 2), round(b.get_y(), 2)) for b in fig.findobj(FancyBboxPatch)}
    assert len(boxes) == len(points)
