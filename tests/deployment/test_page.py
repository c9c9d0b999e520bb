"""The report of a video and the index of a folder: what stands in the files. A browser opens them in test_page_in_browser.py."""

import base64
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import av
import numpy as np
import pytest
from page_examples import CATEGORIES, example, numbered_video

from vad_lib.data.video import probe, read_frames
from vad_lib.deployment import page
from vad_lib.deployment.page import IndexRow, write_index, write_page
from vad_lib.errors import ConfigError, DataError

ODD = "</script><script>alert(1)</script> \"quoted\" 'too' & {{data}} ${x} \u2028 \ud800 \U0001f3a5 \udcff.mp4"
URL = re.compile(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""")


class Words(HTMLParser):
    """The words of each element with an id, and of each heading."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: dict[str, str] = {}
        self.scripts = 0
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._inside.append(dict(attributes).get("id") or tag)
        self.scripts += tag == "script"

    def handle_endtag(self, tag):
        self._inside.pop()

    def handle_data(self, data):
        if self._inside:
            self.words[self._inside[-1]] = self.words.get(self._inside[-1], "") + data


def data_of(text: str) -> dict:
    return json.loads(Words(text).words["data"])


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return numbered_video(tmp_path_factory.mktemp("video") / "yard.mp4")


@pytest.fixture(scope="module")
def text(video, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert write_page(path, **example(video)) == path
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


# --- one file, no network ---------------------------------------------------------------------------------
def test_nothing_in_a_page_leads_to_a_network(text, tmp_path):
    index = write_index(tmp_path / "index.html", [IndexRow("yard", tmp_path / "yard" / "report.html")]).read_text(encoding="utf-8")
    for content in (text, index):
        assert not re.search("https?:|ftp:|wss?:|//[a-z]+[.]", re.sub('base64,[^"]*', "", content), re.IGNORECASE)
        assert {re.split("[:/]", place)[0] for place in URL.findall(content)} <= {"data", "."}
        assert "default-src 'none'" in content and "unsafe" not in content
    assert URL.findall('<img src="http://example.org/x.png">') == ["http://example.org/x.png"]  # so a link would be seen


def test_a_small_copy_stands_in_the_page(video, text):
    (coded,) = re.findall('src="data:video/mp4;base64,([^"]*)"', text)
    assert base64.b64decode(coded, validate=True) == video.read_bytes()
    with av.open(str(video)) as container:  # or players would cut the last frame off
        info = probe(video)
        assert container.duration / 1_000_000 == pytest.approx(info.seconds[-1] + 1 / info.fps, abs=0.03)


def test_a_video_above_the_limit_lies_beside_the_page(video, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "EMBEDDED_AT_MOST", 1000)
    content = write_page(tmp_path / "a b#1.html", **example(video)).read_text(encoding="utf-8")
    (source,) = re.findall('<video[^>]* src="([^"]*)"', content)
    assert source == "a%20b%231.mp4"
    assert sum(1 for _ in read_frames(tmp_path / unquote(source))) == probe(video).num_frames
    assert "keep both files in one folder" in content


def test_pictures_can_be_switched_off(video, tmp_path):
    content = write_page(tmp_path / "report.html", **example(video) | {"video": None}).read_text(encoding="utf-8")
    assert "<video" not in content and "data:video" not in content and "switched off" in content
    assert data_of(content)["pieces"]["score"]


# --- numbers ----------------------------------------------------------------------------------------------
def test_the_numbers_are_those_of_the_run(video, text):
    given, data = example(video), data_of(text)
    frames, pieces = given["frames"], data["pieces"]
    lengths = np.diff(pieces["frames"])
    assert np.repeat(pieces["score"], lengths).tolist() == frames["score"].tolist()  # exactly: the rule compares them
    assert pieces["edges"] == [*frames["seconds"].iloc[pieces["frames"][:-1]], given["end"]]
    assert len(pieces["score"]) < len(frames) / 4
    for name in ("visual", "semantic"):
        curve = data["curves"][name]
        places = np.searchsorted(curve["edges"], frames["seconds"] + 1e-3, side="right") - 1
        assert np.array(curve["values"])[places] == pytest.approx(frames[name].to_numpy(), abs=1e-4)
    assert data["alignment"]["values"] == pytest.approx(given["alignment"].round(4))
    assert data["alignment"]["edges"][1] == pytest.approx(frames["seconds"][16], abs=1e-3)
    assert (data["alignment"]["low"], data["alignment"]["high"]) == pytest.approx(
        (given["alignment"].min(), given["alignment"].max()), abs=1e-4
    )
    assert [event["start"] for event in data["events"]] == [event.start for event in given["events"]]
    assert data["rule"] == given["rule"].model_dump()
    assert len(set(data["colours"])) == 64


def test_the_words_of_a_page(video, tmp_path):
    note = "9 frames are interlaced; both fields are kept, line by line as stored."
    given = example(video)
    given["info"] = given["info"].__class__(**vars(given["info"]) | {"notes": (note,)})
    content = write_page(tmp_path / "report.html", **given).read_text(encoding="utf-8")
    assert note in content
    for words in (
        "The small model",
        "0.600 (calibrated on normal footage)",
        "below 0.480, 80% of the threshold",
        "not a probability",
    ):
        assert words in content


# --- names of any kind ------------------------------------------------------------------------------------
def test_names_cannot_become_code(video, tmp_path):
    given = example(video) | {"title": ODD, "model_title": ODD, "threshold_note": ODD, "categories": ("Normal", ODD, "c")}
    content = write_page(tmp_path / "report.html", **given).read_text(encoding="utf-8")
    read = Words(content)
    shown = ODD.replace("\udcff", "\ufffd").replace("\ud800", "\ufffd")
    assert read.scripts == 2 and read.words["h1"] == shown and shown in read.words["title"]
    assert json.loads(read.words["data"])["categories"][1] == shown


def test_names_in_an_index(tmp_path):
    report = tmp_path / '50% #1 "a"?' / "report.html"
    rows = [IndexRow(ODD, report, 3.0, 1, 0.5, 1.0, np.array([0.1, 0.5])), IndexRow(ODD, failure=f"{ODD}: no frames")]
    content = write_index(tmp_path / "index.html", rows, title=ODD).read_text(encoding="utf-8")
    assert Words(content).scripts == 1
    (link,) = re.findall('<a href="([^"]*)"', content)
    assert tmp_path / unquote(link) == report and "#" not in link and "?" not in link


# --- the index of a folder --------------------------------------------------------------------------------
def test_failed_videos_stand_at_the_end_with_their_reasons(tmp_path):
    rows = [IndexRow("bad", failure="truncated"), IndexRow("good", tmp_path / "good" / "report.html", 3725.0, 2, 0.876, 61.5)]
    content = write_index(tmp_path / "index.html", rows).read_text(encoding="utf-8")
    assert content.index("good") < content.index("Not scored") < content.index("bad") < content.index("truncated")
    for words in ("1:02:05.0", ">2<", "0.88", "1:01.5", "1 video, 1:02:05 in all · 2 events · 1 failed"):
        assert words in content


def test_the_small_curve_of_a_long_video_is_short_and_keeps_its_peak(tmp_path):
    scores = np.full(90_000, 0.125)
    scores[70_001] = 1.0
    row = IndexRow("long", tmp_path / "report.html", 3600.0, 0, 1.0, None, scores)
    content = write_index(tmp_path / "index.html", [row]).read_text(encoding="utf-8")
    (path,) = re.findall('<path d="([^"]*)"', content)
    heights = [float(height) for height in re.findall("V([0-9.]+)", path)]
    assert len(heights) == page.SPARK_POINTS
    assert heights.count(1.0) == 1 and heights.index(1.0) == 70_001 * page.SPARK_POINTS // 90_000
    assert set(heights) == {1.0, 22.0}


# --- refused ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda given: {"frames": given["frames"][:-1]}, "got 99"),
        (lambda given: {"probabilities": given["probabilities"][:, 1:]}, r"probabilities of shape \(100, 3\), got \(100, 2\)"),
        (lambda given: {"alignment": given["alignment"][:, 1:]}, r"alignment of shape \(7, 3\), got \(7, 2\)"),
        (lambda given: {"alignment": given["alignment"][:-2]}, "7 snippet scores of 16 frames, got 5"),
    ],
)
def test_lengths_that_do_not_agree(video, tmp_path, change, words):
    given = example(video)
    assert len(given["categories"]) == len(CATEGORIES) == 3
    with pytest.raises(DataError, match=words):
        write_page(tmp_path / "report.html", **given | change(given))
    assert not list(tmp_path.iterdir())


def test_the_copy_never_takes_the_place_of_the_video(tmp_path):
    video = numbered_video(tmp_path / "report.mp4")
    before = video.read_bytes()
    with pytest.raises(ConfigError, match="choose another folder"):
        write_page(tmp_path / "report.html", **example(video))
    assert video.read_bytes() == before
