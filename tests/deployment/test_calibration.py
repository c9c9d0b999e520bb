"""Thresholds of known normal footage, and what is said of them."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import poisson
from small_runs import write_noise

from vad_lib.deployment import calibration, inputs
from vad_lib.deployment.__main__ import main
from vad_lib.deployment.calibration import (
    Calibration,
    NormalScores,
    calibrate,
    count_events,
    lowest_threshold,
    poisson_interval,
    read_calibration,
)
from vad_lib.deployment.events import EventRule, event_spans
from vad_lib.deployment.model_choice import choose_model
from vad_lib.deployment.own_footage import choose_rule, score_videos
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.evaluation.alarms import false_alarms_per_hour
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.storage.reading import read_json

BARE = EventRule(threshold=0.5, lower_share=1, shortest=0, gap=0)


def video(*scores, minutes=1.0) -> NormalScores:
    """Pieces of the same length."""
    return NormalScores(np.arange(len(scores) + 1) * 60 * minutes, np.array(scores))


@pytest.fixture(scope="module")
def choice(small_runs):
    return choose_model(small_runs / "ur-dmu", weights="random")


# --- by hand ----------------------------------------------------------------------------------------


def test_the_lowest_threshold_by_hand():
    """An hour of six pieces; 0.9, 0.7 and 0.5 are the peaks, so that so many events are found at or below each of them."""
    hour = [video(0.1, 0.9, 0.2, 0.7, 0.3, 0.5, minutes=10)]
    for rate, threshold in ((1, 0.9), (1.9, 0.9), (2, 0.7), (3, 0.1)):
        rule = lowest_threshold(hour, BARE, rate)
        assert rule.threshold == threshold
        assert count_events(hour, rule) <= rate
    assert lowest_threshold(hour, BARE, 2.5).threshold == 0.7  # at 0.5 there are three, though at 0.1 there is but one


def test_the_whole_hour_as_one_event_is_no_solution():
    """At a threshold below all scores there is one event; what counts is that no threshold above gives more."""
    rule = lowest_threshold([video(0.1, 0.9, 0.1, 0.9, 0.1, 0.9, minutes=10)], BARE, 1)
    assert rule.threshold == pytest.approx(0.9, abs=1e-5)
    assert rule.threshold > 0.9


def test_the_rule_counts_as_it_is():
    """0.5 keeps an event going when events end below 0.8 of the threshold: at 0.625 and below, all is one event."""
    hour = [video(0.7, 0.5, 0.7, 0.5, 0.7, 0.1, minutes=10)]
    assert lowest_threshold(hour, BARE, 1).threshold > 0.7
    rule = lowest_threshold(hour, BARE.replace(lower_share=0.8), 1)
    assert rule.threshold > 0.7  # between 0.625 and 0.7 there are three events
    assert lowest_threshold(hour, BARE.replace(gap=601), 1).threshold == 0.1
    assert lowest_threshold(hour, BARE.replace(shortest=601), 1).threshold == 0.1  # single pieces are too short to count


def test_videos_are_counted_together_and_each_by_itself():
    videos = [video(0.2, 0.8, minutes=30), video(0.8, 0.2, minutes=30)]
    assert lowest_threshold(videos, BARE, 0.5).threshold > 0.8  # one event is allowed in two hours, and here are two
    assert lowest_threshold(videos, BARE, 1).threshold == 0.2


def test_footage_with_the_highest_score():
    with pytest.raises(DataError, match=r"even threshold 1 finds more than 0 events in 0.05 hours"):
        lowest_threshold([video(0.2, 1.0, 0.3)], BARE, 1)
    assert lowest_threshold([video(0.2, 1.0, 0.3)], BARE, 20).threshold == 0.2
    assert lowest_threshold([video(0.0, 0.0)], BARE, 1).threshold == 1e-6


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=20), min_size=1, max_size=3), st.integers(1, 20))
def test_the_rate_is_that_of_the_evaluation_where_both_apply(scores, threshold):
    """One rate of frames, no hysteresis, nothing joined, nothing dropped, all normal."""
    fps, frames = 25.0, 16
    videos = [NormalScores(np.arange(len(each) + 1) * frames / fps, np.array(each) / 20) for each in scores]
    video_of = np.repeat(np.arange(len(scores)), list(map(len, scores)))
    judged = ScoredVideos(
        title="t",
        seed=0,
        videos=tuple(map(str, range(len(scores)))),
        abnormal_video=np.zeros(len(scores), dtype=bool),
        video=video_of,
        score=np.concatenate([each.score for each in videos]),
        abnormal=np.zeros(len(video_of), dtype=np.int64),
        normal=np.full(len(video_of), frames),
        events=np.empty((0, 3), dtype=np.int64),
    )
    hours = len(video_of) * frames / fps / 3600
    found = count_events(videos, BARE.replace(threshold=threshold / 20)) / hours
    assert found == pytest.approx(false_alarms_per_hour(judged, threshold / 20, fps))


SCORES = st.lists(st.integers(0, 40).map(lambda step: step / 40), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(SCORES, min_size=1, max_size=3), st.sampled_from([0.5, 0.8, 1.0]), st.integers(0, 3), st.floats(0.5, 30))
@example([[0.0, 0.025, 0.05, 0.0, 0.125, 0.025, 0.0]], 0.5, 2, 9.0)  # five thresholds, all of which have to be tried
def test_it_is_the_lowest_by_trying_all(scores, share, pieces, rate):
    """Against a plain search over a fine grid of thresholds, from the top: a lower one that is allowed finds nothing else."""
    videos = [video(*values) for values in scores]
    rule = BARE.replace(lower_share=share, shortest=60 * pieces, gap=30)
    hours = sum(map(len, scores)) / 60
    grid = np.arange(160, 0, -1) / 160  # holds every score, and every score over a share
    kept = [count_events(videos, rule.replace(threshold=float(threshold))) <= rate * hours + 1e-9 for threshold in grid]
    lowest = grid[: kept.index(False)] if False in kept else grid
    if not len(lowest):
        with pytest.raises(DataError, match="even threshold 1"):
            lowest_threshold(videos, rule, rate)
        return
    found = lowest_threshold(videos, rule, rate)
    assert count_events(videos, found) <= rate * hours + 1e-9
    assert all(kept[: (grid >= found.threshold).sum()])

    def spans(threshold):
        return [event_spans(each.edges, each.score, rule.replace(threshold=float(threshold))).tolist() for each in videos]

    assert all(spans(threshold) == spans(found.threshold) for threshold in lowest[lowest <= found.threshold])


def test_with_many_scores_the_search_is_short(monkeypatch):
    scores = np.random.default_rng(0).random(20_000)
    tried = []
    count = calibration.count_events
    monkeypatch.setattr(calibration, "count_events", lambda videos, rule: tried.append(rule.threshold) or count(videos, rule))
    hours = [NormalScores(np.arange(20_001) * 0.64, scores)]
    rule = lowest_threshold(hours, BARE.replace(lower_share=0.8), 2)
    assert len(tried) < 50
    assert count(hours, rule) == 7  # of 3.56 hours
    low = lowest_threshold(hours, BARE.replace(shortest=1e6), 1)
    assert len(tried) < calibration.MOST_TRIED + 50
    assert low.threshold < 0.001


# --- the interval -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3, 10, 57])
def test_the_interval_is_exact(count):
    """By its definition: at either end, what was seen or something more extreme has a chance of 2.5 %."""
    hours = 4.0
    low, high = poisson_interval(count, hours)
    assert poisson.cdf(count, high * hours) == pytest.approx(0.025)
    if count:
        assert poisson.sf(count - 1, low * hours) == pytest.approx(0.025)
        assert low < count / hours < high
    else:
        assert low == 0


def test_known_intervals():
    """Garwood's table: 5 events, 1.62 to 11.67; none, 0 to 3.69."""
    assert poisson_interval(5, 1) == pytest.approx((1.6235, 11.6683), abs=1e-4)
    assert poisson_interval(0, 1) == pytest.approx((0, 3.6889), abs=1e-4)
    assert poisson_interval(5, 10) == pytest.approx((0.16235, 1.16683), abs=1e-5)


def made(**changes) -> Calibration:
    values = {"model": "m", "rule": BARE, "alarms_per_hour": 1, "videos": 2, "hours": 10, "events": 9, "low": 0.4, "high": 1.7}
    return Calibration(**{**values, **changes})


def test_too_little_footage_is_said():
    assert made().enough
    assert len(made().sentences()) == 2
    short = made(hours=2.9, events=2)
    assert not short.enough
    assert "too little footage: to keep to 1 an hour takes 3 hours or more, and only 2.9 were seen" in short.sentences()[-1]
    assert made(hours=2.9, alarms_per_hour=2).enough


# --- files ------------------------------------------------------------------------------------------


@pytest.fixture
def normal(tmp_path):
    folder = tmp_path / "normal"
    for number in range(2):
        write_noise(folder / f"v{number}.mp4", 40, seed=number)
    return folder


def test_a_calibration_is_made_and_taken(small_runs, normal, choice, tmp_path, capsys):
    (normal / "again.mp4").write_bytes((normal / "v0.mp4").read_bytes())
    (normal / "cut.mp4").write_bytes(b"no video")
    out = tmp_path / "out" / "calibration.json"
    run = ["--model", str(small_runs / "ur-dmu"), "--weights", "random"]
    arguments = ["calibrate", str(normal), "--alarms-per-hour", "1", "--out", str(out), "--shortest", "0.5", *run]
    assert main(arguments) == 1  # one is broken
    said = capsys.readouterr().out
    assert "0 events in 0.00222 hours of normal footage (2 videos)" in said
    assert "too little footage" in said
    assert f"same content came before: {normal}/v0.mp4" in said
    assert f"failed: {normal}/cut.mp4" in said
    found = read_calibration(out, choice)
    assert (found.videos, found.events, found.hours) == (2, 0, pytest.approx(8 / 3600))
    assert found.rule.shortest == 0.5

    scored = score_videos(normal / "v0.mp4", choice, tmp_path / "out", calibration=out, pictures=False, progress=False)
    assert scored.rule == found.rule
    assert "calibrated on 0.00222 hours of normal footage to at most 1 an hour, too little footage for that" in str(scored)
    assert not scored.videos[0].events
    assert "decode" not in scored.videos[0].spent  # the features of the calibration are there
    assert found.rule.threshold > scored.videos[0].highest
    assert main(["score", str(normal / "v1.mp4"), "--out", str(tmp_path / "out"), "--calibration", str(out), *run]) == 0


def test_a_calibration_of_another_model_or_rule_is_refused(small_runs, normal, choice, tmp_path):
    out = tmp_path / "c.json"
    report = calibrate(normal, choice, out, 3000, progress=False)
    assert report.calibration.events <= 3000 * 8 / 3600
    other = choose_model(small_runs / "proposed", weights="random")
    with pytest.raises(ConfigError, match=r"another model or other features \(ur-dmu\)"):
        choose_rule(other, calibration=out)
    for name, value in (("lower_share", 0.7), ("shortest", 0.3), ("gap", 0.0)):
        with pytest.raises(ConfigError, match=f"was made with {name}"):
            choose_rule(choice, calibration=out, **{name: value})
    assert choose_rule(choice, calibration=out, lower_share=0.8)[0] == report.calibration.rule
    with pytest.raises(ConfigError, match="got both"):
        choose_rule(choice, 0.5, calibration=out)


def test_the_same_model_elsewhere_is_the_same(small_runs, choice, tmp_path):
    copy = choose_model(shutil.copytree(small_runs / "ur-dmu", tmp_path / "copy"), weights="random")
    assert copy.key == choice.key
    assert copy.source != choice.source


def test_damaged_and_missing_files(choice, normal, tmp_path):
    with pytest.raises(MissingFileError, match="`calibrate NORMAL_FOOTAGE` makes one"):
        read_calibration(tmp_path / "none.json", choice)
    out = tmp_path / "c.json"
    calibrate(normal, choice, out, 1, progress=False)
    whole = read_json(out)
    for change in ({"kind": "other"}, {"hours": -1}, {"rule": {"threshold": 2}}, {"rule": 3}, {"more": 1}):
        out.write_text(json.dumps(whole | change))
        with pytest.raises(DataError, match=r"c.json: expected a calibration"):
            read_calibration(out, choice)
    out.write_text("[]")
    with pytest.raises(DataError, match="expected a calibration"):
        read_calibration(out, choice)


def test_refused(choice, normal, tmp_path, monkeypatch):
    for rate in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="alarms per hour: expected a number above 0"):
            calibrate(normal, choice, tmp_path / "c.json", rate, progress=False)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"none of 1 videos could be scored.*bad.mp4"):
        calibrate(tmp_path / "bad.mp4", choice, tmp_path / "c.json", 1, progress=False)
    assert not (tmp_path / "c.json").exists()
    monkeypatch.setattr(calibration, "find_inputs", lambda inputs: pytest.fail("work would begin"))
    with pytest.raises(ConfigError, match=r"expected a file for the calibration, got a folder; .*/calibration\.json"):
        calibrate(normal, choice, tmp_path, 1, progress=False)


def test_one_video_that_cannot_be_read_stops_no_other(choice, normal, tmp_path, monkeypatch):
    hashed = inputs.file_sha256

    def closed(path):
        if path.name == "bad.mp4":
            raise PermissionError(13, "Permission denied", path)
        return hashed(path)

    (normal / "bad.mp4").write_bytes(b"no video")
    monkeypatch.setattr(inputs, "file_sha256", closed)
    monkeypatch.setattr(calibration, "file_sha256", closed, raising=False)
    report = calibrate(normal, choice, tmp_path / "c.json", 1, progress=False)
    assert report.calibration.videos == 2 and list(report.failures) == [str(normal / "bad.mp4")]
