"""Processes that execute notebooks: what they do is a function here."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from vad_lib.runner.workers import workers

pytestmark = pytest.mark.slow


def say(word):
    return word, os.getpid()


def test_one_worker_is_this_process_and_several_are_others():
    with workers(1) as pool:
        assert pool.submit(say, "here").result() == ("here", os.getpid())
        with pytest.raises(ValueError, match="could not convert"):
            pool.submit(float, "x").result()
    with workers(2) as pool:
        made = [pool.submit(os.getpid) for _ in range(4)]
        assert os.getpid() not in {future.result() for future in made}
        with pytest.raises(ValueError, match="could not convert"):
            pool.submit(float, "x").result()
        assert pool.submit(abs, -1).result() == 1  # an error stops the others only if it leaves the block


COMMAND = """
import pathlib, sys, time
from concurrent import futures
from vad_lib.runner.workers import workers

def work(folder, name):
    path = pathlib.Path(folder, name)
    try:
        path.write_text("begun")
        time.sleep(100)
    except KeyboardInterrupt:
        time.sleep(0.5)  # a kernel takes a moment to shut down
        path.write_text("stopped")
        raise

def fail(folder):
    while not pathlib.Path(folder, "a").exists():
        time.sleep(0.02)
    raise RuntimeError("a cell failed")

if __name__ == "__main__":
    folder, what = sys.argv[1:]
    try:
        with workers(2) as pool:
            running = [pool.submit(work, folder, "a")]
            running.append(pool.submit(fail, folder) if what == "fails" else pool.submit(work, folder, "b"))
            running.append(pool.submit(work, folder, "third"))
            for future in futures.as_completed(running):
                future.result()
    except (KeyboardInterrupt, RuntimeError) as error:
        print("ended by", type(error).__name__)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("what", ["fails", "stopped by its process", "stopped by the terminal"])
def test_what_runs_is_shut_down_once_when_the_chain_stops(tmp_path, what):
    (tmp_path / "command.py").write_text(textwrap.dedent(COMMAND))
    command = [sys.executable, str(tmp_path / "command.py"), str(tmp_path), what.split()[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        if what != "fails":
            until = time.monotonic() + 60
            while not ((tmp_path / "a").exists() and (tmp_path / "b").exists()) and time.monotonic() < until:
                time.sleep(0.05)
            if what.endswith("terminal"):
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and to what it started
            else:
                process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert said == f"ended by {'RuntimeError' if what == 'fails' else 'KeyboardInterrupt'}\n"
    assert "Traceback" not in errors
    assert (tmp_path / "a").read_text() == "stopped"
    assert what == "fails" or (tmp_path / "b").read_text() == "stopped"
    third = tmp_path / "third"  # the process that failed was free to begin it before the others heard of that
    assert not third.exists() or (what == "fails" and third.read_text() == "stopped")
