"""What is known of a public data set: its table of facts, and what its reader is given and gives.

Each set is a module of :mod:`vad_lib.data.importing.sets`; :mod:`~vad_lib.data.importing.registry` lists them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule, Split, VideoList
from vad_lib.data.finding import Tell, refuse
from vad_lib.data.importing.layouts import FeatureFile
from vad_lib.data.importing.video_names import video_key

NORMAL = "Normal"
ABNORMAL = "Abnormal"  # of sets that do not say what is abnormal

Measure = Literal["auc", "ap", "macro_auc"]


@dataclass(frozen=True)
class SetFolder:
    """What the reader of a public set is given.

    Attributes:
        source: the folder.
        paths: of the lists that were found, by the name that the facts give.
        truth: ground-truth files of single videos, by what the facts take for the video.
        files: features or videos, for sets whose lists do not name all videos.
        tell: gets what is wrong with a line or a file; such videos are left out.
        faulty: gets the keys of the videos that are left out.
    """

    source: Path
    paths: dict[str, Path]
    truth: dict[str, Path] = field(default_factory=dict)
    files: list[FeatureFile] = field(default_factory=list)
    tell: Tell = refuse
    faulty: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class FoundLists:
    """What the lists of a folder say.

    Attributes:
        videos: all that are listed and can be understood. ``num_frames`` is 0 where the lists of a public set do not give it.
        paths: files that were read.
        content: of the person's own ``dataset.json``; empty for the public sets.
        foreign: keys of files below the folder that cannot be of the data set.
        faulty: keys of videos that are listed, but whose lines are wrong.
        unused: keys of videos of the data set that are neither for training nor for testing.
    """

    videos: VideoList
    paths: list[Path]
    content: dict[str, Any] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    faulty: set[str] = field(default_factory=set)
    unused: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """What is known of a public data set besides its lists, and how these are read.

    Attributes:
        name: of the folder and in commands.
        title: in tables.
        categories: the normal one first.
        headline_metric: ``auc`` or ``ap``.
        fps: frames per second of the videos.
        lists: names of the text files that must be there.
        counts: videos per split, abnormal and normal.
        totals: per mask rule in use, the usual one first, frames and abnormal frames of the whole test set; None where no
            public source gives them, so that they cannot be checked.
        read: reads the lists.
        snippets: per mask rule, how features count the snippets of F frames: ``ceil`` of F / 16, ``floor`` of F / 16, or
            ``floor-1`` of (F - 1) / 16. Empty if the released features follow no known rule.
        exceptions: per mask rule, test videos whose number of snippets is off that by the given number.
        aliases: other names of lists, with the name in ``lists`` or ``optional_lists``.
        optional_lists: names of text files that may be there.
        truth: pattern of folder and name of the ground-truth files of single videos; its group is the video. Empty if none.
        truth_example: such a file, for messages.
        count_hint: how to put a wrong number of videos right.
        measures: in use for the set, the usual one first.
        pitfalls: what makes numbers differ or is easily misread, a short sentence each.
        unverified: facts of this table that no public file confirms, a short sentence each.
        source: paper and files that the facts are from.
    """

    name: str
    title: str
    categories: tuple[str, ...]
    headline_metric: Literal["auc", "ap"]
    fps: float
    lists: tuple[str, ...]
    counts: dict[Split, tuple[int, int]]
    totals: dict[MaskRule, tuple[int, int] | None]
    read: Callable[[SetFolder], FoundLists]
    snippets: dict[MaskRule, Literal["ceil", "floor", "floor-1"]] = field(default_factory=dict)
    exceptions: dict[MaskRule, tuple[int, frozenset[str]]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    optional_lists: tuple[str, ...] = ()
    truth: str = ""
    truth_example: str = ""
    count_hint: str = ""
    measures: tuple[Measure, ...]
    pitfalls: tuple[str, ...]
    unverified: tuple[str, ...] = ()
    source: str

    def expected_snippets(self, rule: MaskRule, video: str, num_frames: int) -> int:
        """Snippets that the public features of a video have.

        Args:
            rule: ``A``, ``B`` or ``C``; one that the field does not use with this set counts as with the other.
            video: name, with or without suffixes.
            num_frames: F, frames of the video file.
        """
        how = self.snippets.get(rule, "ceil" if rule == "B" else "floor")
        whole = {
            "ceil": -(-num_frames // FRAMES_PER_SNIPPET),
            "floor": num_frames // FRAMES_PER_SNIPPET,
            "floor-1": (num_frames - 1) // FRAMES_PER_SNIPPET,
        }[how]
        off, videos = self.exceptions.get(rule, (0, frozenset()))
        return whole + (off if video_key(video) in videos else 0)

    def list_names(self) -> dict[str, str]:
        """The name that the facts give, by every name that a list may have, in small letters."""
        own = {name: name for name in (*self.lists, *self.optional_lists)}
        return {name.lower(): listed for name, listed in (own | self.aliases).items()}

    def truth_video(self, path: Path) -> str:
        """The video that a file is the ground truth of; empty if it is none."""
        found = re.fullmatch(self.truth, f"{path.parent.name}/{path.name}") if self.truth else None
        return found.group(1) if found else ""
