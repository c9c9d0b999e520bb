"""The numbers of the paper and of the methods' authors, each with its source."""

from pathlib import Path

import pandas as pd

from vad_lib.errors import DataError, MissingFileError

_REPORTED_COLUMNS = ("item", "dataset", "method", "title", "metric", "value", "unit", "decimals", "origin", "source", "note")


def read_reported(path: Path) -> pd.DataFrame:
    """Read the numbers of the paper and of the methods' authors.

    Args:
        path: the CSV, :attr:`vad_lib.storage.paths.Layout.reported`.

    Returns:
        one row per number, with its item (``table2``), data set, method, metric, value (percent where ``unit``
        says so), printed decimals, origin (``paper`` or ``authors``), source and a note.

    Raises:
        MissingFileError: there is no such file.
        DataError: a column is missing, or a number stands there twice.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: expected the reported numbers, found no such file. Restore it from the repository.")
    frame = pd.read_csv(path, keep_default_na=False)
    missing = [column for column in _REPORTED_COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(f"{path}: column {', '.join(missing)} is missing; expected {', '.join(_REPORTED_COLUMNS)}.")
    twice = frame[frame.duplicated(["item", "dataset", "method", "metric", "origin"])]
    if len(twice):
        row = twice.iloc[0]
        raise DataError(
            f"{path}: {row['item']}, {row['dataset']}, {row['method']}, {row['metric']}, {row['origin']} stands there twice; "
            "keep one line per number."
        )
    return frame
