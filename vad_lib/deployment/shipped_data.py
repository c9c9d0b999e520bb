"""The data sets that the shipped models are trained on."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vad_lib.config import get_profile
from vad_lib.data.annotations import VideoList, write_video_csv
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.dataset import Dataset, DatasetInfo, load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.importing.write import import_dataset
from vad_lib.data.prepare import prepare_dataset
from vad_lib.errors import ConfigError, DataError
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_json

# What the arrays of the fight bags are: the features of six of its clips come out of the clips' pixels by this recipe.
FIGHT_FEATURES = {
    "backbone": "i3d-kinetics400",
    "short_side": 256,
    "crop_size": 224,
    "crops": ("centre",),
    "padding_rule": "repeat last frame",
    "source": "features of the Surveillance Camera Fight Dataset's clips, laid end to end",
}
RENDERED = ("synth-violence", "synth-crime")


def dataset(name: str, work: Path, source: Path | None = None) -> Dataset:
    """The data set of a shipped model, made or imported if it is not there yet.

    Args:
        name: ``fights`` or ``rendered``.
        work: folder for data sets.
        source: for ``fights``: folder with the lists and features.

    Returns:
        the data set; the contract of its features says how they are extracted from pixels.

    Raises:
        ConfigError: an unknown name, or no source for ``fights``.
        MissingFileError: the source, or the weights of I3D, are missing.
        DataError: the source is not what it should be.
    """
    if name == "fights":
        if source is None:
            raise ConfigError("fights: expected the folder with videos.csv and features of the fight bags; give it with --source.")
        found = import_fights(source, work / "data" / "fight-bags")
        found.store.contract = found.store.contract.replace(**FIGHT_FEATURES, weights_sha256=load_i3d().weights_sha256)
        return found
    if name == "rendered":
        layout = Layout.create("study", work, work / "data" / "study")
        parts = [prepare_dataset(layout, get_profile("study"), each) for each in RENDERED]
        return joined(parts, work / "data" / "rendered", "Rendered videos")
    raise ConfigError(f"data of shipped models: expected fights or rendered, got {name!r}.")


def import_fights(source: Path, folder: Path) -> Dataset:
    """Import the fight bags.

    Args:
        source: folder with ``videos.csv`` and ``features``.
        folder: of the data set; made if missing.

    Returns:
        the data set; the contract of its features does not say how they are extracted from pixels, which an import cannot know.

    Raises:
        MissingFileError: no source, or its lists or features are missing.
        DataError: the source is not what it should be.
    """
    import_dataset(source, folder, ImportSettings(dataset="fight-bags", title="Fight bags", fps=30.0), progress=False)
    return load_dataset(folder)


def joined(parts: Sequence[Dataset], folder: Path, title: str) -> Dataset:
    """One data set of several: all their categories, and all their videos with the name of their set before their own.

    Args:
        parts: with features of the same contract and the same frame rate.
        folder: of the data set; made, or made again.
        title: name in tables.

    Raises:
        DataError: features of different contracts, different frame rates, or different normal categories.
        OutputError: the folder cannot be written.
    """
    contracts, rates = {part.store.contract for part in parts}, {part.fps for part in parts}
    normal = {part.categories[0] for part in parts}
    if len(contracts) > 1 or len(rates) > 1 or len(normal) > 1:
        raise DataError(
            f"{title}: expected data sets with the same features, frame rate and normal category, got "
            f"{', '.join(part.name for part in parts)}, which differ; extract or list them alike."
        )
    abnormal = sorted({category for part in parts for category in part.categories[1:]})
    categories = (*normal, *abnormal)
    renamed = [(part, record, f"{part.name}_{record.name}") for part in parts for record in part.videos.records]
    records = tuple(dataclasses.replace(record, name=name) for _, record, name in renamed)
    info = DatasetInfo(
        name=folder.name,
        title=title,
        categories=categories,
        headline_metric="auc",
        source=" and ".join(part.name for part in parts),
        synthetic=all(part.synthetic for part in parts),
        fps=rates.pop(),
    )
    (contract,) = contracts
    items = ((name, part.store.snippets(record.name)) for part, record, name in renamed)
    return write_dataset(folder, info, VideoList(categories, records), contract, items)


def write_dataset(
    folder: Path, info: DatasetInfo, videos: VideoList, contract: FeatureContract, items: Iterable[tuple[str, np.ndarray]]
) -> Dataset:
    """Write a data set of features and open it.

    Args:
        folder: made, or made again.
        info: content of ``dataset.json``.
        videos: the list.
        contract: what the features are.
        items: name and features, float (N, T, D), of every video.

    Raises:
        DataError: list and features do not belong together.
        OutputError: the folder cannot be written.
    """
    write_json(folder / "dataset.json", info.model_dump(mode="json"))
    write_video_csv(folder / "videos.csv", videos)
    FeatureStore.write(folder / "store", contract, items)
    return load_dataset(folder)
