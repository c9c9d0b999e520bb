"""Cards of findings: pictures drawn from the numbers, one axis a card."""

import re

from vad_lib.evaluation.comparisons import Comparison
from vad_lib.open_questions.told import Answers
from vad_lib.site.findings import EDGE, HEIGHT, WIDTH, Answer, asked_in_notebooks, picture

BETTER = Comparison("auc", 0.0297, 0.01, 0.0071, 0.0631, 0.9917, "", (1, 2), (0.02, 0.04), 56)


def test_a_picture_has_its_ends_where_the_numbers_are():
    drawn = picture(Answer("", "cannot tell", 0.0, -5.0, 10.0), end=10)
    reach = re.search(r'class="reach" d="M([\d.]+) [\d.]+H([\d.]+)"', drawn)
    assert [float(x) for x in reach.groups()] == [WIDTH / 2 - (WIDTH / 2 - EDGE) / 2, WIDTH - EDGE]
    assert f'<circle cx="{WIDTH / 2}" cy="{HEIGHT / 2}"' in drawn  # a round mark where one cannot tell


def test_a_verdict_has_a_shape_beside_its_colour():
    shapes = {verdict: picture(Answer("", verdict, 1, 0.5, 2), 5) for verdict in ("better", "worse", "cannot tell")}
    assert "<rect" in shapes["better"] and "l7 7" in shapes["worse"] and "<circle" in shapes["cannot tell"]


def test_answers_of_the_notebook_become_cards_with_pictures_where_there_is_one_interval():
    said = Answers({"a": "A (rendered videos)", "b": "B"})
    said.add("a", "Q?", "whatever the words are", BETTER)
    said.add("b", "Q?", "")
    said.tell("cell-1")
    said.add("a", "Many?", "12 seeds; 3 videos")
    said.tell("x")
    pages = {"06_beyond_the_paper": "notebooks/06.html"}
    first, second = asked_in_notebooks(said.table().assign(notebook="06_beyond_the_paper"), pages, "findings.html")
    assert first.asked == "Q?" and [group.dataset for group in first.groups] == ["A", "B"]
    assert first.groups[0].answers == (Answer("", "better", 2.97, 0.71, 6.31),) and not first.groups[1].answers
    assert first.groups[0].link == "notebooks/06.html#cell-id=cell-1" and {group.end for group in first.groups} == {10.0}
    assert not second.groups[0].answers and second.groups[0].text == "12 seeds; 3 videos"
