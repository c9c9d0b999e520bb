"""Every text, source and notebook of the project: portable, safe to load, stripped, complete."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("vad_lib", "tests", "scripts", "benchmarks")
TEXT_SUFFIXES = (".py", ".md", ".yml", ".yaml", ".toml", ".json", ".csv", ".ipynb", ".lock", ".cff", ".html", "")
LARGEST_BYTES = 200_000
MODELS = ROOT / "vad_lib" / "deployment" / "models"  # tests/deployment/test_shipped.py bounds their sizes
LARGEST_MODEL = 4_000_000  # bytes of the weights of a model that comes with the project
COURSE = ROOT / "vad_lib" / "course" / "resources"  # features and scores that lessons start from
MACHINE_PATH = re.compile(r"(?<![\w.$}>)\]])/(work|tmp|home|root|Users|opt|mnt)/\w")
REGISTRY_HOST = re.compile(r"\b(pypi|pythonhosted|anaconda|npmjs)\.(org|com|io)\b")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
EMOJI = re.compile(
    "[\N{WATCH}-\N{HOURGLASS}\N{BLACK SUN WITH RAYS}-\N{CURLY LOOP}\N{CYCLONE}-\N{YO-YO}\N{RINGED PLANET}-\N{BUBBLES}]"
)


def listed_files() -> list[Path]:
    """What a clone has, and what the next commit may add: files that git tracks or does not ignore."""
    command = ["git", "-C", str(ROOT), "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git, or the folder .git, is missing: which files belong to the project is not known", allow_module_level=True)
    return sorted(path for name in {*names} - {""} if (path := ROOT / name).is_file())


FILES = listed_files()
TEXTS = [path for path in FILES if path.suffix in TEXT_SUFFIXES]
SOURCES = [path for path in FILES if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in CODE_FOLDERS]
NOTEBOOKS = [path for path in FILES if path.suffix == ".ipynb" and path.parent == ROOT / "notebooks"]


def problems(paths: Iterable[Path], check: Callable[[Path], list[str]]) -> list[str]:
    """Every problem of every file, each with the name of its file."""
    return [f"{path.relative_to(ROOT)}: {problem}" for path in paths for problem in check(path)]


def words_of(path: Path) -> str:
    """Content without the images of executed notebooks, whose base64 could hold any short string."""
    return re.sub(r'"image/\w+": "[^"]*"', "", path.read_text(encoding="utf-8"))


def text_problems(text: str) -> list[str]:
    found = []
    for name, pattern in (
        ("machine path", MACHINE_PATH),
        ("registry host", REGISTRY_HOST),
        ("unfinished", UNFINISHED),
        ("emoji", EMOJI),
    ):
        found += [f"{name} {match.group()!r}" for match in pattern.finditer(text)]
    return found


def code_problems(tree: ast.AST) -> list[str]:
    """Calls that could run foreign code, or that tie the code to one kind of device."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
        if name == "torch.load" and keywords.get("weights_only") is not True:
            found.append(f"line {node.lineno}: torch.load without weights_only=True")
        if keywords.get("allow_pickle") is True and not name.startswith("np.save"):
            found.append(f"line {node.lineno}: allow_pickle=True")
        if name in ("pickle.load", "pickle.loads", "joblib.load", "yaml.load", "eval", "exec"):
            found.append(f"line {node.lineno}: {name}")
        if isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            found.append(f"line {node.lineno}: .cuda(); use .to(device)")
    return found


def notebook_problems(notebook: nbformat.NotebookNode) -> list[str]:
    """What keeps a committed notebook from being stripped, parametrised and portable."""
    found = []
    if "papermill" in notebook.metadata:
        found.append("papermill metadata of an execution")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("kernelspec other than python3")
    tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])]
    if tags.count("parameters") != 1:
        found.append(f"{tags.count('parameters')} cells tagged parameters")
    if "injected-parameters" in tags:
        found.append("injected-parameters cell of an execution")
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            found += [f"cell {number}: {problem}" for problem in _cell_problems(cell)]
    card = notebook.cells[0].source
    if notebook.cells[0].cell_type != "markdown" or not card.startswith("# "):
        found.append("no title card")
    found += [f"title card: no '{entry}'" for entry in ("Question", "Paper items", "Reads", "Writes", "Time") if entry not in card]
    if not re.search("Before|After|Next", card):
        found.append("title card: no neighbouring notebook")
    return found


def _cell_problems(cell: nbformat.NotebookNode) -> list[str]:
    found = []
    if cell.outputs or cell.execution_count is not None:
        found.append("outputs or execution count")
    if {"papermill", "execution"} & set(cell.metadata):
        found.append("metadata of an execution")
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return [*found, "no plain Python (a magic or shell line?)"]
    found += code_problems(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.path.insert", "sys.path.append", "os.chdir"):
            found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"~|/\w+/|[A-Za-z]:\\", node.value):
            found.append(f"line {node.lineno}: absolute path {node.value!r}")
    if "parameters" in cell.metadata.get("tags", []):
        found += _parameter_problems(tree, cell.source)
    return found


def _parameter_problems(tree: ast.Module, source: str) -> list[str]:
    """Parameters are literals, each with its meaning behind it."""
    comments = {
        token.start[0] for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT
    }
    found = []
    for node in tree.body:
        try:
            ast.literal_eval(node.value)
        except (AttributeError, ValueError):
            found.append(f"line {node.lineno}: no literal parameter")
        if node.end_lineno not in comments:
            found.append(f"line {node.lineno}: parameter without comment")
    return found


# --- the project -----------------------------------------------------------------------------------
def test_texts_are_portable_and_finished():
    assert problems(TEXTS, lambda path: text_problems(words_of(path))) == []


def test_code_loads_safely_and_runs_on_any_device():
    assert problems(SOURCES, lambda path: code_problems(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_the_files_are_found():
    assert [path.name[:3] for path in NOTEBOOKS][:5] == ["00_", "01_", "02_", "03_", "04_"]
    assert {ROOT / "README.md", ROOT / ".ci" / "run", ROOT / "vad_lib" / "model.py"} <= {*TEXTS}
    assert ROOT / "vad_lib" / "model.py" in SOURCES


def test_notebooks_are_stripped_parametrised_and_portable():
    def check(path: Path) -> list[str]:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook_problems(notebook)

    assert problems(NOTEBOOKS, check) == []


def test_nothing_large_is_among_the_sources():
    """Videos and features live elsewhere; only results, figures, shipped models and files of the course may weigh more."""
    kept = [path for path in FILES if path.relative_to(ROOT).parts[0] in (*CODE_FOLDERS, "notebooks")]
    most = {path: LARGEST_MODEL if path.parent in (MODELS, COURSE) else LARGEST_BYTES for path in kept}
    assert [str(path.relative_to(ROOT)) for path in kept if path.stat().st_size > most[path]] == []


# --- the checks see what they forbid ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see " + "/" + "home/ada/videos", "machine path"),
        ('out = "' + "/" + 'tmp/x"', "machine path"),
        ("from files.pypi" + ".org", "registry host"),
        ("# TO" + "DO later", "unfinished"),
        ("done \N{PARTY POPPER}", "emoji"),
    ],
)
def test_a_forbidden_text_is_seen(text, expected):
    (problem,) = text_problems(text)
    assert problem.startswith(expected)


@pytest.mark.parametrize("text", ["results/<profile>/tmp/x", "a/work/b", "x \N{RIGHTWARDS ARROW} y", "python3.11 -m venv .venv"])
def test_an_innocent_text_passes(text):
    assert text_problems(text) == []


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pickle.load(stream)",
        "model.cuda()",
        "eval(text)",
    ],
)
def test_a_forbidden_call_is_seen(source):
    assert len(code_problems(ast.parse(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "torch.cuda.is_available()",
        "np.save(path, x, allow_pickle=True)",
        "json.load(stream)",
    ],
)
def test_an_innocent_call_passes(source):
    assert code_problems(ast.parse(source)) == []


CARD = "# Title\n**Question.** What?\n| Paper items | x |\n| Reads | x |\n| Writes | x |\n| Time | x |\n| Before / after | x |"


def example(*code: str, parameters: str = "seed = 1  # of all numbers", card: str = CARD) -> nbformat.NotebookNode:
    new = nbformat.v4
    cells = [
        new.new_markdown_cell(card),
        new.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *map(new.new_code_cell, code),
    ]
    return new.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def test_a_clean_notebook_passes():
    assert notebook_problems(example("print(seed)", parameters='seed = 1  # of all\nnames = ["a", "b"]  # of the rows')) == []


@pytest.mark.parametrize(
    ("notebook", "expected"),
    [
        (example("%matplotlib inline"), "no plain Python"),
        (example("import os\nos.chdir('..')"), "os.chdir"),
        (example("path = '/" + "data/videos'"), "absolute path"),
        (example("torch.load(path)"), "weights_only"),
        (example(parameters="seed = 1"), "parameter without comment"),
        (example(parameters="seed = int(1)  # of all"), "no literal parameter"),
        (example(card="Just words"), "no title card"),
        (example(card=CARD.replace("Writes", "Makes")), "no 'Writes'"),
        (example(card=CARD.replace("Before / after", "")), "no neighbouring notebook"),
    ],
)
def test_a_forbidden_thing_in_a_notebook_is_seen(notebook, expected):
    assert any(expected in problem for problem in notebook_problems(notebook))


def test_traces_of_an_execution_are_seen():
    notebook = example("1 + 1")
    notebook.cells[2].execution_count = 4
    notebook.cells[2].metadata["papermill"] = {"duration": 1}
    notebook.metadata["papermill"] = {"version": "2"}
    notebook.cells.append(nbformat.v4.new_code_cell("seed = 2", metadata={"tags": ["injected-parameters"]}))
    notebook.cells.append(nbformat.v4.new_code_cell("seed = 3  # again", metadata={"tags": ["parameters"]}))
    found = " ".join(notebook_problems(notebook))
    for problem in ("execution count", "metadata of an execution", "papermill metadata", "injected-parameters", "2 cells tagged"):
        assert problem in found
