"""Figures of lesson 1: pushes on scores, paths of two weights, scores of test videos."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from vad_lib.report.figures.alternative_texts import composed, course, listing
from vad_lib.report.figures.style import BLUE, GREY, GROUND_TRUTH, ORANGE, VERMILION, describe, style


def pushes_on_scores(pushes: Mapping[str, np.ndarray]) -> Figure:
    """Bars of the push that the loss gives to each score, a panel for each bag.

    Args:
        pushes: name of the bag -> float (T,), minus the gradient of the loss for each score; the normal bag first.
    """
    segments = range(len(next(iter(pushes.values()))))
    with style():
        fig, axes = plt.subplots(1, len(pushes), figsize=(9, 2.6), sharey=True)
        for panel, (name, of_bag), colour in zip(axes, pushes.items(), (GREY, VERMILION)):
            panel.bar(segments, of_bag, color=colour)
            pushed = np.count_nonzero(of_bag)
            panel.set(title=f"{name}: {pushed} of {len(of_bag)} pushed", xlabel="segment", xticks=segments)
        axes[0].set_ylabel("push on the score")
    said = [listing(name, of_bag) for name, of_bag in pushes.items()]
    describe(fig, composed(f"The push on the scores of the segments 0 to {len(segments) - 1}, as bars", said))
    return fig


def weight_paths(runs: Mapping[str, tuple[np.ndarray, float, float]]) -> Figure:
    """The weights of event and lamp over the steps of training, a panel for each start.

    Args:
        runs: name of the start -> path of the weights, float (steps, 2), w1 of the event and w2 of the lamp; loss at the end,
            nats per bag; AUC of segments, in [0, 1].
    """
    said, steps = [], 0
    with style():
        fig, axes = plt.subplots(1, len(runs), figsize=(9, 2.8), sharey=True)
        for panel, (name, (path, _, auc)) in zip(axes, runs.items()):
            steps = len(path)
            panel.plot(path[:, 0], color=BLUE, label="$w_1$, event")
            panel.plot(path[:, 1], color=ORANGE, ls="--", label="$w_2$, lamp")
            panel.set(title=f"starts: {name}; AUC {100 * auc:.0f} %", xlabel="step")
            said += [course(f"w{row + 1}, start {name},", range(steps), path[:, row]) for row in (0, 1)]
        axes[0].set_ylabel("weight")
        axes[0].legend()
    describe(fig, composed(f"The weights of event (w1) and lamp (w2) over {steps} steps, a panel for each start", said))
    return fig


def scores_of_videos(videos: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """The score of each snippet of some videos, with the abnormal snippets shaded.

    Args:
        videos: name of the video -> scores, float (T,) in [0, 1]; share of abnormal frames in each snippet, float (T,).
    """
    said = []
    with style():
        fig, axes = plt.subplots(1, len(videos), figsize=(10, 2.8), sharey=True)
        for panel, (name, (scores, shares)) in zip(axes, videos.items()):
            panel.fill_between(range(len(shares)), shares, step="mid", color=GROUND_TRUTH, label="abnormal")
            panel.plot(scores, color=BLUE, label="score")
            parts = {"in the event": scores[shares > 0.5], "outside": scores[shares <= 0.5]}
            means = [f"{part.mean():.2f} {where}" for where, part in parts.items() if len(part)]
            panel.set(title=f"{name}: mean score\n{', '.join(means)}", xlabel="snippet", ylim=(0, 1))
            said.append(f"{name}, mean score {' and '.join(means)}")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    describe(fig, composed(f"Score of each snippet of {len(videos)} test videos, with the abnormal snippets shaded", said))
    return fig
