"""What the paper leaves open, tried: one question, a handful of answers to it, the same data and seeds for all.

A question changes one thing of the proposed model and keeps the rest. Its runs are ordinary run folders under
``results/PROFILE/beyond``; the grid trains those that are missing, several at a time, one thread each, and can be
stopped and started again.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import joblib
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from vad_lib import experiments, prompts, training
from vad_lib.config import Profile
from vad_lib.datasets import Dataset, load_dataset
from vad_lib.errors import ConfigError
from vad_lib.files import read_json
from vad_lib.paths import Layout
from vad_lib.prompts import TextFeatures

BASE = "as everywhere else"  # the answer that is the proposed model with its defaults, in every question


class Answer(NamedTuple):
    """One way to settle a question.

    Attributes:
        options: settings of the proposed model that differ from its defaults.
        text: ``sentence`` or whatever the profile has (empty); ``random`` unit vectors; ``one-hot`` vectors, which know
            no language at all.
        templates: in place of those of ``prompts.yml``; empty for all of them.
    """

    options: dict[str, Any] = {}  # noqa: RUF012
    text: Literal["", "random", "one-hot"] = ""
    templates: tuple[str, ...] = ()


class Question(NamedTuple):
    """What is asked, and the answers that are tried beside :data:`BASE`."""

    asks: str
    answers: dict[str, Answer]


def _scaled(name: str, default: float, factors: Sequence[float]) -> dict[str, Answer]:
    return {f"{factor * default:g}": Answer({name: factor * default}) for factor in factors}


QUESTIONS: dict[str, Question] = {
    "lambda-align": Question("How much weight on L_align (0.1)?", _scaled("lambda_align", 0.1, (0, 1 / 4, 4, 10))),
    "lambda-cls": Question("How much weight on L_cls (0.1)?", _scaled("lambda_cls", 0.1, (0, 1 / 4, 4, 10))),
    "lambda-con": Question("How much weight on L_con (0.05)?", _scaled("lambda_con", 0.05, (0, 1 / 4, 4, 20))),
    "loss-weights": Question("Fixed or learned loss weights?", {"adaptive": Answer({"loss_weights": "adaptive"})}),
    "alpha": Question("How much suppression in normal videos, alpha (1)?", _scaled("alpha", 1.0, (0, 10))),
    "ratio": Question(
        "Which share of frames aligns, r (1/16)?", {"1/4": Answer({"align_ratio": 1 / 4}), "1": Answer({"align_ratio": 1.0})}
    ),
    "top-k": Question(
        "How many segments stand for a video, k = T // d + 1 (d = 16)?",
        {"d = 4": Answer({"topk_divisor": 4}), "d = 8": Answer({"topk_divisor": 8}), "d = 64": Answer({"topk_divisor": 64})},
    ),
    "temperature": Question(
        "Which temperature tau at the start (0.07, learned)?",
        {
            "0.02": Answer({"temperature": 0.02}),
            "0.3": Answer({"temperature": 0.3}),
            "0.07, fixed": Answer({"learn_temperature": False}),
        },
    ),
    "templates": Question(
        "How many prompt templates, and which words?",
        {
            "a video of {} happening": Answer(templates=("a video of {} happening",)),
            "a surveillance video of {}": Answer(templates=("a surveillance video of {}",)),
            "the paper's two": Answer(templates=("a video of {} happening", "a surveillance video of {}")),
        },
    ),
    "equation-5": Question("Softmax or the literal sum in equation 5?", {"literal sum": Answer({"semantic_score": "sum"})}),
    "modulation": Question(
        "Does the video's context move the text (equation 2), and how far?",
        {"literal": Answer({"modulation": "literal"}), "off": Answer({"modulation": "off"})},
    ),
    "gate": Question(
        "Must the gate be learned, and where should it start (w = 0.5)?",
        {
            "fixed at 0.5": Answer({"gate": "fixed"}),
            "fixed at 0.9": Answer({"gate": "fixed", "gate_start": 2.2}),
            "fixed at 0.1": Answer({"gate": "fixed", "gate_start": -2.2}),
            "starts at 0.9": Answer({"gate_start": 2.2}),
            "starts at 0.1": Answer({"gate_start": -2.2}),
        },
    ),
    "text": Question(
        "Does the language matter at all?", {"random vectors": Answer(text="random"), "one-hot": Answer(text="one-hot")}
    ),
}


class Task(NamedTuple):
    """One run of the grid."""

    dataset: str
    question: str  # empty for the base, which all questions share
    answer: str
    seed: int

    def folder(self, layout: Layout) -> Path:
        """Its run folder."""
        name = "".join(c if c.isalnum() or c in ".-=" else "_" for c in self.answer)
        place = Path(self.question, name) if self.question else Path("base")
        return layout.results / "beyond" / self.dataset / place / f"seed{self.seed}"


def tasks(datasets: Sequence[str], questions: Sequence[str], seeds: Sequence[int]) -> list[Task]:
    """All runs that the questions need, the base once; seeds outermost, so that a stopped grid has whole seeds.

    Raises:
        ConfigError: unknown question; the message lists the known ones.
    """
    unknown = [question for question in questions if question not in QUESTIONS]
    if unknown:
        raise ConfigError(f"unknown question {unknown[0]!r}; known: {', '.join(QUESTIONS)}.")
    found = []
    for seed in seeds:
        for dataset in datasets:
            found.append(Task(dataset, "", BASE, seed))
            found += [Task(dataset, question, answer, seed) for question in questions for answer in QUESTIONS[question].answers]
    return found


def answer_text(answer: Answer, profile: Profile, dataset: Dataset) -> TextFeatures:
    """Text features of an answer."""
    if answer.text == "one-hot":
        values = np.eye(len(dataset.categories), dtype=np.float32)
        return TextFeatures(dataset.categories, values, "one-hot", "text features: one-hot vectors, no language", ())
    if answer.text == "random":
        return prompts.text_features("random", dataset.categories)
    if answer.templates:
        if profile.text_features not in ("clip", "sentence"):
            raise ConfigError(
                f"templates are filled for the text features clip and sentence, the profile has {profile.text_features}; leave "
                "the question 'templates' out."
            )
        weights = profile.text_file or None
        return prompts.text_features(
            profile.text_features, dataset.categories, templates=answer.templates, **({"weights": weights} if weights else {})
        )
    return experiments.dataset_text(profile, dataset)


def run_task(task: Task, layout: Layout, profile: Profile, device: str = "cpu", threads: int = 1) -> bool:
    """Train one run unless it is there; True if it trained.

    Raises:
        DataError, MissingFileError: the data set is not ready.
    """
    torch.set_num_threads(threads)
    dataset = load_dataset(layout.dataset(task.dataset))
    answer = QUESTIONS[task.question].answers[task.answer] if task.question else Answer()
    settings = experiments.run_settings("proposed", profile, task.seed, device, counterpart=dataset.counterpart)
    title = f"{task.question}: {task.answer}" if task.question else settings.title
    settings = settings.replace(variant=task.question or "base", title=title, options={**settings.options, **answer.options})
    return training.train_run(settings, dataset, answer_text(answer, profile, dataset), task.folder(layout), progress=False)


def run_grid(
    layout: Layout,
    profile: Profile,
    datasets: Sequence[str],
    questions: Sequence[str] = tuple(QUESTIONS),
    seeds: Sequence[int] = (),
    *,
    jobs: int = 0,
    device: str = "cpu",
    progress: bool = True,
) -> int:
    """Train every run of the grid that is missing, several at a time; started again, it goes on.

    Args:
        layout: where data and results are.
        profile: sizes and steps.
        datasets: folders of data sets, features made.
        questions: keys of :data:`QUESTIONS`.
        seeds: of the runs; the profile's first seeds if empty.
        jobs: processes, one torch thread each; 0 for one per core. On a GPU one process is used.
        device: of torch.
        progress: a bar with the time left, on a terminal.

    Returns:
        how many runs were trained; the others were there.
    """
    seeds = tuple(seeds or range(profile.train.seed, profile.train.seed + profile.seeds))
    todo = tasks(datasets, questions, seeds)
    processes = 1 if device != "cpu" else jobs or os.cpu_count() or 1
    work = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")
    results: Iterator[bool] = work(joblib.delayed(run_task)(task, layout, profile, device) for task in todo)
    return sum(tqdm(results, total=len(todo), desc="grid", unit="run", disable=None if progress else True))


def grid_results(
    layout: Layout, datasets: Sequence[str], questions: Sequence[str] = tuple(QUESTIONS), seeds: Sequence[int] = ()
) -> pd.DataFrame:
    """What the grid found, one row per run that is there.

    Args:
        layout: where the results are.
        datasets: folders of data sets.
        questions: keys of :data:`QUESTIONS`; each gets the base as its first answer.
        seeds: those to read.

    Returns:
        columns ``dataset``, ``question``, ``answer``, ``seed``, ``metric`` (name of the headline metric), ``last``,
        ``best_on_validation``, ``best_on_test`` (fractions) and ``folder``.
    """
    rows = []
    for dataset in datasets:
        for question in questions:
            for answer in (BASE, *QUESTIONS[question].answers):
                for seed in seeds:
                    folder = Task(dataset, "" if answer == BASE else question, answer, seed).folder(layout)
                    if not (folder / "metrics.json").is_file():
                        continue
                    measured = read_json(folder / "metrics.json")
                    metric = measured["headline_metric"]
                    values = {rule: measured["rules"][rule]["metrics"][metric] for rule in training.RULES}
                    rows.append(
                        {"dataset": dataset, "question": question, "answer": answer, "seed": seed, "metric": metric}
                        | values
                        | {"folder": folder}
                    )
    columns = ["dataset", "question", "answer", "seed", "metric", *training.RULES, "folder"]
    return pd.DataFrame(rows, columns=columns)
