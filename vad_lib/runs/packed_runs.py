"""The runs of the reference, packed: two files per data set in place of thousands.

``DATASET.json`` holds, a line per run, its place and what its ``config.json``, ``metrics.json``, ``timing.json`` and
``provenance.json`` said; ``DATASET.npz`` the arrays of all runs. An array that all runs share (videos, labels) is kept
once; the others stand one after the other along their first axis, with their lengths. Scores are kept as their ranks, and the
values of 257 of the ranks: their order and ties come back exactly, and so do AUC and AP; values between are interpolated.

Left out, to keep a clone small: weights; the metrics of fine-grained evaluation under the selections that no table uses;
and all logs but those of the first seed of each table row; of the others stay the last values of what was monitored.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from vad_lib.errors import DataError, MissingFileError
from vad_lib.runs.run_folder import Run
from vad_lib.storage.project_files import of_project
from vad_lib.storage.reading import read_arrays, read_json
from vad_lib.storage.writing import write_arrays, write_text

SHARED = "shared"  # prefix of an array that all runs have in common
PARTS, OWNERS, SHAPES = "parts", "owners", "shapes"
VALUES = "_values"  # ending of the array that holds values of scores


class PackedRun(Run):
    """A run of the reference."""

    def __init__(self, archive: Path, place: str, entry: Mapping[str, Any]) -> None:
        self.name = f"{archive.parent.parent.name}/{place}"
        self.place = place
        self._archive, self._entry = archive, entry
        self.config, self.measured = entry["config"], entry["metrics"]

    @property
    def has_log(self) -> bool:
        return bool(self._entry.get("log"))

    def log(self) -> pd.DataFrame:
        if not self.has_log:
            raise DataError(
                f"{self.name}: the reference keeps the log of the first seed of each table row that is trained in steps, and this "
                "run's is not among them. Choose the first seed, or train the run: `make reproduce`."
            )
        return pd.DataFrame(self._entry["log"])

    def monitored(self) -> dict[str, float]:
        return dict(self._entry.get("monitored", {}))

    def scores(self) -> dict[str, np.ndarray]:
        path = self._archive.with_name(f"{self._archive.name}.npz")
        arrays = _arrays_of(_read(path, path.stat().st_mtime_ns if path.is_file() else 0), self.place)
        return arrays if "score" in arrays else {**arrays, "score": arrays[f"score_{self.selection}"]}

    def weights(self) -> dict[str, Tensor]:
        raise MissingFileError(
            f"{self.name}: the reference comes without weights. `make reproduce` trains this run; its weights lie in "
            "results/quick/runs afterwards."
        )

    def timing(self) -> dict[str, Any]:
        return self._entry["timing"]

    def provenance(self) -> dict[str, Any]:
        return self._entry["provenance"]


def packed(archive: Path) -> list[PackedRun]:
    """All runs of an archive.

    Args:
        archive: path without its endings, :meth:`vad_lib.storage.paths.Layout.packed_runs`.

    Raises:
        MissingFileError: one of its two files is missing.
        DataError: one of them is damaged.
    """
    path = archive.with_name(f"{archive.name}.json")
    return list(_packed(archive, path.stat().st_mtime_ns if path.is_file() else 0))


@lru_cache(maxsize=4)
def _packed(archive: Path, changed: int) -> tuple[PackedRun, ...]:
    """Runs of an archive, the same ones at each call; ``changed`` is the file's time, so that a new file is read again."""
    path = archive.with_name(f"{archive.name}.json")
    with of_project(path, "file of the reference"):
        content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("runs"), dict):
        raise DataError(f"{path}: expected runs by their place, found something else. Restore the file from git.")
    return tuple(PackedRun(archive, place, entry) for place, entry in content["runs"].items())


class Keep(NamedTuple):
    """What is kept of a run beside its settings and its scores.

    Attributes:
        log: its log.
        arrays: names of arrays; all of them if None.
        metrics: names of frame-level metrics; all of them if None.
    """

    log: bool = False
    arrays: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None


def pack(archive: Path, runs: Mapping[str, Run], keep: Callable[[str, Run], Keep] = lambda place, run: Keep()) -> None:
    """Write some runs on one data set as an archive; :func:`packed` reads it.

    Args:
        archive: path without endings.
        runs: place -> run; all scored on the same test videos.
        keep: what is kept of the run at a place.

    Raises:
        DataError: runs on different test videos.
    """
    lines, arrays = [], {}
    for place, run in runs.items():
        kept = keep(place, run)
        arrays[place] = _kept_arrays(run, kept)
        entry = {
            "config": run.config,
            "metrics": _kept_metrics(run, kept),
            "timing": run.timing(),
            "provenance": run.provenance(),
        }
        if monitored := run.monitored():
            entry["monitored"] = {name: float(f"{value:.6g}") for name, value in monitored.items()}
        if kept.log:
            entry["log"] = _columns(run.log())
        lines.append(f"{json.dumps(place)}: {json.dumps(entry, separators=(',', ':'))}")
    write_arrays(archive.with_name(f"{archive.name}.npz"), _together(arrays))
    write_text(archive.with_name(f"{archive.name}.json"), '{"runs": {\n' + ",\n".join(lines) + "\n}}\n")


ALWAYS = ("videos", "categories", "video_categories", "num_snippets", "num_frames", "labels", "score")


def _kept_arrays(run: Run, kept: Keep) -> dict[str, np.ndarray]:
    arrays = {n: array for n, array in run.scores().items() if kept.arrays is None or n in (*ALWAYS, *kept.arrays)}
    of_selection = f"score_{run.selection}"
    if of_selection in arrays and np.array_equal(arrays["score"], arrays[of_selection]):
        arrays.pop("score")  # read back by the selection
    packed_arrays: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if _is_score(name):
            packed_arrays[name], packed_arrays[f"{name}{VALUES}"] = _as_ranks(array)
        else:
            packed_arrays[name] = array
    return packed_arrays


def _is_score(name: str) -> bool:
    return (name in ("visual", "semantic") or name.startswith("score")) and not name.endswith(VALUES)


def _as_ranks(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of scores, equal ones sharing theirs, and the values at :func:`_valued_ranks`."""
    values, ranks = np.unique(scores, return_inverse=True)
    kept = values[_valued_ranks(len(values))]
    single = kept.astype(np.float32)  # what a model gives; scores that were packed before come as float64 with such values
    values = single if np.array_equal(single, kept) else kept
    return ranks.astype(np.uint16 if ranks.max() < 2**16 else np.uint32), values


def _valued_ranks(count: int) -> np.ndarray:
    """Ranks whose values are kept, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, count - 1, 257).round().astype(np.int64))


def _as_scores(ranks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Scores of ranks; float64, so that no two ranks come to share a score."""
    return np.interp(ranks, _valued_ranks(int(ranks.max()) + 1), values.astype(np.float64))


def _kept_metrics(run: Run, kept: Keep) -> dict[str, Any]:
    """Metrics, without the fine-grained ones of selections that no table uses."""

    def part(name: str, rule: Mapping[str, Any]) -> dict[str, Any]:
        wanted = None if kept.metrics is None else (*kept.metrics, "undefined")
        metrics = {n: value for n, value in rule["metrics"].items() if wanted is None or n in wanted}
        fine = {"fine_grained": rule["fine_grained"]} if kept.metrics is None and "fine_grained" in rule else {}
        step = {"step": rule["step"]} if "step" in rule else {}  # scores on another data set come without
        return {**step, "metrics": metrics, **(fine if name == run.selection else {})}

    return {**run.measured, "selections": {name: part(name, rule) for name, rule in run.measured["selections"].items()}}


def _columns(log: pd.DataFrame) -> dict[str, list[float | None]]:
    """A log by columns, six significant digits, None where nothing was measured."""
    return {name: [None if pd.isna(v) else float(f"{v:.6g}") for v in log[name]] for name in log.columns}


def _together(runs: Mapping[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of all runs as few arrays: shared ones once, the others one after the other."""
    first = next(iter(runs.values()))
    alike = {
        name
        for name in ALWAYS[:-1]
        if all(name in arrays and np.array_equal(arrays[name], first[name]) for arrays in runs.values())
    }
    if not {"videos", "labels"} <= alike:
        raise DataError("packing runs: expected runs on the same test videos, got some on others; pack each data set by itself.")
    found = {f"{SHARED}/{name}": first[name] for name in alike}
    for name in sorted({name for arrays in runs.values() for name in arrays} - alike):
        owners = [place for place, arrays in runs.items() if name in arrays]
        parts = [runs[place][name] for place in owners]
        found[f"{PARTS}/{name}"] = np.concatenate([part.ravel() for part in parts])
        found[f"{SHAPES}/{name}"] = np.array([part.shape for part in parts], dtype=np.int64)
        found[f"{OWNERS}/{name}"] = np.array(owners)
    return found


def _arrays_of(archive: Mapping[str, np.ndarray], place: str) -> dict[str, np.ndarray]:
    found = {name.partition("/")[2]: array for name, array in archive.items() if name.startswith(f"{SHARED}/")}
    for key in (key for key in archive if key.startswith(f"{OWNERS}/")):
        name = key.partition("/")[2]
        (rows,) = np.nonzero(archive[key] == place)
        if len(rows):
            shapes = archive[f"{SHAPES}/{name}"]
            ends = np.cumsum(shapes.prod(axis=1))
            start = ends[rows[0]] - shapes[rows[0]].prod()
            found[name] = archive[f"{PARTS}/{name}"][start : ends[rows[0]]].reshape(shapes[rows[0]])
    for name in [name for name in found if _is_score(name)]:
        found[name] = _as_scores(found[name], found.pop(f"{name}{VALUES}"))
    return found


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Mapping[str, np.ndarray]:
    """Arrays of an archive; ``changed`` is the file's time, so that a new file is read again."""
    with of_project(path, "file of the reference"):
        return read_arrays(path)
