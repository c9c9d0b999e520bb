"""Captions: what our numbers were made with, and what they compare with."""

from made_up_results import FEATURES, TRAIN, row_of, table2

from vad_lib.report.tables import captions


def test_the_caption_says_what_our_numbers_were_made_with(made_up):
    made_up.write("synth-crime", "proposed")
    made_up.write("synth-crime", "msf-dmu")
    text = table2(made_up.layout).made_with
    assert "videos rendered by this project, not UCF-Crime" in text
    assert "1 crop of 112 pixels" in text
    assert "text features sentence all-MiniLM-L6-v2 (sentence features, not CLIP)" in text
    assert "chosen on validation" in text and "threshold 0.5" in text
    assert "12.50 % AP" in text  # 500 abnormal frames of 4,000
    assert "learning rate 0.0005." in text
    features = FEATURES | {"crop_size": 224, "crops": ["a", "b"], "weights_note": "random weights"}
    for variant in ("proposed", "msf-dmu"):
        made_up.change(made_up.layout.run("synth-crime", variant, 1), features=features)
    assert "2 crops of 224 pixels (random weights)" in table2(made_up.layout).made_with
    train = TRAIN | {"seed": 1, "lr": 1e-3}
    made_up.change(made_up.layout.run("synth-crime", "msf-dmu", 1), train=train, declared=["lr"])
    assert "learning rates 0.0005 (Proposed), 0.001 (MSF-DMU)." in table2(made_up.layout).made_with


def test_rows_with_a_learner_of_their_own_have_settings_of_their_own(made_up):
    made_up.write("synth-crime", "logistic-regression", title="Logistic regression")
    text = table2(made_up.layout).made_with
    assert "1 crop of 112 pixels; with settings of their own: Logistic regression." in text and "steps of" not in text
    made_up.write("synth-crime", "msf-dmu")
    text = table2(made_up.layout).made_with
    assert "learning rate 0.0005; with settings of their own: Logistic regression." in text and "60 steps of 16 normal" in text


def test_features_of_each_backbone_in_words():
    known = {"crop_size": 224, "crops": ["a"] * 10, "weights_note": "", "weights_sha256": "a", "dimension": 512, "source": "here"}
    words = {
        "i3d-kinetics400": "I3D features of 10 crops of 224 pixels",
        "i3d-kinetics400-openvino-bf16": "I3D features (OpenVINO, bf16) of 10 crops of 224 pixels",
        "clip-vit-b-16-middle": "CLIP ViT-B/16 features (middle frame) of 10 crops of 224 pixels",
        "clip-vit-b-32-mean": "CLIP ViT-B/32 features (mean of 16 frames) of 10 crops of 224 pixels",
        "planted": "features of the backbone 'planted' of 10 crops of 224 pixels (width 512; here)",
    }
    assert {backbone: captions.describe_features(known | {"backbone": backbone}) for backbone in words} == words
    random = known | {"backbone": "clip-vit-b-16-mean", "weights_note": "random CLIP weights"}
    assert captions.describe_features(random).endswith("of 10 crops of 224 pixels (random CLIP weights)")


def test_a_real_data_set_is_not_called_rendered(made_up):
    made_up.write("ucf-crime", "proposed", like="synth-crime")
    table = table2(made_up.layout, "ucf-crime")
    assert "rendered" not in table.title + table.made_with
    assert row_of(table, "Proposed")["here (ucf-crime) AUC %: chosen on validation"] == "80.00"
