"""A small run on planted bags scores a small video: what is written, what is kept, and that nothing is damaged."""

import shutil

import av
import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from numbered_videos import number, write_numbered
from small_runs import FPS, FRAMES, TRAIN

from vad_lib import config
from vad_lib.config import FeatureSettings
from vad_lib.data.backbones.clip_image import load_clip_image
from vad_lib.data.dataset import load_dataset
from vad_lib.data.extraction import extract_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.data.video import VideoInfo, probe, read_frames
from vad_lib.deployment import clips
from vad_lib.deployment.events import Event, EventRule, find_events
from vad_lib.deployment.footage_features import feature_recipe
from vad_lib.deployment.inputs import Footage
from vad_lib.deployment.model_choice import ModelChoice, choose_model
from vad_lib.deployment.score_video import Job, ScoredVideo, score_video
from vad_lib.deployment.small_copy import SmallCopy
from vad_lib.errors import ConfigError, DataError, ExtractionError, MissingFileError, OutputError
from vad_lib.runs import trained_model, trainer
from vad_lib.runs.run_folder import CONFIG, METRICS, WEIGHTS
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

RULE = EventRule(threshold=0.01, shortest=0)  # all is one event


@pytest.fixture(scope="module")
def choice(small_runs) -> ModelChoice:
    return choose_model(small_runs / "proposed", weights="random")


def job_in(out, choice, **changes) -> Job:
    return Job(**{"model": choice, "features": out / "features", "rule": RULE, "note": "as given", "out": out, **changes})


@pytest.fixture(scope="module")
def scored(choice, small_video, tmp_path_factory) -> ScoredVideo:
    return score_video(Footage(small_video, "yard"), job_in(tmp_path_factory.mktemp("out"), choice, annotated=True))


@pytest.mark.slow
def test_a_row_per_frame(scored):
    frames = scored.frames
    assert frames.columns.tolist() == ["frame", "seconds", "score", "visual", "semantic", "category"]
    assert frames["frame"].tolist() == list(range(FRAMES))
    assert frames["seconds"].tolist() == pytest.approx([frame / FPS for frame in range(FRAMES)])
    assert frames[["score", "visual", "semantic"]].apply(lambda column: column.between(0, 1)).all(axis=None)
    assert set(frames["category"]) <= {"Normal", "Fighting", "Arson"}
    assert frames.groupby(frames["frame"] // 16)["score"].nunique().tolist() == [1, 1, 1]


def test_scores_are_those_of_the_run_on_the_extracted_features(scored, small_runs, small_video, choice, tmp_path):
    """The features are those of ``vad_lib.data.extraction``, to the last bit."""
    model, run = trained_model.load_model(small_runs / "proposed")
    assert run["variant"] == "proposed"
    store = extract_dataset({"yard": small_video}, ["yard"], tmp_path, choice.recipe, progress=False).store
    kept = np.load(next((scored.folder.parent / "features").glob("*.npy")))
    assert store.num_snippets("yard") == 3
    assert (kept.swapaxes(0, 1) == store.snippets("yard")).all()
    with torch.inference_mode():
        expected = model.scores(model(torch.tensor(kept.swapaxes(0, 1).astype(np.float32))[None]))["score"][0]
    assert scored.frames["score"].to_numpy()[::16] == pytest.approx(expected.numpy(), abs=1e-6)
    assert scored.highest == pytest.approx(expected.max().item())


def test_events_are_those_of_the_scores(scored, choice):
    (event,) = scored.events
    assert (event.start, event.end, event.start_frame, event.end_frame) == (0, pytest.approx(3.7), 0, FRAMES)
    (again,) = find_events(scored.frames, RULE, end=3.7)
    assert (again.peak_frame, again.end_frame, again.score) == (event.peak_frame, FRAMES, pytest.approx(event.score, abs=1e-5))
    assert event.category in ("Fighting", "Arson")
    model = choice.open()
    kept = np.load(next((scored.folder.parent / "features").glob("*.npy")))
    probabilities = torch.softmax(torch.tensor(model.scores(kept)["alignment"]) / model.temperature, dim=1)
    frames = np.array([16, 16, 5])  # of each snippet
    assert event.confidence == pytest.approx((probabilities.numpy() * frames[:, None]).sum(0)[1:].max() / FRAMES, abs=1e-5)
    table = pd.read_csv(scored.folder / "events.csv")
    assert table["clip"].tolist() == ["clips/event_001.mp4"]
    assert read_json(scored.folder / "events.json")["rule"] == RULE.model_dump()


def test_what_is_written(scored):
    written = {path.relative_to(scored.folder).as_posix() for path in scored.folder.rglob("*") if path.is_file()}
    assert written == {
        *("scores.csv", "events.csv", "events.json", "events.vtt", "curve.png", "report.html", "annotated.mp4", "scored.json"),
        *("clips/event_001.mp4", "pictures/event_001.jpg"),
    }
    kept = {path.suffixes[-1] for path in (scored.folder.parent / "features").iterdir()}
    assert kept == {".npy", ".npz", ".copy"}
    assert set(scored.files) == {"scores", "events", "curve", "page", "annotated"}
    assert {"decode", "features", "scores", "pictures", "pages", "annotated"} <= set(scored.spent)
    picture = cv2.imread(str(scored.folder / "pictures" / "event_001.jpg"))
    assert picture.shape == (48, 66, 3)


def test_videos_play_in_browsers(scored, small_video):
    for name in ("clips/event_001.mp4", "annotated.mp4"):
        with av.open(str(scored.folder / name)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        content = (scored.folder / name).read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")  # fast start
    info = probe(scored.files["annotated"])
    assert (info.num_frames, info.fps, info.width) == (FRAMES, FPS, clips.NARROWEST)
    assert info.height % 2 == 0
    curve = cv2.imread(str(scored.files["curve"]))
    assert curve.shape[1] > 1500


def test_the_bar_is_as_long_as_the_score(small_video):
    table = pd.DataFrame({"frame": range(FRAMES), "seconds": np.arange(FRAMES) / FPS, "score": np.linspace(0, 1, FRAMES)})
    lengths = []
    for frame in clips.annotated_frames(small_video, table):
        assert frame.shape[1] == clips.NARROWEST
        lengths.append((frame[-12, :, 0] > 150).sum())  # red
    assert lengths[-1] == pytest.approx(clips.NARROWEST - 16, abs=2)
    assert np.corrcoef(lengths[1:], table["score"][1:])[0, 1] > 0.999


# --- clips and pictures -----------------------------------------------------------------------------


def event_of(number: int, start: int, end: int, peak: int, seconds: np.ndarray) -> Event:
    times = np.append(seconds, seconds[-1] + 0.1)
    return Event(number, times[start], times[end], times[peak], start, end, peak, 0.9)


@pytest.mark.parametrize("variable", [False, True])
def test_clips_show_the_frames_of_their_events_with_a_second_around(tmp_path, variable):
    """Frames of 0.1 s, or with a pause of five seconds in the first event."""
    ticks = [100 * index + (5000 if variable and index >= 25 else 0) for index in range(60)]
    video = write_numbered(tmp_path / "numbers.mkv", 60, "mpeg4", ticks=ticks, qmin="2", qmax="2")
    info = probe(video)
    assert info.seconds.tolist() == pytest.approx([tick / 1000 for tick in ticks], abs=1e-3)
    events = [event_of(1, 20, 30, 24, info.seconds), event_of(2, 38, 45, 40, info.seconds)]
    assert clips.clip_spans(events, info.seconds) == [(10, 34), (34, 55)]  # they meet half way
    made = clips.write_pictures(video, info, events, tmp_path)
    for event, first, last in zip(made, (10, 34), (33, 54)):
        frames = [number(frame) for frame in read_frames(tmp_path / event.clip)]
        assert frames == list(range(first, last + 1))
        times = probe(tmp_path / event.clip).seconds
        assert times == pytest.approx(info.seconds[first : last + 1] - info.seconds[first], abs=1e-3)
        picture = cv2.imread(str(tmp_path / event.picture))[..., ::-1]
        assert number(picture) == event.peak_frame


def test_clips_are_the_same_whether_the_place_is_sought_or_all_is_decoded(tmp_path, monkeypatch):
    video = write_numbered(tmp_path / "numbers.mp4", 120, g="25")
    info = probe(video)
    events = [event_of(1, 70, 75, 72, info.seconds), event_of(2, 110, 120, 119, info.seconds)]
    clips.write_pictures(video, info, events, tmp_path / "sought")
    monkeypatch.setattr(clips, "can_seek", lambda *_: False)
    clips.write_pictures(video, info, events, tmp_path / "decoded")
    for name in ("clips/event_001.mp4", "clips/event_002.mp4", "pictures/event_001.jpg", "pictures/event_002.jpg"):
        assert (tmp_path / "sought" / name).read_bytes() == (tmp_path / "decoded" / name).read_bytes()
    monkeypatch.setattr(clips, "can_seek", lambda *_: True)
    wrong = VideoInfo(**{**vars(info), "seconds": info.seconds + 0.01})  # no frame is where it should be
    clips.write_pictures(video, wrong, events, tmp_path / "fallen back")
    assert [number(frame) for frame in read_frames(tmp_path / "fallen back" / "clips/event_002.mp4")] == list(range(93, 120))


def test_a_video_that_became_shorter_meanwhile(tmp_path):
    info = probe(write_numbered(tmp_path / "long.mp4", 30))
    short = write_numbered(tmp_path / "short.mp4", 20)
    with pytest.raises(DataError, match=r"has 20 frames now.*score it again"):
        clips.write_pictures(short, info, [event_of(1, 15, 25, 18, info.seconds)], tmp_path / "out")


# --- what was there ---------------------------------------------------------------------------------


def times_of(folder) -> dict:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_finished_results_are_taken_and_features_are_made_once(small_runs, small_video, tmp_path, monkeypatch):
    choice = choose_model(small_runs / "ur-dmu", weights="random")
    footage, out = Footage(small_video, "yard"), tmp_path / "out"
    first = score_video(footage, job_in(out, choice, pictures=False))
    assert first.frames.columns.tolist() == ["frame", "seconds", "score"]
    assert [(event.category, event.clip, event.picture) for event in first.events] == [(None, "", "")]
    before = times_of(out)
    monkeypatch.setattr("vad_lib.deployment.footage_features.Reading", None)  # decoding would fail
    assert score_video(footage, job_in(out, choice, pictures=False)) == first
    assert times_of(out) == before
    other = score_video(footage, job_in(out, choice, pictures=False, rule=RULE.replace(threshold=1)))
    assert other.spent
    assert not other.events
    assert other.frames.equals(first.frames)
    (out / "yard" / "scores.csv").unlink()
    assert len(score_video(footage, job_in(out, choice, pictures=False)).frames) == FRAMES


def test_no_pictures_anywhere(choice, small_video, tmp_path):
    scored = score_video(Footage(small_video, "yard"), job_in(tmp_path, choice, pictures=False))
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    endings = {name.rpartition(".")[2] for name in written}
    assert endings == {"csv", "json", "vtt", "png", "html", "npy", "npz"}
    page = scored.files["page"].read_text()
    assert "data:video" not in page
    assert "data:image" not in page
    without = score_video(Footage(small_video, "yard"), job_in(tmp_path, choice, pictures=False, rule=RULE.replace(threshold=1)))
    curve = cv2.imread(str(without.files["curve"]))  # a page with lines and words, and no noise of the video
    assert (curve == 255).all(axis=2).mean() > 0.8


def test_what_people_put_beside_results_stays(choice, small_video, tmp_path):
    footage = Footage(small_video, "yard")
    score_video(footage, job_in(tmp_path, choice, pictures=False))
    (tmp_path / "yard" / "notes.txt").write_text("seen by me")
    (tmp_path / "yard" / "more").mkdir()
    (tmp_path / "yard" / "more" / "a.txt").write_text("a")
    again = score_video(footage, job_in(tmp_path, choice))
    assert again.events[0].clip
    assert (tmp_path / "yard" / "notes.txt").read_text() == "seen by me"
    assert (tmp_path / "yard" / "more" / "a.txt").read_text() == "a"
    third = score_video(footage, job_in(tmp_path, choice, pictures=False))
    assert not (third.folder / "clips").exists()  # of the results before
    assert (tmp_path / "yard" / "notes.txt").is_file()


def test_a_failure_leaves_earlier_results_whole(choice, small_video, tmp_path, monkeypatch):
    footage = Footage(small_video, "yard")
    first = score_video(footage, job_in(tmp_path, choice))
    content = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}

    def full(*_, **__):
        raise OutputError("cannot write: No space left on device.")

    for stage in ("write_page", "write_pictures", "write_events", "replace_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(f"vad_lib.deployment.score_video.{stage}", full)
            with pytest.raises(OutputError):
                score_video(footage, job_in(tmp_path, choice, note="another"))
        assert {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()} == content
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_copy_that_cannot_be_made_is_a_failure_and_nobody_waits(choice, small_video, tmp_path, monkeypatch):
    job = job_in(tmp_path, choice, pictures=False)
    score_video(Footage(small_video, "yard"), job)  # the features are kept, no copy

    def broken(self):
        raise DataError("no copy")

    monkeypatch.setattr(SmallCopy, "finish", broken)
    with pytest.raises(DataError, match="no copy"):
        score_video(Footage(small_video, "yard"), job_in(tmp_path, choice))


def test_the_video_itself_is_never_replaced(choice, small_video, tmp_path):
    folder = tmp_path / "yard"
    folder.mkdir()
    own = shutil.copy(small_video, folder / "yard.mp4")
    with pytest.raises(ConfigError, match="choose another folder"):
        score_video(Footage(own, "yard"), job_in(tmp_path, choice))
    assert own.read_bytes() == small_video.read_bytes()


def test_what_is_no_video(choice, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(bytes(1000))
    with pytest.raises(DataError, match="cannot be opened"):
        score_video(Footage(tmp_path / "noise.mp4", "noise"), job_in(tmp_path / "out", choice))
    with pytest.raises(MissingFileError, match="no such video"):
        score_video(Footage(tmp_path / "none.mp4", "none"), job_in(tmp_path / "out", choice))
    assert not list((tmp_path / "out").glob("*/*"))


def test_another_model_under_the_same_name(small_runs, small_video, tmp_path):
    """A worker of a cluster may see other files than the process that began."""
    run = shutil.copytree(small_runs / "ur-dmu", tmp_path / "run")
    choice = choose_model(run, weights="random")
    shutil.copy(small_runs / "proposed" / CONFIG, run / CONFIG)
    shutil.copy(small_runs / "proposed" / WEIGHTS, run / WEIGHTS)
    with pytest.raises(ExtractionError, match="finds another model"):
        choice.open()


# --- runs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (METRICS, f"found no {METRICS} there. Run folders lie under"),
        (CONFIG, "found no such file"),
        (WEIGHTS, "expected the weights of a finished run"),
    ],
)
def test_an_incomplete_run(small_runs, tmp_path, missing, said):
    run = shutil.copytree(small_runs / "ur-dmu", tmp_path / "run")
    (run / missing).unlink()
    with pytest.raises(MissingFileError, match=said):
        choose_model(run, weights="random")


@pytest.mark.parametrize(
    ("method", "said"), [("logistic-regression", "is no method on bags of features"), ("other", "unknown method 'other'; known: ")]
)
def test_a_run_of_a_method_that_cannot_be_loaded(small_runs, tmp_path, method, said):
    run = shutil.copytree(small_runs / "ur-dmu", tmp_path / "run")
    write_json(run / CONFIG, read_json(run / CONFIG) | {"method": method})
    with pytest.raises(ConfigError, match=said):
        trained_model.load_model(run)


@pytest.mark.parametrize("change", [{"width": 32}, {"categories": ["Normal", "Fighting"]}, {"features": {}}])
def test_settings_and_weights_of_different_runs(small_runs, tmp_path, change):
    run = shutil.copytree(small_runs / "proposed", tmp_path / "run")
    write_json(run / CONFIG, read_json(run / CONFIG) | change)
    with pytest.raises(DataError, match="train it again"):
        trained_model.load_model(run)


def test_damaged_weights(small_runs, tmp_path):
    run = shutil.copytree(small_runs / "proposed", tmp_path / "run")
    (run / WEIGHTS).write_bytes(b"\x10\x00")
    with pytest.raises(DataError, match="Train this run again"):
        trained_model.load_model(run)


# --- recipes ----------------------------------------------------------------------------------------


def test_the_recipe_is_the_contract_of_the_run(small_contract):
    five = small_contract.replace(crops=CROP_NAMES[5], dtype="float32")
    assert feature_recipe(five, weights="random") == FeatureSettings(
        short_side=40, crop_size=32, num_crops=5, dtype="float32", weights="random"
    )


def test_imported_features_need_their_sizes_stated(small_contract):
    imported = FeatureContract(backbone="as imported", padding_rule="as imported")
    with pytest.raises(ConfigError, match=r"short_side.*--short-side 256 --crop-size 224"):
        feature_recipe(imported, weights="random")
    found = feature_recipe(imported, short_side=256, crop_size=224, weights="random")
    assert (found.short_side, found.crop_size, found.num_crops) == (256, 224, 1)
    with pytest.raises(ConfigError, match="with 40, 256 was stated"):
        feature_recipe(small_contract, short_side=256, weights="random")


@pytest.mark.parametrize(
    "change",
    [{"backbone": "clip"}, {"dimension": 2048}, {"stride": 8}, {"crops": ("crop_0", "crop_1")}, {"padding_rule": "zeros"}],
)
def test_what_cannot_be_made_from_pixels_here(small_contract, change):
    with pytest.raises(DataError, match=f"{next(iter(change))} of the features .* cannot be made here"):
        feature_recipe(small_contract.replace(**change), weights="random")


def test_other_weights(small_contract):
    with pytest.raises(DataError, match=r"other I3D weights \(own.pt\) than random"):
        feature_recipe(small_contract.replace(weights_sha256="0" * 64, weights_note="own.pt"), weights="random")


def test_a_model_trained_on_clip_features(small_clip, planted_folder, small_video, tmp_path):
    """Its contract names the model and the frames; the features are made again with the same weights only."""
    weights = str(small_clip(32)[1])
    network = load_clip_image("clip-vit-b-32", "mean", weights)
    made = {"weights_sha256": network.weights_sha256, "weights_note": network.weights_note}
    contract = FeatureContract(backbone="clip-vit-b-32-mean", dimension=16, short_side=64, crop_size=64, dtype="float32", **made)
    recipe = feature_recipe(contract, weights=weights)
    assert (recipe.backbone, recipe.clip_frames, recipe.short_side, recipe.dtype) == ("clip-vit-b-32", "mean", 64, "float32")
    with pytest.raises(DataError, match=r"other CLIP weights \(own CLIP weights tiny-32.* than .*tiny-32"):
        feature_recipe(contract.replace(weights_sha256="0" * 64), weights=weights)

    data = shutil.copytree(planted_folder, tmp_path / planted_folder.name)
    store = FeatureStore.open(data / "store")
    FeatureStore.write(data / "store" / "clip-vit-b-32", contract, ((name, store.snippets(name)[:1]) for name in store.videos))
    settings = config.RunSettings(variant="ur-dmu", method="ur-dmu", title="UR-DMU", width=16, train=TRAIN)
    trainer.train_run(settings, load_dataset(data, backbone="clip-vit-b-32"), None, tmp_path / "run", progress=False)
    choice = choose_model(tmp_path / "run", weights=weights)
    scored = score_video(Footage(small_video, "yard"), job_in(tmp_path / "out", choice, pictures=False))
    assert len(scored.frames) == FRAMES
    (kept,) = (tmp_path / "out" / "features").glob("*.npy")
    assert np.load(kept).shape == (3, 1, 16)
