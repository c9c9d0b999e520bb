"""The runner: reads ``notebooks/manifest.yml``, checks parameter names, executes notebooks with papermill.

``python -m vad_lib.reproduce --profile quick`` runs the whole chain. Finished work is skipped when the
notebook, its parameters, the library and the inputs are the same as last time.
"""

import argparse
import glob
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from pydantic import Field

from vad_lib import experiments, tables
from vad_lib.config import PROFILES, Settings, get_profile
from vad_lib.errors import ConfigError, DataError, MissingFileError, VadError, command_line
from vad_lib.files import (
    atomic_path,
    content_hash,
    file_sha256,
    parse_yaml,
    read_json,
    read_yaml,
    write_json,
    write_text,
)
from vad_lib.locks import sole_writer, waiting
from vad_lib.paths import PROJECT_ROOT, Layout
from vad_lib.provenance import versions

LARGEST_EXECUTED_BYTES = 1_000_000


class NotebookError(VadError):
    """A notebook failed; the message names notebook, cell and cause, and where the partial copy lies."""


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
        layout: folders; passed to the notebooks.
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
            known = ", ".join((*manifest.entries, *manifest.items))
            raise ConfigError(f"--only {name}: no such notebook or paper item; known: {known}.")

    executions = []
    used: set[str] = set()
    for notebook, entry in manifest.entries.items():
        if notebook not in wanted:
            continue
        known = set(notebook_parameters(layout, notebook))
        given = {name: value for name, value in (parameters or {}).items() if name in known}
        used |= set(given)
        own_data = layout.data != Layout.create(layout.profile).data
        base = {
            "profile": layout.profile,
            "out": "" if layout.out == PROJECT_ROOT else str(layout.out),
            "data": str(layout.data) if own_data else "",
        }
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


# --- skipping finished work -----------------------------------------------------------------------------


def _fill(layout: Layout, pattern: str, dataset: str | None) -> list[Path]:
    """Files that match a manifest pattern; the pattern itself (missing) if none does."""
    filled = pattern.format(
        dataset=dataset or "",
        results=layout.results,
        figures=layout.figures,
        data=layout.dataset(dataset or ""),
        features=layout.features(dataset or ""),
    )
    return [Path(name) for name in sorted(glob.glob(filled))] or [Path(filled)]


def execution_key(layout: Layout, execution: Execution) -> str:
    """Hash of the notebook, its parameters, the whole library, package versions and the declared inputs."""
    package = sorted((PROJECT_ROOT / "vad_lib").rglob("*.*"))
    sources = [path for path in package if path.is_file() and "__pycache__" not in path.parts]
    inputs = [path for pattern in execution.entry.inputs for path in _fill(layout, pattern, execution.dataset)]
    return content_hash(
        {
            "notebook": file_sha256(layout.notebooks / f"{execution.entry.notebook}.ipynb"),
            "parameters": execution.parameters,
            "library": {str(path.relative_to(PROJECT_ROOT)): file_sha256(path) for path in sources},
            "reported": file_sha256(layout.reported),
            "inputs": {str(path): file_sha256(path) if path.is_file() else None for path in inputs},
            "versions": versions(),
        }
    )


def missing_outputs(layout: Layout, execution: Execution) -> list[Path]:
    """Declared outputs that do not exist."""
    outputs = [path for pattern in execution.entry.outputs for path in _fill(layout, pattern, execution.dataset)]
    return [path for path in outputs if not path.is_file()]


def is_done(layout: Layout, execution: Execution) -> bool:
    """True if the same execution finished before and all that it made is still there."""
    executed = layout.executed / f"{execution.name}.ipynb"
    state = layout.state / f"{execution.name}.json"
    if not executed.is_file() or missing_outputs(layout, execution):
        return False
    try:
        return read_json(state)["key"] == execution_key(layout, execution)
    except (DataError, FileNotFoundError, KeyError, TypeError):
        return False


# --- executing ------------------------------------------------------------------------------------------


def execute(layout: Layout, execution: Execution) -> Path:
    """Run one notebook; the executed copy appears under ``executed/`` only when it is complete.

    Raises:
        NotebookError: a cell failed or the kernel died; the partial copy is kept.
    """
    source = layout.notebooks / f"{execution.entry.notebook}.ipynb"
    target = layout.executed / f"{execution.name}.ipynb"
    partial = layout.executed / f"{execution.name}.partial.ipynb"
    # a read-only output folder is reported before an hour of work, not after
    write_text(layout.state / "writable", "")
    layout.executed.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(source),
            str(partial),
            parameters=execution.parameters,
            kernel_name="python3",
            cwd=str(layout.out),
            progress_bar=sys.stderr.isatty(),
            log_output=False,
            extra_arguments=["--IPKernelApp.log_level=40"],  # a local kernel need not warn about its transport
        )
    except PapermillExecutionError as error:
        first = next((line for line in error.source.splitlines() if line.strip()), "")
        raise NotebookError(
            f"{source.name}, cell {error.cell_index} ({first!r}) failed: {error.ename}: {error.evalue}\n"
            f"The notebook as far as it came: {partial}"
        ) from error
    except DeadKernelError as error:
        raise NotebookError(f"{source.name}: the kernel died ({error}); too little memory? Partial copy: {partial}") from error
    notebook = nbformat.read(partial, as_version=4)
    _strip_machine(notebook)
    with atomic_path(target) as temporary:
        nbformat.write(notebook, temporary)
    partial.unlink()
    missing = missing_outputs(layout, execution)
    if missing:
        raise NotebookError(f"{source.name} ran, but did not make {', '.join(map(str, missing))}, which the manifest promises.")
    # The key is taken again: a first execution makes some of its own inputs (a rendered list of videos).
    write_json(layout.state / f"{execution.name}.json", {"key": execution_key(layout, execution)})
    if target.stat().st_size > LARGEST_EXECUTED_BYTES:
        logging.getLogger(__name__).warning(
            "%s is %.1f MB; executed notebooks should stay under 1 MB.", target, target.stat().st_size / 1e6
        )
    return target


def _strip_machine(notebook: nbformat.NotebookNode) -> None:
    """Drop folders, times and cell ids of one execution, so that copies can be published and compared."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)


def reproduce(layout: Layout, executions: list[Execution], *, force: bool = False, wait: bool = False) -> list[str]:
    """Run what is not done yet, in order; returns the names that were run.

    Raises:
        BusyError: another process runs a chain of this profile into the same folder, and ``wait`` is False.
        NotebookError: a notebook failed.
    """
    with waiting(wait), sole_writer(layout.results, layout.state / "lock"):
        return _reproduce(layout, executions, force=force)


def _reproduce(layout: Layout, executions: list[Execution], *, force: bool) -> list[str]:
    ran = []
    for number, execution in enumerate(executions, start=1):
        head = f"[{number}/{len(executions)}] {execution.name}"
        if not force and is_done(layout, execution):
            print(f"{head}: already there, skipped", flush=True)
            continue
        print(f"{head}: {execution.entry.title} ...", flush=True)
        started = time.perf_counter()
        execute(layout, execution)
        print(f"{head}: done in {time.perf_counter() - started:.0f} s", flush=True)
        ran.append(execution.name)
    return ran


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, parse_yaml(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE with a value in YAML, got {text!r} ({error})") from None


@command_line("run the same command again to go on from here")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.reproduce", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--profile", default="quick", help=f"one of {', '.join(PROFILES)} (default: quick)")
    add("--only", action="append", default=[], help="a notebook or paper item (table4, fig3, ...); may be repeated")
    add("--dataset", action="append", default=[], help="folder name of a data set; may be repeated (default: the built-in two)")
    add("--out", default="", help="folder that gets results/ and figures/ (default: the project)")
    add("--data", default="", help="folder of data sets, one folder each (default: data/<profile> in the project)")
    add("--parameter", action="append", default=[], type=_parameter, metavar="NAME=VALUE", help="a notebook parameter")
    add("--force", action="store_true", help="execute notebooks again (finished training runs are still kept)")
    add("--wait", action="store_true", help="wait while another process writes the same results or data, instead of stopping")
    add("--list", action="store_true", help="print what would run, and stop")
    options = parser.parse_args(arguments)
    get_profile(options.profile)
    layout = Layout.create(options.profile, options.out, options.data)
    manifest = read_manifest(layout.manifest)
    check_folders(manifest, layout, tuple(options.dataset))
    executions = plan(
        manifest, layout, only=tuple(options.only), datasets=tuple(options.dataset), parameters=dict(options.parameter)
    )
    if options.list:
        for execution in executions:
            state = "there" if is_done(layout, execution) else f"about {execution.entry.minutes.get(options.profile, '?')} min"
            print(f"{execution.name}: {execution.entry.title} ({state})")
        return 0
    started = time.perf_counter()
    ran = reproduce(layout, executions, force=options.force, wait=options.wait)
    if layout == Layout.create("quick") and not options.only and not options.dataset:
        tables.update_readme(layout.readme, layout)
        tables.update_section(layout.equations, "equations", tables.equation_map(layout))
    minutes = (time.perf_counter() - started) / 60
    print(f"{len(ran)} of {len(executions)} notebooks run in {minutes:.1f} min; tables: {layout.tables}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
