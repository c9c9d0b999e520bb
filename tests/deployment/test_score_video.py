"""A small run on planted bags scores a small video: files, errors, and that nothing is damaged."""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from vad_lib import config
from vad_lib.config import FeatureSettings, TrainSettings
from vad_lib.data.backbones.clip_image import load_clip_image
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.prompts import text_features
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.data.video import probe
from vad_lib.data.video_writing import write_video
from vad_lib.deployment import score_video
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.runs import trained_model, trainer
from vad_lib.runs.run_folder import CONFIG, METRICS, WEIGHTS
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

FRAMES, FPS = 37, 10.0  # three snippets, the last one incomplete
TRAIN = TrainSettings(steps=2, eval_every=2, batch_size=2, num_segments=4, validation_fraction=0.3)


@pytest.fixture(scope="module")
def contract() -> FeatureContract:
    random = load_i3d("random")
    return FeatureContract(weights_sha256=random.weights_sha256, weights_note=random.weights_note, short_side=40, crop_size=32)


@pytest.fixture(scope="module")
def runs(planted_folder, contract, tmp_path_factory):
    """Run folders of two methods on the planted bags, widened to the 1,024 numbers of I3D."""
    folder = tmp_path_factory.mktemp("own")
    data = folder / planted_folder.name
    shutil.copytree(planted_folder, data)
    narrow = FeatureStore.open(planted_folder / "store")
    wide = ((name, np.pad(narrow.snippets(name)[:1], ((0, 0), (0, 0), (0, 1024 - narrow.dimension)))) for name in narrow.videos)
    FeatureStore.write(data / "store", contract, wide)
    dataset = load_dataset(data)
    for method in ("ur-dmu", "proposed"):
        settings = config.RunSettings(variant=method, method=method, title=method, width=16, train=TRAIN)
        text = text_features("random", dataset.categories) if method == "proposed" else None
        trainer.train_run(settings, dataset, text, folder / method, progress=False)
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("video") / "yard.mp4"
    frames = (cv2.resize(rng.integers(0, 255, (6, 9, 3), dtype=np.uint8), (66, 48)) for _ in range(FRAMES))
    write_video(path, frames, FPS)
    return path


@pytest.fixture(scope="module")
def scored(runs, video, tmp_path_factory):
    return score_video.score_video(video, runs / "proposed", tmp_path_factory.mktemp("out"), weights="random", progress=False)


@pytest.mark.slow
def test_a_row_per_frame(scored):
    frames = pd.read_csv(scored.files["scores"])
    assert frames.columns.tolist() == ["frame", "seconds", "score", "visual", "semantic", "category"]
    assert frames["frame"].tolist() == list(range(FRAMES))
    assert frames["seconds"].tolist() == pytest.approx([frame / FPS for frame in range(FRAMES)])
    assert frames[["score", "visual", "semantic"]].apply(lambda column: column.between(0, 1)).all(axis=None)
    assert set(frames["category"]) <= {"Normal", "Fighting", "Arson"}
    assert frames.groupby(frames["frame"] // 16)["score"].nunique().tolist() == [1, 1, 1]
    pd.testing.assert_frame_equal(frames, scored.frames, rtol=1e-5, check_dtype=False)


def test_scores_are_those_of_the_run_on_the_extracted_features(scored, runs):
    model, config = trained_model.load_model(runs / "proposed")
    assert config["variant"] == "proposed"
    assert not model.training
    store = FeatureStore.open(scored.files["scores"].parent / "store")
    assert store.videos == ("yard",)
    assert store.num_snippets("yard") == 3
    with torch.inference_mode():
        expected = model.scores(model(torch.tensor(store.snippets("yard").astype(np.float32))[None]))["score"][0]
    assert scored.frames["score"].to_numpy()[::16] == pytest.approx(expected.numpy(), abs=1e-6)


def test_pictures(scored):
    info = probe(scored.files["video"])
    assert (info.num_frames, info.fps, info.width) == (FRAMES, FPS, score_video.NARROWEST)
    assert info.height % 2 == 0
    curve = cv2.imread(str(scored.files["curve"]))
    assert curve.shape[1] > 1500


def test_the_bar_is_as_long_as_the_score(video):
    table = pd.DataFrame({"frame": range(FRAMES), "seconds": np.arange(FRAMES) / FPS, "score": np.linspace(0, 1, FRAMES)})
    lengths = []
    for frame in score_video.annotated_frames(video, table):
        assert frame.shape[1] == score_video.NARROWEST
        lengths.append((frame[-12, :, 0] > 150).sum())  # red
    assert lengths[-1] == pytest.approx(score_video.NARROWEST - 16, abs=2)
    assert np.corrcoef(lengths[1:], table["score"][1:])[0, 1] > 0.999


@pytest.mark.slow
def test_a_method_without_branches_has_one_score_and_features_are_kept(runs, video, scored):
    out = scored.files["scores"].parent
    store = out / "store" / "store.json"
    before = store.stat().st_mtime_ns
    again = score_video.score_video(video, runs / "ur-dmu", out, weights="random", progress=False)
    assert again.frames.columns.tolist() == ["frame", "seconds", "score"]
    assert store.stat().st_mtime_ns == before


def test_command_line(runs, video, tmp_path, capsys):
    command = [str(video), "--run", str(runs / "ur-dmu"), "--out", str(tmp_path), "--weights", "random"]
    assert score_video.main(command) == 0
    assert f"{FRAMES} frames, highest score" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"scores.csv", "curve.png", "annotated.mp4", "store"}
    assert score_video.main(["nowhere.mp4", "--run", str(runs / "ur-dmu"), "--out", str(tmp_path), "--weights", "random"]) == 1
    assert "error: nowhere.mp4: no such video" in capsys.readouterr().err


# --- errors -----------------------------------------------------------------------------------------


def test_the_video_itself_is_never_replaced(runs, video, tmp_path):
    own = shutil.copy(video, tmp_path / "annotated.mp4")
    with pytest.raises(ConfigError, match="choose another folder"):
        score_video.score_video(own, runs / "ur-dmu", tmp_path, weights="random", progress=False)
    assert (tmp_path / "annotated.mp4").read_bytes() == video.read_bytes()


def test_what_is_no_video_leaves_earlier_results_alone(runs, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(bytes(1000))
    (tmp_path / "scores.csv").write_text("earlier")
    with pytest.raises(DataError, match="cannot be opened"):
        score_video.score_video(tmp_path / "noise.mp4", runs / "ur-dmu", tmp_path, weights="random", progress=False)
    assert (tmp_path / "scores.csv").read_text() == "earlier"


def test_two_videos_of_one_name(runs, video, tmp_path):
    for ending in ("mp4", "avi"):
        shutil.copy(video, tmp_path / f"yard.{ending}")
    scored = score_video.score_video(tmp_path / "yard.avi", runs / "ur-dmu", tmp_path / "out", weights="random", progress=False)
    assert len(scored.frames) == FRAMES


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (METRICS, f"found no {METRICS} there. Run folders lie under"),
        (CONFIG, "found no such file"),
        (WEIGHTS, "expected the weights of a finished run"),
    ],
)
def test_an_incomplete_run(runs, video, tmp_path, missing, said):
    run = shutil.copytree(runs / "ur-dmu", tmp_path / "run")
    (run / missing).unlink()
    with pytest.raises(MissingFileError, match=said):
        score_video.score_video(video, run, tmp_path / "out")


def test_a_run_without_weights_to_load(runs, tmp_path):
    run = shutil.copytree(runs / "ur-dmu", tmp_path / "run")
    write_json(run / CONFIG, read_json(run / CONFIG) | {"method": "logistic-regression"})
    with pytest.raises(ConfigError, match="is no method on bags of features"):
        trained_model.load_model(run)


@pytest.mark.parametrize("change", [{"width": 32}, {"categories": ["Normal", "Fighting"]}, {"features": {}}])
def test_settings_and_weights_of_different_runs(runs, tmp_path, change):
    run = shutil.copytree(runs / "proposed", tmp_path / "run")
    write_json(run / CONFIG, read_json(run / CONFIG) | change)
    with pytest.raises(DataError, match="train it again"):
        trained_model.load_model(run)


def test_a_run_of_an_unknown_method(runs, tmp_path):
    run = shutil.copytree(runs / "ur-dmu", tmp_path / "run")
    write_json(run / CONFIG, read_json(run / CONFIG) | {"method": "other"})
    with pytest.raises(ConfigError, match="unknown method 'other'; known: "):
        trained_model.load_model(run)


def test_damaged_weights(runs, tmp_path):
    run = shutil.copytree(runs / "proposed", tmp_path / "run")
    (run / WEIGHTS).write_bytes(b"\x10\x00")
    with pytest.raises(DataError, match="Train this run again"):
        trained_model.load_model(run)


# --- recipes ----------------------------------------------------------------------------------------


def test_the_recipe_is_the_contract_of_the_run(contract):
    five = contract.replace(crops=CROP_NAMES[5], dtype="float32")
    assert score_video.feature_recipe(five, weights="random") == FeatureSettings(
        short_side=40, crop_size=32, num_crops=5, dtype="float32", weights="random"
    )


def test_imported_features_need_their_sizes_stated(contract):
    imported = FeatureContract(backbone="as imported", padding_rule="as imported")
    with pytest.raises(ConfigError, match=r"short_side.*--short-side 256 --crop-size 224"):
        score_video.feature_recipe(imported, weights="random")
    found = score_video.feature_recipe(imported, short_side=256, crop_size=224, weights="random")
    assert (found.short_side, found.crop_size, found.num_crops) == (256, 224, 1)
    with pytest.raises(ConfigError, match="with 40, 256 was stated"):
        score_video.feature_recipe(contract, short_side=256, weights="random")


@pytest.mark.parametrize(
    "change",
    [{"backbone": "clip"}, {"dimension": 2048}, {"stride": 8}, {"crops": ("crop_0", "crop_1")}, {"padding_rule": "zeros"}],
)
def test_what_cannot_be_made_from_pixels_here(contract, change):
    with pytest.raises(DataError, match=f"{next(iter(change))} of the features .* cannot be made here"):
        score_video.feature_recipe(contract.replace(**change), weights="random")


def test_other_weights(contract):
    with pytest.raises(DataError, match=r"other I3D weights \(own.pt\) than random"):
        score_video.feature_recipe(contract.replace(weights_sha256="0" * 64, weights_note="own.pt"), weights="random")


def test_a_model_trained_on_clip_features(small_clip, planted_folder, video, tmp_path):
    """Its contract names the model and the frames; the features are made again with the same weights only."""
    weights = str(small_clip(32)[1])
    network = load_clip_image("clip-vit-b-32", "mean", weights)
    made = {"weights_sha256": network.weights_sha256, "weights_note": network.weights_note}
    contract = FeatureContract(backbone="clip-vit-b-32-mean", dimension=16, short_side=64, crop_size=64, dtype="float32", **made)
    recipe = score_video.feature_recipe(contract, weights=weights)
    assert (recipe.backbone, recipe.clip_frames, recipe.short_side, recipe.dtype) == ("clip-vit-b-32", "mean", 64, "float32")
    with pytest.raises(DataError, match=r"other CLIP weights \(own CLIP weights tiny-32.* than .*tiny-32"):
        score_video.feature_recipe(contract.replace(weights_sha256="0" * 64), weights=weights)

    data = shutil.copytree(planted_folder, tmp_path / planted_folder.name)
    store = FeatureStore.open(data / "store")
    FeatureStore.write(data / "store" / "clip-vit-b-32", contract, ((name, store.snippets(name)[:1]) for name in store.videos))
    settings = config.RunSettings(variant="ur-dmu", method="ur-dmu", title="UR-DMU", width=16, train=TRAIN)
    trainer.train_run(settings, load_dataset(data, backbone="clip-vit-b-32"), None, tmp_path / "run", progress=False)
    scored = score_video.score_video(video, tmp_path / "run", tmp_path / "out", weights=weights, progress=False)
    assert len(scored.frames) == FRAMES
    found = FeatureStore.open(tmp_path / "out" / "store" / "clip-vit-b-32", expect=contract.model_dump(exclude={"source"}))
    assert found.num_snippets("yard") == 3
