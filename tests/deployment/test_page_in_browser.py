"""The pages in a real browser: what a person sees and does, and that the script's events are those of Python."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import Tab, browser
from numbered_videos import shown_number
from page_examples import CATEGORIES, example, numbered_video

from vad_lib.data.video import VideoInfo
from vad_lib.deployment import page
from vad_lib.deployment.events import EventRule, find_events
from vad_lib.deployment.page import IndexRow, write_index, write_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser() is None, reason="no browser with the DevTools protocol on this machine, such as chromium"),
]

CENTRE = "(() => {{ const box = {}.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; }})()"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return example(numbered_video(tmp_path_factory.mktemp("video") / "yard.mp4"))


@pytest.fixture(scope="module")
def report(given, tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "report.html", **given)


def events_at(given: dict, threshold: float) -> list[dict]:
    rule = given["rule"].model_copy(update={"threshold": threshold})
    found = find_events(given["frames"], rule, end=given["end"], categories=CATEGORIES, probabilities=given["probabilities"])
    return [{name: getattr(event, name) for name in ("start", "end", "peak", "score", "category", "confidence")} for event in found]


def shown_events(tab: Tab) -> list[dict]:
    """The events of the page, after it has drawn them; their number must be that of the table, the shades and the heading."""
    tab.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    events = tab.value("events.map(({start, end, peak, score, category, confidence}) => "
                       "({start, end, peak, score, category, confidence}))")  # fmt: skip
    counts = tab.value("[$('events').rows.length, $('shades').querySelectorAll('rect').length, parseInt($('count').textContent)]")
    assert [count or 0 for count in counts] == [len(events)] * 3
    return events


def wait_for_number(tab: Tab, expected: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while (shown := shown_number(tab)) != expected:
        assert time.monotonic() < deadline, f"frame {shown} is shown, not {expected}"


def assert_same(found: list[dict], expected: list[dict]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one == pytest.approx(other, abs=2e-6)


def ready(tab: Tab, path: Path, fragment: str = "", **window) -> None:
    tab.open(path, fragment, **window)
    tab.wait("video.readyState >= 2 && !video.seeking")


def nothing_asked(tab: Tab, *files: Path) -> bool:
    return tab.complaints == [] and {url for url in tab.requests if not url.startswith("data:")} == {
        file.resolve().as_uri() for file in files
    }


# --- events -----------------------------------------------------------------------------------------------
def test_the_script_finds_the_events_that_python_finds(tab, report):
    """Random scores with ties, at random times, under random rules; and values that lie on the bounds."""
    tab.open(report)
    rng, cases, expected, several = np.random.default_rng(3), [], [], 0
    for _ in range(300):
        count = int(rng.integers(1, 60))
        score = rng.choice([0.1, 0.2, 0.4, 0.48, 0.5, 0.6, 0.8, 1.0], count).repeat(rng.integers(1, 4, count))
        seconds = np.cumsum(rng.choice([0.04, 0.05, 0.5], len(score)))
        frames, end = pd.DataFrame({"seconds": seconds, "score": score}), seconds[-1] + 0.04
        probabilities = rng.dirichlet(np.ones(3), len(score))
        rule = EventRule(
            threshold=rng.choice([0.2, 0.5, 0.6, 0.9, 1.0]),
            lower_share=rng.choice([0.5, 0.8, 1.0]),
            shortest=rng.choice([0, 0.1, 0.5, 1]),
            gap=rng.choice([0, 0.1, 0.5, 1]),
        )
        found = find_events(frames, rule, end=end, categories=CATEGORIES, probabilities=probabilities)
        several += len(found) > 1
        expected.append([[getattr(event, name) for name in ("number", "start", "end", "peak", "start_frame", "end_frame", "score",
                                                            "category", "confidence")] for event in found])  # fmt: skip
        cases.append([page._pieces(frames, end, probabilities), rule.model_dump()])
    assert several > 100
    found = tab.value(
        f"({json.dumps(cases)}).map(([pieces, rule]) => findEvents(pieces, rule).map((event) => Object.values(event)))"
    )
    for one, other in zip(found, expected, strict=True):
        assert [event[:8] for event in one] == [event[:8] for event in other]
        assert [event[8] for event in one] == pytest.approx([event[8] for event in other], abs=2e-6)


def test_the_page_starts_with_the_events_of_the_run(tab, report, given):
    ready(tab, report)
    events = shown_events(tab)
    assert 1 < len(events) == len(given["events"])
    assert_same(events, events_at(given, 0.6))
    assert tab.value("$('count').textContent") == f"{len(events)} events at threshold 0.600"
    cells = tab.value("[...$('events').rows[0].cells].map((cell) => cell.textContent)")
    first = given["events"][0]
    assert cells == ["1", page.clock(first.start), page.clock(first.end), page.clock(first.peak), f"{first.seconds:.1f}",
                     f"{first.score:.2f}", first.category, f"{first.confidence:.2f}"]  # fmt: skip
    assert nothing_asked(tab, report)


def test_the_address_sets_threshold_and_time(tab, report, given):
    ready(tab, report, "#threshold=0.8&t=2.5")
    assert_same(shown_events(tab), events_at(given, 0.8))
    assert tab.value("video.currentTime") == pytest.approx(2.5, abs=0.01)
    assert len(events_at(given, 0.8)) < len(events_at(given, 0.6))
    tab.value("void (location.hash = '#threshold=0.95')")
    tab.wait("$('count').textContent.startsWith('No events')")
    assert shown_events(tab) == events_at(given, 0.95) == []
    assert not tab.value("$('none').hidden")


def test_keys_move_the_threshold(tab, report, given):
    ready(tab, report)
    tab.value("slider.focus()")
    for _ in range(21):
        tab.press("ArrowRight")
    assert tab.value("rule.threshold") == pytest.approx(0.705)
    assert_same(shown_events(tab), events_at(given, 0.705))
    assert len(events_at(given, 0.705)) != len(events_at(given, 0.6))
    assert tab.value("location.hash") == "#threshold=0.705"
    tab.click(*tab.value(CENTRE.format("$('reset')")))
    assert_same(shown_events(tab), events_at(given, 0.6))


def test_the_line_of_the_threshold_can_be_dragged(tab, report, given):
    ready(tab, report)
    left, top = tab.value("(() => { const box = chart.getBoundingClientRect(); return [box.left, box.top]; })()")
    x, y, to = tab.value("[xOf(finish / 3), yOf(0.6), yOf(0.25)]")
    tab.click(left + x, top + y, (left + x + 30, top + to))
    assert tab.value("rule.threshold") == pytest.approx(0.25, abs=0.01)
    assert tab.value("now") == 0  # a drag is no click
    assert_same(shown_events(tab), events_at(given, tab.value("rule.threshold")))


# --- the video --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("embedded", [True, False])
def test_the_video_plays_and_shows_the_frame_of_each_time(tab, given, tmp_path, monkeypatch, embedded):
    if not embedded:
        monkeypatch.setattr(page, "EMBEDDED_AT_MOST", 1000)
    report = write_page(tmp_path / "report.html", **given)
    ready(tab, report)
    assert tab.value("video.duration") == pytest.approx(given["end"], abs=0.03)
    assert tab.value("[video.videoWidth, video.videoHeight, video.error]") == [320, 180, None]
    seconds = given["info"].seconds
    for frame in (0, 17, 60, 61, 99):
        tab.value(f"goTo({seconds[frame]})")
        wait_for_number(tab, frame)
    tab.value("goTo(0), video.play()")
    tab.wait("now > 0.3 && Math.abs(Number($('now').getAttribute('x1')) - xOf(now)) < 1e-6")
    tab.value("video.pause()")
    assert nothing_asked(tab, report, *([] if embedded else [tmp_path / "report.mp4"]))


def test_clicks_move_the_video(tab, report, given):
    ready(tab, report)
    left, top = tab.value("(() => { const box = chart.getBoundingClientRect(); return [box.left, box.top]; })()")
    x, y = tab.value("[xOf(3), yOf(0.9)]")
    tab.click(left + x, top + y)
    tab.wait("Math.abs(video.currentTime - 3) < 0.03 && !video.seeking")
    wait_for_number(tab, int(np.searchsorted(given["info"].seconds, tab.value("video.currentTime"), side="right")) - 1)
    assert tab.value("$('reading').textContent").startswith("0:03.0 · fused score")
    tab.click(*tab.value(CENTRE.format("$('events').rows[1].cells[5]")))
    tab.wait(f"Math.abs(video.currentTime - {given['events'][1].start}) < 0.01")
    assert tab.value("$('events').rows[1].classList.contains('present')")
    tab.click(*tab.value(CENTRE.format("$('events').rows[0].querySelectorAll('button')[1]")))
    tab.wait(f"Math.abs(video.currentTime - {given['events'][0].peak}) < 0.01")
    tab.value("$('heat').scrollIntoView()")
    tab.click(*tab.value(CENTRE.format("$('heat')")))
    tab.wait(f"Math.abs(video.currentTime - {given['end'] / 2}) < 0.05")


def test_keys_move_the_video(tab, report):
    ready(tab, report)
    tab.value("chart.focus()")
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    tab.press("ArrowLeft")
    tab.wait("!video.seeking")
    assert tab.value("now") == pytest.approx(1, abs=0.01)
    assert tab.value("chart.getAttribute('aria-valuetext')").startswith("0:01.0")
    tab.press("End")
    assert tab.value("finish - now") < 0.05


def test_a_video_that_is_gone_is_said(tab, given, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "EMBEDDED_AT_MOST", 1000)
    report = write_page(tmp_path / "report.html", **given)
    (tmp_path / "report.mp4").unlink()
    tab.open(report)
    tab.wait("!$('video-failed').hidden")
    assert_same(shown_events(tab), events_at(given, 0.6))


# --- what is drawn ----------------------------------------------------------------------------------------
def test_the_map_and_the_curve_have_the_colours_and_heights_of_the_numbers(tab, report, given):
    ready(tab, report)
    colours, best = tab.value("[data.colours, Math.max(...data.alignment.values.flat())]")
    snippet, category = np.unravel_index(given["alignment"].argmax(), given["alignment"].shape)
    middle = given["info"].seconds[16 * snippet] + 0.1
    pixel = tab.value(f"[...$('heat').getContext('2d').getImageData(xOf({middle}) - view.left, {category}, 1, 1).data]")
    assert pixel == [*bytes.fromhex(colours[-1][1:]), 255]
    assert f"{best:.2f}" == tab.value("$('hottest').textContent")
    assert tab.value("[...document.querySelectorAll('#names li')].map((item) => item.textContent)") == [*CATEGORIES]
    path = tab.value("document.querySelector('path.score').getAttribute('d')")
    heights = [float(height) for height in re.findall("M[0-9.]+ ([0-9.]+)|V([0-9.]+)", path) for height in height if height]
    zero, one = tab.value("[yOf(0), yOf(1)]")
    scores = [(zero - height) / (zero - one) for height in heights]
    assert scores == pytest.approx(given["frames"]["score"].tolist()[::16], abs=0.001)


def test_a_long_video_is_drawn_thin_but_its_events_are_exact(tab, tmp_path):
    frames = 90_000  # an hour
    score = np.random.default_rng(0).uniform(0, 0.4, frames)
    for start in range(1000, frames, 3000):
        score[start : start + 40] = 0.9
    info = VideoInfo(frames, 25.0, 640, 360, np.arange(frames) / 25)
    table, rule = pd.DataFrame({"seconds": info.seconds, "score": score}), EventRule(threshold=0.6)
    end = frames / 25
    events = find_events(table, rule, end=end)
    alignment = np.zeros((frames // 16, 2))
    alignment[4321, 1] = 0.5
    given = {"title": "hour", "video": None, "info": info, "frames": table, "events": events, "rule": rule, "end": end,
             "categories": CATEGORIES[:2], "alignment": alignment, "model_title": "m", "probabilities": None}  # fmt: skip
    tab.open(write_page(tmp_path / "report.html", **given))
    assert len(shown_events(tab)) == len(events) == 30
    assert tab.value("document.querySelectorAll('path').length") == 1
    path = tab.value("document.querySelector('path.score').getAttribute('d')")
    assert len(path) < 100_000
    lowest = tab.value("yOf(0.9).toFixed(1)")
    assert path.count(f"V{lowest}") >= 30  # no peak was thinned away
    reds = tab.value("[...$('heat').getContext('2d').getImageData(0, 1, $('heat').width, 1).data].filter((_, i) => i % 4 === 0)")
    assert sorted(reds)[-2:] == [0, 254] and len(reds) < 1300  # cividis: the one hot snippet of 5,625 is seen, the others are cold
    tab.value("setThreshold(0.399)")
    expected = find_events(table, EventRule(threshold=0.399), end=end)
    assert [event["start"] for event in shown_events(tab)] == [event.start for event in expected]
    tab.value("$('closer').scrollIntoView()")
    tab.click(*tab.value(CENTRE.format("$('closer')")))
    assert tab.value("view.to - view.from") == pytest.approx(1200, abs=0.1)
    tab.value(f"goTo({events[-1].start})")
    assert tab.value("view.from < now && now < view.to && view.to <= finish")
    assert nothing_asked(tab, tmp_path / "report.html")


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_windows(tab, report, given, tmp_path, width, dark):
    row = IndexRow("a long name of a video, camera 4.mp4", report, 3725.0, 2, 0.9, 61.5, given["frames"]["score"].to_numpy())
    index = write_index(tmp_path / "index.html", [row, IndexRow("bad" * 30, failure="word " * 50)])
    for path in (report, index):
        tab.open(path, width=width, dark=dark)
        assert tab.value("document.documentElement.scrollWidth <= innerWidth")
        ink, ground = tab.value("['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])")
        light = [sum(int(part) for part in colour[4:-1].split(",")) for colour in (ink, ground)]
        assert (light[0] > light[1]) == dark and abs(light[0] - light[1]) > 500
    ready(tab, report, width=width, dark=dark)
    boxes = {name: tab.value(f"(({name}) => {name}.getBoundingClientRect().toJSON())($('{name}'))")
             for name in ("video", "chart", "list", "cells")}  # fmt: skip
    assert boxes["video"]["height"] > 150 and boxes["chart"]["height"] > 150
    assert boxes["chart"]["top"] >= boxes["video"]["bottom"]
    assert (boxes["list"]["left"] > boxes["video"]["right"]) == (width == 1280)
    assert boxes["cells"]["left"] == pytest.approx(boxes["chart"]["left"] + tab.value("view.left"), abs=1)  # one time axis
    assert boxes["cells"]["right"] == pytest.approx(boxes["chart"]["right"] - tab.value("RIGHT"), abs=1)


# --- safety -----------------------------------------------------------------------------------------------
def test_the_page_forbids_itself_every_request(tab, report):
    ready(tab, report)
    assert tab.value("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


def test_names_do_not_run(tab, given, tmp_path):
    odd = "</script><img src=x onerror='window.ran = 1'><script>window.ran = 1</script>"
    names = {"title": odd, "model_title": odd, "threshold_note": odd, "categories": ("Normal", odd, odd + "2")}
    events = [event.__class__(**vars(event) | {"category": odd}) for event in given["events"]]
    report = write_page(tmp_path / "report.html", **given | names | {"events": events})
    index = write_index(tmp_path / "index.html", [IndexRow(odd, report), IndexRow(odd, failure=odd)], title=odd)
    for path, cell in ((report, "$('events').rows[0].cells[6]"), (index, "document.querySelector('#failures td')")):
        tab.open(path)
        assert tab.value("[document.querySelector('h1').textContent, window.ran, document.images.length]") == [odd, None, 0]
        assert tab.value(f"{cell}.textContent") == odd
        assert nothing_asked(tab, path)


# --- the index --------------------------------------------------------------------------------------------
def test_headings_sort_and_links_lead_to_reports(tab, report, tmp_path):
    folder = tmp_path / "cam #2 50%?"
    folder.mkdir()
    (folder / "report.html").write_text("<title>here</title>", encoding="utf-8")
    rows = [
        IndexRow("cam 10", folder / "report.html", 9.0, 3, 0.85, 5.0),
        IndexRow("cam 9", report, 70.0, 0, 0.3, None),
        IndexRow("Cam 1", report, 8.5, 12, 0.9, 61.0),
    ]
    index = write_index(tmp_path / "index.html", rows)
    tab.open(index)
    orders = []
    for column in (0, 0, 1, 2, 3, 4, 4):
        tab.click(*tab.value(CENTRE.format(f"headings[{column}].querySelector('button')")))
        orders.append(tab.value("[...body.rows].map((row) => row.cells[0].textContent).join()"))
    assert orders == [
        "Cam 1,cam 9,cam 10",
        "cam 10,cam 9,Cam 1",
        "cam 9,cam 10,Cam 1",
        "Cam 1,cam 10,cam 9",
        "Cam 1,cam 10,cam 9",
        "Cam 1,cam 10,cam 9",
        "cam 10,Cam 1,cam 9",
    ]
    assert nothing_asked(tab, index)
    tab.click(*tab.value(CENTRE.format("body.rows[0].querySelector('a')")))
    deadline = time.monotonic() + 20
    while tab.value("document.title") != "here":
        assert time.monotonic() < deadline
