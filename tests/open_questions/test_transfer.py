"""Trained on one data set, tested on another."""

import numpy as np
import pytest
import torch
from small_grid import tiny

from vad_lib.data import prompts
from vad_lib.errors import DataError
from vad_lib.evaluation import scoring
from vad_lib.open_questions import transfer
from vad_lib.runs import scored_runs, trained_model
from vad_lib.runs.experiments import VARIANTS
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_arrays, write_json


def test_transfer_to_the_same_videos_is_the_run_itself(place):
    """The other data set has the same videos and categories, so nothing may change but the learned offsets' place."""
    for variant in transfer.TRANSFERRED:
        moved = transfer.transfer(place, tiny(), "planted", "other", variant, 1)
        home = scored_runs.scored_videos(RunInFolder(place.run("planted", variant, 1)))
        np.testing.assert_allclose(moved.score, home.score, atol=1e-5)
        assert moved.seed == 1
        assert [run.value("auc") for run in transfer.transferred(place, "planted", "other", variant)] == [moved.value("auc")]
    assert transfer.transferred(place, "other", "planted", "proposed") == ()


def test_transfer_is_made_again_only_if_something_changed(place, monkeypatch):
    transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 2)
    monkeypatch.setattr(scoring, "snippet_scores", lambda *_, **__: pytest.fail("scored again"))
    transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 2)


def test_a_transfer_that_was_killed_half_way_is_made_again(place):
    """The settings are written first and the metrics last: new settings beside old metrics are not a result."""
    first = transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 2)
    folder = place.results.joinpath(*transfer.transfer_place("planted", "other", "msf-dmu")) / "seed2"
    old = read_json(folder / "metrics.json")
    write_json(folder / "metrics.json", old | {"key": "of other weights"})
    with np.load(folder / "scores.npz") as arrays:
        stale = {**arrays, "score": np.zeros_like(arrays["score"])}
    write_arrays(folder / "scores.npz", stale)
    again = transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 2)
    np.testing.assert_array_equal(again.score, first.score)
    assert read_json(folder / "metrics.json")["key"] == old["key"]


def test_transfers_that_cannot_be_had_are_named(place):
    messages = transfer.transfer_all(place, tiny(), ["planted", "other"], (1,))
    assert len(messages) == 2
    assert messages[0].startswith("msf-dmu, other to planted, seed 1: ")


def test_a_new_category_has_no_learned_offset(place, dataset):
    model, config = trained_model.load_model(place.run("planted", "proposed", 1))
    text = prompts.text_features("random", ("Normal", "Riot", "Arson", "Abuse"))
    old = model.prompt_offset.detach().clone()
    moved = transfer._with_categories(model, tuple(config["categories"]), text)
    assert moved.prompt_offset[1].abs().sum() == moved.prompt_offset[3].abs().sum() == 0
    torch.testing.assert_close(moved.prompt_offset[2].detach(), old[config["categories"].index("Arson")])
    assert moved.encode(torch.zeros(1, 3, 16)).alignment.shape == (1, 3, 4)


def test_transfer_needs_features_of_one_width(place):
    folder = place.run("planted", "msf-dmu", 1)
    changed = read_json(folder / "config.json")
    model = trained_model.load_model(folder)[0]
    wrong = changed | {"features": changed["features"] | {"dimension": 99}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_model, "load_model", lambda _: (model, wrong))
        with pytest.raises(DataError, match="takes features of width 99, Planted bags has 16"):
            transfer.transfer(place, tiny(), "planted", "other", "msf-dmu", 1)


def test_what_arrived_is_compared_with_home_and_with_the_other_row(place):
    for variant in transfer.TRANSFERRED:
        transfer.transfer(place, tiny(), "planted", "other", variant, 1)
    home = scored_runs.scored_rows([RunInFolder(place.run("planted", "proposed", 1))])  # the other set has the same videos
    rows = {"planted": {}, "other": {"proposed": home}}
    found, said = transfer.transfer_answers(place, rows, {"planted": "Set A", "other": "Set B"})
    without_words = VARIANTS["msf-dmu"].title
    assert list(found) == [f"{without_words}\nSet A to Set B", "Proposed\nSet A to Set B"]
    words = {(target, question): answer for target, question, answer in said}
    assert words["other", f"Does {without_words} trained on Set A do as well as one trained on this data set?"] == "not run"
    at_home = words["other", "Does Proposed trained on Set A do as well as one trained on this data set?"]
    assert at_home.startswith("cannot tell: ") and "0.00 AUC points" in at_home  # the same scores, seed by seed
    assert words["other", "Do words help to get here from Set A?"] != "not run"
    assert words["planted", "Do words help to get here from Set B?"] == "not run"
