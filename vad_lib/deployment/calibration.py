"""A threshold for one's own cameras: the lowest one that gives at most so many false alarms an hour on normal footage.

The threshold belongs to one model, one way of making features and one rule of events, and is refused for any other. What to
expect later is the exact Poisson interval of the rate that was seen: with n events in H hours, the rate lies with 95 % confidence
between chi2(0.025; 2n) / 2H and chi2(0.975; 2n + 2) / 2H an hour (Garwood 1936). It holds for footage like that which was seen.

Without hysteresis, shortest length and gap, at a constant frame rate, the rate is the one of
:func:`vad_lib.evaluation.alarms.false_alarms_per_hour`, which judges runs; here the events are counted that scoring would report.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field
from scipy.stats import chi2
from tqdm import tqdm

from vad_lib.config import FRAMES_PER_SNIPPET, Settings
from vad_lib.data.extraction_workers import Workers
from vad_lib.deployment.events import EventRule, event_spans
from vad_lib.deployment.footage_features import video_features
from vad_lib.deployment.footage_work import each_video
from vad_lib.deployment.inputs import Footage, find_inputs, folder_name, footage_sha256
from vad_lib.deployment.model_choice import ModelChoice, choose_model
from vad_lib.errors import ConfigError, DataError, MissingFileError, first_few
from vad_lib.report.figures.alternative_texts import counted
from vad_lib.storage.locks import sole_writer
from vad_lib.storage.reading import damaged_as_data_error, read_json
from vad_lib.storage.writing import write_json

KIND = "threshold of vad_lib.deployment"

CONFIDENCE = 0.95

EXPECTED_EVENTS = 3  # rule of three: without any event in 3 / rate hours, the rate is kept with 95 % confidence

MOST_TRIED = 3000  # thresholds: all scores near the top, further down those of growing distance in rank


class Calibration(Settings):
    """A threshold, what it belongs to, and what it was seen to do; the content of the file."""

    kind: str = KIND
    model: str = Field(description="identifies model and features")
    model_title: str = ""
    rule: EventRule
    alarms_per_hour: float = Field(gt=0, description="wanted, at most")
    videos: int = Field(ge=1)
    hours: float = Field(gt=0, description="of normal footage")
    events: int = Field(ge=0, description="that the rule finds in it at the threshold")
    low: float = Field(ge=0, description="events an hour, lower end of the interval")
    high: float = Field(gt=0, description="events an hour, upper end of the interval")
    confidence: float = Field(CONFIDENCE, gt=0, lt=1, description="of the interval")

    @property
    def enough(self) -> bool:
        """Whether so much footage was seen that the wanted rate could show."""
        return self.hours >= EXPECTED_EVENTS / self.alarms_per_hour

    def sentences(self) -> list[str]:
        """What a person should know, a sentence each."""
        said = [
            f"Threshold {self.rule.threshold:.6g}: {counted(self.events, 'event')} in {_short(self.hours)} hours of normal footage "
            f"({counted(self.videos, 'video')}), {_short(self.events / self.hours)} an hour.",
            f"On footage like this expect between {_short(self.low)} and {_short(self.high)} events an hour "
            f"({100 * self.confidence:g} % interval). The threshold was chosen on this very footage, so the true rate is rather in "
            "the upper part.",
        ]
        if not self.enough:
            said.append(
                f"This is too little footage: to keep to {self.alarms_per_hour:g} an hour takes {_short(self.hours_needed)} hours "
                f"or more, and only {_short(self.hours)} were seen. Calibrate again with more before you rely on it."
            )
        return said

    @property
    def hours_needed(self) -> float:
        """Hours of normal footage from which on the wanted rate could show."""
        return EXPECTED_EVENTS / self.alarms_per_hour


def _short(number: float) -> str:
    """Three digits, more only of large numbers."""
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


class NormalScores(NamedTuple):
    """Scores of one normal video.

    Attributes:
        edges: float64 (T + 1,), seconds; snippet i lasts from ``edges[i]`` to ``edges[i + 1]``.
        score: float (T,), in [0, 1].
        sha256: of the video's content.
    """

    edges: np.ndarray
    score: np.ndarray
    sha256: str = ""


@dataclass(frozen=True)
class CalibrationReport:
    """What a calibration did.

    Attributes:
        calibration: that was written.
        file: where.
        failures: video -> why it was left out.
        repeated: videos whose content came before, left out.
    """

    calibration: Calibration
    file: Path
    failures: dict[str, str]
    repeated: tuple[str, ...]

    def __str__(self) -> str:
        lines = [*self.calibration.sentences(), str(self.file)]
        if self.repeated:
            lines.insert(-1, f"Left out, since the same content came before: {first_few(self.repeated)}.")
        return "\n".join(lines + [f"  failed: {video}: {message}" for video, message in self.failures.items()])


def poisson_interval(count: int, hours: float) -> tuple[float, float]:
    """Exact interval of a rate from a count of events, with confidence :data:`CONFIDENCE`.

    Args:
        count: events that were seen.
        hours: in which they were seen, above 0.

    Returns:
        lowest and highest rate, events an hour.

    Example: no event in three hours leaves up to 1.23 an hour possible.
        >>> low, high = poisson_interval(0, 3)
        >>> low, round(high, 2)
        (0.0, 1.23)
    """
    rest = (1 - CONFIDENCE) / 2
    low = float(chi2.ppf(rest, 2 * count)) / 2 / hours if count else 0.0
    return low, float(chi2.ppf(1 - rest, 2 * count + 2)) / 2 / hours


def count_events(videos: Iterable[NormalScores], rule: EventRule) -> int:
    """Events that the rule finds in all videos together."""
    return sum(len(event_spans(video.edges, video.score, rule)) for video in videos)


def lowest_threshold(videos: Sequence[NormalScores], rule: EventRule, alarms_per_hour: float) -> EventRule:
    """The rule with the lowest threshold that keeps to a rate of events, as every higher one does.

    The number of events does not simply fall as the threshold rises: an event can become two, and at a very low threshold all is
    one long event. So the search begins at the top and stops before the first threshold that gives too many. It tries the
    thresholds at which an event begins, ends or goes on otherwise, up to :data:`MOST_TRIED`; between two of them nothing changes,
    and the upper one is taken.

    Args:
        videos: scores of normal footage.
        rule: whose threshold is set; all else stays.
        alarms_per_hour: events that may be found in an hour, above 0.

    Raises:
        DataError: even the highest threshold, 1, gives more.
    """
    allowed = int(np.floor(alarms_per_hour * _hours(videos) + 1e-9))
    scores = np.unique(np.concatenate([video.score for video in videos]).astype(np.float64))
    highest = float(scores[-1])
    # above the highest score nothing is found; the next number would read as the score itself when it is printed
    above = min(1.0, highest + max(1e-6, highest * 1e-6))
    steps = np.unique(np.concatenate((scores, scores / rule.lower_share)))
    tried = np.unique(np.append(steps[(steps > 0) & (steps < above)], above))[::-1]
    if len(tried) > MOST_TRIED:  # closer to one another at the top, where a small step decides
        tried = tried[np.unique(np.geomspace(1, len(tried), MOST_TRIED).round().astype(int)) - 1]
    best = None
    for threshold in tried:
        candidate = rule.replace(threshold=float(threshold))
        if count_events(videos, candidate) > allowed:
            break
        best = candidate
    if best is None:
        raise DataError(
            f"calibration: the model gives normal footage its highest score, {highest:.6g}, and even threshold 1 finds more than "
            f"{allowed} events in {_hours(videos):.3g} hours; no threshold keeps to {alarms_per_hour:g} an hour. Look at the "
            "videos that score highest, use a longer --shortest, allow more alarms, or train a model on footage of these cameras."
        )
    return best


def _hours(videos: Iterable[NormalScores]) -> float:
    return sum(float(video.edges[-1] - video.edges[0]) for video in videos) / 3600


def normal_scores(footage: Footage, *, choice: ModelChoice, features: Path, bar: tqdm | None = None) -> NormalScores:
    """Score one normal video; its features are kept.

    Raises:
        MissingFileError, DataError: the video cannot be decoded.
        OutputError: the features cannot be written.
    """
    sha256 = footage_sha256(footage.path)
    found = video_features(footage.path, sha256, choice.recipe, features, device=choice.device, bar=bar)
    score = choice.open().scores(np.asarray(found.features))["score"]
    edges = np.append(found.info.seconds[::FRAMES_PER_SNIPPET], found.info.seconds[0] + found.info.duration)
    return NormalScores(edges, score, sha256)


def calibrate(
    inputs: Path | str | Iterable[Path | str],
    model: ModelChoice | Path | str,
    out: Path | str,
    alarms_per_hour: float,
    *,
    lower_share: float | None = None,
    shortest: float | None = None,
    gap: float | None = None,
    features: Path | str | None = None,
    workers: Workers = Workers(),  # noqa: B008  it cannot be changed
    progress: bool = True,
) -> CalibrationReport:
    """Find a threshold on normal footage and write it to a file that ``score --calibration`` takes.

    Args:
        inputs: videos, folders, patterns or lists, see :func:`~vad_lib.deployment.inputs.find_inputs`; all of them normal.
        model: of :func:`~vad_lib.deployment.model_choice.choose_model`, or what that takes: the name of a shipped model, the folder
            of a run, or an exported file.
        out: the file, JSON.
        alarms_per_hour: events that may be found in an hour of normal footage, above 0.
        lower_share: part of the threshold below which an event ends; see :class:`~vad_lib.deployment.events.EventRule`, also for
            the default.
        shortest: seconds of the shortest event.
        gap: seconds; events with less between them are joined.
        features: folder that keeps the features; ``features`` beside the file by default, where scoring into the same folder
            finds them.
        workers: who works.
        progress: True for a bar with the time left, on a terminal.

    Raises:
        MissingFileError: an argument names nothing.
        ConfigError: a number out of range, or a folder for the file.
        DataError: no video can be scored, or no threshold keeps to the rate.
        BusyError: another process writes to the folder.
        OutputError: the file cannot be written or the disk is full; what was there is whole.
    """
    workers.check()
    if not 0 < alarms_per_hour < float("inf"):
        raise ConfigError(f"alarms per hour: expected a number above 0, got {alarms_per_hour}.")
    if Path(out).is_dir():
        raise ConfigError(f"{out}: expected a file for the calibration, got a folder; name one, such as {out}/calibration.json.")
    rule = event_rule(0.5, lower_share, shortest, gap)  # its threshold is set below
    choice = model if isinstance(model, ModelChoice) else choose_model(model)
    videos, failures = find_inputs([inputs] if isinstance(inputs, Path | str) else inputs)
    out = Path(out).absolute()
    kept = Path(features).absolute() if features else out.parent / "features"
    footage = [Footage(path, f"{folder_name(path)}-{number}") for number, path in enumerate(videos, 1)]
    task = functools.partial(normal_scores, choice=choice, features=kept)
    found: dict[str, NormalScores] = {}
    repeated = []
    with sole_writer(out.parent):
        for outcome in each_video(footage, task, workers, out.parent, progress=progress):
            if outcome.failure:
                failures[outcome.footage.shown] = outcome.failure
            elif outcome.result.sha256 in found:
                repeated.append(outcome.footage.shown)
            else:
                found[outcome.result.sha256] = outcome.result
        if not found:
            raise DataError(f"calibration: none of {len(videos)} videos could be scored. {'; '.join(failures.values())}")
        scores = list(found.values())
        rule = lowest_threshold(scores, rule, alarms_per_hour)
        events, hours = count_events(scores, rule), _hours(scores)
        low, high = poisson_interval(events, hours)
        made = Calibration(
            model=choice.key,
            model_title=choice.open().title,
            rule=rule,
            alarms_per_hour=alarms_per_hour,
            videos=len(scores),
            hours=hours,
            events=events,
            low=low,
            high=high,
        )
        write_json(out, made.model_dump(mode="json"))
    return CalibrationReport(made, out, failures, tuple(repeated))


def event_rule(
    threshold: float, lower_share: float | None = None, shortest: float | None = None, gap: float | None = None
) -> EventRule:
    """A rule with the defaults where None is given."""
    given: dict[str, Any] = {"lower_share": lower_share, "shortest": shortest, "gap": gap}
    return EventRule(threshold=threshold, **{name: value for name, value in given.items() if value is not None})


def read_calibration(file: Path | str, choice: ModelChoice) -> Calibration:
    """Read what :func:`calibrate` wrote.

    Args:
        file: that it wrote.
        choice: the model that shall score.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is damaged or another file.
        ConfigError: it was made with another model or other features.
    """
    if not Path(file).is_file():
        raise MissingFileError(f"{file}: expected a calibration, found no such file; `calibrate NORMAL_FOOTAGE` makes one.")
    values = read_json(file)
    with damaged_as_data_error(file, "a calibration as `calibrate` writes it"):
        if values["kind"] != KIND:
            raise DataError(f"{file}: expected a calibration as `calibrate` writes it, got another JSON file; name the right one.")
        try:
            found = Calibration(**values)
        except ConfigError as error:
            raise DataError(f"{file}: expected a calibration as `calibrate` writes it ({error}). Calibrate again.") from error
    if found.model != choice.key:
        raise ConfigError(
            f"{file}: was made with another model or other features ({found.model_title}) than {choice.source}; its threshold "
            "means nothing here. Calibrate with this model, or score with that one."
        )
    return found
