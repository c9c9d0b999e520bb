"""What a finished run leaves behind: its key, and what lies in its folder, built of its settings and its outcome."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vad_lib import registry
from vad_lib.config import RULES, RunSettings
from vad_lib.data.dataset import Dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import DataError
from vad_lib.evaluation import fine_grained as evaluation_fine_grained
from vad_lib.runs.baselines import BASELINES
from vad_lib.runs.code_key import code_key
from vad_lib.runs.measure import detection_rules
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.provenance import provenance, versions
from vad_lib.storage.reading import read_json


def run_key(settings: RunSettings, dataset: Dataset, text: TextFeatures | None, origin: Mapping[str, Any] | None = None) -> str:
    """Hash of all that decides the numbers of a run: settings, inputs, code, package versions, and ``origin``."""
    spec = registry.METHODS.get(settings.method)
    root = spec.root if spec else f"vad_lib.runs.baselines.{BASELINES[settings.method].fit.__name__}"
    return content_hash(
        {
            "settings": settings.model_dump(mode="json", exclude={"title", "profile", "declared"}),
            "features": dataset.store.content_hash,
            "videos": file_sha256(dataset.folder / "videos.csv"),
            "protocol": [dataset.info.mask_rule, dataset.info.tail, dataset.counterpart],
            "text": text.content_hash if text else None,
            "code": code_key("vad_lib.runs.trainer.Trainer", root),
            "versions": {name: versions()[name] for name in ("python", "torch", "numpy", "scikit-learn")},
            "threads": torch.get_num_threads(),
            "origin": dict(origin or {}),
        }
    )


def is_complete(folder: Path, key: str) -> bool:
    """True if ``folder`` holds the finished run with this key, weights included."""
    try:
        return read_json(folder / "metrics.json")["key"] == key and (folder / "weights.safetensors").is_file()
    except (DataError, FileNotFoundError, KeyError, TypeError):
        return False


def run_record(
    settings: RunSettings,
    dataset: Dataset,
    text: TextFeatures | None,
    key: str,
    outcome: dict[str, Any],
    origin: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The arguments of :func:`vad_lib.runs.run_folder.write_run`, its folder apart, for a finished run."""
    train = settings.train
    config = {
        "dataset": dataset.name,
        "dataset_info": dataset.info.model_dump(
            mode="json", include={"title", "counterpart", "synthetic", "mask_rule", "tail", "note"}
        ),
        "variant": settings.variant,
        "method": settings.method,
        "title": settings.title,
        "seed": train.seed,
        "profile": settings.profile,
        "declared": list(settings.declared),
        "train": train.model_dump(mode="json"),
        "options": settings.options,
        "width": settings.width,
        "text": {"source": text.source, "note": text.note, "content_hash": text.content_hash} if text else None,
        "features": {**dataset.store.contract.model_dump(mode="json"), "content_hash": dataset.store.content_hash},
        "categories": list(dataset.categories),
        "headline_metric": dataset.headline_metric,
        "parameters": outcome["parameters"],
        "origin": dict(origin or {}),
        "key": key,
    }
    inputs = {"features": dataset.store.content_hash, "videos.csv": file_sha256(dataset.folder / "videos.csv")}
    if text:
        inputs["text"] = text.content_hash
    minutes = sum(record.num_frames for record in dataset.videos.split("test")) / dataset.fps / 60
    test_seconds = outcome["test_seconds"]
    return {
        "config": config,
        "metrics": {
            "key": key,
            "selection": train.selection,
            "headline_metric": dataset.headline_metric,
            "rules": outcome["rules"],
            "validation": outcome["validation"],
            "protocol": outcome.get("protocol", {}),
        },
        "log": outcome["log"],
        "scores": _score_arrays(dataset, outcome, train.selection),
        "weights": outcome["weights"],
        "provenance": provenance(train.seed, train.device, inputs),
        "timing": {
            "train_seconds": outcome["seconds"],
            "seconds_per_step": outcome["seconds"] / train.steps if outcome["log"] else None,
            "test_milliseconds_per_video_minute": None if np.isnan(test_seconds) else 1000 * test_seconds / minutes,
        },
    }


def _score_arrays(dataset: Dataset, outcome: dict[str, Any], selection: str) -> dict[str, np.ndarray]:
    """Arrays of ``scores.npz``: test videos one after the other, in the order of ``videos``."""
    records = dataset.videos.split("test")
    scores, fine_grained = outcome["scores"], outcome["rules"][selection].get("fine_grained")
    chosen = scores[selection]
    arrays = {
        "videos": np.array([record.name for record in records]),
        "categories": np.array(dataset.categories),
        "video_categories": np.array([";".join(record.categories) for record in records]),
        "num_snippets": np.array([len(chosen[record.name]["score"]) for record in records], dtype=np.int64),
        "num_frames": np.array([record.num_frames for record in records], dtype=np.int64),
        "labels": np.concatenate([record.frame_labels() for record in records]),
    }
    for name in chosen[records[0].name]:
        kind = np.float16 if name == "alignment" else np.float32
        arrays[name] = np.concatenate([chosen[record.name][name] for record in records]).astype(kind)
    if fine_grained:
        maps = {record.name: chosen[record.name]["alignment"] for record in records}
        arrays |= evaluation_fine_grained.fine_grained_arrays(
            maps, fine_grained["temperature"], records, dataset.categories, **detection_rules(dataset)
        )
    if outcome.get("crop_scores"):
        arrays["crop_scores"] = np.concatenate([outcome["crop_scores"][record.name] for record in records], axis=1)
    for rule in RULES:
        arrays[f"score_{rule}"] = np.concatenate([scores[rule][record.name]["score"] for record in records]).astype(np.float32)
    return arrays
