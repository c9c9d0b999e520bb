"""Rendered and real footage side by side: planted differences come back with their sign, interval and word, and are drawn so."""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_words import texts
from made_scores import planted
from made_up_results import MadeUpResults

from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.errors import DataError
from vad_lib.evaluation.comparisons import Comparison, compare
from vad_lib.report import rendered_and_real
from vad_lib.report.figures import forest, style
from vad_lib.report.real_footage import NO_TEXT
from vad_lib.report.rendered_and_real import (
    QUESTIONS,
    FootageSet,
    differences,
    forest_points,
    forest_table,
    question_title,
    reading,
)
from vad_lib.report.tables.table import write_table
from vad_lib.storage.paths import PROJECT_ROOT

FIRST = question_title(*QUESTIONS[0])  # UR-DMU minus logistic regression


def rows(seeds: int = 4, videos: int = 16, **lifts: float) -> dict:
    """Runs of each row, whose AUC is 0.6 and a lift, on videos and with seeds that all rows share."""
    rng = np.random.default_rng(3)
    shared = 0.6 + rng.normal(0, 0.02, (seeds, 1)) + rng.normal(0, 0.04, (1, videos))
    made = {}
    for row, lift in lifts.items():
        values = shared + lift + np.random.default_rng(len(made)).normal(0, 0.01, (seeds, videos))
        made[row.replace("_", "-")] = planted(values.clip(0.01, 0.99))
    return made


def comparison(mean: float, half: float = 0.02, seeds: int = 5, first: str = "a", second: str = "b") -> Comparison:
    values = tuple(mean + 0.001 * np.arange(seeds))
    ends = (mean - half, mean + half, 0.95)
    return Comparison("auc", mean, 0.01, *ends, "", tuple(range(seeds)), values, 30, first=first, second=second)


def made_set(title: str, footage: str, *means: float, **more) -> FootageSet:
    """A set whose questions have these answers, in their order, by both metrics."""
    found = {(*pair, metric): comparison(mean) for pair, mean in zip(QUESTIONS, means) for metric in ("auc", "ap")}
    return FootageSet(title, footage, found, **more)


# --- numbers ------------------------------------------------------------------------------------------------
def test_planted_differences_come_back_with_their_sign_and_interval():
    made = rows(logistic_regression=0.0, ur_dmu=0.15, msf_dmu=0.15, proposed=0.05)
    found = differences(made, ["auc"])
    assert list(found) == [(*pair, "auc") for pair in QUESTIONS]
    wanted = {("logistic-regression", "ur-dmu"): 0.15, ("ur-dmu", "msf-dmu"): 0.0, ("msf-dmu", "proposed"): -0.10}
    words = {("logistic-regression", "ur-dmu"): "better", ("ur-dmu", "msf-dmu"): "cannot tell", ("msf-dmu", "proposed"): "worse"}
    for pair, lift in wanted.items():
        each = found[(*pair, "auc")]
        assert each.mean == pytest.approx(lift, abs=0.01) and each.low < lift < each.high
        assert each.verdict == words[pair]
        again = compare(made[pair[0]], made[pair[1]], "auc")
        assert (each.low, each.high, each.values) == (again.low, again.high, again.values)


def test_a_question_is_left_out_where_a_row_or_a_common_seed_is_missing():
    made = rows(logistic_regression=0.0, ur_dmu=0.1, msf_dmu=0.1)
    made["msf-dmu"] = [replace(run, seed=run.seed + 100) for run in made["msf-dmu"]]
    assert list(differences(made, ["auc"])) == [("logistic-regression", "ur-dmu", "auc")]
    assert differences({}) == {}


def test_points_have_rendered_sets_first_and_say_what_was_not_run():
    sets = [made_set("Street", "real", 0.1, remark="copies"), made_set("Drawn", "rendered", *[0.05] * 5), made_set("Empty", "real")]
    points = forest_points(sets)
    assert points["data"].tolist()[:3] == ["Drawn", "Street", "Empty"] and len(points) == 3 * len(QUESTIONS)
    mine = points[points["question"] == FIRST].set_index("data")
    assert mine["word"].tolist() == ["better", "better", "not run"]
    assert mine.loc["Street", ["difference", "low", "high"]].tolist() == pytest.approx([0.1, 0.08, 0.12])
    assert mine.loc["Street", ["remark", "seeds", "videos"]].tolist() == ["copies", 5, 30]
    assert mine.loc["Empty", ["difference", "low", "high"]].isna().all()


def test_runs_of_a_chain_become_a_set(made_up: MadeUpResults):
    for row in ("logistic-regression", "ur-dmu"):
        for seed in (1, 2):
            made_up.write("synth-crime", row, seed)
    info = DatasetInfo(
        name="synth-crime", title="SynthCrime", categories=("Normal", "x"), headline_metric="auc", source="", synthetic=True, fps=25
    )
    found = rendered_and_real.of_runs(made_up.layout, Dataset(Path(), info, None, None))
    assert (found.title, found.footage) == ("SynthCrime", "rendered")
    assert {key[:2] for key in found.found} == {("logistic-regression", "ur-dmu")} and len(found.found) == 2


# --- words --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rendered", "real", "said"),
    [
        ([0.1], [0.1, 0.0], "Both kinds of footage say *better* where they decide it (rendered: 1 of 1 data sets, real: 1 of 2"),
        ([0.0], [-0.1], "Only real footage decides it: *worse* (1 of 1 data sets)."),
        ([0.1, 0.0], [0.0], "Only rendered footage decides it: *better* (1 of 2 data sets)."),
        ([0.01], [-0.01], "Neither kind of footage decides it."),
        ([0.1], [-0.1], "Data sets contradict each other (rendered: 1 of 1 data sets, real: 1 of 1 data sets decide it)."),
        ([0.0], [0.1, -0.1], "Data sets contradict each other"),
        ([], [0.1], "With one kind of footage there is nothing to set side by side."),
    ],
)
def test_the_reading_follows_from_the_intervals(rendered, real, said):
    sets = [made_set(f"R{n}", "rendered", mean) for n, mean in enumerate(rendered)]
    sets += [made_set(f"S{n}", "real", mean) for n, mean in enumerate(real)]
    first = reading(forest_points(sets))[0]
    assert first.startswith(f"**{FIRST}.** On rendered footage, ") and said in first


def test_an_end_just_below_0_is_not_written_as_0():
    figure, _ = forest.forest(forest_points([made_set("Street", "real", -0.0204)]), "Made up")
    assert "-2.0 [-4.0, -0.04] worse" in [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_word_stands_beside_difference_and_half_width():
    (first, *_) = reading(forest_points([made_set("Drawn", "rendered", 0.1), made_set("Street", "real", -0.013)]))
    assert "*better* on Drawn (+10.0, +8.0 to +12.0)" in first and "*cannot tell* on Street (-1.3, -3.3 to +0.7)" in first
    (*_, last) = reading(forest_points([made_set("Drawn", "rendered", 0.1), made_set("Street", "real", 0.1)]))
    assert "On rendered footage, not run; on real footage, not run." in last


def test_a_title_with_a_word_in_it_changes_no_word():
    points = forest_points([made_set("Worse is better", "real", 0.0), made_set("Cannot tell", "rendered", 0.1)])
    assert "Rendered footage: 1 differences, 1 *better*, 0 *worse*, 0 *cannot tell*" in rendered_and_real.counted(points)
    assert "Real footage: 1 differences, 0 *better*, 0 *worse*, 1 *cannot tell*" in rendered_and_real.counted(points)


def test_one_seed_speaks_of_these_models_only():
    one = FootageSet("Street", "real", {(*QUESTIONS[0], "auc"): comparison(0.1, seeds=1)})
    assert "Where a data set has one seed" in rendered_and_real.counted(forest_points([one]))
    assert "one seed" not in rendered_and_real.counted(forest_points([made_set("Street", "real", 0.1)]))


def test_in_short_both_kinds_are_counted_by_every_metric_and_what_is_doubtful_is_named():
    sets = [
        made_set("Drawn", "rendered", 0.1, 0.0, 0.1, 0.0, -0.1),
        made_set("Street", "real", 0.1, 0.1, 0.1, 0.0, 0.0),
        made_set("Campus", "real", 0.1, 0.0, 0.0, 0.0, 0.0, remark="copies"),
        made_set("Lane", "real", 0.0, 0.0, 0.0, 0.0, 0.1, no_text="no texts"),
    ]
    said = rendered_and_real.in_short(forest_points(sets))
    counts = "in 2 of 3 comparisons on rendered footage and in 4 of 9 comparisons on real footage (1 of them on Campus"
    assert said.startswith("UR-DMU, MSF-DMU and Proposed, each built on the one before, are better than inherited labels by AUC ")
    assert f"{counts}: copies). Other methods" in said
    last = "worse on 1, cannot tell on 2 of 3 data sets"
    end = "; not counted are Lane: no texts. Each interval stands by itself at 95 %."
    assert said.endswith(f"Proposed minus MSF-DMU: by AUC {last}{end}")
    both = rendered_and_real.in_short(forest_points(sets), forest_points(sets, "ap"))
    assert f"{counts}: copies); by AP {counts}). Other methods" in both and f"by AUC {last}; by AP {last}{end}" in both
    alone = rendered_and_real.in_short(forest_points(sets[:1]))
    assert "on rendered footage and not run on real footage. " in alone


def test_a_set_without_texts_does_not_decide_the_question_about_language():
    sets = [made_set("Drawn", "rendered", *[0.1] * 5), made_set("Lane", "real", *[-0.1] * 5, no_text="no texts")]
    first, *_, last = reading(forest_points(sets))
    assert "Data sets contradict each other" in first and "no texts" not in first
    assert "*worse* on Lane" in last and "nothing to set side by side. Not counted are Lane: no texts." in last
    fig, _ = forest.forest(forest_points(sets), "Made up")
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()].count("Lane ‡") == 1 and "‡ Lane: no texts" in texts(fig)


# --- figure, table, README ----------------------------------------------------------------------------------
def marks(fig, marker: str) -> list[tuple[float, float]]:
    found = [line for line in fig.axes[0].lines if line.get_marker() == marker and len(line.get_xdata()) == 1]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in found]


def test_the_figure_marks_rendered_and_real_by_shape_and_says_the_numbers():
    sets = [made_set("Drawn", "rendered", 0.1, -0.1), made_set("Street", "real", 0.001, 0.05, remark="copies")]
    points = forest_points(sets)
    fig, drawn = forest.forest(points, "Side by side")
    places = drawn.set_index(["question", "data"])["place"]
    second = question_title(*QUESTIONS[1])
    assert marks(fig, "s") == [(pytest.approx(10), places[FIRST, "Drawn"]), (pytest.approx(-10), places[second, "Drawn"])]
    assert marks(fig, "o") == [(pytest.approx(0.1), places[FIRST, "Street"]), (pytest.approx(5), places[second, "Street"])]
    said = texts(fig)
    for text in ("+10.0 [+8.0, +12.0] better", "-10.0 [-12.0, -8.0] worse", "+0.1 [-1.9, +2.1] cannot tell", "not run", FIRST):
        assert text in said
    assert "Street †" in said and "† Street: copies" in said and "difference, AUC points" in said
    assert "rendered footage, 95 % interval" in said and "real footage, 95 % interval" in said
    low, high = fig.axes[0].get_xlim()
    assert low < -12 and high > 12 and fig.axes[0].yaxis_inverted()


@pytest.mark.parametrize("footage", ["rendered", "real"])
def test_the_figure_of_one_set_names_its_kind_only(footage):
    fig, _ = forest.forest(forest_points([made_set("Alone", footage, 0.1)]), "One")
    other = {"rendered": "real", "real": "rendered"}[footage]
    assert f"{footage} footage, 95 % interval" in texts(fig) and f"{other} footage, 95 %" not in texts(fig)


def test_words_of_the_figure_lie_within_it_and_not_on_each_other():
    sets = [made_set(title, "rendered", *[0.1] * 5) for title in ("SynthCrime", "SynthViolence")]
    sets += [made_set("Fight bags", "real", *[-0.1] * 5)]
    sets += [made_set(title, "real", *[-0.1] * 5, remark="leaks", no_text=NO_TEXT) for title in ("PETS 2009", "UCSD Ped2")]
    fig, _ = forest.forest(forest_points(sets), "All five")
    fig.canvas.draw()
    shown = [text for text in fig.findobj(plt.Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for text in shown]
    width, height = fig.canvas.get_width_height()
    assert all(box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1 for box in boxes)
    small = [box.shrunk(0.9, 0.75) for box in boxes]
    pairs = [(shown[i].get_text(), shown[j].get_text()) for i in range(len(small)) for j in range(i) if small[i].overlaps(small[j])]
    assert not pairs


def test_a_figure_of_nothing_is_refused():
    with pytest.raises(DataError, match="expected a data set with runs to compare, got none"):
        forest.forest(forest_points([FootageSet("Empty", "real", {})]), "None")


def test_the_table_has_both_metrics_and_where_its_numbers_are_from(made_up: MadeUpResults):
    sets = [made_set("Drawn", "rendered", 0.1), made_set("Street", "real", remark="copies")]
    table = forest_table(sets, ["Shown: all."])
    csv, markdown = write_table(made_up.layout, table)
    assert csv.name == "forest.csv" and markdown.name == "forest.md"
    first = table.frame.iloc[0]
    assert first["AUC points"] == first["AP points"] == "+10.00 [+8.00, +12.00] better"
    assert first[["difference", "data set", "footage", "seeds", "status"]].tolist() == [FIRST, "Drawn", "rendered", "5", "run"]
    assert table.frame.iloc[1][["AUC points", "seeds", "status"]].tolist() == ["not run", "0", "not run"]
    assert "Street: copies. Shown: all." in markdown.read_text(encoding="utf-8")


def test_the_readme_shows_the_figure_where_it_is(tmp_path):
    points = forest_points([made_set("Drawn", "rendered", *[0.1] * 5), made_set("Street", "real", *[0.0] * 5)])
    page, image = tmp_path / "README.md", tmp_path / "figures" / "reference" / "forest.png"
    without = rendered_and_real.readme_markdown([points], image, page)
    assert "![" not in without and without.startswith("UR-DMU, MSF-DMU and Proposed, each built on the one before, are better")
    image.parent.mkdir(parents=True)
    image.touch()
    text = rendered_and_real.readme_markdown([points], image, page)
    alternative = rendered_and_real.alternative_text(points)
    assert text == f"![{alternative}](figures/reference/forest.png)\n\n{without}"
    assert not {*"[]"} & {*alternative} and "10 differences in AUC points" in alternative


def test_the_readme_has_a_place_for_it():
    text = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- real-footage:begin -->") == text.count("<!-- real-footage:end -->") == 1


def test_a_saved_figure_carries_its_words(made_up: MadeUpResults):
    points = forest_points([made_set("Alone", "real", 0.1)])
    fig, drawn = forest.forest(points, "One")
    files = style.save_figure(fig, made_up.layout, rendered_and_real.NAME, drawn, {})
    assert style.alternative_text(files["png"]) == rendered_and_real.alternative_text(points)
    assert plt.imread(files["png"]).shape[1] == forest.WIDTH * style.DPI
