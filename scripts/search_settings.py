"""Search settings on validation videos: ``python scripts/search_settings.py GRID``, one of five grids.

``lambdas``: weights of the proposed model's loss terms, which the paper does not give (equation 9).
``rates``: the learning rate of every method, since one that suits the dual memories need not suit the others.
``remedies``: what keeps training from learning its videos by heart, one change at a time beside the plain settings. Look at
the rows of one data set (``--sets synth-violence``), settle on one of them, then look whether the other set agrees (``--sets
synth-crime --only none together-dropout``).
``warmups``: a rising learning rate and rising late terms, with and without, for the method that fails without them. One seed in
ten or so fails, so ``--seeds 16``; the table has their mean and, ``lowest auc``, the worst of them.
``steps``: more of them, for the methods whose rows of Tables 2 and 3 had not converged and for the dual memories, whose seeds
should end alike (``--profile study --seeds 8 --methods proposed``).

Every combination of a small grid is trained with the profile's settings on both built-in sets. Validation videos, training
videos that were held out, decide with their video-level labels: by AUC, and by cross-entropy where AUCs are equal. No test
label is looked at. ``make reproduce`` must have run, for the features. Runs are trained several at a time, one thread each;
finished ones are kept in ``--out``, so a search that was stopped goes on. The table is written to ``results``, best first; what
was not trained on a set is left empty there.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from vad_lib import config, registry
from vad_lib.config import Profile, get_profile
from vad_lib.data import prepare, synthetic
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import command_line
from vad_lib.model import ProposedSettings
from vad_lib.open_questions.questions import PLAIN
from vad_lib.runs import experiments
from vad_lib.runs.many_runs import Training, train_many
from vad_lib.storage.paths import PROJECT_ROOT, Layout
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_text

LAMBDAS = ("lambda_align", "lambda_cls", "lambda_con")
LAMBDA_FACTORS = (1 / 3, 1, 3)  # of the default
RATES = (3.125e-5, 1.25e-4, 5e-4, 2e-3)


def lambda_grid(profile: Profile, seed: int) -> Iterator[tuple[dict[str, Any], config.RunSettings]]:
    """What the table says of a run, and its settings."""
    defaults = ProposedSettings()
    for factors in itertools.product(LAMBDA_FACTORS, repeat=len(LAMBDAS)):
        lambdas = {name: round(factor * getattr(defaults, name), 4) for name, factor in zip(LAMBDAS, factors)}
        yield lambdas, experiments.run_settings("proposed", profile, seed).replace(options=lambdas)


def rate_grid(profile: Profile, seed: int) -> Iterator[tuple[dict[str, Any], config.RunSettings]]:
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


def remedy_grid(profile: Profile, seed: int) -> Iterator[tuple[dict[str, Any], config.RunSettings]]:
    """What the table says of a run, and its settings."""
    for (name, changes), method in itertools.product(REMEDIES.items(), REMEDIED):
        settings = experiments.run_settings(method, profile, seed)
        yield {"method": method, "remedy": name}, settings.replace(train=settings.train.replace(**{**PLAIN, **changes}))


def warmup_grid(profile: Profile, seed: int) -> Iterator[tuple[dict[str, Any], config.RunSettings]]:
    """What the table says of a run, and its settings."""
    settings = experiments.run_settings("msf-dmu", profile, seed)
    for names in itertools.product(*((0, getattr(profile.train, name)) for name in ("warmup", "late_warmup"))):
        changes = dict(zip(("warmup", "late_warmup"), names))
        yield {"method": "msf-dmu", **changes}, settings.replace(train=settings.train.replace(**changes))


STEPPED = ("bn-svp", "clip-tsa", "mgfn", "rtfm", "sultani-mil", "vadclip", *REMEDIED)
STEP_FACTORS = (1, 2, 4)  # of the profile's steps


def step_grid(profile: Profile, seed: int) -> Iterator[tuple[dict[str, Any], config.RunSettings]]:
    """What the table says of a run, and its settings; as many evaluations whatever the steps."""
    for method, factor in itertools.product(STEPPED, STEP_FACTORS):
        settings = experiments.run_settings(method, profile, seed)
        train = settings.train.replace(steps=factor * profile.train.steps, eval_every=factor * profile.train.eval_every)
        yield {"method": method, "steps": train.steps}, settings.replace(train=train)


GRIDS = {
    "lambdas": ("lambda_search", lambda_grid, []),
    "rates": ("rate_search", rate_grid, ["method"]),
    "remedies": ("remedy_search", remedy_grid, ["method"]),
    "warmups": ("warmup_search", warmup_grid, ["method"]),
    "steps": ("steps_search", step_grid, ["method"]),
}


@command_line("correct what it says and call it again; finished runs are kept")
def main() -> int:
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
    options = parser.parse_args()
    name, grid, groups = GRIDS[options.grid]
    layout, profile = Layout.create(options.profile, data=options.data), get_profile(options.profile)
    sets = [load_dataset(layout.dataset(name)) for name in options.sets]
    texts = [prepare.dataset_text(profile, dataset) for dataset in sets]
    rows: list[tuple[dict[str, Any], Path]] = []  # what the table says of a run, and its place below a data set's folder
    tasks: list[Training] = []
    for seed in range(profile.train.seed, profile.train.seed + options.seeds):
        for described, settings in grid(profile, seed):
            place = Path("_".join(map(str, described.values())), f"seed{seed}")
            rows.append((described, place))
            if options.only and str(list(described.values())[-1]) not in options.only:
                continue
            if options.methods and described.get("method") not in options.methods:
                continue
            needs_text = registry.METHODS[settings.method].needs_text
            tasks += [
                Training(settings, dataset, text if needs_text else None, options.out / name / dataset.name / place)
                for dataset, text in zip(sets, texts)
            ]
    train_many(tasks, options.jobs)
    measured = []
    for described, place in rows:
        files = {dataset: options.out / name / dataset / place / "metrics.json" for dataset in synthetic.DATASETS}
        found = [(dataset, read_json(file)["validation"]) for dataset, file in files.items() if file.is_file()]
        if not found:
            continue  # not asked for
        row = {f"{dataset} validation {metric}": values[metric] for dataset, values in found for metric in ("auc", "bce")}
        measured.append(described | row)
        print(described | {name: round(value, 4) for name, value in row.items()}, flush=True)
    runs = pd.DataFrame(measured)
    grouped = runs.groupby(list(rows[0][0]), as_index=False, sort=False)
    table = grouped.mean()
    for column in [column for column in table if column.endswith("validation auc")] if options.seeds > 1 else []:
        table[column.replace("validation", "lowest")] = grouped[column].min()[column]
    for metric in ("auc", "bce"):
        table[f"mean {metric}"] = table[[name for name in table if name.endswith(f"validation {metric}")]].mean(
            axis=1, skipna=False
        )
    order = [*groups, "mean auc", "mean bce"]
    table = table.sort_values(order, ascending=[*(True for _ in groups), False, True])
    write_text(PROJECT_ROOT / "results" / f"{name}.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    print((table.groupby(groups).head(1) if groups else table.head(5)).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
