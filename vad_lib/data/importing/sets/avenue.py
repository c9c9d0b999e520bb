"""CUHK Avenue (Lu et al., ICCV 2013): its facts and its pixel masks.

``ground_truth_demo/testing_label_mask/1_label.mat`` to ``21_label.mat`` hold ``volLabel``, a pixel mask for each frame; a frame is
abnormal if any pixel is. Test videos are called 01 to 21, and the 16 training videos, which are all normal, 01 to 16: features of
training videos must be named training_01 to training_16 to be told apart, and are taken where there is any.
"""

import re

from vad_lib.data.annotations import VideoList
from vad_lib.data.finding import Finding, error_at
from vad_lib.data.importing.matlab_masks import read_pixel_masks
from vad_lib.data.importing.public_lists import masked_record, normal_training
from vad_lib.data.importing.public_sets import ABNORMAL, NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.errors import VadError

_TRAINED = tuple(f"training_{number:02}" for number in range(1, 17))


def _read(folder: SetFolder) -> FoundLists:
    _tell_same_names(folder)
    records = normal_training(folder, _TRAINED)
    for number, path in sorted((int(video), path) for video, path in folder.truth.items()):
        try:
            records.append(masked_record(f"{number:02}", read_pixel_masks(path, "volLabel")))
        except VadError as error:
            folder.faulty.add(f"{number:02}")
            folder.tell(error_at("list-unreadable", path, error, ""))
    return FoundLists(VideoList(AVENUE.categories, tuple(records)), list(folder.truth.values()), faulty=folder.faulty)


def _tell_same_names(folder: SetFolder) -> None:
    """Tell of files of training videos that have the names of test videos."""
    for file in folder.files:
        folders = file.path.relative_to(folder.source).parts[:-1]
        if re.fullmatch("[0-9]{2}", file.key) and any("train" in part.lower() for part in folders):
            message = "a training video with the name of a test video"
            folder.tell(Finding("error", "list-video", str(file.path), message, f"rename it to training_{file.key}"))


AVENUE = PublicSet(
    name="avenue",
    title="CUHK Avenue",
    categories=(NORMAL, ABNORMAL),
    headline_metric="auc",
    fps=25.0,
    lists=(),
    truth=r"testing_label_mask/([0-9]{1,2})_label\.mat",
    truth_example="testing_label_mask/1_label.mat",
    counts={"train": (0, 16), "test": (21, 0)},
    totals={"frames": None, "A": None},
    read=_read,
    measures=("auc", "macro_auc"),
    pitfalls=(
        "no training video is abnormal, so methods for weak supervision cannot be trained on the released split",
        "every test video is abnormal, so false alarms on normal videos cannot be measured",
        "two ground truths are in use: the pixel masks, and avenue.mat with 47 intervals, by which 3,867 of 15,324 frames are "
        "abnormal, or 3,820 if the last frame of each is left out",
        "people report that in the masks every frame of videos 08 and 18 is abnormal, so that their AUC is not defined and macro "
        "AUC depends on a convention (issue 8 of sspcab)",
        "methods that predict frames leave out the first ones of each video: 15,240 of 15,324 frames if 4 are left out",
        "training and test videos have the same names",
    ),
    unverified=(
        "the number of abnormal frames by the masks, so totals are not checked",
        "25 frames a second is the rate that papers use",
    ),
    source="Lu et al., ICCV 2013; counts of frames from codes that use the set",
)
