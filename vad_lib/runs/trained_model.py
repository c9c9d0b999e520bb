"""The trained method of a finished run, to score with it again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from vad_lib import registry
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError, DataError, VadError
from vad_lib.methods.base import Method
from vad_lib.methods.fast_cpu import use_fast_forms
from vad_lib.runs.run_folder import RunInFolder


def load_model(folder: Path | str, *, fast_cpu: bool = True) -> tuple[Method, dict[str, Any]]:
    """The trained method of a finished run folder, on the CPU and in evaluation mode.

    Nothing else is needed: the text features of the proposed model stand among its weights.

    Args:
        folder: of a finished run, written by :func:`vad_lib.runs.trainer.train_run`.
        fast_cpu: swap modules for fast forms of the same weights (:mod:`vad_lib.methods.fast_cpu`); switch it off before a
            model is exported or goes to a GPU.

    Returns:
        the method, and the content of ``config.json``: its ``features`` are the contract of the features that the
        method takes, its ``categories`` the columns of an alignment map.

    Raises:
        MissingFileError: there is no finished run in the folder, or its weights are missing.
        DataError: a file is damaged, or settings and weights do not belong to each other.
        ConfigError: the run's method takes no bags of features; see :data:`vad_lib.registry.ON_BAGS`.
    """
    run = RunInFolder(folder)
    return method_of(run.config, run.weights, run.name, fast_cpu=fast_cpu), run.config


def method_of(config: dict[str, Any], weights_of: Callable[[], dict[str, Tensor]], name: str, *, fast_cpu: bool = True) -> Method:
    """A trained method from the settings of its run and its weights, on the CPU and in evaluation mode.

    Args:
        config: content of the run's ``config.json``.
        weights_of: reads the weights; called once the settings are known to be of a method on bags.
        name: where both are kept, for messages.
        fast_cpu: swap modules for fast forms of the same weights (:mod:`vad_lib.methods.fast_cpu`); switch it off before a
            model is exported or goes to a GPU.

    Raises:
        DataError: settings and weights do not belong to each other.
        ConfigError: the method takes no bags of features; see :data:`vad_lib.registry.ON_BAGS`.
    """
    try:
        method, categories = config["method"], tuple(config["categories"])
        if not registry.method_spec(method).on_bags:
            raise ConfigError(
                f"{name}: {method} is no method on bags of features; give a run of one of {', '.join(registry.ON_BAGS)}."
            )
        weights = weights_of()
        model = registry.build_method(
            method,
            feature_dim=config["features"]["dimension"],
            categories=categories,
            text=_text(config, weights, name) if registry.METHODS[method].needs_text else None,
            width=config["width"],
            options=config["options"],
        )
        model.load_state_dict(weights)
    except VadError:
        raise
    except (KeyError, TypeError, RuntimeError) as error:
        raise _not_of_one_run(name, error) from error
    return (use_fast_forms(model) if fast_cpu else model).eval()


def _text(config: dict[str, Any], weights: dict[str, Tensor], name: str) -> TextFeatures:
    """Text features as the method was given them: they stand among its weights."""
    about, categories = config["text"], tuple(config["categories"])
    place = next((key for key in ("text_features", "text") if key in weights), None)
    if place is None:
        raise KeyError("no text features among the weights")
    values = weights[place]
    if len(values) != len(categories):
        raise DataError(
            f"{name}: {len(categories)} categories in config.json, text features of {len(values)} among the weights; train "
            "it again with this version of the library."
        )
    return TextFeatures(categories, values.numpy(), about["source"], about["note"], ())


def _not_of_one_run(folder: Path | str, error: Exception) -> DataError:
    reason = next(filter(None, str(error).splitlines()), type(error).__name__)
    return DataError(
        f"{folder}: expected settings and weights of one run, but the method cannot be built of them ({reason}); "
        "train it again with this version of the library."
    )
