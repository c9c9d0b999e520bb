"""Rendered sets: same bytes for the same seed, resumable, events where the list says, stages that tell nothing."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vad_lib.config import PROFILES, SyntheticSettings
from vad_lib.data import video_writing
from vad_lib.data.annotations import read_video_csv
from vad_lib.data.synthetic import DATASETS, jobs, render, render_dataset
from vad_lib.data.synthetic import camera as synthetic_camera
from vad_lib.data.synthetic import plan as synthetic_plan
from vad_lib.data.synthetic.people import Look, Person
from vad_lib.data.synthetic.poses import POSES
from vad_lib.data.synthetic.scenes import LIGHTS
from vad_lib.data.synthetic.world import View
from vad_lib.errors import ConfigError, OutputError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

TINY = SyntheticSettings(
    train_per_category=1, test_per_category=1, train_snippets=(3, 4), test_snippets=(4, 5), height=64, width=86
)
CRIME = "synth-crime"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A whole small SynthCrime; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("tiny") / CRIME
    render_dataset(CRIME, folder, TINY, workers=1, progress=False)
    return folder


def decode(path):
    reader, frames = cv2.VideoCapture(str(path)), []
    while (read := reader.read())[0]:
        frames.append(read[1])
    reader.release()
    return np.stack(frames)


def hashes(folder):
    return {path.name: file_sha256(path) for path in sorted((folder / "videos").iterdir())}


def planned(dataset, **changes):
    return [(job, synthetic_plan.plan_video(job)[0]) for job in jobs(dataset, PROFILES["quick"].synthetic.replace(**changes))]


# --- the data set folder --------------------------------------------------------------------------
def test_the_folder_holds_what_a_data_set_needs(tiny):
    info = read_json(tiny / "dataset.json")
    assert info["title"] == "SynthCrime" and info["synthetic"] is True and info["headline_metric"] == "auc"
    assert info["categories"] == [
        "Normal", "Arson", "Explosion", "Fighting", "RoadAccidents", "Shoplifting", "Stealing", "Vandalism",
    ]  # fmt: skip
    videos = read_video_csv(tiny / "videos.csv", tuple(info["categories"]))
    assert {path.stem for path in (tiny / "videos").iterdir()} == {record.name for record in videos.records}
    assert Counter(videos.is_abnormal(record) for record in videos.records) == {True: 14, False: 14}


def test_videos_decode_to_the_listed_length_and_size(tiny):
    videos = read_video_csv(tiny / "videos.csv", DATASETS[CRIME].categories)
    for record in videos.records[::5]:
        frames = decode(tiny / "videos" / f"{record.name}.mp4")
        assert frames.shape == (record.num_frames, 64, 86, 3)
        assert frames.std() > 15 and np.abs(np.diff(frames.astype(int), axis=0)).mean() > 0.2  # a picture, and it moves


@pytest.mark.slow
def test_same_seed_same_bytes_whatever_the_number_of_processes(tiny, tmp_path):
    render_dataset(CRIME, tmp_path, TINY, workers=2, progress=False)
    assert hashes(tmp_path) == hashes(tiny)
    assert (tmp_path / "videos.csv").read_bytes() == (tiny / "videos.csv").read_bytes()


def test_a_video_depends_on_neither_the_number_of_videos_nor_the_other_split(tiny):
    more = jobs(CRIME, TINY.replace(train_per_category=3, test_snippets=(6, 9), normal_ratio=2))
    keys = {job.name: job.key() for job in more}
    for job in jobs(CRIME, TINY):
        assert (keys[job.name] == job.key()) == (job.split == "train")


def test_another_seed_gives_other_videos(tiny, tmp_path):
    job = jobs(CRIME, TINY.replace(seed=8))[0]
    render._render_video(job, tmp_path / "other.mp4")
    assert file_sha256(tmp_path / "other.mp4") != hashes(tiny)[f"{job.name}.mp4"]


def test_files_are_filled_to_a_constant_rate(tiny):
    videos = read_video_csv(tiny / "videos.csv", DATASETS[CRIME].categories)
    rates = {(tiny / "videos" / f"{r.name}.mp4").stat().st_size / r.num_frames / round(0.2 * 64 * 86) for r in videos.records}
    assert rates <= {1.0, 2.0}


# --- resume, damage, failures ---------------------------------------------------------------------
def test_finished_videos_are_kept_and_damaged_or_missing_ones_made_again(tiny, tmp_path, monkeypatch):
    shutil.copytree(tiny, tmp_path / "set")
    before, rendered = hashes(tiny), []
    work = render._work
    monkeypatch.setattr(render, "_work", lambda job, path: rendered.append(job.name) or work(job, path))
    render_dataset(CRIME, tmp_path / "set", TINY, workers=1, progress=False)
    assert rendered == []
    videos = tmp_path / "set" / "videos"
    (videos / "test_Arson_000.mp4").unlink()
    (videos / "test_Normal_001.mp4").write_bytes((videos / "test_Normal_001.mp4").read_bytes()[:500])
    render_dataset(CRIME, tmp_path / "set", TINY, workers=1, progress=False)
    assert sorted(rendered) == ["test_Arson_000", "test_Normal_001"]
    assert hashes(tmp_path / "set") == before


def test_a_damaged_ledger_costs_a_second_render_only(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "set")
    (tmp_path / "set" / "render.json").write_text("{")
    settings = TINY.replace(train_snippets=(3, 3), test_snippets=(4, 4))
    render_dataset(CRIME, tmp_path / "set", settings, workers=1, progress=False)
    assert len(read_json(tmp_path / "set" / "render.json")) == 28


def test_videos_that_are_no_longer_wanted_are_removed(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "set")
    (tmp_path / "set" / "videos" / "own.mp4").write_bytes(b"not ours")
    ledger = read_json(tmp_path / "set" / "render.json")
    shutil.copy(tiny / "videos" / "test_Arson_000.mp4", tmp_path / "set" / "videos" / "test_Arson_001.mp4")
    write_json(tmp_path / "set" / "render.json", ledger | {"test_Arson_001": ledger["test_Arson_000"]})
    render_dataset(CRIME, tmp_path / "set", TINY, workers=1, progress=False)
    assert not (tmp_path / "set" / "videos" / "test_Arson_001.mp4").exists()
    assert (tmp_path / "set" / "videos" / "own.mp4").exists()
    assert set(read_json(tmp_path / "set" / "render.json")) == set(ledger)


def test_a_render_that_is_interrupted_keeps_finished_videos_and_leaves_no_half_file(tmp_path, monkeypatch):
    frame, count = synthetic_camera.Camera.frame, Counter()

    def interrupted(self, t):
        count["frames"] += 1
        if count["frames"] == 150:
            raise KeyboardInterrupt
        return frame(self, t)

    monkeypatch.setattr(synthetic_camera.Camera, "frame", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(CRIME, tmp_path, TINY, workers=1, progress=False)
    left = {path.name for path in (tmp_path / "videos").iterdir()}
    assert left and left == {f"{name}.mp4" for name in read_json(tmp_path / "render.json")}
    assert not (tmp_path / "videos.csv").exists()  # an unfinished set does not look finished


def test_a_full_disk_is_noticed(tmp_path, monkeypatch):
    job = jobs(CRIME, TINY)[0]
    whole = video_writing.av.open
    monkeypatch.setattr(video_writing.av, "open", lambda path, *rest, **options: whole(cut(path, rest), *rest, **options))

    def cut(path, mode):
        """A full disk: what is read again is shorter than what was written."""
        if not mode:
            content = Path(path).read_bytes()
            Path(path).write_bytes(content[:200])
        return path

    with pytest.raises(OutputError, match="disk may be full"):
        render._render_video(job, tmp_path / "video.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        render_dataset(CRIME, tmp_path / "file" / "set", TINY, workers=1, progress=False)


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        ("synth-crimes", TINY, "known: synth-crime, synth-violence"),
        (CRIME, TINY.replace(train_snippets=(2, 4)), "train_snippets"),
        (CRIME, TINY.replace(test_snippets=(2, 2)), "test_snippets"),
        (CRIME, TINY.replace(width=87), "even"),
    ],
)
def test_unusable_settings(dataset, settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        render_dataset(dataset, tmp_path, settings)
    assert list(tmp_path.iterdir()) == []


# --- labels ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_events_are_inside_the_video_with_normal_frames_beside_them(dataset, profile):
    settings = PROFILES[profile].synthetic.replace(train_per_category=1, test_per_category=3)
    for job in jobs(dataset, settings):
        record, shots, _ = synthetic_plan.plan_video(job)
        assert bool(record.intervals) == (job.abnormal and job.split == "test")
        for start, end in record.intervals:
            assert 0 <= start < end <= record.num_frames
            assert end - start >= synthetic_plan.SEEN * min(synthetic_plan.ACT_SECONDS[0] * settings.fps, 0.4 * record.num_frames)
        assert sum(end - start for start, end in record.intervals) < record.num_frames
        assert shots[0].start == 0 and all(a.end == b.start for a, b in pairwise(shots))
        assert shots[-1].end * settings.fps >= record.num_frames - 1


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_the_place_in_a_video_does_not_tell_where_an_event_is(dataset):
    """Distance from the nearer end, as share of the video, scored as if it were a method's."""
    truth, place = [], []
    for _, record in planned(dataset, train_per_category=1, test_per_category=60):
        if record.split == "test":
            frames = np.arange(record.num_frames)
            truth.append(record.frame_labels())
            place.append(np.minimum(frames, frames[::-1]) / record.num_frames)
    assert abs(roc_auc_score(np.concatenate(truth), np.concatenate(place)) - 0.5) < 0.03


def test_events_are_short():
    records = [record for job, record in planned(CRIME, train_per_category=1, test_per_category=10) if record.intervals]
    share = np.mean(np.concatenate([record.frame_labels() for record in records]))
    assert 0.1 < share < 0.33


def test_some_violent_videos_have_two_categories():
    records = [record for job, record in planned("synth-violence", train_per_category=20) if job.abnormal]
    share = np.mean([len(record.categories) > 1 for record in records])
    assert 0.1 < share < 0.5
    assert all({event[0] for event in record.events()} == set(record.categories) for record in records if record.split == "test")


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_normal_and_abnormal_videos_are_staged_alike(dataset):
    """Length, scene, light and staged category come from the same distribution."""
    plans = [
        (job, *synthetic_plan.plan_video(job)[:2])
        for job in jobs(dataset, PROFILES["quick"].synthetic.replace(train_per_category=40))
    ]
    sides = [[plan for plan in plans if plan[0].abnormal is abnormal and plan[0].split == "train"] for abnormal in (False, True)]
    assert Counter(job.staged for job, *_ in sides[0]) == Counter(job.staged for job, *_ in sides[1])
    for value in (
        lambda record, shots: record.num_frames > 256,
        lambda record, shots: sum(isinstance(a, Person) and a.depth(0.02) is not None for a in shots[0].actors) > 2,
        lambda record, shots: len(shots) > 1,
        *(lambda record, shots, scene=scene: shots[0].scene == scene for scene in ("street", "square", "parking", "shop", "hall")),
        *(lambda record, shots, light=light: shots[0].light == light for light in LIGHTS),
    ):
        normal, abnormal = (np.mean([value(record, shots) for _, record, shots in side]) for side in sides)
        # three standard errors of a difference between two shares of 240 videos and more
        assert abs(normal - abnormal) < 0.14


def test_look_alikes_stand_in_the_normal_parts_of_abnormal_videos(monkeypatch):
    seen = Counter()
    for name, story in DATASETS[CRIME].stories.items():
        monkeypatch.setitem(
            DATASETS[CRIME].stories,
            name,
            story._replace(act=lambda stage, event, act=story.act: seen.update([event]) or act(stage, event)),
        )
    abnormal = [job for job in jobs(CRIME, PROFILES["quick"].synthetic) if job.abnormal]
    for job in abnormal:
        synthetic_plan.plan_video(job)
    # the shortest videos have room for one act only
    assert seen[True] == len(abnormal) and seen[False] > len(abnormal) / 5


@pytest.mark.parametrize("dataset", sorted(DATASETS))
@pytest.mark.parametrize("abnormal", [True, False])
def test_every_act_is_drawn_in_every_scene(dataset, abnormal):
    """All acts, people, things, scenes and lights once, at a size that is not the usual one."""
    settings = TINY.replace(height=72, width=128, test_per_category=4)
    for job in jobs(dataset, settings):
        if job.split == "test" and job.abnormal is abnormal:
            _, shots, rng = synthetic_plan.plan_video(job)
            for shot in shots:
                camera = synthetic_camera.Camera(rng, shot, settings, DATASETS[dataset].moving_camera)
                for t in np.linspace(shot.start, shot.end, 12, endpoint=False):
                    image = camera.frame(float(t))
                    assert image.shape == (72, 128, 3) and image.dtype == np.uint8


# --- people ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("action", sorted(POSES))
def test_a_pose_stays_near_the_ground_and_moves_smoothly(action):
    poses = [np.hstack(POSES[action](t)) for t in np.arange(0, 2, 0.02)]
    assert np.isfinite(poses).all()
    assert np.abs(np.diff(poses, axis=0)).max() < 1.0


def test_a_person_follows_the_script():
    look = Look.draw(np.random.default_rng(0))
    person = Person(look, -2.0, 0.5, start=1.0).go(0.0, speed=2.0).do("punch", 1.0).until(4.0)
    assert [move.action for move in person.script] == ["walk", "punch", "stand"]
    assert [(move.start, move.end) for move in person.script] == [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
    assert person.depth(0.9) is None and person.depth(1.5) == 0.5 and person.depth(4.0) is None
    image = np.full((144, 192, 3), 128, np.uint8)
    person.draw(View(image), 1.5)  # at x = -1 m
    changed = np.nonzero((image != 128).any(axis=(0, 2)))[0]
    assert 96 - 31 - 25 < changed.mean() < 96 - 31 + 25


RENDER = """
import sys
from vad_lib.config import SyntheticSettings
from vad_lib.data.synthetic import render_dataset
if __name__ == "__main__":
    render_dataset("synth-crime", sys.argv[1], SyntheticSettings(train_per_category=30), workers=2, progress=False)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_no_process_is_left_when_the_one_that_renders_is_killed(tmp_path):
    psutil = pytest.importorskip("psutil")  # comes with ipykernel
    (tmp_path / "command.py").write_text(RENDER)
    with subprocess.Popen([sys.executable, str(tmp_path / "command.py"), str(tmp_path / "set")]) as process:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("set/videos/*.mp4")) and time.monotonic() < until:
            time.sleep(0.05)
        workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
        process.kill()
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=20)[1] == []
