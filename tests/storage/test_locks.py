"""Two processes and one folder: one waits or refuses, and says for whom; a killed process keeps nobody out."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest
from waiting import until

from vad_lib import config
from vad_lib.config import FeatureSettings, SyntheticSettings, TrainSettings
from vad_lib.data import extraction, synthetic
from vad_lib.data.dataset import load_dataset
from vad_lib.data.importing import settings as importing_settings
from vad_lib.data.importing import write
from vad_lib.errors import BusyError, OutputError
from vad_lib.runs import trainer
from vad_lib.storage import locks
from vad_lib.storage.locks import LOCK_FILE, sole_writer, waiting

needs_flock = pytest.mark.skipif(sys.platform == "win32", reason="needs flock, and signals")
HOLDER = """
import sys
from vad_lib.storage.locks import sole_writer
with sole_writer(sys.argv[1], sys.argv[2]):
    print("inside", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held(folder: Path, file: Path | None = None):
    """Another process is inside while the block runs."""
    program = [sys.executable, "-c", HOLDER, str(folder), str(file or folder / LOCK_FILE)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "inside\n"
        try:
            yield process
        finally:
            process.kill()


@needs_flock
def test_the_message_says_which_folder_who_and_what_to_do(tmp_path):
    with held(tmp_path / "results") as process, pytest.raises(BusyError) as refused, sole_writer(tmp_path / "results"):
        pass
    message = str(refused.value)
    for part in (
        str(tmp_path / "results"),
        f"process {process.pid} on ",
        time.strftime("which began at 20%y-%m-"),
        "--wait",
        "--out",
    ):
        assert part in message
    assert "delete" not in message
    assert refused.type is not OutputError


@needs_flock
def test_a_killed_process_keeps_nobody_out(tmp_path):
    with held(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / LOCK_FILE).is_file()
        with sole_writer(tmp_path):
            assert f'"pid": {os.getpid()}' in (tmp_path / LOCK_FILE).read_text()
    assert not (tmp_path / LOCK_FILE).exists()


@needs_flock
def test_waiting_ends_when_the_other_process_does(tmp_path, capfd):
    waiter = HOLDER.replace("sys.stdin.readline()", "pass")
    with held(tmp_path) as process:
        environment = {**os.environ, locks.WAIT_VARIABLE: "1"}
        program = [sys.executable, "-c", waiter, str(tmp_path), str(tmp_path / LOCK_FILE)]
        with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as second:
            said = second.stderr.readline()
            assert said.startswith(f"{tmp_path}: waiting for process {process.pid} on ")
            assert second.poll() is None
            process.stdin.write("\n")
            process.stdin.flush()
            assert second.stdout.read() == "inside\n"
        assert second.returncode == 0


@needs_flock
def test_many_processes_are_never_inside_together(tmp_path):
    """Each adds one to a number that it reads and writes inside; none is lost."""
    number = tmp_path / "number"
    number.write_text("0")
    program = """
import sys, time
from pathlib import Path
from vad_lib.storage.locks import sole_writer
number = Path(sys.argv[1]) / "number"
for _ in range(20):
    with sole_writer(sys.argv[1]):
        before = int(number.read_text())
        time.sleep(0.001)
        number.write_text(str(before + 1))
"""
    environment = {**os.environ, locks.WAIT_VARIABLE: "1"}
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert number.read_text() == "80"


@needs_flock
@pytest.mark.filterwarnings("ignore:flock not supported")
def test_on_a_file_system_without_locks_the_file_is_the_lock(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)
    refused = rf"another process is writing here.*If that process is no more, delete .*{LOCK_FILE}"
    with sole_writer(tmp_path), pytest.raises(BusyError, match=refused), sole_writer(tmp_path):
        pass
    assert not (tmp_path / LOCK_FILE).exists()


@needs_flock
def test_what_a_killed_process_left_is_removed_where_nothing_is_to_be_done(tmp_path):
    with held(tmp_path):
        locks.remove_free_lock(tmp_path / LOCK_FILE)
        assert (tmp_path / LOCK_FILE).is_file()
    locks.remove_free_lock(tmp_path / LOCK_FILE)
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot write .*results"), sole_writer(tmp_path / "results" / "smoke"):
        pass


def test_waiting_is_for_the_block_only(monkeypatch):
    monkeypatch.delenv(locks.WAIT_VARIABLE, raising=False)
    with waiting(True):
        assert os.environ[locks.WAIT_VARIABLE] == "1"
    assert locks.WAIT_VARIABLE not in os.environ
    monkeypatch.setenv(locks.WAIT_VARIABLE, "0")
    with waiting(False):
        assert os.environ[locks.WAIT_VARIABLE] == "0"
    with waiting(True):
        pass
    assert os.environ[locks.WAIT_VARIABLE] == "0"


# --- what takes the lock ------------------------------------------------------------------------------
@needs_flock
def test_whatever_writes_data_or_runs_refuses_a_folder_that_is_written(tmp_path, planted_folder):
    data = tmp_path / "synth-crime"
    with held(data) as process, pytest.raises(BusyError, match=rf"{data}: process {process.pid} "):
        synthetic.render_dataset("synth-crime", data, SyntheticSettings(), progress=False)
    assert not (data / "videos").exists()

    store = tmp_path / "store"
    (tmp_path / "videos").mkdir()
    settings = FeatureSettings(short_side=32, crop_size=32, num_crops=1, weights="random")
    with held(store) as process, pytest.raises(BusyError, match=rf"{store}: process {process.pid} "):
        extraction.extract_dataset(tmp_path / "videos", ["a"], store, settings, progress=False)

    source = tmp_path / "mine"
    (source / "features").mkdir(parents=True)
    np.save(source / "features" / "a.npy", np.ones((2, 4), np.float32))
    (source / "videos.csv").write_text("video,split,category,n_frames,intervals\na,train,Normal,32,\n")
    importing = importing_settings.ImportSettings(dataset="mine", dimension=4)
    with held(source) as process, pytest.raises(BusyError, match=rf"{source}: process {process.pid} "):
        write.import_dataset(source, None, importing, progress=False)
    assert not (source / "store").exists()

    dataset, folder = load_dataset(planted_folder), tmp_path / "runs" / "seed1"
    row = config.RunSettings(variant="a", method="logistic-regression", title="A", train=TrainSettings())
    with (
        held(folder, folder.with_name(".seed1.lock")) as process,
        pytest.raises(BusyError, match=rf"{folder}: process {process.pid} "),
    ):
        trainer.train_run(row, dataset, None, folder, progress=False)
    assert not folder.exists()
    assert trainer.train_run(row, dataset, None, folder, progress=False)
    assert [path.name for path in folder.parent.iterdir()] == ["seed1"]


CHAIN = """
import sys
from pathlib import Path
from vad_lib import reproduce
from vad_lib.runner.declared_parameters import OF_NOTEBOOK, NotebookParameters
from vad_lib.storage.paths import Layout
here = Path(sys.argv[1])
class Slow(NotebookParameters):
    profile: str
    datasets: list[str]
    out: str
    data: str
OF_NOTEBOOK["slow"] = Slow
Layout.notebooks = property(lambda self: here / "notebooks")
where = ["--profile", "smoke", "--out", str(here / "out"), "--data", str(here / "data")]
sys.exit(max(reproduce.main([*where, *options.split()]) for options in sys.argv[2:]))
"""
MANIFEST = """
datasets: []
notebooks:
  slow:
    title: waits until it may end
    each_dataset: false
    items: {}
    needs: []
    inputs: []
    outputs: ["{results}/slow.txt"]
    minutes: {smoke: 1}
"""
CELL = """
import time
from vad_lib.storage.writing import write_text
from vad_lib.storage.paths import Layout
folder = Layout.create(profile, out, data).results
write_text(folder / "begun.txt", "")
while not (folder / "go.txt").exists():
    time.sleep(0.05)
write_text(folder / "slow.txt", "done")
"""


@pytest.mark.release
@needs_flock
def test_of_two_chains_on_one_folder_the_second_refuses_or_waits(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "manifest.yml").write_text(textwrap.dedent(MANIFEST))
    parameters = nbformat.v4.new_code_cell('profile = ""\ndatasets = []\nout = ""\ndata = ""', metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(CELL)], metadata=kernel)
    nbformat.write(book, tmp_path / "notebooks" / "slow.ipynb")
    results = tmp_path / "out" / "results" / "smoke"

    def begun(*options):
        command = [sys.executable, "-c", CHAIN, str(tmp_path), *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with begun("") as first:
        until(lambda: (results / "begun.txt").exists() or first.poll() is not None, 100)
        assert first.poll() is None
        with begun("", "--list") as second, begun("--wait") as third:
            listed, refused = second.communicate(timeout=120)
            assert second.returncode == 1
            assert refused.startswith(f"error: {results}: process {first.pid} on ")
            assert "which began at 20" in refused and "--wait" in refused
            assert "slow: waits until it may end (about 1 min)" in listed  # this only looks
            assert third.stderr.readline().startswith(f"{results}: waiting for process {first.pid} on ")
            assert third.poll() is None
            (results / "go.txt").touch()
            assert "slow: done" in first.communicate(timeout=120)[0]
            assert "slow: already there, skipped" in third.communicate(timeout=120)[0]
    assert (first.returncode, third.returncode) == (0, 0)
    assert (results / "slow.txt").read_text() == "done"
    assert not (results / ".state" / "lock").exists()
