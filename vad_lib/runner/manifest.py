"""What the chain consists of: the notebooks in ``notebooks/manifest.yml``, their parameters, and a plan of executions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from vad_lib.config import Settings
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.errors import ConfigError, DataError, MissingFileError, did_you_mean
from vad_lib.runner.parameters import OPTIONS, check_free, checked, declared
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
    after: tuple[str, ...] = ()
    sets_apart: bool = False
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
        for word, earlier in (("needs", entry.needs), ("comes after", entry.after)):
            if late := [name for name in earlier if name not in entries]:
                raise DataError(f"{path}: {notebook} {word} {', '.join(late)}, which must stand before it.")
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
    """Choose the executions, in order, with what they need. Every parameter is checked here, before a kernel starts.

    Args:
        manifest: what there is.
        layout: folders; passed to the notebooks. If its source is the reference, only the notebooks that can read it
            are chosen.
        only: notebooks or paper items (``table4``); all if empty.
        datasets: data sets; those of the manifest if empty.
        parameters: further notebook parameters; each must be known to at least one chosen notebook, and say nothing that an
            option of the command says.

    Raises:
        ConfigError: unknown notebook, item, parameter or table row, or a value that a parameter cannot have; the message names
            what is known, and the nearest name.
    """
    parameters = parameters or {}
    check_free(parameters)
    chosen_datasets = tuple(dict.fromkeys(datasets or manifest.datasets))
    wanted = _wanted(manifest, only, chosen_datasets, named=bool(datasets))
    # a notebook without a source needs videos or features, which no clone has
    chosen = [name for name in manifest.entries if name in wanted and (layout.source == "own" or _has(name, "source"))]
    known = {name: None for notebook in chosen for name in declared(notebook).model_fields if name not in OPTIONS}
    if unknown := [name for name in parameters if name not in known]:
        near = "; ".join(f"{name}{did_you_mean(name, known)}" for name in unknown)
        raise ConfigError(f"unknown parameter {near}; the chosen notebooks have {', '.join(known)}.")
    executions = []
    for notebook in chosen:
        entry, ordered = manifest.entries[notebook], [name for name in chosen_datasets if name in wanted[notebook]]
        given = {name: value for name, value in parameters.items() if _has(notebook, name)}
        for dataset in ordered if entry.each_dataset else (None,):
            of_data = {"dataset": dataset} if dataset is not None else {"datasets": ordered}
            values = checked(notebook, {**_base(layout, notebook), **of_data, **given})
            executions.append(Execution(entry, dataset, values))
    return executions


def waits_for(executions: Sequence[Execution]) -> list[set[int]]:
    """For each execution of a plan the numbers of those that must have ended before it begins; all others may run beside it.

    Args:
        executions: of :func:`plan`, in its order.
    """
    found = []
    for later, execution in enumerate(executions):
        entry = execution.entry
        names = {*entry.needs, *entry.after} | (set() if entry.sets_apart else {entry.notebook})
        earlier = {number for number in range(later) if executions[number].entry.notebook in names}
        if entry.sets_apart:
            earlier = {number for number in earlier if executions[number].dataset in (None, execution.dataset)}
        found.append(earlier)
    return found


def _wanted(manifest: Manifest, only: tuple[str, ...], datasets: tuple[str, ...], *, named: bool) -> dict[str, set[str]]:
    """Notebook -> its data sets, of what was asked for and all that it needs; ``named`` if a person named the data sets."""
    wanted: dict[str, set[str]] = {}

    def want(name: str, for_datasets: set[str]) -> None:
        for need in manifest.entries[name].needs:
            want(need, for_datasets)
        wanted.setdefault(name, set()).update(for_datasets)

    for name in only or manifest.entries:
        if name in manifest.entries:
            want(name, set(datasets))
        elif name in manifest.items:
            entry, dataset = manifest.items[name]
            want(entry.notebook, set(datasets) if dataset == "all" or named else {dataset})
        else:
            names = (*manifest.entries, *manifest.items)
            raise ConfigError(
                f"--only {name}: no such notebook or paper item{did_you_mean(name, names)}; known: {', '.join(names)}."
            )
    return wanted


def _has(notebook: str, parameter: str) -> bool:
    return parameter in declared(notebook).model_fields


def _base(layout: Layout, notebook: str) -> dict[str, str]:
    """What the folders and the profile of a run say."""
    own_data = layout.source == "own" and layout.data != Layout.create(layout.profile).data
    base: dict[str, str] = {
        "profile": layout.profile,
        "out": "" if layout.out == PROJECT_ROOT else str(layout.out),
        "data": str(layout.data) if own_data else "",
    }
    return base | ({"source": layout.source} if _has(notebook, "source") else {})


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
        known = (*there, *manifest.datasets)
        if name in PUBLIC_SETS:  # no misspelt built-in set, but its folder may be misspelt
            known = tuple(each for each in there if each not in manifest.datasets)
        near = did_you_mean(name, known)
        found = f"{', '.join(there[:6])}{', ...' if len(there) > 6 else ''}" if there else "nothing"
        raise MissingFileError(
            f"--dataset {name}{near}: expected the folder {folder}, found {found} in {layout.data}; built in are "
            f"{', '.join(manifest.datasets)}. Put the lists and features of {name} into that folder, and give the folder above it "
            "as --data."
        )
