"""Runs read in pieces: the value of their frames, events, selections, and arrays that do not fit."""

from pathlib import Path

import numpy as np
import pytest

from vad_lib import metrics
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.evaluation import bootstrap, comparisons, detection, event_matching, score_arrays, scored_videos, scoring
from vad_lib.runs import scored_runs
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays

FEW = bootstrap.Bootstrap(num_draws=200)


def with_selections(folder: Path) -> dict[str, np.ndarray]:
    """Give a made-up run the scores of each selection."""
    arrays = read_arrays(folder / "scores.npz")
    rng = np.random.default_rng(int(folder.name[4:]))
    for noise, selection in ((0.3, "last"), (0.2, "best_on_validation"), (0.05, "best_on_test")):
        noisy = arrays["score"] + rng.normal(0, noise, len(arrays["score"]))
        arrays[f"score_{selection}"] = np.clip(noisy, 0, 1).astype(np.float32)
    write_arrays(folder / "scores.npz", arrays)
    return arrays


@pytest.mark.parametrize("selection", [None, "last", "best_on_validation", "best_on_test"])
def test_a_run_is_read_in_pieces_with_the_value_of_its_frames(made_up, selection):
    folder = made_up.write("synth-crime", "ur-dmu", seed=3)
    arrays = with_selections(folder)
    scored = scored_runs.scored_videos(RunInFolder(folder), selection)
    score = arrays[f"score_{selection}" if selection else "score"]
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
    assert score_arrays.events_of(labels, np.array([3, 3, 3])).tolist() == [[0, 0, 2], [1, 0, 3], [2, 2, 3]]
    assert score_arrays.events_of(np.ones(4, dtype=int), np.array([2, 2])).tolist() == [[0, 0, 2], [1, 0, 2]]
    folder = made_up.write("synth-crime", "ur-dmu")
    arrays, scored = read_arrays(folder / "scores.npz"), scored_runs.scored_videos(RunInFolder(folder))
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
        scored_runs.scored_videos(RunInFolder(folder))
    made_up.change(folder, dataset_info={"tail": "extend"})
    scored = scored_runs.scored_videos(RunInFolder(folder))
    assert (scored.abnormal + scored.normal)[last - 1] == arrays["num_frames"][0] - 16 * (last - 1)


def test_runs_that_cannot_be_read(made_up):
    folder = made_up.write("synth-crime", "ur-dmu")
    with pytest.raises(ConfigError, match="expected last, best_on_validation, best_on_test, got 'best'"):
        scored_runs.scored_videos(RunInFolder(folder), "best")
    arrays = read_arrays(folder / "scores.npz")
    write_arrays(folder / "scores.npz", {name: array for name, array in arrays.items() if name != "score_last"})
    with pytest.raises(DataError, match="array score_last is missing; run the training of this variant again"):
        scored_runs.scored_videos(RunInFolder(folder), "last")
    write_arrays(folder / "scores.npz", arrays | {"score": arrays["score"][:-1]})
    with pytest.raises(DataError, match=r"expected [\d,]+ scores and [\d,]+ labels, got"):
        scored_runs.scored_videos(RunInFolder(folder))
    (folder / "scores.npz").unlink()
    with pytest.raises(MissingFileError):
        scored_runs.scored_videos(RunInFolder(folder))


def with_fine_grained(folder: Path) -> dict[str, np.ndarray]:
    """Give a made-up run one segment and one event per video of an abnormal category."""
    arrays = read_arrays(folder / "scores.npz")
    count, categories = len(arrays["videos"]), len(arrays["categories"])
    abnormal = np.array(["Normal" not in text.split(";") for text in arrays["video_categories"].tolist()])
    place = np.flatnonzero(abnormal)
    category = 1 + place % (categories - 1)
    events = np.zeros((count, categories), dtype=np.int64)
    events[place, category] = 1
    hits = np.repeat((place % 2 == 0)[:, None], len(event_matching.IOUS), axis=1)
    matched = event_matching.Matched(place, category, np.linspace(1, 0.5, len(place)), hits, events, abnormal)
    named = np.arange(count) % 2 == 0
    arrays |= {"category_named": named, "abnormal_category_named": named}
    return arrays | {f"detection_{name}": array for name, array in matched._asdict().items()}


def test_fine_grained_metrics_are_read_and_drawn(made_up):
    folder = made_up.write("synth-crime", "proposed")
    arrays = with_fine_grained(folder)
    write_arrays(folder / "scores.npz", arrays)
    scored = scored_runs.scored_videos(RunInFolder(folder))
    assert scored.value("category_accuracy") == arrays["category_named"].mean()
    assert scored.value("map_abnormal_only") == pytest.approx(
        detection.mean_ap(detection.class_ap(scored.fine_grained.matched, "abnormal_only"), "abnormal_only").mean()
    )
    # without the named videos nothing is named
    none_named = (~arrays["category_named"]).astype(float)[None]
    assert scored_videos.metric_on_draws(scored, none_named, "category_accuracy")[0] == 0


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
        scored_runs.scored_videos(RunInFolder(folder))


def test_the_gain_of_choosing_on_test(made_up):
    runs = []
    for seed in (1, 2, 3):
        with_selections(folder := made_up.write("synth-crime", "ur-dmu", seed=seed))
        runs.append(RunInFolder(folder))
    rows = scored_runs.scored_by_selection(runs)
    assert list(rows) == ["last", "best_on_validation", "best_on_test"]
    gains = comparisons.selection_gain(rows, "auc", FEW)
    assert list(gains) == ["best_on_validation", "last"]
    for honest, found in gains.items():
        values = [best.value("auc") - run.value("auc") for best, run in zip(rows["best_on_test"], rows[honest])]
        assert found.values == pytest.approx(values) and (found.first, found.second) == (honest, "best_on_test")
    assert gains["last"].mean > gains["best_on_validation"].mean > 0
    assert scored_runs.scored_rows(runs, "last")[2].seed == 3


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
    assert scored_runs.scored_videos(RunInFolder(folder)).crop_scores.shape == (3, len(arrays["score"]))
    write_arrays(folder / "scores.npz", arrays | {"crop_scores": crops(arrays["score"])})
    with pytest.raises(DataError, match=message):
        scored_runs.scored_videos(RunInFolder(folder))
