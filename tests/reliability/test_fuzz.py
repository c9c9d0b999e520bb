"""Hundreds of broken files, and no reader that fails in its own way, hangs, or takes memory without end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTES = 300  # that memory may grow by over all cases

pytest.importorskip("resource", reason="the bound on memory needs setrlimit")


@pytest.fixture(scope="module", params=[400, pytest.param(1000, marks=pytest.mark.release)])
def report(request, tmp_path_factory):
    """What came of all cases; they run in a process of their own, which may not have more memory and dies if one hangs."""
    folder, cases = str(tmp_path_factory.mktemp("fuzz")), request.param
    program = [sys.executable, str(Path(__file__).with_name("fuzz.py")), folder, "0", str(cases)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent / "helpers")}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, errors="replace", timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["counts"]["cases"] == cases
    return found


@pytest.mark.slow
def test_only_errors_of_the_project_come_out(report):
    assert report["failures"] == []


@pytest.mark.slow
def test_memory_does_not_grow_with_what_files_claim(report):
    assert report["grown_megabytes"] < MEGABYTES


@pytest.mark.slow
@pytest.mark.parametrize("family", ["arrays", "archives", "lists", "videos_csv", "settings", "manifests", "runs", "videos"])
def test_every_kind_was_read_and_refused(report, family):
    """Cases that are all refused at once, or never, would test little."""
    assert report["counts"][f"of_{family} read"] > 0
    assert report["counts"][f"of_{family} refused"] > 10
