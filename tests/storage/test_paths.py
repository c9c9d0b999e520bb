"""Paths: everything a chain writes is below its own two folders."""

from pathlib import Path

import pytest

import vad_lib
from vad_lib.errors import ConfigError
from vad_lib.storage import paths
from vad_lib.storage.paths import PROJECT_ROOT, Layout


def test_the_project_is_the_default():
    layout = Layout.create("quick")
    assert layout == Layout.create("quick", out="", data=None)
    assert layout.results == PROJECT_ROOT / "results" / "quick"
    assert layout.figures == PROJECT_ROOT / "figures" / "quick"
    assert layout.dataset("synth-crime") == PROJECT_ROOT / "data" / "quick" / "synth-crime"


def test_other_folders_may_be_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    layout = Layout.create("smoke", out="relative", data="~/videos")
    assert layout.results == tmp_path / "relative" / "results" / "smoke"
    assert layout.videos("own") == tmp_path / "home" / "videos" / "own" / "videos"
    assert layout.features("own") == tmp_path / "home" / "videos" / "own" / "store"
    assert layout.features("own", crops=10) == layout.features("own") / "10-crops"
    assert layout.features("own", "clip-vit-b-16") == layout.features("own", "i3d") / "clip-vit-b-16"


def test_what_is_written_stays_below_out(tmp_path):
    layout = Layout.create("smoke", out=tmp_path / "out", data=tmp_path / "data")
    written = [
        layout.run("synth-crime", "proposed", 3),
        layout.tables,
        layout.executed,
        layout.state,
        layout.figures,
        layout.strips("synth-crime"),
    ]
    assert all(path.is_relative_to(tmp_path / "out") for path in written)
    assert len(set(written)) == len(written)
    assert layout.run("synth-crime", "proposed", 3) == layout.results / "runs" / "synth-crime" / "proposed" / "seed3"


def test_folders_beside_share_nothing(tmp_path):
    for layout in (Layout.create("quick"), Layout.create("quick", out=tmp_path / "out", data=tmp_path / "data")):
        other = layout.beside("start-here")
        assert other.profile == "start-here" and other.out == layout.out
        for folder in (other.results, other.figures, other.videos("synth-crime")):
            assert not folder.is_relative_to(layout.results) and not folder.is_relative_to(layout.figures)
        assert other.dataset("synth-crime") != layout.dataset("synth-crime")
    assert Layout.create("quick").beside("smoke") == Layout.create("smoke")


def test_fixed_files_belong_to_the_project_not_to_out(tmp_path):
    layout = Layout.create("smoke", out=tmp_path)
    assert layout.reported == PROJECT_ROOT / "results" / "reported.csv"
    assert layout.manifest == PROJECT_ROOT / "notebooks" / "manifest.yml"
    assert layout.manifest.parent == layout.notebooks


def test_the_cache_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("VAD_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    assert paths.i3d_weights().parent == tmp_path
    assert paths.text_feature_cache().parent == tmp_path
    monkeypatch.delenv("VAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert paths.cache_dir() == tmp_path / "user" / "vad_lib"


@pytest.mark.parametrize("path", [paths.sentence_features(), paths.prompt_file()])
def test_shipped_files_are_in_the_package(path):
    assert path.parent == Path(vad_lib.__file__).resolve().parent / "data" / "resources"
    assert path.is_file()


def test_the_reference_is_read_and_never_written():
    reading = Layout.create("quick", source="reference")
    reference = paths.PROJECT_ROOT / "results" / "reference"
    assert reading.read_from == reference
    assert reading.dataset("synth-crime") == reference / "data" / "synth-crime"
    assert reading.strips("synth-crime").parent == reference / "strips"
    written = (reading.results, reading.figures, reading.tables, reading.run("synth-crime", "pcl", 1), reading.state)
    assert not any(reference in path.parents or path == reference or "reference" in path.parts for path in written)


def test_own_results_share_no_folder_with_the_reference():
    own = Layout.create("quick")
    assert own.results.name == own.figures.name == "quick"
    assert own.read_from == own.results


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"source": "theirs"}, "expected 'own' or 'reference'"), ({"source": "reference", "data": "x"}, "lists of videos of its own")],
)
def test_impossible_sources_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Layout.create("quick", **arguments)
