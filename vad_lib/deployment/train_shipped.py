"""Make the shipped models again, for maintainers.

    python -m vad_lib.deployment.train_shipped fights --source FOLDER
    python -m vad_lib.deployment.train_shipped rendered

Every candidate of a recipe is trained once per fold of the training videos, see :mod:`vad_lib.deployment.clip_folds`; the best one
is trained on all training videos. The test videos are looked at once, for the card. On one kind of processor and with the same
package versions the files come out byte for byte the same. Finished runs are kept in ``--work``, so a command that was stopped
goes on.

``fights`` takes the folder of fight features that its card describes; ``rendered`` renders its videos and extracts their
features, unless that was done before.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from vad_lib import registry
from vad_lib.config import RunSettings, TrainSettings
from vad_lib.data.dataset import Dataset
from vad_lib.data.prompts import text_features
from vad_lib.deployment import model_cards, shipped, shipped_data
from vad_lib.deployment.clip_folds import make_folds
from vad_lib.deployment.scoring_model import open_model
from vad_lib.errors import command_line
from vad_lib.evaluation.score_arrays import scored_records
from vad_lib.methods.base import Method
from vad_lib.runs import trainer
from vad_lib.runs.code_key import code_key
from vad_lib.runs.measure import validation_metrics
from vad_lib.runs.run_folder import Run, RunInFolder
from vad_lib.runs.trained_model import method_of
from vad_lib.storage.paths import PROJECT_ROOT

# of a run's settings; the others say how runs are kept, and some change with the code
_KEPT = ("title", "method", "options", "width", "parameters", "categories", "features", "text", "dataset", "seed", "train")


class Candidate(NamedTuple):
    """One model among those that a recipe chooses from.

    Attributes:
        method: of the registry.
        width: of its encoder.
        lookback: snippets that causal attention sees, the present one included; None for a model that sees the whole video.
    """

    method: str
    width: int
    lookback: int | None = None

    @property
    def name(self) -> str:
        """For folders and tables, e.g. ``ur-dmu-full-32`` and ``msf-dmu-causal4-32``."""
        return f"{self.method}-{'full' if self.lookback is None else f'causal{self.lookback}'}-{self.width}"

    @property
    def options(self) -> dict[str, Any]:
        """Settings of the method that differ from its defaults."""
        return {} if self.lookback is None else {"context": "causal", "lookback": self.lookback}

    @property
    def title(self) -> str:
        return registry.method_spec(self.method).title + ("" if self.lookback is None else ", causal")


_TRAIN = TrainSettings(
    num_segments=32, batch_size=16, lr=5e-4, steps=100, eval_every=100, selection="last", validation_fraction=0.02
)


class Recipe(NamedTuple):
    """How a shipped model is made.

    Attributes:
        candidates: that are trained.
        folds: of the training videos.
        train: settings of every run.
    """

    candidates: tuple[Candidate, ...]
    folds: int = 4
    train: TrainSettings = _TRAIN


RECIPES: dict[str, Recipe] = {
    "fights": Recipe(
        (
            *(Candidate(method, width) for method in ("ur-dmu", "msf-dmu", "proposed") for width in (64, 128)),
            *(Candidate(method, 64, lookback) for method in ("msf-dmu", "proposed") for lookback in (1, 4, 16)),
        )
    ),
    # lessons are about the proposed model; its set has six times as many videos as the fights
    "rendered": Recipe(
        (Candidate("proposed", 64), Candidate("proposed", 64, 1), Candidate("proposed", 64, 4)),
        train=_TRAIN.replace(steps=300, eval_every=300),
    ),
}


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


def train_candidate(candidate: Candidate, train: TrainSettings, dataset: Dataset, folder: Path, *, progress: bool = True) -> Run:
    """Train a candidate on the training videos of a data set, unless that was done before.

    Args:
        candidate: what is trained.
        train: settings.
        dataset: with features.
        folder: of the run.
        progress: True for a bar, on a terminal.

    Returns:
        the finished run.

    Raises:
        TrainingError: a loss became NaN or infinite.
        OutputError: the folder cannot be written.
    """
    settings = RunSettings(
        variant=candidate.name,
        method=candidate.method,
        title=candidate.title,
        options=candidate.options,
        width=candidate.width,
        profile="shipped",
        train=train,
    )
    text = text_features("sentence", dataset.categories) if registry.method_spec(candidate.method).needs_text else None
    origin = {"start": "any segment", "code": code_key("vad_lib.deployment.train_shipped.starting_anywhere")}
    trainer.train_run(settings, dataset, text, folder, progress=progress, build=_build, origin=origin)
    return RunInFolder(folder)


def _build(*args: Any, **options: Any) -> Method:
    return starting_anywhere(registry.build_method(*args, **options))


def compare(recipe: Recipe, folds: Sequence[Dataset], folder: Path, *, progress: bool = True) -> pd.DataFrame:
    """Train every candidate on every fold and measure it on what the fold holds out.

    Args:
        recipe: what is trained.
        folds: of :func:`~vad_lib.deployment.clip_folds.make_folds`.
        folder: for the runs.
        progress: True for a line per run.

    Returns:
        a row per run: ``candidate``, ``fold``, ``parameters``, and on the held-out videos ``events``, the share of events that are
        found at 5 % false alarms, and of the scores of whole videos ``auc`` (a fraction) and ``bce`` (nats).
    """
    rows = []
    for candidate in recipe.candidates:
        for number, fold in enumerate(folds):
            place = fold_run(folder, candidate, number)
            run = train_candidate(candidate, recipe.train, fold, place, progress=progress)
            held_out = fold.videos.split("test")
            scores = model_cards.scores_of(open_model(place), fold, held_out)
            found = {
                "events": model_cards.events_found(scored_records(scores, fold, held_out, candidate.title), fold.fps),
                **validation_metrics(fold, {name: arrays["score"] for name, arrays in scores.items()}, held_out),
            }
            rows.append({"candidate": candidate.name, "fold": number, "parameters": run.config["parameters"], **found})
            if progress:
                print(f"{candidate.name}, fold {number}: {found['events']:.0%} of held-out events found", flush=True)
    return pd.DataFrame(rows)


def fold_run(folder: Path, candidate: Candidate, fold: int) -> Path:
    """Folder of a candidate's run on one fold."""
    return folder / candidate.name / f"fold{fold}"


def choose(runs: pd.DataFrame) -> str:
    """Name of the candidate that is shipped: the one that finds the most held-out events, the smaller one of equals.

    Args:
        runs: of :func:`compare`.
    """
    about = runs.groupby("candidate").agg({"events": "mean", "parameters": "first"})
    return str(about.sort_values(["events", "parameters"], ascending=[False, True], kind="stable").index[0])


def make(name: str, recipe: Recipe, dataset: Dataset, folder: Path, out: Path | None = None, *, progress: bool = True) -> Path:
    """Compare, choose, train, measure and write a model.

    Args:
        name: of the model.
        recipe: how it is made.
        dataset: with features; its contract says how they are extracted from pixels.
        folder: for folds and runs.
        out: folder of the models; the library's own by default.
        progress: True for a line per run.

    Returns:
        the card.

    Raises:
        DataError: too few training videos.
        OutputError: a folder cannot be written.
    """
    folds = make_folds(dataset, folder / "folds", recipe.folds)
    runs = compare(recipe, folds, folder, progress=progress)
    chosen = next(candidate for candidate in recipe.candidates if candidate.name == choose(runs))
    run = train_candidate(chosen, recipe.train, dataset, folder / chosen.name / "all", progress=progress)
    full = run.weights()
    half = shipped.in_half_precision(full)
    rounded = method_of(run.config, partial(shipped.in_single_precision, half), run.name)
    as_trained = method_of(run.config, partial(dict, full), run.name)
    config = {key: run.config[key] for key in _KEPT}
    parts = shipped_data.RENDERED if name == "rendered" else ()
    measured = model_cards.measured_model(rounded, as_trained, config, dataset, parts)
    content = {
        "name": name,
        "causal": chosen.lookback is not None,
        "config": config | {"threshold": measured["at_threshold"]["threshold"]},
        "measured": measured,
        "choice": model_cards.choice(runs, chosen.name),
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
    print(make(options.name, RECIPES[options.name], dataset, options.work / "runs" / options.name, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
