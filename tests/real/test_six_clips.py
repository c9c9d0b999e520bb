"""Six real clips in one video: one command finds the fights, and the page shows them where they are."""

import itertools
from pathlib import Path

import pandas as pd
import pytest
from browser import browser, opened
from real_clips import join_clips

from vad_lib.deployment.__main__ import main

pytestmark = pytest.mark.slow

CLIPS = ("fi001", "nofi001", "fi037", "nofi040", "fi104", "nofi120")  # fights are those that begin with fi
FPS = 30.0


@pytest.fixture(scope="module")
def bounds(shared, tmp_path_factory) -> tuple[Path, list[tuple[float, float]]]:
    """The folder of the results, and the seconds in which each clip begins and ends."""
    folder = tmp_path_factory.mktemp("six")
    clips = [shared / "real" / "clips" / f"{clip}.mp4" for clip in CLIPS]
    counts = join_clips(folder / "six.mp4", clips, (240, 320), FPS)
    assert main(["score", str(folder / "six.mp4"), "--out", str(folder / "out")]) == 0
    edges = [0, *itertools.accumulate(count / FPS for count in counts)]
    return folder / "out" / "six", list(itertools.pairwise(edges))


def overlap(event, begin: float, end: float) -> float:
    return max(0.0, min(event.end, end) - max(event.start, begin))


def test_every_fight_has_an_event(bounds):
    folder, clips = bounds
    events = pd.read_csv(folder / "events.csv")
    seconds = {clip: sum(overlap(event, *clips[place]) for event in events.itertuples()) for place, clip in enumerate(CLIPS)}
    fights = {clip: value for clip, value in seconds.items() if clip.startswith("fi")}
    assert all(value >= 0.8 for value in fights.values()), seconds
    assert sum(seconds.values()) - sum(fights.values()) < 0.3 * sum(fights.values()), seconds
    assert all(event.category == "Fighting" for event in events.itertuples())


@pytest.mark.skipif(browser() is None, reason="no browser with the DevTools protocol on this machine, such as chromium")
def test_the_page_shows_the_fights_and_the_threshold_moves(bounds):
    folder, clips = bounds
    with opened(browser()) as tab:
        tab.open(folder / "report.html")
        tab.wait("video.readyState >= 2 && !video.seeking")
        shown = [pd.Series(event) for event in tab.value("events.map(({start, end}) => ({start, end}))")]
        for place, clip in enumerate(CLIPS):
            if clip.startswith("fi"):
                assert any(overlap(event, *clips[place]) >= 0.8 for event in shown), clip
        tab.value("slider.focus()")
        at_first = tab.value("$('events').rows.length")
        for _ in range(100):
            tab.press("ArrowRight")
        tab.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert tab.value("$('events').rows.length") < at_first == len(shown)
        assert tab.complaints == []
