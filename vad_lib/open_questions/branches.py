"""What each branch of the proposed model sees: the visual score S_c, the semantic score S_a, and their mixture (equation 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from vad_lib.errors import DataError
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from vad_lib.evaluation.comparisons import Comparison, compare, short_text
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.report.figures.intervals import verdicts
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_videos

BRANCHES = ("visual", "semantic")
ALL_VIDEOS = "all test videos"


def branch_scores(run: Run, branch: str) -> ScoredVideos:
    """Test scores of one branch, at the step that the run uses.

    Args:
        run: of a method with two branches.
        branch: ``visual`` (S_c) or ``semantic`` (S_a).

    Raises:
        DataError: the run keeps no scores of its branches.
    """
    arrays = run.scores()
    if branch not in arrays:
        raise DataError(f"{run.name}: {run.title} keeps no {branch} scores; choose a run of the proposed model.")
    scored = scored_videos(run)
    return replace(scored, title=f"{branch} branch", score=arrays[branch], fine_grained=None, crop_scores=None)


def branches_by_category(
    runs: Sequence[Run], categories: Sequence[str], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[str, Comparison]:
    """Semantic minus visual branch, frame AUC, seed by seed: on all test videos, and category by category.

    A category is measured on its own test videos and all normal ones: AUC compares with the same normal frames everywhere,
    which average precision, with another share of abnormal frames in each category, does not.

    Args:
        runs: the seeds of one row.
        categories: of the data set, the normal one first.
        bootstrap: level, number and seed of the draws; the level is shared by all comparisons (Bonferroni).

    Returns:
        :data:`ALL_VIDEOS` and every abnormal category with test videos -> comparison; positive where the semantic branch
        is better.

    Raises:
        DataError: no run, or runs that keep no scores of their branches.
    """
    if not runs:
        raise DataError("branches: expected one run or more, got none; train the proposed model.")
    visual, semantic = ([branch_scores(run, branch) for run in runs] for branch in BRANCHES)
    of_videos = [text.split(";") for text in runs[0].scores()["video_categories"].tolist()]
    chosen = {ALL_VIDEOS: np.ones(len(of_videos), dtype=bool)}
    for category in categories[1:]:
        if any(category in names for names in of_videos):
            chosen[category] = np.array([category in names or categories[0] in names for names in of_videos])
    shared = bootstrap.shared(len(chosen))
    return {
        name: compare([s.of_videos(part) for s in visual], [s.of_videos(part) for s in semantic], "auc", shared)
        for name, part in chosen.items()
    }


def categories_counted(found: Mapping[str, Comparison]) -> str:
    """How many categories have which word, for a title; :data:`ALL_VIDEOS` is none of them.

    Args:
        found: of :func:`branches_by_category`.
    """
    words = [comparison.verdict for name, comparison in found.items() if name != ALL_VIDEOS]
    return f"of {len(words)} categories: {verdicts(words)}"


def branches_sentence(found: Mapping[str, Comparison]) -> str:
    """Where either branch sees more than the other, in words.

    Args:
        found: of :func:`branches_by_category`; empty gives ``not run``.
    """
    if not found:
        return "not run"
    parts = []
    for word, verdict in (("semantic branch better", "better"), ("visual branch better", "worse"), ("cannot tell", "cannot tell")):
        these = [f"{name} ({short_text(c)})" for name, c in found.items() if c.verdict == verdict]
        if these:
            parts.append(f"{word}: {', '.join(these)}")
    one = next(iter(found.values()))
    seeds = "one seed" if one.num_seeds == 1 else f"{one.num_seeds} seeds"
    return f"{'; '.join(parts)}. AUC points, semantic minus visual; {100 * one.level:.4g} % intervals, {seeds}"
