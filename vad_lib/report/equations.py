"""The page that maps equations to functions, tests and notebooks."""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from vad_lib.report.tables.table import markdown_grid
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json


class Equation(NamedTuple):
    """Where an equation of the paper lives.

    Attributes:
        number: as the paper counts; ``PCL`` and ``L_m`` are defined in its text without a number.
        meaning: in a few words.
        function: dotted name of the function that computes it.
        test: file with its example worked by hand, relative to the project folder.
    """

    number: str
    meaning: str
    function: str
    test: str


EQUATIONS = (
    Equation("PCL", "learned text features", "vad_lib.model.learned_text", "tests/equations/test_pcl.py"),
    Equation("1", "projection of visual features", "vad_lib.model.project_visual", "tests/equations/test_eq_01.py"),
    Equation("2", "modulation vector", "vad_lib.model.modulation_vector", "tests/equations/test_eq_02.py"),
    Equation("3", "alignment map", "vad_lib.model.alignment_map", "tests/equations/test_eq_03.py"),
    Equation("4", "category scores", "vad_lib.model.category_scores", "tests/equations/test_eq_04.py"),
    Equation("5", "semantic score", "vad_lib.model.semantic_score", "tests/equations/test_eq_05.py"),
    Equation("6", "gate weight", "vad_lib.model.gate_weight", "tests/equations/test_eq_06.py"),
    Equation("7", "fused score", "vad_lib.model.fuse", "tests/equations/test_eq_07.py"),
    Equation("8", "video score", "vad_lib.model.video_score", "tests/equations/test_eq_08.py"),
    Equation("9", "total loss", "vad_lib.losses.total_loss", "tests/equations/test_eq_09.py"),
    Equation("L_m", "main loss", "vad_lib.losses.main_loss", "tests/test_losses.py"),
    Equation("10", "classification loss", "vad_lib.losses.classification_loss", "tests/equations/test_eq_10.py"),
    Equation("11", "its term for normal videos", "vad_lib.losses.normal_suppression_loss", "tests/equations/test_eq_11.py"),
    Equation("12", "alignment loss", "vad_lib.losses.alignment_loss", "tests/equations/test_eq_12.py"),
    Equation("13", "consistency loss", "vad_lib.losses.consistency_loss", "tests/equations/test_eq_13.py"),
    Equation("14", "true positive rate", "vad_lib.metrics.true_positive_rate", "tests/equations/test_eq_14.py"),
    Equation("15", "false positive rate, false alarm rate", "vad_lib.metrics.false_positive_rate", "tests/equations/test_eq_15.py"),
    Equation("16", "area under the ROC curve", "vad_lib.metrics.frame_roc_auc", "tests/equations/test_eq_16.py"),
    Equation("17", "average precision", "vad_lib.metrics.average_precision", "tests/equations/test_eq_17.py"),
    Equation("18", "precision and recall", "vad_lib.metrics.precision_recall", "tests/equations/test_eq_18.py"),
)

_MENTION = re.compile(r"\b(?:equations?|eqs?\.)\s+(\d+(?:\s*(?:,|and|to|-)\s*\d+)*)", re.IGNORECASE)


def mentioned_equations(text: str) -> set[str]:
    """Numbers and names of the equations that a text mentions.

    Example:
        >>> sorted(mentioned_equations("Equations 5 to 7 and 9; PCL stands before (eq. 1)."), key=str)
        ['1', '5', '6', '7', '9', 'PCL']
    """
    found = {name for name in ("PCL", "L_m") if re.search(rf"\b{name}\b", text)}
    for numbers in _MENTION.findall(text):
        for first, last in re.findall(r"(\d+)(?:\s*(?:to|-)\s*(\d+))?", numbers):
            found |= {str(number) for number in range(int(first), int(last or first) + 1)}
    return found


def equation_places(notebooks: Path) -> dict[str, str]:
    """Equation -> the notebook and heading where a text cell first mentions it, in the order of the notebooks."""
    places: dict[str, str] = {}
    for path in sorted(notebooks.glob("*.ipynb")):
        heading = ""
        for cell in read_json(path)["cells"]:
            if cell["cell_type"] != "markdown":
                continue
            for part in re.split(r"(?m)^(?=#+ )", "".join(cell["source"])):
                if part.startswith("#"):
                    heading = part.splitlines()[0].lstrip("# ")
                for number in mentioned_equations(part):
                    places.setdefault(number, f"{path.name}, *{heading}*")
    return places


def equation_map(layout: Layout) -> str:
    """Markdown table: equation, function, test, and the notebook section that explains it."""
    places = equation_places(layout.notebooks)
    rows = [
        {
            "equation": equation.number,
            "meaning": equation.meaning,
            "function": f"`{equation.function.removeprefix('vad_lib.')}`",
            "test": f"`{equation.test}`",
            "notebook": places.get(equation.number, ""),
        }
        for equation in EQUATIONS
    ]
    return markdown_grid(pd.DataFrame(rows), align="left") + "\n"
