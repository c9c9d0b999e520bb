"""On a processor of another kind the chain runs to its end, and the report says which numbers moved.

Another processor is played by narrower instruction sets and one thread: sums are rounded in another order, as there.
"""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from vad_lib.storage.paths import PROJECT_ROOT, Layout, i3d_weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1600)]

NARROW = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}
ROWS = 'variants=["logistic-regression", "ur-dmu", "msf-dmu", "proposed"]'


def chain(folder: Path, **environment: str) -> Layout:
    """Videos to the table of one data set, in the smoke profile, by the command that people use."""
    where = ["--profile", "smoke", "--out", str(folder), "--data", str(folder / "data")]
    what = ["--only", "02_training", "--dataset", "synth-crime", "--parameter", ROWS, "--parameter", "permutations=0"]
    run("vad_lib.reproduce", *where, *what, **environment)
    return Layout.create("smoke", folder, folder / "data")


def run(module: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT_ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_chain_ends_and_the_report_says_what_moved(tmp_path):
    if not i3d_weights().is_file():
        pytest.skip(f"I3D weights are not at {i3d_weights()}; `make weights` gets them")
    usual = chain(tmp_path / "usual", OMP_NUM_THREADS="2")
    narrow = chain(tmp_path / "narrow", **NARROW)
    assert (narrow.tables / "table2.md").is_file()
    where = ["--profile", "smoke", "--out", str(narrow.out), "--data", str(narrow.data), "--dataset", "synth-crime"]
    said = run("vad_lib.report.reproduction", *where, "--against", str(usual.out))
    assert "equal to the last printed digit" in said
    values = pd.read_csv(narrow.reproduction / "reproduction.csv")
    assert set(values["verdict"]) <= {"equal", "within", "outside"}
    assert set(values["row"].str.split(" ").str[0]) == {"Logistic", "UR-DMU", "MSF-DMU", "Proposed"}
    page = (narrow.reproduction / "reproduction.md").read_text(encoding="utf-8")
    assert "oneDNN up to AVX2" in page
    assert (narrow.figures / "reproduction.png").is_file()
