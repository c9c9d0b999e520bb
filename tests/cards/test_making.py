"""Cards of finished runs: their numbers, their intervals, their files; the same runs give the same bytes."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from vad_lib.cards import measuring
from vad_lib.cards.card import NAME, read_card, seal
from vad_lib.cards.making import make_cards
from vad_lib.cards.verifying import problems
from vad_lib.errors import DataError, MissingFileError
from vad_lib.evaluation.intervals import interval
from vad_lib.evaluation.measures_of_today import measures_of_today
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.runs.packed_runs import pack
from vad_lib.runs.run_folder import METRICS, RunInFolder, run_folders
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.paths import PROJECT_ROOT
from vad_lib.storage.reading import read_arrays, read_json
from vad_lib.storage.writing import write_json, write_text


def change(folder, **metrics):
    content = read_json(folder / METRICS)
    content["selections"]["best_on_validation"]["metrics"] |= metrics
    write_json(folder / METRICS, content)


def test_the_card_of_a_run_has_its_numbers_its_data_and_its_files(finished):
    folder = finished(seed=3)
    assert make_cards(folder) == [folder / NAME]
    card, arrays = read_card(folder / NAME), read_arrays(folder / "scores.npz")
    recorded = read_json(folder / METRICS)["selections"]["best_on_validation"]["metrics"]
    assert (card.kind, card.seeds, card.selection.steps["last"]) == ("run", (3,), (60,))
    for metric in ("auc", "ap", "ap_trapezoid", "far_normal_videos", "tpr"):
        assert card.measure(metric).mean == recorded[metric]
    assert card.measure("auc_per_category/Arson").mean == recorded["auc_per_category"]["Arson"]
    between = interval(scored_rows([RunInFolder(folder)]), "auc")
    assert (card.measure().interval.low, card.measure().interval.high) == (between.low, between.high)
    assert card.measure("far_all_normal_frames").interval.low <= recorded["far_all_normal_frames"]
    assert card.measure("ap_trapezoid").interval is None  # one seed, and no draws of it
    today = measures_of_today(scored_rows([RunInFolder(folder)])[0], fps=None)
    for metric in ("recall_at_1_percent", "partial_auc", "best_f1", "event_recall_0.5", "calibration_error"):
        assert card.measure(metric).mean == today[metric]
    assert card.measure("median_delay_seconds") is None  # no fraction
    names = sorted(arrays["videos"].tolist())
    assert card.data.test_videos_sha256 == hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    assert card.data.test.videos == len(names) == 14 and card.data.test.frames == arrays["num_frames"].sum()
    assert card.data.test.abnormal_frames == arrays["labels"].sum() == recorded["num_abnormal_frames"]
    assert {file.path for file in card.files} >= {"config.json", METRICS, "scores.npz", "log.csv"}
    assert card.method.settings["train"]["lr"] == 5e-4 and "seed" not in card.method.settings["train"]


def test_a_row_has_every_seed_and_the_interval_of_the_tables(finished, tmp_path):
    folders = [finished(seed=seed) for seed in (1, 2, 3)]
    row = folders[0].parent
    assert make_cards(tmp_path / "results" / "quick") == [*(folder / NAME for folder in folders), row / NAME]
    card, singles = read_card(row / NAME), [read_card(folder / NAME) for folder in folders]
    values = [single.measure().mean for single in singles]
    assert card.seeds == (1, 2, 3) and list(card.measure().values) == values
    assert card.measure().mean == pytest.approx(np.mean(values)) and card.measure().sd == pytest.approx(np.std(values, ddof=1))
    between = interval(scored_rows([RunInFolder(folder) for folder in run_folders(row)]), "ap")
    assert card.measure("ap").interval.low == pytest.approx(between.low) and card.measure("ap").interval.kind == between.kind
    assert "Student" in card.measure("ap_trapezoid").interval.kind and "Student" in card.measure("best_f1").interval.kind
    assert len(card.files) == sum(len(single.files) for single in singles)


def test_the_same_runs_give_the_same_bytes_wherever_they_lie(finished, tmp_path):
    row = finished(seed=1).parent
    make_cards(row)
    first = (row / NAME).read_bytes()
    make_cards(row)
    assert (row / NAME).read_bytes() == first
    shutil.copytree(row, tmp_path / "elsewhere" / "row")
    make_cards(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "row" / NAME).read_bytes() == first


def test_a_number_that_its_scores_do_not_give_gets_no_card(finished):
    folder = finished()
    change(folder, auc=0.99)
    with pytest.raises(DataError, match=r"auc is recorded as 0\.990000, but the scores beside it give"):
        make_cards(folder)
    assert not (folder / NAME).exists()


def test_a_metric_that_is_not_defined_keeps_its_reason(finished):
    folder = finished()
    change(folder, far_normal_videos=None, undefined={"far_normal_videos": "there are no normal test videos"})
    make_cards(folder)
    found = read_card(folder / NAME).measure("far_normal_videos")
    assert found.mean is None and found.values == (None,) and found.undefined == "there are no normal test videos"


def test_a_rate_that_is_zero_everywhere_gets_no_interval_without_width(finished):
    """Made-up normal videos never score 0.5, so no draw has a false alarm among them."""
    folder = finished(seed=1)
    assert read_json(folder / METRICS)["selections"]["best_on_validation"]["metrics"]["far_normal_videos"] == 0
    make_cards(folder)
    card = read_card(folder / NAME)
    assert card.measure("far_normal_videos").mean == 0 and card.measure("far_normal_videos").interval is None
    assert card.measure("tpr").interval.low < card.measure("tpr").mean < card.measure("tpr").interval.high


def test_other_mask_rules_are_kept_beside_the_card_s_own(finished):
    info = {"title": "UCF-Crime", "counterpart": "UCF-Crime", "synthetic": False, "mask_rule": "A", "tail": "exact", "note": ""}
    folder = finished(dataset_info=info)
    content = read_json(folder / METRICS)
    content["protocol"] = {"mask_rules": {"A": {"auc": 0.5}, "B": {"auc": 0.25}}, "crops": {"0": {"auc": 0.75}}, "first_crops": {}}
    write_json(folder / METRICS, content)
    make_cards(folder)
    card = read_card(folder / NAME)
    assert card.data.mask_rule == "A" and card.measure(setting="mask rule A") is None
    assert card.measure(setting="mask rule B").mean == 0.25 and card.measure(setting="crop 0 alone").mean == 0.75


def test_seeds_with_other_settings_are_no_row(finished):
    finished(seed=1)
    folder = finished(seed=2, width=64)
    with pytest.raises(DataError, match="seeds of one row but differ in width"):
        make_cards(folder.parent)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(MissingFileError, match="expected a finished run"):
        make_cards(tmp_path)


def reference_of(finished, folder):
    """A small reference: two seeds, packed, with a table that prints them."""
    runs = {f"runs/synth-crime/ur-dmu/seed{seed}": RunInFolder(finished(variant="ur-dmu", seed=seed)) for seed in (1, 2)}
    pack(folder / "runs" / "synth-crime", runs)
    write_text(folder / "data" / "synth-crime" / "videos.csv", "video\n")
    write_text(folder / "tables" / "table2.csv", "method,here (synth-crime) AUC %\nUR-DMU,80.00\n")
    write_text(folder / "tables" / "table3.csv", "method,here (SynthViolence) AP %\nUR-DMU,80.00\n")
    write_text(folder / "tables" / "measures-synth-crime.csv", "row,here (synth-crime) macro AUC %\nUR-DMU,80.00\n")
    write_text(folder / "tables" / "forest.csv", "difference,data set\nUR-DMU minus logistic regression,synth-crime\n")
    write_text(folder / "tables" / "protocol.csv", "data set,setting\nsynth-crime,default\n")  # of the proposed model
    return runs


def test_packed_runs_have_their_cards_in_a_folder_of_their_own(finished, tmp_path):
    folder = tmp_path / "reference"
    runs = reference_of(finished, folder)
    row = folder / "cards" / "runs" / "synth-crime" / "ur-dmu"
    assert make_cards(folder) == [row / NAME]
    card = read_card(row / NAME)
    assert [file.path.removeprefix("../" * 4) for file in card.files] == [
        *("runs/synth-crime.json", "runs/synth-crime.npz", "data/synth-crime/videos.csv"),
        *("tables/table2.csv", "tables/forest.csv", "tables/measures-synth-crime.csv"),
    ]
    assert problems(row / NAME) == []
    own = [run.value("auc", "best_on_validation") for run in runs.values()]
    assert list(card.measure().values) == own
    assert make_cards(folder, every_run=True) == [row / "seed1" / NAME, row / "seed2" / NAME, row / NAME]
    assert read_card(row / "seed2" / NAME).measure().mean == own[1]


@pytest.mark.parametrize("packs", [True, False])
def test_a_false_number_is_found_though_the_card_is_sealed_anew(finished, tmp_path, packs):
    """The row of two seeds, packed or not: every recorded metric is held against the runs."""
    folder = tmp_path / "reference"
    runs = reference_of(finished, folder)
    path = make_cards(folder)[0] if packs else make_cards(next(iter(runs.values())).folder.parent)[-1]
    assert problems(path) == []
    whole = read_json(path)
    auc, place = whole["measures"][0], next(p for p, m in enumerate(whole["measures"]) if m["selection"] == "last")
    lower = [value - 0.01 for value in auc["values"]]
    for changed in (
        {**auc, "values": lower, "mean": sum(lower) / 2},
        {**auc, "sd": auc["sd"] + 0.1},
        {key: value for key, value in auc.items() if key not in ("values", "sd")},
    ):
        write_json(path, {**whole, "measures": [changed, *whole["measures"][1:]]})
        seal(path)
        assert "auc (best_on_validation) is not what its runs have recorded" in problems(path)[0]
        assert problems(path, files=False) == []
    other = whole["measures"][place]
    whole["measures"][place] = {**other, "values": [0.5, 0.5], "mean": 0.5, "sd": 0.0}
    write_json(path, whole)
    seal(path)
    assert f"{other['metric']} (last) is not what its runs have recorded" in problems(path)[0]
    write_json(path, {**whole, "run_keys": ["a", "b"]})
    seal(path)
    assert "its runs and seeds are not those of its files" in problems(path)[0]


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [
        ("data", "mask_rule", "B"),
        ("data", "test", {"videos": 12, "abnormal_videos": 8, "frames": 5, "abnormal_frames": 1}),
        ("data", "labels_sha256", "0" * 64),
        ("features", "dimension", 7),
        ("method", "settings", {}),
        ("selection", "rule", "last"),
        ("headline_metric", "", "ap"),
        ("seeds", "", [4]),
        ("files", "", []),
    ],
)
def test_a_card_that_says_otherwise_than_its_runs_is_found_though_it_is_sealed_anew(finished, part, entry, value):
    (path,) = make_cards(finished(seed=3))
    whole = read_json(path)
    write_json(path, {**whole, part: {**whole[part], entry: value} if entry else value})
    seal(path)
    words = (
        "its runs and seeds are not those of its files" if part in ("seeds", "files") else f"{part}{'.' * bool(entry)}{entry}: not"
    )
    assert words in problems(path)[0]


def test_a_list_of_videos_that_the_runs_were_not_made_with(finished, tmp_path):
    folder = tmp_path / "reference"
    runs = reference_of(finished, folder)
    for run in runs.values():
        write_json(run.folder / "provenance.json", {"inputs": {"videos.csv": file_sha256(folder / "data/synth-crime/videos.csv")}})
    pack(folder / "runs" / "synth-crime", runs)
    (path,) = make_cards(folder)
    assert read_card(path).data.video_list_sha256 == file_sha256(folder / "data/synth-crime/videos.csv")
    write_text(folder / "data" / "synth-crime" / "videos.csv", "video\nanother\n")
    with pytest.raises(DataError, match="expected the list that"):
        make_cards(folder)


def test_rates_on_choices_of_videos_by_hand():
    """A normal video of 32 frames, one half called abnormal; an abnormal one of 32: 16 abnormal found, of 16 normal none."""
    scored = ScoredVideos(
        title="t",
        seed=1,
        videos=("n", "a"),
        abnormal_video=np.array([False, True]),
        video=np.array([0, 0, 1, 1]),
        score=np.array([0.5, 0.4, 0.9, 0.1]),
        abnormal=np.array([0, 0, 16, 0]),
        normal=np.array([16, 16, 0, 16]),
        events=np.array([[1, 0, 16]]),
    )
    counts = np.array([[1, 1], [1, 2]])
    rate = {metric: measuring._on_draws(scored, counts, metric).tolist() for metric in measuring.RATES}
    assert rate["far_normal_videos"] == [0.5, 0.5]
    assert rate["far_all_normal_frames"] == [16 / 48, 16 / 64]
    assert rate["tpr"] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reference", "reference-quick"])
def test_a_card_of_every_committed_result_verifies_and_one_changed_byte_does_not(name, tmp_path):
    source, folder = PROJECT_ROOT / "results" / name, tmp_path / name
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("executed", "strips"))
    runs = {place: run for path in (source / "runs").glob("*.json") for place, run in read_json(path)["runs"].items()}
    rows = {place.rpartition("/")[0] for place, run in runs.items() if "train" in run["config"]}  # not scores elsewhere
    if (folder / "cards").is_dir():  # committed
        cards = sorted((folder / "cards").rglob(NAME))
    else:
        cards = make_cards(folder)
    assert {path.parent.relative_to(folder / "cards").as_posix() for path in cards} >= rows and rows
    named = {Path(file.path).name for card in cards for file in read_card(card).files if file.role == "table"}
    assert named == {path.name for path in (folder / "tables").glob("*.csv")}  # every table has a card
    assert [problem for card in cards for problem in problems(card)] == []
    card = cards[-1]
    for path in [card, *(card.parent / file.path for file in read_card(card).files)]:
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert any(str(path) in problem for problem in problems(card)), (path, place)
        path.write_bytes(whole)
    assert problems(card) == []
