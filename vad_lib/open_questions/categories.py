"""Are categories called by their name, seen in training or not?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from vad_lib.data import prompts
from vad_lib.data.batches import video_batch
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.evaluation import comparisons, intervals, scored_videos
from vad_lib.evaluation.intervals import Interval, Resampling
from vad_lib.model import category_scores, learned_text
from vad_lib.open_questions.answers import answer_folders, only_videos
from vad_lib.open_questions.questions import BASE, answers_to
from vad_lib.open_questions.wording import in_words
from vad_lib.report.figures import run_scores
from vad_lib.runs import trained_model
from vad_lib.storage.paths import Layout


def named_categories(folder: Path) -> pd.DataFrame:
    """What a run's alignment map calls each test video: the category of the largest S_fine (equation 4).

    Returns:
        one row per video: ``video``, ``categories`` (a tuple), ``named`` (of all), ``named_abnormal`` (of the abnormal ones).

    Raises:
        DataError: the method has no alignment map.
    """
    scores = run_scores.load_scores(folder)
    rows = []
    for video in scores.videos.values():
        if video.alignment is None:
            raise DataError(f"{folder}: {scores.title} has no alignment map; choose a run of the proposed model.")
        cosines = torch.from_numpy(video.alignment)[None]
        fine = category_scores(cosines, torch.ones(cosines.shape[:2], dtype=torch.bool))[0]
        named, abnormal = scores.categories[int(fine.argmax())], scores.categories[1 + int(fine[1:].argmax())]
        rows.append((video.name, video.categories, named, abnormal))
    return pd.DataFrame(rows, columns=["video", "categories", "named", "named_abnormal"])


def confusion(folders: Sequence[Path], categories: Sequence[str]) -> pd.DataFrame:
    """Rows: a video's own category; columns: what it is called; shares of each row, the mean over runs. A row sums to 1.

    A video of several categories is divided among their rows.
    """
    counts = pd.DataFrame(0.0, index=list(categories), columns=list(categories))
    for folder in folders:
        for row in named_categories(folder).itertuples():
            for category in row.categories:
                counts.loc[category, row.named] += 1 / len(row.categories)
    return counts.div(counts.sum(axis=1), axis=0)


def naming(folders: Sequence[Path], categories: Sequence[str], how: Resampling = intervals.DEFAULT) -> tuple[Interval, float]:
    """How often an abnormal video gets its own name, among the abnormal ones; and what always naming the commonest would give.

    Returns:
        the mean over runs with an interval over test videos (percentiles of a bootstrap, the runs fixed), and the yardstick.
    """
    named = [named_categories(folder) for folder in folders]
    abnormal = [categories[0] not in theirs for theirs in named[0]["categories"]]
    theirs = named[0]["categories"][abnormal]
    hits = np.array([[n in c for n, c in zip(table["named_abnormal"][abnormal], theirs)] for table in named], dtype=float)
    rng = np.random.default_rng(how.seed)
    drawn = hits.mean(axis=0)[rng.integers(0, hits.shape[1], (how.num_resamples, hits.shape[1]))].mean(axis=1)
    low, high = np.quantile(drawn, ((1 - how.level) / 2, (1 + how.level) / 2))
    values, seeds = hits.mean(axis=1), tuple(int(folder.name[4:]) for folder in folders)
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    kind, yardstick = "test videos, runs fixed", max(np.mean([c in own for own in theirs]) for c in categories[1:])
    found = Interval(
        *("accuracy", float(values.mean()), sd, float(low), float(high), how.level, kind, seeds, tuple(values), hits.shape[1]),
        num_resamples=how.num_resamples,
    )
    return found, float(yardstick)


def zero_shot(layout: Layout, dataset: Dataset, how: Resampling = intervals.DEFAULT) -> pd.DataFrame:
    """Each category with and without its videos in training, measured on its own test videos and the normal ones.

    Returns:
        a row per category whose runs are there: ``category``, ``videos``, ``seen`` (AUC with its training videos), ``unseen``
        (without), its interval ``low`` to ``high``, ``found`` (the interval lies above 0.5), ``change`` in words, and
        ``named_seen``, ``named_unseen``, the part of its videos that are called by its name among the abnormal ones.
    """
    folders, rows = answer_folders(layout, dataset, "zero-shot"), []
    for answer, theirs in folders.items():
        category = answers_to("zero-shot", dataset)[answer].left_out if answer != BASE else ""
        common = {folder.name for folder in folders[BASE]} & {folder.name for folder in theirs}
        if not category or not common:
            continue
        with_it, without = ([folder for folder in part if folder.name in common] for part in (folders[BASE], theirs))
        called = named_categories(with_it[0])
        chosen = np.array([category in c or dataset.categories[0] in c for c in called["categories"]])
        own = np.array([category in c for c in called["categories"]])
        seen, unseen = ([only_videos(run, chosen) for run in scored_videos.load_all(part)] for part in (with_it, without))
        found = intervals.interval(unseen, "auc", how)
        named = [
            np.mean([(named_categories(f)["named_abnormal"][own] == category).mean() for f in part]) for part in (with_it, without)
        ]
        change = comparisons.compare(seen, unseen, "auc", how)
        numbers = (found.mean - change.mean, found.mean, found.low, found.high, found.low > 0.5)
        rows.append((category, int(own.sum()), *numbers, in_words(change), *map(float, named)))
    columns = ["category", "videos", "seen", "unseen", "low", "high", "found", "change", "named_seen", "named_unseen"]
    return pd.DataFrame(rows, columns=columns)


def text_cosines(folder: Path, dataset: Dataset, most: int = 30) -> dict[str, float]:
    """How alike the categories look to a trained model: mean cosine over pairs, at three places.

    Args:
        folder: a run of the proposed model, weights included.
        dataset: that it was trained on, with features.
        most: test videos whose context is used, the first ones.

    Returns:
        ``encoder`` (T_c), ``learned`` (T~_c) and ``modulated`` (T^_c of equation 2, the mean over the videos), each in [-1, 1].
    """
    model, _ = trained_model.load_model(folder)
    found = []
    with torch.inference_mode():
        for record in dataset.videos.split("test")[:most]:
            features = model.encode(video_batch(dataset, record)[0]).features
            found += [prompts.mean_pairwise_cosine(text.numpy()) for text in model.category_text(features)]
        learned = learned_text(model.text, model.prompt_offset)
    return {
        "encoder": prompts.mean_pairwise_cosine(model.text.numpy()),
        "learned": prompts.mean_pairwise_cosine(learned.numpy()),
        "modulated": float(np.mean(found)),
    }
