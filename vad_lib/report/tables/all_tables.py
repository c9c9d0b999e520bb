"""Every table that applies to some data sets."""

from collections.abc import Sequence

from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.report.tables.ablation import table4, table5
from vad_lib.report.tables.cost import cost_table
from vad_lib.report.tables.fine_grained import table6
from vad_lib.report.tables.paper import comparison_table, methods_table, table1
from vad_lib.report.tables.protocol import protocol_table
from vad_lib.report.tables.table import PAPER_SETS, Table, write_table
from vad_lib.storage.paths import Layout


def write_all_tables(layout: Layout, datasets: Sequence[Dataset]) -> list[Table]:
    """Make and write every table that applies to some data sets.

    Table 1; for each data set table 2, table 3 or ``methods-NAME``; tables 4 to 6 and the protocol table over all of them;
    and what the methods cost on each.
    The first data set that is UCF-Crime or stands for it fills table 2, itself before a stand-in; XD-Violence likewise.

    Args:
        layout: run folders are read from it, tables written to it.
        datasets: loaded, without features will do.

    Returns:
        the tables in the order of their numbers.

    Raises:
        DataError: no data set, one given twice, or runs that do not belong into one table.
        OutputError: the folder cannot be written.
    """
    if not datasets or len({dataset.name for dataset in datasets}) != len(datasets):
        names = ", ".join(dataset.name for dataset in datasets) or "none"
        raise DataError(f"tables: expected one data set or more, each once, got {names}; name the ones that were run.")

    def place(dataset: Dataset) -> tuple[int, bool]:
        known = dataset.counterpart in PAPER_SETS
        return PAPER_SETS.index(dataset.counterpart) if known else len(PAPER_SETS), dataset.synthetic

    ordered, comparisons = sorted(datasets, key=place), {}
    for dataset in ordered:
        table = comparison_table(layout, dataset)
        if table.name in comparisons:
            table = methods_table(layout, dataset)
        comparisons[table.name] = table
    over_all = (table4, table5, table6, protocol_table)
    made = [table1(layout, ordered), *comparisons.values(), *(make(layout, ordered) for make in over_all)]
    made += [cost_table(layout, dataset) for dataset in ordered]
    for table in made:
        write_table(layout, table)
    return made
