"""The search for settings: what may be asked for, where runs lie, and the table that is made of them."""

import importlib.util
import json
import sys

import pytest

from vad_lib.config import get_profile
from vad_lib.errors import ConfigError
from vad_lib.storage.paths import PROJECT_ROOT


@pytest.fixture
def search(monkeypatch):
    spec = importlib.util.spec_from_file_location("search_settings", PROJECT_ROOT / "scripts" / "search_settings.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "search_settings", module)
    spec.loader.exec_module(module)
    return module


def test_unknown_methods_and_values_are_refused(search):
    rows = search.plan(search.warmup_grid, get_profile("quick"), seeds=2)
    assert len(rows) == 8 and search.asked(rows, [], []) == rows
    assert [row.says["late_warmup"] for row in search.asked(rows, ["msf-dmu"], ["0"])] == [0] * 4
    with pytest.raises(ConfigError, match="--methods: expected one of msf-dmu, got 'msf-dm'"):
        search.asked(rows, ["msf-dm"], [])
    with pytest.raises(ConfigError, match=r"--only: expected one of 0, [0-9]+, got '7'"):
        search.asked(rows, [], ["7"])


def test_each_profile_has_its_runs(search, tmp_path, monkeypatch):
    folders = []
    monkeypatch.setattr(search, "load_dataset", lambda folder: type("Dataset", (), {"name": folder.name}))
    monkeypatch.setattr(search.prepare, "dataset_text", lambda profile, dataset: None)
    monkeypatch.setattr(search, "train_many", lambda tasks, jobs: folders.extend(task.folder for task in tasks))
    for profile in ("quick", "study"):
        asked = ["steps", "--profile", profile, "--methods", "rtfm", "--sets", "synth-crime", "--out", str(tmp_path)]
        assert search.main(asked) == 1  # nothing was trained
    assert len(folders) == 6
    assert {folder.relative_to(tmp_path).parts[:3] for folder in folders} == {
        ("steps_search", profile, "synth-crime") for profile in ("quick", "study")
    }


def test_the_table_has_means_over_seeds_and_the_lowest_of_them(search, tmp_path, capsys):
    rows = search.plan(search.rate_grid, get_profile("quick"), seeds=2)
    with pytest.raises(ConfigError, match="found none"):
        search.table_of(rows, tmp_path, ["method"], lowest=True)
    of_rtfm = [row for row in rows if row.says["method"] == "rtfm" and row.says["lr"] in search.RATES[:2]]
    for row, auc in zip(of_rtfm, (0.5, 0.75, 0.75, 0.9375), strict=True):
        folder = tmp_path / "synth-crime" / row.place
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps({"validation": {"auc": auc, "bce": 0.5}}))
    table = search.table_of(rows, tmp_path, ["method"], lowest=True)
    assert table["lr"].tolist() == [row.says["lr"] for row in of_rtfm[1::-1]]  # the best first
    assert table["mean auc"].tolist() == [0.84375, 0.625]
    assert table["synth-crime lowest auc"].tolist() == [0.75, 0.5]
