"""Alternative texts of figures, made of the plotted points: what a reader hears who does not see the picture.

A text says what is plotted, names the axes with their units, and gives the numbers that matter, in at most about
:data:`MOST` letters. Brackets are round, since square ones would end the text of an image in Markdown.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

MOST = 600  # letters of a text; longer ones are tiring to hear


def number(value: float) -> str:
    """A number in three digits; none is minus zero.

    Example:
        >>> number(92.264), number(1234.5), number(-0.0), number(0.00512), number(100.0)
        ('92.3', '1,234', '0', '0.00512', '100')
    """
    value = float(value) + 0.0
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(value: float) -> str:
    """A fraction in percent, one decimal.

    Example:
        >>> percent(0.9226)
        '92.3'
    """
    return f"{round(100 * value, 1) + 0.0:.1f}"


def counted(count: int, word: str) -> str:
    """A number and its noun.

    Example:
        >>> counted(1, "line"), counted(1200, "line")
        ('1 line', '1,200 lines')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def seed_words(seeds: Iterable[int]) -> str:
    """Which seeds a figure of single runs shows.

    Example:
        >>> seed_words([2022, 2022]), seed_words([2023, 2022])
        ('seed 2022', 'seeds 2022, 2023')
    """
    known = sorted({*seeds})
    return f"seed{'s' * (len(known) > 1)} {', '.join(map(str, known))}"


def composed(before: str, items: Sequence[str], after: str = "", most: int = MOST) -> str:
    """A text with a list in it; where it would be too long, items of the middle are left out and counted.

    Args:
        before: what is plotted, without a full stop.
        items: in order; those of both ends are kept first.
        after: sentences that follow.
        most: letters of the whole.

    Example:
        >>> composed("Three rows", ["a 1", "b 2", "c 3"], "All are low.")
        'Three rows: a 1; b 2; c 3. All are low.'
        >>> composed("Rows", ["first", "second", "third", "last"], most=32)
        'Rows: first; 2 between them; last.'
    """
    ending = f" {after}" if after else ""
    kept = list(items)
    for left_out in range(len(items)):
        if left_out:
            head = -(-(len(items) - left_out) // 2)
            kept = [*items[:head], f"{left_out} between them", *items[head + left_out :]]
        text = f"{before}: {'; '.join(kept)}.{ending}"
        if len(text) <= most or len(items) - left_out <= 2:
            return text
    return f"{before}.{ending}"


def course(name: str, x: npt.ArrayLike, y: npt.ArrayLike, at: str = "") -> str:
    """A line in words: where it starts and ends, and its highest and lowest point where they lie clearly beyond both.

    Args:
        name: of the line.
        x: places, growing.
        y: values, as many.
        at: word before a place, such as ``step``.

    Example:
        >>> course("AUC", [10, 20, 30], [0.5, 0.9, 0.8], at="step")
        'AUC 0.5 to 0.8, highest 0.9 at step 20'
    """
    places, values = np.asarray(x), np.asarray(y, dtype=float)
    known = np.isfinite(values)
    places, values = places[known], values[known]
    if not len(values):
        return f"{name} without values"
    start, end = values[0], values[-1]
    said = f"{name} {number(start)} to {number(end)}"
    clearly, word = 0.1 * np.ptp(values), f"{at} " if at else ""
    if values.max() - max(start, end) > clearly:
        said += f", highest {number(values.max())} at {word}{number(places[values.argmax()])}"
    if min(start, end) - values.min() > clearly:
        said += f", lowest {number(values.min())} at {word}{number(places[values.argmin()])}"
    return said


def courses(points: pd.DataFrame, name: str, x: str, y: str, at: str = "") -> list[str]:
    """The lines of a figure in words, in their order.

    Args:
        points: in long form.
        name: column that tells the lines apart.
        x: column of places.
        y: column of values.
        at: word before a place.
    """
    return [course(str(each), rows[x], rows[y], at) for each, rows in points.groupby(name, sort=False)]


def largest_cells(table: pd.DataFrame, count: int = 3, lowest: int = 0) -> list[str]:
    """The largest cells of a map in words, and the lowest ones; empty cells (NaN) do not count.

    Args:
        table: rows by columns.
        count: cells from above.
        lowest: cells from below.

    Example:
        >>> largest_cells(pd.DataFrame([[1.0, 5.0], [2.0, 3.0]], index=["a", "b"], columns=["c", "d"]), 1, 1)
        ['a, d 5', 'a, c 1']
    """
    ordered = table.stack().dropna().sort_values(ascending=False, kind="stable")
    chosen: Iterable[tuple[tuple[str, str], float]] = [*ordered.head(count).items(), *ordered.tail(lowest).items()]
    return [f"{row}, {column} {number(value)}" for (row, column), value in chosen]


def listing(name: str, values: npt.ArrayLike) -> str:
    """A name and some numbers.

    Example:
        >>> listing("score", [0.1, 0.25])
        'score 0.1, 0.25'
    """
    return f"{name} {', '.join(number(value) for value in np.asarray(values, dtype=float))}"
