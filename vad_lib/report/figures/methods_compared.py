"""The methods side by side: one video through all of them, and accuracy against cost."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.data.annotations import mask_intervals
from vad_lib.errors import DataError
from vad_lib.metrics import frame_roc_auc
from vad_lib.registry import METHODS
from vad_lib.report.figures.alternative_texts import composed, number, seed_words
from vad_lib.report.figures.run_scores import RunScores
from vad_lib.report.figures.score_curves import shade_abnormal, snippet_edges
from vad_lib.report.figures.style import BLACK, describe, headline, hide_unused, looks, method_look, style
from vad_lib.report.tables.table import METRIC_TITLES
from vad_lib.runs.run_folder import Run

_FLAT = 0.02  # a curve that stays below looks like the axis


def method_curves(runs: Sequence[RunScores], video: str, title: str) -> tuple[Figure, pd.DataFrame]:
    """Scores of one test video by several methods, a panel each, abnormal frames shaded.

    Args:
        runs: on the same test videos, in the order of the panels.
        video: name of a test video.
        title: of the figure.

    Returns:
        the figure, and one row per method and snippet.

    Raises:
        DataError: a run does not have the video.
    """
    points, said, title = [], [], f"{title}, {seed_words(run.seed for run in runs)}"
    with style():
        rows = -(-len(runs) // 3)
        fig, grid = plt.subplots(rows, 3, figsize=(10, 1.55 * rows + 0.9), sharex=True, sharey=True, squeeze=False)
        for axes, run in zip(grid.flat, runs):
            if video not in run.videos:
                raise DataError(f"{run.title} has no scores of {video}; run it on the data set that the other methods were run on.")
            shown = run.videos[video]
            edges, score = snippet_edges(shown), shown.curves["score"]
            shade_abnormal(axes, shown.labels)
            axes.stairs(score, edges, baseline=None, color=method_look(run.title).colour, lw=1.6)
            flat = f", highest {score.max():.1g}" if score.max() < _FLAT else ""
            axes.set_title("\n".join(wrap(run.title + _auc_inside(run, video) + flat, 46)), fontsize=9)
            axes.set(xlim=(0, edges[-1]), ylim=(-0.03, 1.03), yticks=(0, 0.5, 1))
            points.append(pd.DataFrame({"method": run.title, "video": video, "first_frame": edges[:-1], "score": score}))
            said.append(f"{run.title}{_auc_inside(run, video)}, highest {score.max():.2f} at frame {edges[score.argmax()]}")
        hide_unused(grid, len(runs))
        fig.supxlabel("frame (shaded: abnormal); AUC: inside this video", fontsize=9.5)
        fig.supylabel("anomaly score", fontsize=9.5)
        labels = runs[0].videos[video].labels
        fig.suptitle(title + _extremes(runs, video), fontsize=12)
    events = ", ".join(f"{start} to {end}" for start, end in mask_intervals(labels)) or "none"
    what = f"Score from 0 to 1 over {len(labels)} frames of one video, a panel per method, {title}. Abnormal frames: {events}"
    describe(fig, composed(what, said))
    return fig, pd.concat(points, ignore_index=True)


def _auc_inside(run: RunScores, video: str) -> str:
    """AUC on the frames of one video, in words; empty where all frames are of one class."""
    value = _auc(run, video)
    return "" if value is None else f", AUC {100 * value:.0f} %"


def _auc(run: RunScores, video: str) -> float | None:
    labels, values = run.frames(video)
    return frame_roc_auc(labels, values) if 0 < labels.sum() < len(labels) else None


def _extremes(runs: Sequence[RunScores], video: str) -> str:
    """The methods with the lowest and the highest AUC inside a video, as the end of a title; empty if it is not defined."""
    found = {run.title: value for run in runs if (value := _auc(run, video)) is not None}
    if len(found) < 2:
        return ""
    lowest, highest = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    return f"\nAUC inside it from {100 * found[lowest]:.0f} % ({lowest}) to {100 * found[highest]:.0f} % ({highest})"


def method_points(runs: Mapping[str, Sequence[Run]], metric: str, selection: str) -> pd.DataFrame:
    """Accuracy and cost of each method, for :func:`accuracy_against`.

    Args:
        runs: variant -> its runs.
        metric: ``auc`` or ``ap``.
        selection: of the step whose metric counts.

    Returns:
        a row per variant with runs: ``method``, ``value`` (percent, mean over seeds), ``parameters``, ``milliseconds`` of
        testing per minute of video (median over seeds; missing where it was not measured), and ``pixels``, whether these include
        all from the pixels on.
    """
    rows = []
    for done in runs.values():
        if not done:
            continue
        speeds = [run.timing().get("test_milliseconds_per_video_minute") for run in done]
        rows.append(
            {
                "method": done[0].title,
                "value": 100 * float(np.mean([run.value(metric, selection) for run in done])),
                "parameters": done[0].config["parameters"],
                "milliseconds": float(np.median([speed for speed in speeds if speed is not None] or [np.nan])),
                "pixels": METHODS[done[0].config["method"]].pixels,
            }
        )
    return pd.DataFrame(rows)


def accuracy_against(points: pd.DataFrame, metric: str, title: str) -> tuple[Figure, pd.DataFrame]:
    """Accuracy against parameters and against testing time, a mark per method, their names below from the most accurate on.

    Args:
        points: of :func:`method_points`; a method without a measured time is left out of the right panel.
        metric: ``auc`` or ``ap``, for the label.
        title: of the figure.

    Returns:
        the figure, and the points themselves.
    """
    whole = points.loc[points["pixels"] & (points["milliseconds"] > 0), "method"]
    testing = "testing, ms per minute of video; features given" + "".join(f",\n{name} from pixels" for name in whole)
    panels = (("parameters", "parameters"), ("milliseconds", testing))
    ordered = points.sort_values("value", ascending=False, kind="stable")
    drawn_as = looks(ordered["method"])
    with style():
        fig, both = plt.subplots(1, 2, figsize=(10, 4.4 + 0.22 * -(-len(points) // 3)), sharey=True)
        best, named = ordered.iloc[0], METRIC_TITLES[metric]
        most = f"{best['method']}, {named} {best['value']:.1f} %, {best['parameters']:,.0f} parameters"
        headline(fig, title, f"highest mean over seeds: {most}")
        for axes, (column, label) in zip(both, panels):
            for row in ordered[ordered[column] > 0].to_dict("records"):
                colour, _, marker = drawn_as[row["method"]]
                axes.plot(row[column], row["value"], marker, color=colour, ms=8, mew=1.5, ls="", label=row["method"], alpha=0.9)
            axes.set(xscale="log", xlabel=label)
            axes.margins(0.12)
        both[0].set_ylabel(f"{named} %, step chosen on validation")
        fig.legend(*both[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    said = [
        f"{row.method} {row.value:.1f} %, {row.parameters:,} parameters{_speed(row.milliseconds)}" for row in ordered.itertuples()
    ]
    what = f"Two panels, {title}. {named} in percent over parameters, and over milliseconds of testing per minute of video"
    describe(fig, composed(what, said))
    return fig, points


def _speed(milliseconds: float) -> str:
    return "" if np.isnan(milliseconds) else f", {number(milliseconds)} ms"


def rank_agreement(runs: Sequence[RunScores], title: str) -> tuple[Figure, pd.DataFrame]:
    """Rank correlation of the frame scores of every two methods.

    Args:
        runs: on the same test videos.
        title: of the figure; names the data.

    Returns:
        the figure, and Spearman's correlations, a row and a column per method.
    """
    title = f"{title}, {seed_words(run.seed for run in runs)}"
    agreement = pd.DataFrame({run.title: run.frames()[1] for run in runs}).corr("spearman")
    named = agreement.rename_axis("method").reset_index()
    pairs = agreement.where(np.triu(np.ones(agreement.shape, dtype=bool), 1)).stack().dropna().sort_values(ascending=False)
    ends = [
        f"{a} and {b} {value:.2f}"
        for (a, b), value in (*pairs.head(3).items(), *pairs.tail(min(3, max(len(pairs) - 3, 0))).items())
    ]
    with style():
        fig, axes = plt.subplots(figsize=(10, 7.2))
        image = axes.imshow(agreement, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(agreement.to_numpy()):
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color="white" if abs(value) > 0.5 else BLACK
            )
        axes.set_xticks(range(len(runs)), agreement.columns, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(runs)), agreement.index)
        axes.grid(visible=False)
        fig.colorbar(image, ax=axes, label="rank correlation", pad=0.015)
        headline(fig, f"{title}: rank correlation of frame scores", f"most alike: {ends[0]}" if ends else "")
    what = f"Map of the rank correlations of frame scores between {len(runs)} methods, {title}. The highest and the lowest"
    describe(fig, composed(what, ends) if ends else f"{what}: one method has none.")
    return fig, named
