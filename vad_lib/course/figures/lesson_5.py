"""Figures of lesson 5: the numbers of all seeds, and two methods on the same draws of videos."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from vad_lib.report.figures.alternative_texts import composed
from vad_lib.report.figures.style import BLACK, BLUE, GREY, ORANGE, VERMILION, describe, style


def aucs_of_seeds(values: Mapping[str, np.ndarray]) -> Figure:
    """A row of dots for each method, one for each seed; a triangle marks the mean, a star the best seed.

    Args:
        values: name of the method -> float (seeds,), AUC in percent.
    """
    with style():
        fig, axes = plt.subplots(figsize=(9, 2.8))
        for row, of_seeds in enumerate(values.values()):
            axes.plot(of_seeds, np.full(len(of_seeds), row), "o", color=GREY, alpha=0.6, label="" if row else "one seed")
            axes.plot(of_seeds.mean(), row - 0.3, "v", color=BLUE, label="" if row else "mean")
            axes.plot(of_seeds.max(), row, "*", color=VERMILION, markersize=13, label="" if row else "best seed")
        axes.set(yticks=range(len(values)), yticklabels=values, xlabel="AUC of frames, %", ylim=(len(values) + 0.4, -0.7))
        axes.legend(loc="lower left", ncols=3)
    said = [f"{name} {v.min():.1f} to {v.max():.1f}, mean {v.mean():.1f}" for name, v in values.items()]
    describe(fig, composed("AUC in percent of the seeds of each method, as dots, lowest to highest", said))
    return fig


def paired_draws(first: np.ndarray, second: np.ndarray, differences: Mapping[str, np.ndarray], names: tuple[str, str]) -> Figure:
    """Two methods on the same draws of videos: each draw as a dot, and how their difference spreads.

    Args:
        first, second: float (draws,), AUC in percent of both methods.
        differences: name, *paired* or *unpaired* -> float (draws,), second minus first, points.
        names: of both methods.
    """
    correlation = np.corrcoef(first, second)[0, 1]
    edges = np.linspace(min(v.min() for v in differences.values()), max(v.max() for v in differences.values()), 40)
    said, widths = [], []
    with style():
        fig, (dots, spread) = plt.subplots(1, 2, figsize=(9.5, 3))
        dots.plot(first, second, ".", color=GREY, markersize=3)
        dots.set(xlabel=f"{names[0]}, AUC %", ylabel=f"{names[1]}, AUC %", title=f"same draw: correlation {correlation:.2f}")
        for (name, of_draws), colour in zip(differences.items(), (ORANGE, BLUE)):
            low, high = np.quantile(of_draws, [0.025, 0.975])
            widths.append(f"{name} {high - low:.1f}")
            spread.hist(of_draws, edges, histtype="step", lw=1.8, color=colour, label=name)
            said.append(f"{name} {low:.1f} to {high:.1f}")
        spread.axvline(0, color=BLACK, lw=0.8)
        spread.set(xlabel=f"{names[1]} minus {names[0]}, points", ylabel="draws")
        spread.set_title(f"width of the middle 95 %: {', '.join(widths)}")
        spread.set_ylim(top=1.4 * spread.get_ylim()[1])  # room for the legend
        spread.legend(loc="upper left")
    said.append(f"correlation of the two methods {correlation:.2f}")
    describe(fig, composed("Two methods on the same draws; middle 95 % of their difference, in points", said))
    return fig
