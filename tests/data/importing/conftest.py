"""Folders that a person would bring, to be made worse by the tests."""

import pytest
from importing_folders import WHOLE, OwnFolder


@pytest.fixture
def folder(tmp_path) -> OwnFolder:
    """An empty folder."""
    return OwnFolder(tmp_path / "mine")


@pytest.fixture
def whole(folder) -> OwnFolder:
    """A folder with nothing wrong."""
    return folder.list(WHOLE).all_features()
