"""Templates, phrases and the four sources of text features."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file

from vad_lib.data import prompts
from vad_lib.data.backbones.clip_text import FrozenTextTower
from vad_lib.data.backbones.clip_weights import PUBLISHED
from vad_lib.data.prompts import build_prompts, default_phrase, load_prompts, mean_pairwise_cosine, text_features
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.methods.learned_prompts import LearnedPrompts
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.paths import sentence_features
from vad_lib.storage.writing import write_array

CATEGORIES = ("Normal", "Arson", "Fighting")
SYNTH_CRIME = ("Normal", "Arson", "Explosion", "Fighting", "RoadAccidents", "Shoplifting", "Stealing", "Vandalism")
SYNTH_VIOLENCE = ("Normal", "Abuse", "CarAccident", "Explosion", "Fighting", "Riot", "Shooting")
UCF_CRIME = (
    *("Normal", "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents", "Robbery"),
    *("Shooting", "Shoplifting", "Stealing", "Vandalism"),
)


@pytest.fixture(scope="module")
def tiny_clip():
    """open_clip's own CLIP class, small: the answer that our reader of checkpoints must reproduce."""
    import open_clip

    torch.manual_seed(1)
    model = open_clip.CLIP(
        embed_dim=24,
        vision_cfg={"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        text_cfg={"context_length": 32, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 2},
        quick_gelu=True,
    )
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def checkpoint(tiny_clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "tiny.safetensors"
    save_file(tiny_clip.state_dict(), path)
    return path


def expected_from(model, templates, phrases):
    """The definition, prompt by prompt: unit vectors, then their mean."""
    import open_clip

    rows = []
    for phrase in phrases:
        units = []
        for template in templates:
            feature = model.encode_text(open_clip.tokenize([template.format(phrase)], context_length=32))[0].double().numpy()
            units.append(feature / np.sqrt((feature**2).sum()))
        rows.append(np.mean(units, axis=0))
    return np.stack(rows)


# --- templates and phrases -------------------------------------------------------------------------
def test_the_paper_s_templates_come_first_and_every_known_category_has_a_phrase():
    shipped = load_prompts()
    assert shipped.templates[:2] == ("a video of {} happening", "a surveillance video of {}")
    assert len(shipped.templates) > 2
    for categories in (UCF_CRIME, SYNTH_CRIME, SYNTH_VIOLENCE):
        filled = build_prompts(categories)
        assert len({prompt for row in filled for prompt in row}) == len(categories) * len(shipped.templates)


def test_an_own_file_of_prompts(tmp_path):
    path = tmp_path / "prompts.yml"
    path.write_text("templates: ['seen: {}']\nphrases: {Normal: nothing, Flood: 'a {deep} flood'}\n")
    assert build_prompts(["Normal", "Flood"], prompts=load_prompts(path)) == [["seen: nothing"], ["seen: a {deep} flood"]]


@pytest.mark.parametrize(
    ("category", "phrase"),
    [("RoadAccidents", "road accidents"), ("Fight", "fight"), ("bike_theft", "bike theft"), ("no-helmet", "no helmet"),
     ("CCTVFailure", "cctv failure"), ("level2", "level2"), ("  two   words ", "two words"), ("Ölaustritt", "ölaustritt"),
     ("ÜberFall", "über fall"), ("打架", "打架"), ("___", "___"), ("A", "a"), ("(fire)", "fire")],
)  # fmt: skip
def test_default_phrases(category, phrase):
    assert default_phrase(category) == phrase


def test_a_category_without_phrase_gets_one_from_its_name(tmp_path):
    assert build_prompts(["Normal", "BikeTheft"], ["a video of {}"]) == [["a video of normal activity"], ["a video of bike theft"]]
    assert build_prompts(["Fight"], ["{}"], load_prompts()) == [["fight"]]
    path = tmp_path / "prompts.yml"
    path.write_text("templates: ['{}']\nphrases: {Fight: two people hitting each other}\n")
    assert build_prompts(["Fight"], prompts=load_prompts(path)) == [["two people hitting each other"]]


@pytest.mark.parametrize("template", ["no place", "{} and {}"])
def test_a_template_needs_one_place_for_the_phrase(template):
    with pytest.raises(ConfigError, match="exactly once"):
        text_features("sentence", CATEGORIES, templates=["a video of {} happening", template])


def test_no_template_at_all_is_an_error():
    with pytest.raises(ConfigError, match="at least one"):
        text_features("sentence", CATEGORIES, templates=[])


@pytest.mark.parametrize(
    ("content", "message"),
    [("templates: [", "does not parse"), ("templates: ['{}']", "mapping 'phrases'"), ("just words", "list 'templates'")],
)
def test_a_broken_prompt_file(tmp_path, content, message):
    path = tmp_path / "prompts.yml"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_prompts(path)


def test_a_missing_prompt_file(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.yml"):
        load_prompts(tmp_path / "none.yml")


# --- choice of the source --------------------------------------------------------------------------
def test_an_unknown_source_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'bert'; known: clip, sentence, random, file"):
        text_features("bert", CATEGORIES)


@pytest.mark.parametrize("argument", ["weights", "file"])
def test_an_argument_of_another_source_is_refused(argument):
    with pytest.raises(ConfigError, match=argument):
        text_features("sentence", CATEGORIES, **{argument: "somewhere"})


# --- sentence --------------------------------------------------------------------------------------
def test_the_shipped_file_covers_exactly_the_shipped_prompts():
    with safe_open(sentence_features(), framework="np") as stored:
        description = json.loads(stored.metadata()["description"])
        features = stored.get_tensor("features")
    shipped = load_prompts()
    wanted = sorted({prompt for row in build_prompts(shipped.phrases) for prompt in row})
    assert description["prompts"] == wanted
    assert description["prompts_sha256"] == content_hash(wanted)
    assert description["licence"] == "Apache-2.0"
    assert features.shape == (len(wanted), 384)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    assert sentence_features().stat().st_size < 300_000


def test_sentence_features_are_means_of_unit_rows_and_say_what_they_are():
    features = text_features("sentence", CATEGORIES)
    with safe_open(sentence_features(), framework="np") as stored:
        rows = json.loads(stored.metadata()["description"])["prompts"]
        table = stored.get_tensor("features")
    by_hand = np.mean([table[rows.index(prompt)] for prompt in build_prompts(["Arson"])[0]], axis=0)
    np.testing.assert_allclose(features.values[1], by_hand, atol=1e-6)
    assert features.values.shape == (3, 384) and features.values.dtype == np.float32
    assert "not CLIP" in features.note and "MiniLM" in features.source
    # means of different unit vectors are shorter than one: nothing normalised them again
    assert (np.linalg.norm(features.values, axis=1) < 0.999).all()


def test_the_encoder_knows_what_words_mean():
    crime = text_features("sentence", ("CarAccident", "RoadAccidents", "Shoplifting")).values
    close, far = mean_pairwise_cosine(crime[:2]), mean_pairwise_cosine(crime[1:])
    assert close > far + 0.2


def test_a_prompt_that_is_not_shipped_names_the_script():
    with pytest.raises(DataError, match=r"'a drawing of normal activity' \(3 of 3 are missing\).*make_sentence_features"):
        text_features("sentence", CATEGORIES, templates=["a drawing of {}"])


def test_a_missing_or_truncated_shipped_file(tmp_path, monkeypatch):
    monkeypatch.setattr(prompts, "sentence_features", lambda: tmp_path / "sentence.safetensors")
    with pytest.raises(MissingFileError, match="make_sentence_features"):
        text_features("sentence", CATEGORIES)
    (tmp_path / "sentence.safetensors").write_bytes(sentence_features().read_bytes()[:5000])
    with pytest.raises(DataError, match="make_sentence_features"):
        text_features("sentence", CATEGORIES)
    save_numpy({"features": np.ones((1, 2), np.float32)}, tmp_path / "sentence.safetensors")
    with pytest.raises(DataError, match="make_sentence_features"):
        text_features("sentence", CATEGORIES)


def test_a_phrase_that_was_never_encoded_gets_a_stand_in_that_is_declared():
    shipped = text_features("sentence", ("Normal", "Arson"))
    features = text_features("sentence", ("Normal", "Arson", "BikeTheft", "CarTheft"))
    assert features.note == shipped.note + "; stand-ins without meaning for BikeTheft, CarTheft"
    np.testing.assert_array_equal(features.values[:2], shipped.values)  # those of others do not change
    again = text_features("sentence", ("CarTheft", "Normal"))
    np.testing.assert_array_equal(features.values[3], again.values[0])
    assert features.values.dtype == np.float32 and np.isfinite(features.values).all()


def test_stand_ins_lie_among_the_shipped_features_and_share_words():
    names = ("Normal", "Arson", "Fighting", "Shoplifting", "BikeTheft", "CarTheft", "Loitering", "打架")
    rows = text_features("sentence", names).values
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = rows @ rows.T
    among_shipped = cosine[:4, :4][~np.eye(4, dtype=bool)]
    to_stand_ins = cosine[:4, 4:]
    assert among_shipped.min() - 0.1 < to_stand_ins.min() and to_stand_ins.max() < among_shipped.max() + 0.1
    assert cosine[4, 5] > cosine[4, 6:].max() + 0.1 and cosine[4, 5] < 0.95  # bike theft and car theft have a word in common
    assert mean_pairwise_cosine(rows) < 0.8


def test_an_edited_phrase_gets_a_stand_in_too(tmp_path, monkeypatch):
    path = tmp_path / "prompts.yml"
    text = "\n".join(f"  - {json.dumps(template)}" for template in load_prompts().templates)
    path.write_text(f"templates:\n{text}\nphrases:\n  Normal: normal activity\n  Arson: setting fire\n")
    monkeypatch.setattr(prompts, "prompt_file", lambda: path)
    assert text_features("sentence", ("Normal", "Arson")).note.endswith("; stand-ins without meaning for Arson")


# --- random and file -------------------------------------------------------------------------------
def test_random_features_follow_the_seed_and_say_so():
    first, again, other = (text_features("random", CATEGORIES, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.values, again.values)
    assert first.content_hash == again.content_hash != other.content_hash
    np.testing.assert_allclose(np.linalg.norm(first.values, axis=1), 1, atol=1e-6)
    assert "random" in first.note and "seed 3" in first.note


def test_features_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        text_features("random", CATEGORIES).values[0, 0] = 1


def test_features_from_a_file(tmp_path):
    rows = np.arange(1, 13, dtype=np.float64).reshape(3, 4)
    features = text_features("file", CATEGORIES, file=write_array(tmp_path / "text.npy", rows))
    assert features.values.dtype == np.float32
    np.testing.assert_array_equal(features.values, rows)
    assert "text.npy" in features.note


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((2, 4), np.float32), r"shape \(3, width\).*got float32 \(2, 4\)"),
        (np.ones(3, np.float32), r"got float32 \(3,\)"),
        (np.ones((3, 4), np.int64), "got int64"),
        (np.array([[1.0, 2], [np.nan, 1], [1, 1]]), "those of Arson"),
        (np.array([[1.0, 2], [1, 1], [0, 0]]), "those of Fighting"),
    ],
)
def test_a_wrong_file(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        text_features("file", CATEGORIES, file=write_array(tmp_path / "text.npy", rows))


def test_a_file_that_is_missing_pickled_or_not_named(tmp_path):
    with pytest.raises(MissingFileError):
        text_features("file", CATEGORIES, file=tmp_path / "none.npy")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="never loaded"):
        text_features("file", CATEGORIES, file=tmp_path / "pickled.npy")
    with pytest.raises(ConfigError, match="file=PATH"):
        text_features("file", CATEGORIES)


# --- CLIP ------------------------------------------------------------------------------------------
def test_clip_features_equal_open_clip_s_own_encoder(tiny_clip, checkpoint, tmp_path):
    templates = ("a video of {} happening", "a surveillance video of {}")
    features = text_features("clip", CATEGORIES, templates=templates, weights=checkpoint, cache=tmp_path)
    expected = expected_from(tiny_clip, templates, ["normal activity", "arson", "fighting"])
    np.testing.assert_allclose(features.values, expected, atol=1e-6)
    assert features.source == "clip tiny.safetensors" and "tiny.safetensors" in features.note
    assert features.templates == templates


def test_clip_features_name_their_checkpoint_without_being_other_features_for_it(checkpoint, tmp_path):
    features = text_features("clip", CATEGORIES, weights=str(checkpoint), cache=tmp_path)
    assert features.weights == checkpoint and text_features("random", CATEGORIES).weights is None
    assert features.content_hash == replace(features, weights=None).content_hash


def test_a_frozen_tower_takes_texts_as_embeddings_and_lets_gradients_through(tiny_clip, checkpoint):
    tower, words = FrozenTextTower(checkpoint), "a road accident"
    assert (tower.context_length, tower.token_width, tower.width) == (32, 128, 24)
    tokens = torch.tensor([[tower.start, *tower.token_numbers(words), tower.end]])
    embedded = tower.embed(tokens).requires_grad_(True)
    feature = tower.encode_embedded(embedded, torch.tensor([tokens.shape[1] - 1]))
    torch.testing.assert_close(feature, tower.encode([words]))
    feature.sum().backward()
    assert embedded.grad.abs().sum(dim=-1).min() > 0
    # nothing behind the end token counts
    longer = torch.cat([embedded.detach(), torch.randn(1, 5, 128)], dim=1)
    torch.testing.assert_close(tower.encode_embedded(longer, torch.tensor([tokens.shape[1] - 1])), feature)


def test_learned_prompts_refuse_texts_that_are_too_long(checkpoint):
    with pytest.raises(ConfigError, match="a prompt has 34 tokens, 30 of them learned, but the text encoder takes 32"):
        LearnedPrompts(FrozenTextTower(checkpoint), CATEGORIES, context_tokens=15)


def test_clip_features_come_from_the_cache_the_second_time(checkpoint, tmp_path, monkeypatch):
    first = text_features("clip", CATEGORIES, weights=checkpoint, cache=tmp_path)
    encode = prompts.encode_clip
    calls = []
    monkeypatch.setattr(prompts, "encode_clip", lambda *arguments: calls.append(1) or encode(*arguments))
    again = text_features("clip", CATEGORIES, weights=checkpoint, cache=tmp_path)
    assert not calls and again.content_hash == first.content_hash
    # other prompts are other features; a damaged entry is made again
    text_features("clip", CATEGORIES, templates=["{} on video"], weights=checkpoint, cache=tmp_path)
    assert len(calls) == 1 and len(list(tmp_path.iterdir())) == 2
    for entry in tmp_path.iterdir():
        entry.write_bytes(entry.read_bytes()[:40])
    restored = text_features("clip", CATEGORIES, weights=checkpoint, cache=tmp_path)
    assert len(calls) == 2 and restored.content_hash == first.content_hash


@pytest.mark.parametrize("layout", ["plain", "wrapped"])
def test_other_layouts_of_a_checkpoint(tiny_clip, checkpoint, tmp_path, layout):
    state = tiny_clip.state_dict()
    if layout == "wrapped":
        state = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}
    path = tmp_path / "tiny.pt"
    torch.save(state, path)
    np.testing.assert_array_equal(prompts.encode_clip(path, ["fire"]), prompts.encode_clip(checkpoint, ["fire"]))


class _Archive(torch.nn.Module):
    """Holds tensors under given dotted names, as a model of any class would."""

    def __init__(self, state):
        super().__init__()
        for name, value in state.items():
            *parents, leaf = name.split(".")
            place = self
            for parent in parents:
                if not hasattr(place, parent):
                    place.add_module(parent, torch.nn.Module())
                place = getattr(place, parent)
            place.register_buffer(leaf, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_archive_is_opened_only_if_it_is_openai_s(tiny_clip, tmp_path, monkeypatch):
    state = {name: value.half() for name, value in tiny_clip.state_dict().items()}
    path = tmp_path / "ViT-B-32.pt"
    torch.jit.script(_Archive({**state, "context_length": torch.tensor(32)})).save(path)
    with pytest.raises(DataError, match="may carry code and is not opened"):
        text_features("clip", CATEGORIES, weights=path, cache=tmp_path / "cache")
    published = PUBLISHED["clip-vit-b-32"]._replace(archive_sha256=file_sha256(path))
    monkeypatch.setitem(PUBLISHED, "clip-vit-b-32", published)
    features = text_features("clip", CATEGORIES, weights=path, cache=tmp_path / "cache")
    assert (features.source, features.note) == ("clip ViT-B/32", "")
    expected = expected_from(tiny_clip, load_prompts().templates, ["normal activity", "arson", "fighting"])
    np.testing.assert_allclose(features.values, expected, atol=2e-3)  # the archive is half precision


class _Harmful:
    def __reduce__(self):
        return (print, ("code of a checkpoint ran",))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"state_dict": _Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(DataError, match="cannot be read safely"):
        text_features("clip", CATEGORIES, weights=tmp_path / "harmful.pt", cache=tmp_path)
    assert capsys.readouterr().out == ""


def test_files_that_are_no_clip_checkpoint(tiny_clip, checkpoint, tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="expected a CLIP checkpoint with its text tower"):
        prompts.encode_clip(tmp_path / "other.safetensors", ["fire"])
    state = {name: value for name, value in tiny_clip.state_dict().items() if name != "ln_final.bias"}
    save_file(state, tmp_path / "incomplete.safetensors")
    with pytest.raises(DataError, match=r"ln_final\.bias"):
        prompts.encode_clip(tmp_path / "incomplete.safetensors", ["fire"])
    for name in ("truncated.safetensors", "truncated.pt"):
        (tmp_path / name).write_bytes(checkpoint.read_bytes()[:100_000])
        with pytest.raises(DataError, match=name):
            prompts.encode_clip(tmp_path / name, ["fire"])
    with pytest.raises(MissingFileError, match=r"none\.pt"):
        text_features("clip", CATEGORIES, weights=tmp_path / "none.pt")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("offline", [False, True])
def test_without_weights_and_network_the_error_comes_quickly_and_says_the_fix(unreachable_hub, monkeypatch, offline):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    with pytest.raises(MissingFileError, match=r"download open_clip_model\.safetensors of timm/.*give its path as weights"):
        text_features("clip", CATEGORIES)


def test_weights_in_the_hub_s_cache_are_used(unreachable_hub, tiny_clip, checkpoint, tmp_path):
    repository, name = PUBLISHED["clip-vit-b-32"].hub
    folder = unreachable_hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / name).write_bytes(checkpoint.read_bytes())
    features = text_features("clip", CATEGORIES, cache=tmp_path / "cache")
    assert (features.source, features.note) == ("clip ViT-B/32", "")
    expected = expected_from(tiny_clip, load_prompts().templates, ["normal activity", "arson", "fighting"])
    np.testing.assert_allclose(features.values, expected, atol=1e-6)


def test_mean_pairwise_cosine_by_hand():
    # unit vectors at 0, 60 and 90 degrees: cosines 1/2, 0, sqrt(3)/2
    rows = np.array([[2.0, 0], [0.5, np.sqrt(3) / 2], [0, 5.0]])
    assert mean_pairwise_cosine(rows) == pytest.approx((0.5 + 0 + np.sqrt(3) / 2) / 3)
