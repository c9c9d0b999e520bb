"""Several runs at a time: the same bytes as one by one, the same errors, nothing left behind. All on planted bags."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing

import joblib
import numpy as np
import pytest
import torch
from waiting import until

from vad_lib import registry
from vad_lib.config import RunSettings, TrainSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import BusyError, ConfigError, DataError, TrainingError
from vad_lib.losses import LossTerm
from vad_lib.open_questions.questions import NoiseStore
from vad_lib.runs import experiments, many_runs, record, trainer
from vad_lib.runs.checkpoint import CHECKPOINT
from vad_lib.runs.many_runs import Training, torch_threads, train_each, train_many
from vad_lib.storage.locks import sole_writer
from vad_lib.storage.paths import Layout

TRAIN = TrainSettings(steps=6, eval_every=3, batch_size=4, num_segments=8, lr=2e-3, checkpoint_every=2, validation_fraction=0.3)
# what is measured in seconds differs from run to run, and a commit may come in between
RESULTS = ("config.json", "metrics.json", "log.csv", "scores.npz", "weights.safetensors")


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


def training(dataset, folder, method="ur-dmu", seed=1, **changed):
    settings = RunSettings(variant=method, method=method, title=method, width=16, train=TRAIN.replace(seed=seed))
    return Training(settings, dataset, None, folder / method / f"seed{seed}", **changed)


def four(dataset, folder):
    return [training(dataset, folder, method, seed) for method in ("ur-dmu", "logistic-regression") for seed in (1, 2)]


def content(task) -> dict[str, bytes]:
    return {name: (task.folder / name).read_bytes() for name in RESULTS}


def no_processes(*_, **__):
    pytest.fail("processes were started")


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_who_trains(dataset, tmp_path, monkeypatch):
    for name, jobs, threads in (("by-two", 2, 2), ("by-one", 1, 2)):
        with torch_threads(threads):
            assert train_many(four(dataset, tmp_path / name), jobs, progress=False) == [True] * 4
            assert torch.get_num_threads() == threads
    with torch_threads(1):
        assert all(task.train() for task in four(dataset, tmp_path / "alone"))
    for tasks in zip(*(four(dataset, tmp_path / name) for name in ("by-two", "by-one", "alone"))):
        by_two, by_one, alone = map(content, tasks)
        assert by_two == by_one == alone
    # those that are there come first, and one that is missing needs no other process
    monkeypatch.setattr(joblib, "Parallel", no_processes)
    tasks = [training(dataset, tmp_path / "by-two", seed=3), *four(dataset, tmp_path / "by-two")]
    with closing(train_each(tasks, 2)) as outcomes:
        assert [(outcome.number, outcome.trained) for outcome in outcomes] == [(n, False) for n in (1, 2, 3, 4)] + [(0, True)]


def test_a_run_trained_by_as_many_threads_as_usual_is_left_as_it_is(dataset, tmp_path, monkeypatch):
    task = training(dataset, tmp_path, "logistic-regression")
    with torch_threads(2):
        assert task.train()
        before = content(task)
        monkeypatch.setattr(trainer, "Trainer", lambda *_: pytest.fail("trained again"))
        assert train_many([task], 1) == [False]
        assert torch.get_num_threads() == 2
        assert content(task) == before
    monkeypatch.undo()
    with torch_threads(3):
        assert train_many([task], 1) == [True]


def exploding():
    """Makes a method whose loss is no number; made here, so that it is sent by what it says and not by the name of this file."""

    def build(*positional, **named):
        method = registry.build_method(*positional, **named)
        method.loss = lambda output, batch: {"bce": LossTerm(output[0].sum() * float("nan"), 1.0)}
        return method

    return build


def wrong_runs(dataset, folder):
    option = training(dataset, folder / "option")
    few = tuple(record for record in dataset.videos.records if record.split == "test" or dataset.videos.is_abnormal(record))
    without_normal = dataclasses.replace(dataset, videos=dataclasses.replace(dataset.videos, records=few))
    return {
        ConfigError: option._replace(settings=option.settings.replace(options={"no_such_option": 1})),
        DataError: training(without_normal, folder / "few"),
        TrainingError: training(dataset, folder / "nan", build=exploding()),
    }


@pytest.mark.slow
def test_errors_arrive_as_they_are_and_stop_no_other_run(dataset, tmp_path):
    wrong = wrong_runs(dataset, tmp_path)
    good = training(dataset, tmp_path)
    busy = training(dataset, tmp_path / "busy")
    tasks = [*wrong.values(), good, busy]
    with sole_writer(busy.folder, busy.folder.with_name(f".{busy.folder.name}.lock")), closing(train_each(tasks, 2)) as outcomes:
        found = {outcome.number: outcome for outcome in outcomes}
    for number, (kind, task) in enumerate(wrong.items()):
        with pytest.raises(kind) as alone, torch_threads(1):
            task.train()
        assert type(found[number].error) is type(alone.value) is kind
        assert str(found[number].error) == str(alone.value)
    assert found[3][1:] == (True, None)
    assert type(found[4].error) is BusyError and f"process {os.getpid()} on " in str(found[4].error)
    # in one list, the first error is raised, and what is finished stays
    with pytest.raises(ConfigError, match="no_such_option"):
        train_many([good, wrong[ConfigError], busy], 2, progress=False)
    assert train_many([good, busy], 2, progress=False) == [False, True]


@pytest.mark.parametrize("kind", [ConfigError, DataError, TrainingError])
def test_errors_of_this_process(dataset, tmp_path, kind):
    with pytest.raises(kind), torch_threads(2):
        train_many([wrong_runs(dataset, tmp_path)[kind]], 1, progress=False)
    assert torch.get_num_threads() != 2


def test_what_torch_raises_stops_no_other_run(dataset, tmp_path):
    def refuse(*positional, **named):
        raise RuntimeError("all elements of input should be between 0 and 1")

    tasks = [training(dataset, tmp_path, seed=1, build=refuse), training(dataset, tmp_path, seed=2)]
    first, second = train_each(tasks, 1, progress=False)
    assert type(first.error) is TrainingError and "ur-dmu, seed 1: torch stopped the run (all elements" in str(first.error)
    assert second == (1, True, None)


@pytest.mark.slow
def test_a_killed_process_is_an_error_that_says_what_to_do(dataset, tmp_path):
    def dying(*positional, **named):
        os.kill(os.getpid(), signal.SIGKILL)

    tasks = [training(dataset, tmp_path, seed=seed, build=dying) for seed in (1, 2)]
    with pytest.raises(TrainingError, match=r"one of 2 processes was killed.*run the same command again"):
        train_many(tasks, 2, progress=False)
    assert train_many(four(dataset, tmp_path), 2, progress=False) == [True] * 4


@pytest.mark.slow
def test_features_are_mapped_not_copied(dataset):
    """Gigabytes of features are sent as names of files, inside a store that makes noise of another one too."""

    def files(store):
        array = store._rows
        while not isinstance(array, np.memmap):
            array = array.base
        return os.path.samefile(array.filename, next(store.folder.glob("snippets-*.npy"))), store.content_hash

    stores = [dataset.store, NoiseStore(dataset.store)]
    found = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(files)(store) for store in stores)
    assert found == [(True, store.content_hash) for store in stores]


def test_wrong_requests(dataset, tmp_path):
    task = training(dataset, tmp_path)
    with pytest.raises(ConfigError, match="jobs: expected 0"):
        train_many([task], -1)
    with pytest.raises(ConfigError, match="seed1: expected one run in a folder, got 2"):
        train_many([task, task])
    assert train_many([]) == []


def test_a_gpu_has_one_process_and_no_job_count_means_every_core(dataset, tmp_path, monkeypatch):
    asked = []

    def parallel(n_jobs, **_):
        asked.append(n_jobs)
        return lambda tasks: (call(*arguments, **named) for call, arguments, named in list(tasks))

    monkeypatch.setattr(joblib, "Parallel", parallel)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    monkeypatch.setattr(trainer, "train_run", lambda settings, *_, **__: settings.train.seed > 1)
    tasks = [training(dataset, tmp_path, seed=seed) for seed in range(5)]
    assert train_many(tasks) == train_many(tasks, 8) == [False, False, True, True, True]
    assert asked == [3, 5]
    on_gpu = [task._replace(settings=task.settings.replace(train=task.settings.train.replace(device="cuda"))) for task in tasks]
    assert train_many(on_gpu, 8) == [False, False, True, True, True]
    assert asked == [3, 5]


@pytest.mark.slow
def test_the_table_s_order_does_not_depend_on_who_is_done_first(planted_folder, tmp_path):
    from vad_lib.config import get_profile

    profile = get_profile("smoke").replace(text_features="random", width=16, train=TRAIN)
    layout, bags = Layout.create("smoke", tmp_path, planted_folder.parent), load_dataset(planted_folder)
    made = experiments.run_variants(["ur-dmu", "logistic-regression"], bags, layout, profile, seeds=[2, 1], jobs=2, progress=False)
    assert list(zip(made["variant"], made["seed"])) == [
        ("ur-dmu", 2),
        ("ur-dmu", 1),
        ("logistic-regression", 2),
        ("logistic-regression", 1),
    ]
    assert made["trained"].all()


SLOW_RUNS = """
import os, subprocess, sys, time
from pathlib import Path
from vad_lib import registry
from vad_lib.config import RunSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.runs.many_runs import Training, train_many

def slow(*positional, **named):
    method = registry.build_method(*positional, **named)
    forward = method.forward
    method.forward = lambda *given: (time.sleep(0.1), forward(*given))[1]
    return method

dataset = load_dataset(Path(sys.argv[1]))
settings = [RunSettings(**RunSettings.model_validate_json(text).model_dump()) for text in sys.argv[3:]]
tasks = [Training(each, dataset, None, Path(sys.argv[2]) / f"seed{each.train.seed}", slow) for each in settings]
try:
    train_many(tasks, 2, progress=False)
except KeyboardInterrupt:
    listed = subprocess.run(["ps", "-Aww", "-o", "ppid=,stat=,args="], capture_output=True, text=True).stdout.splitlines()
    mine = [line for line in listed if line.split()[0] == str(os.getpid()) and "Z" not in line.split()[1]]
    print("interrupted", [line for line in mine if "resource_tracker" not in line and "ps -Aww" not in line], flush=True)
"""


def processes_of(group: int) -> list[str]:
    listed = subprocess.run(["ps", "-Aww", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group) and "Z" not in line.split()[1]]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("how", ["interrupted on a terminal", "killed"])
def test_a_stopped_call_leaves_no_process_and_goes_on_afterwards(planted_folder, dataset, tmp_path, how):
    train = TRAIN.replace(steps=60, eval_every=20)
    settings = [RunSettings(variant="r", method="ur-dmu", title="r", width=16, train=train.replace(seed=seed)) for seed in (1, 2)]
    arguments = [str(planted_folder), str(tmp_path), *(each.model_dump_json() for each in settings)]
    (tmp_path / "program.py").write_text(textwrap.dedent(SLOW_RUNS))
    program = [sys.executable, str(tmp_path / "program.py"), *arguments]
    checkpoints = [tmp_path / f".seed{seed}.partial" / CHECKPOINT for seed in (1, 2)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            until(lambda: all(path.is_file() for path in checkpoints) or process.poll() is not None, 600)
            assert process.poll() is None
            if how == "killed":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGINT)
            said, warned = process.communicate(timeout=100)
            assert said == ("" if how == "killed" else "interrupted []\n")
            assert how == "killed" or warned == ""
            until(lambda: not processes_of(process.pid))
        finally:
            for line in processes_of(process.pid)[:1]:
                os.killpg(int(line.split()[0]), signal.SIGKILL)
    assert not any((tmp_path / f"seed{seed}").exists() for seed in (1, 2))
    tasks = [Training(each, dataset, None, tmp_path / f"seed{each.train.seed}") for each in settings]
    assert all(path.is_file() for path in checkpoints)
    assert train_many(tasks, 1, progress=False) == [True, True]
    alone = tasks[0]._replace(folder=tmp_path / "alone")
    with torch_threads(1):
        alone.train()
    assert content(tasks[0]) == content(alone)


def test_the_key_is_taken_with_the_threads_that_train(dataset, tmp_path, monkeypatch):
    seen, key = [], record.run_key
    monkeypatch.setattr(trainer, "run_key", lambda *given: seen.append(torch.get_num_threads()) or key(*given))
    with torch_threads(3):
        many_runs.train_many([training(dataset, tmp_path, "logistic-regression")], 1, progress=False)
    assert seen == [1]
