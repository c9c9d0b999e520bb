"""Figures of training: loss terms, the path of the gate, and the step that each selection chooses."""

from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.report.figures.style import BLUE, GREEN, METHOD_COLOURS, VERMILION, hide_unused, style
from vad_lib.report.tables.table import METRIC_TITLES, SELECTION_TITLES
from vad_lib.runs.run_folder import Run

_EVALUATIONS = ("validation/auc", "test/auc", "test/ap")
_SELECTION_LOOKS = {"last": ("o", BLUE), "best_on_validation": ("D", GREEN), "best_on_test": ("|", VERMILION)}


def training_curves(log: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """Every loss term over the steps, unweighted, its weight in the title; then the sum and the evaluations.

    Args:
        log: of :meth:`vad_lib.runs.run_folder.Run.log`.
        title: of the figure.

    Returns:
        the figure, and (step, series, value) rows.
    """
    terms = [column for column in log.columns if column.startswith("loss/")]
    evaluations = [column for column in log.columns if column in _EVALUATIONS]
    panels = [("weighted sum", ["loss"]), *((_term_title(log, term), [term]) for term in terms)]
    panels += [("evaluations", evaluations)] if evaluations else []
    columns = 4
    with style():
        rows = -(-len(panels) // columns)
        fig, grid = plt.subplots(rows, columns, figsize=(10, 2.0 * rows + 0.6), squeeze=False, sharex=True)
        fig.suptitle(title, fontsize=12)
        for axes, (name, series) in zip(grid.flat, panels):
            for column, colour in zip(series, METHOD_COLOURS):
                known = log[["step", column]].dropna()
                label = column.replace("/auc", " AUC").replace("/ap", " AP") if len(series) > 1 else None
                axes.plot(known["step"], known[column], color=colour, lw=1.2, label=label)
            axes.set_title(name, fontsize=8.5)
            if len(series) > 1:
                axes.legend(fontsize=8)
        hide_unused(grid, len(panels))
        fig.supxlabel("step", fontsize=10)
        fig.supylabel("unweighted value (cross-entropies in nats)", fontsize=10)
    return fig, _long_form(log, ["loss", *terms, *evaluations])


def _term_title(log: pd.DataFrame, term: str) -> str:
    """Name of a loss term, and the weight that it enters the sum with."""
    weights = log[term.replace("loss/", "weight/")]
    weight = f"{weights.iloc[0]:g}" if weights.nunique() == 1 else f"{weights.iloc[0]:.2g} to {weights.iloc[-1]:.2g}"
    return f"{term.removeprefix('loss/').replace('_', ' ')}\nx {weight}"


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
    points = []
    with style():
        fig, (path, pull) = plt.subplots(2, 1, figsize=(8, 5.5), sharex=True, height_ratios=(3, 2))
        path.axhline(0.5, color="#777777", lw=0.8, ls=":")
        pull.axhline(0, color="#777777", lw=0.8, ls=":")
        for (name, log), colour in zip(logs.items(), METHOD_COLOURS):
            if "monitor/w" not in log.columns:
                raise DataError(f"{name}: the log has no monitor/w; only runs with a gate have one. Leave this run out.")
            known = _long_form(log, ["monitor/w"]).assign(run=name)
            path.plot(known["step"], known["value"], color=colour, marker=".", lw=1.5, label=name)
            points.append(known)
            if "gradient/gate_logit" in log.columns:
                every = int(known["step"].diff().max()) if len(known) > 1 else len(log)
                smooth = log.assign(**{"gradient/gate_logit": log["gradient/gate_logit"].rolling(every).mean()})
                felt = _long_form(smooth, ["gradient/gate_logit"]).assign(run=name)
                pull.plot(felt["step"], felt["value"], color=colour, lw=1.2)
                points.append(felt)
        low, high = path.get_ylim()
        path.set(title=title, ylabel="w, share of the\nvisual score", ylim=(min(low, 0.4), max(high, 0.6)))
        pull.set(xlabel="step", ylabel="gradient of the\nloss to g, mean")
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    return fig, pd.concat(points, ignore_index=True)


def selection_dots(runs: Mapping[str, Sequence[Run]], metric: Literal["auc", "ap"], title: str) -> tuple[Figure, pd.DataFrame]:
    """A metric of several rows under the three selections; how far apart they are is what choosing on the test set gains.

    Args:
        runs: variant -> its runs, a dot for each seed.
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
            for selection in _SELECTION_LOOKS
        ],
        columns=["row", "seed", "selection", "value"],
    )
    rows = list(points["row"].unique())
    with style():
        fig, axes = plt.subplots(figsize=(8, 1.2 + 0.36 * len(rows)))
        for shift, (selection, (marker, colour)) in zip((-0.16, 0, 0.16), _SELECTION_LOOKS.items()):
            theirs = points[points["selection"] == selection]
            heights = np.array([rows.index(row) for row in theirs["row"]]) + shift
            edge = 2 if marker == "|" else 0.5
            axes.plot(100 * theirs["value"], heights, marker, color=colour, ms=6, mew=edge, label=SELECTION_TITLES[selection])
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set(xlabel=f"{METRIC_TITLES[metric]} %", title=title)
        fig.legend(loc="outside lower center", ncols=3)
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
        marked: names of the lines that get a colour and a place in the legend; the others are grey.

    Returns:
        the figure, and (step, series, value, run) rows.
    """
    series = [name for name in _TOGETHER if any(name in log.columns for log in logs.values())]
    colours = dict(zip(marked, METHOD_COLOURS))
    points = []
    with style():
        fig, grid = plt.subplots(1, len(series), figsize=(10, 3.2), squeeze=False)
        fig.suptitle(title, fontsize=12)
        for axes, name in zip(grid[0], series):
            for run, log in logs.items():
                known = log[["step", name]].dropna()
                if name.startswith("loss/"):
                    known = known.assign(**{name: known[name].rolling(10, min_periods=1).mean()})
                look = (
                    {"color": colours[run], "lw": 2, "label": run, "zorder": 3} if run in colours else {"color": "#999999", "lw": 1}
                )
                axes.plot(known["step"], known[name], **look)
                points.append(known.melt("step", [name], "series", "value").assign(run=run))
            axes.set_title(_TOGETHER[name], fontsize=9.5)
            axes.set_xlabel("step")
        handles, labels = grid[0][0].get_legend_handles_labels()
        if handles:
            fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return fig, pd.concat(points, ignore_index=True)


def failed_seeds(
    logs: Mapping[str, pd.DataFrame], over_time: Mapping[str, np.ndarray], title: str, term: str = "loss/triplet"
) -> tuple[Figure, pd.DataFrame]:
    """Runs of one row: the main loss, a term that may fall before it, and the mean score over the time of normal videos.

    Args:
        logs: name of the line -> :meth:`vad_lib.runs.run_folder.Run.log`.
        over_time: name of the line -> :func:`vad_lib.evaluation.scores_over_time.mean_score_by_part`; the line with the greatest
            difference between its highest and its lowest part has a colour, the others are grey.
        title: of the figure.
        term: column of the logs.

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
            for panel, column in zip(axes, ("loss/main", term)):
                panel.plot(log["step"], log[column].rolling(10, min_periods=1).mean(), **look)
                points.append(_long_form(log, [column]).assign(run=name))
            middles = (np.arange(len(over_time[name])) + 0.5) / len(over_time[name])
            axes[2].plot(middles, over_time[name], marker=".", label=name if own else None, **look)
            points.append(pd.DataFrame({"step": middles, "series": "score over time", "value": over_time[name], "run": name}))
        axes[0].set(title="main loss (mean of 10 steps)", xlabel="step", ylabel="nats")
        axes[1].set(title=f"{term.removeprefix('loss/')} term (mean of 10 steps)", xlabel="step", ylim=(0, None))
        axes[2].set(title="mean score of normal test videos", xlabel="place in the video, 0 start, 1 end", ylim=(0, 1))
        fig.legend(loc="outside lower center", fontsize=9)
    return fig, pd.concat(points, ignore_index=True)


def gradient_norms(logs: Mapping[str, pd.DataFrame], title: str, shown: int = 5) -> tuple[Figure, pd.DataFrame]:
    """Norm over all weights of each loss term's gradient, its weight included: which term leads, and when.

    Args:
        logs: title of the panel -> log of a run with ``log_gradients``.
        title: of the figure.
        shown: terms with a line, those of the largest mean norm.

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
    largest = list(found.groupby("series")["value"].mean().nlargest(shown).index)
    with style():
        fig, grid = plt.subplots(1, len(logs), figsize=(10, 3.6), squeeze=False, sharey=True)
        fig.suptitle(title, fontsize=12)
        for axes, (run, rows) in zip(grid[0], found.groupby("run", sort=False)):
            for term, colour in zip(largest, METHOD_COLOURS):
                known = rows[rows["series"] == term]
                label = term.removeprefix("gradient/").replace("_", " ")
                axes.plot(known["step"], known["value"], color=colour, marker=".", lw=1.4, label=label)
            axes.set(title=run, xlabel="step", yscale="log")
        grid[0][0].set_ylabel("norm of the weighted\nterm's gradient")
        fig.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return fig, found
