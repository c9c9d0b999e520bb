"""Committed results against themselves: pages and tables are what the run folders give. Nothing is trained here."""

import nbformat
import pytest

from vad_lib import config
from vad_lib.data.dataset import load_dataset
from vad_lib.evaluation.scoring import frame_scores
from vad_lib.metrics import average_precision, frame_roc_auc
from vad_lib.report import equations, pages
from vad_lib.report.tables import paper
from vad_lib.runner import execution as runner_execution
from vad_lib.runner import manifest
from vad_lib.runs import experiments
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.reading import read_arrays, read_json

DATASETS = {"synth-crime": "auc", "synth-violence": "ap"}


@pytest.fixture(scope="module")
def layout():
    layout = Layout.create("quick")
    if not layout.tables.is_dir():
        pytest.skip("results/quick is not there; `make reproduce` makes it")
    return layout


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "table5"])
def test_tables_follow_from_run_folders(layout, name):
    table = getattr(paper, name)(layout)
    assert (layout.tables / f"{name}.csv").read_text() == table.csv()
    assert (layout.tables / f"{name}.md").read_text() == table.markdown()


def test_pages_are_current(layout):
    readme = (PROJECT_ROOT / "README.md").read_text()
    assert pages.results_table_markdown(layout).strip() in readme
    assert pages.findings_markdown(layout).strip() in readme
    assert pages.findings_markdown(layout).count("\n- ") <= 15
    assert equations.equation_map(layout).strip() in layout.equations.read_text()


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("variant", experiments.VARIANTS)
def test_metrics_follow_from_stored_scores(layout, dataset, variant):
    folder = layout.run(dataset, variant, 2022)
    scores, rules = read_arrays(folder / "scores.npz"), read_json(folder / "metrics.json")["rules"]
    for rule in config.RULES:
        parts, place = [], 0
        for snippets, frames in zip(scores["num_snippets"], scores["num_frames"]):
            parts += list(frame_scores(scores[f"score_{rule}"][place : place + snippets], int(frames)))
            place += snippets
        measured = rules[rule]["metrics"]
        assert frame_roc_auc(scores["labels"], parts) == pytest.approx(measured["auc"], abs=1e-9)
        assert average_precision(scores["labels"], parts) == pytest.approx(measured["ap"], abs=1e-9)


@pytest.mark.parametrize("dataset", DATASETS)
def test_multiple_instance_learning_beats_inherited_labels_and_the_control_does_not(layout, dataset):
    def value(variant, metric, rule="best_on_validation"):
        found = [read_json(path)["rules"] for path in sorted(layout.run(dataset, variant, 2022).parent.glob("seed*/metrics.json"))]
        return sum(rules[rule]["metrics"][metric] for rules in found) / len(found)

    headline = DATASETS[dataset]
    for variant in ("proposed", "msf-dmu"):
        assert value(variant, headline) > value("logistic-regression", headline), variant
    control = value("proposed-permuted", "auc", "last")  # mean of several permutations
    assert abs(control - 0.5) < 0.1
    assert value("proposed", "auc", "last") - control > 0.15


def test_every_execution_of_the_manifest_is_committed_and_small(layout):
    for execution in manifest.plan(manifest.read_manifest(layout.manifest), layout):
        path = layout.executed / f"{execution.name}.ipynb"
        assert path.is_file(), f"{path.name} is missing; `make reproduce` makes it"
        assert path.stat().st_size < runner_execution.LARGEST_EXECUTED_BYTES
        outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", ())]
        assert outputs
        assert not [output for output in outputs if output.output_type == "error"]


def test_runs_know_the_lists_they_were_scored_on(layout):
    for dataset in DATASETS:
        if not layout.dataset(dataset).is_dir():
            pytest.skip("the rendered videos are not here; `make reproduce` makes them")
        listed = [record.name for record in load_dataset(layout.dataset(dataset), features=False).videos.split("test")]
        assert read_arrays(layout.run(dataset, "proposed", 2022) / "scores.npz")["videos"].tolist() == listed
