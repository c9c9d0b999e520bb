"""What the grid found: runs of each answer, compared with the model as it is everywhere else."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from vad_lib import config
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.evaluation import alarms, comparisons, intervals, scored_videos
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Resampling
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.open_questions.grid import answer_folder
from vad_lib.open_questions.questions import BASE, MAY_DIFFER, QUESTIONS, answers_to
from vad_lib.runs import finished_runs
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json


def run_folders(place: Path) -> list[Path]:
    """Finished runs in a folder of seeds, in their order."""
    found = [folder for folder in place.glob("seed*") if folder.name[4:].isdigit() and (folder / "metrics.json").is_file()]
    return sorted(found, key=lambda folder: int(folder.name[4:]))


def row_scores(layout: Layout, dataset: str, variants: Sequence[str]) -> dict[str, tuple[ScoredVideos, ...]]:
    """Test scores of table rows, every seed that is there; variant -> runs, variants without a run left out.

    Raises:
        DataError: runs that do not belong into one table, see :func:`vad_lib.runs.finished_runs.load_runs`.
    """
    return {variant: scored_videos.load_all(runs) for variant, runs in finished_runs.load_runs(layout, dataset, variants).items()}


def _trained_alike(folder: Path) -> Any:
    config = read_json(folder / "config.json")
    return config["width"], {name: value for name, value in config["train"].items() if name not in MAY_DIFFER}


def answer_folders(layout: Layout, dataset: Dataset, question: str) -> dict[str, list[Path]]:
    """Finished runs of a question, answer -> folders, :data:`BASE` first; runs of other sizes or steps than it are left out."""
    base = run_folders(answer_folder(layout, dataset.name, question, BASE))
    found = {BASE: base}
    for answer in answers_to(question, dataset) if base else ():
        theirs = run_folders(answer_folder(layout, dataset.name, question, answer))
        found[answer] = [folder for folder in theirs if _trained_alike(folder) == _trained_alike(base[0])]
    return {answer: folders for answer, folders in found.items() if folders}


def settle(layout: Layout, dataset: Dataset, question: str, how: Resampling = intervals.DEFAULT) -> dict[str, Comparison]:
    """Each answer of a question against the base, on the seeds that both have.

    The level is shared among the answers.

    Returns:
        answer -> comparison by the data set's headline metric; answers without a common run left out.
    """
    folders, found = answer_folders(layout, dataset, question), {}
    if BASE not in folders:
        return {}
    base = scored_videos.load_all(folders.pop(BASE))
    shared = how.shared(len(answers_to(question, dataset)))
    for answer, theirs in folders.items():
        runs = scored_videos.load_all(theirs)
        if {run.seed for run in base} & {run.seed for run in runs}:
            found[answer] = comparisons.compare(base, runs, dataset.headline_metric, shared)
    return found


def cropped(layout: Layout, dataset: Dataset) -> tuple[ScoredVideos, ...]:
    """Runs of the proposed model on features of several crops: its own, else those of the question ``crops``; may be empty."""
    for folders in answer_folders(layout, dataset, "crops").values():
        runs = scored_videos.load_all(folders)
        if all(run.crop_scores is not None for run in runs):
            return runs
    return ()


def grid_results(layout: Layout, datasets: Sequence[Dataset], questions: Sequence[str] = tuple(QUESTIONS)) -> pd.DataFrame:
    """What the grid found, one row per run that is there.

    Returns:
        columns ``dataset``, ``question``, ``answer``, ``seed``, ``metric`` (name of the headline metric), ``last``,
        ``best_on_validation``, ``best_on_test`` (fractions) and ``seconds`` of training. Each question has the base.
    """
    rows = []
    for dataset in datasets:
        for question in questions:
            for answer, folders in answer_folders(layout, dataset, question).items():
                for folder in folders:
                    measured = read_json(folder / "metrics.json")
                    metric = measured["headline_metric"]
                    values = {rule: measured["rules"][rule]["metrics"][metric] for rule in config.RULES}
                    seconds = read_json(folder / "timing.json")["train_seconds"]
                    known = {"dataset": dataset.name, "question": question, "answer": answer, "seed": int(folder.name[4:])}
                    rows.append(known | {"metric": metric} | values | {"seconds": seconds})
    return pd.DataFrame(rows, columns=["dataset", "question", "answer", "seed", "metric", *config.RULES, "seconds"])


def over_seeds(
    first: Mapping[int, float], second: Mapping[int, float], metric: str, title: str = "", other: str = ""
) -> Comparison:
    """A difference of two numbers per seed, the second minus the first, paired; Student's t, the test videos taken as they are.

    For what :func:`vad_lib.evaluation.comparisons.compare` does not measure. With one common seed the interval is unbounded.

    Raises:
        DataError: no common seed.
    """
    seeds = tuple(sorted({*first} & {*second}))
    if not seeds:
        raise DataError(f"{metric}: a paired difference needs common seeds, got none; train both rows with the same seeds.")
    values = np.array([second[seed] - first[seed] for seed in seeds])
    mean, sd, half = float(values.mean()), None, np.inf
    if len(seeds) > 1:
        sd = float(values.std(ddof=1))
        half = float(stats.t.ppf(0.975, len(seeds) - 1)) * sd / np.sqrt(len(seeds))
    kind = "seeds, test videos fixed (Student's t)"
    return Comparison(metric, mean, sd, mean - half, mean + half, 0.95, kind, seeds, tuple(values), 0, first=title, second=other)


def only_videos(scored: ScoredVideos, chosen: np.ndarray) -> ScoredVideos:
    """The same scores on some of the test videos; ``chosen`` is bool (V,)."""
    place = np.cumsum(chosen) - 1
    pieces, events = chosen[scored.video], scored.events[chosen[scored.events[:, 0]]]
    return dataclasses.replace(
        scored,
        videos=tuple(np.array(scored.videos, dtype=object)[chosen]),
        abnormal_video=scored.abnormal_video[chosen],
        video=place[scored.video[pieces]],
        score=scored.score[pieces],
        abnormal=scored.abnormal[pieces],
        normal=scored.normal[pieces],
        crop_scores=None if scored.crop_scores is None else scored.crop_scores[:, pieces],
        events=np.column_stack([place[events[:, 0]], events[:, 1:]]).astype(np.int64),
    )


def operating(runs: Sequence[ScoredVideos], fps: float, rates: Sequence[float] = (0.01, 0.001)) -> pd.DataFrame:
    """:func:`vad_lib.evaluation.alarms.operating_points` and the calibration error, a row per seed and rate."""
    found = []
    for run in runs:
        points = alarms.operating_points(run, fps, rates)
        found.append(points.assign(seed=run.seed, calibration_error=alarms.calibration(run).expected_error))
    return pd.concat(found, ignore_index=True)
