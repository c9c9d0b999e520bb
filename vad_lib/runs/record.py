"""What a finished run leaves behind: its key, and the content of its folder, made of its settings and its outcome."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vad_lib import registry
from vad_lib.config import SELECTIONS, RunSettings
from vad_lib.data.dataset import Dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import DataError
from vad_lib.evaluation import fine_grained as evaluation_fine_grained
from vad_lib.evaluation.score_arrays import described_videos
from vad_lib.methods.base import MethodSpec
from vad_lib.methods.fast_cpu import FAST
from vad_lib.runs.code_key import PACKAGE, code_key, meanings
from vad_lib.runs.measure import detection_rules
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.provenance import provenance, versions

Scores = dict[str, dict[str, np.ndarray]]  # video -> kind -> (T,) or (T, C)


class Outcome(NamedTuple):
    """What the loop gives at its end.

    Attributes:
        log: a row per step.
        selections: selection -> ``step``, ``metrics`` and, with alignment maps, ``fine_grained``.
        scores: selection -> scores of the test videos.
        crop_scores: test video -> float32 (N, T), scores of each crop by itself; empty if there is one crop only.
        protocol: metrics of the selected weights under other choices of the protocol.
        validation: ``auc`` and ``bce`` of the evaluation that was best on the validation videos.
        weights: of the selected step.
        parameters: numbers that training may move.
        seconds: of training, evaluations included.
        test_seconds: of scoring the test videos once.
    """

    log: list[dict[str, float]]
    selections: dict[str, dict[str, Any]]
    scores: dict[str, Scores]
    crop_scores: dict[str, np.ndarray]
    protocol: dict[str, Any]
    validation: dict[str, float]
    weights: dict[str, torch.Tensor]
    parameters: int
    seconds: float
    test_seconds: float


def code_roots(spec: MethodSpec, package: Path = PACKAGE) -> tuple[str, ...]:
    """Definitions that decide the numbers of a method's runs, with all that they use; see :mod:`vad_lib.runs.code_key`.

    Args:
        spec: the method's entry in the registry.
        package: folder of the package; the library's own by default.

    Returns:
        dotted names: the loop, the method and, for one on bags, the common learner and the fast forms of its modules.
    """
    roots: tuple[str, ...] = ("vad_lib.runs.trainer.Trainer", spec.root)
    if not spec.on_bags:
        return roots
    roots += ("vad_lib.runs.learner.BagLearner", "vad_lib.registry.build_method")
    used = meanings(roots, package)
    fast = (kind for plain, kind in FAST.items() if not plain.__module__.startswith("vad_lib.") or _dotted(plain) in used)
    return roots + tuple(map(_dotted, fast))


def _dotted(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def run_key(settings: RunSettings, dataset: Dataset, text: TextFeatures | None, origin: Mapping[str, Any] | None = None) -> str:
    """Hash of all that decides the numbers of a run: settings, inputs, code, package versions, and ``origin``.

    Raises:
        DataError: the data set was loaded without its features.
    """
    if dataset.store is None:
        raise DataError(
            f"data set {dataset.name}: a run needs features, and it was loaded with features=False; load it with "
            "load_dataset(folder)."
        )
    return content_hash(
        {
            "settings": settings.model_dump(mode="json", exclude={"title", "profile", "declared"}),
            "features": dataset.store.content_hash,
            "videos": file_sha256(dataset.folder / "videos.csv"),
            "protocol": [dataset.info.mask_rule, dataset.info.tail, dataset.counterpart],
            "text": text.content_hash if text else None,
            "code": code_key(*code_roots(registry.method_spec(settings.method))),
            "versions": {name: versions()[name] for name in ("python", "torch", "numpy", "scikit-learn")},
            "threads": torch.get_num_threads(),
            "origin": dict(origin or {}),
        }
    )


def run_record(
    settings: RunSettings,
    dataset: Dataset,
    text: TextFeatures | None,
    key: str,
    outcome: Outcome,
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
        "parameters": outcome.parameters,
        "origin": dict(origin or {}),
        "key": key,
    }
    inputs = {"features": dataset.store.content_hash, "videos.csv": file_sha256(dataset.folder / "videos.csv")}
    if text:
        inputs["text"] = text.content_hash
    minutes = sum(record.num_frames for record in dataset.videos.split("test")) / dataset.fps / 60
    return {
        "config": config,
        "metrics": {
            "key": key,
            "selection": train.selection,
            "headline_metric": dataset.headline_metric,
            "selections": outcome.selections,
            "validation": outcome.validation,
            "protocol": outcome.protocol,
        },
        "log": outcome.log,
        "scores": _score_arrays(dataset, outcome, train.selection),
        "weights": outcome.weights,
        "provenance": provenance(train.seed, train.device, inputs),
        "timing": {
            "train_seconds": outcome.seconds,
            "seconds_per_step": outcome.seconds / len(outcome.log) if len(outcome.log) > 1 else None,
            "test_milliseconds_per_video_minute": 1000 * outcome.test_seconds / minutes,
        },
    }


def _score_arrays(dataset: Dataset, outcome: Outcome, selection: str) -> dict[str, np.ndarray]:
    """Arrays of ``scores.npz``: test videos one after the other, in the order of ``videos``."""
    records = dataset.videos.split("test")
    scores, fine_grained = outcome.scores, outcome.selections[selection].get("fine_grained")
    chosen = scores[selection]
    arrays = described_videos(chosen, dataset, records)
    for name in chosen[records[0].name]:
        kind = np.float16 if name == "alignment" else np.float32
        arrays[name] = np.concatenate([chosen[record.name][name] for record in records]).astype(kind)
    if fine_grained:
        maps = {record.name: chosen[record.name]["alignment"] for record in records}
        arrays |= evaluation_fine_grained.fine_grained_arrays(
            maps, fine_grained["temperature"], records, dataset.categories, **detection_rules(dataset)
        )
    if outcome.crop_scores:
        arrays["crop_scores"] = np.concatenate([outcome.crop_scores[record.name] for record in records], axis=1)
    for name in SELECTIONS:
        of_videos = [scores[name][record.name]["score"] for record in records]
        arrays[f"score_{name}"] = np.concatenate(of_videos).astype(np.float32)
    return arrays
