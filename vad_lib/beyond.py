"""What the paper leaves open, tried: one question, a handful of answers to it, the same data and seeds for all.

A question changes one thing of the proposed model and keeps the rest. Its runs are ordinary run folders under
``results/PROFILE/beyond``, and the answer *as everywhere else* is the table row itself; the grid trains those that are
missing, several at a time, one thread each, and can be stopped and started again. What was found is said in the words of
:mod:`vad_lib.statistics`: better, worse, or cannot tell.

Legend: S seeds, V test videos, T snippets, C categories, D feature width.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import permutations, product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import joblib
import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn
from tqdm import tqdm

from vad_lib import alarms, experiments, figures, prompts, registry, scoring, statistics, tables, training
from vad_lib.config import Profile
from vad_lib.datasets import Dataset, load_dataset, video_batch
from vad_lib.errors import ConfigError, DataError, VadError
from vad_lib.extraction import extract_dataset
from vad_lib.features import FeatureStore, resampled
from vad_lib.files import content_hash, file_sha256, read_json, write_arrays, write_json
from vad_lib.model import Proposed, category_scores, learned_text
from vad_lib.paths import Layout
from vad_lib.prompts import TextFeatures
from vad_lib.statistics import Comparison, Interval, Resampling, ScoredVideos

BASE = "as everywhere else"  # the answer that is the proposed model with its defaults, in every question
CONTROLS = ("training labels permuted", "noise for features", "first frame only", "length and file size only")
TRANSFERRED = ("msf-dmu", "proposed")  # without words, and with them
_FREE = ("seed", "device", "checkpoint_every")  # training settings that may differ between runs that are compared


class Answer(NamedTuple):
    """One way to settle a question.

    Attributes:
        options: settings of the proposed model that differ from its defaults.
        text: whatever the profile has (empty); ``random`` unit vectors; or ``one-hot`` vectors, which know no language at all.
        templates: in place of those of ``prompts.yml``; empty for all of them.
        features: those of the data set (empty), or ``noise`` in their place, see :class:`NoiseStore`.
        left_out: a category whose videos are left out of training; its prompts stay.
        crops: of every snippet, in training and testing; 0 for those of the data set's features.
    """

    options: dict[str, Any] = {}  # noqa: RUF012
    text: Literal["", "random", "one-hot"] = ""
    templates: tuple[str, ...] = ()
    features: Literal["", "noise"] = ""
    left_out: str = ""
    crops: int = 0


class Question(NamedTuple):
    """What is asked, and the answers tried beside :data:`BASE`; with ``each_category`` one per category, which is left out."""

    asks: str
    answers: dict[str, Answer]
    each_category: bool = False


def _scaled(name: str, default: float, factors: Sequence[float]) -> dict[str, Answer]:
    return {f"{factor * default:g}": Answer({name: factor * default}) for factor in factors}


QUESTIONS: dict[str, Question] = {
    "lambda-align": Question("How much weight on L_align (0.0333)?", _scaled("lambda_align", 0.0333, (0, 1 / 3, 3, 30))),
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
    "context": Question("What does the future of a video tell?", {"past only": Answer({"context": "causal"})}),
    "crops": Question("What do ten crops of every snippet add?", {"10 crops": Answer(crops=10)}),
    "features": Question("Is there anything in the features?", {"noise": Answer(features="noise")}),
    "zero-shot": Question("Is a category still found if training never saw it?", {}, each_category=True),
}


def answers_to(question: str, dataset: Dataset) -> dict[str, Answer]:
    """The answers to a question on a data set, :data:`BASE` apart.

    Raises:
        ConfigError: unknown question; the message lists the known ones.
    """
    if question not in QUESTIONS:
        raise ConfigError(f"unknown question {question!r}; known: {', '.join(QUESTIONS)}.")
    asked = QUESTIONS[question]
    if not asked.each_category:
        return {name: answer for name, answer in asked.answers.items() if not answer.crops or _can_be_cropped(dataset, answer)}
    abnormal = dataset.categories[1:]
    # with one abnormal category nothing abnormal would be left to train on
    return {f"without {category}": Answer(left_out=category) for category in abnormal if len(abnormal) > 1}


def _can_be_cropped(dataset: Dataset, answer: Answer) -> bool:
    """True if there are videos to take more crops of than the features have; without features, their crops are not known."""
    if not dataset.synthetic and not (dataset.folder / "videos").is_dir():
        return False
    return dataset.store is None or dataset.store.num_crops < answer.crops


def chosen_questions(names: Sequence[str]) -> tuple[str, ...]:
    """Keys of :data:`QUESTIONS` in their order; ``all`` stands for every one.

    Raises:
        ConfigError: unknown question.
    """
    unknown = [name for name in names if name not in (*QUESTIONS, "all")]
    if unknown:
        raise ConfigError(f"unknown question {unknown[0]!r}; known: all, {', '.join(QUESTIONS)}.")
    return tuple(name for name in QUESTIONS if name in names or "all" in names)


# --- the grid ---------------------------------------------------------------------------------------------


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
        return _answer_folder(layout, self.dataset, self.question, self.answer) / f"seed{self.seed}"


def _answer_folder(layout: Layout, dataset: str, question: str, answer: str) -> Path:
    """Run folders of an answer, one per seed."""
    if answer == BASE:
        return layout.run(dataset, "proposed", 0).parent
    name = "".join(c if c.isalnum() or c in ".-=" else "_" for c in answer)
    return layout.results / "beyond" / dataset / question / name


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


def answer_text(answer: Answer, profile: Profile, dataset: Dataset) -> TextFeatures:
    """Text features of an answer.

    Raises:
        ConfigError: templates, where the profile has no text encoder.
    """
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
        weights = (profile.text_file or None) if profile.text_features == "clip" else None
        return prompts.text_features(profile.text_features, dataset.categories, templates=answer.templates, weights=weights)
    return experiments.dataset_text(profile, dataset)


class NoiseStore(FeatureStore):
    """Noise in place of a store's features: normal numbers with each feature's own mean and variance, always the same.

    Names, lengths and shapes are the store's, so what a model still finds is in them. Nothing is written; segments are made
    in memory, as large as the segments file of the store.
    """

    def __init__(self, store: FeatureStore) -> None:
        vars(self).update(vars(store))
        total, squares, count = np.zeros(store.dimension), np.zeros(store.dimension), 0
        for video in store.videos:
            rows = store.snippets(video).reshape(-1, store.dimension).astype(np.float64)
            total, squares, count = total + rows.sum(axis=0), squares + (rows**2).sum(axis=0), count + len(rows)
        self._mean = total / count
        self._sd = np.sqrt(np.maximum(squares / count - self._mean**2, 0))
        self._place = {video: place for place, video in enumerate(store.videos)}
        self.content_hash = content_hash(["noise", store.content_hash])

    def snippets(self, video: str) -> np.ndarray:
        shape = (self.num_crops, self.num_snippets(video), self.dimension)
        noise = np.random.default_rng([2, self._place[video]]).standard_normal(shape, dtype=np.float32)
        return (self._mean + self._sd * noise).astype(self.contract.dtype)

    def segments(self, num_segments: int, rule: str = "means") -> np.ndarray:
        made = [resampled(self.snippets(video), num_segments, rule) for video in self.videos]
        return np.stack(made).astype(self.contract.dtype)


def changed_dataset(answer: Answer, dataset: Dataset) -> Dataset:
    """The data set as an answer wants it; test videos and categories stay as they are."""
    if answer.left_out:
        kept = tuple(r for r in dataset.videos.records if r.split == "test" or answer.left_out not in r.categories)
        dataset = dataclasses.replace(dataset, videos=dataclasses.replace(dataset.videos, records=kept))
    if answer.features == "noise":
        dataset = dataclasses.replace(dataset, store=NoiseStore(dataset.store))
    return dataset


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
        spec = registry.METHODS.get(settings.method)
        text = experiments.dataset_text(profile, dataset) if spec and spec.needs_text else None
        with _torch_threads(usual_threads):
            if training.is_complete(folder, training.run_key(settings, dataset, text)):
                return False
        with _torch_threads(1):
            return training.train_run(settings, dataset, text, folder, progress=False)
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
        return training.train_run(settings, changed_dataset(answer, dataset), text, folder, progress=False, origin=origin)


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


# --- what the grid found ----------------------------------------------------------------------------------


def run_folders(place: Path) -> list[Path]:
    """Finished runs in a folder of seeds, in their order."""
    found = [folder for folder in place.glob("seed*") if folder.name[4:].isdigit() and (folder / "metrics.json").is_file()]
    return sorted(found, key=lambda folder: int(folder.name[4:]))


def row_scores(layout: Layout, dataset: str, variants: Sequence[str]) -> dict[str, tuple[ScoredVideos, ...]]:
    """Test scores of table rows, every seed that is there; variant -> runs, variants without a run left out.

    Raises:
        DataError: runs that do not belong into one table, see :func:`vad_lib.tables.load_runs`.
    """
    return {variant: statistics.load_all(runs) for variant, runs in tables.load_runs(layout, dataset, variants).items()}


def _trained_alike(folder: Path) -> Any:
    config = read_json(folder / "config.json")
    return config["width"], {name: value for name, value in config["train"].items() if name not in _FREE}


def answer_folders(layout: Layout, dataset: Dataset, question: str) -> dict[str, list[Path]]:
    """Finished runs of a question, answer -> folders, :data:`BASE` first; runs of other sizes or steps than it are left out."""
    base = run_folders(_answer_folder(layout, dataset.name, question, BASE))
    found = {BASE: base}
    for answer in answers_to(question, dataset) if base else ():
        theirs = run_folders(_answer_folder(layout, dataset.name, question, answer))
        found[answer] = [folder for folder in theirs if _trained_alike(folder) == _trained_alike(base[0])]
    return {answer: folders for answer, folders in found.items() if folders}


def settle(layout: Layout, dataset: Dataset, question: str, how: Resampling = statistics.DEFAULT) -> dict[str, Comparison]:
    """Each answer of a question against the base, on the seeds that both have.

    The level is shared among the answers.

    Returns:
        answer -> comparison by the data set's headline metric; answers without a common run left out.
    """
    folders, found = answer_folders(layout, dataset, question), {}
    if BASE not in folders:
        return {}
    base = statistics.load_all(folders.pop(BASE))
    shared = how.shared(len(answers_to(question, dataset)))
    for answer, theirs in folders.items():
        runs = statistics.load_all(theirs)
        if {run.seed for run in base} & {run.seed for run in runs}:
            found[answer] = statistics.compare(base, runs, dataset.headline_metric, shared)
    return found


def cropped(layout: Layout, dataset: Dataset) -> tuple[ScoredVideos, ...]:
    """Runs of the proposed model on features of several crops: its own, else those of the question ``crops``; may be empty."""
    for folders in answer_folders(layout, dataset, "crops").values():
        runs = statistics.load_all(folders)
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
                    values = {rule: measured["rules"][rule]["metrics"][metric] for rule in training.RULES}
                    seconds = read_json(folder / "timing.json")["train_seconds"]
                    known = {"dataset": dataset.name, "question": question, "answer": answer, "seed": int(folder.name[4:])}
                    rows.append(known | {"metric": metric} | values | {"seconds": seconds})
    return pd.DataFrame(rows, columns=["dataset", "question", "answer", "seed", "metric", *training.RULES, "seconds"])


# --- words ------------------------------------------------------------------------------------------------


def in_words(found: Comparison | None, unit: str = "points") -> str:
    """A comparison as a plain answer, with its interval and what it rests on.

    Example:
        >>> in_words(Comparison("auc", 0.0053, 0.01, -0.0061, 0.0172, 0.95, "", (1, 2), (0.0, 0.0106), 290))
        'cannot tell: +0.53 points (95 % interval -0.61 to +1.72; 2 seeds, 290 test videos)'
    """
    if found is None:
        return "not run"
    basis = [f"{found.num_seeds} seeds" if found.num_seeds > 1 else "one seed: of these two models, not of their methods"]
    basis += [f"{found.num_videos} test videos"] * (found.num_videos > 0)
    interval = f"{100 * found.level:.4g} % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}"
    if not np.isfinite(found.low):
        interval = "no interval"
    return f"{found.word}: {100 * found.mean:+.2f} {unit} ({interval}; {', '.join(basis)})"


def verdict(found: Mapping[str, Comparison]) -> str:
    """One sentence for the answers to a question: which are better than the base, worse, or cannot be told from it.

    Behind each the difference in points and its interval.

    Example:
        >>> verdict({})
        'not run'
    """
    words: dict[str, list[str]] = {"better": [], "worse": [], "cannot tell": []}
    for answer, c in found.items():
        words[c.word].append(f"{answer} ({100 * c.mean:+.1f}, {100 * c.low:+.1f} to {100 * c.high:+.1f})")
    said = [f"{word}: {', '.join(answers)}" for word, answers in words.items() if answers]
    return "; ".join(said) or "not run"


def over_seeds(
    first: Mapping[int, float], second: Mapping[int, float], metric: str, title: str = "", other: str = ""
) -> Comparison:
    """A difference of two numbers per seed, the second minus the first, paired; Student's t, the test videos taken as they are.

    For what :func:`vad_lib.statistics.compare` does not measure. With one common seed the interval is unbounded.

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


# --- which category ---------------------------------------------------------------------------------------


def named_categories(folder: Path) -> pd.DataFrame:
    """What a run's alignment map calls each test video: the category of the largest S_fine (equation 4).

    Returns:
        one row per video: ``video``, ``categories`` (a tuple), ``named`` (of all), ``named_abnormal`` (of the abnormal ones).

    Raises:
        DataError: the method has no alignment map.
    """
    scores = figures.load_scores(folder)
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


def naming(folders: Sequence[Path], categories: Sequence[str], how: Resampling = statistics.DEFAULT) -> tuple[Interval, float]:
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


def zero_shot(layout: Layout, dataset: Dataset, how: Resampling = statistics.DEFAULT) -> pd.DataFrame:
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
        seen, unseen = ([only_videos(run, chosen) for run in statistics.load_all(part)] for part in (with_it, without))
        found = statistics.interval(unseen, "auc", how)
        named = [
            np.mean([(named_categories(f)["named_abnormal"][own] == category).mean() for f in part]) for part in (with_it, without)
        ]
        change = statistics.compare(seen, unseen, "auc", how)
        numbers = (found.mean - change.mean, found.mean, found.low, found.high, found.low > 0.5)
        rows.append((category, int(own.sum()), *numbers, in_words(change), *map(float, named)))
    columns = ["category", "videos", "seen", "unseen", "low", "high", "found", "change", "named_seen", "named_unseen"]
    return pd.DataFrame(rows, columns=columns)


# --- text features in trained models ----------------------------------------------------------------------


def text_cosines(folder: Path, dataset: Dataset, most: int = 30) -> dict[str, float]:
    """How alike the categories look to a trained model: mean cosine over pairs, at three places.

    Args:
        folder: a run of the proposed model, weights included.
        dataset: that it was trained on, with features.
        most: test videos whose context is used, the first ones.

    Returns:
        ``encoder`` (T_c), ``learned`` (T~_c) and ``modulated`` (T^_c of equation 2, the mean over the videos), each in [-1, 1].
    """
    model, _ = training.load_model(folder)
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


# --- from one data set to another -------------------------------------------------------------------------


def transfer_folder(layout: Layout, source: str, target: str, variant: str, seed: int) -> Path:
    """Scores of a run of one data set on the test videos of another."""
    return layout.results / "beyond" / "transfer" / f"{source}-to-{target}" / variant / f"seed{seed}"


def transfer(
    layout: Layout, profile: Profile, source: str, target: str, variant: str, seed: int, device: str = "cpu"
) -> ScoredVideos:
    """Score a data set with a model trained on another; kept, and made again only if either changes.

    The prompts of the target's categories replace those of the source; what was learned beside a prompt (Delta_c) is kept for a
    category that both have, and is zero for a new one. Nothing is trained. Only the score of a snippet is used.

    Args:
        layout: where data and results are.
        profile: names the text features.
        source, target: folders of data sets.
        variant: the row that was trained on ``source``.
        seed: of the run.
        device: of torch.

    Raises:
        VadError: no such run, no weights, or features of another width.
    """
    made, place = layout.run(source, variant, seed), transfer_folder(layout, source, target, variant, seed)
    model, config = training.load_model(made)
    dataset = load_dataset(layout.dataset(target), backbone=profile.features.backbone)
    if dataset.store.dimension != config["features"]["dimension"]:
        raise DataError(
            f"{made}: takes features of width {config['features']['dimension']}, {dataset.title} has {dataset.store.dimension}; "
            "give both data sets features of one backbone."
        )
    text = experiments.dataset_text(profile, dataset) if isinstance(model, Proposed) else None
    parts = [config["key"], dataset.store.content_hash, file_sha256(dataset.folder / "videos.csv"), text and text.content_hash]
    if (place / "config.json").is_file() and read_json(place / "config.json")["key"] == content_hash(parts):
        return statistics.load_scored(place)
    if text:
        model = _with_categories(model, tuple(config["categories"]), text)
    records = dataset.videos.split("test")
    scores = scoring.snippet_scores(model.to(device), dataset, records, device)
    write_arrays(
        place / "scores.npz",
        {
            "videos": np.array([record.name for record in records]),
            "categories": np.array(dataset.categories),
            "video_categories": np.array([";".join(record.categories) for record in records]),
            "num_snippets": np.array([len(scores[record.name]["score"]) for record in records], dtype=np.int64),
            "num_frames": np.array([record.num_frames for record in records], dtype=np.int64),
            "labels": np.concatenate([record.frame_labels() for record in records]),
            "score": np.concatenate([scores[record.name]["score"] for record in records]).astype(np.float32),
        },
    )
    kept = {name: config[name] for name in ("method", "variant", "seed")}
    about = {"title": f"{config['title']}, trained on {source}", "key": content_hash(parts), "dataset": target}
    write_json(place / "config.json", kept | about | {"dataset_info": {"tail": dataset.info.tail}})
    return statistics.load_scored(place)


def transfer_all(layout: Layout, profile: Profile, datasets: Sequence[str], seeds: Sequence[int], device: str = "cpu") -> list[str]:
    """:func:`transfer` of every row of :data:`TRANSFERRED` from each data set to each other one; messages of those that failed."""
    failed = []
    for (source, target), variant, seed in product(permutations(datasets, 2), TRANSFERRED, seeds):
        try:
            transfer(layout, profile, source, target, variant, seed, device)
        except VadError as error:
            failed.append(f"{variant}, {source} to {target}, seed {seed}: {error}")
    return failed


def _with_categories(model: Proposed, categories: tuple[str, ...], text: TextFeatures) -> Proposed:
    """The trained model with the prompts of another data set."""
    offset = torch.zeros(text.values.shape)
    for row, category in enumerate(text.categories):
        if category in categories:
            offset[row] = model.prompt_offset.detach()[categories.index(category)]
    model.text = torch.from_numpy(text.values.copy())
    model.prompt_offset = nn.Parameter(offset)
    return model


def transferred(layout: Layout, source: str, target: str, variant: str) -> tuple[ScoredVideos, ...]:
    """All seeds of :func:`transfer` that are there."""
    place = transfer_folder(layout, source, target, variant, 0).parent
    folders = [f for f in place.glob("seed*") if (f / "config.json").is_file() and (f / "scores.npz").is_file()]
    return statistics.load_all(sorted(folders, key=lambda folder: int(folder.name[4:])))


# --- thresholds and controls ------------------------------------------------------------------------------


def operating(runs: Sequence[ScoredVideos], fps: float, rates: Sequence[float] = (0.01, 0.001)) -> pd.DataFrame:
    """:func:`vad_lib.alarms.operating_points` and the calibration error, a row per seed and rate."""
    found = []
    for run in runs:
        points = alarms.operating_points(run, fps, rates)
        found.append(points.assign(seed=run.seed, calibration_error=alarms.calibration(run).expected_error))
    return pd.concat(found, ignore_index=True)


def controls(layout: Layout, dataset: Dataset, how: Resampling = statistics.DEFAULT) -> dict[str, Interval]:
    """AUC of what must find nothing, and of what sees next to nothing; those of :data:`CONTROLS` that are there.

    The last two rank whole test videos, from their first frame or the size of their file (notebook 01 wrote them).
    """
    found = {}
    permuted = layout.run(dataset.name, "proposed-permuted", 0).parent
    for name, place in zip(CONTROLS, (permuted, _answer_folder(layout, dataset.name, "features", "noise"))):
        if folders := run_folders(place):
            found[name] = statistics.interval(statistics.load_all(folders), "auc", how)
    if layout.controls(dataset.name).is_file():
        written = read_json(layout.controls(dataset.name))
        videos = len(dataset.videos.split("test"))
        for name, key in zip(CONTROLS[2:], ("first_frame", "file_size")):
            if f"{key}_auc" in written:
                mean, low, high = (written[f"{key}_{part}"] for part in ("auc", "low", "high"))
                found[name] = Interval("auc", mean, None, low, high, 0.95, "test videos", (), (), videos)
    return found


def holds_chance(found: Interval) -> str:
    """Words for a control: its interval holds 0.5, or lies above or below.

    Example:
        >>> holds_chance(Interval("auc", 0.48, None, 0.3, 0.66, 0.95, "", (1,), (0.48,), 40))
        'finds nothing: 48.0 % AUC (95 % interval 30.0 to 66.0)'
    """
    word = "finds nothing" if found.low <= 0.5 <= found.high else "finds something" if found.low > 0.5 else "is worse than chance"
    numbers = f"{100 * found.mean:.1f} % AUC ({100 * found.level:g} % interval {100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{word}: {numbers}"
