"""What the chain consists of: the notebooks in ``notebooks/manifest.yml``, their parameters, and a plan of executions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from pydantic import Field

from vad_lib.config import Settings
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.runs import experiments
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.reading import read_yaml


class _Datasets(Settings):
    datasets: tuple[str, ...]


class Entry(Settings):
    """One notebook of the manifest; fields as described at the top of ``manifest.yml``."""

    notebook: str = Field(pattern=r"^\w[\w.-]*$")
    title: str
    each_dataset: bool
    items: dict[str, str]
    needs: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    minutes: dict[str, int | float]


@dataclass(frozen=True)
class Execution:
    """One notebook with its parameters, ready to run."""

    entry: Entry
    dataset: str | None
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.entry.notebook}-{self.dataset}" if self.dataset else self.entry.notebook


@dataclass(frozen=True)
class Manifest:
    """``manifest.yml``: built-in data sets and notebooks in order."""

    datasets: tuple[str, ...]
    entries: dict[str, Entry]

    @property
    def items(self) -> dict[str, tuple[Entry, str]]:
        """Paper item -> (its one owner, ``all`` or the data set it belongs to)."""
        return {item: (entry, dataset) for entry in self.entries.values() for item, dataset in entry.items.items()}


def read_manifest(path: Path) -> Manifest:
    """Read the manifest.

    Raises:
        DataError: a field is missing or unknown, an item has two owners, or ``needs`` points forward.
    """
    content = read_yaml(path, "the manifest of the notebooks")
    try:
        datasets, notebooks = _Datasets(datasets=content["datasets"]).datasets, dict(content["notebooks"])
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path}: expected a list 'datasets' and a mapping 'notebooks' ({error}); correct it.") from error
    entries: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    for notebook, fields in notebooks.items():
        try:
            entry = Entry(notebook=notebook, **fields)
        except (TypeError, ConfigError) as error:
            raise DataError(f"{path}: {notebook}: {error}") from error
        for item in entry.items:
            if item in owners:
                raise DataError(f"{path}: {item} is owned by {owners[item]} and by {notebook}; it needs one owner.")
            owners[item] = notebook
        late = [need for need in entry.needs if need not in entries]
        if late:
            raise DataError(f"{path}: {notebook} needs {', '.join(late)}, which must stand before it.")
        entries[notebook] = entry
    return Manifest(datasets, entries)


def plan(
    manifest: Manifest,
    layout: Layout,
    *,
    only: tuple[str, ...] = (),
    datasets: tuple[str, ...] = (),
    parameters: dict[str, Any] | None = None,
) -> list[Execution]:
    """Choose the executions, in order, with what they need.

    Args:
        manifest: what there is.
        layout: folders; passed to the notebooks. If its source is the reference, only the notebooks that can read it
            are chosen.
        only: notebooks or paper items (``table4``); all if empty.
        datasets: data sets; those of the manifest if empty.
        parameters: further notebook parameters; each must be known to at least one chosen notebook.

    Raises:
        ConfigError: unknown notebook, item, parameter or table row; the message lists the known ones.
    """
    _check_variants((parameters or {}).get("variants", []))
    chosen_datasets = datasets or manifest.datasets
    wanted: dict[str, set[str]] = {}  # notebook -> data sets

    def want(name: str, for_datasets: set[str]) -> None:
        for need in manifest.entries[name].needs:
            want(need, for_datasets)
        wanted.setdefault(name, set()).update(for_datasets)

    for name in only or manifest.entries:
        if name in manifest.entries:
            want(name, set(chosen_datasets))
        elif name in manifest.items:
            entry, dataset = manifest.items[name]
            want(entry.notebook, set(chosen_datasets) if dataset == "all" or datasets else {dataset})
        else:
            names = ", ".join((*manifest.entries, *manifest.items))
            raise ConfigError(f"--only {name}: no such notebook or paper item; known: {names}.")

    executions = []
    used: set[str] = set()
    for notebook, entry in manifest.entries.items():
        if notebook not in wanted:
            continue
        known = set(notebook_parameters(layout, notebook))
        if layout.source == "reference" and "source" not in known:  # it needs videos or features, which no clone has
            continue
        given = {name: value for name, value in (parameters or {}).items() if name in known}
        used |= set(given)
        own_data = layout.source == "own" and layout.data != Layout.create(layout.profile).data
        base = {
            "profile": layout.profile,
            "out": "" if layout.out == PROJECT_ROOT else str(layout.out),
            "data": str(layout.data) if own_data else "",
        }
        if "source" in known:
            base["source"] = layout.source
        ordered = [dataset for dataset in chosen_datasets if dataset in wanted[notebook]]
        if entry.each_dataset:
            executions += [Execution(entry, dataset, {**base, "dataset": dataset, **given}) for dataset in ordered]
        else:
            executions.append(Execution(entry, None, {**base, "datasets": ordered, **given}))
        for execution in executions:
            check_parameters(layout, execution)
    unknown = sorted(set(parameters or {}) - used)
    if unknown:
        everything = sorted({name for notebook in wanted for name in notebook_parameters(layout, notebook)})
        raise ConfigError(f"unknown parameter {', '.join(unknown)}; the chosen notebooks have {', '.join(everything)}.")
    return executions


def _check_variants(variants: Any) -> None:
    """Before features are made, not after."""
    if not isinstance(variants, list):
        raise ConfigError(f"parameter variants: expected a list, got {variants!r}; write 'variants=[{variants}]'.")
    unknown = [str(name) for name in variants if name not in ("all", *experiments.VARIANTS)]
    if unknown:
        raise ConfigError(f"parameter variants: no row {', '.join(unknown)}; known: all, {', '.join(experiments.VARIANTS)}.")


def check_folders(manifest: Manifest, layout: Layout, datasets: tuple[str, ...]) -> None:
    """Data sets that are not built in must have a folder of their name.

    Raises:
        MissingFileError: there is none; the message says what lies there instead.
    """
    for name in datasets:
        folder = layout.dataset(name)
        if name in manifest.datasets or folder.is_dir():
            continue
        there = sorted(path.name for path in layout.data.iterdir()) if layout.data.is_dir() else []
        found = f"{', '.join(there[:6])}{', ...' if len(there) > 6 else ''}" if there else "nothing"
        raise MissingFileError(
            f"--dataset {name}: expected the folder {folder}, found {found} in {layout.data}; built in are "
            f"{', '.join(manifest.datasets)}. Put the lists and features of {name} into that folder, and give the folder above it "
            "as --data."
        )


def notebook_parameters(layout: Layout, notebook: str) -> dict[str, str]:
    """Parameter names of a notebook and their defaults, as source text.

    Raises:
        MissingFileError: no such notebook.
    """
    path = layout.notebooks / f"{notebook}.ipynb"
    if not path.is_file():
        raise MissingFileError(f"{path}: the manifest names this notebook, but it is not there. Restore it from git.")
    return {name: details["default"] for name, details in papermill.inspect_notebook(str(path)).items()}


def check_parameters(layout: Layout, execution: Execution) -> None:
    """Papermill only warns about a parameter that the notebook does not have; here it is an error.

    Raises:
        ConfigError: names the notebook, the parameter, and the ones that there are.
    """
    known = notebook_parameters(layout, execution.entry.notebook)
    unknown = [name for name in execution.parameters if name not in known]
    if unknown:
        raise ConfigError(f"{execution.entry.notebook} has no parameter {', '.join(unknown)}; it has {', '.join(known)}.")
