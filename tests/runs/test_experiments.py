"""Rows of tables and the settings behind them."""

from dataclasses import replace

import pytest

from vad_lib import registry
from vad_lib.config import get_profile
from vad_lib.data import prepare
from vad_lib.data.annotations import VideoList
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import ConfigError, MissingFileError
from vad_lib.runs import experiments
from vad_lib.runs.learner import BagLearner, planned_share
from vad_lib.storage.paths import Layout


def test_every_row_of_a_table_is_a_variant():
    rows = {row for rows in experiments.TABLE_ROWS.values() for row in rows}
    assert rows == set(experiments.VARIANTS)
    for variant in experiments.VARIANTS.values():
        assert variant.method in registry.METHODS


def test_every_registered_method_is_compared():
    """A new method needs its file and its line in the registry, and nothing here."""
    parts = [*experiments.COMPARED, *experiments.YARDSTICKS, *experiments.CEILINGS]
    assert sorted(parts) == sorted(registry.METHODS)
    assert (experiments.YARDSTICKS, experiments.CEILINGS) == (("logistic-regression",), ("supervised",))
    assert experiments.COMPARED[-1] == "proposed"
    for spec in registry.METHODS.values():
        assert set(spec.builds_on) <= set(experiments.VARIANTS), spec.name


def test_a_ceiling_stands_last_where_methods_are_compared_and_nowhere_else():
    for name, rows in experiments.TABLE_ROWS.items():
        last = experiments.CEILINGS if name in ("table2", "table3") else ()
        assert rows[len(rows) - len(last) :] == last and not {*rows[: len(rows) - len(last)]} & {*experiments.CEILINGS}


def test_settings_of_a_run_follow_the_method_s_file(monkeypatch):
    spec = registry.METHODS["ur-dmu"]._replace(
        batches={"crops": "together"}, published={"lr": 0.5, "num_segments": 7}, presets={"XD-Violence": {"heads": 2}}
    )
    monkeypatch.setitem(registry.METHODS, "ur-dmu", spec)
    profile = get_profile("smoke")
    common = experiments.run_settings("ur-dmu", profile, 3)
    assert (common.train.crops, common.train.lr, common.options) == ("together", profile.train.lr, {})
    assert common.declared == ("crops",)
    published = experiments.run_settings("ur-dmu", profile.replace(recipe="published"), 3, counterpart="XD-Violence")
    assert (published.train.lr, published.train.num_segments, published.options) == (0.5, 7, {"heads": 2})
    assert published.declared == ("crops", "lr", "num_segments")
    assert experiments.run_settings("msf-dmu", profile, 3).train.crops == "apart"


@pytest.mark.parametrize(("row", "target"), [("pel4vad", [0, 0, 1]), ("vadclip", [0, 0.5, 0.5])])
def test_a_method_learns_one_or_all_categories_of_a_video(row, target, planted_folder):
    dataset, profile = load_dataset(planted_folder), get_profile("smoke").replace(text_features="random")
    several = (r if r.categories == ("Normal",) else replace(r, categories=("Arson", "Fighting")) for r in dataset.videos.records)
    dataset = replace(dataset, videos=VideoList(dataset.categories, tuple(several)))
    text = prepare.dataset_text(profile, dataset)
    learner = BagLearner(experiments.run_settings(row, profile, 3), dataset, dataset.videos.split("train"), text=text)
    batch = learner.batches.batch(0)
    assert batch.category_targets[batch.video_labels == 1].unique(dim=0).tolist() == [target]


def test_a_row_that_needs_pixels_is_left_out_where_there_are_none(tmp_path, planted_folder, capsys):
    layout, dataset = Layout.create("smoke", tmp_path / "out", planted_folder.parent), load_dataset(planted_folder)
    profile = get_profile("smoke").replace(text_features="random")
    made = experiments.run_variants(["fusion-gan", "logistic-regression"], dataset, layout, profile, progress=False)
    assert made["variant"].tolist() == ["logistic-regression"]
    assert "our stand-in): not run, it takes pixels and Planted bags came as features" in capsys.readouterr().out


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
    with pytest.raises(ConfigError, match="unknown variant 'pcll'; known: logistic-regression, "):
        experiments.run_settings("pcll", get_profile("smoke"), 1)


def test_unknown_data_set_says_what_is_expected(tmp_path):
    layout = Layout.create("smoke", tmp_path / "out", tmp_path / "data")
    with pytest.raises(MissingFileError, match="no-such-set"):
        prepare.prepare_dataset(layout, get_profile("smoke"), "no-such-set", progress=False)


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


def test_a_method_may_have_a_learning_rate_of_its_own():
    profile = get_profile("smoke").replace(rates={"rtfm": 1e-4})
    settings = experiments.run_settings("rtfm", profile, 1)
    assert settings.train.lr == 1e-4 and "lr" in settings.declared
    assert experiments.run_settings("ur-dmu", profile, 1).train.lr == profile.train.lr
    published = experiments.run_settings("rtfm", profile.replace(recipe="published"), 1)
    assert published.train.lr == registry.METHODS["rtfm"].published["lr"]


def test_the_published_recipe_is_that_of_the_data_set():
    profile = get_profile("paper")
    rates = {}
    for method in ("vadclip", "pel4vad"):
        for counterpart in ("UCF-Crime", "XD-Violence"):
            train = experiments.run_settings(method, profile, 1, counterpart=counterpart).train
            last = train.lr * planned_share(train.schedule, (train.steps - 1) / train.steps, train.horizon, train.milestones)
            rates[method, counterpart] = (train.lr, train.steps, pytest.approx(last, rel=1e-2))
    assert rates == {
        ("vadclip", "UCF-Crime"): (2e-5, 1250, 2e-7),
        ("vadclip", "XD-Violence"): (1e-5, 4120, 1e-7),
        ("pel4vad", "UCF-Crime"): (5e-4, 6300, 3.35e-5),  # the cosine of 60 epochs after 50
        ("pel4vad", "XD-Violence"): (5e-4, 7750, 3.35e-5),
    }
