"""The README's findings: some questions, an answer with its interval on each data set, and the cell that computes it."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from vad_lib.evaluation.comparisons import Comparison, compare, selection_gain
from vad_lib.evaluation.power import half_width
from vad_lib.open_questions.answers import compare_answers, readings_against
from vad_lib.open_questions.branches import branches_by_category
from vad_lib.open_questions.wording import readings_sentence
from vad_lib.report.tables.table import NOT_RUN, markdown_grid
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.runs.finished_runs import load_runs
from vad_lib.runs.scored_runs import scored_by_selection, scored_rows
from vad_lib.storage.paths import Layout

WANTED_HALF_WIDTH = 0.015  # of a step of Tables 4 and 5; a fraction
Found = Mapping[str, Comparison]  # what is said to be better or worse -> by how much; empty if it was not run


class Question(NamedTuple):
    """One question of the README.

    Attributes:
        asked: the question.
        where: the notebook whose cell computes the answer, ``{dataset}`` standing for a data set, and the cell's id.
        found: layout, data set, draws -> the comparisons that answer it.
    """

    asked: str
    where: tuple[str, str]
    found: Callable[[Layout, Dataset, Bootstrap], Found]


def _steps(*pairs: tuple[str, str]) -> Callable[[Layout, Dataset, Bootstrap], Found]:
    """Each second row against its first one; several share the level."""

    def answer(layout: Layout, dataset: Dataset, bootstrap: Bootstrap) -> Found:
        runs = load_runs(layout, dataset.name, dict.fromkeys(row for pair in pairs for row in pair))
        rows = {row: scored_rows(made) for row, made in runs.items() if made}
        if {row for pair in pairs for row in pair} - set(rows):
            return {}
        level, metric = bootstrap.shared(len(pairs)), dataset.headline_metric
        ends = [after for _, after in pairs]
        found: dict[str, Comparison] = {}
        for before, after in pairs:
            other = f" against {VARIANTS[before].title}" if ends.count(after) > 1 else ""
            found[f"{VARIANTS[after].title}{other}"] = compare(rows[before], rows[after], metric, level)
        return found

    return answer


def _chosen_on_test(layout: Layout, dataset: Dataset, bootstrap: Bootstrap) -> Found:
    runs = load_runs(layout, dataset.name, ["proposed"]).get("proposed", [])
    if not runs:
        return {}
    gain = selection_gain(scored_by_selection(runs), dataset.headline_metric, bootstrap)
    return {"best on test": gain["best_on_validation"]}


def _branches(layout: Layout, dataset: Dataset, bootstrap: Bootstrap) -> Found:
    runs = load_runs(layout, dataset.name, ["proposed"]).get("proposed", [])
    return branches_by_category(runs, dataset.categories, bootstrap) if runs else {}


def ladder() -> tuple[tuple[str, str], ...]:
    """The steps of Tables 4 and 5, each once."""
    return tuple(dict.fromkeys((*pairwise(TABLE_ROWS["table4"]), *pairwise(TABLE_ROWS["table5"]))))


QUESTIONS: tuple[Question, ...] = (
    Question(
        "Does the proposed model beat logistic regression on labels that every snippet inherits?",
        ("02_training-{dataset}", "cell-32"),
        _steps(("logistic-regression", "proposed")),
    ),
    Question(
        "Does it beat MSF-DMU, its visual branch alone?", ("02_training-{dataset}", "cell-32"), _steps(("msf-dmu", "proposed"))
    ),
    Question("Which part helps, each against the row above it?", ("03_ablation-{dataset}", "cell-24"), _steps(*ladder())),
    Question(
        "Does the language matter? In place of sentences about the categories:",
        ("06_beyond_the_paper", "cell-20"),
        lambda layout, dataset, bootstrap: compare_answers(layout, dataset, "text", bootstrap),
    ),
    Question("Which branch sees what? Semantic minus visual score, AUC:", ("06_beyond_the_paper", "cell-22-branches"), _branches),
    Question("What does it add to choose the step on the test set?", ("06_beyond_the_paper", "cell-16"), _chosen_on_test),
)


def answer_text(found: Found) -> str:
    """Comparisons in one cell of a table: each verdict with its difference in points and its interval.

    Where one cannot tell, half of the interval's width stands beside it: a true difference may be about as large.

    Example:
        >>> answer_text({})
        'not run'
    """
    if not found:
        return NOT_RUN
    alone = len(found) == 1
    words = [_verdict_text(comparison) for comparison in found.values()]
    return "<br>".join(word if alone else f"{name}: {word}" for name, word in zip(found, words))


def _verdict_text(found: Comparison) -> str:
    half = f" ± {50 * (found.high - found.low):.1f}" if found.verdict == "cannot tell" else ""
    return f"{found.verdict}: {100 * found.mean:+.1f}{half} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def findings_table(layout: Layout, datasets: Sequence[Dataset], executed: str, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> str:
    """The findings as a Markdown table: a row per question, a column per data set, each answer linked to its cell.

    Args:
        layout: whose runs are read.
        datasets: without features.
        executed: path of the executed notebooks from the page, such as ``results/reference/executed``.
        bootstrap: level of the intervals, which the comparisons of one cell share; number and seed of the draws.
    """
    rows: list[list[str]] = []
    basis: dict[str, set[tuple[int, int]]] = {}
    for question in QUESTIONS:
        row = [question.asked]
        for dataset in datasets:
            found = question.found(layout, dataset, bootstrap)
            notebook, cell = question.where[0].format(dataset=dataset.name), question.where[1]
            link = f"<br>[computed here]({executed}/{notebook}.ipynb#cell-id={cell})" if found else ""
            row.append(answer_text(found) + link)
            for each in [*found.values()][:1]:  # of branches the first is on all videos
                basis.setdefault(dataset.title, set()).add((each.num_videos, each.num_seeds))
        rows.append(row)
    columns = ["question", *(f"{d.title} (rendered), {d.headline_metric.upper()} points" for d in datasets)]
    grid = markdown_grid(pd.DataFrame(rows, columns=columns), align="left")
    about = "; ".join(f"{title}: {_ranges(seen)}" for title, seen in basis.items())
    return (
        f"{grid}\n\nDifferences are paired, seed by seed on the same test videos. Brackets: the "
        f"{100 * bootstrap.level:g} % interval over seeds and test videos, which the answers of one cell share. *Cannot tell*: it "
        f"holds 0; ± is half of its width. {about}.\n\n{_other_readings(layout, datasets, executed, bootstrap)}"
        f"{width_sentences(layout, datasets, bootstrap)}"
    )


def _other_readings(layout: Layout, datasets: Sequence[Dataset], executed: str, bootstrap: Bootstrap) -> str:
    """What the proposed model is against its visual branch under every reading of the paper; empty if none was tried."""
    found = {dataset.title: readings_against(layout, dataset, bootstrap=bootstrap) for dataset in datasets}
    told = [f"{title}: {sentence}" for title, each in found.items() if (sentence := readings_sentence(each)) != NOT_RUN]
    link = f"[computed here]({executed}/06_beyond_the_paper.ipynb#cell-id=cell-20-readings)"
    return f"Other readings of the paper against MSF-DMU, each by itself ({link}). {'. '.join(told)}.\n\n" if told else ""


def width_sentences(layout: Layout, datasets: Sequence[Dataset], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> str:
    """How wide the intervals of the steps of Tables 4 and 5 are, each by itself, and what more seeds or videos would change.

    Args:
        layout: whose runs are read.
        datasets: without features.
        bootstrap: level of an interval; number and seed of the draws.
    """
    told = []
    for dataset in datasets:
        steps = {step: _steps(step)(layout, dataset, bootstrap) for step in ladder()}
        found = [comparison for step in steps.values() for comparison in step.values() if comparison.components]
        if not found:
            continue
        widest = max(found, key=lambda each: each.high - each.low)
        narrow = sum(each.high - each.low <= 2 * WANTED_HALF_WIDTH for each in found)
        seeds, videos = widest.num_seeds, widest.num_videos
        assert widest.components is not None
        other = [100 * half_width(widest.components, *size, bootstrap.level) for size in ((2 * seeds, videos), (seeds, 2 * videos))]
        told.append(
            f"{dataset.title}: {narrow} of {len(found)}; the widest has {50 * (widest.high - widest.low):.1f}, and would have "
            f"{other[0]:.1f} with {2 * seeds} seeds, {other[1]:.1f} with {2 * videos} test videos"
        )
    if not told:
        return ""
    return f"Steps of Tables 4 and 5 with a half-width of {100 * WANTED_HALF_WIDTH:g} points or less: {'. '.join(told)}.\n"


def _ranges(seen: set[tuple[int, int]]) -> str:
    videos, seeds = (sorted({pair[place] for pair in seen}) for place in (0, 1))
    return f"{' or '.join(map(str, videos))} test videos, {' or '.join(map(str, seeds))} seeds"
