"""What the benchmarks share: options, interleaved timing, facts of the machine, and tables that are kept on request."""

import argparse
import datetime
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import pandas as pd
import torch

from vad_lib.report.tables.table import markdown_grid
from vad_lib.storage.paths import PROJECT_ROOT
from vad_lib.storage.provenance import processor
from vad_lib.storage.writing import write_text

KEPT = PROJECT_ROOT / "results" / "benchmarks"

sys.path.append(str(PROJECT_ROOT / "tests" / "helpers"))  # the tests and the benchmarks have the same reference forms


def parser(text: str, threads: int = 2) -> argparse.ArgumentParser:
    """Command line with the options that all have; ``text`` is the script's docstring."""
    options = argparse.ArgumentParser(description=text.splitlines()[0])
    options.add_argument("--keep", action="store_true", help=f"write the tables to {KEPT.relative_to(PROJECT_ROOT)} too")
    options.add_argument("--threads", type=int, default=threads)
    return options


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


def interleaved(
    works: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each piece of work; they take turns, so that other load on the machine meets all."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            times[name].append(seconds(work, clock))
    return {name: statistics.median(values) for name, values in times.items()}


def machine(device: str = "cpu") -> str:
    """Processor, cores, threads, versions and day, in one sentence."""
    gpu = f", {torch.cuda.get_device_name(device)}" if torch.device(device).type == "cuda" else ""
    return (
        f"{processor()}, {os.cpu_count()} cores (shared), {torch.get_num_threads()} torch threads{gpu}; Python "
        f"{platform.python_version()}, torch {torch.__version__}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}."
    )


def report(name: str, title: str, table: pd.DataFrame, notes: list[str], *, keep: bool) -> None:
    """Print a table with its notes; with ``keep`` also write it as Markdown."""
    text = f"# {title}\n\n{markdown_grid(table.map(_cell))}\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"
    print(text, flush=True)
    if keep:
        write_text(KEPT / f"{name}.md", text)


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return "-" if value != value else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
