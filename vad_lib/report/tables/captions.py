"""What tables say of data sets and of how their numbers were made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vad_lib.config import TrainSettings
from vad_lib.data.backbones.clip_image import BACKBONES as CLIP_BACKBONES
from vad_lib.data.backbones.clip_weights import PUBLISHED
from vad_lib.data.dataset import Dataset
from vad_lib.data.synthetic import DATASETS
from vad_lib.report.tables.table import PAPER_SETS, RULE_TITLES
from vad_lib.runs.comparable import Run, load_runs
from vad_lib.storage.paths import Layout


@dataclass(frozen=True)
class Subject:
    """A data set as tables speak of it.

    Attributes:
        name: of its folder.
        title: in tables.
        counterpart: public data set that it is or stands for; empty if none.
        synthetic: True if rendered.
        metric: ``auc`` or ``ap``.
        mask_rule: see :func:`vad_lib.data.annotations.ground_truth_mask`; empty if unknown.
        tail: see :class:`vad_lib.data.dataset.DatasetInfo`.
        note: what a reader of every table must know.
    """

    name: str
    title: str
    counterpart: str = ""
    synthetic: bool = False
    metric: Literal["auc", "ap"] = "auc"
    mask_rule: str = ""
    tail: str = "exact"
    note: str = ""

    @classmethod
    def of(cls, dataset: Dataset | str, runs: dict[str, list[Run]] | None = None) -> "Subject":
        """From a loaded data set, or by name from what its runs, or this project, know of it."""
        if isinstance(dataset, Dataset):
            info = dataset.info.model_dump(include={"title", "counterpart", "synthetic", "mask_rule", "tail", "note"})
            return cls(dataset.name, metric=dataset.headline_metric, **info)
        config = next((run.config for done in (runs or {}).values() for run in done), {})
        if "dataset_info" in config:
            return cls(dataset, metric=config["headline_metric"], **config["dataset_info"])
        if dataset in DATASETS:
            spec = DATASETS[dataset]
            return cls(dataset, spec.title, spec.counterpart, synthetic=True, metric=spec.metric, mask_rule="frames")
        return cls(dataset, dataset, metric=config.get("headline_metric", "auc"))

    @property
    def is_the_paper_s(self) -> bool:
        """True for UCF-Crime and XD-Violence themselves."""
        return not self.synthetic and self.title == self.counterpart and self.title in PAPER_SETS

    @property
    def long_title(self) -> str:
        return f"the rendered {self.title}" if self.synthetic else self.title

    def standing(self, counterpart: str) -> list[str]:
        """What its numbers compare with, if ``counterpart`` is the paper's set beside it."""
        if self.synthetic:
            what = f"a set of videos rendered by this project{f', not {counterpart}' if counterpart else ''}"
        elif self.mask_rule and not self.is_the_paper_s:
            what = "none of the paper's data sets"
        else:
            return []
        return [f"{self.title} is {what}: its numbers compare with each other only."]

    def protocol(self) -> list[str]:
        """What is special about its frames, and its note."""
        said = []
        if self.mask_rule not in ("", "frames"):
            frames = "the 16 frames of each snippet that has features"
            said.append(f"{self.title} is evaluated on {frames}, masks by rule {self.mask_rule}.")
        if self.tail == "extend":
            said.append(f"Where features of {self.title} end before the video, the last score holds to its end.")
        return said + ([f"{self.title}: {self.note.rstrip('.')}."] if self.note else [])


def selection_of(runs: dict[str, list[Run]]) -> str:
    """The rule that the runs were made with; one for all, see :func:`load_runs`."""
    for done in runs.values():
        return done[0].measured["selection"]
    return TrainSettings.model_fields["selection"].default


def dataset_name(dataset: Dataset | str) -> str:
    return dataset.name if isinstance(dataset, Dataset) else dataset


def subjects_and_runs(
    layout: Layout, datasets: Sequence[Dataset | str], variants: Sequence[str]
) -> list[tuple[Subject, dict[str, list[Run]]]]:
    found = []
    for dataset in datasets:
        runs = load_runs(layout, dataset_name(dataset), variants)
        found.append((Subject.of(dataset, runs), runs))
    return found


def made_with_text(data: list[tuple[Subject, str, dict[str, list[Run]]]]) -> str:
    """Sentences on data, features, training and selection; the same for CSV and Markdown. Each set with the paper's beside it."""
    sentences = []
    for subject, counterpart, runs in data:
        sentences += subject.standing(counterpart) + subject.protocol()
        done = [run for variant in runs.values() for run in variant]
        if not done:
            sentences.append(f"{subject.title}: nothing was run yet.")
            continue
        with_text = next((run for run in done if run.config["text"]), done[0])
        sentences.append(f"{subject.title}: {describe_run(with_text.config)}; {_learning_rates(done)}.")
        chance = done[0].measured["rules"]["last"]["metrics"]
        share = chance["num_abnormal_frames"] / chance["num_frames"]
        sentences.append(f"Chance on {subject.title} is 50 % AUC and {100 * share:.2f} % AP.")
    rule = RULE_TITLES[selection_of(data[0][2])]
    sentences.append(
        f"Where a column of ours names no rule, the step was {rule}; *best on test* picks the step by the test set "
        "and is an upper bound. FAR is the false alarm rate at threshold 0.5. Intervals are 95 % and of the same rule as the step: "
        "over the test videos (BCa bootstrap, normal and abnormal ones apart) where a row has one seed, over seeds (Student's t) "
        "and videos where it has several; differences are paired by seed and video."
    )
    return " ".join(sentences)


def _learning_rates(runs: list[Run]) -> str:
    titles: dict[float, list[str]] = {}
    for run in runs:
        of_rate = titles.setdefault(run.config["train"]["lr"], [])
        if run.config["title"] not in of_rate:
            of_rate.append(run.config["title"])
    if len(titles) == 1:
        return f"learning rate {next(iter(titles)):g}"
    return "learning rates " + ", ".join(f"{rate:g} ({', '.join(of_rate)})" for rate, of_rate in sorted(titles.items()))


def describe_features(contract: dict[str, Any]) -> str:
    """What features are, as far as their contract knows, in one phrase for captions."""
    crops, backbone = len(contract["crops"]), contract.get("backbone", "i3d-kinetics400")
    size = f"{contract['crop_size']} pixels" if contract["crop_size"] else "unknown size"
    remarks = [contract["weights_note"]] if contract["weights_note"] else []
    if not contract.get("weights_sha256", "known"):
        remarks.append("weights unknown")
    if backbone == "i3d-kinetics400":
        kind = "I3D features"
    elif backbone in CLIP_BACKBONES:
        name, frames = CLIP_BACKBONES[backbone]
        kind = f"CLIP {PUBLISHED[name].title} features ({'middle frame' if frames == 'middle' else 'mean of 16 frames'})"
    else:
        kind = "features as imported" if backbone == "as imported" else f"features of the backbone {backbone!r}"
        remarks.append(f"width {contract['dimension']}")
        remarks += [contract["source"]] if contract.get("source") else []
    return f"{kind} of {crops} {'crop' if crops == 1 else 'crops'} of {size}" + (f" ({'; '.join(remarks)})" if remarks else "")


def describe_run(config: dict[str, Any]) -> str:
    """What a run was made with, in one phrase for captions: features, text features, training."""
    text, train = config["text"], config["train"]
    parts = [describe_features(config["features"])]
    if text:
        parts.append(f"text features {text['source']}" + (f" ({text['note']})" if text["note"] else ""))
    parts.append(
        f"width {config['width']}, {train['steps']} steps of {train['batch_size']} normal and {train['batch_size']} abnormal "
        f"videos, {train['num_segments']} segments"
    )
    return "; ".join(parts)
