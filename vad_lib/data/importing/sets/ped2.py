"""UCSD Ped2 (Mahadevan et al., CVPR 2010; release v1p2): its facts and its list of abnormal frames.

``UCSDped2.m`` has a line ``TestVideoFile{end+1}.gt_frame = [61:180];`` for each test video, Test001 to Test012: frames from 1, the
last one included. All test videos are abnormal and all training videos, Train001 to Train016, are normal. No list names the
training videos: they are taken where there are features or videos of any of them.
"""

import re

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.importing.public_lists import Spans, list_lines, normal_training, wrong_line
from vad_lib.data.importing.public_sets import ABNORMAL, NORMAL, FoundLists, PublicSet, SetFolder

PED2_TRUTH = "UCSDped2.m"
_TEST_FRAMES = (180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180)
_TRAINED = tuple(f"Train{number:03}" for number in range(1, 17))
_LINE = re.compile(r"TestVideoFile\{end\s*\+\s*1\}\.gt_frame\s*=\s*\[([0-9:,\s]+)\]\s*;?")


def _read(folder: SetFolder) -> FoundLists:
    path = folder.paths[PED2_TRUTH]
    records = normal_training(folder, _TRAINED)
    number = 0
    for place, line in list_lines(path, folder.tell):
        if re.fullmatch(r"TestVideoFile\s*=\s*\{\s*\}\s*;?|%.*", line):
            continue
        number += 1
        name, spans = f"Test{number:03}", _spans(line)
        if not spans:
            wrong_line(place, "'TestVideoFile{end+1}.gt_frame = [61:180];'", line, folder.tell, folder.faulty)
            folder.faulty.add(name)
            continue
        frames = _TEST_FRAMES[number - 1] if number <= len(_TEST_FRAMES) else 0
        records.append(VideoRecord(name, "test", (ABNORMAL,), frames, spans))
    return FoundLists(VideoList(PED2.categories, tuple(records)), [path], faulty=folder.faulty)


def _spans(line: str) -> Spans:
    """Intervals [start, end) of a line; none if it is another line.

    Example: frames 5 to 90 and 140 to 200, counted from 1.
        >>> _spans("TestVideoFile{end+1}.gt_frame = [5:90, 140:200];")
        ((4, 90), (139, 200))
    """
    found = _LINE.fullmatch(line)
    parts = [part.strip() for part in re.split(r",|\s+(?=[0-9])", found.group(1)) if part.strip()] if found else []
    pairs = [re.fullmatch(r"([0-9]{1,9})\s*:\s*([0-9]{1,9})", part) for part in parts]
    spans = tuple((int(pair.group(1)) - 1, int(pair.group(2))) for pair in pairs if pair)
    return spans if len(spans) == len(pairs) and all(0 <= start < end for start, end in spans) else ()


PED2 = PublicSet(
    name="ped2",
    title="UCSD Ped2",
    categories=(NORMAL, ABNORMAL),
    headline_metric="auc",
    fps=10.0,
    lists=(PED2_TRUTH,),
    counts={"train": (0, 16), "test": (12, 0)},
    totals={"frames": (2_010, 1_648), "A": None},
    read=_read,
    measures=("auc", "macro_auc"),
    pitfalls=(
        "no training video is abnormal, so methods for weak supervision cannot be trained on the released split",
        "weakly supervised papers mix the videos anew: a list of MSAD's repository trains on 6 test videos and 4 training videos",
        "every test video is abnormal, so false alarms on normal videos cannot be measured",
        "four test videos (Test008 to Test011) have abnormal frames only, so their AUC is not defined and macro AUC depends on a "
        "convention",
        "82 % of the test frames are abnormal, so a constant score has an AP of 0.82",
        "methods that predict frames leave out the first ones of each video: 1,962 of 2,010 frames if 4 are left out",
    ),
    unverified=("10 frames a second is the rate that papers use; no released list states it",),
    source="Mahadevan et al., CVPR 2010, and UCSDped2.m of release v1p2",
)
