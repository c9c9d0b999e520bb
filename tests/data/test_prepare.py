"""Data sets by name: what a plain script is told that forgets the main guard, and sets of one's own."""

import subprocess
import sys

import numpy as np
import pytest
from importing_folders import WHOLE, OwnFolder, rows

from vad_lib.config import RunSettings, TrainSettings, get_profile
from vad_lib.data import prepare
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.errors import DataError
from vad_lib.runs import trainer
from vad_lib.storage.paths import Layout

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


# --- data sets of one's own ---------------------------------------------------------------------------
def prepared(folder, partial=False):
    layout, profile = Layout.create("smoke", folder.path.parent / "out", folder.path.parent), get_profile("smoke")
    importing = ImportSettings(dataset="mine", dimension=8, partial=partial)
    return profile, prepare.prepare_dataset(layout, profile, "mine", progress=False, importing=importing)


def test_a_category_of_one_s_own_has_a_text_feature(tmp_path):
    folder = OwnFolder(tmp_path / "mine").list(WHOLE.replace("Riot", "BikeTheft")).all_features()
    profile, dataset = prepared(folder)
    text = prepare.dataset_text(profile, dataset)
    assert text.categories == ("Normal", "BikeTheft") and np.isfinite(text.values).all()
    assert text.note.endswith("; stand-ins without meaning for BikeTheft")


def test_a_category_of_one_s_own_is_trained_on_and_scored(tmp_path):
    folder = OwnFolder(tmp_path / "mine").list(WHOLE.replace("Riot", "BikeTheft")).all_features()
    profile, dataset = prepared(folder)
    train = TrainSettings(steps=2, eval_every=2, batch_size=2, num_segments=4, validation_fraction=0.5)
    settings = RunSettings(variant="proposed", method="proposed", title="Proposed", width=16, train=train)
    assert trainer.train_run(settings, dataset, prepare.dataset_text(profile, dataset), tmp_path / "seed1", progress=False)
    written = [path.read_text(encoding="utf-8") for path in (tmp_path / "seed1").glob("*.json")]
    assert any("stand-ins without meaning for BikeTheft" in text for text in written)


@pytest.mark.parametrize(("counterpart", "crops"), [("XD-Violence", 5), ("UCF-Crime", 10), ("", 10)])
def test_the_paper_takes_five_crops_of_xd_violence_and_ten_of_other_videos(tmp_path, monkeypatch, counterpart, crops):
    folder = OwnFolder(tmp_path / "mine").list(WHOLE).list(f'{{"counterpart": "{counterpart}"}}', "dataset.json")
    for name, frames in rows(WHOLE).items():
        folder.video(f"{name}.mp4", frames=frames)
    import_dataset(folder.path, tmp_path / "out", ImportSettings(dataset="mine"), progress=False)
    asked = []
    monkeypatch.setattr(prepare.extraction, "extract_dataset", lambda *given, **_: asked.append(given[3].num_crops))
    with pytest.raises(AttributeError):  # there is no report
        prepare.prepare_dataset(Layout.create("paper", tmp_path / "results", tmp_path), get_profile("paper"), "out", progress=False)
    assert asked == [crops]


@pytest.mark.parametrize(
    ("lacking", "message"),
    [("calm_1", "training videos that are normal: 1"), ("riot_2", "training videos that are abnormal: 1"),
     ("riot_3", "all 320 test frames are normal")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["features", "videos"])
def test_a_set_that_cannot_be_trained_or_measured_is_refused_before_features_are_made(
    tmp_path, monkeypatch, kind, lacking, message
):
    text = "".join(line for line in WHOLE.splitlines(keepends=True) if not line.startswith(lacking))
    folder = OwnFolder(tmp_path / "mine")
    if kind == "features":
        folder.list(text).all_features(rows(text))
    else:
        folder.list(text.replace(",160,", ",17,"))
        for name, frames in rows(text).items():
            folder.video(f"{name}.mp4", 320 if frames == 320 else 17)
    monkeypatch.setattr(prepare.extraction, "extract_dataset", lambda *args, **kwargs: pytest.fail("features were made"))
    for partial in (False, True):
        with pytest.raises(DataError, match=message):
            prepared(folder, partial)
