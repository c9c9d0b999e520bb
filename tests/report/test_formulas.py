"""Formulas become MathML, or an error that says where they stand."""

import pytest

from vad_lib.errors import DataError
from vad_lib.report.formulas import mathml


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\frac{1}{k}", "<mfrac>"),
        (r"S_{video}", "<msub>"),
        (r"\operatorname{softmax}_c", "softmax"),
        (r"\arg\max_t s_t", "arg"),
        (r"a < b", "&#x0003C;"),
    ],
)
def test_a_formula_is_mathml(latex, expected):
    made = mathml(latex, "here")
    assert made.startswith("<math") and expected in made and "\\" not in made


def test_a_formula_in_a_line_of_its_own_says_so():
    assert 'display="block"' in mathml("x", "here", block=True)
    assert 'display="inline"' in mathml("x", "here")


@pytest.mark.parametrize("latex", [r"\unknowncommand{x}", r"\left( x", "x^"])
def test_a_formula_that_cannot_be_drawn_is_an_error_with_its_place(latex):
    with pytest.raises(DataError, match=r"00\.ipynb, cell abc.*latex2mathml"):
        mathml(latex, "00.ipynb, cell abc")
