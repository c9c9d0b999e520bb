"""What a check says of lists, splits, categories and names, before anything is read or run."""

import numpy as np
import pytest
from importing_folders import FRAMES, HEADER, WHOLE, found, rows

from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.video_names import may_be_misspelled, plain_form, same_but_for_writing
from vad_lib.data.importing.write import import_dataset
from vad_lib.errors import DataError

LOITERING = HEADER + "a,train,Normal,160,\nb,train,Loitering,160,\nc,test,Normal,320,\nd,test,Loitering,320,100-300\n"
FIGHT_FIGHT = HEADER + "a,train,Normal,160,\nb,train,Fight,160,\nc,test,Normal,8096,\nd,test,fight,8096,100-300\n"


def test_a_folder_with_nothing_wrong_has_nothing_to_say(whole):
    checked = whole.check()
    assert checked.problems == () and checked.warnings == ()


# --- categories -------------------------------------------------------------------------------------
def test_a_category_without_prompt_gets_a_phrase_and_a_line_to_add(folder):
    checked = folder.list(LOITERING).all_features(rows(LOITERING)).check()
    (said,) = found(checked, "category-without-prompt")
    assert said.startswith("warning: category Loitering: no phrase for it in prompts.yml, so 'loitering' is used; ")
    assert "add the line 'Loitering: words for it' under 'phrases'" in said


@pytest.mark.parametrize(
    ("category", "phrase"),
    [("BikeTheft", "bike theft"), ("no_helmet", "no helmet"), ("CCTVFailure", "cctv failure"), ("level-2", "level 2"),
     ("Ölaustritt", "ölaustritt"), ("打架", "打架")],
)  # fmt: skip
def test_default_phrases_are_made_from_the_name(folder, category, phrase):
    text = WHOLE.replace("Riot", category)
    (said,) = found(folder.list(text).all_features().check(), "category-without-prompt")
    assert f"'{phrase}' is used" in said


def test_categories_that_differ_in_capitals_are_one_mistake(folder):
    checked = folder.list(FIGHT_FIGHT).all_features(rows(FIGHT_FIGHT)).check()
    assert found(checked, "category-near") == [
        "error: categories that differ in writing only: Fight, fight; write Fight in all lines if they are one, or rename one."
    ]
    assert "categories of test videos that no training video has: fight" in found(checked, "category-untrained")[0]


@pytest.mark.parametrize("other", ["riot", "RIOT", "Riot_", "R iot", "Ri-ot", "\uff32iot"])
def test_categories_that_differ_in_writing(folder, other):
    text = WHOLE.replace("riot_2,train,Riot", f"riot_2,train,{other}")
    checked = folder.list(text).all_features().check()
    assert any("differ in writing only" in problem for problem in checked.problems)


def test_a_misspelled_category_is_asked_about(folder):
    text = WHOLE.replace("Riot", "Fighting").replace("riot_2,train,Fighting", "riot_2,train,Figthing")
    said = found(folder.list(text).all_features().check(), "category-near")
    assert said == ["warning: categories Fighting and Figthing are nearly the same; write them alike if they are one."]


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [("Fighting", "Fightng", True), ("Abuse", "Abused", True), ("Assault", "Assualt", True),
     ("RoadAccident", "road accidents", True),
     ("Walking", "Talking", False), ("Loitering", "Littering", False), ("Level1", "Level2", False), ("Level", "Level2", False),
     ("Riot", "Riots", False), ("Shooting", "Shoplifting", False)],
)  # fmt: skip
def test_misspellings(first, second, alike):
    assert may_be_misspelled(first, second) is may_be_misspelled(second, first) is alike


def test_a_list_without_the_normal_category(folder):
    text = WHOLE.replace("Normal", "normal")
    checked = folder.list(text).all_features().check()
    assert "expected the category Normal among Riot, normal; rename the normal one" in found(checked, "category-normal")[0]


# --- splits -----------------------------------------------------------------------------------------
def without(*names):
    return "".join(line for line in WHOLE.splitlines(keepends=True) if line.partition(",")[0] not in names)


NORMAL_ONLY, ABNORMAL_ONLY = ("riot_1", "riot_2", "riot_3"), ("calm_1", "calm_2", "calm_3")
SPLITS = {
    "no test videos": (without("calm_3", "riot_3"), ["no test videos, so nothing can be measured"]),
    "no normal test videos": (without("calm_3"), []),
    "no abnormal test videos": (without("riot_3"), ["all 320 test frames are normal"]),
    "test videos abnormal from end to end": (without("calm_3").replace("100-300", "0-320"), ["all 320 test frames are abnormal"]),
    "one normal training video": (without("calm_1"), ["training videos that are normal: 1,"]),
    "one abnormal training video": (without("riot_1"), ["training videos that are abnormal: 1,"]),
    "no normal training videos": (without("calm_1", "calm_2"), ["training videos that are normal: 0,"]),
    "no training videos": (
        without("calm_1", "calm_2", "riot_1", "riot_2"),
        ["training videos that are normal: 0,", "training videos that are abnormal: 0,"],
    ),
    "one class only": (
        without(*NORMAL_ONLY),
        ["training videos that are abnormal: 0,", "all 320 test frames are normal", "one category only, Normal;"],
    ),
    "the other class only": (
        without(*ABNORMAL_ONLY),
        ["expected the category Normal among Riot", "training videos that are normal: 0,"],
    ),
}


@pytest.mark.parametrize("case", SPLITS)
def test_splits_that_cannot_be_trained_or_measured(folder, case):
    text, expected = SPLITS[case]
    problems = folder.list(text).all_features(rows(text)).check().problems
    assert len(problems) == len(expected)
    for message in expected:
        assert any(message in problem for problem in problems), message


def test_no_normal_test_video_is_worth_a_warning(folder):
    text = without("calm_3")
    (warning,) = folder.list(text).all_features(rows(text)).check().warnings
    assert warning.startswith("no normal test videos, so the rate of false alarms")


def test_clips_that_are_abnormal_from_end_to_end_beside_normal_ones_are_fine(folder):
    lines = [f"n{i},train,Normal,320,\na{i},train,Fighting,320,\n" for i in range(6)]
    lines += [f"tn{i},test,Normal,320,\nta{i},test,Fighting,320,0-320\n" for i in range(4)]
    text = HEADER + "".join(lines)
    folder.list(text).all_features(rows(text))
    checked = folder.check()
    assert (checked.problems, checked.warnings) == ((), ())
    assert import_dataset(folder.path, None, ImportSettings(dataset="mine", dimension=8), progress=False).features


def test_a_part_of_a_data_set_may_lack_what_training_needs(folder):
    text = without("calm_1", "calm_3", "riot_3")
    folder.list(text).all_features(rows(text))
    checked = folder.check(partial=True)
    assert checked.problems == ()
    assert [warning.partition(":")[0] for warning in checked.warnings] == [
        "training videos that are normal",
        "no test videos, so nothing can be measured; add videos with the split test.",
    ]


# --- lines and names --------------------------------------------------------------------------------
def test_a_line_that_cannot_be_read_does_not_hide_the_others(folder):
    text = WHOLE.replace("100-300", "0.2-0.4").replace("calm_2,train", "calm_2,val") + "riot_4,train,Riot,abc,\n"
    checked = folder.list(text).all_features({**FRAMES, "riot_4": 160}).check()
    assert [problem.partition("videos.csv, ")[2].partition(":")[0] for problem in checked.problems] == [
        "line 3, column split",
        "line 7, column intervals",
        "line 8, column n_frames",
    ]
    assert "fractions of the video" in checked.problems[1] and checked.surplus == ()


def test_everything_that_is_wrong_is_said_in_one_pass_by_both_commands(folder):
    text = (
        WHOLE.replace("100-300", "100-5000").replace("calm_2,train,Normal,160", "calm_2,train,Normal,1.600") + "x,train,Riot,160,\n"
    )
    folder.list(text).all_features()
    folder.features("riot_1", np.full((10, 8), np.nan, dtype=np.float32))
    folder.features("riot_2", np.zeros((10, 8), dtype=np.float32))
    folder.features("holiday", 4)
    (folder.path / "features" / "calm_1.npy").write_bytes(b"\x93NUMPY\x01\x00cut")
    expected = ["column n_frames", "holiday", "1 of 6 listed videos have no file (x)", "calm_1.npy: expected a plain .npy array",
                "frame 5,000", "riot_1: its features hold NaN", "riot_2: its features are all zero"]  # fmt: skip
    problems = folder.check().problems
    assert len(problems) == len(expected)
    for part, problem in zip(expected, problems):
        assert part in problem
    with pytest.raises(DataError) as error:
        import_dataset(folder.path, None, ImportSettings(dataset="mine", dimension=8), progress=False)
    assert str(error.value).startswith("mine: 7 things are wrong:\n  - ")
    assert all(problem in str(error.value) for problem in problems)
    assert not (folder.path / "store").exists()


@pytest.mark.parametrize("end", [320, 321, 322])
def test_an_interval_may_pass_the_end_by_the_frames_of_public_annotations(folder, end):
    checked = folder.list(WHOLE.replace("100-300", f"100-{end}")).all_features().check()
    assert (checked.problems, checked.warnings) == ((), ())


@pytest.mark.parametrize(
    ("rule", "words"),
    [("frames", "an interval ends before the frame at its end"), ("A", "an interval ends before the frame at its end"),
     ("B", "the frame at the end of an interval is abnormal")],
)  # fmt: skip
@pytest.mark.parametrize(("end", "form"), [(319, "n-1"), (320, "n"), (321, "n+1"), (322, "n+2")])
def test_the_annotation_s_way_of_counting_is_said(folder, end, form, rule, words):
    checked = folder.list(WHOLE.replace("100-300", f"100-{end}")).all_features().check(rule=rule, out=folder.path / "out")
    (said,) = found(checked, "end-counting")
    assert said == (
        f"note: of n frames, annotated intervals reach the end at {form} in 1 videos; under mask rule {rule} {words}, and what "
        "passes the last frame is cut off."
    )


@pytest.mark.parametrize(("end", "level"), [(323, "warning"), (336, "warning"), (337, "error"), (5000, "error"), (32000, "error")])
def test_an_interval_that_ends_behind_the_video(folder, end, level):
    said = found(folder.list(WHOLE.replace("100-300", f"100-{end}")).all_features().check(), "interval-late")
    assert len(said) == 1 and said[0].startswith(f"{level}: video riot_3: an interval ends at frame {end:,}, the video has 320; ")
    assert ("it is cut off there" in said[0]) == (level == "warning")


def test_an_interval_that_begins_behind_the_video(folder):
    (problem,) = folder.list(WHOLE.replace("100-300", "400-500")).all_features().check().problems
    assert "video riot_3: interval 400-500 is empty or outside the video's 320 frames; correct it, or n_frames" in problem


def test_an_event_that_ends_behind_the_video(folder):
    text = WHOLE.replace("intervals\n", "intervals,class_intervals\n").replace("100-300", "100-300,Riot:100-900")
    assert "frame 900, the video has 320" in found(folder.list(text).all_features().check(), "interval-late")[0]


@pytest.mark.parametrize("other", ["Calm_1", "calm 1", "calm-1", "ca\u0301lm_1", "CALM1"])
def test_videos_whose_names_differ_in_writing_are_named(folder, other):
    text = (
        WHOLE.replace("calm_2", other) if "\u0301" not in other else WHOLE.replace("calm_1", "c\u00e1lm_1").replace("calm_2", other)
    )
    checked = folder.list(text).all_features(rows(text)).check()
    said = found(checked, "video-near")
    assert len(said) == 1 and said[0].startswith("warning: videos whose names differ in writing only: ") and other in said[0]


def test_a_listed_name_and_a_file_of_nearly_the_same_name(whole):
    features = whole.path / "features"
    (features / "calm_1.npy").rename(features / "Calm 1.npy")
    checked = whole.check()
    assert checked.problems == (
        "video calm_1: no file has this name, but Calm 1.npy is there, written in another way; rename one, or leave it out with "
        "--partial.",
    )


def test_plain_forms():
    assert plain_form("Übung 3.MP4") == plain_form("u\u0308bung-3") == plain_form("ÜBUNG_3_x264.mkv")
    assert same_but_for_writing(["a", "b", "A", "a_1"]) == [["a", "A"]]
    assert plain_form("___") == "___"  # names of nothing but marks stay apart
