"""One loop for all methods: one variant, one seed -> one run folder.

A run folder holds everything that tables and figures need (``config.json``, ``metrics.json``, ``log.csv``,
``scores.npz``), the weights, and what made them (``provenance.json``, ``timing.json``). It is built beside its
place and moved there when complete, so what was there before stays whole until then. A run whose key is already
there is not repeated.

Three selection rules come out of the one run: the last step; the evaluation that was best on the weakly
labelled validation videos; and the one that was best on the test set, which is how most public codes of this
field choose and is therefore reported, never used.
"""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from vad_lib import registry
from vad_lib.config import RULES, RunSettings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.batches import BalancedBatches, Batch
from vad_lib.data.dataset import Dataset, permute_labels, validation_split
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError, TrainingError
from vad_lib.evaluation import scoring
from vad_lib.losses import total_loss
from vad_lib.methods.base import Method
from vad_lib.runs.baselines import BASELINES
from vad_lib.runs.measure import fine_grained_metrics, mask_rule_metrics, test_metrics, validation_metrics
from vad_lib.runs.record import is_complete, run_key, run_record
from vad_lib.runs.run_folder import write_run
from vad_lib.storage.locks import remove_free_lock, sole_writer
from vad_lib.storage.provenance import seed_everything
from vad_lib.storage.writing import atomic_path, clear_folder, partial_folder, remove_replaced, replace_folder

_OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad, "sgd": torch.optim.SGD}


def train_run(
    settings: RunSettings,
    dataset: Dataset,
    text: TextFeatures | None,
    folder: Path,
    *,
    progress: bool = True,
    force: bool = False,
    build: Callable[..., Method] = registry.build_method,
    origin: Mapping[str, Any] | None = None,
) -> bool:
    """Train and evaluate one variant with one seed and write its run folder.

    Killed at any moment, the next call goes on from the last checkpoint and ends with the same weights, bit
    for bit, on the same machine. Ctrl-C first writes a checkpoint.

    Args:
        settings: what to train.
        dataset: with features.
        text: text features of the data set's categories, for methods that need them.
        folder: the run folder.
        progress: show a progress bar on a terminal.
        force: train even if the run is there.
        build: makes the method to train; its weights must fit the one that ``settings`` name.
        origin: what decides the numbers beside the settings if ``build`` is given; kept in ``config.json``.

    Returns:
        True if it trained, False if the finished run was already there.

    Raises:
        TrainingError: a loss became NaN or infinite; step, term and the batch's videos are named.
        ConfigError: unknown method or option; text features missing.
        BusyError: another process trains this very run.
    """
    if settings.method not in (*registry.METHODS, *BASELINES):
        raise ConfigError(f"unknown method {settings.method!r}; known: {', '.join((*registry.METHODS, *BASELINES))}.")
    key = run_key(settings, dataset, text, origin)
    lock = folder.with_name(f".{folder.name}.lock")
    if not force and is_complete(folder, key):
        remove_replaced(folder)
        remove_free_lock(lock)
        return False
    partial = partial_folder(folder)
    with sole_writer(folder, lock):
        if not force and is_complete(folder, key):  # by the process that this one waited for
            return False
        if force or not is_complete(partial, key):  # complete if a run was killed on its last steps
            clear_folder(partial, keep="checkpoint.safetensors")
            if settings.method in BASELINES:
                outcome = BASELINES[settings.method].fit(settings, dataset, progress)
            else:
                outcome = Trainer(settings, dataset, text, partial, key, build).run(progress)
            write_run(partial, **run_record(settings, dataset, text, key, outcome, origin))
        (partial / "checkpoint.safetensors").unlink(missing_ok=True)
        replace_folder(partial, folder)
    return True


class Trainer:
    """State of one run; everything that a checkpoint has to hold is an attribute here."""

    def __init__(
        self,
        settings: RunSettings,
        dataset: Dataset,
        text: TextFeatures | None,
        folder: Path,
        key: str,
        build: Callable[..., Method] = registry.build_method,
    ) -> None:
        train = settings.train
        dataset = permute_labels(dataset, train.seed) if train.permute_labels else dataset
        self.settings, self.train, self.dataset, self.folder, self.key = settings, train, dataset, folder, key
        seed_everything(train.seed)
        self.device = torch.device(train.device)
        self.model: Method = build(
            settings.method,
            feature_dim=dataset.store.dimension,
            categories=dataset.categories,
            text=text,
            width=settings.width,
            options=settings.options,
        ).to(self.device)
        if train.compile:
            _check_compiler(self.device)
            self.model.encode = torch.compile(self.model.encode)
        fit, self.validation = validation_split(dataset, train.validation_fraction, train.seed)
        self.batches = BalancedBatches(
            dataset,
            fit,
            train.num_segments,
            train.batch_size,
            train.seed,
            train.device,
            segmenting=train.segmenting,
            crops=train.crops,
        )
        self.optimiser = _OPTIMISERS[train.optimiser](self.model.parameter_groups(train.weight_decay), lr=train.lr, fused=True)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, mode="max", factor=train.plateau_factor, patience=train.plateau_patience
        )
        self.step = 0
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, dict[str, Any]] = {}  # rule -> {"step", "value", "measured", "state"}
        self.scored: dict[int, dict[str, dict[str, np.ndarray]]] = {}  # step -> scores of the test videos, of steps still in use
        self.seconds, self.test_seconds = 0.0, float("nan")

    def run(self, progress: bool) -> dict[str, Any]:
        self._resume()
        bar = tqdm(
            total=self.train.steps, initial=self.step, desc=self.settings.variant, disable=None if progress else True, leave=False
        )
        with bar, _deferred_interrupt() as interrupted:
            started, before = time.perf_counter(), self.seconds
            while self.step < self.train.steps:
                row = self.train_step(self.batches.batch(self.step))
                self.step += 1
                if self.step % self.train.eval_every == 0 or self.step == self.train.steps:
                    row |= self._evaluate()
                self.rows.append({"step": self.step, **row})
                self.seconds = before + time.perf_counter() - started
                bar.update()
                if interrupted() or (self.step % self.train.checkpoint_every == 0 and self.step < self.train.steps):
                    self._save_checkpoint()
                if interrupted():
                    raise KeyboardInterrupt(
                        f"{self.settings.variant}: stopped after step {self.step}; the next run goes on from there"
                    )
        return self._outcome()

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Forward, loss, backward, update; returns a row of the log."""
        self.model.train()
        if self.train.schedule != "plateau":
            for group in self.optimiser.param_groups:
                group["lr"] = self.train.lr * planned_share(self.train.schedule, self.step / self.train.steps)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.train.precision == "bf16"):
            output = self.model(batch.features, batch.mask)
        # bf16 has eight bits of mantissa: enough for products, too few for the sums and logarithms of the losses
        terms = self.model.loss(_in_float32(output), batch)
        loss = total_loss(terms)
        row = {"lr": self.optimiser.param_groups[0]["lr"], "loss": loss.item()}
        for name, term in terms.items():
            row[f"loss/{name}"] = term.value.item()
            row[f"weight/{name}"] = term.weight.item() if isinstance(term.weight, torch.Tensor) else term.weight
            if not np.isfinite(row[f"loss/{name}"]) or not np.isfinite(row[f"weight/{name}"]):
                raise TrainingError(
                    f"{self.settings.variant}, step {self.step + 1}: loss term {name} is {row[f'loss/{name}']} (weight "
                    f"{row[f'weight/{name}']}), expected a finite number. Videos of the batch: {', '.join(batch.videos)}. "
                    "Check their features, or lower the learning rate."
                )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return row

    def _snippet_scores(self, records: tuple[VideoRecord, ...], crop: int | None = None) -> dict[str, dict[str, np.ndarray]]:
        # test videos have hundreds of lengths, and each would be compiled for itself
        with torch.compiler.set_stance("force_eager"):
            return scoring.snippet_scores(self.model, self.dataset, records, self.train.device, crop=crop)

    def _evaluate(self) -> dict[str, float]:
        """Score validation and test videos; keep the weights if a rule calls this step its best so far."""
        held_out = {name: value["score"] for name, value in self._snippet_scores(self.validation).items()}
        validation = validation_metrics(self.dataset, held_out, self.validation)
        scored = self._test_scores()
        headline = self.dataset.headline_metric
        test = test_metrics(self.dataset, {name: value["score"] for name, value in scored.items()})[headline]
        if self.train.schedule == "plateau":
            self.scheduler.step(validation["auc"])
        # Few validation videos give few distinct AUCs: the smaller cross-entropy breaks ties.
        self._keep("best_on_validation", (validation["auc"], -validation["bce"]), validation)
        self._keep("best_on_test", (test,), {headline: test})
        in_use = {self.step, *(best["step"] for best in self.best.values())}
        self.scored = {step: scores for step, scores in (self.scored | {self.step: scored}).items() if step in in_use}
        row = {"validation/auc": validation["auc"], "validation/bce": validation["bce"], f"test/{headline}": test}
        return row | {f"monitor/{name}": value for name, value in self.model.monitored().items()}

    def _keep(self, rule: str, value: tuple[float, ...], measured: dict[str, float]) -> None:
        if rule not in self.best or value > tuple(self.best[rule]["value"]):
            state = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
            self.best[rule] = {"step": self.step, "value": value, "measured": measured, "state": state}

    def _outcome(self) -> dict[str, Any]:
        last = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        states = {"last": {"step": self.step, "state": last}} | self.best
        outcome: dict[str, Any] = {"log": self.rows, "rules": {}, "scores": {}, "seconds": self.seconds}
        for rule in RULES:
            step = states[rule]["step"]
            self.model.load_state_dict(states[rule]["state"])
            twin = next((other for other in outcome["rules"] if outcome["rules"][other]["step"] == step), None)
            if twin:  # two rules chose the same weights
                outcome["scores"][rule], outcome["rules"][rule] = outcome["scores"][twin], outcome["rules"][twin]
            else:
                # a run that was resumed may lack the scores of a step before the checkpoint
                scores = outcome["scores"][rule] = self.scored[step] if step in self.scored else self._test_scores()
                measured = test_metrics(self.dataset, {name: value["score"] for name, value in scores.items()})
                outcome["rules"][rule] = {"step": step, "metrics": measured}
                maps = {name: value["alignment"] for name, value in scores.items() if "alignment" in value}
                if maps:
                    fine = fine_grained_metrics(self.dataset, maps, self.model.temperature.item())
                    outcome["rules"][rule]["fine_grained"] = fine
            if rule == self.train.selection:
                outcome["crop_scores"] = self._crop_scores()
                outcome["protocol"] = self._protocol(outcome["scores"][rule], outcome["crop_scores"])
        outcome["validation"] = self.best["best_on_validation"]["measured"]
        outcome["weights"] = states[self.train.selection]["state"]
        outcome["parameters"] = sum(parameter.numel() for parameter in self.model.parameters())
        outcome["test_seconds"] = self.test_seconds
        return outcome

    def _test_scores(self) -> dict[str, dict[str, np.ndarray]]:
        started = time.perf_counter()
        scores = self._snippet_scores(self.dataset.videos.split("test"))
        self.test_seconds = time.perf_counter() - started
        return scores

    def _crop_scores(self) -> dict[str, np.ndarray]:
        """Scores of each crop by itself for every test video, float32 (N, T); nothing where there is one crop only."""
        records, crops = self.dataset.videos.split("test"), self.dataset.store.num_crops
        alone = [self._snippet_scores(records, crop=crop) for crop in range(crops if crops > 1 else 0)]
        return {record.name: np.stack([scores[record.name]["score"] for scores in alone]) for record in records if alone}

    def _protocol(self, scores: dict[str, dict[str, np.ndarray]], crop_scores: dict[str, np.ndarray]) -> dict[str, Any]:
        """What choices of the protocol are worth for the selected weights: fewer crops, and rules for frame masks."""
        crops = self.dataset.store.contract.crops if crop_scores else ()

        def measured(chosen: slice) -> dict[str, float]:
            means = {name: of_crops[chosen].mean(axis=0) for name, of_crops in crop_scores.items()}
            return test_metrics(self.dataset, means)

        return {
            "crops": {crop: measured(slice(place, place + 1)) for place, crop in enumerate(crops)},
            "first_crops": {str(count): measured(slice(count)) for count in scoring.FEWER_CROPS if 1 < count < len(crops)},
            "mask_rules": mask_rule_metrics(self.dataset, {name: value["score"] for name, value in scores.items()}),
        }

    # --- checkpoints ------------------------------------------------------------------------------------

    def _save_checkpoint(self) -> None:
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        for rule, best in self.best.items():
            tensors |= {f"{rule}/{name}": tensor for name, tensor in best["state"].items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{name}": tensor for name, tensor in state.items() if tensor is not None}
        tensors["random/cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random/device"] = torch.cuda.get_rng_state(self.device)
        header = {
            "key": self.key,
            "step": self.step,
            "rows": self.rows,
            "seconds": self.seconds,
            "scheduler": self.scheduler.state_dict(),
            "lr": [group["lr"] for group in self.optimiser.param_groups],
            "best": {rule: {k: v for k, v in best.items() if k != "state"} for rule, best in self.best.items()},
        }
        # Cloned: safetensors refuses tensors that share memory.
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        with atomic_path(self.folder / "checkpoint.safetensors") as temporary:
            save_file(tensors, temporary, metadata={"run": json.dumps(header)})

    def _resume(self) -> None:
        """Go on from the checkpoint if it belongs to this very run; otherwise start at step 0."""
        path = self.folder / "checkpoint.safetensors"
        if not path.is_file():
            return
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get("run", "{}"))
        except (SafetensorError, json.JSONDecodeError):
            return  # atomic writing makes this impossible for our own files; a damaged one is simply not used
        if header.get("key") != self.key:
            return
        tensors = load_file(path)

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")}

        self.model.load_state_dict(part("model"))
        optimiser = self.optimiser.state_dict()
        for name, tensor in part("optimiser").items():
            index, _, field = name.partition("/")
            optimiser["state"].setdefault(int(index), {})[field] = tensor
        for group, lr in zip(optimiser["param_groups"], header["lr"]):
            group["lr"] = lr
        self.optimiser.load_state_dict(optimiser)
        self.scheduler.load_state_dict(header["scheduler"])
        self.best = {rule: {**best, "state": part(rule)} for rule, best in header["best"].items()}
        self.step, self.rows, self.seconds = header["step"], header["rows"], header["seconds"]
        torch.set_rng_state(tensors["random/cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random/device"], self.device)


def planned_share(schedule: str, progress: float) -> float:
    """Share of the first learning rate at a point of training, for the schedules that depend on nothing else.

    Args:
        schedule: ``constant``, ``cosine`` or ``milestones``, see :class:`~vad_lib.config.TrainSettings`.
        progress: steps done / all steps, in [0, 1).

    Example: half way down the cosine, and past the first milestone.
        >>> round(planned_share("cosine", 0.5), 3), round(planned_share("milestones", 0.5), 3)
        (0.5, 0.1)
    """
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    if schedule == "milestones":
        return 0.1 ** sum(progress >= milestone for milestone in (0.4, 0.8))
    return 1.0


def _check_compiler(device: torch.device) -> None:
    """Compile a small function; a failure becomes a ConfigError."""
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except RuntimeError as error:
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        raise ConfigError(
            f"compile: expected a compiler that torch.compile can use on {device.type}, found none ({reason}). Install one "
            "(a C++ compiler with Python's headers; on a GPU triton too), or set compile to False."
        ) from error


def _in_float32(output: NamedTuple) -> NamedTuple:
    return type(output)(
        *(field.float() if isinstance(field, torch.Tensor) and field.is_floating_point() else field for field in output)
    )


@contextmanager
def _deferred_interrupt() -> Iterator[Any]:
    """Let Ctrl-C wait for the end of a step, so that a checkpoint never holds half an update.

    A second Ctrl-C stops at once. Outside the main thread signals cannot be handled: nothing changes there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = False
    before = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
