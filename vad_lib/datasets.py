"""A data set on disk -> videos with labels, a validation split, and batches of bags.

A data set is a folder, whether built in or a user's own:

* ``dataset.json``: name, title, categories (the normal one first), headline metric, and where it is from;
* ``videos.csv``: the videos (:mod:`vad_lib.annotations`);
* ``store/``: the feature store (:mod:`vad_lib.features`), and folders in it for features of other backbones than I3D;
* ``videos/`` or ``features/``: the user's own videos or feature files, from which the store is made.

Each crop of a training video is a sample of its own, or all its crops are one sample. A batch is a pure
function of seed and step, so training that is stopped and resumed sees exactly the batches it would have seen.
"""

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from vad_lib.annotations import MaskRule, VideoList, VideoRecord, read_video_csv
from vad_lib.config import Settings
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.features import FeatureStore
from vad_lib.files import plain_name, read_json
from vad_lib.method import Batch
from vad_lib.paths import feature_store

_HOW_TO_MAKE = (
    "`make reproduce` and notebook 01_feature_prep make the built-in sets, `python -m vad_lib.adapters import` makes one of your "
    "own lists and features"
)


class DatasetInfo(Settings):
    """Content of ``dataset.json``."""

    name: str = Field(min_length=1, description="name of the folder, used in commands")
    title: str = Field(min_length=1, description="name in tables and figures")
    categories: tuple[str, ...] = Field(min_length=2, description="the normal category first")
    headline_metric: Literal["auc", "ap"]
    counterpart: str = Field("", description="public data set that this one stands for; empty if none")
    source: str = Field(description="where the videos are from")
    synthetic: bool = Field(description="True if rendered; every table and figure then says so")
    fps: float = Field(gt=0, description="frames per second")
    mask_rule: MaskRule = Field("frames", description="how intervals become frame masks, see annotations.ground_truth_mask")
    tail: Literal["exact", "extend"] = Field(
        "exact",
        description="exact: one snippet per 16 frames, the last one filled up; extend: features may end up to 16 frames "
        "before the video does, and the last score then holds to the video's end",
    )
    note: str = Field("", description="what a reader of every table must know, e.g. that test videos are missing")

    @field_validator("name")
    @classmethod
    def _of_a_folder(cls, value: str) -> str:
        if not plain_name(value):  # results are written to a folder of this name
            raise ValueError("expected the name of a folder, without folders before it")
        return value


@dataclass(frozen=True)
class Dataset:
    """A loaded data set.

    Attributes:
        folder: where it lies.
        info: content of ``dataset.json``.
        videos: all videos, training and test.
        store: the features; None if loaded without them.
    """

    folder: Path
    info: DatasetInfo
    videos: VideoList
    store: FeatureStore | None

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def title(self) -> str:
        return self.info.title

    @property
    def categories(self) -> tuple[str, ...]:
        return self.info.categories

    @property
    def headline_metric(self) -> str:
        return self.info.headline_metric

    @property
    def counterpart(self) -> str:
        return self.info.counterpart

    @property
    def synthetic(self) -> bool:
        return self.info.synthetic

    @property
    def fps(self) -> float:
        return self.info.fps


def load_dataset(
    folder: Path | str, *, features: bool = True, expect: dict[str, Any] | None = None, backbone: str = "i3d", crops: int = 0
) -> Dataset:
    """Read a data set and check that list and features belong together.

    Args:
        folder: the data set's folder.
        features: False to read the list of videos only.
        expect: fields of the feature contract that must have these values, e.g. ``{"dimension": 1024}``.
        backbone: whose features to open, as in ``FeatureSettings``; imported ones lie where I3D's do.
        crops: 5 or 10 for features made with so many beside those of the profile; 0 for those of the profile.

    Returns:
        the data set. Features of videos that are not listed are left unused, with a warning.

    Raises:
        MissingFileError: the folder, ``dataset.json``, ``videos.csv`` or the features are missing.
        DataError: ``dataset.json`` or ``videos.csv`` is wrong, a category is unknown, a listed video has no
            features or not one snippet per 16 frames, or the features break ``expect``; names the video.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(f"data set {folder}: expected dataset.json and videos.csv, found no folder; {_HOW_TO_MAKE}.")
    info = _read_info(folder / "dataset.json")
    videos = read_video_csv(folder / "videos.csv", info.categories, info.mask_rule)
    if not features:
        return Dataset(folder, info, videos, None)
    place = feature_store(folder, backbone, crops)
    if not place.is_dir():
        asked = f"--backbone {backbone}" * (backbone != "i3d") + f" --crops {crops}" * (crops > 0)
        how = f"`python -m vad_lib.extraction --dataset {info.name} {asked.strip()}` makes it" if asked else _HOW_TO_MAKE
        raise MissingFileError(f"data set {info.name}: expected a feature store in {place}, found none; {how}.")
    store = FeatureStore.open(place, expect=expect)
    _check_features(info, videos, store)
    return Dataset(folder, info, videos, store)


def _read_info(path: Path) -> DatasetInfo:
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected named values, got a {type(content).__name__}; see any built-in data set's dataset.json.")
    try:
        info = DatasetInfo(**content)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from None
    if len(set(info.categories)) != len(info.categories):
        raise DataError(f"{path}: a category is given twice: {', '.join(info.categories)}. Remove one.")
    return info


def _check_features(info: DatasetInfo, videos: VideoList, store: FeatureStore) -> None:
    name, listed = info.name, [record.name for record in videos.records]
    missing, surplus = sorted(set(listed) - set(store.videos)), sorted(set(store.videos) - set(listed))
    if missing:
        raise DataError(
            f"data set {name}: {len(missing)} of {len(listed)} listed videos have no features ({', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}). Extract them (notebook 01_feature_prep) or remove them from videos.csv."
        )
    if surplus:
        warnings.warn(
            f"data set {name}: features of {len(surplus)} videos that videos.csv does not list are left unused "
            f"({', '.join(surplus[:5])}{', ...' if len(surplus) > 5 else ''}).",
            stacklevel=3,
        )
    for record in videos.records:
        expected, found = -(-record.num_frames // store.contract.frames_per_snippet), store.num_snippets(record.name)
        if found != expected and not (info.tail == "extend" and found == expected - 1 > 0):
            raise DataError(
                f"data set {name}: video {record.name} has {record.num_frames:,} frames, so {expected:,} snippets of "
                f"{store.contract.frames_per_snippet}, but features of {found:,}; correct its n_frames or extract it again."
            )


# --- splits and labels ----------------------------------------------------------------------------


def validation_split(dataset: Dataset, fraction: float, seed: int) -> tuple[tuple[VideoRecord, ...], tuple[VideoRecord, ...]]:
    """Divide the training videos, stratified by category.

    Normal and abnormal videos are divided separately: sorted by category, shuffled inside each, and every
    (1 / fraction)-th one held out from a random start. No category is then more than one video from its share,
    and up to a fraction of one half none with two videos or more is held out whole.

    Args:
        dataset: its training videos are divided; no frame annotation is looked at.
        fraction: share to hold out, in (0, 1); at least one video of either class is held out and one kept.
        seed: same seed, same split.

    Returns:
        videos to fit and videos to hold out, each in the order of the data set.

    Raises:
        DataError: fewer than two normal or two abnormal training videos.
    """
    rng = np.random.default_rng(seed)
    records = dataset.videos.split("train")
    held_out: set[str] = set()
    for kind, abnormal in (("normal", False), ("abnormal", True)):
        group = [record for record in records if dataset.videos.is_abnormal(record) == abnormal]
        if len(group) < 2:
            raise DataError(
                f"data set {dataset.name}: a validation split needs 2 {kind} training videos, got {len(group)}; add videos."
            )
        shuffled = [group[i] for i in rng.permutation(len(group))]
        ordered = sorted(shuffled, key=lambda record: record.categories)
        size = max(int(len(group) * fraction), 1)
        places = np.floor((np.arange(size) + rng.random()) * len(group) / size).astype(int)
        held_out.update(ordered[place].name for place in places)
    fit = tuple(record for record in records if record.name not in held_out)
    return fit, tuple(record for record in records if record.name in held_out)


def permute_labels(dataset: Dataset, seed: int) -> Dataset:
    """Control: the training videos' labels shuffled, validation videos included; a method must end near chance.

    Args:
        dataset: any; its test videos stay as they are.
        seed: same seed and videos, same permutation.

    Returns:
        the same data set with the categories of the training videos dealt out anew; how often a category
        occurs does not change.
    """
    train = dataset.videos.split("train")
    order = np.random.default_rng(seed).permutation(len(train))
    dealt = {record.name: train[i].categories for record, i in zip(train, order)}
    records = (dataclasses.replace(r, categories=dealt.get(r.name, r.categories)) for r in dataset.videos.records)
    return dataclasses.replace(dataset, videos=dataclasses.replace(dataset.videos, records=tuple(records)))


# --- batches --------------------------------------------------------------------------------------


class BalancedBatches:
    """Training batches: as many normal as abnormal samples, a sample being one crop of one video or all of them.

    Either class is gone through in an order shuffled anew for each epoch of that class, so every sample is
    used equally often; the smaller class wraps earlier.

    Args:
        dataset: loaded with its features.
        records: videos to train on.
        num_segments: N, segments per video.
        batch_size: samples of one class.
        seed: same seed and step, same batch.
        device: where the batch is put.
        resampling: how videos become segments, see :func:`vad_lib.features.resampled`.
        crops: ``apart``, each crop of a video a sample; or ``together``.

    Raises:
        DataError: no normal or no abnormal video.
    """

    def __init__(
        self,
        dataset: Dataset,
        records: Sequence[VideoRecord],
        num_segments: int,
        batch_size: int,
        seed: int,
        device: str = "cpu",
        *,
        resampling: str = "means",
        crops: str = "apart",
    ) -> None:
        self._names = tuple(record.name for record in records)
        self._targets = np.stack([dataset.videos.category_target(record) for record in records])
        segments = dataset.store.segments(num_segments, resampling)
        # One row per sample: gathering along one axis is faster than along two.
        rows = segments if crops == "together" else segments.reshape(-1, 1, *segments.shape[2:])
        self._lengths = np.full(len(records), num_segments)
        if resampling != "means":
            self._lengths = np.array([min(dataset.store.num_snippets(name), num_segments) for name in self._names])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # and nothing writes to it
            self._segments = torch.from_numpy(rows)
        # Kept from batch to batch: getting as much new memory from the system takes several times as long as filling it.
        # A GPU gets the stored type and widens it there.
        dtype = torch.float32 if torch.device(device).type == "cpu" else self._segments.dtype
        self._gathered = torch.empty((2 * batch_size, *rows.shape[1:]), dtype=dtype)
        place = {video: i for i, video in enumerate(dataset.store.videos)}
        self._place = np.array([place[name] for name in self._names])
        self._batch_size, self._seed, self._device = batch_size, seed, device
        abnormal = np.array([dataset.videos.is_abnormal(record) for record in records])
        self._num_rows = len(rows) // len(segments)  # per video
        self._samples = []
        for kind, chosen in (("normal", ~abnormal), ("abnormal", abnormal)):
            if not chosen.any():
                raise DataError(f"data set {dataset.name}: training needs {kind} videos, got none of {len(records)}; add some.")
            rows, columns = np.meshgrid(np.flatnonzero(chosen), np.arange(self._num_rows), indexing="ij")
            self._samples.append(np.stack([rows.ravel(), columns.ravel()], axis=1))

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0: ``batch_size`` normal rows, then ``batch_size`` abnormal rows.

        Returns:
            features float32 (2 batch_size, 1 or all crops, N, D); on a CPU they are overwritten by the next call. Every
            segment is real, unless short videos are padded.

        Raises:
            DataError: NaN or infinity in the features; names the videos.
        """
        video, part = np.concatenate([self._draw(kind, step) for kind in range(2)]).T
        for row, place in enumerate(self._place[video] * self._num_rows + part):
            self._gathered[row] = self._segments[place]
        names = tuple(self._names[i] for i in video)
        features = _finite(self._gathered.to(self._device).float(), names)
        return Batch(
            features=features,
            mask=torch.from_numpy(np.arange(features.shape[2]) < self._lengths[video, None]).to(self._device),
            video_labels=torch.from_numpy((self._targets[video, 0] == 0).astype(np.float32)).to(self._device),
            category_targets=torch.from_numpy(self._targets[video]).to(self._device),
            videos=names,
        )

    def _draw(self, kind: int, step: int) -> np.ndarray:
        """(batch_size, 2) numbers of video and crop (0 where all are taken) of one class (0 normal, 1 abnormal)."""
        samples = self._samples[kind]
        epochs, places = np.divmod(np.arange(step * self._batch_size, (step + 1) * self._batch_size), len(samples))
        drawn = np.empty((self._batch_size, 2), dtype=np.int64)
        for epoch in np.unique(epochs):
            order = np.random.default_rng([self._seed, kind, int(epoch)]).permutation(len(samples))
            drawn[epochs == epoch] = samples[order[places[epochs == epoch]]]
        return drawn


def video_batch(dataset: Dataset, record: VideoRecord, device: str = "cpu", crops: slice = slice(None)) -> Tensor:
    """One video's own snippets for testing, float32 (1, N, T, D); ``crops`` takes some of its crops.

    Raises:
        DataError: NaN or infinity in the features; names the video.
    """
    snippets = np.array(dataset.store.snippets(record.name)[crops], dtype=np.float32)
    return _finite(torch.from_numpy(snippets)[None].to(device), (record.name,))


def _finite(features: Tensor, videos: tuple[str, ...]) -> Tensor:
    # One sum per video is enough: NaN and infinity survive it, and backbone features are far from overflowing it.
    broken = ~features.flatten(1).sum(dim=1).isfinite()
    if bool(broken.any()):
        names = sorted({name for name, bad in zip(videos, broken.tolist()) if bad})
        raise DataError(f"video {', '.join(names)}: expected finite features, got NaN or infinity; extract them again.")
    return features
