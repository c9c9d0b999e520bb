"""What is odd about an annotation, in sentences: two files that differ, intervals behind the end, names with endings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vad_lib.data.annotations import VideoRecord, ground_truth_mask
from vad_lib.errors import first_few
from vad_lib.storage.reading import read_text


def annotation_sentences(videos: Sequence[VideoRecord]) -> list[str]:
    """What a person should know of the annotated intervals of a public set before numbers are compared.

    Args:
        videos: test videos with their frames, intervals and, where a second annotation was given, class intervals.
    """
    said = []
    late = [video.name for video in videos if video.num_frames and any(end > video.num_frames for _, end in video.intervals)]
    if late:
        said.append(
            f"Intervals of {len(late)} videos end behind the last frame, and are cut there: {first_few(late)}. A script that does "
            "not cut them makes a longer mask, or fails."
        )
    differ = {video.name: count for video in videos if video.class_intervals and (count := _different_frames(video))}
    if differ:
        text = first_few([f"{name} ({count:,})" for name, count in sorted(differ.items(), key=lambda pair: -pair[1])])
        said.append(
            f"The annotation by category differs from the binary one in {sum(differ.values()):,} frames of {len(differ)} videos: "
            f"{text}. AUC and AP use the binary file, mAP the other."
        )
    renamed = [video.name for video in videos if {event[0] for event in video.class_intervals} - set(video.categories)]
    if renamed:
        said.append(f"Events of {len(renamed)} videos are of a category that the name does not carry: {first_few(renamed)}.")
    return said


def ending_sentences(path: Path) -> list[str]:
    """Names of an annotation file that carry the ending of a video file, which have to be taken off before names are compared."""
    names = [line.split()[0] for line in read_text(path).splitlines() if line.split()]
    ended = [name for name in names if name.lower().endswith(".mp4")]
    if not ended or len(ended) == len(names):
        return []
    return [
        f"{path.name}: {len(ended)} of {len(names)} names carry the ending .mp4; names are compared without it. A script that "
        "compares them as they stand loses these videos."
    ]


def _different_frames(video: VideoRecord) -> int:
    end = max(end for _, end in (*video.intervals, *(event[1:] for event in video.class_intervals)))
    masks = [ground_truth_mask(spans, end) for spans in (video.intervals, [event[1:] for event in video.class_intervals])]
    return int(np.count_nonzero(masks[0] != masks[1]))
