"""A finished run of this library as a case of the doctor: its scores and labels are known to fit."""

import numpy as np

from vad_lib.data.annotations import VideoRecord, mask_intervals
from vad_lib.data.importing.public_sets import NORMAL
from vad_lib.doctor.case import Case
from vad_lib.doctor.fitting import Fitted
from vad_lib.runs.run_folder import Run


def fitted_run(run: Run) -> Fitted:
    """The test scores of a run, and its frame labels as intervals.

    Args:
        run: a finished run, of one's own or of the reference.

    Raises:
        MissingFileError: the run has no scores.
    """
    arrays = run.scores()
    lengths, frames = arrays["num_snippets"], arrays["num_frames"]
    labels = np.split(arrays["labels"], np.cumsum(frames)[:-1])
    scores = np.split(arrays["score"].astype(np.float64), np.cumsum(lengths)[:-1])
    normal = str(arrays["categories"][0])
    videos = []
    for name, text, count, mask in zip(arrays["videos"].tolist(), arrays["video_categories"].tolist(), frames.tolist(), labels):
        categories = (NORMAL,) if text == normal else tuple(text.split(";"))
        videos.append(VideoRecord(name, "test", categories, count, tuple(mask_intervals(mask))))
    case = Case(tuple(videos), tuple(part[None] for part in scores), "snippet", "frames", None, run.config["headline_metric"])
    return Fitted(
        case, [f"The scores are those of the run {run.name}: {len(videos)} test videos, one score per snippet of 16 frames."]
    )
