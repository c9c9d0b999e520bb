"""Making the cards of finished runs: beside each run and each row of one's own results, or of the committed reference.

The same runs give the same bytes: nothing of a card depends on when or where it was made.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vad_lib import registry
from vad_lib.cards import measuring
from vad_lib.cards.card import (
    NAME,
    Card,
    CardFile,
    Data,
    Features,
    Making,
    Measure,
    MethodUsed,
    Selection,
    TextSource,
    Totals,
    document_of,
    json_text,
)
from vad_lib.errors import DataError, MissingFileError
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Draws, all_draws
from vad_lib.evaluation.intervals import check_row
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.report.rendered_and_real import ROWS as FOREST_ROWS
from vad_lib.runs import run_folder
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.runs.packed_runs import PackedRun, packed
from vad_lib.runs.run_folder import Run, RunInFolder, in_order, run_folders
from vad_lib.runs.scored_runs import scored_videos
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.reading import damaged_as_data_error, read_text
from vad_lib.storage.writing import write_text

CARDS = "cards"  # folder of the cards of packed runs, which have no folders of their own
OF_SELECTION = ("eval_every", "validation_fraction", "choose_by", "choose_after")  # training settings that decide the step
NOT_SETTINGS = ("seed", "device", "checkpoint_every", "selection", *OF_SELECTION)
RUN_FILES = (
    *(run_folder.CONFIG, run_folder.METRICS, run_folder.LOG, run_folder.SCORES),
    *(run_folder.WEIGHTS, run_folder.PROVENANCE, run_folder.TIMING),
)
OF_ONE_SET = ("methods", "measures", "annotators", "cost")  # tables with the rows of Table 2, NAME-DATASET
Roles = list[tuple[Literal["run", "packed runs", "data set", "table", "other"], Path]]


def make_cards(folder: Path | str, *, every_run: bool = False) -> list[Path]:
    """Make the cards of everything in a folder.

    Args:
        folder: of one run; of results, with runs anywhere below it; or of a reference, whose runs are packed.
        every_run: of packed runs a card for every single one too, not for every row over its seeds only.

    Returns:
        the files written: ``result-card.json`` in the folder of each run and of each row, or below ``cards/`` in a reference.

    Raises:
        MissingFileError: no finished run there.
        DataError: seeds of a row do not belong together; a recorded number is not what its scores give; or the list of videos
            is not the one that the runs were made with.
        OutputError: a card cannot be written.
    """
    folder, maker = Path(folder), _Maker(Path(folder))
    if (folder / run_folder.METRICS).is_file():
        return maker.write([RunInFolder(folder)], [folder], None)
    archives = sorted(path.with_suffix("") for path in (folder / "runs").glob("*.json"))
    written: list[Path] = []
    for archive in archives:
        runs = sorted((run for run in packed(archive) if _is_trained(run)), key=lambda run: run.place)
        for place, row in groupby(runs, lambda run: run.place.rpartition("/")[0]):
            seeds: list[PackedRun] = in_order(row)  # type: ignore[assignment]  # what came in order goes out
            singles = [folder / CARDS / run.place for run in seeds] if every_run else []
            written += maker.write(seeds, singles, folder / CARDS / place, archive)
    for row_folder in sorted({path.parent.parent for path in folder.rglob(f"seed*/{run_folder.METRICS}")}):
        own = [run for run in map(RunInFolder, run_folders(row_folder)) if _is_trained(run)]
        if own:
            written += maker.write(own, [run.folder for run in own], row_folder)
    if not written:
        raise MissingFileError(
            f"{folder}: expected a finished run, or a folder of results with some, found none. Name a folder such as "
            "results/quick or results/reference."
        )
    return written


def _is_trained(run: Run) -> bool:
    """False for scores on another data set than that of the training: notebook 06 makes them, with no settings of their own."""
    return "train" in run.config


class _Maker:
    """Makes cards; hashes each file once, and draws the test videos of each data set once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._hashes: dict[Path, str] = {}
        self._draws: dict[str, Draws] = {}

    def write(self, runs: Sequence[Run], singles: Sequence[Path], row: Path | None, archive: Path | None = None) -> list[Path]:
        """Write the cards of the seeds of one row: into a folder for each run, if there are some, and one for the row."""
        with damaged_as_data_error(runs[0].name, "finished runs"):
            _check_same_settings(runs)
            scored = [scored_videos(run) for run in runs]
            check_row(scored)
            data = data_of(runs[0], scored[0])
            test = f"{scored[0].videos} {data.labels_sha256}"
            if test not in self._draws:
                self._draws[test] = all_draws(scored[0], DEFAULT_BOOTSTRAP)
            values = [measuring.values_on_draws(run, each, self._draws[test]) for run, each in zip(runs, scored)]
            places = [(place, [run], [value]) for place, run, value in zip(singles, runs, values)]
            places += [(row, list(runs), values)] if row else []
            for place, of, its in places:
                files = self._packed_files(of[0], archive) if archive else _own_files(of)
                files += self._tables(of[0]) if place == row else []
                card = card_of(of, data, measuring.measures(of, self._draws[test], its), place == row, self._entries(place, files))
                write_text(place / NAME, json_text(document_of(card)))
        return [place / NAME for place, _, _ in places]

    def _packed_files(self, run: Run, archive: Path) -> Roles:
        listed = self.root / "data" / run.config["dataset"]
        videos, recorded = listed / "videos.csv", run.provenance().get("inputs", {}).get("videos.csv")
        if recorded and videos.is_file() and self._hash(videos) != recorded:
            raise DataError(
                f"{videos}: expected the list that {run.name} was made with, got another one. Restore the list, or train and pack "
                "the runs again."
            )
        found: Roles = [("packed runs", archive.with_name(f"{archive.name}.{ending}")) for ending in ("json", "npz")]
        return found + [("data set", path) for path in (listed / "dataset.json", videos) if path.is_file()]

    def _tables(self, run: Run) -> Roles:
        """The tables of the folder that print the row, or are made of it; those of several data sets, if they name the run's."""
        config, title = run.config, _title(run.config)
        of_one_set = {f"{name}-{config['dataset']}": TABLE_ROWS["table2"] for name in OF_ONE_SET}
        others = {"table1": tuple(VARIANTS), "protocol": ("proposed",), "forest": FOREST_ROWS, **of_one_set}
        variant = config["variant"]
        names = [name for name, rows in {**TABLE_ROWS, **others}.items() if variant in rows and not config.get("origin")]
        if variant == "proposed" or variant not in VARIANTS:
            names += ["open_questions", "how_sure"]
        found: Roles = []
        for name in names:
            path = self.root / "tables" / f"{name}.csv"
            if path.is_file():
                text = read_text(path, "a table")
                # each of Tables 2 to 6 speaks of the paper's data sets too, but has columns of ours on its own only
                if f"({title})" in text.partition("\n")[0] if name in TABLE_ROWS else title in text:
                    found.append(("table", path))
        return found

    def _entries(self, place: Path, files: Roles) -> Iterator[CardFile]:
        for role, path in files:
            relative = Path(os.path.relpath(path, place)).as_posix()
            yield CardFile(role=role, path=relative, size=path.stat().st_size, sha256=self._hash(path))

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = file_sha256(path)
        return self._hashes[path]


def _own_files(runs: Sequence[Run]) -> Roles:
    folders = [run.folder for run in runs if isinstance(run, RunInFolder)]
    return [("run", path) for folder in folders for name in RUN_FILES if (path := folder / name).is_file()]


def _check_same_settings(runs: Sequence[Run]) -> None:
    names = ("dataset", "dataset_info", "features", "text", "categories", "headline_metric", "title", "method")
    told = [{name: run.config.get(name) for name in names} | _settings(run.config) | {"selection": run.selection} for run in runs]
    for run, its in zip(runs, told):
        if differ := [name for name in told[0] if its.get(name) != told[0][name]]:
            raise DataError(
                f"{runs[0].name} and {run.name} are seeds of one row but differ in {', '.join(differ)}. Train the older one again."
            )


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: config.get(name) for name in ("variant", "profile", "width", "parameters", "options", "origin")}
    return kept | {"train": {name: value for name, value in config["train"].items() if name not in NOT_SETTINGS}}


def _title(config: Mapping[str, Any]) -> str:
    return str(config.get("dataset_info", {}).get("title", config["dataset"]))


def card_of(runs: Sequence[Run], data: Data, measures: Sequence[Measure], is_row: bool, files: Iterable[CardFile]) -> Card:
    """The card of a run, or of the seeds of a row.

    Args:
        runs: the seeds of one row, or one run.
        data: of :func:`data_of`.
        measures: of the runs.
        is_row: True for a row.
        files: that it is made from.
    """
    first = runs[0]
    config, train = first.config, first.config["train"]
    spec = registry.METHODS.get(config["method"])
    features = {name: value for name, value in config["features"].items() if name in Features.model_fields and value is not None}
    text = {name: value for name, value in (config.get("text") or {}).items() if name in TextSource.model_fields}
    return Card(
        schema_version=1,
        kind="table row over seeds" if is_row else "run",
        title=f"{first.title} on {data.title}",
        data=data,
        features=Features.model_validate({"backbone": "unknown", **features, "text": text or None}),
        method=MethodUsed(name=config["method"], title=first.title, paper=spec.paper if spec else "", settings=_settings(config)),
        selection=Selection(
            rule=first.selection,
            settings={name: train[name] for name in OF_SELECTION if name in train},
            steps={rule: tuple(run.measured["selections"][rule]["step"] for run in runs) for rule in first.measured["selections"]},
        ),
        headline_metric=config["headline_metric"],
        seeds=tuple(run.seed for run in runs),
        run_keys=tuple(run.config.get("key", "") for run in runs),
        measures=tuple(measures),
        made_with=tuple(_makings(runs)),
        files=tuple(files),
    )


def data_of(run: Run, scored: ScoredVideos) -> Data:
    """The data set of a run and its test list, as it was evaluated."""
    info, arrays = run.config.get("dataset_info", {}), run.scores()
    names = arrays["videos"].tolist()
    labels = np.split(arrays["labels"].astype(np.uint8), np.cumsum(arrays["num_frames"])[:-1])
    in_names_order = sorted(zip(names, labels), key=lambda pair: pair[0])
    return Data(
        name=run.config["dataset"],
        title=_title(run.config),
        counterpart=info.get("counterpart", ""),
        synthetic=info.get("synthetic", False),
        note=info.get("note", ""),
        categories=tuple(run.config["categories"]),
        mask_rule=measuring.mask_rule(run),
        tail=info.get("tail", "exact"),
        test=Totals(
            videos=len(names),
            abnormal_videos=int(scored.abnormal_video.sum()),
            frames=len(arrays["labels"]),
            abnormal_frames=int(scored.abnormal_frames.sum()),
        ),
        video_list_sha256=run.provenance().get("inputs", {}).get("videos.csv", ""),
        test_videos_sha256=hashlib.sha256("".join(f"{name}\n" for name, _ in in_names_order).encode()).hexdigest(),
        labels_sha256=hashlib.sha256(b"".join(part.tobytes() for _, part in in_names_order)).hexdigest(),
    )


def _makings(runs: Sequence[Run]) -> Iterator[Making]:
    """What made the runs, once for all seeds that share it; nothing where it was not recorded."""
    seeds: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for run in runs:
        record = {name: value for name, value in run.provenance().items() if name in Making.model_fields}
        if record:
            seeds.setdefault(content_hash(record), (record, []))[1].append(run.seed)
    for record, of in seeds.values():
        yield Making(**{**record, "seeds": tuple(of)})
