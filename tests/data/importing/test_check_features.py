"""What a check says of feature files: numbers that cannot be right, files that are the same, lengths that do not fit."""

import os
import shutil
import sys

import numpy as np
import pytest
from importing_folders import FRAMES, HEADER, WHOLE, WIDTH, found, rows

from vad_lib.data.dataset import load_dataset
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.errors import DataError

SETTINGS = ImportSettings(dataset="mine", dimension=WIDTH)
STRIDE_64 = HEADER + "a,train,Normal,3200,\nb,train,Fighting,3200,\nc,test,Fighting,3200,100-300\nd,test,Normal,3200,\n"


def refused(folder, **changed):
    """What an import says, which must be what a check says."""
    problems = folder.check(**changed).problems
    with pytest.raises(DataError) as error:
        import_dataset(folder.path, None, SETTINGS.replace(**changed), progress=False)
    assert problems and all(problem in str(error.value) for problem in problems)
    return problems


# --- values -----------------------------------------------------------------------------------------
def ones(scale=1.0, length=10, dtype=np.float32):
    return np.full((length, WIDTH), scale, dtype=dtype)


VALUES = {
    "all zero": (ones(0), "its features are all zero; extract them again"),
    "minus zero": (ones(-0.0), "its features are all zero"),
    "all zero in half precision": (ones(0, dtype=np.float16), "its features are all zero"),
    "all NaN": (ones(np.nan), "its features hold NaN or infinity; copy or extract them again"),
    "all infinite": (ones(-np.inf), "its features hold NaN or infinity"),
    "infinite in half precision": (ones(np.inf, dtype=np.float16), "its features hold NaN or infinity"),
    "beyond half precision": (ones(1e5), "its features reach 1e+05, too large for float16; store them with --dtype float32"),
    "beyond half precision, negative": (ones(-1e5), "its features reach 1e+05, too large for float16"),
    "beyond it by rounding": (ones(65_520.0), "its features reach 6.552e+04, too large for float16"),
    "beyond single precision": (ones(1e300, dtype=np.float64), "its features reach 1e+300, too large for float16"),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_that_cannot_be_right(whole, case):
    array, message = VALUES[case]
    whole.features("calm_1", array)
    (problem,) = refused(whole)
    assert problem.startswith(f"video calm_1: {message}")


@pytest.mark.parametrize("place", [(0, 0), (9, 7), (4, 3)])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_one_wrong_value_anywhere_is_found(whole, place, value):
    array = whole.rng.normal(size=(10, WIDTH)).astype(np.float32)
    array[place] = value
    whole.features("riot_1", array)
    assert len(refused(whole)) == 1


def test_a_wrong_value_far_behind_is_found(folder):
    text = WHOLE.replace("calm_1,train,Normal,160", "calm_1,train,Normal,160000")
    array = folder.rng.normal(size=(10_000, WIDTH)).astype(np.float32)
    array[9_999, 0] = np.nan
    folder.list(text).all_features().features("calm_1", array)
    assert found(folder.check(), "features-not-finite")


@pytest.mark.parametrize("value", [65_504.0, 65_519.0, -65_504.0])
def test_values_that_half_precision_just_holds(whole, value):
    array = whole.rng.normal(size=(10, WIDTH)).astype(np.float32)
    array[3, 3] = value
    whole.features("calm_1", array)
    assert whole.check().problems == ()
    import_dataset(whole.path, None, SETTINGS, progress=False)
    assert np.isfinite(load_dataset(whole.path).store.snippets("calm_1")).all()


def test_large_values_are_kept_in_single_precision(whole):
    whole.features("calm_1", whole.rng.normal(size=(10, WIDTH)).astype(np.float32) * 1e6)
    assert whole.check(dtype="float32").problems == ()
    import_dataset(whole.path, None, SETTINGS.replace(dtype="float32"), progress=False)
    assert np.abs(load_dataset(whole.path).store.snippets("calm_1")).max() > 1e6


def test_all_wrong_files_are_named_and_the_others_make_a_part(whole, tmp_path):
    whole.list(WHOLE + "extra_1,train,Normal,160,\nextra_2,train,Riot,160,\nextra_3,train,Riot,160,\n")
    whole.features("extra_1", ones(0))
    whole.features("extra_2", ones(np.nan))
    whole.features("extra_3", 10)
    (whole.path / "features" / "extra_3.npy").write_bytes(b"no array")
    assert len(refused(whole)) == 3
    out = tmp_path / "out"
    checked = whole.check(partial=True, out=out)
    assert checked.problems == () and len(checked.warnings) == 3
    told = []
    import_dataset(whole.path, out, SETTINGS.replace(partial=True), progress=False, tell=told.append)
    dataset = load_dataset(out)
    assert dataset.store.videos == tuple(FRAMES) == tuple(record.name for record in dataset.videos.records)
    assert dataset.info.note == "partial: 2 of 2 test videos, 4 of 7 training videos"
    assert sorted(finding.code for finding in told if finding.level == "warning") == [
        "feature-broken", "features-not-finite", "features-zero"
    ]  # fmt: skip


# --- features that say nothing ----------------------------------------------------------------------
def test_a_video_in_which_nothing_changes(whole):
    whole.features("calm_1", np.tile(whole.rng.normal(size=(1, WIDTH)).astype(np.float32), (10, 1)))
    (said,) = found(whole.check(), "features-constant")
    assert said.startswith("warning: videos in which the features of all snippets are the same: calm_1; extract them again")


def test_one_snippet_is_not_constant(folder):
    text = WHOLE.replace("calm_1,train,Normal,160", "calm_1,train,Normal,16")
    folder.list(text).all_features(rows(text))
    assert folder.check().warnings == ()


def test_all_videos_constant(whole):
    for number, (name, frames) in enumerate(FRAMES.items(), start=1):
        whole.features(name, ones(number, frames // 16))
    assert refused(whole) == ("in every video, the features of all snippets are the same; extract them again.",)


def test_all_videos_the_same(folder):
    text = WHOLE.replace(",320,", ",160,").replace("100-300", "100-150")
    array = folder.rng.normal(size=(10, WIDTH)).astype(np.float32)
    folder.list(text)
    for name in FRAMES:
        folder.features(name, array)
    assert refused(folder) == ("all videos have the same features; extract them again.",)


def copied(folder, target, source):
    shutil.copy(folder.path / "features" / f"{source}.npy", folder.path / "features" / f"{target}.npy")


def test_the_same_features_for_training_and_testing(folder):
    text = WHOLE.replace("calm_1,train,Normal,160", "calm_1,train,Normal,320").replace(
        "riot_2,train,Riot,160", "riot_2,train,Riot,320"
    )
    folder.list(text).all_features(rows(text))
    copied(folder, "calm_1", "calm_3")
    copied(folder, "riot_2", "riot_3")
    assert found(folder.check(), "features-same") == [
        "warning: the same features for training and for testing, so the test is too easy: calm_1 = calm_3, riot_2 = riot_3; "
        "a file was copied under two names; take out one of each."
    ]


def test_the_same_numbers_in_another_type_are_not_taken_for_the_same_file(folder):
    text = WHOLE.replace("calm_1,train,Normal,160", "calm_1,train,Normal,320")
    folder.list(text).all_features(rows(text))
    folder.features("calm_1", np.load(folder.path / "features" / "calm_3.npy").astype(np.float64))
    assert found(folder.check(), "features-same") == []


def test_the_same_features_within_a_split(whole):
    copied(whole, "calm_1", "calm_2")
    checked = whole.check()
    assert checked.warnings == ()
    assert found(checked, "features-same") == ["note: videos of one split with the same features: calm_1 = calm_2."]


def test_the_same_features_with_different_labels(whole):
    copied(whole, "calm_1", "riot_1")
    copied(whole, "calm_3", "riot_3")
    assert found(whole.check(), "features-same") == [
        "warning: the same features with different categories: calm_1 = riot_1, calm_3 = riot_3; one label is wrong, or a file was "
        "copied under two names; take out one of each."
    ]


# --- files ------------------------------------------------------------------------------------------
def test_two_layouts_are_named_and_the_usual_one_is_read_on(whole):
    whole.features("calm_1", np.ones((10, 5, WIDTH), np.float32))
    whole.features("riot_1", ones(np.nan))
    checked = whole.check()
    assert checked.layout == "single" and len(checked.problems) == 2
    assert "files of different layouts, such as " in checked.problems[0] and "riot_1: its features hold NaN" in checked.problems[1]


def test_two_widths_are_named_and_the_usual_one_is_read_on(whole):
    whole.features("calm_1", np.ones((10, WIDTH + 1), np.float32))
    whole.features("riot_1", ones(0))
    problems = whole.check().problems
    assert "features of different width (8 in " in problems[0] and "riot_1: its features are all zero" in problems[1]
    assert len(problems) == 2


def test_values_are_read_even_where_the_layout_cannot_be_told(folder):
    folder.list(WHOLE.replace(",320,", ",160,").replace("100-300", "100-150"))
    for name in FRAMES:
        folder.features(name, folder.rng.normal(size=(10, 10, WIDTH)).astype(np.float32))
    folder.features("riot_2", np.full((10, 10, WIDTH), np.nan, np.float32))
    problems = folder.check().problems
    assert "could be snippets x crops or crops x snippets" in problems[0] and "riot_2: its features hold NaN" in problems[1]


@pytest.mark.parametrize("shape", [(), (8,), (0, WIDTH), (0,), (2, 3, 4, WIDTH)])
def test_every_shape_has_an_answer(whole, shape):
    np.save(whole.path / "features" / "calm_1.npy", np.ones(shape, np.float32))
    assert len(whole.check().problems) == 1


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names of files are text there")
def test_a_feature_file_whose_name_is_no_text(whole):
    name = os.path.join(os.fsencode(whole.path / "features"), b"caf\xe9.npy")
    shutil.copy(whole.path / "features" / "calm_1.npy", name)
    checked = whole.check()
    (said,) = found(checked, "file-name")
    assert r"caf\xe9.npy: the name is no UTF-8 text" in said and checked.problems == ()
    str(checked).encode()
    assert import_dataset(whole.path, None, SETTINGS, progress=False).changed


# --- lengths ----------------------------------------------------------------------------------------
def with_snippets(folder, lengths, frames=3200):
    folder.list(STRIDE_64.replace("3200", str(frames)))
    for name, length in zip("abcd", lengths):
        folder.features(name, length)


@pytest.mark.parametrize("align", ["none", "cut", "pad", "both"])
@pytest.mark.parametrize(("length", "stride"), [(50, 64), (100, 32), (400, 8), (800, 4), (3200, 1), (267, 12), (133, 24)])
def test_another_stride_is_named_and_never_aligned(folder, align, length, stride):
    with_snippets(folder, [length] * 4)
    said = found(folder.check(align=align), "snippets")
    assert len(said) == 4
    for sentence in said:
        assert f"likely another stride, one snippet per {stride} frames; use features and lists of one release" in sentence
        assert "or --align" not in sentence and "--align is for a snippet more or less at the end" in sentence


@pytest.mark.parametrize(("frames", "whole"), [(3200, 200), (3201, 201), (3199, 200)])
def test_the_snippets_of_the_frames_are_told_not_the_fewest_that_are_accepted(folder, frames, whole):
    """Features may end a snippet early, so 199 will do for 3,200 frames; but these hold 200, as anyone who divides by 16 finds."""
    for length in (50, 400):
        with_snippets(folder, [length] * 4, frames)
        said = found(folder.check(), "snippets")
        assert len(said) == 4
        assert all(f"{frames:,} frames hold {whole} snippets of 16 under mask rule frames" in sentence for sentence in said)


@pytest.mark.parametrize("length", [32, 200])
def test_a_fixed_number_of_segments_is_named(folder, length):
    folder.list(
        STRIDE_64.replace("c,test,Fighting,3200", "c,test,Fighting,9600").replace("a,train,Normal,3200", "a,train,Normal,1600")
    )
    for name in "abcd":
        folder.features(name, length)
    said = found(folder.check(), "snippets")
    assert said and all(f"likely stretched or padded to {length} segments, where snippets are needed" in text for text in said)


@pytest.mark.parametrize(
    ("length", "align", "result"),
    [(198, "pad", 199), (198, "both", 199), (198, "cut", None), (201, "cut", 200), (201, "both", 200), (201, "pad", None),
     (197, "both", None), (202, "both", None), (199, "none", 199), (200, "none", 200)],
)  # fmt: skip
def test_alignment_is_for_one_snippet(folder, length, align, result):
    with_snippets(folder, [length] * 4)
    checked = folder.check(align=align)
    if result is None:
        assert len(found(checked, "snippets")) == 4
    else:
        assert not found(checked, "snippets") and set(checked.lengths.values()) == {result}


def test_a_snippet_off_is_told_with_the_way_to_align(folder):
    with_snippets(folder, [201] * 4)
    said = found(folder.check(), "snippets")
    assert all(text.endswith("use features and lists of one release, or --align.") for text in said) and len(said) == 4


@pytest.mark.parametrize(
    ("frames", "length", "words"),
    [(3210, 201, "ceil(n/16) (the last one is filled up) for 4 of 4 videos"),
     (3210, 200, "floor(n/16) (a part of a snippet at the end is dropped) or floor((n-1)/16) "),
     (3200, 199, "floor((n-1)/16) (the last one is dropped even if it is whole) for 4 of 4 videos")],
)  # fmt: skip
def test_the_features_way_of_counting_is_said(folder, frames, length, words):
    with_snippets(folder, [length] * 4, frames)
    (said,) = found(folder.check(), "snippet-counting")
    assert f"of n frames, the features have {words}" in said and "mask rule frames gives every listed frame a label" in said


def test_mixed_counting_of_features_is_said_in_numbers(folder):
    with_snippets(folder, [201, 201, 201, 200], 3210)
    assert "ceil(n/16) (the last one is filled up) for 3 of 4 videos" in found(folder.check(), "snippet-counting")[0]
