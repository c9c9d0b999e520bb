"""The README's findings: some questions, an answer with its interval on each data set, and the cell that computes it."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from vad_lib.evaluation.comparisons import Comparison, compare, end_text, have_common_seeds, selection_gain
from vad_lib.evaluation.power import half_width, paper_steps
from vad_lib.evaluation.scored_videos import Metric
from vad_lib.open_questions.answers import against_msf_dmu_on_crops, compare_answers, readings_against
from vad_lib.open_questions.branches import branches_by_category
from vad_lib.open_questions.wording import WORDS, paper_gain_sentence, readings_sentence, seeds_apart, short
from vad_lib.report.tables.reported import read_reported
from vad_lib.report.tables.table import NOT_RUN, PAPER_DATASETS, markdown_grid
from vad_lib.runs.experiments import COMPARED, NAMING, VARIANTS, ladder
from vad_lib.runs.finished_runs import load_runs
from vad_lib.runs.scored_runs import scored_by_selection, scored_rows
from vad_lib.storage.paths import Layout

_OTHER_METRIC: dict[str, Metric] = {"auc": "ap", "ap": "auc"}
WANTED_HALF_WIDTH = 0.015  # of a step of Tables 4 and 5; a fraction
Found = Mapping[str, Comparison]  # what is said to be better or worse -> by how much; empty if it was not run
Answered = Mapping[tuple[str, str], Found]  # (name of a question, data set) -> its answer


class Question(NamedTuple):
    """One question of the README.

    Attributes:
        name: of the question, short.
        asked: the question.
        where: the notebook whose cell computes the answer, ``{dataset}`` standing for a data set, and the cell's id.
        found: layout, data set, draws -> the comparisons that answer it.
        word: what is said in place of *better* and *worse*, where a difference has one sign only.
        counted: what the comparisons after the first one are, where the README only counts their words.
        grouped: whether the comparisons stand under their words, in short.
    """

    name: str
    asked: str
    where: tuple[str, str]
    found: Callable[[Layout, Dataset, Bootstrap], Found]
    word: str = ""
    counted: str = ""
    grouped: bool = False


def _steps(*pairs: tuple[str, str], metric: Metric | Literal["", "other"] = "") -> Callable[[Layout, Dataset, Bootstrap], Found]:
    """Each second row against its first one, by the headline metric, the other one or a named one; the pairs share the level."""

    def answer(layout: Layout, dataset: Dataset, bootstrap: Bootstrap) -> Found:
        runs = load_runs(layout, dataset.name, dict.fromkeys(row for pair in pairs for row in pair))
        rows = {row: scored_rows(made) for row, made in runs.items() if made}
        named = metric == "map_vadclip_code"  # needs events that are annotated by category
        if {row for pair in pairs for row in pair} - set(rows) or (
            named and not all(r.fine_grained for m in rows.values() for r in m)
        ):
            return {}
        level = bootstrap.shared(len(pairs))
        headline = dataset.headline_metric
        measure: Metric = _OTHER_METRIC[headline] if metric == "other" else metric or headline
        ends = [after for _, after in pairs]
        found: dict[str, Comparison] = {}
        for before, after in pairs:
            other = f" against {VARIANTS[before].title}" if ends.count(after) > 1 else ""
            if have_common_seeds(rows[before], rows[after]):
                found[f"{VARIANTS[after].title}{other}"] = compare(rows[before], rows[after], measure, level)
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


QUESTIONS: tuple[Question, ...] = (
    Question(
        "inherited",
        "Does the proposed model beat logistic regression on labels that every snippet inherits?",
        ("02_training-{dataset}", "cell-32"),
        _steps(("logistic-regression", "proposed")),
    ),
    Question(
        "compared",
        "Which of the compared methods beat logistic regression, with the settings that all share?",
        ("02_training-{dataset}", "cell-32"),
        _steps(*(("logistic-regression", row) for row in COMPARED)),
        grouped=True,
    ),
    Question(
        "language",
        "Does the proposed model beat MSF-DMU, its visual branch alone?",
        ("02_training-{dataset}", "cell-32"),
        _steps(("msf-dmu", "proposed")),
    ),
    Question(
        "other-metric",
        "The same by the other metric: AP on SynthCrime, AUC on SynthViolence",
        ("07_real_footage", "cell-23"),
        _steps(("msf-dmu", "proposed"), metric="other"),
    ),
    Question("parts", "Which part helps, each against the row above it?", ("03_ablation-{dataset}", "cell-24"), _steps(*ladder())),
    Question(
        "naming",
        "Which loss term helps to say *which* anomaly, and when (Table 6, points of mAP AVG)?",
        ("03_ablation-{dataset}", "cell-24"),
        _steps(*pairwise(NAMING), metric="map_vadclip_code"),
    ),
    Question(
        "text",
        "Does the language matter? In place of sentences about the categories:",
        ("06_beyond_the_paper", "cell-20"),
        lambda layout, dataset, bootstrap: compare_answers(layout, dataset, "text", bootstrap),
    ),
    Question(
        "crops",
        "What do ten crops of every snippet add, in training and testing? (All else here has the centre crop.)",
        ("06_beyond_the_paper", "cell-20"),
        lambda layout, dataset, bootstrap: compare_answers(layout, dataset, "crops", bootstrap),
    ),
    Question(
        "crops-language",
        "With ten crops, does the proposed model beat MSF-DMU?",
        ("06_beyond_the_paper", "cell-20"),
        against_msf_dmu_on_crops,
    ),
    Question(
        "branches",
        "Which branch sees what? Semantic minus visual score, AUC:",
        ("06_beyond_the_paper", "cell-22-branches"),
        _branches,
        counted="categories",
    ),
    Question(
        "test-step",
        "What does it add to choose the step on the test set?",
        ("10_how_sure_are_the_numbers", "habits"),
        _chosen_on_test,
        "adds",
    ),
)


def answer_text(found: Found, word: str = "", seeds: int = 0, counted: str = "", *, grouped: bool = False) -> str:
    """Comparisons in one cell of a table: each verdict with its difference in points and its interval.

    Where one cannot tell, half of the interval's width stands beside it: a true difference may be about as large.

    Args:
        found: name -> comparison.
        word: in place of the verdicts; empty for the verdicts.
        seeds: usual number; an answer with another one names its own. 0 names none.
        counted: of the comparisons after the first, the number of each verdict is enough; what they are. Empty to tell each.
        grouped: a line per verdict, each comparison in it with its difference and half of its interval.

    Example:
        >>> answer_text({})
        'not run'
    """
    if not found:
        return NOT_RUN
    if grouped:
        groups = {word: [f"{name} {short(c)}" for name, c in found.items() if c.word == word] for word in WORDS}
        return "<br>".join(f"{word}: {', '.join(these)}" for word, these in groups.items() if these)
    words = {name: verdict_text(comparison, word, seeds) for name, comparison in found.items()}
    lines = [text if len(found) == 1 else f"{name}: {text}" for name, text in words.items()]
    if counted:
        parts = [*found.values()][1:]
        lines[1:] = [f"{len(parts)} {counted}: {', '.join(_counts(parts))}"] if parts else []
    return "<br>".join(lines)


def _counts(parts: Sequence[Comparison]) -> list[str]:
    """How many comparisons have each word; beside *cannot tell* the median of their half-widths."""
    told = []
    for word in WORDS:
        halves = [50 * (c.high - c.low) for c in parts if c.word == word]
        half = f" (± {np.median(halves):.1f} in the median)" if halves and word == "cannot tell" else ""
        told += [f"{len(halves)} {word}{half}"] if halves else []
    return told


def verdict_text(found: Comparison, word: str = "", seeds: int = 0) -> str:
    """A verdict with its difference in points and its interval; arguments as those of :func:`answer_text`.

    Example:
        >>> verdict_text(Comparison("auc", 0.005, 0.01, -0.006, 0.017, 0.95, "", (1, 2), (0.0, 0.01), 290))
        'cannot tell: +0.5 ± 1.1 [-0.6, +1.7]'
    """
    half = f" ± {50 * (found.high - found.low):.1f}" if found.word == "cannot tell" and not word else ""
    fewer = f"; {found.num_seeds} seeds" if seeds and found.num_seeds != seeds else ""
    interval = f"[{end_text(found.low)}, {end_text(found.high)}]"
    return f"{word or found.word}: {100 * found.mean:+.1f}{half} {interval}{fewer}{seeds_apart(found)}"


def answered(layout: Layout, datasets: Sequence[Dataset], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Answered:
    """Every question's answer on every data set; a minute or two.

    Args:
        layout: whose runs are read.
        datasets: without features.
        bootstrap: level of the intervals, which the comparisons of one answer share; number and seed of the draws.
    """
    return {(q.name, dataset.name): q.found(layout, dataset, bootstrap) for q in QUESTIONS for dataset in datasets}


def findings_table(
    answers: Answered, layout: Layout, datasets: Sequence[Dataset], executed: str, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> str:
    """The findings as a Markdown table: a row per question, a column per data set, each answer linked to its cell.

    Args:
        answers: of :func:`answered`.
        layout: whose runs are read.
        datasets: without features.
        executed: path of the executed notebooks from the page, such as ``results/reference/executed``.
        bootstrap: level of the intervals, which the comparisons of one cell share; number and seed of the draws.
    """
    rows: list[list[str]] = []
    usual = {dataset.name: usual_size(layout, dataset) for dataset in datasets}
    for question in QUESTIONS:
        row = [question.asked]
        for dataset in datasets:
            found = answers[question.name, dataset.name]
            notebook, cell = question.where[0].format(dataset=dataset.name), question.where[1]
            link = f"<br>[computed here]({executed}/{notebook}.ipynb#cell-id={cell})" if found else ""
            text = answer_text(found, question.word, usual[dataset.name][1], question.counted, grouped=question.grouped)
            row.append(text + link)
        rows.append(row)
    columns = ["question", *(f"{d.title} (rendered), {d.headline_metric.upper()} points" for d in datasets)]
    grid = markdown_grid(pd.DataFrame(rows, columns=columns), align="left")
    about = "; ".join(
        f"{dataset.title}: {videos} test videos, {seeds} seeds where an answer names no other number"
        for dataset, (videos, seeds) in ((dataset, usual[dataset.name]) for dataset in datasets)
        if seeds
    )
    return (
        f"{grid}\n\nDifferences are paired, seed by seed on the same test videos. Brackets: the interval over seeds and test "
        f"videos. The answers of one cell share {100 * bootstrap.level:g} %: with six of them, each interval has the level "
        f"{100 * bootstrap.shared(6).level:.4g} %. *Cannot tell*: the interval holds 0; ± is half of its width. {about}.\n\n"
        f"{_paper_gains(layout, datasets, bootstrap)}"
        f"{_other_readings(layout, datasets, executed, bootstrap)}{width_sentences(layout, datasets, bootstrap)}"
    )


def usual_size(layout: Layout, dataset: Dataset) -> tuple[int, int]:
    """Test videos, and seeds of the proposed model; zeros if it was not run."""
    runs = load_runs(layout, dataset.name, ["proposed"]).get("proposed", [])
    return (len(scored_rows(runs[:1])[0].videos), len(runs)) if runs else (0, 0)


def _paper_gains(layout: Layout, datasets: Sequence[Dataset], bootstrap: Bootstrap) -> str:
    """Where the paper's gain over MSF-DMU lies against the intervals here; empty if nothing was run."""
    told = []
    for dataset in datasets:
        if dataset.counterpart in PAPER_DATASETS:
            gain = sum(paper_steps(read_reported(layout.reported), dataset.counterpart).values())
            found = _steps(("msf-dmu", "proposed"))(layout, dataset, bootstrap)
            told += [f"{dataset.title}: {paper_gain_sentence(each, gain, dataset.counterpart)}." for each in found.values()]
    return f"The paper's own gain over MSF-DMU, on other data, beside our intervals. {' '.join(told)}\n\n" if told else ""


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
            f"{dataset.title}: {narrow} of {len(found)}; the widest has {50 * (widest.high - widest.low):.3f}, and would have "
            f"{other[0]:.1f} with {2 * seeds} seeds, {other[1]:.1f} with {2 * videos} test videos"
        )
    if not told:
        return ""
    return (
        f"Steps of Tables 4 and 5, each by itself at {100 * bootstrap.level:g} % (above they share the level, so that their ± are "
        f"wider), with a half-width of {100 * WANTED_HALF_WIDTH:g} points or less: {'. '.join(told)}.\n"
    )
