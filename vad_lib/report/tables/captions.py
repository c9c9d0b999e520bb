"""Sentences on how the numbers of a table were made."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vad_lib.data.backbones.clip_image import BACKBONES as CLIP_BACKBONES
from vad_lib.data.backbones.clip_weights import PUBLISHED
from vad_lib.data.backbones.i3d_openvino import BACKBONE as I3D_BY_OPENVINO
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP
from vad_lib.registry import METHODS
from vad_lib.report.tables.cells import AGAINST_COLUMN
from vad_lib.report.tables.dataset_runs import DatasetRuns, TableDataset
from vad_lib.report.tables.table import SELECTION_TITLES
from vad_lib.runs.run_folder import Run
from vad_lib.storage.provenance import commit_date


def caption_text(data: Sequence[DatasetRuns]) -> str:
    """The caption of a table: its data sets, features, training, chance, and what selections and intervals mean."""
    sentences = [sentence for each in data for sentence in _data_and_training(each)]
    sentences.append(
        f"Where a column of ours names no selection, the step was {SELECTION_TITLES[data[0].selection]}; *best on test* picks "
        "the step by the test set and is an upper bound. FAR is the false alarm rate at threshold 0.5. Intervals are 95 % where no "
        "other level is named, and of the same selection as the step: over the test videos (BCa bootstrap, normal and abnormal "
        "ones apart) where a row has one seed, over seeds (Student's t) and videos where it has several; differences are paired by "
        "seed and video."
    )
    return " ".join(sentences)


def steps_text(which: str, count: int) -> str:
    """At which level rows are compared with the row above, where several comparisons share 95 %.

    Args:
        which: the comparisons, at the start of a sentence.
        count: of them.

    Example:
        >>> steps_text("The 4 steps of a column", 4)
        'The 4 steps of a column share the level: *better*, *worse* and *cannot tell* hold for all of them together with 95 %, and \
each interval *against the row above* is at 98.75 %.'
    """
    each = 100 * DEFAULT_BOOTSTRAP.shared(count).level
    return (
        f"{which} share the level: *better*, *worse* and *cannot tell* hold for all of them together with "
        f"{100 * DEFAULT_BOOTSTRAP.level:g} %, and each interval *{AGAINST_COLUMN}* is at {each:.4g} %."
    )


def empty_cells_text(title: str, reasons: Iterable[str]) -> str:
    """Why cells of a data set are empty, as the end of a caption; empty if there is no reason.

    Args:
        title: of the data set.
        reasons: why metrics are not defined on its test videos; each is said once.
    """
    sentences = [reason.rstrip(".") for reason in dict.fromkeys(reasons) if reason]
    return f" Empty cells of {title}: {'. '.join(sentences)}." if sentences else ""


def _data_and_training(data: DatasetRuns) -> list[str]:
    dataset, runs = data.dataset, data.all
    sentences = comparability_sentences(dataset) + protocol_sentences(dataset)
    if not runs:
        return [*sentences, f"{dataset.title}: nothing was run yet."]
    sentences.append(f"{dataset.title}: {_training(runs)}.")
    abnormal_share = runs[0].value("num_abnormal_frames", "last") / runs[0].value("num_frames", "last")
    return [*sentences, f"Chance on {dataset.title} is 50 % AUC and {100 * abnormal_share:.2f} % AP."]


def comparability_sentences(dataset: TableDataset) -> list[str]:
    """What the numbers on a data set compare with; nothing to say of the paper's own."""
    if dataset.synthetic:
        counterpart = f", not {dataset.counterpart}" if dataset.counterpart else ""
        what = f"a set of videos rendered by this project{counterpart}"
    elif dataset.mask_rule and not dataset.is_paper_dataset:
        what = "none of the paper's data sets"
    else:
        return []
    return [f"{dataset.title} is {what}: its numbers compare with each other only."]


def protocol_sentences(dataset: TableDataset) -> list[str]:
    """What is special about the frames that a data set is evaluated on, and its note."""
    sentences = []
    if dataset.mask_rule not in ("", "frames"):
        frames = "the 16 frames of each snippet that has features"
        sentences.append(f"{dataset.title} is evaluated on {frames}, masks by rule {dataset.mask_rule}.")
    if dataset.tail == "extend":
        sentences.append(f"Where features of {dataset.title} end before the video, the last score holds to its end.")
    return sentences + ([f"{dataset.title}: {dataset.note.rstrip('.')}."] if dataset.note else [])


def _training(runs: Sequence[Run]) -> str:
    """What rows on bags share and their learning rates; and which rows have a learner, and so settings, of their own."""
    on_bags = [run for run in runs if run.config["method"] not in METHODS or METHODS[run.config["method"]].on_bags]
    others = dict.fromkeys(run.title for run in runs if run not in on_bags)
    if on_bags:
        with_text = next((run for run in on_bags if run.config["text"]), on_bags[0])
        parts = [describe_run(with_text.config), _learning_rates(on_bags)]
    else:
        parts = [describe_features(runs[0].config["features"])]
    return "; ".join(parts + ([f"with settings of their own: {', '.join(others)}"] if others else []))


def _learning_rates(runs: Sequence[Run]) -> str:
    titles: dict[float, dict[str, None]] = {}  # of the rows with a rate, each once, in their order
    for run in runs:
        titles.setdefault(run.config["train"]["lr"], {})[run.title] = None
    if len(titles) == 1:
        return f"learning rate {next(iter(titles)):g}"
    return "learning rates " + ", ".join(f"{rate:g} ({', '.join(theirs)})" for rate, theirs in sorted(titles.items()))


def describe_run(config: dict[str, Any]) -> str:
    """What a run was made with, in one phrase: features, text features, training.

    Args:
        config: settings of the run, :attr:`vad_lib.runs.run_folder.Run.config`.
    """
    text, train = config["text"], config["train"]
    parts = [describe_features(config["features"])]
    if text:
        parts.append(f"text features {text['source']}" + (f" ({text['note']})" if text["note"] else ""))
    parts.append(
        f"width {config['width']}, {train['steps']} steps of {train['batch_size']} normal and {train['batch_size']} abnormal "
        f"videos, {train['num_segments']} segments"
    )
    return "; ".join(parts)


def made_by(runs: Iterable[Run]) -> dict[str, str]:
    """What made some runs: ``commit`` and its ``date``, version of ``torch``, ``processor``; several of a kind are listed."""
    records = [run.provenance() for run in runs]
    commits = {record.get("commit", "unknown") for record in records}
    found = {
        "commit": commits,
        "date": {commit_date(commit) for commit in commits},
        "torch": {record.get("versions", {}).get("torch", "unknown") for record in records},
        "processor": {record.get("processor", "unknown") for record in records},
    }
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def made_words(made: Mapping[str, str]) -> str:
    """The same in words.

    Example:
        >>> made_words({"commit": "c5cef20126cb", "date": "2026-01-31", "torch": "2.9.0", "processor": "EPYC"})
        'runs of commit c5cef20126cb (2026-01-31), torch 2.9.0, processor EPYC'
    """
    return f"runs of commit {made['commit']} ({made['date']}), torch {made['torch']}, processor {made['processor']}"


def describe_features(contract: dict[str, Any]) -> str:
    """What features are, as far as their contract knows, in one phrase such as ``I3D features of 10 crops of 224 pixels``.

    Args:
        contract: fields of :class:`vad_lib.data.feature_store.FeatureContract`.
    """
    crops, backbone = len(contract["crops"]), contract.get("backbone", "i3d-kinetics400")
    size = f" of {contract['crop_size']} pixels" if contract["crop_size"] else ""
    remarks = [contract["weights_note"]] if contract["weights_note"] else []
    missing = ["size of crops"] * (not size) + ["weights"] * (not contract.get("weights_sha256", "known"))
    remarks += [f"{' and '.join(missing)} not recorded in the imported files"] * bool(missing)
    if backbone == "i3d-kinetics400":
        kind = "I3D features"
    elif backbone == I3D_BY_OPENVINO:
        kind = "I3D features (OpenVINO, bf16)"
    elif backbone in CLIP_BACKBONES:
        name, frames = CLIP_BACKBONES[backbone]
        kind = f"CLIP {PUBLISHED[name].title} features ({'middle frame' if frames == 'middle' else 'mean of 16 frames'})"
    else:
        kind = "features as imported" if backbone == "as imported" else f"features of the backbone {backbone!r}"
        remarks.append(f"width {contract['dimension']}")
        remarks += [contract["source"]] if contract.get("source") else []
    return f"{kind} of {crops} {'crop' if crops == 1 else 'crops'}{size}" + (f" ({'; '.join(remarks)})" if remarks else "")
