"""What a result card holds; its hash, and its schema for other tools.

A card is a JSON file. Its hash ``card_sha256`` is the SHA-256 of the card without that entry, written by Python's
``json.dumps(card, sort_keys=True, separators=(",", ":"))``. Anybody may write a card of their own numbers, of the kind
``external``: :func:`seal` checks it and adds the hash. All metrics are fractions.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from vad_lib.config import SELECTIONS
from vad_lib.errors import DataError, MissingFileError, first_few
from vad_lib.storage.hashing import content_hash
from vad_lib.storage.reading import read_json
from vad_lib.storage.writing import write_text

NAME = "result-card.json"
SCHEMA = Path(__file__).parent / "resources" / "result-card.schema.json"
HASH = "card_sha256"
LARGEST_CARD_BYTES = 4 * 2**20  # a row of ten seeds with all its metrics has 34 kB

Digest = Annotated[str, Field(pattern="^([0-9a-f]{64})?$", description="SHA-256; empty if unknown")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """Base of all parts of a card: frozen, no unknown names, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Totals(Part):
    """Counts of the test set as it was evaluated."""

    videos: Count
    abnormal_videos: Count
    frames: Count
    abnormal_frames: Count


class Data(Part):
    """The data set and its test list."""

    name: str = Field("", description="of its folder; empty if it has none")
    title: str = Field(min_length=1, description="such as UCF-Crime")
    counterpart: str = Field("", description="public data set that it is or stands for")
    synthetic: bool = Field(False, description="true if its videos are rendered")
    note: str = ""
    categories: tuple[str, ...] = Field((), description="the normal one first")
    mask_rule: str = Field(min_length=1, description="how intervals become frame masks: frames, A, B, C, or in words")
    tail: str = Field("exact", description="exact, or extend where the last score holds to the video's end")
    test: Totals
    video_list_sha256: Digest = Field("", description="of videos.csv: all videos with their annotations")
    test_videos_sha256: Digest = Field("", description="of the sorted names of the test videos, UTF-8, a line feed after each")
    labels_sha256: Digest = Field("", description="of the frame labels, a byte 0 or 1 each, videos in that order")


class TextSource(Part):
    """Text features, of methods that use some."""

    source: str
    note: str = ""
    content_hash: str = ""


class Features(Part):
    """What the method saw, and the contract of it; entries that are unknown are left out."""

    backbone: str = Field(min_length=1, description="such as i3d-kinetics400, or pixels")
    weights_sha256: str = ""
    weights_note: str = ""
    dimension: int | None = Field(None, ge=1)
    frames_per_snippet: int | None = Field(None, ge=1)
    stride: int | None = Field(None, ge=1)
    short_side: int | None = Field(None, ge=1, description="pixels")
    crop_size: int | None = Field(None, ge=1, description="pixels")
    crops: tuple[str, ...] = ()
    padding_rule: str = ""
    dtype: str = ""
    source: str = ""
    content_hash: str = Field("", description="of the features themselves")
    text: TextSource | None = None


class MethodUsed(Part):
    """The method with its settings."""

    name: str = Field(min_length=1)
    title: str = ""
    paper: str = ""
    bibtex: str = Field("", description="entry of the method's paper, for methods that this library does not have")
    settings: dict[str, JsonValue] = {}


class Selection(Part):
    """How the step was chosen whose weights were measured."""

    rule: str = Field(min_length=1, description=f"{', '.join(SELECTIONS)}, or in words")
    settings: dict[str, JsonValue] = {}
    steps: dict[str, tuple[Count, ...]] = Field({}, description="rule -> the step that it chose, of each seed")


class Bounds(Part):
    """An interval of the mean."""

    low: Fraction
    high: Fraction
    level: float = Field(gt=0, lt=1)
    kind: str = Field(description="what was taken to be chance, and how it was made")


class Measure(Part):
    """A metric under one rule of selection; fractions."""

    metric: str = Field(min_length=1, description="such as auc, ap, far_normal_videos")
    selection: str = Field(min_length=1)
    setting: str = Field("", description="what of the protocol is other than the card says, such as: mask rule B")
    values: tuple[Fraction | None, ...] = Field((), description="of each seed; null where it is not defined")
    mean: Fraction | None = None
    sd: float | None = Field(None, ge=0, description="over seeds")
    interval: Bounds | None = None
    undefined: str = Field("", description="why there is no value")

    @model_validator(mode="after")
    def _of_its_values(self) -> Self:
        known = [value for value in self.values if value is not None]
        lacks = self.mean is None and bool(known) and len(known) == len(self.values)
        if lacks or (self.mean is not None and known and abs(self.mean - float(np.mean(known))) > 1e-6):
            raise ValueError(f"{self.metric}, {self.selection}: the mean {self.mean} is not that of the values {known}")
        if self.mean is None and (self.interval or self.sd is not None):
            raise ValueError(f"{self.metric}, {self.selection}: an interval or sd, but no mean")
        if self.interval and self.interval.low > self.interval.high:
            raise ValueError(f"{self.metric}, {self.selection}: the interval ends before it begins")
        return self


class Making(Part):
    """The machine and the software that made the runs with some seeds; entries that are unknown are left out."""

    seeds: tuple[Count, ...] = ()
    commit: str = ""
    versions: dict[str, str] = {}
    machine: str = ""
    system: str = ""
    processor: str = ""
    instructions: str = ""
    device: str = ""
    threads: int | None = None


class CardFile(Part):
    """A file that the numbers came from, or a table that prints them."""

    role: Literal["run", "packed runs", "data set", "table", "other"]
    path: str = Field(pattern=r"^[^/\\:][^\\:]*$", description="from the card's folder, with forward slashes")
    size: Count
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Card(Part):
    """A result with all that is needed to judge it."""

    schema_version: Literal[1]
    kind: Literal["run", "table row over seeds", "external"]
    title: str = Field(min_length=1)
    note: str = ""
    data: Data
    features: Features
    method: MethodUsed
    selection: Selection
    headline_metric: str = Field(min_length=1)
    seeds: tuple[Count, ...] = ()
    run_keys: tuple[str, ...] = Field((), description="what identifies each run: a hash of all that decides its numbers")
    measures: tuple[Measure, ...] = Field(min_length=1)
    made_with: tuple[Making, ...] = ()
    files: tuple[CardFile, ...] = Field((), max_length=1000)
    card_sha256: Digest = Field("", description="of the card without this entry")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed stands there twice")
        for measure in self.measures:
            if self.seeds and measure.values and len(measure.values) != len(self.seeds):
                raise ValueError(f"{measure.metric}: {len(measure.values)} values of {len(self.seeds)} seeds")
        keys = [(measure.metric, measure.selection, measure.setting) for measure in self.measures]
        if len(set(keys)) < len(keys):
            raise ValueError("a metric stands there twice under one selection")
        if self.measure() is None:
            raise ValueError(f"no measure of the headline metric {self.headline_metric} under {self.selection.rule}")
        return self

    def measure(self, metric: str = "", selection: str = "", setting: str = "") -> Measure | None:
        """A measure; by default the headline metric under the card's own rule of selection. None if it has none."""
        wanted = (metric or self.headline_metric, selection or self.selection.rule, setting)
        return next((m for m in self.measures if (m.metric, m.selection, m.setting) == wanted), None)


def document_of(card: Card) -> dict[str, Any]:
    """The card as JSON with its hash; entries that have their default are left out."""
    return sealed(card.model_dump(mode="json", exclude_defaults=True))


def card_hash(document: dict[str, Any]) -> str:
    """The hash that a card must name."""
    return content_hash({name: value for name, value in document.items() if name != HASH})


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """The same card with its hash."""
    return {**{name: value for name, value in document.items() if name != HASH}, HASH: card_hash(document)}


def read_document(path: Path | str) -> dict[str, Any]:
    """The JSON of a card, not checked yet.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is a folder; or the file is larger than any card, no JSON, or no object.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path}: expected a result card, found a folder; name a card in it, such as {path / NAME}.")
    if not path.is_file():
        raise MissingFileError(f"{path}: expected a result card, found no such file. `python -m vad_lib.cards make` makes cards.")
    if (size := path.stat().st_size) > LARGEST_CARD_BYTES:
        raise DataError(f"{path}: expected a result card of at most {LARGEST_CARD_BYTES:,} bytes, got {size:,}; name another file.")
    document = read_json(path)
    if not isinstance(document, dict):
        raise DataError(f"{path}: expected a result card, a JSON object, got {type(document).__name__}; name another file.")
    return document


def parse_card(document: dict[str, Any], place: Path | str) -> Card:
    """The card in a JSON object; its hash and its files are not looked at.

    Args:
        document: of :func:`read_document`.
        place: the file, for messages.

    Raises:
        DataError: it breaks the schema; the message names what.
    """
    try:
        return Card.model_validate(document)
    except ValidationError as error:
        # an entry that is wrong is not counted, so a list of wrong ones would be called too short as well
        items = [item for item in error.errors() if item["type"] != "too_short" or not document.get(str(item["loc"][-1]))]
        problems = [f"{'.'.join(map(str, item['loc'])) or 'card'}: {item['msg']}" for item in items]
        raise DataError(
            f"{place}: expected a result card by the schema {SCHEMA.name}: {first_few(problems)}. Correct these entries."
        ) from None


def read_card(path: Path | str) -> Card:
    """Read a card and check it by its schema.

    Raises:
        MissingFileError, DataError: as :func:`read_document` and :func:`parse_card`.
    """
    return parse_card(read_document(path), path)


def seal(path: Path | str) -> Path:
    """Check a card by its schema and write it back with its hash.

    Raises:
        MissingFileError, DataError: as :func:`read_document` and :func:`parse_card`; the file is as it was.
        OutputError: it cannot be written.
    """
    document = read_document(path)
    parse_card(document, path)
    return write_text(path, json_text(sealed(document)))


def schema_text() -> str:
    """The JSON schema of a card, as the committed file holds it."""
    return json_text({"$schema": "https://json-schema.org/draft/2020-12/schema", **Card.model_json_schema()})


def json_text(value: Any) -> str:
    """The text of a card's file: the only form in which :mod:`vad_lib.cards.verifying` lets a card pass."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
