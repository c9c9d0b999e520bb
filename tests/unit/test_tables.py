"""Tables: cells by hand, what a caption must say, runs that must not stand in one table, generated pages."""

import importlib
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from vad_lib import tables
from vad_lib.annotations import VideoList, VideoRecord
from vad_lib.datasets import Dataset, DatasetInfo
from vad_lib.errors import DataError, MissingFileError, OutputError
from vad_lib.paths import PROJECT_ROOT, Layout

FEATURES = {"crop_size": 112, "crops": ["centre"], "weights_note": "", "content_hash": "f"}
REPORTED = Layout.create("quick").reported


def row_of(table: tables.Table, name: str) -> pd.Series:
    return table.frame[table.frame.iloc[:, 0] == name].iloc[0]


# --- reported numbers -------------------------------------------------------------------------------------


def test_reported_numbers_missing(tmp_path):
    with pytest.raises(MissingFileError, match=r"expected the reported numbers.*Restore"):
        tables.read_reported(tmp_path / "reported.csv")


def test_reported_numbers_without_a_column(tmp_path):
    path = tmp_path / "reported.csv"
    path.write_text(REPORTED.read_text().replace("decimals", "digits"))
    with pytest.raises(DataError, match="column decimals is missing"):
        tables.read_reported(path)


def test_a_reported_number_twice(tmp_path):
    path = tmp_path / "reported.csv"
    lines = REPORTED.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.raises(DataError, match="table5, XD-Violence, proposed, ap, paper stands there twice"):
        tables.read_reported(path)


# --- tables 2 and 3 ---------------------------------------------------------------------------------------


def test_table2_rows_are_the_paper_s_in_its_order_and_the_others_follow(made_up):
    table = tables.table2(made_up.layout)
    assert list(table.frame["method"]) == [
        "VadCLIP",
        "CLIP-TSA",
        "MSF-DMU (reconstruction)",
        "RTFM",
        "PEL4VAD",
        "UR-DMU (the paper's DMU)",
        "FusionNet+LSTM+GAN",
        "BN-SVP",
        "Proposed",
        "MGFN",
        "Logistic regression on snippets",
        "Proposed, training labels permuted",
    ]
    assert table.in_paper == (True,) * 9 + (False,) * 3
    lines = table.markdown().splitlines()
    separator = next(i for i, line in enumerate(lines) if "not in the paper's table" in line)
    assert lines[separator - 1].startswith("| Proposed |") and lines[separator + 1].startswith("| MGFN |")


def test_table2_cells_by_hand(made_up):
    made_up.write("synth-crime", "proposed", seed=1, auc=0.80)
    made_up.write("synth-crime", "proposed", seed=10, auc=0.88)
    made_up.write("synth-crime", "ur-dmu", seed=1, auc=0.71)
    table = tables.table2(made_up.layout)
    row = row_of(table, "Proposed")
    assert row["paper (UCF-Crime) AUC %"] == "87.83"
    assert row["paper (UCF-Crime) FAR %"] == "3.24"
    assert row["authors (UCF-Crime) AUC %"] == ""
    # mean of 80 and 88; standard deviation sqrt(2 * 4^2 / 1) = 5.66
    assert row["here (SynthCrime) AUC %: chosen on validation"] == "84.00 ± 5.66"
    assert row["here (SynthCrime) AUC %: last step"] == "82.00 ± 5.66"
    assert row["here (SynthCrime) AUC %: best on test"] == "87.00 ± 5.66"
    assert row["seeds"] == "2"
    row = row_of(table, "UR-DMU (the paper's DMU)")
    assert row["authors (UCF-Crime) FAR %"] == "1.05"
    assert row["here (SynthCrime) AUC %: chosen on validation"] == "71.00"
    assert row["here (SynthCrime) FAR %: normal videos"] == "1.25"
    assert row["here (SynthCrime) FAR %: all normal frames"] == "3.00"
    assert row["here (SynthCrime) AUC % within abnormal videos"] == "61.00"
    assert (row["seeds"], row["status"]) == ("1", "run")
    row = row_of(table, "PEL4VAD")
    assert row["paper (UCF-Crime) FAR %"] == "0.7"  # as printed
    assert row["here (SynthCrime) AUC %: last step"] == row["status"] == "not run"
    assert row["seeds"] == "0"


def test_table3_has_both_readings_of_the_area(made_up):
    made_up.write("synth-violence", "msf-dmu", auc=0.9)
    table = tables.table3(made_up.layout)
    row = row_of(table, "MSF-DMU (reconstruction)")
    assert row["here (SynthViolence) AP %: chosen on validation"] == "60.00"
    assert row["here (SynthViolence) AP % by trapezoids"] == "61.00"
    assert row["paper (XD-Violence) AP %"] == "82.42"


def test_every_column_with_numbers_names_whose_and_on_what(made_up):
    made_up.write("synth-crime", "proposed")
    made_up.write("synth-violence", "proposed")
    owners = r"(paper|authors) \((UCF-Crime|XD-Violence)\) |here \((SynthCrime|SynthViolence)\) "
    plain = {"method", "row", "seeds", "status", "PCL", "DBAGF", "L_total", "fine", "align", "cons"}
    plain |= {"seeds (SynthCrime)", "seeds (SynthViolence)"}
    for make in (tables.table2, tables.table3, tables.table4, tables.table5):
        for column in make(made_up.layout).frame.columns:
            assert column in plain or re.match(owners, column), column


def test_the_caption_says_what_our_numbers_were_made_with(made_up):
    made_up.write("synth-crime", "proposed")
    made_up.write("synth-crime", "msf-dmu")
    text = tables.table2(made_up.layout).made_with
    assert "videos rendered by this project, not UCF-Crime" in text
    assert "1 crop of 112 pixels" in text
    assert "text features sentence all-MiniLM-L6-v2 (sentence features, not CLIP)" in text
    assert "chosen on validation" in text and "threshold 0.5" in text
    assert "12.50 % AP" in text  # 500 abnormal frames of 4,000
    features = FEATURES | {"crop_size": 224, "crops": ["a", "b"], "weights_note": "random weights"}
    for variant in ("proposed", "msf-dmu"):
        made_up.change(made_up.layout.run("synth-crime", variant, 1), features=features)
    assert "2 crops of 224 pixels (random weights)" in tables.table2(made_up.layout).made_with


def test_a_real_data_set_is_not_called_rendered(made_up):
    made_up.write("synth-crime", "proposed")
    made_up.layout.run("synth-crime", "proposed", 1).parents[1].rename(made_up.layout.run("ucf-crime", "proposed", 1).parents[1])
    table = tables.table2(made_up.layout, "ucf-crime")
    assert "rendered" not in table.title + table.made_with
    assert row_of(table, "Proposed")["here (ucf-crime) AUC %: chosen on validation"] == "80.00"


def test_unfinished_and_partial_runs_do_not_count(made_up):
    folder = made_up.write("synth-crime", "proposed", seed=1)
    folder.rename(folder.with_name("seed1.partial"))
    unfinished = made_up.write("synth-crime", "ur-dmu", seed=2)
    (unfinished / "metrics.json").unlink()
    assert set(tables.table2(made_up.layout).frame["status"]) == {"not run"}


def test_the_mean_is_taken_before_rounding(made_up):
    # rounded first, the mean would be 80.0067 and print as 80.01
    for seed, auc in ((1, 0.80006), (2, 0.80006), (3, 0.80001)):
        made_up.write("synth-crime", "proposed", seed=seed, auc=auc)
    row = row_of(tables.table2(made_up.layout), "Proposed")
    assert row["here (SynthCrime) AUC %: chosen on validation"] == "80.00 ± 0.00"


# --- tables 4 and 5 ---------------------------------------------------------------------------------------


def test_table4_changes_by_hand(made_up):
    for variant, auc in (("msf-dmu", 0.80), ("pcl", 0.815), ("pcl-dbagf", 0.81), ("proposed", 0.85)):
        made_up.write("synth-crime", variant, auc=auc)
    made_up.write("synth-violence", "pcl", auc=0.7)
    table = tables.table4(made_up.layout)
    frame = table.frame
    assert list(frame["PCL"]) == ["", "yes", "yes", "yes"]
    assert list(frame["L_total"]) == ["", "", "", "yes"]
    assert list(frame["paper (UCF-Crime) AUC %: change"]) == ["", "+0.11", "+0.53", "+0.48"]
    assert list(frame["here (SynthCrime) AUC %: change"]) == ["", "+1.50", "-0.50", "+4.00"]
    assert list(frame["here (SynthViolence) AP %: chosen on validation"]) == ["not run", "40.00", "not run", "not run"]
    assert set(frame["here (SynthViolence) AP %: change"]) == {""}
    assert list(frame["status"]) == ["not run on SynthViolence", "run", "not run on SynthViolence", "not run on SynthViolence"]
    paper, here = table.markdown().split("Here:")
    assert "here (" not in paper.split("The paper's numbers:")[1] and "paper (" not in here


def test_table5_starts_where_table4_row_3_is(made_up):
    for dataset in ("synth-crime", "synth-violence"):
        for variant in ("pcl-dbagf", "fine", "fine-align", "proposed"):
            made_up.write(dataset, variant, auc=0.8)
    five, four = tables.table5(made_up.layout).frame, tables.table4(made_up.layout).frame
    ours = "here (SynthCrime) AUC %: chosen on validation"
    assert five[ours].iloc[0] == four[ours].iloc[2] == "80.00"
    assert list(five["cons"]) == ["", "", "", "yes"]
    assert set(five["status"]) == {"run"}


def test_without_any_run_every_row_stays_and_says_so(made_up):
    for make in (tables.table2, tables.table3, tables.table4, tables.table5):
        table = make(made_up.layout)
        assert set(table.frame["status"]) == {"not run"}
        assert "nothing was run yet" in table.made_with


# --- runs that do not belong together ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"features": FEATURES | {"crop_size": 224}}, r"features\.crop_size: 112 and 224"),
        ({"text": {"source": "clip ViT-B/32", "note": "", "content_hash": "c"}}, r"text\.source: 'sentence .*' and 'clip"),
        ({"width": 256}, "width: 128 and 256"),
        ({"categories": ["Normal", "Arson"]}, "categories"),
    ],
)
def test_runs_made_with_other_settings_are_refused(made_up, change, named):
    made_up.write("synth-crime", "pcl")
    made_up.write("synth-crime", "proposed", **change)
    with pytest.raises(DataError, match=rf"belong to one table but differ in {named}.*Delete the older"):
        tables.table4(made_up.layout)


def test_runs_with_other_training_settings_are_refused(made_up):
    first = made_up.write("synth-crime", "pcl")
    train = json.loads((first / "config.json").read_text())["train"]
    made_up.write("synth-crime", "proposed", train=train | {"steps": 3000})
    with pytest.raises(DataError, match=r"differ in train\.steps: 60 and 3000"):
        tables.table4(made_up.layout)


def test_seeds_with_other_options_are_refused(made_up):
    made_up.write("synth-crime", "proposed", seed=1)
    made_up.write("synth-crime", "proposed", seed=2, options={"alpha": 2.0})
    with pytest.raises(DataError, match=r"differ in options\.alpha: None and 2\.0"):
        tables.table2(made_up.layout)


def test_what_defines_a_variant_may_differ(made_up):
    made_up.write("synth-crime", "proposed", options={})
    permuted = made_up.write("synth-crime", "proposed-permuted", seed=3, options={})
    train = json.loads((permuted / "config.json").read_text())["train"]
    made_up.change(permuted, train=train | {"permute_labels": True, "device": "cuda"})
    made_up.write("synth-crime", "msf-dmu", options={"dropout": 0.1})  # no text features either
    assert list(tables.table2(made_up.layout).frame["status"]).count("run") == 3


# --- table 1 ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_set(tmp_path) -> Dataset:
    info = DatasetInfo(
        name="synth-crime",
        title="SynthCrime",
        categories=("Normal", "Arson"),
        headline_metric="auc",
        counterpart="UCF-Crime",
        source="made up",
        synthetic=True,
        fps=25.0,
    )
    records = (
        VideoRecord("a", "train", ("Normal",), 45_000),
        VideoRecord("b", "train", ("Arson",), 22_500),
        VideoRecord("c", "test", ("Arson",), 15_000, ((0, 3_000),)),
        VideoRecord("d", "test", ("Normal",), 7_500),
    )
    return Dataset(tmp_path, info, VideoList(("Normal", "Arson"), records), None)


def test_table1_counts_by_hand(made_up, small_set):
    table = tables.table1(made_up.layout, [small_set])
    assert list(table.frame["data set"]) == ["UCF-Crime (paper)", "XD-Violence (paper)", "SynthCrime (here)"]
    assert list(row_of(table, "UCF-Crime (paper)")[["training videos", "test videos", "videos"]]) == ["1610", "290", "1900"]
    row = row_of(table, "SynthCrime (here)")
    assert list(row[["training videos", "test videos", "videos", "abnormal categories"]]) == ["2", "2", "4", "1"]
    assert row["frames"] == "90000"
    assert row["hours"] == "1.00"  # 90,000 frames at 25 a second are 3,600 seconds
    assert row["abnormal test frames %"] == "13.33"  # 3,000 of 22,500
    assert "SynthCrime is rendered by this project in the shape of UCF-Crime" in table.made_with


# --- files ------------------------------------------------------------------------------------------------


def test_files_are_the_same_bytes_twice_and_parse(made_up):
    made_up.write("synth-crime", "proposed")
    table = tables.table2(made_up.layout)
    csv, md = tables.write_table(made_up.layout, table)
    before = csv.read_bytes(), md.read_bytes()
    tables.write_table(made_up.layout, tables.table2(made_up.layout))
    assert (csv.read_bytes(), md.read_bytes()) == before
    frame = pd.read_csv(io.BytesIO(before[0]), dtype=str, keep_default_na=False)
    assert frame[list(table.frame.columns)].equals(table.frame.astype(str))
    assert list(frame["in the paper"]) == ["yes"] * 9 + ["no"] * 3
    assert set(frame["made with"]) == {table.made_with}
    assert "digits of the authors' 84.30 swapped" in frame["note"].iloc[3]


def test_a_folder_that_cannot_be_written(made_up):
    made_up.layout.results.parent.mkdir(parents=True)
    made_up.layout.results.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot write"):
        tables.write_table(made_up.layout, tables.table2(made_up.layout))


# --- generated parts of pages -----------------------------------------------------------------------------


def test_readme_gets_the_short_tables_between_its_markers(made_up, tmp_path):
    made_up.write("synth-crime", "proposed", auc=0.8123)
    page = tmp_path / "README.md"
    page.write_text("# Title\n<!-- results:begin -->\nstale words\n<!-- results:end -->\nrest\n")
    tables.update_readme(page, made_up.layout)
    once = page.read_text()
    assert once.startswith("# Title\n<!-- results:begin -->\n**Table 2.")
    assert once.endswith("<!-- results:end -->\nrest\n")
    assert "81.23" in once and "stale" not in once and "nothing was run yet" in once
    tables.update_readme(page, made_up.layout)
    assert page.read_text() == once


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "<!-- x:begin -->",
        "<!-- x:end --> <!-- x:begin -->",
        2 * "<!-- x:begin --><!-- x:end -->",
    ],
)
def test_a_page_without_its_two_markers(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(DataError, match=r"expected <!-- x:begin --> once"):
        tables.update_section(page, "x", "new")
    assert page.read_text() == text


def test_a_page_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match="found no such file"):
        tables.update_section(tmp_path / "page.md", "x", "new")


def test_deviations_are_numbered_without_gaps():
    text = (PROJECT_ROOT / "results" / "deviations.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"(?m)^(\d+)\. ", text)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 20


# --- equation map -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("equation", tables.EQUATIONS, ids=lambda equation: equation.number)
def test_every_equation_has_its_function_and_its_test(equation):
    module, name = equation.function.rsplit(".", 1)
    function = getattr(importlib.import_module(module), name)
    assert callable(function)
    test = PROJECT_ROOT / equation.test
    assert test.is_file()
    assert name in test.read_text(encoding="utf-8"), f"{equation.test} does not use {name}"


def test_the_map_has_all_eighteen_equations():
    numbers = {equation.number for equation in tables.EQUATIONS}
    assert numbers == {str(number) for number in range(1, 19)} | {"PCL", "L_m"}


def test_places_are_the_first_heading_that_mentions_an_equation(tmp_path):
    def notebook(name: str, *cells: tuple[str, str]) -> None:
        content = {"cells": [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in cells]}
        (tmp_path / name).write_text(json.dumps(content))

    notebook("00_a.ipynb", ("markdown", "# Start\nEquation 3 here.\n## Later\nEqs. 5 to 7."), ("code", "# equation 1"))
    notebook("01_b.ipynb", ("markdown", "text without heading, equation 6"), ("markdown", "## Own\nequations 1, 2 and 18"))
    places = tables.equation_places(tmp_path)
    assert places["3"] == "00_a.ipynb, *Start*"
    assert places["5"] == places["6"] == places["7"] == "00_a.ipynb, *Later*"
    assert places["1"] == places["2"] == places["18"] == "01_b.ipynb, *Own*"
    assert "4" not in places


def test_every_equation_has_a_place_in_the_notebooks():
    rows = tables.equation_map(Layout.create("quick")).splitlines()[2:]
    without = [row for row in rows if row.endswith("|  |")]
    assert not without, "mention these equations in a text cell of a notebook: " + "; ".join(without)
    assert len(rows) == len(tables.EQUATIONS) and all(Path(row.split("`")[3]).name.startswith("test_") for row in rows)
