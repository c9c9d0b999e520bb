"""Real footage: what is known of each set, its committed numbers, and the way from a folder of data to a page."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from made_scores import planted

from vad_lib.config import get_profile
from vad_lib.errors import DataError
from vad_lib.report import real_footage, real_footage_page
from vad_lib.report.real_footage import ROWS, SETS, WITHIN, committed, committed_sets, read_numbers, write_numbers
from vad_lib.report.rendered_and_real import METRICS, QUESTIONS
from vad_lib.runs import experiments
from vad_lib.storage.paths import Layout
from vad_lib.storage.provenance import versions

TRAINED = ("logistic-regression", "ur-dmu", "msf-dmu")


# --- what is known ------------------------------------------------------------------------------------------
def test_every_compared_method_is_trained_and_no_ceiling():
    assert {*experiments.COMPARED, *experiments.YARDSTICKS, "proposed-permuted"} <= {*ROWS} and len({*ROWS}) == len(ROWS)
    assert {row for table in ("table4", "table5") for row in experiments.TABLE_ROWS[table]} <= {*ROWS}
    assert real_footage.NUM_SEEDS == 10


def test_settings_are_the_same_in_every_profile_but_smoke():
    quick, other = real_footage.profile_of("quick"), real_footage.profile_of("paper")
    assert quick == other and (quick.train.num_segments, quick.train.steps, quick.width, quick.features.num_crops) == (
        32,
        200,
        128,
        1,
    )
    smoke = real_footage.profile_of("smoke")
    assert smoke.train == get_profile("smoke").train and smoke.features == quick.features.replace(
        batch_size=smoke.features.batch_size
    )


def test_videos_that_are_abnormal_throughout_have_no_auc_within():
    lines = real_footage._lines("proposed", tuple(planted(np.full((2, 6), 0.5))))
    assert [line[2] for line in lines] == [*METRICS]


@pytest.mark.parametrize("name", SETS)
def test_committed_numbers_agree_with_each_other(name):
    """The files of a set were written together: its differences are those of its rows, and its words say what it cannot answer."""
    numbers = read_numbers(committed(Layout.create("quick")) / name)
    assert numbers is not None and numbers.info["title"] == SETS[name].title and numbers.info["commit"]
    means = numbers.rows.set_index(["variant", "metric"])["mean"]
    assert {metric for _, _, metric in numbers.differences} == {*METRICS}
    assert {key[:2] for key in numbers.differences} == {*QUESTIONS}
    for (first, second, metric), found in numbers.differences.items():
        assert found.mean == pytest.approx(means[second, metric] - means[first, metric], abs=5e-6)
        assert found.low <= found.mean <= found.high and found.num_videos == numbers.info["test"]["videos"]
    assert {*numbers.rows["metric"]} == {*METRICS, WITHIN}
    about = real_footage_page.about_set(name)
    for part in (SETS[name].licence, SETS[name].cannot, SETS[name].source):
        assert part in about


def test_the_list_of_sets_says_what_to_know_of_them_and_no_number_of_seeds(tmp_path):
    shutil.copytree(committed(Layout.create("quick")), tmp_path, dirs_exist_ok=True)
    index = real_footage_page.write_index(tmp_path).read_text(encoding="utf-8")
    remark = "Features leak from training to test; the only category, Anomaly, has a random vector in place of text."
    assert f"## [PETS 2009](pets2009/README.md)\n\n{remark}\n\n| method |" in index and "seeds a row" not in index
    assert "## [Fight bags](fight-bags/README.md)\n\n| method |" in index
    sets = {each.title: each for each in committed_sets(Layout.create("quick"))}
    assert [title for title, each in sets.items() if each.no_text] == ["PETS 2009", "UCSD Ped2"] and not sets["UCSD Ped2"].remark


def test_an_unknown_set_has_no_words_of_ours():
    assert real_footage_page.about_set("street") == ""


def test_the_sentence_says_what_was_run_and_what_is_shown():
    numbers = {name: read_numbers(committed(Layout.create("quick")) / name) for name in SETS}
    here, *others = numbers.values()
    seeds, commit = here.seeds, here.info["commit"]
    said = real_footage.source_sentence([here], others)
    assert said.startswith(f"Trained here: Fight bags (commit {commit}, {seeds} a row). These were not run here, the committed ")
    assert real_footage.source_sentence([], [here], ["PETS 2009"]).endswith("seeds a row). Without any numbers: PETS 2009.")
    assert real_footage.source_sentence([], numbers.values()).startswith("Real footage was not run here, the committed numbers are")
    assert real_footage.source_sentence([], []) == "No real set has numbers."


# --- files --------------------------------------------------------------------------------------------------
def test_numbers_come_back_from_their_files(tmp_path):
    numbers = read_numbers(committed(Layout.create("quick")) / "fight-bags")
    write_numbers(tmp_path, numbers)
    again = read_numbers(tmp_path)
    pd.testing.assert_frame_equal(again.rows, numbers.rows)
    assert again.info == numbers.info and again.differences == numbers.differences
    one = {key: dataclasses.replace(found, sd=None, seeds=(7,), values=(0.5,)) for key, found in numbers.differences.items()}
    write_numbers(tmp_path, dataclasses.replace(numbers, differences=one))
    assert read_numbers(tmp_path).differences == one
    gone = {("gone", *key[1:]): found for key, found in one.items()}  # a row that this version lacks
    write_numbers(tmp_path, dataclasses.replace(numbers, differences=gone))
    assert {found.first for found in read_numbers(tmp_path).differences.values()} == {"gone"}
    (tmp_path / real_footage.DIFFERENCES_FILE).write_text("first,second\n")
    with pytest.raises(DataError, match=r"differences.csv: expected the column high, kind, level"):
        read_numbers(tmp_path)
    (tmp_path / real_footage.INFO).unlink()
    assert read_numbers(tmp_path) is None


# --- from a folder of data to a page ------------------------------------------------------------------------
def write_folder(folder, rng):
    """Features of 14 training and 10 test videos, with a shift in the abnormal snippets, as a person keeps them."""
    (folder / "features").mkdir(parents=True)
    lines = ["video,split,category,n_frames,intervals"]
    for split, count in (("train", 14), ("test", 10)):
        for place in range(count):
            abnormal, name = place % 2, f"{split}_{place:02d}"
            values = rng.normal(size=(6, 1024))
            values[2:4] += 0.5 * abnormal
            np.save(folder / "features" / f"{name}.npy", values.astype(np.float16))
            spans = "32-64" if abnormal and split == "test" else ""
            lines.append(f"{name},{split},{'Fighting' if abnormal else 'Normal'},96,{spans}")
    (folder / "videos.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("known", SETS.values(), ids=SETS)
def test_lists_are_read_that_are_not_those_of_a_release(tmp_path, known):
    write_folder(tmp_path / "real", np.random.default_rng(1))
    layout = real_footage.work_layout(real_footage.profile_of("smoke"), tmp_path / "work")
    dataset = real_footage.imported(tmp_path / "real", known.dataset, known.title, layout, real_footage.profile_of("smoke"))
    assert dataset.title == known.title and len(dataset.videos.split("test")) == 10


@pytest.mark.slow
def test_a_set_that_is_there_is_trained_and_the_others_are_read(tmp_path):
    write_folder(tmp_path / "real" / "fight_bags", np.random.default_rng(1))
    layout = Layout.create("smoke", tmp_path / "out")
    found = real_footage_page.gather(layout, str(tmp_path / "real"), rows=TRAINED, seeds=2)
    assert list(found.here) == ["fight-bags"] and list(found.read) == ["pets2009", "ped2"] and list(found.all) == list(SETS)
    assert found.sentence().startswith("Trained here: Fight bags (commit ")
    numbers, place = found.here["fight-bags"], layout.results / "real_footage" / "fight-bags"
    assert numbers.info["train"] == {"videos": 14, "abnormal": 7, "frames": 14 * 96} and numbers.seeds == "2 seeds"
    assert numbers.info["test"] == {"videos": 10, "abnormal": 5, "frames": 960, "events": 5, "abnormal_frames": 160}
    assert numbers.info["not_run"]["proposed"] == "not trained yet"
    assert numbers.info["not_run"]["fusion-gan"] == "it takes pixels and Fight bags came as features"
    assert {key[:2] for key in numbers.differences} == {pair for pair in QUESTIONS if {*pair} <= {*TRAINED}}
    again = read_numbers(place)
    assert again.info == json.loads(json.dumps(numbers.info))
    page = (place / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# Fight bags: 2 seeds a row\n\nAll 300 surveillance clips") and "## In words\n\n- UR-DMU minus" in page
    assert "## Not run\n" in page and "it takes pixels and Fight bags came as features" in page and (place / "rows.png").is_file()
    assert numbers.info["torch"] == versions()["torch"] and f"torch {numbers.info['torch']}, processor " in page
    index = (place.parent / "README.md").read_text(encoding="utf-8")
    assert "## [Fight bags](fight-bags/README.md)\n\n| method |" in index and "chosen on validation; FAR is at" in index
    # a second time nothing is trained, and a further seed is added to those that are there
    runs = tmp_path / "out" / "build" / "real_footage" / "results" / "smoke" / "runs" / "fight-bags"
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("metrics.json")}
    more = real_footage_page.gather(layout, str(tmp_path / "real"), rows=TRAINED[:1], seeds=3)
    after = {path: path.stat().st_mtime_ns for path in runs.rglob("metrics.json")}
    assert len(before) == 6 and before.items() <= after.items() and len(after) == 7
    assert more.here["fight-bags"].seeds == "2 to 3 seeds"
    frame, said = real_footage_page.rows_frame(numbers), real_footage_page.rows_sentence(numbers)
    assert (
        len(frame) == len(TRAINED) and "AUC % within abnormal videos" in frame and "**Fight bags**, 10 test videos. AUC: " in said
    )


def test_without_data_nothing_is_trained(tmp_path):
    layout = Layout.create("quick", tmp_path)
    for folder in ("", str(tmp_path)):  # an empty folder has none of the sets
        found = real_footage_page.gather(layout, folder)
        assert not found.here and list(found.read) == list(SETS) and found.missing == ()
    assert not (tmp_path / "build").exists() and not layout.results.exists()
    sizes = real_footage_page.sizes_frame(found.all)
    assert sizes.loc["UCSD Ped2", "frames in all"].endswith("minutes)") and "minutes" not in sizes.loc["PETS 2009", "frames in all"]


def test_chance_is_told_from_intervals():
    rows = [("auc", 0.7, 0.8), ("auc", 0.4, 0.6), (WITHIN, 0.2, 0.4), (WITHIN, 0.2, 0.3)]
    frame = pd.DataFrame([(metric, low, high) for metric, low, high in rows], columns=["metric", "low", "high"])
    numbers = real_footage.Numbers({"title": "Street", "test": {"videos": 9}}, frame, {})
    said = real_footage_page.rows_sentence(numbers)
    assert "AUC: 1 of 2 rows above chance, 0 below, 1 *cannot tell*; median half-width 7.5 points" in said
    assert "AUC within abnormal videos: 0 of 2 rows above chance, 2 below, 0 *cannot tell*" in said


def test_reasons_are_gathered():
    info = {"title": "Street", "not_run": {"rtfm": "not trained yet", "mgfn": "not trained yet", "fusion-gan": "it takes pixels"}}
    said = real_footage_page.not_run_sentence(real_footage.Numbers(info, pd.DataFrame(), {}))
    assert said == "*Not run on Street.* Not trained yet: RTFM, MGFN; it takes pixels: FusionNet+LSTM+GAN (our stand-in)."
    assert real_footage_page.not_run_sentence(real_footage.Numbers(info | {"not_run": {}}, pd.DataFrame(), {})) == ""
