"""Make the shipped models again, for maintainers.

    python -m vad_lib.deployment.train_shipped fights --source FOLDER
    python -m vad_lib.deployment.train_shipped rendered

Every candidate of a recipe is trained with every seed. Method, width and seed are chosen on held-out training videos; the test
videos are looked at once, for the card. On one kind of processor and with the same package versions the files come out byte for
byte the same. Finished runs are kept in ``--work``, so a command that was stopped goes on.

``fights`` takes the folder of fight features that its card describes; ``rendered`` renders its videos and extracts their
features, unless that was done before.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vad_lib import registry
from vad_lib.config import RunSettings, TrainSettings, get_profile
from vad_lib.data.dataset import Dataset
from vad_lib.data.prompts import text_features
from vad_lib.deployment import model_cards, shipped, shipped_data
from vad_lib.errors import command_line
from vad_lib.methods.base import Method
from vad_lib.runs import trainer
from vad_lib.runs.code_key import code_key
from vad_lib.runs.run_folder import Run, RunInFolder
from vad_lib.runs.trained_model import method_of
from vad_lib.storage.paths import PROJECT_ROOT

Context = Literal["full", "causal"]

# of a run's settings; the others say how runs are kept, and some change with the code
_KEPT = ("title", "method", "options", "width", "parameters", "categories", "features", "text", "dataset", "seed", "train")

_TRAIN = get_profile("quick").train.replace(num_segments=32, lr=5e-4, steps=200, eval_every=20)  # chosen on validation videos


class Candidate(NamedTuple):
    """One model among those that a recipe chooses from."""

    method: str
    context: Context
    width: int

    @property
    def name(self) -> str:
        """For folders and tables, e.g. ``msf-dmu-causal-32``."""
        return f"{self.method}-{self.context}-{self.width}"

    def options(self, train: TrainSettings) -> dict[str, Any]:
        """Settings of the method that differ from its defaults.

        Causal attention looks back over as many segments as a training video has: no distance that training has not seen.
        """
        return {"context": "causal", "lookback": train.num_segments} if self.context == "causal" else {}


class Recipe(NamedTuple):
    """How a shipped model is made.

    Attributes:
        kinds: methods and contexts of the candidates.
        train: settings of every run but its seed.
        widths: encoder widths of the candidates.
        seeds: of the runs of every candidate.
    """

    kinds: tuple[tuple[str, Context], ...]
    train: TrainSettings = _TRAIN
    widths: tuple[int, ...] = (32, 64)
    seeds: tuple[int, ...] = (2022, 2023, 2024)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(Candidate(method, context, width) for method, context in self.kinds for width in self.widths)


RECIPES: dict[str, Recipe] = {
    "fights": Recipe(
        (("ur-dmu", "full"), ("msf-dmu", "full"), ("msf-dmu", "causal"), ("proposed", "full"), ("proposed", "causal"))
    ),
    "rendered": Recipe((("proposed", "full"), ("proposed", "causal"))),  # lessons are about the proposed model
}


def starting_anywhere(method: Method) -> Method:
    """Let every video start at a random segment in training: what comes before that segment is put behind the end.

    The first segments of a video look different from all others to a causal model, which has no past there. Without this, it
    learns to tell the training videos apart by their first segments and scores nothing else.

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


def train_candidates(name: str, dataset: Dataset, folder: Path, *, progress: bool = True) -> pd.DataFrame:
    """Train every candidate of a recipe with every seed; finished runs are kept.

    Args:
        name: of the recipe.
        dataset: with features.
        folder: for the runs.
        progress: True for a line per run.

    Returns:
        a row per run: ``candidate``, ``context``, ``seed``, ``parameters``, and of the step that was best on the held-out
        videos ``step``, ``auc`` (a fraction) and ``bce`` (nats).
    """
    recipe, text = RECIPES[name], text_features("sentence", dataset.categories)
    origin = {"start": "any segment", "code": code_key("vad_lib.deployment.train_shipped.starting_anywhere")}
    rows = []
    for candidate in recipe.candidates:
        for seed in recipe.seeds:
            spec, place = registry.method_spec(candidate.method), run_folder(folder, candidate.name, seed)
            settings = RunSettings(
                variant=candidate.name,
                method=candidate.method,
                title=spec.title + ", causal" * (candidate.context == "causal"),
                options=candidate.options(recipe.train),
                width=candidate.width,
                profile="shipped",
                train=recipe.train.replace(seed=seed),
            )
            needed = text if spec.needs_text else None
            trainer.train_run(settings, dataset, needed, place, progress=progress, build=_build, origin=origin)
            run = RunInFolder(place)
            rows.append(
                {
                    "candidate": candidate.name,
                    "context": candidate.context,
                    "seed": seed,
                    "parameters": run.config["parameters"],
                    "step": run.measured["selections"]["best_on_validation"]["step"],
                    **run.measured["validation"],
                }
            )
            if progress:
                print(" ".join(f"{key} {value:.4g}" if key in ("auc", "bce") else f"{value}" for key, value in rows[-1].items()))
    return pd.DataFrame(rows)


def _build(*args: Any, **options: Any) -> Method:
    return starting_anywhere(registry.build_method(*args, **options))


def run_folder(folder: Path, candidate: str, seed: int) -> Path:
    """Folder of one run of a candidate."""
    return folder / candidate / f"seed{seed}"


class Choice(NamedTuple):
    """A run that is shipped.

    Attributes:
        candidate: its name.
        seed: of the run.
        causal: True if no score depends on what comes later.
    """

    candidate: str
    seed: int
    causal: bool


def choose(runs: pd.DataFrame) -> tuple[Choice, ...]:
    """Choose what is shipped, by the held-out videos alone.

    A candidate is as good as another if its validation AUC, paired by seed, is lower by no more than one standard error of
    the mean difference. Of those that are as good as the best one, the smallest is shipped, a causal one first. If none of
    them is causal, the best causal one is shipped beside it, or the smallest as good as that. Of a chosen candidate's seeds,
    each with held-out videos of its own, the one that is furthest above the mean of all candidates on the same videos is taken;
    the smaller cross-entropy breaks ties.

    Args:
        runs: of :func:`train_candidates`.

    Returns:
        one choice that is causal; or two, the first of which is not.
    """
    first = _smallest_as_good(runs)
    causal = runs[runs["context"] == "causal"]
    chosen = [first] if first in {*causal["candidate"]} else [first, _smallest_as_good(causal)]
    return tuple(Choice(each, _best_seed(runs, each), each in {*causal["candidate"]}) for each in chosen)


def _smallest_as_good(runs: pd.DataFrame) -> str:
    auc = runs.pivot(index="seed", columns="candidate", values="auc")
    best = auc.mean().idxmax()
    behind = auc.rsub(auc[best], axis=0)
    as_good = behind.mean() <= behind.std(ddof=1) / np.sqrt(len(behind))
    about = runs.drop_duplicates("candidate").set_index("candidate")
    about = about[as_good.reindex(about.index)].assign(whole=lambda table: table["context"] != "causal")
    return str(about.sort_values(["whole", "parameters"], kind="stable").index[0])


def _best_seed(runs: pd.DataFrame, candidate: str) -> int:
    above = runs["auc"] - runs.groupby("seed")["auc"].transform("mean")
    own = runs.assign(above=above.round(9))[runs["candidate"] == candidate]
    return int(own.sort_values(["above", "bce"], ascending=[False, True], kind="stable")["seed"].iloc[0])


def make(name: str, dataset: Dataset, folder: Path, *, out: Path | None = None, progress: bool = True) -> Iterator[Path]:
    """Train, choose, measure and write the shipped models of a recipe.

    Args:
        name: of the recipe.
        dataset: with features; its contract says how they are extracted from pixels.
        folder: for the runs.
        out: folder of the models; the library's own by default.
        progress: True for a line per run.

    Yields:
        the card of each model.
    """
    runs = train_candidates(name, dataset, folder, progress=progress)
    choices = choose(runs)
    for choice in choices:
        model = f"{name}-causal" if choice.causal and len(choices) > 1 else name
        yield write_model(model, RunInFolder(run_folder(folder, choice.candidate, choice.seed)), dataset, choice, runs, out)


def write_model(name: str, run: Run, dataset: Dataset, choice: Choice, runs: pd.DataFrame, out: Path | None = None) -> Path:
    """Measure a finished run as a shipped model and write its three files.

    Args:
        name: of the model.
        run: with its weights.
        dataset: that it was trained on.
        choice: of this run.
        runs: of :func:`train_candidates`.
        out: folder of the models; the library's own by default.

    Returns:
        the card.

    Raises:
        OutputError: the folder cannot be written.
    """
    full = run.weights()
    half = shipped.in_half_precision(full)
    rounded, as_trained = (
        method_of(run.config, partial(dict, each), run.name) for each in (shipped.in_single_precision(half), full)
    )
    config = {key: run.config[key] for key in _KEPT}
    parts = shipped_data.RENDERED if dataset.name == "rendered" else ()
    card = model_cards.card_of(rounded, as_trained, config, dataset, parts)
    row = runs[(runs["candidate"] == choice.candidate) & (runs["seed"] == choice.seed)].iloc[0]
    content = {
        "name": name,
        "causal": choice.causal,
        "config": card.config,
        "measured": card.measured,
        "choice": {
            **{"candidate": choice.candidate, "seed": choice.seed, "step": int(row["step"])},
            **{key: float(row[key]) for key in ("auc", "bce")},
            "candidates": model_cards.candidates_table(runs),
        },
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
    for path in make(options.name, dataset, options.work / "runs" / options.name, out=options.out):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
