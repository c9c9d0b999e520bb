"""Findings as cards: a question, its answers on each data set with pictures of their intervals, and the cell that computes them."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.open_questions.findings import QUESTIONS
from vad_lib.report.tables.table import METRIC_TITLES
from vad_lib.site.links import slug
from vad_lib.site.page import Page, filled, relative
from vad_lib.storage.paths import Layout


class Answer(NamedTuple):
    """A difference with its interval.

    Attributes:
        name: of what is compared; empty for the only answer.
        verdict: ``better``, ``worse``, ``cannot tell``, or another word of the question.
        mean, low, high: in percentage points.
    """

    name: str
    verdict: str
    mean: float
    low: float
    high: float

    @property
    def words(self) -> str:
        return f"{signed(self.mean)} points ({signed(self.low)} to {signed(self.high)})"


def signed(points: float) -> str:
    """A difference with its sign; what rounds to zero has none.

    Example:
        >>> signed(-0.04), signed(2.345), signed(-3.0)
        ('0.0', '+2.3', '-3.0')
    """
    text = f"{points:+.1f}"
    return "0.0" if float(text) == 0 else text


class Group(NamedTuple):
    """What a question found on one data set.

    Attributes:
        dataset: its title.
        metric: what the points are of.
        basis: seeds and test videos.
        answers: with an interval each; empty if nothing was run.
        link: from the page of findings to the cell.
        text: an answer in words, instead of ``answers``.
        end: of the axis, in points: it goes from ``-end`` to ``end``.
    """

    dataset: str
    metric: str
    basis: str
    answers: tuple[Answer, ...]
    link: str
    text: str = ""
    end: float = 1.0


class Card(NamedTuple):
    """A question with its answers.

    Attributes:
        asked: the question.
        anchor: of the card.
        groups: one per data set.
    """

    asked: str
    anchor: str
    groups: tuple[Group, ...]


def asked_and_found(layout: Layout, datasets: Sequence[Dataset], pages: dict[str, str], page: str) -> list[Card]:
    """The questions of the README with the comparisons that answer them.

    Args:
        layout: whose runs are read.
        datasets: without features.
        pages: name of an executed notebook -> path of its page.
        page: that shows the cards.

    Raises:
        DataError: a file of a run is damaged.
    """
    cards = []
    for question in QUESTIONS:
        groups = []
        for dataset in datasets:
            found = question.found(layout, dataset, DEFAULT_BOOTSTRAP)
            answers = tuple(
                Answer(name if len(found) > 1 else "", question.word or c.verdict, 100 * c.mean, 100 * c.low, 100 * c.high)
                for name, c in found.items()
            )
            notebook, cell = question.where[0].format(dataset=dataset.name), question.where[1]
            first = next(iter(found.values()), None)
            metric = METRIC_TITLES.get(first.metric, first.metric.upper()) if first else ""
            link, text = _link(pages, notebook, cell, page), "" if answers else "not run"
            groups.append(Group(dataset.title, metric, _basis([*found.values()]), answers, link, text))
        cards.append(Card(question.asked.rstrip(":"), slug(question.asked), _one_scale(groups)))
    return cards


def asked_in_notebooks(table: pd.DataFrame, pages: dict[str, str], page: str) -> list[Card]:
    """All questions of notebooks 06 and 10, from the tables of their answers; an answer with one interval gets its picture.

    Args:
        table: of :func:`vad_lib.report.answers.read_answers`.
        pages, page: see :func:`asked_and_found`.
    """
    cards = []
    for asked, rows in table.groupby("question", sort=False):
        groups = []
        for row in rows.itertuples():
            link = _link(pages, row.notebook, row.cell, page)
            numbers = (float(row.difference), float(row.low), float(row.high)) if row.word else ()
            answers = (Answer("", row.word, *numbers),) if numbers else ()
            groups.append(Group(row.data.partition(" (")[0], "", "", answers, link, row.answer))
        cards.append(Card(str(asked), "all-" + slug(str(asked)), _one_scale(groups)))
    return cards


def _basis(found: Sequence[Comparison]) -> str:
    videos, seeds = (sorted({getattr(c, name) for c in found}) for name in ("num_videos", "num_seeds"))
    if not found:
        return ""
    return f"{' or '.join(map(str, seeds))} {'seed' if seeds == [1] else 'seeds'}, {max(videos)} test videos"


def _link(pages: dict[str, str], notebook: str, cell: str, page: str) -> str:
    return f"{relative(pages[notebook], page)}#cell-id={cell}" if notebook in pages else ""


def _one_scale(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups of a card with one axis, so that they can be compared by eye."""
    reach = [abs(end) for group in groups for answer in group.answers for end in (answer.low, answer.high)]
    largest = max(reach, default=1.0)
    end = next(step for step in (1, 2, 5, 10, 20, 30, 40, 50, 75, 100) if largest <= step or step == 100)
    return tuple(group._replace(end=float(end)) for group in groups)


WIDTH, HEIGHT, EDGE = 300, 22, 8  # of the picture of an interval, in its own units


def picture(answer: Answer, end: float) -> str:
    """An interval as SVG: a line from its lower to its upper end, a mark at the mean, and a thin line at 0.

    Args:
        answer: in points.
        end: of the axis.
    """

    def x(value: float) -> float:
        return round(WIDTH / 2 + (WIDTH / 2 - EDGE) * max(-1.0, min(1.0, value / end)), 1)

    kind, middle = answer.verdict.replace(" ", "-"), HEIGHT / 2
    marks = {
        "better": f'<rect x="{x(answer.mean) - 5}" y="{middle - 5}" width="10" height="10"/>',
        "worse": f'<path d="M{x(answer.mean)} {middle - 7}l7 7l-7 7l-7 -7z"/>',
    }
    mark = marks.get(kind, f'<circle cx="{x(answer.mean)}" cy="{middle}" r="5"/>')
    return (
        f'<svg class="interval {kind}" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">'
        f'<path class="axis" d="M{EDGE} {middle}H{WIDTH - EDGE}"/><path class="zero" d="M{WIDTH / 2} 0V{HEIGHT}"/>'
        f'<path class="reach" d="M{x(answer.low)} {middle}H{x(answer.high)}"/>{mark}</svg>'
    )


def scale(end: float) -> str:
    """The numbers under the pictures of a card."""
    places = ((EDGE, f"−{end:g}", "start"), (WIDTH / 2, "0", "middle"), (WIDTH - EDGE, f"+{end:g}", "end"))
    words = "".join(f'<text x="{x}" y="13" text-anchor="{anchor}">{text}</text>' for x, text, anchor in places)
    return f'<svg class="interval scale" viewBox="0 0 {WIDTH} 18" aria-hidden="true">{words}</svg>'


def findings_page(path: str, cards: Sequence[Card], others: Sequence[Card]) -> Page:
    """The page of findings.

    Args:
        path: of the page.
        cards: the questions of the README.
        others: all questions of notebooks 06 and 10.
    """
    level = f"{100 * DEFAULT_BOOTSTRAP.level:g}"
    body = filled("findings.html.j2", cards=cards, others=others, level=level, picture=picture, scale=scale)
    return Page(path, "Findings", body, "findings", contents=True)


def in_one_sentence(cards: Sequence[Card]) -> str:
    """What the first two questions found, in a sentence or two made of their numbers."""
    sentences = []
    for card in cards[:2]:
        said = [f"{group.dataset}: {_short(group)}" for group in card.groups]
        sentences.append(f"{card.asked} {'; '.join(said)}.")
    return " ".join(sentences)


def _short(group: Group) -> str:
    if not group.answers:
        return group.text
    answer = group.answers[0]
    return f"{answer.verdict}, {answer.words.replace(' points', f' {group.metric} points', 1)}"
