"""ShanghaiTech in the weakly supervised split of Zhong et al. (CVPR 2019): its facts, its two lists and the frame masks.

``SH_Train.txt`` and ``SH_Test.txt`` name a video in a line. MIST (Feng et al., CVPR 2021) releases them as ``SH_Train_new.txt`` and
``SH_Test_NEW.txt`` with the label behind the name, and behind that the frames of normal test videos (-1 for abnormal ones). A
name is the camera and the number of the video, ``01_0014``: four digits in the second part come from the test set of the
original release, whose videos are all abnormal, and three digits from its training set, whose videos are all normal. Frame
masks, ``test_frame_mask/01_0014.npy``, are in the original release.
"""

import re
from pathlib import Path

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.finding import Finding, Tell, error_at
from vad_lib.data.importing.public_lists import in_both, list_lines, listed_once, masked_record, read_frame_mask, wrong_line
from vad_lib.data.importing.public_sets import ABNORMAL, NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.data.importing.video_names import video_stem
from vad_lib.errors import VadError

SH_TRAIN, SH_TEST = "SH_Train.txt", "SH_Test.txt"
_LINE = re.compile(r"([^,]+?)\s*(?:,\s*([01])\s*(?:,\s*(-1|[0-9]{1,8})\s*)?)?")
_NAME = re.compile(r"[0-9]{2}_[0-9]{3,4}")


def _read(folder: SetFolder) -> FoundLists:
    tell, faulty = folder.tell, folder.faulty
    train, test = folder.paths[SH_TRAIN], folder.paths[SH_TEST]
    train_lines, test_lines = _read_list(train, tell, faulty), _read_list(test, tell, faulty)
    both = in_both(train, train_lines, test, test_lines, tell)
    records = [VideoRecord(name, "train", (_category(name),), frames) for name, frames in train_lines.items() if name not in both]
    for name, frames in test_lines.items():
        record = VideoRecord(name, "test", (NORMAL,), frames)
        if _category(name) == ABNORMAL:
            record = _abnormal(name, folder) or record
        if record.categories != (_category(name),):
            faulty.add(name)
        else:
            records.append(record)
    return FoundLists(VideoList(SHANGHAITECH.categories, tuple(records)), [train, test, *folder.truth.values()], faulty=faulty)


def _category(name: str) -> str:
    return ABNORMAL if len(name.partition("_")[2]) == 4 else NORMAL


def _read_list(path: Path, tell: Tell, faulty: set[str]) -> dict[str, int]:
    """Frames by name, 0 where the list does not give them."""
    found: dict[str, int] = {}
    for place, line in list_lines(path, tell):
        parts = _LINE.fullmatch(line)
        name, label, frames = (video_stem(parts.group(1)), *parts.groups()[1:]) if parts else (line, None, None)
        wanted = str(int(_category(name) == ABNORMAL))
        if not _NAME.fullmatch(name):
            wrong_line(place, "'01_0014', '01_0014,1' or '01_001,0,764'", line, tell, faulty)
        elif label not in (None, wanted):
            wrong_line(place, f"label {wanted} of video {name}, by the digits of its name", line, tell, faulty)
        elif listed_once(found, name, place, tell):
            found[name] = max(int(frames or 0), 0)
    return found


def _abnormal(name: str, folder: SetFolder) -> VideoRecord | None:
    """An abnormal test video with the intervals of its mask; None if there is none, which is told."""
    if name not in folder.truth:
        message, fix = f"no frame mask test_frame_mask/{name}.npy of this abnormal test video", "add it from the release"
        folder.tell(Finding("error", "list-video", f"video {name}", message, fix))
        return None
    try:
        mask = read_frame_mask(folder.truth[name])
    except VadError as error:
        folder.tell(error_at("list-unreadable", folder.truth[name], error, ""))
        return None
    if not mask.any():
        message = "the frame mask of an abnormal test video has no abnormal frame"
        folder.tell(Finding("error", "list-video", str(folder.truth[name]), message, "use the released file"))
        return None
    return masked_record(name, mask)


SHANGHAITECH = PublicSet(
    name="shanghaitech",
    title="ShanghaiTech",
    categories=(NORMAL, ABNORMAL),
    headline_metric="auc",
    fps=24.0,
    lists=(SH_TRAIN, SH_TEST),
    aliases={"SH_Train_new.txt": SH_TRAIN, "SH_Test_NEW.txt": SH_TEST},
    truth=r"test_frame_mask/([0-9]{2}_[0-9]{3,4})\.npy",
    truth_example="test_frame_mask/01_0014.npy",
    counts={"train": (63, 175), "test": (44, 155)},
    totals={"frames": (141_870, 7_962), "A": None},
    read=_read,
    measures=("auc", "macro_auc"),
    pitfalls=(
        "the original split has 330 normal training and 107 test videos; its numbers are not comparable with the weakly "
        "supervised split of 238 and 199 videos",
        "unsupervised papers report micro or macro AUC without saying which",
        "ground truths made for the features of RTFM have 142,912 or 143,888 frames, 8,028 of them abnormal, where the masks "
        "have 141,870 and 7,962",
        "features of a snippet too many need --align cut or --align both",
    ),
    unverified=("24 frames a second is the rate that papers use; no released list states it",),
    source="Zhong et al., CVPR 2019 (lists); Feng et al., CVPR 2021 (labels and lengths); Luo et al., ICCV 2017 (masks)",
)
