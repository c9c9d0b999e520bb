"""Real footage: which sets there are, how their rows are trained, and the numbers of each that the project commits.

``scripts/real_footage.py`` and notebook 07 share this file. Footage and features stay with whoever has them; the numbers of a set
are three files in a folder of its name: ``set.json`` (what the set is and what its numbers were made with), ``rows.csv`` (every
row by every metric, seed by seed) and ``differences.csv`` (the pairs of rows that rendered footage is compared on, too).
"""

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from vad_lib.config import Profile, get_profile
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.data.prepare import prepare_dataset
from vad_lib.errors import DataError, UndefinedMetricError
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval, interval
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.report.rendered_and_real import METRICS, Differences, FootageSet, differences
from vad_lib.report.tables.captions import describe_run, made_by
from vad_lib.runs import experiments
from vad_lib.runs.finished_runs import load_runs
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json, write_text

NUM_SEEDS = 10
# Every compared method, the yardstick, the control, and the ladders of Tables 4 and 5.
ROWS = tuple(
    dict.fromkeys(
        (
            *(*experiments.YARDSTICKS, *experiments.COMPARED, "proposed-permuted"),
            *(*experiments.TABLE_ROWS["table4"], *experiments.TABLE_ROWS["table5"]),
        )
    )
)
NO_TEXT = "the only category, Anomaly, has a random vector in place of text"
WITHIN = "auc_abnormal_videos"  # AUC on the frames of abnormal videos alone
INFO, ROWS_FILE, DIFFERENCES_FILE = "set.json", "rows.csv", "differences.csv"


class RealSet(NamedTuple):
    """A real set that the project has numbers of.

    Attributes:
        folder: its name where a person keeps the data.
        dataset: name that it is imported under; none of a public set, since its lists are not those of a release.
        title: in tables.
        footage: what is seen.
        event: what is abnormal.
        licence, source: of the footage and of the features.
        answers, cannot: what its numbers can say, and what they cannot.
        remark: what to know wherever its numbers stand; empty for nothing.
        no_text: why it says nothing of language; empty where its categories have texts.
        fps: frames per second; 0 where nobody wrote it down.
    """

    folder: str
    dataset: str
    title: str
    footage: str
    event: str
    licence: str
    source: str
    answers: str
    cannot: str
    remark: str = ""
    no_text: str = ""
    fps: float = 0.0

    @property
    def remarks(self) -> str:
        """All that is to know of its numbers, in one phrase; empty for nothing."""
        return "; ".join(filter(None, (self.remark, self.no_text)))


SETS: dict[str, RealSet] = {
    "fight-bags": RealSet(
        folder="fight_bags",
        dataset="fight-bags",
        title="Fight bags",
        footage="all 300 surveillance clips of one data set, laid end to end into longer videos; sources do not cross the split",
        event="a clip with a fight",
        licence="MIT, of the repository of the data set; terms of the footage not checked",
        source="Surveillance Camera Fight Dataset (Akti, Tataroglu, Ekenel, IPTA 2019); I3D features, Kinetics-400, short side "
        "256, one central crop of 224",
        answers="whether learning from video labels finds the fights among many clips; it has the most videos of the three",
        cannot="how a method does on uncut footage: training and test videos are joined from clips of one data set, and training "
        "videos share clips with the validation videos that choose the step. Compare the last step, too",
    ),
    "pets2009": RealSet(
        folder="pets2009",
        dataset="pets2009",
        title="PETS 2009",
        footage="staged crowds on a campus; each of four camera views is a video of its own",
        event="a staged event of the scenes named Event Recognition (S3), from four sides",
        licence="MIT, of the repository with lists and features; terms of the footage not checked",
        source="santiagosilas/MC-VAD-Dataset-BasedOn-PETS2009 at 9e61587, split S3Pets2009-combine-seed-2 (Pereira and Maia 2023, "
        "arXiv 2307.00562), with its I3D features",
        answers="whether a method tells abnormal videos from normal ones",
        cannot="when the event is, and how a method does on new footage: 8 test videos have the features of training videos to the "
        "byte, 4 pairs of training videos have equal features and different labels, and the views of one scene are not "
        "independent, so that numbers are too good and intervals too narrow",
        remark="features leak from training to test",
        no_text=NO_TEXT,
    ),
    "ped2": RealSet(
        folder="ped2",
        dataset="ped2-videos",
        title="UCSD Ped2",
        footage="one fixed camera over a walkway",
        event="a bicycle, skater or cart among walkers",
        licence="none stated; citation asked",
        source="UCSD Ped2 (Li, Mahadevan, Vasconcelos 2014), weakly supervised split of TEVAD (Test002, 006, 009 to 012 and "
        "Train007, 008, 014, 015 train, the other 18 test); our own I3D features from pixels",
        answers="whether the way from pixels to scores works on footage that nobody prepared for us",
        cannot="small differences: so few videos leave wide intervals. Numbers of others on this split have other features",
        no_text=NO_TEXT,
        fps=10.0,
    ),
}


@dataclass(frozen=True)
class Numbers:
    """What is kept of a real set.

    Attributes:
        info: content of ``set.json``: ``title``; ``commit``, ``date`` of it, ``torch`` and ``processor`` of its runs (older files
            lack the last three); ``made_with``; ``seeds`` of each row (least and most); ``train`` and ``test`` (videos, abnormal
            ones, frames, and of the test videos events and abnormal frames); ``not_run``.
        rows: a row per table row and metric: ``variant``, ``row``, ``metric``, ``mean``, ``sd``, ``low``, ``high``, ``seeds``,
            ``values`` (of the seeds); fractions.
        differences: pairs of rows, by metric.
    """

    info: Mapping[str, Any]
    rows: pd.DataFrame
    differences: Differences

    @property
    def seeds(self) -> str:
        """Seeds a row in words, such as ``5 seeds`` or ``5 to 10 seeds``."""
        least, most = self.info["seeds"]
        return f"{least} to {most} seeds" if least != most else f"{most} seed{'s' * (most != 1)}"


# --- training -----------------------------------------------------------------------------------------------
def profile_of(name: str) -> Profile:
    """Settings of real footage: of ``smoke`` for tests, else the same in every profile.

    These are the quick profile's with 32 segments, the field's usual number, and with them the library's own learning rate (methods
    with a rate of their own in the quick profile keep it); width and steps are what a CPU does in some seconds to two minutes. No
    setting was chosen by a score on test videos. Videos give the features of the fight bags: shorter side 256 pixels, one central
    crop of 224.
    """
    base = get_profile("smoke" if name == "smoke" else "quick")
    features = base.features.replace(short_side=256, crop_size=224, num_crops=1)
    if name == "smoke":
        return base.replace(features=features)
    train = base.train.replace(num_segments=32, lr=2e-4, steps=200, eval_every=10)
    return base.replace(width=128, train=train, features=features)


def work_layout(profile: Profile, work: Path) -> Layout:
    """Where imported sets and run folders lie: ``work/data`` and ``work/results``."""
    return Layout.create(profile.name, work, work / "data")


def imported(source: Path, name: str, title: str, layout: Layout, profile: Profile) -> Dataset:
    """The data set of a folder of lists and features, or of lists and videos, with features.

    Raises:
        DataError: the folder cannot be imported; the message says what is wrong.
    """
    target, settings = layout.dataset(name), ImportSettings(dataset=name, title=title)
    if (source / "videos").is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)  # features are kept beside the videos
        target.chmod(0o755)  # the source may be read-only
        import_dataset(target, target, settings)
        return prepare_dataset(layout, profile, name)
    import_dataset(source, target, settings)
    return load_dataset(target)


def train(
    source: Path,
    name: str,
    layout: Layout,
    profile: Profile,
    *,
    title: str = "",
    seeds: int = NUM_SEEDS,
    rows: Iterable[str] = ROWS,
) -> Dataset:
    """Import a set, extract features if there are only videos, and train every row with every seed; finished runs are kept.

    Args:
        source: folder with lists, and features or videos.
        name: of the set in folders.
        layout: of :func:`work_layout`.
        profile: of :func:`profile_of`.
        title: of the set in tables; that of :data:`SETS`, or its name, by default.
        seeds: per row.
        rows: keys of :data:`vad_lib.runs.experiments.VARIANTS`.
    """
    known = SETS.get(name)
    dataset = imported(source, known.dataset if known else name, title or (known.title if known else name), layout, profile)
    first = profile.train.seed
    experiments.run_variants(rows, dataset, layout, profile, seeds=range(first, first + seeds))
    return dataset


# --- numbers ------------------------------------------------------------------------------------------------
def numbers_of(layout: Layout, dataset: Dataset) -> Numbers:
    """The numbers of a set's finished runs.

    Raises:
        DataError: no run, or runs that do not belong into one table.
    """
    runs = load_runs(layout, dataset.name, ROWS)
    if not runs:
        raise DataError(f"{dataset.name}: expected finished runs, got none in {layout.results}; train them first.")
    scored = {row: scored_rows(theirs) for row, theirs in runs.items()}
    rows = [line for row, theirs in scored.items() for line in _lines(row, theirs)]
    columns = ["variant", "row", "metric", "mean", "sd", "low", "high", "seeds", "values"]
    return Numbers(_info(dataset, runs), pd.DataFrame(rows, columns=columns), differences(scored))


def _lines(row: str, runs: tuple[ScoredVideos, ...]) -> list[tuple[Any, ...]]:
    """A table row by AUC, by AP, and by AUC within abnormal videos where that is defined."""
    within = tuple(run.of_videos(run.abnormal_video) for run in runs)
    lines: dict[str, Interval] = {metric: interval(runs, metric) for metric in METRICS}
    with contextlib.suppress(UndefinedMetricError):  # abnormal videos without a normal frame
        lines[WITHIN] = interval(within, "auc")
    title = experiments.VARIANTS[row].title
    return [
        (row, title, metric, f.mean, f.sd, f.low, f.high, f.num_seeds, " ".join(f"{value:.6g}" for value in f.values))
        for metric, f in lines.items()
    ]


def _info(dataset: Dataset, runs: Mapping[str, list[Run]]) -> dict[str, Any]:
    made = [run for theirs in runs.values() for run in theirs]
    with_text = next((run for run in made if run.config["text"]), made[0])
    videos, counts = dataset.videos, [len(theirs) for theirs in runs.values()]
    test = videos.split("test")
    return {
        "title": dataset.title,
        **made_by(made),
        "made_with": describe_run(with_text.config),
        "seeds": [min(counts), max(counts)],
        "categories": list(dataset.categories),
        "train": _counts(dataset, videos.split("train")),
        "test": _counts(dataset, test)
        | {
            "events": sum(len(record.intervals) for record in test),
            "abnormal_frames": sum(int(record.frame_labels().sum()) for record in test),
        },
        "not_run": {
            row: reason for row in experiments.TABLE_ROWS["table2"] if row not in runs and (reason := why_not(row, dataset))
        },
    }


def _counts(dataset: Dataset, records: tuple[VideoRecord, ...]) -> dict[str, int]:
    abnormal = sum(dataset.videos.is_abnormal(record) for record in records)
    return {"videos": len(records), "abnormal": abnormal, "frames": sum(record.num_frames for record in records)}


def why_not(row: str, dataset: Dataset) -> str:
    """Why a row of Table 2 has no run on a real set."""
    if row not in ROWS:
        return "it learns from frame labels of test videos, which on these sets share clips, scenes or the camera with each other"
    return experiments.not_runnable(row, dataset) or "not trained yet"


# --- files --------------------------------------------------------------------------------------------------
_DIFFERENCE_COLUMNS = ("first", "second", "metric", "mean", "sd", "low", "high", "level", "kind", "seeds", "values", "videos")


def write_numbers(folder: Path, numbers: Numbers) -> None:
    """Write the three files of a set; fractions with six significant digits."""
    lines = [
        (
            *(first, second, metric, f.mean, f.sd, f.low, f.high, f.level, f.kind, " ".join(map(str, f.seeds))),
            *(" ".join(f"{value:.6g}" for value in f.values), f.num_videos),
        )
        for (first, second, metric), f in numbers.differences.items()
    ]
    pairs = pd.DataFrame(lines, columns=list(_DIFFERENCE_COLUMNS))
    write_json(folder / INFO, numbers.info)
    for name, frame in ((ROWS_FILE, numbers.rows), (DIFFERENCES_FILE, pairs)):
        write_text(folder / name, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_numbers(folder: Path) -> Numbers | None:
    """The numbers of a set from its folder; None where one of the three files is missing.

    Raises:
        DataError: a file is damaged.
    """
    if not all((folder / name).is_file() for name in (INFO, ROWS_FILE, DIFFERENCES_FILE)):
        return None
    info = read_json(folder / INFO)
    rows, pairs = (pd.read_csv(folder / name, dtype={"seeds": str, "values": str}) for name in (ROWS_FILE, DIFFERENCES_FILE))
    if missing := {*_DIFFERENCE_COLUMNS} - {*pairs.columns}:
        raise DataError(f"{folder / DIFFERENCES_FILE}: expected the column {', '.join(sorted(missing))}; restore it from git.")
    found = {}
    for row in pairs.itertuples():
        found[row.first, row.second, row.metric] = Comparison(
            *(row.metric, row.mean, None if pd.isna(row.sd) else row.sd, row.low, row.high, row.level, row.kind),
            seeds=tuple(map(int, row.seeds.split())),
            values=tuple(map(float, row.values.split())),
            num_videos=row.videos,
            first=title_of(row.first),
            second=title_of(row.second),
        )
    return Numbers(info, rows.astype({"seeds": int}), found)


def title_of(row: str) -> str:
    """The title of a table row; its name if this version has no such row."""
    return experiments.VARIANTS[row].title if row in experiments.VARIANTS else row


def committed(layout: Layout) -> Path:
    """Folder of the numbers of real footage that the project commits, a folder per set."""
    return layout.benchmarks.with_name("real_footage")


def committed_sets(layout: Layout) -> list[FootageSet]:
    """The real sets whose numbers the project commits."""
    found = {name: read_numbers(committed(layout) / name) for name in SETS}
    return footage_sets({name: numbers for name, numbers in found.items() if numbers})


def footage_sets(found: Mapping[str, Numbers]) -> list[FootageSet]:
    """Known sets as a figure of rendered and real footage has them.

    Args:
        found: name of each -> its numbers.
    """
    return [
        FootageSet(numbers.info["title"], "real", numbers.differences, SETS[name].remark, SETS[name].no_text)
        for name, numbers in found.items()
    ]


def source_sentence(here: Iterable[Numbers], read: Iterable[Numbers], missing: Iterable[str] = ()) -> str:
    """Which real sets were trained here, of which the committed numbers are shown, and which have none."""

    def listed(numbers: Iterable[Numbers]) -> str:
        return "; ".join(f"{n.info['title']} (commit {n.info['commit']}, {n.seeds} a row)" for n in numbers)

    own, others, none = listed(here), listed(read), ", ".join(missing)
    parts = []
    if own:
        parts.append(f"Trained here: {own}")
    if others:
        what = "These were" if own else "Real footage was"
        parts.append(f"{what} not run here, the committed numbers are shown: {others}")
    if none:
        parts.append(f"Without any numbers: {none}")
    return ". ".join(parts) + "." if parts else "No real set has numbers."
