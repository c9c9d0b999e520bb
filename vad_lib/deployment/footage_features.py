"""Features of own footage, made as those were that a model was trained on, in one pass over each video, and kept.

Two files a video, named by the content of the video and of the recipe: the features, and what the pass said of the video (times,
lost frames). The second is written last. Neither holds a picture.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from vad_lib.config import FRAMES_PER_SNIPPET, FeatureSettings
from vad_lib.data.backbones.clip_image import BACKBONES as CLIP_BACKBONES
from vad_lib.data.backbones.i3d import FEATURE_DIM
from vad_lib.data.backbones.i3d_openvino import BACKBONE as I3D_BY_OPENVINO
from vad_lib.data.extraction_workers import backbone, engine_of, write_features
from vad_lib.data.feature_store import FeatureContract
from vad_lib.data.snippets import CROP_NAMES, cut_snippets
from vad_lib.data.video import Reading, VideoInfo
from vad_lib.deployment.small_copy import SmallCopy
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.storage.hashing import content_hash
from vad_lib.storage.reading import damaged_as_data_error, read_array, read_arrays
from vad_lib.storage.writing import write_arrays

I3D_BACKBONES = ("i3d-kinetics400", I3D_BY_OPENVINO, "as imported")  # the last is I3D only if the user says so by stating sizes
PADDING_RULES = ("repeat last frame", "as imported")


class Stopwatch(dict[str, float]):
    """Seconds by stage: ``decode``, ``features``, ``scores``, ``pictures`` and so on."""

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        begun = perf_counter()
        try:
            yield
        finally:
            self[stage] = self.get(stage, 0.0) + perf_counter() - begun

    def each(self, stage: str, items: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The items; the time until each comes is added to a stage."""
        source = iter(items)
        while True:
            with self(stage):
                item = next(source, None)
            if item is None:
                return
            yield item


class VideoFeatures(NamedTuple):
    """Features of one video, and what the file holds.

    Attributes:
        features: float (T, N, D), read from disk when asked for.
        info: sizes, times and notes.
    """

    features: np.ndarray
    info: VideoInfo


def feature_recipe(
    contract: FeatureContract, *, short_side: int | None = None, crop_size: int | None = None, weights: str = ""
) -> FeatureSettings:
    """Settings that extract features as a contract has them.

    Args:
        contract: of the features that a model was trained on.
        short_side: pixels of the shorter side; only for imported features, whose contract does not know it.
        crop_size: pixels of a square crop, likewise. Stating both also says that the features are I3D's with stride 16.
        weights: path of a checkpoint of the backbone; empty for Kinetics-400's (I3D) or OpenAI's (CLIP).

    Raises:
        DataError: such features cannot be made here from pixels: another backbone, width, stride, padding or crops, or
            other weights.
        ConfigError: a size is not known and not stated, or stated otherwise than the contract has it; or the features are
            OpenVINO's, which cannot run here.
        MissingFileError: the weights are missing.
    """
    kind, clip_frames = CLIP_BACKBONES.get(contract.backbone, ("i3d", "middle"))
    _check_possible(contract, kind)
    settings = FeatureSettings(
        backbone=kind,
        clip_frames=clip_frames,
        short_side=_known_size("short_side", contract.short_side, short_side),
        crop_size=_known_size("crop_size", contract.crop_size, crop_size),
        num_crops=len(contract.crops),
        dtype=contract.dtype,
        weights=weights,
        engine=engine_of(contract),
    )
    found = backbone(settings, "cpu").weights_sha256
    if contract.weights_sha256 not in ("", found):
        known = contract.weights_note or contract.weights_sha256[:12]
        raise DataError(
            f"the model was trained on features of other {'I3D' if kind == 'i3d' else 'CLIP'} weights ({known}) than "
            f"{settings.weights} ({found[:12]}); give their checkpoint with --weights."
        )
    return settings


def _check_possible(contract: FeatureContract, kind: str) -> None:
    """Refuse features that cannot be made here from pixels."""
    possible = {
        "backbone": (*I3D_BACKBONES, *CLIP_BACKBONES),
        "dimension": (FEATURE_DIM,) if kind == "i3d" else (contract.dimension,),
        "frames_per_snippet": (FRAMES_PER_SNIPPET,),
        "stride": (FRAMES_PER_SNIPPET,),
        "padding_rule": PADDING_RULES,
        "crops": tuple(CROP_NAMES.values()),
    }
    for name, values in possible.items():
        if (found := getattr(contract, name)) not in values:
            raise DataError(
                f"{name} of the features that the model was trained on is {found!r}, which cannot be made here from pixels (only "
                f"{' or '.join(map(repr, values))}); train a model on features extracted here."
            )


def _known_size(name: str, known: int | None, stated: int | None) -> int:
    """A size in pixels: the contract's, or else the one that was stated."""
    if known is not None and stated not in (None, known):
        raise ConfigError(f"{name}: the model was trained on features with {known}, {stated} was stated; leave it out.")
    size = stated if known is None else known
    if size is None:
        raise ConfigError(
            f"{name}: the model was trained on imported features, whose recipe is not known here; if they are I3D's with "
            "stride 16 (vad_lib.data.feature_comparison tells), state the sizes, e.g. --short-side 256 --crop-size 224."
        )
    return size


def recipe_key(recipe: FeatureSettings, weights_sha256: str) -> str:
    """Identifies features that are made alike: all settings but the size of a batch and the place of the weights."""
    # torch is left out: features that were kept before there was a choice stay valid
    left_out = {"batch_size", "weights"} | ({"engine"} if recipe.engine == "torch" else set())
    return content_hash([recipe.model_dump(mode="json", exclude=left_out), weights_sha256])


def video_features(
    path: Path,
    sha256: str,
    recipe: FeatureSettings,
    folder: Path,
    *,
    device: str = "cpu",
    copy: SmallCopy | None = None,
    bar: tqdm | None = None,
    spent: Stopwatch | None = None,
) -> VideoFeatures:
    """Features of a video, from ``folder`` if they are there, else made and kept there.

    Memory does not grow with the pixels of the video. The numbers are those of :func:`vad_lib.data.extraction.extract_dataset`.

    Args:
        path: the video.
        sha256: hash of its content.
        recipe: how features are made.
        folder: that keeps them; made if missing.
        device: of torch.
        copy: takes the frames on the way, if features are made now or it is not there; None for none.
        bar: is moved on by one for each snippet that is made now.
        spent: gets the seconds of ``decode`` (with scaling), ``features`` (the network) and ``copy`` (waiting for its encoder).

    Raises:
        MissingFileError: no such video, or no weights of the backbone.
        DataError: the video cannot be decoded.
        OutputError: the folder cannot be written or the disk is full; what was there is whole.
    """
    spent = Stopwatch() if spent is None else spent
    network = backbone(recipe, device)
    stem = f"{sha256[:20]}-{recipe_key(recipe, network.weights_sha256)[:12]}"
    values, about = folder / f"{stem}.npy", folder / f"{stem}.npz"
    if copy is not None and copy.is_there():
        copy = None
    found = None
    with suppress(DataError, MissingFileError):  # not there yet, or damaged
        found = _kept(values, about)
    if found is not None:
        if copy is not None:
            with spent("copy"):
                for _ in _frames(Reading(path), copy, Stopwatch()):
                    pass
        return found
    reading, inside, begun = Reading(path), Stopwatch(), perf_counter()
    frames = _frames(reading, copy, inside)
    snippets = cut_snippets(frames, recipe.short_side, recipe.crop_size, network.resize, network.places)
    write_features(path.name, values, inside.each("decode", snippets), network, recipe, device, bar)
    copying = inside.get("copy", 0.0)
    made = {"decode": inside["decode"] - copying, "copy": copying, "features": perf_counter() - begun - inside["decode"]}
    spent.update({stage: spent.get(stage, 0.0) + seconds for stage, seconds in made.items()})
    _keep_info(about, reading.info)
    return _kept(values, about)


def _frames(reading: Reading, copy: SmallCopy | None, spent: Stopwatch) -> Iterator[np.ndarray]:
    """The frames of a video, which a copy takes on the way."""
    if copy is None:
        yield from (frame.pixels for frame in reading)
        return
    try:
        for frame in reading:
            with spent("copy"):
                copy.take(frame)
            yield frame.pixels
        with spent("copy"):
            copy.finish()
    finally:
        copy.abandon()


def _keep_info(path: Path, info: VideoInfo) -> None:
    sizes = np.array([info.fps, info.width, info.height], dtype=np.float64)
    lost, notes = np.array(info.lost, dtype=np.int64), np.array(info.notes, dtype=np.str_)
    write_arrays(path, {"sizes": sizes, "seconds": info.seconds, "lost": lost, "notes": notes})


def _kept(values: Path, about: Path) -> VideoFeatures:
    found = read_arrays(about)
    with damaged_as_data_error(about, "what is known of a video"):
        fps, width, height = found["sizes"].tolist()
        lost, notes = tuple(found["lost"].tolist()), tuple(found["notes"].tolist())
        info = VideoInfo(len(found["seconds"]), fps, int(width), int(height), found["seconds"], lost, notes)
    features = read_array(values, mmap=True)
    if len(features) != -(-info.num_frames // FRAMES_PER_SNIPPET):
        raise DataError(f"{values}: expected features of {info.num_frames:,} frames, got {len(features):,} snippets.")
    return VideoFeatures(features, info)
