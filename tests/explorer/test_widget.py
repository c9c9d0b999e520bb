"""The widget: each control is a trait that knows its values."""

import nbformat
import pytest

from vad_lib.errors import ConfigError
from vad_lib.explorer import Explorer


@pytest.fixture
def explorer(folder):
    return Explorer(folder)


def test_it_begins_with_the_first_video_and_its_picture(explorer, folder):
    assert (explorer.dataset, explorer.video, explorer.method, explorer.seed) == ("first", "test_Fire_000", "both", 2)
    assert explorer.picture == {"of": "first/test_Fire_000", "content": (folder / "first" / "test_Fire_000.mp4").read_bytes()}
    assert explorer.data["second"]["categories"] == ["Normal", "Fight"]


def test_controls_are_set_at_the_start(folder):
    explorer = Explorer(folder, dataset="second", video="test_Fight_001", threshold=0.7, w=1.0, smoothing=True, time=1.5)
    assert (explorer.video, explorer.threshold, explorer.w) == ("test_Fight_001", 0.7, 1.0)
    assert (explorer.smoothing, explorer.time) == (True, 1.5)
    assert explorer.picture["of"] == "second/test_Fight_001"


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("dataset", "frist", r"did you mean first\?\); known: first, second"),
        ("video", "test_Fire_002", "known: test_Fire_000, test_Fire_001, test_Crash_000, test_Crash_001"),
        ("method", "proposed", "known: plain, both"),
        ("seed", 1, "known: 2, 3"),
        ("threshold", 1.2, r"threshold: expected a number in \[0, 1\], got 1.2"),
        ("w", -0.1, r"w: expected a number in \[0, 1\], got -0.1"),
        ("threshold", float("nan"), "got nan"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_known(explorer, folder, name, value, known):
    before = getattr(explorer, name)
    with pytest.raises(ConfigError, match=known):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    with pytest.raises(ConfigError, match=known):
        Explorer(folder, **{name: value})


def test_an_unknown_control_is_refused(folder):
    with pytest.raises(ConfigError, match=r"unknown control 'treshold' \(did you mean threshold\?\)"):
        Explorer(folder, treshold=0.5)


def test_another_video_starts_at_its_beginning_with_its_own_picture(explorer, folder):
    explorer.time = 2.0
    explorer.video = "test_Crash_001"
    assert explorer.time == 0
    assert explorer.picture == {"of": "first/test_Crash_001", "content": (folder / "first" / "test_Crash_001.mp4").read_bytes()}


def test_another_data_set_takes_the_first_of_what_it_does_not_know(explorer):
    explorer.method, explorer.seed = "plain", 1
    explorer.dataset = "second"
    assert (explorer.video, explorer.method, explorer.seed) == ("test_Fight_000", "both", 2)
    assert explorer.picture["of"] == "second/test_Fight_000"


def test_another_method_keeps_the_seed_where_it_has_it(explorer):
    explorer.method = "plain"
    assert explorer.seed == 2
    explorer.seed = 1
    explorer.method = "both"
    assert explorer.seed == 2


def test_a_time_beyond_the_video_becomes_its_end(explorer):
    explorer.time = 99.0
    assert explorer.time == 4.0
    explorer.time = -1.0
    assert explorer.time == 0.0


def test_what_the_browser_sends_together_is_checked_together(explorer):
    explorer.set_state({"dataset": "second", "video": "test_Fight_001", "time": 0.0, "method": "both", "seed": 3})
    assert (explorer.dataset, explorer.video, explorer.seed) == ("second", "test_Fight_001", 3)
    assert explorer.picture["of"] == "second/test_Fight_001"


@pytest.mark.slow
def test_a_notebook_with_the_widget_executes(folder):
    from nbclient import NotebookClient

    cells = [
        f"from vad_lib.explorer import Explorer\nexplorer = Explorer({str(folder)!r})\nexplorer",
        "explorer.threshold, explorer.video = 0.7, 'test_Crash_000'\nprint(explorer.threshold, explorer.picture['of'])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    view = notebook.cells[0].outputs[0]["data"]["application/vnd.jupyter.widget-view+json"]
    states = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert states[view["model_id"]]["state"]["threshold"] == 0.7
    assert notebook.cells[1].outputs[0]["text"] == "0.7 first/test_Crash_000\n"
