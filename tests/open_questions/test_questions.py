"""Questions and answers: each changes one thing of the model, its text, its features or its training videos."""

import numpy as np
import pytest
from small_grid import tiny

from vad_lib.config import get_profile
from vad_lib.data import prompts
from vad_lib.data.dataset import load_dataset
from vad_lib.data.segments import make_segments
from vad_lib.errors import ConfigError
from vad_lib.methods.msf_dmu import OF_PROFILE
from vad_lib.model import ProposedSettings
from vad_lib.open_questions import questions
from vad_lib.storage.paths import Layout


@pytest.mark.parametrize("question", questions.QUESTIONS)
def test_every_answer_is_a_setting_of_the_model_that_differs_from_the_base(question):
    assert questions.QUESTIONS[question].answers or question == "zero-shot"  # whose answers are a data set's categories
    here = OF_PROFILE["study"]
    base = ProposedSettings(feature_dim=8, **here)
    for name, answer in questions.QUESTIONS[question].answers.items():
        changed = ProposedSettings(feature_dim=8, **{**here, **answer.options})
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
    assert set(questions.QUESTIONS) - set(questions.chosen_questions(["all"], ["crops"])) == {"crops"}
    assert questions.chosen_questions(["crops"], ["crops"]) == ("crops",)
    assert questions.chosen_questions(["text", "alpha"]) == ("alpha", "text")
    with pytest.raises(ConfigError, match=r"unknown question 'colour'; known: all, lambda-align"):
        questions.chosen_questions(["colour"])
    with pytest.raises(ConfigError, match="unknown question 'colour'"):
        questions.answers_to("colour", None)


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
    np.testing.assert_allclose(segments[3], make_segments(noise.snippets(video), 4), atol=2e-3)


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


def test_class_names_of_the_public_sets(dataset):
    assert dataset.counterpart == "" and "CLIP features of class names" not in questions.answers_to("text", dataset)
    reference = Layout.reference()
    for name in ("synth-crime", "synth-violence"):
        rendered = load_dataset(reference.dataset(name), features=False)
        answer = questions.answers_to("text", rendered)["CLIP features of class names"]
        text = questions.answer_text(answer, get_profile("smoke"), rendered)
        assert text.categories == rendered.categories and text.values.shape == (len(rendered.categories), 512)
        np.testing.assert_allclose(np.linalg.norm(text.values, axis=1), 1, atol=1e-6)
        assert text.note.endswith("published by PEL4VAD")
    with pytest.raises(ConfigError, match="no CLIP feature of Riot of UCF-Crime; there are features of the classes"):
        prompts.class_name_features("UCF-Crime", ["Normal", "Riot"])


def test_class_names_are_those_that_were_published(shared):
    rows = np.load(shared / "annotations" / "ucf-prompt.npy", allow_pickle=False)
    ours = prompts.class_name_features("UCF-Crime", ["Normal", "Abuse", "Arrest", "Arson"]).values  # the first rows of the file
    np.testing.assert_allclose(ours, rows[:4] / np.linalg.norm(rows[:4], axis=1, keepdims=True), atol=1e-6)
    rows = np.load(shared / "annotations" / "xd-prompt.npy", allow_pickle=False)
    ours = prompts.class_name_features("XD-Violence", ["Shooting"]).values  # the last one
    np.testing.assert_allclose(ours, rows[-1:] / np.linalg.norm(rows[-1]), atol=1e-6)
