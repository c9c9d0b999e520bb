"""Test scores of finished runs, in pieces that intervals and comparisons are computed of."""

from collections.abc import Iterable
from functools import lru_cache

from vad_lib.config import SELECTIONS
from vad_lib.evaluation.score_arrays import scored_videos_of
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.runs.run_folder import Run


@lru_cache(maxsize=256)  # with the runs of a data set's tables; what a run was measured at on draws stays with its scores
def scored_videos(run: Run, selection: str | None = None) -> ScoredVideos:
    """Test scores of one run.

    Args:
        run: a finished run.
        selection: ``last``, ``best_on_validation`` or ``best_on_test``; None for the one that the run uses.

    Raises:
        ConfigError: unknown selection.
        MissingFileError: the run has no scores.
        DataError: an array is missing, or scores and frames do not fit each other.
    """
    return scored_videos_of(run.scores(), run.config, selection, run.name)


def scored_rows(runs: Iterable[Run], selection: str | None = None) -> tuple[ScoredVideos, ...]:
    """Test scores of several runs, such as the seeds of one row; :func:`scored_videos` of each."""
    return tuple(scored_videos(run, selection) for run in runs)


def scored_by_selection(runs: Iterable[Run]) -> dict[str, tuple[ScoredVideos, ...]]:
    """Test scores of several runs under each selection: ``last``, ``best_on_validation`` and ``best_on_test``."""
    runs = tuple(runs)
    return {selection: scored_rows(runs, selection) for selection in SELECTIONS}
