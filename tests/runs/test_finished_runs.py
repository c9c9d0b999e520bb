"""Finding finished runs: one's own and the reference's, through one function."""

import re

import pytest

from vad_lib.config import get_profile
from vad_lib.errors import DataError
from vad_lib.runs.finished_runs import consistent, find_run, find_runs, load_runs
from vad_lib.storage.paths import Layout


def test_own_runs_come_by_seed(made_up):
    for seed in (3, 1):
        made_up.write("synth-crime", "pcl", seed)
    assert [run.seed for run in find_runs(made_up.layout, "runs", "synth-crime", "pcl")] == [1, 3]
    assert find_runs(made_up.layout, "runs", "synth-crime", "fine") == []
    assert find_run(made_up.layout, "synth-crime", "pcl", 3).seed == 3


def test_a_missing_seed_names_those_that_are_there(made_up):
    made_up.write("synth-crime", "pcl", 1)
    with pytest.raises(DataError, match=r"expected a finished run with seed 2, found seeds: 1\."):
        find_run(made_up.layout, "synth-crime", "pcl", 2)


def test_the_reference_is_found_by_the_same_places():
    reading = Layout.create("quick", source="reference")
    first, seeds = get_profile("study").train.seed, get_profile("study").row_seeds["proposed"]
    found = find_runs(reading, "runs", "synth-crime", "proposed")
    assert [run.seed for run in found] == list(range(first, first + seeds))
    assert len(find_runs(reading, "questions", "synth-crime", "equation-5", "literal_sum")) == get_profile("study").seeds
    assert find_runs(reading, "runs", "no-such-set", "proposed") == []
    assert find_runs(reading, "runs", "synth-crime", "pro") == []  # the beginning of a name is not the name


def test_runs_on_other_features_do_not_share_a_table(made_up):
    made_up.write("synth-crime", "pcl", 1)
    made_up.change(made_up.write("synth-crime", "fine", 1), features={"content_hash": "other"})
    with pytest.raises(DataError, match=r"belong to one table but differ in features"):
        load_runs(made_up.layout, "synth-crime", ("pcl", "fine"))


def test_only_a_set_whose_runs_differ_is_left_out_of_a_table_and_named(made_up, capsys):
    for dataset in ("synth-crime", "synth-violence"):
        made_up.write(dataset, "pcl", 1)
        folder = made_up.write(dataset, "fine", 1)
    made_up.change(folder, features={"content_hash": "other"})
    sets, rows = ("synth-crime", "synth-violence"), ("pcl", "fine")
    assert consistent(made_up.layout, sets, rows) == ("synth-crime",)
    assert re.match("synth-violence: left out, runs .* differ in features", capsys.readouterr().out)
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json: expected JSON"):
        consistent(made_up.layout, sets, rows)
