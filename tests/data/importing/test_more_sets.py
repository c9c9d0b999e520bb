"""The other public sets: true names and true forms of lists, made-up features; what is understood and what is refused."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy import io

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import load_dataset
from vad_lib.data.importing import matlab_masks
from vad_lib.data.importing.__main__ import main
from vad_lib.data.importing.discover import check_source
from vad_lib.data.importing.matlab_masks import read_pixel_masks
from vad_lib.data.importing.public_lists import read_frame_mask
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset, prepare_folder
from vad_lib.errors import DataError, MissingFileError

WIDTH = 8


def features(folder, lengths, place="features", suffix=""):
    """Features (T, 8) of each video; T by name."""
    (folder / place).mkdir(parents=True, exist_ok=True)
    for number, (name, length) in enumerate(lengths.items()):
        rng = np.random.default_rng(number)
        np.save(folder / place / f"{name}{suffix}.npy", rng.normal(size=(length, WIDTH)).astype(np.float32))


def write(folder, texts):
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def mask(length, *spans):
    found = np.zeros(length, np.uint8)
    for start, end in spans:
        found[start:end] = 1
    return found


def settings(name, **changed):
    return ImportSettings(dataset=name, dimension=WIDTH, **changed)


def imported(folder, name, **changed):
    import_dataset(folder, None, settings(name, partial=changed.pop("partial", True), **changed), progress=False)
    return load_dataset(folder, expect={"dimension": WIDTH})


def problems(folder, name, **changed):
    return check_source(folder, settings(name, partial=changed.pop("partial", True), **changed), progress=False).problems


def numbers(folder, name, **changed):
    """Name, split, categories, frames and intervals of the videos that an import gives."""
    dataset = imported(folder, name, **changed)
    return [(r.name, r.split, r.categories, r.num_frames, r.intervals) for r in dataset.videos.records]


# --- the tables of facts ----------------------------------------------------------------------------
@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_the_table_of_facts_is_complete(name):
    known = PUBLIC_SETS[name]
    assert known.name == name == name.lower() and known.categories[0] == "Normal" and known.source
    assert known.measures[0] == known.headline_metric and known.totals and known.pitfalls
    assert set(known.aliases.values()) <= {*known.lists, *known.optional_lists}
    assert bool(known.truth) == bool(known.truth_example) and (known.lists or known.truth)
    for sentence in (*known.pitfalls, *known.unverified):
        assert 20 < len(sentence) < 200 and not sentence.endswith(".")
    folder, _, file = known.truth_example.rpartition("/")
    if file:
        assert known.truth_video(Path("anywhere") / folder / file)


def test_the_numbers_of_videos_are_those_of_the_papers():
    """Zhong et al. 238 and 199; UBnormal 543 less 64; TAD 400 and 100; MSAD 480 and 240; Ped2 16 and 12; Avenue 16 and 21."""
    sums = {name: tuple(sum(known.counts[split]) for split in ("train", "test")) for name, known in PUBLIC_SETS.items()}
    assert sums == {
        "ucf-crime": (1610, 290), "xd-violence": (3954, 800), "shanghaitech": (238, 199), "ubnormal": (268, 211),
        "tad": (400, 100), "msad": (480, 240), "ped2": (16, 12), "avenue": (16, 21),
    }  # fmt: skip
    assert sum(sums["ubnormal"]) + 64 == 543


def test_the_help_names_all_sets(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert f"a public set ({', '.join(PUBLIC_SETS)}), or a name of one's own" in told


# --- ShanghaiTech -----------------------------------------------------------------------------------
SH_FEATURES = {"01_0014": 4, "01_002": 3, "13_007": 2, "01_0015": 5, "02_0128": 4, "13_006": 4}
SH_TEST = "01_0015,1,-1\n02_0128,1,-1\n13_006,0,70\n"
SH_MASKS = {"01_0014": mask(64, (0, 9)), "01_0015": mask(80, (10, 30), (79, 80)), "02_0128": mask(70, (0, 70))}


@pytest.fixture
def shanghai(tmp_path):
    """Lists as MIST releases them; masks of the original test videos, one of which is now trained on."""

    def make(train="01_0014,1\n01_002,0\n13_007,0\n", test=SH_TEST, names=("SH_Train_new.txt", "SH_Test_NEW.txt"), masks=SH_MASKS):
        write(tmp_path, dict(zip(names, (train, test))))
        (tmp_path / "test_frame_mask").mkdir(exist_ok=True)
        for name, array in masks.items():
            np.save(tmp_path / "test_frame_mask" / f"{name}.npy", array)
        features(tmp_path, SH_FEATURES, suffix="_i3d")
        return tmp_path

    return make


def test_shanghaitech_with_labels_and_lengths(shanghai):
    assert numbers(shanghai(), "shanghaitech") == [
        ("01_0014", "train", ("Abnormal",), 64, ()),  # a weak label: its mask is not read
        ("01_002", "train", ("Normal",), 48, ()),
        ("13_007", "train", ("Normal",), 32, ()),
        ("01_0015", "test", ("Abnormal",), 80, ((10, 30), (79, 80))),
        ("02_0128", "test", ("Abnormal",), 70, ((0, 70),)),
        ("13_006", "test", ("Normal",), 70, ()),
    ]


def test_shanghaitech_with_the_lists_of_names(shanghai):
    """They do not give the frames of normal test videos."""
    names = ("SH_Train.txt", "SH_Test.txt")
    folder = shanghai("01_0014\n01_002\n13_007", "01_0015\n02_0128\n13_006", names)
    (problem,) = problems(folder, "shanghaitech")
    assert problem.startswith("video 13_006: mask rule frames needs its raw frames; give a CSV with video,n_frames by --frames")
    (folder / "lengths.csv").write_text("video,n_frames\n13_006,70\n")
    found = numbers(folder, "shanghaitech", frames=str(folder / "lengths.csv"))
    assert found[3:] == [
        ("01_0015", "test", ("Abnormal",), 80, ((10, 30), (79, 80))),
        ("02_0128", "test", ("Abnormal",), 70, ((0, 70),)),
        ("13_006", "test", ("Normal",), 70, ()),
    ]
    assert [record[3] for record in numbers(folder, "shanghaitech", rule="A")[3:]] == [80, 64, 64]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test": "01_0015,0,-1\n02_0128,1,-1\n13_006,0,70"}, "expected label 1 of video 01_0015, by the digits of its name"),
        ({"test": "01_15,1,-1\n02_0128,1,-1\n13_006,0,70"}, "line 1: expected '01_0014', '01_0014,1' or '01_001,0,764'"),
        ({"test": SH_TEST + "13_006,0,70"}, "line 4: video 13_006 is listed twice"),
        ({"test": SH_TEST + "01_002,0,48"}, "videos that .*SH_Train_new.txt lists too: 01_002"),
        ({"masks": {"02_0128": SH_MASKS["02_0128"]}}, "video 01_0015: no frame mask test_frame_mask/01_0015.npy of this abnormal"),
        (
            {"masks": SH_MASKS | {"01_0015": mask(80)}},
            "01_0015.npy: the frame mask of an abnormal test video has no abnormal frame",
        ),
        ({"masks": SH_MASKS | {"01_0015": np.full(80, 2)}}, "01_0015.npy: expected a frame mask of 0 .normal. and 1 .abnormal."),
        (
            {"masks": SH_MASKS | {"01_0015": np.ones((2, 40))}},
            r"01_0015.npy: expected a frame mask, an array of 1 to .* got \(2, 40\)",
        ),
        ({"masks": {}}, "a file per test video such as test_frame_mask/01_0014.npy missing"),
    ],
)
def test_shanghaitech_refusals(shanghai, changed, message):
    folder = shanghai(**changed)
    with pytest.raises((DataError, MissingFileError), match=message):
        import_dataset(folder, None, settings("shanghaitech", partial=True), progress=False)


def test_a_video_with_a_wrong_line_is_listed(shanghai):
    (problem,) = problems(shanghai(test="01_0015,0,-1\n02_0128,1,-1\n13_006,0,70"), "shanghaitech")
    assert problem.endswith("got '01_0015,0,-1'; correct the line.")


def test_features_that_do_not_fit_the_mask_are_told(shanghai):
    folder = shanghai()
    features(folder, {"01_0015": 9}, suffix="_i3d")
    (problem,) = problems(folder, "shanghaitech")
    assert problem.startswith("video 01_0015: 80 frames hold 5 snippets of 16 under mask rule frames, its features have 9")


def test_a_changed_mask_is_imported_again(shanghai):
    folder = shanghai()
    imported(folder, "shanghaitech")
    assert not import_dataset(folder, None, settings("shanghaitech", partial=True), progress=False).changed
    np.save(folder / "test_frame_mask" / "01_0015.npy", mask(81, (0, 20)))
    assert import_dataset(folder, None, settings("shanghaitech", partial=True), progress=False).changed
    assert load_dataset(folder).videos.split("test")[0].intervals == ((0, 20),)


def test_pitfalls_are_told_as_notes(shanghai):
    notes = check_source(shanghai(), settings("shanghaitech", partial=True), progress=False).notes
    told = [note for note in notes if "micro or macro AUC" in note]
    assert told == ["ShanghaiTech: unsupervised papers report micro or macro AUC without saying which."]


# --- UBnormal ---------------------------------------------------------------------------------------
@pytest.fixture
def ubnormal(tmp_path):
    def make(tracks="3,20,29\n7.0,25.0,40.0\n1,60,60\n", test="abnormal_scene_1_scenario_1\n", validation=True):
        lists = {
            "normal_training": "normal_scene_13_scenario_5\nnormal_scene_11_scenario_6_1\n",
            "abnormal_training": "abnormal_scene_27_scenario_8_fog\n",
            "normal_test": "normal_scene_18_scenario_4\n",
            "abnormal_test": test,
        }
        if validation:
            lists |= {"normal_validation": "normal_scene_12_scenario_5\n", "abnormal_validation": "abnormal_scene_2_scenario_2\n"}
        write(tmp_path, {f"{name}_video_names.txt": text for name, text in lists.items()})
        if tracks:
            place = "Scene1/abnormal_scene_1_scenario_1_annotations/abnormal_scene_1_scenario_1_tracks.txt"
            write(tmp_path, {place: tracks, "Scene2/a/abnormal_scene_2_scenario_2_tracks.txt": "1,2,3\n"})
        features(tmp_path, dict.fromkeys(" ".join(lists.values()).split(), 5))
        return tmp_path

    return make


def test_ubnormal_tracks_become_intervals(ubnormal):
    """Objects 3 and 7 overlap; the last frame of a track is abnormal. Validation videos are left out."""
    assert numbers(ubnormal(), "ubnormal") == [
        ("abnormal_scene_27_scenario_8_fog", "train", ("Abnormal",), 80, ()),
        ("normal_scene_13_scenario_5", "train", ("Normal",), 80, ()),
        ("normal_scene_11_scenario_6_1", "train", ("Normal",), 80, ()),
        ("abnormal_scene_1_scenario_1", "test", ("Abnormal",), 80, ((20, 41), (60, 61))),
        ("normal_scene_18_scenario_4", "test", ("Normal",), 80, ()),
    ]


def test_ubnormal_validation_videos_without_their_lists_are_surplus(ubnormal):
    folder = ubnormal()
    assert problems(folder, "ubnormal") == ()
    for kind in ("normal", "abnormal"):
        (folder / f"{kind}_validation_video_names.txt").unlink()
    (problem,) = problems(folder, "ubnormal")
    assert "files of videos that no list names: abnormal_scene_2_scenario_2, normal_scene_12_scenario_5" in problem


def test_ubnormal_at_raw_lengths(ubnormal):
    folder = ubnormal()
    (folder / "n.csv").write_text("video,n_frames\nabnormal_scene_1_scenario_1,70\nnormal_scene_18_scenario_4,75\n")
    found = numbers(folder, "ubnormal", rule="frames", frames=str(folder / "n.csv"))
    assert {record[0]: record[3] for record in found if record[1] == "test"} == {
        "abnormal_scene_1_scenario_1": 70,
        "normal_scene_18_scenario_4": 75,
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tracks": "3,29,20"}, "_tracks.txt, line 1: expected 'object,first frame,last frame', got '3,29,20'"),
        ({"tracks": "3,20.5,29"}, "_tracks.txt, line 1: expected 'object,first frame,last frame'"),
        ({"tracks": "3 20 29"}, "_tracks.txt, line 1: expected 'object,first frame,last frame'"),
        ({"tracks": "3,99999999999,99999999999"}, "_tracks.txt, line 1: expected"),
        ({"test": "abnormal_scene_1_scenario_1\nabnormal_scene_3_scenario_1"}, "no abnormal_scene_3_scenario_1_tracks.txt of this"),
        ({"test": "normal_scene_1_scenario_1"}, "abnormal_test_video_names.txt, line 1: expected 'abnormal_scene_1_scenario_2'"),
        ({"test": "abnormal_scene_1_scenario_1\nabnormal_scene_27_scenario_8_fog"}, "lists too: abnormal_scene_27_scenario_8_fog"),
    ],
)
def test_ubnormal_refusals(ubnormal, changed, message):
    with pytest.raises(DataError, match=message):
        import_dataset(ubnormal(**changed), None, settings("ubnormal", partial=True), progress=False)


# --- TAD --------------------------------------------------------------------------------------------
TAD_TRAIN = (
    "frames/abnormal/01_Accident_001.mp4 0 64 1\nframes/abnormal/05_else_002.mp4 0 40 5\nframes/normal/Normal_257.mp4 0 50 0\n"
)
TAD_TEST = (
    "frames/abnormal/01_Accident_006.mp4 80 1 35 60\nframes/abnormal/01_Accident_014.mp4 60 1 40 61\n"
    "frames/abnormal/07_RoadSpills_003.mp4 64 7 0 65\nframes/normal/Normal_230.mp4 70 0 0 70\n"
)


@pytest.fixture
def tad(tmp_path):
    def make(train=TAD_TRAIN, test=TAD_TEST):
        write(tmp_path, {"labels/TAD_train.txt": train, "labels/TAD_test.txt": test})
        counts = {line.split()[0].split("/")[-1]: int(line.split()[2]) for line in TAD_TRAIN.splitlines()}
        counts |= {line.split()[0].split("/")[-1]: int(line.split()[1]) for line in TAD_TEST.splitlines()}
        features(tmp_path, {name.removesuffix(".mp4"): -(-frames // 16) for name, frames in counts.items()})
        return tmp_path

    return make


def test_tad_lists_become_records(tad):
    dataset = imported(tad(), "tad")
    assert dataset.videos.records == tuple(
        VideoRecord(name, split, (category,), frames, spans)
        for name, split, category, frames, spans in (
            ("01_Accident_001", "train", "Accident", 64, ()),
            ("05_else_002", "train", "Else", 40, ()),
            ("Normal_257", "train", "Normal", 50, ()),
            ("01_Accident_006", "test", "Accident", 80, ((35, 60),)),
            ("01_Accident_014", "test", "Accident", 60, ((40, 61),)),
            ("07_RoadSpills_003", "test", "RoadSpills", 64, ((0, 65),)),
            ("Normal_230", "test", "Normal", 70, ()),
        )
    )
    assert [int(record.frame_labels().sum()) for record in dataset.videos.split("test")] == [25, 20, 64, 0]
    assert dataset.info.mask_rule == "frames"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train": TAD_TRAIN.replace(" 40 5", " 40 1")},
            "TAD_train.txt, line 2: expected 'frames/abnormal/01_Accident_001.mp4 0 224 1'",
        ),
        ({"train": TAD_TRAIN.replace("05_else", "09_else")}, "TAD_train.txt, line 2: expected"),
        (
            {"test": TAD_TEST.replace(" 80 1 35 60", " 80 1 35")},
            "TAD_test.txt, line 1: expected 'frames/abnormal/01_Accident_006.mp4",
        ),
        ({"test": TAD_TEST.replace(" 80 1 35 60", " 80 2 35 60")}, "TAD_test.txt, line 1: expected"),
        ({"test": TAD_TEST.replace("35 60", "60 35")}, "TAD_test.txt, line 1: interval 60 35 is empty or negative"),
        ({"test": TAD_TEST.replace("35 60", "-1 -1")}, "TAD_test.txt, line 1: expected an interval of an abnormal video"),
        ({"test": TAD_TEST + TAD_TEST}, "TAD_test.txt, line 5: video 01_Accident_006 is listed twice"),
        ({"test": TAD_TEST + "frames/normal/Normal_257.mp4 50 0 0 50"}, "TAD_train.txt lists too: Normal_257"),
    ],
)
def test_tad_refusals(tad, changed, message):
    with pytest.raises(DataError, match=message):
        import_dataset(tad(**changed), None, settings("tad", partial=True), progress=False)


# --- MSAD -------------------------------------------------------------------------------------------
MSAD_HEADER = "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly\n"
MSAD_ROWS = MSAD_HEADER + "Assault_1,shop,426,55,426\nWater_incident_2,street,100,20,80\nPeople_falling_3,mall,64,1,30\n"


@pytest.fixture
def msad(tmp_path):
    def make(rows=MSAD_ROWS, test="Water_incident_2 People_falling_3 MSAD_normal_testing_118", names=("msad-i3d", "msad-i3d-test")):
        train = "Assault_1 MSAD_normal_warehouse21"
        for name, videos in zip(names, (train, test)):
            lines = [f"/scratch/kf09/MSAD-I3D-WS/{video}_i3d.npy" for video in videos.split()]
            (tmp_path / f"{name}.list").write_text("\n".join(lines))
        (tmp_path / "anomaly_annotation.csv").write_text(rows)
        lengths = {"Assault_1": 26, "MSAD_normal_warehouse21": 9, "Water_incident_2": 6, "People_falling_3": 4}
        features(tmp_path, lengths | {"MSAD_normal_testing_118": 7}, suffix="_i3d")
        return tmp_path

    return make


@pytest.mark.parametrize("names", [("msad-i3d", "msad-i3d-test"), ("MSAD_I3D_WS_Train", "MSAD_I3D_WS_Test")])
def test_msad_lists_and_table_become_records(msad, names):
    folder = msad(names=names)
    assert numbers(folder, "msad") == [
        ("Assault_1", "train", ("Assault",), 416, ()),
        ("MSAD_normal_warehouse21", "train", ("Normal",), 144, ()),
        ("Water_incident_2", "test", ("WaterIncident",), 96, ((20, 80),)),
        ("People_falling_3", "test", ("PeopleFalling",), 64, ((1, 30),)),
        ("MSAD_normal_testing_118", "test", ("Normal",), 112, ()),
    ]
    assert len(PUBLIC_SETS["msad"].categories) == 12  # 11 kinds of anomaly


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": MSAD_ROWS.replace("20,80", "80,20")}, "line 3: an anomaly from frame 80 to 20 cannot be in the 100 frames"),
        ({"rows": MSAD_ROWS.replace("20,80", "20,180")}, "line 3: an anomaly from frame 20 to 180 cannot be in the 100 frames"),
        ({"rows": MSAD_ROWS.replace("20,80", ",")}, "line 3: expected"),
        ({"rows": MSAD_ROWS.replace("Water_incident_2", "Fire_2")}, "no row for the abnormal test video Water_incident_2"),
        ({"rows": MSAD_ROWS.replace("total frames", "length")}, "total frames"),
        ({"rows": MSAD_ROWS + "Assault_1,shop,426,55,426"}, "line 5: video Assault_1 is listed twice"),
        ({"test": "Dancing_2 MSAD_normal_testing_118"}, "test.list, line 1: expected a feature file such as 'Fire_12_i3d.npy'"),
        ({"test": "Assault_1 MSAD_normal_testing_118"}, "msad-i3d.list lists too: Assault_1"),
    ],
)
def test_msad_refusals(msad, changed, message):
    with pytest.raises(DataError, match=message):
        import_dataset(msad(**changed), None, settings("msad", partial=True), progress=False)


def test_a_changed_table_is_imported_again(msad):
    folder = msad()
    imported(folder, "msad")
    (folder / "anomaly_annotation.csv").write_text(MSAD_ROWS.replace("20,80", "21,80"))
    assert import_dataset(folder, None, settings("msad", partial=True), progress=False).changed


# --- Ped2 and Avenue: all test videos abnormal, all training videos normal ----------------------------
PED2 = ["61:180", "95:180", "1:146", "31:180", "1:129", "1:159", "46:180", "1:180", "1:120", "1:150", "1:180", "88:180"]
PED2_FRAMES = [180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180]


@pytest.fixture
def ped2(tmp_path):
    def make(spans=PED2, train=0):
        lines = ["TestVideoFile = {};", *(f"TestVideoFile{{end+1}}.gt_frame = [{span}];" for span in spans)]
        write(tmp_path, {"Test/UCSDped2.m": "\n".join(lines) + "\n"})
        features(tmp_path, {f"Test{n:03}": -(-frames // 16) for n, frames in enumerate(PED2_FRAMES, start=1)})
        features(tmp_path, {f"Train{n:03}": 8 for n in range(1, train + 1)}, "Train")
        return tmp_path

    return make


def test_ped2_alone_is_for_testing_and_has_the_public_totals(ped2):
    folder = ped2()
    found = check_source(folder, settings("ped2"), progress=False)
    assert found.problems == ()
    assert "UCSD Ped2: there are no training videos, so it is for evaluation only" in " ".join(found.notes)
    dataset = imported(folder, "ped2", partial=False)
    masks = [record.frame_labels() for record in dataset.videos.split("test")]
    assert (sum(map(len, masks)), sum(int(mask.sum()) for mask in masks)) == (2_010, 1_648)
    assert dataset.videos.split("train") == () and dataset.info.note == ""
    assert masks[0].nonzero()[0][[0, -1]].tolist() == [60, 179]  # frames 61 to 180, counted from 1
    assert all(masks[place].all() for place in (7, 8, 9, 10))  # which the pitfalls name


def test_ped2_with_its_normal_training_videos(ped2):
    dataset = imported(ped2(train=16), "ped2", partial=False)
    trained = dataset.videos.split("train")
    assert [record.name for record in trained] == [f"Train{number:03}" for number in range(1, 17)]
    assert {record.categories for record in trained} == {("Normal",)}


def test_ped2_with_a_part_of_its_training_videos_is_refused(ped2):
    assert "4 of 28 listed videos have no file (Train013" in problems(ped2(train=12), "ped2", partial=False)[0]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (["61:180", "95-180"], "UCSDped2.m, line 3: expected 'TestVideoFile{end.1}.gt_frame = .61:180.;'"),
        (["180:61"], "UCSDped2.m, line 2: expected"),
        (["0:61"], "UCSDped2.m, line 2: expected"),
        (["1:61, "], None),
        (["5:90, 140:170"], None),
    ],
)
def test_ped2_lines(ped2, spans, message):
    folder = ped2(spans)
    for path in folder.glob("features/Test*.npy"):
        if int(path.stem[4:]) > len(spans):
            path.unlink()
    if message:
        with pytest.raises(DataError, match=message):
            import_dataset(folder, None, settings("ped2", partial=True), progress=False)
    else:
        assert len(imported(folder, "ped2").videos.split("test")[0].intervals) == spans[0].count(":")


AVENUE = {number: mask(40 + number, (5, 9)) for number in range(1, 22)}


@pytest.fixture(params=[True, False], ids=["packed", "unpacked"])
def avenue(request, tmp_path):
    """Masks of 6 x 8 pixels as Matlab writes them, a cell for each frame."""

    def make(train=0, masks=AVENUE):
        place = tmp_path / "ground_truth_demo" / "testing_label_mask"
        place.mkdir(parents=True)
        for number, frames in masks.items():
            cells = np.empty((1, len(frames)), dtype=object)
            for place_of, value in enumerate(frames):
                cells[0, place_of] = np.pad([[value]], ((2, 3), (4, 3))).astype(np.uint8)
            io.savemat(place / f"{number}_label.mat", {"volLabel": cells}, do_compression=request.param)
        features(tmp_path, {f"{n:02}": -(-len(frames) // 16) for n, frames in masks.items()}, "testing_videos")
        features(tmp_path, {f"training_{n:02}": 4 for n in range(1, train + 1)}, "training_videos")
        return tmp_path

    return make


def test_avenue_masks_of_pixels_become_intervals(avenue):
    folder = avenue(train=16)
    dataset = imported(folder, "avenue", partial=False)
    assert [(r.name, r.num_frames, r.intervals) for r in dataset.videos.split("test")] == [
        (f"{number:02}", 40 + number, ((5, 9),)) for number in range(1, 22)
    ]
    assert [record.name for record in dataset.videos.split("train")] == [f"training_{number:02}" for number in range(1, 17)]
    assert prepare_folder(folder, "avenue", progress=False)


def test_avenue_alone_is_for_testing(avenue):
    folder = avenue()
    found = check_source(folder, settings("avenue"), progress=False)
    assert found.problems == () and "for evaluation only" in " ".join(found.notes)
    assert "no public source gives the totals under mask rule frames" in " ".join(found.notes)


def test_avenue_training_videos_need_names_of_their_own(avenue):
    folder = avenue()
    features(folder, {"01": 4}, "training_videos")
    assert "01.npy: a training video with the name of a test video; rename it to training_01" in " ".join(
        problems(folder, "avenue")
    )


def test_avenue_without_masks(tmp_path):
    features(tmp_path, {"01": 3})
    with pytest.raises(MissingFileError, match=r"a file per test video such as testing_label_mask/1_label.mat missing; found "):
        import_dataset(tmp_path, None, settings("avenue"), progress=False)


# --- damaged and hostile masks ------------------------------------------------------------------------
def mat_of(path, masks, packed):
    cells = np.empty((1, len(masks)), dtype=object)
    for place, pixels in enumerate(masks):
        cells[0, place] = pixels
    io.savemat(path, {"first": np.eye(3), "volLabel": cells}, do_compression=packed)
    return path


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "bool", "int16", "float64"])
def test_pixel_masks_of_every_type_and_size(tmp_path, dtype, packed):
    rng = np.random.default_rng(4)
    for size in (1, 5, 7, 64, 300):
        masks = [(rng.random((size, size + 1)) < 1 / size**2).astype(dtype) for _ in range(40)]
        path = mat_of(tmp_path / f"{size}.mat", masks, packed)
        assert read_pixel_masks(path, "volLabel").tolist() == [int(pixels.any()) for pixels in masks]


@pytest.mark.parametrize("packed", [True, False])
def test_pixel_masks_that_are_too_large_are_refused(tmp_path, monkeypatch, packed):
    path = mat_of(tmp_path / "1_label.mat", [np.zeros((200, 200), np.uint8)] * 3, packed)
    for limit, value, message in (
        ("LARGEST_MASK", 30_000, "a part of it has 40,0.. bytes, more than 30,000"),
        ("MOST_FRAMES", 2, "no cell array of 1 to 2 frames"),
        ("LARGEST_FILE", 100, "bytes, more than 100"),
    ):
        with monkeypatch.context() as patch, pytest.raises(DataError, match=message):
            patch.setattr(matlab_masks, limit, value)
            read_pixel_masks(path, "volLabel")


def test_a_packed_mask_takes_no_more_memory_than_it_may(tmp_path, monkeypatch):
    """A mask that unpacks to 20 MB is refused by its size, before it is unpacked."""
    path = mat_of(tmp_path / "1_label.mat", [np.zeros((5_000, 4_000), np.uint8)], packed=True)
    assert path.stat().st_size < 10**5
    monkeypatch.setattr(matlab_masks, "LARGEST_MASK", 10**6)
    tracemalloc.start()
    with pytest.raises(DataError, match="a part of it has 20,0"):
        read_pixel_masks(path, "volLabel")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 3 * 10**6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": np.ones(3)}, "it has no variable volLabel"),
        ({"volLabel": np.ones((4, 4))}, "it is no cell array"),
        ({"volLabel": np.array(["a"], dtype=object)}, "a cell holds no mask of numbers"),
    ],
)
def test_pixel_masks_of_another_kind(tmp_path, content, message):
    io.savemat(tmp_path / "1_label.mat", content)
    with pytest.raises(DataError, match=f"expected the pixel masks volLabel, but it cannot be read .{message}"):
        read_pixel_masks(tmp_path / "1_label.mat", "volLabel")
    (tmp_path / "text.mat").write_text("MATLAB 7.3 MAT-file, which is HDF5" * 9)
    with pytest.raises(DataError, match="no header of a Matlab file of level 5"):
        read_pixel_masks(tmp_path / "text.mat", "volLabel")


@pytest.mark.parametrize("packed", [True, False])
def test_damaged_pixel_masks_are_one_sentence(tmp_path, packed):
    """Whatever byte is changed or cut off, the answer is masks or a DataError. SciPy's reader crashes on some of these files."""
    path = mat_of(tmp_path / "1_label.mat", [np.eye(5, dtype=np.uint8)] * 4, packed)
    whole, rng = path.read_bytes(), np.random.default_rng(5)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole[: rng.integers(100, len(whole) + 1)] if rng.integers(2) else whole)
        damaged[rng.integers(100, len(whole)) % len(damaged)] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert set(read_pixel_masks(path, "volLabel").tolist()) <= {0, 1}
        except DataError as error:
            refused += 1
            assert "1_label.mat: expected the pixel masks volLabel" in str(error)
    assert refused > 50


def test_frame_masks_of_every_type_are_read(tmp_path):
    for number, array in enumerate((mask(5, (1, 3)), mask(5, (1, 3)).astype(float), mask(5, (1, 3)).astype(bool)[None])):
        np.save(tmp_path / f"{number}.npy", array)
        found = read_frame_mask(tmp_path / f"{number}.npy")
        assert found.tolist() == [0, 1, 1, 0, 0] and found.dtype == np.uint8
    np.save(tmp_path / "none.npy", np.zeros(0))
    with pytest.raises(DataError, match="an array of 1 to"):
        read_frame_mask(tmp_path / "none.npy")


# --- lists that are damaged anywhere ------------------------------------------------------------------
@pytest.mark.parametrize("name", ["shanghai", "ubnormal", "tad", "msad", "ped2"])
def test_a_check_of_damaged_lists_says_what_is_wrong_and_never_breaks(name, request):
    folder = request.getfixturevalue(name)()
    dataset = {"shanghai": "shanghaitech"}.get(name, name)
    lists = [path for path in folder.rglob("*") if path.suffix in (".txt", ".list", ".csv", ".m")]
    whole, rng = {path: path.read_bytes() for path in lists}, np.random.default_rng(8)
    words = [b"", b"-1", b"0", b"1e9", b"99999999", b"999999999999", b"..", b"\x00", b"\xff", b"nan", b"a_1", b"\n\n", b",,,"]
    told = 0
    for _ in range(60):
        path = lists[rng.integers(len(lists))]
        parts = re.split(rb"([\s,:/]+)", whole[path])
        for place in rng.integers(len(parts), size=2):
            parts[place] = words[rng.integers(len(words))]
        path.write_bytes(b"".join(parts))
        told += bool(problems(folder, dataset))
        path.write_bytes(whole[path])
    assert told > 20 and problems(folder, dataset) == ()
