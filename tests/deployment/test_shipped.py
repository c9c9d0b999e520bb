"""The models that come with the library: whole, small, safe to open, and as good as their cards say."""

import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open

from vad_lib.data.video import probe
from vad_lib.deployment import model_card_page, model_cards, shipped, shipped_data
from vad_lib.deployment.footage_features import feature_recipe, video_features
from vad_lib.deployment.scoring_model import open_model
from vad_lib.errors import DataError, MissingFileError
from vad_lib.evaluation.score_arrays import scored_records
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.writing import write_json

NAMES = ("fights", "rendered")
LARGEST_BYTES, ALL_BYTES = 2_000_000, 4_000_000


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The models in a folder of their own, which may be changed."""
    shutil.copytree(shipped.FOLDER, tmp_path / "models")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "models")
    return tmp_path / "models"


def test_the_models_that_there_are():
    assert shipped.names() == NAMES
    assert shipped.is_causal("fights")  # so that one file scores files and streams
    kinds = {".safetensors", ".json", ".md"}
    assert {path.name for path in shipped.FOLDER.iterdir()} == {name + kind for name in NAMES for kind in kinds}
    sizes = [path.stat().st_size for path in shipped.FOLDER.iterdir()]
    assert max(sizes) <= LARGEST_BYTES and sum(sizes) <= ALL_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_card_settings_and_weights_agree(name):
    content, weights = shipped.about(name), shipped.FOLDER / f"{name}.safetensors"
    stated = content["weights"]
    assert (stated["file"], stated["bytes"], stated["sha256"]) == (weights.name, weights.stat().st_size, file_sha256(weights))
    card = (shipped.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert card == model_card_page.card_page(name, content)
    assert stated["sha256"] in card and f"{content['config']['parameters']:,} parameters" in card
    with safe_open(weights, framework="np") as stored:
        assert {stored.get_tensor(key).dtype.name for key in stored.keys()} == {stated["dtype"]}  # noqa: SIM118  (no mapping)
        total = sum(stored.get_tensor(key).size for key in stored.keys())  # noqa: SIM118
    assert total >= content["config"]["parameters"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_opens_without_pickle(name, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a shipped model was unpickled")

    for place, attribute in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(place, attribute, refuse)
    model = open_model(name)
    features = np.random.default_rng(0).random((60, 1, model.contract.dimension), dtype=np.float32)
    scores = model.scores(features)
    assert scores["score"].shape == (60,) and np.ptp(scores["score"]) > 0
    assert 0 < model.threshold < 1
    if "alignment" in scores:
        assert scores["alignment"].shape == (60, len(model.categories)) and model.temperature > 0


def test_a_causal_model_scores_a_stream():
    model = open_model("fights")
    features = np.random.default_rng(1).random((50, 1, 1024), dtype=np.float32)
    stream, expected = model.stream(), model.scores(features)["score"]
    found = np.concatenate([stream.push(features[t : t + 1])["score"] for t in range(50)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    changed = features.copy()
    changed[40:] = 0
    np.testing.assert_allclose(model.scores(changed)["score"][:40], expected[:40], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_changes_little(name):
    """The differences were measured when the model was made, on all test videos."""
    differences = shipped.about(name)["measured"]["half_precision"]
    assert set(differences) == set(open_model(name).scores(np.zeros((1, 1, 1024), np.float32)))
    assert all(0 < value < 0.005 for value in differences.values())


# --- files that are not what they were -----------------------------------------------------------------


def test_changed_weights_are_refused(copied):
    path = copied / "fights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"fights\.safetensors.*changed or damaged"):
        open_model("fights")
    path.unlink()
    with pytest.raises(MissingFileError, match=r"fights\.safetensors.*restore"):
        open_model("fights")


def test_damaged_settings_are_refused(copied):
    content = shipped.about("rendered")
    write_json(copied / "rendered.json", {**content, "weights": {}})
    with pytest.raises(DataError, match=r"rendered\.json"):
        open_model("rendered")
    write_json(copied / "rendered.json", {**content, "config": {**content["config"], "width": 40}})
    with pytest.raises(DataError, match="one run"):
        open_model("rendered")
    (copied / "rendered.json").write_text("{")
    with pytest.raises(DataError, match=r"rendered\.json: this file of a shipped model is damaged .* Restore it with `git"):
        open_model("rendered")


@pytest.mark.parametrize("name", ["fight", "../models/fights", ""])
def test_an_unknown_name_lists_the_known_ones(name):
    for ask in (shipped.about, shipped.load, shipped.is_causal):
        with pytest.raises(MissingFileError, match=", ".join(NAMES)):
            ask(name)


# --- real footage --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fight_bags(shared, tmp_path_factory):
    return shipped_data.import_fights(shared / "real" / "fight_bags", tmp_path_factory.mktemp("bags") / "fight-bags")


@pytest.mark.slow
def test_the_card_says_what_evaluation_gives(fight_bags):
    model, content = open_model("fights"), shipped.about("fights")
    assert content["config"]["features"]["content_hash"] == fight_bags.store.content_hash
    records = fight_bags.videos.split("test")
    scored = scored_records(model_cards.scores_of(model, fight_bags, records), fight_bags, records, "fights")
    found, stated = model_cards.measured(scored), content["measured"]["test"]
    for metric in ("auc", "ap", "recall_at_1_percent"):
        # other processors round otherwise, and a frame at the threshold may change sides
        tolerance = 0.01 if metric == "recall_at_1_percent" else 0.002
        assert found[metric] == pytest.approx(stated[metric], abs=tolerance)
        assert stated[metric]["low"] < stated[metric]["value"] < stated[metric]["high"]
    assert (found["videos"], found["abnormal_videos"], found["frames"]) == (60, 30, 41056)
    assert found["abnormal_share"] == pytest.approx(stated["abnormal_share"])
    at = model_cards.at_threshold(scored, model.threshold, fight_bags.fps)
    assert at == pytest.approx(content["measured"]["at_threshold"], abs=0.01, rel=0.05)
    assert found["auc"]["value"] > 0.808 and found["ap"]["value"] > 0.438  # logistic regression on snippets


@pytest.mark.slow
def test_the_contract_makes_the_features_that_the_model_was_trained_on(shared, tmp_path):
    """Arrays of the clips, as their makers have them, stand among the training features."""
    recipe = feature_recipe(open_model("fights").contract)
    clips = sorted((shared / "real" / "clips").glob("*.mp4"))
    assert len(clips) == 6
    for clip in clips:
        found = np.asarray(video_features(clip, file_sha256(clip), recipe, tmp_path).features, dtype=np.float32)[:, 0]
        complete = probe(clip).num_frames // 16
        expected = np.load(clip.with_name(f"{clip.stem}_i3d_center.npy"))[:complete]
        cosine = (found[:complete] * expected).sum(1) / np.linalg.norm(found[:complete], axis=1) / np.linalg.norm(expected, axis=1)
        assert cosine.min() > 0.999, clip.name
