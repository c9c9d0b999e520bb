"""Packing the reference: what goes in comes out, what is left out says so."""

import numpy as np
import pytest

from vad_lib.config import get_profile
from vad_lib.errors import DataError, MissingFileError, UndefinedMetricError
from vad_lib.runs import finished_runs, packed_runs
from vad_lib.runs.experiments import VARIANTS
from vad_lib.runs.packed_runs import Keep, pack, packed
from vad_lib.runs.run_folder import METRICS, RunInFolder
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json


@pytest.fixture
def runs(made_up):
    """Place -> run: two seeds of the proposed model, one of logistic regression."""
    made = (("proposed", 1), ("proposed", 2), ("logistic-regression", 1))
    return {f"runs/synth-crime/{row}/seed{seed}": RunInFolder(made_up.write("synth-crime", row, seed)) for row, seed in made}


def test_scores_settings_and_metrics_come_back(runs, tmp_path):
    pack(tmp_path / "reference" / "runs" / "set", runs)
    back = {run.place: run for run in packed(tmp_path / "reference" / "runs" / "set")}
    assert list(back) == list(runs)
    for place, run in runs.items():
        assert back[place].config == run.config
        assert back[place].measured == run.measured
        theirs, ours = run.scores(), back[place].scores()
        assert set(theirs) == set(ours)
        for name, array in theirs.items():
            if name in ("visual", "semantic") or name.startswith("score"):
                assert np.allclose(array, ours[name], rtol=0, atol=0.01)
                assert np.array_equal(np.unique(array, return_inverse=True)[1], np.unique(ours[name], return_inverse=True)[1])
            else:
                assert array.dtype == ours[name].dtype and np.array_equal(array, ours[name])


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.5], [0, 1, 1, 0.2], np.random.default_rng(0).beta(0.05, 0.05, 5000)])
def test_ranks_give_order_and_ties_back(scores):
    scores = np.array(scores, dtype=np.float32)
    back = packed_runs._as_scores(*packed_runs._as_ranks(scores))
    assert np.array_equal(np.unique(scores, return_inverse=True)[1], np.unique(back, return_inverse=True)[1])
    assert (back.min(), back.max()) == (scores.min(), scores.max())
    assert np.abs(back - scores).max() < 0.02


def test_what_is_not_kept_says_so(runs, tmp_path):
    pack(tmp_path / "runs" / "set", runs, lambda place, run: Keep(log=run.seed == 1 and "proposed" in place, arrays=()))
    kept, other, _ = packed(tmp_path / "runs" / "set")
    assert kept.log()["step"].tolist() == runs[kept.place].log()["step"].tolist()
    assert kept.log()["loss"].to_numpy() == pytest.approx(runs[kept.place].log()["loss"].to_numpy(), rel=1e-5)
    assert "alignment" not in kept.scores()
    with pytest.raises(DataError, match="keeps the log of the first seed"):
        other.log()
    watched = runs[other.place].log()["monitor/w"].dropna().iloc[-1]
    assert other.monitored()["w"] == pytest.approx(watched, rel=1e-5)
    with pytest.raises(MissingFileError, match="comes without weights"):
        other.weights()


def test_why_a_metric_is_not_defined_is_kept(made_up, tmp_path):
    folder = made_up.write("synth-crime", "proposed", 1)
    measured = read_json(folder / METRICS)
    for rule in measured["selections"].values():
        rule["metrics"] |= {"far_normal_videos": None, "undefined": {"far_normal_videos": "no normal videos"}}
    write_json(folder / METRICS, measured)
    run = RunInFolder(folder)
    pack(tmp_path / "set", {"runs/synth-crime/proposed/seed1": run}, lambda place, run: Keep(metrics=("auc", "far_normal_videos")))
    for each in (run, *packed(tmp_path / "set")):
        assert each.undefined("far_normal_videos", "last") == "no normal videos" and each.undefined("auc", "last") == ""
        assert each.value("auc", "last") == measured["selections"]["last"]["metrics"]["auc"]
        with pytest.raises(UndefinedMetricError, match="no normal videos"):
            each.value("far_normal_videos", "last")


def test_other_test_videos_are_refused(made_up, runs, tmp_path):
    other = RunInFolder(made_up.write("synth-violence", "proposed", 1))
    with pytest.raises(DataError, match="expected runs on the same test videos"):
        pack(tmp_path / "set", {**runs, "runs/x/proposed/seed1": other})


def test_a_missing_and_a_damaged_archive_are_named(made_up, tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        packed(tmp_path / "nowhere")
    (tmp_path / "set.json").write_text('{"other": 1}')
    with pytest.raises(DataError, match="expected runs by their place"):
        packed(tmp_path / "set")
    (tmp_path / "cut.json").write_text('{"runs": 3')
    with pytest.raises(DataError, match=r"is damaged \(Expecting .*\)\. Restore it with `git checkout"):
        packed(tmp_path / "cut")
    run = made_up.write("synth-crime", "proposed", 1)
    pack(tmp_path / "whole", {"runs/synth-crime/proposed/seed1": RunInFolder(run)})
    (tmp_path / "whole.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    with pytest.raises(DataError, match=r"whole\.npz: this file of the reference is damaged .* Restore it with `git checkout"):
        packed(tmp_path / "whole")[0].scores()


@pytest.mark.parametrize("dataset", ["synth-crime", "synth-violence"])
def test_the_committed_reference_is_whole(dataset):
    """Every table row with its seeds, scores that give the metrics that were measured, and no machine's paths."""
    reference = Layout.reference()
    found = finished_runs.load_runs(reference, dataset, VARIANTS)
    assert set(found) == set(VARIANTS)
    for variant, runs in found.items():
        profile = get_profile(runs[0].config["profile"])
        assert len(runs) >= profile.row_seeds.get(variant, profile.seeds), variant
    assert PROJECT_ROOT in reference.packed_runs(dataset).parents
    run = found["proposed"][0]
    assert len(run.scores()["labels"]) == run.measured["selections"]["last"]["metrics"]["num_frames"]
