"""Trained on one data set, tested on another."""

from collections.abc import Mapping, Sequence
from itertools import permutations, product

import numpy as np
import torch
from torch import nn

from vad_lib.config import Profile
from vad_lib.data import prepare
from vad_lib.data.dataset import load_dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import DataError, VadError
from vad_lib.evaluation import scoring
from vad_lib.evaluation.comparisons import compare, have_common_seeds
from vad_lib.evaluation.intervals import Interval, interval
from vad_lib.evaluation.score_arrays import described_videos
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.model import Proposed
from vad_lib.open_questions.wording import comparison_sentence
from vad_lib.runs import trained_model
from vad_lib.runs.experiments import VARIANTS
from vad_lib.runs.finished_runs import find_runs
from vad_lib.runs.measure import test_metrics
from vad_lib.runs.run_folder import RunInFolder, write_run
from vad_lib.runs.scored_runs import scored_rows, scored_videos
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.paths import Layout

TRANSFERRED = ("msf-dmu", "proposed")  # without words, and with them


def transfer_place(source: str, target: str, variant: str) -> tuple[str, ...]:
    """Where scores on one data set of models trained on another lie below a results folder."""
    return "transfer", target, source, variant


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
    made, place = layout.run(source, variant, seed), transfer_place(source, target, variant)
    model, config = trained_model.load_model(made)
    dataset = load_dataset(layout.dataset(target), backbone=profile.features.backbone)
    if dataset.store.dimension != config["features"]["dimension"]:
        raise DataError(
            f"{made}: takes features of width {config['features']['dimension']}, {dataset.title} has {dataset.store.dimension}; "
            "give both data sets features of one backbone."
        )
    text = prepare.dataset_text(profile, dataset) if isinstance(model, Proposed) else None
    rules = (dataset.info.mask_rule, dataset.info.tail)  # they decide the labels
    videos = (dataset.store.content_hash, file_sha256(dataset.folder / "videos.csv"))
    key = content_hash([config["key"], videos, text and text.content_hash, rules])
    for run in find_runs(layout, *place):
        if run.seed == seed and run.measured["key"] == key:  # of metrics.json, which is written last: the folder is whole
            return scored_videos(run)
    if text and isinstance(model, Proposed):
        model = _with_categories(model, tuple(config["categories"]), text)
    records = dataset.videos.split("test")
    found = scoring.snippet_scores(model.to(device), dataset, records, device)
    scores = {video: arrays["score"] for video, arrays in found.items()}
    kept_scores = described_videos(found, dataset, records)
    kept_scores["score"] = np.concatenate([scores[record.name] for record in records]).astype(np.float32)
    selection, kept = RunInFolder(made).selection, ("method", "variant", "seed")
    config = {name: config[name] for name in kept} | {
        "title": f"{config['title']}, trained on {source}",
        "key": key,
        "dataset": target,
        "dataset_info": {"tail": dataset.info.tail},
    }
    measured = {selection: {"metrics": test_metrics(dataset, scores)}}
    metrics = {"key": key, "selection": selection, "headline_metric": dataset.headline_metric, "selections": measured}
    folder = layout.results.joinpath(*place) / f"seed{seed}"
    write_run(folder, config=config, metrics=metrics, scores=kept_scores)
    return scored_videos(RunInFolder(folder))


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
    model.text_features = torch.from_numpy(text.values.copy())
    model.prompt_offset = nn.Parameter(offset)
    return model


def transferred(layout: Layout, source: str, target: str, variant: str) -> tuple[ScoredVideos, ...]:
    """Test scores of all seeds of :func:`transfer` that are there, one's own or the reference's."""
    return scored_rows(find_runs(layout, *transfer_place(source, target, variant)))


def transfer_answers(
    layout: Layout, rows: Mapping[str, Mapping[str, Sequence[ScoredVideos]]], titles: Mapping[str, str]
) -> tuple[dict[str, Interval], list[tuple[str, str, str]]]:
    """What is left of each model on the other data sets, and what that says.

    Args:
        layout: one's own results, or the reference.
        rows: data set -> row -> its seeds, trained on this data set.
        titles: data set -> its title in figures and sentences.

    Returns:
        row and data sets, in two lines -> interval of the AUC there; and data set, question and answer of each comparison, by AUC
        too, with the model trained there and of both rows of :data:`TRANSFERRED`.
    """
    intervals, answers = {}, []
    for source, target in permutations(rows, 2):
        found = {row: transferred(layout, source, target, row) for row in TRANSFERRED}
        arrived = {row: runs for row, runs in found.items() if runs}
        for row, runs in arrived.items():
            at_home = rows[target].get(row, ())
            home = compare(at_home, runs, "auc") if have_common_seeds(at_home, runs) else None
            intervals[f"{VARIANTS[row].title}\n{titles[source]} to {titles[target]}"] = interval(runs, "auc")
            question = f"Does {VARIANTS[row].title} trained on {titles[source]} do as well as one trained on this data set?"
            answers.append((target, question, comparison_sentence(home, "AUC points")))
        first, second = (found[row] for row in TRANSFERRED)
        both = compare(first, second, "auc") if have_common_seeds(first, second) else None
        answers.append((target, f"Do words help to get here from {titles[source]}?", comparison_sentence(both, "AUC points")))
    return intervals, answers
