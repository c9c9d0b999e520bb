"""A CSV of scores, as people write them: columns with other names, semicolons, without a header, with a column of time."""

import csv
import io
import re
from pathlib import Path

from vad_lib.errors import DataError
from vad_lib.storage.reading import read_text

SCORE = ("score", "scores", "prob", "probability", "pred", "prediction", "anomaly_score")
VIDEO = ("video", "name", "video_name", "video_id", "file", "filename")
TIME = ("frame", "frame_id", "snippet", "segment", "index", "time", "time_seconds", "second", "start")


def read_score_table(path: Path) -> dict[str, list[float]]:
    """Scores of every video in the order of the lines, which must be that of time.

    Args:
        path: columns ``score`` and ``video`` (or other usual names, any case), perhaps one of time; separated by commas,
            semicolons or tabs. Without a header: one column of scores, or videos and scores.

    Raises:
        MissingFileError: there is no such file.
        DataError: no scores; a column twice; a line with more cells than the header; a score that is no number; a column of time
            that does not rise.
    """
    text = read_text(path, "a table of scores")
    first = text.partition("\n")[0]
    separator = next((each for each in ";\t" if each in first), ",")
    try:
        rows = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=separator), start=1) if any(row)]
    except csv.Error as error:
        raise DataError(f"{path}: expected CSV ({error}). Correct the line.") from error
    names = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if names and _is_number(names[-1]) and len(names) <= 2:
        names = ["video", "score"][-len(names) :]
    else:
        rows = rows[1:]
    score, video, time = (next((names.index(name) for name in known if name in names), None) for known in (SCORE, VIDEO, TIME))
    if score is None:
        came = f"{', '.join(names)}; rename the columns" if names else "an empty file; save the scores again"
        raise DataError(f"{path}: expected a column 'score', and 'video' if there are several, got {came}.")
    if names.count(names[score]) > 1:
        raise DataError(f"{path}: a column stands there twice: {', '.join(names)}. Remove one.")
    found: dict[str, list[float]] = {}
    last: dict[str, float] = {}
    for number, row in rows:
        if any(row[len(names) :]):  # such as 0,375 for 0.375
            raise DataError(
                f"{path}, line {number}: expected {len(names)} cells, got {len(row)}: {', '.join(row[:9])}; write numbers with a "
                "point, and names with a separator in quotes."
            )
        cells = dict(enumerate(row))
        name = cells.get(video, "").strip() if video is not None else ""
        found.setdefault(name, []).append(_number(path, number, "a number as score", cells.get(score, "")))
        if time is not None:
            now = _number(path, number, f"a number as {names[time]}", cells.get(time, ""))
            if now <= last.get(name, float("-inf")):
                raise DataError(
                    f"{path}, line {number}: expected {names[time]} to rise within a video, got {now:g} after {last[name]:g}; sort "
                    "the lines by video and time."
                )
            last[name] = now
    return found


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|nan|inf", text.strip().lower()))


def _number(path: Path, line: int, wanted: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{path}, line {line}: expected {wanted}, got {text[:40]!r}; correct it.") from None
