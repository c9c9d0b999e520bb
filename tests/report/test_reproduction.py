"""The reproduction report: equal, within, outside, other settings, not run; and what differs in the making."""

import json

import pytest

from vad_lib.errors import DataError
from vad_lib.report.reproduction import as_markdown, main, reproduce_values, write_reproduction
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_json

ROWS = ("ur-dmu", "msf-dmu", "proposed")
DATASETS = ("synth-crime", "synth-violence")


@pytest.fixture
def reference(tmp_path) -> Layout:
    return Layout.create("quick", out=tmp_path / "theirs", data=tmp_path / "data")


@pytest.fixture
def both(made_up, reference):
    """Runs on both sides, the same: two seeds there, one of them here."""
    theirs = type(made_up)(reference)
    for dataset in DATASETS:
        for row in ROWS:
            made_up.write(dataset, row, 1)
            for seed in (1, 2):
                theirs.write(dataset, row, seed, auc=0.8 if seed == 1 else 0.7)
    return made_up, theirs


def change(folder, **metrics) -> None:
    path = folder / "metrics.json"
    content = json.loads(path.read_text())
    for rule in content["selections"].values():
        rule["metrics"] |= metrics
    write_json(path, content)


def of(found, row: str, metric: str = "auc", selection: str = "best_on_validation", dataset: str = "synth-crime"):
    values = found.values
    chosen = values[(values["row"].str.startswith(row)) & (values["metric"] == metric) & (values["selection"] == selection)]
    return chosen[chosen["dataset"] == dataset].iloc[0]


def test_the_same_runs_are_equal(both, reference):
    found = reproduce_values(both[0].layout, reference, DATASETS)
    counts = found.counts()
    assert counts["equal"] == len(found.values) > 30
    assert found.sentence().startswith(f"Of {counts['equal']} values {counts['equal']} equal to the last printed digit, 0 within")
    assert set(found.values["seeds"]) == {"1"}  # seed 2 has no counterpart here
    assert of(found, "UR-DMU")["tables"] == "table2"
    assert of(found, "Proposed")["tables"] == "table2, table4, table5, table6"


def test_a_moved_number_is_within_or_outside(both, reference):
    made_up = both[0]
    change(made_up.layout.run("synth-crime", "ur-dmu", 1), auc=0.8001)
    change(made_up.layout.run("synth-crime", "msf-dmu", 1), auc=0.01)
    change(made_up.layout.run("synth-crime", "proposed", 1), auc=0.800001)  # prints the same
    found = reproduce_values(made_up.layout, reference, DATASETS)
    low, high = of(found, "UR-DMU")[["low", "high"]]
    assert of(found, "UR-DMU")["verdict"] == ("within" if low <= 0.8001 <= high else "outside")
    assert of(found, "MSF-DMU")["verdict"] == "outside"
    assert of(found, "Proposed")["verdict"] == "equal"
    assert of(found, "UR-DMU", "far_normal_videos")["verdict"] == "equal"


def test_rows_that_were_not_run_and_other_settings_are_said(both, reference):
    made_up = both[0]
    layout = Layout.create("quick", out=reference.out.parent / "nothing", data=reference.data)
    found = reproduce_values(layout, reference, DATASETS)
    assert found.counts()["not run"] == len(found.values)
    assert found.sentence().startswith("No value could be compared")
    assert "Nothing was run here" in as_markdown(found)
    made_up.change(made_up.layout.run("synth-crime", "proposed", 1), train={"steps": 5, "seed": 1, "permute_labels": False})
    for row in ("ur-dmu", "msf-dmu"):  # one table, one setting
        made_up.change(made_up.layout.run("synth-crime", row, 1), train={"steps": 5, "seed": 1, "permute_labels": False})
    found = reproduce_values(made_up.layout, reference, DATASETS)
    assert of(found, "Proposed")["verdict"] == "other settings"
    assert of(found, "Proposed", "ap", dataset="synth-violence")["verdict"] == "equal"


def test_what_differs_in_the_making_comes_first(both, reference):
    made_up = both[0]
    for layout, processor in ((made_up.layout, "One"), (reference, "Other")):
        for folder in (layout.results / "runs").glob("*/*/seed*"):
            write_json(folder / "provenance.json", {"threads": 2, "processor": processor, "versions": {"torch": "2"}})
    making = reproduce_values(made_up.layout, reference, DATASETS).making
    assert making.iloc[0].tolist() == ["processor", "One", "Other"]
    assert making.set_index("what").loc["threads"].tolist() == ["2", "2"]
    page = as_markdown(reproduce_values(made_up.layout, reference, DATASETS))
    assert "| processor | One | Other |" in page
    assert "| threads |" not in page  # the same on both sides
    assert "training magnifies" in page


def test_the_report_is_a_page_a_table_and_a_picture(both, reference, capsys):
    layout = both[0].layout
    write_reproduction(layout, reference, DATASETS)
    assert (layout.reproduction / "reproduction.md").read_text(encoding="utf-8").startswith("# Your numbers beside the reference")
    header = (layout.reproduction / "reproduction.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "tables,dataset,row,metric,selection,seeds,yours,reference,low,high,verdict"
    assert (layout.figures / "reproduction.png").stat().st_size > 5000
    where = ["--out", str(layout.out), "--data", str(layout.data), "--against", str(reference.out)]
    assert main(where) == 0
    assert "equal to the last printed digit" in capsys.readouterr().out


def test_a_set_that_the_reference_lacks_is_named(both, reference):
    with pytest.raises(DataError, match="has no runs of no-such-set"):
        reproduce_values(both[0].layout, reference, ["no-such-set"])


def test_an_unknown_profile_is_refused_before_anything_is_written(tmp_path, capsys):
    assert main(["--profile", "quik", "--out", str(tmp_path)]) != 0
    assert "did you mean quick?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
