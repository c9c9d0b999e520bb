"""A results folder with made-up runs, for the tests of tables and figures."""

from pathlib import Path

import numpy as np
import pandas as pd

from vad_lib.report.tables.methods import methods_table
from vad_lib.report.tables.table import Table
from vad_lib.runs.run_folder import CONFIG, write_run
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

CATEGORIES = {
    "synth-crime": ("Normal", "Arson", "Explosion", "Shoplifting", "Stealing", "Vandalism"),
    "synth-violence": ("Normal", "CarAccident", "Explosion", "Fighting", "Riot"),
}
TITLES = {
    "logistic-regression": "Logistic regression on snippets",
    "ur-dmu": "UR-DMU",
    "msf-dmu": "MSF-DMU",
    "pcl": "+ PCL",
    "pcl-dbagf": "+ PCL + DBAGF",
    "fine": "+ fine",
    "fine-align": "+ fine + align",
    "proposed": "Proposed",
    "proposed-permuted": "Proposed, training labels permuted",
    "supervised": "Supervised, for comparison",
}
WITH_TEXT = ("vadclip", "pcl", "pcl-dbagf", "fine", "fine-align", "proposed", "proposed-permuted")
TERMS = (
    *("main", "abnormal_video_abnormal_memory", "abnormal_video_normal_memory", "normal_video_normal_memory"),
    *("normal_video_abnormal_memory", "triplet", "kl", "magnitude", "align", "cls", "con"),
)
TRAIN = {"steps": 60, "batch_size": 16, "num_segments": 32, "lr": 5e-4, "permute_labels": False}
FEATURES = {"crop_size": 112, "crops": ["centre"], "weights_note": "", "content_hash": "f"}
REAL = {"title": "UCF-Crime", "counterpart": "UCF-Crime", "synthetic": False, "mask_rule": "A", "tail": "exact", "note": ""}
IMPORTED = {
    "backbone": "as imported",
    "dimension": 1024,
    "crop_size": None,
    "crops": [str(place) for place in range(10)],
    "weights_note": "",
    "weights_sha256": "",
    "source": "feature files, one per crop",
    "content_hash": "r",
}
TEXT = {"source": "sentence all-MiniLM-L6-v2", "note": "sentence features, not CLIP", "content_hash": "t"}
SHIFTS = {"last": -0.02, "best_on_validation": 0.0, "best_on_test": 0.03}  # of areas, by selection
STEPS = 60


def row_of(table: Table, name: str) -> pd.Series:
    """The row of a table whose first cell is a name."""
    return table.frame[table.frame.iloc[:, 0] == name].iloc[0]


def table2(layout: Layout, dataset: str = "synth-crime") -> Table:
    return methods_table(layout, dataset, "UCF-Crime")


def table3(layout: Layout) -> Table:
    return methods_table(layout, "synth-violence", "XD-Violence")


class MadeUpResults:
    """Writes run folders in the project's format, with random but plausible numbers."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def write(self, dataset: str, variant: str, seed: int = 1, auc: float = 0.8, *, like: str = "", timing=None, **config) -> Path:
        """One run folder.

        Args:
            dataset: name of its data set.
            variant: of the run.
            seed: of the run.
            auc: the AUC under the selection in use; the other areas follow from it.
            like: the rendered data set whose categories, headline metric and videos it has; by default ``dataset``.
            timing: seconds.
            config: replaces entries of its settings.
        """
        folder, like = self.layout.run(dataset, variant, seed), like or dataset
        rng = np.random.default_rng([seed, len(variant), *variant.encode()])
        log = [] if variant in ("logistic-regression", "supervised") else _log(rng, like, variant)
        write_run(
            folder,
            config=_config(like, variant, seed) | {"dataset": dataset} | config,
            metrics=_metrics(like, auc),
            scores=_scores(np.random.default_rng(5), rng, like, variant),
            log=log,
            timing=timing,
        )
        return folder

    def write_real(self, dataset: str = "ucf-crime", variants: tuple[str, ...] = ("proposed",), **info) -> None:
        """Runs on imported features of UCF-Crime itself; ``info`` replaces what they know of it."""
        for variant in variants:
            self.write(dataset, variant, like="synth-crime", features=IMPORTED, dataset_info=REAL | info)

    def change(self, folder: Path, **config) -> None:
        """Replace entries of a run's settings."""
        path = folder / CONFIG
        write_json(path, read_json(path) | config)


def _headline(dataset: str) -> str:
    return "auc" if dataset == "synth-crime" else "ap"


def _config(dataset: str, variant: str, seed: int) -> dict:
    return {
        "dataset": dataset,
        "variant": variant,
        "method": variant,
        "title": TITLES.get(variant, variant),
        "seed": seed,
        "profile": "quick",
        "train": TRAIN | {"seed": seed},
        "options": {},
        "width": 128,
        "text": TEXT if variant in WITH_TEXT else None,
        "features": FEATURES,
        "categories": list(CATEGORIES[dataset]),
        "headline_metric": _headline(dataset),
        "parameters": 1000,
    }


def _metrics(dataset: str, auc: float) -> dict:
    """Areas differ between selections, rates and counts do not."""
    areas = {"auc": auc, "ap": auc - 0.3, "ap_trapezoid": auc - 0.29, "auc_abnormal_videos": auc - 0.1}
    others = {"far_normal_videos": 0.0125, "far_all_normal_frames": 0.03, "num_frames": 4000, "num_abnormal_frames": 500}
    rules = {
        selection: {"step": STEPS, "metrics": {name: area + shift for name, area in areas.items()} | others}
        for selection, shift in SHIFTS.items()
    }
    return {"key": "k", "selection": "best_on_validation", "headline_metric": _headline(dataset), "selections": rules}


def _log(rng: np.random.Generator, dataset: str, variant: str) -> list[dict]:
    steps = np.arange(1, STEPS + 1)
    log = pd.DataFrame({"step": steps, "lr": 5e-4})
    weights = {"main": 1.0, "align": 0.1, "cls": 0.1, "con": 0.05, "kl": 0.001}
    for i, term in enumerate(TERMS):
        log[f"loss/{term}"] = (1 + i) * (0.3 + 0.7 * np.exp(-steps / 20)) + rng.normal(0, 0.05, STEPS)
        log[f"weight/{term}"] = weights.get(term, 0.1)
    log["loss"] = sum(log[f"loss/{t}"] * log[f"weight/{t}"] for t in TERMS)
    evaluated = steps % 10 == 0
    log["validation/auc"] = np.where(evaluated, 0.6 + steps / 300 + rng.normal(0, 0.02, STEPS), np.nan)
    log["validation/bce"] = np.where(evaluated, 0.6, np.nan)
    log[f"test/{_headline(dataset)}"] = np.where(evaluated, 0.55 + steps / 300, np.nan)
    if variant in WITH_TEXT:
        log["monitor/w"] = np.where(evaluated, 0.5 + 0.002 * steps + rng.normal(0, 0.005, STEPS), np.nan)
    return log.to_dict("records")


def _scores(shared: np.random.Generator, rng: np.random.Generator, dataset: str, variant: str) -> dict[str, np.ndarray]:
    """Labels come from ``shared`` and are the same for all variants; scores from ``rng``."""
    categories = CATEGORIES[dataset]
    names, theirs, lengths, labels, score, visual, semantic, alignment = [], [], [], [], [], [], [], []
    for c, category in enumerate((*categories * 2, "Normal", "Normal")):  # four normal ones: fewer give no interval
        frames = int(shared.integers(220, 420))
        label = np.zeros(frames, dtype=np.uint8)
        if category != "Normal":
            start = int(shared.integers(60, 120))
            label[start : start + int(shared.integers(50, 90))] = 1
        snippets = -(-frames // 16)
        truth = np.array([label[16 * t : 16 * t + 16].mean() for t in range(snippets)])
        both = [np.clip(0.1 + 0.75 * truth + rng.normal(0, 0.12, snippets), 0, 1) for _ in range(2)]
        names.append(f"{category}_{c:03d}")
        theirs.append(category if c != 2 else f"{category};{categories[3]}")
        lengths.append((snippets, frames))
        labels.append(label)
        visual.append(both[0])
        semantic.append(both[1])
        score.append(0.6 * both[0] + 0.4 * both[1])
        cosines = rng.normal(0.1, 0.05, (snippets, len(categories)))
        cosines[:, c % len(categories)] += 0.4 * truth
        alignment.append(cosines)
    arrays = {
        "videos": np.array(names),
        "categories": np.array(categories),
        "video_categories": np.array(theirs),
        "num_snippets": np.array([n for n, _ in lengths]),
        "num_frames": np.array([n for _, n in lengths]),
        "labels": np.concatenate(labels),
        "score": np.concatenate(score).astype(np.float32),
    }
    arrays |= {f"score_{selection}": arrays["score"] for selection in ("last", "best_on_validation", "best_on_test")}
    if variant in WITH_TEXT:
        arrays |= {
            "visual": np.concatenate(visual).astype(np.float32),
            "semantic": np.concatenate(semantic).astype(np.float32),
            "alignment": np.concatenate(alignment).astype(np.float16),
        }
    return arrays
