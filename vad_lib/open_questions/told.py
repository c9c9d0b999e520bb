"""Answers of notebooks 06 and 10: collected, told cell by cell, and kept as one table."""

from collections.abc import Mapping

import pandas as pd

from vad_lib.evaluation.comparisons import Comparison
from vad_lib.report.tables.table import NOT_RUN

COLUMNS = ("data", "question", "answer", "word", "difference", "low", "high", "cell")


class Answers:
    """Answers in the order in which they are given, each with the data set and the cell that told it."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        """Start without answers.

        Args:
            titles: name of each data set -> its title.
        """
        self._titles = titles
        self._waiting: list[tuple[str, ...]] = []
        self._told: list[tuple[str, ...]] = []

    def add(self, dataset: str, question: str, words: str, found: Comparison | None = None) -> None:
        """Keep an answer until it is told.

        Args:
            dataset: name of the data set.
            question: what was asked.
            words: the answer; a full stop at its end is dropped, and no words mean ``not run``.
            found: the difference, where the answer is a single one.
        """
        numbers = [f"{100 * value:.4f}" for value in (found.mean, found.low, found.high)] if found else [""] * 3
        word = found.verdict if found else ""
        self._waiting.append((self._titles[dataset], question, words.rstrip(".") or NOT_RUN, word, *numbers))

    def tell(self, cell: str) -> str:
        """The answers since the last time as Markdown, those that are not there in one line per data set.

        Args:
            cell: id of the notebook's cell that tells them.

        Example:
            >>> answers = Answers({"a": "Set A"})
            >>> answers.add("a", "Is it so?", "better: +1.0.")
            >>> answers.add("a", "Why?", "")
            >>> print(answers.tell("cell-1"))
            - **Set A: Is it so?** Better: +1.0.
            - *Set A, not run:* Why.
        """
        lines: list[str] = []
        missing: dict[str, list[str]] = {}
        for title, question, words, *_ in self._waiting:
            if words == NOT_RUN:
                missing.setdefault(title, []).append(question.rstrip(":?"))
            else:
                lines.append(f"- **{title}: {question}** {words[0].upper()}{words[1:]}.")
        lines += [f"- *{title}, {NOT_RUN}:* {'; '.join(questions)}." for title, questions in missing.items()]
        self._told += [(*answer, cell) for answer in self._waiting]
        self._waiting = []
        return "\n".join(lines)

    def table(self) -> pd.DataFrame:
        """All answers that were told, :data:`COLUMNS`; where an answer is a single difference, its word and points."""
        return pd.DataFrame(self._told, columns=[*COLUMNS])

    @property
    def untold(self) -> int:
        """How many answers no cell has told."""
        return len(self._waiting)
