"""Files of scores and of ground truth, in the forms in which people have them; never a pickle."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule, VideoRecord, mask_intervals, read_list, record_of
from vad_lib.data.finding import refuse
from vad_lib.data.importing.public_sets import NORMAL, PublicSet
from vad_lib.data.importing.sets.ucf_crime import UCF_ANNOTATION, UCF_CRIME, read_ucf_annotation
from vad_lib.data.importing.sets.xd_violence import (
    XD_BINARY,
    XD_MULTICLASS,
    XD_VIOLENCE,
    read_xd_binary,
    read_xd_multiclass,
    xd_categories,
)
from vad_lib.data.importing.video_names import video_key
from vad_lib.doctor.annotation_checks import annotation_sentences, ending_sentences
from vad_lib.doctor.case import is_abnormal, list_order
from vad_lib.doctor.official_sets import read_official
from vad_lib.doctor.score_tables import read_score_table
from vad_lib.errors import DataError, MissingFileError, first_few
from vad_lib.storage.reading import read_array, read_arrays, read_csv, read_json

# Frames of the test videos of both sets, in the order of the public masks: UCF-Crime as in the lists of UR-DMU and VERA, which
# agree; XD-Violence as in VERA's list, which reproduces the lengths of all public masks.
_FRAMES = files("vad_lib.data") / "resources" / "public_test_frames.csv"


@dataclass(frozen=True, eq=False)
class GivenScores:
    """Scores as a file gives them.

    Attributes:
        path: of the file or folder.
        by_video: name -> float64 (N, P); empty if one array holds all videos.
        whole: float64 (N, P), all videos one after the other; None if there is one array per video.
        name: of the one array, where a file gives it one.
    """

    path: Path
    by_video: dict[str, np.ndarray]
    whole: np.ndarray | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class GivenTruth:
    """Ground truth as files give it.

    Attributes:
        videos: test videos in the order of the public masks, or of the list; empty if there is a mask alone.
        known: the public data set, if it is one.
        mask: uint8 (F,), frame labels of all videos one after the other; None if there are none.
        mask_path: file of the mask.
        sentences: what is odd about the annotation.
    """

    videos: tuple[VideoRecord, ...] = ()
    known: PublicSet | None = None
    mask: np.ndarray | None = None
    mask_path: Path | None = None
    sentences: tuple[str, ...] = ()


# --- scores ---------------------------------------------------------------------------------------
def read_scores(path: Path | str) -> GivenScores:
    """Read scores, one array for all videos or one per video.

    Args:
        path: ``.npy`` (one array), ``.npz`` (one array, or one per video by name), ``.csv`` (columns ``video`` and ``score``, in
            the order of time, or a column ``score`` alone), ``.json`` (video -> list), or a folder of ``.npy``, one per video.
            Arrays are (P,), (crops, P) or (P, crops).

    Raises:
        MissingFileError: nothing is there.
        DataError: no scores, numbers that are not finite, or another format; pickles are never loaded.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        arrays: dict[str, Any] = {file.stem: read_array(file) for file in sorted(path.iterdir()) if file.suffix.lower() == ".npy"}
    elif suffix == ".npz":
        arrays = read_arrays(path)
    elif suffix == ".json":
        arrays = read_json(path)
        arrays = arrays if isinstance(arrays, dict) else {"": arrays}
    elif suffix in (".csv", ".txt"):
        arrays = read_score_table(path)
    elif suffix in (".pkl", ".pickle", ".pt", ".pth", ".mat"):
        raise DataError(f"{path}: files of this kind can run code or are no plain arrays; save the scores with numpy.savez.")
    else:
        arrays = {"": read_array(path)}
    if not arrays:
        raise DataError(f"{path}: expected scores, found none; give .npy, .npz, .csv, .json or a folder of .npy files.")
    found = _crops_first(path, {name: _numbers(path, name, values) for name, values in arrays.items()})
    if len(found) == 1:
        return GivenScores(path, {}, next(iter(found.values())), next(iter(found)))
    by_key = {video_key(name): scores for name, scores in found.items()}
    if len(by_key) < len(found):
        raise DataError(f"{path}: two arrays are of one video; found {first_few(sorted(found))}. Keep one for each.")
    return GivenScores(path, by_key)


def _where(path: Path, name: str) -> str:
    return f"{path}{f', {name}' if name else ''}"


def _numbers(path: Path, name: str, values: Any) -> np.ndarray:
    """Scores as float64 of one or two axes, both longer than nothing."""
    where, kind = _where(path, name), getattr(values, "dtype", np.dtype(float)).kind
    try:
        if kind not in "fiub" or values is None or (isinstance(values, list) and None in values):
            raise TypeError
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (ValueError, TypeError, OverflowError):
        what = f"values of type {values.dtype}" if hasattr(values, "dtype") else "other values, such as null, texts or lists"
        raise DataError(f"{where}: expected an array of numbers, got {what}; save one array of real numbers per video.") from None
    while array.ndim > 2 and 1 in array.shape:
        array = array.squeeze(array.ndim - 1 - array.shape[::-1].index(1))  # the last axis of length 1; (10, 1) are ten crops
    if array.ndim > 2 or not array.size:
        raise DataError(f"{where}: expected scores (P,) or crops x scores, got shape {np.shape(values)}; save one array per video.")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(f"{where}: {bad:,} of {array.size:,} scores are NaN or infinite; look for broken features of these videos.")
    return array


def _crops_first(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All arrays as crops x scores. A short video may have fewer scores than crops, so one file has one way for all of them."""
    rows = [array for array in arrays.values() if array.ndim == 2]
    for axis in (0, 1):
        if rows and all(array.shape[axis] > 1 and np.allclose(array.sum(axis), 1, atol=1e-3) for array in rows):
            raise DataError(
                f"{path}: expected scores, got class probabilities, which add up to 1 in every snippet: taken as crops, their mean "
                "would be the same everywhere. Save the score of the abnormal class, or 1 minus the normal one."
            )
    shapes = np.array([array.shape for array in rows] or [(1, 1)])
    first, second = (len(set(sizes)) for sizes in shapes.T.tolist())
    # crops are as many in every video, scores are not; else there are fewer crops than scores
    crops_last = second < first if first != second else shapes[:, 0].sum() > shapes[:, 1].sum()
    found = {name: array[None] if array.ndim == 1 else array.T if crops_last else array for name, array in arrays.items()}
    for name, array in found.items():
        if array.shape[0] > 10:
            raise DataError(
                f"{_where(path, name)}: expected at most 10 crops, got shape {arrays[name].shape}; save one array per video by "
                "name (.npz)."
            )
    return found


# --- ground truth ---------------------------------------------------------------------------------
def read_truth(paths: list[Path]) -> GivenTruth:
    """Read the ground truth.

    Args:
        paths: any of: a folder with the official annotation files, or such a file (``Temporal_Anomaly_Annotation.txt``,
            ``annotations.txt``), or with all files of ShanghaiTech, UBnormal, TAD, MSAD, Ped2 or Avenue; a ``videos.csv`` of this
            library; a ``.npy`` of frame labels (``gt-ucf.npy``).

    Raises:
        MissingFileError: a file is not there.
        DataError: a file holds no ground truth; two annotations, or two files of frame labels; a list of one's own names a video
            twice, or has an interval that ends before it begins.
    """
    found = GivenTruth()
    for path in map(Path, paths):
        if not path.exists():
            raise MissingFileError(f"{path}: expected annotations, a videos.csv or a .npy of frame labels, found nothing there.")
        is_mask = path.suffix.lower() == ".npy"
        given = replace(found, mask=_frame_labels(path), mask_path=path) if is_mask else _with_list(found, path)
        if (found.mask is not None) if is_mask else found.videos:  # the later one would silently stand for both
            what = "file of frame labels" if is_mask else "annotation"
            raise DataError(f"{path}: expected one {what}, got a second one; name one of them with --truth.")
        found = given
    if found.mask is not None and not found.videos:
        found = _of_mask(found, found.mask)
    return found


def _frame_labels(path: Path) -> np.ndarray:
    labels = np.squeeze(read_array(path))
    if not labels.size:
        raise DataError(
            f"{path}: expected frame labels, got an empty array. A script gives this that looks for rows of one crop (NAME__0) in "
            "a list of another (NAME__5), as VadCLIP's for UCF-Crime does; make it from the annotation."
        )
    if labels.ndim != 1:
        raise DataError(f"{path}: expected frame labels 0 and 1 in one row, got shape {labels.shape}; give the released array.")
    if labels.dtype.kind not in "fiub" or not np.isin(labels, (0, 1)).all():
        values = first_few([str(each) for each in np.unique(labels)[:8].tolist()])
        raise DataError(f"{path}: expected frame labels 0 and 1, got the values {values}; save them as 0 and 1.")
    return labels.astype(np.uint8)


def _with_list(found: GivenTruth, path: Path) -> GivenTruth:
    places = [path] if path.is_file() else [each for each in sorted(path.iterdir()) if each.is_file()]
    by_name = {UCF_CRIME.aliases.get(place.name, place.name): place for place in places}
    if UCF_ANNOTATION in by_name and XD_BINARY in by_name:
        raise DataError(
            f"{path}: expected the annotation of one data set, found {UCF_ANNOTATION} and {XD_BINARY}; name the one that the "
            "scores are of with --truth."
        )
    if UCF_ANNOTATION in by_name:
        spans = read_ucf_annotation(by_name[UCF_ANNOTATION], refuse, set())
        videos = _public_videos(UCF_CRIME, {key: intervals for key, (_, intervals) in spans.items()}, {})
        return replace(found, videos=videos, known=UCF_CRIME, sentences=tuple(annotation_sentences(videos)))
    if XD_BINARY in by_name:
        spans = read_xd_binary(by_name[XD_BINARY], refuse, set())
        beside = by_name[XD_BINARY].with_name(XD_MULTICLASS)
        events = read_xd_multiclass(beside, refuse, set()) if beside.is_file() else {}
        videos = _public_videos(XD_VIOLENCE, {key: intervals for key, (_, intervals) in spans.items()}, events)
        said = (*ending_sentences(by_name[XD_BINARY]), *annotation_sentences(videos))
        return replace(found, videos=videos, known=XD_VIOLENCE, sentences=said)
    own = by_name.get("videos.csv") or (path if path.suffix.lower() == ".csv" else None)
    if own is None and path.is_dir() and (official := read_official(path)):
        return replace(found, videos=official[0], sentences=official[1])
    if own is None and XD_MULTICLASS in by_name:
        raise DataError(f"{path}: expected {XD_BINARY}, beside which {XD_MULTICLASS} is read too; name that file with --truth.")
    if own is None:
        raise DataError(
            f"{path}: expected {UCF_ANNOTATION}, {XD_BINARY}, all files of another public set or videos.csv, found "
            f"{first_few(sorted(by_name))}."
        )
    records = [record for row in read_list(own) if (record := record_of(row)) and record.split == "test"]
    _check_list(own, records)
    # whatever the list calls normal videos: they have no intervals
    videos = tuple(record if record.intervals else replace(record, categories=(NORMAL,)) for record in records)
    if not videos:
        raise DataError(f"{own}: expected test videos, found none; mark them with 'test' in the column split.")
    return replace(found, videos=videos)


def _check_list(path: Path, records: Sequence[VideoRecord]) -> None:
    """Refuse what would silently change the labels. Unknown frames, and intervals behind the end, are said later."""
    if twice := [name for name, times in Counter(record.name for record in records).items() if times > 1]:
        raise DataError(f"{path}: expected every test video once, got twice: {first_few(twice)}; remove a line of each.")
    empty = [record.name for record in records if any(end <= start for start, end in record.intervals)]
    if empty:
        raise DataError(f"{path}: expected intervals that end after they begin, got others in {first_few(empty)}; correct them.")


def _public_videos(
    known: PublicSet, spans: dict[str, tuple[tuple[int, int], ...]], events: dict[str, tuple[tuple[str, int, int], ...]]
) -> tuple[VideoRecord, ...]:
    found = []
    for name, frames in frames_of_test_videos(known).items():
        key, categories = video_key(name), categories_of(known, name)
        found.append(VideoRecord(name, "test", categories, frames, spans.get(key, ()), events.get(key, ())))
    lacking = [video.name for video in found if is_abnormal(video) and not video.intervals]
    if lacking:
        raise DataError(
            f"{known.title}: expected intervals of every abnormal test video, none of {first_few(lacking)}; use the release."
        )
    return tuple(found)


def categories_of(known: PublicSet, name: str) -> tuple[str, ...]:
    """Categories that the name of a video of UCF-Crime or XD-Violence carries."""
    return xd_categories(name) if known is XD_VIOLENCE else (re.split("[^A-Za-z]", name, maxsplit=1)[0],)


def frames_of_test_videos(known: PublicSet) -> dict[str, int]:
    """Name -> frames of the test videos of a public set, in the order of its public masks."""
    rows = read_csv(Path(str(_FRAMES)), ("dataset", "video", "n_frames"))
    return {row["video"]: int(row["n_frames"]) for _, row in rows if row["dataset"] == known.name}


def _of_mask(found: GivenTruth, mask: np.ndarray) -> GivenTruth:
    """A mask alone: if it is as long as that of a public set, its videos are known; else all frames stand in one video."""
    said: tuple[str, ...] = ()
    for known in (UCF_CRIME, XD_VIOLENCE):
        for rule, totals in known.totals.items():
            if not totals or totals[0] != len(mask):
                continue
            text = f"{found.mask_path}: {len(mask):,} frames"
            usual = _videos_of_mask(known, rule, mask)
            orders = [usual, _videos_of_mask(known, rule, mask, list_order(usual, known))]
            wrong = [[video.name for video in videos if video.intervals and not is_abnormal(video)] for videos in orders]
            for videos, misplaced, order in zip(orders, wrong, ("", " Its videos stand in the order of the released list.")):
                if not misplaced:
                    sentence = _on_totals(text, known, rule, totals[1], int(mask.sum()), videos)
                    return GivenTruth(videos, known, sentences=(sentence + order,))
            said = (
                f"{text}, as mask rule {rule} of {known.title} has, but in the order of the released masks {len(wrong[0])} normal "
                f"videos have abnormal frames: {first_few(wrong[0])}. So nobody knows where its videos stand, and all frames are "
                "taken as one video. Give the annotation with --truth too.",
            )
    whole = VideoRecord("all videos", "test", ("Abnormal",), len(mask), tuple(mask_intervals(mask)))
    return replace(found, videos=(whole,), sentences=said)


def _videos_of_mask(known: PublicSet, rule: MaskRule, mask: np.ndarray, order: np.ndarray | None = None) -> tuple[VideoRecord, ...]:
    """The videos of a mask, in their usual order; ``order`` says in which they stand in the mask."""
    frames = list(frames_of_test_videos(known).items())
    videos, start = {}, 0
    for place in range(len(frames)) if order is None else order.tolist():
        name, count = frames[place]
        end = start + (count if rule == "frames" else FRAMES_PER_SNIPPET * known.expected_snippets(rule, name, count))
        # under rule B the frame of an interval's end belongs to it
        intervals = tuple((first, last - (rule == "B")) for first, last in mask_intervals(mask[start:end]))
        videos[place] = VideoRecord(name, "test", categories_of(known, name), count, intervals)
        start = end
    return tuple(videos[place] for place in sorted(videos))


def _on_totals(text: str, known: PublicSet, rule: str, abnormal: int, found: int, videos: Sequence[VideoRecord]) -> str:
    if found == abnormal:
        return f"{text} and {found:,} abnormal ones, as mask rule {rule} of {known.title} has."
    empty = [video for video in videos if is_abnormal(video) and not video.intervals]
    names = sorted({name for video in empty for name in video.categories})
    rest = f" {len(empty)} abnormal videos have none, of {', '.join(names)}: they count as normal." if empty else ""
    return (
        f"{text}, as mask rule {rule} of {known.title} has, but {found:,} abnormal ones where the rule has {abnormal:,}.{rest} "
        "Give the annotation with --truth too, to measure by it."
    )
