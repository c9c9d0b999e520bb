"""Categories called by their name, seen in training or not."""

import numpy as np
import pandas as pd
import pytest
from small_grid import FEW, proposed_rows

from vad_lib.errors import DataError
from vad_lib.evaluation import scored_videos
from vad_lib.open_questions import categories
from vad_lib.runs import trained_model
from vad_lib.runs.finished_runs import find_runs
from vad_lib.runs.packed_runs import packed
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.paths import Layout

pytestmark = pytest.mark.slow  # small runs are trained first


def test_confusion_and_naming(place, dataset, monkeypatch):
    runs = find_runs(place, "runs", "planted", "proposed")
    shares = categories.confusion(runs, dataset.categories)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    table = pd.DataFrame(
        {
            "video": list("abcd"),
            "categories": [("Normal",), ("Arson",), ("Arson", "Fighting"), ("Arson",)],
            "named": ["Normal", "Arson", "Fighting", "Normal"],
            "named_abnormal": ["Arson", "Arson", "Fighting", "Fighting"],
        }
    )
    monkeypatch.setattr(categories, "named_categories", lambda run: table)
    shares = categories.confusion(runs, dataset.categories)
    assert shares.loc["Arson"].tolist() == pytest.approx([0.4, 0.2, 0.4])  # columns Normal, Fighting, Arson; 2.5 videos
    found, yardstick = categories.naming_accuracy(runs, dataset.categories, FEW)
    assert yardstick == pytest.approx(1.0)
    theirs = [run.fine_grained(run.selection)["category_accuracy_abnormal_videos"] for run in runs]
    assert found.values == pytest.approx(theirs) and found.low <= found.mean <= found.high


def test_names_need_an_alignment_map(place):
    with pytest.raises(DataError, match="has no alignment map"):
        categories.named_categories(RunInFolder(place.run("planted", "msf-dmu", 1)))


def test_scores_of_some_videos(place):
    (scored, *_) = proposed_rows(place)
    chosen = np.arange(len(scored.videos)) % 3 != 1
    part = scored.of_videos(chosen)
    assert part.value("auc") == pytest.approx(scored_videos.metric_on_draws(scored, chosen[None].astype(float), "auc")[0])
    assert part.videos == tuple(name for name, keep in zip(scored.videos, chosen) if keep)
    assert len(part.events) == sum(chosen[scored.events[:, 0]])
    assert np.array_equal(part.abnormal_frames, scored.abnormal_frames[chosen])


def test_unseen_categories(place, dataset):
    found = categories.zero_shot_results(place, dataset, FEW)
    assert found["category"].tolist() == ["Fighting", "Arson"]
    assert (found["low"] <= found["unseen"]).all()
    assert (found["found"] == (found["low"] > 0.5)).all()
    assert found["videos"].sum() == 6
    assert found["change"].str.contains("2 seeds, ").all()


def test_text_cosines_of_a_trained_model(place, dataset):
    found = categories.text_cosines(trained_model.load_model(place.run("planted", "proposed", 1))[0], dataset, most=3)
    assert list(found) == ["encoder", "learned", "modulated"]
    assert all(-1 <= value <= 1 for value in found.values())


def test_text_cosines_are_measured_once_and_kept_for_the_reference(place, capsys):
    found = categories.text_cosines_of_modulations(place, ["planted", "nowhere"], "i3d")
    assert set(found["dataset"]) == {"planted"} and found["modulated"].between(-1, 1).all()
    assert "nowhere: " in capsys.readouterr().out
    kept = pd.read_csv(place.read_from / categories.TEXT_COSINES)
    pd.testing.assert_frame_equal(kept, found)
    reference = categories.text_cosines_of_modulations(Layout.create("smoke", place.out, source="reference"), ["planted"], "i3d")
    runs = {name: packed(Layout.reference().packed_runs(name)) for name in ("synth-crime", "synth-violence")}
    asked = {name for name, of_set in runs.items() if any(run.place.startswith(f"questions/{name}/modulation/") for run in of_set)}
    assert asked == set(reference["dataset"])  # what the project keeps
    assert categories.modulation_sentence(reference, "planted") == "not run"


def test_a_category_without_test_videos_has_no_row(place, dataset, monkeypatch):
    every = categories.named_categories
    whole = set(categories.zero_shot_results(place, dataset, FEW)["category"])
    assert "Arson" in whole

    def without(run):
        table = every(run)
        return table.assign(categories=[tuple(c for c in names if c != "Arson") or ("Normal",) for names in table["categories"]])

    monkeypatch.setattr(categories, "named_categories", without)
    assert set(categories.zero_shot_results(place, dataset, FEW)["category"]) == whole - {"Arson"}
