"""Figures of lesson 3: a map by hand, probabilities, cosines between texts, alignment maps, and how often a name is right."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from vad_lib.report.figures.alternative_texts import composed, listing
from vad_lib.report.figures.style import BLACK, BLUE, GREEN, GROUND_TRUTH, VERMILION, describe, style


def protractor_and_map(segments: np.ndarray, categories: Mapping[str, float], alignment: np.ndarray) -> Figure:
    """Unit vectors on a half circle, categories as lines and segments as numbered dots; beside them their alignment map.

    Args:
        segments: float (T,), angles of the segments, radians from 0 to pi.
        categories: name -> angle, radians; three of them.
        alignment: float (T, C), cosines.
    """
    with style():
        fig, (circle, heat) = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(1.3, 1))
        for (name, angle), colour in zip(categories.items(), (BLUE, VERMILION, GREEN)):
            x, y = np.cos(angle), np.sin(angle)
            circle.plot([0, x], [0, y], color=colour, lw=3)
            circle.text(0.6 * x, 0.6 * y, name, color=colour, ha="center", va="center", backgroundcolor="white")
        circle.plot(np.cos(segments), np.sin(segments), "o", color=BLACK)
        for number, angle in enumerate(segments):
            circle.text(1.12 * np.cos(angle), 1.12 * np.sin(angle), str(number), ha="center", va="center")
        circle.set(aspect="equal", xlim=(-1.25, 1.25), ylim=(-0.1, 1.25), title="protractor; dots: segments")
        circle.set(xlabel="first number", ylabel="second number")
        image = heat.imshow(alignment.T, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        heat.set(yticks=range(len(categories)), yticklabels=categories, xticks=range(len(segments)))
        nearest = [[*categories][row][0] for row in alignment.argmax(axis=1)]  # first letters
        heat.set(xlabel="segment", title=f"alignment map; nearest: {' '.join(nearest)}")
        heat.grid(False)
        fig.colorbar(image, ax=heat, label="cosine")
    said = [
        listing("angles of the categories", np.degrees([*categories.values()])),
        listing("of the segments", np.degrees(segments)),
    ]
    said += [listing(f"cosines of {name}", alignment[:, row].round(2)) for row, name in enumerate(categories)]
    describe(fig, composed("Categories and segments on a half circle, and their alignment map", said))
    return fig


def probabilities(shares: Mapping[float, Tensor]) -> Figure:
    """Bars of the probabilities of all categories, a panel for each temperature; titles say the abnormality score S_a.

    Args:
        shares: temperature -> float (C,), probabilities that sum to 1, *Normal* first; all abnormal ones are equal.
    """
    said = []
    with style():
        fig, axes = plt.subplots(1, len(shares), figsize=(10, 2.2), sharey=True)
        for panel, (tau, of_tau) in zip(axes, shares.items()):
            panel.bar(range(len(of_tau)), of_tau.tolist(), color=[BLUE] + [VERMILION] * (len(of_tau) - 1))
            panel.set(title=f"tau = {tau}; $S_a$ = {1 - of_tau[0]:.2f}", xlabel="category (0: Normal)", xticks=range(len(of_tau)))
            said.append(f"tau {tau}, Normal {of_tau[0]:.2f}, each abnormal category {of_tau[1]:.3f}")
        axes[0].set_ylabel("probability")
    describe(fig, composed(f"Probabilities of the categories at {len(shares)} temperatures, as bars", said))
    return fig


def text_cosines(cosines: Mapping[str, np.ndarray], categories: Sequence[str]) -> Figure:
    """Maps of the cosines between the texts of all categories.

    Args:
        cosines: name of the texts -> float (C, C), in [-1, 1].
        categories: C names.
    """
    said, places = [], range(len(categories))
    with style():
        fig, axes = plt.subplots(1, len(cosines), figsize=(10, 4.4), sharey=True)
        for panel, (name, of_texts) in zip(axes, cosines.items()):
            image = panel.imshow(of_texts, cmap="viridis", vmin=0, vmax=1)
            for (row, column), cosine in np.ndenumerate(of_texts):
                colour = "black" if cosine > 0.7 else "white"
                panel.text(column, row, f"{cosine:.2f}", ha="center", va="center", fontsize=8, color=colour)
            different = of_texts[~np.eye(len(categories), dtype=bool)]
            panel.set(title=f"{name}\ndifferent texts: {different.mean():.2f} on average", yticks=places, yticklabels=categories)
            panel.set_xticks(places, categories, rotation=45, ha="right")
            panel.grid(False)
            said.append(f"{name}, cosines of different categories {different.min():.2f} to {different.max():.2f}")
        fig.colorbar(image, ax=axes, label="cosine")
    describe(fig, composed(f"{len(cosines)} maps of the cosines between the texts of {len(categories)} categories", said))
    return fig


def alignment_maps(videos: Mapping[str, tuple[str, np.ndarray, np.ndarray]], categories: Sequence[str]) -> Figure:
    """Alignment maps of abnormal videos: the row of the video's own category is framed, squares above mark abnormal snippets.

    Args:
        videos: name of the video -> its category; alignment map, float (T, C), cosines; bool (T,), which snippets are abnormal.
        categories: C names, *Normal* first.
    """
    said = []
    with style():
        fig, axes = plt.subplots(1, len(videos), figsize=(11, 3), sharey=True)
        for panel, (name, (category, alignment, abnormal)) in zip(axes, videos.items()):
            image = panel.imshow(alignment.T, cmap="RdBu_r", vmin=-0.8, vmax=0.8, aspect="auto", interpolation="nearest")
            own, event = categories.index(category), np.flatnonzero(abnormal)
            panel.plot(event, np.full(len(event), -0.75), "s", color=BLACK, ms=4, clip_on=False)
            panel.axhspan(own - 0.5, own + 0.5, fill=False, ec=BLACK, lw=2)
            of_row = alignment[abnormal].mean(axis=0)
            others = np.delete(of_row, [0, own]).mean()
            panel.set(title=f"{name}\nin the event: own {of_row[own]:.2f}, others {others:.2f}")
            panel.set(xlabel="snippet", yticks=range(len(categories)), yticklabels=categories)
            panel.grid(False)
            said.append(f"{name}, row of {category} {of_row[own]:.2f}, other abnormal rows {others:.2f}")
        fig.colorbar(image, ax=axes, label="cosine")
    describe(fig, composed(f"Alignment maps of {len(videos)} abnormal videos; mean cosines in the event", said))
    return fig


def named_right(right: pd.Series, chance: tuple[float, float], shares: pd.Series, videos: int) -> Figure:
    """How many videos each run names right, beside guessers; and the share of each category.

    Args:
        right: seed of the run -> videos named right.
        chance: between these numbers of videos are 95 % of guessers.
        shares: abnormal category -> percent of its videos named right, all runs together.
        videos: number of abnormal test videos.
    """
    low, high = chance
    with style():
        fig, (left, bars) = plt.subplots(1, 2, figsize=(10, 3), width_ratios=(1, 1.3))
        left.axhspan(low, high, color=GROUND_TRUTH)
        left.text(-0.3, (low + high) / 2, "95 % of guessers", va="center")
        left.plot(range(len(right)), right, "o", color=BLUE)
        left.set(xlabel="seed of the run", ylabel=f"named right, of {videos}", ylim=(0, videos + 0.5))
        left.set_xticks(range(len(right)), right.index, rotation=45)
        bars.bar(shares.index, shares, color=BLUE)
        bars.axhline(100 / len(shares), color=VERMILION, ls="--", label="chance")
        left.set_title(f"{(right > high).sum()} of {len(right)} runs above the guessers")
        bars.set(title=f"all runs: best {shares.idxmax()}, worst {shares.idxmin()}", ylabel="named right, %", ylim=(0, 100))
        bars.tick_params(axis="x", rotation=45)
        bars.legend()
    said = [listing("right in each run", right), f"95 % of guessers {low:.0f} to {high:.0f}"]
    said += [f"{name} {share:.0f} %" for name, share in shares.items()]
    describe(fig, composed(f"Of {videos} abnormal test videos named right, by run and by category", said))
    return fig
