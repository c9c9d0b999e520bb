"""The trained method of a finished run."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from vad_lib import registry
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError, DataError, MissingFileError, VadError
from vad_lib.methods.base import Method
from vad_lib.runs.baselines import BASELINES
from vad_lib.storage.reading import read_json


def load_model(folder: Path | str) -> tuple[Method, dict[str, Any]]:
    """The trained method of a finished run folder, on the CPU and in evaluation mode.

    Nothing else is needed: the text features of the proposed model stand among its weights.

    Args:
        folder: written by :func:`train_run`.

    Returns:
        the method, and the content of ``config.json``: its ``features`` are the contract of the features that the
        method takes, its ``categories`` the columns of an alignment map.

    Raises:
        MissingFileError: there is no run folder, or one of its files is missing.
        DataError: a file is damaged, or settings and weights do not belong to each other.
        ConfigError: the run's row is no method on bags (:data:`BASELINES`).
    """
    folder = Path(folder)
    for name in ("config.json", "weights.safetensors"):
        if not (folder / name).is_file():
            raise MissingFileError(
                f"{folder}: expected the folder of a finished run, but {name} is missing; run folders lie under "
                "results/PROFILE/runs/DATASET/VARIANT/seedN and are complete once training has ended."
            )
    config = read_json(folder / "config.json")
    try:
        name, categories = config["method"], tuple(config["categories"])
        if name in BASELINES:
            raise ConfigError(f"{folder}: {name} is no method on bags of features; give a run of {', '.join(registry.METHODS)}.")
        weights = load_file(folder / "weights.safetensors")
        text = None
        if registry.METHODS[name].needs_text:
            about = config["text"]
            if len(weights["text"]) != len(categories):
                raise DataError(
                    f"{folder}: {len(categories)} categories in config.json, text features of {len(weights['text'])} among the "
                    "weights; train it again with this version of the library."
                )
            text = TextFeatures(categories, weights["text"].numpy(), about["source"], about["note"], ())
        model = registry.build_method(
            name,
            feature_dim=config["features"]["dimension"],
            categories=categories,
            text=text,
            width=config["width"],
            options=config["options"],
        )
        model.load_state_dict(weights)
    except VadError:
        raise
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{folder}: expected settings and weights of one run, but the method cannot be built of them ({reason}); "
            "train it again with this version of the library."
        ) from error
    return model.eval(), config
