"""The command: claims of other measures, options that do not go together, results that cannot be written."""

from dataclasses import replace

import numpy as np
import pytest
from planted_scores import public_scores, saved, small_case

from vad_lib.doctor import picture
from vad_lib.doctor.__main__ import main
from vad_lib.doctor.conventions import own_protocol
from vad_lib.doctor.detection_conventions import detection_numbers
from vad_lib.doctor.diagnosis import diagnose
from vad_lib.doctor.explaining import explain
from vad_lib.doctor.features import describe_features
from vad_lib.doctor.fitting import Fitted
from vad_lib.doctor.measuring import Evaluator
from vad_lib.doctor.picture import effects, waterfall
from vad_lib.doctor.rates import false_alarm_rates
from vad_lib.doctor.reading import read_truth
from vad_lib.errors import DataError
from vad_lib.report.figures.style import described

CASE = small_case()
SCORES = {video.name: part[0] for video, part in zip(CASE.videos, CASE.scores)}
RATES = false_alarm_rates(Evaluator(CASE))


def write_list(folder, videos=CASE.videos):
    rows = ["video,split,category,n_frames,intervals"]
    rows += [f"{v.name},test,{v.categories[0]},{v.num_frames},{';'.join(f'{s}-{e}' for s, e in v.intervals)}" for v in videos]
    (folder / "videos.csv").write_text("\n".join(rows) + "\n")
    return folder / "videos.csv"


@pytest.fixture
def doctor(tmp_path, capsys):
    """A function: run the command on the small case; gives the status and all that it printed."""
    arguments = [str(saved(tmp_path, SCORES)), "--truth", str(write_list(tmp_path))]

    def run(*more):
        status = main([*arguments, *map(str, more)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_a_claimed_false_alarm_rate(doctor):
    name, rate = next(iter(RATES.items()))
    assert f"is the false alarm rate of: {name}." in doctor("--metric", "far", "--claimed", f"{rate:.3f}")[1]
    smooth = false_alarm_rates(Evaluator(CASE), own_protocol(CASE)._replace(smoothing="sliding 7"))[name]
    said = doctor("--metric", "far", "--claimed", f"{smooth:.4f}")[1]
    assert f"is the false alarm rate of: {name}, smoothed by a sliding mean of 7 snippets" in said
    said = doctor("--metric", "far", "--claimed", "0.58")[1]  # percent, no fraction
    assert "numbers of this kind that were measured is 0.58. The nearest" in said and "other scores do" not in said


def test_a_rate_that_was_called_auc(doctor):
    name, rate = next(iter(RATES.items()))
    said = doctor("--claimed", f"{rate:.4f}")[1]
    assert f"The claimed number is the false alarm rate in percent ({name}). Was it called AUC by mistake?" in said
    assert "other scores do" not in said


def test_a_claimed_map(tmp_path, shared, capsys):
    place = shared / "annotations" / "Temporal_Anomaly_Annotation.txt"
    truth = read_truth([place])
    scores, rng = public_scores(truth, "A"), np.random.default_rng(0)
    (tmp_path / "p").mkdir()
    found = {name: rng.dirichlet(np.ones(14), part.shape[1]) for name, part in scores.items()}
    for video in truth.videos:  # so that the numbers are above one point
        found[video.name][:, truth.known.categories.index(video.categories[0])] += scores[video.name][0]
    path = saved(tmp_path / "p", {name: part / part.sum(axis=1, keepdims=True) for name, part in found.items()})
    name, value = next(iter(detection_numbers(path, truth).items()))
    arguments = [str(saved(tmp_path, scores)), "--truth", str(place), "--probabilities", str(path), "--metric", "map"]
    assert main([*arguments, "--claimed", f"{value:.4f}"]) == 0
    assert f"is the mAP of: {name}." in capsys.readouterr().out
    texts = {video: np.full((len(part[0]), 14), "a") for video, part in scores.items()}
    with pytest.raises(DataError, match="got values of type <U1"):
        detection_numbers(saved(tmp_path / "p", texts), truth)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--video", "x.mp4"], "--video: expected a .npy of its features too"),
        (["--metric", "map", "--claimed", "5"], "--metric map: expected class probabilities"),
        (["--theirs", "ends=1", "ends=-1"], "expected each axis once, got ends twice"),
        (["--train-list", "list.txt"], "got a list of your own; leave the option out"),
        (["--out", "scores/x"], "scores/x: expected a folder for the results, it cannot be written"),
        (["--out", "/proc/x"], "/proc/x: expected a folder for the results, it cannot be written"),
    ],
)
def test_what_does_not_go_together_ends_with_a_sentence(doctor, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scores").write_text("")
    (tmp_path / "list.txt").write_text("a\n")
    status, said = doctor(*options)
    assert status == 1 and words in said and "Traceback" not in said


def test_one_class_is_refused_with_its_counts(tmp_path, capsys):
    path = write_list(tmp_path, [video for video in CASE.videos if not video.intervals])
    assert main([str(saved(tmp_path, SCORES)), "--truth", str(path)]) == 1
    assert "expected abnormal and normal frames" in (said := capsys.readouterr().err) and "0 of them abnormal" in said


def test_empty_features(tmp_path):
    np.save(tmp_path / "v01.npy", np.empty((0, 1024), np.float32))
    with pytest.raises(DataError, match=r"got empty arrays in v01\.npy"):
        describe_features(tmp_path)


def test_the_largest_effects_are_one_sentence_and_the_picture_has_words(doctor, tmp_path):
    status, said = doctor("--out", tmp_path / "out")
    assert status == 0 and said.count("move it most") == 1 and "most are 1) " in said
    assert "% of the scores are" not in said
    for fig, _ in (effects(explain(CASE), "AUC"), waterfall([("", 80.0), ("smoothed", 70.0)], "AUC")):
        text = described(fig)
        assert ": :" not in text and ". ." not in text and "Bars" in text


def test_a_picture_without_all_conventions_says_so(monkeypatch):
    whole = effects(explain(CASE), "AUC")[0].get_suptitle()
    number = len(diagnose(Fitted(CASE, [])).table())
    assert ("largest" in whole) == (number > picture.MOST_BARS)
    monkeypatch.setattr(picture, "MOST_BARS", 3)
    fig, points = effects(explain(CASE), "AUC")
    assert len(points) == 3 and fig.get_suptitle().endswith(f"number (the 3 largest of {number})")
    monkeypatch.setattr(picture, "MOST_BARS", number)
    assert effects(explain(CASE), "AUC")[0].get_suptitle().endswith("number")


def test_an_order_of_sorted_files_is_tried_but_is_no_convention_of_the_table(tmp_path, capsys):
    path = write_list(tmp_path, CASE.videos[::-1])
    assert main([str(saved(tmp_path, SCORES)), "--truth", str(path)]) == 0
    assert "in the order of the names" not in capsys.readouterr().out
    videos = CASE.videos[::-1]
    case = replace(CASE, videos=videos, scores=CASE.scores[::-1], masks=None)
    crossed = 100 * Evaluator(case).value(own_protocol(case)._replace(order="by name"))
    assert main([str(tmp_path / "scores.npz"), "--truth", str(path), "--claimed", f"{crossed:.4f}"]) == 0
    assert "explained by one convention: scores in the order of the names" in capsys.readouterr().out
