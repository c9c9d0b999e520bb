"""Events of known scores, worked by hand; what must hold for all scores; and the files that players read."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vad_lib.deployment.events import COLUMNS, Event, EventRule, event_spans, event_table, find_events, read_events, web_vtt
from vad_lib.deployment.events import write_events as write
from vad_lib.errors import ConfigError, DataError, OutputError

RULE = EventRule(threshold=0.6, lower_share=0.5, shortest=0, gap=0)  # ends below 0.3


def frames_of(scores, fps=1.0, seconds=None) -> pd.DataFrame:
    times = np.arange(len(scores)) / fps if seconds is None else seconds
    return pd.DataFrame({"seconds": times, "score": np.asarray(scores, dtype=np.float32)})


def spans(scores, rule=RULE, **more):
    return [(event.start_frame, event.end_frame) for event in events_of(frames_of(scores, **more), rule)]


def events_of(table, rule=RULE, **more):
    """Events when the last frame lasts as long as the others."""
    seconds = table["seconds"].to_numpy()
    return find_events(table, rule, **{"end": 2 * seconds[-1] - seconds[-2] if len(seconds) > 1 else 1.0} | more)


# --- by hand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.7, 0.4, 0.2], [(1, 3)]),  # 0.4 keeps it going, 0.2 ends it
        ([0.4, 0.7, 0.2], [(1, 2)]),  # 0.4 cannot start it
        ([0.5, 0.5, 0.5], []),
        ([0.7, 0.2, 0.7], [(0, 1), (2, 3)]),
        ([0.7, 0.4, 0.7], [(0, 3)]),
        ([0.2, 0.9], [(1, 2)]),  # lasts to the end of the video
        ([0.6], [(0, 1)]),  # the threshold itself counts
        ([0.7, 0.3, 0.2999], [(0, 2)]),  # and so does the lower one
        ([0.0, 0.0], []),
    ],
)
def test_hysteresis(scores, expected):
    assert spans(scores) == expected


def test_gaps_are_joined_before_short_events_are_dropped():
    scores = [0.7, 0.1, 0.7, 0.1, 0.1, 0.7, 0.1]
    assert spans(scores, RULE.replace(gap=1.5)) == [(0, 3), (5, 6)]
    assert spans(scores, RULE.replace(gap=1.5, shortest=2)) == [(0, 3)]
    assert spans(scores, RULE.replace(shortest=2)) == []
    assert spans(scores, RULE.replace(gap=1)) == [(0, 1), (2, 3), (5, 6)]  # a gap of that very length is none to join
    assert spans(scores, RULE.replace(gap=5, shortest=6)) == [(0, 6)]


def test_times_are_those_of_the_frames_whatever_the_rate_does():
    """Ten frames a second, then a picture that stands for a minute."""
    seconds = [0.0, 0.1, 0.2, 0.3, 60.3, 60.4]
    table = frames_of([0.1, 0.1, 0.1, 0.9, 0.8, 0.1], seconds=seconds)
    (event,) = find_events(table, RULE, end=60.5)
    assert (event.start, event.end, event.seconds) == (0.3, 60.4, pytest.approx(60.1))
    assert (event.start_frame, event.end_frame, event.peak_frame, event.score) == (3, 5, 3, pytest.approx(0.9))
    (last,) = find_events(frames_of([0.1, 0.1, 0.1, 0.1, 0.1, 0.9], seconds=seconds), RULE, end=63.0)
    assert (last.start, last.end, last.peak) == (60.4, 63.0, 60.4)
    (alone,) = events_of(frames_of([0.9] * 5, fps=10))
    assert (alone.start, alone.end) == (0, pytest.approx(0.5))


def test_25_frames_of_a_25th_of_a_second_last_a_second():
    for first in range(1, 200):
        scores = np.zeros(240)
        scores[first : first + 25] = 0.9
        assert spans(scores, RULE.replace(shortest=1.0), fps=25) == [(first, first + 25)]
        scores[first + 24] = 0
        assert spans(scores, RULE.replace(shortest=1.0), fps=25) == []


def test_the_peak_is_the_middle_of_the_first_highest_stretch():
    (event,) = events_of(frames_of([0.7, 0.9, 0.9, 0.9, 0.7, 0.9]))
    assert (event.peak_frame, event.peak) == (2, 2.0)
    (event,) = events_of(frames_of([0.7, 0.7, 0.8, 0.8]))
    assert event.peak_frame == 2  # of two middle frames the first


def test_the_category_is_the_abnormal_one_of_the_largest_mean():
    """Over frames 1 and 2 the means are 0.5 (normal), 0.15 and 0.35."""
    probabilities = np.array([[0.0, 1.0, 0.0], [0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]])
    names = ("Normal", "Fighting", "Arson")
    (event,) = events_of(frames_of([0.1, 0.7, 0.7, 0.1]), categories=names, probabilities=probabilities)
    assert (event.category, event.confidence) == ("Arson", pytest.approx(0.35))
    (event,) = events_of(frames_of([0.1, 0.7, 0.7, 0.1]), categories=names)
    assert (event.category, event.confidence) == (None, None)


def test_settings_out_of_range_and_tables_that_do_not_fit():
    for wrong in ({"threshold": 0}, {"threshold": 1.1}, {"lower_share": 0}, {"lower_share": 1.5}, {"shortest": -1}, {"gap": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            EventRule(**{"threshold": 0.5, **wrong})
    for wrong in ({"seconds": [0.0, 0.0]}, {"seconds": [1.0, 0.5]}):
        with pytest.raises(DataError, match="times that grow"):
            events_of(frames_of([0.1, 0.2], **wrong))
    with pytest.raises(DataError, match="at least one frame"):
        events_of(frames_of([]))
    with pytest.raises(DataError, match="an end behind"):
        events_of(frames_of([0.1, 0.2]), end=1.0)
    with pytest.raises(DataError, match=r"shape \(2, 3\)"):
        events_of(frames_of([0.1, 0.2]), categories=("a", "b", "c"), probabilities=np.zeros((2, 2)))


# --- for all scores ---------------------------------------------------------------------------------

SCORES = st.lists(st.sampled_from([round(step / 20, 2) for step in range(21)]), min_size=1, max_size=40)
STEPS = st.lists(st.integers(1, 50), min_size=41, max_size=41)  # of 0.02 seconds between frames
SHARES = st.sampled_from([0.3, 0.5, 0.8, 1.0])
SECONDS = st.integers(0, 60).map(lambda steps: steps * 0.02)


def covered(found: np.ndarray, edges: np.ndarray) -> set[int]:
    """Pieces that are part of an event."""
    return {piece for start, behind in found.tolist() for piece in range(start, behind)}


@settings(max_examples=300, deadline=None)
@given(SCORES, STEPS, st.floats(0.05, 1), st.floats(0.05, 1), SHARES, SECONDS, SECONDS)
def test_what_holds_for_all_scores(scores, steps, one, other, share, shortest, gap):
    score, edges = np.array(scores), np.cumsum([0, *steps[: len(scores)]]) * 0.02
    low, high = sorted((one, other))
    rule = EventRule(threshold=low, lower_share=share, shortest=shortest, gap=gap)
    found = event_spans(edges, score, rule)
    flat = found.ravel()
    assert (np.diff(flat) > 0).all()  # disjoint, in the order of time, none empty; two never touch
    assert (edges[found[:, 1]] - edges[found[:, 0]] >= shortest - 1e-5).all()
    assert (edges[found[1:, 0]] - edges[found[:-1, 1]] >= gap - 1e-5).all()
    for start, behind in found.tolist():
        assert score[start] >= low
        assert behind == len(score) or score[behind] < rule.lower
        assert score[behind - 1] >= rule.lower
    higher = event_spans(edges, score, rule.replace(threshold=high))
    assert covered(higher, edges) <= covered(found, edges)  # a higher threshold never covers more
    shorter = event_spans(edges, score, rule.replace(shortest=0))
    assert {tuple(span) for span in found.tolist()} <= {tuple(span) for span in shorter.tolist()}
    wider = event_spans(edges, score, rule.replace(gap=gap + 0.5))
    assert covered(found, edges) <= covered(wider, edges)
    bare = covered(event_spans(edges, score, rule.replace(shortest=0, gap=0)), edges)
    assert bare >= {piece for piece, value in enumerate(scores) if value >= low}


@settings(max_examples=100, deadline=None)
@given(SCORES, STEPS, st.floats(0.05, 1), SHARES, SECONDS, SECONDS, st.integers(2, 5))
def test_events_of_snippets_are_those_of_their_frames(scores, steps, threshold, share, shortest, gap, copies):
    """A score that many frames share gives the same events as one piece for all of them."""
    rule = EventRule(threshold=threshold, lower_share=share, shortest=shortest, gap=gap)
    edges = np.cumsum([0, *steps[: len(scores)]]) * 0.02
    inside = [edges[:-1] + np.diff(edges) * part / copies for part in range(copies)]
    fine = np.append(np.stack(inside, axis=1).ravel(), edges[-1])
    coarse_spans = event_spans(edges, np.array(scores), rule)
    fine_spans = event_spans(fine, np.repeat(scores, copies), rule)
    assert (fine_spans == coarse_spans * copies).all()


# --- files ------------------------------------------------------------------------------------------

EVENTS = [
    Event(1, 3.2, 4.0, 3.6, 80, 100, 90, 0.9123, "Fire <& smoke>", 0.4567, "clips/event_001.mp4", "pictures/event_001.jpg"),
    Event(2, 3599.9996, 7261.5, 7000.0, 200, 900, 850, 1.0),
]


def test_files(tmp_path):
    write(tmp_path, EVENTS, {"video": "yard.mp4", "rule": RULE.model_dump()})
    table = pd.read_csv(tmp_path / "events.csv")
    assert table.columns.tolist() == list(COLUMNS)
    assert table["event"].tolist() == [1, 2]
    assert table["seconds"].tolist() == [0.8, 3661.5]
    assert table["clip"].tolist()[0] == "clips/event_001.mp4"
    assert table["category"].isna().tolist() == [False, True]
    content = json.loads((tmp_path / "events.json").read_text())
    assert (content["video"], content["rule"]["threshold"], len(content["events"])) == ("yard.mp4", 0.6, 2)
    assert read_events(tmp_path) == EVENTS
    assert (tmp_path / "events.vtt").read_text() == (
        "WEBVTT\n\n"
        "1\n00:00:03.200 --> 00:00:04.000\nFire &lt;&amp; smoke&gt; (0.46), score 0.91\n\n"
        "2\n01:00:00.000 --> 02:01:01.500\nevent 2, score 1.00\n"
    )


def test_no_event_is_a_table_without_rows_and_captions_without_cues(tmp_path):
    write(tmp_path, [], {})
    assert (tmp_path / "events.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert event_table([]).empty
    assert (tmp_path / "events.vtt").read_text() == "WEBVTT\n"
    assert read_events(tmp_path) == []


def test_players_read_the_captions(tmp_path):
    """FFmpeg's own reader of WebVTT finds each cue with its times; names that look like markup or cue ends do no harm."""
    av = pytest.importorskip("av")
    odd = Event(3, 8000.0, 8000.0001, 8000.0, 1000, 1001, 1000, 0.7, "a --> b\n\nNOTE <b>", 0.5)
    (tmp_path / "events.vtt").write_text(web_vtt([*EVENTS, odd]))
    with av.open(str(tmp_path / "events.vtt")) as container:
        cues = [packet for packet in container.demux() if packet.size]
    found = [(float(cue.pts * cue.time_base), float(cue.duration * cue.time_base)) for cue in cues]
    assert found == [(3.2, 0.8), (3600.0, 3661.5), (8000.0, 0.001)]
    assert bytes(cues[2]).decode() == "a --&gt; b NOTE &lt;b&gt; (0.50), score 0.70"


def test_damaged_and_unwritable(tmp_path):
    (tmp_path / "events.json").write_text('{"events": [{"number": 1}]}')
    with pytest.raises(DataError, match="events as `score` writes them"):
        read_events(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write(tmp_path / "file", EVENTS, {})
