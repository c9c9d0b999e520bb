"""Training curves, the path of the gate, and the three selected steps."""

from collections.abc import Sequence
from typing import Literal

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.report.figures.style import BLUE, GREEN, METHOD_COLOURS, VERMILION, style
from vad_lib.report.tables.table import METRIC_TITLES, RULE_TITLES
from vad_lib.runs.comparable import Run


def training_curves(log: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """Every loss term over the steps, unweighted, its weight in the title; then the sum and the evaluations.

    Args:
        log: of :func:`load_log`.
        title: of the figure.

    Returns:
        the figure, and (step, series, value) rows.
    """
    terms = [column for column in log.columns if column.startswith("loss/")]
    panels: list[tuple[str, list[str]]] = [("weighted sum", ["loss"])]
    for term in terms:
        weights = log[term.replace("loss/", "weight/")]
        weight = f"{weights.iloc[0]:g}" if weights.nunique() == 1 else f"{weights.iloc[0]:.2g} to {weights.iloc[-1]:.2g}"
        panels.append((f"{term.removeprefix('loss/').replace('_', ' ')}\nx {weight}", [term]))
    evaluations = [column for column in log.columns if column in ("validation/auc", "test/auc", "test/ap")]
    if evaluations:
        panels.append(("evaluations", evaluations))
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
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for column in range(min(columns, len(panels))):
            lowest = [axes for axes in grid[:, column] if axes.get_visible()][-1]
            lowest.xaxis.set_tick_params(labelbottom=True)
        fig.supxlabel("step", fontsize=10)
        fig.supylabel("unweighted value (cross-entropies in nats)", fontsize=10)
    return fig, _long(log, ["loss", *terms, *evaluations])


def _long(log: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return log.melt("step", list(columns), "series", "value").dropna(ignore_index=True)


def gate_path(logs: dict[str, pd.DataFrame], title: str) -> tuple[Figure, pd.DataFrame]:
    """The path of the gate weight w (equation 6) over the steps, one line per run.

    Args:
        logs: name of the line -> log with ``monitor/w``.
        title: of the figure.

    Raises:
        DataError: a run has no gate.
    """
    points = []
    with style():
        fig, axes = plt.subplots(figsize=(8, 4))
        axes.axhline(0.5, color="#777777", lw=0.8, ls=":")
        for (name, log), colour in zip(logs.items(), METHOD_COLOURS):
            if "monitor/w" not in log.columns:
                raise DataError(f"{name}: the log has no monitor/w; only runs with a gate have one.")
            known = _long(log, ["monitor/w"]).assign(run=name)
            axes.plot(known["step"], known["value"], color=colour, marker=".", lw=1.5, label=name)
            points.append(known)
        axes.set(title=title, xlabel="step", ylabel="w, share of the visual score")
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    return fig, pd.concat(points, ignore_index=True)


def selection_dots(runs: dict[str, list[Run]], metric: Literal["auc", "ap"], title: str) -> tuple[Figure, pd.DataFrame]:
    """A metric of several rows under the three selection rules; how far apart they are is what choosing on test gains.

    Args:
        runs: of :func:`vad_lib.runs.comparable.load_runs`; several seeds give several dots.
        metric: ``auc`` or ``ap``.
        title: of the figure.
    """
    looks = {"last": ("o", BLUE), "best_on_validation": ("D", GREEN), "best_on_test": ("|", VERMILION)}
    points = pd.DataFrame(
        [
            (run.config["title"], run.config["seed"], rule, run.value(metric, rule))
            for done in runs.values()
            for run in done
            for rule in looks
        ],
        columns=["row", "seed", "rule", "value"],
    )
    rows = list(points["row"].unique())
    with style():
        fig, axes = plt.subplots(figsize=(8, 1.2 + 0.36 * len(rows)))
        for shift, (rule, (marker, colour)) in zip((-0.16, 0, 0.16), looks.items()):
            theirs = points[points["rule"] == rule]
            heights = [rows.index(row) + shift for row in theirs["row"]]
            axes.plot(
                100 * theirs["value"], heights, marker, color=colour, ms=6, mew=2 if marker == "|" else 0.5, label=RULE_TITLES[rule]
            )
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set(xlabel=f"{METRIC_TITLES[metric]} %", title=title)
        fig.legend(loc="outside lower center", ncols=3)
    return fig, points
