"""What was found in a folder, as the rest of the library wants it: data set, features, notes."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from vad_lib.config import Settings
from vad_lib.data.annotations import MaskRule, VideoList, read_video_csv
from vad_lib.data.dataset import DatasetInfo
from vad_lib.data.importing.crop_check import CropComparison
from vad_lib.data.importing.layouts import read_crops
from vad_lib.data.importing.public_lists import OfficialSet
from vad_lib.data.importing.settings import Findings, FoundLists, ImportSettings
from vad_lib.errors import DataError, VadError
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_json

RECORD_FILE = "import.json"


def features_of(found: Findings, *, progress: bool) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Name and crops (T, D) of every video, memory-mapped, cut or padded to the length that was decided on."""
    for record in tqdm(found.videos.records, unit="video", disable=None if progress else True):
        arrays = read_crops(found.files[record.name], found.layout)
        length = found.lengths[record.name]
        more = length - len(arrays[0])
        if more > 0:
            arrays = [np.concatenate([array, np.repeat(array[-1:], more, axis=0)]) for array in arrays]
        yield record.name, [array[:length] for array in arrays]


def checked_features(
    items: Iterable[tuple[str, list[np.ndarray]]], crops: CropComparison
) -> Iterator[tuple[str, list[np.ndarray]]]:
    for video, features in items:
        if problem := crops.look(video, features):
            raise DataError(problem)
        yield video, features


def dataset_info_of(
    settings: ImportSettings,
    known: OfficialSet | None,
    lists: FoundLists,
    rule: MaskRule,
    tail: Literal["exact", "extend"],
    notes: list[str],
    kind: str,
) -> DatasetInfo:
    if known:
        own = {
            "title": known.title,
            "headline_metric": known.headline_metric,
            "counterpart": known.title,
            "source": f"official lists of {known.title} and {kind} in the form they were provided",
            "fps": known.fps,
        }
    else:
        own = {"title": settings.dataset, "headline_metric": "auc", "source": f"own list and {kind}", "fps": 30.0} | {
            key: value for key, value in lists.content.items() if key not in ("mask_rule", "tail", "categories", "note")
        }
        stated = {"title": settings.title, "headline_metric": settings.metric, "fps": settings.fps}
        own |= {key: value for key, value in stated.items() if value}
        notes = [text for text in (lists.content["note"],) if text] + notes
    fixed = {
        "name": settings.dataset,
        "categories": lists.videos.categories,
        "mask_rule": rule,
        "tail": tail,
        "note": "; ".join(notes),
    }
    return DatasetInfo(**{"synthetic": False, **own, **fixed})


class _Record(Settings):
    """Content of ``import.json``."""

    source: str
    settings: dict[str, Any]
    fingerprint: str
    described: str
    own_note: str
    store: str
    written: dict[Literal["dataset.json", "videos.csv"], str]


def read_import_record(folder: Path) -> dict[str, Any]:
    """What the last import wrote down; empty if there was none, or it cannot be used."""
    try:
        return _Record(**read_json(folder / RECORD_FILE)).model_dump()
    except (VadError, TypeError):
        return {}


def own_note(folder: Path, content: dict[str, Any]) -> str:
    """The note that a person wrote, without what an earlier import added to it."""
    record, path = read_import_record(folder), folder / "dataset.json"
    if record and path.is_file() and file_sha256(path) == record["written"].get("dataset.json"):
        return record["own_note"]
    return str(content.get("note", ""))


def reads_as(path: Path, videos: VideoList, rule: MaskRule) -> bool:
    try:
        return read_video_csv(path, videos.categories, rule) == videos
    except VadError:
        return False


def same_content(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()
