"""Tables 4 and 5 of the paper."""

from collections.abc import Sequence

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.report.tables.captions import made_with_text, selection_of, subjects_and_runs
from vad_lib.report.tables.cells import (
    AGAINST_COLUMN,
    INTERVAL_COLUMN,
    interval_cell,
    mean_of,
    metric_cell,
    paired_cell,
    run_status,
)
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import METRIC_TITLES, PAPER_SETS, RULE_TITLES, Table
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.storage.paths import Layout


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
    data = subjects_and_runs(layout, datasets, variants)
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
            head, rule = f"here ({subject.title}) {METRIC_TITLES[subject.metric]} %", selection_of(runs)
            done, previous = runs.get(variant, []), runs.get(before, [])
            for each, shown in RULE_TITLES.items():
                row[f"{head}: {shown}"] = metric_cell(done, subject.metric, each)
                if each == rule:
                    ours = [mean_of([run.value(subject.metric, rule) for run in one]) for one in (previous, done) if one]
                    row[f"{head}: change"] = f"{100 * (ours[1] - ours[0]):+.2f}" if len(ours) == 2 else ""
            row[f"{head}: {INTERVAL_COLUMN}"] = interval_cell(done, subject.metric)
            row[f"{head}: {AGAINST_COLUMN}"] = paired_cell(previous, done, subject.metric) if before else ""
            row[f"seeds ({subject.title})"] = str(len(done))
        row["status"] = run_status(data, variant)
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
        f"{RULE_TITLES[selection_of(data[0][1])]}. {made_with_text([(s, s.counterpart, runs) for s, runs in data])}",
        (("The paper's numbers:", ("row", *steps, *paper_columns)), ("Here:", here_columns)) if paper_columns else (),
    )
