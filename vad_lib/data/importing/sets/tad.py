"""TAD, the Traffic Anomaly Dataset (Lv et al., TIP 2021): its facts and its two lists.

The lists are those of UMIL (Lv et al., CVPR 2023), by the same first author. ``TAD_train.txt`` has a line ``PATH 0 FRAMES KIND``
for each video; ``TAD_test.txt`` has ``PATH FRAMES KIND START END``. KIND is 0 for normal videos, else the number in the name.
START and END of a normal video are its begin and end, and mean nothing. PATH is ``frames/abnormal/01_Accident_001.mp4``, a folder
of frames.
"""

import re
from pathlib import Path

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.finding import Tell
from vad_lib.data.importing.public_lists import frame_pairs, in_both, list_lines, listed_once, wrong_line
from vad_lib.data.importing.public_sets import NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.data.importing.video_names import video_key, video_stem

TAD_TRAIN, TAD_TEST = "TAD_train.txt", "TAD_test.txt"
# what stands in the names -> category; its place is the kind in the test list
_KINDS = {
    "Normal": NORMAL,
    "01_Accident": "Accident",
    "02_IllegalTurn": "IllegalTurn",
    "03_IllegalOccupation": "IllegalOccupation",
    "04_Retrograde": "Retrograde",
    "05_else": "Else",
    "06_PedestrianOnRoad": "PedestrianOnRoad",
    "07_RoadSpills": "RoadSpills",
}
_NAME = re.compile(r"(\w+)_[0-9]+")


def _read(folder: SetFolder) -> FoundLists:
    tell, faulty = folder.tell, folder.faulty
    train, test = folder.paths[TAD_TRAIN], folder.paths[TAD_TEST]
    trained, tested = _read_train(train, tell, faulty), _read_test(test, tell, faulty)
    both = in_both(train, trained, test, tested, tell)
    records = (*(record for key, record in trained.items() if key not in both), *tested.values())
    return FoundLists(VideoList(TAD.categories, records), [train, test], faulty=faulty)


def _kind(path: str) -> tuple[str, int | None]:
    """Name of a video, and the number of its kind; None if the name has none."""
    name = video_stem(path)
    found = _NAME.fullmatch(name)
    return name, list(_KINDS).index(found.group(1)) if found and found.group(1) in _KINDS else None


def _category(kind: int) -> tuple[str]:
    return (TAD.categories[kind],)


def _read_train(path: Path, tell: Tell, faulty: set[str]) -> dict[str, VideoRecord]:
    records: dict[str, VideoRecord] = {}
    for place, line in list_lines(path, tell):
        (name, kind), numbers = _kind(line.split()[0]), line.split()[1:]
        if kind is None or not re.fullmatch(rf"0 [0-9]{{1,8}} {kind}", " ".join(numbers)):
            wrong_line(place, "'frames/abnormal/01_Accident_001.mp4 0 224 1'", line, tell, faulty)
        elif listed_once(records, name, place, tell):
            records[video_key(name)] = VideoRecord(name, "train", _category(kind), int(numbers[1]))
    return records


def _read_test(path: Path, tell: Tell, faulty: set[str]) -> dict[str, VideoRecord]:
    records: dict[str, VideoRecord] = {}
    for place, line in list_lines(path, tell):
        (name, kind), numbers = _kind(line.split()[0]), line.split()[1:]
        if kind is None or len(numbers) < 4 or not re.fullmatch("[0-9]{1,8}", numbers[0]) or numbers[1] != str(kind):
            wrong_line(place, "'frames/abnormal/01_Accident_006.mp4 266 1 75 110'", line, tell, faulty)
            continue
        spans = frame_pairs(numbers[2:], place, line, tell)
        if spans is None:
            faulty.add(video_key(name))
        elif kind and not spans:
            wrong_line(place, "an interval of an abnormal video", line, tell, faulty)
        elif listed_once(records, name, place, tell):
            records[video_key(name)] = VideoRecord(name, "test", _category(kind), int(numbers[0]), spans if kind else ())
    return records


TAD = PublicSet(
    name="tad",
    title="TAD",
    categories=tuple(_KINDS.values()),
    headline_metric="auc",
    fps=30.0,
    lists=(TAD_TRAIN, TAD_TEST),
    counts={"train": (190, 210), "test": (60, 40)},
    totals={"frames": (84_086, 10_609), "A": None},
    read=_read,
    measures=("auc",),
    pitfalls=(
        "AUC is given on all test videos, and on the 60 abnormal ones alone as a second number",
        "the code of UMIL leaves out intervals that start at frame 0: 13 abnormal test videos then count as normal, and of "
        "84,086 test frames 5,832 are abnormal in place of 10,609",
        "intervals that reach the end of a video end at its number of frames plus 1",
        "a person reports an accident in the normal test video Normal_218 from frame 243 on (issue 19 of the authors' repository)",
        "frames are named 0.jpg, 1.jpg, 10.jpg: read them in the order of their numbers",
    ),
    unverified=("the release has frames without their rate; 30 a second is assumed, so times and alarms per hour may be wrong",),
    source="Lv et al., TIP 2021; lists of Lv et al., CVPR 2023",
)
