"""Figures of training: loss terms, the path of the gate, and the step that each selection chooses."""

from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.report.figures.alternative_texts import composed, counted, course, courses, number, percent
from vad_lib.report.figures.style import (
    BLACK,
    BLUE,
    LINE_COLOURS,
    SELECTION_LOOKS,
    VERMILION,
    describe,
    headline,
    hide_unused,
    looks,
    style,
)
from vad_lib.report.tables.table import METRIC_TITLES, SELECTION_TITLES
from vad_lib.runs.run_folder import Run

_EVALUATIONS = ("validation/auc", "test/auc", "test/ap")


def training_curves(log: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """Every loss term over the steps, unweighted, what it asks for and its weight in the title; then the evaluations.

    Terms that ask the same of different segments share a panel. Axes of terms begin at 0: a term that hardly falls looks so.

    Args:
        log: of :meth:`vad_lib.runs.run_folder.Run.log`.
        title: of the figure.

    Returns:
        the figure, and (step, series, value) rows.
    """
    terms = [column for column in log.columns if column.startswith("loss/")]
    evaluations = [column for column in log.columns if column in _EVALUATIONS]
    memories = [term for term in terms if term.endswith("_memory")]
    alone = sorted((term for term in terms if term not in memories), key=_place_of_term)
    panels = [("weighted sum", ["loss"]), *((_term_title(log, term), [term]) for term in alone)]
    panels += [(_term_title(log, memories[0], "memory terms"), memories)] if memories else []
    panels += [("evaluations", evaluations)] if evaluations else []
    columns = min(4, len(panels))
    with style():
        rows = -(-len(panels) // columns)
        fig, grid = plt.subplots(rows, columns, figsize=(10, 2.3 * rows + 0.8), squeeze=False, sharex=True)
        headline(fig, title, _first_to_last(log, "loss", "weighted sum"))
        for axes, (name, series) in zip(grid.flat, panels):
            for column, colour in zip(series, LINE_COLOURS):
                known = log[["step", column]].dropna()
                axes.plot(known["step"], known[column], color=colour, lw=1.2, label=_short(column) if len(series) > 1 else None)
            axes.set_title(name, fontsize=9.5)
            axes.set_ylim(*((0, 1.02) if series is evaluations else (min(0.0, float(log[series].min().min())), None)))
            if len(series) > 1:
                if series is memories:
                    axes.set_ylim(top=1.9 * float(log[series].max().max()))  # room for the legend
                axes.legend(fontsize=8, handlelength=1.2, borderpad=0, labelspacing=0.2)
        hide_unused(grid, len(panels))
        fig.supxlabel("step", fontsize=10)
        fig.supylabel("unweighted value (cross-entropies in nats)", fontsize=10)
    points = _long_form(log, ["loss", *terms, *evaluations])
    said = courses(points.assign(series=points["series"].map(_short)), "series", "step", "value", "step")
    describe(fig, composed(f"Loss terms and evaluations over the training steps, a panel each, {title}. From first to last", said))
    return fig, points


# term -> what it asks for, in the title of its panel
_ASKED = {
    "main": "the video's label",
    "align": "segments, eq. 12",
    "cls": "categories, eq. 10, 11",
    "con": "branches agree, eq. 13",
    "triplet": "classes apart",
    "kl": "latent near a normal law",
    "magnitude": "norms of the classes apart",
    "memory terms": "each class in its memory",
    "smoothness": "neighbours alike",
    "sparsity": "few high scores",
}
_IN_ORDER = ("main", "align", "cls", "con")


def _place_of_term(term: str) -> int:
    """The paper's own terms first."""
    name = term.removeprefix("loss/")
    return _IN_ORDER.index(name) if name in _IN_ORDER else len(_IN_ORDER)


def _short(column: str) -> str:
    """Name of a series for a legend."""
    words = column.removeprefix("loss/").replace("/auc", " AUC").replace("/ap", " AP").replace("_", " ")
    return "weighted sum" if words == "loss" else words.replace(" video ", " in ") if words.endswith(" memory") else words


def _first_to_last(log: pd.DataFrame, column: str, words: str) -> str:
    known = log[column].dropna()
    return f"{words}: {number(known.iloc[0])} at the first step, {number(known.iloc[-1])} at the last"


def _term_title(log: pd.DataFrame, term: str, words: str = "") -> str:
    """Name of a loss term, what it asks for, and the weight that it enters the sum with."""
    weights = log[term.replace("loss/", "weight/")]
    weight = f"{weights.iloc[0]:g}" if weights.nunique() == 1 else f"{weights.iloc[0]:.2g} to {weights.iloc[-1]:.2g}"
    name = words or term.removeprefix("loss/").replace("_", " ")
    return "\n".join(line for line in (f"{name} x {weight}", _ASKED.get(name, "")) if line)


def selected_steps(
    log: pd.DataFrame, chosen: Mapping[str, int], metric: Literal["auc", "ap"], title: str
) -> tuple[Figure, pd.DataFrame]:
    """What validation and test say of every evaluated step, and the steps that the selections choose.

    Selections that choose the same step share one mark and one line of the legend.

    Args:
        log: of :meth:`vad_lib.runs.run_folder.Run.log`.
        chosen: selection -> its step.
        metric: ``auc`` or ``ap`` of the test frames.
        title: of the figure.

    Returns:
        the figure, and (step, series, value) rows; ``value`` is a fraction.
    """
    series = {
        "validation/auc": ("validation videos, AUC", BLUE, "-"),
        f"test/{metric}": (f"test frames, {METRIC_TITLES[metric]}", VERMILION, "-"),
    }
    steps: dict[int, list[str]] = {}
    for selection, step in chosen.items():
        steps.setdefault(step, []).append(SELECTION_TITLES[selection])
    with style():
        fig, axes = plt.subplots(figsize=(10, 3.9))
        for column, (label, colour, line) in series.items():
            known = log[["step", column]].dropna()
            axes.plot(known["step"], 100 * known[column], line, color=colour, marker=".", lw=1.6, label=label)
        lines = {
            SELECTION_TITLES[name]: line for name, line in (("best_on_test", "-"), ("best_on_validation", "--"), ("last", ":"))
        }
        for step, names in sorted(steps.items()):
            line = next(line for title, line in lines.items() if title in names)
            axes.axvline(step, color=BLACK, lw=1.4, ls=line, label=f"step {step}: {', '.join(names)}")
        axes.set(xlabel="training step", ylabel="percent")
        different = f"{len(steps)} different steps chosen" if len(steps) > 1 else "all selections choose the same step"
        headline(fig, title, different)
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    points = _long_form(log, list(series))
    said = [
        course(label, rows["step"], 100 * rows["value"], "step")
        for (label, *_), (_, rows) in zip(series.values(), points.groupby("series", sort=False))
    ]
    marked = "; ".join(f"{', '.join(names)}: step {step}" for step, names in sorted(steps.items()))
    describe(fig, composed(f"Two lines over the training steps, {title}. Percent", said, f"Chosen steps: {marked}."))
    return fig, points


def _long_form(log: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return log.melt("step", list(columns), "series", "value").dropna(ignore_index=True)


def gate_path(logs: Mapping[str, pd.DataFrame], title: str) -> tuple[Figure, pd.DataFrame]:
    """The gate weight w (equation 6) over the steps, one line per run, above the gradient that moves it.

    The axis of w spans at least 0.4 to 0.6: a gate that stays where it was looks like one. A positive gradient of the loss
    with respect to g lowers w. Gradients are means over as many steps as lie between two evaluations.

    Args:
        logs: name of the line -> :meth:`vad_lib.runs.run_folder.Run.log` of a run with a gate.
        title: of the figure.

    Returns:
        the figure, and (step, series, value, run) rows.

    Raises:
        DataError: a run has no gate.
    """
    points, drawn_as, every = [], looks(logs), 0
    with style():
        fig, (path, pull) = plt.subplots(2, 1, figsize=(10, 6.2), sharex=True, height_ratios=(3, 2))
        path.axhline(0.5, color="#777777", lw=0.8, ls=":")
        pull.axhline(0, color="#777777", lw=0.8, ls=":")
        for name, log in logs.items():
            colour, line, marker = drawn_as[name]
            if "monitor/w" not in log.columns:
                raise DataError(f"{name}: the log has no monitor/w; only runs with a gate have one. Leave this run out.")
            known = _long_form(log, ["monitor/w"]).assign(run=name)
            path.plot(known["step"], known["value"], color=colour, ls=line, marker=marker, ms=5, lw=1.6, label=name)
            points.append(known)
            if "gradient/gate_logit" in log.columns:
                every = int(known["step"].diff().max()) if len(known) > 1 else len(log)
                smooth = log.assign(**{"gradient/gate_logit": log["gradient/gate_logit"].rolling(every).mean()})
                felt = _long_form(smooth, ["gradient/gate_logit"]).assign(run=name)
                pull.plot(felt["step"], felt["value"], color=colour, ls=line, lw=1.4)
                points.append(felt)
        low, high = path.get_ylim()
        path.set(ylabel="w, share of the\nvisual score", ylim=(min(low, 0.4), max(high, 0.6)))
        ends = {name: log["monitor/w"].dropna().iloc[-1] for name, log in logs.items()}
        spread = [f"{ends[pick(ends, key=ends.__getitem__)]:.2f} ({pick(ends, key=ends.__getitem__)})" for pick in (min, max)]
        headline(
            fig,
            title,
            f"w at the last step: from {spread[0]} to {spread[1]}" if len(ends) > 1 else f"w at the last step: {spread[0]}",
        )
        pull.set(xlabel="step", ylabel=f"gradient of the loss\nto g{f', mean of {every} steps' if every else ''}")
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    found = pd.concat(points, ignore_index=True)
    said = courses(found[found["series"] == "monitor/w"], "run", "step", "value", "step")
    what = f"Lines over the training steps, {title}. Gate weight w, the share of the visual score"
    describe(fig, composed(what, said, "Below: the gradient of the loss with respect to the gate."))
    return fig, found


def selection_dots(runs: Mapping[str, Sequence[Run]], metric: Literal["auc", "ap"], title: str) -> tuple[Figure, pd.DataFrame]:
    """A metric of several rows under the three selections; how far apart they are is what choosing on the test set gains.

    The row with the highest mean, chosen on validation, is on top. A thin line joins the three marks of a seed.

    Args:
        runs: variant -> its runs, three marks for each seed.
        metric: ``auc`` or ``ap``.
        title: of the figure.

    Returns:
        the figure, and (row, seed, selection, value) rows, ``value`` being a fraction.
    """
    points = pd.DataFrame(
        [
            (run.title, run.seed, selection, run.value(metric, selection))
            for done in runs.values()
            for run in done
            for selection in SELECTION_LOOKS
        ],
        columns=["row", "seed", "selection", "value"],
    )
    means = points.pivot_table("value", "row", "selection", sort=False)
    means = means.sort_values("best_on_validation", ascending=False, kind="stable")
    rows = list(means.index)
    with style():
        fig, axes = plt.subplots(figsize=(10, 1.6 + 0.55 * len(rows)))
        joined, shifts = points.pivot(index=["row", "seed"], columns="selection", values="value"), (-0.28, 0, 0.28)
        places = np.array([rows.index(row) for row, _ in joined.index])
        axes.plot(100 * joined[[*SELECTION_LOOKS]].T, np.add.outer(shifts, places), color="#bbbbbb", lw=0.8, zorder=1)
        for shift, (selection, (marker, colour)) in zip(shifts, SELECTION_LOOKS.items()):
            theirs = points[points["selection"] == selection]
            heights = np.array([rows.index(row) for row in theirs["row"]]) + shift
            edge = 2 if marker == "|" else 0.5
            axes.plot(100 * theirs["value"], heights, marker, color=colour, ms=6, mew=edge, label=SELECTION_TITLES[selection])
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set(xlabel=f"{METRIC_TITLES[metric]} %")
        gained = means["best_on_test"] - means["best_on_validation"]
        most = f"{gained.max() * 100:.1f} points ({gained.idxmax()})"
        headline(fig, title, f"best on test minus chosen on validation, mean over seeds: at most {most}")
        fig.legend(loc="outside lower center", ncols=3)
    said = [f"{row} " + ", ".join(percent(means.loc[row, selection]) for selection in SELECTION_LOOKS) for row in rows]
    order = ", ".join(SELECTION_TITLES[selection] for selection in SELECTION_LOOKS)
    what = f"Dots, {title}. {METRIC_TITLES[metric]} in percent of {counted(len(rows), 'row')}, mean over seeds ({order})"
    describe(fig, composed(what, said))
    return fig, points


_TOGETHER = {
    "loss/main": "main loss, training videos",
    "validation/bce": "cross-entropy, validation videos",
    "validation/auc": "AUC, validation videos",
    "test/auc": "AUC, test frames (not used)",
    "test/ap": "AP, test frames (not used)",
}


def seeds_together(logs: Mapping[str, pd.DataFrame], title: str, marked: Sequence[str] = ()) -> tuple[Figure, pd.DataFrame]:
    """What training sees and what validation sees, one line per run: where they part, the run learns its videos by heart.

    Args:
        logs: name of the line -> :meth:`vad_lib.runs.run_folder.Run.log`.
        title: of the figure.
        marked: names of the lines that are thick and stand in the legend. A line whose name begins alike, up to the last comma,
            has the same colour; the others are grey.

    Returns:
        the figure, and (step, series, value, run) rows.
    """
    series = [name for name in _TOGETHER if any(name in log.columns for log in logs.values())]
    colours = {name.rpartition(",")[0]: colour for name, colour in zip(marked, LINE_COLOURS)}
    points = []
    with style():
        fig, grid = plt.subplots(1, len(series), figsize=(10, 3.6), squeeze=False)
        fig.suptitle(title, fontsize=12)
        for axes, name in zip(grid[0], series):
            for run, log in logs.items():
                known = log[["step", name]].dropna()
                if name.startswith("loss/"):
                    known = known.assign(**{name: known[name].rolling(10, min_periods=1).mean()})
                look = {"lw": 2.2, "label": run, "zorder": 3} if run in marked else {"lw": 0.9, "alpha": 0.6}
                axes.plot(known["step"], known[name], color=colours.get(run.rpartition(",")[0], "#999999"), **look)
                points.append(known.melt("step", [name], "series", "value").assign(run=run))
            axes.set_title(_TOGETHER[name].replace(", ", ",\n"), fontsize=9.5)
            axes.set_xlabel("step")
        handles, labels = grid[0][0].get_legend_handles_labels()
        if handles:
            fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    found = pd.concat(points, ignore_index=True)
    ends = found.groupby(["series", "run"], sort=False)["value"].last()
    said = [
        f"{_TOGETHER[name]} from {number(ends[name].min())} to {number(ends[name].max())}"
        + "".join(f", {run} {number(ends[name, run])}" for run in marked if (name, run) in ends.index)
        for name in series
    ]
    what = f"{len(series)} panels with {counted(len(logs), 'line')} each over the training steps, {title}. At the last step"
    describe(fig, composed(what, said))
    return fig, found


def failed_seeds(logs: Mapping[str, pd.DataFrame], over_time: Mapping[str, np.ndarray], title: str) -> tuple[Figure, pd.DataFrame]:
    """Runs of one row: the main loss, the triplet term, which may fall before it, and the mean score over normal videos' time.

    Args:
        logs: name of the line -> :meth:`vad_lib.runs.run_folder.Run.log`.
        over_time: name of the line -> :func:`vad_lib.evaluation.scores_over_time.mean_score_by_part`; the line with the greatest
            difference between its highest and its lowest part has a colour, the others are grey.
        title: of the figure.

    Returns:
        the figure, and (step, series, value, run) rows, where the step of a score is the middle of its part, a fraction.
    """
    marked = max(over_time, key=lambda name: float(np.ptp(over_time[name])))
    points = []
    with style():
        fig, axes = plt.subplots(1, 3, figsize=(10, 3.4))
        fig.suptitle(title, fontsize=12)
        for name, log in logs.items():
            own = name == marked
            look = {"color": VERMILION if own else "#999999", "lw": 2 if own else 1, "zorder": 3 if own else 2}
            for panel, column in zip(axes, ("loss/main", "loss/triplet")):
                panel.plot(log["step"], log[column].rolling(10, min_periods=1).mean(), **look)
                points.append(_long_form(log, [column]).assign(run=name))
            middles = (np.arange(len(over_time[name])) + 0.5) / len(over_time[name])
            label = f"{name}: its score varies most with the place" if own else None
            axes[2].plot(middles, over_time[name], marker=".", label=label, **look)
            points.append(pd.DataFrame({"step": middles, "series": "score over time", "value": over_time[name], "run": name}))
        axes[0].set(title="main loss (mean of 10 steps)", xlabel="step", ylabel="nats")
        axes[1].set(title="triplet term (mean of 10 steps)", xlabel="step", ylim=(0, None))
        axes[2].set(title="mean score of normal test videos", xlabel="place in the video, 0 start, 1 end", ylim=(0, 1))
        fig.legend(loc="outside lower center", fontsize=9)
    said = [f"{name} {number(parts.min())} to {number(parts.max())}" for name, parts in over_time.items()]
    what = (
        f"Three panels with {counted(len(logs), 'line')} each, {title}: main loss and triplet term over the "
        f"steps, mean score of normal test videos over their time. {marked} is marked; lowest to highest mean score"
    )
    describe(fig, composed(what, said))
    return fig, pd.concat(points, ignore_index=True)


def gradient_norms(logs: Mapping[str, pd.DataFrame], title: str) -> tuple[Figure, pd.DataFrame]:
    """Norm over all weights of each loss term's gradient, its weight included: which of the five largest leads, and when.

    A logarithmic axis has no place for zeros: lines leave them out, and the legend says so.

    Args:
        logs: title of the panel -> log of a run with ``log_gradients``.
        title: of the figure.

    Returns:
        the figure, and (step, series, value, run) rows.

    Raises:
        DataError: a log holds no gradients.
    """
    points = []
    for run, log in logs.items():
        terms = [c for c in log.columns if c.startswith("gradient/") and f"loss/{c.removeprefix('gradient/')}" in log.columns]
        if not terms:
            raise DataError(f"{run}: the log has no gradient norms; train it with log_gradients=True.")
        points.append(_long_form(log, terms).assign(run=run))
    found = pd.concat(points, ignore_index=True)
    means = found.groupby("series")["value"].mean().nlargest(5)
    with style():
        fig, grid = plt.subplots(1, len(logs), figsize=(10, 4.0), squeeze=False, sharey=True)
        for axes, (run, rows) in zip(grid[0], found.groupby("run", sort=False)):
            for term, colour in zip(means.index, LINE_COLOURS):
                known, zero = rows[rows["series"] == term], (found["series"] == term) & (found["value"] == 0)
                label = term.removeprefix("gradient/").replace("_", " ") + " (zeros left out)" * bool(zero.any())
                axes.plot(known["step"], known["value"].where(known["value"] > 0), color=colour, marker=".", lw=1.4, label=label)
            axes.set(title=run, xlabel="step", yscale="log")
        grid[0][0].set_ylabel("norm of the weighted\nterm's gradient")
        headline(fig, title, f"largest mean norm: {_short(means.index[0].replace('gradient/', 'loss/'))}, {number(means.iloc[0])}")
        fig.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    said = [f"{name.removeprefix('gradient/').replace('_', ' ')} {number(norm)}" for name, norm in means.items()]
    what = (
        f"Lines on a logarithmic axis over the training steps, {counted(len(logs), 'run')} in a panel each, {title}. "
        "Norm of the gradient of each weighted loss term, mean over runs and steps"
    )
    describe(fig, composed(what, said))
    return fig, found
