"""Controls: what can be scored without what a method claims to use."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.data.label_leaks import guesses
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, values_on_draws
from vad_lib.evaluation.intervals import Interval, interval
from vad_lib.evaluation.score_arrays import scored_records
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.evaluation.scores_over_time import mean_score_by_part
from vad_lib.open_questions.questions import answer_place
from vad_lib.runs.finished_runs import find_runs
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json

_OF_RUNS = ("training labels permuted", "noise for features")
_OF_NOISE = ("noise, by place", "noise, by video")
_OF_VIDEOS = {"first frame only": "first_frame", "length and file size only": "file_size"}  # with their keys in controls/NAME.json
_PLACE = "place only"
CONTROLS = (*_OF_RUNS, *_OF_NOISE, *_OF_VIDEOS, _PLACE)


def label_guess_aucs(dataset: Dataset) -> dict[str, float]:
    """How well the labels of the test videos can be guessed without watching them.

    Args:
        dataset: any; features are not needed. Without a ``videos/`` folder only the lengths are there to guess from.

    Returns:
        for ``first_frame`` and ``file_size``, or for ``length`` without videos: ``NAME_auc``, video-level ROC-AUC in
        [0, 1], and ``NAME_low``, ``NAME_high``, its 95 % bootstrap interval over the test videos of each class. Nothing if all
        test videos are normal, or all abnormal: there is no order to get right.

    Raises:
        MissingFileError: a listed video has no file.
        DataError: the training videos are of one class only, or a video's first frame cannot be decoded.
    """
    labels = np.array([dataset.videos.is_abnormal(record) for record in dataset.videos.split("test")], dtype=bool)
    found: dict[str, float] = {}
    if labels.all() or not labels.any():
        return found
    for name, scores in guesses(dataset).items():
        numbers = _video_auc(scores[labels], scores[~labels], DEFAULT_BOOTSTRAP)
        found |= {f"{name}_{part}": number for part, number in zip(("auc", "low", "high"), numbers)}
    return found


def _video_auc(abnormal: np.ndarray, normal: np.ndarray, bootstrap: Bootstrap) -> tuple[float, float, float]:
    """AUC of the scores of abnormal and normal videos, and the ends of its 95 % interval (percentiles)."""
    # AUC is the share of (abnormal, normal) pairs in the right order, ties count half
    pairs = (abnormal[:, None] > normal) + 0.5 * (abnormal[:, None] == normal)
    drawn = values_on_draws(lambda rows, columns: pairs[np.ix_(rows, columns)].mean(), pairs.shape, bootstrap)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(pairs.mean()), float(low), float(high)


def label_leak_intervals(layout: Layout, dataset: Dataset, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> dict[str, Interval]:
    """AUC of what must find nothing, and of what sees next to nothing.

    Two controls rank whole test videos, from their first frame or the size of their file (notebook 01 wrote them). *Place only*
    scores each snippet by its distance from the nearer end of its video, which needs no training: above chance, events lie
    in the middle of videos, and a model may find them there without seeing them. What a model on noise finds has two parts: *by
    place* gives every snippet the mean score of normal videos at the tenth of the video that it begins in, *by video* the mean
    score of its video.

    Args:
        layout: one's own results, or the reference.
        dataset: its features are not needed.
        bootstrap: level of the intervals, number and seed of the draws.

    Returns:
        those of :data:`CONTROLS` that are there -> interval.
    """
    places = (("runs", dataset.name, "proposed-permuted"), answer_place(dataset.name, "features", "noise"))
    permuted, noise = (scored_rows(find_runs(layout, *place)) for place in places)
    controls = dict(zip(_OF_RUNS, (permuted, noise)))
    if noise and not noise[0].abnormal_video.all():  # what a score is by place is read in normal videos
        controls |= {name: tuple(map(change, noise)) for name, change in zip(_OF_NOISE, (_by_place, _by_video))}
    found = {name: interval(scored, "auc", bootstrap) for name, scored in controls.items() if scored}
    if layout.controls(dataset.name).is_file():
        written = read_json(layout.controls(dataset.name))
        videos = len(dataset.videos.split("test"))
        for name, key in _OF_VIDEOS.items():
            if f"{key}_auc" in written:
                mean, low, high = (written[f"{key}_{part}"] for part in ("auc", "low", "high"))
                found[name] = Interval("auc", mean, None, low, high, 0.95, "test videos", (), (), videos)
    records = dataset.videos.split("test")
    if any(record.intervals for record in records):
        measured = interval([scored_records(_places(records), dataset, records, _PLACE)], "auc", bootstrap)
        found[_PLACE] = replace(measured, kind="test videos", seeds=(), values=())  # nothing was trained
    return found


def _by_place(scored: ScoredVideos) -> ScoredVideos:
    means = mean_score_by_part(scored)
    return scored.with_scores(lambda snippets: means[np.arange(len(snippets)) * len(means) // len(snippets)])


def _by_video(scored: ScoredVideos) -> ScoredVideos:
    return scored.with_scores(lambda snippets: np.full_like(snippets, snippets.mean()))


def _places(records: Sequence[VideoRecord]) -> dict[str, dict[str, np.ndarray]]:
    """Distance of each snippet's middle from the nearer end of its video, as share of the video; in [0, 0.5]."""
    found = {}
    for record in records:
        middle = (np.arange(-(-record.num_frames // FRAMES_PER_SNIPPET)) + 0.5) * FRAMES_PER_SNIPPET / record.num_frames
        found[record.name] = {"score": np.clip(np.minimum(middle, 1 - middle), 0, 0.5)}
    return found
