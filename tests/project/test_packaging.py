"""Environments: ranges of pyproject.toml, pins of requirements.lock, environment.yml, make, CI and releases agree."""

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import vad_lib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"[a-z0-9][a-z0-9-]*==[0-9][0-9A-Za-z.]*")
# torch pins these itself, and only where they can be installed
LEFT_OUT = re.compile(r"triton|(nvidia|cuda)-.*")
# the lock is complete for this Python on this system; on others pip brings a few packages more
HERE = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
}
# brought by no other extra and not locked, because few machines have a use for it; only functions import it
ASKED_FOR = {"openvino"}
EXTRAS = {*PROJECT["project"]["optional-dependencies"]} - {"all", *ASKED_FOR}
# what a room may import beyond the core, at the head of its files; within a function any extra may be asked for
ROOM_EXTRAS = {
    "vad_lib/runner": ("notebooks",),
    "vad_lib/open_questions": ("notebooks",),
    "vad_lib/course": ("notebooks",),
    "vad_lib/course/slides.py": ("site",),  # for lecturers: build.py imports it when slides are asked for
    "vad_lib/report/formulas.py": ("site",),  # of pages and slides
    "vad_lib/explorer": ("notebooks",),
    "vad_lib/site": ("notebooks", "site"),
    "vad_lib/deployment/onnx_export.py": ("deploy",),
    "tests": EXTRAS,
    "benchmarks": EXTRAS,
    "scripts": EXTRAS,
}
IMPORT_NAMES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "pydantic_core": "pydantic",  # which pins it
    "open_clip": "open-clip-torch",
}


def lock_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def locked() -> dict[str, str]:
    return dict(line.split("==") for line in lock_lines())


def direct(*extras: str) -> dict[str, SpecifierSet]:
    """Ranges of pyproject.toml, the extras' among them: canonical name -> versions."""
    project = PROJECT["project"]
    entries = [*project["dependencies"], *(entry for extra in extras for entry in project["optional-dependencies"][extra])]
    requirements = [Requirement(entry) for entry in entries]
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in requirements}


def everything() -> dict[str, SpecifierSet]:
    """The core and what the extra ``all`` brings."""
    (name,) = (Requirement(entry) for entry in PROJECT["project"]["optional-dependencies"]["all"])
    assert name.name == "vad_lib" and name.extras == EXTRAS
    return direct(*EXTRAS)


def missing_pins(pins: dict[str, str]) -> set[str]:
    """What the installed, pinned packages need on Linux with Python 3.11 and the list lacks."""
    missing, seen, waiting = set(), set(), [(name, frozenset()) for name in pins]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in metadata.distribution(name).requires or []:
            requirement = Requirement(text)
            needed = canonicalize_name(requirement.name)
            marker = requirement.marker
            wanted = marker is None or any(marker.evaluate({**HERE, "extra": extra}) for extra in ("", *extras))
            if LEFT_OUT.fullmatch(needed) or not wanted:
                continue
            if needed in pins:
                waiting.append((needed, frozenset(requirement.extras)))
            else:
                missing.add(needed)
    return missing


def test_the_lock_is_plain_pins_in_order():
    lines = lock_lines()
    assert all(PIN.fullmatch(line) for line in lines), [line for line in lines if not PIN.fullmatch(line)]
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names))


def test_the_lock_holds_a_version_in_every_range():
    pins = locked()
    outside = {name: str(versions) for name, versions in everything().items() if pins.get(name, "none") not in versions}
    assert outside == {}


def test_ranges_begin_with_the_versions_that_were_tested():
    """Older versions than the lock's were never tried; newer ones are not forbidden without a reason."""
    for name, versions in everything().items():
        (bound,) = versions
        assert bound.operator == ">=", f"{name}: an upper bound needs a reason beside it, and an exception here"
        assert locked()[name].split(".")[: len(bound.version.split("."))] == bound.version.split("."), name


def test_the_lock_is_complete():
    assert missing_pins(locked()) == set()


def test_a_package_taken_out_of_the_lock_is_missed():
    pins = locked()
    del pins["tornado"]
    assert missing_pins(pins) == {"tornado"}


def test_the_lock_has_nothing_superfluous():
    """Every pin is asked for by pyproject.toml, by another pin, or builds the project."""
    builds = {canonicalize_name(Requirement(text).name) for text in PROJECT["build-system"]["requires"]}
    wanted = {*everything(), *builds}
    for name in locked():
        wanted |= {canonicalize_name(Requirement(text).name) for text in metadata.distribution(name).requires or []}
    assert set(locked()) <= wanted


def test_what_is_installed_is_what_is_locked():
    different = {name: (version, metadata.version(name)) for name, version in locked().items() if metadata.version(name) != version}
    assert not different, f"locked and installed versions differ: {different}; run make install"


def imported_packages(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Top-level names that a file imports at its head, and those that it imports when a function is called."""
    everywhere, later = set(), set()
    for node in ast.walk(tree):
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in ast.walk(node) if inside else [node]:
            if isinstance(statement, ast.Import):
                names = {name.name.split(".")[0] for name in statement.names}
            elif isinstance(statement, ast.ImportFrom) and statement.level == 0:
                names = {statement.module.split(".")[0]}
            else:
                continue
            (later if inside else everywhere).update(names)
    return everywhere - later, later


def undeclared(path: Path) -> list[str]:
    """Packages that a file imports and that pyproject.toml does not promise to it."""
    name = path.relative_to(ROOT).as_posix()
    extras = {extra for room, extras in ROOM_EXTRAS.items() if name.startswith(room) for extra in extras}
    at_head, later = imported_packages(ast.parse(path.read_text(encoding="utf-8")))
    found = []
    any_extra = direct(*EXTRAS, *ASKED_FOR)
    for module, declared in [*((module, direct(*extras)) for module in at_head), *((module, any_extra) for module in later)]:
        beside = [folder / name for folder in (path.parent, ROOT / "tests" / "helpers") for name in (module, f"{module}.py")]
        own = module == "vad_lib" or module in sys.stdlib_module_names or any(file.exists() for file in beside)
        if not own and IMPORT_NAMES.get(module, canonicalize_name(module)) not in declared:
            found.append(f"{name} imports {module}")
    return found


def test_every_import_is_a_declared_dependency():
    """An import that only another package's dependency provides breaks when that package changes."""
    paths = [path for folder in ("vad_lib", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert [problem for path in paths for problem in undeclared(path)] == []


def test_every_dependency_of_the_core_is_imported():
    used = set()
    for path in (ROOT / "vad_lib").rglob("*.py"):
        for modules in imported_packages(ast.parse(path.read_text(encoding="utf-8"))):
            used |= {IMPORT_NAMES.get(module, canonicalize_name(module)) for module in modules}
    assert {*direct()} <= used


def test_the_conda_environment_installs_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = (entry for entry in environment["dependencies"] if isinstance(entry, str) and entry.startswith("python="))
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["project"]["requires-python"])
    # the project's own requirements are all in the lock, so that the second line can bring nothing else
    assert pip == ["-r requirements.lock", "-e ."]


def test_make_and_the_hosted_check_use_the_same_pythons():
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    pythons = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in supported]
    setup = runpy.run_path(str(ROOT / "scripts" / "setup.py"))
    assert ["{}.{}".format(*version) for version in setup["SUPPORTED"]] == pythons
    classifiers = [entry.rpartition(" ")[2] for entry in PROJECT["project"]["classifiers"] if entry.count(".") == 1]
    assert classifiers == pythons
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^PYTHONS := (.*)$", makefile, re.MULTILINE).group(1).split() == [f"python{python}" for python in pythons]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    whole, fast = workflow["jobs"]["test"], workflow["jobs"]["fast"]
    assert whole["steps"][-1]["run"] == ".ci/run" and whole["timeout-minutes"] <= 40
    runs = fast["strategy"]["matrix"]["include"]
    assert {run["python"] for run in runs if run["os"].startswith("ubuntu")} == {*pythons}
    assert {run["os"].partition("-")[0] for run in runs} == {"ubuntu", "macos", "windows"}
    assert all(run["python"] in supported for run in runs)


def test_the_ci_script_runs_the_tests():
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111, "not executable"
    assert "make test" in script.read_text(encoding="utf-8").splitlines()


def test_one_version_everywhere():
    version = PROJECT["project"]["version"]
    assert vad_lib.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    latest = re.search(r"^## (.*?)(?=^## |\Z)", changelog, flags=re.MULTILINE | re.DOTALL).group(1)
    assert latest.startswith(version) and "### Numbers" in latest


def test_the_data_files_of_the_package_are_declared():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["vad_lib"]
    packaged = {path for pattern in patterns for path in (ROOT / "vad_lib").glob(pattern)}
    listed = subprocess.run(["git", "ls-files", "-z", "vad_lib"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = {ROOT / name for name in listed.split("\0") if name and not name.endswith(".py")}
    assert len(tracked) > 20 and tracked <= packaged, tracked - packaged


@pytest.mark.parametrize("line", ["torch>=2", "torch==2; os_name == 'nt'", "name @ file", "--index-url somewhere", "a==1.*"])
def test_other_than_plain_pins_would_be_seen(line):
    assert not PIN.fullmatch(line)
