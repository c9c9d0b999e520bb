"""What the grid found: finished runs of each answer, compared with the model as it is everywhere else."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from vad_lib.config import SELECTIONS
from vad_lib.data.dataset import Dataset
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from vad_lib.evaluation.comparisons import Comparison, compare, have_common_seeds
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.open_questions.questions import BASE, QUESTIONS, READINGS, answer_place, answers_to, base_place
from vad_lib.runs.finished_runs import MAY_DIFFER, find_runs
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout


def answer_runs(layout: Layout, dataset: Dataset, question: str) -> dict[str, list[Run]]:
    """Finished runs of a question, every seed.

    Args:
        layout: one's own results, or the reference.
        dataset: that the question was asked on; its features are not needed.
        question: key of :data:`vad_lib.open_questions.questions.QUESTIONS`.

    Returns:
        answer -> runs in the order of their seeds, ``as everywhere else`` first. Answers without a run are left out, runs of
        other sizes or steps than the base too, and all of them where the base has no run.

    Raises:
        ConfigError: unknown question.
        DataError: a file of a run is damaged.
    """
    asked = answers_to(question, dataset)
    found = {name: find_runs(layout, *answer_place(dataset.name, question, name)) for name in asked}
    base = _base(layout, dataset.name, [run for runs in found.values() for run in runs])
    if not base:
        return {}
    base = [run for run in base if _trained_alike(run, ()) == _trained_alike(base[0], ())]
    for name, answer in asked.items():
        alike = _trained_alike(base[0], answer.train)
        found[name] = [run for run in found[name] if _trained_alike(run, answer.train) == alike]
    return {answer: runs for answer, runs in {BASE: base, **found}.items() if runs}


def _base(layout: Layout, dataset: str, answers: Sequence[Run]) -> list[Run]:
    """Runs of the proposed model on the very features that the answers have; those of the table where there are no others.

    Features from another processor differ in their last digits. A reference whose questions were trained on another machine than
    its tables has the proposed model of that machine too.
    """
    table = find_runs(layout, *answer_place(dataset, "", BASE))
    beside = find_runs(layout, *base_place(dataset))
    features = {run.config["features"]["content_hash"] for run in answers}
    theirs = [run for run in beside if run.config["features"]["content_hash"] in features]
    return theirs or table


def _trained_alike(run: Run, changed: Collection[str]) -> Any:
    train = {name: value for name, value in run.config["train"].items() if name not in (*MAY_DIFFER, *changed)}
    return run.config["width"], train


def compare_answers(
    layout: Layout, dataset: Dataset, question: str, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[str, Comparison]:
    """Each answer of a question against the model as it is everywhere else, on the seeds that both have.

    Args:
        layout: one's own results, or the reference.
        dataset: that the question was asked on; its features are not needed.
        question: key of :data:`vad_lib.open_questions.questions.QUESTIONS`.
        bootstrap: level of the intervals, shared among the answers; number and seed of the draws.

    Returns:
        answer -> comparison by the data set's headline metric; answers without a common run are left out.

    Raises:
        ConfigError: unknown question.
        DataError: a file of a run is damaged, or runs on different test videos.
    """
    runs, found = answer_runs(layout, dataset, question), {}
    if BASE not in runs:
        return {}
    base = scored_rows(runs.pop(BASE))
    shared = bootstrap.shared(len(answers_to(question, dataset)))
    for answer, theirs in runs.items():
        scored = scored_rows(theirs)
        if have_common_seeds(base, scored):
            found[answer] = compare(base, scored, dataset.headline_metric, shared)
    return found


def against_msf_dmu_on_crops(layout: Layout, dataset: Dataset, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> dict[str, Comparison]:
    """The proposed model against MSF-DMU, both on features of ten crops; empty where one of them was not run.

    Raises:
        DataError: a file of a run is damaged, or runs on different test videos.
    """
    ours, theirs = (
        scored_rows(find_runs(layout, *answer_place(dataset.name, "crops", name)))
        for name in (*QUESTIONS["crops"].answers, *QUESTIONS["crops"].beside)
    )
    compared = have_common_seeds(theirs, ours)
    return {"10 crops": compare(theirs, ours, dataset.headline_metric, bootstrap)} if compared else {}


def readings_against(
    layout: Layout, dataset: Dataset, row: str = "msf-dmu", bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[tuple[str, str], Comparison]:
    """The proposed model under every reading of the paper against a table row, on the seeds that both have.

    Each interval stands by itself: of forty comparisons of equal rows, about two would seem to differ.

    Args:
        layout: one's own results, or the reference.
        dataset: that the questions were asked on; its features are not needed.
        row: that the readings are compared with, a key of ``experiments.VARIANTS``.
        bootstrap: level of each interval, number and seed of the draws.

    Returns:
        (question, answer) -> comparison by the data set's headline metric, for the questions of
        :data:`vad_lib.open_questions.questions.READINGS`; the model with its default settings first, its question empty. Empty
        where the row has no run.

    Raises:
        DataError: a file of a run is damaged, or runs on different test videos.
    """
    first = scored_rows(find_runs(layout, "runs", dataset.name, row))
    if not first:
        return {}
    answers = {(question, answer): runs for question in READINGS for answer, runs in answer_runs(layout, dataset, question).items()}
    rows = {("", BASE): find_runs(layout, *answer_place(dataset.name, "", BASE))}
    rows |= {place: runs for place, runs in answers.items() if place[1] != BASE}
    scored = {place: scored_rows(runs) for place, runs in rows.items() if {run.seed for run in runs} & {run.seed for run in first}}
    return {place: compare(first, theirs, dataset.headline_metric, bootstrap) for place, theirs in scored.items()}


def highest_answers(found: Mapping[tuple[str, str], Comparison]) -> dict[str, Comparison]:
    """Of each question the answer with the highest mean, named for a figure.

    Args:
        found: of :func:`readings_against`.
    """
    highest: dict[str, tuple[str, Comparison]] = {}
    for (question, answer), comparison in found.items():
        if question not in highest or comparison.mean > highest[question][1].mean:
            highest[question] = answer, comparison
    return {f"{question}: {answer}" if question else answer: best for question, (answer, best) in highest.items()}


def rows_with_crop_scores(layout: Layout, dataset: Dataset) -> tuple[ScoredVideos, ...]:
    """Test scores of the proposed model on features of several crops, every seed; empty if there are none.

    They are the model's own runs if its features have several crops, else those of the question ``crops``.
    """
    for runs in answer_runs(layout, dataset, "crops").values():
        rows = scored_rows(runs)
        if all(row.crop_scores is not None for row in rows):
            return rows
    return ()


def grid_results(layout: Layout, datasets: Sequence[Dataset], questions: Sequence[str] = tuple(QUESTIONS)) -> pd.DataFrame:
    """What the grid found, one row per run that is there.

    Args:
        layout: one's own results, or the reference.
        datasets: that the questions were asked on; their features are not needed.
        questions: keys of :data:`vad_lib.open_questions.questions.QUESTIONS`.

    Returns:
        columns ``dataset``, ``question``, ``answer``, ``seed``, ``metric`` (name of the headline metric), ``last``,
        ``best_on_validation``, ``best_on_test`` (fractions) and ``seconds`` of training. Each question has the base.
    """
    rows = []
    for dataset in datasets:
        for question in questions:
            for answer, runs in answer_runs(layout, dataset, question).items():
                rows += [(dataset.name, question, answer, *_measured(run)) for run in runs]
    return pd.DataFrame(rows, columns=["dataset", "question", "answer", "seed", "metric", *SELECTIONS, "seconds"])


def _measured(run: Run) -> tuple[Any, ...]:
    metric = run.measured["headline_metric"]
    return run.seed, metric, *(run.value(metric, selection) for selection in SELECTIONS), run.timing()["train_seconds"]
