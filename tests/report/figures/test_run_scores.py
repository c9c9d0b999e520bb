"""Scores of a run are cut at its videos; what does not fit is refused."""

import numpy as np
import pytest

from vad_lib.errors import DataError, MissingFileError
from vad_lib.report.figures import run_scores
from vad_lib.runs.run_folder import LOG, SCORES, RunInFolder
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays


def test_scores_are_cut_at_the_videos(made_up, run):
    arrays = read_arrays(made_up.layout.run("synth-crime", "proposed", 1) / SCORES)
    second = run.videos[arrays["videos"][1]]
    start, count, first_frames = arrays["num_snippets"][0], arrays["num_snippets"][1], arrays["num_frames"][0]
    assert np.array_equal(second.curves["semantic"], arrays["semantic"][start : start + count])
    assert np.array_equal(second.labels, arrays["labels"][first_frames : first_frames + arrays["num_frames"][1]])
    assert second.alignment.shape == (count, len(run.categories)) and second.alignment.dtype == np.float32
    labels, scores = run.frames()
    assert np.array_equal(labels, arrays["labels"]) and len(scores) == len(labels)
    labels, scores = run.frames(second.name, "visual")
    assert len(scores) == len(second.labels) and scores[17] == second.curves["visual"][1]


def test_a_method_without_branches_has_the_score_only(made_up):
    run = run_scores.load_scores(RunInFolder(made_up.write("synth-crime", "ur-dmu")))
    video = next(iter(run.videos.values()))
    assert list(video.curves) == ["score"] and video.alignment is None


def test_scores_that_do_not_fit_each_other(made_up):
    folder = made_up.write("synth-crime", "proposed")
    arrays = read_arrays(folder / SCORES)
    write_arrays(folder / SCORES, arrays | {"visual": arrays["visual"][:-1]})
    with pytest.raises(DataError, match=r"visual has [\d,]+ rows, expected [\d,]+; run the training again"):
        run_scores.load_scores(RunInFolder(folder))
    write_arrays(folder / SCORES, {name: array for name, array in arrays.items() if name != "labels"})
    with pytest.raises(DataError, match="array labels is missing"):
        run_scores.load_scores(RunInFolder(folder))
    with pytest.raises(MissingFileError):
        run_scores.load_scores(RunInFolder(folder.parent / "seed99"))


def test_a_run_without_steps_has_no_log(made_up):
    folder = made_up.write("synth-crime", "logistic-regression")
    with pytest.raises(DataError, match="expected the log of a run with training steps"):
        RunInFolder(folder).log()
    (folder / LOG).write_text("\n")
    with pytest.raises(DataError, match="expected the log of a run with training steps"):
        RunInFolder(folder).log()
