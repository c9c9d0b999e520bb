"""Alternative texts: made of the points, short, and carried by every figure."""

import ast
from pathlib import Path

import pandas as pd

import vad_lib.open_questions.figures
import vad_lib.report.figures
from vad_lib.evaluation.comparisons import Comparison
from vad_lib.evaluation.intervals import Interval
from vad_lib.report.figures import alignment_and_roc, alternative_texts, intervals, score_curves, style, training_curves
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.paths import PROJECT_ROOT

SOURCES = (
    *sorted(Path(vad_lib.report.figures.__file__).parent.glob("*.py")),
    Path(vad_lib.open_questions.figures.__file__),
)


def figure_functions() -> dict[str, ast.FunctionDef]:
    """Every function that says that it returns a figure and its points."""
    found = {}
    for source in SOURCES:
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.returns and "tuple[Figure, pd.DataFrame]" in ast.unparse(node.returns):
                found[node.name] = node
    return found


def calls(function: ast.FunctionDef) -> set[str]:
    return {node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def test_every_figure_function_describes_its_figure():
    functions = figure_functions()
    assert len(functions) > 20
    silent = [name for name, node in functions.items() if not calls(node) & {"describe", *functions}]
    assert not silent, "give these figures an alternative text with style.describe"


def test_every_committed_figure_has_its_words():
    figures = sorted((PROJECT_ROOT / "figures" / "reference").glob("*.png"))
    assert figures
    for path in figures:
        assert len(style.alternative_text(path)) > 40, path.name


def test_a_line_names_its_ends_and_what_lies_clearly_beyond_them():
    assert alternative_texts.course("loss", [1, 2, 3, 4], [2.0, 0.5, 3.0, 1.0]) == "loss 2 to 1, highest 3 at 3, lowest 0.5 at 2"
    assert alternative_texts.course("loss", [1, 2, 3], [2.0, 1.5, 1.0]) == "loss 2 to 1"
    assert alternative_texts.course("loss", [1, 2], [float("nan")] * 2) == "loss without values"


def test_a_long_list_keeps_both_ends_and_stays_short():
    items = [f"row number {i} 12.3 (10.0 to 14.0)" for i in range(60)]
    text = alternative_texts.composed("Forest plot of many rows", items)
    assert len(text) <= alternative_texts.MOST
    assert items[0] in text and items[-1] in text and items[30] not in text
    left_out = next(part for part in text.split("; ") if part.endswith("between them"))
    assert int(left_out.split()[0]) == 60 - sum(item in text for item in items)


def seeds_of(mean: float) -> Interval:
    return Interval("auc", mean, 0.01, mean - 0.03, mean + 0.02, 0.95, "", (1, 2), (mean - 0.01, mean + 0.01), 290)


def difference(mean: float) -> Comparison:
    return Comparison("auc", mean, 0.01, mean - 0.01, mean + 0.01, 0.95, "", (1, 2), (mean, mean), 290, first="a", second="b")


def test_a_forest_says_its_rows_from_the_highest_on():
    fig, points = intervals.forest_plot({"RTFM": seeds_of(0.7), "Proposed": seeds_of(0.9)}, "On SynthCrime")
    assert points["row"].tolist() == ["Proposed", "RTFM"]
    text = style.described(fig)
    assert text.index("Proposed 90.0 (87.0 to 92.0)") < text.index("RTFM 70.0 (67.0 to 72.0)") and "AUC in percent" in text
    fig, points = intervals.paired_differences({"low": difference(-0.02), "high": difference(0.03)}, "Against")
    assert points["row"].tolist() == ["high", "low"]
    assert "high +3.0 (+2.0 to +4.0) better; low -2.0 (-3.0 to -1.0) worse" in style.described(fig)
    assert any("1 better, 1 worse" in text.get_text() for text in fig.findobj() if hasattr(text, "get_text"))


def test_rows_have_the_colours_of_their_methods():
    fig, _ = intervals.forest_plot({"RTFM": seeds_of(0.7), "Proposed": seeds_of(0.9), "noise": seeds_of(0.5)}, "On SynthCrime")
    colours = [line.get_color() for line in fig.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert colours == [style.METHOD_LOOKS["proposed"].colour, style.METHOD_LOOKS["rtfm"].colour, style.OTHER_LOOK.colour]


def test_curves_name_the_numbers_of_their_points(made_up, run):
    fig, _ = alignment_and_roc.roc_and_pr([run], "Curves")
    labels, _ = run.frames()
    assert f"AP {labels.mean():.3f}" in style.described(fig)
    log = RunInFolder(made_up.write("synth-crime", "proposed")).log()
    fig, points = training_curves.training_curves(log, "Terms")
    main = points[points["series"] == "loss/main"]["value"]
    ends = [alternative_texts.number(main.iloc[place]) for place in (0, -1)]
    assert f"main {ends[0]} to {ends[1]}" in style.described(fig)


def test_maps_and_panels_name_the_numbers_of_their_points(run):
    name = next(name for name, video in run.videos.items() if "Stealing" in video.categories)
    video = run.videos[name]
    fig, points = alignment_and_roc.alignment_heatmap(run, name, "Alignment")
    abnormal = pd.Series(video.labels).groupby(points.index.repeat(16)[: len(video.labels)]).max().astype(bool)
    mean = points.loc[abnormal.to_numpy(), "Stealing"].mean()
    assert f"Stealing {alternative_texts.number(mean)} abnormal" in style.described(fig)
    fig, points = score_curves.score_panels(run, {}, ["Stealing"], "Scores")
    start = int(video.labels.argmax())
    assert f"(abnormal {start} to " in style.described(fig) and len(style.described(fig)) < 700
