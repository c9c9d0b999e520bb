"""Folds of training videos that share no footage, also where videos were put together from the same clips.

Where a data set was made by laying clips end to end, a clip stands in many videos. Held-out videos are then made of the very
snippets that the others were trained on, and a model that knows these by heart looks best. Here the clips are found again by
their features, which are the same to the byte, and it is clips that are held out.

Only labels of whole videos are used: a clip that stands in any normal video is normal; any other has the categories of its videos.
"""

import itertools
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import Split, VideoList, VideoRecord, mask_intervals
from vad_lib.data.dataset import Dataset
from vad_lib.deployment.shipped_data import write_dataset
from vad_lib.errors import DataError


class Clips(NamedTuple):
    """The clips that training videos are made of.

    Attributes:
        of: video -> int (T,), the number of the clip that each snippet belongs to.
        normal: numbers of the clips that stand in a normal video.
    """

    of: dict[str, np.ndarray]
    normal: frozenset[int]


def find_clips(dataset: Dataset) -> Clips:
    """Find the clips of the training videos.

    Two snippets that follow one another belong to one clip if they do so wherever either of them stands. A video that shares
    nothing with others is one clip.

    Args:
        dataset: with features; snippets are the same if their features (N, D), all crops, are the same to the byte.

    Returns:
        the clip of each snippet, and which clips are normal.
    """
    numbers: dict[bytes, int] = {}
    rows: dict[str, list[int]] = {}
    train = dataset.videos.split("train")
    for record in train:
        snippets = np.moveaxis(dataset.store.snippets(record.name), 0, 1)
        rows[record.name] = [numbers.setdefault(snippet.tobytes(), len(numbers)) for snippet in snippets]
    after, before = defaultdict(set), defaultdict(set)
    for row in rows.values():
        for one, next_one in itertools.pairwise([None, *row, None]):
            after[one].add(next_one)
            before[next_one].add(one)
    found = {}
    for name, row in rows.items():
        begins = [True, *(len(after[one]) > 1 or len(before[other]) > 1 for one, other in itertools.pairwise(row))]
        found[name] = np.array(row)[np.flatnonzero(begins)][np.cumsum(begins) - 1]  # a clip's first snippet names it
    normal = {clip for record in train if not dataset.videos.is_abnormal(record) for clip in found[record.name].tolist()}
    return Clips(found, frozenset(normal))


def make_folds(dataset: Dataset, folder: Path, number: int) -> tuple[Dataset, ...]:
    """Data sets of the training videos of another one: each has some clips for testing and all others for training.

    Every clip is for testing once. A video that has clips of both kinds is divided. An abnormal video whose abnormal clips are all
    held out is left out of training: its label says nothing about what is left. The test videos of ``dataset`` are not touched.

    Args:
        dataset: with features.
        folder: gets a folder for each fold.
        number: of folds, at least 2.

    Returns:
        the folds. Intervals of test videos mark the snippets of clips that are not known to be normal.

    Raises:
        DataError: a fold lacks normal or abnormal clips for testing.
        OutputError: the folder cannot be written.
    """
    clips = find_clips(dataset)
    every = np.unique(np.concatenate([*clips.of.values()]))
    is_normal = np.isin(every, list(clips.normal))
    rng = np.random.default_rng(0)
    fold_of: dict[int, int] = {}
    for kind, group in (("normal", every[is_normal]), ("abnormal", every[~is_normal])):
        if len(group) < number:
            raise DataError(f"{dataset.name}: {number} folds need as many {kind} clips, got {len(group)}; add videos.")
        fold_of |= {int(clip): place % number for place, clip in enumerate(rng.permutation(group))}
    return tuple(_fold(dataset, clips, fold_of, fold, folder / f"{dataset.name}-fold{fold}") for fold in range(number))


def _fold(dataset: Dataset, clips: Clips, fold_of: dict[int, int], fold: int, folder: Path) -> Dataset:
    records: list[VideoRecord] = []
    features: dict[str, np.ndarray] = {}
    for record in dataset.videos.split("train"):
        own = clips.of[record.name]
        held_out = np.array([fold_of[clip] == fold for clip in own.tolist()])
        abnormal = ~np.isin(own, list(clips.normal))
        halves: tuple[tuple[Split, np.ndarray], ...] = (("train", ~held_out), ("test", held_out))
        for split, chosen in halves:
            says_nothing = split == "train" and dataset.videos.is_abnormal(record) and not (abnormal & chosen).any()
            if not chosen.any() or says_nothing:
                continue
            name = f"{record.name}-{split}"
            features[name] = dataset.store.snippets(record.name)[:, chosen]
            records.append(
                VideoRecord(
                    name=name,
                    split=split,
                    categories=record.categories if (abnormal & chosen).any() else (dataset.categories[0],),
                    num_frames=FRAMES_PER_SNIPPET * int(chosen.sum()),
                    intervals=_frames_of(abnormal[chosen]) if split == "test" else (),
                )
            )
    info = dataset.info.replace(name=folder.name, title=f"{dataset.title}, fold {fold}", mask_rule="frames")
    return write_dataset(folder, info, VideoList(dataset.categories, tuple(records)), dataset.store.contract, features.items())


def _frames_of(abnormal: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Frames ``[start, end)`` of each run of abnormal snippets, from bool (T,)."""
    return tuple((FRAMES_PER_SNIPPET * start, FRAMES_PER_SNIPPET * end) for start, end in mask_intervals(abnormal))
