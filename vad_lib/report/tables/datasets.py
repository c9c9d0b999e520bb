"""Table 1 of the paper: the data sets in numbers."""

from collections.abc import Mapping, Sequence

import pandas as pd

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.report.tables.captions import protocol_sentences
from vad_lib.report.tables.dataset_runs import TableDataset
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import Table
from vad_lib.storage.paths import Layout

# metrics of reported.csv -> columns
_COUNTED = {
    "train_videos": "training videos",
    "test_videos": "test videos",
    "total_videos": "videos",
    "abnormal_categories": "abnormal categories",
}
_AGREEMENT = "counts agree with the paper"


def table1(layout: Layout, datasets: Sequence[Dataset]) -> Table:
    """Table 1: videos, categories, frames and hours of the data sets, the paper's own sets first.

    Where one of the data sets is UCF-Crime or XD-Violence itself, a column says whether its counts are the paper's.

    Args:
        layout: whose reported numbers are read.
        datasets: loaded; ``features=False`` will do.
    """
    reported = read_reported(layout.reported)
    reported = reported[reported["item"] == "table1"]
    paper = {name: _reported_row(name, reported[reported["dataset"] == name]) for name in reported["dataset"].unique()}
    ours = [_counted_row(dataset) for dataset in datasets]
    about = [TableDataset.of(dataset) for dataset in datasets]
    if any(dataset.is_paper_dataset for dataset in about):
        for row in paper.values():
            row[_AGREEMENT] = ""
        for row, dataset in zip(ours, about, strict=True):
            row[_AGREEMENT] = _agreement(row, paper[dataset.counterpart]) if dataset.is_paper_dataset else ""
    return Table(
        "table1",
        "Table 1. Data sets",
        pd.DataFrame([*paper.values(), *ours]),
        (True,) * len(paper) + (False,) * len(ours),
        ("categories and hours are given in the paper's prose",) * len(paper) + ("",) * len(ours),
        _caption(about),
    )


def category_counts(groups: Mapping[str, Sequence[VideoRecord]], categories: Sequence[str]) -> pd.DataFrame:
    """Videos of each category in some groups of videos; a video of several categories counts in each of them.

    Args:
        groups: name -> videos.
        categories: of the data set, the rows.

    Returns:
        a column per group, a row per category.
    """
    of_videos = {name: [category for video in videos for category in video.categories] for name, videos in groups.items()}
    counts = {name: [theirs.count(category) for category in categories] for name, theirs in of_videos.items()}
    return pd.DataFrame(counts, index=list(categories))


def _reported_row(name: str, reported: pd.DataFrame) -> dict[str, str]:
    values = {row.metric: f"{row.value:.0f}" for row in reported.itertuples()}
    counts = {column: values[metric] for metric, column in _COUNTED.items()}
    return {
        "data set": f"{name} (paper)",
        **counts,
        "frames": "",
        "hours": f"about {values['hours']}",
        "abnormal test frames %": "",
    }


def _counted_row(dataset: Dataset) -> dict[str, str]:
    records, test = dataset.videos.records, dataset.videos.split("test")
    frames, test_frames = (sum(record.num_frames for record in part) for part in (records, test))
    abnormal = sum(int(record.frame_labels().sum()) for record in test)
    return {
        "data set": f"{dataset.title} (here)",
        "training videos": str(len(records) - len(test)),
        "test videos": str(len(test)),
        "videos": str(len(records)),
        "abnormal categories": str(len(dataset.categories) - 1),
        "frames": str(frames),
        "hours": f"{frames / dataset.fps / 3600:.2f}",
        "abnormal test frames %": f"{100 * abnormal / test_frames:.2f}" if test_frames else "",
    }


def _agreement(ours: dict[str, str], paper: dict[str, str]) -> str:
    columns = [column for column in _COUNTED.values() if ours[column] != paper[column]]
    return f"no: {'; '.join(f'{ours[each]} {each}, not {paper[each]}' for each in columns)}" if columns else "yes"


def _caption(datasets: Sequence[TableDataset]) -> str:
    sentences = []
    for dataset in datasets:
        if dataset.synthetic:
            shape = f" in the shape of {dataset.counterpart}" if dataset.counterpart else ""
            sentences.append(f"{dataset.title} is rendered by this project{shape}.")
        sentences += protocol_sentences(dataset)
    return " ".join((*sentences, "Hours are frames divided by frames per second."))
