"""A person's file of frame labels: always compared, and what was done otherwise is named."""

import numpy as np
import pytest
from planted_scores import public_scores, saved, small_case

from vad_lib.data.annotations import ground_truth_mask
from vad_lib.doctor.case import list_order
from vad_lib.doctor.conventions import own_protocol
from vad_lib.doctor.diagnosis import diagnose
from vad_lib.doctor.fitting import fit
from vad_lib.doctor.measuring import Evaluator
from vad_lib.doctor.reading import GivenScores, GivenTruth, read_scores, read_truth
from vad_lib.errors import DataError

CASE = small_case()
SCORES = {video.name: part[0] for video, part in zip(CASE.videos, CASE.scores)}
OWN = Evaluator(CASE).value(own_protocol(CASE))
MASKS = [ground_truth_mask(video.intervals, video.num_frames) for video in CASE.videos]


def own_list(mask=None):
    return GivenTruth(CASE.videos, mask=mask, mask_path="gt.npy")


def said(mask, scores=SCORES):
    given = GivenScores("s", {name: np.atleast_2d(part) for name, part in scores.items()})
    return " ".join(fit(given, own_list(mask)).sentences)


def test_labels_beside_an_own_list_are_compared():
    assert "this is mask rule frames, frame by frame." in said(np.concatenate(MASKS))
    assert "No mask rule of your list has so many frames" in said(np.concatenate(MASKS)[:-1])
    few = dict(list(SCORES.items())[3:])
    assert "It is not used: scores of some of its videos are missing" in said(np.concatenate(MASKS), few)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((0, 1), "every interval ends one frame later"),
        ((0, -1), "every interval ends one frame earlier"),
        ((1, 1), "everything comes 1 frame late"),
        ((-16, -16), "everything comes 16 frames early"),
    ],
)
def test_what_was_done_otherwise_is_named(change, words):
    first, last = change
    spans = [[(max(0, s + first), e + last) for s, e in video.intervals if e + last > 0] for video in CASE.videos]
    mask = np.concatenate([ground_truth_mask(own, video.num_frames) for own, video in zip(spans, CASE.videos)])
    assert f"this is mask rule frames, frame by frame, but {words}." in said(mask)


def test_another_order_of_the_videos_is_named():
    reverse = {video.name: part for video, part in zip(CASE.videos[::-1], CASE.scores[::-1])}
    truth = GivenTruth(CASE.videos[::-1], mask=np.concatenate(MASKS), mask_path="gt.npy")
    fitted = fit(GivenScores("s", reverse), truth)
    assert "but its videos stand in the order of their names, not of your list" in fitted.sentences[-1]
    wrong = Evaluator(fitted.case).value(own_protocol(fitted.case)._replace(rule="file"))
    assert "your own file of frame labels" in " ".join(diagnose(fitted, f"{100 * wrong:.4f}").verdict)
    mixed = said(np.concatenate([MASKS[place] for place in np.random.default_rng(1).permutation(18)]))
    assert "normal videos have abnormal frames in it" in mixed


def test_labels_alone_and_scores_by_name(tmp_path):
    np.save(tmp_path / "gt.npy", np.concatenate(MASKS))
    frames = {name: np.repeat(part, 16)[: len(mask)] for (name, part), mask in zip(SCORES.items(), MASKS)}
    fitted = fit(read_scores(saved(tmp_path, frames)), read_truth([tmp_path / "gt.npy"]))
    assert "laid beside it in the order of their file" in fitted.sentences[0] and fitted.case.divided
    assert Evaluator(fitted.case).value(own_protocol(fitted.case)) == pytest.approx(OWN, abs=1e-12)
    with pytest.raises(DataError, match=r"Give a videos\.csv with --truth"):
        fit(read_scores(saved(tmp_path, SCORES)), read_truth([tmp_path / "gt.npy"]))


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("by_name", [True, False])
def test_scores_that_were_repeated_are_those_of_snippets(tmp_path, cut, by_name):
    frames = {name: np.repeat(part, 16)[: len(mask) if cut else None] for (name, part), mask in zip(SCORES.items(), MASKS)}
    path = saved(tmp_path, frames)
    if not by_name:
        path = tmp_path / "all.npy"
        np.save(path, np.concatenate(list(frames.values())))
    fitted = fit(read_scores(path), own_list())
    assert fitted.case.per == "snippet" and "Every score stands there 16 times" in " ".join(fitted.sentences)
    own = own_protocol(fitted.case)
    assert own.rule == "frames" and Evaluator(fitted.case).value(own) == pytest.approx(OWN, abs=1e-12)
    smooth = Evaluator(CASE).value(own_protocol(CASE)._replace(smoothing="sliding 7"))
    assert "smoothed by a sliding mean of 7" in " ".join(diagnose(fitted, f"{100 * smooth:.5f}").verdict)


# --- a public set ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def ucf(shared):
    truth = read_truth([shared / "annotations" / "Temporal_Anomaly_Annotation.txt"])
    case = fit(GivenScores("s", {n.removesuffix("_x264"): part for n, part in public_scores(truth, "A").items()}), truth).case
    return truth, case


def alone(folder, masks):
    np.save(folder / "gt.npy", np.concatenate(masks))
    return read_truth([folder / "gt.npy"])


def test_a_public_mask_in_the_order_of_the_list(ucf, tmp_path):
    truth, case = ucf
    masks = [case.mask(place, "A") for place in range(290)]
    order = list_order(case.videos, case.known)
    found = alone(tmp_path, [masks[place] for place in order])
    assert "Its videos stand in the order of the released list." in found.sentences[0]
    assert all((found.videos[p].intervals == ()) == (not masks[p].any()) for p in range(290))
    both = GivenTruth(truth.videos, truth.known, np.load(tmp_path / "gt.npy"), "gt.npy")
    given = GivenScores("s", {v.name.removesuffix("_x264"): part for v, part in zip(case.videos, case.scores)})
    assert "but its videos stand in the order of the released list" in " ".join(fit(given, both).sentences)


def test_a_public_mask_in_no_known_order_is_not_certified(ucf, tmp_path):
    _, case = ucf
    mixed = np.random.default_rng(0).permutation(290)
    found = alone(tmp_path, [case.mask(place, "A") for place in mixed])
    assert found.known is None and "normal videos have abnormal frames" in found.sentences[0]
    assert "Give the annotation with --truth too" in found.sentences[0]
