"""The page of a real set below ``results/real_footage``: tables, intervals, words, what was not run and why. No frames."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation import comparisons
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP
from vad_lib.evaluation.intervals import Interval
from vad_lib.report.figures import intervals as figures_intervals
from vad_lib.report.figures import style
from vad_lib.report.real_footage import (
    DIFFERENCES_FILE,
    NUM_SEEDS,
    ROWS,
    ROWS_FILE,
    SETS,
    WITHIN,
    Numbers,
    committed,
    numbers_of,
    profile_of,
    read_numbers,
    source_sentence,
    title_of,
    train,
    work_layout,
    write_numbers,
)
from vad_lib.report.rendered_and_real import QUESTIONS, question_title
from vad_lib.report.tables import ablation, methods
from vad_lib.report.tables import table as tables_table
from vad_lib.report.tables.captions import made_words
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_text


def write_page(dataset: Dataset, layout: Layout, folder: Path, about: str = "") -> Numbers:
    """Write the numbers of a set and its page: ``README.md``, ``rows.png``, and the three files of its numbers.

    Args:
        dataset: whose runs are finished.
        layout: of :func:`vad_lib.report.real_footage.work_layout`.
        folder: of the set's page.
        about: sentences on the footage and its source; those of the sets that the project knows, by default.

    Returns:
        the numbers.

    Raises:
        DataError: no run, or runs that do not belong into one table.
    """
    numbers = numbers_of(layout, dataset)
    write_numbers(folder, numbers)
    drawn = draw_rows(numbers, folder.name, dataset.headline_metric, layout, folder)
    write_text(folder / "README.md", "\n\n".join(_parts(dataset, layout, numbers, about or about_set(folder.name), drawn)) + "\n")
    return numbers


def _parts(dataset: Dataset, layout: Layout, numbers: Numbers, about: str, drawn: str) -> list[str]:
    parts = [f"# {dataset.title}: {numbers.seeds} a row", *filter(None, [about])]
    tables = (methods.methods_table(layout, dataset, ""), *(make(layout, [dataset]) for make in (ablation.table4, ablation.table5)))
    for table in tables:
        parts += [f"## {table.title}", tables_table.markdown_grid(table.frame[table.frame["status"] == "run"])]
    parts.append(f"{tables[-1].made_with} Made of {made_words(numbers.info)}.")
    parts.append(f"![{drawn}](rows.png)")
    parts.append(f"The same as numbers, seed by seed, with AP and AUC within abnormal videos: [`{ROWS_FILE}`]({ROWS_FILE}).")
    parts += ["## In words", words(numbers, dataset.headline_metric)]
    parts.append(f"These differences, and those of AP, as numbers: [`{DIFFERENCES_FILE}`]({DIFFERENCES_FILE}).")
    if not_run := numbers.info["not_run"]:
        parts += ["## Not run", "\n".join(f"- {title_of(row)}: {reason}." for row, reason in not_run.items())]
    return parts


def about_set(name: str) -> str:
    """What a known set is and cannot answer, in sentences; empty for another."""
    if name not in SETS:
        return ""
    known = SETS[name]
    what = (
        f"{known.footage[0].upper()}{known.footage[1:]}. Abnormal: {known.event}. Licence: {known.licence}. Source: {known.source}."
    )
    remarks = f" Note: {known.remarks}." if known.remarks else ""
    return f"{what} It can answer {known.answers}. It cannot answer {known.cannot}.{remarks}"


def words(numbers: Numbers, metric: str) -> str:
    """The differences of a set by one metric, as a list in Markdown."""
    found = {question_title(*pair): numbers.differences.get((*pair, metric)) for pair in QUESTIONS}
    return "\n".join(f"- {title}: {comparisons.comparison_text(each)}" for title, each in found.items() if each)


def draw_rows(numbers: Numbers, name: str, metric: str, layout: Layout, folder: Path) -> str:
    """Draw the interval of every row of a set by one metric, as ``rows.png``; returns its alternative text.

    Args:
        numbers: of the set.
        name: of its folder.
        metric: ``auc`` or ``ap``.
        layout: where figures are made.
        folder: of the set's page.
    """
    rows = numbers.rows[numbers.rows["metric"] == metric]
    videos = numbers.info["test"]["videos"]
    found = {}
    for row in rows.itertuples():
        values = tuple(map(float, str(row.values).split()))
        sd, seeds = float(row.sd) if len(values) > 1 else None, tuple(range(len(values)))  # numbers of seeds are not kept
        found[row.row] = Interval(metric, row.mean, sd, row.low, row.high, DEFAULT_BOOTSTRAP.level, "", seeds, values, videos)
    figure, points = figures_intervals.forest_plot(found, f"{numbers.info['title']}: {metric.upper()}, {numbers.seeds}")
    alternative = style.described(figure)
    saved = style.save_figure(figure, layout, f"rows-{name}", points, {"dataset": name, "commit": numbers.info["commit"]})
    shutil.copy(saved["png"], folder / "rows.png")
    return alternative


def write_index(folder: Path) -> Path:
    """Write a page that lists the sets of a folder, with the methods of each."""
    selection = f"Where a column names no selection, the step was {tables_table.SELECTION_TITLES['best_on_validation']}"
    about = "Every set has a page with its tables, intervals and how they were made."
    parts = ["# Real footage", f"{about} {selection}; FAR is at threshold 0.5."]
    for page in sorted(folder.glob("*/README.md")):
        blocks = page.read_text(encoding="utf-8").split("\n\n")
        title = blocks[0].removeprefix("# ").rpartition(": ")[0]  # without its seeds: the rows of this table may have more
        parts.append(f"## [{title}]({page.parent.name}/README.md)")
        if (known := SETS.get(page.parent.name)) and known.remarks:
            parts.append(f"{known.remarks[0].upper()}{known.remarks[1:]}.")
        parts.append(next(block for block in blocks if block.startswith("|")))
    return write_text(folder / "README.md", "\n\n".join(parts) + "\n")


# --- for notebook 07 ------------------------------------------------------------------------------------------
class Gathered(NamedTuple):
    """Numbers of the known sets: trained here, read from what is committed, and titles of those without any."""

    here: dict[str, Numbers]
    read: dict[str, Numbers]
    missing: tuple[str, ...]

    @property
    def all(self) -> dict[str, Numbers]:
        """Name -> numbers, in the order of the known sets."""
        return {name: {**self.here, **self.read}[name] for name in SETS if name in self.here or name in self.read}

    def sentence(self) -> str:
        """What was run here and what is shown in its place."""
        return source_sentence(self.here.values(), self.read.values(), self.missing)


def gather(layout: Layout, real_data: str = "", *, rows: Sequence[str] = ROWS, seeds: int = NUM_SEEDS) -> Gathered:
    """Numbers of every known set: trained where its data are, else the committed ones.

    Imported sets and run folders go to ``build/real_footage`` beside ``results/``, where ``scripts/real_footage.py`` has them, and
    pages to ``results/PROFILE/real_footage``. The committed numbers stay as they are.

    Args:
        layout: one's own folders.
        real_data: folder with one folder or more of the known sets; empty for none.
        rows: to train.
        seeds: per row.
    """
    profile = profile_of(layout.profile)
    work = work_layout(profile, layout.out / "build" / "real_footage")
    here: dict[str, Numbers] = {}
    read: dict[str, Numbers] = {}
    for name, known in SETS.items():
        source = Path(real_data) / known.folder
        if real_data and (source / "videos.csv").is_file():
            dataset = train(source, name, work, profile, seeds=seeds, rows=rows)
            here[name] = write_page(dataset, work, layout.results / "real_footage" / name)
        elif numbers := read_numbers(committed(layout) / name):
            read[name] = numbers
    if here:
        write_index(layout.results / "real_footage")
    return Gathered(here, read, tuple(known.title for name, known in SETS.items() if name not in here and name not in read))


def sizes_frame(found: Mapping[str, Numbers]) -> pd.DataFrame:
    """How large sets are: a row per title, of what their lists say."""
    rows = {}
    for name, numbers in found.items():
        test, training = numbers.info["test"], numbers.info["train"]
        fps, frames = SETS[name].fps, training["frames"] + test["frames"]
        rows[numbers.info["title"]] = {
            "training videos (abnormal)": f"{training['videos']} ({training['abnormal']})",
            "test videos (abnormal)": f"{test['videos']} ({test['abnormal']})",
            "frames in all": f"{frames:,}" + (f" ({frames / fps / 60:.1f} minutes)" if fps else ""),
            "events in test videos": str(test["events"]),
            "abnormal test frames": f"{100 * test['abnormal_frames'] / test['frames']:.1f} %",
        }
    return pd.DataFrame(rows).T


_HEADINGS = {"auc": "AUC %", "ap": "AP %", WITHIN: "AUC % within abnormal videos"}


def rows_frame(numbers: Numbers) -> pd.DataFrame:
    """Rows of a set by AUC, AP, and AUC within abnormal videos, each with its 95 % interval, as text in percent."""
    cells: dict[str, dict[str, str]] = {}
    for line in numbers.rows.itertuples():
        text = f"{100 * line.mean:.1f} [{100 * line.low:.1f}, {100 * line.high:.1f}]"
        cells.setdefault(line.row, {"seeds": str(line.seeds)})[_HEADINGS[line.metric]] = text
    frame = pd.DataFrame(cells).T
    return frame[[heading for heading in (*_HEADINGS.values(), "seeds") if heading in frame]].fillna("")


def not_run_sentence(numbers: Numbers) -> str:
    """Which rows of Table 2 have no run, and why; empty if there are none."""
    rows: dict[str, list[str]] = {}
    for row, reason in numbers.info["not_run"].items():
        rows.setdefault(reason, []).append(title_of(row))
    words = "; ".join(f"{reason}: {', '.join(titles)}" for reason, titles in rows.items())
    return f"*Not run on {numbers.info['title']}.* {words[0].upper()}{words[1:]}." if words else ""


def rows_sentence(numbers: Numbers) -> str:
    """How wide the intervals of a set's rows are, and where they lie against chance, which is 50 % AUC."""
    parts = []
    for metric in ("auc", WITHIN):
        mine = numbers.rows[numbers.rows["metric"] == metric]
        if len(mine):
            above, below = int((mine["low"] > 0.5).sum()), int((mine["high"] < 0.5).sum())
            unclear = len(mine) - above - below
            half = 100 * float(((mine["high"] - mine["low"]) / 2).median())
            counts = f"{above} of {len(mine)} rows above chance, {below} below, {unclear} *cannot tell*"
            parts.append(f"{_HEADINGS[metric].replace(' %', '')}: {counts}; median half-width {half:.1f} points")
    return f"**{numbers.info['title']}**, {numbers.info['test']['videos']} test videos. {'. '.join(parts)}."
