"""Saving and showing a figure: the same bytes twice, stamp and alternative text inside; looks; the style ends with its block."""

import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image

from vad_lib.data.annotations import VideoList
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.errors import DataError, OutputError
from vad_lib.reference import small_png
from vad_lib.report.figures import alignment_and_roc, style
from vad_lib.runs import experiments


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


@pytest.fixture
def displayed(monkeypatch) -> list:
    """What a notebook would show."""
    shown: list = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


def test_a_shown_figure_is_a_small_copy_of_the_saved_file_with_its_words(made_up, run, displayed):
    fig, points = alignment_and_roc.roc_and_pr([run], "Curves")
    saved = style.save_figure(fig, made_up.layout, "curves", points, {})
    style.show(saved, width=400)
    (picture,) = displayed
    with Image.open(io.BytesIO(picture.data)) as small, Image.open(saved["png"]) as large:
        assert small.width == 400 and small.height / 400 == pytest.approx(large.height / large.width, abs=0.01)
    assert picture._mimetype == "image/png" and picture.alt == style.alternative_text(saved["png"])
    assert "Proposed AUC" in picture.alt


def test_a_figure_that_is_not_kept_is_shown_with_its_words(displayed):
    fig, axes = plt.subplots()
    axes.plot([1, 2])
    with pytest.raises(DataError, match=r"expected an alternative text, got none; call style.show\(fig, text\)"):
        style.show(fig)
    style.show(fig, "A line from 1 to 2.")
    with Image.open(io.BytesIO(displayed[0].data)) as small:
        assert small.width == style.SHOWN_WIDTH
    assert displayed[0].alt == "A line from 1 to 2." and not plt.get_fignums()


def test_photographs_are_kept_as_jpeg_and_lines_as_png():
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    assert style.small_copy(Image.fromarray(noise), 400)[1] == "jpeg"
    assert style.small_copy(Image.new("RGB", (400, 300), "white"), 400)[1] == "png"


def test_colours_stay_where_fewer_would_shift_them():
    def shown(picture):
        with Image.open(io.BytesIO(style.small_copy(picture, picture.width)[0])) as small:
            return small.convert("RGB"), len(small.getcolors())

    shades = np.linspace(0, 255, 60).astype(np.uint8).repeat(10)  # sixty hues of a heat map
    heat = Image.fromarray(np.broadcast_to(np.stack([shades, 255 - shades, shades // 2], axis=-1), (300, 600, 3)).copy())
    assert shown(heat)[1] >= 32
    lines = Image.new("RGB", (600, 300), "white")
    lines.paste("#0072b2", (100, 100, 500, 103))
    assert shown(lines) == (lines, 2)
    for place, colour in enumerate(style.LINE_COLOURS[:6]):
        lines.paste(colour, (100, 120 + 10 * place, 500, 122 + 10 * place))
    lines.paste(Image.linear_gradient("L").resize((600, 80)), (0, 220))  # as many greys as text has
    drawn = np.asarray(shown(lines)[0], dtype=int)[:210]
    assert np.abs(drawn - np.asarray(lines, dtype=int)[:210]).max() < 10


def test_a_figure_without_words_is_refused_when_they_are_asked_for(made_up, tmp_path):
    saved = style.save_figure(plt.figure(), made_up.layout, "mute", pd.DataFrame({"x": [1]}), {})
    with pytest.raises(DataError, match="expected an alternative text, found none"):
        style.show(saved)
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(DataError, match="expected a PNG, but it cannot be read"):
        style.alternative_text(tmp_path / "no.png")
    with pytest.raises(DataError, match="got an empty one"):
        style.describe(plt.figure(), " ")


def test_words_survive_the_reference_s_small_copy(made_up, tmp_path):
    fig = plt.figure()
    style.describe(fig, "Nothing\nis [plotted].")
    saved = style.save_figure(fig, made_up.layout, "none", pd.DataFrame({"x": [1]}), {})
    small_png(saved["png"], tmp_path / "small.png")
    assert style.alternative_text(tmp_path / "small.png") == "Nothing is (plotted)."


def test_every_method_has_a_look_of_its_own():
    assert {*style.METHOD_LOOKS} == {*experiments.VARIANTS}
    together = [(look.colour, look.line) for look in style.METHOD_LOOKS.values()]
    assert len({*together}) == len(together) == len({look.marker for look in style.METHOD_LOOKS.values()})
    drawn = style.looks(["at 1 %", "Proposed", "at 0.1 %"])
    assert drawn["Proposed"] == style.METHOD_LOOKS["proposed"] == style.method_look("Proposed")
    assert len({look.colour for look in drawn.values()}) == 3


def test_titles_say_when_videos_are_rendered(tmp_path):
    info = {"name": "s", "title": "S", "categories": ("Normal", "Arson"), "headline_metric": "auc", "source": "t", "fps": 25.0}
    rendered, real = (
        Dataset(tmp_path, DatasetInfo(**info, synthetic=synthetic), VideoList(("Normal", "Arson"), ()), None)
        for synthetic in (True, False)
    )
    assert style.data_title(rendered) == "S (rendered videos)" and style.data_title(real) == "S"
