"""Extraction: video files -> features of I3D or CLIP in a store, by one process, several, or a Dask cluster.

Every finished video is a *part*, a file of its own, until the store is written. Parts are renamed into place when
complete, and any worker may make any of them, twice if need be: they come out the same. A run that was stopped, or whose
workers died, therefore goes on with the videos that have no part.

    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper
    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper --jobs 8
    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper --backend dask --scheduler tcp://host:8786
    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper --backbone clip-vit-b-16
    python -m vad_lib.data.extraction --dataset my-set --data DIR --profile paper --device cpu --engine openvino-bf16

Features of I3D and of each CLIP model lie in stores of their own (:func:`vad_lib.storage.paths.feature_store`). Those of I3D by
OpenVINO lie where those by PyTorch do, under a contract of their own: a change of the engine makes all of them anew.
"""

import argparse
import functools
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
from tqdm import tqdm

from vad_lib.config import PROFILES, FeatureSettings, get_profile
from vad_lib.data import extraction_workers as workers
from vad_lib.data.backbones.clip_image import PLACES, ClipImage
from vad_lib.data.backbones.clip_weights import PUBLISHED
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.importing.import_record import videos_folder
from vad_lib.data.snippets import CROP_NAMES, check_crop
from vad_lib.data.video_files import find_videos
from vad_lib.errors import ConfigError, DataError, ExtractionError, MissingFileError, VadError, command_line
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.locks import LOCK_FILE, sole_writer, waiting
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_array


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


def extract_dataset(
    videos: Path | str | Mapping[str, Path],
    names: Sequence[str],
    store_folder: Path | str,
    settings: FeatureSettings,
    device: str = "cpu",
    progress: bool = True,
    *,
    jobs: int = 1,
    backend: workers.Backend = "loky",
    scheduler: str = "",
) -> ExtractionReport:
    """Extract features of videos into a store, which then holds exactly the videos that succeeded.

    A run that was stopped goes on with the next video. A video is extracted again only if its file, the settings or the
    weights have changed. Memory is bounded whatever the length of a video: in each process one snippet with its crops,
    one batch for the network, and the network, which is loaded once.

    The numbers do not depend on who makes a video, if all processes give torch as many threads: a processor's sums may
    come out another way in the last digit with another number of threads.

    Args:
        videos: the folder that holds them, name and one of the known endings; or the file of each name.
        names: videos, in the order of the store.
        store_folder: where the store is or will be.
        settings: backbone, engine, size, crops, batch, dtype and weights.
        device: of torch, in every process.
        progress: True for a bar with the time left, on a terminal, and a summary at the end.
        jobs: processes on this machine, sharing its cores; 1 works in this one. Not used with ``dask``.
        backend: ``loky`` for processes on this machine; ``dask`` for all workers of a cluster, which must see the same
            folders under the same names, and have this library and the weights. Where a worker dies another one takes its
            video; after two deaths at one video it counts as failed.
        scheduler: address of the Dask scheduler, e.g. ``tcp://host:8786``.

    Raises:
        ConfigError: a name is listed twice, the crop is larger than the frame or no CLIP input, jobs, backend and scheduler
            do not fit, or the engine cannot run here.
        MissingFileError, DataError: the weights are missing or damaged. A missing or damaged video raises nothing: it
            is listed in the report's failures and the others are done.
        ExtractionError: no scheduler or worker answers, a process of ``loky`` died, or a worker has other weights or
            another disk. What is finished is kept.
        BusyError: another process extracts into this store.
        OutputError: the folder cannot be written or the disk is full.
    """
    if len(set(names)) != len(names):
        raise ConfigError("extract_dataset: a video is listed twice; names must be unique.")
    workers.Workers(jobs, backend, scheduler).check()
    check_crop(settings.short_side, settings.crop_size)
    network = workers.load_backbone(settings, device)
    contract = _contract(network, settings)
    store_folder = Path(store_folder).resolve()
    paths, sources, failures = _find_videos(videos, names)
    parts_folder = store_folder / f"parts-{content_hash(contract.model_dump(mode='json'))[:12]}"
    # a folder in which there is nothing to do may be read-only
    with nullcontext() if _is_finished(store_folder, contract, sources) else sole_writer(store_folder):
        old = _matching_store(store_folder, contract)  # again: another process may have been at work until now
        # beginnings of names: temporary files, whose names are longer, must fit into 255 bytes
        parts = {name: parts_folder / f"{name[:50]}.{source[:16]}.npy" for name, source in sources.items()}
        in_store = {name for name in sources if old and name in old.videos and old.source_sha256(name) == sources[name]}
        missing = {name: paths[name] for name in sources if name not in in_store and not parts[name].is_file()}
        expected = {name: workers.expected_snippets(path) for name, path in missing.items()}
        with tqdm(total=sum(expected.values()), unit="snippet", disable=None if progress else True) as bar:
            if backend == "loky" and jobs == 1:
                network = network.to(device)
                for name, path in missing.items():
                    bar.set_postfix_str(name)
                    if message := workers.try_video(path, parts[name], network, settings, device, bar):
                        failures[name] = message
            elif missing:
                work = functools.partial(
                    workers.work,
                    settings=settings,
                    device=device,
                    weights_sha256=contract.weights_sha256,
                    counted=backend == "dask",
                )
                with workers.start_workers(jobs, backend, scheduler) as parallel:
                    failures |= _extract_by(parallel, work, missing, parts, expected, bar)
        failures = {name: failures[name] for name in (*(n for n in names if n not in sources), *missing) if name in failures}
        good = [name for name in names if name not in failures]
        store = old
        if good and (old is None or old.videos != tuple(good) or in_store != set(good)):
            items = ((name, old.snippets(name) if old and name in in_store else _read_part(parts[name])) for name in good)
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


def _contract(network: I3D | ClipImage, settings: FeatureSettings) -> FeatureContract:
    return FeatureContract(
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


def _find_videos(
    videos: Path | str | Mapping[str, Path], names: Sequence[str]
) -> tuple[dict[str, Path], dict[str, str], dict[str, str]]:
    """Files and their hashes by video, and a message for each that cannot be read."""
    found: Mapping[str, Path]
    found, failures = (videos, {}) if isinstance(videos, Mapping) else find_videos(videos, names)
    paths = {name: path.resolve() for name, path in found.items()}
    sources: dict[str, str] = {}
    for name, path in paths.items():
        try:
            sources[name] = file_sha256(path)
        except (VadError, OSError) as error:
            failures[name] = str(error)
    return paths, sources, failures


def _extract_by(
    parallel: joblib.Parallel,
    work: Callable[[str, Path, Path], tuple[str, str | None]],
    missing: dict[str, Path],
    parts: dict[str, Path],
    expected: dict[str, int],
    bar: tqdm,
) -> dict[str, str]:
    """Let workers make the parts of the missing videos; a message for each video that failed."""
    failures: dict[str, str] = {}
    # the longest first, so that no process is left with one at the end
    queue = sorted(missing, key=lambda name: -expected[name])
    for name, message in parallel(joblib.delayed(work)(name, missing[name], parts[name]) for name in queue):
        bar.update(expected[name])
        if message:
            failures[name] = message
        elif not parts[name].is_file():
            raise ExtractionError(
                f"video {name}: a worker has written {parts[name]}, but it is not there; let all workers see one "
                "folder under the same name, then run the command again."
            )
    return failures


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
    add("--engine", choices=("torch", "openvino-bf16"), help="I3D: PyTorch, or OpenVINO on a CPU with bf16 (default: torch)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="of torch, in every process")
    add("--jobs", type=int, default=1, help="processes on this machine (default: 1)")
    add("--backend", choices=("loky", "dask"), default="loky", help="processes on this machine, or a Dask cluster")
    add("--scheduler", default="", help="address of the Dask scheduler, e.g. tcp://host:8786")
    add("--wait", action="store_true", help="wait while another process extracts into the same store, instead of stopping")
    options = parser.parse_args(arguments)
    layout = Layout.create(options.profile, data=options.data)
    dataset = load_dataset(layout.dataset(options.dataset), features=False)
    settings = get_profile(options.profile).features_of(dataset.counterpart)
    settings = settings.for_backbone(options.backbone, options.clip_frames, options.weights)
    settings = settings.replace(num_crops=options.crops or settings.num_crops, engine=options.engine or settings.engine)
    with waiting(options.wait):
        report = extract_dataset(
            videos_folder(layout.dataset(options.dataset)),
            [record.name for record in dataset.videos.records],
            layout.features(options.dataset, options.backbone, options.crops or 0),
            settings,
            options.device,
            jobs=options.jobs,
            backend=options.backend,
            scheduler=options.scheduler,
        )
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
