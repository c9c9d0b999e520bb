"""The small files of the course fit each other."""

import re

import nbformat
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from nbconvert import HTMLExporter

from vad_lib.course import check, drawing, lesson_bags, lesson_log, lesson_runs, make_material, material
from vad_lib.course.material import RESOURCES
from vad_lib.errors import ConfigError, DataError


def test_bags_are_balanced_and_only_test_videos_have_labels_of_snippets():
    train, test = lesson_bags("train"), lesson_bags("test")
    for bags in (train, test):
        assert len(bags.names) == 42 and bags.labels.sum() == 21
        assert bags.segments(16).shape == (42, 16, 1024) and np.isfinite(bags.segments(16)).all()
    assert train.snippet_labels == ()
    for video, (features, labels) in enumerate(zip(test.features, test.snippet_labels)):
        assert len(features) == len(labels) and labels.any() == test.labels[video]
    assert not set(train.names) & set(test.names)


@pytest.mark.parametrize("method", make_material.METHODS)
def test_runs_score_every_snippet_of_the_test_videos(method):
    runs, test = lesson_runs(method), lesson_bags("test")
    assert len({run.seed for run in runs}) == len(runs) > 1
    for run in runs:
        for scores in (run.scores, run.last, run.best_on_test):
            assert [len(video) for video in scores] == [len(video) for video in test.features]
            assert all(video.min() >= 0 and video.max() <= 1 for video in scores)
    assert (runs[0].alignment is not None) == (method == "proposed")


def test_a_file_that_was_cut_says_how_to_restore_it(tmp_path, monkeypatch):
    (tmp_path / material.RUNS).write_bytes((RESOURCES / material.RUNS).read_bytes()[:9000])
    monkeypatch.setattr(material, "RESOURCES", tmp_path)
    read = material._arrays.__wrapped__  # the whole file may lie in its cache
    with pytest.raises(DataError, match=r"runs\.npz: this file of the course is damaged \(.*\)\. Restore it with `git checkout"):
        read(material.RUNS)


def test_the_log_has_the_path_of_the_gate():
    log = lesson_log()
    assert {"step", "loss/main", "weight/align", "monitor/w", "gradient/gate_logit"} <= set(log.columns)


def test_what_is_not_there_is_said_with_what_is():
    with pytest.raises(ConfigError, match="proposed"):
        lesson_runs("propose")
    with pytest.raises(ConfigError, match="'train' or 'test'"):
        lesson_bags("validation")
    with pytest.raises(ConfigError, match="bags"):
        drawing("bag")


def test_drawings_have_words_for_those_who_do_not_see_them():
    for name in (file.name.removesuffix(".svg") for file in RESOURCES.iterdir() if file.name.endswith(".svg")):
        assert "<title" in drawing(name).data and "<desc" in drawing(name).data and 'role="img"' in drawing(name).data


def test_the_drawing_of_bags_does_not_show_an_exercise():
    marked = re.findall(r'<g fill="#D55E00">(.*?)</g>', drawing("bags").data)  # of the abnormal bag
    places = [(int(x) - 24) // 34 for x in re.findall(r' x="(\d+)"', marked[0])]
    assert len(places) == 2 and not check("1.1", places)


def test_a_drawing_is_shown_with_its_alternative_text():
    data, metadata = DisplayFormatter().format(drawing("bags"))
    words = drawing("bags").alternative_text
    assert words.startswith("From segments to the loss. Two rows of eight bars") and words.endswith("label of the bag.")
    assert metadata["image/svg+xml"]["alt"] == words  # what the site looks for
    output = nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)
    cell = nbformat.v4.new_code_cell('drawing("bags")', outputs=[output])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert f'<img alt="{words}"' in page and page.count('src="data:image/svg+xml') == 1
