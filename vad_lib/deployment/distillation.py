"""A small student of a trained teacher."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vad_lib.config import RunSettings, Settings, TrainSettings
from vad_lib.data.batches import Batch
from vad_lib.data.dataset import Dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.deployment.pruning import parameter_count
from vad_lib.errors import ConfigError, DataError
from vad_lib.losses import LossTerm, score_cross_entropy
from vad_lib.methods.fast_cpu import use_fast_forms
from vad_lib.model import Proposed, ProposedOutput, ProposedSettings
from vad_lib.runs.code_key import code_key
from vad_lib.runs.trained_model import load_model
from vad_lib.runs.trainer import train_run


class DistilSettings(Settings):
    """How a student learns from its teacher."""

    share: float = Field(0.1, gt=0, lt=1, description="parameters of the student, at most, in parts of the teacher's")
    width: int | None = Field(None, ge=16, description="encoder width of the student; None for the largest that fits")
    score_weight: float = Field(1.0, ge=0, description="of the term for the teacher's fused scores")
    alignment_weight: float = Field(1.0, ge=0, description="of the term for the teacher's categories")


class Student(Proposed):
    """The proposed model with two more terms in its loss, which hold its segments to those of a teacher.

    ``distil_score`` is the Kullback-Leibler divergence of the fused scores, each a coin; ``distil_alignment`` that of the
    softmax over categories of cosines by temperature. Both are means over real segments, in nats, and 0 where student
    and teacher agree. The teacher is no part of the module: it neither learns nor is saved.

    Args:
        settings: of the student.
        text: of both, as in :class:`~vad_lib.model.Proposed`.
        teacher: trained, in evaluation mode, on the device of the batches.
        distillation: weights of the two terms.
    """

    def __init__(self, settings: ProposedSettings, text: Tensor, teacher: Proposed, distillation: DistilSettings) -> None:
        super().__init__(settings, text)
        self._teach = teacher.forward  # not the module, which would become a child
        self._teacher_temperature = teacher.temperature.detach()
        self._distillation = distillation

    def loss(self, output: ProposedOutput, batch: Batch) -> dict[str, LossTerm]:
        with torch.no_grad():
            wanted: ProposedOutput = self._teach(batch.features, batch.mask)
        real = batch.mask[:, None].expand_as(output.fused_scores)
        given, found = wanted.fused_scores[real].clamp(0, 1), output.fused_scores[real]
        entropy = score_cross_entropy(given, given)
        categories = (wanted.alignment[real] / self._teacher_temperature).log_softmax(dim=-1)
        guesses = (output.alignment[real] / self.temperature).log_softmax(dim=-1)
        return super().loss(output, batch) | {
            "distil_score": LossTerm(score_cross_entropy(found, given) - entropy, self._distillation.score_weight),
            "distil_alignment": LossTerm(
                F.kl_div(guesses, categories, reduction="batchmean", log_target=True), self._distillation.alignment_weight
            ),
        }


def student_settings(teacher: Proposed, distillation: DistilSettings) -> ProposedSettings:
    """The teacher's settings with the student's width.

    Raises:
        ConfigError: the student would have more parameters than its share; says what the smallest has.
    """
    allowed = distillation.share * parameter_count(teacher)
    step = math.lcm(8, 2 * teacher.settings.heads)
    fitting, smallest = None, 0
    widths = range(step * -(-16 // step), teacher.settings.width, step) if distillation.width is None else (distillation.width,)
    for width in widths:
        settings = teacher.settings.replace(width=width)
        with torch.device("meta"):
            count = parameter_count(Proposed(settings, teacher.text_features.cpu()))
        smallest = smallest or count
        if count > allowed:
            break
        fitting = settings
    if fitting is None:
        raise ConfigError(
            f"student: expected {allowed:,.0f} parameters at most ({distillation.share:.0%} of the teacher's), but one of width "
            f"{next(iter(widths), 16)} has {smallest:,}; choose a larger share or a smaller width."
        )
    return fitting


def distil(
    teacher_run: Path | str,
    dataset: Dataset,
    text: TextFeatures,
    folder: Path,
    distillation: DistilSettings | None = None,
    *,
    progress: bool = True,
) -> bool:
    """Train a student of the proposed model and write its run folder, as :func:`~vad_lib.runs.trainer.train_run` does.

    The student is the proposed model with a narrower encoder. It sees the batches of the teacher's training, labels
    included, for as many steps; its loss has two terms more (:class:`Student`). The folder is one of the method
    ``proposed``: it needs no teacher to be loaded.

    Args:
        teacher_run: folder of a finished run of the proposed model.
        dataset: that the teacher was trained on.
        text: text features of both.
        folder: the student's run folder.
        distillation: size and weights.
        progress: show a progress bar on a terminal.

    Returns:
        True if it trained, False if the finished run was already there.

    Raises:
        MissingFileError, DataError: as :func:`~vad_lib.runs.trained_model.load_model`; features or text other than the teacher's.
        ConfigError: the teacher is another method, or the student does not fit its share.
    """
    distillation = distillation or DistilSettings()
    teacher, config = load_model(teacher_run, fast_cpu=False)
    if not isinstance(teacher, Proposed):
        raise ConfigError(f"{teacher_run}: expected a run of the proposed model as teacher, got one of {config['method']}.")
    same_text = np.array_equal(teacher.text_features.numpy(), text.values)
    if config["features"]["content_hash"] != dataset.store.content_hash or not same_text:
        raise DataError(
            f"{teacher_run}: the teacher was trained on other features or text features than those of {dataset.name} given here; "
            "train it again on these."
        )
    settings = student_settings(teacher, distillation)
    run = RunSettings(
        variant="proposed-student",
        method="proposed",
        title=f"{config['title']}, student",
        options=config["options"],
        width=settings.width,
        profile=config["profile"],
        declared=tuple(config["declared"]),
        train=TrainSettings(**config["train"]),
    )
    teacher.to(run.train.device)
    if run.train.fast_cpu and run.train.device == "cpu":
        use_fast_forms(teacher)
    origin = {
        "teacher": config["key"],
        "distillation": distillation.model_dump(mode="json"),
        "code": code_key("vad_lib.deployment.distillation.Student"),
    }

    def build(*_: Any, **__: Any) -> Student:
        return Student(settings, torch.tensor(text.values), teacher, distillation)

    return train_run(run, dataset, text, folder, progress=progress, build=build, origin=origin)
