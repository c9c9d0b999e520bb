"""One piece of work for each of many videos: in this process, in several, or by a Dask cluster; a broken video stops no other."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import joblib
from tqdm import tqdm

from vad_lib.data.extraction_workers import Workers, counted_attempt, expected_snippets, gave_up, start_workers
from vad_lib.data.finding import printable
from vad_lib.deployment.inputs import Footage
from vad_lib.errors import BusyError, ExtractionError, OutputError, VadError
from vad_lib.storage.writing import atomic_path

PROBE_BYTES = 2**20  # written to see whether a disk is full

Task = Callable[..., Any]  # of a video and, by the name ``bar``, a bar that it moves on by one for each snippet


class Outcome(NamedTuple):
    """What came of one video: a result, or why there is none."""

    footage: Footage
    result: Any
    failure: str


def each_video(
    footage: Sequence[Footage], task: Task, workers: Workers, folder: Path, *, progress: bool = True
) -> Iterator[Outcome]:
    """Do a task for each video.

    Args:
        footage: the videos.
        task: what is done; it can be sent to other processes.
        workers: who works.
        folder: that the tasks write to, for notes of attempts.
        progress: True for a bar with the time left, on a terminal.

    Yields:
        outcomes, in the order in which they come. With several processes the longest videos begin.

    Raises:
        ExtractionError: no scheduler or worker answers, a process died, or a worker has another model or other weights.
        OutputError: nothing more can be written. What is finished is kept.
    """
    expected = {video: expected_snippets(video.path) for video in footage}
    with tqdm(total=sum(expected.values()), unit="snippet", disable=None if progress else True) as bar:
        if workers.backend == "loky" and workers.jobs == 1:
            for video in footage:
                bar.set_postfix_str(video.name)
                before = bar.n
                yield _outcome(video, task, folder, bar)
                bar.update(before + expected[video] - bar.n)
            return
        work = functools.partial(_outcome, task=task, folder=folder, counted=workers.backend == "dask")
        queue = sorted(footage, key=lambda video: -expected[video])
        with start_workers(*workers) as parallel:
            for outcome in parallel(joblib.delayed(work)(video) for video in queue):
                bar.update(expected[outcome.footage])
                yield outcome


def _outcome(video: Footage, task: Task, folder: Path, bar: tqdm | None = None, counted: bool = False) -> Outcome:
    if not counted:
        return _tried(video, task, folder, bar)
    with counted_attempt(folder / f".{video.name}.attempts") as allowed:
        return _tried(video, task, folder, bar) if allowed else Outcome(video, None, gave_up(video.name))


def _tried(video: Footage, task: Task, folder: Path, bar: tqdm | None) -> Outcome:
    try:
        return Outcome(video, task(video, bar=bar), "")
    except (BusyError, ExtractionError):
        raise
    except OutputError as error:
        if not _can_write(folder):
            raise
        return Outcome(video, None, printable(str(error)))
    except VadError as error:
        return Outcome(video, None, printable(str(error)))
    except (RuntimeError, MemoryError, cv2.error) as error:  # of torch or OpenCV: out of memory, sizes that they cannot take
        reason = next(filter(None, str(error).splitlines()), "no reason given")
        return Outcome(video, None, f"{printable(video.path)}: cannot be scored ({type(error).__name__}: {reason}).")


def _can_write(folder: Path) -> bool:
    """Whether an error of writing is one video's own: a full disk would fail all that come, after much work."""
    probe = folder / ".probe"
    with suppress(OutputError):
        with atomic_path(probe) as temporary:
            temporary.write_bytes(bytes(PROBE_BYTES))
        probe.unlink(missing_ok=True)
        return True
    return False
