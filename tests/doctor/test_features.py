"""What feature files are said to be."""

import numpy as np
import pytest
import torch

from vad_lib.config import FeatureSettings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.snippets import crop_views, network_input, read_snippets
from vad_lib.data.video_writing import write_video
from vad_lib.doctor.features import describe_features
from vad_lib.doctor.one_video import compare_video
from vad_lib.errors import DataError

VIDEOS = [VideoRecord(f"v{place}", "test", ("Normal",), frames) for place, frames in enumerate((100, 170, 33, 250, 400))]


def folder_of(tmp_path, shape, change=lambda array: array, count=-1):
    rng = np.random.default_rng(0)
    for video in VIDEOS:
        rows = -(-video.num_frames // 16) if count < 0 else count
        array = change(rng.random([rows if axis == "T" else axis for axis in shape]).astype(np.float32))
        np.save(tmp_path / f"{video.name}.npy", array)
    return tmp_path


def said(folder) -> str:
    return " ".join(describe_features(folder, VIDEOS))


def test_ten_crops_of_i3d(tmp_path):
    text = said(folder_of(tmp_path, ("T", 10, 1024)))
    assert "5 files are 1,024 wide: one stream of I3D" in text
    assert "5 videos have 10 crops: the usual ten" in text
    assert "0 of 5 test videos have the complete snippets alone" not in text
    assert (
        "A row stands for 16 frames. 1 of 5 test videos have the complete snippets alone (as rules A and C count), 5 have the"
        in text
    )
    assert "No negative value" in text


def test_five_crops_of_another_width(tmp_path):
    text = said(folder_of(tmp_path, ("T", 5, 2048)))
    assert "5 files are 2,048 wide: I3D with ResNet-50 (RTFM, MGFN), or both streams" in text
    assert "A model for 1,024 cannot read them" in text
    assert "5 crops: the usual five of XD-Violence, and half of the ten of UCF-Crime" in text


def test_normalised_rows(tmp_path):
    text = said(folder_of(tmp_path, ("T", 1024), lambda array: array / np.linalg.norm(array, axis=1, keepdims=True)))
    assert "All rows have one length: they were normalised" in text
    assert "5 videos have 1 crop: published numbers on ten crops are not expected" in text


def test_negative_values(tmp_path):
    assert "There are negative values" in said(folder_of(tmp_path, ("T", 1024), lambda array: array - 0.5))


def test_segments(tmp_path):
    assert "All 5 test videos have 32 rows, whatever their length" in said(folder_of(tmp_path, ("T", 1024), count=32))


def test_copied_crops_and_zeros(tmp_path):
    text = said(folder_of(tmp_path, ("T", 10, 64), lambda array: np.repeat(array[:, :1], 10, axis=1)))
    assert "In 5 of 5 videos all crops are the same numbers" in text
    assert "rows are all zero" in said(folder_of(tmp_path, ("T", 64), lambda array: array * (np.arange(len(array)) > 0)[:, None]))


def test_another_stride(tmp_path):
    for video in VIDEOS:
        np.save(tmp_path / f"{video.name}.npy", np.ones((-(-video.num_frames // 8), 64), np.float32))
    assert "stride 8" in said(tmp_path)


def test_no_features(tmp_path):
    with pytest.raises(DataError, match="--features"):
        describe_features(tmp_path)


# --- one video --------------------------------------------------------------------------------------------
SMALL = FeatureSettings(short_side=64, crop_size=48, num_crops=5)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 255, (64, 80, 3), dtype=np.uint8) // np.array([1, 2, 4], np.uint8) for _ in range(50)]
    path = tmp_path_factory.mktemp("video") / "yard.mp4"
    write_video(path, frames, 25)
    return path


def own_features(video, change=network_input):
    network = load_i3d("random")
    with torch.inference_mode():
        views = [crop_views(snippet, 48, 5) for snippet in read_snippets(video, 64, 48)]
        return np.stack([network(change(view)).numpy() for view in views])  # T x N x D


@pytest.mark.parametrize(
    ("cause", "change"),
    [
        ("none", network_input),
        ("exchanging red and blue", lambda views: network_input(np.ascontiguousarray(views[..., ::-1]))),
        ("pixels from 0 to 1 in place of -1 to 1", lambda views: torch.from_numpy(views).permute(0, 4, 1, 2, 3).float() / 255),
        ("pixels from 0 to 255 in place of -1 to 1", lambda views: torch.from_numpy(views).permute(0, 4, 1, 2, 3).float()),
    ],
)
def test_one_video_shows_what_shapes_do_not(video, tmp_path, cause, change):
    np.save(tmp_path / "f.npy", own_features(video, change))
    found = compare_video(video, tmp_path / "f.npy", SMALL, "random")
    # random weights have no biases, so that they cannot tell 255 times as much from as much
    assert found.cause.startswith("pixels from 0 to") if "255" in cause else found.cause == cause
    assert found.cause in found.verdict or found.same


def test_one_video_wants_crops_that_there_are(video, tmp_path):
    np.save(tmp_path / "f.npy", np.ones((7, 3, 1024), np.float32))
    with pytest.raises(DataError, match="1, 5 or 10 crops"):
        compare_video(video, tmp_path / "f.npy", SMALL, "random")
