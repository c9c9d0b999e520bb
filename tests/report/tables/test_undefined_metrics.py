"""Test sets on which a secondary metric is not defined: training and tables run, the cell is empty, the caption says why."""

import gap_sets
import pandas as pd
import pytest
from gap_sets import videos

from vad_lib.errors import DataError, UndefinedMetricError
from vad_lib.evaluation import alarms
from vad_lib.report.reproduction import write_reproduction
from vad_lib.report.tables.all_tables import write_all_tables
from vad_lib.runs.finished_runs import find_run
from vad_lib.runs.scored_runs import scored_videos
from vad_lib.storage.paths import Layout

pytestmark = pytest.mark.timeout(300)
TRAINED = ("UR-DMU (the paper's DMU)", "Proposed")
EVENT = ((96, 192),)
HALVES = (("Fighting", 32, 96), ("Arson", 96, 192))
NORMAL, FIGHTING = videos("test", "Normal", 4), videos("test", "Fighting", 4, intervals=EVENT)
SEED = gap_sets.PROFILE.train.seed


class Made:
    """Runs and tables on a data set."""

    def __init__(self, folder, records, **about):
        self.layout = Layout.create("smoke", folder / "out", folder / "data")
        self.dataset = gap_sets.write_set(self.layout.dataset("gaps"), records, **about)
        gap_sets.train(self.dataset, self.layout)
        self.tables = {table.name: table for table in write_all_tables(self.layout, [self.dataset])}

    def cells(self, table, column):
        frame = self.tables[table].frame.set_index(self.tables[table].frame.columns[0])
        rows = [row for row in frame.index if row in TRAINED]
        assert rows
        return set(frame.loc[rows, next(name for name in frame.columns if name.endswith(column))])

    def texts(self):
        return {path.name: path.read_text(encoding="utf-8") for path in self.layout.tables.iterdir()}


@pytest.fixture
def made(tmp_path):
    """Train and write tables; in all that is written no number is missing without a word."""

    def make(records, **about):
        found = Made(tmp_path, records, **about)
        for name, text in found.texts().items():
            words = text.lower().replace("|", " ").replace(",", " ").replace("[", " ").split()
            assert not {"nan", "+nan", "nan]", "inf", "null"} & set(words), name
        return found

    return make


def test_clips_that_are_abnormal_from_end_to_end(made):
    found = made(gap_sets.wholly_abnormal_clips(), categories=("Normal", "Fighting"))
    assert found.cells("methods-gaps", "AUC % within abnormal videos") == {""}
    assert all(float(cell) >= 0 for cell in found.cells("methods-gaps", "FAR %: normal videos"))
    reason = (
        "Empty cells of Gaps: AUC on abnormal videos: not defined, it needs abnormal and normal frames and all 1,280 frames are"
    )
    for written in ("methods-gaps.md", "methods-gaps.csv"):
        assert found.texts()[written].count(reason) == (1 if written.endswith("md") else len(found.tables["methods-gaps"].frame))
    run = find_run(found.layout, "gaps", "proposed", SEED)
    with pytest.raises(UndefinedMetricError, match="proposed/seed2022: AUC on abnormal videos: not defined"):
        run.value("auc_abnormal_videos", "last")
    assert 0 <= run.value("auc", "last") <= 1
    points = alarms.operating_points(scored_videos(run), found.dataset.fps)
    assert (points["events"] == 4).all() and points["recall"].between(0, 1).all()


def test_a_test_set_without_normal_videos(made):
    found = made([*gap_sets.training(), *FIGHTING])
    assert found.cells("methods-gaps", "FAR %: normal videos") == {""}
    assert all(float(cell) >= 0 for cell in found.cells("methods-gaps", "FAR %: all normal frames"))
    assert all(float(cell) >= 0 for cell in found.cells("methods-gaps", "AUC % within abnormal videos"))
    protocol = found.tables["protocol"]
    assert set(protocol.frame["FAR %: normal videos"]) == {""} and "" not in set(protocol.frame["AUC %"])
    reason = "Empty cells of Gaps: FAR on normal videos: not defined, there are no normal test videos; add some."
    assert reason in found.tables["methods-gaps"].made_with and reason in protocol.made_with


def test_the_headline_metric_ap(made):
    found = made([*gap_sets.training(), *FIGHTING], metric="ap")
    assert all(float(cell) >= 0 for cell in found.cells("methods-gaps", "AP % by trapezoids"))
    assert found.cells("methods-gaps", "FAR %: normal videos") == {""}


def test_a_category_without_a_test_video(made):
    found = made([*gap_sets.training(), *videos("train", "Arson", 3), *NORMAL, *FIGHTING])
    assert found.cells("table6", "AP % Arson") == {"no events annotated"}
    assert all(float(cell) >= 0 for cell in found.cells("table6", "AP % Fighting"))
    assert "Empty cells" not in "".join(found.texts().values())


def test_events_whose_categories_are_not_annotated(made):
    found = made([*gap_sets.training(), *NORMAL, *videos("test", "Fighting;Arson", 4, intervals=EVENT)])
    for column in ("mAP AVG %, VadCLIP's code", "mAP AVG %, abnormal only", "AP % Fighting"):
        assert found.cells("table6", column) == {"no events annotated"}
    assert all(float(cell) >= 0 for cell in found.cells("table6", "category accuracy %: abnormal videos"))
    annotated = videos("test", "Fighting;Arson", 4, intervals=((32, 192),), class_intervals=HALVES)
    assert all(float(c) >= 0 for c in Made(found.layout.out, [*gap_sets.training(), *NORMAL, *annotated]).cells("table6", "Arson"))


def test_a_mask_rule_that_leaves_no_normal_frame(made):
    """Rule B calls everything behind an event abnormal if less than a snippet is left."""
    to_the_last_snippet = videos("test", "Fighting", 4, intervals=((0, gap_sets.FRAMES - 4),))
    found = made([*gap_sets.training(), *to_the_last_snippet], mask_rule="A", counterpart="UCF-Crime")
    rows = found.tables["protocol"].frame.set_index("setting").drop(columns="data set")
    assert set(rows.loc["mask rule B"]) == {""}
    assert float(rows.loc["mask rule C", "AUC %"]) >= 0
    reason = "mask rule B, AUC: not defined, it needs abnormal and normal frames and all 1,280 frames are abnormal"
    assert f"FAR on normal videos: not defined, there are no normal test videos; add some. {reason}" in found.texts()["protocol.md"]


def test_one_video_of_each_kind(made):
    found = made([*gap_sets.training(2, 2), *NORMAL[:1], *FIGHTING[:1]])
    assert all(float(cell) >= 0 for cell in found.cells("methods-gaps", "AUC % within abnormal videos"))


@pytest.mark.slow
def test_the_report_beside_other_results(tmp_path):
    """What is not defined on either side is equal, and prints as nothing."""
    mine, other = (Made(tmp_path / name, [*gap_sets.training(), *FIGHTING]) for name in ("mine", "other"))
    found = write_reproduction(mine.layout, other.layout, ["gaps"])
    rates = found.values[found.values["metric"] == "far_normal_videos"]
    assert len(rates) == len(TRAINED) and set(rates["verdict"]) == {"equal"} and rates["yours"].isna().all()
    assert set(found.values["verdict"]) == {"equal"}
    text = (mine.layout.reproduction / "reproduction.md").read_text(encoding="utf-8")
    assert "nan" not in text.lower().split() and "[, ]" not in text
    assert pd.read_csv(mine.layout.reproduction / "reproduction.csv")["yours"].isna().sum() == len(TRAINED)


# --- what cannot be trained ---------------------------------------------------------------------------
@pytest.mark.parametrize("variant", ["logistic-regression", "supervised", "ur-dmu"])
@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([*gap_sets.training(0, 5), *NORMAL, *FIGHTING], "a validation split needs 2 normal training videos, got 0; add videos"),
        ([*gap_sets.training(1, 5), *NORMAL, *FIGHTING], "a validation split needs 2 normal training videos, got 1; add videos"),
        ([*gap_sets.training(5, 0), *NORMAL, *FIGHTING], "a validation split needs 2 abnormal training videos, got 0"),
        ([*gap_sets.training(5, 1), *NORMAL, *FIGHTING], "a validation split needs 2 abnormal training videos, got 1"),
        (gap_sets.training(), "training needs test videos to be measured on, got none; add some to videos.csv"),
        ([*gap_sets.training(), *NORMAL], "AUC of its test videos: not defined, it needs .* and all 1,280 frames are normal"),
        (
            [*gap_sets.training(), *videos("test", "Fighting", 2, intervals=((0, gap_sets.FRAMES),))],
            "AUC of its test videos: not defined, it needs abnormal and normal frames and all 640 frames are abnormal",
        ),
    ],
)
def test_training_refuses_before_its_first_step(tmp_path, monkeypatch, records, said, variant):
    monkeypatch.setattr("vad_lib.runs.learner.BagLearner.step", lambda self, index: pytest.fail("it trains"))
    layout = Layout.create("smoke", tmp_path / "out", tmp_path / "data")
    dataset = gap_sets.write_set(layout.dataset("gaps"), records)
    with pytest.raises(DataError, match=f"data set gaps[:,] {said}"):
        gap_sets.train(dataset, layout, [variant])
    assert not list(layout.out.rglob("metrics.json"))
