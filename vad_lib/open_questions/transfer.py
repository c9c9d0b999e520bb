"""Trained on one data set, tested on another."""

from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vad_lib.config import Profile
from vad_lib.data import prepare
from vad_lib.data.dataset import load_dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import DataError, VadError
from vad_lib.evaluation import scored_videos, scoring
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.model import Proposed
from vad_lib.runs import trained_model
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_arrays, write_json

TRANSFERRED = ("msf-dmu", "proposed")  # without words, and with them


def transfer_folder(layout: Layout, source: str, target: str, variant: str, seed: int) -> Path:
    """Scores of a run of one data set on the test videos of another."""
    return layout.results / "beyond" / "transfer" / f"{source}-to-{target}" / variant / f"seed{seed}"


def transfer(
    layout: Layout, profile: Profile, source: str, target: str, variant: str, seed: int, device: str = "cpu"
) -> ScoredVideos:
    """Score a data set with a model trained on another; kept, and made again only if either changes.

    The prompts of the target's categories replace those of the source; what was learned beside a prompt (Delta_c) is kept for a
    category that both have, and is zero for a new one. Nothing is trained. Only the score of a snippet is used.

    Args:
        layout: where data and results are.
        profile: names the text features.
        source, target: folders of data sets.
        variant: the row that was trained on ``source``.
        seed: of the run.
        device: of torch.

    Raises:
        VadError: no such run, no weights, or features of another width.
    """
    made, place = layout.run(source, variant, seed), transfer_folder(layout, source, target, variant, seed)
    model, config = trained_model.load_model(made)
    dataset = load_dataset(layout.dataset(target), backbone=profile.features.backbone)
    if dataset.store.dimension != config["features"]["dimension"]:
        raise DataError(
            f"{made}: takes features of width {config['features']['dimension']}, {dataset.title} has {dataset.store.dimension}; "
            "give both data sets features of one backbone."
        )
    text = prepare.dataset_text(profile, dataset) if isinstance(model, Proposed) else None
    parts = [config["key"], dataset.store.content_hash, file_sha256(dataset.folder / "videos.csv"), text and text.content_hash]
    if (place / "config.json").is_file() and read_json(place / "config.json")["key"] == content_hash(parts):
        return scored_videos.load_scored(place)
    if text:
        model = _with_categories(model, tuple(config["categories"]), text)
    records = dataset.videos.split("test")
    scores = scoring.snippet_scores(model.to(device), dataset, records, device)
    write_arrays(
        place / "scores.npz",
        {
            "videos": np.array([record.name for record in records]),
            "categories": np.array(dataset.categories),
            "video_categories": np.array([";".join(record.categories) for record in records]),
            "num_snippets": np.array([len(scores[record.name]["score"]) for record in records], dtype=np.int64),
            "num_frames": np.array([record.num_frames for record in records], dtype=np.int64),
            "labels": np.concatenate([record.frame_labels() for record in records]),
            "score": np.concatenate([scores[record.name]["score"] for record in records]).astype(np.float32),
        },
    )
    kept = {name: config[name] for name in ("method", "variant", "seed")}
    about = {"title": f"{config['title']}, trained on {source}", "key": content_hash(parts), "dataset": target}
    write_json(place / "config.json", kept | about | {"dataset_info": {"tail": dataset.info.tail}})
    return scored_videos.load_scored(place)


def transfer_all(layout: Layout, profile: Profile, datasets: Sequence[str], seeds: Sequence[int], device: str = "cpu") -> list[str]:
    """:func:`transfer` of every row of :data:`TRANSFERRED` from each data set to each other one; messages of those that failed."""
    failed = []
    for (source, target), variant, seed in product(permutations(datasets, 2), TRANSFERRED, seeds):
        try:
            transfer(layout, profile, source, target, variant, seed, device)
        except VadError as error:
            failed.append(f"{variant}, {source} to {target}, seed {seed}: {error}")
    return failed


def _with_categories(model: Proposed, categories: tuple[str, ...], text: TextFeatures) -> Proposed:
    """The trained model with the prompts of another data set."""
    offset = torch.zeros(text.values.shape)
    for row, category in enumerate(text.categories):
        if category in categories:
            offset[row] = model.prompt_offset.detach()[categories.index(category)]
    model.text = torch.from_numpy(text.values.copy())
    model.prompt_offset = nn.Parameter(offset)
    return model


def transferred(layout: Layout, source: str, target: str, variant: str) -> tuple[ScoredVideos, ...]:
    """All seeds of :func:`transfer` that are there."""
    place = transfer_folder(layout, source, target, variant, 0).parent
    folders = [f for f in place.glob("seed*") if (f / "config.json").is_file() and (f / "scores.npz").is_file()]
    return scored_videos.load_all(sorted(folders, key=lambda folder: int(folder.name[4:])))
