"""Killed at any moment and started again, the chain ends with the same bytes as if nothing had happened."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "seed"), [(4, 2020), pytest.param(10, 2022, marks=pytest.mark.release)])
def test_kills_change_not_one_byte_of_the_results(tmp_path, kills, seed):
    if not hasattr(signal, "SIGKILL"):
        pytest.skip("this system has no SIGKILL")
    program = [sys.executable, "-c", "import chain; chain.main()", str(tmp_path), str(kills), str(seed)]
    done = subprocess.run(program, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == [], done.stderr
    assert report["differences"] == []
    assert len(report["killed_at"]) == kills
    # the moments lie all over the chain: rendering is its first third, extraction its second
    assert min(report["killed_at"]) < report["marks"] / 4 < report["marks"] / 2 < max(report["killed_at"])
    compared = {Path(name).name for name in report["compared"]}
    assert compared >= {"metrics.json", "log.csv", "weights.safetensors", "scores.npz", "table3.csv", "table3.md", "store.json"}
