"""What the logs of failing runs say, worked by hand on two logs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.open_questions import failing
from vad_lib.open_questions.questions import BASE


class Logged:
    """A run with a log of four steps, evaluated at each but the third."""

    def __init__(self, seed: int, **changed: list) -> None:
        self.seed = seed
        self._log = pd.DataFrame(
            {
                "step": [10, 20, 30, 40],
                "loss/main": [0.7, 0.3, 0.2, 0.1],
                "validation/bce": [0.7, 0.5, None, 0.9],
                "validation/auc": [0.9, 0.9, None, 0.8],
                "test/auc": [0.6, 0.75, None, 0.5],
                **changed,
            }
        )

    def log(self) -> pd.DataFrame:
        return self._log

    def value(self, metric: str, selection: str) -> float:
        return {"best_on_validation": 0.75, "last": 0.5}[selection] + self.seed / 100


def test_ends_are_those_of_the_last_evaluation():
    found = failing.ends_of_runs({BASE: [Logged(1), Logged(3)], "a quarter of the videos": [Logged(1)]}, "auc")
    assert found["validation cross-entropy at the end"].tolist() == [0.9, 0.9, 0.9]
    assert found["AUC %, step chosen on validation"].tolist() == pytest.approx([76, 78, 76])
    assert found["AUC %, last step"].tolist() == pytest.approx([51, 53, 51])
    every, quarter = failing.ends_in_words(found, "auc")
    assert every.startswith("- **all videos**: main loss 0.100 at the end, validation cross-entropy 0.90 nats")
    assert every.endswith("test AUC 77.0 % (standard deviation 1.4, lowest 76.0).")
    assert quarter.startswith("- **a quarter of the videos**") and quarter.endswith("test AUC 76.0 % (one seed, lowest 76.0).")


def test_no_run_has_no_ends():
    assert failing.ends_in_words(failing.ends_of_runs({}, "ap"), "ap") == []


def test_the_last_quarter_may_choose_another_step():
    # steps 10 and 20 have the same AUC, 20 the lower cross-entropy; the last quarter has step 40 only
    row = failing.chosen_steps([Logged(1)], "auc").iloc[0]
    assert (row["any step"], row["of the last quarter"]) == (20, 40)
    early = failing.chosen_steps([Logged(1, **{"validation/auc": [0.95, 0.9, None, 0.8]})], "auc").iloc[0]
    assert (early["any step"], early["its validation AUC"], early["of the last quarter"]) == (10, 0.95, 40)
    assert (early["its test AUC %"], early["its test AUC % "]) == (pytest.approx(60), pytest.approx(50))


def test_a_run_that_stays_at_ln_2_has_stopped_learning():
    stuck = Logged(2, **{"loss/main": [0.9, 0.693, 0.693, 0.694]})
    stuck._log = pd.concat([stuck._log.iloc[1:]] * 4)  # ten steps and more
    falling = Logged(1, **{"loss/main": [0.75, 0.71, 0.68, 0.63]})  # passes ln 2, and does not stay
    assert failing.stopped_learning({BASE: [falling, stuck]}) == (["all videos, seed 2"], 2)


def test_the_leading_term_changes():
    log = pd.DataFrame(
        {
            "gradient/all": [9.0] * 4,
            "gradient/gate_logit": [8.0] * 4,
            "gradient/main": [3.0, 2.0, 1.0, 0.1],
            "gradient/memory_triplet": [1.0, 1.0, 1.0, 1.0],
        }
    )
    assert failing.leading_terms([log]) == ("main", "memory triplet")
    words = failing.gradients_in_words([pd.concat([log, log]).assign(**{"loss/kl": [1.0] * 5 + [6.0] * 3})])
    assert words.endswith(
        "The KL term is at most 4.0 times as large as at its first five steps, in the run where it grows most; at the last five "
        "steps it is 4.0 times as large as at the first."
    )


def test_the_leading_terms_are_those_of_the_first_and_last_steps_of_every_run():
    one = pd.DataFrame({"gradient/main": [9.0, 1.0, 1.0, 1.0], "gradient/cls": [1.0, 1.0, 1.0, 9.0]})
    other = pd.DataFrame({"gradient/main": [8.0, 1.0, 1.0, 1.0], "gradient/cls": [1.0, 1.0, 1.0, 2.0]})
    assert failing.leading_terms([one, other]) == ("main", "cls")
    late_is_small = pd.DataFrame({"gradient/main": [9.0, 5.0, 5.0, 1.0], "gradient/cls": [1.0, 1.0, 1.0, 2.0]})
    assert failing.leading_terms([late_is_small, late_is_small]) == ("main", "cls")


def scored(frames_of_the_event: float) -> ScoredVideos:
    """A normal video, and an abnormal one of three snippets, the middle one of them abnormal."""
    score = np.array([0.1, 0.5, frames_of_the_event, 0.5])
    videos = (np.array([False, True]), np.array([0, 1, 1, 1]))
    return ScoredVideos(
        "x", 0, ("n", "a"), *videos, score, np.array([0, 0, 16, 0]), np.array([16, 16, 0, 16]), np.array([[1, 16, 32]])
    )


def test_right_videos_and_wrong_frames_are_told_from_right_frames(monkeypatch):
    runs = [Logged(seed) for seed in (1, 2, 3)]
    for run, auc in zip(runs, (0.95, 0.99, 0.7)):
        run.measured = {"validation": {"auc": auc}}
    monkeypatch.setattr(failing, "scored_videos", lambda run: scored(0.9 if run.seed == 1 else 0.2))
    found = failing.videos_and_frames({"one": runs[:1], "two": runs[1:]})
    assert found["frames"].tolist() == [1, 0, 0] and found["videos"].tolist() == [0.95, 0.99, 0.7]
    order, wrong, lowest = failing.videos_and_frames_in_words(found)
    assert order.startswith("- Rank correlation of the two numbers over 3 runs: 0.00 ")
    assert wrong.endswith(": 1 of 3 runs: two (1 of 2).")  # the third run does not know the videos either
    assert lowest == "- Lowest within abnormal videos: two, seed 2, 0.0 %, with a validation AUC of 99.0 %."
    none, _ = failing.videos_and_frames_in_words(found.iloc[:1])  # one run has no order
    assert none.endswith(" 0 of 1 run.")


def test_abnormal_videos_without_a_normal_frame_have_no_frames_to_find(monkeypatch):
    run = Logged(1)
    run.measured = {"validation": {"auc": 0.9}}
    full = dataclasses.replace(scored(0.9), abnormal=np.array([0, 16, 16, 16]), normal=np.array([16, 0, 0, 0]))
    monkeypatch.setattr(failing, "scored_videos", lambda run: full)
    found = failing.videos_and_frames({"one": [run]})
    assert found.empty and failing.videos_and_frames_in_words(found) == []
