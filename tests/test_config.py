"""Settings: unknown names and values outside their range are errors that name the setting."""

import pydantic
import pytest

from vad_lib.config import PROFILES, FeatureSettings, Profile, SyntheticSettings, TrainSettings, get_profile
from vad_lib.errors import ConfigError


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (TrainSettings, {"learning_rate": 1e-3}, r"TrainSettings: learning_rate: .*Known settings: lr, batch_size"),
        (TrainSettings, {"lr": 0}, "lr: .*greater than 0, got 0"),
        (TrainSettings, {"lr": float("nan")}, "lr: .*finite"),
        (TrainSettings, {"lr": "fast"}, "lr: .*got 'fast'"),
        (TrainSettings, {"steps": 0}, "steps"),
        (TrainSettings, {"steps": 1.5}, "steps"),
        (TrainSettings, {"validation_fraction": 1}, "validation_fraction"),
        (TrainSettings, {"selection": "best"}, "selection: .*best_on_validation"),
        (TrainSettings, {"lr": -1, "steps": 0}, "lr: .*; steps: "),
        (FeatureSettings, {"num_crops": 3}, "num_crops: .*1, 5 or 10, got 3"),
        (FeatureSettings, {"dtype": "int8"}, "dtype"),
        (FeatureSettings, {"backbone": "clip"}, "backbone: .*'i3d', 'clip-vit-b-16' or 'clip-vit-b-32', got 'clip'"),
        (FeatureSettings, {"clip_frames": "mean"}, "clip_frames: .*I3D sees all frames"),
        (FeatureSettings, {"weights": "openai"}, "weights: .*another backbone's; i3d has 'kinetics400'"),
        (FeatureSettings, {"backbone": "clip-vit-b-16", "weights": "kinetics400"}, "clip-vit-b-16 has 'openai', 'random' or"),
        (FeatureSettings, {"crop_size": 8}, "crop_size"),
        (FeatureSettings, {"engine": "openvino"}, "engine: .*'torch' or 'openvino-bf16', got 'openvino'"),
        (FeatureSettings, {"backbone": "clip-vit-b-16", "engine": "openvino-bf16"}, "engine: .*CLIP runs on torch"),
        (SyntheticSettings, {"train_snippets": (3,)}, "train_snippets"),
        (SyntheticSettings, {"train_snippets": (9, 3)}, "train_snippets: .*shortest <= longest"),
        (SyntheticSettings, {"test_snippets": (0, 3)}, "test_snippets: .*shortest <= longest"),
        (SyntheticSettings, {"normal_ratio": 0}, "normal_ratio"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind(**values)


def test_a_changed_copy_is_checked_and_the_original_stays():
    settings = TrainSettings()
    assert settings.replace(lr=1e-3, steps=5) == TrainSettings(lr=1e-3, steps=5)
    assert settings.lr == 2e-4
    with pytest.raises(ConfigError, match="step: "):
        settings.replace(step=5)
    with pytest.raises(ConfigError, match="steps: "):
        settings.replace(steps=-5)


def test_feature_settings_for_another_backbone():
    paper = FeatureSettings(num_crops=5)
    clip = paper.for_backbone("clip-vit-b-16")
    assert (paper.weights, clip.weights) == ("kinetics400", "openai")
    assert (clip.short_side, clip.crop_size, clip.num_crops, clip.batch_size) == (256, 224, 5, 64)  # 64 frames, as 4 snippets
    assert paper.for_backbone("clip-vit-b-32", "mean", "own.pt") == paper.replace(
        backbone="clip-vit-b-32", clip_frames="mean", weights="own.pt"
    )
    small = FeatureSettings(short_side=64, crop_size=64)
    assert small.for_backbone("i3d") == small
    assert small.for_backbone("i3d", weights="random") == small.replace(weights="random")
    clip = small.for_backbone("clip-vit-b-32")
    assert (clip.short_side, clip.crop_size) == (224, 224)
    assert clip.for_backbone("clip-vit-b-32") == clip
    fast = small.replace(engine="openvino-bf16")  # which CLIP has not
    assert (fast.for_backbone("i3d"), fast.for_backbone("clip-vit-b-32")) == (fast, clip)


def test_settings_are_frozen():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        TrainSettings().lr = 1.0


def test_the_defaults_are_the_papers():
    train, features = TrainSettings(), FeatureSettings()
    assert (train.lr, train.batch_size, train.steps, train.num_segments) == (2e-4, 32, 3000, 200)
    assert (features.short_side, features.crop_size, features.num_crops) == (256, 224, 10)
    assert PROFILES["paper"].train == train
    assert PROFILES["paper"].features == features


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_found_by_its_name_and_survives_json(name):
    profile = get_profile(name)
    assert profile.name == name
    assert Profile(**profile.model_dump(mode="json")) == profile


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(ConfigError, match="unknown profile 'fast'; known: smoke, quick, study, paper"):
        get_profile("fast")
