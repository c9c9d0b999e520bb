"""The grid of runs behind the open questions: one thing of the proposed model changed, the same data and seeds for all.

Runs of an answer are ordinary run folders below ``results/PROFILE/questions``; the answer *as everywhere else* is the table
row itself. The grid trains those that are missing, several at a time, one thread each, and can be stopped and started again.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

import joblib

from vad_lib import registry
from vad_lib.config import Profile
from vad_lib.data import prepare
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.extraction import extract_dataset
from vad_lib.data.extraction_workers import engine_of
from vad_lib.data.feature_store import FeatureStore
from vad_lib.errors import DataError, MissingFileError, VadError
from vad_lib.open_questions.questions import QUESTIONS, answer_place, answer_text, changed_dataset, trained_for
from vad_lib.runs import experiments
from vad_lib.runs.many_runs import Training, train_each
from vad_lib.storage.paths import Layout


class Task(NamedTuple):
    """One run to be made.

    Attributes:
        dataset: folder of the data set.
        question: key of :data:`QUESTIONS`; empty for a row of a table.
        answer: to the question; the variant, for a row of a table.
        seed: of the run.
    """

    dataset: str
    question: str
    answer: str
    seed: int

    def folder(self, layout: Layout) -> Path:
        """Its run folder; a row of a table has its usual one."""
        if not self.question:
            return layout.run(self.dataset, self.answer, self.seed)
        return layout.results.joinpath(*answer_place(self.dataset, self.question, self.answer)) / f"seed{self.seed}"


def tasks(datasets: Sequence[Dataset], questions: Sequence[str], seeds: Sequence[int], rows: Sequence[str] = ()) -> list[Task]:
    """All runs that the questions and table rows need; seeds outermost, so that a stopped grid has whole seeds.

    Raises:
        ConfigError: unknown question.
    """
    found = []
    for seed in seeds:
        for dataset in datasets:
            # the proposed model is the base of every question
            found += [Task(dataset.name, "", row, seed) for row in dict.fromkeys(("proposed", *rows))]
            found += [Task(dataset.name, q, answer, seed) for q in questions for answer in trained_for(q, dataset)]
    return found


def training(task: Task, dataset: Dataset, layout: Layout, profile: Profile, device: str = "cpu") -> Training | None:
    """What trains a run; None for a row that the data set cannot have.

    Args:
        task: the run.
        dataset: its data set, with features.
        layout: where results are.
        profile: sizes and steps.
        device: of torch.

    Raises:
        VadError: there are no features of so many crops, or the profile cannot have this answer.
    """
    if not task.question:
        if experiments.not_runnable(task.answer, dataset):
            return None
        settings = experiments.run_settings(task.answer, profile, task.seed, device, counterpart=dataset.counterpart)
        text = prepare.dataset_text(profile, dataset) if registry.METHODS[settings.method].needs_text else None
        return Training(settings, dataset, text, task.folder(layout))
    answer = trained_for(task.question, dataset)[task.answer]
    if answer.crops:
        dataset = load_dataset(dataset.folder, backbone=profile.features.backbone, crops=answer.crops)
    settings = experiments.run_settings(answer.row, profile, task.seed, device, counterpart=dataset.counterpart)
    settings = settings.replace(
        variant=task.question, title=f"{task.question}: {task.answer}", options={**settings.options, **answer.options}
    )
    settings = settings.replace(train=settings.train.replace(**answer.train))
    text = answer_text(answer, profile, dataset) if registry.METHODS[settings.method].needs_text else None
    changes = {"features": answer.features, "left_out": answer.left_out, "share": answer.share if answer.share < 1 else 0}
    origin = {name: value for name, value in changes.items() if value}
    return Training(settings, changed_dataset(answer, dataset), text, task.folder(layout), origin=origin)


class GridReport(NamedTuple):
    """What the grid did: runs trained now, runs that were there, and the message of each that failed."""

    trained: int
    there: int
    failed: dict[Task, str]


def run_grid(
    layout: Layout,
    profile: Profile,
    datasets: Sequence[Dataset],
    questions: Sequence[str] = tuple(QUESTIONS),
    seeds: Sequence[int] = (),
    *,
    first_seed: int | None = None,
    rows: Sequence[str] = (),
    jobs: int = 0,
    device: str = "cpu",
    progress: bool = True,
) -> GridReport:
    """Train every run that is missing, several at a time; started again, it goes on.

    A run that fails (a loss that grows without bound is an answer too) is reported and does not stop the others. Features of
    more crops, where an answer wants them, are extracted first; those that OpenVINO made in half the time
    (``python -m vad_lib.data.extraction --crops 10 --engine openvino-bf16``) are kept.

    Args:
        layout: where data and results are.
        profile: sizes and steps.
        datasets: features made; loaded with or without them.
        questions: keys of :data:`QUESTIONS`.
        seeds: of all runs; if empty, as many for each question as the profile says.
        first_seed: that those are counted from; the profile's by default.
        rows: table rows to train with the seeds that all questions have, keys of ``experiments.VARIANTS``.
        jobs: processes, one torch thread each; 0 for one per core. On a GPU one process is used.
        device: of torch.
        progress: a bar with the time left, on a terminal.

    Raises:
        ConfigError: unknown question.
        MissingFileError, DataError: a data set without features, or with damaged ones.
    """
    # which questions can be asked depends on the features
    datasets = [load_dataset(layout.dataset(dataset.name), backbone=profile.features.backbone) for dataset in datasets]
    first = profile.train.seed if first_seed is None else first_seed
    todo = tasks(datasets, questions, seeds or range(first, first + profile.answer_seeds), rows)
    for question, number in () if seeds else profile.question_seeds.items():
        if question in questions:
            todo += tasks(datasets, [question], range(first + profile.answer_seeds, first + number))
    todo = list(dict.fromkeys(todo))
    processes = 1 if device != "cpu" else jobs or joblib.cpu_count()
    failed = _extract_crops(todo, layout, profile, datasets, processes, device, progress)
    loaded, made, trained = {dataset.name: dataset for dataset in datasets}, {}, 0
    for task in todo:
        if task not in failed:
            try:
                made[task] = training(task, loaded[task.dataset], layout, profile, device)
            except VadError as error:
                failed[task] = f"{type(error).__name__}: {error}"
    runs = {task: run for task, run in made.items() if run}
    with closing(train_each(list(runs.values()), jobs, progress=progress)) as outcomes:
        for number, new, failure in outcomes:
            trained += new
            if failure:
                failed[list(runs)[number]] = f"{type(failure).__name__}: {failure}"
    return GridReport(trained, len(todo) - len(failed) - trained, failed)


def _engine_there(store: Path) -> Literal["torch", "openvino-bf16"] | None:
    """The engine whose features lie in a store; None without any, and where they are damaged and made anew."""
    try:
        return engine_of(FeatureStore.open(store).contract)
    except (DataError, MissingFileError):
        return None


def _extract_crops(
    todo: Sequence[Task], layout: Layout, profile: Profile, datasets: Sequence[Dataset], jobs: int, device: str, progress: bool
) -> dict[Task, str]:
    """Features of as many crops as the answers want; tasks that cannot have them, and why."""
    failed: dict[Task, str] = {}
    for dataset in datasets:
        wanted: dict[int, list[Task]] = {}
        for task in todo:
            if task.dataset == dataset.name and task.question:
                wanted.setdefault(trained_for(task.question, dataset)[task.answer].crops, []).append(task)
        wanted.pop(0, None)
        for crops, theirs in wanted.items():
            videos, names = layout.videos(dataset.name), [record.name for record in dataset.videos.records]
            place = layout.features(dataset.name, profile.features.backbone, crops)
            settings = profile.features.replace(num_crops=crops, engine=_engine_there(place) or profile.features.engine)
            try:
                report = extract_dataset(videos, names, place, settings, device, progress, jobs=jobs)
            except VadError as error:
                failed |= dict.fromkeys(theirs, f"{type(error).__name__}: {error}")
                continue
            if missing := list(report.failures.values()):
                counts = f"{len(missing)} of {len(names)} videos have no features of {crops} crops"
                failed |= dict.fromkeys(theirs, f"{counts}; the first: {missing[0]}")
    return failed
