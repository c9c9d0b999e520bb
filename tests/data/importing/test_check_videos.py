"""What a check says of video files: broken ones, names that extraction would not find, and frames that do not fit the list."""

import os
import shutil
import sys
import unicodedata
from pathlib import Path

import av
import numpy as np
import pytest
from importing_folders import HEADER, OwnFolder, found
from numbered_videos import write_numbered

from vad_lib.config import FeatureSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.data.extraction import extract_dataset
from vad_lib.data.importing.import_record import videos_folder
from vad_lib.data.importing.raw_videos import look_at
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.data.video_files import find_videos
from vad_lib.errors import DataError

CASES = Path(__file__).parents[2] / "cases"
# 17 frames each; what the six broken ones are is up to the tests
GOOD = (
    "g0,train,Fight,17,\ng1,train,Normal,17,\ng2,train,Fight,17,\ng3,train,Normal,17,\ng4,test,Normal,17,\ng5,test,Fight,17,3-9\n"
)
SETTINGS = ImportSettings(dataset="mine")
needs_bytes = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names of files are text there")


@pytest.fixture
def good(folder) -> OwnFolder:
    for number in range(6):
        folder.video(f"g{number}.mp4")
    return folder.list(HEADER + GOOD)


def audio_only(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def noise(path):
    path.write_bytes(np.random.default_rng(1).bytes(9000))


def cut_in_half(path):
    shutil.copy(path.with_name("g0.mp4"), path)
    os.truncate(path, path.stat().st_size // 2)


BROKEN = {
    "empty": (lambda path: path.touch(), "expected a video, the file is empty (0 bytes); get or render it again"),
    "noise": (noise, "expected a video, but it cannot be opened (Invalid data"),
    "cut": (cut_in_half, "truncated: the header promises 17 frames, "),
    "audio": (audio_only, "expected a video, the file holds only audio; leave it out with --partial"),
    "folder": (lambda path: path.mkdir(), "no file has this name, but folder.mp4 is a folder; put the file into its place"),
    "text": (lambda path: path.write_text("hello"), "expected a video, but it cannot be opened (Invalid data"),
    "picture": (lambda path: shutil.copy(CASES / "interlaced" / "expected_frame0.png", path), "it cannot be opened"),
    "playlist": (lambda path: path.write_text("ffconcat version 1.0\nfile g0.mp4\n"), "it cannot be opened"),
    "nothing": (lambda path: None, "listed videos have no file (nothing)"),
    "other_kind": (lambda path: noise(path.with_suffix(".divx")), "but other_kind.divx is there, and endings of videos are .mp4,"),
    "download": (
        lambda path: noise(path.with_suffix(".mp4.part")),
        "but download.mp4.part is there, and endings of videos are .mp4,",
    ),
}


def with_broken(folder, names):
    lines = "".join(f"{name},train,Normal,17,\n" for name in names)
    folder.list(HEADER + GOOD + lines)
    for name in names:
        BROKEN[name][0](folder.path / "videos" / f"{name}.mp4")


@pytest.mark.parametrize("name", BROKEN)
def test_each_kind_of_broken_video_is_named_with_its_reason(good, name):
    with_broken(good, [name])
    (problem,) = good.check().problems
    assert BROKEN[name][1] in problem and name in problem


def test_all_broken_videos_are_named_in_one_pass_by_both_commands(good):
    names = ["empty", "noise", "cut", "audio", "folder", "text"]
    with_broken(good, names)
    problems = good.check().problems
    assert len(problems) == 6
    for name in names:
        assert sum(name in problem.partition("videos/")[2] or f"video {name}:" in problem for problem in problems) == 1
    with pytest.raises(DataError) as error:
        import_dataset(good.path, None, SETTINGS, progress=False)
    assert all(problem in str(error.value) for problem in problems)


def test_the_others_stay_usable(good, tmp_path):
    with_broken(good, list(BROKEN))
    (problem,) = good.check(partial=True).problems
    assert "the imported list would differ from" in problem and problem.endswith("give another folder with --out.")
    out = tmp_path / "out"
    checked = good.check(partial=True, out=out)
    assert checked.problems == () and sum("video" in warning for warning in checked.warnings) >= len(BROKEN) - 1
    import_dataset(good.path, out, SETTINGS.replace(partial=True), progress=False)
    dataset = load_dataset(out, features=False)
    names = [record.name for record in dataset.videos.records]
    assert names == [f"g{number}" for number in range(6)]
    assert dataset.info.note == "partial: 2 of 2 test videos, 4 of 15 training videos"
    # extraction finds the videos of the new data set where they are
    settings = FeatureSettings(short_side=32, crop_size=32, num_crops=1, weights="random")
    report = extract_dataset(videos_folder(out), names, out / "store", settings, progress=False)
    assert report.failures == {} and report.store.videos == tuple(names)
    assert load_dataset(out).store.num_snippets("g0") == 2


def test_nothing_usable_is_an_error_even_for_a_part(good):
    for path in (good.path / "videos").iterdir():
        path.write_bytes(b"")
    problems = good.check(partial=True).problems
    assert problems == ("no listed video can be used; put right what is said above.",)


@pytest.mark.parametrize("case", ["bad_p", "bad_gop"])
def test_damage_inside_is_found_by_decoding(good, case):
    shutil.copy(CASES / "corrupt_one_frame" / f"{case}.mp4", good.path / "videos")
    good.list(HEADER + GOOD + f"{case},train,Normal,100,\n")
    assert found(good.check(), "video-special") == []
    lost = {"bad_p": "1 of 100 frames are damaged", "bad_gop": "10 of 100 frames are damaged"}[case]
    (said,) = found(good.check(decode=True), "video-special")
    assert said.startswith("warning: ") and lost in said


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4"), ("flv", "libx264"), ("webm", "libvpx-vp9")]
)
def test_a_video_that_was_cut_off_is_found_without_decoding_all_of_it(good, container, codec):
    options = {"movflags": "faststart"} if container == "mp4" else {}
    quickly = {"deadline": "realtime", "cpu-used": "8"} if container == "webm" else {}
    target = write_numbered(good.path / "videos" / f"long.{container}", 120, codec, container=options, **quickly)
    good.list(HEADER + GOOD + "long,train,Normal,120,\n")
    assert look_at(target, "begin").problem is None and good.check().problems == ()
    os.truncate(target, target.stat().st_size // 2)
    (problem,) = good.check().problems
    assert "truncated: the header promises" in problem and str(target) in problem


# --- names ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "place", ["deep.mp4", "deep.MP4", "deep.Mkv", "x/deep.mp4", "x/y/deep.MOV", "x/y/z/deep.mp4", "1/2/3/4/5/6/7/8/deep.mp4"]
)
def test_what_a_check_finds_extraction_finds_too(good, place):
    made = good.video("made.mp4")
    target = made.parent / place
    target.parent.mkdir(parents=True, exist_ok=True)
    made.rename(target)
    good.list(HEADER + GOOD + "deep,train,Normal,17,\n")
    checked = good.check()
    assert (checked.problems, checked.missing, checked.surplus) == ((), (), ())
    assert find_videos(good.path / "videos", ["deep"]) == ({"deep": target}, {})


NOT_FOUND = {
    "Deep.mp4": "Deep.mp4 is there, written in another way",
    "de ep.mp4": "de ep.mp4 is there, written in another way",
    "deep_x264.mp4": "deep_x264.mp4 is there, written in another way",
    "deep.mp4.mp4": "deep.mp4.mp4 is there, written in another way",
    "deep.mpeg4": "deep.mpeg4 is there, and endings of videos are",
}


@pytest.mark.parametrize("name", NOT_FOUND)
def test_names_that_extraction_would_not_find(good, name):
    good.video("made.mp4").rename(good.path / "videos" / name)
    good.list(HEADER + GOOD + "deep,train,Normal,17,\n")
    checked = good.check()
    assert find_videos(good.path / "videos", ["deep"])[0] == {}
    (said,) = found(checked, "video-name")
    assert f"error: video deep: no file has this name, but {NOT_FOUND[name]}" in said and len(checked.problems) == 1


def test_the_case_of_an_ending_in_capitals(good):
    shutil.copy(CASES / "upper_case_ext" / "UP.MP4", good.path / "videos")
    good.list(HEADER + GOOD + "UP,train,Normal,25,\n")
    assert good.check().problems == ()


def test_a_listed_ending_is_told(good):
    good.list(HEADER + GOOD.replace("g0,", "g0.mp4,"))
    (problem,) = good.check().problems
    assert problem.startswith("video g0.mp4: no file has this name, but g0.mp4 is there; list it without its ending, or leave")


def test_umlauts_in_two_forms(good):
    composed = unicodedata.normalize("NFC", "Übung")
    good.video(f"{unicodedata.normalize('NFD', composed)}.mp4")
    good.list(HEADER + GOOD + f"{composed},train,Normal,17,\n")
    checked = good.check()
    if checked.problems:  # some file systems make the two one
        assert "is there, written in another way; rename one" in checked.problems[0]


def test_one_name_for_two_files(good):
    shutil.copy(good.path / "videos" / "g0.mp4", good.path / "videos" / "g0.mkv")
    (problem,) = good.check().problems
    assert problem.startswith("video g0: ") and "several videos have this name (g0.mkv, g0.mp4)" in problem


def test_one_file_under_two_names(good):
    shutil.copy(good.path / "videos" / "g0.mp4", good.path / "videos" / "copy.mp4")
    good.list(HEADER + GOOD + "copy,test,Fight,17,3-9\n")
    (said,) = found(good.check(), "video-twice")
    assert said.startswith("warning: the same file under several names: g0.mp4, copy.mp4")


@needs_bytes
@pytest.mark.parametrize("name", [b"bad\xff.mp4", b"\xe9t\xe9.mkv", b"\xff.mp4"])
def test_a_name_that_is_no_text_is_named(good, name, capsys):
    shutil.copy(good.path / "videos" / "g0.mp4", os.path.join(os.fsencode(good.path / "videos"), name))
    checked = good.check()
    assert checked.problems == ()
    (said,) = found(checked, "file-name")
    assert r"\x" in said and "the name is no UTF-8 text, so no list can name it; rename it" in said
    str(checked).encode()
    import_dataset(good.path, None, SETTINGS)
    assert r"\x" in capsys.readouterr().out


@needs_bytes
def test_a_folder_whose_name_is_no_text(good):
    folder = os.path.join(os.fsencode(good.path / "videos"), b"caf\xe9")
    os.mkdir(folder)
    (good.path / "videos" / "g0.mp4").rename(os.path.join(os.fsdecode(folder), "g0.mp4"))
    assert good.check(decode=True).problems == ()
    assert import_dataset(good.path, None, SETTINGS, progress=False).changed


def test_a_relative_path_that_looks_like_an_address(good, monkeypatch):
    names = ("cam:1", "http:", "file:2", ":3", "a?b=c", "%41", "rtsp:x")
    for name in names:
        good.video(f"{name}.mp4")
    listed = "".join(f"{name},train,Normal,17,\n" for name in names)
    good.list(HEADER + GOOD + listed)
    monkeypatch.chdir(good.path / "videos")
    assert look_at(Path("cam:1.mp4"), "all").frames == 17
    monkeypatch.chdir(good.path.parent)
    good.path = Path("mine")
    assert good.check(decode=True).problems == ()


# --- frames -----------------------------------------------------------------------------------------
def counted(folder, off):
    """The same videos, listed with more or fewer frames: 30 of them, so that n - 1 to n + 1 are two snippets."""
    names = [line.partition(",")[0] for line in GOOD.splitlines()]
    for name in names:
        folder.video(f"{name}.mp4", frames=30)
    folder.list(HEADER + GOOD.replace(",17,", f",{30 + off},"))
    return folder.check()


@pytest.mark.parametrize(
    ("off", "words"),
    [(-1, "n-1 for 6 videos (the last frame has no label"), (0, "n for 6 videos (every frame has its label)"),
     (1, "n+1 for 6 videos (the label behind the last frame")],
)  # fmt: skip
def test_the_list_s_way_of_counting_is_said(folder, off, words):
    checked = counted(folder, off)
    assert (checked.problems, len(found(checked, "frame-counting"))) == ((), 1)
    assert words in found(checked, "frame-counting")[0] and "mask rule frames gives every listed frame a label" in checked.notes[0]


def test_mixed_counting_is_said_in_numbers(good):
    text = GOOD.replace("g0,train,Fight,17", "g0,train,Fight,18").replace("g1,train,Normal,17", "g1,train,Normal,20")
    (said,) = found(good.list(HEADER + text).check(), "frame-counting")
    assert "the list counts n for 4 videos (every frame has its label), n+1 for 1 videos" in said and "another number for 1" in said


@pytest.mark.parametrize(("listed", "snippets"), [(16, 1), (33, 3), (34, 3), (400, 25), (1, 1)])
def test_a_wrong_number_of_frames_is_an_error_with_the_right_one(good, listed, snippets):
    checked = good.list(HEADER + GOOD.replace("g1,train,Normal,17", f"g1,train,Normal,{listed}")).check()
    assert checked.problems == (
        f"video g1: listed with {listed} frames, its file has 17; that is 2 snippets, not {snippets}; correct n_frames to 17.",
    )


@pytest.mark.parametrize(("file", "frames"), [("vfr3.mkv", 120), ("drop.mkv", 34), ("screen2.webm", 72)])
def test_headers_that_estimate_do_not_decide(good, file, frames):
    """Headers of variable-rate files promise other numbers; such a video is decoded before anything is said."""
    shutil.copy(CASES / "vfr_mkv_webm" / file, good.path / "videos")
    line = f"{Path(file).stem},train,Normal,{{}},\n"
    assert good.list(HEADER + GOOD + line.format(frames)).check().problems == ()
    (problem,) = good.list(HEADER + GOOD + line.format(frames + 40)).check().problems
    assert f"its file has {frames}; " in problem and problem.endswith(f"correct n_frames to {frames}.")


def test_a_stream_whose_header_promises_nothing_is_counted(folder):
    path = folder.path / "videos" / "raw.h264"
    path.parent.mkdir()
    write_numbered(path, 21, format="h264")
    assert look_at(path, "begin").frames == look_at(path, "all").frames == 21


def test_an_interval_behind_the_last_frame_of_a_video(good):
    (problem,) = good.list(HEADER + GOOD.replace("3-9", "3-99")).check().problems
    assert problem.startswith("video g5: an interval ends at frame 99, the video has 17; correct the interval or n_frames")
