"""Extraction: video files -> features of I3D or CLIP in a store, by one process, several, or a Dask cluster.

Every finished video is a *part*, a file of its own, until the store is written. Parts are renamed into place when
complete, and any worker may make any of them, twice if need be: they come out the same. A run that was stopped, or whose
workers died, therefore goes on with the videos that have no part.

    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper
    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper --jobs 8
    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper --backend dask --scheduler tcp://host:8786
    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper --backbone clip-vit-b-16

Features of I3D and of each CLIP model lie in stores of their own (:func:`vad_lib.storage.paths.feature_store`).
"""

import argparse
import functools
import importlib
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
import torch
from distributed import Client
from tqdm import tqdm

from vad_lib.config import FRAMES_PER_SNIPPET, PROFILES, FeatureSettings, get_profile
from vad_lib.data.backbones.clip_image import PLACES, ClipImage, load_clip_image
from vad_lib.data.backbones.clip_weights import PUBLISHED
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore, finite_rows, growing_array
from vad_lib.data.snippets import CROP_NAMES, check_crop, crop_views, network_input, read_snippets
from vad_lib.data.video import find_video, header_frames
from vad_lib.errors import ConfigError, DataError, ExtractionError, MissingFileError, OutputError, VadError, command_line
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.locks import LOCK_FILE, sole_writer, waiting
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_array
from vad_lib.storage.writing import atomic_path

Backend = Literal["loky", "dask"]

CONNECT_SECONDS = 10

MOST_DEATHS = 2  # of Dask workers at one video


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction did.

    Attributes:
        store: the store, or None if every video failed.
        done: videos that were extracted now.
        skipped: videos whose features were there already.
        failures: message by video.
    """

    store: FeatureStore | None
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failures: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{len(self.done)} videos extracted, {len(self.skipped)} were there already, {len(self.failures)} failed"]
        return "\n".join(lines + [f"  {video}: {message}" for video, message in self.failures.items()])


def load_backbone(settings: FeatureSettings) -> I3D | ClipImage:
    """The network that the settings name, with weights, on the CPU.

    Raises:
        MissingFileError, DataError: the weights are missing or damaged.
        ConfigError: crops of another size than CLIP takes.
    """
    if settings.backbone == "i3d":
        return load_i3d(settings.weights)
    network = load_clip_image(settings.backbone, settings.clip_frames, settings.weights)
    if settings.crop_size != network.pixels:
        raise ConfigError(
            f"crop_size {settings.crop_size}: {settings.backbone} takes squares of {network.pixels} pixels; set crop_size to that, "
            f"and short_side to {network.pixels} (CLIP's own view) or more, as FeatureSettings.for_backbone does."
        )
    return network


def extract_dataset(
    video_folder: Path | str,
    names: Sequence[str],
    store_folder: Path | str,
    settings: FeatureSettings,
    device: str = "cpu",
    progress: bool = True,
    *,
    jobs: int = 1,
    backend: Backend = "loky",
    scheduler: str = "",
) -> ExtractionReport:
    """Extract features of videos into a store, which then holds exactly the videos that succeeded.

    A run that was stopped goes on with the next video. A video is extracted again only if its file, the settings or the
    weights have changed. Memory is bounded whatever the length of a video: in each process one snippet with its crops,
    one batch for the network, and the network, which is loaded once.

    The numbers do not depend on who makes a video, if all processes give torch as many threads: a processor's sums may
    come out another way in the last digit with another number of threads.

    Args:
        video_folder: holds the videos, name and one of the known endings.
        names: videos, in the order of the store.
        store_folder: where the store is or will be.
        settings: backbone, size, crops, batch, dtype and weights.
        device: of torch, in every process.
        progress: True for a bar with the time left, on a terminal, and a summary at the end.
        jobs: processes on this machine, sharing its cores; 1 works in this one. Not used with ``dask``.
        backend: ``loky`` for processes on this machine; ``dask`` for all workers of a cluster, which must see the same
            folders under the same names, and have this library and the weights. Where a worker dies another one takes its
            video; after two deaths at one video it counts as failed.
        scheduler: address of the Dask scheduler, e.g. ``tcp://host:8786``.

    Raises:
        ConfigError: a name is listed twice, the crop is larger than the frame or no CLIP input, or jobs, backend and scheduler
            do not fit.
        MissingFileError, DataError: the weights are missing or damaged. A missing or damaged video raises nothing: it
            is listed in the report's failures and the others are done.
        ExtractionError: no scheduler or worker answers, a process of ``loky`` died, or a worker has other weights or
            another disk. What is finished is kept.
        BusyError: another process extracts into this store.
        OutputError: the folder cannot be written or the disk is full.
    """
    if len(set(names)) != len(names):
        raise ConfigError("extract_dataset: a video is listed twice; names must be unique.")
    if jobs < 1 or backend not in ("loky", "dask") or (backend == "dask") != bool(scheduler):
        raise ConfigError(
            f"extract_dataset: expected jobs of 1 or more, and the backend dask with a scheduler's address or loky without, "
            f"got jobs {jobs}, backend {backend!r}, scheduler {scheduler!r}."
        )
    check_crop(settings.short_side, settings.crop_size)
    network = load_backbone(settings)
    contract = FeatureContract(
        backbone=network.backbone,
        dimension=network.dimension,
        weights_sha256=network.weights_sha256,
        weights_note=network.weights_note,
        short_side=settings.short_side,
        crop_size=settings.crop_size,
        crops=CROP_NAMES[settings.num_crops],
        dtype=settings.dtype,
        source="extracted by vad_lib from the data set's videos",
    )
    store_folder = Path(store_folder).resolve()
    paths: dict[str, Path] = {}
    sources: dict[str, str] = {}
    failures: dict[str, str] = {}
    for name in names:
        try:
            paths[name] = find_video(video_folder, name).resolve()
            sources[name] = file_sha256(paths[name])
        except (VadError, OSError) as error:
            failures[name] = str(error)
    parts_folder = store_folder / f"parts-{content_hash(contract.model_dump(mode='json'))[:12]}"
    # a folder in which there is nothing to do may be read-only
    with nullcontext() if _is_finished(store_folder, contract, sources) else sole_writer(store_folder):
        old = _matching_store(store_folder, contract)  # again: another process may have been at work until now
        parts = {name: parts_folder / f"{name}.{source[:16]}.npy" for name, source in sources.items()}
        in_store = {name for name in sources if old and name in old.videos and old.source_sha256(name) == sources[name]}
        missing = [name for name in sources if name not in in_store and not parts[name].is_file()]
        expected = {name: _expected_snippets(paths[name]) for name in missing}

        with tqdm(total=sum(expected.values()), unit="snippet", disable=None if progress else True) as bar:
            if backend == "loky" and jobs == 1:
                network = network.to(device)
                for name in missing:
                    bar.set_postfix_str(name)
                    if message := _try_video(paths[name], parts[name], network, settings, device, bar):
                        failures[name] = message
            elif missing:
                # the longest first, so that no process is left with one at the end
                queue = sorted(missing, key=lambda name: -expected[name])
                work = functools.partial(
                    _work, settings=settings, device=device, weights_sha256=contract.weights_sha256, counted=backend == "dask"
                )
                tasks = (joblib.delayed(work)(name, paths[name], parts[name]) for name in queue)
                with _workers(jobs, backend, scheduler) as parallel:
                    for name, message in parallel(tasks):
                        bar.update(expected[name])
                        if message:
                            failures[name] = message
                        elif not parts[name].is_file():
                            raise ExtractionError(
                                f"video {name}: a worker has written {parts[name]}, but it is not there; let all workers see one "
                                "folder under the same name, then run the command again."
                            )
        failures = {name: failures[name] for name in (*(n for n in names if n not in sources), *missing) if name in failures}
        good = [name for name in names if name not in failures]
        store = old
        if good and (old is None or old.videos != tuple(good) or in_store != set(good)):
            items = ((name, old.snippets(name) if name in in_store else _read_part(parts[name])) for name in good)
            store = FeatureStore.write(store_folder, contract, items, sources)
        if store:
            store.remove_others()
        for finished in store_folder.glob("parts-*"):
            shutil.rmtree(finished, ignore_errors=True)
    done = tuple(name for name in missing if name not in failures)
    skipped = tuple(name for name in good if name not in done)
    report = ExtractionReport(store if good else None, done, skipped, failures)
    if progress:
        print(report)
    return report


def _matching_store(folder: Path, contract: FeatureContract) -> FeatureStore | None:
    """The store that is there if its features can be kept; a damaged or different one is made anew."""
    try:
        return FeatureStore.open(folder, expect=contract.model_dump())
    except (DataError, MissingFileError):
        return None


def _is_finished(folder: Path, contract: FeatureContract, sources: dict[str, str]) -> bool:
    """True if the store holds these very videos and a killed process left nothing else behind."""
    store = _matching_store(folder, contract)
    return (
        store is not None
        and {name: store.source_sha256(name) for name in store.videos} == sources
        and store.videos == tuple(sources)
        and not store.others()
        and not any(folder.glob("parts-*"))
        and not (folder / LOCK_FILE).exists()
    )


def _expected_snippets(path: Path) -> int:
    with suppress(VadError):  # said when the video's turn comes
        return -(-header_frames(path) // FRAMES_PER_SNIPPET)
    return 0


_LOADING = threading.Lock()  # a Dask worker may have several threads


@functools.lru_cache(maxsize=1)
def _network(settings: FeatureSettings, device: str) -> I3D | ClipImage:
    return load_backbone(settings).to(device)


def _work(
    name: str, path: Path, part: Path, settings: FeatureSettings, device: str, weights_sha256: str, counted: bool
) -> tuple[str, str | None]:
    """One video, in a worker; its name, and the message if it cannot be extracted."""
    if part.is_file():  # finished by a worker that died before it could say so
        return name, None
    with _LOADING:
        network = _network(settings, device)
    if network.weights_sha256 != weights_sha256:
        raise ExtractionError(
            f"video {name}: this worker's weights {settings.weights!r} have the hash {network.weights_sha256[:12]}, expected "
            f"{weights_sha256[:12]}; give all workers the same weights, then run the command again."
        )
    if not counted:
        return name, _try_video(path, part, network, settings, device)
    part.parent.mkdir(parents=True, exist_ok=True)
    attempts = part.with_suffix(".attempts")  # one byte for each; it outlives a process that is killed, and nothing else
    with open(attempts, "ab") as stream:
        stream.write(b".")
        begun = stream.tell()
    try:
        # joblib waits for ever for a task that Dask gives up, which is at the fourth death unless configured otherwise
        if begun > MOST_DEATHS:
            return name, (
                f"video {name}: {MOST_DEATHS} workers died while they extracted it or its neighbours, often for want of memory; "
                "run the command again with fewer threads per worker, or take it out of videos.csv."
            )
        return name, _try_video(path, part, network, settings, device)
    finally:
        attempts.unlink(missing_ok=True)


@contextmanager
def _workers(jobs: int, backend: Backend, scheduler: str) -> Iterator[joblib.Parallel]:
    """Something that runs tasks and yields their results as they come; the death of workers becomes an ExtractionError."""
    again = "What is finished is kept: run the same command again to go on."
    options = {"return_as": "generator_unordered", "batch_size": 1}
    if backend == "loky":
        try:
            yield joblib.Parallel(n_jobs=jobs, backend="loky", **options)
        except BrokenProcessPool as error:
            raise ExtractionError(
                f"extraction: one of {jobs} processes was killed, often for want of memory. {again} Fewer jobs need less."
            ) from error
        return

    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ExtractionError(
            f"extraction: expected a Dask scheduler at {scheduler}, none answers ({error}); start `dask scheduler` and "
            "`dask worker`, then run the command again."
        ) from error
    with client:
        try:
            with joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=CONNECT_SECONDS):
                yield joblib.Parallel(n_jobs=-1, **options)
        except TimeoutError as error:
            raise ExtractionError(
                f"extraction: the Dask scheduler at {scheduler} has no workers; start some with `dask worker`. {again}"
            ) from error


def _try_video(
    path: Path, part: Path, network: I3D | ClipImage, settings: FeatureSettings, device: str, bar: tqdm | None = None
) -> str | None:
    """Write a video's part; the message if the video cannot be read."""
    try:
        _extract_video(path, part, network, settings, device, bar)
    except OutputError:
        raise
    except VadError as error:
        return str(error)
    return None


def _extract_video(
    path: Path, part: Path, network: I3D | ClipImage, settings: FeatureSettings, device: str, bar: tqdm | None
) -> None:
    """Write the features of one video as (T, N, D)."""
    crops, dimension = settings.num_crops, network.dimension
    waiting: list[np.ndarray] = []  # views that no forward has seen
    features: list[np.ndarray] = []  # of views, fewer than one snippet has
    with atomic_path(part) as temporary, growing_array(temporary, (crops, dimension), settings.dtype) as append:

        def forward(views: list[np.ndarray]) -> None:
            features.extend(network(network_input(np.stack(views), device)).cpu().numpy())
            complete = len(features) // crops * crops
            if complete:
                append(finite_rows(path.name, np.stack(features[:complete]), settings.dtype).reshape(-1, crops, dimension))
                del features[:complete]

        for snippet in read_snippets(path, settings.short_side, settings.crop_size, network.resize, network.places):
            waiting.extend(crop_views(snippet, settings.crop_size, crops))
            while len(waiting) >= settings.batch_size:
                forward(waiting[: settings.batch_size])
                del waiting[: settings.batch_size]
            if bar is not None:
                bar.update()
        if waiting:
            forward(waiting)


def _read_part(path: Path) -> np.ndarray:
    return read_array(path, mmap=True).swapaxes(0, 1)


@command_line("run the same command again to go on from here")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.data.extraction", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--dataset", required=True, help="folder name of a data set with videos.csv and videos/")
    add("--data", default="", help="folder of data sets, one folder each (default: data/<profile> in the project)")
    add("--profile", default="quick", help=f"one of {', '.join(PROFILES)} (default: quick)")
    add("--backbone", choices=("i3d", *PUBLISHED), default="i3d", help="the network (default: i3d)")
    add("--crops", type=int, choices=(1, 5, 10), help="beside the profile's features, those of so many crops")
    add("--clip-frames", choices=tuple(PLACES), default="middle", help="CLIP: a snippet's middle frame, or the mean of all 16")
    add("--weights", default="", help="checkpoint, or 'random' (default: Kinetics-400 for I3D, OpenAI's for CLIP)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="of torch, in every process")
    add("--jobs", type=int, default=1, help="processes on this machine (default: 1)")
    add("--backend", choices=("loky", "dask"), default="loky", help="processes on this machine, or a Dask cluster")
    add("--scheduler", default="", help="address of the Dask scheduler, e.g. tcp://host:8786")
    add("--wait", action="store_true", help="wait while another process extracts into the same store, instead of stopping")
    options = parser.parse_args(arguments)
    settings = get_profile(options.profile).features.for_backbone(options.backbone, options.clip_frames, options.weights)
    settings = settings.replace(num_crops=options.crops or settings.num_crops)
    layout = Layout.create(options.profile, data=options.data)
    records = load_dataset(layout.dataset(options.dataset), features=False).videos.records
    with waiting(options.wait):
        report = extract_dataset(
            layout.videos(options.dataset),
            [record.name for record in records],
            layout.features(options.dataset, options.backbone, options.crops or 0),
            settings,
            options.device,
            jobs=options.jobs,
            backend=options.backend,
            scheduler=options.scheduler,
        )
    return 1 if report.failures else 0


if __name__ == "__main__":
    # by its name, not as __main__: workers must find the functions of this module
    sys.exit(importlib.import_module("vad_lib.data.extraction").main())
