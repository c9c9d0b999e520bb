"""What holds, in five lines: the README's first table, each answer with its interval on rendered and on real footage."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.open_questions.findings import Answered, usual_size, verdict_text
from vad_lib.report.rendered_and_real import INHERITED, LANGUAGE, FootageSet
from vad_lib.report.tables.table import NOT_RUN, markdown_grid
from vad_lib.storage.paths import Layout


class Line(NamedTuple):
    """One question with one difference as its answer.

    Attributes:
        asked: the question.
        difference: which row minus which other one.
        finding: name of the question in :data:`vad_lib.open_questions.findings.QUESTIONS`, and of the comparison in its answer.
        real: the rows that are compared on real footage, see :mod:`vad_lib.report.rendered_and_real`; None where it cannot answer.
        notebook: that computes it.
    """

    asked: str
    difference: str
    finding: tuple[str, str]
    real: tuple[str, str] | None
    notebook: str


LINES: tuple[Line, ...] = (
    Line(
        "Does the paper's model beat inherited labels?",
        "Proposed minus logistic regression, for which every snippet is what its video is",
        ("inherited", "Proposed"),
        (INHERITED, "proposed"),
        "02_training",
    ),
    Line(
        "Does the branch with language add to the visual one?",
        "Proposed minus MSF-DMU",
        ("language", "Proposed"),
        LANGUAGE,
        "02_training",
    ),
    Line(
        "Does the fine-grained loss help to say *which* anomaly?",
        "+ fine minus + PCL + DBAGF, in points of mAP AVG (Table 6)",
        ("naming", "+ fine"),
        None,
        "03_ablation",
    ),
    Line(
        "Must the text mean something?",
        "random vectors minus sentences about the categories",
        ("text", "random vectors"),
        None,
        "06_beyond_the_paper",
    ),
    Line(
        "Do more crops of every snippet help?",
        "ten crops minus the centre crop, in training and testing",
        ("crops", "10 crops"),
        None,
        "06_beyond_the_paper",
    ),
)


def five_lines(answers: Answered, layout: Layout, datasets: Sequence[Dataset], real: Sequence[FootageSet]) -> str:
    """The table in Markdown, with a note on how to check it.

    Args:
        answers: of :func:`vad_lib.open_questions.findings.answered`.
        layout: whose runs were read.
        datasets: the rendered ones, in the order of the columns; without features.
        real: sets of real footage; those whose category has no text are left out where language is asked about.
    """
    sizes = {dataset.name: usual_size(layout, dataset) for dataset in datasets}
    rows = []
    for line in LINES:
        question, name = line.finding
        found = [(answers[question, dataset.name].get(name), sizes[dataset.name][1]) for dataset in datasets]
        told = [verdict_text(each, seeds=seeds) if each else NOT_RUN for each, seeds in found]
        rows.append([f"**{line.asked}**<br>{line.difference}", *told, _on_real(line, real), f"`{line.notebook}`"])
    columns = ["question", *(f"{d.title} (rendered), {d.headline_metric.upper()} points" for d in datasets)]
    grid = markdown_grid(pd.DataFrame(rows, columns=[*columns, "real footage, AUC points", "notebook"]), align="left")
    basis = [_basis(dataset.title, *sizes[dataset.name]) for dataset in datasets if sizes[dataset.name][1]]
    basis += [_basis(each.title, found.num_videos, found.num_seeds) for each in real for found in [*each.found.values()][:1]]
    remarks = [f"{each.title}: {each.remark}." for each in real if each.remark]
    if silent := [each.title for each in real if each.no_text]:
        remarks.append(f"Not asked about language, because their category has no text: {', '.join(silent)}.")
    return " ".join(
        (
            f"{grid}\n\nBrackets: interval over seeds and test videos at 95 %, which the answers to one question share.",
            f"*Cannot tell*: it holds 0, and ± is half of its width. {'; '.join(basis)}; an answer with other seeds names them.",
            *remarks,
            'Check a line: `make reproduce ARGS="--reference --only 03_ablation"`, with the notebook of its last column (for real',
            "footage 07_real_footage), computes it again from the committed scores and trains nothing.\n",
        )
    )


def _on_real(line: Line, real: Sequence[FootageSet]) -> str:
    if line.real is None:
        return NOT_RUN
    counted = [each for each in real if not (each.no_text and line.real == LANGUAGE)]
    found = {each.title: each.found.get((*line.real, "auc")) for each in counted}
    return "<br>".join(f"{title}: {verdict_text(each) if each else NOT_RUN}" for title, each in found.items()) or NOT_RUN


def _basis(title: str, videos: int, seeds: int) -> str:
    return f"{title}: {seeds} {'seed' if seeds == 1 else 'seeds'}, {videos} test videos"
