"""UCF-Crime and XD-Violence from their official files: every video's length and mask, the known answers, every mismatch."""

import csv
import dataclasses
import os
import re
import shutil
from functools import cache

import numpy as np
import pandas as pd
import pytest

from vad_lib import metrics, reproduce
from vad_lib.data.annotations import check_records
from vad_lib.data.dataset import load_dataset
from vad_lib.data.importing.discover import check_source
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.data.importing.sets.ucf_crime import read_ucf_crime
from vad_lib.data.importing.sets.xd_violence import read_xd_violence
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.video_names import video_key
from vad_lib.data.importing.write import import_dataset
from vad_lib.errors import DataError
from vad_lib.evaluation import frame_level
from vad_lib.storage.paths import Layout, i3d_weights
from vad_lib.storage.reading import read_arrays, read_json

# data set, rule, column of the lengths, key of the known answers
CASES = [
    ("ucf-crime", "A", "len_A_i3d_rocng"),
    ("ucf-crime", "B", "len_B_rtfm"),
    ("ucf-crime", "C", "len_C_vadclip"),
    ("xd-violence", "A", "len_A_i3d"),
    ("xd-violence", "C", "len_C_vadclip"),
]


@cache
def table(shared, name):
    with open(shared / "annotations" / f"{name}.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@cache
def official(shared, dataset):
    """The videos of a set from the released text files; XD's names stand for those of the feature files."""
    folder = shared / "annotations"
    if dataset == "ucf-crime":
        return read_ucf_crime(folder / "Anomaly_Train.txt", folder / "Anomaly_Test.txt", folder / "Temporal_Anomaly_Annotation.txt")
    names = {split: [row["video"] for row in table(shared, f"xd_violence_{split}")] for split in ("train", "test")}
    return read_xd_violence(folder / "annotations.txt", folder / "annotations_multiclasses.txt", names)


def stem(dataset):
    return dataset.replace("-", "_")


def evaluated(shared, dataset, rule, column):
    """Test videos whose features have the lengths of the table."""
    rows = {row["video"]: row for row in table(shared, f"{stem(dataset)}_gt_lengths")}
    listed = official(shared, dataset).split("test")
    frames = "n_frames" if rule == "frames" else column
    return [dataclasses.replace(record, num_frames=int(rows[record.name][frames]), mask_rule=rule) for record in listed]


@pytest.mark.parametrize("dataset", ["ucf-crime", "xd-violence"])
def test_lists_are_those_of_the_fact_tables(shared, dataset):
    videos, known = official(shared, dataset), PUBLIC_SETS[dataset]
    for split in ("train", "test"):
        rows = table(shared, f"{stem(dataset)}_{split}")
        found = [record.name for record in videos.split(split)]
        listed = [row["video"] for row in rows]
        assert found == listed if split == "test" else sorted(found) == sorted(listed)
        abnormal = sum(videos.is_abnormal(record) for record in videos.split(split))
        assert (abnormal, len(found) - abnormal) == known.counts[split]


def test_categories_stand_in_the_order_of_the_name(shared):
    """PEL4VAD's authors train on the first alone; by the data set's order it would be another one in 89 videos."""
    videos = official(shared, "xd-violence")
    several = [record for record in videos.split("train") if len(record.categories) > 1]
    other = sum(record.categories[0] != min(record.categories, key=videos.categories.index) for record in several)
    assert (len(videos.split("train")), len(several), other) == (3954, 243, 89)


@pytest.mark.parametrize(("dataset", "rule", "column"), CASES)
def test_every_video_has_its_length_and_its_abnormal_frames(shared, dataset, rule, column):
    rows = table(shared, f"{stem(dataset)}_gt_lengths")
    records = evaluated(shared, dataset, rule, column)
    masks = [record.frame_labels() for record in records]
    assert [record.name for record in records] == [row["video"] for row in rows]
    assert [len(mask) for mask in masks] == [int(row[column]) for row in rows]
    assert [int(mask.sum()) for mask in masks] == [int(row[f"abn_{rule}"]) for row in rows]
    assert (sum(map(len, masks)), sum(int(mask.sum()) for mask in masks)) == PUBLIC_SETS[dataset].totals[rule]
    videos = official(shared, dataset)
    check_records(videos.categories, tuple(records), dataset)


@pytest.mark.parametrize(("dataset", "rule", "column"), CASES)
def test_snippets_follow_from_the_frames_of_the_videos(shared, dataset, rule, column):
    known = PUBLIC_SETS[dataset]
    for row in table(shared, f"{stem(dataset)}_gt_lengths"):
        assert 16 * known.expected_snippets(rule, row["video"], int(row["n_frames"])) == int(row[column]), row["video"]


@pytest.mark.parametrize("dataset", ["ucf-crime", "xd-violence"])
def test_totals_at_raw_length(shared, dataset):
    masks = [record.frame_labels() for record in evaluated(shared, dataset, "frames", "")]
    assert (sum(map(len, masks)), sum(int(mask.sum()) for mask in masks)) == PUBLIC_SETS[dataset].totals["frames"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frame", "snippet", "ties"])
@pytest.mark.parametrize(("dataset", "rule", "column"), CASES)
def test_known_metrics_from_the_raw_files(shared, dataset, rule, column, kind):
    """All known answers of a rule; the scores are a formula of video number, frame and label."""
    answers = read_arrays(shared / "oracles" / f"metrics_{dataset.partition('-')[0]}.npz")
    records = evaluated(shared, dataset, rule, column)
    labels = {record.name: record.frame_labels() for record in records}
    scores = {}
    for number, (video, mask) in enumerate(labels.items()):
        if kind == "frame":
            scores[video] = 0.6 * (0.5 + 0.5 * np.sin(0.01 * np.arange(len(mask)) + 0.37 * number)) + 0.4 * mask
            continue
        parts = mask.reshape(-1, 16).mean(axis=1)
        values = 0.6 * (0.5 + 0.5 * np.sin(0.16 * np.arange(len(parts)) + 0.37 * number)) + 0.4 * parts
        scores[video] = np.repeat(np.round(20 * values) / 20 if kind == "ties" else values, 16)
    categories = {record.name: record.categories for record in records}
    found = frame_level.evaluate(labels, scores, categories, "Normal")
    strict = frame_level.evaluate(labels, scores, categories, "Normal", threshold=float(np.nextafter(0.5, 1)))
    inside = [record.name for record in records if record.categories != ("Normal",)]
    expected = {
        "n_frames": found["num_frames"],
        "n_pos": found["num_abnormal_frames"],
        "auc": found["auc"],
        "auc_roc_auc_score": found["auc"],
        "ap_step": found["ap"],
        "ap_trapz": found["ap_trapezoid"],
        "ano_auc": found["auc_abnormal_videos"],
        "ano_ap_step": metrics.average_precision(*(np.concatenate([part[video] for video in inside]) for part in (labels, scores))),
        "far_normal_videos_ge": found["far_normal_videos"],
        "far_normal_videos_gt": strict["far_normal_videos"],
        "far_all_normal_frames_ge": found["far_all_normal_frames"],
        "far_all_normal_frames_gt": strict["far_all_normal_frames"],
        "score_sum": sum(values.sum() for values in scores.values()),
        "first_scores_video0": scores[records[0].name][:128:16],
        "first_scores_video7": scores[records[7].name][:128:16],
    }
    assert {f"{rule}_{kind}_{key}" for key in expected} == {key for key in answers if key.startswith(f"{rule}_{kind}_")}
    for key, value in expected.items():
        assert value == pytest.approx(answers[f"{rule}_{kind}_{key}"], abs=1e-9, rel=1e-12), key


# --- the whole sets through the adapters ------------------------------------------------------------
LISTS = {
    "ucf-crime": ("Anomaly_Train.txt", "Anomaly_Test.txt", "Temporal_Anomaly_Annotation.txt"),
    "xd-violence": ("annotations.txt", "annotations_multiclasses.txt"),
}


def released(shared, folder, dataset, column, write, every=1):
    """A folder as people have it: the text files, and features of true lengths under true names, D = 32.

    ``every`` 60 leaves one video in sixty of each split, and of the test videos the shortest of every sixty.
    """
    (folder / "lists").mkdir(parents=True)
    for name in LISTS[dataset]:
        shutil.copy(shared / "annotations" / name, folder / "lists" / name)
    rng = np.random.default_rng(0)
    lengths = {
        "train": {row["video"]: int(rng.integers(2, 9)) for row in table(shared, f"{stem(dataset)}_train")},
        "test": {row["video"]: int(row[column]) // 16 for row in table(shared, f"{stem(dataset)}_gt_lengths")},
    }
    lengths["train"] = dict(list(lengths["train"].items())[::every])
    listed = list(lengths["test"].items())
    lengths["test"] = dict(min(listed[first : first + every], key=lambda video: video[1]) for first in range(0, len(listed), every))
    written, owner = {}, {}
    for split, videos in lengths.items():
        (folder / split).mkdir()
        for name, length in videos.items():
            if split == "train" and length in written:  # training videos of one length share their files: that is faster
                for path in written[length]:
                    os.link(path, folder / split / (name + path.name.removeprefix(owner[length])))
            else:
                owner[length], written[length] = name, write(folder / split, name, length, rng)
    return lengths


def write_rtfm(folder, name, length, rng):
    return [save(folder / f"{name}_i3d.npy", rng.standard_normal((length, 10, 32), dtype=np.float32))]


def write_wu(folder, name, length, rng):
    return [save(folder / f"{name}__{crop}.npy", rng.standard_normal((length, 32), dtype=np.float32)) for crop in range(5)]


def save(path, array):
    np.save(path, array.astype(np.float16))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "column", "write", "layout", "rule"),
    [("ucf-crime", "len_B_rtfm", write_rtfm, "t-n-d", "B"), ("xd-violence", "len_A_i3d", write_wu, "crop-files", "A")],
)
def test_a_whole_set_is_imported_with_the_public_totals(shared, tmp_path, dataset, column, write, layout, rule):
    lengths = released(shared, tmp_path / dataset, dataset, column, write)
    settings = ImportSettings(dataset=dataset, dimension=32)
    result = import_dataset(tmp_path / dataset, None, settings, progress=False)
    (warning,) = result.findings.warnings
    assert warning.startswith("the same features")  # of training videos of one length, which share their files here
    assert result.findings.layout == layout
    loaded = load_dataset(tmp_path / dataset, expect={"dimension": 32})
    assert (loaded.info.mask_rule, loaded.info.note, loaded.info.tail) == (rule, "", "exact")
    assert {name: loaded.store.num_snippets(name) for name in loaded.store.videos} == lengths["train"] | lengths["test"]
    masks = [record.frame_labels() for record in loaded.videos.split("test")]
    assert (sum(map(len, masks)), sum(int(mask.sum()) for mask in masks)) == PUBLIC_SETS[dataset].totals[rule]
    assert [record.name for record in loaded.videos.split("test")] == list(lengths["test"])
    assert not import_dataset(tmp_path / dataset, None, settings, progress=False).changed


@pytest.mark.slow
def test_mistakes_in_a_whole_set(shared, tmp_path):
    dataset, rule, folder = "ucf-crime", "B", tmp_path / "ucf-crime"
    lengths = released(shared, folder, dataset, "len_B_rtfm", write_rtfm)
    settings = ImportSettings(dataset=dataset, dimension=32)

    def check(**changed):
        return check_source(folder, settings.replace(**changed), read=False)

    # one snippet more in one test video: the totals tell, and the frame counts tell which
    name, length = next(iter(lengths["test"].items()))
    write_rtfm(folder / "test", name, length + 1, np.random.default_rng(1))
    (problem,) = check().problems
    assert f"where mask rule {rule} of the public ground truth has" in problem and "give their raw frames with --frames" in problem
    counts = {"frames": str(shared / "annotations" / f"{stem(dataset)}_test.csv")}
    (problem,) = check(**counts).problems
    assert problem.startswith(f"video {name}: ") and f"its features have {length + 1}; likely another" in problem
    with pytest.raises(DataError, match=re.escape(problem)):
        import_dataset(folder, None, settings.replace(**counts), progress=False)
    found = check(**counts, align="cut")
    assert (found.problems, found.info.note) == ((), "features of 1 videos aligned to their frames (cut)")

    # a training video is missing
    (folder / "train" / f"{next(iter(lengths['train']))}_i3d.npy").unlink()
    assert check().problems[0].startswith("1 of 1,900 listed videos have no file (Abuse001_x264)")
    found = check(**counts, align="cut", partial=True)
    assert found.info.note.startswith("partial: 290 of 290 test videos, 1,609 of 1,610 training videos; features of 1 videos")


@pytest.mark.slow
def test_features_of_another_rule_are_recognised(shared, tmp_path):
    released(shared, tmp_path / "ucf-crime", "ucf-crime", "len_C_vadclip", write_rtfm)
    found = check_source(tmp_path / "ucf-crime", ImportSettings(dataset="ucf-crime", dimension=32), read=False)
    assert "they are features of mask rule C: use --rule C" in found.problems[-1]
    settings = ImportSettings(dataset="ucf-crime", dimension=32, rule="C")
    assert not check_source(tmp_path / "ucf-crime", settings, read=False).problems
    raw = settings.replace(rule="frames", frames=str(shared / "annotations" / "ucf_crime_test.csv"))
    found = check_source(tmp_path / "ucf-crime", raw, read=False)
    assert (found.problems, found.info.tail) == ((), "extend")
    masks = [record.frame_labels() for record in found.videos.split("test")]
    assert (sum(map(len, masks)), sum(int(mask.sum()) for mask in masks)) == PUBLIC_SETS["ucf-crime"].totals["frames"]


# --- mismatches between sources that concern reading ------------------------------------------------
def test_mismatch_1_binary_and_multiclass_annotation(shared):
    records = official(shared, "xd-violence").split("test")
    assert sum(len(record.intervals) for record in records) == 1238
    assert sum(len(record.class_intervals) for record in records) == 1272
    holes = {}
    for record in records:
        frames = _covered([event[1:] for event in record.class_intervals]) ^ _covered(record.intervals)
        if frames:
            holes[record.name.partition("__#")[0]] = len(frames)
    assert holes == {
        "Love.Death.and.Robots.S01E10": 1,
        "Rush.Hour.1998.BluRay": 1,
        "The.Bourne.Ultimatum.2007": 1,
        "v=38GQ9L2meyE": 139,
        "v=Rc9EOFjtj0c": 1,
    }


def _covered(spans):
    return {frame for start, end in spans for frame in range(start, end)}


def test_mismatch_2_label_in_the_name_and_label_of_the_events(shared):
    differing = [
        record
        for record in official(shared, "xd-violence").split("test")
        if not {event[0] for event in record.class_intervals} <= set(record.categories)
    ]
    assert [(record.categories, {event[0] for event in record.class_intervals}) for record in differing] == [
        (("Riot",), {"Fighting"})
    ]
    assert differing[0].name.startswith("Ip.Man.2008__#01-40-37")


def test_mismatch_3_names_with_an_ending(shared):
    lines = (shared / "annotations" / "annotations.txt").read_text().splitlines()
    assert sum(".mp4 " in line for line in lines) == 14
    assert not [record.name for record in official(shared, "xd-violence").records if record.name.endswith(".mp4")]


def test_mismatch_4_intervals_past_the_end(shared):
    late = [
        video_key(record.name)
        for record in evaluated(shared, "ucf-crime", "frames", "")
        if any(end > record.num_frames for _, end in record.intervals)
    ]
    assert late == ["Arson011", "Arson016", "Explosion033", "Fighting003", "Shooting015"]
    for rule, column, count in (("A", "len_A_i3d", 71), ("C", "len_C_vadclip", 65)):
        records = evaluated(shared, "xd-violence", rule, column)
        assert sum(any(end > record.num_frames for _, end in record.intervals) for record in records) == count


def test_mismatch_5_normal_videos_are_normal_and_hold_no_events(shared):
    videos = official(shared, "ucf-crime")
    normal = [record for record in videos.split("test") if not videos.is_abnormal(record)]
    assert {record.categories for record in normal} == {("Normal",)}
    assert not any(record.events() for record in normal)
    assert sum(len(record.events()) for record in videos.split("test")) == 156


def test_mismatch_6_a_training_list_that_lacks_a_video(shared):
    folder, lacking = shared / "annotations", "v=8cTqh9tMz_I__#1_label_A"
    names = {split: [row["video"] for row in table(shared, f"xd_violence_{split}")] for split in ("train", "test")}
    names["train"].remove(lacking)
    videos = read_xd_violence(folder / "annotations.txt", folder / "annotations_multiclasses.txt", names)
    assert len(videos.split("train")) == 3953
    assert sum(not videos.is_abnormal(record) for record in videos.split("train")) == 2048


def test_the_order_is_that_of_the_arrays_not_of_the_test_list(shared):
    found = [video_key(record.name) for record in official(shared, "ucf-crime").split("test")]
    listed = [video_key(line) for line in (shared / "annotations" / "Anomaly_Test.txt").read_text().split()]
    assert sorted(found) == sorted(listed) and found != listed
    assert all(name.startswith("Normal") for name in found[140:])


SMALL_ROWS = ("ur-dmu", "msf-dmu", "proposed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("every", "only", "rows"),
    [
        # the notebook of all tables and figures and that of the questions, with what they need
        pytest.param(60, ["--only=04_visualisation", "--only=06_beyond_the_paper"], SMALL_ROWS, id="one video in sixty"),
        pytest.param(
            1,
            [],
            (*SMALL_ROWS, "rtfm", "logistic-regression"),  # the others are no slower to wire, only to run
            marks=[pytest.mark.release, pytest.mark.timeout(3600)],
            id="all 1,900 videos",
        ),
    ],
)
def test_one_command_makes_the_tables_of_ucf_crime(shared, tmp_path, every, only, rows):
    """The text files and RTFM's layout of features, each video at its length."""
    if not i3d_weights().is_file():
        pytest.skip(
            f"I3D weights are not at {i3d_weights()}; `python -m vad_lib.data.backbones.i3d_weights --fetch` gets them (make does)"
        )
    lengths = released(shared, tmp_path / "data" / "ucf-crime", "ucf-crime", "len_B_rtfm", write_rtfm, every)["test"]
    command = ["--dataset", "ucf-crime", "--data", str(tmp_path / "data"), "--profile", "smoke", "--out", str(tmp_path), *only]
    importing = f"importing={{dimension: 32, partial: {str(every > 1).lower()}}}"
    options = [importing, f"variants=[{', '.join(rows)}]"]
    assert reproduce.main([*command, *(part for option in options for part in ("--parameter", option))]) == 0
    layout = Layout.create("smoke", tmp_path, tmp_path / "data")
    for name in ("table1", "table2", "table4", "table5", "table6", "protocol"):
        text = (layout.tables / f"{name}.md").read_text(encoding="utf-8")
        assert "UCF-Crime" in text and "rendered" not in text and ("partial" in text) == (every > 1), name
    assert not (layout.tables / "table3.md").exists()
    table2 = pd.read_csv(layout.tables / "table2.csv", keep_default_na=False).set_index("method")
    assert set(table2["status"][["Proposed", "MSF-DMU (reconstruction)", "UR-DMU (the paper's DMU)"]]) == {"run"}
    assert (layout.figures / "fig3.png").is_file()
    measured = read_json(layout.run("ucf-crime", "proposed", 2022) / "metrics.json")
    assert measured["selections"]["last"]["metrics"]["num_frames"] == 16 * sum(lengths.values())
    assert set(measured["protocol"]["mask_rules"]) >= {"A", "B"} and len(measured["protocol"]["crops"]) == 10
    assert set(measured["selections"]["last"]["fine_grained"]["detection"]) == {"vadclip_code", "abnormal_only"}
