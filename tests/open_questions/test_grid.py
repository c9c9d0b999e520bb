"""The grid of runs: made once, with whole seeds, one failure stopping no other; crops extracted first."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from planted_set import write_planted_dataset
from small_grid import ASKED, FEW, SEEDS, tiny

from vad_lib.data.dataset import load_dataset
from vad_lib.data.extraction import ExtractionReport
from vad_lib.data.feature_store import FeatureStore
from vad_lib.errors import MissingFileError
from vad_lib.evaluation import comparisons
from vad_lib.open_questions import answers, grid, questions
from vad_lib.runs import many_runs, record, scored_runs, trainer
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json


def test_a_stopped_grid_has_whole_seeds(dataset):
    made = grid.tasks([dataset], ["gate"], (4, 9), ["ur-dmu", "proposed"])
    assert [task.seed for task in made] == [4] * 7 + [9] * 7
    assert [(task.question, task.answer) for task in made[:2]] == [("", "proposed"), ("", "ur-dmu")]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("seeds", "first", "expected"),
    [
        ((), None, {"gate": [1, 2, 3], "alpha": [1, 2]}),
        ((), 7, {"gate": [7, 8, 9], "alpha": [7, 8]}),
        ((5,), None, {"gate": [5], "alpha": [5]}),
    ],
)
def test_a_question_can_have_more_seeds_than_the_others(place, dataset, monkeypatch, seeds, first, expected):
    asked = []
    monkeypatch.setattr(grid, "training", lambda task, *_: asked.append(task))
    profile = tiny().replace(train=tiny().train.replace(seed=1), answer_seeds=2, question_seeds={"gate": 3, "text": 9})
    report = grid.run_grid(place, profile, [dataset], ["gate", "alpha"], seeds, first_seed=first, rows=["ur-dmu"])
    assert (report.trained, report.there, len(asked)) == (0, len(set(asked)), len(set(asked)))
    for question, numbers in expected.items():
        assert sorted({task.seed for task in asked if task.question == question}) == numbers
    of_rows = {name: sorted(task.seed for task in asked if task.answer == name) for name in ("proposed", "ur-dmu")}
    assert of_rows == {"proposed": expected["gate"], "ur-dmu": expected["alpha"]}  # the base has as many as any question


def test_folders_are_the_tables_own_or_below_questions(place):
    layout = place
    assert grid.Task("planted", "", "ur-dmu", 3).folder(layout) == layout.run("planted", "ur-dmu", 3)
    folder = grid.Task("planted", "templates", "a video of {} happening", 3).folder(layout)
    assert folder.relative_to(layout.results).as_posix() == "questions/planted/templates/a_video_of____happening/seed3"


def test_a_second_grid_trains_nothing_and_one_failure_stops_no_other(place, dataset, monkeypatch):
    again = grid.run_grid(place, tiny(), [dataset], ASKED, SEEDS, jobs=1)
    assert (again.trained, again.failed) == (0, {})
    # the profile has no text encoder, so one template cannot be had
    report = grid.run_grid(place, tiny(), [dataset], ["templates", "gate"], (1,), jobs=1)
    assert report.there == 6
    assert {task.question for task in report.failed} == {"templates"}
    assert all(message.startswith("ConfigError: templates are filled") for message in report.failed.values())


def test_a_row_trained_with_more_threads_is_left_as_it_is(place, dataset, monkeypatch):
    task = grid.Task("planted", "", "msf-dmu", 1)
    before = read_json(task.folder(place) / "metrics.json")["key"]
    keys = {1: "other", 2: before}
    monkeypatch.setattr(record, "run_key", lambda *_: keys[torch.get_num_threads()])
    monkeypatch.setattr(trainer, "train_run", lambda *_, **__: torch.get_num_threads() != 2 and pytest.fail("trained again"))
    with many_runs.torch_threads(2):
        assert many_runs.train_many([grid.training(task, dataset, place, tiny())], 1) == [False]
        assert torch.get_num_threads() == 2


def test_a_row_that_needs_pixels_is_no_run_where_there_are_none(place, dataset):
    assert grid.training(grid.Task("planted", "", "fusion-gan", 1), dataset, place, tiny()) is None
    report = grid.run_grid(place, tiny(), [dataset], [], (1,), rows=["fusion-gan"], jobs=1)
    assert (report.trained, report.there, report.failed) == (0, 2, {})


def test_an_answer_s_run_says_what_it_changed(place):
    config = read_json(grid.Task("planted", "zero-shot", "without Arson", 1).folder(place) / "config.json")
    assert (config["origin"], config["title"]) == ({"left_out": "Arson"}, "zero-shot: without Arson")
    config = read_json(grid.Task("planted", "gate", "starts at 0.9", 1).folder(place) / "config.json")
    assert (config["options"], config["origin"]) == ({"gate_start": 2.2}, {})


def test_ten_crops_are_extracted_first_and_scored_one_by_one(place, dataset, tmp_path, monkeypatch):
    layout = Layout.create("smoke", tmp_path, tmp_path / "data")
    write_planted_dataset(layout.dataset("planted"), np.random.default_rng(5))
    rng, asked = np.random.default_rng(6), []

    def extract(videos, names, store, settings, device, progress, jobs):
        asked.append((videos, len(names), store, settings.num_crops, device, jobs))
        two = own.store
        noisy = ((v, np.tile(two.snippets(v), (5, 1, 1)) + rng.normal(size=(10, two.num_snippets(v), 16))) for v in names)
        contract = two.contract.replace(crops=tuple(f"crop-{place}" for place in range(10)))
        FeatureStore.write(store, contract, ((video, values.astype(np.float16)) for video, values in noisy))
        return ExtractionReport(None, tuple(names), (), {})

    monkeypatch.setattr(grid, "extract_dataset", extract)
    own = load_dataset(layout.dataset("planted"))
    report = grid.run_grid(layout, tiny(), [own], ["crops"], SEEDS, jobs=1)
    assert (report.trained, report.failed) == (6, {})
    assert asked == [(layout.videos("planted"), 52, layout.features("planted", crops=10), 10, "cpu", 1)]
    runs = answers.answer_runs(layout, own, "crops")
    assert {answer: len(found) for answer, found in runs.items()} == {questions.BASE: 2, "10 crops": 2}
    config = runs["10 crops"][0].config
    assert len(config["features"]["crops"]) == 10 and config["options"] == {}
    # two crops are several already, so the model's own runs answer what their mean is worth
    assert [len(run.crop_scores) for run in answers.rows_with_crop_scores(layout, own)] == [2, 2]
    ten = scored_runs.scored_rows(runs["10 crops"])
    found = comparisons.crop_averaging(ten, "auc", FEW)
    assert list(found) == ["5 crops", "10 crops"]
    measured = [run.measured for run in runs["10 crops"]]
    centre = [m["protocol"]["crops"]["crop-0"]["auc"] for m in measured]
    of_five = [m["protocol"]["first_crops"]["5"]["auc"] for m in measured]
    of_ten = [m["selections"][m["selection"]]["metrics"]["auc"] for m in measured]
    assert found["5 crops"].values == pytest.approx(np.subtract(of_five, centre), abs=1e-6)
    assert found["10 crops"].values == pytest.approx(np.subtract(of_ten, centre), abs=1e-6)
    compared = answers.compare_answers(layout, own, "crops", FEW)
    assert list(compared) == ["10 crops"]
    # MSF-DMU on ten crops is compared with the proposed model on ten crops, not with the one that everything else is
    theirs = [RunInFolder(layout.results.joinpath("questions", "planted", "crops", "MSF-DMU__10_crops", f"seed{s}")) for s in SEEDS]
    assert [(run.config["method"], len(run.config["features"]["crops"]), run.config["text"]) for run in theirs] == [
        ("msf-dmu", 10, None)
    ] * len(SEEDS)
    against = answers.against_msf_dmu_on_crops(layout, own, FEW)["10 crops"]
    assert (against.first, against.num_seeds) == (theirs[0].config["title"], len(SEEDS))
    of_theirs = [run.measured["selections"][run.measured["selection"]]["metrics"]["auc"] for run in theirs]
    assert against.values == pytest.approx(np.subtract(of_ten, of_theirs), abs=1e-6)


def test_crops_are_made_by_the_engine_that_made_those_there(tmp_path, monkeypatch):
    layout = Layout.create("smoke", tmp_path, tmp_path / "data")
    write_planted_dataset(layout.dataset("planted"), np.random.default_rng(5))
    own, engines = load_dataset(layout.dataset("planted")), []

    def extract(videos, names, store, settings, device, progress, jobs):
        engines.append(settings.engine)
        raise MissingFileError("none here")

    monkeypatch.setattr(grid, "extract_dataset", extract)
    store = layout.features("planted", crops=10)
    of_crops = own.store.contract.replace(crops=tuple(f"crop-{number}" for number in range(10)))
    for backbone in ("i3d-kinetics400-openvino-bf16", "i3d-kinetics400"):
        values = (np.zeros((10, own.store.num_snippets(v), 16), np.float16) for v in own.store.videos)
        FeatureStore.write(store, of_crops.replace(backbone=backbone), zip(own.store.videos, values))
        grid.run_grid(layout, tiny(), [own], ["crops"], SEEDS[:1], jobs=1)
    (store / "store.json").write_text("{}")
    grid.run_grid(layout, tiny(), [own], ["crops"], SEEDS[:1], jobs=1)
    assert engines == ["openvino-bf16", "torch", "torch"]


def test_crops_are_asked_for_only_where_there_are_videos_to_cut(place, dataset, tmp_path):
    question = questions.QUESTIONS["crops"].answers
    assert questions.answers_to("crops", dataset) == question
    imported = dataclasses.replace(dataset, info=dataset.info.replace(synthetic=False))
    assert questions.answers_to("crops", imported) == {}
    with_videos = dataclasses.replace(imported, folder=tmp_path)
    (tmp_path / "videos").mkdir()
    assert questions.answers_to("crops", with_videos) == question
    write_planted_dataset(tmp_path / "ten", np.random.default_rng(6), crops=10)
    assert questions.answers_to("crops", load_dataset(tmp_path / "ten")) == {}
    # a list without its features does not tell how many crops there are; the grid finds out and has nothing to ask
    layout = Layout.create("smoke", tmp_path, tmp_path)
    report = grid.run_grid(layout, tiny(), [load_dataset(tmp_path / "ten", features=False)], ["crops"], (1,), jobs=1)
    assert (report.trained, report.there, report.failed) == (1, 0, {})
    with pytest.raises(MissingFileError, match="expected a feature store"):
        shutil.rmtree(tmp_path / "ten" / "store")
        grid.run_grid(layout, tiny(), [load_dataset(tmp_path / "ten", features=False)], ["crops"], (1,), jobs=1)


def test_videos_that_cannot_be_cropped_stop_no_other_run(place, dataset):
    report = grid.run_grid(place, tiny(), [dataset], ["crops", "gate"], (1,), jobs=1, progress=False)
    assert (report.trained, report.there) == (0, 6)
    assert [task.question for task in report.failed] == ["crops", "crops"]
    message = next(iter(report.failed.values()))
    assert message.startswith("52 of 52 videos have no features of 10 crops; the first: ") and "no such video" in message
