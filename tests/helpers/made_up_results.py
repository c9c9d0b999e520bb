"""A results folder with made-up runs, for the tests of tables and figures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_arrays, write_json, write_text

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
}
WITH_TEXT = ("vadclip", "pcl", "pcl-dbagf", "fine", "fine-align", "proposed", "proposed-permuted")
TERMS = (
    *("main", "abnormal_video_abnormal_memory", "abnormal_video_normal_memory", "normal_video_normal_memory"),
    *("normal_video_abnormal_memory", "triplet", "kl", "magnitude", "align", "cls", "con"),
)


class MadeUpResults:
    """Writes run folders in the project's format, with random but plausible numbers."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def write(self, dataset: str, variant: str, seed: int = 1, auc: float = 0.8, **config) -> Path:
        """One run folder; ``config`` replaces entries of its ``config.json``."""
        folder = self.layout.run(dataset, variant, seed)
        rng = np.random.default_rng([seed, len(variant), *variant.encode()])
        text = {"source": "sentence all-MiniLM-L6-v2", "note": "sentence features, not CLIP", "content_hash": "t"}
        crime = dataset == "synth-crime"
        write_json(
            folder / "config.json",
            {
                "dataset": dataset,
                "variant": variant,
                "method": variant,
                "title": TITLES.get(variant, variant),
                "seed": seed,
                "profile": "quick",
                "train": {"steps": 60, "batch_size": 16, "num_segments": 32, "lr": 5e-4, "seed": seed, "permute_labels": False},
                "options": {},
                "width": 128,
                "text": text if variant in WITH_TEXT else None,
                "features": {"crop_size": 112, "crops": ["centre"], "weights_note": "", "content_hash": "f"},
                "categories": list(CATEGORIES[dataset]),
                "headline_metric": "auc" if crime else "ap",
                "parameters": 1000,
            }
            | config,
        )
        measured = {
            "auc": auc,
            "ap": auc - 0.3,
            "ap_trapezoid": auc - 0.29,
            "auc_abnormal_videos": auc - 0.1,
            "far_normal_videos": 0.0125,
            "far_all_normal_frames": 0.03,
            "num_frames": 4000,
            "num_abnormal_frames": 500,
        }
        rules = {
            rule: {"step": 60, "metrics": {k: v + shift if k[0] == "a" else v for k, v in measured.items()}}
            for rule, shift in (("last", -0.02), ("best_on_validation", 0.0), ("best_on_test", 0.03))
        }
        write_json(
            folder / "metrics.json",
            {"key": "k", "selection": "best_on_validation", "headline_metric": "auc" if crime else "ap", "rules": rules},
        )
        if variant != "logistic-regression":
            self._write_log(folder, rng, crime, variant)
        self._write_scores(folder, np.random.default_rng(5), rng, dataset, variant)
        return folder

    @staticmethod
    def _write_log(folder: Path, rng: np.random.Generator, crime: bool, variant: str) -> None:
        steps = np.arange(1, 61)
        log = pd.DataFrame({"step": steps, "lr": 5e-4})
        weights = {"main": 1.0, "align": 0.1, "cls": 0.1, "con": 0.05, "kl": 0.001}
        for i, term in enumerate(TERMS):
            log[f"loss/{term}"] = (1 + i) * (0.3 + 0.7 * np.exp(-steps / 20)) + rng.normal(0, 0.05, 60)
            log[f"weight/{term}"] = weights.get(term, 0.1)
        log["loss"] = sum(log[f"loss/{t}"] * log[f"weight/{t}"] for t in TERMS)
        evaluated = steps % 10 == 0
        log["validation/auc"] = np.where(evaluated, 0.6 + steps / 300 + rng.normal(0, 0.02, 60), np.nan)
        log["validation/bce"] = np.where(evaluated, 0.6, np.nan)
        log["test/auc" if crime else "test/ap"] = np.where(evaluated, 0.55 + steps / 300, np.nan)
        if variant in WITH_TEXT:
            log["monitor/w"] = np.where(evaluated, 0.5 + 0.002 * steps + rng.normal(0, 0.005, 60), np.nan)
        write_text(folder / "log.csv", log.to_csv(index=False))

    @staticmethod
    def _write_scores(folder: Path, shared: np.random.Generator, rng: np.random.Generator, dataset: str, variant: str) -> None:
        """Labels come from ``shared`` and are the same for all variants; scores from ``rng``."""
        categories = CATEGORIES[dataset]
        names, theirs, lengths, labels, score, visual, semantic, alignment = [], [], [], [], [], [], [], []
        for c, category in enumerate(categories * 2):
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
        if variant in WITH_TEXT:
            arrays |= {
                "visual": np.concatenate(visual).astype(np.float32),
                "semantic": np.concatenate(semantic).astype(np.float32),
                "alignment": np.concatenate(alignment).astype(np.float16),
            }
        write_arrays(folder / "scores.npz", arrays)

    def change(self, folder: Path, **config) -> None:
        """Replace entries of a run's ``config.json``."""
        path = folder / "config.json"
        write_json(path, json.loads(path.read_text()) | config)
