"""What papers of today report beside AUC and AP, method by method; and what annotation does to the order of methods."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.errors import UndefinedMetricError
from vad_lib.evaluation.intervals import mean_sd_half_width
from vad_lib.evaluation.measures_of_today import measures_of_today
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.evaluation.several_annotators import AnnotatorSettings, ranks_under_annotators, simulated_annotators
from vad_lib.report.tables.captions import comparability_sentences, empty_cells_text, protocol_sentences
from vad_lib.report.tables.dataset_runs import DatasetRuns
from vad_lib.report.tables.table import METRIC_TITLES, NOT_RUN, SELECTION_TITLES, Table
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout

RANDOM_ROW = "Random scores, no method"
_RANDOM_DRAWS = 5

# heading of a block -> key of measures_of_today, and its heading; what has a % is a fraction times 100
BLOCKS: dict[str, dict[str, str]] = {
    "Frames:": {
        "auc": "AUC %",
        "ap": "AP %",
        "macro_auc": "macro AUC %",
        "partial_auc": "partial AUC %",
        "recall_at_1_percent": "recall % at FPR 1 %",
        "recall_at_0.1_percent": "recall % at FPR 0.1 %",
        "best_f1": "best F1 %",
        "best_f1_threshold": "its threshold",
        "calibration_error": "calibration error %",
    },
    "Events:": {
        **{f"event_{part}_{iou}": f"{part} %, IoU {iou}" for iou in (0.1, 0.3, 0.5) for part in ("precision", "recall")},
        "median_delay_seconds": "median delay, s",
        "latency_weighted_ap": "latency-weighted AP %",
        "point_adjusted_f1": "point-adjusted F1 %",
    },
}

_MEANING = (
    "Mean over seeds with its 95 % interval (Student's t over seeds, the test videos fixed; none for one seed). FPR is the part "
    "of the normal frames called abnormal. Macro AUC: the mean over videos with both classes of the AUC of each. Partial AUC: up "
    "to FPR 10 %, standardised so that chance is 50 %. Alarms are runs of frames at or above the threshold of FPR 1 %, matched "
    "one to one with events; where a seed has no alarm or sees no event, precision or delay is empty. Every threshold is chosen "
    "on the test frames, so these values are upper bounds. Point-adjusted F1 counts an event whole once one of its frames is "
    f"found: compare it with the row *{RANDOM_ROW}* before you believe it (Kim et al., AAAI 2022). Best F1: the highest over all "
    "thresholds. Calibration error: mean distance between score and share of abnormal frames, over ten bins of scores. IoU: frames "
    "that alarm and event share, divided by the frames of either. Latency-weighted AP: like AP, but an event first seen after a "
    "part p of its length counts 1 - p."
)


def measures_table(layout: Layout, dataset: Dataset, variants: Sequence[str] = TABLE_ROWS["table2"]) -> Table:
    """Recall at few false alarms, partial AUC, best F1, events and calibration of each method; and the same of random scores.

    Args:
        layout: where runs are read from.
        dataset: loaded (``features=False`` will do).
        variants: keys of :data:`vad_lib.runs.experiments.VARIANTS`, one row each.

    Returns:
        the table ``measures-DATASET``.

    Raises:
        DataError: runs that do not belong into one table.
    """
    data = DatasetRuns.load(layout, dataset, variants)
    rows = {VARIANTS[variant].title: scored_rows(data.of(variant)) for variant in variants}
    if there := [runs for runs in rows.values() if runs]:
        rows[RANDOM_ROW] = tuple(_random(there[0][0], draw) for draw in range(_RANDOM_DRAWS))
    here, cells, reasons = f"here ({data.dataset.title})", [], []
    for title, runs in rows.items():
        try:
            measured: Sequence[Mapping[str, float]] = [measures_of_today(run, dataset.info.fps) for run in runs]
            empty = NOT_RUN
        except UndefinedMetricError as error:
            measured, empty = (), ""
            reasons.append(str(error))
        cells.append(
            {"row": title}
            | {
                f"{here} {heading}": _cell([found[key] for found in measured], heading) if measured else empty
                for block in BLOCKS.values()
                for key, heading in block.items()
            }
            | {"seeds": str(len(runs))}
        )
    return Table(
        f"measures-{data.dataset.name}",
        f"Measures of today on {data.dataset.marked_title}",
        pd.DataFrame(cells),
        (False,) * len(cells),
        ("",) * len(cells),
        f"{_MEANING} {_caption(data)}" + empty_cells_text(data.dataset.title, reasons),
        tuple((name, ("row", *(f"{here} {heading}" for heading in block.values()), "seeds")) for name, block in BLOCKS.items()),
    )


def ranks_table(
    layout: Layout,
    dataset: Dataset,
    variants: Sequence[str] = TABLE_ROWS["table2"],
    *,
    count: int = 4,
    seed: int = 0,
    settings: AnnotatorSettings | None = None,
) -> Table:
    """The headline metric and the rank of each method under several simulated annotators of the test videos.

    Args:
        layout: where runs are read from.
        dataset: loaded (``features=False`` will do).
        variants: keys of :data:`vad_lib.runs.experiments.VARIANTS`; those without runs have no rank.
        count: annotators.
        seed: of the annotators.
        settings: how they err, see :func:`vad_lib.evaluation.several_annotators.simulated_annotators`; None for the defaults.

    Returns:
        the table ``annotators-DATASET``; its last column holds the best and the worst rank under single annotators.

    Raises:
        DataError: runs that do not belong into one table.
        UndefinedMetricError: the metric is not defined under an annotator.
    """
    data, chosen = DatasetRuns.load(layout, dataset, variants), settings or AnnotatorSettings()
    rows = {VARIANTS[variant].title: scored_rows(data.of(variant)) for variant in variants}
    there = {title: runs for title, runs in rows.items() if runs}
    metric = data.dataset.metric
    cells, ranks = {title: {"row": title} for title in rows}, f"ranks, annotators 1 to {count}"
    if there:
        events = next(iter(there.values()))[0].events
        annotators = simulated_annotators(events, dataset.info.fps, count, seed, chosen)
        found = ranks_under_annotators(there, annotators, metric)
        for title, of_method in found.groupby("method", sort=False):
            single = of_method[of_method["annotator"].str.isdecimal()]["rank"]
            for one in of_method.itertuples():
                cells[title][_annotator_heading(data, one.annotator)] = f"{100 * one.value:.2f} ({one.rank})"
            cells[title][ranks] = f"{single.min()} to {single.max()}"
    frame = pd.DataFrame([row if len(row) > 1 else row | {ranks: NOT_RUN} for row in cells.values()]).fillna("")
    return Table(
        f"annotators-{data.dataset.name}",
        f"{METRIC_TITLES[metric]} and rank under {count} simulated annotators of {data.dataset.marked_title}",
        frame[[*frame.columns.drop(ranks), ranks]],
        (False,) * len(cells),
        ("",) * len(cells),
        f"Mean over seeds, in brackets the rank among the rows. Annotators are simulated (seed {seed}): each has a habit h between "
        f"0 and 2, starts events later by {chosen.late_seconds:g} h seconds on average, ends them earlier by "
        f"{chosen.early_seconds:g} h seconds, and misses {100 * chosen.miss:g} h % of them. *Mean* averages the metric over "
        "annotators (arXiv 2505.19022, first version); *shares* counts a frame as abnormal to the part of the annotators who say "
        f"so. {'Who marks less lowers the AP of every row, so compare ranks. ' * (metric == 'ap')}{_caption(data)}",
    )


def _random(run: ScoredVideos, draw: int) -> ScoredVideos:
    """The test videos of a run with scores that know nothing, uniform in [0, 1]."""
    rng = np.random.default_rng(draw)
    return run.with_scores(lambda scores: rng.random(len(scores)))


def _annotator_heading(data: DatasetRuns, annotator: str) -> str:
    words = f"annotator {annotator}" if annotator.isdecimal() else annotator
    return f"{data.dataset.metric_heading}: {words}"


def _caption(data: DatasetRuns) -> str:
    step = f"All values are of the step {SELECTION_TITLES[data.selection]}."
    return " ".join([step, *comparability_sentences(data.dataset), *protocol_sentences(data.dataset)])


def _cell(values: Sequence[float], heading: str) -> str:
    """Mean over seeds and 95 % interval, such as ``71.72 [60.10, 83.34]``; empty if a seed has no value."""
    if np.isnan(values).any():
        return ""
    factor = 100 if "%" in heading else 1
    mean, sd, half = mean_sd_half_width(factor * np.array(values), 0.95)
    if sd is None:
        return f"{mean:.2f}"
    high = mean + half if heading.endswith(", s") else min(mean + half, factor)  # the others are at most 1, or 100 %
    return f"{mean:.2f} [{max(mean - half, 0):.2f}, {high:.2f}]"
