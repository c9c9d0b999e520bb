"""Rows that are not trained on bags."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from vad_lib.config import RULES, RunSettings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset, validation_split
from vad_lib.methods.fusion_gan import fit as fusion_gan_fit
from vad_lib.methods.fusion_gan import networks, scoring
from vad_lib.methods.logistic_regression import snippet_logistic_regression
from vad_lib.runs.measure import test_metrics, validation_metrics

LOGISTIC_REGRESSION = "logistic-regression"


def _fit_logistic_regression(settings: RunSettings, dataset: Dataset, progress: bool) -> dict[str, Any]:
    fit, held_out = validation_split(dataset, settings.train.validation_fraction, settings.train.seed)
    started = time.perf_counter()
    scores = snippet_logistic_regression(dataset, fit, (*held_out, *dataset.videos.split("test")), settings.train.seed)
    return _whole_outcome(
        dataset,
        scores,
        held_out,
        parameters=dataset.store.dimension + 1,
        seconds=time.perf_counter() - started,
        test_seconds=float("nan"),
    )


def _fit_fusion_gan(settings: RunSettings, dataset: Dataset, progress: bool) -> dict[str, Any]:
    train = settings.train
    fit, held_out = validation_split(dataset, train.validation_fraction, train.seed)
    started = time.perf_counter()
    fitted = fusion_gan_fit.fit_fusion_gan(
        dataset, fit, networks.FusionGANSettings(**settings.options), train.seed, train.device, progress
    )
    seconds, started = time.perf_counter() - started, time.perf_counter()
    scores = scoring.score_videos(fitted.generator, dataset, dataset.videos.split("test"), train.device, progress)
    test_seconds = time.perf_counter() - started
    scores |= scoring.score_videos(fitted.generator, dataset, held_out, train.device, progress)
    return _whole_outcome(
        dataset,
        scores,
        held_out,
        parameters=sum(parameter.numel() for parameter in fitted.generator.parameters()),
        seconds=seconds,
        test_seconds=test_seconds,
        log=fitted.log,
        weights={name: tensor.detach().cpu() for name, tensor in fitted.generator.state_dict().items()},
    )


def _whole_outcome(
    dataset: Dataset, scores: dict[str, np.ndarray], held_out: tuple[VideoRecord, ...], **others: Any
) -> dict[str, Any]:
    """Outcome of a row that has no steps to choose among: its three selection rules are one."""
    test = dataset.videos.split("test")
    measured = test_metrics(dataset, {record.name: scores[record.name] for record in test})
    return {
        "log": [],
        "rules": {rule: {"step": 0, "metrics": measured} for rule in RULES},
        "scores": {rule: {record.name: {"score": scores[record.name]} for record in test} for rule in RULES},
        "validation": validation_metrics(dataset, scores, held_out),
        "weights": {"none": torch.zeros(0)},
        **others,
    }


class Baseline(NamedTuple):
    """A row of the tables that is no :class:`~vad_lib.methods.base.Method`: it has no bags, or no segments.

    Attributes:
        fit: (settings, data set, progress) -> the outcome that :func:`_write_run` takes.
        options: its settings in a profile, by the profile's name.
        pixels: True if it needs the videos themselves.
    """

    fit: Callable[[RunSettings, Dataset, bool], dict[str, Any]]
    options: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    pixels: bool = False


BASELINES: dict[str, Baseline] = {
    LOGISTIC_REGRESSION: Baseline(_fit_logistic_regression),
    fusion_gan_fit.NAME: Baseline(
        _fit_fusion_gan,
        {profile: settings.model_dump(mode="json") for profile, settings in networks.PRESETS.items()},
        pixels=True,
    ),
}
