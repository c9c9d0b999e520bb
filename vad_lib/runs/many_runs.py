"""Many runs, several at a time, each by one thread of torch.

A second thread gains little in models this small: two processes of one thread train nearly twice as much in an hour as one
process of two (``benchmarks/bench_many_runs.py`` measures it). The number of threads decides how sums are rounded, so that
every run has one thread, however many are trained at a time: the numbers do not depend on it.
"""

import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import torch
from tqdm import tqdm

from vad_lib import registry
from vad_lib.config import RunSettings
from vad_lib.data.dataset import Dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError, TrainingError, VadError
from vad_lib.methods.base import Method
from vad_lib.runs import record, trainer
from vad_lib.runs.run_folder import is_complete
from vad_lib.storage.processes import end_with


class Training(NamedTuple):
    """A run to be made: the arguments of :func:`vad_lib.runs.trainer.train_run`.

    It is sent to other processes, a data set's features by the names of their files, which are mapped there again.
    """

    settings: RunSettings
    dataset: Dataset
    text: TextFeatures | None
    folder: Path
    build: Callable[..., Method] = registry.build_method
    origin: Mapping[str, Any] | None = None

    def train(self, progress: bool = False) -> bool:
        """Train it unless it is there, with as many threads as torch has."""
        return trainer.train_run(
            self.settings, self.dataset, self.text, self.folder, progress=progress, build=self.build, origin=self.origin
        )


class TaskOutcome(NamedTuple):
    """What came of a run.

    Attributes:
        number: place of the run in the list of all.
        trained: False if it was there.
        error: why there is none; None if there is.
    """

    number: int
    trained: bool
    error: VadError | None


def train_many(tasks: Sequence[Training], jobs: int = 0, *, progress: bool = True) -> list[bool]:
    """Train what is missing, several runs at a time; arguments as those of :func:`train_each`.

    Killed or stopped by Ctrl-C at any moment, the next call goes on from the last checkpoints.

    Returns:
        for each task, in their order: True if it was trained, False if it was there.

    Raises:
        VadError: as :func:`vad_lib.runs.trainer.train_run` and :func:`train_each` do; the first error stops all other runs, and
            those that are finished stay.
    """
    trained: dict[int, bool] = {}
    with closing(train_each(tasks, jobs, progress=progress)) as outcomes:
        for outcome in outcomes:
            if outcome.error:
                raise outcome.error
            trained[outcome.number] = outcome.trained
    return [trained[number] for number in range(len(tasks))]


def train_each(tasks: Sequence[Training], jobs: int = 0, *, progress: bool = True) -> Generator[TaskOutcome, None, None]:
    """Train what is missing, several runs at a time; one that fails stops no other.

    Args:
        tasks: the runs.
        jobs: processes, one thread of torch each; 0 for one per core that this process may use; 1 for this process. On a GPU
            this process does all.
        progress: bars on a terminal.

    Yields:
        outcomes, in the order in which they come; runs that are there come first and start no process. A run counts as there if
        it was trained by one thread, or by as many as torch has in this process, as runs outside this function are.

    Raises:
        ConfigError: a negative number of jobs, or a folder for two runs.
        TrainingError: a process was killed.
        KeyboardInterrupt: Ctrl-C; no process is left.
    """
    if jobs < 0:
        raise ConfigError(f"jobs: expected 0 (one process per core) or more, got {jobs}.")
    folders = [task.folder for task in tasks]
    if twice := [folder for folder in dict.fromkeys(folders) if folders.count(folder) > 1]:
        raise ConfigError(f"{twice[0]}: expected one run in a folder, got {folders.count(twice[0])}; give each its own.")
    usual = torch.get_num_threads()
    missing: list[int] = []
    with tqdm(total=len(tasks), desc="runs", unit="run", disable=None if progress and len(tasks) > 1 else True) as bar:
        for number, task in enumerate(tasks):
            if outcome := _finished(number, task, usual):
                bar.update()
                yield outcome
            else:
                missing.append(number)
        on_cpu = all(tasks[number].settings.train.device.startswith("cpu") for number in missing)
        processes = min(jobs or joblib.cpu_count(), len(missing)) if on_cpu else 1
        if processes > 1:
            outcomes = _by_processes(processes, [(number, tasks[number]) for number in missing])
        else:
            outcomes = (_attempt(number, tasks[number], progress) for number in missing)
        with closing(outcomes):
            for outcome in outcomes:
                bar.update()
                yield outcome


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _finished(number: int, task: Training, usual: int) -> TaskOutcome | None:
    """The outcome of a run that is there, or that cannot be; None for one to be trained."""
    if not task.folder.is_dir():
        return None
    try:
        for threads in dict.fromkeys((1, usual)):
            with torch_threads(threads):
                key = record.run_key(task.settings, task.dataset, task.text, task.origin)
                if is_complete(task.folder, key, task.dataset.headline_metric):
                    return TaskOutcome(number, task.train(), None)  # trains nothing, and tidies up
    except VadError as error:
        return TaskOutcome(number, False, error)
    return None


def _attempt(number: int, task: Training, progress: bool = False) -> TaskOutcome:
    try:
        with torch_threads(1):
            return TaskOutcome(number, task.train(progress), None)
    except VadError as error:
        return TaskOutcome(number, False, error)
    except RuntimeError as error:  # of torch: out of memory, or an operation that refuses its input
        wrong = TrainingError(
            f"{task.settings.variant}, seed {task.settings.train.seed}: torch stopped the run ({error}). Train it alone with "
            "train_run to see where. In training a smaller batch needs less memory; scoring a long video needs the same whatever "
            "the batch, and the device cpu often has more."
        )
        wrong.__cause__ = error
        return TaskOutcome(number, False, wrong)


def _by_processes(count: int, tasks: Sequence[tuple[int, Training]]) -> Generator[TaskOutcome, None, None]:
    caller = os.getpid()
    parallel = joblib.Parallel(n_jobs=count, backend="loky", return_as="generator_unordered", batch_size=1)
    try:
        outcomes = parallel(joblib.delayed(_attempt_for)(caller, number, task) for number, task in tasks)
        try:
            for outcome in outcomes:  # noqa: UP028  ("yield from" would close them before the block below does)
                yield outcome
        finally:
            with warnings.catch_warnings():  # joblib warns of what is cut off; whoever stops early knows
                warnings.simplefilter("ignore")
                outcomes.close()
    except BrokenProcessPool as error:
        raise TrainingError(
            f"training: one of {count} processes was killed, often for want of memory. What is finished is kept: run the same "
            "command again to go on. Fewer jobs need less."
        ) from error


def _attempt_for(caller: int, number: int, task: Training) -> TaskOutcome:
    if os.getpid() != caller:  # where no process can be started joblib works in this one
        tqdm.set_lock(threading.RLock())  # its usual one is a semaphore of the system, and left there by a process that is killed
        end_with(caller)
    return _attempt(number, task)
