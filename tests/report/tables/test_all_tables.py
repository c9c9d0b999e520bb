"""Every table of several data sets, and the files they are written to."""

import dataclasses
import io

import pandas as pd
import pytest
from made_up_results import table2

from vad_lib.errors import OutputError
from vad_lib.report.tables import ablation, all_tables
from vad_lib.report.tables.table import write_table


def test_every_table_of_several_sets(made_up, small_set):
    """UCF-Crime itself fills table 2, the rendered set beside it has its own; XD-Violence's stand-in fills table 3."""
    made_up.write_real()
    made_up.write("synth-crime", "proposed")
    made_up.write("synth-violence", "proposed")
    real = dataclasses.replace(small_set, info=small_set.info.replace(name="ucf-crime", title="UCF-Crime", synthetic=False))
    violence = small_set.info.replace(
        name="synth-violence", title="SynthViolence", counterpart="XD-Violence", headline_metric="ap", fps=24.0
    )
    made = all_tables.write_all_tables(made_up.layout, [dataclasses.replace(small_set, info=violence), small_set, real])
    assert [table.name for table in made] == [
        *("table1", "table2", "methods-synth-crime", "table3", "table4", "table5", "table6", "protocol"),
        *(
            f"{kind}-{name}"
            for kind in ("measures", "annotators", "cost")
            for name in ("ucf-crime", "synth-crime", "synth-violence")
        ),
    ]
    assert "here (UCF-Crime) AUC %: last step" in made[1].frame.columns
    assert "here (SynthViolence) AP %: last step" in made[3].frame.columns
    assert [column for column in made[4].frame.columns if "chosen on validation" in column] == [
        "here (UCF-Crime) AUC %: chosen on validation",
        "here (SynthCrime) AUC %: chosen on validation",
        "here (SynthViolence) AP %: chosen on validation",
    ]
    assert [column for column in made[4].frame.columns if column.startswith("paper")] == [
        *("paper (UCF-Crime) AUC %", "paper (UCF-Crime) AUC %: change"),
        *("paper (XD-Violence) AP %", "paper (XD-Violence) AP %: change"),
    ]
    for table in made:
        assert (made_up.layout.tables / f"{table.name}.csv").read_text() == table.csv()


def test_tables_from_names_and_from_loaded_sets_are_the_same(made_up, small_set):
    made_up.write("synth-crime", "proposed")
    assert table2(made_up.layout, small_set).csv() == table2(made_up.layout, "synth-crime").csv()
    assert ablation.table4(made_up.layout, [small_set]).markdown() == ablation.table4(made_up.layout, ["synth-crime"]).markdown()


def test_files_are_the_same_bytes_twice_and_parse(made_up):
    made_up.write("synth-crime", "proposed")
    table = table2(made_up.layout)
    csv, md = write_table(made_up.layout, table)
    before = csv.read_bytes(), md.read_bytes()
    write_table(made_up.layout, table2(made_up.layout))
    assert (csv.read_bytes(), md.read_bytes()) == before
    frame = pd.read_csv(io.BytesIO(before[0]), dtype=str, keep_default_na=False)
    assert frame[list(table.frame.columns)].equals(table.frame.astype(str))
    assert list(frame["in the paper"]) == ["yes"] * 9 + ["no"] * 5
    assert set(frame["made with"]) == {table.made_with}
    assert "digits of the authors' 84.30 swapped" in frame["note"].iloc[3]


def test_a_folder_that_cannot_be_written(made_up):
    made_up.layout.results.parent.mkdir(parents=True)
    made_up.layout.results.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot write"):
        write_table(made_up.layout, table2(made_up.layout))
