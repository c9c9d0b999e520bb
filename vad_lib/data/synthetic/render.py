"""From settings to files: plan a video, film its shots, write the data set."""

import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from vad_lib.config import SyntheticSettings
from vad_lib.data.annotations import Split, VideoList, VideoRecord, write_video_csv
from vad_lib.data.synthetic.camera import Camera
from vad_lib.data.synthetic.plan import Job, plan_video
from vad_lib.data.synthetic.sets import DATASETS
from vad_lib.data.video_writing import write_video
from vad_lib.errors import ConfigError, DataError, ExtractionError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.locks import sole_writer
from vad_lib.storage.processes import end_with
from vad_lib.storage.reading import read_json
from vad_lib.storage.safe_names import plain_name
from vad_lib.storage.writing import atomic_path, write_json

BYTES_PER_PIXEL = 0.2  # of a frame in a file, above what nearly every video needs


def _render_video(job: Job, path: Path) -> VideoRecord:
    """Render one video to an mp4 file; whatever stops it leaves no half file."""
    record, shots, rng = plan_video(job)
    settings = job.settings
    noise = float(rng.uniform(0.4, 1.6))  # cameras differ

    def frames() -> Iterator[np.ndarray]:
        camera = None
        for i in range(record.num_frames):
            t = i / settings.fps
            if camera is None or (t >= camera.shot.end and shots):
                camera = Camera(rng, shots.pop(0), settings, DATASETS[job.dataset].moving_camera, noise)
            yield cv2.cvtColor(camera.frame(t), cv2.COLOR_BGR2RGB)

    with atomic_path(path) as temporary:
        write_video(temporary, frames(), settings.fps, codec="mpeg4")
        _fill(temporary, record.num_frames * round(BYTES_PER_PIXEL * settings.width * settings.height))
    return record


def _fill(path: Path, unit: int) -> None:
    """Lengthen an mp4 file to a multiple of ``unit`` bytes by an empty box, as recorders of constant bit rate do.

    An event moves more than its look-alike, and what moves costs bytes: without this the size tells the label.
    """
    size = path.stat().st_size
    filler = 8 + -(size + 8) % unit
    with open(path, "ab") as stream:
        stream.write(filler.to_bytes(4, "big") + b"free")
        stream.truncate(size + filler)  # takes no room on disk where the file system knows sparse files


def _work(job: Job, path: Path) -> str:
    cv2.setNumThreads(1)
    _render_video(job, path)
    return file_sha256(path)


def jobs(dataset: str, settings: SyntheticSettings) -> list[Job]:
    """The videos of a built-in set: every abnormal category and, staged alike, as many normal ones times ``normal_ratio``.

    Raises:
        ConfigError: unknown set, or settings that leave no room for an event.
    """
    if dataset not in DATASETS:
        raise ConfigError(f"unknown built-in data set {dataset!r}; known: {', '.join(DATASETS)}.")
    for label, (low, high) in (("train_snippets", settings.train_snippets), ("test_snippets", settings.test_snippets)):
        if not 3 <= low <= high:
            raise ConfigError(
                f"{label}: expected 3 <= shortest <= longest, so that an event fits beside normal frames; got ({low}, {high})."
            )
    if settings.width % 2 or settings.height % 2:
        raise ConfigError(
            f"width and height: expected even numbers, as the mp4 encoder needs them; got {settings.width} x {settings.height}."
        )
    stories = list(DATASETS[dataset].stories)
    found = []
    counts: tuple[tuple[Split, int], ...] = (("train", settings.train_per_category), ("test", settings.test_per_category))
    for split, count in counts:
        for category in stories:
            found += [Job(dataset, f"{split}_{category}_{i:03d}", split, category, True, settings) for i in range(count)]
        for i in range(max(1, round(settings.normal_ratio * count * len(stories)))):
            found.append(Job(dataset, f"{split}_Normal_{i:03d}", split, stories[i % len(stories)], False, settings))
    return found


def render_dataset(
    dataset: str, folder: Path | str, settings: SyntheticSettings, *, workers: int = 2, progress: bool = True
) -> VideoList:
    """Render a built-in set into a folder: ``dataset.json``, ``videos.csv``, ``videos/NAME.mp4``.

    Videos that are there already, made by the same code and settings and undamaged, are kept; a run that was
    stopped goes on where it was. The same settings give the same bytes on the same machine.

    Args:
        dataset: ``synth-crime`` or ``synth-violence``.
        folder: folder of the data set; made if missing.
        settings: number, length and size of the videos, and the seed.
        workers: processes. With more than one, a script must call this under ``if __name__ == "__main__":``.
        progress: show a progress bar if the output is a terminal.

    Raises:
        ConfigError: unknown set or unusable settings.
        OutputError: the folder cannot be written or the disk is full; finished videos stay.
        BusyError: another process renders into this folder.
        ExtractionError: a worker died, or the script that calls this is read again by each worker and starts anew.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)  # a worker that reads the caller's script again and came to this call: the caller says what to do
    todo, folder = jobs(dataset, settings), Path(folder)
    with sole_writer(folder):
        return _render(dataset, folder, settings, todo, workers, progress)


def _render(dataset: str, folder: Path, settings: SyntheticSettings, todo: list[Job], workers: int, progress: bool) -> VideoList:
    spec = DATASETS[dataset]
    videos = VideoList(spec.categories, tuple(plan_video(job)[0] for job in todo))
    ledger_path = folder / "render.json"
    ledger = _read_ledger(ledger_path)
    paths = {job.name: folder / "videos" / f"{job.name}.mp4" for job in todo}
    keys = {job.name: job.key() for job in todo}

    def finished(name: str) -> bool:
        key, digest = ledger.get(name, ("", ""))
        return key == keys[name] and paths[name].is_file() and file_sha256(paths[name]) == digest

    missing = [job for job in todo if not finished(job.name)]
    # longest first keeps all processes busy to the end
    lengths = {record.name: record.num_frames for record in videos.records}
    missing.sort(key=lambda job: -lengths[job.name])
    with tqdm(total=len(missing), desc=spec.title, unit="video", disable=None if progress else True) as bar:
        for name, digest in _run(missing, paths, workers):
            ledger[name] = [keys[name], digest]
            write_json(ledger_path, ledger)
            bar.update()
    for stale in sorted(set(ledger) - set(paths)):
        (folder / "videos" / f"{stale}.mp4").unlink(missing_ok=True)
        del ledger[stale]
    write_json(ledger_path, dict(sorted(ledger.items())))
    write_video_csv(folder / "videos.csv", videos)
    write_json(
        folder / "dataset.json",
        {
            "name": dataset,
            "title": spec.title,
            "categories": list(spec.categories),
            "headline_metric": spec.metric,
            "counterpart": spec.counterpart,
            "source": "rendered by vad_lib.data.synthetic",
            "synthetic": True,
            "fps": settings.fps,
        },
    )
    return videos


def _read_ledger(path: Path) -> dict[str, list[str]]:
    """Key and hash by video; empty if there is no ledger yet, or one that cannot be right: every video is then rendered again."""
    try:
        ledger = read_json(path) if path.is_file() else {}
        # videos that are no longer wanted are deleted by these names
        fine = all(
            plain_name(name) and len(entry) == 2 and all(isinstance(e, str) for e in entry) for name, entry in ledger.items()
        )
        return ledger if fine else {}
    except (DataError, AttributeError, TypeError):
        return {}


def _run(todo: list[Job], paths: dict[str, Path], workers: int) -> Iterable[tuple[str, str]]:
    """Render videos and give (name, SHA-256) as they are finished."""
    if workers <= 1 or len(todo) <= 1:
        for job in todo:
            yield job.name, _work(job, paths[job.name])
        return
    # spawned, not forked: the caller may run threads of torch
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(todo)), mp_context=spawn, initializer=end_with, initargs=(os.getpid(),))
    try:
        running = {pool.submit(_work, job, paths[job.name]): job.name for job in todo}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool:
        raise ExtractionError(
            'rendering: a worker process ended too early. In a script, put the call under `if __name__ == "__main__":`, because '
            "every worker reads the script again. If it stands there, the worker was killed, often for want of memory: run the "
            "command again to go on, with workers=1 if it happens again. Finished videos are kept."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
