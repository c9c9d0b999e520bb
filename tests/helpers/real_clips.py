"""Short real clips laid end to end into one video."""

from collections.abc import Sequence
from pathlib import Path

from vad_lib.data.snippets import resize_frame
from vad_lib.data.video import read_frames
from vad_lib.data.video_writing import write_video


def join_clips(target: Path, clips: Sequence[Path], size: tuple[int, int], fps: float) -> list[int]:
    """Write the video.

    Args:
        target: the file.
        clips: in order.
        size: height and width of every frame.
        fps: frames per second, whatever the clips have.

    Returns:
        frames of each clip.
    """
    counts = [0] * len(clips)

    def frames():
        for place, clip in enumerate(clips):
            for frame in read_frames(clip):
                counts[place] += 1
                yield resize_frame(frame, *size)

    write_video(target, frames(), fps)
    return counts
