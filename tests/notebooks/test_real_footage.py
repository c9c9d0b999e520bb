"""Notebook 07: on the reference without any data, and with the fight bags where they are. The chain runs it on its own runs."""

import nbformat
import papermill
import pytest

from vad_lib.report import real_footage
from vad_lib.storage.paths import PROJECT_ROOT, Layout

NOTEBOOK = PROJECT_ROOT / "notebooks" / "07_real_footage.ipynb"
ROWS = ["logistic-regression", "ur-dmu"]


def executed(tmp_path, **parameters) -> tuple[str, list[dict]]:
    """Execute the notebook; what its cells said, and the alternative texts of its images."""
    given = {"profile": "smoke", "out": str(tmp_path / "out"), **parameters}
    papermill.execute_notebook(NOTEBOOK, tmp_path / "done.ipynb", given, progress_bar=False, cwd=str(tmp_path))
    cells = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    said = [output.get("text", "") or output.get("data", {}).get("text/markdown", "") for output in outputs]
    images = [about for output in outputs for kind, about in output.get("metadata", {}).items() if kind.startswith("image/")]
    return "\n".join(said), [about["alt"] for about in images]


def test_it_is_short_and_its_cells_have_names():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert len(cells) <= 30 and len({cell.id for cell in cells}) == len(cells)
    assert NOTEBOOK.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.slow
def test_without_data_the_committed_numbers_are_shown(tmp_path):
    said, texts = executed(tmp_path)
    assert "Real footage was not run here, the committed numbers are shown: Fight bags (commit " in said
    assert "words and intervals agree; 30 of 30 on real footage, by AUC or AP, compared with their rows" in said
    assert texts and texts[0].startswith("Forest plot of ")
    out = Layout.create("smoke", tmp_path / "out", source="reference")
    assert (out.tables / "forest.csv").is_file() and (out.figures / "forest.png").is_file()
    assert not (tmp_path / "out" / "build").exists()


@pytest.mark.slow
def test_with_the_fight_bags_their_rows_are_trained(shared, tmp_path):
    source = shared / "real" / real_footage.SETS["fight-bags"].folder
    if not (source / "videos.csv").is_file():
        pytest.skip(f"the fight bags are not at {source}; they do not come with the project")
    real = tmp_path / "real"
    real.mkdir()
    (real / source.name).symlink_to(source, target_is_directory=True)  # the other sets are not there
    said, _ = executed(tmp_path, real_data=str(real), real_rows=ROWS, real_seeds=1)
    assert "Trained here: Fight bags (commit " in said and ", 1 seed a row)" in said
    assert "These were not run here, the committed numbers are shown: PETS 2009 " in said
    assert "Where a data set has one seed, its intervals are of these very models" in said
    page = tmp_path / "out" / "results" / "from-reference" / "real_footage" / "fight-bags" / "README.md"
    assert "UR-DMU minus logistic regression" in page.read_text(encoding="utf-8")
