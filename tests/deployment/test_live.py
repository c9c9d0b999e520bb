"""Live scoring: what stands in its files for streams that FFmpeg serves on the loopback address, breaks off and brings back.

Networks and models are stand-ins here except in the last part, where a small run scores a video as it does offline.
"""

import json
import sys
import threading
import time
import weakref
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import stream_servers as servers
from live_runs import QUICK, nothing_half_done, rows
from numbered_videos import number, numbered
from waiting import until

from vad_lib.config import FeatureSettings
from vad_lib.data import video_writing
from vad_lib.data.snippets import resize_frame
from vad_lib.data.video import probe
from vad_lib.data.video_writing import write_video
from vad_lib.deployment import live, live_clips, live_reader
from vad_lib.deployment.calibration import Calibration
from vad_lib.deployment.events import EventRule, read_events
from vad_lib.deployment.live_reader import Snippet
from vad_lib.deployment.model_choice import ModelChoice
from vad_lib.errors import ConfigError, DataError, OutputError
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_json

RECIPE = FeatureSettings(short_side=96, crop_size=96, num_crops=1, weights="random")
NETWORK = SimpleNamespace(places=range(16), resize=resize_frame)


class StandIn:
    """Scores a snippet by its brightness, and keeps the numbers that its frames show."""

    def __init__(self):
        self.numbers, self.resets, self.hold = [], 0, lambda: None
        self.made, self.alive, self.most_alive = 0, weakref.WeakSet(), 0  # snippets; those in memory

    def warm_up(self):
        pass

    def reset(self):
        self.resets += 1

    def score(self, frames):
        assert frames.shape[0] == 16
        self.numbers.append([int(number(frame)) for frame in frames])
        self.most_alive = max(self.most_alive, len(self.alive))
        self.hold()
        return {"score": np.float32(frames.mean() / 255)}

    def probabilities(self, arrays):
        return None


@pytest.fixture
def stand_in(monkeypatch):
    """Live scoring whose model is a :class:`StandIn`, which it gives."""
    scorer = StandIn()
    model = SimpleNamespace(title="stand-in", categories=(), threshold=None)
    monkeypatch.setattr(live, "choose_model", lambda source: ModelChoice(source, "key", RECIPE, "sha"))
    monkeypatch.setattr(ModelChoice, "open", lambda self: model)
    monkeypatch.setattr(live, "backbone", lambda recipe, device: NETWORK)
    monkeypatch.setattr(live, "SnippetScorer", lambda *_: scorer)

    def counted(**values):
        made = Snippet(**values)
        scorer.alive.add(made)
        scorer.made += 1
        return made

    monkeypatch.setattr(live_reader, "Snippet", counted)
    return scorer


def grey_video(path: Path, levels: list[float], fps: float = 50.0) -> Path:
    """A snippet of one brightness for each level."""
    write_video(path, (servers.grey(level) for level in levels for _ in range(16)), fps)
    return path


def test_a_file_at_its_own_speed(stand_in, tmp_path):
    levels = [0.1] * 4 + [0.9] * 5 + [0.1] * 3 + [0.8] + [0.1] * 4
    video, out, said = grey_video(tmp_path / "v.mp4", levels, fps=25), tmp_path / "out", []
    began = time.monotonic()
    summary = live.score_live(
        str(video), "m", out, threshold=0.6, shortest=1, gap=1, settings=QUICK.replace(speed=4, waiting=99), say=said.append
    )
    assert time.monotonic() - began > 2.5  # 10.9 s of video, four times as fast
    scores = rows(out / "scores.csv")
    assert [float(row["score"]) for row in scores] == pytest.approx(levels, abs=0.02)
    assert [float(row["seconds"]) for row in scores] == pytest.approx(np.arange(17) * 0.64, abs=2e-3)
    assert [int(row["frame"]) for row in scores] == list(range(0, 17 * 16, 16))
    [event] = rows(out / "events.csv")  # the second one is too short
    assert (event["start"], event["end"]) == ("2.560", "5.760")
    assert read_events(out)[0].clip == event["clip"] == "clips/event_001.mp4"
    assert [path.name for path in (out / "clips").iterdir()] == ["event_001.mp4"]
    info = probe(out / event["clip"])
    assert info.num_frames >= (3 + 5) * 16 and nothing_half_done(out)
    assert "00:00:02.560 --> 00:00:05.760" in (out / "events.vtt").read_text()
    assert rows(out / "gaps.csv") == []
    assert summary == read_json(out / "live.json")
    assert (summary["state"], summary["snippets"], summary["dropped_snippets"]) == ("the file has ended", 17, 0)
    assert summary["frames"] == 17 * 16 and summary["source"] == "v.mp4"
    assert 0 < summary["lag_seconds"]["median"] <= summary["lag_seconds"]["largest"]
    lags = [float(row["lag_seconds"]) for row in scores]
    assert summary["lag_seconds"]["largest"] == pytest.approx(max(lags), abs=1e-3)
    assert sum("| lag " in line for line in said) >= 3  # again and again, and at the end
    assert any(line.startswith("event 1: 0:02.6 to 0:05.8") for line in said)


def test_without_pictures(stand_in, tmp_path):
    video = grey_video(tmp_path / "v.mp4", [0.9] * 4)
    settings = QUICK.replace(speed=9, pictures=False, waiting=99)
    live.score_live(str(video), "m", tmp_path / "out", threshold=0.6, settings=settings)
    assert read_events(tmp_path / "out")[0].clip == ""
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"scores.csv", "gaps.csv", "events.csv", "events.json", "events.vtt", "live.json"}


@pytest.mark.slow
def test_too_slow_a_machine_drops_whole_snippets_and_counts_them(stand_in, tmp_path):
    """Frames come five times as fast as they are scored."""
    total = 60
    stand_in.hold = lambda: until(lambda: stand_in.made >= min(5 * len(stand_in.numbers), total))
    write_video(tmp_path / "v.mp4", (numbered(index) for index in range(16 * total)), 50.0)
    settings = QUICK.replace(speed=99, waiting=3)
    summary = live.score_live(str(tmp_path / "v.mp4"), "m", tmp_path / "out", threshold=0.99, settings=settings)
    scored, dropped = summary["snippets"], summary["dropped_snippets"]
    assert scored + dropped == total and dropped > 20 and scored == len(stand_in.numbers)
    for numbers in stand_in.numbers:
        assert numbers == list(range(numbers[0], numbers[0] + 16))  # neighbours
    firsts = [numbers[0] for numbers in stand_in.numbers]
    assert firsts == sorted(firsts) and firsts[-3:] == [912, 928, 944]  # the newest are kept
    assert [int(row["frame"]) for row in rows(tmp_path / "out" / "scores.csv")] == firsts
    gaps = rows(tmp_path / "out" / "gaps.csv")
    assert sum(int(row["dropped_snippets"]) for row in gaps) == dropped and {row["reason"] for row in gaps} == {"too slow"}
    # those that wait, the one being scored, the last one, those kept for a clip, and one that is put in while the oldest goes
    assert settings.waiting < stand_in.most_alive <= settings.waiting + 1 + 1 + live_clips.BEFORE + 1


@pytest.mark.slow
def test_a_stream_that_breaks_off_and_comes_back(stand_in, tmp_path):
    port, said, stop = servers.free_port(), [], threading.Event()
    address, result = f"tcp://127.0.0.1:{port}", {}

    def work():
        result.update(live.score_live(address, "m", tmp_path, threshold=0.99, settings=QUICK, stop=stop, say=said.append))

    with servers.ffmpeg_sends(f"{address}?listen=1", 72):
        servers.wait_until_listening(port)
        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: any("the stream is lost" in line for line in said))
    time.sleep(1.5 * QUICK.reset_seconds)  # so that the gap is long on the fastest machine
    with servers.ffmpeg_sends(f"{address}?listen=1", 72, first=200):
        until(lambda: len(stand_in.numbers) >= 8)
        stop.set()
        thread.join(9)
    assert result["state"] == "stopped" and result["connections"] == 2
    assert stand_in.numbers == [list(range(start, start + 16)) for start in (0, 16, 32, 48, 200, 216, 232, 248)]
    [gap] = rows(tmp_path / "gaps.csv")
    assert gap["reason"] == "stream lost" and float(gap["seconds"]) > QUICK.reset_seconds
    scores = rows(tmp_path / "scores.csv")
    assert (gap["start"], gap["end"]) == (scores[3]["end"], scores[4]["seconds"])
    assert np.diff([float(row["seconds"]) for row in scores[:4]]) == pytest.approx(16 / 50, abs=2e-3)
    passed = pd.to_datetime(scores[4]["time"]) - pd.to_datetime(scores[0]["time"])
    assert float(scores[4]["seconds"]) == pytest.approx(passed.total_seconds(), abs=0.1)
    assert stand_in.resets == 1
    pauses = [float(line.rpartition("again in ")[2].removesuffix(" s")) for line in said if "again in" in line]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.4][: len(pauses)] and len(pauses) >= 3  # they grow, up to the longest
    assert "the stream is back" in said


def test_a_stream_that_does_not_come_back(stand_in, tmp_path, transport_stream):
    """The stretch up to the end is a gap too."""
    with servers.http_server(lambda request: servers.send(request, transport_stream)) as port:
        stop, said, result = threading.Event(), [], {}
        work = {"threshold": 0.99, "settings": QUICK, "stop": stop, "say": said.append}
        run = lambda: result.update(live.score_live(f"http://127.0.0.1:{port}/", "m", tmp_path, **work))  # noqa: E731
        thread = threading.Thread(target=run)
        thread.start()
        until(lambda: stand_in.numbers)
    until(lambda: sum("Connection refused" in line for line in said) >= 5)
    stop.set()
    thread.join(9)
    last = rows(tmp_path / "gaps.csv")[-1]
    assert last["start"] == rows(tmp_path / "scores.csv")[-1]["end"] and float(last["seconds"]) > 0.2
    assert last["reason"] == "stream lost" and result["gaps"] == len(rows(tmp_path / "gaps.csv"))


def test_a_short_break_resets_nothing(stand_in, tmp_path, transport_stream):
    with servers.http_server(lambda request: servers.send(request, transport_stream)) as port:
        stop = threading.Event()
        stand_in.score = lambda frames, score=stand_in.score: (stop.set() if len(stand_in.numbers) >= 5 else None, score(frames))[1]
        live.score_live(f"http://127.0.0.1:{port}/", "m", tmp_path, threshold=0.99, settings=QUICK, stop=stop)
    assert len(stand_in.numbers) == 6 and stand_in.resets == 0
    assert {row["reason"] for row in rows(tmp_path / "gaps.csv")} == {"stream lost"}


def test_a_calibrated_threshold(stand_in, tmp_path):
    rule = EventRule(threshold=0.7, lower_share=0.9, shortest=0.2, gap=0)
    made = Calibration(
        model="key", model_title="m", rule=rule, alarms_per_hour=1.0, videos=2, hours=9.0, events=9, low=0.4, high=1.9
    )
    write_json(tmp_path / "c.json", made.model_dump(mode="json"))
    video = grey_video(tmp_path / "v.mp4", [0.1, 0.9, 0.1, 0.65, 0.1])
    settings = QUICK.replace(speed=4, waiting=99)
    summary = live.score_live(str(video), "m", tmp_path / "out", calibration=tmp_path / "c.json", settings=settings)
    assert summary["rule"] == rule.model_dump() and summary["events"] == 1
    assert summary["threshold_from"].startswith("calibrated on 9 hours of normal footage")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capture devices are Linux's here")
def test_a_device_that_is_no_camera(stand_in, tmp_path):
    with pytest.raises(DataError, match=r"^/dev/null: expected a stream of video, but "):
        live.score_live("/dev/null", "m", tmp_path / "out", threshold=0.5, settings=QUICK)


def test_minutes(stand_in, tmp_path):
    video = grey_video(tmp_path / "v.mp4", [0.1] * 40)
    summary = live.score_live(str(video), "m", tmp_path / "out", threshold=0.6, minutes=0.02, settings=QUICK)
    assert summary["state"] == "0.02 minutes are over" and 1 <= summary["snippets"] < 10


@pytest.mark.slow
def test_an_event_that_goes_on_is_closed_at_the_end(stand_in, tmp_path):
    video = grey_video(tmp_path / "v.mp4", [0.1] * 2 + [0.9] * 60)
    summary = live.score_live(str(video), "m", tmp_path / "out", threshold=0.6, minutes=0.05, settings=QUICK)
    [event] = read_events(tmp_path / "out")
    assert event.end == pytest.approx(summary["seconds"], abs=1e-3) and summary["events"] == 1
    assert probe(tmp_path / "out" / event.clip).num_frames == 16 * summary["snippets"]


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (None, "Connection refused"),
        (lambda connection: time.sleep(9), "nothing came within 0.5 s"),
        (lambda connection: connection.sendall(bytes(99_999)), "no video in a form that is read here"),
    ],
)
def test_a_wrong_address_is_said_once_and_nothing_is_written(stand_in, tmp_path, capfd, monkeypatch, serve, said):
    monkeypatch.setattr(live, "LiveSettings", lambda **given: QUICK.replace(open_seconds=0.5, **given))
    monkeypatch.setattr(live, "choose_model", lambda source, **_: ModelChoice(source, "key", RECIPE, "sha"))
    options = ["--out", str(tmp_path / "o"), "--model", "m"]
    if serve is None:
        status = live.main([f"rtsp://admin:secret@127.0.0.1:{servers.free_port()}/s3cret", *options])
    else:
        with servers.tcp_server(serve) as port:
            status = live.main([f"tcp://127.0.0.1:{port}", *options])
    out, err = capfd.readouterr()
    assert status == 1 and not (tmp_path / "o").exists()
    assert err.startswith("error: ") and err.count("\n") == 1 and said in err and "Check the address" in err
    assert "secret" not in out + err and "s3cret" not in out + err


def test_an_address_in_a_file_and_no_password_in_any_file(stand_in, tmp_path, capfd, monkeypatch, transport_stream):
    monkeypatch.setattr(live, "LiveSettings", lambda **given: QUICK.replace(**given))
    monkeypatch.setattr(live, "choose_model", lambda source, **_: ModelChoice(source, "key", RECIPE, "sha"))
    seen = []

    def answer(request):
        seen.append((request.headers["Authorization"], request.path))
        if seen[-1][0] is None:
            servers.send(request, b"", status=401, **{"WWW-Authenticate": 'Basic realm="camera"'})
        else:
            servers.send(request, transport_stream)

    with servers.http_server(answer) as port:
        (tmp_path / "address").write_text(f"http://admin:secret@127.0.0.1:{port}/s3cret?key=s3cret")
        options = ["--out", str(tmp_path / "o"), "--model", "m", "--minutes", "0.02", "--threshold", "0.1"]
        assert live.main([f"@{tmp_path / 'address'}", *options]) == 0
    assert seen[1] == (f"Basic {b64encode(b'admin:secret').decode()}", "/s3cret?key=s3cret")
    out, err = capfd.readouterr()
    assert f"http://127.0.0.1:{port}/***" in out
    written = b"".join(path.read_bytes() for path in (tmp_path / "o").rglob("*") if path.is_file())
    assert json.loads((tmp_path / "o" / "live.json").read_text())["source"] == f"http://127.0.0.1:{port}/***"
    for secret in (b"secret", b"s3cret"):
        assert secret not in written and secret.decode() not in out + err


def test_the_usual_model_is_a_shipped_one_that_sees_nothing_later(monkeypatch):
    monkeypatch.setattr(live, "shipped", SimpleNamespace(names=lambda: ("a", "b", "c"), is_causal=lambda name: name > "a"))
    assert live.shipped_model() == "b"
    monkeypatch.setattr(live, "shipped", SimpleNamespace(names=lambda: ("a",), is_causal=lambda name: False))
    with pytest.raises(ConfigError, match="no shipped model sees nothing later"):
        live.shipped_model()


def test_what_cannot_begin(stand_in, tmp_path):
    video = grey_video(tmp_path / "v.mp4", [0.1] * 2)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "scores.csv").write_text("earlier")
    with pytest.raises(ConfigError, match="expected a folder for a new run, found scores"):
        live.score_live(str(video), "m", tmp_path / "old", threshold=0.5)
    assert (tmp_path / "old" / "scores.csv").read_text() == "earlier"
    with pytest.raises(ConfigError, match="minutes: expected a number above 0, got 0"):
        live.score_live(str(video), "m", tmp_path / "o", threshold=0.5, minutes=0)
    with pytest.raises(ConfigError, match="threshold"):
        live.score_live(str(video), "m", tmp_path / "o", threshold=1.5)
    write_video(tmp_path / "short.mp4", [servers.grey(0.5)] * 15, 50.0)
    with pytest.raises(DataError, match=r"short\.mp4: expected 16 frames or more, got 15"):
        live.score_live(str(tmp_path / "short.mp4"), "m", tmp_path / "o", threshold=0.5)
    assert not (tmp_path / "o").exists()


def test_frames_too_far_apart_are_said(stand_in, tmp_path, capsys, monkeypatch):
    rare, said, settings = tmp_path / "v.mp4", [], QUICK.replace(speed=99)
    write_video(rare, [servers.grey(0.5)] * 20, 0.5)
    with pytest.raises(DataError, match=r"v\.mp4: expected 16 frames in a row, each at most 4 s after .*, got 20; `python -m"):
        live.score_live(str(rare), "m", tmp_path / "o", threshold=0.5, settings=settings, say=said.append)
    assert said[-1].startswith("20 frames came, none scored: a score takes 16 in a row, each at most 4 s after the one before.")
    monkeypatch.setattr(live, "LiveSettings", lambda **given: QUICK.replace(**given))
    monkeypatch.setattr(live, "choose_model", lambda source, **_: ModelChoice(source, "key", RECIPE, "sha"))
    assert live.main([str(rare), "--out", str(tmp_path / "o"), "--model", "m", "--minutes", "0.03"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "came, none scored" in out[-2] and out[-1].endswith("over; nothing was scored and nothing written")
    assert not (tmp_path / "o").exists()


def test_a_camera_of_few_frames(stand_in, tmp_path):
    write_video(tmp_path / "v.mp4", [servers.grey(0.5)] * 64, 0.5)
    settings = QUICK.replace(speed=99, waiting=99, reset_seconds=5.0)
    live.score_live(str(tmp_path / "v.mp4"), "m", tmp_path / "o", threshold=0.4, settings=settings)
    assert [row["seconds"] for row in rows(tmp_path / "o" / "scores.csv")] == ["30.000", "62.000", "94.000"]
    assert [(row["end"], row["reason"]) for row in rows(tmp_path / "o" / "gaps.csv")] == [("30.000", "frames too far apart")]
    [event] = read_events(tmp_path / "o")
    assert (event.start, event.end) == (30, 126) and probe(tmp_path / "o" / event.clip).num_frames > 0


def test_a_full_disk_ends_the_run_with_whole_files(stand_in, tmp_path, monkeypatch):
    video = grey_video(tmp_path / "v.mp4", [0.1] * 4 + [0.9] * 30)
    monkeypatch.setattr(video_writing, "write_video", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        live.score_live(str(video), "m", tmp_path / "out", threshold=0.6, settings=QUICK.replace(speed=2, waiting=99))
    assert len(rows(tmp_path / "out" / "scores.csv")) >= 5 and rows(tmp_path / "out" / "events.csv") == []
    assert not [thread for thread in threading.enumerate() if thread.name == "video encoder"]


def full_disk(path, frames, *_, **__):
    next(frames)
    raise OutputError(f"cannot write {path}: No space left on device.")
