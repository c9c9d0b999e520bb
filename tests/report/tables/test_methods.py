"""Tables 2 and 3 and the methods on other data sets: rows, cells by hand, columns that name whose number they hold."""

import re

from made_up_results import row_of, table2, table3

from vad_lib.evaluation import comparisons, intervals
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP
from vad_lib.report.tables import ablation, methods
from vad_lib.runs import finished_runs
from vad_lib.runs.run_folder import METRICS
from vad_lib.runs.scored_runs import scored_rows


def test_table2_rows_are_the_paper_s_in_its_order_and_the_others_follow(made_up):
    table = table2(made_up.layout)
    assert list(table.frame["method"]) == [
        "VadCLIP",
        "CLIP-TSA",
        "MSF-DMU (reconstruction)",
        "RTFM",
        "PEL4VAD",
        "UR-DMU (the paper's DMU)",
        "FusionNet+LSTM+GAN (our stand-in)",
        "BN-SVP",
        "Proposed",
        "MGFN",
        "Sultani MIL",
        "Logistic regression on snippets",
        "Proposed, training labels permuted",
        "Supervised, for comparison",
    ]
    assert table.in_paper == (True,) * 9 + (False,) * 5
    lines = table.markdown().splitlines()
    separator = next(i for i, line in enumerate(lines) if "not in the paper's table" in line)
    assert lines[separator - 1].startswith("| Proposed |") and lines[separator + 1].startswith("| MGFN |")


def test_the_ceiling_is_said_to_be_no_competitor(made_up):
    made_up.write("synth-crime", "supervised", auc=0.95)
    made_up.write_real("yard", ("supervised",), title="Yard", counterpart="", mask_rule="frames")
    for table in (table2(made_up.layout), table3(made_up.layout), methods.methods_table(made_up.layout, "yard")):
        assert table.frame["method"].iloc[-1] == "Supervised, for comparison"
        assert table.notes[-1].startswith("no competitor: trained with the true frame labels of test videos, out of fold")
        assert not [note for note in table.notes[:-1] if "competitor" in note]
        assert table.markdown().endswith(f"- Supervised, for comparison: {table.notes[-1]}.\n")
    row = row_of(table2(made_up.layout), "Supervised, for comparison")
    assert (row["here (SynthCrime) AUC %: chosen on validation"], row["authors (UCF-Crime) AUC %"]) == ("95.00", "")


def test_table2_cells_by_hand(made_up):
    made_up.write("synth-crime", "proposed", seed=1, auc=0.80)
    made_up.write("synth-crime", "proposed", seed=10, auc=0.88)
    made_up.write("synth-crime", "ur-dmu", seed=1, auc=0.71)
    table = table2(made_up.layout)
    row = row_of(table, "Proposed")
    assert row["paper (UCF-Crime) AUC %"] == "87.83"
    assert row["paper (UCF-Crime) FAR %"] == "3.24"
    assert row["authors (UCF-Crime) AUC %"] == ""
    # mean of 80 and 88; standard deviation sqrt(2 * 4^2 / 1) = 5.66
    assert row["here (SynthCrime) AUC %: chosen on validation"] == "84.00 ± 5.66"
    assert row["here (SynthCrime) AUC %: last step"] == "82.00 ± 5.66"
    assert row["here (SynthCrime) AUC %: best on test"] == "87.00 ± 5.66"
    assert (row["seeds"], row["here (SynthCrime) parameters"]) == ("2", "1,000")
    row = row_of(table, "UR-DMU (the paper's DMU)")
    assert row["authors (UCF-Crime) FAR %"] == "1.05"
    assert row["here (SynthCrime) AUC %: chosen on validation"] == "71.00"
    assert row["here (SynthCrime) FAR %: normal videos"] == "1.25"
    assert row["here (SynthCrime) FAR %: all normal frames"] == "3.00"
    assert row["here (SynthCrime) AUC % within abnormal videos"] == "61.00"
    assert (row["seeds"], row["status"]) == ("1", "run")
    row = row_of(table, "PEL4VAD")
    assert row["paper (UCF-Crime) FAR %"] == "0.7"  # as printed
    assert row["here (SynthCrime) AUC %: last step"] == row["status"] == "not run"
    assert row["seeds"] == "0"


def test_intervals_and_paired_words_come_from_the_stored_scores(made_up):
    for variant, seed in (("msf-dmu", 1), ("msf-dmu", 2), ("pcl", 2), ("pcl", 3)):
        made_up.write("synth-crime", variant, seed=seed)
    runs = finished_runs.load_runs(made_up.layout, "synth-crime", ("msf-dmu", "pcl"))
    row = row_of(table2(made_up.layout), "MSF-DMU (reconstruction)")
    found = intervals.interval(scored_rows(runs["msf-dmu"]), "auc")
    assert row["here (SynthCrime) AUC %: 95 % interval"] == f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"
    assert row_of(table2(made_up.layout), "RTFM")["here (SynthCrime) AUC %: 95 % interval"] == "not run"
    # the one seed that both rows have is compared
    pair = (scored_rows(runs["msf-dmu"][1:]), scored_rows(runs["pcl"][:1]))
    paired = comparisons.compare(*pair, "auc", DEFAULT_BOOTSTRAP.shared(6))  # the six steps of Tables 4 and 5 share the level
    ladder = ablation.table4(made_up.layout, ["synth-crime"])
    head = "here (SynthCrime) AUC %: against the row above"
    assert row_of(ladder, "+ PCL")[head] == comparisons.comparison_text(paired)
    assert row_of(ladder, "+ PCL")[head].endswith(("better", "worse", "cannot tell"))
    assert row_of(ladder, "MSF-DMU (baseline)")[head] == ""
    assert row_of(ladder, "+ DBAGF")[head] == "not run"
    assert "Student's t" in ladder.made_with and "paired by seed and video" in ladder.made_with


def test_table3_has_both_readings_of_the_area(made_up):
    made_up.write("synth-violence", "msf-dmu", auc=0.9)
    table = table3(made_up.layout)
    row = row_of(table, "MSF-DMU (reconstruction)")
    assert row["here (SynthViolence) AP %: chosen on validation"] == "60.00"
    assert row["here (SynthViolence) AP % by trapezoids"] == "61.00"
    assert row["paper (XD-Violence) AP %"] == "82.42"


def test_every_column_with_numbers_names_whose_and_on_what(made_up):
    made_up.write("synth-crime", "proposed")
    made_up.write("synth-violence", "proposed")
    owners = r"(paper|authors) \((UCF-Crime|XD-Violence)\) |here \((SynthCrime|SynthViolence)\) "
    plain = {"method", "row", "seeds", "status", "PCL", "DBAGF", "L_total", "fine", "align", "cons"}
    plain |= {"seeds (SynthCrime)", "seeds (SynthViolence)"}
    for make in (table2, table3, ablation.table4, ablation.table5):
        for column in make(made_up.layout).frame.columns:
            assert column in plain or re.match(owners, column), column


def test_unfinished_and_partial_runs_do_not_count(made_up):
    folder = made_up.write("synth-crime", "proposed", seed=1)
    folder.rename(folder.with_name("seed1.partial"))
    unfinished = made_up.write("synth-crime", "ur-dmu", seed=2)
    (unfinished / METRICS).unlink()
    assert set(table2(made_up.layout).frame["status"]) == {"not run"}


def test_the_mean_is_taken_before_rounding(made_up):
    # rounded first, the mean would be 80.0067 and print as 80.01
    for seed, auc in ((1, 0.80006), (2, 0.80006), (3, 0.80001)):
        made_up.write("synth-crime", "proposed", seed=seed, auc=auc)
    row = row_of(table2(made_up.layout), "Proposed")
    assert row["here (SynthCrime) AUC %: chosen on validation"] == "80.00 ± 0.00"


def test_the_paper_s_own_set_is_named_by_its_runs(made_up):
    made_up.write_real(note="partial: 200 of 290 test videos")
    table = table2(made_up.layout, "ucf-crime")
    assert table.title == "Table 2. Methods on UCF-Crime (paper, authors) and on UCF-Crime (here)"
    assert row_of(table, "Proposed")["here (UCF-Crime) AUC %: chosen on validation"] == "80.00"
    assert "rendered" not in table.made_with and "compare with each other only" not in table.made_with
    assert "UCF-Crime is evaluated on the 16 frames of each snippet that has features, masks by rule A." in table.made_with
    assert "UCF-Crime: partial: 200 of 290 test videos." in table.made_with
    assert "I3D" not in table.made_with
    missing = "size of crops and weights not recorded in the imported files"
    assert f"features as imported of 10 crops ({missing}; width 1024; feature files, one per crop)" in table.made_with


def test_a_set_without_a_counterpart_has_no_columns_of_the_paper(made_up):
    made_up.write_real("yard", ("proposed", "ur-dmu"), title="Yard", counterpart="", mask_rule="frames")
    table = methods.methods_table(made_up.layout, "yard")
    assert (table.name, table.title) == ("methods-yard", "Methods on Yard")
    assert set(table.frame["method"][table.frame["status"] == "run"]) == {"Proposed", "UR-DMU (the paper's DMU)"}
    assert "Yard is none of the paper's data sets: its numbers compare with each other only." in table.made_with
    assert "not in the paper's table" not in table.markdown()
    ladder = ablation.table4(made_up.layout, ["yard"])
    assert ladder.title == "Table 4. Modules added one by one, on Yard"
    assert not [column for column in ladder.frame.columns if "paper" in column]
    assert ladder.markdown().count("| row | PCL | DBAGF | L_total |") == 1


def test_without_any_run_every_row_stays_and_says_so(made_up):
    for make in (table2, table3, ablation.table4, ablation.table5):
        table = make(made_up.layout)
        assert set(table.frame["status"]) == {"not run"}
        assert "nothing was run yet" in table.made_with
