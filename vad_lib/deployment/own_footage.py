"""From a folder of one's own videos to events: scores, clips, pictures and a page for each, and an index.

    python -m vad_lib.deployment score VIDEO_OR_FOLDER... --out DIR

A model knows the footage that it was trained on. On other footage its scores still order the moments of a video, but a threshold
has to be found: ``calibrate`` does so on footage that is known to be normal.
"""

import argparse
import functools
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vad_lib.data.extraction_workers import Workers
from vad_lib.data.finding import printable
from vad_lib.deployment.calibration import event_rule, read_calibration
from vad_lib.deployment.events import EventRule
from vad_lib.deployment.footage_work import each_video
from vad_lib.deployment.inputs import find_inputs, named, scored_records
from vad_lib.deployment.model_choice import ModelChoice, choose_model
from vad_lib.deployment.page import IndexRow, write_index
from vad_lib.deployment.page_parts import clock
from vad_lib.deployment.score_video import Job, ScoredVideo, finished_video, score_video
from vad_lib.deployment.small_copy import remove_copies
from vad_lib.errors import ConfigError
from vad_lib.report.figures.alternative_texts import counted
from vad_lib.storage.locks import sole_writer
from vad_lib.storage.writing import write_json

DEFAULT_THRESHOLD = 0.5

# what a stage is called in the summary
STAGES = {
    "hash": "reading files",
    "decode": "decoding and scaling",
    "copy": "small copies",
    "features": "features",
    "scores": "scores",
    "pictures": "clips and pictures",
    "pages": "pages",
    "annotated": "annotated videos",
}


@dataclass(frozen=True)
class FootageReport:
    """What scoring some videos did.

    Attributes:
        videos: their results, in the order of the inputs.
        failures: video -> why it was not scored.
        rule: how scores became events.
        note: where the threshold comes from.
        index: the page of the folder.
        wall_seconds: that it took.
        jobs: processes that worked on this machine.
    """

    videos: tuple[ScoredVideo, ...]
    failures: dict[str, str]
    rule: EventRule
    note: str
    index: Path
    wall_seconds: float
    jobs: int = 1

    @property
    def made_now(self) -> tuple[ScoredVideo, ...]:
        """The videos whose results were not there before."""
        return tuple(video for video in self.videos if video.spent)

    def timing(self) -> dict[str, Any]:
        """Where the time went, as ``stage_times.json`` has it; seconds, and shares of the work of all processes."""
        videos = self.made_now
        seconds = sum(video.seconds for video in videos)
        stages = {stage: sum(video.spent.get(stage, 0.0) for video in videos) for stage in STAGES}
        total = sum(stages.values())
        return {
            "videos": len(videos),
            "video_seconds": seconds,
            "wall_seconds": self.wall_seconds,
            "times_real_time": seconds / self.wall_seconds,
            "jobs": self.jobs,
            "stages": {stage: {"seconds": value, "share": value / total if total else 0.0} for stage, value in stages.items()},
            "per_video": {video.name: {"video_seconds": video.seconds, **video.spent} for video in videos},
        }

    def __str__(self) -> str:
        new, events = len(self.made_now), sum(len(video.events) for video in self.videos)
        lines = [f"{video.name}: {note}" for video in self.videos for note in video.notes]
        lines.append(
            f"{counted(len(self.videos), 'video')}, {clock(sum(video.seconds for video in self.videos), 0)} in all: "
            f"{counted(events, 'event')} at threshold {self.rule.threshold:.6g} ({self.note}); {new} scored now, "
            f"{len(self.videos) - new} finished before, {len(self.failures)} failed"
        )
        if new:
            timing = self.timing()
            shares = [f"{STAGES[stage]} {part['share']:.0%}" for stage, part in timing["stages"].items() if part["share"] >= 0.005]
            lines.append(f"{timing['times_real_time']:.3g} times real time; {', '.join(shares)}")
        lines.append(str(self.index))
        return "\n".join(lines + [f"  failed: {printable(video)}: {message}" for video, message in self.failures.items()])


def score_videos(
    inputs: Path | str | Iterable[Path | str],
    model: ModelChoice | Path | str,
    out: Path | str,
    *,
    threshold: float | None = None,
    calibration: Path | str | None = None,
    lower_share: float | None = None,
    shortest: float | None = None,
    gap: float | None = None,
    pictures: bool = True,
    annotated: bool = False,
    workers: Workers = Workers(),  # noqa: B008  it cannot be changed
    progress: bool = True,
) -> FootageReport:
    """Score videos and write, for each, scores, events, clips, pictures, a curve and a page; and an index of all.

    A video is done anew only if its file, the model, the rule or an option has changed; its features are kept in ``out`` and
    made once, so another threshold costs little. A broken video stops no other. Nothing leaves this machine.

    Args:
        inputs: videos, folders, patterns or lists, see :func:`~vad_lib.deployment.inputs.find_inputs`.
        model: of :func:`~vad_lib.deployment.model_choice.choose_model`, or what that takes: the name of a shipped model, the folder
            of a run, or an exported file.
        out: folder that gets a folder for each video, ``index.html``, ``stage_times.json`` and ``features``.
        threshold: at which an event starts, in (0, 1].
        calibration: file of :func:`~vad_lib.deployment.calibration.calibrate`, in place of a threshold. Without both, the
            model's own threshold is taken if it has one, else 0.5.
        lower_share: part of the threshold below which an event ends; see :class:`~vad_lib.deployment.events.EventRule`, also for
            the default.
        shortest: seconds of the shortest event.
        gap: seconds; events with less between them are joined.
        pictures: False for no clip, no picture and no frame of the videos anywhere.
        annotated: True for a copy of each video with its scores beneath.
        workers: who works.
        progress: True for a bar with the time left, on a terminal.

    Raises:
        MissingFileError: an argument names nothing, or there is no such calibration.
        ConfigError: a number out of range, or a calibration of another model or rule.
        DataError: a damaged calibration.
        BusyError: another process writes to the folder.
        ExtractionError: no scheduler or worker answers, or a process died. What is finished is kept.
        OutputError: nothing more can be written; what was there is whole.
    """
    begun = time.perf_counter()
    workers.check()
    if annotated and not pictures:
        raise ConfigError("annotated videos hold pictures: choose one of --annotated and --no-pictures.")
    choice = model if isinstance(model, ModelChoice) else choose_model(model)
    rule, note = choose_rule(choice, threshold, calibration, lower_share, shortest, gap)
    paths, failures = find_inputs([inputs] if isinstance(inputs, Path | str) else inputs)
    out = Path(out).absolute()
    job = Job(choice, out / "features", rule, note, out, pictures, annotated)
    with sole_writer(out):
        if not pictures:
            remove_copies(job.features)
        footage = named(paths, out)
        found: dict[str, ScoredVideo] = {}
        broken: dict[str, str] = {}
        for outcome in each_video(footage, functools.partial(score_video, job=job), workers, out, progress=progress):
            if outcome.failure:
                broken[outcome.footage.name] = outcome.failure
            else:
                found[outcome.footage.name] = outcome.result
        failures |= {video.shown: broken[video.name] for video in footage if video.name in broken}
        videos = tuple(found[video.name] for video in footage if video.name in found)
        write_index(out / "index.html", index_rows(out, failures), title=printable(out.name))
        seconds = time.perf_counter() - begun
        report = FootageReport(videos, failures, rule, note, out / "index.html", seconds, workers.jobs)
        if report.made_now:
            write_json(out / "stage_times.json", report.timing())
    return report


def choose_rule(
    choice: ModelChoice,
    threshold: float | None = None,
    calibration: Path | str | None = None,
    lower_share: float | None = None,
    shortest: float | None = None,
    gap: float | None = None,
) -> tuple[EventRule, str]:
    """How scores become events, and where the threshold comes from, in a few words.

    Args:
        choice: the model that scores.
        threshold: in (0, 1]; None if it is not given.
        calibration: file of :func:`~vad_lib.deployment.calibration.calibrate`; None without.
        lower_share: part of the threshold below which an event ends; None for the calibration's, or the default.
        shortest: seconds, likewise.
        gap: seconds, likewise.

    Raises:
        ConfigError: both a threshold and a calibration, a number out of range, or a calibration of another model or rule.
        MissingFileError, DataError: there is no such calibration, or it is damaged.
    """
    if calibration is None:
        own = choice.open().threshold
        if threshold is not None:
            note = "as given"
        elif own is not None:
            threshold, note = own, "the model's own; not calibrated on your footage"
        else:
            threshold, note = DEFAULT_THRESHOLD, "the default; not calibrated"
        return event_rule(threshold, lower_share, shortest, gap), note
    if threshold is not None:
        raise ConfigError(f"expected a threshold or a calibration, got both ({threshold:g} and {calibration}); leave one out.")
    found = read_calibration(calibration, choice)
    for name, given in {"lower_share": lower_share, "shortest": shortest, "gap": gap}.items():
        if given is not None and given != getattr(found.rule, name):
            raise ConfigError(
                f"{calibration}: was made with {name} {getattr(found.rule, name):g}, {given:g} was given, and its threshold means "
                "nothing there. Leave the option out, or calibrate with it."
            )
    return found.rule, (
        f"calibrated on {found.hours:.3g} hours of normal footage to at most {found.alarms_per_hour:g} an hour"
        + ("" if found.enough else ", too little footage for that")
    )


MODEL_OPTIONS = ("device", "short_side", "crop_size", "weights")  # of choose_model, as :func:`add_options` names them


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the options of rule and model that scoring, calibrating and live scoring share."""
    rule, add = EventRule.model_fields, parser.add_argument
    for option, name in {"--lower": "lower_share", "--shortest": "shortest", "--gap": "gap"}.items():
        add(option, type=float, dest=name, help=f"{rule[name].description} (default: {rule[name].default:g})")
    add("--device", default="cpu", help="torch device (default: cpu)")
    add("--short-side", type=int, help="pixels; for models trained on imported features")
    add("--crop-size", type=int, help="pixels; for models trained on imported features")
    add("--weights", default="", help="checkpoint of I3D or CLIP, for models trained on features of one's own weights")


def index_rows(out: Path, failures: dict[str, str]) -> list[IndexRow]:
    """The rows of the index: all results in a folder, those of earlier calls too, and what failed now."""
    scored = [video for video in map(finished_video, (place.parent for place in scored_records(out))) if video]
    names = [Path(video.video).name for video in scored]
    rows = [
        IndexRow(
            name if names.count(name) == 1 else video.video,
            video.folder / "report.html",
            video.seconds,
            len(video.events),
            video.highest,
            video.events[0].start if video.events else None,
            np.array(video.spark),
        )
        for name, video in zip(names, scored)
    ]
    return rows + [IndexRow(Path(video).name, failure=message) for video, message in failures.items()]
