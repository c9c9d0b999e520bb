"""One loop for all methods: one variant, one seed -> one run folder.

A run folder is built beside its place and moved there when complete, so what was there before stays whole until
then; see :mod:`vad_lib.runs.run_folder` for what lies in it. A run whose key is already there is not repeated.

Three selections of a step come out of the one run: the last step; the evaluation that was best on the weakly
labelled validation videos; and the one that was best on the test set, which is how most public codes of this
field choose and is therefore reported, never used.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from vad_lib import registry
from vad_lib.config import SELECTIONS, RunSettings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset, permute_labels, validation_split
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import TrainingError, first_few
from vad_lib.evaluation import scoring
from vad_lib.methods.base import Method
from vad_lib.runs.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from vad_lib.runs.learner import LearnerMaker, check_device, learner_maker
from vad_lib.runs.measure import check_measurable, fine_grained_metrics, mask_rule_metrics, test_metrics, validation_metrics
from vad_lib.runs.record import Outcome, Scores, run_key, run_record
from vad_lib.runs.run_folder import is_complete, write_run
from vad_lib.storage.locks import remove_free_lock, sole_writer
from vad_lib.storage.provenance import seed_everything
from vad_lib.storage.writing import clear_folder, partial_folder, remove_replaced, replace_folder


def train_run(
    settings: RunSettings,
    dataset: Dataset,
    text: TextFeatures | None,
    folder: Path,
    *,
    progress: bool = True,
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
        build: makes the method to train, if it is one on bags; its weights must fit the one that ``settings`` name.
        origin: what decides the numbers beside the settings if ``build`` is given; kept in ``config.json``.

    Returns:
        True if it trained, False if the finished run was already there.

    Raises:
        TrainingError: a loss or a score became NaN or infinite; step, term and videos are named.
        DataError: too few training videos of a class, or test videos on which the headline metric is not defined; nothing was
            trained.
        ConfigError: unknown method or option; text features missing; no such device.
        BusyError: another process trains this very run.
    """
    make = learner_maker(settings, text, build)
    key = run_key(settings, dataset, text, origin)
    lock = folder.with_name(f".{folder.name}.lock")
    if is_complete(folder, key, dataset.headline_metric):
        remove_replaced(folder)
        remove_free_lock(lock)
        return False
    check_device(settings.train.device)
    partial = partial_folder(folder)
    with sole_writer(folder, lock):
        if is_complete(folder, key, dataset.headline_metric):  # by the process that this one waited for
            return False
        if not is_complete(partial, key, dataset.headline_metric):  # complete if a run was killed on its last steps
            clear_folder(partial, keep=CHECKPOINT)
            outcome = Trainer(settings, dataset, make, partial, key).run(progress)
            write_run(partial, **run_record(settings, dataset, text, key, outcome, origin))
        (partial / CHECKPOINT).unlink(missing_ok=True)
        replace_folder(partial, folder)
    return True


class Trainer:
    """The loop over the steps of one run.

    Args:
        settings: of the run.
        dataset: with features.
        make: how its learner is made; see :func:`vad_lib.runs.learner.learner_maker`.
        folder: for checkpoints.
        key: of the run; a checkpoint with another key is not used.

    Attributes:
        learner: what learns.
        validation: training videos held out from it.
        step: steps done.
        rows: of the log.
        best: selection -> ``step``, ``value``, ``measured`` and ``weights`` of the best evaluation so far.
        scored: step -> scores of the test videos, for steps that a selection still holds.

    Raises:
        DataError: too few training videos of a class, or test videos on which the headline metric is not defined.
    """

    def __init__(self, settings: RunSettings, dataset: Dataset, make: LearnerMaker, folder: Path, key: str) -> None:
        self.settings, self.train, self.folder, self.key = settings, settings.train, folder, key
        self.device = torch.device(self.train.device)
        self.dataset = permute_labels(dataset, self.train.seed) if self.train.permute_labels else dataset
        check_measurable(dataset)
        fit, self.validation = validation_split(self.dataset, self.train.validation_fraction, self.train.seed)
        seed_everything(self.train.seed)
        self.learner = make(settings, self.dataset, fit)
        self.step = 0
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, dict[str, Any]] = {}
        self.scored: dict[int, Scores] = {}
        self.seconds, self.test_seconds = 0.0, float("nan")

    def run(self, progress: bool = False) -> Outcome:
        """Go on from the checkpoint, if there is one, to the last step.

        Raises:
            TrainingError: a value of the log or a score became NaN or infinite.
            KeyboardInterrupt: Ctrl-C; a checkpoint was written first.
        """
        self._resume()
        learner, last = self.learner, self.learner.num_steps
        learner.progress = progress
        bar = tqdm(total=last, initial=self.step, desc=self.settings.variant, disable=None if progress else True, leave=False)
        with bar, _deferred_interrupt() as interrupted:
            started, before = time.perf_counter(), self.seconds
            while self.step < last:
                row = learner.step(self.step)
                self.step += 1
                check_finite(self.settings.variant, self.step, row, learner.videos)
                if self.step % learner.eval_every == 0 or self.step == last:
                    row |= self._evaluate()
                self.rows.append({"step": self.step, **row})
                self.seconds = before + time.perf_counter() - started
                bar.update()
                if interrupted() or (self.step % self.train.checkpoint_every == 0 and self.step < last):
                    self._save()
                if interrupted():
                    raise KeyboardInterrupt(
                        f"{self.settings.variant}: stopped after step {self.step}; the next run goes on from there"
                    )
        return self._outcome()

    def _evaluate(self) -> dict[str, float]:
        """Score validation and test videos; keep the weights if a selection calls this step its best so far."""
        held_out = {name: value["score"] for name, value in self._snippet_scores(self.validation).items()}
        validation = validation_metrics(self.dataset, held_out, self.validation)
        scored = self._test_scores()
        headline = self.dataset.headline_metric
        test = float(test_metrics(self.dataset, {name: value["score"] for name, value in scored.items()})[headline])
        self.learner.evaluated(validation)
        # Few validation videos give few distinct AUCs: the smaller cross-entropy breaks ties.
        value = (validation["auc"], -validation["bce"])
        if self.step >= self.train.choose_after * self.learner.num_steps:
            self._keep("best_on_validation", value if self.train.choose_by == "auc" else value[::-1], validation)
        self._keep("best_on_test", (test,), {headline: test})
        in_use = {self.step, *(best["step"] for best in self.best.values())}
        self.scored = {step: scores for step, scores in (self.scored | {self.step: scored}).items() if step in in_use}
        row = {"validation/auc": validation["auc"], "validation/bce": validation["bce"], f"test/{headline}": test}
        return row | {f"monitor/{name}": value for name, value in self.learner.monitored().items()}

    def _keep(self, selection: str, value: tuple[float, ...], measured: dict[str, float]) -> None:
        if selection not in self.best or value > self.best[selection]["value"]:
            self.best[selection] = {"step": self.step, "value": value, "measured": measured, "weights": self._weights()}

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.learner.weights().items()}

    def _outcome(self) -> Outcome:
        chosen = {"last": {"step": self.step, "weights": self._weights()}} | self.best
        selections: dict[str, dict[str, Any]] = {}
        scores: dict[str, Scores] = {}
        for selection in SELECTIONS:
            step = chosen[selection]["step"]
            twin = next((other for other in selections if selections[other]["step"] == step), None)
            if twin:
                scores[selection], selections[selection] = scores[twin], selections[twin]
                continue
            self.learner.load_weights(chosen[selection]["weights"])
            # a run that was resumed may lack the scores of a step before the checkpoint
            scores[selection] = self.scored[step] if step in self.scored else self._test_scores()
            selections[selection] = {"step": step, **self._measured(scores[selection])}
        selected = self.train.selection
        self.learner.load_weights(chosen[selected]["weights"])
        crop_scores = self._crop_scores()
        return Outcome(
            log=self.rows,
            selections=selections,
            scores=scores,
            crop_scores=crop_scores,
            protocol=self._protocol(scores[selected], crop_scores),
            validation=self.best["best_on_validation"]["measured"],
            weights=chosen[selected]["weights"],
            parameters=self.learner.parameter_count,
            seconds=self.seconds,
            test_seconds=self.test_seconds,
        )

    def _measured(self, scores: Scores) -> dict[str, Any]:
        found: dict[str, Any] = {"metrics": test_metrics(self.dataset, {name: value["score"] for name, value in scores.items()})}
        maps = {name: value["alignment"] for name, value in scores.items() if "alignment" in value}
        temperature = self.learner.temperature
        if maps and temperature is not None:
            found["fine_grained"] = fine_grained_metrics(self.dataset, maps, temperature)
        return found

    def _snippet_scores(self, records: Sequence[VideoRecord], crop: int | None = None) -> Scores:
        """Scores of some videos; a TrainingError if one is NaN or infinite, as after the step that broke the weights."""
        scores = self.learner.snippet_scores(records, crop=crop)
        check_finite_scores(self.settings.variant, self.step, scores)
        return scores

    def _test_scores(self) -> Scores:
        started = time.perf_counter()
        scores = self._snippet_scores(self.dataset.videos.split("test"))
        self.test_seconds = time.perf_counter() - started
        return scores

    def _crop_scores(self) -> dict[str, np.ndarray]:
        """Scores of each crop by itself for every test video, float32 (N, T); nothing where there is one crop only."""
        records, crops = self.dataset.videos.split("test"), self.learner.num_crops
        alone = [self._snippet_scores(records, crop) for crop in range(crops if crops > 1 else 0)]
        return {record.name: np.stack([scores[record.name]["score"] for scores in alone]) for record in records if alone}

    def _protocol(self, scores: Scores, crop_scores: dict[str, np.ndarray]) -> dict[str, Any]:
        """What choices of the protocol are worth for the selected weights: fewer crops, and mask rules."""
        crops = self.dataset.store.contract.crops if crop_scores else ()

        def measured(chosen: slice) -> dict[str, float]:
            means = {name: of_crops[chosen].mean(axis=0) for name, of_crops in crop_scores.items()}
            return test_metrics(self.dataset, means)

        return {
            "crops": {crop: measured(slice(place, place + 1)) for place, crop in enumerate(crops)},
            "first_crops": {str(count): measured(slice(count)) for count in scoring.FEWER_CROPS if 1 < count < len(crops)},
            "mask_rules": mask_rule_metrics(self.dataset, {name: value["score"] for name, value in scores.items()}),
        }

    def _save(self) -> None:
        content = {
            "step": self.step,
            "rows": self.rows,
            "seconds": self.seconds,
            "best": self.best,
            "learner": self.learner.state(),
        }
        save_checkpoint(self.folder, self.key, self.device, content)

    def _resume(self) -> None:
        if found := load_checkpoint(self.folder, self.key, self.device):
            self.step, self.rows, self.seconds, self.best = (found[name] for name in ("step", "rows", "seconds", "best"))
            self.learner.load_state(found["learner"])


def check_finite(variant: str, step: int, row: Mapping[str, float], videos: tuple[str, ...]) -> None:
    """Stop a training that has broken down.

    Args:
        variant: name of the row.
        step: steps done.
        row: of the log; a term of the loss is named before their sum.
        videos: that the step saw.

    Raises:
        TrainingError: a value is NaN or infinite.
    """
    broken = sorted((name for name, value in row.items() if not math.isfinite(value)), key=lambda name: "/" not in name)
    if broken:
        raise TrainingError(
            f"{variant}, step {step}: {broken[0]} is {row[broken[0]]}, expected a finite number. Videos of the batch: "
            f"{', '.join(sorted(set(videos)))}. Check their features, or lower the learning rate."
        )


def check_finite_scores(variant: str, step: int, scores: Scores) -> None:
    """Stop a training whose weights have broken down.

    Args:
        variant: name of the row.
        step: steps done.
        scores: per video, of an evaluation after it.

    Raises:
        TrainingError: a value is NaN or infinite.
    """
    broken = [video for video, found in scores.items() if not all(np.isfinite(values).all() for values in found.values())]
    if broken:
        raise TrainingError(
            f"{variant}, step {step}: expected finite scores, got NaN or infinity for {len(broken):,} of {len(scores):,} videos "
            f"({first_few(broken)}). Check their features, or lower the learning rate."
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
