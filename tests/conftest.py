"""Shared fixtures: seeds, the optional shared folder, no network."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import browser, opened
from made_up_results import MadeUpResults
from planted_set import write_planted_dataset
from safetensors.torch import save_file

from vad_lib.storage.paths import Layout
from vad_lib.storage.provenance import seed_everything

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent


@pytest.fixture(autouse=True)
def _seeded():
    seed_everything(0)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Only connections within the machine are allowed (Jupyter kernels need those)."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address}; tests need no network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of known answers and real clips; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("VAD_SHARED") or ROOT.parent / "shared")
    if not (folder / "oracles").is_dir():
        pytest.skip(f"known answers not found at {folder}; set VAD_SHARED to the folder that holds oracles/")
    return folder


@pytest.fixture(scope="module")
def tab():
    """A tab of a real browser, for the tests of one file."""
    if browser() is None:
        pytest.skip("no browser with the DevTools protocol on this machine, such as chromium")
    with opened(browser()) as found:
        yield found


# Files that take longest, the longest first: several processes take files in this order, and none is left alone with them.
LONGEST_FIRST = (
    "notebooks/test_execution.py",
    "paper/test_official_sets.py",
    "real/test_fight_bags.py",
    "deployment/test_deployment.py",
    "runs/test_trainer.py",
    "runs/test_many_runs.py",
    "methods/test_precision.py",
    "reliability/test_kill_chain.py",
)


def pytest_collection_modifyitems(items):
    """A slow test may take longer than the usual bound, its fixtures included; files that take longest come first."""
    for item in items:
        if any(map(item.get_closest_marker, ("slow", "release"))) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))
    places = {TESTS / name: place for place, name in enumerate(LONGEST_FIRST)}
    if missing := [str(path) for path in places if not path.is_file()]:
        raise pytest.UsageError(f"LONGEST_FIRST of {__file__}: no such files: {', '.join(missing)}; correct the list.")
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_configure(config):
    # the models of tests are small: threads win little, and where other programs run they wait for each other many times as long
    torch.set_num_threads(int(os.environ.get("VAD_TEST_THREADS", "1")))
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # runs are trained in this process, unless a test says how many train them
    if "PYTEST_XDIST_WORKER" in os.environ:  # several processes run tests: the programs and notebooks that these start share too
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def planted_folder(tmp_path_factory) -> Path:
    """A data set folder of synthetic bags: 40 training and 12 test videos, 16-d noise, a mean shift planted in abnormal spans.

    The shift points another way for each category. Small enough to train on in seconds, easy enough to find.
    """
    folder = tmp_path_factory.mktemp("planted") / "planted"
    write_planted_dataset(folder, np.random.default_rng(5))
    return folder


@pytest.fixture
def made_up(tmp_path) -> MadeUpResults:
    return MadeUpResults(Layout.create("quick", out=tmp_path, data=tmp_path / "data"))


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory):
    """A function: open_clip's own CLIP class, small, with random weights, and a file of these."""
    made = {}

    def make(patch: int, pixels: int = 64):
        import open_clip

        if (patch, pixels) not in made:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(patch)
                model = open_clip.CLIP(
                    embed_dim=16,
                    vision_cfg={"image_size": pixels, "layers": 2, "width": 128, "patch_size": patch},
                    text_cfg={"context_length": 8, "vocab_size": 50, "width": 64, "heads": 1, "layers": 1},
                    quick_gelu=True,
                )
            path = tmp_path_factory.mktemp("clip") / f"tiny-{patch}.safetensors"
            save_file(model.state_dict(), path)
            made[patch, pixels] = model.eval().requires_grad_(False), path
        return made[patch, pixels]

    return make
