"""Figures 3 and 4: what is drawn is what the run says."""

import numpy as np
import pytest
from figure_words import texts

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.errors import DataError
from vad_lib.report.figures import run_scores, score_curves, strips
from vad_lib.report.figures.strips import FIGURE3_CATEGORIES as FIGURE3
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.paths import Layout


def made_up_strips(run: run_scores.RunScores, categories=FIGURE3) -> dict[str, strips.Strip]:
    found = {}
    for name in strips.figure_videos([(v.name, v.categories) for v in run.videos.values()], categories).values():
        positions = np.linspace(0, len(run.videos[name].labels) - 1, 4).astype(int)
        found[name] = strips.Strip(positions, np.full((4, 24, 32, 3), 128, dtype=np.uint8))
    return found


def test_score_panels_draw_the_scores_and_the_ground_truth(run):
    fig, points = score_curves.score_panels(run, made_up_strips(run), FIGURE3, "On SynthCrime", curves=("score", "visual"))
    panels = [axes for axes in fig.axes if axes.get_ylabel() == "anomaly score"]
    assert len(panels) == 4 and len(fig.axes) == 4 + 4 * 4
    for axes, category in zip(panels, FIGURE3):
        assert category in axes.get_title(loc="left") and axes.get_xlabel() == "frame"
        theirs = points[points["category"] == category]
        video = run.videos[theirs["video"].iloc[0]]
        assert category in video.categories
        assert np.allclose(theirs["score"], video.curves["score"]) and np.allclose(theirs["visual"], video.curves["visual"])
        assert theirs["abnormal_frames"].sum() == video.labels.sum()
        shaded = [patch for patch in axes.patches if patch.get_label().startswith("abnormal")]
        abnormal = np.flatnonzero(video.labels)
        left = shaded[0].get_x()
        assert (left, left + shaded[0].get_width()) == (abnormal[0], abnormal[-1] + 1)
        marks = [line.get_xdata()[0] for line in axes.lines]
        assert marks == np.linspace(0, len(video.labels) - 1, 4).astype(int).tolist()
    legend = texts(fig)
    assert "fused score" in legend and "visual score" in legend and "semantic score" not in legend and "On SynthCrime" in legend


def test_score_panels_refuse_what_is_not_there(made_up, run):
    with pytest.raises(DataError, match=r"no frames stored for the strip; run notebook 01"):
        score_curves.score_panels(run, dict(list(made_up_strips(run).items())[1:]), FIGURE3, "t")
    baseline = run_scores.load_scores(RunInFolder(made_up.write("synth-crime", "ur-dmu")))
    with pytest.raises(DataError, match="UR-DMU has no semantic score; it has score"):
        score_curves.score_panels(baseline, made_up_strips(baseline), FIGURE3, "t", curves=("score", "semantic"))


def test_score_panels_without_videos_have_curves_only(run, tmp_path):
    fig, points = score_curves.score_panels(run, {}, FIGURE3[:2], "On features alone")
    assert len(fig.axes) == 2 and sorted(set(points["category"])) == sorted(FIGURE3[:2])
    dataset = made_up_set(tmp_path)
    strips.save_strips(Layout.create("smoke", tmp_path / "out", tmp_path), dataset, FIGURE3)
    assert strips.load_strips(Layout.create("smoke", tmp_path / "out", tmp_path), dataset.name) == {}


def made_up_set(folder, counterpart="UCF-Crime", categories=FIGURE3) -> Dataset:
    known = ("Normal", "Abuse", *FIGURE3)
    info = DatasetInfo(
        name="own",
        title="Own",
        categories=known,
        headline_metric="auc",
        source="t",
        synthetic=False,
        fps=25.0,
        counterpart=counterpart,
    )
    records = tuple(VideoRecord(f"{c}_0", "test", (c,), 40, ((10, 30),)) for c in categories)
    return Dataset(folder / "own", info, VideoList(known, records), None)


def test_the_score_figure_has_the_papers_categories_where_it_can(tmp_path):
    assert score_curves.plan_score_figure(made_up_set(tmp_path)) == ("fig3", FIGURE3)
    assert score_curves.plan_score_figure(made_up_set(tmp_path, categories=("Abuse", "Arson"))) == ("fig3", ("Abuse", "Arson"))
    assert score_curves.plan_score_figure(made_up_set(tmp_path, counterpart="")) == ("scores-own", FIGURE3)
