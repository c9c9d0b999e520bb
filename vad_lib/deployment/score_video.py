"""One video of own footage: pixels in; scores, events, clips, pictures, a curve and a page out.

The folder of a video's results is built beside its place and takes it when it is complete, with a record, ``scored.json``, of
what it was made from. What was there before stays whole until then.
"""

import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from tqdm import tqdm

from vad_lib.data.finding import printable
from vad_lib.data.video import VideoInfo
from vad_lib.data.video_writing import write_video
from vad_lib.deployment.clips import annotated_frames, write_pictures
from vad_lib.deployment.events import Event, EventRule, find_events, read_events, write_events
from vad_lib.deployment.footage_features import Stopwatch, video_features
from vad_lib.deployment.inputs import RECORD, Footage, footage_sha256
from vad_lib.deployment.model_choice import ModelChoice
from vad_lib.deployment.page import write_page
from vad_lib.deployment.scoring_model import ScoringModel
from vad_lib.deployment.small_copy import SmallCopy
from vad_lib.errors import ConfigError, OutputError, VadError
from vad_lib.evaluation.scoring import frame_scores
from vad_lib.report.figures import style
from vad_lib.report.figures.run_scores import VideoScores
from vad_lib.report.figures.score_curves import score_curve
from vad_lib.report.figures.strips import Strip
from vad_lib.storage.hashing import content_hash
from vad_lib.storage.reading import damaged_as_data_error, read_json
from vad_lib.storage.writing import atomic_path, partial_folder, remove_replaced, replace_folder, write_json

FORMAT = 1  # of the folder of results; another one is made anew

_ALONE = threading.Lock()  # a Dask worker may have several threads; a causal model and pyplot keep a state

SPARK = 200  # scores of a video that its record keeps for the small curve of the index page

ANNOTATED = "annotated.mp4"

FILES = {"scores": "scores.csv", "events": "events.csv", "curve": "curve.png", "page": "report.html", "annotated": ANNOTATED}


@dataclass(frozen=True)
class Job:
    """What is done with each of many videos.

    Attributes:
        model: that scores.
        features: folder that keeps the features of all videos and, unless pictures are switched off, small copies.
        rule: how scores become events.
        note: where the threshold comes from, in a few words.
        out: folder that gets a folder for each video.
        pictures: False for no clip, no picture and no frame of the video anywhere.
        annotated: True for a copy of the video with its scores beneath.
    """

    model: ModelChoice
    features: Path
    rule: EventRule
    note: str
    out: Path
    pictures: bool = True
    annotated: bool = False

    def key(self, sha256: str) -> str:
        """Identifies the results of a video with this content."""
        rule = self.rule.model_dump(mode="json")
        return content_hash([FORMAT, sha256, self.model.key, rule, self.note, self.pictures, self.annotated])


@dataclass(frozen=True)
class ScoredVideo:
    """The results of one video.

    Attributes:
        name: of the folder.
        folder: of the results.
        video: path of the file, for people.
        events: in the order of time.
        seconds: how long the video lasts.
        highest: the highest score, in [0, 1].
        notes: a sentence for each thing that is special about the file.
        model: title of the model.
        spark: at most 200 scores at equal distances, each the highest of its part.
        spent: seconds of work by stage; empty if the results were there before.
    """

    name: str
    folder: Path
    video: str
    events: Sequence[Event]
    seconds: float
    highest: float
    notes: Sequence[str]
    model: str
    spark: Sequence[float] = field(repr=False, default_factory=list)
    spent: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def frames(self) -> pd.DataFrame:
        """``scores.csv``: a row per frame with ``frame``, ``seconds``, ``score`` in [0, 1]; and where the method has them,
        ``visual`` and ``semantic`` in [0, 1], and ``category``, the one of the largest cosine in the alignment map."""
        return pd.read_csv(self.folder / "scores.csv", keep_default_na=False)

    @property
    def files(self) -> dict[str, Path]:
        """What was written: ``scores``, ``events``, ``curve``, ``page`` and perhaps ``annotated`` -> path."""
        return {kind: self.folder / name for kind, name in FILES.items() if (self.folder / name).is_file()}


class FrameScores(NamedTuple):
    """Scores of one video, frame by frame.

    Attributes:
        table: as ``scores.csv`` has it.
        arrays: of the snippets, as :meth:`ScoringModel.scores` gives them.
        probabilities: float32 (F, K), of each category at each frame: the softmax of the cosines divided by the model's
            temperature; None without categories.
        end: seconds at which the last frame ends.
    """

    table: pd.DataFrame
    arrays: dict[str, np.ndarray]
    probabilities: np.ndarray | None
    end: float


def frame_table(arrays: dict[str, np.ndarray], info: VideoInfo, model: ScoringModel) -> FrameScores:
    """Scores of snippets, frame by frame.

    Args:
        arrays: of :meth:`ScoringModel.scores`.
        info: of the video.
        model: that scored it.
    """
    num_frames = info.num_frames
    columns: dict[str, Any] = {"frame": np.arange(num_frames), "seconds": info.seconds}
    columns |= {name: frame_scores(arrays[name], num_frames) for name in style.CURVES if name in arrays}
    if (probabilities := model.probabilities(arrays)) is not None:
        nearest = frame_scores(arrays["alignment"].argmax(axis=1), num_frames)
        columns["category"] = np.array(model.categories, dtype=object)[nearest]
        probabilities = frame_scores(probabilities.astype(np.float32), num_frames)
    return FrameScores(pd.DataFrame(columns), arrays, probabilities, float(info.seconds[0]) + info.duration)


def score_video(footage: Footage, job: Job, bar: tqdm | None = None) -> ScoredVideo:
    """Score a video and write the folder of its results, unless the same results are there already.

    Memory does not grow with the pixels of the video, only with its features and scores.

    Args:
        footage: the video.
        job: model, rule, folder and options.
        bar: is moved on by one for each snippet whose features are made now.

    Raises:
        MissingFileError: no such video, or no weights of the backbone.
        DataError: the video cannot be decoded, or such features cannot be made here.
        ConfigError: the video lies where its results would.
        OutputError: the folder cannot be written or the disk is full. What was there is whole.
    """
    folder, spent = job.out / footage.name, Stopwatch()
    remove_replaced(folder)
    with spent("hash"):
        sha256 = footage_sha256(footage.path)
    if (finished := finished_video(folder, job.key(sha256))) is not None:
        return finished
    if footage.path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{printable(footage.path)}: lies where its results would; choose another folder with --out.")
    model, recipe = job.model.open(), job.model.recipe
    copy = SmallCopy(job.features, sha256[:20]) if job.pictures else None
    features, info = video_features(
        footage.path, sha256, recipe, job.features, device=job.model.device, copy=copy, bar=bar, spent=spent
    )
    with spent("scores"):
        with _ALONE:
            arrays = model.scores(np.asarray(features))
        scores = frame_table(arrays, info, model)
        events = find_events(
            scores.table, job.rule, end=scores.end, categories=model.categories, probabilities=scores.probabilities
        )
    partial = partial_folder(folder)
    try:
        _fill(partial, footage, job, info, scores, events, sha256, copy, spent)
        _keep_others(folder, partial)
        replace_folder(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    scored = finished_video(folder, job.key(sha256))
    assert scored is not None  # it was written just now
    return replace(scored, spent=dict(spent))


def finished_video(folder: Path, key: str | None = None) -> ScoredVideo | None:
    """The results in a folder; None unless they are there, whole, and those of the key.

    Args:
        folder: of one video's results.
        key: of :meth:`Job.key`; None for whatever is there.
    """
    try:
        record = read_json(folder / RECORD)
        with damaged_as_data_error(folder / RECORD, "the record of a scored video"):
            whole = all((folder / file).is_file() for file in record["files"])
            if not whole or record["format"] != FORMAT or key not in (None, record["key"]):
                return None
            values = {name: record[name] for name in ("video", "seconds", "highest", "notes", "model", "spark")}
            return ScoredVideo(folder.name, folder, events=read_events(folder), **values)
    except VadError:
        return None


def _fill(
    partial: Path,
    footage: Footage,
    job: Job,
    info: VideoInfo,
    scores: FrameScores,
    events: list[Event],
    sha256: str,
    copy: SmallCopy | None,
    spent: Stopwatch,
) -> None:
    """Write all results into a folder that is empty at first."""
    shutil.rmtree(partial, ignore_errors=True)
    model, shown = job.model.open(), printable(footage.path.name)
    with atomic_path(partial / "scores.csv") as temporary:
        # six digits in all would not do for the times of long videos
        table = scores.table.assign(seconds=[f"{value:.6f}" for value in scores.table["seconds"]])
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    if copy is not None:
        with spent("pictures"):
            events = write_pictures(footage.path, info, events, partial)
    about = {"video": shown, "model": model.title, "rule": job.rule.model_dump(), "threshold_from": job.note}
    write_events(partial, events, about)
    with spent("pages"):
        strip = None if copy is None else copy.strip()
        title = f"{shown}: {model.title}; events shaded, threshold {job.rule.threshold:.3g} dotted"
        with _ALONE:
            _draw_curve(partial / "curve.png", title, info, scores.arrays, events, job.rule, strip)
        write_page(
            partial / "report.html",
            title=shown,
            video=None if copy is None else copy.file,
            info=info,
            frames=scores.table,
            events=events,
            rule=job.rule,
            categories=model.categories if scores.probabilities is not None else (),
            alignment=scores.arrays.get("alignment"),
            model_title=model.title,
            probabilities=scores.probabilities,
            end=scores.end,
            threshold_note=job.note,
        )
    if job.annotated:
        with spent("annotated"):
            write_video(partial / ANNOTATED, annotated_frames(footage.path, scores.table), info.fps, seconds=info.seconds)
    score = scores.table["score"].to_numpy()
    record = {
        "format": FORMAT,
        "key": job.key(sha256),
        "video": printable(footage.path),
        "sha256": sha256,
        "model": model.title,
        "seconds": info.duration,
        "highest": float(score.max()),
        "notes": list(info.notes),
        "spark": [round(float(part.max()), 4) for part in np.array_split(score, min(SPARK, len(score)))],
        "files": sorted(path.relative_to(partial).as_posix() for path in partial.rglob("*") if path.is_file()),
    }
    write_json(partial / RECORD, record)


def _draw_curve(
    path: Path,
    title: str,
    info: VideoInfo,
    arrays: dict[str, np.ndarray],
    events: list[Event],
    rule: EventRule,
    strip: Strip | None,
) -> None:
    curves = {name: arrays[name] for name in style.CURVES if name in arrays}
    unknown = np.zeros(info.num_frames, dtype=np.uint8)
    fig, _ = score_curve(VideoScores("", (), unknown, curves, None), strip, info.seconds, title)
    for event in events:
        fig.axes[0].axvspan(event.start_frame, event.end_frame, color=style.GROUND_TRUTH, lw=0, zorder=0)
    fig.axes[0].axhline(rule.threshold, color=style.VERMILION, lw=0.8, ls=":")
    try:
        with atomic_path(path) as temporary:
            fig.savefig(temporary, dpi=style.DPI)
    finally:
        plt.close(fig)


def _keep_others(folder: Path, partial: Path) -> None:
    """Copy what people put beside earlier results, so that it outlives these."""
    try:
        ours = {Path(file).parts[0] for file in (read_json(folder / RECORD)["files"] if folder.exists() else ())} | {RECORD}
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in ours and not (partial / path.name).exists():
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, partial / path.name)
    except OSError as error:
        raise OutputError(f"cannot write {partial}: {error.strerror or error}. Nothing was changed. Free some space.") from error
