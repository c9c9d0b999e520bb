"""Executing one planned notebook with papermill, and skipping what is done already."""

import glob
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from vad_lib.data import synthetic
from vad_lib.data.importing.import_record import fingerprint_of, next_import
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.errors import ConfigError, VadError
from vad_lib.runner.manifest import Execution, waits_for
from vad_lib.runner.parameters import OPTIONS
from vad_lib.runner.workers import workers
from vad_lib.runs.code_key import file_meaning
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.locks import sole_writer, waiting
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.provenance import versions
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import atomic_path, write_json, write_text

LARGEST_EXECUTED_BYTES = 1_000_000


class NotebookError(VadError):
    """A notebook failed; the message names notebook, cell and cause, and where the partial copy lies."""


def _fill(layout: Layout, pattern: str, dataset: str | None) -> list[Path]:
    """Files that match a manifest pattern; the pattern itself (missing) if none does."""
    runs = "{results}/runs/*/*/seed*/metrics.json" if layout.source == "own" else "{read}/runs/*.json"
    pattern = pattern.replace("{runs}", runs)
    places = {
        "dataset": dataset or "",
        "results": str(layout.results),
        "figures": str(layout.figures),
        "data": str(layout.dataset(dataset or "")),
        "features": str(layout.features(dataset or "")),
        "read": str(layout.read_from),
    }
    # only the pattern's own wildcards count: folders may have brackets in their names
    found = glob.glob(pattern.format(**{name: glob.escape(place) for name, place in places.items()}))
    return [Path(name) for name in sorted(found)] or [Path(pattern.format(**places))]


def execution_key(layout: Layout, execution: Execution) -> str:
    """Hash of all that decides what an execution makes.

    These are the notebook, its parameters, the meaning of the library, package versions, the declared inputs, files that
    parameters name, and of a data set that is not built in what an import of it reads, by names, sizes and times.

    Raises:
        VadError, OSError: something of it cannot be read.
    """
    package = sorted((PROJECT_ROOT / "vad_lib").rglob("*.*"))
    sources = [path for path in package if path.is_file() and "__pycache__" not in path.parts]
    inputs = [path for pattern in execution.entry.inputs for path in _fill(layout, pattern, execution.dataset)]
    return content_hash(
        {
            "notebook": file_sha256(layout.notebooks / f"{execution.entry.notebook}.ipynb"),
            "parameters": execution.parameters,
            "named": [_content(layout.out / text) for text in _texts(execution.parameters)],  # notebooks run in that folder
            "data": _read_by_import(layout, execution),
            "library": {str(path.relative_to(PROJECT_ROOT)): _meaning(path) for path in sources},
            "reported": file_sha256(layout.reported),
            "inputs": {str(path): file_sha256(path) if path.is_file() else None for path in inputs},
            "versions": versions(),
        }
    )


def _texts(value: Any) -> Iterator[str]:
    """The texts among parameters and in their lists, those apart that an option of the command sets."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        yield from (text for name, part in items if name not in OPTIONS for text in _texts(part))


def _content(path: Path) -> Any:
    """Of a file its hash; of a folder names, sizes and times of the files in it; of anything else nothing."""
    if os.path.isdir(path):
        return sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in path.iterdir() if file.is_file())
    return file_sha256(path) if os.path.isfile(path) else None


def _read_by_import(layout: Layout, execution: Execution) -> str:
    """Changes with what an import of the data set reads; empty for the built-in ones, whose code is in the key."""
    name, options = execution.dataset, execution.parameters.get("importing")
    if name is None or name in synthetic.DATASETS:
        return ""
    stated = ImportSettings(dataset=name, **options) if options else None
    source, settings = next_import(layout.dataset(name), name, stated)
    return fingerprint_of(source, layout.dataset(name), settings)


@cache
def _meaning(path: Path) -> str:
    """Hash of a file of the library; a comment or a docstring does not change it."""
    return content_hash(file_meaning(path.read_text(encoding="utf-8"))) if path.suffix == ".py" else file_sha256(path)


def missing_outputs(layout: Layout, execution: Execution) -> list[Path]:
    """Declared outputs that do not exist; who reads the reference makes no runs, and who names table rows makes these only."""
    outputs = [
        path
        for pattern in execution.entry.outputs
        if _is_promised(layout, execution, pattern)
        for path in _fill(layout, pattern, execution.dataset)
    ]
    return [path for path in outputs if not path.is_file()]


def _is_promised(layout: Layout, execution: Execution, pattern: str) -> bool:
    row = re.search(r"/runs/\{dataset\}/([^/]+)/", pattern)
    rows = execution.parameters.get("variants", ["all"])
    return not row or (layout.source == "own" and (rows == ["all"] or row[1] in rows))


def is_done(layout: Layout, execution: Execution) -> bool:
    """True if the same execution finished before and all that it made is still there."""
    executed = layout.executed / f"{execution.name}.ipynb"
    state = layout.state / f"{execution.name}.json"
    if not executed.is_file() or missing_outputs(layout, execution):
        return False
    try:
        return read_json(state)["key"] == execution_key(layout, execution)
    except (VadError, OSError, KeyError, TypeError):  # what cannot be read is told by the notebook
        return False


def execute(layout: Layout, execution: Execution, line: int = 0) -> Path:
    """Run one notebook; the executed copy appears under ``executed/`` only when it is complete.

    Args:
        layout: folders.
        execution: which notebook, with which parameters.
        line: of a terminal, counted from the one below the last message, for the bar of progress.

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
            progress_bar={"desc": execution.name, "position": line, "leave": False} if sys.stderr.isatty() else False,
            log_output=False,
            coalesce_streams=True,  # what a cell prints comes in pieces, by the clock; together it is the same every time
            # What fails in a cell comes as an exception; a kernel's own log would only tell of the interrupt that ends it.
            extra_arguments=["--IPKernelApp.log_level=50"],
        )
    except PapermillExecutionError as error:
        first = next((line for line in error.source.splitlines() if line.strip()), "")
        raise NotebookError(
            f"{source.name}, cell {error.cell_index} ({first!r}) failed: {error.ename}: {error.evalue}\n"
            f"The notebook as far as it came: {partial}"
        ) from error
    except KeyboardInterrupt:
        # the cell that was running ends in an error that nobody waits for, and asyncio would print its traceback
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        raise
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
    """Drop folders, times and cell ids of one execution, so that copies can be published and compared.

    The plain text of an output goes where it has another form: a table stands there twice, and of a picture it says nothing.
    """
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        for output in cell.get("outputs", ()):
            if len(output.get("data", {})) > 1:
                output.data.pop("text/plain", None)


def reproduce(
    layout: Layout, executions: Sequence[Execution], *, force: bool = False, wait: bool = False, jobs: int = 1
) -> list[str]:
    """Run what is not done yet; returns the names that were run, in the order in which they ended.

    Args:
        layout: folders.
        executions: of :func:`vad_lib.runner.manifest.plan`, in its order.
        force: execute again what is done.
        wait: while another process writes into the same folder.
        jobs: notebooks executed at a time. One that waits for no other begins as soon as there is room; what they make does
            not depend on it.

    Raises:
        BusyError: another process runs a chain of this profile into the same folder, and ``wait`` is False.
        ConfigError: less than one job.
        NotebookError: a notebook failed; others that were running are stopped.
    """
    if jobs < 1:
        raise ConfigError(f"jobs: expected 1 or more notebooks at a time, got {jobs}.")
    ran: list[str] = []
    clear = "\r\x1b[K" if sys.stdout.isatty() else ""  # a bar of progress may stand in the line
    heads = [f"{clear}[{number}/{len(executions)}] {execution.name}" for number, execution in enumerate(executions, start=1)]
    before, todo, ended = waits_for(executions), list(range(len(executions))), set[int]()
    jobs = min(jobs, len(executions)) or 1
    running: dict[Future[Path], _Started] = {}
    with waiting(wait), sole_writer(layout.results, layout.state / "lock"), workers(jobs) as pool:
        while todo or running:
            ready = next((number for number in todo if before[number] <= ended), None)
            if ready is None or len(running) == jobs:
                for future in futures.wait(running, return_when=futures.FIRST_COMPLETED).done:
                    _result(future)
                    number, started, _ = running.pop(future)
                    print(f"{heads[number]}: done in {time.perf_counter() - started:.0f} s", flush=True)
                    ended.add(number)
                    ran.append(executions[number].name)
                continue
            todo.remove(ready)
            if not force and is_done(layout, executions[ready]):
                print(f"{heads[ready]}: already there, skipped", flush=True)
                ended.add(ready)
                continue
            print(f"{heads[ready]}: {executions[ready].entry.title} ...", flush=True)
            line = min(set(range(jobs)) - {at.line for at in running.values()})
            started = time.perf_counter()
            running[pool.submit(execute, layout, executions[ready], line)] = _Started(ready, started, line)
    return ran


class _Started(NamedTuple):
    number: int
    seconds: float
    line: int


def _result(future: Future[Path]) -> Path:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise NotebookError(
            "a process that executed a notebook was killed, often for want of memory. What is finished is kept: run the same "
            "command again to go on; with --jobs 1 it needs less."
        ) from error
