"""The reported numbers: a file that is missing, lacks a column or holds a number twice."""

import pytest

from vad_lib.errors import DataError, MissingFileError
from vad_lib.report.tables import reported
from vad_lib.storage.paths import Layout

REPORTED = Layout.create("quick").reported


def test_reported_numbers_missing(tmp_path):
    with pytest.raises(MissingFileError, match=r"expected the reported numbers.*Restore"):
        reported.read_reported(tmp_path / "reported.csv")


def test_reported_numbers_without_a_column(tmp_path):
    path = tmp_path / "reported.csv"
    path.write_text(REPORTED.read_text().replace("decimals", "digits"))
    with pytest.raises(DataError, match="column decimals is missing"):
        reported.read_reported(path)


def test_a_reported_number_twice(tmp_path):
    path = tmp_path / "reported.csv"
    lines = REPORTED.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.raises(DataError, match="table6, XD-Violence, vadclip, map_average, authors stands there twice"):
        reported.read_reported(path)
