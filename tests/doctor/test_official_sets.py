"""Ground truth of the smaller public sets by their official files, and scores under it."""

import numpy as np
import pytest
from scipy import io

from vad_lib.doctor.conventions import own_protocol
from vad_lib.doctor.fitting import fit
from vad_lib.doctor.measuring import Evaluator
from vad_lib.doctor.reading import GivenScores, read_truth
from vad_lib.errors import DataError


def ped2(folder):
    lines = [f"TestVideoFile{{end+1}}.gt_frame = [{5 + number}:90];" for number in range(12)]
    (folder / "UCSDped2.m").write_text("TestVideoFile = {};\n" + "\n".join(lines) + "\n")


def shanghaitech(folder):
    (folder / "SH_Train.txt").write_text("01_0015\n01_002\n")
    (folder / "SH_Test_NEW.txt").write_text("01_0014,1,-1\n01_001,0,96\n")
    masks = folder / "testing" / "test_frame_mask"
    masks.mkdir(parents=True)
    np.save(masks / "01_0014.npy", np.repeat([0, 1, 0], (20, 30, 30)))


def ubnormal(folder):
    for kind in ("normal", "abnormal"):
        for place, split in enumerate(("training", "test")):
            (folder / f"{kind}_{split}_video_names.txt").write_text(f"{kind}_scene_1_scenario_{place}\n")
    tracks = folder / "Scene1" / "abnormal_scene_1_scenario_1_annotations"
    tracks.mkdir(parents=True)
    (tracks / "abnormal_scene_1_scenario_1_tracks.txt").write_text("1,10,40\n2,30,60\n")


def tad(folder):
    (folder / "TAD_train.txt").write_text("frames/abnormal/01_Accident_001.mp4 0 64 1\nframes/normal/Normal_257.mp4 0 50 0\n")
    test = "frames/abnormal/05_else_006.mp4 80 5 35 60\nframes/normal/Normal_218.mp4 40 0 0 40\n"
    (folder / "TAD_test.txt").write_text(test)


def msad(folder):
    for name, videos in (
        ("msad-i3d", ("Assault_1", "MSAD_normal_mall3")),
        ("msad-i3d-test", ("Fire_12", "MSAD_normal_testing_118")),
    ):
        (folder / f"{name}.list").write_text("\n".join(f"/scratch/{video}_i3d.npy" for video in videos))
    header = "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly"
    (folder / "anomaly_annotation.csv").write_text(f"{header}\nAssault_1,shop,426,55,426\nFire_12,street,100,20,80\n")


def avenue(folder):
    """Masks of 3 x 4 pixels as Matlab writes them, a cell for each frame; frames 5 to 9 have one abnormal pixel."""
    place = folder / "ground_truth_demo" / "testing_label_mask"
    place.mkdir(parents=True)
    for number in range(1, 22):
        cells = np.empty((1, 20), dtype=object)
        for frame in range(20):
            cells[0, frame] = np.pad([[np.uint8(5 <= frame < 9)]], ((1, 1), (2, 1)))
        io.savemat(place / f"{number}_label.mat", {"volLabel": cells})


@pytest.mark.parametrize(
    ("write", "words", "intervals"),
    [
        (ped2, "The ground truth is that of UCSD Ped2: 12 abnormal and 0 normal test videos.", (4, 90)),
        (shanghaitech, "ShanghaiTech: 1 abnormal and 1 normal test videos. Released are 44 and 155; use all", (20, 50)),
        (ubnormal, "The files do not give the frames of 2 videos", (10, 61)),
        (tad, "TAD: 1 abnormal and 1 normal test videos. Released are 60 and 40; use all", (35, 60)),
        (msad, "MSAD: 1 abnormal and 1 normal test videos. Released are 120 and 120; use all", (20, 80)),
        (avenue, "The ground truth is that of CUHK Avenue: 21 abnormal and 0 normal test videos.", (5, 9)),
    ],
)
def test_official_files_are_read_as_released(tmp_path, write, words, intervals):
    write(tmp_path)
    truth = read_truth([tmp_path])
    assert words in " ".join(truth.sentences) and "numbers on" in truth.sentences[-1]
    assert intervals in [span for video in truth.videos for span in video.intervals]
    scores = {}
    for video in truth.videos:
        inside = [any(start <= frame < end for start, end in video.intervals) for frame in range(video.num_frames or 96)]
        scores[video.name] = np.array(inside, dtype=float)[None]
    fitted = fit(GivenScores("s", scores), truth)
    assert fitted.case.per == "frame" and Evaluator(fitted.case).value(own_protocol(fitted.case)) == 1


def test_a_wrong_line_is_named(tmp_path):
    (tmp_path / "UCSDped2.m").write_text("TestVideoFile{end+1}.gt_frame = [90:5];\n")
    with pytest.raises(DataError, match=r"UCSDped2\.m, line 1"):
        read_truth([tmp_path])
    (tmp_path / "UCSDped2.m").unlink()
    with pytest.raises(DataError, match="all files of another public set"):
        read_truth([tmp_path])


@pytest.mark.parametrize(
    ("write", "name", "text", "message"),
    [
        (tad, "TAD_test.txt", "frames/abnormal/05_else_006.mp4 80 3 35 60\n", r"TAD_test\.txt, line 1"),
        (msad, "anomaly_annotation.csv", None, "all files of another public set"),
        (msad, "msad-i3d-test.list", "/scratch/Flood_1_i3d.npy\n", r"msad-i3d-test\.list, line 1"),
        (avenue, "ground_truth_demo/testing_label_mask/7_label.mat", "no Matlab file", r"7_label\.mat"),
    ],
)
def test_a_damaged_or_missing_file_is_named(tmp_path, write, name, text, message):
    write(tmp_path)
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_truth([tmp_path])
