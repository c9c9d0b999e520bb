"""Which model scores own footage, and how its features are made; small, so that it can be sent to other processes."""

import functools
from dataclasses import dataclass
from pathlib import Path

from vad_lib.config import FeatureSettings
from vad_lib.data.backbones.i3d_weights import state_sha256
from vad_lib.data.extraction_workers import backbone
from vad_lib.deployment import shipped
from vad_lib.deployment.footage_features import feature_recipe, recipe_key
from vad_lib.deployment.scoring_model import ScoringModel, open_model
from vad_lib.errors import ExtractionError
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.hashing import content_hash, file_sha256


@dataclass(frozen=True)
class ModelChoice:
    """A model and how its features are made.

    Attributes:
        source: that it is opened from, see :func:`~vad_lib.deployment.scoring_model.open_model`.
        key: identifies the scores that it gives a video: its weights and settings, and how its features are made.
        recipe: of the features.
        weights_sha256: of the backbone.
        device: of torch.
    """

    source: str
    key: str
    recipe: FeatureSettings
    weights_sha256: str
    device: str = "cpu"

    def open(self) -> ScoringModel:
        """The model, opened once in a process.

        Raises:
            MissingFileError, DataError: its files, or the weights of the backbone, have gone or are damaged.
            ExtractionError: this process finds another model or other weights under the same names.
        """
        return _opened(self)


def choose_model(
    source: Path | str, *, device: str = "cpu", short_side: int | None = None, crop_size: int | None = None, weights: str = ""
) -> ModelChoice:
    """Choose a model for own footage.

    Args:
        source: name of a shipped model, folder of a finished run, or exported ``.onnx`` file.
        device: of torch.
        short_side: pixels of the shorter side; only for a model that was trained on imported features.
        crop_size: pixels of a square crop, likewise.
        weights: path of a checkpoint of the backbone; empty for Kinetics-400's (I3D) or OpenAI's (CLIP).

    Raises:
        MissingFileError: no such model, or no weights of the backbone.
        DataError: a file is damaged, or such features cannot be made here from pixels.
        ConfigError: a size is missing or contradicts the model, or no such device.
    """
    if not _is_shipped(source):
        source = str(Path(source).resolve())  # the same for every process
    model = open_model(source, device)
    recipe = feature_recipe(model.contract, short_side=short_side, crop_size=crop_size, weights=weights)
    weights_sha256 = backbone(recipe, "cpu").weights_sha256
    return ModelChoice(str(source), _key(source, model, recipe, weights_sha256), recipe, weights_sha256, device)


@functools.lru_cache(maxsize=1)
def _opened(choice: ModelChoice) -> ScoringModel:
    model, network = open_model(choice.source, choice.device), backbone(choice.recipe, choice.device)
    if _key(choice.source, model, choice.recipe, network.weights_sha256) != choice.key:
        raise ExtractionError(
            f"model {choice.source}: this process finds another model, or other weights of {choice.recipe.backbone}, than the one "
            "that began; give all workers the same files and version of the library, then run the command again."
        )
    return model


def _is_shipped(source: Path | str) -> bool:
    return isinstance(source, str) and source in shipped.names()


def _key(source: Path | str, model: ScoringModel, recipe: FeatureSettings, weights_sha256: str) -> str:
    contract = model.contract.model_dump(mode="json", exclude={"source", "weights_note"})
    made = recipe_key(recipe, weights_sha256)
    return content_hash([_content(source), model.categories, contract, model.temperature, made])


def _content(source: Path | str) -> list[object]:
    """Hash of the weights, and the settings that say what they do."""
    settings = ("method", "options", "width")
    if _is_shipped(source):
        about = shipped.about(str(source))
        return [about["weights"]["sha256"], [about["config"].get(name) for name in settings]]
    if Path(source).suffix.lower() == ".onnx":
        return [file_sha256(source)]
    run = RunInFolder(source)
    return [state_sha256(run.weights()), [run.config[name] for name in settings]]
