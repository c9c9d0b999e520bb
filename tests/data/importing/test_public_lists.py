"""Public lists on small examples: every form that is understood, every refusal."""

import pytest

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.importing.public_lists import read_names
from vad_lib.data.importing.sets.ucf_crime import UCF_CRIME, read_ucf_crime
from vad_lib.data.importing.sets.xd_violence import XD_VIOLENCE, read_xd_violence, xd_categories
from vad_lib.data.importing.video_names import crop_suffix, video_key, video_stem
from vad_lib.errors import DataError, MissingFileError

TRAIN = "Abuse/Abuse001_x264.mp4\nTraining_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4\n"
TEST = "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4\nArson/Arson011_x264.mp4\nAbuse/Abuse028_x264.mp4\n"
ANNOTATION = (
    "Abuse028_x264  Abuse  165  240  -1  -1  \nNormal_Videos_003_x264  Normal  -1  -1  -1  -1  \n"
    "Arson011_x264  Arson  150  420  680  1267"
)
BINARY = "v=a__#1_label_B4-0-0 0 15 19 30\nFilm.2001__#00-01_00-02_label_B1-G-0.mp4 40 90"
MULTICLASS = "v=a__#1_label_B4-0-0 B4 0  15 B4 19 30\nFilm.2001__#00-01_00-02_label_B1-G-0 B1 40 60 G 50 90"
NAMES = {
    "train": ["v=t__#1_label_A__0.npy", "v=t__#1_label_A__1.npy", "RGB/v=s__#1_label_B2-0-0_i3d.npy"],
    "test": ["v=n__#1_label_A"],
}


@pytest.fixture
def ucf(tmp_path):
    """Write the three lists, one of them changed, and read them."""

    def read(**changed):
        texts = {"train": TRAIN, "test": TEST, "annotation": ANNOTATION} | changed
        paths = {name: tmp_path / f"{name}.txt" for name in texts}
        for name, text in texts.items():
            paths[name].write_bytes(text.encode() if isinstance(text, str) else text)
        return read_ucf_crime(**paths)

    return read


@pytest.fixture
def xd(tmp_path):
    def read(binary=BINARY, multiclass=MULTICLASS, names=NAMES):
        (tmp_path / "binary.txt").write_text(binary)
        (tmp_path / "multiclass.txt").write_text(multiclass)
        return read_xd_violence(tmp_path / "binary.txt", tmp_path / "multiclass.txt", names)

    return read


def test_ucf_lists_become_records_in_the_stored_order(ucf):
    videos = ucf()
    assert videos.categories[0] == "Normal" and len(videos.categories) == 14
    assert videos.records == (
        VideoRecord("Abuse001_x264", "train", ("Abuse",), 0),
        VideoRecord("Normal_Videos001_x264", "train", ("Normal",), 0),
        VideoRecord("Abuse028_x264", "test", ("Abuse",), 0, ((165, 240),)),
        VideoRecord("Arson011_x264", "test", ("Arson",), 0, ((150, 420), (680, 1267))),
        VideoRecord("Normal_Videos_003_x264", "test", ("Normal",), 0),
    )


@pytest.mark.parametrize("change", ["\r\n", "blank lines", "byte order mark", "backslash", "no folder", "no suffix"])
def test_ucf_lists_from_other_machines(ucf, change):
    def changed(text):
        return {
            "\r\n": text.replace("\n", "\r\n") + "\r\n",
            "blank lines": "\n" + text.replace("\n", "  \n\n"),
            "byte order mark": "\ufeff" + text,
            "backslash": text.replace("/", "\\"),
            "no folder": "\n".join(line.rpartition("/")[2] for line in text.splitlines()),
            "no suffix": text.replace(".mp4", ""),
        }[change]

    assert ucf(train=changed(TRAIN), test=changed(TEST), annotation=changed(ANNOTATION)) == ucf()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": ""}, "train.txt: expected a list of videos, got an empty file"),
        ({"train": b"\xff\xfe\x00"}, "expected UTF-8 text"),
        ({"train": TRAIN + "Abuse/Arson001_x264.mp4"}, "train.txt, line 3: expected 'Category/CategoryNNN"),
        ({"train": TRAIN + "Dancing/Dancing001_x264.mp4"}, "line 3: expected 'Category/"),
        ({"train": TRAIN + "\nAbuse/Abuse001.mp4"}, "line 4: video Abuse001 is listed twice"),
        ({"train": TRAIN + "../../Abuse/Abuse002_x264.mp4"}, "line 3: a path that leaves the folder"),
        ({"train": TRAIN + "Abuse/Abuse028_x264.mp4"}, r"test.txt: videos that .*train.txt lists too: Abuse028;"),
        ({"test": TEST + "Abuse/Abuse030_x264.mp4"}, r"annotation.txt: expected the videos of .*these are in one only: Abuse030"),
        ({"annotation": ANNOTATION.replace("165", "1_6")}, "annotation.txt, line 1: expected pairs of frame numbers"),
        ({"annotation": ANNOTATION.replace("165", "x")}, "line 1: expected pairs of frame numbers"),
        ({"annotation": ANNOTATION.replace("165", "240")}, "line 1: interval 240 240 is empty"),
        ({"annotation": ANNOTATION.replace("165  240  -1  -1", "165  240")}, "line 1: expected 'name category start end"),
        ({"annotation": ANNOTATION.replace("165  240", "-1  -1")}, "line 1: a video of category Abuse with 0 intervals"),
        (
            {"annotation": ANNOTATION.replace("Normal  -1  -1", "Normal  1  9")},
            "line 2: a video of category Normal with 1 intervals",
        ),
        ({"annotation": ANNOTATION.replace("  Abuse ", "  Arson ")}, "video Abuse028_x264 is Arson, but Abuse in"),
        ({"annotation": ANNOTATION + "\nAbuse028  Abuse  1  2  -1  -1"}, "line 4: video Abuse028 is listed twice"),
    ],
)
def test_ucf_refusals_name_file_and_line(ucf, changed, message):
    with pytest.raises(DataError, match=message):
        ucf(**changed)


def test_a_missing_list(tmp_path):
    with pytest.raises(MissingFileError, match=r"train.txt: expected a public list"):
        read_ucf_crime(tmp_path / "train.txt", tmp_path / "test.txt", tmp_path / "annotation.txt")


def test_xd_files_become_records_in_the_stored_order(xd):
    assert xd().records == (
        VideoRecord("v=s__#1_label_B2-0-0", "train", ("Shooting",), 0),
        VideoRecord("v=t__#1_label_A", "train", ("Normal",), 0),
        VideoRecord(
            "Film.2001__#00-01_00-02_label_B1-G-0",
            "test",
            ("Fighting", "Explosion"),
            0,
            ((40, 90),),
            (("Fighting", 40, 60), ("Explosion", 50, 90)),
        ),
        VideoRecord("v=a__#1_label_B4-0-0", "test", ("Riot",), 0, ((0, 15), (19, 30)), (("Riot", 0, 15), ("Riot", 19, 30))),
        VideoRecord("v=n__#1_label_A", "test", ("Normal",), 0),
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"binary": BINARY + " 7"}, "binary.txt, line 2: expected pairs of frame numbers"),
        ({"binary": BINARY.replace(" 40 90", "")}, "line 2: expected a violent video and its intervals"),
        ({"binary": BINARY + "\nv=n__#1_label_A 1 2"}, "line 3: expected a violent video"),
        ({"binary": BINARY + "\nv=n 1 2"}, "video v=n: expected a name that ends in '_label_'"),
        ({"binary": BINARY + "\nv=a__#1_label_B4-0-0.mp4 1 2"}, "line 3: video v=a__#1_label_B4-0-0.mp4 is listed twice"),
        ({"multiclass": MULTICLASS.replace("B4 19", "B3 19")}, "multiclass.txt, line 1: expected a name and 'code start end'"),
        ({"multiclass": MULTICLASS + " 7"}, "line 2: expected a name and 'code start end'"),
        ({"multiclass": MULTICLASS.replace("0  15", "15 0")}, "line 1: interval 15 0 is empty"),
        ({"multiclass": MULTICLASS.splitlines()[0]}, r"these are in one only: Film.2001__"),
        ({"names": NAMES | {"train": ["v=a__#1_label_B4-0-0"]}}, "videos that are listed for training and for testing: v=a"),
        ({"names": NAMES | {"test": ["v=z__#1_label_B1-0-0"]}}, "no intervals of the violent test video v=z"),
        ({"names": NAMES | {"train": ["holiday"]}}, "video holiday: expected a name that ends in"),
    ],
)
def test_xd_refusals_name_file_and_line(xd, changed, message):
    with pytest.raises(DataError, match=message):
        xd(**changed)


@pytest.mark.parametrize(
    "name", ["v=a__#1_label_", "v=a__#1_label_B3-0-0", "v=a__#1_label_A-B1", "v=a__#1_label_B1-B1-0", "v=a_label_0-0"]
)
def test_label_codes_that_cannot_be(name):
    with pytest.raises(DataError, match="expected a name that ends in '_label_'"):
        xd_categories(name)


def test_names_are_the_same_video_in_every_release(tmp_path):
    for name in ("Arson/Arson011_x264.mp4", "Arson011_x264_i3d.npy", r"C:\features\Arson011_x264.npy", "Arson011"):
        assert video_key(name) == "Arson011"
    assert (
        video_stem("A.Beautiful.Mind.2001__#00-25-20_00-29-20_label_A.mp4") == "A.Beautiful.Mind.2001__#00-25-20_00-29-20_label_A"
    )
    assert crop_suffix("v=a__#1_label_A__4") == ("v=a__#1_label_A", 4)
    assert crop_suffix("v=a__#1_label_A") == ("v=a__#1_label_A", None)
    path = tmp_path / "rgb.list"
    path.write_text("/somewhere/RGB/v=a__#1_label_A__0.npy,Normal\n/somewhere/RGB/v=a__#1_label_A__1.npy\n")
    assert read_names(path) == ("v=a__#1_label_A",)


def test_expected_snippets_know_the_exceptions():
    assert UCF_CRIME.expected_snippets("A", "Shooting046_x264", 320) == 19
    assert UCF_CRIME.expected_snippets("A", "Shooting047_x264", 320) == 20
    assert UCF_CRIME.expected_snippets("B", "Shooting046_x264", 321) == 21
    assert XD_VIOLENCE.expected_snippets("A", "v=a__#1_label_A", 320) == 19
    assert XD_VIOLENCE.expected_snippets("C", "v=wQrV75N2BrI__#1_label_A", 320) == 21
