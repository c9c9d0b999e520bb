"""Provenance: what made a result, without a date."""

import json
import random
import subprocess

import av
import numpy as np
import pytest
import torch

from vad_lib.storage import provenance as storage_provenance
from vad_lib.storage.provenance import commit, commit_date, provenance, seed_everything, versions


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project under git with one library file and one result."""
    for name in ("vad_lib/a.py", "results/table.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    monkeypatch.setattr(storage_provenance, "PROJECT_ROOT", tmp_path)
    return tmp_path


def test_commit_of_a_clean_tree(project):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True).stdout
    assert commit() == head[:12]
    day = subprocess.run(["git", "log", "--format=%cs"], cwd=project, capture_output=True, text=True).stdout.strip()
    assert commit_date(head[:12]) == commit_date(f"{head[:12]}+changes") == day
    assert commit_date("unknown") == commit_date("0123456789ab") == "unknown"


def test_changed_results_are_not_changed_code(project):
    clean = commit()
    (project / "results" / "table.csv").write_text("2\n")
    assert commit() == clean
    (project / "vad_lib" / "a.py").write_text("2\n")
    assert commit() == clean + "+changes"


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(storage_provenance, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() == "unknown"
    monkeypatch.setenv("PATH", "")
    assert commit() == commit_date("0123456789ab") == "unknown"


def test_versions_name_what_numbers_depend_on():
    found = versions()
    assert found["torch"].startswith(torch.__version__.split("+")[0])
    assert found["numpy"] == np.__version__
    assert found["av"] == av.__version__
    assert "python" in found


def test_a_package_that_is_missing_is_said_to_be(monkeypatch):
    monkeypatch.setattr(storage_provenance, "_PACKAGES", ("no-such-package-here",))
    monkeypatch.setattr(storage_provenance, "_EXTRAS", ("no-such-extra",))
    assert versions()["no-such-package-here"] == "not installed" and "no-such-extra" not in versions()
    monkeypatch.setattr(storage_provenance, "_EXTRAS", ("pytest",))
    assert versions()["pytest"] == pytest.__version__


def test_two_equal_runs_give_equal_records():
    record = provenance(seed=3, inputs={"features": "abc"})
    assert record == provenance(seed=3, inputs={"features": "abc"})
    assert json.loads(json.dumps(record)) == record
    assert (record["seed"], record["device"], record["inputs"]) == (3, "cpu", {"features": "abc"})


def test_one_seed_for_every_generator():
    def draw():
        return random.random(), np.random.random(), torch.rand(1).item()

    seed_everything(11)
    first = draw()
    seed_everything(11)
    assert draw() == first
    seed_everything(12)
    assert all(a != b for a, b in zip(draw(), first))
