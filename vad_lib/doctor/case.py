"""What the doctor examines: the scores and the annotated intervals of every test video, and how both fit each other."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule, VideoRecord, ground_truth_mask
from vad_lib.data.importing.public_sets import NORMAL, PublicSet

Per = Literal["snippet", "frame", "segment"]


@dataclass(frozen=True, eq=False)
class Case:
    """Scores and ground truth that fit each other.

    Attributes:
        videos: V test videos, in the order of the ground truth; ``num_frames`` are those of the file, or 0 if nobody knows, and
            ``class_intervals`` hold a second annotation, by category, where there is one (XD-Violence).
        scores: of each video, float64 (N, P): N crops (or 1), P scores in the order of time.
        per: what one score stands for: a ``snippet`` of 16 frames, a ``frame``, or one of P equal ``segment``s of the video.
        rule: the mask rule that the lengths of the scores fit.
        known: the public data set, if it is one.
        metric: ``auc`` or ``ap``, the headline of the data set.
        masks: of each video, uint8 (L,), from the person's own file of frame labels; None if there is none, or if it does not fit.
        divided: False if nobody knows where one video ends and the next begins; all frames then stand in one "video".
    """

    videos: tuple[VideoRecord, ...]
    scores: tuple[np.ndarray, ...]
    per: Per
    rule: MaskRule
    known: PublicSet | None
    metric: Literal["auc", "ap"]
    masks: tuple[np.ndarray, ...] | None = None
    divided: bool = True

    @property
    def abnormal_categories(self) -> tuple[str, ...]:
        """Names, in the order in which the videos bring them."""
        return tuple(dict.fromkeys(name for video in self.videos if is_abnormal(video) for name in video.categories))

    def mask(self, place: int, rule: MaskRule, ends: int = 0, by_category: bool = False) -> np.ndarray:
        """Frame mask of a video under a mask rule, uint8 (L,).

        Args:
            place: of the video.
            rule: the mask rule; its own number of snippets decides the length.
            ends: frames that every interval ends later than the rule says; below 0, earlier.
            by_category: True for the intervals of the annotation by category, where a video has one.
        """
        video, scores = self.videos[place], self.scores[place]
        snippets = scores.shape[1] if self.per == "snippet" else -(-scores.shape[1] // FRAMES_PER_SNIPPET)
        if video.num_frames and self.known and rule in self.known.snippets:
            snippets = max(1, self.known.expected_snippets(rule, video.name, video.num_frames))
        elif video.num_frames:
            whole = video.num_frames // FRAMES_PER_SNIPPET
            snippets = max(1, whole if rule in ("A", "C") else -(-video.num_frames // FRAMES_PER_SNIPPET))
        spans = [event[1:] for event in video.class_intervals] if by_category and video.class_intervals else video.intervals
        intervals = [(start, end + ends) for start, end in spans if end + ends > start]
        frames = video.num_frames or FRAMES_PER_SNIPPET * snippets
        return ground_truth_mask(intervals, frames, snippets, rule)

    def of_videos(self, chosen: np.ndarray) -> "Case":
        """The case of some of the videos; ``chosen`` is bool (V,)."""
        places = np.flatnonzero(chosen)
        return replace(
            self,
            videos=tuple(self.videos[place] for place in places),
            scores=tuple(self.scores[place] for place in places),
            masks=None if self.masks is None else tuple(self.masks[place] for place in places),
        )


def is_abnormal(video: VideoRecord) -> bool:
    """By its category, also where a file of frame labels has no abnormal frame of it."""
    return video.categories != (NORMAL,)


def list_order(videos: tuple[VideoRecord, ...], known: PublicSet | None) -> np.ndarray | None:
    """Places of the videos in the order of the released test list, or of an own list by name, where that is another order.

    ``Anomaly_Test.txt`` of UCF-Crime goes through the folders by name, and the normal videos' folder,
    ``Testing_Normal_Videos_Anomaly``, stands before ``Vandalism``. Lists of XD-Violence go by the names of the videos, violent
    and normal ones mixed. The released masks hold the abnormal videos first. Of an own list, sorted files come by name.

    Returns:
        int64 (V,); None if the two orders are the same.
    """

    def key(place: int) -> tuple[str, str]:
        video = videos[place]
        folder = "" if known is None or known.name != "ucf-crime" else video.categories[0]
        return "Testing_Normal_Videos_Anomaly" if folder == NORMAL else folder, video.name

    order = np.array(sorted(range(len(videos)), key=key), dtype=np.int64)
    return None if (order == np.arange(len(videos))).all() else order
