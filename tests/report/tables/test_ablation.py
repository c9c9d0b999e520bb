"""Tables 4 and 5: changes by hand, one real data set, one row that both tables have."""

import re

from vad_lib.report.tables import ablation


def test_table4_changes_by_hand(made_up):
    for variant, auc in (("msf-dmu", 0.80), ("pcl", 0.815), ("pcl-dbagf", 0.81), ("proposed", 0.85)):
        made_up.write("synth-crime", variant, auc=auc)
    made_up.write("synth-violence", "pcl", auc=0.7)
    table = ablation.table4(made_up.layout)
    frame = table.frame
    assert list(frame["PCL"]) == ["", "yes", "yes", "yes"]
    assert list(frame["L_total"]) == ["", "", "", "yes"]
    assert list(frame["paper (UCF-Crime) AUC %: change"]) == ["", "+0.11", "+0.53", "+0.48"]
    assert list(frame["here (SynthCrime) AUC %: change"]) == ["", "+1.50", "-0.50", "+4.00"]
    assert list(frame["here (SynthViolence) AP %: chosen on validation"]) == ["not run", "40.00", "not run", "not run"]
    assert set(frame["here (SynthViolence) AP %: change"]) == {""}
    assert list(frame["status"]) == ["not run on SynthViolence", "run", "not run on SynthViolence", "not run on SynthViolence"]
    paper, crime, violence = re.split(r"Here \(\w+\):", table.markdown())
    assert "here (" not in paper.split("The paper's numbers:")[1]
    for words, metric, other in ((crime, "AUC", "AP"), (violence, "AP", "AUC")):
        head = words.strip().partition("\n")[0]  # a block names its data set once, above its columns
        assert f"| {metric} %: change |" in head and head.endswith("| seeds | status |")
        assert f"{other} %" not in head and "(" not in head


def test_a_change_over_fewer_seeds_than_its_rows_have_says_so(made_up):
    for variant, seeds in (("msf-dmu", 4), ("pcl", 2), ("pcl-dbagf", 2)):
        for seed in range(seeds):
            made_up.write("synth-crime", variant, seed, auc=0.8)
    said = "A change is over the seeds that both rows have (2 of 4 here), so it is not the difference of the two means. The 6 "
    assert said in ablation.table4(made_up.layout, ["synth-crime"]).made_with
    assert "A change is over" not in ablation.table5(made_up.layout, ["synth-crime"]).made_with


def test_table5_starts_where_table4_row_3_is(made_up):
    for dataset in ("synth-crime", "synth-violence"):
        for variant in ("pcl-dbagf", "fine", "fine-align", "proposed"):
            made_up.write(dataset, variant, auc=0.8)
    five, four = ablation.table5(made_up.layout).frame, ablation.table4(made_up.layout).frame
    ours = "here (SynthCrime) AUC %: chosen on validation"
    assert five[ours].iloc[0] == four[ours].iloc[2] == "80.00"
    assert list(five["cons"]) == ["", "", "", "yes"]
    assert set(five["status"]) == {"run"}


def test_tables_4_and_5_of_one_real_set(made_up):
    made_up.write_real(variants=("msf-dmu", "pcl", "proposed"), tail="extend")
    for make in (ablation.table4, ablation.table5):
        table = make(made_up.layout, ["ucf-crime"])
        assert "on UCF-Crime (paper) and on UCF-Crime (here)" in table.title
        assert not [column for column in table.frame.columns if "XD-Violence" in column or "Synth" in column]
        assert "the last score holds to its end" in table.made_with
    frame = ablation.table4(made_up.layout, ["ucf-crime"]).frame
    assert list(frame["paper (UCF-Crime) AUC %: change"]) == ["", "+0.11", "+0.53", "+0.48"]
    assert list(frame["here (UCF-Crime) AUC %: change"]) == ["", "+0.00", "", ""]
    assert list(frame["status"]) == ["run", "run", "not run", "run"]
