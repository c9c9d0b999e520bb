"""Lessons and explorer show runs of the reference, so a student finds the numbers of the tables in them.

After a new study ``python -m vad_lib.course.make_material`` and ``python -m vad_lib.explorer --make`` take its runs over. The
reference keeps the order of the scores of a run, and the explorer three decimals, so orders are compared: sorted as in the
reference, the scores that are shown never fall.
"""

from collections.abc import Mapping

import numpy as np
import pytest

from vad_lib.course import lesson_bags, lesson_runs
from vad_lib.course.make_material import DATASET
from vad_lib.course.make_material import METHODS as OF_LESSONS
from vad_lib.data.synthetic import DATASETS
from vad_lib.explorer.contents import read_contents
from vad_lib.explorer.making import METHODS as OF_EXPLORER
from vad_lib.runs.packed_runs import packed
from vad_lib.storage.paths import Layout


def same_order(dataset: str, method: str, seed: int, shown: Mapping[str, np.ndarray]) -> bool:
    """Whether scores (T,) of each video lie in the order of the reference; equal ones may stand anywhere among each other."""
    kept = {run.place: run for run in packed(Layout.reference().packed_runs(dataset))}
    scores = kept[f"runs/{dataset}/{method}/seed{seed}"].scores()
    by_video = dict(zip(scores["videos"].tolist(), np.split(scores["score"], np.cumsum(scores["num_snippets"])[:-1])))
    order = np.argsort(np.concatenate([by_video[name] for name in shown]), kind="stable")
    return bool((np.diff(np.concatenate(list(shown.values()))[order]) >= 0).all())


@pytest.mark.parametrize("method", OF_LESSONS)
def test_runs_of_the_lessons(method):
    names = lesson_bags("test").names
    assert all(same_order(DATASET, method, run.seed, dict(zip(names, run.scores))) for run in lesson_runs(method))


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("method", OF_EXPLORER)
def test_runs_of_the_explorer(dataset, method):
    (runs,) = (each.runs for each in read_contents()[dataset].methods if each.name == method)
    for run in runs:
        shown = {name: np.array(curves.score) for name, curves in run.videos.items()}
        assert same_order(dataset, method, run.seed, shown), f"seed {run.seed}"
