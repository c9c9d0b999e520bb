"""People's folders: every layout, every mistake that is told, and what an import leaves behind."""

import csv
import json
import re
import shutil
import tracemalloc

import numpy as np
import pytest

from vad_lib.config import get_profile
from vad_lib.data import prepare
from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureStore
from vad_lib.data.importing import write
from vad_lib.data.importing.__main__ import main
from vad_lib.data.importing.crop_check import CropComparison
from vad_lib.data.importing.discover import check_source
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.data.video_writing import write_video
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.storage.paths import Layout

WIDTH = 8
# video, split, category, frames, intervals
OWN = (
    ("street_1", "train", "Normal", 60, ""),
    ("street_2", "train", "Normal", 33, ""),
    ("brawl_1", "train", "Fighting", 48, ""),
    ("brawl_2", "train", "Fighting", 17, ""),
    ("street_3", "test", "Normal", 80, ""),
    ("brawl_3", "test", "Fighting", 90, "20-50"),
)
OWN_SNIPPETS = {"street_1": 4, "street_2": 3, "brawl_1": 3, "brawl_2": 2, "street_3": 5, "brawl_3": 6}
# a small UCF-Crime: raw frames and intervals of the test videos
UCF = {
    "Abuse001_x264": ("train", "Abuse", 100, ()),
    "Normal_Videos001_x264": ("train", "Normal", 90, ()),
    "Abuse028_x264": ("test", "Abuse", 100, ((20, 60),)),
    "Arson011_x264": ("test", "Arson", 77, ((5, 20), (40, 79))),
    "Normal_Videos_003_x264": ("test", "Normal", 64, ()),
}
XD = {
    "v=s__#1_label_B2-0-0": ("train", 100),
    "v=t__#1_label_A": ("train", 65),
    "v=a__#1_label_B4-0-0": ("test", 90),
    "v=n__#1_label_A": ("test", 70),
}


def values(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def save_as(folder, name, array, layout, suffix=""):
    """Write features (N, T, D) of one video in a layout."""
    if layout == "crop-files":
        for number, crop in enumerate(array):
            save(folder / f"{name}{suffix}__{number}.npy", crop)
    else:
        shaped = {"t-n-d": array.swapaxes(0, 1), "n-t-d": array, "single": array[0]}[layout]
        save(folder / f"{name}{suffix}.npy", shaped)


@pytest.fixture
def own(tmp_path):
    """A folder of one's own with single-crop features of every frame."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with open(folder / "videos.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("video", "split", "category", "n_frames", "intervals"), *OWN])
    for number, (name, snippets) in enumerate(OWN_SNIPPETS.items()):
        save_as(folder / "features", name, values(number, 1, snippets, WIDTH), "single")
    return folder


def small_ucf(folder, layout="t-n-d", crops=10, snippets=None, suffix="_i3d", width=WIDTH):
    """Lists and features of the small UCF-Crime; ``snippets`` overrides lengths."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {split: [] for split in ("train", "test")}
    annotation = []
    for number, (name, (split, category, frames, spans)) in enumerate(UCF.items()):
        place = {"train": "Training", "test": "Testing"}[split] + "_Normal_Videos_Anomaly" if category == "Normal" else category
        lines[split].append(f"{place}/{name}.mp4\r\n")
        if split == "test":
            numbers = [*(number for span in spans for number in span), -1, -1, -1, -1][:4]
            annotation.append(f"{name}  {category}  " + "  ".join(map(str, numbers)) + "  \n")
        length = (snippets or {}).get(name, -(-frames // 16))
        save_as(folder / "features" / place, name, values(number, crops, length, width), layout, suffix)
    (folder / "Anomaly_Train.txt").write_text("".join(lines["train"]))
    (folder / "Anomaly_Test.txt").write_text("".join(lines["test"]))
    (folder / "Temporal_Anomaly_Annotation.txt").write_text("".join(annotation))
    return folder


def small_xd(folder, lists=False):
    """The small XD-Violence, five crop files per video; the split is in the folders or in lists."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotations.txt").write_text("v=a__#1_label_B4-0-0.mp4 0 15 19 30")
    (folder / "annotations_multiclasses.txt").write_text("v=a__#1_label_B4-0-0 B4 0 15 B1 19 30")
    for number, (name, (split, frames)) in enumerate(XD.items()):
        place = "i3d" if lists else {"train": "RGB", "test": "RGBTest"}[split]
        save_as(folder / place, name, values(number, 5, (frames - 1) // 16, WIDTH), "crop-files")
    if lists:
        for file, split in (("rgb.list", "train"), ("rgbtest.list", "test")):
            names = [f"/elsewhere/{name}__{crop}.npy\n" for name, (s, _) in XD.items() for crop in range(5) if s == split]
            (folder / file).write_text("".join(names))
    return folder


def settings(dataset="mine", **changed):
    return ImportSettings(dataset=dataset, dimension=changed.pop("dimension", WIDTH), **changed)


def partial(dataset="ucf-crime", **changed):
    """The small public sets are a part of the whole."""
    return settings(dataset, partial=True, **changed)


def brought(folder, dataset="mine", **changed):
    import_dataset(folder, None, settings(dataset, **changed), progress=False)
    return load_dataset(folder, expect={"dimension": changed.get("dimension", WIDTH)})


# --- what is understood -----------------------------------------------------------------------------
def test_an_own_folder_becomes_a_data_set(own):
    dataset = brought(own, title="My cameras", metric="ap", fps=12.5)
    assert (dataset.name, dataset.title, dataset.headline_metric, dataset.fps) == ("mine", "My cameras", "ap", 12.5)
    assert dataset.categories == ("Normal", "Fighting")
    assert (dataset.info.mask_rule, dataset.info.tail, dataset.info.note, dataset.synthetic) == ("frames", "exact", "", False)
    assert [(r.name, r.split, r.num_frames) for r in dataset.videos.records] == [(v, s, n) for v, s, _, n, _ in OWN]
    for number, name in enumerate(OWN_SNIPPETS):
        expected = values(number, 1, OWN_SNIPPETS[name], WIDTH).astype(np.float16)
        assert np.array_equal(dataset.store.snippets(name), expected)


@pytest.mark.parametrize("layout", ["crop-files", "t-n-d", "n-t-d", "single"])
@pytest.mark.parametrize("stated", [False, True])
def test_every_layout_gives_the_same_store(tmp_path, layout, stated):
    folder = small_ucf(tmp_path / "ucf-crime", layout, crops=1 if layout == "single" else 10)
    dataset = brought(folder, "ucf-crime", partial=True, layout=layout if stated else None, rule="B")
    for number, name in enumerate(UCF):
        crops, length = dataset.store.num_crops, dataset.store.num_snippets(name)
        assert np.array_equal(dataset.store.snippets(name), values(number, crops, length, WIDTH).astype(np.float16))
    assert dataset.store.contract.crops == CROP_NAMES[dataset.store.num_crops]


@pytest.mark.parametrize(("layout", "rule"), [("crop-files", "A"), ("t-n-d", "B"), ("n-t-d", "B"), ("single", "C")])
def test_the_mask_rule_follows_the_layout(tmp_path, layout, rule):
    folder = small_ucf(tmp_path / "ucf-crime", layout, crops=1 if layout == "single" else 10)
    found = check_source(folder, partial(), progress=False)
    assert found.info.mask_rule == rule and not found.problems
    assert all(record.mask_rule == rule and record.num_frames % 16 == 0 for record in found.videos.records)
    assert check_source(folder, partial(rule="A"), progress=False).info.mask_rule == "A"


def test_ucf_crime_keeps_the_field_s_order_and_says_what_is_missing(tmp_path):
    dataset = brought(small_ucf(tmp_path / "ucf-crime"), "ucf-crime", partial=True)
    assert [record.name for record in dataset.videos.split("test")] == ["Abuse028_x264", "Arson011_x264", "Normal_Videos_003_x264"]
    assert dataset.info.note == "partial: 3 of 290 test videos, 2 of 1,610 training videos"
    assert (dataset.title, dataset.counterpart, dataset.headline_metric, dataset.fps) == ("UCF-Crime", "UCF-Crime", "auc", 30)
    abuse, arson, normal = (record.frame_labels() for record in dataset.videos.split("test"))
    assert np.flatnonzero(abuse).tolist() == [*range(20, 61)]  # rule B: the end is included
    assert np.flatnonzero(arson).tolist() == [*range(5, 21), *range(40, 80)]
    assert len(normal) == 64 and not normal.any()


@pytest.mark.parametrize("lists", [False, True])
def test_xd_violence_knows_its_split_from_folders_or_lists(tmp_path, lists):
    dataset = brought(small_xd(tmp_path / "xd-violence", lists), "xd-violence", partial=True)
    assert {record.name: record.split for record in dataset.videos.records} == {name: split for name, (split, _) in XD.items()}
    assert dataset.store.contract.crops == CROP_NAMES[5]
    assert (dataset.info.mask_rule, dataset.headline_metric, dataset.fps) == ("A", "ap", 24)
    assert dataset.info.note == "partial: 2 of 800 test videos, 2 of 3,954 training videos"
    assert dataset.videos.split("test")[0].events() == (("Riot", 0, 15), ("Fighting", 19, 30))


def test_one_crop_of_a_release_keeps_its_name(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", "crop-files", suffix="")
    for path in folder.rglob("*.npy"):
        if not path.stem.endswith("__5"):
            path.unlink()
    assert check_source(folder, partial(), progress=False).crops == ("centre_mirrored",)


def test_any_number_of_crops_and_stated_names(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", crops=3)
    assert check_source(folder, partial(), progress=False).crops == ("crop_0", "crop_1", "crop_2")
    found = check_source(folder, partial(crops=("left", "centre", "right")), progress=False)
    assert found.crops == ("left", "centre", "right")
    with pytest.raises(ConfigError, match="expected 3 different names"):
        check_source(folder, partial(crops=("left", "centre")), progress=False)


def test_names_of_one_s_own_may_end_like_a_crop(own):
    listed = (own / "videos.csv").read_text().replace("street_1", "street__1").replace("street_2", "street__2")
    (own / "videos.csv").write_text(listed)
    for number in (1, 2):
        (own / "features" / f"street_{number}.npy").rename(own / "features" / f"street__{number}.npy")
    assert brought(own).store.num_snippets("street__1") == 4


def test_sub_folders_suffixes_and_capital_letters(own):
    (own / "features" / "indoor").mkdir()
    (own / "features" / "street_1.npy").rename(own / "features" / "indoor" / "street_1_x264_i3d.NPY")
    assert set(brought(own).store.videos) == set(OWN_SNIPPETS)


# --- raw lengths and alignment ----------------------------------------------------------------------
def frames_csv(folder, **changed):
    path = folder / "frames.csv"
    lines = [f"{name},{changed.get(name, frames)}" for name, (_, _, frames, _) in UCF.items()]
    path.write_text("\n".join(["video,n_frames", *lines]))
    return str(path)


def test_raw_lengths_need_frame_counts_and_extend_the_last_score(tmp_path):
    floor = {name: frames // 16 for name, (_, _, frames, _) in UCF.items()}
    folder = small_ucf(tmp_path / "ucf-crime", snippets=floor)
    with pytest.raises(DataError, match="rule frames needs its raw frames; give a CSV"):
        import_dataset(folder, None, partial(rule="frames"), progress=False)
    dataset = brought(folder, "ucf-crime", partial=True, rule="frames", frames=frames_csv(tmp_path))
    assert [record.num_frames for record in dataset.videos.split("test")] == [100, 77, 64]
    assert (dataset.info.mask_rule, dataset.info.tail) == ("frames", "extend")
    assert np.flatnonzero(dataset.videos.split("test")[1].frame_labels()).tolist() == [*range(5, 20), *range(40, 77)]


@pytest.mark.parametrize(
    ("length", "cause"),
    [(14, "another stride, one snippet per 8 frames"), (28, "one snippet per 4 frames"), (6, "padding of the last snippet"),
     (10, "padding, or another release"), (4, "a copy that was cut off")],
)  # fmt: skip
def test_a_length_that_does_not_fit_is_told_with_both_numbers(tmp_path, length, cause):
    folder = small_ucf(tmp_path / "ucf-crime", snippets={"Abuse028_x264": length})
    found = check_source(folder, partial(frames=frames_csv(tmp_path)), progress=False)
    (problem,) = found.problems
    fact = f"video Abuse028_x264: 100 frames hold 7 snippets of 16 under mask rule B, its features have {length}; likely "
    assert problem.startswith(fact) and cause in problem


def test_alignment_follows_the_stated_rule_and_is_noted(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", snippets={"Abuse028_x264": 8, "Arson011_x264": 4})
    counts = frames_csv(tmp_path)
    for align, problem in (("cut", "Arson011"), ("pad", "Abuse028")):
        found = check_source(folder, partial(frames=counts, align=align), progress=False)
        assert len(found.problems) == 1 and problem in found.problems[0]
    dataset = brought(folder, "ucf-crime", partial=True, frames=counts, align="both")
    assert dataset.info.note.endswith("features of 2 videos aligned to their frames (both)")
    cut, padded = dataset.store.snippets("Abuse028_x264"), dataset.store.snippets("Arson011_x264")
    assert np.array_equal(cut, values(2, 10, 8, WIDTH)[:, :7].astype(np.float16))
    assert padded.shape[1] == 5
    assert np.array_equal(padded[:, :4], values(3, 10, 4, WIDTH).astype(np.float16))
    assert np.array_equal(padded[:, 4], padded[:, 3])


def test_alignment_needs_frame_counts(tmp_path):
    found = check_source(small_ucf(tmp_path / "ucf-crime"), partial(align="cut"), progress=False)
    assert "--align cut needs the frames of the videos" in found.problems[0]


def test_an_interval_behind_the_features_is_told_without_frame_counts(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", snippets={"Arson011_x264": 2})
    found = check_source(folder, partial(), progress=False)
    assert found.problems[0].startswith("video Arson011_x264: an annotated interval ends at frame 79, its features have 2 snippets")


@pytest.mark.parametrize(
    ("text", "message"),
    [("video,frames\na,1", "column n_frames is missing"), ("video,n_frames\na,x", "line 2, column n_frames: expected a whole"),
     ("video,n_frames\na,0", "line 2: 0 frames of a"), ("video,n_frames\na,1\na_x264,2", "line 3: 2 frames of a_x264"),
     ("", "column video, n_frames is missing"), ("video,n_frames", "expected columns video and n_frames and a line per video")],
)  # fmt: skip
def test_frame_counts_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "frames.csv"
    path.write_text(text)
    folder = small_ucf(tmp_path / "ucf-crime")
    assert message in "".join(check_source(folder, partial(frames=str(path)), progress=False).problems)
    with pytest.raises(DataError, match=message):
        import_dataset(folder, None, partial(frames=str(path)), progress=False)
    with pytest.raises(MissingFileError, match="found no such file"):
        check_source(folder, partial(frames=str(tmp_path / "none.csv")), progress=False)


def test_a_relative_path_of_frame_counts_is_kept_whole(tmp_path, monkeypatch):
    folder, counts = small_ucf(tmp_path / "ucf-crime"), frames_csv(tmp_path)
    monkeypatch.chdir(tmp_path)
    options = ["--dataset", "ucf-crime", "--source", str(folder), "--dimension", str(WIDTH), "--partial", "--frames", "frames.csv"]
    assert main(["import", *options]) == 0
    assert json.loads((folder / "import.json").read_text())["settings"]["frames"] == counts


# --- mistakes ---------------------------------------------------------------------------------------
def test_a_part_of_a_public_set_is_refused_unless_asked_for(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime")
    found = check_source(folder, settings("ucf-crime"), progress=False)
    assert found.problems == (
        "UCF-Crime: 2 abnormal and 1 normal test videos, released are 140 and 150; complete the lists and files, or accept it "
        "with --partial.",
        "UCF-Crime: 1 abnormal and 1 normal training videos, released are 810 and 800; complete the lists and files, or accept "
        "it with --partial.",
    )
    found = check_source(small_xd(tmp_path / "xd-violence"), settings("xd-violence"), progress=False)
    assert all("or a list such as rgbtest.list" in problem for problem in found.problems)


def test_missing_videos_are_counted_and_named(own):
    for name in ("brawl_1", "brawl_2"):
        (own / "features" / f"{name}.npy").unlink()
    found = check_source(own, settings(), progress=False)
    assert found.missing == ("brawl_1", "brawl_2")
    assert found.problems[0].startswith(
        "2 of 6 listed videos have no file (brawl_1, brawl_2); add them, or accept it with --partial"
    )
    import_dataset(own, own.parent / "part", settings(partial=True), progress=False)
    assert load_dataset(own.parent / "part").info.note == "partial: 2 of 2 test videos, 2 of 4 training videos"
    with pytest.raises(DataError, match=r"the imported list would differ .* give another folder with --out"):
        import_dataset(own, None, settings(partial=True), progress=False)


def test_surplus_files_are_named(own):
    save(own / "features" / "holiday.npy", values(9, 4, WIDTH))
    found = check_source(own, settings(), progress=False)
    assert found.surplus == ("holiday",) and "files of videos that no list names: holiday;" in found.problems[0]


def test_crops_that_are_the_same(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", "crop-files", suffix="")
    shutil.copy(folder / "features/Abuse/Abuse028_x264__2.npy", folder / "features/Abuse/Abuse028_x264__5.npy")
    found = check_source(folder, partial(), progress=False)
    assert found.problems == (
        "video Abuse028_x264: crops 2 and 5 (top_right, centre_mirrored) are the same; a file was copied under two names; take "
        "the crop from the release again.",
    )
    with pytest.raises(DataError, match="crops 2 and 5"):
        import_dataset(folder, None, partial(), progress=False)


def test_a_missing_crop_and_crops_of_different_length(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", "crop-files", suffix="")
    (folder / "features/Abuse/Abuse028_x264__3.npy").unlink()
    save(folder / "features/Arson/Arson011_x264__4.npy", values(0, 4, WIDTH))
    problems = check_source(folder, partial(), progress=False).problems
    assert problems[0].startswith("video Abuse028: crop 3 of 0 to 9 is missing; copy the files again")
    assert problems[1].startswith("video Arson011: its crops have 4, 5 snippets")


def crop_likeness(seed, length):
    """Features in which mirror images are alike and neighbouring corners somewhat, as in real ones."""
    rng = np.random.default_rng(seed)
    centre, top, left, shared = rng.normal(size=(4, length, 32))
    places = np.stack([centre, top + left, top - left, left - top, -top - 0.5 * left])
    crops = np.concatenate([places, places]) + 0.3 * rng.normal(size=(10, length, 32))
    return (crops + 3 * shared).astype(np.float32)


@pytest.mark.parametrize("swapped", [(1, 2), (3, 9)])
def test_swapped_crops_stand_out_among_the_videos(tmp_path, swapped):
    folder = tmp_path / "mine"
    rows = [("video", "split", "category", "n_frames", "intervals")]
    for number in range(12):
        features = crop_likeness(number, 20)
        if number == 4:
            features[list(swapped)] = features[list(reversed(swapped))]
        save_as(folder / "features", f"video_{number}", features, "crop-files")
        abnormal = number % 2
        rows.append(
            (
                f"video_{number}",
                "test" if number > 7 else "train",
                ("Normal", "Fighting")[abnormal],
                320,
                "1-9" * (abnormal and number > 7),
            )
        )
    with open(folder / "videos.csv", "w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    found = check_source(folder, settings(dimension=32), progress=False)
    (warning,) = found.warnings
    assert (
        warning.startswith("video video_4: crops ")
        and f"{swapped[0]} and {swapped[1]} " in warning.partition(" seem to be swapped")[0] + " "
    )
    assert not found.problems


def test_crops_without_likeness_raise_no_suspicion(tmp_path):
    comparison = CropComparison(CROP_NAMES[5])
    for number in range(40):
        assert not comparison.look(f"video_{number}", list(values(number, 5, 3, WIDTH)))
    assert comparison.warnings() == ()


def test_features_of_another_width(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", crops=1, width=2048)
    (problem,) = check_source(folder, partial(dimension=1024), progress=False).problems
    assert "features are 2,048 wide (I3D with ResNet-50, as RTFM uses), configured is 1,024; pass --dimension 2048" in problem


def other_width(folder):
    save(folder / "features/street_1.npy", values(0, 4, WIDTH + 1))


def other_layout(folder):
    save(folder / "features/street_1.npy", values(0, 4, 5, WIDTH))


def other_names(folder):
    (folder / "features/street_1.npy").rename(folder / "features/street_1__0.npy")


def two_files(folder):
    save(folder / "features/old/street_1_i3d.npy", values(0, 4, WIDTH))


def transposed(folder):
    for path in (folder / "features").iterdir():
        np.save(path, np.load(path).T)


def cut_off(folder):
    path = folder / "features/street_1.npy"
    path.write_bytes(path.read_bytes()[:-20])


def pickled(folder):
    np.save(folder / "features/street_1.npy", np.array([{"features": 1}], dtype=object), allow_pickle=True)


def whole_numbers(folder):
    save(folder / "features/street_1.npy", np.zeros((4, WIDTH), dtype=np.int64))


def flat(folder):
    for path in (folder / "features").iterdir():
        np.save(path, np.load(path).ravel())


def renamed(folder):
    for path in (folder / "features").iterdir():
        path.rename(path.with_name(f"clip-{path.name}"))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (other_width, r"features of different width \(8 in .*, 9 in features/street_1.npy\); two releases are mixed"),
        (other_layout, "files of different layouts, such as .* two releases are mixed"),
        (other_names, "files of different layouts, such as .* two releases are mixed"),
        (two_files, "features/old/street_1_i3d.npy .*features/street_1.npy|two releases are mixed, or a file is there twice"),
        (transposed, "all files have 8 rows and different widths; they seem to be D x T"),
        (cut_off, "street_1.npy: expected a plain .npy array, but it cannot be read"),
        (pickled, "street_1.npy: expected a plain .npy array, but it cannot be read"),
        (whole_numbers, "street_1.npy: expected features as float numbers, got int64"),
        (flat, "expected T x D, T x crops x D or crops x T x D, got"),
        (renamed, "none of the 6 videos with files is in the lists .*check --dataset and --source"),
    ],
)
def test_files_that_cannot_be_right(own, mistake, message):
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    mistake(own)
    assert any(re.search(message, problem) for problem in check_source(own, settings(), progress=False).problems)
    with pytest.raises(DataError, match=message):
        import_dataset(own, None, settings(), progress=False)
    assert not (own / "store").exists() and not (own / "dataset.json").exists()
    assert (own / "videos.csv").read_bytes() == before[own / "videos.csv"]


def test_nan_is_found_by_both_commands(own):
    broken = values(3, 2, WIDTH)
    broken[1, 2] = np.nan
    save(own / "features/brawl_2.npy", broken)
    assert check_source(own, settings(), progress=False).problems == (
        "video brawl_2: its features hold NaN or infinity; copy or extract them again.",
    )
    with pytest.raises(DataError, match="video brawl_2: its features hold NaN or infinity; copy or extract them again"):
        import_dataset(own, None, settings(), progress=False)


def test_no_snippets(own):
    save(own / "features/brawl_2.npy", values(0, 0, WIDTH))
    assert "video brawl_2: its features have no snippets; extract them again." in check_source(own, settings()).problems


def test_ambiguous_and_mixed_shapes_of_three_axes(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime", crops=5, snippets=dict.fromkeys(UCF, 5))
    (problem,) = check_source(folder, partial(), progress=False).problems
    assert "could be snippets x crops or crops x snippets" in problem and "--layout t-n-d or --layout n-t-d" in problem
    assert check_source(folder, partial(layout="n-t-d"), progress=False).layout == "n-t-d"
    assert "--layout single cannot be" in check_source(folder, partial(layout="single"), progress=False).problems[0]
    save(folder / "features/Abuse/Abuse028_x264_i3d.npy", values(0, 7, 10, WIDTH))
    assert "neither of the first two axes has one size in all files" in check_source(folder, partial(), progress=False).problems[0]
    assert "files have 5, 10 crops" in check_source(folder, partial(layout="t-n-d"), progress=False).problems[0]


def test_the_wrong_folder(tmp_path):
    folder = small_ucf(tmp_path / "data" / "ucf-crime")
    cases = [
        (tmp_path / "nowhere", "ucf-crime", "expected the folder of ucf-crime, found none"),
        (
            folder / "features",
            "ucf-crime",
            f"Anomaly_Train.txt, .* missing; found Abuse/, .*{folder} looks right: use --source {folder}",
        ),
        (folder, "xd-violence", "expected the lists of XD-Violence .*; these are the lists of UCF-Crime: use --dataset ucf-crime"),
        (folder, "mine", "expected videos.csv, found .*; it holds lists of UCF-Crime: use --dataset ucf-crime"),
    ]
    for source, dataset, message in cases:
        with pytest.raises(MissingFileError, match=message):
            import_dataset(source, tmp_path / "out", partial(dataset), progress=False)
    with pytest.raises(MissingFileError, match="expected the folder of ucf-crime, found none"):
        check_source(tmp_path / "nowhere", partial(), progress=False)
    for path in folder.rglob("*.npy"):
        path.unlink()
    (problem,) = check_source(folder, partial(), progress=False).problems
    assert "expected feature files (.npy) anywhere below or videos in videos/, found Anomaly_T" in problem


def test_features_under_another_name_than_features(own):
    (own / "features").rename(own / "i3d")
    (problem,) = check_source(own, settings(), progress=False).problems
    assert re.search("in features/ or videos in videos/, found i3d/, videos.csv; .*i3d looks right: name that", problem)


def test_the_annotation_under_the_name_of_the_authors_archive(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime")
    text = (folder / "Temporal_Anomaly_Annotation.txt").read_text().replace("_x264 ", "_x264.mp4 ")
    (folder / "Temporal_Anomaly_Annotation.txt").unlink()
    (folder / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt").write_text(text)
    assert not check_source(folder, partial(), progress=False).problems


def test_lists_of_two_releases(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime")
    (folder / "old").mkdir()
    shutil.copy(folder / "Anomaly_Test.txt", folder / "old" / "anomaly_test.txt")
    assert not check_source(folder, partial(), progress=False).problems
    (folder / "old" / "anomaly_test.txt").write_text("Abuse/Abuse028_x264.mp4\n")
    assert "differ; two releases are mixed" in check_source(folder, partial(), progress=False).problems[0]


def test_an_own_list_needs_a_normal_category_and_its_own_name(own):
    (own / "videos.csv").write_text((own / "videos.csv").read_text().replace("Normal", "calm"))
    assert "expected the category Normal among Fighting, calm" in check_source(own, settings(), progress=False).problems[0]
    assert check_source(own, settings(categories=("calm", "Fighting")), progress=False).videos.categories == ("calm", "Fighting")
    (own / "dataset.json").write_text('{"name": "other"}')
    assert "its name is 'other', asked for is 'mine'" in check_source(own, settings(), progress=False).problems[0]
    (own / "dataset.json").write_text("[1]")
    assert "expected named values, got a list" in check_source(own, settings(), progress=False).problems[0]


def test_names_that_differ_by_a_suffix_only(own):
    with open(own / "videos.csv", "a") as stream:
        stream.write("street_1_x264,train,Normal,60,\n")
    (problem,) = check_source(own, settings(), progress=False).problems
    assert "the lists hold street_1 and street_1_x264, which are one video" in problem


def test_an_own_list_is_never_overwritten(own):
    text = (own / "videos.csv").read_text()
    with pytest.raises(DataError, match="the imported list would differ"):
        import_dataset(own, None, settings(rule="A"), progress=False)
    brought(own)
    assert (own / "videos.csv").read_text() == text
    elsewhere = own.parent / "elsewhere"
    import_dataset(own, elsewhere, settings(rule="B"), progress=False)
    assert [record.num_frames for record in load_dataset(elsewhere).videos.records] == [64, 48, 48, 32, 80, 96]


# --- importing again --------------------------------------------------------------------------------
def test_nothing_is_done_twice(own):
    assert import_dataset(own, None, settings(), progress=False).changed
    store = (own / "store" / "store.json").stat().st_mtime_ns
    assert not import_dataset(own, None, settings(), progress=False).changed
    assert (own / "store" / "store.json").stat().st_mtime_ns == store
    assert import_dataset(own, None, settings(dtype="float32"), progress=False).changed
    save(own / "features/street_1.npy", values(77, 4, WIDTH))
    assert import_dataset(own, None, settings(dtype="float32"), progress=False).changed
    assert np.array_equal(FeatureStore.open(own / "store").snippets("street_1")[0], values(77, 4, WIDTH))
    (own / "dataset.json").write_text("{}")
    assert import_dataset(own, None, settings(dtype="float32"), progress=False).changed


def test_a_failed_import_leaves_the_old_one(own):
    brought(own)
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file() and "features" not in path.parts}
    save(own / "features/brawl_3.npy", np.full((6, WIDTH), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="brawl_3"):
        import_dataset(own, None, settings(), progress=False)
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file() and "features" not in path.parts} == before


def test_a_person_s_note_stays_and_ours_goes(own):
    (own / "dataset.json").write_text(json.dumps({"note": "two cameras", "fps": 10}))
    removed = own / "features/brawl_1.npy"
    kept = removed.read_bytes()
    out = own.parent / "out"
    removed.unlink()
    import_dataset(own, out, settings(partial=True), progress=False)
    assert load_dataset(out).info.note == "two cameras; partial: 2 of 2 test videos, 3 of 4 training videos"
    removed.write_bytes(kept)
    for _ in range(2):
        dataset = brought(own, partial=True)
        assert (dataset.info.note, dataset.fps) == ("two cameras", 10)


# --- videos, and the chain --------------------------------------------------------------------------
def test_videos_alone_are_listed_with_their_frames(tmp_path):
    folder = small_ucf(tmp_path / "ucf-crime")
    shutil.rmtree(folder / "features")
    for name, (_, category, frames, _) in UCF.items():
        path = folder / "videos" / category / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, iter(values(0, frames, 64, 64, 3).astype(np.uint8)), fps=30)
    result = import_dataset(folder, None, partial(), progress=False)
    assert result.changed and not result.features
    videos = load_dataset(folder, features=False)
    assert {record.name: record.num_frames for record in videos.videos.records} == {name: row[2] for name, row in UCF.items()}
    assert videos.info.mask_rule == "frames"
    assert not import_dataset(folder, None, partial(), progress=False).changed
    one = tmp_path / "one.csv"  # the frames of a video whose header is wrong; the others keep those of theirs
    one.write_text("video,n_frames\nAbuse028,99\n")
    import_dataset(folder, None, partial(frames=str(one)), progress=False)
    counted = {record.name: record.num_frames for record in load_dataset(folder, features=False).videos.records}
    assert counted == {name: row[2] for name, row in UCF.items()} | {"Abuse028_x264": 99}


def test_listed_frames_are_compared_with_the_videos(own):
    shutil.rmtree(own / "features")
    for name, _, _, frames, _ in OWN:
        path = own / "videos" / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, iter(np.zeros((frames + 20 * (name == "street_3"), 64, 64, 3), dtype=np.uint8)), fps=25)
    found = check_source(own, settings(), progress=False)
    message = "video street_3: listed with 80 frames, its file has 100; that is 7 snippets, not 5; correct n_frames to 100."
    assert (found.layout, found.problems) == (None, (message,))
    by_header = check_source(own, settings(), read=False, progress=False)
    assert (by_header.problems, by_header.warnings) == (
        (),
        (
            "by the headers of their files, videos of other length than listed: street_3; correct n_frames if so; "
            "check --decode counts them.",
        ),
    )


def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path):
    rows = ["video,split,category,n_frames,intervals"]
    features = np.ones((20_000, 5, 32), dtype=np.float32) * np.arange(1, 6, dtype=np.float32)[:, None]
    for number in range(2):
        save(tmp_path / "mine" / "features" / f"v{number}.npy", features)
        rows.append(f"v{number},train,{('Normal', 'Fighting')[number % 2]},320000,")
    (tmp_path / "mine" / "videos.csv").write_text("\n".join(rows))
    tracemalloc.start()
    import_dataset(tmp_path / "mine", None, settings(dimension=32, partial=True), progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < features.nbytes / 3  # of one video


def test_preparing_a_data_set_imports_it_with_the_settings_of_last_time(own):
    layout, profile = Layout.create("smoke", own.parent / "out", own.parent), get_profile("smoke")
    with pytest.raises(DataError, match="--dimension 8"):
        prepare.prepare_dataset(layout, profile, "mine", progress=False)
    first = prepare.prepare_dataset(layout, profile, "mine", progress=False, importing=settings())
    again = prepare.prepare_dataset(layout, profile, "mine", progress=False)
    assert first.store.content_hash == again.store.content_hash
    shutil.rmtree(own / "features")
    assert prepare.prepare_dataset(layout, profile, "mine", progress=False).store.content_hash == first.store.content_hash


def test_a_finished_data_set_is_left_alone(planted_folder):
    assert not write.prepare_folder(planted_folder, planted_folder.name, progress=False)


def test_the_command_line(own, capsys):
    common = ["--dataset", "mine", "--source", str(own), "--dimension", str(WIDTH)]
    assert main(["check", *common]) == 0
    shown = capsys.readouterr().out
    for text in (
        "layout single, 1 crop (centre), 8 wide; mask rule frames",
        "Fighting",
        "train: 2 to 4 snippets, mean 3",
        "missing: none; surplus: none; duplicates: none",
    ):
        assert text in shown
    assert not (own / "store").exists()
    assert main(["import", *common]) == 0 and (own / "store").is_dir()
    assert main(["import", *common]) == 0
    assert capsys.readouterr().out.endswith("nothing has changed since the last import\n")
    assert main(["check", *common[:-1], "1024"]) == 1
    assert "\nerror: " in capsys.readouterr().out
    assert main(["import", *common[:-1], "1024"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    (own / "features/brawl_1.npy").unlink()
    assert main(["check", *common, "--headers"]) == 1
    assert "error: 1 of 6 listed videos have no file (brawl_1)" in capsys.readouterr().out
    assert main(["import", *common, "--partial", "--out", str(own.parent / "part")]) == 0
    assert load_dataset(own.parent / "part").info.note.startswith("partial: ")


def test_links_out_of_hidden_folders_are_not_followed(own):
    """Hidden folders, such as a store being replaced, are not searched."""
    save(own / "features/.trash/street_9.npy", values(0, 4, WIDTH))
    assert not check_source(own, settings(), progress=False).problems


def test_a_list_can_be_written_by_hand(tmp_path):
    records = (VideoRecord("a", "train", ("Normal",), 16), VideoRecord("b", "train", ("Fighting",), 16))
    path = write_video_csv(tmp_path / "mine" / "videos.csv", VideoList(("Normal", "Fighting"), records))
    for number, name in enumerate("ab"):
        save(path.parent / "features" / f"{name}.npy", values(number, 1, WIDTH))
    assert brought(path.parent, partial=True).store.videos == ("a", "b")
