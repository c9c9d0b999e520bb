"""The project's own error types.

Every error that a user can cause is one of these. Messages name the object, what was expected, what
came, and what to do next.
"""

import difflib
import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any


class VadError(ValueError):
    """Base class of all errors raised on purpose by ``vad_lib``."""


class ConfigError(VadError):
    """A setting has an unknown name or a value outside its range."""


class DataError(VadError):
    """A video, feature file, list or annotation is not what it should be."""


class DifferentRunsError(DataError):
    """Runs of one table differ in what they must share: features, text features, categories, protocol or training."""


class MissingFileError(VadError, FileNotFoundError):
    """A file that is needed is not there; the message says how to get it."""

    # OSError formats (errno, strerror) pairs; with one argument the message is kept as it is.


class OutputError(VadError, OSError):
    """A result cannot be written (read-only folder, full disk); nothing that existed was changed."""


class BusyError(VadError):
    """Another process is writing the same folder; the message names it. Nothing was changed."""


class UndefinedMetricError(DataError):
    """A metric has no value on these frames or videos (one class only, no event); the message says what is missing."""


class TrainingError(VadError):
    """Training cannot go on (NaN loss, too few videos); the message names step, term and videos."""


class ExtractionError(VadError):
    """Rendering or extraction cannot go on (workers died or do not answer); what is finished is kept."""


def first_few(names: Sequence[str]) -> str:
    """The first five names and how many more there are, for a message.

    Example:
        >>> first_few(["a", "b"]), first_few("abcdefg"), first_few([])
        ('a, b', 'a, b, c, d, e and 2 more', 'none')
    """
    return ", ".join(names[:5]) + f" and {len(names) - 5:,} more" * (len(names) > 5) or "none"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that is nearest to an unknown one, for a message; empty if none is near.

    Example:
        >>> did_you_mean("propsed", ["ur-dmu", "proposed"]), did_you_mean("x", ["ur-dmu"])
        (' (did you mean proposed?)', '')
    """
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]}?)" if near else ""


def one_of(value: str, known: Iterable[str], what: str) -> None:
    """Refuse a value that is no known one; a misspelt name would silently mean the branch that comes last.

    Raises:
        ConfigError: it is none of them; the message names ``what``, the known ones and the nearest.

    Example:
        >>> one_of("sum", ("softmax", "sum"), "semantic score")
    """
    known = tuple(known)
    if value not in known:
        raise ConfigError(f"{what}: expected one of {', '.join(known)}, got {value!r}{did_you_mean(value, known)}.")


def command_line(stopped: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorate the ``main`` of a command: our errors, and those of files, become one line on stderr and status 1, Ctrl-C 130.

    Args:
        stopped: what a person should know after Ctrl-C.
    """

    def decorate(main: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(main)
        def guarded(*arguments: Any) -> int:
            try:
                return main(*arguments)
            except VadError as error:
                print(f"error: {error}", file=sys.stderr)
                return 1
            except OSError as error:  # such as a folder that may not be read
                where = f"{error.filename}: " if error.filename else ""
                print(f"error: {where}{error.strerror or error}; check the path, its permissions and the disk.", file=sys.stderr)
                return 1
            except KeyboardInterrupt:
                print(f"stopped; {stopped}", file=sys.stderr)
                return 130

        return guarded

    return decorate
