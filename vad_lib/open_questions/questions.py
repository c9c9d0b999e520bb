"""What the paper leaves open: one question, a handful of answers to it."""

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from vad_lib.config import Profile
from vad_lib.data import prepare, prompts
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.data.feature_store import FeatureStore
from vad_lib.data.prompts import TextFeatures
from vad_lib.data.segments import make_segments
from vad_lib.errors import ConfigError
from vad_lib.storage.hashing import content_hash

BASE = "as everywhere else"  # the answer that is the proposed model with its defaults, in every question


class Answer(NamedTuple):
    """One way to settle a question.

    Attributes:
        options: settings of the proposed model that differ from its defaults.
        text: whatever the profile has (empty); ``class names``, CLIP's features of them, where there are some; ``random`` unit
            vectors; or ``one-hot`` vectors, which know no language at all.
        templates: in place of those of ``prompts.yml``; empty for all of them.
        features: those of the data set (empty), or ``noise`` in their place, see :class:`NoiseStore`.
        left_out: a category whose videos are left out of training; its prompts stay.
        crops: of every snippet, in training and testing; 0 for those of the data set's features.
        train: training settings that differ from the profile's.
        share: of the training videos of each category that are kept, the first ones, at least two.
        row: the table row that is trained, a key of ``experiments.VARIANTS``.
    """

    options: dict[str, Any] = {}  # noqa: RUF012
    text: Literal["", "class names", "random", "one-hot"] = ""
    templates: tuple[str, ...] = ()
    features: Literal["", "noise"] = ""
    left_out: str = ""
    crops: int = 0
    train: dict[str, Any] = {}  # noqa: RUF012
    share: float = 1.0
    row: str = "proposed"


class Question(NamedTuple):
    """What is asked, and the answers tried beside :data:`BASE`; with ``each_category`` one per category, which is left out.

    ``beside`` are other rows that are trained as an answer is, to be compared with that and not with :data:`BASE`.
    """

    asks: str
    answers: dict[str, Answer]
    each_category: bool = False
    beside: dict[str, Answer] = {}  # noqa: RUF012


def _scaled(name: str, default: float, factors: Sequence[float]) -> dict[str, Answer]:
    return {f"{factor * default:g}": Answer({name: factor * default}) for factor in factors}


# Training without what the built-in profiles add to the paper's.
PLAIN: dict[str, Any] = {
    "choose_after": 0.0,
    "averaging": 0.0,
    "scalar_rate": 1.0,
    "warmup": 0,
    "late_warmup": 0,
    "clip_norm": 0.0,
    "feature_dropout": 0.0,
}

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
        "Does the language matter at all?",
        {
            "CLIP features of class names": Answer(text="class names"),
            "random vectors": Answer(text="random"),
            "one-hot": Answer(text="one-hot"),
        },
    ),
    "dilations": Question(
        "How far do the convolutions of the visual branch reach (dilations 1, 1, 1 where a video has 16 segments)?",
        {"1, 2, 4": Answer({"dilations": [1, 2, 4]}), "1, 1, 2": Answer({"dilations": [1, 1, 2]})},
    ),
    "context": Question("What does the future of a video tell?", {"past only": Answer({"context": "causal"})}),
    "crops": Question(
        "What do ten crops of every snippet add?",
        {"10 crops": Answer(crops=10)},
        beside={"MSF-DMU, 10 crops": Answer(crops=10, row="msf-dmu")},
    ),
    "features": Question("Is there anything in the features?", {"noise": Answer(features="noise")}),
    "zero-shot": Question("Is a category still found if training never saw it?", {}, each_category=True),
    "few-videos": Question(
        "Does training need many videos?",
        {"a quarter of the videos": Answer(share=1 / 4, train={"log_gradients": True}), "half of the videos": Answer(share=1 / 2)},
    ),
    "remedies": Question(
        "Which change of the training matters?",
        {
            "none of ours": Answer(train=PLAIN),
            "no averaged weights": Answer(train={"averaging": 0.0}),
            "any step may be chosen": Answer(train={"choose_after": 0.0}),
            "scalars at the common rate": Answer(train={"scalar_rate": 1.0}),
            "gradients not clipped": Answer(train={"clip_norm": 0.0}),
            "no warm-up": Answer(train={"warmup": 0}),
            "all terms whole from the start": Answer(train={"late_warmup": 0}),
            "no feature channels dropped": Answer(train={"feature_dropout": 0.0}),
            "half of the feature channels dropped": Answer(train={"feature_dropout": 0.5}),
            "the paper's rate, 2e-4": Answer(train={"lr": 2e-4}),
            "step chosen by cross-entropy": Answer(train={"choose_by": "bce"}),
            "normal read-outs not sampled": Answer({"reparameterise": False}),
        },
    ),
}


# What the paper leaves open about the model itself: each answer is a reading of it, trained on the same videos in the same way.
READINGS = (
    "lambda-align",
    "lambda-cls",
    "lambda-con",
    "loss-weights",
    "alpha",
    "ratio",
    "top-k",
    "temperature",
    "templates",
    "equation-5",
    "modulation",
    "gate",
    "text",
    "dilations",
)


def answers_to(question: str, dataset: Dataset) -> dict[str, Answer]:
    """The answers to a question on a data set, :data:`BASE` apart.

    Raises:
        ConfigError: unknown question; the message lists the known ones.
    """
    if question not in QUESTIONS:
        raise ConfigError(f"unknown question {question!r}; known: {', '.join(QUESTIONS)}.")
    asked = QUESTIONS[question]
    if not asked.each_category:
        return {name: answer for name, answer in asked.answers.items() if _can_be_had(dataset, answer)}
    abnormal = dataset.categories[1:]
    # with one abnormal category nothing abnormal would be left to train on
    return {f"without {category}": Answer(left_out=category) for category in abnormal if len(abnormal) > 1}


def trained_for(question: str, dataset: Dataset) -> dict[str, Answer]:
    """All that the grid trains for a question on a data set: its answers, and the rows beside them.

    Raises:
        ConfigError: unknown question; the message lists the known ones.
    """
    answers = answers_to(question, dataset)
    return answers | {name: row for name, row in QUESTIONS[question].beside.items() if _can_be_had(dataset, row)}


def _can_be_had(dataset: Dataset, answer: Answer) -> bool:
    if answer.text == "class names" and dataset.counterpart not in ("UCF-Crime", "XD-Violence"):
        return False  # nobody published any
    return not answer.crops or _can_be_cropped(dataset, answer)


def _can_be_cropped(dataset: Dataset, answer: Answer) -> bool:
    """True if there are videos to take more crops of than the features have; without features, their crops are not known."""
    if not dataset.synthetic and not (dataset.folder / "videos").is_dir():
        return False
    return dataset.store is None or dataset.store.num_crops < answer.crops


def answer_place(dataset: str, question: str, answer: str) -> tuple[str, ...]:
    """Where runs of an answer lie below a results folder, for :func:`vad_lib.runs.finished_runs.find_runs`.

    Example: the base is the table row itself.
        >>> answer_place("synth-crime", "gate", "fixed at 0.5"), answer_place("synth-crime", "gate", BASE)
        (('questions', 'synth-crime', 'gate', 'fixed_at_0.5'), ('runs', 'synth-crime', 'proposed'))
    """
    if answer == BASE:
        return "runs", dataset, "proposed"
    return "questions", dataset, question, "".join(c if c.isalnum() or c in ".-=" else "_" for c in answer)


def base_place(dataset: str) -> tuple[str, ...]:
    """Where a reference keeps the proposed model of the machine that trained its answers, if its tables are from another one."""
    return "questions", dataset, "base", "as_everywhere_else"


def chosen_questions(names: Sequence[str], too_costly: Collection[str] = ()) -> tuple[str, ...]:
    """Keys of :data:`QUESTIONS` in their order; ``all`` stands for every one but those that are too costly.

    Raises:
        ConfigError: unknown question.
    """
    unknown = [name for name in names if name not in (*QUESTIONS, "all")]
    if unknown:
        raise ConfigError(f"unknown question {unknown[0]!r}; known: all, {', '.join(QUESTIONS)}.")
    return tuple(name for name in QUESTIONS if name in names or ("all" in names and name not in too_costly))


def answer_text(answer: Answer, profile: Profile, dataset: Dataset) -> TextFeatures:
    """Text features of an answer.

    Raises:
        ConfigError: templates, where the profile has no text encoder.
    """
    if answer.text == "one-hot":
        values = np.eye(len(dataset.categories), dtype=np.float32)
        return TextFeatures(dataset.categories, values, "one-hot", "text features: one-hot vectors, no language", ())
    if answer.text == "class names":
        return prompts.class_name_features(dataset.counterpart, dataset.categories)
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
    return prepare.dataset_text(profile, dataset)


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

    def segments(self, num_segments: int, segmenting: str = "means") -> np.ndarray:
        made = [make_segments(self.snippets(video), num_segments, segmenting) for video in self.videos]
        return np.stack(made).astype(self.contract.dtype)


def _first(dataset: Dataset, share: float) -> tuple[VideoRecord, ...]:
    """Test videos, and a share of the training videos of each first category, rounded up, at least two."""
    theirs: dict[str, list[str]] = {}
    for record in dataset.videos.split("train"):
        theirs.setdefault(record.categories[0], []).append(record.name)
    kept = {name for names in theirs.values() for name in names[: max(2, math.ceil(share * len(names)))]}
    return tuple(record for record in dataset.videos.records if record.split == "test" or record.name in kept)


def changed_dataset(answer: Answer, dataset: Dataset) -> Dataset:
    """The data set as an answer wants it; test videos and categories stay as they are."""
    if answer.left_out:
        kept = tuple(r for r in dataset.videos.records if r.split == "test" or answer.left_out not in r.categories)
        dataset = dataclasses.replace(dataset, videos=dataclasses.replace(dataset.videos, records=kept))
    if answer.share < 1:
        dataset = dataclasses.replace(dataset, videos=dataclasses.replace(dataset.videos, records=_first(dataset, answer.share)))
    if answer.features == "noise":
        dataset = dataclasses.replace(dataset, store=NoiseStore(dataset.store))
    return dataset
