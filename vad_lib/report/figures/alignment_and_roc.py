"""The alignment map of a video; ROC and precision-recall curves of several runs."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.errors import DataError
from vad_lib.metrics import average_precision, frame_roc_auc, pr_curve, roc_curve
from vad_lib.report.figures.run_scores import RunScores
from vad_lib.report.figures.style import GREY, METHOD_COLOURS, style


def alignment_heatmap(scores: RunScores, video: str, title: str) -> tuple[Figure, pd.DataFrame]:
    """The alignment map A of a video (equation 3): categories over frames, the video's own in bold, ground truth above.

    Args:
        scores: of a run whose method has an alignment map.
        video: name of a test video.
        title: of the figure.

    Returns:
        the figure, and one row per snippet with the cosine of each category.

    Raises:
        DataError: the method has no alignment map.
    """
    shown = scores.videos[video]
    if shown.alignment is None:
        raise DataError(f"{scores.title} has no alignment map; only methods with an alignment branch have one. Choose such a run.")
    frames, count = len(shown.labels), len(scores.categories)
    with style():
        fig, (bar, axes) = plt.subplots(2, 1, figsize=(9, 0.6 + 0.36 * count + 1.0), sharex=True, height_ratios=(1, 2 * count))
        extent = (0, len(shown.alignment) * FRAMES_PER_SNIPPET, count - 0.5, -0.5)
        image = axes.imshow(shown.alignment.T, aspect="auto", cmap="cividis", interpolation="nearest", extent=extent)
        axes.grid(False)
        axes.set_yticks(range(count), scores.categories)
        for tick, category in zip(axes.get_yticklabels(), scores.categories):
            tick.set_fontweight("bold" if category in shown.categories else "normal")
        axes.set(xlabel="frame", xlim=(0, frames))
        reds = {"cmap": "Reds", "vmin": 0, "vmax": 1.4}
        bar.imshow(shown.labels[None], aspect="auto", interpolation="nearest", extent=(0, frames, 0, 1), **reds)
        bar.set_yticks([0.5], ["ground truth"])
        bar.grid(False)
        bar.tick_params(bottom=False, left=False)
        bar.set_title(title)
        fig.colorbar(image, ax=[bar, axes], label="cosine", pad=0.015)
    starts = np.arange(len(shown.alignment)) * FRAMES_PER_SNIPPET
    points = pd.DataFrame(shown.alignment, columns=list(scores.categories)).assign(video=video, first_frame=starts)
    return fig, points[["video", "first_frame", *scores.categories]]


def roc_and_pr(runs: Sequence[RunScores], title: str, *, max_points: int = 300) -> tuple[Figure, pd.DataFrame]:
    """ROC and precision-recall curves of several runs over all test frames (equations 14 to 18).

    Args:
        runs: on the same test videos.
        title: of the figure.
        max_points: points kept per curve in the CSV; the drawn curves have all.

    Returns:
        the figure, and (method, curve, x, y) rows; ``curve`` is ``roc`` or ``pr``.

    Raises:
        DataError: the runs have different test frames.
    """
    labels = runs[0].frames()[0]
    points = []
    with style():
        fig, (roc, pr) = plt.subplots(1, 2, figsize=(10, 5.4))
        fig.suptitle(title, fontsize=12)
        roc.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":", label=f"chance (AUC 0.500, AP {labels.mean():.3f})")
        pr.axhline(labels.mean(), color=GREY, lw=0.8, ls=":")
        for run, colour in zip(runs, METHOD_COLOURS):
            theirs, scores = run.frames()
            if not np.array_equal(theirs, labels):
                raise DataError(
                    f"{run.title} was scored on other test frames than {runs[0].title}; run both again on one data set."
                )
            fpr, tpr, _ = roc_curve(labels, scores)
            recall, precision, _ = pr_curve(labels, scores)
            areas = f"AUC {frame_roc_auc(labels, scores):.3f}, AP {average_precision(labels, scores):.3f}"
            roc.plot(fpr, tpr, color=colour, lw=1.4, label=f"{run.title} ({areas})")
            pr.step(recall, precision, where="pre", color=colour, lw=1.4)
            points += [_thinned(run.title, "roc", fpr, tpr, max_points), _thinned(run.title, "pr", recall, precision, max_points)]
        roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (area: AUC)")
        pr.set(xlabel="recall", ylabel="precision", title="Precision-recall (area: AP)")
        for axes in (roc, pr):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        fig.legend(fontsize=9, loc="outside lower center", ncols=2)
    return fig, pd.concat(points, ignore_index=True)


def _thinned(method: str, curve: str, x: np.ndarray, y: np.ndarray, most: int) -> pd.DataFrame:
    """At most so many points of a curve, both ends among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).astype(int))
    return pd.DataFrame({"method": method, "curve": curve, "x": x[kept], "y": y[kept]})
