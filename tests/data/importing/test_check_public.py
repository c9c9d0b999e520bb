"""What a check says of public lists: lines with more than a name, and splits that nothing tells."""

import numpy as np
import pytest

from vad_lib.data.importing.discover import check_source
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.errors import DataError

TRAIN = ("Abuse/Abuse001_x264.mp4", "Vandalism/Vandalism048_x264.mp4", "Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4")
TEST = ("Arson/Arson011_x264.mp4", "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4")
ANNOTATION = ("Arson011_x264.mp4  Arson  150  420  680  1267", "Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1")
UCF = ImportSettings(dataset="ucf-crime", dimension=8, partial=True)
XD = ImportSettings(dataset="xd-violence", dimension=8, partial=True)


@pytest.fixture
def ucf(tmp_path):
    """Make a small UCF-Crime of some lines."""

    def make(train=TRAIN, test=TEST, annotation=ANNOTATION):
        lists = {"Anomaly_Train": train, "Anomaly_Test": test, "Temporal_Anomaly_Annotation": annotation}
        for name, lines in lists.items():
            (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
        rng = np.random.default_rng(0)
        for line in (*TRAIN, *TEST):
            np.save(tmp_path / f"{line.rpartition('/')[2].removesuffix('.mp4')}.npy", rng.normal(size=(80, 8)).astype(np.float32))
        return tmp_path

    return make


EXTRA = ["Vandalism/Vandalism048_x264.mp4 7183", "Vandalism/Vandalism048_x264.mp4\t7183", "Vandalism/Vandalism048_x264.mp4,7183",
         "Vandalism/Vandalism048_x264.mp4 1", "Vandalism/Vandalism048_x264.mp4  Vandalism", "Vandalism/Vandalism048_x264 7183",
         "Vandalism\\Vandalism048_x264.mp4 7183", "Vandalism048_x264.mp4 7183", "Vandalism/Vandalism048_x264.mp4;7183"]  # fmt: skip


@pytest.mark.parametrize("line", EXTRA)
@pytest.mark.parametrize("file", ["train", "test"])
def test_a_list_line_with_more_than_a_name_is_named(ucf, line, file):
    lines = {"train": TRAIN, "test": TEST}[file]
    annotation = ANNOTATION if file == "train" else (*ANNOTATION, "Vandalism048_x264  Vandalism  10  20  -1  -1")
    train = TRAIN if file == "train" else (TRAIN[0], TRAIN[2])
    changed = tuple(line if "Vandalism" in old else old for old in lines)
    changed = changed if file == "train" else (*TEST, line)
    folder = ucf(**({"train": train, "test": TEST, "annotation": annotation} | {file: changed}))
    number = changed.index(line) + 1
    (problem,) = check_source(folder, UCF, progress=False).problems
    assert f"Anomaly_{file.capitalize()}.txt, line {number}: expected 'Category/CategoryNNN_x264.mp4' and nothing else" in problem
    assert problem.endswith("; remove what stands behind the name.")
    with pytest.raises(DataError, match="and nothing else"):
        import_dataset(folder, None, UCF, progress=False)


def test_all_lines_that_are_wrong_are_named_at_once(ucf):
    train = (TRAIN[0] + " 12", "Dancing/Dancing001_x264.mp4", TRAIN[2], TRAIN[2])
    annotation = (ANNOTATION[0].replace("150", "x"), ANNOTATION[1].replace("-1  -1  -1  -1", "-1  -1"))
    problems = check_source(ucf(train=train, annotation=annotation), UCF, progress=False).problems
    places = [problem.rpartition(".txt")[0].rpartition("/")[2] + problem.partition(".txt")[2][:8] for problem in problems[:5]]
    assert places == [
        "Anomaly_Train, line 1", "Anomaly_Train, line 2", "Anomaly_Train, line 4",
        "Temporal_Anomaly_Annotation, line 1", "Temporal_Anomaly_Annotation, line 2",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_public_lists_in_other_encodings(ucf, encoding):
    folder = ucf()
    for path in folder.glob("*.txt"):
        path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    assert check_source(folder, UCF, progress=False).problems == ()


# --- XD-Violence ------------------------------------------------------------------------------------
VIOLENT = {
    "x__#1_label_G-0-0": "G 10 100",
    "Fast.Furious.2001__#0-1-2_0-2-3_label_B6-0-0": "B6 20 50 B6 100 200",
    "v=abc__#2_label_B2-0-0": "B2 20 50",
}
NORMAL = (
    "NewAdd.NDA-2017.12.25_CLE@GSW__#01-08-34_01-40-09_label_A",
    "a b c__#1_label_A",
    "v=8cTqh9tMz_I__#1_label_A",
)
TRAINED = ("Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6", "中文视频__#00-00-01_label_B1-0-0")
NORMAL_TESTED = NORMAL[1]


@pytest.fixture
def xd(tmp_path):
    """Make a small XD-Violence in one folder, or with folders for some of the files."""

    def make(folder_of=lambda name: "", skip=(), crops=5):
        for file, keep in (
            ("annotations.txt", lambda word: word[0].isdigit()),
            ("annotations_multiclasses.txt", lambda word: True),
        ):
            lines = [" ".join([name, *filter(keep, events.split())]) for name, events in VIOLENT.items()]
            (tmp_path / file).write_text("\n".join(lines))
        rng = np.random.default_rng(0)
        for name in (*VIOLENT, *NORMAL, *TRAINED):
            for crop in range(crops) if name not in skip else ():
                path = tmp_path / folder_of(name) / f"{name}__{crop}.npy"
                path.parent.mkdir(exist_ok=True)
                np.save(path, rng.normal(size=(20, 8)).astype(np.float32))
        return tmp_path

    return make


def unknown(folder, settings=XD):
    found = check_source(folder, settings, progress=False)
    return [finding for finding in found.findings if finding.code == "split-unknown"]


def test_normal_videos_without_folders_and_lists_are_refused(xd):
    folder = xd()
    for name in ("train", "test"):  # empty ones tell nothing
        (folder / name).mkdir()
    (finding,) = unknown(folder)
    assert finding.level == "error" and "3 normal videos could be for training or for testing, such as NewAdd" in finding.message
    assert "rgbtest.list" in finding.fix and "RGBTest" in finding.fix
    with pytest.raises(DataError, match="3 normal videos could be for training or for testing"):
        import_dataset(folder, None, XD, progress=False)
    assert unknown(folder, XD.replace(partial=False))  # of a whole set too


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("rgbtest.list", f"{NORMAL_TESTED}__0.npy\n{NORMAL_TESTED}__1.npy\n"),
        ("test.txt", NORMAL_TESTED),
        ("XD_test_videos.txt", f"/elsewhere/RGBTest/{NORMAL_TESTED}.mp4,Normal\n"),
    ],
)
def test_a_list_of_test_videos_settles_it(xd, file, text):
    folder = xd()
    (folder / file).write_text(text.replace("a b c", "a_b_c"))
    for path in folder.glob("a b c*"):
        path.rename(path.with_name(path.name.replace("a b c", "a_b_c")))
    assert not unknown(folder)
    found = check_source(folder, XD, progress=False)
    assert found.problems == ()
    assert {record.name for record in found.videos.split("test")} == {*VIOLENT, NORMAL_TESTED.replace("a b c", "a_b_c")}


@pytest.mark.parametrize("place", ["RGBTest", "test", "i3d-features-test"])
def test_a_folder_of_test_videos_settles_it(xd, place):
    folder = xd(lambda name: place if name in VIOLENT or name == NORMAL_TESTED else "RGB")
    found = check_source(folder, XD, progress=False)
    assert found.problems == () and NORMAL_TESTED in {record.name for record in found.videos.split("test")}


def test_a_folder_of_violent_test_videos_does_not_tell_which_normal_ones_are_for_testing(xd):
    folder = xd(lambda name: "RGBTest" if name in VIOLENT else "RGB")
    assert unknown(folder)


def test_a_list_of_training_videos_settles_it_only_for_those_it_names(xd):
    folder = xd(skip=(NORMAL[1],))
    (folder / "rgb.list").write_text("\n".join((NORMAL[0], NORMAL[2], *TRAINED)))
    assert not unknown(folder)
    (folder / "rgb.list").write_text("\n".join((NORMAL[0], *TRAINED)))
    (finding,) = unknown(folder)
    assert finding.message.startswith(f"1 normal videos could be for training or for testing, such as {NORMAL[2]}")


def test_without_normal_videos_there_is_nothing_to_tell(xd):
    assert not unknown(xd(skip=NORMAL))


def test_labels_that_cannot_be_are_named_and_the_others_read(xd):
    folder = xd(lambda name: "RGBTest" if name in VIOLENT or name == NORMAL_TESTED else "RGB")
    bad = ("bad_label_B9-0-0", "worse_label_A-B1")
    for name in bad:
        for crop in range(5):
            np.save(folder / "RGB" / f"{name}__{crop}.npy", np.ones((3, 8), np.float32))
    problems = check_source(folder, XD, progress=False).problems
    assert [problem.partition(" and codes")[0] for problem in problems] == [
        f"video {name}: expected a name that ends in '_label_'" for name in bad
    ]


def test_a_list_of_one_s_own_under_the_name_of_a_public_set(tmp_path):
    (tmp_path / "videos.csv").write_text("video,split,category,n_frames,intervals\n")
    problems = check_source(tmp_path, ImportSettings(dataset="ped2"), progress=False).problems
    assert "expected the lists of UCSD Ped2" in problems[0] and problems[0].endswith("such as --dataset ped2-own.")
