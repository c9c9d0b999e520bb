"""Every table that applies to some data sets."""

from collections.abc import Sequence

from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.report.tables.ablation import table4, table5
from vad_lib.report.tables.cost import cost_table
from vad_lib.report.tables.datasets import table1
from vad_lib.report.tables.fine_grained import table6
from vad_lib.report.tables.measures_of_today import measures_table, ranks_table
from vad_lib.report.tables.methods import methods_table
from vad_lib.report.tables.protocol import protocol_table
from vad_lib.report.tables.table import PAPER_DATASETS, Table, write_table
from vad_lib.storage.paths import Layout


def write_all_tables(layout: Layout, datasets: Sequence[Dataset]) -> list[Table]:
    """Make and write every table that applies to some data sets.

    These are table 1; for each data set table 2, table 3 or ``methods-DATASET``; tables 4 to 6 and the protocol table over
    all of them; and for each the measures of today, ranks under simulated annotators, and what the methods cost. UCF-Crime
    itself, or else the first data set that stands for it, fills table 2, and XD-Violence table 3 likewise.

    Args:
        layout: runs are read from it, tables written to it.
        datasets: loaded; ``features=False`` will do.

    Returns:
        the tables in the order of their numbers.

    Raises:
        DataError: no data set, one given twice, or runs that do not belong into one table.
        OutputError: the folder cannot be written.
    """
    if not datasets or len({dataset.name for dataset in datasets}) != len(datasets):
        names = ", ".join(dataset.name for dataset in datasets) or "none"
        raise DataError(f"tables: expected one data set or more, each once, got {names}; name the ones that were run.")
    ordered = sorted(datasets, key=_place)
    methods: dict[str, Table] = {}
    for dataset in ordered:
        table = methods_table(layout, dataset)
        if table.name in methods:
            table = methods_table(layout, dataset, counterpart="")
        methods[table.name] = table
    over_all = [make(layout, ordered) for make in (table4, table5, table6, protocol_table)]
    of_each = [make(layout, dataset) for make in (measures_table, ranks_table, cost_table) for dataset in ordered]
    made = [table1(layout, ordered), *methods.values(), *over_all, *of_each]
    for table in made:
        write_table(layout, table)
    return made


def _place(dataset: Dataset) -> tuple[int, bool]:
    """By the paper's data sets, each before its rendered stand-in; all others last."""
    known = dataset.counterpart in PAPER_DATASETS
    return PAPER_DATASETS.index(dataset.counterpart) if known else len(PAPER_DATASETS), dataset.synthetic
