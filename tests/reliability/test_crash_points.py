"""A process that dies at one file operation after the other: what was there is whole, and the next process ends as if it had not.

The process is a fork that leaves without a word, as a killed one does, right before or after the n-th operation: a temporary
file is made, completed, renamed, or something is removed.
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from vad_lib import config, registry
from vad_lib.config import TrainSettings
from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.importing import settings as importing_settings
from vad_lib.data.importing import write
from vad_lib.methods.base import Learner
from vad_lib.runs import trainer
from vad_lib.storage.locks import LOCK_FILE
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import TEMPORARY, partial_folder, write_json, write_text

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
MOST_OPERATIONS = 200


def dies_at(number: int, work) -> bool:
    """Do the work in a fork that dies at the operation of this number; False if it has fewer and comes to its end."""
    process = os.fork()
    if process:
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert status in (0, 9), f"the work failed with status {status}"
        return status == 9
    try:
        left = [number]

        def counted(call, after, *positional, **named):
            left[0] -= 1
            if left[0] < 0 and not after:
                os._exit(9)
            result = call(*positional, **named)
            if left[0] < 0:
                os._exit(9)
            return result

        for module, name, after in (
            (tempfile, "mkstemp", True),
            (os, "chmod", False),
            (os, "replace", False),
            (os, "replace", True),
            (os, "unlink", False),
            (os, "rmdir", False),
        ):
            setattr(module, name, partial(counted, getattr(module, name), after))
        work()
        os._exit(0)
    finally:
        os._exit(1)


def content(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if "timing.json" not in name}


def every_death(tmp_path: Path, before: Path, work, after_death) -> int:
    """Let the work on a copy of a folder die at each of its operations, then do it whole; the number of deaths."""
    whole = tmp_path / "whole"
    shutil.copytree(before, whole)
    work(whole)
    for number in range(MOST_OPERATIONS):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(before, copy)
        died = dies_at(number, partial(work, copy))
        if died:
            after_death(copy)
            work(copy)
        assert content(copy) == content(whole), f"death {number}"
        assert not [name for name in content(copy) if TEMPORARY in name or LOCK_FILE in name]
        shutil.rmtree(copy)
        if not died:
            return number
    raise AssertionError(f"more than {MOST_OPERATIONS} operations")


# --- the feature store --------------------------------------------------------------------------------
CONTRACT = FeatureContract(backbone="noise", dimension=4, crops=("centre", "left"), dtype="float32")


def features(seed: int, names: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(2, 3 + place, 4)).astype(np.float32) for place, name in enumerate(names)}


def test_a_feature_store_is_the_old_one_or_the_new_one(tmp_path):
    old, new = features(1, "ab"), features(2, "bcd")
    before = tmp_path / "before"
    FeatureStore.write(before, CONTRACT, old.items()).segments(5)
    seen = set()

    def work(folder):
        FeatureStore.write(folder, CONTRACT, new.items())

    def after_death(folder):
        store = FeatureStore.open(folder, verify=True)
        expected = old if store.videos == ("a", "b") else new
        assert store.videos == tuple(expected)
        for name, array in expected.items():
            assert np.array_equal(store.snippets(name), array)
        seen.add(store.videos)

    assert every_death(tmp_path, before, work, after_death) > 10
    assert seen == {("a", "b"), ("b", "c", "d")}


# --- a run folder -------------------------------------------------------------------------------------
class CannedLearner(Learner):
    """Scores that were drawn before, and weights that are the learning rate."""

    num_steps = eval_every = 1
    __module__ = "vad_lib.methods.logistic_regression"  # a run's key is made of code of the library

    def __init__(self, run, dataset, fit):
        self.lr, self.store = run.train.lr, dataset.store

    def step(self, index):
        return {"loss": 0.5}

    def snippet_scores(self, records, crop=None):
        rng = np.random.default_rng(0)
        return {record.name: {"score": rng.random(self.store.num_snippets(record.name), dtype=np.float32)} for record in records}

    def weights(self):
        return {"w": torch.full((3,), self.lr)}

    def load_weights(self, weights):
        pass

    parameter_count = 3


@pytest.fixture
def canned(monkeypatch, planted_folder):
    """A data set, and a method whose training takes no time."""
    spec = registry.METHODS["logistic-regression"]._replace(name="canned", learner=CannedLearner)
    monkeypatch.setitem(registry.METHODS, "canned", spec)
    monkeypatch.setattr("vad_lib.storage.provenance.commit", lambda: "as it is")
    return load_dataset(planted_folder)


def run_of(dataset, folder: Path, lr: float) -> bool:
    settings = config.RunSettings(variant="canned", method="canned", title="Canned", train=TrainSettings(lr=lr, steps=1))
    return trainer.train_run(settings, dataset, None, folder / "seed1", progress=False)


@pytest.mark.slow
def test_a_run_folder_is_whole_or_not_there(tmp_path, canned):
    before = tmp_path / "before"
    run_of(canned, before, lr=0.1)
    old = content(before / "seed1")
    run_of(canned, tmp_path / "other", lr=0.2)
    new = content(tmp_path / "other" / "seed1")
    places = set()

    def after_death(folder):
        if (folder / "seed1").is_dir():
            assert content(folder / "seed1") in (old, new)
            places.add("in place")
        else:  # between two renamings: the old and the new run stand whole beside it
            assert content(folder / ".seed1.old") == old
            assert content(partial_folder(folder / "seed1")) == new
            places.add("beside")
        assert [path.name for path in folder.glob("seed*")] in (["seed1"], [])

    assert every_death(tmp_path, before, lambda folder: run_of(canned, folder, lr=0.2), after_death) > 20
    assert places == {"in place", "beside"}


def test_a_run_that_was_complete_but_not_in_place_is_not_trained_again(tmp_path, canned, monkeypatch):
    run_of(canned, tmp_path, lr=0.2)
    whole = content(tmp_path / "seed1")
    (tmp_path / "seed1").rename(partial_folder(tmp_path / "seed1"))
    monkeypatch.setattr(CannedLearner, "step", lambda self, index: pytest.fail("trained again"))
    assert run_of(canned, tmp_path, lr=0.2)
    assert content(tmp_path / "seed1") == whole
    assert [path.name for path in tmp_path.iterdir()] == ["seed1"]


def test_what_another_version_left_half_done_does_not_get_into_a_run(tmp_path, canned):
    write_text(partial_folder(tmp_path / "seed1") / "surplus.txt", "of another version")
    write_text(tmp_path / ".seed1.old" / "metrics.json", "{}")
    run_of(canned, tmp_path, lr=0.1)
    assert "surplus.txt" not in content(tmp_path / "seed1")
    write_text(tmp_path / ".seed1.old" / "metrics.json", "{}")
    assert not run_of(canned, tmp_path, lr=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["seed1"]


# --- an import ----------------------------------------------------------------------------------------
@pytest.mark.slow
def test_an_import_that_was_killed_is_done_again(tmp_path):
    source, before = tmp_path / "source", tmp_path / "before"
    records = []
    for name, array in features(3, "abcd").items():
        (source / "features").mkdir(parents=True, exist_ok=True)
        np.save(source / "features" / f"{name}.npy", array.swapaxes(0, 1))  # snippets, crops, width
        category = "Normal" if name in "ac" else "Arson"
        spans = ((0, 9),) if name == "d" else ()
        split = "train" if name in "ab" else "test"
        records.append(VideoRecord(name, split, (category,), 16 * array.shape[1], spans))
    write_video_csv(source / "videos.csv", VideoList(("Normal", "Arson"), tuple(records)))
    settings = importing_settings.ImportSettings(
        dataset="mine", dimension=4, layout="t-n-d", crops=("centre", "left"), dtype="float32", partial=True
    )
    FeatureStore.write(before / "store", CONTRACT, features(1, "ab").items())
    write_json(before / "dataset.json", {"name": "mine"})

    def work(folder):
        write.import_dataset(source, folder, settings, progress=False)

    def after_death(folder):
        FeatureStore.open(folder / "store", verify=True)
        read_json(folder / "dataset.json")

    assert every_death(tmp_path, before, work, after_death) > 20
