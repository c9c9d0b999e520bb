"""Finished runs: finding them, one's own or the reference's, and checking that they belong into one table."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from vad_lib.errors import DataError, DifferentRunsError
from vad_lib.runs.packed_runs import packed
from vad_lib.runs.run_folder import Run, RunInFolder, in_order, run_folders
from vad_lib.storage.paths import Layout

# Settings that may differ between the runs of one table: what a variant or a seed is, and what moves no number.
MAY_DIFFER = ("seed", "permute_labels", "device", "checkpoint_every")
# Settings of a data set that runs of one table must share.
_PROTOCOL = ("counterpart", "mask_rule", "tail")


def find_runs(layout: Layout, *place: str) -> list[Run]:
    """Finished runs at a place, in the order of their seeds; an empty list where there are none.

    Args:
        layout: one's own results, or the reference.
        place: ``"runs", DATASET, VARIANT``; ``"questions", DATASET, QUESTION, ANSWER``; or ``"transfer", DATASET,
            SOURCE, VARIANT`` for scores on DATASET of a model that was trained on SOURCE.

    Raises:
        DataError: a file of a run is damaged.
    """
    if layout.source == "own":
        return [RunInFolder(folder) for folder in run_folders(layout.results.joinpath(*place))]
    archive = layout.packed_runs(place[1])
    if not archive.with_name(f"{archive.name}.json").is_file():
        return []
    beginning = "/".join(place) + "/seed"
    return in_order(run for run in packed(archive) if run.place.startswith(beginning))


def find_run(layout: Layout, dataset: str, variant: str, seed: int) -> Run:
    """The run of a table row with one seed.

    Raises:
        DataError: it is not there; the message names the seeds that are.
    """
    there = find_runs(layout, "runs", dataset, variant)
    for run in there:
        if run.seed == seed:
            return run
    seeds = ", ".join(str(run.seed) for run in there) or "none"
    raise DataError(
        f"{dataset}, {variant}: expected a finished run with seed {seed}, found seeds: {seeds}. Train it with notebook "
        "02_training or 03_ablation, or read the committed results with source='reference'."
    )


def load_runs(layout: Layout, dataset: str, variants: Iterable[str]) -> dict[str, list[Run]]:
    """Finished runs of some variants, every seed, checked to be comparable.

    Returns:
        variant -> runs in the order of their seeds; a variant without a finished run is left out.

    Raises:
        DifferentRunsError: two runs differ in features, text features, training settings, width or categories, or two
            seeds of one variant in their options; the message names both runs and what differs.
        DataError: a file of a run is damaged.
    """
    found = {variant: runs for variant in variants if (runs := find_runs(layout, "runs", dataset, variant))}
    _check_comparable([run for runs in found.values() for run in runs])
    for runs in found.values():
        for run in runs[1:]:
            _check_same(runs[0], run, "options", runs[0].config["options"], run.config["options"])
    return found


def consistent(layout: Layout, datasets: Iterable[str], variants: Sequence[str]) -> tuple[str, ...]:
    """Those data sets whose finished runs belong into one table.

    While a chain is on its way from one data set to the next, runs of an older version may lie beside new ones of the same
    data set; the next notebook makes them again, so a table may leave that data set out until then. What is left out is printed.

    Raises:
        DataError: a file of a run is damaged.
    """
    fit = []
    for dataset in datasets:
        try:
            load_runs(layout, dataset, variants)
        except DifferentRunsError as error:
            print(f"{dataset}: left out, {error}")
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
        free = {*MAY_DIFFER, *runs[0].config.get("declared", ()), *run.config.get("declared", ())}
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
    raise DifferentRunsError(
        f"runs {first.name} and {second.name} belong to one table but differ in {name}: {expected!r} and {got!r}. "
        "Delete the older run folder and run the table again."
    )


def summary(layout: Layout, dataset: str, variants: Iterable[str]) -> pd.DataFrame:
    """All finished runs of some table rows, one row per run.

    Returns:
        columns ``variant``, ``seed``, the headline metric in percent under each selection (``auc % last``, ...), and
        ``train seconds``.
    """
    found = [run for variant in dict.fromkeys(variants) for run in find_runs(layout, "runs", dataset, variant)]
    return pd.DataFrame([{"variant": run.config["variant"], "seed": run.seed, **summary_of(run)} for run in found])


def summary_of(run: Run) -> dict[str, float]:
    """Headline metric of a run in percent under each selection, and its seconds of training."""
    headline = run.config["headline_metric"]
    percent = {f"{headline} % {name.replace('_', ' ')}": 100 * run.value(headline, name) for name in run.measured["selections"]}
    return percent | {"train seconds": run.timing().get("train_seconds", float("nan"))}
