"""Data sets: what belongs together, the validation split, the label control, and batches."""

import dataclasses
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.batches import BalancedBatches, video_batch
from vad_lib.data.dataset import Dataset, load_dataset, permute_labels, validation_split
from vad_lib.data.segments import segment_means
from vad_lib.errors import DataError, MissingFileError
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


@pytest.fixture
def folder(planted_folder, tmp_path):
    """A copy of the planted data set that a test may damage."""
    return shutil.copytree(planted_folder, tmp_path / "planted")


def rewrite(folder, change):
    """Pass every record of ``videos.csv`` through ``change``; None leaves the record out."""
    videos = load_dataset(folder, features=False).videos
    records = tuple(changed for record in videos.records if (changed := change(record)) is not None)
    write_video_csv(folder / "videos.csv", VideoList(videos.categories, records))


# --- loading ----------------------------------------------------------------------------------------------


def test_a_data_set_is_its_card_its_list_and_its_features(dataset, planted_folder):
    assert (dataset.name, dataset.title, dataset.counterpart) == ("planted", "Planted bags", "")
    assert (dataset.headline_metric, dataset.synthetic, dataset.fps) == ("auc", True, 25.0)
    assert dataset.categories == ("Normal", "Fighting", "Arson")
    assert (len(dataset.videos.split("train")), len(dataset.videos.split("test"))) == (40, 12)
    assert set(dataset.store.videos) == {record.name for record in dataset.videos.records}
    assert load_dataset(planted_folder, features=False).store is None


def test_what_is_missing_is_named_with_the_command_that_makes_it(folder, tmp_path):
    with pytest.raises(MissingFileError, match=r"no-set: .* found no folder; `make reproduce` and notebook 01_feature_prep"):
        load_dataset(tmp_path / "no-set")
    shutil.rmtree(folder / "store")
    with pytest.raises(MissingFileError, match=r"planted: expected a feature store in .*; `make reproduce` and notebook 01"):
        load_dataset(folder)
    (folder / "videos.csv").unlink()
    with pytest.raises(MissingFileError, match=r"videos\.csv"):
        load_dataset(folder, features=False)
    (folder / "dataset.json").unlink()
    with pytest.raises(MissingFileError, match=r"dataset\.json"):
        load_dataset(folder, features=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"headline_metric": "accuracy"}, r"dataset\.json: .*headline_metric: .*got 'accuracy'"),
        ({"colour": "red"}, r"dataset\.json: .*colour"),
        ({"categories": ["Normal"]}, r"dataset\.json: .*categories"),
        ({"categories": ["Normal", "Riot", "Riot"]}, r"dataset\.json: a category is given twice"),
        ({"categories": ["Normal", "Fighting;Arson"]}, r"dataset\.json: .*without ';'"),
        ({"categories": ["Normal", " Arson"]}, r"dataset\.json: .*without blanks"),
        ({"fps": 0}, r"dataset\.json: .*fps"),
        ({"categories": ["Normal", "Arson"]}, r"videos\.csv: video train_Fighting_01: unknown category Fighting"),
    ],
)
def test_a_wrong_card_is_refused(folder, change, message):
    write_json(folder / "dataset.json", read_json(folder / "dataset.json") | change)
    with pytest.raises(DataError, match=message):
        load_dataset(folder, features=False)


def test_a_card_that_is_a_list_is_refused(folder):
    write_json(folder / "dataset.json", ["Planted bags"])
    with pytest.raises(DataError, match="expected named values, got a list"):
        load_dataset(folder, features=False)


def test_a_listed_video_needs_features(folder):
    extra = VideoRecord("late", "train", ("Normal",), 20)
    videos = load_dataset(folder, features=False).videos
    write_video_csv(folder / "videos.csv", VideoList(videos.categories, (*videos.records, extra)))
    with pytest.raises(DataError, match=r"1 of 53 listed videos have no features \(late\)"):
        load_dataset(folder)


def test_features_that_are_not_listed_are_left_unused_with_a_warning(folder):
    rewrite(folder, lambda record: None if record.name == "train_Arson_03" else record)
    with pytest.warns(UserWarning, match=r"features of 1 videos .* left unused \(train_Arson_03\)"):
        dataset = load_dataset(folder)
    batches = BalancedBatches(dataset, dataset.videos.split("train"), 4, batch_size=40, seed=0)
    assert "train_Arson_03" not in batches.batch(0).videos


def test_the_number_of_snippets_must_follow_from_the_frames(folder):
    name = "test_Arson_03"

    def lengthen(record):
        return dataclasses.replace(record, num_frames=record.num_frames + 160) if record.name == name else record

    rewrite(folder, lengthen)
    with pytest.raises(DataError, match=rf"video {name} has [\d,]+ frames, so \d+ snippets of 16, but features of \d+") as told:
        load_dataset(folder)
    assert str(told.value).endswith("; correct its n_frames or extract it again.")
    write_json(folder / "dataset.json", read_json(folder / "dataset.json") | {"synthetic": False, "counterpart": "UCF-Crime"})
    with pytest.raises(DataError, match=r"--frames CSV of the import, importing=\{frames: CSV\} of notebook 01\.$"):
        load_dataset(folder)  # the next import would write the list again


@pytest.mark.parametrize("rule", ["A", "B", "C"])
def test_rules_that_count_snippets_need_whole_ones(folder, rule):
    rewrite(folder, lambda r: dataclasses.replace(r, num_frames=-(-r.num_frames // 16) * 16))
    write_json(folder / "dataset.json", read_json(folder / "dataset.json") | {"mask_rule": rule})
    assert load_dataset(folder).info.mask_rule == rule
    rewrite(folder, lambda r: dataclasses.replace(r, num_frames=r.num_frames - (r.name == "test_Arson_03")))
    with pytest.raises(DataError, match=rf"video test_Arson_03 has \d+ frames, but mask rule {rule} counts 16 for each snippet"):
        load_dataset(folder)


def test_features_of_another_width_are_refused(planted_folder):
    assert load_dataset(planted_folder, expect={"dimension": 16}).store.dimension == 16
    with pytest.raises(DataError, match=r"dimension.*1024"):
        load_dataset(planted_folder, expect={"dimension": 1024})


# --- validation split -------------------------------------------------------------------------------------


def in_memory(*categories, names=("Normal", "Fighting", "Riot")):
    """A data set without features: one training video per given tuple of categories."""
    records = tuple(VideoRecord(f"v{i:03d}", "train", given, 16) for i, given in enumerate(categories))
    return Dataset(None, DATASET_INFO, VideoList(names, records), None)


DATASET_INFO = type("Info", (), {"name": "memory"})
NORMAL, FIGHTING, RIOT, BOTH = ("Normal",), ("Fighting",), ("Riot",), ("Fighting", "Riot")


def test_every_category_gives_its_share():
    dataset = in_memory(*[NORMAL] * 50, *[FIGHTING] * 20, *[RIOT] * 20, *[BOTH] * 10)
    fit, held_out = validation_split(dataset, 0.2, seed=1)
    assert sorted((*fit, *held_out), key=lambda r: r.name) == list(dataset.videos.records)
    counts = Counter(record.categories for record in held_out)
    assert counts[NORMAL] == 10
    assert sum(counts.values()) == 20
    for categories, share in ((FIGHTING, 4), (RIOT, 4), (BOTH, 2)):
        assert abs(counts[categories] - share) <= 1
    places = [int(record.name[1:]) for record in held_out if record.categories == NORMAL]
    assert len(set(np.diff(places))) > 1  # drawn, not every fifth of the list


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5])
def test_no_category_of_two_is_held_out_whole(seed, fraction):
    dataset = in_memory(*[NORMAL] * 4, *[FIGHTING] * 2, *[RIOT] * 3, *[BOTH] * 2)
    fit, held_out = validation_split(dataset, fraction, seed)
    assert {record.categories for record in fit} == {NORMAL, FIGHTING, RIOT, BOTH}
    assert {dataset.videos.is_abnormal(record) for record in held_out} == {False, True}


def test_both_sides_keep_both_kinds_even_when_almost_all_is_held_out():
    dataset = in_memory(NORMAL, NORMAL, FIGHTING, RIOT)
    for part in validation_split(dataset, 0.99, seed=0):
        assert {dataset.videos.is_abnormal(record) for record in part} == {False, True}


def test_the_split_follows_the_seed(dataset):
    assert validation_split(dataset, 0.2, seed=4) == validation_split(dataset, 0.2, seed=4)
    assert len({validation_split(dataset, 0.2, seed=seed) for seed in range(4)}) == 4
    fit, held_out = validation_split(dataset, 0.2, seed=4)
    assert (len(fit), len(held_out)) == (32, 8)
    assert all(record.split == "train" for record in (*fit, *held_out))


@pytest.mark.parametrize(
    ("categories", "message"),
    [((NORMAL, FIGHTING, RIOT), "2 normal training videos, got 1"), ((NORMAL, NORMAL), "2 abnormal training videos, got 0")],
)
def test_too_few_videos_to_split(categories, message):
    with pytest.raises(DataError, match=f"data set memory: a validation split needs {message}"):
        validation_split(in_memory(*categories), 0.5, seed=0)


# --- label control ----------------------------------------------------------------------------------------


def test_permuted_labels_keep_videos_and_counts(dataset):
    records = dataset.videos.split("train")
    shuffled = permute_labels(dataset, 3)
    permuted = shuffled.videos.split("train")
    assert shuffled.videos.split("test") == dataset.videos.split("test")
    assert [record.name for record in permuted] == [record.name for record in records]
    assert Counter(r.categories for r in permuted) == Counter(r.categories for r in records)
    changed = sum(a.categories != b.categories for a, b in zip(permuted, records))
    assert changed > len(records) / 3
    assert permute_labels(dataset, 3) == shuffled
    assert permute_labels(dataset, 4) != shuffled


# --- batches ----------------------------------------------------------------------------------------------


def batches(dataset, batch_size=6, seed=9, num_segments=5, **options):
    return BalancedBatches(dataset, dataset.videos.split("train"), num_segments, batch_size, seed, **options)


def test_a_batch_is_normal_videos_then_abnormal_ones(dataset):
    batch = batches(dataset).batch(0)
    assert (batch.features.shape, batch.features.dtype) == ((12, 1, 5, 16), torch.float32)
    assert (batch.mask.shape, batch.mask.dtype, bool(batch.mask.all())) == ((12, 5), torch.bool, True)
    assert batch.video_labels.tolist() == [0] * 6 + [1] * 6
    records = {record.name: record for record in dataset.videos.records}
    expected = np.stack([dataset.videos.category_target(records[name].categories) for name in batch.videos])
    assert np.array_equal(batch.category_targets.numpy(), expected)


def test_a_video_of_several_categories_has_all_of_them_or_the_one_that_is_listed_first(folder):
    rewrite(folder, lambda r: r if r.categories == ("Normal",) else dataclasses.replace(r, categories=("Arson", "Fighting")))
    several = load_dataset(folder)
    shared, first = batches(several).batch(0), batches(several, categories="first").batch(0)
    assert shared.category_targets[6:].unique(dim=0).tolist() == [[0, 0.5, 0.5]]
    assert first.category_targets[6:].unique(dim=0).tolist() == [[0, 0, 1]]
    assert shared.category_targets[:6].equal(first.category_targets[:6])


def test_rows_are_the_segments_of_their_video(dataset):
    backwards = validation_split(dataset, 0.3, seed=0)[0][::-1]
    batch = BalancedBatches(dataset, backwards, 5, batch_size=6, seed=9).batch(2)
    for row, name in enumerate(batch.videos):
        crops = segment_means(dataset.store.snippets(name), 5)
        difference = np.abs(crops - batch.features[row, 0].numpy()).max(axis=(1, 2))
        assert difference.min() < 5e-3  # one of the crops, stored in half precision


def test_all_crops_of_a_video_may_be_one_sample(dataset):
    batch = batches(dataset, crops="together").batch(1)
    assert batch.features.shape == (12, 2, 5, 16)
    for row, name in enumerate(batch.videos):
        expected = segment_means(dataset.store.snippets(name), 5)
        np.testing.assert_allclose(batch.features[row].numpy(), expected, atol=5e-3)
    drawn = batches(dataset, batch_size=10, crops="together")  # 20 videos of a class: two steps are an epoch
    assert len({*drawn.batch(0).videos, *drawn.batch(1).videos}) == 40


@pytest.mark.parametrize("segmenting", ["means_or_pad", "picks_or_pad"])
def test_short_videos_may_keep_their_snippets(dataset, segmenting):
    batch = batches(dataset, num_segments=9, segmenting=segmenting).batch(0)
    lengths = [min(dataset.store.num_snippets(name), 9) for name in batch.videos]
    assert batch.mask.sum(dim=1).tolist() == lengths and len(set(lengths)) > 1
    for row, (name, length) in enumerate(zip(batch.videos, lengths)):
        snippets = dataset.store.snippets(name)
        features = batch.features[row, 0].numpy()
        assert not features[length:].any() and features[:length].any(axis=1).all()
        if snippets.shape[1] <= 9:
            assert np.abs(snippets - features[:length]).max(axis=(1, 2)).min() == 0
        elif segmenting == "picks_or_pad":
            assert np.abs(snippets[:, [0, -1]] - features[[0, -1]]).max(axis=(1, 2)).min() == 0


def test_a_batch_depends_on_seed_and_step_alone(dataset):
    first, again = batches(dataset), batches(dataset)
    later = [first.batch(step) for step in (5, 0, 5)]
    assert torch.equal(later[0].features, later[2].features)
    assert torch.equal(later[0].features, again.batch(5).features)
    assert later[0].videos == again.batch(5).videos
    assert later[0].videos != later[1].videos
    assert later[0].videos != batches(dataset, seed=10).batch(5).videos


def test_an_epoch_uses_every_crop_of_every_video_once(dataset):
    drawn = batches(dataset, batch_size=8)  # 20 videos x 2 crops = 40 samples of a class: five steps
    for epoch in range(2):
        names, rows = Counter(), set()
        for step in range(5 * epoch, 5 * epoch + 5):
            batch = drawn.batch(step)
            names.update(batch.videos)
            rows.update(row.numpy().tobytes() for row in batch.features)
        assert set(names.values()) == {2}
        assert len(rows) == 80
    assert drawn.batch(0).videos != drawn.batch(5).videos


def test_a_batch_may_be_larger_than_a_class(dataset):
    records = validation_split(dataset, 0.1, seed=0)[1]
    batch = BalancedBatches(dataset, records, 4, batch_size=50, seed=0).batch(3)
    assert len(batch.videos) == 100
    assert set(batch.videos) == {record.name for record in records}
    counts = Counter(batch.videos[:50])
    assert max(counts.values()) - min(counts.values()) <= 2 * dataset.store.num_crops


def test_permuted_labels_reach_the_batch(dataset):
    shuffled = permute_labels(dataset, 3)
    permuted = {record.name: record.categories for record in shuffled.videos.split("train")}
    batch = batches(shuffled).batch(1)
    for name, label, target in zip(batch.videos, batch.video_labels, batch.category_targets):
        assert label == (permuted[name] != ("Normal",))
        assert target[dataset.categories.index(permuted[name][0])] == 1


def test_one_kind_of_video_is_refused(dataset):
    normal = [record for record in dataset.videos.split("train") if not dataset.videos.is_abnormal(record)]
    with pytest.raises(DataError, match="training needs abnormal videos, got none of 20"):
        BalancedBatches(dataset, normal, 4, 2, seed=0)


class BrokenStore:
    """A store in memory whose second video has a NaN (a store on disk cannot be written with one)."""

    videos, num_crops = ("calm", "fight"), 1

    def __init__(self):
        self.values = np.zeros((2, 1, 3, 4), dtype=np.float16)
        self.values[1, 0, 2, 3] = np.nan

    def segments(self, num_segments, segmenting):
        return self.values

    def snippets(self, video):
        return self.values[self.videos.index(video)]


def test_a_nan_names_the_video():
    records = (VideoRecord("calm", "train", NORMAL, 48), VideoRecord("fight", "train", FIGHTING, 48))
    dataset = Dataset(None, DATASET_INFO, VideoList(("Normal", "Fighting"), records), BrokenStore())
    with pytest.raises(DataError, match="video fight: expected finite features, got NaN or infinity"):
        BalancedBatches(dataset, records, 3, 1, seed=0).batch(0)
    with pytest.raises(DataError, match="video fight: expected finite features"):
        video_batch(dataset, records[1])
    assert video_batch(dataset, records[0]).shape == (1, 1, 3, 4)


# --- testing ----------------------------------------------------------------------------------------------


def test_a_test_video_keeps_its_own_snippets(dataset):
    record = dataset.videos.split("test")[0]
    features = video_batch(dataset, record)
    snippets = dataset.store.snippets(record.name)
    assert features.shape == (1, 2, -(-record.num_frames // FRAMES_PER_SNIPPET), 16)
    assert features.dtype == torch.float32
    assert np.array_equal(features[0].numpy(), snippets.astype(np.float32))
    assert np.array_equal(video_batch(dataset, record, crops=slice(1, 2))[0].numpy(), snippets[1:2].astype(np.float32))


def test_changing_a_batch_cannot_reach_the_store(dataset):
    record = dataset.videos.split("test")[0]
    before = dataset.store.snippets(record.name).copy()
    video_batch(dataset, record).fill_(7)
    assert np.array_equal(dataset.store.snippets(record.name), before)
