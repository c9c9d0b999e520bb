"""What a training log says about a number: the best of many evaluations on the test set, or one run of several seeds."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vad_lib.errors import DataError, first_few
from vad_lib.storage.reading import read_csv, read_text

_SEED, _NUMBER = "seed", r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"


class LogFound(NamedTuple):
    """What a log says.

    Attributes:
        values: in points, in the order of the log; of each seed by itself.
        best: the highest of all, in points.
        last: the mean over seeds of the last values, in points.
        sentences: in words.
    """

    values: dict[str, np.ndarray]
    best: float
    last: float
    sentences: tuple[str, ...]


def read_log(
    path: Path | str, column: str = "", claimed: float | None = None, tolerance: float = 0.005, metric: str = ""
) -> LogFound:
    """Read the evaluations of a training, and say what choosing the best of them adds.

    Args:
        path: a CSV with a column of test values (and ``seed``, if there are several), or a text in which every evaluation
            stands as ``NAME: 0.8697`` or ``NAME=86.97``.
        column: NAME; by default the first column, or word, with ``auc`` or ``ap`` in it; those of a test before others, and none
            of a best value so far, which is no value of its step.
        claimed: the claimed number, in points.
        tolerance: points within which two numbers are the same.
        metric: ``auc`` or ``ap``, which is preferred.

    Raises:
        MissingFileError: there is no such file.
        DataError: no such values.
    """
    path = Path(path)
    reader = _from_csv if path.suffix.lower() == ".csv" else _from_text
    values, name, others = reader(path, column, metric)
    every = np.concatenate(list(values.values()))
    best, ends = float(every.max()), np.array([run[-1] for run in values.values()])
    tails = [float(run[-max(1, len(run) // 4) :].std()) for run in values.values() if len(run) > 3]
    said = [f"{path.name}: {name} is read, not {', '.join(others)}; --log-column names another."] if others else []
    for seed, run in values.items():
        place = int(run.argmax())
        of = f"seed {seed}: " if len(values) > 1 else ""
        said.append(
            f"{path.name}, {of}{len(run)} values of {name}. The best, {run[place]:.2f}, is number {place + 1}; the last is "
            f"{run[-1]:.2f}. To choose the best on the test set adds {run[place] - run[-1]:.2f} points."
        )
    if tails:
        said.append(f"Within the last quarter of a run the values scatter by {np.mean(tails):.2f} points (standard deviation).")
    if len(values) > 1:
        said.append(
            f"Over {len(values)} seeds the last values have mean {ends.mean():.2f} and standard deviation {ends.std(ddof=1):.2f}; "
            f"the highest, {ends.max():.2f}, is {ends.max() - ends.mean():.2f} above the mean."
        )
    else:
        said.append("There is one seed in it: how far another seed would be off is not known from this log.")
    if claimed is not None:
        said.append(_explained(claimed, tolerance, best, ends))
    return LogFound(values, best, float(ends.mean()), tuple(said))


def _explained(claimed: float, tolerance: float, best: float, ends: np.ndarray) -> str:
    for name, value in (("the highest last value", ends.max()), ("the mean of the last values", ends.mean())):
        if abs(value - claimed) <= tolerance:  # also where it is the best: nothing had to be chosen
            return f"The claimed {claimed:.9g} is {name} in the log."
    if abs(best - claimed) <= tolerance:
        return f"The claimed {claimed:.9g} is the best of all evaluations in the log: it was chosen on the test set."
    if claimed > best:
        return (
            f"The claimed {claimed:.9g} is {claimed - best:.2f} points above every value in the log: no choice of a checkpoint "
            "gives it."
        )
    return f"The claimed {claimed:.9g} lies between the last and the best value, or below both; it is no special value of this log."


def _from_csv(path: Path, column: str, metric: str) -> tuple[dict[str, np.ndarray], str, list[str]]:
    rows = [row for _, row in read_csv(path, (), "a training log with a header")]
    names = list(rows[0]) if rows else []
    name, others = (column, []) if column else _chosen(names, metric)
    if name not in names:
        raise DataError(f"{path}: expected a column {column or 'auc or ap'}, found {first_few(names)}; name it with --log-column.")
    found: dict[str, list[float]] = {}
    for row in rows:
        if row[name].strip():
            found.setdefault(row.get(_SEED, ""), []).append(_number(path, name, row[name]))
    return _in_points(path, name, found), name, others


def _from_text(path: Path, column: str, metric: str) -> tuple[dict[str, np.ndarray], str, list[str]]:
    text = read_text(path, "a training log")
    found: dict[str, list[float]] = {}
    for before, word, value in re.findall(rf"((?:\b[A-Za-z]+[ \t]+){{0,2}})\b([A-Za-z][\w/-]*)\s*[:=]?\s*({_NUMBER})", text):
        # "best test AUC: 0.87" is another value than "AUC: 0.87"
        kind = [each.lower() for each in before.split() if {each.lower()} & (_TEST | _OTHER | _BEST)]
        name = " ".join([*kind, word])
        name = next((known for known in found if known.lower() == name.lower()), name)
        found.setdefault(name, []).append(float(value))
    name, others = (_stated(path, column, list(found)), []) if column else _chosen(list(found), metric)
    values = found.get(name, [])
    return _in_points(path, name or "auc", {"": values} if values else {}), name, others


def _stated(path: Path, column: str, names: list[str]) -> str:
    """The name in a log that a person means: the same one, or the only one that ends in it."""
    same = [name for name in names if name.lower() == column.lower()]
    ending = same or [name for name in names if name.lower().endswith(f" {column.lower()}")]
    if len(ending) > 1:
        raise DataError(f"{path}: --log-column {column} can be {first_few(ending)}; give one of these names in full.")
    return ending[0] if ending else column


_TEST, _OTHER, _BEST = {"test", "eval"}, {"train", "training", "val", "valid", "validation"}, {"best", "max", "highest"}


def _chosen(names: list[str], metric: str) -> tuple[str, list[str]]:
    """The name of the values of a measure, and the names of other values that it might have been."""
    tokens = {name: set(re.split("[^a-z]+", name.lower())) for name in names}
    measures = [name for name in names if tokens[name] & {"auc", "ap"}]
    usable = [name for name in measures if not tokens[name] & _BEST]
    if not usable:
        return "", []
    rank = {
        name: (metric not in tokens[name] if metric else False, bool(tokens[name] & _OTHER), not tokens[name] & _TEST)
        for name in usable
    }
    name = min(usable, key=lambda each: rank[each])
    return name, [each for each in measures if each != name]


def _number(path: Path, column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{path}, column {column}: expected a number, got {text!r}; correct the line.") from None


def _in_points(path: Path, name: str, values: dict[str, list[float]]) -> dict[str, np.ndarray]:
    every = np.array([value for run in values.values() for value in run])
    if not len(every):
        raise DataError(f"{path}: expected values of {name}, found none; name the column or word with --log-column.")
    if not (np.isfinite(every).all() and every.min() >= 0 and every.max() <= 100):
        raise DataError(
            f"{path}: expected values of {name} of 0 to 100, got {every.min():g} to {every.max():g}; name another column."
        )
    scale = 100 if every.max() <= 1 else 1
    return {seed: scale * np.array(run) for seed, run in values.items()}
