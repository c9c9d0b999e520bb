"""Rows of tables and the settings behind them."""

import pytest

from vad_lib import experiments, registry, training
from vad_lib.config import get_profile
from vad_lib.datasets import load_dataset
from vad_lib.errors import ConfigError, MissingFileError
from vad_lib.paths import Layout


def test_every_row_of_a_table_is_a_variant():
    rows = {row for rows in experiments.TABLE_ROWS.values() for row in rows}
    assert rows == set(experiments.VARIANTS)
    for variant in experiments.VARIANTS.values():
        assert variant.method in (*registry.METHODS, training.LOGISTIC_REGRESSION)


def test_the_ladder_of_table_4_adds_one_thing_at_a_time():
    fixed, learned, full = (
        registry.METHODS["proposed"].settings(feature_dim=16, **experiments.VARIANTS[row].options)
        for row in ("pcl", "pcl-dbagf", "proposed")
    )
    assert (fixed.gate, learned.gate, full.gate) == ("fixed", "learnable", "learnable")
    assert fixed.replace(gate="learnable") == learned
    for name in ("lambda_align", "lambda_cls", "lambda_con"):
        assert getattr(learned, name) == 0 < getattr(full, name)


def test_the_ladder_of_table_5_adds_one_term_at_a_time():
    names = ("lambda_cls", "lambda_align", "lambda_con")
    for used, row in enumerate(experiments.TABLE_ROWS["table5"]):
        settings = registry.METHODS["proposed"].settings(feature_dim=16, **experiments.VARIANTS[row].options)
        assert [getattr(settings, name) > 0 for name in names] == [index < used for index in range(3)]


def test_shared_rows_are_the_same_runs():
    assert experiments.TABLE_ROWS["table4"][2] == experiments.TABLE_ROWS["table5"][0]
    assert experiments.TABLE_ROWS["table4"][-1] == experiments.TABLE_ROWS["table5"][-1]


def test_unknown_variant():
    with pytest.raises(ConfigError, match="unknown variant 'pcll'; known: logistic-regression"):
        experiments.run_settings("pcll", get_profile("smoke"), 1)


def test_unknown_data_set_says_what_is_expected(tmp_path):
    layout = Layout.create("smoke", tmp_path / "out", tmp_path / "data")
    with pytest.raises(MissingFileError, match="no-such-set"):
        experiments.prepare_dataset(layout, get_profile("smoke"), "no-such-set", progress=False)


def test_runs_are_made_once_and_summarised(tmp_path, planted_folder):
    layout = Layout.create("smoke", tmp_path / "out", planted_folder.parent)
    profile = get_profile("smoke").replace(text_features="random", width=16)
    dataset = load_dataset(planted_folder)
    first = experiments.run_variants(["ur-dmu", "logistic-regression"], dataset, layout, profile, progress=False)
    assert first["trained"].all()
    assert set(first["variant"]) == {"ur-dmu", "logistic-regression"}
    assert first["auc % last"].between(0, 100).all()
    again = experiments.run_variants(["ur-dmu"], dataset, layout, profile, progress=False)
    assert not again["trained"].any()
