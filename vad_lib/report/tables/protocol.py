"""The protocol table: one trained model under different readings of the protocol."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation import frame_level, scoring
from vad_lib.report.tables.captions import made_with_text, subjects_and_runs
from vad_lib.report.tables.cells import percent_cell
from vad_lib.report.tables.table import Table
from vad_lib.runs.comparable import Run
from vad_lib.runs.experiments import VARIANTS
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_arrays

_SMOOTHING: tuple[tuple[Literal["sliding", "blocks"], int, str], ...] = (
    ("sliding", 7, "sliding mean of 7 snippets (PEL4VAD on UCF-Crime)"),
    ("blocks", 8, "means of blocks of 8 snippets (PEL4VAD on XD-Violence)"),
)


def protocol_table(
    layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence"), variant: str = "proposed"
) -> Table:
    """What the choices that the field leaves open are worth: metrics of one trained model under each of them.

    Columns hold the two readings of AP and the two false alarm rates. Rows change one thing against the first: smoothing of
    the scores, a single crop or the first five instead of the mean over all ten, and the rule for frame masks where the data
    set has one.

    Args:
        layout: where the run folders are.
        datasets: each adds its rows.
        variant: the model; of its runs the one with the smallest seed.
    """
    rows, data, seeds = [], subjects_and_runs(layout, datasets, (variant,)), []
    for subject, runs in data:
        run = next(iter(runs.get(variant, [])), None)
        if run is None:
            settings: list[tuple[str, dict[str, Any]]] = [("default", {})]
        else:
            settings = _protocol_settings(run)
            seeds.append(f"{run.config['seed']} on {subject.title}")
        for setting, measured in settings:
            rows.append(
                {
                    "data set": subject.title,
                    "setting": setting,
                    **{
                        head: percent_cell([measured[metric]] if measured else [])
                        for metric, head in (
                            ("auc", "AUC %"),
                            ("ap", "AP %: steps"),
                            ("ap_trapezoid", "AP %: trapezoids"),
                            ("far_normal_videos", "FAR %: normal videos"),
                            ("far_all_normal_frames", "FAR %: all normal frames"),
                        )
                    },
                }
            )
    return Table(
        "protocol",
        f"Protocol. {VARIANTS[variant].title} on {' and '.join(subject.long_title for subject, _ in data)}, one trained model "
        "under different readings of the protocol",
        pd.DataFrame(rows),
        (False,) * len(rows),
        ("",) * len(rows),
        "Each row changes one thing against the first of its data set. Tables 2 to 6 use that first row, AP by steps. "
        + (f"Seed {', '.join(seeds)}. " if seeds else "")
        + made_with_text([(s, s.counterpart, runs) for s, runs in data]),
    )


def _protocol_settings(run: Run) -> list[tuple[str, dict[str, Any]]]:
    """Name of each setting of the protocol and its metrics; none where they were not measured."""
    rule, crops = run.measured["selection"], run.config["features"]["crops"]
    info, measured = run.config.get("dataset_info", {}), run.measured.get("protocol", {})
    own_rule = info.get("mask_rule", "frames")
    mean = f"mean of {len(crops)} crops" if len(crops) > 1 else "one crop"
    masks = "" if own_rule == "frames" else f", mask rule {own_rule}"
    settings = [(f"default: {mean}, no smoothing{masks}", run.measured["rules"][rule]["metrics"])]
    settings += [(text, _smoothed_metrics(run, kind, window)) for kind, window, text in _SMOOTHING]
    if len(crops) > 1:
        settings += [(f"crop {crop} alone", measured.get("crops", {}).get(crop, {})) for crop in crops]
        settings += [(f"mean of the first {count} crops", found) for count, found in measured.get("first_crops", {}).items()]
    return settings + [(f"mask rule {r}", found) for r, found in measured.get("mask_rules", {}).items() if r != own_rule]


def _smoothed_metrics(run: Run, kind: Literal["sliding", "blocks"], window: int) -> dict[str, Any]:
    """Metrics of a run's stored scores after smoothing."""
    stored = read_arrays(run.folder / "scores.npz")
    names = stored["videos"].tolist()
    snippets, frames = (
        np.split(stored[key], np.cumsum(stored[n])[:-1]) for key, n in (("score", "num_snippets"), ("labels", "num_frames"))
    )
    tail = run.config.get("dataset_info", {}).get("tail", "exact")
    scores = {
        name: scoring.frame_scores(scoring.smoothed(values, kind, window), len(labels), name=name, tail=tail)
        for name, values, labels in zip(names, snippets, frames, strict=True)
    }
    categories = {name: tuple(text.split(";")) for name, text in zip(names, stored["video_categories"].tolist(), strict=True)}
    return frame_level.evaluate(dict(zip(names, frames, strict=True)), scores, categories, str(stored["categories"][0]))
