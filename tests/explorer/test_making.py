"""From runs and rendered videos to the explorer's folder."""

import av
import numpy as np
import pytest
from numbered_videos import number, write_numbered
from small_runs import write_noise

from vad_lib.config import get_profile
from vad_lib.data.annotations import VideoList, write_video_csv
from vad_lib.data.synthetic import DATASETS, jobs
from vad_lib.data.synthetic.plan import plan_video
from vad_lib.errors import DataError, MissingFileError, OutputError
from vad_lib.explorer import making
from vad_lib.explorer.__main__ import main
from vad_lib.explorer.contents import read_contents
from vad_lib.explorer.making import chosen, learned_share, write_small_copy
from vad_lib.report.figures.run_scores import VideoScores
from vad_lib.runs.run_folder import write_run
from vad_lib.storage.paths import Layout

SETTINGS = get_profile("smoke").synthetic


def write_videos(layout: Layout, dataset: str) -> list:
    """The list of the rendered set, with noise in place of the rendered videos."""
    records = [plan_video(job)[0] for job in jobs(dataset, SETTINGS)]
    write_video_csv(layout.dataset(dataset) / "videos.csv", VideoList(DATASETS[dataset].categories, tuple(records)))
    test = [record for record in records if record.split == "test"]
    for seed, record in enumerate(test):
        write_noise(layout.videos(dataset) / f"{record.name}.mp4", record.num_frames, seed)
    return test


def write_made_run(layout: Layout, dataset: str, variant: str, seed: int, records: list, labels=None) -> None:
    rng, both = np.random.default_rng(seed), variant == "proposed"
    snippets = np.array([-(-record.num_frames // 16) for record in records])
    visual, semantic = rng.uniform(0, 1, (2, snippets.sum())).astype(np.float32)
    scores = {
        "videos": np.array([record.name for record in records]),
        "categories": np.array(DATASETS[dataset].categories),
        "video_categories": np.array([";".join(record.categories) for record in records]),
        "num_snippets": snippets,
        "num_frames": np.array([record.num_frames for record in records]),
        "labels": np.concatenate([record.frame_labels() for record in records]) if labels is None else labels,
        "score": 0.25 * visual + 0.75 * semantic,
    }
    if both:
        cosines = rng.uniform(-1, 1, (snippets.sum(), len(DATASETS[dataset].categories)))
        scores |= {"visual": visual, "semantic": semantic, "alignment": cosines.astype(np.float16)}
    config = {
        "dataset": dataset,
        "variant": variant,
        "title": variant.title(),
        "seed": seed,
        "train": {"seed": seed},
        "options": {},
    }
    config |= {"features": {}, "width": 8, "categories": list(DATASETS[dataset].categories), "headline_metric": "auc", "text": None}
    write_run(layout.run(dataset, variant, seed), config=config, metrics={"key": "k", "selection": "last"}, scores=scores)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    layout = Layout.create("smoke", folder, folder / "data")
    for dataset in DATASETS:
        records = write_videos(layout, dataset)
        for seed in range(4):
            write_made_run(layout, dataset, "ur-dmu", seed, records)
        write_made_run(layout, dataset, "proposed", 7, records)
    return layout


# --- which videos -----------------------------------------------------------------------------------------
def test_each_category_has_its_first_abnormal_video_and_its_first_look_alike():
    found = list(chosen(jobs("synth-crime", get_profile("study").synthetic)))
    names = [(job.name, job.staged) for job in found]
    assert names[:4] == [
        *(("test_Arson_000", "Arson"), ("test_Normal_000", "Arson")),
        *(("test_Explosion_000", "Explosion"), ("test_Normal_001", "Explosion")),
    ]
    assert len(found) == 14
    assert [job.abnormal for job in found] == [True, False] * 7


# --- w ----------------------------------------------------------------------------------------------------
def scored(score, **branches) -> VideoScores:
    curves = {"score": score, **branches}
    return VideoScores("a", ("Normal",), np.zeros(16 * len(score)), {name: np.array(v) for name, v in curves.items()}, None)


def test_the_share_is_found_over_all_videos():
    first, second = (scored([0.7], visual=[1.0], semantic=[0.0]), scored([0.36], visual=[0.3], semantic=[0.5]))
    assert learned_share([first, second]) == pytest.approx(0.7)


def test_a_method_of_one_branch_has_no_share():
    assert learned_share([scored([0.7, 0.2])]) is None


def test_scores_that_are_no_mixture_are_refused():
    with pytest.raises(DataError, match="seed 5: expected S = w S_c"):
        learned_share([scored([0.7, 0.9], visual=[1.0, 0.0], semantic=[0.0, 1.0])], "proposed, seed 5")


# --- videos -----------------------------------------------------------------------------------------------
def test_a_small_copy_has_every_frame_in_its_place_in_a_form_that_browsers_play(tmp_path):
    source = write_numbered(tmp_path / "source.avi", 60, "mpeg4", qmin=3)
    write_small_copy(source, tmp_path / "small.mp4", 25.0)
    with av.open(str(tmp_path / "small.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        found = [(frame.time, number(frame.to_ndarray(format="rgb24"))) for frame in container.decode(stream)]
    assert found == [(pytest.approx(i / 25), i) for i in range(60)]
    content = (tmp_path / "small.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # a player finds the times before the pictures
    assert len(content) <= making.LARGEST_VIDEO


def test_a_copy_that_cannot_be_small_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "LARGEST_VIDEO", 1000)
    source = write_numbered(tmp_path / "source.mp4", 5)
    with pytest.raises(OutputError, match="1,000 bytes"):
        write_small_copy(source, tmp_path / "small.mp4", 25.0)
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


# --- the folder -------------------------------------------------------------------------------------------
def command(layout, folder, *more: str) -> int:
    return main(
        ["--make", "--profile", "smoke", "--out", str(layout.out), "--data", str(layout.data), "--folder", str(folder), *more]
    )


@pytest.mark.slow
def test_the_command_makes_a_folder_that_the_explorer_reads(layout, tmp_path, capsys):
    assert command(layout, tmp_path / "explorer", "--page", str(tmp_path / "page")) == 0
    contents = read_contents(tmp_path / "explorer")
    assert list(contents) == list(DATASETS)
    for data in contents.values():
        assert [method.name for method in data.methods] == ["ur-dmu", "proposed"]
        assert [run.seed for run in data.methods[0].runs] == [0, 1, 2]
        assert data.methods[0].runs[0].w is None
        assert data.methods[1].runs[0].w == pytest.approx(0.25, abs=1e-3)
        assert len(data.videos) == 2 * (len(data.categories) - 1)
    said = capsys.readouterr().out
    assert "SynthCrime: left out logistic-regression, sultani-mil, msf-dmu, vadclip" in said
    assert (tmp_path / "page" / "explorer.html").is_file()


@pytest.mark.slow
def test_runs_of_other_labels_are_refused_and_the_old_folder_stays(layout, tmp_path, capsys):
    other = Layout.create("smoke", tmp_path, layout.data)
    records = [plan_video(job)[0] for job in jobs("synth-crime", SETTINGS) if job.split == "test"]
    labels = np.zeros(sum(record.num_frames for record in records), dtype=np.uint8)
    write_made_run(other, "synth-crime", "ur-dmu", 0, records, labels)
    (tmp_path / "explorer").mkdir()
    (tmp_path / "explorer" / "old.json").write_text("{}")
    assert command(other, tmp_path / "explorer") == 1
    assert "train the run again" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "explorer").iterdir()] == ["old.json"]


def test_missing_videos_are_named_with_the_command_that_makes_them(tmp_path, capsys):
    assert command(Layout.create("smoke", tmp_path, tmp_path / "data"), tmp_path / "explorer") == 1
    error = capsys.readouterr().err
    assert "videos.csv" in error and "vad_lib.reproduce --profile smoke" in error
    assert not (tmp_path / "explorer").exists()


@pytest.mark.slow
def test_missing_runs_are_named(layout, tmp_path):
    with pytest.raises(MissingFileError, match="finished runs of logistic-regression"):
        making.make(Layout.create("smoke", tmp_path, layout.data), tmp_path / "explorer")


def test_an_unknown_profile_is_named(capsys):
    assert main(["--make", "--profile", "studdy"]) == 1
    assert "did you mean study?" in capsys.readouterr().err
