"""Pages that open in a browser by double click, offline: the report of one video, and the index of a folder.

A page is one file. Its style, its script and all its numbers stand in it, and its own policy forbids every request to a network.
Texts and the script lie in ``vad_lib/deployment/web``. When the threshold is moved, the script finds the events anew, by the
rule of :mod:`vad_lib.deployment.events`.
"""

import base64
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.video import VideoInfo
from vad_lib.deployment.events import Event, EventRule
from vad_lib.deployment.page_parts import clock, escaped, filled, valid
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation.scoring import snippet_frames
from vad_lib.report.figures import style
from vad_lib.report.figures.alternative_texts import counted
from vad_lib.report.web_files import as_script
from vad_lib.storage.writing import atomic_path, write_text

LARGEST_PICTURE = (640, 360)  # pixels, width and height, of the copy of the video in a page
EMBEDDED_AT_MOST = 24_000_000  # bytes of video; Firefox takes no data URI above 32 MB, and base64 adds a third
SPARK_POINTS = 160


@dataclass(frozen=True)
class IndexRow:
    """One video of a folder.

    Attributes:
        name: of the video, as a person knows it.
        report: its ``report.html``; None if it failed.
        seconds: how long it lasts.
        num_events: events found.
        highest: highest score, in [0, 1]; None if it failed.
        first: seconds at which its first event starts; None without events.
        scores: float (T,), in [0, 1], at equal distances, for the small curve.
        failure: why it was not scored; empty if it was.
    """

    name: str
    report: Path | None = None
    seconds: float = 0.0
    num_events: int = 0
    highest: float | None = None
    first: float | None = None
    scores: np.ndarray | None = None
    failure: str = ""


def write_page(
    path: Path | str,
    *,
    title: str,
    video: Path | None,
    info: VideoInfo,
    frames: pd.DataFrame,
    events: Sequence[Event],
    rule: EventRule,
    categories: tuple[str, ...],
    alignment: np.ndarray | None,
    model_title: str,
    probabilities: np.ndarray | None,
    end: float,
    threshold_note: str = "",
) -> Path:
    """Write the report of one video: pictures, curves, alignment map and events, in step.

    The pictures are those of a :class:`~vad_lib.deployment.small_copy.SmallCopy`. Up to :data:`EMBEDDED_AT_MOST` bytes it stands in
    the page; a larger one lies beside it, under the page's name with ``.mp4``.

    Args:
        path: target, ending ``.html``.
        title: name of the video, any characters.
        video: its small copy, of :func:`shrunk` frames, without sound; None leaves all pictures out.
        info: of the video, as :func:`vad_lib.data.video.probe` gives it.
        frames: a row per frame with ``seconds`` and ``score`` in [0, 1], and perhaps ``visual`` and ``semantic`` in [0, 1].
        events: that ``rule`` finds.
        rule: how scores become events.
        categories: K names, the normal one first; empty where the method knows none.
        alignment: float (T, K), cosine of each snippet with each category's words; None where the method has none.
        model_title: name of the model.
        probabilities: float (F, K) in [0, 1], of each category at each frame, as the events were found with; None without.
        end: seconds at which the last frame ends, as the events were found with.
        threshold_note: where the threshold comes from, in a few words.

    Returns:
        the path.

    Raises:
        ConfigError: the video lies where its copy would.
        DataError: lengths of table, video, alignment or probabilities differ.
        OutputError: the folder cannot be written or the disk is full; what was there is whole.
    """
    path = Path(path)
    _check(title, info, frames, categories, alignment, probabilities)
    pieces = _pieces(frames, end, probabilities)
    content: dict[str, Any] = {
        "rule": rule.model_dump(),
        "events": [asdict(event) for event in events],
        "pieces": pieces,
        "curves": _curves(frames, pieces["edges"][-1]),
        "categories": [valid(category) for category in categories],
        "alignment": None if alignment is None else _map(alignment, pieces["edges"][-1], frames, title),
        "words": {name: words for name, (words, *_) in style.CURVES.items()},
        "colours": [to_hex(colour) for colour in matplotlib.colormaps["cividis"](np.linspace(0, 1, 64))],
    }
    source = "" if video is None else _copy(video, path.with_suffix(".mp4"))
    parts = {
        "title": escaped(title),
        "about": escaped(
            f"{clock(info.duration)} long · {info.num_frames:,} frames of {info.width} x {info.height} · {model_title}"
        ),
        "layout": "video" if source else "curves",
        "video": _video_element(source),
        "rule": escaped(_rule_in_words(rule, threshold_note)),
        "threshold": f"{rule.threshold:.3f}",
        "copy": escaped(_copy_in_words(source)),
        "notes": _notes(info),
        "data": as_script(content),
    }
    return write_text(path, filled("report", parts))


def write_index(path: Path | str, rows: Sequence[IndexRow], *, title: str = "Videos") -> Path:
    """Write the page of a folder: a line per video with a link to its report, and at the end the videos that failed, with reasons.

    Args:
        path: target, ending ``.html``.
        rows: the videos, in the order in which they are shown first.
        title: of the page.

    Returns:
        the path.

    Raises:
        OutputError: the folder cannot be written or the disk is full; what was there is whole.
    """
    path = Path(path)
    scored, failed = [row for row in rows if not row.failure], [row for row in rows if row.failure]
    total = sum(row.num_events for row in scored)
    about = f"{counted(len(scored), 'video')}, {clock(sum(row.seconds for row in scored), 0)} in all · {counted(total, 'event')}"
    parts = {
        "title": escaped(title),
        "about": escaped(about + (f" · {len(failed):,} failed, see the end" if failed else "")),
        "rows": "\n".join(_index_row(row, path.parent) for row in scored),
        "failures": _failures(failed),
    }
    return write_text(path, filled("index", parts))


# --- the numbers of a report ------------------------------------------------------------------------------


def _check(
    title: str,
    info: VideoInfo,
    frames: pd.DataFrame,
    categories: tuple[str, ...],
    alignment: np.ndarray | None,
    probabilities: np.ndarray | None,
) -> None:
    if len(frames) != info.num_frames:
        raise DataError(f"{title}: expected a score for each of {info.num_frames:,} frames, got {len(frames):,}. Score it again.")
    for name, array in (("alignment", alignment), ("probabilities", probabilities)):
        if array is not None:
            # how many rows the map has is checked with its times
            shape = (len(frames) if name == "probabilities" else len(array), len(categories))
            if array.shape != shape:
                raise DataError(f"{title}: expected {name} of shape {shape}, got {array.shape}. Score it again.")


def _stretches(values: np.ndarray) -> np.ndarray:
    """Bounds of the stretches of equal values: the first index of each, and the length at the end."""
    return np.concatenate(([0], np.flatnonzero(np.diff(values)) + 1, [len(values)]))


def _pieces(frames: pd.DataFrame, end: float, probabilities: np.ndarray | None) -> dict[str, Any]:
    """Stretches of frames of one score: all that the rule needs, and no digit of it is rounded away."""
    score = frames["score"].to_numpy(dtype=np.float64)
    bounds = _stretches(score)
    edges = np.append(frames["seconds"].to_numpy(dtype=np.float64), end)
    lengths = np.diff(bounds)
    shares = None
    if probabilities is not None:
        sums = np.add.reduceat(probabilities.astype(np.float64), bounds[:-1], axis=0)
        shares = (sums / lengths[:, None]).round(6).tolist()
    return {
        "frames": bounds.tolist(),
        "edges": edges[bounds].tolist(),
        "middles": edges[bounds[:-1] + (lengths - 1) // 2].tolist(),
        "score": score[bounds[:-1]].tolist(),
        "probabilities": shares,
    }


def _curves(frames: pd.DataFrame, end: float) -> dict[str, Any]:
    """The curves beside the score, to be drawn."""
    edges, curves = np.append(frames["seconds"].to_numpy(dtype=np.float64), end), {}
    for name in style.CURVES:
        if name != "score" and name in frames:
            values = frames[name].to_numpy(dtype=np.float64)
            bounds = _stretches(values)
            curves[name] = {"edges": edges[bounds].round(3).tolist(), "values": values[bounds[:-1]].round(4).tolist()}
    return curves


def _map(alignment: np.ndarray, end: float, frames: pd.DataFrame, title: str) -> dict[str, Any]:
    lengths = snippet_frames(len(alignment), len(frames), FRAMES_PER_SNIPPET, title, "extend")
    first = np.concatenate(([0], np.cumsum(lengths)))
    edges = np.append(frames["seconds"].to_numpy(dtype=np.float64), end)
    values = alignment.astype(np.float64).round(4)
    return {
        "edges": edges[first].round(3).tolist(),
        "values": values.tolist(),
        "low": float(values.min()),
        "high": float(values.max()),
    }


# --- pictures ---------------------------------------------------------------------------------------------


def _copy(video: Path, beside: Path) -> str:
    """The small copy as a data URI, or the name of the file beside the page that it is written to if it is too large for one."""
    if video.resolve() == beside.resolve():
        raise ConfigError(f"{video}: the copy for the page would take the place of the video itself; choose another folder.")
    if video.stat().st_size > EMBEDDED_AT_MOST:
        with atomic_path(beside) as temporary:
            shutil.copyfile(video, temporary)
        return quote(os.fsencode(beside.name))
    beside.unlink(missing_ok=True)
    return f"data:video/mp4;base64,{base64.b64encode(video.read_bytes()).decode()}"


def shrunk(frame: np.ndarray) -> np.ndarray:
    """A frame as the copy of a page has it, at most :data:`LARGEST_PICTURE`; uint8 (H, W, 3)."""
    height, width = frame.shape[:2]
    scale = min(1.0, LARGEST_PICTURE[0] / width, LARGEST_PICTURE[1] / height)
    size = tuple(max(2, 2 * round(side * scale / 2)) for side in (width, height))
    return frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


# --- words ------------------------------------------------------------------------------------------------


def _video_element(source: str) -> str:
    if not source:
        return ""
    element = f'<video id="video" controls muted playsinline preload="auto" aria-label="The video" src="{source}"></video>'
    failed = "The video cannot be shown. If it is a file beside this page, keep both in one folder. The browser must play H.264."
    return f'<section id="picture">\n{element}\n<p id="video-failed" class="failed" hidden>{failed}</p>\n</section>'


def _rule_in_words(rule: EventRule, note: str) -> str:
    origin = f" ({note})" if note else ""
    return (
        f"An event starts where the score reaches the threshold {rule.threshold:.3f}{origin}. It ends where the score falls below "
        f"{rule.lower:.3f}, {rule.lower_share:.0%} of the threshold. Events with less than {rule.gap:g} s between them are joined. "
        f"Events shorter than {rule.shortest:g} s are left out. Confidence is the mean probability of the category among "
        "all categories, the normal one included."
    )


def _copy_in_words(source: str) -> str:
    if not source:
        return "There are no pictures, because they were switched off."
    words = "The video here is a small copy without sound. Its times are those of the file, in seconds from the start."
    if source.startswith("data:"):
        return words + " It is part of this page."
    return words + " It is too large to be part of this page and lies beside it: keep both files in one folder."


def _notes(info: VideoInfo) -> str:
    if not info.notes:
        return ""
    items = "\n".join(f"<li>{escaped(note[:1].upper() + note[1:])}</li>" for note in info.notes)
    return f"<h2>What is special about this video</h2>\n<ul>\n{items}\n</ul>"


def _index_row(row: IndexRow, folder: Path) -> str:
    name = escaped(row.name)
    if row.report is not None:
        link = quote(os.fsencode(os.path.relpath(row.report, folder).replace(os.sep, "/")))
        name = f'<a href="./{link}">{name}</a>'
    numbers = (
        (f"{row.seconds:.3f}", clock(row.seconds)),
        (f"{row.num_events}", f"{row.num_events:,}"),
        ("", "") if row.highest is None else (f"{row.highest:.6f}", f"{row.highest:.2f}"),
        ("", "none") if row.first is None else (f"{row.first:.3f}", clock(row.first)),
    )
    cells = "".join(f'<td data-value="{value}">{words}</td>' for value, words in numbers)
    return f'<tr><td class="words" data-value="{escaped(row.name)}">{name}</td>{cells}<td>{_spark(row.scores)}</td></tr>'


def _spark(scores: np.ndarray | None) -> str:
    """A small curve; of a long video each point is the highest score of its part, so that no peak is lost."""
    if scores is None or not len(scores):
        return ""
    starts = np.unique(np.linspace(0, len(scores), min(SPARK_POINTS, len(scores)), endpoint=False).astype(int))
    heights = 25 - 24 * np.maximum.reduceat(np.asarray(scores, dtype=np.float64), starts)
    lefts = starts / len(scores) * 160
    steps = "".join(f"H{left:.1f}V{height:.1f}" for left, height in zip(lefts, heights))
    shape = f'<path d="M0 {heights[0]:.1f}{steps}H160"/>'
    return f'<svg class="spark" viewBox="0 0 160 26" preserveAspectRatio="none" aria-hidden="true">{shape}</svg>'


def _failures(failed: Sequence[IndexRow]) -> str:
    if not failed:
        return ""
    rows = "\n".join(f"<tr><td>{escaped(row.name)}</td><td>{escaped(row.failure)}</td></tr>" for row in failed)
    head = '<tr><th class="words" scope="col">Video</th><th class="words" scope="col">Reason</th></tr>'
    return f'<h2>Not scored</h2>\n<table id="failures">\n<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody>\n</table>'
