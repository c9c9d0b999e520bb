"""Names of the methods, and how each is built for a data set."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from vad_lib.config import Settings
from vad_lib.errors import ConfigError
from vad_lib.method import Method
from vad_lib.methods.msf_dmu import MSFDMU, MSFDMUSettings
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings
from vad_lib.model import Proposed, ProposedSettings
from vad_lib.prompts import TextFeatures


class MethodSpec(NamedTuple):
    """One method.

    Attributes:
        name: identifier in commands, run folders and notebooks.
        title: as tables print it.
        settings: class of its settings.
        build: makes the method from its settings and, if ``needs_text``, the text features.
        needs_text: whether text features are used.
        code_modules: modules whose source decides its numbers, for :func:`vad_lib.provenance.code_hash`.
    """

    name: str
    title: str
    settings: type[Settings]
    build: Callable[[Any, TextFeatures | None], Method]
    needs_text: bool
    code_modules: tuple[str, ...]


_BASE = ("method", "layers", "losses", "methods/ur_dmu")

METHODS: dict[str, MethodSpec] = {
    spec.name: spec
    for spec in (
        MethodSpec("ur-dmu", "UR-DMU", URDMUSettings, lambda settings, _: URDMU(settings), False, _BASE),
        MethodSpec("msf-dmu", "MSF-DMU", MSFDMUSettings, lambda settings, _: MSFDMU(settings), False, (*_BASE, "methods/msf_dmu")),
        MethodSpec(
            "proposed",
            "Proposed",
            ProposedSettings,
            lambda settings, text: Proposed(settings, torch.tensor(text.values)),
            True,
            (*_BASE, "methods/msf_dmu", "model"),
        ),
    )
}

_NO_AUXILIARY_LOSSES = {"lambda_align": 0.0, "lambda_cls": 0.0, "lambda_con": 0.0}

# options of "proposed" for the rows of Tables 4 and 5; the row above them all is MSF-DMU itself
ABLATIONS: dict[str, dict[str, Any]] = {
    "pcl": {**_NO_AUXILIARY_LOSSES, "gate": "fixed"},
    "pcl-dbagf": _NO_AUXILIARY_LOSSES,
    "fine": {"lambda_align": 0.0, "lambda_con": 0.0},
    "fine-align": {"lambda_con": 0.0},
    "all": {},
}


def build_method(
    name: str,
    *,
    feature_dim: int,
    categories: Sequence[str],
    text: TextFeatures | None = None,
    width: int = 512,
    options: dict[str, Any] | None = None,
) -> Method:
    """Build a method with fresh weights, drawn from torch's global generator (the caller seeds it).

    Args:
        name: key of :data:`METHODS`.
        feature_dim: D, width of the snippet features.
        categories: of the data set, the normal one first.
        text: text features of the same categories in the same order; for methods that need them.
        width: W, encoder width.
        options: further settings of the method.

    Raises:
        ConfigError: unknown name or option, a value outside its range, text features missing or of other categories.
    """
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}; known: {', '.join(METHODS)}.")
    spec, options = METHODS[name], options or {}
    if taken := {"feature_dim", "width"} & set(options):
        raise ConfigError(f"options of {name}: {', '.join(sorted(taken))} comes from the data set or the profile; leave it out.")
    settings = spec.settings(feature_dim=feature_dim, width=width, **options)
    if spec.needs_text:
        if text is None:
            raise ConfigError(f"method {name} needs text features; make them with prompts.text_features.")
        if tuple(text.categories) != tuple(categories):
            raise ConfigError(
                f"text features: made for {', '.join(text.categories)}; the data set has {', '.join(categories)}. "
                "Make them again with prompts.text_features."
            )
    return spec.build(settings, text)
