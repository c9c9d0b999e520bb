"""The run folder: what lies in it. Nothing else in the library knows its file names, writes it or reads it.

======================  ============================================================================================
config.json             settings of the run, its data set, features and text features
metrics.json            what was measured under each selection; written last, so a run without it is not finished
log.csv                 one row per training step
scores.npz              snippet scores of the test videos, and what figures and intervals need beside them
weights.safetensors     the weights of the selected step
provenance.json         what made it: commit, versions, processor, threads, hashes of inputs
timing.json             seconds
======================  ============================================================================================

Runs lie below the results folder at a *place*, such as ``runs/synth-crime/proposed/seed2022`` or
``questions/synth-crime/gate/fixed_at_0.5/seed2022``. The committed reference keeps its runs packed
(:mod:`vad_lib.runs.packed_runs`); :func:`find_runs` gives both as :class:`Run`.
"""

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vad_lib.errors import DataError, MissingFileError, UndefinedMetricError
from vad_lib.storage.reading import read_arrays, read_json, read_text
from vad_lib.storage.writing import atomic_path, write_arrays, write_json, write_text

CONFIG, METRICS, LOG, SCORES = "config.json", "metrics.json", "log.csv", "scores.npz"
WEIGHTS, PROVENANCE, TIMING = "weights.safetensors", "provenance.json", "timing.json"
MONITOR = "monitor/"  # begins the names of columns of the log that hold what a method lets one watch


def write_run(
    folder: Path,
    *,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    scores: dict[str, np.ndarray],
    log: Sequence[Mapping[str, float]] = (),
    weights: Mapping[str, Tensor] | None = None,
    provenance: Mapping[str, Any] | None = None,
    timing: Mapping[str, Any] | None = None,
) -> None:
    """Write the files of a finished run; ``metrics.json``, which says that the run is complete, comes last.

    Args:
        folder: the run folder.
        config: settings; ``key`` identifies the run, ``title`` and ``seed`` name it.
        metrics: with ``key``, ``selection`` (the one that tables use) and ``selections``, the metrics of each.
        scores: arrays of the test videos, one after the other in the order of ``videos``.
        log: one row per training step.
        weights: of the selected step; none where nothing was trained.
        provenance: see :func:`vad_lib.storage.provenance.provenance`.
        timing: seconds.

    Raises:
        OutputError: the folder cannot be written; what was there before stays.
    """
    write_json(folder / CONFIG, config)
    if log:
        text = io.StringIO()
        pd.DataFrame(log).to_csv(text, index=False, lineterminator="\n")
        write_text(folder / LOG, text.getvalue())
    write_arrays(folder / SCORES, scores)
    if weights is not None:
        with atomic_path(folder / WEIGHTS) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, temporary, metadata={"key": config["key"]})
    write_json(folder / PROVENANCE, provenance or {})
    write_json(folder / TIMING, timing or {})
    write_json(folder / METRICS, metrics)


def is_complete(folder: Path, key: str, metric: str) -> bool:
    """True if the folder holds the finished run with this key, weights included.

    ``metric`` is the headline metric that its best step on the test set must be by: a data set that is imported again may have
    another, and the key does not hold it.
    """
    try:
        same = read_json(folder / METRICS)["key"] == key and read_json(folder / CONFIG)["headline_metric"] == metric
        return same and (folder / WEIGHTS).is_file()
    except (DataError, FileNotFoundError, KeyError, TypeError):
        return False


class Run(ABC):
    """A finished run, wherever it is kept.

    Attributes:
        name: where it is kept, for messages.
        config: content of ``config.json``.
        measured: content of ``metrics.json``.
    """

    name: str
    config: dict[str, Any]
    measured: dict[str, Any]

    @property
    def seed(self) -> int:
        return self.config["seed"]

    @property
    def title(self) -> str:
        """The row's name in tables."""
        return self.config["title"]

    @property
    def selection(self) -> str:
        """The selection that tables and figures use."""
        return self.measured["selection"]

    def value(self, metric: str, selection: str) -> float:
        """A frame-level metric of the step that a selection chose, as a fraction.

        Raises:
            UndefinedMetricError: it is not defined on these test videos; see :meth:`undefined`.
        """
        if reason := self.undefined(metric, selection):
            raise UndefinedMetricError(f"{self.name}: {reason}")
        return self.measured["selections"][selection]["metrics"][metric]

    def undefined(self, metric: str, selection: str) -> str:
        """Why a frame-level metric is not defined on these test videos; empty if it is."""
        return self.measured["selections"][selection]["metrics"].get("undefined", {}).get(metric, "")

    def fine_grained(self, selection: str) -> dict[str, Any] | None:
        """Detection and category metrics of the selected step; None if the method has no alignment map."""
        return self.measured["selections"][selection].get("fine_grained")

    @abstractmethod
    def log(self) -> pd.DataFrame:
        """One row per training step: ``step``, ``lr``, ``loss``, ``loss/TERM``, ``weight/TERM``, and values of evaluations.

        Raises:
            DataError: there is no log, because the method takes no steps or the log was not kept.
        """

    @abstractmethod
    def monitored(self) -> dict[str, float]:
        """What a method lets one watch, at the last evaluation: the gate's weight ``w``, for example; empty if there is nothing.

        Raises:
            DataError: the log is damaged.
        """

    @abstractmethod
    def scores(self) -> dict[str, np.ndarray]:
        """Arrays of the V test videos: ``videos``, ``num_snippets``, ``num_frames``, ``labels``, ``score``, and more by method.

        Raises:
            MissingFileError, DataError: there are none, or they are damaged.
        """

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Weights of the selected step.

        Raises:
            MissingFileError: they were not kept.
        """

    @abstractmethod
    def timing(self) -> dict[str, Any]:
        """Seconds of training and testing; empty if not kept."""

    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """What made the run; empty if not kept."""


class RunInFolder(Run):
    """A finished run in a folder of its own.

    Raises:
        MissingFileError: no finished run there.
        DataError: a file is damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.name = str(folder)
        if not (self.folder / METRICS).is_file():
            raise MissingFileError(
                f"{folder}: expected the folder of a finished run, found no {METRICS} there. Run folders lie under "
                "results/PROFILE/runs/DATASET/VARIANT/seedN and are complete once training has ended."
            )
        self.config, self.measured = read_json(self.folder / CONFIG), read_json(self.folder / METRICS)

    def log(self) -> pd.DataFrame:
        path = self.folder / LOG
        try:
            return pd.read_csv(io.StringIO(read_text(path, "the log of a run")))
        except (MissingFileError, pd.errors.EmptyDataError):
            raise DataError(
                f"{path}: expected the log of a run with training steps, found none. Choose a method that is trained in steps, "
                "or train this one again."
            ) from None
        except (ValueError, pd.errors.ParserError) as error:
            raise DataError(f"{path}: expected the log of a run as CSV ({error}). Train this run again.") from error

    def monitored(self) -> dict[str, float]:
        if not (self.folder / LOG).is_file():
            return {}
        watched = self.log().filter(like=MONITOR).ffill().tail(1).dropna(axis="columns")
        return {str(name).removeprefix(MONITOR): float(values.iloc[0]) for name, values in watched.items()}

    def scores(self) -> dict[str, np.ndarray]:
        return read_arrays(self.folder / SCORES)

    def weights(self) -> dict[str, Tensor]:
        path = self.folder / WEIGHTS
        if not path.is_file():
            raise MissingFileError(f"{path}: expected the weights of a finished run, found no such file. Train this run again.")
        try:
            return load_file(path)
        except SafetensorError as error:
            raise DataError(f"{path}: expected weights as safetensors ({error}). Train this run again.") from error

    def timing(self) -> dict[str, Any]:
        return self._optional(TIMING)

    def provenance(self) -> dict[str, Any]:
        return self._optional(PROVENANCE)

    def _optional(self, name: str) -> dict[str, Any]:
        return read_json(self.folder / name) if (self.folder / name).is_file() else {}


def run_folders(place: Path) -> list[Path]:
    """Folders ``seedN`` of finished runs at a place, in the order of their seeds."""
    found = [folder for folder in place.glob("seed*") if re.fullmatch(r"seed\d+", folder.name)]
    return sorted((folder for folder in found if (folder / METRICS).is_file()), key=lambda folder: int(folder.name[4:]))


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Runs in the order of their seeds."""
    return sorted(runs, key=lambda run: run.seed)
