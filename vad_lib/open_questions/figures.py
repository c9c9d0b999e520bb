"""What :mod:`vad_lib.open_questions.grid` found -> figures: a panel per question, category confusion, unseen categories, controls.

As in :mod:`vad_lib.report.figures.score_curves`, every function returns a matplotlib figure and the plotted points. Points hold fractions, axes
show percent.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval
from vad_lib.open_questions.questions import BASE, QUESTIONS
from vad_lib.report.figures.intervals import GREY, WORD_COLOURS, forest
from vad_lib.report.figures.style import BLUE, ORANGE, style
from vad_lib.report.tables.table import METRIC_TITLES

_SEED = {"ms": 4.5, "alpha": 0.5, "mew": 0}


def question_panels(
    results: pd.DataFrame,
    settled: Mapping[str, Mapping[str, Comparison]],
    title: str,
    rule: str = "best_on_validation",
    columns: int = 3,
) -> tuple[Figure, pd.DataFrame]:
    """A panel per question: a dot per seed, a ring at the mean, the base as the first row and as a line.

    Args:
        results: of :func:`vad_lib.open_questions.answers.grid_results`, of one data set; questions with the base alone are left out.
        settled: question -> what :func:`vad_lib.open_questions.answers.settle` found; its words give the colours.
        title: of the figure; names the data.
        rule: selection rule whose values are shown.
        columns: panels side by side.

    Returns:
        the figure, and one row per dot: ``question``, ``answer``, ``seed``, ``value``, ``word``.

    Raises:
        DataError: no answer beside the base.
    """
    tried = results.groupby("question")["answer"].nunique()
    # panels of equal height side by side
    questions = sorted((name for name in QUESTIONS if tried.get(name, 0) > 1), key=lambda name: -tried[name])
    if not questions:
        raise DataError("grid: expected answers beside the base, got none; train the grid first (make beyond).")
    metric, points = results["metric"].iloc[0], []
    columns = min(columns, len(questions))
    bands = [questions[start : start + columns] for start in range(0, len(questions), columns)]
    heights = [max(tried[name] for name in band) for band in bands]
    with style():
        fig, grid = plt.subplots(
            len(bands),
            columns,
            figsize=(max(4.6 * columns + 0.6, 8), 0.9 + sum(0.85 + 0.3 * height for height in heights)),
            height_ratios=[1.6 + height for height in heights],
            sharex=True,
            squeeze=False,
        )
        fig.suptitle(title, fontsize=12)
        for axes in grid.flat[len(questions) :]:
            axes.set_visible(False)
        for axes, name in zip(grid.flat, questions):
            chosen = results[results["question"] == name]
            answers = list(dict.fromkeys(chosen["answer"]))
            axes.axvline(100 * chosen.loc[chosen["answer"] == BASE, rule].mean(), color=BLUE, lw=1, ls=":")
            for place, answer in enumerate(answers):
                found = settled.get(name, {}).get(answer)
                word = "" if found is None else found.word
                colour = BLUE if answer == BASE else WORD_COLOURS.get(word, GREY)
                values = chosen[chosen["answer"] == answer].set_index("seed")[rule]
                axes.plot(100 * values, np.full(len(values), place), "o", color=colour, **_SEED)
                axes.plot(100 * values.mean(), place, "o", mfc="none", mec=colour, mew=1.8, ms=9)
                points += [(name, answer, seed, value, word) for seed, value in values.items()]
            axes.set_yticks(range(len(answers)), [f"({answer})" if answer == BASE else answer for answer in answers], fontsize=8.5)
            axes.set_ylim(len(answers) - 0.4, -0.6)
            axes.grid(axis="y", visible=False)
            axes.set_title(_wrapped(QUESTIONS[name].asks), fontsize=9, loc="left")
        for place in range(columns):
            last = [axes for axes in grid[:, place] if axes.get_visible()][-1]
            last.set_xlabel(f"{METRIC_TITLES[metric]} %")
            last.tick_params(labelbottom=True)
        legend = grid.flat[0]
        legend.plot([], [], "o", color=BLUE, **_SEED, label=f"{BASE}, one seed")
        legend.plot([], [], "o", mfc="none", mec=BLUE, mew=1.8, ms=9, label="mean of the seeds")
        for word, colour in WORD_COLOURS.items():
            if any(point[4] == word for point in points):
                legend.plot([], [], "o", color=colour, **_SEED, label=word)
        fig.legend(loc="outside lower center", ncols=5, fontsize=9)
    return fig, pd.DataFrame(points, columns=["question", "answer", "seed", "value", "word"])


def _wrapped(text: str, width: int = 46) -> str:
    """Words in lines of at most ``width`` letters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def confusion_matrix(shares: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """Rows: a video's own category; columns: what the alignment map calls it; percent of each row.

    Args:
        shares: of :func:`vad_lib.open_questions.categories.confusion`.
        title: of the figure; names the data.

    Returns:
        the figure, and one row per cell: ``category``, ``named``, ``share``.
    """
    size = 2.6 + 0.62 * len(shares)
    with style():
        fig, axes = plt.subplots(figsize=(size + 1.6, size))
        sns.heatmap(
            100 * shares, annot=True, fmt=".0f", cmap="cividis", vmin=0, vmax=100, ax=axes, cbar_kws={"label": "% of the row"}
        )
        axes.grid(visible=False)
        axes.set(xlabel="named", ylabel="category of the video", title=title)
        axes.tick_params(axis="x", rotation=40)
        axes.tick_params(axis="y", rotation=0)
        plt.setp(axes.get_xticklabels(), ha="right")
    return fig, shares.rename_axis("category").reset_index().melt("category", var_name="named", value_name="share")


def unseen_categories(found: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """AUC on a category's videos and the normal ones, with its training videos and without.

    Args:
        found: of :func:`vad_lib.open_questions.categories.zero_shot`.
        title: of the figure; names the data.

    Returns:
        the figure, and ``found`` itself.
    """
    with style():
        fig, axes = plt.subplots(figsize=(9, 1.8 + 0.5 * len(found)))
        axes.axvline(50, color="black", lw=0.9, ls=":", label="chance")
        for place, row in enumerate(found.itertuples()):
            first = place == 0
            axes.plot([100 * row.low, 100 * row.high], [place, place], color=ORANGE, lw=2, solid_capstyle="butt")
            axes.plot(100 * row.unseen, place, "o", color=ORANGE, ms=7, label="never seen, words only (95 % interval)" * first)
            axes.plot(100 * row.seen, place, "D", mfc="white", mec=BLUE, mew=1.6, ms=6.5, label="seen in training" * first)
        axes.set_yticks(range(len(found)), [f"{row.category} ({row.videos} videos)" for row in found.itertuples()])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -1), min(high, 101))  # few seeds give intervals beyond what an AUC can be
        axes.set(xlabel="AUC %, its test videos and the normal ones", title=title)
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    return fig, found


def beside_chance(found: Mapping[str, Interval], title: str) -> tuple[Figure, pd.DataFrame]:
    """Intervals of an AUC beside chance, the axis cut to what an AUC can be; see :func:`vad_lib.report.figures.intervals.forest`.

    Args:
        found: name of each row -> its AUC, such as those of :func:`vad_lib.open_questions.label_leaks.controls`.
        title: of the figure; names the data.

    Returns:
        the figure, and the rows of the forest.
    """
    fig, points = forest(found, title)
    axes = fig.axes[0]
    low, high = axes.get_xlim()
    axes.axvline(50, color="black", lw=0.9, ls=":")
    axes.set_xlim(max(min(low, 45), -1), min(max(high, 55), 101))
    return fig, points
