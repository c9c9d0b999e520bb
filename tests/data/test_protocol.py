"""What the protocol leaves open: smoothing, single crops, mask rules, and the tables made of them."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from vad_lib import config
from vad_lib.config import TrainSettings
from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.dataset import Dataset, DatasetInfo, load_dataset
from vad_lib.data.prompts import text_features
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import scoring
from vad_lib.evaluation.measures_of_today import measures_of_today
from vad_lib.report.tables import all_tables, protocol
from vad_lib.runs import measure, scored_runs
from vad_lib.runs import trainer as runs_trainer
from vad_lib.runs.finished_runs import find_run
from vad_lib.runs.learner import learner_maker
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_arrays, read_json

TRAIN = TrainSettings(steps=6, eval_every=3, batch_size=4, num_segments=8, lr=2e-3, validation_fraction=0.3, seed=1)

# --- smoothing --------------------------------------------------------------------------------------------


def test_smoothing_by_hand():
    scores = np.array([0.3, 0.6, 0.9, 0.3], dtype=np.float32)
    # the mean of each score and the two after it; zeros follow the end
    assert scoring.smoothed(scores, "sliding", 3) == pytest.approx([0.6, 0.6, 0.4, 0.1])
    assert scoring.smoothed(scores, "blocks", 3) == pytest.approx([0.6, 0.6, 0.6, 0.1])
    assert scoring.smoothed(scores, "sliding", 1) == pytest.approx(scores)
    assert scoring.smoothed(scores[:1], "blocks", 8) == pytest.approx([0.3 / 8])


def test_smoothing_as_pel4vad_has_it(shared):
    known = read_arrays(shared / "oracles" / "pel4vad_forward.npz")
    for key, rule, window in (("smooth_slide7", "sliding", 7), ("smooth_slide3", "sliding", 3), ("smooth_fixed8", "blocks", 8)):
        assert scoring.smoothed(known["smooth_in"], rule, window) == pytest.approx(known[key], abs=1e-7), key


@pytest.mark.parametrize(("rule", "window"), [("median", 3), ("sliding", 0)])
def test_unknown_smoothing(rule, window):
    with pytest.raises(ConfigError, match="expected sliding or blocks and a window of 1 snippet or more"):
        scoring.smoothed(np.zeros(3), rule, window)


# --- what a run measures ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain(tmp_path_factory, planted_folder):
    """A layout with one trained run of the proposed model, and its data set."""
    dataset = load_dataset(planted_folder)
    layout = Layout.create("quick", tmp_path_factory.mktemp("protocol"), planted_folder.parent)
    settings = config.RunSettings(variant="proposed", method="proposed", title="Proposed", width=32, train=TRAIN)
    text = text_features("random", dataset.categories, seed=1)
    runs_trainer.train_run(settings, dataset, text, layout.run(dataset.name, "proposed", 1), progress=False)
    return layout, dataset


def test_a_run_has_fine_grained_results_under_every_rule(chain):
    layout, dataset = chain
    measured = read_json(layout.run(dataset.name, "proposed", 1) / "metrics.json")
    for rule in config.SELECTIONS:
        fine = measured["selections"][rule]["fine_grained"]
        assert list(fine["num_events"].values()) == [3, 3]
        assert 0.01 < fine["temperature"] < 1
        assert set(fine["detection"]) == {"vadclip_code", "abnormal_only"}
        assert fine["normal_ground_truth"] is False
        for variant in fine["detection"].values():
            assert 0 <= variant["map"]["0.5"] <= variant["map"]["average"] <= variant["map"]["0.1"] <= 1


def test_fine_grained_results_follow_from_stored_scores(chain):
    layout, dataset = chain
    folder = layout.run(dataset.name, "proposed", 1)
    stored, measured = read_arrays(folder / "scores.npz"), read_json(folder / "metrics.json")
    fine = measured["selections"][measured["selection"]]["fine_grained"]
    maps = np.split(stored["alignment"].astype(float), np.cumsum(stored["num_snippets"])[:-1])
    again = measure.fine_grained_metrics(dataset, dict(zip(stored["videos"].tolist(), maps)), fine["temperature"])
    assert again["category_accuracy"] == fine["category_accuracy"]
    # the stored cosines are float16
    assert again["detection"]["abnormal_only"]["map"] == pytest.approx(fine["detection"]["abnormal_only"]["map"], abs=0.02)


@pytest.mark.slow
def test_planted_categories_are_told_apart_and_permuted_ones_are_not(tmp_path, chain):
    _, dataset = chain
    longer = TRAIN.replace(steps=60, eval_every=60, num_segments=12, batch_size=8)
    found = {}
    for permuted in (False, True):
        settings = config.RunSettings(
            variant="proposed", method="proposed", title="", width=32, train=longer.replace(permute_labels=permuted)
        )
        text = text_features("random", dataset.categories, seed=1)
        runs_trainer.train_run(settings, dataset, text, tmp_path / str(permuted), progress=False)
        fine = read_json(tmp_path / str(permuted) / "metrics.json")["selections"]["last"]["fine_grained"]
        found[permuted] = fine["category_accuracy_abnormal_videos"], fine["detection"]["abnormal_only"]["map"]["0.1"]
    assert found[False][0] > 0.9 and found[False][1] > 0.6
    assert found[True][0] < 0.7 and found[True][1] < 0.3


def test_the_mean_of_the_crops_is_the_default(chain):
    layout, dataset = chain
    measured = read_json(layout.run(dataset.name, "proposed", 1) / "metrics.json")
    crops = measured["protocol"]["crops"]
    assert list(crops) == list(dataset.store.contract.crops)
    default = measured["selections"][measured["selection"]]["metrics"]
    assert len({crop["auc"] for crop in crops.values()} | {default["auc"]}) == 3
    assert {crop["num_frames"] for crop in crops.values()} == {default["num_frames"]}


def test_scores_of_single_crops_are_kept(chain):
    layout, dataset = chain
    folder = layout.run(dataset.name, "proposed", 1)
    stored, measured = read_arrays(folder / "scores.npz"), read_json(folder / "metrics.json")
    assert stored["crop_scores"].shape == (2, len(stored["score"])) and stored["crop_scores"].dtype == np.float32
    np.testing.assert_allclose(stored["crop_scores"].mean(axis=0), stored["score"], atol=1e-6)
    run = scored_runs.scored_videos(RunInFolder(folder))
    for place, crop in enumerate(measured["protocol"]["crops"].values()):
        alone = dataclasses.replace(run, score=run.crop_scores[place])
        assert (alone.value("auc"), alone.value("ap")) == pytest.approx((crop["auc"], crop["ap"]))
    assert measured["protocol"]["first_crops"] == {}
    assert scored_runs.scored_videos(RunInFolder(folder), "last").crop_scores is None


def test_single_crops_average_to_the_score(chain):
    _, dataset = chain
    settings = config.RunSettings(variant="ur-dmu", method="ur-dmu", title="", width=32, train=TRAIN)
    model = learner_maker(settings)(settings, dataset, ()).model
    records = dataset.videos.split("test")[:3]
    crops = [scoring.snippet_scores(model, dataset, records, crop=crop) for crop in range(2)]
    both = scoring.snippet_scores(model, dataset, records)
    for record in records:
        first, second = (scores[record.name]["score"] for scores in crops)
        assert not np.allclose(first, second)
        np.testing.assert_allclose(both[record.name]["score"], (first + second) / 2, atol=1e-6)


def test_methods_without_an_alignment_map_have_no_fine_grained_part(tmp_path, chain):
    _, dataset = chain
    for method in ("ur-dmu", "logistic-regression"):
        settings = config.RunSettings(variant=method, method=method, title=method, width=32, train=TRAIN)
        runs_trainer.train_run(settings, dataset, None, tmp_path / method, progress=False)
        measured = read_json(tmp_path / method / "metrics.json")
        assert not any("fine_grained" in rule for rule in measured["selections"].values())


def test_mask_rules_by_hand(tmp_path):
    """Rule B takes the last frame of an interval too, and here the rest of the last snippet."""
    info = DatasetInfo(
        name="ucf-crime", title="UCF-Crime", categories=("Normal", "Arson"), headline_metric="auc", counterpart="UCF-Crime",
        source="made up", synthetic=False, fps=30.0, mask_rule="A",
    )  # fmt: skip
    records = (
        VideoRecord("a", "test", ("Arson",), 64, ((16, 40), (48, 56)), mask_rule="A"),
        VideoRecord("b", "test", ("Normal",), 32, mask_rule="A"),
    )
    dataset = Dataset(tmp_path, info, VideoList(("Normal", "Arson"), records), None)
    scores = {"a": np.array([0.1, 0.9, 0.8, 0.7]), "b": np.array([0.2, 0.6])}
    found = measure.mask_rule_metrics(dataset, scores)
    assert {rule: part["num_abnormal_frames"] for rule, part in found.items()} == {"A": 32, "B": 41, "C": 32}
    assert found["A"] == measure.test_metrics(dataset, scores)
    assert found["B"]["ap"] > found["A"]["ap"]
    violence = dataclasses.replace(dataset, info=info.replace(counterpart="XD-Violence"))
    assert list(measure.mask_rule_metrics(violence, scores)) == ["A", "C"]
    exact = dataclasses.replace(dataset, info=info.replace(mask_rule="frames"))
    assert measure.mask_rule_metrics(exact, scores) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scores: scores.pop("a"), "scores: expected the 2 videos that have labels; missing: a; surplus: none"),
        (lambda scores: scores.update(c=np.zeros(2)), "missing: none; surplus: c"),
        (lambda scores: scores.update(a=np.zeros(3)), "video a: 64 frames need 4 snippet scores of 16 frames, got 3"),
        (lambda scores: scores.update(b=np.array([0.1, np.nan])), "video b: scores must be numbers"),
        (lambda scores: scores.update(b=np.array([0.1, -2.0])), "video b: scores must be numbers"),
    ],
)
def test_scores_that_do_not_fit_the_list_are_refused(tmp_path, change, message):
    info = DatasetInfo(
        name="x", title="X", categories=("Normal", "Arson"), headline_metric="auc", source="made up", synthetic=False, fps=30.0
    )
    records = (VideoRecord("a", "test", ("Arson",), 64, ((16, 40),)), VideoRecord("b", "test", ("Normal",), 32))
    dataset = Dataset(tmp_path, info, VideoList(("Normal", "Arson"), records), None)
    scores = {"a": np.array([0.1, 0.9, 0.8, 0.7]), "b": np.array([0.2, 0.6])}
    assert measure.test_metrics(dataset, scores)["num_frames"] == 96
    change(scores)
    with pytest.raises(DataError, match=message):
        measure.test_metrics(dataset, scores)


def test_a_video_listed_twice_is_refused(tmp_path):
    info = DatasetInfo(
        name="x", title="X", categories=("Normal", "Arson"), headline_metric="auc", source="made up", synthetic=False, fps=30.0
    )
    record = VideoRecord("a", "test", ("Arson",), 64, ((16, 40),))
    dataset = Dataset(tmp_path, info, VideoList(("Normal", "Arson"), (record, record)), None)
    with pytest.raises(DataError, match="the test list: expected every video once, got twice: a"):
        measure.test_metrics(dataset, {"a": np.zeros(4)})


# --- the tables -------------------------------------------------------------------------------------------


def test_protocol_table_changes_one_thing_a_row(chain):
    layout, dataset = chain
    table = protocol.protocol_table(layout, [dataset])
    frame = table.frame.set_index("setting")
    assert list(frame.index) == [
        "default: mean of 2 crops, no smoothing",
        "sliding mean of 7 snippets (PEL4VAD on UCF-Crime)",
        "means of blocks of 8 snippets (PEL4VAD on XD-Violence)",
        "crop centre alone",
        "crop top-left alone",
    ]
    measured = read_json(layout.run(dataset.name, "proposed", 1) / "metrics.json")
    default = measured["selections"][measured["selection"]]["metrics"]
    for head, metric in (("AUC %", "auc"), ("AP %: steps", "ap"), ("AP %: trapezoids", "ap_trapezoid")):
        assert frame[head].iloc[0] == f"{100 * default[metric]:.2f}"
        assert frame[head].loc["crop centre alone"] == f"{100 * measured['protocol']['crops']['centre'][metric]:.2f}"
    assert frame["FAR %: normal videos"].iloc[0] == f"{100 * default['far_normal_videos']:.2f}"
    run = scored_runs.scored_videos(find_run(layout, dataset.name, "proposed", 1))
    alone = dataclasses.replace(run, score=run.crop_scores[1])
    for setting, scored in ((0, run), ("crop top-left alone", alone)):
        today = measures_of_today(scored, fps=None)
        row = frame.iloc[setting] if setting == 0 else frame.loc[setting]
        assert row["recall % at FPR 1 %"] == f"{100 * today['recall_at_1_percent']:.2f}"
        assert row["recall %, IoU 0.5"] == f"{100 * today['event_recall_0.5']:.2f}"
        assert row["latency-weighted AP %"] == f"{100 * today['latency_weighted_ap']:.2f}"
    assert "Measures of today:" in table.markdown()
    assert "Seed 1 on Planted bags" in table.made_with
    assert "not in the paper's table" not in table.markdown()


def test_smoothing_with_a_window_of_one_is_the_default(chain, monkeypatch):
    layout, dataset = chain
    monkeypatch.setattr(protocol, "_SMOOTHING", (("sliding", 1, "none"), ("sliding", 4, "four")))
    frame = protocol.protocol_table(layout, [dataset.name]).frame
    columns = [column for column in frame.columns if "%" in column]
    assert list(frame[columns].iloc[0]) == list(frame[columns].iloc[1]) != list(frame[columns].iloc[2])


def test_protocol_table_with_mask_rules(chain, tmp_path):
    layout, dataset = chain
    folder = layout.run(dataset.name, "proposed", 1)
    copied = Layout.create("quick", tmp_path).run("ucf-crime", "proposed", 1)
    copied.mkdir(parents=True)
    for path in folder.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    config, measured = read_json(copied / "config.json"), read_json(copied / "metrics.json")
    config["dataset_info"] |= {"title": "UCF-Crime", "counterpart": "UCF-Crime", "synthetic": False, "mask_rule": "A"}
    default = measured["selections"][measured["selection"]]["metrics"]
    measured["protocol"]["mask_rules"] = {"A": default, "B": default | {"auc": 0.5}, "C": default}
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "metrics.json").write_text(json.dumps(measured))
    table = protocol.protocol_table(Layout.create("quick", tmp_path), ["ucf-crime"])
    frame = table.frame.set_index("setting")
    assert frame.index[0] == "default: mean of 2 crops, no smoothing, mask rule A"
    assert list(frame.index[-2:]) == ["mask rule B", "mask rule C"]
    assert frame["AUC %"].loc["mask rule B"] == "50.00"
    assert frame["partial AUC %"].loc["mask rule B"] == "" != frame["partial AUC %"].iloc[0]
    assert "scores and labels that the run does not keep: mask rule B, mask rule C" in table.made_with
    assert set(frame["data set"]) == {"UCF-Crime"}
    assert "masks by rule A" in table.made_with and "rendered" not in table.title + table.made_with


def test_protocol_table_without_a_run(tmp_path):
    table = protocol.protocol_table(Layout.create("quick", tmp_path))
    assert list(table.frame["setting"]) == ["default", "default"]
    assert set(table.frame["AUC %"]) == {"not run"}
    assert "nothing was run yet" in table.made_with


def test_all_tables_of_an_own_data_set(chain):
    layout, dataset = chain
    own = dataclasses.replace(dataset, info=dataset.info.replace(synthetic=False, title="Yard", note="partial: 12 test videos"))
    made = all_tables.write_all_tables(layout, [own])
    of_set = [f"{kind}-planted" for kind in ("methods", "measures", "annotators", "cost")]
    assert [table.name for table in made] == ["table1", of_set[0], "table4", "table5", "table6", "protocol", *of_set[1:]]
    for table in made:
        assert (layout.tables / f"{table.name}.md").read_text() == table.markdown()
        written = pd.read_csv(layout.tables / f"{table.name}.csv", dtype=str, keep_default_na=False)
        assert list(written.columns[:-3]) == list(table.frame.columns)
        assert "Yard: partial: 12 test videos." in table.made_with
        assert "rendered" not in table.title + table.made_with
        if table.name != "table1":
            assert not [column for column in table.frame.columns if column.startswith(("paper (", "authors"))]
            assert "Yard is none of the paper's data sets: its numbers compare with each other only." in table.made_with
    with pytest.raises(DataError, match="expected one data set or more, each once, got planted, planted"):
        all_tables.write_all_tables(layout, [own, own])
    with pytest.raises(DataError, match="got none"):
        all_tables.write_all_tables(layout, [])
