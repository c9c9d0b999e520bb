"""Parameters of the notebooks: declared once, checked by type and range, the same as in the notebooks' first cells."""

import ast
import re

import nbformat
import pytest

from vad_lib.errors import ConfigError
from vad_lib.open_questions import questions
from vad_lib.reproduce import main
from vad_lib.runner import declared_parameters, parameters
from vad_lib.runner.declared_parameters import OF_NOTEBOOK
from vad_lib.runner.manifest import plan, read_manifest
from vad_lib.runner.parameters import OPTIONS, checked, listing
from vad_lib.runs.experiments import VARIANTS
from vad_lib.storage.paths import Layout


def first_cell(layout, notebook):
    """Name -> default of the cell that is tagged ``parameters``."""
    cells = nbformat.read(layout.notebooks / f"{notebook}.ipynb", as_version=4).cells
    (cell,) = (cell for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body}


@pytest.fixture
def layout(tmp_path):
    return Layout.create("smoke", tmp_path / "out", tmp_path / "data")


# --- the declaration ----------------------------------------------------------------------------------
def test_every_notebook_of_the_manifest_is_declared(layout):
    assert list(OF_NOTEBOOK) == list(read_manifest(layout.manifest).entries)


@pytest.mark.parametrize("notebook", OF_NOTEBOOK)
def test_the_first_cell_has_the_declared_names_and_defaults(layout, notebook):
    cell, kind = first_cell(layout, notebook), OF_NOTEBOOK[notebook]
    assert kind().model_dump() == cell
    assert {name: type(value) for name, value in kind().model_dump().items()} == {n: type(v) for n, v in cell.items()}
    assert checked(notebook, cell) == cell
    for name, schema in kind.model_json_schema()["properties"].items():
        assert schema["description"], name


@pytest.mark.parametrize("notebook", OF_NOTEBOOK)
def test_every_notebook_checks_its_own_parameters_before_it_reads_anything(layout, notebook):
    cells = nbformat.read(layout.notebooks / f"{notebook}.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert f'"{notebook}", g' in code[1], "the cell after the parameters checks them"


def test_a_notebook_that_is_read_by_hand_gets_the_same_sentence():
    parameters.check_own("03_ablation", {"seeds": 2, "profile": "study", "other": "is no parameter"})
    with pytest.raises(ConfigError, match="expected a whole number from 0 to 1,000, got -1"):
        parameters.check_own("03_ablation", {"seeds": -1})
    with pytest.raises(ConfigError, match="did you mean proposed"):
        parameters.check_own("09_why_is_my_number_different", {"variant": "proposd"})


def test_the_questions_are_those_of_the_room_above():
    assert tuple(questions.QUESTIONS) == declared_parameters.QUESTIONS


def test_the_listing_names_every_parameter_with_what_it_takes(capsys):
    assert main(["--parameters"]) == 0
    text = capsys.readouterr().out
    assert text.strip() == listing()
    for kind in OF_NOTEBOOK.values():
        for name in kind.model_fields:
            assert OPTIONS.get(name, f"{name} (notebook ") in text
    assert "seeds (notebook 02, 03, 08)\n  a whole number from 0 to 1,000; default 0\n  seeds per row" in text
    assert "train (notebook 06)\n  true or false; default false\n" in text


def test_every_notebook_that_trains_rows_takes_a_file_of_text_features_also_where_the_profile_chooses_the_source(layout):
    trains = []
    for notebook, kind in OF_NOTEBOOK.items():
        cells = [cell.source for cell in nbformat.read(layout.notebooks / f"{notebook}.ipynb", as_version=4).cells]
        if notebook == "00_start_here" or not any(call in cell for cell in cells for call in ("run_variants(", "run_grid(")):
            continue  # 00 trains beside the rows of the tables, not in their folders
        trains.append(notebook[:2])
        assert {"text_source", "text_file"} <= set(kind.model_fields), notebook
        (cell,) = (cell for cell in cells if "text_features=" in cell)
        (choice,) = (node for node in ast.parse(cell).body if isinstance(node, ast.If) and "text_file" in ast.unparse(node))
        assert ast.unparse(choice).splitlines() == [
            "if text_source or text_file:",
            "    settings = settings.replace(text_features=text_source or settings.text_features, text_file=text_file)",
        ], notebook
    assert sorted(trains) == ["02", "03", "06", "08"]


def test_both_notebooks_that_train_compared_methods_take_the_same_recipe(layout):
    """With one recipe in 02 and another in 06, each would train the runs of the other again."""
    for notebook in ("02_training", "06_beyond_the_paper"):
        assert "recipe" in OF_NOTEBOOK[notebook].model_fields
        cells = [cell.source for cell in nbformat.read(layout.notebooks / f"{notebook}.ipynb", as_version=4).cells]
        (cell,) = (cell for cell in cells if "recipe=recipe" in cell)
        assert "if recipe:\n    settings = settings.replace(recipe=recipe)\n" in cell, notebook


# --- what is refused ----------------------------------------------------------------------------------
WHOLE = [
    ("00_start_here", "steps"),
    ("02_training", "seeds"),
    ("06_beyond_the_paper", "num_seeds"),
]


@pytest.mark.parametrize(("notebook", "name"), WHOLE)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", "", 3.0, 2.5, -1, True, None, [1], {}, 10**9])
def test_a_whole_number_is_nothing_else(notebook, name, value):
    with pytest.raises(ConfigError, match=rf"parameter {name}: expected a whole number from \d to [\d,]+, got "):
        checked(notebook, {name: value})


@pytest.mark.parametrize(
    ("notebook", "given", "said"),
    [
        ("00_start_here", {"steps": 0}, "steps: expected a whole number from 1 to 100,000, got 0"),
        ("00_start_here", {"tau": 0}, "tau: expected a number from 0.01 to 100, got 0"),
        ("00_start_here", {"tau": float("nan")}, "tau: expected a number from 0.01 to 100, got nan"),
        ("00_start_here", {"gate": float("-inf")}, "gate: expected a number from -50 to 50, got -inf"),
        ("00_start_here", {"gate": True}, "gate: expected a number .*, got True"),
        ("00_start_here", {"gate": "0"}, "gate: expected a number .*, got '0'"),
        ("00_start_here", {"divisor": 1}, "divisor: expected a whole number from 2 to 1,000, got 1"),
        ("00_start_here", {"datasets": []}, r"--dataset: expected a list of one or more texts, got \[\]"),
        ("01_feature_prep", {"dataset": "../other"}, "--dataset: expected the name of a folder below --data, got '../other'"),
        ("01_feature_prep", {"dataset": ""}, "--dataset: expected the name of a folder"),
        ("01_feature_prep", {"importing": 3}, "importing: expected a mapping, got 3"),
        ("01_feature_prep", {"importing": {"dataset": "b"}}, "importing: dataset is named by --dataset; leave it out"),
        ("01_feature_prep", {"importing": {"dimension": 0}}, "importing: ImportSettings: dimension: .* got 0"),
        ("01_feature_prep", {"importing": {"width": 8}}, "importing: ImportSettings: width: .*Known settings: .*dimension"),
        ("01_feature_prep", {"device": "tpu"}, "device: expected a text such as cpu or cuda:0, got 'tpu'"),
        (
            "01_feature_prep",
            {"device": "cuda:99"},
            "device: expected a device that torch can use here, got 'cuda:99' .*leave it out",
        ),
        ("02_training", {"variants": []}, r"variants: expected a list of one or more of all, .*, got \[\]"),
        ("02_training", {"variants": "rtfm"}, r"variants: expected a list .*, got 'rtfm'; write 'variants=\[rtfm\]'"),
        ("02_training", {"variants": [1]}, r"variants: expected a list .*, got \[1\]"),
        ("02_training", {"variants": ["rtfm", "propsed"]}, r"no table row 'propsed' \(did you mean proposed\?\); known: all, log"),
        ("02_training", {"variants": ["all", "rtfm"]}, "variants: 'all' stands alone"),
        ("02_training", {"variants": ["logistic-regression"]}, "variants: the notebook shows the training of one row of sultani"),
        ("02_training", {"recipe": "publishd"}, 'recipe: expected one of "", common, published, got'),
        ("02_training", {"text_source": "file"}, "text_source: 'file' needs the path of a .npy; add text_file=PATH"),
        ("02_training", {"text_file": "no/such.npy"}, "text_file: expected a file, found none at .*no/such.npy"),
        ("04_visualisation", {"variant": "ur-dmu"}, "variant: no row with a gate and an alignment map 'ur-dmu'; known: proposed"),
        ("06_beyond_the_paper", {"train": 1}, "train: expected true or false, got 1"),
        ("06_beyond_the_paper", {"train": True, "source": "reference"}, "train: the committed results are only read"),
        ("06_beyond_the_paper", {"questions": ["gaet"]}, r"no question 'gaet' \(did you mean gate\?\)"),
        ("06_beyond_the_paper", {"jobs": -1}, "jobs: expected a whole number from 0 to 1,024, got -1"),
        ("03_ablation", {"sed": 1}, r"03_ablation has no parameter sed \(did you mean seeds\?\); it has profile, dataset"),
        ("03_ablation", {"profile": "papre"}, r"--profile: no profile 'papre' \(did you mean paper\?\)"),
    ],
)
def test_what_a_parameter_cannot_be(notebook, given, said):
    with pytest.raises(ConfigError, match=said) as refused:
        checked(notebook, given)
    assert str(refused.value).endswith("`--parameters` lists what each takes.")


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigError, match=r"parameter seeds: .*; parameter first_seed: ") as refused:
        checked("02_training", {"first_seed": -1, "seeds": float("nan")})
    assert len(re.findall("expected", str(refused.value))) == 2


def test_a_file_of_text_features_needs_a_source_that_reads_one(tmp_path, monkeypatch):
    (tmp_path / "text.npy").touch()
    monkeypatch.chdir(tmp_path)  # notebooks run elsewhere, so the path is made whole
    whole = str((tmp_path / "text.npy").resolve())
    for profile, given in (("quick", {"text_source": "file"}), ("quick", {"text_source": "clip"}), ("paper", {})):
        found = checked("03_ablation", {"profile": profile, "text_file": "text.npy", **given})
        assert found == {"profile": profile, "text_file": whole, **given}
    with pytest.raises(ConfigError, match="text_file: text features 'sentence' read no file; add text_source=clip"):
        checked("03_ablation", {"profile": "quick", "text_file": "text.npy"})


def test_a_relative_path_of_frame_counts_is_made_whole(tmp_path, monkeypatch):
    (tmp_path / "frames.csv").touch()
    monkeypatch.chdir(tmp_path)
    found = checked("01_feature_prep", {"importing": {"frames": "frames.csv", "partial": True}})
    assert found == {"importing": {"frames": str((tmp_path / "frames.csv").resolve()), "partial": True}}
    with pytest.raises(ConfigError, match=r"importing: expected a file, found none at .*none\.csv"):
        checked("01_feature_prep", {"importing": {"frames": "none.csv"}})


def test_what_is_right_passes_as_it_is():
    given = {"variants": ["proposed", "fusion-gan"], "seeds": 3, "first_seed": 0, "recipe": "published"}
    assert checked("02_training", given) == given
    assert checked("01_feature_prep", {"importing": {"dimension": 2048, "crops": ["a", "b"]}}) == {
        "importing": {"dimension": 2048, "crops": ["a", "b"]}
    }
    assert checked("06_beyond_the_paper", {"train": True, "source": "own"}) == {"train": True, "source": "own"}
    for row in VARIANTS:
        assert checked("02_training", {"variants": ["proposed", row]})


# --- the chain ----------------------------------------------------------------------------------------
def test_a_parameter_reaches_every_notebook_that_has_it_and_no_other(layout):
    executions = plan(read_manifest(layout.manifest), layout, parameters={"first_seed": 7, "variants": ["proposed"]})
    assert {e.entry.notebook for e in executions if e.parameters.get("first_seed") == 7} == {
        name for name, kind in OF_NOTEBOOK.items() if "first_seed" in kind.model_fields
    }
    assert {e.entry.notebook for e in executions if "variants" in e.parameters} == {"02_training"}
    for execution in executions:
        assert execution.parameters.get("dataset", execution.dataset) == execution.dataset


@pytest.mark.parametrize(
    "given", ["seeds=nan", 'seeds="1"', "seeds=3.0", "seeds=-1", "seeds=true", "train=yes please", "variants=[]"]
)
def test_the_command_refuses_at_once(tmp_path, capsys, given):
    where = ["--profile", "smoke", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")]
    assert main([*where, "--parameter", given]) == 1
    assert f"error: parameter {given.partition('=')[0]}: expected " in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (tmp_path / "data").exists()


def test_the_reference_is_not_trained(capsys):
    assert main(["--reference", "--parameter", "train=true"]) == 1
    assert "train: the committed results are only read" in capsys.readouterr().err
