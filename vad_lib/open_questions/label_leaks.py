"""Controls: what can be scored without what a method claims to use."""

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation import intervals, scored_videos
from vad_lib.evaluation.intervals import Interval, Resampling
from vad_lib.open_questions.answers import run_folders
from vad_lib.open_questions.grid import answer_folder
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json

CONTROLS = ("training labels permuted", "noise for features", "first frame only", "length and file size only")


def controls(layout: Layout, dataset: Dataset, how: Resampling = intervals.DEFAULT) -> dict[str, Interval]:
    """AUC of what must find nothing, and of what sees next to nothing; those of :data:`CONTROLS` that are there.

    The last two rank whole test videos, from their first frame or the size of their file (notebook 01 wrote them).
    """
    found = {}
    permuted = layout.run(dataset.name, "proposed-permuted", 0).parent
    for name, place in zip(CONTROLS, (permuted, answer_folder(layout, dataset.name, "features", "noise"))):
        if folders := run_folders(place):
            found[name] = intervals.interval(scored_videos.load_all(folders), "auc", how)
    if layout.controls(dataset.name).is_file():
        written = read_json(layout.controls(dataset.name))
        videos = len(dataset.videos.split("test"))
        for name, key in zip(CONTROLS[2:], ("first_frame", "file_size")):
            if f"{key}_auc" in written:
                mean, low, high = (written[f"{key}_{part}"] for part in ("auc", "low", "high"))
                found[name] = Interval("auc", mean, None, low, high, 0.95, "test videos", (), (), videos)
    return found
