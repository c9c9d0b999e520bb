"""A small loaded data set."""

import pytest

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.dataset import Dataset, DatasetInfo


@pytest.fixture
def small_set(tmp_path) -> Dataset:
    info = DatasetInfo(
        name="synth-crime",
        title="SynthCrime",
        categories=("Normal", "Arson"),
        headline_metric="auc",
        counterpart="UCF-Crime",
        source="made up",
        synthetic=True,
        fps=25.0,
    )
    records = (
        VideoRecord("a", "train", ("Normal",), 45_000),
        VideoRecord("b", "train", ("Arson",), 22_500),
        VideoRecord("c", "test", ("Arson",), 15_000, ((0, 3_000),)),
        VideoRecord("d", "test", ("Normal",), 7_500),
    )
    return Dataset(tmp_path, info, VideoList(("Normal", "Arson"), records), None)
