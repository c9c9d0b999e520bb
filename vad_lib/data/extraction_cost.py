"""What the extraction of a data set's features costs, before it is started."""

from typing import NamedTuple

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.errors import ConfigError

FLOP_PER_SNIPPET = 55.6e9  # of I3D's convolutions on 16 x 224 x 224 pixels, a multiplication and an addition being two


class ExtractionCost(NamedTuple):
    """Size and time of an extraction.

    Attributes:
        snippets: of 16 frames, crops not counted.
        forwards: snippets x crops, one I3D forward each.
        petaflop: of all forwards at 224 pixels, 10^15 operations.
        hours: of one device.
    """

    snippets: int
    forwards: int
    petaflop: float
    hours: float


def extraction_cost(frames: int, crops: int, seconds_per_snippet: float) -> ExtractionCost:
    """What extracting a data set costs.

    Args:
        frames: of all videos together; each video's last snippet, which is filled up, is not counted by itself.
        crops: of each snippet, 10 on UCF-Crime and 5 on XD-Violence in the usual features.
        seconds_per_snippet: of one forward (16 frames, one crop) on the device in question; at another crop size than
            224 pixels only ``petaflop`` loses its meaning.

    Raises:
        ConfigError: a number that is not positive.

    Example: an hour of video at 30 frames a second, ten crops, a tenth of a second per forward.
        >>> extraction_cost(108_000, 10, 0.1)
        ExtractionCost(snippets=6750, forwards=67500, petaflop=3.753, hours=1.875)
    """
    if min(frames, crops, seconds_per_snippet) <= 0:
        raise ConfigError(
            f"extraction_cost: expected positive numbers, got frames {frames}, crops {crops}, seconds {seconds_per_snippet}."
        )
    snippets = -(-frames // FRAMES_PER_SNIPPET)
    forwards = snippets * crops
    return ExtractionCost(snippets, forwards, forwards * FLOP_PER_SNIPPET / 1e15, forwards * seconds_per_snippet / 3600)
