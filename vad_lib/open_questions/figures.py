"""Figures of the open questions: a panel per question, confusion of categories, unseen categories, controls.

Every function returns a matplotlib figure and the plotted points. Points hold fractions, axes show percent.
"""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval
from vad_lib.open_questions.questions import BASE, QUESTIONS
from vad_lib.open_questions.wording import short
from vad_lib.report.figures.alternative_texts import composed, counted, largest_cells, percent
from vad_lib.report.figures.intervals import FARTHEST, WORD_COLOURS, beyond, forest_plot, verdicts
from vad_lib.report.figures.style import BLACK, BLUE, GREY, ORANGE, beside, describe, headline, looks, style
from vad_lib.report.tables.table import METRIC_TITLES

_SELECTION = "best_on_validation"  # whose values are shown
_BAND = 0.15  # how dense a band is
_SEED: dict[str, Any] = {"ms": 4.5, "alpha": 0.5, "mew": 0}


def question_panels(
    results: pd.DataFrame,
    compared: Mapping[str, Mapping[str, Comparison]],
    title: str,
) -> tuple[Figure, pd.DataFrame]:
    """A panel per question: a dot per seed, a ring at the mean, the base as a line at its mean and a band over its seeds.

    The answer with the highest mean comes first. One panel stands under the other, so that letters keep their
    size however many questions there are. Seeds farther than :data:`FARTHEST` below the base stand as numbers at the left
    edge: one failed run would otherwise make all differences too small to be seen.

    Args:
        results: of :func:`vad_lib.open_questions.answers.grid_results`, of one data set; questions with the base alone are
            left out.
        compared: question -> what :func:`vad_lib.open_questions.answers.compare_answers` found; its verdicts give the colours.
        title: of the figure; names the data.

    Returns:
        the figure, and one row per dot: ``question``, ``answer``, ``seed``, ``value``, ``verdict``.

    Raises:
        DataError: no answer beside the base.
    """
    tried = results.groupby("question")["answer"].nunique()
    questions = sorted((name for name in QUESTIONS if tried.get(name, 0) > 1), key=lambda name: -tried[name])
    if not questions:
        raise DataError("grid: expected answers beside the base, got none; train the grid first (make questions).")
    points, rows = [], [tried[name] - 1 for name in questions]
    with style():
        size, ratios = (10, 1.3 + sum(0.95 + 0.3 * row for row in rows)), [1.6 + row for row in rows]
        fig, grid = plt.subplots(len(rows), 1, figsize=size, height_ratios=ratios, sharex=True, squeeze=False)
        panels = list(grid.flat)
        words = [found.word for name in questions for found in compared.get(name, {}).values()]
        headline(fig, title, f"against {BASE}: {verdicts(words)}" if words else "")
        edge = 100 * (results.loc[results["answer"] == BASE, _SELECTION].mean() - FARTHEST)
        for axes, name in zip(panels, questions):
            values = results[results["question"] == name].rename(columns={_SELECTION: "value"})
            points += _draw_question(axes, name, values, compared.get(name, {}), edge)
        if any(100 * point[3] < edge for point in points):
            panels[0].set_xlim(left=edge)
        metric = METRIC_TITLES[results["metric"].iloc[0]]
        panels[-1].set_xlabel(f"{metric} %")
        _draw_legend(fig, panels[0], {point[4] for point in points})
    drawn = pd.DataFrame(points, columns=["question", "answer", "seed", "value", "verdict"])
    what = f"{counted(len(questions), 'panel')} with a row per answer, {title}. {metric} in percent, mean over seeds"
    describe(fig, composed(what, _answers_in_words(drawn, compared)))
    return fig, drawn


def _answers_in_words(points: pd.DataFrame, compared: Mapping[str, Mapping[str, Comparison]]) -> list[str]:
    """A part of a sentence per question: the base, then every answer with its paired difference and its word."""
    said = []
    for name, rows in points.groupby("question", sort=False):
        means, found = rows.groupby("answer", sort=False)["value"].mean(), compared.get(str(name), {})
        answers = [
            f"{answer} {percent(mean)}" + (f", paired {short(found[answer])} {found[answer].word}" if answer in found else "")
            for answer, mean in means.items()
            if answer != BASE
        ]
        said.append(f"{QUESTIONS[str(name)].asks} {BASE} {percent(means.get(BASE, np.nan))}, {', '.join(answers)}")
    return said


def _draw_question(axes: Axes, name: str, results: pd.DataFrame, compared: Mapping[str, Comparison], edge: float) -> list[tuple]:
    """One panel; its points. Values left of the edge, in percent, are written there."""
    means = results.groupby("answer", sort=False)["value"].mean()
    ordered = means.drop(BASE, errors="ignore").sort_values(ascending=False, kind="stable")
    base = results[results["answer"] == BASE].set_index("seed")["value"]
    points = [(name, BASE, seed, value, "") for seed, value in base.items()]
    axes.axvspan(100 * base.min(), 100 * base.max(), color=BLUE, alpha=_BAND, lw=0)
    axes.axvline(100 * base.mean(), color=BLUE, lw=1, ls=":")
    for place, answer in enumerate(ordered.index):
        verdict = compared[answer].verdict if answer in compared else ""
        colour = WORD_COLOURS.get(verdict, GREY)
        values = results[results["answer"] == answer].set_index("seed")["value"]
        axes.plot(100 * values, np.full(len(values), place), "o", color=colour, **_SEED)
        axes.plot(100 * values.mean(), place, "o", mfc="none", mec=colour, mew=1.8, ms=9)
        if outside := [value for value in 100 * values if value < edge]:
            beyond(axes, place, edge, -1, outside, colour)
        points += [(name, answer, seed, value, verdict) for seed, value in values.items()]
    axes.set_yticks(range(len(ordered)), ordered.index, fontsize=10)
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="x", labelbottom=True, labelsize=8.5)  # the last panel may be far below what a reader sees
    axes.set_title(fill(f"{name}: {QUESTIONS[name].asks}", 80, break_on_hyphens=False), fontsize=10.5, loc="left")
    return points


def _draw_legend(fig: Figure, axes: Axes, verdicts: set[str]) -> None:
    axes.plot([], [], ":", color=BLUE, lw=1, label=f"{BASE}, mean of all its seeds")
    axes.fill_between([], [], color=BLUE, alpha=_BAND, lw=0, label="its seeds")
    axes.plot([], [], "o", mfc="none", mec=GREY, mew=1.8, ms=9, label="mean of an answer")
    for verdict, colour in WORD_COLOURS.items():
        if verdict in verdicts:
            axes.plot([], [], "o", color=colour, **_SEED, label=f"a seed, {verdict}")
    fig.legend(loc="outside lower center", ncols=3, fontsize=9)


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
        axes.set(xlabel="named", ylabel="category of the video")
        own = pd.Series({name: shares.loc[name, name] for name in shares.index if name in shares.columns})
        worst = f"{own.idxmin()} {100 * own.min():.0f} %" if len(own) else ""
        headline(fig, title, f"called by its own name: from {worst} to {own.idxmax()} {100 * own.max():.0f} %" if worst else "")
        axes.tick_params(axis="x", rotation=40)
        axes.tick_params(axis="y", rotation=0)
        plt.setp(axes.get_xticklabels(), ha="right")
    said = [f"{name} {100 * share:.0f}" for name, share in own.items()]
    wrong = shares.copy()
    for name in own.index:
        wrong.loc[name, name] = np.nan
    confused = [cell for cell in largest_cells(100 * wrong.astype(float), 3) if not cell.endswith(" 0")]
    what = f"Confusion matrix, {title}. Percent of the videos of each category that are called by its own name"
    describe(fig, composed(what, said, f"Most often mistaken, own category first: {'; '.join(confused)}." if confused else ""))
    return fig, shares.rename_axis("category").reset_index().melt("category", var_name="named", value_name="share")


def unseen_categories(found: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """AUC on a category's videos and the normal ones, with its training videos and without; the highest unseen one on top.

    Args:
        found: of :func:`vad_lib.open_questions.categories.zero_shot_results`.
        title: of the figure; names the data.

    Returns:
        the figure, and ``found`` itself.
    """
    with style():
        fig, axes = plt.subplots(figsize=(10, 2.0 + 0.5 * len(found)))
        axes.axvline(50, color="black", lw=0.9, ls=":", label="chance")
        ordered = found.sort_values("unseen", ascending=False, kind="stable")
        unseen = f"never seen, words only ({100 * found['level'].iloc[0]:.4g} % interval)" if len(found) else ""
        for place, row in enumerate(ordered.itertuples()):
            first = place == 0
            axes.plot([100 * row.low, 100 * row.high], [place, place], color=ORANGE, lw=2, solid_capstyle="butt")
            axes.plot(100 * row.unseen, place, "o", color=ORANGE, ms=7, label=unseen * first)
            axes.plot(100 * row.seen, place, "D", mfc="white", mec=BLUE, mew=1.6, ms=6.5, label="seen in training" * first)
        axes.set_yticks(range(len(found)), [f"{row.category} ({row.videos} videos)" for row in ordered.itertuples()])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -1), min(high, 101))  # few seeds give intervals beyond what an AUC can be
        axes.set(xlabel="AUC %, its test videos and the normal ones")
        above = int((found["low"] > 0.5).sum())
        headline(fig, title, f"{above} of {len(found)} unseen categories with the whole interval above chance")
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    said = [
        f"{row.category} {percent(row.unseen)} ({percent(row.low)} to {percent(row.high)}), seen {percent(row.seen)}"
        for row in ordered.itertuples()
    ]
    describe(fig, composed(f"Dots with intervals, {title}. AUC in percent of categories never seen in training", said))
    return fig, found


def videos_against_frames(found: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """A mark per run: how well it tells whole videos apart, to the right; how well it finds the frames inside them, upwards.

    Args:
        found: of :func:`vad_lib.open_questions.failing.videos_and_frames`.
        title: of the figure.

    Returns:
        the figure, and ``found``.
    """
    drawn_as = looks(found["row"].unique())
    with style():
        fig, axes = plt.subplots(figsize=(10, 6))
        headline(fig, title)
        for name, runs in found.groupby("row", sort=False):
            colour, _, marker = drawn_as[name]
            axes.plot(100 * runs["videos"], 100 * runs["frames"], marker, color=colour, ms=7, mew=1.5, ls="", label=name, alpha=0.8)
        axes.axhline(50, color=BLACK, lw=1, ls=":")
        axes.set(xlabel="validation videos, AUC %: which videos?", ylabel="within abnormal test videos, AUC %: which frames?")
        beside(axes, 50, "chance")
        fig.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    means = found.groupby("row", sort=False)[["videos", "frames"]].mean()
    said = [f"{name} {percent(row.videos)} and {percent(row.frames)}" for name, row in means.iterrows()]
    what = f"A mark per run, {title}. AUC of validation videos and AUC within abnormal test videos, percent, means over seeds"
    describe(fig, composed(what, said))
    return fig, found


def beside_chance(found: Mapping[str, Interval], title: str) -> tuple[Figure, pd.DataFrame]:
    """Intervals of an AUC beside chance, a row each, the axis cut to what an AUC can be.

    Args:
        found: name of each row -> its AUC, such as those of :func:`vad_lib.open_questions.label_leaks.label_leak_intervals`.
        title: of the figure; names the data.

    Returns:
        the figure, and the rows of the plot.
    """
    fig, points = forest_plot(found, title)
    axes = fig.axes[0]
    low, high = axes.get_xlim()
    axes.axvline(50, color="black", lw=0.9, ls=":")
    axes.set_xlim(max(min(low, 45), -1), min(max(high, 55), 101))
    return fig, points
