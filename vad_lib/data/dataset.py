"""A data set on disk -> videos with labels, their features, and a validation split.

A data set is a folder, whether built in or a user's own:

* ``dataset.json``: name, title, categories (the normal one first), headline metric, and where it is from;
* ``videos.csv``: the videos (:mod:`vad_lib.data.annotations`);
* ``store/``: the feature store (:mod:`vad_lib.data.feature_store`), and folders in it for features of other backbones than I3D;
* ``videos/`` or ``features/``: the user's own videos or feature files, from which the store is made.
"""

import dataclasses
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from vad_lib.config import FRAMES_PER_SNIPPET, Settings
from vad_lib.data.annotations import MaskRule, VideoList, VideoRecord, read_video_csv, readable_category
from vad_lib.data.feature_store import FeatureStore
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.storage.paths import feature_store
from vad_lib.storage.reading import read_json
from vad_lib.storage.safe_names import plain_name

_HOW_TO_MAKE = (
    "`make reproduce` and notebook 01_feature_prep make the built-in sets, `python -m vad_lib.data.importing import` makes one of "
    "your own lists and features"
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

    @field_validator("categories")
    @classmethod
    def _of_a_list(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unreadable := [name for name in value if not readable_category(name)]:
            raise ValueError(
                f"expected names without ';' and without blanks around them, as videos.csv holds them; rename {unreadable}"
            )
        return value


@dataclass(frozen=True)
class Dataset:
    """A loaded data set.

    Attributes:
        folder: where it lies.
        info: content of ``dataset.json``.
        videos: all videos, training and test.
        store: the features. None if loaded without them (``features=False``): such a data set is for its list only.
    """

    folder: Path
    info: DatasetInfo
    videos: VideoList
    store: FeatureStore

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
    def headline_metric(self) -> Literal["auc", "ap"]:
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
    _check_whole_snippets(info, videos)
    if not features:
        return Dataset(folder, info, videos, None)  # type: ignore[arg-type]  # whoever asked for no features uses none
    place = feature_store(folder, backbone, crops)
    if not place.is_dir():
        asked = f"--backbone {backbone}" * (backbone != "i3d") + f" --crops {crops}" * (crops > 0)
        how = f"`python -m vad_lib.data.extraction --dataset {info.name} {asked.strip()}` makes it" if asked else _HOW_TO_MAKE
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


def _check_whole_snippets(info: DatasetInfo, videos: VideoList) -> None:
    """Rules A, B and C count the frames that have features: whole snippets."""
    for record in videos.split("test"):
        if info.mask_rule != "frames" and record.num_frames % FRAMES_PER_SNIPPET:
            raise DataError(
                f"data set {info.name}: video {record.name} has {record.num_frames:,} frames, but mask rule {info.mask_rule} "
                f"counts {FRAMES_PER_SNIPPET} for each snippet; correct its n_frames, or set mask_rule to 'frames' in dataset.json."
            )


def _check_features(info: DatasetInfo, videos: VideoList, store: FeatureStore) -> None:
    name, listed = info.name, [record.name for record in videos.records]
    fix = "correct its n_frames or extract it again"
    if info.counterpart and not info.synthetic:  # an import writes the list of a public set, by the headers of the video files
        fix = "give its frames in a CSV with video,n_frames: --frames CSV of the import, importing={frames: CSV} of notebook 01"
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
                f"{store.contract.frames_per_snippet}, but features of {found:,}; {fix}."
            )


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
