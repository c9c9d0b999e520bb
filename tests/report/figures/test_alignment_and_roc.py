"""The alignment map of a video, and curves that end at the corners and name their areas."""

import numpy as np
import pytest
from figure_words import texts
from sklearn.metrics import average_precision_score, roc_auc_score

from vad_lib.errors import DataError
from vad_lib.report.figures import alignment_and_roc, run_scores
from vad_lib.runs.run_folder import RunInFolder


def test_alignment_heatmap_shows_the_cosines_of_one_video(made_up, run):
    name = next(name for name, video in run.videos.items() if "Stealing" in video.categories)
    fig, points = alignment_and_roc.alignment_heatmap(run, name, "Alignment")
    assert np.allclose(points[list(run.categories)], run.videos[name].alignment)
    assert points["first_frame"].tolist()[:3] == [0, 16, 32]
    labels = {tick.get_text(): tick.get_fontweight() for tick in fig.axes[1].get_yticklabels()}
    assert labels["Stealing"] == "bold" and labels["Arson"] == "normal" and "cosine" in texts(fig)
    assert np.array_equal(fig.axes[0].images[0].get_array()[0], run.videos[name].labels)
    baseline = run_scores.load_scores(RunInFolder(made_up.write("synth-crime", "ur-dmu")))
    with pytest.raises(DataError, match="UR-DMU has no alignment map"):
        alignment_and_roc.alignment_heatmap(baseline, name, "Alignment")


def test_curves_end_at_the_corners_and_name_their_areas(made_up, run, monkeypatch):
    monkeypatch.setattr(alignment_and_roc, "MOST_POINTS", 50)
    baseline = run_scores.load_scores(RunInFolder(made_up.write("synth-crime", "ur-dmu")))
    fig, points = alignment_and_roc.roc_and_pr([run, baseline], "Curves")
    labels, scores = run.frames()
    areas = f"AUC {roc_auc_score(labels, scores):.3f}, AP {average_precision_score(labels, scores):.3f}"
    assert f"Proposed ({areas})" in texts(fig)
    roc = points[(points["method"] == "Proposed") & (points["curve"] == "roc")]
    assert len(roc) <= 50 and roc[["x", "y"]].to_numpy()[[0, -1]].tolist() == [[0, 0], [1, 1]]
    other = run_scores.load_scores(RunInFolder(made_up.write("synth-violence", "ur-dmu")))
    with pytest.raises(DataError, match="UR-DMU was scored on other test frames than Proposed"):
        alignment_and_roc.roc_and_pr([run, other], "Curves")
