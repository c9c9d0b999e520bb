"""Figures of lesson 4: paths of the gate, AUC over the weight w, and the sizes of the terms of the loss."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.report.figures.alternative_texts import composed, course
from vad_lib.report.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, describe, style

_LIGHT = "#AAAAAA"  # of lines that are not what a figure is about


def gate_paths(paths: pd.DataFrame) -> Figure:
    """The weight w over the steps of training, a line for each column.

    Args:
        paths: (steps, lines), w in [0, 1] after each step; at most four lines.
    """
    with style():
        fig, axes = plt.subplots(figsize=(7, 2.8))
        looks = zip(("-", "--", "-", "-."), (BLUE, ORANGE, GREEN, VERMILION))
        for name, (line, colour) in zip(paths, looks):
            axes.plot(paths.index, paths[name], line, color=colour, label=name)
        axes.set(xlabel="step", ylabel="$w$", ylim=(0, 1))
        axes.legend()
    said = [course(f"{name}, w", paths.index, paths[name]) for name in paths]
    describe(fig, composed(f"The weight w over {len(paths)} steps", said))
    return fig


def gate_of_a_run(log: pd.DataFrame, reach: Mapping[str, pd.Series]) -> Figure:
    """The weight w of one run over the steps, with how far it could have gone; and the gradient of the gate g.

    Args:
        log: of :func:`vad_lib.course.lesson_log`.
        reach: name -> (steps,), how far g gets from 0 if all its steps go the same way; the longest way first.
    """
    w, gradient = log[["step", "monitor/w"]].dropna(), log["gradient/gate_logit"]
    said = [course("w of the run", w["step"], w["monitor/w"], "step")]
    above = f"above 0 (makes $w$ smaller) in {100 * (gradient > 0).mean():.0f} % of the steps"
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
        for (name, way), colour in zip(reach.items(), ("#DDDDDD", "#999999")):
            low, high = (1 / (1 + np.exp(sign * way.to_numpy())) for sign in (1, -1))
            left.fill_between(log["step"], low, high, color=colour, label=f"reach, {name}")
            said.append(f"reach, {name}, at the end {low[-1]:.2f} to {high[-1]:.2f}")
        left.plot(w["step"], w["monitor/w"], "o-", ms=3, color=BLUE, label="$w$ of the run")
        left.set(title=f"$w$ ends at {w['monitor/w'].iloc[-1]:.2f}", xlabel="step", ylabel="$w$", ylim=(0, 1))
        left.legend(loc="upper left", fontsize=8)
        right.plot(log["step"], gradient, color=_LIGHT, label="each step")
        right.plot(log["step"], gradient.rolling(20).mean(), color=BLUE, label="mean of 20 steps")
        right.axhline(0, color=BLACK, lw=0.8)
        right.set(title=above, xlabel="step", ylabel="gradient of $g$")
        right.legend(fontsize=8)
    said.append(f"gradient of g {above.replace('$', '')}")
    describe(fig, composed("Left, w over the steps and how far it could have gone; right, the gradient of g", said))
    return fig


def auc_over_w(curves: pd.DataFrame, trained: pd.DataFrame) -> Figure:
    """The AUC of the mixed score over the weight w: a line for each seed, their mean, and where training left w.

    Args:
        curves: (weights, seeds), AUC in percent; the index is w, from 0, the semantic score alone, to 1, the visual score alone.
        trained: a row per seed with ``w`` and ``auc``, percent, of the trained run.
    """
    mean = curves.mean(axis=1)
    with style():
        fig, axes = plt.subplots(figsize=(7, 3))
        axes.plot(curves.index, curves, color=_LIGHT, lw=1)
        axes.plot(curves.index, mean, color=BLUE, lw=2.2, label=f"mean of {len(trained)} seeds")
        axes.plot(trained["w"], trained["auc"], "o", ms=4, color=VERMILION, label="where training left $w$")
        axes.set(xlabel="$w$ (0: semantic score alone, 1: visual score alone)", ylabel="AUC, %")
        axes.legend(ncol=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    said = [course(f"mean of {len(trained)} seeds", curves.index, mean, "w =")]
    said += [f"{name} at the dots {trained[name].min():.3g} to {trained[name].max():.3g}" for name in ("w", "auc")]
    about = "AUC in percent over the weight w, a line for each seed, their mean, and a dot where training left w"
    describe(fig, composed(about, said))
    return fig


def sizes_of_terms(terms: pd.DataFrame) -> Figure:
    """The parts of the loss over the steps of training, means of ten steps, on a logarithmic axis.

    Args:
        terms: (steps, parts), weight times value; at most five parts; the index is the step.
    """
    smooth = terms.rolling(10, min_periods=1).mean()
    looks = zip(("-", "--", "-.", ":", "-"), (BLUE, ORANGE, VERMILION, GREEN, GREY))
    with style():
        fig, axes = plt.subplots(figsize=(7, 3))
        for name, (line, colour) in zip(smooth, looks):
            axes.semilogy(smooth.index, smooth[name], line, color=colour, label=name)
        axes.set(xlabel="step", ylabel="weight × term\n(mean of 10 steps)")
        axes.legend(ncol=5, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
    said = [course(name, smooth.index, smooth[name], "step") for name in smooth]
    describe(fig, composed(f"Weight times value of {terms.shape[1]} parts of the loss over the steps, logarithmic", said))
    return fig
