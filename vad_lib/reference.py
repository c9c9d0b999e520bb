"""The maintainer's command: one's own complete results become the reference that the project commits.

``python -m vad_lib.reference`` packs the runs of ``results/study`` into ``results/reference``, executes the notebooks once
more on what was packed (which trains nothing), and keeps their tables, figures and executed copies; then it writes the
generated parts of the README. ``--refresh`` leaves the packed runs as they are and makes the rest again, after a change
of words or figures. ``--questions`` leaves the packed table rows and adds the answers of ``results/study``: the grid takes
hours, and need not be trained when and where the tables were. ``--profile quick`` packs the table rows of ``results/quick``
into ``results/reference-quick``, which the reproduction report compares and nothing shows. Nobody else writes these folders.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vad_lib.cards.making import make_cards
from vad_lib.config import SELECTIONS, get_profile
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.errors import DataError, command_line
from vad_lib.open_questions import findings, five_lines
from vad_lib.open_questions.categories import TEXT_COSINES
from vad_lib.open_questions.questions import BASE, answer_place, base_place
from vad_lib.open_questions.rows import BY_SELECTION
from vad_lib.report import equations, pages, real_footage, rendered_and_real
from vad_lib.runner.execution import reproduce
from vad_lib.runner.manifest import plan, read_manifest
from vad_lib.runs.experiments import VARIANTS, not_runnable
from vad_lib.runs.finished_runs import find_runs, load_runs
from vad_lib.runs.packed_runs import Keep, PackedRun, pack, packed
from vad_lib.runs.run_folder import Run, RunInFolder, run_folders
from vad_lib.storage.paths import SMALL_REFERENCES, Layout

PROFILE = "study"  # whose runs are packed unless another one is named
PARTS = (("runs", 1), ("questions", 2), ("transfer", 2))  # folders of runs, with the depth of their places
# Arrays that an open question needs beside the scores; the others need the scores only.
QUESTION_ARRAYS = {"zero-shot": ("alignment", "category_named", "abnormal_category_named"), "crops": ("crop_scores",)}
QUESTION_ARRAYS["base"] = tuple(name for names in QUESTION_ARRAYS.values() for name in names)  # answers are compared with it
LOGGED = ("proposed", "msf-dmu-at-once", "msf-dmu-rising", "few-videos")  # rows and question whose every log notebook 08 reads
BRANCHES = ("visual", "semantic", "alignment")  # of all seeds of the proposed model, else of the first


def release(layout: Layout, reference: Layout, datasets: Sequence[str]) -> None:
    """Pack one's own runs, strips, controls and lists of videos into the reference.

    Args:
        layout: one's own results.
        reference: what they become; a small one gets the table rows only, and lists of videos.
        datasets: the built-in data sets.

    Raises:
        DataError: a table row lacks seeds, or runs do not belong into one table; nothing is written then.
    """
    small = reference.profile in SMALL_REFERENCES.values()
    for dataset in datasets:
        _check_complete(layout, dataset)
    for dataset in datasets:
        runs = all_runs(layout, dataset, PARTS[:1] if small else PARTS)
        pack(reference.packed_runs(dataset), runs, keep_compared if small else keep)
        lists = [(layout.dataset(dataset) / name, reference.dataset(dataset) / name) for name in ("dataset.json", "videos.csv")]
        shown = [(layout.strips(dataset), reference.strips(dataset)), (layout.controls(dataset), reference.controls(dataset))]
        for source, target in lists if small else [*lists, *shown]:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    if small:
        return
    for path in sorted(layout.executed.glob("0[01]*.ipynb")):  # those that the reference cannot execute
        reference.executed.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, reference.executed / path.name)
    (reference.read_from / TEXT_COSINES).unlink(missing_ok=True)
    if (layout.read_from / TEXT_COSINES).is_file():  # where the question modulation was trained
        shutil.copyfile(layout.read_from / TEXT_COSINES, reference.read_from / TEXT_COSINES)


def release_questions(layout: Layout, reference: Layout, datasets: Sequence[str]) -> None:
    """Add one's own answers to open questions, and scores on other data sets, to those that the reference has.

    A row of the tables stays as it is. Where features of the two differ, because another processor made them, the proposed model
    that was trained beside the answers is kept too: they are compared with that.

    Args:
        layout: one's own results, with questions.
        reference: whose packed runs get more.
        datasets: the built-in data sets.

    Raises:
        DataError: the two were scored on different test videos.
    """
    for dataset in datasets:
        there: dict[str, Run] = {run.place: run for run in packed(reference.packed_runs(dataset))}
        tables = {run.config["features"]["content_hash"] for place, run in there.items() if place.startswith("runs/")}
        new = all_runs(layout, dataset, PARTS[1:])
        for run in find_runs(layout, *answer_place(dataset, "", BASE)):
            if run.config["features"]["content_hash"] not in tables:
                new["/".join((*base_place(dataset), f"seed{run.seed}"))] = run
        asked = {place.split("/")[2] for place in new if place.startswith("questions/")}
        kept = {place: run for place, run in there.items() if not _is_answer_to(place, asked)}
        pack(reference.packed_runs(dataset), {**kept, **new}, _keep_again)


def _is_answer_to(place: str, questions: Collection[str]) -> bool:
    part, _, question, *_ = place.split("/")
    return part == "questions" and question in questions


def _keep_again(place: str, run: Run) -> Keep:
    """What is kept of a run that is packed already: all that it has; of any other one, what :func:`keep` says."""
    return Keep(log=run.has_log) if isinstance(run, PackedRun) else keep(place, run)


def _check_complete(layout: Layout, dataset: str) -> None:
    runs = load_runs(layout, dataset, VARIANTS)
    loaded = load_dataset(layout.dataset(dataset), features=False)
    profile = get_profile(layout.profile)
    command = "make study" if layout.profile == "study" else f"make reproduce PROFILE={layout.profile}"
    first = profile.train.seed
    for variant in VARIANTS:
        last = first + profile.row_seeds.get(variant, profile.seeds) - 1
        missing = set(range(first, last + 1)) - {run.seed for run in runs.get(variant, [])}
        if missing and not not_runnable(variant, loaded):
            raise DataError(
                f"{dataset}, {variant}: the reference needs seeds {first} to {last}, missing: "
                f"{', '.join(map(str, sorted(missing)))}. `{command}` trains them."
            )


def all_runs(layout: Layout, dataset: str, parts: Sequence[tuple[str, int]]) -> dict[str, Run]:
    """Place -> run, for every finished run on a data set in some of :data:`PARTS`."""
    found: dict[str, Run] = {}
    for part, depth in parts:
        for place in sorted((layout.results / part / dataset).glob("/".join(["*"] * depth))):
            for folder in run_folders(place):
                found[folder.relative_to(layout.results).as_posix()] = RunInFolder(folder)
    return found


def keep(place: str, run: Run) -> Keep:
    """What the reference keeps of a run: all of the first seed of a table row, and of the others what notebooks read."""
    part, _, second, *_ = place.split("/")
    if part == "runs":
        first = run.seed == get_profile(run.config["profile"]).train.seed
        logged = (first or second in LOGGED) and run.measured["selections"]["last"]["step"] > 1
        others = [f"score_{name}" for name in SELECTIONS if name != run.selection and second not in BY_SELECTION]
        dropped = set() if first or second == "proposed" else {*BRANCHES, *others}
        return Keep(log=logged, arrays=tuple(name for name in run.scores() if name not in dropped))
    if part == "transfer":
        return Keep(arrays=())
    metrics = (run.config["headline_metric"], "num_frames", "num_abnormal_frames")
    return Keep(arrays=QUESTION_ARRAYS.get(second, ()), metrics=metrics, log=second in LOGGED)


def keep_compared(place: str, run: Run) -> Keep:
    """What a small reference keeps of a run: metrics, and what intervals are made of, the score and what is said of categories."""
    of_categories = ("category_named", "abnormal_category_named")
    return Keep(arrays=tuple(name for name in run.scores() if name in of_categories or name.startswith("detection")))


def refresh(profile: str) -> None:
    """Execute the notebooks on the packed runs, and keep their tables, figures and executed copies; then the pages.

    Args:
        profile: that the packed runs were made with.

    Raises:
        NotebookError: a notebook failed; what the reference held stays.
    """
    reading, reference = Layout.create(profile, source="reference"), Layout.reference()
    manifest = read_manifest(reading.manifest)
    for folder in (reading.tables, reading.figures, reading.executed):  # of an earlier reference: not all of it is made again
        shutil.rmtree(folder, ignore_errors=True)
    reproduce(reading, plan(manifest, reading), force=True, jobs=2)
    _replace(reading.tables, reference.tables, (".md", ".csv"))
    # PDF and plotted points of each figure are made by whoever runs the notebooks on the reference
    _replace(reading.figures, reference.figures, (".png",), copy=small_png)
    _replace(reading.executed, reference.executed, (".ipynb",), keep_others=True)
    pages.update_readme(reading.readme, reference)
    pages.write_results_page(reference)
    datasets = [load_dataset(reference.dataset(name), features=False) for name in manifest.datasets]
    for section, markdown in readme_sections(reference, datasets).items():
        pages.update_section(reading.readme, section, markdown)
    pages.update_section(reading.equations, "equations", equations.equation_map(reading))


def readme_sections(reference: Layout, datasets: Sequence[Dataset]) -> dict[str, str]:
    """The generated parts of the README after its short table, by the names of their markers; a minute or two.

    Args:
        reference: whose runs, figures and executed notebooks they are made of.
        datasets: the built-in data sets.
    """
    readme, image = reference.readme, reference.figures / f"{rendered_and_real.NAME}.png"
    answers = findings.answered(reference, datasets)
    executed = reference.executed.relative_to(readme.parent).as_posix()
    rendered = [rendered_and_real.of_runs(reference, dataset) for dataset in datasets]
    real = real_footage.committed_sets(reference)
    points = [rendered_and_real.forest_points([*rendered, *real], metric) for metric in rendered_and_real.METRICS]
    return {
        "five-lines": five_lines.five_lines(answers, reference, datasets, real),
        "findings": findings.findings_table(answers, reference, datasets, executed),
        "real-footage": rendered_and_real.readme_markdown(points, image, readme),
    }


def small_png(source: Path, target: Path) -> None:
    """Copy a figure with 256 colours and no transparency, a third of its bytes; texts in the file are kept."""
    with Image.open(source) as image:
        texts = PngInfo()
        for key, value in getattr(image, "text", {}).items():
            texts.add_text(key, value)
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, "PNG", optimize=True, pnginfo=texts)


def _replace(
    source: Path,
    target: Path,
    endings: tuple[str, ...],
    *,
    keep_others: bool = False,
    copy: Callable[[Path, Path], object] = shutil.copyfile,
) -> None:
    """Copy files of some endings; what else the target held goes, unless it is kept."""
    if target.is_dir() and not keep_others:
        shutil.rmtree(target)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.suffix in endings and not path.name.endswith(".partial.ipynb"):
            copy(path, target / path.name)


@command_line("correct what it says and call it again")
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.reference", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--refresh", action="store_true", help="keep the packed runs; make tables, figures and pages again")
    what.add_argument("--questions", action="store_true", help="keep the packed table rows; add your answers to open questions")
    parser.add_argument("--profile", default=PROFILE, help=f"whose runs are packed (default: {PROFILE})")
    parser.add_argument("--out", default="", help="folder that holds your results/ (default: the project)")
    parser.add_argument("--data", default="", help="folder of the data sets (default: data/PROFILE in the project)")
    options = parser.parse_args(arguments)
    layout = Layout.create(options.profile, options.out, options.data)
    reference = Layout.reference(options.profile)
    if options.questions:
        release_questions(layout, reference, read_manifest(layout.manifest).datasets)
    elif not options.refresh:
        release(layout, reference, read_manifest(layout.manifest).datasets)
    if reference.profile not in SMALL_REFERENCES.values():
        refresh(options.profile)
    shutil.rmtree(reference.read_from / "cards", ignore_errors=True)
    make_cards(reference.read_from)  # last: a card holds hashes of tables and packed runs
    print(f"reference: {reference.read_from}; look at git diff, and write moved numbers into CHANGELOG.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
