"""Data sets by name: what a plain script is told that forgets the main guard."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from vad_lib.config import SyntheticSettings, get_profile
from vad_lib.data.prepare import prepare_dataset
from vad_lib.storage.paths import Layout

profile = get_profile("smoke")
smallest = SyntheticSettings(
    train_per_category=1, test_per_category=1, train_snippets=(3, 3), test_snippets=(3, 3), height=64, width=86
)
profile = profile.replace(synthetic=smallest, features=profile.features.replace(weights="random"))
prepare_dataset(Layout.create("smoke", sys.argv[1], sys.argv[1]), profile, "synth-violence", progress=False)
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_to_use_one(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    ran = subprocess.run([sys.executable, "script.py", str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert ran.returncode == 1
    said = ran.stderr.strip().splitlines()[-1]
    assert said.startswith("vad_lib.errors.ExtractionError: rendering: ")
    assert 'put the call under `if __name__ == "__main__":`' in said
    assert "BrokenProcessPool" not in ran.stderr
    assert ran.stderr.count("Traceback") == 1  # that of the script itself, none of its workers
