"""Run folders and reported numbers -> tables as CSV and Markdown, and the generated parts of the README.

Tables 1 to 5 are the paper's. Table 6 holds the fine-grained results that the paper names and does not report; the
protocol table what choices of the evaluation are worth; and a data set that stands for none of the paper's has its methods
in ``methods-NAME``. :func:`write_all_tables` writes every table that applies to some data sets.

A table never puts numbers of different data sets under one heading: each column names whose number it is
(the paper's, the method's authors', ours) and on which data. A row that was not run says so and stays.
Fractions become percent here and nowhere else.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from vad_lib import detection, metrics, scoring, statistics
from vad_lib.clip_image import BACKBONES as CLIP_BACKBONES
from vad_lib.clip_weights import PUBLISHED
from vad_lib.config import TrainSettings
from vad_lib.datasets import Dataset
from vad_lib.errors import DataError, MissingFileError
from vad_lib.experiments import TABLE_ROWS, VARIANTS
from vad_lib.files import read_arrays, read_json, write_text
from vad_lib.paths import Layout
from vad_lib.synthetic import DATASETS

NOT_RUN = "not run"
NOT_ANNOTATED = "no events annotated"
RULE_TITLES = {"last": "last step", "best_on_validation": "chosen on validation", "best_on_test": "best on test"}
METRIC_TITLES = {"auc": "AUC", "ap": "AP"}
PAPER_SETS = ("UCF-Crime", "XD-Violence")  # in the order of the paper's tables

_REPORTED_COLUMNS = ("item", "dataset", "method", "title", "metric", "value", "unit", "decimals", "origin", "source", "note")
# Settings that may differ between the runs of one table: what a variant or a seed is, and what moves no number.
_FREE_TRAIN_SETTINGS = ("seed", "permute_labels", "device", "checkpoint_every")
# Settings of a data set that runs of one table must share.
_PROTOCOL = ("counterpart", "mask_rule", "tail")
_INTERVAL, _AGAINST = "95 % interval", "against the row above"
_SMOOTHING: tuple[tuple[Literal["sliding", "blocks"], int, str], ...] = (
    ("sliding", 7, "sliding mean of 7 snippets (PEL4VAD on UCF-Crime)"),
    ("blocks", 8, "means of blocks of 8 snippets (PEL4VAD on XD-Violence)"),
)
_SECOND_METRICS = {"auc": ("auc_abnormal_videos", "AUC % within abnormal videos"), "ap": ("ap_trapezoid", "AP % by trapezoids")}


# --- what tables are made from ----------------------------------------------------------------------------


def read_reported(path: Path) -> pd.DataFrame:
    """Read the numbers of the paper and of the methods' authors.

    Args:
        path: the CSV, :attr:`vad_lib.paths.Layout.reported`.

    Returns:
        one row per number, with its item (``table2``), data set, method, metric, value (percent where ``unit``
        says so), printed decimals, origin (``paper`` or ``authors``), source and a note.

    Raises:
        MissingFileError: there is no such file.
        DataError: a column is missing, or a number stands there twice.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: expected the reported numbers, found no such file. Restore it from the repository.")
    frame = pd.read_csv(path, keep_default_na=False)
    missing = [column for column in _REPORTED_COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(f"{path}: column {', '.join(missing)} is missing; expected {', '.join(_REPORTED_COLUMNS)}.")
    twice = frame[frame.duplicated(["item", "dataset", "method", "metric", "origin"])]
    if len(twice):
        row = twice.iloc[0]
        raise DataError(
            f"{path}: {row['item']}, {row['dataset']}, {row['method']}, {row['metric']}, {row['origin']} stands there twice; "
            "keep one line per number."
        )
    return frame


@dataclass(frozen=True)
class Run:
    """A finished run: its ``config.json`` and ``metrics.json``."""

    folder: Path
    config: dict[str, Any]
    measured: dict[str, Any]

    def value(self, metric: str, rule: str) -> float:
        """A metric under a selection rule, as a fraction."""
        return self.measured["rules"][rule]["metrics"][metric]

    def fine_grained(self, rule: str) -> dict[str, Any] | None:
        """What :func:`vad_lib.detection.fine_grained` found, or None if the run has no such part."""
        return self.measured["rules"][rule].get("fine_grained")


@dataclass(frozen=True)
class Subject:
    """A data set as tables speak of it.

    Attributes:
        name: of its folder.
        title: in tables.
        counterpart: public data set that it is or stands for; empty if none.
        synthetic: True if rendered.
        metric: ``auc`` or ``ap``.
        mask_rule: see :func:`vad_lib.annotations.ground_truth_mask`; empty if unknown.
        tail: see :class:`vad_lib.datasets.DatasetInfo`.
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


def load_runs(layout: Layout, dataset: str, variants: Sequence[str]) -> dict[str, list[Run]]:
    """Finished runs of some variants, every seed, checked to be comparable.

    Returns:
        variant -> runs in the order of their seeds; a variant without a finished run is left out.

    Raises:
        DataError: two runs differ in features, text features, training settings, width or categories, or two
            seeds of one variant in their options; the message names both runs and what differs.
    """
    found: dict[str, list[Run]] = {}
    for variant in variants:
        folders = [f for f in layout.run(dataset, variant, 0).parent.glob("seed*") if re.fullmatch(r"seed\d+", f.name)]
        for folder in sorted(folders, key=lambda f: int(f.name[4:])):
            if (folder / "metrics.json").is_file():
                run = Run(folder, read_json(folder / "config.json"), read_json(folder / "metrics.json"))
                found.setdefault(variant, []).append(run)
    _check_comparable([run for runs in found.values() for run in runs])
    for runs in found.values():
        for run in runs[1:]:
            _check_same(runs[0], run, "options", runs[0].config["options"], run.config["options"])
    return found


def consistent(layout: Layout, datasets: Iterable[str], variants: Sequence[str]) -> tuple[str, ...]:
    """Those data sets whose finished runs belong into one table.

    While a chain is on its way from one data set to the next, runs of an older version may lie beside new ones of the same
    data set; the next notebook makes them again, so a table may leave that data set out until then.
    """
    fit = []
    for dataset in datasets:
        try:
            load_runs(layout, dataset, variants)
        except DataError:
            continue
        fit.append(dataset)
    return tuple(fit)


def _check_comparable(runs: list[Run]) -> None:
    first_with_text: Run | None = None
    for run in runs:
        for name in ("features", "width", "categories", "headline_metric"):
            _check_same(runs[0], run, name, runs[0].config[name], run.config[name])
        first, its = ({key: r.config.get("dataset_info", {}).get(key) for key in _PROTOCOL} for r in (runs[0], run))
        _check_same(runs[0], run, "dataset_info", first, its)
        free = {*_FREE_TRAIN_SETTINGS, *runs[0].config.get("declared", ()), *run.config.get("declared", ())}
        first, train = ({k: v for k, v in r.config["train"].items() if k not in free} for r in (runs[0], run))
        _check_same(runs[0], run, "train", first, train)
        if run.config["text"]:
            first_with_text = first_with_text or run
            _check_same(first_with_text, run, "text", first_with_text.config["text"], run.config["text"])


def _check_same(first: Run, second: Run, name: str, expected: Any, got: Any) -> None:
    if expected == got:
        return
    if isinstance(expected, dict) and isinstance(got, dict):
        name, expected, got = next(
            (f"{name}.{key}", expected.get(key), got.get(key))
            for key in dict.fromkeys((*expected, *got))
            if expected.get(key) != got.get(key)
        )
    raise DataError(
        f"runs {first.folder} and {second.folder} belong to one table but differ in {name}: {expected!r} and {got!r}. "
        "Delete the older run folder and run the table again."
    )


# --- the tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A finished table; all cells are text.

    Attributes:
        name: ``table1`` to ``table6``, ``protocol`` or ``methods-NAME``; also the file name.
        title: one line.
        frame: rows and columns as they are printed.
        blocks: for Markdown, (heading, columns) of each part; one part without heading if empty.
        in_paper: bool per row, False for rows that the paper's table does not have.
        notes: per row, what to know of its reported numbers; "" for nothing.
        made_with: data, features, training and selection behind our numbers, in sentences.
    """

    name: str
    title: str
    frame: pd.DataFrame
    in_paper: tuple[bool, ...]
    notes: tuple[str, ...]
    made_with: str
    blocks: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def csv(self) -> str:
        """The rows, with three more columns: whether the paper has the row, its note, and how ours was made."""
        extra = {"in the paper": ["yes" if yes else "no" for yes in self.in_paper], "note": self.notes, "made with": self.made_with}
        return self.frame.assign(**extra).to_csv(index=False, lineterminator="\n")

    def markdown(self) -> str:
        """Title, one grid per block, the caption, and the notes of the rows."""
        parts = [f"**{self.title}**"]
        for heading, columns in self.blocks or (("", tuple(self.frame.columns)),):
            parts += [heading] if heading else []
            parts.append(markdown_grid(self.frame[list(columns)], self.in_paper))
        parts.append(self.made_with)
        notes = [f"- {row.iloc[0]}: {note}." for (_, row), note in zip(self.frame.iterrows(), self.notes, strict=True) if note]
        if notes:
            parts.append("Notes on reported numbers:\n\n" + "\n".join(notes))
        return "\n\n".join(parts) + "\n"


def markdown_grid(frame: pd.DataFrame, in_paper: Sequence[bool] = (), *, align: Literal["left", "right"] = "right") -> str:
    """A Markdown table; if some rows are the paper's, those from the first other one on stand below a separating row."""
    rule = " --- |" if align == "left" else " ---: |"
    lines = ["| " + " | ".join(frame.columns) + " |", "| --- |" + rule * (len(frame.columns) - 1)]
    separated = False
    for position, row in enumerate(frame.itertuples(index=False)):
        if not separated and any(in_paper) and not in_paper[position]:
            lines.append("| *not in the paper's table* |" + " |" * (len(frame.columns) - 1))
            separated = True
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def write_table(layout: Layout, table: Table) -> tuple[Path, Path]:
    """Write ``NAME.csv`` and ``NAME.md`` atomically into the profile's table folder."""
    return (
        write_text(layout.tables / f"{table.name}.csv", table.csv()),
        write_text(layout.tables / f"{table.name}.md", table.markdown()),
    )


def table1(layout: Layout, datasets: Sequence[Dataset]) -> Table:
    """Table 1: videos, categories, frames and hours of the data sets, the paper's own sets first."""
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == "table1"]
    rows, in_paper, notes, counts = [], [], [], {}
    of_paper = {"train_videos": "training videos", "test_videos": "test videos", "total_videos": "videos"}
    of_paper["abnormal_categories"] = "abnormal categories"
    for name in reported["dataset"].unique():
        values = {row.metric: f"{row.value:.0f}" for row in reported[reported["dataset"] == name].itertuples()}
        rows.append(
            {
                "data set": f"{name} (paper)",
                **{column: values[metric] for metric, column in of_paper.items()},
                "frames": "",
                "hours": f"about {values['hours']}",
                "abnormal test frames %": "",
            }
        )
        counts[name] = rows[-1]
        in_paper.append(True)
        notes.append("categories and hours are given in the paper's prose")
    for dataset in datasets:
        records, test = dataset.videos.records, dataset.videos.split("test")
        frames = sum(record.num_frames for record in records)
        test_frames = sum(record.num_frames for record in test)
        abnormal = sum(int(record.frame_labels().sum()) for record in test)
        rows.append(
            {
                "data set": f"{dataset.title} (here)",
                "training videos": str(len(records) - len(test)),
                "test videos": str(len(test)),
                "videos": str(len(records)),
                "abnormal categories": str(len(dataset.categories) - 1),
                "frames": str(frames),
                "hours": f"{frames / dataset.fps / 3600:.2f}",
                "abnormal test frames %": f"{100 * abnormal / test_frames:.2f}" if test_frames else "",
            }
        )
        in_paper.append(False)
        notes.append("")
    subjects = [Subject.of(dataset) for dataset in datasets]
    if any(subject.is_the_paper_s for subject in subjects):
        for row in rows:
            row["counts agree with the paper"] = ""
        for row, subject in zip(rows[len(counts) :], subjects):
            if subject.is_the_paper_s:
                paper = counts[subject.counterpart]
                other = [
                    f"{row[column]} {column}, not {paper[column]}" for column in of_paper.values() if row[column] != paper[column]
                ]
                row["counts agree with the paper"] = f"no: {'; '.join(other)}" if other else "yes"
    said = []
    for subject in subjects:
        if subject.synthetic:
            shape = f" in the shape of {subject.counterpart}" if subject.counterpart else ""
            said.append(f"{subject.title} is rendered by this project{shape}.")
        said += subject.protocol()
    made_with = " ".join((*said, "Hours are frames divided by frames per second."))
    return Table("table1", "Table 1. Data sets", pd.DataFrame(rows), tuple(in_paper), tuple(notes), made_with)


def table2(layout: Layout, dataset: Dataset | str = "synth-crime") -> Table:
    """Table 2: methods by AUC and false alarm rate; the paper's and the authors' on UCF-Crime, ours on ``dataset``.

    A data set is given loaded (``features=False`` will do) or by the name of its run folders, here and below.
    """
    return _comparison(layout, "table2", "UCF-Crime", dataset)


def table3(layout: Layout, dataset: Dataset | str = "synth-violence") -> Table:
    """Table 3: methods by AP and false alarm rate; the paper's and the authors' on XD-Violence, ours on ``dataset``."""
    return _comparison(layout, "table3", "XD-Violence", dataset)


def methods_table(layout: Layout, dataset: Dataset | str) -> Table:
    """Table ``methods-NAME``: ours alone, on a data set that stands for none of the paper's; as table 2 without its numbers."""
    return _comparison(layout, f"methods-{_name(dataset)}", "", dataset)


def comparison_table(layout: Layout, dataset: Dataset) -> Table:
    """Table 2, table 3 or ``methods-NAME``, whichever the data set's counterpart asks for."""
    make = {"UCF-Crime": table2, "XD-Violence": table3}.get(dataset.counterpart, methods_table)
    return make(layout, dataset)


def _comparison(layout: Layout, name: str, counterpart: str, dataset: Dataset | str) -> Table:
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == name]
    of_paper = list(dict.fromkeys(reported[reported["origin"] == "paper"]["method"]))
    methods = list(dict.fromkeys((*of_paper, *reported["method"], *TABLE_ROWS.get(name, TABLE_ROWS["table2"]))))
    runs = load_runs(layout, _name(dataset), methods)
    rule, subject = _selection(runs), Subject.of(dataset, runs)
    metric = {"UCF-Crime": "auc", "XD-Violence": "ap"}.get(counterpart, subject.metric)
    here, headline = f"here ({subject.title})", METRIC_TITLES[metric]
    second, second_title = _SECOND_METRICS[metric]
    rows, notes = [], []
    for method in methods:
        mine = reported[reported["method"] == method]
        title = mine["title"].iloc[0] if len(mine) else VARIANTS[method].title
        row = {"method": VARIANTS[method].title if method in VARIANTS else title}
        for origin in ("paper", "authors") if counterpart else ():
            for key, shown in ((metric, headline), ("far", "FAR")):
                row[f"{origin} ({counterpart}) {shown} %"] = _reported_cell(mine, origin, key)
        done = runs.get(method, [])
        for each, shown in RULE_TITLES.items():
            row[f"{here} {headline} %: {shown}"] = _cell(done, metric, each)
        row[f"{here} {headline} %: {_INTERVAL}"] = _interval_cell(done, metric)
        row[f"{here} FAR %: normal videos"] = _cell(done, "far_normal_videos", rule)
        row[f"{here} FAR %: all normal frames"] = _cell(done, "far_all_normal_frames", rule)
        row[f"{here} {second_title}"] = _cell(done, second, rule)
        row[f"{here} parameters"] = f"{done[0].config['parameters']:,}" if done else NOT_RUN
        row |= {"seeds": str(len(done)), "status": "run" if done else NOT_RUN}
        rows.append(row)
        notes.append("; ".join(f"{r.origin}, {r.metric}: {r.note}" for r in mine.itertuples() if r.note))
    if counterpart:
        title = f"Table {name[-1]}. Methods on {counterpart} (paper, authors) and on {subject.long_title} (here)"
    else:
        title = f"Methods on {subject.long_title}"
    return Table(
        name,
        title,
        pd.DataFrame(rows),
        tuple(method in of_paper for method in methods),
        tuple(notes),
        _made_with([(subject, counterpart, runs)]),
    )


def cost_table(layout: Layout, dataset: Dataset | str) -> Table:
    """What each method costs on a data set: parameters, seconds of training, milliseconds of testing per minute of video.

    Seconds differ from run to run and machine to machine, so they stand in a table of their own and not in Tables 2 and 3,
    which a second run gives byte for byte.
    """
    variants = tuple(dict.fromkeys((*TABLE_ROWS["table2"], *TABLE_ROWS["table3"])))
    runs = load_runs(layout, _name(dataset), variants)
    subject, rows = Subject.of(dataset, runs), []
    for variant in variants:
        done = runs.get(variant, [])
        timings = [read_json(run.folder / "timing.json") for run in done if (run.folder / "timing.json").is_file()]
        row = {"method": VARIANTS[variant].title, "parameters": f"{done[0].config['parameters']:,}" if done else NOT_RUN}
        for key, head in (
            ("train_seconds", "training, s"),
            ("seconds_per_step", "of which a step, ms"),
            ("test_milliseconds_per_video_minute", "testing, ms per minute of video"),
        ):
            measured = [timing[key] * (1000 if "step" in key else 1) for timing in timings if timing[key] is not None]
            row[head] = (f"{np.median(measured):.1f}" if measured else "-") if done else NOT_RUN
        rows.append(row)
    return Table(
        f"cost-{_name(dataset)}",
        f"What the methods cost on {subject.long_title}",
        pd.DataFrame(rows),
        (True,) * len(rows),
        ("",) * len(rows),
        "Median over seeds, as measured while the runs were made; other work on the machine counts. Testing takes features as "
        "given: I3D, which comes first for all but the pixel method, is not in it. "
        + _made_with([(subject, subject.counterpart, runs)]),
    )


def table4(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 4: the modules added one by one to the baseline, on the data sets at hand."""
    return _ablation(layout, "table4", "Modules", ("PCL", "DBAGF", "L_total"), datasets)


def table5(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 5: the loss terms added one by one, on the data sets at hand."""
    return _ablation(layout, "table5", "Loss terms", ("fine", "align", "cons"), datasets)


def _ablation(layout: Layout, name: str, what: str, steps: tuple[str, ...], datasets: Sequence[Dataset | str]) -> Table:
    reported = read_reported(layout.reported)
    reported = reported[(reported["item"] == name) & (reported["origin"] == "paper")]
    of_paper = list(reported["method"].unique())
    variants = list(dict.fromkeys((*of_paper, *TABLE_ROWS[name])))
    data = _subjects_and_runs(layout, datasets, variants)
    rows, notes = [], []
    for position, variant in enumerate(variants):
        mine = reported[reported["method"] == variant]
        is_step = variant in of_paper
        row = {"row": mine["title"].iloc[0] if is_step else VARIANTS[variant].title}
        row |= {step: "yes" if is_step and position > index else "" for index, step in enumerate(steps)}
        before = variants[position - 1] if position > 0 and is_step else None
        for subject, _ in data:
            if subject.counterpart not in PAPER_SETS:
                continue
            paper = {r.method: r.value for r in reported[reported["dataset"] == subject.counterpart].itertuples()}
            head = f"paper ({subject.counterpart}) {METRIC_TITLES[subject.metric]} %"
            row[head] = f"{paper[variant]:.2f}" if variant in paper else ""
            row[f"{head}: change"] = f"{paper[variant] - paper[before]:+.2f}" if before else ""
        for subject, runs in data:
            head, rule = f"here ({subject.title}) {METRIC_TITLES[subject.metric]} %", _selection(runs)
            done, previous = runs.get(variant, []), runs.get(before, [])
            for each, shown in RULE_TITLES.items():
                row[f"{head}: {shown}"] = _cell(done, subject.metric, each)
                if each == rule:
                    ours = [_mean([run.value(subject.metric, rule) for run in one]) for one in (previous, done) if one]
                    row[f"{head}: change"] = f"{100 * (ours[1] - ours[0]):+.2f}" if len(ours) == 2 else ""
            row[f"{head}: {_INTERVAL}"] = _interval_cell(done, subject.metric)
            row[f"{head}: {_AGAINST}"] = _paired_cell(previous, done, subject.metric) if before else ""
            row[f"seeds ({subject.title})"] = str(len(done))
        row["status"] = _status(data, variant)
        rows.append(row)
        notes.append("; ".join(dict.fromkeys(note for note in mine["note"] if note)))
    frame = pd.DataFrame(rows)
    paper_columns = tuple(column for column in frame.columns if column.startswith("paper"))
    here_columns = ("row", *(column for column in frame.columns if column.startswith(("here", "seeds", "status"))))
    on_paper = " and ".join(dict.fromkeys(subject.counterpart for subject, _ in data if subject.counterpart in PAPER_SETS))
    on_ours = " and ".join(subject.long_title for subject, _ in data)
    where = f"on {on_paper} (paper) and on {on_ours} (here)" if on_paper else f"on {on_ours}"
    return Table(
        name,
        f"Table {name[-1]}. {what} added one by one, {where}",
        frame,
        tuple(variant in of_paper for variant in variants),
        tuple(notes),
        f"Changes are to the row above, in percentage points; ours are those of the values "
        f"{RULE_TITLES[_selection(data[0][1])]}. {_made_with([(s, s.counterpart, runs) for s, runs in data])}",
        (("The paper's numbers:", ("row", *steps, *paper_columns)), ("Here:", here_columns)) if paper_columns else (),
    )


def table6(layout: Layout, datasets: Sequence[Dataset | str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 6: fine-grained results of the models that have an alignment map; the paper reports none.

    Detection mAP at IoU 0.1 to 0.5 in both variants of :mod:`vad_lib.detection`, the category accuracy of videos, and the
    AP of every category. A model that was run before these were measured counts as not run.
    """
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == "table6"]
    variants = list(dict.fromkeys((*reported["method"], *TABLE_ROWS["table6"])))
    data = _subjects_and_runs(layout, datasets, variants)
    blocks: dict[str, tuple[str, ...]] = {}
    rows: list[dict[str, str]] = []
    for variant in variants:
        mine = reported[reported["method"] == variant]
        row = {"row": VARIANTS[variant].title if variant in VARIANTS else mine["title"].iloc[0], "paper": "not reported"}
        for subject, runs in data:
            parts = _fine_grained_cells(subject, runs, variant, mine[mine["dataset"] == subject.counterpart])
            for heading, cells in parts.items():
                blocks[heading] = tuple(dict.fromkeys(("row", *blocks.get(heading, ()), *cells)))
                row |= cells
        rows.append(row | {"status": _status(data, variant, fine_grained=True)})
    blocks = {"": ("row", "paper", "status")} | blocks
    return Table(
        "table6",
        f"Table 6. Fine-grained results on {' and '.join(subject.long_title for subject, _ in data)}; the paper reports none",
        pd.DataFrame(rows).fillna(""),
        (False,) * len(rows),
        tuple("; ".join(dict.fromkeys(note for note in reported[reported["method"] == v]["note"] if note)) for v in variants),
        "mAP@IoU is the mean over categories of the average precision of predicted segments. *VadCLIP's code*: "
        "segments of all videos, mean over all categories, the normal one included. *Abnormal only*: segments of abnormal "
        "videos, mean over abnormal categories. AP per category is of the second kind, mean over IoU 0.1 to 0.5. Category "
        "accuracy is the part of videos one of whose categories scores highest by equation 4: of all videos among all "
        "categories, and of abnormal videos among abnormal categories. All values are of the step "
        f"{RULE_TITLES[_selection(data[0][1])]}. {_made_with([(s, s.counterpart, runs) for s, runs in data])}",
        tuple(blocks.items()),
    )


_FINE_GRAINED_STEPS = ("pcl", "pcl-dbagf", "fine", "fine-align", "proposed")  # Tables 4 and 5 in one ladder


def _fine_grained_cells(
    subject: Subject, runs: dict[str, list[Run]], variant: str, reported: pd.DataFrame
) -> dict[str, dict[str, str]]:
    """Heading -> column -> cell of one row and data set of table 6."""
    rule = _selection(runs)
    found = [part for run in runs.get(variant, []) if (part := run.fine_grained(rule))]
    here = f"here ({subject.title})"

    def cell(*keys: str) -> str:
        values = []
        for part in found:
            for key in keys:
                part = part.get(key) if part else None
            values.append(part)
        return NOT_ANNOTATED if None in values else _percent(values)

    before = next((one for one, other in pairwise(_FINE_GRAINED_STEPS) if other == variant), None)

    def trust(metric: statistics.Metric, *keys: str) -> dict[str, str]:
        """Interval of the column before, and the row against the one above."""
        known = [[run for run in runs.get(each, []) if statistics.load_scored(run).fine_grained] for each in (before, variant)]
        cells = {"": cell(*keys), f": {_INTERVAL}": "", f": {_AGAINST}": ""}
        if cells[""] not in (NOT_RUN, NOT_ANNOTATED):
            cells[f": {_INTERVAL}"] = _interval_cell(known[1], metric)
            cells[f": {_AGAINST}"] = _paired_cell(*known, metric) if before else ""
        return cells

    parts: dict[str, dict[str, str]] = {}
    thresholds = (*(f"{iou:.1f}" for iou in detection.IOUS), "average")
    for kind, shown in (("vadclip_code", "VadCLIP's code"), ("abnormal_only", "abnormal only")):
        cells = {}
        if kind == "vadclip_code" and len(reported):
            for iou in thresholds:
                head = f"authors ({subject.counterpart}) {_map_title(iou)} %"
                cells[head] = _reported_cell(reported, "authors", f"map_{iou}")
        cells |= {f"{here} {_map_title(iou)} %, {shown}": cell("detection", kind, "map", iou) for iou in thresholds}
        head = f"{here} {_map_title('average')} %, {shown}"
        cells |= {head + part: text for part, text in trust(f"map_{kind}", "detection", kind, "map", "average").items()}
        parts[f"Detection on {subject.title}, {shown}:"] = cells
    categories = next((run.config["categories"][1:] for done in runs.values() for run in done), ())
    cells = {}
    for metric, shown in (("category_accuracy", "all videos"), ("category_accuracy_abnormal_videos", "abnormal videos")):
        cells |= {f"{here} category accuracy %: {shown}{part}": text for part, text in trust(metric, metric).items()}
    parts[f"Categories of whole videos on {subject.title}:"] = cells
    parts[f"Average precision per category on {subject.title}:"] = {
        f"{here} AP % {name}": cell("detection", "abnormal_only", "ap_per_category", name, "average") for name in categories
    }
    return parts


def _map_title(iou: str) -> str:
    return "mAP AVG" if iou == "average" else f"mAP@{iou}"


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
    rows, data, seeds = [], _subjects_and_runs(layout, datasets, (variant,)), []
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
                        head: _percent([measured[metric]] if measured else [])
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
        + _made_with([(s, s.counterpart, runs) for s, runs in data]),
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
    return metrics.evaluate(dict(zip(names, frames, strict=True)), scores, categories, str(stored["categories"][0]))


def write_all_tables(layout: Layout, datasets: Sequence[Dataset]) -> list[Table]:
    """Make and write every table that applies to some data sets.

    Table 1; for each data set table 2, table 3 or ``methods-NAME``; tables 4 to 6 and the protocol table over all of them;
    and what the methods cost on each.
    The first data set that is UCF-Crime or stands for it fills table 2, itself before a stand-in; XD-Violence likewise.

    Args:
        layout: run folders are read from it, tables written to it.
        datasets: loaded, without features will do.

    Returns:
        the tables in the order of their numbers.

    Raises:
        DataError: no data set, one given twice, or runs that do not belong into one table.
        OutputError: the folder cannot be written.
    """
    if not datasets or len({dataset.name for dataset in datasets}) != len(datasets):
        names = ", ".join(dataset.name for dataset in datasets) or "none"
        raise DataError(f"tables: expected one data set or more, each once, got {names}; name the ones that were run.")

    def place(dataset: Dataset) -> tuple[int, bool]:
        known = dataset.counterpart in PAPER_SETS
        return PAPER_SETS.index(dataset.counterpart) if known else len(PAPER_SETS), dataset.synthetic

    ordered, comparisons = sorted(datasets, key=place), {}
    for dataset in ordered:
        table = comparison_table(layout, dataset)
        if table.name in comparisons:
            table = methods_table(layout, dataset)
        comparisons[table.name] = table
    over_all = (table4, table5, table6, protocol_table)
    made = [table1(layout, ordered), *comparisons.values(), *(make(layout, ordered) for make in over_all)]
    made += [cost_table(layout, dataset) for dataset in ordered]
    for table in made:
        write_table(layout, table)
    return made


# --- cells and captions -----------------------------------------------------------------------------------


def _selection(runs: dict[str, list[Run]]) -> str:
    """The rule that the runs were made with; one for all, see :func:`load_runs`."""
    for done in runs.values():
        return done[0].measured["selection"]
    return TrainSettings.model_fields["selection"].default


def _name(dataset: Dataset | str) -> str:
    return dataset.name if isinstance(dataset, Dataset) else dataset


def _subjects_and_runs(
    layout: Layout, datasets: Sequence[Dataset | str], variants: Sequence[str]
) -> list[tuple[Subject, dict[str, list[Run]]]]:
    found = []
    for dataset in datasets:
        runs = load_runs(layout, _name(dataset), variants)
        found.append((Subject.of(dataset, runs), runs))
    return found


def _status(data: list[tuple[Subject, dict[str, list[Run]]]], variant: str, *, fine_grained: bool = False) -> str:
    def ran(runs: dict[str, list[Run]]) -> bool:
        return any(not fine_grained or run.fine_grained(_selection(runs)) for run in runs.get(variant, []))

    missing = [subject.title for subject, runs in data if not ran(runs)]
    return "run" if not missing else NOT_RUN if len(missing) == len(data) else f"{NOT_RUN} on {', '.join(missing)}"


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _percent(values: list[float]) -> str:
    """Mean over seeds in percent, with the standard deviation if there are several."""
    if not values:
        return NOT_RUN
    return f"{100 * _mean(values):.2f}" + (f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


def _cell(runs: list[Run], metric: str, rule: str) -> str:
    return _percent([run.value(metric, rule) for run in runs])


def _interval_cell(runs: list[Run], metric: str) -> str:
    """95 % interval of a row, in percent, at the runs' own selection rule."""
    if not runs:
        return NOT_RUN
    found = statistics.interval(statistics.load_all(runs), metric)
    return f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"


def _paired_cell(before: list[Run], after: list[Run], metric: str) -> str:
    """Difference of a row to the one before it on the same seeds and videos, its interval, and the word for it."""
    seeds = {run.config["seed"] for run in before} & {run.config["seed"] for run in after}
    if not seeds:
        return NOT_RUN
    one, other = ([run for run in runs if run.config["seed"] in seeds] for runs in (before, after))
    return statistics.comparison_text(statistics.compare(statistics.load_all(one), statistics.load_all(other), metric))


def _reported_cell(rows: pd.DataFrame, origin: str, metric: str) -> str:
    found = rows[(rows["origin"] == origin) & (rows["metric"] == metric)]
    return f"{found['value'].iloc[0]:.{found['decimals'].iloc[0]}f}" if len(found) else ""


def _made_with(data: list[tuple[Subject, str, dict[str, list[Run]]]]) -> str:
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
    rule = RULE_TITLES[_selection(data[0][2])]
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


# --- generated parts of pages -----------------------------------------------------------------------------


def results_table_markdown(layout: Layout) -> str:
    """The short results for the README: methods on both sets, then the ablations; FAR and the like stay in the files."""
    parts = []
    for table in (table2(layout), table3(layout)):
        left_out = ("FAR", "seeds", "parameters", *(title for _, title in _SECOND_METRICS.values()))
        columns = [column for column in table.frame.columns if not any(word in column for word in left_out)]
        parts += [f"**{table.title}**", markdown_grid(table.frame[columns], table.in_paper)]
    for table in (table4(layout), table5(layout)):
        left_out = (RULE_TITLES["last"], RULE_TITLES["best_on_test"], "seeds", _INTERVAL)
        columns = [column for column in table.frame.columns if not any(word in column for word in left_out)]
        # the paired difference says what the bare change says, and how sure it is
        columns = [column for column in columns if not (column.startswith("here") and column.endswith(": change"))]
        parts += [f"**{table.title}**", markdown_grid(table.frame[columns], table.in_paper)]
    parts.append(table.made_with)
    return "\n\n".join(parts) + "\n"


def update_section(path: Path, section: str, markdown: str) -> Path:
    """Replace what stands between ``<!-- SECTION:begin -->`` and ``<!-- SECTION:end -->`` in a page.

    Raises:
        MissingFileError: there is no such page.
        DataError: the page lacks the two markers, or has them twice or in the wrong order.
    """
    begin, end = f"<!-- {section}:begin -->", f"<!-- {section}:end -->"
    if not path.is_file():
        raise MissingFileError(f"{path}: expected a page with the markers {begin} and {end}, found no such file.")
    text = path.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise DataError(f"{path}: expected {begin} once and then {end} once; add the two lines where the generated part belongs.")
    head, rest = text.split(begin)
    return write_text(path, f"{head}{begin}\n{markdown.strip()}\n{end}{rest.split(end)[1]}")


# Beginnings of the questions of notebook 06 whose answers the README tells, with the sections that answer them.
_FINDINGS = (
    "Does Proposed beat + PCL + DBAGF",
    "How many seeds would show",
    "What does choosing the step on the test set give away",
    "What is the mean over crops worth in testing",
    "Are abnormal videos called by their name",
    "Does the language matter at all",
    "Is a category found that is described in words only",
)


def findings_markdown(layout: Layout) -> str:
    """What notebook 06 found, a line per answer, read from ``beyond.csv``; says so if that has not been made."""
    path = layout.tables / "beyond.csv"
    if not path.is_file():
        return "*not run*: `make reproduce` makes `beyond.csv`, `make beyond` with all its runs.\n"
    notebook = "results/quick/executed/06_beyond_the_paper.ipynb"
    lines = [
        f"Computed answers of [notebook 06]({notebook}), with their intervals; all of them are in [`beyond.csv`]("
        "results/quick/tables/beyond.csv)."
    ]
    said = pd.read_csv(path, keep_default_na=False)
    for start in _FINDINGS:
        for row in said[said["question"].str.startswith(start)].itertuples():
            lines.append(f"- **{row.data.partition(' (')[0]}. {row.question}** {row.answer} ([cell {row.cell}]({notebook})).")
    return lines[0] + "\n\n" + "\n".join(lines[1:]) + "\n"


def update_readme(path: Path, layout: Layout) -> Path:
    """Write the short results and the findings between the markers ``results`` and ``findings`` of the README."""
    update_section(path, "findings", findings_markdown(layout))
    return update_section(path, "results", results_table_markdown(layout))


# --- equation map -----------------------------------------------------------------------------------------


class Equation(NamedTuple):
    """Where an equation of the paper lives.

    Attributes:
        number: as the paper counts; ``PCL`` and ``L_m`` are defined in its text without a number.
        meaning: in a few words.
        function: dotted name of the function that computes it.
        test: file with its example worked by hand, relative to the project folder.
    """

    number: str
    meaning: str
    function: str
    test: str


EQUATIONS = (
    Equation("PCL", "learned text features", "vad_lib.model.learned_text", "tests/equations/test_pcl.py"),
    Equation("1", "projection of visual features", "vad_lib.model.project_visual", "tests/equations/test_eq_01.py"),
    Equation("2", "modulation vector", "vad_lib.model.modulation_vector", "tests/equations/test_eq_02.py"),
    Equation("3", "alignment map", "vad_lib.model.alignment_map", "tests/equations/test_eq_03.py"),
    Equation("4", "category scores", "vad_lib.model.category_scores", "tests/equations/test_eq_04.py"),
    Equation("5", "semantic score", "vad_lib.model.semantic_score", "tests/equations/test_eq_05.py"),
    Equation("6", "gate weight", "vad_lib.model.gate_weight", "tests/equations/test_eq_06.py"),
    Equation("7", "fused score", "vad_lib.model.fuse", "tests/equations/test_eq_07.py"),
    Equation("8", "video score", "vad_lib.model.video_score", "tests/equations/test_eq_08.py"),
    Equation("9", "total loss", "vad_lib.method.total_loss", "tests/equations/test_eq_09.py"),
    Equation("L_m", "main loss", "vad_lib.losses.main_loss", "tests/unit/test_losses.py"),
    Equation("10", "classification loss", "vad_lib.losses.classification_loss", "tests/equations/test_eq_10.py"),
    Equation("11", "its term for normal videos", "vad_lib.losses.normal_suppression_loss", "tests/equations/test_eq_11.py"),
    Equation("12", "alignment loss", "vad_lib.losses.alignment_loss", "tests/equations/test_eq_12.py"),
    Equation("13", "consistency loss", "vad_lib.losses.consistency_loss", "tests/equations/test_eq_13.py"),
    Equation("14", "true positive rate", "vad_lib.metrics.true_positive_rate", "tests/equations/test_eq_14.py"),
    Equation("15", "false positive rate, false alarm rate", "vad_lib.metrics.false_positive_rate", "tests/equations/test_eq_15.py"),
    Equation("16", "area under the ROC curve", "vad_lib.metrics.frame_roc_auc", "tests/equations/test_eq_16.py"),
    Equation("17", "average precision", "vad_lib.metrics.average_precision", "tests/equations/test_eq_17.py"),
    Equation("18", "precision and recall", "vad_lib.metrics.precision_recall", "tests/equations/test_eq_18.py"),
)
_MENTION = re.compile(r"\b(?:equations?|eqs?\.)\s+(\d+(?:\s*(?:,|and|to|-)\s*\d+)*)", re.IGNORECASE)


def mentioned_equations(text: str) -> set[str]:
    """Numbers and names of the equations that a text mentions.

    Example:
        >>> sorted(mentioned_equations("Equations 5 to 7 and 9; PCL stands before (eq. 1)."), key=str)
        ['1', '5', '6', '7', '9', 'PCL']
    """
    found = {name for name in ("PCL", "L_m") if re.search(rf"\b{name}\b", text)}
    for numbers in _MENTION.findall(text):
        for first, last in re.findall(r"(\d+)(?:\s*(?:to|-)\s*(\d+))?", numbers):
            found |= {str(number) for number in range(int(first), int(last or first) + 1)}
    return found


def equation_places(notebooks: Path) -> dict[str, str]:
    """Equation -> the notebook and heading where a text cell first mentions it, in the order of the notebooks."""
    places: dict[str, str] = {}
    for path in sorted(notebooks.glob("*.ipynb")):
        heading = ""
        for cell in read_json(path)["cells"]:
            if cell["cell_type"] != "markdown":
                continue
            for part in re.split(r"(?m)^(?=#+ )", "".join(cell["source"])):
                if part.startswith("#"):
                    heading = part.splitlines()[0].lstrip("# ")
                for number in mentioned_equations(part):
                    places.setdefault(number, f"{path.name}, *{heading}*")
    return places


def equation_map(layout: Layout) -> str:
    """Markdown table: equation, function, test, and the notebook section that explains it."""
    places = equation_places(layout.notebooks)
    rows = [
        {
            "equation": equation.number,
            "meaning": equation.meaning,
            "function": f"`{equation.function.removeprefix('vad_lib.')}`",
            "test": f"`{equation.test}`",
            "notebook": places.get(equation.number, ""),
        }
        for equation in EQUATIONS
    ]
    return markdown_grid(pd.DataFrame(rows), align="left") + "\n"
