"""The page in a real browser, opened from disk: what a person sees and does, and that its numbers are those of Python."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import Tab, browser
from numbered_videos import shown_number

from vad_lib.evaluation.alarms import false_alarms_per_hour
from vad_lib.evaluation.score_arrays import scored_videos_of
from vad_lib.explorer.page import write_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser() is None, reason="no browser with the DevTools protocol on this machine, such as chromium"),
]

SECONDS = 100 / 25  # of an abnormal video


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    return write_page(folder, tmp_path_factory.mktemp("page") / "site")


@pytest.fixture(scope="module")
def first(folder):
    return json.loads((folder / "first.json").read_text())


def ready(tab: Tab, page: Path, fragment: str = "", **window) -> None:
    tab.open(page, fragment, **window)
    tab.value("window.$ = (selector) => document.querySelector(selector); void 0")


def plays(tab: Tab) -> bool:
    """Whether this browser shows H.264; some are built without it."""
    tab.wait("$('video').readyState >= 2 || $('video').error || !$('.failed').hidden")
    return tab.value("$('video').readyState >= 2")


def focus(tab: Tab) -> None:
    tab.value("$('.chart').focus()")


def place(tab: Tab, selector: str, share: float, height: float = 0.5) -> tuple[float, float]:
    """A point at this share of the drawn time, in the window, after scrolling there."""
    tab.value(f"$('{selector}').scrollIntoView({{block: 'center'}})")
    box = tab.value(f"$('{selector}').getBoundingClientRect().toJSON()")
    lines = tab.value("$('.cells').getBoundingClientRect().toJSON()")
    return lines["left"] + share * lines["width"], box["top"] + height * box["height"]


# --- the same numbers in Python --------------------------------------------------------------------------
def expected_counts(data: dict, method: str, seed: int, threshold: float, w: float | None, smooth: bool, only: str = "") -> dict:
    """Recall and precision by frames that are written out; false alarms by the function that notebook 06 uses."""
    [runs] = [each["runs"] for each in data["methods"] if each["name"] == method]
    [run] = [each for each in runs if each["seed"] == seed]
    videos = [video for video in data["videos"] if only in ("", video["name"])]
    scores, labels = [], []
    for video in videos:
        curves = {name: np.array(values) for name, values in run["videos"][video["name"]].items()}
        score = curves["score"]
        if w is not None and "visual" in curves:
            score = rounded(w * np.round(1000 * curves["visual"]) + (1 - w) * np.round(1000 * curves["semantic"]))
        scores.append(moving_average(score) if smooth else score)
        label = np.zeros(video["frames"], dtype=np.uint8)
        for event in video["events"]:
            label[event["start"] : event["end"]] = 1
        labels.append(label)
    arrays = {
        "videos": np.array([video["name"] for video in videos]),
        "categories": np.array(data["categories"]),
        "video_categories": np.array([video["category"] if video["abnormal"] else "Normal" for video in videos]),
        "num_snippets": np.array([len(score) for score in scores]),
        "num_frames": np.array([video["frames"] for video in videos]),
        "labels": np.concatenate(labels),
        "score": np.concatenate(scores),
    }
    scored = scored_videos_of(arrays, {"title": method, "seed": seed})
    alarm = np.repeat(arrays["score"] >= threshold, scored.abnormal + scored.normal)
    truth = arrays["labels"] == 1
    per_hour = false_alarms_per_hour(scored, threshold, data["fps"])
    return {
        "recall": (alarm & truth).sum() / truth.sum() if truth.any() else None,
        "precision": (alarm & truth).sum() / alarm.sum() if alarm.any() else None,
        "falseAlarms": round(per_hour * (~truth).sum() / data["fps"] / 3600),
        "perHour": per_hour,
    }


def rounded(thousandths: np.ndarray) -> np.ndarray:
    """Scores of three decimals; halves go up."""
    return np.floor(thousandths + 0.5) / 1000


def moving_average(score: np.ndarray) -> np.ndarray:
    """Sums of five by convolution, over the number of scores that are there."""
    sums = np.rint(np.convolve(np.round(1000 * score), np.ones(5), "same"))
    return rounded(sums / np.rint(np.convolve(np.ones(len(score)), np.ones(5), "same")))


def shown_counts(tab: Tab, of: str) -> dict:
    names = ("recall", "precision", "falseAlarms", "perHour")
    values = tab.value(f"{json.dumps(names)}.map((name) => $(`[data-count=${{name}}-{of}]`).value)")
    return {name: float(value) if value else None for name, value in zip(names, values)}


def shown_curve(tab: Tab, name: str) -> list[float]:
    """Scores read off the drawn line, from its heights."""
    path = tab.value(f"$('.lines .{name}').getAttribute('d')")
    heights = [float(y) for y in re.findall(r"(?:^M\S+ |V)([\d.]+)", path)]
    return [1 - (y - 16) / (200 - 16 - 28) for y in heights]


# --- numbers ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["plain", "both"])
def test_counts_are_those_of_python_at_every_threshold(tab, page, first, method):
    ready(tab, page, f"#method={method}&seed=2")
    seen = set()
    for w in (None, 1.0, 0.35) if method == "both" else (None,):
        for smooth in (False, True):
            tab.value(f"model.set('w', {json.dumps(w)}), model.set('smoothing', {json.dumps(smooth)})")
            for threshold in (0.0, 0.237, 0.4, 0.5, 0.712, 0.93, 1.0):
                tab.value(f"model.set('threshold', {threshold})")
                for of, only in (("all", ""), ("one", "test_Fire_000")):
                    expected = expected_counts(first, method, 2, threshold, w, smooth, only)
                    assert shown_counts(tab, of) == pytest.approx(expected, abs=1e-9), (w, smooth, threshold, of)
                    seen.add(json.dumps(expected))
    assert len(seen) > 10


def test_a_video_without_events_has_no_recall(tab, page):
    ready(tab, page, "#video=test_Fire_001&threshold=1")
    assert tab.value("$('[data-count=recall-one]').textContent") == "none"
    assert tab.value("$('[data-count=falseAlarms-one]').textContent") == "0"


def test_w_of_one_gives_the_visual_curve_and_zero_the_semantic_one(tab, page, first):
    ready(tab, page, "#method=both&seed=3&w=1")
    curves = first["methods"][1]["runs"][1]["videos"]["test_Fire_000"]
    assert shown_curve(tab, "score") == pytest.approx(curves["visual"], abs=1e-3)
    tab.value("$('[name=w]').value = 0, $('[name=w]').oninput()")
    assert shown_curve(tab, "score") == pytest.approx(curves["semantic"], abs=1e-3)
    assert tab.value("$('.mix output').textContent") == "0.00"
    tab.value("$('[name=learned]').click()")
    assert shown_curve(tab, "score") == pytest.approx(curves["score"], abs=1e-3)
    assert tab.value("$('.mix output').textContent") == "0.30, as learned"


def test_smoothing_is_a_centred_mean_that_shrinks_at_the_ends(tab, page, first):
    ready(tab, page, "#method=both&seed=2")
    tab.value("$('[name=smoothing]').click()")
    for name, values in first["methods"][1]["runs"][0]["videos"]["test_Fire_000"].items():
        if name != "alignment":
            assert shown_curve(tab, name) == pytest.approx(moving_average(np.array(values)), abs=1e-3)
    assert "mean of 5 snippets (3.2 s)" in tab.value("$('.check').textContent")


def test_a_mean_of_equal_scores_at_the_threshold_is_an_alarm(tab, page):
    ready(tab, page)
    for score in (0.1, 0.3, 0.7):  # whose sums in binary fractions do not give back the score
        assert tab.value(f"smoothed([{score}, {score}, {score}, {score}]).every((score) => isAlarm(score, {score}))")
        assert tab.value(f"fused({{visual: [{score}], semantic: [{score}]}}, 0.37)") == [score]


def test_the_table_holds_the_curves(tab, page, first):
    ready(tab, page, "#method=both&seed=2")
    rows = tab.value("[...$('.table tbody').rows].map((row) => [...row.cells].map((cell) => cell.textContent))")
    curves = first["methods"][1]["runs"][0]["videos"]["test_Fire_000"]
    columns = [curves[name] for name in ("score", "visual", "semantic")]
    assert [[float(row[3 + k]) for row in rows] for k in range(3)] == columns
    assert [row[6] for row in rows] == ["alarm" if score >= 0.5 else "no alarm" for score in curves["score"]]
    assert [row[7] for row in rows] == ["normal", "normal", "Fire", "Fire", "normal", "normal", "normal"]
    nearest = [first["categories"][int(np.argmax(cosines))] for cosines in curves["alignment"]]
    assert [row[8] for row in rows] == nearest
    assert rows[-1][1:3] == ["0:03.8", "0:04.0"]


# --- looking and going -----------------------------------------------------------------------------------
def test_a_click_and_a_drag_on_curves_or_map_go_there(tab, page):
    ready(tab, page, "#method=both")
    width = tab.value("$('.cells').getBoundingClientRect().width")
    for selector in (".chart", ".cells canvas"):
        tab.click(*place(tab, selector, 0.25))
        assert tab.value("model.get('time')") == pytest.approx(0.25 * SECONDS, abs=2 * SECONDS / width)
        x, y = place(tab, selector, 0.1)
        tab.click(x, y, to=(x + 0.5 * width, y))
        assert tab.value("model.get('time')") == pytest.approx(0.6 * SECONDS, abs=2 * SECONDS / width)
    if plays(tab):  # the video goes to one place at a time, so it comes to the last one a little later
        tab.wait("!$('video').seeking && Math.abs($('video').currentTime - model.get('time')) < 0.01")
    assert tab.value("$('.reading').textContent").startswith("0:02.")


def test_the_picture_is_the_frame_at_the_cursor(tab, page):
    ready(tab, page)
    if not plays(tab):
        pytest.skip("this browser cannot play H.264")
    for frame in (0, 37, 64, 99):
        tab.value(f"model.set('time', {frame / 25})")
        tab.wait("!$('video').seeking && $('video').readyState >= 2")
        for _ in range(100):
            if (shown := shown_number(tab)) == frame:
                break
        assert shown == frame


def test_keys_go_by_snippets_and_move_the_threshold(tab, page):
    ready(tab, page)
    focus(tab)
    expected = [("ArrowRight", 0.64), ("ArrowRight", 1.28), ("ArrowLeft", 0.64), ("PageDown", 3.84), ("PageUp", 0.64), ("End", 4.0)]
    for key, seconds in [*expected, ("ArrowLeft", 3.84), ("Home", 0.0), ("ArrowLeft", 0.0)]:
        tab.press(key)
        assert tab.value("model.get('time')") == pytest.approx(seconds), key
        assert float(tab.value("$('.chart').getAttribute('aria-valuenow')")) == pytest.approx(seconds, abs=0.006)
    for key, threshold in (("ArrowUp", 0.51), ("ArrowDown", 0.5), ("ArrowDown", 0.49)):
        tab.press(key)
        assert tab.value("model.get('threshold')") == threshold
    tab.press("1")
    assert tab.value("[model.get('method'), $('[name=method]').value, model.get('seed')]") == ["plain", "plain", 2]


def test_space_plays_and_the_cursor_follows(tab, page):
    ready(tab, page)
    if not plays(tab):
        pytest.skip("this browser cannot play H.264")
    focus(tab)
    tab.press(" ")
    tab.wait("model.get('time') > 0.5")
    tab.press(" ")
    tab.wait("$('video').paused")
    assert tab.value("model.get('time')") == pytest.approx(tab.value("$('video').currentTime"), abs=0.05)
    now, left = (float(tab.value(f"$('{line}').getAttribute('x1')")) for line in ("line.now", ".grid line"))
    assert now > left


def test_the_cursor_follows_the_controls_of_the_video(tab, page):
    ready(tab, page)
    if not plays(tab):
        pytest.skip("this browser cannot play H.264")
    tab.wait("$('video').readyState >= 2")
    tab.value("$('video').currentTime = 1.5")
    tab.wait("Math.abs(model.get('time') - 1.5) < 0.01")
    assert tab.value("$('video').paused")


def test_the_line_of_the_threshold_can_be_dragged(tab, page):
    ready(tab, page)
    x, _ = place(tab, ".chart", 0.5)
    box, knob = (tab.value(f"$('{name}').getBoundingClientRect().toJSON()") for name in (".chart", ".knob"))
    tab.click(x, knob["top"] + knob["height"] / 2, to=(x, box["top"] + 16 + 0.2 * 156))
    assert tab.value("model.get('threshold')") == pytest.approx(0.8, abs=0.011)
    assert tab.value("[$('[name=threshold]').value, model.get('time')]") == [str(tab.value("model.get('threshold')")), 0]


def test_a_screen_reader_is_told_where_one_is_and_whether_it_is_an_alarm(tab, page, first):
    ready(tab, page, "#method=both&seed=2")
    focus(tab)
    tab.press("End")
    tab.press("ArrowLeft")
    score = first["methods"][1]["runs"][0]["videos"]["test_Fire_000"]["score"][6]
    words = tab.wait("$('[aria-live=polite]').textContent")
    assert words.startswith("0:03.8 of 0:04.0, snippet 7 of 7") and ("no alarm" in words) == (score < 0.5)
    assert tab.value("$('.chart').getAttribute('aria-valuetext')") == words


def test_videos_are_grouped_with_their_look_alikes(tab, page):
    ready(tab, page)
    words = "[group.label, ...[...group.children].map((option) => option.textContent)]"
    groups = tab.value(f"[...$('[name=video]').children].map((group) => {words})")
    assert groups == [
        ["Fire", "Fire 000, abnormal", "Normal 001, look-alike of Fire"],
        ["Crash & run", "Crash & run 000, abnormal", "Normal 001, look-alike of Crash & run"],
    ]


def choose(tab: Tab, name: str, value: str) -> None:
    tab.value(f"$('[name={name}]').value = '{value}', $('[name={name}]').onchange()")


def test_every_choice_shows_what_it_says_and_nothing_else_is_asked_for(tab, page):
    ready(tab, page)
    tab.wait("$('video').readyState >= 1 || $('video').error")
    choose(tab, "video", "test_Crash_001")
    tab.wait("$('video').src.endsWith('explorer/first/test_Crash_001.mp4')")
    assert tab.value("document.querySelectorAll('.truth rect').length") == 1  # that of the legend
    choose(tab, "method", "plain")
    assert tab.value("[$('[name=w]').disabled, $('.cells').hidden, document.querySelectorAll('.lines path').length]") == [
        True,
        True,
        1,
    ]
    choose(tab, "seed", "1")
    choose(tab, "dataset", "second")
    state = tab.value("['dataset', 'video', 'method', 'seed'].map((name) => [model.get(name), $(`[name=${name}]`).value])")
    assert state == [["second"] * 2, ["test_Fight_000"] * 2, ["both"] * 2, [2, "2"]]
    tab.wait("$('video').readyState >= 1 || $('video').error")
    names = ("first/test_Fire_000.mp4", "first/test_Crash_001.mp4", "second/test_Fight_000.mp4")
    videos = [page.parent / "explorer" / name for name in names]
    asked = {url for url in tab.requests if not url.startswith("data:image/svg+xml")}  # the browser's own pictures of buttons
    assert asked == {path.resolve().as_uri() for path in (page, *videos)}
    assert tab.complaints == []


def test_a_video_that_does_not_play_leaves_the_curves(tab, folder, tmp_path):
    page = write_page(folder, tmp_path)
    (tmp_path / "explorer" / "first" / "test_Fire_000.mp4").write_bytes(b"no video")
    ready(tab, page)
    tab.wait("!$('.failed').hidden")
    tab.click(*place(tab, ".chart", 0.5))
    assert tab.value("model.get('time')") == pytest.approx(2.0, abs=0.05)
    focus(tab)
    tab.press("ArrowRight")
    assert tab.value("model.get('time')") == pytest.approx(2.56)


# --- for everybody ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_whole_and_axe_finds_no_grave_fault(tab, page, width, dark):
    ready(tab, page, "#method=both", width=width, height=844, dark=dark)
    tab.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.value("document.documentElement.scrollWidth") <= width
    boxes = tab.value("[...document.querySelectorAll('.vad-explorer :is(select, input, button, svg.chart, canvas, video, p)')]"
                      ".filter((each) => !each.matches('.live')).map((each) => each.getBoundingClientRect().right)")  # fmt: skip
    assert max(boxes) <= width
    assert tab.grave_faults() == []
    assert tab.complaints == []


def test_tab_reaches_every_control_in_the_order_of_the_page(tab, page):
    ready(tab, page, "#method=both&w=0.5")
    tab.value("$('video').controls = false; 0")
    names = []
    for _ in range(11):
        tab.press("Tab")
        names.append(tab.value("document.activeElement.name || document.activeElement.getAttribute('class') || ''"))
        assert tab.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
    wanted = ["dataset", "video", "method", "seed", "threshold", "w", "learned", "smoothing", "chart"]
    assert [name for name in names if name in wanted] == wanted


def test_the_theme_of_the_notebook_decides_where_there_is_one(tab, page):
    ready(tab, page)
    background = "getComputedStyle($('.vad-explorer')).backgroundColor"
    light = tab.value(background)
    tab.value("document.body.dataset.jpThemeLight = 'false'")  # as JupyterLab says that its theme is dark
    assert (light, tab.value(background)) == ("rgb(255, 255, 255)", "rgb(22, 24, 26)")
