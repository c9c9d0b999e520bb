"""The data sets of a table, each with its finished runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vad_lib.config import TrainSettings
from vad_lib.data.dataset import Dataset
from vad_lib.data.synthetic import DATASETS
from vad_lib.report.tables.table import METRIC_TITLES, PAPER_DATASETS
from vad_lib.runs.finished_runs import load_runs
from vad_lib.runs.run_folder import Run
from vad_lib.storage.paths import Layout

_KNOWN_FIELDS = ("title", "counterpart", "synthetic", "mask_rule", "tail", "note")


@dataclass(frozen=True)
class TableDataset:
    """A data set as tables speak of it.

    Attributes:
        name: of its folder.
        title: in headings.
        counterpart: public data set that it is or stands for; empty if none.
        synthetic: True if its videos are rendered.
        metric: headline metric, ``auc`` or ``ap``.
        mask_rule: how annotations become frame masks: ``frames``, ``A``, ``B`` or ``C``; empty if unknown.
        tail: what holds where features end before the video does: ``exact`` or ``extend``.
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
    def of(cls, dataset: Dataset | str, run: Run | None = None) -> "TableDataset":
        """Describe a data set that is loaded; or one by name, as a run on it, or else this project, knows it."""
        if isinstance(dataset, Dataset):
            return cls(dataset.name, metric=dataset.info.headline_metric, **dataset.info.model_dump(include=set(_KNOWN_FIELDS)))
        config: Mapping[str, Any] = run.config if run else {}
        if "dataset_info" in config:
            return cls(dataset, metric=config["headline_metric"], **config["dataset_info"])
        if dataset in DATASETS:
            spec = DATASETS[dataset]
            return cls(dataset, spec.title, spec.counterpart, synthetic=True, metric=spec.metric, mask_rule="frames")
        return cls(dataset, dataset, metric=config.get("headline_metric", "auc"))

    @property
    def is_paper_dataset(self) -> bool:
        """True for UCF-Crime and XD-Violence themselves."""
        return not self.synthetic and self.title == self.counterpart and self.title in PAPER_DATASETS

    @property
    def marked_title(self) -> str:
        """The title, with "the rendered" before it where that is so."""
        return f"the rendered {self.title}" if self.synthetic else self.title

    @property
    def metric_heading(self) -> str:
        """Beginning of the headings of our headline metric, such as ``here (SynthCrime) AUC %``."""
        return f"here ({self.title}) {METRIC_TITLES[self.metric]} %"


@dataclass(frozen=True)
class DatasetRuns:
    """A data set and its finished runs.

    Attributes:
        dataset: as tables speak of it.
        runs: variant -> its runs in the order of their seeds; a variant without a finished run is missing.
    """

    dataset: TableDataset
    runs: dict[str, list[Run]]

    @classmethod
    def load(cls, layout: Layout, dataset: Dataset | str, variants: Sequence[str]) -> "DatasetRuns":
        """Find the runs of some variants on a data set.

        Args:
            layout: where runs are read from.
            dataset: loaded (``features=False`` will do), or the name of its folder.
            variants: keys of :data:`vad_lib.runs.experiments.VARIANTS`.

        Raises:
            DataError: runs that do not belong into one table; the message names two of them and what differs.
        """
        runs = load_runs(layout, dataset.name if isinstance(dataset, Dataset) else dataset, variants)
        return cls(TableDataset.of(dataset, next((done[0] for done in runs.values()), None)), runs)

    def of(self, variant: str | None) -> list[Run]:
        """Runs of a variant; none for one without runs, and for None."""
        return self.runs.get(variant, []) if variant else []

    @property
    def all(self) -> list[Run]:
        """Runs of every variant."""
        return [run for done in self.runs.values() for run in done]

    @property
    def selection(self) -> str:
        """How the runs chose their step, the same for all of them; the default setting where there is no run."""
        return self.all[0].selection if self.all else TrainSettings.model_fields["selection"].default
