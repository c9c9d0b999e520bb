"""UCF-Crime (Sultani et al., CVPR 2018): its facts and its three lists.

``Anomaly_Train.txt`` and ``Anomaly_Test.txt`` name the videos by category folder, ``Temporal_Anomaly_Annotation.txt`` gives up to
two abnormal intervals of every test video. Test videos come in the order of the public ground-truth arrays: abnormal ones by
name, then normal ones by name (the order of ``Anomaly_Test.txt`` is another one).
"""

import re
from pathlib import Path, PurePosixPath

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.finding import Finding, Tell, refuse
from vad_lib.data.importing.public_lists import (
    RELEASED,
    Spans,
    frame_pairs,
    in_both,
    list_lines,
    listed_once,
    same_videos,
    stored_order,
    wrong_line,
)
from vad_lib.data.importing.public_sets import NORMAL, FoundLists, PublicSet, SetFolder
from vad_lib.data.importing.video_names import video_key, video_stem

UCF_CATEGORIES = (
    *(NORMAL, "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents"),
    *("Robbery", "Shooting", "Shoplifting", "Stealing", "Vandalism"),
)
UCF_TRAIN, UCF_TEST, UCF_ANNOTATION = "Anomaly_Train.txt", "Anomaly_Test.txt", "Temporal_Anomaly_Annotation.txt"


def read_ucf_crime(
    train: Path | str, test: Path | str, annotation: Path | str, tell: Tell = refuse, faulty: set[str] | None = None
) -> VideoList:
    """Read the three lists of UCF-Crime.

    Args:
        train: ``Anomaly_Train.txt``.
        test: ``Anomaly_Test.txt``.
        annotation: ``Temporal_Anomaly_Annotation.txt``.
        tell: gets what is wrong with a line or a list; such lines are left out.
        faulty: gets the keys of the videos whose lines are left out.

    Returns:
        training videos in the order of their list, then test videos in the order of the public arrays. ``num_frames`` is
        0, because no list gives it: put in what the features or the videos say.

    Raises:
        MissingFileError: a file is not there.
        DataError: if nobody is told: a line is malformed, a name comes twice or in both splits, or the test list and the
            annotation name different videos; the message names file and line.
    """
    faulty = set() if faulty is None else faulty
    train_lines, test_lines = (_read_ucf_list(Path(path), tell, faulty) for path in (train, test))
    both = in_both(train, train_lines, test, test_lines, tell)
    spans = read_ucf_annotation(Path(annotation), tell, faulty)
    same_videos(test, test_lines, annotation, spans, tell, faulty)
    records = [VideoRecord(name, "train", (category,), 0) for key, (name, category) in train_lines.items() if key not in both]
    tested = []
    for key, (name, category) in test_lines.items():
        annotated, intervals = spans.get(key, (category, ()))
        if annotated != category:
            message = f"video {name} is {annotated}, but {category} in {test}"
            tell(Finding("error", "list-category", str(annotation), message, RELEASED))
        if key in spans:
            tested.append(VideoRecord(name, "test", (category,), 0, intervals))
        else:
            faulty.add(key)
    return VideoList(UCF_CATEGORIES, (*records, *stored_order(tested)))


def _read_ucf_list(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[str, str]]:
    """Name and category by key."""
    found: dict[str, tuple[str, str]] = {}
    for place, line in list_lines(path, tell):
        stem, folder = video_stem(line), PurePosixPath(line.replace("\\", "/")).parent.name
        category, wanted = re.split("[^A-Za-z]", stem, maxsplit=1)[0], "'Category/CategoryNNN_x264.mp4'"
        if category not in UCF_CATEGORIES or (folder and (NORMAL if NORMAL in folder else folder) != category):
            wrong_line(place, wanted, line, tell, faulty)
        elif not re.fullmatch(r"\w+", stem):
            wrong_line(place, f"{wanted} and nothing else", line, tell, faulty, "remove what stands behind the name")
        elif listed_once(found, stem, place, tell):
            found[video_key(stem)] = stem, category
    return found


def read_ucf_annotation(path: Path, tell: Tell, faulty: set[str]) -> dict[str, tuple[str, Spans]]:
    """Category and intervals by key."""
    spans: dict[str, tuple[str, Spans]] = {}
    for place, line in list_lines(path, tell):
        name, category, *numbers = [*line.split(), ""]
        key, found = video_key(name), None
        if len(numbers) != 5 or category not in UCF_CATEGORIES:
            message = f"expected 'name category start end start end' (-1 -1 for none), got {line!r}"
            tell(Finding("error", "list-line", place, message, "correct it"))
        else:
            found = frame_pairs(numbers[:-1], place, line, tell)
            if found is not None and (category == NORMAL) != (not found):
                message = f"a video of category {category} with {len(found)} intervals cannot be"
                tell(Finding("error", "list-line", place, message, f"correct the line {line!r}"))
                found = None
        if found is None:
            faulty.add(key)
        elif listed_once(spans, name, place, tell):
            spans[key] = category, found
    return spans


def _read(folder: SetFolder) -> FoundLists:
    paths = [folder.paths[name] for name in UCF_CRIME.lists]
    videos = read_ucf_crime(paths[0], paths[1], paths[2], folder.tell, folder.faulty)
    return FoundLists(videos, paths, faulty=folder.faulty)


# F is divisible by 16, yet the last snippet is missing in the features of Wu et al.
_SHORTER_UNDER_A = (
    *("Assault006", "Burglary037", "RoadAccidents010", "RoadAccidents016", "Shooting046", "Shoplifting010", "Shoplifting015"),
    *("Normal_Videos_881", "Normal_Videos_914"),
)
UCF_CRIME = PublicSet(
    name="ucf-crime",
    title="UCF-Crime",
    categories=UCF_CATEGORIES,
    headline_metric="auc",
    fps=30.0,
    lists=(UCF_TRAIN, UCF_TEST, UCF_ANNOTATION),
    aliases={"Temporal_Anomaly_Annotation_for_Testing_Videos.txt": UCF_ANNOTATION},  # the name in the authors' own archive
    counts={"train": (810, 800), "test": (140, 150)},
    totals={"A": (1_109_680, 84_128), "B": (1_114_144, 84_389), "C": (1_109_888, 84_160), "frames": (1_111_808, 84_182)},
    snippets={"A": "floor", "B": "ceil", "C": "floor"},
    exceptions={
        "A": (-1, frozenset(_SHORTER_UNDER_A)),
        "C": (1, frozenset(("Shooting032", "Normal_Videos_924", "Normal_Videos_935", "Normal_Videos_940"))),
    },
    read=_read,
    measures=("auc", "ap"),
    pitfalls=(
        "three mask rules are in use, and their totals of test frames differ",
        "the order of Anomaly_Test.txt is not the order of the public ground-truth arrays",
        "the field counts false alarms on normal videos only, the formula counts them on every normal frame",
    ),
    source="Sultani et al., CVPR 2018, and the released lists",
)
