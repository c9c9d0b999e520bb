"""What the methods cost: medians over seeds."""

from made_up_results import row_of, table2

from vad_lib.report.tables import cost


def test_costs_are_medians_over_seeds_and_stand_apart_from_the_numbers_that_repeat(made_up):
    for seed, seconds in ((1, 10.0), (2, 40.0), (3, 20.0)):
        timing = {"train_seconds": seconds, "seconds_per_step": seconds / 1000, "test_milliseconds_per_video_minute": 2 * seconds}
        made_up.write("synth-crime", "rtfm", seed=seed, timing=timing)
    timing = {"train_seconds": 1.5, "seconds_per_step": None, "test_milliseconds_per_video_minute": None}
    made_up.write("synth-crime", "logistic-regression", timing=timing)
    table = cost.cost_table(made_up.layout, "synth-crime")
    assert table.name == "cost-synth-crime" and "rendered" in table.title
    row = row_of(table, "RTFM")
    assert list(row)[1:] == ["1,000", "20.0", "20.0", "40.0"]
    assert list(row_of(table, "Logistic regression on snippets"))[1:] == ["1,000", "1.5", "-", "-"]
    assert set(row_of(table, "MGFN")[1:]) == {"not run"}
    assert not [column for column in table2(made_up.layout).frame.columns if "training, s" in column]
