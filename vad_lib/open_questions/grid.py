"""The grid of runs behind the open questions: one thing of the proposed model changed, the same data and seeds for all.

Runs of an answer are ordinary run folders below ``results/PROFILE/questions``; the answer *as everywhere else* is the table
row itself. The grid trains those that are missing, several at a time, one thread each, and can be stopped and started again.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import torch
from tqdm import tqdm

from vad_lib import registry
from vad_lib.config import Profile
from vad_lib.data import prepare
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.extraction import extract_dataset
from vad_lib.errors import VadError
from vad_lib.open_questions.questions import QUESTIONS, answer_place, answer_text, answers_to, changed_dataset
from vad_lib.runs import experiments, record, run_folder, trainer
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
            found += [Task(dataset.name, q, answer, seed) for q in questions for answer in answers_to(q, dataset)]
    return found


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_task(task: Task, layout: Layout, profile: Profile, device: str = "cpu", usual_threads: int = 1) -> bool:
    """Train one run with one thread unless it is there; True if it trained.

    Args:
        task: the run.
        layout: where data and results are.
        profile: sizes and steps.
        device: of torch.
        usual_threads: a table row that a notebook trained with so many threads is left as it is.

    Raises:
        VadError: the data set is not ready, the profile cannot have this answer, or training broke down.
    """
    dataset = load_dataset(layout.dataset(task.dataset), backbone=profile.features.backbone)
    folder = task.folder(layout)
    if not task.question:
        if experiments.not_runnable(task.answer, dataset):
            return False
        settings = experiments.run_settings(task.answer, profile, task.seed, device, counterpart=dataset.counterpart)
        text = prepare.dataset_text(profile, dataset) if registry.METHODS[settings.method].needs_text else None
        with _torch_threads(usual_threads):
            if run_folder.is_complete(folder, record.run_key(settings, dataset, text)):
                return False
        with _torch_threads(1):
            return trainer.train_run(settings, dataset, text, folder, progress=False)
    answer = answers_to(task.question, dataset)[task.answer]
    if answer.crops:
        dataset = load_dataset(dataset.folder, backbone=profile.features.backbone, crops=answer.crops)
    settings = experiments.run_settings("proposed", profile, task.seed, device, counterpart=dataset.counterpart)
    settings = settings.replace(
        variant=task.question, title=f"{task.question}: {task.answer}", options={**settings.options, **answer.options}
    )
    text = answer_text(answer, profile, dataset)
    origin = {name: value for name, value in (("features", answer.features), ("left_out", answer.left_out)) if value}
    with _torch_threads(1):
        return trainer.train_run(settings, changed_dataset(answer, dataset), text, folder, progress=False, origin=origin)


class GridReport(NamedTuple):
    """What the grid did: runs trained now, runs that were there, and the message of each that failed."""

    trained: int
    there: int
    failed: dict[Task, str]


def _attempt(task: Task, *arguments: Any) -> tuple[Task, bool, str]:
    try:
        return task, run_task(task, *arguments), ""
    except VadError as error:
        return task, False, f"{type(error).__name__}: {error}"


def run_grid(
    layout: Layout,
    profile: Profile,
    datasets: Sequence[Dataset],
    questions: Sequence[str] = tuple(QUESTIONS),
    seeds: Sequence[int] = (),
    *,
    rows: Sequence[str] = (),
    jobs: int = 0,
    device: str = "cpu",
    progress: bool = True,
) -> GridReport:
    """Train every run that is missing, several at a time; started again, it goes on.

    A run that fails (a loss that grows without bound is an answer too) is reported and does not stop the others. Features of
    more crops, where an answer wants them, are extracted first.

    Args:
        layout: where data and results are.
        profile: sizes and steps.
        datasets: features made; loaded with or without them.
        questions: keys of :data:`QUESTIONS`.
        seeds: of the runs; the profile's first seeds if empty.
        rows: table rows to train with the same seeds, keys of ``experiments.VARIANTS``.
        jobs: processes, one torch thread each; 0 for one per core. On a GPU one process is used.
        device: of torch.
        progress: a bar with the time left, on a terminal.

    Raises:
        ConfigError: unknown question.
        MissingFileError, DataError: a data set without features, or with damaged ones.
    """
    # which questions can be asked depends on the features
    datasets = [load_dataset(layout.dataset(dataset.name), backbone=profile.features.backbone) for dataset in datasets]
    seeds = tuple(seeds or range(profile.train.seed, profile.train.seed + profile.seeds))
    todo = tasks(datasets, questions, seeds, rows)
    processes = 1 if device != "cpu" else jobs or os.cpu_count() or 1
    failed = _extract_crops(todo, layout, profile, datasets, processes, device, progress)
    todo = [task for task in todo if task not in failed]
    work = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")
    results = work(joblib.delayed(_attempt)(task, layout, profile, device, torch.get_num_threads()) for task in todo)
    done = list(tqdm(results, total=len(todo), desc="grid", unit="run", disable=None if progress else True))
    failed |= {task: message for task, _, message in done if message}
    trained = sum(new for _, new, _ in done)
    return GridReport(trained, sum(not message for _, _, message in done) - trained, failed)


def _extract_crops(
    todo: Sequence[Task], layout: Layout, profile: Profile, datasets: Sequence[Dataset], jobs: int, device: str, progress: bool
) -> dict[Task, str]:
    """Features of as many crops as the answers want; tasks that cannot have them, and why."""
    failed: dict[Task, str] = {}
    for dataset in datasets:
        wanted: dict[int, list[Task]] = {}
        for task in todo:
            if task.dataset == dataset.name and task.question:
                wanted.setdefault(answers_to(task.question, dataset)[task.answer].crops, []).append(task)
        wanted.pop(0, None)
        for crops, theirs in wanted.items():
            videos, names = layout.videos(dataset.name), [record.name for record in dataset.videos.records]
            place = layout.features(dataset.name, profile.features.backbone, crops)
            settings = profile.features.replace(num_crops=crops)
            try:
                report = extract_dataset(videos, names, place, settings, device, progress, jobs=jobs)
            except VadError as error:
                failed |= dict.fromkeys(theirs, f"{type(error).__name__}: {error}")
                continue
            if missing := list(report.failures.values()):
                counts = f"{len(missing)} of {len(names)} videos have no features of {crops} crops"
                failed |= dict.fromkeys(theirs, f"{counts}; the first: {missing[0]}")
    return failed
