"""Search settings on validation videos: ``python scripts/search_settings.py GRID``, one of five grids.

``lambdas``: weights of the proposed model's loss terms, which the paper does not give (equation 9).
``rates``: the learning rate of every method, since one that suits the dual memories need not suit the others.
``remedies``: what keeps training from learning its videos by heart, one change at a time beside the plain settings. Look at
the rows of one data set (``--sets synth-violence``), settle on one of them, then look whether the other set agrees (``--sets
synth-crime --only none together-dropout``).
``warmups``: a rising learning rate and rising late terms, with and without, for the method that fails without them. One seed in
ten or so fails, so ``--seeds 16``; the table has their mean and, ``lowest auc``, the worst of them.
``steps``: more of them, for the methods whose rows of Tables 2 and 3 had not converged and for the dual memories, whose seeds
should end alike (``--profile study --seeds 8 --methods proposed``). The committed table has the four slowest: ``--methods bn-svp
clip-tsa rtfm sultani-mil``.

Every combination of a small grid is trained with the profile's settings on both built-in sets. Validation videos, training
videos that were held out, decide with their video-level labels: by AUC, and by cross-entropy where AUCs are equal. No test
label is looked at. ``make reproduce`` must have run, for the features. Runs are trained several at a time, one thread each;
finished ones are kept in ``--out``, those of each profile apart, so a search that was stopped goes on. The table is written to
``results``, best first, with all rows that are in ``--out``; what was not trained on a set is left empty there.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from vad_lib import config, registry
from vad_lib.config import Profile, get_profile
from vad_lib.data import prepare, synthetic
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import ConfigError, command_line, one_of
from vad_lib.model import ProposedSettings
from vad_lib.open_questions.questions import PLAIN
from vad_lib.runs import experiments
from vad_lib.runs.many_runs import Training, train_many
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_text

Rows = Iterator[tuple[dict[str, Any], config.RunSettings]]
Grid = Callable[[Profile, int], Rows]

LAMBDAS = ("lambda_align", "lambda_cls", "lambda_con")
LAMBDA_FACTORS = (1 / 3, 1, 3)  # of the default
RATES = (3.125e-5, 1.25e-4, 5e-4, 2e-3)


def lambda_grid(profile: Profile, seed: int) -> Rows:
    """What the table says of a run, and its settings."""
    defaults = ProposedSettings()
    for factors in itertools.product(LAMBDA_FACTORS, repeat=len(LAMBDAS)):
        lambdas = {name: round(factor * getattr(defaults, name), 4) for name, factor in zip(LAMBDAS, factors)}
        yield lambdas, experiments.run_settings("proposed", profile, seed).replace(options=lambdas)


def rate_grid(profile: Profile, seed: int) -> Rows:
    """What the table says of a run, and its settings."""
    for method, lr in itertools.product(registry.ON_BAGS, RATES):
        settings = experiments.run_settings(method, profile, seed)
        yield {"method": method, "lr": lr}, settings.replace(train=settings.train.replace(lr=lr))


# Changes of the plain training settings: one at a time, then those of the built-in profiles together with more of them.
_TOGETHER = {"averaging": 0.95, "scalar_rate": 20.0, "choose_after": 0.5, "clip_norm": 1.0}
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "clipping": {"clip_norm": 1.0},
    "averaging": {"averaging": 0.95},
    "weight-decay": {"weight_decay": 1e-3},
    "channel-dropout": {"feature_dropout": 0.2},
    "together": _TOGETHER,
    "together-decay": {**_TOGETHER, "weight_decay": 1e-3},
    "together-more-decay": {**_TOGETHER, "weight_decay": 3e-3},
    "together-dropout": {**_TOGETHER, "feature_dropout": 0.2},
    "together-decay-dropout": {**_TOGETHER, "weight_decay": 1e-3, "feature_dropout": 0.2},
}
REMEDIED = ("ur-dmu", "msf-dmu", "proposed")


def remedy_grid(profile: Profile, seed: int) -> Rows:
    """What the table says of a run, and its settings."""
    for (name, changes), method in itertools.product(REMEDIES.items(), REMEDIED):
        settings = experiments.run_settings(method, profile, seed)
        yield {"method": method, "remedy": name}, settings.replace(train=settings.train.replace(**{**PLAIN, **changes}))


def warmup_grid(profile: Profile, seed: int) -> Rows:
    """What the table says of a run, and its settings."""
    settings = experiments.run_settings("msf-dmu", profile, seed)
    for names in itertools.product(*((0, getattr(profile.train, name)) for name in ("warmup", "late_warmup"))):
        changes = dict(zip(("warmup", "late_warmup"), names))
        yield {"method": "msf-dmu", **changes}, settings.replace(train=settings.train.replace(**changes))


STEPPED = ("bn-svp", "clip-tsa", "mgfn", "rtfm", "sultani-mil", "vadclip", *REMEDIED)
STEP_FACTORS = (1, 2, 4)  # of the profile's steps


def step_grid(profile: Profile, seed: int) -> Rows:
    """What the table says of a run, and its settings; as many evaluations whatever the steps."""
    for method, factor in itertools.product(STEPPED, STEP_FACTORS):
        settings = experiments.run_settings(method, profile, seed)
        train = settings.train.replace(steps=factor * profile.train.steps, eval_every=factor * profile.train.eval_every)
        yield {"method": method, "steps": train.steps}, settings.replace(train=train)


GRIDS: dict[str, tuple[str, Grid, list[str]]] = {
    "lambdas": ("lambda_search", lambda_grid, []),
    "rates": ("rate_search", rate_grid, ["method"]),
    "remedies": ("remedy_search", remedy_grid, ["method"]),
    "warmups": ("warmup_search", warmup_grid, ["method"]),
    "steps": ("steps_search", step_grid, ["method"]),
}


class Planned(NamedTuple):
    """A row of the table with one seed.

    Attributes:
        says: what the table says of it.
        settings: of the run.
        place: of the run below a data set's folder.
    """

    says: dict[str, Any]
    settings: config.RunSettings
    place: Path

    @property
    def value(self) -> str:
        """Of the last named column."""
        return str(list(self.says.values())[-1])


def plan(grid: Grid, profile: Profile, seeds: int) -> list[Planned]:
    """Every row of a grid with every seed."""
    return [
        Planned(says, settings, Path("_".join(map(str, says.values())), f"seed{seed}"))
        for seed in range(profile.train.seed, profile.train.seed + seeds)
        for says, settings in grid(profile, seed)
    ]


def asked(rows: Sequence[Planned], methods: Sequence[str], only: Sequence[str]) -> list[Planned]:
    """The rows of some methods, and of some values of the last named column; an empty list asks for all.

    Raises:
        ConfigError: the grid has no such method or value.
    """
    for method in methods:
        one_of(method, dict.fromkeys(row.settings.method for row in rows), "--methods")
    for value in only:
        one_of(value, dict.fromkeys(row.value for row in rows), "--only")
    return [row for row in rows if (not methods or row.settings.method in methods) and (not only or row.value in only)]


def train(rows: Sequence[Planned], sets: Sequence[str], layout: Layout, profile: Profile, runs: Path, jobs: int) -> None:
    """Train the runs of some rows on some data sets into ``runs/DATASET``; finished ones are kept."""
    tasks: list[Training] = []
    for dataset in [load_dataset(layout.dataset(name)) for name in sets]:
        text = prepare.dataset_text(profile, dataset)
        for row in rows:
            needed = text if registry.METHODS[row.settings.method].needs_text else None
            tasks.append(Training(row.settings, dataset, needed, runs / dataset.name / row.place))
    train_many(tasks, jobs)


def table_of(rows: Sequence[Planned], runs: Path, groups: list[str], *, lowest: bool) -> pd.DataFrame:
    """Means over seeds of what finished runs have on validation videos, best first; rows without a run are left out.

    Args:
        rows: of the whole grid: those that an earlier call trained are in the table too.
        runs: folder with a folder for each data set.
        groups: columns within whose values rows are ordered.
        lowest: add a column with the lowest AUC of the seeds.

    Raises:
        ConfigError: no row has a finished run.
    """
    measured = []
    for row in rows:
        files = {dataset: runs / dataset / row.place / "metrics.json" for dataset in synthetic.DATASETS}
        found = {dataset: read_json(file)["validation"] for dataset, file in files.items() if file.is_file()}
        if found:
            values = {f"{dataset} validation {metric}": found[dataset][metric] for dataset in found for metric in ("auc", "bce")}
            measured.append(row.says | values)
    if not measured:
        raise ConfigError(f"{runs}: expected finished runs of the grid, found none; ask for other --methods or --only.")
    grouped = pd.DataFrame(measured).groupby(list(rows[0].says), as_index=False, sort=False)
    table = grouped.mean()
    if lowest:
        for column in [column for column in table if column.endswith("validation auc")]:
            table[column.replace("validation", "lowest")] = grouped[column].min()[column]
    for metric in ("auc", "bce"):
        columns = [column for column in table if column.endswith(f"validation {metric}")]
        table[f"mean {metric}"] = table[columns].mean(axis=1, skipna=False)
    return table.sort_values([*groups, "mean auc", "mean bce"], ascending=[*(True for _ in groups), False, True])


@command_line("correct what it says and call it again; finished runs are kept")
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", choices=GRIDS)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--data", default="", help="folder of the data sets; data/PROFILE by default")
    parser.add_argument(
        "--sets", nargs="+", choices=synthetic.DATASETS, default=list(synthetic.DATASETS), help="data sets, both by default"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="values of the table's last named column to train")
    parser.add_argument("--methods", nargs="+", default=[], metavar="METHOD", help="to train; all of the grid by default")
    parser.add_argument("--seeds", type=int, default=1, help="validation splits and starts")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "build", help="folder for the runs")
    parser.add_argument("--jobs", type=int, default=0, help="processes that train; one per core by default")
    options = parser.parse_args(arguments)
    name, grid, groups = GRIDS[options.grid]
    layout, profile = Layout.create(options.profile, data=options.data), get_profile(options.profile)
    rows, runs = plan(grid, profile, options.seeds), options.out / name / profile.name
    train(asked(rows, options.methods, options.only), options.sets, layout, profile, runs, options.jobs)
    table = table_of(rows, runs, groups, lowest=options.seeds > 1)
    write_text(PROJECT_ROOT / "results" / f"{name}.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    print(table.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
