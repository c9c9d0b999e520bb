"""Figures of the lessons: the words of those who do not see them hold what is plotted."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from figure_words import texts

from vad_lib.course.figures import lesson_1, lesson_2, lesson_3, lesson_4, lesson_5
from vad_lib.course.tools import dual_memory, world_of_points
from vad_lib.report.figures import style

BANKS = torch.tensor([[1.5, 0.0], [1.0, 0.1]]), torch.tensor([[-1.0, 1.0], [0.0, 1.5]])
BAGS = torch.tensor([[3.0, 0.2], [2.0, 0.5]]), torch.tensor([[2.0, -2.0], [-1.0, 3.0]])


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def said(fig):
    """The alternative text of a figure; it keeps to the limit."""
    text = style.described(fig)
    assert 0 < len(text) <= 600
    return text


# --- lesson 1 --------------------------------------------------------------------------------------
def test_pushes_are_named_by_bag():
    fig = lesson_1.pushes_on_scores({"normal bag": np.array([0.0, -0.5]), "abnormal bag": np.array([0.25, 0.0])})
    assert said(fig).endswith("segments 0 to 1, as bars: normal bag 0, -0.5; abnormal bag 0.25, 0.")


def test_paths_of_weights_say_where_they_end():
    path = np.array([[1.0, 0.0], [2.0, -1.0]])
    fig = lesson_1.weight_paths({"trusts the event": (path, 0.1, 1.0), "trusts the lamp": (path[:, ::-1], 0.5, 0.1)})
    assert "starts: trusts the lamp; AUC 10 %" in texts(fig)
    assert "over 2 steps" in said(fig) and "w2, start trusts the event, 0 to -1;" in said(fig)


def test_an_event_may_fill_its_video_or_no_snippet_by_half():
    scores = np.array([0.25, 0.75])
    fig = lesson_1.scores_of_videos(
        {"a": (scores, np.ones(2)), "b": (scores, np.array([0.0, 0.4])), "c": (scores, np.array([0, 1]))}
    )
    assert "a, mean score 0.50 in the event; b, mean score 0.50 outside; c, mean score 0.75 in the event and 0.25" in said(fig)


# --- lesson 2 --------------------------------------------------------------------------------------
def test_segments_and_prototypes_are_named_with_their_places():
    text = said(lesson_2.banks_and_bags(BANKS, BAGS))
    assert "normal bag (3.0, 0.2), (2.0, 0.5); abnormal bag (2.0, -2.0), (-1.0, 3.0); normal bank (1.5, 0.0)" in text


def test_a_number_stands_left_of_a_dot_that_has_another_one_to_its_right():
    bags = BAGS[0], torch.tensor([[-0.8, 3.0], [-1.2, 2.8], [-1.6, -2.0]])
    numbers = [words for words in lesson_2.banks_and_bags(BANKS, bags).axes[0].texts if words.get_text() in "012"]
    assert [words.get_horizontalalignment() for words in numbers[2:]] == ["left", "right", "left"]  # of the abnormal bag


def test_pushes_of_the_triplet_name_its_three_segments():
    turns = {0: ((0, 1, 1), (0.5, 0.5), torch.ones(2, 2, 2)), 90: ((1, 0, 0), (0.25, 0.25), torch.zeros(2, 2, 2))}
    fig = lesson_2.pushes_of_the_triplet(turns, BANKS, BAGS, {0: "lamp", 1: "event"})
    assert "anchor 0, positive 1, negative 1, loss 0.50, the negative is pushed by (1.00, 1.00)" in said(fig)
    assert {"0 lamp", "1 event", "anchor (0)", "positive (1)", "negative (1)", "negative (0)"} <= set(texts(fig).splitlines())
    assert "turned by 90°: loss 0.25, by hand 0.25" in texts(fig) and "turned by 90°, anchor 1" in said(fig)


def test_clouds_say_how_wide_they_are():
    cloud = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    assert "log-variance 0, measured deviation 1.41" in said(lesson_2.clouds({0.0: cloud, -2.0: cloud / 2}, torch.zeros(2)))


def test_trained_banks_say_where_the_middles_lie():
    points, kinds = world_of_points(5, 0)
    fig = lesson_2.trained_banks({name: (dual_memory(*BANKS), points, kinds, 0.5, 3) for name in ("before", "after")})
    assert "before, event 3 of 10, abnormal bank at (-0.5, 1.2)" in said(fig)


def test_the_triplet_stands_beside_the_parts_of_the_loss():
    log = pd.DataFrame({"step": [1, 2], "weight/triplet": [0.0, 0.2], "loss/triplet": [1.0, 0.5]})
    fig = lesson_2.triplet_and_parts(log, pd.Series({"main": 0.3, "triplet": 0.1}))
    assert "share of the weight 0 to 1; value 1 to 0.5; main 0.30; triplet 0.10." in said(fig)


# --- lesson 3 --------------------------------------------------------------------------------------
def test_the_map_by_hand_says_all_its_cosines():
    segments, categories = np.radians([0, 90]), {"Normal": 0.0, "Arson": np.pi / 2, "Fighting": np.pi}
    cosines = np.cos(segments[:, None] - np.array([*categories.values()]))
    text = said(lesson_3.protractor_and_map(segments, categories, cosines))
    assert "categories 0, 90, 180; of the segments 0, 90; cosines of Normal 1, 0;" in text


def test_probabilities_say_the_score_of_each_temperature():
    fig = lesson_3.probabilities({1.0: torch.tensor([0.5, 0.25, 0.25]), 0.1: torch.tensor([0.9, 0.05, 0.05])})
    assert "tau = 0.1; $S_a$ = 0.10" in texts(fig) and "tau 1.0, Normal 0.50, each abnormal category 0.250" in said(fig)


def test_text_cosines_leave_out_what_compares_a_text_with_itself():
    cosines = np.array([[1.0, 0.25], [0.25, 1.0]])
    text = said(lesson_3.text_cosines({"a": cosines, "b": cosines}, ["Normal", "Arson"]))
    assert "2 maps" in text and "b, cosines of different categories 0.25 to 0.25" in text


def test_alignment_maps_compare_the_own_row_with_the_other_abnormal_ones():
    alignment = np.array([[0.9, 0.0, 0.0, 0.0], [0.1, 0.6, 0.2, 0.4]])
    one = ("Arson", alignment, np.array([False, True]))
    assert "a, row of Arson 0.60, other abnormal rows 0.30" in said(
        lesson_3.alignment_maps({"a": one, "b": one}, ["Normal", "Arson", "Fighting", "Stealing"])
    )


def test_names_stand_beside_chance():
    fig = lesson_3.named_right(pd.Series({2022: 5, 2023: 3}), (1, 4), pd.Series({"Arson": 50.0, "Fighting": 25.0}), 8)
    assert "Of 8 abnormal test videos" in said(fig) and "5, 3; 95 % of guessers 1 to 4; Arson 50 %" in said(fig)


# --- lesson 4 --------------------------------------------------------------------------------------
def test_every_path_of_the_gate_is_said():
    assert "one, w 0.5 to 0.6; two, w 0.5 to 0.4." in said(
        lesson_4.gate_paths(pd.DataFrame({"one": [0.5, 0.6], "two": [0.5, 0.4]}))
    )


def test_the_reach_of_the_gate_is_said():
    log = pd.DataFrame({"step": range(4), "monitor/w": [0.5, None, 0.4, None], "gradient/gate_logit": [0.1, 0.1, 0.2, -0.1]})
    text = said(lesson_4.gate_of_a_run(log, {"own rate": pd.Series(np.log([1.0, 2, 3, 4])), "common rate": pd.Series(np.zeros(4))}))
    assert "w of the run 0.5 to 0.4; reach, own rate, at the end 0.20 to 0.80" in text
    assert "gradient of g above 0 (makes w smaller) in 75 % of the steps" in text


def test_auc_over_w_says_the_mean_and_the_dots():
    curves = pd.DataFrame({2022: [80.0, 90.0, 85.0], 2023: [82.0, 92.0, 87.0]}, index=[0.0, 0.5, 1.0])
    text = said(lesson_4.auc_over_w(curves, pd.DataFrame({"w": [0.4, 0.6], "auc": [88.0, 91.0]})))
    assert "mean of 2 seeds 81 to 86, highest 91 at w = 0.5; w at the dots 0.4 to 0.6; auc at the dots 88 to 91" in text


def test_sizes_of_terms_are_means():
    terms = pd.DataFrame({"main": [1.0, 3.0], "con": [0.2, 0.2]}, index=[1, 2])
    assert "main 1 to 2; con 0.2 to 0.2." in said(lesson_4.sizes_of_terms(terms))


# --- lesson 5 --------------------------------------------------------------------------------------
def test_all_methods_are_said_with_their_seeds():
    fig = lesson_5.aucs_of_seeds({"one": np.array([80.0, 90.0]), "other": np.array([70.0, 71.0])})
    assert "one 80.0 to 90.0, mean 85.0; other 70.0 to 71.0, mean 70.5." in said(fig)


def test_paired_draws_say_both_intervals():
    first = np.linspace(80, 90, 101)
    differences = {"unpaired": np.linspace(-10, 10, 101), "paired": np.full(101, 1.0)}
    fig = lesson_5.paired_draws(first, first + 1, differences, ("one", "other"))
    assert "unpaired -9.5 to 9.5; paired 1.0 to 1.0; correlation of the two methods 1.00" in said(fig)
    assert "other minus one, points" in texts(fig)
