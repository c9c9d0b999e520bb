"""What is known of the public data sets UCF-Crime and XD-Violence besides their lists, and how their videos are named."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule, Split
from vad_lib.data.video_files import VIDEO_SUFFIXES

NORMAL = "Normal"
UCF_CATEGORIES = (
    *(NORMAL, "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents"),
    *("Robbery", "Shooting", "Shoplifting", "Stealing", "Vandalism"),
)
# label code in the names of XD-Violence -> category, in the field's order
XD_CODES = {
    "A": NORMAL,
    "B1": "Fighting",
    "B2": "Shooting",
    "B4": "Riot",
    "B5": "Abuse",
    "B6": "CarAccident",
    "G": "Explosion",
}
UCF_TRAIN, UCF_TEST, UCF_ANNOTATION = "Anomaly_Train.txt", "Anomaly_Test.txt", "Temporal_Anomaly_Annotation.txt"
ALIASES = {"Temporal_Anomaly_Annotation_for_Testing_Videos.txt": UCF_ANNOTATION}  # the name in the authors' own archive
XD_BINARY, XD_MULTICLASS = "annotations.txt", "annotations_multiclasses.txt"

_ENDING = re.compile("|".join(rf"\.{suffix[1:]}$" for suffix in (".npy", *VIDEO_SUFFIXES)), re.IGNORECASE)
XD_LABEL = re.compile(r"_label_([A-Z0-9]+(?:-[A-Z0-9]+)*)$")


@dataclass(frozen=True)
class PublicSet:
    """What is known of a public data set besides its lists.

    Attributes:
        name: of the folder and in commands.
        title: in tables.
        categories: the normal one first.
        headline_metric: ``auc`` or ``ap``.
        fps: frames per second of the videos.
        lists: names of the text files that must be there.
        counts: videos per split, abnormal and normal.
        totals: per mask rule, frames and abnormal frames of the whole test set.
        snippets: per mask rule, how features count the snippets of F frames: ``ceil`` of F / 16, ``floor`` of F / 16, or
            ``floor-1`` of (F - 1) / 16.
        exceptions: per mask rule, test videos whose number of snippets is off that by the given number.
    """

    name: str
    title: str
    categories: tuple[str, ...]
    headline_metric: Literal["auc", "ap"]
    fps: float
    lists: tuple[str, ...]
    counts: dict[Split, tuple[int, int]]
    totals: dict[MaskRule, tuple[int, int]]
    snippets: dict[MaskRule, Literal["ceil", "floor", "floor-1"]]
    exceptions: dict[MaskRule, tuple[int, frozenset[str]]] = field(default_factory=dict)

    def expected_snippets(self, rule: MaskRule, video: str, num_frames: int) -> int:
        """Snippets that the public features of a video have.

        Args:
            rule: ``A``, ``B`` or ``C``; one that the field does not use with this set counts as with the other.
            video: name, with or without suffixes.
            num_frames: F, frames of the video file.

        Example: 1,412 frames hold 88 complete snippets and the begin of another.
            >>> [UCF_CRIME.expected_snippets(rule, "Abuse028_x264", 1412) for rule in "ABC"]
            [88, 89, 88]
        """
        how = self.snippets.get(rule, "ceil" if rule == "B" else "floor")
        whole = {
            "ceil": -(-num_frames // FRAMES_PER_SNIPPET),
            "floor": num_frames // FRAMES_PER_SNIPPET,
            "floor-1": (num_frames - 1) // FRAMES_PER_SNIPPET,
        }[how]
        off, videos = self.exceptions.get(rule, (0, frozenset()))
        return whole + (off if video_key(video) in videos else 0)


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
    counts={"train": (810, 800), "test": (140, 150)},
    totals={"A": (1_109_680, 84_128), "B": (1_114_144, 84_389), "C": (1_109_888, 84_160), "frames": (1_111_808, 84_182)},
    snippets={"A": "floor", "B": "ceil", "C": "floor"},
    exceptions={
        "A": (-1, frozenset(_SHORTER_UNDER_A)),
        "C": (1, frozenset(("Shooting032", "Normal_Videos_924", "Normal_Videos_935", "Normal_Videos_940"))),
    },
)
XD_VIOLENCE = PublicSet(
    name="xd-violence",
    title="XD-Violence",
    categories=tuple(XD_CODES.values()),
    headline_metric="ap",
    fps=24.0,
    lists=(XD_BINARY, XD_MULTICLASS),
    counts={"train": (1905, 2049), "test": (500, 300)},
    totals={"A": (2_330_384, 537_805), "C": (2_331_296, 537_882), "frames": (2_335_801, 538_324)},
    snippets={"A": "floor-1", "C": "floor"},
    exceptions={"C": (1, frozenset(f"v={code}__#1_label_A" for code in ("KERh4R2BbS0", "vHnAmx0UYbM", "wQrV75N2BrI")))},
)
PUBLIC_SETS = {known.name: known for known in (UCF_CRIME, XD_VIOLENCE)}


# --- names ----------------------------------------------------------------------------------------
def video_stem(name: str) -> str:
    """Name of a video without folder and ending; Windows separators count as folders too.

    Example:
        >>> video_stem("Abuse/Abuse028_x264.mp4")
        'Abuse028_x264'
    """
    return _ENDING.sub("", PurePosixPath(name.replace("\\", "/")).name)


def crop_suffix(stem: str) -> tuple[str, int | None]:
    """Divide ``NAME__3`` into name and crop; the crop is None if there is no such suffix. Longer numbers are dates or counts.

    Example:
        >>> crop_suffix("Abuse028_x264__3"), crop_suffix("yard__20240229")
        (('Abuse028_x264', 3), ('yard__20240229', None))
    """
    head, _, tail = stem.rpartition("__")
    return (head, int(tail)) if head and re.fullmatch("[0-9]{1,2}", tail) else (stem, None)


def video_key(name: str) -> str:
    """What a video is known by in all releases: no folder, no ending, no ``_i3d`` and no ``_x264``.

    Example:
        >>> video_key("Arson011_x264_i3d.npy")
        'Arson011'
    """
    return video_stem(name).removesuffix("_i3d").removesuffix("_x264")
