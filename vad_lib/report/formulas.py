"""LaTeX to MathML, which browsers draw without a script, a font or a network."""

import re
from typing import Any

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer

from vad_lib.errors import DataError

# Names of operators that latex2mathml does not know, in words that it knows.
_REWRITTEN = {r"\arg": r"\operatorname{arg}"}


def mathml(latex: str, where: str, *, block: bool = False) -> str:
    """A formula as MathML.

    Args:
        latex: without its dollar signs.
        where: the formula stands, for the message, such as ``04.ipynb, cell x``.
        block: True for a formula in a line of its own.

    Raises:
        DataError: latex2mathml cannot read it, or leaves a part of it as LaTeX.

    Example:
        >>> "<mfrac>" in mathml(r"\\frac{a}{b}", "an example")
        True
    """
    rewritten = latex.strip()
    for name, known in _REWRITTEN.items():
        rewritten = re.sub(re.escape(name) + r"(?![A-Za-z])", known.replace("\\", r"\\"), rewritten)
    reason = ""
    try:
        made = convert(rewritten, display="block" if block else "inline")
    except Exception as error:  # its parser has an error of its own for each way to be wrong, and lets others through
        made, reason = "", f"{type(error).__name__}: {error}"
    else:
        if left := re.search(r"\\[A-Za-z]+", made):
            reason = f"it does not know {left[0]}"
    if reason:
        raise DataError(
            f"{where}: expected a formula that latex2mathml can read, got ${latex.strip()}$ ({reason}). Write it with simpler "
            "commands."
        )
    return made


class MathRenderer(IPythonRenderer):
    """nbconvert's HTML of Markdown, with formulas that need no script.

    Args:
        where: the Markdown stands, for messages.
        attachments: of a notebook cell.
    """

    def __init__(self, where: str, attachments: dict[str, Any] | None = None) -> None:
        super().__init__(escape=False, attachments=attachments or {}, exclude_anchor_links=True)
        self._where = where

    def block_math(self, body: str) -> str:
        return mathml(body, self._where, block=True)

    def inline_math(self, body: str) -> str:
        return mathml(body, self._where)

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")
