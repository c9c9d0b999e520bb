"""Rows of the paper's tables -> runs.

A variant is a method with some options changed; adding one is one line in :data:`VARIANTS` and one in
:data:`TABLE_ROWS`. Everything else (data, loop, scoring, metrics) is the same for all of them.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from vad_lib import adapters, extraction, prompts, registry, synthetic, training
from vad_lib.config import Profile, Settings
from vad_lib.datasets import Dataset, load_dataset
from vad_lib.errors import ConfigError, DataError
from vad_lib.files import read_json
from vad_lib.paths import Layout
from vad_lib.prompts import TextFeatures


class Variant(Settings):
    """One row of a table.

    Attributes:
        method: key of the registry, or ``logistic-regression``.
        title: the row's name.
        options: the method's settings that differ from its defaults.
        permute_labels: True for the control whose training labels are shuffled.
    """

    method: str
    title: str
    options: dict[str, Any] = {}  # noqa: RUF012  (pydantic copies defaults)
    permute_labels: bool = False


VARIANTS: dict[str, Variant] = {
    "logistic-regression": Variant(method=training.LOGISTIC_REGRESSION, title="Logistic regression on snippets"),
    "ur-dmu": Variant(method="ur-dmu", title="UR-DMU (the paper's DMU)"),
    "msf-dmu": Variant(method="msf-dmu", title="MSF-DMU (reconstruction)"),
    "pcl": Variant(method="proposed", title="+ PCL", options=registry.ABLATIONS["pcl"]),
    "pcl-dbagf": Variant(method="proposed", title="+ PCL + DBAGF", options=registry.ABLATIONS["pcl-dbagf"]),
    "fine": Variant(method="proposed", title="+ fine", options=registry.ABLATIONS["fine"]),
    "fine-align": Variant(method="proposed", title="+ fine + align", options=registry.ABLATIONS["fine-align"]),
    "proposed": Variant(method="proposed", title="Proposed"),
    "proposed-permuted": Variant(method="proposed", title="Proposed, training labels permuted", permute_labels=True),
}

# Which runs fill which table, in the order of the rows.
TABLE_ROWS: dict[str, tuple[str, ...]] = {
    "table2": ("msf-dmu", "ur-dmu", "proposed", "logistic-regression", "proposed-permuted"),
    "table3": ("msf-dmu", "ur-dmu", "proposed", "logistic-regression", "proposed-permuted"),
    "table4": ("msf-dmu", "pcl", "pcl-dbagf", "proposed"),
    "table5": ("pcl-dbagf", "fine", "fine-align", "proposed"),
    "table6": ("pcl", "pcl-dbagf", "fine", "fine-align", "proposed", "proposed-permuted"),
}


def prepare_dataset(
    layout: Layout,
    profile: Profile,
    name: str,
    device: str = "cpu",
    progress: bool = True,
    importing: adapters.ImportSettings | None = None,
    *,
    jobs: int = 1,
    backend: extraction.Backend = "loky",
    scheduler: str = "",
) -> Dataset:
    """Video -> snippets -> features: render the set if it is a built-in one, import or extract what is missing, open it.

    Args:
        layout: where the data sets lie.
        profile: how to render and to extract.
        name: folder of the data set.
        device: of torch.
        progress: True for bars on a terminal, and a summary.
        importing: how a person's own folder is read; None for the settings of its last import, or the defaults.
        jobs, backend, scheduler: who extracts, see :func:`extraction.extract_dataset`.

    Raises:
        MissingFileError: not a built-in set and no folder of that name; or the weights are missing.
        DataError: videos that cannot be read (all others are extracted first), or a folder that cannot be imported.
        ExtractionError: workers died or do not answer; the same call goes on from there.
    """
    folder = layout.dataset(name)
    if name in synthetic.DATASETS:
        synthetic.render_dataset(name, folder, profile.synthetic, progress=progress)
    elif adapters.prepare_folder(folder, name, importing, progress=progress):
        return load_dataset(folder)
    videos = load_dataset(folder, features=False).videos
    names = [record.name for record in videos.records]
    report = extraction.extract_dataset(
        layout.videos(name),
        names,
        layout.features(name, profile.features.backbone),
        profile.features,
        device=device,
        progress=progress,
        jobs=jobs,
        backend=backend,
        scheduler=scheduler,
    )
    if report.failures:
        raise DataError(f"{name}: {report}\nMake these videos again, or take them out of videos.csv; the others are done.")
    return load_dataset(folder, backbone=profile.features.backbone)


def dataset_text(profile: Profile, dataset: Dataset) -> TextFeatures:
    """Text features of a data set's categories from the source that the profile names."""
    path = profile.text_file or None
    if profile.text_features == "clip":
        return prompts.text_features("clip", dataset.categories, weights=path)
    return prompts.text_features(profile.text_features, dataset.categories, file=path)


def run_settings(variant: str, profile: Profile, seed: int, device: str = "cpu") -> training.RunSettings:
    """Settings of one run.

    Raises:
        ConfigError: unknown variant; the message lists the known ones.
    """
    if variant not in VARIANTS:
        raise ConfigError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}.")
    row = VARIANTS[variant]
    spec = registry.METHODS.get(row.method)
    declared = dict(spec.batches) | (dict(spec.published) if profile.recipe == "published" else {}) if spec else {}
    train = profile.train.replace(**declared, seed=seed, device=device, permute_labels=row.permute_labels)
    return training.RunSettings(
        variant=variant,
        method=row.method,
        title=row.title,
        options=row.options,
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
    """Train every variant with every seed, skipping runs that are there.

    Returns:
        one row per run: variant, seed, trained (False if it was there), and :func:`summarise`'s columns.
    """
    seeds = tuple(seeds or range(profile.train.seed, profile.train.seed + profile.seeds))
    text = dataset_text(profile, dataset)
    rows = []
    for variant in dict.fromkeys(variants):
        for seed in seeds:
            settings = run_settings(variant, profile, seed, device)
            spec = registry.METHODS.get(settings.method)
            folder = layout.run(dataset.name, variant, seed)
            trained = training.train_run(settings, dataset, text if spec and spec.needs_text else None, folder, progress=progress)
            rows.append({"variant": variant, "seed": seed, "trained": trained, **summarise(layout, dataset.name, variant, seed)})
    return pd.DataFrame(rows)


def summarise(layout: Layout, dataset: str, variant: str, seed: int) -> dict[str, Any]:
    """Headline metric of a finished run in percent under the three selection rules, and its seconds."""
    folder = layout.run(dataset, variant, seed)
    measured, timing = read_json(folder / "metrics.json"), read_json(folder / "timing.json")
    headline = measured["headline_metric"]
    rules = {
        f"{headline} % {rule.replace('_', ' ')}": 100 * measured["rules"][rule]["metrics"][headline] for rule in training.RULES
    }
    return rules | {"train seconds": timing["train_seconds"]}
