"""Runs that must not stand in one table, and what may differ between the runs of one."""

import pytest
from made_up_results import FEATURES, TRAIN, table2

from vad_lib.errors import DataError
from vad_lib.report.tables import ablation
from vad_lib.runs import finished_runs


def test_a_data_set_with_runs_of_two_versions_is_left_out(made_up):
    made_up.write("synth-crime", "pcl")
    made_up.write("synth-violence", "pcl")
    names = ("synth-crime", "synth-violence")
    assert finished_runs.consistent(made_up.layout, names, ["pcl", "fine"]) == names
    made_up.write("synth-violence", "fine", width=256)
    assert finished_runs.consistent(made_up.layout, names, ["pcl", "fine"]) == ("synth-crime",)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"features": FEATURES | {"crop_size": 224}}, r"features\.crop_size: 112 and 224"),
        ({"text": {"source": "clip ViT-B/32", "note": "", "content_hash": "c"}}, r"text\.source: 'sentence .*' and 'clip"),
        ({"width": 256}, "width: 128 and 256"),
        ({"categories": ["Normal", "Arson"]}, "categories"),
    ],
)
def test_runs_made_with_other_settings_are_refused(made_up, change, named):
    made_up.write("synth-crime", "pcl")
    made_up.write("synth-crime", "proposed", **change)
    with pytest.raises(DataError, match=rf"belong to one table but differ in {named}.*Delete the older"):
        ablation.table4(made_up.layout)


def test_runs_with_other_training_settings_are_refused(made_up):
    made_up.write("synth-crime", "pcl")
    made_up.write("synth-crime", "proposed", train=TRAIN | {"seed": 1, "steps": 3000})
    with pytest.raises(DataError, match=r"differ in train\.steps: 60 and 3000"):
        ablation.table4(made_up.layout)


def test_runs_under_another_mask_rule_are_refused(made_up):
    made_up.write_real(variants=("pcl",))
    made_up.write_real(variants=("proposed",), mask_rule="B")
    with pytest.raises(DataError, match=r"differ in dataset_info\.mask_rule: 'A' and 'B'"):
        ablation.table4(made_up.layout, ["ucf-crime"])


def test_seeds_with_other_options_are_refused(made_up):
    made_up.write("synth-crime", "proposed", seed=1)
    made_up.write("synth-crime", "proposed", seed=2, options={"alpha": 2.0})
    with pytest.raises(DataError, match=r"differ in options\.alpha: None and 2\.0"):
        table2(made_up.layout)


def test_what_defines_a_variant_may_differ(made_up):
    made_up.write("synth-crime", "proposed", options={})
    permuted = TRAIN | {"seed": 3, "permute_labels": True, "device": "cuda"}
    made_up.write("synth-crime", "proposed-permuted", seed=3, options={}, train=permuted)
    made_up.write("synth-crime", "msf-dmu", options={"dropout": 0.1})  # no text features either
    assert list(table2(made_up.layout).frame["status"]).count("run") == 3
