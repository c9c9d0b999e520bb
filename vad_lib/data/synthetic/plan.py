"""What is filmed in one video: shots, acts and light, drawn from its seed."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET, SyntheticSettings
from vad_lib.data.annotations import Split, VideoRecord
from vad_lib.data.synthetic.scenes import LIGHTS
from vad_lib.data.synthetic.sets import DATASETS, ROADS
from vad_lib.data.synthetic.stage import Stage
from vad_lib.data.synthetic.things import Car
from vad_lib.data.synthetic.world import Actor, View
from vad_lib.storage.hashing import content_hash, file_sha256

SLOT_SECONDS = 4.6  # about one act in so many seconds

ACT_SECONDS = (2.6, 4.2)  # four to seven snippets: most of them lie inside the act, not across its ends

ZOOM = (1.3, 1.6)  # a person fills half to nine tenths of the height

ASIDE = 0.5  # metres from the middle at which acts happen, at most: the centre crop shows them whole

SEEN = 0.4  # least share of an event that lies inside its video: it may have begun before it, or go on after it

CUT_WEIGHT = 3.0  # of events so cut: chosen more often, frames near the ends are in events as often as those in the middle

QUIET = 0.6  # share of the other slots in which nothing happens but passers-by


@dataclass
class Shot:
    """A span of the video seen by one camera, in seconds, with its scene, actors and closeness."""

    start: float
    end: float
    scene: str
    light: str
    zoom: float
    actors: list[Actor] = field(default_factory=list)
    slots: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """One video to render.

    Attributes:
        dataset: key of :data:`DATASETS`.
        name: video name; with the seed it decides everything that is random.
        split: ``train`` or ``test``.
        staged: category whose scene, cast and slot the video has.
        abnormal: True for the event, False for its look-alike.
        settings: size of the set.
    """

    dataset: str
    name: str
    split: Split
    staged: str
    abnormal: bool
    settings: SyntheticSettings

    def key(self) -> str:
        """Hash of all that decides the video's bytes; the number of other videos does not."""
        s = self.settings
        snippets = s.train_snippets if self.split == "train" else s.test_snippets
        inputs = [self.dataset, self.name, self.staged, self.abnormal, snippets, s.height, s.width, s.fps, s.seed]
        return content_hash([inputs, _code(), cv2.__version__, np.__version__])


@cache
def _code() -> str:
    return content_hash({path.name: file_sha256(path) for path in Path(__file__).parent.glob("*.py")})


def plan_video(job: Job) -> tuple[VideoRecord, list[Shot], np.random.Generator]:
    """Decide everything about a video but its pixels."""
    spec, settings = DATASETS[job.dataset], job.settings
    rng = np.random.default_rng([settings.seed, *content_hash([job.dataset, job.name]).encode()])
    low, high = settings.train_snippets if job.split == "train" else settings.test_snippets
    num_frames = int(rng.integers(low, high + 1)) * FRAMES_PER_SNIPPET - int(rng.integers(0, FRAMES_PER_SNIPPET))
    length = num_frames / settings.fps

    # The video is cut out of a longer recording at any moment, so that the place in it does not tell where an event is.
    count = max(1, int(length / SLOT_SECONDS))
    window = length / count
    eligible: list[int] = []
    while not eligible:
        begin = -float(rng.uniform(0, window))
        spans = []
        for i in range(count + 1):
            span = min(float(rng.uniform(*ACT_SECONDS)), 0.8 * window)
            start = begin + i * window + float(rng.uniform(0, window - span))
            spans.append((start, start + span))
        seen = {i: (min(t1, length) - max(t0, 0.0)) / (t1 - t0) for i, (t0, t1) in enumerate(spans)}
        eligible = [i for i, share in seen.items() if share >= SEEN]
    weights = np.array([CUT_WEIGHT if seen[i] < 1 else 1.0 for i in eligible])
    staged = set(rng.choice(eligible, max(1, round(0.15 * count)), replace=False, p=weights / weights.sum()).tolist())
    labels = dict.fromkeys(staged, job.staged)
    free = [slot for slot in eligible if slot not in staged]
    second = str(rng.choice([name for name in spec.stories if name != job.staged]))
    if rng.random() < spec.second_label and free:
        labels[int(rng.choice(free))] = second

    shots: list[Shot] = []
    for i, (t0, t1) in enumerate(spans):
        if spec.moving_camera or not shots:
            story = spec.stories[labels.get(i, job.staged if not spec.moving_camera else str(rng.choice(list(spec.stories))))]
            start = 0.0 if not shots else shots[-1].end
            end = begin + (i + 1) * window if spec.moving_camera and i < count else length
            shots.append(Shot(start, end, str(rng.choice(story.scenes)), _some_light(rng), float(rng.uniform(*ZOOM))))
        shot = shots[-1]
        reach = _reach(settings, shot)
        fitting = [name for name, story in spec.stories.items() if shot.scene in story.scenes]
        category, quiet = labels.get(i) or str(rng.choice(fitting)), rng.random() < QUIET
        if quiet and i not in labels:
            continue
        z = float(rng.uniform(0.62, 0.92) if shot.scene == "street" else rng.uniform(0.3, 0.85))
        stage = Stage(rng, shot.actors, t0, t1, float(rng.uniform(-ASIDE, ASIDE)), z, reach, shot.light in ("dusk", "night"))
        spec.stories[category].act(stage, job.abnormal and i in labels)
    busy = rng.uniform(0, 0.4)  # passers-by a second: some places are quiet
    for shot in shots:
        reach = _reach(settings, shot)
        stage = Stage(rng, shot.actors, 0, 0, 0, 0, reach, shot.light in ("dusk", "night"))
        for at in rng.uniform(shot.start - 1, shot.end + 1, rng.poisson(busy * (shot.end - shot.start))):
            stage.passer(float(at))
        if shot.scene in ROADS:
            for at in rng.uniform(shot.start, shot.end, rng.poisson(0.15 * (shot.end - shot.start))):
                side, far = stage.side(), reach + 2
                seconds = 2 * far / rng.uniform(3.5, 6.5)
                shot.actors.append(
                    Car(0.14, [(at, -side * far), (at + seconds, side * far)], stage.colour(), side, lights=stage.dark)
                )

    categories = tuple(dict.fromkeys(labels[i] for i in sorted(labels))) if job.abnormal else (spec.categories[0],)
    intervals = [(round(spans[i][0] * settings.fps), round(spans[i][1] * settings.fps)) for i in sorted(labels)]
    spans_in_video = tuple((max(a, 0), min(b, num_frames)) for a, b in intervals)
    known = job.abnormal and job.split == "test"
    record = VideoRecord(
        job.name,
        job.split,
        categories,
        num_frames,
        spans_in_video if known else (),
        tuple((labels[i], *span) for i, span in zip(sorted(labels), spans_in_video)) if known else (),
    )
    return record, shots, rng


def _reach(settings: SyntheticSettings, shot: Shot) -> float:
    return View(np.empty((settings.height, settings.width, 0)), shot.zoom).reach()


def _some_light(rng: np.random.Generator) -> str:
    return str(rng.choice(list(LIGHTS), p=[often for *_, often in LIGHTS.values()]))
