"""Names of the methods, and how each is built for a data set. A method's file describes it in its ``SPEC``."""

from collections.abc import Sequence
from typing import Any

from vad_lib import model
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError
from vad_lib.methods import (
    bn_svp,
    clip_tsa,
    logistic_regression,
    mgfn,
    msf_dmu,
    pel4vad,
    rtfm,
    sultani_mil,
    supervised,
    ur_dmu,
    vadclip,
)
from vad_lib.methods.base import Method, MethodSpec
from vad_lib.methods.fusion_gan import learner as fusion_gan

METHODS: dict[str, MethodSpec] = {
    spec.name: spec
    for spec in (  # by year; tables keep the paper's order
        logistic_regression.SPEC,
        supervised.SPEC,
        sultani_mil.SPEC,
        rtfm.SPEC,
        bn_svp.SPEC,
        ur_dmu.SPEC,
        mgfn.SPEC,
        clip_tsa.SPEC,
        vadclip.SPEC,
        pel4vad.SPEC,
        msf_dmu.SPEC,
        fusion_gan.SPEC,
        model.SPEC,
    )
}

# Those that take bags of features: each is a module that can be built, trained by the common learner, exported and streamed.
ON_BAGS: tuple[str, ...] = tuple(name for name, spec in METHODS.items() if spec.on_bags)

_NO_AUXILIARY_LOSSES = {"lambda_align": 0.0, "lambda_cls": 0.0, "lambda_con": 0.0}

# options of "proposed" for the rows of Tables 4 and 5; the row above them all is MSF-DMU itself
ABLATIONS: dict[str, dict[str, Any]] = {
    "pcl": {**_NO_AUXILIARY_LOSSES, "gate": "fixed"},
    "pcl-dbagf": _NO_AUXILIARY_LOSSES,
    "fine": {"lambda_align": 0.0, "lambda_con": 0.0},
    "fine-align": {"lambda_con": 0.0},
    "all": {},
}


def method_spec(name: str) -> MethodSpec:
    """The entry of a method.

    Raises:
        ConfigError: unknown name; the message lists the known ones.
    """
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}; known: {', '.join(METHODS)}.")
    return METHODS[name]


def build_method(
    name: str,
    *,
    feature_dim: int,
    categories: Sequence[str],
    text: TextFeatures | None = None,
    width: int = 512,
    options: dict[str, Any] | None = None,
) -> Method:
    """Build a method on bags with fresh weights, drawn from torch's global generator (the caller seeds it).

    Args:
        name: one of :data:`ON_BAGS`.
        feature_dim: D, width of the snippet features.
        categories: of the data set, the normal one first.
        text: text features of the same categories in the same order; for methods that need them.
        width: W, encoder width; each method says what follows from it.
        options: further settings of the method.

    Raises:
        ConfigError: unknown name or option, a method that takes no bags, a value outside its range, text features missing
            or of other categories.
    """
    spec, options = method_spec(name), options or {}
    if spec.build is None:
        raise ConfigError(f"{name} is no method on bags of features; choose one of {', '.join(ON_BAGS)}.")
    if taken := {"feature_dim", "width"} & set(options):
        raise ConfigError(f"options of {name}: {', '.join(sorted(taken))} comes from the data set or the profile; leave it out.")
    of_text = {} if text and text.source.startswith("clip") else spec.without_clip
    settings = spec.settings(**{**spec.sizes(feature_dim, width), **of_text, **options})
    if spec.needs_text:
        if text is None:
            raise ConfigError(f"method {name} needs text features; make them with prompts.text_features.")
        if tuple(text.categories) != tuple(categories):
            raise ConfigError(
                f"text features: made for {', '.join(text.categories)}; the data set has {', '.join(categories)}. "
                "Make them again with prompts.text_features."
            )
    return spec.build(settings, text)
