"""A finished grid of questions on planted bags, made once for all tests of this folder."""

import shutil

import pytest
from small_grid import ASKED, SEEDS, tiny

from vad_lib.data.dataset import load_dataset
from vad_lib.open_questions import grid
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json


@pytest.fixture(scope="session")
def place(planted_folder, tmp_path_factory) -> Layout:
    """Two data sets of planted bags and a finished grid."""
    folder = tmp_path_factory.mktemp("questions")
    for name in ("planted", "other"):
        shutil.copytree(planted_folder, folder / "data" / name)
        info = read_json(folder / "data" / name / "dataset.json")
        write_json(folder / "data" / name / "dataset.json", info | {"name": name})
    layout = Layout.create("smoke", folder / "out", folder / "data")
    report = grid.run_grid(
        layout, tiny(), [load_dataset(layout.dataset("planted"))], ASKED, SEEDS, rows=("msf-dmu", "proposed-permuted"), jobs=1
    )
    assert report.failed == {}
    assert (report.trained, report.there) == (2 * (3 + 5 + 1 + 2), 0)
    return layout


@pytest.fixture
def dataset(place):
    return load_dataset(place.dataset("planted"))
