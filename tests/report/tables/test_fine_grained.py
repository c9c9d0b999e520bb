"""Table 6: cells by hand, what was not measured, and what the authors report."""

import json
from pathlib import Path

import numpy as np
from made_up_results import row_of

from vad_lib.evaluation import event_matching
from vad_lib.report.tables import fine_grained
from vad_lib.runs.run_folder import METRICS, SCORES
from vad_lib.storage.reading import read_arrays, read_json
from vad_lib.storage.writing import write_arrays, write_json


def add_fine_grained(folder: Path, value: float, *, annotated: bool = True) -> None:
    """Fine-grained results of which every number follows from ``value``."""
    by_iou = {f"{iou:.1f}": value - iou / 10 for iou in event_matching.IOUS} | {"average": value - 0.03}
    fine = {"category_accuracy": value, "category_accuracy_abnormal_videos": value / 2, "detection": None}
    if annotated:
        other = {iou: number / 2 for iou, number in by_iou.items()}
        fine["detection"] = {
            "vadclip_code": {"map": other, "ap_per_category": {}},
            "abnormal_only": {"map": by_iou, "ap_per_category": {"Arson": by_iou}},
        }
    measured = read_json(folder / METRICS)
    measured["selections"]["best_on_validation"]["fine_grained"] = fine
    write_json(folder / METRICS, measured)
    arrays = read_arrays(folder / SCORES)
    theirs = [text.split(";")[0] for text in arrays["video_categories"].tolist()]
    abnormal = np.array([category != "Normal" for category in theirs])
    named = np.arange(len(theirs)) % 2 == 0
    arrays |= {"category_named": named, "abnormal_category_named": named}
    if annotated:  # one segment and one event per abnormal video, a hit in every second
        category = np.array([arrays["categories"].tolist().index(one) for one in theirs])
        hits = np.repeat(named[abnormal, None], len(event_matching.IOUS), axis=1)
        events = np.eye(len(arrays["categories"]), dtype=np.int64)[category] * abnormal[:, None]
        matched = event_matching.Matched(
            np.flatnonzero(abnormal), category[abnormal], np.ones(abnormal.sum()), hits, events, abnormal
        )
        arrays |= {f"detection_{name}": array for name, array in matched._asdict().items()}
    write_arrays(folder / SCORES, arrays)


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
    kept = (folder / SCORES).read_bytes()
    add_fine_grained(folder, 0.4)
    (folder / SCORES).write_bytes(kept)  # as an older version wrote it
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
