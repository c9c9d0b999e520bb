"""Category names and templates -> text features, the fixed half of prompt construction and learning.

Each category's phrase is put into each template, every prompt is encoded by a frozen text encoder and
L2-normalised, and a category's feature is the mean over the templates (paper, section 2; the mean is
our reading: the paper does not say how templates combine). The learnable part is in ``model.py``.

Shapes: C categories, P prompts, D_t width of the text feature (512 for CLIP ViT-B/32).
"""

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from vad_lib.data.backbones.clip_text import FrozenTextTower, check_weights_file
from vad_lib.data.backbones.clip_weights import PUBLISHED, find_weights
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.paths import PROJECT_ROOT, clip_class_names, prompt_file, sentence_features, text_feature_cache
from vad_lib.storage.reading import read_array, read_yaml
from vad_lib.storage.writing import atomic_path

Source = Literal["clip", "sentence", "random", "file"]

CLIP_DIMENSION = 512  # width of ViT-B/32's text feature, and of the random features that replace it

SENTENCE_SCRIPT = "scripts/make_sentence_features.py"


class Prompts(NamedTuple):
    """Contents of ``prompts.yml``: templates with one ``{}`` each, and a phrase per category identifier."""

    templates: tuple[str, ...]
    phrases: dict[str, str]


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Text features of the categories of one data set.

    Attributes:
        categories: C names, the normal one first.
        values: float32 (C, D_t), read-only; means of unit vectors, so no unit vectors themselves.
        source: what made them: ``clip ViT-B/32`` (OpenAI's), ``clip FILE`` (weights given by path),
            ``sentence all-MiniLM-L6-v2``, ``random`` or ``file``.
        note: what a table must say beside numbers made with them; empty for the paper's own encoder.
        templates: the templates averaged; empty where none was used (random, file).
        weights: the checkpoint that encoded them, for methods that learn tokens inside the same encoder; None where it
            was another source, or where they come from a finished run.
    """

    categories: tuple[str, ...]
    values: np.ndarray
    source: str
    note: str
    templates: tuple[str, ...]
    weights: Path | None = None

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    @property
    def content_hash(self) -> str:
        """SHA-256 of names, origin and values, 64 hexadecimal digits."""
        values = hashlib.sha256(np.ascontiguousarray(self.values, dtype="<f4").tobytes()).hexdigest()
        return content_hash([self.categories, self.source, self.note, self.templates, values])


def load_prompts(path: Path | None = None) -> Prompts:
    """Read templates and phrases.

    Args:
        path: a YAML file with ``templates`` and ``phrases``; the shipped ``prompts.yml`` by default.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is no YAML, or lacks one of the two entries.
        ConfigError: a template does not hold ``{}`` exactly once.
    """
    path = Path(path or prompt_file())
    content = read_yaml(path, "a YAML file with templates and phrases")
    try:
        templates = tuple(_words(template) for template in content["templates"])
        phrases = {_words(category): _words(phrase) for category, phrase in content["phrases"].items()}
    except (TypeError, KeyError, AttributeError):
        raise DataError(
            f"{path}: expected a list 'templates' and a mapping 'phrases' (identifier: words), as in the shipped prompts.yml."
        ) from None
    return Prompts(_checked_templates(templates), phrases)


def _words(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError(f"expected words, got a {type(value).__name__}")
    return str(value)


def _checked_templates(templates: Sequence[str]) -> tuple[str, ...]:
    if not templates:
        raise ConfigError("templates: expected at least one, got none.")
    for template in templates:
        if template.count("{}") != 1:
            raise ConfigError(
                f"template {template!r}: expected {{}} exactly once, where a category's phrase goes, "
                f"got {template.count('{}')} times. Correct the template."
            )
    return tuple(templates)


def build_prompts(
    categories: Sequence[str], templates: Sequence[str] | None = None, prompts: Prompts | None = None
) -> list[list[str]]:
    """Fill every template with every category's phrase; one that has none gets :func:`default_phrase`.

    Args:
        categories: C identifiers.
        templates: replaces those of ``prompts``.
        prompts: phrases and templates; the shipped ones by default.

    Returns:
        C lists, one prompt per template each.

    Raises:
        ConfigError: a template does not hold ``{}`` exactly once.

    Example:
        >>> build_prompts(["RoadAccidents"], ["a surveillance video of {}"])
        [['a surveillance video of a road accident']]
    """
    prompts = prompts or load_prompts()
    templates = prompts.templates if templates is None else _checked_templates(templates)
    phrases = [prompts.phrases.get(category) or default_phrase(category) for category in categories]
    # replace, not format: a phrase or template may hold other braces
    return [[template.replace("{}", phrase) for template in templates] for phrase in phrases]


def default_phrase(category: str) -> str:
    """Words for a category that ``prompts.yml`` has no phrase for, made from its name.

    Example:
        >>> default_phrase("RoadAccidents"), default_phrase("CCTV_theft")
        ('road accidents', 'cctv theft')
    """
    spaced = re.sub(r"[\W_]+", " ", category)
    apart = re.sub(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", spaced)
    return apart.strip().lower() or category


def text_features(
    source: Source,
    categories: Sequence[str],
    *,
    templates: Sequence[str] | None = None,
    weights: Path | str | None = None,
    file: Path | str | None = None,
    seed: int = 0,
    cache: Path | str | None = None,
) -> TextFeatures:
    """Text feature of each category, from exactly the source that was asked for.

    Args:
        source: ``clip``: the text tower of CLIP ViT-B/32 with OpenAI's weights, as in the paper;
            ``sentence``: shipped features of the same prompts from the sentence encoder
            all-MiniLM-L6-v2, which need no download, and stand-ins for phrases of one's own, which the note names;
            ``random``: unit vectors; ``file``: an array.
        categories: C identifiers, the normal one first.
        templates: with ``clip`` and ``sentence``, replaces the templates of ``prompts.yml``.
        weights: with ``clip``, a checkpoint (``.safetensors``, a ``.pt`` state dict, or OpenAI's archive);
            by default the local cache of the model hub, then a download.
        file: with ``file``, a ``.npy`` of shape (C, D_t), rows in the order of ``categories``.
        seed: with ``random``, of the generator.
        cache: with ``clip``, folder of encoded features; the user's cache by default.

    Returns:
        float32 (C, D_t) and their origin.

    Raises:
        ConfigError: unknown source, a bad template, or an argument that the source does not use.
        DataError: a template without shipped features, an unusable file.
        MissingFileError: no weights or no such file; the message says how to get them.
    """
    if source not in ("clip", "sentence", "random", "file"):
        raise ConfigError(f"text features: unknown source {source!r}; known: clip, sentence, random, file.")
    for name, value, owner in (("weights", weights, "clip"), ("file", file, "file")):
        if value is not None and source != owner:
            raise ConfigError(f"text features: {name} is used by source {owner!r} only, got it with {source!r}. Drop one of them.")
    categories = tuple(categories)
    if source == "file":
        return _from_file(file, categories)
    if source == "random":
        values = _unit_rows(np.random.default_rng(seed).standard_normal((len(categories), CLIP_DIMENSION)))
        return TextFeatures(categories, values, "random", f"text features: random vectors (seed {seed}), no text encoder", ())
    prompts = load_prompts()
    used_templates = prompts.templates if templates is None else tuple(templates)
    filled = build_prompts(categories, used_templates, prompts)
    if source == "sentence":
        values, made_up = _sentence_features(filled, used_templates)
        note = "text features: all-MiniLM-L6-v2 sentence features, not CLIP"
        if made_up:
            note += f"; stand-ins without meaning for {', '.join(categories[i] for i in made_up)}"
        return TextFeatures(categories, values, "sentence all-MiniLM-L6-v2", note, used_templates)
    otherwise = "or choose text features 'sentence', which are another encoder's and are declared so in every table"
    path = Path(weights) if weights is not None else find_weights("clip-vit-b-32", otherwise)
    check_weights_file(path)
    digest = file_sha256(path)
    cached = Path(cache or text_feature_cache()) / f"{content_hash(['clip text tower', digest, filled])}.safetensors"
    encoded = _read_cached(cached)
    if encoded is None:
        encoded = _mean_over_templates(lambda texts: encode_clip(path, texts), filled)
        with atomic_path(cached) as temporary:
            save_file({"values": encoded}, temporary)
    if weights is None or digest == PUBLISHED["clip-vit-b-32"].archive_sha256:
        return TextFeatures(categories, encoded, "clip ViT-B/32", "", used_templates, path)
    note = f"text features: CLIP weights of one's own, {path.name} (sha256 {digest[:12]})"
    return TextFeatures(categories, encoded, f"clip {path.name}", note, used_templates, path)


def class_name_features(counterpart: str, categories: Sequence[str]) -> TextFeatures:
    """CLIP features of class names, which others published for UCF-Crime and XD-Violence; see ``scripts/make_clip_class_names.py``.

    Args:
        counterpart: the public data set, ``UCF-Crime`` or ``XD-Violence``.
        categories: C of its classes, by the names that this library uses.

    Returns:
        float32 (C, 512), unit vectors: CLIP ViT-B/16, the mean over a class name and words related to it.

    Raises:
        ConfigError: the data set or a category has none.
        MissingFileError, DataError: the shipped file is missing or damaged.
    """
    rows, stored = _shipped(clip_class_names(), "scripts/make_clip_class_names.py", "rows")
    found = {category: row for (dataset, category), row in zip(rows, stored) if dataset == counterpart}
    if lacking := [category for category in categories if category not in found]:
        raise ConfigError(
            f"class names: no CLIP feature of {', '.join(lacking)} of {counterpart or 'this data set'}; there are features of the "
            "classes of UCF-Crime and XD-Violence. Choose other text features."
        )
    values = _unit_rows(np.stack([found[category] for category in categories]))
    note = "text features: CLIP ViT-B/16 means over a class name and related words, published by PEL4VAD"
    return TextFeatures(tuple(categories), values, "class names ViT-B/16", note, ())


def mean_pairwise_cosine(values: np.ndarray) -> float:
    """Mean cosine similarity over all pairs of different rows: how alike the categories look as text.

    Args:
        values: float (C, D), C >= 2, no zero row.

    Example:
        >>> mean_pairwise_cosine(np.eye(3))
        0.0
    """
    rows = _unit_rows(values)
    cosine = rows @ rows.T
    return float(cosine[~np.eye(len(rows), dtype=bool)].mean())


def _unit_rows(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def _mean_over_templates(encode, filled: list[list[str]]) -> np.ndarray:
    """float32 (C, D_t): prompts encoded in one batch, each L2-normalised, mean per category."""
    features = _unit_rows(encode([prompt for prompts in filled for prompt in prompts]))
    return features.reshape(len(filled), -1, features.shape[-1]).mean(axis=1)


def _from_file(file: Path | str | None, categories: tuple[str, ...]) -> TextFeatures:
    if file is None:
        raise ConfigError("text features: source 'file' needs file=PATH of a .npy array of shape (categories, width).")
    values = read_array(file)
    if values.ndim != 2 or len(values) != len(categories) or not np.issubdtype(values.dtype, np.floating):
        raise DataError(
            f"{file}: expected floats of shape ({len(categories)}, width), a row for each of {', '.join(categories)}, "
            f"got {values.dtype} {values.shape}. Save the rows in that order."
        )
    bad = [name for name, row in zip(categories, values) if not np.isfinite(row).all() or not row.any()]
    if bad:
        raise DataError(f"{file}: expected finite rows that are not all zero, but those of {', '.join(bad)} are. Make it again.")
    name = Path(file).name
    return TextFeatures(categories, values.astype(np.float32), "file", f"text features: read from {name}", ())


def _sentence_features(filled: list[list[str]], templates: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """float32 (C, 384): means over the templates of shipped rows, and of :func:`_stand_in` for phrases that have none.

    Returns:
        the features, and the numbers of the categories that have stand-ins.
    """
    rows = _shipped_sentence_features()
    centres, spread = {}, {}
    for template in templates:
        before, after = template.split("{}")
        alike = [row for prompt, row in rows.items() if prompt.startswith(before) and prompt.endswith(after)]
        own = np.stack(alike or [np.zeros(1, dtype=np.float32)])
        centres[template] = own.mean(axis=0)
        spread[template] = float(np.linalg.norm(own - centres[template], axis=1).mean())
    foreign = [template for template in templates if not centres[template].any()]
    if foreign:
        lacking = [prompts[number] for prompts in filled for number, template in enumerate(templates) if template in foreign]
        raise DataError(
            f"{_shown(sentence_features())}: holds no feature of the prompt {lacking[0]!r} ({len(lacking)} of "
            f"{sum(map(len, filled))} are missing). Templates were edited: run {SENTENCE_SCRIPT}, or choose text features 'clip'."
        )
    made_up = [number for number, prompts in enumerate(filled) if not rows.keys() >= set(prompts)]

    def encode(prompts: list[str]) -> np.ndarray:
        places = zip(prompts, itertools.cycle(templates))
        return np.stack([rows[p] if p in rows else _stand_in(_phrase_in(p, t), centres[t], spread[t]) for p, t in places])

    return _mean_over_templates(encode, filled), made_up


def _phrase_in(prompt: str, template: str) -> str:
    before, after = template.split("{}")
    return prompt.removeprefix(before).removesuffix(after)


def _stand_in(phrase: str, centre: np.ndarray, spread: float) -> np.ndarray:
    """A feature for a phrase that was never encoded: as far from its template's centre as others are, each word a direction.

    Args:
        phrase: words of a category.
        centre: float (D,), mean of the shipped features of the template.
        spread: mean distance of these from the centre.

    Returns:
        float32 (D,).
    """
    digests = [hashlib.sha256(word.encode("utf-8", "replace")).digest() for word in phrase.split() or [phrase]]
    drawn = [np.random.default_rng(list(digest)).standard_normal(len(centre)) for digest in digests]
    direction = np.sum(drawn, axis=0)
    return (centre + spread * direction / np.linalg.norm(direction)).astype(np.float32)


def _shipped_sentence_features() -> dict[str, np.ndarray]:
    """float32 (384,) by prompt, unit vectors."""
    return dict(zip(*_shipped(sentence_features(), SENTENCE_SCRIPT, "prompts")))


def _shipped(path: Path, script: str, rows: str) -> tuple[list[Any], np.ndarray]:
    """What the rows of a shipped file are, by that entry of its description, and its features."""
    if not path.is_file():
        raise MissingFileError(f"{_shown(path)}: expected the shipped features, found none. Restore it or run {script}.")
    try:
        with safe_open(path, framework="np") as stored:
            names, values = json.loads(stored.metadata()["description"])[rows], stored.get_tensor("features")
            if len(names) != len(values):
                raise ValueError(f"{len(names)} names for {len(values)} rows")
            return names, values
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"{_shown(path)}: cannot be read ({error}). Restore it or run {script}.") from error


def encode_clip(weights: Path, prompts: Sequence[str]) -> np.ndarray:
    """Text features of prompts by the text tower of a CLIP checkpoint, frozen, on the CPU.

    Args:
        weights: the checkpoint, in OpenAI's or open_clip's layout of names.
        prompts: P strings.

    Returns:
        float32 (P, D_t), not normalised.

    Raises:
        MissingFileError: no such file.
        DataError: not a CLIP checkpoint, or one that only an unsafe loader could read.
    """
    return FrozenTextTower(weights).encode(prompts).numpy()


def _read_cached(path: Path) -> np.ndarray | None:
    """float32 (C, D_t), or None where there is none yet or a damaged one, which is made again."""
    try:
        with safe_open(path, framework="np") as stored:
            return stored.get_tensor("values")
    except (FileNotFoundError, SafetensorError):
        return None


def _shown(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else str(path)
