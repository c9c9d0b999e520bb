"""Table 1: counts by hand, and whether they are the paper's."""

import dataclasses

from made_up_results import row_of

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.report.tables import datasets


def test_table1_counts_by_hand(made_up, small_set):
    table = datasets.table1(made_up.layout, [small_set])
    assert list(table.frame["data set"]) == ["UCF-Crime (paper)", "XD-Violence (paper)", "SynthCrime (here)"]
    assert list(row_of(table, "UCF-Crime (paper)")[["training videos", "test videos", "videos"]]) == ["1610", "290", "1900"]
    row = row_of(table, "SynthCrime (here)")
    assert list(row[["training videos", "test videos", "videos", "abnormal categories"]]) == ["2", "2", "4", "1"]
    assert row["frames"] == "90000"
    assert row["hours"] == "1.00"  # 90,000 frames at 25 a second are 3,600 seconds
    assert row["abnormal test frames %"] == "13.33"  # 3,000 of 22,500
    assert "SynthCrime is rendered by this project in the shape of UCF-Crime" in table.made_with


def test_table1_says_whether_the_counts_are_the_paper_s(made_up, small_set):
    assert "counts agree with the paper" not in datasets.table1(made_up.layout, [small_set]).frame.columns
    info = small_set.info.replace(title="UCF-Crime", synthetic=False, mask_rule="A", note="partial: 2 of 290 test videos")
    real = dataclasses.replace(small_set, info=info)
    table = datasets.table1(made_up.layout, [real, small_set])
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
    assert datasets.table1(made_up.layout, [whole]).frame["counts agree with the paper"].iloc[-1] == "yes"


def test_videos_of_several_categories_count_in_each():
    both, normal = VideoRecord("a", "train", ("Fighting", "Riot"), 16), VideoRecord("n", "test", ("Normal",), 16)
    found = datasets.category_counts({"train": [both, both], "test": [normal], "none": []}, ("Normal", "Riot", "Fighting", "Abuse"))
    assert found.to_dict("list") == {"train": [0, 2, 2, 0], "test": [1, 0, 0, 0], "none": [0, 0, 0, 0]}
    assert list(found.index) == ["Normal", "Riot", "Fighting", "Abuse"]
