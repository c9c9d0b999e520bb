"""UBnormal (Acsintoae et al., CVPR 2022): its facts, its lists of names and the tracks of its anomalies.

``normal_training_video_names.txt``, ``abnormal_training_video_names.txt`` and so on name the videos of a split. A video's
``NAME_tracks.txt`` has a line ``object,first frame,last frame`` for each abnormal object: frames from 0, the last one included; a
frame is abnormal if any object is. The validation videos of the release are neither trained on nor tested on here.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from vad_lib.data.annotations import Split, VideoList, VideoRecord
from vad_lib.data.finding import Finding, Tell
from vad_lib.data.importing.public_lists import Spans, in_both, list_lines, listed_once, read_names, wrong_line
from vad_lib.data.importing.public_sets import ABNORMAL, NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.data.importing.video_names import video_stem

_KINDS = {"abnormal": ABNORMAL, "normal": NORMAL}
_SPLITS: dict[str, Split] = {"training": "train", "test": "test"}
_LISTS = {f"{kind}_{split}_video_names.txt": (kind, split) for split in _SPLITS for kind in _KINDS}
_VALIDATION = tuple(f"{kind}_validation_video_names.txt" for kind in _KINDS)
_NUMBER = r"\s*([0-9]{1,9})(?:\.0*)?\s*"
_TRACK = re.compile(f"{_NUMBER},{_NUMBER},{_NUMBER}")


def _read(folder: SetFolder) -> FoundLists:
    tell, faulty = folder.tell, folder.faulty
    found: dict[str, dict[str, str]] = {"train": {}, "test": {}}  # category by name
    for file, (kind, split) in _LISTS.items():
        _read_list(folder.paths[file], kind, found[_SPLITS[split]], tell, faulty)
    places = [folder.paths[f"normal_{split}_video_names.txt"] for split in _SPLITS]
    both = in_both(places[0], found["train"], places[1], found["test"], tell)
    records = [VideoRecord(name, "train", (category,), 0) for name, category in found["train"].items() if name not in both]
    for name, category in found["test"].items():
        spans = _tracked(name, folder) if category == ABNORMAL else ()
        if spans is None:
            faulty.add(name)
        else:
            records.append(VideoRecord(name, "test", (category,), 0, spans))
    unused = {name for file in _VALIDATION if file in folder.paths for name in read_names(folder.paths[file], tell)}
    videos = VideoList(UBNORMAL.categories, tuple(records))
    return FoundLists(videos, [*folder.paths.values(), *folder.truth.values()], faulty=faulty, unused=unused)


def _read_list(path: Path, kind: str, found: dict[str, str], tell: Tell, faulty: set[str]) -> None:
    """Add the videos of a list, which are all normal or all abnormal."""
    for place, line in list_lines(path, tell):
        name = video_stem(line)
        if not re.fullmatch(rf"{kind}_scene_[0-9]+_scenario\w+", name):
            wrong_line(place, f"'{kind}_scene_1_scenario_2'", line, tell, faulty)
        elif listed_once(found, name, place, tell):
            found[name] = _KINDS[kind]


def _tracked(name: str, folder: SetFolder) -> Spans | None:
    """Abnormal intervals of a test video; None if there are none, which is told."""
    if name not in folder.truth:
        message, fix = f"no {name}_tracks.txt of this abnormal test video", "add it from the release"
        folder.tell(Finding("error", "list-video", f"video {name}", message, fix))
        return None
    spans = []
    for place, line in list_lines(folder.truth[name], folder.tell):
        track = _TRACK.fullmatch(line)
        if not track or int(track.group(2)) > int(track.group(3)):
            wrong_line(place, "'object,first frame,last frame'", line, folder.tell, folder.faulty)
            return None
        spans.append((int(track.group(2)), int(track.group(3)) + 1))
    return _merged(spans) or None


def _merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """Spans that neither overlap nor touch.

    Example:
        >>> _merged([(5, 9), (0, 3), (8, 12), (3, 4)])
        ((0, 4), (5, 12))
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return tuple(merged)


UBNORMAL = PublicSet(
    name="ubnormal",
    title="UBnormal",
    categories=(NORMAL, ABNORMAL),
    headline_metric="auc",
    fps=30.0,
    lists=tuple(_LISTS),
    optional_lists=_VALIDATION,
    truth=r"[^/]*/(\w+)_tracks\.txt",
    truth_example="Scene1/abnormal_scene_1_scenario_1_annotations/abnormal_scene_1_scenario_1_tracks.txt",
    counts={"train": (82, 186), "test": (158, 53)},
    totals={"A": None, "frames": None},
    read=_read,
    measures=("auc", "macro_auc"),
    pitfalls=(
        "the kinds of anomaly in training and test videos are disjoint",
        "the last frame of a track is abnormal, so an interval that leaves it out loses a frame each time",
        "the authors' macro AUC puts a 0 before and a 1 behind every video, and they advise micro AUC",
        "the 64 validation videos of the release are left out; methods here hold out training videos instead",
        "videos are rendered, so features of real footage do not carry over",
    ),
    unverified=(
        "no list gives the frames of the videos, so totals are not checked; give them with --frames for mask rule frames",
        "30 frames a second is taken from other papers; no released list states it",
    ),
    source="Acsintoae et al., CVPR 2022, and the lists and the scripts of their repository",
)
