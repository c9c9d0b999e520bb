"""VadCLIP's learned tokens inside CLIP's text encoder: what is learned, kept with the weights, and refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vad_lib import config
from vad_lib.config import TrainSettings
from vad_lib.data.backbones import clip_text
from vad_lib.data.batches import Batch
from vad_lib.data.dataset import load_dataset
from vad_lib.data.prompts import TextFeatures, text_features
from vad_lib.errors import ConfigError, MissingFileError
from vad_lib.losses import total_loss
from vad_lib.methods import learned_prompts
from vad_lib.methods.vadclip import VadCLIP, VadCLIPSettings, build
from vad_lib.runs import trained_model, trainer
from vad_lib.runs.learner import BagLearner
from vad_lib.storage.reading import read_json

CATEGORIES = ("Normal", "Fighting", "Arson")
TOKENS = {"context_length": 32, "token_width": 128, "context_tokens": 3}  # of the small text encoder


def batch() -> Batch:
    targets = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 0.5, 0.5]])
    return Batch(torch.randn(4, 1, 20, 8), torch.ones(4, 20, dtype=torch.bool), 1 - targets[:, 0], targets, tuple("abcd"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A CLIP with a small text encoder and random weights."""
    import open_clip

    torch.manual_seed(1)
    model = open_clip.CLIP(
        embed_dim=24,
        vision_cfg={"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        text_cfg={"context_length": 32, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 2},
        quick_gelu=True,
    )
    path = tmp_path_factory.mktemp("clip") / "small.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.fixture
def text(checkpoint, tmp_path) -> TextFeatures:
    return text_features("clip", CATEGORIES, weights=checkpoint, cache=tmp_path / "cache")


def learning(text: TextFeatures, **options) -> VadCLIP:
    settings = {"feature_dim": 8, "width": 8, "window": 4, "chunk": 16, **TOKENS, **options}
    return build(VadCLIPSettings(**settings), text)


def step(method: VadCLIP, data: Batch) -> None:
    optimiser = torch.optim.Adam(method.parameter_groups(0.0), lr=1e-2)
    total_loss(method.loss(method.train()(data.features), data)).backward()
    optimiser.step()


def test_prompts_are_start_tokens_words_tokens_end(text, checkpoint):
    """The same texts written out in full, with learned tokens behind the end too, through open_clip's own parts."""
    method = learning(text)
    encoded = method.train()._encode_tokens()
    tower = clip_text.FrozenTextTower(checkpoint)
    inside, table = tower._tower, method.tokens.detach()
    for category, phrase in enumerate(("normal activity", "fighting", "arson")):
        words = tower.token_numbers(phrase)
        assert len(words) == len(phrase.split())
        row = table.clone()
        row[0] = tower.embed(torch.tensor(tower.start))
        row[4 : 4 + len(words)] = tower.embed(torch.tensor(words))
        end = 4 + len(words) + 3
        row[end] = tower.embed(torch.tensor(tower.end))
        x = inside.transformer((row + inside.positional_embedding)[None], attn_mask=inside.attn_mask)
        expected = (inside.ln_final(x) @ inside.text_projection)[0, end]
        torch.testing.assert_close(encoded[category], expected)


def test_tokens_are_trained_and_the_text_encoder_is_not(text):
    method, data = learning(text), batch()
    before = method.tokens.detach().clone()
    step(method, data)
    moved = (method.tokens != before).any(dim=1)
    # start token, words of one or two tokens, end token: learned are the places 1 to 3 and those behind the words
    assert moved.nonzero().flatten().tolist() == [1, 2, 3, 5, 6, 7, 8]
    assert not any("tower" in name or "encoder" in name for name in method.state_dict())
    assert max(p.numel() for p in method.parameters()) == 32 * 128
    assert not any(p.requires_grad for p in method._encoder.tower._tower.parameters())


def test_a_trained_method_scores_without_the_text_encoder(text, tmp_path):
    method, data = learning(text), batch()
    step(method, data)
    untrained = learning(text).eval().category_text()
    save_file(method.state_dict(), tmp_path / "weights.safetensors")  # taken in training mode, after the step
    expected = method.eval()(data.features)
    assert not torch.equal(method.category_text(), untrained)
    alone = build(method.settings, TextFeatures(CATEGORIES, text.values, text.source, text.note, ()))
    alone.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    found = alone.eval()(data.features)
    for name, value in found._asdict().items():
        assert torch.equal(value, getattr(expected, name)), name
    assert alone._encoder is None
    with pytest.raises(MissingFileError, match="needs the CLIP checkpoint of its text features to train"):
        alone.train()(data.features)
    with pytest.raises(MissingFileError, match="first texts"):
        build(method.settings, TextFeatures(CATEGORIES, text.values, text.source, text.note, ())).eval()(data.features)


def test_texts_are_encoded_once_for_all_lengths(text, monkeypatch):
    method, data, calls = learning(text).train(), batch(), []
    encode = learned_prompts.LearnedPrompts.__call__
    monkeypatch.setattr(learned_prompts.LearnedPrompts, "__call__", lambda *arguments: calls.append(1) or encode(*arguments))
    method(data.features, torch.arange(20) < torch.tensor([20, 7, 1, 3])[:, None])
    assert len(calls) == 1
    method.eval()(data.features)
    method(data.features)
    assert len(calls) == 2  # the switch to evaluation


def test_loading_the_encoder_late_changes_no_random_number_and_allows_training(text):
    method, data = learning(text), batch()
    state = torch.get_rng_state()
    with torch.inference_mode():
        method.eval()(data.features)
    assert torch.equal(torch.get_rng_state(), state)
    step(method, data)


def test_a_run_from_training_to_scoring(planted_folder, checkpoint, tmp_path, monkeypatch):
    dataset = load_dataset(planted_folder)
    text = text_features("clip", dataset.categories, weights=checkpoint, cache=tmp_path / "cache")
    train = TrainSettings(steps=4, eval_every=2, batch_size=4, num_segments=8, validation_fraction=0.3, segmenting="means_or_pad")
    settings = config.RunSettings(
        variant="vadclip", method="vadclip", title="VadCLIP", width=32, train=train, options={**TOKENS, "chunk": 32}
    )
    assert trainer.train_run(settings, dataset, text, tmp_path / "run", progress=False)
    monkeypatch.setattr(learned_prompts, "FrozenTextTower", None)  # nothing below may need it
    model, _ = trained_model.load_model(tmp_path / "run")
    fine = read_json(tmp_path / "run" / "metrics.json")["selections"]["last"]["fine_grained"]
    assert fine["temperature"] == pytest.approx(0.07)
    record = dataset.videos.split("test")[0]
    with torch.inference_mode():
        features = torch.from_numpy(np.asarray(dataset.store.snippets(record.name), dtype=np.float32))[None]
        score = model.scores(model(features))["score"][0].numpy()
    with np.load(tmp_path / "run" / "scores.npz") as stored:
        np.testing.assert_allclose(score, stored["score"][: len(score)], atol=1e-5)


def test_averaged_tokens_are_encoded_again_after_a_resumption(planted_folder, checkpoint, tmp_path):
    dataset = load_dataset(planted_folder)
    text = text_features("clip", dataset.categories, weights=checkpoint, cache=tmp_path / "cache")
    train = TrainSettings(averaging=0.5, lr=1e-1, batch_size=4, num_segments=8, segmenting="means_or_pad")
    settings = config.RunSettings(
        variant="vadclip", method="vadclip", title="VadCLIP", width=32, train=train, options={**TOKENS, "chunk": 32}
    )
    learner, resumed = (BagLearner(settings, dataset, dataset.videos.split("train"), text=text) for _ in range(2))
    video = dataset.videos.split("test")[:1]
    learner.step(0)
    learner.snippet_scores(video)
    resumed.load_state(learner.state())
    first = resumed.weights()["encoded_text"].clone()
    resumed.step(1)
    (scores,) = resumed.snippet_scores(video).values()
    assert not torch.equal(resumed.scored.encoded_text, first)
    assert torch.equal(resumed.scored.encoded_text, resumed.model._encoder(resumed.scored.tokens))
    resumed.load_weights(resumed.weights())
    np.testing.assert_array_equal(resumed.snippet_scores(video)[video[0].name]["score"], scores["score"])


# --- errors -----------------------------------------------------------------------------------------
def test_tokens_need_clip_s_text_features():
    text = TextFeatures(CATEGORIES, np.ones((3, 24), np.float32), "sentence all-MiniLM-L6-v2", "", ())
    with pytest.raises(ConfigError, match=r"come from 'sentence all-MiniLM-L6-v2'; .*prompts='offset'"):
        learning(text)


def test_an_encoder_of_other_sizes(text):
    with pytest.raises(ConfigError, match=r"\(77, 128, 24\), got \(32, 128, 24\)"):
        learning(text, context_length=77).train().category_text()


def test_a_prompt_that_is_too_long(text):
    with pytest.raises(ConfigError, match="a prompt has 34 tokens, 30 of them learned, but the text encoder takes 32"):
        learning(text, context_tokens=15).train().category_text()


def test_a_checkpoint_that_went_away(text, checkpoint):
    gone = TextFeatures(CATEGORIES, text.values, text.source, text.note, (), checkpoint.with_name("gone.safetensors"))
    with pytest.raises(MissingFileError, match=r"gone\.safetensors"):
        learning(gone).train().category_text()


def test_a_category_without_words_is_called_by_its_name(text):
    """Both categories have the same words, one by the list of phrases and one by its own name."""
    named = TextFeatures((*CATEGORIES[:2], "arson"), text.values, text.source, text.note, (), text.weights)
    found = []
    for words in (text, named):
        torch.manual_seed(0)  # the learned tokens begin at random
        found.append(learning(words).train().category_text())
    torch.testing.assert_close(*found)
