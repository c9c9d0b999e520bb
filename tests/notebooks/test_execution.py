"""Every notebook of the manifest runs headless in the smoke profile, from video files to tables and figures.

One run of the whole chain serves all tests of this file. It takes minutes, so what needs it stands here.
"""

import os
import shutil
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
from made_up_results import table2

from vad_lib.data.backbones import i3d_weights as backbones_i3d_weights
from vad_lib.data.feature_store import FeatureStore
from vad_lib.open_questions import questions
from vad_lib.runner import execution as runner_execution
from vad_lib.runner import manifest
from vad_lib.runs import experiments
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.paths import PROJECT_ROOT, Layout, i3d_weights
from vad_lib.storage.reading import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """One complete smoke run in an empty folder; its layout and executions."""
    if not i3d_weights().is_file():
        pytest.skip(
            f"I3D weights are not at {i3d_weights()}; `python -m {backbones_i3d_weights.__name__} --fetch` gets them (make does)"
        )
    folder = tmp_path_factory.mktemp("chain")
    layout = Layout.create("smoke", folder / "out", folder / "data")
    executions = manifest.plan(manifest.read_manifest(layout.manifest), layout)
    ran = runner_execution.reproduce(layout, executions, jobs=2)
    assert sorted(ran) == sorted(execution.name for execution in executions)
    return layout, executions


def test_all_outputs_are_there_and_executed_without_error(chain):
    layout, executions = chain
    for execution in executions:
        assert not runner_execution.missing_outputs(layout, execution)
        executed = layout.executed / f"{execution.name}.ipynb"
        assert executed.stat().st_size < runner_execution.LARGEST_EXECUTED_BYTES, f"{executed.name} is too large"
        cells = nbformat.read(executed, as_version=4).cells
        outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
        assert not [output for output in outputs if output.output_type == "error"]
        assert [output for output in outputs if output.output_type == "display_data"], f"{executed.name} shows nothing"


def test_every_item_of_the_paper_was_made(chain):
    layout, _ = chain
    for name in (*(f"table{number}" for number in range(1, 7)), "protocol"):
        for suffix in ("csv", "md"):
            assert (layout.tables / f"{name}.{suffix}").stat().st_size > 0
    for number in range(1, 5):
        for suffix in ("csv", "pdf", "png"):
            assert (layout.figures / f"fig{number}.{suffix}").stat().st_size > 0


def test_nothing_is_written_outside_the_known_folders(chain):
    layout, _ = chain
    assert {path.name for path in layout.out.iterdir()} == {"results", "figures"}
    known = {"controls", "doctor", "executed", "questions", "runs", "strips", "tables", "text_cosines.csv", ".state"}
    assert {path.name for path in layout.results.iterdir()} <= known
    leftovers = [path for path in layout.out.rglob("*") if path.name.endswith(".partial") or ".tmp" in path.name]
    assert not leftovers


def test_a_second_run_repeats_nothing(chain):
    layout, executions = chain
    assert runner_execution.reproduce(layout, executions) == []


EVERY_ROW = (*experiments.COMPARED, *experiments.YARDSTICKS, "proposed-permuted", *experiments.CEILINGS)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(("logistic-regression", "supervised", "vadclip", "proposed"), id="four rows"),
        pytest.param(EVERY_ROW, id="every row", marks=pytest.mark.release),
    ],
)
def test_trained_again_numbers_and_tables_are_the_same_bytes(chain, tmp_path, rows):
    """Same seed, same machine, same numbers: runs are deleted and made again by the same notebook."""
    layout, _ = chain
    again = Layout.create("smoke", tmp_path / "out", layout.data)
    for kept in ("strips", "controls", "runs"):
        shutil.copytree(layout.results / kept, again.results / kept)
    for row in rows:
        shutil.rmtree(again.results / "runs" / "synth-crime" / row)
    chosen = manifest.plan(manifest.read_manifest(layout.manifest), again, only=("02_training",), datasets=("synth-crime",))
    runner_execution.reproduce(again, [execution for execution in chosen if execution.entry.notebook == "02_training"])
    runs = sorted(path.relative_to(again.results) for path in again.results.glob("runs/synth-crime/*/seed*/metrics.json"))
    assert {run.parts[2] for run in runs} >= set(EVERY_ROW)
    for run in (*runs, "tables/table2.csv", "tables/table2.md"):
        assert file_sha256(again.results / run) == file_sha256(layout.results / run), run


def test_tables_say_what_they_were_made_with(chain):
    layout, _ = chain
    text = table2(layout).markdown()
    assert "rendered" in text
    assert "not CLIP" in text
    assert "our stand-in" in text
    timing = read_json(layout.run("synth-crime", "proposed", 2022) / "timing.json")
    assert timing["train_seconds"] > 0


@pytest.mark.parametrize(
    ("asked", "num_seeds"),
    [(("gate",), 1), pytest.param(("gate", "crops"), 2, marks=pytest.mark.release)],  # ten crops and a second seed take minutes
)
def test_the_grid_is_trained_and_answered_by_notebook_06(chain, tmp_path, asked, num_seeds):
    """Runs of the questions are trained, after features of ten crops where one needs them, and the answers told."""
    layout, _ = chain
    again = Layout.create("smoke", tmp_path / "out", layout.data)
    shutil.copytree(layout.results, again.results)
    parameters = {"train": True, "questions": list(asked), "num_seeds": num_seeds}
    chosen = manifest.plan(
        manifest.read_manifest(layout.manifest),
        again,
        only=("06_beyond_the_paper",),
        datasets=("synth-crime",),
        parameters=parameters,
    )
    runner_execution.reproduce(again, [execution for execution in chosen if execution.entry.notebook == "06_beyond_the_paper"])
    said = pd.read_csv(again.tables / "open_questions.csv")
    answers = said[said["data"].str.startswith("SynthCrime")].set_index("question")["answer"]
    gate = answers["Must the gate be learned, and where should it start (w = 0.5)?"]
    assert all(answer in gate for answer in questions.QUESTIONS["gate"].answers)
    trained = list(again.results.glob("questions/synth-crime/gate/*/seed*/metrics.json"))
    assert len(trained) == num_seeds * len(questions.QUESTIONS["gate"].answers)
    assert (again.figures / "question-grid-synth-crime.png").is_file()
    assert "Does the language matter at all?" not in answers.index  # it was not asked
    if "crops" in asked:
        assert len(FeatureStore.open(layout.features("synth-crime", crops=10)).contract.crops) == 10
        for question in ("What do ten crops of every snippet add?", "What is the mean over crops worth in testing?"):
            assert "not run" not in answers[question] and "10 crops" in answers[question]
        assert answers["What is the mean over crops worth in testing?"].startswith("5 crops against one: ")
        assert (again.figures / "question-crops-synth-crime.png").is_file()


# Another processor is played by narrower instruction sets and one thread: sums are rounded in another order, as there.
NARROW = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}


def on_another_processor(module: str, *arguments: str) -> str:
    """What a command of the library prints there."""
    command = [sys.executable, "-m", f"vad_lib.{module}", *arguments]
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=os.environ | NARROW, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param({"logistic-regression": "Logistic", "proposed": "Proposed"}, id="two rows"),
        pytest.param(
            {"logistic-regression": "Logistic", "ur-dmu": "UR-DMU", "msf-dmu": "MSF-DMU", "proposed": "Proposed"},
            id="four rows",
            marks=pytest.mark.release,
        ),
    ],
)
def test_on_another_processor_the_chain_ends_and_the_report_says_what_moved(chain, tmp_path, rows):
    """The same videos to the table of one data set, by the command that people use; then the report against the usual chain."""
    usual, _ = chain
    narrow = Layout.create("smoke", tmp_path, tmp_path / "data")
    shutil.copytree(usual.dataset("synth-crime"), narrow.dataset("synth-crime"), ignore=shutil.ignore_patterns("store"))
    where = ["--profile", "smoke", "--out", str(narrow.out), "--data", str(narrow.data), "--dataset", "synth-crime"]
    options = [f"variants=[{', '.join(rows)}]"]
    parameters = [part for option in options for part in ("--parameter", option)]
    on_another_processor("reproduce", *where, "--only", "02_training", *parameters)
    assert (narrow.tables / "table2.md").is_file()
    said = on_another_processor("report.reproduction", *where, "--against", str(usual.out))
    assert "equal to the last printed digit" in said
    values = pd.read_csv(narrow.reproduction / "reproduction.csv").set_index("verdict")
    assert set(values.index) == {"not run"} | (set(values.index) & {"equal", "within", "outside"})
    assert set(values.drop("not run")["row"].str.split(" ").str[0]) == set(rows.values())
    page = (narrow.reproduction / "reproduction.md").read_text(encoding="utf-8")
    assert "oneDNN up to AVX2" in page
    assert (narrow.figures / "reproduction.png").is_file()
