"""The equation map: every equation has its function, its test and its place in a notebook."""

import importlib
import json
from pathlib import Path

import pytest

from vad_lib.report import equations
from vad_lib.storage.paths import PROJECT_ROOT, Layout


@pytest.mark.parametrize("equation", equations.EQUATIONS, ids=lambda equation: equation.number)
def test_every_equation_has_its_function_and_its_test(equation):
    module, name = equation.function.rsplit(".", 1)
    function = getattr(importlib.import_module(module), name)
    assert callable(function)
    test = PROJECT_ROOT / equation.test
    assert test.is_file()
    assert name in test.read_text(encoding="utf-8"), f"{equation.test} does not use {name}"


def test_the_map_has_all_eighteen_equations():
    numbers = {equation.number for equation in equations.EQUATIONS}
    assert numbers == {str(number) for number in range(1, 19)} | {"PCL", "L_m"}


def test_places_are_the_first_heading_that_mentions_an_equation(tmp_path):
    def notebook(name: str, *cells: tuple[str, str]) -> None:
        content = {"cells": [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in cells]}
        (tmp_path / name).write_text(json.dumps(content))

    notebook("00_a.ipynb", ("markdown", "# Start\nEquation 3 here.\n## Later\nEqs. 5 to 7."), ("code", "# equation 1"))
    notebook("01_b.ipynb", ("markdown", "text without heading, equation 6"), ("markdown", "## Own\nequations 1, 2 and 18"))
    places = equations.equation_places(tmp_path)
    assert places["3"] == "00_a.ipynb, *Start*"
    assert places["5"] == places["6"] == places["7"] == "00_a.ipynb, *Later*"
    assert places["1"] == places["2"] == places["18"] == "01_b.ipynb, *Own*"
    assert "4" not in places


def test_every_equation_has_a_place_in_the_notebooks():
    rows = equations.equation_map(Layout.create("quick")).splitlines()[2:]
    without = [row for row in rows if row.endswith("|  |")]
    assert not without, "mention these equations in a text cell of a notebook: " + "; ".join(without)
    assert len(rows) == len(equations.EQUATIONS) and all(Path(row.split("`")[3]).name.startswith("test_") for row in rows)
