"""A key of meaning: comments and docstrings do not count, a constant changes exactly the runs that use it."""

import itertools
import shutil

import pytest

from vad_lib.errors import ConfigError
from vad_lib.registry import METHODS, ON_BAGS
from vad_lib.runs.code_key import PACKAGE, code_key, meanings
from vad_lib.runs.record import code_roots


@pytest.fixture
def edited(tmp_path):
    """A function: keys of all methods in a copy of the library in which one text was replaced by another."""

    numbers = itertools.count()

    def keys(file: str = "", old: str = "", new: str = "") -> dict[str, str]:
        package = tmp_path / str(next(numbers)) / "vad_lib"  # what was read of one folder is not read again
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        if file:
            source = (package / file).read_text(encoding="utf-8")
            assert source.count(old) >= 1, f"{file} has no {old!r}"
            (package / file).write_text(source.replace(old, new, 1), encoding="utf-8")
        return {name: code_key(*code_roots(spec, package), package=package) for name, spec in METHODS.items()}

    return keys


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.mark.slow
def test_a_comment_and_a_docstring_change_no_key(edited):
    before = edited()
    assert not changed(before, edited("methods/rtfm.py", "\nMAGNITUDE_WEIGHT", "\n# a remark\nMAGNITUDE_WEIGHT"))
    assert not changed(before, edited("losses.py", '"""', '"""Other words. '))


@pytest.mark.slow
def test_a_constant_changes_exactly_the_runs_that_use_it(edited):
    before = edited()
    assert changed(before, edited("methods/rtfm.py", "MAGNITUDE_WEIGHT = ", "MAGNITUDE_WEIGHT = 2 * ")) == {"rtfm", "clip-tsa"}
    assert changed(before, edited("methods/mil_losses.py", "TRIPLET_MARGIN = ", "TRIPLET_MARGIN = 2 * ")) == {
        "ur-dmu",
        "msf-dmu",
        "proposed",
    }


@pytest.mark.slow
def test_what_every_run_uses_changes_every_key(edited):
    before = edited()
    assert changed(before, edited("runs/measure.py", "def test_metrics(", "UNUSED = 1\n\n\ndef test_metrics(")) == set()
    assert changed(before, edited("runs/trainer.py", "class Trainer:", "class Trainer:\n    more = 1\n")) == {*METHODS}
    on_bags = changed(before, edited("data/batches.py", "class BalancedBatches:", "class BalancedBatches:\n    more = 1\n"))
    assert on_bags == {*ON_BAGS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "method"),
    [
        ("methods/logistic_regression.py", "max_iter=1000", "max_iter=999", "logistic-regression"),
        ("methods/supervised.py", "max_iter=1000", "max_iter=999", "supervised"),
        ("methods/fusion_gan/scoring.py", "FLAT_DB = ", "FLAT_DB = 2 * ", "fusion-gan"),
    ],
)
def test_methods_with_a_learner_of_their_own_have_a_key_of_their_own(edited, file, old, new, method):
    before = edited()
    assert changed(before, edited(file, old, new)) == {method}


def test_a_run_does_not_depend_on_other_methods():
    used = meanings(code_roots(METHODS["rtfm"]))
    assert not [name for name in used if ".mgfn." in name or ".vadclip." in name]
    assert "vad_lib.methods.rtfm.RTFM" in used
    assert "vad_lib.losses.topk_mean" in used


def test_an_unknown_root_is_named():
    with pytest.raises(ConfigError, match="defines no 'Nothing'"):
        code_key("vad_lib.losses.Nothing")
    with pytest.raises(ConfigError, match="expected a definition"):
        code_key("vad_lib.nowhere.Nothing")
