"""What holds for every input: segments, intervals and masks, metrics, stores and files, scores over time, detection."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoList, VideoRecord, ground_truth_mask, read_video_csv, write_video_csv
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.segments import evenly_spaced, make_segments, segment_means
from vad_lib.errors import DataError
from vad_lib.evaluation import detection, event_matching, frame_level
from vad_lib.evaluation.scoring import frame_scores, interpolated, smoothed, snippet_frames
from vad_lib.storage.reading import read_array, read_arrays, read_json
from vad_lib.storage.writing import write_array, write_arrays, write_json

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)
SEGMENTING = ("means", "means_or_pad", "picks_or_pad")


def features(seed, length, crops=2, width=3):
    return np.random.default_rng(seed).normal(size=(crops, length, width)).astype(np.float32)


# --- segments -----------------------------------------------------------------------------------------
@BOUNDED
@given(SEEDS, st.integers(1, 90), st.integers(1, 40))
def test_a_segment_is_the_mean_of_its_snippets_added_one_by_one(seed, length, number):
    snippets = features(seed, length)
    slow = []
    for i in range(number):
        start, end = i * length // number, (i + 1) * length // number
        rows = [snippets[:, j].astype(np.float64) for j in range(start, max(end, start + 1))]
        slow.append(sum(rows) / len(rows))
    np.testing.assert_allclose(segment_means(snippets, number), np.stack(slow, axis=1), atol=1e-6)


@BOUNDED
@given(SEEDS, st.integers(1, 40), st.integers(1, 6), st.integers(1, 6))
def test_segments_keep_the_mean_and_whole_numbers_of_snippets(seed, number, times, longer):
    snippets = features(seed, number * times)
    np.testing.assert_allclose(segment_means(snippets, number).mean(axis=1), snippets.mean(axis=1), atol=1e-5)
    assert np.array_equal(segment_means(snippets, number * times), snippets)
    # more segments than snippets: each is repeated, in order
    assert np.array_equal(segment_means(snippets, number * times * longer), snippets.repeat(longer, axis=1))


@BOUNDED
@given(SEEDS, st.integers(1, 60), st.integers(1, 60), st.sampled_from(SEGMENTING))
def test_segmenting_stays_within_the_video_and_treats_crops_alone(seed, length, number, segmenting):
    snippets = features(seed, length)
    found = make_segments(snippets, number, segmenting)
    assert found.shape == (2, number, 3) and found.dtype == np.float32
    assert np.array_equal(found[:1], make_segments(snippets[:1], number, segmenting))
    real = min(length, number) if segmenting != "means" else number
    assert (found[:, real:] == 0).all()
    low, high = snippets.min(axis=1, keepdims=True), snippets.max(axis=1, keepdims=True)
    assert ((found[:, :real] >= low - 1e-6) & (found[:, :real] <= high + 1e-6)).all()
    if segmenting != "means" and length <= number:
        assert np.array_equal(found[:, :length], snippets)
    constant = np.full((1, length, 2), 0.375, np.float32)
    assert (make_segments(constant, number, segmenting)[:, :real] == 0.375).all()


@BOUNDED
@given(SEEDS, st.integers(1, 60), st.integers(1, 60))
def test_picked_snippets_are_in_order_from_the_first_to_the_last(seed, length, number):
    numbers = evenly_spaced(np.arange(length, dtype=np.float64)[:, None], number)[:, 0]
    assert (np.diff(numbers) >= 0).all() and set(numbers) <= set(range(length))
    assert numbers[0] == 0
    assert number == 1 or numbers[-1] == length - 1
    assert number > length or len(set(numbers)) == number
    snippets = features(seed, length)
    assert np.array_equal(evenly_spaced(snippets, number), snippets[:, numbers.astype(int)])


@BOUNDED
@given(SEEDS, st.integers(1, 30), st.integers(1, 30), st.floats(-4, 4), st.floats(-4, 4))
def test_means_are_linear(seed, length, number, a, b):
    one, other = features(seed, length), features(seed + 1, length)
    expected = a * segment_means(one, number) + b * segment_means(other, number)
    np.testing.assert_allclose(segment_means(a * one + b * other, number), expected, atol=1e-4)


# --- intervals and masks ------------------------------------------------------------------------------
SPANS = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 80)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=4)


@BOUNDED
@given(SPANS, st.integers(1, 150), st.integers(1, 9), st.sampled_from(["frames", "A", "C"]))
def test_a_mask_marks_the_frames_that_lie_in_an_interval(spans, num_frames, num_snippets, rule):
    mask = ground_truth_mask(spans, num_frames, num_snippets, rule)
    length = num_frames if rule == "frames" else FRAMES_PER_SNIPPET * num_snippets
    assert mask.tolist() == [int(any(start <= frame < end for start, end in spans)) for frame in range(length)]
    assert np.array_equal(mask, ground_truth_mask(spans[::-1], num_frames, num_snippets, rule))
    clipped = [(start, min(end, length)) for start, end in spans if start < length]
    assert np.array_equal(mask, ground_truth_mask(clipped, num_frames, num_snippets, rule))
    halves = [part for start, end in spans for part in ((start, (start + end) // 2), ((start + end) // 2, end))]
    assert np.array_equal(mask, ground_truth_mask(halves, num_frames, num_snippets, rule))


@BOUNDED
@given(SPANS, st.integers(1, 12))
def test_rule_b_adds_the_end_of_each_interval_and_the_rest_of_the_last_snippet(spans, num_snippets):
    length = FRAMES_PER_SNIPPET * num_snippets
    wide = ground_truth_mask(spans, length, num_snippets, "B")
    expected = [any(start <= frame <= end for start, end in spans) for frame in range(length)]
    if spans and length - spans[-1][1] < FRAMES_PER_SNIPPET:
        expected[spans[-1][1] :] = [True] * len(expected[spans[-1][1] :])
    assert wide.tolist() == [int(value) for value in expected]
    assert (wide >= ground_truth_mask(spans, length, num_snippets, "A")).all()


@st.composite
def video_lists(draw):
    categories = ("Normal", *draw(st.lists(st.sampled_from(["Arson", "Fighting", "Abuse", "Riot"]), min_size=1, unique=True)))
    names = draw(st.lists(st.text("abcXYZ019_ -=#.ÄßéΩ日", min_size=1, max_size=12), min_size=1, max_size=8, unique_by=str.strip))
    records = []
    for name in names:
        assume(name.strip() == name and name not in (".", ".."))
        split, frames = draw(st.sampled_from(["train", "test"])), draw(st.integers(1, 400))
        kinds = draw(st.lists(st.sampled_from(categories), min_size=1, max_size=3, unique=True))
        kinds = ["Normal"] if "Normal" in kinds else kinds
        spans, events = (), ()
        if kinds != ["Normal"] and split == "test":
            starts = draw(st.lists(st.integers(0, frames - 1), min_size=1, max_size=3))
            spans = tuple((start, start + draw(st.integers(1, 500))) for start in starts)
            events = tuple((draw(st.sampled_from(kinds)), *span) for span in spans) if draw(st.booleans()) else ()
        records.append(VideoRecord(name, split, tuple(kinds), frames, spans, events))
    return VideoList(categories, tuple(records))


@BOUNDED
@given(video_lists())
def test_a_list_of_videos_comes_back_as_it_was(videos):
    with tempfile.TemporaryDirectory() as folder:
        path = write_video_csv(Path(folder) / "videos.csv", videos)
        assert read_video_csv(path, videos.categories) == videos
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))  # as another program saves it
        assert read_video_csv(path, videos.categories) == videos
    for record in videos.records:
        assert len(record.frame_labels()) == record.num_frames
        target = videos.category_target(record.categories)
        assert target.sum() == pytest.approx(1) and (target > 0).sum() == len(record.categories)


# --- metrics ------------------------------------------------------------------------------------------
@st.composite
def scored_sets(draw):
    """Labels, scores with ties and categories of a test set that has all kinds of frames."""
    rng = np.random.default_rng(draw(SEEDS))
    labels, scores, categories = {}, {}, {}
    for index in range(draw(st.integers(3, 7))):
        mask = np.zeros(int(rng.integers(6, 30)), dtype=np.uint8)
        if index:
            mask[1 : int(rng.integers(2, len(mask)))] = 1
        labels[f"v{index}"], scores[f"v{index}"] = mask, rng.integers(0, 16, len(mask)) / 16
        categories[f"v{index}"] = ("Normal",) if not index else (("Fire",), ("Riot",), ("Fire", "Riot"))[index % 3]
    return labels, scores, categories


INCREASING = [np.square, np.sqrt, lambda s: 0.2 + s / 3, lambda s: np.expm1(s) / 2, lambda s: s**5]
RANKED = ("auc", "ap", "ap_trapezoid", "auc_abnormal_videos", "auc_per_category")


@BOUNDED
@given(scored_sets(), st.sampled_from(INCREASING), st.randoms(use_true_random=False))
def test_an_increasing_map_and_another_order_change_no_ranked_metric(test_set, increasing, random):
    labels, scores, categories = test_set
    found = frame_level.evaluate(labels, scores, categories, "Normal")
    order = random.sample(list(labels), len(labels))
    other = frame_level.evaluate(
        {video: labels[video] for video in order},
        {video: increasing(scores[video]) for video in reversed(order)},
        {video: categories[video] for video in order},
        "Normal",
    )
    assert {name: other[name] for name in RANKED} == {name: found[name] for name in RANKED}


@BOUNDED
@given(scored_sets(), st.sampled_from([lambda s: 1 - s, lambda s: 1 / (1 + s), lambda s: (1 - s) ** 3]))
def test_a_decreasing_map_gives_the_complement_of_the_auc(test_set, decreasing):
    labels, scores, categories = test_set
    found = frame_level.evaluate(labels, scores, categories, "Normal")
    other = frame_level.evaluate(labels, {video: decreasing(values) for video, values in scores.items()}, categories, "Normal")
    for name in ("auc", "auc_abnormal_videos"):
        assert other[name] == pytest.approx(1 - found[name], abs=1e-12)
    for name, value in found["auc_per_category"].items():
        assert other["auc_per_category"][name] == pytest.approx(1 - value, abs=1e-12)


@BOUNDED
@given(scored_sets(), SEEDS)
def test_frames_may_change_places_within_a_video_with_their_labels(test_set, seed):
    labels, scores, categories = test_set
    rng = np.random.default_rng(seed)
    orders = {video: rng.permutation(len(mask)) for video, mask in labels.items()}
    mixed = ({video: part[video][order] for video, order in orders.items()} for part in (labels, scores))
    assert frame_level.evaluate(*mixed, categories, "Normal") == frame_level.evaluate(labels, scores, categories, "Normal")


@BOUNDED
@given(scored_sets())
def test_perfect_scores_and_constant_ones(test_set):
    labels, _, categories = test_set
    perfect = frame_level.evaluate(labels, {video: mask * 0.5 + 0.25 for video, mask in labels.items()}, categories, "Normal")
    assert all(perfect[name] == 1 for name in ("auc", "ap", "ap_trapezoid", "tpr", "auc_abnormal_videos"))
    assert perfect["far_normal_videos"] == perfect["far_all_normal_frames"] == 0
    constant = frame_level.evaluate(
        labels, {video: np.full(len(mask), 0.3) for video, mask in labels.items()}, categories, "Normal"
    )
    assert constant["auc"] == 0.5
    assert constant["ap"] == pytest.approx(constant["num_abnormal_frames"] / constant["num_frames"], abs=1e-12)


# --- files and stores ---------------------------------------------------------------------------------
PLAIN = st.one_of(
    arrays.boolean_dtypes(),
    arrays.integer_dtypes(),
    arrays.unsigned_integer_dtypes(),
    arrays.floating_dtypes(),
    arrays.complex_number_dtypes(),
    arrays.unicode_string_dtypes(max_len=6),
)
ANY_ARRAY = arrays.arrays(PLAIN, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


@BOUNDED
@given(ANY_ARRAY, st.booleans(), st.booleans())
def test_any_plain_array_comes_back_as_it_was(array, fortran, mmap):
    array = np.asfortranarray(array) if fortran else array
    with tempfile.TemporaryDirectory() as folder:
        found = read_array(write_array(Path(folder) / "a.npy", array), mmap=mmap)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert np.array_equal(found, array, equal_nan=array.dtype.kind in "fc")
        packed = read_arrays(write_arrays(Path(folder) / "a.npz", {"first": array, "second": np.arange(3)}))
        assert (packed["first"].dtype, packed["first"].shape) == (array.dtype, array.shape)
        assert np.array_equal(packed["first"], array, equal_nan=array.dtype.kind in "fc")
        assert packed["second"].tolist() == [0, 1, 2]
        del found  # a map must be closed before its folder is removed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@BOUNDED
@given(JSON)
def test_any_json_comes_back_as_it_was(value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        try:
            "".join(_texts(value)).encode()
        except UnicodeEncodeError:
            return  # half a character
        if "\0" not in "".join(_texts(value)):
            assert read_json(write_json(path, value)) == value


def _texts(value):
    if isinstance(value, str):
        yield value
    for child in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(child)


@BOUNDED
@given(
    SEEDS,
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(1, 6),
    st.sampled_from(["float16", "float32"]),
    st.sampled_from(["<f2", "<f4", "<f8", ">f4", ">f8"]),
    st.sampled_from(["array", "fortran", "list", "map"]),
)
def test_a_store_gives_back_what_was_put_in(seed, lengths, crops, width, stored, given_as, form):
    rng = np.random.default_rng(seed)
    put = {f"v{i}": rng.normal(scale=30, size=(crops, length, width)).astype(given_as) for i, length in enumerate(lengths)}
    contract = FeatureContract(backbone="noise", dimension=width, crops=tuple(f"c{i}" for i in range(crops)), dtype=stored)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def in_form(video):
            if form == "map":
                return read_array(write_array(folder / f"{video}.npy", put[video]), mmap=True)
            return {"array": put[video], "fortran": np.asfortranarray(put[video]), "list": list(put[video])}[form]

        store = FeatureStore.write(folder / "store", contract, ((video, in_form(video)) for video in put))
        again = FeatureStore.open(folder / "store", contract.model_dump(), verify=True)
        assert store.content_hash == again.content_hash and again.videos == tuple(put)
        plain = FeatureStore.write(folder / "plain", contract, put.items())
        assert plain.content_hash == store.content_hash  # whatever form it came in
        for video, array in put.items():
            assert again.num_snippets(video) == array.shape[1]
            assert again.snippets(video).dtype == stored
            assert np.array_equal(again.snippets(video), array.astype(stored))
        segments = again.segments(4, "means_or_pad")
        for row, video in zip(segments, put):
            assert np.array_equal(row, make_segments(array_of(again, video), 4, "means_or_pad").astype(stored))
        del store, again, plain, segments, row


def array_of(store, video):
    return np.array(store.snippets(video))


# --- scores over time ---------------------------------------------------------------------------------
SCORES = st.lists(st.integers(0, 64).map(lambda level: level / 64), min_size=1, max_size=40).map(np.array)


@BOUNDED
@given(SCORES, st.integers(1, 20), st.integers(0, 19), st.booleans())
def test_frames_take_the_score_of_their_snippet(scores, size, cut, early):
    num_frames = len(scores) * size - min(cut, size - 1)
    found = frame_scores(scores, num_frames, size)
    assert found.tolist() == [scores[frame // size] for frame in range(num_frames)]
    counts = snippet_frames(len(scores), num_frames, size, "", "exact")
    assert counts.sum() == num_frames and counts.min() >= 1 and counts.max() <= size
    assert frame_scores(scores[:, None], num_frames, size).shape == (num_frames, 1)
    if early:  # features that end up to one snippet before the video
        longer = frame_scores(scores, len(scores) * size + size, size, tail="extend")
        assert np.array_equal(longer[: len(scores) * size], scores.repeat(size)) and (longer[-size:] == scores[-1]).all()
        with pytest.raises(DataError, match="frames need"):
            frame_scores(scores, len(scores) * size + size, size)


@BOUNDED
@given(SCORES, st.sampled_from(["sliding", "blocks"]), st.integers(1, 12))
def test_smoothing_is_the_mean_of_a_window_that_zeros_fill_up(scores, rule, window):
    padded = [*scores, *[0.0] * (2 * window)]
    starts = [i if rule == "sliding" else i // window * window for i in range(len(scores))]
    expected = [sum(padded[start : start + window]) / window for start in starts]
    found = smoothed(scores, rule, window)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.min() >= 0 and found.max() <= scores.max() + 1e-12
    if window == 1:
        assert np.array_equal(found, scores)
    np.testing.assert_allclose(smoothed(scores / 2, rule, window), found / 2, atol=1e-12)
    if rule == "blocks":  # what is smooth stays so
        whole = found[: len(scores) // window * window]
        np.testing.assert_allclose(smoothed(whole, rule, window) if len(whole) else whole, whole, atol=1e-12)


@BOUNDED
@given(SCORES, st.integers(1, 20), SEEDS)
def test_interpolation_stays_between_neighbours_and_keeps_order(scores, size, seed):
    counts = np.random.default_rng(seed).integers(1, size + 1, len(scores))
    found = interpolated(scores, counts)
    assert len(found) == counts.sum()
    assert found.min() >= scores.min() and found.max() <= scores.max()
    assert (np.diff(interpolated(np.sort(scores), counts)) >= 0).all()
    np.testing.assert_allclose(interpolated(np.full(len(scores), 0.25), counts), 0.25)
    np.testing.assert_allclose(found[::-1], interpolated(scores[::-1], counts[::-1]), atol=1e-12)


# --- detection ----------------------------------------------------------------------------------------
@st.composite
def curves(draw):
    """Probabilities of three classes on a coarse grid, and the frames of each snippet."""
    length = draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(SEEDS))
    frames = np.full(length, draw(st.sampled_from([1, 4, 16])))
    frames[-1] = draw(st.integers(1, int(frames[-1])))
    return rng.integers(0, 9, (length, 3)) / 8, frames


def slow_segments(curve, frames):
    """Segments of one class, frame by frame."""
    values = np.repeat(curve, frames)
    above = values > values.max() - 0.6 * (values.max() - values.min())
    kept = sorted(values, reverse=True)[: max(len(values) // FRAMES_PER_SNIPPET, 1)]
    found, start = [], None
    for frame in range(len(values) + 1):
        inside = frame < len(values) and above[frame]
        if inside and start is None:
            start = frame
        elif not inside and start is not None:
            if frame - start >= 2:
                found.append((start, frame, values[start:frame].max() + 0.7 * sum(kept) / len(kept)))
            start = None
    return found


@BOUNDED
@given(curves())
def test_segments_are_those_found_frame_by_frame(curve):
    probabilities, frames = curve
    found = event_matching.predicted_segments(probabilities, frames)
    for category in range(3):
        own = found.category == category
        expected = slow_segments(probabilities[:, category], frames)
        assert list(zip(found.start[own], found.end[own])) == [(start, end) for start, end, _ in expected]
        np.testing.assert_allclose(found.score[own], [score for *_, score in expected], atol=1e-12)


@BOUNDED
@given(curves())
def test_segments_lie_apart_within_the_video(curve):
    probabilities, frames = curve
    found = event_matching.predicted_segments(probabilities, frames)
    assert ((found.start >= 0) & (found.end - found.start >= 2) & (found.end <= frames.sum())).all()
    assert (found.score <= 1.7).all()
    for category in range(3):
        own = found.category == category
        assert (found.start[own][1:] > found.end[own][:-1]).all()  # a frame lies between two of them
        if len(set(probabilities[:, category])) == 1:
            assert not own.any()
    # halved, every class keeps its segments
    halved = event_matching.predicted_segments(probabilities / 2, frames)
    assert (halved.start.tolist(), halved.end.tolist()) == (found.start.tolist(), found.end.tolist())
    np.testing.assert_allclose(halved.score, found.score / 2, atol=1e-12)


@BOUNDED
@given(st.lists(curves(), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_average_precision_is_a_fraction_whatever_the_order_of_videos(several, random):
    categories = ("Normal", "Fire", "Riot")
    probabilities, records = {}, []
    for index, (values, _) in enumerate(several):
        name, num_frames = f"v{index}", len(values) * FRAMES_PER_SNIPPET
        # no two segments of the same score: among those the order of the videos decides, as in the public code
        probabilities[name] = values / 2 + np.arange(values.size).reshape(values.shape) / 1e4 + index / 100
        kind = categories[index % 3]
        spans = ((0, num_frames // 2 + 1),) if index % 3 else ()
        records.append(VideoRecord(name, "test", (kind,), num_frames, spans))
    found = detection.class_ap(event_matching.matched_segments(probabilities, records, categories))
    assert ((found.ap >= 0) & (found.ap <= 1)).all()
    assert (np.diff(found.ap, axis=0) <= 1e-12).all()  # a stricter overlap is never easier
    mixed = random.sample(records, len(records))
    again = event_matching.matched_segments({record.name: probabilities[record.name] for record in mixed}, mixed, categories)
    np.testing.assert_allclose(detection.class_ap(again).ap, found.ap, atol=1e-12)
