"""What feature files are said to be."""

import numpy as np
import pytest

from vad_lib.doctor.case import TestVideo
from vad_lib.doctor.features import describe_features
from vad_lib.errors import DataError

VIDEOS = [TestVideo(f"v{place}", ("Normal",), False, frames, ()) for place, frames in enumerate((100, 170, 33, 250, 400))]


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
        "A row stands for 16 frames. 1 of 5 test videos have the complete snippets alone (as rules A and C count), 5 "
        "have the" in text
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
