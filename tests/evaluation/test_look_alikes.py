"""Look-alikes of the rendered sets: which they are, and what they do to a method."""

import numpy as np
import pytest
from made_scores import one_video

from vad_lib.config import SyntheticSettings
from vad_lib.data import synthetic
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import look_alikes


@pytest.mark.parametrize("dataset", ["synth-crime", "synth-violence"])
def test_every_test_video_is_staged_as_the_renderer_says(dataset):
    jobs = [job for job in synthetic.jobs(dataset, SyntheticSettings(test_per_category=3, normal_ratio=2.0)) if job.split == "test"]
    staged = look_alikes.staged_categories(dataset, [job.name for job in jobs])
    assert staged == tuple(job.staged for job in jobs) and "Normal" not in staged


def test_names_by_hand_and_names_that_are_none():
    assert look_alikes.staged_categories("synth-crime", ["test_Fighting_001", "test_Normal_002"]) == ("Fighting", "Fighting")
    with pytest.raises(DataError, match="such as test_Arson_000, got train_Arson_000; say by hand"):
        look_alikes.staged_categories("synth-crime", ["train_Arson_000"])
    with pytest.raises(ConfigError, match="unknown built-in data set 'ucf-crime'"):
        look_alikes.staged_categories("ucf-crime", ["Abuse028_x264"])


def test_abnormal_videos_against_look_alikes_by_hand():
    # v0 fights (and has a normal piece), v1 looks like it, v2 is any normal video, v3 burns
    scored = one_video(
        [0.9, 0.95, 0.8, 0.3, 0.95, 0.2],
        [16, 0, 0, 0, 0, 16],
        [0, 16, 16, 16, 16, 0],
        [(0, 0, 16), (3, 0, 16)],
        4,
        [0, 0, 1, 1, 2, 3],
    )
    found = look_alikes.against_look_alikes(scored, ("Fighting", "Fighting", "", "Arson"), 0.75).set_index("category")
    assert found.index.tolist() == ["all", "Fighting", "Arson"]
    assert found.loc["all"].tolist() == [2, 1, 0.5, 0.5, 1]  # .9 outscores both pieces of v1, .2 none
    assert found.loc["Fighting"].tolist() == [1, 1, 1, 1, 1]
    assert found.loc["Arson", ["abnormal_videos", "look_alikes", "alarmed_abnormal_videos"]].tolist() == [1, 0, 0]
    assert np.isnan(found.loc["Arson", "auc"]) and np.isnan(found.loc["Arson", "alarmed_look_alikes"])
    assert scored.value("auc") == pytest.approx((2 + 0) / 8)  # of all normal frames v0's own and v2's count too
    quiet = look_alikes.against_look_alikes(scored, ("Fighting", "Fighting", "", "Arson"), np.inf)
    assert quiet["alarmed_look_alikes"].iloc[0] == quiet["alarmed_abnormal_videos"].iloc[0] == 0
    with pytest.raises(DataError, match="a category for each of 4 videos, got 1"):
        look_alikes.against_look_alikes(scored, ("Fighting",), 0.5)
