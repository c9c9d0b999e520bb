"""Tables 1 to 3 of the paper."""

from collections.abc import Sequence

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.report.tables.captions import Subject, dataset_name, made_with_text, selection_of
from vad_lib.report.tables.cells import INTERVAL_COLUMN, interval_cell, metric_cell, reported_cell
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import METRIC_TITLES, NOT_RUN, RULE_TITLES, Table
from vad_lib.runs.comparable import load_runs
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.storage.paths import Layout

SECOND_METRICS = {"auc": ("auc_abnormal_videos", "AUC % within abnormal videos"), "ap": ("ap_trapezoid", "AP % by trapezoids")}


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
    return _comparison(layout, f"methods-{dataset_name(dataset)}", "", dataset)


def comparison_table(layout: Layout, dataset: Dataset) -> Table:
    """Table 2, table 3 or ``methods-NAME``, whichever the data set's counterpart asks for."""
    make = {"UCF-Crime": table2, "XD-Violence": table3}.get(dataset.counterpart, methods_table)
    return make(layout, dataset)


def _comparison(layout: Layout, name: str, counterpart: str, dataset: Dataset | str) -> Table:
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == name]
    of_paper = list(dict.fromkeys(reported[reported["origin"] == "paper"]["method"]))
    methods = list(dict.fromkeys((*of_paper, *reported["method"], *TABLE_ROWS.get(name, TABLE_ROWS["table2"]))))
    runs = load_runs(layout, dataset_name(dataset), methods)
    rule, subject = selection_of(runs), Subject.of(dataset, runs)
    metric = {"UCF-Crime": "auc", "XD-Violence": "ap"}.get(counterpart, subject.metric)
    here, headline = f"here ({subject.title})", METRIC_TITLES[metric]
    second, second_title = SECOND_METRICS[metric]
    rows, notes = [], []
    for method in methods:
        mine = reported[reported["method"] == method]
        title = mine["title"].iloc[0] if len(mine) else VARIANTS[method].title
        row = {"method": VARIANTS[method].title if method in VARIANTS else title}
        for origin in ("paper", "authors") if counterpart else ():
            for key, shown in ((metric, headline), ("far", "FAR")):
                row[f"{origin} ({counterpart}) {shown} %"] = reported_cell(mine, origin, key)
        done = runs.get(method, [])
        for each, shown in RULE_TITLES.items():
            row[f"{here} {headline} %: {shown}"] = metric_cell(done, metric, each)
        row[f"{here} {headline} %: {INTERVAL_COLUMN}"] = interval_cell(done, metric)
        row[f"{here} FAR %: normal videos"] = metric_cell(done, "far_normal_videos", rule)
        row[f"{here} FAR %: all normal frames"] = metric_cell(done, "far_all_normal_frames", rule)
        row[f"{here} {second_title}"] = metric_cell(done, second, rule)
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
        made_with_text([(subject, counterpart, runs)]),
    )
