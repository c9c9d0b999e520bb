"""Processes that execute notebooks, for a chain that runs several of them at a time.

Ctrl-C in a terminal reaches every process of a command, and a chain that stops for another reason passes it on. A process then
shuts the kernel of its notebook down, as a chain of one notebook at a time does.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from types import FrameType
from typing import Any

from vad_lib.storage.processes import end_with


class _Here(Executor):
    """Does in this process, and at once, what it is asked for."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(ProcessPoolExecutor):
    """Processes that listen to Ctrl-C only while they work."""

    def __init__(self, count: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # a forked process would share the threads of torch
        self.stopped = spawn.Event()
        super().__init__(count, mp_context=spawn, initializer=_begin, initargs=(os.getpid(), self.stopped))

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        with _interrupts_held():  # a process that begins takes this over: Ctrl-C would end it while it imports
            return super().submit(_work, function, *args, **keywords)

    def interrupt(self) -> None:
        """Ctrl-C for what is being done, and for what is about to be."""
        self.stopped.set()
        for process in multiprocessing.active_children():
            if process.pid:
                os.kill(process.pid, signal.SIGINT)
        self.shutdown(cancel_futures=True)


@contextmanager
def workers(count: int) -> Iterator[Executor]:
    """Something that executes ``count`` notebooks at a time: this process if it is one.

    An error in the block, Ctrl-C included, stops all that is being done, and is raised when that has ended.
    """
    if count == 1:
        yield _Here()
        return
    with _Processes(count) as pool:
        try:
            yield pool
        except BaseException:
            pool.interrupt()
            raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Of a process: it is set when the chain stops.
_STOPPED: list[Event] = []


def _begin(parent: int, stopped: Event) -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads of two notebooks that wait by spinning take four times as long
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _STOPPED.append(stopped)
    end_with(parent)


def _work(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    signal.signal(signal.SIGINT, _interrupt_once)
    try:
        if _STOPPED[0].is_set():  # Ctrl-C came before this process listened to it
            raise KeyboardInterrupt
        return function(*args, **keywords)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would stop the shutting down of the kernel
    raise KeyboardInterrupt
