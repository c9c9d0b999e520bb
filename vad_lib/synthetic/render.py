"""From settings to files: plan a video, film its shots, write the data set."""

import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from vad_lib.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.config import FRAMES_PER_SNIPPET, SyntheticSettings
from vad_lib.errors import ConfigError, DataError, OutputError
from vad_lib.files import atomic_path, content_hash, file_sha256, plain_name, read_json, write_json
from vad_lib.locks import sole_writer
from vad_lib.synthetic import acts
from vad_lib.synthetic.scenes import LIGHTS, Backdrop, grey, light_field
from vad_lib.synthetic.things import Car
from vad_lib.synthetic.world import Actor, View, wave

_OUTDOORS = ("street", "square", "parking")
_ROADS = ("street", "parking")


class Story(NamedTuple):
    """How a category is acted, and where it can happen."""

    act: acts.Act
    scenes: tuple[str, ...]


@dataclass(frozen=True)
class SetSpec:
    """One of the two built-in data sets."""

    title: str
    metric: str
    counterpart: str
    stories: dict[str, Story]
    moving_camera: bool
    second_label: float  # probability of a second category where there is room for one

    @property
    def categories(self) -> tuple[str, ...]:
        return ("Normal", *self.stories)


DATASETS: dict[str, SetSpec] = {
    "synth-crime": SetSpec(
        title="SynthCrime",
        metric="auc",
        counterpart="UCF-Crime",
        stories={
            "Arson": Story(acts.arson, _OUTDOORS),
            "Explosion": Story(acts.explosion, _OUTDOORS),
            "Fighting": Story(acts.fighting, (*_OUTDOORS, "shop", "hall")),
            "RoadAccidents": Story(acts.accident, _ROADS),
            "Shoplifting": Story(acts.shoplifting, ("shop",)),
            "Stealing": Story(acts.stealing, (*_OUTDOORS, "hall")),
            "Vandalism": Story(acts.vandalism, (*_OUTDOORS, "hall")),
        },
        moving_camera=False,
        second_label=0.0,
    ),
    "synth-violence": SetSpec(
        title="SynthViolence",
        metric="ap",
        counterpart="XD-Violence",
        stories={
            "Abuse": Story(acts.abuse, ("hall", "parking", "square")),
            "CarAccident": Story(acts.accident, _ROADS),
            "Explosion": Story(acts.explosion, _OUTDOORS),
            "Fighting": Story(acts.fighting, (*_OUTDOORS, "shop", "hall")),
            "Riot": Story(acts.riot, ("street", "square")),
            "Shooting": Story(acts.shooting, (*_OUTDOORS, "shop", "hall")),
        },
        moving_camera=True,
        second_label=0.6,
    ),
}


BYTES_PER_PIXEL = 0.2  # of a frame in a file, above what nearly every video needs
SLOT_SECONDS = 2.4  # about one act in so many seconds
QUIET = 0.6  # share of the other slots in which nothing happens but passers-by


@dataclass
class Shot:
    """A span of the video seen by one camera, in seconds, with its scene and actors."""

    start: float
    end: float
    scene: str
    light: str
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
    split: str
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


def _plan(job: Job) -> tuple[VideoRecord, list[Shot], np.random.Generator]:
    """Decide everything about a video but its pixels."""
    spec, settings = DATASETS[job.dataset], job.settings
    rng = np.random.default_rng([settings.seed, *content_hash([job.dataset, job.name]).encode()])
    low, high = settings.train_snippets if job.split == "train" else settings.test_snippets
    num_frames = int(rng.integers(low, high + 1)) * FRAMES_PER_SNIPPET - int(rng.integers(0, FRAMES_PER_SNIPPET))
    length = num_frames / settings.fps

    # the first snippet is always normal, mostly the first two
    lead = min(1.3, max(FRAMES_PER_SNIPPET / settings.fps, 0.3 * length))
    count = max(1, int((length - lead) / SLOT_SECONDS))
    window = (length - lead) / count
    spans = []
    for i in range(count):
        span = min(float(rng.uniform(1.8, 3.6)), 0.75 * window)
        start = lead + i * window + float(rng.uniform(0, window - span))
        spans.append((start, start + span))
    # where there are shots enough, from the second one on: an establishing shot comes first
    first = 1 if spec.moving_camera and count > 2 else 0
    staged = set(rng.choice(np.arange(first, count), max(1, round(0.15 * count)), replace=False).tolist())
    labels = dict.fromkeys(staged, job.staged)
    free = [slot for slot in range(first, count) if slot not in staged]
    second = str(rng.choice([name for name in spec.stories if name != job.staged]))
    if rng.random() < spec.second_label and free:
        labels[int(rng.choice(free))] = second

    view = View(np.empty((settings.height, settings.width, 0)))
    shots: list[Shot] = []
    for i, (t0, t1) in enumerate(spans):
        if spec.moving_camera or not shots:
            story = spec.stories[labels.get(i, job.staged if not spec.moving_camera else str(rng.choice(list(spec.stories))))]
            start = 0.0 if not shots else shots[-1].end
            end = length if i == count - 1 or not spec.moving_camera else lead + (i + 1) * window
            shots.append(Shot(start, end, str(rng.choice(story.scenes)), _some_light(rng)))
        shot = shots[-1]
        fitting = [name for name, story in spec.stories.items() if shot.scene in story.scenes]
        category, quiet = labels.get(i) or str(rng.choice(fitting)), rng.random() < QUIET
        if quiet and i not in labels:
            continue
        z = float(rng.uniform(0.62, 0.92) if shot.scene == "street" else rng.uniform(0.3, 0.85))
        stage = acts.Stage(
            rng, shot.actors, t0, t1, float(rng.uniform(-0.9, 0.9)), z, view.reach(), shot.light in ("dusk", "night")
        )
        spec.stories[category].act(stage, job.abnormal and i in labels)
    busy = rng.uniform(0, 0.4)  # passers-by a second: some places are quiet
    for shot in shots:
        stage = acts.Stage(rng, shot.actors, 0, 0, 0, 0, view.reach(), shot.light in ("dusk", "night"))
        for at in rng.uniform(shot.start - 1, shot.end + 1, rng.poisson(busy * (shot.end - shot.start))):
            stage.passer(float(at))
        if shot.scene in _ROADS:
            for at in rng.uniform(shot.start, shot.end, rng.poisson(0.15 * (shot.end - shot.start))):
                side, far = stage.side(), view.reach() + 2
                seconds = 2 * far / rng.uniform(3.5, 6.5)
                shot.actors.append(
                    Car(0.14, [(at, -side * far), (at + seconds, side * far)], stage.colour(), side, lights=stage.dark)
                )

    categories = tuple(dict.fromkeys(labels[i] for i in sorted(labels))) if job.abnormal else (spec.categories[0],)
    intervals = [(round(spans[i][0] * settings.fps), round(spans[i][1] * settings.fps)) for i in sorted(labels)]
    spans_in_video = tuple((a, min(max(b, a + 1), num_frames)) for a, b in intervals)
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


def _some_light(rng: np.random.Generator) -> str:
    return str(rng.choice(list(LIGHTS), p=[often for *_, often in LIGHTS.values()]))


class Camera:
    """Turns a shot into frames: paints the backdrop once, then actors, light, lens and sensor noise."""

    def __init__(self, rng: np.random.Generator, shot: Shot, settings: SyntheticSettings, moving: bool, noise: float = 1.0) -> None:
        self.shot, self.moving, self.size = shot, moving, (settings.width, settings.height)
        margin = 1.2 if moving else 1.0
        height, width = round(settings.height * margin), round(settings.width * margin)
        backdrop = Backdrop(rng, height, width)
        getattr(backdrop, shot.scene)()
        self.backdrop = backdrop.view.image
        self.light = light_field(rng, height, width, shot.light)
        self.swing = (rng.uniform(0, 0.06), rng.uniform(0.1, 0.4), rng.uniform(0, 1))
        self.dips = rng.uniform(shot.start, shot.end, rng.poisson(0.08 * (shot.end - shot.start)))
        self.pillar = None
        if rng.random() < 0.35:
            thick, left = round(rng.uniform(0.03, 0.06) * width), round(rng.uniform(0.15, 0.85) * width)
            shading = (0.45 + 0.55 * np.sin(np.linspace(0.3, 2.8, thick, dtype=np.float32)))[None, :, None]
            area = np.s_[:, left : left + thick]
            tone = np.array(grey(rng, 50, 130), np.float32) * shading * self.light[area] / 255
            self.pillar = (area, np.clip(tone, 0, 255).astype(np.uint8))
        grain = rng.normal(0, noise * LIGHTS[shot.light][1], (settings.height + 32, settings.width + 32, 3))
        self.grain = [np.clip(sign * grain, 0, 255).astype(np.uint8) for sign in (1, -1)]
        # where the view begins and ends, as (visible share, horizontal and vertical place of the rest)
        self.path = np.array([[rng.uniform(0.72, 1.0), *rng.uniform(0.15, 0.85, 2)] for _ in range(2)])
        self.shake = rng.uniform(0, 0.012), rng.uniform(1.5, 4, 2)
        self.rng = rng

    def frame(self, t: float) -> np.ndarray:
        """uint8 (height, width, 3), BGR, at a time in seconds."""
        view = View(self.backdrop.copy())
        present = [(depth, i) for i, actor in enumerate(self.shot.actors) if (depth := actor.depth(t)) is not None]
        for _, i in sorted(present):
            self.shot.actors[i].draw(view, t)
        amount, hz, phase = self.swing
        gain = 1 + amount * wave(t, hz, phase) - 0.25 * bool(np.any(np.abs(t - self.dips) < 0.07))
        cv2.multiply(view.image, self.light, dst=view.image, scale=gain / 255)
        for _, i in sorted(present):
            self.shot.actors[i].shine(view, t)
        if self.pillar:
            view.image[self.pillar[0]] = self.pillar[1]
        image = self._look(view.image, t) if self.moving else view.image
        image = cv2.GaussianBlur(image, (3, 3), 0.6)
        dx, dy = self.rng.integers(0, 32, 2)
        region = np.s_[dy : dy + image.shape[0], dx : dx + image.shape[1]]
        cv2.add(image, self.grain[0][region], dst=image)
        return cv2.subtract(image, self.grain[1][region], dst=image)

    def _look(self, image: np.ndarray, t: float) -> np.ndarray:
        share = (t - self.shot.start) / (self.shot.end - self.shot.start)
        seen, px, py = self.path[0] + (self.path[1] - self.path[0]) * share
        amount, (hz_x, hz_y) = self.shake
        height, width = image.shape[:2]
        zoom = seen * height / self.size[1]
        x = ((1 - seen) * px + amount * wave(t, hz_x)) * width
        y = ((1 - seen) * py + amount * wave(t, hz_y, 0.3)) * height
        matrix = np.array([[zoom, 0, x], [0, zoom, y]])
        return cv2.warpAffine(
            image, matrix, self.size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )


def _render_video(job: Job, path: Path) -> VideoRecord:
    """Render one video to an mp4 file; whatever stops it leaves no half file."""
    record, shots, rng = _plan(job)
    settings = job.settings
    with atomic_path(path) as temporary:
        writer = cv2.VideoWriter(
            str(temporary), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), settings.fps, (settings.width, settings.height)
        )
        if not writer.isOpened():
            raise OutputError(
                f"cannot write {path}: this OpenCV has no mp4v encoder. Install opencv-python-headless from the package index."
            )
        noise = float(rng.uniform(0.4, 1.6))  # cameras differ
        camera = None
        for i in range(record.num_frames):
            t = i / settings.fps
            if camera is None or (t >= camera.shot.end and shots):
                camera = Camera(rng, shots.pop(0), settings, DATASETS[job.dataset].moving_camera, noise)
            writer.write(camera.frame(t))
        writer.release()
        # the writer reports no error on a full disk, so ask the file
        reader = cv2.VideoCapture(str(temporary), cv2.CAP_FFMPEG)
        written = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if written != record.num_frames:
            raise OutputError(
                f"cannot write {path}: {record.num_frames} frames were drawn but the file holds {written}; the disk may be full. "
                "Nothing was changed. Free some space and run the command again: finished videos are kept."
            )
        _fill(temporary, record.num_frames * round(BYTES_PER_PIXEL * settings.width * settings.height))
    return record


def _fill(path: Path, unit: int) -> None:
    """Lengthen an mp4 file to a multiple of ``unit`` bytes by an empty box, as recorders of constant bit rate do.

    An event moves more than its look-alike, and what moves costs bytes: without this the size tells the label.
    """
    size = path.stat().st_size
    filler = 8 + -(size + 8) % unit
    with open(path, "ab") as stream:
        stream.write(filler.to_bytes(4, "big") + b"free")
        stream.truncate(size + filler)  # takes no room on disk where the file system knows sparse files


def _work(job: Job, path: Path) -> str:
    cv2.setNumThreads(1)
    _render_video(job, path)
    return file_sha256(path)


def jobs(dataset: str, settings: SyntheticSettings) -> list[Job]:
    """The videos of a built-in set: every abnormal category and, staged alike, as many normal ones times ``normal_ratio``.

    Raises:
        ConfigError: unknown set, or settings that leave no room for an event.
    """
    if dataset not in DATASETS:
        raise ConfigError(f"unknown built-in data set {dataset!r}; known: {', '.join(DATASETS)}.")
    for label, (low, high) in (("train_snippets", settings.train_snippets), ("test_snippets", settings.test_snippets)):
        if not 3 <= low <= high:
            raise ConfigError(
                f"{label}: expected 3 <= shortest <= longest, so that an event fits after a normal start; got ({low}, {high})."
            )
    if settings.width % 2 or settings.height % 2:
        raise ConfigError(
            f"width and height: expected even numbers, as the mp4 encoder needs them; got {settings.width} x {settings.height}."
        )
    stories = list(DATASETS[dataset].stories)
    found = []
    for split, count in (("train", settings.train_per_category), ("test", settings.test_per_category)):
        for category in stories:
            found += [Job(dataset, f"{split}_{category}_{i:03d}", split, category, True, settings) for i in range(count)]
        for i in range(max(1, round(settings.normal_ratio * count * len(stories)))):
            found.append(Job(dataset, f"{split}_Normal_{i:03d}", split, stories[i % len(stories)], False, settings))
    return found


def render_dataset(
    dataset: str, folder: Path | str, settings: SyntheticSettings, *, workers: int = 2, progress: bool = True
) -> VideoList:
    """Render a built-in set into a folder: ``dataset.json``, ``videos.csv``, ``videos/NAME.mp4``.

    Videos that are there already, made by the same code and settings and undamaged, are kept; a run that was
    stopped goes on where it was. The same settings give the same bytes on the same machine.

    Args:
        dataset: ``synth-crime`` or ``synth-violence``.
        folder: folder of the data set; made if missing.
        settings: number, length and size of the videos, and the seed.
        workers: processes. With more than one, a script that calls this needs the usual ``__main__`` guard.
        progress: show a progress bar if the output is a terminal.

    Raises:
        ConfigError: unknown set or unusable settings.
        OutputError: the folder cannot be written or the disk is full; finished videos stay.
        BusyError: another process renders into this folder.
    """
    todo, folder = jobs(dataset, settings), Path(folder)
    with sole_writer(folder):
        return _render(dataset, folder, settings, todo, workers, progress)


def _render(dataset: str, folder: Path, settings: SyntheticSettings, todo: list[Job], workers: int, progress: bool) -> VideoList:
    spec = DATASETS[dataset]
    videos = VideoList(spec.categories, tuple(_plan(job)[0] for job in todo))
    ledger_path = folder / "render.json"
    ledger = _read_ledger(ledger_path)
    paths = {job.name: folder / "videos" / f"{job.name}.mp4" for job in todo}
    keys = {job.name: job.key() for job in todo}

    def finished(name: str) -> bool:
        key, digest = ledger.get(name, ("", ""))
        return key == keys[name] and paths[name].is_file() and file_sha256(paths[name]) == digest

    missing = [job for job in todo if not finished(job.name)]
    # longest first keeps all processes busy to the end
    lengths = {record.name: record.num_frames for record in videos.records}
    missing.sort(key=lambda job: -lengths[job.name])
    with tqdm(total=len(missing), desc=spec.title, unit="video", disable=None if progress else True) as bar:
        for name, digest in _run(missing, paths, workers):
            ledger[name] = [keys[name], digest]
            write_json(ledger_path, ledger)
            bar.update()
    for stale in sorted(set(ledger) - set(paths)):
        (folder / "videos" / f"{stale}.mp4").unlink(missing_ok=True)
        del ledger[stale]
    write_json(ledger_path, dict(sorted(ledger.items())))
    write_video_csv(folder / "videos.csv", videos)
    write_json(
        folder / "dataset.json",
        {
            "name": dataset,
            "title": spec.title,
            "categories": list(spec.categories),
            "headline_metric": spec.metric,
            "counterpart": spec.counterpart,
            "source": "rendered by vad_lib.synthetic",
            "synthetic": True,
            "fps": settings.fps,
        },
    )
    return videos


def _read_ledger(path: Path) -> dict[str, list[str]]:
    """Key and hash by video; empty if there is no ledger yet, or one that cannot be right: every video is then rendered again."""
    try:
        ledger = read_json(path) if path.is_file() else {}
        # videos that are no longer wanted are deleted by these names
        fine = all(
            plain_name(name) and len(entry) == 2 and all(isinstance(e, str) for e in entry) for name, entry in ledger.items()
        )
        return ledger if fine else {}
    except (DataError, AttributeError, TypeError):
        return {}


def _run(todo: list[Job], paths: dict[str, Path], workers: int) -> Iterable[tuple[str, str]]:
    """Render videos and give (name, SHA-256) as they are finished."""
    if workers <= 1 or len(todo) <= 1:
        for job in todo:
            yield job.name, _work(job, paths[job.name])
        return
    # spawned, not forked: the caller may run threads of torch
    pool = ProcessPoolExecutor(min(workers, len(todo)), mp_context=multiprocessing.get_context("spawn"))
    try:
        running = {pool.submit(_work, job, paths[job.name]): job.name for job in todo}
        for future in as_completed(running):
            yield running[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)
