"""The runner, on tiny notebooks made here."""

import nbformat
import pytest

from vad_lib import reproduce
from vad_lib.errors import ConfigError, DataError, OutputError
from vad_lib.runner import execution as runner_execution
from vad_lib.runner import manifest as runner_manifest
from vad_lib.storage.paths import Layout

MANIFEST = """
datasets: [one, two]
notebooks:
  a_first:
    title: writes a number per data set
    each_dataset: true
    items: {table2: one, table3: two}
    needs: []
    inputs: ["{data}/videos.csv"]
    outputs: ["{results}/a_{dataset}.txt"]
    minutes: {smoke: 1}
  b_second:
    title: reads all of them
    each_dataset: false
    items: {fig1: all}
    needs: [a_first]
    inputs: ["{results}/a_*.txt"]
    outputs: ["{results}/b.txt"]
    minutes: {smoke: 1}
"""
WRITE = """
from vad_lib.storage.writing import write_text
from vad_lib.storage.paths import Layout
layout = Layout.create(profile, out, data)
"""


def notebook(path, parameters, *sources):
    cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """A layout whose notebooks are two small ones of our own."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "manifest.yml").write_text(MANIFEST)
    first = 'profile = ""\ndataset = ""\nout = ""\ndata = ""\nnumber = 1'
    notebook(folder / "a_first.ipynb", first, WRITE, 'write_text(layout.results / f"a_{dataset}.txt", str(number))')
    second = 'profile = ""\ndatasets = []\nout = ""\ndata = ""'
    total = "sum(int((layout.results / f'a_{name}.txt').read_text()) for name in datasets)"
    notebook(folder / "b_second.ipynb", second, WRITE, f'write_text(layout.results / "b.txt", str({total}))')
    monkeypatch.setattr(Layout, "notebooks", property(lambda self: folder))
    for name in ("one", "two"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "videos.csv").write_text("video\n")
    return Layout.create("smoke", tmp_path / "out", tmp_path / "data")


def manifest(layout):
    return runner_manifest.read_manifest(layout.manifest)


def names(executions):
    return [execution.name for execution in executions]


def test_plan_is_in_order_with_what_is_needed(layout):
    everything = ["a_first-one", "a_first-two", "b_second"]
    assert names(runner_manifest.plan(manifest(layout), layout)) == everything
    assert names(runner_manifest.plan(manifest(layout), layout, only=("fig1",))) == everything
    assert names(runner_manifest.plan(manifest(layout), layout, only=("table3",))) == ["a_first-two"]
    assert names(runner_manifest.plan(manifest(layout), layout, only=("table3",), datasets=("one",))) == ["a_first-one"]
    assert names(runner_manifest.plan(manifest(layout), layout, datasets=("mine",))) == ["a_first-mine", "b_second"]


def test_unknown_names_are_errors(layout):
    with pytest.raises(ConfigError, match="table9: no such notebook or paper item; known: a_first, b_second, table2"):
        runner_manifest.plan(manifest(layout), layout, only=("table9",))
    with pytest.raises(ConfigError, match="unknown parameter nummer; the chosen notebooks have data, dataset"):
        runner_manifest.plan(manifest(layout), layout, parameters={"nummer": 2})
    with pytest.raises(ConfigError, match="parameter variants: no row rftm; known: all, logistic-regression"):
        runner_manifest.plan(manifest(layout), layout, parameters={"variants": ["rtfm", "rftm"]})
    with pytest.raises(ConfigError, match=r"expected a list, got 'rtfm'; write 'variants=\[rtfm\]'"):
        runner_manifest.plan(manifest(layout), layout, parameters={"variants": "rtfm"})
    execution = runner_manifest.plan(manifest(layout), layout)[0]
    execution.parameters["nummer"] = 2
    with pytest.raises(ConfigError, match="a_first has no parameter nummer"):
        runner_manifest.check_parameters(layout, execution)


def test_a_manifest_item_needs_one_owner(layout):
    layout.manifest.write_text(MANIFEST.replace("fig1: all", "table2: all"))
    with pytest.raises(DataError, match="table2 is owned by a_first and by b_second"):
        manifest(layout)
    layout.manifest.write_text(MANIFEST.replace("needs: []", "needs: [b_second]"))
    with pytest.raises(DataError, match="a_first needs b_second, which must stand before it"):
        manifest(layout)
    layout.manifest.write_text(MANIFEST.replace("title: reads", "titel: reads"))
    with pytest.raises(DataError, match="b_second"):
        manifest(layout)


@pytest.mark.slow
def test_runs_once_then_skips_then_follows_changes(layout):
    def run(**keywords):
        return runner_execution.reproduce(layout, runner_manifest.plan(manifest(layout), layout, **keywords))

    assert run() == ["a_first-one", "a_first-two", "b_second"]
    assert (layout.results / "b.txt").read_text() == "2"
    assert run() == []
    (layout.data / "two" / "videos.csv").write_text("video\nanother\n")
    assert run() == ["a_first-two"]
    assert run(parameters={"number": 5}) == ["a_first-one", "a_first-two", "b_second"]
    assert (layout.results / "b.txt").read_text() == "10"
    (layout.results / "b.txt").unlink()
    assert run(parameters={"number": 5}) == ["b_second"]
    executed = nbformat.read(layout.executed / "a_first-one.ipynb", as_version=4)
    assert "papermill" not in executed.metadata
    assert not list(layout.executed.glob("*.partial.ipynb"))


def test_a_failing_cell_is_named_and_the_partial_copy_kept(layout, capsys):
    broken = 'profile = ""\ndataset = ""\nout = ""\ndata = ""'
    notebook(layout.notebooks / "a_first.ipynb", broken, "1 + 1", "# a remark\nraise KeyError('no such video')")
    status = reproduce.main(["--profile", "smoke", "--only", "table2", "--out", str(layout.out), "--data", str(layout.data)])
    message = capsys.readouterr().err
    assert status == 1
    assert "a_first.ipynb, cell 3 ('# a remark') failed: KeyError: 'no such video'" in message
    assert (layout.executed / "a_first-one.partial.ipynb").is_file()
    assert not (layout.executed / "a_first-one.ipynb").exists()


def test_an_output_that_was_promised_but_not_made_is_an_error(layout):
    notebook(layout.notebooks / "a_first.ipynb", 'profile = ""\ndataset = ""\nout = ""\ndata = ""', "1 + 1")
    with pytest.raises(runner_execution.NotebookError, match=r"did not make .*a_one\.txt"):
        runner_execution.execute(layout, runner_manifest.plan(manifest(layout), layout)[0])


def test_command_line_errors(layout, capsys):
    assert reproduce.main(["--profile", "fast"]) == 1
    assert "unknown profile 'fast'; known: smoke, quick, standard, paper" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        reproduce.main(["--parameter", "number"])
    assert "expected NAME=VALUE" in capsys.readouterr().err
    where = ["--out", str(layout.out), "--data", str(layout.data)]
    assert reproduce.main(["--profile", "smoke", "--list", *where]) == 0
    assert "b_second: reads all of them (about 1 min)" in capsys.readouterr().out


def test_a_data_set_without_folder_is_named_with_what_is_there(layout, capsys):
    where = ["--profile", "smoke", "--data", str(layout.data), "--out", str(layout.out)]
    assert reproduce.main(["--dataset", "ucf-crime", *where]) == 1
    message = capsys.readouterr().err
    assert f"expected the folder {layout.data / 'ucf-crime'}, found one, two in" in message and "built in are one, two" in message


def test_an_output_folder_that_cannot_be_written(layout):
    layout.out.mkdir()
    (layout.out / "results").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        runner_execution.execute(layout, runner_manifest.plan(manifest(layout), layout)[0])
    assert (layout.out / "results").read_text() == "a file where a folder should be"
