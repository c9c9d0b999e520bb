"""The doctor on the annotations of both public sets: planted conventions, mismatches between sources, and what users ask.

Scores and features are made up; annotations, lengths and totals are the released ones.
"""

import re

import numpy as np
import pytest
from planted_scores import public_scores, saved
from sklearn.metrics import roc_auc_score

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.importing.sets.ucf_crime import UCF_CRIME
from vad_lib.doctor.case import list_order
from vad_lib.doctor.conventions import deviations, own_protocol
from vad_lib.doctor.detection_conventions import detection_numbers, detection_sentences
from vad_lib.doctor.diagnosis import diagnose
from vad_lib.doctor.explaining import explain
from vad_lib.doctor.features import describe_features
from vad_lib.doctor.fitting import fit
from vad_lib.doctor.lists import list_sentences
from vad_lib.doctor.measuring import Evaluator
from vad_lib.doctor.reading import GivenScores, frames_of_test_videos, read_scores, read_truth
from vad_lib.doctor.training_log import read_log
from vad_lib.errors import DataError

FILES = {"ucf-crime": "Temporal_Anomaly_Annotation.txt", "xd-violence": "annotations.txt"}


@pytest.fixture(scope="module")
def truths(shared):
    return {name: read_truth([shared / "annotations" / file]) for name, file in FILES.items()}


@pytest.fixture(scope="module")
def ucf(truths):
    """Truth, scores under mask rule A, and their case."""
    truth = truths["ucf-crime"]
    scores = public_scores(truth, "A")
    given = GivenScores("scores", {name.removesuffix("_x264"): part for name, part in scores.items()})
    return truth, scores, fit(given, truth)


def masks_of(case, rule):
    return np.concatenate([case.mask(place, rule) for place in range(len(case.videos))])


def laid(truth, scores, rule, order, tmp_path):
    """One array of scores in an order of the videos."""
    names = [truth.videos[place].name for place in order]
    np.save(tmp_path / "scores.npy", np.concatenate([scores[name][0] for name in names]))
    return tmp_path / "scores.npy"


# --- lengths, totals, mask rules ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "rule"), [("ucf-crime", "A"), ("ucf-crime", "B"), ("ucf-crime", "C"), ("xd-violence", "A"), ("xd-violence", "C")]
)
def test_lengths_tell_the_release_and_masks_have_the_public_totals(truths, name, rule):
    truth = truths[name]
    key = str.removesuffix if name == "ucf-crime" else lambda text, _: text
    fitted = fit(GivenScores("s", {key(video, "_x264"): part for video, part in public_scores(truth, rule).items()}), truth)
    assert fitted.case.rule == rule
    assert f"the numbers of scores are those of mask rule {rule} in all videos" in fitted.sentences[-1]
    mask = masks_of(fitted.case, rule)
    assert (len(mask), int(mask.sum())) == truth.known.totals[rule]


@pytest.mark.parametrize("unit", ["snippet", "frame"])
def test_one_array_is_cut_into_videos(ucf, tmp_path, unit):
    truth, scores, fitted = ucf
    whole = np.concatenate([part[0] for part in scores.values()])
    np.save(tmp_path / "s.npy", whole if unit == "snippet" else np.repeat(whole, 16))
    found = fit(read_scores(tmp_path / "s.npy"), truth)
    assert (found.case.rule, found.case.per) == ("A", "snippet")  # repeated scores are those of snippets
    own = own_protocol(found.case)
    assert Evaluator(found.case).value(own) == Evaluator(fitted.case).value(own_protocol(fitted.case))


def test_the_released_mask_is_recognised(ucf, shared, tmp_path):
    _, scores, fitted = ucf
    for rule in "ABC":
        np.save(tmp_path / f"gt-{rule}.npy", masks_of(fitted.case, rule))
        both = read_truth([shared / "annotations" / FILES["ucf-crime"], tmp_path / f"gt-{rule}.npy"])
        assert f"this is mask rule {rule}, frame by frame" in " ".join(fit(read_scores(saved(tmp_path, scores)), both).sentences)
        alone = read_truth([tmp_path / f"gt-{rule}.npy"])
        assert f"as mask rule {rule} of UCF-Crime has" in alone.sentences[0]
        again = fit(read_scores(saved(tmp_path, scores)), alone).case
        assert (masks_of(again, rule) == masks_of(fitted.case, rule)).all()


def test_facts_of_frames_are_those_of_the_public_totals(truths):
    for truth in truths.values():
        assert sum(frames_of_test_videos(truth.known).values()) == truth.known.totals["frames"][0]


def test_a_folder_of_both_sets_asks_for_one(shared):
    folder = shared / "annotations"
    with pytest.raises(DataError, match="expected the annotation of one data set, found Temporal"):
        read_truth([folder])
    with pytest.raises(DataError, match=r"expected annotations\.txt, beside which annotations_multiclasses\.txt is read too"):
        read_truth([folder / FILES["xd-violence"], folder / "annotations_multiclasses.txt"])


# --- planted conventions --------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_planted_convention_is_found(truths, name):
    truth = truths[name]
    scores = {
        video.removesuffix("_x264") if name == "ucf-crime" else video: part
        for video, part in public_scores(truth, "A", crops=8).items()
    }
    case = fit(GivenScores("s", scores), truth).case
    evaluator, own = Evaluator(case), own_protocol(case)
    start, tried = evaluator.value(own), 0
    for change in deviations(case, own):
        value = evaluator.value(own._replace(**dict([change])))
        if value is None or value == start:
            continue
        found = explain(case, f"{100 * value:.7f}", evaluator)
        assert change in [match.changes[0] for match in found.matches], change
        tried += 1
    assert tried > 33


@pytest.mark.slow
def test_two_planted_conventions_and_none(ucf):
    _, _, fitted = ucf
    evaluator, own = Evaluator(fitted.case), own_protocol(fitted.case)
    pair = {"smoothing": "sliding 7", "rule": "B"}
    found = explain(fitted.case, f"{100 * evaluator.value(own._replace(**pair)):.6f}", evaluator)
    assert set(pair.items()) in [set(match.changes) for match in found.matches]
    verdict = " ".join(diagnose(fitted, "12.34", evaluator=evaluator).verdict)
    assert "No single convention and no two of them" in verdict
    assert "other scores do, of another checkpoint, seed, number of crops, features or training" in verdict


# --- the mismatches between sources ---------------------------------------------------------------
def test_mismatches_1_to_3_of_the_annotation_of_xd_violence(truths):
    said = " ".join(truths["xd-violence"].sentences)
    found = re.search(r"differs from the binary one in ([\d,]+) frames of (\d+) videos: ([^.]+\S+)", said)
    assert found and found[2] == "5"
    assert "v=38GQ9L2meyE" in said and "(139)" in said
    assert "Events of 1 videos are of a category that the name does not carry: Ip.Man.2008__#01-40-37" in said
    assert "14 of 500 names carry the ending .mp4" in said


def test_mismatch_1_can_be_measured(truths):
    truth = truths["xd-violence"]
    case = fit(GivenScores("s", public_scores(truth, "A")), truth).case
    other = own_protocol(case)._replace(annotation="by category")
    assert ("annotation", "by category") in deviations(case, own_protocol(case))
    assert Evaluator(case).value(other) != Evaluator(case).value(own_protocol(case))


def test_mismatch_4_intervals_behind_the_end(truths):
    assert "Intervals of 5 videos end behind the last frame" in " ".join(truths["ucf-crime"].sentences)
    assert "Arson011" in " ".join(truths["ucf-crime"].sentences)


def test_mismatch_5_the_normal_class_without_events(ucf, tmp_path):
    truth, _, _ = ucf
    perfect = {}
    for video in truth.videos:
        count = UCF_CRIME.expected_snippets("A", video.name, video.num_frames)
        mask = np.zeros(16 * count)
        for start, end in video.intervals:
            mask[start:end] = 1
        place = UCF_CRIME.categories.index(video.categories[0])
        share = mask.reshape(count, 16).max(axis=1)
        perfect[video.name] = np.zeros((count, 14))
        perfect[video.name][:, 0], perfect[video.name][:, place] = 1 - share, share if place else 1 - share
    path = saved(tmp_path, perfect)
    numbers = detection_numbers(path, truth)
    assert (
        numbers["segments of all videos, mean with the normal class"]
        < numbers["segments of all videos, mean without the normal class"]
    )
    claimed = round(numbers["segments of all videos, mean with the normal class"], 2)
    said = " ".join(detection_sentences(numbers, truth, claimed, 0.005))
    assert "the mean over all 14 classes is at most 92.86" in said
    assert f"The claimed {claimed:.9g} is that with segments of all videos, mean with the normal class" in said


def test_mismatch_6_a_training_list_that_lacks_a_video(shared, tmp_path):
    names = [line.split(",")[0] for line in (shared / "annotations" / "xd_violence_train.csv").read_text().splitlines()[1:]]
    lacking = [name for name in names if not name.startswith("v=8cTqh9tMz_I__#1_label_A")]
    path = tmp_path / "train.list"
    path.write_text("\n".join(f"features/{name}__{crop}.npy" for name in lacking for crop in range(5)))
    said = " ".join(list_sentences(path, "xd-violence"))
    assert "3,953 training videos (1,905 abnormal, 2,048 normal), released are 1,905 and 2,049: 1 normal video is missing" in said


def test_a_header_is_no_training_video(shared):
    for name, dataset in (("ucf_crime_train.csv", "ucf-crime"), ("xd_violence_train.csv", "ucf-crime")):
        with pytest.raises(DataError, match="expected names of videos of UCF-Crime, such as Abuse001_x264, got video"):
            list_sentences(shared / "annotations" / name, dataset)


def test_class_probabilities_of_frames_are_not_taken_as_those_of_snippets(truths, tmp_path):
    truth = truths["ucf-crime"]
    rows = {video.name: np.full((video.num_frames, 14), 1 / 14, np.float32) for video in truth.videos}
    with pytest.raises(DataError, match="Abuse028_x264: expected a row per snippet of 16 frames, about 88, got 1,412"):
        detection_numbers(saved(tmp_path, rows), truth)


def test_mismatch_7_classes_without_abnormal_frames(ucf, shared, tmp_path):
    """Thread MGFN 21: the released mask lacks the abnormal frames of later classes."""
    _, scores, fitted = ucf
    parts = [fitted.case.mask(place, "A") for place in range(290)]
    late = {"Shooting", "Shoplifting", "Stealing", "Vandalism"}
    parts = [part * (video.categories[0] not in late) for part, video in zip(parts, fitted.case.videos)]
    np.save(tmp_path / "gt.npy", np.concatenate(parts))
    both = read_truth([shared / "annotations" / FILES["ucf-crime"], tmp_path / "gt.npy"])
    theirs = fit(read_scores(saved(tmp_path, scores)), both)
    said = " ".join(theirs.sentences)
    assert "54 abnormal videos have no abnormal frame in it, of Shooting, Shoplifting, Stealing, Vandalism" in said
    value = Evaluator(theirs.case).value(own_protocol(theirs.case)._replace(rule="file"))
    found = explain(theirs.case, f"{100 * value:.5f}")
    words = [match.sentence() for match in found.matches]
    assert any("your own file of frame labels" in each for each in words)
    assert any("abnormal frames of the first 9 abnormal categories alone are marked" in each for each in words)
    assert "Shooting, Shoplifting, Stealing, Vandalism: they count as normal" in read_truth([tmp_path / "gt.npy"]).sentences[0]


def test_mismatch_8_an_empty_mask(tmp_path):
    np.save(tmp_path / "gt.npy", np.empty(0))
    with pytest.raises(DataError, match=r"rows of one crop \(NAME__0\) in a list of another \(NAME__5\)"):
        read_truth([tmp_path / "gt.npy"])


# --- what users ask -------------------------------------------------------------------------------
def test_thread_rtfm_104_a_low_number_from_another_order(ucf, tmp_path):
    """Scores in the order of the released list, against masks in their own order."""
    truth, scores, fitted = ucf
    order = list_order(truth.videos, truth.known)
    crossed = Evaluator(fitted.case).value(own_protocol(fitted.case)._replace(order="list"))
    verdict = " ".join(diagnose(fitted, f"{100 * crossed:.4f}").verdict)
    assert "scores in the order of the released test list, masks in the order of the released arrays" in verdict
    said = fit(read_scores(laid(truth, scores, "A", order, tmp_path)), truth).sentences[-1]
    assert re.search(
        r"taken in the order of the released list, by name: AUC [\d.]+%, but [\d.]+% in the order of the " "released masks", said
    )


def test_masks_in_the_order_of_the_list(ucf):
    """As a script does it that makes labels from Anomaly_Test.txt, beside scores in the order of the released arrays."""
    truth, scores, fitted = ucf
    case = fitted.case
    masks = [case.mask(place, "A") for place in list_order(truth.videos, truth.known)]
    value = roc_auc_score(np.concatenate(masks), np.repeat(np.concatenate([part[0] for part in scores.values()]), 16))
    verdict = " ".join(diagnose(fitted, f"{100 * value:.4f}").verdict)
    assert "one convention: scores in the order of the released arrays, masks in the order of the released test list" in verdict


def test_thread_ur_dmu_7_the_best_on_the_test_set(tmp_path):
    (tmp_path / "log.csv").write_text("step,auc\n" + "\n".join(f"{n},{v}" for n, v in enumerate([80.1, 86.97, 85.9, 85.7])))
    said = " ".join(read_log(tmp_path / "log.csv", claimed=86.97).sentences)
    assert "The claimed 86.97 is the best of all evaluations in the log: it was chosen on the test set." in said
    assert "adds 1.27 points" in said


def test_thread_vadclip_34_a_retrained_number(tmp_path):
    (tmp_path / "log.csv").write_text("seed,auc\n" + "\n".join(f"{n},{v}" for n, v in enumerate([87.3, 87.1, 86.8])))
    assert "0.72 points above every value in the log: no choice of a checkpoint gives it" in " ".join(
        read_log(tmp_path / "log.csv", claimed=88.02).sentences
    )


def test_thread_vadclip_2_one_crop(truths):
    truth = truths["ucf-crime"]
    given = {name.removesuffix("_x264"): part for name, part in public_scores(truth, "C", crops=8).items()}
    fitted = fit(GivenScores("s", given), truth)
    value = Evaluator(fitted.case).value(own_protocol(fitted.case)._replace(crops="5"))
    assert "crop 5 alone (VadCLIP)" in " ".join(diagnose(fitted, f"{100 * value:.4f}").verdict)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (153_600, "It is 32 for each of 300 videos, each repeated for 16 frames: they are scores of segments, not of snippets"),
        (1_113_424, "It is 720 fewer than the 1,114,144 frames of rule B"),
        (9_280, None),
    ],
)
def test_threads_deepmil_7_and_s3r_7_lengths_that_differ(truths, tmp_path, count, words):
    np.save(tmp_path / "s.npy", np.linspace(0, 1, count))
    if words is None:
        assert "9,280 scores are 32 for each of 290 videos" in " ".join(
            fit(read_scores(tmp_path / "s.npy"), truths["ucf-crime"]).sentences
        )
        return
    with pytest.raises(DataError) as error:
        fit(read_scores(tmp_path / "s.npy"), truths["ucf-crime"])
    assert words in str(error.value)


def test_thread_rtfm_78_another_number_of_rows(tmp_path):
    videos = [VideoRecord(f"v{n}", "test", ("Normal",), 1600 + 320 * n) for n in range(5)]
    for video in videos:
        np.save(tmp_path / f"{video.name}.npy", np.ones((video.num_frames // 10, 8), np.float32))
    assert "A row stands for about 10.0 frames, not for 16: stride 10" in " ".join(describe_features(tmp_path, videos))


def test_thread_pel4vad_20_own_features_have_another_last_snippet(truths, tmp_path):
    """The padded last snippet of own features: rule B's lengths against rule A's masks."""
    truth = truths["ucf-crime"]
    padded = public_scores(truth, "B")
    fitted = fit(read_scores(saved(tmp_path, padded)), truth)
    assert fitted.case.rule == "B"
    few = dict(list(public_scores(truth, "A").items())[:20])
    mixed = fit(read_scores(saved(tmp_path, padded | few)), truth)
    assert re.search(
        r"Mask rule B fits best, but \d+ of 290 videos have another number of scores than it says \(-1 to -1\)",
        mixed.sentences[-1],
    )


def test_thread_rtfm_43_and_56_crops_and_width(tmp_path):
    for number in range(4):
        np.save(tmp_path / f"Abuse00{number}_x264_i3d.npy", np.random.default_rng(number).random((20, 5, 2048), np.float32))
    said = " ".join(describe_features(tmp_path))
    assert "2,048 wide" in said and "5 crops" in said and "half of the ten of UCF-Crime" in said


def test_thread_rtfm_95_normalised_features(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        rows = rng.random((20, 1024), np.float32)
        np.save(tmp_path / f"v{number}.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert "they were normalised" in " ".join(describe_features(tmp_path))


def test_thread_mgfn_27_a_number_of_another_mask(ucf, shared, tmp_path):
    """A checkpoint that gives less than it should: the mask of the person is not that of the release."""
    _, scores, fitted = ucf
    shifted = np.concatenate([np.roll(fitted.case.mask(place, "A"), 160) for place in range(290)])
    np.save(tmp_path / "gt.npy", shifted)
    theirs = fit(
        read_scores(saved(tmp_path, scores)), read_truth([shared / "annotations" / FILES["ucf-crime"], tmp_path / "gt.npy"])
    )
    assert re.search(r"as long as mask rule A, but it differs in [\d,]+ frames of 140 videos", " ".join(theirs.sentences))
    value = Evaluator(theirs.case).value(own_protocol(theirs.case)._replace(rule="file"))
    assert "is explained by one convention: your own file of frame labels" in " ".join(
        diagnose(theirs, f"{100 * value:.4f}").verdict
    )


def test_ap_means_two_things(truths):
    truth = truths["xd-violence"]
    scores = {name: part.round(1) for name, part in public_scores(truth, "A").items()}
    fitted = fit(GivenScores("s", scores), truth)
    value = Evaluator(fitted.case).value(own_protocol(fitted.case)._replace(metric="ap trapezoid"))
    found = diagnose(fitted, f"{100 * value:.3f}")
    assert "the area under the straight-joined precision-recall curve, called AP by RTFM, UR-DMU and PEL4VAD" in " ".join(
        found.verdict
    )
    assert "So many equal scores make the number depend on how ties are treated" in " ".join(found.verdict)
