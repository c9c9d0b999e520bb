"""The site of the committed results, built once for all tests of this folder."""

from pathlib import Path

import pytest

from vad_lib.site.build import Built, build


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Built:
    return build(tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="session")
def site(built) -> Path:
    return built.folder
