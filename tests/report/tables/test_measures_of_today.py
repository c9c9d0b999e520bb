"""The tables of today's measures and of ranks under annotators."""

import numpy as np
import pytest
from made_up_results import row_of

from vad_lib.evaluation import several_annotators
from vad_lib.evaluation.measures_of_today import measures_of_today as measured
from vad_lib.report.tables import measures_of_today
from vad_lib.report.tables.table import write_table
from vad_lib.runs import experiments, finished_runs, scored_runs
from vad_lib.runs.run_folder import SCORES
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays

VARIANTS = ("ur-dmu", "proposed", "msf-dmu")
BASE = experiments.VARIANTS["msf-dmu"].title


@pytest.fixture
def results(made_up):
    for seed in (1, 2, 3):
        made_up.write("synth-crime", "proposed", seed=seed)
    made_up.write("synth-crime", "msf-dmu", seed=1)
    return made_up


def runs_of(results, variant):
    runs = finished_runs.load_runs(results.layout, "synth-crime", [variant])[variant]
    return [scored_runs.scored_videos(run) for run in runs]


def test_measures_are_means_over_seeds_with_their_interval(results, small_set):
    table = measures_of_today.measures_table(results.layout, small_set, VARIANTS)
    row = row_of(table, "Proposed")
    each = np.array([100 * measured(run, 25.0)["recall_at_1_percent"] for run in runs_of(results, "proposed")])
    half = 4.302653 * each.std(ddof=1) / np.sqrt(3)  # Student's t of two degrees of freedom
    expected = f"{each.mean():.2f} [{each.mean() - half:.2f}, {min(each.mean() + half, 100):.2f}]"
    assert row["here (SynthCrime) recall % at FPR 1 %"] == expected and row["seeds"] == "3"
    one = measured(runs_of(results, "msf-dmu")[0], 25.0)
    row = row_of(table, BASE)
    assert row["here (SynthCrime) its threshold"] == f"{one['best_f1_threshold']:.2f}"
    assert row["here (SynthCrime) recall %, IoU 0.3"] == f"{100 * one['event_recall_0.3']:.2f}"
    assert row["here (SynthCrime) median delay, s"] == f"{one['median_delay_seconds']:.2f}"
    assert set(row_of(table, experiments.VARIANTS["ur-dmu"].title).iloc[1:-1]) == {"not run"}
    random = row_of(table, measures_of_today.RANDOM_ROW)
    assert abs(float(random["here (SynthCrime) AUC %"].split()[0]) - 50) < 10
    pa, f1 = (float(random[f"here (SynthCrime) {name} %"].split()[0]) for name in ("point-adjusted F1", "best F1"))
    assert pa > f1 + 10
    text = table.markdown()
    assert text.count("| Proposed |") == 2 and "Kim et al." in text
    assert "Frames, here (SynthCrime):\n\n| row | AUC % |" in text and "Events, here (SynthCrime):" in text
    csv, _ = write_table(results.layout, table)
    assert csv.name == "measures-synth-crime.csv"


def test_without_runs_every_row_says_so(made_up, small_set):
    table = measures_of_today.measures_table(made_up.layout, small_set, VARIANTS)
    assert len(table.frame) == 3 and set(table.frame.iloc[:, 1]) == {"not run"}
    ranks = measures_of_today.ranks_table(made_up.layout, small_set, VARIANTS)
    assert ranks.frame.columns.tolist() == ["row", "ranks, annotators 1 to 4"]
    assert set(ranks.frame["ranks, annotators 1 to 4"]) == {"not run"}


def test_what_is_not_defined_is_empty_and_explained(made_up, small_set):
    folder = made_up.write("synth-crime", "proposed")
    arrays = read_arrays(folder / SCORES)
    write_arrays(folder / SCORES, arrays | {"labels": np.zeros_like(arrays["labels"])})
    table = measures_of_today.measures_table(made_up.layout, small_set, ("proposed",))
    assert set(row_of(table, "Proposed").iloc[1:-1]) == {""}
    assert "Empty cells of SynthCrime: F1 of Proposed: not defined, it needs abnormal and normal frames" in table.made_with


def test_a_cell_keeps_to_what_its_measure_can_be():
    assert measures_of_today._cell([0.9, 1.0], "AUC %") == "95.00 [31.47, 100.00]"
    assert measures_of_today._cell([0.9, 1.0], "its threshold") == "0.95 [0.31, 1.00]"
    assert measures_of_today._cell([1.0, 2.0], "median delay, s") == "1.50 [0.00, 7.85]"
    assert measures_of_today._cell([1.0, np.nan], "precision %, IoU 0.1") == ""


def test_ranks_under_annotators(results, small_set):
    settings = several_annotators.AnnotatorSettings(late_seconds=0.5, early_seconds=0.5, miss=0.2)
    table = measures_of_today.ranks_table(results.layout, small_set, VARIANTS, count=2, seed=3, settings=settings)
    head, all_ranks = "here (SynthCrime) AUC %: ", "ranks, annotators 1 to 2"
    assert table.frame.columns.tolist() == [
        *("row", f"{head}own labels", f"{head}annotator 1", f"{head}annotator 2", f"{head}mean", f"{head}shares", all_ranks)
    ]
    runs = runs_of(results, "proposed")
    annotators = several_annotators.simulated_annotators(runs[0].events, 25.0, 2, 3, settings)
    mean = 100 * np.mean([several_annotators.relabelled(run, annotators[1]).value("auc") for run in runs])
    row = row_of(table, "Proposed")
    assert row[f"{head}annotator 2"].startswith(f"{mean:.2f} (")
    ranks = [int(row[f"{head}annotator {number}"].split("(")[1][0]) for number in (1, 2)]
    assert row[all_ranks] == f"{min(ranks)} to {max(ranks)}"
    both = [row_of(table, name)[f"{head}own labels"][-2] for name in ("Proposed", BASE)]
    assert sorted(both) == ["1", "2"]
    missing = row_of(table, experiments.VARIANTS["ur-dmu"].title)
    assert missing[all_ranks] == "not run" and set(missing.iloc[1:-1]) == {""}
    assert "misses 20 h % of them" in table.made_with and table.name == "annotators-synth-crime"
