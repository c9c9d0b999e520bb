"""Runs that learned their training videos by heart, stopped learning, or mark the wrong frames, for notebook 08."""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from vad_lib.config import TRAINING
from vad_lib.errors import UndefinedMetricError
from vad_lib.open_questions.questions import BASE
from vad_lib.report.figures.alternative_texts import counted, percent
from vad_lib.report.tables.table import METRIC_TITLES
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_videos

RIGHT_VIDEOS, WRONG_FRAMES = 0.9, 0.6  # validation AUC of at least, AUC within abnormal videos below
ALL_VIDEOS = "all videos"  # what the base of the question few-videos is called
_MAIN, _CROSS_ENTROPY, _AUC = "main loss at the end", "validation cross-entropy at the end", "validation AUC at the end"
_SCALARS = ("gate_logit", "log_temperature", "modulation_scale")  # parameters whose own gradients are logged; they are no terms


def ends_of_runs(answers: Mapping[str, Sequence[Run]], metric: str) -> pd.DataFrame:
    """What the three curves of each run say at its last evaluation.

    Args:
        answers: number of training videos in words -> runs that keep their logs.
        metric: ``auc`` or ``ap`` of the test frames.

    Returns:
        one row per run: ``training videos``, ``seed``, the three ends, and the metric in percent, at the step that validation
        chooses and at the last step.
    """
    rows = []
    for answer, runs in answers.items():
        for run in runs:
            last = run.log().dropna(subset=["validation/bce"]).iloc[-1]
            ends = (last["loss/main"], last["validation/bce"], last["validation/auc"])
            rows.append((answer, run.seed, *ends, *(100 * run.value(metric, step) for step in ("best_on_validation", "last"))))
    return pd.DataFrame(rows, columns=["training videos", "seed", _MAIN, _CROSS_ENTROPY, _AUC, *_test_columns(metric)])


def _test_columns(metric: str) -> tuple[str, str]:
    return f"{METRIC_TITLES[metric]} %, step chosen on validation", f"{METRIC_TITLES[metric]} %, last step"


def ends_in_words(ends: pd.DataFrame, metric: str) -> list[str]:
    """The means of :func:`ends_of_runs` for each number of training videos, a line of Markdown each."""
    lines = []
    for answer, runs in ends.groupby("training videos", sort=False):
        values = runs[_test_columns(metric)[0]]
        spread = f"standard deviation {values.std():.1f}" if len(values) > 1 else "one seed"
        lines.append(
            f"- **{ALL_VIDEOS if answer == BASE else answer}**: main loss {runs[_MAIN].mean():.3f} at the end, validation "
            f"cross-entropy {runs[_CROSS_ENTROPY].mean():.2f} nats (a model that always says 0.5 has 0.69), "
            f"test {METRIC_TITLES[metric]} {values.mean():.1f} % ({spread}, lowest {values.min():.1f})."
        )
    return lines


def stopped_learning(answers: Mapping[str, Sequence[Run]]) -> tuple[list[str], int]:
    """Runs whose main loss ends at ln 2 and stays there: every segment scores 0.5, and no step changes it.

    Args:
        answers: number of training videos in words -> runs that keep their logs.

    Returns:
        the runs in words, such as ``all videos, seed 2022``; and how many were looked at.
    """
    dead, looked = [], 0
    for answer, runs in answers.items():
        for run in runs:
            end = run.log()["loss/main"].tail(10)
            looked += 1
            if abs(end.mean() - np.log(2)) < 0.02 and end.std() < 0.01:
                dead.append(f"{ALL_VIDEOS if answer == BASE else answer}, seed {run.seed}")
    return dead, looked


def chosen_steps(runs: Iterable[Run], metric: str) -> pd.DataFrame:
    """The step that validation would choose among all steps, and among those of the last quarter.

    The highest validation AUC chooses, then the lowest cross-entropy, then the earlier step.

    Args:
        runs: that keep their logs.
        metric: ``auc`` or ``ap`` of the test frames.

    Returns:
        one row per run: ``seed``; ``any step`` with ``its validation AUC`` and its test metric in percent; ``of the last quarter``
        with the test metric there.
    """
    rows = []
    for run in runs:
        evaluated = run.log().dropna(subset=["validation/auc"])
        ordered = evaluated.sort_values(["validation/auc", "validation/bce"], ascending=[False, True], kind="stable")
        early, late = ordered.iloc[0], ordered[ordered["step"] >= TRAINING["choose_after"] * run.log()["step"].max()].iloc[0]
        of_early = (early["step"], early["validation/auc"], 100 * early[f"test/{metric}"])
        rows.append((run.seed, *of_early, late["step"], 100 * late[f"test/{metric}"]))
    test = f"its test {METRIC_TITLES[metric]} %"
    return pd.DataFrame(rows, columns=["seed", "any step", "its validation AUC", test, "of the last quarter", f"{test} "])


def leading_terms(logs: Iterable[pd.DataFrame]) -> tuple[str, str]:
    """The loss term whose gradient is the largest on average, in the first quarter of the evaluations and in the last one.

    Args:
        logs: of runs that log the gradients of their terms.
    """
    parts = []
    for log in logs:
        norms = log.filter(regex="^gradient/").rename(columns=lambda name: name.removeprefix("gradient/"))
        terms = norms.drop(columns=["all", *_SCALARS], errors="ignore").dropna()
        quarter = max(1, len(terms) // 4)
        parts.append((terms.iloc[:quarter], terms.iloc[-quarter:]))
    early, late = (pd.concat(part).mean().idxmax().replace("_", " ") for part in zip(*parts))
    return early, late


def gradients_in_words(logs: Collection[pd.DataFrame]) -> str:
    """The leading terms, and how large the KL term becomes, and is at the end, beside its start.

    Args:
        logs: of runs that log the gradients of their terms.
    """
    early, late = leading_terms(logs)
    grown = max(log["loss/kl"].rolling(5).mean().max() / log["loss/kl"].head(5).mean() for log in logs)
    ends = [log["loss/kl"].tail(5).mean() / log["loss/kl"].head(5).mean() for log in logs]
    of_end = f"{min(ends):.1f} to {max(ends):.1f} times" if len(ends) > 1 else f"{ends[0]:.1f} times"
    lead = f"Largest mean norm: *{early}* in the first quarter of the evaluations, *{late}* in the last quarter."
    return (
        f"{lead} The KL term is at most {grown:.1f} times as large as at its first five steps, in the run where it grows most; at "
        f"the last five steps it is {of_end} as large as at the first."
    )


def videos_and_frames(rows: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """How well each run tells whole videos apart, beside how well it finds the abnormal frames inside abnormal videos.

    Args:
        rows: title -> its runs.

    Returns:
        one row per run: ``row``, ``seed``, ``videos`` (AUC of validation videos by their labels, at the step that they chose) and
        ``frames`` (AUC over the frames of abnormal test videos alone, under the selection that the run uses), both in [0, 1]. Empty
        where no abnormal test video has a normal frame.
    """
    found = []
    for title, runs in rows.items():
        for run in runs:
            scored = scored_videos(run)
            with contextlib.suppress(UndefinedMetricError):  # abnormal videos without a normal frame
                within = scored.of_videos(scored.abnormal_video).value("auc")
                found.append((title, run.seed, run.measured["validation"]["auc"], within))
    return pd.DataFrame(found, columns=["row", "seed", "videos", "frames"])


def videos_and_frames_in_words(found: pd.DataFrame) -> list[str]:
    """How the two numbers go together, and the runs where they do not, a line of Markdown each.

    Args:
        found: of :func:`videos_and_frames`; empty gives no line.
    """
    if found.empty:
        return []
    order = found["videos"].corr(found["frames"], method="spearman")
    wrong = found[(found["videos"] >= RIGHT_VIDEOS) & (found["frames"] < WRONG_FRAMES)]
    seeds = found.groupby("row").size()
    named = ", ".join(f"{row} ({count} of {seeds[row]})" for row, count in wrong.groupby("row", sort=False).size().items())
    rule = f"validation AUC of {percent(RIGHT_VIDEOS)} % or more, less than {percent(WRONG_FRAMES)} % within abnormal videos"
    lowest = found.loc[found["frames"].idxmin()]
    values = f"{percent(lowest['frames'])} %, with a validation AUC of {percent(lowest['videos'])} %"
    together = (
        f"- Rank correlation of the two numbers over {counted(len(found), 'run')}: {order:.2f} (1: the same order, 0: no relation)."
    )
    return [
        *([together] if len(found) > 2 else []),
        f"- Right videos, wrong frames ({rule}): {len(wrong)} of {counted(len(found), 'run')}{': ' if named else ''}{named}.",
        f"- Lowest within abnormal videos: {lowest['row']}, seed {lowest['seed']}, {values}.",
    ]
