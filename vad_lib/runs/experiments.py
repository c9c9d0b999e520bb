"""Rows of the paper's tables -> runs.

A variant is a method with some options changed; adding one is one line in :data:`VARIANTS` and one in
:data:`TABLE_ROWS`. Everything else (data, loop, scoring, metrics) is the same for all of them.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from vad_lib import config, registry
from vad_lib.config import Profile, Settings
from vad_lib.data.dataset import Dataset
from vad_lib.data.prepare import dataset_text
from vad_lib.errors import ConfigError
from vad_lib.methods.fusion_gan import fit
from vad_lib.runs import baselines, trainer
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json


class Variant(Settings):
    """One row of a table.

    Attributes:
        method: key of the registry, or of :data:`vad_lib.runs.baselines.BASELINES`.
        title: the row's name.
        options: the method's settings that differ from its defaults.
        permute_labels: True for the control whose training labels are shuffled.
    """

    method: str
    title: str
    options: dict[str, Any] = {}  # noqa: RUF012  (pydantic copies defaults)
    permute_labels: bool = False


# Remarks that belong to a method's name wherever it is printed.
_TITLES = {"ur-dmu": "UR-DMU (the paper's DMU)", "msf-dmu": "MSF-DMU (reconstruction)"}

VARIANTS: dict[str, Variant] = {
    "logistic-regression": Variant(method=baselines.LOGISTIC_REGRESSION, title="Logistic regression on snippets"),
    **{name: Variant(method=name, title=_TITLES.get(name, spec.title)) for name, spec in registry.METHODS.items()},
    "fusion-gan": Variant(method=fit.NAME, title=fit.TITLE),
    "pcl": Variant(method="proposed", title="+ PCL", options=registry.ABLATIONS["pcl"]),
    "pcl-dbagf": Variant(method="proposed", title="+ PCL + DBAGF", options=registry.ABLATIONS["pcl-dbagf"]),
    "fine": Variant(method="proposed", title="+ fine", options=registry.ABLATIONS["fine"]),
    "fine-align": Variant(method="proposed", title="+ fine + align", options=registry.ABLATIONS["fine-align"]),
    "proposed-permuted": Variant(method="proposed", title="Proposed, training labels permuted", permute_labels=True),
}

# The rows that Tables 2 and 3 compare: every registered method, and the one that takes pixels.
COMPARED: tuple[str, ...] = (*(name for name in registry.METHODS if name != "proposed"), "fusion-gan", "proposed")

# Which runs fill which table, in the order of the rows.
TABLE_ROWS: dict[str, tuple[str, ...]] = {
    "table2": (*COMPARED, "logistic-regression", "proposed-permuted"),
    "table3": (*COMPARED, "logistic-regression", "proposed-permuted"),
    "table4": ("msf-dmu", "pcl", "pcl-dbagf", "proposed"),
    "table5": ("pcl-dbagf", "fine", "fine-align", "proposed"),
    "table6": ("vadclip", "pcl", "pcl-dbagf", "fine", "fine-align", "proposed", "proposed-permuted"),
}


def run_settings(variant: str, profile: Profile, seed: int, device: str = "cpu", *, counterpart: str = "") -> config.RunSettings:
    """Settings of one run.

    Args:
        variant: key of :data:`VARIANTS`.
        profile: widths, steps and recipe.
        seed: of the run.
        device: of torch.
        counterpart: public data set that the data stand for, for the methods that treat UCF-Crime and XD-Violence differently.

    Raises:
        ConfigError: unknown variant; the message lists the known ones.
    """
    if variant not in VARIANTS:
        raise ConfigError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}.")
    row = VARIANTS[variant]
    spec = registry.METHODS.get(row.method)
    preset = spec.presets.get(counterpart, {}) if spec else baselines.BASELINES[row.method].options.get(profile.name, {})
    declared: dict[str, Any] = {}
    if spec:
        own_rate = {"lr": profile.rates[row.method]} if row.method in profile.rates else {}
        declared = {**spec.batches, **(spec.published if profile.recipe == "published" else own_rate)}
    train = profile.train.replace(**declared, seed=seed, device=device, permute_labels=row.permute_labels)
    return config.RunSettings(
        variant=variant,
        method=row.method,
        title=row.title,
        options={**preset, **row.options},
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
    device: str = "cpu",
    progress: bool = True,
) -> pd.DataFrame:
    """Train every variant with every seed, skipping runs that are there and rows that the data set cannot have.

    Returns:
        one row per run: variant, seed, trained (False if it was there), and :func:`summarise`'s columns.
    """
    seeds = tuple(seeds or range(profile.train.seed, profile.train.seed + profile.seeds))
    text = dataset_text(profile, dataset)
    rows = []
    for variant in dict.fromkeys(variants):
        if reason := not_runnable(variant, dataset):
            print(f"{VARIANTS[variant].title}: not run, {reason}")
            continue
        for seed in seeds:
            settings = run_settings(variant, profile, seed, device, counterpart=dataset.counterpart)
            spec = registry.METHODS.get(settings.method)
            folder = layout.run(dataset.name, variant, seed)
            trained = trainer.train_run(settings, dataset, text if spec and spec.needs_text else None, folder, progress=progress)
            rows.append({"variant": variant, "seed": seed, "trained": trained, **summarise(layout, dataset.name, variant, seed)})
    return pd.DataFrame(rows)


def not_runnable(variant: str, dataset: Dataset) -> str:
    """Why a row cannot be had on a data set; empty if it can.

    Raises:
        ConfigError: unknown variant.
    """
    if variant not in VARIANTS:
        raise ConfigError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}.")
    baseline = baselines.BASELINES.get(VARIANTS[variant].method)
    if baseline and baseline.pixels and not (dataset.folder / "videos").is_dir():
        return f"it takes pixels and {dataset.title} came as features"
    return ""


def summarise(layout: Layout, dataset: str, variant: str, seed: int) -> dict[str, Any]:
    """Headline metric of a finished run in percent under the three selection rules, and its seconds."""
    folder = layout.run(dataset, variant, seed)
    measured, timing = read_json(folder / "metrics.json"), read_json(folder / "timing.json")
    headline = measured["headline_metric"]
    rules = {f"{headline} % {rule.replace('_', ' ')}": 100 * measured["rules"][rule]["metrics"][headline] for rule in config.RULES}
    return rules | {"train seconds": timing["train_seconds"]}
