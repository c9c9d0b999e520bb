"""The grid of questions on planted bags: what each answer changes, runs made once, words that follow from intervals."""

import dataclasses
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from planted_set import write_planted_dataset

from vad_lib.config import get_profile
from vad_lib.data.dataset import load_dataset
from vad_lib.data.extraction import ExtractionReport
from vad_lib.data.feature_store import FeatureStore
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.evaluation import comparisons, scored_videos
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval, Resampling
from vad_lib.model import ProposedSettings
from vad_lib.open_questions import answers as open_questions_answers
from vad_lib.open_questions import categories, figures, grid, label_leaks, questions, transfer, wording
from vad_lib.runs import record, trained_model, trainer
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

FEW = Resampling(num_resamples=60)
SEEDS = (1, 2)
ASKED = ("gate", "features", "zero-shot")


def tiny():
    profile = get_profile("smoke").replace(text_features="random")
    return profile.replace(train=profile.train.replace(steps=3, eval_every=3, batch_size=4, num_segments=4))


@pytest.fixture(scope="module")
def place(planted_folder, tmp_path_factory) -> Layout:
    """Two data sets of planted bags and a finished grid."""
    folder = tmp_path_factory.mktemp("beyond")
    for name in ("planted", "other"):
        shutil.copytree(planted_folder, folder / "data" / name)
        info = read_json(folder / "data" / name / "dataset.json")
        write_json(folder / "data" / name / "dataset.json", info | {"name": name})
    layout = Layout.create("smoke", folder / "out", folder / "data")
    report = grid.run_grid(
        layout, tiny(), [load_dataset(layout.dataset("planted"))], ASKED, SEEDS, rows=("msf-dmu", "proposed-permuted"), jobs=1
    )
    assert report.failed == {}
    assert (report.trained, report.there) == (2 * (3 + 5 + 1 + 2), 0)
    return layout


@pytest.fixture
def dataset(place):
    return load_dataset(place.dataset("planted"))


def comparison(low: float, high: float, answer: str = "") -> Comparison:
    return Comparison("auc", (low + high) / 2, 0.01, low, high, 0.95, "", SEEDS, (low, high), 12, second=answer)


# --- questions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", questions.QUESTIONS)
def test_every_answer_is_a_setting_of_the_model_that_differs_from_the_base(question):
    base = ProposedSettings(feature_dim=8)
    for name, answer in questions.QUESTIONS[question].answers.items():
        changed = ProposedSettings(feature_dim=8, **answer.options)
        assert name != questions.BASE
        assert (changed != base) == bool(answer.options), name
        assert answer != questions.Answer(), name


def test_one_answer_per_category_where_one_is_left_out(dataset):
    answers = questions.answers_to("zero-shot", dataset)
    assert {name: answer.left_out for name, answer in answers.items()} == {
        "without Fighting": "Fighting",
        "without Arson": "Arson",
    }


def test_questions_by_name():
    assert questions.chosen_questions(["all"]) == tuple(questions.QUESTIONS)
    assert questions.chosen_questions(["text", "alpha"]) == ("alpha", "text")
    with pytest.raises(ConfigError, match=r"unknown question 'colour'; known: all, lambda-align"):
        questions.chosen_questions(["colour"])
    with pytest.raises(ConfigError, match="unknown question 'colour'"):
        questions.answers_to("colour", None)


def test_a_stopped_grid_has_whole_seeds(dataset):
    made = grid.tasks([dataset], ["gate"], (4, 9), ["ur-dmu", "proposed"])
    assert [task.seed for task in made] == [4] * 7 + [9] * 7
    assert [(task.question, task.answer) for task in made[:2]] == [("", "proposed"), ("", "ur-dmu")]
    assert len(set(made)) == len(made)


def test_folders_are_the_tables_own_or_below_beyond(place):
    layout = place
    assert grid.Task("planted", "", "ur-dmu", 3).folder(layout) == layout.run("planted", "ur-dmu", 3)
    folder = grid.Task("planted", "templates", "a video of {} happening", 3).folder(layout)
    assert folder.relative_to(layout.results).as_posix() == "beyond/planted/templates/a_video_of____happening/seed3"


# --- what answers change ----------------------------------------------------------------------------------


def test_noise_has_the_features_mean_and_variance_and_the_videos_lengths(dataset):
    noise, store = questions.changed_dataset(questions.Answer(features="noise"), dataset).store, dataset.store
    both = [np.concatenate([s.snippets(v).reshape(-1, 16) for v in s.videos]).astype(float) for s in (store, noise)]
    assert both[0].shape == both[1].shape
    np.testing.assert_allclose(both[0].mean(axis=0), both[1].mean(axis=0), atol=0.2)
    np.testing.assert_allclose(both[0].std(axis=0), both[1].std(axis=0), rtol=0.1)
    assert abs(np.corrcoef(both[0].ravel(), both[1].ravel())[0, 1]) < 0.05
    video = store.videos[3]
    np.testing.assert_array_equal(noise.snippets(video), noise.snippets(video))
    assert noise.content_hash != store.content_hash
    segments = noise.segments(4)
    assert (segments.shape, segments.dtype) == (store.segments(4).shape, store.segments(4).dtype)
    np.testing.assert_allclose(segments[3], grid.make_segments(noise.snippets(video), 4), atol=2e-3)


def test_a_left_out_category_is_gone_from_training_only(dataset):
    changed = questions.changed_dataset(questions.Answer(left_out="Arson"), dataset)
    assert {c for r in changed.videos.split("train") for c in r.categories} == {"Normal", "Fighting"}
    assert changed.videos.split("test") == dataset.videos.split("test")
    assert changed.categories == dataset.categories


def test_text_of_an_answer(dataset):
    profile = get_profile("smoke")
    one_hot = questions.answer_text(questions.Answer(text="one-hot"), profile, dataset)
    np.testing.assert_array_equal(one_hot.values, np.eye(3))
    assert questions.answer_text(questions.Answer(text="random"), profile, dataset).source == "random"
    one = questions.answer_text(questions.Answer(templates=("a video of {} happening",)), profile, dataset)
    whole = questions.answer_text(questions.Answer(), profile, dataset)
    assert one.templates == ("a video of {} happening",)
    assert not np.array_equal(one.values, whole.values)
    with pytest.raises(ConfigError, match="the profile has random; leave the question 'templates' out"):
        questions.answer_text(questions.Answer(templates=("{}",)), tiny(), dataset)


# --- the grid ---------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(trainer, "train_run", lambda *_, **__: pytest.fail("trained again"))
    keys = {1: "other", 2: before}
    monkeypatch.setattr(record, "run_key", lambda *_: keys[torch.get_num_threads()])
    assert grid.run_task(task, place, tiny(), "cpu", 2) is False
    assert torch.get_num_threads() not in (0,)


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
    assert (report.trained, report.failed) == (4, {})
    assert asked == [(layout.videos("planted"), 52, layout.features("planted", crops=10), 10, "cpu", 1)]
    folders = open_questions_answers.answer_folders(layout, own, "crops")
    assert {answer: len(found) for answer, found in folders.items()} == {questions.BASE: 2, "10 crops": 2}
    config = read_json(folders["10 crops"][0] / "config.json")
    assert len(config["features"]["crops"]) == 10 and config["options"] == {}
    # two crops are several already, so the model's own runs answer what their mean is worth
    assert [len(run.crop_scores) for run in open_questions_answers.cropped(layout, own)] == [2, 2]
    ten = scored_videos.load_all(folders["10 crops"])
    found = comparisons.crop_averaging(ten, "auc", FEW)
    assert list(found) == ["5 crops", "10 crops"]
    measured = [read_json(folder / "metrics.json") for folder in folders["10 crops"]]
    centre = [m["protocol"]["crops"]["crop-0"]["auc"] for m in measured]
    of_five = [m["protocol"]["first_crops"]["5"]["auc"] for m in measured]
    of_ten = [m["rules"][m["selection"]]["metrics"]["auc"] for m in measured]
    assert found["5 crops"].values == pytest.approx(np.subtract(of_five, centre), abs=1e-6)
    assert found["10 crops"].values == pytest.approx(np.subtract(of_ten, centre), abs=1e-6)
    settled = open_questions_answers.settle(layout, own, "crops", FEW)
    assert list(settled) == ["10 crops"]


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
    assert [task.question for task in report.failed] == ["crops"]
    message = next(iter(report.failed.values()))
    assert message.startswith("52 of 52 videos have no features of 10 crops; the first: ") and "no such video" in message


def test_results_have_the_base_in_every_question(place, dataset):
    found = open_questions_answers.grid_results(place, [dataset], (*ASKED, "alpha"))
    counts = found.groupby(["question", "answer"]).size()
    assert set(counts) == {2}
    assert counts["gate"].index.tolist().count(questions.BASE) == 1
    assert counts["alpha"].to_dict() == {questions.BASE: 2}
    assert found["best_on_test"].ge(found["last"]).all()
    base = found[(found["question"] == "gate") & (found["answer"] == questions.BASE)].iloc[0]
    measured = read_json(place.run("planted", "proposed", 1) / "metrics.json")["rules"]["last"]["metrics"]["auc"]
    assert base["last"] == measured


def test_settling_compares_with_the_base_at_a_shared_level(place, dataset):
    found = open_questions_answers.settle(place, dataset, "gate", FEW)
    assert list(found) == list(questions.QUESTIONS["gate"].answers)
    one = found["fixed at 0.9"]
    assert one.level == pytest.approx(1 - 0.05 / 5)
    base, other = (
        scored_videos.load_all(open_questions_answers.run_folders(grid.answer_folder(place, "planted", "gate", answer)))
        for answer in (questions.BASE, "fixed at 0.9")
    )
    assert one.mean == pytest.approx(np.mean([b.value("auc") - a.value("auc") for a, b in zip(base, other)]))
    assert open_questions_answers.settle(place, dataset, "alpha", FEW) == {}


def test_runs_of_other_steps_are_not_compared(place, dataset, tmp_path):
    layout = Layout.create("smoke", tmp_path, place.data)
    shutil.copytree(place.results, layout.results)
    path = grid.Task("planted", "gate", "starts at 0.9", 1).folder(layout) / "config.json"
    config = read_json(path)
    write_json(path, config | {"train": config["train"] | {"steps": 99}})
    assert len(open_questions_answers.answer_folders(layout, dataset, "gate")["starts at 0.9"]) == 1
    shutil.rmtree(layout.run("planted", "proposed", 1).parent)
    assert open_questions_answers.answer_folders(layout, dataset, "gate") == {}
    assert open_questions_answers.settle(layout, dataset, "gate") == {}


# --- words ------------------------------------------------------------------------------------------------


def test_words():
    found = {"a": comparison(0.01, 0.03), "b": comparison(-0.03, -0.01), "c": comparison(-0.01, 0.01), "d": comparison(0.01, 0.02)}
    assert wording.verdict(found) == (
        "better: a (+2.0, +1.0 to +3.0), d (+1.5, +1.0 to +2.0); worse: b (-2.0, -3.0 to -1.0); cannot tell: c (+0.0, -1.0 to +1.0)"
    )
    assert wording.in_words(found["a"]).startswith("better: +2.00 points (95 % interval +1.00 to +3.00; 2 seeds, 12 test videos)")
    assert wording.in_words(None) == "not run"
    alone = open_questions_answers.over_seeds({1: 0.2}, {1: 0.9}, "recall")
    assert (
        wording.in_words(alone) == "cannot tell: +70.00 points (no interval; one seed: of these two models, not of their methods)"
    )
    chance = Interval("auc", 0.7, None, 0.6, 0.8, 0.95, "", (1,), (0.7,), 12)
    assert wording.holds_chance(chance).startswith("finds something")


def test_differences_over_seeds_by_hand():
    found = open_questions_answers.over_seeds({1: 0.2, 2: 0.3, 7: 0.9}, {1: 0.4, 2: 0.7}, "recall")
    half = 12.706 * np.sqrt(0.02) / np.sqrt(2)
    assert (found.mean, found.high - found.mean) == (pytest.approx(0.3), pytest.approx(half, rel=1e-4))
    assert (found.seeds, found.word) == ((1, 2), "cannot tell")
    assert open_questions_answers.over_seeds({1: 0.2}, {1: 0.9}, "recall").word == "cannot tell"
    with pytest.raises(DataError, match="needs common seeds"):
        open_questions_answers.over_seeds({1: 0.2}, {2: 0.9}, "recall")


# --- categories -------------------------------------------------------------------------------------------


def test_confusion_and_naming(place, dataset, monkeypatch):
    folders = open_questions_answers.run_folders(place.run("planted", "proposed", 1).parent)
    shares = categories.confusion(folders, dataset.categories)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    table = pd.DataFrame(
        {
            "video": list("abcd"),
            "categories": [("Normal",), ("Arson",), ("Arson", "Fighting"), ("Arson",)],
            "named": ["Normal", "Arson", "Fighting", "Normal"],
            "named_abnormal": ["Arson", "Arson", "Fighting", "Fighting"],
        }
    )
    monkeypatch.setattr(categories, "named_categories", lambda folder: table)
    shares = categories.confusion(folders, dataset.categories)
    assert shares.loc["Arson"].tolist() == pytest.approx([0.4, 0.2, 0.4])  # columns Normal, Fighting, Arson; 2.5 videos
    found, yardstick = categories.naming(folders, dataset.categories, FEW)
    assert (found.mean, yardstick) == (pytest.approx(2 / 3), pytest.approx(1.0))
    assert found.low <= found.mean <= found.high


def test_names_need_an_alignment_map(place):
    with pytest.raises(DataError, match="has no alignment map"):
        categories.named_categories(place.run("planted", "msf-dmu", 1))


def test_scores_of_some_videos(place):
    (scored, *_) = scored_videos.load_all(open_questions_answers.run_folders(place.run("planted", "proposed", 1).parent))
    chosen = np.arange(len(scored.videos)) % 3 != 1
    part = open_questions_answers.only_videos(scored, chosen)
    assert part.value("auc") == pytest.approx(scored_videos.resampled(scored, chosen[None].astype(float), "auc")[0])
    assert part.videos == tuple(name for name, keep in zip(scored.videos, chosen) if keep)
    assert len(part.events) == sum(chosen[scored.events[:, 0]])
    assert np.array_equal(part.abnormal_frames, scored.abnormal_frames[chosen])


def test_unseen_categories(place, dataset):
    found = categories.zero_shot(place, dataset, FEW)
    assert found["category"].tolist() == ["Fighting", "Arson"]
    assert (found["low"] <= found["unseen"]).all()
    assert (found["found"] == (found["low"] > 0.5)).all()
    assert found["videos"].sum() == 6
    assert found["change"].str.contains("2 seeds, ").all()


def test_text_cosines_of_a_trained_model(place, dataset):
    found = categories.text_cosines(place.run("planted", "proposed", 1), dataset, most=3)
    assert list(found) == ["encoder", "learned", "modulated"]
    assert all(-1 <= value <= 1 for value in found.values())


# --- transfer ---------------------------------------------------------------------------------------------


def test_transfer_to_the_same_videos_is_the_run_itself(place):
    """The other data set has the same videos and categories, so nothing may change but the learned offsets' place."""
    for variant in transfer.TRANSFERRED:
        moved = transfer.transfer(place, tiny(), "planted", "other", variant, 1)
        home = scored_videos.load_scored(place.run("planted", variant, 1))
        np.testing.assert_allclose(moved.score, home.score, atol=1e-5)
        assert moved.seed == 1
        assert [run.value("auc") for run in transfer.transferred(place, "planted", "other", variant)] == [moved.value("auc")]
    assert transfer.transferred(place, "other", "planted", "proposed") == ()


def test_transfer_is_made_again_only_if_something_changed(place, monkeypatch):
    transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 2)
    monkeypatch.setattr(grid.scoring, "snippet_scores", lambda *_, **__: pytest.fail("scored again"))
    transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 2)


def test_transfers_that_cannot_be_had_are_named(place):
    messages = transfer.transfer_all(place, tiny(), ["planted", "other"], (1,))
    assert len(messages) == 2
    assert messages[0].startswith("msf-dmu, other to planted, seed 1: ")


def test_a_new_category_has_no_learned_offset(place, dataset):
    model, config = trained_model.load_model(place.run("planted", "proposed", 1))
    text = grid.prompts.text_features("random", ("Normal", "Riot", "Arson", "Abuse"))
    old = model.prompt_offset.detach().clone()
    moved = transfer._with_categories(model, tuple(config["categories"]), text)
    assert moved.prompt_offset[1].abs().sum() == moved.prompt_offset[3].abs().sum() == 0
    torch.testing.assert_close(moved.prompt_offset[2].detach(), old[config["categories"].index("Arson")])
    assert moved.encode(torch.zeros(1, 3, 16)).alignment.shape == (1, 3, 4)


def test_transfer_needs_features_of_one_width(place):
    folder = place.run("planted", "msf-dmu", 1)
    changed = read_json(folder / "config.json")
    model = trained_model.load_model(folder)[0]
    wrong = changed | {"features": changed["features"] | {"dimension": 99}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_model, "load_model", lambda _: (model, wrong))
        with pytest.raises(DataError, match="takes features of width 99, Planted bags has 16"):
            transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 1)


# --- thresholds, controls, figures ------------------------------------------------------------------------


def test_operating_points_of_every_seed(place):
    found = open_questions_answers.operating(
        scored_videos.load_all(open_questions_answers.run_folders(place.run("planted", "proposed", 1).parent)), 25.0
    )
    assert found[["seed", "rate"]].to_numpy().tolist() == [[1, 0.01], [1, 0.001], [2, 0.01], [2, 0.001]]
    assert found["calibration_error"].between(0, 1).all()


def test_controls_that_are_there(place, dataset):
    assert list(label_leaks.controls(place, dataset, FEW)) == ["training labels permuted", "noise for features"]
    path = write_json(
        place.controls("planted"), {f"first_frame_{part}": v for part, v in (("auc", 0.5), ("low", 0.4), ("high", 0.6))}
    )
    found = label_leaks.controls(place, dataset, FEW)
    path.unlink()
    assert (found["first frame only"].mean, found["first frame only"].high) == (0.5, 0.6)
    assert "length and file size only" not in found


def test_figures_show_what_was_found(place, dataset):
    plt.switch_backend("Agg")
    results = open_questions_answers.grid_results(place, [dataset], (*ASKED, "alpha"))
    settled = {question: open_questions_answers.settle(place, dataset, question, FEW) for question in ASKED}
    fig, points = figures.question_panels(results, settled, "Planted")
    assert set(points["question"]) == set(ASKED)
    assert len(points) == 2 * (6 + 2 + 3)
    assert set(points.loc[points["answer"] != questions.BASE, "word"]) <= {"better", "worse", "cannot tell"}
    assert sum(axes.get_visible() for axes in fig.axes) == 3
    with pytest.raises(DataError, match="make beyond"):
        figures.question_panels(results[results["question"] == "alpha"], {}, "Planted")
    shares = pd.DataFrame([[0.75, 0.25], [0.5, 0.5]], index=["Normal", "Arson"], columns=["Normal", "Arson"])
    _, points = figures.confusion_matrix(shares, "Planted")
    assert points.loc[(points["category"] == "Arson") & (points["named"] == "Normal"), "share"].tolist() == [0.5]
    found = categories.zero_shot(place, dataset, FEW)
    assert figures.unseen_categories(found, "Planted")[1] is found
    fig, points = figures.beside_chance(label_leaks.controls(place, dataset, FEW), "Planted")
    assert points["row"].tolist() == ["training labels permuted", "noise for features"]
    assert fig.axes[0].get_xlim()[0] <= 45
    plt.close("all")
