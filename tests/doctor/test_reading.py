"""Files of scores and of ground truth in all forms, and what is said of wrong ones."""

import json
import pickle

import numpy as np
import pytest
from planted_scores import saved, small_case

from vad_lib.data.annotations import ground_truth_mask
from vad_lib.doctor.__main__ import main
from vad_lib.doctor.conventions import own_protocol
from vad_lib.doctor.fitting import fit
from vad_lib.doctor.measuring import Evaluator
from vad_lib.doctor.reading import read_scores, read_truth
from vad_lib.errors import DataError, MissingFileError

CASE = small_case()
SCORES = {video.name: part[0] for video, part in zip(CASE.videos, CASE.scores)}
WHOLE = np.concatenate(list(SCORES.values()))


@pytest.fixture
def truth(tmp_path):
    rows = ["video,split,category,n_frames,intervals"]
    for video in CASE.videos:
        spans = ";".join(f"{start}-{end}" for start, end in video.intervals)
        rows.append(f"{video.name},test,{video.categories[0]},{video.num_frames},{spans}")
    path = tmp_path / "videos.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def number(path, *truth) -> float:
    case = fit(read_scores(path), read_truth(list(truth))).case
    return Evaluator(case).value(own_protocol(case))


def in_csv(folder):
    rows = [f"{name},{score}" for name, part in SCORES.items() for score in part]
    (folder / "s.csv").write_text("video,score\n" + "\n".join(rows) + "\n")
    return folder / "s.csv"


def in_json(folder):
    (folder / "s.json").write_text(json.dumps({name: part.tolist() for name, part in SCORES.items()}))
    return folder / "s.json"


def in_folder(folder):
    (folder / "scores").mkdir()
    for name, part in SCORES.items():
        np.save(folder / "scores" / f"{name}_x264.npy", part)
    return folder / "scores"


def in_one_array(folder):
    np.save(folder / "s.npy", WHOLE)
    return folder / "s.npy"


def per_frame(folder):
    frames = [np.repeat(part, 16)[: video.num_frames] for video, part in zip(CASE.videos, SCORES.values())]
    np.save(folder / "f.npy", np.concatenate(frames)[:, None])
    return folder / "f.npy"


@pytest.mark.parametrize("write", [in_csv, in_json, in_folder, in_one_array, per_frame, lambda folder: saved(folder, SCORES)])
def test_every_form_gives_the_same_number(tmp_path, truth, write):
    assert number(write(tmp_path), truth) == pytest.approx(Evaluator(CASE).value(own_protocol(CASE)), abs=1e-12)


def test_frame_labels_alone_are_enough(tmp_path):
    mask = np.concatenate([ground_truth_mask(video.intervals, video.num_frames) for video in CASE.videos])
    np.save(tmp_path / "gt.npy", mask)
    assert number(per_frame(tmp_path), tmp_path / "gt.npy") == pytest.approx(Evaluator(CASE).value(own_protocol(CASE)), abs=1e-12)


def test_crops_lie_either_way(tmp_path, truth):
    crops = np.stack([WHOLE, WHOLE])
    np.save(tmp_path / "a.npy", crops)
    np.save(tmp_path / "b.npy", crops.T)
    assert read_scores(tmp_path / "a.npy").whole.shape == read_scores(tmp_path / "b.npy").whole.shape == (2, len(WHOLE))


def test_missing_and_surplus_videos_are_named(tmp_path, truth):
    other = {name: part for name, part in SCORES.items() if name not in ("v00", "v05")} | {"street": np.ones(3)}
    said = " ".join(fit(read_scores(saved(tmp_path, other)), read_truth([truth])).sentences)
    assert "Scores of 2 of 18 test videos are missing (1 normal ones): v00, v05" in said
    assert "1 videos have scores but are no test videos, and are left out: street" in said


def test_segments_are_told_from_snippets(tmp_path, truth):
    fitted = fit(read_scores(saved(tmp_path, {name: np.resize(part, 32) for name, part in SCORES.items()})), read_truth([truth]))
    assert fitted.case.per == "segment"
    assert "Every video has 32 scores, whatever its length" in " ".join(fitted.sentences)


@pytest.mark.parametrize("stride", [5, 8, 32])
def test_another_stride_is_named(tmp_path, truth, stride):
    scores = {video.name: np.linspace(0, 1, -(-video.num_frames // stride)) for video in CASE.videos}
    fitted = fit(read_scores(saved(tmp_path, scores)), read_truth([truth]))
    assert f"One score per {stride} frames, not per 16" in " ".join(fitted.sentences)
    assert fitted.case.per == "segment"


def test_a_score_per_frame_but_for_the_last_is_still_one_per_frame(tmp_path, truth):
    rng = np.random.default_rng(0)
    scores = {video.name: rng.random(video.num_frames - 1) for video in CASE.videos}
    fitted = fit(read_scores(saved(tmp_path, scores)), read_truth([truth]))
    assert fitted.case.per == "frame"
    assert "One score per frame, but 18 of 18 videos have another number of scores than frames (-1 to -1)" in fitted.sentences[-1]


def test_a_video_shorter_than_a_snippet_has_one(tmp_path):
    (tmp_path / "videos.csv").write_text("video,split,category,n_frames,intervals\na,test,Fire,100,10-50\nb,test,Normal,10,\n")
    truth = read_truth([tmp_path / "videos.csv"])
    np.save(tmp_path / "s.npy", np.linspace(0, 1, 6))
    with pytest.raises(DataError, match="It is 1 fewer than the 7 snippets of rule A"):
        fit(read_scores(tmp_path / "s.npy"), truth)
    np.save(tmp_path / "s.npy", np.linspace(0, 1, 7))
    assert [part.shape[1] for part in fit(read_scores(tmp_path / "s.npy"), truth).case.scores] == [6, 1]


def test_an_order_of_ones_own(tmp_path, truth, capsys):
    names = list(SCORES)[::-1]
    np.save(tmp_path / "s.npy", np.concatenate([SCORES[name] for name in names]))
    (tmp_path / "order.txt").write_text("\n".join(names))
    arguments = [str(tmp_path / "s.npy"), "--truth", str(truth), "--order", str(tmp_path / "order.txt")]
    assert main(arguments) == 0
    assert f"This library's AUC is {100 * Evaluator(CASE).value(own_protocol(CASE)):.2f}." in capsys.readouterr().out
    (tmp_path / "order.txt").write_text("\n".join(["v99", *names[1:]]))
    assert main(arguments) == 1
    assert "missing: v17; unknown: v99" in capsys.readouterr().err


def test_pictures_and_files_are_written(tmp_path, truth, capsys):
    out = tmp_path / "out"
    assert main([str(saved(tmp_path, SCORES)), "--truth", str(truth), "--claimed", "50.12", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["doctor.json", "doctor.md", "doctor.png"]
    found = json.loads((out / "doctor.json").read_text())
    assert found["claimed"] == 50.12
    assert found["pairs_tried"] > 100
    assert (out / "doctor.md").read_text() in capsys.readouterr().out


def test_a_file_in_the_place_of_the_results_is_kept(tmp_path, truth, capsys):
    (tmp_path / "out").write_text("mine")
    assert main([str(saved(tmp_path, SCORES)), "--truth", str(truth), "--out", str(tmp_path / "out")]) == 1
    assert "expected a folder for the results, found a file" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


# --- wrong files ----------------------------------------------------------------------------------
def test_a_pickle_is_never_loaded(tmp_path):
    for name in ("s.pkl", "s.pt"):
        (tmp_path / name).write_bytes(pickle.dumps([1.0]))
        with pytest.raises(DataError, match="can run code"):
            read_scores(tmp_path / name)
    np.save(tmp_path / "o.npy", np.array([[1.0], [1.0, 2.0]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="pickled objects"):
        read_scores(tmp_path / "o.npy")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([0.1, np.nan]), "1 of 2 scores are NaN or infinite"),
        (np.ones((40, 50)), "at most 10 crops"),
        (np.ones((2, 3, 4)), "expected scores"),
        (np.empty(0), "expected scores"),
        (np.array(["a", "b"]), "array of numbers"),
    ],
)
def test_scores_that_are_none(tmp_path, array, words):
    np.save(tmp_path / "s.npy", array)
    with pytest.raises(DataError, match=words):
        read_scores(tmp_path / "s.npy")


def test_a_wrong_cell_is_named_by_its_line(tmp_path):
    (tmp_path / "s.csv").write_text("video,score\na,0.5\na,high\n")
    with pytest.raises(DataError, match=r"line 3: expected a number as score, got 'high'"):
        read_scores(tmp_path / "s.csv")


def test_truth_that_is_none(tmp_path):
    with pytest.raises(MissingFileError, match="found nothing there"):
        read_truth([tmp_path / "gone.csv"])
    np.save(tmp_path / "gt.npy", np.array([0, 1, 2]))
    with pytest.raises(DataError, match="frame labels 0 and 1"):
        read_truth([tmp_path / "gt.npy"])
    np.save(tmp_path / "gt.npy", np.empty(0))
    with pytest.raises(DataError, match="rows of one crop"):
        read_truth([tmp_path / "gt.npy"])
    with pytest.raises(DataError, match=r"expected Temporal_Anomaly_Annotation\.txt"):
        read_truth([tmp_path])


def test_two_truths_are_refused(tmp_path, truth):
    for name in ("one.npy", "two.npy"):
        np.save(tmp_path / name, np.array([0, 1]))
    with pytest.raises(DataError, match=r"two\.npy: expected one file of frame labels, got a second one"):
        read_truth([truth, tmp_path / "one.npy", tmp_path / "two.npy"])
    with pytest.raises(DataError, match="expected one annotation, got a second one"):
        read_truth([truth, tmp_path / "one.npy", truth])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["a,test,Fire,100,10-50", "a,test,Fire,100,10-50"], "expected every test video once, got twice: a;"),
        (["a,test,Fire,100,50-10", "b,test,Fire,100,10-50"], "expected intervals that end after they begin, got others in a;"),
    ],
)
def test_an_own_list_that_would_change_the_labels_is_refused(tmp_path, rows, words):
    (tmp_path / "videos.csv").write_text("\n".join(["video,split,category,n_frames,intervals", *rows]) + "\n")
    with pytest.raises(DataError, match=words):
        read_truth([tmp_path / "videos.csv"])


def test_numbers_that_do_not_fit_say_by_how_much(tmp_path, truth):
    np.save(tmp_path / "s.npy", WHOLE[:-2])
    with pytest.raises(DataError, match=f"It is 2 fewer than the {len(WHOLE)} snippets of rule frames"):
        fit(read_scores(tmp_path / "s.npy"), read_truth([truth]))
