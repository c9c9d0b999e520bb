"""Frames beneath the curves: which are shown, and that they are read back as they were shown."""

import numpy as np
import pytest

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.data.video_writing import write_video
from vad_lib.errors import DataError, MissingFileError
from vad_lib.report.figures import strips
from vad_lib.report.figures.strips import FIGURE3_CATEGORIES as FIGURE3


def test_figure_videos_are_the_first_that_have_their_category_alone():
    videos = [("n", ("Normal",)), ("a", ("Riot", "Fighting")), ("b", ("Fighting",)), ("c", ("Fighting",))]
    assert strips.figure_videos(videos, ["Fighting", "Riot"]) == {"Fighting": "b", "Riot": "a"}
    with pytest.raises(DataError, match="no test video of category 'Abuse' is left for a panel; the test videos have Fighting"):
        strips.figure_videos(videos, ["Abuse"])


def test_strip_frames_by_hand():
    record = VideoRecord("v", "test", ("Arson",), 300, ((100, 200),))
    # before: 100 // 2; after: (199 + 300) // 2; between them 20, 40, 60 and 80 % of the way from frame 100 to 199
    assert strips.strip_frames(record, 6).tolist() == [50, 119, 139, 159, 179, 249]
    touching = VideoRecord("v", "test", ("Arson",), 100, ((0, 100),))
    found = strips.strip_frames(touching, 6)
    assert found[0] == 0 and found[-1] == 99 and len(found) == 6


def test_strips_are_read_back_as_they_were_shown(made_up):
    layout = made_up.layout
    info = DatasetInfo(
        name="synth-crime", title="S", categories=("Normal", *FIGURE3), headline_metric="auc", source="t", synthetic=True, fps=25.0
    )
    records = tuple(VideoRecord(f"{c}_0", "test", (c,), 40, ((10, 30),)) for c in FIGURE3)
    dataset = Dataset(layout.dataset("synth-crime"), info, VideoList(info.categories, records), None)
    for i, record in enumerate(records):
        frames = (np.full((64, 96, 3), (60 + 20 * i + 2 * t, 40, 40), dtype=np.uint8) for t in range(40))
        write_video(layout.videos("synth-crime") / f"{record.name}.mp4", frames, 25.0)
    path = strips.save_strips(layout, dataset, FIGURE3)
    assert path.stat().st_size < 50_000
    found = strips.load_strips(layout, "synth-crime")
    assert list(found) == [record.name for record in records]
    strip = found["Vandalism_0"]
    assert strip.frame_indices.tolist() == [5, 13, 17, 21, 25, 34] and strip.images.shape == (6, 96, 144, 3)
    red, green, blue = strip.images.mean(axis=(1, 2)).T
    assert np.abs(red - (120 + 2 * strip.frame_indices)).max() < 8  # two lossy codecs
    assert np.abs(green - 40).max() < 8 and np.abs(blue - 40).max() < 8
    first = path.read_bytes()
    assert strips.save_strips(layout, dataset, FIGURE3).read_bytes() == first
    (layout.videos("synth-crime") / f"{records[0].name}.mp4").unlink()
    strips.save_strips(layout, dataset, FIGURE3)
    assert list(strips.load_strips(layout, "synth-crime")) == [record.name for record in records[1:]]


def test_strips_that_were_never_made(made_up):
    with pytest.raises(MissingFileError):
        strips.load_strips(made_up.layout, "synth-crime")
