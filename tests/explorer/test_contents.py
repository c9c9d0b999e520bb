"""What the explorer reads: a folder that is whole, or a message that says what is not."""

import json
import shutil

import pytest

from vad_lib.errors import DataError, MissingFileError
from vad_lib.explorer.contents import as_json, read_contents, start, web
from vad_lib.explorer.making import LARGEST_VIDEO, METHODS
from vad_lib.report.figures import style
from vad_lib.storage.paths import EXPLORER


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "explorer")


def test_a_folder_comes_back_as_it_was_written(folder):
    contents = read_contents(folder)
    assert list(contents) == ["first", "second"]
    written = json.loads((folder / "first.json").read_text())
    found = as_json(contents)["first"]
    assert found["methods"][1]["runs"][0]["videos"]["test_Fire_000"] == written["methods"][1]["runs"][0]["videos"]["test_Fire_000"]
    assert found["videos"] == written["videos"]


def test_the_controls_begin_with_the_first_video_and_the_last_method(folder):
    found = start(read_contents(folder))
    assert (found["dataset"], found["video"], found["method"], found["seed"]) == ("first", "test_Fire_000", "both", 2)
    assert (found["threshold"], found["w"]) == (0.5, None)


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"vad_lib\.explorer --make"):
        read_contents(tmp_path)


def test_a_video_that_is_missing_is_named(copy):
    (copy / "second" / "test_Fight_001.mp4").unlink()
    with pytest.raises(MissingFileError, match=r"test_Fight_001\.mp4"):
        read_contents(copy)


def test_a_file_that_was_cut_says_how_to_get_it_again(copy):
    (copy / "first.json").write_text((copy / "first.json").read_text()[:300])
    with pytest.raises(DataError, match=r"this file of the explorer is damaged \(.*\)\. Get the folder again"):
        read_contents(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["methods"][0]["runs"][0]["videos"]["test_Fire_000"]["score"].pop(),
        lambda data: data["methods"][1]["runs"][1]["videos"]["test_Fire_001"]["alignment"].append([0.1, 0.2, 0.3]),
        lambda data: data["methods"][0]["runs"][0]["videos"].pop("test_Crash_001"),
        lambda data: data.update(methods=[]),
        lambda data: data["videos"][0].update(name="../outside"),
        lambda data: data.pop("fps"),
        lambda data: data.update(name="other"),
    ],
)
def test_parts_that_do_not_fit_are_refused(copy, change):
    data = json.loads((copy / "first.json").read_text())
    change(data)
    (copy / "first.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"first\.json"):
        read_contents(copy)


def test_the_colours_are_those_of_the_figures():
    css = web("explorer.css")
    expected = {"score": (style.BLUE, style.SKY), "visual": style.GREEN, "semantic": style.ORANGE, "alarm": style.VERMILION}
    for name, colours in (expected | {"truth": (style.GROUND_TRUTH,)}).items():
        value = css.split(f"--{name}: ")[1].split(";")[0]
        assert all(colour in value for colour in ([colours] if isinstance(colours, str) else colours)), name


def test_the_map_has_the_colours_of_the_other_maps():
    import matplotlib
    import numpy as np
    from matplotlib.colors import to_hex

    stops = [to_hex(colour) for colour in matplotlib.colormaps["cividis"](np.linspace(0, 1, 9))]
    assert f"const COLOURS = {json.dumps(stops)};" in web("explorer.js")


@pytest.mark.skipif(not EXPLORER.is_dir(), reason="results/explorer is not there; `python -m vad_lib.explorer --make` makes it")
def test_what_comes_with_the_project_is_whole_and_small():
    contents = read_contents()
    assert list(contents) == ["synth-crime", "synth-violence"]
    for data in contents.values():
        assert {video.category for video in data.videos} == set(data.categories[1:])
        assert all(bool(video.events) == video.abnormal for video in data.videos)
        assert {method.name for method in data.methods} <= set(METHODS)
        assert all((EXPLORER / data.file(video.name)).stat().st_size <= LARGEST_VIDEO for video in data.videos)
