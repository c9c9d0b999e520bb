"""Figures: what is drawn is what the run folder says, the same bytes twice, and diagrams that follow the model."""

import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.data.video_writing import write_video
from vad_lib.errors import DataError, MissingFileError, OutputError
from vad_lib.report.figures import alignment_and_roc, run_scores, score_curves, style, training_curves
from vad_lib.report.figures import strips as figures_strips
from vad_lib.runs import finished_runs
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_arrays
from vad_lib.storage.writing import write_arrays

FIGURE3 = figures_strips.FIGURE3_CATEGORIES


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def run(made_up) -> run_scores.RunScores:
    return run_scores.load_scores(made_up.write("synth-crime", "proposed"))


def made_up_strips(run: run_scores.RunScores, categories=FIGURE3) -> dict[str, figures_strips.Strip]:
    strips = {}
    for name in figures_strips.figure_videos([(v.name, v.categories) for v in run.videos.values()], categories).values():
        positions = np.linspace(0, len(run.videos[name].labels) - 1, 4).astype(int)
        strips[name] = figures_strips.Strip(positions, np.full((4, 24, 32, 3), 128, dtype=np.uint8))
    return strips


def texts(fig) -> str:
    return "\n".join(text.get_text() for text in fig.findobj(plt.Text))


# --- saving -----------------------------------------------------------------------------------------------


def test_saved_twice_is_the_same_bytes_with_the_stamp_inside(made_up):
    points = pd.DataFrame({"x": [1, 2], "y": [0.123456789, 1]})

    def save() -> dict:
        with style.style():
            fig, axes = plt.subplots(figsize=(3, 2))
            axes.plot(points["x"], points["y"])
        return style.save_figure(fig, made_up.layout, "line", points, {"dataset": "synth-crime", "seed": 3})

    paths = save()
    before = {ending: path.read_bytes() for ending, path in paths.items()}
    assert {ending: path.read_bytes() for ending, path in save().items()} == before
    assert sorted(path.name for path in made_up.layout.figures.iterdir()) == ["line.csv", "line.pdf", "line.png"]
    stamp = json.loads(Image.open(paths["png"]).text["Description"])
    assert stamp["dataset"] == "synth-crime" and stamp["seed"] == 3 and "commit" in stamp
    assert b"synth-crime" in before["pdf"] and b"CreationDate" not in before["pdf"]
    assert imread(paths["png"]).shape[:2] == (2 * style.DPI, 3 * style.DPI)
    assert paths["csv"].read_text() == "x,y\n1,0.123457\n2,1\n"
    assert not plt.get_fignums()


def test_a_figure_that_cannot_be_written(made_up):
    made_up.layout.figures.parent.mkdir(parents=True)
    made_up.layout.figures.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot write"):
        style.save_figure(plt.figure(), made_up.layout, "line", pd.DataFrame(), {})


def test_the_style_ends_with_its_block():
    before = plt.rcParams["axes.grid"]
    with style.style():
        assert plt.rcParams["axes.grid"]
    assert plt.rcParams["axes.grid"] == before


# --- run folders ------------------------------------------------------------------------------------------


def test_scores_are_cut_at_the_videos(made_up, run):
    arrays = read_arrays(made_up.layout.run("synth-crime", "proposed", 1) / "scores.npz")
    second = run.videos[arrays["videos"][1]]
    start, count, first_frames = arrays["num_snippets"][0], arrays["num_snippets"][1], arrays["num_frames"][0]
    assert np.array_equal(second.curves["semantic"], arrays["semantic"][start : start + count])
    assert np.array_equal(second.labels, arrays["labels"][first_frames : first_frames + arrays["num_frames"][1]])
    assert second.alignment.shape == (count, len(run.categories)) and second.alignment.dtype == np.float32
    labels, scores = run.frames()
    assert np.array_equal(labels, arrays["labels"]) and len(scores) == len(labels)
    labels, scores = run.frames(second.name, "visual")
    assert len(scores) == len(second.labels) and scores[17] == second.curves["visual"][1]


def test_a_method_without_branches_has_the_score_only(made_up):
    run = run_scores.load_scores(made_up.write("synth-crime", "ur-dmu"))
    video = next(iter(run.videos.values()))
    assert list(video.curves) == ["score"] and video.alignment is None


def test_scores_that_do_not_fit_each_other(made_up):
    folder = made_up.write("synth-crime", "proposed")
    arrays = read_arrays(folder / "scores.npz")
    write_arrays(folder / "scores.npz", arrays | {"visual": arrays["visual"][:-1]})
    with pytest.raises(DataError, match=r"visual has [\d,]+ rows, expected [\d,]+; run the training again"):
        run_scores.load_scores(folder)
    write_arrays(folder / "scores.npz", {name: array for name, array in arrays.items() if name != "labels"})
    with pytest.raises(DataError, match="array labels is missing"):
        run_scores.load_scores(folder)
    with pytest.raises(MissingFileError):
        run_scores.load_scores(folder.parent / "seed99")


def test_a_run_without_steps_has_no_log(made_up):
    folder = made_up.write("synth-crime", "logistic-regression")
    with pytest.raises(DataError, match="expected the log of a run with training steps"):
        run_scores.load_log(folder)
    (folder / "log.csv").write_text("\n")
    with pytest.raises(DataError, match="Train this variant first"):
        run_scores.load_log(folder)


def test_figure_videos_are_the_first_that_have_their_category_alone():
    videos = [("n", ("Normal",)), ("a", ("Riot", "Fighting")), ("b", ("Fighting",)), ("c", ("Fighting",))]
    assert figures_strips.figure_videos(videos, ["Fighting", "Riot"]) == {"Fighting": "b", "Riot": "a"}
    with pytest.raises(DataError, match="no test video of category 'Abuse' is left for a panel; the test videos have Fighting"):
        figures_strips.figure_videos(videos, ["Abuse"])


# --- strips -----------------------------------------------------------------------------------------------


def test_strip_frames_by_hand():
    record = VideoRecord("v", "test", ("Arson",), 300, ((100, 200),))
    # before: 100 // 2; after: (199 + 300) // 2; between them 20, 40, 60 and 80 % of the way from frame 100 to 199
    assert figures_strips.strip_frames(record, 6).tolist() == [50, 119, 139, 159, 179, 249]
    touching = VideoRecord("v", "test", ("Arson",), 100, ((0, 100),))
    found = figures_strips.strip_frames(touching, 6)
    assert found[0] == 0 and found[-1] == 99 and len(found) == 6


def test_strips_are_read_back_as_they_were_shown(made_up):
    layout = made_up.layout
    info = DatasetInfo(
        name="synth-crime", title="S", categories=("Normal", *FIGURE3), headline_metric="auc", source="t", synthetic=True, fps=25.0
    )
    records = tuple(VideoRecord(f"{c}_0", "test", (c,), 40, ((10, 30),)) for c in FIGURE3)
    dataset = Dataset(layout.dataset("synth-crime"), info, VideoList(info.categories, records), None)
    for i, record in enumerate(records):
        frames = (np.full((64, 96, 3), (60 + 20 * i + 2 * t, 40, 40), dtype=np.uint8) for t in range(40))
        write_video(layout.videos("synth-crime") / f"{record.name}.mp4", frames, 25.0)
    path = figures_strips.save_strips(layout, dataset, FIGURE3, count=4, height=32)
    assert path.stat().st_size < 50_000
    strips = figures_strips.load_strips(layout, "synth-crime")
    assert list(strips) == [record.name for record in records]
    strip = strips["Vandalism_0"]
    assert strip.frame_indices.tolist() == [5, 16, 22, 34] and strip.images.shape == (4, 32, 48, 3)
    red, green, blue = strip.images.mean(axis=(1, 2)).T
    assert np.abs(red - (120 + 2 * strip.frame_indices)).max() < 8  # two lossy codecs
    assert np.abs(green - 40).max() < 8 and np.abs(blue - 40).max() < 8
    first = path.read_bytes()
    assert figures_strips.save_strips(layout, dataset, FIGURE3, count=4, height=32).read_bytes() == first


def test_strips_that_were_never_made(made_up):
    with pytest.raises(MissingFileError):
        figures_strips.load_strips(made_up.layout, "synth-crime")


# --- figures 3 and 4 --------------------------------------------------------------------------------------


def test_score_panels_draw_the_scores_and_the_ground_truth(run):
    fig, points = score_curves.score_panels(run, made_up_strips(run), FIGURE3, "On SynthCrime", curves=("score", "visual"))
    panels = [axes for axes in fig.axes if axes.get_ylabel() == "anomaly score"]
    assert len(panels) == 4 and len(fig.axes) == 4 + 4 * 4
    for axes, category in zip(panels, FIGURE3):
        assert category in axes.get_title(loc="left") and axes.get_xlabel() == "frame"
        theirs = points[points["category"] == category]
        video = run.videos[theirs["video"].iloc[0]]
        assert category in video.categories
        assert np.allclose(theirs["score"], video.curves["score"]) and np.allclose(theirs["visual"], video.curves["visual"])
        assert theirs["abnormal_frames"].sum() == video.labels.sum()
        shaded = [patch for patch in axes.patches if patch.get_label().startswith("abnormal")]
        abnormal = np.flatnonzero(video.labels)
        left = shaded[0].get_x()
        assert (left, left + shaded[0].get_width()) == (abnormal[0], abnormal[-1] + 1)
        marks = [line.get_xdata()[0] for line in axes.lines]
        assert marks == np.linspace(0, len(video.labels) - 1, 4).astype(int).tolist()
    legend = texts(fig)
    assert "fused score" in legend and "visual score" in legend and "semantic score" not in legend and "On SynthCrime" in legend


def test_score_panels_refuse_what_is_not_there(made_up, run):
    with pytest.raises(DataError, match=r"no frames stored for the strip; run notebook 01"):
        score_curves.score_panels(run, dict(list(made_up_strips(run).items())[1:]), FIGURE3, "t")
    baseline = run_scores.load_scores(made_up.write("synth-crime", "ur-dmu"))
    with pytest.raises(DataError, match="UR-DMU has no semantic score; it has score"):
        score_curves.score_panels(baseline, made_up_strips(baseline), FIGURE3, "t", curves=("score", "semantic"))


def test_score_panels_without_videos_have_curves_only(run, tmp_path):
    fig, points = score_curves.score_panels(run, {}, FIGURE3[:2], "On features alone")
    assert len(fig.axes) == 2 and sorted(set(points["category"])) == sorted(FIGURE3[:2])
    dataset = made_up_set(tmp_path)
    figures_strips.save_strips(Layout.create("smoke", tmp_path / "out", tmp_path), dataset, FIGURE3)
    assert figures_strips.load_strips(Layout.create("smoke", tmp_path / "out", tmp_path), dataset.name) == {}


def made_up_set(folder, counterpart="UCF-Crime", categories=FIGURE3) -> Dataset:
    known = ("Normal", "Abuse", *FIGURE3)
    info = DatasetInfo(
        name="own",
        title="Own",
        categories=known,
        headline_metric="auc",
        source="t",
        synthetic=False,
        fps=25.0,
        counterpart=counterpart,
    )
    records = tuple(VideoRecord(f"{c}_0", "test", (c,), 40, ((10, 30),)) for c in categories)
    return Dataset(folder / "own", info, VideoList(known, records), None)


def test_the_score_figure_has_the_papers_categories_where_it_can(tmp_path):
    assert score_curves.score_figure(made_up_set(tmp_path)) == ("fig3", FIGURE3)
    assert score_curves.score_figure(made_up_set(tmp_path, categories=("Abuse", "Arson"))) == ("fig3", ("Abuse", "Arson"))
    assert score_curves.score_figure(made_up_set(tmp_path, counterpart="")) == ("scores-own", FIGURE3)


# --- beyond the paper -------------------------------------------------------------------------------------


def test_training_curves_have_every_term_with_its_weight(made_up):
    log = run_scores.load_log(made_up.write("synth-crime", "proposed"))
    log["weight/con"] = np.linspace(0.05, 0.2, len(log))
    fig, points = training_curves.training_curves(log, "Loss terms")
    titles = {axes.get_title() for axes in fig.axes if axes.get_visible()}
    assert {
        "weighted sum",
        "main\nx 1",
        "align\nx 0.1",
        "abnormal video normal memory\nx 0.1",
        "con\nx 0.05 to 0.2",
        "evaluations",
    } <= titles
    assert len(titles) == 2 + sum(column.startswith("loss/") for column in log.columns)
    kl = points[points["series"] == "loss/kl"]
    assert np.array_equal(kl["value"], log["loss/kl"]) and np.array_equal(kl["step"], log["step"])
    assert points[points["series"] == "validation/auc"]["step"].tolist() == [10, 20, 30, 40, 50, 60]
    drawn = next(axes for axes in fig.axes if axes.get_title() == "kl\nx 0.001").lines[0]
    assert np.array_equal(drawn.get_ydata(), log["loss/kl"])


def test_gate_path_has_one_line_per_run(made_up):
    logs = {name: run_scores.load_log(made_up.write(name, "proposed")) for name in ("synth-crime", "synth-violence")}
    fig, points = training_curves.gate_path(logs, "Gate")
    assert set(points["run"]) == set(logs) and len(points) == 12
    assert "w, share of the visual score" in texts(fig)
    with pytest.raises(DataError, match="UR-DMU: the log has no monitor/w"):
        training_curves.gate_path({"UR-DMU": run_scores.load_log(made_up.write("synth-crime", "ur-dmu"))}, "Gate")


def test_alignment_heatmap_shows_the_cosines_of_one_video(made_up, run):
    name = next(name for name, video in run.videos.items() if "Stealing" in video.categories)
    fig, points = alignment_and_roc.alignment_heatmap(run, name, "Alignment")
    assert np.allclose(points[list(run.categories)], run.videos[name].alignment)
    assert points["first_frame"].tolist()[:3] == [0, 16, 32]
    labels = {tick.get_text(): tick.get_fontweight() for tick in fig.axes[1].get_yticklabels()}
    assert labels["Stealing"] == "bold" and labels["Arson"] == "normal" and "cosine" in texts(fig)
    assert np.array_equal(fig.axes[0].images[0].get_array()[0], run.videos[name].labels)
    baseline = run_scores.load_scores(made_up.write("synth-crime", "ur-dmu"))
    with pytest.raises(DataError, match="UR-DMU has no alignment map"):
        alignment_and_roc.alignment_heatmap(baseline, name, "Alignment")


def test_curves_end_at_the_corners_and_name_their_areas(made_up, run):
    from sklearn.metrics import average_precision_score, roc_auc_score

    baseline = run_scores.load_scores(made_up.write("synth-crime", "ur-dmu"))
    fig, points = alignment_and_roc.roc_and_pr([run, baseline], "Curves", max_points=50)
    labels, scores = run.frames()
    areas = f"AUC {roc_auc_score(labels, scores):.3f}, AP {average_precision_score(labels, scores):.3f}"
    assert f"Proposed ({areas})" in texts(fig)
    roc = points[(points["method"] == "Proposed") & (points["curve"] == "roc")]
    assert len(roc) <= 50 and roc[["x", "y"]].to_numpy()[[0, -1]].tolist() == [[0, 0], [1, 1]]
    other = run_scores.load_scores(made_up.write("synth-violence", "ur-dmu"))
    with pytest.raises(DataError, match="UR-DMU was scored on other test frames than Proposed"):
        alignment_and_roc.roc_and_pr([run, other], "Curves")


def test_selection_dots_are_the_metrics_of_the_runs(made_up):
    for seed, auc in ((1, 0.8), (2, 0.9)):
        made_up.write("synth-crime", "proposed", seed=seed, auc=auc)
    made_up.write("synth-crime", "ur-dmu", auc=0.7)
    fig, points = training_curves.selection_dots(
        finished_runs.load_runs(made_up.layout, "synth-crime", ["ur-dmu", "proposed"]), "auc", "Rules"
    )
    last = points[points["rule"] == "last"]
    assert list(last["row"]) == ["UR-DMU", "Proposed", "Proposed"]
    assert np.allclose(last["value"], [0.68, 0.78, 0.88])
    drawn = {line.get_label(): line.get_xdata() for line in fig.axes[0].lines}
    assert np.allclose(drawn["chosen on validation"], [70, 80, 90])


def test_a_preview_is_a_small_picture_of_the_saved_file(made_up, run):
    fig, points = alignment_and_roc.roc_and_pr([run], "Curves")
    saved = style.save_figure(fig, made_up.layout, "curves", points, {})["png"]
    with Image.open(io.BytesIO(style.preview(saved, 400))) as small, Image.open(saved) as large:
        assert small.format == "JPEG" and small.width == 400
        assert small.height / 400 == pytest.approx(large.height / large.width, abs=0.01)


def test_titles_say_when_videos_are_rendered(tmp_path):
    info = {"name": "s", "title": "S", "categories": ("Normal", "Arson"), "headline_metric": "auc", "source": "t", "fps": 25.0}
    rendered, real = (
        Dataset(tmp_path, DatasetInfo(**info, synthetic=synthetic), VideoList(("Normal", "Arson"), ()), None)
        for synthetic in (True, False)
    )
    assert style.data_title(rendered) == "S (rendered videos)" and style.data_title(real) == "S"
