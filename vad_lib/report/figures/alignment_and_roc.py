"""The alignment map of a video; ROC and precision-recall curves of several runs."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.errors import DataError
from vad_lib.metrics import average_precision, frame_roc_auc, pr_curve, roc_curve
from vad_lib.report.figures.alternative_texts import composed, number, seed_words
from vad_lib.report.figures.run_scores import RunScores
from vad_lib.report.figures.score_curves import abnormal_snippets, snippet_edges
from vad_lib.report.figures.style import GREY, describe, headline, looks, style

MOST_POINTS = 300  # kept of a curve in the CSV; the drawn curves have all


def alignment_heatmap(scores: RunScores, video: str, title: str) -> tuple[Figure, pd.DataFrame]:
    """The alignment map A of a video (equation 3): categories over frames, the video's own in bold, ground truth above.

    The title says which categories have the highest mean cosine while something abnormal happens.

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
        during, outside = _mean_cosines(shown.alignment, abnormal_snippets(shown), scores.categories)
        headline(fig, title, _highest(during, "abnormal frames") if len(during) else _highest(outside, "normal frames"))
        fig.colorbar(image, ax=[bar, axes], label="cosine", pad=0.015)
    parts = [(part, words) for part, words in ((during, "abnormal"), (outside, "normal")) if len(part)]
    said = [f"{name} " + ", ".join(f"{number(part[name])} {words}" for part, words in parts) for name in scores.categories]
    what = f"Map of {count} categories over {frames} frames, {title}. Mean cosine on abnormal and on normal frames"
    describe(fig, composed(what, said, f"The video's own: {', '.join(shown.categories)}."))
    points = pd.DataFrame(shown.alignment, columns=list(scores.categories))
    points = points.assign(video=video, first_frame=snippet_edges(shown)[:-1])
    return fig, points[["video", "first_frame", *scores.categories]]


def _mean_cosines(alignment: np.ndarray, abnormal: np.ndarray, categories: Sequence[str]) -> tuple[pd.Series, pd.Series]:
    """Mean cosine of each category over the abnormal snippets, and over the others; empty without such snippets."""
    parts = (alignment[abnormal], alignment[~abnormal])
    during, outside = (pd.Series(part.mean(axis=0), list(categories)) if len(part) else pd.Series(dtype=float) for part in parts)
    return during, outside


def _highest(means: pd.Series, where: str) -> str:
    first, second = means.nlargest(2).items()
    return f"highest mean cosine on {where}: {first[0]} {first[1]:.2f}, then {second[0]} {second[1]:.2f}"


def roc_and_pr(runs: Sequence[RunScores], title: str) -> tuple[Figure, pd.DataFrame]:
    """ROC and precision-recall curves of several runs over all test frames (equations 14 to 18).

    Args:
        runs: on the same test videos.
        title: of the figure.

    Returns:
        the figure, and (method, curve, x, y) rows, at most :data:`MOST_POINTS` of a curve; ``curve`` is ``roc`` or ``pr``.

    Raises:
        DataError: the runs have different test frames.
    """
    labels, title = runs[0].frames()[0], f"{title}, {seed_words(run.seed for run in runs)}"
    points, found = [], {}
    drawn_as = looks(run.title for run in runs)
    with style():
        fig, (roc, pr) = plt.subplots(1, 2, figsize=(10, 5.4))
        roc.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":", label=f"chance (AUC 0.500, AP {labels.mean():.3f})")
        pr.axhline(labels.mean(), color=GREY, lw=0.8, ls=":")
        for run in runs:
            (colour, line, _), (theirs, scores) = drawn_as[run.title], run.frames()
            if not np.array_equal(theirs, labels):
                raise DataError(
                    f"{run.title} was scored on other test frames than {runs[0].title}; run both again on one data set."
                )
            fpr, tpr, _ = roc_curve(labels, scores)
            recall, precision, _ = pr_curve(labels, scores)
            found[run.title] = (frame_roc_auc(labels, scores), average_precision(labels, scores))
            area = "AUC {:.3f}, AP {:.3f}".format(*found[run.title])
            roc.plot(fpr, tpr, color=colour, ls=line, lw=1.6, label=f"{run.title} ({area})")
            pr.step(recall, precision, where="pre", color=colour, ls=line, lw=1.6)
            points += [_thinned(run.title, "roc", fpr, tpr), _thinned(run.title, "pr", recall, precision)]
        roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (area: AUC)")
        pr.set(xlabel="recall", ylabel="precision", title="Precision-recall (area: AP)")
        for axes in (roc, pr):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        (auc, by_auc), (ap, by_ap) = (max((areas[place], name) for name, areas in found.items()) for place in (0, 1))
        headline(fig, title, f"largest area: AUC {auc:.3f}, {by_auc}; AP {ap:.3f}, {by_ap}")
        fig.legend(fontsize=9, loc="outside lower center", ncols=2)
    said = [f"{name} AUC {auc:.3f}, AP {ap:.3f}" for name, (auc, ap) in found.items()]
    what = f"ROC curves on the left, precision-recall curves on the right, {title}. Areas"
    describe(fig, composed(what, said, f"Chance is AUC 0.500 and AP {labels.mean():.3f}."))
    return fig, pd.concat(points, ignore_index=True)


def _thinned(method: str, curve: str, x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Points of a curve, both ends among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int))
    return pd.DataFrame({"method": method, "curve": curve, "x": x[kept], "y": y[kept]})
