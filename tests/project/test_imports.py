"""Data flows one way: a module imports only modules that stand before it in this list."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "vad_lib"
ORDER = (
    # ground
    *("errors", "locks", "files", "paths", "config", "provenance", "annotations", "official", "method"),
    # video -> snippets -> features -> bags
    *("video", "clip_weights", "i3d", "clip_image", "features", "feature_check"),
    *("synthetic.world", "synthetic.people", "synthetic.things", "synthetic.acts", "synthetic.scenes", "synthetic.render"),
    *("synthetic", "datasets", "extraction", "feature_files", "adapters", "controls", "prompts"),
    # bags -> model -> losses
    *("layers", "causal", "losses", "methods", "methods.ur_dmu", "methods.msf_dmu", "methods.fusion_gan"),
    *("methods.sultani_mil", "methods.rtfm", "methods.scenes", "methods.bn_svp", "methods.mgfn", "methods.clip_tsa"),
    *("methods.pel4vad", "methods.vadclip"),
    *("model", "registry"),
    # scores -> metrics -> tables and figures
    *("metrics", "scoring", "detection", "baselines", "training", "deploy"),
    *(
        "experiments",
        "statistics",
        "power",
        "alarms",
        "tables",
        "figures",
        "comparison",
        "trust_figures",
        "beyond",
        "beyond_figures",
        "diagrams",
        "own_video",
        "reproduce",
    ),
)
PATHS = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}


def imported(tree: ast.AST) -> set[str]:
    """Modules of the package that a syntax tree imports, without the leading ``vad_lib.``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.removeprefix("vad_lib.") for name in node.names if name.name.startswith("vad_lib.")}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import; write vad_lib in full"
            if node.module and node.module.split(".")[0] == "vad_lib":
                base = node.module.removeprefix("vad_lib").lstrip(".")
                # each name may be a module itself (from vad_lib import files) or something in one
                for name in node.names:
                    module = f"{base}.{name.name}".lstrip(".")
                    found.add(module if module in ORDER or not base else base)
    return found


def violations(module: str, tree: ast.AST) -> list[str]:
    allowed = {*ORDER[: ORDER.index(module)], "__version__"}
    return sorted(imported(tree) - allowed)


@pytest.mark.parametrize("module", PATHS)
def test_a_module_imports_only_what_stands_before_it(module):
    assert module in ORDER, f"give vad_lib.{module} its place in ORDER"
    assert violations(module, ast.parse(PATHS[module].read_text(encoding="utf-8"))) == []


def test_the_package_itself_imports_nothing():
    """An ``__init__`` that imports would tie all modules together."""
    assert not imported(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from vad_lib.runs.trainer import fit", ["training"]),
        ("import vad_lib.report.tables.table", ["tables"]),
        ("from vad_lib import figures, errors", ["figures"]),
        ("from vad_lib.methods import ur_dmu", ["methods.ur_dmu"]),
        ("def f():\n    from vad_lib.evaluation.scoring import frame_scores", ["scoring"]),
        ("from vad_lib.data.video import read_frames\nimport numpy", []),
    ],
)
def test_the_rule_sees_each_form_of_import(source, expected):
    assert violations("features", ast.parse(source)) == expected


def test_a_relative_import_is_refused():
    with pytest.raises(AssertionError, match="relative import"):
        imported(ast.parse("from .files import write_json"))
