"""``results/reported.csv`` against the tables of the paper, and against itself."""

import csv
from pathlib import Path

import pytest

from vad_lib.report.tables.reported import read_reported
from vad_lib.storage.paths import Layout

PAPER_NAMES = {
    "VadCLIP": "vadclip",
    "CLIP-TSA": "clip-tsa",
    "MSF-DMU": "msf-dmu",
    "RTFM": "rtfm",
    "PEL": "pel4vad",
    "DMU": "ur-dmu",
    "FusionNet+LSTM+GAN": "fusion-gan",
    "BN-SVP": "bn-svp",
    "MGFN": "mgfn",
    "Proposed": "proposed",
}
ABLATIONS = {
    "table4": ["msf-dmu", "pcl", "pcl-dbagf", "proposed"],
    "table5": ["pcl-dbagf", "fine", "fine-align", "proposed"],
}


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / "paper" / "tables" / name, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def paper_values(item: str) -> dict[tuple[str, str, str], float]:
    reported = read_reported(Layout.create("quick").reported)
    rows = reported[(reported["item"] == item) & (reported["origin"] == "paper")]
    return {(row.dataset, row.method, row.metric): row.value for row in rows.itertuples()}


def test_table1_is_the_paper_s(shared):
    expected = {}
    for row in rows_of(shared, "table1_datasets.csv"):
        for metric in ("train_videos", "test_videos", "total_videos"):
            expected[row["dataset"], "", metric] = float(row[metric])
    found = paper_values("table1")
    assert {key: value for key, value in found.items() if key[2].endswith("_videos")} == expected


@pytest.mark.parametrize(
    ("item", "file", "dataset", "metric"),
    [("table2", "table2_ucf_crime.csv", "UCF-Crime", "auc"), ("table3", "table3_xd_violence.csv", "XD-Violence", "ap")],
)
def test_tables_2_and_3_are_the_paper_s(shared, item, file, dataset, metric):
    expected = {}
    order = []
    for row in rows_of(shared, file):
        method = PAPER_NAMES[row["method"]]
        order.append(method)
        expected[dataset, method, metric] = float(row[f"{metric}_percent"])
        if row["far_percent"]:
            expected[dataset, method, "far"] = float(row["far_percent"])
    found = paper_values(item)
    assert found == expected
    assert list(dict.fromkeys(method for _, method, _ in found)) == order


@pytest.mark.parametrize(("item", "file"), [("table4", "table4_module_ablation.csv"), ("table5", "table5_loss_ablation.csv")])
def test_tables_4_and_5_are_the_paper_s(shared, item, file):
    expected = {}
    for method, row in zip(ABLATIONS[item], rows_of(shared, file), strict=True):
        expected["UCF-Crime", method, "auc"] = float(row["ucf_crime_auc_percent"])
        expected["XD-Violence", method, "ap"] = float(row["xd_violence_ap_percent"])
    assert paper_values(item) == expected


def test_each_number_has_one_row_and_a_source():
    reported = read_reported(Layout.create("quick").reported)
    assert not reported.duplicated(["item", "dataset", "method", "metric", "origin"]).any()
    assert set(reported["origin"]) == {"paper", "authors"}
    assert (reported["source"] != "").all()
    percent = reported[reported["unit"] == "percent"]
    assert percent["value"].between(0, 100).all()


def test_numbers_that_stand_in_two_tables_agree():
    table2, table3, table4, table5 = (paper_values(item) for item in ("table2", "table3", "table4", "table5"))
    for method in ("msf-dmu", "proposed"):
        assert table4["UCF-Crime", method, "auc"] == table2["UCF-Crime", method, "auc"]
        assert table4["XD-Violence", method, "ap"] == table3["XD-Violence", method, "ap"]
    for method in ("pcl-dbagf", "proposed"):
        assert table5["UCF-Crime", method, "auc"] == table4["UCF-Crime", method, "auc"]
        assert table5["XD-Violence", method, "ap"] == table4["XD-Violence", method, "ap"]
