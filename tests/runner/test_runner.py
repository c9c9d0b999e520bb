"""The runner, on tiny notebooks made here."""

import dataclasses
import os
import re
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from typing import Annotated

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from pydantic import Field

from vad_lib import reproduce
from vad_lib.errors import ConfigError, DataError, MissingFileError, OutputError
from vad_lib.runner import execution as runner_execution
from vad_lib.runner import manifest as runner_manifest
from vad_lib.runner.declared_parameters import OF_NOTEBOOK, NotebookParameters
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_json, write_text

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


class First(NotebookParameters):
    profile: str = ""
    dataset: str = ""
    out: str = ""
    data: str = ""
    number: Annotated[int, Field(ge=0, description="that is written")] = 1


class Second(NotebookParameters):
    profile: str = ""
    datasets: list[str] = Field([])
    out: str = ""
    data: str = ""


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
    monkeypatch.setitem(OF_NOTEBOOK, "a_first", First)
    monkeypatch.setitem(OF_NOTEBOOK, "b_second", Second)
    monkeypatch.setitem(OF_NOTEBOOK, "c_third", First)
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


def test_unknown_names_are_errors_that_name_the_nearest(layout):
    with pytest.raises(ConfigError, match=r"table9: no such .* item \(did you mean table3\?\); known: a_first, b_second, table2"):
        runner_manifest.plan(manifest(layout), layout, only=("table9",))
    with pytest.raises(ConfigError, match=r"unknown parameter nummer \(did you mean number\?\); the chosen notebooks have number"):
        runner_manifest.plan(manifest(layout), layout, parameters={"nummer": 2})


def test_a_notebook_whose_parameters_nobody_declared_is_refused(layout, monkeypatch):
    monkeypatch.delitem(OF_NOTEBOOK, "b_second")
    with pytest.raises(ConfigError, match="b_second: its parameters are not declared; add them to OF_NOTEBOOK in vad_lib/runner"):
        runner_manifest.plan(manifest(layout), layout)


def test_a_data_set_named_twice_is_run_once(layout):
    assert names(runner_manifest.plan(manifest(layout), layout, datasets=("two", "one", "two"), only=("table2",))) == [
        "a_first-two",
        "a_first-one",
    ]


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


class Doctor(First):
    scores: str = ""
    truth: list[str] = Field([])


def test_what_an_import_reads_and_what_parameters_name_is_in_the_key(layout, monkeypatch):
    monkeypatch.setitem(OF_NOTEBOOK, "a_first", Doctor)

    def key(**parameters):
        (execution,) = runner_manifest.plan(manifest(layout), layout, only=("table2",), parameters=parameters)
        return runner_execution.execution_key(layout, execution)

    def changed(path, **parameters):
        before = key(**parameters)
        write_text(path, "replaced")
        os.utime(path, (1, 1))  # the clock of files may stand still between two writes
        return key(**parameters) != before

    own = layout.dataset("one")
    for name in ("features/v.npy", "videos/v.mp4", "list.txt"):
        write_text(own / name, "wrong")
        assert changed(own / name) and not changed(own / name)
    named = {"scores": "mine.npy", "truth": [str(own / "gt.csv"), "gt"]}  # notebooks run in the folder of results
    assert changed(layout.out / "mine.npy", **named)
    assert changed(own / "gt.csv", **named) and changed(layout.out / "gt" / "a.txt", **named)
    assert not changed(layout.out / "another.npy", **named)


def test_a_data_set_that_cannot_be_imported_is_not_done(layout):
    """The notebook runs and tells why."""
    (execution,) = runner_manifest.plan(manifest(layout), layout, only=("table2",))
    for made in (layout.executed / "a_first-one.ipynb", layout.results / "a_one.txt"):
        write_text(made, "")
    write_json(layout.state / "a_first-one.json", {"key": runner_execution.execution_key(layout, execution)})
    assert runner_execution.is_done(layout, execution)
    record = {"source": "", "settings": {"of another version": 1}, "fingerprint": "", "described": "", "own_note": "", "store": ""}
    write_json(layout.dataset("one") / "import.json", record | {"written": {}})
    assert not runner_execution.is_done(layout, execution)


APART = MANIFEST.replace("    items: {table2: one", "    sets_apart: true\n    items: {table2: one")
THEN = """  c_third:
    title: reads a number of its own data set
    each_dataset: true
    sets_apart: true
    items: {}
    needs: [a_first]
    inputs: []
    outputs: []
    minutes: {smoke: 1}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(MANIFEST, [set(), {0}, {0, 1}], id="sets one after the other"),
        pytest.param(APART, [set(), set(), {0, 1}], id="sets apart"),
        pytest.param(MANIFEST + THEN, [set(), {0}, {0, 1}, {0}, {1}], id="a set waits for its own"),
        pytest.param(APART.replace("needs: [a_first]", "needs: []"), [set(), set(), set()], id="nothing needed"),
        pytest.param(APART.replace("needs: [a_first]", "needs: []\n    after: [a_first]"), [set(), set(), {0, 1}], id="after"),
    ],
)
def test_what_waits_for_what(layout, text, expected):
    layout.manifest.write_text(text)
    assert runner_manifest.waits_for(runner_manifest.plan(manifest(layout), layout)) == expected


def test_after_points_backwards_too(layout):
    layout.manifest.write_text(MANIFEST.replace("needs: []", "needs: []\n    after: [b_second]"))
    with pytest.raises(DataError, match="a_first comes after b_second, which must stand before it"):
        manifest(layout)


class Seen(Executor):
    """Executes nothing; what was asked for ends when :func:`futures.wait` is called, the last one first."""

    def __init__(self):
        self.asked, self.most = [], 0

    def submit(self, function, layout, execution, line):
        self.asked.append((execution.name, line))
        return Future()

    def end_one(self, running, return_when):
        self.most = max(self.most, len(running))
        last = list(running)[-1]
        last.set_result(None)
        return type("Ended", (), {"done": {last}})


@pytest.mark.parametrize(
    ("jobs", "asked", "ended"),
    [
        (1, [("a_first-one", 0), ("a_first-two", 0), ("b_second", 0)], ["a_first-one", "a_first-two", "b_second"]),
        (2, [("a_first-one", 0), ("a_first-two", 1), ("b_second", 0)], ["a_first-two", "a_first-one", "b_second"]),
        (9, [("a_first-one", 0), ("a_first-two", 1), ("b_second", 0)], ["a_first-two", "a_first-one", "b_second"]),
    ],
)
def test_as_many_run_side_by_side_as_there_is_room_for(layout, monkeypatch, jobs, asked, ended):
    layout.manifest.write_text(APART)
    seen = Seen()
    monkeypatch.setattr(runner_execution, "workers", lambda count: nullcontext(seen))
    monkeypatch.setattr(runner_execution.futures, "wait", seen.end_one)
    executions = runner_manifest.plan(manifest(layout), layout)
    assert runner_execution.reproduce(layout, executions, jobs=jobs) == ended
    assert seen.asked == asked and seen.most == min(jobs, 2)


def test_less_than_one_job_is_refused(layout, capsys):
    where = ["--profile", "smoke", "--data", str(layout.data), "--out", str(layout.out)]
    assert reproduce.main(["--jobs", "-1", *where]) == 1
    assert "jobs: expected 1 or more notebooks at a time, got -1" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["plain", "[2026] course"])
def test_folders_may_have_brackets_in_their_names(tmp_path, name):
    layout = Layout.create("smoke", tmp_path / name, tmp_path / name / "data")
    run = layout.results / "runs/one/proposed/seed2022/metrics.json"
    run.parent.mkdir(parents=True)
    run.write_text("{}")
    assert runner_execution._fill(layout, "{results}/runs/{dataset}/proposed/seed*/metrics.json", "one") == [run]
    assert runner_execution._fill(layout, "{runs}", None) == [run]
    assert runner_execution._fill(layout, "{data}/videos.csv", "one") == [layout.dataset("one") / "videos.csv"]


def test_plain_text_goes_where_an_output_has_another_form():
    both = new_output("display_data", {"text/html": "<table>", "text/plain": "0 1"})
    alone = new_output("display_data", {"text/plain": "0 1"})
    executed = new_notebook(cells=[new_code_cell("", outputs=[both, alone, new_output("stream", text="said")])])
    runner_execution._strip_machine(executed)
    kept = executed.cells[0].outputs
    assert [*kept[0].data] == ["text/html"] and kept[1].data["text/plain"] == "0 1" and kept[2].text == "said"


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


ROWS_MANIFEST = """
datasets: [one]
notebooks:
  a_first:
    title: trains rows
    each_dataset: true
    items: {}
    needs: []
    inputs: []
    outputs: ["{results}/runs/{dataset}/ur-dmu/seed*/metrics.json", "{results}/runs/{dataset}/proposed/seed*/metrics.json"]
    minutes: {smoke: 1}
"""


def test_who_names_table_rows_is_promised_these_only(layout, monkeypatch):
    class Rows(First):
        variants: list[str] = Field(["all"])

    monkeypatch.setitem(OF_NOTEBOOK, "a_first", Rows)
    layout.manifest.write_text(ROWS_MANIFEST)
    cell = 'profile = ""\ndataset = ""\nout = ""\ndata = ""\nnumber = 1\nvariants = ["all"]'
    notebook(layout.notebooks / "a_first.ipynb", cell)

    def missing(**parameters):
        (execution,) = runner_manifest.plan(manifest(layout), layout, parameters=parameters)
        return [path.parts[-3] for path in runner_execution.missing_outputs(layout, execution)]

    assert missing() == ["ur-dmu", "proposed"]
    assert missing(variants=["proposed", "rtfm"]) == ["proposed"]
    assert missing(variants=["rtfm"]) == []


def test_command_line_errors(layout, capsys):
    assert reproduce.main(["--profile", "fast"]) == 1
    assert "unknown profile 'fast'; known: smoke, quick, study, paper" in capsys.readouterr().err
    assert reproduce.main(["--profile", "quik"]) == 1
    assert "unknown profile 'quik' (did you mean quick?)" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        reproduce.main(["--parameter", "number"])
    assert "expected NAME=VALUE" in capsys.readouterr().err
    where = ["--out", str(layout.out), "--data", str(layout.data)]
    assert reproduce.main(["--profile", "smoke", "--list", *where]) == 0
    assert "b_second: reads all of them (about 1 min)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["number=nan"], "parameter number: expected a whole number of at least 0, got 'nan'"),
        (["number=.nan"], "parameter number: expected a whole number of at least 0, got nan"),
        (['number="1"'], "parameter number: expected a whole number of at least 0, got '1'"),
        (["number=3.0"], "got 3.0"),
        (["number=-1"], "got -1"),
        (["number=true"], "got True"),
        (["number="], "got None"),
        (["number=[1]"], r"got \[1\]"),
        (["number=1", "number=2"], "parameter number: expected once, given several times"),
        (["dataset=two"], "parameter dataset: --dataset sets it, .* write --dataset VALUE instead"),
        (["datasets=[two]"], "parameter datasets: --dataset sets it"),
        (["profile=quick"], "parameter profile: --profile sets it"),
        (["out=here"], "parameter out: --out sets it"),
        (["data=here"], "parameter data: --data sets it"),
        (["source=reference"], "parameter source: --reference sets it"),
    ],
)
def test_a_wrong_parameter_is_refused_before_a_kernel_starts(layout, capsys, monkeypatch, given, said):
    monkeypatch.setattr(runner_execution.papermill, "execute_notebook", lambda *args, **kw: pytest.fail("a kernel would start"))
    where = ["--profile", "smoke", "--data", str(layout.data), "--out", str(layout.out), "--dataset", "one"]
    assert reproduce.main([*where, *(part for one in given for part in ("--parameter", one))]) == 1
    assert re.search(said, capsys.readouterr().err)
    assert not layout.out.exists()


def test_a_data_set_without_folder_is_named_with_what_is_there(layout, capsys):
    where = ["--profile", "smoke", "--data", str(layout.data), "--out", str(layout.out)]
    assert reproduce.main(["--dataset", "tow", *where]) == 1
    assert "--dataset tow (did you mean two?): expected the folder" in capsys.readouterr().err
    assert reproduce.main(["--dataset", "ucf-crime", *where]) == 1
    message = capsys.readouterr().err
    assert f"--dataset ucf-crime: expected the folder {layout.data / 'ucf-crime'}, found one, two in" in message
    assert "built in are one, two" in message


def test_a_built_in_set_is_no_guess_for_the_name_of_a_public_one(layout):
    built_in = dataclasses.replace(manifest(layout), datasets=("synth-crime",))
    for there, guess in (("synth-crime", ""), ("UCF-Crimes", r" \(did you mean UCF-Crimes\?\)")):
        layout.dataset(there).mkdir(parents=True)
        with pytest.raises(MissingFileError, match=rf"^--dataset ucf-crime{guess}: expected the folder"):
            runner_manifest.check_folders(built_in, layout, ("ucf-crime",))


def test_an_output_folder_that_cannot_be_written(layout):
    layout.out.mkdir()
    (layout.out / "results").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        runner_execution.execute(layout, runner_manifest.plan(manifest(layout), layout)[0])
    assert (layout.out / "results").read_text() == "a file where a folder should be"
