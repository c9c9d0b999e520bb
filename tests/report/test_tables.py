"""Tables: cells by hand, what a caption must say, runs that must not stand in one table, generated pages."""

import dataclasses
import importlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.errors import DataError, MissingFileError, OutputError
from vad_lib.evaluation import comparisons, detection, intervals, scored_videos
from vad_lib.report import equations, pages
from vad_lib.report.tables import ablation, all_tables, captions, cost, fine_grained, reported
from vad_lib.report.tables import paper as tables_paper
from vad_lib.report.tables import table as tables_table
from vad_lib.runs import finished_runs
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays, write_json

FEATURES = {"crop_size": 112, "crops": ["centre"], "weights_note": "", "content_hash": "f"}
REPORTED = Layout.create("quick").reported


def row_of(table: tables_table.Table, name: str) -> pd.Series:
    return table.frame[table.frame.iloc[:, 0] == name].iloc[0]


# --- reported numbers -------------------------------------------------------------------------------------


def test_reported_numbers_missing(tmp_path):
    with pytest.raises(MissingFileError, match=r"expected the reported numbers.*Restore"):
        reported.read_reported(tmp_path / "reported.csv")


def test_reported_numbers_without_a_column(tmp_path):
    path = tmp_path / "reported.csv"
    path.write_text(REPORTED.read_text().replace("decimals", "digits"))
    with pytest.raises(DataError, match="column decimals is missing"):
        reported.read_reported(path)


def test_a_reported_number_twice(tmp_path):
    path = tmp_path / "reported.csv"
    lines = REPORTED.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.raises(DataError, match="table6, XD-Violence, vadclip, map_average, authors stands there twice"):
        reported.read_reported(path)


# --- tables 2 and 3 ---------------------------------------------------------------------------------------


def test_table2_rows_are_the_paper_s_in_its_order_and_the_others_follow(made_up):
    table = tables_paper.table2(made_up.layout)
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
    ]
    assert table.in_paper == (True,) * 9 + (False,) * 4
    lines = table.markdown().splitlines()
    separator = next(i for i, line in enumerate(lines) if "not in the paper's table" in line)
    assert lines[separator - 1].startswith("| Proposed |") and lines[separator + 1].startswith("| MGFN |")


def test_table2_cells_by_hand(made_up):
    made_up.write("synth-crime", "proposed", seed=1, auc=0.80)
    made_up.write("synth-crime", "proposed", seed=10, auc=0.88)
    made_up.write("synth-crime", "ur-dmu", seed=1, auc=0.71)
    table = tables_paper.table2(made_up.layout)
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
    for seed in (1, 2):
        made_up.write("synth-crime", "msf-dmu", seed=seed)
    folders = [made_up.write("synth-crime", "pcl", seed=seed) for seed in (2, 3)]
    runs = finished_runs.load_runs(made_up.layout, "synth-crime", ("msf-dmu", "pcl"))
    row = row_of(tables_paper.table2(made_up.layout), "MSF-DMU (reconstruction)")
    found = intervals.interval(scored_videos.load_all(runs["msf-dmu"]), "auc")
    assert row["here (SynthCrime) AUC %: 95 % interval"] == f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"
    assert row_of(tables_paper.table2(made_up.layout), "RTFM")["here (SynthCrime) AUC %: 95 % interval"] == "not run"
    # the one seed that both rows have is compared
    paired = comparisons.compare([scored_videos.load_scored(runs["msf-dmu"][1])], [scored_videos.load_scored(folders[0])], "auc")
    ladder = ablation.table4(made_up.layout, ["synth-crime"])
    head = "here (SynthCrime) AUC %: against the row above"
    assert row_of(ladder, "+ PCL")[head] == comparisons.comparison_text(paired)
    assert row_of(ladder, "+ PCL")[head].endswith(("better", "worse", "cannot tell"))
    assert row_of(ladder, "MSF-DMU (baseline)")[head] == ""
    assert row_of(ladder, "+ DBAGF")[head] == "not run"
    assert "Student's t" in ladder.made_with and "paired by seed and video" in ladder.made_with


def test_costs_are_medians_over_seeds_and_stand_apart_from_the_numbers_that_repeat(made_up):
    for seed, seconds in ((1, 10.0), (2, 40.0), (3, 20.0)):
        timing = {"train_seconds": seconds, "seconds_per_step": seconds / 1000, "test_milliseconds_per_video_minute": 2 * seconds}
        write_json(made_up.write("synth-crime", "rtfm", seed=seed) / "timing.json", timing)
    timing = {"train_seconds": 1.5, "seconds_per_step": None, "test_milliseconds_per_video_minute": None}
    write_json(made_up.write("synth-crime", "logistic-regression") / "timing.json", timing)
    table = cost.cost_table(made_up.layout, "synth-crime")
    assert table.name == "cost-synth-crime" and "rendered" in table.title
    row = row_of(table, "RTFM")
    assert list(row)[1:] == ["1,000", "20.0", "20.0", "40.0"]
    assert list(row_of(table, "Logistic regression on snippets"))[1:] == ["1,000", "1.5", "-", "-"]
    assert set(row_of(table, "MGFN")[1:]) == {"not run"}
    assert not [column for column in tables_paper.table2(made_up.layout).frame.columns if "training, s" in column]


def test_table3_has_both_readings_of_the_area(made_up):
    made_up.write("synth-violence", "msf-dmu", auc=0.9)
    table = tables_paper.table3(made_up.layout)
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
    for make in (tables_paper.table2, tables_paper.table3, ablation.table4, ablation.table5):
        for column in make(made_up.layout).frame.columns:
            assert column in plain or re.match(owners, column), column


def test_the_caption_says_what_our_numbers_were_made_with(made_up):
    made_up.write("synth-crime", "proposed")
    made_up.write("synth-crime", "msf-dmu")
    text = tables_paper.table2(made_up.layout).made_with
    assert "videos rendered by this project, not UCF-Crime" in text
    assert "1 crop of 112 pixels" in text
    assert "text features sentence all-MiniLM-L6-v2 (sentence features, not CLIP)" in text
    assert "chosen on validation" in text and "threshold 0.5" in text
    assert "12.50 % AP" in text  # 500 abnormal frames of 4,000
    assert "learning rate 0.0005." in text
    features = FEATURES | {"crop_size": 224, "crops": ["a", "b"], "weights_note": "random weights"}
    for variant in ("proposed", "msf-dmu"):
        made_up.change(made_up.layout.run("synth-crime", variant, 1), features=features)
    assert "2 crops of 224 pixels (random weights)" in tables_paper.table2(made_up.layout).made_with
    train = {"steps": 60, "batch_size": 16, "num_segments": 32, "lr": 1e-3, "seed": 1, "permute_labels": False}
    made_up.change(made_up.layout.run("synth-crime", "msf-dmu", 1), train=train, declared=["lr"])
    assert "learning rates 0.0005 (Proposed), 0.001 (MSF-DMU)." in tables_paper.table2(made_up.layout).made_with


def test_features_of_each_backbone_in_words():
    known = {"crop_size": 224, "crops": ["a"] * 10, "weights_note": "", "weights_sha256": "a", "dimension": 512, "source": "here"}
    words = {
        "i3d-kinetics400": "I3D features of 10 crops of 224 pixels",
        "clip-vit-b-16-middle": "CLIP ViT-B/16 features (middle frame) of 10 crops of 224 pixels",
        "clip-vit-b-32-mean": "CLIP ViT-B/32 features (mean of 16 frames) of 10 crops of 224 pixels",
        "planted": "features of the backbone 'planted' of 10 crops of 224 pixels (width 512; here)",
    }
    assert {backbone: captions.describe_features(known | {"backbone": backbone}) for backbone in words} == words
    random = known | {"backbone": "clip-vit-b-16-mean", "weights_note": "random CLIP weights"}
    assert captions.describe_features(random).endswith("of 10 crops of 224 pixels (random CLIP weights)")


def test_a_real_data_set_is_not_called_rendered(made_up):
    made_up.write("synth-crime", "proposed")
    made_up.layout.run("synth-crime", "proposed", 1).parents[1].rename(made_up.layout.run("ucf-crime", "proposed", 1).parents[1])
    table = tables_paper.table2(made_up.layout, "ucf-crime")
    assert "rendered" not in table.title + table.made_with
    assert row_of(table, "Proposed")["here (ucf-crime) AUC %: chosen on validation"] == "80.00"


def test_unfinished_and_partial_runs_do_not_count(made_up):
    folder = made_up.write("synth-crime", "proposed", seed=1)
    folder.rename(folder.with_name("seed1.partial"))
    unfinished = made_up.write("synth-crime", "ur-dmu", seed=2)
    (unfinished / "metrics.json").unlink()
    assert set(tables_paper.table2(made_up.layout).frame["status"]) == {"not run"}


def test_the_mean_is_taken_before_rounding(made_up):
    # rounded first, the mean would be 80.0067 and print as 80.01
    for seed, auc in ((1, 0.80006), (2, 0.80006), (3, 0.80001)):
        made_up.write("synth-crime", "proposed", seed=seed, auc=auc)
    row = row_of(tables_paper.table2(made_up.layout), "Proposed")
    assert row["here (SynthCrime) AUC %: chosen on validation"] == "80.00 ± 0.00"


REAL = {"title": "UCF-Crime", "counterpart": "UCF-Crime", "synthetic": False, "mask_rule": "A", "tail": "exact", "note": ""}
IMPORTED = {
    "backbone": "as imported",
    "dimension": 1024,
    "crop_size": None,
    "crops": [str(place) for place in range(10)],
    "weights_note": "",
    "weights_sha256": "",
    "source": "feature files, one per crop",
    "content_hash": "r",
}


def write_real(made_up, name="ucf-crime", variants=("proposed",), **info):
    """Runs on UCF-Crime itself, as they say it in their folders."""
    made_up.write("synth-crime", "proposed")  # gives categories and headline metric; the folder is not used
    for variant in variants:
        folder = made_up.write("synth-crime", variant, features=IMPORTED, dataset_info=REAL | info)
        target = made_up.layout.run(name, variant, 1)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)


def test_the_paper_s_own_set_is_named_by_its_runs(made_up):
    write_real(made_up, note="partial: 200 of 290 test videos")
    table = tables_paper.table2(made_up.layout, "ucf-crime")
    assert table.title == "Table 2. Methods on UCF-Crime (paper, authors) and on UCF-Crime (here)"
    assert row_of(table, "Proposed")["here (UCF-Crime) AUC %: chosen on validation"] == "80.00"
    assert "rendered" not in table.made_with and "compare with each other only" not in table.made_with
    assert "UCF-Crime is evaluated on the 16 frames of each snippet that has features, masks by rule A." in table.made_with
    assert "UCF-Crime: partial: 200 of 290 test videos." in table.made_with
    assert "I3D" not in table.made_with
    assert "features as imported of 10 crops of unknown size (weights unknown; width 1024; feature files, one per crop)" in (
        table.made_with
    )


def test_tables_4_and_5_of_one_real_set(made_up):
    write_real(made_up, variants=("msf-dmu", "pcl", "proposed"), tail="extend")
    for make in (ablation.table4, ablation.table5):
        table = make(made_up.layout, ["ucf-crime"])
        assert "on UCF-Crime (paper) and on UCF-Crime (here)" in table.title
        assert not [column for column in table.frame.columns if "XD-Violence" in column or "Synth" in column]
        assert "the last score holds to its end" in table.made_with
    frame = ablation.table4(made_up.layout, ["ucf-crime"]).frame
    assert list(frame["paper (UCF-Crime) AUC %: change"]) == ["", "+0.11", "+0.53", "+0.48"]
    assert list(frame["here (UCF-Crime) AUC %: change"]) == ["", "+0.00", "", ""]
    assert list(frame["status"]) == ["run", "run", "not run", "run"]


def test_runs_under_another_mask_rule_are_refused(made_up):
    write_real(made_up, variants=("pcl",))
    write_real(made_up, variants=("proposed",), mask_rule="B")
    with pytest.raises(DataError, match=r"differ in dataset_info\.mask_rule: 'A' and 'B'"):
        ablation.table4(made_up.layout, ["ucf-crime"])


def test_a_set_without_a_counterpart_has_no_columns_of_the_paper(made_up):
    write_real(made_up, "yard", ("proposed", "ur-dmu"), title="Yard", counterpart="", mask_rule="frames")
    table = tables_paper.methods_table(made_up.layout, "yard")
    assert (table.name, table.title) == ("methods-yard", "Methods on Yard")
    assert set(table.frame["method"][table.frame["status"] == "run"]) == {"Proposed", "UR-DMU (the paper's DMU)"}
    assert "Yard is none of the paper's data sets: its numbers compare with each other only." in table.made_with
    assert "not in the paper's table" not in table.markdown()
    ladder = ablation.table4(made_up.layout, ["yard"])
    assert ladder.title == "Table 4. Modules added one by one, on Yard"
    assert not [column for column in ladder.frame.columns if "paper" in column]
    assert ladder.markdown().count("| row | PCL | DBAGF | L_total |") == 1


# --- tables 4 and 5 ---------------------------------------------------------------------------------------


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
    paper, here = table.markdown().split("Here:")
    assert "here (" not in paper.split("The paper's numbers:")[1] and "paper (" not in here


def test_table5_starts_where_table4_row_3_is(made_up):
    for dataset in ("synth-crime", "synth-violence"):
        for variant in ("pcl-dbagf", "fine", "fine-align", "proposed"):
            made_up.write(dataset, variant, auc=0.8)
    five, four = ablation.table5(made_up.layout).frame, ablation.table4(made_up.layout).frame
    ours = "here (SynthCrime) AUC %: chosen on validation"
    assert five[ours].iloc[0] == four[ours].iloc[2] == "80.00"
    assert list(five["cons"]) == ["", "", "", "yes"]
    assert set(five["status"]) == {"run"}


def test_without_any_run_every_row_stays_and_says_so(made_up):
    for make in (tables_paper.table2, tables_paper.table3, ablation.table4, ablation.table5):
        table = make(made_up.layout)
        assert set(table.frame["status"]) == {"not run"}
        assert "nothing was run yet" in table.made_with


# --- table 6 ----------------------------------------------------------------------------------------------


def add_fine_grained(folder: Path, value: float, *, annotated: bool = True) -> None:
    """Fine-grained results of which every number follows from ``value``."""
    by_iou = {f"{iou:.1f}": value - iou / 10 for iou in detection.IOUS} | {"average": value - 0.03}
    fine = {"category_accuracy": value, "category_accuracy_abnormal_videos": value / 2, "detection": None}
    if annotated:
        other = {iou: number / 2 for iou, number in by_iou.items()}
        fine["detection"] = {
            "vadclip_code": {"map": other, "ap_per_category": {}},
            "abnormal_only": {"map": by_iou, "ap_per_category": {"Arson": by_iou}},
        }
    path = folder / "metrics.json"
    measured = json.loads(path.read_text())
    measured["rules"]["best_on_validation"]["fine_grained"] = fine
    path.write_text(json.dumps(measured))
    arrays = read_arrays(folder / "scores.npz")
    theirs = [text.split(";")[0] for text in arrays["video_categories"].tolist()]
    abnormal = np.array([category != "Normal" for category in theirs])
    named = np.arange(len(theirs)) % 2 == 0
    arrays |= {"category_named": named, "abnormal_category_named": named}
    if annotated:  # one segment and one event per abnormal video, a hit in every second
        category = np.array([arrays["categories"].tolist().index(one) for one in theirs])
        hits = np.repeat(named[abnormal, None], len(detection.IOUS), axis=1)
        events = np.eye(len(arrays["categories"]), dtype=np.int64)[category] * abnormal[:, None]
        matched = detection.Matched(np.flatnonzero(abnormal), category[abnormal], np.ones(abnormal.sum()), hits, events, abnormal)
        arrays |= {f"detection_{name}": array for name, array in matched._asdict().items()}
    write_arrays(folder / "scores.npz", arrays)


def test_table6_cells_by_hand(made_up):
    add_fine_grained(made_up.write("synth-crime", "proposed", seed=1), 0.40)
    add_fine_grained(made_up.write("synth-crime", "proposed", seed=2), 0.50)
    add_fine_grained(made_up.write("synth-violence", "proposed"), 0.30, annotated=False)
    made_up.write("synth-crime", "fine")  # a run of an older version has no fine-grained part
    table = fine_grained.table6(made_up.layout)
    row = row_of(table, "Proposed")
    assert row["here (SynthCrime) mAP@0.1 %, abnormal only"] == "44.00 ± 7.07"
    assert row["here (SynthCrime) mAP@0.5 %, VadCLIP's code"] == "20.00 ± 3.54"
    assert row["here (SynthCrime) mAP AVG %, abnormal only"] == "42.00 ± 7.07"
    assert row["here (SynthCrime) category accuracy %: all videos"] == "45.00 ± 7.07"
    assert row["here (SynthCrime) category accuracy %: abnormal videos"] == "22.50 ± 3.54"
    assert row["here (SynthCrime) AP % Arson"] == "42.00 ± 7.07"
    assert row["here (SynthCrime) AP % Explosion"] == "no events annotated"
    assert row["here (SynthViolence) mAP@0.1 %, abnormal only"] == "no events annotated"
    assert row["here (SynthViolence) category accuracy %: all videos"] == "30.00"
    assert row["status"] == "run"
    row = row_of(table, "+ fine")
    assert row["here (SynthCrime) mAP@0.1 %, abnormal only"] == row["status"] == "not run"
    assert set(table.frame["paper"]) == {"not reported"}
    assert "the paper reports none" in table.title
    text = table.markdown()
    assert text.count("| Proposed |") == 9  # status, and four blocks for each data set
    assert "Detection on SynthViolence, abnormal only:" in text and "not in the paper's table" not in text


def test_table6_says_how_sure_its_means_are(made_up):
    for seed in (1, 2):
        add_fine_grained(made_up.write("synth-crime", "fine", seed=seed), 0.40)
        add_fine_grained(made_up.write("synth-crime", "fine-align", seed=seed), 0.40)
    table = fine_grained.table6(made_up.layout)
    row = row_of(table, "+ fine + align")
    for head in ("mAP AVG %, abnormal only", "category accuracy %: all videos"):
        low, high = json.loads(row[f"here (SynthCrime) {head}: 95 % interval"])
        assert 0 <= low < high <= 100
        # the same arrays in both rows
        assert row[f"here (SynthCrime) {head}: against the row above"] == "+0.00 [+0.00, +0.00] cannot tell"
    assert row_of(table, "+ fine")["here (SynthCrime) category accuracy %: all videos: against the row above"] == "not run"
    assert row_of(table, "+ PCL")["here (SynthCrime) category accuracy %: all videos: 95 % interval"] == ""


def test_table6_of_a_run_that_did_not_keep_its_segments(made_up):
    folder = made_up.write("synth-crime", "proposed")
    kept = (folder / "scores.npz").read_bytes()
    add_fine_grained(folder, 0.4)
    (folder / "scores.npz").write_bytes(kept)  # as an older version wrote it
    row = row_of(fine_grained.table6(made_up.layout), "Proposed")
    assert row["here (SynthCrime) mAP AVG %, abnormal only"] == "37.00"
    assert row["here (SynthCrime) mAP AVG %, abnormal only: 95 % interval"] == "not run"


def test_table6_says_where_a_row_was_not_run(made_up):
    add_fine_grained(made_up.write("synth-violence", "proposed"), 0.3)
    table = fine_grained.table6(made_up.layout)
    assert row_of(table, "Proposed")["status"] == "not run on SynthCrime"
    assert row_of(table, "+ PCL")["status"] == "not run"


def test_table6_quotes_the_authors(made_up):
    add_fine_grained(made_up.write("synth-crime", "proposed"), 0.4)
    table = fine_grained.table6(made_up.layout)
    row = row_of(table, "VadCLIP")
    assert row["authors (UCF-Crime) mAP@0.1 %"] == "11.72"
    assert row["authors (UCF-Crime) mAP AVG %"] == "6.68"
    assert row["here (SynthCrime) mAP@0.1 %, VadCLIP's code"] == row["status"] == "not run"
    assert row_of(table, "Proposed")["authors (UCF-Crime) mAP@0.1 %"] == ""
    assert "- VadCLIP: the default of their code" in table.markdown()


# --- runs that do not belong together ---------------------------------------------------------------------


def test_a_data_set_with_runs_of_two_versions_is_left_out(made_up):
    made_up.write("synth-crime", "pcl")
    made_up.write("synth-violence", "pcl")
    names = ("synth-crime", "synth-violence")
    assert finished_runs.consistent(made_up.layout, names, ["pcl", "fine"]) == names
    made_up.write("synth-violence", "fine", width=256)
    assert finished_runs.consistent(made_up.layout, names, ["pcl", "fine"]) == ("synth-crime",)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"features": FEATURES | {"crop_size": 224}}, r"features\.crop_size: 112 and 224"),
        ({"text": {"source": "clip ViT-B/32", "note": "", "content_hash": "c"}}, r"text\.source: 'sentence .*' and 'clip"),
        ({"width": 256}, "width: 128 and 256"),
        ({"categories": ["Normal", "Arson"]}, "categories"),
    ],
)
def test_runs_made_with_other_settings_are_refused(made_up, change, named):
    made_up.write("synth-crime", "pcl")
    made_up.write("synth-crime", "proposed", **change)
    with pytest.raises(DataError, match=rf"belong to one table but differ in {named}.*Delete the older"):
        ablation.table4(made_up.layout)


def test_runs_with_other_training_settings_are_refused(made_up):
    first = made_up.write("synth-crime", "pcl")
    train = json.loads((first / "config.json").read_text())["train"]
    made_up.write("synth-crime", "proposed", train=train | {"steps": 3000})
    with pytest.raises(DataError, match=r"differ in train\.steps: 60 and 3000"):
        ablation.table4(made_up.layout)


def test_seeds_with_other_options_are_refused(made_up):
    made_up.write("synth-crime", "proposed", seed=1)
    made_up.write("synth-crime", "proposed", seed=2, options={"alpha": 2.0})
    with pytest.raises(DataError, match=r"differ in options\.alpha: None and 2\.0"):
        tables_paper.table2(made_up.layout)


def test_what_defines_a_variant_may_differ(made_up):
    made_up.write("synth-crime", "proposed", options={})
    permuted = made_up.write("synth-crime", "proposed-permuted", seed=3, options={})
    train = json.loads((permuted / "config.json").read_text())["train"]
    made_up.change(permuted, train=train | {"permute_labels": True, "device": "cuda"})
    made_up.write("synth-crime", "msf-dmu", options={"dropout": 0.1})  # no text features either
    assert list(tables_paper.table2(made_up.layout).frame["status"]).count("run") == 3


# --- table 1 ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_set(tmp_path) -> Dataset:
    info = DatasetInfo(
        name="synth-crime",
        title="SynthCrime",
        categories=("Normal", "Arson"),
        headline_metric="auc",
        counterpart="UCF-Crime",
        source="made up",
        synthetic=True,
        fps=25.0,
    )
    records = (
        VideoRecord("a", "train", ("Normal",), 45_000),
        VideoRecord("b", "train", ("Arson",), 22_500),
        VideoRecord("c", "test", ("Arson",), 15_000, ((0, 3_000),)),
        VideoRecord("d", "test", ("Normal",), 7_500),
    )
    return Dataset(tmp_path, info, VideoList(("Normal", "Arson"), records), None)


def test_table1_counts_by_hand(made_up, small_set):
    table = tables_paper.table1(made_up.layout, [small_set])
    assert list(table.frame["data set"]) == ["UCF-Crime (paper)", "XD-Violence (paper)", "SynthCrime (here)"]
    assert list(row_of(table, "UCF-Crime (paper)")[["training videos", "test videos", "videos"]]) == ["1610", "290", "1900"]
    row = row_of(table, "SynthCrime (here)")
    assert list(row[["training videos", "test videos", "videos", "abnormal categories"]]) == ["2", "2", "4", "1"]
    assert row["frames"] == "90000"
    assert row["hours"] == "1.00"  # 90,000 frames at 25 a second are 3,600 seconds
    assert row["abnormal test frames %"] == "13.33"  # 3,000 of 22,500
    assert "SynthCrime is rendered by this project in the shape of UCF-Crime" in table.made_with


def test_table1_says_whether_the_counts_are_the_paper_s(made_up, small_set):
    assert "counts agree with the paper" not in tables_paper.table1(made_up.layout, [small_set]).frame.columns
    info = small_set.info.replace(title="UCF-Crime", synthetic=False, mask_rule="A", note="partial: 2 of 290 test videos")
    real = dataclasses.replace(small_set, info=info)
    table = tables_paper.table1(made_up.layout, [real, small_set])
    column = table.frame["counts agree with the paper"]
    assert column.tolist() == [
        "",
        "",
        "no: 2 training videos, not 1610; 2 test videos, not 290; 4 videos, not 1900; 1 abnormal categories, not 13",
        "",
    ]
    assert "UCF-Crime: partial: 2 of 290 test videos." in table.made_with
    names = ("Normal", *(f"c{number}" for number in range(13)))
    records = [VideoRecord(f"train{i}", "train", ("Normal",), 16) for i in range(1610)]
    records += [VideoRecord(f"test{i}", "test", ("Normal",), 16) for i in range(290)]
    whole = dataclasses.replace(real, info=info.replace(categories=names), videos=VideoList(names, tuple(records)))
    assert tables_paper.table1(made_up.layout, [whole]).frame["counts agree with the paper"].iloc[-1] == "yes"


# --- every table ------------------------------------------------------------------------------------------


def test_every_table_of_several_sets(made_up, small_set):
    """UCF-Crime itself fills table 2, the rendered set beside it has its own; XD-Violence's stand-in fills table 3."""
    write_real(made_up)
    made_up.write("synth-crime", "proposed")
    made_up.write("synth-violence", "proposed")
    real = dataclasses.replace(small_set, info=small_set.info.replace(name="ucf-crime", title="UCF-Crime", synthetic=False))
    violence = small_set.info.replace(
        name="synth-violence", title="SynthViolence", counterpart="XD-Violence", headline_metric="ap", fps=24.0
    )
    made = all_tables.write_all_tables(made_up.layout, [dataclasses.replace(small_set, info=violence), small_set, real])
    assert [table.name for table in made] == [
        *("table1", "table2", "methods-synth-crime", "table3", "table4", "table5", "table6", "protocol"),
        *("cost-ucf-crime", "cost-synth-crime", "cost-synth-violence"),
    ]
    assert "here (UCF-Crime) AUC %: last step" in made[1].frame.columns
    assert "here (SynthViolence) AP %: last step" in made[3].frame.columns
    assert [column for column in made[4].frame.columns if "chosen on validation" in column] == [
        "here (UCF-Crime) AUC %: chosen on validation",
        "here (SynthCrime) AUC %: chosen on validation",
        "here (SynthViolence) AP %: chosen on validation",
    ]
    assert [column for column in made[4].frame.columns if column.startswith("paper")] == [
        *("paper (UCF-Crime) AUC %", "paper (UCF-Crime) AUC %: change"),
        *("paper (XD-Violence) AP %", "paper (XD-Violence) AP %: change"),
    ]
    for table in made:
        assert (made_up.layout.tables / f"{table.name}.csv").read_text() == table.csv()


def test_tables_from_names_and_from_loaded_sets_are_the_same(made_up, small_set):
    made_up.write("synth-crime", "proposed")
    assert tables_paper.table2(made_up.layout, small_set).csv() == tables_paper.table2(made_up.layout, "synth-crime").csv()
    assert ablation.table4(made_up.layout, [small_set]).markdown() == ablation.table4(made_up.layout, ["synth-crime"]).markdown()


# --- files ------------------------------------------------------------------------------------------------


def test_files_are_the_same_bytes_twice_and_parse(made_up):
    made_up.write("synth-crime", "proposed")
    table = tables_paper.table2(made_up.layout)
    csv, md = tables_table.write_table(made_up.layout, table)
    before = csv.read_bytes(), md.read_bytes()
    tables_table.write_table(made_up.layout, tables_paper.table2(made_up.layout))
    assert (csv.read_bytes(), md.read_bytes()) == before
    frame = pd.read_csv(io.BytesIO(before[0]), dtype=str, keep_default_na=False)
    assert frame[list(table.frame.columns)].equals(table.frame.astype(str))
    assert list(frame["in the paper"]) == ["yes"] * 9 + ["no"] * 4
    assert set(frame["made with"]) == {table.made_with}
    assert "digits of the authors' 84.30 swapped" in frame["note"].iloc[3]


def test_a_folder_that_cannot_be_written(made_up):
    made_up.layout.results.parent.mkdir(parents=True)
    made_up.layout.results.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot write"):
        tables_table.write_table(made_up.layout, tables_paper.table2(made_up.layout))


# --- generated parts of pages -----------------------------------------------------------------------------


def test_readme_gets_the_short_tables_between_its_markers(made_up, tmp_path):
    made_up.write("synth-crime", "proposed", auc=0.8123)
    page = tmp_path / "README.md"
    findings = "<!-- findings:begin -->\n<!-- findings:end -->\n"
    page.write_text(f"# Title\n<!-- results:begin -->\nstale words\n<!-- results:end -->\n{findings}rest\n")
    pages.update_readme(page, made_up.layout)
    once = page.read_text()
    assert once.startswith("# Title\n<!-- results:begin -->\n**Table 2.")
    assert "<!-- results:end -->\n<!-- findings:begin -->\n*not run*" in once and once.endswith("<!-- findings:end -->\nrest\n")
    assert "81.23" in once and "stale" not in once and "nothing was run yet" in once
    pages.update_readme(page, made_up.layout)
    assert page.read_text() == once


def test_findings_are_the_answers_of_notebook_06(made_up):
    answers = (
        "data,question,answer,cell\n"
        "SynthCrime (rendered videos),Does Proposed beat + PCL + DBAGF?,cannot tell: +1.00,7\n"
        "other,Else?,no,8\n"
    )
    made_up.layout.tables.mkdir(parents=True)
    (made_up.layout.tables / "beyond.csv").write_text(answers)
    text = pages.findings_markdown(made_up.layout)
    assert "- **SynthCrime. Does Proposed beat + PCL + DBAGF?** cannot tell: +1.00 ([cell 7](" in text and "Else?" not in text


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "<!-- x:begin -->",
        "<!-- x:end --> <!-- x:begin -->",
        2 * "<!-- x:begin --><!-- x:end -->",
    ],
)
def test_a_page_without_its_two_markers(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(DataError, match=r"expected <!-- x:begin --> once"):
        pages.update_section(page, "x", "new")
    assert page.read_text() == text


def test_a_page_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match="found no such file"):
        pages.update_section(tmp_path / "page.md", "x", "new")


def test_deviations_are_numbered_without_gaps():
    text = (PROJECT_ROOT / "results" / "deviations.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"(?m)^(\d+)\. ", text)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 20


# --- equation map -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("equation", equations.EQUATIONS, ids=lambda equation: equation.number)
def test_every_equation_has_its_function_and_its_test(equation):
    module, name = equation.function.rsplit(".", 1)
    function = getattr(importlib.import_module(module), name)
    assert callable(function)
    test = PROJECT_ROOT / equation.test
    assert test.is_file()
    assert name in test.read_text(encoding="utf-8"), f"{equation.test} does not use {name}"


def test_the_map_has_all_eighteen_equations():
    numbers = {equation.number for equation in equations.EQUATIONS}
    assert numbers == {str(number) for number in range(1, 19)} | {"PCL", "L_m"}


def test_places_are_the_first_heading_that_mentions_an_equation(tmp_path):
    def notebook(name: str, *cells: tuple[str, str]) -> None:
        content = {"cells": [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in cells]}
        (tmp_path / name).write_text(json.dumps(content))

    notebook("00_a.ipynb", ("markdown", "# Start\nEquation 3 here.\n## Later\nEqs. 5 to 7."), ("code", "# equation 1"))
    notebook("01_b.ipynb", ("markdown", "text without heading, equation 6"), ("markdown", "## Own\nequations 1, 2 and 18"))
    places = equations.equation_places(tmp_path)
    assert places["3"] == "00_a.ipynb, *Start*"
    assert places["5"] == places["6"] == places["7"] == "00_a.ipynb, *Later*"
    assert places["1"] == places["2"] == places["18"] == "01_b.ipynb, *Own*"
    assert "4" not in places


def test_every_equation_has_a_place_in_the_notebooks():
    rows = equations.equation_map(Layout.create("quick")).splitlines()[2:]
    without = [row for row in rows if row.endswith("|  |")]
    assert not without, "mention these equations in a text cell of a notebook: " + "; ".join(without)
    assert len(rows) == len(equations.EQUATIONS) and all(Path(row.split("`")[3]).name.startswith("test_") for row in rows)
