"""Run folders and reported numbers -> tables 1 to 5 as CSV and Markdown, and the generated parts of the README.

A table never puts numbers of different data sets under one heading: each column names whose number it is
(the paper's, the method's authors', ours) and on which data. A row that was not run says so and stays.
Fractions become percent here and nowhere else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from vad_lib.config import TrainSettings
from vad_lib.datasets import Dataset
from vad_lib.errors import DataError, MissingFileError
from vad_lib.experiments import TABLE_ROWS, VARIANTS
from vad_lib.files import read_json, write_text
from vad_lib.paths import Layout

NOT_RUN = "not run"
RULE_TITLES = {"last": "last step", "best_on_validation": "chosen on validation", "best_on_test": "best on test"}
METRIC_TITLES = {"auc": "AUC", "ap": "AP"}
BUILT_IN = {"synth-crime": "SynthCrime", "synth-violence": "SynthViolence"}

_REPORTED_COLUMNS = ("item", "dataset", "method", "title", "metric", "value", "unit", "decimals", "origin", "source", "note")
# Settings that may differ between the runs of one table: what a variant or a seed is, and what moves no number.
_FREE_TRAIN_SETTINGS = ("seed", "permute_labels", "device", "checkpoint_every")
_SECOND_METRICS = {"auc": ("auc_abnormal_videos", "AUC % within abnormal videos"), "ap": ("ap_trapezoid", "AP % by trapezoids")}


def dataset_title(dataset: str) -> str:
    """Name of a data set as tables and figures print it."""
    return BUILT_IN.get(dataset, dataset)


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


def _check_comparable(runs: list[Run]) -> None:
    first_with_text: Run | None = None
    for run in runs:
        for name in ("features", "width", "categories", "headline_metric"):
            _check_same(runs[0], run, name, runs[0].config[name], run.config[name])
        first, train = ({k: v for k, v in r.config["train"].items() if k not in _FREE_TRAIN_SETTINGS} for r in (runs[0], run))
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
        name: ``table1`` to ``table5``; also the file name.
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
    """A Markdown table; rows from the first one outside the paper on stand below a separating row."""
    rule = " --- |" if align == "left" else " ---: |"
    lines = ["| " + " | ".join(frame.columns) + " |", "| --- |" + rule * (len(frame.columns) - 1)]
    separated = False
    for position, row in enumerate(frame.itertuples(index=False)):
        if not separated and in_paper and not in_paper[position]:
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
    rows, in_paper, notes = [], [], []
    for name in reported["dataset"].unique():
        values = {row.metric: f"{row.value:.0f}" for row in reported[reported["dataset"] == name].itertuples()}
        rows.append(
            {
                "data set": f"{name} (paper)",
                "training videos": values["train_videos"],
                "test videos": values["test_videos"],
                "videos": values["total_videos"],
                "abnormal categories": values["abnormal_categories"],
                "frames": "",
                "hours": f"about {values['hours']}",
                "abnormal test frames %": "",
            }
        )
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
    rendered = [f"{d.title} is rendered by this project in the shape of {d.counterpart}" for d in datasets if d.synthetic]
    made_with = ". ".join((*rendered, "Hours are frames divided by frames per second."))
    return Table("table1", "Table 1. Data sets", pd.DataFrame(rows), tuple(in_paper), tuple(notes), made_with)


def table2(layout: Layout, dataset: str = "synth-crime") -> Table:
    """Table 2: methods by AUC and false alarm rate; the paper's and the authors' on UCF-Crime, ours on ``dataset``."""
    return _comparison(layout, "table2", "UCF-Crime", dataset, "auc")


def table3(layout: Layout, dataset: str = "synth-violence") -> Table:
    """Table 3: methods by AP and false alarm rate; the paper's and the authors' on XD-Violence, ours on ``dataset``."""
    return _comparison(layout, "table3", "XD-Violence", dataset, "ap")


def _comparison(layout: Layout, name: str, counterpart: str, dataset: str, metric: str) -> Table:
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == name]
    of_paper = list(dict.fromkeys(reported[reported["origin"] == "paper"]["method"]))
    methods = list(dict.fromkeys((*of_paper, *reported["method"], *TABLE_ROWS[name])))
    runs = load_runs(layout, dataset, methods)
    rule = _selection(runs)
    here, headline = f"here ({dataset_title(dataset)})", METRIC_TITLES[metric]
    second, second_title = _SECOND_METRICS[metric]
    rows, notes = [], []
    for method in methods:
        mine = reported[reported["method"] == method]
        title = mine["title"].iloc[0] if len(mine) else VARIANTS[method].title
        row = {"method": VARIANTS[method].title if method in VARIANTS else title}
        for origin in ("paper", "authors"):
            for key, shown in ((metric, headline), ("far", "FAR")):
                row[f"{origin} ({counterpart}) {shown} %"] = _reported_cell(mine, origin, key)
        done = runs.get(method, [])
        for each, shown in RULE_TITLES.items():
            row[f"{here} {headline} %: {shown}"] = _cell(done, metric, each)
        row[f"{here} FAR %: normal videos"] = _cell(done, "far_normal_videos", rule)
        row[f"{here} FAR %: all normal frames"] = _cell(done, "far_all_normal_frames", rule)
        row[f"{here} {second_title}"] = _cell(done, second, rule)
        row |= {"seeds": str(len(done)), "status": "run" if done else NOT_RUN}
        rows.append(row)
        notes.append("; ".join(f"{r.origin}, {r.metric}: {r.note}" for r in mine.itertuples() if r.note))
    return Table(
        name,
        f"Table {name[-1]}. Methods on {counterpart} (paper, authors) and on {_long_title(dataset)} (here)",
        pd.DataFrame(rows),
        tuple(method in of_paper for method in methods),
        tuple(notes),
        _made_with({dataset: runs}, {dataset: counterpart}),
    )


def table4(layout: Layout, datasets: tuple[str, str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 4: the modules added one by one to the baseline; UCF-Crime's counterpart first in ``datasets``."""
    return _ablation(layout, "table4", "Modules", ("PCL", "DBAGF", "L_total"), datasets)


def table5(layout: Layout, datasets: tuple[str, str] = ("synth-crime", "synth-violence")) -> Table:
    """Table 5: the loss terms added one by one; UCF-Crime's counterpart first in ``datasets``."""
    return _ablation(layout, "table5", "Loss terms", ("fine", "align", "cons"), datasets)


def _ablation(layout: Layout, name: str, what: str, steps: tuple[str, ...], datasets: tuple[str, str]) -> Table:
    reported = read_reported(layout.reported)
    reported = reported[(reported["item"] == name) & (reported["origin"] == "paper")]
    of_paper = list(reported["method"].unique())
    variants = list(dict.fromkeys((*of_paper, *TABLE_ROWS[name])))
    pairs = (("UCF-Crime", "auc", datasets[0]), ("XD-Violence", "ap", datasets[1]))
    runs = {dataset: load_runs(layout, dataset, variants) for dataset in datasets}
    rows, notes = [], []
    for position, variant in enumerate(variants):
        mine = reported[reported["method"] == variant]
        is_step = variant in of_paper
        row = {"row": mine["title"].iloc[0] if is_step else VARIANTS[variant].title}
        row |= {step: "yes" if is_step and position > index else "" for index, step in enumerate(steps)}
        before = variants[position - 1] if position > 0 and is_step else None
        for counterpart, metric, _ in pairs:
            paper = {r.method: r.value for r in reported[reported["dataset"] == counterpart].itertuples()}
            head = f"paper ({counterpart}) {METRIC_TITLES[metric]} %"
            row[head] = f"{paper[variant]:.2f}" if variant in paper else ""
            row[f"{head}: change"] = f"{paper[variant] - paper[before]:+.2f}" if before else ""
        for _, metric, dataset in pairs:
            head, rule = f"here ({dataset_title(dataset)}) {METRIC_TITLES[metric]} %", _selection(runs[dataset])
            done, previous = runs[dataset].get(variant, []), runs[dataset].get(before, [])
            for each, shown in RULE_TITLES.items():
                row[f"{head}: {shown}"] = _cell(done, metric, each)
                if each == rule:
                    change = 100 * (_mean(done, metric, rule) - _mean(previous, metric, rule)) if done and previous else None
                    row[f"{head}: change"] = "" if change is None else f"{change:+.2f}"
            row[f"seeds ({dataset_title(dataset)})"] = str(len(done))
        missing = [dataset_title(dataset) for dataset in datasets if variant not in runs[dataset]]
        row["status"] = "run" if not missing else NOT_RUN if len(missing) == len(datasets) else f"{NOT_RUN} on {missing[0]}"
        rows.append(row)
        notes.append("; ".join(dict.fromkeys(note for note in mine["note"] if note)))
    frame = pd.DataFrame(rows)
    paper_columns = ("row", *steps, *(column for column in frame.columns if column.startswith("paper")))
    here_columns = ("row", *(column for column in frame.columns if column.startswith(("here", "seeds", "status"))))
    made_with = _made_with(runs, {dataset: counterpart for counterpart, _, dataset in pairs})
    return Table(
        name,
        f"Table {name[-1]}. {what} added one by one, on UCF-Crime and XD-Violence (paper) and on "
        f"{' and '.join(_long_title(dataset) for dataset in datasets)} (here)",
        frame,
        tuple(variant in of_paper for variant in variants),
        tuple(notes),
        f"Changes are to the row above, in percentage points; ours are those of the values "
        f"{RULE_TITLES[_selection(runs[datasets[0]])]}. {made_with}",
        (("The paper's numbers:", paper_columns), ("Here:", here_columns)),
    )


# --- cells and captions -----------------------------------------------------------------------------------


def _selection(runs: dict[str, list[Run]]) -> str:
    """The rule that the runs were made with; one for all, see :func:`load_runs`."""
    for done in runs.values():
        return done[0].measured["selection"]
    return TrainSettings.model_fields["selection"].default


def _mean(runs: list[Run], metric: str, rule: str) -> float:
    return float(np.mean([run.value(metric, rule) for run in runs]))


def _cell(runs: list[Run], metric: str, rule: str) -> str:
    """Mean over seeds in percent, with the standard deviation if there are several."""
    if not runs:
        return NOT_RUN
    text = f"{100 * _mean(runs, metric, rule):.2f}"
    if len(runs) > 1:
        text += f" ± {100 * np.std([run.value(metric, rule) for run in runs], ddof=1):.2f}"
    return text


def _reported_cell(rows: pd.DataFrame, origin: str, metric: str) -> str:
    found = rows[(rows["origin"] == origin) & (rows["metric"] == metric)]
    return f"{found['value'].iloc[0]:.{found['decimals'].iloc[0]}f}" if len(found) else ""


def _long_title(dataset: str) -> str:
    return f"the rendered {BUILT_IN[dataset]}" if dataset in BUILT_IN else dataset


def _made_with(runs: dict[str, dict[str, list[Run]]], counterparts: dict[str, str]) -> str:
    """Sentences on data, features, training and selection; the same for CSV and Markdown."""
    sentences = []
    for dataset, counterpart in counterparts.items():
        title = dataset_title(dataset)
        if dataset in BUILT_IN:
            sentences.append(
                f"{title} is a set of videos rendered by this project, not {counterpart}: its numbers compare with each other only."
            )
        done = [run for variant in runs[dataset].values() for run in variant]
        if not done:
            sentences.append(f"{title}: nothing was run yet.")
            continue
        with_text = next((run for run in done if run.config["text"]), done[0])
        sentences.append(f"{title}: {describe_run(with_text.config)}.")
        chance = done[0].measured["rules"]["last"]["metrics"]
        share = chance["num_abnormal_frames"] / chance["num_frames"]
        sentences.append(f"Chance on {title} is 50 % AUC and {100 * share:.2f} % AP.")
    rule = RULE_TITLES[_selection(next(iter(runs.values())))]
    sentences.append(
        f"Where a column of ours names no rule, the step was {rule}; *best on test* picks the step by the test set "
        "and is an upper bound. FAR is the false alarm rate at threshold 0.5."
    )
    return " ".join(sentences)


def describe_run(config: dict[str, Any]) -> str:
    """What a run was made with, in one phrase for captions: features, text features, training."""
    features, text, train = config["features"], config["text"], config["train"]
    crops = len(features["crops"])
    parts = [
        f"I3D features of {crops} {'crop' if crops == 1 else 'crops'} of {features['crop_size']} pixels"
        + (f" ({features['weights_note']})" if features["weights_note"] else "")
    ]
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
        left_out = ("FAR", "seeds", *(title for _, title in _SECOND_METRICS.values()))
        columns = [column for column in table.frame.columns if not any(word in column for word in left_out)]
        parts += [f"**{table.title}**", markdown_grid(table.frame[columns], table.in_paper)]
    for table in (table4(layout), table5(layout)):
        left_out = (RULE_TITLES["last"], RULE_TITLES["best_on_test"], "seeds")
        columns = [column for column in table.frame.columns if not any(word in column for word in left_out)]
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


def update_readme(path: Path, layout: Layout) -> Path:
    """Write the short results between the markers ``results`` of the README."""
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
