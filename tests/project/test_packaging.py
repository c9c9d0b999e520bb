"""One environment, written down once: pyproject.toml, requirements.lock, environment.yml, CI and releases agree."""

import ast
import re
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
IMPORT_NAMES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "open_clip": "open-clip-torch",
}


def lock_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def locked() -> dict[str, str]:
    return dict(line.split("==") for line in lock_lines())


def direct(extra: str | None = None) -> dict[str, str]:
    """Pins of pyproject.toml, canonical name -> version."""
    project = PROJECT["project"]
    entries = project["optional-dependencies"][extra] if extra else project["dependencies"]
    requirements = [Requirement(entry) for entry in entries]
    for requirement in requirements:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), f"{requirement}: expected one exact version"
    return {canonicalize_name(requirement.name): str(requirement.specifier)[2:] for requirement in requirements}


def missing_pins(pins: dict[str, str]) -> set[str]:
    """What the installed, pinned packages need here and the list lacks."""
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
            if LEFT_OUT.fullmatch(needed) or (marker and not any(marker.evaluate({"extra": extra}) for extra in ("", *extras))):
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


def test_the_lock_holds_what_pyproject_asks_for():
    pins = locked()
    for name, version in {**direct(), **direct("test")}.items():
        assert pins.get(name) == version, f"{name}: pyproject.toml {version}, requirements.lock {pins.get(name)}"


def test_the_lock_is_complete():
    assert missing_pins(locked()) == set()


def test_a_package_taken_out_of_the_lock_is_missed():
    pins = locked()
    del pins["tornado"]
    assert missing_pins(pins) == {"tornado"}


def test_the_lock_has_nothing_superfluous():
    """Every pin is asked for by pyproject.toml, by another pin, or builds the project."""
    builds = {canonicalize_name(Requirement(text).name) for text in PROJECT["build-system"]["requires"]}
    wanted = {*direct(), *direct("test"), *builds}
    for name in locked():
        wanted |= {canonicalize_name(Requirement(text).name) for text in metadata.distribution(name).requires or []}
    assert set(locked()) <= wanted


def test_what_is_installed_is_what_is_locked():
    different = {name: (version, metadata.version(name)) for name, version in locked().items() if metadata.version(name) != version}
    assert not different, f"locked and installed versions differ: {different}; run make install"


def test_every_import_is_a_declared_dependency():
    """An import that only another package's dependency provides breaks when that package changes."""
    declared = {"vad-lib", *direct()}
    for folder, names in (("vad_lib", declared), ("tests", declared | set(direct("test")))):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                modules = [name.name for name in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    modules = [node.module]
                for module in (module.split(".")[0] for module in modules):
                    package = IMPORT_NAMES.get(module, canonicalize_name(module))
                    beside = (path.parent / f"{module}.py", ROOT / "tests" / "helpers" / f"{module}.py")
                    own = module in sys.stdlib_module_names or any(file.exists() for file in beside)
                    assert own or package in names, f"{path.relative_to(ROOT)} imports {module}: declare it in pyproject.toml"


def test_the_conda_environment_installs_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = (entry for entry in environment["dependencies"] if isinstance(entry, str) and entry.startswith("python="))
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["project"]["requires-python"])
    # the project's own requirements are all in the lock, so that the second line can bring nothing else
    assert pip == ["-r requirements.lock", "-e ."]


def test_make_and_the_hosted_check_use_the_same_python():
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    low, high = re.search(r"\((\d+, \d+)\) <= sys\.version_info\[:2\] < \((\d+, \d+)\)", makefile).groups()
    assert supported == SpecifierSet(f">={low.replace(', ', '.')},<{high.replace(', ', '.')}")
    assert "install -r requirements.lock" in makefile
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert any(step.get("with", {}).get("python-version") in supported for step in job["steps"] if "with" in step)
    assert job["steps"][-1]["run"] == ".ci/run" and job["timeout-minutes"] <= 40


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
    for name in ("prompts.yml", "sentence_features.safetensors"):
        assert ROOT / "vad_lib/data" / name in packaged


@pytest.mark.parametrize("line", ["torch>=2", "torch==2; os_name == 'nt'", "name @ file", "--index-url somewhere", "a==1.*"])
def test_other_than_plain_pins_would_be_seen(line):
    assert not PIN.fullmatch(line)
