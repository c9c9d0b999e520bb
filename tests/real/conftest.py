"""The real-footage benchmark: imported and trained once for all tests of this folder."""

from typing import NamedTuple

import pandas as pd
import pytest
import torch

from vad_lib.config import Profile
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.importing import __main__ as importing_main
from vad_lib.report import real_footage
from vad_lib.runs import experiments
from vad_lib.storage.paths import Layout

METHODS = ("logistic-regression", "ur-dmu", "msf-dmu", "proposed")


class Benchmark(NamedTuple):
    layout: Layout
    dataset: Dataset
    profile: Profile
    runs: pd.DataFrame


def benchmark_profile() -> Profile:
    """The settings of real footage, but 120 of their 200 steps, which a CPU does in less than a minute.

    Weights are chosen on the validation videos.
    """
    profile = real_footage.profile_of("quick")
    return profile.replace(train=profile.train.replace(steps=120))


@pytest.fixture(scope="session")
def benchmark(shared, tmp_path_factory) -> Benchmark:
    """The fight bags, imported by the command that users have, and one run of each method."""
    folder = tmp_path_factory.mktemp("real")
    layout = Layout.create("quick", folder, folder / "data")
    source, target = shared / "real" / "fight_bags", layout.dataset("fight-bags")
    command = ["import", "--dataset", "fight-bags", "--source", str(source), "--out", str(target), "--title", "Fight bags"]
    assert importing_main.main(command) == 0
    dataset, profile = load_dataset(target), benchmark_profile()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order on every machine; for models this small a second thread gains little
    try:
        runs = experiments.run_variants(METHODS, dataset, layout, profile, seeds=[profile.train.seed], progress=False)
    finally:
        torch.set_num_threads(threads)
    return Benchmark(layout, dataset, profile, runs)
