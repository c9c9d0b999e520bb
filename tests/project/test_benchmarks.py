"""Benchmarks run as ``make bench`` calls them, without options."""

import runpy

import pytest

from vad_lib.errors import MissingFileError
from vad_lib.storage import paths

FOLDER = paths.PROJECT_ROOT / "benchmarks"


def test_no_benchmark_demands_an_option():
    assert [path.name for path in sorted(FOLDER.glob("bench_*.py")) if "required=True" in path.read_text(encoding="utf-8")] == []


def test_a_run_of_quick_or_study_is_made_small(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    first_run = runpy.run_path(str(FOLDER / "bench_deploy.py"))["first_run"]
    monkeypatch.setattr(paths, "PROJECT_ROOT", tmp_path)
    with pytest.raises(MissingFileError, match="`make reproduce` trains it"):
        first_run()
    for profile in ("study", "quick"):
        folder = tmp_path / "results" / profile / "runs" / "synth-crime" / "proposed" / "seed7"
        folder.mkdir(parents=True)
        (folder / "metrics.json").touch()
        assert first_run() == folder
