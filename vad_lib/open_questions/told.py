"""Answers of notebook 06: collected, told cell by cell, and kept as one table."""

from collections.abc import Mapping

import pandas as pd

NOT_RUN = "not run"


class Answers:
    """Answers in the order in which they are given, each with the data set and the cell that told it."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        """Start without answers.

        Args:
            titles: name of each data set -> its title.
        """
        self._titles = titles
        self._waiting: list[tuple[str, str, str]] = []
        self._told: list[tuple[str, str, str, str]] = []

    def add(self, dataset: str, question: str, words: str) -> None:
        """Keep an answer until it is told; a full stop at its end is dropped, and no words mean ``not run``."""
        self._waiting.append((self._titles[dataset], question, words.rstrip(".") or NOT_RUN))

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
        for title, question, words in self._waiting:
            if words == NOT_RUN:
                missing.setdefault(title, []).append(question.rstrip(":?"))
            else:
                lines.append(f"- **{title}: {question}** {words[0].upper()}{words[1:]}.")
        lines += [f"- *{title}, {NOT_RUN}:* {'; '.join(questions)}." for title, questions in missing.items()]
        self._told += [(*answer, cell) for answer in self._waiting]
        self._waiting = []
        return "\n".join(lines)

    def table(self) -> pd.DataFrame:
        """All answers that were told: ``data``, ``question``, ``answer``, ``cell``."""
        return pd.DataFrame(self._told, columns=["data", "question", "answer", "cell"])

    @property
    def untold(self) -> int:
        """How many answers no cell has told."""
        return len(self._waiting)
