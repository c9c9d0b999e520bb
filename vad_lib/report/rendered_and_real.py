"""Differences that rendered and real footage can both answer, and what may be said of each: better, worse, cannot tell.

The same pairs of rows are compared on every data set, seed by seed and on the same test videos. A difference on rendered
footage and one on real footage are two answers to one question; they are set side by side and never put together into one
number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation.comparisons import Comparison, compare, comparison_text, end_text, have_common_seeds, points_of_percent
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.report.tables.table import METRIC_TITLES, NOT_RUN, Table
from vad_lib.runs.finished_runs import load_runs
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout

NAME = "forest"  # of the table and of the figure's files
HeadlineMetric = Literal["auc", "ap"]
METRICS: tuple[HeadlineMetric, ...] = ("auc", "ap")
Footage = Literal["rendered", "real"]
FOOTAGES: tuple[Footage, ...] = ("rendered", "real")
WORDS = ("better", "worse", "cannot tell")

# The row that is subtracted, and the row that it is subtracted from.
INHERITED = "logistic-regression"  # every snippet is said to be what its video is
MIL = ("ur-dmu", "msf-dmu", "proposed")
QUESTIONS: tuple[tuple[str, str], ...] = (*((INHERITED, row) for row in MIL), ("ur-dmu", "msf-dmu"), ("msf-dmu", "proposed"))
LANGUAGE = QUESTIONS[-1]  # the step that adds the branch with language
ROWS = tuple(dict.fromkeys(row for pair in QUESTIONS for row in pair))
_NAMES = {INHERITED: "logistic regression", "ur-dmu": "UR-DMU", "msf-dmu": "MSF-DMU", "proposed": "Proposed"}

Differences = Mapping[tuple[str, str, str], Comparison]  # (row subtracted, row, metric) -> its comparison


@dataclass(frozen=True)
class FootageSet:
    """A data set and the differences that were measured on it.

    Attributes:
        title: in figures and tables.
        footage: rendered by this project, or real.
        found: the differences; those that were not run are missing.
        remark: what to know wherever its numbers stand; empty for nothing.
        no_text: why it says nothing of language; empty where its categories have texts.
    """

    title: str
    footage: Footage
    found: Differences
    remark: str = ""
    no_text: str = ""


def question_title(first: str, second: str) -> str:
    """A difference in words.

    Example:
        >>> question_title("ur-dmu", "msf-dmu")
        'MSF-DMU minus UR-DMU'
    """
    return f"{_NAMES[second]} minus {_NAMES[first]}"


def differences(
    rows: Mapping[str, Sequence[ScoredVideos]], metrics: Iterable[HeadlineMetric] = METRICS
) -> dict[tuple[str, str, str], Comparison]:
    """Every question that some rows can answer, by every metric; a question without a common seed is left out.

    Args:
        rows: variant -> its runs, one per seed.
        metrics: to compare by.

    Raises:
        DataError: a seed twice, or runs on different test videos.
    """
    metrics = tuple(metrics)
    found: dict[tuple[str, str, str], Comparison] = {}
    for first, second in QUESTIONS:
        one, other = rows.get(first, ()), rows.get(second, ())
        if have_common_seeds(one, other):
            found |= {(first, second, metric): compare(one, other, metric) for metric in metrics}
    return found


def of_runs(layout: Layout, dataset: Dataset) -> FootageSet:
    """The differences of a data set's finished runs, one's own or the reference's.

    Args:
        layout: where runs are read from.
        dataset: its features are not needed.

    Raises:
        DataError: runs that do not belong into one table.
    """
    runs = load_runs(layout, dataset.name, ROWS)
    found = differences({row: scored_rows(theirs) for row, theirs in runs.items()})
    return FootageSet(dataset.title, "rendered" if dataset.synthetic else "real", found)


def forest_points(sets: Sequence[FootageSet], metric: HeadlineMetric = "auc") -> pd.DataFrame:
    """One row per question and data set, questions in their order and rendered sets before real ones.

    Returns:
        columns ``question``, ``data`` (title), ``footage``, ``remark``, ``no_text`` (of the question about language alone),
        ``difference``, ``low``, ``high`` (fractions; NaN where not run), ``word`` (``better``, ``worse``, ``cannot tell``, from the
        interval, or ``not run``), ``seeds``, ``videos``, ``metric`` (its title).
    """
    ordered = [each for footage in FOOTAGES for each in sets if each.footage == footage]
    rows = []
    for first, second in QUESTIONS:
        for each in ordered:
            found = each.found.get((first, second, metric))
            numbers = (found.mean, found.low, found.high, found.verdict, found.num_seeds, found.num_videos) if found else None
            rows.append(
                (
                    *(question_title(first, second), each.title, each.footage, each.remark),
                    each.no_text if (first, second) == LANGUAGE else "",
                    *(numbers or (np.nan, np.nan, np.nan, NOT_RUN, 0, 0)),
                    METRIC_TITLES[metric],
                )
            )
    columns = ["question", "data", "footage", "remark", "no_text"]
    columns += ["difference", "low", "high", "word", "seeds", "videos", "metric"]
    return pd.DataFrame(rows, columns=columns)


def reading(points: pd.DataFrame) -> list[str]:
    """What the intervals say, a sentence per question in Markdown: the word of each data set, difference and interval.

    Args:
        points: of :func:`forest_points`.
    """
    sentences = []
    for question in dict.fromkeys(points["question"]):
        mine = points[points["question"] == question]
        parts = [f"{footage} footage, {_said(mine[mine['footage'] == footage])}" for footage in FOOTAGES]
        uncounted = "".join(f" Not counted are {left_out}." for left_out in without_text(mine))
        sentences.append(f"**{question}.** On {'; on '.join(parts)}. {_together(mine[mine['no_text'] == ''])}{uncounted}")
    return sentences


def without_text(points: pd.DataFrame) -> list[str]:
    """Which sets say nothing of language, and why, such as ``Street, Campus: no texts``; sets with one reason together."""
    named = points[points["no_text"] != ""].groupby("no_text", sort=False)["data"].unique()
    return [f"{', '.join(titles)}: {reason}" for reason, titles in named.items()]


def _said(rows: pd.DataFrame) -> str:
    """The words of some data sets, each with its difference and the ends of its interval in points."""
    if not (rows["word"] != NOT_RUN).any():
        return NOT_RUN
    parts = []
    for row in rows.itertuples():
        ends = f"{end_text(row.low)} to {end_text(row.high)}"
        numbers = "" if row.word == NOT_RUN else f" ({points_of_percent(row.difference)}, {ends})"
        parts.append(f"*{row.word}* on {row.data}{numbers}")
    return ", ".join(parts)


def _together(rows: pd.DataFrame) -> str:
    """Whether both kinds of footage decide a question, and alike."""
    there = rows[rows["word"] != NOT_RUN]
    of_kind = {footage: there.loc[there["footage"] == footage, "word"] for footage in FOOTAGES}
    if any(words.empty for words in of_kind.values()):
        return "With one kind of footage there is nothing to set side by side."
    decided = {footage: words[words != "cannot tell"] for footage, words in of_kind.items()}
    shares = [f"{footage}: {len(decided[footage])} of {len(of_kind[footage])} data sets" for footage in FOOTAGES]
    both = {*decided["rendered"], *decided["real"]}
    if not both:
        return "Neither kind of footage decides it."
    if len(both) == 2:
        return f"Data sets contradict each other ({', '.join(shares)} decide it)."
    word = both.pop()
    deciding = [footage for footage in FOOTAGES if len(decided[footage])]
    if len(deciding) == 2:
        return f"Both kinds of footage say *{word}* where they decide it ({', '.join(shares)})."
    return f"Only {deciding[0]} footage decides it: *{word}* ({shares[FOOTAGES.index(deciding[0])].partition(': ')[2]})."


def counted(points: pd.DataFrame) -> str:
    """How many differences have which word, per kind of footage, with the median half-width."""
    parts = []
    for footage in FOOTAGES:
        mine = points[(points["footage"] == footage) & (points["word"] != NOT_RUN)]
        if not len(mine):
            parts.append(f"{footage} footage: {NOT_RUN}")
            continue
        half = 100 * float(((mine["high"] - mine["low"]) / 2).median())
        words = ", ".join(f"{int((mine['word'] == word).sum())} *{word}*" for word in WORDS)
        parts.append(f"{footage} footage: {len(mine)} differences, {words}; median half-width {half:.1f} points")
    if (points["seeds"] == 1).any():
        parts.append("where a data set has one seed, its intervals are of these very models, not of their methods")
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def in_short(*by_metric: pd.DataFrame) -> str:
    """What both kinds of footage say of the two steps that matter most: multiple instances, and language.

    Args:
        by_metric: of :func:`forest_points`, for one metric or for each.
    """
    *names, last = (_NAMES[row] for row in MIL)
    better = "; ".join(_better_counts(points, explain=not place) for place, points in enumerate(by_metric))
    left_out = "".join(f"; not counted are {sets}" for sets in without_text(by_metric[0]))
    return (
        f"{', '.join(names)} and {last}, each built on the one before, are better than inherited labels {better}. Other methods "
        "with multiple-instance learning are not counted (pages of the sets). "
        f"{question_title(*LANGUAGE)}: {'; '.join(map(_language_counts, by_metric))}{left_out}. "
        "Each interval stands by itself at 95 %."
    )


def _better_counts(points: pd.DataFrame, explain: bool) -> str:
    """How often methods with multiple instances are better, per kind of footage; doubtful ones are counted, or explained too."""
    of_mil = points[(points["word"] != NOT_RUN) & points["question"].isin([question_title(INHERITED, row) for row in MIL])]
    parts = []
    for footage in FOOTAGES:
        mine = of_mil[of_mil["footage"] == footage]
        better = mine[mine["word"] == "better"]
        share = f"in {len(better)} of {len(mine)} comparisons" if len(mine) else NOT_RUN
        doubted = better[better["remark"] != ""].groupby(["data", "remark"], sort=False).size()
        remarks = [f"{count} of them on {data}" + f": {remark}" * explain for (data, remark), count in doubted.items()]
        parts.append(f"{share} on {footage} footage" + (f" ({'; '.join(remarks)})" if remarks else ""))
    return f"by {points['metric'].iloc[0]} {' and '.join(parts)}"


def _language_counts(points: pd.DataFrame) -> str:
    mine = points[(points["word"] != NOT_RUN) & (points["question"] == question_title(*LANGUAGE)) & (points["no_text"] == "")]
    words = [f"{word} on {count}" for word in WORDS if (count := int((mine["word"] == word).sum()))]
    said = f"{', '.join(words)} of {len(mine)} data sets" if words else NOT_RUN
    return f"by {points['metric'].iloc[0]} {said}"


def alternative_text(points: pd.DataFrame) -> str:
    """The forest plot for a reader who does not see it."""
    there = points[points["word"] != NOT_RUN]
    return (
        f"Forest plot of {len(there)} differences in {points['metric'].iloc[0]} points with 95 % intervals, rendered (squares) and "
        f"real footage (circles) under each other for {points['question'].nunique()} questions. {in_short(points)}"
    )


def forest_table(sets: Sequence[FootageSet], sources: Sequence[str] = ()) -> Table:
    """The differences as the table ``forest``: a row per question and data set, by AUC and by AP.

    Args:
        sets: with their differences.
        sources: sentences on where the numbers are from.
    """
    by = {metric: forest_points(sets, metric) for metric in METRICS}
    ordered = [each for footage in FOOTAGES for each in sets if each.footage == footage]
    rows = []
    for place, row in enumerate(by["auc"].itertuples()):
        first, second = QUESTIONS[place // len(ordered)]
        found = ordered[place % len(ordered)].found
        cells = {"difference": row.question, "data set": row.data, "footage": row.footage}
        for metric in METRICS:
            there = found.get((first, second, metric))
            cells[f"{METRIC_TITLES[metric]} points"] = comparison_text(there) if there else NOT_RUN
        status = "run" if row.word != NOT_RUN else NOT_RUN
        rows.append(cells | {"seeds": str(row.seeds), "test videos": str(row.videos), "status": status})
    remarks = [f"{each.title}: {words}." for each in ordered if (words := "; ".join(filter(None, (each.remark, each.no_text))))]
    made_with = (
        "Difference and 95 % interval in percentage points, paired by seed and test video, over seeds (Student's t) and test "
        "videos (BCa bootstrap); with one seed over test videos only. The step was chosen on validation videos. The word follows "
        "from the interval; each interval stands by itself, so that of twenty between equal rows one will seem to differ."
    )
    return Table(
        NAME,
        "Rendered and real footage: differences that both can answer",
        pd.DataFrame(rows),
        (False,) * len(rows),
        ("",) * len(rows),
        " ".join((made_with, *remarks, *sources)),
    )


def readme_markdown(by_metric: Sequence[pd.DataFrame], image: Path, page: Path) -> str:
    """The part of the README on rendered and real footage: the figure, if it is there, and its counts by every metric.

    Args:
        by_metric: of :func:`forest_points`, first by the metric of the figure.
        image: the figure's file.
        page: the README.
    """
    sentence = f"{in_short(*by_metric)} [`results/real_footage`](results/real_footage/README.md) has every real set.\n"
    if not image.is_file():
        return sentence
    return f"![{alternative_text(by_metric[0])}]({image.relative_to(page.parent).as_posix()})\n\n{sentence}"
