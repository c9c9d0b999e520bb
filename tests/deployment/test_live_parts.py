"""The parts of live scoring: times of frames, waiting snippets, events as they end, tables, clips."""

import os
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import stream_servers as servers
from numbered_videos import number, numbered

from vad_lib.config import FeatureSettings
from vad_lib.data.snippets import resize_frame
from vad_lib.data.video import probe, read_frames
from vad_lib.deployment import clips, live_clips, live_files, live_reader, live_source
from vad_lib.deployment.events import EventRule, find_events, read_events
from vad_lib.deployment.live_events import OnlineEvents, Piece
from vad_lib.deployment.live_files import GrowingTable, Lags
from vad_lib.deployment.live_reader import Reader, Snippet, StreamClock, Waiting
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.deployment.live_source import Arrived
from vad_lib.errors import OutputError

RECIPE = FeatureSettings(short_side=96, crop_size=96, num_crops=1, weights="random")
NETWORK = SimpleNamespace(places=range(16), resize=resize_frame)
SETTINGS = LiveSettings(reset_seconds=0.5)


# --- times ------------------------------------------------------------------------------------------


def test_times_are_the_streams_own_within_a_connection():
    clock = StreamClock()
    # the stream's clock begins at 1000; frames arrive unevenly
    found = [clock.seconds(1000 + 0.04 * index, 50 + 0.04 * index + 0.01 * (index % 3)) for index in range(6)]
    assert found == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])
    assert clock.late == pytest.approx(0.02)
    clock.restart()
    assert clock.seconds(3.0, 57.0) == pytest.approx(7.0)
    assert clock.seconds(3.04, 57.5) == pytest.approx(7.04)
    assert clock.late == pytest.approx(0.46)


def test_a_clock_that_is_set_anew_or_missing():
    clock = StreamClock()
    assert clock.seconds(10.0, 5.0) == 0
    assert clock.seconds(10.04, 5.04) == pytest.approx(0.04)
    assert clock.seconds(2.0, 5.08) == pytest.approx(0.08)  # back
    assert clock.seconds(2.04, 5.12) == pytest.approx(0.12)
    assert clock.seconds(5000.0, 5.16) == pytest.approx(0.16)  # ahead
    assert clock.seconds(5003.0, 8.16) == pytest.approx(3.16)  # frames were lost: time has passed
    assert clock.seconds(None, 9.16) == pytest.approx(4.16)
    assert clock.seconds(None, 9.16) > 4.16  # times grow


def test_frames_that_come_in_bursts_keep_their_distances():
    """A playlist brings several seconds at once; what follows must not fall back."""
    clock = StreamClock()
    found = [clock.seconds(1 + 0.5 * index, 100 + 6 * (index // 12)) for index in range(36)]
    assert np.diff(found) == pytest.approx(0.5)
    assert clock.late == pytest.approx(0, abs=1e-9)


# --- waiting snippets -------------------------------------------------------------------------------


def snippet(place: int, *, level: float = 0.0, shift: float = 0.0, size=(48, 64)) -> Snippet:
    seconds = shift + (16 * place + np.arange(16)) / 25
    clip = np.stack([servers.grey(level, *size)] * 16)
    picture = clips.jpeg(clip[0])
    return Snippet(place, 0, 16 * place, seconds, time.monotonic(), datetime.now(UTC), 0.0, clip, clip, picture)


def test_the_oldest_waiting_snippet_makes_room():
    waiting = Waiting(3)
    for place in range(8):
        waiting.put(snippet(place))
    assert waiting.dropped == 5
    assert [waiting.get(0).number for _ in range(3)] == [5, 6, 7]
    assert waiting.get(0.01) is None and not waiting.over
    waiting.put(snippet(8))
    waiting.close()
    assert not waiting.over
    assert waiting.get(9).number == 8 and waiting.over
    assert waiting.get(1e6) is None  # at once: nothing will come


def read_with(monkeypatch, arrivals, settings=SETTINGS) -> Reader:
    """A reader of made-up frames, which has ended."""
    monkeypatch.setattr(live_reader, "arriving", lambda *_: iter(arrivals))
    reader = Reader(live_source.Source("", "file", "made up"), RECIPE, NETWORK, settings, lambda line: None)
    reader.run()
    assert reader.failure is None
    return reader


def test_a_snippet_never_bridges_a_hole(monkeypatch):
    """40 frames, a hole of 2 s, 40 frames: two snippets of each part, and what is left over is left out."""
    stamps = [0.04 * index for index in range(40)] + [3.6 + 0.04 * index for index in range(40)]
    arrivals = [Arrived(numbered(index), stamp, stamp) for index, stamp in enumerate(stamps)]
    reader = read_with(monkeypatch, arrivals)
    found = [reader.waiting.get(0) for _ in range(4)]
    assert reader.waiting.over and reader.frames == 80
    assert [[int(number(frame)) for frame in each.frames] for each in found] == [
        list(range(start, start + 16)) for start in (0, 16, 40, 56)
    ]
    assert [each.first_frame for each in found] == [0, 16, 40, 56]
    assert [each.start for each in found] == pytest.approx([0, 0.64, 3.6, 4.24])
    assert [each.end for each in found] == pytest.approx([0.64, 1.28, 4.24, 4.88])


def test_a_camera_of_few_frames_is_scored_once_that_is_known(monkeypatch):
    """A frame every 2 s, with a hole of 9 s: nothing bridges it."""
    stamps = [2.0 * index + 7 * (index >= 36) for index in range(60)]
    reader = read_with(monkeypatch, [Arrived(numbered(index), stamp, stamp) for index, stamp in enumerate(stamps)])
    assert [reader.waiting.get(0).first_frame for _ in range(2)] == [15, 36] and reader.waiting.over
    assert reader.cut == 4 and read_with(monkeypatch, [Arrived(numbered(0), 0.5 * n, 0.5 * n) for n in range(40)]).cut == 1


def test_clips_are_small_and_pictures_are_not(monkeypatch):
    arrivals = [Arrived(np.full((301, 403, 3), index, np.uint8), 0.04 * index, 0.0) for index in range(16)]
    settings = SETTINGS.replace(clip_height=100)
    one = read_with(monkeypatch, arrivals, settings).waiting.get(0)
    assert one.clip.shape == (16, 100, 134, 3) and one.frames.shape == (16, 96, 129, 3)
    picture = cv2.imdecode(np.frombuffer(one.picture, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (301, 403, 3) and picture.mean() == pytest.approx(7, abs=1)  # the middle frame
    none = read_with(monkeypatch, arrivals, settings.replace(pictures=False)).waiting.get(0)
    assert none.clip is None and none.picture == b""


# --- events -----------------------------------------------------------------------------------------


def pieces_of(scores, fps=25.0, probabilities=None) -> list[Piece]:
    edges = np.arange(len(scores) + 1) * 16 / fps
    return [
        Piece(
            float(edges[place]),
            float(edges[place + 1]),
            float((16 * place + 7) / fps),
            16 * place,
            16 * place + 16,
            16 * place + 7,
            float(score),
            None if probabilities is None else probabilities[place],
        )
        for place, score in enumerate(scores)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_online_events_are_those_of_the_whole(seed):
    rng = np.random.default_rng(seed)
    scores = np.clip(rng.normal(0.5, 0.08, 120) + 0.25 * np.sin(np.arange(120) / rng.uniform(1, 6)), 0, 1)
    rule = EventRule(
        threshold=float(rng.uniform(0.4, 0.8)),
        lower_share=float(rng.uniform(0.6, 1)),
        shortest=float(rng.choice([0, 0.64, 1, 2, 3.2])),
        gap=float(rng.choice([0, 0.64, 1, 1.28, 4])),
    )
    categories = ("Normal", "Fighting", "Arson")
    probabilities = rng.dirichlet(np.ones(3), 120)
    frames = pd.DataFrame({"seconds": np.arange(16 * 120) / 25, "score": scores.repeat(16)})
    expected = find_events(frames, rule, end=16 * 120 / 25, categories=categories, probabilities=probabilities.repeat(16, axis=0))
    online = OnlineEvents(rule, 5.0, categories)
    found = [event for piece in pieces_of(scores, probabilities=probabilities) for event in online.push(piece)] + online.finish()
    assert len(found) == len(expected) == online.count and online.current is None
    for one, other in zip(found, expected):
        for name, value in vars(other).items():
            assert getattr(one, name) == (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value), name


def test_an_event_is_known_when_nothing_can_change_it():
    rule = EventRule(threshold=0.6, lower_share=0.75, shortest=1, gap=1.28)
    online = OnlineEvents(rule, 5.0)
    known = [len(online.push(piece)) for piece in pieces_of([0.1, 0.7, 0.5, 0.1, 0.1, 0.1])]
    assert known == [0, 0, 0, 0, 1, 0]  # from 0.64 to 1.92; 1.28 s later is 3.2


def test_a_long_hole_ends_an_event_and_a_short_one_does_not():
    rule = EventRule(threshold=0.6, shortest=0.5, gap=9)
    first, second, third = pieces_of([0.7, 0.8, 0.9])
    for shift, ends in ((4.9, [(0.0, 6.82)]), (5.1, [(0.0, 1.28), (6.38, 7.02)])):
        online = OnlineEvents(rule, 5.0)
        late = third._replace(start=third.start + shift, end=third.end + shift)
        events = [event for piece in (first, second, late) for event in online.push(piece)] + online.finish()
        assert [(event.start, pytest.approx(event.end)) for event in events] == ends


# --- files ------------------------------------------------------------------------------------------


def test_a_table_holds_whole_lines_even_when_the_disk_fills_up(tmp_path, monkeypatch):
    table = GrowingTable(tmp_path / "a" / "t.csv", ["x", "y"])
    table.add([1, 'say "a, b"'])
    whole, write, left = (tmp_path / "a" / "t.csv").read_bytes(), os.write, [5]

    def little_room(handle, content):
        taken = content[: left[0]]
        left[0] -= len(taken)
        if not taken:
            raise OSError(28, "No space left on device")
        return write(handle, taken)

    monkeypatch.setattr(os, "write", little_room)
    with pytest.raises(OutputError, match=r"t\.csv: No space left on device"):
        table.add([2, "longer than five bytes"])
    assert (tmp_path / "a" / "t.csv").read_bytes() == whole
    monkeypatch.undo()
    table.add([3, None])
    table.close()
    assert (tmp_path / "a" / "t.csv").read_text() == 'x,y\n1,"say ""a, b"""\n3,\n'
    with pytest.raises(OutputError, match="exists"):
        GrowingTable(tmp_path / "a" / "t.csv", ["x"])


def test_lags_are_counted_to_one_percent():
    values, lags = np.random.default_rng(0).lognormal(-1, 1, 5000), Lags()
    assert lags.quantile(0.5) == 0
    for value in values:
        lags.add(value)
    for share in (0.5, 0.95):
        assert lags.quantile(share) == pytest.approx(np.quantile(values, share), rel=0.02)
    assert lags.summary()["largest"] == pytest.approx(values.max(), abs=1e-4)
    lags.add(1e9)
    assert lags.quantile(1.0) <= 1e9


def test_many_events_do_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(live_files, "MOST_EVENTS", 3)
    rule = EventRule(threshold=0.5, shortest=0, gap=0)
    online = OnlineEvents(rule, 5.0)
    with live_files.LiveFiles(tmp_path, ["x"], {"source": "s"}) as files:
        for piece in pieces_of([0.9, 0.1] * 5):
            for event in online.push(piece):
                files.add_event(event)
    assert pd.read_csv(tmp_path / "events.csv")["event"].tolist() == [1, 2, 3, 4, 5]
    assert [event.number for event in read_events(tmp_path)] == [3, 4, 5]


# --- clips ------------------------------------------------------------------------------------------


def test_a_clip_shows_what_came_before_and_long_events_get_several(tmp_path):
    clips = live_clips.EventClips(tmp_path, SETTINGS.replace(clip_seconds=3.3))
    for place in range(6):
        clips.pass_by(snippet(place, level=0.1))
    for place in range(6, 14):
        clips.add(1, snippet(place, level=0.5 + 0.05 * (place == 9)), 0.5 + 0.05 * (place == 9))
    assert clips.finish() == ("clips/event_001.mp4", "pictures/event_001.jpg")
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == [
        "event_001.mp4",
        "event_001_2.mp4",
        "event_001_3.mp4",
    ]
    first, second, third = (probe(tmp_path / "clips" / f"event_001{part}.mp4") for part in ("", "_2", "_3"))
    assert [part.num_frames for part in (first, second, third)] == [80, 80, 16]  # three snippets before, eight of the event
    assert first.seconds == pytest.approx(np.arange(80) / 25, abs=1e-3)
    brightness = [frame.mean() / 255 for frame in read_frames(tmp_path / "clips" / "event_001.mp4")]
    assert brightness[:48] == pytest.approx([0.1] * 48, abs=0.02) and brightness[48:] == pytest.approx([0.5] * 32, abs=0.02)
    assert cv2.imread(str(tmp_path / "pictures/event_001.jpg")).mean() / 255 == pytest.approx(0.55, abs=0.01)


def test_an_event_that_counts_for_nothing_leaves_no_file(tmp_path):
    clips = live_clips.EventClips(tmp_path, SETTINGS.replace(clip_seconds=1.0))
    for place in range(4):
        clips.add(1, snippet(place), 0.5)
    clips.drop()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    clips.add(1, snippet(9), 0.5)
    assert clips.finish()[0] == "clips/event_001.mp4"
    assert probe(tmp_path / "clips/event_001.mp4").num_frames == 16


def test_another_size_begins_another_clip_and_a_hole_forgets(tmp_path):
    clips = live_clips.EventClips(tmp_path, SETTINGS)
    clips.pass_by(snippet(0))
    clips.add(1, snippet(0, shift=60), 0.5)  # the snippet before the hole is not shown
    clips.add(1, snippet(1, shift=60, size=(60, 80)), 0.5)
    clips.finish()
    sizes = [probe(tmp_path / "clips" / f"event_001{part}.mp4") for part in ("", "_2")]
    assert [(each.num_frames, each.width) for each in sizes] == [(16, 64), (16, 80)]


def test_a_clip_that_cannot_be_written_does_not_hang(tmp_path):
    (tmp_path / "clips").write_text("in the way")
    clips = live_clips.EventClips(tmp_path, SETTINGS)
    with pytest.raises(OutputError, match="event_001"):
        for place in range(20):
            clips.add(1, snippet(place), 0.5)
    clips.drop()
