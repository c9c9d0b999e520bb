"""Lists as people write them: what has one plain meaning is read, all else is refused by line and column."""

import pytest

from vad_lib.data.annotations import VideoRecord, read_list, read_video_csv, record_of
from vad_lib.data.hand_made_lists import frame_intervals, read_rows, split_name, whole_number
from vad_lib.errors import DataError, MissingFileError

CATEGORIES = ("Normal", "Fighting")
LIST = (
    "video,split,category,n_frames,intervals\n"
    "calm,train,Normal,160,\n"
    "brawl,test,Fighting,8096,300-400;500-600\n"
    "Übung 3,train,Fighting,33,\n"
)
RECORDS = (
    VideoRecord("calm", "train", ("Normal",), 160),
    VideoRecord("brawl", "test", ("Fighting",), 8096, ((300, 400), (500, 600))),
    VideoRecord("Übung 3", "train", ("Fighting",), 33),
)


def separated(mark, quote=""):
    """The list with another separator; intervals in quotes where they would be cut."""
    lines = LIST.replace(",", mark)
    return lines.replace("300-400;500-600", f"{quote}300-400;500-600{quote}")


READ = {
    "as it should be": LIST,
    "semicolons": separated(";", '"'),
    "tabs": separated("\t"),
    "bars": separated("|"),
    "a line that names the separator": "sep=;\n" + separated(";", '"'),
    "the same in quotes, from Excel": '"sep=;"\r\n' + separated(";", '"').replace("\n", "\r\n"),
    "Windows line ends": LIST.replace("\n", "\r\n"),
    "old Mac line ends": LIST.replace("\n", "\r"),
    "no line end at the end": LIST.rstrip("\n"),
    "blank lines": "\n\n" + LIST.replace("\n", "\n\n"),
    "byte order mark": "\ufeff" + LIST,
    "UTF-16, little end first": LIST.encode("utf-16-le").join([b"\xff\xfe", b""]),
    "UTF-16, big end first": LIST.encode("utf-16-be").join([b"\xfe\xff", b""]),
    "UTF-16 with tabs, as Excel's 'Unicode text'": separated("\t").replace("\n", "\r\n").encode("utf-16"),
    "capitals in the header": LIST.replace("video,split,category,n_frames,intervals", "Video,SPLIT,Category,N_Frames,Intervals"),
    "spaces in the header": LIST.replace("video,split,category,n_frames,intervals", " video , split,category,n frames,intervals "),
    "no underscore in the header": LIST.replace("n_frames", "nframes"),
    "quotes everywhere": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in LIST.splitlines()),
    "columns in another order": "split,video,intervals,category,n_frames\ntrain,calm,,Normal,160\n"
    "test,brawl,300-400;500-600,Fighting,8096\ntrain,Übung 3,,Fighting,33\n",
    "more columns": LIST.replace("intervals\n", "intervals,camera,remark\n").replace(",160,\n", ",160,,3,dark\n"),
    "empty columns at the end": "\n".join(f"{line},,,," for line in LIST.splitlines()) + "\n,,,,,,,,\n,,,,,,,,\n",
    "empty columns at the end of some lines": LIST.replace("160,\n", "160,,,,\n"),
    "cells left out at the end": LIST.replace("160,\n", "160\n"),
    "numbers with a point": LIST.replace("8096,", "8096.0,").replace("160,", "160.00,"),
    "numbers with a comma": separated(";", '"').replace("8096;", "8096,0;"),
    "intervals with a point": LIST.replace("300-400", "300.0-400.0"),
    "intervals with an en dash": LIST.replace("300-400", "300–400"),
    "intervals with an em dash and spaces": LIST.replace("300-400", "300 — 400"),
    "intervals with a minus": LIST.replace("300-400;500-600", "300−400; 500 − 600"),
    "intervals joined by a comma": LIST.replace("300-400;500-600", '"300-400, 500-600"'),
    "intervals joined by a bar": LIST.replace("300-400;500-600", "300-400|500-600"),
    "intervals joined by a space": LIST.replace("300-400;500-600", "300-400 500-600"),
    "a mark at the end of intervals": LIST.replace("500-600", "500-600;"),
    "words for nothing": LIST.replace("160,\n", "160,nan\n").replace("33,\n", "33,None\n"),
    "capitals of splits": LIST.replace("train", "Train").replace("test", "TEST"),
    "training and testing": LIST.replace("train,", "training,").replace("test,", "testing,"),
}


@pytest.mark.parametrize("form", READ)
def test_lists_with_one_plain_meaning_are_read(tmp_path, form):
    text = READ[form]
    (tmp_path / "videos.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert read_video_csv(tmp_path / "videos.csv", CATEGORIES).records == RECORDS


NUMBER, SPANS = "line 3, column n_frames: expected a whole number", "line 3, column intervals: expected start-end in frames"


def frames(text):
    return LIST.replace("8096,", text)


def spans(text):
    return LIST.replace("300-400;500-600", text)


REFUSED = {
    "thousands with a point": (
        frames("8.096,"),
        f"{NUMBER}, '8.096' could be",
    ),
    "thousands with a comma": (
        frames('"8,096",'),
        f"{NUMBER}, '8,096' could be",
    ),
    "thousands with a space": (
        frames("8 096,"),
        f"{NUMBER}, '8 096' could be",
    ),
    "thousands or zeros": (frames("8.000,"), f"{NUMBER}, '8.000' could be"),
    "a fraction of a frame": (frames("8096.5,"), f"{NUMBER}, got '8096.5'"),
    "a rounded number": (frames("8.1E+03,"), f"{NUMBER}, got '8.1E.03'"),
    "no number": (frames(","), f"{NUMBER}, got ''"),
    "letters": (frames("8O96,"), f"{NUMBER}, got '8O96'"),
    "fractions of the video": (spans("0.2-0.4"), "got fractions of the video, '0.2-0.4'; multiply them"),
    "fractions with a comma": (spans('"0,2-0,4"'), "got fractions of the video, '0,2-0,4'; multiply"),
    "fractions up to the end": (spans("0.5-1.0"), "got fractions of the video, '0.5-1.0'"),
    "seconds": (
        spans("10.5-13.25"),
        "got '10.5-13.25'; if these are seconds, multiply them by the frames",
    ),
    "times": (
        spans("00:10-00:13"),
        f"{SPANS}.* got times, '00:10-00:13'; multiply seconds",
    ),
    "one number": (spans("300"), f"{SPANS}, .* got '300'"),
    "three numbers": (spans("300-400-500"), f"{SPANS}"),
    "words between": (spans("300 to 400"), f"{SPANS}"),
    "brackets": (spans('"[300, 400]"'), f"{SPANS}"),
    "a held-out split": (
        LIST.replace("train,Normal", "val,Normal"),
        "line 2, column split: expected train or test, got 'val'; write train",
    ),
    "no split": (LIST.replace("train,Normal", ",Normal"), "line 2, column split: expected train or test, got ''"),
    "an open quote": (LIST.replace("brawl", '"brawl'), r"line \d: expected fields and separators .*; close the quotes"),
    "commas without quotes": (
        spans("300-400,500-600"),
        "line 3: more fields than columns, '500-600' is one",
    ),
    "semicolons without quotes": (
        separated(";"),
        "line 3: more fields .* hold a semicolon in quotes",
    ),
    "spaces for separators": (LIST.replace(",", " "), "column video, split, category, n_frames, intervals is missing"),
    "another name": (
        LIST.replace("n_frames", "frames"),
        "n_frames is missing; .*; rename frames to n_frames",
    ),
    "no header": ("\n".join(LIST.splitlines()[1:]), "column video, split, category, n_frames, intervals is missing"),
    "a column twice": (LIST.replace("intervals\n", "intervals,Split\n"), "line 1: column split stands there twice"),
    "Latin-1": (LIST.encode("latin-1"), r"expected UTF-8 text \(line 4: .*byte 0xdc.*\). Save it as UTF-8"),
    "UTF-16 without a mark": (LIST.encode("utf-16-le"), "expected UTF-8 text|NUL bytes"),
    "UTF-16 cut in half": (b"\xff\xfe" + LIST.encode("utf-16-le")[:-1], "expected UTF-8 text"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_lists_that_could_mean_two_things_are_refused_by_place(tmp_path, form):
    text, message = REFUSED[form]
    (tmp_path / "videos.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=rf"videos\.csv.*{message}"):
        read_video_csv(tmp_path / "videos.csv", CATEGORIES)


def test_all_that_is_wrong_with_a_list_is_told_at_once(tmp_path):
    text = (
        "video,split,category,n_frames,intervals\n"
        "calm,training,Normal,160,\nbrawl,val,Fighting,8.096,0.2-0.4\nfire,test,Fighting,20,1-9\nnoise,train,Normal,x,\n"
    )
    (tmp_path / "videos.csv").write_text(text)
    told = []
    read = [record_of(row, tell=told.append) for row in read_list(tmp_path / "videos.csv", told.append)]
    assert [record and record.name for record in read] == ["calm", None, "fire", None]
    places = [finding.subject.removeprefix(f"{tmp_path / 'videos.csv'}, ") for finding in told]
    assert places == ["line 3, column split", "line 3, column n_frames", "line 3, column intervals", "line 5, column n_frames"]
    assert all(finding.level == "error" and finding.fix for finding in told)


def test_line_numbers_count_every_line_of_the_file(tmp_path):
    text = "sep=,\n\n" + LIST.replace("calm,", '"calm\n",').replace("8096", "many")
    (tmp_path / "videos.csv").write_text(text)
    with pytest.raises(DataError, match="line 6, column n_frames"):
        read_video_csv(tmp_path / "videos.csv", CATEGORIES)


@pytest.mark.parametrize("events", ["Fighting 4-8", "4-8", "Fighting:", "Fighting:4", ":4-8"])
def test_events_that_cannot_be_understood(tmp_path, events):
    (tmp_path / "videos.csv").write_text(f"{LIST.splitlines()[0]},class_intervals\nbrawl,test,Fighting,20,4-8,{events}\n")
    with pytest.raises(DataError, match="line 2, column class_intervals: expected"):
        read_video_csv(tmp_path / "videos.csv", CATEGORIES)


def test_events_are_read_like_intervals(tmp_path):
    (tmp_path / "videos.csv").write_text(
        f"{LIST.splitlines()[0]},class_intervals\nbrawl,test,Fighting,20,4-8,Fighting: 4–6; Fighting:6.0-8.0;\n", encoding="utf-8"
    )
    (record,) = read_video_csv(tmp_path / "videos.csv", CATEGORIES).records
    assert record.class_intervals == (("Fighting", 4, 6), ("Fighting", 6, 8))


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("-3", -3), ("8096.000", 8096), ("8.0000", 8), ("007", 7), ("9" * 18, 10**18 - 1)]
)
def test_whole_numbers(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize("text", ["", " ", "1_000", "0x10", "1e3", "+5", "٣", "9" * 19, "inf", "8.000", "1.2.3", "1,000,000"])
def test_no_whole_numbers(text):
    with pytest.raises(ValueError, match="expected a whole number"):
        whole_number(text)


def test_intervals_of_no_cell_and_of_many():
    assert frame_intervals("") == frame_intervals("-") == frame_intervals("[]") == ()
    assert frame_intervals(";".join(f"{n}-{n + 1}" for n in range(0, 500, 2))) == tuple((n, n + 1) for n in range(0, 500, 2))


def test_a_long_line_of_nothing_is_refused_quickly():
    with pytest.raises(ValueError, match="expected start-end"):
        frame_intervals("1-2" + " " * 50_000 + "x")


def test_other_words_for_splits():
    assert (split_name("TRAIN"), split_name("testing")) == ("train", "test")
    with pytest.raises(ValueError, match="validation videos are drawn from those"):
        split_name("validation")


def test_columns_that_nobody_asked_for_are_left_alone(tmp_path):
    (tmp_path / "a.csv").write_text("Name;N-Frames;x\na;1;2\n")
    (row,) = read_rows(tmp_path / "a.csv", ("name", "n_frames"), "a list", optional=("y",))
    assert (row.cells, row.place) == ({"name": "a", "n_frames": "1", "y": ""}, f"{tmp_path / 'a.csv'}, line 2")
    with pytest.raises(MissingFileError, match="expected a list, found no such file"):
        read_rows(tmp_path / "b.csv", ("name",), "a list")
