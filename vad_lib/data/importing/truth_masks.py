"""Ground truth of a single video as a frame mask, for sets that say which frames are abnormal and nothing of their kind."""

from pathlib import Path

import numpy as np

from vad_lib.data.annotations import MOST_FRAMES, VideoRecord, mask_intervals
from vad_lib.data.importing.public_sets import ABNORMAL, NORMAL
from vad_lib.errors import DataError
from vad_lib.storage.reading import read_array


def read_frame_mask(path: Path) -> np.ndarray:
    """Read a frame mask from a ``.npy`` file.

    Args:
        path: of an array (F,), (1, F) or (F, 1) of 0 and 1.

    Returns:
        uint8 (F,), 1 abnormal.

    Raises:
        MissingFileError: there is no such file.
        DataError: another shape, no frames or too many, or values other than 0 and 1.
    """
    array = read_array(path, mmap=True)
    frames = array.size
    if array.dtype.kind not in "buif" or max(array.shape, default=0) != frames or not 1 <= frames <= MOST_FRAMES:
        raise DataError(
            f"{path}: expected a frame mask, an array of 1 to {MOST_FRAMES:,} numbers, got {array.shape} {array.dtype}. Use the "
            "released file."
        )
    values = np.asarray(array).reshape(-1)
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"{path}: expected a frame mask of 0 (normal) and 1 (abnormal), got other values. Use the released file.")
    return values.astype(np.uint8)


def masked_record(name: str, mask: np.ndarray) -> VideoRecord:
    """A test video of a set that says which frames are abnormal, and nothing of their kind.

    Args:
        name: of the video.
        mask: uint8 (F,), 1 abnormal.

    Example: two of four frames.
        >>> record = masked_record("01_0014", np.array([0, 1, 1, 0]))
        >>> record.categories, record.num_frames, record.intervals
        (('Abnormal',), 4, ((1, 3),))
    """
    return VideoRecord(name, "test", (ABNORMAL if mask.any() else NORMAL,), len(mask), tuple(mask_intervals(mask)))
