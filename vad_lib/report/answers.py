"""The answers that notebooks keep as tables, read as one."""

from pathlib import Path

import pandas as pd

ANSWERS = {"10_how_sure_are_the_numbers": "how_sure.csv", "06_beyond_the_paper": "open_questions.csv"}  # notebook -> its table


def read_answers(tables: Path) -> pd.DataFrame:
    """All answers of the notebooks whose tables are there.

    Args:
        tables: folder of the tables.

    Returns:
        text, a row per answer: ``notebook`` and what :meth:`vad_lib.open_questions.told.Answers.table` has; no row without tables.
    """
    there = {notebook: tables / name for notebook, name in ANSWERS.items() if (tables / name).is_file()}
    found = [pd.read_csv(path, dtype=str, keep_default_na=False).assign(notebook=notebook) for notebook, path in there.items()]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["notebook", "question"])
