"""Finished runs and rendered videos to the folder that the explorer shows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET, get_profile
from vad_lib.data.annotations import VideoRecord, read_video_csv
from vad_lib.data.synthetic import DATASETS, Job, jobs
from vad_lib.data.video_files import find_video
from vad_lib.errors import DataError, MissingFileError, OutputError
from vad_lib.explorer.contents import Curves, DataSet, Event, MethodRuns, SeedRun, Video
from vad_lib.report.figures.run_scores import RunScores, VideoScores, load_scores
from vad_lib.runs.finished_runs import load_runs
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import atomic_path, clear_folder, partial_folder, replace_folder, write_text

METHODS = ("logistic-regression", "sultani-mil", "ur-dmu", "msf-dmu", "vadclip", "proposed")
SEEDS = 3
LARGEST_VIDEO = 80_000  # bytes, so that all of them travel with the project

_QUALITIES = range(26, 52, 2)  # x264's constant rate factor, from good to poor


def make(layout: Layout, target: Path) -> list[str]:
    """Make the explorer's folder anew, from the runs of both rendered data sets.

    Of each category it takes the first abnormal test video and the first normal one that was staged alike.

    Args:
        layout: whose runs and videos are taken; one's own runs, because only those have their videos.
        target: folder that is replaced once the new one is complete.

    Returns:
        what was left out, a sentence each.

    Raises:
        MissingFileError: a data set has no videos or no run of any of :data:`METHODS`. Nothing was changed.
        DataError: runs and videos do not belong together. Nothing was changed.
        OutputError: the folder cannot be written.
    """
    left_out, partial = [], partial_folder(target)
    clear_folder(partial)
    for dataset in DATASETS:
        data, files = _dataset(layout, dataset)
        absent = [method for method in METHODS if method not in {each.name for each in data.methods}]
        if absent:
            left_out.append(f"{data.title}: left out {', '.join(absent)}: profile {layout.profile} has no finished runs of these.")
        for name, file in files.items():
            write_small_copy(file, partial / data.file(name), data.fps)
        # one line for each run: a file that a person can compare with the one before
        text = json.dumps(data.model_dump(mode="json", exclude_none=True), separators=(",", ":"), allow_nan=False)
        write_text(partial / f"{dataset}.json", text.replace('{"seed":', '\n{"seed":') + "\n")
    replace_folder(partial, target)
    return left_out


def _dataset(layout: Layout, dataset: str) -> tuple[DataSet, dict[str, Path]]:
    """A data set of the explorer, and the file of each of its videos."""
    spec, settings = DATASETS[dataset], get_profile(layout.profile).synthetic
    listed = layout.dataset(dataset) / "videos.csv"
    if not listed.is_file():
        raise MissingFileError(
            f"{listed}: expected the list of the rendered videos of {spec.title}, found none. Render them with "
            f"`python -m vad_lib.reproduce --profile {layout.profile}`, which also trains the runs."
        )
    records = {record.name: record for record in read_video_csv(listed, spec.categories).records}
    videos = tuple(_video(job, records, listed) for job in chosen(jobs(dataset, settings)))
    files = {video.name: find_video(layout.videos(dataset), video.name) for video in videos}
    runs = load_runs(layout, dataset, METHODS)
    if not runs:
        raise MissingFileError(
            f"{layout.results / 'runs' / dataset}: expected finished runs of {', '.join(METHODS)}, found none of them. Train them "
            f"with `python -m vad_lib.reproduce --profile {layout.profile}`."
        )
    methods = []
    for name, of_method in runs.items():
        scores = [(run.seed, load_scores(run)) for run in of_method[:SEEDS]]
        found = tuple(_seed_run(seed, each, [records[video.name] for video in videos]) for seed, each in scores)
        methods.append(MethodRuns(name=name, title=of_method[0].title, runs=found))
    data = DataSet(
        name=dataset,
        title=spec.title,
        profile=layout.profile,
        fps=settings.fps,
        frames_per_snippet=FRAMES_PER_SNIPPET,
        categories=spec.categories,
        videos=videos,
        methods=tuple(methods),
    )
    return data, files


def chosen(of_set: Sequence[Job]) -> Iterator[Job]:
    """Of each category the first abnormal test video, then the first normal one: the order of names, no look at scores."""
    test = [job for job in of_set if job.split == "test"]
    for category in dict.fromkeys(job.staged for job in test):
        for abnormal in (True, False):
            yield from [job for job in test if job.staged == category and job.abnormal == abnormal][:1]


def _video(job: Job, records: Mapping[str, VideoRecord], listed: Path) -> Video:
    if job.name not in records:
        raise DataError(f"{listed}: expected the video {job.name}, found no such line; render the videos again.")
    record = records[job.name]
    events = tuple(Event(start=start, end=end, category=category) for category, start, end in record.events())
    return Video(name=job.name, category=job.staged, abnormal=job.abnormal, frames=record.num_frames, events=events)


def _seed_run(seed: int, scores: RunScores, records: Sequence[VideoRecord]) -> SeedRun:
    name = f"{scores.title}, seed {seed}"
    for record in records:
        labels = scores.videos[record.name].labels if record.name in scores.videos else None
        if labels is None or not np.array_equal(labels, record.frame_labels()):
            raise DataError(
                f"{name}: expected scores of {record.name} with the labels of the rendered video, found others or none. The videos "
                "were rendered again since; train the run again."
            )
    curves = {record.name: _curves(scores.videos[record.name]) for record in records}
    return SeedRun(seed=seed, w=learned_share(list(scores.videos.values()), name), videos=curves)


def _curves(scores: VideoScores) -> Curves:
    curves = {name: tuple(np.round(values.astype(np.float64), 3).tolist()) for name, values in scores.curves.items()}
    alignment = scores.alignment
    rows = None if alignment is None else tuple(map(tuple, np.round(alignment.astype(np.float64), 2).tolist()))
    return Curves(**curves, alignment=rows)


def learned_share(videos: Sequence[VideoScores], name: str = "run") -> float | None:
    """The w of S = w S_c + (1 - w) S_a (equation 7) that a run's scores were fused with, by least squares.

    Args:
        videos: scores of a run.
        name: of the run, for the message.

    Returns:
        in [0, 1], four decimals; None where the method has one branch.

    Raises:
        DataError: the scores are no mixture of both branches.

    Example:
        >>> one = {"visual": np.array([0.0, 1.0]), "semantic": np.array([0.5, 0.0]), "score": np.array([0.4, 0.2])}
        >>> learned_share([VideoScores("a", ("Normal",), np.zeros(20), one, None)])
        0.2
    """
    if any("visual" not in video.curves or "semantic" not in video.curves for video in videos):
        return None
    score, visual, semantic = (
        np.concatenate([video.curves[curve] for video in videos]).astype(np.float64) for curve in ("score", "visual", "semantic")
    )
    apart = visual - semantic
    w = float(apart @ (score - semantic) / (apart @ apart)) if apart.any() else 0.5
    error = np.abs(semantic + w * apart - score).max()
    if not (-1e-3 <= w <= 1.001 and error < 1e-3):
        raise DataError(f"{name}: expected S = w S_c + (1 - w) S_a, found a difference of {error:.3g}; train the run again.")
    return round(min(max(w, 0.0), 1.0), 4)


def write_small_copy(video: Path, target: Path, fps: float) -> None:
    """Write an H.264 copy of at most :data:`LARGEST_VIDEO` bytes that every browser plays; the best quality that fits.

    Args:
        video: the file.
        target: ending ``.mp4``; frame i is shown at i / fps seconds.
        fps: frames per second.

    Raises:
        OutputError: no quality makes it small enough, or the file cannot be written.
    """
    with av.open(str(video)) as source:
        frames = [frame.reformat(format="yuv420p") for frame in source.decode(video=0)]
    with atomic_path(target) as temporary:
        for quality in _QUALITIES:
            _encode(temporary, frames, fps, quality)
            if temporary.stat().st_size <= LARGEST_VIDEO:
                return
        raise OutputError(f"{target}: expected at most {LARGEST_VIDEO:,} bytes, got more at every quality; take a shorter video.")


def _encode(path: Path, frames: Sequence[av.VideoFrame], fps: float, quality: int) -> None:
    rate = Fraction(fps).limit_denominator(1000)
    # no B-frames: players would count the length in the order of decoding; a key frame each second: seeking is quick
    options = {"crf": str(quality), "preset": "slow", "g": str(round(fps)), "bf": "0"}
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes on every number of cores
        for i, frame in enumerate(frames):
            frame.pts, frame.time_base = i, 1 / rate
            frame.pict_type = 0  # the encoder chooses, whatever the frame was in the source
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
