"""The learner of all methods on bags: balanced batches, one optimiser, one schedule."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vad_lib import registry
from vad_lib.config import RunSettings, TrainSettings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.batches import BalancedBatches, Batch
from vad_lib.data.dataset import Dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError
from vad_lib.evaluation import scoring
from vad_lib.losses import LossTerm, total_loss
from vad_lib.methods.base import Learner, Method
from vad_lib.methods.fast_cpu import use_fast_forms

LearnerMaker = Callable[[RunSettings, Dataset, Sequence[VideoRecord]], Learner]

_OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad, "sgd": torch.optim.SGD}


def learner_maker(
    settings: RunSettings, text: TextFeatures | None = None, build: Callable[..., Method] = registry.build_method
) -> LearnerMaker:
    """How the learner of a run is made: the method's own maker, or that of all methods on bags.

    Args:
        settings: name the method.
        text: text features of the data set's categories, for methods that need them.
        build: makes a method on bags, with the arguments of :func:`vad_lib.registry.build_method`.

    Raises:
        ConfigError: unknown method.
    """
    return registry.method_spec(settings.method).learner or partial(BagLearner, text=text, build=build)


class BagLearner(Learner):
    """Trains a method on bags.

    Args:
        run: settings of the run.
        dataset: with features.
        fit: videos to learn from.
        text: text features of the data set's categories, for methods that need them.
        build: makes the method, with the arguments of :func:`vad_lib.registry.build_method`; its weights are drawn from
            torch's global generator.

    Attributes:
        model: the method.
        averaged: copy of the method with the running mean of its weights; None without ``averaging``.
        optimiser, scheduler: of torch.

    Raises:
        ConfigError: unknown method or option; text features missing; no compiler, if one is asked for.
    """

    def __init__(
        self,
        run: RunSettings,
        dataset: Dataset,
        fit: Sequence[VideoRecord],
        *,
        text: TextFeatures | None = None,
        build: Callable[..., Method] = registry.build_method,
    ) -> None:
        self.train = train = run.train
        self.dataset, self.fit, self.device = dataset, fit, torch.device(train.device)
        self.num_steps, self.eval_every, self.num_crops = train.steps, train.eval_every, dataset.store.num_crops
        self.model: Method = build(
            run.method,
            feature_dim=dataset.store.dimension,
            categories=dataset.categories,
            text=text,
            width=run.width,
            options=run.options,
        ).to(self.device)
        if train.fast_cpu and self.device.type == "cpu":
            use_fast_forms(self.model)
        self.averaged: AveragedModel | None = None
        if train.averaging:  # before compiling: a copy of the compiled method would go on with these weights, not with its own
            self.averaged = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(train.averaging), use_buffers=True)
        if train.compile:
            check_compiler(self.device)
            self.model.encode = torch.compile(self.model.encode)  # type: ignore[method-assign]
        self.optimiser = _OPTIMISERS[train.optimiser](_groups(self.model, train), lr=train.lr, fused=True)
        self.scheduler = _scheduler(self.optimiser, train)

    @cached_property
    def batches(self) -> BalancedBatches:
        """Training batches; made when the first step needs them.

        Raises:
            DataError: no normal or no abnormal video.
        """
        train = self.train
        return BalancedBatches(
            self.dataset,
            self.fit,
            train.num_segments,
            train.batch_size,
            train.seed,
            train.device,
            segmenting=train.segmenting,
            crops=train.crops,
            categories=train.categories,
        )

    def step(self, index: int) -> dict[str, float]:
        """Learn from the batch of a step.

        Args:
            index: number of the step, counted from 0; with the run's seed it decides the batch.

        Returns:
            ``lr`` (the rate of the step, risen in the warm-up), ``loss``, and ``loss/TERM`` and ``weight/TERM`` of every term.

        Raises:
            DataError: NaN or infinity in the features; names the videos.
        """
        batch = self.batches.batch(index)
        self.videos = batch.videos
        return self.learn(batch, index)

    def learn(self, batch: Batch, index: int = 0) -> dict[str, float]:
        """Forward, loss, backward, update; takes the number of the step and returns the row of its log."""
        self.model.train()
        features = batch.features
        if self.train.feature_dropout:
            kept = F.dropout(features.new_ones(len(features), 1, 1, features.shape[3]), self.train.feature_dropout)
            features = features * kept
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.train.precision == "bf16"):
            output = self.model(features, batch.mask)
        # bf16 has eight bits of mantissa: enough for products, too few for the sums and logarithms of the losses
        terms = self.model.loss(_in_float32(output), batch)
        for name in terms.keys() & self.model.late:
            terms[name] = LossTerm(terms[name].value, terms[name].weight * _risen(index, self.train.late_warmup))
        loss = total_loss(terms)
        warmth = _risen(index, self.train.warmup)
        row = {"lr": self.optimiser.param_groups[0]["lr"] * warmth, "loss": loss.item()}
        for name, term in terms.items():
            row[f"loss/{name}"] = term.value.item()
            row[f"weight/{name}"] = term.weight.item() if isinstance(term.weight, Tensor) else term.weight
        if self.train.log_gradients and (index + 1) % self.eval_every == 0:
            row |= {f"gradient/{name}": _gradient_norm(term, self.model) for name, term in terms.items()}
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for name in self.model.scalars:
            scalar = getattr(self.model, name, None)
            if isinstance(scalar, Tensor) and scalar.grad is not None:
                row[f"gradient/{name}"] = scalar.grad.item()
        if self.train.clip_norm:
            row["gradient/all"] = clip_grad_norm_(self.model.parameters(), self.train.clip_norm).item()
        self._update(warmth)
        if not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()
        return row

    def _update(self, share: float) -> None:
        """One step of the optimiser at a share of its learning rates; the averaged weights follow."""
        rates = [group["lr"] for group in self.optimiser.param_groups]
        for group, rate in zip(self.optimiser.param_groups, rates):
            group["lr"] = rate * share
        self.optimiser.step()
        for group, rate in zip(self.optimiser.param_groups, rates):
            group["lr"] = rate
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
            self.scored.weights_changed()

    @property
    def scored(self) -> Method:
        """The method with the weights that count: those of the last step, or their running mean."""
        return self.model if self.averaged is None else self.averaged.module  # type: ignore[return-value]

    def evaluated(self, validation: Mapping[str, float]) -> None:
        """Lower the learning rate if the AUC has stalled and the schedule is ``plateau``."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(validation["auc"])

    def snippet_scores(self, records: Sequence[VideoRecord], crop: int | None = None) -> dict[str, dict[str, np.ndarray]]:
        # test videos have hundreds of lengths, and each would be compiled for itself
        with torch.compiler.set_stance("force_eager"):
            return scoring.snippet_scores(self.scored, self.dataset, records, self.train.device, crop=crop)

    def weights(self) -> dict[str, Tensor]:
        return self.scored.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        self.scored.load_state_dict(weights)

    def parts(self) -> dict[str, Any]:
        own = {} if self.averaged is None else {"model": self.model, "averaged": self.averaged}
        return {"optimiser": self.optimiser, "scheduler": self.scheduler, **own}

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def temperature(self) -> float | None:
        found = getattr(self.scored, "temperature", None)
        return None if found is None else found.item()

    def monitored(self) -> dict[str, float]:
        return self.scored.monitored()


def _risen(index: int, steps: int) -> float:
    """Share of its full value that something reaches at a step (counted from 0) if it rises in equal parts over some steps."""
    return min(1.0, (index + 1) / max(1, steps))


def _groups(model: Method, train: TrainSettings) -> list[dict[str, Any]]:
    """The method's parameter groups; its scalars in groups of their own if they have a rate of their own."""
    groups = model.parameter_groups(train.weight_decay)
    if train.scalar_rate == 1 or not model.scalars:
        return groups
    scalars = {id(getattr(model, name)) for name in model.scalars}
    split = []
    for group in groups:
        own = [parameter for parameter in group["params"] if id(parameter) in scalars]
        split.append(group | {"params": [parameter for parameter in group["params"] if id(parameter) not in scalars]})
        if own:
            split.append(group | {"params": own, "lr": train.lr * train.scalar_rate})
    return split


def _gradient_norm(term: LossTerm, model: nn.Module) -> float:
    """Norm over all weights of a weighted term's gradient."""
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    value = term.weight * term.value
    if not value.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
    return math.sqrt(sum(gradient.square().sum().item() for gradient in gradients if gradient is not None))


def _scheduler(optimiser: torch.optim.Optimizer, train: TrainSettings) -> ReduceLROnPlateau | LambdaLR:
    if train.schedule == "plateau":
        return ReduceLROnPlateau(optimiser, mode="max", factor=train.plateau_factor, patience=train.plateau_patience)
    # torch's own cosine and milestones multiply rates step by step and so round otherwise
    return LambdaLR(optimiser, lambda step: planned_share(train.schedule, step / train.steps, train.horizon, train.milestones))


def planned_share(schedule: str, progress: float, horizon: float = 1.0, milestones: Sequence[float] = (0.4, 0.8)) -> float:
    """Share of the first learning rate at a point of training, for the schedules that depend on nothing else.

    Args:
        schedule: ``constant``, ``cosine`` or ``milestones``, see :class:`~vad_lib.config.TrainSettings`.
        progress: steps done / all steps, in [0, 1].
        horizon: progress at which the cosine would reach zero, at least 1.
        milestones: progress after which the rate is a tenth, each.

    Example: half way down the cosine, and past the first milestone.
        >>> round(planned_share("cosine", 0.5), 3), round(planned_share("milestones", 0.5), 3)
        (0.5, 0.1)
    """
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress / horizon)) / 2
    if schedule == "milestones":
        return 0.1 ** sum(progress >= milestone for milestone in milestones)
    return 1.0


def check_device(name: str) -> None:
    """Put a number on a device of torch.

    Raises:
        ConfigError: there is no such device; lists those that are there.
    """
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        there += ["mps"] * torch.backends.mps.is_available()
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"device: expected one of {', '.join(there)}, got {name!r} ({reason}).") from error


def check_compiler(device: torch.device) -> None:
    """Compile a small function.

    Raises:
        ConfigError: there is no compiler for the device; says what to install.
    """
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except RuntimeError as error:
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        raise ConfigError(
            f"compile: expected a compiler that torch.compile can use on {device.type}, found none ({reason}). Install one "
            "(a C++ compiler with Python's headers; on a GPU triton too), or set compile to False."
        ) from error


def _in_float32(output: NamedTuple) -> NamedTuple:
    return output._make(field.float() if isinstance(field, Tensor) and field.is_floating_point() else field for field in output)
