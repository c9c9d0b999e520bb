"""From folders of videos to events: what is finished stays, what is broken stops no other, and nothing is done twice."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster
from small_runs import FRAMES, write_noise
from waiting import until

from vad_lib.data.extraction_workers import Workers
from vad_lib.data.video import probe
from vad_lib.deployment import footage_work, score_video
from vad_lib.deployment.__main__ import main
from vad_lib.deployment.inputs import RECORD
from vad_lib.deployment.model_choice import choose_model
from vad_lib.deployment.own_footage import choose_rule, score_videos
from vad_lib.deployment.score_video import finished_video
from vad_lib.errors import BusyError, ConfigError, OutputError
from vad_lib.storage.locks import sole_writer
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import TEMPORARY

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture(scope="module")
def choice(small_runs):
    return choose_model(small_runs / "ur-dmu", weights="random")


@pytest.fixture
def footage(tmp_path):
    """Two videos of one name, a third one, and one that is broken."""
    folder = tmp_path / "footage"
    for number, name in enumerate(("cam1/yard.mp4", "cam2/yard.mp4", "door.mp4")):
        write_noise(folder / name, FRAMES + number, seed=number)
    (folder / "cut.mp4").write_bytes((folder / "door.mp4").read_bytes()[:900])
    return folder


def command(small_runs, *arguments, method="ur-dmu"):
    return ["score", *map(str, arguments), "--model", str(small_runs / method), "--weights", "random", "--threshold", "0.4"]


def quickly(choice, inputs, out, **more):
    return score_videos(inputs, choice, out, **{"threshold": 0.4, "pictures": False, "progress": False, **more})


def content_of(folder, *, but=("stage_times.json",)):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in but}


# --- the command ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_folder(small_runs, footage, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(small_runs, footage, "--out", out, "--shortest", 0)) == 1  # one is broken
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        "3 videos, 0:11 in all: 3 events at threshold 0.4 (as given); 3 scored now, 0 finished before, 1 failed"
    )
    assert "times real time; " in said[1]
    assert said[2] == str(out / "index.html")
    assert said[3].startswith(f"  failed: {footage}/cut.mp4: ")  # last
    assert {path.name for path in out.iterdir()} == {"door", "yard", "yard-2", "features", "index.html", "stage_times.json"}
    for name, frames in (("yard", FRAMES), ("yard-2", FRAMES + 1), ("door", FRAMES + 2)):
        assert len(pd.read_csv(out / name / "scores.csv")) == frames
        assert probe(out / name / "clips" / "event_001.mp4").num_frames == frames
        assert (out / name / "pictures" / "event_001.jpg").is_file()
    index = (out / "index.html").read_text()
    for link in ("./yard/report.html", "./yard-2/report.html", "./door/report.html"):
        assert f'href="{link}"' in index
    assert "cut.mp4" in index

    before = content_of(out, but=())
    assert main(command(small_runs, footage, "--out", out, "--shortest", 0)) == 1
    assert "0 scored now, 3 finished before, 1 failed" in capsys.readouterr().out
    assert content_of(out, but=()) == before

    write_noise(footage / "door.mp4", 20, seed=9)
    (footage / "cut.mp4").unlink()
    assert main(command(small_runs, footage, "--out", out, "--shortest", 0)) == 0
    assert "1 scored now, 2 finished before, 0 failed" in capsys.readouterr().out
    assert len(pd.read_csv(out / "door" / "scores.csv")) == 20
    changed = {path.relative_to(out).parts[0] for path, content in content_of(out, but=()).items() if before.get(path) != content}
    assert changed == {"door", "features", "index.html", "stage_times.json"}


def test_timing(choice, small_video, tmp_path):
    report = quickly(choice, small_video, tmp_path)
    timing = read_json(tmp_path / "stage_times.json")
    assert timing["videos"] == 1
    assert timing["video_seconds"] == pytest.approx(3.7)
    assert timing["times_real_time"] == pytest.approx(3.7 / timing["wall_seconds"])
    assert {stage for stage, part in timing["stages"].items() if not part["seconds"]} == {"copy", "pictures", "annotated"}
    assert sum(part["share"] for part in timing["stages"].values()) == pytest.approx(1)
    assert sum(part["seconds"] for part in timing["stages"].values()) <= timing["wall_seconds"]
    assert timing["per_video"]["yard"]["decode"] == report.videos[0].spent["decode"]


def test_another_threshold_makes_no_features_again(choice, small_video, tmp_path, monkeypatch):
    first = quickly(choice, small_video, tmp_path)
    monkeypatch.setattr("vad_lib.deployment.footage_features.Reading", None)  # decoding would fail
    again = quickly(choice, small_video, tmp_path, threshold=0.99)
    assert again.videos[0].frames.equals(first.videos[0].frames)
    assert (len(first.videos[0].events), len(again.videos[0].events)) == (1, 0)
    assert read_json(tmp_path / "yard" / "events.json")["rule"]["threshold"] == 0.99


def test_results_in_the_folder_of_the_footage(choice, footage):
    """The second call does not take clips and copies for footage."""
    cam1, out = footage / "cam1", footage / "cam1" / "results"
    first = quickly(choice, cam1, out, pictures=True, annotated=True, shortest=0)
    assert len(list(out.rglob("*.mp4"))) == 2
    second = quickly(choice, cam1, out, pictures=True, annotated=True, shortest=0)
    assert [video.name for video in second.videos] == [video.name for video in first.videos] == ["yard"]
    assert not second.made_now
    assert len(quickly(choice, cam1, cam1 / "others").videos) == 1


def test_the_index_keeps_the_results_of_earlier_calls(choice, footage, tmp_path):
    quickly(choice, footage / "door.mp4", tmp_path / "out")
    quickly(choice, footage / "cam1", tmp_path / "out")
    index = (tmp_path / "out" / "index.html").read_text()
    assert 'href="./door/report.html"' in index
    assert 'href="./yard/report.html"' in index


def test_files_of_the_cases(choice, tmp_path):
    """Variable rate: each frame has its own time, and events end at the times of frames."""
    report = quickly(choice, CASES / "vfr_mp4" / "vfr2.mp4", tmp_path, threshold=0.001)
    expected = np.loadtxt(CASES / "vfr_mp4" / "expected_seconds.txt")
    assert report.videos[0].frames["seconds"].to_numpy() == pytest.approx(expected, abs=1e-6)
    (event,) = report.videos[0].events
    assert event.start == 0
    assert expected[-1] < event.end < expected[-1] + 0.1
    damaged = quickly(choice, CASES / "corrupt_one_frame" / "bad_p.mp4", tmp_path)
    assert len(damaged.videos[0].frames) == 100
    assert "bad_p: 1 of 100 frames are damaged" in str(damaged)
    assert "damaged" in damaged.videos[0].files["page"].read_text()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only here are names plain bytes")
def test_names_that_are_no_plain_names(choice, tmp_path, small_video, capsys, small_runs):
    folder = tmp_path / "footage"
    folder.mkdir()
    for name in ("cam:1.mp4", "-x.mp4", "a b#%?.mp4", "ü.mp4", os.fsdecode(b"caf\xe9.mp4"), os.fsdecode(b"broken\xe9.mp4")):
        shutil.copy(small_video, folder / name)
    (folder / os.fsdecode(b"broken\xe9.mp4")).write_bytes(b"no video")
    assert main(command(small_runs, folder, "--out", tmp_path / "out", "--shortest", 0)) == 1
    said = capsys.readouterr()
    assert "5 videos" in said.out
    assert "failed: " in said.out
    assert "broken\\xe9.mp4" in said.out
    for name in ("cam_1", "-x", "a b#%_", "ü", "caf_"):
        scored = finished_video(tmp_path / "out" / name)
        assert scored is not None
        assert probe(scored.folder / scored.events[0].clip).num_frames == FRAMES
    assert finished_video(tmp_path / "out" / "caf_").video == f"{folder}/caf\\xe9.mp4"
    assert main(command(small_runs, folder, "--out", tmp_path / "out", "--shortest", 0)) == 1
    assert "0 scored now, 5 finished before" in capsys.readouterr().out


def test_refused_before_anything_is_done(small_runs, footage, tmp_path, capsys):
    out = tmp_path / "out"
    cases = [
        (command(small_runs, footage / "none.mp4", "--out", out), "none.mp4: no such file or folder"),
        (command(small_runs, "rtsp://host/1", "--out", out), "score it with `python -m vad_lib.deployment live"),
        (command(small_runs, footage, "--out", out, "--shortest", "-1"), "shortest"),
        (command(small_runs, footage, "--out", out, "--lower", "1.5"), "lower_share"),
        (command(small_runs, footage, "--out", out, "--jobs", "0"), "expected jobs of 1 or more"),
        (command(small_runs, footage, "--out", out, "--no-pictures", "--annotated"), "choose one of --annotated and --no-pictures"),
        (["score", str(footage), "--out", str(out), "--model", "nowhere"], "expected a shipped model"),
        (["score", str(footage), "--out", str(out), "--model", str(small_runs / "ur-dmu")], "other I3D weights"),
    ]
    for arguments, said in cases:
        assert main(arguments) == 1
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["score", str(footage), "--out", str(out), "--threshold", "0.5", "--calibration", "x.json"])
    assert not out.exists()


def test_the_commands_are_named(capsys):
    assert main([]) == 2
    assert "python -m vad_lib.deployment calibrate" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "python -m vad_lib.deployment live" in capsys.readouterr().out
    assert main(["scroe"]) == 2
    assert "expected one of score, calibrate, live, got 'scroe'" in capsys.readouterr().err


# --- thresholds -------------------------------------------------------------------------------------


def test_where_the_threshold_comes_from(choice, monkeypatch):
    rule, note = choose_rule(choice, 0.7, lower_share=0.5)
    assert (rule.threshold, rule.lower, note) == (0.7, 0.35, "as given")
    rule, note = choose_rule(choice)
    assert (rule.threshold, note) == (0.5, "the default; not calibrated")
    monkeypatch.setattr(choice.open(), "threshold", 0.123)
    rule, note = choose_rule(choice)
    assert (rule.threshold, note) == (0.123, "the model's own; not calibrated on your footage")
    assert choose_rule(choice, 0.7)[0].threshold == 0.7
    for wrong in (0, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="threshold"):
            choose_rule(choice, wrong)


# --- one goes wrong ---------------------------------------------------------------------------------


def test_one_result_that_cannot_be_written_stops_no_other(choice, footage, tmp_path, monkeypatch):
    write = score_video.write_events

    def fails_for_one(folder, events, about):
        if about["video"] == "door.mp4":
            raise OutputError("cannot write door")
        write(folder, events, about)

    monkeypatch.setattr(score_video, "write_events", fails_for_one)
    report = quickly(choice, footage, tmp_path / "out")
    assert [video.name for video in report.videos] == ["yard", "yard-2"]
    assert report.failures[str(footage / "door.mp4")] == "cannot write door"
    monkeypatch.setattr(footage_work, "_can_write", lambda folder: False)  # the disk is full
    with pytest.raises(OutputError, match="cannot write door"):
        quickly(choice, footage, tmp_path / "out")


def test_out_of_memory_in_one_video_stops_no_other(choice, footage, tmp_path, monkeypatch):
    features = score_video.video_features

    def fails_for_one(path, *rest, **more):
        if path.name == "door.mp4":
            raise RuntimeError("CUDA out of memory.\nTried to allocate much")
        return features(path, *rest, **more)

    monkeypatch.setattr(score_video, "video_features", fails_for_one)
    report = quickly(choice, footage, tmp_path / "out")
    assert len(report.videos) == 2
    assert report.failures[str(footage / "door.mp4")].endswith("door.mp4: cannot be scored (RuntimeError: CUDA out of memory.).")


def test_another_process_at_work(small_runs, choice, footage, tmp_path, capsys):
    with sole_writer(tmp_path / "out"), pytest.raises(BusyError):
        quickly(choice, footage, tmp_path / "out")
    assert quickly(choice, footage / "door.mp4", tmp_path / "out").videos


def test_ctrl_c_keeps_what_is_finished(small_runs, footage, tmp_path, capsys, monkeypatch):
    out, write = tmp_path / "out", score_video.write_events

    def stopped_at_the_second(folder, events, about):
        if (out / "yard" / RECORD).is_file():
            raise KeyboardInterrupt
        write(folder, events, about)

    arguments = command(small_runs, footage / "cam1", footage / "door.mp4", footage / "cam2", "--out", out, "--no-pictures")
    with monkeypatch.context() as patch:
        patch.setattr(score_video, "write_events", stopped_at_the_second)
        assert main(arguments) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == {"yard", "features"}
    before = content_of(out)
    assert main(arguments) == 0
    assert "2 scored now, 1 finished before" in capsys.readouterr().out
    assert content_of(out).items() >= before.items()


@pytest.mark.slow
def test_ctrl_c_from_a_terminal(small_runs, tmp_path):
    """A real signal at any moment; what is finished is whole, and the same command goes on from there."""
    count = 40  # so many that a busy machine does not finish all of them before the signal comes
    for number in range(count):
        write_noise(tmp_path / "footage" / f"v{number:02}.mp4", 50, seed=number)
    arguments = command(small_runs, tmp_path / "footage", "--out", tmp_path / "out", "--shortest", 0)
    process = subprocess.Popen(
        [sys.executable, "-m", "vad_lib.deployment", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells let background jobs ignore it
    )
    until(lambda: len(list((tmp_path / "out").glob(f"*/{RECORD}"))) >= 2 or process.poll() is not None, 100)
    assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "run the same command again" in said
    finished = [record.parent for record in (tmp_path / "out").glob(f"*/{RECORD}")]
    assert 2 <= len(finished) < count
    assert all(finished_video(folder) for folder in finished)
    # a signal between the making of a temporary file and its removal leaves it, and the next command takes it away
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".") and TEMPORARY not in path.name]
    before = content_of(tmp_path / "out", but=("stage_times.json", "index.html"))
    before = {path: content for path, content in before.items() if TEMPORARY not in path.name}
    assert main(arguments) == 0
    assert len(list((tmp_path / "out").glob(f"*/{RECORD}"))) == count
    assert not [path for path in content_of(tmp_path / "out") if TEMPORARY in path.name]
    assert content_of(tmp_path / "out").items() >= before.items()


FULL_DISK = """
import resource, sys
from vad_lib.deployment.__main__ import main
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for size in sys.argv[1].split(","):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), hard))
    status = main(sys.argv[2:])
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(size, status)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
def test_a_full_disk(small_runs, small_video, tmp_path):
    """Files may grow to a byte less than each of the results needs: the exit status says so, and the former results are whole.

    A new video comes first, whose features cannot be written either when the limit is low.
    """
    out, new = tmp_path / "out", write_noise(tmp_path / "new.mp4", seed=1)
    arguments = command(small_runs, small_video, "--out", out, "--shortest", 0, "--annotated")
    assert main(arguments) == 0
    former = content_of(out / "yard", but=())
    sizes = sorted(map(len, former.values()))
    assert len(sizes) == 10
    again = ["score", str(new), *arguments[1:], "--lower", "0.7"]
    shown = ",".join(str(size - 1) for size in sizes if size > 1)
    process = subprocess.run([sys.executable, "-c", FULL_DISK, shown, *again], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    statuses = [int(line.split()[1]) for line in process.stdout.splitlines() if line.split()[0].isdigit()]
    assert statuses == [1] * len(statuses), process.stdout
    assert len(statuses) == len(sizes)
    assert "cannot write" in process.stderr
    assert content_of(out / "yard", but=()) == former
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]  # nothing half written is left
    assert main(again) == 0
    assert read_json(out / "yard" / "events.json")["rule"]["lower_share"] == 0.7


def test_what_a_killed_process_left_is_removed(choice, small_video, tmp_path):
    left = tmp_path / ".yard.partial"
    (left / "clips").mkdir(parents=True)
    (left / "clips" / "old.mp4").write_bytes(b"half")
    report = quickly(choice, small_video, tmp_path)
    assert not left.exists()
    assert not (report.videos[0].folder / "clips").exists()
    shutil.copytree(tmp_path / "yard", tmp_path / ".yard.old")
    again = quickly(choice, small_video, tmp_path)
    assert [video.name for video in again.videos] == ["yard"] and not again.made_now
    assert ".yard" not in (tmp_path / "index.html").read_text() and not (tmp_path / ".yard.old").exists()


# --- several processes ------------------------------------------------------------------------------


def without_times(out):
    return {path.relative_to(out): content for path, content in content_of(out, but=("stage_times.json", RECORD)).items()}


@pytest.mark.slow
def test_several_processes_write_the_same(choice, footage, tmp_path):
    one = quickly(choice, footage, tmp_path / "one", pictures=True, shortest=0)
    two = quickly(choice, footage, tmp_path / "two", pictures=True, shortest=0, workers=Workers(jobs=2))
    assert [video.name for video in two.videos] == ["yard", "yard-2", "door"] == [video.name for video in one.videos]
    assert two.failures == one.failures
    assert without_times(tmp_path / "two").keys() == without_times(tmp_path / "one").keys()
    for path, content in without_times(tmp_path / "one").items():
        if path.suffix in (".csv", ".vtt", ".jpg", ".npy"):
            assert (tmp_path / "two" / path).read_bytes() == content, path


@pytest.mark.slow
def test_a_cluster(choice, footage, tmp_path):
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        workers = Workers(backend="dask", scheduler=cluster.scheduler_address)
        report = quickly(choice, footage, tmp_path / "out", workers=workers)
        assert [video.name for video in report.videos] == ["yard", "yard-2", "door"]
        assert list(report.failures) == [str(footage / "cut.mp4")]
        assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
        again = quickly(choice, footage, tmp_path / "out", workers=workers)
        assert not again.made_now


def test_workers_that_do_not_fit():
    for wrong in (Workers(0), Workers(1, "dask"), Workers(1, "loky", "tcp://host:1"), Workers(1, "threads")):
        with pytest.raises(ConfigError, match="expected jobs of 1 or more"):
            wrong.check()
