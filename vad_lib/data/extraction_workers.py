"""One video's features, by whichever process makes them: this one, another on this machine, or a worker of a Dask cluster."""

import functools
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

import joblib
import numpy as np
from tqdm import tqdm

from vad_lib.config import FRAMES_PER_SNIPPET, FeatureSettings
from vad_lib.data.backbones.clip_image import ClipImage, load_clip_image
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.backbones.i3d_openvino import I3DOpenVINO
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.feature_store import FeatureContract
from vad_lib.data.feature_store_files import finite_rows, growing_array
from vad_lib.data.snippets import crop_views, network_input, read_snippets
from vad_lib.data.video import header_frames
from vad_lib.errors import ConfigError, ExtractionError, OutputError, VadError
from vad_lib.storage.writing import atomic_path

Backend = Literal["loky", "dask"]

CONNECT_SECONDS = 10

MOST_DEATHS = 2  # of Dask workers at one video

_LOADING = threading.Lock()  # a Dask worker may have several threads


class Workers(NamedTuple):
    """Who works.

    Attributes:
        jobs: processes on this machine, sharing its cores; 1 works in this one. Not used with ``dask``.
        backend: ``loky`` for processes on this machine; ``dask`` for all workers of a cluster, which must see the same folders
            under the same names, and have this library, the model and the weights.
        scheduler: address of the Dask scheduler, e.g. ``tcp://host:8786``.
    """

    jobs: int = 1
    backend: Backend = "loky"
    scheduler: str = ""

    def check(self) -> None:
        """Raise a ConfigError if the three do not fit."""
        if self.jobs < 1 or self.backend not in ("loky", "dask") or (self.backend == "dask") != bool(self.scheduler):
            raise ConfigError(
                "expected jobs of 1 or more, and the backend dask with a scheduler's address or loky without, got jobs "
                f"{self.jobs}, backend {self.backend!r}, scheduler {self.scheduler!r}."
            )


def load_backbone(settings: FeatureSettings, device: str = "cpu") -> I3D | ClipImage:
    """The network that the settings name, with weights, on the CPU.

    Args:
        settings: backbone, engine and weights.
        device: of torch, where the network is to work.

    Raises:
        MissingFileError, DataError: the weights are missing or damaged.
        ConfigError: crops of another size than CLIP takes; or OpenVINO is asked for on another device than the CPU, on a
            processor without bf16, or is not installed.
    """
    if settings.engine != "torch" and not device.startswith("cpu"):
        raise ConfigError(f"the engine {settings.engine} runs on the device cpu, got {device!r}; choose cpu, or the engine torch.")
    if settings.backbone == "i3d":
        return load_i3d(settings.weights) if settings.engine == "torch" else I3DOpenVINO(load_i3d(settings.weights))
    network = load_clip_image(settings.backbone, settings.clip_frames, settings.weights)
    if settings.crop_size != network.pixels:
        raise ConfigError(
            f"crop_size {settings.crop_size}: {settings.backbone} takes squares of {network.pixels} pixels; set crop_size to that, "
            f"and short_side to {network.pixels} (CLIP's own view) or more, as FeatureSettings.for_backbone does."
        )
    return network


def engine_of(contract: FeatureContract) -> Literal["torch", "openvino-bf16"]:
    """What ran the network that made the features of a contract: ``engine`` of the feature settings."""
    return "openvino-bf16" if contract.backbone == I3DOpenVINO.backbone else "torch"


@functools.lru_cache(maxsize=1)
def backbone(settings: FeatureSettings, device: str) -> I3D | ClipImage:
    """The network of :func:`load_backbone`, on its device, loaded once in a process."""
    return load_backbone(settings, device).to(device)


def expected_snippets(path: Path) -> int:
    """Snippets of a video as its header has them; 0 for one that cannot be opened, which is said when its turn comes."""
    with suppress(VadError):
        return -(-header_frames(path) // FRAMES_PER_SNIPPET)
    return 0


def try_video(
    path: Path, part: Path, network: I3D | ClipImage, settings: FeatureSettings, device: str, bar: tqdm | None = None
) -> str | None:
    """Extract the features of one video.

    Args:
        path: the video.
        part: file that gets them, (T, N, D).
        network: on ``device``.
        settings: size, crops, batch and dtype.
        device: of torch.
        bar: is moved on by one for each snippet.

    Returns:
        None, or what is wrong with the video.

    Raises:
        OutputError: the part cannot be written or the disk is full.
    """
    try:
        snippets = read_snippets(path, settings.short_side, settings.crop_size, network.resize, network.places)
        write_features(path.name, part, snippets, network, settings, device, bar)
    except OutputError:
        raise
    except VadError as error:
        return str(error)
    return None


def write_features(
    name: str,
    part: Path,
    snippets: Iterable[np.ndarray],
    network: I3D | ClipImage,
    settings: FeatureSettings,
    device: str,
    bar: tqdm | None = None,
) -> None:
    """Write the features of snippets, (T, N, D), atomically; one snippet and one batch of views are held at a time.

    Args:
        name: of the video, for messages.
        part: file that gets them.
        snippets: as :func:`~vad_lib.data.snippets.read_snippets` gives them for ``network``.
        network: on ``device``.
        settings: crops, batch and dtype.
        device: of torch.
        bar: is moved on by one for each snippet.

    Raises:
        DataError: a feature is not finite.
        OutputError: the part cannot be written or the disk is full.
    """
    crops, dimension = settings.num_crops, network.dimension
    waiting: list[np.ndarray] = []  # views that no forward has seen
    features: list[np.ndarray] = []  # of views, fewer than one snippet has
    with atomic_path(part) as temporary, growing_array(temporary, (crops, dimension), settings.dtype) as append:

        def forward(views: list[np.ndarray]) -> None:
            features.extend(network(network_input(np.stack(views), device)).cpu().numpy())
            complete = len(features) // crops * crops
            if complete:
                append(finite_rows(name, np.stack(features[:complete]), settings.dtype).reshape(-1, crops, dimension))
                del features[:complete]

        for snippet in snippets:
            waiting.extend(crop_views(snippet, settings.crop_size, crops))
            while len(waiting) >= settings.batch_size:
                forward(waiting[: settings.batch_size])
                del waiting[: settings.batch_size]
            if bar is not None:
                bar.update()
        if waiting:
            forward(waiting)


def work(
    name: str, path: Path, part: Path, settings: FeatureSettings, device: str, weights_sha256: str, counted: bool
) -> tuple[str, str | None]:
    """Extract one video in a worker, which loads the network for its first one.

    Args:
        name: of the video.
        path: the video.
        part: file that gets its features.
        settings: backbone, size, crops, batch, dtype and weights.
        device: of torch.
        weights_sha256: hash that the worker's weights must have.
        counted: True to give up a video at which :data:`MOST_DEATHS` workers have died.

    Returns:
        the name, and None or what is wrong with the video.

    Raises:
        ExtractionError: this worker has other weights.
        OutputError: the part cannot be written or the disk is full.
    """
    if part.is_file():  # finished by a worker that died before it could say so
        return name, None
    with _LOADING:
        network = backbone(settings, device)
    if network.weights_sha256 != weights_sha256:
        raise ExtractionError(
            f"video {name}: this worker's weights {settings.weights!r} have the hash {network.weights_sha256[:12]}, expected "
            f"{weights_sha256[:12]}; give all workers the same weights, then run the command again."
        )
    if not counted:
        return name, try_video(path, part, network, settings, device)
    with counted_attempt(part.with_suffix(".attempts")) as allowed:
        return name, try_video(path, part, network, settings, device) if allowed else gave_up(name)


@contextmanager
def counted_attempt(file: Path) -> Iterator[bool]:
    """Count the attempts of Dask workers at a video, so that one at which they die is given up.

    joblib waits for ever for a task that Dask gives up, which is at the fourth death unless configured otherwise.

    Args:
        file: gets one byte for each attempt; it outlives a process that is killed, and nothing else.

    Yields:
        False if :data:`MOST_DEATHS` workers have died at it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "ab") as stream:
        stream.write(b".")
        begun = stream.tell()
    try:
        yield begun <= MOST_DEATHS
    finally:
        file.unlink(missing_ok=True)


def gave_up(name: str) -> str:
    """What is said of a video at which workers died."""
    return (
        f"video {name}: {MOST_DEATHS} workers died while they extracted it or its neighbours, often for want of memory; "
        "run the command again with fewer threads per worker, or leave it out."
    )


@contextmanager
def start_workers(jobs: int, backend: Backend, scheduler: str) -> Iterator[joblib.Parallel]:
    """Start workers for the block.

    Args:
        jobs: processes on this machine; not used with ``dask``.
        backend: ``loky`` or ``dask``.
        scheduler: address of the Dask scheduler.

    Yields:
        what runs joblib's tasks and gives their results as they come.

    Raises:
        ExtractionError: no scheduler or worker answers, or a process on this machine died.
    """
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

    try:  # here, because few need it
        from distributed import Client
    except ImportError as error:
        raise ConfigError('extraction: the backend dask needs the package distributed: pip install -e ".[cluster]"') from error

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
