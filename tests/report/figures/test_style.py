"""Saving a figure: the same bytes twice, the stamp inside, a small preview; the style ends with its block."""

import io
import json

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image

from vad_lib.data.annotations import VideoList
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.errors import OutputError
from vad_lib.report.figures import alignment_and_roc, style


def test_saved_twice_is_the_same_bytes_with_the_stamp_inside(made_up):
    points = pd.DataFrame({"x": [1, 2], "y": [0.123456789, 1]})

    def save() -> dict:
        with style.style():
            fig, axes = plt.subplots(figsize=(3, 2))
            axes.plot(points["x"], points["y"])
        return style.save_figure(fig, made_up.layout, "line", points, {"dataset": "synth-crime", "seed": 3})

    paths = save()
    before = {ending: path.read_bytes() for ending, path in paths.items()}
    assert {ending: path.read_bytes() for ending, path in save().items()} == before
    assert sorted(path.name for path in made_up.layout.figures.iterdir()) == ["line.csv", "line.pdf", "line.png"]
    stamp = json.loads(Image.open(paths["png"]).text["Description"])
    assert stamp["dataset"] == "synth-crime" and stamp["seed"] == 3 and "commit" in stamp
    assert b"synth-crime" in before["pdf"] and b"CreationDate" not in before["pdf"]
    assert imread(paths["png"]).shape[:2] == (2 * style.DPI, 3 * style.DPI)
    assert paths["csv"].read_text() == "x,y\n1,0.123457\n2,1\n"
    assert not plt.get_fignums()


def test_a_figure_that_cannot_be_written(made_up):
    made_up.layout.figures.parent.mkdir(parents=True)
    made_up.layout.figures.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot write"):
        style.save_figure(plt.figure(), made_up.layout, "line", pd.DataFrame(), {})


def test_the_style_ends_with_its_block():
    before = plt.rcParams["axes.grid"]
    with style.style():
        assert plt.rcParams["axes.grid"]
    assert plt.rcParams["axes.grid"] == before


def test_a_preview_is_a_small_picture_of_the_saved_file(made_up, run):
    fig, points = alignment_and_roc.roc_and_pr([run], "Curves")
    saved = style.save_figure(fig, made_up.layout, "curves", points, {})["png"]
    with Image.open(io.BytesIO(style.preview(saved, 400))) as small, Image.open(saved) as large:
        assert small.format == "JPEG" and small.width == 400
        assert small.height / 400 == pytest.approx(large.height / large.width, abs=0.01)


def test_titles_say_when_videos_are_rendered(tmp_path):
    info = {"name": "s", "title": "S", "categories": ("Normal", "Arson"), "headline_metric": "auc", "source": "t", "fps": 25.0}
    rendered, real = (
        Dataset(tmp_path, DatasetInfo(**info, synthetic=synthetic), VideoList(("Normal", "Arson"), ()), None)
        for synthetic in (True, False)
    )
    assert style.data_title(rendered) == "S (rendered videos)" and style.data_title(real) == "S"
