"""The run folder: one module writes and reads it; what is missing or damaged is named."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from vad_lib.errors import DataError, MissingFileError
from vad_lib.runs.run_folder import METRICS, RunInFolder, is_complete, run_folders, write_run
from vad_lib.runs.trained_model import method_of
from vad_lib.storage.paths import PROJECT_ROOT

METRICS_OF_A_RUN = {
    "key": "k",
    "selection": "last",
    "selections": {"last": {"step": 3, "metrics": {"auc": 0.75}, "fine_grained": {"category_accuracy": 0.5}}},
}


def write(folder: Path, **changes) -> Path:
    parts = {
        "config": {"key": "k", "title": "Proposed", "seed": 7, "headline_metric": "auc"},
        "metrics": METRICS_OF_A_RUN,
        "log": [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0}],
        "scores": {"score": np.array([0.25, 0.5], dtype=np.float32)},
        "weights": {"layer.weight": torch.ones(2, 3)},
        "provenance": {"threads": 2},
        "timing": {"train_seconds": 1.5},
    }
    write_run(folder, **(parts | changes))
    return folder


def test_what_is_written_is_read(tmp_path):
    run = RunInFolder(write(tmp_path / "seed7"))
    assert (run.title, run.seed, run.selection) == ("Proposed", 7, "last")
    assert run.value("auc", "last") == 0.75
    assert run.fine_grained("last") == {"category_accuracy": 0.5}
    assert run.log()["loss"].tolist() == [2.5, 2.0]
    assert run.scores()["score"].tolist() == [0.25, 0.5]
    assert torch.equal(run.weights()["layer.weight"], torch.ones(2, 3))
    assert (run.provenance(), run.timing()) == ({"threads": 2}, {"train_seconds": 1.5})


def test_a_run_is_complete_with_its_key_and_weights(tmp_path):
    folder = write(tmp_path / "seed7")
    assert is_complete(folder, "k", "auc")
    assert not is_complete(folder, "another", "auc") and not is_complete(folder, "k", "ap")
    (folder / "weights.safetensors").unlink()
    assert not is_complete(folder, "k", "auc")
    assert not is_complete(tmp_path / "nowhere", "k", "auc")


def test_a_run_without_metrics_is_not_finished(tmp_path):
    folder = write(tmp_path / "seed7")
    (folder / METRICS).unlink()
    with pytest.raises(MissingFileError, match=r"found no metrics\.json"):
        RunInFolder(folder)
    assert run_folders(tmp_path) == []


def test_missing_parts_are_named(tmp_path):
    run = RunInFolder(write(tmp_path / "seed7", log=(), weights=None, timing=None))
    with pytest.raises(DataError, match="expected the log of a run with training steps, found none"):
        run.log()
    with pytest.raises(MissingFileError, match="expected the weights of a finished run"):
        run.weights()
    assert run.timing() == {}


def test_damaged_weights_are_a_data_error(tmp_path):
    run = RunInFolder(write(tmp_path / "seed7"))
    (run.folder / "weights.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(DataError, match="expected weights as safetensors"):
        run.weights()


def test_seeds_come_in_their_order(tmp_path):
    for seed in (2022, 9, 100):
        write(tmp_path / f"seed{seed}")
    write(tmp_path / "seedling")
    assert [folder.name for folder in run_folders(tmp_path)] == ["seed9", "seed100", "seed2022"]


def test_no_other_module_knows_the_file_names():
    """File names in text are fine where they explain; as strings of the code they belong to one module."""
    names = re.compile(r"""["'](?:scores\.npz|log\.csv|weights\.safetensors|timing\.json|provenance\.json|metrics\.json)["']""")
    found = [
        str(path.relative_to(PROJECT_ROOT))
        for path in sorted((PROJECT_ROOT / "vad_lib").rglob("*.py"))
        if path.name != "run_folder.py" and names.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_settings_of_a_method_with_text_and_weights_without_it(tmp_path):
    about = {"source": "words", "note": ""}
    settings = {"method": "proposed", "categories": ["Normal", "Arson"], "features": {"dimension": 8}, "text": about}
    with pytest.raises(DataError, match=r"a run: expected settings and weights of one run, .*no text features"):
        method_of(settings, lambda: {"layer.weight": torch.ones(2, 3)}, "a run")
