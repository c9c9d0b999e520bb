"""Rows of the paper's tables -> runs.

A variant is a method with some options changed. Every registered method is one; adding another is one line in
:data:`VARIANTS` and one in :data:`TABLE_ROWS`. Everything else (data, loop, scoring, metrics) is the same for all of them.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pandas as pd

from vad_lib import config, registry
from vad_lib.config import Profile, Settings
from vad_lib.data.dataset import Dataset
from vad_lib.data.prepare import dataset_text
from vad_lib.errors import ConfigError
from vad_lib.runs.finished_runs import summary_of
from vad_lib.runs.many_runs import Training, train_many
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.paths import Layout


class Variant(Settings):
    """One row of a table.

    Attributes:
        method: key of the registry.
        title: the row's name.
        options: the method's settings that differ from its defaults.
        train: training settings that differ from the profile's.
    """

    method: str
    title: str
    options: dict[str, Any] = {}  # noqa: RUF012  (pydantic copies defaults)
    train: dict[str, Any] = {}  # noqa: RUF012


# Remarks that belong to a method's name wherever it is printed.
_TITLES = {"ur-dmu": "UR-DMU (the paper's DMU)", "msf-dmu": "MSF-DMU (reconstruction)"}

VARIANTS: dict[str, Variant] = {
    **{name: Variant(method=name, title=_TITLES.get(name, spec.title)) for name, spec in registry.METHODS.items()},
    "pcl": Variant(method="proposed", title="+ PCL", options=registry.ABLATIONS["pcl"]),
    "pcl-dbagf": Variant(method="proposed", title="+ PCL + DBAGF", options=registry.ABLATIONS["pcl-dbagf"]),
    "fine": Variant(method="proposed", title="+ fine", options=registry.ABLATIONS["fine"]),
    "fine-align": Variant(method="proposed", title="+ fine + align", options=registry.ABLATIONS["fine-align"]),
    "proposed-permuted": Variant(method="proposed", title="Proposed, training labels permuted", train={"permute_labels": True}),
}

# Rows of no table, which notebook 08 sets side by side to show how training fails.
_FAILS = {"method": "msf-dmu", "options": {"dilations": [1, 2, 4]}}
FAILING: dict[str, Variant] = {
    "msf-dmu-at-once": Variant(**_FAILS, title="MSF-DMU, triplet term whole from the start", train={"late_warmup": 0}),
    "msf-dmu-rising": Variant(**_FAILS, title="MSF-DMU, triplet term rising"),
}

# The rows that Tables 2 and 3 compare: every method of a paper, the proposed one last.
COMPARED: tuple[str, ...] = tuple(name for name, spec in registry.METHODS.items() if spec.paper)

# What sees true frame labels of test videos: it bounds what single snippets can give, and competes with no row.
CEILINGS: tuple[str, ...] = ("supervised",)

# What every compared method must beat.
YARDSTICKS: tuple[str, ...] = tuple(n for n, spec in registry.METHODS.items() if not spec.paper and n not in CEILINGS)

# Which runs fill which table, in the order of the rows.
TABLE_ROWS: dict[str, tuple[str, ...]] = {
    "table2": (*COMPARED, *YARDSTICKS, "proposed-permuted", *CEILINGS),
    "table3": (*COMPARED, *YARDSTICKS, "proposed-permuted", *CEILINGS),
    "table4": ("msf-dmu", "pcl", "pcl-dbagf", "proposed"),
    "table5": ("pcl-dbagf", "fine", "fine-align", "proposed"),
    "table6": ("vadclip", "pcl", "pcl-dbagf", "fine", "fine-align", "proposed", "proposed-permuted"),
}

# Rows of Table 6 that are compared, each with the one before it.
NAMING: tuple[str, ...] = ("pcl", *TABLE_ROWS["table5"])


def ladder() -> tuple[tuple[str, str], ...]:
    """The steps of Tables 4 and 5, each once: a row, and the row below it."""
    return tuple(dict.fromkeys((*pairwise(TABLE_ROWS["table4"]), *pairwise(TABLE_ROWS["table5"]))))


def _row(variant: str) -> Variant:
    known = VARIANTS | FAILING
    if variant not in known:
        raise ConfigError(f"unknown variant {variant!r}; known: {', '.join(known)}.")
    return known[variant]


def run_settings(variant: str, profile: Profile, seed: int, device: str = "cpu", *, counterpart: str = "") -> config.RunSettings:
    """Settings of one run.

    Args:
        variant: key of :data:`VARIANTS` or :data:`FAILING`.
        profile: widths, steps and recipe.
        seed: of the run.
        device: of torch.
        counterpart: public data set that the data stand for, for the methods that treat UCF-Crime and XD-Violence differently.

    Raises:
        ConfigError: unknown variant; the message lists the known ones.
    """
    row = _row(variant)
    spec = registry.METHODS[row.method]
    own_rate = {"lr": profile.rates[row.method]} if row.method in profile.rates else {}
    published = {**spec.published, **spec.published_on.get(counterpart, {})}
    declared = {**spec.batches, **(published if profile.recipe == "published" else own_rate)}
    train = profile.train.replace(**{**declared, **row.train}, seed=seed, device=device)
    return config.RunSettings(
        variant=variant,
        method=row.method,
        title=row.title,
        options={**spec.of_profile.get(profile.name, {}), **spec.presets.get(counterpart, {}), **row.options},
        width=profile.width,
        profile=profile.name,
        declared=tuple(declared),
        train=train,
    )


def run_variants(
    variants: Iterable[str],
    dataset: Dataset,
    layout: Layout,
    profile: Profile,
    *,
    seeds: Iterable[int] | None = None,
    first_seed: int | None = None,
    device: str = "cpu",
    progress: bool = True,
    jobs: int = 0,
) -> pd.DataFrame:
    """Train every variant with every seed, skipping runs that are there and rows that the data set cannot have.

    Args:
        variants: keys of :data:`VARIANTS` or :data:`FAILING`.
        dataset: with features.
        layout: where runs lie.
        profile: widths, steps and recipe.
        seeds: of all rows; by default as many for each row as the profile says.
        first_seed: that those are counted from; the profile's by default.
        device: of torch.
        progress: bars on a terminal.
        jobs: processes, one thread of torch each; 0 for one per core, 1 for this process. The numbers do not depend on it.

    Returns:
        one row per run: variant, seed, trained (False if it was there), and :func:`summarise`'s columns.
    """
    wanted = tuple(dict.fromkeys(seeds or ()))
    first = profile.train.seed if first_seed is None else first_seed
    text = dataset_text(profile, dataset)
    runs: dict[tuple[str, int], Training] = {}
    for variant in dict.fromkeys(variants):
        if reason := not_runnable(variant, dataset):
            print(f"{_row(variant).title}: not run, {reason}")
            continue
        for seed in wanted or range(first, first + profile.row_seeds.get(variant, profile.seeds)):
            settings = run_settings(variant, profile, seed, device, counterpart=dataset.counterpart)
            needed = text if registry.METHODS[settings.method].needs_text else None
            runs[variant, seed] = Training(settings, dataset, needed, layout.run(dataset.name, variant, seed))
    trained = train_many(list(runs.values()), jobs, progress=progress)
    rows = [
        {"variant": variant, "seed": seed, "trained": new, **summarise(layout, dataset.name, variant, seed)}
        for (variant, seed), new in zip(runs, trained)
    ]
    return pd.DataFrame(rows)


def not_runnable(variant: str, dataset: Dataset) -> str:
    """Why a row cannot be had on a data set; empty if it can.

    Raises:
        ConfigError: unknown variant.
    """
    if registry.METHODS[_row(variant).method].pixels and not (dataset.folder / "videos").is_dir():
        return f"it takes pixels and {dataset.title} came as features"
    return ""


def summarise(layout: Layout, dataset: str, variant: str, seed: int) -> dict[str, float]:
    """Headline metric of a finished run in percent under the three selections, and its seconds."""
    return summary_of(RunInFolder(layout.run(dataset, variant, seed)))
