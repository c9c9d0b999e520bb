"""Are categories called by their name, seen in training or not?"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch

from vad_lib.data import prompts
from vad_lib.data.batches import video_batch
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.errors import DataError, VadError
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from vad_lib.evaluation.comparisons import compare
from vad_lib.evaluation.fine_grained import top_categories
from vad_lib.evaluation.intervals import Interval, interval
from vad_lib.model import Proposed
from vad_lib.open_questions.answers import answer_runs
from vad_lib.open_questions.questions import BASE, answers_to
from vad_lib.open_questions.wording import comparison_sentence
from vad_lib.runs import trained_model
from vad_lib.runs.run_folder import Run, RunInFolder
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import damaged_as_data_error
from vad_lib.storage.writing import write_text

TEXT_COSINES = "text_cosines.csv"  # in a folder of results; the reference keeps it, because it keeps no weights
_COSINES = ["dataset", "modulation", "encoder", "learned", "modulated"]


def named_categories(run: Run) -> pd.DataFrame:
    """What a run's alignment map calls each test video: the category of the largest S_fine (equation 4).

    Returns:
        one row per video: ``video``, ``categories`` (a tuple), ``named`` (of all), ``named_abnormal`` (of the abnormal ones).

    Raises:
        DataError: the method has no alignment map.
    """
    arrays = run.scores()
    if "alignment" not in arrays:
        raise DataError(f"{run.name}: {run.title} has no alignment map; choose a run of the proposed model.")
    with damaged_as_data_error(run.name, "the scores of a finished run"):
        all_categories = arrays["categories"].tolist()
        maps = np.split(arrays["alignment"].astype(np.float32), np.cumsum(arrays["num_snippets"])[:-1])
        rows = [
            (video, tuple(categories.split(";")), *top_categories(alignment, all_categories))
            for video, categories, alignment in zip(
                arrays["videos"].tolist(), arrays["video_categories"].tolist(), maps, strict=True
            )
        ]
    return pd.DataFrame(rows, columns=["video", "categories", "named", "named_abnormal"])


def confusion(runs: Sequence[Run], categories: Sequence[str]) -> pd.DataFrame:
    """How often the videos of each category are called by each name, the mean over runs.

    Args:
        runs: the seeds of one row.
        categories: names, the normal one first.

    Returns:
        rows: a video's own category; columns: what it is called; shares of each row, which sums to 1. A video of several
        categories is divided among their rows.

    Raises:
        DataError: the method has no alignment map.
    """
    counts = pd.DataFrame(0.0, index=list(categories), columns=list(categories))
    for run in runs:
        for row in named_categories(run).itertuples():
            for category in row.categories:
                counts.loc[category, row.named] += 1 / len(row.categories)
    return counts.div(counts.sum(axis=1), axis=0)


def naming_accuracy(
    runs: Sequence[Run], categories: Sequence[str], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> tuple[Interval, float]:
    """How often an abnormal video gets its own name, among the abnormal ones; and what always naming the commonest would give.

    Args:
        runs: the seeds of one row.
        categories: names, the normal one first.
        bootstrap: level of the interval, number and seed of the draws.

    Returns:
        the mean over runs with its interval over seeds and test videos, as in Table 6, and the yardstick.

    Raises:
        DataError: the method has no alignment map.
    """
    found = interval(scored_rows(runs), "category_accuracy_abnormal_videos", bootstrap)
    named = named_categories(runs[0])["categories"]
    abnormal = [own for own in named if categories[0] not in own]
    return found, float(max(np.mean([category in own for own in abnormal]) for category in categories[1:]))


def zero_shot_results(layout: Layout, dataset: Dataset, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> pd.DataFrame:
    """Each category with and without its videos in training, measured on its own test videos and the normal ones.

    Args:
        layout: one's own results, or the reference.
        dataset: its features are not needed.
        bootstrap: level that the categories share; number and seed of the draws.

    Returns:
        a row per category whose runs are there and that has test videos: ``category``, ``videos``, ``seen`` (AUC with its
        training videos), ``unseen`` (without), its interval ``low`` to ``high`` at ``level``, ``found`` (it lies above 0.5),
        ``change`` in words, and ``named_seen``, ``named_unseen``, the part of its videos that are called by its name among the
        abnormal ones.
    """
    runs, rows = answer_runs(layout, dataset, "zero-shot"), []
    of_videos = named_categories(runs[BASE][0])["categories"] if runs else []
    tested = {category for categories in of_videos for category in categories}
    asked = answers_to("zero-shot", dataset)
    left_out = [answer for answer in runs if answer != BASE and asked[answer].left_out in tested]
    shared = bootstrap.shared(len(left_out))
    for answer in left_out:
        common = {run.seed for run in runs[BASE]} & {run.seed for run in runs[answer]}
        if common:
            with_it, without = ([run for run in part if run.seed in common] for part in (runs[BASE], runs[answer]))
            rows.append(_seen_and_unseen(asked[answer].left_out, dataset, with_it, without, shared))
    columns = ["category", "videos", "seen", "unseen", "low", "high", "level", "found", "change", "named_seen", "named_unseen"]
    return pd.DataFrame(rows, columns=columns)


def _seen_and_unseen(category: str, dataset: Dataset, with_it: list[Run], without: list[Run], bootstrap: Bootstrap) -> tuple:
    """A row of :func:`zero_shot_results`, from runs of the same seeds with and without the category's training videos."""
    of_video = named_categories(with_it[0])["categories"]
    own = np.array([category in categories for categories in of_video])
    chosen = own | np.array([dataset.categories[0] in categories for categories in of_video])
    seen, unseen = ([scored.of_videos(chosen) for scored in scored_rows(part)] for part in (with_it, without))
    found, change = interval(unseen, "auc", bootstrap), compare(seen, unseen, "auc", bootstrap)
    named = [
        float(np.mean([(named_categories(run)["named_abnormal"][own] == category).mean() for run in part]))
        for part in (with_it, without)
    ]
    numbers = (found.mean - change.mean, found.mean, found.low, found.high, found.level, found.low > 0.5)
    return category, int(own.sum()), *numbers, comparison_sentence(change), *named


def text_cosines(model: Proposed, dataset: Dataset, most: int = 30) -> dict[str, float]:
    """How alike the categories look to a trained model: mean cosine over pairs, at three places.

    Args:
        model: trained, :func:`vad_lib.runs.trained_model.load_model` gives it.
        dataset: that it was trained on, with features.
        most: test videos whose context is used, the first ones.

    Returns:
        ``encoder`` (T_c), ``learned`` (T~_c) and ``modulated`` (T^_c of equation 2, the mean over the videos), each in [-1, 1].
    """
    found = []
    with torch.inference_mode():
        for record in dataset.videos.split("test")[:most]:
            context_features = model.encode(video_batch(dataset, record)[0]).context_features
            found += [prompts.mean_pairwise_cosine(text.numpy()) for text in model.category_text(context_features)]
        learned = model.learned_text
    return {
        "encoder": prompts.mean_pairwise_cosine(model.text_features.numpy()),
        "learned": prompts.mean_pairwise_cosine(learned.numpy()),
        "modulated": float(np.mean(found)),
    }


def text_cosines_of_modulations(layout: Layout, datasets: Sequence[str], backbone: str) -> pd.DataFrame:
    """:func:`text_cosines` of the first run of each answer to the question *modulation*, kept in :data:`TEXT_COSINES`.

    Args:
        layout: one's own results are measured, where features and weights are there, and kept; of the reference, what was kept is
            read.
        datasets: folders of data sets.
        backbone: of the features.

    Returns:
        ``dataset``, ``modulation``, ``encoder``, ``learned``, ``modulated``; empty if nothing is there.
    """
    place = layout.read_from / TEXT_COSINES
    if layout.source == "reference":
        return pd.read_csv(place) if place.is_file() else pd.DataFrame(columns=_COSINES)
    rows = []
    for name in datasets:
        try:
            dataset = load_dataset(layout.dataset(name), backbone=backbone)
            for how, runs in answer_runs(layout, dataset, "modulation").items():
                for run in [run for run in runs if isinstance(run, RunInFolder)][:1]:
                    model, _ = trained_model.load_model(run.folder)
                    rows.append({"dataset": name, "modulation": how, **text_cosines(cast(Proposed, model), dataset)})
        except VadError as error:
            print(f"{name}: {error}")
    found = pd.DataFrame(rows, columns=_COSINES)
    if rows:
        write_text(place, found.to_csv(index=False, lineterminator="\n"))
    return found


def modulation_sentence(cosines: pd.DataFrame, dataset: str) -> str:
    """Mean cosine between categories before and after equation 2, for each answer to the question *modulation*.

    Args:
        cosines: of :func:`text_cosines_of_modulations`.
        dataset: folder of the data set.

    Example:
        >>> row = {"dataset": "a", "modulation": "as printed", "learned": 0.5, "modulated": 0.9}
        >>> modulation_sentence(pd.DataFrame([row]), "a"), modulation_sentence(pd.DataFrame([row]), "b")
        ('mean cosine as printed: 0.50 before, 0.90 after', 'not run')
    """
    rows = cosines[cosines["dataset"] == dataset].itertuples()
    words = [f"{row.modulation}: {row.learned:.2f} before, {row.modulated:.2f} after" for row in rows]
    return f"mean cosine {'; '.join(words)}" if words else "not run"
