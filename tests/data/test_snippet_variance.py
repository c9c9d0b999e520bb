"""How features vary, worked by hand."""

import numpy as np
import pytest

from vad_lib.data.dataset import load_dataset
from vad_lib.data.snippet_variance import LabelledSnippets, labelled_snippets, variance_shares


def test_shares_by_hand():
    # video 0 at 0, 0, 3 with the last one abnormal, video 1 at 5, 7, both normal; mean of all 3
    vectors, abnormal = np.array([[0.0], [0.0], [3.0], [5.0], [7.0]]), np.array([False, False, True, False, False])
    found = variance_shares(LabelledSnippets(vectors, abnormal, np.array([0, 0, 0, 1, 1])))
    # squares: 9 + 9 + 0 + 4 + 16 = 38 of all; within: 1 + 1 + 4 = 6 and 1 + 1 = 2; between the labels of video 0: all 6
    assert found.between_videos == pytest.approx(1 - 8 / 38)
    assert found.between_labels == pytest.approx(6 / 38)
    assert found.by_chance == pytest.approx(6 / 2 / 38)


def test_labels_at_random_give_what_chance_says():
    rng = np.random.default_rng(0)
    vectors, video = rng.standard_normal((9000, 8)), np.repeat(np.arange(180), 50)
    found = variance_shares(LabelledSnippets(vectors, rng.random(9000) < 0.3, video))
    assert found.between_labels == pytest.approx(found.by_chance, rel=0.1)


def test_snippets_have_the_labels_of_half_of_their_frames(planted_folder):
    dataset = load_dataset(planted_folder)
    found = labelled_snippets(dataset)
    records = dataset.videos.split("test")
    assert len(found.vectors) == sum(dataset.store.num_snippets(record.name) for record in records)
    for number, record in enumerate(records):
        labels = record.frame_labels()
        by_hand = [labels[start : start + 16].mean() >= 0.5 for start in range(0, record.num_frames, 16)]
        assert found.abnormal[found.video == number].tolist() == by_hand
        np.testing.assert_array_equal(found.vectors[found.video == number], dataset.store.snippets(record.name)[0])
    assert found.abnormal.any() and not found.abnormal.all()
