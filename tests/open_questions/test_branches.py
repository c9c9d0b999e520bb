"""What each branch of the proposed model sees."""

import numpy as np
import pytest
from small_grid import FEW

from vad_lib.errors import DataError
from vad_lib.open_questions import branches
from vad_lib.runs.run_folder import RunInFolder


class Planted(RunInFolder):
    """A run whose visual branch knows everything but one category, and whose semantic branch knows only that one."""

    category = ""

    def scores(self):
        once = super().scores()  # two videos of each category, which give no interval; so everything stands twice
        arrays = {name: array if name == "categories" else np.concatenate([array, array]) for name, array in once.items()}
        arrays["videos"] = np.array([f"{name}_{place}" for place, name in enumerate(arrays["videos"])])
        starts = np.cumsum(arrays["num_frames"]) - arrays["num_frames"]
        truth, theirs = [], []
        for begin, frames, snippets, names in zip(
            starts, arrays["num_frames"], arrays["num_snippets"], arrays["video_categories"].tolist()
        ):
            part = arrays["labels"][begin : begin + frames]
            truth += [part[16 * place : 16 * (place + 1)].mean() for place in range(snippets)]
            theirs += [self.category in names.split(";")] * snippets
        truth, theirs = np.array(truth, dtype=np.float32), np.array(theirs)
        rng = np.random.default_rng(self.seed)
        noise = rng.random(len(truth), dtype=np.float32) / 10
        return {
            **arrays,
            "visual": np.where(theirs, noise, 0.8 * truth + noise).astype(np.float32),
            "semantic": np.where(theirs, 0.8 * truth + noise, noise).astype(np.float32),
        }


@pytest.fixture
def runs(made_up):
    return [Planted(made_up.write("synth-crime", "proposed", seed)) for seed in (1, 2, 3)]


def test_each_branch_is_found_where_it_sees(runs):
    arrays = runs[0].scores()
    categories = arrays["categories"].tolist()
    present = [c for c in categories[1:] if any(c in names.split(";") for names in arrays["video_categories"].tolist())]
    for run in runs:
        run.category = present[0]
    found = branches.branches_by_category(runs, categories, FEW)
    assert list(found) == [branches.ALL_VIDEOS, *present]
    assert found[present[0]].mean > 0.2
    for other in present[1:]:
        assert found[other].mean < -0.2
    assert found[present[0]].level == pytest.approx(1 - (1 - FEW.level) / len(found))
    assert found[branches.ALL_VIDEOS].verdict == "cannot tell"  # and is no category
    assert branches.categories_counted(found) == "of 5 categories: 1 better, 3 worse, 1 cannot tell"
    words = branches.branches_sentence(found)
    for name, each in found.items():
        assert f"{name} ({100 * each.mean:+.1f}, " in words
    assert words.endswith("3 seeds")


def test_runs_without_branches_are_refused(made_up):
    run = RunInFolder(made_up.write("synth-crime", "logistic-regression", 1))
    with pytest.raises(DataError, match="keeps no visual scores; choose a run of the proposed model"):
        branches.branches_by_category([run], ["Normal", "Arson"])
    with pytest.raises(DataError, match="got none; train the proposed model"):
        branches.branches_by_category([], ["Normal", "Arson"])
