"""Make the shipped models again, for maintainers.

    python -m vad_lib.deployment.train_shipped fights --source FOLDER
    python -m vad_lib.deployment.train_shipped rendered

Every candidate of a recipe is trained with every seed. Method, width and seed are chosen on held-out training videos; the test
videos are looked at once, for the card. Where a recipe has students, a causal model is taught by the chosen one and shipped
beside it. On one kind of processor and with the same package versions the files come out byte for byte the same. Finished runs
are kept in ``--work``, so a command that was stopped goes on.

``fights`` takes the folder of fight features that its card describes; ``rendered`` renders its videos and extracts their
features, unless that was done before.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib import registry
from vad_lib.config import RunSettings, TrainSettings, get_profile
from vad_lib.data.batches import Batch
from vad_lib.data.dataset import Dataset, validation_split
from vad_lib.data.prompts import text_features
from vad_lib.deployment import model_cards, shipped, shipped_data
from vad_lib.deployment.scoring_model import ScoringModel, open_model
from vad_lib.errors import command_line
from vad_lib.losses import LossTerm
from vad_lib.methods.base import Method
from vad_lib.runs import trainer
from vad_lib.runs.code_key import code_key
from vad_lib.runs.run_folder import Run, RunInFolder
from vad_lib.runs.trained_model import load_model, method_of
from vad_lib.storage.paths import PROJECT_ROOT

TEACHING = 10.0  # weight of the teacher's scores beside the video labels; with 1 a student learns the training videos by heart

# of a run's settings; the others say how runs are kept, and some change with the code
_KEPT = ("title", "method", "options", "width", "parameters", "categories", "features", "text", "dataset", "seed", "train")

_TRAIN = get_profile("quick").train.replace(num_segments=32, lr=5e-4, steps=200, eval_every=20)


class Recipe(NamedTuple):
    """How a shipped model is made.

    Attributes:
        methods: of the candidates.
        students: methods of the causal candidates that the chosen model teaches; none for no causal model.
        widths: encoder widths of the candidates.
        student_widths: of the causal ones.
        seeds: of the runs of every candidate.
        train: settings of every run but its seed.
        student_train: of the causal ones.
    """

    methods: tuple[str, ...]
    students: tuple[str, ...] = ()
    widths: tuple[int, ...] = (32, 64)
    student_widths: tuple[int, ...] = (32,)
    seeds: tuple[int, ...] = (2022, 2023, 2024)
    train: TrainSettings = _TRAIN
    student_train: TrainSettings = _TRAIN.replace(steps=300, selection="last")


RECIPES: dict[str, Recipe] = {
    "fights": Recipe(("ur-dmu", "msf-dmu", "proposed"), students=("msf-dmu", "proposed")),
    "rendered": Recipe(("proposed",)),  # lessons are about the proposed model
}

Build = Callable[..., Method]


def starting_anywhere(method: Method) -> Method:
    """Let every video start at a random segment in training: what comes before that segment is put behind the end.

    A model can then not know the training videos by how they begin.

    Args:
        method: that shall be trained; changed in place. Its weights and its evaluation mode stay as they are.

    Returns:
        ``method``.
    """
    encode = method.encode

    def turned(features: Tensor) -> NamedTuple:
        if not method.training:
            return encode(features)
        sequences, length = features.shape[:2]
        places = (torch.arange(length) + torch.randint(length, (sequences, 1))) % length
        return encode(features[torch.arange(sequences)[:, None], places])

    method.encode = turned  # type: ignore[method-assign]
    return method


def taught(method: Method, teacher: Method, weight: float) -> Method:
    """Add a term to the loss of a method that holds the score of each segment to that of a teacher.

    The term ``taught`` is the mean over real segments of the Kullback-Leibler divergence between the two scores, each a coin;
    in nats, 0 where they agree.

    Args:
        method: that shall be trained; changed in place.
        teacher: trained, in evaluation mode; it takes the same features.
        weight: of the term.

    Returns:
        ``method``.
    """
    loss = method.loss

    def with_teacher(output: Any, batch: Batch) -> dict[str, LossTerm]:
        with torch.no_grad():
            wanted = teacher.scores(teacher(batch.features, batch.mask))["score"][batch.mask]
        found = method.scores(output)["score"][batch.mask]
        return loss(output, batch) | {"taught": LossTerm(divergence(wanted, found), weight)}

    method.loss = with_teacher  # type: ignore[method-assign]
    return method


def divergence(wanted: Tensor, found: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of scores, each a coin: two float (R,) in [0, 1] -> scalar, nats.

    Example: a sure teacher and an undecided student.
        >>> divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
        tensor(0.6931)
    """
    wanted, found = wanted.clamp(0, 1), found.clamp(0, 1)  # float32 sums may leave the range by a digit
    return F.binary_cross_entropy(found, wanted) - F.binary_cross_entropy(wanted, wanted)


class Search(NamedTuple):
    """Runs of a recipe: what they learn from and where they are kept.

    Attributes:
        recipe: that says what is trained.
        dataset: with features.
        folder: of the runs.
        progress: True for a line per run.
    """

    recipe: Recipe
    dataset: Dataset
    folder: Path
    progress: bool = True

    def place(self, candidate: str, seed: int) -> Path:
        """Folder of one run."""
        return self.folder / candidate / f"seed{seed}"

    def candidates(self) -> pd.DataFrame:
        """Train every whole-video candidate with every seed; finished runs are kept.

        Returns:
            a row per run: ``candidate``, ``seed``, ``parameters``; ``step`` of its weights, the one that was best on the held-out
            videos, and there ``auc`` (a fraction) and ``bce`` (nats).
        """
        origin = {"start": "any segment", "code": code_key("vad_lib.deployment.train_shipped.starting_anywhere")}
        rows = []
        for method in self.recipe.methods:
            for width in self.recipe.widths:
                for seed in self.recipe.seeds:
                    settings = self._settings(method, "full", width, self.recipe.train.replace(seed=seed))
                    rows.append(self._trained(settings, _build_starting_anywhere, origin))
        return pd.DataFrame(rows)

    def students(self, teacher: str) -> pd.DataFrame:
        """Train every causal candidate with every seed, taught by the run of the chosen candidate with the same seed.

        Both have the same held-out videos.

        Args:
            teacher: name of the chosen candidate.

        Returns:
            the columns of :meth:`candidates`, ``step`` being the last one, and ``gap``: the divergence of the student's scores
            from its teacher's on the held-out videos, in nats.
        """
        rows = []
        for method in self.recipe.students:
            for width in self.recipe.student_widths:
                for seed in self.recipe.seeds:
                    settings = self._settings(method, "causal", width, self.recipe.student_train.replace(seed=seed))
                    run = RunInFolder(self.place(teacher, seed))
                    code = code_key("vad_lib.deployment.train_shipped.taught")
                    origin = {"teacher": run.config["key"], "weight": TEACHING, "code": code}
                    model, _ = load_model(run.folder)
                    row = self._trained(settings, partial(_build_taught, model), origin)
                    rows.append({**row, "gap": self._gap(str(row["candidate"]), teacher, seed)})
        return pd.DataFrame(rows)

    def _settings(self, method: str, context: str, width: int, train: TrainSettings) -> RunSettings:
        # causal attention looks back over as many segments as a training video has: no distance that training has not seen
        options = {"context": "causal", "lookback": train.num_segments} if context == "causal" else {}
        title = registry.method_spec(method).title + ", causal" * (context == "causal")
        name = f"{method}-{context}-{width}"
        return RunSettings(variant=name, method=method, title=title, options=options, width=width, profile="shipped", train=train)

    def _trained(self, settings: RunSettings, build: Build, origin: Mapping[str, Any]) -> dict[str, Any]:
        place = self.place(settings.variant, settings.train.seed)
        text = None
        if registry.method_spec(settings.method).needs_text:
            text = text_features("sentence", self.dataset.categories)
        trainer.train_run(settings, self.dataset, text, place, progress=self.progress, build=build, origin=origin)
        run = RunInFolder(place)
        step, log = run.measured["selections"][run.selection]["step"], run.log().set_index("step")
        row = {
            **{"candidate": settings.variant, "seed": run.seed, "parameters": run.config["parameters"], "step": step},
            **{name: float(log.loc[step, f"validation/{name}"]) for name in ("auc", "bce")},
        }
        if self.progress:
            print(f"{row['candidate']}, seed {row['seed']}: held-out AUC {100 * row['auc']:.1f} %")
        return row

    def _gap(self, student: str, teacher: str, seed: int) -> float:
        train = self.recipe.train
        _, held_out = validation_split(self.dataset, train.validation_fraction, seed)
        found, wanted = (self._held_out_scores(open_model(self.place(name, seed)), held_out) for name in (student, teacher))
        return divergence(wanted, found).item()

    def _held_out_scores(self, model: ScoringModel, records: Any) -> Tensor:
        scores = model_cards.scores_of(model, self.dataset, records)
        return torch.cat([torch.from_numpy(arrays["score"]) for arrays in scores.values()])


def _build_starting_anywhere(*args: Any, **options: Any) -> Method:
    return starting_anywhere(registry.build_method(*args, **options))


def _build_taught(teacher: Method, *args: Any, **options: Any) -> Method:
    return taught(registry.build_method(*args, **options), teacher, TEACHING)


def smallest_as_good(runs: pd.DataFrame, column: str) -> str:
    """The smallest candidate that is as good as the best one, by what was measured on held-out videos.

    A candidate is as good as the best one if it is behind, paired by seed, by no more than one standard error of the mean.

    Args:
        runs: a row per run: ``candidate``, ``seed``, ``parameters`` and the column.
        column: of which the mean over seeds shall be large.
    """
    values = runs.pivot(index="seed", columns="candidate", values=column)
    behind = values.rsub(values[values.mean().idxmax()], axis=0)
    as_good = behind.mean() <= behind.sem(ddof=1).fillna(0.0)  # one seed has no spread
    parameters = runs.drop_duplicates("candidate").set_index("candidate")["parameters"]
    return str(parameters[as_good.reindex(parameters.index)].idxmin())


def best_seed(runs: pd.DataFrame, candidate: str) -> int:
    """The seed of a candidate that is furthest above the mean of all candidates on the same held-out videos.

    Every seed holds out other videos, and some are easier than others. The smaller cross-entropy breaks ties.

    Args:
        runs: of :meth:`Search.candidates`.
        candidate: name of the chosen one.
    """
    above = runs["auc"] - runs.groupby("seed")["auc"].transform("mean")
    own = runs.assign(above=above.round(9))[runs["candidate"] == candidate]
    return int(own.sort_values(["above", "bce"], ascending=[False, True], kind="stable")["seed"].iloc[0])


def make(name: str, search: Search, out: Path | None = None) -> Iterator[Path]:
    """Train, choose, measure and write the models of a recipe.

    Args:
        name: of the model; the causal one beside it is called ``NAME-causal``.
        search: recipe, data and folder of the runs.
        out: folder of the models; the library's own by default.

    Yields:
        the card of each model.
    """
    runs = search.candidates()
    chosen = smallest_as_good(runs, "auc")
    seed = best_seed(runs, chosen)
    yield write_model(name, RunInFolder(search.place(chosen, seed)), search.dataset, runs, out)
    if search.recipe.students:
        students = search.students(chosen)
        student = smallest_as_good(students.assign(closeness=-students["gap"]), "closeness")
        yield write_model(f"{name}-causal", RunInFolder(search.place(student, seed)), search.dataset, students, out)


def write_model(name: str, run: Run, dataset: Dataset, runs: pd.DataFrame, out: Path | None = None) -> Path:
    """Measure a finished run as a shipped model and write its three files.

    Args:
        name: of the model.
        run: with its weights.
        dataset: that it was trained on.
        runs: the table that it was chosen from.
        out: folder of the models; the library's own by default.

    Returns:
        the card.

    Raises:
        OutputError: the folder cannot be written.
    """
    full = run.weights()
    half = shipped.in_half_precision(full)
    rounded = method_of(run.config, partial(shipped.in_single_precision, half), run.name)
    as_trained = method_of(run.config, partial(dict, full), run.name)
    config = {key: run.config[key] for key in _KEPT}
    parts = shipped_data.RENDERED if dataset.name == "rendered" else ()
    card = model_cards.card_of(rounded, as_trained, config, dataset, parts)
    content = {
        "name": name,
        "causal": run.config["options"].get("context") == "causal",
        "config": card.config,
        "measured": card.measured,
        "choice": model_cards.choice(runs, run.config["variant"], run.seed),
        "made_with": model_cards.made_with(),
    }
    return shipped.write(name, half, content, out)


@command_line("run the same command again to go on from here")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.deployment.train_shipped", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=tuple(RECIPES))
    parser.add_argument("--source", type=Path, help="fights: folder with videos.csv and features")
    parser.add_argument("--work", type=Path, default=PROJECT_ROOT / "build" / "shipped", help="for data sets and runs")
    parser.add_argument("--out", type=Path, help="folder of the models (default: the library's own)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums in one order on every machine
    dataset = shipped_data.dataset(options.name, options.work, options.source)
    search = Search(RECIPES[options.name], dataset, options.work / "runs" / options.name)
    for path in make(options.name, search, options.out):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
