"""The notebook form of scoring own footage, on built-in videos and on a file that a reader names."""

import json

import nbformat
import papermill
import pytest

from vad_lib.config import SyntheticSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.data.synthetic import render_dataset
from vad_lib.storage.paths import PROJECT_ROOT, i3d_weights

NOTEBOOK = PROJECT_ROOT / "notebooks" / "own_footage.ipynb"
SMALL = SyntheticSettings(
    train_per_category=1, test_per_category=1, train_snippets=(3, 4), test_snippets=(3, 4), height=64, width=86
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    if not i3d_weights().is_file():
        pytest.skip("the weights of I3D are not here; `make weights` gets them")
    folder = tmp_path_factory.mktemp("data")
    render_dataset("synth-crime", folder / "synth-crime", SMALL, workers=1, progress=False)
    return folder


def executed(tmp_path, **parameters) -> str:
    """Execute the notebook; what its cells printed."""
    out = str(tmp_path / "out")
    papermill.execute_notebook(
        NOTEBOOK, tmp_path / "done.ipynb", {"profile": "smoke", "out": out, **parameters}, progress_bar=False, cwd=str(tmp_path)
    )
    cells = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.slow
def test_built_in_videos(data, tmp_path):
    number = len(load_dataset(data / "synth-crime", features=False).categories) - 1  # a video of each abnormal category
    said = executed(tmp_path, dataset="synth-crime", data=str(data))
    assert f"{number} to score, " in said and f"{number} videos, " in said and "0 failed" in said
    folder = tmp_path / "out" / "results" / "smoke" / "own_footage"
    scored = sorted(path.parent for path in folder.glob("*/scored.json"))
    assert len(scored) == number and all((place / "report.html").is_file() for place in scored)
    rule = json.loads((folder / "calibration.json").read_text())["rule"]
    for place in scored:  # the second scoring took the calibration
        assert json.loads((place / "events.json").read_text())["rule"]["threshold"] == rule["threshold"]


@pytest.mark.slow
def test_a_reader_names_the_footage(data, tmp_path):
    videos = sorted(str(path) for path in (data / "synth-crime" / "videos").iterdir())
    said = executed(tmp_path, footage=videos[:1], normal=videos[1:2], model="fights", data=str(tmp_path / "nothing"))
    assert "1 to score, 1 normal" in said and "not known for footage of yours" in said
