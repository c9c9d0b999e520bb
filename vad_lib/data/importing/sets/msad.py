"""MSAD (Zhu et al., NeurIPS 2024), protocol ii for weak supervision: its facts, its two lists and its table of anomalies.

``msad-i3d.list`` and ``msad-i3d-test.list`` have the path of a feature file in a line; a name says what is seen (``Fire_12``,
``MSAD_normal_testing_118``). ``anomaly_annotation.csv`` has the columns *name*, *scenario*, *total frames*, *starting frame of
anomaly* and *ending frame of anomaly*, a row for each abnormal video, those for training too.
"""

import re
from pathlib import Path

from vad_lib.data.annotations import MOST_FRAMES, VideoList, VideoRecord
from vad_lib.data.finding import Finding, Tell
from vad_lib.data.hand_made_lists import read_rows, whole_number
from vad_lib.data.importing.public_lists import in_both, list_lines, listed_once, wrong_line
from vad_lib.data.importing.public_sets import NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.data.importing.video_names import crop_suffix, video_key, video_stem

MSAD_TRAIN, MSAD_TEST, MSAD_ANOMALIES = "msad-i3d.list", "msad-i3d-test.list", "anomaly_annotation.csv"
# what stands in the names -> category
_KINDS = {
    "Assault": "Assault",
    "Explosion": "Explosion",
    "Fighting": "Fighting",
    "Fire": "Fire",
    "Object_falling": "ObjectFalling",
    "People_falling": "PeopleFalling",
    "Robbery": "Robbery",
    "Shooting": "Shooting",
    "Traffic_accident": "TrafficAccident",
    "Vandalism": "Vandalism",
    "Water_incident": "WaterIncident",
}
_COLUMNS = ("name", "total frames", "starting frame of anomaly", "ending frame of anomaly")


def _read(folder: SetFolder) -> FoundLists:
    tell, faulty = folder.tell, folder.faulty
    train, test, anomalies = paths = [folder.paths[name] for name in MSAD.lists]
    train_lines, test_lines = _read_list(train, tell, faulty), _read_list(test, tell, faulty)
    annotated = _read_anomalies(anomalies, tell, faulty)
    both = in_both(train, train_lines, test, test_lines, tell)
    records = [
        VideoRecord(name, "train", (category,), annotated.get(name, (0,))[0])
        for name, category in train_lines.items()
        if name not in both
    ]
    for name, category in test_lines.items():
        frames, spans = annotated.get(name, (0, ())) if category != NORMAL else (0, ())
        if category != NORMAL and not spans:
            if name not in faulty:  # else its row was told
                message = f"no row for the abnormal test video {name}"
                tell(Finding("error", "list-videos", str(anomalies), message, "use the released file"))
            faulty.add(name)
        else:
            records.append(VideoRecord(name, "test", (category,), frames, spans))
    return FoundLists(VideoList(MSAD.categories, tuple(records)), paths, faulty=faulty)


def _read_list(path: Path, tell: Tell, faulty: set[str]) -> dict[str, str]:
    """Category by name."""
    found: dict[str, str] = {}
    for place, line in list_lines(path, tell):
        name = video_key(crop_suffix(video_stem(line))[0])
        kind = re.fullmatch(r"(\w+)_[0-9]+", name)
        normal = re.fullmatch(r"MSAD_normal_\w+", name)
        if not normal and (not kind or kind.group(1) not in _KINDS):
            wrong_line(place, "a feature file such as 'Fire_12_i3d.npy' or 'MSAD_normal_mall3_i3d.npy'", line, tell, faulty)
        elif listed_once(found, name, place, tell):
            found[name] = NORMAL if normal or not kind else _KINDS[kind.group(1)]
    return found


def _read_anomalies(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[int, tuple[tuple[int, int], ...]]]:
    """Frames and interval of the abnormal videos, by name."""
    found: dict[str, tuple[int, tuple[tuple[int, int], ...]]] = {}
    for row in read_rows(path, _COLUMNS, "the table of MSAD's anomalies", tell=tell):
        name = video_key(row.cells["name"])
        try:
            frames, start, end = (whole_number(row.cells[column]) for column in _COLUMNS[1:])
        except ValueError as error:
            message, _, fix = str(error).rpartition("; ")
            tell(Finding("error", "list-line", row.place, message, fix))
            faulty.add(name)
            continue
        if not 0 <= start < end <= frames + 1 <= MOST_FRAMES:
            message = f"an anomaly from frame {start:,} to {end:,} cannot be in the {frames:,} frames of video {name}"
            tell(Finding("error", "list-line", row.place, message, "use the released file"))
            faulty.add(name)
        elif listed_once(found, name, row.place, tell):
            found[name] = frames, ((start, end),)
    return found


MSAD = PublicSet(
    name="msad",
    title="MSAD",
    categories=(NORMAL, *_KINDS.values()),
    headline_metric="auc",
    fps=30.0,
    lists=(MSAD_TRAIN, MSAD_TEST, MSAD_ANOMALIES),
    aliases={"MSAD_I3D_WS_Train.list": MSAD_TRAIN, "MSAD_I3D_WS_Test.list": MSAD_TEST},
    counts={"train": (120, 360), "test": (120, 120)},
    totals={"A": None, "frames": None},
    read=_read,
    measures=("auc", "ap"),
    pitfalls=(
        "protocol i trains on normal videos only and tests on other videos; its numbers are not comparable with protocol ii",
        "the authors' ground truth gt-MSAD-WS-new.npy has 143,920 frames, 33,160 of them abnormal",
        "a normal test video of 421 frames has 16 vectors in the released features, 256 frames (issue 2 of their repository)",
        "features are 2,048 wide and of 10 crops: pass --dimension 2048",
        "the lists hold the paths of the authors' machine; only the names count",
    ),
    unverified=(
        "whether the ending frame of an anomaly is abnormal, and whether frames count from 0 or 1: intervals are taken as "
        "[start, end), so each may be off by a frame",
        "which mask rule the authors' ground truth follows, so totals are not checked",
        "the frames of normal videos, which the table does not give",
        "30 frames a second, which no released list states",
        "the aliases MSAD_I3D_WS_Train.list and MSAD_I3D_WS_Test.list, known from other people's code",
    ),
    source="Zhu et al., NeurIPS 2024 (Datasets and Benchmarks), and the lists of their repository",
)
