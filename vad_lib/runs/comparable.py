"""Finished runs that belong into one table."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vad_lib.errors import DataError
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json

# Settings that may differ between the runs of one table: what a variant or a seed is, and what moves no number.
_FREE_TRAIN_SETTINGS = ("seed", "permute_labels", "device", "checkpoint_every")

# Settings of a data set that runs of one table must share.
_PROTOCOL = ("counterpart", "mask_rule", "tail")


@dataclass(frozen=True)
class Run:
    """A finished run: its ``config.json`` and ``metrics.json``."""

    folder: Path
    config: dict[str, Any]
    measured: dict[str, Any]

    def value(self, metric: str, rule: str) -> float:
        """A metric under a selection rule, as a fraction."""
        return self.measured["rules"][rule]["metrics"][metric]

    def fine_grained(self, rule: str) -> dict[str, Any] | None:
        """What :func:`vad_lib.evaluation.fine_grained.fine_grained` found, or None if the run has no such part."""
        return self.measured["rules"][rule].get("fine_grained")


def load_runs(layout: Layout, dataset: str, variants: Sequence[str]) -> dict[str, list[Run]]:
    """Finished runs of some variants, every seed, checked to be comparable.

    Returns:
        variant -> runs in the order of their seeds; a variant without a finished run is left out.

    Raises:
        DataError: two runs differ in features, text features, training settings, width or categories, or two
            seeds of one variant in their options; the message names both runs and what differs.
    """
    found: dict[str, list[Run]] = {}
    for variant in variants:
        folders = [f for f in layout.run(dataset, variant, 0).parent.glob("seed*") if re.fullmatch(r"seed\d+", f.name)]
        for folder in sorted(folders, key=lambda f: int(f.name[4:])):
            if (folder / "metrics.json").is_file():
                run = Run(folder, read_json(folder / "config.json"), read_json(folder / "metrics.json"))
                found.setdefault(variant, []).append(run)
    _check_comparable([run for runs in found.values() for run in runs])
    for runs in found.values():
        for run in runs[1:]:
            _check_same(runs[0], run, "options", runs[0].config["options"], run.config["options"])
    return found


def consistent(layout: Layout, datasets: Iterable[str], variants: Sequence[str]) -> tuple[str, ...]:
    """Those data sets whose finished runs belong into one table.

    While a chain is on its way from one data set to the next, runs of an older version may lie beside new ones of the same
    data set; the next notebook makes them again, so a table may leave that data set out until then.
    """
    fit = []
    for dataset in datasets:
        try:
            load_runs(layout, dataset, variants)
        except DataError:
            continue
        fit.append(dataset)
    return tuple(fit)


def _check_comparable(runs: list[Run]) -> None:
    first_with_text: Run | None = None
    for run in runs:
        for name in ("features", "width", "categories", "headline_metric"):
            _check_same(runs[0], run, name, runs[0].config[name], run.config[name])
        first, its = ({key: r.config.get("dataset_info", {}).get(key) for key in _PROTOCOL} for r in (runs[0], run))
        _check_same(runs[0], run, "dataset_info", first, its)
        free = {*_FREE_TRAIN_SETTINGS, *runs[0].config.get("declared", ()), *run.config.get("declared", ())}
        first, train = ({k: v for k, v in r.config["train"].items() if k not in free} for r in (runs[0], run))
        _check_same(runs[0], run, "train", first, train)
        if run.config["text"]:
            first_with_text = first_with_text or run
            _check_same(first_with_text, run, "text", first_with_text.config["text"], run.config["text"])


def _check_same(first: Run, second: Run, name: str, expected: Any, got: Any) -> None:
    if expected == got:
        return
    if isinstance(expected, dict) and isinstance(got, dict):
        name, expected, got = next(
            (f"{name}.{key}", expected.get(key), got.get(key))
            for key in dict.fromkeys((*expected, *got))
            if expected.get(key) != got.get(key)
        )
    raise DataError(
        f"runs {first.folder} and {second.folder} belong to one table but differ in {name}: {expected!r} and {got!r}. "
        "Delete the older run folder and run the table again."
    )
